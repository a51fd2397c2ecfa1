"""Charts of one face over time: emotion, eyes, head, action units, curves. SVG text."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from mien.face import ACTION_UNITS, BLENDSHAPES, EMOTIONS, Face
from mien.media.names import EMOTION_COLOURS, UNIT_NAMES, in_words, paired_curves
from mien.media.svg import FAINT, INK, Drawing, hexadecimal

WIDTH, LEFT, RIGHT = 920, 170, 14
GAP, TITLE, FOOT = 16, 18, 30  # pixels between charts, over each, and for the time below all
MOST = 700  # moments that are drawn: as many as there are pixels
BARS = 350  # of the emotions
FEW = 40  # moments; a gap in them is wider than LONGEST_STEP of the usual step
LONGEST_STEP = 4.0
TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)

ORANGE, BLUE, GREEN, PURPLE = "#d97706", "#2563eb", "#059669", "#8b5cf6"
GROUND = (246, 247, 250)
HEAT = ((246, 247, 250), (203, 222, 247), (118, 164, 233), (62, 86, 190), (52, 25, 110))
"""From nothing to all, RGB; lighter to darker, so that it also prints in grey."""

WIDTHS = {"pose": 3, "gaze": 2, "lids": 1, "affect": 2, "emotion": len(EMOTIONS),
          "units": len(ACTION_UNITS), "curves": len(BLENDSHAPES)}  # fmt: skip

ROW = sum(WIDTHS.values())
EDGES = np.cumsum(list(WIDTHS.values()))[:-1]
LIDS = (BLENDSHAPES.index("eyeBlinkLeft"), BLENDSHAPES.index("eyeBlinkRight"))
SMILE = (BLENDSHAPES.index("mouthSmileLeft"), BLENDSHAPES.index("mouthSmileRight"))


@dataclass(frozen=True, slots=True)
class Series:
    """One face over time; NaN is what is not known.

    times: (n,) seconds, rising.
    values: (n, k) by name of ``WIDTHS``: pose (yaw, pitch, roll) and gaze (yaw, pitch in the head)
        in degrees; lids, 1 closed; affect (valence, arousal) -1..1; emotion, probabilities of
        ``EMOTIONS``; units, 0..5; curves, 0..1.
    """

    times: np.ndarray
    values: dict[str, np.ndarray] = field(default_factory=dict)

    def has(self, name: str) -> bool:
        """Whether anything is known of that."""
        return name in self.values and bool(np.isfinite(self.values[name]).any())


def row_of(face: Face) -> np.ndarray:
    """(``ROW``,) all values of a face, in the order of ``WIDTHS``; NaN for what is not known."""
    row = np.full(ROW, np.nan)
    parts = dict(zip(WIDTHS, np.split(row, EDGES), strict=True))  # views
    if face.pose is not None:
        parts["pose"][:] = face.pose.yaw, face.pose.pitch, face.pose.roll
    readings = face.readings
    if readings is None:
        return row
    if readings.gaze is not None and (seen := np.isfinite(readings.gaze).all(axis=1)).any():
        parts["gaze"][:] = readings.gaze[seen].mean(axis=0)
    if readings.expression is not None:
        parts["curves"][:] = readings.expression
        parts["lids"][:] = readings.expression[list(LIDS)].mean()
    if readings.valence is not None and readings.arousal is not None:
        parts["affect"][:] = readings.valence, readings.arousal
    if readings.emotion is not None:
        parts["emotion"][:] = readings.emotion
    if readings.action_units is not None:
        parts["units"][:] = readings.action_units
    return row


def series_of(times: np.ndarray, rows: np.ndarray) -> Series:
    """The series of (n,) times and (n, ``ROW``) rows."""
    return Series(times, dict(zip(WIDTHS, np.split(rows, EDGES, axis=1), strict=True)))


@dataclass(frozen=True, slots=True)
class Marks:
    """What is marked in charts. blinks: seconds. smiles: from second to second.

    blink_rate: per minute; None when the time is too short to tell.
    """

    blinks: Sequence[float] = ()
    smiles: Sequence[tuple[float, float]] = ()
    blink_rate: float | None = None


NOTHING = Marks()


def face_chart(series: Series, marks: Marks = NOTHING, title: str = "") -> str | None:
    """All charts of a face below each other, as SVG; None when nothing is known of it."""
    drawn = thinned(series, MOST)
    charts = [chart for chart in _charts(drawn, marks) if drawn.has(chart.name)]
    if not charts or not len(drawn.times):
        return None
    head = 2 * GAP if title else 0
    height = sum(chart.height + TITLE + GAP for chart in charts) + FOOT + head
    drawing = Drawing(WIDTH, height)
    drawing.box(0, 0, WIDTH, height, "#ffffff")
    if title:
        drawing.text(LEFT, 20, title, colour=INK, size=14)
    place = _Place(drawing, drawn.times)
    place.top += head
    for chart in charts:
        drawing.text(LEFT, place.top + 12, chart.title, colour=INK, size=12)
        place.top += TITLE
        chart.draw(place, chart.height)
        place.top += chart.height + GAP
    place.seconds()
    return drawing.markup()


@dataclass(frozen=True, slots=True)
class _Chart:
    name: str
    title: str
    height: int
    draw: "Callable[[_Place, int], None]"


def _charts(series: Series, marks: Marks) -> list[_Chart]:
    def values(name: str) -> np.ndarray:
        return series.values[name]

    def lines(name: str, labels: Sequence[str], colours: Sequence[str], least: float, fixed=False):
        def draw(place: _Place, height: int) -> None:
            _lines(place, height, values(name), labels, colours, least, fixed)

        return draw

    units = [f"{number} {UNIT_NAMES[number]}" for number in ACTION_UNITS]
    order = [index for _, *pair in paired_curves() for index in dict.fromkeys(pair)]
    curves = [in_words(BLENDSHAPES[index]) for index in order]
    rate = "" if marks.blink_rate is None else f": {marks.blink_rate:.0f} per minute"
    degrees = (ORANGE, BLUE, GREEN)
    return [
        _Chart("emotion", "apparent emotion, probabilities on each other; lines above: smiles", 110,
               lambda place, height: _stack(place, height, values("emotion"), marks.smiles)),
        _Chart("affect", "apparent valence and arousal", 70,
               lines("affect", ("valence", "arousal"), degrees, 1, True)),
        _Chart("lids", f"closure of the eyes; each mark is a blink{rate}", 60,
               lambda place, height: _lids(place, height, values("lids")[:, 0], marks.blinks)),
        _Chart("gaze", "eyes in the head, degrees; + is right of the image, up", 70,
               lines("gaze", ("yaw", "pitch"), degrees, 20)),
        _Chart("pose", "head, degrees; + is right of the image, up, clockwise", 80,
               lines("pose", ("yaw", "pitch", "roll"), degrees, 20)),
        _Chart("units", "action units, intensity 0 to 5", 13 * len(units),
               lambda place, height: _heat(place, height, values("units") / 5, units)),
        _Chart("curves", "curves, 0 to 1", 9 * len(curves),
               lambda place, height: _heat(place, height, values("curves")[:, order], curves)),
    ]  # fmt: skip


class _Place:
    """Where on a drawing the next chart comes, and which pixel a second has."""

    def __init__(self, drawing: Drawing, times: np.ndarray) -> None:
        self.drawing, self.times, self.top = drawing, times, 0
        steps = np.diff(times)
        self.step = float(np.median(steps)) if len(steps) else 1.0
        self.start, self.end = float(times[0]), float(times[-1]) + self.step

    def x(self, seconds: np.ndarray | float) -> np.ndarray:
        share = (np.asarray(seconds, float) - self.start) / (self.end - self.start)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def columns(self, count: int) -> np.ndarray:
        """(count,) index of the moment that each column of pixels shows; -1 in a gap."""
        middles = self.start + (np.arange(count) + 0.5) / count * (self.end - self.start)
        after = np.searchsorted(self.times, middles, side="right") - 1
        index = np.clip(after, 0, len(self.times) - 1)
        return np.where(middles - self.times[index] > LONGEST_STEP * self.step, -1, index)

    def seconds(self) -> None:
        """Times under the last chart."""
        span = self.end - self.start
        tick = next((tick for tick in TICKS if span / tick <= 10), span)
        for second in np.arange(np.ceil(self.start / tick) * tick, self.end, tick):
            x = float(self.x(second))
            self.drawing.line(x, self.top - GAP, x, self.top - GAP + 4, FAINT)
            self.drawing.text(x, self.top + 2, clock(second, tick), anchor="middle", size=10)


def clock(seconds: float, step: float = 0.1) -> str:
    """``12.5 s``, or ``1:02`` from a minute on; to tenths where ``step`` is below a second."""
    if seconds < 60 and step < 1:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def thinned(series: Series, most: int) -> Series:
    """At most so many moments, each the mean of what was known; of the lids the most closed."""
    count = len(series.times)
    if count <= most:
        return series
    starts = np.unique(np.linspace(0, count, most, endpoint=False).astype(int))
    values = {
        name: _largest(part, starts) if name == "lids" else _means(part, starts)
        for name, part in series.values.items()
    }
    return replace(series, times=series.times[starts], values=values)


def _means(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    known = np.isfinite(values)
    count = np.add.reduceat(known, starts, axis=0, dtype=np.float64)
    total = np.add.reduceat(np.where(known, values, 0), starts, axis=0, dtype=np.float64)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _largest(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    largest = np.maximum.reduceat(np.where(np.isfinite(values), values, -np.inf), starts, axis=0)
    return np.where(np.isfinite(largest), largest, np.nan)


def _stack(
    place: _Place, height: int, emotion: np.ndarray, smiles: Sequence[tuple[float, float]]
) -> None:
    """Probabilities on each other as a picture; a bar over it while somebody smiles."""
    index = place.columns(BARS)
    found = np.where(index[:, None] < 0, np.nan, emotion[index])
    edges = np.cumsum(found / found.sum(1, keepdims=True), axis=1)  # (BARS, 8)
    levels = 1 - (np.arange(height) + 0.5) / height
    which = (levels[:, None, None] > edges[None]).sum(2).clip(0, len(EMOTIONS) - 1)
    colours = np.array([EMOTION_COLOURS[name] for name in EMOTIONS], np.uint8)
    image = np.where(np.isnan(edges[None, :, :1]), GROUND, colours[which]).astype(np.uint8)
    drawing, width = place.drawing, WIDTH - LEFT - RIGHT
    drawing.pixels(LEFT, place.top, width, height, image)
    for row, name in enumerate(EMOTIONS):
        y = place.top + row * height / len(EMOTIONS)
        drawing.box(LEFT - 92, y + 2, 8, 8, hexadecimal(EMOTION_COLOURS[name]))
        drawing.text(LEFT - 79, y + 10, name, size=10.5)
    for start, end in smiles:
        x0, x1 = place.x(start), place.x(end)
        drawing.box(float(x0), place.top - 3, float(x1 - x0), 3, ORANGE)


def _lines(
    place: _Place, height: int, values: np.ndarray, labels: Sequence[str], colours: Sequence[str],
    least: float, fixed: bool,
) -> None:  # fmt: skip
    """A line for each column about zero, the range at least ``least`` to both sides."""
    drawing = place.drawing
    reach = least if fixed else max(least, float(np.nanmax(np.abs(values), initial=0)))
    middle, scale = place.top + height / 2, (height / 2 - 1) / reach
    for level, said in ((-reach, f"{-reach:.0f}"), (0, "0"), (reach, f"+{reach:.0f}")):
        y = middle - level * scale
        drawing.line(LEFT, y, WIDTH - RIGHT, y)
        drawing.text(LEFT - 6, y + 4, said, anchor="end", size=10)
    x = place.x(place.times)
    for row, (label, colour) in enumerate(zip(labels, colours, strict=False)):
        shown = np.clip(values[:, row], -reach, reach)
        drawing.curve(x, middle - _broken(shown, place) * scale, colour)
        y = middle + 4 + (row - (len(labels) - 1) / 2) * 15
        drawing.text(LEFT - 40, y, label, anchor="end", colour=colour)


def _lids(place: _Place, height: int, lids: np.ndarray, blinks: Sequence[float]) -> None:
    drawing, floor = place.drawing, place.top + height
    for level in (0, 1):
        y = floor - level * (height - 8)
        drawing.line(LEFT, y, WIDTH - RIGHT, y)
        drawing.text(LEFT - 6, y + 4, f"{level}", anchor="end", size=10)
    drawing.text(LEFT - 40, floor - height / 2 + 4, "closed", anchor="end", colour=PURPLE)
    shown = _broken(np.clip(lids, 0, 1), place)
    drawing.curve(place.x(place.times), floor - shown * (height - 8), PURPLE)
    for second in blinks:
        x = place.x(second)
        y = np.array([place.top, place.top + 6])
        drawing.area(np.array([x - 3.5, x, x + 3.5]), y[[0, 0, 0]], y[[0, 1, 0]], INK)


def _heat(place: _Place, height: int, values: np.ndarray, labels: Sequence[str]) -> None:
    """A row for each column of values 0..1, darker for more."""
    index = place.columns(min(MOST, max(len(place.times), FEW)))
    shown = np.where(index[:, None] < 0, np.nan, values[index]).T
    place.drawing.pixels(LEFT, place.top, WIDTH - LEFT - RIGHT, height, heat(shown))
    each = height / len(labels)
    for row, label in enumerate(labels):
        y = place.top + (row + 0.5) * each + 3.5
        place.drawing.text(LEFT - 6, y, label, anchor="end", size=min(10.5, each + 0.5))


def heat(values: np.ndarray) -> np.ndarray:
    """RGB (..., 3) uint8 of values 0..1; white where they are NaN."""
    stops = np.linspace(0, 1, len(HEAT))
    known = np.nan_to_num(np.clip(values, 0, 1))
    channels = [np.interp(known, stops, channel) for channel in zip(*HEAT, strict=True)]
    colours = np.where(np.isnan(values), 255, channels)
    return np.moveaxis(colours, 0, -1).astype(np.uint8)


def _broken(values: np.ndarray, place: _Place) -> np.ndarray:
    """The values, with NaN before a gap in time, so that no line crosses it."""
    gaps = np.diff(place.times) > LONGEST_STEP * place.step
    shown = values.astype(np.float64)
    shown[:-1][gaps] = np.nan
    return shown
