"""A language model that reads from left to right, as Qwen2 and Llama do, with their names.

Blocks norm by the root mean square (Zhang and Sennrich 2019) before each part; places turn queries
and keys (RoPE, Su et al. 2021); several queries share a key (Ainslie et al. 2023); MLPs are gated
(SwiGLU, Shazeer 2020). The table of tokens is that of the output, too.

Names are those of Hugging Face's checkpoints without ``model.`` (:func:`from_hugging_face`). Its
input is embeddings, not tokens, so that other things than words can stand among the words.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Self

import torch
from torch import nn
from torch.nn import functional as F

from mien.nn.lora import Lora, linear

Choice = Callable[[torch.Tensor], int]
"""Picks a token from logits (V,)."""


@dataclass(frozen=True)
class DecoderSizes:
    """key_heads: keys and values, each for heads / key_heads queries. theta: base of the turns.

    query_bias: whether queries, keys and values have one, as in Qwen2.
    """

    vocabulary: int = 151_936
    width: int = 1536
    depth: int = 28
    heads: int = 12
    key_heads: int = 2
    hidden: int = 8960
    theta: float = 1e6
    epsilon: float = 1e-6
    query_bias: bool = True

    @classmethod
    def qwen_1_5b(cls) -> Self:
        """Qwen2.5-1.5B."""
        return cls()

    @classmethod
    def qwen_0_5b(cls) -> Self:
        """Qwen2.5-0.5B."""
        return cls(width=896, depth=24, heads=14, hidden=4864)

    @classmethod
    def tiny(cls, vocabulary: int) -> Self:
        return cls(vocabulary, width=64, depth=2, heads=4, hidden=128, theta=1e4)


@dataclass
class Memory:
    """The keys and values (N, key_heads, T, d) that a block has seen."""

    seen: list[torch.Tensor] = field(default_factory=list)

    def extended(self, key: torch.Tensor, value: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """All keys and values, these being the newest."""
        both = [key, value]
        if self.seen:
            both = [torch.cat(pair, 2) for pair in zip(self.seen, both, strict=True)]
        self.seen = both
        return both[0], both[1]

    def __len__(self) -> int:
        return self.seen[0].shape[2] if self.seen else 0


def turns(
    start: int, count: int, width: int, theta: float, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines and sines (count, width) of the places from ``start`` on."""
    powers = torch.arange(0, width, 2, device=device).float() / width
    place = torch.arange(start, start + count, device=device).float()
    angle = (place[:, None] * theta**-powers).repeat(1, 2)
    return angle.cos(), angle.sin()


