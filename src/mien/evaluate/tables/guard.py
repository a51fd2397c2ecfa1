"""Tables of ``mien evaluate guard``."""

from typing import Any

from mien.evaluate.tables.table import Table, number

TITLE = "Forgeries"
LIMITS = (
    "Percent. It knows the manipulations that it was trained on: **on others it may be no better "
    "than chance**, and portraits are not photographs of real people."
)
SETS = {
    "portraits": "portraits of nobody, held back",
    "unseen": "the same, kinds never trained",
    "clips": "frames of real people's clips",
    "videos": "whole clips",
}


def tables(results: dict[str, Any]) -> list[Table]:
    """Tables of a result."""
    found = [_separation(results), _decisions(results), _photos(results["photos"])]
    found.append(_corruptions(results["corruptions"]))
    if results["left out"]:
        found.append(_left_out(results["left out"]))
    return found


def _separation(results: dict[str, Any]) -> Table:
    rows = [
        [f"{title}: {kind}", f"{one['real']} / {one['forged']}",
         f"{_percent(one['auc'])} ({_percent(one['ci95'][0])} to {_percent(one['ci95'][1])})",
         _percent(one["eer"]), _percent(one["ap"])]
        for name, title in SETS.items() for kind, one in results[name].items()
    ]  # fmt: skip
    columns = ("pictures", "real / forged", "AUC", "EER", "AP")
    return Table("Forged or not", columns, rows, f"{LIMITS} 95 % intervals over people.")


def _decisions(results: dict[str, Any]) -> Table:
    rows = [
        [f"{SETS[name]}: {truth}", *(number(found[truth][answer], 1) for answer in ANSWERS),
         number(found["calibration_error"], 3)]
        for name, found in results["decisions"].items() for truth in ("real", "forged")
    ]  # fmt: skip
    note = "Percent that get each answer. What is real and called forged is a false alarm."
    return Table("Answers", ("", *ANSWERS, "calibration error"), rows, note)


ANSWERS = ("forged", "unsure", "no sign")


def _photos(found: dict[str, list[dict[str, Any]]]) -> Table:
    rows = [
        [name, str(len(faces)), *(str(sum(f["answer"] == a for f in faces)) for a in ANSWERS),
         max((_percent(face["probability"]) for face in faces), key=float, default="-")]
        for name, faces in found.items()
    ]  # fmt: skip
    note = "Photographs and pictures that nobody here forged; small faces are always unsure."
    columns = ("file", "faces", *ANSWERS, "highest probability, %")
    return Table("Real photographs", columns, rows, note)


def _corruptions(found: dict[str, dict[str, float]]) -> Table:
    severities = list(next(iter(found.values())))
    rows = [[name, *(_percent(one[s]) for s in severities)] for name, one in found.items()]
    note = "AUC in percent on portraits, real and forged ones being spoiled alike."
    return Table("Corruptions", ("", *(f"severity {s}" for s in severities)), rows, note)


def _left_out(found: dict[str, dict[str, Any]]) -> Table:
    rows = [
        [family, *(_percent(one[name]["auc"]) for name in COLUMNS)] for family, one in found.items()
    ]
    note = "AUC in percent on a family, by the bundled detector and by one that never saw it."
    return Table("One family left out", ("family", *COLUMNS), rows, note)


COLUMNS = ("trained", "left out", "trained, other families", "left out, other families")


def _percent(share: float) -> str:
    return number(100 * share, 1)
