"""A face that performs: emotions that come and go, blinks, glances and a head that is never still.

    rng = np.random.default_rng(7)
    show = perform(["happiness", "surprise"], seconds=12, fps=25, rng=rng)
    show.motion.save("show.npz")

Everything happens in continuous time and is looked at frame by frame, so one seed gives one
performance whatever the frame rate. Where the figures come from:

- Expressions: onset 0.35-0.7 s when felt, 0.2-0.4 s and less smooth when posed (after Hess and
  Kleck 1990; Schmidt et al. 2006); macro-expressions last 0.5-4 s (Ekman 2003), micro-expressions
  40-500 ms in all, and they are weak (Yan et al. 2013).
- Blinks: 17 a minute at rest (Bentivoglio et al. 1997), at lognormal intervals; closing takes half
  as long as opening (VanderWerf et al. 2003). Large glances take a blink along (Evinger et al.
  1994).
- Glances: duration 21 ms + 2.2 ms per degree (Carpenter 1988), so that peak velocity saturates;
  fixations of a third of a second; people look at another for 3.3 s at a time (Binetti et al.
  2016).
- Head: takes over some 40 % of a large glance, later and slower than the eyes, which turn back by
  as much as it comes (vestibulo-ocular reflex). Sway and nods are set by eye, not by measurement.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from mien.errors import InputError
from mien.face import Motion
from mien.head.fit import GAZE_CURVES, gaze_curves
from mien.head.model import EYELOOK_DEGREES, rotations
from mien.world.action_units import COUNT, INDEX, MAXIMUM, curves, hide_behind_lids
from mien.world.emotions import NAMES, Programme, sample

Style = Literal["spontaneous", "posed", "micro"]

# Seconds: lowest and highest onset, apex and offset.
PHASES: dict[str, tuple[tuple[float, float], ...]] = {
    "spontaneous": ((0.35, 0.7), (0.5, 2.5), (0.5, 1.2)),
    "posed": ((0.2, 0.4), (0.5, 3.0), (0.25, 0.6)),
}
MICRO = (0.04, 0.5)  # seconds, all phases together
MICRO_INTENSITY = (1.0, 2.5)
LAG = 0.15  # of an onset: how much later than the first a unit may start
VISIBLE = 0.1  # share of its apex from which on an expression is labelled

SHORTEST_FIXATION = 0.12  # seconds, its saccade included
LONGEST = 10_000_000  # frames
HALF_PUPIL_DISTANCE = 31.5  # mm
IDLE_UNITS = (1, 2, 4, 7, 12, 14, 15, 17, 24, 25)
LABEL_NEUTRAL = NAMES.index("neutral")


@dataclass(frozen=True, slots=True)
class Manner:
    """How somebody behaves; each range is checked.

    blink_rate: per minute, 0..60.
    incomplete, double: share of blinks that do not close the eye, or come twice.
    idle: intensity (0..5) of the small restlessness of the face at rest, standard deviation.
    mutual, averted: mean seconds of looking at the viewer and away, at a time.
    distance: mm to the viewer, at which eyes converge.
    head_share: how much of a glance the head takes over, 0..1.
    sway: degrees, standard deviation of the head's small motion.
    nods: per minute.

    Raises InputError for a value out of range.
    """

    blink_rate: float = 17.0
    incomplete: float = 0.15
    double: float = 0.08
    idle: float = 0.12
    mutual: float = 3.3
    averted: float = 1.6
    distance: float = 700.0
    head_share: float = 0.4
    sway: float = 1.0
    nods: float = 4.0

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            if not low <= getattr(self, name) <= high:
                raise InputError(f"{name}: {getattr(self, name)} is not within {low}..{high}")


_RANGES = {
    "blink_rate": (0, 60), "incomplete": (0, 1), "double": (0, 1), "idle": (0, 1),
    "mutual": (0.3, 1000), "averted": (0.3, 1000), "distance": (150, 1e6),
    "head_share": (0, 1), "sway": (0, 5), "nods": (0, 30),
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Episode:
    """One expression in time.

    start, onset, apex, offset: seconds; ``apex`` is how long it stays at its apex.
    lags: (23,) seconds, how much later each unit starts; it is the faster for it.
    sharpness: 1 for a minimum-jerk onset; the less, the more abruptly it starts.

    Raises InputError when a phase or lag is out of range.
    """

    programme: Programme
    start: float
    onset: float
    apex: float
    offset: float
    lags: np.ndarray = field(default_factory=lambda: np.zeros(COUNT))
    sharpness: float = 1.0

    def __post_init__(self) -> None:
        if not (self.onset > 0 and self.apex >= 0 and self.offset > 0 and self.sharpness > 0):
            raise InputError(f"{self.programme.emotion}: its onset and offset must take some time")
        if not ((self.lags >= 0) & (self.lags < self.onset)).all():
            raise InputError(f"{self.programme.emotion}: a unit starts only after the onset")

    @property
    def duration(self) -> float:
        return self.onset + self.apex + self.offset

    def strength(self, time: np.ndarray, lags: np.ndarray | float = 0.0) -> np.ndarray:
        """Share of the apex, 0..1, at times (n,) in seconds; (n, k) for lags (k,)."""
        since = (time - self.start)[:, None] if isinstance(lags, np.ndarray) else time - self.start
        rise = ((since - lags) / (self.onset - lags)).clip(0, 1) ** self.sharpness
        fall = (since - self.onset - self.apex) / self.offset
        return _smooth(rise) * (1 - _smooth(fall))


@dataclass(frozen=True, slots=True, eq=False)
class Blinks:
    """Blinks in order of time, none over another: (k,) each, seconds; depth is 0..1."""

    start: np.ndarray
    closing: np.ndarray
    closed: np.ndarray
    opening: np.ndarray
    depth: np.ndarray

    @property
    def duration(self) -> np.ndarray:
        return self.closing + self.closed + self.opening

    def closure(self, time: np.ndarray) -> np.ndarray:
        """How far the lids are down, 0..1, at times (n,)."""
        if not len(self.start):
            return np.zeros_like(time)
        at = (np.searchsorted(self.start, time, "right") - 1).clip(0)
        since = time - self.start[at]
        down = _smooth(since / self.closing[at])
        up = _smooth((since - self.closing[at] - self.closed[at]) / self.opening[at])
        return self.depth[at] * down * (1 - up)


@dataclass(frozen=True, slots=True, eq=False)
class Glances:
    """Where somebody looks: saccades between fixations.

    start, duration: (k,) seconds of each saccade.
    target: (k, 2) degrees, yaw and pitch in space, where it goes; 0, 0 is the viewer's face.
    averted: (k,) bool, whether that is away from the viewer.
    """

    start: np.ndarray
    duration: np.ndarray
    target: np.ndarray
    averted: np.ndarray

    @property
    def amplitude(self) -> np.ndarray:
        """(k,) degrees."""
        return np.linalg.norm(np.diff(self.target, axis=0, prepend=self.target[:1]), axis=1)

    def gaze(self, time: np.ndarray) -> np.ndarray:
        """Yaw and pitch (n, 2) in space at times (n,)."""
        at = (np.searchsorted(self.start, time, "right") - 1).clip(0)
        done = _smooth((time - self.start[at]) / self.duration[at])[:, None]
        before = self.target[(at - 1).clip(0)]
        return before + done * (self.target[at] - before)


@dataclass(frozen=True, slots=True, eq=False)
class Performance:
    """A face over time with its truth; n frames.

    motion: curves, head pose and gaze (``gaze`` is relative to the head).
    sides: (n, 23, 2) float32, action units 0..5 of the left and the right side.
    emotion: (n,) int64, index in ``mien.world.emotions.NAMES``.
    strength: (n,) float32, 0..1, how far the expression has come to its apex.
    valence, arousal: (n,) float32, -1..1.
    episodes, blinks, glances: what was played.
    """

    motion: Motion
    sides: np.ndarray
    emotion: np.ndarray
    strength: np.ndarray
    valence: np.ndarray
    arousal: np.ndarray
    episodes: tuple[Episode, ...]
    blinks: Blinks
    glances: Glances

    def __len__(self) -> int:
        return len(self.motion)

    @property
    def action_units(self) -> np.ndarray:
        """(n, 23) float32, 0..5: the mean of both sides."""
        return self.sides.mean(-1)


def perform(
    emotions: Sequence[str | Episode],
    seconds: float,
    fps: float,
    rng: np.random.Generator,
    *,
    style: Style = "spontaneous",
    intensity: float | None = None,
    manner: Manner | None = None,
) -> Performance:
    """A performance of ``round(seconds * fps)`` frames, at least one; frame i is at time i / fps.

    Args:
        emotions: names, which are spread over the clip in this order ("neutral" is a pause), or
            episodes at times of their own; both may be empty.
        seconds, fps: above 0, for at most ten million frames.
        style, intensity: of the expressions that are given by name.
        manner: None is an average person's.

    Raises InputError for an unknown name, a value out of range, or names that do not fit in.
    """
    if not (seconds > 0 and fps > 0 and seconds * fps <= LONGEST):
        raise InputError(f"a performance of {seconds} s at {fps} fps: give 1 to {LONGEST} frames")
    manner = manner or Manner()
    play, lids, look, head, idle = rng.spawn(5)
    time = np.arange(max(round(seconds * fps), 1)) / fps
    names = [item for item in emotions if not isinstance(item, Episode)]
    episodes = [item for item in emotions if isinstance(item, Episode)]
    episodes += schedule(names, seconds, play, style=style, intensity=intensity)
    glances = sample_glances(seconds, look, manner)
    blinks = sample_blinks(seconds, lids, manner, glances)

    sides = _expressed(episodes, time)
    restless = manner.idle * pink_noise(time, len(IDLE_UNITS), idle)
    sides[:, [INDEX[number] for number in IDLE_UNITS]] += restless[..., None]
    sides[:, INDEX[45]] = MAXIMUM * blinks.closure(time)[:, None]
    sides = hide_behind_lids(sides.clip(0, MAXIMUM))

    pose = head_motion(time, glances, sample_nods(seconds, head, manner), head, manner)
    gaze = eyes_in_head(glances.gaze(time) + 0.1 * pink_noise(time, 2, look), pose, manner.distance)
    expression = curves(sides)
    expression[:, GAZE_CURVES] = gaze_curves(gaze)
    return Performance(
        Motion(fps, expression, pose, gaze),
        sides.astype(np.float32),
        *_labels(episodes, time),
        tuple(episodes),
        blinks,
        glances,
    )


# -- expressions ---------------------------------------------------------------------------------


def sample_episode(
    name: str,
    start: float,
    rng: np.random.Generator,
    *,
    style: Style = "spontaneous",
    intensity: float | None = None,
    longest: float = np.inf,
) -> Episode:
    """An expression with dynamics of its style; its apex is cut where it is over ``longest`` s.

    Raises InputError for an unknown name or style, or where ``longest`` is too short.
    """
    if style == "micro":
        drawn = rng.uniform(*MICRO_INTENSITY)
        whole = rng.uniform(*MICRO)
        onset, apex, offset = whole * rng.dirichlet((8, 5, 9))
    elif style in PHASES:
        drawn = None
        onset, apex, offset = (rng.uniform(*phase) for phase in PHASES[style])
    else:
        raise InputError(f"{style}: no such style; there are: spontaneous, posed, micro")
    apex = min(apex, longest - onset - offset)
    if apex < 0:
        raise InputError(f"{name}: {longest:.2f} s is too short for a {style} expression")
    programme = sample(name, rng, drawn if intensity is None else intensity)
    lags = onset * LAG * rng.random(COUNT)
    return Episode(programme, start, onset, apex, offset, lags, 0.7 if style == "posed" else 1.0)


def schedule(
    names: Sequence[str],
    seconds: float,
    rng: np.random.Generator,
    *,
    style: Style = "spontaneous",
    intensity: float | None = None,
) -> list[Episode]:
    """Episodes, one after the other, each at random within its equal part of the clip.

    Raises InputError as :func:`sample_episode` does.
    """
    room = seconds / max(len(names), 1)
    episodes = []
    for i, name in enumerate(names):
        own = rng.spawn(1)[0]
        if name == "neutral":
            continue
        episode = sample_episode(name, 0.0, own, style=style, intensity=intensity, longest=room)
        start = i * room + own.random() * (room - episode.duration)
        episodes.append(replace(episode, start=start))
    return episodes


def _expressed(episodes: Sequence[Episode], time: np.ndarray) -> np.ndarray:
    """Action units (n, 23, 2) of all episodes; where they overlap they add up."""
    sides = np.zeros((len(time), COUNT, 2))
    for episode in episodes:
        first, last = np.searchsorted(time, [episode.start, episode.start + episode.duration])
        part = episode.strength(time[first:last], episode.lags)
        sides[first:last] += part[..., None] * episode.programme.sides
    return sides


def _labels(
    episodes: Sequence[Episode], time: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Emotion, strength, valence and arousal (n,) of each frame."""
    emotion = np.full(len(time), LABEL_NEUTRAL, np.int64)
    strength, valence, arousal = np.zeros((3, len(time)), np.float32)
    for episode in episodes:
        part = episode.strength(time)
        emotion[(part >= VISIBLE) & (part > strength)] = NAMES.index(episode.programme.emotion)
        strength[:] = np.maximum(strength, part)
        valence += part * episode.programme.valence
        arousal += part * episode.programme.arousal
    return emotion, strength, valence.clip(-1, 1), arousal.clip(-1, 1)


