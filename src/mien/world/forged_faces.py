"""Forged faces: swapped, blended with themselves, re-enacted, and with other lips."""

from dataclasses import dataclass, replace
from typing import Self

import cv2
import numpy as np

from mien.face import BLENDSHAPES
from mien.world import traces, visemes
from mien.world.blending import Blend, feathered, mixed, warped
from mien.world.forging import (
    Edit,
    Manipulation,
    Shot,
    drawn_scene,
    landmarks_of,
    some_strength,
)
from mien.world.world import World

PLAIN = Blend()
RATIOS = (0.25, 0.5, 0.75, 1.0, 1.0, 1.0)  # of self-blending, as its authors' code has them
MOUTH_CURVES = [i for i, n in enumerate(BLENDSHAPES) if n.startswith(("mouth", "jaw", "tongue"))]
JAW_CURVES = [i for i, n in enumerate(BLENDSHAPES) if n.startswith("jaw")]
SOUNDS = ("a", "e", "i", "o", "u", "m", "f", "s", "t", "ʃ", "k", "w")


@dataclass(frozen=True, slots=True)
class SwapRendered(Manipulation):
    """Another identity, shape and skin, drawn in this one's pose, expression and light.

    What a learned swap aims at. resolution: of the drawn face, as decoders give less than the
    picture has. regrained: the forger puts the camera's noise on it.
    """

    kind = "swap-rendered"
    family = "swap"
    needs_donor = True
    needs_drawing = True  # in a portrait nobody else's shape can be drawn
    blend: Blend = PLAIN
    resolution: float = 1.0
    regrained: bool = False

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        return cls(
            strength=float(rng.uniform(0.7, 1.0)),
            blend=Blend.sample(rng),
            resolution=float(rng.uniform(0.4, 1.0)),
            regrained=bool(rng.random() < 0.5),
        )

    def edit(self, shot: Shot, donor: Shot, rng: np.random.Generator) -> Edit:
        person = replace(donor.scene.person, hair=shot.scene.person.hair)
        source, landmarks = drawn_scene(replace(shot.scene, person=person))
        source = _reworked(source, shot, self.resolution, self.regrained, rng)
        return _blended(self.blend, self.strength, source, landmarks, shot, rng)


@dataclass(frozen=True, slots=True)
class SwapWarped(Manipulation):
    """The face of another picture, bent to this one's landmarks, as the first swap programs did."""

    kind = "swap-warped"
    family = "swap"
    needs_donor = True
    blend: Blend = PLAIN

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        blend = Blend.sample(rng)
        return cls(strength=float(rng.uniform(0.7, 1.0)), blend=blend)

    def edit(self, shot: Shot, donor: Shot, rng: np.random.Generator) -> Edit:
        source, covered = warped(donor.image, donor.points, shot.sample["landmarks"])
        region = shot.region(self.blend.region) & covered
        weight = self.strength * self.blend.weight(region, shot.extent, rng) * covered
        return Edit(self.blend(source, shot.image, weight), weight)


@dataclass(frozen=True, slots=True)
class SelfBlend(Manipulation):
    """A picture blended with itself (Shiohara and Yamasaki, CVPR 2022, section 3).

    One of two copies, the source or the target, gets another colour and another frequency content;
    the source is moved and scaled a little; and both are blended in a deformed hull. The original
    is the target as it was blended into, so an augmented one is augmented in both.

    on_target: whether the target is the copy that is changed. shift: (3,) grey values. contrast,
    saturation: factors. brightness: grey values. scale: 1 or what the copy is reduced to.
    sharpened: amount. move: (x, y) in parts of the picture. zoom: of the source.
    """

    kind = "self-blend"
    family = "self-blend"
    blend: Blend = PLAIN
    on_target: bool = False
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)
    brightness: float = 0.0
    contrast: float = 1.0
    saturation: float = 1.0
    scale: float = 1.0
    sharpened: float = 0.0
    move: tuple[float, float] = (0.0, 0.0)
    zoom: float = 1.0

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        ratio = float(rng.choice(RATIOS))
        red, green, blue = (rng.uniform(-20, 20, 3) * (rng.random() < 0.3)).tolist()
        reduced = rng.random() < 0.5
        return cls(
            strength=ratio,
            blend=Blend(
                region=str(rng.choice(["hull", "inner", "face"], p=[0.5, 0.25, 0.25])),
                feather=float(rng.uniform(0.03, 0.25)),
                bent=float(rng.uniform(0.01, 0.05)),
            ),
            on_target=bool(rng.random() < 0.5),
            shift=(red, green, blue),
            brightness=float(rng.uniform(-25, 25)),
            contrast=float(rng.uniform(0.9, 1.1)),
            saturation=float(rng.uniform(0.8, 1.2)),
            scale=float(rng.uniform(0.35, 0.8)) if reduced else 1.0,
            sharpened=0.0 if reduced else float(rng.uniform(0.2, 0.5)),
            move=(float(rng.uniform(-0.03, 0.03)), float(rng.uniform(-0.015, 0.015))),
            zoom=float(rng.uniform(0.95, 1 / 0.95)),
        )

    def edit(self, shot: Shot, donor: Shot, rng: np.random.Generator) -> Edit:
        changed = self._augmented(shot.image)
        source, target = (shot.image, changed) if self.on_target else (changed, shot.image)
        region = self._moved(shot.region(self.blend.region).astype(np.uint8), cv2.INTER_NEAREST)
        weight = self.strength * self.blend.weight(region > 0, shot.extent, rng)
        image = self.blend(self._moved(source, cv2.INTER_LINEAR), target, weight)
        return Edit(image, weight, original=target)

    def _augmented(self, image: np.ndarray) -> np.ndarray:
        value = image.astype(np.float32)
        grey = value @ np.array([0.299, 0.587, 0.114], np.float32)
        value = grey[..., None] + self.saturation * (value - grey[..., None])
        value = (value - 128) * self.contrast + 128 + self.brightness + np.array(self.shift)
        out = (value + 0.5).clip(0, 255).astype(np.uint8)
        if self.scale < 1:
            out = traces.resample(out, self.scale)
        return traces.sharpen(out, self.sharpened) if self.sharpened else out

    def _moved(self, image: np.ndarray, way: int) -> np.ndarray:
        height, width = image.shape[:2]
        centre = np.array([width, height]) / 2 - 0.5
        turn = self.zoom * np.eye(2)
        shift = centre - turn @ centre + np.array(self.move) * (width, height)
        matrix = np.column_stack([turn, shift])
        return cv2.warpAffine(image, matrix, (width, height), None, way, cv2.BORDER_REFLECT_101)


