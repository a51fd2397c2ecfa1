"""Bring the head nearer to the faces that landmarks are measured on.

Neutral portraits are fitted by identity alone. What their identities have in common becomes part of
the mean head, and what all landmarks miss in common says where those landmarks really lie on it.
Without this every neutral face would be fitted with some expression that makes up for it.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien.face import (
    LANDMARKS,
    LEFT_EYE,
    LEFT_IRIS,
    LIPS_INNER,
    RIGHT_EYE,
    RIGHT_IRIS,
)
from mien.head.correspond import Places, mirrored, normals_at
from mien.head.fit import Fitter, Priors
from mien.head.model import MATERIALS, HeadModel
from mien.head.rig import Rig
from mien.head.surface import closest_points, normals

PORTRAITS = 200
MOST_TURN = 10.0  # degrees
IN_PLACE = np.concatenate([LEFT_EYE, RIGHT_EYE, LEFT_IRIS, RIGHT_IRIS, LIPS_INNER])
"""Landmarks whose places follow from what they mean: lids, irises and where the lips meet."""

FROZEN = Priors(noise=1.5, sparsity=1e-4, slack=0.0, distance_spread=0.35)
"""No expression; the rest does not follow what is usual, so that the head stays as it is."""


@dataclass(slots=True)
class Common:
    """What neutral portraits have in common.

    identity: (K,) standard deviations. missed: (478, 3) mm in the head's axes, from where the
    fitted head has the landmarks to where they are; error: mean of the fits' errors.
    """

    identity: np.ndarray
    missed: np.ndarray
    error: float


def neutral_landmarks(path: str | Path) -> np.ndarray:
    """The landmarks (PORTRAITS, 478, 2), fractions of the picture, of portraits that look neutral.

    path: ``labels.npz`` with ``landmarks`` and ``blendshapes`` by MediaPipe and ``transform``, the
    head's pose. Chosen are the frontal ones whose mouths do least.
    """
    with np.load(path, allow_pickle=False) as labels:
        names = [str(name) for name in labels["blendshape_names"]]
        mouth = [i for i, name in enumerate(names) if name.startswith(("mouth", "jaw"))]
        score = labels["blendshapes"][:, mouth].astype(np.float64).sum(1)
        turn = labels["transform"][:, :3, 2]
        found = np.abs(labels["landmarks"].astype(np.int64)).sum((1, 2)) > 0
        frontal = np.hypot(turn[:, 0], turn[:, 1]) < np.sin(np.radians(MOST_TURN))
        score[~(found & frontal)] = np.inf
        chosen = np.argsort(score, kind="stable")[:PORTRAITS]
        return labels["landmarks"][chosen, :, :2].astype(np.float64) / 20000


def measure(model: HeadModel, landmarks: np.ndarray) -> Common:
    """Fit neutral faces (n, 478, 2) with the model and say what they have in common."""
    fitter = Fitter(model, FROZEN)
    identities, missed, errors = [], [], []
    for points in landmarks * 512:
        fit = fitter.fit(points, (512, 512))
        seen = fit.camera.project(model.landmarks(fit.vertices(model)))
        away = (points - seen[:, :2]) * (1, -1) * seen[:, 2:] / fit.camera.focal
        missed.append(np.column_stack([away, np.zeros(LANDMARKS)]) @ fit.camera.rotation)
        identities.append(fit.identity)
        errors.append(fit.error)
    return Common(np.mean(identities, 0), np.mean(missed, 0), float(np.mean(errors)))


def in_original(identity: np.ndarray, basis: np.ndarray, rig: Rig) -> np.ndarray:
    """An identity (K,) of a basis (K, V, 3), as one (100,) of the original model."""
    some = np.s_[:, ::20]
    fields = rig.identity[some].reshape(len(rig.identity), -1).astype(np.float64)
    moved = np.tensordot(identity, basis[some], 1).ravel()
    return np.linalg.lstsq(fields.T, moved, rcond=None)[0]


def move_places(rig: Rig, places: Places, missed: np.ndarray, image: np.ndarray) -> Places:
    """The places of landmarks after moving them along the skin by ``missed`` (478, 3) mm.

    image: (478,), each landmark's mirror image.
    """
    skin = rig.triangles[rig.material == MATERIALS.index("face")]
    missed = (missed + missed[image] * (-1, 1, 1)) / 2
    free = np.setdiff1d(np.arange(LANDMARKS), IN_PLACE)
    facing = normals_at(places, normals(rig.template, skin))[free]
    target = places.on(rig.template)[free] + missed[free]
    found, weights, _ = closest_points(target, rig.template, skin, facing)
    moved = Places(places.vertices.copy(), places.weights.copy())
    moved.vertices[free], moved.weights[free] = skin[found], weights
    return mirrored(rig, moved, image, free, skin, rig.template)
