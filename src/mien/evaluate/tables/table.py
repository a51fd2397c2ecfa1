"""A table, in Markdown and for a terminal."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """A title, column names, and rows of as many texts; ``note`` says how to read it."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def markdown(self) -> str:
        """The table in Markdown."""
        lines = [self.columns, ["---"] + ["---:"] * (len(self.columns) - 1), *self.rows]
        body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return "\n\n".join(filter(None, (f"### {self.title}", self.note, body)))

    def plain(self) -> str:
        """The table for a terminal."""
        lines = [self.columns, *self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.columns))]
        return "\n".join([self.title, *(f"  {_aligned(line, widths)}" for line in lines)])


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    """The first column to the left, numbers to the right."""
    cells = (cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))
    return "  ".join([line[0].ljust(widths[0]), *cells]).rstrip()


def number(value: float | int | None, digits: int = 2) -> str:
    """A number with so many digits after the point; "-" for None."""
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.{digits}f}"


def interval(bounds: Sequence[float] | None) -> str:
    """An interval as text; "-" for None."""
    return f"{bounds[0]:.2f} to {bounds[1]:.2f}" if bounds else "-"
