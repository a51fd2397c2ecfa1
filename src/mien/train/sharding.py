"""Fully sharded training (FSDP): each process keeps its share of every tensor that is learned.

A system is sharded anew for each stage, from its whole weights, once it is settled what learns:
PyTorch takes notice of that only then. Its large repeated blocks are gathered one after the other
while they work, all the rest together.

Functions that gather are called by all processes at once; tensors that are not sharded pass
through them unchanged.
"""

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor

from mien.errors import UsageError
from mien.train import checkpoint, optimise
from mien.train.system import Stage, System

LARGE = 100_000  # numbers of a block that is worth a gathering of its own
METHODS = ("losses", "pictures")  # of a system, that use its parameters


class ShardingStrategy(DDPStrategy):
    """Processes as for DistributedDataParallel; modules come sharded, and are left as they are."""

    def setup_module(self, module: nn.Module) -> Any:
        return module


def sharded(system: System, stage: Stage, device: torch.device, processes: int) -> System:
    """A copy of a whole system, sharded as the stage learns it.

    Raises UsageError where optimisers take turns: a sharded part cannot begin or cease to learn.
    """
    if stage.turns:
        raise UsageError(
            f"stage {stage.name!r} has optimisers that take turns: train it with --sharding ddp"
        )
    copy = deepcopy(system).to(device)
    optimise.select(copy, stage)
    mesh = init_device_mesh(device.type, (processes,))
    for part in (*_blocks(copy), copy):
        fully_shard(part, mesh=mesh, reshard_after_forward=True)
    for method in METHODS:
        register_fsdp_forward_method(copy, method)
    return copy


def _blocks(system: nn.Module) -> list[nn.Module]:
    """Large modules in a row of their like: the blocks of transformers, the stages of others."""
    rows = [m for m in system.modules() if isinstance(m, nn.ModuleList | nn.Sequential)]
    return [part for row in rows for part in row if len(row) > 1 and _is_large(part)]


def _is_large(part: nn.Module) -> bool:
    inside = any(isinstance(m, nn.ModuleList | nn.Sequential) for m in part.modules())
    return not inside and sum(p.numel() for p in part.parameters()) >= LARGE


def local(value: torch.Tensor) -> torch.Tensor:
    """This process's share of a tensor, in its very memory."""
    return value.to_local() if isinstance(value, DTensor) else value


def whole_like(share: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """All of a tensor of which each process has a share as it has of ``like``."""
    if not isinstance(like, DTensor):
        return share
    return DTensor.from_local(
        share, like.device_mesh, like.placements, shape=like.shape, stride=like.stride()
    ).full_tensor()


def fill(system: System, tensors: Mapping[str, torch.Tensor], source: Path) -> None:
    """As :func:`checkpoint.fill`, also of a sharded system."""
    checkpoint.require_fitting(system, tensors, source)
    wanted = system.state_dict()
    shares = {name: checkpoint.spread(tensors[name], value) for name, value in wanted.items()}
    system.load_state_dict(shares)
