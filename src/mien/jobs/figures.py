"""Figures of the faces in a video, gathered frame by frame in bounded memory."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mien.face import Face
from mien.measure.events import BLINK, SMILE, Event, Rule, find_events
from mien.media import charts
from mien.media.files import atomic

MOMENTS = 1400  # of a face at most; twice as many as a chart shows
FACES = 3  # figures of a video: of those that are seen longest
LEAST_SECONDS = 10.0  # from which on blinks per minute are told
KEPT = 16  # faces that are remembered while it is not known which will be seen longest
CHUNK, LONGEST = 256, 10_000  # frames of a curve in which events are looked for


class Figures:
    """What is read in each face of a video, over time."""

    def __init__(self) -> None:
        self._faces: dict[int, _Followed] = {}

    def add(self, time: float, faces: Sequence[Face]) -> None:
        """Add a frame at ``time`` seconds."""
        seen = {face.track or 0: face for face in faces if face.readings is not None}
        for track, face in seen.items():
            self._faces.setdefault(track, _Followed()).add(time, charts.row_of(face))
        for track in self._faces.keys() - seen.keys():
            self._faces[track].miss(time)
        if len(self._faces) > KEPT:
            absent = self._faces.keys() - seen.keys()
            for track in sorted(absent, key=lambda track: self._faces[track].frames)[:1]:
                del self._faces[track]

    def charts(self, name: str) -> list[tuple[int, str]]:
        """Track and chart (SVG) of the faces of a video that were seen longest."""
        longest = sorted(self._faces.items(), key=lambda item: -item[1].frames)[:FACES]
        pairs = [
            (track, followed.chart(f"{name}, face #{track}"))
            for track, followed in sorted(longest, key=lambda item: item[0])
        ]
        return [(track, chart) for track, chart in pairs if chart is not None]


def write_svg(path: Path, svg: str) -> None:
    """Write a drawing as a file; raises MienError when it cannot be written."""
    with atomic(path) as temporary:
        temporary.write_text(svg, encoding="utf-8")


class _Followed:
    """One face: at most ``MOMENTS`` means over equally many frames each, and its events."""

    def __init__(self) -> None:
        self.frames = 0
        self._times: list[float] = []
        self._rows: list[np.ndarray] = []
        self._waiting: list[tuple[float, np.ndarray]] = []
        self._frames_each = 1
        self._blinks, self._smiles = EventStream(BLINK), EventStream(SMILE)

    def add(self, time: float, row: np.ndarray) -> None:
        self.frames += 1
        curves = row[charts.EDGES[-1] :]
        self._blinks.add(time, float(curves[list(charts.LIDS)].mean()))
        self._smiles.add(time, float(curves[list(charts.SMILE)].mean()))
        self._waiting.append((time, row.astype(np.float32)))
        if len(self._waiting) < self._frames_each:
            return
        self._settle()
        if len(self._rows) == MOMENTS:
            whole = charts.series_of(np.array(self._times), np.array(self._rows))
            half = charts.thinned(whole, MOMENTS // 2)
            self._times = half.times.tolist()
            self._rows = list(np.hstack([half.values[name] for name in charts.WIDTHS]))
            self._frames_each *= 2

    def miss(self, time: float) -> None:
        """The face is not in this frame, which ends its events."""
        self._blinks.add(time, np.nan)
        self._smiles.add(time, np.nan)

    def chart(self, title: str) -> str | None:
        if self._waiting:
            self._settle()
        blinks, seconds = self._blinks.found(), self._blinks.seconds
        series = charts.series_of(np.array(self._times), np.array(self._rows))
        return charts.face_chart(series, marks(blinks, self._smiles.found(), seconds), title)

    def _settle(self) -> None:
        """Make one moment of the frames that wait."""
        times, rows = zip(*self._waiting, strict=True)
        series = charts.thinned(charts.series_of(np.array(times), np.array(rows)), 1)
        self._times.append(float(series.times[0]))
        self._rows.append(np.hstack([series.values[name] for name in charts.WIDTHS])[0])
        self._waiting = []


def marks(blinks: Sequence[Event], smiles: Sequence[Event], seconds: float) -> charts.Marks:
    """Events as charts show them; seconds: for how long blinks could be seen."""
    return charts.Marks(
        blinks=[event.apex for event in blinks],
        smiles=[(event.onset, event.offset) for event in smiles],
        blink_rate=60 * len(blinks) / seconds if seconds >= LEAST_SECONDS else None,
    )


class EventStream:
    """The events in a curve that comes value by value; it holds little more than one event."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self.seconds = 0.0  # for which the curve is known
        self._events: list[Event] = []
        self._times: list[float] = []
        self._values: list[float] = []
        self._last_above = -np.inf

    def add(self, time: float, value: float) -> None:
        """The next value; NaN where it is not known. A time that is not later is left out."""
        if self._times and time <= self._times[-1]:
            return
        if self._times and np.isfinite([value, self._values[-1]]).all():
            self.seconds += time - self._times[-1]
        self._times.append(time)
        self._values.append(value)
        if value >= self._rule.fall:
            self._last_above = time
        quiet = not value >= self._rule.fall and time - self._last_above > self._rule.gap
        if (quiet and len(self._times) >= CHUNK) or len(self._times) >= LONGEST:
            self._events += self._in_hand()
            # The last value stays: an event that begins with the next one needs it.
            self._times, self._values = self._times[-1:], self._values[-1:]

    def found(self) -> list[Event]:
        """The events so far."""
        return self._events + self._in_hand()

    def _in_hand(self) -> list[Event]:
        return find_events(np.array(self._times), np.array(self._values), self._rule)
