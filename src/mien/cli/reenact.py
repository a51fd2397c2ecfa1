"""``mien reenact``: let a person in photos move as a face in a video does."""

import time
from pathlib import Path
from typing import Annotated

import typer

from mien.cli.map import examples
from mien.cli.options import Credentials, Device, Run, Weights
from mien.errors import UsageError

EXAMPLES = examples(
    "mien reenact portrait.jpg --driving talk.mp4 --out moving.mp4",
    "mien reenact portrait.jpg --driving talk.mp4 --absolute --out moving.mp4",
    "mien reenact a.jpg b.jpg --driving talk.mp4 --system fsrt --run runs/fsrt --out moving.mp4",
)


def reenact(
    portraits: Annotated[
        list[str],
        typer.Argument(
            metavar="PORTRAIT...", help="Photos of the person to be moved.", show_default=False
        ),
    ],
    driving: Annotated[
        str, typer.Option("--driving", metavar="VIDEO", help="A video of the face that moves.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Video to write: .mp4, ...")],
    system: Annotated[
        str | None,
        typer.Option(
            "--system",
            metavar="SLUG",
            help="Draw by this system; see `mien systems list`.  [default: the portrait renderer]",
        ),
    ] = None,
    weights: Weights = None,
    run: Run = None,
    absolute: Annotated[
        bool,
        typer.Option("--absolute", help="Hold head and face as the driver does, not only change."),
    ] = False,
    face: Annotated[
        str | None,
        typer.Option(
            "--face",
            metavar="N|largest",
            help="Which face of several in a photo; 1 is the largest.  [default: the only one]",
        ),
    ] = None,
    mark: Annotated[
        bool, typer.Option("--mark", help="Write 'synthetic' into the corner of the pictures.")
    ] = False,
    credentials: Credentials = True,
    device: Device = "cpu",
    quiet: Annotated[bool, typer.Option("--quiet", help="Print no summary.")] = False,
) -> None:
    """Let a person in photos move as a face in a video does.

    Expression, gaze and pose are carried over as they change; --absolute takes them as they are.
    The sound of the video is kept. By default the photo itself is moved; --system draws the person
    anew, in square pictures of the system's size.
    """
    from mien.jobs.reenact import reenact as run_reenact

    started = time.monotonic()
    made = run_reenact(
        portraits, driving, out, system=system, run=run, weights=weights, face=_number(face),
        absolute=absolute, credentials=credentials, mark=mark, device=device,
    )  # fmt: skip
    if not quiet:
        chosen = f" of {made.portrait}" if len(portraits) > 1 and system is None else ""
        print(f"{made.frames} frames{chosen}, {time.monotonic() - started:.1f} s: {out}")


def _number(face: str | None):
    if face is None or face == "largest":
        return face
    if not face.isdecimal() or int(face) < 1:
        raise UsageError(f"--face is a number from 1 on, or largest, not {face!r}")
    return int(face)
