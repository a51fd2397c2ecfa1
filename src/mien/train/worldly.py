"""``world:RECIPE``: people who do not exist as endless training streams."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import torch

from mien.data import labels
from mien.errors import UsageError
from mien.head.model import CELEBAMASK
from mien.train.system import Stage, System
from mien.world import backdrop
from mien.world.action_units import INDEX
from mien.world.emotions import NAMES
from mien.world.recipe import LARGEST_SIZE, Recipe
from mien.world.world import World

Sample = dict[str, torch.Tensor]
MARGIN = 1.45  # side of the crop / larger side of the landmarks' box
FACE = 0.5  # of the picture's side that a face usually takes
OF_ONE = {"faces": 4, "people": 8}  # pictures of one person in a row, by what a stage asks for
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


class WorldSource:
    """The training people of a recipe, cropped to the size of the system.

    rest: a recipe's file, or nothing for the usual one. Several pictures of one person follow each
    other, ``OF_ONE`` many.
    """

    def __init__(self, rest: str):
        self.recipe = Recipe.load(Path(rest)) if rest else Recipe()

    def __call__(self, system: System, stage: Stage, seed: int) -> "Faces":
        """Raises UsageError where the world cannot give what the stage learns from."""
        side, blank, in_a_row = learned(system, stage)
        recipe = replace(self.recipe, size=min(LARGEST_SIZE, max(96, round(side / FACE))))
        return Faces(World(recipe, "train", seed, in_a_row=in_a_row), side, blank)


def learned(system: System, stage: Stage) -> tuple[int, dict[str, torch.Tensor], int]:
    """What a stage learns from: side of its pictures, blanks of its words, pictures of one person.

    Raises UsageError where people of the world are not what it learns from.
    """
    if stage.data not in OF_ONE:
        raise UsageError(f"the world has no {stage.data!r}, which stage {stage.name!r} of "
                         f"{system.CARD.slug} learns from; it has {', '.join(OF_ONE)}")  # fmt: skip
    example = system.example(1)
    blank = {name: _unknown(value[0]) for name, value in example.items()}
    return int(example["image"].shape[-1]), blank, OF_ONE[stage.data]


class Pictures(Protocol):
    """Samples of the world by number, as ``World`` draws them or shards keep them."""

    seed: int

    def sample(self, index: int) -> Mapping[str, Any]:
        """Sample ``index``, with what :func:`words` needs of it."""
        ...


class Faces:
    """Crops of the world's pictures, ``side`` pixels a side, in the words of ``mien.data.labels``.

    blank: the words of a sample, with what stands for a word that the world does not know; without
    it, the words that the world knows.
    """

    def __init__(
        self, pictures: Pictures, side: int, blank: Mapping[str, torch.Tensor] | None = None
    ):
        self.pictures, self.side, self.blank = pictures, side, blank

    def sample(self, index: int) -> Sample:
        """The sample of this number."""
        known = words(self.pictures.sample(index), self.side)
        if self.blank is None:
            return {name: torch.from_numpy(np.array(value)) for name, value in known.items()}
        if NOISE in self.blank:
            rng = np.random.default_rng([self.pictures.seed, index])
            known[NOISE] = rng.random(self.blank[NOISE].shape, np.float32)
        return {
            name: torch.from_numpy(np.array(known[name])).to(value.dtype)
            if name in known
            else value.clone()
            for name, value in self.blank.items()
        }


def words(sample: Mapping[str, Any], side: int) -> dict[str, Any]:
    """A sample of the world as a crop (side, side) about the face, by word."""
    box = sample["landmarks"][:, :2]
    low, high = box.min(0), box.max(0)
    scale = side / (MARGIN * (high - low).max())
    shift = side / 2 - scale * (low + high) / 2
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    # Pixels have their centres at halves.
    matrix[:, 2] += 0.5 * scale - 0.5
    image = cv2.warpAffine(
        sample["image"], matrix, (side, side), flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    parsing = cv2.warpAffine(
        sample["parsing"], matrix, (side, side), flags=cv2.INTER_NEAREST,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip

    def placed(points: np.ndarray) -> np.ndarray:
        moved = points * scale
        moved[:, :2] += shift
        return moved.astype(np.float32)

    active = np.full(len(labels.ACTION_UNITS), labels.UNKNOWN, np.int64)
    for place, number in enumerate(labels.ACTION_UNITS):
        if number in INDEX:
            active[place] = sample["action_units"][INDEX[number]] >= PRESENT
    name = NAMES[sample["emotion"]]
    known = labels.EXPRESSIONS.index(name) if name in labels.EXPRESSIONS else labels.UNKNOWN
    return {
        "image": image.transpose(2, 0, 1),
        "presence": np.float32(1),
        "landmarks": placed(sample["landmarks"]),
        "landmarks_68": placed(sample["landmarks68"])[:, :2],
        "pose": sample["pose"],
        "parsing": CLASSES[parsing.astype(np.uint8)],
        "age": np.float32(sample["age"]),
        "emotion": np.int64(known),
        "action_units": active,
        "identity": np.int64(sample["person"]),
        "attributes": _attributes(sample),
    }


def _attributes(sample: Mapping[str, Any]) -> np.ndarray:
    """CelebA's attributes that the world knows; -1 for the others."""
    out = np.full(len(labels.ATTRIBUTES), labels.UNKNOWN, np.int64)
    hair, beard = sample["hair"], sample["beard"]
    worn = sample["factors"]
    said = {"Eyeglasses": worn["glasses"], "Wearing_Hat": worn["hat"],
            "Wearing_Earrings": worn["earrings"], "Wearing_Necklace": worn["necklace"]}  # fmt: skip
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


def _unknown(example: torch.Tensor) -> torch.Tensor:
    return (
        torch.full_like(example, torch.nan if example.dtype.is_floating_point else labels.UNKNOWN)
        if example.dtype != torch.uint8
        else torch.zeros_like(example)
    )
