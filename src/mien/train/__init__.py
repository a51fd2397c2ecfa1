"""Training: an engine for any system, and the data streams of the recipes."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.errors import UsageError

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from mien.train.data import Source, Stream
    from mien.train.engine import Options
    from mien.train.system import Stage, System, Turn


def run(
    system: "System", data: str, out: Path, *, only: Sequence[str] = (), steps: int | None = None,
    batch: int | None = None, start: Path | None = None, about: dict | None = None,
    say: Any = print, **options: Any,
) -> Path:  # fmt: skip
    """Train the stages of a system; a run that was stopped goes on from its last checkpoint.

    Args:
        system: a freshly built system.
        data: a specification of :func:`mien.train.data.open_data`.
        out: the run's folder; ``model.safetensors`` in it is the result.
        only: names of the stages to train; all if empty.
        steps: of every stage, instead of the recipe's.
        batch: samples of a step, instead of the recipe's.
        start: weights to begin with: a safetensors file, or the folder of a run.
        about: what else to write into ``config.json`` (commit, versions).
        say: takes each line of progress.
        options: fields of :class:`mien.train.engine.Options`.

    Returns:
        The path of the trained weights.
    """
    from mien.train import checkpoint, engine
    from mien.train.data import open_data

    settings = engine.Options(**options)
    stages = _chosen(system, only, steps, batch)
    source = open_data(data)
    engine.fabric(settings)  # before anything is written: is the device there?
    if start is not None:
        file = start / "model.safetensors" if start.is_dir() else start
        checkpoint.fill(system, checkpoint.read_tensors(file), file)
    about = {"data": data, "options": vars(settings), **(about or {})}
    engine.write_config(out, system, stages, about)
    work = partial(_train, system, stages, source, out, settings, say)
    engine.launch(settings, work)
    return out / "model.safetensors"


def _chosen(
    system: "System", only: Sequence[str], steps: int | None, batch: int | None
) -> list["Stage"]:
    stages = system.stages()
    names = [stage.name for stage in stages]
    for name in only:
        if name not in names:
            known = ", ".join(names)
            raise UsageError(f"{system.CARD.slug} has no stage {name!r}; it has {known}")
    return [
        replace(_shortened(stage, steps or stage.steps), batch=batch or stage.batch)
        for stage in stages
        if not only or stage.name in only
    ]


def _shortened(stage: "Stage", steps: int) -> "Stage":
    """A stage of other length, whose rates warm up over the same share of it."""

    def warmup(turn: "Turn") -> int:
        return round(turn.warmup * steps / stage.steps)

    turns = tuple(replace(turn, warmup=warmup(turn)) for turn in stage.turns)
    return replace(stage, steps=steps, warmup=warmup(stage), turns=turns)


def _train(
    system: "System", stages: list["Stage"], source: "Source", out: Path, settings: "Options",
    say: Any, machine: "Fabric",
) -> None:  # fmt: skip
    from mien.train.engine import Run

    if settings.processes > 1:
        system = deepcopy(system)  # what is sent to a process shares its memory with the others
    training = Run(system, out, settings, say, machine)
    for stage in stages:
        training.train(stage, partial(_stream, source, system, stage, settings.seed))


def _stream(source: "Source", system: "System", stage: "Stage", seed: int, start: int) -> "Stream":
    """Made only for a stage that is not done; ``start`` does not matter, it is read by number."""
    from mien.train.smoothed import with_smooth

    return with_smooth(source(system, stage, seed), system)
