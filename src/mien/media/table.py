"""Tables of faces: one row per face per frame, written and read as streams."""

import csv
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from mien import __version__
from mien.errors import InputError, UsageError
from mien.face import LANDMARKS, OUTPUTS, TEXTS, Face, Pose, Readings
from mien.media.files import atomic

KEYS = ("source", "frame", "time", "track")
NUMBERS = (
    *("score", "box_x0", "box_y0", "box_x1", "box_y1", "yaw", "pitch", "roll"),
    *(f"{axis}_{index}" for index in range(LANDMARKS) for axis in "xyz"),
)
COLUMNS = KEYS + NUMBERS
"""Columns of a Parquet or CSV table without readings; those come after them (:func:`columns_of`). A
value that a face does not have is null or empty."""

METADATA = {
    "units": "time: seconds from the first frame; score: 0..1; box, x, y, z: pixels of the upright "
    "image; all angles: degrees; AUxx: intensity 0..5; valence, arousal: -1..1; apparent_age: "
    "years; curves, emotions, traits, quality, visible, confidence: 0..1",
    "axes": "pixels: origin top left corner of the top left pixel, x right, y down, z on the scale "
    "of x, smaller is nearer; yaw > 0 turns to the image's right, pitch > 0 looks up, roll > 0 "
    "tilts clockwise in the image; left_eye, right_eye: against the head, left and right are the "
    "person's own; gaze_yaw, gaze_pitch: of both eyes, against the camera's axes",
    "landmarks": f"{LANDMARKS} points in the order of the MediaPipe face mesh",
}

ROW_GROUP = 4096
"""Rows that a Parquet table holds back (24 MB): the writer keeps 1 MB of index for each group."""


def columns_of(outputs: Iterable[str]) -> tuple[str, ...]:
    """The columns after ``COLUMNS`` of a table of faces in which these of ``OUTPUTS`` are read."""
    asked = set(outputs)
    columns: list[str] = []
    for output in OUTPUTS:
        if output in asked:
            columns += OUTPUTS[output]
            columns += [f"confidence_{output}"] * (output != "embedding")
    return tuple(columns)


class Table(ABC):
    """A table that is being written."""

    @abstractmethod
    def write(self, face: Face) -> None:
        """Add a row."""

    @abstractmethod
    def close(self) -> None:
        """Write what is held back."""


@contextmanager
def open_table(
    path: str | Path, format: str = "parquet", outputs: Iterable[str] = ()
) -> Iterator[Table]:
    """A new table of faces; ``path`` appears when the block ends without an error.

    format: "parquet" or "csv" (``COLUMNS``, then those of ``outputs``), or "jsonl" (``Face.row``
    per line). outputs: of ``OUTPUTS``, what is read in the faces.

    Raises UsageError for another format, MienError when the file cannot be written.
    """
    if format not in _WRITERS:
        raise UsageError(f"{format}: a table is one of {', '.join(_WRITERS)}")
    read = columns_of(outputs)
    with atomic(path) as temporary, closing(_WRITERS[format](temporary, read)) as table:
        yield table


