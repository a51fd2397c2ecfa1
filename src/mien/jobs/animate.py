"""Let the face of a photo move as a recording or another face does."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from mien.errors import InputError, MienError, UsageError
from mien.face import BLENDSHAPES, Motion
from mien.find.finder import FaceFinder
from mien.find.tracker import Tracker
from mien.head.fit import Fitter
from mien.head.portrait import THREADS, Portrait
from mien.jobs.animate_write import Encoder
from mien.jobs.person import choose, motion_of, size_of
from mien.jobs.person import watch as person_in
from mien.media.files import check_readable
from mien.media.image import read_image
from mien.media.provenance import Generated, SourceType
from mien.media.source import VideoFile, open_source
from mien.media.video import WRITTEN_SUFFIXES, VideoWriter

SMALLEST_FACE = 40.0  # pixels; below it there is nothing to move
LARGEST_SIDE = 1920  # pixels, to which larger portraits are reduced
LARGEST_YAW = 60.0  # degrees; beyond it half of the face is not in the photo
CUT_OFF = 0.05  # of the landmarks, that may be outside the picture
LEAST_QUALITY = 0.4
SIZES = 64, LARGEST_SIDE  # pixels of a square about the head
HEAD_ROOM = 2.0  # of the face's box, the side of that square
SMALL = 600 * 600  # pixels of a picture, up to which a second thread is worth more to the encoder
ON_LIPS = (0, 17, 37, 267, 84, 314, 40, 270, 91, 321)
AROUND_LIPS = (164, 18, 200, 57, 287, 165, 391, 43, 273)
ABOVE = (9, 151, 108, 337, 6, 197, 66, 296)  # on the forehead and the bridge of the nose
LEAST_LIPS = 0.03  # how much redder lips are than what is around them: 0.04 and more
FOREIGN = 0.1  # colour of a mask, away from that of the forehead
MOTION_SUFFIXES = (".csv", ".npz")
FEWEST_SEEN = 2  # frames of a driving video with a face


@dataclass(frozen=True, slots=True, eq=False)
class Driving:
    """What moves a portrait.

    motion: the expressions, poses and gaze. times: seconds of its frames; None: at its frame rate.
    sound: a video whose sound goes with it.
    """

    motion: Motion
    times: Sequence[float] | None = None
    sound: str | None = None


def animate(
    portrait: str | os.PathLike[str],
    motion: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    face: int | Literal["largest"] | None = None,
    strength: float = 1.0,
    fps: float | None = None,
    size: int | None = None,
    credentials: bool = True,
    mark: bool = False,
    device: str = "cpu",
) -> int:
    """Write a video ``out`` of a photo whose face moves as in ``motion``.

    portrait: a photo. One larger than ``LARGEST_SIDE`` is reduced.
    motion: a Live Link Face ``.csv`` or a ``.npz`` as of ``Motion.save``, or a video: of that the
        person who is seen largest and longest, and the sound is kept. The motion counts from its
        own rest; see :meth:`mien.head.portrait.Portrait.frames`.
    out: .mp4, .m4v, .mov or .mkv; H.264. It is there when it is complete.
    face: which one when the photo has several: 1 is the largest. Faces less than half its size
        do not make a choice necessary.
    strength: of the motion; 1 is as it is.
    fps: frame rate of a ``.csv`` that is too short to tell.
    size: pixels of a square about the head; None: the whole photo, at its own resolution.
    credentials: sign the video as synthetic (:mod:`mien.media.provenance`). mark: write so into the
        corner of its pictures.

    Returns the number of frames. Raises UsageError for options that do not fit, InputError when the
    photo has no face that can be moved or the motion cannot be used, MienError when ``out`` cannot
    be written.
    """
    out = Path(out)
    made = Generated(SourceType.COMPOSITE, "a photo set in motion", credentials, mark)
    check_out(out, portrait, motion)
    made.check(out)
    if not 0 <= strength <= 3:
        raise UsageError(f"the strength of a motion is 0 to 3, not {strength:g}")
    recorded = read_recording(motion, fps)  # first, since it takes no time
    finder, fitter = FaceFinder.bundled(device), Fitter()
    prepared = prepare(portrait, finder, fitter, face, size)
    driving = recorded or watch(motion, finder, fitter)
    frames = prepared.frames(driving.motion, strength)
    with Encoder(VideoWriter(out, driving.motion.fps, driving.sound, generated=made)) as video:
        for frame, time in zip(frames, driving.times or repeat(None), strict=False):
            video.write(frame, time)
    return len(driving.motion)


def prepare(
    path: str | os.PathLike[str],
    finder: FaceFinder,
    fitter: Fitter,
    face: int | Literal["largest"] | None = None,
    size: int | None = None,
) -> Portrait:
    """The portrait in a photo; arguments and errors as of :func:`animate`."""
    if size is not None and (not SIZES[0] <= size <= SIZES[1] or size % 2):
        raise UsageError(f"a size is an even number, {SIZES[0]} to {SIZES[1]}, not {size}")
    image = read_image(os.fspath(path))
    if size is None:
        image = _reduced(image)
    chosen = choose(finder.find([image])[0], face, path)
    assert chosen.landmarks is not None
    if size_of(chosen) < SMALLEST_FACE:
        raise InputError(f"{path}: the face is too small to be moved: {size_of(chosen):.0f} pixels "
                         f"of the {SMALLEST_FACE:.0f} that it takes")  # fmt: skip
    landmarks = chosen.landmarks
    _check_border(path, landmarks, image)
    if covered(image, landmarks):
        raise InputError(f"{path}: something covers the mouth")
    if size is not None:
        image, landmarks = _square(image, landmarks, size)
    fit = fitter.fit(landmarks, (image.shape[1], image.shape[0]))
    if abs(fit.pose.yaw) > LARGEST_YAW:
        raise InputError(f"{path}: the face is seen from the side; too little of it shows")
    if fit.quality < LEAST_QUALITY:
        raise InputError(f"{path}: the head model does not fit this face (quality "
                         f"{fit.quality:.2f} of 1)")  # fmt: skip
    threads = 1 if image.shape[0] * image.shape[1] <= SMALL else THREADS
    return Portrait(image, fit, fitter.model, landmarks=landmarks, threads=threads)


def covered(image: np.ndarray, landmarks: np.ndarray) -> bool:
    """Whether a mask, say, covers the mouth: no lips, and another colour than the face above.

    It sees nothing in photos without colour, and not what has the colour of skin.
    """
    blurred = cv2.GaussianBlur(image, (0, 0), max(image.shape[0] / 200, 0.8))
    last = np.array(image.shape[1::-1]) - 1

    def colour(points: Sequence[int]) -> np.ndarray:
        """Logarithms of red and blue over green, medians of the places of landmarks."""
        x, y = landmarks[points, :2].clip(0, last).astype(int).T
        red, green, blue = np.log(blurred[y, x].astype(np.float64) + 2).T
        return np.median([red - green, blue - green], 1)

    lips, around, above = colour(ON_LIPS), colour(AROUND_LIPS), colour(ABOVE)
    return bool(lips[0] - around[0] < LEAST_LIPS and np.hypot(*(around - above)) > FOREIGN)


def _check_border(path: str | os.PathLike[str], landmarks: np.ndarray, image: np.ndarray) -> None:
    size = image.shape[1], image.shape[0]
    outside = ((landmarks[:, :2] < 0) | (landmarks[:, :2] > size)).any(1).mean()
    if outside > CUT_OFF:
        raise InputError(f"{path}: the picture's border cuts off {outside:.0%} of the face")


def _square(image: np.ndarray, landmarks: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The square about a head, (size, size, 3), as far as the picture goes, and its landmarks."""
    height, width = image.shape[:2]
    low, high = landmarks[:, :2].min(0), landmarks[:, :2].max(0)
    side = round(min(HEAD_ROOM * float((high - low).max()), width, height))
    first = ((low + high - side) / 2).clip(0, (width - side, height - side)).round().astype(int)
    part = image[first[1] : first[1] + side, first[0] : first[0] + side]
    way = cv2.INTER_AREA if size < side else cv2.INTER_CUBIC
    moved = landmarks.copy()
    moved[:, :2] -= first
    return cv2.resize(part, (size, size), interpolation=way), moved * (size / side)


