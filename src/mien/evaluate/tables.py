"""Results as tables: in the terminal, and in the documentation.

    python -m mien.evaluate.tables [FOLDER]

writes ``index.md`` from the JSON files of FOLDER (default: docs/benchmarks).
"""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mien.errors import InputError
from mien.media.files import atomic

FOLDER = Path("docs/benchmarks")
FILES = ("landmarks.json", "detection.json", "heads.json", "refinement.json", "speed-analyze.json",
         "speed-raster.json", "speed-render.json")  # fmt: skip
TITLES = {
    "landmarks": "Landmarks",
    "detection": "Detection",
    "heads": "Heads",
    "refinement": "Refinement",
    "speed-analyze": "Speed of analyze",
    "speed-raster": "Speed of the rasteriser",
    "speed-render": "Speed of drawing",
}


@dataclass(frozen=True)
class Table:
    """A title, column names, and rows of as many texts; ``note`` says how to read it."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def markdown(self) -> str:
        """The table in Markdown."""
        lines = [self.columns, ["---"] + ["---:"] * (len(self.columns) - 1), *self.rows]
        body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return "\n\n".join(filter(None, (f"### {self.title}", self.note, body)))

    def plain(self) -> str:
        """The table for a terminal."""
        lines = [self.columns, *self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.columns))]
        return "\n".join([self.title, *(f"  {_aligned(line, widths)}" for line in lines)])


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    """The first column to the left, numbers to the right."""
    cells = (cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))
    return "  ".join([line[0].ljust(widths[0]), *cells]).rstrip()


def _number(value: float | int | None, digits: int = 2) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.{digits}f}"


def _interval(bounds: Sequence[float] | None) -> str:
    return f"{bounds[0]:.2f} to {bounds[1]:.2f}" if bounds else "-"


ERROR_COLUMNS = (
    "",
    "mean %",
    "95 % interval",
    "median",
    "95th",
    "failures %",
    "AUC",
    "missed",
    "of",
)


def landmarks(results: dict[str, Any]) -> list[Table]:
    """Tables of ``mien evaluate landmarks``."""
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
            mean, interval = _number(overall["mean_of_clips_percent"]), overall["ci95_percent"]
            rows.append([name, mean, _interval(interval), *[""] * 6])
            rows.append(_error_row(f"{title}, frames alike", overall["frames"]))
    note = (
        "Mean distance of the 478 points from their labels in per cent of the inter-ocular "
        "distance, between the outer eye corners unless it says otherwise. A failure is above 8 % "
        "or missed."
    )
    return Table("Error of the 478 landmarks", ERROR_COLUMNS, rows, note)


def _error_row(name: str, summary: dict[str, Any]) -> list[str]:
    failures = summary["failure_rate"]
    return [
        name,
        _number(summary["mean_percent"]),
        _interval(summary.get("ci95_percent")),
        _number(summary["median_percent"]),
        _number(summary["p95_percent"]),
        _number(None if failures is None else 100.0 * failures, 1),
        _number(summary["auc"], 3),
        _number(summary["missed"]),
        _number(summary["faces"]),
    ]


def _regions(portraits: dict[str, Any]) -> Table:
    regions = portraits["regions_percent"] | {"all 478, in space": portraits["in_space_percent"]}
    rows = [[name, _number(value)] for name, value in regions.items()]
    return Table("Error by region, portraits", ("", "mean %"), rows)


def _pose(pose: dict[str, Any]) -> Table:
    keys = ("mean_abs", "bias", "mean_abs_without_bias")
    rows = [[angle, *(_number(values[key]) for key in keys)] for angle, values in pose.items()]
    note = "Degrees, against the labels' head transform. The bias is how the two mean faces differ."
    columns = ("", "mean difference", "bias", "mean difference without it")
    return Table("Head pose, portraits", columns, rows, note)


def _clips(video: dict[str, Any]) -> Table:
    rows = [
        [
            name,
            *(_number(clip[way]["mean_percent"]) for way in ("video", "photos")),
            *(_number(clip[way]["missed"]) for way in ("video", "photos")),
            _number(clip["video"]["faces"]),
            _number(clip["video"]["frames_without_face"]),
            _number(clip["video"]["faces_in_those"]),
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
    rows = [[way, *(_number(jitter[way][key], 3) for key in keys)] for way in ways]
    note = (
        f"{jitter['portraits']} portraits as videos of {jitter['frames']} frames with noise of "
        f"{jitter['noise']}, faces of {jitter['face_pixels']:g} pixels: standard deviation in "
        "pixels."
    )
    columns = ("", "mean", "worst portrait", "worst landmark")
    return Table("Jitter of a still face", columns, rows, note)


def detection(results: dict[str, Any]) -> list[Table]:
    """Tables of ``mien evaluate detection``."""
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
            _number(row["faces"]),
            *(_number(row["found"][least]) for least in overlaps),
            _number(row["false"]),
        ]
        for name, row in photos["files"].items()
    ]
    found = [sum(row["found"][least] for row in photos["files"].values()) for least in overlaps]
    total = ["all", _number(photos["faces"]), *map(_number, found), _number(photos["false_faces"])]
    note = (
        f"Boxes drawn by eye. Recall {_number(photos['recall_photographs'], 3)} on photographs, "
        f"{_number(photos['recall_art'], 3)} on art; average precision "
        f"{_number(photos['average_precision'], 3)}, at overlap {overlaps[0]}."
    )
    columns = ("photo", "faces", *(f"found at {least}" for least in overlaps), "false")
    return Table("Photos", columns, [*rows, total], note)


def _backgrounds(backgrounds: dict[str, Any]) -> Table:
    rows = [
        [title, *(_number(backgrounds[part][key]) for key in keys)]
        for part, title in (("test", "test part"), ("unseen", "not trained on"), ("all", "all"))
        for keys in [("images", "real_people", "false_faces", "per_100_images")]
    ]
    files = ", ".join(backgrounds["all"]["files"]) or "none"
    columns = ("", "images", "real people", "false faces", "per 100 images")
    return Table("Pictures without faces", columns, rows, f"Something was found in: {files}.")


def _scenes(scenes: dict[str, Any]) -> Table:
    sizes = list(scenes["recall_by_size"])
    rows = [
        [f"{angle}°", *(_number(row[size]) for size in sizes), _number(by_angle)]
        for (angle, row), by_angle in zip(
            scenes["recall"].items(), scenes["recall_by_angle"].values(), strict=True
        )
    ]
    total = ["all", *(_number(scenes["recall_by_size"][size]) for size in sizes), ""]
    note = (
        f"Recall at overlap {scenes['overlap']} by tilt and face size in pixels, on "
        f"{scenes['scenes']} scenes of {len(sizes)} faces each; "
        f"{_number(scenes['false_faces_per_100_scenes'])} false faces per 100 scenes."
    )
    columns = ("tilt", *(f"{size} px" for size in sizes), "all")
    return Table("Small and tilted faces", columns, [*rows, total], note)


def heads(results: dict[str, Any]) -> list[Table]:
    """Tables of ``mien evaluate heads``."""
    made = [_known_heads(results["known"]), _less_expression(results["known"])]
    made += [_met(results), _head_clips(results["video"])]
    return [*made, _fit_speed(results["speed"])] if results["speed"] else made


def _known_heads(known: dict[str, Any]) -> Table:
    asked = known["asked"]
    rows = [
        [
            way.replace("no_priors", "no priors"),
            _number(row["vertex_mm"]["median"]),
            _interval(row["vertex_mm"]["ci95"]),
            _number(row["vertex_mm"]["p95"]),
            _number(row["expression"]["mean_abs"], 3),
            _number(row["expression"]["others_mean_abs"], 3),
            *(_number(row["pose_degrees"][key]) for key in ("median", "mean", "p95")),
            _interval(row["pose_degrees"]["ci95"]),
            _number(row["gaze_degrees"]),
        ]
        for way, row in known["ways"].items()
    ]
    still = [known[key] for key in ("zero_expression", "zero_expression_others")]
    rows.append(["no expression at all", *[""] * 3, *(_number(x, 3) for x in still), *[""] * 5])
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
            *(_number(row["all"], 1), _interval(row["ci95"])),
            *(_number(row["others"], 1), _interval(row["others_ci95"])),
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
            _number(part["faces"]),
            _number(part.get("mean_percent")),
            _interval(part.get("ci95_percent")),
            _number(part.get("worst_percent")),
            _number(100 * part["above_asked"] if part["faces"] else None, 1),
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
        note += f" 95 % interval of the mean over clips: {_interval(video['ci95_percent'])}."
    columns = ("clip", "faces", "mean %", "worst %", "lips mm", "closed", "opening mm, 95th",
               "open %", "in space", "%", "change", "without its prior")  # fmt: skip
    return Table("Heads in clips", columns, rows, note)


def _head_clip(name: str, row: dict[str, Any]) -> list[str]:
    lips = row["lips"]
    return [
        name,
        _number(row["faces"]),
        _number(row["mean_percent"]),
        _number(row["worst_percent"]),
        _number(lips["error_mm"]),
        _number(lips["closed_frames"]),
        *_closed(lips["closed_opening"]),
        *_closed(lips["closed_space"]),
        _number(row["jitter"], 4),
        _number(row["jitter_without_prior"], 4),
    ]


def _closed(gaps: dict[str, float] | None) -> list[str]:
    return [_number(gaps["p95_mm"]), _number(100.0 * gaps["open"], 1)] if gaps else ["-", "-"]


def _fit_speed(speed: dict[str, Any]) -> Table:
    titles = {"stream": "a frame of a video", "photo": "a photo"}
    keys = ("median_ms", "p95_ms", "processor_median_ms", "processor_p95_ms")
    rows = [
        [title, *(_number(speed[way][key], 1) for key in keys)] for way, title in titles.items()
    ]
    note = (
        f"Milliseconds for 478 points of {speed['clip']}, in a process on one core: on the clock, "
        "and of the processor, which other processes do not lengthen. Load of the machine before: "
        f"{speed['load_before']:.1f}."
    )
    columns = ("", "median", "95th", "processor, median", "95th")
    return Table("Speed of a fit", columns, rows, note)


def speed(results: dict[str, Any]) -> list[Table]:
    """Tables of ``mien bench analyze``."""
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


def raster(results: dict[str, Any]) -> list[Table]:
    """Tables of ``mien bench raster``."""
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


def refinement(results: dict[str, Any]) -> list[Table]:
    """Tables of ``mien evaluate refinement``."""
    rows = [
        [f"{skin}, landmarks {noise}, {what}", *_changed(compared)]
        for skin, noises in results["known"].items()
        for noise, errors in noises.items()
        for what, compared in errors.items()
        if isinstance(compared, dict) and "before" in compared
    ]
    if "portraits" in results:
        rows += [
            [f"portraits, {what}", *_changed(compared)]
            for what, compared in results["portraits"].items()
            if isinstance(compared, dict)
        ]
    note = f"Medians over {results['heads']} known heads; better: the share that gets better."
    columns = ("", "before", "after", "mean change", "95 % interval", "better")
    return [Table("What refinement changes", columns, rows, note)]


def _changed(compared: dict[str, Any]) -> list[str]:
    numbers = [f"{compared[key]:.4g}" for key in ("before", "after", "change")]
    low, high = compared["change_ci95"]
    return [*numbers, f"{low:.3g} to {high:.3g}", f"{100 * compared['better']:.0f} %"]


def render(results: dict[str, Any]) -> list[Table]:
    """Tables of ``mien bench render``."""
    portrait, world = results["portrait"], results["world"]
    rows = [
        [f"portrait, {portrait['size']} pixels, frames", *_speeds(portrait)],
        [f"world, {world['size']} pixels, samples with all truth", *_speeds(world)],
    ]
    note = (
        f"Medians of {results['repeats']} runs by turns. A process of the world took "
        f"{world['peak_mb_per_process']:.0f} MB at most. Load of the machine before: "
        f"{results['load_before']:.1f}."
    )
    columns = ("per second", "one core", f"{results['cores']} cores")
    return [Table("Moving portraits and the world", columns, rows, note)]


def _speeds(speeds: dict[str, float]) -> list[str]:
    return [f"{speeds[way]:.1f}" for way in ("one", "all")]


MAKERS: dict[str, Callable[[dict[str, Any]], list[Table]]] = {
    "landmarks": landmarks,
    "detection": detection,
    "heads": heads,
    "refinement": refinement,
    "speed-analyze": speed,
    "speed-raster": raster,
    "speed-render": render,
}


def of(report: dict[str, Any]) -> list[Table]:
    """The tables of a report; the protocol's name says which they are."""
    return MAKERS[_name(report)](report["results"])


