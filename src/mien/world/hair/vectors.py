"""Directions, and the way along strands."""

import numpy as np


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors (..., 3) of length 1."""
    return vectors / np.sqrt(np.maximum((vectors * vectors).sum(-1, keepdims=True), 1e-18))


def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """``numpy.cross`` takes several times as long."""
    (ax, ay, az), (bx, by, bz) = np.moveaxis(a, -1, 0), np.moveaxis(b, -1, 0)
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], -1)


def differences(lines: np.ndarray) -> np.ndarray:
    """Directions (n, p, 3) along strands."""
    out = np.empty_like(lines)
    steps = lines[:, 1:] - lines[:, :-1]
    out[:, 1:-1] = steps[:, 1:] + steps[:, :-1]
    out[:, 0], out[:, -1] = steps[:, 0], steps[:, -1]
    return out
