"""The contract between a system and the engine: what one file under ``mien.systems`` must offer."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import nn

Batch = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Card:
    """Who published a system, what it is for, and on which terms."""

    slug: str
    title: str
    task: str
    venue: str
    arxiv: str | None
    repository: str | None
    code_licence: str
    weights_licence: str
    weights: tuple[str, ...] = ()  # names of weight records in mien.hub


@dataclass(frozen=True)
class Stage:
    """One stage of a training recipe, as data.

    ``losses`` gives each named term its weight; terms without a weight are only logged.
    ``train`` lists prefixes of the parameters that learn ("" is all of them).
    The rate warms up, stays, and falls linearly to zero over the last ``decay`` share of the steps.
    """

    name: str
    data: str
    losses: Mapping[str, float]
    steps: int
    batch: int
    rate: float
    weight_decay: float = 0.0
    warmup: int = 200
    decay: float = 0.4
    clip: float = 5.0
    ema: float = 0.999
    train: tuple[str, ...] = ("",)


class System(nn.Module, ABC):
    """A network with its training recipe and its way to be used.

    Subclasses set ``CARD`` and ``Config`` (a frozen dataclass with ``paper()`` and ``tiny()``).
    """

    CARD: ClassVar[Card]
    Config: ClassVar[type]
    CROP: ClassVar[str] = "the whole picture"  # how the input is cut out, in words

    def __init__(self, config: Any):
        super().__init__()
        self.config = config

    @classmethod
    def build(cls, preset: str = "paper") -> Self:
        """The system at the published size ("paper") or at one that trains in seconds ("tiny")."""
        presets = {"paper": cls.Config.paper, "tiny": cls.Config.tiny}
        return cls(presets[preset]())

    @abstractmethod
    def stages(self) -> list[Stage]:
        """The training recipe, in order."""

    @abstractmethod
    def losses(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Named scalar loss terms of a batch; the engine weighs and sums them."""

    @abstractmethod
    def example(self, count: int) -> dict[str, torch.Tensor]:
        """A made-up batch of ``count`` samples, as :meth:`losses` takes it."""

    @abstractmethod
    def inputs(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        """What :meth:`forward` takes of a batch."""

    def dynamic_axes(self) -> dict[str, dict[int, str]]:
        """Which axes of the exported network's inputs and outputs are free (batch, if nothing)."""
        return {"image": {0: "batch"}}

    @classmethod
    def from_official(cls, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Published checkpoint names and shapes -> names here. Identity unless overridden."""
        return dict(state)

    def parameter_count(self) -> int:
        """How many numbers are learned."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad)
