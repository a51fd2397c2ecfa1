"""A head as a file for other programs: a rigged glTF 2.0 binary, or a plain OBJ.

:func:`write_glb` writes what Blender, Unity, Unreal Engine and three.js read:

- metres, y up, the face towards +z: the axes of :mod:`mien.head.model`, a thousandth of its unit;
- one mesh, ``headMesh``, one primitive and material for each of ``MATERIALS``;
- 52 morph targets, named and ordered as ``mien.face.BLENDSHAPES`` (``mesh.extras.targetNames``);
- a skin with the bones ``root`` > ``head`` > ``eyeLeft``, ``eyeRight``: shoulders follow ``root``,
  the neck bends, each eyeball follows its own bone.

Morph targets add up, while lids and lips of a :class:`HeadModel` touch, which does not. So a target
is what the model does at weight 1 of that expression alone, with lids kept off the eyeballs, but:

- ``eyeLook...`` targets move the lids only, as far as they follow an eye turned by
  ``EYELOOK_DEGREES``. The bones turn the eyeballs: targets that moved them as well would turn them
  twice, and flatten them on the way, since a target moves on straight lines.
- ``mouthClose`` is what it does to a mouth that ``jawOpen`` has opened. Equal weights of the two
  keep the lips together while the jaw drops, which is what ARKit means by it.

What is left of non-linearity is lost: sums that press lips or lids through each other
(``eyeBlink`` with ``eyeLookDown``, say) do so a little.
"""

import io
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import mien
from mien.face import BLENDSHAPES, Motion
from mien.head.model import EYELOOK_DEGREES, MATERIALS, HeadModel
from mien.head.shading import vertex_normals
from mien.media.files import atomic
from mien.media.image import write_image

Textures = Mapping[str, np.ndarray]
"""Images (h, w, 3) uint8 sRGB by name of the material, any of ``MATERIALS``; see ``HeadModel.uv``.
A material without one gets its colour of ``FLAT``."""

FLAT = {"face": (205, 164, 142), "back": (205, 164, 142), "mouth": (158, 78, 76),
        "teeth": (232, 224, 206), "sclera": (236, 231, 226), "iris": (96, 68, 48),
        "pupil": (10, 9, 9)}  # fmt: skip
"""sRGB colours of materials without a texture."""

ROUGHNESS = {"face": 0.6, "back": 0.6, "mouth": 0.4, "teeth": 0.3, "sclera": 0.2, "iris": 0.2,
             "pupil": 0.2}  # fmt: skip

BONES = ("root", "head", "eyeLeft", "eyeRight")
METRES = 0.001  # per millimetre
FARTHEST = 1e6  # mm; beyond, single precision gives out
LEAST_MOVE = 1e-6  # metres; what is less stays in place in a morph target
LEAST_TURN = 1e-3  # of a unit normal
JPEG_QUALITY = 95
LARGEST_TEXTURE = 16384  # pixels a side, what graphics hardware takes

SYNTHETIC = {
    "synthetic": True,
    "note": "Computer-generated head. It may resemble a real person whose photo it was made from.",
}
COPYRIGHT = (
    "Geometry derived from the ICT Face Model Light (ICT-FaceKit), "
    "Copyright (c) 2020 USC Institute for Creative Technologies, MIT License"
)

# What glTF 2.0 calls things by number (section 5, the properties' reference).
COMPONENTS = {np.dtype("f4"): 5126, np.dtype("u4"): 5125, np.dtype("u2"): 5123,
              np.dtype("u1"): 5121}  # fmt: skip
ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER = 34962, 34963
CLAMPED = {"magFilter": 9729, "minFilter": 9987, "wrapS": 33071, "wrapT": 33071}
MAGIC, JSON_CHUNK, BINARY_CHUNK = b"glTF", b"JSON", b"BIN\0"


def write_glb(
    path: str | Path,
    model: HeadModel,
    identity: np.ndarray | None = None,
    textures: Textures | None = None,
    motion: Motion | None = None,
) -> None:
    """Write a head in its neutral pose, rigged, as a ``.glb``; the top of this module says how.

    Args:
        identity: (k,) standard deviations; None is the mean head.
        motion: becomes an animation, with linear interpolation: weights of the 52 targets and
            rotations of the head and the eyes; without gaze the eyes turn as far as ``eyeLook``
            says. Frames without a face get no key, so that the frames around them are joined.

    Raises ValueError, and writes nothing, for an identity that is not one vector, for textures that
    are no images or of no material, for a motion without a single face, and for values that are
    not finite; MienError when the file cannot be written.
    """
    if identity is not None and np.ndim(identity) != 1:
        raise ValueError(f"identity must be (k,), not {np.shape(identity)}")
    pictures = _checked(textures)
    with np.errstate(all="ignore"):  # what overflows here is refused with the rest
        content = _gltf(model, identity, pictures, motion)
    with atomic(path) as temporary:
        temporary.write_bytes(content)


