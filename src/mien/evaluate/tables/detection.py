"""Tables of ``mien evaluate detection``."""

from typing import Any

from mien.evaluate.tables.table import Table, number

TITLE = "Detection"


def tables(results: dict[str, Any]) -> list[Table]:
    """Tables of a result."""
    return [
        _photos(results["photos"]),
        _backgrounds(results["backgrounds"]),
        _scenes(results["scenes"]),
    ]


def _photos(photos: dict[str, Any]) -> Table:
    overlaps = list(photos["recall"])
    rows = [
        [
            name + (" (art)" if row["art"] else ""),
            number(row["faces"]),
            *(number(row["found"][least]) for least in overlaps),
            number(row["false"]),
        ]
        for name, row in photos["files"].items()
    ]
    found = [sum(row["found"][least] for row in photos["files"].values()) for least in overlaps]
    total = ["all", number(photos["faces"]), *map(number, found), number(photos["false_faces"])]
    note = (
        f"Boxes drawn by eye. Recall {number(photos['recall_photographs'], 3)} on photographs, "
        f"{number(photos['recall_art'], 3)} on art; average precision "
        f"{number(photos['average_precision'], 3)}, at overlap {overlaps[0]}."
    )
    columns = ("photo", "faces", *(f"found at {least}" for least in overlaps), "false")
    return Table("Photos", columns, [*rows, total], note)


def _backgrounds(backgrounds: dict[str, Any]) -> Table:
    rows = [
        [title, *(number(backgrounds[part][key]) for key in keys)]
        for part, title in (("test", "test part"), ("unseen", "not trained on"), ("all", "all"))
        for keys in [("images", "real_people", "false_faces", "per_100_images")]
    ]
    files = ", ".join(backgrounds["all"]["files"]) or "none"
    columns = ("", "images", "real people", "false faces", "per 100 images")
    return Table("Pictures without faces", columns, rows, f"Something was found in: {files}.")


def _scenes(scenes: dict[str, Any]) -> Table:
    sizes = list(scenes["recall_by_size"])
    rows = [
        [f"{angle}°", *(number(row[size]) for size in sizes), number(by_angle)]
        for (angle, row), by_angle in zip(
            scenes["recall"].items(), scenes["recall_by_angle"].values(), strict=True
        )
    ]
    total = ["all", *(number(scenes["recall_by_size"][size]) for size in sizes), ""]
    note = (
        f"Recall at overlap {scenes['overlap']} by tilt and face size in pixels, on "
        f"{scenes['scenes']} scenes of {len(sizes)} faces each; "
        f"{number(scenes['false_faces_per_100_scenes'])} false faces per 100 scenes."
    )
    columns = ("tilt", *(f"{size} px" for size in sizes), "all")
    return Table("Small and tilted faces", columns, [*rows, total], note)
