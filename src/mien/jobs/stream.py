"""Inputs, read one after the other, with the faces in their frames. Memory does not grow."""

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TypeVar

from mien.errors import MienError
from mien.face import Face
from mien.find.finder import FaceFinder
from mien.find.identity import Identities
from mien.find.perception import Reader, Watch
from mien.find.tracker import Tracker
from mien.media.source import Source, open_source
from mien.media.video import Frame

AHEAD = 2  # frames that are read, or are being read, while one is worked on
PIXELS_AT_ONCE = 48_000_000  # of photos that are worked on together, unless it is one alone

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SourceReport:
    """What came of one input.

    source: the input as the user named it.
    frames: frames that were looked at; 0 when it could not be used at all.
    duration: seconds, 0 for a photo; None when not known.
    faces: its rows in the table: one per face per frame.
    error: what was wrong, in one line that names the input; None when nothing was. A damaged or
        truncated video has an error, and frames and faces all the same.
    """

    source: str
    frames: int
    duration: float | None
    faces: int
    error: str | None


class Reading:
    """One input while it is read; ``source`` is None until it is open."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.source: Source | None = None
        self.error: str | None = None
        self.stopped = False  # by the user
        self.frames = self.faces = 0
        self.position = 0  # how many frames of the input have passed, looked at or not
        self.time = 0.0

    @property
    def is_video(self) -> bool:
        return self.source is not None and not self.source.is_still

    def count(self, frame: Frame, faces: list[Face]) -> None:
        """Add a measured frame, and tell its faces where they are."""
        self.frames += 1
        self.faces += len(faces)
        self.position, self.time = frame.index + 1, frame.time
        for face in faces:
            face.source, face.frame, face.time = self.name, frame.index, frame.time

    def fail(self, error: str) -> None:
        """Keep the first thing that went wrong."""
        self.error = self.error or error

    def report(self) -> SourceReport:
        duration = None if self.source is None or not self.frames else self.source.duration
        if duration is None and self.frames:
            duration = self.time
        rounded = None if duration is None else round(duration, 6)
        return SourceReport(self.name, self.frames, rounded, self.faces, self.error)


# The frames of an input follow each other; a None, without faces, ends them.
Step = tuple[Reading, Frame | None]
Measured = Generator[tuple[Reading, Frame | None, list[Face]], None, None]


def measured(
    names: Iterable[str],
    finder: FaceFinder,
    max_faces: int | None,
    every: int,
    smooth: bool,
    batch: int,
    reader: Reader | None = None,
) -> Measured:
    """Opens the inputs and finds their faces, in order; ``reader`` reads in these."""
    with closing(_ahead(_read(names, every))) as read:
        for is_video, part in groupby(read, key=lambda step: step[0].is_video):
            if is_video:
                found = _track(part, finder, smooth, max_faces, reader)
            else:
                found = _find(part, finder, batch, max_faces, reader)
            for reading, frame, faces in found:
                if frame is not None:
                    reading.count(frame, faces)
                yield reading, frame, faces


def _read(names: Iterable[str], every: int) -> Generator[Step, None, None]:
    for name in names:
        reading = Reading(name)
        try:
            reading.source = open_source(name)
            for frame in reading.source.frames(every):
                yield reading, frame
                if reading.stopped:
                    break
            if reading.source.warning:
                reading.fail(reading.source.warning)
        except MienError as error:
            reading.fail(str(error))
        except Exception as error:  # a decoder's own fault must not cost the other inputs
            reading.fail(f"{name}: cannot be read: {type(error).__name__}: {error}")
        yield reading, None


def _ahead(items: Generator[T, None, None]) -> Generator[T, None, None]:
    """The same items, some of which are made in a thread while one is worked on."""
    reader = ThreadPoolExecutor(1, thread_name_prefix="mien-reader")
    end: Any = object()
    try:
        waiting = deque(reader.submit(next, items, end) for _ in range(AHEAD))
        while (item := waiting.popleft().result()) is not end:
            waiting.append(reader.submit(next, items, end))
            yield item
    finally:
        reader.shutdown(cancel_futures=True)
        items.close()


def _track(
    read: Iterable[Step], finder: FaceFinder, smooth: bool, max_faces: int | None,
    reader: Reader | None,
) -> Measured:  # fmt: skip
    """Follows the faces of videos, each with a tracker of its own."""
    for reading, steps in groupby(read, key=lambda step: step[0]):
        # Where embeddings are wanted, they also tell who comes back after a cut.
        who = Identities(reader.embedder) if reader and reader.embedder else None
        tracker = Tracker(finder, smooth, max_faces, who)
        watch = Watch(reader, smooth) if reader else None
        for _, frame in steps:
            faces = tracker.update(frame.image, frame.time) if frame else []
            if frame and watch:
                watch(frame.image, faces, frame.time)
            yield reading, frame, faces


def _find(
    read: Iterable[Step], finder: FaceFinder, batch: int, max_faces: int | None,
    reader: Reader | None,
) -> Measured:  # fmt: skip
    """Finds the faces of photos, several of which go through the networks together."""
    for part in _portions(read, batch):
        images = [frame.image for _, frame in part if frame]
        found = finder.find(images, max_faces)
        if reader:
            owners = [image for image, faces in zip(images, found, strict=True) for _ in faces]
            reader.read(owners, [face for faces in found for face in faces])
        each = iter(found)
        for reading, frame in part:
            yield reading, frame, next(each) if frame else []


def _portions(read: Iterable[Step], batch: int) -> Iterator[list[Step]]:
    """At most ``batch`` photos with their ends, and ``PIXELS_AT_ONCE`` unless it is one photo."""
    part: list[Step] = []
    pixels = 0
    for reading, frame in read:
        new = frame.image.size // 3 if frame else 0
        if len(part) == 2 * batch or (pixels and pixels + new > PIXELS_AT_ONCE):
            yield part
            part, pixels = [], 0
        part.append((reading, frame))
        pixels += new
    yield part
