"""Forged pictures of the world's people, with the truth about every pixel that was changed.

    world = World(split="train")
    forged = manipulate(world, 17, "swap-rendered", np.random.default_rng(0))
    forged.image, forged.mask, forged.label, forged.original

    for example in Forgeries(world).stream():       # real, forged, real, forged, ...
        example["image"], example["fake"], example["mask"]

A manipulation is a dataclass of its parameters. ``sample`` draws them; called with a :class:`Shot`
(and, for swaps, a second one of another person) it gives a :class:`Manipulated`. The mask is exact:
it is above 0 where the forged picture differs from the original, and nowhere else. It speaks of the
pixels before anything that happens to whole pictures later (:class:`mien.world.traces.Processing`),
which :class:`Forgeries` does to real and forged ones alike, so that compression tells nothing.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import Any, ClassVar, Self

import cv2
import numpy as np

from mien import face
from mien.errors import InputError, UsageError
from mien.face import BLENDSHAPES
from mien.head.colour import luminance, to_linear, to_srgb
from mien.head.model import CELEBAMASK, HeadModel
from mien.head.texture import pull_push, smoothstep
from mien.world import traces, visemes
from mien.world.blending import Blend, cloned, feathered, mixed, warped
from mien.world.scene import Scene
from mien.world.world import Sample, World
from mien.world.world import drawn as world_drawn

TRIES = 8  # of parameters, then of samples, before it is said that nothing can be changed
CANDIDATES = 8  # among which the other face of a swap is the one that looks the same way
FAR = 2**40  # between the numbers of samples that stand in for one another
LEAST = 1 / 255  # of a mask where a pixel was changed
FEWEST = 0.002  # of a picture's pixels that have to change for it to be called forged
PLAIN = Blend()

FACE = ("skin", "right_brow", "left_brow", "right_eye", "left_eye", "nose", "inner_mouth",
        "lower_lip", "upper_lip")  # fmt: skip
SKIN = ("skin", "nose", "neck", "right_ear", "left_ear")
LIPS = ("upper_lip", "lower_lip")
EYES = np.concatenate([face.RIGHT_EYE, face.LEFT_EYE])
BROWS = np.concatenate([face.RIGHT_BROW, face.LEFT_BROW])
CHIN = np.array([152, 148, 377, 176, 400, 199, 200, 57, 287])
PARTS: Mapping[str, np.ndarray] = MappingProxyType({
    "hull": np.arange(468),
    "inner": np.concatenate([EYES, BROWS, face.NOSE, face.LIPS_OUTER]),
    "mouth": np.concatenate([face.LIPS_OUTER, CHIN]),
    "right eye": face.RIGHT_EYE,
    "left eye": face.LEFT_EYE,
    "brows": BROWS,
    "nose": face.NOSE,
    "lips": face.LIPS_OUTER,
})  # fmt: skip
"""Landmarks whose convex hull is a region. ``face``, the parsing's face, and ``picture``, all of
it, are regions too."""

REGIONS = (*PARTS, "face", "picture")
RATIOS = (0.25, 0.5, 0.75, 1.0, 1.0, 1.0)  # of self-blending, as its authors' code has them
MOUTH_CURVES = [i for i, n in enumerate(BLENDSHAPES) if n.startswith(("mouth", "jaw", "tongue"))]
JAW_CURVES = [i for i, n in enumerate(BLENDSHAPES) if n.startswith("jaw")]
SOUNDS = ("a", "e", "i", "o", "u", "m", "f", "s", "t", "ʃ", "k", "w")


# -- pictures that can be forged -------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """A sample of a world with what it was drawn from, so that it can be drawn anew.

    index: in the world. image: (h, w, 3) uint8. sample: all its truth. grain: of the camera's
    sensor, grey values.
    """

    index: int
    scene: Scene
    sample: Sample
    image: np.ndarray
    grain: float = 0.0

    @classmethod
    def of(cls, world: World, index: int, grain: float = 0.0) -> "Shot":
        """Sample ``index`` of a world, photographed with so much noise."""
        sample = world.sample(index)
        rng = np.random.default_rng([world.seed, index, 1])
        image = traces.grain(sample["image"], grain, rng)
        return cls(index, world.scene(index), sample, image, grain)

    @property
    def points(self) -> np.ndarray:
        """The landmarks (478, 2) in pixels."""
        return self.sample["landmarks"][:, :2]

    @property
    def extent(self) -> float:
        """The size of the face in pixels: the root of its area, at least 1."""
        hull = cv2.convexHull(self.points[:468].astype(np.float32))
        return max(float(cv2.contourArea(hull)) ** 0.5, 1.0)

    def classes(self, *names: str) -> np.ndarray:
        """Where (h, w) bool the picture shows one of some classes of ``CELEBAMASK``."""
        return np.isin(self.sample["parsing"], [CELEBAMASK.index(name) for name in names])

    def region(self, name: str, *others: np.ndarray) -> np.ndarray:
        """A region (h, w) bool of ``PARTS``, or ``face`` or ``picture``.

        others: landmarks (478, 2) that it has to hold as well.
        """
        size = self.image.shape[:2]
        if name == "picture":
            return np.ones(size, bool)
        if name == "face":
            return self.classes(*FACE)
        return _hull(size, *(points[PARTS[name]] for points in (self.points, *others)))


def _hull(size: tuple[int, int], *points: np.ndarray) -> np.ndarray:
    out = np.zeros(size, np.uint8)
    corners = cv2.convexHull(np.concatenate(points)[:, :2].astype(np.float32))
    cv2.fillConvexPoly(out, np.floor(corners).astype(np.int32), 1)
    return out > 0


def _drawn(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """A scene's image (h, w, 3) uint8 and landmarks (478, 3)."""
    drawn = world_drawn(scene)
    return drawn.image, drawn.landmarks


