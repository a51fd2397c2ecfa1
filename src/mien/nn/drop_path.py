"""Stochastic depth (Huang et al. 2016): whole residual branches are left out in training."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

Branch = Callable[[torch.Tensor], torch.Tensor]


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
        return branch * (kept / (1 - self.rate)).to(branch.dtype)

    def around(self, x: torch.Tensor, branch: Branch) -> torch.Tensor:
        """``x`` (N, ...) + the branch of it, which is computed for those samples that keep it.

        For branches that treat samples one by one: batch norms would see fewer of them.
        """
        if not self.training or self.rate == 0 or torch.compiler.is_compiling():
            return x + self(branch(x))
        kept = torch.rand(len(x)) >= self.rate  # drawn on the CPU: nobody waits for a GPU
        if kept.all():
            return torch.add(x, branch(x), alpha=1 / (1 - self.rate))
        # Where all lose their branch one is computed for nothing, as sharded parameters are
        # gathered by all processes or by none.
        scale = 1 / (1 - self.rate) if kept.any() else 0.0
        places = kept.nonzero()[:, 0] if kept.any() else torch.zeros(1, dtype=torch.long)
        places = places.to(x.device, non_blocking=True)
        mixed = branch(x[places])
        return x.index_add(0, places, mixed.to(x.dtype), alpha=scale)


@contextmanager
def whole_paths(module: nn.Module) -> Iterator[None]:
    """No branch inside of the module is left out."""
    paths = [m for m in module.modules() if isinstance(m, DropPath)]
    before = [path.training for path in paths]
    try:
        for path in paths:
            path.train(False)
        yield
    finally:
        for path, training in zip(paths, before, strict=True):
            path.train(training)


def rising_rates(last: float, depth: int) -> list[float]:
    """Rates of ``depth`` blocks, from 0 at the first to ``last`` at the last."""
    return [last * i / max(depth - 1, 1) for i in range(depth)]
