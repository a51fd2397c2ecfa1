"""``mien report``: one page about what ``mien analyze`` has found."""

from pathlib import Path

from mien.errors import UsageError
from mien.jobs.report.page import Page
from mien.jobs.report.read import Results
from mien.media.files import atomic

NAME = "report.html"


def run_report(results: str | Path, out: str | Path | None = None) -> Path:
    """Writes a page about a folder of results; returns its path.

    results: the ``--out`` of ``mien analyze``, or one table of faces in it where it has several.
    out: by default report.html in that folder. The page is one file: it holds its pictures and
    drawings, runs no scripts and asks for nothing from anywhere.

    Raises InputError when there are no results or they cannot be read, UsageError when there are
    several tables or ``out`` is no HTML file, MienError when the page cannot be written.
    """
    found = Results.open(Path(results))
    out = found.folder / NAME if out is None else Path(out)
    if out.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"{out}: a report is written as .html")
    page = Page(found)
    for clip in found.clips():
        page.add(clip)
    with atomic(out) as temporary:
        temporary.write_text(page.markup(), encoding="utf-8", errors="replace")
    return out
