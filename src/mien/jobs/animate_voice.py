"""Let the face of a photo, or a head of one's own, speak with a voice."""

import math
import os
import time
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, Protocol

import numpy as np

from mien.errors import UsageError
from mien.face import BLENDSHAPES, Motion
from mien.find.finder import FaceFinder
from mien.head.animated import AnimatedHead
from mien.head.capture import capture
from mien.head.export import write_glb
from mien.head.fit import Fitter
from mien.head.portrait import Portrait
from mien.head.speaking import Speaker
from mien.jobs.animate import check_out, prepare
from mien.jobs.animate_sound import RATE, STANDARD_INPUT, Voice, coming_in, paced, recorded, said
from mien.jobs.animate_write import Bar, Encoder, with_sound
from mien.media.files import check_readable
from mien.media.provenance import Generated, SourceType
from mien.media.video import WRITTEN_SUFFIXES, VideoWriter
from mien.systems.animate.driver import open_driver

DRIVER = "mien-animator"
INTENSITY = 0.7  # of an emotion without a number
MESH = ".glb"
MOTION_SUFFIXES = (".csv", ".npz", MESH)
FPS = (1.0, 240.0)


@dataclass(frozen=True, slots=True)
class Manner:
    """How a voice is shown.

    emotion: of ``mien.voice.affect.EMOTIONS``; None: neutral. intensity: 0..1 of it. style: of
    ``mien.voice.animator.STYLES``. seed: of blinks, glances and the head's motion.
    """

    emotion: str | None = None
    intensity: float = INTENSITY
    style: str = "neutral"
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Driver:
    """The system that animates, and where its weights are."""

    slug: str = DRIVER
    run: Path | None = None
    weights: str | None = None


class Listening(Protocol):
    """A voice that is being animated; see :class:`mien.voice.animator.Stream`."""

    def push(self, sound: np.ndarray) -> Motion: ...

    def finish(self) -> Motion: ...


def manner_of(emotion: str | None, style: str = "neutral", seed: int = 0) -> Manner:
    """The manner that ``emotion``, as ``happy`` or ``happy:0.7``, a style and a seed stand for.

    Raises UsageError for an emotion or a number of it that there is not.
    """
    from mien.voice.affect import emotion as known

    if emotion is None:
        return Manner(style=style, seed=seed)
    name, _, share = emotion.partition(":")
    try:
        intensity = float(share) if share else INTENSITY
    except ValueError:
        intensity = math.nan
    if not 0 <= intensity <= 1:
        raise UsageError(f"--emotion is a name and perhaps how much of it, 0 to 1, as happy:0.7; "
                         f"not {emotion!r}")  # fmt: skip
    return Manner(known(name), intensity, style, seed)


class Clock:
    """When sound came in, and how long after it each frame was drawn."""

    def __init__(self) -> None:
        self._until, self._when = array("d"), array("d")
        self.latencies = array("f")

    def heard(self, until: float) -> None:
        """Sound up to ``until`` seconds has come in now."""
        self._until.append(until)
        self._when.append(time.monotonic())

    def drawn(self, at: float) -> None:
        """The frame of second ``at`` is drawn now."""
        came = bisect_left(self._until, at)
        came = min(came, len(self._until) - 1)
        self.latencies.append(time.monotonic() - self._when[came])


@dataclass(frozen=True, slots=True)
class Spoken:
    """What came of it: frames; and of a stream, the seconds (median, 95 %) from a sound to its
    picture."""

    frames: int
    latency: tuple[float, float] | None = None


