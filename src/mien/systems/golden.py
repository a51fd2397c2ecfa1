"""Golden files: what a published network computes when its weights follow from their names.

A ``.npz`` holds ``meta`` (JSON: slug, network, config, options, shapes, notes), constants
``kept__*``, inputs ``in__*``, outputs ``out__*`` and intermediates ``mid__*``. Every other tensor
of the state dict is filled by a rule, from its name and shape alone, so that no weights are needed
to compare an implementation with the published one.
"""

import json
import re
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mien.errors import InputError
from mien.media.files import check_readable

NUMBERS = 1_000_000_000  # more than any published network here; larger shapes are refused
BYTES = 4 << 30  # of a golden file once unpacked
BROKEN = (zipfile.BadZipFile, zlib.error, ValueError, TypeError, AttributeError, ArithmeticError,
          EOFError, OSError, MemoryError, RecursionError, NotImplementedError)  # fmt: skip


@dataclass(frozen=True)
class Golden:
    """A golden file that was read."""

    path: Path
    slug: str
    network: str
    config: Mapping[str, Any]
    options: Mapping[str, Any]
    shapes: Mapping[str, tuple[int, ...]]  # of the published state dict
    gain: Mapping[str, float]  # factors of weights that the published code scales down again
    slices: Mapping[str, str]  # what was recorded of a larger tensor, such as "[:, ::2]"
    kept: Mapping[str, torch.Tensor]
    omitted: tuple[str, ...]  # constants that are too large to be stored
    inputs: Mapping[str, torch.Tensor]
    results: Mapping[str, np.ndarray]  # by their whole names: out__x, mid__y

    def state(self) -> dict[str, torch.Tensor]:
        """The published state dict, filled."""
        return {
            name: self.kept[name] if name in self.kept else torch.from_numpy(
                np.float32(self.gain.get(name, 1)) * filled(name, shape)
            )
            for name, shape in self.shapes.items()
            if name not in self.omitted
        }  # fmt: skip

    def largest_index(self, prefix: str) -> int:
        """The largest number that follows ``prefix.`` in the published names, -1 if none does."""
        pattern = re.compile(re.escape(prefix) + r"\.(\d+)\.")
        largest = max((int(m[1]) for m in map(pattern.match, self.shapes) if m), default=-1)
        if largest >= len(self.shapes):
            raise InputError(f"{prefix}.{largest} is named, but not all that comes before it")
        return largest


@dataclass(frozen=True)
class Replay:
    """How a system does again what a golden file records of one of its networks.

    config: the system's config from the file. run: names (without ``out__`` and ``mid__``) ->
    whole tensors. absent: prefixes of the system's parts that the published network does not have.
    """

    config: Callable[[Golden], Any]
    run: Callable[[Any, Golden], dict[str, torch.Tensor]]
    absent: tuple[str, ...] = ()


def filled(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The float32 array that stands for the tensor ``name`` of a published network.

    Matrices and kernels have variance 1 / fan-in, ``weight`` vectors are near 1, ``running_var``
    lies in 0.5..1.5, all else has a standard deviation of 0.1. The seed is the name's CRC-32.
    """
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if name.endswith("running_var"):
        values = 0.5 + rng.random(shape)
    elif len(shape) >= 2:
        values = rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
    elif name.endswith("weight") and len(shape) == 1:
        values = 1.0 + 0.1 * rng.standard_normal(shape)
    else:
        values = 0.1 * rng.standard_normal(shape)
    return np.asarray(values, np.float32)


def read(path: str | Path) -> Golden:
    """Read a golden file; InputError names the file and what is wrong with it."""
    path = Path(path)
    check_readable(path)
    try:
        return _parse(path, _arrays(path))
    except KeyError as error:
        raise InputError(f"{path}: not a golden file: it has no {error}") from error
    except BROKEN as error:
        raise InputError(f"{path}: not a golden file: {error}") from error


def _arrays(path: Path) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(path) as archive:
        if sum(part.file_size for part in archive.infolist()) > BYTES:
            raise ValueError(f"it unpacks to more than {BYTES >> 30} GB")
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _parse(path: Path, arrays: dict[str, np.ndarray]) -> Golden:
    meta = json.loads(str(arrays["meta"]))
    shapes = {str(name): tuple(map(int, shape)) for name, shape in meta["shapes"].items()}
    if sum(int(np.prod(shape, dtype=object)) for shape in shapes.values()) > NUMBERS:
        raise ValueError(f"its network has more than {NUMBERS:,} numbers")
    if any(size < 0 for shape in shapes.values() for size in shape):
        raise ValueError("a shape is negative")
    slices = {name: entry["slice"] for name, entry in (meta.get("slices") or {}).items()}
    return Golden(
        path=path,
        slug=str(meta["slug"]),
        network=str(meta["network"]),
        config=dict(meta.get("config") or {}),
        options=dict(meta.get("options") or {}),
        shapes=shapes,
        gain={name: float(factor) for name, factor in (meta.get("gain") or {}).items()},
        slices=slices,
        kept={n: torch.from_numpy(a) for n, a in _named(arrays, "kept__").items()},
        omitted=tuple(meta.get("kept_not_stored") or meta.get("kept_omitted") or ()),
        inputs={n: torch.from_numpy(a) for n, a in _named(arrays, "in__").items()},
        results={n: a for n, a in arrays.items() if n.startswith(("out__", "mid__"))},
    )


def _named(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}
