"""The landmark network at run time: crops that follow the face -> 478 points in the picture."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mien.find import geometry

Network = Callable[[np.ndarray], tuple[np.ndarray, ...]]


@dataclass(frozen=True)
class Measured:
    """``landmarks`` (478, 3) float32 pixels of the picture; ``presence`` 0..1: is this a face."""

    landmarks: np.ndarray
    presence: float


class Landmarker:
    """Runs the landmark network on crops of ``size`` pixels."""

    def __init__(self, network: Network, size: int, batch: int = 8):
        self.network, self.size, self.batch = network, size, batch
        self._face_from_crop = geometry.crop_to_face(size)

    def __call__(
        self, images: Sequence[np.ndarray], placements: Sequence[np.ndarray]
    ) -> list[Measured]:
        """Measure one face in each picture.

        Args:
            images: (H, W, 3) uint8 RGB pictures.
            placements: for each the similarity face frame -> picture (2, 3), near to the truth.
        """
        measured: list[Measured] = []
        for start in range(0, len(images), self.batch):
            part = slice(start, start + self.batch)
            measured += self._measure(images[part], placements[part])
        return measured

    def _measure(
        self, images: Sequence[np.ndarray], placements: Sequence[np.ndarray]
    ) -> list[Measured]:
        maps = [geometry.compose(placed, self._face_from_crop) for placed in placements]
        crops = np.stack(
            [geometry.crop(image, m, self.size) for image, m in zip(images, maps, strict=True)]
        )
        batch = crops.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)
        points, logits, *_ = self.network(np.ascontiguousarray(batch))
        presence = 1 / (1 + np.exp(-logits.astype(np.float64)))
        return [
            Measured(geometry.transform(m, crop_points).astype(np.float32), float(p))
            for m, crop_points, p in zip(maps, points, presence, strict=True)
        ]
