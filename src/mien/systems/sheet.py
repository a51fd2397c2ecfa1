"""What ``mien systems`` says of each system: licences, sizes, what its claim showed.

``python -m mien.systems.sheet`` writes it to ``sheet.json``, from the systems' cards and configs
and from ``docs/claims``: listing systems then needs neither torch nor the checkout.
"""

import json
from pathlib import Path
from typing import Any

import torch

from mien.media.files import atomic
from mien.systems import SHEET, available, load

CLAIMS = Path(__file__).parents[3] / "docs" / "claims"


def main() -> None:
    """Write the sheet."""
    sheet = {slug: described(slug) for slug in available()}
    with atomic(SHEET) as path:
        path.write_text(json.dumps(sheet, indent=2) + "\n", "utf-8")


def described(slug: str) -> dict[str, Any]:
    """The sheet's entry of a system; sizes are numbers of parameters."""
    system = load(slug)
    return {
        "group": system.__module__.split(".")[-2],
        "code_licence": system.CARD.code_licence,
        "weights_licence": system.CARD.weights_licence,
        "parameters": {preset: parameters(slug, preset) for preset in ("paper", "tiny")},
        "claim": claimed(slug),
    }


def parameters(slug: str, preset: str) -> int:
    """How many there are, counted without their values."""
    with torch.device("meta"):
        return sum(value.numel() for value in load(slug).build(preset).parameters())


def claimed(slug: str) -> str:
    """What came of the system's claim; "" where it has none."""
    file = CLAIMS / f"{slug}.json"
    if not file.exists():
        return ""
    results = json.loads(file.read_text("utf-8"))["results"]
    if results["held"]:
        return "held"
    verdicts = [one["verdict"] for one in results["comparisons"]]
    return f"{verdicts.count('held')} of {len(verdicts)} held"


if __name__ == "__main__":
    main()
