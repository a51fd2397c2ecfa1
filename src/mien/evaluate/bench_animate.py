"""``mien bench animate``: how fast a photo speaks, stage by stage, and in how much memory.

A portrait of 512 x 512 pixels, of somebody of the world, speaks with a voice of noise in the rhythm
of syllables. The stages are timed in one process, one after the other; the whole is the command,
start and fitting included, and with them taken off. Beside wall time there is that of the
processors, which what else a machine does hardly changes. Memory is the command's, of a small
picture and few frames a second, with one minute of sound and with ten.

    python -m mien.evaluate.bench_animate PHOTO VOICE

times the stages and prints JSON.
"""

import json
import os
import resource
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import numpy as np

from mien.evaluate import report
from mien.evaluate.bench import MIEN, run
from mien.evaluate.bench_render import CALM
from mien.find.finder import FaceFinder
from mien.head.fit import Fitter
from mien.head.portrait import Portrait
from mien.head.speaking import Speaker
from mien.media.audio import read_audio, write_audio
from mien.media.image import read_image, write_image
from mien.media.video import VideoWriter
from mien.voice.animator import Animator
from mien.voice.features import Features
from mien.world.recipe import Recipe
from mien.world.world import World

PROTOCOL = "speed-animate/1"
REPEATS = 3
RATE, FPS, SECONDS = 16_000, 25, 20
SHORT = 2  # seconds, of the command whose time is taken off to leave that of frames alone
MINUTES, SMALL, SLOW = (1, 10), 96, 5  # of sound, pixels and frames a second, for memory
SYLLABLES = 4.5  # a second


def animate(out: Path | None = None, repeats: int = REPEATS) -> None:
    """Measure, print, and write the result as JSON."""
    busy = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photo = folder / "photo.png"
        write_image(photo, World(Recipe.of(CALM), seed=3).sample(0)["image"])
        voices = {s: _voice(folder, s) for s in (SHORT, SECONDS, *(60 * m for m in MINUTES))}
        command = [sys.executable, "-m", "mien.evaluate.bench_animate", str(photo)]
        stages, wholes = [], []
        for _ in report.progress(range(repeats), "animate", repeats):
            stages.append(json.loads(run([*command, str(voices[SECONDS])]).said))
            wholes.append([_whole(photo, voices[s]) for s in (SHORT, SECONDS)])
        small = ["--size", str(SMALL), "--fps", str(SLOW)]
        memory = {m: _whole(photo, voices[60 * m], small)["peak_mb"] for m in MINUTES}
    results = {
        "size": CALM["size"], "seconds": SECONDS, "fps": FPS, "repeats": repeats,
        "cores": len(os.sched_getaffinity(0)), "load_before": busy,
        "once_ms": _medians([stage["once"] for stage in stages]),
        "ms_per_frame": _medians([stage["frames"] for stage in stages]),
        "whole": {
            "first_seconds": median(short["seconds"] for short, _ in wholes),
            "frames_per_second": median(_rate(pair, "seconds") for pair in wholes),
            "frames_per_cpu_second": median(_rate(pair, "cpu") for pair in wholes),
        },
        "small": SMALL,
        "peak_mb": {str(minutes): peak for minutes, peak in memory.items()},
    }  # fmt: skip
    report.finish(PROTOCOL, {}, results, out)


def _voice(folder: Path, seconds: int) -> Path:
    """Noise in the rhythm of syllables, with a pause every three seconds."""
    times = np.arange(seconds * RATE) / RATE
    loud = np.sin(np.pi * SYLLABLES * times) ** 2 * (times % 3 < 2.4)
    noise = np.random.default_rng(seconds).standard_normal(len(times))
    path = folder / f"{seconds}.wav"
    write_audio(path, 0.1 * loud * noise, RATE)
    return path


def _whole(photo: Path, voice: Path, options: Sequence[str] = ()) -> dict[str, float]:
    """The command, with as many seconds and processor seconds as it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    out = voice.with_suffix(".mp4")
    command = [*MIEN, "animate", str(photo), "--audio", str(voice), "--out", str(out)]
    done = run([*command, "--quiet", *options])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": done.seconds, "cpu": cpu, "peak_mb": done.peak_mb}


def _rate(pair: list[dict[str, float]], what: str) -> float:
    short, long = pair
    return (SECONDS - SHORT) * FPS / (long[what] - short[what])


def _medians(runs: list[dict[str, float]]) -> dict[str, float]:
    return {stage: median(one[stage] for one in runs) for stage in runs[0]}


# -- stages, in a process of their own -------------------------------------------------------------


class _Stopwatch:
    """Processor milliseconds by stage."""

    def __init__(self) -> None:
        self.spent: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def on(self, stage: str) -> Iterator[None]:
        begun = time.process_time()
        yield
        self.spent[stage] += 1000 * (time.process_time() - begun)


def stages(photo: Path, voice: Path) -> dict[str, dict[str, float]]:
    """Milliseconds of what is done once, and of what is done for each frame."""
    image, once, each = read_image(photo), _Stopwatch(), _Stopwatch()
    with once.on("loading models"):
        finder, fitter, animator = FaceFinder.bundled(), Fitter(), Animator.bundled()
        fitter.fit(_face(finder, image), image.shape[1::-1])  # compiles and fills tables
    with once.on("finding the face"):
        landmarks = _face(finder, image)
    with once.on("fitting the head"):
        fit = fitter.fit(landmarks, image.shape[1::-1])
    with once.on("preparing the portrait"):
        speaker = Speaker(Portrait(image, fit, landmarks=landmarks, threads=1))

    with each.on("decoding sound"):
        sound, rate = read_audio(voice)
    with each.on("audio features"):
        features = Features()
        features.push(sound)
        features.finish()
    network = animator.network

    def timed(batch: np.ndarray) -> tuple[np.ndarray, ...]:
        with each.on("network"):
            return network(batch)

    animator.network = timed
    with each.on("motion"):
        motion = animator.animate(sound, rate, fps=FPS, seed=1)
    each.spent["motion"] -= each.spent["network"] + each.spent["audio features"]
    with tempfile.TemporaryDirectory() as folder:
        speaker.draw(motion, 0)
        with VideoWriter(Path(folder) / "out.mp4", FPS, voice) as video:
            for frame in range(len(motion)):
                with each.on("drawing"):
                    picture = speaker.draw(motion, frame)
                with each.on("encoding"):
                    video.write(picture)
    count = len(motion)
    return {"once": dict(once.spent), "frames": {k: v / count for k, v in each.spent.items()}}


def _face(finder: FaceFinder, image: np.ndarray) -> np.ndarray:
    landmarks = finder.find([image], max_faces=1)[0][0].landmarks
    assert landmarks is not None
    return landmarks


if __name__ == "__main__":
    print(json.dumps(stages(Path(sys.argv[1]), Path(sys.argv[2]))))
