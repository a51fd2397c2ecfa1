"""The one person that a job is about: chosen in a photo, followed through a video."""

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mien.errors import InputError, UsageError
from mien.face import BLENDSHAPES, Face, Motion
from mien.find.tracker import Tracker
from mien.head.fit import HeadFit
from mien.media.source import Source

RIVAL = 0.5  # of the size of the largest face: smaller ones are not meant, unless one says so

Choice = int | Literal["largest"] | None


@dataclass(frozen=True, slots=True, eq=False)
class Watched:
    """One person over a video.

    landmarks: (478, 3) pixels of each frame; None where the person is not seen. times: seconds.
    size: width and height of the frames. best: the frame in which the person is seen largest.
    """

    landmarks: list[np.ndarray | None]
    times: list[float]
    size: tuple[int, int]
    best: int


def choose(faces: Sequence[Face], face: Choice, path: str | os.PathLike[str]) -> Face:
    """The face that is asked for: a number from 1, the largest; None: the only large one.

    faces: largest first. Raises InputError when there is none, UsageError when there is no such
    face, and for None when several are large.
    """
    if not faces:
        raise InputError(f"{path}: no face in it")
    rivals = [one for one in faces if size_of(one) > RIVAL * size_of(faces[0])]
    if face is None and len(rivals) > 1:
        raise UsageError(f"{path}: {len(faces)} faces; choose one by --face largest or "
                         f"--face 1 to {len(faces)}, the largest first")  # fmt: skip
    number = 1 if face in (None, "largest") else int(face)
    if not 1 <= number <= len(faces):
        raise UsageError(f"{path}: no face {number}; there are {len(faces)}")
    return faces[number - 1]


def watch(source: Source, tracker: Tracker) -> Watched:
    """The person who is seen largest and longest in a video.

    Raises InputError when there is none.
    """
    times: list[float] = []
    tracks: defaultdict[int, dict[int, np.ndarray]] = defaultdict(dict)
    sizes: defaultdict[int, dict[int, float]] = defaultdict(dict)
    size = 0, 0
    for frame in source.frames():
        size = frame.image.shape[1], frame.image.shape[0]
        for face in tracker.update(frame.image, frame.time):
            assert face.track is not None and face.landmarks is not None
            tracks[face.track][len(times)] = face.landmarks.copy()
            sizes[face.track][len(times)] = size_of(face)
        times.append(frame.time)
    if not tracks:
        raise InputError(f"{source.name}: no face in it")
    person = max(tracks, key=lambda track: sum(sizes[track].values()))
    landmarks = [tracks[person].get(i) for i in range(len(times))]
    return Watched(landmarks, times, size, max(sizes[person], key=sizes[person].__getitem__))


def motion_of(fits: Sequence[HeadFit | None], fps: float) -> Motion:
    """The motion of a fitted clip; NaN where there is no fit."""
    unseen = np.full(len(BLENDSHAPES), np.nan)
    return Motion(
        fps,
        np.stack([unseen if fit is None else fit.expression for fit in fits]),
        np.stack([unseen[:3] if fit is None else _angles(fit) for fit in fits]),
        np.stack([unseen[:4] if fit is None else fit.gaze.ravel() for fit in fits]),
    )


def size_of(face: Face) -> float:
    """The side in pixels of a square as large as the face's box."""
    return float(np.sqrt(np.prod(face.box[2:] - face.box[:2])))


def _angles(fit: HeadFit) -> np.ndarray:
    return np.array([fit.pose.yaw, fit.pose.pitch, fit.pose.roll])
