"""Tables of ``mien.systems.bench_train``."""

from typing import Any

from mien.evaluate.tables.table import Table

TITLE = "Speed of training"


def tables(results: dict[str, Any]) -> list[Table]:
    """Tables of a result."""
    rows = [
        [
            name, f"{network['parameters'] / 1e6:.1f} M", f"{network['mien_processor']:.2f}",
            f"{network['official_processor']:.2f}", f"{network['mien_to_official']:.2f}",
            f"{network['mien_to_official_wall']:.2f}",
        ]
        for name, network in results["networks"].items()
    ]  # fmt: skip
    note = (
        f"Forward, loss and backward at the published size, {results['batch']} pictures, single "
        f"precision, one core; medians of {results['rounds']} rounds by turns. The ratio is how "
        "much faster mien is, by processor time; wall time depends on what else the machine does. "
        "Load of the machine before: "
        f"{results['load_before']:.1f}."
    )
    columns = ("network", "learned", "mien, s", "official, s", "ratio", "by wall time")
    return [Table("A training step beside the official code", columns, rows, note)]
