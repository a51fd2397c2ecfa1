"""``mien ask``: questions about the faces in photos and videos."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from mien.cli.map import examples
from mien.cli.options import Device, Licence, Run, Weights
from mien.errors import UsageError

EXAMPLES = examples(
    'mien ask photo.jpg "How does she look, and why?"',
    'mien ask interview.mp4 "When does person 2 smile the longest?" --every 2',
    'mien ask talk.mp4 "Where does he look between 3 and 8 s?" --json',
    "mien ask --batch questions.jsonl --out answers.jsonl",
)
FAILED = 1


def ask(
    file: Annotated[
        str | None,
        typer.Argument(metavar="FILE", help="A photo or a video.", show_default=False),
    ] = None,
    question: Annotated[
        str | None,
        typer.Argument(metavar="QUESTION", help="What to answer about it.", show_default=False),
    ] = None,
    batch: Annotated[
        Path | None,
        typer.Option(
            "--batch", metavar="FILE", dir_okay=False, help="JSON lines: file, question, id."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", dir_okay=False, help="JSON lines for the answers."),
    ] = None,
    every: Annotated[
        int, typer.Option("--every", metavar="N", min=1, help="Look at every N-th video frame.")
    ] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print answers as JSON.")] = False,
    system: Annotated[
        str | None,
        typer.Option(
            "--system", metavar="SLUG",
            help="Let this system answer instead; see `mien systems list`.",
        ),
    ] = None,
    weights: Weights = None,
    run: Run = None,
    device: Device = "cpu",
    licence: Licence = "any",
) -> None:  # fmt: skip
    """Answer questions about the faces in photos and videos from what is measured of them.

    Answers say how a face looks, with times, action units and confidence, never what somebody
    feels or thinks; what was not measured or is not sure is said to be so.
    """
    from mien.jobs.ask import run_ask, run_batch

    options: dict[str, Any] = {
        **{"every": every, "device": device, "system": system, "run": run, "weights": weights},
    }
    if batch is not None:
        if file is not None or question is not None:
            raise UsageError("--batch has files and questions of its own: name no others")
        if run_batch(batch, out, on_answer=_printer(as_json or out is None), **options):
            raise typer.Exit(FAILED)
        return
    if file is None or question is None:
        raise UsageError('name a file and a question: mien ask photo.jpg "How does she look?"')
    if out is not None:
        raise UsageError("--out is for the answers of --batch; --json prints one")
    answer = run_ask(file, question, say=None if as_json else _say, **options)
    print(json.dumps(answer.row()) if as_json else "")


def _say(piece: str) -> None:
    sys.stdout.write(piece)
    sys.stdout.flush()


def _printer(as_json: bool) -> Any:
    def show(row: dict[str, Any]) -> None:
        if as_json:
            print(json.dumps(row), flush=True)
        elif "error" not in row:
            print(f"{row['file']}: {row['answer']}", flush=True)

    return show
