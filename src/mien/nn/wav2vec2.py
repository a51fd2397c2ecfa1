"""Speech encoders of the wav2vec 2.0 family, with the parameter names of their published weights.

wav2vec 2.0 (Baevski et al. 2020), HuBERT (Hsu et al. 2021) and WavLM (Chen et al. 2022) share one
network: seven convolutions turn samples at 16 kHz into 50 features a second, a wide grouped
convolution tells where they are, a transformer mixes them. Large ones norm before each part instead
of after it, and after every convolution instead of the first; WavLM adds a gated bias of relative
positions to the attention.

Names are those of Hugging Face's checkpoints, so weights for any of them load as they are; only the
positional convolution's normed weight is stored as ``weight_g`` and ``weight_v`` (:func:`renamed`).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import nn
from torch.nn import functional as F

RATE = 16_000  # hertz, of what is heard
KERNELS, STRIDES = (10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2)
STEP = math.prod(STRIDES)  # samples between features
FIELD = 400  # samples that a feature of the convolutions sees


@dataclass(frozen=True)
class SpeechSizes:
    """The sizes of an encoder.

    channels: of the convolutions. norm_each: a layer norm after each of them, which then have a
    bias, instead of one group norm after the first. norm_first: transformer blocks norm before
    attention and MLP. relative: WavLM's gated relative positions, ``buckets`` of them up to
    ``distance``. place_kernel, place_groups: of the positional convolution.
    dropout: of attention and blocks; skip: share of the blocks left out in training.
    mask: share of the features that SpecAugment hides in training, in spans of ``span``.
    """

    width: int = 768
    depth: int = 12
    heads: int = 12
    hidden: int = 3072
    channels: int = 512
    norm_each: bool = False
    norm_first: bool = False
    relative: bool = False
    buckets: int = 320
    distance: int = 800
    place_kernel: int = 128
    place_groups: int = 16
    dropout: float = 0.1
    skip: float = 0.05
    mask: float = 0.05
    span: int = 10

    @classmethod
    def base(cls) -> Self:
        """wav2vec 2.0 base and HuBERT base."""
        return cls()

    @classmethod
    def wavlm_base(cls) -> Self:
        """WavLM base and base+."""
        return cls(relative=True)

    @classmethod
    def xlsr(cls) -> Self:
        """wav2vec 2.0 large XLSR-53, and HuBERT large."""
        return cls(
            width=1024, depth=24, heads=16, hidden=4096, norm_each=True, norm_first=True, mask=0.075
        )

    @classmethod
    def tiny(cls) -> Self:
        return cls(
            width=32, depth=1, heads=2, hidden=64, channels=16, relative=True, buckets=16,
            distance=64, place_kernel=8, place_groups=2, dropout=0.0, skip=0.0, span=2,
        )  # fmt: skip


def features(samples: int) -> int:
    """How many features the convolutions make of ``samples``, 0 where there are too few."""
    for kernel, stride in zip(KERNELS, STRIDES, strict=True):
        samples = max((samples - kernel) // stride + 1, 0)
    return samples


class ConvLayer(nn.Module):
    """A convolution, its norm and a GELU: (N, C, S) -> (N, channels, S')."""

    def __init__(self, incoming: int, kernel: int, stride: int, sizes: SpeechSizes):
        super().__init__()
        channels = sizes.channels
        self.conv = nn.Conv1d(incoming, channels, kernel, stride, bias=sizes.norm_each)
        self.layer_norm: nn.Module | None = None
        if sizes.norm_each:
            self.layer_norm = nn.LayerNorm(channels)
        elif incoming == 1:
            self.layer_norm = nn.GroupNorm(channels, channels)
        nn.init.kaiming_normal_(self.conv.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        if isinstance(self.layer_norm, nn.LayerNorm):
            x = self.layer_norm(x.transpose(1, 2)).transpose(1, 2)
        elif self.layer_norm is not None:
            x = self.layer_norm(x)
        return F.gelu(x)


class FeatureExtractor(nn.Module):
    """(N, S) samples -> (N, channels, T), one feature every 20 ms."""

    def __init__(self, sizes: SpeechSizes):
        super().__init__()
        incoming = (1, *(sizes.channels,) * (len(KERNELS) - 1))
        self.conv_layers = nn.ModuleList(
            ConvLayer(c, k, s, sizes) for c, k, s in zip(incoming, KERNELS, STRIDES, strict=True)
        )

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        x = audio[:, None]
        for layer in self.conv_layers:
            x = layer(x)
        return x


class FeatureProjection(nn.Module):
    """(N, T, channels) -> (N, T, width)."""

    def __init__(self, sizes: SpeechSizes):
        super().__init__()
        self.layer_norm = nn.LayerNorm(sizes.channels)
        self.projection = nn.Linear(sizes.channels, sizes.width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.projection(self.layer_norm(x))


class NormedConv(nn.Module):
    """A grouped convolution whose weight is ``weight_v``, scaled to ``weight_g`` at each tap."""

    def __init__(self, width: int, kernel: int, groups: int):
        super().__init__()
        self.groups, self.padding = groups, kernel // 2
        deviation = 2 * math.sqrt(1 / (kernel * width))
        self.weight_v = nn.Parameter(torch.randn(width, width // groups, kernel) * deviation)
        self.weight_g = nn.Parameter(self.weight_v.detach().norm(dim=(0, 1), keepdim=True))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = self.weight_v * (self.weight_g / self.weight_v.norm(dim=(0, 1), keepdim=True))
        return F.conv1d(x, weight, self.bias, padding=self.padding, groups=self.groups)


class Places(nn.Module):
    """Where a feature is, from its neighbours: (N, T, width) -> (N, T, width)."""

    def __init__(self, sizes: SpeechSizes):
        super().__init__()
        self.conv = NormedConv(sizes.width, sizes.place_kernel, sizes.place_groups)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # An even kernel gives one place too many.
        return F.gelu(self.conv(x.transpose(1, 2))[..., : x.shape[1]]).transpose(1, 2)


class Attention(nn.Module):
    """Multi-head self-attention; with ``relative``, its scores are biased by gated distances.

    The first block's distances serve all: ``first`` says whether this one has them.
    """

    def __init__(self, sizes: SpeechSizes, first: bool):
        super().__init__()
        width = sizes.width
        self.heads, self.dropout = sizes.heads, sizes.dropout
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.q_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)
        self.relative = sizes.relative
        if sizes.relative:
            self.gru_rel_pos_const = nn.Parameter(torch.ones(1, sizes.heads, 1, 1))
            self.gru_rel_pos_linear = nn.Linear(width // sizes.heads, 8)
        if sizes.relative and first:
            self.rel_attn_embed = nn.Embedding(sizes.buckets, sizes.heads)

    def forward(self, x: torch.Tensor, distances: torch.Tensor | None) -> torch.Tensor:
        """x: (N, T, width). distances: (heads, T, T), or None."""
        projected = (self.q_proj(x), self.k_proj(x), self.v_proj(x))
        query, key, value = (self._split(part) for part in projected)
        bias = None if distances is None else (self._gate(x) * distances).to(query.dtype)
        dropout = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(query, key, value, bias, dropout)
        return self.out_proj(mixed.transpose(1, 2).flatten(2))

    def _split(self, x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)

    def _gate(self, x: torch.Tensor) -> torch.Tensor:
        """How much each place heeds distances, (N, heads, T, 1); WavLM, section 3.1."""
        sums = self.gru_rel_pos_linear(self._split(x)).unflatten(-1, (2, 4)).sum(-1)
        update, reset = sums.sigmoid().chunk(2, -1)
        return update * (reset * self.gru_rel_pos_const - 1) + 2


def buckets(count: int, sizes: SpeechSizes) -> torch.Tensor:
    """The bucket (count, count) of each pair of places, as of T5 (Raffel et al. 2020).

    Half of the buckets are for places behind; near ones are told apart, far ones by the logarithm.
    """
    place = torch.arange(count)
    distance = place[None, :] - place[:, None]
    half = sizes.buckets // 2
    near = half // 2
    size = distance.abs()
    share = (size.clamp(min=1) / near).log() / math.log(sizes.distance / near)
    far = (near + share * (half - near)).long().clamp(max=half - 1)
    return half * (distance > 0) + torch.where(size < near, size, far)


class FeedForward(nn.Module):
    """Two linear layers with a GELU between them."""

    def __init__(self, sizes: SpeechSizes):
        super().__init__()
        self.intermediate_dense = nn.Linear(sizes.width, sizes.hidden)
        self.output_dense = nn.Linear(sizes.hidden, sizes.width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.output_dense(F.gelu(self.intermediate_dense(x)))


class Block(nn.Module):
    """Attention and MLP beside shortcuts, normed after each, or before with ``norm_first``."""

    def __init__(self, sizes: SpeechSizes, first: bool):
        super().__init__()
        self.attention = Attention(sizes, first)
        self.layer_norm = nn.LayerNorm(sizes.width)
        self.feed_forward = FeedForward(sizes)
        self.final_layer_norm = nn.LayerNorm(sizes.width)
        self.drop = nn.Dropout(sizes.dropout)
        self.norm_first = sizes.norm_first

    def forward(self, x: torch.Tensor, distances: torch.Tensor | None) -> torch.Tensor:
        if self.norm_first:
            x = x + self.drop(self.attention(self.layer_norm(x), distances))
            return x + self.drop(self.feed_forward(self.final_layer_norm(x)))
        x = self.layer_norm(x + self.drop(self.attention(x, distances)))
        return self.final_layer_norm(x + self.drop(self.feed_forward(x)))


class Transformer(nn.Module):
    """(N, T, width) -> (N, T, width)."""

    def __init__(self, sizes: SpeechSizes):
        super().__init__()
        self.sizes = sizes
        self.pos_conv_embed = Places(sizes)
        self.layer_norm = nn.LayerNorm(sizes.width)
        self.drop = nn.Dropout(sizes.dropout)
        self.layers = nn.ModuleList(Block(sizes, i == 0) for i in range(sizes.depth))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.states(x)[-1]

    def states(self, x: torch.Tensor) -> list[torch.Tensor]:
        """What each block gives; the last one is the encoder's answer."""
        x = x + self.pos_conv_embed(x)
        x = self.drop(x if self.sizes.norm_first else self.layer_norm(x))
        distances = self._distances(x)
        states = []
        for block in self.layers:
            if not (self.training and torch.rand(()) < self.sizes.skip):
                x = block(x, distances)
            states.append(x)
        if self.sizes.norm_first:
            states[-1] = self.layer_norm(x)
        return states

    def _distances(self, x: torch.Tensor) -> torch.Tensor | None:
        """The bias (heads, T, T) of relative positions; None where there is none."""
        if not self.sizes.relative:
            return None
        first = self.layers[0]
        assert isinstance(first, Block)
        table = first.attention.rel_attn_embed
        return table(buckets(x.shape[1], self.sizes).to(x.device)).permute(2, 0, 1)


class SpeechEncoder(nn.Module):
    """(N, S) samples at 16 kHz, of mean 0 and deviation 1 -> (N, T, width), T about S / 320.

    Feature i is about the samples from 320 i to 320 i + 400. In training, spans of features are
    hidden (SpecAugment, Park et al. 2019).
    """

    def __init__(self, sizes: SpeechSizes):
        super().__init__()
        self.sizes = sizes
        self.masked_spec_embed = nn.Parameter(torch.rand(sizes.width))
        self.feature_extractor = FeatureExtractor(sizes)
        self.feature_projection = FeatureProjection(sizes)
        self.encoder = Transformer(sizes)

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        return self.encoder(self.embed(self.feature_extractor(audio)))

    def embed(self, x: torch.Tensor) -> torch.Tensor:
        """What the transformer takes, (N, T, width), of the convolutions' features."""
        tokens = self.feature_projection(x.transpose(1, 2))
        if not (self.training and self.sizes.mask):
            return tokens
        hidden = hidden_spans(len(tokens), tokens.shape[1], self.sizes).to(tokens.device)
        return torch.where(hidden[..., None], self.masked_spec_embed.to(tokens.dtype), tokens)


def hidden_spans(count: int, places: int, sizes: SpeechSizes) -> torch.Tensor:
    """Which places of each sample (count, places) are hidden: at least two spans of each."""
    spans = max(2, round(sizes.mask * places / sizes.span))
    start = torch.randint(0, max(places - sizes.span, 0) + 1, (count, spans, 1))
    place = torch.arange(places)
    return ((place >= start) & (place < start + sizes.span)).any(1)


def sizes_of(shapes: Mapping[str, tuple[int, ...]], heads: int | None = None) -> SpeechSizes:
    """The sizes of a published encoder from the shapes of its tensors; KeyError for others.

    heads: where attention has no relative positions to tell it; 64 channels each, if not given.
    """
    width, channels = shapes["feature_projection.projection.weight"]
    norm_each = "feature_extractor.conv_layers.1.layer_norm.weight" in shapes
    table = shapes.get("encoder.layers.0.attention.rel_attn_embed.weight")
    names = (name.split(".") for name in shapes if name.startswith("encoder.layers."))
    _, group, kernel = next(
        shape for name, shape in shapes.items()
        if name.startswith("encoder.pos_conv_embed.conv.") and name.endswith(("_v", "original1"))
    )  # fmt: skip
    return SpeechSizes(
        width=width,
        depth=1 + max(int(name[2]) for name in names),
        heads=table[1] if table else heads or max(width // 64, 1),
        hidden=shapes["encoder.layers.0.feed_forward.intermediate_dense.weight"][0],
        channels=channels,
        norm_each=norm_each,
        norm_first=norm_each,
        relative=table is not None,
        buckets=table[0] if table else 320,
        place_kernel=kernel,
        place_groups=width // group,
    )


def renamed(name: str) -> str:
    """The name here of a tensor of a published encoder."""
    name = name.replace("conv.parametrizations.weight.original0", "conv.weight_g")
    return name.replace("conv.parametrizations.weight.original1", "conv.weight_v")
