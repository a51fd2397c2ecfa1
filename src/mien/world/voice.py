"""What happens to a voice on its way to a recording: rooms, noise, level, microphones, codecs.

Every function takes and returns float32 samples (n,), -1..1. Those that draw take a generator, and
with the same generator state return the same samples.
"""

from dataclasses import dataclass

import numpy as np

from mien.errors import UsageError

SPEED_OF_SOUND = 343.0  # m/s

NOISES = ("white", "pink", "brown", "hum", "babble")
"""Kinds of :func:`noise`; babble is noise with the spectrum and the rhythm of many voices."""

ROOM_ORDER = 12
"""Reflections that the image sources of a room go through; what comes later is a diffuse tail."""


def resample(samples: np.ndarray, rate: int, target: int) -> np.ndarray:
    """Samples at another rate, band-limited; exact for periodic signals."""
    return _stretch(samples, max(round(len(samples) * target / rate), 1))


def change_speed(samples: np.ndarray, factor: float) -> np.ndarray:
    """Play faster (factor > 1) or slower, like a tape: pitch and formants move along.

    Times in the result are times before divided by ``factor``.

    Raises UsageError for a factor outside 0.25..4.
    """
    if not 0.25 <= factor <= 4:
        raise UsageError(f"speed must be 0.25..4, not {factor}")
    return _stretch(samples, max(round(len(samples) / factor), 1))


