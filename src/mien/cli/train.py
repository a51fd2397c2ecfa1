"""``mien train``: train one system."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mien.cli.map import examples
from mien.cli.options import Device
from mien.errors import UsageError

if TYPE_CHECKING:
    from mien.train.system import System

EXAMPLES = examples(
    "mien train mien-landmarks --out runs/landmarks",
    "mien train mien-landmarks --out runs/landmarks --resume",
    "mien train fmae-iat --preset tiny --data example --steps 20 --out runs/try",
    "mien train fmae-iat --data world: --batch 64 --processes 2 --device cuda --out runs/fmae",
)


def _usual(system: "System") -> str:
    """Where a system learns from, if nobody says: the face world, if that has what it needs."""
    if all(stage.data in ("faces", "people", "voices") for stage in system.stages()):
        return "world:"
    return f"portraits:{Path(os.environ.get('MIEN_SHARED') or '../shared') / 'data'}"


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
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="SPEC",
            help="world:RECIPE, shards:FOLDER, adapter:NAME:FOLDER, portraits:FOLDER, or example: "
            "made-up batches, to try things out.",
            show_default="world:, or portraits:$MIEN_SHARED/data for mien's own networks",
        ),
    ] = None,
    preset: Annotated[
        Literal["tiny", "paper"],
        typer.Option("--preset", help="tiny trains in seconds; paper is the published size."),
    ] = "paper",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint in RUN, if any.")
    ] = False,
    stage: Annotated[
        list[str] | None,
        typer.Option(
            "--stage", metavar="NAME", help="Only this stage; may be repeated.  [default: all]"
        ),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(
            "--start",
            metavar="RUN|FILE",
            exists=True,
            help="Weights to begin with: of a run, or published ones.",
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            "--steps", metavar="N", min=1, help="Steps of each stage.  [default: the recipe's]"
        ),
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option(
            "--batch",
            metavar="N",
            min=1,
            help="Samples of a step, of all processes together.  [default: the recipe's]",
        ),
    ] = None,
    passes: Annotated[
        int,
        typer.Option(
            "--passes", metavar="N", min=1, help="Take each batch in N parts, to save memory."
        ),
    ] = 1,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", min=0, help="Seed of everything random.")
    ] = 0,
    device: Device = "cpu",
    precision: Annotated[
        Literal["fp32", "bf16", "fp16"],
        typer.Option("--precision", help="Numbers of the forward pass; weights are fp32."),
    ] = "bf16",
    compile: Annotated[
        bool, typer.Option("--compile", help="Compile the network first (torch.compile).")
    ] = False,
    processes: Annotated[
        int,
        typer.Option("--processes", metavar="N", min=1, help="Processes, or GPUs with cuda."),
    ] = 1,
    sharding: Annotated[
        Literal["ddp", "fsdp"],
        typer.Option("--sharding", help="Whether processes have all weights or (fsdp) a share."),
    ] = "ddp",
    workers: Annotated[
        int,
        typer.Option(
            "--workers", metavar="N", min=0, help="Makers of samples beside each process."
        ),
    ] = 1,
    log_every: Annotated[
        int, typer.Option("--log-every", metavar="N", min=1, help="Steps between two reports.")
    ] = 50,
    save_every: Annotated[
        int, typer.Option("--save-every", metavar="N", min=1, help="Steps between checkpoints.")
    ] = 1000,
) -> None:
    """Train a system; a stopped run can be resumed.

    RUN gets model.safetensors, metrics.csv and what resuming needs.
    """
    import torch

    from mien.evaluate import report
    from mien.systems import load, official
    from mien.train import run

    if not resume and (out / "metrics.csv").exists():
        raise UsageError(f"{out} holds a run already: go on with it by --resume")
    torch.manual_seed(seed)  # the first weights come from it too
    system = load(slug).build(preset)
    if start is not None and start.is_file() and start.suffix != ".safetensors":
        official.start(system, start)
        start = None
    versions = {**report.versions(), "torch": torch.__version__}
    print(
        run(
            system, data or _usual(system), out,
            only=stage or (), steps=steps, batch=batch, start=start,
            about={"commit": report.commit(), "host": report.host(), "versions": versions},
            device=device, processes=processes, seed=seed, workers=workers, precision=precision,
            sharding=sharding, passes=passes, compile=compile, log_every=log_every,
            save_every=save_every,
        )
    )  # fmt: skip
