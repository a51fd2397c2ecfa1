"""How sure a number is, and thresholds that cannot be chosen on test.

A score decides by ``score >= threshold``: higher scores speak for the positive class, so distances
are given as their negatives. A threshold comes from validation data as a :class:`Threshold`, and
the metrics that need one accept nothing else.
"""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from mien.evaluate import checks

CHUNK = 4_000_000  # numbers drawn at once, so that memory stays flat


class Interval(NamedTuple):
    """An estimate with the ends of its confidence interval, all in the unit of the values."""

    estimate: float
    low: float
    high: float


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


def bootstrap_clusters(
    values: Any, clusters: Any, *, confidence: float = 0.95, seed: int = 0, rounds: int = 2000
) -> Interval:
    """Mean of (n,) values, and its interval when whole clusters (people, videos) are drawn anew.

    Values of one person are alike, so an interval over single values is too narrow; here the
    clusters are drawn with replacement (percentile cluster bootstrap, Field and Welsh 2007).
    Raises ValueError for no values, NaN, infinity, or fewer than two clusters.
    """
    values = checks.real(values, "values")
    sums, counts = _by_cluster(values, clusters)
    means = _ratio_draws(sums, counts, np.random.default_rng(seed), rounds)
    return Interval(float(values.mean()), *_percentiles(means, confidence))


def bootstrap_statistic(
    statistic: Callable[..., float],
    *arrays: Any,
    clusters: Any = None,
    confidence: float = 0.95,
    seed: int = 0,
    rounds: int = 1000,
) -> Interval:
    """Interval of ``statistic(*arrays)``, any function of arrays that share their first axis.

    Items, or whole ``clusters`` of them, are drawn with replacement. A draw that the statistic
    refuses with ValueError (one class only) is drawn again, up to ten times ``rounds`` in all.
    """
    columns = [np.asarray(array) for array in arrays]
    if not columns or len({len(column) for column in columns}) != 1 or not len(columns[0]):
        raise ValueError("arrays: empty or not as long as each other")
    estimate = float(statistic(*columns))
    groups = _groups(clusters, len(columns[0]))
    rng = np.random.default_rng(seed)
    values: list[float] = []
    for _ in range(10 * rounds):
        drawn = np.concatenate([groups[i] for i in rng.integers(len(groups), size=len(groups))])
        try:
            values.append(float(statistic(*(column[drawn] for column in columns))))
        except ValueError:
            continue
        if len(values) == rounds:
            break
    if len(values) < rounds:
        raise ValueError("the statistic refuses nine of ten draws: too few items or clusters")
    return Interval(estimate, *_percentiles(np.array(values), confidence))


class Comparison(NamedTuple):
    """Mean of first - second over paired items, its interval, and the p value of no difference."""

    difference: float
    low: float
    high: float
    p: float


def compare(
    first: Any,
    second: Any,
    clusters: Any = None,
    *,
    confidence: float = 0.95,
    seed: int = 0,
    rounds: int = 10_000,
) -> Comparison:
    """Two systems on the same (n,) items: paired bootstrap interval and sign-flip permutation test.

    The p value is two-sided: how often the mean difference is at least as far from zero when the
    signs of the differences (of whole ``clusters``, if given) are drawn at random. All signs are
    tried where there are at most ``rounds`` of them; then n pairs cannot give p below 2 / 2^n.
    Raises ValueError for different lengths, NaN, infinity, or fewer than two items or clusters.
    """
    first, second = checks.pair(first, second, ("first", "second"))
    gaps = first - second
    sums, counts = _by_cluster(gaps, np.arange(len(gaps)) if clusters is None else clusters)
    rng = np.random.default_rng(seed)
    low, high = _percentiles(_ratio_draws(sums, counts, rng, rounds), confidence)
    return Comparison(float(gaps.mean()), low, high, _sign_flip(sums, rng, rounds))


def _sign_flip(sums: np.ndarray, rng: np.random.Generator, rounds: int) -> float:
    """Two-sided p of the sum of (k,) values whose signs are exchangeable."""
    reach = abs(sums.sum()) * (1 - 1e-12)
    if 2 ** min(len(sums), 60) <= rounds:
        every = (np.arange(2 ** len(sums))[:, None] >> np.arange(len(sums))) & 1
        return float(np.mean(np.abs((2 * every - 1) @ sums) >= reach))
    beyond = 0
    for size in _chunks(rounds, len(sums)):
        signs = rng.integers(2, size=(size, len(sums)), dtype=np.int8)
        beyond += int((np.abs(2 * (signs @ sums) - sums.sum()) >= reach).sum())
    return (1 + beyond) / (1 + rounds)


def mean_over_seeds(values: Any, confidence: float = 0.95) -> Interval:
    """Mean of one number per training seed, and its interval by Student's t distribution.

    Raises ValueError for fewer than two seeds: one run says nothing of the spread.
    """
    values = checks.real(values, "values")
    if values.ndim != 1 or len(values) < 2:
        raise ValueError("values: one number for each of at least two seeds is needed")
    mean = float(values.mean())
    error = float(values.std(ddof=1)) / math.sqrt(len(values))
    reach = student_t(confidence, len(values) - 1) * error
    return Interval(mean, mean - reach, mean + reach)


