"""FLAME (Li et al. 2017), from the user's own file: identity, expression, jaw, eyes, neck, lids.

mien ships nothing of FLAME. The vertices follow the published layer, in millimetres; the axes are
mien's (x to the person's left, y up, z forwards).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from mien.errors import InputError, MienError
from mien.head import unpickle

ROOT, NECK, JAW, LEFT_EYE, RIGHT_EYE = range(5)
SHAPES = 300  # of the 400 columns of a file's shapedirs; expressions follow
MISSING = """{path}: no such file. FLAME comes from https://flame.is.tue.mpg.de after \
registration: FLAME 2023 Open under CC-BY-4.0, FLAME 2020 and 2023 for non-commercial research \
only. mien reads generic_model.pkl, flame2023.pkl or flame2023_Open.pkl."""


def skin(
    rest: np.ndarray,
    joints: np.ndarray,
    rotations: np.ndarray,
    parents: np.ndarray,
    weights: np.ndarray,
) -> np.ndarray:
    """Linear blend skinning.

    Args:
        rest: (..., V, 3). joints: (..., J, 3), where they are at rest.
        rotations: (..., J, 3, 3), each relative to its parent. parents: (J,), the first is a root.
        weights: (V, J), rows sum to 1.

    Returns:
        (..., V, 3) posed vertices.
    """
    turns, shifts = [rotations[..., 0, :, :]], [joints[..., 0, :]]
    for joint in range(1, len(parents)):
        parent = int(parents[joint])
        arm = joints[..., joint, :] - joints[..., parent, :]
        turns.append(turns[parent] @ rotations[..., joint, :, :])
        shifts.append(shifts[parent] + (turns[parent] @ arm[..., None])[..., 0])
    turn, shift = np.stack(turns, -3), np.stack(shifts, -2)
    shift = shift - (turn @ joints[..., None])[..., 0]
    blended = np.einsum("vj,...jab->...vab", weights, turn)
    return (blended @ rest[..., None])[..., 0] + weights @ shift


def rotations_from_vectors(vectors: np.ndarray) -> np.ndarray:
    """Rotations (..., 3, 3) from axis-angle vectors (..., 3) in radians (Rodrigues).

    As in the published layer, 1e-8 is added before the norm is taken.
    """
    angle = np.linalg.norm(vectors + 1e-8, axis=-1, keepdims=True)
    x, y, z = np.moveaxis(vectors / angle, -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*x.shape, 3, 3)
    angle = angle[..., None]
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * (cross @ cross)


@dataclass(slots=True, eq=False)
class Flame:
    """A FLAME head.

    template: (V, 3) mm. triangles: (T, 3).
    shape: (300, V, 3) mm and expression: (E, V, 3) mm, for one standard deviation each.
    pose_correction: (36, V, 3) mm, for the nine entries each of the rotations of neck, jaw and eyes
        less the identity.
    joint_regressor: (5, V): root, neck, jaw, left eye, right eye. parents: (5,).
    weights: (V, 5). eyelids: (2, V, 3) mm, left and right, added last; zero unless given.
    """

    template: np.ndarray
    triangles: np.ndarray
    shape: np.ndarray
    expression: np.ndarray
    pose_correction: np.ndarray
    joint_regressor: np.ndarray
    parents: np.ndarray
    weights: np.ndarray
    eyelids: np.ndarray

    @classmethod
    def load(cls, path: str | Path, eyelids: tuple[str | Path, str | Path] | None = None) -> Self:
        """Read a FLAME 2020 or 2023 pickle, without running it (``mien.head.unpickle``).

        eyelids: SMIRK's ``l_eyelid.npy`` and ``r_eyelid.npy``, two fields that close the lids.

        Raises MienError when the file is missing (it says where to get it), InputError when it is
        not a FLAME model.
        """
        if not Path(path).exists():
            raise MienError(MISSING.format(path=path))
        try:
            arrays = unpickle.load(path)
            if eyelids is not None:
                arrays["eyelids"] = np.stack([_field(lid) for lid in eyelids])
            return cls.from_arrays(arrays)
        except (KeyError, ValueError, IndexError, TypeError) as error:
            raise InputError(f"{path}: not a FLAME model: {error!r}") from error

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any], unit: float = 1000.0) -> Self:
        """From the arrays of a file, by their names in it; ``unit`` is in mm.

        Raises KeyError or ValueError when one is missing or has a wrong shape.
        """
        template = np.asarray(arrays["v_template"], np.float64) * unit
        count = len(template)
        fields = np.asarray(arrays["shapedirs"], np.float64) * unit
        fields = np.moveaxis(fields.reshape(count, 3, -1), -1, 0)
        pose = np.asarray(arrays["posedirs"], np.float64) * unit
        weights = np.asarray(arrays["weights"], np.float64).reshape(count, 5)
        lids = np.asarray(arrays.get("eyelids", np.zeros((2, count, 3))), np.float64) * unit
        tree = np.asarray(arrays["kintree_table"], np.int64)
        parents = np.append(-1, tree[0, 1:])
        if list(parents) != [-1, 0, 1, 1, 1]:
            raise ValueError(f"joints in an unknown order: {list(parents)}")
        return cls(
            template=template,
            triangles=np.asarray(arrays["f"], np.int64).reshape(-1, 3),
            shape=fields[:SHAPES],
            expression=fields[SHAPES:],
            pose_correction=np.moveaxis(pose.reshape(count, 3, 36), -1, 0),
            joint_regressor=np.asarray(arrays["J_regressor"], np.float64).reshape(5, count),
            parents=parents,
            weights=weights,
            eyelids=lids.reshape(2, count, 3),
        )

    def vertices(
        self,
        shape: ArrayLike | None = None,
        expression: ArrayLike | None = None,
        root: ArrayLike | None = None,
        neck: ArrayLike | None = None,
        jaw: ArrayLike | None = None,
        eyes: ArrayLike | None = None,
        eyelids: ArrayLike | None = None,
    ) -> np.ndarray:
        """The head's vertices (V, 3), or (B, V, 3) when any argument is a batch; mm, float64.

        Args:
            shape: (..., s), s <= 300, and expression: (..., e): standard deviations.
            root, neck, jaw: (..., 3) axis-angle, radians. eyes: (..., 6), left then right.
            eyelids: (..., 2), 0 open to 1 closed, left then right.
        """
        given = (shape, expression, root, neck, jaw, eyes, eyelids)
        batch = np.broadcast_shapes(*(np.shape(a)[:-1] for a in given if a is not None))
        rest = self.template + blend(shape, self.shape) + blend(expression, self.expression)
        joints = self.joint_regressor @ rest
        vectors = np.zeros((*batch, 5, 3))
        for joint, vector in ((ROOT, root), (NECK, neck), (JAW, jaw)):
            if vector is not None:
                vectors[..., joint, :] = vector
        if eyes is not None:
            vectors[..., LEFT_EYE:, :] = np.reshape(eyes, (*np.shape(eyes)[:-1], 2, 3))
        turns = rotations_from_vectors(vectors)
        bent = (turns[..., 1:, :, :] - np.eye(3)).reshape(*batch, 36)
        posed = skin(
            rest + blend(bent, self.pose_correction), joints, turns, self.parents, self.weights
        )
        return posed + blend(eyelids, self.eyelids)


def blend(code: ArrayLike | None, fields: np.ndarray) -> np.ndarray:
    """Fields (K, V, 3) summed by a code (..., k), k <= K: (..., V, 3)."""
    if code is None:
        return np.zeros(fields.shape[1:])
    code = np.asarray(code, np.float64)
    if code.shape[-1] > len(fields):
        raise ValueError(f"{code.shape[-1]} values for {len(fields)} fields")
    return np.tensordot(code, fields[: code.shape[-1]], 1)


def _field(path: str | Path) -> np.ndarray:
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: not an array: {error}") from error
