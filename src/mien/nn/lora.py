"""Low-rank adaptation (Hu et al. 2021): a fixed linear layer, and a small change to it."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True)
class Lora:
    """rank: of the change. alpha: it is scaled by alpha / rank. dropout: of what it is told."""

    rank: int = 16
    alpha: float = 32.0
    dropout: float = 0.05


class LoraLinear(nn.Linear):
    """(..., I) -> (..., O): ``W x + b + alpha / rank * B A x``; B is zero to begin with.

    ``weight`` and ``bias`` have the names of a plain layer, so that its checkpoint loads as it is.
    """

    def __init__(self, incoming: int, outgoing: int, lora: Lora, bias: bool = True):
        super().__init__(incoming, outgoing, bias)
        self.lora_a = nn.Linear(incoming, lora.rank, bias=False)
        self.lora_b = nn.Linear(lora.rank, outgoing, bias=False)
        self.drop = nn.Dropout(lora.dropout)
        self.scale = lora.alpha / lora.rank
        nn.init.zeros_(self.lora_b.weight)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        change = self.lora_b(self.lora_a(self.drop(input)))
        return super().forward(input) + self.scale * change

    @torch.no_grad()
    def merge(self) -> None:
        """Put the change into ``weight``, and begin anew with none."""
        self.weight += self.scale * self.lora_b.weight @ self.lora_a.weight
        nn.init.zeros_(self.lora_b.weight)


def linear(incoming: int, outgoing: int, lora: Lora | None, bias: bool = True) -> nn.Linear:
    """A linear layer, adapted if there is a ``lora``."""
    if lora is None:
        return nn.Linear(incoming, outgoing, bias)
    return LoraLinear(incoming, outgoing, lora, bias)


def adapted(module: nn.Module) -> Iterator[tuple[str, LoraLinear]]:
    """The adapted layers of a network, by name."""
    for name, part in module.named_modules():
        if isinstance(part, LoraLinear):
            yield name, part
