"""Beards and brows: layers of colour on the texture of the face, and ribbons for longer beards.

    albedo = painted(albedo, chart, beard)  # linear, of the chart of the material face
    hair = grow_beard(beard)  # None for stubble: follow and shade it as hair on the scalp
    albedo = with_brows(albedo, chart, Brows(thickness=1.3, colour=COLOURS["black"]))

Where a beard grows is told on the mean head, in mm; the texture carries it to all others.
"""

from dataclasses import dataclass
from functools import cache, lru_cache

import cv2
import numpy as np

from mien.head.model import MATERIALS, REGIONS, HeadModel
from mien.head.shading import vertex_normals
from mien.head.texture import Chart, pull_push, smoothstep
from mien.world.hair import (
    COLOURS,
    Hair,
    azimuths,
    lifted,
    require,
    ribbons,
    scatter,
    strand_albedo,
    unit,
)

STYLES = ("none", "stubble", "moustache", "goatee", "sideburns", "short", "full")
_LENGTHS = {"moustache": 8.0, "goatee": 13.0, "sideburns": 7.0, "short": 7.0, "full": 24.0}
_COUNTS = {"moustache": 1300, "goatee": 1900, "sideburns": 900, "short": 3000, "full": 3000}
SEGMENTS = 3  # of a ribbon


@dataclass(frozen=True, slots=True)
class Beard:
    """What a beard looks like.

    style: of ``STYLES``. colour: (3,) linear albedo. density: 0..1. length: 0.5..1.5 of the
    style's. grey: 0..1, the share of hairs without colour. seed: of the single hairs.

    Raises ValueError for values beyond these.
    """

    style: str = "stubble"
    colour: tuple[float, float, float] = COLOURS["dark brown"]
    density: float = 0.8
    length: float = 1.0
    grey: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.style not in STYLES:
            raise ValueError(f"beard: style is one of {', '.join(STYLES)}, not {self.style!r}")
        limits = {"density": (0, 1), "length": (0.5, 1.5), "grey": (0, 1), "colour": (0, 1)}
        require("beard", self, limits)


@dataclass(frozen=True, slots=True)
class Brows:
    """What brows look like.

    thickness: 0.4..1.8 of the mean. density: 0..1. arch: -1..1, flat to high. colour: (3,) linear
    albedo. own: 0..1, how much of the brows that the texture has stays under them.

    Raises ValueError for values beyond these.
    """

    thickness: float = 1.0
    density: float = 0.8
    arch: float = 0.0
    colour: tuple[float, float, float] = COLOURS["dark brown"]
    own: float = 0.3
    seed: int = 0

    def __post_init__(self) -> None:
        limits = {"thickness": (0.4, 1.8), "density": (0, 1), "arch": (-1, 1), "own": (0, 1),
                  "colour": (0, 1)}  # fmt: skip
        require("brows", self, limits)


# -- beards ----------------------------------------------------------------------------------------

# Height in mm of the upper edge on the cheek and of the lower one on the neck, by azimuth.
_CHEEK = (0, 16, 22, 32, 46, 58, 64, 70, 74), (-44, -42, -33, -29, -22, -8, 10, 12, 4)
_NECK = (0, 30, 50, 62, 70, 76), (-90, -84, -69, -50, -34, -8)
# Height of the upper edge of a moustache by distance from the middle.
_MOUSTACHE = (0, 9, 17, 25, 33, 38), (-11, -10, -11, -16, -26, -42)


def extent(places: np.ndarray, style: str) -> np.ndarray:
    """How far, mm, places (..., 3) on the mean head lie inside a beard; negative outside."""
    x, y = np.abs(places[..., 0]), places[..., 1]
    azimuth = azimuths(places)
    jaw = np.minimum(np.interp(azimuth, *_CHEEK) - y, y - np.interp(azimuth, *_NECK))
    jaw = np.minimum(jaw, (74 - azimuth) * 1.3)
    front = np.minimum(0, places[..., 2] - 76)
    lip = np.minimum(np.interp(x, *_MOUSTACHE) - y, np.minimum(y + 37, 36 - x)) + front
    corner = np.minimum(np.minimum(x - 25, 38 - x), np.minimum(-24 - y, y + 60)) + front
    chin = np.minimum(np.minimum(31 - x, -44 - y), y + 88) + front
    parts = {
        "none": [np.full(x.shape, -50.0)],
        "moustache": [lip],
        "goatee": [lip, corner, chin],
        "sideburns": [np.minimum(jaw, np.minimum(azimuth - 57, (y + 36) / 2))],
    }
    return np.max(parts.get(style, [lip, corner, jaw]), axis=0)