def _name(report: dict[str, Any]) -> str:
    return report["protocol"].partition("/")[0]


def plain(report: dict[str, Any]) -> str:
    """All tables of a report, for a terminal."""
    return "\n\n".join(table.plain() for table in of(report))


def read(path: Path) -> dict[str, Any]:
    """A report; raises InputError when the file is not one."""
    try:
        report = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a result: {error}") from error
    if not isinstance(report, dict) or _name({"protocol": "", **report}) not in MAKERS:
        raise InputError(f"{path}: not a result of mien evaluate or mien bench")
    return report


def page(reports: Sequence[dict[str, Any]]) -> str:
    """The page of the documentation."""
    intro = (
        "# Benchmarks\n\nMeasured with the commands of `mien evaluate` and `mien bench`; this page "
        "is made from their results, which lie beside it, by `python -m mien.evaluate.tables`."
    )
    return "\n\n".join([intro, *(_section(report) for report in reports)]) + "\n"


def _section(report: dict[str, Any]) -> str:
    parts = [f"## {TITLES[_name(report)]}", _circumstances(report)]
    return "\n\n".join(parts + [table.markdown() for table in of(report)])


def _circumstances(report: dict[str, Any]) -> str:
    commit, host, versions = report["commit"], report["host"], report["versions"]
    code = "unknown"
    if commit:
        code = f"`{commit['id'][:10]}`" + (" with changes" if commit["dirty"] else "")
    versions = versions | (report["results"].get("peers") or {})
    libraries = ", ".join(f"{name} {version}" for name, version in versions.items())
    limit = report["data"].get("limit")
    machine = f"{host['cpu']}, {host['cores']} cores, {host['ram_gb']:g} GB, {host['system']}"
    return (
        f"Protocol {report['protocol']}, {report['date'][:10]}, commit {code}, on {machine}.\n"
        f"{libraries}.{'' if limit is None else f' Only the first {limit} samples of each part.'}"
    )


def main(folder: Path = FOLDER) -> None:
    """Write ``index.md`` of a folder of results, of those that are there."""
    reports = [read(folder / name) for name in FILES if (folder / name).is_file()]
    if not reports:
        raise InputError(f"{folder}: no results: {', '.join(FILES)}")
    with atomic(folder / "index.md") as temporary:
        temporary.write_text(page(reports), "utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
