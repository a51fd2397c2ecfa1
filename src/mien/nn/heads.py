"""Heads that networks drive: a code of shape, expression, lids and jaw becomes a posed face.

One interface over two models: the head that mien ships, and FLAME from the user's own files. Both
give metres (x to the image's right, y up, z to the viewer), so that one recipe fits either. Arrays
of a head are never part of a saved system.
"""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import nn

from mien.errors import InputError
from mien.face import BLENDSHAPES
from mien.head import unpickle
from mien.head.flame import Flame
from mien.head.model import MATERIALS, REGIONS, HeadModel

METRE = 1000.0  # mm
OPEN = 0.5  # radians of the jaw where mien's own is wide open
SIDEWAYS = 0.2  # radians of the jaw where mien's own is as far to the side as it goes
STEP = 0.25  # weight of a blendshape for a code of 1: codes then spread as FLAME's do
IRISES = 468  # first of MediaPipe's ten points of the irises


class Code(NamedTuple):
    """What drives a head in a picture, for N faces.

    pose: (N, 3), rotation about the origin as axis-angle, radians. camera: (N, 3), scale per metre
    and shift in metres (see :func:`placed`). shape: (N, s) and expression: (N, e), deviations.
    eyelids: (N, 2), 0 as they are to 1 closed, the person's left first. jaw: (N, 3) axis-angle.
    """

    pose: torch.Tensor
    camera: torch.Tensor
    shape: torch.Tensor
    expression: torch.Tensor
    eyelids: torch.Tensor
    jaw: torch.Tensor


def placed(points: torch.Tensor, camera: torch.Tensor) -> torch.Tensor:
    """Scaled orthographic projection of (N, n, 3) by (N, 3): x, y in -1..1, y down; depth."""
    shift = nn.functional.pad(camera[:, None, 1:], (0, 1))
    return camera[:, None, :1] * (points + shift) * points.new_tensor((1, -1, -1))


def rotations(vectors: torch.Tensor) -> torch.Tensor:
    """Rotations (..., 3, 3) of axis-angle vectors (..., 3); as ``mien.head.flame`` does it."""
    angle = (vectors + 1e-8).norm(dim=-1, keepdim=True)
    x, y, z = (vectors / angle).unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))
    angle = angle[..., None]
    return torch.eye(3).to(cross) + angle.sin() * cross + (1 - angle.cos()) * (cross @ cross)


