"""Tables of ``mien evaluate landmarks``."""

from typing import Any

from mien.evaluate.tables.table import Table, interval, number

TITLE = "Landmarks"
COLUMNS = ("", "mean %", "95 % interval", "median", "95th", "failures %", "AUC", "missed", "of")


def tables(results: dict[str, Any]) -> list[Table]:
    """Tables of a result."""
    made = [_errors(results)]
    if "regions_percent" in results["portraits"]:
        made += [_regions(results["portraits"]), _pose(results["portraits"]["pose_degrees"])]
    if results["video"]:
        made.append(_clips(results["video"]))
    return [*made, _jitter(results["jitter"])]


def _errors(results: dict[str, Any]) -> Table:
    portraits, video = results["portraits"], results["video"]
    rows = [_error_row("portraits, / outer eye corners", portraits["outer_corners"])]
    if "iris_centres" in portraits:
        rows.append(_error_row("portraits, / iris centres", portraits["iris_centres"]))
    if video:
        for way, title in (("video", "clips as video"), ("photos", "clips as photos")):
            overall = video["overall"][way]
            name = f"{title}, {overall['clips']} clips alike"
            mean, bounds = number(overall["mean_of_clips_percent"]), overall["ci95_percent"]
            rows.append([name, mean, interval(bounds), *[""] * 6])
            rows.append(_error_row(f"{title}, frames alike", overall["frames"]))
    note = (
        "Mean distance of the 478 points from their labels in per cent of the inter-ocular "
        "distance, between the outer eye corners unless it says otherwise. A failure is above 8 % "
        "or missed."
    )
    return Table("Error of the 478 landmarks", COLUMNS, rows, note)


def _error_row(name: str, summary: dict[str, Any]) -> list[str]:
    failures = summary["failure_rate"]
    return [
        name,
        number(summary["mean_percent"]),
        interval(summary.get("ci95_percent")),
        number(summary["median_percent"]),
        number(summary["p95_percent"]),
        number(None if failures is None else 100.0 * failures, 1),
        number(summary["auc"], 3),
        number(summary["missed"]),
        number(summary["faces"]),
    ]


def _regions(portraits: dict[str, Any]) -> Table:
    regions = portraits["regions_percent"] | {"all 478, in space": portraits["in_space_percent"]}
    rows = [[name, number(value)] for name, value in regions.items()]
    return Table("Error by region, portraits", ("", "mean %"), rows)


def _pose(pose: dict[str, Any]) -> Table:
    keys = ("mean_abs", "bias", "mean_abs_without_bias")
    rows = [[angle, *(number(values[key]) for key in keys)] for angle, values in pose.items()]
    note = "Degrees, against the labels' head transform. The bias is how the two mean faces differ."
    columns = ("", "mean difference", "bias", "mean difference without it")
    return Table("Head pose, portraits", columns, rows, note)


def _clips(video: dict[str, Any]) -> Table:
    rows = [
        [
            name,
            *(number(clip[way]["mean_percent"]) for way in ("video", "photos")),
            *(number(clip[way]["missed"]) for way in ("video", "photos")),
            number(clip["video"]["faces"]),
            number(clip["video"]["frames_without_face"]),
            number(clip["video"]["faces_in_those"]),
        ]
        for name, clip in video["clips"].items()
    ]
    note = (
        f"Labels: {video['labels']}, on every {video['every']}th frame, at most {video['most']} of "
        "a clip. As video: mien's tracker over all frames, without its filter; as photos: those "
        "frames alone."
    )
    columns = ("clip", "video %", "photos %", "missed, video", "missed, photos", "frames")
    return Table("Clips", (*columns, "frames without face", "faces in those"), rows, note)


def _jitter(jitter: dict[str, Any]) -> Table:
    keys = ("mean_px", "worst_portrait_px", "worst_landmark_px")
    ways = ("filtered", "unfiltered")
    rows = [[way, *(number(jitter[way][key], 3) for key in keys)] for way in ways]
    note = (
        f"{jitter['portraits']} portraits as videos of {jitter['frames']} frames with noise of "
        f"{jitter['noise']}, faces of {jitter['face_pixels']:g} pixels: standard deviation in "
        "pixels."
    )
    columns = ("", "mean", "worst portrait", "worst landmark")
    return Table("Jitter of a still face", columns, rows, note)
