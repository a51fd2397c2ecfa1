"""Video, in and out, frame by frame: memory does not grow with the length."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import numpy as np
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from mien.errors import InputError, MienError, UsageError
from mien.media import provenance
from mien.media.audio import SoundTrack, sound_stream
from mien.media.files import atomic, open_container
from mien.media.image import MAX_PIXELS
from mien.media.provenance import Generated

WANTED = "an image or video"
HEIF_BRANDS = frozenset({"heic", "heix", "heim", "heis", "hevc", "mif1", "msf1", "avif", "avis"})
UNKNOWN_RATE = 25.0
WRITTEN_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv")
TIME_BASE = Fraction(1, 90_000)


@dataclass(slots=True)
class Frame:
    """One frame of a video, or a photo.

    index: counted from 0.
    time: seconds from the first frame.
    image: (H, W, 3) uint8 RGB, upright.
    """

    index: int
    time: float
    image: np.ndarray


class Video:
    """A video file to read.

    width, height: pixels, upright: after the rotation that the file asks for.
    fps: average frame rate; 25 when the file does not say.
    duration: seconds; None when the file does not say, until its frames have been read.
    frame_count: estimate from the header; None when the file does not say.
    start: time of the first frame on the clock that the file's sound shares, seconds.
    has_audio: whether there is sound.
    warning: what was wrong with the file, after its frames have been read; else None.

    Raises InputError when the file has no video stream or no frame of it can be decoded.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        self.warning: str | None = None
        with open_container(path, WANTED) as container:
            stream = _video_stream(container, self.path)
            rate = _rate(stream)
            self.fps = rate or UNKNOWN_RATE
            self.has_audio = sound_stream(container) is not None
            first = next(_decode(container, stream, _Damage()), None)
            if first is None:
                raise InputError(f"{path}: no frame can be decoded")
            self._size = first.width, first.height
            self._turns, self._mirrored = _orientation(first)
            self.width, self.height = self._size[:: -1 if self._turns % 2 else 1]
            self.start = _time(first) or 0.0
            self.duration = _duration(container, stream, self.start)
            self._stated_duration = _duration_of_frames(container, stream, self.start)
            estimate = round(self.duration * rate) if self.duration and rate else None
            self.frame_count = stream.frames or estimate

    def frames(self, every: int = 1) -> Iterator[Frame]:
        """Every ``every``-th frame, beginning with the first, each at its own time.

        Damaged parts are left out and told in ``warning`` at the end.
        """
        self.warning = None
        damage = _Damage()
        time = end = 0.0
        with open_container(self.path, WANTED) as container:
            stream = _video_stream(container, self.path)
            for index, frame in enumerate(_decode(container, stream, damage)):
                time = self._frame_time(frame, time) if index else 0.0
                end = time + (_seconds(frame, frame.duration) or 1 / self.fps)
                if index % every == 0:
                    yield Frame(index, time, self._upright_rgb(frame))
        self._conclude(end, damage)

    def _frame_time(self, frame: VideoFrame, previous: float) -> float:
        """Seconds from the first frame; without a time after ``previous``, one frame after it."""
        time = _time(frame)
        if time is None or time - self.start <= previous:
            return previous + 1 / self.fps
        return time - self.start

    def _upright_rgb(self, frame: VideoFrame) -> np.ndarray:
        width, height = self._size  # of the first frame, if the size changes on the way
        image = frame.to_ndarray(format="rgb24", width=width, height=height)
        image = np.fliplr(image) if self._mirrored else image
        return np.ascontiguousarray(np.rot90(image, self._turns))

    def _conclude(self, end: float, damage: "_Damage") -> None:
        stated = self._stated_duration
        if stated and end < stated - max(0.5, 0.02 * stated):
            self.warning = f"{self.path}: truncated, {end:.1f} of {stated:.1f} seconds"
        elif damage.count:
            self.warning = f"{self.path}: damaged in {damage.count} places ({damage.reason})"
        if self.duration is None:
            self.duration = end


@dataclass(slots=True)
class _Damage:
    """What could not be decoded."""

    count: int = 0
    reason: str = ""

    def add(self, error: Exception) -> None:
        self.count += 1
        self.reason = getattr(error, "strerror", None) or str(error)


