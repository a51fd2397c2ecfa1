"""Errors of landmarks (normalised mean error, its curve and failures) and how still they are."""

from typing import Any

import numpy as np

from mien.evaluate import checks
from mien.face import Face
from mien.find.geometry import box_of

OUTER_CORNERS = (33, 263)
"""Outer eye corners; their distance is the inter-ocular distance of 300-W (Sagonas et al. 2013)."""
IRIS_CENTRES = (468, 473)
"""Iris centres; their distance is the inter-pupil distance, about 0.7 of the other."""
OUTER_CORNERS_68 = (36, 45)
"""Outer eye corners of the 68 points of 300-W."""
OUTER_CORNERS_98 = (60, 72)
"""Outer eye corners of the 98 points of WFLW."""

FAILURE = 0.08
"""An error above 8 % of the normaliser is a failure, as in the 300-W challenge."""


def distance(landmarks: np.ndarray, pair: tuple[int, int]) -> np.ndarray:
    """Distance of two landmarks of (..., n, d) points, in the plane or in space, (...)."""
    landmarks = np.asarray(landmarks, np.float64)
    return np.linalg.norm(landmarks[..., pair[0], :] - landmarks[..., pair[1], :], axis=-1)


def errors(
    predicted: np.ndarray, truth: np.ndarray, pair: tuple[int, int] = OUTER_CORNERS
) -> np.ndarray:
    """Distance of each point from the truth, in the image plane, / the truth's ``pair`` distance.

    Takes (..., n, 2 or 3), gives (..., n), from 0, lower is better. Raises ValueError for no
    points, for NaN, and where the two true landmarks of ``pair`` coincide.
    """
    predicted = checks.real(predicted, "predicted", finite=False)[..., :2]
    truth = checks.real(truth, "truth")[..., :2]
    return np.linalg.norm(predicted - truth, axis=-1) / _normaliser(truth, pair)[..., None]


def errors_3d(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """As :func:`errors`, in space: (..., 478, 3) -> (..., 478), / the distance in space.

    Only differences of z mean something, so its mean is taken out on both sides.
    """
    predicted, truth = (_centred_depth(p) for p in (predicted, truth))
    gaps = np.linalg.norm(predicted - truth, axis=-1)
    return gaps / _normaliser(truth, OUTER_CORNERS)[..., None]


def _normaliser(truth: np.ndarray, pair: tuple[int, int]) -> np.ndarray:
    gap = distance(truth, pair)
    if (gap == 0).any():
        raise ValueError(f"true landmarks {pair[0]} and {pair[1]} coincide: no size to divide by")
    return gap


def _centred_depth(landmarks: np.ndarray) -> np.ndarray:
    landmarks = np.array(landmarks, np.float64)
    landmarks[..., 2] -= landmarks[..., 2].mean(axis=-1, keepdims=True)
    return landmarks


def nme(
    predicted: np.ndarray, truth: np.ndarray, pair: tuple[int, int] = OUTER_CORNERS
) -> np.ndarray:
    """Normalised mean error of each face: the mean over the points of :func:`errors`, (...).

    A share of the normaliser (papers print it in percent), from 0, lower is better. ``pair`` for 68
    and 98 points: ``OUTER_CORNERS_68``, ``OUTER_CORNERS_98``. 300-W, COFW and WFLW protocol.
    """
    return errors(predicted, truth, pair).mean(axis=-1)


def nme_box(predicted: np.ndarray, truth: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Normalised mean error of each face, / the diagonal of its true box (AFLW-19 protocol).

    predicted, truth: (..., n, 2 or 3) pixels; boxes: (..., 4) x0, y0, x1, y1. Gives (...), a share
    of the diagonal, from 0, lower is better. Raises ValueError for a box without an extent.
    """
    boxes = checks.real(boxes, "boxes")
    diagonal = np.linalg.norm(boxes[..., 2:] - boxes[..., :2], axis=-1)
    if (diagonal == 0).any():
        raise ValueError("boxes: one has no extent")
    return mean_distance(predicted, truth) / diagonal


def mean_distance(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Average keypoint distance (AKD) of each face: mean over the points, in the image plane.

    Takes (..., n, 2 or 3) pixels, gives (...) pixels, from 0, lower is better. Siarohin et al. 2019
    (FOMM) measure it on 68 landmarks of 256-pixel frames.
    """
    predicted, truth = checks.pair(predicted, truth, ("predicted", "truth"))
    return np.linalg.norm(predicted[..., :2] - truth[..., :2], axis=-1).mean(axis=-1)


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
    """Share of faces with an error above ``limit``; a missed face has the error infinity.

    0 to 1, lower is better. Raises ValueError for no values and for NaN.
    """
    return float(np.mean(checks.real(values, "errors", finite=False) > limit))


def auc(values: np.ndarray, limit: float = FAILURE) -> float:
    """Area under the cumulative error distribution up to ``limit``, / ``limit``: 0 to 1 is best.

    A missed face has the error infinity. Raises ValueError for no values and for NaN.
    """
    return float(np.mean(np.clip(1 - checks.real(values, "errors", finite=False) / limit, 0, 1)))


def jitter(track: np.ndarray) -> np.ndarray:
    """Standard deviation over time of each landmark of a still face, per coordinate.

    track: (frames, n, 2 or 3) pixels; gives (n,) pixels, root of the mean variance of x and y, from
    0, lower is better.
    """
    return np.sqrt(np.asarray(track, np.float64)[..., :2].var(axis=0).mean(axis=-1))
