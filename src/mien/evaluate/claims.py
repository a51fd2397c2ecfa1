"""Claims of papers put to the test: what was found, how sure it is, and the page that tells it.

A claim says that one arm (the system) is better than another one (its ablation) by some measure.
Both are trained several times, with the seeds and the data in common, and answer for people who
are in no training picture. Of the paired differences there are two 95 % intervals: over seeds, by
Student's t, for the luck of training, and over people, by the bootstrap, for the luck of who is
tested. A comparison is *held* where both lie wholly on the side that the claim says, *opposite*
where both lie on the other, else *not shown*. A claim is held where all of its comparisons are.

    python -m mien.evaluate.claims [FOLDER]

writes ``index.md`` from the JSON files of FOLDER (default: docs/claims).
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mien.errors import InputError
from mien.evaluate import statistics
from mien.evaluate.tables.table import Table
from mien.media.files import atomic

PROTOCOL = "claim/1"
FOLDER = Path("docs/claims")
ROUNDS = 400  # of the bootstrap over people
FEWEST = 3  # seeds that may hold a claim


@dataclass(frozen=True)
class Items:
    """What an arm answered: ``values`` by name, each (n, ...), and the ``person`` (n,) of each."""

    person: np.ndarray
    values: Mapping[str, np.ndarray]

    def __getitem__(self, name: str) -> np.ndarray:
        return self.values[name]

    def drawn(self, rows: np.ndarray) -> "Items":
        """The items of these rows; a row may come more than once."""
        return Items(self.person[rows], {k: value[rows] for k, value in self.values.items()})


Answers = Mapping[str, Items]
"""Items by name: what is asked of each need not be the same pictures."""


@dataclass(frozen=True)
class Measure:
    """A number of an arm: ``value`` of the items called ``items``, in ``unit``."""

    name: str
    title: str
    value: Callable[[Items], float]
    better: Literal["higher", "lower"]
    items: str = "test"
    unit: str = "%"


@dataclass(frozen=True)
class Comparison:
    """That ``arm`` is better than ``than`` by a measure; or, if not ``better``, that it is worse.

    expected: what the paper says of it, in a few words.
    """

    measure: str
    arm: str
    than: str
    better: bool = True
    expected: str = ""


Results = Mapping[str, Sequence[Answers]]
"""Answers by arm, one for each seed."""


def judge(
    measures: Sequence[Measure], comparisons: Sequence[Comparison], answers: Results
) -> dict[str, Any]:
    """Measures of all arms and seeds, the comparisons' differences, and whether they are held."""
    compared = [_compare(_named(measures, c.measure), c, answers) for c in comparisons]
    return {
        "measures": {
            m.name: {
                "title": m.title,
                "unit": m.unit,
                "better": m.better,
                "values": {
                    arm: [m.value(one[m.items]) for one in seeds] for arm, seeds in answers.items()
                },
            }
            for m in measures
        },
        "comparisons": compared,
        "held": all(one["verdict"] == "held" for one in compared),
    }


def _named(measures: Sequence[Measure], name: str) -> Measure:
    return next(measure for measure in measures if measure.name == name)


def _compare(measure: Measure, comparison: Comparison, answers: Results) -> dict[str, Any]:
    pairs = [
        (first[measure.items], second[measure.items])
        for first, second in zip(answers[comparison.arm], answers[comparison.than], strict=True)
    ]
    person = pairs[0][0].person
    for items in (item for pair in pairs for item in pair):
        if not np.array_equal(items.person, person):
            raise ValueError("arms that answered for different people cannot be compared")

    def difference(rows: np.ndarray) -> float:
        gaps = [measure.value(a.drawn(rows)) - measure.value(b.drawn(rows)) for a, b in pairs]
        return float(np.mean(gaps))

    gaps = [measure.value(a) - measure.value(b) for a, b in pairs]
    rows = np.arange(len(person))
    people = statistics.bootstrap_statistic(difference, rows, clusters=person, rounds=ROUNDS)
    seeds = statistics.mean_over_seeds(gaps) if len(gaps) > 1 else None
    base = float(np.mean([measure.value(b) for _, b in pairs]))
    up = (measure.better == "higher") == comparison.better
    intervals = [people[1:], *([seeds[1:]] if seeds else [])]
    return {
        **asdict(comparison),
        "difference": float(np.mean(gaps)),
        "relative": float(np.mean(gaps)) / abs(base) if base else None,
        "per_seed": gaps,
        "ci95_seeds": list(seeds[1:]) if seeds else None,
        "ci95_people": list(people[1:]),
        "people": len(np.unique(person)),
        "verdict": _verdict(intervals, up, len(gaps)),
    }


