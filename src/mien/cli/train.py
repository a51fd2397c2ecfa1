"""``mien train``: train one system."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from mien.cli.map import examples
from mien.cli.options import Data, Device
from mien.errors import UsageError

EXAMPLES = examples(
    "mien train mien-landmarks --out runs/landmarks",
    "mien train mien-landmarks --out runs/landmarks --resume",
    "mien train mien-detector --out runs/try --preset tiny --steps 20",
)


def train(
    slug: Annotated[
        str,
        typer.Argument(
            metavar="SLUG", help="The system; `mien systems list` shows them.", show_default=False
        ),
    ],
    out: Annotated[
        Path,
        typer.Option("--out", metavar="RUN", file_okay=False, help="Folder of the run."),
    ],
    data: Data,
    steps: Annotated[
        int | None,
        typer.Option(
            "--steps", metavar="N", min=1, help="Stop after N steps.  [default: the recipe's]"
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint in RUN, if any.")
    ] = False,
    preset: Annotated[
        Literal["tiny", "paper"],
        typer.Option("--preset", help="tiny trains in seconds; paper is the published size."),
    ] = "paper",
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", min=0, help="Seed of everything random.")
    ] = 0,
    device: Device = "cpu",
) -> None:
    """Train a system; a stopped run can be resumed.

    RUN gets model.safetensors, metrics.csv and what resuming needs.
    """
    import torch

    from mien.evaluate import report
    from mien.systems import load
    from mien.train import run

    if not resume and (out / "config.json").exists():
        raise UsageError(f"{out} holds a run already: go on with it by --resume")
    torch.manual_seed(seed)  # the first weights come from it too
    system = load(slug).build(preset)
    about = {"commit": report.commit(), "host": report.host(), "versions": report.versions()}
    print(run(system, data, out, steps=steps, about=about, seed=seed, device=device))
