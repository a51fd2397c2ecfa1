"""Find, track and measure the faces in photos and videos."""

import errno
import json
import os
import signal
import sys
import threading
import time
import warnings
from collections import defaultdict, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from itertools import count, groupby
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Literal, Self, TextIO, TypeVar, get_args

from mien import hub
from mien.errors import InputError, MienError, UsageError
from mien.face import Face
from mien.find.finder import FaceFinder
from mien.find.landmarks import Network
from mien.find.tracker import Tracker
from mien.media.draw import annotate as draw_faces
from mien.media.figure import Timeline
from mien.media.files import atomic
from mien.media.image import write_image
from mien.media.inputs import expand
from mien.media.source import Camera, Source, VideoFile, open_source
from mien.media.table import open_table
from mien.media.video import Frame, VideoWriter

ANNOTATED, FIGURES = "annotated", "figures"
AHEAD = 2  # frames that are read, or are being read, while one is worked on
PIXELS_AT_ONCE = 48_000_000  # of photos that are worked on together, unless it is one alone
PATIENCE = 1.0  # seconds before a progress bar appears
LONGEST_STEM = 200  # bytes of a file name that leave room for a number and a suffix
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)

Backend = Literal["onnx", "torch"]
Licence = Literal["any", "commercial"]
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


def analyze(
    inputs: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    max_faces: int | None = None,
    every: int = 1,
    smooth: bool = True,
    batch: int = 8,
    device: str = "cpu",
    backend: Backend = "onnx",
    licence: Licence | None = None,
    on_source: Callable[[SourceReport], object] | None = None,
) -> Iterator[Face]:
    """The faces in photos and videos, as soon as they are known, in the order of the inputs.

    inputs: one or several of what ``mien analyze`` takes: files, folders, globs, webcam numbers.
    max_faces: keep this many, the largest; None keeps all.
    every: look at every n-th frame of a video.
    smooth: filter jitter out of videos; photos are never filtered.
    batch: photos, and faces, per call of a network: it changes the speed, not the result.
    device: "cpu", "cuda" or "cuda:N".
    backend: what runs the networks.
    licence: "commercial" refuses weights that forbid commercial use; None asks $MIEN_LICENCE.
    on_source: called with the report of each input after its last face. Without it an input that
        cannot be used raises InputError when its turn comes, and a damaged video gives a warning.

    Each face has ``source``, ``frame`` and ``time``, and in videos ``track``. Memory does not grow
    with the length of a video. Reading ends when the iterator is closed or dropped.

    Raises UsageError for a number below 1, MienError when the device or the weights are not there.
    """
    _require_positive(every=every, batch=batch, max_faces=max_faces)
    listed = [inputs] if isinstance(inputs, str | os.PathLike) else inputs
    names = expand(os.fspath(item) for item in listed)
    finder = _finder(backend, device, batch, licence)
    return _faces(_measured(names, finder, max_faces, every, smooth, batch), on_source or _complain)


def run_analyze(
    inputs: Sequence[str],
    out: str | os.PathLike[str],
    *,
    format: Literal["parquet", "csv", "jsonl"] = "jsonl",
    annotate: bool = False,
    figure: bool = True,
    max_faces: int | None = None,
    every: int = 1,
    smooth: bool = True,
    batch: int = 8,
    device: str = "cpu",
    backend: Backend = "onnx",
    licence: Licence | None = None,
    quiet: bool = False,
) -> int:
    """``mien analyze``: writes what :func:`analyze` gives into the folder ``out``.

    faces.<format>: the table of faces. sources.jsonl: a ``SourceReport`` per input. annotated/
    (``annotate``): each input with its faces drawn in. figures/ (``figure``): pose and number of
    faces over each video. A file appears when it is complete; other files in ``out`` stay as they
    are, and what is in its annotated/ and figures/ does not count as input.

    Ctrl-C ends a webcam as if it had stopped by itself. ``quiet``: neither progress nor summary.

    Returns the number of inputs that failed; each costs a line on standard error. Raises UsageError
    when ``out`` is a file, there is no input or a number is below 1, MienError when the results
    cannot be written or the device or the weights are not there.
    """
    started = time.monotonic()
    _require_positive(every=every, batch=batch, max_faces=max_faces)
    out = Path(out)
    names = _names(inputs, out)
    finder = _finder(backend, device, batch, licence)
    _make_folders(out, [ANNOTATED] * annotate + [FIGURES] * figure)
    failed = faces_in_all = 0
    with (
        _open_lines(out / "sources.jsonl") as sources,
        open_table(out / f"faces.{format}", format) as table,
        _Pictures(out, annotate, figure) as pictures,
        _Progress(len(names), wanted=not quiet) as progress,
        _CtrlC() as ctrl_c,
        closing(_measured(names, finder, max_faces, every, smooth, batch)) as steps,
    ):
        for reading, frame, faces in steps:
            ctrl_c.reading = reading
            if frame is not None:
                for face in faces:
                    table.write(face)
                pictures.add(reading, frame, faces)
            else:
                pictures.finish(reading)
                report = reading.report()
                sources.write(json.dumps(asdict(report), separators=(",", ":")) + "\n")
                faces_in_all += report.faces
                if report.error is not None:
                    failed += 1
                    print(f"mien: {_one_line(report.error)}", file=sys.stderr)
            progress.show(reading, ended=frame is None)
    if not quiet:
        found = f"{_number(faces_in_all, 'face')} in {_number(len(names), 'input')}"
        losses = f" ({failed} failed)" if failed else ""
        print(f"{found}{losses}, {time.monotonic() - started:.1f} s: {out}")
    return failed