# -- lids ----------------------------------------------------------------------------------------


def sample_blinks(
    seconds: float, rng: np.random.Generator, manner: Manner, glances: Glances | None = None
) -> Blinks:
    """Spontaneous blinks of a clip; each that falls near a glance over 15 degrees goes with it."""
    start = _arrivals(seconds, manner.blink_rate, 0.7, rng)
    if glances is not None:
        start = _along_with(start, glances.start[glances.amplitude > 15])
    again = rng.random(len(start)) < manner.double
    start = np.sort(np.concatenate([start, start[again] + rng.uniform(0.4, 0.55, again.sum())]))
    start = start[np.diff(start, prepend=-1.0) > 0.4]  # so that none is over another
    count = len(start)
    closing = rng.normal(0.085, 0.015, count).clip(0.05, 0.12)
    closed = rng.exponential(0.015, count).clip(0, 0.06)
    opening = (closing * rng.normal(2.0, 0.25, count)).clip(0.09, 0.22)
    shallow = rng.random(count) < manner.incomplete
    depth = np.where(shallow, rng.uniform(0.35, 0.85, count), 1.0)
    return Blinks(start, closing, closed, opening, depth)


def _arrivals(seconds: float, rate: float, spread: float, rng: np.random.Generator) -> np.ndarray:
    """Times within a clip of what happens ``rate`` times a minute, at lognormal intervals."""
    if rate < 1e-6:
        return np.zeros(0)
    mean = 60 / rate
    count = int(seconds / mean * 1.5) + 16
    gaps = mean * np.exp(spread * rng.standard_normal(count) - spread**2 / 2)
    times = np.cumsum(gaps) - gaps[0] * rng.random()
    return times[times < seconds]


