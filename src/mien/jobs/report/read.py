"""The results of ``mien analyze``, read input by input."""

import json
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, Self, TypeAlias

import numpy as np

from mien.errors import InputError, UsageError
from mien.face import ACTION_UNITS, BLENDSHAPES, EMOTIONS, Face
from mien.jobs.pictures import ANNOTATED, Names, picture_suffix
from mien.jobs.stream import SourceReport
from mien.measure import events
from mien.media import charts
from mien.media.table import read_table

TABLES = ("faces.parquet", "faces.csv", "faces.jsonl")
Row: TypeAlias = tuple[Face, np.ndarray]
LONGEST = 1e7  # seconds; nobody has filmed for four months
MISSED = 1.8  # usual steps; after so long without a row frames were missed
COLUMNS = {
    "pose": ("yaw", "pitch", "roll"),
    "gaze": ("eyes_yaw", "eyes_pitch"),
    "lids": ("eyes_closed",),
    "affect": ("valence", "arousal"),
    "emotion": EMOTIONS,
    "units": tuple(f"AU{number:02}" for number in ACTION_UNITS),
    "curves": BLENDSHAPES,
}
"""Names of the values in the order of ``charts.WIDTHS``."""


@dataclass(frozen=True, slots=True)
class Person:
    """One face of an input over time.

    track: None in a photo. boxes: (n, 4) pixels. series: its values, NaN for what is not known.
    """

    track: int | None
    boxes: np.ndarray
    series: charts.Series

    def columns(self) -> dict[str, np.ndarray]:
        """The values by name, of which any is known."""
        return {
            name: column
            for part, names in COLUMNS.items()
            for name, column in zip(names, self.series.values[part].T, strict=True)
            if np.isfinite(column).any()
        }

    def blinks(self) -> list[events.Event]:
        return events.blinks(*self._curves(charts.LIDS))

    def smiles(self) -> list[events.Event]:
        return events.smiles(*self._curves(charts.SMILE))

    def seconds_known(self) -> float:
        """For how long blinks could be seen."""
        times, left, right = self._curves(charts.LIDS)
        known = np.isfinite(left + right)
        return float(np.diff(times)[known[:-1] & known[1:]].sum())

    def _curves(self, which: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Times and two curves, with NaN where the face was not seen: nothing goes on there."""
        times, steps = self.series.times, np.diff(self.series.times)
        usual = float(np.median(steps)) if len(steps) else 0.0
        gaps = np.flatnonzero(steps > MISSED * usual) + 1
        left, right = self.series.values["curves"][:, list(which)].T
        return (
            np.insert(times, gaps, times[gaps - 1] + usual),
            np.insert(left, gaps, np.nan),
            np.insert(right, gaps, np.nan),
        )


@dataclass(frozen=True, slots=True)
class Clip:
    """One input. people: those that are seen longest first. picture: of it, annotated, if made."""

    report: SourceReport
    people: list[Person] = field(default_factory=list)
    picture: Path | None = None

    @property
    def is_photo(self) -> bool:
        return is_photo(self.report)


def is_photo(report: SourceReport) -> bool:
    return report.frames <= 1 and not report.duration


@dataclass(frozen=True, slots=True)
class Results:
    """A folder of results. table: None where only ``reports`` of inputs are there."""

    folder: Path
    table: Path | None
    reports: list[SourceReport]

    @classmethod
    def open(cls, path: Path) -> Self:
        """Raises InputError when ``path`` has no results, UsageError when it has several tables."""
        folder = path if path.is_dir() else path.parent
        tables = [folder / name for name in TABLES if (folder / name).is_file()]
        if path.is_file():
            tables = [path]
        elif not path.is_dir():
            raise InputError(f"{path}: no such folder")
        if len(tables) > 1:
            names = " and ".join(table.name for table in tables)
            raise UsageError(f"{path}: has {names}; name the one to report on")
        sources = folder / "sources.jsonl"
        if not tables and not sources.is_file():
            raise InputError(f"{path}: no results of `mien analyze` in it")
        reports = list(_reports(sources)) if sources.is_file() else []
        return cls(folder, tables[0] if tables else None, reports)

    def clips(self) -> Iterator[Clip]:
        """The inputs in order, one in memory at a time.

        Raises InputError when the table cannot be read.
        """
        waiting = deque(self.reports)
        names = Names(self.folder)
        for name, rows in groupby(self._rows(), key=lambda row: _spelled(row[0].source)):
            people, frames = _people(rows)
            known = any(_spelled(report.source) == name for report in waiting)
            while known and _spelled(waiting[0].source) != name:
                yield self._clip(waiting.popleft(), [], names)
            report = waiting.popleft() if known else _derived(name, people, frames)
            yield self._clip(report, people, names)
        for report in waiting:
            yield self._clip(report, [], names)

    def _rows(self) -> Iterator[Row]:
        if self.table is None:
            return
        try:
            for face in read_table(self.table):
                yield _checked(face)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise InputError(f"{self.table}: not a table of faces: {error}") from error

    def _clip(self, report: SourceReport, people: list[Person], names: Names) -> Clip:
        if not report.frames:
            return Clip(report)
        suffix = picture_suffix(report.source) if is_photo(report) else ".mp4"
        try:
            picture = names.path(ANNOTATED, report.source, suffix)
        except UnicodeEncodeError:  # only a table can say this: no file has such a name
            return Clip(report, people)
        return Clip(report, people, picture if picture.is_file() else None)


def _reports(path: Path) -> Iterator[SourceReport]:
    try:
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                yield _report(json.loads(line))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{path}: not a list of inputs: {error}") from error


def _report(row: Any) -> SourceReport:
    report = SourceReport(**row)
    numbers = (report.frames, report.faces, report.duration or 0)
    if not all(isinstance(number, int | float) for number in numbers):
        raise ValueError("frames, faces and duration are numbers")
    if not isinstance(report.source, str) or not isinstance(report.error, str | None):
        raise ValueError("source and error are texts")
    if not 0 <= max(numbers) < LONGEST or min(numbers) < 0:
        raise ValueError("frames, faces and duration are not too large")
    return report


def _checked(face: Face) -> Row:
    """The face and its values, if its keys are what they should be."""
    if not isinstance(face.source, str) or not isinstance(face.track, int | None):
        raise ValueError("source is a text, track a whole number")
    if not 0 <= float(face.time) < LONGEST:
        raise ValueError(f"a time of {face.time} seconds")
    with np.errstate(over="ignore"):
        values = charts.row_of(face).astype(np.float32)
    return face, np.where(np.isfinite(values), values, np.nan)


def _people(rows: Iterable[Row]) -> tuple[list[Person], int]:
    """The people of one input, and how many frames have a face."""
    seen: dict[int, list[tuple[float, np.ndarray, np.ndarray]]] = {}
    tracks: dict[int, int | None] = {}
    frames = set()
    for number, (face, values) in enumerate(rows):
        key = -1 - number if face.track is None else face.track
        tracks[key] = face.track
        seen.setdefault(key, []).append((float(face.time), face.box, values))
        frames.add(face.time)
    people = [_person(tracks[key], rows) for key, rows in seen.items()]
    return sorted(people, key=lambda person: -len(person.series.times)), len(frames)


def _person(track: int | None, rows: list[tuple[float, np.ndarray, np.ndarray]]) -> Person:
    """Sorted by time; of rows with one time, the first."""
    times, boxes, values = (np.array(part) for part in zip(*rows, strict=True))
    times, first = np.unique(times, return_index=True)
    return Person(track, boxes[first], charts.series_of(times, values[first]))


def _derived(name: str, people: list[Person], frames: int) -> SourceReport:
    """What the table alone says of an input."""
    end = max((float(person.series.times[-1]) for person in people), default=0.0)
    faces = sum(len(person.series.times) for person in people)
    return SourceReport(name, frames, end, faces, None)


def _spelled(name: str) -> str:
    """A name as Parquet keeps it: whole letters only."""
    try:
        return name.encode(errors="surrogateescape").decode(errors="replace")
    except UnicodeEncodeError:
        return name.encode(errors="replace").decode()
