"""The voice that a face speaks with: from a file, from a text, or as it comes in."""

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
import soundfile
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError

from mien.errors import InputError, MienError, UsageError
from mien.media.audio import WANTED, sound_stream, write_audio
from mien.media.files import open_container
from mien.media.video import Video

RATE = 16_000  # hertz, of what is animated
STANDARD_INPUT = "-"
PCM_RATES = (4_000, 192_000)  # hertz
PIECE = 0.04  # seconds of sound that a live voice is heard by
LEAST_GAP, LONGEST_GAP = 0.01, 600.0  # seconds between two pieces of a recording
SILENCE = 10.0  # seconds that are given at once


@dataclass(frozen=True, slots=True)
class Voice:
    """What a face speaks with.

    pieces: its sound, (n,) float32 -1..1 each, mono at ``rate`` hertz. seconds: how long it is, as
    far as known. track: the file whose sound goes under the pictures. live: ``track`` is whole only
    after the last piece.
    """

    pieces: Iterator[np.ndarray]
    rate: int = RATE
    seconds: float | None = None
    track: Path | None = None
    live: bool = False


@contextmanager
def recorded(path: str | Path) -> Iterator[Voice]:
    """The voice in a sound file or a video.

    Raises InputError when there is no sound in it that can be decoded.
    """
    with open_container(path, WANTED) as container:
        stream = _stream(container, path)
        # Only such sound can hold what is no number, which would end the encoder.
        as_numbers = stream.codec_context.name.startswith("pcm_f")
        has_pictures = bool(container.streams.video)
        seconds = _seconds(container, stream)
    only_cover = has_pictures and _start_of_frames(path) is None
    if not as_numbers and not only_cover:
        yield Voice(_begun(pieces(path), path), seconds=seconds, track=Path(path))
        return
    with tempfile.TemporaryDirectory() as folder:
        clean = Path(folder) / "sound.w64"
        _write_clean(path, clean)
        yield Voice(_begun(pieces(clean), path), seconds=seconds, track=clean)


@contextmanager
def said(text: str, voice: str, emotion: str, intensity: float) -> Iterator[Voice]:
    """A text, spoken by eSpeak NG.

    voice: a language, as ``en-gb``, and perhaps a variant, as ``en-gb+f2``.

    Raises InputError for a text that cannot be spoken, UsageError for an unknown voice, MienError
    where the extra ``speech`` is not installed.
    """
    from mien.world import speech  # here, because other voices do without it

    missing = speech.available()
    if missing:
        raise MienError(f"--say: {missing}, or say it yourself: --audio FILE")
    language, _, variant = voice.partition("+")
    spoken = speech.synthesize(text, speech.Voice(language, variant), emotion, intensity)
    with tempfile.TemporaryDirectory() as folder:
        track = Path(folder) / "sound.wav"
        write_audio(track, spoken.samples, spoken.rate)
        yield Voice(iter([spoken.samples]), spoken.rate, spoken.duration, track)


@contextmanager
def coming_in(rate: int, source: BinaryIO | None = None) -> Iterator[Voice]:
    """A voice that comes in on standard input: 16-bit samples, little-endian, mono, at ``rate``.

    Raises UsageError for a rate that no voice has; the pieces, InputError when nothing comes.
    """
    if not PCM_RATES[0] <= rate <= PCM_RATES[1]:
        raise UsageError(f"--rate is {PCM_RATES[0]} to {PCM_RATES[1]} samples a second, not {rate}")
    with tempfile.TemporaryDirectory() as folder:
        track = Path(folder) / "sound.w64"
        yield Voice(_spooled(source or sys.stdin.buffer, rate, track), rate, None, track, True)


def paced(voice: Voice) -> Iterator[np.ndarray]:
    """The pieces of a voice no earlier than one would hear them, ``PIECE`` seconds at a time."""
    size, begun, given = max(round(PIECE * voice.rate), 1), time.monotonic(), 0
    for piece in voice.pieces:
        for start in range(0, len(piece), size):
            part = piece[start : start + size]
            given += len(part)
            time.sleep(max(begun + given / voice.rate - time.monotonic(), 0))
            yield part


