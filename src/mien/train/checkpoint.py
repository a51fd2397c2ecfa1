"""Checkpoints: safetensors and a small JSON file that says what they are; nothing is unpickled.

The tensors are written first, the JSON file, which holds their hash, after them: a checkpoint is
there, whole, or it is not. A damaged one is an error, not a reason to take an older one silently.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch.distributed.tensor import DTensor, distribute_tensor

from mien.errors import InputError
from mien.media.files import atomic, check_readable
from mien.train.system import System

Tensors = dict[str, torch.Tensor]


def file_of(path: Path, kind: Literal["json", "safetensors"]) -> Path:
    """One of the two files of a checkpoint, whose name may have dots in it."""
    return path.with_name(f"{path.name}.{kind}")


def save(path: Path, tensors: Mapping[str, torch.Tensor], state: Mapping[str, Any]) -> None:
    """Write ``path``.safetensors and ``path``.json, each whole or not at all."""
    file = file_of(path, "safetensors")
    save_tensors(tensors, file)
    with atomic(file_of(path, "json")) as temporary:
        text = json.dumps({**state, "sha256": _digest(file)}, indent=2)
        temporary.write_text(text + "\n", "utf-8")


def read_state(path: Path) -> dict[str, Any]:
    """What the JSON file of a checkpoint says; InputError if it is damaged."""
    file = file_of(path, "json")
    check_readable(file)
    try:
        return dict(json.loads(file.read_text("utf-8")))
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{file}: a damaged checkpoint: {error}") from error


def load(path: Path, state: Mapping[str, Any]) -> Tensors:
    """The tensors of a checkpoint whose state was read, after checking their hash."""
    file = file_of(path, "safetensors")
    check_readable(file)
    if _digest(file) != state.get("sha256"):
        raise InputError(
            f"{file}: a damaged checkpoint; without it and its .json the run goes on from the one "
            "before"
        )
    return read_tensors(file)


def remove(path: Path) -> None:
    """Remove a checkpoint, the JSON file first."""
    file_of(path, "json").unlink(missing_ok=True)
    file_of(path, "safetensors").unlink(missing_ok=True)


def save_tensors(
    tensors: Mapping[str, torch.Tensor], target: Path, about: Mapping[str, str] | None = None
) -> None:
    """Write a safetensors file, whole or not at all; ``about`` is its metadata."""
    own: set[int] = set()
    plain = {}
    for name, value in tensors.items():
        value = value.detach().cpu().contiguous()
        # A weight that two parts share is written twice: the format knows no sharing.
        plain[name] = value.clone() if value.data_ptr() in own else value
        own.add(value.data_ptr())
    with atomic(target) as path:
        save_file(plain, path, dict(about) if about else None)


def read_tensors(file: Path) -> Tensors:
    """The tensors of a safetensors file, all of them finite; InputError if it is no such file."""
    check_readable(file)
    try:
        tensors = load_file(file)
    except (SafetensorError, ValueError, RuntimeError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{file}: not a whole safetensors file: {reason}") from error
    for name, value in tensors.items():
        if value.is_floating_point() and not value.isfinite().all():
            raise InputError(f"{file}: {name} holds numbers that are not finite")
    return tensors


def about(system: System) -> dict[str, str]:
    """What the file of a system's weights says of them: whose they are, at which size."""
    return {"system": system.CARD.slug, "config": json.dumps(asdict(system.config))}


def told(file: Path) -> tuple[str, dict[str, Any]] | None:
    """The slug and the config that :func:`about` put into a file; None where there are none.

    Raises InputError if it is no whole safetensors file, or they are damaged.
    """
    check_readable(file)
    try:
        with safe_open(file, "pt") as opened:
            metadata = opened.metadata() or {}
        if not {"system", "config"} <= metadata.keys():
            return None
        return metadata["system"], dict(json.loads(metadata["config"]))
    except (SafetensorError, ValueError, TypeError, RecursionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{file}: not a whole safetensors file: {reason}") from error


def fill(module: torch.nn.Module, tensors: Mapping[str, torch.Tensor], source: Path) -> None:
    """Load a state dict; InputError, in one line, if it is that of something else."""
    require_fitting(module, tensors, source)
    module.load_state_dict(dict(tensors))


def require_fitting(
    module: torch.nn.Module, tensors: Mapping[str, torch.Tensor], source: Path
) -> None:
    """Raise InputError, in one line, where a state dict is that of something else."""
    wanted = module.state_dict()
    wrong = [name for name in wanted if name not in tensors] or [
        name for name in tensors if name not in wanted or wanted[name].shape != tensors[name].shape
    ]
    if wrong:
        name = type(module).__name__
        raise InputError(f"{source}: not weights of {name} at this size ({wrong[0]} differs)")


def whole(value: torch.Tensor) -> torch.Tensor:
    """All of a tensor; one that is sharded is gathered, by all processes at once."""
    return value.full_tensor() if isinstance(value, DTensor) else value


def spread(value: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """A whole tensor in shares as ``like`` is, if that is sharded."""
    if not isinstance(like, DTensor):
        return value
    return distribute_tensor(value.to(like.device), like.device_mesh, like.placements)


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def flatten(optimiser: torch.optim.Optimizer, names: list[str]) -> Tensors:
    """The whole state of an optimiser, by the names of its parameters."""
    state = optimiser.state_dict()["state"]
    return {
        f"{names[i]}/{key}": whole(value)
        for i, slots in state.items()
        for key, value in slots.items()
        if value is not None
    }


def unflatten(optimiser: torch.optim.Optimizer, names: list[str], tensors: Tensors) -> None:
    """Undo :func:`flatten`."""
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    index = {name: i for i, name in enumerate(names)}
    state: dict[int, Tensors] = {}
    for name, value in tensors.items():
        parameter, _, key = name.rpartition("/")
        i = index[parameter]
        if value.ndim:  # fused kernels take moments to be laid out in memory as the parameter is
            value = torch.empty_like(parameters[i]).copy_(spread(value, parameters[i]))
        state.setdefault(i, {})[key] = value
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": state, "param_groups": groups})


def part(tensors: Tensors, prefix: str) -> Tensors:
    """The tensors under a prefix, without it."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
