"""Two-class scores: verification of faces, forgery and spoof detection, protection.

Labels are 1 for the positive class (same person, real face) and 0 for the other. Higher scores
speak for 1: give distances as their negatives. What needs a threshold takes a
:class:`~mien.evaluate.statistics.Threshold`, chosen on validation.
"""

from typing import Any, NamedTuple

import numpy as np

from mien.evaluate import checks, statistics
from mien.evaluate.statistics import Threshold


class Rates(NamedTuple):
    """Shares of negatives accepted and of positives rejected, 0 to 1, lower is better."""

    false_accept: float
    false_reject: float


class Folds(NamedTuple):
    """One value per fold, their mean, and their standard deviation (population)."""

    mean: float
    deviation: float
    values: np.ndarray


class Spoofing(NamedTuple):
    """Errors of ISO/IEC 30107-3: attacks taken for people, people taken for attacks, their mean."""

    apcer: float
    bpcer: float
    acer: float


# Without a threshold


def roc_auc(scores: Any, labels: Any) -> float:
    """Area under the ROC curve: how often a positive scores above a negative, ties counting half.

    scores, labels: (n,). 0 to 1, higher is better, 0.5 is chance. ValueError for one class only.
    """
    points = statistics.curve(scores, labels)
    area = np.trapezoid(points.hits.astype(float), points.alarms.astype(float))
    return float(area / (points.positives * points.negatives))


def average_precision(scores: Any, labels: Any) -> float:
    """Area under the precision-recall curve as a sum of steps, equal scores taken at once.

    scores, labels: (n,). 0 to 1, higher is better; the share of positives is chance. ValueError for
    one class only. As scikit-learn's average_precision_score.
    """
    points = statistics.curve(scores, labels)
    precision = points.hits[1:] / (points.hits[1:] + points.alarms[1:])
    return float((np.diff(points.hits) * precision).sum() / points.positives)


def equal_error_rate(scores: Any, labels: Any) -> float:
    """Where false accept and false reject rate are equal on the ROC curve, joined by lines.

    scores, labels: (n,). 0 to 1, lower is better, 0.5 is chance. ValueError for one class only.
    """
    points = statistics.curve(scores, labels)
    accept, reject = points.alarms / points.negatives, 1 - points.hits / points.positives
    gap = reject - accept  # falls from 1 to -1
    after = int(np.argmax(gap <= 0))
    share = gap[after - 1] / (gap[after - 1] - gap[after])
    return float(accept[after - 1] + share * (accept[after] - accept[after - 1]))


def tar_at_far(scores: Any, labels: Any, far: float) -> float:
    """True accept rate where the false accept rate is at most ``far`` (TPR@FPR, VAL@FAR).

    scores, labels: (n,). 0 to 1, higher is better. Read off the curve of the data itself, nothing
    between points is guessed. Raises ValueError for one class only, and where there are fewer than
    1 / far negatives. IJB-C, RB-WebFace, StyleID, FSFM.
    """
    points = statistics.curve(scores, labels)
    allowed = points.alarms <= statistics.allowed_alarms(points, far)
    return float(points.hits[allowed].max() / points.positives)


def recall_at_precision(scores: Any, labels: Any, precision: float = 0.8) -> float:
    """Largest recall at which precision is at least ``precision``; 0 to 1, higher is better.

    scores, labels: (n,), 1 for what is to be found. 0 where that precision is never reached. COFW:
    recall of occluded landmarks at 80 % precision (FaceXFormer).
    """
    points = statistics.curve(scores, labels)
    enough = points.hits[1:] >= precision * (points.hits[1:] + points.alarms[1:])
    return float((points.hits[1:] * enough).max() / points.positives)


def mean_auc(scores: Any, labels: Any, groups: Any) -> float:
    """Mean over groups (people) of :func:`roc_auc` within each; 0 to 1, higher is better.

    scores, labels, groups: (n,). ExposeAnyone: video AUC per subject, then averaged. Raises
    ValueError where a group has one class only.
    """
    score, label = checks.scored(scores, labels)
    names = checks.items(groups, "groups", len(score))
    return float(np.mean([roc_auc(score[names == g], label[names == g]) for g in np.unique(names)]))


def by_video(scores: Any, labels: Any, videos: Any) -> tuple[np.ndarray, np.ndarray]:
    """Mean score and the label of each video, from those of its frames, all (n,).

    Raises ValueError where a video has frames of both classes.
    """
    score, label = checks.scored(scores, labels)
    _, of = np.unique(checks.items(videos, "videos", len(score)), return_inverse=True)
    counts = np.bincount(of)
    ones = np.bincount(of, label) / counts
    if not np.isin(ones, (0, 1)).all():
        raise ValueError("labels: a video has both")
    return np.bincount(of, score) / counts, ones.astype(bool)


# By folds: the threshold comes from the other folds


def fold_accuracy(scores: Any, labels: Any, folds: Any) -> Folds:
    """Verification accuracy as on LFW: in each fold at the threshold best on the other folds.

    scores, labels: (n,) of pairs; folds: (n,) fold of each pair, given by the protocol, people in
    one fold only. 0 to 1, higher is better. Raises ValueError for one fold, or where the other
    folds have one class only. LFW, CFP-FP, AgeDB, CALFW, CPLFW and RFW.
    """
    score, label, fold = _sorted(scores, labels, folds)
    values = []
    for one in np.unique(fold):
        own = fold == one
        cut = statistics.cut_of(_others(score, label, own), "accuracy")
        values.append(np.mean((score[own] >= cut) == label[own]))
    return _folds(values)


