"""mien's own judge of lip-sync: mouth and sound on one sphere, near where they belong together.

A small relative of SyncNet (Chung and Zisserman, *Out of time: automated lip sync in the wild*,
2016): two towers of convolutions over about 0.6 s, learned by contrast. It sees the points of the
lips instead of pixels, so it learns from the world's voices (:mod:`mien.train.voiced`) without a
picture being drawn, and judges curves as well as landmarks of a video (:mod:`mien.evaluate.sync`).

What it must not learn is how exactly the world moves its mouths. They are put into moods, made
smaller and larger, slower, uneven and noisy before it sees them.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from mien.evaluate import sync
from mien.face import BLENDSHAPES
from mien.train.system import Batch, Card, Stage, System
from mien.voice import animator, features
from mien.voice.animator import ANSWERS, ROWS_AFTER, ROWS_BEFORE
from mien.world import visemes

STEPS = round(1 / animator.STEP / sync.FPS)  # of the animator's answers, for a frame
NEUTRAL = 0.3  # share of the mouths without a mood


@dataclass(frozen=True)
class MienSyncConfig:
    """``width``: of the towers; ``dimensions``: of the sphere; ``seconds``: of a training clip."""

    width: int = 64
    dimensions: int = 64
    seconds: float = 2.56
    steps: int = 600

    @classmethod
    def paper(cls) -> Self:
        return cls()

    @classmethod
    def tiny(cls) -> Self:
        return cls(width=32, dimensions=16, seconds=1.28, steps=60)


class Block(nn.Module):
    """A convolution over five frames, normed over its channels, beside a shortcut.

    Nothing is padded: both towers would know a clip's ends by that, and find them in each other.
    """

    def __init__(self, width: int):
        super().__init__()
        self.conv = nn.Conv1d(width, width, 5)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[..., 2:-2] + F.relu(self.norm(self.conv(x).transpose(1, 2)).transpose(1, 2))


class Tower(nn.Module):
    """(N, C, T) -> unit vectors (N, D, T - 14), each of 15 frames."""

    def __init__(self, incoming: int, config: MienSyncConfig):
        super().__init__()
        self.begin = nn.Conv1d(incoming, config.width, 3)
        self.blocks = nn.Sequential(*(Block(config.width) for _ in range(3)))
        self.end = nn.Conv1d(config.width, config.dimensions, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.normalize(self.end(self.blocks(F.relu(self.begin(x)))), dim=1)


class MienSync(System):
    """(N, MOUTH + SOUND, T), 25 frames a second -> unit vectors (N, D, T - 14) of both."""

    CARD = Card(
        slug="mien-sync",
        title="mien lip-sync scorer: mouth and sound on one sphere",
        task="sync-scoring",
        venue="mien",
        arxiv=None,
        repository=None,
        code_licence="Apache-2.0",
        weights_licence="Apache-2.0",
        weights=("mien-sync",),
    )
    Config = MienSyncConfig
    CROP = "no picture: points of the lips and a spectrum (mien.evaluate.sync)"
    config: MienSyncConfig

    def __init__(self, config: MienSyncConfig):
        super().__init__(config)
        self.mouth, self.sound = Tower(sync.MOUTH, config), Tower(sync.SOUND, config)
        self.sharpness = nn.Parameter(torch.tensor([2.0, 3.0]))  # logarithms: frames, clips

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self.mouth(image[:, : sync.MOUTH]), self.sound(image[:, sync.MOUTH :])

    def stages(self) -> list[Stage]:
        return [
            Stage(
                name="contrast", data="voices", losses={"frames": 1.0, "shifts": 1.0},
                steps=self.config.steps, batch=32, rate=2e-3, weight_decay=0.02, warmup=50,
                ema=0.99,
            )
        ]  # fmt: skip

    def losses(self, batch: Batch) -> dict[str, torch.Tensor]:
        """frames: which sound of all of the clip belongs to a frame. shifts: by how many frames the
        sound of half a clip was moved, all of its frames together."""
        if self.training:
            both = self._seen_and_heard(batch, moods(len(batch["heard"])))
            both = torch.cat([spoilt(both[:, : sync.MOUTH]), both[:, sync.MOUTH :]], 1)
        else:
            (both,) = self.inputs(batch)
        seen, said = self(both)
        near = torch.einsum("ndt,nds->nts", seen, said)  # T x T of each clip
        frames = torch.arange(near.shape[1]).to(near.device)
        # A frame more or less is nearly as right, so it is neither right nor wrong.
        beside = (frames[:, None] - frames).abs() == 1
        logits = (self.sharpness[0].exp() * near).masked_fill(beside, -torch.inf)
        exact = F.cross_entropy(logits.flatten(0, 1), frames.repeat(len(near)))
        moved = self.sharpness[1].exp() * torch.cat([by_shift(half) for half in halves(near)])
        middle = torch.full((len(moved),), moved.shape[1] // 2, device=moved.device)
        return {"frames": exact, "shifts": F.cross_entropy(moved, middle)}

    def example(self, count: int) -> dict[str, torch.Tensor]:
        steps = STEPS * round(self.config.seconds * sync.FPS)
        rows = 2 * steps + ROWS_BEFORE + ROWS_AFTER
        return {
            "heard": torch.rand(count, rows, features.COUNT),
            "spoken": torch.rand(count, steps, ANSWERS),
        }

    def inputs(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        return (self._seen_and_heard(batch, [("neutral", 1.0)] * len(batch["heard"])),)

    def _seen_and_heard(self, batch: Batch, how: list[tuple[str, float]]) -> torch.Tensor:
        rows, answers = (batch[name].cpu().numpy() for name in ("heard", "spoken"))
        both = [
            sync.together(
                sync.mouth_of_curves(shown(said, *mood)), sync.by_frame(heard[ROWS_BEFORE:])
            )
            for heard, said, mood in zip(rows, answers, how, strict=True)
        ]
        return torch.from_numpy(np.stack(both)).to(batch["heard"].device)

    def dynamic_axes(self) -> dict[str, dict[int, str]]:
        made = {name: {0: "batch", 2: "vectors"} for name in ("output_0", "output_1")}
        return {"image": {0: "batch", 2: "frames"}, **made}

    @torch.inference_mode()
    def predict(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Unit vectors of mouth and sound (N, D, T - 14); see :mod:`mien.evaluate.sync`."""
        return self.eval()(image)


