"""sRGB, in which pictures are stored, and linear light, in which light adds up (IEC 61966-2-1)."""

import numpy as np


def to_linear(srgb: np.ndarray) -> np.ndarray:
    """sRGB, uint8 or float 0..1, of any shape, as linear float32 0..1."""
    if srgb.dtype == np.uint8:
        return _TABLE[srgb]
    value = np.asarray(srgb, np.float32)
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def to_srgb(linear: np.ndarray) -> np.ndarray:
    """Linear light as sRGB uint8; what is beyond 0..1 is cut, NaN becomes 0."""
    value = np.nan_to_num(np.asarray(linear, np.float32)).clip(0, 1)
    coded = np.where(value <= 0.0031308, value * 12.92, 1.055 * value ** (1 / 2.4) - 0.055)
    return (coded * 255 + 0.5).astype(np.uint8)


def luminance(linear: np.ndarray) -> np.ndarray:
    """Relative luminance of linear (..., 3) RGB (ITU-R BT.709)."""
    return linear @ np.array([0.2126, 0.7152, 0.0722], np.float32)


_TABLE = to_linear(np.arange(256, dtype=np.float32) / 255).astype(np.float32)
