"""``mien bench render``: speed of the moving portrait and of the face world.

Each runs in processes of its own, once on one core and once on all, ``REPEATS`` times by turns;
medians count. A portrait of 512 x 512 pixels, of somebody of the world, performs with mouth, eyes
and head. The world draws samples of 256 x 256 pixels with all their truth, a process to a core.

    python -m mien.evaluate.bench_render portrait|world

measures on the cores that it may use and prints JSON.
"""

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from mien.errors import MienError
from mien.evaluate import report
from mien.find.finder import FaceFinder
from mien.head.fit import Fitter
from mien.head.portrait import Portrait
from mien.world.performance import perform
from mien.world.recipe import Recipe
from mien.world.world import World

PROTOCOL = "speed-render/1"
REPEATS = 3
FRAMES, SAMPLES, WARM_UP = 100, 60, 12
CALM = {
    "size": 512,
    "factors": {
        "emotion": "neutral", "yaw": 0, "pitch": 0, "roll": 0, "gaze_yaw": 0, "gaze_pitch": 0,
        "fill": 0.65, "shift_x": 0, "shift_y": 0, "speaking": False, "blink": False, "beard": False,
        "glasses": False, "mask": False, "occluder": False, "degrade": 0, "pattern": False,
    },
}  # fmt: skip


def render(out: Path | None = None) -> None:
    """Measure, print, and write the result as JSON."""
    busy = os.getloadavg()[0]
    cores = sorted(os.sched_getaffinity(0))
    ways = {"one": [[cores[-1]]], "all": [cores]}
    shares = {"one": [[cores[-1]]], "all": [[core] for core in cores]}
    portrait: dict[str, list[float]] = {way: [] for way in ways}
    world: dict[str, list[float]] = {way: [] for way in ways}
    memory = []
    for _ in report.progress(range(REPEATS), "render", REPEATS):
        for way in ways:
            portrait[way].append(sum(run["per_second"] for run in _run("portrait", ways[way])))
            runs = _run("world", shares[way])
            world[way].append(sum(run["per_second"] for run in runs))
            memory += [run["peak_mb"] for run in runs]
    results = {
        "cores": len(cores),
        "repeats": REPEATS,
        "load_before": busy,
        "portrait": {"size": CALM["size"], **{way: median(got) for way, got in portrait.items()}},
        "world": {"size": Recipe().size, **{way: median(got) for way, got in world.items()},
                  "peak_mb_per_process": max(memory)},
    }  # fmt: skip
    report.finish(PROTOCOL, {}, results, out)


def _run(what: str, shares: list[list[int]]) -> list[dict[str, Any]]:
    """Results of one process for each share of the cores, side by side."""
    command = [sys.executable, "-m", "mien.evaluate.bench_render", what]
    started = [
        subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"},
            preexec_fn=lambda own=own: os.sched_setaffinity(0, own),
        )
        for own in shares
    ]  # fmt: skip
    printed = [process.communicate()[0] for process in started]
    if any(process.returncode for process in started):
        raise MienError(f"the measurement of {what} failed")
    return [json.loads(text.splitlines()[-1]) for text in printed]


def portrait() -> float:
    """Frames per second of a portrait that performs."""
    image = World(Recipe.of(CALM), seed=3).sample(0)["image"]
    face = FaceFinder.bundled().find([image], max_faces=1)[0][0]
    assert face.landmarks is not None
    fit = Fitter().fit(face.landmarks, image.shape[1::-1])
    threads = len(os.sched_getaffinity(0))
    moving = Portrait(image, fit, landmarks=face.landmarks, threads=threads)
    show = perform(["happiness", "surprise"], FRAMES / 25, 25, np.random.default_rng(1))
    frames = moving.frames(show.motion)
    for _ in range(WARM_UP):
        next(frames)
    started, count = time.perf_counter(), 0
    for _ in frames:
        count += 1
    return count / (time.perf_counter() - started)


def world() -> float:
    """Samples per second with all truth."""
    samples = World(seed=os.getpid())
    for index in range(WARM_UP):
        samples.sample(index)
    started = time.perf_counter()
    for index in range(WARM_UP, WARM_UP + SAMPLES):
        samples.sample(index)
    return SAMPLES / (time.perf_counter() - started)


def main(what: str) -> None:
    speed = {"portrait": portrait, "world": world}[what]()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"per_second": speed, "peak_mb": peak}))


if __name__ == "__main__":
    main(sys.argv[1])
