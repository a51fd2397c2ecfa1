"""Parsing and masks: F1 and intersection over union of classes, and heat maps against masks.

Parsing papers count pixels over the whole set: add the :func:`counts` of the pictures, then take
the scores ``of_counts``.
"""

from typing import Any

import numpy as np

from mien.evaluate import checks
from mien.evaluate.metrics import classification

LEVELS = 256


def counts(predicted: Any, truth: Any, classes: int, ignore: int | None = None) -> np.ndarray:
    """Pixels of each true class (rows) taken for each class (columns), (classes, classes) int.

    predicted, truth: (..., height, width) classes from 0. Pixels whose truth is ``ignore`` do not
    count. Raises ValueError for unknown classes, different shapes, or no pixel that counts.
    """
    predicted, truth = checks.pair(predicted, truth, ("predicted", "truth"))
    kept = np.full(truth.shape, True) if ignore is None else truth != ignore
    return classification.confusion(predicted[kept], truth[kept], classes)


def f1_per_class(predicted: Any, truth: Any, classes: int) -> np.ndarray:
    """F1 (Dice) of each class over all pixels, (classes,); 0 to 1, higher is better.

    predicted, truth: (..., height, width) classes from 0. NaN for a class that is nowhere.
    """
    return classification.f1_of_counts(counts(predicted, truth, classes))


def iou_per_class(predicted: Any, truth: Any, classes: int) -> np.ndarray:
    """Intersection over union of each class over all pixels, (classes,); 0 to 1, higher is better.

    NaN for a class that is nowhere.
    """
    return iou_of_counts(counts(predicted, truth, classes))


def iou_of_counts(confusion: np.ndarray) -> np.ndarray:
    """Intersection over union of each class from :func:`counts`; NaN for a class that is nowhere.

    F1 / (2 - F1).
    """
    f1 = classification.f1_of_counts(confusion)
    return f1 / (2 - f1)


def mean_f1(predicted: Any, truth: Any, classes: int, background: int | None = 0) -> float:
    """Mean F1 over the classes but the background; 0 to 1, higher is better.

    CelebAMask-HQ, LaPa and Helen protocol (Faceptor, FaceXFormer, RTNet). Classes that are nowhere
    are left out; ValueError if all are. ``background=None`` counts every class.
    """
    return _mean(f1_per_class(predicted, truth, classes), background)


def mean_iou(predicted: Any, truth: Any, classes: int, background: int | None = None) -> float:
    """Mean intersection over union of the classes (mIoU); 0 to 1, higher is better.

    The background counts unless it is named. Classes that are nowhere are left out.
    """
    return _mean(iou_per_class(predicted, truth, classes), background)


def _mean(scores: np.ndarray, background: int | None) -> float:
    kept = scores if background is None else np.delete(scores, background)
    if not len(kept) or np.isnan(kept).all():
        raise ValueError("no class but the background is anywhere")
    return float(np.nanmean(kept))


# Single masks


def mask_f1(predicted: Any, truth: Any) -> np.ndarray:
    """F1 of each mask (..., height, width) of 0 and 1, (...); 0 to 1, higher is better.

    1 where both are empty. FOCUS: averaged per image, within the face.
    """
    both, sizes = _overlap(predicted, truth)
    return np.where(sizes > 0, 2 * both / np.maximum(sizes, 1), 1.0)


def mask_iou(predicted: Any, truth: Any) -> np.ndarray:
    """Intersection over union of each mask (..., height, width), (...); 0 to 1, higher is better.

    1 where both are empty.
    """
    both, sizes = _overlap(predicted, truth)
    return np.where(sizes > 0, both / np.maximum(sizes - both, 1), 1.0)


def _overlap(predicted: Any, truth: Any) -> tuple[np.ndarray, np.ndarray]:
    predicted, truth = checks.binary(predicted, "predicted"), checks.binary(truth, "truth")
    if predicted.shape != truth.shape or predicted.ndim < 2:
        raise ValueError(f"masks {predicted.shape} and {truth.shape}: not two alike")
    both, one, other = (m.sum(axis=(-2, -1)) for m in (predicted & truth, predicted, truth))
    return both, one + other


# Heat maps


def otsu(heat: Any) -> float:
    """The value that splits a map best in two (Otsu 1979), from a histogram of 256 levels.

    Above it is the region. Raises ValueError for a constant map.
    """
    heat = checks.real(heat, "heat")
    low, high = float(heat.min()), float(heat.max())
    if low == high:
        raise ValueError("heat: constant")
    pixels, edges = np.histogram(heat, LEVELS, (low, high))
    level = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(pixels)[:-1]
    above = heat.size - below
    sums = np.cumsum(pixels * level)
    gap = sums[:-1] / below - (sums[-1] - sums[:-1]) / above
    return float(level[np.argmax(below * above * gap**2)])


def heat_iou(heat: Any, mask: Any) -> float:
    """Intersection over union of a map above its :func:`otsu` value with a mask; to 1, higher.

    heat, mask: (height, width). FER-XAI; a map that is 1 everywhere is no baseline of 0: report the
    score against other masks beside it.
    """
    heat = checks.real(heat, "heat")
    return float(mask_iou(heat > otsu(heat), mask))


def map_cosine(first: Any, second: Any) -> np.ndarray:
    """Cosine of maps (..., height, width), (...); -1 to 1, higher is better.

    AU-guided FER: attention shifted to be at least 0 against the map of action units. Raises
    ValueError for a map that is zero everywhere: leave out samples without a valid map.
    """
    first, second = checks.pair(first, second, ("first", "second"))
    return _cosine(first, second)


def map_correlation(first: Any, second: Any) -> np.ndarray:
    """Normalised correlation of maps (..., height, width), (...); -1 to 1, higher: more alike.

    FER-XAI: the distance of two networks is 1 minus it. Raises ValueError for a constant map.
    """
    first, second = checks.pair(first, second, ("first", "second"))
    return _cosine(*(each - each.mean(axis=(-2, -1), keepdims=True) for each in (first, second)))


def _cosine(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    lengths = [np.sqrt((each**2).sum(axis=(-2, -1))) for each in (first, second)]
    if not all(length.all() for length in lengths):
        raise ValueError("a map is constant: it has no direction")
    return (first * second).sum(axis=(-2, -1)) / (lengths[0] * lengths[1])


def map_overlap(maps: Any, quantile: float = 0.8) -> float:
    """Mean over the pairs of k maps (k, height, width) of the overlap of their strongest parts.

    Intersection over union of what is at least each map's ``quantile``; 0 to 1, lower is more
    diverse. TransFER. Raises ValueError for fewer than two maps.
    """
    maps = checks.real(maps, "maps")
    if maps.ndim != 3 or len(maps) < 2:
        raise ValueError(f"maps {maps.shape}: not two at least, of height x width")
    strong = maps >= np.quantile(maps, quantile, axis=(1, 2), keepdims=True)
    first, second = np.triu_indices(len(maps), 1)
    return float(mask_iou(strong[first], strong[second]).mean())


def perturbation_area(probabilities: Any) -> float:
    """Area under the probability of a class while a map's pixels are removed or brought back.

    probabilities: (steps,) at equal steps from none to all pixels, strongest first. 0 to 1; for
    deletion lower is better, for insertion higher (Petsiuk et al. 2018).
    """
    values = checks.items(checks.real(probabilities, "probabilities"), "probabilities")
    if len(values) < 2:
        raise ValueError("probabilities: two steps at least are needed")
    return float(np.trapezoid(values) / (len(values) - 1))
