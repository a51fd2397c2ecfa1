"""``mien evaluate base``: everything that ``mien-base`` says of a face, the locked protocol.

- World: people of the test split, whom no training has seen, with exact truth: each output, and
  the main ones by pose, light, skin tone and group. Crops are cut where the true landmarks say.
- Real media (:mod:`mien.evaluate.base_media`): held-back portraits, clips beside MediaPipe's Face
  Landmarker, posed emotions, a mirror, and a still face as a noisy video. Faces are found by mien.

Intervals are 95 %, and draw people anew, not pictures. The network comes as a function, so that
runs, files and other tools are measured alike.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mien.data import labels
from mien.data.traits import of_world, shut
from mien.evaluate import base_media, metrics, peers, report, statistics
from mien.evaluate.base_media import Predict
from mien.evaluate.metrics import classification, regression, segmentation
from mien.find import geometry
from mien.head.model import CELEBAMASK
from mien.world import backdrop
from mien.world.emotions import NAMES
from mien.world.recipe import Factor, Recipe
from mien.world.world import World

PROTOCOL = "base/1"
SEED, COUNT, BATCH = 20_000, 2000, 16
RECIPE = Recipe(
    name="base-test", size=256,
    factors={"yaw": Factor(normal=(0, 28)), "pitch": Factor(normal=(0, 12)),
             "blink": Factor(probability=0.08),
             "emotion": Factor(choices=dict.fromkeys(labels.AFFECTS[:8], 1.0))},
)  # fmt: skip
WITHIN = 60.0  # degrees of yaw up to which the pose is measured
ACTIVE = 0.05  # deviation from which on a curve is active
MARKED = 2.0  # intensity (B, slight) from which on an action unit counts as there
CONFIDENT = 0.25
ROUNDS = 200
FEWEST = 20  # samples of a bin
OUTSIDE = 255  # class of pixels of which nothing is known
UNKNOWN = labels.UNKNOWN

BINS: dict[str, list[tuple[str, Callable[[Mapping[str, Any]], bool]]]] = {
    "pose": [
        (f"{low} to {high} degrees", lambda s, low=low, high=high: low <= abs(s["pose"][0]) < high)
        for low, high in ((0, 15), (15, 30), (30, 45), (45, 60), (60, 90))
    ],
    "light": [
        (name, lambda s, low=low, high=high: low <= s["factors"]["contrast"] < high)
        for name, low, high in (("even", 0, 0.5), ("usual", 0.5, 0.9), ("hard", 0.9, 9))
    ],
    # Individual typology angle: Chardon et al. (1991), Del Bino and Bernerd (2013).
    "skin tone": [
        (name, lambda s, low=low, high=high: low < s["skin_tone"] <= high)
        for name, low, high in (("dark", -181, -30), ("brown", -30, 10), ("tan", 10, 28),
                                ("intermediate", 28, 41), ("light", 41, 181))
    ],
    "group": [
        (name or "drawn", lambda s, name=name: s["group"] == name) for name in ("", *labels.GROUPS)
    ],
}  # fmt: skip


def main(
    predict: Predict,
    size: int,
    data: Path,
    out: Path | None = None,
    limit: int | None = None,
    about: Mapping[str, Any] | None = None,
    people: Path | None = None,
    with_peers: bool = True,
    peers_env: Path | None = None,
) -> None:
    """Measure, print, and write the result as JSON.

    size: side of the crops. data: folder with ``photos``, ``portraits``, ``video``, ``peers``.
    limit: the first so many samples of each part. about: of the weights, for the result. people: a
    folder of ``mien world people``, for groups. with_peers: without, MediaPipe is left out.

    Raises MienError when the data or the peers' environment cannot be had.
    """
    peer = peers.environment(peers_env) if with_peers else None
    recipe = replace(RECIPE, portraits=str(people)) if people else RECIPE
    world, count = World(recipe, "test", SEED), min(COUNT, limit or COUNT)
    samples = (world.sample(i, NEEDED) for i in report.progress(range(count), "world", count))
    results = {
        "network": dict(about or {}),
        "world": {"recipe": recipe.fingerprint(), **measure(samples, predict, size)},
        **base_media.measure(data, predict, size, peer, limit),
    }
    report.finish(PROTOCOL, base_media.fingerprints(data, limit), results, out)


NEEDED = ("image", "landmarks", "visible", "parsing", "expression", "action_units", "pose", "gaze",
          "emotion", "valence", "arousal", "person", "skin_tone", "group", "source", "beard",
          "backdrop", "factors")  # fmt: skip
"""What is measured against of a sample of the world."""


def cut(sample: Mapping[str, Any], size: int) -> np.ndarray:
    """(2, 3), from crop to picture, where the true landmarks (478, 3) say."""
    return geometry.compose(
        geometry.face_to_image(sample["landmarks"]), geometry.crop_to_face(size)
    )


def truth(sample: Mapping[str, Any], picture_from_crop: np.ndarray, size: int) -> dict[str, Any]:
    """What a perfect network says of a crop (``parsing``: ``OUTSIDE`` where nothing is known)."""
    name = NAMES[sample["emotion"]]
    matrix = picture_from_crop.copy()
    matrix[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5  # pixels have their centres at halves
    parsing = cv2.warpAffine(
        sample["parsing"].astype(np.uint8), matrix, (size, size), borderValue=OUTSIDE - 1,
        flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_CONSTANT,
    )  # fmt: skip
    hidden, unknown = parsing == OUTSIDE, parsing == backdrop.UNKNOWN
    to_crop = geometry.invert(picture_from_crop)
    return {
        "landmarks": geometry.transform(to_crop, sample["landmarks"]),
        "visible": np.asarray(sample["visible"], bool),
        "curves": np.asarray(sample["expression"], np.float64),
        "units": np.asarray(sample["action_units"], np.float64),
        "emotion": labels.AFFECTS.index(name) if name in labels.AFFECTS[:8] else UNKNOWN,
        "affect": np.array([sample["valence"], sample["arousal"]], np.float64),
        "gaze": np.asarray(sample["gaze"], np.float64).reshape(2, 2),
        "parsing": np.where(unknown, OUTSIDE, np.where(hidden, 0, parsing)),
        "traits": of_world(sample),
    }


@dataclass(frozen=True, slots=True)
class Row:
    """One sample: what was said and what is true, and what follows from both."""

    sample: dict[str, Any]
    said: dict[str, Any]
    true: dict[str, Any]
    nme: float
    pose: np.ndarray
    floor: np.ndarray
    gaze: float
    parsing: np.ndarray


def measure(
    samples: Iterable[Mapping[str, Any]], predict: Predict, size: int, rounds: int = ROUNDS
) -> dict[str, Any]:
    """Results over samples of the world."""
    rows = [row for batch in _batches(samples) for row in _rows(batch, predict, size)]
    return {
        "samples": len(rows),
        "people": len({row.sample["person"] for row in rows}),
        "outputs": outputs(rows, rounds),
        "confidence": _confidence(rows),
        "bins": {
            factor: {
                name: _bin([row for row in rows if within(row.sample)]) for name, within in bins
            }
            for factor, bins in BINS.items()
        },
    }


def _batches(samples: Iterable[Mapping[str, Any]]) -> Iterable[list[Mapping[str, Any]]]:
    batch: list[Mapping[str, Any]] = []
    for sample in samples:
        batch.append(sample)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _rows(batch: list[Mapping[str, Any]], predict: Predict, size: int) -> list[Row]:
    matrices = [cut(sample, size) for sample in batch]
    told = predict(base_media.crops([s["image"] for s in batch], matrices, size))
    each = [{name: values[i] for name, values in told.items()} for i in range(len(batch))]
    return [
        _row(sample, said, matrix, size)
        for sample, said, matrix in zip(batch, each, matrices, strict=True)
    ]


def _row(sample: Mapping[str, Any], said: dict[str, Any], matrix: np.ndarray, size: int) -> Row:
    true = truth(sample, matrix, size)
    found = geometry.transform(matrix, said["landmarks"])
    confusion = segmentation.counts(
        said["parsing"].astype(np.int64), true["parsing"].astype(np.int64), len(CELEBAMASK), OUTSIDE
    )
    kept = ("pose", "factors", "skin_tone", "group", "person")
    few = {name: value for name, value in said.items() if name not in ("parsing", "landmarks")}
    return Row(
        sample={name: sample[name] for name in kept},
        said=few,
        true={name: true[name] for name in true if name not in ("parsing", "landmarks")},
        nme=float(metrics.nme(found, sample["landmarks"])),
        pose=_pose_gap(found, sample["pose"]),
        floor=_pose_gap(np.asarray(sample["landmarks"], np.float64), sample["pose"]),
        gaze=_gaze_error(said["gaze"], true["gaze"], ~shut(true["curves"])),
        parsing=confusion,
    )


def _pose_gap(landmarks: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Yaw, pitch, roll by the rigid fit minus the true ones, degrees."""
    pose = geometry.pose_of(landmarks)
    return (np.array([pose.yaw, pose.pitch, pose.roll]) - truth + 180) % 360 - 180


