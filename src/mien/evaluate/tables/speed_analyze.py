"""Tables of ``mien bench analyze``."""

from typing import Any

from mien.evaluate.tables.table import Table

TITLE = "Speed of analyze"


def tables(results: dict[str, Any]) -> list[Table]:
    """Tables of a result."""
    made = [_race(results, which) for which in results["cores"]]
    made.append(
        Table("Start-up", ("", "seconds"), [["mien --help", f"{results['help_seconds']:.2f}"]])
    )
    if results["photos"]:
        made.append(_throughput(results["photos"]))
    return made


def _race(results: dict[str, Any], which: str) -> Table:
    cores = results["cores"][which]
    rows = []
    for name, tool in cores["tools"].items():
        ratio = cores["mien_to_peer"].get(name, {})
        speeds = [f"{tool[key]:.1f}" for key in ("fps", "steady_fps")]
        ratios = [f"{ratio[key]:.2f}" if ratio else "" for key in ("fps", "steady_fps")]
        what = f"{name}: {results['gives'][name]}"
        rows.append([what, *speeds, *ratios, f"{tool['peak_mb']:.0f}"])
    missing = [f"{name} ({why})" for name, why in cores["unavailable"].items()]
    clip = results["clip"]
    note = (
        f"{clip['name']}, {clip['width']} x {clip['height']}, medians of {results['repeats']} runs "
        "in alternating order. fps: all frames / the time from start to exit; steady: without "
        "start-up. The ratios are mien's speed / that of the peer. "
        f"Load of the machine before: {results['load_before']:.1f}."
        + (f" Not run: {'; '.join(missing)}." if missing else "")
    )
    columns = ("", "fps", "steady fps", "fps ratio", "steady ratio", "peak MB")
    title = f"{cores['count']} cores" if cores["count"] > 1 else "One core"
    return Table(title, columns, rows, note)


def _throughput(photos: dict[str, Any]) -> Table:
    rows = [
        [name.replace("_", " "), f"{row['photos_per_s']:.1f}", f"{row['faces_per_s']:.1f}"]
        for name, row in photos.items()
    ]
    return Table("Throughput on photos", ("", "photos / s", "faces / s"), rows)