def _along_with(start: np.ndarray, glances: np.ndarray) -> np.ndarray:
    """Move each time to the next of ``glances`` if that is within 0.4 s."""
    if not len(glances):
        return start
    following = glances[np.searchsorted(glances, start).clip(0, len(glances) - 1)]
    return np.where(np.abs(following - start) < 0.4, following, start)


# -- eyes and head -------------------------------------------------------------------------------


def sample_glances(seconds: float, rng: np.random.Generator, manner: Manner) -> Glances:
    """Fixations on the viewer's face and away from it, in turns."""
    turns = int(seconds / (manner.mutual + manner.averted) * 3) + 8
    means = np.array([manner.mutual, manner.averted])
    stay = means * _lasting(1.0, 0.5, 2 * turns, rng).reshape(turns, 2)
    ends = np.cumsum(stay.ravel()) - stay[0, 0] * rng.random()
    gaps = _lasting(0.42, 0.5, int(seconds / 0.3) + 16, rng)
    # A turn begins with a glance of its own.
    start = np.sort(np.concatenate([[0.0], np.cumsum(gaps), ends[ends > 0]]))
    start = start[(np.diff(start, prepend=-1.0) > SHORTEST_FIXATION) & (start < seconds)]
    turn = np.searchsorted(ends, start, "right").clip(0, 2 * turns - 1)
    averted = turn % 2 == 1
    away = _aversions(2 * turns, rng)[turn] + rng.normal(0, 1.5, (len(start), 2))
    face = rng.normal(0, 1, (len(start), 2)) * (1.6, 1.3)
    target = np.where(averted[:, None], away, face)
    travelled = np.linalg.norm(np.diff(target, axis=0, prepend=target[:1]), axis=1)
    duration = np.minimum(0.021 + 0.0022 * travelled, SHORTEST_FIXATION)
    return Glances(start, duration, target, averted)


