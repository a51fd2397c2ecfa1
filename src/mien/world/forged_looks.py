"""Edited looks: make-up, hair, skin and age changed in the picture, parts painted over."""

from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np

from mien import face
from mien.head.colour import luminance, to_linear, to_srgb
from mien.head.texture import pull_push, smoothstep
from mien.world.blending import cloned, feathered, mixed
from mien.world.forging import FACE, Edit, Manipulation, Shot, hull, some_strength

SKIN = ("skin", "nose", "neck", "right_ear", "left_ear")
LIPS = ("upper_lip", "lower_lip")


@dataclass(frozen=True, slots=True)
class Paint(Manipulation):
    """Lips, lids and cheeks coloured in the picture, as filters do.

    lips, lids, cheeks: sRGB 0..255, or None for none.
    """

    kind = "makeup"
    family = "attribute"
    lips: tuple[int, int, int] | None = (150, 20, 40)
    lids: tuple[int, int, int] | None = None
    cheeks: tuple[int, int, int] | None = None

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        worn = rng.random(3) < (0.8, 0.6, 0.5)
        worn[rng.integers(3)] = True
        return cls(
            strength=some_strength(rng),
            lips=_near((150, 25, 45), rng) if worn[0] else None,
            lids=_near((90, 60, 85), rng) if worn[1] else None,
            cheeks=_near((200, 90, 90), rng) if worn[2] else None,
        )

    def edit(self, shot: Shot, donor: Shot, rng: np.random.Generator) -> Edit:
        soft, size = shot.extent, shot.image.shape[:2]
        skin = shot.classes("skin", "nose")
        lids = np.zeros(size, bool)
        for upper, brow in ((face.RIGHT_EYE_UPPER, face.RIGHT_BROW_LOWER),
                            (face.LEFT_EYE_UPPER, face.LEFT_BROW_LOWER)):  # fmt: skip
            lash, bone = shot.points[upper], shot.points[brow]
            height = np.linalg.norm(bone.mean(0) - lash.mean(0))
            lids |= hull(size, lash, lash + 0.7 * height * _up(shot))
        cheeks = _disc(size, shot.points[[50, 280]], 0.17 * soft)
        masks = (
            (self.lips, 0.65 * feathered(shot.classes(*LIPS), 0.02 * soft)),
            (self.lids, 0.55 * feathered(lids & skin, 0.06 * soft)),
            (self.cheeks, 0.3 * cheeks * skin),
        )
        image, bare = to_linear(shot.image), np.ones(size, np.float32)
        for colour, mask in masks:
            if colour is not None:
                image = _coloured(image, np.array(colour, np.uint8), self.strength * mask)
                bare *= 1 - self.strength * mask
        weight = (1 - bare).astype(np.float32)
        return Edit(to_srgb(image), weight)


@dataclass(frozen=True, slots=True)
class HairColour(Manipulation):
    """The hair dyed in the picture. colour: sRGB 0..255."""

    kind = "hair-colour"
    family = "attribute"
    needs_drawing = True  # where hair is in a portrait is not known
    colour: tuple[int, int, int] = (120, 70, 30)

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        dyes = ((30, 22, 18), (110, 70, 40), (205, 170, 110), (130, 45, 25), (150, 150, 150),
                (60, 90, 170), (190, 80, 130))  # fmt: skip
        return cls(some_strength(rng), _near(dyes[rng.integers(len(dyes))], rng))

    def edit(self, shot: Shot, donor: Shot, rng: np.random.Generator) -> Edit:
        weight = self.strength * feathered(shot.classes("hair"), 0.02 * shot.extent)
        image = _coloured(to_linear(shot.image), np.array(self.colour, np.uint8), weight)
        return Edit(to_srgb(image), weight)


@dataclass(frozen=True, slots=True)
class SkinTone(Manipulation):
    """The skin lighter or darker by melanin, -1..1, which takes most from blue."""

    kind = "skin-tone"
    family = "attribute"
    melanin: float = 0.5

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        return cls(some_strength(rng), float(rng.choice([-1, 1]) * rng.uniform(0.3, 1.0)))

    def edit(self, shot: Shot, donor: Shot, rng: np.random.Generator) -> Edit:
        weight = feathered(shot.classes(*SKIN, *LIPS), 0.02 * shot.extent)
        absorbed = np.array([0.35, 0.6, 0.8]) * self.strength * self.melanin
        image = to_linear(shot.image) * np.exp(-weight[..., None] * absorbed)
        return Edit(to_srgb(image), weight)


