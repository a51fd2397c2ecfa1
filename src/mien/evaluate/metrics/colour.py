"""Colours of faces: differences that people see, and the tone of skin.

Images are sRGB, (..., height, width, 3), bytes or floats from 0 to 1; one value for each.
"""

from typing import Any

import numpy as np

from mien.evaluate import checks
from mien.evaluate.metrics.images import floats, mean_inside, two


def lab(images: Any) -> np.ndarray:
    """CIE L*a*b* (D65, 2 degrees) of sRGB images, (..., 3): L* 0 to 100."""
    images = floats(images, "images")
    if images.shape[-1] != 3:
        raise ValueError(f"images {images.shape}: not red, green and blue")
    linear = np.where(images <= 0.04045, images / 12.92, ((images + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array(
        [
            [0.412453, 0.357580, 0.180423],
            [0.212671, 0.715160, 0.072169],
            [0.019334, 0.119193, 0.950227],
        ]
    )
    x, y, z = np.moveaxis(linear @ to_xyz.T / np.array([0.95047, 1.0, 1.08883]), -1, 0)
    x, y, z = (np.where(v > 0.008856, np.cbrt(v), 7.787 * v + 16 / 116) for v in (x, y, z))
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def colour_difference(predicted: Any, truth: Any, mask: Any = None) -> np.ndarray:
    """Mean CIE76 colour difference (Delta E) of each sRGB image, (...), from 0, lower is better.

    2.3 is just noticeable. mask: (..., height, width) of what counts, such as lips (BeautyBank).
    """
    predicted, truth = two(predicted, truth)
    return mean_inside(np.linalg.norm(lab(predicted) - lab(truth), axis=-1, keepdims=True), mask)


def skin_tone(images: Any, mask: Any = None) -> np.ndarray:
    """Individual typology angle of each sRGB image, (...), degrees: -90 dark to 90 light.

    Mean over the mask's pixels of atan2(L* - 50, b*). FAIR protocol (TRUST, HiFiAlbedo).
    """
    values = lab(images)
    angle = np.degrees(np.arctan2(values[..., 0] - 50, values[..., 2]))
    return mean_inside(angle[..., None], mask)


def skin_tone_error(predicted: Any, truth: Any, mask: Any = None) -> np.ndarray:
    """Difference of the :func:`skin_tone` of each image, (...), degrees, from 0, lower is better.

    FAIR reports its mean and, as bias, its standard deviation over six groups of skin tone.
    """
    return np.abs(skin_tone(predicted, mask) - skin_tone(truth, mask))


def skin_tone_bias(errors: Any, groups: Any) -> float:
    """Standard deviation over the groups of the mean (n,) :func:`skin_tone_error` of each; degrees.

    From 0, lower is fairer. Raises ValueError for one group.
    """
    errors = checks.items(checks.real(errors, "errors"), "errors")
    names = checks.items(groups, "groups", len(errors))
    means = [errors[names == group].mean() for group in np.unique(names)]
    if len(means) < 2:
        raise ValueError("groups: one only")
    return float(np.std(means))
