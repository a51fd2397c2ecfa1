"""The small things by which a face is known for a photograph: what ``mien evaluate realism`` named.

Lashes, the seam of the lips and nostrils are painted into the texture, once per person. Shadows of
lids on the eyes, teeth that get the light which lips let in, a glint on each iris, and hair that is
never sharp to the pixel go with every frame.
"""

from functools import cache

import cv2
import numpy as np
from numba import float32, njit, uint32

from mien import face
from mien.head.model import CELEBAMASK, MATERIALS, HeadModel
from mien.head.texture import smoothstep
from mien.world.makeup import Makeup, apply, dark_lines
from mien.world.occlusion import ambient
from mien.world.scene import Lighting
from mien.world.shade import Pixels

LASHES = (0.75, 1.0)  # how strong, of make-up's 0..1
LID_SHADOW = 6.0  # mm below the upper lid, over which an eye gets lighter
IN_SHADE, CORNEA = 0.3, 0.42  # light that is left right below the lid, and behind the cornea
WINDOW = np.array([-0.35, 0.6, 0.72])  # what eyes mirror where no lamp is brighter
LAMP = 0.3  # strength from which on it is
GLINT = 0.6  # linear
WARM = np.array([1.0, 0.93, 0.89, 1.0], np.float32)  # light that has gone through lids; shine
HAIR = CELEBAMASK.index("hair")
SOFT = 0.0032  # of the picture's side: the deviation of the blur of hair
SHADOW, DIM = 0.016, 0.6  # how far hair shades, in the same, and how much
EYE = [MATERIALS.index(name) for name in ("sclera", "iris", "pupil")]
LIDS = ((face.LEFT_EYE_UPPER, face.LEFT_EYE_LOWER), (face.RIGHT_EYE_UPPER, face.RIGHT_EYE_LOWER))
IRISES = [[468, 469], [473, 474]]  # the centre, and a point of the rim


