"""The surface that hair lies on: the outermost skin of the mean head around its axis."""

from functools import cache
from typing import NamedTuple

import cv2
import numpy as np

from mien.head.model import MATERIALS, HeadModel
from mien.head.raster import rasterize

LEVEL = 40.0  # mm, y: above it the shell is spherical, below cylindrical
AXIS = np.array([0.0, LEVEL, 0.0])
BOTTOM, ROW = -190.0, 2.5  # mm: of the lowest row, between rows below the axis
LOW, HIGH, COLUMNS = 92, 46, 180


class Shell(NamedTuple):
    """The outermost skin of the mean head by height and azimuth.

    radius: (LOW + HIGH, COLUMNS) float32 mm from the axis. corners, weights: the skin's places.
    """

    radius: np.ndarray
    corners: np.ndarray
    weights: np.ndarray


def rolled(places: np.ndarray) -> np.ndarray:
    """Column, row and radius (..., 3) on the shell of places (..., 3) mm."""
    x, y, z = np.moveaxis(places - AXIS, -1, 0)
    flat = np.hypot(x, z)
    column = (np.arctan2(x, z) / (2 * np.pi) + 0.5) * COLUMNS
    row = np.where(
        y > 0, LOW + np.arctan2(y, flat) / (np.pi / 2) * HIGH, (y + AXIS[1] - BOTTOM) / ROW
    )
    return np.stack([column, row, np.where(y > 0, np.hypot(flat, y), flat)], -1)


@cache
def head_shell() -> Shell:
    """The shell of the bundled head."""
    model = HeadModel.bundled()
    skin = np.isin(model.material, [MATERIALS.index("face"), MATERIALS.index("back")])
    triangles = model.triangles[skin]
    corners = rolled(model.template[triangles])
    wraps = np.ptp(corners[..., 0], axis=1) > COLUMNS / 2
    corners[..., 0] += COLUMNS * (wraps[:, None] & (corners[..., 0] < COLUMNS / 2))
    both = np.concatenate([corners, corners - [COLUMNS, 0, 0]]).reshape(-1, 3)
    both[:, 2] *= -1  # the outermost counts
    seen = rasterize(both, np.arange(len(both)).reshape(-1, 3), COLUMNS, LOW + HIGH)
    _, labels = cv2.distanceTransformWithLabels(
        (~seen.covered).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    labels = np.asarray(labels, np.int64)
    place = np.empty(labels.max() + 1, np.int64)
    known = np.flatnonzero(seen.covered)
    place[labels.ravel()[known]] = known
    nearest = place[labels]
    return Shell(
        -seen.depth.ravel()[nearest].astype(np.float32),
        triangles[seen.index.ravel()[nearest] % len(triangles)],
        seen.weights.reshape(-1, 3)[nearest],
    )


def cells(places: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row and column of the shell's cell (...), and height (...) mm above it, of places."""
    column, row, radius = np.moveaxis(rolled(places), -1, 0)
    rows = row.astype(int).clip(0, LOW + HIGH - 1)
    columns = column.astype(int) % COLUMNS
    return rows, columns, radius - head_shell().radius[rows, columns]


def above(lines: np.ndarray, height: np.ndarray | float) -> np.ndarray:
    """Lines whose points below ``height`` mm over the shell are lifted to it."""
    rows, columns, over = cells(lines)
    return placed_at(lines, head_shell().radius[rows, columns] + np.maximum(over, height))


def lifted(lines: np.ndarray, deepest: float) -> np.ndarray:
    """Points (..., 3) less than ``deepest`` mm below the outermost skin, put on it."""
    rows, columns, over = cells(lines)
    over = np.where(over > -deepest, np.maximum(over, 1.0), over)
    return placed_at(lines, head_shell().radius[rows, columns] + over)


def placed_at(lines: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Points (..., 3) moved to a radius (...) on the shell's coordinates."""
    arm = lines - AXIS
    level = np.maximum(arm[..., 1], 0)
    scale = radius / np.maximum(np.sqrt(arm[..., 0] ** 2 + level**2 + arm[..., 2] ** 2), 1e-6)
    arm = arm * np.stack([scale, np.where(arm[..., 1] > 0, scale, 1), scale], -1)
    return arm + AXIS
