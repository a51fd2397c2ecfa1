"""``mien systems``: which systems there are."""

from typing import Annotated

import typer

from mien.cli.map import Map, examples
from mien.cli.table import print_pairs, print_table
from mien.errors import UsageError

app = typer.Typer(
    cls=Map,
    help="List and show the systems that can be trained and run.",
    epilog=examples("mien systems list", "mien systems show mien-detector"),
    rich_markup_mode=None,
)


@app.command("list", epilog=examples("mien systems list"))
def list_systems() -> None:
    """All systems and their tasks."""
    from mien.systems import available

    rows = [(slug, entry.task, entry.title) for slug, entry in available().items()]
    print_table(("system", "task", "title"), rows)


@app.command(epilog=examples("mien systems show mien-detector"))
def show(
    slug: Annotated[
        str,
        typer.Argument(
            metavar="SLUG", help="The system; `mien systems list` shows them.", show_default=False
        ),
    ],
) -> None:
    """One system: its task, its code, its weights."""
    from mien.hub import records
    from mien.systems import available

    entry = available().get(slug)
    if entry is None:
        raise UsageError(f"no system is named {slug!r}; `mien systems list` shows them all")
    weights = [record.name for record in records().values() if record.system == slug]
    print_pairs(
        {
            "system": slug,
            "title": entry.title,
            "task": entry.task,
            "module": entry.module,
            "weights": " ".join(weights) or "-",
        }
    )
