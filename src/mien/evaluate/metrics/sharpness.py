"""How sharp single images are, without a truth to compare with.

Images are (..., height, width, 3), bytes or floats from 0 to 1; one value for each. Only images of
one size and content compare.
"""

from typing import Any

import cv2
import numpy as np

from mien.evaluate.metrics.images import floats

BLOCK = 64
EDGE_SHARE = 0.002
"""Share of edge pixels from which a block counts."""
LOW_CONTRAST = 50
"""Grey levels; a block of no more than these hides wider edges."""


def laplacian_variance(images: Any) -> np.ndarray:
    """Variance of the Laplacian of each grey image (VL), (...), squared grey levels of 255, higher.

    Four-neighbour Laplacian, border left out. Noise raises it as well.
    """
    grey = _grey(images)
    if min(grey.shape[-2:]) < 3:
        raise ValueError(f"images {grey.shape}: below 3 pixels")
    middle = grey[..., 1:-1, 1:-1]
    sides = grey[..., 1:-1, 2:] + grey[..., 1:-1, :-2] + grey[..., 2:, 1:-1] + grey[..., :-2, 1:-1]
    return (sides - 4 * middle).var(axis=(-2, -1))


def cpbd(images: Any) -> np.ndarray:
    """Share of edges whose blur nobody notices (CPBD), (...), 0 to 1, higher is better.

    Narvekar and Karam 2011: in blocks of 64 pixels, the width of an upright edge is the length of
    the rise or fall of its row. Their probability of noticing blur, 1 - exp(-(width / just)^3.6),
    passes the 63 % of their definition where the width passes ``just``: 5 pixels at a contrast of
    up to 50 grey levels, 3 above. Written from the paper, with OpenCV's edges, so numbers differ
    from those of the authors' code. 0 without an edge. Raises ValueError for sides below 64.
    """
    grey = _grey(images)
    if min(grey.shape[-2:]) < BLOCK:
        raise ValueError(f"images {grey.shape}: below {BLOCK} pixels")
    every = grey.reshape(-1, *grey.shape[-2:])
    return np.array([_cpbd(image) for image in every]).reshape(grey.shape[:-2])


def _cpbd(grey: np.ndarray) -> float:
    widths, canny = _edge_widths(grey), cv2.Canny(grey.round().astype(np.uint8), 100, 200)
    unnoticed, edges = 0, 0
    for top in range(0, grey.shape[0] - BLOCK + 1, BLOCK):
        for left in range(0, grey.shape[1] - BLOCK + 1, BLOCK):
            block = np.s_[top : top + BLOCK, left : left + BLOCK]
            if (canny[block] > 0).mean() <= EDGE_SHARE:
                continue
            found = widths[block][widths[block] > 0]
            just = 5 if np.ptp(grey[block]) <= LOW_CONTRAST else 3
            unnoticed, edges = unnoticed + int((found <= just).sum()), edges + len(found)
    return unnoticed / edges if edges else 0.0


def _edge_widths(grey: np.ndarray) -> np.ndarray:
    """Width in pixels of the upright edge at each pixel, 0 where there is none."""
    slope = cv2.Sobel(grey, cv2.CV_64F, 1, 0)
    size = np.abs(slope)
    edge = size**2 > 4 * (slope**2).mean()
    edge[:, [0, -1]] = False
    edge[:, 1:-1] &= (size[:, 1:-1] >= size[:, :-2]) & (size[:, 1:-1] > size[:, 2:])
    steps = np.sign(np.diff(grey, axis=1))
    runs = _runs(steps)
    before = np.where(steps[:, :-1] == np.sign(slope[:, 1:-1]), runs[:, :-1], 0)
    after = np.where(steps[:, 1:] == np.sign(slope[:, 1:-1]), runs[:, 1:], 0)
    widths = np.zeros_like(grey)
    widths[:, 1:-1] = np.maximum(before, after)
    return widths * edge


def _runs(steps: np.ndarray) -> np.ndarray:
    """Length of the run of equal steps that each step of a row is in."""
    starts = np.ones(steps.shape, bool)
    starts[:, 1:] = steps[:, 1:] != steps[:, :-1]
    run = np.cumsum(starts) - 1
    return np.bincount(run)[run].reshape(steps.shape)


def _grey(images: Any) -> np.ndarray:
    array = floats(images, "images")
    if array.shape[-1] != 3:
        raise ValueError(f"images {array.shape}: not red, green and blue")
    return 255 * array @ np.array([0.299, 0.587, 0.114])
