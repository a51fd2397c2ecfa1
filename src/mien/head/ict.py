"""The original ICT Face Model Light (USC Institute for Creative Technologies, MIT licence).

mien's own head is derived from it (``mien.head.build``). This module reads the original and names
its parts; units become millimetres, quads become triangles, and the parts that only make sense with
transparent materials (tear film, eye blend, eye occlusion, lashes) are left out.

Li et al., "Learning Formation of Physically-Based Face Attributes", CVPR 2020;
github.com/ICT-VGL/ICT-FaceKit.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mien.errors import InputError
from mien.head.surface import mirror

FACE = slice(0, 9409)
MOUTH_SOCKET = slice(11248, 13294)
EYE_SOCKETS = slice(13294, 14062)
TEETH = slice(17039, 21451)
EYES = {"left": (slice(21451, 22221), slice(22221, 23021)),
        "right": (slice(23021, 23791), slice(23791, 24591))}  # fmt: skip
"""Vertices of each eye: the outer shell with the cornea, then the inner one with the iris."""
PUPIL = range(22941, 22961)
"""The rim of the left pupil; the right one is at its mirror image."""
PUPILS_APART = 63.0
"""mm, the mean of adults: Dodgson, "Variation and extrema of human interpupillary distance",
2004."""
SOLID = 24591
"""Vertices from here on are transparent overlays, which mien does without."""

MATERIALS = ("face", "back", "mouth", "teeth", "left_sclera", "left_iris", "right_sclera",
             "right_iris")  # fmt: skip
"""ICT's materials of what is kept, in its order; ``back`` also lines the sockets."""

ARRAYS = ("vertices", "uv", "faces", "faces_uv", "face_material", "identity", "expression",
          "expression_names", "landmarks68")  # fmt: skip


@dataclass(slots=True)
class Ict:
    """The original, in millimetres and triangles.

    template: (V, 3) float64; x to the person's left, y up, z forwards.
    triangles: (T, 3) int64, counter-clockwise from outside.
    uv: (U, 2) float64, each material in its own unit square, v upwards.
    uv_triangles: (T, 3) int64, indices into ``uv``.
    material: (T,) int64, indices into ``MATERIALS``.
    identity: (100, V, 3) float32, displacement for one standard deviation each.
    expression: name -> (V, 3) float32, displacement at weight 1.
    landmarks68: (68,) int64, vertices of the Multi-PIE points.
    mirror: (V,) int64, the vertex at the mirror image in x.
    """

    template: np.ndarray
    triangles: np.ndarray
    uv: np.ndarray
    uv_triangles: np.ndarray
    material: np.ndarray
    identity: np.ndarray
    expression: dict[str, np.ndarray]
    landmarks68: np.ndarray
    mirror: np.ndarray


def with_mean(original: Ict, identity: np.ndarray) -> Ict:
    """The model whose mean head is an identity (100,) of the original, made symmetric.

    It is scaled so that its pupils are as far apart as people's: pictures do not show sizes.
    """
    moved = original.template + np.tensordot(identity, original.identity.astype(np.float64), 1)
    moved = (moved + moved[original.mirror] * (-1, 1, 1)) / 2
    apart = 2 * moved[list(PUPIL), 0].mean()
    return replace(original, template=moved * (PUPILS_APART / apart))


def is_original(arrays: np.lib.npyio.NpzFile) -> bool:
    """Whether an opened ``.npz`` holds the arrays of the original model."""
    return set(ARRAYS) <= set(arrays.files)


def read(path: str | Path) -> Ict:
    """Read the original from a ``.npz`` of its arrays.

    Raises InputError when the file is missing or does not hold them.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if not is_original(arrays):
                missing = sorted(set(ARRAYS) - set(arrays.files))
                raise InputError(f"{path}: not the ICT face model: no {', '.join(missing)}")
            return _ict({name: arrays[name] for name in ARRAYS})
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    except InputError:
        raise
    except Exception as error:  # on damaged archives numpy raises nearly anything
        raise InputError(f"{path}: not the ICT face model: {error}") from error


def _ict(arrays: dict[str, np.ndarray]) -> Ict:
    template = arrays["vertices"][:SOLID].astype(np.float64) * 10
    faces, faces_uv = arrays["faces"].astype(np.int64), arrays["faces_uv"].astype(np.int64)
    solid = (faces < SOLID).all(1)
    faces, faces_uv = faces[solid], faces_uv[solid]
    images = mirror(template)
    turned = _turned(template, faces, images)
    names = [str(name) for name in arrays["expression_names"]]
    fields = arrays["expression"][:, :SOLID].astype(np.float32) * 10
    return Ict(
        template=template,
        triangles=_split(faces, faces, turned),
        uv=arrays["uv"].astype(np.float64) % 1.0,
        uv_triangles=_split(faces_uv, faces, turned),
        material=_split(arrays["face_material"][solid].astype(np.int64), faces, turned),
        identity=arrays["identity"][:, :SOLID].astype(np.float32) * 10,
        expression=dict(zip(names, fields, strict=True)),
        landmarks68=arrays["landmarks68"].astype(np.int64),
        mirror=images,
    )


def _turned(template: np.ndarray, faces: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Which faces (F,) bool are cut from their second corner to the fourth, not first to third.

    It is the shorter way; on the person's right it is what mirrors the left.
    """
    corners = template[faces]
    first, second = (np.linalg.norm(corners[:, i] - corners[:, i + 2], axis=1) for i in (0, 1))
    turned = (faces[:, 3] >= 0) & (second < first)
    left = np.flatnonzero(corners[..., 0].mean(1) > 0)
    cut = np.where(turned[left, None], faces[left][:, [1, 3]], faces[left][:, [0, 2]])
    place = {tuple(row): i for i, row in enumerate(np.sort(images[faces[left]], 1).tolist())}
    for face in np.flatnonzero((faces[:, 3] >= 0) & (corners[..., 0].mean(1) < 0)):
        mate = place.get(tuple(np.sort(faces[face]).tolist()))
        if mate is not None:
            turned[face] = faces[face, 0] not in images[cut[mate]]
    return turned


def _split(values: np.ndarray, faces: np.ndarray, turned: np.ndarray) -> np.ndarray:
    """What belongs to the triangles: of corners (F, 4) each one's three, of faces (F,) their own.

    ``faces`` (F, 4) are quads, or triangles padded with -1.
    """
    quads = np.flatnonzero(faces[:, 3] >= 0)
    if values.ndim == 1:
        return np.concatenate([values, values[quads]])
    values = np.where(turned[:, None], np.roll(values, -1, 1), values)
    return np.concatenate([values[:, :3], values[quads][:, [0, 2, 3]]])
