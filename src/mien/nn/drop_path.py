"""Stochastic depth (Huang et al. 2016): whole residual branches are left out in training."""

import torch
from torch import nn


class DropPath(nn.Module):
    """Zeroes a sample's branch with probability ``rate`` and scales the others up in return."""

    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate

    def forward(self, branch: torch.Tensor) -> torch.Tensor:
        if not self.training or self.rate == 0:
            return branch
        shape = (len(branch),) + (1,) * (branch.ndim - 1)
        kept = torch.rand(shape, device=branch.device) >= self.rate
        return branch * kept / (1 - self.rate)


def rising_rates(last: float, depth: int) -> list[float]:
    """Rates of ``depth`` blocks, from 0 at the first to ``last`` at the last."""
    return [last * i / max(depth - 1, 1) for i in range(depth)]
