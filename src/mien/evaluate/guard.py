"""``mien evaluate guard``: forged or not, by manipulations that were trained and that were not.

Scores are the bundled detector's logits of crops; positives are forgeries.

- Portraits: an album (``python -m mien.train.forged --part test``) of held-back people who do not
  exist, real and forged by the kinds that were trained; and one of kinds that never were.
- Clips of real people: ``FRAMES`` frames of each, as they are, and forged by one manipulation with
  the same parameters throughout. A clip's score is the mean of its frames' probabilities. Every
  second clip is validation: the probability (``mien/find/guard.json``) comes from there and from
  portraits that were neither trained nor tested on.
- Corruptions of DeeperForensics (``mien.world.traces``), on real and forged ones alike.
- Photographs of real people: what is said of them, one by one. All of them are real, or art.

Intervals draw people anew, not pictures.

    python -m mien.evaluate.guard DATA ALBUM

chooses the probability on validation, an album of portraits and the clips of ``DATA``, and writes
it where the package reads it.
"""

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mien import hub
from mien.data.forgeries import FILES, Album
from mien.errors import InputError
from mien.evaluate import clips, report, statistics
from mien.evaluate.metrics import verification as metrics
from mien.evaluate.verification import fit_logistic
from mien.find import geometry
from mien.find.finder import FaceFinder
from mien.find.guard import CALIBRATION, CROP_SIZE, Calibration, Guard, answer_of
from mien.media.files import atomic
from mien.media.image import read_image
from mien.media.video import Video
from mien.world import traces
from mien.world.forged_photos import PHOTO_KINDS, photo_shot
from mien.world.forging import Manipulation, Shot

PROTOCOL = "guard/1"
FRAMES, APART = 4, 5  # of each clip, and how many frames lie between two of them
SIDE = 320  # pixels of what is cut out of a clip's frame, at most
AROUND = 2.2  # its side / the side of the face's box
RATE_FACTOR = 23  # of H.264, which real and forged frames are coded with
CLIP_KINDS = ("swap-warped", "self-blend", "inpaint", "gan", "diffusion", "recompressed",
              "reenact-warped", "makeup", "age")  # fmt: skip
UNSEEN = ("makeup", "age", "skin-tone")  # kinds that the bundled detector never learned
SEVERITIES = (1, 3, 5)
CORRUPTED = ("jpeg", "video", "blur", "noise", "pixels")
LEVELS: Mapping[str, int | None] = {"light": None, "medium": 70, "strong": 40}
"""Levels of compression: JPEG's quality, put on what the album holds."""
SOME = 50  # pairs that are corrupted
ROUNDS = 200  # of the bootstrap


@dataclass(frozen=True, eq=False)
class Scores:
    """Of n pictures: logits, whether they are forged, by which kind ("real"), and whose they are.

    Of a kind's scores the real pictures are those that it was made of.
    """

    logits: np.ndarray
    forged: np.ndarray
    kinds: np.ndarray
    people: np.ndarray

    def of(self, chosen: np.ndarray) -> "Scores":
        """Some of them (n,) bool."""
        return Scores(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))


def main(
    data: Path, album: Path, out: Path | None = None, limit: int | None = None,
    unseen: Path | None = None, left_out: Mapping[str, Path] | None = None,
) -> None:  # fmt: skip
    """Measure, print, and write the result as JSON.

    data: folder with ``photos`` and ``video``. album: of held-back portraits; unseen: of kinds that
    were not trained. limit: the first so many pairs, clips and photos. left_out: of detectors that
    were trained without a family, the ONNX file of each.
    """
    guard, calibration = Guard.bundled(), Calibration.bundled()
    found = scored(guard, Album(album), limit)
    real_clips = clip_scores(guard, data, FaceFinder.bundled(), limit, test=True)
    results: dict[str, Any] = {
        "portraits": by_kind(found),
        "unseen": by_kind(scored(guard, Album(unseen), limit)) if unseen else {},
        "clips": by_kind(real_clips),
        "videos": by_kind(_by_video(real_clips, calibration)),
        "corruptions": corruptions(guard, Album(album), limit),
        "left out": {
            family: _left_out(guard, Guard(hub.OnnxNetwork(file)), Album(album), family, limit)
            for family, file in (left_out or {}).items()
        },
        "decisions": {
            "portraits": decisions(found, calibration),
            "clips": decisions(real_clips, calibration),
        },
        "photos": photos(guard, calibration, data, limit),
        "reliability": dict(calibration.reliability),
    }
    report.finish(PROTOCOL, _data(data, album, unseen, limit), results, out)


# -- portraits -------------------------------------------------------------------------------------


