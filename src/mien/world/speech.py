"""Speech with known truth: text to sound, with the time of every phoneme and word.

The voice is eSpeak NG, which speaks over a hundred languages by rules, so that what is said, and
when, is known exactly. It comes with the extra ``speech`` (the wheel ``espeakng-loader``). It is
under the GPL, version 3 or later: it is no part of mien and never shipped with it; where a user has
installed it, it is loaded at run time, in a process of its own (:mod:`mien.world.espeak`).

The style of an emotion changes pitch, its range, tempo, level, breathiness and brightness, with the
directions of Murray and Arnott (1993) and of Juslin and Laukka (2003). It is a
caricature by rule, not acted speech.
"""

import atexit
import json
import os
import subprocess
import sys
import threading
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from mien.errors import InputError, MienError, UsageError
from mien.face import Motion
from mien.world import espeak, visemes
from mien.world.visemes import PAUSE, Phoneme

LANGUAGES = ("en-us", "en-gb", "de", "fr-fr", "es", "it", "pt-br", "nl", "pl", "ru", "cmn", "ja",
             "hi", "ar")  # fmt: skip
"""Languages whose phonemes were checked against the table of visemes; :func:`languages` has all."""

WITHOUT_RULES = frozenset({"fo", "kaa", "xex"})  # listed, but the wheel has no dictionary of theirs

HUMAN = ("m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "f1", "f2", "f3", "f4", "f5",
         "Alex", "Andrea", "Annie", "Michael", "Mike", "Lee", "belinda", "linda", "steph", "zac",
         "david", "edward", "iven", "max", "robert", "paul", "klatt3")  # fmt: skip
"""Variants of the voice that are meant to sound like people."""

CHUNK = 400
"""Characters that are spoken at once; longer texts are divided, at sentences where possible."""

LONGEST_WORD = 60
PATIENCE = 20.0  # seconds for one chunk, which takes milliseconds
SILENT = 1e-3  # amplitude; the closures of eSpeak NG's stops are digital silence
LONGEST_CLOSURE = 0.12  # seconds of silence before a burst that belong to the stop


@dataclass(frozen=True, slots=True)
class Voice:
    """Who speaks, and how.

    language: a code of :func:`languages`.
    variant: one of :func:`variants`, or "" for the language's own voice.
    pitch: 0..100; an octave is about 50, 50 is the variant's own.
    range: 0..100, of the pitch; 0 is a monotone.
    rate: 80..450 words per minute.
    volume: 0..1, linear gain.
    """

    language: str = "en-us"
    variant: str = ""
    pitch: float = 50
    range: float = 50
    rate: float = 175
    volume: float = 1.0


