"""``mien evaluate verification``: same person or not, mien's embedding beside dlib's.

Faces are found and aligned by mien for both, so that the same crops are judged.

- Clips: ``FRAMES`` frames of each clip, spread over it, are one person; every face of the photos
  and every held-back portrait is a person of one picture. Pairs of one person are *of one clip*,
  and of a clip and a photo where their files have one name.
- People: a folder of photographs for each person, if one is named. Pairs of one person are *of
  different pictures*. By the names of their folders, people are split into halves.

Clips and the first half of the people are validation: threshold and probability
(``mien/find/judge.json``) come from there. The second half is test.

Intervals draw people anew, not pairs: a person who is drawn twice counts twice.

    python -m mien.evaluate.verification DATA PEOPLE

chooses threshold and probability, and writes them where the package reads them.
"""

import argparse
import csv
import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mien import hub
from mien.data.identities import MARGIN, SIDE
from mien.data.portraits import Portraits
from mien.errors import InputError, UsageError
from mien.evaluate import clips, peers, report, statistics
from mien.evaluate.metrics import verification as metrics
from mien.face import Face
from mien.find import geometry
from mien.find.embedder import CROP_SIZE, JUDGE, Embedder, Judge, aligned
from mien.find.finder import FaceFinder
from mien.media.files import atomic
from mien.media.image import read_image
from mien.media.inputs import IMAGE_SUFFIXES
from mien.media.video import Video

PROTOCOL = "verification/1"
FRAMES = 12  # of each clip
NO_FACE = "no_face"  # in the name of a file without one
FARS = (0.01, 0.001)
OF_ONE = 10  # pairs of one person that the threshold is chosen on
ROUNDS = 500  # of the bootstrap
SMALLEST_GROUP = 10  # people
RIDGE = 1e-5  # of the logistic regression


@dataclass(frozen=True)
class Faces:
    """``crops`` (n, S, S, 3) uint8 with ``MARGIN``, whose faces they are, and from which set."""

    crops: np.ndarray
    people: np.ndarray
    sets: np.ndarray


@dataclass(frozen=True)
class Pairs:
    """``first``, ``second`` (m,): indices of the faces; ``same``: whether of one person."""

    first: np.ndarray
    second: np.ndarray
    same: np.ndarray


def main(
    data: Path, out: Path | None = None, limit: int | None = None, people: Path | None = None,
    with_peers: bool = True, peers_env: Path | None = None,
) -> None:  # fmt: skip
    """Measure, print, and write the result as JSON.

    data: folder with ``photos``, ``portraits`` and ``video``. people: one with a folder for each
    person. limit: the first so many clips, photos, portraits and people. peers_env: a virtual
    environment with dlib and face_recognition_models.
    """
    faces = collect(data, people, FaceFinder.bundled(), limit)
    vectors = {"mien": embedded(faces.crops)}
    results: dict[str, Any] = {"faces": len(faces.crops), "people": len(set(faces.people))}
    if with_peers:
        vectors["dlib"], results["peers"] = by_dlib(faces.crops, peers_env)
    results["sets"] = {
        name: {"pairs": _counts(pairs)}
        | {who: measure(found, faces, pairs) for who, found in vectors.items()}
        for name, pairs in _sets(faces)
    }
    results["decisions"] = decisions(vectors["mien"], faces)
    results["groups"] = groups(vectors["mien"], faces, data / "portraits")
    report.finish(PROTOCOL, _data(data, people, limit), results, out)


def collect(data: Path, people: Path | None, finder: FaceFinder, limit: int | None) -> Faces:
    """The faces of all sets.

    Raises InputError where a folder is not there.
    """
    for part in ("photos", "portraits", "video"):
        if not (data / part).is_dir():
            raise InputError(f"{data / part}: not there")
    parts = [_clips(data / "video", finder, limit), _photos(data / "photos", finder, limit)]
    parts.append(_portraits(data / "portraits", limit))
    if people is not None:
        parts.append(_people(people, finder, limit))
    found = [one for part in parts for one in part]
    crops, names, sets = zip(*found, strict=True)
    return Faces(np.stack(crops), np.array(names), np.array(sets))


def embedded(crops: np.ndarray) -> np.ndarray:
    """mien's vectors (n, 128) of crops with ``MARGIN``."""
    edge = (SIDE - SIDE / MARGIN) / 2
    scale = SIDE / MARGIN / CROP_SIZE
    place = np.array([[scale, 0, edge], [0, scale, edge]])
    embedder = Embedder.bundled()
    inner = np.stack([geometry.crop(crop, place, CROP_SIZE) for crop in crops])
    parts = [embedder.of_crops(inner[i : i + 16]) for i in range(0, len(inner), 16)]
    return np.concatenate(parts)


