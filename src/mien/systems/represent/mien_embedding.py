"""mien's own face embedding: an aligned crop -> a unit vector that says who it is.

A small residual network with FaceNet's purpose and losses (Schroff et al. 2015): it learns to meet
the vectors of an older model, which are compatible with its own by that (the harmonic embedding of
the paper's appendix, with one teacher's vector for all views of a person), and semi-hard triplets
pull a person's views together. People and views are those of ``mien.data.identities``.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from mien.find import embedder
from mien.nn.residual import conv_norm, residual_stage
from mien.nn.triplets import triplet_loss
from mien.train.system import Batch, Card, Stage, System


@dataclass(frozen=True)
class FaceEmbedderConfig:
    """``size``: side of the crop in pixels; ``widths``, ``depths``: the residual stages."""

    size: int = embedder.CROP_SIZE
    widths: tuple[int, ...] = (16, 24, 48, 96, 160)
    depths: tuple[int, ...] = (1, 2, 2, 2)
    dimensions: int = embedder.DIMENSIONS
    steps: int = 6000

    @classmethod
    def paper(cls) -> Self:
        return cls()

    @classmethod
    def tiny(cls) -> Self:
        return cls(size=64, widths=(8, 8, 16, 16, 32), depths=(1, 1, 1, 1), steps=60)


class FaceEmbedder(System):
    """(N, 3, S, S) RGB 0..1 -> unit vectors (N, dimensions)."""

    CARD = Card(
        slug="mien-embedding",
        title="mien face embedding: a 128-number student",
        task="embedding",
        venue="mien",
        arxiv=None,
        repository=None,
        code_licence="Apache-2.0",
        weights_licence="Apache-2.0",
        weights=("mien-embedding",),
    )
    Config = FaceEmbedderConfig
    CROP = "aligned by the corners of the eyes and the base of the nose (mien.find.embedder)"
    config: FaceEmbedderConfig

    def __init__(self, config: FaceEmbedderConfig):
        super().__init__(config)
        widths = config.widths
        stages = zip(widths[:-1], widths[1:], config.depths, strict=True)
        self.stem = conv_norm(3, widths[0], 3, 2)
        self.body = nn.Sequential(*(residual_stage(i, o, depth) for i, o, depth in stages))
        side = -(-config.size // 2 ** len(widths))
        # Over the whole map, not its mean: in an aligned face every place has its meaning.
        self.vector = nn.Conv2d(widths[-1], config.dimensions, side)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        features = self.body(torch.relu(self.stem(image * 2 - 1)))
        return (F.normalize(self.vector(features).flatten(1).float()),)

    def stages(self) -> list[Stage]:
        return [
            Stage(
                name="distil", data="people", losses={"teacher": 1.0, "triplets": 0.5},
                steps=self.config.steps, batch=128, rate=2e-3, weight_decay=0.05, clip=1.0,
            )
        ]  # fmt: skip

    def losses(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Terms of a batch with several views of each person; a vector of NaN is not known."""
        (unit,) = self(*self.inputs(batch))
        wanted = batch["embedding"]
        known = wanted.isfinite().all(1)
        gap = (unit - wanted.nan_to_num()).square().sum(1)
        return {
            "teacher": (gap * known).sum() / known.sum().clamp(min=1),
            "triplets": triplet_loss(unit, batch["identity"]),
        }

    def example(self, count: int) -> dict[str, torch.Tensor]:
        size = self.config.size
        return {
            "image": torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8),
            "identity": torch.arange(count) % max(2, (count + 1) // 2),
            "embedding": F.normalize(torch.randn(count, self.config.dimensions)),
        }

    def inputs(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        return (batch["image"].float() / 255,)

    def dynamic_axes(self) -> dict[str, dict[int, str]]:
        return {name: {0: "batch"} for name in ("image", "output_0")}

    def crop(self, landmarks: np.ndarray) -> np.ndarray:
        return embedder.placement(landmarks, self.config.size)

    @torch.inference_mode()
    def predict(self, image: torch.Tensor) -> torch.Tensor:
        """Unit vectors (N, dimensions) of crops (N, 3, S, S) 0..1."""
        (embedding,) = self.eval()(image)
        return embedding
