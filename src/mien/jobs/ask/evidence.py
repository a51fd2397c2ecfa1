"""What is measured of the people in a photo or a video, frame by frame, and how it is cited."""

from array import array
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from mien.errors import InputError
from mien.face import ACTION_UNITS, BLENDSHAPES, EMOTIONS, OUTPUTS, TRAITS, Face, gaze_of
from mien.find.finder import FaceFinder
from mien.find.perception import USUAL, Reader
from mien.jobs.stream import Reading, measured
from mien.jobs.terminal import CtrlC

CURVES = {
    "smile": ("mouthSmileLeft", "mouthSmileRight"),
    "closed": ("eyeBlinkLeft", "eyeBlinkRight"),
    "jaw": ("jawOpen",),
}
"""Columns that are the mean of some curves."""

UNITS = OUTPUTS["action_units"]
COLUMNS: dict[str, tuple[str, ...]] = {
    "pose": ("x", "size", "yaw", "pitch", "roll", "turned"),
    "expression": tuple(CURVES),
    "action_units": UNITS,
    "emotion": EMOTIONS,
    "affect": ("valence", "arousal"),
    "gaze": ("gaze_yaw", "gaze_pitch", "away"),
    "traits": tuple(f"has_{trait}" for trait in TRAITS),
    "quality": ("quality",),
    "confidence": tuple(f"confidence_{output}" for output in USUAL),
}
"""What is kept of a face, by output: x of its middle and size in pixels, degrees, ``turned`` away
from the camera to either side, ``away`` from the camera's axis; else as in ``Readings``."""

NAMES = tuple(name for names in COLUMNS.values() for name in names)
OUTPUT_OF = {name: output for output, names in COLUMNS.items() for name in names}
MOST = 400_000  # faces of one input that are kept, in some 90 MB


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing that was measured and that an answer rests on.

    what: a column, an action unit (``AU12``), an emotion or an event (``blink``). name: in words.
    person: number. value: in ``unit``. start, end: seconds; equal for one moment, None in photos.
    share: 0..1 of the frames in which it was told. confidence: 0..1, mean over these, where there
    is one.
    """

    what: str
    name: str
    person: int
    value: float | None = None
    unit: str = ""
    start: float | None = None
    end: float | None = None
    share: float | None = None
    confidence: float | None = None

    def row(self) -> dict[str, Any]:
        """As JSON can hold it, without what is not known."""
        return {
            key: round(value, 3) + 0.0 if isinstance(value, float) else value
            for key, value in asdict(self).items()
            if value not in (None, "")
        }


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """One face of a photo, or one track of a video.

    number: from 1, in a photo from left to right, in a video as they come. track: its number in
    tables of ``mien analyze``. times: (n,) seconds. table: (n, len(NAMES)) float32; NaN where
    something was not told, or the face is not seen.
    """

    number: int
    track: int | None
    times: np.ndarray
    table: np.ndarray

    def column(self, name: str) -> np.ndarray:
        """(n,) values, NaN where there is none."""
        return self.table[:, NAMES.index(name)].astype(np.float64)

    def columns(self, output: str) -> np.ndarray:
        """(n, k) columns of an output."""
        start = NAMES.index(COLUMNS[output][0])
        return self.table[:, start : start + len(COLUMNS[output])].astype(np.float64)

    @property
    def frames(self) -> int:
        """In how many frames the face is seen."""
        return int(np.isfinite(self.column("x")).sum())

    def told(self, output: str) -> float:
        """Share of its frames in which an output was told."""
        found = int(np.isfinite(self.columns(output)[:, 0]).sum())
        return found / self.frames if self.frames else 0.0

    def confidence(self, output: str) -> float | None:
        """Mean over the frames in which an output was told, if there are any, otherwise over all.

        None where it was not asked for, and for the pose.
        """
        if output not in USUAL:
            return None
        values = self.column(f"confidence_{output}")
        told = values[np.isfinite(self.columns(output)[:, 0])]
        known = told if np.isfinite(told).any() else values
        return float(np.nanmean(known)) if np.isfinite(known).any() else None

    def within(self, start: float, end: float) -> "Person":
        """From ``start`` to ``end`` seconds alone."""
        inside = (self.times >= start) & (self.times <= end)
        return replace(self, times=self.times[inside], table=self.table[inside])


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What was seen in one input.

    people: those in it, see :class:`Person`. times: (n,) seconds of the frames that were looked at.
    damage: what is wrong with a file of which a part could be read.
    """

    source: str
    is_video: bool
    times: np.ndarray
    people: tuple[Person, ...]
    damage: str | None = None

    @property
    def frames(self) -> int:
        """How many were looked at."""
        return len(self.times)

    def within(self, start: float, end: float) -> "Seen":
        """From ``start`` to ``end`` seconds alone."""
        inside = (self.times >= start) & (self.times <= end)
        parts = (person.within(start, end) for person in self.people)
        people = tuple(person for person in parts if person.frames)
        return replace(self, times=self.times[inside], people=people)

    def at(self, seconds: float) -> "Seen":
        """The frame that is nearest, as if it were a photo."""
        nearest = float(self.times[np.abs(self.times - seconds).argmin()])
        return replace(self.within(nearest, nearest), is_video=False)


