"""Photographs with landmarks as shots that can be forged: what was not drawn has no scene.

So only kinds that work in the picture are possible (:data:`PHOTO_KINDS`). A bent expression is one
of them, by the rig of mien's head instead of the scene's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Self, cast

import numpy as np

from mien import face
from mien.face import BLENDSHAPES
from mien.find import geometry
from mien.head.model import CELEBAMASK, HeadModel
from mien.world.blending import feathered, mixed, warped
from mien.world.forged_faces import JAW_CURVES
from mien.world.forging import Edit, Manipulation, Shot, hull, some_strength
from mien.world.manipulate import KINDS
from mien.world.scene import Scene
from mien.world.world import World

RINGS = (("skin", face.FACE_OVAL), ("right_brow", face.RIGHT_BROW), ("left_brow", face.LEFT_BROW),
         ("right_eye", face.RIGHT_EYE), ("left_eye", face.LEFT_EYE), ("nose", face.NOSE),
         ("upper_lip", face.LIPS_OUTER), ("inner_mouth", face.LIPS_INNER))  # fmt: skip
"""What landmarks tell of a face's parsing, from the back to the front."""


@dataclass(frozen=True, slots=True)
class Reposed(Manipulation):
    """A photograph bent to another expression by its landmarks; the jaw stays as it is.

    Which expression it had is not known: what is added is the difference of two of the world.
    """

    kind = "reenact-warped"
    family = "re-enactment"
    feather: float = 0.15
    seed: int = 0

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        return cls(some_strength(rng), float(rng.uniform(0.05, 0.25)), int(rng.integers(2**31)))

    def edit(self, shot: Shot, donor: Shot, rng: np.random.Generator) -> Edit:
        world = World(split="train", seed=self.seed)
        change = world.scene(0).expression - world.scene(1).expression
        change[JAW_CURVES] = 0
        moved = shot.sample["landmarks"] + _offsets(shot, self.strength * change)
        image, covered = warped(shot.image, shot.points, moved)
        weight = feathered(shot.region("hull") & covered, self.feather * shot.extent)
        return Edit(mixed(image, shot.image, weight), weight)


def _offsets(shot: Shot, change: np.ndarray) -> np.ndarray:
    """(478, 3) pixels by which a change of curves (52,) moves a face's landmarks."""
    _, _, basis = HeadModel.bundled().landmark_basis()
    offsets = np.tensordot(change, basis[: len(BLENDSHAPES)], 1) * [1, -1, -1]
    fit = geometry.fit_rigid(shot.sample["landmarks"])
    return fit.scale * offsets @ fit.rotation.T


PHOTO_KINDS: Mapping[str, type[Manipulation]] = MappingProxyType({
    **{kind: KINDS[kind] for kind in ("swap-warped", "self-blend", "inpaint", "gan", "diffusion",
                                      "recompressed")},
    Reposed.kind: Reposed,
    **{kind: KINDS[kind] for kind in ("makeup", "skin-tone", "age")},
})  # fmt: skip
"""Kinds that a photograph with landmarks allows."""


def photo_shot(image: np.ndarray, landmarks: np.ndarray, number: int) -> Shot:
    """A photograph (h, w, 3) uint8 as manipulations take it.

    landmarks: (478, 3) pixels. number: of the picture, and of its person. Its parsing is what the
    landmarks tell of it: the inside of the face, without hair.
    """
    parsing = np.zeros(image.shape[:2], np.uint8)
    for name, ring in RINGS:
        parsing[hull(image.shape[:2], landmarks[ring])] = CELEBAMASK.index(name)
    sample = {"landmarks": landmarks, "parsing": parsing, "person": number}
    return Shot(number, cast(Scene, None), sample, image)  # no kind of PHOTO_KINDS asks for one
