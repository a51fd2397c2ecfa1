"""Any system of the task "reenactment", with weights, at work on pictures and videos."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mien.find import geometry
from mien.systems import trained

TASK = "reenactment"


class Reenactor:
    """Draws a person, known from some pictures, as a face in other pictures is held.

    Systems of this task have ``person(sources)``, ``drive(pictures)``, whose ``keypoints`` are
    where a motion may begin, and ``reenact(person, driving, start)``, as ``Fsrt`` has them.

    run, weights: as of ``trained.find``. Raises UsageError for a system of another task, MienError
    where there are no weights or no such device.
    """

    def __init__(
        self, slug: str, run: Path | None = None, weights: str | None = None, device: str = "cpu"
    ):
        self.system: Any = trained.of_task(TASK, slug, run, weights, device)
        self.slug, self.device = slug, device
        self.size: int = self.system.config.size

    def meet(self, images: Sequence[np.ndarray], landmarks: Sequence[np.ndarray]) -> None:
        """Remember the person whom pictures (H, W, 3) uint8 show, by the landmarks (478, 3)."""
        crops = [geometry.crop(image, self.system.crop(points), self.size)
                 for image, points in zip(images, landmarks, strict=True)]  # fmt: skip
        self.person = self.system.person(self._pixels(crops))
        self.portrait = crops[0]

    def begin(self, image: np.ndarray | None, place: np.ndarray) -> None:
        """Where driving pictures are cut, and in which of them the motion begins.

        place: (2, 3), from crop pixels to the picture. image: None for motion as it is.
        """
        self.place, self.start = place, None
        if image is not None:
            with torch.inference_mode():
                self.start = self.system.drive(self._cut(image)).keypoints[0]

    def draw(self, image: np.ndarray) -> np.ndarray:
        """The person (S, S, 3) uint8 as the face in a driving picture is held."""
        made = self.system.reenact(self.person, self._cut(image), self.start)[0]
        return (made * 255).round().byte().permute(1, 2, 0).cpu().numpy()

    def _cut(self, image: np.ndarray) -> torch.Tensor:
        return self._pixels([geometry.crop(image, self.place, self.size)])

    def _pixels(self, crops: Sequence[np.ndarray]) -> torch.Tensor:
        pixels = torch.from_numpy(np.stack(crops).transpose(0, 3, 1, 2).copy())
        return pixels.to(self.device).float() / 255
