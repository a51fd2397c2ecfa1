"""A scene as a set of tokens that are read pixel by pixel, after Sajjadi et al. (2022).

Scene Representation Transformers encode pictures into a set of tokens; a decoder asks it for the
colour of any pixel. Here both are told how a face is held: by keypoints, and by an expression.
"""

import math
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

from mien.nn.fomm import Keypoints
from mien.nn.vit import Mlp

PIXEL_OCTAVES, POINT_OCTAVES = 16, 4  # of the positional encoding; it begins with half a wave


def waves(values: torch.Tensor, octaves: int) -> torch.Tensor:
    """(..., D) -> (..., 2 D octaves): sines of all values and octaves, then their cosines.

    The lowest octave is half a wave between -1 and 1, so that -2..2 is told apart.
    """
    rates = torch.tensor([2.0**k * math.pi for k in range(-1, octaves - 1)], device=values.device)
    phase = (values.float()[..., None] * rates).flatten(-2)
    return torch.cat([phase.sin(), phase.cos()], -1)


def pixel_grid(size: int, device: torch.device | None = None) -> torch.Tensor:
    """The centres (size, size, 2) of all pixels, x and y in -1..1."""
    place = (torch.arange(size, device=device, dtype=torch.float32) + 0.5 - size / 2) / (size / 2)
    return torch.stack(torch.meshgrid(place, place, indexing="ij")[::-1], -1)


class ExpressionEncoder(nn.Module):
    """What the detector sees of N pictures -> vectors (N, expression), read at each keypoint."""

    def __init__(self, channels: int, keypoints: int, maps: int, expression: int):
        super().__init__()
        self.keypoints, inputs = keypoints, keypoints * maps
        self.maps = nn.Conv2d(channels, inputs, 7)
        self.mlp = perceptron(inputs, 2 * inputs, 4 * inputs, 2 * inputs, expression)

    def forward(self, seen: Keypoints) -> torch.Tensor:
        maps = self.maps(seen.features).unflatten(1, (self.keypoints, -1))
        return self.mlp((maps * seen.heatmaps[:, :, None]).sum((3, 4)).flatten(1)).float()


