"""mien's own face detector: boxes and five points at any scale, one small network without anchors.

Every cell of three grids (strides 8, 16, 32) says how well a box would fit there, the distances to
the box's four sides (FCOS, Tian et al. 2019), and where irises, nose tip and mouth corners are.
The score is trained as the overlap that the box will have (generalised focal loss, Li et al. 2020,
equation 2), so that it can be thresholded and ranked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import nn
from torch.nn import functional as F

from mien.nn.residual import conv_norm, residual_stage
from mien.train.system import Batch, Card, Stage, System

STRIDES = (8, 16, 32)
# Which face sizes (pixels, root of the box's area) each grid learns; neighbours overlap.
SIZE_RANGES = ((0.0, 56.0), (40.0, 130.0), (96.0, 1e9))
CENTRE = 0.22  # a cell is positive within this share of the face's size around its centre


@dataclass(frozen=True)
class DetectorConfig:
    """``size``: side of a scene; ``widths``, ``depths``: the backbone; ``head``: channels."""

    size: int = 256
    widths: tuple[int, ...] = (16, 24, 48, 64, 96)
    depths: tuple[int, ...] = (1, 2, 2, 1)
    head: int = 48
    steps: int = 9_000

    @classmethod
    def paper(cls) -> Self:
        return cls()

    @classmethod
    def tiny(cls) -> Self:
        return cls(size=64, widths=(8, 8, 16, 16, 16), depths=(1, 1, 1, 1), head=16, steps=60)


class FaceDetector(System):
    """(N, 3, H, W) RGB 0..1, H and W multiples of 32 -> three maps (N, 15, H / s, W / s).

    The strides s are 8, 16, 32; :func:`decode` says what the 15 channels mean.
    """

    CARD = Card(
        slug="mien-detector",
        title="mien face detector",
        task="detection",
        venue="mien",
        arxiv=None,
        repository=None,
        code_licence="Apache-2.0",
        weights_licence="Apache-2.0",
        weights=("mien-detector",),
    )
    Config = DetectorConfig
    CROP = "the whole picture, padded to multiples of 32"

    def __init__(self, config: DetectorConfig):
        super().__init__(config)
        w = config.widths
        self.stem = conv_norm(3, w[0], 3, 2)
        self.body = nn.ModuleList(
            residual_stage(i, o, d) for i, o, d in zip(w[:-1], w[1:], config.depths, strict=True)
        )
        self.lateral = nn.ModuleList(conv_norm(c, config.head, 1) for c in w[2:])
        self.smooth = nn.ModuleList(conv_norm(config.head, config.head) for _ in STRIDES)
        self.head = nn.ModuleList(conv_norm(config.head, config.head) for _ in range(2))
        self.out = nn.Conv2d(config.head, 1 + 4 + 10, 1)
        nn.init.normal_(self.out.weight, std=0.01)
        bias = torch.zeros(1 + 4 + 10)
        bias[0] = -4.0  # nearly all cells are background
        self.out.bias = nn.Parameter(bias)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        x = torch.relu(self.stem(image * 2 - 1))
        levels = []
        for stage in self.body:
            x = stage(x)
            levels.append(x)
        return tuple(self._head(level) for level in self._pyramid(levels[1:]))

    def _pyramid(self, levels: list[torch.Tensor]) -> list[torch.Tensor]:
        """Feature pyramid (Lin et al. 2017): coarse maps are added into finer ones."""
        maps = [lateral(level) for lateral, level in zip(self.lateral, levels, strict=True)]
        for i in (1, 0):
            maps[i] = maps[i] + F.interpolate(maps[i + 1], scale_factor=2.0, mode="nearest")
        return [torch.relu(smooth(m)) for smooth, m in zip(self.smooth, maps, strict=True)]

    def _head(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.head:
            x = torch.relu(layer(x))
        return self.out(x).float()

    def dynamic_axes(self) -> dict[str, dict[int, str]]:
        axes = {
            f"output_{i}": {0: "batch", 2: f"rows_{i}", 3: f"columns_{i}"}
            for i in range(len(STRIDES))
        }
        return {"image": {0: "batch", 2: "height", 3: "width"}, **axes}

    def stages(self) -> list[Stage]:
        weights = {"score": 1.0, "box": 1.0, "points": 1.0}
        return [
            Stage(
                name="detect", data="face-scenes", losses=weights, steps=self.config.steps,
                batch=16, rate=1.5e-3, weight_decay=0.02,
            )
        ]  # fmt: skip

    def losses(self, batch: Batch) -> dict[str, torch.Tensor]:
        (image,) = self.inputs(batch)
        logits, boxes, points = decode(self(image))
        cells, sizes = _all_cells(image.shape[2], image.shape[3], image.device)
        face, positive = _assign(cells, sizes, batch["boxes"], batch["count"])
        rows = torch.arange(len(image), device=image.device)[:, None].expand_as(face)[positive]
        truth, chosen = batch["boxes"][rows, face[positive]], boxes[positive]
        overlap, generalised = _overlaps(chosen, truth)
        target = torch.zeros_like(logits)
        target[positive] = overlap.detach().clamp(0.02, 1)
        probability = logits.sigmoid()
        count = positive.sum().clamp(min=1)
        focal = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
        size = (truth[:, 2:] - truth[:, :2]).prod(1).sqrt()
        off = (points[positive] - batch["points"][rows, face[positive]]) / size[:, None, None]
        return {
            "score": ((target - probability).detach().abs() ** 2 * focal).sum() / count,
            "box": (1 - generalised).sum() / count,
            "points": 10 * F.smooth_l1_loss(off, torch.zeros_like(off), reduction="sum", beta=0.05)
            / (10 * count),
        }  # fmt: skip

    def example(self, count: int) -> dict[str, torch.Tensor]:
        size = self.config.size
        centre = torch.rand(count, 12, 2) * size * 0.4 + size * 0.3
        half = torch.rand(count, 12, 1) * size * 0.2 + 6
        return {
            "image": torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8),
            "boxes": torch.cat([centre - half, centre + half], -1),
            "points": centre[:, :, None] + torch.randn(count, 12, 5, 2),
            "count": torch.arange(count) % 3,
        }

    def inputs(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        return (batch["image"].float() / 255,)


def decode(maps: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits (N, C), boxes (N, C, 4) and points (N, C, 5, 2) in pixels, of all C cells.

    Channels: the score's logit; the logarithm of the distances to left, top, right and bottom; x
    and y of the five points from the cell's centre; distances in units of four strides. Cells are
    ordered row by row, finest grid first.
    """
    logits, boxes, points = [], [], []
    for raw, stride in zip(maps, STRIDES, strict=True):
        n, _, h, w = raw.shape
        raw = raw.permute(0, 2, 3, 1).reshape(n, h * w, 15)
        centre = _cells(h, w, stride, raw.device)
        reach = 4.0 * stride * torch.exp(raw[..., 1:5].clamp(max=4.0))
        logits.append(raw[..., 0])
        boxes.append(torch.cat([centre - reach[..., :2], centre + reach[..., 2:]], -1))
        points.append(centre[:, None] + 4.0 * stride * raw[..., 5:].reshape(n, h * w, 5, 2))
    return torch.cat(logits, 1), torch.cat(boxes, 1), torch.cat(points, 1)


