"""The One-Euro filter: still when the face is still, quick when it moves."""

import numpy as np

MIN_CUTOFF = 0.8  # Hz: of a face at rest
SPEED_GAIN = 18.0  # Hz per (face size per second)
SPEED_CUTOFF = 2.0  # Hz: of the speed estimate itself


class OneEuro:
    """Casiez, Roussel and Vogel (2012), per landmark, its speed taken in face sizes per second.

    cutoff: Hz, of what is at rest. gain: Hz per size and second. The defaults are for landmarks.
    """

    def __init__(self, cutoff: float = MIN_CUTOFF, gain: float = SPEED_GAIN) -> None:
        self._cutoff, self._gain = cutoff, gain
        self._time: float | None = None
        self._value = self._speed = np.zeros(0)

    def __call__(self, points: np.ndarray, time: float, size: float) -> np.ndarray:
        """Filter (n, 1 to 3) points at ``time`` seconds; ``size``: 1 of speed, in their unit.

        A point's speed is that of its first two coordinates.
        """
        points = points.astype(np.float64)
        if self._time is None or time <= self._time:
            self._value, self._speed = points, np.zeros_like(points)
        else:
            step = time - self._time
            speed = (points - self._value) / (step * size)
            self._speed = self._speed + _share(SPEED_CUTOFF, step) * (speed - self._speed)
            fast = np.linalg.norm(self._speed[:, :2], axis=1, keepdims=True)
            share = _share(self._cutoff + self._gain * fast, step)
            self._value = self._value + share * (points - self._value)
        self._time = time
        return self._value.astype(np.float32)


def _share(cutoff, step: float):
    """How much of a new value a low-pass of ``cutoff`` Hz takes after ``step`` seconds."""
    return 1 / (1 + 1 / (2 * np.pi * cutoff * step))
