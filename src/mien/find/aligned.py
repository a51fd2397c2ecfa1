"""Crops that somebody made ready, in place of pictures that must be searched for faces."""

from collections.abc import Sequence

import numpy as np

from mien.find import mean_face
from mien.find.detector import FIVE_POINTS, Detection

SIDES = (200.0, 150.0, 280.0)
"""Millimetres of a face that crops usually show: as mien's own, tight as ArcFace's, loose as
FFHQ's."""


class WholePicture:
    """Takes each picture for an upright face in its middle, of each of the usual sizes.

    It stands in for the :class:`mien.find.detector.Detector`: the landmark network tells which of
    its guesses is right, and whether there is a face at all.
    """

    threshold = 0.5

    def __call__(
        self,
        image: np.ndarray,
        sides: Sequence[int] | None = None,
        threshold: float | None = None,
    ) -> list[Detection]:
        """Guesses for an (H, W, 3) picture; the other arguments are of searching, and unused."""
        height, width = image.shape[:2]
        middle = np.array([width, height]) / 2
        points = mean_face.points()[:, :2]
        found = []
        for millimetres in SIDES:
            placed = middle + points * (min(height, width) / millimetres)
            box = np.concatenate([placed.min(0), placed.max(0)])
            found.append(Detection(box, 1.0, placed[list(FIVE_POINTS)]))
        return found
