"""Tables of measures: one row per face per frame, and any of the columns named here.

A table of faces (:mod:`mien.media.table`) always has the same columns. What other programs measured
has some of them and others beside; this is the vocabulary that all of it is brought to. Signs, axes
and units are those of the conventions (``docs/conventions.md``).
"""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from mien import __version__
from mien.errors import InputError, UsageError
from mien.face import BLENDSHAPES, EMOTIONS, LANDMARKS, OUTPUTS, Face
from mien.face import TEXTS as WORDS
from mien.media import table
from mien.media.blocks import ROWS, Block, read_blocks, read_header
from mien.media.files import atomic

TEXTS = ("source", *WORDS)
KEYS = table.KEYS
BOX = ("box_x0", "box_y0", "box_x1", "box_y1")
POSE = ("yaw", "pitch", "roll")
GAZE = ("gaze_yaw", "gaze_pitch")
EYES = ("left_eye_yaw", "left_eye_pitch", "right_eye_yaw", "right_eye_pitch")
AFFECT = ("valence", "arousal")
ACTION_UNITS = (1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15, 17, 18, 20, 22, 23, 24, 25, 26, 27, 28, 43,
                45)  # fmt: skip
DLIB = tuple(f"dlib_{axis}_{index}" for axis in "xy" for index in range(68))
POINTS = tuple(f"{axis}_{index}" for index in range(LANDMARKS) for axis in "xyz")

UNITS = {
    "units": "time: seconds from the first frame; score, curves, AUxx_probability, emotions: 0..1; "
    "AUxx: intensity 0..5; AUxx_active: 0 or 1; valence, arousal: -1..1; traits, quality, visible, "
    "confidence: 0..1; apparent_age: years; box, x, y, z, dlib: pixels of the upright image; all "
    "angles: degrees",
    "axes": table.METADATA["axes"] + "; gaze_yaw, gaze_pitch: of both eyes, against the camera's "
    "axes; left_eye, right_eye: against the head's, left and right are the person's own",
    "landmarks": table.METADATA["landmarks"] + "; dlib: the 68 points of dlib",
}


def au(number: int, kind: str = "") -> str:
    """The column of an action unit: ``AU06``, ``AU06_active`` or ``AU06_probability``."""
    return f"AU{number:02}{kind and '_'}{kind}"


COLUMNS = (
    *KEYS,
    "score",
    *(*BOX, *POSE, *GAZE, *EYES),
    *(au(number) for number in ACTION_UNITS),
    *(au(number, "active") for number in ACTION_UNITS),
    *(au(number, "probability") for number in ACTION_UNITS),
    *BLENDSHAPES,
    *("emotion", *EMOTIONS, *AFFECT),
    *OUTPUTS["traits"],
    *("quality", "apparent_age", "apparent_gender", "apparent_group"),
    *(f"confidence_{name}" for name in OUTPUTS if name != "embedding"),
    *DLIB,
    *POINTS,
    *OUTPUTS["visible"],
    *OUTPUTS["embedding"],
)
"""All columns there are, in the order in which they are written."""

WHOLE = ("frame", "track", *(au(number, "active") for number in ACTION_UNITS))
FORMATS = ("csv", "parquet")


def read(path: str | Path) -> tuple[list[str], list[str], Iterator[Block]]:
    """A table that mien wrote: its columns, those it has that are not ``COLUMNS``, and its rows.

    Takes tables of faces in any format and what :func:`write` writes; one of JSON lines has the
    readings of its first line. Raises InputError, also for the rows when they are asked for, when
    it is neither.
    """
    kind = sniff(path)
    if kind == "jsonl":
        faces = table.read_table(path)
        first = list(islice(faces, 1))
        read = first[0].readings.outputs() if first and first[0].readings else []
        names = table.COLUMNS + table.columns_of(read)
        return ordered(names), [], face_blocks(chain(first, faces), read)
    header = _parquet_names(path) if kind == "parquet" else read_header(path)
    if not {"frame", "time"} <= set(header):
        raise InputError(f"{path}: not a table of mien: no columns frame and time")
    names = ordered(header)
    left_out = [name for name in header if name not in names]
    if kind == "parquet":
        return names, left_out, _parquet_blocks(path, names)
    numbers = [name for name in names if name not in TEXTS]
    return names, left_out, read_blocks(path, numbers, [n for n in names if n in TEXTS])


def sniff(path: str | Path) -> str:
    """ "parquet", "jsonl" or "csv", as the first bytes say."""
    try:
        with open(path, "rb") as file:
            start = file.read(4)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    return "parquet" if start == b"PAR1" else "jsonl" if start.startswith(b"{") else "csv"


