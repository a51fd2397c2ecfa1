"""Options that several verbs share."""

import os
from pathlib import Path
from typing import Annotated, Literal

import typer


def _set_licence_filter(licence: str) -> str:
    # The hub asks this variable wherever a weight is resolved, in child processes too.
    os.environ["MIEN_LICENCE"] = licence
    return licence


Licence = Annotated[
    Literal["any", "commercial"],
    typer.Option(
        "--licence",
        envvar="MIEN_LICENCE",
        callback=_set_licence_filter,
        help="Use weights under any licence, or only those that allow commercial use.",
    ),
]
Device = Annotated[
    str, typer.Option("--device", metavar="cpu|cuda|cuda:N", help="Where networks run.")
]
Data = Annotated[
    Path,
    typer.Option(
        "--data",
        metavar="DIR",
        default_factory=lambda: Path(os.environ.get("MIEN_SHARED") or "../shared") / "data",
        exists=True,
        file_okay=False,
        help="Folder of the labelled data.",
        show_default="$MIEN_SHARED/data",
    ),
]
Result = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", dir_okay=False, help="JSON file for the result."),
]
Limit = Annotated[
    int | None, typer.Option("--limit", metavar="N", min=1, help="Use the first N samples only.")
]
Credentials = Annotated[
    bool,
    typer.Option(
        "--credentials/--no-credentials",
        help="Sign what is generated as synthetic; `mien provenance` reads it.",
    ),
]
Run = Annotated[
    Path | None,
    typer.Option("--run", metavar="RUN", help="The system's weights: a folder of `mien train`."),
]
Weights = Annotated[
    str | None,
    typer.Option(
        "--weights",
        metavar="NAME|FILE",
        help="The system's weights.  [default: a recorded one that is here]",
    ),
]
