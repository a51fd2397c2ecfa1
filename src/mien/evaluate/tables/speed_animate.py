"""Tables of ``mien bench animate``."""

from typing import Any

from mien.evaluate.tables.table import Table

TITLE = "Speed of a photo that speaks"


def tables(results: dict[str, Any]) -> list[Table]:
    """Tables of a result."""
    return [_whole(results), _stages(results)]


def _whole(results: dict[str, Any]) -> Table:
    whole, fps = results["whole"], results["fps"]
    rate, memory = whole["frames_per_second"], results["peak_mb"]
    rows = [
        ["frames per second", f"{rate:.1f}"],
        [f"times as fast as {fps} frames a second", f"{rate / fps:.2f}"],
        ["frames per second of a core's time", f"{whole['frames_per_cpu_second']:.1f}"],
        ["seconds until two seconds of video are written", f"{whole['first_seconds']:.1f}"],
        *([f"MB at most, {minutes} min of sound, {results['small']} pixels", f"{peak:.0f}"]
          for minutes, peak in memory.items()),
    ]  # fmt: skip
    note = (
        f"The command `mien animate`, {results['size']} x {results['size']} pixels, "
        f"{results['cores']} cores, {results['seconds']} s of sound, medians of "
        f"{results['repeats']} runs. Load of the machine before: {results['load_before']:.1f}."
    )
    return Table("mien animate with a voice", ("what", ""), rows, note)


def _stages(results: dict[str, Any]) -> Table:
    rows = [[stage, f"{ms:.0f}", ""] for stage, ms in results["once_ms"].items()]
    each = results["ms_per_frame"]
    rows += [[stage, "", f"{ms:.2f}"] for stage, ms in each.items()]
    rows.append(["all of a frame", "", f"{sum(each.values()):.2f}"])
    note = (
        "Processor time, one stage after the other in one process; the command encodes one frame "
        "while it draws the next."
    )
    return Table("Where time goes", ("stage", "ms, once", "ms per frame"), rows, note)
