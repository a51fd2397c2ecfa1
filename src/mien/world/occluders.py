"""What people wear and hold before their faces, as small meshes that fit the head.

    prop = make(Glasses(), head, scene.rotation())
    over = overlay(colour, depth, prop, camera, scene.light)

A :class:`Prop` is drawn with the head in one depth buffer, or over a finished picture by
:func:`overlay`, which also knows glass. Sizes are millimetres, colours linear, axes those of
``mien.head``. Every kind has its parameters and is made by :func:`make` on any head.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from mien import face
from mien.head import lighting
from mien.head.camera import Camera, Orthographic, moved
from mien.head.model import CELEBAMASK, HeadModel, rotations
from mien.head.raster import rasterize
from mien.head.shading import vertex_normals
from mien.head.texture import smoothstep

if TYPE_CHECKING:  # a scene may hold occluders
    from mien.world.scene import Lighting

OCCLUDER = 255
"""The class of what no parser of faces knows: hands, masks, things."""

Colour = tuple[float, float, float]
BLACK: Colour = (0.012, 0.012, 0.013)
METALS: tuple[Colour, ...] = ((0.83, 0.62, 0.25), (0.75, 0.75, 0.76), (0.72, 0.45, 0.35))
FRAMES: tuple[Colour, ...] = (
    BLACK, (0.06, 0.025, 0.012), (0.02, 0.03, 0.08), (0.20, 0.02, 0.02), (0.45, 0.40, 0.34),
    (0.22, 0.22, 0.23), *METALS,
)  # fmt: skip
CLOTH: tuple[Colour, ...] = (
    (0.015, 0.015, 0.018), (0.55, 0.54, 0.52), (0.04, 0.06, 0.16), (0.25, 0.02, 0.03),
    (0.03, 0.12, 0.06), (0.35, 0.22, 0.08), (0.14, 0.14, 0.15), (0.45, 0.18, 0.22),
    (0.10, 0.25, 0.38), (0.50, 0.36, 0.05), (0.09, 0.05, 0.03), (0.28, 0.25, 0.40),
)  # fmt: skip


# -- meshes ----------------------------------------------------------------------------------------


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
        vertices = (self.vertices - pivot) @ rotation.T + pivot
        return Prop(vertices.astype(np.float32), *_rest(self))

    @property
    def opaque(self) -> np.ndarray:
        """Which triangles (m,) bool are not glass."""
        return np.all(self.alpha[self.triangles] >= 1, axis=1)


def _rest(prop: Prop) -> tuple[np.ndarray, ...]:
    return prop.triangles, prop.colours, prop.label, prop.alpha, prop.gloss, prop.mirror


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
    rows, columns = points.shape[:2]
    number = np.arange(rows * columns).reshape(rows, columns)
    if closed:
        number = np.hstack([number, number[:, :1]])
    a, b, c, d = number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:]
    triangles = np.stack([np.stack([a, c, b], -1), np.stack([b, c, d], -1)], 2).reshape(-1, 3)
    return points.reshape(-1, 3), triangles


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


# -- the head below --------------------------------------------------------------------------------


class _Wearer:
    """A head as it is worn on: with the pose of the skull taken away."""

    def __init__(self, head: np.ndarray, rotation: np.ndarray) -> None:
        self.model = HeadModel.bundled()
        self.posed = head
        self.pivot = self.model.neck_pivot
        self.rotation = np.asarray(rotation)
        self.upright = (head - self.pivot) @ self.rotation + self.pivot
        self.points = self.model.landmarks(self.upright)

    def back(self, prop: Prop) -> Prop:
        """A prop on the upright head, as the head is."""
        return prop.turned(self.rotation, self.pivot)

    def ear(self, side: int) -> np.ndarray:
        """The vertices (n, 3) of an ear; side: 1 the image's right, the person's left."""
        return self.upright[_vertices("left_ear" if side > 0 else "right_ear")]

    def temple(self, side: int, y: float, z: np.ndarray) -> np.ndarray:
        """How far the head reaches to a side, mm, at a height and depths (n,)."""
        skin = self.upright[_vertices("skin", "hair")]
        skin = skin[(np.abs(skin[:, 1] - y) < 8) & (skin[:, 0] * side > 30)]
        near = np.abs(skin[:, 2, None] - z) < 9
        return np.where(near, side * skin[:, :1], 0).max(0, initial=0)

    def front(self) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
        """A function of x and y: how far forwards the head reaches there, -inf beside it."""
        pixels, extent = 112, 320.0
        camera = moved(
            Orthographic.of_height(extent, pixels, pixels), np.eye(3), np.array([0.0, 10.0, 0.0])
        )
        placed = camera.project(self.upright)
        depth = rasterize(placed, self.model.triangles, pixels, pixels).depth
        nearest = cv2.erode(depth, np.ones((3, 3), np.uint8))
        offset = float((placed[:, 2] + self.upright[:, 2]).mean())
        place = camera.project(np.array([[0.0, 0.0, 0.0], [1.0, 1.0, 0.0]]))
        scale = place[1, :2] - place[0, :2]

        def reach(x: np.ndarray, y: np.ndarray) -> np.ndarray:
            column = np.floor(place[0, 0] + scale[0] * x).astype(int)
            row = np.floor(place[0, 1] + scale[1] * y).astype(int)
            inside = (column >= 0) & (row >= 0) & (column < pixels) & (row < pixels)
            seen = nearest[row.clip(0, pixels - 1), column.clip(0, pixels - 1)]
            return np.where(inside & np.isfinite(seen), offset - seen, -np.inf)

        return reach

    def around(self, axis: float, *regions: str) -> np.ndarray:
        """How far the head reaches from a vertical axis at z: (256, 181) mm.

        Rows: y from 150 to -105 mm, one each; columns: degrees from -90 to 90, 0 to the front.
        """
        triangles = self.model.triangles[self.model.triangles_of(*regions)]
        dx, dz = self.upright[:, 0], self.upright[:, 2] - axis
        away, angle = np.hypot(dx, dz), np.degrees(np.arctan2(dx, dz))
        placed = np.column_stack([angle + 90.5, 150.5 - self.upright[:, 1], -away])
        triangles = triangles[np.ptp(angle[triangles], axis=1) < 180]  # not over the seam behind
        return -rasterize(placed, triangles, 181, 256).depth


class Around:
    """How far a surface reaches from a vertical axis, all around."""

    COLUMNS, BESIDE = 180, 8

    def __init__(
        self, vertices: np.ndarray, triangles: np.ndarray, axis: float, top: int, bottom: int
    ) -> None:
        """``axis``: z of the axis. top, bottom: mm, the heights between which to look."""
        dx, dz = vertices[:, 0], vertices[:, 2] - axis
        column = (np.degrees(np.arctan2(dx, dz)) + 180) * self.COLUMNS / 360
        across = np.ptp(column[triangles], axis=1) > self.COLUMNS / 2  # over the seam behind
        placed = np.column_stack([column, (top - vertices[:, 1]) / 2, -np.hypot(dx, dz)])
        rows = (top - bottom) // 2
        seen = rasterize(placed, triangles[~across], self.COLUMNS, rows)
        skin = np.where(seen.covered, -seen.depth, 0).astype(np.float32)
        wide = np.hstack([skin[:, -self.BESIDE :], skin, skin[:, : self.BESIDE]])
        filled = np.where(wide > 0, wide, cv2.dilate(wide, np.ones((7, 9), np.uint8)))
        self.top, self.map = top, cv2.GaussianBlur(filled, (0, 0), 1.0)

    def reach(self, angle: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Distance (...) mm from the axis at angles (...), 0 to the front, and heights (...)."""
        turned = (np.degrees(angle) + 180) % 360
        column = turned * self.COLUMNS / 360 + self.BESIDE - 0.5 + 0 * y
        row = (self.top - y) / 2 - 0.5 + 0 * column
        found = cv2.remap(
            self.map, column.reshape(-1, 1).astype(np.float32),
            row.reshape(-1, 1).astype(np.float32), cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT, borderValue=0,
        )  # fmt: skip
        return found.reshape(column.shape)


@cache
def _vertices(*regions: str) -> np.ndarray:
    model = HeadModel.bundled()
    return np.unique(model.triangles[model.triangles_of(*regions)])


