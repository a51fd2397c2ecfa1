"""A network that learns to tell drawn faces from photographs, and what it goes by.

It is small and learns for seconds: what it finds, anybody can see. It learns from training people,
its threshold comes from others, and the numbers are those of people held back. Taught on a *view*
(a part of the face, or a coarse or fine copy) it says how much that view gives away.
"""

from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from mien.evaluate.metrics.verification import roc_auc
from mien.evaluate.statistics import apply_threshold, bootstrap_statistic, choose_threshold
from mien.media.image import write_image

SEEDS, EPOCHS, BATCH, RATE = 3, 4, 64, 3e-3
VIEW_EPOCHS = 3
ROUNDS = 200  # of bootstrap
PATCH = 16  # pixels of what is hidden for the map
SHOWN = 32  # drawn faces over which the map is a mean

View = Callable[[torch.Tensor], torch.Tensor]


class Crops(Protocol):
    """Crops (n, 128, 128, 3) uint8 to learn from, to choose on, and held back."""

    @property
    def train(self) -> np.ndarray: ...
    @property
    def choose(self) -> np.ndarray: ...
    @property
    def test(self) -> np.ndarray: ...


class Judge(nn.Module):
    """Crops (n, 3, 128, 128), 0..1 -> logits (n,) that they are drawn."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 16, 32, 64, 64)
        self.body = nn.Sequential(*(
            nn.Sequential(
                nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
            )
            for inputs, outputs in pairwise(widths)
        ))  # fmt: skip
        self.head = nn.Linear(widths[-1], 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(4 * x - 2).mean((2, 3)))[:, 0]


def measure(
    photos: Crops, drawn: Crops, parts: Mapping[str, np.ndarray], pictures: Path | None = None
) -> dict[str, Any]:
    """How well drawn faces are told from photographs, whole and by view.

    parts: masks (128, 128). pictures: folder for ``map.png``, what the judge goes by on drawn
    faces, and ``faces.png``, drawn faces above photographs.
    """
    judges = [teach(photos, drawn, whole, seed) for seed in range(SEEDS)]
    result: dict[str, Any] = {
        "learned_from": [len(photos.train), len(drawn.train)],
        "whole": told(judges, photos, drawn, whole),
        "views": {
            name: told([teach(photos, drawn, view, 0, VIEW_EPOCHS)], photos, drawn, view)
            for name, view in views(parts).items()
        },
    }
    hidden = occlusion(judges, drawn.test[:SHOWN])
    result["map"] = hidden
    if pictures is not None:
        pictures.mkdir(parents=True, exist_ok=True)
        write_image(pictures / "map.png", heat(drawn.test[:SHOWN].mean(0), hidden))
        write_image(pictures / "faces.png", np.vstack([_rows(drawn.test), _rows(photos.test)]))
    return result


def whole(x: torch.Tensor) -> torch.Tensor:
    """All there is."""
    return x


def views(parts: Mapping[str, np.ndarray]) -> dict[str, View]:
    """What judges see, of (n, 3, h, w): without colour, without detail, detail only, one part."""
    return {"grey": _grey, "coarse": _coarse, "detail": lambda x: (x - _coarse(x)) + 0.5} | {
        name: _only(mask) for name, mask in parts.items()
    }


def _grey(x: torch.Tensor) -> torch.Tensor:
    weights = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
    return (x * weights).sum(1, keepdim=True).expand_as(x)


def _coarse(x: torch.Tensor) -> torch.Tensor:
    """Without what is finer than 8 pixels."""
    small = F.avg_pool2d(x, 8)
    return F.interpolate(small, x.shape[2:], mode="bilinear", align_corners=False)


def _only(mask: np.ndarray) -> View:
    shown = torch.from_numpy(mask.astype(np.float32))
    return lambda x: 0.5 + (x - 0.5) * shown


def teach(photos: Crops, drawn: Crops, view: View, seed: int, epochs: int = EPOCHS) -> Judge:
    """A judge that has learned from the training crops, mirrored at random and shifted."""
    images = _tensor(np.concatenate([photos.train, drawn.train]))
    labels = torch.cat([torch.zeros(len(photos.train)), torch.ones(len(drawn.train))])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        judge = Judge()
        steps = epochs * (-(-len(images) // BATCH))
        optimiser = torch.optim.AdamW(judge.parameters(), RATE, weight_decay=0.05)
        rates = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
        for _ in range(epochs):
            for chosen in torch.randperm(len(images)).split(BATCH):
                logits = judge(view(_varied(images[chosen].float() / 255)))
                loss = F.binary_cross_entropy_with_logits(logits, labels[chosen])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                rates.step()
    return judge.eval()


def _varied(x: torch.Tensor) -> torch.Tensor:
    """Mirrored or not, and moved by up to two pixels: a batch alike, batches differently."""
    if torch.rand(()) < 0.5:
        x = x.flip(3)
    down, right = torch.randint(-2, 3, (2,)).tolist()
    return x.roll((down, right), (2, 3))


def scores(judge: Judge, crops: np.ndarray, view: View = whole) -> np.ndarray:
    """Logits (n,) that crops (n, 128, 128, 3) are drawn."""
    with torch.inference_mode():
        out = [judge(view(part.float() / 255)) for part in _tensor(crops).split(BATCH)]
    return torch.cat(out).numpy().astype(np.float64)


def told(judges: list[Judge], photos: Crops, drawn: Crops, view: View) -> dict[str, Any]:
    """AUC and accuracy, means over judges with the 95 % interval over held-back crops."""
    labels = np.repeat([0, 1], [len(photos.test), len(drawn.test)])
    values, right = [], []
    for judge in judges:
        chosen = [scores(judge, kind.choose, view) for kind in (photos, drawn)]
        known = np.repeat([0, 1], list(map(len, chosen)))
        threshold = choose_threshold(np.concatenate(chosen), known, "accuracy")
        score = np.concatenate([scores(judge, kind.test, view) for kind in (photos, drawn)])
        values.append(score)
        right.append(apply_threshold(threshold, score, labels) == labels)
    columns, correct = np.stack(values, 1), np.stack(right, 1)
    auc = bootstrap_statistic(_mean_auc, columns, labels, rounds=ROUNDS)
    accuracy = bootstrap_statistic(lambda rows: float(rows.mean()), correct, rounds=ROUNDS)
    return {
        "auc": list(auc),
        "auc_by_seed": [roc_auc(column, labels) for column in columns.T],
        "accuracy": list(accuracy),
    }


def _mean_auc(columns: np.ndarray, labels: np.ndarray) -> float:
    return float(np.mean([roc_auc(column, labels) for column in columns.T]))


def occlusion(judges: list[Judge], crops: np.ndarray) -> np.ndarray:
    """By how much (8, 8) the logit falls when a square becomes the mean of its surroundings."""
    before = np.mean([scores(judge, crops) for judge in judges], 0)
    side = crops.shape[1] // PATCH
    falls = np.zeros((side, side))
    blurred = np.stack([cv2.blur(image, (3 * PATCH, 3 * PATCH)) for image in crops])
    for row in range(side):
        for column in range(side):
            place = np.s_[:, row * PATCH : (row + 1) * PATCH, column * PATCH : (column + 1) * PATCH]
            hidden = crops.copy()
            hidden[place] = blurred[place]
            after = np.mean([scores(judge, hidden) for judge in judges], 0)
            falls[row, column] = (before - after).mean()
    return falls


def heat(image: np.ndarray, values: np.ndarray) -> np.ndarray:
    """A picture (512, 512, 3) uint8 with the map over it: red gives away, blue speaks for it."""
    grey = cv2.resize(image.mean(2).astype(np.float32), (512, 512))[..., None].repeat(3, 2) / 2
    share = values / max(np.abs(values).max(), 1e-6)
    share = cv2.resize(share.astype(np.float32), (512, 512), interpolation=cv2.INTER_LINEAR)
    colour = np.stack([share.clip(0), np.zeros_like(share), (-share).clip(0)], -1)
    return (grey + 127 * colour).clip(0, 255).astype(np.uint8)


def _rows(crops: np.ndarray, rows: int = 3, columns: int = 8) -> np.ndarray:
    chosen = np.resize(np.arange(len(crops)), rows * columns).reshape(rows, columns)
    return np.vstack([np.hstack(list(crops[row])) for row in chosen])


def _tensor(crops: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(crops.transpose(0, 3, 1, 2)))
