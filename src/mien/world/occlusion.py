"""Which parts of the head get less light because others are in the way.

Ambient occlusion per vertex of the mean head, with the mouth closed and open: the share of the sky,
weighted by the cosine, that is free. Found by drawing depth from many sides, once per process.
"""

from functools import cache

import numpy as np

from mien.face import BLENDSHAPES
from mien.head.camera import Orthographic, moved
from mien.head.model import HeadModel
from mien.head.raster import rasterize
from mien.head.shading import vertex_normals

SIDES, PIXELS = 80, 224
EXTENT = 420.0  # mm that a view covers
BIAS = 2.5  # mm
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
        cosine = np.maximum(normals @ direction, 0)
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
    vertices: np.ndarray, triangles: np.ndarray, direction: np.ndarray, pixels: int = PIXELS
) -> np.ndarray:
    """How far vertices (V,) are in the light from a direction (3,): 0 in shadow, 1 in the light."""
    forwards = direction / np.linalg.norm(direction)
    aside = np.cross([0.0, 1.0, 0.0] if abs(forwards[1]) < 0.9 else [1.0, 0.0, 0.0], forwards)
    aside /= np.linalg.norm(aside)
    view = np.stack([aside, np.cross(forwards, aside), forwards])
    camera = Orthographic.of_height(EXTENT, pixels, pixels)
    placed = moved(camera, view, np.zeros(3)).project(vertices)
    depth = rasterize(placed, triangles, pixels, pixels).depth
    x, y = (placed[:, i].astype(int) for i in (0, 1))
    out = np.zeros(len(vertices), np.float32)
    for dx in (-1, 0, 1):
        for dy in (-1, 0, 1):
            nearest = depth[(y + dy).clip(0, pixels - 1), (x + dx).clip(0, pixels - 1)]
            out += placed[:, 2] < nearest + BIAS + 2.0
    return out / 9
