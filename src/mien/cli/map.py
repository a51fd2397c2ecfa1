"""Help in plain text: verbs grouped by what they are for, and examples under each."""

from typing import Any

import typer
from typer.core import TyperGroup

SEE, MOVE, MEASURE = "See a face", "Move a face", "Measure"
TRAIN, MODELS, ABOUT = "Train", "Models", "About"
PANELS = (SEE, MOVE, MEASURE, TRAIN, MODELS, ABOUT)
OTHERS = "Verbs"
WHOLE = 1000  # characters of a verb's first sentence that are shown: all


def examples(*lines: str) -> str:
    """The epilog of a verb: its examples, one command to a line."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


class Map(TyperGroup):
    """A group of verbs whose help is a map of them, panel by panel, before the options.

    Typer draws panels with rich only, whose import would cost most of the 0.3 s that help may take.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args:
            typer.echo(ctx.get_help(), err=True)
            raise typer.Exit(2)
        return super().parse_args(ctx, args)

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        super().format_help_text(ctx, formatter)
        for panel in (*PANELS, OTHERS):
            verbs = [(n, verb) for n, verb in self.commands.items() if _panel(verb) == panel]
            if verbs:
                with formatter.section(panel):
                    formatter.write_dl([(n, verb.get_short_help_str(WHOLE)) for n, verb in verbs])

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Shown by ``format_help_text`` already."""


def _panel(verb: Any) -> str:
    return verb.rich_help_panel if verb.rich_help_panel in PANELS else OTHERS