def shown(answers: np.ndarray, style: str = "neutral", intensity: float = 1.0) -> np.ndarray:
    """The curves (T, 52) of a mouth by answers (STEPS T, ANSWERS) of the animator, in a mood."""
    each = answers.reshape(-1, STEPS, ANSWERS)
    touch = each[..., len(animator.DRIVEN) :]
    out = np.zeros((len(each), len(BLENDSHAPES)), np.float32)
    out[:, visemes.COLUMNS] = each[:, 0, : len(animator.DRIVEN)] @ _SIDES
    out = visemes.moody(out.clip(0, 1), style, intensity)
    before = np.concatenate([touch[:1, 0], touch[:-1, -1]])
    lips, teeth = np.maximum(touch.max(1), before).T  # within half a frame
    return visemes.close_lips(visemes.bite_lip(out, teeth), lips)


_SIDES = animator.both_sides(np.eye(len(visemes.MOUTH), dtype=np.float32))


def moods(count: int) -> list[tuple[str, float]]:
    """Styles of faces and their intensities, drawn anew each time; some are neutral."""
    names = list(visemes.STYLES)
    chosen = torch.randint(len(names), (count,)).tolist()
    strength = torch.where(torch.rand(count) < NEUTRAL, 0, torch.rand(count)).tolist()
    return [(names[i], intensity) for i, intensity in zip(chosen, strength, strict=True)]


def spoilt(mouth: torch.Tensor) -> torch.Tensor:
    """Mouths (N, MOUTH, T) of other sizes and manners, as a worse camera has seen them."""
    count, points, _ = mouth.shape
    size = torch.empty(count, 1, 1, device=mouth.device).uniform_(0.5, 1.5)
    uneven = torch.empty(count, points, 1, device=mouth.device).uniform_(0.7, 1.3)
    mixed = torch.einsum("npt,nqp->nqt", mouth, torch.randn(count, points, points,
                         device=mouth.device) * 0.1 / points**0.5)  # fmt: skip
    moved = size * uneven * mouth + mixed
    blur = torch.empty(count, 1, 1, device=mouth.device).uniform_(0, 1)
    slow = F.avg_pool1d(F.pad(moved, (1, 1), mode="replicate"), 3, 1)
    noise = torch.empty(count, 1, 1, device=mouth.device).uniform_(0, 0.12)  # to 0.6 mm
    return torch.lerp(moved, slow, blur) + noise * torch.randn_like(moved)


def halves(near: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The first and the second half (N, T/2, T/2) of clips' similarities (N, T, T)."""
    half = near.shape[1] // 2
    return near[:, :half, :half], near[:, half : 2 * half, half : 2 * half]


def by_shift(near: torch.Tensor) -> torch.Tensor:
    """Mean similarity (N, 2 R + 1) for each shift of the sound, R at most half of the frames."""
    reach = min(sync.REACH, near.shape[1] // 2)
    shifts = range(-reach, reach + 1)
    return torch.stack([near.diagonal(k, 1, 2).mean(1) for k in shifts], 1)
