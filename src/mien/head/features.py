"""The face of a portrait as a mesh over its photo: skin, eyes, and what is behind the lips."""

from dataclasses import dataclass

import cv2
import numpy as np

from mien.face import BLENDSHAPES
from mien.head.model import MATERIALS, HeadModel
from mien.head.texture import pull_push

SKIN, LEFT_EYE, RIGHT_EYE, TEETH, INNER = range(5)
"""What a triangle of the part is; ``INNER`` is what else is behind the lips."""

BORDER = 14.0  # mm over which the face fades into the sheet
GRAZING = 0.2  # cosine to the line of sight, below which the photo shows little of the skin
NEAR_FEATURES = 16.0  # mm from nose, lips or eyes, where the face never fades
TONGUE_OUT = BLENDSHAPES.index("tongueOut")
ARCH = np.array([0, 0, 55.0])  # mm, the middle of the arches of teeth
TOOTH_SIZE = 6.0  # mm
SKIN_OF_LIDS = 0.55  # of the colour of unfolded lids, which is that of the skin around
OCCLUSION = 2.0  # mm of depth

TOOTH, GUM, TONGUE, THROAT = (
    np.array(colour, np.float32)
    for colour in ((1.0, 0.95, 0.86), (0.66, 0.37, 0.36), (0.72, 0.40, 0.38), (0.46, 0.19, 0.17))
)
"""Colours (linear with the photo's values) under a light that makes skin as bright as 0.62."""


@dataclass(frozen=True, eq=False)
class FacePart:
    """The part of a head that a portrait draws as a mesh.

    model: with these vertices and triangles alone, so that it moves fast.
    kind: (T,) uint8, ``SKIN`` to ``INNER``. vertex_kind: (V,) uint8.
    lips: (V,) bool, skin of the lips; lids: (V,) int8, 0 left, 1 right, -1 elsewhere.
    """

    model: HeadModel
    kind: np.ndarray
    vertex_kind: np.ndarray
    lips: np.ndarray
    lids: np.ndarray
    index: np.ndarray

    @classmethod
    def of(cls, model: HeadModel) -> "FacePart":
        skin = (model.material == MATERIALS.index("face")) & ~model.triangles_of(
            "left_ear", "right_ear", "neck"
        )
        teeth = model.material == MATERIALS.index("teeth")
        inner = model.triangles_of("inner_mouth") & ~teeth
        left, right = model.triangles_of("left_eye"), model.triangles_of("right_eye")
        shown = skin | inner | teeth | left | right
        kinds = [LEFT_EYE, RIGHT_EYE, TEETH, INNER]
        kind = np.select([left, right, teeth, inner], kinds, SKIN)[shown]
        small, index = model.part(shown)
        vertex_kind = np.full(len(small.template), SKIN, np.uint8)
        for value in (INNER, TEETH, LEFT_EYE, RIGHT_EYE, SKIN):
            vertex_kind[small.triangles[kind == value]] = value
        lips = np.zeros(len(small.template), bool)
        lips[small.triangles[small.triangles_of("upper_lip", "lower_lip")]] = True
        lids = np.full(len(small.template), -1, np.int8)
        lids[small.lids.vertices[0]], lids[small.lids.vertices[1]] = 0, 1
        return cls(small, kind.astype(np.uint8), vertex_kind, lips, lids, index)


# -- skin ----------------------------------------------------------------------------------------


def bend(places: np.ndarray, misfit: np.ndarray, points: np.ndarray, smooth: float) -> np.ndarray:
    """A misfit (n, 2) measured at places (n, 3) mm, spread over points (m, 3): (m, 2).

    Interpolation by biharmonic splines; misfits nearer than ``smooth`` mm to each other average.
    """
    apart = np.linalg.norm(places[:, None] - places[None], axis=2)
    count = len(places)
    system = np.zeros((count + 1, count + 1))
    system[:count, :count] = smooth * np.eye(count) - apart
    system[:count, count] = system[count, :count] = 1
    weights = np.linalg.solve(system, np.vstack([misfit, np.zeros((1, 2))]))
    out = np.empty((len(points), 2))
    for start in range(0, len(points), 2000):
        block = points[start : start + 2000]
        apart = np.linalg.norm(block[:, None] - places[None], axis=2)
        out[start : start + 2000] = weights[count] - apart @ weights[:count]
    return out


