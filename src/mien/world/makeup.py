"""Make-up, age and the small things of skin, painted into the texture of the face.

Everything is a layer in the texture space of the material ``face``: a mask (s, s) 0..1, a colour
and an opacity. Places come from the landmarks' places in the texture, so a layer lies where it
should on everybody. Albedos are linear (s, s, 3) float32; no function changes what it is given.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache

import cv2
import numpy as np

from mien import face
from mien.head.colour import luminance
from mien.head.model import MATERIALS, HeadModel
from mien.head.texture import Chart, smoothstep

MM = 310.0  # millimetres across the texture, near the eyes and the mouth
PATTERNS = ("none", "stripes", "bands", "halves", "dots", "tiger", "mask", "hearts", "dazzle")
FINISHES = ("matte", "satin", "gloss")
LIPSTICKS = ((0.42, 0.02, 0.03), (0.30, 0.02, 0.06), (0.55, 0.10, 0.12), (0.14, 0.01, 0.02),
             (0.50, 0.18, 0.14), (0.62, 0.09, 0.24), (0.24, 0.05, 0.12), (0.03, 0.015, 0.02),
             (0.60, 0.13, 0.05))  # fmt: skip
SHADOWS = ((0.10, 0.05, 0.03), (0.03, 0.03, 0.035), (0.25, 0.13, 0.07), (0.16, 0.04, 0.12),
           (0.04, 0.07, 0.20), (0.03, 0.14, 0.09), (0.45, 0.25, 0.10), (0.50, 0.22, 0.24),
           (0.55, 0.48, 0.38), (0.05, 0.22, 0.25))  # fmt: skip
PAINTS = (
    (0.75, 0.03, 0.03),
    (0.02, 0.08, 0.55),
    (0.02, 0.35, 0.08),
    (0.85, 0.70, 0.03),
    (0.85, 0.85, 0.85),
    (0.015, 0.015, 0.015),
    (0.75, 0.25, 0.02),
    (0.35, 0.03, 0.45),
)

Colour = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Makeup:
    """What somebody wears; every amount is an opacity 0..1, 0 is without it.

    Colours are linear. finish: of ``FINISHES``. shadows: one to three colours: on the lid, in the
    outer corner, under the brow. liner_width, wing: mm, the latter how far the eyeliner goes on
    beyond the eye. tone: factor that foundation puts on the skin. pattern: face paint, of
    ``PATTERNS``, with its colours. seed: of strokes and patterns.
    """

    lipstick: float = 0.0
    lip_colour: Colour = LIPSTICKS[0]
    finish: str = "satin"
    lip_liner: float = 0.0
    eye_shadow: float = 0.0
    shadows: tuple[Colour, ...] = SHADOWS[:1]
    eyeliner: float = 0.0
    liner_colour: Colour = (0.01, 0.008, 0.008)
    liner_width: float = 1.2
    wing: float = 3.0
    lower_liner: float = 0.0
    mascara: float = 0.0
    blush: float = 0.0
    blush_colour: Colour = (0.55, 0.12, 0.12)
    foundation: float = 0.0
    tone: float = 1.0
    contour: float = 0.0
    highlight: float = 0.0
    brow: float = 0.0
    brow_colour: Colour = (0.03, 0.018, 0.012)
    pattern: str = "none"
    paint: float = 0.0
    paint_colours: tuple[Colour, ...] = PAINTS[:2]
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class MadeUp:
    """A made-up face.

    albedo: (s, s, 3). gloss: (s, s) float32, a factor on how much the skin shines, 1 for bare skin.
    layers: the mask (s, s) float32 0..1 of everything that is worn, opacity included, by name.
    """

    albedo: np.ndarray
    gloss: np.ndarray
    layers: dict[str, np.ndarray]


def sample(rng: np.random.Generator) -> Makeup:
    """Somebody's make-up: often a little, sometimes a lot, rarely paint."""
    boldness = rng.beta(1.6, 2.2)

    def amount(chance: float, low: float, high: float) -> float:
        worn = rng.random() < chance
        return float(worn * (low + (high - low) * boldness * rng.uniform(0.6, 1.0)))

    colours = rng.permutation(len(SHADOWS))[: rng.integers(1, 4)]
    skin_paint = rng.random() < 0.08
    return Makeup(
        lipstick=amount(0.7, 0.25, 1.0),
        lip_colour=_varied(LIPSTICKS[rng.integers(len(LIPSTICKS))], rng),
        finish=FINISHES[rng.integers(len(FINISHES))],
        lip_liner=amount(0.25, 0.2, 0.7),
        eye_shadow=amount(0.55, 0.2, 0.9),
        shadows=tuple(_varied(SHADOWS[i], rng) for i in colours),
        eyeliner=amount(0.5, 0.4, 1.0),
        liner_colour=(0.01, 0.008, 0.008) if rng.random() < 0.8 else SHADOWS[rng.integers(3, 6)],
        liner_width=float(rng.uniform(0.7, 1.0 + 1.8 * boldness)),
        wing=float(rng.choice([0.0, 1.0]) * rng.uniform(2, 8)),
        lower_liner=amount(0.25, 0.2, 0.8),
        mascara=amount(0.6, 0.4, 0.9),
        blush=amount(0.5, 0.1, 0.4),
        blush_colour=_varied((0.55, 0.13, 0.13), rng),
        foundation=amount(0.6, 0.3, 0.9),
        tone=float(np.exp(rng.normal(0, 0.06))),
        contour=amount(0.3, 0.15, 0.5),
        highlight=amount(0.3, 0.15, 0.5),
        brow=amount(0.4, 0.2, 0.8),
        pattern=str(rng.choice(PATTERNS[1:])) if skin_paint else "none",
        paint=float(skin_paint * rng.uniform(0.6, 0.97)),
        paint_colours=tuple(PAINTS[i] for i in rng.permutation(len(PAINTS))[:3]),
        seed=int(rng.integers(2**31)),
    )


