"""The page of a report: everything in one file, nothing in it that runs or loads."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from importlib import resources

import numpy as np

from mien import __version__
from mien.face import ACTION_UNITS, EMOTIONS
from mien.jobs.figures import marks
from mien.jobs.report.markup import bar, cells, details, figure, table, text
from mien.jobs.report.moments import moments, photo_thumbnail, thumbnails
from mien.jobs.report.read import Clip, Person, Results
from mien.jobs.terminal import number_of
from mien.measure.events import Event
from mien.measure.summary import Summary, summarise
from mien.media.charts import clock, face_chart, thinned
from mien.media.names import EMOTION_COLOURS, UNIT_NAMES
from mien.media.svg import hexadecimal

CLIPS, PHOTOS, ROWS = 20, 60, 500  # inputs that are shown with charts, as cards, in the table
FACES = 3  # of a clip or photo that are told of
THUMBNAILS, CLIP_THUMBNAILS = 160, 10
EVENTS = 200  # rows of a table of events
UNITS = 6  # action units of a person, the strongest
EMOTIVE = 0.5  # probability from which on an emotion counts as shown
SECURITY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"

HONEST = """
<h2>What this page says, and what it does not</h2>
<p><b>Emotion, valence and arousal are apparent:</b> they say how a face <i>looks</i>, in the words
people use for posed pictures. They do not say what somebody feels, thinks or wants. One look has
many causes, people show the same feeling differently, and light, pose, beards, glasses, age and
image quality change what is read. No decision about a person should rest on them.</p>
<p>Action units and curves are estimates of what moves in the picture. Where the network was not
sure enough nothing is shown: gaps and dashes are not zeros. Blinks and smiles follow fixed rules on
the curves. A face's number (#0, #1, ...) holds within its video and tells nobody's name.</p>
"""


class Page:
    """A report that grows clip by clip; its size is bounded, whatever is added."""

    def __init__(self, results: Results) -> None:
        self._title = results.folder.resolve().name or "results"
        self._table = results.table
        self._clips: list[str] = []
        self._photos: list[str] = []
        self._rows: list[str] = []
        self._left_out: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()
        self._seconds = 0.0
        self._thumbnails = THUMBNAILS

    def add(self, clip: Clip) -> None:
        """Add an input."""
        self._counts["inputs"] += 1
        self._counts["faces"] += clip.report.faces
        self._counts["failed"] += clip.report.error is not None
        self._counts["read"] += any(person.columns().keys() - _POSE for person in clip.people)
        self._counts["pictures"] += clip.picture is not None
        self._seconds += clip.report.duration or 0.0
        self._add_to(self._rows, ROWS, "rows", lambda: _row(clip))
        if clip.people and clip.is_photo:
            self._add_to(self._photos, PHOTOS, "photos", lambda: self._photo(clip))
        elif clip.people:
            self._add_to(self._clips, CLIPS, "clips", lambda: self._clip(clip))

    def markup(self) -> str:
        """The page as HTML."""
        style = (resources.files("mien.jobs.report") / "style.css").read_text(encoding="utf-8")
        return "".join(
            [
                '<!doctype html><html lang="en"><head><meta charset="utf-8">',
                f'<meta http-equiv="Content-Security-Policy" content="{SECURITY}">',
                '<meta name="viewport" content="width=device-width, initial-scale=1">',
                f"<title>{text(self._title)} – mien</title><style>{style}</style></head><body>",
                f"<header><h1>{text(self._title)}</h1>{self._totals()}</header><main>",
                *self._clips,
                self._more("clips", "further videos are in the table below and in the results"),
                self._gallery(),
                self._inputs(),
                f"</main><footer>{HONEST}<p>Made by mien {text(__version__)} on this computer. "
                "The page loads nothing and runs no scripts.</p></footer></body></html>\n",
            ]
        )

    def _add_to(self, parts: list[str], most: int, what: str, make: Callable[[], str]) -> None:
        if len(parts) < most:
            parts.append(make())
        else:
            self._left_out[what] += 1

    def _totals(self) -> str:
        counts = self._counts
        said = [number_of(counts["inputs"], "input"), number_of(counts["faces"], "face row")]
        if self._seconds:
            said.append(f"{clock(self._seconds)} of video")
        if counts["failed"]:
            said.append(f"{counts['failed']} with an error")
        lines = [f'<p class="totals">{" · ".join(said)}</p>']
        if not counts["faces"]:
            lines.append("<p>No face was found.</p>")
        elif not self._table:
            lines.append("<p>There is no table of faces in these results.</p>")
        elif not counts["read"]:
            lines.append(
                "<p>This table has landmarks and pose only: nothing was read in the faces.</p>"
            )
        if counts["faces"] and self._table and not counts["pictures"]:
            lines.append(
                "<p>For pictures, run <code>mien analyze</code> with <code>--annotate</code>.</p>"
            )
        return "".join(lines)

    def _more(self, what: str, where: str) -> str:
        count = self._left_out[what]
        return f'<p class="more">{count} {where}.</p>' if count else ""

    def _clip(self, clip: Clip) -> str:
        report = clip.report
        said = [f"{report.frames} frames", number_of(len(clip.people), "face")]
        if report.duration:
            said.insert(0, clock(report.duration))
        parts = [f"<section><h2>{text(report.source)}</h2><p>{' · '.join(said)}</p>"]
        if report.error:
            parts.append(f'<p class="error">{text(report.error)}</p>')
        parts += [self._person(clip, person) for person in clip.people[:FACES]]
        rest = len(clip.people) - FACES
        if rest > 0:
            parts.append(f'<p class="more">{number_of(rest, "face")} seen more briefly.</p>')
        return "".join([*parts, "</section>"])

    def _person(self, clip: Clip, person: Person) -> str:
        blinks, smiles = person.blinks(), person.smiles()
        shown = marks(blinks, smiles, person.seconds_known())
        summaries = summarise(person.columns(), dict.fromkeys(_known(person, EMOTIONS), EMOTIVE))
        name = "Face" if person.track is None else f"Face #{person.track}"
        return "".join(
            [
                f"<article><h3>{name}</h3>",
                _facts(person, summaries, blinks, smiles, shown.blink_rate),
                self._moments(clip, person),
                f'<div class="chart">{face_chart(person.series, shown) or ""}</div>',
                _events(blinks, smiles),
                _summary(summaries),
                "</article>",
            ]
        )

    def _moments(self, clip: Clip, person: Person) -> str:
        if clip.picture is None or self._thumbnails <= 0:
            return ""
        wanted = moments(person)[: min(CLIP_THUMBNAILS, self._thumbnails)]
        pictures = thumbnails(clip.picture, wanted)
        self._thumbnails -= len(pictures)
        figures = [
            figure(pictures[moment], f"{clock(moment.seconds)}: {moment.what}")
            for moment in wanted
            if moment in pictures
        ]
        return f'<div class="strip">{"".join(figures)}</div>' if figures else ""

    def _photo(self, clip: Clip) -> str:
        boxes = np.concatenate([person.boxes for person in clip.people])
        picture = None
        if clip.picture is not None and self._thumbnails > 0:
            picture = photo_thumbnail(clip.picture, boxes)
            self._thumbnails -= picture is not None
        several = len(clip.people) > 1
        told = [
            _told(person, f"#{number}: " if several else "")
            for number, person in enumerate(clip.people[:FACES])
        ]
        rest = len(clip.people) - FACES
        more = [f"<li>{number_of(rest, 'further face')}</li>"] if rest > 0 else []
        words = f"<b>{text(clip.report.source)}</b><ul>{''.join([*told, *more])}</ul>"
        return figure(picture, words, escaped=True)

    def _gallery(self) -> str:
        if not self._photos:
            return ""
        more = self._more("photos", "further photos are in the results")
        return (
            f'<section><h2>Photos</h2><div class="gallery">{"".join(self._photos)}</div>{more}'
            "</section>"
        )

    def _inputs(self) -> str:
        if not self._rows:
            return ""
        head = ("input", "frames", "seconds", "faces", "looks mostly", "error")
        more = self._more("rows", "further inputs are in sources.jsonl")
        return f"<section><h2>Inputs</h2>{table(head, self._rows)}{more}</section>"


_POSE = {"yaw", "pitch", "roll"}


def _known(person: Person, names: Iterable[str]) -> list[str]:
    columns = person.columns()
    return [name for name in names if name in columns]


def _facts(
    person: Person, summaries: Sequence[Summary], blinks: list[Event], smiles: list[Event],
    rate: float | None,
) -> str:  # fmt: skip
    """A line of the clip's main numbers, and its strongest action units as bars."""
    times, columns = person.series.times, person.columns()
    facts = [f"seen in {number_of(len(times), 'frame')}, {clock(times[0])} to {clock(times[-1])}"]
    looks = sorted(
        ((float(np.nanmean(columns[name])), name) for name in EMOTIONS if name in columns),
        reverse=True,
    )
    if looks:
        facts.append("looks " + ", ".join(f"{name} {100 * mean:.0f} %" for mean, name in looks[:2]))
    if "eyeBlinkLeft" in columns:
        often = "" if rate is None else f", {rate:.0f} per minute"
        facts += [number_of(len(blinks), "blink") + often, number_of(len(smiles), "smile")]
    for name in ("valence", "arousal"):
        if name in columns:
            facts.append(f"{name} {np.nanmean(columns[name]):+.2f}")
    return f"<p>{' · '.join(map(text, facts))}</p>{_strongest(summaries)}"