def read_recording(path: str | os.PathLike[str], fps: float | None = None) -> Driving | None:
    """What a ``.csv`` or ``.npz`` says; None when it is neither, but a file all the same."""
    name = os.fspath(path)
    check_readable(name)
    if Path(name).suffix.lower() not in MOTION_SUFFIXES:
        return None
    driving = Driving(Motion.load(name, fps))
    if not len(driving.motion):
        raise InputError(f"{name}: a motion without frames")
    if not np.isfinite(driving.motion.expression).all(1).any():
        raise InputError(f"{name}: a motion that shows no face")
    return driving


def demo_motion(fps: float = 25.0, seconds: float = 4.0) -> Motion:
    """A short hello: a blink, a look aside, a smile, a word, a nod; at rest at both ends."""
    count = max(round(fps * seconds), 2)
    at = np.linspace(0, 1, count)
    motion = Motion(fps, np.zeros((count, len(BLENDSHAPES))), np.zeros((count, 3)),
                    np.zeros((count, 2, 2)))  # fmt: skip
    assert motion.gaze is not None

    def curve(name: str, centre: float, width: float, height: float) -> None:
        for side in ("",) if name in BLENDSHAPES else ("Left", "Right"):
            motion.expression[:, BLENDSHAPES.index(name + side)] += height * _bump(
                at, centre, width
            )

    curve("eyeBlink", 0.1, 0.045, 1.0)
    curve("eyeBlink", 0.62, 0.045, 1.0)
    curve("mouthSmile", 0.62, 0.34, 0.6)
    curve("cheekSquint", 0.62, 0.3, 0.3)
    curve("browInnerUp", 0.32, 0.2, 0.5)
    curve("jawOpen", 0.52, 0.06, 0.35)
    curve("jawOpen", 0.66, 0.07, 0.45)
    curve("mouthFunnel", 0.7, 0.06, 0.35)
    motion.gaze[:, :, 0] = 18 * _bump(at, 0.26, 0.12)[:, None]
    motion.pose[:, 0] = 9 * _bump(at, 0.3, 0.2)
    motion.pose[:, 1] = -8 * _bump(at, 0.84, 0.09) + 3 * _bump(at, 0.74, 0.08)
    motion.pose[:, 2] = 4 * _bump(at, 0.55, 0.3)
    motion.expression.clip(0, 1, out=motion.expression)
    return motion