def _varied(colour: Colour, rng: np.random.Generator) -> Colour:
    red, green, blue = np.clip(np.array(colour) * np.exp(rng.normal(0, 0.18, 3)), 0.004, 0.9)
    return float(red), float(green), float(blue)


def apply(albedo: np.ndarray, makeup: Makeup) -> MadeUp:
    """Put make-up on a face (s, s, 3); one that is all zero leaves the albedo as it is.

    Raises ValueError for an unknown finish or pattern, and an albedo that is not square.
    """
    size = _side(albedo)
    if makeup.finish not in FINISHES:
        raise ValueError(f"finish: one of {', '.join(FINISHES)}, not {makeup.finish!r}")
    if makeup.pattern not in PATTERNS:
        raise ValueError(f"pattern: one of {', '.join(PATTERNS)}, not {makeup.pattern!r}")
    layers = masks(makeup, size)
    out, gloss = albedo.astype(np.float32, copy=True), np.ones((size, size), np.float32)
    if "foundation" in layers:
        out = _even(out, layers["foundation"], makeup.tone)
        gloss *= 1 - 0.45 * layers["foundation"]
    for name, shade in (("contour", (0.62, 0.56, 0.55)), ("highlight", (1.3, 1.27, 1.22))):
        if name in layers:  # in relation to the skin, whatever its colour
            out *= 1 + layers[name][..., None] * (np.array(shade, np.float32) - 1)
    gloss *= 1 + 1.5 * layers.get("highlight", np.float32(0))
    for name, colour in _colours(makeup).items():
        if name in layers:
            _over(out, layers[name], np.array(colour, np.float32), _COVER.get(name, 1.0))
    if "lipstick" in layers:
        shine = {"matte": -0.85, "satin": 0.4, "gloss": 3.0}[makeup.finish]
        gloss *= 1 + shine * layers["lipstick"]
    if "paint" in layers:
        coats = _pattern(makeup, size)
        for coat, colour in zip(coats, makeup.paint_colours, strict=False):
            _over(out, coat * makeup.paint, np.array(colour, np.float32), 1.0)
        gloss *= 1 - 0.6 * layers["paint"]
    return MadeUp(out, gloss.astype(np.float32), layers)


_COVER = {"blush": 0.35}  # how much of what is under a layer it hides; the rest it tints


def _colours(makeup: Makeup) -> dict[str, Colour]:
    """The colour of each plain layer, in the order in which they are put on."""
    shadows = {
        f"eye_shadow_{place}": colour
        for place, colour in zip(("lid", "corner", "brow"), makeup.shadows, strict=False)
    }
    red, green, blue = makeup.lip_colour
    return {
        "blush": makeup.blush_colour, **shadows, "brow": makeup.brow_colour,
        "mascara": (0.008, 0.007, 0.007), "lower_liner": makeup.liner_colour,
        "eyeliner": makeup.liner_colour, "lipstick": makeup.lip_colour,
        "lip_liner": (0.6 * red, 0.6 * green, 0.6 * blue),
    }  # fmt: skip