def write_obj(
    path: str | Path,
    model: HeadModel,
    vertices: np.ndarray,
    textures: Textures | None = None,
) -> None:
    """Write a head as ``NAME.obj`` with ``NAME.mtl`` and a ``NAME_MATERIAL.png`` for each texture.

    Args:
        vertices: (V, 3) mm, of any expression and pose, as ``HeadModel.vertices`` gives them.

    Raises ValueError, and writes nothing, for vertices of another shape or not finite, for textures
    that are no images or of no material, and for a line break in the file's name; MienError when a
    file cannot be written.
    """
    path = Path(path)
    vertices = np.asarray(vertices)
    if vertices.shape != model.template.shape:
        raise ValueError(f"vertices must be {model.template.shape}, not {vertices.shape}")
    _require_finite(vertices, "vertices")
    if len(path.name.splitlines()) != 1:
        raise ValueError(f"{path.name!r}: a line break in the name of an OBJ file")
    pictures = _checked(textures)

    for material, image in pictures.items():
        write_image(_texture_path(path, material), image)
    _write_text(path.with_suffix(".mtl"), _mtl(path, pictures))
    _write_text(path, _obj(path, model, vertices))


def _checked(textures: Textures | None) -> dict[str, np.ndarray]:
    pictures = dict(textures or {})
    unknown = sorted(set(pictures) - set(MATERIALS))
    if unknown:
        raise ValueError(f"no such material: {', '.join(unknown)}")
    for material, image in pictures.items():
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(f"texture of {material}: (h, w, 3) uint8, not {image.shape} "
                             f"{image.dtype}")  # fmt: skip
        if not 1 <= min(image.shape[:2]) <= max(image.shape[:2]) <= LARGEST_TEXTURE:
            raise ValueError(f"texture of {material}: 1 to {LARGEST_TEXTURE} pixels a side, "
                             f"not {image.shape[:2]}")  # fmt: skip
    return pictures


def _require_finite(values: np.ndarray, what: str) -> None:
    if not np.isfinite(values).all():
        raise ValueError(f"{what}: not all values are finite")


# -- glTF --------------------------------------------------------------------------------------


