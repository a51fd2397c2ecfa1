"""``shards:FOLDER``: people of the world from disk, for data that is read more than once."""

from pathlib import Path

import numpy as np

from mien.errors import UsageError
from mien.train.system import Stage, System
from mien.train.worldly import Crops, Faces, learned, stream_of
from mien.world.shards import IN_A_ROW
from mien.world.stored import Shards
from mien.world.world import Sample

NEEDED = ("landmarks", "landmarks68", "visible", "parsing", "pose", "expression", "gaze",
          "action_units", "identity")  # fmt: skip
"""The arrays that ``mien.train.worldly`` takes."""


class ShardSource:
    """What ``mien world make`` wrote into a folder, cropped to the size of the system.

    rest: the folder, or the manifest of one of its splits.
    """

    def __init__(self, rest: str):
        if not rest:
            raise UsageError("'shards:': say shards:FOLDER")
        self.shards = Shards(Path(rest), NEEDED)

    def __call__(self, system: System, stage: Stage, seed: int) -> Faces | Crops:
        """Raises UsageError where these shards are not what the stage learns from."""
        side, _, in_a_row = learned(system, stage)
        manifest, where = self.shards.manifest, self.shards.path
        if (size := manifest["recipe"]["size"]) < side:
            raise UsageError(f"{where}: pictures of {size} pixels, {system.CARD.slug} takes {side}")
        if stage.data == "people" and manifest["in_a_row"] % in_a_row:
            raise UsageError(f"{where}: stage {stage.name!r} of {system.CARD.slug} learns from "
                             f"{in_a_row} pictures of a person in a row: "
                             f"mien world make --in-a-row {in_a_row}")  # fmt: skip
        return stream_of(Shuffled(self.shards, seed), system, stage, seed)


class Shuffled:
    """The samples of shards, in a new order in each pass over them, without end.

    Blocks of samples that lie together on disk are shuffled, and the people in each block: reading
    stays in order, and pictures of one person that were made in a row stay so.
    """

    def __init__(self, shards: Shards, seed: int):
        self.shards, self.seed = shards, seed
        self.in_a_row: int = shards.manifest["in_a_row"]
        ends = np.array(shards.ends)
        firsts = [np.arange(end - count, end, IN_A_ROW)
                  for end, count in zip(ends, shards.lengths, strict=True)]  # fmt: skip
        self.firsts = np.concatenate(firsts)
        self.lengths = np.diff([*self.firsts, len(shards)])
        self.epoch, self.blocks, self.ends = -1, self.firsts, ends

    def sample(self, index: int) -> Sample:
        """Sample ``index`` of the endless sequence."""
        return self.shards[self.place(index)]

    def place(self, index: int) -> int:
        """Where in the shards it lies."""
        epoch, turn = divmod(index, len(self.shards))
        if epoch != self.epoch:
            self._begin(epoch)
        at = int(np.searchsorted(self.ends, turn, side="right"))
        block = int(self.blocks[at])
        length = int(self.lengths[block])
        person, one = divmod(turn - int(self.ends[at]) + length, self.in_a_row)
        rng = np.random.default_rng([self.seed, epoch, block])
        chosen = int(rng.permutation(length // self.in_a_row)[person])
        return int(self.firsts[block]) + chosen * self.in_a_row + one

    def _begin(self, epoch: int) -> None:
        """The order of the blocks in a pass, and where in the pass each ends."""
        self.blocks = np.random.default_rng([self.seed, epoch]).permutation(len(self.firsts))
        self.epoch, self.ends = epoch, np.cumsum(self.lengths[self.blocks])
