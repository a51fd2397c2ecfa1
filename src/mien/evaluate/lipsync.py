"""``mien evaluate sync``: how well ``mien-sync`` finds by how much lips and sound are off.

Voices that the scorer has not heard say sentences that it has not heard, in six languages and all
emotions (those of ``mien evaluate animation``). Their sound is moved by some frames, and what the
scorer says is compared with that: as curves, and as landmarks of a head that turns, measured with
``NOISE``. Whether lips and sound belong together at all is judged by confidence, against the sound
of somebody else. Clips of real people come with their own sound; nobody has measured by how much
that is off, so what the scorer says of them is listed as it is.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mien import hub
from mien.errors import InputError
from mien.evaluate import report
from mien.evaluate.animation import FPS, Take, takes
from mien.evaluate.clips import clips
from mien.evaluate.metrics.motion import Sync
from mien.evaluate.metrics.verification import roc_auc
from mien.evaluate.statistics import bootstrap
from mien.evaluate.sync import SHORTEST, SyncScorer
from mien.face import BLENDSHAPES, Motion, Pose
from mien.find.finder import FaceFinder
from mien.find.tracker import Tracker
from mien.head.model import HeadModel
from mien.media.audio import read_audio
from mien.media.video import Video

PROTOCOL = "sync/1"
FARTHEST = 10  # frames of 40 ms by which the sound is moved
TRIES = 3  # of each clip
ALLOWED = 1  # frames
NOISE = 0.5  # mm, deviation of a landmark
SECONDS = 10.0  # of a real clip
WAYS = ("curves", "landmarks")


def main(data: Path | None = None, out: Path | None = None, limit: int | None = None) -> None:
    """Measure, print, and write the result as JSON.

    data: a folder with ``video``, whose clips with sound are scored, too.

    Raises MienError where speech cannot be made (the extra ``speech``).
    """
    scorer = SyncScorer.bundled()
    spoken = [t for t in report.progress(takes(limit), "voices") if len(t.truth) > SHORTEST + 1]
    results = {
        "takes": len(spoken),
        "allowed_frames": ALLOWED,
        "noise_mm": NOISE,
        "ways": {way: _offsets(scorer, spoken, way) for way in WAYS},
        "belongs": _belongs(scorer, spoken),
        "clips": {} if data is None else real(scorer, data),
    }
    found = {"limit": limit, "weights": hub.lookup("mien-sync").sha256}
    report.finish(PROTOCOL, found, results, out)


def moved(sound: np.ndarray, rate: int, frames: int) -> np.ndarray:
    """A sound (S,) that comes so many frames of 40 ms early; where it is over there is silence."""
    by = round(abs(frames) * rate / FPS)
    silent = np.zeros(by, np.float32)
    return np.append(sound[by:], silent) if frames > 0 else np.append(silent, sound)


def _offsets(scorer: SyncScorer, spoken: list[Take], way: str) -> dict[str, Any]:
    """In each place the errors of the offset, in frames."""
    errors: dict[str, list[list[int]]] = {}
    for number, take in enumerate(report.progress(spoken, way)):
        rng = np.random.default_rng([number, 50])
        face = _seen(take, rng) if way == "landmarks" else None
        shifts = rng.integers(-FARTHEST, FARTHEST + 1, TRIES).tolist()
        found = [_scored(scorer, take, face, shift) for shift in shifts]
        off = [abs(each.offset - shift) for each, shift in zip(found, shifts, strict=True)]
        errors.setdefault(take.place, []).append(off)
    return {place: _summary(np.array(off)) for place, off in errors.items()}


def _summary(errors: np.ndarray) -> dict[str, Any]:
    """Of errors (clips, tries)."""
    right = 100 * (errors <= ALLOWED).mean(1)
    return {
        "tries": errors.size,
        "right_percent": right.mean(),
        "ci95": bootstrap(right),
        "exact_percent": 100 * (errors == 0).mean(),
        "mean_frames": errors.mean(),
    }


def _scored(scorer: SyncScorer, take: Take, face: np.ndarray | None, shift: int) -> Sync:
    sound, rate = moved(take.sound, take.said.rate, shift), take.said.rate
    if face is not None:
        return scorer.landmarks(face, FPS, sound, rate)
    return scorer.motion(_motion(take), sound, rate)


def _motion(take: Take) -> Motion:
    return Motion(FPS, take.truth, np.zeros((len(take.truth), 3)))


def _seen(take: Take, rng: np.random.Generator) -> np.ndarray:
    """Landmarks (T, 478, 3) of somebody who says it, head turning, as a network would see them."""
    mean, identity, moves = HeadModel.bundled().landmark_basis()
    who = np.tensordot(rng.normal(0, 0.7, len(identity)), identity, 1)
    points = mean + who + np.tensordot(take.truth, moves[: len(BLENDSHAPES)], 1)
    yaw, pitch = rng.uniform((-30, -12), (30, 12))
    time = np.arange(len(points)) / FPS
    out = np.empty(points.shape)
    for i, face in enumerate(points + rng.normal(0, NOISE, points.shape)):
        turn = Pose(yaw + 5 * np.sin(2 * time[i]), pitch + 3 * np.sin(3 * time[i]), 0).rotation()
        out[i] = (face * [1, -1, -1]) @ turn.T
    return out


def _belongs(scorer: SyncScorer, spoken: list[Take]) -> dict[str, Any]:
    """How well confidence tells lips with their own sound from lips with somebody else's."""
    confidence, own = [], []
    for number, take in enumerate(report.progress(spoken, "pairs")):
        other = spoken[(number + len(spoken) // 2 + 1) % len(spoken)]
        for heard in (take, other):
            found = scorer.motion(_motion(take), heard.sound, heard.said.rate)
            confidence.append(found.confidence)
            own.append(heard is take)
    told = np.array(own)
    values = np.array(confidence)
    return {
        "auc_percent": 100 * roc_auc(values, told),
        "own": values[told].mean(),
        "other": values[~told].mean(),
    }


# -- clips of real people --------------------------------------------------------------------------


def real(scorer: SyncScorer, data: Path) -> dict[str, Any]:
    """What the scorer says of each clip of ``data/video`` that has sound and a face throughout."""
    found = {}
    finder = FaceFinder.bundled()
    for clip in report.progress(clips(data), "clips"):
        try:
            sound, rate = read_audio(clip)
        except InputError:
            continue
        points, fps = _tracked(clip, finder)
        if np.isfinite(points).all() and len(points) / fps * FPS >= SHORTEST:
            each = scorer.landmarks(points, fps, sound[: round(len(points) / fps * rate)], rate)
            found[clip.name] = {
                "seconds": len(points) / fps, "offset": each.offset,
                "confidence": each.confidence,
            }  # fmt: skip
    return found


def _tracked(clip: Path, finder: FaceFinder) -> tuple[np.ndarray, float]:
    """Landmarks (T, 478, 3) of a clip's largest face, NaN where there is none, and the rate."""
    tracker, points, times = Tracker(finder, smooth=False, max_faces=1), [], []
    for frame in _first(Video(clip)):
        faces = tracker.update(frame.image, frame.time)
        seen = faces[0].landmarks if faces else None
        points.append(np.full((478, 3), np.nan) if seen is None else seen)
        times.append(frame.time)
    fps = (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else FPS
    return np.array(points), fps


def _first(video: Video) -> Iterator[Any]:
    for frame in video.frames():
        if frame.time > SECONDS:
            return
        yield frame