def _strongest(summaries: Sequence[Summary]) -> str:
    """The action units that are shown most."""
    units = [s for s in summaries if s.column in _UNIT_COLUMNS and s.active]
    units = sorted(units, key=lambda summary: -(summary.active or 0))[:UNITS]
    bars = "".join(
        f"<li>{bar((s.active or 0), '#3b82f6')} {text(_UNIT_COLUMNS[s.column])}, "
        f"{100 * (s.active or 0):.0f} %</li>"
        for s in units
    )
    title = "Action units, share of the time at intensity 1 or more:"
    return f'<p class="more">{title}</p><ul class="bars">{bars}</ul>' if bars else ""


_UNIT_COLUMNS = {f"AU{n:02}": f"{n} {UNIT_NAMES[n]}" for n in ACTION_UNITS}


def _told(person: Person, name: str) -> str:
    """One face of a photo, in a few words after its name."""
    values = {name: float(column[0]) for name, column in person.columns().items()}
    said = []
    emotions = {name: values[name] for name in EMOTIONS if name in values}
    if emotions:
        best = max(emotions, key=lambda name: emotions[name])
        colour = hexadecimal(EMOTION_COLOURS[best])
        said.append(f"{bar(emotions[best], colour)} looks {best}, {100 * emotions[best]:.0f} %")
    elif values.keys() - _POSE:
        said.append("emotion: not sure")
    units = {name: value for name, value in values.items() if value >= 1 and name in _UNIT_COLUMNS}
    strongest = sorted(units, key=lambda name: -units[name])[:3]
    said += [f"{text(_UNIT_COLUMNS[name])} {units[name]:.1f}" for name in strongest]
    if not emotions and "yaw" in values:
        said.append(f"yaw {values['yaw']:.0f}°, pitch {values['pitch']:.0f}°")
    return f"<li>{name}{'; '.join(said) or 'not sure'}</li>"


