"""``mien evaluate animation``: how well a voice moves the mouth, where the truth is known.

Voices that the animator has not heard (``visemes_train.HELD_BACK``) say sentences that it has not
heard, in six languages and all emotions; the truth is what ``mien.world.visemes`` makes of the
phonemes. They are heard as they are spoken, and in a room with babble. Beside the animator:

- ``energy``: the jaw opens with the level of the sound, by a line that is fitted to these very
  clips; the rest of the mouth is still.
- ``lookup``: each phoneme's viseme while it is said, without co-articulation. It is told the
  phonemes and their times, which the others are not.
- ``regression``: ``mien.world.recording``, spectrum to mouth by ridge regression.

All are told the emotion. Errors are those of the lips' 40 landmarks on the head, in millimetres.

    python -m mien.evaluate.animation speed | memory MINUTES     # in processes of their own
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from mien import hub
from mien.errors import MienError
from mien.evaluate import report
from mien.evaluate.metrics import motion as metrics
from mien.evaluate.statistics import bootstrap, bootstrap_statistic
from mien.face import BLENDSHAPES, LIPS_INNER, LIPS_OUTER
from mien.head.model import HeadModel
from mien.voice import affect, features
from mien.voice.animator import Animator
from mien.world import recording, visemes
from mien.world.speech import Utterance, Voice, synthesize
from mien.world.visemes_train import HELD_BACK, SENTENCES, TEST_SENTENCES
from mien.world.voice import Chain, random_room, record

PROTOCOL = "animation/1"
FPS = 25.0
INTENSITY = 0.7
SNR = 10.0  # decibels
SHUT = 0.4  # mm between the inner lips, up to which they are closed
OPEN = 3.0  # mm, from which on the true lips are not
LIPS = np.unique(np.concatenate([LIPS_OUTER, LIPS_INNER]))
ASKED = {"reduction_percent": 40.0, "closure": 0.9, "realtime": 20.0, "memory_mb": 50.0}
SPEED_SECONDS = 60.0
MINUTES = (1, 10)
WAYS = ("mien", "energy", "lookup", "regression")

Way = Callable[["Take"], np.ndarray]


@dataclass(frozen=True)
class Take:
    """What somebody says, how it is heard, and how the face moves: curves (F, 52)."""

    said: Utterance
    sound: np.ndarray
    emotion: str
    truth: np.ndarray
    place: str


def main(out: Path | None = None, limit: int | None = None) -> None:
    """Measure, print, and write the result as JSON.

    Raises MienError where speech cannot be made (the extra ``speech``).
    """
    animator = Animator.bundled()
    clips = list(report.progress(takes(limit), "voices"))
    ways = {"mien": by(animator), "lookup": lookup, "regression": regression}
    ways["energy"] = energy_to_jaw(clips)
    results = {
        "takes": len(clips),
        "seconds": sum(len(clip.truth) for clip in clips) / FPS,
        "voices": list(HELD_BACK),
        "asked": ASKED,
        **errors(clips, {name: ways[name] for name in WAYS}),
        "speed": _alone("speed"),
        "memory_mb": {str(minutes): _alone("memory", str(minutes)) for minutes in MINUTES},
        "drift": drift(animator),
        "latency_seconds": animator.stream(features.RATE).latency,
    }
    data = {"limit": limit, "weights": hub.lookup("mien-animator").sha256}
    report.finish(PROTOCOL, data, results, out)


# -- what is said ----------------------------------------------------------------------------------


def takes(limit: int | None = None) -> Iterator[Take]:
    """The clips, each as it is spoken and in a room."""
    sentences = [(code, text) for code, texts in SENTENCES.items() for text in texts]
    sentences += [("en-gb", text) for text in TEST_SENTENCES]
    for number, (language, text) in enumerate((2 * sentences)[:limit]):
        rng = np.random.default_rng([number, 40])
        variant = HELD_BACK[(number + number // len(sentences)) % len(HELD_BACK)]
        emotion = affect.EMOTIONS[number % len(affect.EMOTIONS)]
        who = Voice(language, variant, rate=float(rng.uniform(140, 200)))
        said = synthesize(text, who, emotion, INTENSITY)
        true = visemes.animate(said.phonemes, FPS, emotion, INTENSITY).expression
        room = Chain(room=random_room(rng), noise="babble", snr=SNR)
        yield Take(said, said.samples, emotion, true, "clean")
        yield Take(said, record(said.samples, said.rate, room, rng), emotion, true, "room")


# -- ways to move a mouth --------------------------------------------------------------------------


def by(animator: Animator) -> Way:
    """The animator, told the emotion."""

    def way(take: Take) -> np.ndarray:
        said = animator.animate(
            take.sound, take.said.rate, fps=FPS, emotion=take.emotion, intensity=INTENSITY
        )
        return said.expression

    return way


def energy_to_jaw(clips: list[Take]) -> Way:
    """The jaw by a line from the level, as well as a line can on these clips."""
    jaw = visemes.CURVES["jawOpen"]
    level = np.concatenate([_level(take) for take in clips])
    line = np.polyfit(level, np.concatenate([take.truth[:, jaw] for take in clips]), 1)

    def way(take: Take) -> np.ndarray:
        out = np.zeros((len(take.truth), len(BLENDSHAPES)), np.float32)
        out[:, jaw] = np.polyval(line, _level(take)).clip(0, 1)
        # The line is of jaws in a mood; the other curves of the mood are put on.
        moved = visemes.moody(out, take.emotion, INTENSITY)
        moved[:, jaw] = out[:, jaw]
        return moved

    return way


def _level(take: Take) -> np.ndarray:
    """Decibels (F,) below the loudest moment of a clip, down to 40, at its frames."""
    rows = features.features(take.sound, take.said.rate)[:, features.LEVEL]
    at = (np.arange(len(take.truth)) * features.RATE / features.HOP / FPS).astype(int)
    return (rows[at.clip(0, len(rows) - 1)] - rows.max()).clip(-40, 0)


def lookup(take: Take) -> np.ndarray:
    """Each phoneme's viseme while it is said."""
    parts = visemes.segments(take.said.phonemes)
    ends = np.array([part.end for part in parts])
    times = np.arange(len(take.truth)) / FPS
    at = np.searchsorted(ends, times, "right").clip(0, len(parts) - 1)
    out = np.zeros((len(times), len(BLENDSHAPES)), np.float32)
    out[:, visemes.COLUMNS] = np.stack([parts[i].loud * parts[i].viseme.weights for i in at])
    return visemes.moody(out, take.emotion, INTENSITY)


