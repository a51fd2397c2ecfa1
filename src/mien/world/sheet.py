"""Pictures of samples with their truth beside them, to look at."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from mien.errors import UsageError
from mien.head.colour import to_srgb
from mien.media.files import atomic
from mien.media.provenance import SourceType, sign
from mien.world.manipulate import Manipulated
from mien.world.occluders import OCCLUDER
from mien.world.shards import NOTE
from mien.world.world import Sample

FAR = 220.0  # mm of depth that are shown
SEEN, HIDDEN = (80, 230, 90), (235, 70, 60)
PALETTE = np.array(
    [[0, 0, 0], [204, 178, 120], [240, 190, 160], [120, 120, 180], [255, 140, 90], [220, 110, 70],
     [130, 70, 200], [90, 50, 160], [60, 200, 220], [40, 160, 190], [90, 200, 100], [150, 30, 50],
     [230, 60, 110], [200, 40, 90], [110, 70, 40], [30, 90, 230], [230, 220, 60], [250, 200, 30],
     [200, 160, 30]], np.uint8,
)  # fmt: skip
"""sRGB of the classes of ``mien.head.model.CELEBAMASK``."""
WHITE = 255  # what the classes do not know


MARKED = (".jpg", ".jpeg", ".png", ".webp")
DESCRIPTION = 0x010E  # of EXIF: what a picture shows


def write_picture(
    path: str | Path, image: np.ndarray, quality: int = 95, *, credentials: bool = True
) -> None:
    """Write an image (h, w, 3) uint8 that says in its EXIF data that it is synthetic.

    credentials: sign it as well (:mod:`mien.media.provenance`).

    Raises UsageError for a suffix that is not of ``MARKED``, MienError when it cannot be written.
    """
    if Path(path).suffix.lower() not in MARKED:
        raise UsageError(f"{path}: pictures are written as {', '.join(MARKED)}")
    mark = Image.Exif()
    mark[DESCRIPTION] = NOTE
    with atomic(path) as temporary:
        Image.fromarray(image).save(temporary, quality=quality, exif=mark)
        if credentials:
            sign(temporary, SourceType.RENDERED, "people who do not exist")


def panel(sample: Sample) -> np.ndarray:
    """One sample, (h, 6 h, 3) uint8: image, landmarks, parsing, depth, normals, albedo."""
    image = sample["image"]
    return np.hstack([
        image, dotted(image, sample["landmarks"], sample["visible"]), *_maps(sample),
        to_srgb(sample["albedo"]),
    ])  # fmt: skip


def _maps(sample: Sample) -> list[np.ndarray]:
    """Parsing, depth and normals as colours."""
    depth = sample["depth"]
    seen = np.isfinite(depth)
    near = depth[seen].min() if seen.any() else 0.0
    grey = np.where(seen, 255 * (1 - (depth - near) / FAR).clip(0, 1), 0).astype(np.uint8)
    classes = sample["parsing"]
    colours = PALETTE[np.minimum(classes, len(PALETTE) - 1)]
    return [
        np.where(classes[..., None] == OCCLUDER, WHITE, colours).astype(np.uint8),
        np.repeat(grey[..., None], 3, 2),
        ((sample["normals"] * 0.5 + 0.5) * 255 * seen[..., None]).astype(np.uint8),
    ]


def card(sample: Sample, side: int) -> np.ndarray:
    """One sample (side, 2 side, 3) uint8: its image, and landmarks, parsing, depth, normals."""
    image = _sized(sample["image"], side)
    half = side // 2
    small = [_sized(picture, half) for picture in (sample["image"], *_maps(sample))]
    scale = half / sample["image"].shape[1]
    small[0] = dotted((small[0] * 0.6).astype(np.uint8), scale * sample["landmarks"],
                      sample["visible"], 0)  # fmt: skip
    return np.hstack([image, np.vstack([np.hstack(small[:2]), np.hstack(small[2:])])])


def manipulated(made: Manipulated, side: int) -> np.ndarray:
    """A forged picture (side + 16, 3 side, 3) uint8: original, forged and mask, with its kind."""
    mask = np.repeat((made.mask * 255).astype(np.uint8)[..., None], 3, 2)
    row = np.hstack([_sized(picture, side) for picture in (made.original, made.image, mask)])
    title = np.full((16, row.shape[1], 3), 255, np.uint8)
    text = f"{made.label['family']}: {made.label['kind']}"
    cv2.putText(title, text, (3, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (40, 40, 40), 1, cv2.LINE_AA)
    return np.vstack([title, row])


def _sized(image: np.ndarray, side: int) -> np.ndarray:
    return cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)


def dotted(
    image: np.ndarray, points: np.ndarray, visible: np.ndarray, radius: int | None = None
) -> np.ndarray:
    """An image (h, w, 3) with points (n, 2 or 3) on it: green where visible, else red."""
    out = image.copy()
    radius = max(1, round(image.shape[0] / 300)) if radius is None else radius
    for (x, y), shown in zip(points[:, :2], visible, strict=True):
        cv2.circle(out, (round(float(x)), round(float(y))), radius, SEEN if shown else HIDDEN, -1)
    return out


def contact_sheet(tiles: Sequence[np.ndarray], columns: int = 8) -> np.ndarray:
    """Tiles (h, w, 3) uint8 of one size in rows; what is missing in the last one is black."""
    full = [*tiles, *[np.zeros_like(tiles[0])] * (-len(tiles) % columns)]
    return np.vstack([np.hstack(full[i : i + columns]) for i in range(0, len(full), columns)])
