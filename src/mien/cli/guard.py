"""``mien guard``: was this face manipulated?"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mien.cli.map import examples
from mien.cli.options import Device, Licence, Run, Weights

if TYPE_CHECKING:
    from mien.jobs.guard import Verdict

EXAMPLES = examples(
    "mien guard photo.jpg",
    "mien guard clips/ --out checked --annotate",
    "mien guard interview.mp4 --every 5 --json",
    "mien guard photo.jpg --system clip-deepfake --weights model.ckpt",
)
FAILED = 1
CODES = {"no sign": 0, "forged": 3, "unsure": 4}


def guard(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE",
            help="Photos, videos, folders, globs, or - for a list on standard input.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", file_okay=False, help="Folder for the results."),
    ] = None,
    format: Annotated[
        Literal["parquet", "csv", "jsonl"],
        typer.Option("--format", help="Format of the table of faces."),
    ] = "jsonl",
    annotate: Annotated[
        bool,
        typer.Option("--annotate", help="Also write each input with what speaks for it in red."),
    ] = False,
    every: Annotated[
        int, typer.Option("--every", metavar="N", min=1, help="Look at every N-th video frame.")
    ] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print verdicts as JSON.")] = False,
    system: Annotated[
        str | None,
        typer.Option(
            "--system", metavar="SLUG",
            help="Ask this detector instead; see `mien systems list`.",
        ),
    ] = None,
    weights: Weights = None,
    run: Run = None,
    device: Device = "cpu",
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
    licence: Licence = "any",
) -> None:  # fmt: skip
    """Look for signs that the faces in photos and videos were manipulated.

    It finds manipulations of the kinds that it was trained on, and few others: "no sign" does not
    mean real, and "forged" is no proof. The exit code is 0 for no sign in any file, 3 where one
    looks forged, 4 where one is unsure, 1 where one cannot be read.
    """
    from mien.find.guard import LIMITS
    from mien.jobs.guard import run_guard

    answers: set[str] = set()

    def say(verdict: "Verdict") -> None:
        answers.add(verdict.answer)
        print(json.dumps(verdict.row()) if as_json else _line(verdict))

    failed = run_guard(
        inputs, out, format=format, annotate=annotate, every=every, device=device, system=system,
        run=run, weights=weights, quiet=quiet, on_verdict=say,
    )  # fmt: skip
    if not as_json and not quiet:
        print(LIMITS)
    if failed:
        raise typer.Exit(FAILED)
    raise typer.Exit(next((CODES[a] for a in ("forged", "unsure") if a in answers), 0))


def _line(verdict: "Verdict") -> str:
    parts = [f"{verdict.source}: {verdict.answer}"]
    if verdict.probability is not None:
        parts.append(f"probability {100 * verdict.probability:.0f} %")
    if verdict.track is not None:
        parts.append(f"track {verdict.track}")
    if verdict.compression:
        known = "" if verdict.reliability is None else f", AUC {verdict.reliability:.2f} then"
        parts.append(f"{verdict.compression} compression{known}")
    if verdict.note:
        parts.append(verdict.note)
    return "; ".join(parts)