def _landmarks(scene: Scene) -> np.ndarray:
    """The landmarks (478, 2) of a scene, which is not drawn for them."""
    model = HeadModel.bundled()
    return scene.camera().project(model.landmarks(scene.vertices(model)))[:, :2]


# -- manipulations ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Edit:
    """What a manipulation made, before it is compared with the original.

    image: (h, w, 3) uint8. weight: (h, w) float32 0..1, 0 where the original stays. truth: what is
    now true of the face and was not. original: where the manipulation changed that, too.
    """

    image: np.ndarray
    weight: np.ndarray
    truth: dict[str, Any] = field(default_factory=dict)
    original: np.ndarray | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Manipulated:
    """A forged picture.

    image, original: (h, w, 3) uint8. mask: (h, w) float32 0..1, above 0 exactly where they differ;
    its value is the share of the new. weight: (h, w) float32, the same where by chance a pixel came
    out as it was; smooth, for those who learn the edge of blending.
    label: kind, family, strength, params, index and person; donor_index and donor_person of swaps;
    and what else is true of the forged face.
    """

    image: np.ndarray
    mask: np.ndarray
    label: dict[str, Any]
    original: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True, slots=True)
class Manipulation(ABC):
    """Parameters of one kind of manipulation. strength: 0..1, 0 changes nothing or little."""

    kind: ClassVar[str]
    family: ClassVar[str]
    needs_donor: ClassVar[bool] = False
    strength: float = 1.0

    @classmethod
    @abstractmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        """Parameters at random."""

    @abstractmethod
    def edit(self, shot: Shot, donor: Shot, rng: np.random.Generator) -> Edit:
        """The manipulation itself; the donor is the shot where none is needed."""

    def __call__(
        self, shot: Shot, rng: np.random.Generator, donor: Shot | None = None
    ) -> Manipulated:
        """A shot manipulated; raises UsageError without the donor that a swap needs."""
        if self.needs_donor and donor is None:
            raise UsageError(f"{self.kind} needs a second face")
        edit = self.edit(shot, donor or shot, rng)
        original = shot.image if edit.original is None else edit.original
        image = np.where(edit.weight[..., None] > 0, edit.image, original)
        changed = (image != original).any(-1)
        mask = np.where(changed, np.maximum(edit.weight, LEAST), 0).astype(np.float32)
        label = {
            "kind": self.kind,
            "family": self.family,
            "strength": self.strength,
            "params": asdict(self),
            "index": shot.index,
            "person": shot.sample["person"],
            **edit.truth,
        }
        if self.needs_donor and donor is not None:
            label |= {"donor_index": donor.index, "donor_person": donor.sample["person"]}
        return Manipulated(image, mask, label, original, edit.weight)


