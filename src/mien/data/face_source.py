"""What the face finder is trained from: warpable portraits and faceless backgrounds, in memory."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from mien.data.face_warp import FaceWarp, matte
from mien.data.portraits import Portraits
from mien.find import mean_face
from mien.media.image import read_image

PORTRAIT_SIDE = 240


Part = Literal["train", "validation", "test"]


def background_files(folder: Path, part: Part) -> list[Path]:
    """Of every eight backgrounds (by name) six are for training, one each for the other parts."""
    parts: dict[int, Part] = {3: "validation", 7: "test"}
    files = sorted(folder.glob("*.jpg"))
    return [file for i, file in enumerate(files) if parts.get(i % 8, "train") == part]


@dataclass
class FaceSource:
    """Training material of one process: ``rgba`` (n, S, S, 4), ``labels`` (n, 478, 3) pixels."""

    rgba: np.ndarray
    labels: np.ndarray
    backgrounds: list[np.ndarray]

    @classmethod
    def load(cls, data: Path, limit: int | None = None) -> "FaceSource":
        """Read the training portraits (with mattes) and backgrounds below ``data``."""
        portraits = Portraits.load(data / "portraits")
        chosen = np.flatnonzero(~portraits.test)[:limit]
        rgba = np.empty((len(chosen), PORTRAIT_SIDE, PORTRAIT_SIDE, 4), np.uint8)
        for row, index in enumerate(chosen):
            image = portraits.image(int(index), PORTRAIT_SIDE)
            rgba[row] = np.dstack([image, matte(image)])
            # What lies beyond the portrait repeats its edge: see-through.
            rgba[row, [0, -1], :, 3] = rgba[row, :, [0, -1], 3] = 0
        files = background_files(data / "backgrounds", "train")
        backgrounds = [read_image(file) for file in files]
        return cls(rgba, portraits.landmarks[chosen] * PORTRAIT_SIDE, backgrounds)

    def __len__(self) -> int:
        return len(self.rgba)

    def face(self, index: int, mirrored: bool) -> FaceWarp:
        """One portrait, perhaps seen in a mirror."""
        rgba, labels = self.rgba[index], self.labels[index]
        if mirrored:
            rgba = np.ascontiguousarray(rgba[:, ::-1])
            labels = labels[mean_face.mirror()] * [-1, 1, 1] + [PORTRAIT_SIDE, 0, 0]
        return FaceWarp(rgba, np.asarray(labels, np.float64))
