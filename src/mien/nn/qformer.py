"""A query transformer, as BLIP-2 has it (Li et al. 2023): learned queries that read features.

Blocks are BERT's: attention of the queries among each other, attention to what is read, an MLP,
each normed together with its shortcut.
"""

import torch
from torch import nn
from torch.nn import functional as F

EPSILON = 1e-12


class Attention(nn.Module):
    """Queries (N, Q, width) read (N, T, told); a shortcut and a norm after it."""

    def __init__(self, width: int, told: int, heads: int, dropout: float):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(told, width)
        self.value = nn.Linear(told, width)
        self.out = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, EPSILON)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        query, key, value = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for part in (self.query(x), self.key(told), self.value(told))
        )
        dropout = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(query, key, value, dropout_p=dropout)
        return self.norm(x + self.drop(self.out(mixed.transpose(1, 2).flatten(2))))


class Block(nn.Module):
    """Attention to each other, to what is read, and an MLP."""

    def __init__(self, width: int, told: int, heads: int, dropout: float):
        super().__init__()
        self.among = Attention(width, width, heads, dropout)
        self.reading = Attention(width, told, heads, dropout)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)
        self.norm = nn.LayerNorm(width, EPSILON)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        x = self.reading(self.among(x, x), told)
        return self.norm(x + self.drop(self.down(F.gelu(self.up(x)))))


class QFormer(nn.Module):
    """Features (N, T, told), T <= places -> answers of ``queries`` learned queries (N, Q, width).

    places: how many features there are at most; each is told where it stands.
    """

    def __init__(
        self, queries: int, width: int, depth: int, heads: int, told: int, places: int,
        dropout: float = 0.1,
    ):  # fmt: skip
        super().__init__()
        self.queries = nn.Parameter(0.02 * torch.randn(1, queries, width))
        self.places = nn.Embedding(places, told)
        self.norm = nn.LayerNorm(width, EPSILON)
        self.drop = nn.Dropout(dropout)
        self.layers = nn.ModuleList(Block(width, told, heads, dropout) for _ in range(depth))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        told = features + self.places.weight[: features.shape[1]]
        x = self.drop(self.norm(self.queries)).expand(features.shape[0], -1, -1)
        for layer in self.layers:
            x = layer(x, told)
        return x
