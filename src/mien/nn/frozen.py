"""Parts that learn and parts that stay: stages freeze parameters, losses ask which are left."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


def learns(module: nn.Module) -> bool:
    """Whether any parameter of the part is trained in the present stage."""
    return any(parameter.requires_grad for parameter in module.parameters())


@contextmanager
def frozen(module: nn.Module) -> Iterator[nn.Module]:
    """The part as a fixed function: no gradient, running statistics instead of the batch's."""
    was_training = module.training
    module.eval()
    try:
        with torch.no_grad():
            yield module
    finally:
        module.train(was_training)
