"""Derive the mean face from the landmark labels: ``python -m mien.train.mean_face DATA TRIANGLES``.

Generalised Procrustes analysis (Gower 1975) over the training portraits, in three dimensions with
rotation and scale. The labels' own head transforms only fix the direction of the result (which
way is frontal), as the average of the heads turned back by them; symmetry fixes the rest.
"""

import argparse
from pathlib import Path

import numpy as np

from mien.data.portraits import Portraits

IRIS_DISTANCE = 63.0  # millimetres between iris centres of an adult, on average


def align(shape: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Similarity-align an (n, 3) shape to a centred reference."""
    centred = shape - shape.mean(0)
    u, singular, vt = np.linalg.svd(reference.T @ centred)
    sign = np.array([1, 1, np.sign(np.linalg.det(u @ vt))])
    return (singular * sign).sum() / (centred**2).sum() * centred @ ((u * sign) @ vt).T


def procrustes_mean(shapes: np.ndarray, start: np.ndarray, rounds: int = 10) -> np.ndarray:
    """The Procrustes mean of (m, n, 3) shapes, turned and scaled like ``start``."""
    mean = start
    for _ in range(rounds):
        mean = align(np.mean([align(shape, mean) for shape in shapes], axis=0), start)
    return mean


def mirror_index(shape: np.ndarray) -> np.ndarray:
    """For each point the nearest point of the mirrored shape; checked to be an involution."""
    distance = np.linalg.norm(shape[:, None] - shape[None] * [-1, 1, 1], axis=2)
    index = distance.argmin(1)
    if not (index[index] == np.arange(len(shape))).all():
        raise ValueError("the mean shape is too asymmetric to pair its points")
    return index


def derive(portraits: Portraits, transforms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean face (478, 3) in millimetres and its mirror index (478,)."""
    train = ~portraits.test
    shapes = portraits.landmarks[train].astype(np.float64)
    flip = np.diag([1.0, -1.0, -1.0])  # labels: camera y up, z towards the viewer
    rotations = flip @ transforms[train, :3, :3].astype(np.float64) @ flip
    rotations /= np.cbrt(np.linalg.det(rotations))[:, None, None]
    centred = shapes - shapes.mean(1, keepdims=True)
    frontal = np.einsum("mni,mij->mnj", centred, rotations).mean(0)
    mean = procrustes_mean(shapes, frontal)
    index = mirror_index(mean)
    mean = (mean + mean[index] * [-1, 1, 1]) / 2
    mean *= IRIS_DISTANCE / np.linalg.norm(mean[468] - mean[473])
    return mean - mean.mean(0), index


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder of the portrait set")
    parser.add_argument("triangles", type=Path, help="(852, 3) int array, .npy: the skin topology")
    parser.add_argument("--out", type=Path, default=Path("src/mien/find/mean_face.npz"))
    arguments = parser.parse_args()
    with np.load(arguments.data / "labels.npz", allow_pickle=False) as labels:
        transforms = labels["transform"]
    points, index = derive(Portraits.load(arguments.data), transforms)
    np.savez_compressed(
        arguments.out,
        points=points.astype(np.float32),
        mirror=index.astype(np.int16),
        triangles=np.load(arguments.triangles, allow_pickle=False).astype(np.int16),
    )


if __name__ == "__main__":
    main()
