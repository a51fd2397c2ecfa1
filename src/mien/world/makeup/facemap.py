"""The texture of the face as a map in millimetres: where landmarks, lips and eyes are on it."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import cv2
import numpy as np

from mien import face
from mien.head.model import MATERIALS, HeadModel
from mien.head.texture import Chart, smoothstep

MM = 310.0  # millimetres across the texture, near the eyes and the mouth


@cache
def places(model: HeadModel) -> np.ndarray:
    """The places (478, 2) of the landmarks in the face's texture, u and v 0..1, v upwards.

    NaN for the ten of the irises, which have a texture of their own.
    """
    corners = model.triangles[model.landmark_triangles]
    order = np.argmax(model.landmark_vertices[:, :, None] == corners[:, None], axis=2)
    uv = model.uv[np.take_along_axis(model.uv_triangles[model.landmark_triangles], order, 1)]
    out = (uv * model.landmark_weights[..., None]).sum(1)
    on_face = model.material[model.landmark_triangles] == MATERIALS.index("face")
    return np.where(on_face[:, None], out, np.nan)


@dataclass(frozen=True, slots=True, eq=False)
class FaceMap:
    """The texture as a map: x, y in mm from its top left corner; which texels are of what."""

    size: int
    x: np.ndarray
    y: np.ndarray
    points: np.ndarray  # (478, 2) mm
    skin: np.ndarray  # (s, s) float32, 1 on the face without lips and ears, soft at eyes and neck
    lips: np.ndarray

    @classmethod
    @cache
    def of(cls, size: int) -> "FaceMap":
        """The map of a texture of so many texels a side."""
        model = HeadModel.bundled()
        chart = Chart(model, "face", size)
        skin = model.triangles_of("skin", "nose", "right_brow", "left_brow")
        at = (np.arange(size, dtype=np.float32) + 0.5) * (MM / size)
        uv = places(model)
        points = np.column_stack([uv[:, 0], 1 - uv[:, 1]]) * MM
        on = softened(chart.of_triangles(skin[model.material == 0]), size, 1.2)
        here = cls(size, at[None, :], at[:, None], points.astype(np.float32), on, on)
        lips = here.filled(curve_through([*closed_ring(points[face.LIPS_OUTER])], 120), 0.7)
        return replace(here, skin=on * (1 - lips), lips=lips)

    def away(self, line: np.ndarray) -> np.ndarray:
        """Distance (s, s) mm to a line of points (n, 2) mm."""
        out = np.full((self.size, self.size), np.inf, np.float32)
        for start, end in itertools.pairwise(line):
            along = end - start
            t = ((self.x - start[0]) * along[0] + (self.y - start[1]) * along[1]) / max(
                float(along @ along), 1e-6
            )
            t = t.clip(0, 1)
            dx, dy = self.x - start[0] - t * along[0], self.y - start[1] - t * along[1]
            out = np.minimum(out, dx * dx + dy * dy)
        return np.sqrt(out)

    def around(self, place: np.ndarray, reach: float) -> tuple[slice, slice]:
        """The rows and columns within ``reach`` mm of a place (2,) mm."""
        low = np.floor((place - reach) * (self.size / MM)).astype(int).clip(0)
        high = np.ceil((place + reach) * (self.size / MM)).astype(int).clip(0)
        return slice(low[1], high[1]), slice(low[0], high[0])

    def filled(self, ring: np.ndarray, soft: float) -> np.ndarray:
        """A ring of points (n, 2) mm filled, (s, s) 0..1, its border ``soft`` mm wide."""
        canvas = np.zeros((self.size, self.size), np.uint8)
        texels = np.rint((ring * (self.size / MM) - 0.5) * 16).astype(np.int32)
        cv2.fillPoly(canvas, [texels], 255, cv2.LINE_AA, 4)
        return softened(canvas / 255, self.size, soft)


@dataclass(frozen=True, slots=True, eq=False)
class Eye:
    """Around one eye: (s, s) each.

    along: 0 at the inner corner, 1 at the outer one. above, below: mm over the upper lid's and
    under the lower lid's margin. brow: ``above`` as a part of the way to the brow.
    """

    along: np.ndarray
    above: np.ndarray
    below: np.ndarray
    brow: np.ndarray
    width: float


@cache
def eyes_on(size: int) -> tuple[Eye, Eye]:
    """The right and the left eye on a texture of so many texels a side."""
    here = FaceMap.of(size)
    sides = (
        (face.RIGHT_EYE_UPPER, face.RIGHT_EYE_LOWER, face.RIGHT_BROW_LOWER),
        (face.LEFT_EYE_UPPER, face.LEFT_EYE_LOWER, face.LEFT_BROW_LOWER),
    )
    out = []
    for lines in sides:
        upper, lower, brow = (here.points[line] for line in lines)
        outer, inner = upper[0], upper[-1]
        width = float(abs(outer[0] - inner[0]))
        along = (here.x - inner[0]) / (outer[0] - inner[0])
        above = _level(here, upper) - here.y
        to_brow = np.maximum(_level(here, upper) - _level(here, brow), 1.0)
        below = here.y - _level(here, lower)
        full = np.broadcast_to(along, above.shape)
        out.append(Eye(full, above, below, above / to_brow, width))
    return out[0], out[1]


def _level(here: FaceMap, line: np.ndarray) -> np.ndarray:
    """The height (1, s) mm of a line over every column."""
    order = np.argsort(line[:, 0])
    return np.interp(here.x[0], line[order, 0], line[order, 1]).astype(np.float32)[None]


@cache
def brows_on(size: int, soft: float) -> np.ndarray:
    """Both brows filled, (size, size) 0..1, their border ``soft`` mm wide."""
    here = FaceMap.of(size)
    return np.maximum(
        here.filled(here.points[face.RIGHT_BROW], soft),
        here.filled(here.points[face.LEFT_BROW], soft),
    )


def closed_ring(ring: np.ndarray) -> np.ndarray:
    """A ring of points (n, 2) that ends where it begins, (n + 1, 2)."""
    return np.vstack([ring, ring[:1]])


def softened(mask: np.ndarray, size: int, mm: float) -> np.ndarray:
    """A mask (s, s) blurred by ``mm``."""
    sigma = max(0.35, mm * size / MM)
    return cv2.GaussianBlur(np.asarray(mask, np.float32), (0, 0), sigma)


def side_of(albedo: np.ndarray) -> int:
    """The side of a square texture (s, s, 3); raises ValueError for another array."""
    if albedo.ndim != 3 or albedo.shape[0] != albedo.shape[1] or albedo.shape[2] != 3:
        raise ValueError(f"albedo: an (s, s, 3) array, not {albedo.shape}")
    return albedo.shape[0]


def curve_through(knots: Sequence[np.ndarray], count: int = 12) -> np.ndarray:
    """A smooth line (count, 2) through knots (Catmull and Rom)."""
    points = np.array([knots[0], *knots, knots[-1]])
    at = np.linspace(0, len(knots) - 1 - 1e-6, count)
    i, t = at.astype(int), (at % 1)[:, None]
    a, b, c, d = (points[i + k] for k in range(4))
    return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2
                  + (3 * b - a - 3 * c + d) * t**3)  # fmt: skip


def stroke(away: np.ndarray, width: float) -> np.ndarray:
    """1 within a stroke of a width, by distances (s, s) mm from its middle, 0 beyond."""
    return 1 - smoothstep((away - width / 2 + 0.4) / 0.8)


def between(t: np.ndarray, low: float, high: float, soft: float | np.ndarray) -> np.ndarray:
    """1 from low to high, 0 beyond, with borders ``soft`` wide."""
    return smoothstep((t - low) / soft + 0.5) * smoothstep((high - t) / soft + 0.5)
