"""Which parts of the head get less light because others are in the way.

Ambient occlusion per vertex of the mean head, with the mouth closed and open: the share of the
light, weighted by the cosine, that is free; more comes from above than from below. Found by drawing
depth from many sides, once per process.
"""

from functools import cache
from math import hypot

import numpy as np
from numba import float32, njit, uint32

from mien.face import BLENDSHAPES
from mien.head.model import HeadModel
from mien.head.shading import vertex_normals

SIDES, PIXELS = 80, 224
EXTENT = 420.0  # mm that a view covers
BIAS = 2.5  # mm
LEAST_AREA = 1e-9  # twice that of a triangle, square pixels
ABOVE = np.array([0.0, 0.8, 0.6])  # where most light comes from, inside and outside
JAW = BLENDSHAPES.index("jawOpen")


def ambient(expression: np.ndarray) -> np.ndarray:
    """The free part of the sky (V,) float32 0..1 for the bundled head with an expression (52,)."""
    closed, opened = _tables()
    share = min(1.0, float(expression[JAW]) / 0.6)
    return closed + share * (opened - closed)


@cache
def _tables() -> tuple[np.ndarray, np.ndarray]:
    model = HeadModel.bundled()
    return _free(model, model.template), _free(model, model.vertices(expression={"jawOpen": 0.6}))


def _free(model: HeadModel, vertices: np.ndarray) -> np.ndarray:
    normals = vertex_normals(vertices, model.triangles)
    total, free = np.zeros(len(vertices)), np.zeros(len(vertices))
    for direction in _directions():
        cosine = np.maximum(normals @ direction, 0) * (0.3 + max(direction @ ABOVE, 0.0))
        free += cosine * lit(vertices, model.triangles, direction)
        total += cosine
    return (free / np.maximum(total, 1e-6)).astype(np.float32)


def _directions() -> np.ndarray:
    """Directions (SIDES, 3) even over the sphere (a Fibonacci lattice)."""
    at = np.arange(SIDES) + 0.5
    height = 1 - 2 * at / SIDES
    angle = np.pi * (1 + 5**0.5) * at
    around = np.sqrt(1 - height**2)
    return np.column_stack([around * np.cos(angle), height, around * np.sin(angle)])


def lit(
    vertices: np.ndarray,
    triangles: np.ndarray,
    direction: np.ndarray,
    pixels: int = PIXELS,
    count: int | None = None,
) -> np.ndarray:
    """How far vertices (V,) are in the light from a direction (3,): 0 in shadow, 1 in the light.

    count: only the first so many are of interest; all of them throw shadows.
    """
    placed = np.empty((len(vertices), 3))
    _place(np.asarray(vertices, np.float32), _view(direction), pixels, placed)
    depth = nearest(placed, triangles, pixels, pixels)
    out = np.empty(len(vertices) if count is None else count, np.float32)
    _compare(placed, depth, np.float32(BIAS + 2.0), out)
    return out


def _view(direction: np.ndarray) -> np.ndarray:
    """The axes (3, 3) of a view from a direction (3,): to the right, up, and towards the viewer."""
    x, y, z = (direction / np.linalg.norm(direction)).tolist()
    right, length = ((z, 0.0, -x), hypot(z, x)) if abs(y) < 0.9 else ((0.0, -z, y), hypot(z, y))
    a, b, c = (value / length for value in right)
    return np.array([(a, b, c), (y * c - z * b, z * a - x * c, x * b - y * a), (x, y, z)])


def nearest(placed: np.ndarray, triangles: np.ndarray, width: int, height: int) -> np.ndarray:
    """The least depth (height, width) float32 in every pixel's centre; infinite beside triangles.

    What ``mien.head.raster.rasterize`` gives as depth of an orthographic view, to its rounding,
    without all else that it gives. placed: (n, 3), pixels and depth. triangles: (m, 3) of
    valid indices.
    """
    out = np.full((height, width), np.inf, np.float32)
    _nearest(np.asarray(placed, np.float64), np.asarray(triangles, np.int32), out)
    return out


@njit(cache=True, nogil=True)
def _nearest(placed, triangles, out):
    height, width = out.shape
    for t in range(len(triangles)):
        a, b, c = uint32(triangles[t, 0]), uint32(triangles[t, 1]), uint32(triangles[t, 2])
        ax, ay, bx, by = placed[a, 0], placed[a, 1], placed[b, 0], placed[b, 1]
        cx, cy = placed[c, 0], placed[c, 1]
        left = max(int(np.ceil(min(ax, bx, cx) - 0.5)), 0)
        right = min(int(np.floor(max(ax, bx, cx) + 0.5)), width)
        top = max(int(np.ceil(min(ay, by, cy) - 0.5)), 0)
        bottom = min(int(np.floor(max(ay, by, cy) + 0.5)), height)
        if right <= left or bottom <= top:  # most are smaller than a pixel
            continue
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if abs(area) <= LEAST_AREA:
            continue
        over, az, bz, cz = 1.0 / area, placed[a, 2], placed[b, 2], placed[c, 2]
        a_x, a_y, b_x, b_y = (by - cy) * over, (cx - bx) * over, (cy - ay) * over, (ax - cx) * over
        x, y = left + 0.5 - cx, top + 0.5 - cy
        a_row, b_row = x * a_x + y * a_y, x * b_x + y * b_y
        for row in range(top, bottom):
            to_a, to_b = a_row, b_row
            for column in range(left, right):
                if min(to_a, to_b, 1.0 - to_a - to_b) >= 0:
                    depth = float32(cz + to_a * (az - cz) + to_b * (bz - cz))
                    if depth < out[uint32(row), uint32(column)]:
                        out[uint32(row), uint32(column)] = depth
                to_a += a_x
                to_b += b_x
            a_row += a_y
            b_row += b_y


@njit(cache=True, nogil=True)
def _place(vertices, view, pixels, out):
    """Where a distant lamp sees vertices, pixels and depth, in a picture of ``EXTENT`` mm."""
    scale = pixels / EXTENT
    for i in range(len(vertices)):
        x, y, z = vertices[i, 0], vertices[i, 1], vertices[i, 2]
        out[i, 0] = pixels / 2 + scale * (view[0, 0] * x + view[0, 1] * y + view[0, 2] * z)
        out[i, 1] = pixels / 2 - scale * (view[1, 0] * x + view[1, 1] * y + view[1, 2] * z)
        out[i, 2] = -(view[2, 0] * x + view[2, 1] * y + view[2, 2] * z)


@njit(cache=True, nogil=True)
def _compare(placed, depth, bias, out):
    """The share of the nine pixels around each vertex in which nothing is before it."""
    bottom, right = depth.shape[0] - 1, depth.shape[1] - 1
    for i in range(len(out)):
        column, row, free = int(placed[i, 0]), int(placed[i, 1]), 0
        for y in range(row - 1, row + 2):
            for x in range(column - 1, column + 2):
                nearest = depth[min(max(y, 0), bottom), min(max(x, 0), right)]
                free += placed[i, 2] < nearest + bias
        out[i] = free / 9
