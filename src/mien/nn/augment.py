"""What is done to batches of pictures on the device that learns from them.

Boxes are x0, y0, x1, y1 in -1..1 of the picture.
"""

from math import tau

import torch
from torch.nn import functional as F

GREY = (0.299, 0.587, 0.114)
YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))


def colour_jitter(image: torch.Tensor, strength: float = 0.1) -> torch.Tensor:
    """Pictures (N, ..., 3, H, W) 0..1 in other colours; all of one n in the same.

    Brightness, contrast and saturation by factors of 1 +- strength, then hue by +- strength of the
    colour circle, turned in YIQ.
    """
    views = image.flatten(1, -4) if image.ndim > 4 else image[:, None]

    def drawn(middle: float) -> torch.Tensor:
        return middle + strength * (2 * torch.rand(len(views), 1, 1, 1, 1).to(views) - 1)

    grey = views.new_tensor(GREY)[:, None, None]
    x = (views * drawn(1)).clamp(0, 1)
    level = (x * grey).sum(2, keepdim=True).mean((3, 4), keepdim=True)
    x = (level + drawn(1) * (x - level)).clamp(0, 1)
    tone = (x * grey).sum(2, keepdim=True)
    x = (tone + drawn(1) * (x - tone)).clamp(0, 1)
    x = torch.einsum("nab,nvbhw->nvahw", _hue(drawn(0).flatten() * tau), x)
    return x.clamp(0, 1).reshape(image.shape)


def _hue(angle: torch.Tensor) -> torch.Tensor:
    """Colour matrices (N, 3, 3) that turn hues by angles (N,) in radians."""
    zero, one = torch.zeros_like(angle), torch.ones_like(angle)
    cos, sin = angle.cos(), angle.sin()
    turn = torch.stack([one, zero, zero, zero, cos, -sin, zero, sin, cos], 1).view(-1, 3, 3)
    to_yiq = angle.new_tensor(YIQ)
    return torch.linalg.inv(to_yiq) @ turn @ to_yiq


def cropped(image: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
    """The parts in ``boxes`` (N, 4) of pictures (N, 3, S, S), stretched to their size."""
    half, middle = (boxes[:, 2:] - boxes[:, :2]) / 2, (boxes[:, 2:] + boxes[:, :2]) / 2
    matrix = torch.cat([torch.diag_embed(half), middle[..., None]], 2)
    grid = F.affine_grid(matrix, list(image.shape), align_corners=False)
    return F.grid_sample(image, grid, padding_mode="border", align_corners=False)


def random_boxes(kept: torch.Tensor) -> torch.Tensor:
    """Random boxes (N, 4), each of which holds the box of ``kept`` (N, 4)."""
    edge = kept.new_tensor((-1.0, -1.0, 1.0, 1.0))
    inside = kept.clamp(-1, 1)
    return edge + torch.rand(kept.shape).to(kept) * (inside - edge)


def boxes_of(landmarks: torch.Tensor, size: int) -> torch.Tensor:
    """Boxes (N, 4) of points (N, n, 2) in pixels; the whole picture where none is known."""
    points = landmarks * (2 / size) - 1
    known = points.isfinite().all(-1, keepdim=True)
    low = points.where(known, torch.inf).amin(1)
    high = points.where(known, -torch.inf).amax(1)
    some = known.any(1)
    return torch.cat([low.where(some, -1.0), high.where(some, 1.0)], 1)


def grown(box: torch.Tensor, margins: tuple[float, float, float, float]) -> torch.Tensor:
    """Boxes (N, 4) with a margin on each side, in shares of their width and height."""
    sides = (box[:, 2:] - box[:, :2]).repeat(1, 2)
    return box + sides * box.new_tensor(margins) * box.new_tensor((-1, -1, 1, 1))


def within(points: torch.Tensor, box: torch.Tensor) -> torch.Tensor:
    """Points (..., 2) of a picture as seen in a part of it (..., 4), all in -1..1."""
    low, high = box[..., :2], box[..., 2:]
    return (2 * points - low - high) / (high - low)
