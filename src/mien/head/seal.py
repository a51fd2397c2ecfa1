"""Seals: linear maps that bring two facing margins of skin, lips or lids, together.

A seal reads the gap between an upper and a lower margin and says how the skin around has to move
so that the gap is gone. It is linear in the vertices, so it can be applied to a mean shape, to each
field of a basis, or to an animated head, with the same result.
"""

from dataclasses import dataclass

import numpy as np

from mien.head.surface import Paths
from mien.head.texture import smoothstep


@dataclass(slots=True)
class Seal:
    """Two margins and the skin that has to move to bring them together.

    vertices: (n,) int, the skin that moves, the margins among it.
    margin: (k,) int, the vertices of the upper, then of the lower margin.
    gap: (m, k), ``gap @ x[margin]`` is the way from the upper margin to the lower one, (m, 3), at
        m places between the corners.
    moved: (n, m), how far the skin moves for a unit of the gap at each place.
    carried: (n, m), how far the skin moves when the closed margins move there, both together.
    """

    vertices: np.ndarray
    margin: np.ndarray
    gap: np.ndarray
    moved: np.ndarray
    carried: np.ndarray

    def gaps(self, x: np.ndarray) -> np.ndarray:
        """The gap (..., m, 3) of vertices ``x`` (..., V, 3)."""
        return self.gap @ x[..., self.margin, :]

    def displacement(self, x: np.ndarray) -> np.ndarray:
        """Displacement (..., V, 3) that closes the gap in vertices ``x`` (..., V, 3)."""
        out = np.zeros_like(x)
        out[..., self.vertices, :] = self.moved @ self.gaps(x)
        return out


def seal(
    closed: np.ndarray,
    upper: np.ndarray,
    lower: np.ndarray,
    paths: Paths,
    reach: float,
    share: float,
) -> Seal:
    """The seal between two margins.

    Args:
        closed: (V, 3) mm, the shape in which points of the margins that are to meet are nearest.
        upper, lower: vertices of the margins, both from the same corner to the other.
        paths: distances along the skin.
        reach: mm from the margin over which the skin's displacement fades out.
        share: the part of the gap, 0..1, that the upper margin moves; the lower one moves the rest.
    """
    positions = [_positions(closed, line, upper) for line in (upper, lower)]
    knots = positions[0][1:-1]
    gap = np.zeros((len(knots), len(upper) + len(lower)))
    gap[:, : len(upper)] = -_interpolation(knots, positions[0])
    gap[:, len(upper) :] = _interpolation(knots, positions[1])

    distances = [paths.distances(line, reach)[0] for line in (upper, lower)]
    sides = np.where(distances[0] <= distances[1], 0, 1)
    vertices = np.flatnonzero(np.isfinite(np.minimum(*distances)))
    carried = np.zeros((len(vertices), len(knots)))
    parts = np.zeros(len(vertices))
    for side, (line, part) in enumerate(zip((upper, lower), (share, share - 1), strict=True)):
        mine = sides[vertices] == side
        skin = vertices[mine]
        position = _smooth_positions(closed, skin, line, positions[side])
        fade = smoothstep(1 - distances[side][skin] / reach)
        carried[mine] = fade[:, None] * _interpolation(position, knots, ends=True)
        parts[mine] = part
    margin = np.concatenate([upper, lower])
    moved = parts[:, None] * carried
    # Between vertices the lines do not meet exactly; this makes them meet where it is measured.
    left = -gap @ moved[np.searchsorted(vertices, margin)]
    return Seal(vertices, margin, gap, moved @ np.linalg.inv(left), carried)


def _positions(closed: np.ndarray, line: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """Where a margin's vertices lie from corner (0) to corner (1), strictly growing."""
    start, stop = closed[upper[0]], closed[upper[-1]]
    along = (closed[line] - start) @ (stop - start) / ((stop - start) ** 2).sum()
    along = np.maximum.accumulate(along.clip(0, 1))
    along[-1] = 1.0
    along += np.linspace(0, 1e-6, len(along))
    return along / along[-1]


def _smooth_positions(
    closed: np.ndarray,
    skin: np.ndarray,
    line: np.ndarray,
    positions: np.ndarray,
    width: float = 1.0,
) -> np.ndarray:
    """The positions of skin vertices: those of the margin, averaged over its nearest vertices."""
    squared = ((closed[skin][:, None] - closed[line]) ** 2).sum(2)
    weights = np.exp((squared.min(1, keepdims=True) - squared) / (2 * width**2))
    average = weights @ positions / weights.sum(1)
    on_margin = {int(vertex): position for vertex, position in zip(line, positions, strict=True)}
    return np.array([on_margin.get(int(v), a) for v, a in zip(skin, average, strict=True)])


def _interpolation(at: np.ndarray, knots: np.ndarray, ends: bool = False) -> np.ndarray:
    """The matrix (len(at), len(knots)) of interpolation; ``ends``: values fall to 0 at 0, 1."""
    if ends:
        padded = np.concatenate([[0.0], knots, [1.0]])
        return _interpolation(at, padded)[:, 1:-1]
    return np.stack([np.interp(at, knots, unit) for unit in np.eye(len(knots))], 1)
