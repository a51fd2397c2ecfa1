"""What a claim is: arms to train, pictures to train and to test on, and what is to be compared."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from mien.evaluate.claims import Comparison, Items, Measure
from mien.systems.claims.album import Album, Pictures
from mien.systems.claims.talks import Talks
from mien.train.system import Stage, System

BATCH = 64  # pictures that are answered at once


@dataclass(frozen=True)
class Arm:
    """One way to train.

    system: builds it, freshly. stages: what is trained, in order. data: on which of the claim's
    pictures. after: the arm whose weights it begins with; one arm may be what several go on from,
    and is then trained once for each seed.
    """

    title: str
    system: Callable[[], System]
    stages: tuple[Stage, ...]
    data: str = "train"
    after: str | None = None

    def scaled(self, scale: float) -> "Arm":
        """The same with fewer steps, and warm-ups that are as much shorter."""
        return replace(self, stages=tuple(_shorter(stage, scale) for stage in self.stages))


def _shorter(stage: Stage, scale: float) -> Stage:
    steps = max(1, round(scale * stage.steps))
    return replace(stage, steps=steps, warmup=round(scale * stage.warmup))


def _nothing(albums: Mapping[str, Album]) -> None:
    pass


@dataclass(frozen=True, kw_only=True)
class Claim:
    """The smallest honest experiment of a paper.

    system: its slug. reading: what the paper found, and in what this experiment is smaller. side:
    of the crops, pixels; 0 for speech. pictures: by name, or clips of speech; "test" and "val" have
    people of their own. arms: those to compare. before: what they begin with.
    answers(system, albums, on): what a trained system says of the album called ``on``, "test", or
    "val" to choose by. prepare(albums): adds words to the albums; nothing may be learned from any
    but the training pictures.
    """

    system: str
    statement: str
    reading: str
    side: int
    pictures: Mapping[str, Pictures | Talks]
    arms: Mapping[str, Arm]
    measures: tuple[Measure, ...]
    comparisons: tuple[Comparison, ...]
    answers: Callable[[Any, Mapping[str, Album], str], dict[str, Items]]
    before: Mapping[str, Arm] = field(default_factory=dict)
    prepare: Callable[[Mapping[str, Album]], None] = _nothing


def each_batch(system: System, album: Album) -> list[tuple[slice, torch.Tensor]]:
    """Rows of an album with their pictures (N, 3, S, S) 0..1."""
    system.eval()
    parts = [slice(first, first + BATCH) for first in range(0, len(album), BATCH)]
    return [(part, torch.from_numpy(album["image"][part]).float() / 255) for part in parts]
