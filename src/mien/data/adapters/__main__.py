"""Prints docs/data-sets.md."""

from mien.data.adapters import table

print(table(), end="")