def _bump(at: np.ndarray, centre: float, width: float) -> np.ndarray:
    """A smooth rise from 0 to 1 at ``centre`` and back within ``width`` to both sides."""
    near = (1 - np.abs(at - centre) / width).clip(0, 1)
    return near * near * (3 - 2 * near)


def check_out(
    out: Path, *inputs: str | os.PathLike[str], suffixes: Sequence[str] = WRITTEN_SUFFIXES
) -> None:
    """Say before the work what would fail after it."""
    if out.suffix.lower() not in suffixes:
        what = "video" if WRITTEN_SUFFIXES[0] in suffixes else "this"
        raise UsageError(f"{out}: {what} is written as {', '.join(suffixes)}")
    if not out.parent.is_dir():
        raise MienError(f"{out}: the folder does not exist")
    if out.is_dir():
        raise UsageError(f"{out}: is a folder")
    for name in inputs:
        if out.exists() and os.path.exists(name) and out.samefile(name):
            raise UsageError(f"{out}: is an input; choose another name for it")


def _reduced(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    scale = LARGEST_SIDE / max(height, width)
    if scale >= 1:
        return image
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def watch(path: str | os.PathLike[str], finder: FaceFinder, fitter: Fitter) -> Driving:
    """The motion of the person who is seen largest and longest in a video."""
    name = os.fspath(path)
    source = open_source(name)
    if source.is_still:
        raise InputError(f"{name}: a picture; a motion is a video, .csv or .npz")
    person = person_in(source, Tracker(finder))
    if sum(points is not None for points in person.landmarks) < FEWEST_SEEN:
        raise InputError(f"{name}: no face in it that moves")
    fits = fitter.fit_clip(person.landmarks, person.size, fps=source.fps)
    sound = name if isinstance(source, VideoFile) else None
    return Driving(motion_of(fits, source.fps), person.times, sound)
