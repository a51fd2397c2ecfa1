"""``mix:SHARE SPEC + SHARE SPEC``: several sources of data in one stream.

    mien train mien-base --data "mix:0.7 shards:world + 0.3 portraits:data" --out runs/base

Which source a sample is from follows from its number alone, by a pattern of ``PERIOD`` that comes
again and again, and each source gives its own samples in order, one after the other: so a mixed
stream repeats and resumes as its parts do.
"""

import math
from collections.abc import Sequence

import numpy as np

from mien.errors import UsageError
from mien.train.data import Sample, Source, Stream, open_data
from mien.train.system import Stage, System

PERIOD = 100
BETWEEN = " + "


class MixSource:
    """rest: shares and specifications, ``0.7 shards:DIR + 0.3 portraits:DIR``."""

    def __init__(self, rest: str):
        parts = [part.strip().partition(" ") for part in rest.split(BETWEEN)]
        try:
            self.shares = [float(share) for share, _, _ in parts]
        except ValueError:
            self.shares = []
        if not self.shares or not all(0 < share < math.inf for share in self.shares):
            raise UsageError(f"'mix:{rest}': say mix:SHARE SPEC + SHARE SPEC, as in "
                             "mix:0.7 world: + 0.3 portraits:FOLDER")  # fmt: skip
        self.sources: list[Source] = [open_data(spec.strip()) for _, _, spec in parts]

    def __call__(self, system: System, stage: Stage, seed: int) -> "Mixed":
        """Raises what the sources raise."""
        return Mixed([source(system, stage, seed) for source in self.sources], self.shares)


class Mixed:
    """Streams in shares, which need not add up to 1; a share is counted in 1/``PERIOD``.

    Raises UsageError for a share so small that nothing of its stream would come.
    """

    def __init__(self, streams: Sequence[Stream], shares: Sequence[float]):
        self.streams = streams
        self.pattern = _pattern(np.asarray(shares, np.float64) / sum(shares))
        self.counts = np.bincount(self.pattern, minlength=len(streams))
        if not self.counts.all():
            raise UsageError(f"mix: shares {list(shares)}: one is below 1 in {PERIOD}")
        before = [np.cumsum(self.pattern == which) - 1 for which in range(len(streams))]
        self.turns = np.choose(self.pattern, before)

    def sample(self, index: int) -> Sample | None:
        """The sample of this number."""
        which, number = self.place(index)
        return self.streams[which].sample(number)

    def place(self, index: int) -> tuple[int, int]:
        """Which stream a sample is from, and its number there."""
        period, at = divmod(index, PERIOD)
        which = int(self.pattern[at])
        return which, period * int(self.counts[which]) + int(self.turns[at])


def _pattern(shares: np.ndarray) -> np.ndarray:
    """(PERIOD,) which stream comes when: always the one that is most behind its share."""
    given = np.zeros(len(shares))
    out = np.empty(PERIOD, np.int64)
    for turn in range(PERIOD):
        out[turn] = np.argmax(shares * (turn + 1) - given)
        given[out[turn]] += 1
    return out
