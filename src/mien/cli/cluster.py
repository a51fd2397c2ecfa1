"""``mien cluster``: who is in a heap of photos and videos."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from mien.cli.map import examples
from mien.cli.options import Device
from mien.errors import MienError

EXAMPLES = examples(
    "mien cluster holiday/ --out people",
    "mien cluster holiday/ clips/ --out people --format parquet --every 5",
    "mien cluster holiday/ --out people --threshold 0.8",
)


def cluster(
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="INPUT", help="Folders, photos, videos, globs.", show_default=False),
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", file_okay=False, help="Folder for the results.")
    ],
    format: Annotated[
        Literal["csv", "parquet", "jsonl"], typer.Option("--format", help="Format of the table.")
    ] = "csv",
    threshold: Annotated[
        float | None,
        typer.Option(
            "--threshold",
            metavar="D",
            min=0,
            max=4,
            help="Squared distance up to which groups are one person; less makes more groups."
            "  [default: as chosen on validation]",
        ),
    ] = None,
    smallest: Annotated[
        float,
        typer.Option("--smallest", metavar="PIXELS", min=1, help="Leave out smaller faces."),
    ] = 40.0,
    every: Annotated[
        int, typer.Option("--every", metavar="N", min=1, help="Look at every N-th video frame.")
    ] = 1,
    device: Device = "cpu",
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Group the faces in photos and videos by person.

    Writes DIR/people.FORMAT, a row per face of a photo and per person of a video, and
    DIR/people.html, which shows them. The groups have numbers, no names.
    """
    from mien.jobs.cluster import run_cluster

    failed = run_cluster(
        inputs, out, format=format, threshold=threshold, smallest=smallest, every=every,
        device=device, quiet=quiet,
    )  # fmt: skip
    if failed:
        raise MienError("1 input could not be used" if failed == 1 else
                        f"{failed} inputs could not be used")  # fmt: skip