def regression(take: Take) -> np.ndarray:
    """The regression of ``mien.world.recording``, with the mood put on."""
    heard = recording.from_recording(take.sound, take.said.rate, FPS).expression
    return visemes.moody(heard, take.emotion, INTENSITY)


# -- errors ----------------------------------------------------------------------------------------


def errors(clips: list[Take], ways: dict[str, Way]) -> dict[str, Any]:
    """Of each way, in each place; and by how much the first one's lip error is lower."""
    found: dict[str, dict[str, list[dict[str, float]]]] = {}
    for take in report.progress(clips, "mouths"):
        for name, way in ways.items():
            rows = found.setdefault(take.place, {}).setdefault(name, [])
            rows.append(error(take, way(take)))
    return {
        "places": {
            place: {name: _summary(rows) for name, rows in by_way.items()}
            for place, by_way in found.items()
        },
        "reduction_percent": {
            place: {name: _reduction(by_way["mien"], rows)
                    for name, rows in by_way.items() if name != "mien"}
            for place, by_way in found.items()
        },
        "languages": _by_language(clips, found),
    }  # fmt: skip


def error(take: Take, said: np.ndarray) -> dict[str, float]:
    """Lip errors in mm^2 and mm, and closures that are met, of curves (F, 52) of a clip."""
    count = min(len(said), len(take.truth))
    true, said = take.truth[:count], said[:count]
    moved, wanted = (_lips(curves) for curves in (said, true))
    gap, right = visemes.lip_gap(said), visemes.lip_gap(true)
    spans = visemes.contacts(take.said.phonemes)
    met = [gap[_frames(span, count)].min() <= SHUT for span in spans]
    apart = right > OPEN
    return {
        "lip_error_mm2": metrics.lip_vertex_error(moved, wanted, range(len(LIPS))),
        "lip_distance_mm": metrics.lip_vertex_distance(moved, wanted, range(len(LIPS))),
        "velocity_mm": metrics.velocity_error(moved, wanted),
        "jaw": float(np.abs(said - true)[:, visemes.CURVES["jawOpen"]].mean()),
        "closures": len(spans),
        "met": float(sum(met)),
        "open": float(apart.sum()),
        "shut": float((gap[apart] <= SHUT).sum()),
    }


def _frames(span: np.ndarray, count: int) -> np.ndarray:
    """The frames of a closure: those within it, and the one that is nearest to its middle."""
    inside = np.arange(count)
    times = inside / FPS
    middle = min(round(float(span.mean()) * FPS), count - 1)
    return np.unique([*inside[(times >= span[0]) & (times <= span[1])], middle])


def _lips(curves: np.ndarray) -> np.ndarray:
    """Where curves (F, 52) move the lips' landmarks: (F, 40, 3) mm."""
    return (curves @ _lip_basis()).reshape(len(curves), len(LIPS), 3)


@cache
def _lip_basis() -> np.ndarray:
    moved = HeadModel.bundled().landmark_basis()[2][: len(BLENDSHAPES)]
    return moved[:, LIPS].reshape(len(BLENDSHAPES), -1)


