"""Adapter of the portrait set: 3,600 people who do not exist, with 478-point labels.

Layout of its folder: ``index.csv``, ``labels.npz``, ``NNNN.jpg`` (square images, upright).
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

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
        bgr = cv2.imread(str(self.folder / self.files[index]), cv2.IMREAD_COLOR)
        if bgr is None:
            raise FileNotFoundError(self.folder / self.files[index])
        if side is not None and bgr.shape[0] != side:
            shrink = side < bgr.shape[0]
            bgr = cv2.resize(
                bgr, (side, side), interpolation=cv2.INTER_AREA if shrink else cv2.INTER_LINEAR
            )
        return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
