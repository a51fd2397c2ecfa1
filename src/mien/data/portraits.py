"""Adapter of the portrait set: 3,600 people who do not exist, with 478-point labels.

Layout of its folder: ``index.csv``, ``labels.npz``, ``NNNN.jpg`` (square images, upright).
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mien.media.image import read_image

LABEL_SCALE = 20000  # stored int16 = fraction of the image's width (height for y) * 20000


@dataclass(frozen=True)
class Portraits:
    """``files`` (n), ``landmarks`` (n, 478, 3) as fractions of the side, ``test`` (n,) bool.

    ``test`` marks the held-back tenth, on which nothing is trained and nothing is chosen.
    """

    folder: Path
    files: list[str]
    landmarks: np.ndarray
    test: np.ndarray

    @classmethod
    def load(cls, folder: Path) -> "Portraits":
        """Read index and labels; raises FileNotFoundError if the folder is not a portrait set."""
        with open(folder / "index.csv", newline="") as stream:
            rows = list(csv.DictReader(stream))
        with np.load(folder / "labels.npz", allow_pickle=False) as labels:
            landmarks = labels["landmarks"].astype(np.float32) / LABEL_SCALE
        test = np.array([row["split"] == "val" for row in rows])
        return cls(folder, [row["file"] for row in rows], landmarks, test)

    def __len__(self) -> int:
        return len(self.files)

    def image(self, index: int, side: int | None = None) -> np.ndarray:
        """The portrait as (side, side, 3) uint8 RGB; its own size when ``side`` is None."""
        image = read_image(self.folder / self.files[index])
        if side is None or side == len(image):
            return image
        way = cv2.INTER_AREA if side < len(image) else cv2.INTER_LINEAR
        return cv2.resize(image, (side, side), interpolation=way)