def by_dlib(crops: np.ndarray, folder: Path | None) -> tuple[np.ndarray, dict[str, str]]:
    """dlib's vectors (n, 128) of the same crops, and its version.

    Raises UsageError where no environment is named, MienError where it has no dlib.
    """
    python = (folder or peers.default_folder()) / "bin" / "python"
    if not python.exists():
        raise UsageError(
            f"{python}: not there: name a virtual environment that has dlib and"
            " face_recognition_models with --peers-env, or say --no-peers"
        )
    with tempfile.TemporaryDirectory() as temporary:
        file, made = Path(temporary) / "crops.npy", Path(temporary) / "vectors.npy"
        np.save(file, crops)
        peer, size = peers.Environment(python, {}), SIDE / MARGIN
        said = peers.run(peer, "dlib_faces.py", file, size, made, 1)
        return np.load(made, allow_pickle=False), {"dlib": said["dlib"]}


def pairs_of(faces: Faces, chosen: np.ndarray) -> Pairs:
    """All pairs of the chosen (bool) faces, but for those of a clip or photo and a named person.

    Nothing says who is in the clips, so they may be of one person.
    """
    indices = np.flatnonzero(chosen)
    one, other = np.triu_indices(len(indices), 1)
    first, second = indices[one], indices[other]
    mixed = {"clips", "people"}
    told = [{a, b} != mixed for a, b in zip(faces.sets[first], faces.sets[second], strict=True)]
    first, second = first[told], second[told]
    return Pairs(first, second, faces.people[first] == faces.people[second])


def few_of_each(faces: Faces, pairs: Pairs) -> Pairs:
    """All pairs of different people, and of each person ``OF_ONE`` pairs at most, spread evenly.

    Frames of a clip are alike and many; without this they alone would decide what is alike.
    """
    kept = ~pairs.same
    of = faces.people[pairs.first]
    for person in set(of[pairs.same]):
        own = np.flatnonzero(pairs.same & (of == person))
        kept[own[np.linspace(0, len(own) - 1, min(OF_ONE, len(own))).astype(int)]] = True
    return Pairs(pairs.first[kept], pairs.second[kept], pairs.same[kept])


def distances(vectors: np.ndarray, pairs: Pairs) -> np.ndarray:
    """(m,) squared Euclidean distances."""
    return np.square(vectors[pairs.first] - vectors[pairs.second]).sum(1)


def measure(vectors: np.ndarray, faces: Faces, pairs: Pairs) -> dict[str, Any]:
    """EER, AUC and TAR at each FAR, in percent, with intervals over people."""
    gaps = distances(vectors, pairs)
    values = _numbers(-gaps, pairs.same)
    drawn = np.array(list(_redrawn(gaps, faces, pairs)))[:, : len(values)]
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    return {
        name: {"percent": 100 * value, "ci95": [100 * low[i], 100 * high[i]]}
        for i, (name, value) in enumerate(values.items())
    }


def decisions(vectors: np.ndarray, faces: Faces) -> dict[str, Any]:
    """What the bundled threshold decides, on validation and on test."""
    judge = Judge.bundled()
    threshold = statistics.Threshold.published(-judge.threshold, JUDGE.name)
    found: dict[str, Any] = {"threshold": judge.threshold}
    for name, chosen in (("validation", ~_is_test(faces)), ("test", _is_test(faces))):
        pairs = pairs_of(faces, chosen)
        if pairs.same.any() and not pairs.same.all():
            gaps = distances(vectors, pairs)
            rates = metrics.rates_at(-gaps, pairs.same, threshold)
            found[name] = {
                "pairs": _counts(pairs),
                "false_accept_percent": 100 * rates.false_accept,
                "false_reject_percent": 100 * rates.false_reject,
                "calibration_error": _calibration_error(judge, gaps, pairs.same),
            }
    return found


