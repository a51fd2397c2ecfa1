"""A few moments of a clip that stand for all of it: frames, and windows of its sound."""

import numpy as np


def frame_numbers(length: int, count: int) -> np.ndarray:
    """Which ``count`` of ``length`` frames: evenly from the first on; the last again if too few."""
    if length >= count:
        return np.arange(count) * length // count
    return np.arange(count).clip(max=length - 1)


def windows(samples: np.ndarray, count: int, width: int) -> np.ndarray:
    """(count, width) of a sound (S,), each in the middle of its share; silence where it is short.

    Windows of a sound that is shorter than all of them overlap.
    """
    sound = np.pad(samples, (0, max(width - len(samples), 0))).astype(np.float32)
    middles = (np.arange(count) + 0.5) * len(sound) / count
    starts = (middles - width / 2).round().astype(int).clip(0, len(sound) - width)
    return np.stack([sound[start : start + width] for start in starts])
