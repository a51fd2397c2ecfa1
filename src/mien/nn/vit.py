"""The vision transformer (Dosovitskiy et al. 2021), with the parameter names of timm and MAE."""

import torch
from torch import nn
from torch.nn import functional as F

from mien.nn.drop_path import DropPath, rising_rates

EPSILON = 1e-6  # of all layer norms


class Attention(nn.Module):
    """Multi-head self-attention with one projection for queries, keys and values."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        n, count, width = tokens.shape
        split = (n, count, self.heads, width // self.heads)
        query, key, value = (x.view(split).transpose(1, 2) for x in self.qkv(tokens).chunk(3, -1))
        mixed = F.scaled_dot_product_attention(query, key, value)
        return self.proj(mixed.transpose(1, 2).reshape(n, count, width))


class Mlp(nn.Module):
    """Two linear layers with a GELU between them."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.fc2(F.gelu(self.fc1(tokens)))


class Block(nn.Module):
    """Attention and MLP, each behind a layer norm and beside a shortcut."""

    def __init__(self, width: int, heads: int, mlp_ratio: float = 4.0, drop_path: float = 0.0):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, EPSILON)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, EPSILON)
        self.mlp = Mlp(width, int(width * mlp_ratio))
        self.drop_path = DropPath(drop_path)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        tokens = self.drop_path.around(tokens, lambda x: self.attn(self.norm1(x)))
        return self.drop_path.around(tokens, lambda x: self.mlp(self.norm2(x)))


class PatchEmbedding(nn.Module):
    """(N, 3, S, S) -> one token for each patch, row by row: (N, (S / patch)², width)."""

    def __init__(self, patch: int, width: int):
        super().__init__()
        self.proj = nn.Conv2d(3, width, patch, patch)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.proj(image).flatten(2).transpose(1, 2)


class VisionTransformer(nn.Module):
    """Patches, a class token and blocks; the last layer norm is left to who uses it.

    (N, 3, S, S) -> tokens (N, 1 + (S / patch)², width), the class token first.
    """

    def __init__(
        self, size: int, patch: int, width: int, depth: int, heads: int, drop_path: float = 0.0
    ):
        super().__init__()
        side = size // patch
        self.patch_embed = PatchEmbedding(patch, width)
        self.cls_token = nn.Parameter(torch.empty(1, 1, width))
        self.pos_embed = nn.Parameter(sincos_positions(width, side)[None])
        rates = rising_rates(drop_path, depth)
        self.blocks = nn.ModuleList(Block(width, heads, drop_path=rate) for rate in rates)
        nn.init.normal_(self.cls_token, std=0.02)
        initialise(self)

    def embed(self, image: torch.Tensor) -> torch.Tensor:
        """Patch tokens (N, P, width) with their positions, without the class token."""
        return self.patch_embed(image) + self.pos_embed[:, 1:]

    def mix(self, patches: torch.Tensor) -> torch.Tensor:
        """All blocks over the class token and any patch tokens."""
        first = (self.cls_token + self.pos_embed[:, :1]).expand(patches.shape[0], -1, -1)
        tokens = torch.cat([first, patches], 1)
        for block in self.blocks:
            tokens = block(tokens)
        return tokens

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.mix(self.embed(image))


def initialise(module: nn.Module) -> None:
    """Initial weights as of MAE (He et al. 2022): Xavier-uniform matrices, no biases."""
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.xavier_uniform_(part.weight)
            nn.init.zeros_(part.bias)
        elif isinstance(part, PatchEmbedding):
            nn.init.xavier_uniform_(part.proj.weight.view(len(part.proj.weight), -1))


def sincos_positions(width: int, side: int) -> torch.Tensor:
    """Fixed positions (1 + side², width) of MAE: zeros for the class token, then row by row.

    The first half of the channels encodes the column, the second the row; each half has the sines
    of all frequencies, then the cosines.
    """
    place = torch.arange(side, dtype=torch.float64)
    rows, columns = torch.meshgrid(place, place, indexing="ij")
    halves = [_waves(axis.flatten(), width // 2) for axis in (columns, rows)]
    positions = torch.cat(halves, 1)
    return torch.cat([torch.zeros(1, width, dtype=torch.float64), positions]).float()


def _waves(place: torch.Tensor, width: int) -> torch.Tensor:
    frequency = 10_000.0 ** -(torch.arange(width // 2, dtype=torch.float64) / (width / 2))
    phase = place[:, None] * frequency
    return torch.cat([phase.sin(), phase.cos()], 1)
