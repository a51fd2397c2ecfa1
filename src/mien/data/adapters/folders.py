"""Reading what people download: folders, tables and arrays that may be incomplete or hostile.

Names in label files are only ever taken below the data set's folder. They are compared as text: a
symbolic link that the user made inside that folder is followed.
"""

import csv
import re
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from pathlib import Path, PurePosixPath

import numpy as np

from mien.errors import InputError
from mien.media.image import open_image

LONGEST_LINE = 1 << 20  # bytes; the longest of the known label files has about 2000
LARGEST = 1e9  # no label is a larger number
IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".pgm")
VIDEOS = (".mp4", ".avi", ".flv", ".mov", ".mkv", ".webm")


@dataclass(frozen=True)
class Folder:
    """A data set's folder; ``title`` and ``layout`` are what errors say of it."""

    path: Path
    title: str
    layout: str

    def need(self, *names: str) -> Path:
        """The first of these files or folders that is there; InputError if none is."""
        found = self.find(*names)
        if found is None:
            raise self.error(f"{names[0]} is missing")
        return found

    def find(self, *names: str) -> Path | None:
        """The first of these files or folders that is there."""
        return next((self.path / name for name in names if (self.path / name).exists()), None)

    def error(self, what: str) -> InputError:
        """What is wrong with the folder, and what it should look like, in one line."""
        return InputError(f"{self.path}: not {self.title}: {what}; expected {self.layout}")


def below(folder: Path, name: str) -> Path:
    """``folder / name`` for a name out of a label file; InputError if it leads out of it."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    drive = bool(parts) and ":" in parts[0]
    if not parts or drive or ".." in parts or parts[0] == "/" or "\0" in name:
        raise InputError(f"{folder}: the name {name[:200]!r} leads out of the data set")
    return folder.joinpath(*parts)


def names(folder: Path, suffixes: Iterable[str] = ()) -> list[str]:
    """Names in a folder, in order of the numbers in them; those of folders if without suffixes.

    Hidden files are left out, as the ``._`` twins that some archives hold. Raises InputError.
    """
    suffixes = tuple(suffixes)
    try:
        found = [
            entry.name
            for entry in folder.iterdir()
            if not entry.name.startswith(".")
            and (entry.suffix.lower() in suffixes if suffixes else entry.is_dir())
        ]
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror or error}") from error
    return sorted(found, key=_natural)


def _natural(name: str) -> list[tuple[int, str]]:
    return [
        (int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)
    ]


class PeopleFolders:
    """(person, file name) of pictures in one folder per person; only the counts are in memory."""

    def __init__(self, folder: Path, people: Iterable[str]):
        counts = {person: len(names(folder / person, IMAGES)) for person in people}
        self.folder = folder
        self.people = [person for person, count in counts.items() if count]
        self._ends = list(accumulate(counts[person] for person in self.people))
        self._names = lru_cache(maxsize=64)(names)

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, index: int) -> tuple[str, str]:
        if not 0 <= index < len(self):
            raise IndexError(index)
        person = bisect_right(self._ends, index)
        start = self._ends[person - 1] if person else 0
        files = self._names(self.folder / self.people[person], IMAGES)
        if index - start >= len(files):
            raise InputError(f"{self.folder / self.people[person]}: changed while it was read")
        return self.people[person], files[index - start]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table; values are read by column, and errors name file and line."""

    path: Path
    line: int
    columns: dict[str, int]
    fields: list[str]

    def text(self, column: str) -> str:
        """The value, without spaces around it."""
        place = self.columns[column.lower()]
        if place >= len(self.fields) or not self.fields[place].strip():
            raise self.error(f"no value for {column!r}")
        return self.fields[place].strip()

    def number(self, column: str) -> float:
        """The value as a finite number."""
        text = self.text(column)
        try:
            value = float(text)
        except ValueError as error:
            raise self.error(f"{column!r} is {text[:40]!r}, not a number") from error
        if not abs(value) < LARGEST:
            raise self.error(f"{column!r} is {text[:40]!r}, beyond {LARGEST:g}")
        return value

    def numbers(self, texts: Iterable[str]) -> np.ndarray:
        """Finite numbers (n,) float64."""
        return finite(texts, f"{self.path}: line {self.line}")

    def index(self, column: str, below: int) -> int:
        """The value as a whole number from 0 to ``below`` - 1."""
        value = self.number(column)
        if not (0 <= value < below and value.is_integer()):
            raise self.error(f"{column!r} is {self.text(column)[:40]!r}, not 0 to {below - 1}")
        return int(value)

    def error(self, what: str) -> InputError:
        """What is wrong with this line."""
        return InputError(f"{self.path}: line {self.line}: {what}")


