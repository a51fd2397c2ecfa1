"""``mien systems``: which systems there are."""

from typing import Annotated

import typer

from mien.cli.map import Map, examples
from mien.cli.table import print_pairs, print_table
from mien.errors import UsageError

app = typer.Typer(
    cls=Map,
    help="List and show the systems that can be trained and run.",
    epilog=examples("mien systems list", "mien systems show mien-detector"),
    rich_markup_mode=None,
)


@app.command("list", epilog=examples("mien systems list"))
def list_systems() -> None:
    """All systems, with licences, sizes, what is bundled, and what their claims showed.

    Licences are those of the published code and weights; mien's own code is Apache-2.0. Sizes are
    parameters of the published and of the tiny network. A claim: how many of its comparisons held.
    """
    from mien.systems import available, facts

    head = ("system", "group", "task", "their code", "their weights", "paper", "tiny", "bundled",
            "claim")  # fmt: skip
    rows = [
        (slug, *(_facts(slug, entry.task) if slug in facts() else ("-", entry.task, *"------")))
        for slug, entry in available().items()
    ]
    print_table(head, rows)


def _facts(slug: str, task: str) -> tuple[str, ...]:
    from mien.systems import facts

    found = facts()[slug]
    sizes = found["parameters"]
    return (
        found["group"], task, *(_licence(found[f"{of}_licence"]) for of in ("code", "weights")),
        *(_size(sizes[preset]) for preset in ("paper", "tiny")),
        " ".join(_bundled(slug)) or "-", found["claim"] or "-",
    )  # fmt: skip


def _bundled(slug: str) -> list[str]:
    """The weights that come with mien, those of torch and ONNX under one name."""
    return sorted({name.removesuffix("-torch") for name, bundled in _weights(slug) if bundled})


def _licence(text: str) -> str:
    """Its name, without what is said about it."""
    return text.partition(" (")[0].partition(",")[0].partition(";")[0]


def _size(parameters: int) -> str:
    millions = parameters / 1e6
    return f"{millions:.0f}M" if millions >= 10 else f"{millions:.2f}M"


def _weights(slug: str) -> list[tuple[str, bool]]:
    """The recorded weights of a system, and which of them come with mien."""
    from mien.hub import records

    return [(record.name, record.bundled) for record in records().values() if record.system == slug]


@app.command(epilog=examples("mien systems show mien-detector"))
def show(
    slug: Annotated[
        str,
        typer.Argument(
            metavar="SLUG", help="The system; `mien systems list` shows them.", show_default=False
        ),
    ],
) -> None:
    """One system: its task, its code, its licences, its weights."""
    from mien.systems import available, facts

    entry = available().get(slug)
    if entry is None:
        raise UsageError(f"no system is named {slug!r}; `mien systems list` shows them all")
    more = {}
    if found := facts().get(slug):
        sizes = found["parameters"]
        more = {
            "group": found["group"],
            "code licence": found["code_licence"],
            "weights licence": found["weights_licence"],
            "parameters": f"{sizes['paper']:,} (tiny: {sizes['tiny']:,})",
            "claim": found["claim"] or "-",
        }
    weights = [f"{name} (bundled)" if bundled else name for name, bundled in _weights(slug)]
    print_pairs(
        {
            "system": slug,
            "title": entry.title,
            "task": entry.task,
            **more,
            "module": entry.module,
            "weights": ", ".join(weights) or "-",
        }
    )