# -- glasses ---------------------------------------------------------------------------------------

SHAPES = ("round", "rectangle", "square", "aviator", "cat")


@dataclass(frozen=True, slots=True)
class Glasses:
    """Spectacles and sunglasses.

    shape: of ``SHAPES``. width: mm of a lens; height: as a part of the width. rim: mm, half the
    thickness. tint, opacity: of the lenses; gradient: lighter below. mirror: 0..1. slip: mm down
    the nose.
    """

    shape: str = "rectangle"
    width: float = 50.0
    height: float = 0.7
    rim: float = 1.4
    colour: Colour = BLACK
    tint: Colour = (0.02, 0.02, 0.02)
    opacity: float = 0.04
    gradient: bool = False
    mirror: float = 0.12
    slip: float = 0.0

    @classmethod
    def sample(cls, rng: np.random.Generator, sun: bool | None = None) -> "Glasses":
        """Any glasses; ``sun``: sunglasses or clear ones."""
        dark = bool(rng.random() < 0.35) if sun is None else sun
        shape = str(rng.choice(SHAPES))
        height = {"round": 0.95, "rectangle": 0.6, "square": 0.8, "aviator": 0.88, "cat": 0.72}
        tints = ((0.02, 0.02, 0.02), (0.06, 0.03, 0.01), (0.02, 0.05, 0.03), (0.03, 0.04, 0.10))
        return cls(
            shape=shape,
            width=float(rng.uniform(43, 57) + 3 * dark),
            height=height[shape] * float(rng.uniform(0.92, 1.08)),
            rim=float(rng.choice([0.6, 1.2, 2.0]) * rng.uniform(0.8, 1.3)),
            colour=FRAMES[rng.integers(len(FRAMES))],
            tint=tints[rng.integers(len(tints))],
            opacity=float(rng.uniform(0.7, 0.97) if dark else rng.uniform(0.0, 0.12)),
            gradient=bool(dark and rng.random() < 0.3),
            mirror=float(rng.uniform(0.08, 0.42) if dark else rng.uniform(0.01, 0.1)),
            slip=float(rng.exponential(2.0)),
        )


def _glasses(worn: Glasses, wearer: _Wearer) -> Prop:
    label = CELEBAMASK.index("glasses")
    points = wearer.points
    slip = min(worn.slip, 12.0)
    bridge = _on_bridge(points, 4.0 + slip)
    # The bridge's wire rests on the nose; rims stand a little behind its middle.
    rest = bridge + np.array([0.0, 0.0, worn.rim + 0.4])
    metal = 0.5 if max(worn.colour) > 0.5 else 0.04
    rims = {side: _rim(worn, wearer, side, rest, slip) for side in (-1, 1)}
    parts = [_lens(worn, ring, label) for ring in rims.values()]
    inner, hinges = [], []
    for side, ring in rims.items():
        parts.append(Prop.of(tube(ring, worn.rim, 8, closed=True), worn.colour, label, gloss=2.5,
                             mirror=metal))  # fmt: skip
        inner.append(ring[(side * ring[:, 0] - 0.4 * ring[:, 1]).argmin()])
        hinges.append(ring[(side * ring[:, 0] + 0.35 * ring[:, 1]).argmax()])
    arch = _smooth(np.array([inner[0], rest, inner[1]]), 11)
    parts.append(Prop.of(tube(arch, worn.rim, 8), worn.colour, label, gloss=2.5, mirror=metal))
    for side, hinge in zip((-1, 1), hinges, strict=True):
        arm = _arm(wearer, side, hinge)
        shape = tube(arm, max(worn.rim * 0.9, 1.0), 6)
        parts.append(Prop.of(shape, worn.colour, label, gloss=2.5, mirror=metal))
    return merged(*parts)


def _on_bridge(points: np.ndarray, below: float) -> np.ndarray:
    """The place on the ridge of the nose so many mm below its root."""
    ridge = points[face.NOSE_BRIDGE]
    y = ridge[0, 1] - below
    order = np.argsort(ridge[:, 1])
    x, z = (np.interp(y, ridge[order, 1], ridge[order, i]) for i in (0, 2))
    return np.array([x, y, z])


def _rim(worn: Glasses, wearer: _Wearer, side: int, rest: np.ndarray, slip: float) -> np.ndarray:
    """The rim (48, 3) before one eye; it keeps off brows and cheeks."""
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    power = {"round": 2.0, "rectangle": 4.5, "square": 4.0, "aviator": 2.4, "cat": 3.0}[worn.shape]
    cos, sin = np.cos(angle), np.sin(angle)
    x = worn.width / 2 * np.sign(cos) * np.abs(cos) ** (2 / power)
    y = worn.width * worn.height / 2 * np.sign(sin) * np.abs(sin) ** (2 / power)
    if worn.shape == "aviator":
        x, y = x * (1 + 0.10 * sin), y * (1 - 0.12 * sin) - 0.04 * worn.width * cos
    if worn.shape == "cat":
        y = y + 0.09 * worn.width * cos.clip(0) ** 2 * (1 + sin)
    gap = 17.0 + 2 * worn.rim  # mm between the lenses
    eye = wearer.points[473 if side > 0 else 468]
    middle = max(abs(eye[0]), (gap + worn.width) / 2)
    across, up = side * (middle + x), eye[1] - 3.0 - slip + y
    depth = rest[2] - 1.5 - 0.0016 * across**2 + 0.10 * (up - rest[1])
    skin = wearer.upright[_vertices("skin", "left_brow", "right_brow", "nose")]
    skin = skin[(skin[:, 0] * side > 4) & (skin[:, 2] > 60) & (np.abs(skin[:, 1] - eye[1]) < 45)]
    near = (skin[:, :1] - across) ** 2 + (skin[:, 1:2] - up) ** 2 < 5.0**2
    clear = np.where(near, skin[:, 2:], -np.inf).max(0, initial=-np.inf) + worn.rim + 0.5
    push = np.maximum(clear - depth, 0)
    kernel = np.hanning(9) / np.hanning(9).sum()
    smooth = np.convolve(np.concatenate([push[-4:], push, push[:4]]), kernel, "valid")
    return np.column_stack([across, up, depth + np.maximum(push, smooth)])


def _lens(worn: Glasses, ring: np.ndarray, label: int) -> Prop:
    centre = ring.mean(0)
    x, y = (ring - centre)[:, :2].T
    form = np.column_stack([np.ones_like(x), x, y, x * x])
    bend, *_ = np.linalg.lstsq(form, ring[:, 2], rcond=None)  # the lens is as smooth as a mirror
    share = np.linspace(0, 1, 7)[:, None]
    u, v = share * x, share * y
    z = bend[0] + bend[1] * u + bend[2] * v + bend[3] * u * u
    z += share**6 * (ring[:, 2] - form @ bend) - 0.003 * (u * u + v * v) + 1.2
    net = np.stack([centre[0] + u, centre[1] + v, z], -1)
    height = ((net[..., 1] - ring[:, 1].min()) / np.ptp(ring[:, 1])).reshape(-1)
    alpha = worn.opacity * (0.25 + 0.75 * smoothstep(height * 1.3) if worn.gradient else 1.0)
    alpha = np.minimum(np.asarray(alpha), 0.985)
    return Prop.of(sheet(net, closed=True), worn.tint, label, alpha=alpha, gloss=3.0,
                   mirror=worn.mirror)  # fmt: skip


def _arm(wearer: _Wearer, side: int, hinge: np.ndarray) -> np.ndarray:
    """From the hinge along the temple over the ear, and down behind it."""
    ear = wearer.ear(side)
    top = ear[ear[:, 1].argmax()]
    over = np.array([0, top[1] - 5.0, top[2] + 9.0])
    z = np.linspace(hinge[2] - 4, over[2], 9)
    y = np.interp(z, [over[2], hinge[2]], [over[1], hinge[1]])
    skin = np.maximum.accumulate(wearer.temple(side, over[1], np.minimum(z, 90.0)))
    x = np.maximum(np.interp(z, [20, hinge[2]], [0, abs(hinge[0]) + 1.5]), skin[: len(z)] + 1.6)
    x[z > hinge[2] - 10] = np.maximum(x[z > hinge[2] - 10], abs(hinge[0]))
    straight = np.column_stack([side * x, y, z])
    root = np.array([side * (x[-1] - 1), over[1] - 6, over[2] - 14])
    end = np.array([side * (x[-1] - 4), over[1] - 30, over[2] - 22])
    return np.vstack([hinge, _smooth(np.vstack([straight, root, end]), 20)])


