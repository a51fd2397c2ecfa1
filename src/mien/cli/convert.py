"""``mien convert``: tables of other programs in, mien's tables or OpenFace's out."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from mien.cli.map import examples

EXAMPLES = examples(
    "mien convert openface.csv faces.parquet",
    "mien convert faces/faces.jsonl openface.csv --columns openface --source talk.mp4",
    "mien convert fex.csv faces.csv --fps 25",
)


def convert(
    table: Annotated[
        Path,
        typer.Argument(
            metavar="IN",
            help="A table of mien, OpenFace 2, LibreFace, py-feat or Live Link Face.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Argument(metavar="OUT", help="A .csv or .parquet file.", show_default=False),
    ],
    format: Annotated[
        Literal["mien", "openface", "libreface", "pyfeat", "livelink"] | None,
        typer.Option("--from", help="Which it is.  [default: as its header tells]"),
    ] = None,
    columns: Annotated[
        Literal["mien", "openface"],
        typer.Option("--columns", help="Whose names, units and axes OUT has; openface: .csv."),
    ] = "mien",
    source: Annotated[
        str | None,
        typer.Option("--source", metavar="NAME", help="Take the rows of this input only."),
    ] = None,
    fps: Annotated[
        float | None,
        typer.Option(
            "--fps", metavar="N", help="Frames per second, for tables without times.", min=0.001
        ),
    ] = None,
) -> None:
    """Bring a table of faces to other names, units and axes.

    Columns that the other side has no like of are left out, and named on standard error.
    """
    from mien.media.foreign import convert as convert_table

    done = convert_table(table, out, format=format, names=columns, source=source, fps=fps)
    rows = "1 row" if done.rows == 1 else f"{done.rows} rows"
    print(f"{out}: {rows} from {done.format}", file=sys.stderr)
    if done.left_out:
        print(f"left out: {', '.join(_groups(done.left_out))}", file=sys.stderr)


def _groups(names: list[str]) -> list[str]:
    """Names, with those that differ by a number alone as one: ``eye_lmk_x_*``."""
    return list(dict.fromkeys(_stem(name) for name in names))


def _stem(name: str) -> str:
    return "_".join("*" if part.isdigit() else part for part in name.split("_"))
