"""``mien weights``: which weights there are, under which licence, and how to get them."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from mien.cli.map import Map, examples
from mien.cli.options import Licence
from mien.cli.table import print_pairs, print_table

app = typer.Typer(
    cls=Map,
    help="List, show, add and get weights; see their licences.",
    epilog=examples("mien weights list", "mien weights show mien-detector"),
    rich_markup_mode=None,
)

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="The weight; `mien weights list` shows them.", show_default=False
    ),
]


@app.command("list", epilog=examples("mien weights list", "mien weights list --licence commercial"))
def list_weights(licence: Licence = "any") -> None:
    """All weights: system, size, licence, and whether they are here."""
    from mien.hub import records, state

    print_table(
        ("name", "system", "size", "licence", "commercial", "state"),
        [
            (
                record.name,
                record.system,
                _megabytes(record.bytes),
                record.licence,
                _yes(record.commercial),
                state(record),
            )
            for record in records().values()
            if licence == "any" or record.commercial
        ],
    )


@app.command(epilog=examples("mien weights show mien-detector"))
def show(name: Name) -> None:
    """Everything that is recorded of one weight."""
    from mien.hub import lookup, path_of, state

    record = lookup(name)
    pairs = {key: _plain(value) for key, value in asdict(record).items()}
    print_pairs(pairs | {"state": state(record), "path": str(path_of(record))})


@app.command(epilog=examples("mien weights add facexformer ~/Downloads/model.pt"))
def add(
    name: Name,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Your copy of the file.", show_default=False)
    ],
) -> None:
    """Copy a weight file that you have into the cache, checked.

    By adding it you accept its licence, which is shown. A file whose hash is not recorded is
    compared with the system, tensor by tensor; its hash is kept and holds from then on.
    """
    from mien.hub import add as add_file
    from mien.hub import lookup, terms

    record = lookup(name)
    if not record.bundled and record.sha256 is None:
        from mien.systems import load
        from mien.systems.official import check

        check(load(record.system), file)
    target = add_file(name, file)
    print(terms(record), file=sys.stderr)
    print(target)


@app.command(
    epilog=examples("mien weights get facexformer", "mien weights get facexformer --accept-licence")
)
def get(
    name: Name,
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="Accept the licence that is shown without it.")
    ] = False,
    licence: Licence = "any",
) -> None:
    """Download a weight once its licence is accepted, hash-checked."""
    from mien.hub import get as get_file
    from mien.hub import lookup, terms

    if accept_licence:
        print(terms(lookup(name)), file=sys.stderr)
    print(get_file(name, accept_licence, progress=_show_progress))


@app.command(epilog=examples("mien weights path mien-detector"))
def path(name: Name, licence: Licence = "any") -> None:
    """Print where the file of a weight is, after checking its hash."""
    from mien.hub import resolve

    print(resolve(name, licence))


def _show_progress(done: int, total: int | None) -> None:
    """One line that counts up, where standard error is a terminal."""
    if sys.stderr.isatty():
        end = "\n" if done == total else "\r"
        whole = f" of {_megabytes(total)}" if total else ""
        print(f"{_megabytes(done)}{whole}", end=end, file=sys.stderr, flush=True)


def _megabytes(size: int | None) -> str:
    return "unknown" if size is None else f"{size / 1e6:.1f} MB"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _plain(value: object) -> str:
    """A value of a record as a person reads it."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return _yes(value)
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return str(value)
