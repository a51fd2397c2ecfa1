"""From any annotation of UniTalker to the 52 curves that mien moves faces by.

Curves of other orders are sorted. Points and vertices become the curves that move the same points
of mien's head alike, by least squares within 0..1. Meshes that mien may not ship need to be placed
on that head by whoever has them: FLAME by the folder that $MIEN_FLAME names (docs/systems/smirk.md
lists its files), others by ``NAME.npz`` in the folder that $MIEN_MESHES names.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from mien.errors import InputError, UsageError
from mien.face import BLENDSHAPES, LANDMARKS
from mien.head.flame import Flame
from mien.head.model import HeadModel
from mien.head.transfer import bounded, similarity
from mien.media.files import check_readable
from mien.systems.animate.unitalker import ANNOTATIONS, width
from mien.systems.golden import BROKEN
from mien.train.spoken import LIPS

PENALTY = 0.1
"""What a curve at 1 costs: as much as this many mm of error at every point."""

POINTS_OF = {"mien_points": np.arange(LANDMARKS), "mien_lips": LIPS}
METRE = 1000.0  # mm
FLAME_FILES = "generic_model.pkl", "mediapipe_landmark_embedding.npz"
BETAS, SHAPES, JAW = 400, 300, slice(400, 403)  # of DAD-3DHeads' parameters


@dataclass(frozen=True, eq=False)
class Placed:
    """A mesh on mien's head.

    landmarks: (n,), some of the 478, that the mesh has; 8 or more. vertices: (n, k) of its
    vertices and weights: (n, k), whose mean each landmark is. neutral: (V, 3), at rest.
    """

    landmarks: np.ndarray
    vertices: np.ndarray
    weights: np.ndarray
    neutral: np.ndarray

    def __post_init__(self) -> None:
        """Raise ValueError where the shapes do not fit."""
        count = len(self.neutral)
        if self.neutral.shape != (count, 3) or self.vertices.shape != self.weights.shape:
            raise ValueError("neutral is (V, 3), vertices and weights are of one shape")
        if len(self.landmarks) != len(self.vertices) or len(self.landmarks) < 8:
            raise ValueError(f"{len(self.landmarks)} landmarks at {len(self.vertices)} places")
        for index, most in ((self.landmarks, LANDMARKS), (self.vertices, count)):
            if index.min() < 0 or index.max() >= most:
                raise ValueError(f"an index beyond {most - 1}")

    @classmethod
    def load(cls, path: Path) -> Self:
        """From a file of arrays ``landmarks`` (n,), ``vertices`` (n,) and ``neutral`` (V, 3).

        Raises InputError where it is not one.
        """
        check_readable(path)
        try:
            with np.load(path, allow_pickle=False) as arrays:
                at = arrays["vertices"].astype(np.int64).reshape(-1, 1)
                neutral = arrays["neutral"].astype(np.float64).reshape(-1, 3)
                return cls(arrays["landmarks"].astype(np.int64), at, np.ones(at.shape), neutral)
        except (KeyError, IndexError, *BROKEN) as error:
            raise InputError(f"{path}: no mesh placed on mien's head: {error}") from error

    @classmethod
    def flame(cls, folder: Path) -> tuple[Self, Flame]:
        """FLAME in m, from the user's own files; InputError names one that is missing or broken."""
        for name in FLAME_FILES:
            if not (folder / name).is_file():
                raise InputError(f"{folder}: no {name}, which is needed to read FLAME's motion")
        flame = Flame.load(folder / FLAME_FILES[0])
        path = folder / FLAME_FILES[1]
        try:
            with np.load(path, allow_pickle=False) as arrays:
                corners = flame.triangles[arrays["lmk_face_idx"].astype(np.int64)]
                return cls(
                    arrays["landmark_indices"].astype(np.int64), corners,
                    arrays["lmk_b_coords"].astype(np.float64), flame.template / METRE,
                ), flame  # fmt: skip
        except (KeyError, IndexError, *BROKEN) as error:
            raise InputError(f"{path}: no landmarks of FLAME: {error}") from error

    def curves(self, offsets: np.ndarray) -> np.ndarray:
        """The curves (T, 52) of motion (T, V, 3) from ``neutral``, in its unit and axes."""
        mean = HeadModel.bundled().landmark_basis()[0][self.landmarks].astype(np.float64)
        turn, scale, _ = similarity(self._at(self.neutral), mean)
        moved = np.stack([self._at(frame) for frame in offsets]) if len(offsets) else offsets
        return fitted(self.landmarks, scale * moved @ turn.T)

    def _at(self, x: np.ndarray) -> np.ndarray:
        """The landmarks (n, 3) on vertices (V, 3)."""
        return np.einsum("nkc,nk->nc", x[self.vertices], self.weights)