def _over(under: np.ndarray, mask: np.ndarray, colour: np.ndarray, cover: float) -> None:
    """A pigment over the skin, in place. It keeps some of the relief: light and dark of detail."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    skin = under[box]
    light = luminance(skin)
    smooth = cv2.GaussianBlur(light, (0, 0), max(1.0, len(under) / 100))
    detail = (light / np.maximum(smooth, 1e-4)).clip(0.6, 1.5)[..., None]
    tint = skin * (colour / max(float(colour.max()), 1e-4)) ** 0.8
    pigment = cover * colour * detail + (1 - cover) * tint
    under[box] += mask[box][..., None] * (pigment - skin)


def _even(albedo: np.ndarray, mask: np.ndarray, tone: float) -> np.ndarray:
    """Foundation: spots, shadows under the eyes and blotches go, the fine grain stays a little."""
    size = len(albedo)
    small = min(size, 128)
    known = cv2.resize((mask > 0).astype(np.float32), (small, small), interpolation=cv2.INTER_AREA)
    colour = cv2.resize(albedo, (small, small), interpolation=cv2.INTER_AREA)
    weight = cv2.GaussianBlur(known, (0, 0), small / 28)
    smooth = cv2.GaussianBlur(colour * known[..., None], (0, 0), small / 28)
    smooth /= np.maximum(weight, 1e-3)[..., None]
    smooth = cv2.resize(smooth, (size, size), interpolation=cv2.INTER_LINEAR)
    grain = albedo - cv2.GaussianBlur(albedo, (0, 0), max(0.6, size / 260))
    covered = tone * (smooth + 0.5 * grain)
    return albedo + 0.85 * mask[..., None] * (covered - albedo)


# -- where things are ------------------------------------------------------------------------------


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
class _Map:
    """The texture as a map: x, y in mm from its top left corner; which texels are of what."""

    size: int
    x: np.ndarray
    y: np.ndarray
    points: np.ndarray  # (478, 2) mm
    skin: np.ndarray  # (s, s) float32, 1 on the face without lips and ears, soft at eyes and neck
    lips: np.ndarray

    @classmethod
    @cache
    def of(cls, size: int) -> "_Map":
        model = HeadModel.bundled()
        chart = Chart(model, "face", size)
        skin = model.triangles_of("skin", "nose", "right_brow", "left_brow")
        at = (np.arange(size, dtype=np.float32) + 0.5) * (MM / size)
        uv = places(model)
        points = np.column_stack([uv[:, 0], 1 - uv[:, 1]]) * MM
        on = _soft(chart.of_triangles(skin[model.material == 0]), size, 1.2)
        here = cls(size, at[None, :], at[:, None], points.astype(np.float32), on, on)
        lips = here.filled(_curve([*_closed(points[face.LIPS_OUTER])], 120), 0.7)
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
        return _soft(canvas / 255, self.size, soft)


def _closed(ring: np.ndarray) -> np.ndarray:
    return np.vstack([ring, ring[:1]])


def _soft(mask: np.ndarray, size: int, mm: float) -> np.ndarray:
    sigma = max(0.35, mm * size / MM)
    return cv2.GaussianBlur(np.asarray(mask, np.float32), (0, 0), sigma)


def _side(albedo: np.ndarray) -> int:
    if albedo.ndim != 3 or albedo.shape[0] != albedo.shape[1] or albedo.shape[2] != 3:
        raise ValueError(f"albedo: an (s, s, 3) array, not {albedo.shape}")
    return albedo.shape[0]


@dataclass(frozen=True, slots=True, eq=False)
class _Eye:
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
def _eyes(size: int) -> tuple[_Eye, _Eye]:
    here = _Map.of(size)
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
        out.append(_Eye(full, above, below, above / to_brow, width))
    return out[0], out[1]


def _level(here: _Map, line: np.ndarray) -> np.ndarray:
    """The height (1, s) mm of a line over every column."""
    order = np.argsort(line[:, 0])
    return np.interp(here.x[0], line[order, 0], line[order, 1]).astype(np.float32)[None]


# -- layers ----------------------------------------------------------------------------------------


def masks(makeup: Makeup, size: int) -> dict[str, np.ndarray]:
    """Where what is worn lies, (size, size) float32 0..1 by name, opacity included."""
    out: dict[str, np.ndarray] = {}
    for name, make in _LAYERS.items():
        opacity = float(getattr(makeup, name))
        if not 0 <= opacity <= 1:
            raise ValueError(f"{name}: 0 to 1, not {opacity}")
        if opacity:
            made = make(makeup, size)
            out |= {key: (opacity * mask).astype(np.float32) for key, mask in made.items()}
    return out


def _eye_shadow(makeup: Makeup, size: int) -> dict[str, np.ndarray]:
    names = ("lid", "corner", "brow")[: len(makeup.shadows)]
    wear = _shadow_places(size)
    return {f"eye_shadow_{name}": mask for name, mask in zip(names, wear, strict=False)}


@cache
def _shadow_places(size: int) -> np.ndarray:
    """On the lid, in its outer corner, and under the brow: (3, size, size)."""
    wear = np.zeros((3, size, size), np.float32)
    for eye in _eyes(size):
        beyond = (eye.along - 1).clip(0) * eye.width
        over = _window(eye.above - 0.3 * beyond, 0.0, 40.0, 0.5 + 0.8 * beyond)
        arch = 1 - 1.6 * (eye.along - 0.55) ** 2  # lower at the corners
        fade = 1 - smoothstep((eye.brow / np.maximum(arch, 0.1) - 0.2) / 0.75)
        lid = _window(eye.along, -0.1, 1.2, 0.5) * over * fade
        corner = over * _window(eye.along, 0.8, 1.3, 0.6) * fade
        ridge = np.exp(-(((eye.along - 0.85) / 0.4) ** 2) - ((eye.brow - 0.8) / 0.16) ** 2)
        under = _window(eye.below, 0.0, 2.0, 2.0) * _window(eye.along, 0.5, 0.95, 0.4)
        wear += np.stack([lid, np.maximum(corner, 0.6 * under), 0.7 * over * ridge])
    return (wear * _Map.of(size).skin).clip(0, 1)


def _eyeliner(makeup: Makeup, size: int) -> dict[str, np.ndarray]:
    """A line over the lashes, thicker outwards, and beyond the corner a wing that rises."""
    out = np.zeros((size, size), np.float32)
    for eye in _eyes(size):
        beyond = (eye.along - 1).clip(0) * eye.width
        thick = makeup.liner_width * (0.45 + 0.85 * eye.along.clip(0, 1))
        thick = thick * (1 - beyond / max(makeup.wing, 1e-3)).clip(0, 1)
        middle = eye.above - 0.5 * beyond - thick / 2
        line = smoothstep((thick / 2 - np.abs(middle) + 0.4) / 0.8) * (thick > 0)
        out = np.maximum(out, line * _window(eye.along, 0.02, 1 + makeup.wing / eye.width, 0.06))
    return {"eyeliner": out}


def _brow(makeup: Makeup, size: int) -> dict[str, np.ndarray]:
    """A pencil's strokes, close together."""
    grain = np.random.default_rng(makeup.seed).random((size, size), dtype=np.float32)
    strokes = cv2.GaussianBlur(grain, (0, 0), 0.5, sigmaY=max(0.5, size / 220))
    strokes = (strokes - strokes.mean()) / max(float(strokes.std()), 1e-6)
    return {"brow": _brows(size, 1.1) * (0.7 + 0.3 * strokes).clip(0, 1)}


