"""Sound, in and out."""

import io
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.packet import Packet

from mien.errors import InputError, UsageError
from mien.media.files import atomic, open_container

COPIED_CODECS = frozenset({"aac", "mp3", "mp3float", "ac3", "eac3", "alac"})
"""Sound that nearly every player takes in an MP4; other sound is encoded anew, as AAC."""


WANTED = "a sound or video"


def read_audio(path: str | Path, rate: int = 16_000) -> tuple[np.ndarray, int]:
    """The sound of an audio or video file: (n,) float32 mono in -1..1, and its ``rate`` in hertz.

    Channels are averaged; damaged parts are left out.

    Raises InputError when the file has no sound that can be decoded.
    """
    resampler = av.AudioResampler(format="fltp", rate=rate)
    blocks: list[np.ndarray] = []
    with open_container(path, WANTED) as container:
        stream = sound_stream(container)
        if stream is None:
            raise InputError(f"{path}: no sound in it")
        try:
            for frame in chain(_decode(container, stream), [None]):
                blocks += [b.to_ndarray().mean(axis=0) for b in resampler.resample(frame)]
        except ValueError as error:
            raise InputError(f"{path}: the format of the sound changes on the way") from error
    if not blocks:
        raise InputError(f"{path}: no sound can be decoded")
    return np.concatenate(blocks).clip(-1, 1), rate


def sound_stream(container: InputContainer) -> AudioStream | None:
    """The first stream of sound whose codec is known."""
    return next((s for s in container.streams.audio if s.codec_context is not None), None)


def write_audio(path: str | Path, samples: np.ndarray, rate: int) -> None:
    """Write (n,) or (n, channels) float samples in -1..1; the suffix says the format (wav, ...).

    Raises UsageError for an unknown suffix, MienError when the file cannot be written.
    """
    import soundfile  # here, because reading does without it

    kind = Path(path).suffix[1:].upper()
    if kind not in soundfile.available_formats():
        raise UsageError(f"{path}: no sound format has this suffix")
    # Encoded in memory, since libsndfile does not say when the disk is full.
    encoded = io.BytesIO()
    soundfile.write(encoded, samples, rate, format=kind)
    with atomic(path) as temporary:
        temporary.write_bytes(encoded.getbuffer())


class SoundTrack:
    """Carries the sound of a video over to another one that is being written, piece by piece.

    path: the file with the sound.
    start: the time in it, in seconds, that is the beginning of the new file.
    output: the file to write; the audio stream is added to it here.

    Raises InputError when there is no sound.
    """

    def __init__(self, path: str | Path, start: float, output: OutputContainer) -> None:
        self._start = start
        self._output = output
        self._input = open_container(path, WANTED)
        source = sound_stream(self._input)
        if source is None:
            raise InputError(f"{path}: no sound in it")
        self._encoder: AudioStream | None = None
        if source.codec_context.name in COPIED_CODECS:
            self._pieces = self._from_start(_demux(self._input, source))
            self._target = output.add_stream_from_template(source)
        else:
            self._pieces = self._from_start(_decode(self._input, source))
            self._target = self._encoder = _add_aac(output, source)
        self._next = next(self._pieces, None)

    def carry(self, until: float) -> None:
        """Write the sound that begins before ``until``, in seconds of the new file."""
        while self._next is not None and _seconds(self._next) < until:
            self._write(self._next)
            self._next = next(self._pieces, None)

    def finish(self) -> None:
        """Write what the encoder still holds."""
        if self._encoder is not None:
            self._output.mux(self._encoder.encode(None))

    def close(self) -> None:
        self._input.close()

    def _from_start(self, pieces: Iterator[Packet] | Iterator[AudioFrame]) -> Iterator:
        """The pieces with the clock of the new file, without those that end before it begins."""
        for piece in pieces:
            if piece.pts is None or not piece.time_base:
                continue
            shift = round(self._start / piece.time_base)
            piece.pts -= shift
            if piece.dts is not None:
                piece.dts -= shift
            if piece.pts + (piece.duration or 0) >= 0:
                yield piece

    def _write(self, piece: Packet | AudioFrame) -> None:
        if isinstance(piece, Packet):
            piece.stream = self._target
            self._output.mux(piece)
        elif self._encoder is not None:
            self._output.mux(self._encoder.encode(piece))


def _add_aac(output: OutputContainer, source: AudioStream) -> AudioStream:
    rates = av.Codec("aac", "w").audio_rates or []
    stream = output.add_stream("aac", rate=source.rate if source.rate in rates else 48_000)
    stream.layout = "mono" if source.channels == 1 else "stereo"
    return stream


def _seconds(piece: Packet | AudioFrame) -> float:
    return float((piece.pts or 0) * (piece.time_base or 0))


def _demux(container: InputContainer, stream: AudioStream) -> Iterator[Packet]:
    """The packets of a stream, up to where the file is damaged."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, FFmpegError, IndexError):  # IndexError: a stream not announced
            return
        yield packet


def _decode(container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
    """The frames of a stream, without its damaged packets."""
    for packet in _demux(container, stream):
        try:
            yield from stream.decode(packet)
        except FFmpegError:
            continue
