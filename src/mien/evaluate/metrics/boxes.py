"""Which found boxes are right, and how good a ranked list of them is."""

import numpy as np

from mien.find.geometry import iou


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
    A higher value is better. Raises ValueError when there is no true box.
    """
    if not positives:
        raise ValueError("no true boxes to find")
    hits = np.asarray(correct, bool)[np.argsort(-np.asarray(scores), kind="stable")]
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    monotonic = np.maximum.accumulate(precision[::-1])[::-1]
    return float(monotonic[hits].sum() / positives)
