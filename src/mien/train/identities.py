"""``identities:FOLDER``: the people of ``mien.data.identities`` as training streams."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from mien.data.identities import Views, picture
from mien.errors import UsageError
from mien.train.system import Stage, System

Sample = dict[str, torch.Tensor]
OF_ONE = 2  # pictures of one person in a row
WORDS = {"image", "identity", "embedding"}


class IdentitySource:
    """rest: the folder."""

    def __init__(self, rest: str):
        if not rest:
            raise UsageError("'identities:': say identities:FOLDER")
        self.views = Views.load(Path(rest))

    def __call__(self, system: System, stage: Stage, seed: int) -> "People":
        """Raises UsageError where the system learns from something else."""
        asked = {*system.example(1)} - WORDS
        if stage.data != "people" or asked:
            raise UsageError(f"drawn people have no {min(asked, default=stage.data)!r}, which stage"
                             f" {stage.name!r} of {system.CARD.slug} learns from")  # fmt: skip
        return People(self.views, system.config.size, seed)


class People:
    """``OF_ONE`` views of one person, then of another: all of them once in each epoch."""

    def __init__(self, views: Views, size: int, seed: int):
        self.views, self.size, self.seed = views, size, seed
        self.first = np.searchsorted(views.people, np.arange(len(views.vectors) + 1))

    def sample(self, index: int) -> Sample:
        """The sample of this number, in the words of ``mien.data.labels``."""
        turn, one = divmod(index, OF_ONE)
        epoch, place = divmod(turn, len(self.views.vectors))
        person = int(_order(len(self.views.vectors), self.seed, epoch)[place])
        rng = np.random.default_rng([self.seed, turn])
        album = self.first[person] + rng.permutation(self.first[person + 1] - self.first[person])
        view = self.views.images[album[one % len(album)]]
        image = picture(view, self.size, np.random.default_rng([self.seed, turn, one]))
        return {
            "image": torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))),
            "identity": torch.tensor(person),
            "embedding": torch.from_numpy(np.array(self.views.vectors[person])),
        }


@lru_cache(maxsize=2)
def _order(count: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(count)
