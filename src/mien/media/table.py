"""Tables of faces: one row per face per frame, written and read as streams."""

import csv
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from mien import __version__
from mien.errors import InputError, UsageError
from mien.face import LANDMARKS, Face, Pose
from mien.media.files import atomic

KEYS = ("source", "frame", "time", "track")
NUMBERS = (
    *("score", "box_x0", "box_y0", "box_x1", "box_y1", "yaw", "pitch", "roll"),
    *(f"{axis}_{index}" for index in range(LANDMARKS) for axis in "xyz"),
)
COLUMNS = KEYS + NUMBERS
"""Columns of a Parquet or CSV table; a value that a face does not have is null or empty."""

METADATA = {
    "units": "time: seconds from the first frame; score: 0..1; box, x, y, z: pixels of the upright "
    "image; yaw, pitch, roll: degrees",
    "axes": "pixels: origin top left corner of the top left pixel, x right, y down, z on the scale "
    "of x, smaller is nearer; yaw > 0 turns to the image's right, pitch > 0 looks up, roll > 0 "
    "tilts clockwise in the image",
    "landmarks": f"{LANDMARKS} points in the order of the MediaPipe face mesh",
}

ROW_GROUP = 4096
"""Rows that a Parquet table holds back (24 MB): the writer keeps 1 MB of index for each group."""


class Table(ABC):
    """A table that is being written."""

    @abstractmethod
    def write(self, face: Face) -> None:
        """Add a row."""

    @abstractmethod
    def close(self) -> None:
        """Write what is held back."""


@contextmanager
def open_table(path: str | Path, format: str = "parquet") -> Iterator[Table]:
    """A new table of faces; ``path`` appears when the block ends without an error.

    format: "parquet" or "csv" (``COLUMNS``), or "jsonl" (``Face.row`` per line).

    Raises UsageError for another format, MienError when the file cannot be written.
    """
    if format not in _WRITERS:
        raise UsageError(f"{format}: a table is one of {', '.join(_WRITERS)}")
    with atomic(path) as temporary, closing(_WRITERS[format](temporary)) as table:
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

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8", newline="\n")

    def write(self, face: Face) -> None:
        row = replace(face, landmarks=None).row()
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
    def __init__(self, path: Path) -> None:
        # A file name that is not UTF-8 keeps its bytes.
        self._file = path.open("w", encoding="utf-8", errors="surrogateescape", newline="")
        # Lines end as RFC 4180 says; with "\n" alone, a "\r" in a file name would not be quoted.
        self._writer = csv.writer(self._file, lineterminator="\r\n")
        self._writer.writerow(COLUMNS)

    def write(self, face: Face) -> None:
        keys, numbers = _values(face)
        self._writer.writerow(keys + numbers)

    def close(self) -> None:
        self._file.close()


def _read_csv(path: str | Path) -> Iterator[Face]:
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
        rows = csv.reader(file)
        if tuple(next(rows)) != COLUMNS:
            raise ValueError("its columns are others")
        for row in rows:
            source, frame, time, track = row[: len(KEYS)]
            numbers = np.array([float(v) if v else np.nan for v in row[len(KEYS) :]])
            keys = source, int(frame), float(time), int(track) if track else None
            yield _face(keys, numbers)


class _Parquet(Table):
    def __init__(self, path: Path) -> None:
        import pyarrow.parquet as parquet  # here, because it takes long to load

        options: dict[str, Any] = {
            "compression": "zstd",
            "use_dictionary": ["source"],
            "write_statistics": list(KEYS),
        }
        self._writer = parquet.ParquetWriter(path, _schema(), **options)
        self._keys: list[list[Any]] = []
        self._numbers = np.empty((len(NUMBERS), ROW_GROUP), np.float32)

    def write(self, face: Face) -> None:
        (source, *others), numbers = _values(face)
        # A file name that is not UTF-8 cannot be kept whole.
        source = source.encode(errors="surrogateescape").decode(errors="replace")
        self._numbers[:, len(self._keys)] = numbers  # None becomes NaN
        self._keys.append([source, *others])
        if len(self._keys) == ROW_GROUP:
            self._flush()

    def _flush(self) -> None:
        import pyarrow

        keys = zip(*self._keys, strict=True)
        numbers = self._numbers[:, : len(self._keys)]
        schema = self._writer.schema
        columns = [
            pyarrow.array(values, field.type, from_pandas=True)  # NaN is null
            for values, field in zip(chain(keys, numbers), schema, strict=True)
        ]
        self._writer.write_table(pyarrow.Table.from_arrays(columns, schema=schema))
        self._keys = []

    def close(self) -> None:
        try:
            if self._keys:
                self._flush()
        finally:
            self._writer.close()


def _schema() -> Any:
    import pyarrow

    types = {
        "source": pyarrow.string(),
        "frame": pyarrow.int64(),
        "time": pyarrow.float64(),
        "track": pyarrow.int64(),
    }
    metadata = METADATA | {"mien_version": __version__}
    return pyarrow.schema(
        [(name, types.get(name, pyarrow.float32())) for name in COLUMNS], metadata=metadata
    )


def _read_parquet(path: str | Path) -> Iterator[Face]:
    import pyarrow.parquet as parquet

    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=64, columns=list(COLUMNS)):
            keys = zip(*(batch.column(name).to_pylist() for name in KEYS), strict=True)
            numbers = [batch.column(name).to_numpy(zero_copy_only=False) for name in NUMBERS]
            for key, row in zip(keys, np.stack(numbers, axis=1), strict=True):
                yield _face(key, row)


def _values(face: Face) -> tuple[list[Any], list[float | None]]:
    """The values of ``KEYS`` and of ``NUMBERS``, rounded as in ``Face.row``."""
    row = face.row()
    pose = row["pose"] or dict.fromkeys(("yaw", "pitch", "roll"))
    points = row["landmarks"] or [[None] * 3] * LANDMARKS
    numbers = [row["score"], *row["box"], pose["yaw"], pose["pitch"], pose["roll"]]
    return [row[key] for key in KEYS], [*numbers, *chain.from_iterable(points)]


def _face(keys: tuple[str, int, float, int | None], numbers: np.ndarray) -> Face:
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
    )


_WRITERS = {"parquet": _Parquet, "csv": _Csv, "jsonl": _JsonLines}