class _Binary:
    """The binary part of a glTF file while it grows, with the views and accessors into it."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def view(self, content: bytes, target: int | None = None) -> int:
        """Append bytes; the index of their view."""
        self.data += bytes(-len(self.data) % 4)
        view = {"buffer": 0, "byteOffset": len(self.data), "byteLength": len(content)}
        self.views.append(view if target is None else {**view, "target": target})
        self.data += content
        return len(self.views) - 1

    def accessor(self, values: np.ndarray, target: int | None = None, bounds: bool = False) -> int:
        """Append an array: (n,) scalars, (n, k) vectors or (n, 4, 4) matrices, columns first."""
        _require_finite(values, "head")
        kind = {1: "SCALAR", 2: f"VEC{values.shape[-1]}", 3: "MAT4"}[values.ndim]
        entry = {
            "bufferView": self.view(values.tobytes(), target),
            "componentType": COMPONENTS[values.dtype],
            "count": len(values),
            "type": kind,
        }
        return self._add({**entry, **_bounds(values)} if bounds else entry)

    def sparse(self, targets: np.ndarray, least: float) -> list[int]:
        """Append displacements (t, n, 3); an accessor for each of t, with those above ``least``."""
        _require_finite(targets, "morph targets")
        moved = np.abs(targets).max(-1) > least
        zeros = self._add(_vectors(np.zeros_like(targets[0])))
        if not moved.any():
            return [zeros] * len(targets)
        rows = np.nonzero(moved)[1].astype("u2" if targets.shape[1] <= 65535 else "u4")
        indices = self.view(rows.tobytes())
        values = self.view(targets[moved].tobytes())
        counts = moved.sum(1)
        starts = np.cumsum(counts) - counts
        accessors = []
        for target, mask, count, start in zip(
            targets, moved, counts.tolist(), starts.tolist(), strict=True
        ):
            places = {
                "bufferView": indices,
                "byteOffset": start * rows.itemsize,
                "componentType": COMPONENTS[rows.dtype],
            }
            there = {"bufferView": values, "byteOffset": start * target[0].nbytes}
            entry = _vectors(np.where(mask[:, None], target, 0))
            entry["sparse"] = {"count": count, "indices": places, "values": there}
            accessors.append(self._add(entry) if count else zeros)
        return accessors

    def _add(self, accessor: dict[str, Any]) -> int:
        self.accessors.append(accessor)
        return len(self.accessors) - 1


def _vectors(values: np.ndarray) -> dict[str, Any]:
    """An accessor for (n, 3) vectors whose data are elsewhere, or 0."""
    component = COMPONENTS[values.dtype]
    return {"componentType": component, "count": len(values), "type": "VEC3", **_bounds(values)}


def _bounds(values: np.ndarray) -> dict[str, list[float]]:
    rows = values.reshape(len(values), -1)
    return {"min": rows.min(0).tolist(), "max": rows.max(0).tolist()}


def _gltf(
    model: HeadModel,
    identity: np.ndarray | None,
    pictures: dict[str, np.ndarray],
    motion: Motion | None,
) -> bytes:
    """The whole ``.glb``."""
    shape = model.neutral(identity)
    if not np.abs(shape).max() < FARTHEST:
        raise ValueError("identity: a head that is too large, or not all values are finite")
    neutral = model.animate(shape)
    binary = _Binary()
    used = np.unique(model.material)
    nodes = _nodes(model, neutral)
    document: dict[str, Any] = {
        "asset": {
            "version": "2.0",
            "generator": f"mien {mien.__version__}",
            "copyright": COPYRIGHT,
            "extras": SYNTHETIC,
        },
        "scene": 0,
        "scenes": [{"nodes": [0, 1]}],
        "nodes": nodes,
        "meshes": [
            {
                "name": "headMesh",
                "primitives": _primitives(model, neutral, _targets(model, shape), used, binary),
                "extras": {
                    "targetNames": list(BLENDSHAPES),
                    "units": "metres; weights 0..1",
                    "eyeLook": "moves the lids; eyeLeft and eyeRight turn the eyes",
                    "eyeLookDegrees": EYELOOK_DEGREES,
                    "mouthClose": "closes what jawOpen of the same weight opens",
                },
            }
        ],
        "skins": [
            {
                "name": "headSkin",
                "joints": [1, 2, 3, 4],
                "skeleton": 1,
                "inverseBindMatrices": binary.accessor(_inverse_binds(nodes)),
            }
        ],
        "materials": [],
    }
    if motion is not None:
        document["animations"] = [_animation(model, motion, binary)]
    for material in used:
        _add_material(document, MATERIALS[material], pictures, binary)
    document |= {
        "accessors": binary.accessors,
        "bufferViews": binary.views,
        "buffers": [{"byteLength": len(binary.data)}],
    }
    return packed(document, bytes(binary.data))


def packed(document: dict[str, Any], data: bytes) -> bytes:
    """The container of glTF 2.0, section 4: a header, then chunks of whole words."""
    text = json.dumps(document, allow_nan=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    data += bytes(-len(data) % 4)
    chunks = [
        struct.pack("<I", len(chunk)) + name + chunk
        for name, chunk in ((JSON_CHUNK, text), (BINARY_CHUNK, data))
    ]
    return struct.pack("<4sII", MAGIC, 2, 12 + sum(map(len, chunks))) + b"".join(chunks)


def _nodes(model: HeadModel, neutral: np.ndarray) -> list[dict[str, Any]]:
    """The mesh, then ``BONES``, each where it turns; a bone's place is relative to its parent."""
    pivot = model.neck_pivot.astype(np.float64)
    balls = neutral[model.eyes.vertices].astype(np.float64)
    centres = np.einsum("en,enc->ec", model.eyes.centre, balls)
    _require_finite(centres, "head")
    left, right = (centres - pivot) * METRES
    return [
        {"name": "headMesh", "mesh": 0, "skin": 0},
        {"name": "root", "children": [2]},
        {"name": "head", "children": [3, 4], "translation": (pivot * METRES).tolist()},
        {"name": "eyeLeft", "translation": left.tolist()},
        {"name": "eyeRight", "translation": right.tolist()},
    ]


def _inverse_binds(nodes: list[dict[str, Any]]) -> np.ndarray:
    """(4, 4, 4) float32: from the mesh to each bone at rest, columns first."""
    _, root, head, left, right = (np.array(node.get("translation", (0, 0, 0))) for node in nodes)
    matrices = np.tile(np.eye(4, dtype=np.float32), (len(BONES), 1, 1))
    matrices[:, 3, :3] = -np.stack([root, root + head, root + head + left, root + head + right])
    return matrices