LIMITS = {"pitch": (0, 100), "range": (0, 100), "rate": (80, 450), "volume": (0, 1)}


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the text and when it is said, in seconds."""

    text: str
    start: float
    end: float


@dataclass(slots=True, eq=False)
class Utterance:
    """Speech and its truth.

    samples: (n,) float32, -1..1; rate: hertz.
    phonemes: what is said, without gaps from the first to the last sample; pauses are ``PAUSE``.
    words: the words that were spoken. text: the whole text, as it was spoken.
    style: the emotion whose style the voice has.
    """

    samples: np.ndarray
    rate: int
    phonemes: list[Phoneme]
    words: list[Word]
    text: str
    language: str
    voice: Voice
    style: str = "neutral"

    @property
    def duration(self) -> float:
        return len(self.samples) / self.rate


@dataclass(frozen=True, slots=True)
class Style:
    """What an emotion does to a voice at full intensity.

    pitch: octaves; range, rate: factors; level: decibels; breath: 0..1, noise in place of voice;
    bright: decibels per octave that the spectrum is tilted by, about 1 kHz.
    """

    pitch: float = 0.0
    range: float = 1.0
    rate: float = 1.0
    level: float = 0.0
    breath: float = 0.0
    bright: float = 0.0


STYLES = {
    "neutral": Style(),
    "happiness": Style(pitch=0.25, range=1.5, rate=1.1, level=2, breath=0.1, bright=1),
    "sadness": Style(pitch=-0.15, range=0.5, rate=0.8, level=-5, breath=0.35, bright=-2),
    "anger": Style(pitch=0.2, range=1.5, rate=1.15, level=5, breath=0.0, bright=2),
    "fear": Style(pitch=0.45, range=1.2, rate=1.3, level=-1, breath=0.25, bright=0.5),
    "disgust": Style(pitch=-0.2, range=1.1, rate=0.75, level=-1, breath=0.05, bright=-1),
    "surprise": Style(pitch=0.4, range=1.7, rate=1.05, level=2, breath=0.15, bright=1),
    "contempt": Style(pitch=-0.12, range=0.75, rate=0.85, level=-1, breath=0.0, bright=-0.5),
}
"""The style of each emotion's voice; the face's is ``mien.world.visemes.STYLES``."""


def available() -> str | None:
    """None where speech can be made, else what is missing."""
    try:
        import espeakng_loader  # noqa: F401  # here, since it is an extra
    except ImportError:
        return "speech needs espeakng-loader: pip install 'mien[speech]'"
    return None


def languages() -> dict[str, str]:
    """The code and the English name of every language that can be spoken.

    Raises MienError where speech is not installed.
    """
    return {code: name for code, (name, _) in _catalogue().items()}


def variants() -> tuple[str, ...]:
    """The variants of the voice, human and not.

    Raises MienError where speech is not installed.
    """
    return tuple(sorted(p.name for p in (Path(_paths()[1]) / "voices" / "!v").iterdir()))


def random_voice(rng: np.random.Generator, language: str = "en-us") -> Voice:
    """A human-like voice: variant, pitch, range and rate are drawn."""
    return Voice(
        language,
        str(rng.choice(HUMAN)),
        pitch=float(np.clip(rng.normal(50, 12), 15, 85)),
        range=float(np.clip(rng.normal(50, 15), 10, 90)),
        rate=float(np.clip(rng.normal(165, 25), 110, 240)),
    )


def synthesize(
    text: str, voice: Voice | None = None, style: str = "neutral", intensity: float = 1.0
) -> Utterance:
    """Say a text. The same text and settings give the same samples.

    Control characters, symbols and pictographs are left out, and very long words divided; markup
    is read as text. style: an emotion of ``STYLES``, or several joined by ``+``; intensity 0..1
    scales it.

    Raises InputError when there is nothing in the text that can be spoken, UsageError for a wrong
    setting, MienError where speech is not installed.
    """
    voice = voice or Voice()
    manner = _style(style, intensity)
    _check(voice)
    spoken = clean(text)
    if not any(c.isalnum() for c in spoken):
        raise InputError(f"{text[:40]!r}: no text that can be spoken")
    request = _request(voice, manner)
    pieces = [_say({**request, "text": chunk}, chunk) for chunk in _chunks(spoken)]
    rate = pieces[0][1]
    samples = np.concatenate([piece[0] for piece in pieces])
    phonemes, words, start = [], [], 0
    for audio, _, events, chunk in pieces:
        heard = _phonemes(audio, rate, events, start)
        phonemes += heard
        words += _words(heard, rate, events, chunk, start)
        start += len(audio)
    if all(phoneme.symbol == PAUSE for phoneme in phonemes):
        raise InputError(f"{text[:40]!r}: no text that can be spoken in {voice.language}")
    sound = _colour(samples, rate, manner) * voice.volume
    return Utterance(sound.astype(np.float32), rate, phonemes, words, spoken, voice.language,
                     voice, style)  # fmt: skip


def speak(
    text: str,
    voice: Voice | None = None,
    fps: float = 30,
    style: str = "neutral",
    intensity: float = 1.0,
) -> tuple[Utterance, Motion]:
    """Say a text, and how the face moves while it is said; arguments as of :func:`synthesize`.

    The motion has the 52 curves of mouth and mood; head and eyes are still.
    """
    utterance = synthesize(text, voice, style, intensity)
    return utterance, visemes.animate(utterance.phonemes, fps, style, intensity)


def clean(text: str) -> str:
    """The part of a text that is safe to speak: letters, digits, punctuation, single spaces.

    Nothing is repeated more than three times in a row, and no word is longer than 60 characters:
    eSpeak NG has buffers that some longer ones overrun.
    """
    kept: list[str] = []
    word = 0
    for c in unicodedata.normalize("NFC", text):
        c = c if unicodedata.category(c)[0] in "LMNP" else " "
        if c == " " or word == LONGEST_WORD:
            word = 0
            if kept and kept[-1] != " ":
                kept.append(" ")
            if c == " ":
                continue
        if kept[-3:] == [c] * 3 or (_marks(kept) and unicodedata.category(c)[0] == "M"):
            continue
        kept.append(c)
        word += 1
    return "".join(kept).strip()


def _marks(kept: list[str]) -> bool:
    """Whether three combining marks stand at the end."""
    return len(kept) > 2 and all(unicodedata.category(c)[0] == "M" for c in kept[-3:])


def _chunks(text: str) -> Iterator[str]:
    """Pieces of at most CHUNK characters that end with a sentence, else a word, where possible."""
    while len(text) > CHUNK:
        head = text[:CHUNK]
        ends = [head.rfind(c) + 1 for c in ".!?。！？।؟"]
        cut = max(ends) if max(ends) > CHUNK // 4 else (head.rfind(" ") + 1 or CHUNK)
        yield text[:cut].strip()
        text = text[cut:].strip()
    yield text


def _style(name: str, intensity: float) -> Style:
    if not 0 <= intensity <= 1:
        raise UsageError(f"intensity must be 0..1, not {intensity}")
    parts = [STYLES[emotion] for emotion in visemes.emotions(name)]

    def mean(field: str) -> float:
        return intensity * sum(getattr(part, field) for part in parts) / len(parts)

    def factor(field: str) -> float:
        return float(np.prod([getattr(part, field) for part in parts]) ** (intensity / len(parts)))

    return Style(mean("pitch"), factor("range"), factor("rate"), mean("level"), mean("breath"),
                 mean("bright"))  # fmt: skip


def _check(voice: Voice) -> None:
    if voice.language not in _catalogue():
        raise UsageError(f"no language {voice.language!r}; mien.world.speech.languages() has all")
    if voice.variant and voice.variant not in variants():
        raise UsageError(f"no voice variant {voice.variant!r}; there are {', '.join(variants())}")
    for name, (low, high) in LIMITS.items():
        if not low <= getattr(voice, name) <= high:
            raise UsageError(f"{name} of a voice must be {low}..{high}, not {getattr(voice, name)}")


def _request(voice: Voice, style: Style) -> dict[str, Any]:
    styled = replace(
        voice,
        pitch=voice.pitch + 50 * style.pitch,
        range=voice.range * style.range,
        rate=voice.rate * style.rate,
    )
    file = _catalogue()[voice.language][1] + (f"+{voice.variant}" if voice.variant else "")
    numbers = {
        k: round(np.clip(getattr(styled, k), *LIMITS[k])) for k in ("pitch", "range", "rate")
    }
    return {"voice": file, **numbers}


# -- what eSpeak NG says of its own speech -----------------------------------------------------


def _phonemes(audio: np.ndarray, rate: int, events: list[list[Any]], offset: int) -> list[Phoneme]:
    """Phonemes without gaps, from events at which they begin.

    The event of a stop without voice is its burst; the silence before it is its closure.
    """
    heard = [(event[1], event[4]) for event in events if event[0] == "phoneme"]
    marks = [(0, PAUSE)]
    for at, symbol in heard:
        at = min(max(at, marks[-1][0]), len(audio))
        if symbol.startswith("(") and symbol.endswith(")"):  # a change of language
            continue
        if symbol or _is_silent(audio[at : at + rate // 100]):
            marks.append((at, symbol or PAUSE))
    out: list[Phoneme] = []
    ends = [at for at, _ in marks[1:]] + [len(audio)]
    for (start, symbol), end in zip(marks, ends, strict=True):
        sound = symbol.lstrip("ˈˌ")
        stress = {"ˈ": 2, "ˌ": 1}.get(symbol[:1], 0)
        if end <= start or not sound:
            continue
        release = None
        if out and visemes.is_stop(sound):
            closed = _silence_before(audio, start, rate)
            if closed > rate // 200:
                release = (start + offset) / rate
                start -= closed
                _end_at(out, (start + offset) / rate)
        out.append(Phoneme(sound, (start + offset) / rate, (end + offset) / rate, stress, release))
    return _merged_pauses(out)


def _is_silent(samples: np.ndarray) -> bool:
    return len(samples) == 0 or float(np.abs(samples).max()) < SILENT


def _silence_before(audio: np.ndarray, at: int, rate: int) -> int:
    """How many samples before a burst are silent; the burst may begin up to 5 ms early."""
    window = np.abs(audio[max(at - int(LONGEST_CLOSURE * rate), 0) : at]) >= SILENT
    early = rate // 200
    loud = np.flatnonzero(window[: max(len(window) - early, 0)])
    begin = int(loud[-1]) + 1 if len(loud) else 0
    return len(window) - begin if len(window) - begin > 2 * early else 0


def _end_at(phonemes: list[Phoneme], time: float) -> None:
    """Cut the last phonemes off at a time; what begins later goes."""
    while phonemes and phonemes[-1].start >= time:
        phonemes.pop()
    if phonemes:
        phonemes[-1] = replace(phonemes[-1], end=time)


def _merged_pauses(phonemes: list[Phoneme]) -> list[Phoneme]:
    out: list[Phoneme] = []
    for phoneme in phonemes:
        if out and phoneme.symbol == out[-1].symbol == PAUSE:
            out[-1] = replace(out[-1], end=phoneme.end)
        else:
            out.append(phoneme)
    return out


def _words(
    phonemes: list[Phoneme], rate: int, events: list[list[Any]], text: str, offset: int
) -> list[Word]:
    """Words from events at which they begin: each takes the sounds up to the next one.

    A stop counts from its release, since its closure may reach back before the event.
    """
    marks = [((event[1] + offset) / rate, text[event[2] : event[2] + event[3]])
             for event in events if event[0] == "word"]  # fmt: skip
    limits = [*(at for at, _ in marks[1:]), np.inf][: len(marks)]
    said = [p for p in phonemes if p.symbol != PAUSE]
    out = []
    for (start, word), limit in zip(marks, limits, strict=True):
        sounds = [p for p in said if start <= (p.release or p.start) + 1e-6 < limit]
        if sounds and word.strip():
            out.append(Word(word, sounds[0].start, sounds[-1].end))
    return out


# -- the colour of a voice ---------------------------------------------------------------------


def _colour(samples: np.ndarray, rate: int, style: Style) -> np.ndarray:
    """Breath, brightness and level; a sound that would clip is made softer as a whole."""
    sound = samples
    if style.breath:
        sound = _breathy(sound, rate, style.breath)
    if style.bright:
        sound = _tilted(sound, rate, style.bright)
    sound = sound * 10 ** (style.level / 20)
    return sound / max(float(np.abs(sound).max()), 1.0)


def _tilted(samples: np.ndarray, rate: int, slope: float) -> np.ndarray:
    """Tilt the spectrum by ``slope`` decibels per octave about 1 kHz, from 100 Hz on."""
    hertz = np.fft.rfftfreq(len(samples), 1 / rate).clip(100)
    gain = 10 ** (slope * np.log2(hertz / 1000) / 20)
    return np.fft.irfft(np.fft.rfft(samples) * gain, len(samples))


def _breathy(samples: np.ndarray, rate: int, breath: float) -> np.ndarray:
    """Put aspiration noise, shaped by the loudness of the voice, in place of part of it.

    Breath has its energy above 2 kHz, where a breathy voice has few harmonics (Klatt and Klatt
    1990).
    """
    window = np.hanning(rate // 50)
    loudness = np.convolve(np.abs(samples), window / window.sum(), "same")
    noise = np.random.default_rng(0).normal(size=len(samples))
    hertz = np.fft.rfftfreq(len(samples), 1 / rate)
    high = np.fft.irfft(np.fft.rfft(noise) * (hertz > 1500), len(samples))
    return (1 - 0.4 * breath) * samples + 0.35 * breath * loudness * high


# -- the process that speaks -------------------------------------------------------------------


class _Speaker:
    """A running :mod:`mien.world.espeak`; it is started anew after a crash or a fork."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def ask(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes] | None:
        """The answer and its samples; None when the process died over it."""
        with self._lock:
            process = self._process
            if process is None or process.poll() is not None:
                process = self._process = _start()
            assert process.stdin and process.stdout
            timer = threading.Timer(PATIENCE, process.kill)
            timer.start()
            try:
                process.stdin.write(json.dumps(request).encode() + b"\n")
                process.stdin.flush()
                line = process.stdout.readline()
                answer = json.loads(line)
                samples = process.stdout.read(answer.get("bytes", 0))
            except (OSError, ValueError):  # a broken pipe, or half an answer
                self._end(process)
                return None
            finally:
                timer.cancel()
            if len(samples) < answer.get("bytes", 0):
                self._end(process)
                return None
            return answer, samples

    def close(self) -> None:
        if self._process is not None:
            self._end(self._process)

    def forget(self) -> None:
        """In a forked child: the process is the parent's, and so is the state of the lock."""
        self.__init__()

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        self._process = None
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                pipe.close()


