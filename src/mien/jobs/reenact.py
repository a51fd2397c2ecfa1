"""Let a person in photos move as a face in a video does, by the portrait renderer or a system."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from mien.errors import InputError, UsageError
from mien.face import DLIB_68, Motion
from mien.find.finder import FaceFinder
from mien.find.tracker import Tracker
from mien.head.fit import Fitter
from mien.head.portrait import Portrait
from mien.jobs.animate import FEWEST_SEEN, check_out, prepare
from mien.jobs.person import Choice, Watched, choose, motion_of, watch
from mien.media.image import read_image
from mien.media.provenance import Generated, SourceType
from mien.media.source import Camera, Source, VideoFile, open_source
from mien.media.video import VideoWriter

if TYPE_CHECKING:
    from mien.systems.reenact.reenactor import Reenactor

Draw = Callable[[Source, Watched], Iterator[np.ndarray]]
"""From a driving video and the person in it to the pictures that are made."""


@dataclass(frozen=True, slots=True)
class Reenacted:
    """What was written. portrait: the photo that was set in motion, or the first that was read."""

    frames: int
    portrait: str


def reenact(
    portraits: Sequence[str | os.PathLike[str]],
    driving: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    system: str | None = None,
    run: Path | None = None,
    weights: str | None = None,
    face: Choice = None,
    absolute: bool = False,
    credentials: bool = True,
    mark: bool = False,
    device: str = "cpu",
) -> Reenacted:
    """Write a video ``out`` of the person in ``portraits`` who moves as the face in ``driving``.

    portraits: photos of one person. The portrait renderer takes the one that is seen best.
    driving: a video; of it the person who is seen largest and longest. Its sound is kept.
    out: .mp4, .m4v, .mov or .mkv; H.264. It is there when it is complete.
    system: slug of a system of the task "reenactment", with the weights of a ``run`` or as named by
        ``weights``; it gives square pictures of its own size. None: the portrait renderer.
    face: which one in photos with several: 1 is the largest.
    absolute: hold the head and face as the driver does. Else only how they change counts, from the
        driver's rest, or for a system from the frame in which he looks most like the person.
    credentials: sign the video as synthetic (:mod:`mien.media.provenance`). mark: write so into the
        corner of its pictures.

    In frames in which the driver is not seen the last picture stays, at first the portrait.

    Raises UsageError for options that do not fit, InputError for inputs without a usable face,
    MienError when there are no weights or ``out`` cannot be written.
    """
    if not portraits:
        raise UsageError("a portrait is needed, a photo of the person to be moved")
    if system is None and (run is not None or weights is not None):
        raise UsageError("weights are of a system: say which, with --system SLUG")
    out, paths = Path(out), [os.fspath(path) for path in portraits]
    what = "a photo set in motion" if system is None else f"a person drawn anew by {system}"
    kind = SourceType.COMPOSITE if system is None else SourceType.LEARNED
    made = Generated(kind, what, credentials, mark)
    check_out(out, *paths, driving)
    made.check(out)
    source = _video(os.fspath(driving))
    reenactor = None if system is None else _reenactor(system, run, weights, device)
    finder, fitter = FaceFinder.bundled(device), Fitter()
    if reenactor is None:
        used, draw = _rendered(paths, finder, fitter, face, absolute)
    else:
        used, draw = _drawn(reenactor, paths, finder, face, absolute)
    person = watch(source, Tracker(finder))
    if sum(points is not None for points in person.landmarks) < FEWEST_SEEN:
        raise InputError(f"{source.name}: no face in it that moves")
    frames = draw(source, person)
    sound = source.name if isinstance(source, VideoFile) else None
    with VideoWriter(out, source.fps, sound, generated=made) as video:
        for frame, time in zip(frames, person.times, strict=False):
            video.write(frame, time)
    return Reenacted(len(person.times), used)


def held(portrait: Portrait, motion: Motion) -> Iterator[np.ndarray]:
    """The portrait (H, W, 3) uint8, its face and head held as in a motion, frame by frame."""
    own = portrait.fit.pose
    frame, pose = portrait.image, np.array([own.yaw, own.pitch, own.roll])
    for i in range(len(motion)):
        if np.isfinite(motion.expression[i]).all() and np.isfinite(motion.pose[i]).all():
            gaze = None if motion.gaze is None else motion.gaze[i]
            known = gaze is not None and np.isfinite(gaze).all()
            frame = portrait.render(
                motion.expression[i], gaze if known else None, motion.pose[i] - pose
            )
        yield frame


def likest(person: Watched, landmarks: np.ndarray) -> int:
    """The frame in which a person looks most like a face (478, 3): as its 68 points lie.

    Places and sizes do not count: points are centred, and the area of their hull is 1.
    """

    def shape(points: np.ndarray) -> np.ndarray:
        flat = points[DLIB_68, :2].astype(np.float32)
        area = cv2.contourArea(cv2.convexHull(flat))
        return (flat - flat.mean(0)) / max(np.sqrt(area), 1e-6)

    wanted = shape(landmarks)
    gaps = {number: float(np.square(shape(points) - wanted).sum())
            for number, points in enumerate(person.landmarks) if points is not None}  # fmt: skip
    return min(gaps, key=gaps.__getitem__)


def _video(name: str) -> Source:
    source = open_source(name)
    if isinstance(source, Camera):
        raise UsageError(f"{name}: a webcam does not end; record a video of it first")
    if source.is_still:
        raise InputError(f"{name}: a picture; what drives is a video")
    return source


def _reenactor(slug: str, run: Path | None, weights: str | None, device: str) -> "Reenactor":
    from mien.systems.reenact.reenactor import Reenactor  # needs torch

    return Reenactor(slug, run, weights, device)


def _rendered(
    paths: Sequence[str], finder: FaceFinder, fitter: Fitter, face: Choice, absolute: bool
) -> tuple[str, Draw]:
    """The portrait renderer: which photo it moves, and how it draws."""
    used, portrait = _best(paths, finder, fitter, face)

    def draw(source: Source, person: Watched) -> Iterator[np.ndarray]:
        fits = fitter.fit_clip(person.landmarks, person.size, fps=source.fps)
        motion = motion_of(fits, source.fps)
        return held(portrait, motion) if absolute else portrait.frames(motion)

    return used, draw


def _best(
    paths: Sequence[str], finder: FaceFinder, fitter: Fitter, face: Choice
) -> tuple[str, Portrait]:
    """The portrait that is met best by the head model and turned away least."""

    def worth(portrait: Portrait) -> float:
        turned = np.radians([portrait.fit.pose.yaw, portrait.fit.pose.pitch])
        return portrait.fit.quality * float(np.cos(turned).prod())

    prepared = {path: prepare(path, finder, fitter, face) for path in paths}
    return max(prepared.items(), key=lambda item: worth(item[1]))


def _drawn(
    reenactor: "Reenactor", paths: Sequence[str], finder: FaceFinder, face: Choice, absolute: bool
) -> tuple[str, Draw]:
    """A system: the first photo that it reads, and how it draws."""
    landmarks = _meet(reenactor, paths, finder, face)

    def draw(source: Source, person: Watched) -> Iterator[np.ndarray]:
        start = None if absolute else likest(person, landmarks)
        return _pictures(reenactor, source.name, person, start)

    return paths[0], draw


def _meet(
    reenactor: "Reenactor", paths: Sequence[str], finder: FaceFinder, face: Choice
) -> np.ndarray:
    """Show the person to a system; the landmarks (478, 3) of the first photo."""
    images = [read_image(path) for path in paths]
    faces = [choose(found, face, path)
             for found, path in zip(finder.find(images), paths, strict=True)]  # fmt: skip
    landmarks = [one.landmarks for one in faces if one.landmarks is not None]
    reenactor.meet(images, landmarks)
    return landmarks[0]


def _pictures(
    reenactor: "Reenactor", name: str, person: Watched, start: int | None
) -> Iterator[np.ndarray]:
    """The person (S, S, 3) uint8 in each frame of a video, cut where the face mostly is.

    start: the frame in which the motion begins; None for motion as it is.
    """
    seen = np.stack([points for points in person.landmarks if points is not None])
    first = None
    if start is not None:
        frames = open_source(name).frames()
        first = next(frame.image for i, frame in enumerate(frames) if i == start)
    reenactor.begin(first, reenactor.system.crop(np.median(seen, axis=0)))
    picture = reenactor.portrait
    for frame, points in zip(open_source(name).frames(), person.landmarks, strict=False):
        if points is not None:
            picture = reenactor.draw(frame.image)
        yield picture
