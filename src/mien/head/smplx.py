"""SMPL-X (Pavlakos et al. 2019), from the user's own file: its head, with jaw and eyes.

mien ships nothing of SMPL-X. The body stays at rest; millimetres, axes as in mien.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from mien.errors import InputError, MienError
from mien.head import unpickle
from mien.head.flame import blend, rotations_from_vectors, skin

JOINTS = 55
NECK, HEAD, JAW, LEFT_EYE, RIGHT_EYE = 12, 15, 22, 23, 24
NAMES = ("v_template", "shapedirs", "posedirs", "J_regressor", "kintree_table", "weights", "f")
MISSING = """{path}: no such file. SMPL-X comes from https://smpl-x.is.tue.mpg.de after \
registration, for non-commercial research only. mien reads SMPLX_NEUTRAL.npz, SMPLX_MALE.npz, \
SMPLX_FEMALE.npz or their .pkl."""


@dataclass(slots=True, eq=False)
class SmplX:
    """An SMPL-X body, of which mien moves the head.

    template: (V, 3) mm. triangles: (T, 3).
    shape: (S, V, 3) mm and expression: (E, V, 3) mm, for one standard deviation each.
    pose_correction: (486, V, 3) mm. joint_regressor: (55, V). parents: (55,). weights: (V, 55).
    head: (h,) the vertices that mostly follow the head, the jaw or an eye.
    """

    template: np.ndarray
    triangles: np.ndarray
    shape: np.ndarray
    expression: np.ndarray
    pose_correction: np.ndarray
    joint_regressor: np.ndarray
    parents: np.ndarray
    weights: np.ndarray
    head: np.ndarray

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read an SMPL-X ``.npz`` or ``.pkl``; nothing in it is run.

        Raises MienError when the file is missing (it says where to get it), InputError when it is
        not an SMPL-X model.
        """
        if not Path(path).exists():
            raise MienError(MISSING.format(path=path))
        try:
            if Path(path).suffix == ".npz":
                with np.load(path, allow_pickle=False) as file:
                    return cls.from_arrays({name: file[name] for name in NAMES})
            return cls.from_arrays(unpickle.load(path))
        except OSError as error:
            raise InputError(f"{path}: {error.strerror or error}") from error
        except InputError:
            raise
        except Exception as error:  # on damaged archives numpy raises nearly anything
            raise InputError(f"{path}: not an SMPL-X model: {error!r}") from error

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any], unit: float = 1000.0) -> Self:
        """From the arrays of a file, by their names in it; ``unit`` is in mm.

        Raises KeyError or ValueError when one is missing or has a wrong shape.
        """
        template = np.asarray(arrays["v_template"], np.float64) * unit
        count = len(template)
        fields = np.asarray(arrays["shapedirs"], np.float64).reshape(count, 3, -1) * unit
        fields = np.moveaxis(fields, -1, 0)
        # A file has 300 shapes and 100 expressions, or 10 and 10.
        shapes = 300 if len(fields) > 20 else 10
        pose = np.asarray(arrays["posedirs"], np.float64).reshape(count, 3, 9 * (JOINTS - 1))
        tree = np.asarray(arrays["kintree_table"], np.int64)
        weights = np.asarray(arrays["weights"], np.float64).reshape(count, JOINTS)
        moved = weights[:, [HEAD, JAW, LEFT_EYE, RIGHT_EYE]].sum(1)
        return cls(
            template=template,
            triangles=np.asarray(arrays["f"], np.int64).reshape(-1, 3),
            shape=fields[:shapes],
            expression=fields[shapes:],
            pose_correction=np.moveaxis(pose * unit, -1, 0),
            joint_regressor=np.asarray(arrays["J_regressor"], np.float64).reshape(JOINTS, count),
            parents=np.append(-1, tree[0, 1:JOINTS]),
            weights=weights,
            head=np.flatnonzero(moved > 0.5),
        )

    def vertices(
        self,
        shape: ArrayLike | None = None,
        expression: ArrayLike | None = None,
        neck: ArrayLike | None = None,
        head: ArrayLike | None = None,
        jaw: ArrayLike | None = None,
        eyes: ArrayLike | None = None,
    ) -> np.ndarray:
        """All vertices (V, 3), or (B, V, 3) when any argument is a batch; mm, float64.

        Args:
            shape: (..., s) and expression: (..., e): standard deviations.
            neck, head, jaw: (..., 3) axis-angle, radians. eyes: (..., 6), left then right.
        """
        given = (shape, expression, neck, head, jaw, eyes)
        batch = np.broadcast_shapes(*(np.shape(a)[:-1] for a in given if a is not None))
        rest = self.template + blend(shape, self.shape) + blend(expression, self.expression)
        vectors = np.zeros((*batch, JOINTS, 3))
        for joint, vector in ((NECK, neck), (HEAD, head), (JAW, jaw)):
            if vector is not None:
                vectors[..., joint, :] = vector
        if eyes is not None:
            halves = np.reshape(eyes, (*np.shape(eyes)[:-1], 2, 3))
            vectors[..., [LEFT_EYE, RIGHT_EYE], :] = halves
        turns = rotations_from_vectors(vectors)
        bent = (turns[..., 1:, :, :] - np.eye(3)).reshape(*batch, -1)
        joints = self.joint_regressor @ rest
        rest = rest + blend(bent, self.pose_correction)
        return skin(rest, joints, turns, self.parents, self.weights)
