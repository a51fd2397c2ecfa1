"""Published checkpoints: read without running what is in them, and loaded under our names.

Such files are pickles, and a pickle is a program. They are read by PyTorch's restricted reader,
which makes tensors and plain data and refuses all else. What training scripts like to add, their
arguments and paths, is read as :class:`Ignored`: nothing that a file names is imported or called.
"""

import pickle
import re
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from mien.errors import InputError
from mien.media.files import check_readable
from mien.train import checkpoint
from mien.train.system import System

Rule = tuple[str, str | None]
State = Mapping[str, torch.Tensor]
WRAPPER = "module."  # what DistributedDataParallel puts before each name
LARGEST = 16 << 30  # bytes of a file once unpacked


class Ignored:
    """Stands for an object of a checkpoint that is of no use here."""

    def __init__(self, *_: object):
        pass

    def __setstate__(self, _: object) -> None:
        pass


IGNORED = ("argparse.Namespace", "pathlib.Path", "pathlib.PosixPath", "pathlib.PurePosixPath",
           "pathlib._local.PosixPath", "pathlib.WindowsPath")  # fmt: skip


def read(file: Path, key: str | None = None) -> dict[str, torch.Tensor]:
    """The state dict of a checkpoint: safetensors, or a file of ``torch.save`` of any age.

    key: of the dictionary's entry that holds it, if the file has such an entry.

    Raises InputError where the file is no checkpoint, holds anything that would have to be run, or
    numbers that are not finite.
    """
    check_readable(file)
    if file.suffix == ".safetensors":
        return checkpoint.read_tensors(file)
    content = _unpacked(file)
    found = content.get(key, content) if isinstance(content, dict) else None
    if not isinstance(found, dict) or not found:
        raise InputError(f"{file}: not a checkpoint: it holds no state dict")
    for name, value in found.items():
        if not isinstance(value, torch.Tensor):
            wish = f" under {key!r}" if key else ""
            raise InputError(f"{file}: it holds no state dict{wish}: {name!r} is not a tensor")
        if value.is_floating_point() and not value.isfinite().all():
            raise InputError(f"{file}: {name} holds numbers that are not finite")
    return {str(name).removeprefix(WRAPPER): value for name, value in found.items()}


def _unpacked(file: Path) -> Any:
    try:
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                if sum(part.file_size for part in archive.infolist()) > LARGEST:
                    raise InputError(f"{file}: it unpacks to more than {LARGEST >> 30} GB")
        with torch.serialization.safe_globals([(Ignored, name) for name in IGNORED]):
            return torch.load(file, "cpu", weights_only=True)
    except InputError:
        raise
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL ([\w.]+)|global (?:[\w.]+ )?([\w.]+)", str(error))
        reason = f"it names {named[1] or named[2]}, which was not run" if named else "a broken file"
        raise InputError(f"{file}: not a checkpoint of plain tensors: {reason}") from error
    except Exception as error:  # on damaged data the reader raises nearly anything
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"{file}: not a checkpoint: {reason}") from error


def rename(state: Mapping[str, torch.Tensor], rules: Iterable[Rule]) -> dict[str, torch.Tensor]:
    """A state dict under new names; nothing is passed on, or left out, that no rule speaks of.

    A rule is a regular expression for a whole name and what to put there, None to leave it out;
    the first that fits counts. Raises InputError for a name that no rule fits.
    """
    compiled = [(re.compile(pattern), new) for pattern, new in rules]
    renamed = {}
    for name, value in state.items():
        for pattern, new in compiled:
            match = pattern.fullmatch(name)
            if match:
                if new is not None:
                    renamed[match.expand(new)] = value
                break
        else:
            raise InputError(f"{name}: not a tensor of this system's published checkpoints")
    return renamed


def check(system_type: type[System], file: Path) -> None:
    """Raise InputError where a file is no published checkpoint of this system; fills nothing."""
    with torch.device("meta"):
        _built(system_type, file, matched)


def built(system_type: type[System], file: Path, *, to_predict: bool = False) -> System:
    """A system of the size of a published checkpoint, with its weights.

    to_predict: refuse weights that were only pre-trained.

    Raises InputError, which names the file, where it is no checkpoint of this system.
    """
    system, predicts = _built(system_type, file, load_official)
    if to_predict and not predicts:
        slug = system_type.CARD.slug
        raise InputError(
            f"{file}: pre-trained weights of {slug}, which say nothing yet: train on from them, "
            f"with `mien train {slug} --start {file}`"
        )
    return system.eval()


def _built(
    system_type: type[System], file: Path, use: Callable[[System, State, tuple[str, ...]], object]
) -> tuple[System, bool]:
    """The system that a file is for, and whether it can predict, after ``use`` of its tensors."""
    state = read(file, system_type.STATE_KEY)
    try:
        holds = system_type.published(state)
        system = system_type(holds.config)
        use(system, state, holds.absent)
    except (InputError, LookupError, ValueError, TypeError, RuntimeError) as error:
        reason = str(error) if isinstance(error, InputError) else "its tensors have other shapes"
        slug = system_type.CARD.slug
        raise InputError(f"{file}: not published weights of {slug}: {reason}") from error
    return system, holds.predicts


def start(system: System, file: Path) -> None:
    """Begin with a published checkpoint, which may lack heads that are trained anew.

    Raises InputError where it is none of this system at this size.
    """
    state = read(file, system.STATE_KEY)
    try:
        load_official(system, state, system.published(state).absent)
    except (InputError, LookupError, ValueError) as error:
        raise InputError(f"{file}: {error}") from error


def load_official(system: System, state: State, absent: tuple[str, ...] = ()) -> None:
    """Load a published state dict into a system.

    absent: prefixes of the parts that this checkpoint may lack, whose values stay as they are.

    Raises InputError unless every tensor finds its place, in its shape, and no other is missing.
    """
    system.load_state_dict(matched(system, state, absent), strict=False)


def matched(system: System, state: State, absent: tuple[str, ...] = ()) -> dict[str, torch.Tensor]:
    """The tensors of a published state dict under the names of a system.

    Raises InputError unless every tensor finds its place, in its shape, and no other is missing.
    """
    found = system.from_official(state)
    wanted = system.state_dict()
    for name, value in found.items():
        if name not in wanted:
            raise InputError(f"{name}: not a part of {system.CARD.slug} at this size")
        if value.shape != wanted[name].shape:
            shapes = f"{tuple(value.shape)}, expected {tuple(wanted[name].shape)}"
            raise InputError(f"{name}: shape {shapes}")
    missing = [n for n in wanted if n not in found and not (absent and n.startswith(absent))]
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing:
        raise InputError(f"{missing[0]}: missing in the checkpoint, and {len(missing) - 1} more")
    return found
