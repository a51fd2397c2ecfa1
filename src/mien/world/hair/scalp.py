"""Where hair grows: the hairline, roots, and the colour of the skin below."""

from functools import cache, lru_cache

import cv2
import numpy as np

from mien.head.model import MATERIALS, REGIONS, HeadModel
from mien.head.shading import vertex_normals
from mien.head.texture import Chart, pull_push, smoothstep
from mien.world.hair.style import COLOURS, KNOT, HairStyle, receded
from mien.world.hair.vectors import unit

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
    inside[some] = hairline(x[some], receded(hair)) + _ragged(x[some], hair.seed)
    return inside


@cache
def _growing() -> np.ndarray:
    """The vertices that hair may grow on."""
    return np.unique(_scalp()[0])


def roots_of(
    hair: HairStyle, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
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


@lru_cache(maxsize=2)  # a person with and without a beard has the same on both charts
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
