"""A voice to the motion of a face: 52 curves, head pose and gaze, while the voice comes in.

    motion = Animator.bundled().animate(sound, rate, fps=25, emotion="happiness", seed=1)

    stream = Animator.bundled().stream(rate, fps=25, seed=1)
    parts = [stream.push(block) for block in blocks] + [stream.finish()]

Both give the same: a whole sound is a stream that is pushed at once. The network, mien-animator,
reads rows of :mod:`mien.voice.features` and says fifty times a second what the mouth articulates,
and how far the lips touch each other or the teeth. As in ``mien.world.visemes``, the mood of the
face is put on and contacts are met on the head itself; pauses close the mouth, and a loud voice
opens it further. Blinks, glances and the head's motion come from a seed (:mod:`mien.voice.life`),
which has no say over the lips.
"""

from dataclasses import dataclass
from math import ceil
from typing import Protocol, Self

import numpy as np

from mien import hub
from mien.errors import UsageError
from mien.face import BLENDSHAPES, Motion
from mien.voice import affect, features, life
from mien.world import visemes
from mien.world.visemes import CURVES

STEP = 0.02  # seconds between two answers of the network: two rows
STEPS = features.BLOCK // 2  # that are answered at once
ROWS_BEFORE, ROWS_AFTER = 62, 14
"""Rows before the first and after the last of a block that its answers depend on."""

DRIVEN = tuple(
    name for name in visemes.MOUTH if not name.endswith("Right") and name != "mouthRollUpper"
)
"""The curves that the network gives, in its order, right sides being as left ones; then come the
contacts of the lips, and of the lower lip and the teeth. (No viseme rolls the upper lip.)"""
ANSWERS = len(DRIVEN) + 2
_SIDES = np.array(
    [[name in (one, one.replace("Left", "Right")) for name in visemes.MOUTH] for one in DRIVEN],
    np.float32,
)

STYLES = {"neutral": 1.0, "calm": 0.85, "lively": 1.15}
"""How large the movements of the mouth are, by style."""

EXTRAS = 3
"""What is known beside the network's answers, after them: whether there is sound, how much wider
than usual the mouth opens, and how much is stressed."""
FPS = (1.0, 240.0)
PIECE = 1 << 16  # samples of a long sound that are worked on at a time
TOUCH = 0.45, 0.75  # answers from which on lips come near, and touch; chosen on training voices
GATE_REACH = 5  # steps before and after a sound in which the mouth is not closed yet
TYPICAL = -26.0  # decibels of full scale, of speech, before any is heard
SOON, USUAL, NOW = 0.5, 10.0, 0.2
"""Seconds of a voice in which its usual level is learned, at first and later, and its present."""
LOUD = 6.0, 0.02, 0.2
"""Decibels about its usual level in which a voice opens the mouth as usual; how much further per
decibel beyond; and how much at most."""
OPENING = [CURVES[name] for name in (
    "jawOpen", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft", "mouthUpperUpRight"
)]  # fmt: skip
BROWS = [CURVES[name] for name in ("browInnerUp", "browOuterUpLeft", "browOuterUpRight")]
RAISED = 0.15  # how far brows go up with full stress


class Network(Protocol):
    """Rows (1, COUNT, T) float32 -> (1, ANSWERS, (T - 76) / 2)."""

    def __call__(self, batch: np.ndarray) -> tuple[np.ndarray, ...]: ...


class Animator:
    """Animates voices with one network."""

    def __init__(self, network: Network) -> None:
        self.network = network

    @classmethod
    def bundled(cls, device: str = "cpu", threads: int | None = 1) -> Self:
        """The animator that mien ships; MienError when the device is not there."""
        return cls(hub.OnnxNetwork(hub.resolve("mien-animator"), device, threads))

    def animate(
        self, sound: np.ndarray, rate: int, *, fps: float = 25.0, emotion: str | None = None,
        intensity: float = 0.7, style: str = "neutral", seed: int = 0,
    ) -> Motion:  # fmt: skip
        """The motion of a face that says a sound.

        It has ``ceil(seconds * fps)`` frames; frame i is at i / fps seconds.

        sound: (S,) or (S, channels) float -1..1 at ``rate`` hertz; what is not finite is silent.
        emotion: of ``affect.EMOTIONS``, None for neutral; intensity: 0..1 of it. style: of
        ``STYLES``. seed: of blinks, glances and the head.

        Raises InputError for a sound that is none, UsageError for an option out of range.
        """
        stream = self.stream(
            rate, fps=fps, emotion=emotion, intensity=intensity, style=style, seed=seed
        )
        first, last = stream.push(sound), stream.finish()
        return _joined([first, last])

    def stream(
        self, rate: int, *, fps: float = 25.0, emotion: str | None = None,
        intensity: float = 0.7, style: str = "neutral", seed: int = 0,
    ) -> "Stream":  # fmt: skip
        """A motion that grows as its sound comes in; arguments as of :meth:`animate`."""
        if not FPS[0] <= fps <= FPS[1]:
            raise UsageError(f"fps must be {FPS[0]:g} to {FPS[1]:g}, not {fps}")
        if style not in STYLES:
            raise UsageError(f"no style {style!r}; there are {', '.join(STYLES)}")
        if not 0 <= intensity <= 1:
            raise UsageError(f"intensity must be 0..1, not {intensity}")
        mood = Mood(affect.emotion(emotion), intensity, STYLES[style])
        return Stream(self.network, rate, float(fps), mood, life.Life(seed, style))