def groups(vectors: np.ndarray, faces: Faces, portraits: Path) -> dict[str, Any]:
    """How often two people of one group, by the portraits' folder names, are taken for one.

    Portraits are of people who do not exist, one picture each; groups say how a picture looks.
    """
    with open(portraits / "index.csv", newline="") as stream:
        rows = {row["file"]: row for row in csv.DictReader(stream)}
    mine = [(i, rows[name]) for i, name in enumerate(faces.people) if name in rows]
    threshold, found = Judge.bundled().threshold, {}
    for column in ("gender", "group"):
        for value in sorted({row[column] for _, row in mine}):
            own = np.zeros(len(faces.people), bool)
            own[[i for i, row in mine if row[column] == value]] = True
            if own.sum() >= SMALLEST_GROUP:
                gaps = distances(vectors, pairs_of(faces, own))
                found[f"{column}: {value}"] = {
                    "people": int(own.sum()),
                    "false_accept_percent": 100 * float((gaps < threshold).mean()),
                }
    return found


def choose_judge(gaps: np.ndarray, same: np.ndarray) -> Judge:
    """Thresholds and probability (logistic) from validation pairs.

    For the probability both classes weigh the same, whatever their numbers.
    """
    equal = statistics.choose_threshold(-gaps, same, "eer")
    rare = statistics.choose_threshold(-gaps, same, "far", far=FARS[0])
    slope, centre = fit_logistic(gaps, same)
    weights = hub.lookup("mien-embedding").sha256 or ""
    return Judge(-equal.value, -rare.value, slope, centre, weights)


def fit_logistic(gaps: np.ndarray, same: np.ndarray, steps: int = 50) -> tuple[float, float]:
    """Slope and centre of P(same) = 1 / (1 + exp(slope (gap - centre))), by Newton's method."""
    weights = np.where(same, 0.5 / same.sum(), 0.5 / (~same).sum())
    inputs = np.column_stack([gaps, np.ones(len(gaps))])
    found = np.zeros(2)
    for _ in range(steps):
        chance = 1 / (1 + np.exp(-inputs @ found))
        slack = weights * (same - chance)
        bend = (weights * chance * (1 - chance))[:, None] * inputs
        # A little is added so that classes that do not overlap have a finite slope.
        curvature = inputs.T @ bend + RIDGE * np.eye(2)
        found += np.linalg.solve(curvature, inputs.T @ slack - RIDGE * found)
    return float(-found[0]), float(-found[1] / found[0])


def _sets(faces: Faces) -> Iterator[tuple[str, Pairs]]:
    """The sets of pairs that are measured, those of which there are any."""
    single, photographed = faces.sets == "clips", faces.sets == "people"
    portraits = faces.sets == "portraits"
    choices = {
        "one clip": single,
        "one clip, and portraits": single | portraits,
        "different pictures": photographed,
        "different pictures, test half": photographed & _is_test(faces),
    }
    for name, chosen in choices.items():
        pairs = pairs_of(faces, chosen)
        if pairs.same.any() and not pairs.same.all():
            yield name, pairs


def _is_test(faces: Faces) -> np.ndarray:
    """(n,) bool: every second person of the photographed ones."""
    people = sorted(set(faces.people[faces.sets == "people"]))
    return np.isin(faces.people, people[1::2])


