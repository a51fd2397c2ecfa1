"""The face detector at run time: picture -> boxes and five points, at several scales."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from mien.find.geometry import iou

Network = Callable[[np.ndarray], tuple[np.ndarray, ...]]

STRIDES = (8, 16, 32)
SMALL_SIDE = 256  # the detector was trained on scenes of this side
LARGEST_SIDE = 2048  # larger pictures are reduced: 16-pixel faces are found up to this size
OVERLAP = 0.45  # of two boxes that overlap more, only the better one stays
FIVE_POINTS = (468, 473, 1, 61, 291)  # which landmarks the five points are


@dataclass(frozen=True)
class Detection:
    """``box`` (4,) x0, y0, x1, y1; ``score`` 0..1; ``points`` (5, 2): irises (right, left), nose
    tip, mouth corners (right, left). Pixels."""

    box: np.ndarray
    score: float
    points: np.ndarray


class Detector:
    """Runs the detection network over a pyramid of reduced pictures."""

    def __init__(self, network: Network, threshold: float):
        self.network, self.threshold = network, threshold

    def __call__(
        self,
        image: np.ndarray,
        sides: Sequence[int] | None = None,
        threshold: float | None = None,
    ) -> list[Detection]:
        """Faces in an (H, W, 3) uint8 RGB picture, best first.

        ``sides``: the lengths of the longer side at which to look; by default those of
        :func:`pyramid`, which find faces from 16 pixels up. ``threshold``: the least score, by
        default the detector's own.
        """
        found: list[Detection] = []
        for side in sides or pyramid(max(image.shape[:2])):
            found += self._at(image, side, threshold or self.threshold)
        return suppress(found)

    def _at(self, image: np.ndarray, side: int, threshold: float) -> list[Detection]:
        height, width = image.shape[:2]
        scale = side / max(height, width)
        size = (max(round(width * scale), 1), max(round(height * scale), 1))
        if size != (width, height):
            way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
            image = cv2.resize(image, size, interpolation=way)
        padded = np.zeros((_up(size[1]), _up(size[0]), 3), np.uint8)
        padded[: size[1], : size[0]] = image
        batch = (padded.transpose(2, 0, 1)[None] / np.float32(255)).astype(np.float32)
        factors = np.array([width / size[0], height / size[1]])
        return decode(self.network(batch), threshold, factors)


def pyramid(longest: int) -> list[int]:
    """Sides at which faces of all sizes are found: full size, then quarters of it."""
    sides = [min(longest, LARGEST_SIDE)]
    while sides[-1] > SMALL_SIDE:
        sides.append(max(sides[-1] // 4, SMALL_SIDE))
    return sides


def decode(maps: Sequence[np.ndarray], threshold: float, factors: np.ndarray) -> list[Detection]:
    """Cells above the threshold of the network's maps (1, 15, h, w); ``factors`` scales x and y.

    The channels are those of :func:`mien.systems.perceive.face_detector.decode`.
    """
    least = np.log(threshold / (1 - threshold))
    found = []
    for raw, stride in zip(maps, STRIDES, strict=True):
        rows, columns = np.nonzero(raw[0, 0] > least)
        values = raw[0, :, rows, columns].astype(np.float64)
        centres = (np.stack([columns, rows], 1) + 0.5) * stride
        reach = 4.0 * stride * np.exp(np.minimum(values[:, 1:5], 4.0))
        boxes = np.concatenate([centres - reach[:, :2], centres + reach[:, 2:]], 1)
        points = centres[:, None] + 4.0 * stride * values[:, 5:].reshape(-1, 5, 2)
        scores = 1 / (1 + np.exp(-values[:, 0]))
        found += [
            Detection(box * np.tile(factors, 2), float(score), five * factors)
            for box, score, five in zip(boxes, scores, points, strict=True)
        ]
    return found


def suppress(found: list[Detection]) -> list[Detection]:
    """Greedy non-maximum suppression, best first."""
    found = sorted(found, key=lambda detection: -detection.score)
    if not found:
        return []
    overlap = iou(np.array([d.box for d in found]), np.array([d.box for d in found]))
    kept: list[int] = []
    for i in range(len(found)):
        if all(overlap[i, j] <= OVERLAP for j in kept):
            kept.append(i)
    return [found[i] for i in kept]


def _up(length: int) -> int:
    """The next multiple of the coarsest stride."""
    return -(-length // STRIDES[-1]) * STRIDES[-1]