def turned(x: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
    """x (..., T, d), number i of each half turned together by its place's angle."""
    first, second = x.chunk(2, -1)
    return x * cosine.to(x) + torch.cat([-second, first], -1) * sine.to(x)


class Attention(nn.Module):
    """Causal self-attention."""

    def __init__(self, sizes: DecoderSizes, lora: Lora | None):
        super().__init__()
        width, bias = sizes.width, sizes.query_bias
        self.each, self.shared = width // sizes.heads, sizes.heads // sizes.key_heads
        of_keys = self.each * sizes.key_heads
        self.q_proj = linear(width, width, lora, bias)
        self.k_proj = linear(width, of_keys, lora, bias)
        self.v_proj = linear(width, of_keys, lora, bias)
        self.o_proj = linear(width, width, lora, bias=False)

    def forward(
        self,
        x: torch.Tensor,
        places: tuple[torch.Tensor, torch.Tensor],
        memory: Memory | None = None,
    ) -> torch.Tensor:
        """x: (N, T, width), after all that is in the memory."""
        query, key, value = (
            project(x).unflatten(2, (-1, self.each)).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        query, key = turned(query, *places), turned(key, *places)
        if memory is not None:
            key, value = memory.extended(key, value)
        key, value = (part.repeat_interleave(self.shared, 1) for part in (key, value))
        seen = causal(query.shape[2], key.shape[2], x.device)
        mixed = F.scaled_dot_product_attention(query, key, value, seen)
        return self.o_proj(mixed.transpose(1, 2).flatten(2))


def causal(count: int, total: int, device: torch.device) -> torch.Tensor:
    """(count, total): whether the last ``count`` places see each of all; none sees a later one."""
    every = torch.ones(count, total, dtype=torch.bool, device=device)
    return every.tril(total - count)


class Mlp(nn.Module):
    """``down(silu(gate(x)) * up(x))``."""

    def __init__(self, sizes: DecoderSizes, lora: Lora | None):
        super().__init__()
        self.gate_proj = linear(sizes.width, sizes.hidden, lora, bias=False)
        self.up_proj = linear(sizes.width, sizes.hidden, lora, bias=False)
        self.down_proj = linear(sizes.hidden, sizes.width, lora, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Block(nn.Module):
    """Attention and MLP, each behind a norm and beside a shortcut."""

    def __init__(self, sizes: DecoderSizes, lora: Lora | None):
        super().__init__()
        self.self_attn = Attention(sizes, lora)
        self.mlp = Mlp(sizes, lora)
        self.input_layernorm = nn.RMSNorm(sizes.width, sizes.epsilon)
        self.post_attention_layernorm = nn.RMSNorm(sizes.width, sizes.epsilon)

    def forward(
        self, x: torch.Tensor, places: tuple[torch.Tensor, torch.Tensor], memory: Memory | None
    ) -> torch.Tensor:
        x = x + self.self_attn(self.input_layernorm(x), places, memory)
        return x + self.mlp(self.post_attention_layernorm(x))


class Decoder(nn.Module):
    """Embeddings (N, T, width) -> what is known after each of them (N, T, width), normed.

    lora: adapts all linear layers of all blocks; None: none of them.
    """

    def __init__(self, sizes: DecoderSizes, lora: Lora | None = None):
        super().__init__()
        self.sizes = sizes
        self.embed_tokens = nn.Embedding(sizes.vocabulary, sizes.width)
        self.layers = nn.ModuleList(Block(sizes, lora) for _ in range(sizes.depth))
        self.norm = nn.RMSNorm(sizes.width, sizes.epsilon)
        nn.init.normal_(self.embed_tokens.weight, std=sizes.width**-0.5)

    def forward(self, x: torch.Tensor, memory: list[Memory] | None = None) -> torch.Tensor:
        """memory: of each block, which x comes after and is added to (:meth:`blank`)."""
        sizes = self.sizes
        start = len(memory[0]) if memory else 0
        each = sizes.width // sizes.heads
        places = turns(start, x.shape[1], each, sizes.theta, x.device)
        for i, block in enumerate(self.layers):
            x = block(x, places, memory[i] if memory else None)
        return self.norm(x)

    def blank(self) -> list[Memory]:
        """A memory of nothing."""
        return [Memory() for _ in self.layers]

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Of the token that comes next, (..., vocabulary)."""
        return F.linear(hidden, self.embed_tokens.weight)

    @torch.no_grad()
    def generate(self, prompt: torch.Tensor, end: int, limit: int, choose: Choice) -> Iterator[int]:
        """The tokens that follow a prompt (1, T, width), one by one, up to ``end`` or ``limit``.

        Each step reads one token: what came before is kept in a memory.
        """
        memory = self.blank()
        x = prompt
        for _ in range(limit):
            token = choose(self.logits(self(x, memory)[0, -1]).float())
            if token == end:
                return
            yield token
            x = self.embed_tokens(torch.tensor([[token]], device=prompt.device))


def greedy(logits: torch.Tensor) -> int:
    """The likeliest token."""
    return int(logits.argmax())


def nucleus(temperature: float, share: float, generator: torch.Generator) -> Choice:
    """One of the likeliest tokens that have ``share`` of the probability (Holtzman et al. 2020)."""

    def choose(logits: torch.Tensor) -> int:
        chances, tokens = (logits / temperature).softmax(-1).cpu().sort(descending=True)
        before = chances.cumsum(-1) - chances
        kept = torch.where(before < share, chances, 0.0)
        return int(tokens[torch.multinomial(kept, 1, generator=generator)])

    return choose


def from_hugging_face(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A checkpoint of Qwen2's or Llama's under the names here; the output is the tokens' table."""
    return {
        name.removeprefix("model."): value
        for name, value in state.items()
        if name != "lm_head.weight" and not name.endswith("rotary_emb.inv_freq")
    }
