"""Classes: accuracies, confusion, F1 of classes and of action units, label sets, calibration."""

from collections.abc import Collection, Hashable, Sequence
from typing import Any

import numpy as np

from mien.evaluate import checks
from mien.evaluate.metrics import verification


def confusion(predicted: Any, truth: Any, classes: int) -> np.ndarray:
    """How often each true class (rows) was taken for each class (columns), (classes, classes) int.

    predicted, truth: (n,) classes from 0. Raises ValueError for no samples or unknown classes.
    """
    predicted = checks.classes(predicted, "predicted", classes)
    truth = checks.classes(truth, "truth", classes)
    checks.pair(predicted, truth, ("predicted", "truth"))
    counts = np.bincount(truth.ravel() * classes + predicted.ravel(), minlength=classes**2)
    return counts.reshape(classes, classes)


def accuracy(predicted: Any, truth: Any) -> float:
    """Share of samples whose class is right; video papers call it weighted average recall (WAR).

    predicted, truth: (n,) classes from 0. 0 to 1, higher is better. RAF-DB, AffectNet, DFEW.
    """
    predicted = checks.classes(predicted, "predicted")
    checks.pair(predicted, truth := checks.classes(truth, "truth"), ("predicted", "truth"))
    return float(np.mean(predicted == truth))


def balanced_accuracy(predicted: Any, truth: Any) -> float:
    """Unweighted average recall (UAR): mean over the true classes of the share of each found.

    predicted, truth: (n,) classes from 0. 0 to 1, higher is better; 1 / classes is chance. Classes
    that never occur in the truth are left out. DFEW, MAFW and FERV39K protocol.
    """
    counts = _confusion(predicted, truth)
    occurs = counts.sum(axis=1)
    return float((np.diag(counts)[occurs > 0] / occurs[occurs > 0]).mean())


def _confusion(predicted: Any, truth: Any) -> np.ndarray:
    predicted, truth = checks.classes(predicted, "predicted"), checks.classes(truth, "truth")
    return confusion(predicted, truth, int(max(predicted.max(), truth.max())) + 1)


def top_k_accuracy(scores: Any, truth: Any, k: int) -> float:
    """Share of samples whose true class is among the k of highest score; 0 to 1, higher is better.

    scores: (n, classes); truth: (n,) classes from 0. The true class loses ties, so that constant
    scores find nothing.
    """
    scores = checks.real(scores, "scores")
    if scores.ndim != 2:
        raise ValueError(f"scores {scores.shape}: not samples x classes")
    if not 1 <= k <= scores.shape[1]:
        raise ValueError(f"k {k} of {scores.shape[1]} classes")
    truth = checks.items(checks.classes(truth, "truth", scores.shape[1]), "truth", len(scores))
    own = np.take_along_axis(scores, truth[:, None], axis=1)
    return float(np.mean((scores >= own).sum(axis=1) <= k))


def f1_per_class(predicted: Any, truth: Any, classes: int) -> np.ndarray:
    """F1 of each class, one against the others: 2 tp / (2 tp + fp + fn), (classes,).

    predicted, truth: (n,) classes from 0. 0 to 1, higher is better; NaN for a class that neither
    occurs nor is predicted.
    """
    return f1_of_counts(confusion(predicted, truth, classes))


def f1_of_counts(counts: np.ndarray) -> np.ndarray:
    """F1 of each class from a confusion matrix (classes, classes); NaN where it never occurs."""
    either = counts.sum(axis=0) + counts.sum(axis=1)
    return _share(2 * np.diag(counts), either)


def macro_f1(predicted: Any, truth: Any) -> float:
    """Mean of :func:`f1_per_class` over the classes that occur or are predicted; 0 to 1, higher."""
    return float(np.nanmean(f1_of_counts(_confusion(predicted, truth))))


def weighted_f1(predicted: Any, truth: Any) -> float:
    """Mean of the classes' F1, weighted by how often each is true; 0 to 1, higher is better.

    MER2023, MOSI and MOSEI protocol (Emotion-LLaMA, Nano-EmoX).
    """
    counts = _confusion(predicted, truth)
    weights = counts.sum(axis=1)
    return float((np.nan_to_num(f1_of_counts(counts)) * weights).sum() / weights.sum())


# Several labels per sample: action units, attributes


def f1_per_label(predicted: Any, truth: Any) -> np.ndarray:
    """Binary F1 of each label over all samples, (labels,): per-AU F1 of BP4D and DISFA.

    predicted, truth: (n, labels) of 0 and 1, predictions after a threshold from validation. 0 to 1,
    higher is better; NaN for a label that neither occurs nor is predicted.
    """
    predicted, truth = _labels(predicted, truth)
    hits = (predicted & truth).sum(axis=0)
    return _share(2 * hits, predicted.sum(axis=0) + truth.sum(axis=0))


