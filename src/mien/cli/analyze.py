"""``mien analyze``: find, track and measure faces."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from mien.cli.map import examples
from mien.cli.options import Device, Licence, Run, Weights
from mien.errors import MienError

EXAMPLES = examples(
    "mien analyze photo.jpg --out faces",
    "mien analyze holiday/ --out faces --format parquet --annotate",
    "mien analyze 'clips/*.mp4' --out faces --annotate --max-faces 1 --every 2",
    "mien analyze 0 --out faces --annotate",
    "mien analyze talk.mp4 --out faces --outputs expression,action_units,gaze",
    "mien analyze clips/ --out faces --columns openface",
    "mien analyze photo.jpg --out faces --annotate --system facexformer --weights model.pt",
    "find . -name '*.jpg' | mien analyze - --out faces",
)


def analyze(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT",
            help="Photos, videos, folders, globs, a webcam index, or - for a list on standard"
            " input.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option("--out", metavar="DIR", file_okay=False, help="Folder for the results."),
    ],
    format: Annotated[
        Literal["parquet", "csv", "jsonl"],
        typer.Option("--format", help="Format of the table of faces."),
    ] = "jsonl",
    outputs: Annotated[
        str | None,
        typer.Option(
            "--outputs",
            metavar="NAMES",
            help="What to read in faces, with commas between; none for nothing: expression,"
            " action_units, emotion, affect, gaze, traits, quality, visible, parsing, embedding."
            "  [default: the first seven]",
        ),
    ] = None,
    attributes: Annotated[
        bool,
        typer.Option(
            "--attributes",
            help="Also read apparent age, gender and group: how a face looks to others, no facts.",
        ),
    ] = False,
    aligned: Annotated[
        bool,
        typer.Option("--aligned", help="Inputs are crops of one upright face: do not search them."),
    ] = False,
    columns: Annotated[
        Literal["mien", "openface"],
        typer.Option(
            "--columns",
            help="Whose names the table has; openface: DIR/openface/NAME.csv for each input.",
        ),
    ] = "mien",
    annotate: Annotated[
        bool, typer.Option("--annotate", help="Also write each input with its faces drawn in.")
    ] = False,
    figure: Annotated[
        bool,
        typer.Option("--figure/--no-figure", help="Draw pose and face count over each video."),
    ] = True,
    max_faces: Annotated[
        int | None,
        typer.Option(
            "--max-faces", metavar="N", min=1, help="Keep the N largest faces.  [default: all]"
        ),
    ] = None,
    every: Annotated[
        int, typer.Option("--every", metavar="N", min=1, help="Look at every N-th video frame.")
    ] = 1,
    smooth: Annotated[
        bool, typer.Option("--smooth/--no-smooth", help="Filter jitter on video.")
    ] = True,
    batch: Annotated[
        int,
        typer.Option(
            "--batch", metavar="N", min=1, help="Faces per network call; changes speed only."
        ),
    ] = 8,
    device: Device = "cpu",
    backend: Annotated[
        Literal["onnx", "torch"], typer.Option("--backend", help="What runs the networks.")
    ] = "onnx",
    system: Annotated[
        str | None,
        typer.Option(
            "--system",
            metavar="SLUG",
            help="Also ask this system about each face; see `mien systems list`.",
        ),
    ] = None,
    weights: Weights = None,
    run: Run = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
    licence: Licence = "any",
) -> None:
    """Find, track and measure faces in photos and videos.

    Writes DIR/faces.FORMAT, one row per face per frame: box, 478 landmarks, head pose, track, and
    what is read in the face; what is not known well enough is empty. DIR/events.FORMAT has the
    blinks and smiles of videos. DIR/sources.jsonl has one row per input, also where it has no face
    or could not be read. With --system, DIR/SLUG.FORMAT has a row per face with what the system
    says.
    """
    from mien.jobs.analyze import run_analyze

    failed = run_analyze(
        inputs,
        out,
        format=format,
        annotate=annotate,
        figure=figure,
        max_faces=max_faces,
        every=every,
        smooth=smooth,
        batch=batch,
        device=device,
        backend=backend,
        outputs=None if outputs is None else _split(outputs),
        attributes=attributes,
        aligned=aligned,
        columns=columns,
        system=system,
        weights=weights,
        run=run,
        quiet=quiet,
    )
    if failed:
        inputs_failed = "1 input" if failed == 1 else f"{failed} inputs"
        raise MienError(f"{inputs_failed} could not be used; see {out / 'sources.jsonl'}")


def _split(names: str) -> list[str]:
    """Names that have commas between them; none of them for ``none``."""
    return [] if names == "none" else [name.strip() for name in names.split(",")]