@dataclass(frozen=True)
class Mood:
    """How something is said: an emotion of ``affect.EMOTIONS``, its intensity 0..1, and how large
    the movements of the mouth are, 1 being usual."""

    emotion: str = "neutral"
    intensity: float = 0.0
    articulation: float = 1.0


class Stream:
    """One voice that is being animated.

    latency: seconds of sound after a frame that must be there before the frame is given, beside
    the block of ``STEPS * STEP`` seconds in which it is worked on.
    """

    def __init__(
        self, network: Network, rate: int, fps: float, mood: Mood, alive: life.Life
    ) -> None:
        self._network, self._rate, self._fps = network, rate, fps
        self._mood, self._life = mood, alive
        self._resampler, self._features = features.Resampler(rate), features.Features()
        # It begins ROWS_AFTER early, so that a block can be answered whenever one has been heard.
        self._rows = np.repeat(silent_row()[None], ROWS_BEFORE + ROWS_AFTER, 0)
        self._answers = _Track(-ROWS_AFTER // 2)
        self._given = self._samples = 0
        self._spoken = 0.0  # seconds with sound
        self._usual = self._now = TYPICAL  # levels of this voice
        self.latency = (ROWS_AFTER * features.HOP + features.AHEAD) / features.RATE + 0.5 / fps

    def push(self, sound: np.ndarray) -> Motion:
        """The frames that can be given now that this much more of the sound is there."""
        self._samples += len(sound)
        starts = range(0, max(len(sound), 1), PIECE)
        return _joined([self._hear(features.checked(sound[i : i + PIECE])) for i in starts])

    def finish(self) -> Motion:
        """The frames that are left."""
        count = ceil(self._samples * self._fps / self._rate - 1e-9)
        parts = [self._answer(self._features.push(self._resampler.finish()))]
        parts.append(self._answer(self._features.finish()))
        silence = np.repeat(silent_row()[None], ROWS_AFTER + 2 * features.BLOCK, 0)
        parts.append(self._answer(silence))
        whole = _joined(parts)
        left = count - (self._given - len(whole))
        return Motion(
            self._fps, whole.expression[:left], whole.pose[:left],
            None if whole.gaze is None else whole.gaze[:left],
        )  # fmt: skip

    def _hear(self, sound: np.ndarray) -> Motion:
        return self._answer(self._features.push(self._resampler.push(sound)))

    def _answer(self, rows: np.ndarray) -> Motion:
        """The frames that more rows allow."""
        self._rows = np.concatenate([self._rows, rows])
        needed = ROWS_BEFORE + features.BLOCK + ROWS_AFTER
        parts = [_nothing(self._fps)]
        while len(self._rows) >= needed:
            self._answers.add(self._step(self._rows[:needed]))
            self._rows = self._rows[features.BLOCK :]
            parts.append(self._frames())  # block by block, so that no rounding depends on `push`
        return _joined(parts)

    def _step(self, rows: np.ndarray) -> np.ndarray:
        """Answers and extras (STEPS, ANSWERS + EXTRAS) to a block of rows and those around it."""
        out = np.empty((STEPS, ANSWERS + EXTRAS), np.float32)
        out[:, :ANSWERS] = self._network(np.ascontiguousarray(rows.T[None]))[0][0].T
        active = rows[:, features.ACTIVE]
        at = ROWS_BEFORE + 2 * np.arange(STEPS)
        reach = np.arange(-2 * GATE_REACH, 2 * GATE_REACH + 1)
        out[:, ANSWERS] = active[at[:, None] + reach].mean(1).clip(0, 0.25) * 4
        out[:, ANSWERS + 1 :] = [self._loudness(rows[i]) for i in at]
        return out

    def _loudness(self, row: np.ndarray) -> tuple[float, float]:
        """How much wider than usual a voice this loud opens the mouth, and its stress 0..1."""
        level, active = float(row[features.LEVEL]), float(row[features.ACTIVE])
        share = active * STEP
        self._spoken += share
        self._usual += share / min(SOON + self._spoken, USUAL) * (level - self._usual)
        self._now += share / NOW * (level - self._now)
        free, slope, most = LOUD
        louder = self._now - self._usual
        beyond = louder - min(max(louder, -free), free)
        wider = 1 + min(max(slope * beyond, -most), most)
        return wider, active * min(max(louder / free, 0), 1)

    def _frames(self) -> Motion:
        """The frames whose answers are there and that were not given."""
        half = 0.5 / self._fps
        until = self._answers.until  # seconds
        last = ceil((until - half) * self._fps - 1e-9) if until > half else 0
        number = np.arange(self._given, max(last, self._given))
        self._given += len(number)
        if not len(number):
            return _nothing(self._fps)
        times = number / self._fps
        said = self._answers.at(times)
        touch = firm(self._answers.most(times, half)[:, len(DRIVEN) : ANSWERS])
        self._answers.forget(times[-1] - half)
        expression = curves(said, touch, self._mood)
        stress = said[:, -1]
        expression[:, BROWS] += RAISED * stress[:, None] * (1 - expression[:, BROWS])
        lids, pose, gaze = self._life.at(times, stress)
        return Motion(self._fps, life.show(expression, lids, gaze), pose, gaze)


def firm(touch: np.ndarray) -> np.ndarray:
    """Contacts that are made, 0..1, of those that are answered: what is unlikely is none."""
    low, high = TOUCH
    return ((touch - low) / (high - low)).clip(0, 1)


def curves(said: np.ndarray, touch: np.ndarray, mood: Mood) -> np.ndarray:
    """The 52 curves (n, 52) of answers (n, ANSWERS + EXTRAS) and contacts (n, 2)."""
    sounds, wider = said[:, ANSWERS], said[:, ANSWERS + 1]
    out = np.zeros((len(said), len(BLENDSHAPES)), np.float32)
    articulated = mood.articulation * sounds[:, None] * said[:, : len(DRIVEN)]
    out[:, visemes.COLUMNS] = articulated @ _SIDES
    out[:, OPENING] *= wider[:, None]
    out = visemes.moody(out.clip(0, 1), mood.emotion, mood.intensity)
    out = visemes.bite_lip(out, sounds * touch[:, 1])
    return visemes.close_lips(out, sounds * touch[:, 0]).astype(np.float32)


def both_sides(moved: np.ndarray) -> np.ndarray:
    """What the curves of ``DRIVEN`` do, (n, ...), by what those of ``visemes.MOUTH`` do."""
    return _SIDES @ moved


class _Track:
    """Answers in time; those of the past are forgotten."""

    def __init__(self, first: int) -> None:
        self._first = first  # step of the first answer that is kept
        self._values = np.zeros((0, ANSWERS + EXTRAS), np.float32)

    @property
    def until(self) -> float:
        """Seconds of the last answer."""
        return (self._first + len(self._values) - 1) * STEP

    def add(self, values: np.ndarray) -> None:
        self._values = np.concatenate([self._values, values])

    def at(self, times: np.ndarray) -> np.ndarray:
        """Answers (n, C) at times (n,), mixed linearly."""
        place = (times / STEP - self._first).clip(0, len(self._values) - 1)
        before = np.floor(place + 1e-6).astype(int)
        after = np.minimum(before + 1, len(self._values) - 1)
        share = (place - before).clip(0, 1)[:, None]
        mixed = (1 - share) * self._values[before] + share * self._values[after]
        return mixed.astype(np.float32)

    def most(self, times: np.ndarray, reach: float) -> np.ndarray:
        """The largest answers (n, C) within ``reach`` seconds of times (n,)."""
        found = [
            self.at(np.maximum(times + by, 0)) for by in (-reach, -reach / 2, 0.0, reach / 2, reach)
        ]
        return np.max(found, 0)

    def forget(self, time: float) -> None:
        """Drop what is over before a time, in seconds."""
        over = max(int(time / STEP) - 1 - self._first, 0)
        self._values, self._first = self._values[over:], self._first + over


def silent_row() -> np.ndarray:
    """The row of :mod:`mien.voice.features` that silence has, (COUNT,)."""
    row = np.zeros(features.COUNT, np.float32)
    row[features.LEVEL] = 10 * np.log10(features.FLOOR)
    return row


def _nothing(fps: float) -> Motion:
    return Motion(fps, np.zeros((0, len(BLENDSHAPES))), np.zeros((0, 3)), np.zeros((0, 2, 2)))


def _joined(parts: list[Motion]) -> Motion:
    """Motions one after the other."""
    gazes = [part.gaze for part in parts if part.gaze is not None]
    return Motion(
        parts[0].fps,
        np.concatenate([part.expression for part in parts]),
        np.concatenate([part.pose for part in parts]),
        np.concatenate(gazes),
    )