def pieces(path: str | Path, rate: int = RATE) -> Iterator[np.ndarray]:
    """The sound of a file, (n,) float32 mono each, on the clock that ``VideoWriter`` puts it under
    pictures by: of a video it begins with the first frame. Gaps are silent.

    Raises InputError for sound that changes its format, or has gaps of over ``LONGEST_GAP``.
    """
    with open_container(path, WANTED) as container:
        seen = bool(container.streams.video)
    start = (_start_of_frames(path) if seen else None) or 0.0
    resampler = av.AudioResampler(format="fltp", rate=rate)
    end, too_early = 0.0, 0  # seconds that were heard; samples before the start
    with open_container(path, WANTED) as container:
        stream = _stream(container, path)
        try:
            for frame in chain(_frames(container, stream), [None]):
                if frame is not None:
                    begin = end if frame.pts is None else (frame.time or 0.0) - start
                    if begin < -LEAST_GAP and not end:
                        too_early = round(-begin * rate)
                    elif begin > end + LEAST_GAP:
                        yield from _gap(begin - end, rate, path)
                    end = max(begin + frame.samples / frame.sample_rate, end)
                for block in resampler.resample(frame):
                    sound = block.to_ndarray().mean(axis=0)
                    skipped = min(too_early, len(sound))
                    too_early -= skipped
                    yield _numbers(sound[skipped:])
        except ValueError as error:
            raise _changes(path) from error


def _changes(path: str | Path) -> InputError:
    return InputError(f"{path}: the format of the sound changes on the way")


def _gap(seconds: float, rate: int, path: str | Path) -> Iterator[np.ndarray]:
    if seconds > LONGEST_GAP:
        raise InputError(f"{path}: nothing is heard for {seconds:.0f} seconds; a damaged file")
    left = round(seconds * rate)
    while left > 0:
        part = min(left, round(SILENCE * rate))
        yield np.zeros(part, np.float32)
        left -= part


def _start_of_frames(path: str | Path) -> float | None:
    """Seconds of the first frame; None where pictures are but the cover of a recording."""
    try:
        return Video(path).start
    except InputError:
        return None


def _stream(container: InputContainer, path: str | Path) -> AudioStream:
    stream = sound_stream(container)
    if stream is None:
        raise InputError(f"{path}: no sound in it")
    return stream


def _frames(container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
    """What can be decoded of a stream, up to where the file is damaged."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, FFmpegError, IndexError):  # IndexError: a stream not announced
            return
        try:
            yield from stream.decode(packet)
        except FFmpegError:
            continue


def _begun(sound: Iterator[np.ndarray], path: str | Path) -> Iterator[np.ndarray]:
    """The pieces, of which the first is there already; InputError when there is none."""
    first = next((piece for piece in sound if len(piece)), None)
    if first is None:
        raise InputError(f"{path}: no sound can be decoded")
    return chain([first], sound)


def _seconds(container: InputContainer, stream: AudioStream) -> float | None:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def _numbers(sound: np.ndarray) -> np.ndarray:
    """Samples -1..1; what is no number is silent."""
    return np.where(np.isfinite(sound), sound, 0).clip(-1, 1).astype(np.float32)


def _write_clean(path: str | Path, clean: Path) -> None:
    """Write the sound of a file once more, all of it numbers."""
    with open_container(path, WANTED) as container:
        stream = _stream(container, path)
        as_floats = av.AudioResampler(format="fltp")
        with soundfile.SoundFile(clean, "w", stream.rate, stream.channels, "PCM_16") as out:
            try:
                for frame in chain(_frames(container, stream), [None]):
                    for block in as_floats.resample(frame):
                        out.write(_numbers(block.to_ndarray().T))
            except ValueError as error:
                raise _changes(path) from error


def _spooled(source: BinaryIO, rate: int, track: Path) -> Iterator[np.ndarray]:
    """Samples as they come in, which are kept in ``track``."""
    read = getattr(source, "read1", source.read)
    size, rest, some = 2 * max(round(PIECE * rate), 1), b"", False
    with soundfile.SoundFile(track, "w", rate, 1, "PCM_16") as out:
        while data := read(size):
            data = rest + data
            whole = len(data) // 2 * 2
            rest = data[whole:]
            if whole:
                some = True
                samples = np.frombuffer(data[:whole], "<i2")
                out.write(samples)
                yield samples.astype(np.float32) / 32768
    if not some:
        raise InputError("standard input: no sound came in")