def _lasting(mean: float, spread: float, count: int, rng: np.random.Generator) -> np.ndarray:
    """Lognormal durations (count,)."""
    return mean * np.exp(spread * rng.standard_normal(count) - spread**2 / 2)


def _aversions(count: int, rng: np.random.Generator) -> np.ndarray:
    """Where people look when they look away: (count, 2) degrees, mostly aside, rarely up."""
    far = (5 + rng.exponential(8, count)).clip(5, 30)
    ways = np.array([0, 180, -90, -45, -135, 45, 135, 90])
    way = rng.choice(ways, count, p=[0.22, 0.22, 0.14, 0.12, 0.12, 0.07, 0.07, 0.04])
    angle = np.radians(way + rng.normal(0, 12, count))
    return np.stack([far * np.cos(angle), 0.7 * far * np.sin(angle)], 1)


@dataclass(frozen=True, slots=True, eq=False)
class Nods:
    """Nods in order of time: (k,) each.

    start: seconds; depth: degrees; pace: bows a second; bows: whole number.
    """

    start: np.ndarray
    depth: np.ndarray
    pace: np.ndarray
    bows: np.ndarray

    def pitch(self, time: np.ndarray) -> np.ndarray:
        """Degrees (n,) at times (n,); each bow is less deep than the one before."""
        if not len(self.start):
            return np.zeros_like(time)
        at = (np.searchsorted(self.start, time, "right") - 1).clip(0)
        bowed = ((time - self.start[at]) * self.pace[at]).clip(0, self.bows[at])
        fade = 1 - 0.6 * bowed / self.bows[at]
        return -self.depth[at] * fade * np.sin(np.pi * bowed) ** 2


