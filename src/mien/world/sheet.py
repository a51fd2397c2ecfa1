"""Pictures of samples with their truth beside them, to look at."""

from collections.abc import Sequence

import cv2
import numpy as np

from mien.head.colour import to_srgb
from mien.world.occluders import OCCLUDER
from mien.world.world import Sample

FAR = 400.0  # mm of depth that are shown
SEEN, HIDDEN = (80, 230, 90), (235, 70, 60)
PALETTE = np.array(
    [[0, 0, 0], [204, 178, 120], [240, 190, 160], [120, 120, 180], [255, 140, 90], [220, 110, 70],
     [130, 70, 200], [90, 50, 160], [60, 200, 220], [40, 160, 190], [90, 200, 100], [150, 30, 50],
     [230, 60, 110], [200, 40, 90], [110, 70, 40], [30, 90, 230], [230, 220, 60], [250, 200, 30],
     [200, 160, 30]], np.uint8,
)  # fmt: skip
"""sRGB of the classes of ``mien.head.model.CELEBAMASK``."""
WHITE = 255  # what the classes do not know


def panel(sample: Sample) -> np.ndarray:
    """One sample, (h, 6 h, 3) uint8: image, landmarks, parsing, depth, normals, albedo."""
    image = sample["image"]
    depth = sample["depth"]
    seen = np.isfinite(depth)
    near = depth[seen].min() if seen.any() else 0.0
    grey = np.where(seen, 255 * (1 - (depth - near) / FAR).clip(0, 1), 0).astype(np.uint8)
    return np.hstack([
        image,
        dotted(image, sample["landmarks"], sample["visible"]),
        np.where(sample["parsing"][..., None] == OCCLUDER, WHITE,
                 PALETTE[np.minimum(sample["parsing"], len(PALETTE) - 1)]).astype(np.uint8),
        np.repeat(grey[..., None], 3, 2),
        ((sample["normals"] * 0.5 + 0.5) * 255 * seen[..., None]).astype(np.uint8),
        to_srgb(sample["albedo"]),
    ])  # fmt: skip


def dotted(image: np.ndarray, points: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """An image (h, w, 3) with points (n, 2 or 3) on it: green where visible, else red."""
    out = image.copy()
    radius = max(1, round(image.shape[0] / 300))
    for (x, y), shown in zip(points[:, :2], visible, strict=True):
        cv2.circle(out, (round(float(x)), round(float(y))), radius, SEEN if shown else HIDDEN, -1)
    return out


def contact_sheet(samples: Sequence[Sample], columns: int = 8) -> np.ndarray:
    """The images of samples in rows; what is missing in the last one is black."""
    images = [sample["image"] for sample in samples]
    blank = np.zeros_like(images[0])
    images += [blank] * (-len(images) % columns)
    rows = [np.hstack(images[i : i + columns]) for i in range(0, len(images), columns)]
    return np.vstack(rows)
