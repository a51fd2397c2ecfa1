"""sRGB, in which pictures are stored, and linear light, in which light adds up (IEC 61966-2-1)."""

import numpy as np
from numba import float32, njit

CELLS = 4096  # of linear light; none has more than one step between two codes


def to_linear(srgb: np.ndarray) -> np.ndarray:
    """sRGB, uint8 or float 0..1, of any shape, as linear float32 0..1."""
    if srgb.dtype == np.uint8:
        return _TABLE[srgb]
    value = np.asarray(srgb, np.float32)
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def to_srgb(linear: np.ndarray) -> np.ndarray:
    """Linear light as sRGB uint8; what is beyond 0..1 is cut, NaN becomes 0."""
    value = np.ascontiguousarray(linear, np.float32)
    out = np.empty(value.shape, np.uint8)
    _code(value.reshape(-1), _STEPS, _BELOW, out.reshape(-1))
    return out


def luminance(linear: np.ndarray) -> np.ndarray:
    """Relative luminance of linear (..., 3) RGB (ITU-R BT.709)."""
    return linear @ np.array([0.2126, 0.7152, 0.0722], np.float32)


def _coded(value: np.ndarray) -> np.ndarray:
    """The codes 0..255 of linear float32 0..1, by the formula."""
    coded = np.where(value <= 0.0031308, value * 12.92, 1.055 * value ** (1 / 2.4) - 0.055)
    return (coded * 255 + 0.5).astype(np.uint8)


def _steps() -> np.ndarray:
    """The least float32 (257,) of every code; that of 256 is infinite."""
    codes = np.arange(1, 256)
    low, high = np.zeros(255, np.int32), np.ones(255, np.float32).view(np.int32)
    while (high - low > 1).any():  # among the bits of floats, which are in order as floats are
        middle = low + (high - low) // 2
        enough = _coded(middle.view(np.float32)) >= codes
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return np.concatenate([[0], high.view(np.float32), [np.inf]]).astype(np.float32)


@njit(cache=True, nogil=True)
def _code(linear, steps, below, out):
    """By the code of the cell's lower end, and whether the next code has begun."""
    for i in range(len(linear)):
        value = linear[i]
        if not value > float32(0):  # NaN too
            out[i] = 0
        elif value >= float32(1):
            out[i] = 255
        else:
            code = below[int(value * float32(CELLS))]
            out[i] = code + (value >= steps[code + 1])


_TABLE = to_linear(np.arange(256, dtype=np.float32) / 255).astype(np.float32)
_STEPS = _steps()
_BELOW = _coded(np.arange(CELLS, dtype=np.float32) / CELLS)
