"""What networks hear: features of sound, voice activity, and how they line up with video frames.

Sound is float32, -1..1, mono: one recording (S,), or a batch (N, S). Frames of features are 10 ms
apart unless said otherwise; frame i is centred at sample ``hop * i``.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cache

import av
import numpy as np
import torch
from torch.nn import functional as F

from mien.errors import InputError, UsageError

RATE = 16_000  # hertz, of what the networks here hear
RATES = (100, 768_000)
HOP, WINDOW = RATE // 100, RATE // 40
FLOOR = 1e-10  # of a power, before its logarithm is taken
QUIET, FAINT = 45.0, -70.0
"""A pause is this many decibels below the loudest, or below this level of full scale."""


def checked(samples: np.ndarray) -> np.ndarray:
    """Sound as float32 mono (S,): the mean of the channels of (S, C), NaN and infinity silent.

    Raises InputError for anything but a sound of at least one sample.
    """
    sound = np.asarray(samples)
    if sound.ndim not in (1, 2) or sound.size == 0 or sound.dtype.kind != "f":
        raise InputError(
            f"sound is samples (S,) or (S, channels) -1..1, not {sound.dtype} {sound.shape}"
        )
    finite = np.where(np.isfinite(sound), sound, 0).clip(-1, 1)
    return (finite.mean(1) if sound.ndim == 2 else finite).astype(np.float32)


def resample(samples: np.ndarray, rate: int, target: int = RATE) -> np.ndarray:
    """Sound (S,) at another rate, band-limited: (round(S * target / rate),).

    Raises UsageError for rates outside ``RATES``.
    """
    if not all(RATES[0] <= r <= RATES[1] for r in (rate, target)):
        raise UsageError(f"sound has {RATES[0]} to {RATES[1]} samples a second, not {rate}")
    if rate == target or not len(samples):
        return samples.astype(np.float32)
    resampler = av.AudioResampler(format="fltp", layout="mono", rate=target)
    blocks = [block.to_ndarray()[0] for part in _frames(samples, rate)
              for block in resampler.resample(part)]  # fmt: skip
    made = np.concatenate([np.empty(0, np.float32), *blocks])  # of one sample nothing may come
    count = round(len(samples) * target / rate)
    return np.pad(made, (0, max(count - len(made), 0)))[:count]


def _frames(samples: np.ndarray, rate: int) -> Iterator[av.AudioFrame | None]:
    """Sound in pieces as PyAV takes it, and None, with which it gives what it still holds."""
    for start in range(0, len(samples), 1 << 16):
        piece = np.ascontiguousarray(samples[None, start : start + (1 << 16)], np.float32)
        frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout="mono")
        frame.sample_rate = rate
        yield frame
    yield None


def normalised(audio: torch.Tensor) -> torch.Tensor:
    """Sound (N, S) of mean 0 and deviation 1 each, as speech encoders were trained on."""
    centred = audio - audio.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + 1e-7).sqrt()


# -- features --------------------------------------------------------------------------------------


def log_mel(
    audio: torch.Tensor, bands: int = 80, hop: int = HOP, window: int = WINDOW, rate: int = RATE
) -> torch.Tensor:
    """Natural logarithm of the power in mel bands: (N, S) -> (N, S // hop + 1, bands)."""
    size = 1 << (window - 1).bit_length()
    hann = torch.hann_window(window, device=audio.device)
    spectrum = torch.stft(
        audio, size, hop, window, hann, pad_mode="constant", return_complex=True
    )  # fmt: skip
    filters = mel_filters(bands, size, rate).to(audio.device)
    power = spectrum.abs().square().transpose(1, 2) @ filters
    return power.clamp(min=FLOOR).log()


@cache
def mel_filters(bands: int, size: int, rate: int) -> torch.Tensor:
    """Triangles (size // 2 + 1, bands) of height 1, evenly apart in mel (O'Shaughnessy)."""
    highest = 2595 * np.log10(1 + rate / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, highest, bands + 2) / 2595) - 1)
    hertz = np.fft.rfftfreq(size, 1 / rate)[:, None]
    rising = (hertz - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - hertz) / (edges[2:] - edges[1:-1])
    return torch.from_numpy(np.maximum(np.minimum(rising, falling), 0).astype(np.float32))