def _summary(rows: list[dict[str, float]]) -> dict[str, Any]:
    column = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return {
        **{name: {"mean": column[name].mean(), "ci95": bootstrap(column[name])}
           for name in ("lip_error_mm2", "lip_distance_mm", "velocity_mm", "jaw")},
        "closure": _share(column["met"], column["closures"]),
        "closures": column["closures"].sum(),
        "false_closure": _share(column["shut"], column["open"]),
    }  # fmt: skip


def _share(part: np.ndarray, whole: np.ndarray) -> dict[str, Any]:
    found = bootstrap_statistic(lambda a, b: a.sum() / max(b.sum(), 1), part, whole)
    return {"mean": found.estimate, "ci95": (found.low, found.high)}


def _reduction(rows: list[dict[str, float]], others: list[dict[str, float]]) -> dict[str, Any]:
    """By how many percent the mean lip error is lower than another way's."""
    mine, other = (np.array([row["lip_error_mm2"] for row in part]) for part in (rows, others))
    found = bootstrap_statistic(lambda a, b: 100 * (1 - a.mean() / b.mean()), mine, other)
    return {"mean": found.estimate, "ci95": (found.low, found.high)}


def _by_language(clips: list[Take], found: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Mean lip error (mm^2) of the ways on clean speech, by language."""
    said = [take.said.language for take in clips if take.place == "clean"]
    return {
        language: {
            name: float(np.mean([row["lip_error_mm2"] for row, code in zip(rows, said, strict=True)
                                 if code == language]))
            for name, rows in found["clean"].items()
        }
        for language in dict.fromkeys(said)
    }  # fmt: skip


# -- time and memory -------------------------------------------------------------------------------


def speech(seconds: float) -> Utterance:
    """A sentence again and again, for so long."""
    said = synthesize(TEST_SENTENCES[0], Voice("en-us", HELD_BACK[0]))
    times = int(np.ceil(seconds / said.duration))
    samples = np.tile(said.samples, times)[: round(seconds * said.rate)]
    return replace(said, samples=samples)


def speed() -> dict[str, float]:
    """Seconds of sound that one core animates in a second, and what takes its time."""
    said = speech(SPEED_SECONDS)
    animator = Animator.bundled(threads=1)
    animator.animate(said.samples[: said.rate], said.rate)
    start, wall = time.process_time(), time.perf_counter()
    animator.animate(said.samples, said.rate)
    spent, passed = time.process_time() - start, time.perf_counter() - wall
    start = time.process_time()
    features.features(said.samples, said.rate)
    heard = time.process_time() - start
    return {
        "realtime": SPEED_SECONDS / spent,
        "realtime_wall": SPEED_SECONDS / passed,
        "features_share": heard / spent,
    }


def memory(minutes: str) -> dict[str, float]:
    """Peak memory, MB, of a process that animates so many minutes, second by second."""
    said = speech(10)
    block = said.samples[: said.rate]
    stream = Animator.bundled(threads=1).stream(said.rate)
    frames = sum(len(stream.push(block)) for _ in range(60 * int(minutes)))
    return {"peak": _peak(), "frames": frames + len(stream.finish())}


def _peak() -> float:
    try:
        status = Path("/proc/self/status").read_text()
    except OSError as error:
        raise MienError("memory is measured on Linux only") from error
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def drift(animator: Animator, minutes: float = 10.0) -> dict[str, float]:
    """How far the mouth is, at the end of many minutes, from where it was at first.

    The same sentence comes again and again; of its second time and its last, the largest and the
    mean difference of a curve of the mouth, 0..1.
    """
    said = synthesize(TEST_SENTENCES[0], Voice("en-us", HELD_BACK[0]))
    count = round(np.ceil(said.duration * FPS)) * round(said.rate / FPS)
    once = np.pad(said.samples, (0, count - len(said.samples)))
    stream = animator.stream(said.rate, fps=FPS)
    times = int(60 * minutes * said.rate / len(once))
    parts = [stream.push(once).expression for _ in range(times)] + [stream.finish().expression]
    whole = np.concatenate(parts)[:, visemes.COLUMNS]
    frames = round(count / said.rate * FPS)
    off = np.abs(whole[-frames:] - whole[frames : 2 * frames])
    return {"minutes": minutes, "largest": float(off.max()), "mean": float(off.mean())}


def _alone(*words: str) -> dict[str, float]:
    """What a process of its own says."""
    command = [sys.executable, "-m", "mien.evaluate.animation", *words]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise MienError(f"{' '.join(words)}: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


if __name__ == "__main__":
    print(json.dumps({"speed": speed, "memory": memory}[sys.argv[1]](*sys.argv[2:])))
