"""Events in a curve: blinks, smiles, and whatever else rises and falls."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mien.errors import UsageError


@dataclass(frozen=True, slots=True)
class Rule:
    """When a curve is an event.

    rise: what it must reach. fall: below it the event is over, and from it on it has begun; lower
        than ``rise``, so that noise at one level does not make many events of one (hysteresis).
    shortest, longest: seconds from onset to offset; others are no such events.
    gap: seconds; events that are less apart are one.
    """

    rise: float
    fall: float
    shortest: float = 0.0
    longest: float = np.inf
    gap: float = 0.0

    def __post_init__(self) -> None:
        if not self.fall <= self.rise:
            raise UsageError(
                f"an event falls at {self.fall:g}, above where it rises, {self.rise:g}"
            )
        if not 0 <= self.shortest <= self.longest or not self.gap >= 0:
            raise UsageError("an event's shortest and longest time and gap are seconds, in order")


BLINK = Rule(rise=0.5, fall=0.2, shortest=0.04, longest=0.5)
"""On the mean of ``eyeBlinkLeft`` and ``eyeBlinkRight``. Spontaneous blinks take 0.1 to 0.4 s;
from 0.5 s on the eyes count as closed (Caffier, Erdmann and Ullsperger 2003, European Journal of
Applied Physiology 89, 319-325)."""

SMILE = Rule(rise=0.3, fall=0.15, shortest=0.3, gap=0.2)
"""On the mean of ``mouthSmileLeft`` and ``mouthSmileRight``. Felt smiles last 2/3 to 4 s (Ekman and
Friesen 1982, J. Nonverbal Behavior 6); shorter ones down to 0.3 s are kept, to be told apart by
their duration."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event, in seconds of the clip.

    onset: when the curve passed ``fall`` on its way up, linearly between frames. apex: when it was
    largest. offset: when it was below ``fall`` again. peak: its value at the apex. area: of the
    curve, value times seconds. whole: False when it begins or ends with the series or at a gap in
    it, so that its true onset or offset is not known.
    """

    onset: float
    apex: float
    offset: float
    peak: float
    area: float
    whole: bool

    @property
    def duration(self) -> float:
        """Seconds from onset to offset."""
        return self.offset - self.onset

    def row(self) -> dict[str, Any]:
        """As plain values for a table."""
        return {**asdict(self), "duration": self.duration}


def find_events(times: np.ndarray, curve: np.ndarray, rule: Rule) -> list[Event]:
    """The events in a curve, in order.

    times: (n,) seconds, rising. curve: (n,); NaN where it is not known, which ends an event.

    Raises UsageError when the two do not fit together or the times do not rise.
    """
    times, curve = np.asarray(times, np.float64), np.asarray(curve, np.float64)
    if times.shape != curve.shape or times.ndim != 1:
        raise UsageError(f"{times.shape} times for a curve of {curve.shape}")
    if not (np.diff(times) > 0).all():
        raise UsageError("the times of a curve must rise; take one track and sort it")
    runs = [
        (start, end)
        for start, end in _joined(times, curve, rule)
        if curve[start:end].max() >= rule.rise
    ]
    events = [_event(times, curve, start, end, rule.fall) for start, end in runs]
    return [event for event in events if rule.shortest <= event.duration <= rule.longest]


def blinks(times: np.ndarray, left: np.ndarray, right: np.ndarray) -> list[Event]:
    """Blinks of both eyes together; curves as ``eyeBlinkLeft`` and ``eyeBlinkRight``."""
    return find_events(times, (np.asarray(left) + np.asarray(right)) / 2, BLINK)


def smiles(times: np.ndarray, left: np.ndarray, right: np.ndarray) -> list[Event]:
    """Smiles; curves as ``mouthSmileLeft`` and ``mouthSmileRight``."""
    return find_events(times, (np.asarray(left) + np.asarray(right)) / 2, SMILE)


def rate(events: list[Event], times: np.ndarray, curve: np.ndarray) -> float | None:
    """Events per minute of the time in which the curve is known; None when it never is."""
    steps = np.diff(times)[np.isfinite(curve[:-1]) & np.isfinite(curve[1:])]
    seconds = float(steps.sum())
    return 60 * len(events) / seconds if seconds > 0 else None


def _joined(times: np.ndarray, curve: np.ndarray, rule: Rule) -> Iterator[tuple[int, int]]:
    """First and one past the last sample of each stretch above ``fall``, close ones joined."""
    above = np.concatenate([[False], curve >= rule.fall, [False]])  # NaN is not above
    edges = np.flatnonzero(np.diff(above)).reshape(-1, 2).tolist()
    waiting: tuple[int, int] | None = None
    for start, end in edges:
        if waiting and _is_one(times, curve, waiting[1], start, rule.gap):
            waiting = waiting[0], end
            continue
        if waiting:
            yield waiting
        waiting = start, end
    if waiting:
        yield waiting


def _is_one(times: np.ndarray, curve: np.ndarray, end: int, start: int, gap: float) -> bool:
    known = np.isfinite(curve[end:start]).all()
    return bool(known and times[start] - times[end - 1] < gap)


def _event(times: np.ndarray, curve: np.ndarray, start: int, end: int, fall: float) -> Event:
    begins = start > 0 and bool(np.isfinite(curve[start - 1]))
    ends = end < len(curve) and bool(np.isfinite(curve[end]))
    onset = _crossing(times, curve, start - 1, start, fall) if begins else times[start]
    offset = _crossing(times, curve, end - 1, end, fall) if ends else times[end - 1]
    apex = start + int(curve[start:end].argmax())
    inside = slice(start, end)
    return Event(
        onset=float(onset),
        apex=float(times[apex]),
        offset=float(offset),
        peak=float(curve[apex]),
        area=float(np.trapezoid(curve[inside], times[inside])),
        whole=begins and ends,
    )


def _crossing(times: np.ndarray, curve: np.ndarray, one: int, two: int, level: float) -> float:
    """When the line between two neighbouring samples is at ``level``."""
    part = (level - curve[one]) / (curve[two] - curve[one])
    return float(times[one] + part * (times[two] - times[one]))