def on_triangles(
    vertices: torch.Tensor, triangles: torch.Tensor, index: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    """Points (N, n, 3) at barycentric weights (n, 3) or (N, n, 3) of triangles (n,) or (N, n)."""
    corners = triangles[index].expand(len(vertices), -1, -1)
    item = torch.arange(len(vertices), device=vertices.device)[:, None, None]
    return (vertices[item, corners] * weights[..., None]).sum(2)


class Head(nn.Module, ABC):
    """A morphable head for training.

    triangles: (T, 3), those that are drawn: the face without eyeballs, ears, neck and scalp.
    importance: (T,), 0..1, how readily pixels of each are shown to a renderer.
    seen: (P,), which of MediaPipe's 478 points :meth:`points` gives.
    limits: the least and the largest expression that is drawn at random.
    templates: (K, e), telling expressions, or None where there are none.
    """

    triangles: torch.Tensor
    importance: torch.Tensor
    seen: torch.Tensor
    limits: tuple[float, float]
    templates: torch.Tensor | None

    def _keep(self, **arrays: np.ndarray) -> None:
        for name, array in arrays.items():
            kind = torch.float32 if array.dtype.kind == "f" else torch.long
            self.register_buffer(name, torch.from_numpy(array.copy()).to(kind), persistent=False)

    @abstractmethod
    def vertices(self, code: Code) -> torch.Tensor:
        """The posed head (N, V, 3), metres."""

    @abstractmethod
    def points(self, vertices: torch.Tensor) -> torch.Tensor:
        """MediaPipe's points ``seen`` (N, P, 3) on vertices."""

    @abstractmethod
    def contour(self, vertices: torch.Tensor, pose: torch.Tensor) -> torch.Tensor:
        """The 17 points (N, 17, 3) of the jaw's contour, of the 68."""


DRAWN = ("skin", "right_brow", "left_brow", "nose", "upper_lip", "lower_lip")
LESS = ("nose", "upper_lip", "lower_lip")
APART = ("eyeBlinkLeft", "eyeBlinkRight", "jawOpen", "jawLeft", "jawRight")
FREE = tuple(name for name in BLENDSHAPES if name not in APART)
TEMPLATES: dict[str, dict[str, float]] = {
    "lips_back": {"mouthPressLeft": 1, "mouthPressRight": 1, "mouthStretchLeft": 0.5,
                  "mouthStretchRight": 0.5},
    "rolling_lips": {"mouthRollLower": 1, "mouthRollUpper": 1},
    "mouth_side": {"mouthLeft": 1},
    "mouth_other_side": {"mouthRight": 1},
    "kissing": {"mouthPucker": 1, "mouthFunnel": 0.3},
    "high_smile": {"mouthSmileLeft": 1, "mouthSmileRight": 1, "cheekSquintLeft": 0.7,
                   "cheekSquintRight": 0.7},
    "mouth_up": {"mouthShrugLower": 1, "mouthShrugUpper": 0.7},
    "mouth_middle": {"mouthClose": 0.5, "mouthPucker": 0.4},
    "mouth_down": {"mouthFrownLeft": 1, "mouthFrownRight": 1, "mouthLowerDownLeft": 0.4,
                   "mouthLowerDownRight": 0.4},
    "blow_cheeks": {"cheekPuff": 1},
    "jaw": {"jawForward": 1},
    "lips_up": {"mouthUpperUpLeft": 1, "mouthUpperUpRight": 1, "noseSneerLeft": 0.5,
                "noseSneerRight": 0.5},
}  # fmt: skip
"""SMIRK's classes of templates in blendshapes; cheeks drawn in have none."""


class MienHead(Head):
    """mien's own head: 80 identities, 47 blendshapes; blinks and jaw are apart.

    Linear: eyes do not turn, lids and lips may pass through each other, which
    ``HeadModel.vertices`` prevents. The jaw's third number moves nothing.
    """

    template: torch.Tensor
    identity: torch.Tensor
    expression: torch.Tensor
    lids: torch.Tensor
    jaws: torch.Tensor
    corners: torch.Tensor
    corner_weights: torch.Tensor
    chin: torch.Tensor
    limits = (0.0, 1 / STEP)
    SHAPES, EXPRESSIONS = 80, len(FREE)

    def __init__(self) -> None:
        super().__init__()
        whole = HeadModel.bundled()
        drawn = [REGIONS.index(name) for name in DRAWN]
        face = (whole.material == MATERIALS.index("face")) & np.isin(whole.region, drawn)
        model, self.kept = whole.part(face)
        fields = dict(zip(whole.expression_names, model.expression / METRE, strict=True))
        less = [REGIONS.index(name) for name in LESS]
        self._keep(
            template=model.template / METRE,
            identity=model.identity[: self.SHAPES] / METRE,
            expression=np.stack([fields[name] * STEP for name in FREE]),
            lids=np.stack([fields["eyeBlinkLeft"], fields["eyeBlinkRight"]]),
            jaws=np.stack([fields["jawOpen"] / OPEN, fields["jawLeft"] / SIDEWAYS]),
            triangles=model.triangles,
            importance=np.where(np.isin(model.region, less), 0.5, 1.0),
            seen=np.arange(IRISES),
            corners=model.landmark_vertices[:IRISES],
            corner_weights=model.landmark_weights[:IRISES],
            chin=model.landmarks68[:17],
            templates=self.code_of(TEMPLATES),
        )

    @staticmethod
    def code_of(weights: dict[str, dict[str, float]]) -> np.ndarray:
        """Codes (K, 47) of named sets of blendshapes."""
        return np.array([[row.get(name, 0.0) / STEP for name in FREE] for row in weights.values()])

    def vertices(self, code: Code) -> torch.Tensor:
        fields = torch.cat([self.identity, self.expression, self.lids, self.jaws])
        values = torch.cat([code.shape, code.expression, code.eyelids, code.jaw[:, :2]], 1)
        moved = self.template + (values @ fields.flatten(1)).unflatten(1, (-1, 3))
        return moved @ rotations(code.pose).mT

    def points(self, vertices: torch.Tensor) -> torch.Tensor:
        return (vertices[:, self.corners] * self.corner_weights[..., None]).sum(2)

    def contour(self, vertices: torch.Tensor, pose: torch.Tensor) -> torch.Tensor:
        return vertices[:, self.chin]


WIDEST = 39  # degrees of yaw for which FLAME's contour points are known
UNDRAWN = ("left_eyeball", "right_eyeball")
NO_FLAME = """{folder}: no {name}. SMIRK over FLAME reads, in one folder, generic_model.pkl and \
FLAME_masks.pkl (https://flame.is.tue.mpg.de, after registration), l_eyelid.npy, r_eyelid.npy and \
mediapipe_landmark_embedding.npz (SMIRK's repository, assets/), landmark_embedding.npz (see \
docs/systems/smirk.md)."""


class FlameHead(Head):
    """FLAME with SMIRK's eyelids and its two sets of landmarks.

    arrays: ``mp_lmk_faces_idx`` and ``mp_lmk_bary_coords`` (P,), (P, 3); the contour by whole
    degrees of yaw ``dynamic_lmk_faces_idx`` (79, 17) and ``dynamic_lmk_bary_coords`` (79, 17, 3);
    ``landmark_indices`` (P,). drawn, importance: as of :class:`Head`, (T,) of all triangles.
    """

    template: torch.Tensor
    fields: torch.Tensor
    correction: torch.Tensor
    regressor: torch.Tensor
    weights: torch.Tensor
    lids: torch.Tensor
    whole: torch.Tensor
    point_triangles: torch.Tensor
    point_weights: torch.Tensor
    contour_triangles: torch.Tensor
    contour_weights: torch.Tensor
    limits = (-4.0, 4.0)

    def __init__(
        self, flame: Flame, arrays: dict[str, np.ndarray], expressions: int = 50,
        drawn: np.ndarray | None = None, importance: np.ndarray | None = None,
        templates: np.ndarray | None = None,
    ):  # fmt: skip
        super().__init__()
        count = len(flame.triangles)
        drawn = np.ones(count, bool) if drawn is None else drawn
        importance = np.ones(count) if importance is None else importance
        self.register_buffer("templates", None, persistent=False)
        self._keep(
            template=flame.template / METRE,
            fields=np.concatenate([flame.shape, flame.expression[:expressions]]) / METRE,
            correction=flame.pose_correction / METRE,
            regressor=flame.joint_regressor,
            weights=flame.weights,
            lids=flame.eyelids / METRE,
            whole=flame.triangles,
            triangles=flame.triangles[drawn],
            importance=importance[drawn],
            seen=arrays["landmark_indices"],
            point_triangles=arrays["mp_lmk_faces_idx"],
            point_weights=arrays["mp_lmk_bary_coords"],
            contour_triangles=arrays["dynamic_lmk_faces_idx"],
            contour_weights=arrays["dynamic_lmk_bary_coords"],
        )
        if templates is not None:
            self._keep(templates=templates[:, :expressions])
        self.parents = [int(parent) for parent in flame.parents]

    @classmethod
    def load(cls, folder: str | Path, expressions: int = 50) -> Self:
        """From a folder of the user's own files.

        Raises InputError that names the file that is missing or is not what it should be.
        """
        folder = Path(folder)
        for name in ("generic_model.pkl", "FLAME_masks.pkl", "l_eyelid.npy", "r_eyelid.npy",
                     "mediapipe_landmark_embedding.npz", "landmark_embedding.npz"):  # fmt: skip
            if not (folder / name).is_file():
                raise InputError(NO_FLAME.format(folder=folder, name=name))
        lids = folder / "l_eyelid.npy", folder / "r_eyelid.npy"
        flame = Flame.load(folder / "generic_model.pkl", lids)
        masks = unpickle.load(folder / "FLAME_masks.pkl")
        points = _arrays(folder / "mediapipe_landmark_embedding.npz")
        contour = _arrays(folder / "landmark_embedding.npz")
        templates = folder / "expression_templates.npz"
        try:
            arrays = {
                "mp_lmk_faces_idx": points["lmk_face_idx"],
                "mp_lmk_bary_coords": points["lmk_b_coords"],
                "landmark_indices": points["landmark_indices"],
                "dynamic_lmk_faces_idx": contour["dynamic_lmk_faces_idx"],
                "dynamic_lmk_bary_coords": contour["dynamic_lmk_bary_coords"],
            }
            drawn = _inside(flame.triangles, masks, "face") & ~_inside(
                flame.triangles, masks, *UNDRAWN
            )
            less = _inside(flame.triangles, masks, "lips", "nose")
            told = np.concatenate([*_arrays(templates).values()]) if templates.exists() else None
            return cls(flame, arrays, expressions, drawn, np.where(less, 0.5, 1.0), told)
        except (KeyError, ValueError, IndexError) as error:
            raise InputError(f"{folder}: its files do not fit FLAME: {error!r}") from error

    def vertices(
        self, code: Code, neck: torch.Tensor | None = None, eyes: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Also with a turned neck (N, 3) and eyes (N, 6), axis-angle."""
        values = torch.cat([code.shape, code.expression], 1)
        rest = self.template + (values @ self.fields.flatten(1)).unflatten(1, (-1, 3))
        joints = self.regressor @ rest
        still = torch.zeros_like(code.pose)
        eyes = torch.cat([still, still], 1) if eyes is None else eyes
        vectors = [code.pose, still if neck is None else neck, code.jaw, *eyes.split(3, 1)]
        turns = rotations(torch.stack(vectors, 1))
        bent = (turns[:, 1:] - torch.eye(3).to(turns)).flatten(1)
        rest = rest + (bent @ self.correction.flatten(1)).unflatten(1, (-1, 3))
        posed = self._skinned(rest, joints, turns)
        return posed + (code.eyelids @ self.lids.flatten(1)).unflatten(1, (-1, 3))

    def _skinned(
        self, rest: torch.Tensor, joints: torch.Tensor, rotation: torch.Tensor
    ) -> torch.Tensor:
        """Linear blend skinning, as ``mien.head.flame.skin``."""
        turns, shifts = [rotation[:, 0]], [joints[:, 0]]
        for joint, parent in enumerate(self.parents[1:], 1):
            arm = (joints[:, joint] - joints[:, parent])[..., None]
            turns.append(turns[parent] @ rotation[:, joint])
            shifts.append(shifts[parent] + (turns[parent] @ arm)[..., 0])
        turn, shift = torch.stack(turns, 1), torch.stack(shifts, 1)
        shift = shift - (turn @ joints[..., None])[..., 0]
        blended = torch.einsum("vj,njab->nvab", self.weights, turn)
        return (blended @ rest[..., None])[..., 0] + self.weights @ shift

    def points(self, vertices: torch.Tensor) -> torch.Tensor:
        return on_triangles(vertices, self.whole, self.point_triangles, self.point_weights)

    def contour(self, vertices: torch.Tensor, pose: torch.Tensor) -> torch.Tensor:
        turn = rotations(pose.detach())
        reach = (turn[:, 0, 0].square() + turn[:, 1, 0].square()).sqrt()
        yaw = torch.atan2(-turn[:, 2, 0], reach).rad2deg().round().long().clamp(-WIDEST, WIDEST)
        row = torch.where(yaw < 0, WIDEST - yaw, yaw)
        return on_triangles(
            vertices, self.whole, self.contour_triangles[row], self.contour_weights[row]
        )


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except Exception as error:  # on damaged archives numpy raises nearly anything
        raise InputError(f"{path}: not an archive of plain arrays: {error}") from error


def _inside(triangles: np.ndarray, masks: dict, *names: str) -> np.ndarray:
    """Which triangles (T,) have all corners in one of these sets of vertices."""
    return np.any([np.isin(triangles, masks[name]).all(1) for name in names], 0)