def _gaze_error(said: np.ndarray, true: np.ndarray, seen: np.ndarray) -> float:
    """Mean angle between the directions of the eyes that are seen, degrees; NaN if none is."""
    if not seen.any():
        return float("nan")
    cosine = (_direction(said) * _direction(true)).sum(1).clip(-1, 1)
    return float(np.degrees(np.arccos(cosine))[seen].mean())


def _direction(angles: np.ndarray) -> np.ndarray:
    """Unit vectors (n, 3) of yaw and pitch (n, 2) in degrees."""
    yaw, pitch = np.radians(np.asarray(angles, np.float64)).T
    return np.stack([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)], 1)


# Figures over rows


def outputs(rows: list[Row], rounds: int = ROUNDS) -> dict[str, list[float] | None]:
    """Each figure with its interval, [estimate, low, high]; None where nothing can be said."""
    people = np.array([row.sample["person"] for row in rows])
    turned = np.array([abs(row.sample["pose"][0]) <= WITHIN for row in rows])
    said, true = (_stacked(rows, which) for which in ("said", "true"))
    named = true["emotion"] >= 0

    def mean(values: Any, kept: np.ndarray | slice = slice(None)) -> list[float] | None:
        return _figure(lambda v: float(v.mean()), people[kept], rounds, np.asarray(values)[kept])

    def of(statistic: Callable[..., float], *arrays: np.ndarray) -> list[float] | None:
        return _figure(statistic, people, rounds, *arrays)

    gaze = np.array([row.gaze for row in rows])
    marked = [(values["units"] >= MARKED).astype(np.int64) for values in (said, true)]
    figures = {
        "landmarks_percent": mean([100 * row.nme for row in rows]),
        "pose_degrees": mean([np.abs(row.pose).mean() for row in rows], turned),
        "pose_by_true_landmarks_degrees": mean([np.abs(row.floor).mean() for row in rows], turned),
        "visible_accuracy": mean(((said["visible"] >= 0.5) == true["visible"]).mean(1)),
        "curves_mae": mean(np.abs(said["curves"] - true["curves"]).mean(1)),
        "curves_correlation": of(active_correlation, said["curves"], true["curves"]),
        "units_mae": mean(np.abs(said["units"] - true["units"]).mean(1)),
        "units_f1": of(classification.mean_f1, *marked),
        "emotion_accuracy": mean(said["emotion"].argmax(1) == true["emotion"], named),
        "gaze_degrees": mean(gaze, np.isfinite(gaze)),
        "parsing_f1": of(_parsing_f1, np.array([row.parsing for row in rows])),
    }
    for i, name in enumerate(("valence", "arousal")):
        pair = said["affect"][:, i], true["affect"][:, i]
        figures[f"{name}_concordance"] = of(regression.concordance, *pair)
    for i, name in enumerate(labels.TRAITS):
        known = true["traits"][:, i] >= 0
        right = (said["traits"][:, i] >= 0.5) == (true["traits"][:, i] == 1)
        figures[f"{name}_accuracy"] = mean(right, known)
    return figures


