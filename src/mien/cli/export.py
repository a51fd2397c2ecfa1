"""``mien export``: a trained system as one file that runs without mien."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from mien.cli.map import examples
from mien.cli.options import Licence
from mien.cli.table import print_table
from mien.errors import UsageError

EXAMPLES = examples(
    "mien export facenet --run runs/facenet --to onnx --out facenet.onnx",
    "mien export mien-landmarks --weights mien-landmarks-torch --to torch --out landmarks.pt2",
)
SUFFIXES = {"onnx": ".onnx", "torch": ".pt2"}


def export(
    slug: Annotated[
        str,
        typer.Argument(
            metavar="SLUG", help="The system; `mien systems list` shows them.", show_default=False
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", dir_okay=False, help="The file to write.")
    ],
    to: Annotated[
        Literal["onnx", "torch"],
        typer.Option("--to", help="ONNX (.onnx), or a program of torch.export (.pt2)."),
    ] = "onnx",
    run: Annotated[
        Path | None,
        typer.Option("--run", metavar="RUN", file_okay=False, help="Folder of `mien train`."),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            "--weights", metavar="NAME|FILE", help="A weight of `mien weights list`, or a file."
        ),
    ] = None,
    licence: Licence = "any",
) -> None:
    """Write a trained network as one file that runs without mien.

    The file is run and compared with the system first; one that differs is not written.
    """
    if (run is None) == (weights is None):
        raise UsageError("say which weights: --run RUN or --weights NAME|FILE, one of them")
    if out.suffix != SUFFIXES[to]:
        raise UsageError(f"{out}: a file for --to {to} ends in {SUFFIXES[to]}")
    from mien.systems import export as exports
    from mien.systems import trained

    differences = exports.write(trained.find(slug, run, weights), to, out)
    print_table(
        ("output", "largest error", "range", "error / range"),
        [(d.name, f"{d.error:.2e}", f"{d.range:.3g}", f"{d.relative:.1e}") for d in differences],
    )
    print(out)
