"""Tables of ``mien evaluate realism``."""

from typing import Any

from mien.evaluate.tables.table import Table, interval, number

TITLE = "Realism of the world"
LAYERS = ("parts", "face")


def tables(results: dict[str, Any]) -> list[Table]:
    """Tables of a result."""
    made = [_distances(results), _told(results["cases"])]
    if "matched" in results["cases"]:
        made.append(_traits(results["cases"]["matched"]["traits"]))
    return [*made, _steps(results["steps"])] if results["steps"] else made


def _distances(results: dict[str, Any]) -> Table:
    rows = [_distance("training portraits (the floor)", results["floor"])]
    rows += [
        _distance(f"{name}, {found['held_back']}", found["distances"])
        for name, found in results["cases"].items()
    ]
    note = (
        "Against held-back portraits, as many as drawn faces, which no change of the drawing was "
        "chosen on since they were set apart; 128 pixels. Features are those of "
        f"{results['network']}, scaled over portraits: parts are its 96 maps of 8 x 8, face its "
        "160 of 4 x 4. Not comparable with values over Inception. KID x 1000 with its 95 % "
        "interval. Lower is better."
    )
    columns = ("", *(f"{kind}, {name}" for name in LAYERS for kind in ("FID", "KID", "interval")))
    return Table("Distance from portraits", columns, rows, note)


def _distance(name: str, found: dict[str, Any]) -> list[str]:
    cells = [name]
    for layer in LAYERS:
        row = found[layer]
        low, high = row["kid_ci95"]
        cells += [number(row["fid"], 1), number(row["kid"], 0), f"{low:.0f} to {high:.0f}"]
    return cells


def _told(cases: dict[str, Any]) -> Table:
    rows = []
    for name, found in cases.items():
        rows.append(_view(f"{name}, whole, 3 seeds", found["judge"]["whole"]))
        rows += [_view(f"{name}, {view}", row) for view, row in found["judge"]["views"].items()]
    note = (
        "A small network learns to tell drawn faces from portraits, whole or by what it sees of "
        "them; on people held back, with a threshold chosen on others. 0.5 is where nothing can be "
        "told."
    )
    columns = ("", "AUC", "95 % interval", "accuracy", "95 % interval")
    return Table("Drawn or photographed", columns, rows, note)


def _view(name: str, row: dict[str, Any]) -> list[str]:
    cells = [name]
    for key in ("auc", "accuracy"):
        cells += [number(row[key][0], 3), interval(row[key][1:])]
    return cells


def _traits(traits: dict[str, dict[str, float]]) -> Table:
    rows = [[part, *(f"{gap:+.1f}" for gap in row.values())] for part, row in traits.items()]
    note = (
        "How far means of simple numbers are from those of portraits, in deviations of the "
        "portraits: lightness and colour (CIELAB), deviation of lightness, and its detail of "
        "about 8, 4 and 2 pixels."
    )
    return Table(
        "Light, colour and detail, matched", ("", *next(iter(traits.values()))), rows, note
    )


def _steps(steps: list[dict[str, Any]]) -> Table:
    names = [name for name in steps[0] if name not in ("step", "case")]
    rows = [
        [f"{row['step']} ({row['case']})", *(_step(row.get(name)) for name in names)]
        for row in steps
    ]
    note = (
        "After each change of the drawing, on portraits that changes are chosen on; 336 are all "
        "that are held back. KID x 1000; from auc on, the AUC of the judge by view."
    )
    return Table("Steps", ("", *(name.replace("_", " ") for name in names)), rows, note)


def _step(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}" if value > 20 else f"{value:.3f}"