def _smooth(knots: np.ndarray, count: int) -> np.ndarray:
    """A smooth line (count, 3) through knots (Catmull and Rom)."""
    points = np.vstack([2 * knots[0] - knots[1], knots, 2 * knots[-1] - knots[-2]])
    at = np.linspace(0, len(knots) - 1 - 1e-9, count)
    i, t = at.astype(int), (at % 1)[:, None]
    a, b, c, d = (points[i + k] for k in range(4))
    return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2
                  + (3 * b - a - 3 * c + d) * t**3)  # fmt: skip


# -- masks -----------------------------------------------------------------------------------------

MASKS = ("surgical", "cloth", "respirator")
WAYS = ("proper", "nose")
AXIS = 30.0  # mm, z of the axis about which a mask bends
EDGE = 76.0  # degrees from the middle to where the loops begin


@dataclass(frozen=True, slots=True)
class Mask:
    """A mask over mouth and nose.

    kind: of ``MASKS``. way: ``proper``, or ``nose``: the nose looks out. pattern: of a cloth one,
    plain, stripes or checks, in a second colour.
    """

    kind: str = "surgical"
    way: str = "proper"
    colour: Colour = (0.36, 0.62, 0.75)
    second: Colour = (0.6, 0.6, 0.6)
    pattern: str = "plain"

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Mask":
        """Any mask; one in six is worn under the nose."""
        kind = str(rng.choice(MASKS, p=[0.5, 0.3, 0.2]))
        surgical = ((0.36, 0.62, 0.75), (0.72, 0.73, 0.73), (0.015, 0.015, 0.017),
                    (0.42, 0.66, 0.55), (0.75, 0.50, 0.55))  # fmt: skip
        colours = CLOTH if kind == "cloth" else surgical
        return cls(
            kind=kind,
            way="nose" if rng.random() < 1 / 6 else "proper",
            colour=colours[rng.integers(len(colours))] if kind != "respirator" else surgical[1],
            second=CLOTH[rng.integers(len(CLOTH))],
            pattern=str(rng.choice(["plain", "stripes", "checks"])) if kind == "cloth" else "plain",
        )


def _mask(worn: Mask, wearer: _Wearer) -> Prop:
    rows, columns = 36, 61
    points = wearer.points
    angle = np.linspace(-EDGE, EDGE, columns)
    top, bottom = _mask_edges(worn, points, angle)
    t = np.linspace(0, 1, rows)[:, None]
    y = top + t * (bottom - top)
    chin = points[152, 1]
    reach = _draped(wearer, chin)
    row = (150.5 - np.maximum(y, chin + 5)).astype(np.float32)
    column = np.broadcast_to(angle + 90.5, y.shape).astype(np.float32)
    away = cv2.remap(reach, column - 0.5, row - 0.5, cv2.INTER_LINEAR)
    away = away - 0.45 * (chin + 5 - y).clip(0)  # under the chin
    away += 1.5
    if worn.kind == "surgical":
        away += 1.1 * ((5.5 * t) % 1.0) * smoothstep(t * 8) * smoothstep((1 - t) * 8)
    if worn.kind == "respirator":
        cone = np.exp(-((angle / 34) ** 2)) * np.exp(-(((t - 0.52) / 0.3) ** 2))
        away += 13 * cone
    turn = np.radians(angle)
    net = np.stack([away * np.sin(turn), y, AXIS + away * np.cos(turn)], -1)
    cloth = Prop.of(sheet(net), _mask_colours(worn, angle, t), OCCLUDER, gloss=0.15)
    return merged(cloth, *(_loop(wearer, net, side) for side in (-1, 1)))


