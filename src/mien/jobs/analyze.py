"""Find, track and measure the faces in photos and videos."""

import errno
import json
import os
import signal
import sys
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Literal, Self, TextIO, TypeVar

from mien.errors import InputError, MienError, UsageError
from mien.face import Face
from mien.find import FaceFinder, Tracker
from mien.media.draw import annotate as draw_faces
from mien.media.figure import Timeline
from mien.media.files import atomic
from mien.media.image import write_image
from mien.media.inputs import expand
from mien.media.source import Camera, Source, VideoFile, open_source
from mien.media.table import open_table
from mien.media.video import Frame, VideoWriter

Format = Literal["parquet", "csv", "jsonl"]
Licence = Literal["any", "commercial"]
Backend = Literal["onnx", "torch"]

AHEAD = 3  # frames that are read while one is worked on
PHOTOS_AT_ONCE = 48_000_000  # pixels of the photos that are worked on together, unless it is one
ANNOTATED, FIGURES = "annotated", "figures"
PATIENCE = 1.0  # seconds before a progress bar appears
LONGEST_STEM = 200  # bytes of a file name, so that there is room for a number and a suffix


@dataclass(frozen=True, slots=True)
class SourceReport:
    """What came of one input.

    source: the input as the user named it.
    frames: frames that were looked at; 0 when it could not be used at all.
    duration: seconds, 0 for a photo; None when not known.
    faces: rows in the table of faces: one per face per frame.
    error: what was wrong, in one line that names the input; None when nothing was. A damaged or
        truncated video has frames and faces up to the damage, and an error.
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

    inputs: one or several of what ``mien analyze`` takes: files, folders, globs, a webcam's number.
    max_faces: keep the largest; None keeps all.
    every: look at every n-th frame of a video.
    smooth: filter jitter out of videos; photos are never filtered.
    batch: photos, and faces, per call of a network; it changes the speed, not the result.
    device: "cpu", "cuda" or "cuda:N"; backend: what runs the networks.
    licence: "commercial" refuses weights that forbid commercial use; None asks $MIEN_LICENCE.
    on_source: called with the report of each input after its last face. Without it an input that
        cannot be used raises InputError when its turn comes, and one that is damaged on the way
        gives a warning.

    Every face has ``source``, ``frame`` and ``time``, and in videos ``track``. Memory does not grow
    with the length of a video, and reading stops when the iterator is closed.

    Raises UsageError for a number below 1, MienError when the device or the weights are not there.
    """
    _require_positive(every=every, batch=batch, max_faces=max_faces)
    if isinstance(inputs, str | os.PathLike):
        inputs = [inputs]
    names = expand(os.fspath(item) for item in inputs)
    finder = FaceFinder.bundled(backend, device, batch=batch, licence=licence)
    return _faces(_measure(names, finder, max_faces, every, smooth, batch), on_source or _object)


def run_analyze(
    inputs: Sequence[str],
    out: str | os.PathLike[str],
    *,
    format: Format = "jsonl",
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

    faces.<format>: the table of faces. sources.jsonl: a ``SourceReport`` per input. annotated/: with
    ``annotate``, each input with its faces drawn in. figures/: with ``figure``, pose and number of
    faces over each video. Each file appears when it is complete; other files in ``out`` are left
    alone, and what lies in its annotated/ and figures/ is not taken as input.

    An input that fails costs a line on standard error; Ctrl-C ends a webcam, and the rest goes on.

    Returns the number of inputs that failed. Raises UsageError when ``out`` is a file or there is no
    input, MienError when the results cannot be written or the networks cannot run.
    """
    started = time.monotonic()
    _require_positive(every=every, batch=batch, max_faces=max_faces)
    out = Path(out)
    names = _names(inputs, out)
    finder = FaceFinder.bundled(backend, device, batch=batch, licence=licence)
    folders = [ANNOTATED] * annotate + [FIGURES] * figure
    _make_folders(out, folders)
    reports = _Tally()
    with (
        open_table(out / f"faces.{format}", format) as table,
        _open_text(out / "sources.jsonl") as sources,
        _Pictures(out, annotate, figure) as pictures,
        _Progress(len(names), shown=not quiet) as progress,
        _Interruption() as interruption,
        closing(_measure(names, finder, max_faces, every, smooth, batch)) as steps,
    ):
        for reading, frame, faces in steps:
            interruption.current = reading
            if frame is not None:
                for face in faces:
                    table.write(face)
                pictures.add(reading, frame, faces)
                progress.advance(reading)
                continue
            pictures.finish(reading)
            report = reading.report()
            sources.write(json.dumps(asdict(report), separators=(",", ":")) + "\n")
            if report.error:
                print(f"mien: {_one_line(report.error)}", file=sys.stderr)
            reports.add(report)
            progress.next_input()
    if not quiet:
        print(f"{reports}, {time.monotonic() - started:.1f} s: {out}")
    return reports.failed


# ---- from inputs to faces ----


class Reading:
    """An input while it is read: ``source`` is None until it is open, ``error`` until it fails."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.source: Source | None = None
        self.error: str | None = None
        self.stopped = False
        self.frames = self.faces = 0
        self.time = 0.0

    @property
    def is_video(self) -> bool:
        return self.source is not None and not self.source.is_still

    def count(self, frame: Frame, faces: Sequence[Face]) -> None:
        """Add a frame; its faces learn where they are from."""
        self.frames += 1
        self.faces += len(faces)
        self.time = frame.time
        for face in faces:
            face.source, face.frame, face.time = self.name, frame.index, frame.time

    def report(self) -> SourceReport:
        duration = None if self.source is None else self.source.duration
        if duration is None and self.frames:
            duration = self.time
        duration = None if duration is None else round(duration, 6)
        return SourceReport(self.name, self.frames, duration, self.faces, self.error)
