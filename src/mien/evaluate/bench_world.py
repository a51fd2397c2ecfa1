"""``mien bench world``: how fast the face world is drawn, how much memory, and where time goes.

Samples of 256 x 256 pixels, with the plain truth or all of it, everybody in one picture or in eight
in a row, as training draws them; in one process, and in one on each core. Each runs in processes of
its own, ``REPEATS`` times by turns; medians count. Beside samples per second there are those per
second of processor time, which what else a machine does hardly changes.

    python -m mien.evaluate.bench_world draw plain|all IN_A_ROW SEED
    python -m mien.evaluate.bench_world profile plain|all IN_A_ROW SEED

measure on the cores that they may use and print JSON.
"""

import cProfile
import json
import os
import pstats
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from mien.errors import MienError
from mien.evaluate import report
from mien.world.recipe import Recipe
from mien.world.world import World

PROTOCOL = "speed-world/1"
REPEATS = 3
SAMPLES, WARM_UP = 96, 16  # the first samples fill tables that are made once
TRUTHS: dict[str, tuple[str, ...] | None] = {
    "plain": ("image", "landmarks", "parsing", "normals"), "all": None,
}  # fmt: skip
IN_A_ROW = (1, 8)
STAGES = {
    "deciding what is shown": ("scene",),
    "textures and hair of a person": ("look.py:of",),
    "make-up": ("made_up",),
    "face: expression, eyes, pose": ("animate",),
    "clothes and props: shape": ("_props",),
    "clothes and props: light": ("_light_on_prop", "_glass"),
    "hair: place": ("follow",),
    "hair: light": ("_light_on_hair",),
    "skin: light and shadow": ("_light_on_skin",),
    "triangle of each sample": ("rasterize",),
    "colour of each pixel": ("develop",),
    "background, camera faults, style": ("_picture",),
    "normals, uv": ("normals_of", "places_of"),
}
"""Stages of a sample and the functions, called by no other stage, that they are."""
CALLERS = ("world.py:sample", "drawn", "_look", "draw", "render.py:of")
"""Functions whose parts are stages; what they do themselves is the rest."""


def measure(out: Path | None = None, repeats: int = REPEATS) -> None:
    """Measure, print, and write the result as JSON."""
    busy = os.getloadavg()[0]
    cores = sorted(os.sched_getaffinity(0))
    settings = [(words, row, ways) for words in TRUTHS for row in IN_A_ROW
                for ways in (cores[-1:], cores)]  # fmt: skip
    runs: list[list[list[dict[str, Any]]]] = [[] for _ in settings]
    for _ in report.progress(range(repeats), "world", repeats):
        for setting, done in zip(settings, runs, strict=True):
            done.append(_side_by_side("draw", *setting))
    results = {
        "size": Recipe().size,
        "cores": len(cores),
        "repeats": repeats,
        "samples": SAMPLES,
        "load_before": busy,
        "speeds": [
            {
                "truth": words, "in_a_row": row, "processes": len(ways),
                "per_second": median(sum(run["per_second"] for run in each) for each in done),
                "per_cpu_second": median(run["per_cpu_second"] for each in done for run in each),
                "peak_mb_per_process": max(run["peak_mb"] for each in done for run in each),
            }
            for (words, row, ways), done in zip(settings, runs, strict=True)
        ],
        "stages_ms": {
            words: _side_by_side("profile", words, IN_A_ROW[-1], cores[-1:])[0] for words in TRUTHS
        },
    }  # fmt: skip
    report.finish(PROTOCOL, {}, results, out)


def _side_by_side(what: str, words: str, in_a_row: int, cores: list[int]) -> list[dict[str, Any]]:
    """Results of a process on each of the cores, at the same time."""
    command = [sys.executable, "-m", "mien.evaluate.bench_world", what, words, str(in_a_row)]
    started = [
        subprocess.Popen(
            [*command, str(number)], stdout=subprocess.PIPE, text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            preexec_fn=lambda own=core: os.sched_setaffinity(0, [own]),
        )
        for number, core in enumerate(cores)
    ]  # fmt: skip
    printed = [process.communicate()[0] for process in started]
    if any(process.returncode for process in started):
        raise MienError(f"the measurement of the world ({what} {words}) failed")
    return [json.loads(text.splitlines()[-1]) for text in printed]


def draw(words: str, in_a_row: int, seed: int) -> dict[str, float]:
    """Samples per second, per second of processor time, and the most memory in MB."""
    samples = _warm(words, in_a_row, seed)
    started, spent = time.perf_counter(), time.process_time()
    _draw(samples, words)
    started, spent = time.perf_counter() - started, time.process_time() - spent
    return {
        "per_second": SAMPLES / started,
        "per_cpu_second": SAMPLES / spent,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def profile(words: str, in_a_row: int, seed: int) -> dict[str, float]:
    """Milliseconds of processor time per sample of each stage, the profiler's own included."""
    samples, profiler = _warm(words, in_a_row, seed), cProfile.Profile(time.process_time)
    profiler.runcall(_draw, samples, words)
    calls: dict[Any, Any] = getattr(pstats.Stats(profiler), "stats")  # noqa: B009, not in the stubs
    spent = dict.fromkeys(STAGES, 0.0)
    for function, (_, _, _, _, callers) in calls.items():
        stage = next((stage for stage, names in STAGES.items() if _is(function, names)), None)
        if stage is None:
            continue
        spent[stage] += sum(times[3] for caller, times in callers.items() if _is(caller, CALLERS))
    whole = next(
        times[3] for function, times in calls.items() if _is(function, ("world.py:sample",))
    )
    spent["rest"] = whole - sum(spent.values())
    return {stage: 1e3 * seconds / SAMPLES for stage, seconds in spent.items()}


def _is(function: tuple[str, int, str], names: tuple[str, ...]) -> bool:
    """Whether a profiled function has one of these names, alone or with its file's."""
    file, _, name = function
    return name in names or f"{Path(file).name}:{name}" in names


def _warm(words: str, in_a_row: int, seed: int) -> World:
    world = World(seed=seed, in_a_row=in_a_row)
    for index in range(WARM_UP):
        world.sample(index, TRUTHS[words])
    return world


def _draw(world: World, words: str) -> None:
    for index in range(WARM_UP, WARM_UP + SAMPLES):
        world.sample(index, TRUTHS[words])


def main(what: str, words: str, in_a_row: str, seed: str) -> None:
    """Measure in this process, and print JSON."""
    print(json.dumps({"draw": draw, "profile": profile}[what](words, int(in_a_row), int(seed))))


if __name__ == "__main__":
    main(*sys.argv[1:])
