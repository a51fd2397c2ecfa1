"""Plain residual convolution stacks: dense 3 x 3 convolutions, which CPUs run at full speed."""

import torch
from torch import nn


def conv_norm(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution without bias, then batch norm; keeps the size at stride 1."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
    )


class ResidualBlock(nn.Module):
    """The basic block of He et al. (2016), figure 5 left."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1):
        super().__init__()
        self.first = conv_norm(inputs, outputs, 3, stride)
        self.second = conv_norm(outputs, outputs)
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else conv_norm(inputs, outputs, 1, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.second(torch.relu(self.first(x)))
        return torch.relu(self.shortcut(x) + y)


def residual_stage(inputs: int, outputs: int, depth: int) -> nn.Sequential:
    """``depth`` blocks, of which the first halves the size."""
    blocks = [ResidualBlock(inputs, outputs, 2)]
    blocks += [ResidualBlock(outputs, outputs) for _ in range(depth - 1)]
    return nn.Sequential(*blocks)