def fold_val(scores: Any, labels: Any, folds: Any, far: float = 1e-3) -> Folds:
    """Validation rate (VAL) of FaceNet, section 4: the share of positives accepted in each fold.

    0 to 1, higher is better. As :func:`fold_accuracy`, the threshold being the one of most hits at
    a false accept rate of at most ``far`` on the other folds. Raises ValueError where a fold has no
    positives.
    """
    score, label, fold = _sorted(scores, labels, folds)
    values = []
    for one in np.unique(fold):
        own = fold == one
        cut = statistics.cut_of(_others(score, label, own), "far", far)
        if not label[own].any():
            raise ValueError(f"fold {one}: no positives")
        values.append(np.mean(score[own & label] >= cut))
    return _folds(values)


def _sorted(scores: Any, labels: Any, folds: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All by falling score, so that each fold's curve needs no sorting of its own."""
    score, label = checks.scored(scores, labels)
    fold = checks.items(folds, "folds", len(score))
    if (fold == fold[0]).all():
        raise ValueError("folds: one only, two at least are needed")
    order = np.argsort(-score)
    return score[order], label[order], fold[order]


def _others(score: np.ndarray, label: np.ndarray, own: np.ndarray) -> statistics.Curve:
    points = statistics.sorted_curve(score[~own], label[~own])
    if not points.positives or not points.negatives:
        raise ValueError("folds: all but one hold one class only")
    return points


def _folds(values: list[Any]) -> Folds:
    every = np.array(values, np.float64)
    return Folds(float(every.mean()), float(every.std()), every)


# At a threshold from validation


def accuracy_at(scores: Any, labels: Any, threshold: Threshold) -> float:
    """Share of the (n,) samples that the threshold decides rightly; 0 to 1, higher is better."""
    score, label = checks.scored(scores, labels)
    return float(np.mean(statistics.apply_threshold(threshold, score, label) == label))


def rates_at(scores: Any, labels: Any, threshold: Threshold) -> Rates:
    """False accept and false reject rate of the (n,) samples at the threshold; lower is better."""
    score, label = checks.scored(scores, labels)
    accepted = statistics.apply_threshold(threshold, score, label)
    return Rates(float(accepted[~label].mean()), float(1 - accepted[label].mean()))


def half_total_error(scores: Any, labels: Any, threshold: Threshold) -> float:
    """HTER: mean of false accept and false reject rate; 0 to 1, lower is better, 0.5 is chance.

    scores, labels: (n,). Spoof detection across data sets (FSFM), the threshold being that of the
    equal error rate on validation.
    """
    return float(np.mean(rates_at(scores, labels, threshold)))


def balanced_accuracy_at(scores: Any, labels: Any, threshold: Threshold) -> float:
    """Mean of the two classes' accuracies, 1 - :func:`half_total_error`; 0 to 1, higher."""
    return 1 - half_total_error(scores, labels, threshold)


def spoofing_at(scores: Any, labels: Any, threshold: Threshold, attacks: Any = None) -> Spoofing:
    """APCER, BPCER and ACER of ISO/IEC 30107-3; each 0 to 1, lower is better.

    scores: (n,) for a live face; labels: (n,) 1 for live ones; attacks: (n,) kind of attack of each
    sample (ignored for live ones). APCER is that of the worst kind; ACER is the mean of the two.
    """
    score, label = checks.scored(scores, labels)
    accepted = statistics.apply_threshold(threshold, score, label)
    kinds = (
        np.zeros(len(score)) if attacks is None else checks.items(attacks, "attacks", len(score))
    )
    passed = [accepted[~label & (kinds == kind)].mean() for kind in np.unique(kinds[~label])]
    apcer, bpcer = float(max(passed)), float(1 - accepted[label].mean())
    return Spoofing(apcer, bpcer, (apcer + bpcer) / 2)


def acer(scores: Any, labels: Any, threshold: Threshold, attacks: Any = None) -> float:
    """Average classification error rate, the last of :func:`spoofing_at`; 0 to 1, lower."""
    return spoofing_at(scores, labels, threshold, attacks).acer


def protection_success(similarities: Any, threshold: Threshold) -> float:
    """Share of protected photos that a recogniser takes for the target person (PSR); higher.

    similarities: (n,) cosine with a photo of the target that the protection never saw; threshold:
    the recogniser's own, at FAR 0.01 (CLIP2Protect). 0 to 1.
    """
    return float(statistics.apply_threshold(threshold, similarities).mean())


# Embeddings


def cosine(first: Any, second: Any) -> np.ndarray:
    """Cosine of paired embeddings (..., d), (...); -1 to 1, higher: more alike.

    Raises ValueError for a zero embedding.
    """
    first, second = checks.pair(first, second, ("first", "second"))
    return (unit(first) * unit(second)).sum(axis=-1)


def separated_share(centres: Any, limit: float = 0.4) -> float:
    """Share of identities whose cosine with every other is below ``limit``; 0 to 1, higher.

    centres: (n, d), one embedding per identity, n at least 2. Separability of Vec2Face.
    """
    centres = unit(checks.real(centres, "centres"))
    if centres.ndim != 2 or len(centres) < 2:
        raise ValueError(f"centres {centres.shape}: not identities x dimensions, two at least")
    apart = 0
    for start in range(0, len(centres), 1024):
        near = centres[start : start + 1024] @ centres.T
        rows = np.arange(len(near))
        near[rows, start + rows] = -1
        apart += int((near.max(axis=1) < limit).sum())
    return apart / len(centres)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors (..., d) of length 1; ValueError for a zero one."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    if (lengths == 0).any():
        raise ValueError("a vector is zero: it has no direction")
    return vectors / lengths
