"""``mien evaluate``: accuracy under a locked protocol."""

import typer

from mien.cli.map import Map, examples
from mien.cli.options import Data, Limit, Result

LANDMARKS = "mien evaluate landmarks --out landmarks.json"
DETECTION = "mien evaluate detection --out detection.json"

app = typer.Typer(
    cls=Map,
    help="Measure accuracy on labelled data.",
    epilog=examples(LANDMARKS, DETECTION),
    rich_markup_mode=None,
)


@app.command(epilog=examples(LANDMARKS, "mien evaluate landmarks --data labelled/ --limit 20"))
def landmarks(data: Data, out: Result = None, limit: Limit = None) -> None:
    """Error of the 478 landmarks, in parts of the inter-ocular distance."""
    from mien.evaluate.landmarks import main

    main(data=data, out=out, limit=limit)


@app.command(epilog=examples(DETECTION, "mien evaluate detection --data labelled/ --limit 20"))
def detection(data: Data, out: Result = None, limit: Limit = None) -> None:
    """Faces found and missed on photos, false faces on backgrounds."""
    from mien.evaluate.detection import main

    main(data=data, out=out, limit=limit)
