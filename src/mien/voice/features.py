"""What is heard of a voice, a hundred times a second, while it comes in.

    heard = Features()
    rows = [heard.push(block) for block in blocks] + [heard.finish()]

Rows are the same however the sound is divided into blocks: they are always computed ``BLOCK`` at a
time, and what must be known of the past (how loud the voice is, how loud the room) is carried along
row by row. Row i is about sample ``HOP * i``.
"""

from collections.abc import Iterator
from functools import cache

import av
import numpy as np

from mien.errors import InputError, UsageError

RATE = 16_000  # hertz
RATES = (100, 768_000)  # hertz, of a sound that can be resampled
HOP, WINDOW = 160, 400  # samples
PITCH_WINDOW = 640  # samples: three periods of the lowest pitch
LOWEST, HIGHEST = 75.0, 500.0  # hertz, of a pitch
BANDS = 40
BLOCK = 20  # rows that are computed at once
AHEAD = PITCH_WINDOW // 2  # samples after its own that a row needs

FLOOR = 1e-10  # of a power, before its logarithm is taken
DEPTH = 60.0  # decibels below the voice's peak, where what is heard ends
FIRST_PEAK, LEAST_PEAK = -40.0, -55.0  # decibels of full scale
RELEASE = 0.01  # decibels a row by which the peak is forgotten
QUIET, FAINT = 42.0, -65.0
"""A pause is this many decibels below the peak, or below this level of full scale."""
SOFTNESS = 8.0  # decibels over which a pause becomes a voice

COLUMNS = (*(f"mel{i}" for i in range(BANDS)), "level", "voiced", "pitch", "active")
"""Of a row. mel: 0..1, from ``DEPTH`` below the voice's peak to the peak. level: decibels of full
scale. voiced: 0..1. pitch: octaves above 100 Hz, 0 where there is none. active: 0 in pauses, 1
where there is sound."""
LEVEL, VOICED, PITCH, ACTIVE = range(BANDS, BANDS + 4)
COUNT = len(COLUMNS)


def checked(sound: np.ndarray) -> np.ndarray:
    """Sound as float32 mono (S,): the mean of the channels of (S, C); NaN and infinity are silent.

    Raises InputError for anything but numbers with a fraction.
    """
    sound = np.asarray(sound)
    if sound.ndim not in (1, 2) or sound.dtype.kind != "f":
        raise InputError(
            f"sound is samples (S,) or (S, channels) -1..1, not {sound.dtype} {sound.shape}"
        )
    finite = np.where(np.isfinite(sound), sound, 0).clip(-1, 1).astype(np.float32)
    return finite.mean(1) if finite.ndim == 2 else finite


class Resampler:
    """Sound at another rate, block by block: the same samples however it is divided.

    Raises UsageError for a rate outside ``RATES``.
    """

    def __init__(self, rate: int, target: int = RATE) -> None:
        if not all(RATES[0] <= r <= RATES[1] for r in (rate, target)):
            raise UsageError(f"sound has {RATES[0]} to {RATES[1]} samples a second, not {rate}")
        self._rate, self._target = int(rate), int(target)
        self._filter = av.AudioResampler(format="fltp", layout="mono", rate=self._target)
        self._taken = self._given = 0

    def push(self, sound: np.ndarray) -> np.ndarray:
        """What can be given of the sound (S,) so far and was not given before."""
        self._taken += len(sound)
        if self._rate == self._target:
            return sound
        if not len(sound):
            return np.zeros(0, np.float32)
        frame = av.AudioFrame.from_ndarray(sound[None], format="fltp", layout="mono")
        frame.sample_rate = self._rate
        return self._out(frame)

    def finish(self) -> np.ndarray:
        """The rest; silence where the filter gives less than the sound lasts."""
        if self._rate == self._target or not self._taken:
            return np.zeros(0, np.float32)
        rest = self._out(None)
        missing = round(self._taken * self._target / self._rate) - self._given
        return np.pad(rest, (0, max(missing, 0)))

    def _out(self, frame: av.AudioFrame | None) -> np.ndarray:
        blocks = [block.to_ndarray()[0] for block in self._filter.resample(frame)]
        made = np.concatenate([np.zeros(0, np.float32), *blocks])
        self._given += len(made)
        return made