@cache
def _lips(size: int) -> np.ndarray:
    return _Map.of(size).lips


@cache
def _lip_line(size: int) -> np.ndarray:
    here = _Map.of(size)
    return _line(here.away(_closed(here.points[face.LIPS_OUTER])), 0.8)


@cache
def _lower_line(size: int) -> np.ndarray:
    lines = [
        _window(eye.below, -0.2, 1.3, 0.6) * _window(eye.along, 0.15, 1.0, 0.15)
        for eye in _eyes(size)
    ]
    return np.maximum(*lines)


@cache
def _lashes(size: int) -> np.ndarray:
    """Along the margins, where lashes begin."""
    lines = []
    for eye in _eyes(size):
        upper = _window(eye.above, -0.3, 0.7, 0.5)
        lower = 0.45 * _window(eye.below, -0.2, 0.4, 0.4)
        lines.append(np.maximum(upper, lower) * _window(eye.along, 0.1, 1.02, 0.12))
    return np.maximum(*lines)


@cache
def _cheeks(size: int) -> np.ndarray:
    here = _Map.of(size)
    away = [here.away(here.points[[apple, bone]]) for apple, bone in ((205, 117), (425, 346))]
    return np.exp(-((np.minimum(*away) / 14) ** 2)) * here.skin


@cache
def _covered(size: int) -> np.ndarray:
    """All skin of the face but brows, lips and the rims of the eyes; it fades to the ears."""
    here = _Map.of(size)
    oval = here.filled(1.04 * (here.points[face.FACE_OVAL] - here.points[4]) + here.points[4], 5.0)
    rims = [_window(eye.above, -1, 1, 1) * _window(eye.along, 0, 1, 0.1) for eye in _eyes(size)]
    return oval * here.skin * (1 - _brows(size, 1.0)) * (1 - np.maximum(*rims))


@cache
def _hollows(size: int) -> np.ndarray:
    """Under the cheekbones, at the temples, along the jaw and beside the nose."""
    lines = (
        *(([207, 177], 9.0), ([427, 401], 9.0), ([54, 21], 12.0), ([284, 251], 12.0)),
        *(([172, 150], 10.0), ([397, 379], 10.0), ([193, 198], 4.5), ([417, 420], 4.5)),
    )
    return _strokes(size, lines)