@cache
def _inside(style: str) -> np.ndarray:
    """Millimetres (V,) that vertices lie inside a beard; lips are outside."""
    model = HeadModel.bundled()
    inside = extent(model.template.astype(np.float64), style)
    return np.minimum(inside, _lip_distance() - 2.5).astype(np.float32)


@cache
def _lip_distance() -> np.ndarray:
    """Millimetres (V,) from the lips' red."""
    model = HeadModel.bundled()
    lips = np.unique(model.triangles[model.triangles_of("upper_lip", "lower_lip")])
    skin = np.unique(model.triangles[model.material == MATERIALS.index("face")])
    red = lips[model.template[lips, 2] > 95]
    away = np.full(len(model.template), 1e3, np.float32)
    near = skin[np.abs(model.template[skin] - [0, -32, 110]).max(1) < 60]
    apart = model.template[near][:, None] - model.template[red][None]
    away[near] = np.sqrt((apart**2).sum(2)).min(1)
    away[red] = -3
    return away


def beard_mask(chart: Chart, beard: Beard) -> np.ndarray:
    """How much (size, size) float32, 0..1, the skin has the beard's colour; chart: of the face."""
    inside = chart.of_vertices(_inside(beard.style)[:, None])[..., 0]
    soft = 9 if beard.style in ("stubble", "short", "full") else 5
    strength = 0.5 if beard.style == "stubble" else 0.8
    grain = _strokes(chart.size, 0.7, 0.7 if beard.style == "stubble" else 2.2, beard.seed)
    mask = strength * beard.density * smoothstep((inside + 1) / soft) * (0.85 + 0.3 * grain)
    return (mask.clip(0, 1) * chart.covered).astype(np.float32)


def _strokes(size: int, across: float, along: float, seed: int) -> np.ndarray:
    """Noise (size, size) of deviation 1, of hairs that run down; texels at a size of 512."""
    noise = np.random.default_rng([seed, 5]).normal(size=(size, size)).astype(np.float32)
    scale = size / 512
    noise = cv2.GaussianBlur(
        noise, (0, 0), max(across * scale, 0.3), sigmaY=max(along * scale, 0.3)
    )
    return noise / noise.std()


def beard_colour(beard: Beard) -> np.ndarray:
    """Linear albedo (3,) of skin full of a beard's roots."""
    return _greyed(beard.colour, beard.grey) * 0.75


def _greyed(colour: tuple[float, float, float], grey: float) -> np.ndarray:
    return (1 - grey) * np.array(colour) + grey * 0.7 * np.array(COLOURS["white"])


def painted(albedo: np.ndarray, chart: Chart, beard: Beard) -> np.ndarray:
    """Linear albedo (size, size, 3) of the face with a beard's layer on it."""
    if beard.style == "none":
        return albedo.astype(np.float32)
    mask = beard_mask(chart, beard)[..., None]
    return (albedo + mask * (beard_colour(beard) - albedo)).astype(np.float32)


def grow_beard(beard: Beard) -> Hair | None:
    """Ribbons of a beard on the mean head; None where the layer on the skin is all.

    Give ``follow`` the head with its expression, so that the beard moves with the jaw.
    """
    if beard.style not in _LENGTHS or beard.density < 0.05:
        return None
    model = HeadModel.bundled()
    rng = np.random.default_rng([beard.seed, 6])
    inside = _inside(beard.style)
    face = model.triangles[model.material == MATERIALS.index("face")]
    count = int(_COUNTS[beard.style] * (0.3 + 0.7 * beard.density))
    corners, weights = scatter(face[inside[face].max(1) > 0], model.template, count, rng)
    depth = (inside[corners] * weights).sum(1)
    kept = depth > rng.exponential(1.2, count)
    corners, weights, depth = corners[kept], weights[kept], depth[kept]
    lines, facing = _grown(beard, model, corners, weights, depth, rng)
    points = lines.shape[1]
    anchors = tuple(np.repeat(v[:, None], points, 1) for v in (corners, weights))
    openness = np.linspace(0.45, 1, points) * rng.uniform(0.75, 1, (len(lines), 1))
    albedo = strand_albedo(len(lines), points, beard.colour, beard.grey, rng)
    outwards = np.repeat(facing[:, None], points, 1)
    assert len(anchors) == 2
    return ribbons(lines, outwards, openness, anchors, 1.7, albedo, rng)