@dataclass(frozen=True, slots=True)
class Age(Manipulation):
    """Older, by creases and uneven pigment, or younger, by smoother skin."""

    kind = "age"
    family = "attribute"
    older: bool = True

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        return cls(some_strength(rng), bool(rng.random() < 0.6))

    def edit(self, shot: Shot, donor: Shot, rng: np.random.Generator) -> Edit:
        weight = feathered(shot.classes("skin", "nose"), 0.04 * shot.extent)
        if not self.older:
            smooth = cv2.bilateralFilter(shot.image, 0, 40, max(0.02 * shot.extent, 1.0))
            weight = self.strength * weight
            return Edit(mixed(smooth, shot.image, weight), weight)
        patches = pigment(shot.image.shape[:2], shot.extent, rng)
        shade = self.strength * weight * (creases(shot) + patches)
        image = to_linear(shot.image) * np.exp(-shade)[..., None]
        return Edit(to_srgb(image), weight)


METHODS = ("telea", "navier-stokes", "pull-push", "patch")


@dataclass(frozen=True, slots=True)
class Inpaint(Manipulation):
    """A part of the face removed and filled from around it.

    part: of ``PARTS``, or "spot", a disc on the skin. method: Telea 2004, Bertalmio et al. 2001,
    pull-push (Gortler et al. 1996), or a piece of skin from elsewhere, seamlessly cloned. margin:
    around the part, in parts of the face.
    """

    kind = "inpaint"
    family = "inpainting"
    part: str = "spot"
    method: str = "telea"
    margin: float = 0.03

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        parts = ("spot", "right eye", "left eye", "brows", "nose", "lips")
        part, method = str(rng.choice(parts)), str(rng.choice(METHODS))
        return cls(1.0, part, method, float(rng.uniform(0.01, 0.05)))

    def edit(self, shot: Shot, donor: Shot, rng: np.random.Generator) -> Edit:
        skin, wide = shot.classes(*FACE), max(round(self.margin * shot.extent), 1)
        if self.part == "spot":
            hole = _spot(shot, rng, rng.uniform(0.08, 0.18) * shot.extent)
        else:
            hole = cv2.dilate(shot.region(self.part).astype(np.uint8), np.ones((3, 3), np.uint8),
                              iterations=wide) > 0  # fmt: skip
        hole &= skin
        if not hole.any():
            return Edit(shot.image, np.zeros(hole.shape, np.float32))
        weight = self.strength * hole.astype(np.float32)
        return Edit(mixed(self._filled(shot, hole, rng), shot.image, weight), weight)

    def _filled(self, shot: Shot, hole: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        image = shot.image
        if self.method == "pull-push":
            filled = pull_push(image.astype(np.float32), (~hole).astype(np.float32))
            return np.where(hole[..., None], filled + 0.5, image).clip(0, 255).astype(np.uint8)
        if self.method == "patch":
            return _patched(image, hole, shot.classes("skin") & ~hole, rng)
        way = cv2.INPAINT_TELEA if self.method == "telea" else cv2.INPAINT_NS
        return cv2.inpaint(image, hole.astype(np.uint8), 4, way)


# -- parts of them ---------------------------------------------------------------------------------


def _near(colour: tuple[int, int, int], rng: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = (np.array(colour) + rng.normal(0, 15, 3)).clip(0, 255).astype(int).tolist()
    return red, green, blue


def _coloured(image: np.ndarray, colour: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Linear (h, w, 3) with so much of a colour on it, as light as what it covers varies."""
    light = luminance(image)
    usual = float((light * weight).sum() / max(float(weight.sum()), 1e-6))
    shade = (light / max(usual, 1e-4)).clip(0, 4)[..., None]
    return image + weight[..., None] * (shade * to_linear(colour) - image)


def _up(shot: Shot) -> np.ndarray:
    """The unit vector (2,) from the chin to the forehead."""
    along = shot.points[10] - shot.points[152]
    return along / max(float(np.linalg.norm(along)), 1e-6)


def _disc(size: tuple[int, int], centres: np.ndarray, radius: float) -> np.ndarray:
    """Soft discs (h, w) float32, 1 in their middles."""
    y, x = np.mgrid[: size[0], : size[1]] + 0.5
    out = np.zeros(size, np.float32)
    for centre in centres:
        away = np.hypot(x - centre[0], y - centre[1]) / radius
        out = np.maximum(out, smoothstep((1 - away).clip(0, 1)).astype(np.float32))
    return out


FOREHEAD = np.array([[103, 67, 109, 10, 338, 297, 332], [105, 66, 107, 9, 336, 296, 334]])
FOLDS = ((129, 203, 206, 216), (358, 423, 426, 436))  # from the wings of the nose past the mouth
FROWN = ((55, 107), (285, 336))
CORNERS = ((33, 133), (263, 362))  # of the eyes: outer, inner


def creases(shot: Shot) -> np.ndarray:
    """Where (h, w) float32 about -0.5..1 age folds a face: forehead, brows, eyes and cheeks."""
    points, unit = shot.points, shot.extent / 100
    top, low = points[FOREHEAD]
    lines = [(1 - t) * top + t * low for t in (0.35, 0.52, 0.7)]
    lines += [points[list(line)] for line in (*FOLDS, *FROWN)]
    for outer, inner in CORNERS:
        out = 0.35 * (points[outer] - points[inner])
        side = 0.5 * np.linalg.norm(out) * _up(shot)
        for t in (-1.0, 0.0, 0.8):
            lines.append(points[outer] + np.array([0.35, 1.1])[:, None] * out + t * side)
    canvas = np.zeros(shot.image.shape[:2], np.float32)
    for line in lines:
        fixed = np.round(16 * (line - 0.5)).astype(np.int32)
        cv2.polylines(canvas, [fixed], False, 1.0, max(round(unit), 1), cv2.LINE_AA, 4)
    narrow = cv2.GaussianBlur(canvas, (0, 0), max(0.9 * unit, 0.5))
    wide = cv2.GaussianBlur(canvas, (0, 0), max(3.0 * unit, 1.0))
    return 1.2 * narrow - 0.8 * wide


def pigment(size: tuple[int, int], extent: float, rng: np.random.Generator) -> np.ndarray:
    """Spots (h, w) float32, about 0..0.3, on an uneven ground."""
    noise = rng.standard_normal(size, dtype=np.float32)
    fine = cv2.GaussianBlur(noise, (0, 0), max(0.012 * extent, 0.6))
    fine /= max(float(fine.std()), 1e-6)
    return 0.06 * np.maximum(fine - 1.2, 0) + 0.02 * fine


def _spot(shot: Shot, rng: np.random.Generator, radius: float) -> np.ndarray:
    """A disc (h, w) bool on the skin; nothing where none is seen."""
    rows, columns = np.nonzero(shot.classes("skin"))
    out = np.zeros(shot.image.shape[:2], np.uint8)
    if len(rows):
        at = int(rng.integers(len(rows)))
        cv2.circle(out, (int(columns[at]), int(rows[at])), max(round(radius), 2), 1, -1)
    return out > 0


def _patched(
    image: np.ndarray, hole: np.ndarray, skin: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """A hole (h, w) bool filled with what is elsewhere on the skin, where most of it is skin."""
    best, shift = -1, (0, 0)
    x, y, width, height = cv2.boundingRect(hole.astype(np.uint8))
    for _ in range(24):
        dx, dy = rng.integers(-2 * width, 2 * width + 1), rng.integers(-height * 2, height * 2 + 1)
        there = np.roll(skin, (-dy, -dx), (0, 1))
        inside = 0 <= x + dx <= image.shape[1] - width and 0 <= y + dy <= image.shape[0] - height
        share = int((there & hole).sum()) if inside else -1
        if share > best:
            best, shift = share, (int(dx), int(dy))
    source = np.roll(image, (-shift[1], -shift[0]), (0, 1))
    return cloned(source, image, hole)
