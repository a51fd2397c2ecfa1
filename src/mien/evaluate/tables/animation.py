"""Tables of ``mien evaluate animation``."""

from typing import Any

from mien.evaluate.tables.table import Table, interval, number

TITLE = "Voice to face"
PLACES = {"clean": "as spoken", "room": "in a room, babble at 10 dB"}
WAYS = {"mien": "mien-animator", "energy": "level to jaw", "lookup": "visemes without blending",
        "regression": "ridge regression"}  # fmt: skip


def tables(results: dict[str, Any]) -> list[Table]:
    """Tables of a result."""
    return [_mouths(results), _lower(results), _languages(results), _running(results)]


def _mouths(results: dict[str, Any]) -> Table:
    rows = [
        [
            f"{PLACES[place]}: {WAYS[name]}", _measured(found["lip_error_mm2"]),
            _measured(found["lip_distance_mm"]), _measured(found["closure"]),
            number(found["false_closure"]["mean"], 3), number(found["velocity_mm"]["mean"]),
        ]
        for place, ways in results["places"].items()
        for name, found in ways.items()
    ]  # fmt: skip
    note = (
        f"{results['takes']} clips, {results['seconds']:.0f} s, of {len(results['voices'])} voices "
        "and of sentences that were not learned from, in six languages and eight emotions; 95 % "
        "intervals over clips. Lip vertex error: mean over frames of the largest squared error of "
        "a lip landmark. Closures: share of [p b m] that close the lips. The lookup is told the "
        "phonemes and their times."
    )
    columns = ("", "lip error, mm^2", "distance, mm", "closures", "false closures",
               "velocity, mm a frame")  # fmt: skip
    return Table("Mouths", columns, rows, note)


def _measured(found: dict[str, Any]) -> str:
    return f"{number(found['mean'])} ({interval(found['ci95'])})"


def _lower(results: dict[str, Any]) -> Table:
    rows = [
        [f"{PLACES[place]}: {WAYS[name]}", _measured(found)]
        for place, others in results["reduction_percent"].items()
        for name, found in others.items()
    ]
    note = f"Asked for: {results['asked']['reduction_percent']:.0f} %."
    return Table("By how much mien-animator's lip error is lower", ("than", "%"), rows, note)


def _languages(results: dict[str, Any]) -> Table:
    rows = [
        [language, *(number(found[name]) for name in WAYS)]
        for language, found in results["languages"].items()
    ]
    return Table("Lip error by language, as spoken, mm^2", ("", *WAYS.values()), rows)


def _running(results: dict[str, Any]) -> Table:
    speed, peaks, drift = results["speed"], results["memory_mb"], results["drift"]
    rows = [
        ["seconds of sound per second of one core", number(speed["realtime"], 0)],
        ["share of it that hearing takes", number(speed["features_share"])],
        *([f"memory for {minutes} min, MB", number(found["peak"], 0)]
          for minutes, found in peaks.items()),
        [f"largest change of a curve in {drift['minutes']:.0f} min", number(drift["largest"], 3)],
        ["sound that a frame waits for, s", number(results["latency_seconds"])],
    ]  # fmt: skip
    return Table("Running", ("", ""), rows)
