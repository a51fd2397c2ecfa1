"""Results as tables: in the terminal, and in the documentation.

    python -m mien.evaluate.tables [FOLDER]

writes ``index.md`` from the JSON files of FOLDER (default: docs/benchmarks). Each protocol's tables
are made in the module of its name: its title is ``TITLE``, and ``tables(results)`` makes them.
"""

import json
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from mien.errors import InputError
from mien.evaluate.tables.table import Table
from mien.media.files import atomic

FOLDER = Path("docs/benchmarks")
PROTOCOLS = ("landmarks", "detection", "base", "verification", "system", "guard", "animation",
             "heads", "sync", "refinement", "realism", "speed-analyze", "speed-raster",
             "speed-render", "speed-animate", "speed-world", "speed-train")  # fmt: skip
"""In the order of the page; a protocol's results are in the JSON file of its name."""


def of(report: dict[str, Any]) -> list[Table]:
    """The tables of a report; the protocol's name says which they are."""
    return _maker(report).tables(report["results"])


def _maker(report: dict[str, Any]) -> ModuleType:
    return import_module(f"{__name__}.{_name(report).replace('-', '_')}")


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
    if not isinstance(report, dict) or _name({"protocol": "", **report}) not in PROTOCOLS:
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
    parts = [f"## {_maker(report).TITLE}", _circumstances(report)]
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
    files = [folder / f"{name}.json" for name in PROTOCOLS]
    reports = [read(file) for file in files if file.is_file()]
    if not reports:
        raise InputError(f"{folder}: no results: {', '.join(PROTOCOLS)}")
    with atomic(folder / "index.md") as temporary:
        temporary.write_text(page(reports), "utf-8")
