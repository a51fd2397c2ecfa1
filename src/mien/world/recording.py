"""A recording to the motion of a face that says it: a simple baseline from the signal alone.

Without a transcript, ridge regression reads the mouth off the spectrum: log-mel bands over 0.3 s,
normalised over the recording, to the curves of speech and the contact of the lips. It is trained by
:mod:`mien.world.visemes_train` on speech of eSpeak NG, where the truth is known, so it knows no
person and no emotion; the mood of the face is up to the caller. It hears loud open vowels and
silence well, rounding fairly, and closures poorly in noise.

With a transcript, the text is spoken by :mod:`mien.world.speech` and aligned with the recording by
dynamic time warping (Sakoe and Chiba 1978); phonemes then drive the face as in
:mod:`mien.world.visemes`.
"""

from dataclasses import replace
from functools import cache
from importlib import resources

import numba
import numpy as np

from mien.errors import InputError
from mien.face import BLENDSHAPES, Motion
from mien.world import visemes
from mien.world.speech import Voice, synthesize
from mien.world.visemes import CURVES, PAUSE, Phoneme
from mien.world.voice import resample

RATE = 16_000
HOP, WINDOW, BANDS = 160, 512, 40
CONTEXT = (-15, -10, -6, -3, -1, 0, 1, 3, 6, 10, 15)
"""Frames of 10 ms, relative to the one that is read, that the regression sees."""

CURVES_HEARD = ("jawOpen", "mouthFunnel", "mouthPucker", "mouthSmileLeft",
                "mouthStretchLeft", "mouthLowerDownLeft", "mouthUpperUpLeft", "mouthRollLower",
                "tongueOut")  # fmt: skip
"""What is estimated, before the contact of the lips; right sides follow the left."""

SHORTEST = 0.025
"""Seconds; what is closed for less than this is no closure."""

QUIET, FAINT = 45.0, -70.0
"""A pause is this many decibels below the loudest, or below this level of full scale."""

LONGEST, LONGEST_ALIGNED = 600.0, 60.0
"""Seconds of a recording that are animated at most, without and with a transcript: memory grows
with the length, and with its square for an alignment."""


@cache
def _filters() -> np.ndarray:
    """Triangular mel filters (WINDOW // 2 + 1, BANDS), 60 Hz to 7.6 kHz (O'Shaughnessy's mel)."""
    low, high = 2595 * np.log10(1 + np.array([60, 7600]) / 700)
    edges = 700 * (10 ** (np.linspace(low, high, BANDS + 2) / 2595) - 1)
    hertz = np.fft.rfftfreq(WINDOW, 1 / RATE)[:, None]
    rising = (hertz - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - hertz) / (edges[2:] - edges[1:-1])
    return np.maximum(np.minimum(rising, falling), 0).astype(np.float32)