@cache
def _ridges(size: int) -> np.ndarray:
    """Cheekbones, the ridge of the nose, over the upper lip and between the brows."""
    lines = (
        ([117, 111], 7.0),
        ([346, 340], 7.0),
        ([6, 195], 3.5),
        ([164, 0], 3.0),
        ([9, 151], 9.0),
    )
    return _strokes(size, lines)


def _strokes(size: int, lines: tuple[tuple[list[int], float], ...]) -> np.ndarray:
    here = _Map.of(size)
    soft = [np.exp(-((here.away(here.points[line]) / width) ** 2)) for line, width in lines]
    return np.max(soft, 0) * here.skin


@cache
def _brows(size: int, soft: float) -> np.ndarray:
    here = _Map.of(size)
    return np.maximum(
        here.filled(here.points[face.RIGHT_BROW], soft),
        here.filled(here.points[face.LEFT_BROW], soft),
    )


def _paint(makeup: Makeup, size: int) -> dict[str, np.ndarray]:
    coats = _pattern(makeup, size)
    return {"paint": 1 - np.prod(1 - coats, axis=0)} if makeup.pattern != "none" else {}


def _window(t: np.ndarray, low: float, high: float, soft: float | np.ndarray) -> np.ndarray:
    """1 from low to high, 0 beyond, with borders ``soft`` wide."""
    return smoothstep((t - low) / soft + 0.5) * smoothstep((high - t) / soft + 0.5)


@cache
def dark_lines(size: int) -> np.ndarray:
    """Where no light gets out (size, size), 0..1: where lips meet, and in the nostrils."""
    here = _Map.of(size)
    seam = 0.65 * np.exp(-((here.away(_closed(here.points[face.LIPS_INNER])) / 1.1) ** 2))
    spots = [here.points[ring].mean(0) for ring in ([20, 60, 79, 239], [250, 290, 309, 459])]
    away = np.minimum(*(np.hypot((here.x - x) / 3.2, (here.y - y) / 2.0) for x, y in spots))
    nostrils = 0.75 * np.exp(-(away**2))
    return (1 - (1 - seam) * (1 - nostrils)).astype(np.float32)


def _line(away: np.ndarray, width: float) -> np.ndarray:
    return 1 - smoothstep((away - width / 2 + 0.4) / 0.8)


def _always(name: str, place: Callable[[int], np.ndarray]) -> Callable[[Makeup, int], dict]:
    """A layer whose place no parameter moves."""
    return lambda makeup, size: {name: place(size)}


_LAYERS: dict[str, Callable[[Makeup, int], dict[str, np.ndarray]]] = {
    "foundation": _always("foundation", _covered), "contour": _always("contour", _hollows),
    "highlight": _always("highlight", _ridges), "blush": _always("blush", _cheeks),
    "eye_shadow": _eye_shadow, "brow": _brow, "mascara": _always("mascara", _lashes),
    "lower_liner": _always("lower_liner", _lower_line), "eyeliner": _eyeliner,
    "lip_liner": _always("lip_liner", _lip_line), "lipstick": _always("lipstick", _lips),
    "paint": _paint,
}  # fmt: skip


# -- face paint ------------------------------------------------------------------------------------


def _pattern(makeup: Makeup, size: int) -> np.ndarray:
    """Coats (k, size, size) 0..1, one per colour, later ones over earlier ones."""
    here = _Map.of(size)
    rng = np.random.default_rng(makeup.seed)
    oval = here.filled(here.points[face.FACE_OVAL], 1.5) * (here.skin + here.lips).clip(0, 1)
    middle, eyes = here.points[4], here.points[[33, 263]]
    x, y = here.x - middle[0] + 0 * here.y, here.y - middle[1] + 0 * here.x
    wave = 3 * np.sin(x / 9 + rng.uniform(0, 6))
    count = len(makeup.paint_colours)
    if makeup.pattern == "stripes":  # of warriors and sportsmen, on the cheeks
        coats = [_window(np.abs(x), 22, 58, 2) * _window(y + wave / 3, -14 + 9 * i, -9 + 9 * i, 1)
                 for i in range(count)]  # fmt: skip
    elif makeup.pattern == "bands":  # a flag's
        step = 150 / count
        coats = [_window(x, -75 + step * i, -75 + step * (i + 1), 1) for i in range(count)]
    elif makeup.pattern == "halves":
        coats = [_window(x, 0, 200, 1), _window(x, -200, 0, 1)]
    elif makeup.pattern == "dots":
        coats = [_dots(here, rng, 26) for _ in range(count)]
    elif makeup.pattern == "tiger":
        ground = np.ones_like(x) * smoothstep((np.abs(x) + np.abs(y) * 0.4 - 12) / 20)
        bent = np.sin((y + 0.35 * np.abs(x) + 2 * wave) / 4.2)
        coats = [0.9 * ground, smoothstep((bent - 0.45) / 0.2) * smoothstep((np.abs(x) - 26) / 8)]
    elif makeup.pattern == "mask":  # a bar over the eyes
        coats = [_window(y, eyes[0, 1] - middle[1] - 20, eyes[0, 1] - middle[1] + 13, 1.5)]
    elif makeup.pattern == "hearts":
        coats = [_heart(x - 38 * side, y + 4, 9.0) for side in (-1, 1)][:count]
    elif makeup.pattern == "dazzle":
        coats = [_bars(x, y, rng) for _ in range(count)]
    else:
        coats = [np.zeros_like(x)]
    return (np.stack(coats) * oval).astype(np.float32)


