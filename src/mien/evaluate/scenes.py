"""Scenes for the test of small and tilted faces: held-back portraits pasted into backgrounds.

Every scene shows one face of each size, all tilted alike, without overlap. Scene ``i`` is always
the same. The way of pasting is not that of the training scenes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien.data.face_source import background_files
from mien.data.portraits import Portraits
from mien.find import geometry
from mien.media.image import read_image

SIZES = (64, 32, 24, 16)  # pixels: root of the area of the face's box before it is tilted
ANGLES: tuple[int, ...] = (0, 15, -15, 30, -30, 45, -45)  # degrees, clockwise
PER_ANGLE = 30
SEED = 20
HEAD = 1.5  # a head is this much wider and higher than its face
EDGE = 0.15  # of the radius: how soft the edge of a pasted head is


@dataclass(frozen=True)
class Scene:
    """``image`` (H, W, 3) uint8 RGB; ``boxes`` (4, 4) pixels, of faces in order of ``SIZES``."""

    image: np.ndarray
    angle: int
    boxes: np.ndarray


def scenes(data: Path, per_angle: int = PER_ANGLE) -> Iterator[Scene]:
    """The first so many scenes for each angle."""
    portraits = Portraits.load(data / "portraits")
    backgrounds = background_files(data / "backgrounds", "test")
    held_back = np.flatnonzero(portraits.test)
    for angle in ANGLES:
        for number in range(per_angle):
            rng = np.random.default_rng((SEED, angle % 360, number))
            canvas = read_image(backgrounds[rng.integers(len(backgrounds))]).copy()
            chosen = rng.choice(held_back, len(SIZES), replace=False)
            boxes = np.zeros((0, 4))
            for index, size in zip(chosen, SIZES, strict=True):
                patch = head(portraits, int(index), size, angle)
                boxes = np.vstack([boxes, paste(canvas, patch, boxes, rng)])
            yield Scene(canvas, angle, boxes)


@dataclass(frozen=True)
class Head:
    """A tilted head: ``image`` (S, S, 3) uint8, ``alpha`` (S, S) 0..1, face ``box`` (4,) pixels."""

    image: np.ndarray
    alpha: np.ndarray
    box: np.ndarray


def head(portraits: Portraits, index: int, size: float, angle: float) -> Head:
    """A portrait's head, its face reduced to ``size`` pixels and turned by ``angle`` degrees."""
    image = portraits.image(index)
    landmarks = portraits.landmarks[index, :, :2] * image.shape[1::-1]
    box = geometry.box_of(landmarks)
    centre, extent = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
    scale = size / np.sqrt(np.prod(extent))
    side = int(np.ceil(HEAD * scale * np.linalg.norm(extent)))
    turn, middle = np.radians(angle), np.full(2, side / 2)
    linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    patch_from_image = np.column_stack([linear, middle - linear @ centre])
    image_from_patch = geometry.invert(patch_from_image)
    alpha = _ellipse(image_from_patch, side, centre, HEAD * extent / 2, image.shape[1::-1])
    placed = geometry.transform(patch_from_image, landmarks)
    return Head(geometry.crop(image, image_from_patch, side), alpha, geometry.box_of(placed))


def _ellipse(
    image_from_patch: np.ndarray,
    side: int,
    centre: np.ndarray,
    radii: np.ndarray,
    size: tuple[int, ...],
) -> np.ndarray:
    """(side, side) mask of a soft ellipse in an image of ``size`` (width, height); 0 beyond it."""
    pixels = np.stack(np.meshgrid(np.arange(side), np.arange(side)), -1) + 0.5
    there = geometry.transform(image_from_patch, pixels)
    reach = np.linalg.norm((there - centre) / radii, axis=-1)
    inside = ((there > 0) & (there < size)).all(-1)
    return np.clip((1 - reach) / EDGE, 0, 1) * inside


def paste(
    canvas: np.ndarray, patch: Head, taken: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Draw a head into the (H, W, 3) canvas, in place, clear of the taken boxes; gives its box."""
    side = len(patch.image)
    while True:
        x = int(rng.integers(canvas.shape[1] - side + 1))
        y = int(rng.integers(canvas.shape[0] - side + 1))
        box = patch.box + np.array([x, y, x, y])
        if not _touches(box, taken):
            break
    part = canvas[y : y + side, x : x + side]
    blend = patch.alpha[..., None]
    part[:] = np.rint(patch.image * blend + part * (1 - blend)).astype(np.uint8)
    return box


def _touches(box: np.ndarray, taken: np.ndarray) -> bool:
    """Whether a box, with the head around it, comes near one of the taken ones."""
    margin = (box[2:] - box[:2]).max() * (HEAD - 1) / 2
    grown = taken + np.array([-1, -1, 1, 1]) * (margin + 0.3 * _sides(taken))
    return bool((geometry.iou(box[None], grown) > 0).any())


def _sides(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True)
