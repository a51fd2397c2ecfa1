"""Tables of ``mien evaluate sync``."""

from typing import Any

from mien.evaluate.tables.table import Table, interval, number

TITLE = "Lip-sync"


def tables(results: dict[str, Any]) -> list[Table]:
    """Tables of a result."""
    made = [_offsets(results)]
    return [*made, _clips(results["clips"])] if results["clips"] else made


def _offsets(results: dict[str, Any]) -> Table:
    rows = [
        [f"{way}, {place}", str(found["tries"]),
         f"{number(found['right_percent'])} ({interval(found['ci95'])})",
         number(found["exact_percent"]), number(found["mean_frames"])]
        for way, places in results["ways"].items()
        for place, found in places.items()
    ]  # fmt: skip
    pairs = results["belongs"]
    note = (
        f"Frames of 40 ms, moved by up to 10; right: within {results['allowed_frames']}. Own or "
        f"other sound by confidence: AUC {number(pairs['auc_percent'])} %, "
        f"{number(pairs['own'], 2)} and {number(pairs['other'], 2)} on average."
    )
    columns = ("voices of the world", "tries", "right, %", "exact, %", "mean error, frames")
    return Table("By how much lips and sound are off", columns, rows, note)


def _clips(found: dict[str, Any]) -> Table:
    rows = [
        [name, number(clip["seconds"]), str(clip["offset"]), number(clip["confidence"], 2)]
        for name, clip in found.items()
    ]
    note = "Nobody has measured by how much these are off; as they are published, 0 is likely."
    return Table("Real clips", ("", "seconds", "offset, frames", "confidence"), rows, note)
