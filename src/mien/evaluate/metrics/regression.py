"""Numbers against true numbers: errors, correlations, agreement of raters, distributions."""

from typing import Any

import numpy as np

from mien.evaluate import checks

NAMES = ("predicted", "truth")


def mean_absolute_error(predicted: Any, truth: Any) -> float:
    """Mean of |predicted - truth|, in the unit of the values (years of age, curves), from 0, lower.

    Any shapes that are equal. For angles: :func:`mien.evaluate.metrics.shape.angle_error`.
    """
    predicted, truth = checks.pair(predicted, truth, NAMES)
    return float(np.abs(predicted - truth).mean())


def root_mean_square_error(predicted: Any, truth: Any) -> float:
    """Root of the mean of (predicted - truth)^2, in the unit of the values, from 0, lower."""
    predicted, truth = checks.pair(predicted, truth, NAMES)
    return float(np.sqrt(((predicted - truth) ** 2).mean()))


def pearson(predicted: Any, truth: Any) -> float:
    """Pearson's correlation (PCC) of two (n,) lists; -1 to 1, higher is better.

    Raises ValueError where one of them is constant.
    """
    x, y = _lists(predicted, truth)
    x, y = x - x.mean(), y - y.mean()
    return float((_unit(x) * _unit(y)).sum())


def spearman(predicted: Any, truth: Any) -> float:
    """Spearman's rank correlation of two (n,) lists, ties sharing their mean rank; -1 to 1, higher.

    Raises ValueError where one of them is constant. StyleID: similarity against style strength.
    """
    x, y = _lists(predicted, truth)
    return pearson(_ranks(x), _ranks(y))


def concordance(predicted: Any, truth: Any) -> float:
    """Concordance correlation (CCC, Lin 1989): 2 cov / (var + var + (gap of the means)^2).

    Of two (n,) lists, population moments; -1 to 1, higher is better. 0 where one list is constant;
    ValueError where both are. Valence and arousal of AffectNet and AFEW-VA.
    """
    x, y = _lists(predicted, truth)
    scale = x.var() + y.var()
    if scale == 0:
        raise ValueError("predicted and truth: both constant")
    covariance = ((x - x.mean()) * (y - y.mean())).mean()
    return float(2 * covariance / (scale + (x.mean() - y.mean()) ** 2))


def sign_agreement(predicted: Any, truth: Any) -> float:
    """Share of (n,) values with the sign of the truth (SAGR); 0 to 1, higher is better.

    Valence and arousal of AffectNet (Mollahosseini et al. 2017).
    """
    x, y = _lists(predicted, truth)
    return float(np.mean(np.sign(x) == np.sign(y)))


def r_squared(predicted: Any, truth: Any) -> float:
    """Share of the truth's variance explained (R^2), up to 1, higher; 0 is what the mean reaches.

    Two (n,) lists. Raises ValueError for a constant truth.
    """
    x, y = _lists(predicted, truth)
    spread = ((y - y.mean()) ** 2).sum()
    if spread == 0:
        raise ValueError("truth: constant")
    return float(1 - ((x - y) ** 2).sum() / spread)


def intraclass_correlation(ratings: Any, kind: str = "3,1") -> float:
    """ICC of a single rater (Shrout and Fleiss 1979), up to 1, higher is better.

    ratings: (n, raters), at least 2 x 2; a prediction and the truth are two raters. kind: ``"1,1"``
    (raters drawn anew for each target), ``"2,1"`` (absolute agreement) or ``"3,1"`` (consistency:
    AU intensities of DISFA and BP4D). Raises ValueError where nothing varies.
    """
    ratings = checks.real(ratings, "ratings")
    if ratings.ndim != 2 or min(ratings.shape) < 2:
        raise ValueError(f"ratings {ratings.shape}: not targets x raters, two of each at least")
    if kind not in ("1,1", "2,1", "3,1"):
        raise ValueError(f"kind {kind}: 1,1 or 2,1 or 3,1")
    n, k = ratings.shape
    mean = ratings.mean()
    target = k * ((ratings.mean(axis=1) - mean) ** 2).sum() / (n - 1)
    rater = n * ((ratings.mean(axis=0) - mean) ** 2).sum()
    within = ((ratings - ratings.mean(axis=1, keepdims=True)) ** 2).sum()
    rest = (within - rater) / ((n - 1) * (k - 1))
    noise = within / (n * (k - 1)) if kind == "1,1" else rest
    total = target + (k - 1) * noise
    if kind == "2,1":
        total += k * (rater / (k - 1) - rest) / n
    if total == 0:
        raise ValueError("ratings: all equal")
    return float((target - noise) / total)


