"""Hair for people who were never photographed: ribbons of strands, grown from the scalp.

A style is grown on the mean head once per person: roots on the scalp, each a ribbon that leaves the
skin along its normal, is combed, falls, curls, and keeps out of the head. Ribbons follow the head
rigidly. They are plain triangles with a colour and a tangent per vertex, drawn and lit with the
head (Kajiya and Kay, "Rendering fur with three dimensional textures", SIGGRAPH 1989).
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from mien.head.model import REGIONS, HeadModel
from mien.head.shading import vertex_normals

STYLES = ("bald", "buzz", "short", "swept", "bob", "long", "curly", "afro", "tied")
SEGMENTS = 8  # of a ribbon
WIDTH = 2.6  # mm of a ribbon at its root
COLOURS = {
    "black": (0.012, 0.010, 0.009), "dark brown": (0.030, 0.018, 0.012),
    "brown": (0.065, 0.038, 0.022), "light brown": (0.13, 0.080, 0.045),
    "blond": (0.30, 0.21, 0.115), "red": (0.17, 0.058, 0.022), "grey": (0.24, 0.235, 0.23),
    "white": (0.55, 0.54, 0.52),
}  # fmt: skip
"""Linear albedo by name."""

_SHAPES = {  # length mm, ribbons, curl mm, lift, fall, comb (x by side, y, z)
    "buzz": (7.0, 2600, 0.0, 1.0, 0.0, (0.0, -0.2, 0.3)),
    "short": (34.0, 2200, 1.5, 0.55, 0.35, (0.1, -0.1, 0.35)),
    "swept": (60.0, 2000, 1.5, 0.6, 0.35, (0.5, 0.1, -0.55)),
    "bob": (150.0, 1900, 2.0, 0.5, 1.0, (0.55, -0.2, -0.15)),
    "long": (290.0, 1900, 4.0, 0.45, 1.1, (0.55, -0.2, -0.2)),
    "curly": (130.0, 1900, 11.0, 0.8, 0.65, (0.45, 0.0, -0.1)),
    "afro": (62.0, 2600, 7.0, 1.0, 0.03, (0.0, 0.0, 0.0)),
    "tied": (85.0, 2000, 0.5, 0.3, 0.0, (0.15, 0.25, -1.0)),
}


@dataclass(frozen=True, slots=True, eq=False)
class Hair:
    """Ribbons on the mean head.

    vertices: (n, 3) float32 mm. triangles: (m, 3) int32. tangents: (n, 3) float32, unit, from root
    to tip. shade: (n,) float32, 0..1.3, how light the strand is: less at the root and deep inside.
    """

    vertices: np.ndarray
    triangles: np.ndarray
    tangents: np.ndarray
    shade: np.ndarray


@dataclass(frozen=True, slots=True)
class HairStyle:
    """What hair looks like.

    style: of ``STYLES``. colour: (3,) linear albedo. length: 0.6..1.4 of the style's. part: -1..1,
    where hair is parted, 0 the middle. fringe: 0..1, how far it falls into the forehead.
    hairline: -1..1, higher is a higher forehead. seed: of the single strands.
    """

    style: str = "short"
    colour: tuple[float, float, float] = COLOURS["brown"]
    length: float = 1.0
    part: float = 0.3
    fringe: float = 0.0
    hairline: float = 0.0
    seed: int = 0


def grow(hair: HairStyle) -> Hair | None:
    """The ribbons of a style; None for a bald head."""
    if hair.style == "bald":
        return None
    length, count, curl, lift, fall, comb = _SHAPES[hair.style]
    rng = np.random.default_rng(hair.seed)
    roots, normals = _roots(hair, count, rng)
    line = _lines(hair, roots, normals, length, curl, lift, fall, np.array(comb), rng)
    return _ribbons(line, roots, rng)


@cache
def _scalp() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Triangles (t, 3) of the scalp and the upper forehead, and vertices and normals (V, 3)."""
    model = HeadModel.bundled()
    x = model.template
    corners = x[model.triangles]
    centre = corners.mean(1)
    upper = (model.region == REGIONS.index("hair")) & (model.material == 1)
    above = (model.region == REGIONS.index("skin")) & (model.material == 0)
    above &= (centre[:, 1] > 78) | ((centre[:, 2] < 62) & (centre[:, 1] > 2))
    above &= centre[:, 2] < 118
    return model.triangles[upper | above], x, vertex_normals(x, model.triangles)


