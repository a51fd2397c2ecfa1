"""Tables of ``mien evaluate system``."""

from typing import Any

from mien.evaluate.tables.table import Table, interval, number

TITLE = "Systems with bundled weights"


def tables(results: dict[str, Any]) -> list[Table]:
    """One table for each system."""
    return [_table(slug, found) for slug, found in results.items()]


def _table(slug: str, found: dict[str, Any]) -> Table:
    rows = [
        [m["title"], m["unit"], m["better"], f"{number(m['value'])} ({interval(m['ci95'])})"]
        for m in found["measures"].values()
    ]
    note = (
        f"{found['pictures']} pictures of {found['people']} people of the world whom training has "
        f"not seen, {found['side']} pixels; 95 % intervals over people. Weights: "
        f"{found['weights']}, {found['parameters']:,} parameters."
    )
    return Table(slug, ("measure", "unit", "better", "value"), rows, note)
