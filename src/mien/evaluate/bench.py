"""``mien bench analyze``: speed of the whole command, side by side with other tools.

mien and the peers run on the same clip in the same run, each in a process of its own, ``REPEATS``
times in alternating order; medians count. Once with all cores, once with a single one.

- ``fps``: all frames / the whole time from start to exit: imports, models, decoding and, with mien,
  a table and a figure as well.
- ``steady_fps``: the same without start-up and the first frames, inside the process.

mien looks for any number of faces, as by default; Face Landmarker for one.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from mien.errors import MienError, UsageError
from mien.evaluate import peers as side
from mien.evaluate import report
from mien.media.video import Video

PROTOCOL = "speed-analyze/1"
CLIP = "liveportrait_d6.mp4"  # 480 x 480, one face
REPEATS = 3
HELP_REPEATS = 5
BATCHES = (1, 8)
MIEN = [sys.executable, "-m", "mien"]
PROCESS = Path(__file__).with_name("process.py")
GIVES = {
    "mien": "478 landmarks, pose, tracks, all readings of mien-base, any number of faces; table, "
    "figures, events",
    "mediapipe": "478 landmarks and 52 curves of one face",
    "haar": "boxes",
    "yunet": "boxes and 5 points",
    "face_recognition": "boxes and 68 landmarks",
}


def analyze(
    clip: Path | None = None,
    peers: bool = True,
    out: Path | None = None,
    peers_env: Path | None = None,
) -> None:
    """Measure, print, and write the result as JSON.

    clip: a video with one face; by default one of the labelled data.
    peers: without, mien runs alone.

    Raises UsageError when there is no clip, MienError when mien or the peers' environment fails.
    """
    data = Path(os.environ.get("MIEN_SHARED") or "../shared") / "data"
    clip = clip or data / "video" / CLIP
    if not clip.is_file():
        raise UsageError(f"{clip}: not there; name a video with --clip")
    video = Video(clip)
    environment = side.environment(peers_env) if peers else None
    runners = _runners(clip, data, environment)
    busy = os.getloadavg()[0]
    cores = {"all": os.sched_getaffinity(0), "one": {max(os.sched_getaffinity(0))}}
    results = {
        "clip": {"name": clip.name, "width": video.width, "height": video.height},
        "repeats": REPEATS,
        "load_before": busy,
        "gives": {name: GIVES[name] for name in runners},
        "peers": environment and {f"peer {n}": v for n, v in environment.versions.items()},
        "cores": {name: compare(runners, cpus) for name, cpus in cores.items()},
        "photos": _photos(data / "photos"),
        "help_seconds": median(run([*MIEN, "--help"]).seconds for _ in range(HELP_REPEATS)),
    }
    report.finish(PROTOCOL, {"clip": report.fingerprint([clip])}, results, out)


@dataclass(frozen=True)
class Run:
    """A process that has ended: wall seconds, peak memory, and the last line that it printed."""

    seconds: float
    peak_mb: float
    said: str


def run(command: list[str]) -> Run:
    """Run a command to its end; raises MienError with its last words when it fails."""
    launcher = [sys.executable, "-I", "-S", str(PROCESS), *command]
    done = subprocess.run(
        launcher, capture_output=True, text=True, check=True, env=side.quiet_environment()
    )
    cost = json.loads(done.stdout)
    if cost["code"]:
        words = cost["complaint"] or f"exit code {cost['code']}"
        raise MienError(f"{Path(command[0]).name} {' '.join(command[1:3])}: {words}")
    return Run(cost["seconds"], cost["peak_mb"], cost["said"])


@contextmanager
def on(cpus: set[int]) -> Iterator[None]:
    """Processes that are started in the block run on these processors only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


Runner = Callable[[], dict[str, Any]]


def _runners(clip: Path, data: Path, environment: side.Environment | None) -> dict[str, Runner]:
    """What runs mien, or a peer, once: gives seconds, peak_mb, frames and steady_fps."""
    runners: dict[str, Runner] = {"mien": lambda: _mien(clip)}
    if environment is None:
        return runners
    models = {
        "mediapipe": data / "peers" / side.TASK,
        "yunet": data / "peers" / "face_detection_yunet_2023mar.onnx",
    }
    for tool in ("mediapipe", "haar", "yunet", "face_recognition"):
        command = side.command(environment, "speed.py", tool, clip.resolve(), models.get(tool, ""))
        runners[tool] = lambda command=command: _peer(command)
    return runners


def _mien(clip: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        whole = run([*MIEN, "analyze", str(clip), "--out", folder, "--quiet"])
        source = json.loads((Path(folder) / "sources.jsonl").read_text("utf-8"))
    inside = run([sys.executable, "-m", "mien.evaluate.timed", "video", str(clip)])
    return {
        "seconds": whole.seconds,
        "peak_mb": whole.peak_mb,
        "frames": source["frames"],
        "faces": source["faces"],
        **json.loads(inside.said),
    }


def _peer(command: list[str]) -> dict[str, Any]:
    done = run(command)
    return {"seconds": done.seconds, "peak_mb": done.peak_mb, **json.loads(done.said)}


def compare(runners: dict[str, Runner], cpus: set[int]) -> dict[str, Any]:
    """Medians of each tool on these processors, and mien's speed / that of each peer.

    A peer that cannot run says why, and is not tried again.
    """
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in runners}
    missing: dict[str, str] = {}
    with on(cpus):
        for repeat in report.progress(range(REPEATS), f"{len(cpus)} cores"):
            for name in list(runners)[:: -1 if repeat % 2 else 1]:
                if name not in missing:
                    done = runners[name]()
                    if "unavailable" in done:
                        missing[name] = done["unavailable"]
                    else:
                        runs[name].append(done)
    tools = {name: _medians(some) for name, some in runs.items() if some}
    return {
        "count": len(cpus),
        "tools": tools,
        "unavailable": missing,
        "mien_to_peer": {
            name: {key: tools["mien"][key] / tool[key] for key in ("fps", "steady_fps")}
            for name, tool in tools.items()
            if name != "mien"
        },
    }


def _medians(runs: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "fps": median(each["frames"] / each["seconds"] for each in runs),
        "steady_fps": median(each["steady_fps"] for each in runs),
        "seconds": median(each["seconds"] for each in runs),
        "all_seconds": [each["seconds"] for each in runs],
        "peak_mb": median(each["peak_mb"] for each in runs),
        "frames": runs[0]["frames"],
        "faces": runs[0]["faces"],
    }


def _photos(folder: Path) -> dict[str, Any] | None:
    """Throughput on a folder of photos by batch size; None where the folder is not there."""
    if not folder.is_dir():
        return None
    timed = [sys.executable, "-m", "mien.evaluate.timed", "photos", str(folder)]
    return {f"batch_{batch}": json.loads(run([*timed, str(batch)]).said) for batch in BATCHES}