def _video_stream(container: InputContainer, path: str) -> VideoStream:
    """The first stream whose codec is known and that is not the cover picture of a recording."""
    if container.metadata.get("major_brand") in HEIF_BRANDS:
        # FFmpeg would take a part of the picture for a video.
        raise InputError(f"{path}: a HEIC or AVIF picture that cannot be read")
    for stream in container.streams.video:
        cover = stream.disposition & Disposition.attached_pic
        if stream.codec_context is not None and not cover:
            if stream.width * stream.height > MAX_PIXELS:
                raise InputError(f"{path}: frames of {stream.width} x {stream.height} pixels")
            stream.thread_type = "AUTO"
            return stream
    raise InputError(f"{path}: {'no video in it' if container.streams else 'empty or truncated'}")


def _rate(stream: VideoStream) -> float | None:
    """Frames per second; None when what the file says cannot be one, as in browser recordings."""
    rates = (stream.average_rate, stream.guessed_rate)
    return next((float(rate) for rate in rates if rate and 0 < rate <= 480), None)


def _duration(container: InputContainer, stream: VideoStream, start: float) -> float | None:
    """Seconds that the file is said to last, by its best witness."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    if not container.duration:
        return None
    end = container.duration / av.time_base
    return end - start if "matroska" in container.format.name else end  # it counts from 0


def _duration_of_frames(
    container: InputContainer, stream: VideoStream, start: float
) -> float | None:
    """Seconds that the header says the frames alone last, to hold them against; None if unsaid."""
    rate = _rate(stream)
    if container.format.name == "avi" and stream.frames and rate:
        return stream.frames / rate  # its stream duration is only of what is there
    tag = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    if tag and not stream.duration:  # Matroska
        hours, minutes, seconds = (float(part) for part in tag.groups())
        return (hours * 60 + minutes) * 60 + seconds - start
    alone = len(container.streams) == 1
    return _duration(container, stream, start) if stream.duration or alone else None


def _decode(
    container: InputContainer, stream: VideoStream, damage: _Damage
) -> Iterator[VideoFrame]:
    """The frames that can be decoded."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except (FFmpegError, IndexError) as error:  # IndexError: a stream not announced
            damage.add(error)
            break
        yield from _frames(stream, packet, damage)
    yield from _frames(stream, None, damage)  # what the decoder still holds


def _frames(stream: VideoStream, packet: av.Packet | None, damage: _Damage) -> list[VideoFrame]:
    try:
        return stream.decode(packet)
    except FFmpegError as error:
        damage.add(error)
        return []


def _time(frame: VideoFrame) -> float | None:
    return None if frame.pts is None else _seconds(frame, frame.pts)


def _seconds(frame: VideoFrame, ticks: int) -> float:
    return float(ticks * frame.time_base) if frame.time_base else 0.0


def _orientation(frame: VideoFrame) -> tuple[int, bool]:
    """Quarter turns counter-clockwise to make a frame upright, and whether to mirror it before.

    The display matrix maps a point (x, y) of the frame to (ax + cy, bx + dy).
    """
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return 0, False
    a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].astype(float)
    mirrored = a * d < b * c
    if mirrored:
        a, b = -a, -b
    return -round(np.degrees(np.arctan2(b, a)) / 90) % 4, bool(mirrored)