def sample_nods(seconds: float, rng: np.random.Generator, manner: Manner) -> Nods:
    """The nods of a clip; none begins before the one before has ended."""
    start = _arrivals(seconds, manner.nods, 0.8, rng)
    start = start[np.diff(start, prepend=-3.0) > 2.0]
    count = len(start)
    pace, bows = rng.uniform(1.5, 2.8, count), rng.integers(1, 4, count)
    return Nods(start, rng.uniform(2, 6, count), pace, bows)


def head_motion(
    time: np.ndarray, glances: Glances, nods: Nods, rng: np.random.Generator, manner: Manner
) -> np.ndarray:
    """Yaw, pitch and roll (n, 3) in degrees: what the head adds to glances, sway, and nods."""
    pose = manner.sway * pink_noise(time, 3, rng) * (1.0, 0.8, 0.6)
    pose[:, :2] += _follow(time, glances, rng, manner.head_share)
    pose[:, 1] += nods.pitch(time)
    return pose


def _follow(
    time: np.ndarray, glances: Glances, rng: np.random.Generator, share: float
) -> np.ndarray:
    """Yaw and pitch (n, 2) of a head that goes along, late and slowly, with large glances."""
    large = glances.amplitude > 4  # the eyes alone do the others
    target = share * glances.target[large]
    begin = glances.start[large] + rng.uniform(0.03, 0.12, len(target))
    lasting = rng.uniform(0.35, 0.7, len(target))
    moving = np.zeros((len(time), 2))
    arrived = np.zeros((len(time) + 1, 2))
    bounds = np.searchsorted(time, [begin, begin + lasting]).T
    for i, way in enumerate(np.diff(target, axis=0, prepend=np.zeros((1, 2)))):
        first, last = bounds[i]
        moving[first:last] += _smooth((time[first:last, None] - begin[i]) / lasting[i]) * way
        arrived[last] += way
    return moving + np.cumsum(arrived[:-1], 0)