def _targets(model: HeadModel, shape: np.ndarray) -> np.ndarray:
    """Displacements (52, V, 3) mm of the morph targets; see the top of this module.

    shape: (V, 3) mm, ``HeadModel.neutral`` of the identity.
    """
    jaw, close = BLENDSHAPES.index("jawOpen"), BLENDSHAPES.index("mouthClose")
    weights = np.eye(len(BLENDSHAPES), dtype=np.float32)
    weights[close, jaw] = 1
    targets = model.animate(shape, weights) - model.animate(shape)
    targets[close] -= targets[jaw]
    balls = model.eyes.vertices.ravel()
    targets[:, balls] = model.expression[: len(BLENDSHAPES), balls]
    return targets


def _primitives(
    model: HeadModel, neutral: np.ndarray, targets: np.ndarray, used: np.ndarray, binary: _Binary
) -> list[dict[str, Any]]:
    """One for each material in ``used``, with vertices of its own."""
    normals = vertex_normals(neutral, model.triangles)
    turns = vertex_normals(neutral + targets, model.triangles) - normals
    normals[~normals.any(1)] = (0, 0, 1)  # a vertex without area around it; glTF wants unit length
    joints, weights = _skinning(model)
    primitives = []
    for index, material in enumerate(used):
        vertices, uv, triangles = _split(model, material)
        places = binary.sparse(targets[:, vertices] * np.float32(METRES), LEAST_MOVE)
        directions = binary.sparse(turns[:, vertices], LEAST_TURN)
        positions = neutral[vertices] * np.float32(METRES)
        attributes = {
            "POSITION": binary.accessor(positions, ARRAY_BUFFER, bounds=True),
            "NORMAL": binary.accessor(normals[vertices], ARRAY_BUFFER),
            "TEXCOORD_0": binary.accessor(uv, ARRAY_BUFFER),
            "JOINTS_0": binary.accessor(joints[vertices], ARRAY_BUFFER),
            "WEIGHTS_0": binary.accessor(weights[vertices], ARRAY_BUFFER),
        }
        primitives.append(
            {
                "attributes": attributes,
                "indices": binary.accessor(triangles, ELEMENT_ARRAY_BUFFER),
                "material": index,
                "targets": [
                    {"POSITION": place, "NORMAL": direction}
                    for place, direction in zip(places, directions, strict=True)
                ],
            }
        )
    return primitives