def _finder(backend: Backend, device: str, batch: int, licence: Licence | None) -> FaceFinder:
    if backend not in get_args(Backend):
        raise UsageError(f"the backend must be one of {get_args(Backend)}, not {backend!r}")

    def open_network(name: str) -> Network:
        weights = hub.resolve(name if backend == "onnx" else f"{name}-torch", licence)
        if backend == "onnx":
            return hub.OnnxNetwork(weights, device)
        from mien.systems.runtime import TorchNetwork  # here: nothing else needs torch

        return TorchNetwork(name, device)

    return FaceFinder.bundled(device, batch=batch, open_network=open_network)


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


def _measured(
    names: Iterable[str],
    finder: FaceFinder,
    max_faces: int | None,
    every: int,
    smooth: bool,
    batch: int,
) -> Measured:
    """Reads the inputs and finds their faces, in order."""
    with closing(_ahead(_read(names, every))) as read:
        for is_video, part in groupby(read, key=lambda step: step[0].is_video):
            if is_video:
                found = _track(part, finder, smooth, max_faces)
            else:
                found = _find(part, finder, batch, max_faces)
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
    read: Iterable[Step], finder: FaceFinder, smooth: bool, max_faces: int | None
) -> Measured:
    """Follows the faces of videos, each with a tracker of its own."""
    for reading, steps in groupby(read, key=lambda step: step[0]):
        tracker = Tracker(finder, smooth, max_faces)
        for _, frame in steps:
            yield reading, frame, tracker.update(frame.image, frame.time) if frame else []


def _find(read: Iterable[Step], finder: FaceFinder, batch: int, max_faces: int | None) -> Measured:
    """Finds the faces of photos, several of which go through the networks together."""
    for part in _portions(read, batch):
        images = [frame.image for _, frame in part if frame]
        found = iter(finder.find(images, max_faces))
        for reading, frame in part:
            yield reading, frame, next(found) if frame else []


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


def _faces(steps: Measured, on_source: Callable[[SourceReport], object]) -> Iterator[Face]:
    with closing(steps):
        for reading, frame, faces in steps:
            yield from faces
            if frame is None:
                on_source(reading.report())


def _complain(report: SourceReport) -> None:
    if report.error and not report.frames:
        raise InputError(report.error)
    if report.error:
        warnings.warn(report.error, stacklevel=3)


def _require_positive(**numbers: int | None) -> None:
    for name, number in numbers.items():
        if number is not None and number < 1:
            raise UsageError(f"{name} must be at least 1, not {number}")


def _names(inputs: Sequence[str], out: Path) -> list[str]:
    """The inputs one by one, without the pictures that an earlier run has put into ``out``."""
    made = tuple(os.path.join(os.path.abspath(out), folder, "") for folder in (ANNOTATED, FIGURES))

    def is_made(name: str) -> bool:
        return os.path.join(os.path.abspath(name), "").startswith(made)

    for item in filter(is_made, inputs):
        raise UsageError(f"{item}: is where the results go; choose another folder for --out")
    names = [name for name in expand(inputs) if not is_made(name)]
    if not names:
        raise UsageError("no inputs: name a photo, a video, a folder or a webcam's number")
    return names


def _make_folders(out: Path, folders: Iterable[str]) -> None:
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out}: is a file; the results need a folder")
    for folder in (out, *(out / name for name in folders)):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MienError(f"{folder}: {error.strerror}") from error


