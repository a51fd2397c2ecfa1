"""Pictures of which a network sees little: a face hidden but for pixels picked on its mesh.

SMIRK (Retsinas et al. 2024), section 3.2: the points are picked on the surface, so that the same
places can be found again when the mesh has moved. Coordinates are -1..1 across the picture.
"""

from typing import NamedTuple

import torch
from torch.nn import functional as F

from mien.nn.heads import on_triangles

DIRECTIONS = 180  # from which a convex hull is looked at
FACING = -0.05  # cosine to the viewer below which a triangle is not seen


class Places(NamedTuple):
    """Points on a mesh: ``triangle`` (N, n) and barycentric ``weights`` (N, n, 3)."""

    triangle: torch.Tensor
    weights: torch.Tensor

    def on(self, placed: torch.Tensor, triangles: torch.Tensor) -> torch.Tensor:
        """Where they are (N, n, 2) on projected vertices (N, V, 3)."""
        return on_triangles(placed, triangles, self.triangle, self.weights)[..., :2]


def pick(
    placed: torch.Tensor, triangles: torch.Tensor, facing: torch.Tensor, importance: torch.Tensor,
    count: int,
) -> Places:  # fmt: skip
    """Draw places, with replacement, evenly over what the viewer sees.

    A triangle's chance is its area in the picture times ``importance`` (T,); placed: projected
    vertices (N, V, 3); facing: (N, V), z of their normals, 1 towards the viewer.
    """
    a, b, c = placed[:, triangles, :2].unbind(2)
    u, v = b - a, c - a
    area = (u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]).abs()
    seen = facing[:, triangles].mean(-1) > FACING
    chance = torch.nan_to_num(area * importance * seen) + 1e-12
    index = torch.multinomial(chance, count, replacement=True)
    first, second = torch.rand(2, *index.shape, device=placed.device)
    root = first.sqrt()
    weights = torch.stack([1 - root, root * (1 - second), root * second], -1)
    return Places(index, weights)


def moved_pixels(image: torch.Tensor, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Pixels of (N, 3, H, W) at points (N, n, 2), put where ``target`` says; 0 elsewhere."""
    height, width = image.shape[2:]
    flat = image.flatten(2)

    def cells(points: torch.Tensor) -> torch.Tensor:
        sides = points.new_tensor((width, height))
        cell = ((points.nan_to_num() + 1) / 2 * sides).floor().long()
        column = cell[..., 0].clamp(0, width - 1)
        return (cell[..., 1].clamp(0, height - 1) * width + column)[:, None].expand(-1, 3, -1)

    values = flat.gather(2, cells(source))
    # Points beyond the picture are not brought to its border.
    inside = (target.abs() < 1).all(-1)[:, None] & (source.abs() < 1).all(-1)[:, None]
    empty = torch.zeros_like(flat)
    return empty.scatter_reduce(2, cells(target), values * inside, "amax").view_as(image)


def hull(points: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """1 inside the convex hull of points (N, n, 2), else 0: (N, 1, H, W).

    As the intersection of half-planes of many directions, right to a pixel. Unknown (NaN) points
    are left out; without any the hull is empty.
    """
    angle = torch.arange(DIRECTIONS, device=points.device) * (2 * torch.pi / DIRECTIONS)
    normals = torch.stack([angle.cos(), angle.sin()])
    reach = torch.nan_to_num(points @ normals, nan=-torch.inf).amax(1)
    y, x = (
        (torch.arange(side, device=points.device) + 0.5) * 2 / side - 1 for side in (height, width)
    )
    inside = points.new_ones((len(points), height, width), dtype=torch.bool)
    for k in range(DIRECTIONS):
        along = x * normals[0, k] + (y * normals[1, k])[:, None]
        inside &= along <= reach[:, k, None, None]
    return inside[:, None].to(points)


def grown(mask: torch.Tensor, radius: int) -> torch.Tensor:
    """A mask (N, 1, H, W) that reaches ``radius`` pixels further, in squares."""
    return F.max_pool2d(mask, 2 * radius + 1, 1, radius)


def masked(
    image: torch.Tensor, hidden: torch.Tensor, shown: torch.Tensor, radius: int, erased: float,
    noise: float = 0.05,
) -> torch.Tensor:  # fmt: skip
    """A picture without what ``hidden`` (N, 1, H, W) covers, but with the pixels ``shown``.

    Those are multiplied by noise about 1, and squares that reach ``radius`` are taken out of them,
    a share ``erased`` of the pixels being their centres. No gradient goes through.
    """
    shown = shown * (1 + noise * torch.randn_like(shown))
    centres = (torch.rand_like(shown[:, :1]) < erased).to(shown)
    shown = shown * (1 - grown(centres, radius))
    return torch.where(shown > 0, shown, image * (1 - hidden)).detach()
