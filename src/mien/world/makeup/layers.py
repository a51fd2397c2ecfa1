"""Where what is worn lies: a mask for each layer, in the texture of the face."""

from collections.abc import Callable
from functools import cache

import cv2
import numpy as np

from mien import face
from mien.head.texture import smoothstep
from mien.world.makeup.facemap import FaceMap, between, brows_on, closed_ring, eyes_on, stroke
from mien.world.makeup.paint import pattern
from mien.world.makeup.wear import Makeup


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
    for eye in eyes_on(size):
        beyond = (eye.along - 1).clip(0) * eye.width
        over = between(eye.above - 0.3 * beyond, 0.0, 40.0, 0.5 + 0.8 * beyond)
        arch = 1 - 1.6 * (eye.along - 0.55) ** 2  # lower at the corners
        fade = 1 - smoothstep((eye.brow / np.maximum(arch, 0.1) - 0.2) / 0.75)
        lid = between(eye.along, -0.1, 1.2, 0.5) * over * fade
        corner = over * between(eye.along, 0.8, 1.3, 0.6) * fade
        ridge = np.exp(-(((eye.along - 0.85) / 0.4) ** 2) - ((eye.brow - 0.8) / 0.16) ** 2)
        under = between(eye.below, 0.0, 2.0, 2.0) * between(eye.along, 0.5, 0.95, 0.4)
        wear += np.stack([lid, np.maximum(corner, 0.6 * under), 0.7 * over * ridge])
    return (wear * FaceMap.of(size).skin).clip(0, 1)


def _eyeliner(makeup: Makeup, size: int) -> dict[str, np.ndarray]:
    """A line over the lashes, thicker outwards, and beyond the corner a wing that rises."""
    out = np.zeros((size, size), np.float32)
    for eye in eyes_on(size):
        beyond = (eye.along - 1).clip(0) * eye.width
        thick = makeup.liner_width * (0.45 + 0.85 * eye.along.clip(0, 1))
        thick = thick * (1 - beyond / max(makeup.wing, 1e-3)).clip(0, 1)
        middle = eye.above - 0.5 * beyond - thick / 2
        line = smoothstep((thick / 2 - np.abs(middle) + 0.4) / 0.8) * (thick > 0)
        out = np.maximum(out, line * between(eye.along, 0.02, 1 + makeup.wing / eye.width, 0.06))
    return {"eyeliner": out}


def _brow(makeup: Makeup, size: int) -> dict[str, np.ndarray]:
    """A pencil's strokes, close together."""
    grain = np.random.default_rng(makeup.seed).random((size, size), dtype=np.float32)
    strokes = cv2.GaussianBlur(grain, (0, 0), 0.5, sigmaY=max(0.5, size / 220))
    strokes = (strokes - strokes.mean()) / max(float(strokes.std()), 1e-6)
    return {"brow": brows_on(size, 1.1) * (0.7 + 0.3 * strokes).clip(0, 1)}


@cache
def _lips(size: int) -> np.ndarray:
    return FaceMap.of(size).lips


@cache
def _lip_line(size: int) -> np.ndarray:
    here = FaceMap.of(size)
    return stroke(here.away(closed_ring(here.points[face.LIPS_OUTER])), 0.8)


@cache
def _lower_line(size: int) -> np.ndarray:
    lines = [
        between(eye.below, -0.2, 1.3, 0.6) * between(eye.along, 0.15, 1.0, 0.15)
        for eye in eyes_on(size)
    ]
    return np.maximum(*lines)


@cache
def _lashes(size: int) -> np.ndarray:
    """Along the margins, where lashes begin."""
    lines = []
    for eye in eyes_on(size):
        upper = between(eye.above, -0.3, 0.7, 0.5)
        lower = 0.45 * between(eye.below, -0.2, 0.4, 0.4)
        lines.append(np.maximum(upper, lower) * between(eye.along, 0.1, 1.02, 0.12))
    return np.maximum(*lines)


@cache
def _cheeks(size: int) -> np.ndarray:
    here = FaceMap.of(size)
    away = [here.away(here.points[[apple, bone]]) for apple, bone in ((205, 117), (425, 346))]
    return np.exp(-((np.minimum(*away) / 14) ** 2)) * here.skin


@cache
def _covered(size: int) -> np.ndarray:
    """All skin of the face but brows, lips and the rims of the eyes; it fades to the ears."""
    here = FaceMap.of(size)
    oval = here.filled(1.04 * (here.points[face.FACE_OVAL] - here.points[4]) + here.points[4], 5.0)
    rims = [between(eye.above, -1, 1, 1) * between(eye.along, 0, 1, 0.1) for eye in eyes_on(size)]
    return oval * here.skin * (1 - brows_on(size, 1.0)) * (1 - np.maximum(*rims))


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
    here = FaceMap.of(size)
    soft = [np.exp(-((here.away(here.points[line]) / width) ** 2)) for line, width in lines]
    return np.max(soft, 0) * here.skin


def _paint(makeup: Makeup, size: int) -> dict[str, np.ndarray]:
    coats = pattern(makeup, size)
    return {"paint": 1 - np.prod(1 - coats, axis=0)} if makeup.pattern != "none" else {}


@cache
def dark_lines(size: int) -> np.ndarray:
    """Where no light gets out (size, size), 0..1: where lips meet, and in the nostrils."""
    here = FaceMap.of(size)
    seam = 0.65 * np.exp(-((here.away(closed_ring(here.points[face.LIPS_INNER])) / 1.1) ** 2))
    spots = [here.points[ring].mean(0) for ring in ([20, 60, 79, 239], [250, 290, 309, 459])]
    away = np.minimum(*(np.hypot((here.x - x) / 3.2, (here.y - y) / 2.0) for x, y in spots))
    nostrils = 0.75 * np.exp(-(away**2))
    return (1 - (1 - seam) * (1 - nostrils)).astype(np.float32)


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
