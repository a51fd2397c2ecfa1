"""``mien report``: one page about what ``mien analyze`` has found."""

from pathlib import Path
from typing import Annotated

import typer

from mien.cli.map import examples

EXAMPLES = examples(
    "mien report faces",
    "mien report faces --out talk.html",
    "mien report faces/faces.csv",
)


def report(
    results: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            help="The --out of `mien analyze`, or one of several tables in it.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Page to write.  [default: DIR/report.html]"),
    ] = None,
) -> None:
    """Make one page of results: charts, moments, tables.

    The page is a single file that loads nothing and runs no scripts. It has pictures where `mien
    analyze --annotate` made some.
    """
    from mien.jobs.report import run_report

    print(run_report(results, out))
