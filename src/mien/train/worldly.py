"""``world:RECIPE``: people who do not exist as endless training streams."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import torch

from mien.data import labels, photometric
from mien.data.face_crops import placement
from mien.data.labelled_crops import LOOSE, SPOILT
from mien.data.traits import (
    COVERED,
    HIDES,
    covered,
    detail_left,
    inside,
    mirrored_curves,
    mirrored_gaze,
    mirrored_landmarks,
    of_world,
    shut,
)
from mien.errors import UsageError
from mien.find import geometry, mean_face
from mien.head.model import CELEBAMASK
from mien.train.data import Sample, Stream, filled, unknowns
from mien.train.spoken import Spoken
from mien.train.system import Stage, System
from mien.train.told import LESSONS, Dialogues
from mien.train.voiced import Clips, Voiced
from mien.world import backdrop
from mien.world.action_units import INDEX
from mien.world.emotions import NAMES
from mien.world.recipe import LARGEST_SIZE, Recipe
from mien.world.world import World

MARGIN = 1.45  # side of the crop / larger side of the landmarks' box
FACE = 0.5  # of the picture's side that a face usually takes


def _other(name: str) -> str:
    """What a class is called in a mirror."""
    for one, two in (("right_", "left_"), ("left_", "right_")):
        if name.startswith(one):
            return two + name.removeprefix(one)
    return name


OF_ONE = {"faces": 4, "people": 8, "face-crops": 4}
"""Pictures of one person in a row, by what a stage asks for."""
WORN = {"glasses": "Eyeglasses", "hat": "Wearing_Hat", "earrings": "Wearing_Earrings",
        "necklace": "Wearing_Necklace"}  # fmt: skip
"""Attribute by factor; shards made by an older mien lack some."""
PRESENT = 1.0  # intensity from which on an action unit counts as there (FACS: A, a trace)
NOISE = "mask_noise"
CLASSES = np.array(
    [labels.PARSING.index(name) if name in labels.PARSING else 0 for name in CELEBAMASK]
    + [0] * (256 - len(CELEBAMASK)),
    np.int64,
)
"""Class of ``labels.PARSING`` by class of ``CELEBAMASK``; the rest is background."""
for _ear in ("right_ear", "left_ear"):
    CLASSES[CELEBAMASK.index(_ear)] = labels.PARSING.index("skin")
CLASSES[backdrop.UNKNOWN] = labels.UNKNOWN
CLASSES_19 = np.array([*range(len(CELEBAMASK)), *[0] * (256 - len(CELEBAMASK))], np.int64)
"""The same for ``parsing_19``: what hides a face is background."""
CLASSES_19[backdrop.UNKNOWN] = labels.UNKNOWN
MIRRORED_19 = np.array(
    [CELEBAMASK.index(_other(name)) for name in CELEBAMASK] + [labels.UNKNOWN], np.int64
)
"""Class in a mirror by class of ``parsing_19``; the last, which -1 names, is unknown."""
SIDED = {"image", "landmarks", "visible", "parsing_19", "curves", "gaze"}
"""Words of a crop that a mirror changes."""
ADDED = 0.12  # how often something is put in front of a crop, and then how often another thing


class WorldSource:
    """The training people of a recipe, cropped to the size of the system.

    rest: a recipe's file, or nothing for the usual one. Several pictures of one person follow each
    other, ``OF_ONE`` many.
    """

    def __init__(self, rest: str):
        self.recipe = Recipe.load(Path(rest)) if rest else Recipe()

    def __call__(self, system: System, stage: Stage, seed: int) -> Stream:
        """Raises UsageError where the world cannot give what the stage learns from."""
        if stage.data == "speech":
            return Spoken(self.recipe, system, stage, seed)
        if stage.data == "voices":
            return Voiced(Clips(seed), system, stage, seed)
        if stage.data in LESSONS:
            return Dialogues(self.recipe, system, stage, seed)
        side, _, in_a_row = learned(system, stage)
        recipe = replace(self.recipe, size=min(LARGEST_SIZE, max(96, round(side / FACE))))
        return stream_of(World(recipe, "train", seed, in_a_row=in_a_row), system, stage, seed)


def stream_of(pictures: "Pictures", system: System, stage: Stage, seed: int) -> "Faces | Crops":
    """The pictures as a stage wants them cut: as the system is asked, or spoiled as well."""
    side, blank, _ = learned(system, stage)
    if stage.data == "face-crops":
        return Crops(pictures, side, blank, seed)
    return Faces(pictures, side, blank, system.crop)


def learned(system: System, stage: Stage) -> tuple[int, dict[str, torch.Tensor], int]:
    """What a stage learns from: side of its pictures, blanks of its words, pictures of one person.

    Raises UsageError where people of the world are not what it learns from.
    """
    if stage.data not in OF_ONE:
        raise UsageError(f"the world has no {stage.data!r}, which stage {stage.name!r} of "
                         f"{system.CARD.slug} learns from; it has {', '.join(OF_ONE)}")  # fmt: skip
    example = system.example(1)
    return int(example["image"].shape[-1]), unknowns(example), OF_ONE[stage.data]


class Pictures(Protocol):
    """Samples of the world by number, as ``World`` draws them or shards keep them."""

    seed: int

    def sample(self, index: int) -> Mapping[str, Any]:
        """Sample ``index``, with what :func:`words` needs of it."""
        ...


class Faces:
    """Crops of the world's pictures, ``side`` pixels a side, in the words of ``mien.data.labels``.

    blank: the words of a sample, with what stands for a word that the world does not know; without
    it, the words that the world knows. crop: where a face with landmarks (478, 3) is cut out, as of
    ``System.crop``; without it, the upright square.
    """

    def __init__(
        self,
        pictures: Pictures,
        side: int,
        blank: Mapping[str, torch.Tensor] | None = None,
        crop: Callable[[np.ndarray], np.ndarray] | None = None,
    ):
        self.pictures, self.side, self.blank = pictures, side, blank
        self.crop = crop or partial(square, side=side)

    def sample(self, index: int) -> Sample:
        """The sample of this number."""
        sample = self.pictures.sample(index)
        known = words(sample, self.crop(sample["landmarks"]), self.side)
        if self.blank is None:
            return {name: torch.from_numpy(np.array(value)) for name, value in known.items()}
        if NOISE in self.blank:
            rng = np.random.default_rng([self.pictures.seed, index])
            known[NOISE] = rng.random(self.blank[NOISE].shape, np.float32)
        return filled(known, self.blank)


class Crops:
    """Crops of the world's pictures as the finder cuts them, spoiled as cameras do.

    Half of them are seen in a mirror. side, blank: as of :class:`Faces`. seed: of what is done to
    the crops.
    """

    def __init__(
        self, pictures: Pictures, side: int, blank: Mapping[str, torch.Tensor], seed: int = 0
    ):
        self.pictures, self.side, self.blank, self.seed = pictures, side, blank, seed

    def sample(self, index: int) -> Sample:
        """The sample of this number."""
        rng = np.random.default_rng([self.seed, index, 1])
        return filled(face_crop(self.pictures.sample(index), self.side, rng), self.blank)


def square(landmarks: np.ndarray, side: int) -> np.ndarray:
    """(2, 3), from the pixels of a crop to the picture: the upright square about a face."""
    low, high = landmarks[:, :2].min(0), landmarks[:, :2].max(0)
    scale = MARGIN * (high - low).max() / side
    return np.column_stack([np.eye(2) * scale, (low + high) / 2 - scale * side / 2])


def words(sample: Mapping[str, Any], picture_from_crop: np.ndarray, side: int) -> dict[str, Any]:
    """A sample of the world in a crop (side, side), by word."""
    crop_from_picture = cv2.invertAffineTransform(picture_from_crop)
    matrix = picture_from_crop.copy()
    matrix[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5  # pixels have their centres at halves
    cut = partial(cv2.warpAffine, M=matrix, dsize=(side, side), borderMode=cv2.BORDER_REPLICATE)
    image = cut(sample["image"], flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    parsing = cut(sample["parsing"], flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP)

    def placed(points: np.ndarray) -> np.ndarray:
        return geometry.transform(crop_from_picture, points).astype(np.float32)

    return {
        "image": image.transpose(2, 0, 1),
        "presence": np.float32(1),
        "landmarks": placed(sample["landmarks"]),
        "landmarks_68": placed(sample["landmarks68"])[:, :2],
        "pose": sample["pose"],
        "parsing": CLASSES[parsing.astype(np.uint8)],
        "parsing_19": CLASSES_19[parsing.astype(np.uint8)],
        "age": np.float32(sample["age"]),
        "visible": np.asarray(sample["visible"], np.int64),
        **told(sample),
    }


def told(sample: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of a sample of the world wherever it is cropped, by word."""
    active = np.full(len(labels.ACTION_UNITS), labels.UNKNOWN, np.int64)
    for place, number in enumerate(labels.ACTION_UNITS):
        if number in INDEX:
            active[place] = sample["action_units"][INDEX[number]] >= PRESENT
    name = NAMES[sample["emotion"]]
    head = {"head_identity": sample["identity"]} if "identity" in sample else {}
    return head | {
        "emotion": _class(labels.EXPRESSIONS, name),
        "affect": _class(labels.AFFECTS, name),
        "valence": np.float32(sample["valence"]),
        "arousal": np.float32(sample["arousal"]),
        "action_units": active,
        "unit_intensities": np.asarray(sample["action_units"], np.float32),
        "curves": np.asarray(sample["expression"], np.float32),
        "gaze": np.asarray(sample["gaze"], np.float32).reshape(2, 2),
        "identity": np.int64(sample["person"]),
        "gender": _class(labels.GENDERS, sample["gender"]),
        "group": _class(labels.GROUPS, sample["group"]),
        "attributes": _attributes(sample),
        "traits": of_world(sample),
    }


