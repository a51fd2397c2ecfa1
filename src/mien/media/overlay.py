"""Draws what systems say of faces into pictures: parsing, points, axes."""

from collections.abc import Sequence

import cv2
import numpy as np

from mien.face import Pose
from mien.media.draw import _draw_axes, _fixed

PALETTE = np.array(
    [(0, 0, 0), (240, 190, 160), (120, 60, 30), (170, 95, 40), (40, 120, 255), (0, 200, 255),
     (250, 130, 60), (220, 40, 80), (120, 0, 40), (255, 90, 140), (90, 70, 160)],
    np.uint8,
)  # fmt: skip
"""RGB of the classes of a parsing mask, in the order of ``mien.data.labels.PARSING``."""
STRENGTH = 0.45  # of the colours over the picture
POINT = (255, 255, 0)


def parsing_of(
    shape: Sequence[int], masks: Sequence[np.ndarray], matrices: Sequence[np.ndarray]
) -> np.ndarray:
    """(H, W) uint8: class per pixel of a picture; 0, background, outside of all crops.

    masks: (S, S) uint8 of the crops. matrices: (2, 3), from crop pixels to the picture.
    """
    whole = np.zeros(tuple(shape[:2]), np.uint8)
    for mask, matrix in zip(masks, matrices, strict=True):
        placed = matrix.copy()
        placed[:, 2] += placed[:, :2] @ (0.5, 0.5) - 0.5  # OpenCV counts from pixel centres
        size = (whole.shape[1], whole.shape[0])
        found = cv2.warpAffine(mask, placed, size, flags=cv2.INTER_NEAREST)
        whole = np.where(found > 0, found, whole)
    return whole


def tinted(image: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """A copy of (H, W, 3) uint8 with the colours of a mask (H, W) laid over it."""
    colours = PALETTE[np.minimum(classes, len(PALETTE) - 1)]
    mixed = cv2.addWeighted(image, 1 - STRENGTH, colours, STRENGTH, 0)
    return np.where((classes > 0)[..., None], mixed, image)


def draw_points(image: np.ndarray, points: np.ndarray) -> None:
    """Dots at points (K, 2 or 3), in place, of a size that fits theirs."""
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    radius = max(1.0, float((high - low).max()) / 130)
    for centre in _fixed(points[:, :2]).tolist():
        cv2.circle(image, centre, round(radius * 16), POINT, cv2.FILLED, cv2.LINE_AA, 4)


def draw_pose(image: np.ndarray, nose: np.ndarray, pose: Pose, size: float) -> None:
    """The axes of a head from a point (2,), in place; ``size`` of the face in pixels."""
    _draw_axes(image, nose, pose, size, max(1, round(size / 260)))