class Features:
    """Rows (n, ``COUNT``) float32 of a sound at ``RATE`` that comes in blocks of any size."""

    def __init__(self) -> None:
        self._held = np.zeros(AHEAD, np.float32)  # silence before the first sample
        self._heard = self._given = 0
        self._peak = FIRST_PEAK

    def push(self, sound: np.ndarray) -> np.ndarray:
        """The rows that can be given now, whole blocks of them."""
        self._heard += len(sound)
        self._held = np.concatenate([self._held, sound])
        return np.concatenate([np.zeros((0, COUNT), np.float32), *self._blocks()])

    def finish(self) -> np.ndarray:
        """The rows that are left: there are ``samples // HOP + 1`` in all, of no sound none."""
        wanted = self._heard // HOP + 1 if self._heard else 0
        left = wanted - self._given
        given = self.push(np.zeros(-(-max(left, 0) // BLOCK) * BLOCK * HOP + AHEAD, np.float32))
        return given[:left]

    def _blocks(self) -> Iterator[np.ndarray]:
        needed = (BLOCK - 1) * HOP + PITCH_WINDOW
        while len(self._held) >= needed:
            yield self._rows(self._held[:needed])
            self._held = self._held[BLOCK * HOP :]
            self._given += BLOCK

    def _rows(self, sound: np.ndarray) -> np.ndarray:
        """The next ``BLOCK`` rows, from just the samples that they need."""
        inner = sound[AHEAD - WINDOW // 2 :]
        frames = np.lib.stride_tricks.sliding_window_view(inner, WINDOW)[::HOP][:BLOCK]
        level = 10 * np.log10(np.square(frames).mean(1) + FLOOR)
        rows = np.empty((BLOCK, COUNT), np.float32)
        rows[:, :BANDS] = _mel(frames)
        rows[:, LEVEL] = level
        rows[:, VOICED], rows[:, PITCH] = _pitch(sound)
        peak = np.array([self._follow(value) for value in level.tolist()])
        rows[:, :BANDS] = ((rows[:, :BANDS] - peak[:, None]) / DEPTH + 1).clip(0, 1.2)
        least = np.maximum(peak - QUIET, FAINT)
        rows[:, ACTIVE] = ((level - least) / SOFTNESS + 1).clip(0, 1)
        rows[:, (VOICED, PITCH)] *= (rows[:, ACTIVE] > 0)[:, None]
        return rows

    def _follow(self, level: float) -> float:
        """The voice's peak with one more row heard."""
        self._peak = max(level, self._peak - RELEASE, LEAST_PEAK)
        return self._peak


def features(sound: np.ndarray, rate: int = RATE) -> np.ndarray:
    """The rows (n, ``COUNT``) of a whole sound (S,) or (S, channels) at ``rate`` hertz.

    Raises InputError and UsageError as :func:`checked` and :class:`Resampler`.
    """
    resampler, heard = Resampler(rate), Features()
    first = heard.push(resampler.push(checked(sound)))
    last = heard.push(resampler.finish())
    return np.concatenate([first, last, heard.finish()])


def _mel(frames: np.ndarray) -> np.ndarray:
    """Decibels (n, BANDS) of the power in mel bands, of a sine at full scale about 0."""
    spectrum = np.fft.rfft(frames * _hann(WINDOW), 512)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32) @ _filters()
    return 10 * np.log10(power / (WINDOW / 4) ** 2 + FLOOR)


def _pitch(sound: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How periodic each row is, 0..1, and its pitch in octaves above 100 Hz; 0 without one.

    By the highest peak of the autocorrelation, divided by that of the window (Boersma 1993).
    """
    frames = np.lib.stride_tricks.sliding_window_view(sound, PITCH_WINDOW)[::HOP][:BLOCK]
    shortest, longest = int(RATE / HIGHEST), int(RATE / LOWEST)
    centred = (frames - frames.mean(1, keepdims=True)) * _hann(PITCH_WINDOW)
    found = _autocorrelation(centred)[:, : longest + 1]
    strength = found / np.maximum(found[:, :1], 1e-7) * _window_falls()[: longest + 1]
    inner = strength[:, shortest:]
    best = inner.max(1, keepdims=True)
    lag = shortest + (inner >= 0.93 * best).argmax(1)  # the first: no octave too low
    voiced = ((best[:, 0] - 0.3) / 0.4).clip(0, 1)
    return voiced, np.where(voiced > 0.3, np.log2(RATE / lag / 100), 0)


def _autocorrelation(frames: np.ndarray) -> np.ndarray:
    spectrum = np.fft.rfft(frames, 1024)
    return np.fft.irfft(spectrum.real**2 + spectrum.imag**2, 1024)


@cache
def _window_falls() -> np.ndarray:
    own = _autocorrelation(_hann(PITCH_WINDOW)[None])[0]
    return own[0] / np.maximum(own, 1e-3)


@cache
def _hann(size: int) -> np.ndarray:
    return np.hanning(size + 1)[:-1].astype(np.float32)


@cache
def _filters() -> np.ndarray:
    """Triangles (257, BANDS) evenly apart in mel (O'Shaughnessy), 60 Hz to 7.6 kHz."""
    low, high = 2595 * np.log10(1 + np.array([60, 7600]) / 700)
    edges = 700 * (10 ** (np.linspace(low, high, BANDS + 2) / 2595) - 1)
    hertz = np.fft.rfftfreq(512, 1 / RATE)[:, None]
    rising = (hertz - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - hertz) / (edges[2:] - edges[1:-1])
    return np.maximum(np.minimum(rising, falling), 0).astype(np.float32)
