"""Any head in a ``.glb`` whose morph targets have ARKit's names: read, and animated by a motion.

glTF 2.0, sections 3.7.2.2 (morph targets), 3.11 (animations) and 4 (the binary container). What the
file holds beside stays as it is; the animation is added to those that are there. Heads that mien
wrote turn and look by their bones as well; of other rigs the bones are not known, so their heads
stay, and their eyes look by ``eyeLook`` targets where they have such.
"""

import json
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np

from mien.errors import InputError
from mien.face import BLENDSHAPES, Motion
from mien.head.export import BINARY_CHUNK, JSON_CHUNK, MAGIC, packed, quaternions
from mien.head.fit import GAZE_CURVES, gaze_curves
from mien.media.files import atomic, check_readable

LARGEST = 1 << 30  # bytes
FLOAT = 5126  # what glTF calls it
LIKE = {re.sub("[^a-z]", "", name.lower()): i for i, name in enumerate(BLENDSHAPES)}


class AnimatedHead:
    """A head in a ``.glb``.

    names: of its targets that are curves of ``mien.face.BLENDSHAPES``, as the file writes them.

    Raises InputError when the file is no glTF 2.0 binary, or has no such targets.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = path
        self._document, self._data = _read(path)
        self._nodes = self._morphing()
        self.names = sorted({n for _, names in self._nodes for n in names if _curve(n) is not None})
        if not self.names:
            raise InputError(f"{path}: no morph targets with ARKit's names (jawOpen, ...) in it")

    def write(self, out: str | Path, motion: Motion, synthetic: bool = True) -> None:
        """Write the head with the motion as an animation ``speech``.

        Frames of the motion without a face get no key. synthetic: say so in the file.

        Raises ValueError for a motion without a single face, MienError when ``out`` cannot be
        written.
        """
        seen = np.isfinite(motion.expression).all(1) & np.isfinite(motion.pose).all(1)
        if not seen.any():
            raise ValueError("motion: no frame with a face")
        document = json.loads(json.dumps(self._document))
        made = _Added(document, self._data)
        times = made.accessor((np.flatnonzero(seen) / motion.fps)[:, None], bounds=True)
        curves = motion.expression[seen].copy()
        gaze = None if motion.gaze is None else motion.gaze[seen]
        if gaze is not None:
            curves[:, GAZE_CURVES] = gaze_curves(gaze)
        channels: list[tuple[int, str, int]] = [
            (node, "weights", made.accessor(self._weights(node, names, curves)))
            for node, names in self._nodes
        ]
        channels += [
            (node, "rotation", made.accessor(quaternions(angles)))
            for node, angles in self._turns(motion.pose[seen], gaze)
        ]
        document.setdefault("animations", []).append(_animation(times, channels))
        if synthetic:
            document["asset"].setdefault("extras", {})
            if isinstance(document["asset"]["extras"], dict):
                document["asset"]["extras"]["synthetic"] = True
        content = packed(document, made.finish())
        with atomic(out) as temporary:
            temporary.write_bytes(content)

    def _morphing(self) -> list[tuple[int, list[str]]]:
        """Nodes with meshes that have ARKit's targets, and the names of all targets of each."""
        meshes, found = self._document.get("meshes", []), []
        for number, node in enumerate(self._document.get("nodes", [])):
            if "mesh" in node:
                names = _target_names(meshes[node["mesh"]])
                if any(_curve(name) is not None for name in names):
                    found.append((number, names))
        return found

    def _weights(self, node: int, names: list[str], curves: np.ndarray) -> np.ndarray:
        """Weights (n * targets, 1) of all targets of a node; others than curves stay at rest."""
        entry = self._document["nodes"][node]
        rest = entry.get("weights") or self._document["meshes"][entry["mesh"]].get("weights")
        out = np.zeros((len(curves), len(names)), np.float32)
        out[:] = rest if rest and len(rest) == len(names) else 0
        for column, name in enumerate(names):
            curve = _curve(name)
            if curve is not None:
                out[:, column] = curves[:, curve]
        return out.reshape(-1, 1)

    def _turns(self, pose: np.ndarray, gaze: np.ndarray | None) -> list[tuple[int, np.ndarray]]:
        """Angles of the bones of a head that mien wrote."""
        if not str(self._document["asset"].get("generator", "")).startswith("mien "):
            return []
        bones = {node.get("name"): i for i, node in enumerate(self._document.get("nodes", []))}
        angles = {"head": pose}
        if gaze is not None:
            angles |= {"eyeLeft": gaze[:, 0], "eyeRight": gaze[:, 1]}
        return [(bones[name], turn) for name, turn in angles.items() if name in bones]