@dataclass(frozen=True, slots=True)
class ReenactRendered(Manipulation):
    """The same person, drawn with another expression. strength: how much of the way to it."""

    kind = "reenact-rendered"
    family = "re-enactment"
    blend: Blend = PLAIN
    resolution: float = 1.0
    regrained: bool = False
    number: int = 0  # of the scene whose expression it is; see expression_of

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        return cls(
            strength=some_strength(rng),
            blend=replace(Blend.sample(rng), region="hull"),
            resolution=float(rng.uniform(0.5, 1.0)),
            regrained=bool(rng.random() < 0.5),
            number=int(rng.integers(2**31)),
        )

    def edit(self, shot: Shot, donor: Shot, rng: np.random.Generator) -> Edit:
        scene = replace(shot.scene, expression=expression_of(shot, self.number, self.strength))
        source, landmarks = drawn_scene(scene)
        source = _reworked(source, shot, self.resolution, self.regrained, rng)
        edit = _blended(self.blend, 1.0, source, landmarks, shot, rng)
        return replace(edit, truth={"expression": scene.expression.tolist()})


@dataclass(frozen=True, slots=True)
class ReenactWarped(Manipulation):
    """The picture itself bent to another expression; the jaw stays as it is."""

    kind = "reenact-warped"
    family = "re-enactment"
    feather: float = 0.15
    number: int = 0

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        return cls(some_strength(rng), float(rng.uniform(0.05, 0.25)), int(rng.integers(2**31)))

    def edit(self, shot: Shot, donor: Shot, rng: np.random.Generator) -> Edit:
        expression = expression_of(shot, self.number, self.strength)
        expression[JAW_CURVES] = shot.scene.expression[JAW_CURVES]
        moved = shot.sample["landmarks"].copy()
        moved[:, :2] += landmarks_of(replace(shot.scene, expression=expression)) - landmarks_of(
            shot.scene
        )
        image, covered = warped(shot.image, shot.points, moved)
        weight = feathered(shot.region("hull") & covered, self.feather * shot.extent)
        return Edit(mixed(image, shot.image, weight), weight, {"expression": expression.tolist()})


@dataclass(frozen=True, slots=True)
class LipSync(Manipulation):
    """The mouth, drawn as it says another sound; nothing above the nose changes."""

    kind = "lip-sync"
    family = "re-enactment"
    sound: str = "a"
    feather: float = 0.06
    resolution: float = 1.0
    regrained: bool = False

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        return cls(
            strength=float(rng.uniform(0.5, 1.0)),
            sound=str(rng.choice(SOUNDS)),
            feather=float(rng.uniform(0.02, 0.08)),
            resolution=float(rng.uniform(0.4, 1.0)),
            regrained=bool(rng.random() < 0.5),
        )

    def edit(self, shot: Shot, donor: Shot, rng: np.random.Generator) -> Edit:
        spoken = np.zeros(len(BLENDSHAPES), np.float32)
        spoken[visemes.COLUMNS] = visemes.target(self.sound)[0].weights
        expression = shot.scene.expression.copy()
        expression[MOUTH_CURVES] += self.strength * (spoken - expression)[MOUTH_CURVES]
        source, landmarks = drawn_scene(replace(shot.scene, expression=expression))
        source = _reworked(source, shot, self.resolution, self.regrained, rng)
        region = shot.region("mouth", landmarks[:, :2])
        wide = max(round(0.05 * shot.extent), 1)
        region = cv2.dilate(region.astype(np.uint8), np.ones((wide, wide), np.uint8)) > 0
        weight = feathered(region, self.feather * shot.extent)
        truth = {"expression": expression.tolist()}
        return Edit(mixed(source, shot.image, weight), weight, truth)


# -- parts of them ---------------------------------------------------------------------------------


def expression_of(shot: Shot, number: int, strength: float) -> np.ndarray:
    """Curves (52,): so far on the way from a shot's expression to another, by number."""
    scene = World(split="train", seed=number).scene(0)
    return (shot.scene.expression + strength * (scene.expression - shot.scene.expression)).astype(
        np.float32
    )


def _reworked(
    drawn: np.ndarray, shot: Shot, resolution: float, regrained: bool, rng: np.random.Generator
) -> np.ndarray:
    """A drawn face as a decoder gives it."""
    if resolution < 1:
        drawn = traces.resample(drawn, resolution)
    return traces.grain(drawn, shot.grain, rng) if regrained else drawn


def _blended(
    blend: Blend,
    strength: float,
    source: np.ndarray,
    landmarks: np.ndarray,
    shot: Shot,
    rng: np.random.Generator,
) -> Edit:
    """A drawn face in its shot, in a region that holds both faces."""
    region = shot.region(blend.region, landmarks[:, :2])
    weight = strength * blend.weight(region, shot.extent, rng)
    return Edit(blend(source, shot.image, weight), weight)
