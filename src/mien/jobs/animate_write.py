"""What an animation is written to: pictures with sound, one encoded while the next is drawn."""

import sys
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import numpy as np
from av.error import FFmpegError

from mien.errors import MienError
from mien.media.audio import SoundTrack
from mien.media.files import atomic
from mien.media.provenance import Generated
from mien.media.video import VideoWriter

WAITING = 4  # frames between who draws and who encodes


class Encoder:
    """A ``VideoWriter`` in a thread of its own; errors come with a later frame, or at the end."""

    def __init__(self, video: VideoWriter) -> None:
        self._video = video
        self._thread = ThreadPoolExecutor(1, "mien-encoder")
        self._waiting: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        self._video.__enter__()
        return self

    def write(self, image: np.ndarray, time: float | None = None) -> None:
        """Add a frame; arguments as of ``VideoWriter.write``. The image is not to be changed."""
        while len(self._waiting) >= WAITING:
            self._waiting.popleft().result()
        self._waiting.append(self._thread.submit(self._video.write, image, time))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            while kind is None and self._waiting:
                self._waiting.popleft().result()
        except BaseException as late:
            kind, error, trace = type(late), late, late.__traceback__
            raise
        finally:
            self._thread.shutdown(cancel_futures=True)
            self._video.__exit__(kind, error, trace)


def with_sound(pictures: Path, sound: Path, out: Path, made: Generated) -> None:
    """Write the pictures of one file with the sound of another, and sign that.

    Raises MienError when ``out`` cannot be written.
    """
    with atomic(out) as temporary:
        try:
            _join(pictures, sound, temporary)
        except FFmpegError as error:
            raise MienError(f"{out}: {error.strerror}") from error
        made.sign(temporary)


def _join(pictures: Path, sound: Path, out: Path) -> None:
    with av.open(str(pictures)) as seen, av.open(str(out), "w") as both:
        both.metadata.update(seen.metadata)
        source = seen.streams.video[0]
        target = both.add_stream_from_template(source)
        track = SoundTrack(sound, 0.0, both)
        end = 0.0
        for packet in seen.demux(source):
            if packet.pts is None or not packet.time_base:
                continue
            end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            track.carry(until=float(packet.pts * packet.time_base))
            packet.stream = target
            both.mux(packet)
        track.carry(until=end)
        track.finish()
        track.close()


class Bar:
    """A progress bar on standard error, where one sees it and there is time to."""

    def __init__(self, what: str, total: int | None, wanted: bool) -> None:
        self._shown = None
        if wanted and sys.stderr.isatty():
            from rich.console import Console  # here, because most callers show none
            from rich.progress import Progress

            self._shown = Progress(console=Console(stderr=True), transient=True)
            self._task = self._shown.add_task(what, total=total)

    def __enter__(self) -> Callable[[], None]:
        if self._shown is not None:
            self._shown.start()
        return self._step

    def __exit__(self, *_: object) -> None:
        if self._shown is not None:
            self._shown.stop()

    def _step(self) -> None:
        if self._shown is not None:
            self._shown.advance(self._task)