class VideoWriter:
    """Writes H.264 video (yuv420p), and with it the sound of another file.

    path: .mp4, .m4v, .mov or .mkv; it appears when the ``with`` block ends without an error.
    fps: frames per second, for frames that are written without a time.
    audio_from: a sound file, or a video whose sound is kept, in time with its frames, up to the
        last frame written: copied where its codec fits, as AAC where not. None, or a video without
        sound: no sound.
    generated: how it came to be, of what shows what never was; the file then says so.

    Raises UsageError for another suffix, and for one that cannot be signed as ``generated`` asks,
    InputError when ``audio_from`` cannot be read, MienError when the file cannot be written.
    """

    def __init__(
        self,
        path: str | Path,
        fps: float,
        audio_from: str | Path | None = None,
        generated: Generated | None = None,
    ) -> None:
        self.path = Path(path)
        self._generated = generated
        if self.path.suffix.lower() not in WRITTEN_SUFFIXES:
            raise UsageError(f"{path}: video is written as {', '.join(WRITTEN_SUFFIXES)}")
        if generated is not None:
            generated.check(path)
        self.fps = fps
        self._heard = None if audio_from is None else _sound_of(audio_from)
        self._size = 0, 0
        self._frames = 0
        self._pts = -1
        self._video: VideoStream | None = None
        self._sound: SoundTrack | None = None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            temporary = stack.enter_context(atomic(self.path))
            if self._generated is not None:
                stack.push(partial(_sign, temporary, self._generated))  # when all is written
            stack.enter_context(_write_errors(self.path))
            self._container: OutputContainer = av.open(str(temporary), "w")
            stack.enter_context(self._container)
            if self._generated is not None:
                self._container.metadata["comment"] = provenance.SYNTHETIC
            stack.callback(self._close_sound)
            stack.push(self._finish)
            self._resources = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._resources.__exit__(kind, error, trace)

    def write(self, image: np.ndarray, time: float | None = None) -> None:
        """Add a frame: (H, W, 3) uint8 RGB, all of one size; odd sizes grow by one pixel.

        time: seconds from the first frame, later than the last one's; by default at ``fps``.

        Raises ValueError when the size changes.
        """
        if self._generated is not None:
            image = self._generated.seen(image)
        video = self._video or self._begin(image)
        if image.shape[:2] != self._size:
            raise ValueError(f"a frame of {image.shape[:2]} in a video of {self._size}")
        seconds = self._frames / self.fps if time is None else time
        self._pts = max(round(seconds / TIME_BASE), self._pts + 1)
        self._frames += 1
        if self._sound is not None:
            self._sound.carry(until=seconds)
        frame = _yuv(image)
        frame.pts, frame.time_base = self._pts, TIME_BASE
        self._container.mux(video.encode(frame))

    def _begin(self, image: np.ndarray) -> VideoStream:
        self._size = image.shape[:2]
        height, width = self._size
        rate = Fraction(self.fps).limit_denominator(1001)
        # Without mbtree: with it, x264's output differed between runs on the same frames.
        options = {"crf": "18", "preset": "veryfast", "x264-params": "mbtree=0"}
        stream = self._container.add_stream("libx264", rate=rate, options=options)
        stream.width, stream.height = width + width % 2, height + height % 2
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = TIME_BASE
        stream.codec_context.colorspace = 1  # BT.709
        stream.codec_context.color_range = 1  # 16-235
        self._video = stream
        if self._heard is not None:
            self._sound = SoundTrack(*self._heard, self._container)
        return stream

    def _finish(self, kind: type[BaseException] | None, *_: object) -> None:
        """Write what the encoders hold, unless an error has ended the block."""
        if kind is not None:
            return
        if self._video is None:
            raise MienError(f"{self.path}: no frames to write")
        self._container.mux(self._video.encode(None))
        if self._sound is not None:
            self._sound.carry(until=float(self._pts * TIME_BASE) + 1 / self.fps)
            self._sound.finish()

    def _close_sound(self) -> None:
        if self._sound is not None:
            self._sound.close()


def _sound_of(path: str | Path) -> tuple[Path, float] | None:
    """A file with sound, and the second at which its frames begin; None for one without sound."""
    with open_container(path, "a video or sound") as container:
        if not container.streams.audio:
            return None
        return Path(path), Video(path).start if container.streams.video else 0.0


def _sign(path: Path, generated: Generated, kind: type[BaseException] | None, *_: object) -> None:
    if kind is None:
        generated.sign(path)


@contextmanager
def _write_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except FFmpegError as error:
        raise MienError(f"{path}: {error.strerror}") from error


def _yuv(image: np.ndarray) -> VideoFrame:
    """A frame for the encoder, with even sides: the last row and column are repeated."""
    height, width = image.shape[:2]
    if height % 2 or width % 2:
        image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    frame = VideoFrame.from_ndarray(np.ascontiguousarray(image), "rgb24")
    return frame.reformat(format="yuv420p", dst_colorspace="itu709", dst_color_range="MPEG")
