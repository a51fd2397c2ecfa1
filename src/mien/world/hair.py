"""Hair for people who were never photographed: ribbons of strands, grown from the scalp.

A style is grown once per person on the mean head and then follows anybody's head:

    hair = grow(HairStyle("bob", colour=COLOURS["brown"]))
    vertices, tangents, normals = follow(hair, model.neutral(identity), pose)
    colours = shade(hair, tangents, normals, light, camera.rotation)
    tint = scalp_mask(chart, style)  # the skin between the ribbons, on the charts face and back

Each strand is a walk on the :func:`_shell`, the outermost surface of the head around its axis: it
leaves the skin, is combed, falls, and never gets below its height over that surface. As all points
know the place of the skin that they are above, they move with it to heads of other shapes. Ribbons
are plain triangles; their colour is that of Kajiya and Kay, "Rendering fur with three dimensional
textures", SIGGRAPH 1989, with the two highlights of Marschner et al., "Light scattering from human
hair fibers", SIGGRAPH 2003. ``strands()`` is a texture of single strands to multiply that with.
"""

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numba import float32, njit

from mien.head.lighting import DARKEST
from mien.head.model import MATERIALS, REGIONS, HeadModel, rotations
from mien.head.raster import rasterize
from mien.head.shading import Light, Texture, vertex_normals
from mien.head.shading import shade as surface_light
from mien.head.texture import Chart, pull_push, smoothstep

COLOURS = {
    "black": (0.013, 0.011, 0.010), "dark brown": (0.030, 0.019, 0.013),
    "brown": (0.065, 0.039, 0.023), "light brown": (0.125, 0.080, 0.046),
    "dark blond": (0.200, 0.138, 0.078), "blond": (0.330, 0.238, 0.135),
    "red": (0.170, 0.060, 0.022), "grey": (0.240, 0.235, 0.230), "white": (0.550, 0.540, 0.520),
}  # fmt: skip
"""Linear albedo by name."""


@dataclass(frozen=True, slots=True)
class _Spec:
    """What makes a style; lengths in mm. Strands lie in layers up to ``volume`` over the skin."""

    flow: str  # whorl: from the crown; part: to both sides; back: from the face; tie: to a knot
    top: float
    side: float  # length of strands above ears and nape
    volume: float
    lift: float = 0.5  # how steeply strands leave the skin
    gravity: float = 0.3
    hug: float = 0.5  # how far strands above their layer come back to it, per step
    curl: float = 0.0  # mm
    period: float = 45.0  # mm of strand in which a curl goes round
    clump: float = 0.45  # how far strands join their neighbours at the tips
    segments: int = 6
    count: int = 3350
    width: float = 3.4
    hem: float = -1e9  # mm, y, where hair of the usual length is cut


_SPECS = {
    "receding": _Spec("whorl", 26, 14, 7, segments=4, count=4200, width=3.0),
    "buzz": _Spec("whorl", 6, 5, 3, 0.9, 0.1, 0.2, segments=2, count=7000, width=1.9, clump=0.0),
    "short": _Spec("whorl", 42, 16, 12, segments=5, count=3800, width=3.2),
    "crop": _Spec("whorl", 52, 26, 14, gravity=0.5, segments=5, count=3800, width=3.4),
    "swept": _Spec("back", 82, 22, 20, 0.75, 0.12, 0.55),
    "undercut": _Spec("back", 95, 4, 22, 0.7, 0.12, 0.55),
    "bob": _Spec("part", 205, 140, 15, 0.5, 0.9, 0.5, segments=9, count=2450, width=4.2, hem=-84.0),
    "long": _Spec(
        "part", 345, 290, 16, 0.5, 0.9, 0.5, segments=11, count=2000, width=5.0, hem=-205.0
    ),
    "wavy": _Spec("part", 300, 240, 22, 0.6, 0.8, 0.4, 9.0, 95.0, 0.6, 12, 1850, 4.8, -180.0),
    "curly": _Spec("part", 170, 130, 30, 0.8, 0.55, 0.25, 9.0, 48.0, 0.75, 13, 1700, 4.6),
    "afro": _Spec("up", 60, 44, 55, segments=4, count=5500, width=5.6, clump=0.0),
    "tied": _Spec("tie", 0, 0, 7, clump=0.3, segments=8, count=2750, width=3.6),
    "bun": _Spec("tie", 0, 0, 7, clump=0.3, segments=8, count=2750, width=3.6),
}
STYLES = ("bald", *_SPECS)
MOST_TRIANGLES = 45_000
FRINGELESS = ("receding", "buzz", "swept", "undercut", "afro", "tied", "bun")
KNOT = {"tied": np.array([0.0, 88.0, -108.0]), "bun": np.array([0.0, 126.0, -92.0])}
WHORL = np.array([6.0, 150.0, -38.0])  # mm, the crown


@dataclass(frozen=True, slots=True, eq=False)
class Hair:
    """Ribbons on the mean head.

    vertices: (n, 3) float32 mm. triangles: (m, 3) int32, seen from both sides.
    tangents, normals: (n, 3) float32, unit: from root to tip, and away from the head.
    uv: (n, 2) float32 in ``strands()``. albedo: (n, 3) float32, linear.
    openness: (n,) float32, 0..1, how much of the light from outside gets there.
    corners: (n, 3) int32 and weights: (n, 3) float32, the place of the skin that moves a vertex.
    points: vertices of a ribbon along one side; the two sides follow each other.
    """

    vertices: np.ndarray
    triangles: np.ndarray
    tangents: np.ndarray
    normals: np.ndarray
    uv: np.ndarray
    albedo: np.ndarray
    openness: np.ndarray
    corners: np.ndarray
    weights: np.ndarray
    points: int


@dataclass(frozen=True, slots=True)
class HairStyle:
    """What hair looks like.

    style: of ``STYLES``. colour: (3,) linear albedo of strands that are not grey. length: 0.6..1.4
    of the style's. part: -1..1, where hair is parted, 0 the middle. fringe: 0..1, how far hair
    falls into the forehead: 0.5 is to the brows, 1 to the lashes. recession: 0..1, how far the
    hairline has gone back. grey: 0..1, the share of strands without colour. seed: of the strands.

    Raises ValueError for values beyond these.
    """

    style: str = "short"
    colour: tuple[float, float, float] = COLOURS["brown"]
    length: float = 1.0
    part: float = 0.3
    fringe: float = 0.0
    recession: float = 0.0
    grey: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.style not in STYLES:
            raise ValueError(f"hair: style is one of {', '.join(STYLES)}, not {self.style!r}")
        limits = {"length": (0.6, 1.4), "part": (-1, 1), "fringe": (0, 1), "recession": (0, 1),
                  "grey": (0, 1), "colour": (0, 1)}  # fmt: skip
        require("hair", self, limits)


