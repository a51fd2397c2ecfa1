"""The metrics of the published systems' protocols, by what they judge.

``METRICS`` in :mod:`mien.evaluate.metrics.registry` names them all. Images and vertices come as
arrays; networks that a metric needs (an identity, an expression, a perceptual distance) come as
functions from arrays to arrays. Every function raises ValueError with one clear line for input that
has no answer: empty, NaN, one class only.

Here are the names that the evaluation of mien's own finder uses.
"""

from mien.evaluate.metrics.boxes import average_precision, match
from mien.evaluate.metrics.landmarks import (
    FAILURE,
    IRIS_CENTRES,
    OUTER_CORNERS,
    auc,
    distance,
    error_of,
    errors,
    errors_3d,
    failure_rate,
    jitter,
    nearest,
    nme,
    points,
    summary,
)
from mien.evaluate.statistics import bootstrap

__all__ = [
    "FAILURE",
    "IRIS_CENTRES",
    "OUTER_CORNERS",
    "auc",
    "average_precision",
    "bootstrap",
    "distance",
    "error_of",
    "errors",
    "errors_3d",
    "failure_rate",
    "jitter",
    "match",
    "nearest",
    "nme",
    "points",
    "summary",
]
