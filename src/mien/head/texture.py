"""Pictures on the head's surface: from a photo into the texture, and holes filled.

A :class:`Chart` is the texture space of one material of a head. :func:`unwrap` brings a photo of a
fitted head there, :func:`pull_push` fills what the photo does not show. Colours are linear light.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numba import float32, njit

from mien.head.camera import Camera
from mien.head.model import MATERIALS, HeadModel
from mien.head.raster import Fragments, interpolate, rasterize
from mien.head.shading import vertex_normals

BEHIND = 2.0  # mm by which a point may lie behind what the camera sees, and still be seen
GRAZING, FACING = 0.25, 0.7  # cosines to the camera: a surface begins to count, counts fully
MISFIT = 4.0  # mm beside a silhouette where a photo may show what is behind
STEP = 25.0  # mm of depth that make one
OPENING = 1.0  # mm beside lids and lips where a photo may show the eye, the teeth, or the skin
OUTSIDE = [MATERIALS.index(material) for material in ("face", "back")]


class Chart:
    """The texture space of one material: which place of the head each texel is.

    among: (T,) bool, the triangles that it is of, where others share their places: both eyes do.
    size: texels a side. covered: (size, size) bool, texels on a triangle of the material.
    triangles: (T, 3) int32, the material's triangles.
    """

    def __init__(
        self, model: HeadModel, material: str, size: int, among: np.ndarray | None = None
    ) -> None:
        mine = model.material == MATERIALS.index(material)
        if among is not None:
            mine &= among
        self.size, self.model = size, model
        self.triangles = model.triangles[mine]
        self.uv_triangles = model.uv_triangles[mine]
        self.region = model.region[mine]
        flat = np.column_stack([model.uv[:, 0], 1 - model.uv[:, 1], np.zeros(len(model.uv))])
        self._fragments: Fragments = rasterize(flat * size, self.uv_triangles, size, size)
        self.covered = self._fragments.covered

    def of_vertices(self, values: np.ndarray) -> np.ndarray:
        """What vertices have, (V, k), at every texel, (size, size, k) float32, 0 off the chart."""
        return interpolate(values, self.triangles, self._fragments)

    def of_triangles(self, values: np.ndarray, beside: float = 0) -> np.ndarray:
        """What the material's triangles have, (T,), at every texel; ``beside`` off the chart."""
        return np.where(self.covered, values[self._fragments.index], beside)


@dataclass(frozen=True, slots=True, eq=False)
class Unwrapped:
    """A photo in texture space.

    colour: (size, size, 3) float32 linear. weight: (size, size) float32, 0 where the photo does
    not show the place, 1 where it shows it from the front. normals: (size, size, 3) float32, in
    the camera's axes.
    """

    colour: np.ndarray
    weight: np.ndarray
    normals: np.ndarray


def unwrap(image: np.ndarray, vertices: np.ndarray, camera: Camera, chart: Chart) -> Unwrapped:
    """Bring a photo of a head into a chart.

    image: (h, w, 3) float32 linear. vertices: (V, 3) mm of the head that the camera sees.
    """
    height, width = image.shape[:2]
    model = chart.model
    placed = camera.project(vertices)
    seen = rasterize(placed, model.triangles, width, height, perspective=camera.perspective)
    depth = seen.depth
    scale = float(camera.pixels_per_mm(np.median(placed[:, 2])))
    clear = ~(_beside_edges(depth, MISFIT * scale) | _beside_openings(seen, model, OPENING * scale))

    at = chart.of_vertices(placed)
    normals = vertex_normals(vertices, model.triangles) @ np.asarray(camera.rotation, np.float32).T
    normals = chart.of_vertices(normals)
    normals /= np.maximum(np.linalg.norm(normals, axis=2, keepdims=True), 1e-6)
    towards = _towards_camera(camera, vertices, chart)

    x, y = at[..., 0] - 0.5, at[..., 1] - 0.5
    colour = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    nearest = cv2.remap(depth, x, y, cv2.INTER_NEAREST, borderValue=0.0)
    facing = (normals * towards).sum(2)
    weight = smoothstep((facing - GRAZING) / (FACING - GRAZING))
    weight *= chart.covered & (at[..., 2] < nearest + BEHIND)
    weight *= cv2.remap(clear.astype(np.uint8), x, y, cv2.INTER_NEAREST, borderValue=0)
    weight *= (x > 1) & (y > 1) & (x < width - 2) & (y < height - 2)
    return Unwrapped(colour, weight.astype(np.float32), normals)