def _class(classes: tuple[str, ...], name: str) -> np.int64:
    return np.int64(classes.index(name) if name in classes else labels.UNKNOWN)


def face_crop(
    sample: Mapping[str, Any], side: int, rng: np.random.Generator, mirror: float = 0.5
) -> dict[str, Any]:
    """A sample as the finder would cut it (``mien.find.geometry``) and a camera spoil it, by word.

    mirror: how often it is seen in a mirror. Nothing of the picture's edge is known to be anything.
    """
    crop_from_picture = placement(sample["landmarks"], side, rng, LOOSE)
    picture_from_crop = geometry.invert(crop_from_picture)
    clean = geometry.crop(sample["image"], picture_from_crop, side)
    landmarks = geometry.transform(crop_from_picture, sample["landmarks"])
    parsing = _classes_in(sample["parsing"], picture_from_crop, side)
    texture = photometric.background_crop([sample["image"]], (side, side), rng)
    image, hidden = clean, np.zeros((side, side), np.float32)
    while rng.random() < ADDED:
        image, alpha = photometric.before(image, texture, rng)
        hidden = np.maximum(hidden, alpha)
    parsing[hidden >= HIDES] = 0
    image = photometric.degrade(image, rng, SPOILT)
    behind = covered(landmarks, hidden)
    gone = behind | ~inside(landmarks, side)
    known = told(sample)
    if behind.mean() >= COVERED:
        known["traits"][labels.TRAITS.index("occluded")] = 1
    quality = detail_left(clean, image) * (1 - gone.mean())
    factors = sample["factors"]
    spoiled = factors["degrade"] or factors["mask"] or factors["occluder"]
    known |= {
        "image": image.transpose(2, 0, 1),
        "gaze": np.where(shut(known["curves"])[:, None], np.float32(np.nan), known["gaze"]),
        "presence": np.float32(1),
        "landmarks": landmarks,
        "visible": np.where(gone, 0, sample["visible"]).astype(np.int64),
        "parsing_19": parsing,
        # A drawn person does not look as old as its number says.
        "age": np.float32(np.nan if sample["source"] == "model" else sample["age"]),
        "quality": np.float32(np.nan if spoiled else quality),
    }
    return _mirrored(known, side) if rng.random() < mirror else known


