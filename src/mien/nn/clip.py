"""The image tower of CLIP (Radford et al. 2021), with the parameter names of transformers.

A vision transformer that differs from :mod:`mien.nn.vit`: patches without bias, a layer norm before
the blocks and one for the class token alone after them, learned positions, queries, keys and values
apart, and the cheaper GELU that CLIP was trained with.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
EPSILON = 1e-5
HEAD_WIDTH = 64  # of all published towers


class Attention(nn.Module):
    """Multi-head self-attention."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.k_proj, self.v_proj, self.q_proj, self.out_proj = (
            nn.Linear(width, width) for _ in range(4)
        )

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        n, count, width = tokens.shape
        split = (n, count, self.heads, width // self.heads)
        query, key, value = (
            project(tokens).view(split).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        mixed = F.scaled_dot_product_attention(query, key, value)
        return self.out_proj(mixed.transpose(1, 2).reshape(n, count, width))


class Mlp(nn.Module):
    """Two linear layers with ``x * sigmoid(1.702 x)`` between them."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        hidden = self.fc1(tokens)
        return self.fc2(hidden * torch.sigmoid(1.702 * hidden))


class Block(nn.Module):
    """Attention and MLP, each behind a layer norm and beside a shortcut."""

    def __init__(self, width: int, heads: int, hidden: int):
        super().__init__()
        self.self_attn = Attention(width, heads)
        self.layer_norm1 = nn.LayerNorm(width, EPSILON)
        self.mlp = Mlp(width, hidden)
        self.layer_norm2 = nn.LayerNorm(width, EPSILON)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        tokens = tokens + self.self_attn(self.layer_norm1(tokens))
        return tokens + self.mlp(self.layer_norm2(tokens))


class Embeddings(nn.Module):
    """(N, 3, S, S) -> the class token and one token for each patch, with their positions."""

    def __init__(self, size: int, patch: int, width: int):
        super().__init__()
        self.class_embedding = nn.Parameter(width**-0.5 * torch.randn(width))
        self.patch_embedding = nn.Conv2d(3, width, patch, patch, bias=False)
        self.position_embedding = nn.Embedding((size // patch) ** 2 + 1, width)
        nn.init.normal_(self.position_embedding.weight, std=0.02)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        patches = self.patch_embedding(image).flatten(2).transpose(1, 2)
        first = self.class_embedding.expand(patches.shape[0], 1, -1)
        return torch.cat([first, patches], 1) + self.position_embedding.weight


class Encoder(nn.Module):
    """The blocks."""

    def __init__(self, width: int, depth: int, heads: int, hidden: int):
        super().__init__()
        self.layers = nn.ModuleList(Block(width, heads, hidden) for _ in range(depth))

    def each(self, tokens: torch.Tensor) -> Iterator[torch.Tensor]:
        """The tokens after each block."""
        for layer in self.layers:
            tokens = layer(tokens)
            yield tokens

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            tokens = layer(tokens)
        return tokens


class ClipVision(nn.Module):
    """(N, 3, S, S), normalised by ``MEAN`` and ``STD`` -> tokens (N, 1 + (S / patch)², width).

    The class token comes first. :meth:`pooled` is CLIP's feature before its projection.
    """

    def __init__(
        self, size: int, patch: int, width: int, depth: int, heads: int, hidden: int | None = None
    ):
        super().__init__()
        self.embeddings = Embeddings(size, patch, width)
        self.pre_layrnorm = nn.LayerNorm(width, EPSILON)  # so it is spelled where weights are
        self.encoder = Encoder(width, depth, heads, hidden or 4 * width)
        self.post_layernorm = nn.LayerNorm(width, EPSILON)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.encoder(self.embed(image))

    def embed(self, image: torch.Tensor) -> torch.Tensor:
        """The tokens before the first block."""
        return self.pre_layrnorm(self.embeddings(image))

    def pooled(self, tokens: torch.Tensor) -> torch.Tensor:
        """The feature (N, width) of a picture: the class token, normed."""
        return self.post_layernorm(tokens[:, 0])

    def norms(self) -> list[str]:
        """The names of all layer norms."""
        return [name for name, part in self.named_modules() if isinstance(part, nn.LayerNorm)]


def normalised(image: torch.Tensor) -> torch.Tensor:
    """Pictures (N, 3, S, S) 0..1 as CLIP takes them."""
    mean, std = (torch.tensor(v, device=image.device).view(3, 1, 1) for v in (MEAN, STD))
    return (image - mean) / std


class Sizes(NamedTuple):
    """The sizes of a tower, arguments of :class:`ClipVision`."""

    size: int
    patch: int
    width: int
    depth: int
    heads: int
    hidden: int

    @classmethod
    def of(cls, shapes: Mapping[str, tuple[int, ...]]) -> "Sizes":
        """From the shapes of a tower's tensors; KeyError or ValueError where they are none's."""
        width, _, patch, _ = shapes["embeddings.patch_embedding.weight"]
        places, _ = shapes["embeddings.position_embedding.weight"]
        blocks = {name.split(".")[2] for name in shapes if name.startswith("encoder.layers.")}
        hidden, _ = shapes["encoder.layers.0.mlp.fc1.weight"]
        side = round((places - 1) ** 0.5)
        return cls(patch * side, patch, width, len(blocks), max(1, width // HEAD_WIDTH), hidden)


OPENAI = {
    "conv1.weight": "embeddings.patch_embedding.weight",
    "class_embedding": "embeddings.class_embedding",
    "positional_embedding": "embeddings.position_embedding.weight",
    "ln_pre": "pre_layrnorm",
    "ln_post": "post_layernorm",
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
    "attn.out_proj": "self_attn.out_proj",
    "transformer.resblocks": "encoder.layers",
}
"""Parts of OpenAI's (and OpenCLIP's) names, below ``visual.``, and what they are called here."""


def from_openai(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The image tower of an OpenAI or OpenCLIP state dict under the names of transformers.

    Queries, keys and values are one matrix there. Everything but the tower is left out.
    """
    found = {}
    for name, value in state.items():
        if not name.startswith("visual.") or name == "visual.proj":
            continue
        short = name.removeprefix("visual.")
        for theirs, ours in OPENAI.items():
            short = short.replace(theirs, ours)
        if "attn.in_proj_" in short:
            kind = short.rpartition("_")[2]
            block = short.partition("attn.in_proj_")[0]
            for part, third in zip("qkv", value.chunk(3), strict=True):
                found[f"{block}self_attn.{part}_proj.{kind}"] = third
        else:
            found[short] = value
    return found
