"""Tables of ``mien evaluate heads``."""

from typing import Any

from mien.evaluate.tables.table import Table, interval, number

TITLE = "Heads"


def tables(results: dict[str, Any]) -> list[Table]:
    """Tables of a result."""
    made = [_known_heads(results["known"]), _less_expression(results["known"])]
    made += [_met(results), _head_clips(results["video"])]
    return [*made, _fit_speed(results["speed"])] if results["speed"] else made


def _known_heads(known: dict[str, Any]) -> Table:
    asked = known["asked"]
    rows = [
        [
            way.replace("no_priors", "no priors"),
            number(row["vertex_mm"]["median"]),
            interval(row["vertex_mm"]["ci95"]),
            number(row["vertex_mm"]["p95"]),
            number(row["expression"]["mean_abs"], 3),
            number(row["expression"]["others_mean_abs"], 3),
            *(number(row["pose_degrees"][key]) for key in ("median", "mean", "p95")),
            interval(row["pose_degrees"]["ci95"]),
            number(row["gaze_degrees"]),
        ]
        for way, row in known["ways"].items()
    ]
    still = [known[key] for key in ("zero_expression", "zero_expression_others")]
    rows.append(["no expression at all", *[""] * 3, *(number(x, 3) for x in still), *[""] * 5])
    note = (
        f"{known['heads']} random heads, fitted to their landmarks with noise of "
        f"{known['noise_percent']:g} % of the face's size. Median distance of the face's vertices "
        f"after rigid alignment in mm (asked: {asked['vertex_mm']:g}), mean absolute error of the "
        f"52 expression weights (asked: {asked['expression']:g}; others: without the 8 that follow "
        f"from gaze), head pose in degrees (asked: {asked['pose_degrees']:g}), gaze in degrees. "
        "The interval of the vertices is of the median over heads, that of the pose of the mean."
    )
    columns = ("", "vertices", "95 % interval", "95th", "expression", "others", "pose, median",
               "mean", "95th", "95 % interval", "gaze")  # fmt: skip
    return Table("Known heads", columns, rows, note)


def _less_expression(known: dict[str, Any]) -> Table:
    rows = [
        [
            focal,
            *(number(row["all"], 1), interval(row["ci95"])),
            *(number(row["others"], 1), interval(row["others_ci95"])),
        ]
        for focal, row in known["expression_reduction_percent"].items()
    ]
    asked = known["asked"]["expression_reduction_percent"]
    note = f"By how much the priors lower the error of expression, per cent (asked: {asked:g})."
    columns = ("", "all 52", "95 % interval", "without those of gaze", "95 % interval")
    return Table("What the priors do", columns, rows, note)


def _met(results: dict[str, Any]) -> Table:
    parts = {"photos": results["photos"], "portraits": results["portraits"]}
    rows = [
        [
            name,
            number(part["faces"]),
            number(part.get("mean_percent")),
            interval(part.get("ci95_percent")),
            number(part.get("worst_percent")),
            number(100 * part["above_asked"] if part["faces"] else None, 1),
        ]
        for name, part in parts.items()
    ]
    note = (
        "Root mean square distance of the fitted head's landmarks from those found, in per cent of "
        "the distance of the outer eye corners of the fitted head as seen from the front "
        f"(asked: {results['asked_error_percent']:g})."
    )
    columns = ("", "faces", "mean %", "95 % interval", "worst face", "faces above, %")
    return Table("Landmarks met by the head", columns, rows, note)


def _head_clips(video: dict[str, Any]) -> Table:
    rows = [
        _head_clip(name, row) if row["faces"]
        else [name, "0", *["-"] * 10]
        for name, row in video["files"].items()
    ]  # fmt: skip
    if video["clips"]:
        whole = video | {"faces": video["frames"]}
        rows.append(_head_clip(f"{video['clips']} clips alike", whole))
    note = (
        "One identity for all frames. Lips: mean difference of the gap between the fitted lips "
        "from that in the landmarks. Closed: frames in which the latter is below "
        f"{video['closed_percent']:g} % of the distance of the outer eye corners; there, the "
        f"opening between the fitted lips, how often it is above {video['open_mm']:g} mm, and "
        "the same for their distance in space, which also counts a lip that lies before the other. "
        "Change: mean absolute change of the 52 curves from frame to frame."
    )
    if video["clips"]:
        note += f" 95 % interval of the mean over clips: {interval(video['ci95_percent'])}."
    columns = ("clip", "faces", "mean %", "worst %", "lips mm", "closed", "opening mm, 95th",
               "open %", "in space", "%", "change", "without its prior")  # fmt: skip
    return Table("Heads in clips", columns, rows, note)


def _head_clip(name: str, row: dict[str, Any]) -> list[str]:
    lips = row["lips"]
    return [
        name,
        number(row["faces"]),
        number(row["mean_percent"]),
        number(row["worst_percent"]),
        number(lips["error_mm"]),
        number(lips["closed_frames"]),
        *_closed(lips["closed_opening"]),
        *_closed(lips["closed_space"]),
        number(row["jitter"], 4),
        number(row["jitter_without_prior"], 4),
    ]


def _closed(gaps: dict[str, float] | None) -> list[str]:
    return [number(gaps["p95_mm"]), number(100.0 * gaps["open"], 1)] if gaps else ["-", "-"]


def _fit_speed(speed: dict[str, Any]) -> Table:
    titles = {"stream": "a frame of a video", "photo": "a photo"}
    keys = ("median_ms", "p95_ms", "processor_median_ms", "processor_p95_ms")
    rows = [[title, *(number(speed[way][key], 1) for key in keys)] for way, title in titles.items()]
    note = (
        f"Milliseconds for 478 points of {speed['clip']}, in a process on one core: on the clock, "
        "and of the processor, which other processes do not lengthen. Load of the machine before: "
        f"{speed['load_before']:.1f}."
    )
    columns = ("", "median", "95th", "processor, median", "95th")
    return Table("Speed of a fit", columns, rows, note)
