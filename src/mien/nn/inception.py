"""Inception networks for faces: NN2 of FaceNet, and Inception-ResNet-v1.

Schroff et al. (2015), table 2, and Szegedy et al. (2017), as in facenet-pytorch, whose parameter
names the second has. Both take (N, 3, S, S) and end in an embedding that is not yet normed.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

LOCAL_NORM = 5  # channels that the local response norm looks at


class ConvUnit(nn.Module):
    """Convolution without bias, batch norm, ReLU."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int | tuple[int, int], stride: int = 1,
        padding: int | tuple[int, int] = 0,
    ):  # fmt: skip
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.bn(self.conv(x)))


@dataclass(frozen=True)
class Row:
    """A row of table 2: channels of the paths, reduced -> final; ``pool``: "max" or "l2".

    A path of 0 channels is not there; ``projected`` 0 passes the pooled input on as it is.
    """

    one: int
    three: tuple[int, int]
    five: tuple[int, int]
    pool: str
    projected: int
    stride: int = 1


NN2 = (
    Row(64, (96, 128), (16, 32), "max", 32),  # 3a
    Row(64, (96, 128), (32, 64), "l2", 64),  # 3b
    Row(0, (128, 256), (32, 64), "max", 0, 2),  # 3c
    Row(256, (96, 192), (32, 64), "l2", 128),  # 4a
    Row(224, (112, 224), (32, 64), "l2", 128),  # 4b
    Row(192, (128, 256), (32, 64), "l2", 128),  # 4c
    Row(160, (144, 288), (32, 64), "l2", 128),  # 4d
    Row(0, (160, 256), (64, 128), "max", 0, 2),  # 4e
    Row(384, (192, 384), (48, 128), "l2", 128),  # 5a
    Row(384, (192, 384), (48, 128), "max", 128),  # 5b
)