def loudness(audio: torch.Tensor, hop: int = HOP, window: int = WINDOW) -> torch.Tensor:
    """Root mean square about each frame, decibels of full scale: (N, S) -> (N, S // hop + 1)."""
    around = F.pad(audio.square(), (window // 2, window))
    power = around.unfold(1, window, hop).mean(-1)[:, : audio.shape[1] // hop + 1]
    return 10 * power.clamp(min=FLOOR).log10()


def voice_activity(audio: torch.Tensor, hangover: int = 10) -> torch.Tensor:
    """Whether there is sound, by its level: (N, S) -> (N, S // HOP + 1) bool.

    Frames ``QUIET`` decibels below the loudest of the recording, or below ``FAINT``, are pauses.
    hangover: frames that activity lasts on, before and after, which bridges stops.
    """
    level = loudness(audio)
    active = level > (level.amax(1, keepdim=True) - QUIET).clamp(min=FAINT)
    reach = 2 * hangover + 1
    return F.max_pool1d(active.float()[:, None], reach, 1, hangover)[:, 0] > 0


def pitch(
    audio: torch.Tensor, low: float = 60.0, high: float = 500.0, voiced: float = 0.5
) -> torch.Tensor:
    """Fundamental frequency of each frame in hertz, 0 where there is none.

    (N, S) -> (N, S // HOP + 1). By the highest peak of the autocorrelation, divided by that of
    the window (Boersma 1993); a frame is voiced where that peak is above ``voiced`` and there is
    sound. Of peaks that are nearly as high, the first counts, so octaves are not taken for it.
    """
    window = int(3 * RATE / low)
    longest, shortest = int(RATE / low), int(RATE / high)
    hann = torch.hann_window(window, device=audio.device)
    size = 1 << (window + longest).bit_length()
    around = F.pad(audio, (window // 2, window)).unfold(1, window, HOP)
    frames = around[:, : audio.shape[1] // HOP + 1]
    own = _autocorrelation(hann, size)[: longest + 2]
    found = _autocorrelation((frames - frames.mean(-1, keepdim=True)) * hann, size)
    strength = found[..., : longest + 2] / found[..., :1].clamp(min=FLOOR) * (own[0] / own)
    inner = strength[..., shortest : longest + 1]
    left, right = (strength[..., shortest + k : longest + 1 + k] for k in (-1, 1))
    peak = torch.where((inner >= left) & (inner > right), inner, 0)
    best = peak.amax(-1, keepdim=True)
    place = (peak >= 0.9 * best).float().argmax(-1, keepdim=True)
    a, b, c = (part.gather(-1, place) for part in (left, inner, right))
    lag = place + shortest + 0.5 * (a - c) / (a - 2 * b + c).clamp(max=-1e-6)  # top of a parabola
    heard = (best > voiced) & voice_activity(audio, 0)[..., None]
    return torch.where(heard, RATE / lag, 0)[..., 0]


def _autocorrelation(x: torch.Tensor, size: int) -> torch.Tensor:
    return torch.fft.irfft(torch.fft.rfft(x, size).abs().square(), size)


# -- frames of features and frames of video --------------------------------------------------------


def frame_count(samples: int, fps: float, rate: int = RATE) -> int:
    """How many frames of video a sound lasts."""
    return round(int(samples) / rate * fps)  # int: while a network is traced, it is a tensor


def stretched(features: torch.Tensor, frames: int) -> torch.Tensor:
    """Features (N, T, C) as ``frames`` of them, the first and the last staying: (N, frames, C).

    This is how published networks line up features with video (FaceFormer, Fan et al. 2022). It is
    up to 20 ms off, since the first and the last feature are not at a clip's very ends; see
    :func:`at_frames`.
    """
    moved = features.transpose(1, 2)
    return F.interpolate(moved, frames, mode="linear", align_corners=True).transpose(1, 2)


def at_frames(
    features: torch.Tensor, frames: int, fps: float, *,
    step: float = 320, centre: float = 200, rate: int = RATE,
) -> torch.Tensor:  # fmt: skip
    """Features (N, T, C) at the times of video frames, j / fps: (N, frames, C).

    Feature i is about sample ``step * i + centre``, as of the encoders of ``mien.nn.wav2vec2``
    unless said otherwise; between features they are mixed linearly, beyond them the last one stays.
    """
    times = torch.arange(frames, device=features.device, dtype=torch.float64) / fps
    place = ((times * rate - centre) / step).clamp(0, features.shape[1] - 1)
    before = place.floor().long()
    after = (before + 1).clamp(max=features.shape[1] - 1)
    share = (place - before).to(features.dtype)[:, None]
    return torch.lerp(features[:, before], features[:, after], share)


def in_windows(
    work: Callable[[np.ndarray], np.ndarray],
    samples: np.ndarray,
    fps: float,
    window: float = 25.0,
    overlap: float = 5.0,
) -> np.ndarray:
    """``work`` on a long sound (S,), window by window, cross-faded: (round(S / RATE * fps), D).

    work: sound -> frames (about its seconds times fps, D). window, overlap: seconds, a whole number
    of frames each. One window is at work at a time; the last one is as long as what is left.
    """
    length, shared = round(window * fps), round(overlap * fps)
    count = frame_count(len(samples), fps)
    out: np.ndarray | None = None
    for start in range(0, max(count - shared, 1), length - shared):
        last = start + length >= count
        end = len(samples) if last else round((start + length) * RATE / fps)
        made = work(samples[round(start * RATE / fps) : end])
        if out is None:
            out = np.zeros((count, *made.shape[1:]), np.float32)
        stop = min(start + len(made), count)
        made = made[: stop - start]
        if start:
            ramp = np.linspace(0, 1, shared + 2, dtype=np.float32)[1:-1, None][: len(made)]
            faded = slice(start, start + len(ramp))
            made[: len(ramp)] = (1 - ramp) * out[faded] + ramp * made[: len(ramp)]
        out[start:stop] = made
    assert out is not None
    return out


def streamed(
    blocks: Iterable[np.ndarray], step: int, past: int, ahead: int = 0
) -> Iterator[np.ndarray]:
    """Windows (past + step + ahead,) of a sound that comes in blocks of any size.

    Each is about the next ``step`` samples and has ``past`` samples before and ``ahead`` after
    them; silence stands where there is no sound yet or any more. A window is given as soon as its
    last sample is there, so ``ahead`` is the latency. The last step is filled with silence.
    """
    held = np.zeros(past, np.float32)
    whole = past + step + ahead
    heard = given = 0
    for block in blocks:
        heard += len(block)
        held = np.concatenate([held, block.astype(np.float32)])
        while len(held) >= whole:
            yield held[:whole].copy()
            held, given = held[step:], given + step
    while given < heard:
        yield np.pad(held[:whole], (0, max(whole - len(held), 0)))
        held, given = held[step:], given + step
