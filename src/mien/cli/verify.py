"""``mien verify``: is it the same person?"""

import json
from typing import Annotated

import typer

from mien.cli.map import examples
from mien.cli.options import Device
from mien.errors import UsageError

EXAMPLES = examples(
    "mien verify passport.jpg selfie.jpg",
    "mien verify party.jpg selfie.jpg --face 2",
    "mien verify interview.mp4 photo.jpg --json",
)
CODES = {"same": 0, "different": 3, "unsure": 4}


def verify(
    first: Annotated[
        str, typer.Argument(metavar="A", help="A photo or a video.", show_default=False)
    ],
    second: Annotated[str, typer.Argument(metavar="B", help="Another one.", show_default=False)],
    face: Annotated[
        str,
        typer.Option(
            "--face",
            metavar="N|largest",
            help="Which face of A, if it is a photo; 1 is the largest.",
        ),
    ] = "largest",
    other_face: Annotated[
        str, typer.Option("--other-face", metavar="N|largest", help="Which face of B.")
    ] = "largest",
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdict as JSON.")] = False,
    device: Device = "cpu",
) -> None:
    """Say whether two photos or videos show the same person.

    Compares two given pictures; it knows no names. The exit code is 0 for the same person, 3 for
    different people, 4 for unsure, 1 where a file has no face or cannot be read.
    """
    from mien.jobs.verify import verify as verify_faces

    faces = _choice("--face", face), _choice("--other-face", other_face)
    verdict = verify_faces(first, second, faces=faces, device=device)
    if as_json:
        print(json.dumps(verdict.row()))
    else:
        note = f"; {verdict.note}" if verdict.note else ""
        print(
            f"{verdict.answer}: distance {verdict.distance:.3f}, threshold {verdict.threshold:.3f},"
            f" probability {100 * verdict.probability:.0f} %{note}"
        )
    raise typer.Exit(CODES[verdict.answer])


def _choice(option: str, face: str):
    if face == "largest":
        return "largest"
    if not face.isdecimal() or int(face) < 1:
        raise UsageError(f"{option} is a number from 1 on, or largest, not {face!r}")
    return int(face)