def _towards_camera(camera: Camera, vertices: np.ndarray, chart: Chart) -> np.ndarray:
    """Unit vectors (size, size, 3) from texels to the camera, in its axes."""
    if not camera.perspective:
        return np.array([0, 0, 1], np.float32)
    seen = vertices @ np.asarray(camera.rotation).T + np.asarray(camera.translation)
    away = -chart.of_vertices(seen)
    return away / np.maximum(np.linalg.norm(away, axis=2, keepdims=True), 1e-6)


def _beside_edges(depth: np.ndarray, width: float) -> np.ndarray:
    """Pixels (h, w) bool within ``width`` of a silhouette or a step in depth.

    There a photo may show what is before or behind, as no fit is exact.
    """
    finite = np.nan_to_num(depth, posinf=1e6).astype(np.float32)
    return _range(finite, width) > STEP


def _beside_openings(seen: Fragments, model: HeadModel, width: float) -> np.ndarray:
    """Pixels (h, w) bool within ``width`` of where eyes and mouth begin."""
    inner = seen.covered & ~np.isin(model.material, OUTSIDE)[seen.index]
    return _range(inner.astype(np.uint8), width) > 0


def _range(image: np.ndarray, width: float) -> np.ndarray:
    """Largest less smallest value (h, w) within ``width`` pixels, at least one."""
    size = 2 * max(1, round(width)) + 1
    kernel = np.ones((size, size), np.uint8)
    return cv2.dilate(image, kernel) - cv2.erode(image, kernel)


def smoothstep(t: np.ndarray) -> np.ndarray:
    """0 below 0, 1 above 1, smooth between."""
    t = np.clip(t, 0, 1)
    return t * t * (3 - 2 * t)


def pull_push(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Values (h, w, k) float32 with the places of little weight (h, w) filled from around them.

    Weighted means over ever larger squares, from which what is missing is taken (Gortler et al.,
    "The Lumigraph", SIGGRAPH 1996, section 3.4). 0 where nothing has weight.
    """
    height, width = weight.shape
    if max(height, width) == 1:
        return np.where(weight[..., None] > 0, values, 0)
    values, weight = np.asarray(values, np.float32), np.minimum(weight, 1).astype(np.float32)
    coarse = np.empty((-(-height // 2), -(-width // 2), values.shape[2]), np.float32)
    mass = np.empty(coarse.shape[:2], np.float32)
    _pull(values, weight, coarse, mass)
    coarse = pull_push(coarse, mass)
    around = cv2.resize(coarse, (coarse.shape[1] * 2, coarse.shape[0] * 2))
    out = np.empty_like(values)
    _push(values, weight, around.reshape(*around.shape[:2], -1), out)
    return out


@njit(cache=True, nogil=True)
def _pull(values, weight, coarse, mass):
    """Weighted means of 2 x 2 values, and their weight, at most 1."""
    height, width, channels = values.shape
    for row in range(coarse.shape[0]):
        for column in range(coarse.shape[1]):
            total = float32(0)
            coarse[row, column] = 0
            for y in range(2 * row, min(2 * row + 2, height)):
                for x in range(2 * column, min(2 * column + 2, width)):
                    total += weight[y, x]
                    for k in range(channels):
                        coarse[row, column, k] += weight[y, x] * values[y, x, k]
            coarse[row, column] /= max(total, float32(1e-8))
            mass[row, column] = min(total, float32(1))


@njit(cache=True, nogil=True)
def _push(values, weight, around, out):
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            share = weight[y, x]
            for k in range(out.shape[2]):
                out[y, x, k] = share * values[y, x, k] + (float32(1) - share) * around[y, x, k]
