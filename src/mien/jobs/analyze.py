"""Find, track and measure the faces in photos and videos."""

import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Literal, TextIO, get_args

from mien import hub
from mien.errors import InputError, MienError, UsageError
from mien.face import ATTRIBUTES, Face
from mien.find.finder import FaceFinder
from mien.find.landmarks import Network
from mien.find.perception import USUAL, Reader, available, check
from mien.jobs.answers import find_answerer, open_answers
from mien.jobs.events import open_events
from mien.jobs.openface import FOLDER, OpenFaceTables, open_openface
from mien.jobs.parsing import parsed, write_parsing
from mien.jobs.pictures import ANNOTATED, FIGURES, PARSING, Pictures
from mien.jobs.stream import Measured, Reading, SourceReport, measured
from mien.jobs.terminal import CtrlC, Progress, number_of, one_line
from mien.media.files import atomic
from mien.media.inputs import expand
from mien.media.table import Table, open_table
from mien.media.video import Frame

Backend = Literal["onnx", "torch"]
Columns = Literal["mien", "openface"]
Licence = Literal["any", "commercial"]


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
    outputs: Iterable[str] | None = None,
    attributes: bool = False,
    aligned: bool = False,
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
    outputs: names in ``mien.face.OUTPUTS`` of what is read in each face; None is everything but
        attributes and what is long (``visible``, ``parsing``, ``embedding``). With ``embedding``
        people keep their tracks through the cuts of a video.
    attributes: read age, gender and group, too: how a face looks to others, which is no fact.
    aligned: the inputs are crops of one upright face each, and are not searched for faces.
    on_source: called with the report of each input after its last face. Without it an input that
        cannot be used raises InputError when its turn comes, and a damaged video gives a warning.

    Each face has ``source``, ``frame`` and ``time``, in videos ``track``, and ``readings``, which
    are None where they are not known well enough. Memory does not grow with the length of a video.
    Reading ends when the iterator is closed or dropped.

    Raises UsageError for a number below 1 or an unknown output, MienError when the device or the
    weights are not there.
    """
    _require_positive(every=every, batch=batch, max_faces=max_faces)
    listed = [inputs] if isinstance(inputs, str | os.PathLike) else inputs
    names = expand(os.fspath(item) for item in listed)
    asked = wanted(outputs, attributes)
    finder, reader = _open(backend, device, batch, licence, asked, aligned)
    steps = measured(names, finder, max_faces, every, smooth, batch, reader)
    return _faces(steps, on_source or _complain)


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
    outputs: Iterable[str] | None = None,
    attributes: bool = False,
    aligned: bool = False,
    columns: Columns = "mien",
    system: str | None = None,
    run: Path | None = None,
    weights: str | None = None,
    quiet: bool = False,
) -> int:
    """``mien analyze``: writes what :func:`analyze` gives into the folder ``out``.

    faces.<format>: the table of faces. sources.jsonl: a ``SourceReport`` per input.
    events.<format>: blinks and smiles in videos, where ``expression`` is read. parsing/: the
    classes of each photo's pixels, where ``parsing`` is. annotated/ (``annotate``): each input with
    its faces drawn in. figures/ (``figure``): pose and number of faces over each video. A file
    appears when it is complete; other files in ``out`` stay as they are, and what is in its
    annotated/, figures/ and parsing/ does not count as input.

    columns: "openface" writes openface/STEM.csv for each input, under OpenFace's names, in place of
    the table of faces.

    system: slug of a system that is asked about each face as well, with the weights of a ``run`` of
    ``mien train`` or ``weights``, the name of a recorded weight or a file; by default a recorded
    one that is here. <system>.<format> has a row per face with what it says; parsing/ the classes
    of each photo's pixels, where it parses; annotated/ then shows what it says.

    Ctrl-C ends a webcam as if it had stopped by itself. ``quiet``: neither progress nor summary.

    Returns the number of inputs that failed; each costs a line on standard error. Raises UsageError
    when ``out`` is a file, there is no input or a number is below 1, MienError when the results
    cannot be written or the device or the weights are not there.
    """
    started = time.monotonic()
    _require_positive(every=every, batch=batch, max_faces=max_faces)
    _require_columns(columns)
    out = Path(out)
    names = _names(inputs, out)
    read = wanted(outputs, attributes)
    finder, reader = _open(backend, device, batch, licence, read, aligned)
    asked = find_answerer(system, run, weights, device)
    openface = columns == "openface"
    _make_folders(out, [ANNOTATED] * annotate + [FIGURES] * figure + [FOLDER] * openface)
    failed = faces_in_all = 0
    with (
        _open_lines(out / "sources.jsonl") as sources,
        _open_faces(out, format, read, columns) as table,
        open_events(out, format, "expression" in read) as events,
        open_answers(out, asked, format) as answers,
        Pictures(out, annotate, figure) as pictures,
        Progress(len(names), wanted=not quiet) as progress,
        CtrlC() as ctrl_c,
        closing(measured(names, finder, max_faces, every, smooth, batch, reader)) as steps,
    ):
        for reading, frame, faces in steps:
            ctrl_c.reading = reading
            if frame is not None:
                table.write(reading, faces)
                events.see(reading, frame.time, faces)
                _write_parsing(reading, frame, faces, pictures)
                answers.see(reading, frame, faces, pictures)
            else:
                table.finish()
                events.finish(reading)
                pictures.finish(reading)
                report = reading.report()
                sources.write(json.dumps(asdict(report), separators=(",", ":")) + "\n")
                faces_in_all += report.faces
                if report.error is not None:
                    failed += 1
                    print(f"mien: {one_line(report.error)}", file=sys.stderr)
            progress.show(reading, ended=frame is None)
    if not quiet:
        found = f"{number_of(faces_in_all, 'face')} in {number_of(len(names), 'input')}"
        losses = f" ({failed} failed)" if failed else ""
        print(f"{found}{losses}, {time.monotonic() - started:.1f} s: {out}")
    return failed


def wanted(outputs: Iterable[str] | None, attributes: bool = False) -> list[str]:
    """What is to be read in faces; by default all that is usual and can be read here.

    Raises UsageError for an unknown output, MienError for one that this installation cannot read.
    """
    usual = USUAL if available() else ()
    asked = [*(usual if outputs is None else outputs), *ATTRIBUTES * attributes]
    check(asked)
    return asked


def _open(
    backend: Backend, device: str, batch: int, licence: Licence | None, outputs: Sequence[str],
    aligned: bool,
) -> tuple[FaceFinder, Reader | None]:  # fmt: skip
    """What finds faces and what reads in them, if anything is to be read."""
    if backend not in get_args(Backend):
        raise UsageError(f"the backend must be one of {get_args(Backend)}, not {backend!r}")

    def open_network(name: str) -> Network:
        weights = hub.resolve(name if backend == "onnx" else f"{name}-torch", licence)
        if backend == "onnx":
            return hub.OnnxNetwork(weights, device)
        from mien.systems.runtime import TorchNetwork  # here: nothing else needs torch

        return TorchNetwork(name, device)

    finder = FaceFinder.bundled(device, batch=batch, open_network=open_network, aligned=aligned)
    if not outputs:
        return finder, None
    return finder, Reader.bundled(outputs, device, batch=batch, open_network=open_network)


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


def _require_columns(columns: str) -> None:
    if columns not in get_args(Columns):
        raise UsageError(f"the columns must be one of {get_args(Columns)}, not {columns!r}")


def _names(inputs: Sequence[str], out: Path) -> list[str]:
    """The inputs one by one, without the pictures that an earlier run has put into ``out``."""
    folders = (ANNOTATED, FIGURES, PARSING)
    made = tuple(os.path.join(os.path.abspath(out), folder, "") for folder in folders)

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


class _FaceTable:
    """The one table of faces of all inputs."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def write(self, reading: Reading, faces: Sequence[Face]) -> None:
        for face in faces:
            self._table.write(face)

    def finish(self) -> None:
        """An input has ended, which the table does not mind."""


@contextmanager
def _open_faces(
    out: Path, format: str, outputs: Sequence[str], columns: Columns
) -> Iterator[_FaceTable | OpenFaceTables]:
    if columns == "openface":
        with open_openface(out, outputs) as tables:
            yield tables
    else:
        with open_table(out / f"faces.{format}", format, outputs) as table:
            yield _FaceTable(table)


def _write_parsing(reading: Reading, frame: Frame, faces: list[Face], pictures: Pictures) -> None:
    mask = None if reading.is_video else parsed(frame.image, faces)
    if mask is not None:
        pictures.write(PARSING, reading, lambda path: write_parsing(path, mask))


@contextmanager
def _open_lines(path: Path) -> Iterator[TextIO]:
    with atomic(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        yield file
