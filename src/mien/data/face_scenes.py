"""Training scenes of the detector: faces of every size and tilt pasted into faceless pictures."""

import cv2
import numpy as np
import torch

from mien.data import photometric
from mien.data.face_source import PORTRAIT_SIDE, FaceSource
from mien.data.face_warp import FaceWarp, random_change
from mien.data.stream import Sample, SeededStream
from mien.find import geometry

FIVE_POINTS = (468, 473, 1, 61, 291)  # right and left iris, nose tip, right and left mouth corner
MOST_FACES = 12
SMALLEST, LARGEST = 11.0, 0.95  # face size: pixels; share of the picture's side


class FaceScenes(SeededStream):
    """Endless ``image`` (3, S, S) uint8, ``boxes`` (12, 4), ``points`` (12, 5, 2), ``count`` ()."""

    def __init__(self, source: FaceSource, size: int, seed: int = 0, start: int = 0):
        super().__init__(seed, start)
        self.source, self.size = source, size

    def sample(self, index: int) -> Sample:
        """The scene with this number."""
        rng = np.random.default_rng((self.seed, index))
        canvas = self._background(rng)
        for _ in range(int(rng.integers(0, 3))):
            canvas = photometric.occlude(canvas, self._background(rng), rng)
        if rng.random() < 0.35:
            canvas = photometric.graphics(canvas, rng)
        boxes, points = np.zeros((MOST_FACES, 4)), np.zeros((MOST_FACES, 5, 2))
        count = 0
        for size in self._sizes(rng):
            landmarks = self._paste(canvas, boxes[:count], size, rng)
            if landmarks is not None:
                boxes[count] = geometry.box_of(landmarks)
                points[count] = landmarks[list(FIVE_POINTS), :2]
                count += 1
        canvas = photometric.degrade(canvas, rng)
        return {
            "image": torch.from_numpy(np.ascontiguousarray(canvas.transpose(2, 0, 1))),
            "boxes": torch.from_numpy(boxes.astype(np.float32)),
            "points": torch.from_numpy(points.astype(np.float32)),
            "count": torch.tensor(count),
        }

    def _sizes(self, rng: np.random.Generator) -> np.ndarray:
        """Face sizes in pixels, largest first: nobody, a few people, or a crowd."""
        kind = rng.random()
        if kind < 0.18:
            return np.zeros(0)
        if kind < 0.6:
            count, largest = int(rng.integers(1, 4)), LARGEST * self.size
        else:
            count, largest = int(rng.integers(4, MOST_FACES + 1)), 0.25 * self.size
        sizes = np.exp(rng.uniform(np.log(SMALLEST), np.log(largest), count))
        return np.sort(sizes)[::-1]

    def _paste(
        self, canvas: np.ndarray, boxes: np.ndarray, size: float, rng: np.random.Generator
    ) -> np.ndarray | None:
        """Draw one face into the canvas; None if it found no free place or is hidden on purpose."""
        face = self.source.face(int(rng.integers(len(self.source))), rng.random() < 0.5)
        change = random_change(rng)
        landmarks = face.landmarks(change)
        for _ in range(6):
            placement = self._placement(landmarks, size, rng)
            placed = geometry.transform(placement, landmarks)
            if not _covers(geometry.box_of(placed), boxes):
                break
        else:
            return None
        keeps_studio = size > 0.35 * self.size and rng.random() < 0.4 and not len(boxes)
        self._draw(canvas, face, change, placement, keeps_studio, rng)
        self._cover(canvas, placed, rng)
        if rng.random() < 0.08:
            self._hide(canvas, placed, rng)
            return None
        return placed

    def _placement(
        self, landmarks: np.ndarray, size: float, rng: np.random.Generator
    ) -> np.ndarray:
        """Picture from portrait: tilted, scaled so that the face's box has this size."""
        box = geometry.box_of(landmarks)
        scale = size / np.sqrt(np.prod(box[2:] - box[:2]))
        angle = np.radians(np.clip(rng.normal(0, 22), -60, 60))
        linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        margin = 0.4 * size
        target = rng.uniform(margin, max(self.size - margin, margin + 1), 2)
        return np.column_stack([linear, target - linear @ (box[:2] + box[2:]) / 2])

    def _draw(
        self, canvas: np.ndarray, face: FaceWarp, change, placement: np.ndarray, keeps_studio: bool,
        rng: np.random.Generator,
    ) -> None:  # fmt: skip
        """Composite the part of the portrait that falls into the canvas, in place."""
        side = PORTRAIT_SIDE
        corners = np.array([[0, 0], [side, 0], [0, side], [side, side]], np.float64)
        outline = geometry.transform(placement, corners)
        low, high = outline.min(0), outline.max(0)
        if keeps_studio:
            low, high = np.zeros(2), np.full(2, self.size)
        x0, y0 = np.clip(np.floor(low), 0, self.size).astype(int)
        x1, y1 = np.clip(np.ceil(high), 0, self.size).astype(int)
        if x1 - x0 < 2 or y1 - y0 < 2:
            return
        window = placement - [[0, 0, x0], [0, 0, y0]]
        drawn = face.draw(change, window, (x1 - x0, y1 - y0), rng)
        image = _match(drawn.image, geometry.scale_of(placement))
        part = canvas[y0:y1, x0:x1]
        blend = 1.0 if keeps_studio else drawn.alpha[..., None]
        part[:] = image * blend + part * (1 - blend)

    def _cover(self, canvas: np.ndarray, landmarks: np.ndarray, rng: np.random.Generator) -> None:
        """Sometimes put glasses on, sometimes something in front of a part of the face."""
        box = geometry.box_of(landmarks)
        low, high = np.floor(box[:2]).astype(int), np.ceil(box[2:]).astype(int)
        x0, y0, x1, y1 = np.clip([*low, *high], 0, self.size)
        window = canvas[y0:y1, x0:x1]
        if min(window.shape[:2]) < 12:
            return
        if rng.random() < 0.15:
            window[:] = photometric.glasses(window, landmarks - np.array([x0, y0, 0]), rng)
        if rng.random() < 0.15:
            texture = cv2.resize(self._background(rng), (int(x1 - x0), int(y1 - y0)))
            window[:] = photometric.occlude(window, texture, rng)

    def _hide(self, canvas: np.ndarray, landmarks: np.ndarray, rng: np.random.Generator) -> None:
        """Cover the whole face: heads and hair without a face must not be found."""
        hull = cv2.convexHull(landmarks[:, :2].astype(np.int32))
        mask = cv2.fillPoly(np.zeros(canvas.shape[:2], np.uint8), [hull], 255) > 0
        canvas[mask] = self._background(rng)[mask]

    def _background(self, rng: np.random.Generator) -> np.ndarray:
        size = (self.size, self.size)
        return photometric.background_crop(self.source.backgrounds, size, rng)


def _match(image: np.ndarray, scale: float) -> np.ndarray:
    """Sampling a portrait far below its size aliases; a slight blur is what a lens would do."""
    if scale > 0.5:
        return image
    return cv2.GaussianBlur(image, (0, 0), 0.5)


def _covers(box: np.ndarray, others: np.ndarray) -> bool:
    """Would this box hide much of another?"""
    if not len(others):
        return False
    overlap = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    area = (others[:, 2:] - others[:, :2]).prod(1)
    return bool((overlap.clip(0).prod(1) / area > 0.2).any())