def speak(
    portrait: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    *,
    audio: str | os.PathLike[str] | None = None,
    text: str | None = None,
    voice: str = "en-us",
    rate: int = RATE,
    stream: bool = False,
    manner: Manner | None = None,
    driver: Driver | None = None,
    fps: float = 25.0,
    face: int | Literal["largest"] | None = None,
    size: int | None = None,
    motion_out: str | os.PathLike[str] | None = None,
    credentials: bool = True,
    mark: bool = False,
    device: str = "cpu",
    progress: bool = False,
) -> Spoken:
    """Write a video ``out`` in which a photo speaks, or a ``.glb`` in which a head does.

    portrait: a photo, or a ``.glb`` whose morph targets have ARKit's names.
    audio: a sound file, a video, or ``-``: 16-bit samples at ``rate`` hertz, mono, on standard
        input. text: what eSpeak NG is to say instead, with ``voice``, as ``en-gb`` or ``en-gb+f2``.
    stream: hear ``audio`` no faster than a live voice, and tell the latency.
    size: pixels of a square about the head; None: the whole photo, at its own resolution.
    motion_out: a ``.csv`` of Live Link Face, a ``.npz`` of ``Motion.save``, or a ``.glb`` of the
        photo's head, animated.
    face, credentials, mark: as of :func:`mien.jobs.animate.animate`. progress: show a bar.

    Memory does not grow with the length of the sound, but for motion that is kept: 6 kB a second.

    Raises UsageError for options that do not fit, InputError when the photo has no face that can be
    moved or the sound cannot be used, MienError when a file cannot be written.
    """
    manner, driver = manner or Manner(), driver or Driver()
    out, kept = (None if name is None else Path(name) for name in (out, motion_out))
    is_mesh = Path(portrait).suffix.lower() == MESH
    inputs = [portrait] if audio in (None, STANDARD_INPUT) else [portrait, audio]
    _check_sound(audio, text, fps)
    _check_files(out, kept, is_mesh, inputs)
    made = Generated(SourceType.COMPOSITE, "a photo that speaks", credentials, mark)
    if is_mesh and (face is not None or size is not None or mark):
        raise UsageError(f"{portrait}: --face, --size and --mark are of photos")
    if out is not None and not is_mesh:
        made.check(out)
    clock = Clock()
    with _voice(audio, text, voice, rate, manner) as heard:
        listening = listen(driver, heard.rate, fps, manner, device, stream or heard.live)
        keep: list[Motion] | None = [] if is_mesh or kept else None
        parts = _kept(motions(heard, listening, clock, stream), keep)
        head: Portrait | AnimatedHead
        if is_mesh:
            head = AnimatedHead(os.fspath(portrait))
        else:
            head = prepare(portrait, FaceFinder.bundled(device), Fitter(), face, size)
        if out is None or isinstance(head, AnimatedHead):
            frames = sum(len(part) for part in parts)
        else:
            total = None if heard.seconds is None else math.ceil(heard.seconds * fps)
            with Bar(Path(portrait).name, total, progress) as step:
                pictures = _pictures(Speaker(head), parts, clock, step)
                frames = _write(out, pictures, heard, made, fps)
        for path in (out if is_mesh else None, kept):
            if path is not None:
                _write_motion(path, joined(keep or []), head)
    return Spoken(frames, _quantiles(clock) if stream or heard.live else None)


class _Whole:
    """A driver that hears a voice to its end before it moves anything."""

    def __init__(self, animate: Callable[[np.ndarray], Motion], fps: float) -> None:
        self._animate, self._fps = animate, fps
        self._heard: list[np.ndarray] = []

    def push(self, sound: np.ndarray) -> Motion:
        self._heard.append(sound)
        still = np.zeros((0, len(BLENDSHAPES)))
        return Motion(self._fps, still, still[:, :3], still[:, :4])

    def finish(self) -> Motion:
        return self._animate(np.concatenate(self._heard))


def listen(
    driver: Driver, rate: int, fps: float, manner: Manner, device: str = "cpu", live: bool = False
) -> Listening:
    """A driver that waits for a voice at ``rate`` hertz.

    live: it is to move while it hears.

    Raises UsageError for a system that cannot, and for a manner it does not have; MienError where
    it has no weights.
    """
    opened = open_driver(driver.slug, driver.run, driver.weights, device)
    how = {"fps": fps, "emotion": manner.emotion, "intensity": manner.intensity,
           "style": manner.style, "seed": manner.seed}  # fmt: skip
    begin = getattr(opened, "stream", None)
    if begin is not None:
        return begin(rate, **how)
    if live:
        raise UsageError(f"{driver.slug} hears a voice to its end before it moves: leave out "
                         "--stream, and give it a file")  # fmt: skip
    return _Whole(lambda sound: opened.animate(sound, rate, **how), fps)