def look(source: str, finder: FaceFinder, reader: Reader | None, every: int = 1) -> Seen:
    """Measure every ``every``-th frame of one input.

    Raises InputError where it cannot be used, or is too long to be kept in memory.
    """
    collected = Collector()
    steps = measured([source], finder, None, every, True, 8, reader)
    with CtrlC() as ctrl_c, closing(steps):
        for reading, frame, faces in steps:
            ctrl_c.reading = reading
            if frame is None:
                return _seen(reading, collected)
            collected.add(frame.time, faces)
            if collected.rows > MOST:
                raise InputError(f"{source}: more than {MOST} faces; look at fewer with --every N")
    raise InputError(f"{source}: nothing could be read")


class Collector:
    """Gathers faces, frame by frame; a face's track, or its place from left to right, is who."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.rows = 0
        self._frames: dict[tuple[int | None, int], array[int]] = {}
        self._values: dict[tuple[int | None, int], array[float]] = {}

    def add(self, time: float, faces: Sequence[Face]) -> None:
        """The faces of a frame; a time that does not rise is a frame shown twice."""
        if self.times and time <= self.times[-1]:
            return
        self.times.append(time)
        for place, face in enumerate(sorted(faces, key=lambda face: float(face.box[0]))):
            who = (face.track, 0) if face.track is not None else (None, place)
            frames = self._frames.setdefault(who, array("l"))
            if frames and frames[-1] == len(self.times) - 1:
                continue
            frames.append(len(self.times) - 1)
            self._values.setdefault(who, array("f")).extend(row_of(face))
            self.rows += 1

    def people(self) -> tuple[Person, ...]:
        """Those who were seen, with NaN for the frames between in which they were not."""
        times = np.array(self.times, np.float64)
        out = []
        for number, (who, frames) in enumerate(self._frames.items(), 1):
            places = np.array(frames)
            rows = np.array(self._values[who], np.float32).reshape(-1, len(NAMES))
            span = slice(int(places[0]), int(places[-1]) + 1)
            table = np.full((span.stop - span.start, len(NAMES)), np.nan, np.float32)
            table[places - span.start] = rows
            out.append(Person(number, who[0], times[span], table))
        return tuple(out)


def row_of(face: Face) -> list[float]:
    """The values of ``NAMES``."""
    row = dict.fromkeys(NAMES, np.nan)
    x0, y0, x1, y1 = (float(v) for v in face.box)
    row |= {"x": (x0 + x1) / 2, "size": (x1 - x0 + y1 - y0) / 2}
    if face.pose is not None:
        yaw, pitch, roll = face.pose.yaw, face.pose.pitch, face.pose.roll
        row |= {"yaw": yaw, "pitch": pitch, "roll": roll, "turned": abs(yaw)}
    said = face.readings
    if said is None:
        return list(row.values())
    row |= {f"confidence_{name}": said.confidence.get(name, np.nan) for name in USUAL}
    if said.expression is not None:
        for name, curves in CURVES.items():
            row[name] = float(said.expression[[BLENDSHAPES.index(c) for c in curves]].mean())
    for output, values in (
        ("action_units", said.action_units), ("emotion", said.emotion), ("traits", said.traits),
    ):  # fmt: skip
        if values is not None:
            row |= zip(COLUMNS[output], (float(v) for v in values), strict=True)
    if said.valence is not None and said.arousal is not None:
        row |= {"valence": said.valence, "arousal": said.arousal}
    if said.quality is not None:
        row["quality"] = said.quality
    if said.gaze is not None:
        yaw, pitch = gaze_of(said.gaze, face.pose)
        ahead = np.cos(np.radians(yaw)) * np.cos(np.radians(pitch))
        away = float(np.degrees(np.arccos(np.clip(ahead, -1, 1))))
        row |= {"gaze_yaw": float(yaw), "gaze_pitch": float(pitch), "away": away}
    return list(row.values())


def unit_column(number: int) -> str | None:
    """The column of an action unit; None for one that is not measured."""
    return UNITS[ACTION_UNITS.index(number)] if number in ACTION_UNITS else None


def _seen(reading: Reading, collected: Collector) -> Seen:
    if not reading.frames:
        raise InputError(reading.error or f"{reading.name}: no frames")
    return Seen(
        source=reading.name,
        is_video=reading.is_video,
        times=np.array(collected.times),
        people=collected.people(),
        damage=reading.error,
    )