class _Added:
    """Values that are appended to the binary part of a file."""

    def __init__(self, document: dict[str, Any], data: bytes) -> None:
        self._document, self._data = document, bytearray(data)
        buffers = document.setdefault("buffers", [])
        if not buffers or "uri" in buffers[0]:  # what lies in the file itself is the first
            buffers.insert(0, {"byteLength": 0})
            for view in document.get("bufferViews", []):
                view["buffer"] += 1

    def accessor(self, values: np.ndarray, bounds: bool = False) -> int:
        """The number of an accessor for rows (n, 1 or 4)."""
        self._data += bytes(-len(self._data) % 4)
        rows = np.ascontiguousarray(values, np.float32)
        views = self._document.setdefault("bufferViews", [])
        views.append({"buffer": 0, "byteOffset": len(self._data), "byteLength": rows.nbytes})
        self._data += rows.tobytes()
        entry: dict[str, Any] = {
            "bufferView": len(views) - 1, "componentType": FLOAT, "count": len(rows),
            "type": "SCALAR" if rows.shape[1] == 1 else f"VEC{rows.shape[1]}",
        }  # fmt: skip
        if bounds:
            entry |= {"min": rows.min(0).tolist(), "max": rows.max(0).tolist()}
        accessors = self._document.setdefault("accessors", [])
        accessors.append(entry)
        return len(accessors) - 1

    def finish(self) -> bytes:
        self._document["buffers"][0]["byteLength"] = len(self._data)
        return bytes(self._data)


def _animation(times: int, channels: list[tuple[int, str, int]]) -> dict[str, Any]:
    return {
        "name": "speech",
        "samplers": [
            {"input": times, "output": output, "interpolation": "LINEAR"} for *_, output in channels
        ],
        "channels": [
            {"sampler": number, "target": {"node": node, "path": what}}
            for number, (node, what, _) in enumerate(channels)
        ],
    }


def _target_names(mesh: dict[str, Any]) -> list[str]:
    """The names of the targets of a mesh, where glTF files have them; as many as there are."""
    first = mesh["primitives"][0]
    count = len(first.get("targets", []))
    for place in (mesh, first):
        names = (place.get("extras") or {}).get("targetNames")
        if isinstance(names, list) and len(names) == count:
            return [str(name) for name in names]
    return []


def _curve(name: str) -> int | None:
    """The curve that a name means: ``jawOpen``, ``eyeBlink_L``, ``Mouth_Smile_Right``, ..."""
    plain = re.sub(r"[^a-z]", "", re.sub(r"[_. ]l$", "left", re.sub(
        r"[_. ]r$", "right", name.strip().lower()
    )))  # fmt: skip
    return LIKE.get(plain)


def _read(path: str | Path) -> tuple[dict[str, Any], bytes]:
    """The document and the binary part."""
    check_readable(path)
    if Path(path).stat().st_size > LARGEST:
        raise InputError(f"{path}: a head of more than a gigabyte")
    content = Path(path).read_bytes()
    try:
        magic, version, length = struct.unpack_from("<4sII", content)
        if magic != MAGIC or version != 2:
            raise InputError(f"{path}: not a glTF 2.0 binary (.glb)")
        chunks, at = {}, 12
        while at + 8 <= min(length, len(content)):
            size, kind = struct.unpack_from("<I4s", content, at)
            if at + 8 + size > len(content):
                raise InputError(f"{path}: truncated")
            chunks.setdefault(kind, content[at + 8 : at + 8 + size])
            at += 8 + size
        document = json.loads(chunks[JSON_CHUNK])
        _check(document)
    except (struct.error, KeyError, IndexError, TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: a damaged glTF file") from error
    return document, chunks.get(BINARY_CHUNK, b"")


def _check(document: Any) -> None:
    """Raise KeyError, IndexError, TypeError or ValueError unless what is used is there."""
    if not isinstance(document["asset"], dict):
        raise TypeError
    for name in ("nodes", "meshes", "animations", "accessors", "bufferViews", "buffers"):
        if not isinstance(document.get(name, []), list):
            raise TypeError(name)
    for node in document.get("nodes", []):
        if "mesh" in node:
            _target_names(document["meshes"][node["mesh"]])
    for view in document.get("bufferViews", []):
        view["buffer"] += 0
