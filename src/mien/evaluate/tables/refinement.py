"""Tables of ``mien evaluate refinement``."""

from typing import Any

from mien.evaluate.tables.table import Table

TITLE = "Refinement"


def tables(results: dict[str, Any]) -> list[Table]:
    """Tables of a result."""
    rows = [
        [f"{skin}, landmarks {noise}, {what}", *_changed(compared)]
        for skin, noises in results["known"].items()
        for noise, errors in noises.items()
        for what, compared in errors.items()
        if isinstance(compared, dict) and "before" in compared
    ]
    if "portraits" in results:
        rows += [
            [f"portraits, {what}", *_changed(compared)]
            for what, compared in results["portraits"].items()
            if isinstance(compared, dict)
        ]
    note = f"Medians over {results['heads']} known heads; better: the share that gets better."
    columns = ("", "before", "after", "mean change", "95 % interval", "better")
    return [Table("What refinement changes", columns, rows, note)]


def _changed(compared: dict[str, Any]) -> list[str]:
    numbers = [f"{compared[key]:.4g}" for key in ("before", "after", "change")]
    low, high = compared["change_ci95"]
    return [*numbers, f"{low:.3g} to {high:.3g}", f"{100 * compared['better']:.0f} %"]
