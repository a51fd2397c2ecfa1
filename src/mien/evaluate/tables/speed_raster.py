"""Tables of ``mien bench raster``."""

from typing import Any

from mien.evaluate.tables.table import Table

TITLE = "Speed of the rasteriser"


def tables(results: dict[str, Any]) -> list[Table]:
    """Tables of a result."""
    made = []
    for name, scene in results["scenes"].items():
        for cores in scene["cores"].values():
            rows = [
                [
                    tool,
                    f"{row['fps']:.1f}",
                    f"{1000 / row['fps']:.1f}",
                    f"{ratio:.2f}" if (ratio := cores["mien_to_peer"].get(tool)) else "",
                    f"{100 * row['covered']:.2f}",
                    results["gives"][tool],
                ]
                for tool, row in cores["tools"].items()
            ]
            rows += [
                [tool, *[""] * 4, f"not run: {why}"] for tool, why in cores["unavailable"].items()
            ]
            where = f"{cores['count']} cores" if cores["count"] > 1 else "one core"
            title = f"{name.capitalize()} of {scene['triangles']} triangles, {where}"
            columns = ("", "fps", "ms", "mien / it", "covered %", "gives")
            note = (
                f"{results['size']} x {results['size']} pixels, medians of {results['repeats']} "
                "runs in alternating order. The peers keep the mesh from frame to frame."
            )
            made.append(Table(title, columns, rows, note))
    return made
