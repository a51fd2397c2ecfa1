"""U-Net (Ronneberger et al. 2015) with batch norm and residual blocks at its narrowest place."""

import torch
from torch import nn


class DoubleConv(nn.Module):
    """Twice: 3 x 3 convolution, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm1(self.conv1(x)).relu()
        return self.norm2(self.conv2(x)).relu()


class ReflectedResidual(nn.Module):
    """Two convolutions whose border is mirrored; nothing after the sum."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1, self.norm1 = self._conv(channels), nn.BatchNorm2d(channels)
        self.conv2, self.norm2 = self._conv(channels), nn.BatchNorm2d(channels)

    @staticmethod
    def _conv(channels: int) -> nn.Conv2d:
        return nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect", bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.norm2(self.conv2(self.norm1(self.conv1(x)).relu()))


class UNet(nn.Module):
    """(N, inputs, H, W) -> logits (N, outputs, H, W); H and W are multiples of 2 ** levels."""

    def __init__(
        self, inputs: int, outputs: int, width: int = 32, levels: int = 4, residual: int = 0
    ):
        super().__init__()
        widths = [width << level for level in range(levels + 1)]
        self.levels = [str(level + 1) for level in range(levels)]  # the finest is "1"
        down = zip([inputs, *widths], widths[:-1], strict=False)
        self.encoders = nn.ModuleDict(
            {level: DoubleConv(*sizes) for level, sizes in zip(self.levels, down, strict=True)}
        )
        self.bottleneck = DoubleConv(widths[-2], widths[-1])
        self.residual = nn.Sequential(*(ReflectedResidual(widths[-1]) for _ in range(residual)))
        self.ups, self.decoders = nn.ModuleDict(), nn.ModuleDict()
        for level, fine, coarse in zip(self.levels, widths[:-1], widths[1:], strict=True):
            self.ups[level] = nn.ConvTranspose2d(coarse, fine, 2, 2)
            self.decoders[level] = DoubleConv(2 * fine, fine)
        self.last = nn.Conv2d(width, outputs, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skips, x = self.down(x)
        x = self.residual(x)
        for level in reversed(self.levels):
            x = self.up(level, x, skips[level])
        return self.last(x)

    def down(self, x: torch.Tensor) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        """The maps of all levels, and the narrowest before its residual blocks."""
        skips = {}
        for level in self.levels:
            skips[level] = self.encoders[level](x)
            x = nn.functional.max_pool2d(skips[level], 2)
        return skips, self.bottleneck(x)

    def up(self, level: str, x: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        """The map of a level, from that of the coarser one."""
        return self.decoders[level](torch.cat([self.ups[level](x), skip], 1))
