"""Make-up on a face: colours over its albedo, and how it shines."""

from dataclasses import dataclass

import cv2
import numpy as np

from mien.head.colour import luminance
from mien.world.makeup.facemap import side_of
from mien.world.makeup.layers import masks
from mien.world.makeup.paint import pattern
from mien.world.makeup.wear import FINISHES, PATTERNS, Colour, Makeup


@dataclass(frozen=True, slots=True, eq=False)
class MadeUp:
    """A made-up face.

    albedo: (s, s, 3). gloss: (s, s) float32, a factor on how much the skin shines, 1 for bare skin.
    layers: the mask (s, s) float32 0..1 of everything that is worn, opacity included, by name.
    """

    albedo: np.ndarray
    gloss: np.ndarray
    layers: dict[str, np.ndarray]


def apply(albedo: np.ndarray, makeup: Makeup) -> MadeUp:
    """Put make-up on a face (s, s, 3); one that is all zero leaves the albedo as it is.

    Raises ValueError for an unknown finish or pattern, and an albedo that is not square.
    """
    size = side_of(albedo)
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
        coats = pattern(makeup, size)
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