def motions(
    voice: Voice, listening: Listening, clock: Clock | None = None, stream: bool = False
) -> Iterator[Motion]:
    """The motion of a face that speaks with a voice, part by part as it is heard.

    stream: no faster than one would hear it.
    """
    clock = clock or Clock()
    samples = 0
    for piece in paced(voice) if stream and not voice.live else voice.pieces:
        samples += len(piece)
        clock.heard(samples / voice.rate)
        yield listening.push(piece)
    yield listening.finish()


def joined(parts: list[Motion]) -> Motion:
    """Motions one after the other; at least one."""
    gazes = [part.gaze for part in parts if part.gaze is not None]
    return Motion(
        parts[0].fps,
        np.concatenate([part.expression for part in parts]),
        np.concatenate([part.pose for part in parts]),
        np.concatenate(gazes) if len(gazes) == len(parts) else None,
    )


def _voice(
    audio: str | os.PathLike[str] | None, text: str | None, voice: str, rate: int, manner: Manner
) -> AbstractContextManager[Voice]:
    if text is not None:
        from mien.voice.affect import emotion

        return said(text, voice, emotion(manner.emotion), manner.intensity)
    assert audio is not None
    return coming_in(rate) if audio == STANDARD_INPUT else recorded(os.fspath(audio))


def _kept(parts: Iterator[Motion], keep: list[Motion] | None) -> Iterator[Motion]:
    for part in parts:
        if keep is not None:
            keep.append(part)
        yield part


def _pictures(
    speaker: Speaker, parts: Iterator[Motion], clock: Clock, step: Callable[[], None]
) -> Iterator[np.ndarray]:
    number = 0
    for motion in parts:
        for frame in range(len(motion)):
            yield speaker.draw(motion, frame)
            clock.drawn(number / motion.fps)
            number += 1
            step()


def _write(
    out: Path, pictures: Iterator[np.ndarray], voice: Voice, made: Generated, fps: float
) -> int:
    """Write pictures with the voice; how many they were."""
    with TemporaryDirectory() as folder:
        # A live voice is not there before it has ended.
        silent = Path(folder) / f"silent{out.suffix}" if voice.live else out
        signed = replace(made, signed=False) if voice.live else made
        track = None if voice.live else voice.track
        frames = 0
        with Encoder(VideoWriter(silent, fps, track, generated=signed)) as video:
            for image in pictures:
                video.write(image)
                frames += 1
        if voice.live and voice.track is not None:
            with_sound(silent, voice.track, out, made)
    return frames


def _write_motion(path: Path, motion: Motion, head: Portrait | AnimatedHead) -> None:
    if path.suffix.lower() != MESH:
        motion.save(path)
    elif isinstance(head, AnimatedHead):
        head.write(path, motion)
    else:
        textures = capture(head.image, head.fit, head.model).textures
        write_glb(path, head.model, head.fit.identity, textures, motion)


def _quantiles(clock: Clock) -> tuple[float, float] | None:
    if not clock.latencies:  # nothing was drawn
        return None
    median, most = np.quantile(clock.latencies, (0.5, 0.95))
    return float(median), float(most)


def _check_sound(audio: object, text: str | None, fps: float) -> None:
    if (audio is None) == (text is None):
        raise UsageError("a voice is --audio FILE or --say TEXT, one of them")
    if not FPS[0] <= fps <= FPS[1]:
        raise UsageError(f"--fps is {FPS[0]:g} to {FPS[1]:g}, not {fps:g}")


def _check_files(
    out: Path | None, kept: Path | None, is_mesh: bool, inputs: Sequence[str | os.PathLike[str]]
) -> None:
    """Say before the work what would fail after it."""
    if out is None and kept is None:
        raise UsageError("nothing to write: say --out FILE or --motion-out FILE")
    for name in inputs:
        check_readable(os.fspath(name))
    if out is not None:
        check_out(out, *inputs, suffixes=(MESH,) if is_mesh else WRITTEN_SUFFIXES)
    if kept is not None:
        check_out(kept, *inputs, suffixes=MOTION_SUFFIXES)