def scored(guard: Guard, album: Album, limit: int | None = None, change: Any = None) -> Scores:
    """The scores of an album's pairs; ``change`` is done to each crop before."""
    parts = []
    for start in range(0, len(album.images[:limit]), 16):
        pairs = np.asarray(album.images[start : min(start + 16, limit or len(album))])
        crops = _middle(pairs.reshape(-1, *pairs.shape[2:]))
        if change is not None:
            crops = np.stack([change(crop, start + i) for i, crop in enumerate(crops)])
        parts.append(guard.of_crops(crops).logit)
    count = len(album.images[:limit])
    kinds = album.kinds[:count]
    return Scores(
        np.concatenate(parts), np.tile([False, True], count), np.repeat(kinds, 2),
        np.repeat(album.people[:count], 2).astype(str),
    )  # fmt: skip


def _middle(crops: np.ndarray) -> np.ndarray:
    """The middle of (n, S, S, 3) crops, as large as the detector's."""
    edge = (crops.shape[1] - CROP_SIZE) // 2
    if edge < 0:
        raise InputError(f"crops of {crops.shape[1]} pixels; the detector takes {CROP_SIZE}")
    return crops[:, edge : edge + CROP_SIZE, edge : edge + CROP_SIZE]


def by_kind(scores: Scores) -> dict[str, Any]:
    """AUC with its interval, EER and average precision, of all kinds and of each."""
    found = {"all": _numbers(scores)}
    for kind in sorted(set(scores.kinds[scores.forged])):
        found[kind] = _numbers(scores.of((scores.kinds == kind) | (scores.kinds == "real")))
    return found


def _numbers(scores: Scores) -> dict[str, Any]:
    auc = statistics.bootstrap_statistic(
        metrics.roc_auc, scores.logits, scores.forged, clusters=scores.people, rounds=ROUNDS
    )
    return {
        "real": int((~scores.forged).sum()),
        "forged": int(scores.forged.sum()),
        "auc": auc.estimate,
        "ci95": [auc.low, auc.high],
        "eer": metrics.equal_error_rate(scores.logits, scores.forged),
        "ap": metrics.average_precision(scores.logits, scores.forged),
    }


def corruptions(guard: Guard, album: Album, limit: int | None) -> dict[str, dict[str, float]]:
    """AUC by corruption and severity, of the album's first pairs."""
    count = min(limit or SOME, SOME)
    found = {}
    for name in CORRUPTED:
        found[name] = {}
        for severity in SEVERITIES:

            def corrupted(crop: np.ndarray, number: int, level: int = severity, what: str = name):
                return traces.corrupt(crop, what, level, np.random.default_rng([number, 5]))

            scores = scored(guard, album, count, corrupted)
            found[name][str(severity)] = metrics.roc_auc(scores.logits, scores.forged)
    return found


def _left_out(
    guard: Guard, other: Guard, album: Album, family: str, limit: int | None
) -> dict[str, Any]:
    """AUC on a family of the bundled detector and of one that was trained without it."""
    kinds = [kind for kind, cls in PHOTO_KINDS.items() if cls.family == family]
    told = {}
    for name, one in (("trained", guard), ("left out", other)):
        scores = scored(one, album, limit)
        told[name] = _numbers(scores.of(np.isin(scores.kinds, kinds)))
        told[f"{name}, other families"] = _numbers(scores.of(~np.isin(scores.kinds, kinds)))
    return told


# -- clips and photos of real people ---------------------------------------------------------------


def clip_scores(
    guard: Guard, data: Path, finder: FaceFinder, limit: int | None, test: bool
) -> Scores:
    """Frames of real clips, as they are and forged; people are the clips.

    test: of every second clip; else of the others.
    """
    files = clips.clips(data)[:limit]
    shots = [(file.stem, list(_shots(file, finder))) for file in report.progress(files, "clips")]
    shots = [(name, found) for name, found in shots if found]
    if len(shots) < 2:
        raise InputError(f"{data / 'video'}: a face is needed in two clips at least")
    rows = []
    for number, (name, own) in enumerate(shots):
        if (number % 2 == 1) == test:
            donor = shots[number - 1][1][0]
            for kind in ("real", *CLIP_KINDS):
                for shot in _forged(own, kind, donor, number):
                    logit = guard(shot.image, [shot.sample["landmarks"]]).logit[0]
                    rows.append((float(logit), kind != "real", kind, name))
    return Scores(*(np.array(column) for column in zip(*rows, strict=True)))


def _shots(file: Path, finder: FaceFinder) -> Iterator[Shot]:
    """The largest face of some frames of a clip, with what is around it."""
    for frame in Video(file).frames(APART):
        if frame.index >= FRAMES * APART:
            break
        for face in finder.find([frame.image], 1)[0]:
            assert face.landmarks is not None
            centre, half = (face.box[:2] + face.box[2:]) / 2, AROUND / 2 * _size(face.box)
            place = np.column_stack([np.eye(2) * 2 * half / SIDE, centre - half])
            landmarks = geometry.transform(geometry.invert(place), face.landmarks)
            yield photo_shot(geometry.crop(frame.image, place, SIDE), landmarks, frame.index)


def _size(box: np.ndarray) -> float:
    """The side in pixels of a square as large as a box."""
    return float(np.sqrt(np.prod(box[2:] - box[:2])))


