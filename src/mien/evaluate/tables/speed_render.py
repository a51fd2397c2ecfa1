"""Tables of ``mien bench render``."""

from typing import Any

from mien.evaluate.tables.table import Table

TITLE = "Speed of drawing"


def tables(results: dict[str, Any]) -> list[Table]:
    """Tables of a result."""
    portrait, world = results["portrait"], results["world"]
    rows = [
        [f"portrait, {portrait['size']} pixels, frames", *_speeds(portrait)],
        [f"world, {world['size']} pixels, samples with all truth", *_speeds(world)],
    ]
    note = (
        f"Medians of {results['repeats']} runs by turns. A process of the world took "
        f"{world['peak_mb_per_process']:.0f} MB at most. Load of the machine before: "
        f"{results['load_before']:.1f}."
    )
    columns = ("per second", "one core", f"{results['cores']} cores")
    return [Table("Moving portraits and the world", columns, rows, note)]


def _speeds(speeds: dict[str, float]) -> list[str]:
    return [f"{speeds[way]:.1f}" for way in ("one", "all")]