def log_mel(samples: np.ndarray) -> np.ndarray:
    """Log-mel spectrum (T, 40) float32 of samples at 16 kHz; row i is centred at i / 100 s.

    Each band is normalised by its mean over the recording and all by one deviation, so level and
    microphone do not matter. A floor of 50 dB below the loudest hides faint noise.
    """
    count = len(samples) // HOP + 1
    padded = np.pad(samples.astype(np.float32), (WINDOW // 2, WINDOW))
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP][:count]
    window = np.hanning(WINDOW).astype(np.float32)
    power = np.empty((count, BANDS), np.float32)
    for start in range(0, count, 4096):  # flat memory
        block = np.fft.rfft(frames[start : start + 4096] * window)
        power[start : start + 4096] = (block.real**2 + block.imag**2) @ _filters()
    logs = np.log(np.maximum(power, max(float(power.max()) * 1e-5, 1e-12)))
    centred = logs - logs.mean(0)
    return centred / max(float(centred.std()), 1e-3)


def features(samples: np.ndarray) -> np.ndarray:
    """What the regression reads (T, F) float32: spectra around each frame, and a one."""
    mel = log_mel(samples)
    reach = max(CONTEXT)
    padded = np.pad(mel, ((reach, reach), (0, 0)), mode="edge")
    shifted = [padded[reach + by : reach + by + len(mel)] for by in CONTEXT]
    return np.hstack([*shifted, np.ones((len(mel), 1), np.float32)])


def heard(samples: np.ndarray) -> np.ndarray:
    """Curves and contact (T, 10), at 100 frames/s, of samples at 16 kHz: ``CURVES_HEARD``, then
    how far the lips touch."""
    return features(samples) @ _trained()[0]


@cache
def _trained() -> tuple[np.ndarray, float]:
    """The weights of the regression, and the contact from which on lips are taken to touch."""
    with (
        resources.files("mien.world").joinpath("recording.npz").open("rb") as file,
        np.load(file, allow_pickle=False) as arrays,
    ):
        return arrays["weights"].astype(np.float32), float(arrays["contact_from"])


def from_recording(
    samples: np.ndarray,
    rate: int,
    fps: float,
    transcript: str | None = None,
    language: str = "en-us",
) -> Motion:
    """The motion of a face that says a recording; head and eyes are still.

    Args:
        samples: (n,) float, -1..1; rate: hertz.
        transcript: what is said, if it is known; it needs the extra ``speech``. language: its code.

    Raises InputError for a recording that is empty, not finite or longer than ten minutes, and as
    ``synthesize`` for a transcript.
    """
    sound = _checked(samples, rate)
    if transcript is not None:
        return visemes.animate(align(sound, transcript, language), fps)
    if not fps > 0:
        raise ValueError(f"fps must be positive, not {fps}")
    estimate = heard(sound) * _audible(sound)[:, None]
    spans = closures(estimate[:, -1], _trained()[1])
    times = visemes.frame_times(len(sound) / RATE, fps, spans)
    expression = np.zeros((len(times), len(BLENDSHAPES)), np.float32)
    clock = np.arange(len(estimate)) / 100
    for i, name in enumerate(CURVES_HEARD):
        curve = np.interp(times, clock, estimate[:, i]).clip(0, 1)
        expression[:, CURVES[name]] = curve
        if name.endswith("Left"):
            expression[:, CURVES[name.replace("Left", "Right")]] = curve
    weight = visemes.contact_weight(spans, times)
    return Motion(fps, visemes.close_lips(expression, weight), np.zeros((len(times), 3)))


def _audible(sound: np.ndarray) -> np.ndarray:
    """Where there is sound, (T,) 0..1 at 100 frames/s: 0 in pauses longer than about 0.2 s."""
    padded = np.pad(np.square(sound), (WINDOW // 2, WINDOW))
    total = np.concatenate([[0.0], np.cumsum(padded, dtype=np.float64)])
    starts = np.arange(len(sound) // HOP + 1) * HOP
    level = 10 * np.log10((total[starts + WINDOW] - total[starts]).clip(0) / WINDOW + 1e-12)
    least = max(float(level.max()) - QUIET, FAINT)
    gate = np.clip((level - least) / 10 + 1, 0, 1)
    around = np.lib.stride_tricks.sliding_window_view(np.pad(gate, 10), 21)
    return around.max(1)


def _checked(samples: np.ndarray, rate: int) -> np.ndarray:
    """Samples at 16 kHz."""
    sound = np.asarray(samples, np.float32)
    if sound.ndim != 1 or len(sound) == 0 or not rate > 0:
        raise InputError("a recording must be (n,) samples, n > 0, at a positive rate")
    if not np.isfinite(sound).all():
        raise InputError("the recording has samples that are not finite")
    if len(sound) > LONGEST * rate:
        raise InputError(f"the recording is longer than {LONGEST / 60:.0f} minutes; divide it")
    return sound if rate == RATE else resample(sound, rate, RATE)


def closures(contact: np.ndarray, least: float) -> np.ndarray:
    """When the lips touch, (n, 2) seconds, from their contact (T,) at 100 frames/s."""
    closed = np.concatenate([[False], contact >= least, [False]])
    edges = np.flatnonzero(np.diff(closed.astype(np.int8))).reshape(-1, 2)
    spans = (edges - 0.5) / 100
    return spans[spans[:, 1] - spans[:, 0] >= SHORTEST].clip(0)


# -- alignment with a transcript ---------------------------------------------------------------


def align(sound: np.ndarray, transcript: str, language: str = "en-us") -> list[Phoneme]:
    """The phonemes of a transcript with their times in samples at 16 kHz.

    Raises InputError when either is longer than a minute, and as ``synthesize``.
    """
    spoken = synthesize(transcript, Voice(language))
    if max(len(sound) / RATE, spoken.duration) > LONGEST_ALIGNED:
        raise InputError(f"speech is aligned up to {LONGEST_ALIGNED:.0f} s; divide it")
    reference = log_mel(resample(spoken.samples, spoken.rate, RATE))
    target = log_mel(sound)
    path = _warp(_distances(reference, target))
    clock = np.arange(len(reference)) / 100

    def at(time: float) -> float:
        return float(np.interp(time, clock, path)) / 100

    out = [
        replace(p, start=at(p.start), end=at(p.end), release=p.release and at(p.release))
        for p in spoken.phonemes
    ]
    out = [p for p in out if p.end > p.start]
    end = len(sound) / RATE
    if out and out[0].start > 0:
        out.insert(0, Phoneme(PAUSE, 0.0, out[0].start))
    if out and out[-1].end < end:
        out.append(Phoneme(PAUSE, out[-1].end, end))
    return out


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine distances (A, B) of smoothed spectra, so that the voice matters little."""
    a, b = (_cepstra(x) for x in (a, b))
    return 1 - a @ b.T


def _cepstra(mel: np.ndarray) -> np.ndarray:
    """Unit vectors (T, 26): 13 cepstra and their change over 50 ms."""
    order = np.arange(13)[:, None]
    basis = np.cos(np.pi * order * (np.arange(BANDS) + 0.5) / BANDS).astype(np.float32)
    cepstra = mel @ basis.T
    change = np.roll(cepstra, -2, 0) - np.roll(cepstra, 2, 0)
    both = np.hstack([cepstra, change])
    return both / np.linalg.norm(both, axis=1, keepdims=True).clip(1e-6)


@numba.njit(cache=True)
def _warp(cost: np.ndarray) -> np.ndarray:
    """For each row of ``cost`` (A, B) the mean column of the cheapest monotone path, (A,)."""
    rows, columns = cost.shape
    total = np.full((rows + 1, columns + 1), np.inf, np.float32)
    total[0, 0] = 0
    for i in range(rows):
        for j in range(columns):
            best = min(total[i, j], total[i, j + 1] + 0.1, total[i + 1, j] + 0.1)
            total[i + 1, j + 1] = cost[i, j] + best
    i, j = rows - 1, columns - 1
    sums, counts = np.zeros(rows), np.zeros(rows)
    while i >= 0 and j >= 0:
        sums[i] += j
        counts[i] += 1
        if total[i, j] <= total[i, j + 1] + 0.1 and total[i, j] <= total[i + 1, j] + 0.1:
            i, j = i - 1, j - 1
        elif total[i, j + 1] <= total[i + 1, j]:
            i -= 1
        else:
            j -= 1
    return sums / np.maximum(counts, 1)
