"""Parity: how far a system is from the published code, by a golden file (``mien parity``)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

import numpy as np
import torch

from mien.errors import InputError, MienError
from mien.systems import available, load
from mien.systems.golden import Golden
from mien.systems.official import load_official

# What building or running raises where a file asks for what the network cannot be or take.
UNFIT = (LookupError, ValueError, TypeError, AttributeError, ArithmeticError, RuntimeError,
         AssertionError)  # fmt: skip


@dataclass(frozen=True)
class Difference:
    """The largest error of one output or intermediate, and the range of what was recorded."""

    name: str
    error: float
    range: float

    @property
    def relative(self) -> float:
        """The error in parts of the range."""
        return self.error / self.range


def compare(golden: Golden) -> list[Difference]:
    """Build the network that a golden file names, run its inputs and compare all that it records.

    The system is built at the recorded config and loads the filled published state dict through
    its own importer. Raises InputError, with the file's name, where one of this cannot be done.
    """
    try:
        computed = _replayed(golden)
        return list(_differences(golden, computed))
    except MienError as error:
        raise InputError(f"{golden.path}: {error}") from error
    except UNFIT as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InputError(f"{golden.path}: it cannot be replayed: {reason}") from error


def _replayed(golden: Golden) -> dict[str, torch.Tensor]:
    if golden.slug not in available():
        raise InputError(f"its system, {golden.slug!r}, is not in mien")
    system_type = load(golden.slug)
    replays = system_type.replays()
    if golden.network not in replays:
        known = ", ".join(replays) or "none"
        raise InputError(
            f"{golden.slug} has no network {golden.network!r} to replay; it has {known}"
        )
    replay = replays[golden.network]
    system = system_type(replay.config(golden)).eval()
    omitted = system_type.from_official({n: torch.empty(()) for n in golden.omitted})
    load_official(system, golden.state(), (*replay.absent, *omitted))
    return replay.run(system, golden)


def _differences(golden: Golden, computed: dict[str, torch.Tensor]) -> Iterator[Difference]:
    if not golden.results:
        raise InputError("it records no output")
    for name, recorded in golden.results.items():
        short = name.partition("__")[2]
        if short not in computed:
            raise InputError(f"{golden.slug} does not compute {name}; it has {', '.join(computed)}")
        values = computed[short].detach().numpy()
        part = _recorded_part(values, recorded.shape, golden.slices.get(name), name)
        yield difference(name, part, recorded)


def difference(name: str, values: np.ndarray, recorded: np.ndarray) -> Difference:
    """How far ``values`` are from what was recorded; a NaN on one side only is infinitely far.

    A constant, whose range would be 0, counts by its size.
    """
    if not recorded.size:
        return Difference(name, 0.0, 1.0)
    values, recorded = values.astype(np.float64), recorded.astype(np.float64)
    gaps = np.where(np.isnan(values) & np.isnan(recorded), 0.0, np.abs(values - recorded))
    error = float(np.max(np.where(np.isnan(gaps), np.inf, gaps)))
    real = recorded[np.isfinite(recorded)]
    span = float(np.ptp(real)) if real.size else 0.0
    return Difference(name, error, span or float(np.max(np.abs(real), initial=0.0)) or 1.0)


def _recorded_part(
    values: np.ndarray, shape: tuple[int, ...], slices: str | None, name: str
) -> np.ndarray:
    """What was recorded of a whole tensor: by the noted slice, else every n-th along each axis."""
    if slices is not None:
        values = values[_parsed(slices)]
    elif len(shape) == values.ndim:
        steps = (_step(whole, part) for whole, part in zip(values.shape, shape, strict=True))
        values = values[tuple(slice(None, None, step) for step in steps)]
    if values.shape != shape:
        raise InputError(f"{name}: shape {values.shape}, but {shape} was recorded")
    return values


def _step(whole: int, part: int) -> int:
    """The smallest step that leaves ``part`` of ``whole`` places; 1 where none does."""
    if not 0 < part < whole:
        return 1
    step = ceil(whole / part)
    return step if ceil(whole / step) == part else 1


def _parsed(slices: str) -> tuple[slice, ...]:
    """``"[:, ::2]"`` -> (slice(None), slice(None, None, 2))."""
    parts = slices.strip().removeprefix("[").removesuffix("]").split(",")
    if not all(re.fullmatch(r"\s*-?\d*:-?\d*(:\d*)?\s*", part) for part in parts):
        raise InputError(f"{slices!r} is not a list of slices")
    numbers = ([int(n) if n.strip() else None for n in part.split(":")] for part in parts)
    return tuple(slice(*bounds) for bounds in numbers)
