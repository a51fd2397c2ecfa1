"""mien's own forgery detector: a face crop -> was it manipulated, and where.

A small residual network that sees the picture and, beside it, what is finer than three pixels,
where blending, resampling and generators leave most of their traces. It answers twice: for each
cell of the face whether it was changed, learned from exact masks (as face X-ray learns the edges of
blending: Li et al., CVPR 2020), and for the whole face. Real and forged pictures come in pairs of
the same shot, which makes detectors generalise (Yermakov et al. 2025).
"""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from mien.find import geometry
from mien.nn.residual import conv_norm, residual_stage
from mien.train.system import Batch, Card, Stage, System

FINE = 8.0  # times what is finer than three pixels, so that it counts as much as the picture
CHANGED = 0.1  # share of the new in a pixel, from which on it counts as forged


class Forgery(NamedTuple):
    """What systems of the task "forgery" predict.

    logit: (N,), above 0 where forged is more likely; calibration makes a probability of it.
    where: (N, h, w) 0..1, how much each cell of the crop speaks for a forgery.
    """

    logit: torch.Tensor
    where: torch.Tensor


@dataclass(frozen=True)
class GuardConfig:
    """``size``: side of the crop in pixels; ``widths``, ``depths``: the residual stages."""

    size: int = 128
    widths: tuple[int, ...] = (16, 24, 48, 96, 128)
    depths: tuple[int, ...] = (1, 2, 2, 2)
    steps: int = 2400

    @classmethod
    def paper(cls) -> Self:
        return cls()

    @classmethod
    def tiny(cls) -> Self:
        return cls(size=64, widths=(8, 8, 16, 16, 32), depths=(1, 1, 1, 1), steps=60)


class Guard(System):
    """(N, 3, S, S) RGB 0..1 -> logit of forged (N,), and of each cell (N, S / 16, S / 16)."""

    CARD = Card(
        slug="mien-guard",
        title="mien guard: a small forgery detector",
        task="forgery",
        venue="mien",
        arxiv=None,
        repository=None,
        code_licence="Apache-2.0",
        weights_licence="Apache-2.0",
        weights=("mien-guard",),
    )
    Config = GuardConfig
    CROP = "200 mm around the mean face, upright in the face frame (mien.find.geometry)"
    config: GuardConfig

    def __init__(self, config: GuardConfig):
        super().__init__(config)
        widths = config.widths
        stages = zip(widths[:-1], widths[1:], config.depths, strict=True)
        self.stem = conv_norm(6, widths[0], 3, 2)
        *early, last = (residual_stage(i, o, depth) for i, o, depth in stages)
        self.early, self.late = nn.Sequential(*early), last
        self.cells = nn.Conv2d(widths[-2], 1, 1)
        self.verdict = nn.Conv2d(widths[-1] + 2, 1, 1)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        fine = image - F.avg_pool2d(image, 3, 1, 1, count_include_pad=False)
        features = self.early(torch.relu(self.stem(torch.cat([image * 2 - 1, FINE * fine], 1))))
        cells = self.cells(features)
        whole = F.adaptive_avg_pool2d(self.late(features), 1)
        both = F.adaptive_max_pool2d(cells, 1), F.adaptive_avg_pool2d(cells, 1)
        logit = self.verdict(torch.cat([whole, *both], 1))
        return logit.float().view(-1), cells.float().squeeze(1)

    def stages(self) -> list[Stage]:
        return [
            Stage(
                name="pairs", data="forgeries", losses={"verdict": 1.0, "where": 1.0},
                steps=self.config.steps, batch=64, rate=2e-3, weight_decay=0.05, clip=1.0,
                warmup=100, ema=0.99,
            )
        ]  # fmt: skip

    def losses(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Terms of a batch; what is not known to be real or forged, or where, is left out."""
        logit, cells = self(*self.inputs(batch))
        forged, mask = batch["forged"], batch["forged_mask"]
        known = forged >= 0
        verdict = F.binary_cross_entropy_with_logits(
            logit, forged.clamp(min=0).float(), reduction="none"
        )
        told = mask.isfinite().all((1, 2))
        wanted = (mask.nan_to_num() > CHANGED).float()[:, None]
        wanted = F.adaptive_avg_pool2d(wanted, cells.shape[-1])[:, 0]
        where = F.binary_cross_entropy_with_logits(cells, wanted, reduction="none").mean((1, 2))
        return {
            "verdict": (verdict * known).sum() / known.sum().clamp(min=1),
            "where": (where * told).sum() / told.sum().clamp(min=1),
        }

    def example(self, count: int) -> dict[str, torch.Tensor]:
        size = self.config.size
        forged = torch.arange(count) % 2
        mask = torch.zeros(count, size, size)
        mask[:, size // 4 : size // 2, size // 4 : size // 2] = 1
        return {
            "image": torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8),
            "forged": forged,
            "forged_mask": mask * forged[:, None, None],
        }

    def inputs(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        return (batch["image"].float() / 255,)

    def dynamic_axes(self) -> dict[str, dict[int, str]]:
        return {name: {0: "batch"} for name in ("image", "output_0", "output_1")}

    def crop(self, landmarks: np.ndarray) -> np.ndarray:
        """Upright in the frame of the face that was found."""
        to_face = geometry.crop_to_face(self.config.size)
        return geometry.compose(geometry.face_to_image(landmarks), to_face)

    @torch.inference_mode()
    def predict(self, image: torch.Tensor) -> Forgery:
        """Of crops (N, 3, S, S) 0..1."""
        logit, cells = self.eval()(image)
        return Forgery(logit, cells.sigmoid())
