"""Plain tables on standard output, for people and for ``awk``."""

from collections.abc import Mapping, Sequence


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns under their names, each as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        print("  ".join(map(str.ljust, row, widths)).rstrip())


def print_pairs(pairs: Mapping[str, str]) -> None:
    """One ``name  value`` to a line."""
    width = max(map(len, pairs))
    for name, value in pairs.items():
        print(f"{name.ljust(width)}  {value}")
