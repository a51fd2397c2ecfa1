"""``mien reconstruct``: a photo or a video of a face into a rigged head."""

import time
from pathlib import Path
from typing import Annotated

import typer

from mien.cli.map import examples
from mien.cli.options import Credentials, Device, Run, Weights
from mien.errors import MienError, UsageError

EXAMPLES = examples(
    "mien reconstruct photo.jpg --out head",
    "mien reconstruct family.jpg --face all --out heads",
    "mien reconstruct talk.mp4 --out head --no-turntable",
    "mien reconstruct photo.jpg --system smirk --run runs/smirk --out head",
)


def reconstruct(
    source: Annotated[
        str,
        typer.Argument(metavar="PHOTO|VIDEO", help="A picture of a face.", show_default=False),
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", file_okay=False, help="Folder for the head.")
    ],
    face: Annotated[
        str | None,
        typer.Option(
            "--face",
            metavar="N|largest|all",
            help="Which face of several; 1 is the largest.  [default: the only one]",
        ),
    ] = None,
    refine: Annotated[
        bool, typer.Option("--refine", help="Improve the fit by comparing pixels (needs torch).")
    ] = False,
    system: Annotated[
        str | None,
        typer.Option(
            "--system",
            metavar="SLUG",
            help="Read the head by this system; see `mien systems list`.  [default: a fit to"
            " landmarks]",
        ),
    ] = None,
    weights: Weights = None,
    run: Run = None,
    turntable: Annotated[
        bool, typer.Option("--turntable/--no-turntable", help="Also write a turning head as video.")
    ] = True,
    credentials: Credentials = True,
    device: Device = "cpu",
    quiet: Annotated[bool, typer.Option("--quiet", help="Print no summary.")] = False,
) -> None:
    """Turn a photo or a video of a face into a head with 52 ARKit expressions and turning eyes.

    Writes head.glb, head.obj, head.npz, head.json, fit.png and turntable.mp4; of a video also
    motion.csv for Live Link Face, and the head in head.glb moves.
    """
    from mien.jobs.reconstruct import run_reconstruct

    started, told = time.monotonic(), []
    heads = run_reconstruct(
        source, out, face=_choice(face), refine=refine, turntable=turntable,
        credentials=credentials, system=system, run=run, weights=weights, device=device,
        on_warning=told.append,
    )  # fmt: skip
    if not quiet:
        for head in heads:
            which = f"face {head.number}: " if face == "all" else ""
            print(
                f"{which}quality {head.quality:.2f} of 1, landmarks met within "
                f"{100 * head.fit.error:.1f} % of the distance of the eyes"
            )
        print(f"{time.monotonic() - started:.1f} s: {out}")
    if told:
        raise MienError("; ".join(told))


def _choice(face: str | None):
    if face is None or face in ("largest", "all"):
        return face
    if not face.isdecimal() or int(face) < 1:
        raise UsageError(f"--face is a number from 1 on, largest or all, not {face!r}")
    return int(face)
