"""What a system with weights reaches in the measures of its claim: ``mien evaluate system``.

The pictures are those that the claim's arms are compared on, of people whom no training of the
world's has seen, but as large as the system takes them, and cut as it is asked (``System.crop``).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mien.errors import UsageError
from mien.evaluate import report, statistics, tables
from mien.evaluate.claims import Items, Measure
from mien.systems.claims import load
from mien.systems.claims.album import Pictures, album
from mien.train.system import System

PROTOCOL = "system/1"
ROUNDS = 400  # of the bootstrap over people


def main(
    system: System, folder: Path, out: Path | None, about: Mapping[str, Any], limit: int | None
) -> None:
    """Measure, print, and write the result as JSON, beside what ``out`` says of other systems.

    folder: of pictures, which are drawn where they are missing. about: of the weights. limit: the
    first so many pictures only.

    Raises UsageError where the system's claim is not one of pictures.
    """
    slug = system.CARD.slug
    claim = load(slug)
    pictures = claim.pictures["test"]
    if not isinstance(pictures, Pictures):
        raise UsageError(f"the claim of {slug} is not of pictures")
    if limit is not None:
        pictures = pictures.scaled(limit / pictures.count)
    made = album(pictures, system.config.size, folder, system.crop)
    answers = claim.answers(system, {"test": made}, "test")
    entry = {
        **about,
        "parameters": system.parameter_count(),
        "side": system.config.size,
        "pictures": len(made),
        "fingerprint": made.fingerprint,
        "people": len(made.people()),
        "measures": {m.name: measured(m, answers[m.items]) for m in claim.measures},
    }
    others = tables.read(out)["results"] if out and out.exists() else {}
    report.finish(PROTOCOL, {}, {**others, slug: entry}, out)


def measured(measure: Measure, items: Items) -> dict[str, Any]:
    """A measure with its 95 % interval over people."""
    found = statistics.bootstrap_statistic(
        lambda rows: measure.value(items.drawn(rows)), np.arange(len(items.person)),
        clusters=items.person, rounds=ROUNDS,
    )  # fmt: skip
    return {
        "title": measure.title,
        "unit": measure.unit,
        "better": measure.better,
        "value": found.estimate,
        "ci95": [found.low, found.high],
    }
