"""How well a face moves to a voice: against what is true, and against the sound alone.

    found = measure(motion, truth=clip.motion, closures=clip.closures, sound=samples, rate=rate)

What is true is known in the world. Of real recordings there is the sound, and, with a transcript,
when the lips must meet (:func:`closures_of`). Motions are compared by the points of mien's head, in
mm; metrics are those of :mod:`mien.evaluate.metrics.motion`.
"""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from mien.errors import InputError, UsageError
from mien.evaluate import report
from mien.evaluate.metrics import motion as metrics
from mien.evaluate.sync import FPS, LIPS, SHORTEST, SyncScorer
from mien.face import BLENDSHAPES, LEFT_EYE_LOWER, Motion
from mien.head.model import HeadModel
from mien.media.audio import read_audio
from mien.world import recording, visemes
from mien.world.voice import resample

CLOSED = 0.4
"""Lips that part by at most this many mm count as closed."""

ENVELOPE = 0.16  # seconds over which loudness is smoothed: about a syllable
STEP = 0.01  # seconds between two values of it
FAINT = 0.1  # of the loudest; peaks below are no beats
PROTOCOL = "motion/1"


def measure(
    motion: Motion,
    *,
    truth: Motion | None = None,
    closures: np.ndarray | None = None,
    sound: np.ndarray | None = None,
    rate: int = 16_000,
    scorer: SyncScorer | None = None,
) -> dict[str, float | None]:
    """All that can be said of a motion; None where there is nothing to measure.

    truth: as long as the motion, at its frame rate. closures: (k, 2) seconds, in which lips must
    meet. sound: (S,) at ``rate`` hertz, from the first frame on. scorer: the bundled one, if none.

    lip_vertex_error (mm²), lip_distance (mm), upper_face_deviation (mm, 0 is best), jitter and
    true_jitter (mm per frame²), closure_accuracy (0..1), offset (frames of 40 ms, above 0 where the
    sound is early), confidence, beat_alignment (0..1).

    Raises InputError where lengths or rates differ, or there are frames without a face.
    """
    found: dict[str, float | None] = {"jitter": jitter(motion)}
    if truth is not None:
        _check_alike(motion, truth)
        found |= {
            "lip_vertex_error": lip_vertex_error(motion, truth),
            "lip_distance": lip_distance(motion, truth),
            "upper_face_deviation": upper_face_deviation(motion, truth),
            "true_jitter": jitter(truth),
        }
    if closures is not None:
        found["closure_accuracy"] = closure_accuracy(motion, closures) if len(closures) else None
    if sound is not None:
        found |= _with_sound(motion, np.asarray(sound, np.float32), rate, scorer)
    return found


def _with_sound(
    motion: Motion, sound: np.ndarray, rate: int, scorer: SyncScorer | None
) -> dict[str, float | None]:
    found: dict[str, float | None] = {"offset": None, "confidence": None}
    if min(len(motion) / motion.fps, len(sound) / rate) * FPS >= SHORTEST:
        scored = (scorer or SyncScorer.bundled()).motion(motion, sound, rate)
        found = {"offset": float(scored.offset), "confidence": scored.confidence}
    return {**found, "beat_alignment": beat_alignment(motion, sound, rate)}


# -- against the truth -----------------------------------------------------------------------------


def lip_vertex_error(motion: Motion, truth: Motion) -> float:
    """LVE of the 40 points of the lips, mm²."""
    return metrics.lip_vertex_error(points(motion), points(truth), LIPS.tolist())


def lip_distance(motion: Motion, truth: Motion) -> float:
    """Mean over frames of how far the worst point of the lips is off, mm."""
    return metrics.lip_vertex_distance(points(motion), points(truth), LIPS.tolist())


def upper_face_deviation(motion: Motion, truth: Motion) -> float:
    """FDD of the points from the eyes up, mm; above 0 where the motion is too still."""
    neutral = np.zeros((len(upper_face()), 3))
    made, true = (points(each)[:, upper_face()] for each in (motion, truth))
    return metrics.upper_face_dynamics(made, true, neutral, range(len(neutral)))


def jitter(motion: Motion) -> float | None:
    """Mean second difference of the points of the lips, mm per frame²; None below three frames."""
    return metrics.acceleration(points(motion)[:, LIPS]) if len(motion) > 2 else None


# -- against what is said --------------------------------------------------------------------------


def closure_accuracy(motion: Motion, closures: np.ndarray) -> float:
    """Share of closures (k, 2), k > 0, in which the lips meet in some frame, 0..1.

    Frames within half a frame of a closure count: none need lie inside a short one. A mouth that
    never opens has 1, so look at the lip vertex error, too.
    """
    gaps = visemes.lip_gap(_seen(motion))
    times, half = np.arange(len(motion)) / motion.fps, 0.5 / motion.fps
    least = [
        gaps[(times >= start - half - 1e-9) & (times <= end + half + 1e-9)].min(initial=np.inf)
        for start, end in closures
    ]
    reached = np.minimum(least, 1e3)  # beyond the last frame nothing closes
    return metrics.closure_recall(reached, np.ones(len(reached)), CLOSED)


