"""What all manipulations of the world's pictures have in common: shots, regions, exact masks."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Self

import cv2
import numpy as np

from mien import face
from mien.errors import UsageError
from mien.head.model import CELEBAMASK, HeadModel
from mien.world import backdrop, traces
from mien.world.blending import feathered
from mien.world.scene import Scene
from mien.world.world import Sample, World
from mien.world.world import drawn as world_drawn

LEAST = 1 / 255  # of a mask where a pixel was changed

FACE = ("skin", "right_brow", "left_brow", "right_eye", "left_eye", "nose", "inner_mouth",
        "lower_lip", "upper_lip")  # fmt: skip
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
        return hull(size, *(points[PARTS[name]] for points in (self.points, *others)))


def hull(size: tuple[int, int], *points: np.ndarray) -> np.ndarray:
    """The convex hull of points (n, 2 or 3), (h, w) bool."""
    out = np.zeros(size, np.uint8)
    corners = cv2.convexHull(np.concatenate(points)[:, :2].astype(np.float32))
    cv2.fillConvexPoly(out, np.floor(corners).astype(np.int32), 1)
    return out > 0


def drawn_scene(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """A scene's image (h, w, 3) uint8 and landmarks (478, 3)."""
    drawn = world_drawn(scene)
    return drawn.image, drawn.landmarks


def landmarks_of(scene: Scene) -> np.ndarray:
    """The landmarks (478, 2) of a scene, which is not drawn for them."""
    if scene.portrait is not None:
        return backdrop.landmarks(scene)
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
    """Parameters of one kind of manipulation. strength: 0..1, 0 changes nothing or little.

    needs_drawing: whether the picture has to be drawn whole: it cannot be one of people who are
    shown in their portrait.
    """

    kind: ClassVar[str]
    family: ClassVar[str]
    needs_donor: ClassVar[bool] = False
    needs_drawing: ClassVar[bool] = False
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


def some_strength(rng: np.random.Generator) -> float:
    """A strength that is seen."""
    return float(rng.uniform(0.3, 1.0))


def around(shot: Shot, region: str, feather: float) -> np.ndarray:
    """A region's weight (h, w) float32, with an edge so wide in parts of the face."""
    mask = shot.region(region)
    return feathered(mask, 0 if region == "picture" else feather * shot.extent)