def perceptron(*widths: int) -> nn.Sequential:
    """Linear layers with ReLU between them."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class Attention(nn.Module):
    """Multi-head attention of ``heads`` times ``head_width``, whatever the widths around it."""

    def __init__(self, width: int, context: int, heads: int, head_width: int):
        super().__init__()
        self.heads, inner = heads, heads * head_width
        self.query = nn.Linear(width, inner, bias=False)
        self.key_value = nn.Linear(context, 2 * inner, bias=False)
        self.out = nn.Linear(inner, width)

    def forward(self, x: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        parts = self.query(x), *self.key_value(context).chunk(2, -1)
        q, k, v = (part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in parts)
        return self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class Layer(nn.Module):
    """Attention and perceptron, each behind a norm and beside a shortcut; no norm at the end.

    What is read in place of the tokens themselves is not normed.
    """

    def __init__(self, width: int, context: int, heads: int, head_width: int, hidden: int):
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = Attention(width, context, heads, head_width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Mlp(width, hidden)

    def forward(self, x: torch.Tensor, read: torch.Tensor | None = None) -> torch.Tensor:
        normed = self.norm1(x)
        x = x + self.attention(normed, normed if read is None else read)
        return x + self.mlp(self.norm2(x))


class SetEncoder(nn.Module):
    """Pictures of a person with keypoints and expressions -> one set of tokens.

    Nothing but their content tells pictures apart: their order does not matter.
    """

    def __init__(
        self, described: int, width: int, blocks: int, depth: int, heads: int, head_width: int
    ):
        """described: numbers of :meth:`described`. width: first channels, doubled by each block."""
        super().__init__()
        widths = [width << (block + 1) for block in range(blocks)]
        sizes = zip([described, *widths], [w // 2 for w in widths], widths, strict=False)
        self.blocks = nn.ModuleList(halving(*size) for size in sizes)
        self.width = widths[-1]
        self.tokens = nn.Conv2d(self.width, self.width, 1)
        self.layers = nn.ModuleList(
            Layer(self.width, self.width, heads, head_width, 2 * self.width) for _ in range(depth)
        )

    def forward(
        self, image: torch.Tensor, keypoints: torch.Tensor, expression: torch.Tensor
    ) -> torch.Tensor:
        """(N, K, 3, S, S), (N, K, P, 2), (N, K, e) -> (N, K T, width)."""
        alone = (x.flatten(0, 1) for x in (image, keypoints, expression))
        tokens = (
            self.patches(*alone)
            .unflatten(0, (-1, image.shape[1]))
            .flatten(3)
            .transpose(2, 3)
            .flatten(1, 2)
        )
        for layer in self.layers:
            tokens = layer(tokens)
        return tokens

    def patches(
        self, image: torch.Tensor, keypoints: torch.Tensor, expression: torch.Tensor
    ) -> torch.Tensor:
        """The tokens (N, width, h, w) of single pictures, before they read each other."""
        x = self.described(image, keypoints, expression)
        for block in self.blocks:
            x = block(x)
        return self.tokens(x)

    @staticmethod
    def described(
        image: torch.Tensor, keypoints: torch.Tensor, expression: torch.Tensor
    ) -> torch.Tensor:
        """Each pixel (N, C, S, S): its colour, all keypoints, its place, the expression."""
        places = waves(pixel_grid(image.shape[-1], image.device), PIXEL_OCTAVES).permute(2, 0, 1)
        same = waves(keypoints.flatten(1), POINT_OCTAVES), expression
        points, expression = (x[..., None, None].expand(-1, -1, *image.shape[2:]) for x in same)
        return torch.cat([image, points, places.expand(image.shape[0], -1, -1, -1), expression], 1)


def query_width(keypoints: int, expression: int) -> int:
    """Numbers that describe a pixel but for its colour: 480 as published."""
    return 4 * keypoints * POINT_OCTAVES + 4 * PIXEL_OCTAVES + expression


def halving(inputs: int, middle: int, outputs: int) -> nn.Sequential:
    """Two 3 x 3 convolutions, the second of which halves the map."""
    return nn.Sequential(
        nn.Conv2d(inputs, middle, 3, 1, 1, bias=False), nn.ReLU(),
        nn.Conv2d(middle, outputs, 3, 2, 1, bias=False), nn.ReLU(),
    )  # fmt: skip


class PixelDecoder(nn.Module):
    """Places (N, Q, 2) and how the driving face moves -> colours (N, Q, 3), not clamped.

    Pixels do not read each other, so any of them can be asked for, at any resolution.
    """

    def __init__(
        self, width: int, tokens: int, depth: int, heads: int, head_width: int, hidden: int,
        render: tuple[int, ...],
    ):  # fmt: skip
        """width: of queries. tokens: width of what is read. render: of the last perceptron."""
        super().__init__()
        self.start = perceptron(width, width * 3 // 2, width)
        self.layers = nn.ModuleList(
            Layer(width, tokens, heads, head_width, hidden) for _ in range(depth)
        )
        self.render = perceptron(width, *render, 3)

    def forward(
        self, places: torch.Tensor, keypoints: torch.Tensor, expression: torch.Tensor,
        tokens: torch.Tensor,
    ) -> torch.Tensor:  # fmt: skip
        return self.render(self.read(places, keypoints, expression, tokens)).float()

    def read(
        self, places: torch.Tensor, keypoints: torch.Tensor, expression: torch.Tensor,
        tokens: torch.Tensor,
    ) -> torch.Tensor:  # fmt: skip
        """What each pixel (N, Q, width) has read of the tokens (N, T, C)."""
        pixels = places.shape[1]
        points = waves(keypoints.flatten(1), POINT_OCTAVES)
        same = (x[:, None].expand(-1, pixels, -1) for x in (points, expression))
        points, expression = same
        x = self.start(torch.cat([points, waves(places, PIXEL_OCTAVES), expression], 2))
        for layer in self.layers:
            x = layer(x, tokens)
        return x
