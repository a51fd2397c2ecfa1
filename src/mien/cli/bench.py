"""``mien bench``: speed, beside the peers."""

from pathlib import Path
from typing import Annotated

import typer

from mien.cli.evaluate import Peers, PeersEnv
from mien.cli.map import Map, examples
from mien.cli.options import Result

CLIP = "mien bench analyze --clip talk.mp4 --out speed.json"
PLAIN = "mien bench analyze"
RASTER = "mien bench raster --out raster.json"
RENDER = "mien bench render --out render.json"
ANIMATE = "mien bench animate --out animate.json"
WORLD = "mien bench world --out world.json"

app = typer.Typer(
    cls=Map,
    help="Measure speed, side by side with other tools.",
    epilog=examples(PLAIN, CLIP, RASTER, RENDER, ANIMATE, WORLD),
    rich_markup_mode=None,
)


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


@app.command(epilog=examples(RASTER, "mien bench raster --no-peers"))
def raster(
    peers: Peers = True,
    peers_env: Annotated[
        Path | None,
        typer.Option(
            "--peers-env",
            metavar="DIR",
            file_okay=False,
            help="Virtual environment of the other renderers; made where it is not there."
            "  [default: peers-raster-env in mien's cache]",
        ),
    ] = None,
    out: Result = None,
) -> None:
    """Frames per second of the rasteriser on a sphere and a head of 20 000 triangles."""
    from mien.evaluate.bench_raster import raster as bench_raster

    bench_raster(peers=peers, out=out, peers_env=peers_env)


@app.command(epilog=examples(RENDER, "mien bench render"))
def render(out: Result = None) -> None:
    """Frames per second of a moving portrait, samples per second of the world."""
    from mien.evaluate.bench_render import render as bench_render

    bench_render(out)


@app.command(epilog=examples(ANIMATE, "mien bench animate"))
def animate(out: Result = None) -> None:
    """Frames per second of a photo that speaks, stage by stage, and memory in its length."""
    from mien.evaluate.bench_animate import animate as bench_animate

    bench_animate(out)


@app.command(epilog=examples(WORLD, "mien bench world"))
def world(out: Result = None) -> None:
    """Samples per second of the face world, and where their time goes."""
    from mien.evaluate.bench_world import measure

    measure(out)
