"""The head that mien ships: a mean, an identity basis, 52 ARKit expressions, eyes, jaw and tongue.

Axes, here and everywhere in ``mien.head``: millimetres, right-handed; for a head that looks at the
viewer x points to the image's right (the person's left), y up, z towards the viewer. The origin
lies in the middle of the head. LEFT and RIGHT are the person's own.

The head derives from the ICT Face Model Light (USC Institute for Creative Technologies, MIT; see
NOTICE); ``mien.head.build`` says how.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mien.errors import InputError
from mien.face import BLENDSHAPES
from mien.media.files import atomic

MATERIALS = ("face", "back", "mouth", "teeth", "sclera", "iris", "pupil")
"""What a triangle's texture belongs to. ``face`` is the skin from scalp to neck with the ears,
``back`` the rest of the skin and the linings of the sockets, ``mouth`` gums, palate and tongue."""

REGIONS = ("skin", "right_brow", "left_brow", "right_eye", "left_eye", "nose", "upper_lip",
           "inner_mouth", "lower_lip", "hair", "right_ear", "left_ear", "neck",
           "cloth")  # fmt: skip
"""What a triangle is to a face parser; ``hair`` is the scalp, ``cloth`` the shoulders."""

LAPA = ("background", "skin", "right_brow", "left_brow", "right_eye", "left_eye", "nose",
        "upper_lip", "inner_mouth", "lower_lip", "hair")  # fmt: skip
"""The 11 classes of LaPa. Its own names for 2 to 5 take the viewer's sides; these the person's."""

CELEBAMASK = ("background", "neck", "skin", "cloth", "right_ear", "left_ear", "right_brow",
              "left_brow", "right_eye", "left_eye", "nose", "inner_mouth", "lower_lip",
              "upper_lip", "hair", "glasses", "hat", "earring", "necklace")  # fmt: skip
"""The 19 classes of CelebAMask-HQ, in the order that FaRL and facer use."""

EYELOOK_DEGREES = {"Up": 25.0, "Down": 30.0, "In": 35.0, "Out": 35.0}
"""How far an eye turns where an ``eyeLook`` expression is 1 and no gaze is given."""

FORMAT = 2
FIELDS = ("identity", "expression")  # what a file holds as differences


@dataclass(slots=True)
class Contact:
    """Two margins, of lips or lids, that touch but never pass through each other.

    Shapes are those of the lips; of the lids every array has a first axis more: left, right.

    vertices: (n,) int32, the skin around.
    margin: (k,) int32, the vertices of the upper, then of the lower margin.
    gap: (m, k) float32, ``gap @ x[margin]`` is the way from the upper to the lower margin.
    moved: (n, m) float32, displacement of the skin for a unit of the gap.
    """

    vertices: np.ndarray
    margin: np.ndarray
    gap: np.ndarray
    moved: np.ndarray


@dataclass(slots=True)
class Eyes:
    """Two eyeballs; the first axis of every array is left, right.

    vertices: (2, n) int32.
    centre: (2, n) float32, weights of those vertices (sum 1) that give the eye's centre.
    axis: (2, 3) float32, unit, where the pupil looks at rest: a little outwards, as real eyes do.
    radius: (2,) float32 mm, root mean square distance of the vertices to the centre at rest.
    profile: (721,) float32 mm, the eyeball's reach at each quarter of a degree from the axis.
    clearance: (2, m) float32 mm, how near the vertices of ``HeadModel.lids`` may come to it.
    """

    vertices: np.ndarray
    centre: np.ndarray
    axis: np.ndarray
    radius: np.ndarray
    profile: np.ndarray
    clearance: np.ndarray

    def reach(self, cosine: np.ndarray) -> np.ndarray:
        """How far the eyeball reaches, mm, in directions with these cosines to the axis."""
        quarters = np.arccos(cosine.clip(-1, 1)) * (4 * 180 / np.pi)
        return self.profile[quarters.astype(np.int32)]


@dataclass(slots=True, eq=False)
class HeadModel:
    """A morphable head with a rig.

    template: (V, 3) float32 mm, the mean head, lips closed and eyes open.
    triangles: (T, 3) int32, counter-clockwise from outside.
    uv: (U, 2) float32, 0..1, v upwards; each material fills its own unit square.
    uv_triangles: (T, 3) int32, indices into ``uv``: a vertex on a seam has several.
    material: (T,) uint8, indices into ``MATERIALS``.
    region: (T,) uint8, indices into ``REGIONS``.
    identity: (K, V, 3) float32 mm, principal components of identity, each for one standard
        deviation, so that an identity is a vector of values that are mostly within 0 +- 2.
    identity_std: (K,) float32 mm, root mean square displacement of the face for one deviation.
    expression: (E, V, 3) float32 mm, displacement at weight 1.
    expression_names: the 52 names of ``mien.face.BLENDSHAPES``, then what else ICT has.
    landmark_vertices: (478, 3) int32, landmark_weights: (478, 3) float32, and landmark_triangles:
        (478,) int32: MediaPipe's points as places on triangles.
    landmarks68: (68,) int32, vertices of the Multi-PIE points.
    mirror: (V,) int32, the vertex at the mirror image in x.
    source: (V,) int32, the vertex in the original model.
    neck_weights: (V,) float32, 0..1, how far a vertex follows the head about the neck.
    neck_pivot: (3,) float32 mm.
    mean_identity: (100,) float32, what the mean head is in the identities of the original model.
    eyes, lids, lips: what makes eyes turn, lids close over them and lips touch.
    """

    template: np.ndarray
    triangles: np.ndarray
    uv: np.ndarray
    uv_triangles: np.ndarray
    material: np.ndarray
    region: np.ndarray
    identity: np.ndarray
    identity_std: np.ndarray
    expression: np.ndarray
    expression_names: tuple[str, ...]
    landmark_vertices: np.ndarray
    landmark_weights: np.ndarray
    landmark_triangles: np.ndarray
    landmarks68: np.ndarray
    mirror: np.ndarray
    source: np.ndarray
    neck_weights: np.ndarray
    neck_pivot: np.ndarray
    mean_identity: np.ndarray
    eyes: Eyes
    lids: Contact
    lips: Contact
    _index: dict[str, int] = field(init=False, repr=False)
    _blink: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._index = {name: i for i, name in enumerate(self.expression_names)}
        blinks = [self._index["eyeBlinkLeft"], self._index["eyeBlinkRight"]]
        margin = self.lids.margin
        self._blink = np.stack(
            [self.expression[blink][margin[i]] for i, blink in enumerate(blinks)]
        )

    @classmethod
    def bundled(cls) -> "HeadModel":
        """The head that comes with mien; loaded once, so change nothing in it."""
        return _bundled()

    @classmethod
    def load(cls, path: str | Path) -> "HeadModel":
        """A head written by :meth:`save`, or the original ICT model at its full resolution.

        The original is the ``.npz`` that ``mien.head.ict.read`` reads; it takes a while to rig.

        Raises InputError when the file is neither.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                if "format" not in arrays.files:
                    from mien.head import rig  # here, since a bundled head needs none of it

                    return rig.full_resolution(path, HeadModel.bundled())
                return HeadModel(**_unpacked({name: arrays[name] for name in arrays.files}))
        except OSError as error:
            raise InputError(f"{path}: {error.strerror or error}") from error
        except InputError:
            raise
        except Exception as error:  # on damaged archives numpy raises nearly anything
            raise InputError(f"{path}: not a head model: {error}") from error

    # -- shape ---------------------------------------------------------------------------------

    def vertices(
        self,
        identity: np.ndarray | None = None,
        expression: np.ndarray | Mapping[str, float] | None = None,
        gaze: np.ndarray | None = None,
        pose: np.ndarray | None = None,
    ) -> np.ndarray:
        """The head's vertices (V, 3) float32, or (B, V, 3) when any argument is a batch.

        Args:
            identity: (k,) or (B, k), k <= K, standard deviations; None is the mean.
            expression: (52,), (E,) or (B, 52 or E) weights, or weights by name; None is neutral.
            gaze, pose: as of :meth:`animate`.

        Raises ValueError for a wrong shape or an unknown name.
        """
        return self.animate(self.neutral(identity), expression, gaze, pose)

    def neutral(self, identity: np.ndarray | None = None) -> np.ndarray:
        """The neutral face of an identity: (V, 3), or (B, V, 3) for identities (B, k)."""
        if identity is None:
            return self.template.copy()
        code = np.asarray(identity, np.float32)
        if code.ndim not in (1, 2) or code.shape[-1] > len(self.identity):
            raise ValueError(f"identity must be (k,) or (B, k), k <= {len(self.identity)}, "
                             f"not {code.shape}")  # fmt: skip
        basis = self.identity[: code.shape[-1]]
        offset = code @ basis.reshape(len(basis), -1)
        return self.template + offset.reshape(*code.shape[:-1], -1, 3)

    def animate(
        self,
        neutral: np.ndarray,
        expression: np.ndarray | Mapping[str, float] | None = None,
        gaze: np.ndarray | None = None,
        pose: np.ndarray | None = None,
    ) -> np.ndarray:
        """Move a neutral face; what :meth:`vertices` does after :meth:`neutral`.

        Expressions add up. Then the eyes turn, lids and lips that would pass through each other
        touch instead, blinking lids meet, and lids keep off the eyeballs: that is not linear.

        Args:
            neutral: (V, 3) or (B, V, 3) mm.
            expression: as of :meth:`vertices`.
            gaze: (2, 2) or (B, 2, 2) degrees: yaw and pitch of the left, then the right eye, in
                the head, signs as in ``mien.face.Pose``. None: as far as ``eyeLook`` says.
            pose: (3,) or (B, 3) degrees: yaw, pitch, roll of the head about the neck, signs as in
                ``mien.face.Pose``. None: upright.

        Returns:
            (V, 3) or (B, V, 3) float32, broadcast over the batches.
        """
        weights = self.expression_weights(expression)
        turns = None if gaze is None else np.asarray(gaze, np.float32)
        angles = None if pose is None else np.asarray(pose, np.float32)
        if turns is not None and turns.shape[-2:] != (2, 2):
            raise ValueError(f"gaze must be (2, 2) or (B, 2, 2), not {turns.shape}")
        if angles is not None and angles.shape[-1:] != (3,):
            raise ValueError(f"pose must be (3,) or (B, 3), not {angles.shape}")
        batch = np.broadcast_shapes(
            neutral.shape[:-2],
            weights.shape[:-1],
            () if turns is None else turns.shape[:-2],
            () if angles is None else angles.shape[:-1],
        )
        x = np.array(np.broadcast_to(neutral, (*batch, *neutral.shape[-2:])), np.float32)
        self._express(x, weights)
        centres, axes, scale = self._turn_eyes(x, self._gaze(weights) if turns is None else turns)
        self._close_lids(x, weights, centres, axes, scale)
        self._touch(x, self.lips)
        if angles is not None:
            self._pose(x, angles)
        return x

    def landmarks(self, vertices: np.ndarray) -> np.ndarray:
        """MediaPipe's 478 points (..., 478, 3) on vertices (..., V, 3)."""
        corners = vertices[..., self.landmark_vertices, :]
        return np.einsum("...pkc,pk->...pc", corners, self.landmark_weights)

    def part(self, shown: np.ndarray) -> "tuple[HeadModel, np.ndarray]":
        """The model with some of its triangles, (T,) bool, and which vertices (n,) are left.

        Left are those of the triangles and those that landmarks and the rig need, so that it moves
        as the whole does, but faster.
        """
        rig = (self.eyes.vertices, self.lids.vertices, self.lids.margin, self.lips.vertices,
               self.lips.margin, self.landmark_vertices)  # fmt: skip
        needed = [part.ravel() for part in (self.triangles[shown], *rig)]
        kept = np.unique(np.concatenate(needed))
        index = np.full(len(self.template), -1, np.int32)
        index[kept] = np.arange(len(kept), dtype=np.int32)
        eyes, lids, lips = self.eyes, self.lids, self.lips
        return replace(
            self,
            template=self.template[kept],
            triangles=index[self.triangles[shown]],
            uv_triangles=self.uv_triangles[shown],
            material=self.material[shown],
            region=self.region[shown],
            identity=np.ascontiguousarray(self.identity[:, kept]),
            expression=np.ascontiguousarray(self.expression[:, kept]),
            landmark_vertices=index[self.landmark_vertices],
            landmarks68=index[self.landmarks68],
            mirror=index[self.mirror[kept]],
            source=self.source[kept],
            neck_weights=self.neck_weights[kept],
            eyes=replace(eyes, vertices=index[eyes.vertices]),
            lids=replace(lids, vertices=index[lids.vertices], margin=index[lids.margin]),
            lips=replace(lips, vertices=index[lips.vertices], margin=index[lips.margin]),
        ), kept

    def expression_weights(self, expression: np.ndarray | Mapping[str, float] | None) -> np.ndarray:
        """Weights (E,) or (B, E) float32 from 52 or E weights or from weights by name.

        Raises ValueError for a wrong shape or an unknown name.
        """
        count = len(self.expression_names)
        if expression is None:
            return np.zeros(count, np.float32)
        if isinstance(expression, Mapping):
            unknown = sorted(set(expression) - set(self._index))
            if unknown:
                raise ValueError(f"no such expression: {', '.join(unknown)}")
            weights = np.zeros(count, np.float32)
            for name, value in expression.items():
                weights[self._index[name]] = value
            return weights
        given = np.asarray(expression, np.float32)
        if given.ndim not in (1, 2) or given.shape[-1] not in (len(BLENDSHAPES), count):
            raise ValueError(f"expression must end in {len(BLENDSHAPES)} or {count} weights, "
                             f"not {given.shape}")  # fmt: skip
        weights = np.zeros((*given.shape[:-1], count), np.float32)
        weights[..., : given.shape[-1]] = given
        return weights

    def landmark_basis(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The linear part of the 478 points, for fitting: mean (478, 3), identity (K, 478, 3) and
        expression (E, 478, 3). Eyes look ahead; lids and lips do not touch."""
        return (
            self.landmarks(self.template),
            self.landmarks(self.identity),
            self.landmarks(self.expression),
        )

    def triangles_of(self, *regions: str) -> np.ndarray:
        """Which triangles (T,) bool are in any of the named ``REGIONS``."""
        return np.isin(self.region, [REGIONS.index(region) for region in regions])

    def classes(self, parser: tuple[str, ...] = CELEBAMASK) -> np.ndarray:
        """The class (T,) uint8 of each triangle for a face parser, ``LAPA`` or ``CELEBAMASK``.

        A region that the parser does not know is skin if it is an ear, else background.
        """
        table = [
            parser.index(name) if name in parser else int("ear" in name) * parser.index("skin")
            for name in REGIONS
        ]
        return np.array(table, np.uint8)[self.region]

    # -- the rig -------------------------------------------------------------------------------

    def _express(self, x: np.ndarray, weights: np.ndarray) -> None:
        active = np.flatnonzero(weights.reshape(-1, weights.shape[-1]).any(0))
        fields = self.expression.reshape(len(self.expression), -1)[active]
        x += (weights[..., active] @ fields).reshape(*weights.shape[:-1], -1, 3)

    def _gaze(self, weights: np.ndarray) -> np.ndarray:
        """Yaw and pitch (..., 2, 2) in degrees that the ``eyeLook`` weights stand for."""
        gaze = np.zeros((*weights.shape[:-1], 2, 2), np.float32)
        for eye, (side, outwards) in enumerate((("Left", 1), ("Right", -1))):
            up, down, inwards, out = (
                weights[..., self._index[f"eyeLook{way}{side}"]] * degrees
                for way, degrees in EYELOOK_DEGREES.items()
            )
            gaze[..., eye, 0] = outwards * (out - inwards)
            gaze[..., eye, 1] = up - down
        return gaze

    def _turn_eyes(
        self, x: np.ndarray, gaze: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Turn the eyeballs of ``x`` in place; centres and axes (..., 2, 3), sizes (..., 2)."""
        eyes = self.eyes
        balls = x[..., eyes.vertices, :]
        centres = np.einsum("en,...enc->...ec", eyes.centre, balls)
        balls -= centres[..., None, :]
        scale = np.sqrt(np.square(balls).sum(-1).mean(-1)) / eyes.radius
        if not gaze.any():
            return centres, np.broadcast_to(eyes.axis, centres.shape), scale
        turns = rotations(gaze[..., 0], gaze[..., 1])
        x[..., eyes.vertices, :] = balls @ np.swapaxes(turns, -1, -2) + centres[..., None, :]
        axes = np.broadcast_to((turns @ eyes.axis[..., None])[..., 0], centres.shape)
        return centres, axes, scale

    def _close_lids(
        self,
        x: np.ndarray,
        weights: np.ndarray,
        centres: np.ndarray,
        axes: np.ndarray,
        scale: np.ndarray,
    ) -> None:
        """Let blinking lids meet and keep them off the eyeballs, in place.

        The blink fields close the lids of the mean head. What is left of the gap on this head at
        full blink, which depends linearly on its shape, is closed in proportion to the blink.
        """
        lids = self.lids
        blink = weights[..., [self._index["eyeBlinkLeft"], self._index["eyeBlinkRight"]]]
        blink = blink[..., None, None]
        blinking = blink.any()
        if blinking:
            rest = (1 - blink) * self._blink
            gaps = lids.gap @ (x[..., lids.margin, :] + rest)
            x[..., lids.vertices, :] += lids.moved @ (blink * gaps)
        self._touch(x, lids)
        before = x[..., lids.margin, :]
        self._keep_off(x, centres, axes, scale)
        if blinking:  # close what that has parted again, and lay it on the eyeball
            gaps = lids.gap @ (x[..., lids.margin, :] - before)
            x[..., lids.vertices, :] += lids.moved @ (blink * gaps)
            self._keep_off(x, centres, axes, scale)

    def _keep_off(
        self, x: np.ndarray, centres: np.ndarray, axes: np.ndarray, scale: np.ndarray
    ) -> None:
        """Push lids that are in an eyeball out of it, in place."""
        lids, eyes = self.lids.vertices, self.eyes
        skin = x[..., lids, :] - centres[..., None, :]
        distance = np.sqrt(np.square(skin).sum(-1))
        cosine = np.einsum("...enc,...ec->...en", skin, axes) / distance
        least = scale[..., None] * eyes.reach(cosine) + eyes.clearance
        push = np.maximum(least / distance, 1) - 1
        x[..., lids, :] += push[..., None] * skin

    @staticmethod
    def _touch(x: np.ndarray, contact: Contact) -> None:
        """Undo what the upper margin is below the lower one, in place."""
        overlap = np.maximum(contact.gap @ x[..., contact.margin, 1, None], 0)
        if overlap.any():
            x[..., contact.vertices, 1] += (contact.moved @ overlap)[..., 0]

    def _pose(self, x: np.ndarray, angles: np.ndarray) -> None:
        turn = rotations(angles[..., 0], angles[..., 1], angles[..., 2])
        arm = x - self.neck_pivot
        x += self.neck_weights[:, None] * (arm @ np.swapaxes(turn, -1, -2) - arm)

    # -- the file ------------------------------------------------------------------------------

    def save(self, path: str | Path, step: float = 0.005) -> None:
        """Write the model as a ``.npz``; displacements are rounded to ``step`` mm.

        Fields are stored as differences between neighbours in the order of the vertices, in two
        byte planes, which a zip file packs well. Raises MienError when it cannot be written.
        """
        with atomic(path) as temporary:
            np.savez_compressed(temporary, allow_pickle=False, **self._packed(step))

    def _packed(self, step: float) -> dict[str, np.ndarray]:
        arrays: dict[str, Any] = {"format": np.int64(FORMAT), "step": np.float64(step)}
        for name, value in _flat(self):
            if name in FIELDS:
                whole = np.round(np.asarray(value, np.float64) / step).astype(np.int32)
                steps = np.diff(whole, axis=-2, prepend=0)
                if np.abs(steps).max() > 32767:
                    raise ValueError(f"{name} is too large to be stored in steps of {step} mm")
                arrays[name] = _byte_planes(np.swapaxes(steps, -1, -2))
            elif name == "expression_names":
                arrays[name] = np.array(value)
            else:
                arrays[name] = value
        return arrays


def rotations(yaw: ArrayLike, pitch: ArrayLike, roll: ArrayLike | None = None) -> np.ndarray:
    """Rotations (..., 3, 3) in the axes of this module from (...) degrees.

    Signs as in ``mien.face.Pose``: roll first, then pitch, then yaw.
    """
    y, p = np.radians(yaw), np.radians(pitch)
    zero, one = np.zeros_like(y), np.ones_like(y)
    about_y = _matrix(
        [np.cos(y), zero, np.sin(y)], [zero, one, zero], [-np.sin(y), zero, np.cos(y)]
    )
    about_x = _matrix(
        [one, zero, zero], [zero, np.cos(p), np.sin(p)], [zero, -np.sin(p), np.cos(p)]
    )
    turn = about_y @ about_x
    if roll is None:
        return turn
    r = np.radians(roll)
    about_z = _matrix(
        [np.cos(r), np.sin(r), zero], [-np.sin(r), np.cos(r), zero], [zero, zero, one]
    )
    return turn @ about_z


def _matrix(*rows: list[np.ndarray]) -> np.ndarray:
    return np.stack([np.stack(row, -1) for row in rows], -2)


PARTS: dict[str, type] = {"eyes": Eyes, "lids": Contact, "lips": Contact}


def _flat(model: HeadModel) -> list[tuple[str, Any]]:
    """The names and arrays of a model, those of its parts as ``part.name``."""
    out = []
    for entry in fields(model):
        if not entry.init:
            continue
        value = getattr(model, entry.name)
        if entry.name in PARTS:
            out += [(f"{entry.name}.{sub.name}", getattr(value, sub.name)) for sub in fields(value)]
        else:
            out.append((entry.name, value))
    return out


def _unpacked(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """The fields of a model from the arrays of a file."""
    if int(arrays["format"]) != FORMAT:
        raise ValueError(f"format {int(arrays['format'])}, this mien reads {FORMAT}")
    step = np.float32(arrays["step"])
    out: dict[str, Any] = {}
    for entry in fields(HeadModel):
        if not entry.init:
            continue
        name = entry.name
        if name in PARTS:
            part = PARTS[name]
            out[name] = part(**{sub.name: arrays[f"{name}.{sub.name}"] for sub in fields(part)})
        elif name in FIELDS:
            whole = np.cumsum(_from_byte_planes(arrays[name]), axis=-1, dtype=np.int32)
            out[name] = np.ascontiguousarray(np.swapaxes(whole, -1, -2)) * step
        elif name == "expression_names":
            out[name] = tuple(str(value) for value in arrays[name])
        else:
            out[name] = arrays[name]
    return out


def _byte_planes(values: np.ndarray) -> np.ndarray:
    """int16 values (...) as (2, ...) uint8: low bytes, high bytes, after folding the sign."""
    folded = ((values << 1) ^ (values >> 31)).astype(np.uint16)
    return np.stack([folded & 255, folded >> 8]).astype(np.uint8)


def _from_byte_planes(planes: np.ndarray) -> np.ndarray:
    folded = planes[0].astype(np.int32) | planes[1].astype(np.int32) << 8
    return (folded >> 1) ^ -(folded & 1)


@cache
def _bundled() -> HeadModel:
    with resources.as_file(resources.files("mien.head") / "ict_head.npz") as path:
        return HeadModel.load(path)