def eyes_in_head(gaze: np.ndarray, pose: np.ndarray, distance: float) -> np.ndarray:
    """Yaw and pitch (n, 2, 2) of the left and the right eye relative to the head.

    The eyes turn against the head, so that the gaze stays where it is in space, and converge on
    what is ``distance`` mm away, as far as eyes turn (``EYELOOK_DEGREES``).

    Args:
        gaze: (n, 2) degrees, yaw and pitch in space.
        pose: (n, 3) degrees, of the head.
    """
    yaw, pitch = np.radians(gaze.T)
    ahead = np.stack([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)], -1)
    turned = np.swapaxes(rotations(pose[:, 0], pose[:, 1], pose[:, 2]), -1, -2)
    inside = (turned @ ahead[..., None])[..., 0]
    angles = np.degrees(
        [np.arctan2(inside[:, 0], inside[:, 2]), np.arcsin(inside[:, 1].clip(-1, 1))]
    )
    inwards = np.degrees(np.arctan(HALF_PUPIL_DISTANCE / distance))
    eyes = np.stack([angles.T, angles.T], 1)
    eyes[:, 0, 0] -= inwards
    eyes[:, 1, 0] += inwards
    reach = EYELOOK_DEGREES
    eyes[:, 0, 0] = eyes[:, 0, 0].clip(-reach["In"], reach["Out"])
    eyes[:, 1, 0] = eyes[:, 1, 0].clip(-reach["Out"], reach["In"])
    eyes[..., 1] = eyes[..., 1].clip(-reach["Down"], reach["Up"])
    return eyes


# -- signals -------------------------------------------------------------------------------------


def pink_noise(time: np.ndarray, channels: int, rng: np.random.Generator) -> np.ndarray:
    """1/f noise (n, channels), unit variance: equal power in each octave from 0.03 to 4 Hz.

    time: (n,) seconds, any.
    """
    frequency = 0.03 * 2 ** ((np.arange(21) + rng.random(21)) / 3)
    phase = 2 * np.pi * time[:, None] * frequency
    mix = rng.standard_normal((2 * len(frequency), channels)) / np.sqrt(len(frequency))
    return np.hstack([np.cos(phase), np.sin(phase)]) @ mix


def _smooth(part: np.ndarray) -> np.ndarray:
    """Minimum jerk from 0 to 1 (Flash and Hogan 1985, equation A4); 0 before and 1 after."""
    u = part.clip(0, 1)
    return u**3 * (10 - 15 * u + 6 * u**2)