def _forged(own: list[Shot], kind: str, donor: Shot, number: int) -> Iterator[Shot]:
    """A clip's frames, forged in one way and coded; the donor is of another clip."""
    way: Manipulation | None = None
    if kind != "real":
        way = PHOTO_KINDS[kind].sample(np.random.default_rng([number, CLIP_KINDS.index(kind)]))
    for shot in own:
        image = shot.image
        if way is not None:
            image = way(shot, np.random.default_rng([number, 6]), donor).image
        yield replace(shot, image=traces.h264(image, RATE_FACTOR))


def _by_video(scores: Scores, calibration: Calibration) -> Scores:
    """A score for each clip and kind: the mean probability of its frames."""
    chance = calibration.probability(scores.logits)
    rows = []
    for name in dict.fromkeys(scores.people):
        for kind in dict.fromkeys(scores.kinds[scores.people == name]):
            own = (scores.people == name) & (scores.kinds == kind)
            rows.append((float(chance[own].mean()), kind != "real", kind, name))
    return Scores(*(np.array(column) for column in zip(*rows, strict=True)))


def photos(
    guard: Guard, calibration: Calibration, data: Path, limit: int | None
) -> dict[str, list[dict[str, Any]]]:
    """What is said of every face of the photos of real people, none of which was forged by us."""
    finder, found = FaceFinder.bundled(), {}
    for file in sorted((data / "photos").iterdir())[:limit]:
        image = read_image(file)
        faces = finder.find([image])[0]
        logits = guard(image, [np.asarray(face.landmarks) for face in faces]).logit
        chances = calibration.probability(logits)
        found[file.name] = [
            {"size": round(_size(face.box)), "probability": float(chance),
             "answer": answer_of(float(chance), _size(face.box))}
            for face, chance in zip(faces, chances, strict=True)
        ]  # fmt: skip
    return found


# -- decisions -------------------------------------------------------------------------------------


def decisions(scores: Scores, calibration: Calibration) -> dict[str, Any]:
    """Percent of real and forged pictures that get each answer, and the calibration error."""
    chance = calibration.probability(scores.logits)
    answers = np.array([answer_of(float(value)) for value in chance])
    told: dict[str, Any] = {
        name: {answer: 100 * float(np.mean(answers[part] == answer))
               for answer in ("forged", "unsure", "no sign")}
        for name, part in (("real", ~scores.forged), ("forged", scores.forged))
    }  # fmt: skip
    return told | {"calibration_error": _calibration_error(chance, scores.forged)}


def _calibration_error(chance: np.ndarray, forged: np.ndarray) -> float:
    """Expected calibration error in ten bins, both classes weighing the same."""
    weights = np.where(forged, 0.5 / forged.sum(), 0.5 / (~forged).sum())
    bins = np.minimum((10 * chance).astype(int), 9)
    return float(np.abs(np.bincount(bins, weights * (chance - forged), 10)).sum())


def calibrate(data: Path, album: Path) -> Calibration:
    """Choose the probability on validation, and write it into the package."""
    guard, held = Guard.bundled(), Album(album)
    portraits = scored(guard, held)
    of_clips = clip_scores(guard, data, FaceFinder.bundled(), None, test=False)
    learned = ~np.isin(of_clips.kinds, UNSEEN)
    parts = [portraits, of_clips.of(learned)]
    # Both sets weigh the same: real people are few here and matter most.
    logits = np.concatenate([np.resize(part.logits, 1000) for part in parts])
    forged = np.concatenate([np.resize(part.forged, 1000) for part in parts])
    slope, centre = fit_logistic(-logits, forged)
    reliability = {level: _at_quality(guard, held, quality) for level, quality in LEVELS.items()}
    weights = hub.lookup("mien-guard").sha256 or ""
    found = Calibration(slope, slope * centre, reliability, weights)
    about = {
        "chosen_on": "validation of mien evaluate guard: portraits that were neither trained nor "
        "tested on, and every second clip of real people, as they are and forged; both sets weigh "
        "the same",
        "reliability": "AUC on those portraits, coded as JPEG of quality 70 (medium) and 40",
    }
    with atomic(CALIBRATION) as temporary:
        text = json.dumps({"calibration": asdict(found), **about}, indent=2)
        temporary.write_text(text + "\n", "utf-8")
    return found


def _at_quality(guard: Guard, album: Album, quality: int | None) -> float:
    change = None if quality is None else lambda crop, _: traces.jpeg(crop, quality)
    scores = scored(guard, album, None, change)
    return round(metrics.roc_auc(scores.logits, scores.forged), 4)


def _data(data: Path, album: Path, unseen: Path | None, limit: int | None) -> dict[str, Any]:
    return {
        "album": report.fingerprint(album / name for name in FILES),
        "unseen": report.fingerprint(unseen / name for name in FILES) if unseen else None,
        "video": report.fingerprint(clips.clips(data)),
        "photos": report.fingerprint((data / "photos").iterdir()),
        "limit": limit,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Choose the probability.")
    parser.add_argument("data", type=Path)
    parser.add_argument("album", type=Path)
    chosen = parser.parse_args()
    print(calibrate(chosen.data, chosen.album))