def student_t(confidence: float, degrees: int) -> float:
    """The t that |T| of Student's distribution stays below with probability ``confidence``.

    The closed form for whole degrees of freedom (Abramowitz and Stegun 26.7.3 and 26.7.4), solved
    by bisection. student_t(0.95, 2) is 4.303.
    """
    if not 0 < confidence < 1 or degrees < 1:
        raise ValueError("confidence must be between 0 and 1, degrees of freedom at least 1")
    low, high = 0.0, math.pi / 2
    for _ in range(200):
        angle = (low + high) / 2
        low, high = (angle, high) if _inside(angle, degrees) < confidence else (low, angle)
    return math.sqrt(degrees) * math.tan(low)


def _inside(angle: float, degrees: int) -> float:
    """P(|T| <= sqrt(degrees) tan(angle))."""
    odd = degrees % 2
    term = math.cos(angle) if odd else 1.0
    series = 0.0
    for k in range(1 + odd, degrees, 2):
        series += term
        term *= math.cos(angle) ** 2 * k / (k + 1)
    if not odd:
        return math.sin(angle) * series
    return 2 / math.pi * (angle + math.sin(angle) * series)


def folds_by_cluster(clusters: Any, count: int, seed: int = 0) -> np.ndarray:
    """Fold 0 to ``count`` - 1 of each of (n,) items, such that no cluster is in two folds.

    Clusters (people) are drawn in random order, each into the fold with the fewest items so far.
    Raises ValueError for fewer clusters than folds.
    """
    _, of = np.unique(checks.items(clusters, "clusters"), return_inverse=True)
    sizes = np.bincount(of)
    if not 2 <= count <= len(sizes):
        raise ValueError(f"{count} folds of {len(sizes)} clusters")
    order = np.random.default_rng(seed).permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]  # the large ones first: even folds
    fold, filled = np.zeros(len(sizes), int), np.zeros(count, int)
    for cluster in order:
        fold[cluster] = filled.argmin()
        filled[fold[cluster]] += sizes[cluster]
    return fold[of]


def best_epoch(validation: Any, direction: str) -> int:
    """Index of the epoch to test, from one validation value per epoch; the first of equal ones.

    direction: ``"higher"`` or ``"lower"`` is better. Never give it values of the test data.
    """
    values = checks.real(validation, "validation")
    if values.ndim != 1:
        raise ValueError(f"validation: {values.ndim} axes instead of one")
    if direction not in ("higher", "lower"):
        raise ValueError(f"direction: higher or lower, not {direction}")
    return int(values.argmax() if direction == "higher" else values.argmin())


# Thresholds


class Curve(NamedTuple):
    """What is accepted when the threshold falls below each distinct score in turn.

    scores: (k,) distinct scores, falling, after a leading +inf that accepts nothing;
    hits, alarms: (k,) positives and negatives accepted; positives, negatives: how many there are.
    """

    scores: np.ndarray
    hits: np.ndarray
    alarms: np.ndarray
    positives: int
    negatives: int


def curve(scores: Any, labels: Any) -> Curve:
    """The :class:`Curve` of (n,) scores and (n,) binary labels, 1 for positives.

    Raises ValueError for empty input, NaN, infinity, or one class only.
    """
    score, label = checks.scored(scores, labels)
    order = np.argsort(-score)
    return sorted_curve(score[order], label[order])


def sorted_curve(scores: np.ndarray, labels: np.ndarray) -> Curve:
    """:func:`curve` of falling scores and bool labels that have been checked."""
    last = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)  # of each run of equal ones
    hits = np.cumsum(labels)[last]
    return Curve(
        np.append(np.inf, scores[last]),
        np.append(0, hits),
        np.append(0, last + 1 - hits),
        int(hits[-1]),
        int(len(labels) - hits[-1]),
    )


@dataclass(frozen=True)
class Threshold:
    """A decision: accept what scores at least ``value``. Made by :func:`choose_threshold`.

    criterion: what it was chosen for; samples: how many it was chosen on; digest: of those scores
    and labels, so that the metrics can refuse to test on them.
    """

    value: float
    criterion: str
    samples: int
    digest: str

    @classmethod
    def published(cls, value: float, source: str) -> "Threshold":
        """A threshold that a paper or a model card gives; ``source`` names it."""
        if not math.isfinite(value) or not source:
            raise ValueError("a published threshold needs a number and a source")
        return cls(float(value), f"published: {source}", 0, "")


CRITERIA = ("eer", "accuracy", "balanced", "f1", "far")


