"""``mien animate``: let the face of a photo move."""

import time
from pathlib import Path
from typing import Annotated

import typer

from mien.cli.map import examples
from mien.cli.options import Credentials, Device
from mien.errors import UsageError

EXAMPLES = examples(
    "mien animate portrait.jpg --motion take.csv --out moving.mp4",
    "mien animate portrait.jpg --motion driving.mp4 --out moving.mp4 --strength 0.8",
    "mien animate family.jpg --face 2 --motion take.npz --out moving.mp4",
)


def animate(
    portrait: Annotated[
        str, typer.Argument(metavar="PORTRAIT", help="A photo with a face.", show_default=False)
    ],
    motion: Annotated[
        str,
        typer.Option(
            "--motion",
            metavar="FILE",
            help="Live Link Face .csv, mien's .npz, or a video of a face.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Video to write: .mp4, ...")],
    face: Annotated[
        str | None,
        typer.Option(
            "--face",
            metavar="N|largest",
            help="Which face of several; 1 is the largest.  [default: the only one]",
        ),
    ] = None,
    strength: Annotated[
        float,
        typer.Option("--strength", metavar="X", min=0, max=3, help="Of the motion; 1 is as it is."),
    ] = 1.0,
    fps: Annotated[
        float | None,
        typer.Option(
            "--fps", metavar="X", help="Frame rate of a .csv.  [default: from its timecodes]"
        ),
    ] = None,
    mark: Annotated[
        bool, typer.Option("--mark", help="Write 'synthetic' into the corner of the pictures.")
    ] = False,
    credentials: Credentials = True,
    device: Device = "cpu",
    quiet: Annotated[bool, typer.Option("--quiet", help="Print no summary.")] = False,
) -> None:
    """Let the face of a photo move as a recording or another face does.

    The motion counts from its own rest and is added to the photo's expression, gaze and pose; the
    head turns up to 20 degrees. The sound of a video is kept.
    """
    from mien.jobs.animate import animate as run_animate

    started = time.monotonic()
    frames = run_animate(
        portrait, motion, out, face=_number(face), strength=strength, fps=fps, mark=mark,
        credentials=credentials, device=device,
    )  # fmt: skip
    if not quiet:
        print(f"{frames} frames, {time.monotonic() - started:.1f} s: {out}")


def _number(face: str | None):
    if face is None or face == "largest":
        return face
    if not face.isdecimal() or int(face) < 1:
        raise UsageError(f"--face is a number from 1 on, or largest, not {face!r}")
    return int(face)
