"""Moving averages of weights: those that a stage gives in the end, and teachers that follow."""

from collections.abc import Mapping

import torch
from torch import nn

from mien.errors import UsageError
from mien.train.checkpoint import spread, whole
from mien.train.sharding import local, whole_like
from mien.train.system import System, Teacher


class Average:
    """The exponential moving average of what changes: learned parameters, running statistics.

    It follows quickly at first, while weights still change much.
    """

    def __init__(self, system: System, learned: set[str], decay: float):
        """The system must be on its device already: the average follows these very tensors."""
        self.system, self.decay, self.count = system, decay, 0
        fixed = {name for name, _ in system.named_parameters()} - learned
        self.live = {
            name: local(value)
            for name, value in system.state_dict().items()
            if value.is_floating_point() and name not in fixed
        }
        self.mean = {name: value.clone() for name, value in self.live.items()}

    @torch.no_grad()
    def update(self) -> None:
        decay = min(self.decay, (1 + self.count) / (10 + self.count))
        _follow([*self.mean.values()], [*self.live.values()], decay)
        self.count += 1

    def state_dict(self) -> dict[str, torch.Tensor]:
        """The system's whole state with the averages in their places."""
        state = self.system.state_dict()
        averages = {name: whole_like(share, state[name]) for name, share in self.mean.items()}
        return {
            name: averages[name] if name in averages else whole(value)
            for name, value in state.items()
        }

    def whole(self) -> dict[str, torch.Tensor]:
        """The averages alone, whole."""
        state = self.state_dict()
        return {name: state[name] for name in self.mean}

    def load(self, mean: Mapping[str, torch.Tensor], count: int) -> None:
        self.count = count
        state = self.system.state_dict()
        for name, value in self.mean.items():
            value.copy_(local(spread(mean[name], state[name])))


class Followers:
    """The teachers of a stage."""

    def __init__(self, system: System, teachers: tuple[Teacher, ...]):
        parts = {teacher: _parts(system, teacher) for teacher in teachers}
        self.pairs = {teacher: _states(*modules) for teacher, modules in parts.items()}

    def start(self) -> None:
        """Teachers begin as copies."""
        for (means, values), rest in self.pairs.values():
            for mean, value in [*zip(means, values, strict=True), *rest]:
                mean.copy_(value)

    @torch.no_grad()
    def update(self) -> None:
        for teacher, ((means, values), rest) in self.pairs.items():
            _follow(means, values, teacher.decay)
            for mean, value in rest:
                mean.copy_(value)


def _parts(system: System, teacher: Teacher) -> tuple[nn.Module, nn.Module]:
    modules = dict(system.named_modules())
    for name in (teacher.part, teacher.follows):
        if name not in modules:
            raise UsageError(f"{system.CARD.slug} has no part {name!r} to teach or to follow")
    return modules[teacher.part], modules[teacher.follows]


def _states(part: nn.Module, followed: nn.Module) -> tuple:
    """What is averaged (all numbers of the part; of the followed), and counters to be copied."""
    theirs, values = (
        {name: local(value) for name, value in module.state_dict().items()}
        for module in (part, followed)
    )
    real = [name for name, value in theirs.items() if value.is_floating_point()]
    rest = [(theirs[name], values[name]) for name in theirs if name not in real]
    return ([theirs[name] for name in real], [values[name] for name in real]), rest


def _follow(means: list[torch.Tensor], values: list[torch.Tensor], decay: float) -> None:
    if means:
        torch._foreach_lerp_(means, values, 1 - decay)  # pyright: ignore[reportPrivateImportUsage]