def _roots(hair: HairStyle, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Places (n, 3) and normals (n, 3) of roots, even over the part of the scalp with hair."""
    triangles, x, normals = _scalp()
    corners = x[triangles]
    area = np.linalg.norm(
        np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1
    )
    chosen = rng.choice(len(triangles), 2 * count, p=area / area.sum())
    weights = rng.dirichlet((1, 1, 1), 2 * count)[..., None]
    places = (corners[chosen] * weights).sum(1)
    facing = (normals[triangles[chosen]] * weights).sum(1)
    # The hairline: lower at the temples than in the middle, ragged by a few millimetres.
    middle = np.exp(-((places[:, 0] / 42) ** 2))
    line = 84 + 9 * hair.hairline + 6 * middle - 0.1 * np.abs(places[:, 0])
    front = (places[:, 2] > 58) & (places[:, 1] < line + rng.normal(0, 2.5, len(places)))
    ears = (np.abs(places[:, 0]) > 66) & (places[:, 1] < 14) & (places[:, 2] > -18)
    nape = places[:, 1] < -38 + 0.1 * np.abs(places[:, 0])
    kept = np.flatnonzero(~(front | ears | nape))[:count]
    return places[kept], facing[kept] / np.linalg.norm(facing[kept], axis=1, keepdims=True)


def _lines(
    hair: HairStyle,
    roots: np.ndarray,
    normals: np.ndarray,
    length: float,
    curl: float,
    lift: float,
    fall: float,
    comb: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Strands (n, SEGMENTS + 1, 3): each a walk from its root, pushed out of the head."""
    count = len(roots)
    parted = hair.part * 45
    side = np.tanh((roots[:, 0] - parted) / 12)
    combed = np.column_stack([comb[0] * side, np.full(count, comb[1]), np.full(count, comb[2])])
    front = (roots[:, 2] > 40)[:, None]
    forwards = np.array([0.25, -0.5, 0.9]) * np.column_stack([side, np.ones(count), np.ones(count)])
    combed = np.where(front, combed + 1.3 * hair.fringe * forwards, combed)
    lengths = length * hair.length * rng.uniform(0.85, 1.1, count)
    if hair.style not in ("buzz", "afro", "tied"):  # shorter where it would hang into the face
        lengths = np.where(front[:, 0], lengths * (0.45 + 0.35 * np.abs(side)), lengths)
    if hair.style == "tied":
        lengths = np.maximum(20.0, np.linalg.norm(roots - [0, 55, -115], axis=1) * 1.05)
    step = lengths / SEGMENTS
    phase, twist = rng.uniform(0, 2 * np.pi, count), rng.uniform(0.7, 1.4, count)
    line = np.empty((count, SEGMENTS + 1, 3))
    line[:, 0] = roots
    heading = lift * normals + 0.6 * combed + rng.normal(0, 0.12, (count, 3))
    for s in range(1, SEGMENTS + 1):
        t = s / SEGMENTS
        heading += 0.55 * combed * (1 - t) + np.array([0, -fall * 0.75, 0])
        if hair.style == "tied":
            heading = np.array([0, 55, -115]) - line[:, s - 1] + 8 * normals
        heading /= np.linalg.norm(heading, axis=1, keepdims=True)
        place = line[:, s - 1] + heading * step[:, None]
        angle = phase + twist * (1.1 * s if curl > 5 else 0.5 * s)
        place[:, 0] += curl * 0.35 * np.cos(angle)
        place[:, 2] += curl * 0.35 * np.sin(angle)
        line[:, s] = _outside(place, 3.0 + 5.0 * t * lift + rng.uniform(0, 5, count))
    return line


SKULL, RADII = np.array([0.0, 42.0, -2.0]), np.array([80.0, 100.0, 104.0])
NECK, NECK_RADII = np.array([0.0, -85.0, -22.0]), np.array([66.0, 1e9, 62.0])


def _outside(places: np.ndarray, above: np.ndarray) -> np.ndarray:
    """Places pushed out of skull and neck, at least ``above`` mm off."""
    for centre, radii in ((SKULL, RADII), (NECK, NECK_RADII)):
        arm = (places - centre) / radii
        if centre is NECK:
            arm[:, 1] = 0
        away = np.linalg.norm(arm, axis=1)
        least = 1 + above / 90
        inside = (away < least) & ((centre is SKULL) | (places[:, 1] < -30))
        push = np.where(inside, least / np.maximum(away, 1e-6) - 1, 0)[:, None]
        places = places + push * arm * np.where(np.isfinite(radii), radii, 0)
    return places


def _ribbons(line: np.ndarray, roots: np.ndarray, rng: np.random.Generator) -> Hair:
    count, points = line.shape[:2]
    tangent = np.gradient(line, axis=1)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=2, keepdims=True), 1e-9)
    outwards = line - SKULL
    across = np.cross(tangent, outwards)
    across /= np.maximum(np.linalg.norm(across, axis=2, keepdims=True), 1e-9)
    taper = (
        WIDTH
        * np.linspace(1, 0.45, points)[None, :, None]
        * rng.uniform(0.6, 1.4, count)[:, None, None]
    )
    vertices = np.stack([line - across * taper / 2, line + across * taper / 2], 2)
    first = np.arange(count)[:, None] * points * 2 + np.arange(points - 1)[None] * 2
    a, b, c, d = first, first + 1, first + 2, first + 3
    triangles = np.stack([np.stack([a, b, c], -1), np.stack([b, d, c], -1)], 2).reshape(-1, 3)
    depth = np.linalg.norm((line - SKULL) / RADII, axis=2)
    deep = ((depth - 1.0) / 0.14).clip(0, 1)
    strand = rng.normal(1, 0.16, count).clip(0.6, 1.5)[:, None]
    along = np.linspace(0.75, 1.05, points)[None]
    shade = np.repeat((0.45 + 0.55 * deep) * strand * along, 2, axis=1)
    return Hair(
        vertices.reshape(-1, 3).astype(np.float32),
        triangles.astype(np.int32),
        np.repeat(tangent.reshape(-1, 3), 2, 0).astype(np.float32),
        shade.reshape(-1).astype(np.float32),
    )