def require(what: str, options: object, limits: dict[str, tuple[float, float]]) -> None:
    """Raise ValueError naming the first option that is not within its limits."""
    for name, (least, most) in limits.items():
        value = getattr(options, name)
        if not np.all((np.asarray(value) >= least) & (np.asarray(value) <= most)):
            raise ValueError(f"{what}: {name} is {least}..{most}, not {value}")


def grow(hair: HairStyle) -> Hair | None:
    """The ribbons of a style; None for a bald head."""
    if hair.style == "bald":
        return None
    spec = _SPECS[hair.style]
    rng = np.random.default_rng(hair.seed)
    roots, facing = _roots(hair, spec.count, rng)
    if spec.flow == "tie":
        lines = _tied(hair, spec, roots, rng)
    elif spec.flow == "up":
        lines = _cloud(hair, spec, roots, rng)
    else:
        fringe = _fringe(hair, spec, roots, rng)
        lines = _combed(hair, spec, roots, facing, fringe, rng)
        lines = _clumped(_cut(lines, spec.hem, hair.length, rng), spec.clump, fringe, rng)
        lines = _off_the_face(_curled(lines, spec, fringe, rng), fringe, 82 - 54 * hair.fringe)
    lines = lines.astype(np.float32)
    albedo = strand_albedo(lines.shape[0], lines.shape[1], hair.colour, hair.grey, rng)
    lines, outwards, openness, anchors = _on_shell(lines)
    return ribbons(lines, outwards, openness, anchors, spec.width, albedo, rng)


# -- the surface that hair lies on -----------------------------------------------------------------

LEVEL = 40.0  # mm, y: above it the shell is spherical, below cylindrical
AXIS = np.array([0.0, LEVEL, 0.0])
BOTTOM, ROW = -190.0, 2.5  # mm: of the lowest row, between rows below the axis
LOW, HIGH, COLUMNS = 92, 46, 180


class _Shell(NamedTuple):
    """The outermost skin of the mean head by height and azimuth.

    radius: (LOW + HIGH, COLUMNS) float32 mm from the axis. corners, weights: the skin's places.
    """

    radius: np.ndarray
    corners: np.ndarray
    weights: np.ndarray


def _rolled(places: np.ndarray) -> np.ndarray:
    """Column, row and radius (..., 3) on the shell of places (..., 3) mm."""
    x, y, z = np.moveaxis(places - AXIS, -1, 0)
    flat = np.hypot(x, z)
    column = (np.arctan2(x, z) / (2 * np.pi) + 0.5) * COLUMNS
    row = np.where(
        y > 0, LOW + np.arctan2(y, flat) / (np.pi / 2) * HIGH, (y + AXIS[1] - BOTTOM) / ROW
    )
    return np.stack([column, row, np.where(y > 0, np.hypot(flat, y), flat)], -1)


@cache
def _shell() -> _Shell:
    model = HeadModel.bundled()
    skin = np.isin(model.material, [MATERIALS.index("face"), MATERIALS.index("back")])
    triangles = model.triangles[skin]
    corners = _rolled(model.template[triangles])
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
    return _Shell(
        -seen.depth.ravel()[nearest].astype(np.float32),
        triangles[seen.index.ravel()[nearest] % len(triangles)],
        seen.weights.reshape(-1, 3)[nearest],
    )