class Table:
    """A text table on the disk: in memory are only the places of its lines, 8 bytes each.

    A byte order mark, either kind of line end, empty lines, more columns than needed and any case
    of their names are accepted.

    Args:
        path: the file, UTF-8.
        delimiter: None for any white space, as many as there are.
        columns: their names if the file does not begin with them.
        need: columns that must be there.
        skip: lines before the table (or its header).

    Raises InputError if the file cannot be read, a column is missing or a line is endless.
    """

    def __init__(
        self,
        path: Path,
        delimiter: str | None = ",",
        columns: Sequence[str] | None = None,
        need: Sequence[str] = (),
        skip: int = 0,
    ):
        self.path, self.delimiter = path, delimiter
        self._starts, self._numbers = array("Q"), array("L")
        header = columns
        try:
            with open(path, "rb") as file:
                for number, (start, line) in enumerate(self._lines(file), 1):
                    if number <= skip or not line.strip():
                        continue
                    if header is None:
                        header = self._split(line)
                    else:
                        self._starts.append(start)
                        self._numbers.append(number)
        except OSError as error:
            raise InputError(f"{path}: {error.strerror or error}") from error
        self.columns: dict[str, int] = {}
        for place, name in enumerate(header or []):
            self.columns.setdefault(name.strip().lower(), place)
        missing = [name for name in need if name.lower() not in self.columns]
        if missing:
            there = ", ".join(list(self.columns)[:12]) or "nothing"
            raise InputError(f"{path}: no column {missing[0]!r}; there is {there}")

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, index: int) -> Row:
        with open(self.path, "rb") as file:
            file.seek(self._starts[index])
            fields = self._split(file.readline(LONGEST_LINE))
        return Row(self.path, self._numbers[index], self.columns, fields)

    def __iter__(self) -> Iterator[Row]:
        with open(self.path, "rb") as file:
            for start, number in zip(self._starts, self._numbers, strict=True):
                file.seek(start)
                fields = self._split(file.readline(LONGEST_LINE))
                yield Row(self.path, number, self.columns, fields)

    def _lines(self, file) -> Iterator[tuple[int, bytes]]:
        start = 0
        while line := file.readline(LONGEST_LINE):
            if len(line) == LONGEST_LINE:
                raise InputError(f"{self.path}: a line of more than {LONGEST_LINE} bytes")
            yield start, line
            start += len(line)

    def _split(self, line: bytes) -> list[str]:
        text = line.decode("utf-8", "surrogateescape").lstrip("\ufeff").strip("\r\n")
        if self.delimiter is None:
            return text.split()
        try:
            return next(csv.reader([text], delimiter=self.delimiter), [])
        except csv.Error as error:
            raise InputError(f"{self.path}: {error}") from error


def finite(texts: Iterable[str], source: str) -> np.ndarray:
    """Numbers (n,) float64; InputError, beginning with ``source``, unless all are below LARGEST."""
    texts = list(texts)
    try:
        values = np.array([float(text) for text in texts])
    except ValueError as error:
        raise InputError(f"{source}: not a number: {str(error)[:80]}") from error
    if not (np.abs(values) < LARGEST).all():
        raise InputError(f"{source}: a number that is not finite, or beyond {LARGEST:g}")
    return values


def numbers(path: Path, count: int | None = None, skip: int = 0) -> np.ndarray:
    """The numbers (n,) float64 of a small text file, from line ``skip`` on; InputError unless n is
    ``count``. Braces and the words that end in a colon, as of ``.pts`` files, are left out."""
    try:
        with open(path, encoding="utf-8-sig", errors="replace") as file:
            text = file.read(LONGEST_LINE)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    lines = [line for line in text.splitlines() if ":" not in line][skip:]
    values = finite(re.sub(r"[{},;]", " ", " ".join(lines)).split(), str(path))
    if count is not None and len(values) != count:
        raise InputError(f"{path}: {len(values)} numbers, expected {count}")
    return values


def npy(path: Path, mapped: bool = False) -> np.ndarray:
    """The array of a ``.npy`` file, left on the disk if ``mapped``; never a pickle."""
    try:
        array = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    except Exception as error:  # on damaged files numpy raises nearly anything
        raise InputError(f"{path}: not an array: {error}") from error
    if not isinstance(array, np.ndarray):
        raise InputError(f"{path}: an archive, not an array")
    return array


def mask(path: Path) -> np.ndarray:
    """The values (H, W) of a mask image as they are stored, palette images too."""
    with open_image(path) as image:
        values = np.asarray(image)
    return values if values.ndim == 2 else values[..., 0]
