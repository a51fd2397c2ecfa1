"""Gradient reversal (Ganin and Lempitsky 2015): a head learns, what feeds it unlearns."""

from typing import Any

import torch


class _Reversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, strength: float) -> torch.Tensor:
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        return -ctx.strength * gradients[0], None


def reverse_gradient(x: torch.Tensor, strength: float) -> torch.Tensor:
    """``x`` itself, whose gradient is multiplied by ``-strength`` on the way back."""
    return _Reversal.apply(x, strength)  # pyright: ignore[reportReturnType]
