"""Hair that follows anybody's head, strand by strand."""

import numpy as np
from numba import float32, njit

from mien.head.model import HeadModel, rotations
from mien.world.hair.ribbons import Hair


def follow(
    hair: Hair, vertices: np.ndarray, pose: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices, tangents and normals (n, 3) float32 of hair on a head.

    Args:
        vertices: (V, 3) mm of a head that is not turned: ``HeadModel.neutral(identity)`` for hair,
            ``HeadModel.vertices(identity, expression)`` for beards.
        pose: (3,) degrees as of ``HeadModel.animate``.
    """
    model = HeadModel.bundled()
    moved = np.asarray(vertices, np.float32) - model.template
    turn = np.eye(3, dtype=np.float32)
    if pose is not None:
        turn = rotations(*np.asarray(pose, np.float32)).astype(np.float32)
    out = np.empty_like(hair.vertices), np.empty_like(hair.tangents), np.empty_like(hair.normals)
    _carry(
        hair.vertices, hair.tangents, hair.normals, hair.corners, hair.weights, hair.points, moved,
        model.neck_weights, np.asarray(model.neck_pivot, np.float32), turn, pose is not None, *out,
    )  # fmt: skip
    return out


@njit(cache=True, nogil=True)
def _carry(
    vertices, tangents, normals, corners, weights, points, moved, neck, pivot, turn, turned,
    out, out_tangents, out_normals,
):  # fmt: skip
    """Strand by strand: how far the skin below each point has moved, and how far the neck bends it.

    Both are evened out along the strand. What the two sides of a ribbon share is worked out once.
    """
    shift, even = np.empty((points, 3), np.float32), np.empty((points, 3), np.float32)
    bend, evened = np.empty((points, 1), np.float32), np.empty((points, 1), np.float32)
    for first in range(0, len(vertices), 2 * points):
        for p in range(points):
            i = first + 2 * p
            shift[p], bend[p] = 0, 0
            for corner in range(3):
                vertex, weight = corners[i, corner], weights[i, corner]
                for k in range(3):
                    shift[p, k] += weight * moved[vertex, k]
                bend[p, 0] += weight * neck[vertex]
        _smooth(shift, even)
        _smooth(bend, evened)
        _smooth(evened, bend)
        for p in range(points):
            i, share = first + 2 * p, bend[p, 0]
            for side in (i, i + 1):
                for k in range(3):
                    out[side, k] = vertices[side, k] + even[p, k]
            out_tangents[i], out_normals[i] = tangents[i], normals[i]
            if turned:
                _turn(out[i], pivot, turn, share)
                _turn(out[i + 1], pivot, turn, share)
                _turn_unit(out_tangents[i], turn, share)
                _turn_unit(out_normals[i], turn, share)
            out_tangents[i + 1], out_normals[i + 1] = out_tangents[i], out_normals[i]


@njit(cache=True, nogil=True)
def _smooth(along, out):
    """Values (p, k) of a strand, evened out along it; those of root and tip stay."""
    last = len(along) - 1
    for k in range(along.shape[1]):
        out[0, k], out[last, k] = along[0, k], along[last, k]
        for p in range(1, last):
            around = along[p - 1, k] + float32(2) * along[p, k] + along[p + 1, k]
            out[p, k] = around * float32(0.25)


@njit(cache=True, nogil=True)
def _turn(place, pivot, turn, share):
    """A share of the way to where a turn about a pivot brings a place, in place."""
    x, y, z = place[0] - pivot[0], place[1] - pivot[1], place[2] - pivot[2]
    for k in range(3):
        arm = place[k] - pivot[k]
        place[k] += share * (turn[k, 0] * x + turn[k, 1] * y + turn[k, 2] * z - arm)


@njit(cache=True, nogil=True)
def _turn_unit(vector, turn, share):
    """The same for a direction, which stays of length 1."""
    x, y, z = vector[0], vector[1], vector[2]
    squared = float32(0)
    for k in range(3):
        vector[k] += share * (turn[k, 0] * x + turn[k, 1] * y + turn[k, 2] * z - vector[k])
        squared += vector[k] * vector[k]
    vector *= float32(1) / np.sqrt(max(squared, float32(1e-18)))