def _classes_in(parsing: np.ndarray, picture_from_crop: np.ndarray, side: int) -> np.ndarray:
    """The word ``parsing_19`` of a crop; -1 beyond the picture."""
    matrix = picture_from_crop.copy()
    matrix[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5  # pixels have their centres at halves
    cut = cv2.warpAffine(
        parsing.astype(np.uint8), matrix, (side, side), borderMode=cv2.BORDER_CONSTANT,
        flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP, borderValue=backdrop.UNKNOWN,
    )  # fmt: skip
    return CLASSES_19[np.asarray(cut, np.uint8)]


def _mirrored(known: Mapping[str, Any], side: int) -> dict[str, Any]:
    """The words that :func:`face_crop` gives, of the picture in a mirror."""
    units = {name: known[name] for name in known if name not in SIDED}
    return {
        **units,
        "image": known["image"][:, :, ::-1],
        "landmarks": mirrored_landmarks(known["landmarks"], side),
        "visible": known["visible"][mean_face.mirror()],
        "parsing_19": MIRRORED_19[known["parsing_19"][:, ::-1]],
        "curves": mirrored_curves(known["curves"]),
        "gaze": mirrored_gaze(known["gaze"]),
    }


def _attributes(sample: Mapping[str, Any]) -> np.ndarray:
    """CelebA's attributes that the world knows; -1 for the others."""
    out = np.full(len(labels.ATTRIBUTES), labels.UNKNOWN, np.int64)
    hair, beard = sample["hair"], sample["beard"]
    worn = sample["factors"]
    said = {name: worn[factor] for factor, name in WORN.items() if factor in worn}
    if hair:  # "" where it is a photo's
        said |= {"Bald": hair == "bald", "Receding_Hairline": hair == "receding"}
    if beard:
        said |= {
            "Mustache": beard in ("moustache", "goatee", "full"),
            "Goatee": beard == "goatee",
            "Sideburns": beard in ("sideburns", "full"),
            "No_Beard": beard == "none",
        }
    for name, there in said.items():
        out[labels.ATTRIBUTES.index(name)] = there
    return out
