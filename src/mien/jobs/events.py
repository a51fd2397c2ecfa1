"""Blinks and smiles in the videos that ``mien analyze`` reads: a table, in bounded memory."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from mien.face import BLENDSHAPES, Face
from mien.jobs.stream import Reading
from mien.measure.events import BLINK, SMILE, find_events
from mien.media.rows import open_rows

KINDS = {
    "blink": (BLINK, ("eyeBlinkLeft", "eyeBlinkRight")),
    "smile": (SMILE, ("mouthSmileLeft", "mouthSmileRight")),
}
"""The rule of each kind of event, and the curves of which it takes the mean."""

ENOUGH = 512  # frames of a track after which its events are written, once its face is at rest
MOST = 8 * ENOUGH  # after which they are written in any case
DIGITS = 4  # of seconds and curves


class _Series:
    """The curves of one track since its events were last written; NaN where it is not seen."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.curves: dict[str, list[float]] = {kind: [] for kind in KINDS}

    def add(self, time: float, face: Face | None) -> None:
        said = face.readings if face else None
        self.times.append(time)
        for kind, (_, names) in KINDS.items():
            value = np.nan
            if said is not None and said.expression is not None:
                value = float(said.expression[[BLENDSHAPES.index(name) for name in names]].mean())
            self.curves[kind].append(value)

    def is_gone(self) -> bool:
        return bool(np.isnan([curve[-1] for curve in self.curves.values()]).all())

    def is_at_rest(self) -> bool:
        """Whether no event goes on, or could go on after a gap."""
        times = np.array(self.times)
        for kind, (rule, _) in KINDS.items():
            recent = np.array(self.curves[kind])[times >= times[-1] - rule.gap]
            if (recent >= rule.fall).any():
                return False
        return True

    def rows(self) -> Iterator[dict[str, Any]]:
        """The events, kind by kind; then only the last frame is kept, from which others begin."""
        times = np.array(self.times)
        for kind, (rule, _) in KINDS.items():
            for event in find_events(times, np.array(self.curves[kind]), rule):
                numbers = {
                    name: value if isinstance(value, bool) else round(value, DIGITS) + 0.0
                    for name, value in event.row().items()
                }
                yield {"event": kind, **numbers}
        del self.times[:-1]
        for curve in self.curves.values():
            del curve[:-1]


class Events:
    """The events of videos, as they come; of photos there are none."""

    def __init__(self, path: Path, format: str, wanted: bool, stack: ExitStack) -> None:
        self._path, self._format, self._wanted, self._stack = path, format, wanted, stack
        self._rows: Any = None
        self._tracks: dict[int, _Series] = {}

    def see(self, reading: Reading, time: float, faces: Sequence[Face]) -> None:
        """The faces of a frame, with their readings."""
        if not (self._wanted and reading.is_video):
            return
        if self._rows is None:
            self._rows = self._stack.enter_context(open_rows(self._path, self._format))
        seen = {face.track: face for face in faces if face.track is not None}
        for track in sorted(self._tracks.keys() | seen.keys()):
            series = self._tracks.setdefault(track, _Series())
            if series.times and time <= series.times[-1]:
                continue  # a frame that a damaged video shows twice
            series.add(time, seen.get(track))
            full = len(series.times) >= ENOUGH and series.is_at_rest()
            if full or series.is_gone() or len(series.times) >= MOST:
                self._write(reading, track)
            if series.is_gone():
                del self._tracks[track]

    def finish(self, reading: Reading) -> None:
        """The video has ended."""
        for track in sorted(self._tracks):
            self._write(reading, track)
        self._tracks = {}

    def _write(self, reading: Reading, track: int) -> None:
        for row in self._tracks[track].rows():
            self._rows.write({"source": reading.name, "track": track, **row})


@contextmanager
def open_events(out: Path, format: str, wanted: bool) -> Iterator[Events]:
    """The table ``out``/events.FORMAT, which appears when the block ends, if a video came."""
    with ExitStack() as stack:
        yield Events(out / f"events.{format}", format, wanted, stack)