def _split(model: HeadModel, material: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The vertices of a material, one for each place in the texture.

    Returns:
        Indices (n,) of the model's vertices, their uv (n, 2) float32, v downwards, and triangles
        (3 m,) of them.
    """
    mine = model.material == material
    corners = np.stack([model.triangles[mine].ravel(), model.uv_triangles[mine].ravel()], 1)
    pairs, triangles = np.unique(corners, axis=0, return_inverse=True)
    u, v = model.uv[pairs[:, 1]].T
    kind = np.uint16 if len(pairs) <= 65535 else np.uint32  # the highest index means a restart
    return pairs[:, 0], np.stack([u, 1 - v], 1), triangles.ravel().astype(kind)


def _skinning(model: HeadModel) -> tuple[np.ndarray, np.ndarray]:
    """The bones (V, 4) uint8 that each vertex follows, indices into ``BONES``, and how far (V, 4)
    float32, sum 1."""
    joints = np.zeros((len(model.template), 4), np.uint8)
    weights = np.zeros((len(model.template), 4), np.float32)
    joints[:, 0] = model.neck_weights > 0
    weights[:, 0] = np.where(joints[:, 0], model.neck_weights, 1)
    weights[:, 1] = 1 - weights[:, 0]
    for bone, vertices in zip(("eyeLeft", "eyeRight"), model.eyes.vertices, strict=True):
        joints[vertices, 0] = BONES.index(bone)
        weights[vertices] = (1, 0, 0, 0)
    return joints, weights


def _add_material(
    document: dict[str, Any], material: str, pictures: dict[str, np.ndarray], binary: _Binary
) -> None:
    """Append a material and, where it has a picture, its texture and image."""
    surface: dict[str, Any] = {"metallicFactor": 0, "roughnessFactor": ROUGHNESS[material]}
    if material in pictures:
        textures = document.setdefault("textures", [])
        surface["baseColorTexture"] = {"index": len(textures)}
        textures.append({"name": material, "sampler": 0, "source": len(textures)})
        document["samplers"] = [CLAMPED]
        document.setdefault("images", []).append(
            {
                "name": material,
                "mimeType": "image/jpeg",
                "bufferView": binary.view(_jpeg(pictures[material])),
            }
        )
    else:
        surface["baseColorFactor"] = [*(_linear(value) for value in FLAT[material]), 1]
    document["materials"].append({"name": material, "pbrMetallicRoughness": surface})


def _jpeg(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return buffer.getvalue()


def _linear(value: int) -> float:
    """An sRGB value 0..255 as light 0..1 (IEC 61966-2-1)."""
    share = value / 255
    return round(share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4, 4)


# -- animation ---------------------------------------------------------------------------------


def _animation(model: HeadModel, motion: Motion, binary: _Binary) -> dict[str, Any]:
    """A motion as curves of the targets' weights and of the bones' rotations."""
    gaze = motion.gaze
    if gaze is None:
        gaze = model._gaze(model.expression_weights(motion.expression))
    curves = np.hstack([motion.expression, motion.pose, gaze.reshape(len(motion), 4)])
    seen = ~np.isnan(curves).any(1)
    if not seen.any():
        raise ValueError("motion: no frame with a face")
    _require_finite(curves[seen], "motion")

    seconds = (np.flatnonzero(seen) / motion.fps).astype(np.float32)
    times = binary.accessor(seconds, bounds=True)
    turns = [motion.pose[seen], gaze[seen, 0], gaze[seen, 1]]
    outputs = [
        (0, "weights", binary.accessor(motion.expression[seen].ravel())),
        *((node, "rotation", binary.accessor(quaternions(turn)))
          for node, turn in zip((2, 3, 4), turns, strict=True)),
    ]  # fmt: skip
    return {
        "name": "motion",
        "samplers": [
            {"input": times, "output": output, "interpolation": "LINEAR"} for *_, output in outputs
        ],
        "channels": [
            {"sampler": sampler, "target": {"node": node, "path": what}}
            for sampler, (node, what, _) in enumerate(outputs)
        ],
        "extras": {
            "fps": motion.fps,
            "frames": len(motion),
            "framesWithoutFace": int((~seen).sum()),
            "units": "seconds; weights 0..1; rotations as unit quaternions, the eyes' in the head",
        },
    }


def quaternions(angles: np.ndarray) -> np.ndarray:
    """Unit quaternions (n, 4) float32, x, y, z, w, of yaw, pitch and perhaps roll in degrees,
    (n, 2) or (n, 3).

    The same rotations as of :func:`mien.head.model.rotations`: yaw after pitch after roll.
    """
    half = np.zeros((3, len(angles)))
    half[: angles.shape[1]] = np.radians(angles.T.astype(np.float64)) / 2
    (cy, cp, cr), (sy, sp, sr) = np.cos(half), np.sin(half)
    sp, sr = -sp, -sr  # up and clockwise are negative turns about x and z
    return np.stack(
        [
            cy * sp * cr + sy * cp * sr,
            sy * cp * cr - cy * sp * sr,
            cy * cp * sr - sy * sp * cr,
            cy * cp * cr + sy * sp * sr,
        ],
        1,
    ).astype(np.float32)


# -- OBJ ---------------------------------------------------------------------------------------


def _texture_path(path: Path, material: str) -> Path:
    return path.with_name(f"{path.stem}_{material}.png")


def _obj(path: Path, model: HeadModel, vertices: np.ndarray) -> str:
    corners = np.stack([model.triangles, model.uv_triangles, model.triangles], -1) + 1
    lines = [
        f"# Computer-generated head, mien {mien.__version__}. {COPYRIGHT}.",
        "# Millimetres; y up, the face towards +z.",
        f"mtllib {path.with_suffix('.mtl').name}",
        *_rows("v %.4f %.4f %.4f", vertices),
        *_rows("vt %.6f %.6f", model.uv),
        *_rows("vn %.4f %.4f %.4f", vertex_normals(vertices, model.triangles)),
    ]
    for index, material in enumerate(MATERIALS):
        lines.append(f"usemtl {material}")
        mine = corners[model.material == index]
        lines += _rows("f %d/%d/%d %d/%d/%d %d/%d/%d", mine.reshape(len(mine), 9))
    return "\n".join(lines) + "\n"


def _mtl(path: Path, pictures: dict[str, np.ndarray]) -> str:
    lines = []
    for material, colour in FLAT.items():
        diffuse = (255, 255, 255) if material in pictures else colour
        lines += [f"newmtl {material}", "Kd {:.4f} {:.4f} {:.4f}".format(*np.divide(diffuse, 255))]
        if material in pictures:
            lines.append(f"map_Kd {_texture_path(path, material).name}")
    return "\n".join(lines) + "\n"


def _rows(form: str, table: np.ndarray) -> list[str]:
    return [form % tuple(row) for row in table.tolist()]


def _write_text(path: Path, text: str) -> None:
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
