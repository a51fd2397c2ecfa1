"""What is measured: errors of landmarks, matches of boxes, and how sure a mean is."""

from typing import Any

import numpy as np

from mien.face import Face
from mien.find.geometry import box_of, iou

OUTER_CORNERS = (33, 263)
"""Outer eye corners; their distance is the inter-ocular distance of 300-W (Sagonas et al. 2013)."""
IRIS_CENTRES = (468, 473)
"""Iris centres; their distance is the inter-pupil distance, about 0.7 of the other."""

FAILURE = 0.08
"""An error above 8 % of the normaliser is a failure, as in the 300-W challenge."""


def distance(landmarks: np.ndarray, pair: tuple[int, int]) -> np.ndarray:
    """Distance of two landmarks of (..., 478, d) points, in the plane or in space, (...)."""
    landmarks = np.asarray(landmarks, np.float64)
    return np.linalg.norm(landmarks[..., pair[0], :] - landmarks[..., pair[1], :], axis=-1)


def errors(
    predicted: np.ndarray, truth: np.ndarray, pair: tuple[int, int] = OUTER_CORNERS
) -> np.ndarray:
    """Distance of each point from the truth, in the image plane, / the truth's ``pair`` distance.

    Takes (..., 478, 2 or 3), gives (..., 478).
    """
    predicted, truth = (np.asarray(p, np.float64)[..., :2] for p in (predicted, truth))
    return np.linalg.norm(predicted - truth, axis=-1) / distance(truth, pair)[..., None]


def errors_3d(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """As :func:`errors`, in space: (..., 478, 3) -> (..., 478), / the distance in space.

    Only differences of z mean something, so its mean is taken out on both sides.
    """
    predicted, truth = (_centred_depth(p) for p in (predicted, truth))
    gaps = np.linalg.norm(predicted - truth, axis=-1)
    return gaps / distance(truth, OUTER_CORNERS)[..., None]


def _centred_depth(landmarks: np.ndarray) -> np.ndarray:
    landmarks = np.array(landmarks, np.float64)
    landmarks[..., 2] -= landmarks[..., 2].mean(axis=-1, keepdims=True)
    return landmarks


def nme(
    predicted: np.ndarray, truth: np.ndarray, pair: tuple[int, int] = OUTER_CORNERS
) -> np.ndarray:
    """Normalised mean error of each face: the mean over the points of :func:`errors`, (...)."""
    return errors(predicted, truth, pair).mean(axis=-1)


def nearest(truth: np.ndarray, faces: list[Face]) -> Face | None:
    """The face whose landmarks' box has its centre nearest to that of the true (478, d) ones.

    None when it is farther away than half the size of the true box: then it is someone else.
    """
    box = box_of(truth)
    reach = np.sqrt(np.prod(box[2:] - box[:2])) / 2
    gaps = [np.linalg.norm(_centre(box_of(points(face))) - _centre(box)) for face in faces]
    best = int(np.argmin(gaps)) if gaps else -1
    return faces[best] if faces and gaps[best] <= reach else None


def _centre(box: np.ndarray) -> np.ndarray:
    return (box[:2] + box[2:]) / 2


def points(face: Face) -> np.ndarray:
    """The (478, 3) landmarks of a face that has been measured."""
    if face.landmarks is None:
        raise ValueError("a face without landmarks")
    return face.landmarks


def error_of(truth: np.ndarray, faces: list[Face]) -> float:
    """:func:`nme` of the face that is meant by the true landmarks; infinite when it was missed."""
    face = nearest(truth, faces)
    return np.inf if face is None else float(nme(points(face), truth))


def summary(values: np.ndarray) -> dict[str, Any]:
    """Statistics of (n,) normalised errors, infinite where a face was missed.

    Means and quantiles are of the faces found; failure rate and area count the missed ones too.
    """
    values = np.asarray(values, np.float64)
    found = values[np.isfinite(values)]
    some = bool(len(found))
    return {
        "faces": len(values),
        "missed": len(values) - len(found),
        "mean_percent": 100 * found.mean() if some else None,
        "median_percent": 100 * float(np.median(found)) if some else None,
        "p95_percent": 100 * float(np.quantile(found, 0.95)) if some else None,
        "failure_rate": failure_rate(values) if len(values) else None,
        "auc": auc(values) if len(values) else None,
    }


def failure_rate(values: np.ndarray, limit: float = FAILURE) -> float:
    """Share of faces with an error above ``limit``; a missed face has the error infinity."""
    return float(np.mean(np.asarray(values) > limit))


def auc(values: np.ndarray, limit: float = FAILURE) -> float:
    """Area under the cumulative error distribution up to ``limit``, / ``limit``: 0 to 1 is best."""
    return float(np.mean(np.clip(1 - np.asarray(values, np.float64) / limit, 0, 1)))


def jitter(track: np.ndarray) -> np.ndarray:
    """Standard deviation over time of each landmark of a still face, per coordinate.

    track: (frames, n, 2 or 3) pixels; gives (n,): root of the mean variance of x and y.
    """
    return np.sqrt(np.asarray(track, np.float64)[..., :2].var(axis=0).mean(axis=-1))


def bootstrap(values: np.ndarray, seed: int = 0, rounds: int = 2000) -> tuple[float, float]:
    """95 % interval of the mean of (n,) independent values: percentile bootstrap (Efron 1979).

    Raises ValueError when there are no values.
    """
    values = np.asarray(values, np.float64)
    if not len(values):
        raise ValueError("no values to take a mean of")
    rng = np.random.default_rng(seed)
    means = values[rng.integers(len(values), size=(rounds, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def match(boxes: np.ndarray, truth: np.ndarray, least: float) -> np.ndarray:
    """For each box, best first, the index of the true box that it finds, or -1; (n,) int.

    Greedy, as in PASCAL VOC: a box takes the free true box that it overlaps most, if their
    intersection over union is at least ``least``.
    """
    boxes, truth = np.reshape(boxes, (-1, 4)), np.reshape(truth, (-1, 4))
    found = np.full(len(boxes), -1)
    if not len(truth):
        return found
    overlap = iou(boxes, truth)
    for i, row in enumerate(overlap):
        best = int(row.argmax())
        if row[best] >= least and row[best] > 0:
            found[i] = best
            overlap[:, best] = 0
    return found


def average_precision(scores: np.ndarray, correct: np.ndarray, positives: int) -> float:
    """Area under the precision-recall curve, precision made monotonic (PASCAL VOC 2010), 0 to 1.

    scores: (n,) of all boxes of all images; correct: (n,) bool; positives: true boxes in all.
    """
    if not positives:
        raise ValueError("no true boxes to find")
    hits = np.asarray(correct, bool)[np.argsort(-np.asarray(scores), kind="stable")]
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    monotonic = np.maximum.accumulate(precision[::-1])[::-1]
    return float(monotonic[hits].sum() / positives)
