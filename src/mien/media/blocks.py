"""Comma-separated tables of other programs, read as blocks of named columns."""

import csv
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TypeAlias

import numpy as np

from mien.errors import InputError
from mien.media.files import check_readable

Block: TypeAlias = dict[str, np.ndarray]
"""Some rows: a column is (n,) float64 with NaN for what is not known, or (n,) of str."""

ROWS = 1024
"""Rows of a block: what is held in memory at once."""


def read_header(path: str | Path) -> list[str]:
    """The names of the columns, without the spaces that some programs put around them.

    Raises InputError when the file has no header whose names are separated by commas.
    """
    with _open(path) as rows:
        return _header(path, rows)


def read_blocks(
    path: str | Path, numbers: Collection[str], texts: Collection[str] = ()
) -> Iterator[Block]:
    """The wanted columns, at most ``ROWS`` rows at a time.

    Empty fields and what programs write for "not a number" (nan, -nan(ind)) are NaN.

    Raises InputError when a column is missing, a row has more or fewer fields than the header, or a
    field of ``numbers`` is no number.
    """
    with _open(path) as rows:
        header = _header(path, rows)
        missing = [name for name in (*numbers, *texts) if name not in header]
        if missing:
            raise InputError(f"{path}: no column {', '.join(missing)}")
        numbered = ((line, row) for line, row in enumerate(rows, 2) if row)
        while part := list(islice(numbered, ROWS)):
            for line, row in part:
                if len(row) != len(header):
                    raise InputError(
                        f"{path}: row {line} has {len(row)} fields, the header has {len(header)}"
                    )
            block: Block = {}
            for name in numbers:
                place = header.index(name)
                block[name] = _numbers(path, name, ((line, row[place]) for line, row in part))
            for name in texts:
                place = header.index(name)
                block[name] = np.array([row[place] for _, row in part], dtype=object)
            yield block


@contextmanager
def _open(path: str | Path) -> Iterator[Iterator[list[str]]]:
    check_readable(path)
    try:
        # utf-8-sig: spreadsheets put a byte order mark before the first name.
        with open(path, encoding="utf-8-sig", newline="") as file:
            yield csv.reader(file)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a table: its text is not UTF-8") from error
    except csv.Error as error:
        raise InputError(f"{path}: not a table: {error}") from error


def _header(path: str | Path, rows: Iterator[list[str]]) -> list[str]:
    names = [name.strip() for name in next(rows, [])]
    for delimiter, word in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if len(names) == 1 and delimiter in names[0]:
            raise InputError(f"{path}: its columns are separated by {word}, not by commas")
    doubled = sorted({name for name in names if name and names.count(name) > 1})
    if doubled:
        raise InputError(f"{path}: two columns are named {doubled[0]}")
    if len(names) < 2:
        raise InputError(f"{path}: not a table with a header")
    return names


def _numbers(path: str | Path, name: str, fields: Iterable[tuple[int, str]]) -> np.ndarray:
    values = []
    for line, field in fields:
        try:
            values.append(float(field))
        except ValueError:
            if field.strip() and "nan" not in field.lower():
                raise InputError(
                    f"{path}: row {line}: {name} is {field.strip()[:40]!r}, not a number"
                ) from None
            values.append(np.nan)
    column = np.array(values, np.float64)
    column[np.isinf(column)] = np.nan
    return column