def _verdict(intervals: Sequence[Sequence[float]], up: bool, seeds: int) -> str:
    sides = {1 if low > 0 else -1 if high < 0 else 0 for low, high in intervals}
    if seeds < FEWEST or sides not in ({1}, {-1}):
        return "not shown"
    return "held" if sides == {1 if up else -1} else "opposite"


# What it looks like


def figure(report: dict[str, Any], path: Path) -> None:
    """One panel for each measure: every seed a point, joined from arm to arm; the means as bars."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    results = report["results"]
    measures, arms = results["measures"], list(results["arms"])
    columns = min(len(measures), 4)
    rows = -(-len(measures) // columns)
    size = (2.7 * columns, 2.5 * rows)
    with plt.rc_context({"svg.hashsalt": "mien", "svg.fonttype": "none", "font.size": 8}):
        chart, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
        for axis in axes.flat[len(measures) :]:
            axis.remove()
        for axis, measure in zip(axes.flat, measures.values(), strict=False):
            values = np.array([measure["values"][arm] for arm in arms], float)
            places = np.arange(len(arms))
            axis.plot(places, values, color="0.75", lw=0.8, zorder=1)
            axis.plot(places, values, "o", color="#00796b", ms=3.5, zorder=2)
            axis.plot(places, values.mean(1), "_", color="black", ms=18, mew=1.2, zorder=3)
            axis.set_xticks(places, arms, rotation=20, ha="right")
            axis.set_xlim(-0.5, len(arms) - 0.5)
            arrow = "↑" if measure["better"] == "higher" else "↓"
            axis.set_title(f"{measure['title']} {arrow}", fontsize=8)
            axis.set_ylabel(measure["unit"])
            axis.spines[["top", "right"]].set_visible(False)
        with atomic(path) as temporary:
            chart.savefig(temporary, format="svg", metadata={"Date": None})
        plt.close(chart)


def tables(report: dict[str, Any]) -> list[Table]:
    """What all arms reach, and what the claim compares."""
    results = report["results"]
    measures, arms = results["measures"], results["arms"]
    columns = ("", *(", ".join(filter(None, (m["title"], m["unit"]))) for m in measures.values()))
    rows = [
        [arm, *(_spread(measure["values"][arm]) for measure in measures.values())] for arm in arms
    ]
    count = len(results["seeds"])
    note = f"Mean and standard deviation over {count} seeds, on people who were not trained on."
    return [
        Table("What the arms reach", columns, rows, note),
        Table("What is claimed", COMPARED, [_compared(results, c) for c in results["comparisons"]]),
    ]


COMPARED = ("", "difference", "relative", "95 % over seeds", "95 % over people", "the paper", "")


def _spread(values: Sequence[float]) -> str:
    deviation = f" ± {np.std(values, ddof=1):.3g}" if len(values) > 1 else ""
    return f"{np.mean(values):.4g}{deviation}"


def _compared(results: dict[str, Any], one: dict[str, Any]) -> list[str]:
    measure = results["measures"][one["measure"]]
    relative = "-" if one["relative"] is None else f"{100 * one['relative']:+.1f} %"
    return [
        f"{measure['title']}: {one['arm']} {'better' if one['better'] else 'worse'} than "
        f"{one['than']}",
        f"{one['difference']:+.3g} {_unit_of_difference(measure['unit'])}".strip(),
        relative,
        _interval(one["ci95_seeds"]),
        _interval(one["ci95_people"]),
        one["expected"] or "-",
        f"**{one['verdict']}**",
    ]


def _unit_of_difference(unit: str) -> str:
    return "points" if unit == "%" else unit


def _interval(bounds: Sequence[float] | None) -> str:
    return f"{bounds[0]:+.3g} to {bounds[1]:+.3g}" if bounds else "-"


def plain(report: dict[str, Any]) -> str:
    """All tables of a report, for a terminal."""
    return "\n\n".join(table.plain() for table in tables(report))


def read(path: Path) -> dict[str, Any]:
    """The report of a claim; raises InputError when the file is not one."""
    try:
        report = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a result: {error}") from error
    if not isinstance(report, dict) or report.get("protocol") != PROTOCOL:
        raise InputError(f"{path}: not a result of mien claim")
    return report


INTRO = """# Claims

