"""From the names of a published checkpoint to the names of a system here."""

import re
from collections.abc import Iterable, Mapping

import torch

from mien.errors import InputError
from mien.train.system import System

Rule = tuple[str, str | None]


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


def load_official(
    system: System, state: Mapping[str, torch.Tensor], absent: tuple[str, ...] = ()
) -> None:
    """Load a published state dict into a system.

    absent: prefixes of the parts that this checkpoint may lack, whose values stay as they are.

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
    system.load_state_dict(found, strict=False)
