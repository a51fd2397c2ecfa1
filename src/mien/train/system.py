"""The contract between a system and the engine: what one file under ``mien.systems`` must offer."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
import torch
from torch import nn

from mien.errors import UsageError
from mien.find.geometry import box_of

if TYPE_CHECKING:
    from mien.systems.golden import Replay

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


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What one optimiser does in a step: which losses it lowers, by which parameters, and how.

    losses: the weight of each named term; terms without a weight are only logged.
    train: prefixes of the parameters that learn ("" is all of them).
    every: the turn is taken in every n-th step.
    rate: of learning, at its highest. layer_decay: by how much it falls from each layer to the one
    before it (:meth:`System.layer`). clip: the largest norm of the gradient, 0 for any.
    weight_decay: on matrices and kernels, not on norms and biases; decoupled for "adamw" only.

    schedule: the rate warms up over ``warmup`` steps and then, until the end of the stage, "wsd":
    stays and falls linearly to zero over the last ``decay`` share of the steps; "cosine": falls as
    a half cosine to zero; "step": is divided by 10 after each of ``drops``, shares of the steps;
    "constant": stays.
    """

    name: str
    losses: Mapping[str, float] = field(default_factory=dict)
    train: tuple[str, ...] = ("",)
    every: int = 1
    rate: float = 1e-3
    optimiser: Literal["adamw", "adam", "adagrad", "sgd"] = "adamw"
    betas: tuple[float, float] = (0.9, 0.999)  # of Adam and AdamW
    momentum: float = 0.9  # of SGD
    weight_decay: float = 0.0
    layer_decay: float = 1.0
    clip: float = 5.0
    schedule: Literal["wsd", "cosine", "step", "constant"] = "wsd"
    warmup: int = 200
    decay: float = 0.4
    drops: tuple[float, ...] = ()


@dataclass(frozen=True)
class Teacher:
    """A part that follows another one by a moving average: ``part`` ← ``decay`` · ``part`` + ...

    It starts as a copy, and it is left out of ``train``. Both are names of submodules.
    """

    part: str
    follows: str
    decay: float = 0.996


@dataclass(frozen=True, kw_only=True)
class Stage(Turn):
    """One stage of a training recipe, as data.

    Where optimisers take turns, as a generator and its critic do, ``turns`` lists them, and the
    stage's own losses, parameters, optimiser and schedule mean nothing. Each turn calls ``losses``
    anew, with its own parameters alone requiring a gradient.

    data: what kind of stream it needs (``mien.data.labels``). batch: samples of one step, in all
    passes and processes together. ema: of the averaged weights, which are the stage's result.
    Whatever no turn trains is a fixed function: no gradient, no dropout, no new running statistics.
    """

    data: str
    steps: int
    batch: int
    ema: float = 0.999
    turns: tuple[Turn, ...] = ()
    teachers: tuple[Teacher, ...] = ()

    def in_turn(self) -> tuple[Turn, ...]:
        """The turns of a step, in order: one, unless ``turns`` says otherwise."""
        return self.turns or (self,)


class Published(NamedTuple):
    """What a published checkpoint holds.

    config: its sizes. absent: prefixes of the parts that it lacks. predicts: whether the system can
    be used with it; one that was only pre-trained lacks its heads and is there to be trained on.
    """

    config: Any
    absent: tuple[str, ...] = ()
    predicts: bool = True


def from_box(box: np.ndarray, size: int, margin: float = 0.0) -> np.ndarray:
    """(2, 3), from the pixels of a square crop to the box that is stretched to it.

    margin: how much wider than the box the crop is on each side, in shares of width and height.
    """
    sides = box[2:] - box[:2]
    low = box[:2] - margin * sides
    return np.column_stack([np.diag((1 + 2 * margin) * sides / size), low])


class System(nn.Module, ABC):
    """A network with its training recipe and its way to be used.

    Subclasses set ``CARD`` and ``Config`` (a frozen dataclass with ``paper()`` and ``tiny()``), and
    have ``predict``, whose signature is that of their task (``mien.systems.answer``).
    """

    CARD: ClassVar[Card]
    Config: ClassVar[type]
    CROP: ClassVar[str] = "the whole picture"  # how the input is cut out, in words
    STATE_KEY: ClassVar[str | None] = None  # of the state dict in published files, where it has one

    wanted: frozenset[str] | None = None
    """The losses that the turn at work weighs, as the engine says; None: all."""

    def __init__(self, config: Any):
        super().__init__()
        self.config = config

    @classmethod
    def build(cls, preset: str = "paper") -> Self:
        """The system at the published size ("paper") or at one that trains in seconds ("tiny").

        Raises UsageError for another preset.
        """
        presets = {"paper": cls.Config.paper, "tiny": cls.Config.tiny}
        if preset not in presets:
            raise UsageError(f"no preset is called {preset!r}; there are: {', '.join(presets)}")
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

    def wants(self, *terms: str) -> bool:
        """Whether any of these losses counts now; for those that are dear to compute."""
        return self.wanted is None or not self.wanted.isdisjoint(terms)

    def layer(self, name: str) -> int:
        """In which layer a parameter stands, counted from the input; for ``Turn.layer_decay``."""
        raise UsageError(f"{self.CARD.slug} does not say in which layer {name} is")

    def pictures(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Named pictures (N, 3, H, W) 0..1 of what the system makes of a batch, to watch it learn.

        Called in evaluation mode, without gradients. None unless overridden.
        """
        return {}

    def dynamic_axes(self) -> dict[str, dict[int, str]]:
        """Which axes of the exported network's inputs and outputs are free (batch, if nothing)."""
        return {"image": {0: "batch"}}

    def crop(self, landmarks: np.ndarray) -> np.ndarray:
        """Where ``CROP`` lies: (2, 3), from crop pixels to the picture of a face's landmarks.

        landmarks: (478, 3) pixels. Unless overridden: the upright square about them, half as large
        again as they are.
        """
        x0, y0, x1, y1 = box_of(landmarks)
        half = 0.75 * max(x1 - x0, y1 - y0)
        x, y = (x0 + x1) / 2, (y0 + y1) / 2
        return from_box(np.array([x - half, y - half, x + half, y + half]), self.config.size)

    @classmethod
    def published(cls, state: Mapping[str, torch.Tensor]) -> Published:
        """What a published state dict holds. The paper's network, whole, unless overridden."""
        return Published(cls.Config.paper())

    @classmethod
    def replays(cls) -> "dict[str, Replay]":
        """How golden files of the published networks are done again, by network.

        None unless overridden: systems of mien's own have no published network.
        """
        return {}

    @classmethod
    def from_official(cls, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Published checkpoint names and shapes -> names here. Identity unless overridden."""
        return dict(state)

    def parameter_count(self) -> int:
        """How many numbers are learned."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad)
