"""Parts of the First Order Motion Model (Siarohin et al. 2019): keypoints, and a patch critic.

Keypoints are where softmaxed maps have their mass, in -1..1 of the picture, x before y.
"""

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

LEAK = 0.2  # of the critic's leaky ReLU


class Keypoints(NamedTuple):
    """What the detector sees in N pictures.

    points: (N, K, 2). heatmaps: (N, K, h, w), each with the sum 1. features: (N, C, H, W).
    """

    points: torch.Tensor
    heatmaps: torch.Tensor
    features: torch.Tensor


class KeypointDetector(nn.Module):
    """(N, 3, S, S) RGB 0..1 -> :class:`Keypoints`, without the Jacobians.

    width: channels of the hourglass at its finest, doubled at each of ``levels``, up to ``widest``.
    shrink: by how much pictures are reduced first.
    """

    low_pass: torch.Tensor

    def __init__(
        self, count: int = 10, width: int = 32, levels: int = 5, widest: int = 1024,
        shrink: int = 4, temperature: float = 0.1,
    ):  # fmt: skip
        super().__init__()
        self.shrink, self.temperature = shrink, temperature
        low_pass = gaussian((shrink - 1) / 2).repeat(3, 1, 1, 1)
        self.register_buffer("low_pass", low_pass, persistent=False)
        self.hourglass = Hourglass(3, width, levels, widest)
        self.maps = nn.Conv2d(self.hourglass.channels, count, 7)

    def forward(self, image: torch.Tensor) -> Keypoints:
        features = self.hourglass(self.reduced(image))
        maps = self.maps(features).float()
        height, width = features.shape[2] - 6, features.shape[3] - 6
        shares = maps.div(self.temperature).flatten(2).softmax(-1)
        places = corner_grid(height, width, like=shares).flatten(0, 1)
        points = (shares[..., None] * places).sum(2)
        heatmaps = shares.unflatten(2, (height, width))
        return Keypoints(points, heatmaps, features)

    def reduced(self, image: torch.Tensor) -> torch.Tensor:
        """The picture, smoothed, of which every n-th pixel is kept."""
        smooth = F.conv2d(image, self.low_pass, padding=self.low_pass.shape[-1] // 2, groups=3)
        return smooth[:, :, :: self.shrink, :: self.shrink]


def gaussian(sigma: float) -> torch.Tensor:
    """A Gaussian kernel (1, 1, k, k) with the sum 1, as wide as four deviations to each side."""
    reach = round(4 * sigma)
    place = torch.arange(-reach, reach + 1, dtype=torch.float32)
    line = torch.exp(-(place**2) / (2 * sigma**2))
    kernel = line[:, None] * line
    return (kernel / kernel.sum())[None, None]


def corner_grid(height: int, width: int, like: torch.Tensor) -> torch.Tensor:
    """Places (height, width, 2) whose first and last are at -1 and 1, unlike pixel centres."""
    y, x = (torch.arange(n, device=like.device, dtype=like.dtype) for n in (height, width))
    y, x = 2 * (y / (height - 1)) - 1, 2 * (x / (width - 1)) - 1
    return torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], -1)


class ConvNorm(nn.Module):
    """3 x 3 convolution with bias, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(self.conv(x)).relu()


class Hourglass(nn.Module):
    """(N, inputs, H, W) -> (N, ``channels``, H, W), with a skip at every level, the input's too."""

    def __init__(self, inputs: int, width: int, levels: int, widest: int):
        super().__init__()
        widths = [min(widest, width << level) for level in range(levels + 1)]
        down = zip([inputs, *widths[1:]], widths[1:], strict=False)
        self.downs = nn.ModuleList(ConvNorm(*sizes) for sizes in down)
        self.ups = nn.ModuleList(
            ConvNorm((1 if level == levels - 1 else 2) * widths[level + 1], widths[level])
            for level in reversed(range(levels))
        )
        self.channels = width + inputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skips = [x]
        for block in self.downs:
            skips.append(F.avg_pool2d(block(skips[-1]), 2))
        x = skips.pop()
        for block in self.ups:
            x = torch.cat([block(F.interpolate(x, scale_factor=2)), skips.pop()], 1)
        return x


class PatchCritic(nn.Module):
    """Pictures (N, 3, S, S) and keypoints (N, K, 2) -> scores (N, 1, h, w), and maps of each block.

    Keypoints are drawn as Gaussians of variance ``SPREAD`` and seen beside the picture.
    """

    SPREAD = 0.01

    def __init__(self, keypoints: int, widths: tuple[int, ...] = (128, 256, 512, 512)):
        super().__init__()
        inputs = (3 + keypoints, *widths)
        last = len(widths) - 1
        self.blocks = nn.ModuleList(
            CriticBlock(inputs[i], width, norm=i > 0, halve=i < last)
            for i, width in enumerate(widths)
        )
        self.last = nn.Conv2d(widths[-1], 1, 1)

    def forward(
        self, image: torch.Tensor, keypoints: torch.Tensor
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        places = corner_grid(*image.shape[2:], like=keypoints)
        away = (places - keypoints[:, :, None, None]).square().sum(-1)
        x, maps = torch.cat([image, torch.exp(-0.5 * away / self.SPREAD)], 1), []
        for block in self.blocks:
            x = block(x)
            maps.append(x)
        return self.last(x), maps


class CriticBlock(nn.Module):
    """4 x 4 convolution without padding, instance norm unless first, leaky ReLU, half the size."""

    def __init__(self, inputs: int, outputs: int, norm: bool, halve: bool):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 4)
        self.norm = nn.InstanceNorm2d(outputs, affine=True) if norm else nn.Identity()
        self.halve = halve

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.leaky_relu(self.norm(self.conv(x)), LEAK)
        return F.avg_pool2d(x, 2) if self.halve else x