def _stretch(samples: np.ndarray, count: int) -> np.ndarray:
    if count == len(samples) or len(samples) == 0:
        return samples.astype(np.float32)
    spectrum = np.fft.rfft(samples)
    kept = np.zeros(count // 2 + 1, complex)
    shared = min(len(spectrum), len(kept))
    kept[:shared] = spectrum[:shared]
    return (np.fft.irfft(kept, count) * (count / len(samples))).astype(np.float32)


def set_level(samples: np.ndarray, decibels: float) -> np.ndarray:
    """Samples with this root mean square, in decibels of full scale; peaks are clipped at 1."""
    power = float(np.mean(np.square(samples, dtype=np.float64))) if len(samples) else 0.0
    gain = 10 ** (decibels / 20) / np.sqrt(power) if power else 1.0
    return (samples * gain).clip(-1, 1).astype(np.float32)


def noise(count: int, rate: int, kind: str, rng: np.random.Generator) -> np.ndarray:
    """Noise (count,) of unit power.

    Raises UsageError for a kind that is not in ``NOISES``.
    """
    if kind not in NOISES:
        raise UsageError(f"no noise {kind!r}; there are {', '.join(NOISES)}")
    if count == 0:
        return np.zeros(0, np.float32)
    hertz = np.fft.rfftfreq(count, 1 / rate).clip(20)
    if kind == "hum":
        sound = _hum(count, rate, rng)
    else:
        slope = {"white": 0.0, "pink": 0.5, "brown": 1.0, "babble": 0.0}[kind]
        gain = hertz**-slope
        if kind == "babble":  # the long-term average spectrum of speech: flat, then 9 dB an octave
            gain = (1 + (hertz / 500) ** 2) ** -0.75 * (hertz > 80)
        spectrum = np.fft.rfft(rng.normal(size=count)) * gain
        sound = np.fft.irfft(spectrum, count)
        if kind == "babble":
            sound *= _rhythm(count, rate, rng)
    return (sound / np.sqrt(np.mean(np.square(sound)))).astype(np.float32)


def _hum(count: int, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Mains hum with harmonics."""
    mains = rng.choice((50, 60))
    time = np.arange(count) / rate
    harmonics = np.arange(1, 9)
    phases = rng.uniform(0, 2 * np.pi, len(harmonics))
    strengths = rng.uniform(0.3, 1, len(harmonics)) / harmonics
    return sum(
        a * np.sin(2 * np.pi * mains * k * time + phase)
        for a, k, phase in zip(strengths, harmonics, phases, strict=True)
    ) + 1e-4 * rng.normal(size=count)


def _rhythm(count: int, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Slow changes of loudness, about four syllables a second, (count,) 0.3..1.7."""
    knots = rng.uniform(0.3, 1.7, max(int(count / rate * 8), 2))
    return np.interp(np.linspace(0, len(knots) - 1, count), np.arange(len(knots)), knots)


def add_noise(samples: np.ndarray, sound: np.ndarray, snr: float) -> np.ndarray:
    """Samples plus another sound (n,), so much that the ratio of their powers is ``snr`` decibels.

    The power of the samples is taken where they are not silent (above -60 dB of their peak, in
    blocks of 256), so pauses do not count. Silence stays silent.
    """
    power, disturbance = (
        active_power(samples),
        float(np.mean(np.square(sound))) if len(sound) else 0,
    )
    if not power or not disturbance:
        return samples.astype(np.float32)
    gain = np.sqrt(power / disturbance / 10 ** (snr / 10))
    return (samples + gain * sound).astype(np.float32)


def active_power(samples: np.ndarray) -> float:
    """The mean power of the blocks that are not silent."""
    if not len(samples):
        return 0.0
    blocks = np.pad(np.square(samples, dtype=np.float64), (0, -len(samples) % 256))
    power = blocks.reshape(-1, 256).mean(1)
    floor = 1e-6 * float(np.square(samples, dtype=np.float64).max())
    return float(power[power > floor].mean()) if (power > floor).any() else 0.0


@dataclass(frozen=True, slots=True)
class Room:
    """A box with a talker and a microphone.

    size, talker, microphone: metres; reverberation: the time in which sound falls by 60 dB, s.
    """

    size: tuple[float, float, float]
    talker: tuple[float, float, float]
    microphone: tuple[float, float, float]
    reverberation: float

    def response(self, rate: int, rng: np.random.Generator) -> np.ndarray:
        """The impulse response; its first sample is the direct sound, of gain 1.

        Early reflections come from image sources (Allen and Berkley 1979, with one
        absorption for all walls by Eyring's formula). Later ones are noise that decays, as strong
        as a diffuse field is at this distance (Kuttruff, Room Acoustics).
        """
        early = self._image_sources(rate)
        volume, time = float(np.prod(self.size)), np.arange(len(early)) / rate
        critical = 0.057 * np.sqrt(volume / self.reverberation)
        diffuse = (self._distance() / critical) ** 2 * 13.8 / (self.reverberation * rate)
        tail = rng.normal(size=len(early)) * 10 ** (-3 * time / self.reverberation)
        mixing = 0.002 * np.sqrt(volume)  # seconds, from when on echoes are dense
        fade = np.clip(2 * time / mixing - 1, 0, 1)
        return (early * (1 - fade) + tail * np.sqrt(diffuse) * fade).astype(np.float32)

    def _distance(self) -> float:
        return float(np.linalg.norm(np.subtract(self.talker, self.microphone)))

    def _image_sources(self, rate: int) -> np.ndarray:
        size, talker, ear = (np.array(v) for v in (self.size, self.talker, self.microphone))
        surface = 2 * (size[0] * size[1] + size[1] * size[2] + size[0] * size[2])
        absorbed = 1 - np.exp(-0.161 * np.prod(size) / (surface * self.reverberation))
        reflected = np.sqrt(1 - absorbed)
        order = np.arange(-ROOM_ORDER, ROOM_ORDER + 1)
        cells = np.stack(np.meshgrid(order, order, order, indexing="ij"), -1).reshape(-1, 3)
        cells = cells[np.abs(cells).sum(1) <= ROOM_ORDER]
        images = cells * size + np.where(cells % 2 == 0, talker, size - talker)
        distance = np.linalg.norm(images - ear, axis=1)
        direct = self._distance()
        delay = np.round((distance - direct) / SPEED_OF_SOUND * rate).astype(int)
        response = np.zeros(max(int(self.reverberation * rate), 2))
        heard = delay < len(response)
        gain = reflected ** np.abs(cells).sum(1) * direct / distance
        np.add.at(response, delay[heard], gain[heard])
        return response


def random_room(rng: np.random.Generator) -> Room:
    """A room between a closet and a hall, a talker, and a microphone at 0.3 to 3 m."""
    size = rng.uniform((2, 2, 2.2), (8, 7, 4))
    talker = rng.uniform(0.2, 0.8, 3) * size
    way = rng.normal(size=3)
    way *= rng.uniform(0.3, 3) / np.linalg.norm(way)
    ear = np.clip(talker + way, 0.1 * size, 0.9 * size)
    if np.linalg.norm(ear - talker) < 0.2:
        ear[0] = talker[0] + 0.3
    return Room(*(tuple(map(float, v)) for v in (size, talker, ear)), float(rng.uniform(0.15, 0.9)))  # type: ignore[arg-type]


def reverberate(samples: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Samples in a room: as long as before, times unchanged, softer where it would clip."""
    count = len(samples) + len(response) - 1
    size = 1 << (count - 1).bit_length() if count > 1 else 1
    sound = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(response, size), size)
    sound = sound[: len(samples)]
    return (sound / max(float(np.abs(sound).max(initial=0)), 1.0)).astype(np.float32)


def band_limit(samples: np.ndarray, rate: int, low: float, high: float) -> np.ndarray:
    """Keep what is between two frequencies, hertz; edges fall over a third of an octave."""
    hertz = np.fft.rfftfreq(len(samples), 1 / rate).clip(1e-3)
    edge = 1 / 3
    gain = np.clip(np.log2(hertz / low) / edge + 1, 0, 1) * np.clip(
        np.log2(high / hertz) / edge + 1, 0, 1
    )
    return np.fft.irfft(np.fft.rfft(samples) * gain, len(samples)).astype(np.float32)


def mu_law(samples: np.ndarray, bits: int = 8) -> np.ndarray:
    """Samples coded and decoded by mu-law companding (ITU-T G.711, its continuous form)."""
    mu = 2**bits - 1
    compressed = np.sign(samples) * np.log1p(mu * np.abs(samples.clip(-1, 1))) / np.log1p(mu)
    coded = np.round((compressed + 1) / 2 * mu) / mu * 2 - 1
    return (np.sign(coded) * np.expm1(np.abs(coded) * np.log1p(mu)) / mu).astype(np.float32)


def telephone(samples: np.ndarray, rate: int) -> np.ndarray:
    """Samples as a telephone passes them: 300 to 3400 Hz, 8-bit mu-law."""
    return mu_law(band_limit(samples, rate, 300, min(3400, rate / 2)))


@dataclass(frozen=True, slots=True)
class Chain:
    """What a recording went through, in this order; the truth that goes with its samples.

    speed: factor, by which times are divided. room: None outdoors. snr: decibels, None without
    noise. cutoff: hertz, None for the whole band. level: root mean square, dB of full scale.
    """

    speed: float = 1.0
    room: Room | None = None
    noise: str = "white"
    snr: float | None = None
    cutoff: float | None = None
    telephone: bool = False
    level: float = -23.0


def random_chain(rng: np.random.Generator, strength: float = 1.0) -> Chain:
    """A chain to record with; strength 0..1 scales how likely and how strong each step is.

    Raises UsageError for a strength outside 0..1.
    """
    if not 0 <= strength <= 1:
        raise UsageError(f"strength must be 0..1, not {strength}")
    room, cutoff = random_room(rng), float(rng.uniform(3000, 8000))
    has_room, has_noise, has_cutoff, has_phone = rng.random(4) < strength * np.array(
        [0.6, 0.8, 0.3, 0.1]
    )
    return Chain(
        speed=float(np.exp(strength * rng.uniform(-0.1, 0.1))),
        room=room if has_room else None,
        noise=str(rng.choice(NOISES)),
        snr=float(rng.uniform(40 - 38 * strength, 40)) if has_noise else None,
        cutoff=cutoff if has_cutoff else None,
        telephone=bool(has_phone),
        level=float(rng.uniform(-23 - 12 * strength, -23 + 6 * strength)),
    )


def record(samples: np.ndarray, rate: int, chain: Chain, rng: np.random.Generator) -> np.ndarray:
    """Samples as they are after a chain; shorter or longer where it changes the speed."""
    sound = change_speed(samples, chain.speed)
    if chain.room is not None:
        sound = reverberate(sound, chain.room.response(rate, rng))
    if chain.snr is not None:
        sound = add_noise(sound, noise(len(sound), rate, chain.noise, rng), chain.snr)
    if chain.cutoff is not None:
        sound = band_limit(sound, rate, 50, min(chain.cutoff, rate / 2))
    if chain.telephone:
        sound = telephone(sound, rate)
    return set_level(sound, chain.level)