def to_curves(name: str, motion: np.ndarray) -> np.ndarray:
    """The 52 curves (T, 52) float32, 0..1, of motion (T, D) in an annotation of UniTalker.

    Raises UsageError for an annotation that needs a mesh which is not there, InputError for motion
    of another width or a file that is broken.
    """
    if name not in ANNOTATIONS:
        raise UsageError(f"no annotation {name!r}; there are: {', '.join(ANNOTATIONS)}")
    motion = np.asarray(motion)
    if motion.ndim != 2 or motion.shape[1] != width(name):
        raise InputError(f"motion {motion.shape}, but {name!r} has {width(name)} numbers a frame")
    order = ANNOTATIONS[name].curves
    if order:
        return _sorted(order, motion)
    if name in POINTS_OF:
        points = POINTS_OF[name]
        return fitted(points, motion.reshape(len(motion), len(points), 3))
    return _of_mesh(name, motion)


def needs(name: str) -> str | None:
    """What is missing before an annotation can become curves; None where nothing is."""
    if ANNOTATIONS[name].curves or name in POINTS_OF:
        return None
    if name in ("flame", "vocaset") and os.environ.get("MIEN_FLAME"):
        return None
    if name != "flame" and _mesh_file(name) is not None:
        return None
    if name == "flame":
        return "FLAME, which mien may not bring: name the folder of your own by $MIEN_FLAME"
    return (
        f"where the mesh of {name!r} has landmarks: put {name}.npz (landmarks, vertices, neutral) "
        "into a folder and name that by $MIEN_MESHES"
    )


def fitted(landmarks: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """The curves (T, 52), 0..1, that move landmarks (n,) of the 478 most nearly as (T, n, 3) mm."""
    basis = HeadModel.bundled().landmark_basis()[2][: len(BLENDSHAPES), landmarks]
    rows = basis.reshape(len(BLENDSHAPES), -1).astype(np.float64)
    normal = rows @ rows.T + PENALTY**2 * len(landmarks) * np.eye(len(rows))
    right = moved.reshape(len(moved), rows.shape[1]).astype(np.float64) @ rows.T
    return bounded(normal, right, 0.0, 1.0).astype(np.float32)


def _sorted(order: tuple[str, ...], motion: np.ndarray) -> np.ndarray:
    out = np.zeros((len(motion), len(BLENDSHAPES)), np.float32)
    out[:, [BLENDSHAPES.index(name) for name in order]] = motion
    return out.clip(0, 1)


def _of_mesh(name: str, motion: np.ndarray) -> np.ndarray:
    missing = needs(name)
    if missing is not None:
        raise UsageError(f"the motion of {name!r} needs {missing}")
    if name == "flame":
        placed, flame = Placed.flame(Path(os.environ["MIEN_FLAME"]))
        return placed.curves(_posed(flame, motion))
    file = _mesh_file(name)
    placed = Placed.flame(Path(os.environ["MIEN_FLAME"]))[0] if file is None else Placed.load(file)
    if len(placed.neutral) * 3 != motion.shape[1]:
        raise InputError(f"{file}: {len(placed.neutral)} vertices, not {motion.shape[1] // 3}")
    return placed.curves(motion.reshape(len(motion), -1, 3))


def _posed(flame: Flame, motion: np.ndarray) -> np.ndarray:
    """Offsets (T, V, 3) in m of DAD-3DHeads' parameters: expression and jaw, of a mean face."""
    expression = motion[:, SHAPES:BETAS][:, : len(flame.expression)]
    moved = [flame.vertices(expression=e, jaw=j) for e, j in zip(expression, motion[:, JAW],
                                                                strict=True)]  # fmt: skip
    return (np.reshape(moved, (-1, len(flame.template), 3)) - flame.template) / METRE


def _mesh_file(name: str) -> Path | None:
    folder = os.environ.get("MIEN_MESHES")
    file = Path(folder or "") / f"{name}.npz"
    return file if folder and file.is_file() else None
