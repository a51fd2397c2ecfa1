"""The pictures of a claim: drawn once, kept on disk, held in memory while arms learn from them."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import torch

from mien.train.sharded import NEEDED
from mien.train.system import Stage, System
from mien.train.worldly import square, words
from mien.world.recipe import Recipe
from mien.world.shards import make
from mien.world.stored import Shards

RECIPES = Path(__file__).parent / "recipes"
IN_A_ROW = 8  # pictures of one person that are drawn, and learned from, together
PART = 512  # pictures that are drawn again at most after a kill
FAR_TURNED = 45.0  # degrees of yaw
NOISE = "mask_noise"  # the only word that chance fills

Sample = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Pictures:
    """``count`` pictures of one split of a recipe, a file of ``RECIPES``."""

    recipe: str
    split: str
    count: int
    seed: int = 0

    def scaled(self, scale: float) -> "Pictures":
        """Fewer of them, 8 people at least."""
        rows = max(8, round(scale * self.count / IN_A_ROW))
        return Pictures(self.recipe, self.split, min(self.count, rows * IN_A_ROW), self.seed)

    def album(self, side: int, folder: Path) -> "Album":
        """Their crops of ``side`` pixels; those that are not in ``folder`` are drawn into it."""
        return album(self, side, folder)


class Album:
    """Crops in the words of ``mien.data.labels``, as arrays over all of them.

    words: also "hard" (n,), whether the face is turned far or something hides it.
    fingerprint: of the files that they come from.
    """

    def __init__(self, words: Mapping[str, np.ndarray], fingerprint: str):
        self.words, self.fingerprint = dict(words), fingerprint

    def __len__(self) -> int:
        return len(self.words["image"])

    def __getitem__(self, word: str) -> np.ndarray:
        return self.words[word]

    def batch(self, rows: slice | np.ndarray, names: Mapping[str, torch.Tensor]) -> Sample:
        """The rows of those words, in the types of ``names``."""
        return {
            name: torch.from_numpy(self.words[name][rows]).to(value.dtype)
            for name, value in names.items()
            if name in self.words
        }

    def people(self) -> set[int]:
        return set(self.words["identity"].tolist())


def album(
    pictures: Pictures, side: int, folder: Path,
    crop: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Album:  # fmt: skip
    """Crops of ``side`` pixels; pictures that are not in ``folder`` are drawn into it.

    crop: where a face is cut out, as of ``System.crop``; without it, the upright square: one cut
    for all arms of all claims, whatever the systems are usually shown.
    """
    cut = crop or partial(square, side=side)
    shards = draw(pictures, folder)
    digest = hashlib.sha256()
    rows = []
    for part in shards:
        digest.update(part.path.read_bytes())
        rows += [_crop(part[place], cut, side) for place in range(len(part))]
    stacked = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    return Album(stacked, f"sha256:{digest.hexdigest()[:16]}")


def draw(pictures: Pictures, folder: Path) -> list[Shards]:
    """The shards of some pictures; those that are missing are drawn."""
    recipe = Recipe.load(RECIPES / f"{pictures.recipe}.yaml")
    parts = []
    for first in range(0, pictures.count, PART):
        count = min(PART, pictures.count - first)
        name = f"{recipe.name}-{recipe.fingerprint()}-{pictures.seed}"
        part = folder / name / f"{pictures.split}-{first:07d}-{count}"
        if not (part / f"{pictures.split}.json").exists():
            make(recipe, part, count=count, split=pictures.split, seed=pictures.seed,
                 start=first, in_a_row=IN_A_ROW)  # fmt: skip
        parts.append(Shards(part, NEEDED))
    return parts


def _crop(
    sample: Mapping, cut: Callable[[np.ndarray], np.ndarray], side: int
) -> dict[str, np.ndarray]:
    told = words(sample, cut(sample["landmarks"]), side)
    known = {name: np.asarray(value) for name, value in told.items()}
    factors = sample["factors"]
    turned = abs(float(sample["pose"][0])) > FAR_TURNED
    hidden = any(factors[name] for name in ("mask", "occluder", "glasses"))
    small = {"parsing": np.uint8, "attributes": np.int8, "action_units": np.int8}
    known = {name: value.astype(small.get(name, value.dtype)) for name, value in known.items()}
    return {**known, "hard": np.array(turned or hidden)}


class Shuffled:
    """A stream of an album's crops, in a new order in each pass over them.

    in_a_row: of one person, for stages that compare people; 1 for any order.
    """

    def __init__(self, album: Album, system: System, stage: Stage, seed: int):
        self.album, self.seed = album, seed
        self.names = {name: value[0] for name, value in system.example(1).items()}
        self.in_a_row = IN_A_ROW if stage.data == "people" else 1

    def sample(self, index: int) -> Sample:
        """The sample of this number, in the words that the system learns from."""
        turn, one = divmod(index, self.in_a_row)
        epoch, place = divmod(turn, len(self.album) // self.in_a_row)
        order = _order(len(self.album) // self.in_a_row, self.seed, epoch)
        row = int(order[place]) * self.in_a_row + one
        made = self.album.batch(np.array([row]), self.names)
        sample = {name: value[0] for name, value in made.items()}
        if NOISE in self.names:
            rng = np.random.default_rng([self.seed, index])
            sample[NOISE] = torch.from_numpy(rng.random(self.names[NOISE].shape, np.float32))
        return sample


@lru_cache(maxsize=4)
def _order(count: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(count)
