"""Light in a photo, told apart from the colour of the skin.

The light is distant, of spherical-harmonic order 2, in the camera's axes (:class:`Light`). Pictures
do not say whether a lamp is bright or skin is pale: light is such that its mean over the face is 1
in every channel, and exposure and tint are the albedo's.
"""

import numpy as np

from mien.head.shading import HARMONICS

RIDGE = 0.0025  # against bands 1 and 2, per unit of weight
DARKEST = 0.2  # of the mean: shadows deeper than that are no matter of distant light
SAMPLES = 4000  # places that are looked at
ROUNDS, OUTLIER = 4, 0.15  # of the mean


def harmonics(normals: np.ndarray) -> np.ndarray:
    """The nine functions (..., 9) of unit normals (..., 3) that ``shade`` sums up."""
    x, y, z = np.moveaxis(np.asarray(normals, np.float32), -1, 0)
    one = np.ones_like(x)
    functions = [one, y, z, x, x * y, y * z, 3 * z * z - 1, x * z, x * x - y * y]
    return np.stack(functions, -1) * np.array(HARMONICS, np.float32)


def even() -> np.ndarray:
    """Light (9, 3) that is 1 from everywhere."""
    light = np.zeros((9, 3), np.float32)
    light[0] = 1 / HARMONICS[0]
    return light


def estimate(
    colour: np.ndarray, albedo: np.ndarray, normals: np.ndarray, weight: np.ndarray
) -> np.ndarray:
    """The light (9, 3) under which a surface of that albedo looks as it does.

    Args:
        colour, albedo: (n, 3) linear; their scales need not agree. normals: (n, 3) in the camera's
            axes. weight: (n,). Robust: highlights, hair and shadows that do not fit count less.

    Light whose mean is 1 comes out when nothing has weight.
    """
    some = slice(None, None, max(1, len(weight) // SAMPLES))
    colour, albedo, normals, weight = colour[some], albedo[some], normals[some], weight[some]
    functions = harmonics(normals)
    ratio = colour / np.maximum(albedo, 1e-3)
    if weight.sum() < 100:
        return even()
    ratio = ratio / np.maximum(np.average(ratio, axis=0, weights=weight), 1e-6)
    light = np.empty((9, 3))
    ridge = RIDGE * weight.sum() * np.diag([0.0] + [1.0] * 8)
    for channel in range(3):
        robust, solved = weight, np.zeros(9)
        for _ in range(ROUNDS):
            weighted = functions * robust[:, None]
            solved = np.linalg.solve(weighted.T @ functions + ridge, weighted.T @ ratio[:, channel])
            away = functions @ solved - ratio[:, channel]
            robust = weight / (1 + (away / OUTLIER) ** 2)
        light[:, channel] = solved
    mean = np.average(functions @ light, axis=0, weights=weight)
    return (light / np.maximum(mean, 1e-3)).astype(np.float32)


def received(normals: np.ndarray, light: np.ndarray) -> np.ndarray:
    """What surfaces with unit normals (..., 3) receive of light (9, 3): (..., 3), never black."""
    return np.maximum(harmonics(normals) @ light, DARKEST)
