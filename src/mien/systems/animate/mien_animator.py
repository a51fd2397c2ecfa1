"""mien's own animator: what is heard of a voice -> how the mouth moves, 50 times a second.

A small stack of dilated convolutions over time. It hears 0.6 s before a moment and 0.14 s after it,
so it can work while somebody speaks. It learns from the world's speech (``mien.train.voiced``),
where all is known: the weights of the curves, what they do to the lips in millimetres, how they
change, and when lips touch. It says what the mouth articulates, and nothing else: contacts are
met, and moods put on, by rule and on the head itself (``mien.voice.animator``), as in the world.
"""

from dataclasses import dataclass
from typing import Self

import torch
from torch import nn
from torch.nn import functional as F

from mien.train.spoken import annotation_map
from mien.train.system import Batch, Card, Stage, System
from mien.voice import animator, features
from mien.voice.animator import ANSWERS, DRIVEN, ROWS_AFTER, ROWS_BEFORE
from mien.world import visemes

LAYERS = ((1, False), (2, False), (4, True), (8, True), (2, False), (1, False))
"""Dilation of each layer, and whether it hears the past alone."""

USUAL = {
    "jawOpen": (0.161, 0.107), "mouthFunnel": (0.074, 0.074), "mouthPucker": (0.192, 0.203),
    "mouthSmileLeft": (0.059, 0.052), "mouthStretchLeft": (0.056, 0.046),
    "mouthLowerDownLeft": (0.111, 0.070), "mouthShrugLower": (0.004, 0.014),
    "mouthRollLower": (0.013, 0.047), "mouthUpperUpLeft": (0.084, 0.052),
    "mouthPressLeft": (0.018, 0.032), "tongueOut": (0.003, 0.020),
}  # fmt: skip
"""Mean and deviation of each curve while somebody speaks."""

LIP_TOLERANCE = 2.0  # mm
TOUCH = 3.0  # how much more moments of contact count
LARGE = 2.0
"""Errors count by their square up to so many tolerances: otherwise what is rare, such as rounded
lips, would never be answered."""


@dataclass(frozen=True)
class MienAnimatorConfig:
    """``width``: channels. ``seconds``: of an example. ``steps``: of training."""

    width: int = 128
    seconds: float = 2.0
    steps: int = 10_000
    batch: int = 12

    @classmethod
    def paper(cls) -> Self:
        return cls()

    @classmethod
    def tiny(cls) -> Self:
        return cls(width=16, seconds=0.6, steps=60, batch=8)


class MienAnimator(System):
    """(N, COUNT, 2 T + 76) rows of ``mien.voice.features`` -> (N, ANSWERS, T)."""

    CARD = Card(
        slug="mien-animator",
        title="mien animator: a voice to the 52 curves",
        task="voice-animation",
        venue="mien",
        arxiv=None,
        repository=None,
        code_licence="Apache-2.0",
        weights_licence="Apache-2.0",
        weights=("mien-animator",),
    )
    Config = MienAnimatorConfig
    CROP = "rows of mien.voice.features"
    config: MienAnimatorConfig
    mean: torch.Tensor
    spread: torch.Tensor
    lips: torch.Tensor

    def __init__(self, config: MienAnimatorConfig):
        super().__init__(config)
        width = config.width
        # All but the level: how loud a recording is says nothing of the mouth.
        self.stem = nn.Conv1d(features.COUNT - 1, width, 5, stride=2)
        self.layers = nn.Sequential(*(Layer(width, by, past) for by, past in LAYERS))
        self.norm = Norm(width)
        self.head = nn.Conv1d(width, ANSWERS, 1)
        mean, spread = torch.tensor([USUAL[name] for name in DRIVEN]).T[..., None]
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("spread", spread, persistent=False)
        lips = torch.from_numpy(animator.both_sides(annotation_map("mien_lips")[visemes.COLUMNS]))
        self.register_buffer("lips", lips, persistent=False)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        said, touch = self._said(image)
        return (torch.cat([self.mean + self.spread * said, touch.sigmoid()], 1),)

    def _said(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Curves in deviations from their mean, and logits of contacts."""
        mel, rest = rows[:, : features.BANDS], rows[:, features.LEVEL + 1 :]
        heard = torch.cat([3 * mel - 1.2, rest], 1)  # about mean 0 and deviation 1
        answers = self.head(self.norm(self.layers(self.stem(heard))))
        return answers[:, : len(DRIVEN)], answers[:, len(DRIVEN) :]

    def stages(self) -> list[Stage]:
        return [
            Stage(
                name="world", data="voices",
                losses={"curves": 1.0, "velocity": 2.0, "lips": 1.0, "touch": 2.0},
                steps=self.config.steps, batch=self.config.batch, rate=3e-3, betas=(0.9, 0.98),
                weight_decay=0.02, clip=5.0, warmup=50, ema=0.998,
            )
        ]  # fmt: skip

    def losses(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Curves and how they change, in deviations; the lips in space; contacts."""
        said, touch = self._said(*self.inputs(batch))
        true = batch["spoken"].transpose(1, 2)
        met = true[:, len(DRIVEN) :].clamp(0, 1)
        off = said.float() - (true[:, : len(DRIVEN)] - self.mean) / self.spread
        moved = (off * self.spread).transpose(1, 2) @ self.lips
        missed = F.binary_cross_entropy_with_logits(touch.float(), met, reduction="none")
        return {
            "curves": _gentle(off),
            "velocity": _gentle(off.diff(dim=2)),
            "lips": _gentle(moved / LIP_TOLERANCE),
            "touch": (missed * (1 + TOUCH * met)).mean(),
        }

    def example(self, count: int) -> dict[str, torch.Tensor]:
        steps = round(self.config.seconds / animator.STEP)
        return {
            "heard": torch.rand(count, 2 * steps + ROWS_BEFORE + ROWS_AFTER, features.COUNT),
            "spoken": 0.3 * torch.rand(count, steps, ANSWERS),
        }

    def inputs(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        return (batch["heard"].transpose(1, 2),)

    def dynamic_axes(self) -> dict[str, dict[int, str]]:
        return {"image": {0: "batch", 2: "rows"}, "output_0": {0: "batch", 2: "steps"}}

    @torch.inference_mode()
    def predict(self, image: torch.Tensor) -> torch.Tensor:
        """Answers (N, ANSWERS, T) to rows, as :meth:`forward` takes them."""
        (said,) = self.eval()(image)
        return said


class Layer(nn.Module):
    """A residual convolution over three moments; it is shorter by two dilations."""

    def __init__(self, width: int, dilation: int, past: bool):
        super().__init__()
        self.norm = Norm(width)
        self.around = nn.Conv1d(width, width, 3, dilation=dilation)
        self.mix = nn.Conv1d(width, width, 1)
        self.before = 2 * dilation if past else dilation
        self.after = 2 * dilation - self.before

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        stays = x[:, :, self.before : x.shape[2] - self.after]
        return stays + self.mix(F.gelu(self.around(self.norm(x))))


class Norm(nn.Module):
    """Each moment at length 1 over its channels (Zhang and Sennrich 2019)."""

    def __init__(self, width: int):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1, width, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * (x.square().mean(1, keepdim=True) + 1e-6).rsqrt() * self.scale


def _gentle(off: torch.Tensor) -> torch.Tensor:
    return F.smooth_l1_loss(off, torch.zeros_like(off), beta=LARGE)