def painted(albedo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A face's linear albedo (s, s, 3) with lashes, and dark where no light gets out."""
    strong = float(rng.uniform(*LASHES))
    lashes = Makeup(
        mascara=strong, eyeliner=strong, liner_width=2.4, lower_liner=0.25 * strong, wing=0.0
    )
    return apply(albedo, lashes).albedo * (1 - dark_lines(len(albedo)))[..., None]


# -- light -----------------------------------------------------------------------------------------


def free(expression: np.ndarray) -> np.ndarray:
    """The free part of the light (V,) 0..1 for an expression (52,), with teeth in it."""
    return np.maximum(ambient(expression), _teeth())


@cache
def _teeth() -> np.ndarray:
    """How much light reaches vertices (V,) past the lips: front teeth most."""
    model = HeadModel.bundled()
    out = np.zeros(len(model.template), np.float32)
    mine = np.unique(model.triangles[model.material == MATERIALS.index("teeth")])
    depth = model.template[mine, 2]
    out[mine] = 0.68 * smoothstep((depth - depth.max() + 24) / 20)
    return out


def shade_eyes(
    light: np.ndarray, head: np.ndarray, landmarks: np.ndarray, rotation: np.ndarray
) -> None:
    """Take from the light (V, 4) on the head's vertices what lids and lashes keep off the eyes.

    head: (V, 3) mm, posed. landmarks: (478, 3) of it. rotation: (3, 3) of the skull.
    """
    for (ball, behind), (upper, lower) in zip(_balls(), LIDS, strict=True):
        at, over, under = (points @ rotation for points in (head[ball], landmarks[upper],
                                                            landmarks[lower]))  # fmt: skip
        ends = np.sort(over[[0, -1], 0])
        along = ((at[:, 0] - ends[0]) / max(ends[1] - ends[0], 1e-3)).clip(0, 1)
        shade = IN_SHADE + (1 - IN_SHADE) * smoothstep((_height(over, at) - at[:, 1]) / LID_SHADOW)
        shade *= 0.8 + 0.2 * smoothstep((at[:, 1] - _height(under, at)) / 2)
        shade *= (1 - 0.4 * np.abs(2 * along - 1) ** 3) * behind
        light[ball] *= shade[:, None] * WARM


def _height(line: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The height (n,) of a line of points (k, 3) above or below places (n, 3)."""
    line = line[np.argsort(line[:, 0])]
    return np.interp(at[:, 0], line[:, 0], line[:, 1])


@cache
def _balls() -> list[tuple[np.ndarray, np.ndarray]]:
    """Of both eyes, left first: the vertices (n,), and the light (n,) that their cornea lets in."""
    model = HeadModel.bundled()
    mine = np.unique(model.triangles[np.isin(model.material, EYE)])
    iris = np.unique(model.triangles[np.isin(model.material, EYE[1:])])
    sides = (model.template[mine, 0] > 0, model.template[mine, 0] <= 0)
    balls = (mine[side] for side in sides)
    return [(ball, np.where(np.isin(ball, iris), CORNEA, 1.0)) for ball in balls]


# -- pictures --------------------------------------------------------------------------------------


def glints(
    colour: np.ndarray, index: np.ndarray, points: np.ndarray, light: Lighting, exposure: float
) -> None:
    """Put what mirrors the light onto both irises, in place.

    colour: (h, w, 3) linear. index: (H, W) of the triangle in every sample. points: (478, 2 or
    more), the landmarks in pixels.
    """
    samples = len(index) // len(colour)
    towards = light.lamp if light.strength > LAMP else WINDOW
    for centre, rim in points[IRISES][..., :2]:
        radius = float(np.linalg.norm(rim - centre))
        size = max(0.14 * radius, 0.35)
        x, y = centre + 0.42 * radius * towards[:2] * (1, -1)
        left, top = (int(np.floor(at - 2 * size)) for at in (x, y))
        side = int(np.ceil(4 * size)) + 1
        if min(left, top) < 0 or left + side > colour.shape[1] or top + side > colour.shape[0]:
            continue
        seen = index[
            top * samples : (top + side) * samples, left * samples : (left + side) * samples
        ]
        at = (np.arange(side * samples) + 0.5) / samples
        away = np.hypot(at[None] + left - x, at[:, None] + top - y)
        spot = np.exp(-((away / size) ** 4)) * _on_eye(seen)
        spot = spot.reshape(side, samples, side, samples).mean((1, 3)) * (GLINT * exposure)
        colour[top : top + side, left : left + side] += spot[..., None].astype(np.float32)


def _on_eye(index: np.ndarray) -> np.ndarray:
    """Which samples (H, W) show an eye, of their triangles."""
    material = HeadModel.bundled().material
    known = (index >= 0) & (index < len(material))
    return known & np.isin(material[np.where(known, index, 0)], EYE)


def softened(pixels: Pixels) -> tuple[np.ndarray, np.ndarray]:
    """Colour (h, w, 3) and alpha (h, w) of a picture with hair that is a little out of focus.

    What is beside hair, and more what is below it, gets less light.
    """
    hair = ((pixels.label == HAIR) & ~pixels.worn).astype(np.float32)
    if not hair.any():
        return pixels.colour, pixels.alpha
    sigma = SOFT * len(hair)
    near = cv2.GaussianBlur(hair, (0, 0), 2 * sigma)
    beside = np.roll(
        cv2.GaussianBlur(hair, (0, 0), SHADOW * len(hair)), round(SHADOW * len(hair) / 2), 0
    )
    both = np.empty((*hair.shape, 4), np.float32)
    _dimmed(pixels.colour, pixels.alpha, beside, hair, both)
    colour, alpha = np.empty_like(pixels.colour), np.empty_like(pixels.alpha)
    _mixed(both, cv2.GaussianBlur(both, (0, 0), sigma), near, colour, alpha)
    return colour, alpha


@njit(cache=True, nogil=True)
def _dimmed(colour, alpha, beside, hair, out):
    """Colour and alpha (h, w, 4) with less light beside hair."""
    one = float32(1)
    for y in range(uint32(hair.shape[0])):
        for x in range(uint32(hair.shape[1])):
            dim = one - float32(DIM) * (beside[y, x] * (one - hair[y, x]))
            for k in range(3):
                out[y, x, k] = colour[y, x, k] * dim
            out[y, x, 3] = alpha[y, x]


@njit(cache=True, nogil=True)
def _mixed(sharp, soft, near, colour, alpha):
    """Colour and alpha, soft where hair is near: 2/3 of it, or more."""
    for y in range(uint32(near.shape[0])):
        for x in range(uint32(near.shape[1])):
            share = min(max(float32(1.5) * near[y, x], float32(0)), float32(1))
            for k in range(3):
                colour[y, x, k] = sharp[y, x, k] + share * (soft[y, x, k] - sharp[y, x, k])
            alpha[y, x] = sharp[y, x, 3] + share * (soft[y, x, 3] - sharp[y, x, 3])
