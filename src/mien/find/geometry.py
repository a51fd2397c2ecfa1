"""Plane and space geometry of a face: similarity crops, boxes, rigid head pose.

A *similarity* is a 2 x 3 float64 matrix ``[[a, -b, tx], [b, a, ty]]`` that maps (x, y) points by
rotation, uniform scale and shift. The *face frame* is the mean face seen from the front, its x and
y in millimetres; ``face_to_image`` maps it into the picture, and every crop is a square around the
mean face in that frame. Crops therefore follow the face in position, size and roll.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from mien.face import Pose
from mien.find import mean_face

CROP_SIDE = 200.0  # millimetres of the face frame that a landmark crop shows
CROP_CENTRE = (0.0, 0.0)  # its centre in the face frame: the centroid of the mean face


def fit_similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Least-squares similarity from source to target points, both (n, 2); returns (2, 3).

    Closed form of Umeyama (1991) in the plane. Coincident source points give pure translation.
    """
    source, target = np.asarray(source, np.float64), np.asarray(target, np.float64)
    source_mean, target_mean = source.mean(0), target.mean(0)
    s, t = source - source_mean, target - target_mean
    energy = (s**2).sum()
    if energy == 0:
        a, b = 1.0, 0.0
    else:
        a = (s * t).sum() / energy
        b = (s[:, 0] * t[:, 1] - s[:, 1] * t[:, 0]).sum() / energy
    linear = np.array([[a, -b], [b, a]])
    return np.column_stack([linear, target_mean - linear @ source_mean])