def write(path: str | Path, columns: Sequence[str], blocks: Iterable[Block]) -> int:
    """Write a table, ``.csv`` or ``.parquet``, whole or not at all; returns its number of rows.

    Raises UsageError for another suffix, MienError when it cannot be written.
    """
    path = Path(path)
    if path.suffix[1:] not in FORMATS:
        raise UsageError(f"{path}: a table of measures is written as .csv or .parquet")
    writer = _write_csv if path.suffix == ".csv" else _write_parquet
    with atomic(path) as temporary:
        return writer(temporary, columns, blocks)


def write_rows(
    path: Path,
    columns: Sequence[str],
    blocks: Iterable[Block],
    spell: Callable[[str, Any], Any],
) -> int:
    """Write blocks as comma-separated rows; ``spell`` gives the text of a column's value."""
    count = 0
    with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        writer = csv.writer(file, lineterminator="\r\n")
        writer.writerow(columns)
        for block in blocks:
            spelled = [[spell(name, value) for value in block[name].tolist()] for name in columns]
            writer.writerows(zip(*spelled, strict=True))
            count += len(block[columns[0]])
    return count


def _write_csv(path: Path, columns: Sequence[str], blocks: Iterable[Block]) -> int:
    return write_rows(path, columns, blocks, _spelled)


def _spelled(name: str, value: Any) -> Any:
    if isinstance(value, str) or value is None:
        return value
    if np.isnan(value):
        return ""
    return int(value) if name in WHOLE else round(value, 6) + 0.0


def _write_parquet(path: Path, columns: Sequence[str], blocks: Iterable[Block]) -> int:
    import pyarrow  # here, because it takes long to load
    import pyarrow.parquet as parquet

    schema = pyarrow.schema(
        [(name, _parquet_type(name)) for name in columns],
        metadata=UNITS | {"mien_version": __version__},
    )
    count = 0
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for block in blocks:
            arrays = [
                pyarrow.array(block[field.name], field.type, from_pandas=True)  # NaN is null
                if field.name in TEXTS
                else pyarrow.array(block[field.name], from_pandas=True).cast(field.type)
                for field in schema
            ]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))
            count += len(arrays[0])
    return count


def _parquet_type(name: str) -> Any:
    import pyarrow

    if name in TEXTS:
        return pyarrow.string()
    if name in WHOLE:
        return pyarrow.int64()
    return pyarrow.float64() if name == "time" else pyarrow.float32()


def _parquet_names(path: str | Path) -> list[str]:
    import pyarrow
    import pyarrow.parquet as parquet

    try:
        return list(parquet.read_schema(path).names)
    except (OSError, pyarrow.ArrowException) as error:
        raise InputError(f"{path}: damaged or truncated") from error


def _parquet_blocks(path: str | Path, names: Sequence[str]) -> Iterator[Block]:
    import pyarrow
    import pyarrow.parquet as parquet

    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=ROWS, columns=list(names)):
                yield {
                    name: np.array(batch.column(name).to_pylist(), object)
                    if name in TEXTS
                    else batch.column(name).to_numpy(zero_copy_only=False).astype(np.float64)
                    for name in names
                }
    except (OSError, pyarrow.ArrowException, ValueError) as error:
        raise InputError(f"{path}: not a table of mien: {error}") from error


def ordered(names: Iterable[str]) -> list[str]:
    """Those of ``COLUMNS`` that are among these, in their order."""
    have = set(names)
    return [name for name in COLUMNS if name in have]


def face_blocks(faces: Iterable[Face], outputs: Sequence[str] = ()) -> Iterator[Block]:
    """Faces as blocks with the columns of a table of faces in which ``outputs`` are read."""
    waiting = iter(faces)
    while part := list(islice(waiting, ROWS)):
        numbers = np.array([_numbers(face) for face in part]).T
        block: Block = dict(zip(table.NUMBERS, numbers, strict=True))
        block["source"] = np.array([face.source for face in part], object)
        for name in ("frame", "time", "track"):
            block[name] = np.array([getattr(face, name) for face in part], np.float64)
        yield block | _reading_columns(part, table.columns_of(outputs))


def _reading_columns(faces: Sequence[Face], names: Sequence[str]) -> Block:
    """Columns of readings: NaN, or None for words, where there is nothing."""
    rows = [face.readings.row(face.pose) if face.readings and names else {} for face in faces]
    return {
        name: np.array([row.get(name) for row in rows], object if name in TEXTS else np.float64)
        for name in names
    }


def _numbers(face: Face) -> np.ndarray:
    """The values of ``table.NUMBERS``, NaN for what the face does not have."""
    pose, points = face.pose, face.landmarks
    turned = [np.nan] * 3 if pose is None else [pose.yaw, pose.pitch, pose.roll]
    places = np.full(len(POINTS), np.nan) if points is None else points.ravel()
    return np.concatenate([[face.score], face.box, turned, places])
