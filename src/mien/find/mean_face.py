"""The mean face: 478 points in millimetres, mien's rigid reference for crops and head pose.

It was derived by generalised Procrustes analysis over the landmark labels of 3,264 portraits
(``python -m mien.train.mean_face``). Frame: x to the right of the image for a frontal face,
y down, z away from the camera, origin at the centroid, 63 mm between the iris centres.
"""

from functools import cache
from importlib import resources

import numpy as np


@cache
def _arrays() -> dict[str, np.ndarray]:
    with (
        resources.as_file(resources.files("mien.find") / "mean_face.npz") as path,
        np.load(path, allow_pickle=False) as data,
    ):
        return {name: data[name] for name in data.files}


def points() -> np.ndarray:
    """The mean face, (478, 3) float64, millimetres; exactly mirror-symmetric in x."""
    return _arrays()["points"].astype(np.float64)


def mirror() -> np.ndarray:
    """For each landmark the index of its mirror image, (478,) int64; an involution."""
    return _arrays()["mirror"].astype(np.int64)


def triangles() -> np.ndarray:
    """The skin: (852, 3) int64 landmark indices; eyes and mouth are holes.

    Topology of MediaPipe's face mesh (Apache-2.0).
    """
    return _arrays()["triangles"].astype(np.int64)