The smallest honest experiment of each paper: the system against its ablation, at equal steps, on
people of [the world](../world.md) whom no arm has seen. Settings were chosen on a validation split
with one seed that is not among those reported; what is reported was run once. A comparison is
**held** where the 95 % interval over seeds (Student's t of the paired differences) and the one over
people (bootstrap) both lie on the side that the paper says, **opposite** where both lie on the
other side, else **not shown**. What fails is published as failed.

Sizes and steps are those that a CPU allows in minutes, far below the papers': a claim that is not
shown here may well be true at full size. `mien claim SLUG` makes one of them again; this page is
made from their results, which lie beside it, by `python -m mien.evaluate.claims`."""


def page(reports: Sequence[dict[str, Any]]) -> str:
    """The page of the documentation: one table of all claims, then each with its circumstances."""
    rows = [
        [f"[{report['results']['system']}](#{report['results']['system']})", *_compared(
            report["results"], one)]
        for report in reports
        for one in report["results"]["comparisons"]
    ]  # fmt: skip
    every = Table("All of them", ("system", "claim", *COMPARED[1:]), rows)
    return "\n\n".join([INTRO, every.markdown(), *map(_section, reports)]) + "\n"


def _section(report: dict[str, Any]) -> str:
    results = report["results"]
    slug = results["system"]
    arms = "\n".join(f"- *{name}*: {arm['title']}" for name, arm in results["arms"].items())
    reached, claimed = tables(report)
    whole = "held" if results["held"] else "not held as a whole"
    return "\n\n".join([
        f"## {slug}", f"{results['statement']} **{whole.capitalize()}.**", arms,
        f"![What the arms of {slug} reach]({slug}.svg)", reached.markdown(), claimed.markdown(),
        results["reading"], _circumstances(report),
    ])  # fmt: skip


def _circumstances(report: dict[str, Any]) -> str:
    host, results = report["host"], report["results"]
    data = "; ".join(
        f"{name}: {part['pictures']} of {part['people']} people, recipe `{part['recipe']}`"
        for name, part in report["data"].items()
    )
    steps = ", ".join(f"{name} {count}" for name, count in results["steps"].items())
    commit = report["commit"]
    code = f"commit `{commit['id'][:10]}`" + (" with changes" if commit["dirty"] else "") \
        if commit else "commit unknown"  # fmt: skip
    share = "" if results["scale"] == 1 else f" {100 * results['scale']:.0f} % of the usual size."
    shown = f"Pictures of {results['side']} pixels" if results["side"] else "Pieces of speech"
    return (
        f"{shown}: {data}. Steps of each run: {steps}. Seeds "
        f"{', '.join(map(str, results['seeds']))}.{share}\n"
        f"{report['date'][:10]}, {code}, {host['cpu']}, torch {report['versions']['torch']}; "
        f"{results['minutes']:.0f} minutes of processor time for training."
    )


def write_page(folder: Path = FOLDER) -> None:
    """Write ``index.md`` of a folder of results."""
    reports = [read(file) for file in sorted(folder.glob("*.json"))]
    if not reports:
        raise InputError(f"{folder}: no results of mien claim")
    with atomic(folder / "index.md") as temporary:
        temporary.write_text(page(reports), "utf-8")


if __name__ == "__main__":
    write_page(*map(Path, sys.argv[1:]))