def cumulative_score(predicted: Any, truth: Any, limit: float = 5.0) -> float:
    """Share of (n,) ages within ``limit`` years of the truth (CS); 0 to 1, higher is better."""
    predicted, truth = checks.pair(predicted, truth, NAMES)
    return float(np.mean(np.abs(predicted - truth) <= limit))


def apparent_age_error(predicted: Any, mean: Any, deviation: Any) -> float:
    """Mean of 1 - exp(-(age - mean)^2 / (2 deviation^2)) over (n,) people; 0 to 1, lower is better.

    mean and deviation are those of the people who guessed the age. ChaLearn LAP 2015 (SwinFace).
    """
    predicted, mean = checks.pair(predicted, mean, ("predicted", "mean"))
    mean, deviation = checks.pair(mean, deviation, ("mean", "deviation"))
    if (deviation <= 0).any():
        raise ValueError("deviation: not above 0")
    return float((1 - np.exp(-(((predicted - mean) / deviation) ** 2) / 2)).mean())


def kolmogorov_smirnov(first: Any, second: Any) -> float:
    """Largest gap of the two empirical distribution functions; 0 to 1, lower: more alike.

    Of (n,) and (m,) samples, such as times between blinks (EmoFace) or codes (CAAE).
    """
    x, y = np.sort(checks.real(first, "first"), None), np.sort(checks.real(second, "second"), None)
    at = np.concatenate([x, y])
    below = [np.searchsorted(each, at, side="right") / len(each) for each in (x, y)]
    return float(np.abs(below[0] - below[1]).max())


def jensen_shannon(first: Any, second: Any) -> float:
    """Jensen-Shannon distance of two distributions (n,): root of the divergence, base 2.

    0 to 1, lower: more alike. Weights are scaled to sum 1; use of experts in S4D. Raises ValueError
    for negative weights, or none above 0.
    """
    p, q = checks.pair(first, second, ("first", "second"))
    if p.ndim != 1 or min(p.min(), q.min()) < 0 or not (p.any() and q.any()):
        raise ValueError("distributions: not lists of weights from 0, some above")
    p, q = p / p.sum(), q / q.sum()
    middle = (p + q) / 2
    parts = (each[each > 0] * np.log2(each[each > 0] / middle[each > 0]) for each in (p, q))
    return float(np.sqrt(max(0.0, sum(part.sum() for part in parts) / 2)))


def variance_ratio(predicted: Any, truth: Any) -> np.ndarray:
    """Variance over time of each predicted curve / that of the true one, (curves,), best is 1.

    predicted, truth: (frames, curves). Below 1: regression to the mean. Raises ValueError where a
    true curve is constant.
    """
    predicted, truth = checks.pair(predicted, truth, NAMES)
    spread = truth.var(axis=0)
    if (spread == 0).any():
        raise ValueError("truth: a curve is constant")
    return predicted.var(axis=0) / spread


def _lists(predicted: Any, truth: Any) -> tuple[np.ndarray, np.ndarray]:
    x, y = checks.pair(predicted, truth, NAMES)
    if x.ndim != 1:
        raise ValueError(f"predicted and truth {x.shape}: not lists")
    return x, y


def _unit(centred: np.ndarray) -> np.ndarray:
    scale = np.abs(centred).max()  # first, so that squares do not vanish
    if scale == 0:
        raise ValueError("a list is constant: it has no correlation")
    return centred / scale / np.linalg.norm(centred / scale)


def _ranks(values: np.ndarray) -> np.ndarray:
    _, of, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[of]