def _start() -> subprocess.Popen[bytes]:
    command = [sys.executable, "-I", espeak.__file__, *_paths()]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


_speaker = _Speaker()
atexit.register(_speaker.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_speaker.forget)


@cache
def _paths() -> tuple[str, str]:
    """The library and the folder of its data."""
    missing = available()
    if missing:
        raise MienError(missing)
    import espeakng_loader

    return str(espeakng_loader.get_library_path()), str(espeakng_loader.get_data_path())


@cache
def _catalogue() -> dict[str, tuple[str, str]]:
    """Name and voice file of each language by its code."""
    answer = _speaker.ask({})
    if answer is None:
        raise MienError("eSpeak NG does not start")
    voices = reversed(answer[0]["events"])
    return {code: (name, file) for code, name, file in voices if code not in WITHOUT_RULES}


def _say(
    request: dict[str, Any], chunk: str
) -> tuple[np.ndarray, int, list[list[Any]], str]:  # fmt: skip
    reply = _speaker.ask(request)
    if reply is None:
        raise InputError(f"{chunk[:40]!r}: eSpeak NG cannot speak this")
    answer, samples = reply
    if "error" in answer:
        raise MienError(answer["error"])
    audio = np.frombuffer(samples, "<i2").astype(np.float32) / 32768
    return audio, answer["rate"], answer["events"], chunk
