"""Tables of ``mien evaluate base``."""

from typing import Any

from mien.evaluate.tables.table import Table, interval, number

TITLE = "Perception"


def tables(results: dict[str, Any]) -> list[Table]:
    """Tables of a result."""
    world = results["world"]
    made = [_outputs(world), *(_bins(name, bins) for name, bins in world["bins"].items())]
    if world["confidence"]:
        made.append(_confidence(world["confidence"]))
    if results["portraits"]["found"]:
        made += [_portraits(results["portraits"]), _mirror(results["portraits"]["mirror"])]
    if results["clips"] and results["clips"]["frames"]:
        made.append(_curves(results["clips"]))
    return [*made, _posed(results["posed"]), _still(results["still"])]


def _words(name: str) -> str:
    return name.replace("_percent", ", %").replace("_", " ")


def _figure(figure: list[float] | None) -> list[str]:
    return ["-", "-"] if figure is None else [number(figure[0], 3), interval(figure[1:])]


def _outputs(world: dict[str, Any]) -> Table:
    rows = [[_words(name), *_figure(figure)] for name, figure in world["outputs"].items()]
    note = (
        f"{world['samples']} pictures of {world['people']} people of the world whom no training "
        "has seen. Landmarks are in parts of the distance of the outer eye corners; action units "
        "count as there from intensity 2 on."
    )
    return Table("Outputs, world", ("", "value", "95 % interval"), rows, note)


def _bins(factor: str, bins: dict[str, dict[str, Any]]) -> Table:
    figures = list(dict.fromkeys(name for row in bins.values() for name in row))
    figures = [name for name in figures if name not in ("samples", "people")]
    rows = [
        [name, *(number(row[key]) for key in ("samples", "people")),
         *(_short(row.get(figure)) for figure in figures)]
        for name, row in bins.items()
    ]  # fmt: skip
    columns = ("", "samples", "people", *map(_words, figures))
    return Table(f"By {factor}, world", columns, rows, "Each with its 95 % interval.")


def _short(figure: list[float] | None) -> str:
    return "-" if figure is None else f"{number(figure[0])} ({interval(figure[1:])})"


def _confidence(confidence: dict[str, dict[str, Any]]) -> Table:
    keys = ("kept", "error", "error_kept", "error_left_out")
    rows = [[name, *(number(row[key], 3) for key in keys)] for name, row in confidence.items()]
    return Table("Confidence, world", ("", *map(_words, keys)), rows)


def _portraits(portraits: dict[str, Any]) -> Table:
    names = ("landmarks_percent", "emotion_agreement", "gender_agreement", "group_agreement",
             "age_gap_years")  # fmt: skip
    rows = [[_words(name), *_figure(portraits[name])] for name in names]
    rows += [[f"curves, {_words(name)}", number(portraits["curves"][name], 3), "-"]
             for name in ("median", "jaw_open", "blink")]  # fmt: skip
    note = (
        f"{portraits['found']} of {portraits['portraits']} held-back portraits. Labels are what "
        "other networks say, or how somebody sorted the pictures."
    )
    return Table("Agreement on portraits", ("", "value", "95 % interval"), rows, note)


def _mirror(mirror: dict[str, float]) -> Table:
    rows = [[_words(name), number(value, 3)] for name, value in mirror.items()]
    return Table("The same portraits in a mirror", ("", "mean difference"), rows)


def _curves(clips: dict[str, Any]) -> Table:
    curves = clips["curves"]
    rows = [[_words(name), number(curves[name], 3)] for name in ("median", "jaw_open", "blink")]
    rows += [[name, number(value, 3)] for name, value in curves["by_curve"].items()]
    note = (
        f"Correlation with {clips['labels']}, {clips['frames']} frames of all clips, of the curves "
        f"that move most there. Landmarks: {number(clips['landmarks_percent'][0])} % "
        f"({interval(clips['landmarks_percent'][1:])})."
    )
    return Table("Curves on clips", ("", "correlation"), rows, note)


def _posed(posed: dict[str, Any]) -> Table:
    rows = [[name, row["posed"], row["said"] or "-"] for name, row in posed["files"].items()]
    note = f"{posed['right']} of {posed['of']} are as the file's name says."
    return Table("Posed emotions", ("", "posed", "said"), rows, note)


def _still(still: dict[str, Any]) -> Table:
    rows = [[_words(name), number(value, 4)] for name, value in still.items()
            if name != "portraits"]  # fmt: skip
    note = f"Standard deviation over noisy frames of {still['portraits']} still portraits."
    return Table("Jitter of a still face", ("", "deviation"), rows, note)
