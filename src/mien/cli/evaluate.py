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
ANIMATION = "mien evaluate animation --out animation.json"
GUARD = "mien evaluate guard --album forged/test --out guard.json"
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


@app.command(epilog=examples("mien evaluate system facexformer --weights facexformer-tiny"))
def system(
    slug: Annotated[str, typer.Argument(metavar="SLUG", help="The system.", show_default=False)],
    run: Run = None,
    weights: Weights = None,
    out: Result = None,
    limit: Limit = None,
) -> None:
    """What a system with weights reaches in the measures of its claim, on the world (torch)."""
    from mien.hub import store
    from mien.systems import trained
    from mien.systems.claims.measured import main

    found = trained.find(slug, run, weights)
    about = {"weights": weights or (run.name if run else "recorded")}
    main(found, store.home() / "claims" / "pictures", out, about, limit)


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


@app.command(epilog=examples(ANIMATION, "mien evaluate animation --limit 5"))
def animation(out: Result = None, limit: Limit = None) -> None:
    """How well a voice moves the mouth: on voices of the world that were not learned from."""
    from mien.evaluate.animation import main

    main(out, limit)


@app.command(epilog=examples(GUARD, "mien evaluate guard --album forged/test --limit 20"))
def guard(
    data: Data,
    album: Annotated[
        Path,
        typer.Option(
            "--album", metavar="DIR", exists=True, file_okay=False,
            help="Album of real and forged portraits that python -m mien.train.forged made.",
        ),
    ],
    unseen: Annotated[
        Path | None,
        typer.Option(
            "--unseen", metavar="DIR", exists=True, file_okay=False,
            help="Another one, of kinds of forgeries that were never trained.",
        ),
    ] = None,
    left_out: Annotated[
        list[str] | None,
        typer.Option(
            "--left-out", metavar="FAMILY=FILE",
            help="ONNX file of a detector that was trained without a family; may be repeated.",
        ),
    ] = None,
    out: Result = None,
    limit: Limit = None,
) -> None:  # fmt: skip
    """Forged or not: seen and unseen manipulations, real clips and photos, corruptions."""
    from mien.evaluate.guard import main

    pairs = [item.partition("=") for item in left_out or ()]
    main(data, album, out, limit, unseen, {family: Path(file) for family, _, file in pairs})


@app.command(epilog=examples("mien evaluate sync --out sync.json", "mien evaluate sync --limit 5"))
def sync(data: Data, out: Result = None, limit: Limit = None) -> None:
    """Whether mien-sync finds by how much lips and sound are off."""
    from mien.evaluate.lipsync import main

    main(data, out, limit)


@app.command(
    epilog=examples(
        "mien evaluate motion curves.npz --sound voice.wav",
        "mien evaluate motion curves.csv --truth recorded.csv --out motion.json",
        "mien evaluate motion curves.npz --sound voice.wav --transcript 'Big blue boats.'",
    )
)
def motion(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="MOTION", exists=True, dir_okay=False, show_default=False,
            help="Live Link Face .csv, or mien's .npz.",
        ),
    ],
    truth: Annotated[
        Path | None,
        typer.Option(
            "--truth", metavar="FILE", exists=True, dir_okay=False,
            help="The motion that it should be: as long, and as many frames a second.",
        ),
    ] = None,
    sound: Annotated[
        Path | None,
        typer.Option(
            "--sound", metavar="FILE", exists=True, dir_okay=False,
            help="What is said meanwhile, from the first frame on: a sound or a video.",
        ),
    ] = None,
    transcript: Annotated[
        str | None,
        typer.Option(
            "--transcript", metavar="TEXT", help="What is said: tells when the lips must meet."
        ),
    ] = None,
    language: Annotated[
        str, typer.Option("--language", metavar="CODE", help="Of the transcript.")
    ] = "en-us",
    out: Result = None,
) -> None:  # fmt: skip
    """How well a face moves: lips, upper face, closures, sync with the sound, beats, jitter."""
    from mien.evaluate.motion import main

    main(file, truth, sound, transcript, language, out)


@app.command(
    epilog=examples(
        "mien evaluate reenactment made.mp4 --driving talk.mp4 --portrait photo.jpg",
        "mien evaluate reenactment made.mp4 --driving talk.mp4 --portrait first.png --same",
    )
)
def reenactment(
    made: Annotated[
        Path,
        typer.Argument(
            metavar="VIDEO", exists=True, dir_okay=False, show_default=False,
            help="What was made, by any method.",
        ),
    ],
    driving: Annotated[
        Path,
        typer.Option(
            "--driving", metavar="VIDEO", exists=True, dir_okay=False, help="What drove it."
        ),
    ],
    portrait: Annotated[
        Path,
        typer.Option(
            "--portrait", metavar="PHOTO", exists=True, dir_okay=False, help="Who was to be shown."
        ),
    ],
    same: Annotated[
        bool, typer.Option("--same", help="The portrait is of the driving video: compare pixels.")
    ] = False,
    out: Result = None,
) -> None:  # fmt: skip
    """How well a person moves as the driver does, and stays who he is: CSIM, AED, APD, flicker."""
    from mien.evaluate.reenactment import main

    main(made, driving, portrait, same, out)
