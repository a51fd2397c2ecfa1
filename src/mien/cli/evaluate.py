"""``mien evaluate``: accuracy under a locked protocol."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli.map import Map, examples
from mien.cli.options import Data, Limit, Result, Run, Weights

if TYPE_CHECKING:
    import numpy as np

LANDMARKS = "mien evaluate landmarks --out landmarks.json"
DETECTION = "mien evaluate detection --out detection.json"
BASE = "mien evaluate base --run runs/base --out base.json"
HEADS = "mien evaluate heads --out heads.json"
REFINEMENT = "mien evaluate refinement --out refinement.json"
REALISM = "mien evaluate realism --out realism.json"
VERIFICATION = "mien evaluate verification --out verification.json"

Peers = Annotated[
    bool, typer.Option("--peers/--no-peers", help="Also use the other tools, in --peers-env.")
]
PeersEnv = Annotated[
    Path | None,
    typer.Option(
        "--peers-env",
        metavar="DIR",
        file_okay=False,
        help="Virtual environment of the other tools; made where it is not there."
        "  [default: peers-env in mien's cache]",
    ),
]

app = typer.Typer(
    cls=Map,
    help="Measure accuracy on labelled data.",
    epilog=examples(LANDMARKS, DETECTION, BASE, HEADS, REFINEMENT, REALISM),
    rich_markup_mode=None,
)


@app.command(
    epilog=examples(
        LANDMARKS,
        "mien evaluate landmarks --data labelled/ --limit 20",
        "mien evaluate landmarks --no-peers",
    )
)
def landmarks(
    data: Data,
    peers: Peers = True,
    peers_env: PeersEnv = None,
    out: Result = None,
    limit: Limit = None,
) -> None:
    """Error of the 478 landmarks, in parts of the inter-ocular distance.

    On portraits with labels, and on clips that MediaPipe labels, one of the other tools.
    """
    from mien.evaluate.landmarks import main

    main(data=data, out=out, limit=limit, with_peers=peers, peers_env=peers_env)


@app.command(epilog=examples(DETECTION, "mien evaluate detection --data labelled/ --limit 20"))
def detection(data: Data, out: Result = None, limit: Limit = None) -> None:
    """Faces found and missed on photos, false faces on backgrounds."""
    from mien.evaluate.detection import main

    main(data=data, out=out, limit=limit)


@app.command(epilog=examples(BASE, "mien evaluate base --run runs/base --limit 50 --no-peers"))
def base(
    data: Data,
    run: Run = None,
    weights: Weights = None,
    people: Annotated[
        Path | None,
        typer.Option(
            "--people", metavar="DIR", exists=True, file_okay=False,
            help="Folder of mien world people: measures by group, too.",
        ),
    ] = None,
    peers: Peers = True,
    peers_env: PeersEnv = None,
    out: Result = None,
    limit: Limit = None,
) -> None:  # fmt: skip
    """All that mien-base says of a face: on the world, on portraits, and on clips (torch)."""
    import torch

    from mien.evaluate.base import main
    from mien.systems import trained

    system: Any = trained.find("mien-base", run, weights)

    def predict(crops: "np.ndarray") -> "dict[str, np.ndarray]":
        told = system.predict(torch.from_numpy(crops))
        return {name: value.numpy() for name, value in told.items()}

    main(
        predict, system.config.size, data, out, limit, people=people, with_peers=peers,
        peers_env=peers_env,
        about={"weights": weights or (run.name if run else "recorded"),
               "parameters": sum(p.numel() for p in system.network.parameters())},
    )  # fmt: skip


@app.command(epilog=examples(HEADS, "mien evaluate heads --data labelled/ --limit 20"))
def heads(data: Data, out: Result = None, limit: Limit = None) -> None:
    """Heads fitted to landmarks: against known heads, on photos and on clips, and how fast."""
    from mien.evaluate.heads import main

    main(data=data, out=out, limit=limit)


@app.command(epilog=examples(REFINEMENT, "mien evaluate refinement --limit 5"))
def refinement(data: Data, out: Result = None, limit: Limit = None) -> None:
    """What photometric refinement adds to a fit: against known heads, and on portraits (torch)."""
    from mien.evaluate.refinement import main

    main(data=data, out=out, limit=limit)


@app.command(
    epilog=examples(
        REALISM,
        "mien evaluate realism --case matched --step 'softer hair' --out realism.json",
        "mien evaluate realism --limit 20 --pictures looks/",
    )
)
def realism(
    data: Data,
    case: Annotated[
        list[str] | None,
        typer.Option("--case", metavar="NAME", help="Measure only this; may be given repeatedly."),
    ] = None,
    step: Annotated[
        str | None,
        typer.Option("--step", metavar="TEXT", help="What changed; adds a row to those in --out."),
    ] = None,
    pictures: Annotated[
        Path | None,
        typer.Option("--pictures", metavar="DIR", file_okay=False, help="Show what gives it away."),
    ] = None,
    people: Annotated[
        Path | None,
        typer.Option(
            "--people", metavar="DIR", exists=True, file_okay=False,
            help="Folder of mien world people: measures people made of portraits, too.",
        ),
    ] = None,
    out: Result = None,
    limit: Limit = None,
) -> None:  # fmt: skip
    """How far the world's pictures are from held-back portraits: FID, KID, and a judge (torch)."""
    from mien.evaluate.realism import main

    main(
        data=data, out=out, limit=limit, cases=tuple(case or ()), step=step, pictures=pictures,
        people=people,
    )  # fmt: skip


@app.command(epilog=examples(VERIFICATION, "mien evaluate verification --no-peers"))
def verification(
    data: Data,
    people: Annotated[
        Path | None,
        typer.Option(
            "--people",
            metavar="DIR",
            exists=True,
            file_okay=False,
            help="A folder of photos for each of several people: measures different photos, too.",
        ),
    ] = None,
    peers: Peers = True,
    peers_env: PeersEnv = None,
    out: Result = None,
    limit: Limit = None,
) -> None:
    """Whether two faces are of one person: mien's embedding beside dlib's, on the same pairs."""
    from mien.evaluate.verification import main

    main(data, out, limit, people, peers, peers_env)