def _strength(rng: np.random.Generator) -> float:
    return float(rng.uniform(0.3, 1.0))


@dataclass(frozen=True, slots=True)
class SwapRendered(Manipulation):
    """Another identity, shape and skin, drawn in this one's pose, expression and light.

    What a learned swap aims at. resolution: of the drawn face, as decoders give less than the
    picture has. regrained: the forger puts the camera's noise on it.
    """

    kind = "swap-rendered"
    family = "swap"
    needs_donor = True
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
        source, landmarks = _drawn(replace(shot.scene, person=person))
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
            strength=_strength(rng),
            blend=replace(Blend.sample(rng), region="hull"),
            resolution=float(rng.uniform(0.5, 1.0)),
            regrained=bool(rng.random() < 0.5),
            number=int(rng.integers(2**31)),
        )

    def edit(self, shot: Shot, donor: Shot, rng: np.random.Generator) -> Edit:
        scene = replace(shot.scene, expression=expression_of(shot, self.number, self.strength))
        source, landmarks = _drawn(scene)
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
        return cls(_strength(rng), float(rng.uniform(0.05, 0.25)), int(rng.integers(2**31)))

    def edit(self, shot: Shot, donor: Shot, rng: np.random.Generator) -> Edit:
        expression = expression_of(shot, self.number, self.strength)
        expression[JAW_CURVES] = shot.scene.expression[JAW_CURVES]
        moved = shot.sample["landmarks"].copy()
        moved[:, :2] += _landmarks(replace(shot.scene, expression=expression)) - _landmarks(
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
        source, landmarks = _drawn(replace(shot.scene, expression=expression))
        source = _reworked(source, shot, self.resolution, self.regrained, rng)
        region = shot.region("mouth", landmarks[:, :2])
        wide = max(round(0.05 * shot.extent), 1)
        region = cv2.dilate(region.astype(np.uint8), np.ones((wide, wide), np.uint8)) > 0
        weight = feathered(region, self.feather * shot.extent)
        truth = {"expression": expression.tolist()}
        return Edit(mixed(source, shot.image, weight), weight, truth)


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
            strength=_strength(rng),
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
            lids |= _hull(size, lash, lash + 0.7 * height * _up(shot))
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
    colour: tuple[int, int, int] = (120, 70, 30)

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        dyes = ((30, 22, 18), (110, 70, 40), (205, 170, 110), (130, 45, 25), (150, 150, 150),
                (60, 90, 170), (190, 80, 130))  # fmt: skip
        return cls(_strength(rng), _near(dyes[rng.integers(len(dyes))], rng))

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
        return cls(_strength(rng), float(rng.choice([-1, 1]) * rng.uniform(0.3, 1.0)))

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
        return cls(_strength(rng), bool(rng.random() < 0.6))

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


@dataclass(frozen=True, slots=True)
class Generated(Manipulation):
    """The face, or the whole picture, with the traces of a generator that doubles sizes (GAN).

    way, stages, detail: see :func:`mien.world.traces.upsampled`. feather: in parts of the face.
    """

    kind = "gan"
    family = "generated"
    region: str = "hull"
    way: str = "transposed"
    stages: int = 2
    detail: float = 0.6
    feather: float = 0.1

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        return cls(
            strength=_strength(rng),
            region=str(rng.choice(["picture", "hull", "face"])),
            way=str(rng.choice(traces.UPSAMPLERS)),
            stages=int(rng.integers(1, 4)),
            detail=float(rng.uniform(0.4, 0.9)),
            feather=float(rng.uniform(0.03, 0.15)),
        )

    def edit(self, shot: Shot, donor: Shot, rng: np.random.Generator) -> Edit:
        image = traces.upsampled(shot.image, self.way, rng, self.stages, self.strength, self.detail)
        weight = _around(shot, self.region, self.feather)
        return Edit(mixed(image, shot.image, weight), weight)


@dataclass(frozen=True, slots=True)
class Diffused(Manipulation):
    """The face, or the whole picture, with the traces of a latent diffusion model."""

    kind = "diffusion"
    family = "generated"
    region: str = "hull"
    detail: float = 0.5
    feather: float = 0.1

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        region = str(rng.choice(["picture", "hull", "face"]))
        detail, feather = rng.uniform(0.2, 0.8), rng.uniform(0.03, 0.15)
        return cls(_strength(rng), region, float(detail), float(feather))

    def edit(self, shot: Shot, donor: Shot, rng: np.random.Generator) -> Edit:
        image = traces.denoised(shot.image, rng, self.strength, self.detail)
        weight = _around(shot, self.region, self.feather)
        return Edit(mixed(image, shot.image, weight), weight)


HISTORIES = ("jpeg", "double-jpeg", "webp", "h264", "resampled", "sharpened")


@dataclass(frozen=True, slots=True)
class Spliced(Manipulation):
    """A face of another history than its picture: coded, resampled or sharpened, and put back.

    history: of ``HISTORIES``. quality: of the codec, 0..1. shift: of JPEG's grid against the
    picture's, pixels.
    """

    kind = "recompressed"
    family = "history"
    history: str = "jpeg"
    quality: float = 0.5
    shift: tuple[int, int] = (3, 5)
    region: str = "hull"

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        quality = float(rng.uniform(0.1, 0.9))
        x, y = (int(value) for value in rng.integers(0, 8, 2))
        history = str(rng.choice(HISTORIES))
        return cls(
            1 - quality, history, quality, (x, y), str(rng.choice(["hull", "inner", "face"]))
        )

    def edit(self, shot: Shot, donor: Shot, rng: np.random.Generator) -> Edit:
        weight = feathered(shot.region(self.region), 2)
        return Edit(mixed(self._old(shot.image), shot.image, weight), weight)

    def _old(self, image: np.ndarray) -> np.ndarray:
        if self.history == "resampled":
            return traces.resample(image, 0.4 + 0.5 * self.quality, cv2.INTER_CUBIC)
        if self.history == "sharpened":
            return traces.sharpen(image, 1.2 - self.quality)
        if self.history == "h264":
            return traces.h264(image, round(40 - 20 * self.quality))
        level = round(30 + 65 * self.quality)
        if self.history == "webp":
            return traces.webp(image, level)
        if self.history == "jpeg":
            return traces.jpeg(image, level, self.shift)
        return traces.double_jpeg(image, (level, min(level + 10, 98)), self.shift)


KINDS: Mapping[str, type[Manipulation]] = MappingProxyType({
    cls.kind: cls
    for cls in (SwapRendered, SwapWarped, SelfBlend, ReenactRendered, ReenactWarped, LipSync, Paint,
                HairColour, SkinTone, Age, Inpaint, Generated, Diffused, Spliced)
})  # fmt: skip
"""All manipulations by name."""


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


def _around(shot: Shot, region: str, feather: float) -> np.ndarray:
    mask = shot.region(region)
    return feathered(mask, 0 if region == "picture" else feather * shot.extent)


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


# -- of a world ------------------------------------------------------------------------------------


def manipulate(
    world: World, index: int, kind: str, rng: np.random.Generator, grain: float = 0.0
) -> Manipulated:
    """Sample ``index`` of a world, manipulated with parameters at random.

    The other face of a swap is of the same world and so of the same split. grain: noise of the
    camera on all pictures, grey values.

    Raises UsageError for an unknown kind, and for a swap in a world of one person; InputError where
    the kind can change nothing, such as the hair of somebody without any.
    """
    if kind not in KINDS:
        raise UsageError(f"no manipulation {kind!r}; there are {', '.join(KINDS)}")
    shot, cls = Shot.of(world, index, grain), KINDS[kind]
    donor = Shot.of(world, _donor(world, shot, rng), grain) if cls.needs_donor else None
    for _ in range(TRIES):
        made = cls.sample(rng)(shot, rng, donor)
        if (made.mask > 0).mean() >= FEWEST:
            return made
    raise InputError(f"sample {index}: nothing that {kind} can change")


def _donor(world: World, shot: Shot, rng: np.random.Generator) -> int:
    """The number of a sample of another person, turned, as large and as light about the same."""
    if len(world.people) < 2:
        raise UsageError(f"a swap needs two people; split {world.split!r} has one")
    found: list[tuple[float, int]] = []
    while len(found) < CANDIDATES:
        index = int(rng.integers(2**31))
        scene = world.scene(index)
        if scene.person.number != shot.scene.person.number:
            turned = np.abs(scene.pose - shot.scene.pose)[:2].sum()
            smaller = max(float(np.log(shot.scene.fill / scene.fill)), 0)
            paler = np.abs(scene.person.albedo - shot.scene.person.albedo)[0]
            found.append((float(turned) + 30 * smaller + 10 * float(paler), index))
    return min(found)[1]


@dataclass(frozen=True, slots=True, eq=False)
class Forgeries:
    """An endless, seeded, balanced sequence of real and forged pictures of a world.

    Number 2 n is real and 2 n + 1 forged; the kinds take turns. paired: both are of the same shot,
    which makes detectors generalise (Yermakov et al. 2025); else of two. processed: real and forged
    pictures go through processing of the same distribution, of pairs through the very same. noisy:
    the cameras have noise, which drawn faces lack unless a forger put it on them.

    Splits: worlds of different splits share nobody, neither as target nor as donor.
    """

    world: World
    kinds: tuple[str, ...] = tuple(KINDS)
    seed: int = 0
    paired: bool = True
    processed: bool = True
    noisy: bool = True

    def __post_init__(self) -> None:
        unknown = [kind for kind in self.kinds if kind not in KINDS]
        if unknown or not self.kinds:
            raise UsageError(f"kinds: some of {', '.join(KINDS)}, not {unknown}")

    def pair(self, number: int, kind: str) -> tuple[Sample, Sample]:
        """A real and a forged picture of the same shot; see :meth:`sample`."""
        rng = np.random.default_rng([self.seed, number, 2])
        grain = float(rng.uniform(0.5, 3.0)) if self.noisy else 0.0
        made = self._made(number, kind, rng, grain)
        processing = traces.Processing.sample(rng) if self.processed else traces.Processing()
        shared = {"index": made.label["index"], "person": made.label["person"]}
        shared["processing"] = asdict(processing)
        nothing = np.zeros_like(made.mask)
        real = {"image": processing(made.original), "mask": nothing, "weight": nothing,
                "fake": False, "kind": "real", "label": shared}  # fmt: skip
        fake = {"image": processing(made.image), "mask": made.mask, "weight": made.weight,
                "fake": True, "kind": kind, "label": {**made.label, **shared}}  # fmt: skip
        return real, fake

    def sample(self, number: int) -> Sample:
        """Picture ``number``: image, mask and weight (before processing), fake, kind and label."""
        kind = self.kinds[number // 2 % len(self.kinds)]
        return self.pair(number // 2 if self.paired else number, kind)[number % 2]

    def stream(self, start: int = 0) -> Iterator[Sample]:
        """Pictures from ``start`` on; each pair is made once."""
        if start % 2 or not self.paired:
            yield self.sample(start)
            start += 1
        while True:
            if self.paired:
                yield from self.pair(start // 2, self.kinds[start // 2 % len(self.kinds)])
                start += 2
            else:
                yield self.sample(start)
                start += 1

    def _made(self, number: int, kind: str, rng: np.random.Generator, grain: float) -> Manipulated:
        for attempt in range(TRIES):
            try:
                return manipulate(self.world, number + attempt * FAR, kind, rng, grain)
            except InputError:
                continue
        raise InputError(f"pair {number}: nothing that {kind} can change")
