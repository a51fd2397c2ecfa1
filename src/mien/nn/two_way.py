"""Tokens and an image that read each other: the mask decoder of Segment Anything.

Kirillov et al. 2023, appendix A; parameter names as published.
"""

import math
from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F

CrossAttention = Literal["two-way", "one-way", "none"]


class ProjectedAttention(nn.Module):
    """Multi-head attention whose inner width may be smaller than that of its inputs."""

    def __init__(self, width: int, heads: int, inner: int):
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(width, inner)
        self.k_proj = nn.Linear(width, inner)
        self.v_proj = nn.Linear(width, inner)
        self.out_proj = nn.Linear(inner, width)

    def forward(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        q, k, v = self.q_proj(query), self.k_proj(key), self.v_proj(value)
        mixed = F.scaled_dot_product_attention(self._split(q), self._split(k), self._split(v))
        return self.out_proj(mixed.transpose(1, 2).flatten(2))

    def _split(self, x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)


class PairedMlp(nn.Module):
    """Two linear layers with a ReLU between them."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.lin1 = nn.Linear(width, hidden)
        self.lin2 = nn.Linear(hidden, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.lin2(torch.relu(self.lin1(x)))


class TwoWayBlock(nn.Module):
    """Tokens read each other and the image, think, and are read by the image.

    In the first block the self-attention has neither positions nor a shortcut, as published.
    ``cross``: "one-way" leaves the image as it is, "none" also hides it from the tokens.
    """

    def __init__(self, width: int, heads: int, hidden: int, cross: CrossAttention, first: bool):
        super().__init__()
        self.first = first
        self.self_attn = ProjectedAttention(width, heads, width)
        self.norm1 = nn.LayerNorm(width)
        self.mlp = PairedMlp(width, hidden)
        self.norm3 = nn.LayerNorm(width)
        self.reads, self.is_read = cross != "none", cross == "two-way"
        if self.reads:
            self.cross_attn_token_to_image = ProjectedAttention(width, heads, width // 2)
            self.norm2 = nn.LayerNorm(width)
        if self.is_read:
            self.cross_attn_image_to_token = ProjectedAttention(width, heads, width // 2)
            self.norm4 = nn.LayerNorm(width)

    def forward(
        self, tokens: torch.Tensor, pixels: torch.Tensor, origins: torch.Tensor,
        positions: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
        if self.first:
            tokens = self.self_attn(tokens, tokens, tokens)
        else:
            placed = tokens + origins
            tokens = tokens + self.self_attn(placed, placed, tokens)
        tokens = self.norm1(tokens)
        if self.reads:
            read = self.cross_attn_token_to_image(tokens + origins, pixels + positions, pixels)
            tokens = self.norm2(tokens + read)
        tokens = self.norm3(tokens + self.mlp(tokens))
        if self.is_read:
            read = self.cross_attn_image_to_token(pixels + positions, tokens + origins, tokens)
            pixels = self.norm4(pixels + read)
        return tokens, pixels


class TwoWayTransformer(nn.Module):
    """Blocks, then a last look of the tokens at the image."""

    def __init__(
        self, depth: int, width: int, heads: int, hidden: int, cross: CrossAttention = "two-way"
    ):
        super().__init__()
        self.layers = nn.ModuleList(
            TwoWayBlock(width, heads, hidden, cross, first=i == 0) for i in range(depth)
        )
        self.reads = cross != "none"
        if self.reads:
            self.final_attn_token_to_image = ProjectedAttention(width, heads, width // 2)
        self.norm_final_attn = nn.LayerNorm(width)

    def forward(
        self, tokens: torch.Tensor, image: torch.Tensor, positions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Tokens (N, T, C), image (N, C, H, W) and its positions (C, H, W) -> both, updated."""
        origins = tokens
        pixels = image.flatten(2).transpose(1, 2)
        places = positions.flatten(1).transpose(0, 1)
        for layer in self.layers:
            tokens, pixels = layer(tokens, pixels, origins, places)
        if self.reads:
            tokens = tokens + self.final_attn_token_to_image(
                tokens + origins, pixels + places, pixels
            )
        tokens = self.norm_final_attn(tokens)
        return tokens, pixels.transpose(1, 2).unflatten(2, image.shape[2:])


class FourierPositions(nn.Module):
    """Positions (C, H, W) of pixel centres as random Fourier features (Tancik et al. 2020)."""

    positional_encoding_gaussian_matrix: torch.Tensor

    def __init__(self, width: int):
        super().__init__()
        self.register_buffer("positional_encoding_gaussian_matrix", torch.randn(2, width // 2))

    def forward(self, height: int, width: int) -> torch.Tensor:
        matrix = self.positional_encoding_gaussian_matrix
        y = (torch.arange(height, device=matrix.device, dtype=matrix.dtype) + 0.5) / height
        x = (torch.arange(width, device=matrix.device, dtype=matrix.dtype) + 0.5) / width
        place = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], -1)
        phase = 2 * math.pi * ((2 * place - 1) @ matrix)
        return torch.cat([phase.sin(), phase.cos()], -1).permute(2, 0, 1)
