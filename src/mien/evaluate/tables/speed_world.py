"""Tables of ``mien bench world``."""

from typing import Any

from mien.evaluate.tables.table import Table

TITLE = "Speed of the world"
WORDS = {"plain": "image, landmarks, parsing, normals", "all": "all truth"}


def tables(results: dict[str, Any]) -> list[Table]:
    """Tables of a result."""
    return [_speeds(results), _stages(results)]


def _speeds(results: dict[str, Any]) -> Table:
    rows = [
        [
            f"{WORDS[speed['truth']]}; pictures of a person in a row: {speed['in_a_row']}",
            str(speed["processes"]),
            f"{speed['per_second']:.1f}",
            f"{speed['per_cpu_second']:.1f}",
            f"{speed['peak_mb_per_process']:.0f}",
        ]
        for speed in results["speeds"]
    ]
    note = (
        f"Pictures of {results['size']} x {results['size']}, medians of {results['repeats']} runs "
        f"of {results['samples']} samples by turns, a process to a core. Training draws eight "
        f"pictures of a person in a row. Load of the machine before: {results['load_before']:.1f}."
    )
    columns = ("samples", "processes", "per second", "per second of a core's time",
               "MB per process")  # fmt: skip
    return Table("Samples of the world", columns, rows, note)


def _stages(results: dict[str, Any]) -> Table:
    plain, whole = (results["stages_ms"][words] for words in ("plain", "all"))
    rows = [[stage, f"{plain[stage]:.1f}", f"{whole[stage]:.1f}"] for stage in whole]
    rows.append(["all of it", *(f"{sum(times.values()):.1f}" for times in (plain, whole))])
    note = (
        "Processor time in ms per sample, eight pictures of a person in a row; the profiler, which "
        "takes a part of it, included."
    )
    columns = ("stage", WORDS["plain"], WORDS["all"])
    return Table("Where time goes", columns, rows, note)