def _mask_edges(worn: Mask, points: np.ndarray, angle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The heights (columns,) of the upper and the lower edge."""
    turned = np.abs(angle)
    chin, ear = points[152, 1], (points[234, 1] + points[454, 1]) / 2
    if worn.way == "proper":
        nose = points[197, 1] * 0.4 + points[6, 1] * 0.6
        top = np.interp(turned, [0, 12, 22, 45, EDGE], [nose, nose - 2, nose - 9, ear + 2, ear - 6])
    else:
        lip = 0.5 * (points[2, 1] + points[164, 1])
        top = np.interp(turned, [0, 25, 50, EDGE], [lip, lip, lip + 3, ear - 14])
    bottom = np.interp(turned, [0, 22, 50, EDGE], [chin - 9, chin - 6, chin + 18, ear - 44])
    kernel = np.hanning(9) / np.hanning(9).sum()
    wide = [np.convolve(np.pad(edge, 4, mode="edge"), kernel, "valid") for edge in (top, bottom)]
    return wide[0], np.minimum(wide[1], wide[0] - 18)


def _draped(wearer: _Wearer, chin: float) -> np.ndarray:
    """How far cloth that hangs over the face reaches from the axis, (256, 181) mm."""
    skin = wearer.around(AXIS, "skin", "nose", "upper_lip", "lower_lip", "neck")
    skin = np.where(np.isfinite(skin), skin, 0).astype(np.float32)
    hung = cv2.dilate(skin, np.ones((21, 11), np.uint8))
    hung = cv2.GaussianBlur(hung, (0, 0), 7, sigmaY=9)
    near = cv2.dilate(skin, np.ones((7, 7), np.uint8))  # between the vertices of the cloth
    turned = np.abs(np.arange(181, dtype=np.float32) - 90)
    share = 0.6 * np.exp(-((turned / 55) ** 4))  # at the sides it lies on the cheeks
    return np.maximum(share * hung + (1 - share) * cv2.GaussianBlur(skin, (0, 0), 4), near)


def _mask_colours(worn: Mask, angle: np.ndarray, t: np.ndarray) -> np.ndarray:
    across = np.broadcast_to(angle / 7, (len(t), len(angle)))
    down = np.broadcast_to(t * 14, across.shape)
    second = np.zeros(across.shape)
    if worn.pattern == "stripes":
        second = 1.0 * (down % 2 < 1)
    elif worn.pattern == "checks":
        second = 1.0 * ((across % 2 < 1) ^ (down % 2 < 1))
    hem = np.where((t < 0.05) | (t > 0.95), 0.88, 1.0) * np.ones(across.shape)
    mixed = np.array(worn.colour) + second[..., None] * (np.array(worn.second) - worn.colour)
    return (mixed * hem[..., None]).reshape(-1, 3)


def _loop(wearer: _Wearer, net: np.ndarray, side: int) -> Prop:
    """The elastic that goes around an ear."""
    column = net[:, -1 if side > 0 else 0]
    ear = wearer.ear(side)
    high, back, low = (
        ear[ear[:, 1].argmax()], ear[ear[:, 2].argmin()], ear[ear[:, 1].argmin()],
    )  # fmt: skip
    inwards = np.array([-6.0 * side, 0, 0])
    knots = [column[1], high + inwards + [0, -3, 9], high + 1.5 * inwards + [0, -6, -6],
             back + 1.8 * inwards, low + inwards + [0, -1, -4], column[-2]]  # fmt: skip
    return Prop.of(tube(_smooth(np.array(knots), 30), 0.9, 5), (0.7, 0.7, 0.7), OCCLUDER)


# -- hats ------------------------------------------------------------------------------------------

HATS = ("beanie", "cap", "brim", "headband")


@dataclass(frozen=True, slots=True)
class Hat:
    """kind: of ``HATS``. low: mm by which it is pulled into the forehead. brim: mm.
    tilt: degrees to a side. slack: mm beside the head, for hair that is under it."""

    kind: str = "beanie"
    colour: Colour = CLOTH[0]
    second: Colour = CLOTH[1]
    low: float = 0.0
    brim: float = 70.0
    tilt: float = 0.0
    slack: float = 5.0

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Hat":
        """Any hat."""
        first, second = rng.permutation(len(CLOTH))[:2]
        kind = str(rng.choice(HATS, p=[0.3, 0.35, 0.2, 0.15]))
        return cls(
            kind=kind, colour=CLOTH[first], second=CLOTH[second], low=float(rng.uniform(-6, 14)),
            brim=float(rng.uniform(55, 80) if kind == "cap" else rng.uniform(45, 100)),
            tilt=float(rng.normal(0, 4)), slack=float(rng.uniform(4, 10)),
        )  # fmt: skip


class _Crown:
    """The outside of the upper head, and a hat's outside ``slack`` mm above it."""

    AXIS, MIDDLE = 8.0, 45.0  # mm, z of the vertical axis; y where the head is widest

    def __init__(self, wearer: _Wearer, slack: float) -> None:
        triangles = wearer.model.triangles[wearer.model.triangles_of("hair", "skin")]
        self.skin = Around(wearer.upright, triangles, self.AXIS, 190, -60)
        self.top = float(wearer.upright[_vertices("hair"), 1].max())
        self.slack = slack

    def reach(self, angle: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Distance (...) mm of a close hat from the axis; it closes ``slack`` mm above the head."""
        height = self.top - self.MIDDLE
        above = (y - self.MIDDLE).clip(0) * height / (height + self.slack)
        level = self.MIDDLE + above + (y - self.MIDDLE).clip(max=0)
        share = (1 - (above / height) ** 2).clip(0) ** 0.5  # none at the very top
        closing = (1 - ((above / height - 0.8) / 0.2).clip(0) ** 2).clip(0) ** 0.5
        return self.skin.reach(angle, level) * closing + self.slack * share


def _hat_rim(worn: Hat, wearer: _Wearer, angle: np.ndarray) -> np.ndarray:
    """The height (n,) of the hat's lower edge at angles (n,), 0 to the front."""
    front = wearer.points[10, 1] - 6 - worn.low
    back = 12.0 if worn.kind in ("beanie", "cap") else front - 45
    level = front + (back - front) * (0.5 - 0.5 * np.cos(angle))
    over_ear = wearer.ear(1)[:, 1].max() + 1 - 12 * (worn.kind == "beanie")
    return np.maximum(level, over_ear * np.sin(angle) ** 2 + level * np.cos(angle) ** 2)


def _hat(worn: Hat, wearer: _Wearer) -> Prop:
    angle = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    crown = _Crown(wearer, worn.slack)
    rim = _hat_rim(worn, wearer, angle)
    parts = [_crown(worn, crown, rim, angle)]
    if worn.kind in ("cap", "brim"):
        parts.append(_brim(worn, crown, rim, angle))
    middle = np.array([0.0, crown.MIDDLE, crown.AXIS])
    return merged(*parts).turned(rotations(0, 0, worn.tilt), middle)


def _crown(worn: Hat, crown: _Crown, rim: np.ndarray, angle: np.ndarray) -> Prop:
    t = np.linspace(0, 1, 18)[:, None]
    top = crown.top + worn.slack
    y = rim + (26 * t if worn.kind == "headband" else (top - rim) * np.sin(t * np.pi / 2))
    away = crown.reach(np.broadcast_to(angle, y.shape), y)
    if worn.kind == "brim":  # stiff: straight up from the widest place, and higher than the head
        wide = np.maximum.accumulate(away[::-1])[::-1].max(0)
        away = wide * (1 - 0.10 * t) * (1 - t**7).clip(0) ** 0.5
        y = rim + (top + 14 - rim) * t
    away[-1] *= worn.kind == "headband"
    away = away + 3.5 * ((worn.kind == "beanie") & (t < 0.3)) + 0.8 * (worn.kind == "headband")
    net = np.stack([away * np.sin(angle), y, crown.AXIS + away * np.cos(angle)], -1)
    colours = np.broadcast_to(np.array(worn.colour), net.shape).copy()
    if worn.kind == "beanie":
        colours *= (0.88 + 0.12 * np.sign(np.sin(angle * 36)))[None, :, None]
        colours[:5] *= 0.93
    if worn.kind == "brim":
        colours[:4] = worn.second
    if worn.kind == "cap":
        colours *= (1 - 0.12 * (np.abs(np.sin(3 * angle)) < 0.07))[None, :, None]
    shape = sheet(net, closed=True)
    return Prop.of(shape, colours.reshape(-1, 3), CELEBAMASK.index("hat"), gloss=0.1)


def _brim(worn: Hat, crown: _Crown, rim: np.ndarray, angle: np.ndarray) -> Prop:
    out = np.linspace(0, 1, 8)[:, None]
    turned = np.angle(np.exp(1j * angle))
    if worn.kind == "cap":
        shown = np.flatnonzero(np.abs(turned) < 1.15)
        shown = shown[np.argsort(turned[shown])]
        turn, level = turned[shown], rim[shown]
        reach = worn.brim * np.cos(turn * np.pi / 2.3) ** 0.7
        drop = -0.18 * out * reach - 9 * out * np.sin(turn) ** 2
        start = crown.reach(turn, level)
    else:
        turn, level = angle, rim
        reach = worn.brim * np.ones_like(turn)
        drop = -0.10 * out * reach * (0.4 + 0.9 * np.cos(turn) ** 2) + 6 * out**2
        heights = np.linspace(0, 40, 9)[:, None] + level
        start = crown.reach(np.broadcast_to(turn, heights.shape), heights).max(0)
    away = start - 1.0 + out * reach
    net = np.stack([away * np.sin(turn), level + 1 + drop,
                    crown.AXIS + away * np.cos(turn)], -1)  # fmt: skip
    shape = sheet(net, closed=worn.kind != "cap")
    return Prop.of(shape, np.array(worn.colour) * 0.9, CELEBAMASK.index("hat"), gloss=0.1)


def pressed(hair: np.ndarray, worn: Hat, head: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """Vertices of hair (n, 3) mm, on the posed head, with what is above the rim under the hat."""
    wearer = _Wearer(head, rotation)
    crown = _Crown(wearer, worn.slack)
    middle = np.array([0.0, crown.MIDDLE, crown.AXIS])
    tilt = rotations(0, 0, worn.tilt)
    x = (hair - wearer.pivot) @ wearer.rotation + wearer.pivot
    x = (x - middle) @ tilt + middle
    angle = np.arctan2(x[:, 0], x[:, 2] - crown.AXIS)
    rim = _hat_rim(worn, wearer, angle)
    covered = x[:, 1] > rim - 2
    if worn.kind == "headband":
        covered &= x[:, 1] < rim + 28
    else:
        x[:, 1] = np.where(covered, x[:, 1].clip(max=crown.top + worn.slack - 3), x[:, 1])
    away = np.hypot(x[:, 0], x[:, 2] - crown.AXIS)
    allowed = crown.reach(angle, x[:, 1]) - 2.0
    scale = np.where(covered, (allowed / np.maximum(away, 1e-6)).clip(0, 1), 1)
    x = middle + (x - middle) * np.column_stack([scale, np.ones_like(scale), scale])
    x = (x - middle) @ tilt.T + middle
    return ((x - wearer.pivot) @ wearer.rotation.T + wearer.pivot).astype(np.float32)


# -- jewels, scarves, strands ----------------------------------------------------------------------

JEWELS = ("stud", "hoop", "drop", "pearl")


@dataclass(frozen=True, slots=True)
class Earrings:
    """kind: of ``JEWELS``. size: mm. sides: -1 the image's left, 1 its right."""

    kind: str = "stud"
    size: float = 6.0
    colour: Colour = METALS[0]
    sides: tuple[int, ...] = (-1, 1)

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Earrings":
        """Any earrings; one in eight alone."""
        kind = str(rng.choice(JEWELS))
        size = {"stud": (4, 8), "hoop": (14, 48), "drop": (16, 45), "pearl": (6, 11)}[kind]
        sides = (-1, 1) if rng.random() < 0.88 else (int(rng.choice([-1, 1])),)
        metal = METALS[rng.integers(len(METALS))]
        return cls(kind, float(rng.uniform(*size)), (0.8, 0.76, 0.7) if kind == "pearl" else metal,
                   sides)  # fmt: skip


def _earrings(worn: Earrings, wearer: _Wearer) -> Prop:
    label = CELEBAMASK.index("earring")
    parts = []
    for side in worn.sides:
        ear = wearer.ear(side)
        lobe = ear[ear[:, 1].argmin()] + [1.5 * side, 3.0, 1.0]
        if worn.kind in ("stud", "pearl"):
            parts.append(Prop.of(ball(lobe, worn.size / 2, 12), worn.colour, label, gloss=4,
                                 mirror=0.25))  # fmt: skip
            continue
        if worn.kind == "hoop":
            turn = np.linspace(0, 2 * np.pi, 32, endpoint=False)
            radius = worn.size / 2
            ring = radius * np.column_stack(
                [0.35 * side * np.sin(turn), np.cos(turn) - 1, np.sin(turn)]
            )
            shape = tube(lobe + ring + [side, 0, 0], max(0.8, worn.size / 30), 6, closed=True)
        else:
            height = worn.size * np.array([0, 0.02, 0.5, 0.55, 0.75, 0.95, 1.0])
            radius = np.array([0.6, 0.5, 0.5, 1.6, 3.2, 2.2, 0.1])
            path = lobe - np.column_stack([0 * height - 0.5 * side, height, 0 * height])
            shape = tube(path, radius, 8)
        parts.append(Prop.of(shape, worn.colour, label, gloss=4, mirror=0.4))
    return merged(*parts)


@dataclass(frozen=True, slots=True)
class Necklace:
    """width: mm of the chain. drop: mm that its front hangs lower than its back."""

    width: float = 2.0
    drop: float = 45.0
    colour: Colour = METALS[0]

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Necklace":
        """Any necklace."""
        colours = (*METALS, (0.8, 0.76, 0.7))
        return cls(float(rng.uniform(1, 6)), float(rng.uniform(25, 60)),
                   colours[rng.integers(len(colours))])  # fmt: skip


def _necklace(worn: Necklace, wearer: _Wearer) -> Prop:
    line = _around_neck(wearer, np.linspace(0, 2 * np.pi, 96, endpoint=False), -92.0, worn.drop)
    beads = worn.width / 2 * (0.85 + 0.25 * np.cos(np.arange(96) * np.pi))
    shape = tube(line[1] * (1.0 + worn.width / 2) + line[0], beads, 6, closed=True)
    return Prop.of(shape, worn.colour, CELEBAMASK.index("necklace"), gloss=4, mirror=0.3)


def _around_neck(
    wearer: _Wearer, angle: np.ndarray, back: float, drop: float
) -> tuple[np.ndarray, np.ndarray]:
    """A line (n, 3) on the skin about the neck, 0 to the front, and which way is out, (n, 3)."""
    neck = wearer.posed[_vertices("neck", "cloth")]
    centre = neck[np.abs(neck[:, 1] - back) < 12].mean(0)
    y = back - drop * (0.5 + 0.5 * np.cos(angle)) ** 1.5
    bearing = np.arctan2(neck[:, 0] - centre[0], neck[:, 2] - centre[2])
    off = np.abs(np.angle(np.exp(1j * (bearing[:, None] - angle)))) / 0.14
    near = np.exp(-(off**2) - ((neck[:, 1:2] - y) / 7) ** 2) + 1e-12
    reach = np.hypot(neck[:, 0] - centre[0], neck[:, 2] - centre[2])
    away = (near * reach[:, None]).sum(0) / near.sum(0)
    kernel = np.hanning(11) / np.hanning(11).sum()
    away = np.convolve(np.concatenate([away[-5:], away, away[:5]]), kernel, "valid")
    out = np.column_stack([np.sin(angle), 0.25 + 0 * angle, np.cos(angle)])
    line = np.column_stack([centre[0] + away * np.sin(angle), y, centre[2] + away * np.cos(angle)])
    return line, out


@dataclass(frozen=True, slots=True)
class Scarf:
    """A scarf around the neck. thick: mm. seed: of its folds."""

    colour: Colour = CLOTH[3]
    second: Colour = CLOTH[1]
    thick: float = 20.0
    high: float = 0.0
    seed: int = 0

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Scarf":
        """Any scarf; a high one hides the chin."""
        first, second = rng.permutation(len(CLOTH))[:2]
        return cls(CLOTH[first], CLOTH[second], float(rng.uniform(14, 24)),
                   float((rng.random() < 0.3) * rng.uniform(5, 22)),
                   int(rng.integers(2**31)))  # fmt: skip


def _scarf(worn: Scarf, wearer: _Wearer) -> Prop:
    rng = np.random.default_rng(worn.seed)
    angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    parts = []
    for turn in range(3):
        line, out = _around_neck(wearer, angle, -84.0 - 13 * turn + worn.high, 18.0 + 8 * turn)
        folds = sum(
            rng.normal(0, 0.045) * np.cos(k * angle + rng.uniform(0, 6)) for k in range(2, 9)
        )
        radius = worn.thick * (0.85 + folds)
        shape = tube(line + out * (0.75 * worn.thick + 4 * turn), radius, 14, closed=True, flat=0.9)
        ribs = np.arange(len(shape[0])) % 14
        stripe = 1.0 * (ribs % 7 < 2) * (worn.seed % 2)
        mixed = np.array(worn.colour) + stripe[:, None] * (np.array(worn.second) - worn.colour)
        mixed *= (1 + 0.12 * np.sin(ribs * 1.8 + turn))[:, None]
        parts.append(Prop.of(shape, mixed, CELEBAMASK.index("cloth"), gloss=0.05))
    return merged(*parts)


@dataclass(frozen=True, slots=True)
class Strands:
    """Strands of hair that fall over the face.

    count: strands. reach: 0..1, how far down. side: -1..1, where they start. seed: of each.
    """

    colour: Colour = (0.03, 0.018, 0.012)
    count: int = 30
    reach: float = 0.5
    side: float = 0.4
    seed: int = 0

    @classmethod
    def sample(cls, rng: np.random.Generator, colour: Colour = (0.03, 0.018, 0.012)) -> "Strands":
        """Any strands, of the hair's colour."""
        return cls(colour, int(rng.integers(8, 70)), float(rng.uniform(0.2, 1.0)),
                   float(rng.uniform(-1, 1)), int(rng.integers(2**31)))  # fmt: skip


def _strands(worn: Strands, wearer: _Wearer) -> Prop:
    rng = np.random.default_rng(worn.seed)
    front, count, steps = wearer.front(), max(1, worn.count), 18
    t = np.linspace(0, 1, steps)
    lock = rng.integers(4, size=count)
    start = (worn.side * 34 + rng.normal(0, 15, 4))[lock] + rng.normal(0, 3, count)
    sweep = (np.sign(worn.side) * rng.uniform(8, 34) + rng.normal(0, 9, 4))[lock]
    root = wearer.points[10, 1] + 26 + rng.normal(0, 3, count)
    length = (55 + 115 * worn.reach) * rng.uniform(0.65, 1.1, count)
    bend, stray = rng.uniform(0, 6, 4)[lock], rng.normal(0, 5, count)
    x = start[:, None] + (sweep + stray)[:, None] * np.sin(t * np.pi * 0.55)
    x += rng.uniform(2, 7, 4)[lock][:, None] * np.sin(4.5 * t + bend[:, None]) * t
    y = root[:, None] - length[:, None] * t
    z = front(x, y)
    z = np.where(np.isfinite(z), z, 60.0)
    kernel = np.array([1, 2, 3, 2, 1]) / 9
    padded = np.pad(z, ((0, 0), (2, 2)), mode="edge")
    smooth = sum(kernel[k] * padded[:, k : k + steps] for k in range(5))
    z = np.maximum(smooth, z) + 2.5 + rng.uniform(0, 3, count)[:, None]
    width = rng.uniform(0.9, 2.0, count)[:, None] * np.linspace(1, 0.35, steps) ** 0.7
    left, right = (np.stack([x + sign * width / 2, y, z], -1) for sign in (-1, 1))
    net = np.stack([left, right], 2).reshape(count, -1, 3)
    a = np.arange(steps - 1) * 2
    one = np.concatenate([np.stack([a, a + 2, a + 1], 1), np.stack([a + 1, a + 2, a + 3], 1)])
    triangles = (one[None] + (np.arange(count) * steps * 2)[:, None, None]).reshape(-1, 3)
    shade = np.repeat(rng.normal(1, 0.2, count).clip(0.5, 1.6), steps * 2)[:, None]
    return Prop.of((net.reshape(-1, 3), triangles), np.array(worn.colour) * shade,
                   CELEBAMASK.index("hair"), gloss=1.0)  # fmt: skip


# -- hands and things ------------------------------------------------------------------------------

PLACES = ("mouth", "cheek", "chin", "eye", "forehead", "front")
"""Where a hand is, or a thing."""


@dataclass(frozen=True, slots=True)
class Hand:
    """A hand before or at the face.

    place: of ``PLACES``. side: 1 from the image's right. colour: of its skin. curl: 0 straight to
    1 a fist. spread: degrees between fingers. turn: degrees of its fingers from upright. gap: mm to
    the face. sleeve: colour, or None for a bare arm. seed: of small differences.
    """

    place: str = "cheek"
    side: int = 1
    colour: Colour = (0.42, 0.23, 0.15)
    curl: float = 0.2
    spread: float = 6.0
    turn: float = 20.0
    gap: float = 0.0
    sleeve: Colour | None = None
    seed: int = 0

    @classmethod
    def sample(cls, rng: np.random.Generator, colour: Colour = (0.42, 0.23, 0.15)) -> "Hand":
        """Any hand; give it the colour of the person's skin."""
        place = str(rng.choice(PLACES))
        return cls(
            place=place, side=int(rng.choice([-1, 1])), colour=colour,
            curl=float(rng.beta(1.5, 3.0)) if place != "chin" else float(rng.uniform(0.6, 1.0)),
            spread=float(rng.uniform(1, 14)), turn=float(rng.normal(30, 18)),
            gap=float(rng.exponential(6.0) + 60 * (place == "front")),
            sleeve=CLOTH[rng.integers(len(CLOTH))] if rng.random() < 0.7 else None,
            seed=int(rng.integers(2**31)),
        )  # fmt: skip


def _hand(held: Hand, wearer: _Wearer) -> Prop:
    prop = _hand_shape(held)
    points = wearer.points
    target = {
        "mouth": points[13], "cheek": points[425 if held.side > 0 else 205] * [1.25, 1, 0.9],
        "chin": points[152] + [0, -30, -10], "eye": points[473 if held.side > 0 else 468],
        "forehead": points[9], "front": points[4],
    }[held.place]  # fmt: skip
    yaw = {"cheek": 38.0, "eye": 15.0}.get(held.place, 6.0) * held.side
    pitch = -40.0 if held.place == "chin" else 0.0
    turn = rotations(yaw, pitch, -held.side * held.turn)
    centre = np.array([0.0, 75.0 if held.place != "chin" else 60.0, 0.0])
    vertices = (prop.vertices - centre) @ turn.T + target
    if held.place == "chin":
        return Prop(vertices.astype(np.float32), *_rest(prop))
    return _pushed(Prop(vertices.astype(np.float32), *_rest(prop)), wearer, held.gap)


def _pushed(prop: Prop, wearer: _Wearer, gap: float) -> Prop:
    """A prop moved along z until it is ``gap`` mm before the face."""
    x, y, z = prop.vertices.T
    inside = wearer.front()(x, y) - z
    shift = np.max(inside[np.isfinite(inside)], initial=-60.0) + gap
    return Prop(prop.vertices + np.array([0, 0, shift], np.float32), *_rest(prop))


_KNUCKLES = ((-27.0, 86.0, 72.0, 8.2), (-9.0, 90.0, 80.0, 8.4), (9.5, 88.0, 75.0, 8.0),
             (27.0, 80.0, 59.0, 7.0))  # fmt: skip
"""Of index, middle, ring and little finger: x, y, length and radius, mm."""


def _hand_shape(held: Hand) -> Prop:
    """A hand with its wrist at the origin, fingers along y, its palm towards -z."""
    rng = np.random.default_rng(held.seed)
    parts = [_palm()]
    for number, (x, y, length, radius) in enumerate(_KNUCKLES):
        fan = (number - 1.4) * held.spread + rng.normal(0, 1.5)
        bend = np.cumsum(held.curl * np.array([70.0, 85.0, 55.0]) + rng.uniform(2, 9, 3))
        parts.append(_finger(np.array([x, y - 6, 0]), fan, bend, length, radius))
    thumb = np.array([[-18.0, 18, -4], [-34, 38, -9], [-44 - held.spread, 62, -12],
                      [-45 - 1.4 * held.spread, 86, -12]])  # fmt: skip
    thumb[2:, 0] += 26 * held.curl
    thumb[2:, 2] -= 14 * held.curl
    parts.append(_digit(_smooth(thumb, 16), 10.5))
    vertices, triangles, ends = _joined(parts)
    blood = 0.35 * smoothstep((ends - 0.55) / 0.45)
    mottled = rng.normal(0, 0.02, len(vertices))
    colours = np.array(held.colour) * (1 + mottled)[:, None]
    colours = colours * (1 + blood[:, None] * np.array([0.10, -0.22, -0.18]))
    skin = Prop.of((vertices, triangles), colours, OCCLUDER, gloss=0.6)
    arm = np.array([[0, 12.0, 0], [0, -30, 2], [0, -90, 6], [0, -160, 10], [0, -330, 20]])
    wrist = tube(_smooth(arm, 16), np.linspace(27, 36, 16), 18, flat=0.74)
    out = [skin, Prop.of(wrist, held.colour, OCCLUDER, gloss=0.6)]
    if held.sleeve is not None:
        path = _smooth(arm[1:] - [0, 25, 0], 14)
        width = np.linspace(38, 50, 14) + rng.normal(0, 1.2, 14)
        cuff = tube(path, width, 20, flat=0.82)
        out.append(Prop.of(cuff, held.sleeve, OCCLUDER, gloss=0.05))
    whole = merged(*out)
    mirrored = whole.vertices * np.array([held.side, 1, 1], np.float32)
    return Prop(mirrored, *_rest(whole))


def _palm() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    y = np.array([-4.0, 8, 22, 40, 58, 74, 86, 93, 95])
    wide = np.array([27.0, 28, 33, 38, 39.5, 39.5, 37, 31, 0])
    thick = np.array([19.0, 18, 17, 15.5, 13.5, 11.5, 10, 7, 0])
    angle = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    power = 2 / 2.7
    cos = np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** power
    sin = np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** power
    cup = -2.0 * (1 - (np.abs(cos) ** 2)) * (sin < 0)
    depth = -(0.9 * thick[:, None] * sin + cup * (thick[:, None] > 1))
    net = np.stack([wide[:, None] * cos, np.broadcast_to(y[:, None], depth.shape), depth], -1)
    vertices, triangles = sheet(net, closed=True)
    return vertices, triangles, np.zeros(len(vertices))


def _finger(
    base: np.ndarray, fan: float, bend: np.ndarray, length: float, radius: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    knots = [base - [0, 14, 0], base]
    aside = np.array([np.sin(np.radians(fan)), 0, 0])
    for part, angle in zip((0.45, 0.31, 0.24), np.radians(bend), strict=True):
        way = np.array([0, np.cos(angle), -np.sin(angle)]) + aside * np.cos(angle)
        knots.append(knots[-1] + part * length * way / np.linalg.norm(way))
    return _digit(_smooth(np.array(knots), 26), radius)


def _digit(path: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A finger along a path: thicker at its joints, its tip round."""
    t = np.linspace(0, 1, len(path))
    joints = 1 + 0.07 * sum(np.exp(-(((t - j) / 0.05) ** 2)) for j in (0.28, 0.55, 0.78))
    taper = radius * (1.08 - 0.28 * t) * joints
    step = np.linalg.norm(path[-1] - path[-2])
    direction = (path[-1] - path[-2]) / max(float(step), 1e-6)
    cap = np.sin(np.linspace(0.25, 1, 5) * np.pi / 2)
    path = np.vstack([path, path[-1] + 0.9 * taper[-1] * cap[:, None] * direction])
    taper = np.concatenate([taper, taper[-1] * np.sqrt(1 - (cap * 0.999) ** 2)])
    vertices, triangles = tube(path, taper, 12, flat=0.92)
    ends = np.repeat(np.linspace(0, 1, len(path)), 12)
    return vertices, triangles, ends


def _joined(
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    starts = np.cumsum([0, *(len(part[0]) for part in parts[:-1])])
    triangles = [part[1] + start for part, start in zip(parts, starts, strict=True)]
    vertices, ends = (np.concatenate([part[i] for part in parts]) for i in (0, 2))
    return vertices, np.concatenate(triangles), ends


THINGS = ("phone", "cup", "microphone", "bottle", "book", "ball")


@dataclass(frozen=True, slots=True)
class Thing:
    """Something before the face.

    kind: of ``THINGS``. place: of ``PLACES``. turn: (3,) degrees. gap: mm. shift: (2,) mm beside
    the place.
    """

    kind: str = "cup"
    place: str = "mouth"
    colour: Colour = CLOTH[1]
    second: Colour = CLOTH[0]
    turn: tuple[float, float, float] = (0.0, 0.0, 0.0)
    gap: float = 5.0
    shift: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Thing":
        """Anything, anywhere; cups and microphones mostly at the mouth."""
        kind = str(rng.choice(THINGS))
        mouth = kind in ("cup", "microphone", "bottle") and rng.random() < 0.8
        first, second = rng.permutation(len(CLOTH))[:2]
        yaw, pitch, roll = rng.normal(0, 15, 3)
        return cls(
            kind, "mouth" if mouth else str(rng.choice(PLACES)), CLOTH[first], CLOTH[second],
            (float(yaw), float(pitch), float(roll)), float(rng.exponential(15.0)),
            (float(rng.normal(0, 14)), float(rng.normal(0, 10))),
        )  # fmt: skip


def _thing(held: Thing, wearer: _Wearer) -> Prop:
    points = wearer.points
    target = {
        "mouth": points[14], "cheek": points[425], "chin": points[152], "eye": points[473],
        "forehead": points[9], "front": points[4],
    }[held.place]  # fmt: skip
    prop = _THINGS[held.kind](held)
    turn = rotations(*held.turn)
    moved_there = prop.vertices @ turn.T + target + [*held.shift, 0.0]
    return _pushed(Prop(moved_there.astype(np.float32), *_rest(prop)), wearer, held.gap)


def _phone(held: Thing) -> Prop:
    body = Prop.of(box((74, 152, 8)), held.colour, OCCLUDER, gloss=2.0, mirror=0.06)
    bump = lathe(np.array([[0, 1.5], [7.0, 1.5], [8.0, 0.5], [8, -4]]), 16)
    parts = [body]
    for x, y in ((-22, 60), (-22, 38)):
        eye = bump[0][:, [0, 2, 1]] + [x, y, 4]
        parts.append(Prop.of((eye, bump[1]), BLACK, OCCLUDER, gloss=3.0, mirror=0.15))
    return merged(*parts)


def _cup(held: Thing) -> Prop:
    profile = np.array([[0, -48], [26, -48], [30, -46], [33, -10], [37, 40], [38, 42], [36, 42],
                        [32, 0], [0, -5]], float)  # fmt: skip
    vertices, triangles = lathe(profile, 28)
    band = (vertices[:, 1] > -46) & (vertices[:, 1] < 0)
    colours = np.where(band[:, None], held.second, held.colour)
    turn = np.linspace(-0.4 * np.pi, 0.4 * np.pi, 14)
    handle = np.column_stack([30 + 26 * np.cos(turn), 28 * np.sin(turn) - 2, 0 * turn])
    return merged(
        Prop.of((vertices, triangles), colours, OCCLUDER, gloss=1.5, mirror=0.04),
        Prop.of(tube(handle, 4.5, 8), held.colour, OCCLUDER, gloss=1.5),
    )


def _microphone(held: Thing) -> Prop:
    profile = np.array([[0, 0], [14, -3], [22, -12], [24, -24], [22, -36], [19, -42], [15, -48],
                        [12, -120], [10, -200], [0, -202]], float)  # fmt: skip
    vertices, triangles = lathe(profile, 24)
    mesh = np.where(vertices[:, 1:2] > -40, (0.2, 0.2, 0.21), BLACK)
    tilt = rotations(0, 35, 0)
    return Prop.of((vertices @ tilt.T + [0, -10, 0], triangles), mesh, OCCLUDER, gloss=1.5,
                   mirror=0.05)  # fmt: skip


def _bottle(held: Thing) -> Prop:
    profile = np.array([[0, 12], [14, 12], [14, -6], [13, -8], [14, -30], [22, -50], [33, -70],
                        [34, -80], [34, -210], [0, -212]], float)  # fmt: skip
    vertices, triangles = lathe(profile, 24)
    cap = np.where(vertices[:, 1:2] > -7, held.second, held.colour)
    return Prop.of((vertices, triangles), cap, OCCLUDER, gloss=2.5, mirror=0.1)


def _book(held: Thing) -> Prop:
    cover = Prop.of(box((140, 200, 22)), held.colour, OCCLUDER, gloss=0.5)
    title = box((90, 22, 1))
    return merged(cover, Prop.of((title[0] + [0, 50, 11.2], title[1]), held.second, OCCLUDER))


def _ball_thing(held: Thing) -> Prop:
    vertices, triangles = ball(np.zeros(3), 38.0, 24)
    half = np.where(np.abs(vertices[:, 1:2]) < 16, held.second, held.colour)
    return Prop.of((vertices, triangles), half, OCCLUDER, gloss=1.0)


_THINGS: dict[str, Callable[[Thing], Prop]] = {
    "phone": _phone, "cup": _cup, "microphone": _microphone, "bottle": _bottle, "book": _book,
    "ball": _ball_thing,
}  # fmt: skip


# -- all of them -----------------------------------------------------------------------------------

Occluder = Glasses | Mask | Hat | Earrings | Necklace | Scarf | Strands | Hand | Thing

_POSED = (Necklace, Scarf)  # on the neck, which turns with the head only in part
_MAKERS: dict[type, Callable[[Any, _Wearer], Prop]] = {
    Glasses: _glasses, Mask: _mask, Hat: _hat, Earrings: _earrings, Necklace: _necklace,
    Scarf: _scarf, Strands: _strands, Hand: _hand, Thing: _thing,
}  # fmt: skip


def make(occluder: Occluder, head: np.ndarray, rotation: np.ndarray) -> Prop:
    """The mesh of an occluder on a head.

    Args:
        head: (V, 3) mm, the posed vertices of the bundled head. rotation: (3, 3), that of the
            skull, ``Scene.rotation()``.

    Raises ValueError for a head of another topology and an unknown kind of occluder.
    """
    maker = _MAKERS.get(type(occluder))
    if maker is None:
        raise ValueError(f"no occluder: {type(occluder).__name__}")
    if head.shape != HeadModel.bundled().template.shape:
        raise ValueError(f"head: the vertices of the bundled head, not {head.shape}")
    wearer = _Wearer(head, rotation)
    prop = maker(occluder, wearer)
    return prop if isinstance(occluder, _POSED) else wearer.back(prop)


def sample(
    rng: np.random.Generator,
    amount: float = 1.0,
    skin: Colour = (0.42, 0.23, 0.15),
    hair: Colour = (0.03, 0.018, 0.012),
) -> tuple[Occluder, ...]:
    """What somebody wears and holds, often nothing.

    amount: factor on all chances. skin, hair: linear colours of the person's.
    """

    def happens(chance: float) -> bool:
        return bool(rng.random() < chance * amount)

    out: list[Occluder] = []
    if happens(0.28):
        out.append(Glasses.sample(rng))
    masked = happens(0.08)
    if masked:
        out.append(Mask.sample(rng))
    if happens(0.10):
        out.append(Hat.sample(rng))
    if happens(0.22):
        out.append(Earrings.sample(rng))
    if happens(0.12):
        out.append(Necklace.sample(rng))
    elif happens(0.06):
        out.append(Scarf.sample(rng))
    if happens(0.08):
        out.append(Strands.sample(rng, hair))
    if happens(0.08):
        out.append(Hand.sample(rng, skin))
    elif not masked and happens(0.07):
        out.append(Thing.sample(rng))
    return tuple(out)


# -- drawing ---------------------------------------------------------------------------------------

SKY, GROUND_LIGHT = 1.25, 0.22  # what mirrors show above and below the horizon, of the light


@dataclass(frozen=True, slots=True, eq=False)
class Overlaid:
    """A picture with a prop on it.

    colour: (h, w, 3) float32 linear. depth: (h, w) float32 mm of the nearest, glass included.
    label: (h, w) int16, the class of the prop where it is seen, -1 elsewhere. alpha: (h, w)
    float32, how much of what is behind the prop hides.
    """

    colour: np.ndarray
    depth: np.ndarray
    label: np.ndarray
    alpha: np.ndarray


def lit_colours(
    prop: Prop, camera: Camera, light: "Lighting", exposure: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """The colours (n, 3) of a prop's vertices in a light, and what they mirror (n, 3)."""
    vertices = prop.vertices
    seen = vertices @ np.asarray(camera.rotation).T + np.asarray(camera.translation)
    view = -seen / np.linalg.norm(seen, axis=1, keepdims=True)
    view = view if camera.perspective else np.broadcast_to([0.0, 0.0, 1.0], view.shape)
    normals = vertex_normals(vertices, prop.triangles) @ np.asarray(camera.rotation).T
    normals *= np.where((normals * view).sum(1, keepdims=True) < 0, -1, 1)  # both sides are lit
    received = np.maximum(lighting.harmonics(normals) @ light.around, 0.12) * 0.85
    lamp = light.strength * (normals @ light.lamp).clip(0)
    received = received + lamp[:, None] * light.colour
    halfway = view + light.lamp
    halfway /= np.linalg.norm(halfway, axis=1, keepdims=True)
    facing = (normals * halfway).sum(1).clip(0)
    shine = 0.25 * prop.gloss * light.strength * facing**40
    mirrored = 2 * (normals * view).sum(1, keepdims=True) * normals - view
    around = light.around[0].mean() * 0.282
    horizon = smoothstep((mirrored[:, 1] - 0.02) / 0.3)
    bright = GROUND_LIGHT + (SKY - GROUND_LIGHT) * horizon
    bright = bright + 2.5 * light.strength * (mirrored @ light.lamp).clip(0) ** 60
    mirror = (prop.mirror * bright * around)[:, None] * np.ones(3) + shine[:, None]
    body = prop.colours * received * (1 - prop.mirror[:, None])
    metal = (prop.mirror > 0.2) & (prop.alpha >= 1)  # which colours what it mirrors
    tint = prop.colours / prop.colours.max(1, keepdims=True).clip(1e-3)
    mirror = mirror * np.where(metal[:, None], tint, 1)
    return (body * exposure).astype(np.float32), (mirror * exposure).astype(np.float32)


def overlay(
    colour: np.ndarray, depth: np.ndarray, prop: Prop, camera: Camera, light: "Lighting", *,
    samples: int = 1, exposure: float = 1.0, threads: int = 1,
) -> Overlaid:  # fmt: skip
    """Draw a prop over a picture, hidden by what is nearer.

    Args:
        colour: (h, w, 3) float32 linear. depth: (h, w) mm, infinite where nothing is.
        camera: of a picture ``samples`` times smaller than these. exposure: factor on the light.

    Glass lets through what is behind it, but for its opacity, and mirrors sky and lamp.
    """
    body, mirror = lit_colours(prop, camera, light, exposure)
    out, label = colour.astype(np.float32, copy=True), np.full(depth.shape, -1, np.int16)
    depth, hidden = depth.copy(), np.zeros(depth.shape, np.float32)
    placed = camera.project(prop.vertices) * (samples, samples, 1)
    drawn = np.hstack([body, mirror, prop.alpha[:, None]])
    for part in (prop.opaque, ~prop.opaque):
        if not part.any():
            continue
        triangles = prop.triangles[part]
        box_ = _box(placed, depth.shape)
        if box_ is None:
            break
        rows, columns = box_
        local = placed - [columns.start, rows.start, 0]
        size = columns.stop - columns.start, rows.stop - rows.start
        seen = rasterize(local, triangles, *size, perspective=camera.perspective, threads=threads)
        here = seen.covered & (seen.depth < depth[box_])
        index, weights = seen.index[here], seen.weights[here]
        values = np.einsum("nkc,nk->nc", drawn[triangles[index]], weights)
        alpha = values[:, 6:]
        out[box_][here] = out[box_][here] * (1 - alpha) + alpha * values[:, :3] + values[:, 3:6]
        label[box_][here] = prop.label[part][index]
        depth[box_][here] = seen.depth[here]
        hidden[box_][here] = np.maximum(hidden[box_][here], alpha[:, 0])
    return Overlaid(out, depth, label, hidden)


def _box(placed: np.ndarray, shape: tuple[int, ...]) -> tuple[slice, slice] | None:
    """The rows and columns of a picture that a mesh may cover."""
    low = np.floor(placed[:, :2].min(0)).astype(int).clip(0)
    high = np.minimum(np.ceil(placed[:, :2].max(0)).astype(int) + 1, shape[1::-1])
    if (high <= low).any():
        return None
    return slice(low[1], high[1]), slice(low[0], high[0])


# -- shadows from outside the picture --------------------------------------------------------------

SHADES = ("blinds", "leaves", "window", "edge", "net")


@dataclass(frozen=True, slots=True)
class Shade:
    """A pattern that something between the lamp and the face throws on it.

    kind: of ``SHADES``. period: mm. angle: degrees. shift: (2,) mm. soft: mm. depth: 0..1, how much
    of the lamp's light is taken. seed: of leaves.
    """

    kind: str = "blinds"
    period: float = 34.0
    angle: float = 10.0
    shift: tuple[float, float] = (0.0, 0.0)
    soft: float = 4.0
    depth: float = 0.9
    seed: int = 0

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Shade":
        """Any pattern."""
        return cls(
            str(rng.choice(SHADES)), float(rng.uniform(18, 60)), float(rng.normal(0, 25)),
            (float(rng.uniform(-60, 60)), float(rng.uniform(-60, 60))),
            float(rng.uniform(1, 9)), float(rng.uniform(0.6, 1.0)), int(rng.integers(2**31)),
        )  # fmt: skip


def cast(shade: Shade, points: np.ndarray, lamp: np.ndarray) -> np.ndarray:
    """The part (...) float32 of a lamp's light that gets through to points (..., 3) mm.

    lamp: (3,) towards the lamp. Multiply only the lamp's light by it.

    Raises ValueError for an unknown kind.
    """
    if shade.kind not in SHADES:
        raise ValueError(f"shade: one of {', '.join(SHADES)}, not {shade.kind!r}")
    towards = np.asarray(lamp, float) / np.linalg.norm(lamp)
    aside = np.cross([0.0, 1.0, 0.0] if abs(towards[1]) < 0.9 else [0.0, 0.0, 1.0], towards)
    aside /= np.linalg.norm(aside)
    up = np.cross(towards, aside)
    turn = np.radians(shade.angle)
    x, y = points @ aside + shade.shift[0], points @ up + shade.shift[1]
    x, y = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    period, soft = shade.period, shade.soft
    if shade.kind == "blinds":
        dark = _bar(y, period, 0.5, soft)
    elif shade.kind == "net":
        dark = np.maximum(_bar(y, period, 0.2, soft), _bar(x, period, 0.2, soft))
    elif shade.kind == "window":  # light through the panes of a window
        pane = np.maximum(_bar(y, 2 * period, 0.12, soft), _bar(x, 2 * period, 0.12, soft))
        outside = np.maximum(np.abs(x), np.abs(y)) - 2.4 * period
        dark = np.maximum(pane, smoothstep(outside / soft + 0.5))
    elif shade.kind == "edge":
        dark = smoothstep(y / soft + 0.5)
    else:
        dark = _leaves(shade, x, y)
    return (1 - shade.depth * dark).astype(np.float32)


def _bar(t: np.ndarray, period: float, share: float, soft: float) -> np.ndarray:
    """Bars 0..1 that take a share of every period."""
    away = np.abs((t / period) % 1.0 - 0.5) * period
    return smoothstep((share * period / 2 - away) / soft + 0.5)


def _leaves(shade: Shade, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(shade.seed)
    dark = np.zeros(x.shape)
    for _ in range(28):
        place, turn = rng.uniform(-150, 150, 2), rng.uniform(0, np.pi)
        reach = shade.period * rng.uniform(0.4, 0.9)
        dx, dy = x - place[0], y - place[1]
        along = dx * np.cos(turn) + dy * np.sin(turn)
        across = dy * np.cos(turn) - dx * np.sin(turn)
        away = (np.hypot(along, 2.2 * across) - reach) / 2.2
        dark = np.maximum(dark, smoothstep(0.5 - away / shade.soft))
    return dark
