"""``mien bench``: speed, beside the peers."""

from pathlib import Path
from typing import Annotated

import typer

from mien.cli.evaluate import Peers, PeersEnv
from mien.cli.map import Map, examples
from mien.cli.options import Result

CLIP = "mien bench analyze --clip talk.mp4 --out speed.json"
PLAIN = "mien bench analyze"

app = typer.Typer(
    cls=Map,
    help="Measure speed, side by side with other tools.",
    epilog=examples(PLAIN, CLIP),
    rich_markup_mode=None,
)


@app.callback()
def _group() -> None:
    """Makes typer keep the one verb below as a verb of its own."""


@app.command(epilog=examples(PLAIN, CLIP, "mien bench analyze --no-peers"))
def analyze(
    clip: Annotated[
        Path | None,
        typer.Option(
            "--clip",
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="Video to run on.  [default: one of the labelled data]",
        ),
    ] = None,
    peers: Peers = True,
    peers_env: PeersEnv = None,
    out: Result = None,
) -> None:
    """Frames per second of `mien analyze` on one clip."""
    from mien.evaluate.bench import analyze as bench_analyze

    bench_analyze(clip=clip, peers=peers, out=out, peers_env=peers_env)
