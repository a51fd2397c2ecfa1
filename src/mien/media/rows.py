"""Tables of any columns, written as a stream: JSON lines, CSV or Parquet."""

import csv
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mien.errors import UsageError
from mien.media.files import atomic

ROW_GROUP = 4096
Row = Mapping[str, Any]


class _JsonLines:
    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8", newline="\n")

    def write(self, row: Row) -> None:
        """Add a row; all have the columns of the first."""
        self._file.write(json.dumps(row, separators=(",", ":"), allow_nan=False) + "\n")

    def close(self) -> None:
        self._file.close()


class _Csv(_JsonLines):
    def __init__(self, path: Path) -> None:
        # A file name that is not UTF-8 keeps its bytes.
        self._file = path.open("w", encoding="utf-8", errors="surrogateescape", newline="")
        self._writer: Any = None

    def write(self, row: Row) -> None:
        if self._writer is None:
            self._writer = csv.DictWriter(self._file, list(row), lineterminator="\r\n")
            self._writer.writeheader()
        self._writer.writerow(row)


class _Parquet(_JsonLines):
    def __init__(self, path: Path) -> None:
        self._path, self._rows = path, []
        self._writer: Any = None

    def write(self, row: Row) -> None:
        self._rows.append({name: _whole(value) for name, value in row.items()})
        if len(self._rows) == ROW_GROUP:
            self._flush()

    def _flush(self) -> Any:
        """Write what is held back; the writer."""
        import pyarrow
        import pyarrow.parquet as parquet  # here, because it takes long to load

        schema = self._writer.schema if self._writer else _schema(self._rows)
        table = pyarrow.Table.from_pylist(self._rows, schema=schema)
        if self._writer is None:
            self._writer = parquet.ParquetWriter(self._path, schema, compression="zstd")
        self._writer.write_table(table)
        self._rows = []
        return self._writer

    def close(self) -> None:
        writer = self._writer if self._writer and not self._rows else self._flush()
        writer.close()


def _schema(rows: list[dict[str, Any]]) -> Any:
    """The columns' types, whole numbers being 64 bits and a track where no face has one too."""
    import pyarrow

    found = pyarrow.Table.from_pylist(rows).schema
    fields = [pyarrow.field(f.name, pyarrow.int64()) if pyarrow.types.is_null(f.type) else f
              for f in found]  # fmt: skip
    return pyarrow.schema(fields)


def _whole(value: Any) -> Any:
    """A file name that is not UTF-8 cannot be kept whole in Parquet."""
    if isinstance(value, str):
        return value.encode(errors="surrogateescape").decode(errors="replace")
    return value


_WRITERS = {"jsonl": _JsonLines, "csv": _Csv, "parquet": _Parquet}


@contextmanager
def open_rows(path: str | Path, format: str) -> Iterator[_JsonLines]:
    """A new table; ``path`` appears when the block ends without an error.

    format: "jsonl", "csv" or "parquet". Raises UsageError for another, MienError when the file
    cannot be written.
    """
    if format not in _WRITERS:
        raise UsageError(f"{format}: a table is one of {', '.join(_WRITERS)}")
    with atomic(path) as temporary:
        rows = _WRITERS[format](temporary)
        try:
            yield rows
        finally:
            rows.close()
