"""A trained system of the task "forgery" in the shape that ``mien guard`` expects."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mien.errors import MienError, UsageError
from mien.find import geometry
from mien.find.guard import Found
from mien.systems import available, trained

BATCH = 8


class SystemDetector:
    """Asks a system about faces that have been found.

    run, weights: as of ``trained.find``. Raises UsageError for a system of another task, MienError
    where there are no weights or no such device.
    """

    def __init__(self, slug: str, run: Path | None, weights: str | None, device: str = "cpu"):
        known = available()
        if slug in known and known[slug].task not in ("forgery", ""):
            able = ", ".join(name for name, entry in known.items() if entry.task == "forgery")
            raise UsageError(f"{slug} knows nothing of forgeries; of these there are: {able}")
        if device.startswith("cuda") and not torch.cuda.is_available():
            raise MienError(f"device {device!r} is not available: PyTorch sees no CUDA device")
        self.system: Any = trained.find(slug, run, weights).to(device).eval()
        self.size, self.device = int(self.system.config.size), device

    def placement(self, landmarks: np.ndarray) -> np.ndarray:
        """(2, 3), from the pixels of the system's crop to those of the picture."""
        return self.system.crop(landmarks)

    def __call__(self, image: np.ndarray, landmarks: Sequence[np.ndarray]) -> Found:
        """The faces of a picture (H, W, 3) uint8, by their landmarks (478, 3)."""
        places = [self.placement(points) for points in landmarks]
        crops = [geometry.crop(image, place, self.size) for place in places]
        parts = [self._told(crops[i : i + BATCH]) for i in range(0, len(crops), BATCH)]
        if not parts:
            return Found(np.zeros(0, np.float32), np.zeros((0, 1, 1), np.float32))
        return Found(*(np.concatenate(one) for one in zip(*parts, strict=True)))

    def _told(self, crops: Sequence[np.ndarray]) -> Found:
        pixels = torch.from_numpy(np.stack(crops).transpose(0, 3, 1, 2).copy())
        told = self.system.predict(pixels.to(self.device).float() / 255)
        return Found(told.logit.float().cpu().numpy(), told.where.float().cpu().numpy())
