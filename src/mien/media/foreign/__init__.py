"""Tables of other programs, and tables for their scripts.

``open_table`` reads OpenFace 2, LibreFace, py-feat and Live Link Face, and mien's own tables, into
the columns of :mod:`mien.media.measures`; ``convert`` writes them again, under mien's names or
OpenFace's. Columns that mien has no like of are left out, and said to be.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien.errors import InputError, UsageError
from mien.media import measures
from mien.media.blocks import Block, read_blocks, read_header
from mien.media.files import check_readable
from mien.media.foreign import libreface, livelink, openface, pyfeat


@dataclass(frozen=True, slots=True)
class _Program:
    """How the tables of one program are read, block by block."""

    recognises: Callable[[Sequence[str]], bool]
    used: Callable[[Sequence[str]], list[str]]
    translate: Callable[[Block], Block]
    texts: tuple[str, ...] = ()


_PROGRAMS = {
    "openface": _Program(openface.recognises, openface.used, openface.from_openface),
    "libreface": _Program(
        libreface.recognises, libreface.used, libreface.from_libreface, (libreface.EMOTION,)
    ),
    "pyfeat": _Program(pyfeat.recognises, pyfeat.used, pyfeat.from_pyfeat, ("input",)),
}
FORMATS = ("mien", *_PROGRAMS, "livelink")
NAMES = ("mien", "openface")
"""Whose names a table can be written under."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A table that is being read.

    format: of ``FORMATS``. columns: those of :mod:`mien.media.measures` that its blocks have.
    left_out: columns of the file that are not read. blocks: its rows, read as they are asked for.
    """

    format: str
    columns: list[str]
    left_out: list[str]
    blocks: Iterator[Block]


@dataclass(frozen=True, slots=True)
class Converted:
    """What :func:`convert` did: the format it read, rows written, and columns that are lost."""

    format: str
    rows: int
    left_out: list[str]


def detect(path: str | Path) -> str:
    """Which of ``FORMATS`` a table has, by its header.

    Raises InputError when it is none of them.
    """
    check_readable(path)
    if measures.sniff(path) != "csv":
        return "mien"
    header = read_header(path)
    if livelink.recognises(header):
        return "livelink"
    for name, program in _PROGRAMS.items():
        if program.recognises(header):
            return name
    if {"frame", "time"} <= set(header):
        return "mien"
    known = "mien, OpenFace, LibreFace, py-feat or Live Link Face"
    raise InputError(f"{path}: its columns are none that {known} writes")


def open_table(path: str | Path, format: str | None = None, fps: float | None = None) -> Opened:
    """A table of any of ``FORMATS``, by default the one that its header tells.

    fps: the frame rate, for tables that do not tell times (py-feat, Live Link Face).

    Raises UsageError for another format or a frame rate that is not positive, InputError when the
    file does not have that format.
    """
    if format not in (None, *FORMATS):
        raise UsageError(f"{format}: a table is one of {', '.join(FORMATS)}")
    if fps is not None and not 0 < fps < np.inf:
        raise UsageError(f"a frame rate is positive, not {fps:g}")
    format = format or detect(path)
    if format == "mien":
        check_readable(path)
        return Opened("mien", *measures.read(path))
    header = read_header(path)
    if format == "livelink":
        names = [name for name in measures.COLUMNS if name in livelink.COLUMNS]
        return Opened(format, names, livelink.left_out(header), livelink.read(path, fps))
    program = _PROGRAMS[format]
    used = program.used(header)
    if not program.recognises(header):
        raise InputError(f"{path}: its columns are not those of {format}")
    sample = program.translate({name: np.zeros(0) for name in used})
    columns = [name for name in measures.COLUMNS if name in sample]
    numbers = [name for name in used if name not in program.texts]
    texts = [name for name in used if name in program.texts]
    read = (program.translate(block) for block in read_blocks(path, numbers, texts))
    left_out = [name for name in header if name not in used]
    return Opened(format, columns, left_out, _timed(read, fps))


def convert(
    path: str | Path,
    out: str | Path,
    *,
    format: str | None = None,
    names: str = "mien",
    source: str | None = None,
    fps: float | None = None,
) -> Converted:
    """Write the table ``path`` to ``out``, ``.csv`` or, under mien's names, ``.parquet``.

    format, fps: as of :func:`open_table`. names: of ``NAMES``.
    source: of a table of several inputs, the one to write.

    Raises UsageError, InputError and MienError as :func:`open_table` and the writers do; nothing is
    written then.
    """
    if names not in NAMES:
        raise UsageError(f"{names}: a table's names are one of {', '.join(NAMES)}")
    opened = open_table(path, format, fps)
    blocks = opened.blocks
    if source is not None:
        if "source" not in opened.columns:
            raise UsageError(f"{path}: has no column source to choose {source} by")
        blocks = _from_source(path, blocks, source)
    if names == "openface":
        rows = openface.write(out, opened.columns, blocks)
        lost = openface.columns(opened.columns)[1]
    else:
        rows = measures.write(out, opened.columns, blocks)
        lost = []
    return Converted(opened.format, rows, opened.left_out + lost)


def read_columns(
    path: str | Path, names: Iterable[str], format: str | None = None, fps: float | None = None
) -> Block:
    """Some columns of a table, whole, for statistics; format and fps as of :func:`open_table`.

    Raises InputError when the table does not have them.
    """
    opened = open_table(path, format, fps)
    wanted = list(names)
    missing = [name for name in wanted if name not in opened.columns]
    if missing:
        raise InputError(f"{path}: no column {', '.join(missing)}")
    parts: dict[str, list[np.ndarray]] = {name: [] for name in wanted}
    for block in opened.blocks:
        for name in wanted:
            parts[name].append(block[name])
    return {
        name: np.concatenate(values) if values else np.zeros(0) for name, values in parts.items()
    }


def _timed(blocks: Iterator[Block], fps: float | None) -> Iterator[Block]:
    """Times by the frame rate where the table has none."""
    for block in blocks:
        if fps is not None and np.isnan(block["time"]).all():
            block["time"] = block["frame"] / fps
        yield block


def _from_source(path: str | Path, blocks: Iterator[Block], source: str) -> Iterator[Block]:
    found = False
    for block in blocks:
        chosen = block["source"] == source
        found = found or bool(chosen.any())
        yield {name: values[chosen] for name, values in block.items()}
    if not found:
        raise UsageError(f"{path}: has no source {source}")
