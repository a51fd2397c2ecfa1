"""``mien claim``: put a claim of a paper to the test."""

from pathlib import Path
from typing import Annotated

import typer

from mien.cli.map import examples
from mien.cli.options import Device

EXAMPLES = examples(
    "mien claim fmae-iat",
    "mien claim facenet --seeds 5 --out claims",
    "mien claim kd-landmarks --budget 10 --data-folder /tmp/claims --out claims",
)


def claim(
    slug: Annotated[
        str,
        typer.Argument(metavar="SLUG", help="The system whose claim it is.", show_default=False),
    ],
    seeds: Annotated[
        int, typer.Option("--seeds", metavar="N", min=2, help="Trainings of each arm.")
    ] = 3,
    budget: Annotated[
        float | None,
        typer.Option(
            "--budget",
            metavar="MINUTES",
            min=0.1,
            help="Fewer steps and pictures, for all arms alike, so that it takes about so long.",
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", file_okay=False, help="Folder of the results.")
    ] = Path("docs/claims"),
    data_folder: Annotated[
        Path | None,
        typer.Option(
            "--data-folder",
            metavar="DIR",
            file_okay=False,
            help="Folder of pictures and trainings, which are made where they are missing."
            "  [default: claims in mien's cache]",
        ),
    ] = None,
    device: Device = "cpu",
) -> None:
    """Train a system and its ablations alike, and compare them on people none has seen.

    A claim that was stopped goes on when it is run again. DIR gets SLUG.json, SLUG.svg and
    index.md, a page of all claims there.
    """
    from mien.evaluate import claims
    from mien.hub import store
    from mien.systems.claims import load
    from mien.systems.claims.run import run

    folder = data_folder or store.home() / "claims"
    report = run(load(slug), out, folder, seeds=seeds, budget=budget, device=device)
    print(claims.plain(report))
    print(out / f"{slug}.json")
