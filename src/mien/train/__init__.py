"""Training: an engine for any system, and the data streams of the recipes."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mien.train.system import System


def run(
    system: "System", data: Path, out: Path, *, steps: int | None = None, about: dict | None = None,
    say: Any = print, limit: int | None = None, **options: Any,
) -> Path:  # fmt: skip
    """Train all stages of a system; a run that was stopped goes on from its last checkpoint.

    Args:
        system: a freshly built system.
        data: the folder that holds the data sets of the recipe.
        out: the run's folder; ``model.safetensors`` in it is the result.
        steps: steps of every stage, instead of the recipe's.
        about: what else to write into ``config.json`` (commit, versions).
        limit: use only so many portraits (for trials).
        options: fields of :class:`mien.train.engine.Options`.

    Returns:
        The path of the trained weights.
    """
    from mien.train import engine, recipes

    settings = engine.Options(**options)
    stages = [replace(s, steps=steps) if steps else s for s in system.stages()]
    engine.write_config(out, system, stages, {"seed": settings.seed, **(about or {})})
    training = engine.Run(system, out, settings, say)
    for stage in stages:
        samples = recipes.stream(stage.data, data, system.config, settings.seed, limit)
        training.train(stage, samples)
    return out / "model.safetensors"