def _numbers(scores: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """By name; a FAR that so few pairs of different people cannot show is left out."""
    found = {
        "eer": metrics.equal_error_rate(scores, labels),
        "auc": metrics.roc_auc(scores, labels),
    }
    for far in FARS:
        if (~labels).sum() * far >= 1:
            found[f"tar at far {far:g}"] = metrics.tar_at_far(scores, labels, far)
    return found


def _redrawn(gaps: np.ndarray, faces: Faces, pairs: Pairs) -> Iterator[list[float]]:
    """EER, AUC and TARs, people being drawn with replacement ``ROUNDS`` times.

    A pair counts as often as its two people are drawn together.
    """
    order = np.argsort(gaps, kind="stable")
    same = pairs.same[order]
    _, person = np.unique(faces.people, return_inverse=True)
    first, second = person[pairs.first[order]], person[pairs.second[order]]
    there = np.unique(np.concatenate([first, second]))
    rng = np.random.default_rng(0)
    for _ in range(ROUNDS):
        drawn = np.bincount(rng.choice(there, len(there)), minlength=person.max() + 1)
        times = np.where(same, drawn[first], drawn[first] * drawn[second])
        hits, alarms = np.cumsum(times * same), np.cumsum(times * ~same)
        if hits[-1] and alarms[-1]:
            tar, far = np.append(0, hits / hits[-1]), np.append(0, alarms / alarms[-1])
            cross = int(np.searchsorted(tar + far, 1))
            area = float(np.trapezoid(tar, far))
            at = [float(tar[np.searchsorted(far, limit, "right") - 1]) for limit in FARS]
            yield [float((1 - tar[cross] + far[cross]) / 2), area, *at]


def _calibration_error(judge: Judge, gaps: np.ndarray, same: np.ndarray) -> float:
    """Expected calibration error in ten bins, both classes weighing the same."""
    chance = np.array([judge.probability(gap) for gap in gaps])
    weights = np.where(same, 0.5 / same.sum(), 0.5 / (~same).sum())
    bins = np.minimum((10 * chance).astype(int), 9)
    off = np.bincount(bins, weights * (chance - same), 10)
    return float(np.abs(off).sum())


def _clips(
    folder: Path, finder: FaceFinder, limit: int | None
) -> Iterator[tuple[np.ndarray, str, str]]:
    files = [file for file in clips.clips(folder.parent) if NO_FACE not in file.name]
    for file in report.progress(files[:limit], "clips"):
        count = sum(1 for _ in Video(file).frames())
        wanted = set(np.linspace(0, count - 1, FRAMES).astype(int).tolist())
        for frame in Video(file).frames():
            if frame.index in wanted:
                for face in finder.find([frame.image], 1)[0]:
                    yield _crop(frame.image, face), file.stem, "clips"


def _photos(
    folder: Path, finder: FaceFinder, limit: int | None
) -> Iterator[tuple[np.ndarray, str, str]]:
    for file in report.progress(sorted(folder.iterdir())[:limit], "photos"):
        image = read_image(file)
        for number, face in enumerate(finder.find([image])[0], 1):
            name = file.stem if number == 1 else f"{file.stem}, face {number}"
            yield _crop(image, face), name, "clips"


def _portraits(folder: Path, limit: int | None) -> Iterator[tuple[np.ndarray, str, str]]:
    portraits = Portraits.load(folder)
    for index in np.flatnonzero(portraits.test)[:limit]:
        image = portraits.image(int(index))
        landmarks = portraits.landmarks[index] * len(image)
        yield aligned(image, landmarks, SIDE, MARGIN), portraits.files[index], "portraits"


def _people(
    folder: Path, finder: FaceFinder, limit: int | None
) -> Iterator[tuple[np.ndarray, str, str]]:
    """The largest face of each photograph."""
    if not folder.is_dir():
        raise InputError(f"{folder}: not a folder")
    people = sorted(part for part in folder.iterdir() if part.is_dir())
    for person in report.progress(people[:limit], "people"):
        for file in sorted(person.iterdir()):
            if file.suffix.lower() in IMAGE_SUFFIXES:
                image = read_image(file)
                for face in finder.find([image], 1)[0]:
                    yield _crop(image, face), person.name, "people"


def _crop(image: np.ndarray, face: Face) -> np.ndarray:
    assert face.landmarks is not None
    return aligned(image, face.landmarks, SIDE, MARGIN)


def _counts(pairs: Pairs) -> dict[str, int]:
    return {"same": int(pairs.same.sum()), "different": int((~pairs.same).sum())}


def _data(data: Path, people: Path | None, limit: int | None) -> dict[str, Any]:
    photographs = [] if people is None else [f for f in people.rglob("*") if f.is_file()]
    return {
        "video": report.fingerprint(clips.clips(data)),
        "photos": report.fingerprint((data / "photos").iterdir()),
        "portraits": report.fingerprint(
            data / "portraits" / name for name in ("index.csv", "labels.npz")
        ),
        "people": report.fingerprint(photographs) if photographs else None,
        "limit": limit,
    }


def calibrate(data: Path, people: Path) -> Judge:
    """Choose threshold and probability on validation, and write them into the package."""
    faces = collect(data, people, FaceFinder.bundled(), None)
    pairs = few_of_each(faces, pairs_of(faces, ~_is_test(faces)))
    judge = choose_judge(distances(embedded(faces.crops), pairs), pairs.same)
    about = {
        "chosen_on": "validation of mien evaluate verification: clips, photos, held-back portraits,"
        " every second person of a folder of photographs",
        "pairs": _counts(pairs),
        "criterion": "threshold: equal error rate; grouping: false accept rate 0.01; probability:"
        " logistic regression with both classes weighing the same",
    }
    with atomic(JUDGE) as temporary:
        text = json.dumps({"judge": asdict(judge), **about}, indent=2)
        temporary.write_text(text + "\n", "utf-8")
    return judge


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Choose threshold and probability.")
    parser.add_argument("data", type=Path)
    parser.add_argument("people", type=Path)
    chosen = parser.parse_args()
    print(calibrate(chosen.data, chosen.people))
