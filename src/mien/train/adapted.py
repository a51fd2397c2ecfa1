"""``adapter:NAME:FOLDER``: public data sets as endless training streams."""

from collections import defaultdict
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from mien.data import labels
from mien.data.adapters import Crops, open_dataset
from mien.errors import InputError, UsageError
from mien.train.system import Stage, System

Sample = dict[str, torch.Tensor]
NOISE = "mask_noise"  # the only word that chance fills
OF_ONE = 8  # pictures of one person in a row, where a stage asks for people


class AdapterSource:
    """The first split of a data set, cropped to the size of the system.

    Stages of "faces" see all pictures in a new order in each epoch; stages of "people" see
    ``OF_ONE`` pictures of one person, then as many of another.
    """

    def __init__(self, rest: str):
        self.name, _, folder = rest.partition(":")
        if not folder:
            raise UsageError(f"'adapter:{rest}': say adapter:NAME:FOLDER")
        self.dataset = open_dataset(self.name, Path(folder))

    def __call__(self, system: System, stage: Stage, seed: int) -> "Pictures":
        """Raises UsageError where the data set cannot give a word that the system learns from."""
        if stage.data not in ("faces", "people"):
            raise UsageError(f"{self.name} has no {stage.data!r}, which stage {stage.name!r} of "
                             f"{system.CARD.slug} learns from; it has faces, people")  # fmt: skip
        example = system.example(1)
        noise = example[NOISE].shape[1] if NOISE in example else 0
        words = [word for word in example if word != NOISE]
        crops = Crops(self.dataset, system.config.size, words)
        if stage.data == "people":
            return People(crops, noise, seed)
        return Pictures(crops, noise, seed)


class Pictures:
    """All pictures, shuffled anew in each epoch."""

    def __init__(self, crops: Crops, noise: int, seed: int):
        self.crops, self.noise, self.seed = crops, noise, seed

    def sample(self, index: int) -> Sample:
        """The sample of this number, in the words of ``mien.data.labels``."""
        words = self.crops[self.place(index)]
        made = {name: torch.from_numpy(np.asarray(value)) for name, value in words.items()}
        if self.noise:
            rng = np.random.default_rng([self.seed, index])
            made[NOISE] = torch.from_numpy(rng.random(self.noise, np.float32))
        return made

    def place(self, index: int) -> int:
        """Which picture sample ``index`` shows."""
        epoch, turn = divmod(index, len(self.crops))
        return int(_order(len(self.crops), self.seed, epoch)[turn])


class People(Pictures):
    """Several pictures of one person in a row; all of theirs, where there are fewer, more often.

    Raises InputError where the data set does not tell at least two people apart.
    """

    def __init__(self, crops: Crops, noise: int, seed: int):
        super().__init__(crops, noise, seed)
        albums: dict[int, list[int]] = defaultdict(list)
        for place, sample in enumerate(crops.dataset):
            albums[int(sample.labels.get("identity", labels.UNKNOWN))].append(place)
        albums.pop(labels.UNKNOWN, None)
        if len(albums) < 2:
            raise InputError(f"{crops.dataset.root}: no two people are told apart")
        self.albums = list(albums.values())

    def place(self, index: int) -> int:
        turn, one = divmod(index, OF_ONE)
        epoch, person = divmod(turn, len(self.albums))
        album = self.albums[_order(len(self.albums), self.seed, epoch)[person]]
        order = np.random.default_rng([self.seed, turn]).permutation(len(album))
        return album[order[one % len(album)]]


@lru_cache(maxsize=4)
def _order(count: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(count)
