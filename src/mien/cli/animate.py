"""``mien animate``: let the face of a photo move, or speak."""

import time
from pathlib import Path
from typing import Annotated

import typer

from mien.cli.map import examples
from mien.cli.options import Credentials, Device, Run, Weights
from mien.errors import UsageError

EXAMPLES = examples(
    "mien animate portrait.jpg --audio voice.wav --out speaking.mp4",
    "mien animate portrait.jpg --say 'Good morning!' --emotion happy:0.8 --out hello.mp4",
    "mien animate portrait.jpg --audio voice.wav --motion-out take.csv",
    "mien animate head.glb --audio voice.wav --out speaking.glb",
    "arecord -t raw -f S16_LE -r 16000 | mien animate portrait.jpg --audio - --out live.mp4",
    "mien animate portrait.jpg --motion take.csv --out moving.mp4",
    "mien animate family.jpg --face 2 --motion driving.mp4 --out moving.mp4 --strength 0.8",
)
OF_A_VOICE = {
    "voice": "--voice", "rate": "--rate", "stream": "--stream", "emotion": "--emotion",
    "style": "--style", "seed": "--seed", "driver": "--driver", "run": "--run",
    "weights": "--weights", "motion_out": "--motion-out",
}  # fmt: skip


def animate(
    context: typer.Context,
    portrait: Annotated[
        str,
        typer.Argument(
            metavar="PORTRAIT",
            help="A photo with a face, or a .glb with ARKit's morph targets.",
            show_default=False,
        ),
    ],
    audio: Annotated[
        str | None,
        typer.Option(
            "--audio", metavar="FILE|-", help="Voice: sound, a video, or - for raw samples."
        ),
    ] = None,
    say: Annotated[
        str | None,
        typer.Option("--say", metavar="TEXT", help="Voice: eSpeak NG says this (mien[speech])."),
    ] = None,
    motion: Annotated[
        str | None,
        typer.Option(
            "--motion",
            metavar="FILE",
            help="Instead of a voice: Live Link Face .csv, mien's .npz, or a video of a face.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Video to write: .mp4, ...; of a .glb a .glb."),
    ] = None,
    motion_out: Annotated[
        Path | None,
        typer.Option(
            "--motion-out",
            metavar="FILE",
            help="The motion as .csv (Live Link Face), .npz, or .glb (the head, animated).",
        ),
    ] = None,
    voice: Annotated[
        str,
        typer.Option("--voice", metavar="NAME", help="For --say: language[+variant], as en-gb+f2."),
    ] = "en-us",
    emotion: Annotated[
        str | None,
        typer.Option("--emotion", metavar="NAME[:X]", help="As happy:0.7.  [default: neutral]"),
    ] = None,
    style: Annotated[
        str, typer.Option("--style", metavar="NAME", help="neutral, calm or lively.")
    ] = "neutral",
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", min=0, help="Of blinks, glances and the head.")
    ] = 0,
    fps: Annotated[
        float | None,
        typer.Option(
            "--fps",
            metavar="X",
            help="Frame rate.  [default: 25; that of the motion]",
        ),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            "--size", metavar="N", help="N x N pixels about the head.  [default: the whole photo]"
        ),
    ] = None,
    face: Annotated[
        str | None,
        typer.Option(
            "--face",
            metavar="N|largest",
            help="Which face of several; 1 is the largest.  [default: the only one]",
        ),
    ] = None,
    strength: Annotated[
        float,
        typer.Option("--strength", metavar="X", min=0, max=3, help="Of --motion; 1 is as it is."),
    ] = 1.0,
    stream: Annotated[
        bool, typer.Option("--stream", help="Hear --audio as if live, and tell the latency.")
    ] = False,
    rate: Annotated[
        int, typer.Option("--rate", metavar="HZ", help="Of --audio -: 16-bit mono samples.")
    ] = 16_000,
    driver: Annotated[
        str, typer.Option("--driver", metavar="SYSTEM", help="What turns the voice into motion.")
    ] = "mien-animator",
    run: Run = None,
    weights: Weights = None,
    mark: Annotated[
        bool, typer.Option("--mark", help="Write 'synthetic' into the corner of the pictures.")
    ] = False,
    credentials: Credentials = True,
    device: Device = "cpu",
    quiet: Annotated[bool, typer.Option("--quiet", help="Print no summary.")] = False,
) -> None:
    """Let the face of a photo speak with a voice, or move as a recording or another face does.

    A voice moves the lips; blinks, glances and the head's motion are made with it. A motion counts
    from its own rest and is added to the photo's expression, gaze and pose; the head turns up to 20
    degrees. The sound of a voice or of a driving video is kept.
    """
    if sum(given is not None for given in (audio, say, motion)) != 1:
        raise UsageError("what moves the face? --audio FILE, --say TEXT or --motion FILE, one of "
                         "them")  # fmt: skip
    started = time.monotonic()
    number = _number(face)
    if motion is not None:
        _not_given(context, OF_A_VOICE, "--motion")
        from mien.jobs.animate import animate as run_animate

        if out is None:
            raise UsageError("nothing to write: say --out FILE")
        frames = run_animate(
            portrait, motion, out, face=number, strength=strength, fps=fps, size=size, mark=mark,
            credentials=credentials, device=device,
        )  # fmt: skip
        latency = None
    else:
        _not_given(context, {"strength": "--strength"}, "a voice")
        _not_given(context, {"voice": "--voice"} if say is None else {"stream": "--stream"},
                   "--audio" if say is None else "--say")  # fmt: skip
        from mien.jobs.animate_voice import Driver, manner_of, speak

        spoken = speak(
            portrait, out, audio=audio, text=say, voice=voice, rate=rate, stream=stream,
            manner=manner_of(emotion, style, seed), driver=Driver(driver, run, weights),
            fps=25.0 if fps is None else fps, face=number, size=size, motion_out=motion_out,
            credentials=credentials, mark=mark, device=device, progress=not quiet,
        )  # fmt: skip
        frames, latency = spoken.frames, spoken.latency
    if not quiet:
        written = ", ".join(str(path) for path in (out, motion_out) if path is not None)
        print(f"{frames} frames, {time.monotonic() - started:.1f} s: {written}")
        if latency is not None:
            print(f"latency from sound to picture: {1000 * latency[0]:.0f} ms, "
                  f"of 95 % of the frames at most {1000 * latency[1]:.0f} ms")  # fmt: skip


def _not_given(context: typer.Context, options: dict[str, str], beside: str) -> None:
    """UsageError for an option that means nothing beside another."""
    for name, option in options.items():
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise UsageError(f"{option} means nothing with {beside}")


def _number(face: str | None):
    if face is None or face == "largest":
        return face
    if not face.isdecimal() or int(face) < 1:
        raise UsageError(f"--face is a number from 1 on, or largest, not {face!r}")
    return int(face)
