"""Small meshes: sheets, tubes, turned shapes, and what all props are, a :class:`Prop`."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

OCCLUDER = 255
"""The class of what no parser of faces knows: hands, masks, things."""
Colour = tuple[float, float, float]
BLACK: Colour = (0.012, 0.012, 0.013)
METALS: tuple[Colour, ...] = ((0.83, 0.62, 0.25), (0.75, 0.75, 0.76), (0.72, 0.45, 0.35))
CLOTH: tuple[Colour, ...] = (
    (0.015, 0.015, 0.018), (0.55, 0.54, 0.52), (0.04, 0.06, 0.16), (0.25, 0.02, 0.03),
    (0.03, 0.12, 0.06), (0.35, 0.22, 0.08), (0.14, 0.14, 0.15), (0.45, 0.18, 0.22),
    (0.10, 0.25, 0.38), (0.50, 0.36, 0.05), (0.09, 0.05, 0.03), (0.28, 0.25, 0.40),
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Prop:
    """A mesh of its own.

    vertices: (n, 3) float32 mm. triangles: (m, 3) int32. colours: (n, 3) float32 linear albedo.
    label: (m,) uint8, of ``CELEBAMASK``, or ``OCCLUDER``. alpha: (n,) float32, less than 1 is
    glass. gloss: (n,) float32, 1 shines as skin does. mirror: (n,) float32 0..1, the part of light
    that comes back as from a mirror.
    """

    vertices: np.ndarray
    triangles: np.ndarray
    colours: np.ndarray
    label: np.ndarray
    alpha: np.ndarray
    gloss: np.ndarray
    mirror: np.ndarray

    @classmethod
    def of(
        cls, shape: tuple[np.ndarray, np.ndarray], colour: Any, label: int, *,
        alpha: Any = 1.0, gloss: float = 0.3, mirror: Any = 0.0,
    ) -> "Prop":  # fmt: skip
        """A shape's vertices and triangles, with one colour, (3,), or one each, (n, 3)."""
        vertices, triangles = shape
        count = len(vertices)

        def each(value: Any) -> np.ndarray:
            return np.broadcast_to(np.asarray(value, np.float32), (count,)).copy()

        colours = np.broadcast_to(np.asarray(colour, np.float32), (count, 3)).copy()
        return cls(
            vertices.astype(np.float32), triangles.astype(np.int32), colours,
            np.full(len(triangles), label, np.uint8), each(alpha), each(gloss), each(mirror),
        )  # fmt: skip

    def turned(self, rotation: np.ndarray, pivot: np.ndarray) -> "Prop":
        """This about a pivot (3,) turned by a rotation (3, 3)."""
        return self.at((self.vertices - pivot) @ rotation.T + pivot)

    def at(self, vertices: np.ndarray) -> "Prop":
        """The same with other vertices (n, 3)."""
        return replace(self, vertices=vertices.astype(np.float32))

    @property
    def opaque(self) -> np.ndarray:
        """Which triangles (m,) bool are not glass."""
        return self._all(self.alpha >= 1)

    @property
    def dark(self) -> np.ndarray:
        """Which triangles (m,) bool throw shadows: all but clear glass."""
        return self._all(self.alpha > 0.5)

    def _all(self, vertices: np.ndarray) -> np.ndarray:
        """The triangles (m,) bool of which all vertices (n,) are among some."""
        if vertices.all():
            return np.ones(len(self.triangles), bool)
        return np.all(vertices[self.triangles], axis=1)


def merged(*props: Prop) -> Prop:
    """Several as one."""
    starts = np.cumsum([0, *(len(prop.vertices) for prop in props[:-1])])
    triangles = [prop.triangles + start for prop, start in zip(props, starts, strict=True)]
    parts = [
        np.concatenate([getattr(prop, name) for prop in props])
        for name in ("vertices", "colours", "label", "alpha", "gloss", "mirror")
    ]
    return Prop(parts[0], np.concatenate(triangles).astype(np.int32), *parts[1:])


def sheet(points: np.ndarray, closed: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """A net of points (rows, columns, 3) as a mesh; ``closed``: the columns run around."""
    return points.reshape(-1, 3), _net(*points.shape[:2], closed)


@lru_cache(maxsize=64)
def _net(rows: int, columns: int, closed: bool) -> np.ndarray:
    number = np.arange(rows * columns).reshape(rows, columns)
    if closed:
        number = np.hstack([number, number[:, :1]])
    a, b, c, d = number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:]
    net = np.stack([np.stack([a, c, b], -1), np.stack([b, c, d], -1)], 2).reshape(-1, 3)
    net.flags.writeable = False
    return net


def tube(
    path: np.ndarray, radius: Any, sides: int = 8, closed: bool = False, flat: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """A tube along a path (n, 3); radius: mm, one or (n,). ``flat``: thickness by width."""
    around = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    around_end = np.roll(path, -1, 0) - np.roll(path, 1, 0)
    along = around_end if closed else np.gradient(path, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    least = np.eye(3)[np.abs(along).mean(0).argmin()]
    across = np.cross(along, least)
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-9)
    up = np.cross(across, along)
    wide = np.broadcast_to(np.asarray(radius, float), (len(path),))[:, None, None]
    ring = np.cos(around)[None, :, None] * across[:, None]
    ring = ring + flat * np.sin(around)[None, :, None] * up[:, None]
    points = path[:, None] + wide * ring
    if closed:
        points = np.concatenate([points, points[:1]])
    return sheet(points, closed=True)


def lathe(profile: np.ndarray, sides: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """A profile (n, 2) of radius and height turned about the y axis."""
    angle = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    radius, height = profile[:, :1], profile[:, 1:]
    ring = [radius * np.sin(angle), height + 0 * angle, radius * np.cos(angle)]
    return sheet(np.stack(ring, -1), closed=True)


def ball(centre: np.ndarray, radius: float, sides: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """A sphere."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, sides // 2 + 1)
    vertices, triangles = lathe(radius * np.column_stack([np.cos(angle), np.sin(angle)]), sides)
    return vertices + centre, triangles


def box(size: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """A box about the origin, every side with corners of its own."""
    unit = np.array([[-1, -1], [1, -1], [-1, 1], [1, 1]], float)
    vertices, triangles = [], []
    for axis in range(3):
        for sign in (-1, 1):
            corner = np.insert(unit, axis, sign, axis=1)
            triangles.append(np.array([[0, 1, 2], [1, 3, 2]]) + 4 * len(vertices))
            vertices.append(corner * np.array(size) / 2)
    return np.concatenate(vertices), np.concatenate(triangles)


def smooth_line(knots: np.ndarray, count: int) -> np.ndarray:
    """A smooth line (count, 3) through knots (Catmull and Rom)."""
    points = np.vstack([2 * knots[0] - knots[1], knots, 2 * knots[-1] - knots[-2]])
    at = np.linspace(0, len(knots) - 1 - 1e-9, count)
    i, t = at.astype(int), (at % 1)[:, None]
    a, b, c, d = (points[i + k] for k in range(4))
    return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2
                  + (3 * b - a - 3 * c + d) * t**3)  # fmt: skip