def transform(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Map (..., 2) points by a (2, 3) matrix; of (..., 3) points z is scaled as x and y are."""
    points = np.asarray(points, np.float64)
    plane = points[..., :2] @ matrix[:, :2].T + matrix[:, 2]
    if points.shape[-1] == 2:
        return plane
    return np.concatenate([plane, points[..., 2:] * scale_of(matrix)], axis=-1)


def scale_of(matrix: np.ndarray) -> float:
    """The scale factor of a similarity."""
    return float(np.hypot(matrix[0, 0], matrix[1, 0]))


def invert(matrix: np.ndarray) -> np.ndarray:
    """The inverse of an invertible (2, 3) affine matrix."""
    linear = np.linalg.inv(matrix[:, :2])
    return np.column_stack([linear, -linear @ matrix[:, 2]])


def compose(outer: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """The (2, 3) matrix that applies ``inner`` first, then ``outer``."""
    linear = outer[:, :2] @ inner[:, :2]
    return np.column_stack([linear, outer[:, :2] @ inner[:, 2] + outer[:, 2]])


def face_to_image(landmarks: np.ndarray) -> np.ndarray:
    """The similarity from the face frame (mm) to the picture of (478, 2 or 3) landmarks."""
    return fit_similarity(mean_face.points()[:, :2], np.asarray(landmarks)[:, :2])


def crop_to_face(size: int) -> np.ndarray:
    """The similarity from the pixels of a ``size`` x ``size`` landmark crop to the face frame."""
    millimetres = CROP_SIDE / size
    return np.array(
        [
            [millimetres, 0.0, CROP_CENTRE[0] - CROP_SIDE / 2],
            [0.0, millimetres, CROP_CENTRE[1] - CROP_SIDE / 2],
        ]
    )


def crop(image: np.ndarray, image_from_crop: np.ndarray, size: int) -> np.ndarray:
    """Sample a ``size`` x ``size`` crop of an (H, W, 3) image; outside of it is black.

    Coordinates have their origin at the corner of the top left pixel, so pixel centres lie at .5.
    Where the crop shrinks the image, the part is first reduced by area, so nothing aliases.
    """
    shrink = scale_of(image_from_crop)
    if shrink > 2:
        image, image_from_crop = _reduced(image, image_from_crop, size, shrink)
    matrix = image_from_crop.copy()
    matrix[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(image, matrix, (size, size), flags=flags)


def _reduced(
    image: np.ndarray, image_from_crop: np.ndarray, size: int, shrink: float
) -> tuple[np.ndarray, np.ndarray]:
    """Cut out what a crop sees and reduce it by the whole factor below ``shrink``."""
    factor = int(shrink)
    corners = transform(image_from_crop, np.array([[0, 0], [size, 0], [0, size], [size, size]]))
    height, width = image.shape[:2]
    low = np.clip(np.floor(corners.min(0)) - 2, 0, (width, height)).astype(int)
    high = np.clip(np.ceil(corners.max(0)) + 2, 0, (width, height)).astype(int)
    cells = (high - low) // factor
    if (cells < 1).any():
        return image, image_from_crop
    high = low + cells * factor
    part = image[low[1] : high[1], low[0] : high[0]]
    part = cv2.resize(part, (int(cells[0]), int(cells[1])), interpolation=cv2.INTER_AREA)
    part_from_image = np.array([[1, 0, -low[0]], [0, 1, -low[1]]], np.float64) / factor
    return part, compose(part_from_image, image_from_crop)


def box_of(points: np.ndarray) -> np.ndarray:
    """The upright box (x0, y0, x1, y1) around (n, 2 or 3) points."""
    plane = np.asarray(points, np.float64)[:, :2]
    return np.concatenate([plane.min(0), plane.max(0)])


def iou(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of (n, 4) and (m, 4) boxes, (n, m); empty boxes give 0."""
    a, b = np.asarray(boxes, np.float64)[:, None], np.asarray(others, np.float64)[None]
    overlap = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    inter = overlap.clip(0).prod(-1)
    union = _area(a) + _area(b) - inter
    return np.divide(inter, union, out=np.zeros_like(inter), where=union > 0)


def _area(boxes: np.ndarray) -> np.ndarray:
    return (boxes[..., 2:] - boxes[..., :2]).clip(0).prod(-1)


# Points that expression moves least: forehead, nose bridge, temples, cheek bones, upper nose.
RIGID = (10, 67, 297, 103, 332, 54, 284, 21, 251, 162, 389, 127, 356, 234, 454, 151, 9, 8, 168, 6,
         197, 195, 5, 4, 1, 33, 263, 133, 362, 93, 323, 109, 338, 227, 447, 116, 345)  # fmt: skip


@dataclass(frozen=True)
class RigidFit:
    """Mean face -> picture, ``scale * rotation @ p + shift`` (weak perspective); 3 x 3 rotation."""

    rotation: np.ndarray
    scale: float
    shift: np.ndarray


def fit_rigid(landmarks: np.ndarray, iterations: int = 2) -> RigidFit:
    """Robust rigid fit (rotation, scale, shift) of the mean face to (478, 3) landmarks.

    Weighted Umeyama (1991) on the points that expression moves least; the weights are those of a
    Cauchy loss, so a few points that are off (an occluder, a raised brow) hardly count.
    """
    source = mean_face.points()[list(RIGID)]
    target = np.asarray(landmarks, np.float64)[list(RIGID)]
    fit = _umeyama(source, target, np.ones(len(source)))
    for _ in range(iterations):
        predicted = fit.scale * source @ fit.rotation.T + fit.shift
        residual = np.linalg.norm(target - predicted, axis=1)
        width = 1.5 * np.median(residual) + 1e-9
        fit = _umeyama(source, target, 1 / (1 + (residual / width) ** 2))
    return fit


def _umeyama(source: np.ndarray, target: np.ndarray, weights: np.ndarray) -> RigidFit:
    w = (weights / weights.sum())[:, None]
    source_mean, target_mean = (w * source).sum(0), (w * target).sum(0)
    s, t = source - source_mean, target - target_mean
    u, singular, vt = np.linalg.svd((w * t).T @ s)
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = (u * sign) @ vt
    scale = float((singular * sign).sum() / max((w * s**2).sum(), 1e-12))
    return RigidFit(rotation, scale, target_mean - scale * rotation @ source_mean)


def pose_of(landmarks: np.ndarray) -> Pose:
    """Head pose in degrees of (478, 3) landmarks; signs as in :class:`mien.face.Pose`."""
    return Pose.from_rotation(fit_rigid(landmarks).rotation)
