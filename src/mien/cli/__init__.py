"""The command line. Each verb has its own file, which parses, calls and reports; no more."""

import os
import re
import select
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.main import get_command

from mien import __version__
from mien.cli import (
    analyze,
    animate,
    ask,
    bench,
    claim,
    cluster,
    convert,
    evaluate,
    export,
    guard,
    parity,
    provenance,
    reconstruct,
    reenact,
    report,
    systems,
    train,
    verify,
    weights,
    world,
)
from mien.cli.map import ABOUT, MEASURE, MODELS, MOVE, SEE, TRAIN, Map, examples
from mien.errors import MienError, UsageError

FAILED = 1  # some input could not be used
WRONG_USE = 2
INTERRUPTED = 130  # as shells report Ctrl-C
OUTPUT_CLOSED = 141  # as shells report a closed pipe
STDOUT = 1  # file descriptor

app = typer.Typer(
    cls=Map,
    help="mien: one open library for the human face.",
    epilog=examples(
        "mien analyze photo.jpg --out faces --annotate",
        "mien analyze --help",
    ),
    context_settings={"max_content_width": 100},
    rich_markup_mode=None,
    add_completion=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"mien {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    pass


app.command("analyze", rich_help_panel=SEE, epilog=analyze.EXAMPLES)(analyze.analyze)
app.command("reconstruct", rich_help_panel=SEE, epilog=reconstruct.EXAMPLES)(
    reconstruct.reconstruct
)
app.command("verify", rich_help_panel=SEE, epilog=verify.EXAMPLES)(verify.verify)
app.command("guard", rich_help_panel=SEE, epilog=guard.EXAMPLES)(guard.guard)
app.command("ask", rich_help_panel=SEE, epilog=ask.EXAMPLES)(ask.ask)
app.command("cluster", rich_help_panel=SEE, epilog=cluster.EXAMPLES)(cluster.cluster)
app.command("convert", rich_help_panel=SEE, epilog=convert.EXAMPLES)(convert.convert)
app.command("report", rich_help_panel=SEE, epilog=report.EXAMPLES)(report.report)
app.command("animate", rich_help_panel=MOVE, epilog=animate.EXAMPLES)(animate.animate)
app.command("reenact", rich_help_panel=MOVE, epilog=reenact.EXAMPLES)(reenact.reenact)
app.add_typer(world.app, name="world", rich_help_panel=TRAIN)
app.add_typer(evaluate.app, name="evaluate", rich_help_panel=MEASURE)
app.add_typer(bench.app, name="bench", rich_help_panel=MEASURE)
app.command("provenance", rich_help_panel=SEE, epilog=provenance.EXAMPLES)(provenance.provenance)
app.command("parity", rich_help_panel=MEASURE, epilog=parity.EXAMPLES)(parity.parity)
app.command("claim", rich_help_panel=MEASURE, epilog=claim.EXAMPLES)(claim.claim)
app.command("train", rich_help_panel=TRAIN, epilog=train.EXAMPLES)(train.train)
app.command("export", rich_help_panel=TRAIN, epilog=export.EXAMPLES)(export.export)
app.add_typer(weights.app, name="weights", rich_help_panel=MODELS)
app.add_typer(systems.app, name="systems", rich_help_panel=MODELS)


@app.command(rich_help_panel=ABOUT, epilog=examples("mien version"))
def version() -> None:
    """Show the version of mien."""
    _print_version(True)


def main(args: Sequence[str] | None = None) -> int:
    """Runs one command line (default: that of the process) and returns its exit code.

    0: done; 1: some input failed; 2: wrong use; 130: Ctrl-C; 141: whoever read the output has
    closed it. An error is one line on standard error; with MIEN_DEBUG=1 its traceback comes first.
    """
    try:
        return _run(sys.argv[1:] if args is None else list(args))
    except KeyboardInterrupt:
        _say("interrupted")
        return INTERRUPTED
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _reader_is_gone():
            return OUTPUT_CLOSED
        if os.environ.get("MIEN_DEBUG", "0") not in ("", "0"):
            traceback.print_exc()
        _say(_message(error))
        return _exit_code(error)
    finally:
        _settle_output()


def _run(args: list[str]) -> int:
    command = get_command(app)
    try:
        with command.make_context("mien", args) as context:
            command.invoke(context)
        code = 0
    except typer.Exit as done:
        code = done.exit_code
    print(end="", flush=True)  # here, where a full disk or a closed pipe is still reported
    return code


def _reader_is_gone() -> bool:
    """Whether it is our standard output that broke, and not some other pipe."""
    output = select.poll()
    output.register(STDOUT, 0)
    return any(events & (select.POLLERR | select.POLLHUP) for _, events in output.poll(0))


def _settle_output() -> None:
    """Drops output that cannot be written, which Python would try, and lament, again at exit."""
    try:
        print(end="", flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), STDOUT)


def _message(error: Exception) -> str:
    """What went wrong, in words for the user."""
    if isinstance(error, typer.TyperException):
        context = getattr(error, "ctx", None)
        hint = f" (see `{context.command_path} --help`)" if context else ""
        return f"{error.format_message()}{hint}"
    if isinstance(error, MienError):
        return str(error)
    if isinstance(error, ModuleNotFoundError) and not (error.name or "mien").startswith("mien"):
        extra = "torch" if error.name in ("torch", "onnx") else "all"
        return f"this needs {error.name}: install it with `pip install 'mien[{extra}]'`"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return f"unexpected {type(error).__name__}: {error} (MIEN_DEBUG=1 shows where)"


def _exit_code(error: Exception) -> int:
    if isinstance(error, typer.TyperException):
        return error.exit_code
    return WRONG_USE if isinstance(error, UsageError) else FAILED


def _say(message: str) -> None:
    """One line on standard error; control characters in it (from file names) are spelled out."""
    line = re.sub(r"\s*\n\s*", " ", message.strip())
    line = re.sub(r"[\x00-\x1f\x7f-\x9f]", lambda match: f"\\x{ord(match[0]):02x}", line)
    print(f"mien: {line}", file=sys.stderr)