@contextmanager
def _open_lines(path: Path) -> Iterator[TextIO]:
    with atomic(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        yield file


class _Pictures:
    """Annotated pictures and videos, and figures of videos, one input after the other."""

    def __init__(self, out: Path, annotate: bool, figure: bool) -> None:
        self._out, self._annotate, self._figure = out, annotate, figure
        self._timeline = Timeline()
        self._video: VideoWriter | None = None
        self._failed: Reading | None = None  # whose picture could not be made
        self._taken: set[Path] = set()
        self._numbers: defaultdict[Path, Iterator[int]] = defaultdict(lambda: count(2))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._video is not None:  # unfinished: it is removed
            self._video.__exit__(kind, error, trace)

    def add(self, reading: Reading, frame: Frame, faces: list[Face]) -> None:
        if self._figure and reading.is_video:
            self._timeline.add(frame.time, faces)
        if self._annotate and reading is not self._failed:
            with self._blaming(reading):
                self._draw(reading, frame, draw_faces(frame.image, faces))

    def finish(self, reading: Reading) -> None:
        video, self._video = self._video, None
        if video is not None:
            with self._blaming(reading):
                video.__exit__(None, None, None)
        if self._figure and reading.is_video and reading.frames:
            timeline, self._timeline = self._timeline, Timeline()
            with self._blaming(reading):
                timeline.draw(self._path(FIGURES, reading, ".png"), Path(reading.name).name)

    def _draw(self, reading: Reading, frame: Frame, image: Any) -> None:
        if not reading.is_video:
            suffix = ".png" if reading.name.lower().endswith(".png") else ".jpg"
            write_image(self._path(ANNOTATED, reading, suffix), image)
            return
        if self._video is None:
            self._video = self._open_video(reading)
        self._video.write(image, frame.time)

    def _open_video(self, reading: Reading) -> VideoWriter:
        source = reading.source
        assert source is not None
        sound = source.name if isinstance(source, VideoFile) else None
        path = self._path(ANNOTATED, reading, ".mp4")
        return VideoWriter(path, source.fps, audio_from=sound).__enter__()

    @contextmanager
    def _blaming(self, reading: Reading) -> Iterator[None]:
        """A picture that cannot be made is its input's failure, unless the disk is full."""
        try:
            yield
        except MienError as error:
            if getattr(error.__cause__, "errno", None) in DISK_FULL:
                raise
            video, self._video = self._video, None
            if video is not None:
                with suppress(MienError):  # the one that is told already, again
                    video.__exit__(type(error), error, error.__traceback__)
            self._failed = reading
            reading.fail(str(error))

    def _path(self, folder: str, reading: Reading, suffix: str) -> Path:
        """A file named like the input, with a number if another input of this run has that name."""
        stem = os.fsdecode(os.fsencode(Path(reading.name).stem)[:LONGEST_STEM])
        first = path = self._out / folder / f"{stem}{suffix}"
        while path in self._taken:
            path = first.with_name(f"{stem}-{next(self._numbers[first])}{suffix}")
        self._taken.add(path)
        return path


class _CtrlC:
    """While it lasts, Ctrl-C ends the webcam that is being read; else it works as before."""

    def __init__(self) -> None:
        self.reading: Reading | None = None
        self._usual = signal.getsignal(signal.SIGINT)
        in_main_thread = threading.current_thread() is threading.main_thread()
        self._installed = in_main_thread and callable(self._usual)

    def __enter__(self) -> Self:
        if self._installed:
            signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, self._usual)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        reading = self.reading
        if reading and isinstance(reading.source, Camera) and not reading.stopped:
            reading.stopped = True
        elif callable(self._usual):
            self._usual(number, frame)


class _Progress:
    """Bars on standard error for work that takes longer than ``PATIENCE``, where one sees them."""

    def __init__(self, inputs: int, wanted: bool) -> None:
        self._inputs, self._done = inputs, 0
        self._wanted = wanted and sys.stderr.isatty()
        self._start = time.monotonic()
        self._bars: Any = None
        self._video: Reading | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bars is not None:
            self._bars.stop()

    def show(self, reading: Reading, ended: bool) -> None:
        self._done += ended
        if not self._wanted or time.monotonic() - self._start < PATIENCE:
            return
        if self._bars is None:
            self._bars = self._begin()
        self._bars.update(self._input_bar, completed=self._done)
        if reading.is_video:
            self._show_video(reading, ended)

    def _begin(self) -> Any:
        from rich.console import Console  # here, because most work is done before
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            refresh_per_second=4,
        )
        self._input_bar = bars.add_task("inputs", total=self._inputs, visible=self._inputs > 1)
        bars.start()
        return bars

    def _show_video(self, reading: Reading, ended: bool) -> None:
        if reading is not self._video:
            total = reading.source.frame_count if reading.source else None
            name = _one_line(Path(reading.name).name)
            self._video, self._video_bar = reading, self._bars.add_task(name, total=total)
        self._bars.update(self._video_bar, completed=reading.position)
        if ended:
            self._bars.remove_task(self._video_bar)


def _one_line(text: str) -> str:
    """Text without the control characters that a file's name may have, spelled out instead."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )


def _number(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