def _grown(
    beard: Beard,
    model: HeadModel,
    corners: np.ndarray,
    weights: np.ndarray,
    depth: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Hairs (n, SEGMENTS + 1, 3) that lie down on the skin, and its normals (n, 3)."""
    normals = vertex_normals(model.template, model.triangles)
    roots = np.einsum("nkc,nk->nc", model.template[corners], weights)
    facing = unit(np.einsum("nkc,nk->nc", normals[corners], weights))
    side = np.clip(roots[:, 0] / 12, -1, 1)
    on_lip = (np.abs(roots[:, 0]) < 34) & (roots[:, 1] > -36)
    down = np.column_stack(
        [np.where(on_lip, side, 0.2 * side), np.full(len(roots), -0.8), 0 * side]
    )
    down = down - (down * facing).sum(1, keepdims=True) * facing
    reach = _LENGTHS[beard.style] * beard.length * rng.uniform(0.6, 1.15, len(roots))
    reach *= 0.45 + 0.55 * smoothstep(depth / 9)
    chin = smoothstep((-38 - roots[:, 1]) / 30) * smoothstep((roots[:, 2] - 40) / 40)
    reach *= (0.6 + 0.6 * chin) * (
        1 - 0.6 * smoothstep((-79 - roots[:, 1]) / 8)
    )  # less on the neck
    reach = np.where(on_lip, np.minimum(reach, 6.5), reach)  # or it would hang into the mouth
    heading = unit(0.5 * facing + unit(down) + rng.normal(0, 0.22, roots.shape))
    line = [roots]
    for _ in range(SEGMENTS):
        line.append(line[-1] + heading * (reach / SEGMENTS)[:, None])
        heading = unit(heading + 0.12 * facing + [0, -0.15, 0])
    lines = np.stack(line, 1)
    front = azimuths(roots) < 58  # farther back the ears are the outermost skin
    lines[front, 1:] = lifted(lines[front, 1:], 14.0)
    return lines.astype(np.float32), facing


# -- brows -----------------------------------------------------------------------------------------

# Along a brow, mm from the middle of the face: height of its middle, and half its thickness.
_ALONG = (11, 15, 25, 35, 43, 51, 59)
_HEIGHT = (53.5, 54.5, 57.0, 58.8, 58.6, 55.3, 50.0)
_HALF = (1.2, 3.4, 3.9, 3.6, 2.9, 2.1, 0.5)


def brow_mask(chart: Chart, brows: Brows) -> np.ndarray:
    """How much (size, size) float32, 0..1, the skin has the brows' colour; chart: of the face."""
    places = _places(chart)
    x, y = np.abs(places[..., 0]), places[..., 1]
    middle = np.interp(x, _ALONG, _HEIGHT) + 2.5 * brows.arch * np.exp(-(((x - 43) / 11) ** 2))
    half = brows.thickness * np.interp(x, _ALONG, _HALF, 0, 0)
    grain = _strokes(chart.size, 1.6, 0.8, brows.seed)
    mask = smoothstep((half - np.abs(y - middle) + 0.5 * grain) / 2.2 + 0.4)
    mask *= (half > 0.2) * (places[..., 2] > 60) * (0.85 + 0.15 * grain)
    return (brows.density * mask.clip(0, 1) * chart.covered).astype(np.float32)


@lru_cache(maxsize=4)
def _places(chart: Chart) -> np.ndarray:
    """Where (size, size, 3) mm on the mean head texels are."""
    return chart.of_vertices(chart.model.template)


def with_brows(albedo: np.ndarray, chart: Chart, brows: Brows) -> np.ndarray:
    """Linear albedo (size, size, 3) of the face with these brows, and less of its own."""
    there, beside = _own_brows(chart)
    skin = pull_push(albedo.astype(np.float32), beside)
    albedo = albedo + ((1 - brows.own) * there)[..., None] * (skin - albedo)
    mask = brow_mask(chart, brows)[..., None]
    return (albedo + mask * (np.array(brows.colour) * 0.55 - albedo)).astype(np.float32)


@lru_cache(maxsize=4)
def _own_brows(chart: Chart) -> tuple[np.ndarray, np.ndarray]:
    """Where brows of portraits are, with a soft edge, and where skin is; (size, size) 0..1 each."""
    regions = [REGIONS.index(name) for name in ("right_brow", "left_brow")]
    there = np.isin(chart.of_triangles(chart.region, 255), regions).astype(np.uint8)
    wide = max(1, round(chart.size / 90))
    grown = cv2.dilate(there, np.ones((2 * wide + 1, 2 * wide + 1), np.uint8)).astype(np.float32)
    there = cv2.GaussianBlur(grown, (0, 0), wide / 1.5)
    return there, (chart.covered * (there < 0.02)).astype(np.float32)
