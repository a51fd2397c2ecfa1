"""What every metric asks of its input, each refused with one clear line."""

from typing import Any

import numpy as np


def real(values: Any, name: str, *, finite: bool = True) -> np.ndarray:
    """``values`` as float64, at least one; ValueError where it is empty, not numbers, or holds NaN.

    finite: refuse infinity as well. ``name`` says in the message what is wrong.
    """
    try:
        array = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name}: not an array of numbers") from None
    if not array.size:
        raise ValueError(f"{name}: empty")
    if np.isnan(array).any():
        raise ValueError(f"{name}: hold NaN")
    if finite and not np.isfinite(array).all():
        raise ValueError(f"{name}: hold infinity")
    return array


def pair(first: Any, second: Any, names: tuple[str, str]) -> tuple[np.ndarray, np.ndarray]:
    """Two arrays of :func:`real` numbers of one shape."""
    arrays = real(first, names[0]), real(second, names[1])
    if arrays[0].shape != arrays[1].shape:
        shapes = " and ".join(f"{n} {a.shape}" for n, a in zip(names, arrays, strict=True))
        raise ValueError(f"different shapes: {shapes}")
    return arrays


def items(values: Any, name: str, count: int | None = None) -> np.ndarray:
    """A (n,) array of labels, names or numbers, at least one, without NaN; n is ``count``."""
    array = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"{name}: {array.ndim} axes instead of one")
    if not len(array):
        raise ValueError(f"{name}: empty")
    if array.dtype.kind == "f" and np.isnan(array).any():
        raise ValueError(f"{name}: hold NaN")
    if count is not None and len(array) != count:
        raise ValueError(f"{name}: {len(array)} instead of {count}")
    return array


def classes(values: Any, name: str, count: int | None = None) -> np.ndarray:
    """Integers from 0, of any shape and at least one, below ``count``."""
    array = real(values, name)
    if (array != np.round(array)).any() or array.min() < 0:
        raise ValueError(f"{name}: not whole numbers from 0")
    if count is not None and array.max() >= count:
        raise ValueError(f"{name}: class {int(array.max())} of {count}")
    return array.astype(np.int64)


def binary(values: Any, name: str) -> np.ndarray:
    """Booleans of any shape, at least one, from booleans or zeros and ones."""
    array = real(values, name)
    if not np.isin(array, (0, 1)).all():
        raise ValueError(f"{name}: not only 0 and 1")
    return array.astype(bool)


def scored(scores: Any, labels: Any) -> tuple[np.ndarray, np.ndarray]:
    """Scores (n,) and their binary labels (n,), both classes present."""
    score, label = real(scores, "scores"), binary(labels, "labels")
    if score.ndim != 1 or score.shape != label.shape:
        raise ValueError(f"scores {score.shape} and labels {label.shape}: not two lists as long")
    if label.all() or not label.any():
        raise ValueError(f"labels: all {int(label[0])}, both classes are needed")
    return score, label