def closures_of(
    sound: np.ndarray, rate: int, transcript: str, language: str = "en-us"
) -> np.ndarray:
    """When the lips meet for p, b and m in a recording (k, 2), by forced alignment; seconds.

    Raises InputError and MienError as ``mien.world.recording.align``.
    """
    heard = sound if rate == recording.RATE else resample(sound, rate, recording.RATE)
    return visemes.contacts(recording.align(heard, transcript, language))


# -- against the sound -----------------------------------------------------------------------------


def beat_alignment(motion: Motion, sound: np.ndarray, rate: int) -> float | None:
    """How near the head's halts are to peaks of loudness, 0..1; None where either has none."""
    halts, stresses = head_beats(motion), sound_beats(sound, rate)
    return metrics.beat_consistency(halts, stresses) if len(halts) and len(stresses) else None


def head_beats(motion: Motion) -> np.ndarray:
    """Times in seconds at which the head turns slowest."""
    if len(motion) < 4:
        return np.empty(0)
    speed = np.linalg.norm(np.diff(motion.pose.astype(np.float64), axis=0), axis=1)
    smooth = _smooth(speed, max(round(0.1 * motion.fps), 1))
    # A step lies between two frames.
    return metrics.beats(smooth, motion.fps, peaks=False) + 0.5 / motion.fps


def sound_beats(sound: np.ndarray, rate: int) -> np.ndarray:
    """Times in seconds of the peaks of a sound's loudness, about one for each syllable."""
    hop = max(round(STEP * rate), 1)
    count = len(sound) // hop
    if count < 3:
        return np.empty(0)
    blocks = np.square(sound[: count * hop], dtype=np.float64).reshape(count, hop)
    level = _smooth(np.sqrt(blocks.mean(1)), round(ENVELOPE / STEP))
    at = metrics.beats(level, rate / hop)
    loud = level[np.round(at * rate / hop).astype(int)] > FAINT * level.max(initial=0)
    return at[loud] + 0.5 * hop / rate


def _smooth(values: np.ndarray, width: int) -> np.ndarray:
    window = np.hanning(width + 2)[1:-1]
    padded = np.pad(values, (width // 2, width - 1 - width // 2), mode="edge")
    return np.convolve(padded, window / window.sum(), "valid")


# -- points ----------------------------------------------------------------------------------------


def points(motion: Motion) -> np.ndarray:
    """Where the 478 points are (T, 478, 3), mm from where they rest, on a head that does not move.

    Raises InputError for frames without a face.
    """
    return np.tensordot(_seen(motion), _basis(), 1)


@cache
def _basis() -> np.ndarray:
    return HeadModel.bundled().landmark_basis()[2][: len(BLENDSHAPES)].astype(np.float32)


@cache
def upper_face() -> np.ndarray:
    """Which of the points are not below the eyes."""
    height = HeadModel.bundled().landmark_basis()[0][:, 1]
    return np.flatnonzero(height >= height[LEFT_EYE_LOWER].min())


def _seen(motion: Motion) -> np.ndarray:
    if not np.isfinite(motion.expression).all():
        raise InputError("there are frames without a face in the motion")
    return motion.expression


def _check_alike(motion: Motion, truth: Motion) -> None:
    if len(motion) != len(truth) or abs(motion.fps - truth.fps) > 1e-3:
        raise InputError(
            f"{len(motion)} frames at {motion.fps:g} a second cannot be compared with "
            f"{len(truth)} at {truth.fps:g}"
        )


# -- mien evaluate motion --------------------------------------------------------------------------


def main(
    file: Path,
    truth: Path | None = None,
    sound: Path | None = None,
    transcript: str | None = None,
    language: str = "en-us",
    out: Path | None = None,
) -> dict[str, Any]:
    """Measure a motion's file, print what was found, and write it to ``out``.

    Raises InputError for files that are broken or do not fit together, UsageError for a transcript
    of no sound.
    """
    if transcript is not None and sound is None:
        raise UsageError("a transcript says when lips must meet in a sound: name that, too")
    motion = Motion.load(file)
    heard, rate = read_audio(sound) if sound is not None else (None, recording.RATE)
    closures = None
    if heard is not None and transcript is not None:
        closures = closures_of(heard, rate, transcript, language)
    found = measure(
        motion, truth=None if truth is None else Motion.load(truth), closures=closures,
        sound=heard, rate=rate,
    )  # fmt: skip
    made = {
        "protocol": PROTOCOL,
        "commit": report.commit(),
        "versions": report.versions(),
        "results": report.rounded({"frames": len(motion), "fps": motion.fps, **found}),
    }
    for name, value in made["results"].items():
        print(f"{name:22}{'-' if value is None else f'{value:g}'}")
    if out is not None:
        report.write(made, out)
    return made
