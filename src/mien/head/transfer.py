"""Expression codes from one head to another, whatever their meshes and bases.

Two heads are put into correspondence by landmarks that both have and by the nearest places of their
neutral surfaces. An expression of the one is then the expression of the other that moves the same
places alike, found by bounded ridge regression; regions that say more about an expression (lids,
lips, brows) count more.
"""

from dataclasses import dataclass

import numpy as np

from mien.head.correspond import spread
from mien.head.model import REGIONS, HeadModel
from mien.head.surface import closest_points, normals

FARTHEST = 15.0  # mm between places that still count as the same
WEIGHTS = {"right_brow": 3.0, "left_brow": 3.0, "right_eye": 0.0, "left_eye": 0.0, "upper_lip": 4.0,
           "lower_lip": 4.0, "inner_mouth": 0.0, "hair": 0.0, "right_ear": 0.0, "left_ear": 0.0,
           "neck": 0.0, "cloth": 0.0}  # fmt: skip
"""What a region counts in a transfer; 1 where it is not named."""
LID_WEIGHT = 3.0


@dataclass(slots=True)
class Expressive:
    """What of a head a transfer needs.

    neutral: (V, 3) mm, in the axes of ``mien.head``. triangles: (T, 3).
    fields: (E, V, 3) mm, displacement for a value of 1.
    lowest, highest: (E,) or numbers, the values that an expression may have.
    """

    neutral: np.ndarray
    triangles: np.ndarray
    fields: np.ndarray
    lowest: np.ndarray | float = -3.0
    highest: np.ndarray | float = 3.0


def expressive(model: HeadModel, identity: np.ndarray | None = None) -> Expressive:
    """mien's head, with an identity, for a transfer; its 52 ARKit expressions are 0..1."""
    return Expressive(
        neutral=model.neutral(identity).astype(np.float64),
        triangles=model.triangles[~model.triangles_of("inner_mouth", "left_eye", "right_eye")],
        fields=model.expression[:52].astype(np.float64),
        lowest=0.0,
        highest=1.0,
    )


class Transfer:
    """The way from codes of mien's head to codes of another, and back."""

    def __init__(
        self,
        model: HeadModel,
        other: Expressive,
        landmarks: np.ndarray,
        points: np.ndarray,
        ridge: float = 0.01,
    ) -> None:
        """Find the correspondence.

        Args:
            model: mien's head.
            other: the other head.
            landmarks: (n,) indices of MediaPipe's 478 points, 8 or more, spread over the face.
            points: (n, 3) mm, where the other head has them.
            ridge: what a value of 1 costs: as much as this many mm of error at every place.

        Raises ValueError when the shapes do not match.
        """
        landmarks, points = np.asarray(landmarks), np.asarray(points, np.float64)
        if points.shape != (len(landmarks), 3) or len(landmarks) < 8:
            raise ValueError(
                f"{len(landmarks)} landmarks and points {points.shape}: need 8 or more"
            )
        self._mine, self._other = expressive(model), other
        weights = _weights(model)
        vertices = np.flatnonzero(weights > 0)
        start = self._mine.neutral[vertices]
        mine = model.landmarks(self._mine.neutral)[landmarks]
        turn, scale, shift = similarity(mine, points)
        moved = scale * start @ turn.T + shift
        warped = (
            moved
            + spread(
                np.vstack([scale * mine @ turn.T + shift, moved]),
                np.arange(len(mine)),
                points - (scale * mine @ turn.T + shift),
            )[len(mine) :]
        )
        facing = normals(self._mine.neutral, self._mine.triangles)[vertices] @ turn.T
        found, at, distance = closest_points(warped, other.neutral, other.triangles, facing)
        near = distance < FARTHEST
        corners = other.triangles[found[near]]
        theirs = np.einsum("nk,enkc->enc", at[near], other.fields[:, corners])
        self._weights = np.sqrt(weights[vertices[near]] / weights[vertices[near]].mean())
        # Displacements of the other head, brought to the size and direction of mien's.
        self._theirs = self._rows(theirs @ turn / scale)
        self._ours = self._rows(self._mine.fields[:, vertices[near]])
        self._ridge = ridge**2 * int(near.sum())

    def _rows(self, fields: np.ndarray) -> np.ndarray:
        """(E, 3 n) weighted displacements."""
        return (fields * self._weights[:, None]).reshape(len(fields), -1)

    def to_other(self, weights: np.ndarray) -> np.ndarray:
        """Codes of the other head (..., E) for ARKit weights (..., 52)."""
        other = self._other
        return self._solve(weights, self._ours, self._theirs, other.lowest, other.highest)

    def from_other(self, code: np.ndarray) -> np.ndarray:
        """ARKit weights (..., 52), 0..1, for codes of the other head (..., E)."""
        return self._solve(code, self._theirs, self._ours, 0.0, 1.0)

    def _solve(
        self,
        code: np.ndarray,
        source: np.ndarray,
        target: np.ndarray,
        lowest: np.ndarray | float,
        highest: np.ndarray | float,
    ) -> np.ndarray:
        code = np.asarray(code, np.float64)
        if code.shape[-1] != len(source):
            raise ValueError(f"a code has {len(source)} values, not {code.shape[-1]}")
        normal = target @ target.T + self._ridge * np.eye(len(target))
        flat = code.reshape(-1, len(source)) @ (source @ target.T)
        solved = bounded(normal, flat, lowest, highest)
        return solved.reshape(*code.shape[:-1], len(target))


def bounded(
    normal: np.ndarray,
    right: np.ndarray,
    lowest: np.ndarray | float,
    highest: np.ndarray | float,
    sweeps: int = 200,
) -> np.ndarray:
    """Minimise ``x N x / 2 - right x`` within bounds, for each row of ``right``.

    Coordinate descent, which converges for a positive definite N.
    """
    count = len(normal)
    low, high = np.broadcast_to(lowest, count), np.broadcast_to(highest, count)
    x = np.zeros_like(right)
    slope = -right
    for _ in range(sweeps):
        largest = 0.0
        for i in range(count):
            new = np.clip(x[:, i] - slope[:, i] / normal[i, i], low[i], high[i])
            step = new - x[:, i]
            x[:, i] = new
            slope += step[:, None] * normal[i]
            largest = max(largest, float(np.abs(step).max(initial=0)))
        if largest < 1e-5:
            break
    return x


def _weights(model: HeadModel) -> np.ndarray:
    """What each vertex (V,) counts: the greatest of its triangles, times the area around it."""
    per_region = np.array([WEIGHTS.get(name, 1.0) for name in REGIONS])
    weights = np.full(len(model.template), np.inf)
    np.minimum.at(weights, model.triangles.ravel(), np.repeat(per_region[model.region], 3))
    margin = model.lids.margin.ravel()
    weights[margin] = np.where(weights[margin] > 0, LID_WEIGHT, 0)
    return np.where(np.isfinite(weights), weights, 0)


def similarity(source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
    """Rotation, scale and shift of ``scale * R @ source + shift`` (Umeyama 1991)."""
    a, b = source - source.mean(0), target - target.mean(0)
    u, singular, vt = np.linalg.svd(b.T @ a)
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    turn = (u * sign) @ vt
    scale = float((singular * sign).sum() / (a**2).sum())
    return turn, scale, target.mean(0) - scale * turn @ source.mean(0)
