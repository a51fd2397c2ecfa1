"""Inverted residual blocks, and the two families made of them: MobileNetV2 and EfficientNet.

Sandler et al. (2018) and Tan and Le (2019), as Keras builds them: batch norm with ε = 1e-3, and
padding that puts the odd pixel of a halving convolution to the right and below.
"""

from math import ceil

import torch
from torch import nn
from torch.nn import functional as F

from mien.nn.drop_path import DropPath, rising_rates

# Expansion, channels, blocks, stride (table 2 of MobileNetV2).
MOBILENET_V2 = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
    (6, 320, 1, 1),
)  # fmt: skip
# Expansion, channels, blocks, stride, kernel of EfficientNet-B0 (table 1 of its paper).
EFFICIENTNET_B0 = (
    (1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3), (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5), (6, 320, 1, 1, 3),
)  # fmt: skip
SQUEEZE = 0.25  # of the block's input channels, inside squeeze-and-excitation


class ConvNorm(nn.Module):
    """Convolution with "same" padding, batch norm, and an activation if one is given."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1,
        activation: type[nn.Module] = nn.Identity,
    ):  # fmt: skip
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.01)
        self.activation = activation()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = pad_same(x, self.conv.kernel_size[0], self.conv.stride[0])
        return self.activation(self.norm(self.conv(x)))


def pad_same(x: torch.Tensor, kernel: int, stride: int) -> torch.Tensor:
    """Maps (N, C, H, W) padded so that a convolution gives H / stride rows, rounded up."""
    pads = [max(kernel - (side - 1) % stride - 1, 0) for side in (x.shape[3], x.shape[2])]
    return F.pad(x, [part for pad in pads for part in (pad // 2, pad - pad // 2)])


class SqueezeExcitation(nn.Module):
    """Channels weighed by what the whole map says (Hu et al. 2018)."""

    def __init__(self, channels: int, squeezed: int):
        super().__init__()
        self.reduce = nn.Conv2d(channels, squeezed, 1)
        self.expand = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean = x.mean((2, 3), keepdim=True)
        return x * self.expand(F.silu(self.reduce(mean))).sigmoid()


class InvertedResidual(nn.Module):
    """Wider, then depthwise, then narrow without activation; a shortcut where shapes allow."""

    def __init__(
        self, inputs: int, outputs: int, expansion: int, stride: int, kernel: int,
        activation: type[nn.Module], squeeze: bool = False, drop_path: float = 0.0,
    ):  # fmt: skip
        super().__init__()
        hidden = inputs * expansion
        self.expand = (
            ConvNorm(inputs, hidden, activation=activation) if expansion > 1 else nn.Identity()
        )
        self.depthwise = ConvNorm(hidden, hidden, kernel, stride, hidden, activation)
        self.excite = (
            SqueezeExcitation(hidden, max(1, int(inputs * SQUEEZE))) if squeeze else nn.Identity()
        )
        self.project = ConvNorm(hidden, outputs)
        self.drop_path = DropPath(drop_path)
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        branch = self.project(self.excite(self.depthwise(self.expand(x))))
        return x + self.drop_path(branch) if self.shortcut else branch


class MobileNetV2(nn.Module):
    """(N, 3, H, W) -> mean features (N, ``channels``), 1280 at width 1."""

    def __init__(self, width: float = 1.0):
        super().__init__()
        stem = divisible(32 * width)
        self.stem = ConvNorm(3, stem, 3, 2, activation=nn.ReLU6)
        blocks, inputs = [], stem
        for expansion, channels, count, stride in MOBILENET_V2:
            outputs = divisible(channels * width)
            for i in range(count):
                blocks.append(
                    InvertedResidual(inputs, outputs, expansion, 1 if i else stride, 3, nn.ReLU6)
                )
                inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.channels = divisible(1280 * max(width, 1.0))
        self.last = ConvNorm(inputs, self.channels, activation=nn.ReLU6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.blocks(self.stem(x))).mean((2, 3))


class EfficientNet(nn.Module):
    """(N, 3, H, W) -> mean features (N, ``channels``); B0 scaled in width and depth."""

    def __init__(self, width: float = 1.0, depth: float = 1.0, drop_path: float = 0.2):
        super().__init__()
        stem = divisible(32 * width)
        self.stem = ConvNorm(3, stem, 3, 2, activation=nn.SiLU)
        stages = [(*stage, ceil(stage[2] * depth)) for stage in EFFICIENTNET_B0]
        rates = iter(rising_rates(drop_path, sum(stage[-1] for stage in stages)))
        blocks, inputs = [], stem
        for expansion, channels, _, stride, kernel, count in stages:
            outputs = divisible(channels * width)
            for i in range(count):
                blocks.append(
                    InvertedResidual(
                        inputs, outputs, expansion, 1 if i else stride, kernel, nn.SiLU, True,
                        next(rates),
                    )
                )  # fmt: skip
                inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.channels = divisible(1280 * width)
        self.last = ConvNorm(inputs, self.channels, activation=nn.SiLU)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.blocks(self.stem(x))).mean((2, 3))


def divisible(channels: float, by: int = 8) -> int:
    """The nearest multiple of 8, not less than nine tenths of ``channels``."""
    rounded = max(by, int(channels + by / 2) // by * by)
    return rounded + by if rounded < 0.9 * channels else rounded