def read_table(path: str | Path) -> Iterator[Face]:
    """The faces of a table in any of the three formats, in order, as its content says.

    Raises InputError when the file is not a table of faces.
    """
    try:
        with open(path, "rb") as file:
            start = file.read(4)
        if start == b"PAR1":
            yield from _read_parquet(path)
        elif start.startswith(b"{") or not start:
            yield from _read_jsonl(path)
        else:
            yield from _read_csv(path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise InputError(f"{path}: not a table of faces: {error}") from error


class _JsonLines(Table):
    # Formatting all points at once takes half the time of encoding them as lists.
    POINTS = "[" + ",".join(["[%.2f,%.2f,%.2f]"] * LANDMARKS) + "]"

    def __init__(self, path: Path, read: tuple[str, ...]) -> None:
        self._file = path.open("w", encoding="utf-8", newline="\n")
        self._read = read

    def write(self, face: Face) -> None:
        row = replace(face, landmarks=None).row()
        row |= {name: None for name in self._read if name not in row}
        line = json.dumps(row, separators=(",", ":"), allow_nan=False)
        if face.landmarks is not None:
            points = self.POINTS % tuple(face.landmarks.ravel().tolist())
            line = line.replace('"landmarks":null', f'"landmarks":{points}', 1)
        self._file.write(line + "\n")

    def close(self) -> None:
        self._file.close()


def _read_jsonl(path: str | Path) -> Iterator[Face]:
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            yield Face.from_row(json.loads(line))


class _Csv(Table):
    def __init__(self, path: Path, read: tuple[str, ...]) -> None:
        self._read = read
        # A file name that is not UTF-8 keeps its bytes.
        self._file = path.open("w", encoding="utf-8", errors="surrogateescape", newline="")
        # Lines end as RFC 4180 says; with "\n" alone, a "\r" in a file name would not be quoted.
        self._writer = csv.writer(self._file, lineterminator="\r\n")
        self._writer.writerow(COLUMNS + read)

    def write(self, face: Face) -> None:
        keys, numbers, readings = _values(face, self._read)
        self._writer.writerow(keys + numbers + readings)

    def close(self) -> None:
        self._file.close()


def _read_csv(path: str | Path) -> Iterator[Face]:
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
        rows = csv.reader(file)
        read = _read_columns(next(rows))
        for row in rows:
            if len(row) != len(COLUMNS) + len(read):
                raise ValueError("a row has more or fewer fields than the header")
            source, frame, time, track = row[: len(KEYS)]
            numbers = np.array([float(v) if v else np.nan for v in row[len(KEYS) : len(COLUMNS)]])
            keys = source, int(frame), float(time), int(track) if track else None
            values = [
                None if not value else value if name in TEXTS else float(value)
                for name, value in zip(read, row[len(COLUMNS) :], strict=True)
            ]
            yield _face(keys, numbers, dict(zip(read, values, strict=True)))


class _Parquet(Table):
    def __init__(self, path: Path, read: tuple[str, ...]) -> None:
        import pyarrow.parquet as parquet  # here, because it takes long to load

        options: dict[str, Any] = {
            "compression": "zstd",
            "use_dictionary": ["source"],
            "write_statistics": list(KEYS),
        }
        self._writer = parquet.ParquetWriter(path, _schema(read), **options)
        self._read = read
        self._words = [name for name in read if name in TEXTS]
        self._named = [*NUMBERS, *(name for name in read if name not in TEXTS)]
        self._texts: list[list[Any]] = []
        self._numbers = np.empty((len(self._named), ROW_GROUP), np.float32)

    def write(self, face: Face) -> None:
        (source, *others), numbers, readings = _values(face, self._read)
        # A file name that is not UTF-8 cannot be kept whole.
        source = source.encode(errors="surrogateescape").decode(errors="replace")
        said = dict(zip(self._read, readings, strict=True))
        words = [said.pop(name) for name in self._words]
        self._numbers[:, len(self._texts)] = [*numbers, *said.values()]  # None becomes NaN
        self._texts.append([source, *others, *words])
        if len(self._texts) == ROW_GROUP:
            self._flush()

    def _flush(self) -> None:
        import pyarrow

        numbers = self._numbers[:, : len(self._texts)]
        values: dict[str, Any] = dict(zip(self._named, numbers, strict=True))
        texts = zip(*self._texts, strict=True)
        values |= zip((*KEYS, *self._words), texts, strict=True)
        schema = self._writer.schema
        columns = [
            pyarrow.array(values[field.name], field.type, from_pandas=True)  # NaN is null
            for field in schema
        ]
        self._writer.write_table(pyarrow.Table.from_arrays(columns, schema=schema))
        self._texts = []

    def close(self) -> None:
        try:
            if self._texts:
                self._flush()
        finally:
            self._writer.close()


def _schema(read: tuple[str, ...]) -> Any:
    import pyarrow

    types = {
        "source": pyarrow.string(),
        "frame": pyarrow.int64(),
        "time": pyarrow.float64(),
        "track": pyarrow.int64(),
        **dict.fromkeys(TEXTS, pyarrow.string()),
    }
    metadata = METADATA | {"mien_version": __version__}
    names = COLUMNS + read
    return pyarrow.schema(
        [(name, types.get(name, pyarrow.float32())) for name in names], metadata=metadata
    )


def _read_parquet(path: str | Path) -> Iterator[Face]:
    import pyarrow.parquet as parquet

    with parquet.ParquetFile(path) as file:
        read = _read_columns(file.schema_arrow.names)
        for batch in file.iter_batches(batch_size=64):
            keys = zip(*(batch.column(name).to_pylist() for name in KEYS), strict=True)
            numbers = [batch.column(name).to_numpy(zero_copy_only=False) for name in NUMBERS]
            readings = batch.select(list(read)).to_pylist()
            for key, row, said in zip(keys, np.stack(numbers, axis=1), readings, strict=True):
                yield _face(key, row, said)


def _read_columns(names: Sequence[str]) -> tuple[str, ...]:
    """The columns of readings of a table with these; ValueError when others are missing or more."""
    read = tuple(names[len(COLUMNS) :])
    asked = [
        output
        for output, columns in OUTPUTS.items()
        if f"confidence_{output}" in read or set(columns[:1]) & set(read)
    ]
    if tuple(names) != COLUMNS + columns_of(asked):
        raise ValueError("its columns are others")
    return read


def _values(
    face: Face, read: tuple[str, ...]
) -> tuple[list[Any], list[float | None], list[float | str | None]]:
    """The values of ``KEYS``, ``NUMBERS`` and readings, rounded as in ``Face.row``."""
    row = face.row()
    pose = row["pose"] or dict.fromkeys(("yaw", "pitch", "roll"))
    points = row["landmarks"] or [[None] * 3] * LANDMARKS
    numbers = [row["score"], *row["box"], pose["yaw"], pose["pitch"], pose["roll"]]
    numbers += chain.from_iterable(points)
    return [row[key] for key in KEYS], numbers, [row.get(name) for name in read]


def _face(
    keys: tuple[str, int, float, int | None], numbers: np.ndarray, readings: Mapping[str, Any]
) -> Face:
    source, frame, time, track = keys
    angles, points = numbers[5:8], numbers[8:]
    return Face(
        box=numbers[1:5],
        score=float(numbers[0]),
        landmarks=None if np.isnan(points).any() else points,
        pose=None if np.isnan(angles).any() else Pose(*angles.tolist()),
        track=track,
        frame=frame,
        time=time,
        source=source,
        readings=Readings.from_row(readings),
    )


_WRITERS = {"parquet": _Parquet, "csv": _Csv, "jsonl": _JsonLines}