def choose_threshold(
    scores: Any, labels: Any, criterion: str = "eer", far: float | None = None
) -> Threshold:
    """The threshold that is best on these (n,) validation scores and binary labels.

    criterion: ``"eer"`` (false accept and false reject rates nearest to each other),
    ``"accuracy"``, ``"balanced"`` (mean of the two rates' complements; Youden's J), ``"f1"``, or
    ``"far"`` (most hits with a false accept rate of at most ``far``). It lies midway between two
    scores; of equally good ones it is the highest. Raises ValueError for empty input, NaN, one
    class only, an unknown criterion, and for a ``far`` that so few negatives cannot show.
    """
    if criterion not in CRITERIA:
        raise ValueError(f"criterion {criterion}: one of {', '.join(CRITERIA)}")
    if (criterion == "far") != (far is not None):
        raise ValueError("far goes with the criterion far, and only with it")
    cut = cut_of(curve(scores, labels), criterion, far)
    name = criterion if far is None else f"far={far:g}"
    return Threshold(cut, name, len(np.asarray(scores)), _digest(scores, labels))


def apply_threshold(threshold: Threshold, scores: Any, labels: Any = None) -> np.ndarray:
    """Which of the (n,) scores the threshold accepts, (n,) bool.

    Raises TypeError for a bare number, and ValueError when ``threshold`` was chosen on exactly
    these scores and labels.
    """
    if not isinstance(threshold, Threshold):
        raise TypeError("a Threshold chosen on validation is needed (choose_threshold)")
    score = checks.real(scores, "scores")
    known = labels is not None and threshold.samples == score.size
    if known and threshold.digest == _digest(scores, labels):
        raise ValueError("the threshold was chosen on these very scores: test on others")
    return score >= threshold.value


def cut_of(points: Curve, criterion: str, far: float | None = None) -> float:
    """The threshold itself, for :func:`choose_threshold` and for cross-validation."""
    if criterion == "far":
        best = int(np.flatnonzero(points.alarms <= allowed_alarms(points, far or 0.0))[-1])
    else:
        best = int(np.argmax(_merit(points, criterion)))
    if best == 0:
        return float(np.nextafter(points.scores[1], np.inf))
    if best == len(points.scores) - 1:
        return float(points.scores[best])
    above, below = points.scores[best], points.scores[best + 1]
    middle = above + (below - above) / 2
    return float(middle if middle > below else above)


def allowed_alarms(points: Curve, far: float) -> int:
    """How many false accepts a false accept rate allows; ValueError where it allows none."""
    if not 0 < far <= 1:
        raise ValueError(f"far {far:g}: not above 0 and up to 1")
    allowed = math.floor(far * points.negatives * (1 + 1e-12))
    if not allowed:
        least = math.ceil(1 / far - 1e-9)
        raise ValueError(f"far {far:g} needs {least} negatives, there are {points.negatives}")
    return allowed


def _merit(points: Curve, criterion: str) -> np.ndarray:
    hits, alarms = points.hits / points.positives, points.alarms / points.negatives
    match criterion:
        case "eer":
            return -np.abs(1 - hits - alarms)
        case "accuracy":
            return points.hits - points.alarms
        case "balanced":
            return hits - alarms
        case _:
            return 2 * points.hits / (points.hits + points.alarms + points.positives)


def _digest(scores: Any, labels: Any) -> str:
    together = np.stack([np.asarray(scores, np.float64), np.asarray(labels, np.float64)])
    together = together[:, np.lexsort(together)]  # in whatever order they come
    return hashlib.sha256(np.ascontiguousarray(together).tobytes()).hexdigest()


# Drawing


def _by_cluster(values: np.ndarray, clusters: Any) -> tuple[np.ndarray, np.ndarray]:
    """Sum and count of the (n,) values of each cluster, at least two clusters."""
    if values.ndim != 1:
        raise ValueError(f"values: {values.ndim} axes instead of one")
    names = checks.items(clusters, "clusters", len(values))
    _, of = np.unique(names, return_inverse=True)
    counts = np.bincount(of)
    if len(counts) < 2:
        raise ValueError("clusters: at least two are needed")
    return np.bincount(of, values), counts


def _groups(clusters: Any, count: int) -> Sequence[np.ndarray]:
    """Indices of the items of each cluster; without clusters each item is one."""
    names = np.arange(count) if clusters is None else checks.items(clusters, "clusters", count)
    _, of, counts = np.unique(names, return_inverse=True, return_counts=True)
    return np.split(np.argsort(of, kind="stable"), np.cumsum(counts)[:-1])


def _ratio_draws(
    sums: np.ndarray, counts: np.ndarray, rng: np.random.Generator, rounds: int
) -> np.ndarray:
    """Means of ``rounds`` draws of clusters with replacement."""
    means = []
    for size in _chunks(rounds, len(sums)):
        drawn = rng.integers(len(sums), size=(size, len(sums)))
        means.append(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1))
    return np.concatenate(means)


def _chunks(rounds: int, width: int) -> list[int]:
    """``rounds`` in parts of at most ``CHUNK`` numbers of ``width`` each."""
    size = max(1, CHUNK // width)
    return [min(size, rounds - start) for start in range(0, rounds, size)]


def _percentiles(values: np.ndarray, confidence: float) -> tuple[float, float]:
    if not 0 < confidence < 1:
        raise ValueError("confidence must be between 0 and 1")
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
