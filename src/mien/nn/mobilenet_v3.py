"""MobileNetV3 in its "minimal" form: ReLU, kernels of 3, nothing squeezed.

Howard et al. (2019). Sizes, padding and parameter names are those of the networks that timm calls
``tf_mobilenetv3_small_minimal_100`` and ``tf_mobilenetv3_large_minimal_100``.
"""

from typing import Literal

import torch
from torch import nn

from mien.nn.mobile import divisible, pad_same

# Stages of rows: expansion, channels, stride of the block. The first stage has no expansion.
Stages = tuple[tuple[tuple[float, int, int], ...], ...]
SMALL: Stages = (
    ((1, 16, 2),),
    ((4.5, 24, 2), (3.67, 24, 1)),
    ((4, 40, 2), (6, 40, 1), (6, 40, 1)),
    ((3, 48, 1), (3, 48, 1)),
    ((6, 96, 2), (6, 96, 1), (6, 96, 1)),
)
LARGE: Stages = (
    ((1, 16, 1),),
    ((4, 24, 2), (3, 24, 1)),
    ((3, 40, 2), (3, 40, 1), (3, 40, 1)),
    ((6, 80, 2), (2.5, 80, 1), (2.3, 80, 1), (2.3, 80, 1)),
    ((6, 112, 1), (6, 112, 1)),
    ((6, 160, 2), (6, 160, 1), (6, 160, 1)),
)
SIZES = {"small": (SMALL, 576), "large": (LARGE, 960)}


class SameConv(nn.Conv2d):
    """Convolution without bias; an odd pixel of padding is to the right and below."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1):
        even = kernel // 2 if stride == 1 else 0
        super().__init__(inputs, outputs, kernel, stride, even, groups=groups, bias=False)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        if self.stride[0] > 1:
            input = pad_same(input, self.kernel_size[0], self.stride[0])
        return super().forward(input)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


class Separable(nn.Module):
    """Depthwise, then pointwise without activation."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.conv_dw, self.bn1 = SameConv(inputs, inputs, 3, stride, inputs), _norm(inputs)
        self.conv_pw, self.bn2 = SameConv(inputs, outputs, 1), _norm(outputs)
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.bn2(self.conv_pw(self.bn1(self.conv_dw(x)).relu()))
        return x + y if self.shortcut else y


class Inverted(nn.Module):
    """Wider, depthwise, then narrow without activation."""

    def __init__(self, inputs: int, hidden: int, outputs: int, stride: int):
        super().__init__()
        self.conv_pw, self.bn1 = SameConv(inputs, hidden, 1), _norm(hidden)
        self.conv_dw, self.bn2 = SameConv(hidden, hidden, 3, stride, hidden), _norm(hidden)
        self.conv_pwl, self.bn3 = SameConv(hidden, outputs, 1), _norm(outputs)
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.bn1(self.conv_pw(x)).relu()
        y = self.bn3(self.conv_pwl(self.bn2(self.conv_dw(y)).relu()))
        return x + y if self.shortcut else y


class Pointwise(nn.Module):
    """The last stage: as many channels as the features have."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.conv, self.bn1 = SameConv(inputs, outputs, 1), _norm(outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.bn1(self.conv(x)).relu()


class MobileNetV3Minimal(nn.Module):
    """(N, 3, H, W) -> the last map (N, ``channels``, H / 32, W / 32)."""

    def __init__(self, size: Literal["small", "large"], width: float = 1.0):
        super().__init__()
        stages, last = SIZES[size]
        inputs = divisible(16 * width)
        self.conv_stem, self.bn1 = SameConv(3, inputs, 3, 2), _norm(inputs)
        blocks: list[nn.Module] = []
        for number, rows in enumerate(stages):
            stage: list[nn.Module] = []
            for expansion, channels, stride in rows:
                outputs = divisible(channels * width)
                hidden = divisible(inputs * expansion)
                stage.append(
                    Inverted(inputs, hidden, outputs, stride)
                    if number
                    else Separable(inputs, outputs, stride)
                )
                inputs = outputs
            blocks.append(nn.Sequential(*stage))
        self.channels = divisible(last * width)
        blocks.append(nn.Sequential(Pointwise(inputs, self.channels)))
        self.blocks = nn.Sequential(*blocks)

    def stem(self, x: torch.Tensor) -> torch.Tensor:
        """The first map (N, 16, H / 2, W / 2)."""
        return self.bn1(self.conv_stem(x)).relu()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.blocks(self.stem(x))