def _events(blinks: list[Event], smiles: list[Event]) -> str:
    found = sorted(
        [("blink", blink) for blink in blinks] + [("smile", smile) for smile in smiles],
        key=lambda item: item[1].onset,
    )
    if not found:
        return ""
    rows = [
        cells([kind, *(f"{v:.2f}" for v in (e.onset, e.apex, e.offset, e.duration, e.peak)),
               "" if e.whole else "cut off"])
        for kind, e in found[:EVENTS]
    ]  # fmt: skip
    more = f"<p>{len(found) - EVENTS} more.</p>" if len(found) > EVENTS else ""
    head = ("event", "onset (s)", "apex (s)", "offset (s)", "duration (s)", "peak", "")
    return details(number_of(len(found), "event"), table(head, rows) + more)


def _summary(summaries: Sequence[Summary]) -> str:
    if not summaries:
        return ""
    rows = [
        cells([s.column, s.frames, *map(_rounded, (s.mean, s.sd, s.min, s.max)),
                "" if s.active is None else f"{100 * s.active:.0f} %"])
        for s in summaries
    ]  # fmt: skip
    head = ("column", "frames", "mean", "sd", "least", "most", "active")
    return details("Summary of all columns", table(head, rows))


def _row(clip: Clip) -> str:
    report = clip.report
    means = [
        np.nan_to_num(thinned(person.series, 1).values["emotion"][0])
        for person in clip.people
        if person.series.has("emotion")
    ]
    looks = EMOTIONS[int(np.sum(means, axis=0).argmax())] if means else ""
    seconds = "" if not report.duration else f"{report.duration:.1f}"
    return cells([report.source, report.frames, seconds, report.faces, looks, report.error or ""])


def _rounded(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
