"""Shapes and poses: errors of vertices, with and without alignment, of angles and rotations."""

from typing import Any

import numpy as np

from mien.evaluate import checks
from mien.head.surface import closest_points

NAMES = ("predicted", "truth")


def vertex_error(predicted: Any, truth: Any, anchor: int | None = None) -> np.ndarray:
    """Mean distance of the vertices of each shape, (...), in their unit (mm), from 0, lower.

    predicted, truth: (..., n, 3). anchor: a point that is laid upon its truth first, such as the
    pelvis for MPVPE of all vertices, or the neck for the face (OSX); None compares as they are.
    """
    predicted, truth = _shapes(predicted, truth)
    if anchor is not None:
        predicted = predicted - predicted[..., [anchor], :] + truth[..., [anchor], :]
    return np.linalg.norm(predicted - truth, axis=-1).mean(axis=-1)


def aligned_error(predicted: Any, truth: Any, scale: bool = True) -> np.ndarray:
    """:func:`vertex_error` after the best similarity (PA-MPVPE), or without scale the best motion.

    predicted, truth: (..., n, 3); (...) in the unit of the truth, from 0, lower is better.
    """
    predicted, truth = _shapes(predicted, truth)
    return vertex_error(aligned(predicted, truth, scale), truth)


def aligned(predicted: Any, truth: Any, scale: bool = True) -> np.ndarray:
    """(..., n, 3) points moved upon the truth by :func:`similarity`."""
    size, turn, shift = similarity(predicted, truth, scale)
    return size * np.asarray(predicted, np.float64) @ np.swapaxes(turn, -1, -2) + shift


def similarity(
    source: Any, target: Any, scale: bool = True
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The least-squares similarity of (..., n, 3) points to others (Umeyama 1991).

    Size (..., 1, 1), rotation (..., 3, 3) and shift (..., 1, 3) that map x to size R x + shift;
    size is 1 without ``scale``; never a mirror image. Raises ValueError where all points coincide.
    """
    source, target = _shapes(source, target)
    means = [each.mean(axis=-2, keepdims=True) for each in (source, target)]
    energy = ((source - means[0]) ** 2).sum(axis=(-2, -1), keepdims=True)
    if not energy.all():
        raise ValueError("all points of a shape coincide")
    u, stretch, v = np.linalg.svd(np.swapaxes(target - means[1], -1, -2) @ (source - means[0]))
    mirror = np.sign(np.linalg.det(u @ v))
    stretch[..., -1] *= mirror
    u[..., -1] *= mirror[..., None]
    size = stretch.sum(axis=-1)[..., None, None] / energy if scale else np.ones_like(energy)
    return size, u @ v, means[1] - size * means[0] @ np.swapaxes(u @ v, -1, -2)


def scan_distance(scan: Any, vertices: Any, triangles: Any) -> np.ndarray:
    """Distance of each point of a scan (n, 3) to the nearest of a mesh, (n,), from 0, lower.

    vertices: (v, 3), in the scan's unit (mm), triangles: (t, 3) int. NoW reports median, mean and
    deviation over all points, once the mesh has been laid upon the scan by :func:`similarity` of
    seven landmarks. The nearest point is sought on the 24 triangles of nearest centre.
    """
    scan, vertices = checks.real(scan, "scan"), checks.real(vertices, "vertices")
    corners = checks.classes(triangles, "triangles", len(vertices))
    if scan.ndim != 2 or not scan.shape[1] == vertices.shape[-1] == corners.shape[-1] == 3:
        raise ValueError(f"scan {scan.shape}, vertices {vertices.shape}, triangles {corners.shape}")
    return closest_points(scan, vertices, corners, candidates=min(24, len(corners)))[2]


def normal_error(predicted: Any, truth: Any, mask: Any = None) -> float:
    """Mean angle between unit normals (..., 3), degrees, 0 to 180, lower is better.

    mask: (...) of what counts. Raises ValueError for a zero normal within it, or an empty mask.
    """
    predicted, truth = checks.pair(predicted, truth, NAMES)
    if mask is not None:
        inside = checks.binary(mask, "mask")
        predicted, truth = checks.pair(predicted[inside], truth[inside], NAMES)
    lengths = [np.linalg.norm(each, axis=-1) for each in (predicted, truth)]
    if not all(length.all() for length in lengths):
        raise ValueError("a normal is zero")
    return float(_angle_between(predicted, truth).mean())


def angle_error(predicted: Any, truth: Any) -> float:
    """Mean absolute difference of angles the short way round; degrees, 0 to 180, lower is better.

    Any equal shapes. Head pose MAE of BIWI and AFLW2000: yaw, pitch and roll, then their mean.
    """
    predicted, truth = checks.pair(predicted, truth, NAMES)
    return float(np.abs((predicted - truth + 180) % 360 - 180).mean())


def rotation_error(predicted: Any, truth: Any) -> np.ndarray:
    """Angle of the rotation between rotations (..., 3, 3), (...); degrees, 0 to 180, lower.

    Raises ValueError for matrices that are no rotations.
    """
    predicted, truth = checks.pair(predicted, truth, NAMES)
    for name, each in zip(NAMES, (predicted, truth), strict=True):
        if each.shape[-2:] != (3, 3) or not _is_rotation(each):
            raise ValueError(f"{name}: not rotations")
    # By the chord: exact for small angles, where the trace is not.
    chord = np.linalg.norm(predicted - truth, axis=(-2, -1)) / np.sqrt(8)
    return np.degrees(2 * np.arcsin(np.clip(chord, 0, 1)))


def gaze_error(predicted: Any, truth: Any) -> np.ndarray:
    """Angle between gaze directions (..., 3), (...); degrees, 0 to 180, lower is better."""
    predicted, truth = checks.pair(predicted, truth, NAMES)
    if predicted.shape[-1] != 3:
        raise ValueError(f"predicted {predicted.shape}: not directions in space")
    if not (predicted.any(axis=-1).all() and truth.any(axis=-1).all()):
        raise ValueError("a direction is zero")
    return _angle_between(predicted, truth)


def _angle_between(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    across = np.linalg.norm(np.cross(first, second), axis=-1)
    return np.degrees(np.arctan2(across, (first * second).sum(axis=-1)))


def _is_rotation(matrices: np.ndarray) -> bool:
    square = matrices @ np.swapaxes(matrices, -1, -2)
    return bool(np.allclose(square, np.eye(3), atol=1e-4) and (np.linalg.det(matrices) > 0).all())


def _shapes(predicted: Any, truth: Any) -> tuple[np.ndarray, np.ndarray]:
    predicted, truth = checks.pair(predicted, truth, NAMES)
    if predicted.ndim < 2 or predicted.shape[-1] != 3:
        raise ValueError(f"predicted {predicted.shape}: not (..., points, 3)")
    return predicted, truth
