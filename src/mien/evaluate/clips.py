"""Landmarks on video against a peer: MediaPipe's Face Landmarker labels frames of each clip.

It labels every ``EVERY``-th frame, ``MOST`` of them, each as a still image. mien measures the same
frames twice: as a video (its tracker over all frames, without the filter) and as photos.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mien.errors import InputError
from mien.evaluate import metrics, peers, report
from mien.face import Face
from mien.find.finder import FaceFinder
from mien.find.tracker import Tracker
from mien.hub.store import home, sha256
from mien.media.files import atomic
from mien.media.inputs import VIDEO_SUFFIXES
from mien.media.video import Video

EVERY, MOST = 5, 100
WAYS = ("video", "photos")


@dataclass(frozen=True)
class Labels:
    """``frames`` (n,) indices and ``landmarks`` (n, 478, 3) pixels, NaN where there is no face."""

    frames: np.ndarray
    landmarks: np.ndarray


def clips(data: Path) -> list[Path]:
    """The clips of a data folder, by name."""
    return sorted(f for f in (data / "video").iterdir() if f.suffix.lower() in VIDEO_SUFFIXES)


def label(data: Path, clip: Path, environment: peers.Environment) -> Labels:
    """The peer's landmarks of a clip; kept in mien's cache, by the content of clip and model."""
    task = data / "peers" / peers.TASK
    if not task.is_file():
        raise InputError(f"{task}: not there: the labels of the clips are made with it")
    version = environment.versions["mediapipe"]
    name = f"{sha256(clip)[:16]}-{sha256(task)[:8]}-{version}-{EVERY}-{MOST}.npz"
    cached = home() / "peers" / name
    if not cached.is_file():
        cached.parent.mkdir(parents=True, exist_ok=True)
        with atomic(cached) as temporary:
            script = "mediapipe_landmarks.py"
            peers.run(environment, script, task, clip, temporary, EVERY, MOST)
    with np.load(cached, allow_pickle=False) as arrays:
        width, height = arrays["size"]
        return Labels(arrays["frames"], arrays["landmarks"] * [width, height, width])


def measure(data: Path, finder: FaceFinder, peer: peers.Environment, limit: int | None) -> dict:
    """Results of all clips, the first ``limit`` labelled frames of each."""
    by_clip = {
        clip.name: _measure(clip, label(data, clip, peer), finder, limit)
        for clip in report.progress(clips(data), "clips")
    }
    return {
        "labels": f"MediaPipe Face Landmarker {peer.versions['mediapipe']}, image mode, one face",
        "every": EVERY,
        "most": MOST,
        "overall": {way: overall([clip[way] for clip in by_clip.values()]) for way in WAYS},
        "clips": {
            name: {way: _summary(clip[way]) for way in WAYS} for name, clip in by_clip.items()
        },
    }


@dataclass(frozen=True)
class Scores:
    """One clip measured in one way.

    nme: (n,) of the frames in which the peer sees a face, infinite where mien misses it.
    extra: faces that mien sees in the frames, ``empty`` many, in which the peer sees none.
    """

    nme: np.ndarray
    extra: int
    empty: int

    @property
    def found(self) -> int:
        return int(np.isfinite(self.nme).sum())


def _measure(
    clip: Path, labels: Labels, finder: FaceFinder, limit: int | None
) -> dict[str, Scores]:
    frames, landmarks = labels.frames[:limit], labels.landmarks[:limit]
    truths = dict(zip(frames.tolist(), landmarks, strict=True))
    found: dict[str, list[tuple[np.ndarray, list[Face]]]] = {way: [] for way in WAYS}
    tracker = Tracker(finder, smooth=False)
    for frame in Video(clip).frames():
        faces = tracker.update(frame.image, frame.time)
        if frame.index in truths:
            truth = truths.pop(frame.index)
            found["video"].append((truth, faces))
            found["photos"].append((truth, finder.find([frame.image])[0]))
        if not truths:
            break
    return {way: score(pairs) for way, pairs in found.items()}


def score(pairs: list[tuple[np.ndarray, list[Face]]]) -> Scores:
    """Errors of the faces found in frames whose label is (478, 3) pixels, or NaN for no face."""
    seen = [(truth, faces) for truth, faces in pairs if np.isfinite(truth).all()]
    empty = [faces for truth, faces in pairs if not np.isfinite(truth).all()]
    return Scores(
        nme=np.array([metrics.error_of(truth, faces) for truth, faces in seen]),
        extra=sum(len(faces) for faces in empty),
        empty=len(empty),
    )


def _summary(scores: Scores) -> dict[str, Any]:
    return {
        **metrics.summary(scores.nme),
        "frames_without_face": scores.empty,
        "faces_in_those": scores.extra,
    }


def overall(scores: list[Scores]) -> dict[str, Any]:
    """Means over clips, each weighing the same, and over frames, each weighing the same."""
    means = np.array([clip.nme[np.isfinite(clip.nme)].mean() for clip in scores if clip.found])
    return {
        "clips": len(means),
        "mean_of_clips_percent": 100 * means.mean() if len(means) else None,
        "ci95_percent": [100 * bound for bound in metrics.bootstrap(means)] if len(means) else None,
        "frames": metrics.summary(np.concatenate([clip.nme for clip in scores])),
        "frames_without_face": sum(clip.empty for clip in scores),
        "faces_in_those": sum(clip.extra for clip in scores),
    }