def _dots(here: _Map, rng: np.random.Generator, count: int) -> np.ndarray:
    centre = here.points[4]
    out = np.zeros((here.size, here.size), np.float32)
    for place in centre + rng.normal(0, 1, (count, 2)) * (38, 40):
        width = rng.uniform(3, 8)
        box = here.around(place, width / 2 + 0.5)
        away = np.hypot(here.x[:, box[1]] - place[0], here.y[box[0]] - place[1])
        out[box] = np.maximum(out[box], _line(away, width))
    return out


def _bars(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    angle, width, phase = rng.uniform(0, np.pi), rng.uniform(5, 11), rng.uniform(0, 6)
    across = x * np.cos(angle) + y * np.sin(angle)
    return smoothstep((np.sin(across / width + phase) - 0.3) / 0.1)


def _heart(x: np.ndarray, y: np.ndarray, reach: float) -> np.ndarray:
    x, y = x / reach, -y / reach
    return smoothstep(0.5 - ((x * x + y * y - 0.6) ** 3 - x * x * y**3) / 0.05)


# -- age and skin ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SkinDetail:
    """What skin shows from near.

    wrinkles, spots (of age), freckles, pores, blotches: 0..1. moles: how many.
    seed: of their places.
    """

    wrinkles: float = 0.0
    spots: float = 0.0
    freckles: float = 0.0
    pores: float = 0.5
    blotches: float = 0.3
    moles: int = 0
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Detailed:
    """albedo: (s, s, 3) float32. height: (s, s) float32 mm over the smooth skin; wrinkles < 0."""

    albedo: np.ndarray
    height: np.ndarray


def sample_detail(rng: np.random.Generator, age: float = np.nan) -> SkinDetail:
    """Detail that goes with an age in years; NaN: any age from 18 to 80."""
    years = rng.uniform(18, 80) if np.isnan(age) else age
    old = float(np.clip((years - 25) / 50, 0, 1))
    return SkinDetail(
        wrinkles=float(np.clip(old * rng.uniform(0.7, 1.3), 0, 1)),
        spots=float(np.clip((old - 0.35) * rng.uniform(0.4, 1.4), 0, 1)),
        freckles=float((rng.random() < 0.18) * rng.uniform(0.2, 1.0)),
        pores=float(rng.uniform(0.25, 0.9)),
        blotches=float(rng.uniform(0.1, 0.6)),
        moles=int(rng.poisson(1.5)),
        seed=int(rng.integers(2**31)),
    )


def age_detail(albedo: np.ndarray, age: float, rng: np.random.Generator) -> Detailed:
    """The face (s, s, 3) with skin of an age in years: ``detail`` of ``sample_detail``."""
    return detail(albedo, sample_detail(rng, age))


def detail(albedo: np.ndarray, skin: SkinDetail) -> Detailed:
    """Put wrinkles, spots, freckles, moles, pores and blotches on a face (s, s, 3).

    Pigment acts on the logarithm of albedo: melanin takes blue most, blood takes green. Creases are
    also darker, because less light gets in and out, and shaded as by light from above; for relief
    that follows the light there is the height. Everything 0 changes nothing.

    Raises ValueError for values beyond 0..1.
    """
    size = _side(albedo)
    for entry in fields(skin):
        value = getattr(skin, entry.name)
        if entry.name not in ("moles", "seed") and not 0 <= value <= 1:
            raise ValueError(f"{entry.name}: 0 to 1, not {value}")
    rng = np.random.default_rng(skin.seed)
    creases = _creases(skin, size, rng)
    melanin, blood = _pigments(skin, size, rng)
    pores = _pores(size, rng) * skin.pores
    depth = np.array([0.55, 0.62, 0.68], np.float32)  # blood shines through a crease
    absorbed = (
        melanin[..., None] * MELANIN + blood[..., None] * BLOOD
        + 0.85 * creases[..., None] * depth + 0.085 * pores[..., None] * depth
    )  # fmt: skip
    height = -0.9 * creases - 0.06 * pores
    lean = slopes(height)[..., 1:].clip(-0.6, 0.6)  # light comes from above more than from below
    shaded = albedo * np.exp(-absorbed - FROM_ABOVE * lean)
    return Detailed(shaded.astype(np.float32), height.astype(np.float32))


WIDTHS = (0.7, 1.1, 2.0)  # mm of wrinkles
FROM_ABOVE = 0.45  # how much of the light comes from above, for relief that is painted
MELANIN = np.array([0.45, 0.75, 1.0], np.float32)  # relative absorption of red, green and blue
BLOOD = np.array([0.12, 1.0, 0.8], np.float32)


def slopes(height: np.ndarray) -> np.ndarray:
    """How a height map (s, s) mm leans: (s, s, 2) float32, mm per mm along u and along v.

    The normal of a texel with tangents t, b and smooth normal n is that of n - u t - v b.
    """
    step = 2 * MM / len(height)
    padded = np.pad(height, 1, mode="edge")
    across = (padded[1:-1, 2:] - padded[1:-1, :-2]) / step
    upwards = (padded[:-2, 1:-1] - padded[2:, 1:-1]) / step
    return np.stack([across, upwards], -1).astype(np.float32)


def _creases(skin: SkinDetail, size: int, rng: np.random.Generator) -> np.ndarray:
    """Depth 0..1 of the wrinkles, (size, size): narrow furrows with soft shoulders."""
    here = _Map.of(size)
    lines = _wrinkle_lines(here.points, rng)
    if not skin.wrinkles:
        return np.zeros((size, size), np.float32)
    out = np.zeros((size, size), np.float32)
    for width in WIDTHS:
        canvas = np.zeros((size, size), np.uint8)
        for line, strength, its_width in lines:
            if its_width == width:
                _furrow(canvas, line, strength, width)
        drawn = canvas / np.float32(255)
        furrow = 0.5 * _soft(drawn, size, 0.4 * width) + 1.1 * _soft(drawn, size, 1.9 * width)
        out = np.maximum(out, furrow)
    return skin.wrinkles * out.clip(0, 1) * (here.skin + 0.5 * here.lips).clip(0, 1)


def _wrinkle_lines(
    p: np.ndarray, rng: np.random.Generator
) -> list[tuple[np.ndarray, float, float]]:
    """Lines (n, 2) mm, strength 0..1, width mm: where faces of many smiles and frowns fold."""
    lines = []
    top, bottom = p[10, 1] + 6, p[9, 1] - 4
    for level in np.linspace(bottom, top, int(rng.integers(3, 6))):  # forehead
        reach = rng.uniform(24, 40)
        x = np.linspace(-reach, reach, 12)
        dip = 2.5 * np.cos(x / 11) + rng.normal(0, 0.5, 12).cumsum() * 0.5
        lines.append((np.column_stack([p[9, 0] + x, level + dip]), rng.uniform(0.4, 0.9), 1.1))
    for sign, outer, wing, corner, chin, under in (
        (-1, 33, 129, 61, 204, (111, 117, 118, 101, 121)),
        (1, 263, 358, 291, 424, (340, 346, 347, 330, 350)),
    ):
        for fan in np.linspace(-0.75, 0.65, int(rng.integers(3, 6))):  # beside the eyes
            t = np.linspace(0, 1, 6)[:, None]
            way = np.array([[sign * np.cos(fan), np.sin(fan)]]) * rng.uniform(9, 20)
            start = p[outer] + [sign * 4, 1 + 3 * fan]
            bend = np.array([[0.0, 2.0 * fan]]) * t * t
            lines.append((start + t * way + bend, rng.uniform(0.35, 0.8), 0.7))
        fold = _curve([p[wing] + [sign * 2, -5], p[wing] + [sign * 6, 6],
                       p[corner] + [sign * 7, -6], p[corner] + [sign * 9, 4]])  # fmt: skip
        lines.append((fold, rng.uniform(0.7, 0.95), 2.0))
        marionette = _curve([p[corner] + [sign * 2, 2], p[corner] + [sign * 5, 9], p[chin]])
        lines.append((marionette, rng.uniform(0.2, 0.6), 2.0))
        bag = _curve([p[i] + [0, rng.uniform(-3, -1)] for i in under])
        lines.append((bag, rng.uniform(0.2, 0.5), 2.0))
        frown = p[9] + np.array([[sign * 4, -8.0], [sign * 3.5, 0], [sign * 5, 8]])
        lines.append((_curve(list(frown)), rng.uniform(0.1, 0.7), 1.1))
    return lines


def _curve(knots: Sequence[np.ndarray], count: int = 12) -> np.ndarray:
    """A smooth line (count, 2) through knots (Catmull and Rom)."""
    points = np.array([knots[0], *knots, knots[-1]])
    at = np.linspace(0, len(knots) - 1 - 1e-6, count)
    i, t = at.astype(int), (at % 1)[:, None]
    a, b, c, d = (points[i + k] for k in range(4))
    return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2
                  + (3 * b - a - 3 * c + d) * t**3)  # fmt: skip