def _stacked(rows: list[Row], which: str) -> dict[str, np.ndarray]:
    first = getattr(rows[0], which)
    return {name: np.array([getattr(row, which)[name] for row in rows]) for name in first}


def _figure(
    statistic: Callable[..., float], people: np.ndarray, rounds: int, *arrays: np.ndarray
) -> list[float] | None:
    if len(np.unique(people)) < 2:
        return None
    try:
        return list(
            statistics.bootstrap_statistic(statistic, *arrays, clusters=people, rounds=rounds)
        )
    except ValueError:  # one class only, or nothing that moves
        return None


def active_correlation(said: np.ndarray, true: np.ndarray) -> float:
    """Mean Pearson correlation of the curves (n, 52) that are active; ValueError if none is."""
    active = true.std(0) >= ACTIVE
    if not active.any():
        raise ValueError("no curve is active")
    return float(base_media.correlations(said, true)[active].mean())


def _parsing_f1(confusions: np.ndarray) -> float:
    """Mean F1 of the classes but the background that are there."""
    whole = confusions.sum(0)
    scores = classification.f1_of_counts(whole)[1:][whole.sum(1)[1:] > 0]
    if not len(scores):
        raise ValueError("no class but the background is there")
    return float(scores.mean())


def _bin(rows: list[Row]) -> dict[str, Any]:
    """The main figures of some rows; the counts alone where they are few."""
    people = len({row.sample["person"] for row in rows})
    counts = {"samples": len(rows), "people": people}
    if len(rows) < FEWEST:
        return counts
    whole = outputs(rows)
    main = ("landmarks_percent", "curves_mae", "units_f1", "emotion_accuracy", "gaze_degrees",
            "parsing_f1")  # fmt: skip
    return counts | {name: whole[name] for name in main}


def _confidence(rows: list[Row]) -> dict[str, Any]:
    """Of outputs with a confidence: the share that is kept, and the error with and without it."""
    errors = {
        "landmarks": np.array([100 * row.nme for row in rows]),
        "curves": np.array([np.abs(r.said["curves"] - r.true["curves"]).mean() for r in rows]),
        "units": np.array([np.abs(r.said["units"] - r.true["units"]).mean() for r in rows]),
        "gaze": np.array([row.gaze for row in rows]),
        "emotion": np.array([float(r.said["emotion"].argmax() != r.true["emotion"]) for r in rows]),
    }
    found = {}
    for name, error in errors.items():
        key = f"confidence_{name}"
        if key not in rows[0].said:
            continue
        kept = np.array([row.said[key] for row in rows]) >= CONFIDENT
        found[name] = {
            "kept": float(kept.mean()),
            "error": _mean(error),
            "error_kept": _mean(error[kept]),
            "error_left_out": _mean(error[~kept]),
        }
    return found


def _mean(values: np.ndarray) -> float | None:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else None
