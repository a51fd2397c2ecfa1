"""Tables of ``mien evaluate verification``."""

from typing import Any

from mien.evaluate.tables.table import Table, interval, number

TITLE = "Verification"
METRICS = ("eer", "auc", "tar at far 0.01", "tar at far 0.001")


def tables(results: dict[str, Any]) -> list[Table]:
    """Tables of a result."""
    return [_errors(results), _decisions(results["decisions"]), _groups(results["groups"])]


def _errors(results: dict[str, Any]) -> Table:
    rows = []
    for name, found in results["sets"].items():
        counts = f"{found['pairs']['same']} / {found['pairs']['different']}"
        for who in ("mien", "dlib"):
            if who in found:
                values = [_value(found[who].get(metric)) for metric in METRICS]
                rows.append([f"{name}: {who}", counts, *values])
    note = "Percent, with 95 % intervals over people. dlib sees the same aligned crops."
    columns = ("pairs of one person", "same / different", "EER", "AUC", "TAR at FAR 1e-2",
               "TAR at FAR 1e-3")  # fmt: skip
    return Table("Same person or not", columns, rows, note)


def _value(found: dict[str, Any] | None) -> str:
    if found is None:
        return "-"
    return f"{number(found['percent'])} ({interval(found['ci95'])})"


def _decisions(found: dict[str, Any]) -> Table:
    rows = [
        [part, number(found[part]["false_accept_percent"]),
         number(found[part]["false_reject_percent"]), number(found[part]["calibration_error"], 3)]
        for part in ("validation", "test") if part in found
    ]  # fmt: skip
    note = f"At the bundled threshold, {found['threshold']:.3f}, chosen on validation."
    columns = ("", "false accepts, %", "false rejects, %", "calibration error")
    return Table("Decisions", columns, rows, note)


def _groups(found: dict[str, Any]) -> Table:
    rows = [
        [name, str(group["people"]), number(group["false_accept_percent"])]
        for name, group in found.items()
    ]
    note = "Pairs within a group of the held-back portraits, at the same threshold."
    return Table("False accepts by group", ("", "people", "%"), rows, note)
