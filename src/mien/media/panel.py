"""A panel beside a picture: what is read in each face, in words, bars and a dot."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mien.face import ACTION_UNITS, EMOTIONS, Face
from mien.media.draw import colour_of
from mien.media.lettering import Colour, width_of, write
from mien.media.names import EMOTION_COLOURS, UNIT_NAMES, paired_curves, sides

GROUND: Colour = (19, 22, 28)
TRACK: Colour = (44, 49, 60)  # of a bar: where it could reach
DIM: Colour = (142, 150, 166)
BRIGHT: Colour = (236, 239, 245)
UNIT_BAR: Colour = (92, 170, 255)
CURVE_BAR: Colour = (94, 214, 158)
VALENCE: Colour = (246, 190, 50)

LINES_IN_SIDE = 40  # lines of text in the shorter side of a picture
SMALLEST_TEXT = 9  # pixels
WIDTH = 17  # lines of text
LEAST_CARD = 5  # rows of a card that says anything; further faces are only counted
SQUARE_FROM = 18  # rows from which on valence and arousal are a dot in a square
STAY = 3.0  # seconds for which an empty card keeps its place
FADE = 1.5  # seconds in which the strength of a bar that is shown falls to a third
AHEAD = 0.1  # by which another must be stronger, of 1, to take its place
UNKNOWN = "-"
MAXIMUM = 5.0  # of an action unit


class Panel:
    """The panel of one picture or video: as wide in every frame, each face where it was before.

    height, width: of the pictures. Those too low for one line of each kind get none.
    """

    def __init__(self, height: int, width: int) -> None:
        self._text = max(SMALLEST_TEXT, round(min(height, width) / LINES_IN_SIDE))
        self._row = round(1.32 * self._text)
        self._most = max(height // (LEAST_CARD * self._row), 0)
        self.height, self.width = height, WIDTH * self._text if self._most else 0
        self._places: list[int | None] = []  # the track in each card
        self._seen: list[float] = []  # when each card had a face last
        self._people: dict[int | None, _Person] = {}

    def beside(self, image: np.ndarray, faces: Sequence[Face], time: float = 0.0) -> np.ndarray:
        """A picture (H, W + width, 3) with the panel at its right."""
        if not self.width:
            return image
        panel = np.full((self.height, self.width, 3), GROUND, np.uint8)
        self._forget(time)
        shown = self._placed(faces, time)
        height = self.height // max(len(self._places), 1)
        for place, face in shown:
            part = panel[place * height : (place + 1) * height]
            _Card(part, self._text, self._row, self._person(face, time)).draw(face)
        if not faces:
            write(panel, "no face", (self._text, self._row // 2), self._text, DIM)
        if len(faces) > len(shown):
            more = f"{len(faces) - len(shown)} more"
            corner = self.width - self._text, self.height - self._text
            write(panel, more, corner, self._text, DIM, right=True)
        return np.hstack([image, panel])

    def _forget(self, time: float) -> None:
        """Give up the last cards, but one, when nobody has been in them for some time."""
        while len(self._seen) > 1 and time - self._seen[-1] > STAY:
            self._places.pop()
            self._seen.pop()

    def _placed(self, faces: Sequence[Face], time: float) -> list[tuple[int, Face]]:
        """The largest faces, each in the card of its track; a new one takes a card nobody is in."""
        largest = sorted(faces, key=lambda face: -float(np.prod(face.box[2:] - face.box[:2])))
        shown = sorted(largest[: self._most], key=lambda face: face.track or 0)
        tracks = {face.track for face in shown}
        found, homeless = [], []
        for face in shown:
            known = face.track is not None and face.track in self._places
            if known:
                found.append((self._places.index(face.track), face))
            else:
                homeless.append(face)
        free = [i for i, track in enumerate(self._places) if track is None or track not in tracks]
        for face in homeless:
            if not free:
                free.append(len(self._places))
                self._places.append(None)
                self._seen.append(time)
            self._places[free[0]] = face.track
            found.append((free.pop(0), face))
        for place, _ in found:
            self._seen[place] = time
        return found

    def _person(self, face: Face, time: float) -> "_Person":
        """What is remembered of a track; only of those in a card."""
        self._people = {t: p for t, p in self._people.items() if t in self._places}
        if face.track is None:
            return _Person(time)
        person = self._people.setdefault(face.track, _Person(time))
        person.passed, person.time = time - person.time, time
        return person


@dataclass
class _Person:
    """A track: when it was last seen, how long before that, and which bars are shown."""

    time: float
    passed: float = 0.0
    bars: "dict[str, _Strongest]" = field(default_factory=dict)

    def strongest(self, kind: str, values: np.ndarray, count: int) -> list[int]:
        bars = self.bars.setdefault(kind, _Strongest(np.zeros(len(values))))
        return bars.pick(values, self.passed, count)


@dataclass
class _Strongest:
    """Which values are shown: those that were strong lately, in places that seldom change."""

    recent: np.ndarray
    shown: list[int] = field(default_factory=list)

    def pick(self, values: np.ndarray, passed: float, count: int) -> list[int]:
        self.recent = np.maximum(values, self.recent * np.exp(-passed / FADE))
        ranked = np.argsort(-self.recent, kind="stable").tolist()
        self.shown = self.shown[:count] or ranked[:count]
        waiting = [index for index in ranked[:count] if index not in self.shown]
        for index in waiting:
            weakest = min(self.shown, key=lambda i: self.recent[i])
            if self.recent[index] > self.recent[weakest] + AHEAD:
                self.shown[self.shown.index(weakest)] = index
        missing = [index for index in ranked if index not in self.shown]
        self.shown += missing[: count - len(self.shown)]
        for place in range(len(self.shown) - 1):  # the stronger rise, one step in each frame
            upper, lower = self.shown[place : place + 2]
            if self.recent[lower] > self.recent[upper] + AHEAD:
                self.shown[place : place + 2] = lower, upper
        return self.shown


class _Card:
    """One face's part of the panel, written from top to bottom."""

    def __init__(self, image: np.ndarray, text: int, row: int, person: _Person) -> None:
        self.image, self.text, self.row, self.person = image, text, row, person
        self.left, self.right = text, image.shape[1] - text
        self.y = row // 3
        self.rows = (image.shape[0] - row // 3) / row

    def draw(self, face: Face) -> None:
        self._heading(face)
        readings = face.readings
        if readings is None:
            self._pose(face)
            return
        self._emotion(readings.emotion)
        self._affect(readings.valence, readings.arousal)
        self._pose(face)
        self._gaze(readings.gaze)
        left = int((self.image.shape[0] - self.y) / self.row)
        each = min((left - 3) // 2, 9)
        if each < 1:
            each = min(left, 9)
            self._units(readings.action_units, each, titled=False)
            return
        self._units(readings.action_units, each, titled=True)
        self._curves(readings.expression, each)

    def _write(self, text: str, x: int, colour: Colour, size: int = 0, right=False) -> None:
        size = size or self.text
        top = self.y + (self.row - size) // 2
        write(self.image, text, (x, top), size, colour, right)

    def _heading(self, face: Face) -> None:
        colour = colour_of(face.track)
        self.image[: max(self.row // 6, 2)] = colour
        name = "face" if face.track is None else f"#{face.track}"
        self._write(name, self.left, BRIGHT)
        quality = None if face.readings is None else face.readings.quality
        if quality is not None:
            self._write(f"quality {quality:.2f}", self.right, DIM, right=True)
        self.y += self.row

    def _emotion(self, emotion: np.ndarray | None) -> None:
        """The word, its probability, and below it all eight as parts of a line."""
        size = round(1.45 * self.text)
        if emotion is None:
            self._write("not sure", self.left, DIM, size)
        else:
            best = int(np.argmax(emotion))
            colour = EMOTION_COLOURS[EMOTIONS[best]]
            self._write(f"looks {_LOOKS[EMOTIONS[best]]}", self.left, colour, size)
            self._write(f"{100 * emotion[best]:.0f} %", self.right, BRIGHT, right=True)
        self.y += round(1.5 * self.row)
        height = max(self.row // 3, 2)
        bar = self.image[self.y : self.y + height, self.left : self.right]
        bar[:] = TRACK
        if emotion is not None:
            total = max(float(emotion.sum()), 1e-9)
            edges = np.rint(np.cumsum([0, *emotion]) / total * bar.shape[1]).astype(int)
            for name, start, end in zip(EMOTIONS, edges, edges[1:], strict=False):
                bar[:, start:end] = EMOTION_COLOURS[name]
        self.y += height + self.row // 3

    def _affect(self, valence: float | None, arousal: float | None) -> None:
        values = (("valence", valence), ("arousal", arousal))
        if self.rows < SQUARE_FROM:
            if self.rows >= 2 * LEAST_CARD:
                for name, value in values:
                    self._bar(name, None if value is None else (value,), VALENCE, signed=True)
            return
        side = 4 * self.row
        top, left = self.y, self.right - side
        square = self.image[top : top + side, left : left + side]
        square[:] = TRACK
        square[side // 2, :] = square[:, side // 2] = DIM
        self.y += self.row // 2
        for name, value in values:
            self._write(name, self.left, DIM)
            said = UNKNOWN if value is None else f"{value:+.2f}"
            self._write(said, left - self.text, BRIGHT, right=True)
            self.y += self.row
        if valence is not None and arousal is not None:
            _dot(square, (valence + 1) / 2, (1 - arousal) / 2, 0.4 * self.text, VALENCE)
        self.y = top + side + self.row // 3

    def _pose(self, face: Face) -> None:
        if self.rows < LEAST_CARD + 1:
            return
        pose = face.pose
        angles = None if pose is None else (pose.yaw, pose.pitch)
        self._angles("head", angles)

    def _gaze(self, gaze: np.ndarray | None) -> None:
        if self.rows >= LEAST_CARD + 2:
            known = None if gaze is None else gaze[np.isfinite(gaze).all(axis=1)]
            angles = known.mean(0).tolist() if known is not None and len(known) else None
            self._angles("eyes", angles)

    def _angles(self, name: str, angles: Sequence[float] | None) -> None:
        """How far to the side and up, in degrees."""
        self._write(name, self.left, DIM)
        if angles is None:
            self._write(UNKNOWN, self.right, DIM, right=True)
        else:
            across = _aside(angles[0], "right", "left")
            along = _aside(angles[1], "up", "down")
            self._write(across, (self.left + self.right) // 2 + 2 * self.text, BRIGHT, right=True)
            self._write(along, self.right, BRIGHT, right=True)
        self.y += self.row

    def _title(self, text: str, known: bool) -> None:
        self.y += self.row // 4
        self._write(text, self.left, DIM)
        if not known:
            self._write(UNKNOWN, self.right, DIM, right=True)
        self.y += self.row

    def _units(self, units: np.ndarray | None, count: int, titled: bool) -> None:
        if titled:
            self._title("action units", units is not None)
        below = self.y + count * self.row  # also where nothing is known: what follows stays put
        if units is not None:
            for index in self.person.strongest("units", units / MAXIMUM, count):
                number = ACTION_UNITS[index]
                name = f"{number} {UNIT_NAMES[number]}"
                self._bar(name, (float(units[index]) / MAXIMUM,), UNIT_BAR)
        self.y = below

    def _curves(self, curves: np.ndarray | None, count: int) -> None:
        self._title("curves, right and left side", curves is not None)
        if curves is not None:
            both = sides(curves)
            for index in self.person.strongest("curves", both.max(1), count):
                self._bar(paired_curves()[index][0], tuple(both[index]), CURVE_BAR)

    def _bar(
        self, name: str, values: tuple[float, ...] | None, colour: Colour, signed: bool = False
    ) -> None:
        """A name and a bar for each value: 0..1, or -1..1 from its middle."""
        strong = values is not None and max(map(abs, values)) >= 0.1
        self._write(_fitted(name, 8 * self.text, self.text), self.left, BRIGHT if strong else DIM)
        start = self.left + round(8.4 * self.text)
        height = max(self.row // 2, 2)
        top = self.y + (self.row - height) // 2
        bar = self.image[top : top + height, start : self.right]
        bar[:] = TRACK
        if values is not None:
            for value, part in zip(values, np.array_split(bar, len(values)), strict=True):
                _fill(part, value, colour, signed)
        self.y += self.row


_LOOKS = {
    **{"neutral": "neutral", "happiness": "happy", "sadness": "sad", "surprise": "surprised"},
    **{"fear": "afraid", "disgust": "disgusted", "anger": "angry", "contempt": "contemptuous"},
}


def _aside(angle: float, more: str, less: str) -> str:
    """An angle in words, as ``left 5°``."""
    degrees = round(angle)
    side = more if degrees > 0 else less if degrees < 0 else ""
    return f"{side} {abs(degrees)}°".strip()


def _fitted(text: str, width: int, size: int) -> str:
    """The text, shortened where it is wider than that."""
    while text and width_of(text, size) > width:
        text = text[:-2].rstrip() + "." if len(text) > 2 else ""
    return text


def _fill(bar: np.ndarray, value: float, colour: Colour, signed: bool) -> None:
    """Fill a bar up to its value, the last pixel in part."""
    width = bar.shape[1]
    ends = sorted((0.5, (np.clip(value, -1, 1) + 1) / 2)) if signed else (0.0, np.clip(value, 0, 1))
    columns = np.arange(width)
    cover = np.clip(ends[1] * width - columns, 0, 1) - np.clip(ends[0] * width - columns, 0, 1)
    bar[:] = bar + (np.array(colour) - bar) * cover[None, :, None]


def _dot(image: np.ndarray, x: float, y: float, radius: float, colour: Colour) -> None:
    """A disc at a place in 0..1 of a square, whole even at its border."""
    rows, columns = np.ogrid[: image.shape[0], : image.shape[1]]
    centre = np.clip([x, y], 0, 1) * (image.shape[0] - 2 * radius) + radius
    away = np.hypot(columns + 0.5 - centre[0], rows + 0.5 - centre[1])
    cover = np.clip(radius + 0.5 - away, 0, 1)[..., None]
    image[:] = image + (np.array(colour) - image) * cover