def seen(facing: np.ndarray, placed: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Which vertices (V,) bool the photo shows.

    facing: (V,) cosine to the line of sight. placed: (V, 3) pixels and depth. depth: (h, w) of
    what is nearest, infinite where nothing is.
    """
    height, width = depth.shape
    near = np.where(np.isfinite(depth), depth, 1e6).astype(np.float32)
    near = cv2.dilate(near, np.ones((3, 3), np.uint8))
    x, y = np.floor(placed[:, :2]).astype(int).T
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    nearest = near[y.clip(0, height - 1), x.clip(0, width - 1)]
    return inside & (facing > 0.05) & (placed[:, 2] <= nearest + OCCLUSION)


def fade(part: FacePart, facing: np.ndarray) -> np.ndarray:
    """How much of a vertex is drawn as face (V,) float32: 0 at the border, 1 from ``BORDER`` on."""
    x = part.model.template
    skin = part.vertex_kind == SKIN
    outside = outer(part) & (facing < GRAZING)
    outside[_rim(part)] = True
    away = (distance_to(x, x[outside]) / BORDER).clip(0, 1)
    away = np.where(skin, away * away * (3 - 2 * away), 1)
    return away.astype(np.float32)


def outer(part: FacePart) -> np.ndarray:
    """The skin (V,) bool that is away from nose, lips and eyes."""
    x = part.model.template
    features = part.model.triangles_of("nose", "upper_lip", "lower_lip", "left_eye", "right_eye")
    features = np.unique(part.model.triangles[features])
    far = distance_to(x, x[features[::3]]) > NEAR_FEATURES
    return (part.vertex_kind == SKIN) & far


def _rim(part: FacePart) -> np.ndarray:
    """The vertices at the outer border of the skin."""
    skin = part.model.triangles[part.kind == SKIN].astype(np.int64)
    edges = np.sort(np.concatenate([skin[:, [0, 1]], skin[:, [1, 2]], skin[:, [2, 0]]]), 1)
    unique, count = np.unique(edges, axis=0, return_counts=True)
    rim = np.unique(unique[count == 1])
    x = part.model.template[rim]
    inner = (
        part.lips[rim]
        | (part.lids[rim] >= 0)
        | (np.abs(x[:, 0]) < 40) & (x[:, 1] > -60) & (x[:, 1] < 70)
    )
    return rim[~inner]


def distance_to(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The distance (n,) of points (n, 3) to the nearest of others (m, 3)."""
    return np.sqrt(_nearest(points, others)[1])


def _nearest(points: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The index of the nearest of ``others`` for each point, and its squared distance."""
    index, squared = np.empty(len(points), int), np.empty(len(points))
    size = (others**2).sum(1)
    for start in range(0, len(points), 1000):
        block = points[start : start + 1000]
        apart = (block**2).sum(1)[:, None] - 2 * block @ others.T + size
        at = apart.argmin(1)
        index[start : start + 1000] = at
        squared[start : start + 1000] = apart[np.arange(len(block)), at]
    return index, squared.clip(0)


def extend(part: FacePart, shown: np.ndarray) -> np.ndarray:
    """For each vertex (V,) the one whose place in the photo it takes: itself where it is shown.

    Hidden skin of lips and lids takes that of the nearest shown skin of the same lip or lid; near
    is measured on a face with mouth and eyes wide open.
    """
    open_wide = part.model.vertices(
        expression={"jawOpen": 0.7, "eyeWideLeft": 1, "eyeWideRight": 1}
    )
    groups = np.zeros(len(shown), int)
    for number, name in enumerate(("upper_lip", "lower_lip"), 1):
        groups[part.model.triangles[part.model.triangles_of(name)]] = number
    out = np.arange(len(shown))
    for group in range(3):
        own = (part.vertex_kind == SKIN) & (groups == group)
        hidden, visible = np.flatnonzero(own & ~shown), np.flatnonzero(own & shown)
        if len(hidden) and len(visible):
            nearest, _ = _nearest(open_wide[hidden], open_wide[visible])
            out[hidden] = visible[nearest]
    return out


# -- behind the lips -----------------------------------------------------------------------------


def inner_colours(part: FacePart, light: np.ndarray, tooth: np.ndarray) -> np.ndarray:
    """Colours (V, 3) float32 of teeth, gums, tongue and, elsewhere, of the throat."""
    model, x = part.model, part.model.template
    teeth, mouth, tongue = (np.zeros(len(x), bool) for _ in range(3))
    teeth[model.triangles[part.kind == TEETH]] = True
    mouth[model.triangles[model.material == MATERIALS.index("mouth")]] = True
    tongue = mouth & (np.abs(model.expression[TONGUE_OUT]).max(1) > 0.5)
    gum = (1 - (distance_to(x, x[teeth]) - 3) / 6).clip(0, 1)[:, None] * mouth[:, None]
    out = (THROAT + gum * (GUM - THROAT)) * light
    out[tongue] = TONGUE * light
    out[teeth] = _outside(x[teeth])[:, None] * tooth
    return out.astype(np.float32)


def _outside(teeth: np.ndarray) -> np.ndarray:
    """How much light (n,) vertices of teeth (n, 3) get: those that face the tongue little."""
    reach = np.linalg.norm((teeth - ARCH)[:, [0, 2]], axis=1)
    near = np.linalg.norm(teeth[:, None] - teeth[None], axis=2) < TOOTH_SIZE
    return (0.85 + (reach - near @ reach / near.sum(1)) / 5).clip(0.4, 1)


def light_of(image: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """The light (3,) on the face, 0..255 for albedo 1, from the photo (h, w, 3) where skin is."""
    pixels = image[skin].astype(np.float32)
    if not len(pixels):
        return np.full(3, 200, np.float32)
    bright = np.percentile(pixels.mean(1), 60)
    colour = np.median(pixels[pixels.mean(1) >= bright * 0.9], 0)
    # Of the skin's own colour little is the light's.
    tint = (colour / max(colour.mean(), 1)) ** 0.15
    return np.minimum(bright / 0.62, 290) * tint


# -- eyes ----------------------------------------------------------------------------------------


def complete_eye(
    photo: np.ndarray, shown: np.ndarray, centre: np.ndarray, radius: float
) -> np.ndarray:
    """An eye without lids: (h, w, 3) float32 of a crop (h, w, 3) float32.

    The iris is completed by the mean colour at each distance from its centre, the white of the eye
    by what is near.

    shown: (h, w) float32, 1 where the photo shows the eye. centre, radius: of the iris, pixels.
    """
    rows, columns = np.indices(shown.shape, np.float32)
    away = np.hypot(columns + 0.5 - centre[0], rows + 0.5 - centre[1]) / max(radius, 1e-3)
    sure = shown > 0.9
    iris, white = sure & (away < 0.95), sure & (away > 1.15)
    colours = photo[white] if white.sum() >= 8 else photo[sure] if sure.any() else photo[:1, 0]
    bright = colours[colours.mean(1) >= np.percentile(colours.mean(1), 75)]
    typical = np.median(bright, 0)
    known = (white & (photo.mean(2) > 0.6 * typical.mean())).astype(np.float32)
    known[:1], known[-1:], known[:, :1], known[:, -1:] = 0, 0, 0, 0
    sclera = pull_push(photo * known[..., None] + typical * (1 - known[..., None]), known)
    sclera = 0.5 * cv2.GaussianBlur(sclera, (0, 0), max(radius * 0.3, 0.8)) + 0.5 * typical
    rings = np.clip(away * 6, 0, 5.999).astype(int)
    profile = np.empty((6, 3), np.float32)
    fallback = np.median(photo[iris], 0) if iris.sum() >= 4 else typical * 0.3
    for ring in range(6):
        own = photo[iris & (rings == ring)]
        profile[ring] = np.median(own, 0) if len(own) >= 3 else fallback
    at = (away * 6 - 0.5).clip(0, 5)
    low = at.astype(int).clip(0, 4)
    disc = profile[low] + (at - low)[..., None] * (profile[low + 1] - profile[low])
    edge = ((1.08 - away) / 0.16).clip(0, 1)[..., None]
    made = sclera + edge * (disc - sclera)
    kept = shown * ((1.35 - away) / 0.3).clip(0, 1)
    return made + kept[..., None] * (photo - made)


def without_eye(photo: np.ndarray, eye: np.ndarray, radius: float) -> np.ndarray:
    """A crop (h, w, 3) float32 with skin where the eye (h, w) bool and its lashes are.

    radius: of the iris, pixels.
    """
    away = cv2.distanceTransform(1 - eye.astype(np.uint8), cv2.DIST_L2, 5) / max(radius, 1)
    bright = photo.mean(2)
    around = (away > 0.4) & (away < 1.6)
    skin = np.median(photo[around], 0) if around.any() else np.ones(3)
    usual = max(float(skin.mean()), 1)
    rows = np.flatnonzero(eye.any(1))
    above = np.arange(len(eye))[:, None] < (np.percentile(rows, 70) if len(rows) else 0)
    pale = ((bright / usual - 0.55) / 0.3).clip(0, 1)
    near = ((1.1 - away) / 0.4).clip(0, 1) * above
    known = (away > np.where(above, 0.4, 0.25)) * (1 - near * (1 - pale))
    known = cv2.GaussianBlur(known.astype(np.float32), (0, 0), 0.7)
    known *= away > 0.25
    filled = cv2.GaussianBlur(pull_push(photo, known**2), (0, 0), max(0.2 * radius, 0.7))
    filled += SKIN_OF_LIDS * (0.95 * skin - filled)  # shade and paint do not stretch with the lid
    return filled + known[..., None] * (photo - filled)


def lashes(part: FacePart) -> np.ndarray:
    """Where the lashes of the lids are, (V,) float32 0..1."""
    model, x = part.model, part.model.template
    out = np.zeros(len(x), np.float32)
    for side in range(2):
        own = part.lids == side
        away = distance_to(x[own], x[model.lids.margin[side]])
        out[own] = np.exp(-((away / 1.2) ** 2))
    return out


def tooth_colour(photo: np.ndarray, mouth: np.ndarray, light: np.ndarray) -> np.ndarray:
    """The colour (3,) of teeth: of those in the photo, where ``mouth`` (h, w) bool shows any."""
    usual = TOOTH * light
    pixels = photo[mouth].astype(np.float32)
    if len(pixels) < 30:
        return usual
    bright = pixels[pixels.mean(1) >= np.percentile(pixels.mean(1), 70)]
    colour = np.median(bright, 0)
    pale = np.ptp(colour) < 0.45 * colour.max() and colour.mean() > 0.45 * usual.mean()
    return colour if pale else usual


def without_mouth(photo: np.ndarray, mouth: np.ndarray, line: float) -> np.ndarray:
    """The photo (h, w, 3) as float32 with lips where ``mouth`` (h, w) bool is, and ``line`` pixels
    around it."""
    out = photo.astype(np.float32)
    rows, columns = (np.flatnonzero(mouth.any(axis)) for axis in (1, 0))
    if not len(rows):
        return out
    margin = int(4 * line) + 4
    top, left = max(rows[0] - margin, 0), max(columns[0] - margin, 0)
    crop = np.s_[top : rows[-1] + margin, left : columns[-1] + margin]
    away = cv2.distanceTransform(1 - mouth[crop].astype(np.uint8), cv2.DIST_L2, 5)
    known = ((away - line) / max(0.5 * line, 0.5)).clip(0, 1)
    filled = pull_push(out[crop], known.astype(np.float32))
    out[crop] = filled + known[..., None] * (out[crop] - filled)
    return out


def eroded(mask: np.ndarray, pixels: float) -> np.ndarray:
    """A soft mask (h, w) float32 that is 0 ``pixels`` within the border of a bool mask."""
    inside = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)
    return ((inside - pixels) / max(pixels, 0.5)).clip(0, 1).astype(np.float32)