def _cells(places: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row and column of the shell's cell (...), and height (...) mm above it, of places."""
    column, row, radius = np.moveaxis(_rolled(places), -1, 0)
    rows = row.astype(int).clip(0, LOW + HIGH - 1)
    columns = column.astype(int) % COLUMNS
    return rows, columns, radius - _shell().radius[rows, columns]


@njit(cache=True, nogil=True)
def _radius(shell, x, y, z):
    """The shell's radius at a place relative to the axis; bilinear."""
    flat = np.hypot(x, z)
    column = (np.arctan2(x, z) / (2 * np.pi) + 0.5) * COLUMNS - 0.5
    row = LOW + np.arctan2(y, flat) / (np.pi / 2) * HIGH if y > 0 else (y + LEVEL - BOTTOM) / ROW
    row = min(max(row - 0.5, 0.0), LOW + HIGH - 1.001)
    r0, c0 = int(row), int(np.floor(column))
    down, across = row - r0, column - c0
    a, b = c0 % COLUMNS, (c0 + 1) % COLUMNS
    upper = shell[r0, a] * (1 - across) + shell[r0, b] * across
    lower = shell[r0 + 1, a] * (1 - across) + shell[r0 + 1, b] * across
    return upper * (1 - down) + lower * down


# -- where hair grows ------------------------------------------------------------------------------

# The hairline: height in mm by azimuth from the front; in front of the ears it runs down to the
# sideburns, then around the ears and to the nape.
_AZIMUTHS = (0, 18, 31, 41, 49, 56, 62, 65, 69, 73, 75, 86, 97, 103, 108, 121, 150, 180)
_HEIGHTS = (111, 112, 110, 97, 76, 60, 42, 12, 4, 10, 44, 48, 42, 14, -15, -30, -37, -38)


def azimuths(places: np.ndarray) -> np.ndarray:
    """Degrees (...) 0..180 from the front, about the head's axis, of places (..., 3) mm."""
    return np.degrees(np.arctan2(np.abs(places[..., 0]), places[..., 2] + 5))


def hairline(places: np.ndarray, recession: float = 0.0) -> np.ndarray:
    """How far, mm, places (..., 3) on the mean head lie inside its hair; negative outside."""
    azimuth = azimuths(places)
    height = np.interp(azimuth, _AZIMUTHS, _HEIGHTS)
    slope = np.interp(azimuth + 1.5, _AZIMUTHS, _HEIGHTS) - np.interp(
        azimuth - 1.5, _AZIMUTHS, _HEIGHTS
    )
    arc = np.radians(3) * np.hypot(places[..., 0], places[..., 2] + 5)
    temples = np.exp(-(((azimuth - 33) / 13) ** 2)) + 0.75 * (azimuth < 33) * (
        1 - np.exp(-(((azimuth - 33) / 22) ** 2))
    )
    height = height + recession * (30 * temples + 6 * np.exp(-((azimuth / 20) ** 2)))
    inside = (places[..., 1] - height) / np.hypot(1, slope / np.maximum(arc, 1.0)).clip(1, 6)
    crown = np.linalg.norm(places - [0, 146, -35], axis=-1) - 95 * (recession - 0.45)
    return np.minimum(inside, crown) if recession > 0.45 else inside


def _ragged(places: np.ndarray, seed: int) -> np.ndarray:
    """Smooth noise (...), mm, of the hairline."""
    waves = np.random.default_rng([seed, 1]).normal(size=(6, 4)) * [0.09, 0.09, 0.09, 9]
    return 1.0 * np.sin(places @ waves[:, :3].T + waves[:, 3]).sum(-1)


@cache
def _scalp() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Triangles (t, 3) that hair may grow on, and vertices and normals (V, 3)."""
    model = HeadModel.bundled()
    skin = (model.region == REGIONS.index("skin")) & (model.material == MATERIALS.index("face"))
    hairy = skin | model.triangles_of("hair", "neck")
    triangles = model.triangles[hairy]
    above = hairline(model.template[triangles]).max(1) > -12
    return triangles[above], model.template, vertex_normals(model.template, model.triangles)


@lru_cache(maxsize=1)  # roots, front and back of one person ask for the same
def _inside(hair: HairStyle) -> np.ndarray:
    """Millimetres (V,) that vertices lie inside the hairline; -50 away from the scalp."""
    some, x = _growing(), HeadModel.bundled().template
    inside = np.full(len(x), -50, np.float32)
    inside[some] = hairline(x[some], _recession(hair)) + _ragged(x[some], hair.seed)
    return inside


@cache
def _growing() -> np.ndarray:
    """The vertices that hair may grow on."""
    return np.unique(_scalp()[0])


def _roots(hair: HairStyle, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Places and normals (n, 3) of roots, even over the part of the scalp with hair."""
    triangles, x, normals = _scalp()
    corners, weights = scatter(triangles, x, int(1.5 * count), rng)
    places = np.einsum("nkc,nk->nc", x[corners], weights)
    inside = np.einsum("nk,nk->n", _inside(hair)[corners], weights)
    inside -= rng.exponential(2.0, len(places))
    if hair.style in KNOT:  # what is before the ears would be drawn across them
        inside[(places[:, 1] < 52) & (azimuths(places) < 92)] = -1
    kept = np.flatnonzero(inside > 0)[:count]
    return places[kept], unit(np.einsum("nkc,nk->nc", normals[corners[kept]], weights[kept]))


def scatter(
    triangles: np.ndarray, vertices: np.ndarray, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Places even over triangles (t, 3) of a surface: their corners (count, 3) and weights."""
    first, second, third = (vertices[triangles[:, k]] for k in range(3))
    area = np.cumsum(np.linalg.norm(np.cross(second - first, third - first), axis=1))
    # Evenly spread, then jittered: random places alone would leave bare patches.
    ticks = (rng.permutation(count) + rng.random(count)) / count
    chosen = np.searchsorted(area / area[-1], ticks).clip(0, len(triangles) - 1)
    u, v = rng.random((2, count))
    u, v = np.where(u + v > 1, (1 - u, 1 - v), (u, v))
    return triangles[chosen], np.stack([1 - u - v, u, v], 1)


def _recession(hair: HairStyle) -> float:
    return max(hair.recession, 0.45) if hair.style == "receding" else hair.recession


# -- strands ---------------------------------------------------------------------------------------

OPEN_FACE = 56.0  # degrees to the sides of the face that hair keeps off it, below the forehead


def _combed(
    hair: HairStyle,
    spec: _Spec,
    roots: np.ndarray,
    facing: np.ndarray,
    fringe: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Strands (n, segments + 1, 3) that are combed and fall."""
    count = len(roots)
    azimuth = azimuths(roots)
    high = smoothstep((roots[:, 1] - 45) / 55)
    lengths = (spec.side + (spec.top - spec.side) * high) * hair.length
    lengths *= rng.uniform(0.82, 1.08, count)
    if spec.top < 120:
        lengths *= 0.45 + 0.55 * smoothstep((hairline(roots, _recession(hair)) + 2) / 12)
    layer = rng.uniform(0.15, 1.0, count) ** 0.7
    height = spec.volume * layer * (0.3 + 0.7 * np.minimum(1, lengths / max(spec.top * 0.6, 1)))
    limit = np.full(count, np.radians(OPEN_FACE)) + np.radians(rng.uniform(0, 9, count))
    tip = 94 - 54 * hair.fringe  # mm, y
    reach = np.hypot(roots[:, 1] - tip, (roots[:, 2] - 104).clip(-60, 0)) * 1.12
    lengths = np.where(fringe, np.minimum(lengths, reach.clip(12) * rng.uniform(0.8, 1, count)),
                       lengths)  # fmt: skip
    limit[fringe] = 0
    height[fringe] *= 0.6
    front = azimuth + rng.normal(0, 10, count) < 68
    behind = np.clip(azimuth + rng.normal(0, 8, count), 125, 180)
    lane = np.radians(np.where(front, rng.uniform(30, 50, count), behind))
    mode = ("whorl", "part", "back").index(spec.flow)
    modes = np.where(fringe, 3, mode).astype(np.int64)
    heading = unit(spec.lift * facing + rng.normal(0, 0.16, (count, 3)))
    lines = np.empty((count, spec.segments + 1, 3), np.float32)
    _walk(
        _shell().radius, roots - AXIS, heading, lengths / spec.segments, height, limit, lane,
        modes, hair.part * 38, spec.gravity, spec.hug, WHORL - AXIS, lines,
    )  # fmt: skip
    return lines + AXIS.astype(np.float32)


def _fringe(
    hair: HairStyle, spec: _Spec, roots: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Which strands (n,) bool fall into the forehead."""
    if hair.style in FRINGELESS or hair.fringe < 0.05:
        return np.zeros(len(roots), bool)
    deep = 45 if spec.flow == "part" else 30  # mm, z: how far behind the hairline a fringe begins
    return (roots[:, 2] > deep) & (azimuths(roots) < 50 + rng.normal(0, 4, len(roots)))


@njit(cache=True, nogil=True)
def _walk(
    shell, roots, headings, steps, heights, limits, lanes, modes, part, gravity, hug, whorl, lines
):
    """Walks over the shell, in mm relative to its axis; what the arguments are, see _combed."""
    last = lines.shape[1] - 1
    for i in range(len(roots)):
        x, y, z = roots[i, 0], roots[i, 1], roots[i, 2]
        hx, hy, hz = headings[i, 0], headings[i, 1], headings[i, 2]
        lines[i, 0, 0], lines[i, 0, 1], lines[i, 0, 2] = x, y, z
        away = x - part
        side = away / (np.abs(away) + 6.0)
        for s in range(1, last + 1):
            t = s / last
            cx, cy, cz = _comb(modes[i], x, y, z, side, whorl)
            fall = gravity * (0.35 + 0.65 * t)
            hx, hy, hz = hx + cx, hy + cy - fall, hz + cz
            long = np.sqrt(hx * hx + hy * hy + hz * hz) + 1e-9
            px, py, pz = x, y, z
            step = steps[i] / long * (0.5 + 1.0 * (s - 0.5) / last)  # finer where strands bend
            x, y, z = x + hx * step, y + hy * step, z + hz * step
            x, z = _aside(x, y, z, side, limits[i], lanes[i])
            level = y if y > 0 else 0.0
            arm = np.sqrt(x * x + level * level + z * z) + 1e-9
            radius = _radius(shell, x, y, z)
            least = radius + min(heights[i], 1.5 + 1.6 * heights[i] * t)
            goal = arm
            if arm < least:
                goal = least
            elif y > -20.0:
                goal = min(least + (arm - least) * (1 - hug), least + 3.0 + 0.6 * heights[i])
            x, z = x * goal / arm, z * goal / arm
            if y > 0:
                y *= goal / arm
            lines[i, s, 0], lines[i, s, 1], lines[i, s, 2] = x, y, z
            hx, hy, hz = x - px, y - py, z - pz
            long = np.sqrt(hx * hx + hy * hy + hz * hz) + 1e-9
            hx, hy, hz = hx / long, hy / long, hz / long


@njit(cache=True, nogil=True)
def _comb(mode, x, y, z, side, whorl):
    """Where a strand at a place is combed to."""
    if mode == 0:  # from the crown, as short hair grows
        cx, cy, cz = x - whorl[0], y - whorl[1], z - whorl[2]
        long = np.sqrt(cx * cx + cy * cy + cz * cz) + 1e-9
        return 0.9 * cx / long, 0.9 * cy / long - 0.1, 0.9 * cz / long
    top = min(max((y - 10.0) / 60.0, 0.0), 1.0)
    if mode == 1:  # to both sides and a little back, more so beside the face
        beside = min(max((z - 30.0) / 40.0, 0.0), 1.0)
        return 1.1 * side * top, -0.35, -0.12 - 0.5 * beside * top
    if mode == 2:  # away from the face
        return 0.12 * side, 0.1 - 0.5 * (1 - top), -0.9
    return 0.15 * side, -0.25, 1.0 * top  # a fringe


@njit(cache=True, nogil=True)
def _aside(x, y, z, side, limit, lane):
    """x and z, turned about the axis off the face, and in front of or behind the shoulders."""
    around = np.arctan2(x, z)
    sign = 1.0 if x > 0 or (x == 0 and side > 0) else -1.0
    angle = np.abs(around)
    least = limit * min(max((66.0 - y) / 26.0, 0.0), 1.0)
    if y < -85:
        least *= 0.75
    if angle < least:
        angle = least
    low = min(max((-55.0 - y) / 90.0, 0.0), 1.0)
    angle += 0.55 * low * (lane - angle)
    arm = np.hypot(x, z)
    return sign * arm * np.sin(angle), arm * np.cos(angle)


def _cut(lines: np.ndarray, hem: float, length: float, rng: np.random.Generator) -> np.ndarray:
    """Strands that end at the hem; as many points, closer together."""
    hem = AXIS[1] - (AXIS[1] - hem) * length
    level = hem + 0.05 * hem * rng.normal(size=(len(lines), 1))
    under = lines[..., 1] < level
    some = np.flatnonzero(under[:, -1])
    last = lines.shape[1] - 1
    first = np.maximum(under[some].argmax(1), 1)
    above, below = lines[some, first - 1, 1], lines[some, first, 1]
    share = (above - level[some, 0]) / np.maximum(above - below, 1e-3)
    at = np.linspace(0, 1, last + 1) * (first - 1 + share)[:, None]
    low = at.astype(int).clip(0, last - 1)
    rest = (at - low)[..., None].astype(np.float32)
    part = some[:, None]
    lines[some] = lines[part, low] * (1 - rest) + lines[part, low + 1] * rest
    return lines


def _clumped(
    lines: np.ndarray, clump: float, fringe: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Strands drawn towards one in every twelve, the nearest, the more the nearer to the tip."""
    if clump == 0:
        return lines
    places = np.column_stack([lines[:, min(2, lines.shape[1] - 1)], 1e3 * fringe])
    places = places.astype(np.float32)
    guides, goals = lines[::12], places[::12]
    nearest = ((goals**2).sum(1) - 2 * places @ goals.T).argmin(1)
    along = np.linspace(0, 1, lines.shape[1]) ** 1.3
    near = np.linalg.norm(guides[nearest, -1] - lines[:, -1], axis=1) < 45
    share = clump * (near * rng.uniform(0.3, 1, len(lines)))[:, None] * along
    share = share[..., None].astype(np.float32)
    return lines + share * (guides[nearest] - lines)


def _off_the_face(lines: np.ndarray, fringe: np.ndarray, tip: float) -> np.ndarray:
    """Strands without the stray ones that cross the face; those of a fringe may, down to a tip."""
    x, y, z = np.moveaxis(lines, -1, 0)
    front = (z > 30) & (np.abs(x) < 0.75 * z) & (y > -85)
    low = np.where(fringe, tip, 72)[:, None]
    return lines[~(front & (y < low)).any(1)]


def _curled(
    lines: np.ndarray, spec: _Spec, fringe: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Strands wound about themselves; neighbours alike, so that waves are seen."""
    if spec.curl == 0:
        noise = 0.35 * rng.standard_normal(lines.shape, np.float32)
        return lines + noise * np.linspace(0, 1, lines.shape[1], dtype=np.float32)[:, None]
    tangent = unit(_differences(lines))
    outwards = unit(lines - np.array([0, 24, 0], np.float32))
    across = unit(_cross(tangent, outwards))
    step = np.linalg.norm(lines - np.roll(lines, 1, 1), axis=2)
    step[:, 0] = 0
    alike = 3 * np.sin(lines[:, 0] @ rng.normal(0, 0.035, (3, 2))).sum(1)
    phase = np.cumsum(step, 1) * (2 * np.pi / spec.period) * rng.normal(1, 0.03, (len(lines), 1))
    phase += (alike + rng.normal(0, 0.35, len(lines)))[:, None]
    size = spec.curl * rng.uniform(0.7, 1.2, len(lines)) * np.where(fringe, 0.35, 1)
    size = (size[:, None] * np.linspace(0, 1, lines.shape[1]) ** 0.6).astype(np.float32)
    phase = phase.astype(np.float32)
    wound = np.sin(phase)[..., None] * across + 0.6 * (1 + np.cos(phase))[..., None] * outwards
    return lines + size[..., None] * wound


def _cloud(hair: HairStyle, spec: _Spec, roots: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Small curls (n, segments + 1, 3) that fill the space above the scalp."""
    count = len(roots)
    low = smoothstep((roots[:, 1] - 10) / 90)
    reach = hair.length * (spec.side + (spec.top - spec.side) * low)
    edge = smoothstep((hairline(roots, _recession(hair)) + 3) / 22)
    reach = reach * (0.25 + 0.75 * edge)
    outwards = unit(roots - AXIS * [1, 1.2, 1])
    middle = roots + outwards * (reach * rng.random(count) ** 0.55)[:, None]
    first, second = unit(rng.normal(size=(2, count, 3)) + 0.5 * outwards)
    turn = np.linspace(-1.6, 1.6, spec.segments + 1)[None, :, None]
    size = rng.uniform(5, 10, count)[:, None, None]
    lines = middle[:, None] + size * (
        np.sin(turn) * first[:, None] + (1 - np.cos(turn)) * 0.8 * second[:, None]
    )
    return _above(lines, 1.0)


def _tied(hair: HairStyle, spec: _Spec, roots: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Strands drawn back to a knot, and what is beyond it: a tail, or a bun."""
    beyond = rng.random(len(roots)) < 0.28
    knot = KNOT[hair.style]
    lines = np.empty((len(roots), spec.segments + 1, 3))
    lines[~beyond] = _drawn(roots[~beyond], knot, spec, rng)
    wound = _bun if hair.style == "bun" else _tail
    lines[beyond] = wound(knot, int(beyond.sum()), spec.segments, hair.length, rng)
    return lines


def _drawn(
    roots: np.ndarray, knot: np.ndarray, spec: _Spec, rng: np.random.Generator
) -> np.ndarray:
    """Strands (n, segments + 1, 3) along the skull from their roots to the knot."""
    t = np.linspace(0, 1, spec.segments + 1)[None, :, None]
    goal = knot + rng.normal(0, 5, roots.shape) * [1, 1, 0.4]
    over = unit(roots - AXIS)[:, None] * (1 - t) + unit(goal - AXIS)[:, None] * t
    arm = np.linalg.norm(roots - AXIS, axis=1)[:, None, None] * (1 - t) + 105 * t
    lines = AXIS + unit(over) * arm
    height = spec.volume * rng.uniform(0.3, 1, len(roots))[:, None] * np.sqrt(t[..., 0])
    lines[:, 1:] = _above(lines, height + 1.0)[:, 1:]
    rows, columns, _ = _cells(lines)
    flat = _placed_at(lines, _shell().radius[rows, columns] + height + 1.0)
    return np.concatenate([roots[:, None], flat[:, 1:]], 1)


def _tail(
    knot: np.ndarray, count: int, segments: int, length: float, rng: np.random.Generator
) -> np.ndarray:
    t = np.linspace(0, 1, segments + 1)[None, :, None]
    spread = rng.normal(0, 1, (count, 1, 3)) * [13, 7, 9]
    reach = 190 * length * rng.uniform(0.75, 1.05, (count, 1, 1))
    path = knot + [0, 0, 10] + t * reach * [0, -1, 0]
    path = path + np.sin(np.minimum(t * 3, 1) * np.pi / 2) * [0, 24, -34]
    return _above(path + spread * (0.3 + 0.95 * np.sin(np.pi * np.minimum(t, 0.75))), 3.0)


def _bun(
    knot: np.ndarray, count: int, segments: int, length: float, rng: np.random.Generator
) -> np.ndarray:
    """Strands around a ball, in three turns that cross."""
    middle, radius = knot + np.array([0, 3, -6]), 27 * length**0.5
    turn = rng.uniform(0, 2 * np.pi, (count, 1)) + np.linspace(0, 2.2, segments + 1)
    height = rng.uniform(-0.95, 0.95, (count, 1)) + 0.12 * np.sin(turn * 2)
    flat = np.sqrt(1 - height.clip(-0.98, 0.98) ** 2)
    ball = np.stack([flat * np.cos(turn), flat * np.sin(turn), height], -1)
    return middle + radius * ball * rng.uniform(0.82, 1.05, (count, 1, 1)) * [1.05, 1.0, 0.85]


def _above(lines: np.ndarray, height: np.ndarray | float) -> np.ndarray:
    """Lines whose points below ``height`` mm over the shell are lifted to it."""
    rows, columns, over = _cells(lines)
    return _placed_at(lines, _shell().radius[rows, columns] + np.maximum(over, height))


def lifted(lines: np.ndarray, deepest: float) -> np.ndarray:
    """Points (..., 3) less than ``deepest`` mm below the outermost skin, put on it."""
    rows, columns, over = _cells(lines)
    over = np.where(over > -deepest, np.maximum(over, 1.0), over)
    return _placed_at(lines, _shell().radius[rows, columns] + over)


def _placed_at(lines: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Points (..., 3) moved to a radius (...) on the shell's coordinates."""
    arm = lines - AXIS
    level = np.maximum(arm[..., 1], 0)
    scale = radius / np.maximum(np.sqrt(arm[..., 0] ** 2 + level**2 + arm[..., 2] ** 2), 1e-6)
    arm = arm * np.stack([scale, np.where(arm[..., 1] > 0, scale, 1), scale], -1)
    return arm + AXIS


# -- ribbons ---------------------------------------------------------------------------------------

CLEAR = 2.0  # mm that strands keep off the skin
STRAND_SHEET = 60.0  # mm of hair side by side that ``strands()`` shows


def ribbons(
    lines: np.ndarray,
    outwards: np.ndarray,
    openness: np.ndarray,
    anchors: tuple[np.ndarray, np.ndarray],
    width: float,
    albedo: np.ndarray,
    rng: np.random.Generator,
) -> Hair:
    """Ribbons along strands (n, p, 3) mm.

    Args:
        outwards: (n, p, 3), away from the head. openness: (n, p). albedo: (n, p, 3).
        anchors: corners and weights (n, p, 3) of the skin that moves each point.
        width: mm at the root, usually; narrower at the tip.
    """
    count, points = lines.shape[:2]
    tangent = unit(_differences(lines))
    across = unit(_cross(tangent, outwards))
    normal = _cross(across, tangent)
    twist = rng.normal(0, 0.45, (count, 1, 1)).clip(-0.8, 0.8)
    twist = twist * np.minimum(np.arange(points) / 1.5, 1)[:, None]  # roots lie on the skin
    wide = width * rng.uniform(0.55, 1.4, (count, 1, 1)) / 2
    taper = np.interp(np.linspace(0, 1, points), (0, 0.65, 1), (1, 0.9, 0.25))[:, None]
    arm = (across * np.cos(twist) + normal * np.sin(twist)) * (wide * taper)
    first = np.arange(count)[:, None] * points * 2 + np.arange(points - 1) * 2
    a, b, c, d = first, first + 1, first + 2, first + 3
    triangles = np.stack([a, b, c, b, d, c], -1)

    def both(values: np.ndarray) -> np.ndarray:
        return np.repeat(values.reshape(count * points, -1), 2, 0)

    return Hair(
        np.stack([lines - arm, lines + arm], 2).reshape(-1, 3).astype(np.float32),
        triangles.reshape(-1, 3).astype(np.int32),
        both(tangent.astype(np.float32)),
        both(normal.astype(np.float32)),
        _strand_uv(wide[:, 0], points, rng),
        both(albedo.astype(np.float32)),
        both(openness.astype(np.float32))[:, 0],
        both(anchors[0]),
        both(anchors[1].astype(np.float32)),
        points,
    )


def _on_shell(
    lines: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Strands on the scalp, lifted where they are below the skin, and what else ribbons need."""
    rows, columns, over = _cells(lines)
    least = np.minimum(CLEAR * np.arange(lines.shape[1], dtype=np.float32), CLEAR)
    low = np.nonzero((over < least) & (least > 0))
    shell = _shell()
    lines[low] = _placed_at(lines[low], shell.radius[rows[low], columns[low]] + CLEAR)
    outwards = lines - AXIS.astype(np.float32)
    outwards[..., 1] *= outwards[..., 1] > 0
    anchors = shell.corners[rows, columns], shell.weights[rows, columns]
    return lines, unit(outwards), _openness(rows, columns, over), anchors


def _differences(lines: np.ndarray) -> np.ndarray:
    """Directions (n, p, 3) along strands."""
    out = np.empty_like(lines)
    steps = lines[:, 1:] - lines[:, :-1]
    out[:, 1:-1] = steps[:, 1:] + steps[:, :-1]
    out[:, 0], out[:, -1] = steps[:, 0], steps[:, -1]
    return out


def _strand_uv(wide: np.ndarray, points: int, rng: np.random.Generator) -> np.ndarray:
    count = len(wide)
    left = rng.random((count, 1)) * (1 - 2 * wide.max() / STRAND_SHEET)
    along = rng.random((count, 1)) * 0.5 + 0.5 * np.linspace(0, 1, points)
    right = left + 2 * wide.max(1, keepdims=True) / STRAND_SHEET
    u = np.stack([np.repeat(left, points, 1), np.repeat(right, points, 1)], 2)
    return np.stack([u, np.repeat(along[..., None], 2, 2)], -1).reshape(-1, 2).astype(np.float32)


def strand_albedo(
    count: int,
    points: int,
    colour: tuple[float, float, float],
    grey: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Linear albedo (n, p, 3): strands differ, tips are bleached, grey ones have no colour."""
    strand = np.exp(rng.normal(0, 0.2, (count, 1, 1)))
    warm = np.exp(rng.normal(0, 0.05, (count, 1, 1)) * [1, 0, -1.2])
    bleached = np.linspace(0.9, 1.15, points)[None, :, None]
    own = np.array(colour) * strand * warm * bleached
    white = np.array(COLOURS["white"]) * 0.75 * strand**0.5
    # A ribbon is many strands: with age all of them fade, some sooner.
    share = np.clip(grey + 0.35 * np.sin(np.pi * grey) * rng.normal(size=(count, 1, 1)), 0, 1)
    return (own + share * (white - own)).clip(0.002, 0.9)


def _openness(rows: np.ndarray, columns: np.ndarray, over: np.ndarray) -> np.ndarray:
    """0..1 (n, p): how high points are among the hair around them; roots see little light."""
    grid = np.zeros((23, 30), np.float32)
    at = rows // 6, columns // 6
    np.maximum.at(grid, at, over.astype(np.float32))
    thick = cv2.blur(grid, (3, 3), borderType=cv2.BORDER_REPLICATE)[at] * 0.8 + 1.5
    return smoothstep((over / thick + 0.35) / 1.2)


@cache
def strands() -> Texture:
    """Single strands side by side, (256, 256, 1), to multiply colours of hair with; mean 1."""
    rng = np.random.default_rng(0)
    sheet = np.zeros((256, 256))
    for across, share in ((0.7, 0.5), (1.6, 0.8), (4.0, 0.8)):
        noise = cv2.GaussianBlur(rng.normal(size=(256, 256)), (0, 0), across, sigmaY=24)
        sheet += share * noise / noise.std()
    sheet = np.exp(0.27 * sheet / sheet.std())
    return Texture((sheet / sheet.mean()).astype(np.float32)[..., None])


# -- on a head, in light ---------------------------------------------------------------------------


def follow(
    hair: Hair, vertices: np.ndarray, pose: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices, tangents and normals (n, 3) float32 of hair on a head.

    Args:
        vertices: (V, 3) mm of a head that is not turned: ``HeadModel.neutral(identity)`` for hair,
            ``HeadModel.vertices(identity, expression)`` for beards.
        pose: (3,) degrees as of ``HeadModel.animate``.
    """
    model = HeadModel.bundled()
    moved = np.asarray(vertices, np.float32) - model.template
    turn = np.eye(3, dtype=np.float32)
    if pose is not None:
        turn = rotations(*np.asarray(pose, np.float32)).astype(np.float32)
    out = np.empty_like(hair.vertices), np.empty_like(hair.tangents), np.empty_like(hair.normals)
    _carry(
        hair.vertices, hair.tangents, hair.normals, hair.corners, hair.weights, hair.points, moved,
        model.neck_weights, np.asarray(model.neck_pivot, np.float32), turn, pose is not None, *out,
    )  # fmt: skip
    return out


@njit(cache=True, nogil=True)
def _carry(
    vertices, tangents, normals, corners, weights, points, moved, neck, pivot, turn, turned,
    out, out_tangents, out_normals,
):  # fmt: skip
    """Strand by strand: how far the skin below each point has moved, and how far the neck bends it.

    Both are evened out along the strand. What the two sides of a ribbon share is worked out once.
    """
    shift, even = np.empty((points, 3), np.float32), np.empty((points, 3), np.float32)
    bend, evened = np.empty((points, 1), np.float32), np.empty((points, 1), np.float32)
    for first in range(0, len(vertices), 2 * points):
        for p in range(points):
            i = first + 2 * p
            shift[p], bend[p] = 0, 0
            for corner in range(3):
                vertex, weight = corners[i, corner], weights[i, corner]
                for k in range(3):
                    shift[p, k] += weight * moved[vertex, k]
                bend[p, 0] += weight * neck[vertex]
        _smooth(shift, even)
        _smooth(bend, evened)
        _smooth(evened, bend)
        for p in range(points):
            i, share = first + 2 * p, bend[p, 0]
            for side in (i, i + 1):
                for k in range(3):
                    out[side, k] = vertices[side, k] + even[p, k]
            out_tangents[i], out_normals[i] = tangents[i], normals[i]
            if turned:
                _turn(out[i], pivot, turn, share)
                _turn(out[i + 1], pivot, turn, share)
                _turn_unit(out_tangents[i], turn, share)
                _turn_unit(out_normals[i], turn, share)
            out_tangents[i + 1], out_normals[i + 1] = out_tangents[i], out_normals[i]


@njit(cache=True, nogil=True)
def _smooth(along, out):
    """Values (p, k) of a strand, evened out along it; those of root and tip stay."""
    last = len(along) - 1
    for k in range(along.shape[1]):
        out[0, k], out[last, k] = along[0, k], along[last, k]
        for p in range(1, last):
            around = along[p - 1, k] + float32(2) * along[p, k] + along[p + 1, k]
            out[p, k] = around * float32(0.25)


@njit(cache=True, nogil=True)
def _turn(place, pivot, turn, share):
    """A share of the way to where a turn about a pivot brings a place, in place."""
    x, y, z = place[0] - pivot[0], place[1] - pivot[1], place[2] - pivot[2]
    for k in range(3):
        arm = place[k] - pivot[k]
        place[k] += share * (turn[k, 0] * x + turn[k, 1] * y + turn[k, 2] * z - arm)


@njit(cache=True, nogil=True)
def _turn_unit(vector, turn, share):
    """The same for a direction, which stays of length 1."""
    x, y, z = vector[0], vector[1], vector[2]
    squared = float32(0)
    for k in range(3):
        vector[k] += share * (turn[k, 0] * x + turn[k, 1] * y + turn[k, 2] * z - vector[k])
        squared += vector[k] * vector[k]
    vector *= float32(1) / np.sqrt(max(squared, float32(1e-18)))


def shade(
    hair: Hair,
    tangents: np.ndarray,
    normals: np.ndarray,
    light: np.ndarray,
    rotation: np.ndarray,
    lamp: Light | None = None,
) -> np.ndarray:
    """Linear colours (n, 3) float32 of hair's vertices.

    Args:
        tangents, normals: (n, 3) as of :func:`follow`.
        light: (9, 3) in the camera's axes, as of :mod:`mien.head.lighting`.
        rotation: (3, 3), the camera's. lamp: its direction and colour are added; camera's axes.
    """
    light = np.asarray(light, np.float32)
    sun, strength = _main_direction(light)
    towards, colour = np.zeros(3, np.float32), np.zeros(3, np.float32)
    if lamp is not None and lamp.direction is not None and lamp.colour is not None:
        towards = unit(np.asarray(lamp.direction, np.float32))
        colour = np.asarray(lamp.colour, np.float32)
    # The two sides of a ribbon share all but their place.
    turn = np.asarray(rotation, np.float32).T
    along, facing = tangents[::2] @ turn, normals[::2] @ turn
    out = np.empty_like(hair.albedo)
    _shade(
        along, facing, surface_light(facing, Light(light)), hair.albedo, hair.openness,
        np.stack([sun, towards]), np.stack([strength, colour]).astype(np.float32), out,
    )  # fmt: skip
    return out


GLOSS, TINTED = 0.05, 0.7  # of the white highlight; of the coloured one, times the albedo


@njit(cache=True, nogil=True)
def _shade(along, facing, around, albedo, openness, lamps, colours, out):
    """Colours (2 n, 3) of ribbons at n points; lamps (2, 3): where most of the sky's light comes
    from, which only shines, and a lamp, which also lights."""
    zero, one = float32(0), float32(1)
    half = np.empty((2, 3), np.float32)
    for number in range(2):
        half[number] = lamps[number]
        half[number, 2] += one
        half[number] /= np.sqrt((half[number] * half[number]).sum())
    for i in range(len(along)):
        tx, ty, tz = along[i, 0], along[i, 1], along[i, 2]
        nx, ny, nz = facing[i, 0], facing[i, 1], facing[i, 2]
        free = openness[2 * i]
        across = tx * lamps[1, 0] + ty * lamps[1, 1] + tz * lamps[1, 2]
        towards = nx * lamps[1, 0] + ny * lamps[1, 1] + nz * lamps[1, 2]
        direct = min(max(float32(0.35) + float32(0.65) * towards, zero), one)
        direct *= np.sqrt(max(one - across * across, zero)) * (float32(0.1) + float32(0.9) * free)
        shining = free * np.sqrt(free)
        first = _lobes(tx, ty, tz, nx, ny, nz, lamps[0], half[0])
        second = _lobes(tx, ty, tz, nx, ny, nz, lamps[1], half[1])
        for k in range(3):
            own = albedo[2 * i, k]
            sky = max(around[i, k], float32(DARKEST)) * (float32(0.12) + float32(0.78) * shining)
            white = first[0] * colours[0, k] + second[0] * colours[1, k]
            tinted = first[1] * colours[0, k] + second[1] * colours[1, k]
            gloss = float32(GLOSS) * white + float32(TINTED) * own * tinted
            value = own * (sky + direct * colours[1, k]) + shining * gloss
            out[2 * i, k], out[2 * i + 1, k] = value, value


def _main_direction(light: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where most light (9, 3) comes from, unit (3,), and how much more (3,) than from around."""
    towards = light[[3, 1, 2]] @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    towards = towards + np.array([0, 0.02, 0.05], np.float32)
    towards = unit(towards)
    return towards, np.maximum(towards @ light[[3, 1, 2]], 0) * 0.4886


@njit(cache=True, nogil=True)
def _lobes(tx, ty, tz, nx, ny, nz, lamp, half):
    """Highlights: a white one shifted to the root, a wider coloured one to the tip."""
    seen = nx * lamp[0] + ny * lamp[1] + nz * lamp[2] + float32(0.15)
    seen = min(max(seen, float32(0)), float32(1))
    to_root = _sine_squared(tx, ty, tz, nx, ny, nz, half, float32(-0.12))
    to_tip = _sine_squared(tx, ty, tz, nx, ny, nz, half, float32(0.18))
    narrow = to_root * to_root  # to the 35th: the sine to the 70th
    narrow = narrow * narrow * narrow * narrow
    narrow = narrow * narrow * narrow * narrow * to_root * to_root * to_root
    wide = to_tip * to_tip  # to the 9th
    wide = wide * wide * wide * wide * to_tip
    return seen * narrow, seen * wide


@njit(cache=True, nogil=True)
def _sine_squared(tx, ty, tz, nx, ny, nz, half, shift):
    """Of the angle between a strand, tilted by a shift, and the direction halfway to the viewer."""
    x, y, z = tx + shift * nx, ty + shift * ny, tz + shift * nz
    cosine = x * half[0] + y * half[1] + z * half[2]
    return max(float32(1) - cosine * cosine / (x * x + y * y + z * z), float32(0))


# -- on the skin -----------------------------------------------------------------------------------


def scalp_mask(chart: Chart, hair: HairStyle) -> np.ndarray:
    """How much (size, size) float32, 0..1, the skin has the hair's colour, under and beside it.

    chart: of the material ``face`` or ``back``.
    """
    if hair.style == "bald":
        return np.zeros((chart.size, chart.size), np.float32)
    inside = chart.of_vertices(_inside(hair)[:, None])[..., 0]
    grain = np.random.default_rng([hair.seed, 2]).normal(0, 1, inside.shape).astype(np.float32)
    short = hair.style in ("buzz", "receding")
    dense = 0.86 if short else 0.93
    mask = dense * smoothstep((inside + 2 + 1.2 * grain) / (16 if short else 10))
    mask *= _beside_ears(chart)
    return cv2.GaussianBlur(mask.astype(np.float32), (0, 0), max(0.4, chart.size / 900))


def scalp_colour(hair: HairStyle) -> np.ndarray:
    """The linear albedo (3,) of skin full of roots: darker than strands, which shade it."""
    grey = np.array(COLOURS["white"]) * 0.75
    return 0.55 * (np.array(hair.colour) * (1 - hair.grey) + grey * hair.grey)


@lru_cache(maxsize=8)
def _beside_ears(chart: Chart) -> np.ndarray:
    """Texels (size, size) bool of a chart that are not of ears."""
    ears = [REGIONS.index("right_ear"), REGIONS.index("left_ear")]
    return chart.covered & ~np.isin(chart.of_triangles(chart.region, 255), ears)


def bare(face: np.ndarray, face_chart: Chart, back_chart: Chart) -> tuple[np.ndarray, np.ndarray]:
    """Linear albedo (size, size, 3) of both charts as of a head without hair.

    face: linear albedo of the chart ``face``, on which temples are often dark with hair; they and
    the scalp take the colour of the forehead and what else borders on them.
    """
    clean = pull_push(face.astype(np.float32), _unstained(face_chart))
    shared, rows, columns = _seam(face_chart, back_chart)
    sparse = np.zeros((*back_chart.covered.shape, 3), np.float32)
    weight = np.zeros(back_chart.covered.shape, np.float32)
    sparse[rows, columns], weight[rows, columns] = clean[_texels(face_chart, shared)], 1
    smooth = cv2.GaussianBlur(pull_push(sparse, weight), (0, 0), back_chart.size / 40)
    return clean, smooth


@lru_cache(maxsize=4)
def _unstained(chart: Chart) -> np.ndarray:
    """How far (size, size) 0..1 texels of the face show skin that hair does not darken."""
    x = chart.model.template
    stained = np.maximum(smoothstep((hairline(x) + 26) / 14), smoothstep((x[:, 1] - 90) / 10))
    beside = smoothstep((72 - x[:, 2]) / 16) * smoothstep((x[:, 1] + 35) / 14)
    temples = smoothstep((azimuths(x) - 33) / 9) * smoothstep((x[:, 1] - 34) / 14)
    stained = np.max([stained, beside, temples], axis=0)[:, None].astype(np.float32)
    keep = (1 - chart.of_vertices(stained)[..., 0]).clip(0, 1) * chart.covered
    return keep.astype(np.float32)


@lru_cache(maxsize=4)
def _seam(face_chart: Chart, back_chart: Chart) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The vertices that two charts share, and their rows and columns in the second."""
    shared = np.intersect1d(face_chart.triangles, back_chart.triangles)
    return shared, *_texels(back_chart, shared)


def _texels(chart: Chart, vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of vertices in a chart that they are in."""
    where = np.zeros(len(chart.model.template), np.int64)
    where[chart.triangles.ravel()] = chart.uv_triangles.ravel()
    uv = chart.model.uv[where[vertices]] * chart.size
    limit = chart.size - 1
    rows = (chart.size - uv[:, 1]).astype(int).clip(0, limit)
    return rows, uv[:, 0].astype(int).clip(0, limit)


# -- who has which hair ----------------------------------------------------------------------------

_FEMININE = {"long": 3, "wavy": 2.5, "bob": 2, "curly": 1.5, "tied": 2, "bun": 1, "crop": 0.6,
             "short": 0.5, "afro": 0.5, "swept": 0.2, "buzz": 0.1, "bald": 0.05}  # fmt: skip
_MASCULINE = {"short": 4, "crop": 2, "swept": 2, "undercut": 1.2, "buzz": 1.5, "receding": 0.5,
              "bald": 0.5, "curly": 0.6, "afro": 0.5, "long": 0.3, "wavy": 0.3, "bob": 0.2,
              "bun": 0.1, "tied": 0.1}  # fmt: skip


def sample_colour(rng: np.random.Generator, fair: float = 0.4) -> tuple[float, float, float]:
    """A natural colour, linear albedo; fair: 0..1, how light the person's skin is."""
    names = ("black", "dark brown", "brown", "light brown", "dark blond", "blond", "red")
    dark = np.array([0.80, 0.17, 0.03, 0, 0, 0, 0])
    light = np.array([0.06, 0.24, 0.27, 0.16, 0.13, 0.09, 0.05])
    share = dark + min(max(fair, 0), 1) * (light - dark)
    pair = rng.choice(len(names), p=share / share.sum())
    base = np.log(COLOURS[names[pair]])
    return tuple(np.exp(base + rng.normal(0, 0.15) + rng.normal(0, 0.04, 3)).tolist())


def sample_grey(rng: np.random.Generator, age: float) -> float:
    """The share of grey strands, 0..1: half of the people have half of it by 60 or so."""
    onset = rng.normal(60, 11)
    return float(np.clip(1 / (1 + np.exp((onset - age) / 6)) - 0.03, 0, 1))


def sample(
    rng: np.random.Generator, age: float = 35, feminine: float = 0.5, fair: float = 0.4
) -> HairStyle:
    """Hair of somebody of this age in years; feminine: 0..1, how often styles of women are."""
    weights = dict.fromkeys(STYLES, 0.0)
    for table, share in ((_FEMININE, feminine), (_MASCULINE, 1 - feminine)):
        total = sum(table.values())
        for style, often in table.items():
            weights[style] += share * often / total
    loss = np.clip((age - 25) / 50, 0, 1) * (1 - feminine)
    weights["receding"] += 0.35 * loss
    weights["bald"] += 0.15 * loss
    total = sum(weights.values())
    style = str(rng.choice(STYLES, p=[weights[name] / total for name in STYLES]))
    recession = rng.beta(1.5, 3) * loss + (rng.uniform(0.45, 0.9) if style == "receding" else 0)
    return HairStyle(
        style,
        sample_colour(rng, fair),
        length=float(rng.uniform(0.75, 1.25)),
        part=float(rng.uniform(-0.8, 0.8)),
        fringe=float(rng.uniform(0.2, 0.75)) if rng.random() < 0.35 else 0.0,
        recession=float(min(recession, 1)),
        grey=sample_grey(rng, age),
        seed=int(rng.integers(2**31)),
    )


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors (..., 3) of length 1."""
    return vectors / np.sqrt(np.maximum((vectors * vectors).sum(-1, keepdims=True), 1e-18))


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """``numpy.cross`` takes several times as long."""
    (ax, ay, az), (bx, by, bz) = np.moveaxis(a, -1, 0), np.moveaxis(b, -1, 0)
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], -1)
