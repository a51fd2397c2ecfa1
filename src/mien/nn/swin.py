"""The Swin transformer (Liu et al. 2021): attention in windows that shift from block to block.

Resizing, padding and masking are those of torchvision, whose weights most systems start from.
Pictures are (N, H, W, C) between the layers.
"""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from mien.nn.drop_path import DropPath, rising_rates
from mien.nn.vit import Mlp

HIDDEN = -100.0  # added to the logits of pixels that only the shift has brought together


class WindowAttention(nn.Module):
    """Self-attention inside windows of ``window`` x ``window``, with a bias for each offset."""

    index: torch.Tensor

    def __init__(self, width: int, heads: int, window: int, shifted: bool):
        super().__init__()
        self.heads, self.window, self.shifted = heads, window, shifted
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.relative_position_bias_table = nn.Parameter(
            torch.empty((2 * window - 1) ** 2, heads)
        )  # fmt: skip
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        self.register_buffer("index", relative_position_index(window), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, height, width, _ = x.shape
        size = self.window
        x = F.pad(x, (0, 0, 0, -width % size, 0, -height % size))
        padded = (x.shape[1], x.shape[2])
        # A window that covers an axis already has nothing to shift along it.
        shift = [size // 2 if self.shifted and side > size else 0 for side in padded]
        x = torch.roll(x, (-shift[0], -shift[1]), (1, 2))
        mixed = self._attend(_split(x, size), n, self._bias(padded, shift))
        x = _join(mixed, n, padded, size)
        x = torch.roll(x, (shift[0], shift[1]), (1, 2))
        return x[:, :height, :width].contiguous()

    def _attend(self, windows: torch.Tensor, n: int, bias: torch.Tensor) -> torch.Tensor:
        """``windows``: (N * W, L, C); ``bias``: (1 or W, heads, L, L)."""
        count, length, channels = windows.shape
        qkv = self.qkv(windows).view(count, length, 3, self.heads, channels // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        if len(bias) > 1:
            bias = bias.repeat(n, 1, 1, 1)
        mixed = F.scaled_dot_product_attention(query, key, value, bias.to(query.dtype))
        return self.proj(mixed.transpose(1, 2).reshape(count, length, channels))

    def _bias(self, padded: tuple[int, int], shift: list[int]) -> torch.Tensor:
        length = self.window**2
        table = self.relative_position_bias_table
        bias = table[self.index].view(length, length, -1).permute(2, 0, 1)[None]
        if not any(shift):
            return bias
        return bias + shift_mask(padded, self.window, shift, table.device)[:, None]


class SwinBlock(nn.Module):
    """Window attention and MLP, each behind a layer norm and beside a shortcut."""

    def __init__(self, width: int, heads: int, window: int, shifted: bool, drop_path: float):
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = WindowAttention(width, heads, window, shifted)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Mlp(width, 4 * width)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.drop_path.around(x, lambda x: self.attn(self.norm1(x)))
        return self.drop_path.around(x, lambda x: self.mlp(self.norm2(x)))


class PatchMerging(nn.Module):
    """Half the size, twice the channels: the four pixels of a square become one."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.LayerNorm(4 * width)
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        corners = [x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        return self.reduction(self.norm(torch.cat(corners, -1)))


class Swin(nn.Module):
    """(N, 3, H, W) -> the outputs of the stages, (N, width * 2^i, H / 2^(i + 2), W / 2^(i + 2)).

    ``norm``, the layer norm after the last stage, is part of the published weights; the stages'
    outputs come before it.
    """

    def __init__(
        self, width: int, depths: Sequence[int], heads: Sequence[int], window: int = 7,
        drop_path: float = 0.0,
    ):  # fmt: skip
        super().__init__()
        self.patches = nn.Conv2d(3, width, 4, 4)
        self.patch_norm = nn.LayerNorm(width)
        rates = iter(rising_rates(drop_path, sum(depths)))
        self.stages, self.merges = nn.ModuleList(), nn.ModuleList()
        for i, (depth, head_count) in enumerate(zip(depths, heads, strict=True)):
            if i:
                self.merges.append(PatchMerging(width * 2 ** (i - 1)))
            blocks = [
                SwinBlock(width * 2**i, head_count, window, k % 2 == 1, next(rates))
                for k in range(depth)
            ]
            self.stages.append(nn.Sequential(*blocks))
        self.norm = nn.LayerNorm(width * 2 ** (len(depths) - 1))
        for part in self.modules():
            if isinstance(part, nn.Linear):
                nn.init.trunc_normal_(part.weight, std=0.02)
                if part.bias is not None:
                    nn.init.zeros_(part.bias)

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        x = self.patch_norm(self.patches(image).permute(0, 2, 3, 1))
        outputs = []
        for i, stage in enumerate(self.stages):
            x = stage(self.merges[i - 1](x) if i else x)
            outputs.append(x.permute(0, 3, 1, 2))
        return outputs


def relative_position_index(window: int) -> torch.Tensor:
    """Row of the bias table for each pair of a window's pixels, (window⁴,) int64."""
    place = torch.arange(window)
    y, x = (axis.flatten() for axis in torch.meshgrid(place, place, indexing="ij"))
    dy, dx = y[:, None] - y[None], x[:, None] - x[None]
    return ((dy + window - 1) * (2 * window - 1) + dx + window - 1).flatten()


def shift_mask(
    padded: tuple[int, int], window: int, shift: Sequence[int], device: torch.device
) -> torch.Tensor:
    """What to add to a window's logits (W, L, L): 0 between neighbours, ``HIDDEN`` elsewhere."""
    bands = []
    for side, by in zip(padded, shift, strict=True):
        band = torch.zeros(side, device=device)
        if by:
            band[-window:-by] = 1
            band[-by:] = 2
        bands.append(band)
    region = (3 * bands[0][:, None] + bands[1])[None, ..., None]
    region = _split(region, window)[..., 0]
    return torch.where(region[:, :, None] == region[:, None], 0.0, HIDDEN)


def _split(x: torch.Tensor, window: int) -> torch.Tensor:
    """(N, H, W, C) -> windows (N * count, window², C)."""
    n, height, width, channels = x.shape
    x = x.view(n, height // window, window, width // window, window, channels)
    return x.transpose(2, 3).reshape(-1, window * window, channels)


def _join(windows: torch.Tensor, n: int, padded: tuple[int, int], window: int) -> torch.Tensor:
    """Undo :func:`_split`."""
    height, width = padded
    x = windows.view(n, height // window, width // window, window, window, -1)
    return x.transpose(2, 3).reshape(n, height, width, -1)