def _furrow(canvas: np.ndarray, line: np.ndarray, strength: float, width: float) -> None:
    """Draw a line (n, 2) mm, its ends fading, into a canvas (s, s) uint8."""
    unit = len(canvas) / MM
    texels = np.rint((line * unit - 0.5) * 16).astype(int)
    fade = 255 * strength * np.sin(np.linspace(0.1, np.pi - 0.1, len(line) - 1)) ** 0.7
    for start, end, value in zip(texels[:-1], texels[1:], fade, strict=True):
        thick = max(1, round(width * unit))
        cv2.line(canvas, start.tolist(), end.tolist(), float(value), thick, cv2.LINE_AA, 4)


def _pigments(
    skin: SkinDetail, size: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """What melanin and blood add to the logarithm of absorption, (size, size) each."""
    here = _Map.of(size)
    blood = skin.blotches * (0.05 * _noise(size, 9, rng) + 0.04 * _noise(size, 2.5, rng))
    melanin = skin.blotches * (0.03 * _noise(size, 14, rng) + 0.02 * _noise(size, 4, rng))
    if skin.freckles:
        x, y = here.x - here.points[4, 0], here.y - here.points[4, 1]
        where = np.exp(-(((np.abs(x) - 22) / 26) ** 2) - ((y + 14) / 26) ** 2)
        seeds = _scattered(here, rng, int(420 * skin.freckles), where, (0.5, 1.2))
        melanin = melanin + 0.6 * seeds
    if skin.spots:
        where = np.ones((size, size), np.float32)
        melanin = melanin + 0.35 * _scattered(here, rng, int(45 * skin.spots), where, (1.0, 3.5))
    for _ in range(skin.moles):
        melanin = melanin + 1.3 * _scattered(here, rng, 1, np.ones((size, size)), (0.9, 1.8))
    return melanin, blood


def _scattered(
    here: _Map,
    rng: np.random.Generator,
    count: int,
    where: np.ndarray,
    radii: tuple[float, float],
) -> np.ndarray:
    """Soft round spots (s, s) 0..1 at random places of the face, more where ``where`` is 1."""
    canvas, unit = np.zeros((here.size, here.size), np.uint8), here.size / MM
    low, high = np.nanmin(here.points, 0), np.nanmax(here.points, 0)
    for _ in range(count):
        place, radius = rng.uniform(low, high), rng.uniform(*radii)
        strength, keep = rng.uniform(0.35, 1.0), rng.random()
        column, row = (place * unit).astype(int).clip(0, here.size - 1)
        if keep < where[row, column]:
            centre = np.rint(place * unit * 16).astype(int).tolist()
            cv2.circle(canvas, centre, max(8, int(radius * unit * 16)), float(255 * strength), -1,
                       cv2.LINE_AA, 4)  # fmt: skip
    return _soft(canvas / 255, here.size, 0.3)


def _noise(size: int, mm: float, rng: np.random.Generator) -> np.ndarray:
    """Smooth noise (size, size) float32 of mean 0 and deviation 1, its bumps ``mm`` wide."""
    cells = max(4, min(size, round(MM / mm)))
    small = rng.standard_normal((cells, cells), dtype=np.float32)
    return cv2.resize(small, (size, size), interpolation=cv2.INTER_CUBIC) / np.float32(0.75)


def _pores(size: int, rng: np.random.Generator) -> np.ndarray:
    """Pores and the net of fine lines: (size, size), mean 0, more on nose and cheeks."""
    here = _Map.of(size)
    fine = _noise(size, 0.7, rng) + 0.7 * _noise(size, 1.3, rng)
    x, y = here.x - here.points[4, 0], here.y - here.points[4, 1]
    more = 0.6 + 0.9 * np.exp(-((x / 40) ** 2) - ((y + 5) / 30) ** 2)
    return (fine * more).astype(np.float32)