def mean_f1(predicted: Any, truth: Any) -> float:
    """Mean over the labels (action units) of :func:`f1_per_label`; 0 to 1, higher is better.

    The protocol of BP4D and DISFA (FMAE-IAT): computed on all frames of a fold, then averaged over
    folds. Labels that neither occur nor are predicted are left out; ValueError if all are so.
    """
    scores = f1_per_label(predicted, truth)
    if np.isnan(scores).all():
        raise ValueError("no label occurs or is predicted")
    return float(np.nanmean(scores))


def label_accuracy(predicted: Any, truth: Any) -> float:
    """Mean over the labels of the share of samples that are right; 0 to 1, higher is better.

    predicted, truth: (n, labels) of 0 and 1. Mean attribute accuracy of CelebA and LFWA.
    """
    predicted, truth = _labels(predicted, truth)
    return float(np.mean(predicted == truth))


def mean_average_precision(scores: Any, truth: Any) -> float:
    """Mean over the labels of the average precision of each; 0 to 1, higher is better.

    scores, truth: (n, labels). Labels that are always or never true are left out; ValueError if all
    are so. MAFW-m and BOLD protocol.
    """
    scores, truth = checks.real(scores, "scores"), checks.binary(truth, "truth")
    if scores.ndim != 2 or scores.shape != truth.shape:
        raise ValueError(f"scores {scores.shape} and truth {truth.shape}: not samples x labels")
    mixed = np.flatnonzero(truth.any(axis=0) & ~truth.all(axis=0))
    if not len(mixed):
        raise ValueError("no label is true for some samples and false for others")
    every = [verification.average_precision(scores[:, i], truth[:, i]) for i in mixed]
    return float(np.mean(every))


def _labels(predicted: Any, truth: Any) -> tuple[np.ndarray, np.ndarray]:
    predicted, truth = checks.binary(predicted, "predicted"), checks.binary(truth, "truth")
    if predicted.ndim != 2 or predicted.shape != truth.shape:
        raise ValueError(f"predicted {predicted.shape}, truth {truth.shape}: not samples x labels")
    return predicted, truth


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)


# Sets of words: open-vocabulary emotion


def hit_rate(predicted: Sequence[Collection[Hashable]], truth: Sequence[Hashable]) -> float:
    """Share of samples whose one true label is among the predicted labels; 0 to 1, higher.

    MER-UniBench protocol (Emotion-LLaMA, Nano-EmoX), after words are mapped to labels. Many guesses
    make hits: give the mean number of labels beside it.
    """
    if not len(truth) or len(predicted) != len(truth):
        raise ValueError(f"{len(predicted)} predictions for {len(truth)} samples")
    return float(np.mean([one in guess for guess, one in zip(predicted, truth, strict=True)]))


def set_f1(
    predicted: Sequence[Collection[Hashable]], truth: Sequence[Collection[Hashable]]
) -> float:
    """F of mean precision and mean recall of predicted label sets; 0 to 1, higher is better.

    OV-MERD protocol: precision |both| / |predicted| (0 for no prediction) and recall
    |both| / |true| of each sample, after words are mapped to the groups of an emotion wheel.
    Raises ValueError for no samples, or one without a true label.
    """
    if not len(truth) or len(predicted) != len(truth):
        raise ValueError(f"{len(predicted)} predictions for {len(truth)} samples")
    guesses, rights = [set(one) for one in predicted], [set(one) for one in truth]
    if not all(rights):
        raise ValueError("truth: a sample without a label")
    pairs = list(zip(guesses, rights, strict=True))
    precision = np.mean([len(guess & right) / max(1, len(guess)) for guess, right in pairs])
    recall = np.mean([len(guess & right) / len(right) for guess, right in pairs])
    return float(2 * precision * recall / (precision + recall)) if precision else 0.0


# Calibration


def calibration_error(probabilities: Any, correct: Any, bins: int = 15) -> float:
    """Expected calibration error: mean gap of confidence and accuracy over bins of confidence.

    probabilities: (n,) of the class taken, 0 to 1; correct: (n,) 0 or 1. 0 to 1, lower is better.
    Guo et al. 2017, equation 3, 15 bins of equal width, (0, 1/15] and so on.
    """
    probabilities, hits = checks.real(probabilities, "probabilities"), checks.binary(correct, "hit")
    if probabilities.shape != hits.shape or probabilities.ndim != 1:
        raise ValueError(f"probabilities {probabilities.shape} for {hits.shape} samples")
    if probabilities.min() < 0 or probabilities.max() > 1:
        raise ValueError("probabilities: not 0 to 1")
    place = np.clip(np.ceil(probabilities * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.bincount(place, probabilities - hits, minlength=bins)
    return float(np.abs(gaps).sum() / len(hits))