class Inception(nn.Module):
    """Paths of 1 x 1, 3 x 3 and 5 x 5 convolutions and a pooled one, side by side."""

    def __init__(self, inputs: int, row: Row):
        super().__init__()
        self.pool, self.stride = row.pool, row.stride
        self.one = ConvUnit(inputs, row.one, 1) if row.one else None
        self.three = nn.Sequential(
            ConvUnit(inputs, row.three[0], 1), ConvUnit(*row.three, 3, row.stride, 1)
        )
        self.five = nn.Sequential(
            ConvUnit(inputs, row.five[0], 1), ConvUnit(*row.five, 5, row.stride, 2)
        )
        self.projection = ConvUnit(inputs, row.projected, 1) if row.projected else nn.Identity()
        self.channels = row.one + row.three[1] + row.five[1] + (row.projected or inputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.pool == "max":
            pooled = F.max_pool2d(x, 3, self.stride, 1)
        else:
            pooled = (F.avg_pool2d(x.square(), 3, self.stride, 1) + 1e-6).sqrt()
        paths = [self.one(x)] if self.one is not None else []
        return torch.cat([*paths, self.three(x), self.five(x), self.projection(pooled)], 1)


class InceptionNN2(nn.Module):
    """NN2 at any ``width``: 7.5 million parameters at 1, with 128 dimensions.

    The paper's local response norms are kept. Convolutions are followed by batch norm, which the
    paper did not have yet and every implementation since adds.
    """

    def __init__(self, dimensions: int, width: float = 1.0):
        super().__init__()
        stem, wide = _scaled(64, width), _scaled(192, width)
        self.conv1 = ConvUnit(3, stem, 7, 2, 3)
        self.conv2 = nn.Sequential(ConvUnit(stem, stem, 1), ConvUnit(stem, wide, 3, 1, 1))
        blocks, channels = [], wide
        for row in NN2:
            block = Inception(channels, _narrowed(row, width))
            blocks.append(block)
            channels = block.channels
        self.blocks = nn.Sequential(*blocks)
        self.last_linear = nn.Linear(channels, dimensions)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = F.local_response_norm(F.max_pool2d(self.conv1(image), 3, 2, 1), LOCAL_NORM)
        x = F.max_pool2d(F.local_response_norm(self.conv2(x), LOCAL_NORM), 3, 2, 1)
        return self.last_linear(self.blocks(x).mean((2, 3)))


def _scaled(channels: int, width: float) -> int:
    return max(4, round(channels * width)) if channels else 0


def _narrowed(row: Row, width: float) -> Row:
    def pair(channels: tuple[int, int]) -> tuple[int, int]:
        return _scaled(channels[0], width), _scaled(channels[1], width)

    one, projected = _scaled(row.one, width), _scaled(row.projected, width)
    return Row(one, pair(row.three), pair(row.five), row.pool, projected, row.stride)


class ResidualInception(nn.Module):
    """Paths of convolutions whose joined and scaled output is added to the input."""

    def __init__(
        self, channels: int, paths: list[list[ConvUnit]], scale: float, final: bool = False
    ):
        super().__init__()
        self.scale, self.final = scale, final
        joined = 0
        for i, units in enumerate(paths):
            self.add_module(f"branch{i}", units[0] if len(units) == 1 else nn.Sequential(*units))
            joined += units[-1].conv.out_channels
        self.count = len(paths)
        self.conv2d = nn.Conv2d(joined, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        paths = [self.get_submodule(f"branch{i}")(x) for i in range(self.count)]
        x = x + self.scale * self.conv2d(torch.cat(paths, 1))
        return x if self.final else F.relu(x)


class Reduction(nn.Module):
    """Paths that halve the size, beside a max-pooling."""

    def __init__(self, paths: list[list[ConvUnit]]):
        super().__init__()
        for i, units in enumerate(paths):
            self.add_module(f"branch{i}", units[0] if len(units) == 1 else nn.Sequential(*units))
        self.count = len(paths)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        paths = [self.get_submodule(f"branch{i}")(x) for i in range(self.count)]
        return torch.cat([*paths, F.max_pool2d(x, 3, 2)], 1)


def _block35() -> ResidualInception:
    return ResidualInception(256, [
        [ConvUnit(256, 32, 1)],
        [ConvUnit(256, 32, 1), ConvUnit(32, 32, 3, 1, 1)],
        [ConvUnit(256, 32, 1), ConvUnit(32, 32, 3, 1, 1), ConvUnit(32, 32, 3, 1, 1)],
    ], 0.17)  # fmt: skip


def _block17() -> ResidualInception:
    return ResidualInception(896, [
        [ConvUnit(896, 128, 1)],
        [ConvUnit(896, 128, 1), ConvUnit(128, 128, (1, 7), 1, (0, 3)),
         ConvUnit(128, 128, (7, 1), 1, (3, 0))],
    ], 0.10)  # fmt: skip


def _block8(scale: float, final: bool = False) -> ResidualInception:
    return ResidualInception(1792, [
        [ConvUnit(1792, 192, 1)],
        [ConvUnit(1792, 192, 1), ConvUnit(192, 192, (1, 3), 1, (0, 1)),
         ConvUnit(192, 192, (3, 1), 1, (1, 0))],
    ], scale, final)  # fmt: skip


class InceptionResNetV1(nn.Module):
    """23.5 million parameters with 512 dimensions; published for pictures of 160 pixels."""

    def __init__(self, dimensions: int = 512, dropout: float = 0.6):
        super().__init__()
        self.conv2d_1a = ConvUnit(3, 32, 3, 2)
        self.conv2d_2a = ConvUnit(32, 32, 3)
        self.conv2d_2b = ConvUnit(32, 64, 3, 1, 1)
        self.conv2d_3b = ConvUnit(64, 80, 1)
        self.conv2d_4a = ConvUnit(80, 192, 3)
        self.conv2d_4b = ConvUnit(192, 256, 3, 2)
        self.repeat_1 = nn.Sequential(*(_block35() for _ in range(5)))
        self.mixed_6a = Reduction([
            [ConvUnit(256, 384, 3, 2)],
            [ConvUnit(256, 192, 1), ConvUnit(192, 192, 3, 1, 1), ConvUnit(192, 256, 3, 2)],
        ])  # fmt: skip
        self.repeat_2 = nn.Sequential(*(_block17() for _ in range(10)))
        self.mixed_7a = Reduction([
            [ConvUnit(896, 256, 1), ConvUnit(256, 384, 3, 2)],
            [ConvUnit(896, 256, 1), ConvUnit(256, 256, 3, 2)],
            [ConvUnit(896, 256, 1), ConvUnit(256, 256, 3, 1, 1), ConvUnit(256, 256, 3, 2)],
        ])  # fmt: skip
        self.repeat_3 = nn.Sequential(*(_block8(0.20) for _ in range(5)))
        self.block8 = _block8(1.0, final=True)
        self.dropout = nn.Dropout(dropout)
        self.last_linear = nn.Linear(1792, dimensions, bias=False)
        self.last_bn = nn.BatchNorm1d(dimensions, eps=1e-3)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.conv2d_2b(self.conv2d_2a(self.conv2d_1a(image)))
        x = self.conv2d_4b(self.conv2d_4a(self.conv2d_3b(F.max_pool2d(x, 3, 2))))
        x = self.mixed_6a(self.repeat_1(x))
        x = self.mixed_7a(self.repeat_2(x))
        x = self.block8(self.repeat_3(x))
        return self.last_bn(self.last_linear(self.dropout(x.mean((2, 3)))))
