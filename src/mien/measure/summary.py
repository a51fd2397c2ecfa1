"""One line per column of a clip: how much, how varied, how often."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mien.errors import UsageError
from mien.face import BLENDSHAPES

ACTIVE_CURVE = 0.2  # of 1: less is what faces at rest show, too
ACTIVE_UNIT = 1.0  # intensity A of FACS, a trace
ACTIVE_PROBABILITY = 0.5


@dataclass(frozen=True, slots=True)
class Summary:
    """A column over a clip.

    frames: how many have a value; the others say nothing. mean, sd (of the sample), min, max: in
    the column's unit, None where there are too few frames. active: share of these frames that reach
    ``threshold``; both None for columns that are not active or at rest, such as angles.
    """

    column: str
    frames: int
    mean: float | None
    sd: float | None
    min: float | None
    max: float | None
    active: float | None
    threshold: float | None

    def row(self) -> dict[str, Any]:
        """As plain values for a table."""
        return asdict(self)


def summarise(
    columns: Mapping[str, np.ndarray], thresholds: Mapping[str, float] | None = None
) -> list[Summary]:
    """A summary of each column, in order.

    columns: (n,) each; NaN where there is no value.
    thresholds: from which value on a column is active, instead of :func:`threshold_of`.

    Raises UsageError when a threshold is for no column, or a column is not of numbers.
    """
    thresholds = thresholds or {}
    unknown = [name for name in thresholds if name not in columns]
    if unknown:
        raise UsageError(f"a threshold for {unknown[0]}, which is no column")
    return [
        _summary(name, values, thresholds.get(name, threshold_of(name)))
        for name, values in columns.items()
    ]


def threshold_of(column: str) -> float | None:
    """From which value on a column is active by default; None when it is never said to be.

    Curves: 0.2 of 1. ``AUxx``: intensity 1 of 5. Probabilities: 0.5. ``AUxx_active``: 1.
    """
    if column in BLENDSHAPES:
        return ACTIVE_CURVE
    if column.startswith("AU") and column.endswith("_probability"):
        return ACTIVE_PROBABILITY
    return ACTIVE_UNIT if column.startswith("AU") else None


def _summary(name: str, values: np.ndarray, threshold: float | None) -> Summary:
    if values.dtype.kind not in "fiub" or values.ndim != 1:
        raise UsageError(f"{name}: a summary is of a series of numbers")
    known = values[np.isfinite(values)].astype(np.float64)
    if not len(known):
        return Summary(name, 0, None, None, None, None, None, threshold)
    return Summary(
        column=name,
        frames=len(known),
        mean=float(known.mean()),
        sd=float(known.std(ddof=1)) if len(known) > 1 else None,
        min=float(known.min()),
        max=float(known.max()),
        active=None if threshold is None else float((known >= threshold).mean()),
        threshold=threshold,
    )