def _cells(height: int, width: int, stride: int, device: torch.device) -> torch.Tensor:
    """Centres of a grid's cells in pixels, (height * width, 2)."""
    y = (torch.arange(height, device=device) + 0.5) * stride
    x = (torch.arange(width, device=device) + 0.5) * stride
    return torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], -1).reshape(-1, 2).float()


def _all_cells(height: int, width: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Centres (C, 2) of all grids' cells, and the face sizes (C, 2) that each may learn."""
    centres, ranges = [], []
    for stride, span in zip(STRIDES, SIZE_RANGES, strict=True):
        cells = _cells(height // stride, width // stride, stride, device)
        centres.append(cells)
        ranges.append(torch.tensor(span, device=device).expand(len(cells), 2))
    return torch.cat(centres), torch.cat(ranges)


def _assign(
    cells: torch.Tensor, ranges: torch.Tensor, boxes: torch.Tensor, count: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Which face (N, C) each cell learns, and whether it learns one (N, C) bool."""
    centre = (boxes[..., :2] + boxes[..., 2:]) / 2
    size = (boxes[..., 2:] - boxes[..., :2]).clamp(min=1).prod(-1).sqrt()  # (N, M)
    distance = (cells[None, None] - centre[:, :, None]).norm(dim=-1) / size[..., None]  # (N, M, C)
    fits = (size[..., None] >= ranges[:, 0]) & (size[..., None] <= ranges[:, 1])
    real = torch.arange(boxes.shape[1], device=boxes.device) < count[:, None]
    distance = distance.masked_fill(~(fits & real[..., None]), torch.inf)
    nearest = distance <= distance.min(-1, keepdim=True).values  # a tiny face has one cell at least
    near = ((distance < CENTRE) | nearest) & distance.isfinite()
    distance = distance.masked_fill(~near, torch.inf)
    best, face = distance.min(1)
    return face, best.isfinite()


def _overlaps(boxes: torch.Tensor, truth: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """IoU and generalised IoU (Rezatofighi et al. 2019) of (K, 4) boxes, pair by pair."""
    low, high = torch.maximum(boxes[:, :2], truth[:, :2]), torch.minimum(boxes[:, 2:], truth[:, 2:])
    inter = (high - low).clamp(min=0).prod(1)
    union = _area(boxes) + _area(truth) - inter
    low, high = torch.minimum(boxes[:, :2], truth[:, :2]), torch.maximum(boxes[:, 2:], truth[:, 2:])
    hull = (high - low).prod(1)
    overlap = inter / union.clamp(min=1e-6)
    return overlap, overlap - (hull - union) / hull.clamp(min=1e-6)


def _area(boxes: torch.Tensor) -> torch.Tensor:
    return (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(1)
