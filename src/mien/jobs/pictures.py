"""What ``mien analyze`` draws: pictures and videos with their faces, figures of videos."""

import errno
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from mien.errors import MienError
from mien.face import Face
from mien.jobs.stream import Reading
from mien.media.figure import Timeline
from mien.media.image import write_image
from mien.media.source import VideoFile
from mien.media.video import Frame, VideoWriter

ANNOTATED, FIGURES, PARSING = "annotated", "figures", "parsing"
LONGEST_STEM = 200  # bytes of a file name that leave room for a number and a suffix
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)

Draw = Callable[[], np.ndarray]


class Pictures:
    """Annotated pictures and videos, and figures of videos, one input after the other."""

    def __init__(self, out: Path, annotate: bool, figure: bool) -> None:
        self._out, self._annotate, self._figure = out, annotate, figure
        self._timeline = Timeline()
        self._video: VideoWriter | None = None
        self._failed: Reading | None = None  # whose picture could not be made
        self._taken: set[Path] = set()
        self._numbers: defaultdict[Path, Iterator[int]] = defaultdict(lambda: count(2))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._video is not None:  # unfinished: it is removed
            self._video.__exit__(kind, error, trace)

    def add(self, reading: Reading, frame: Frame, faces: list[Face], draw: Draw) -> None:
        """A frame; ``draw`` makes its picture, if one is wanted."""
        if self._figure and reading.is_video:
            self._timeline.add(frame.time, faces)
        if self._annotate and reading is not self._failed:
            with self._blaming(reading):
                self._draw(reading, frame, draw())

    def write(self, folder: str, reading: Reading, save: Callable[[Path], object]) -> None:
        """Another picture of a photo, a PNG; ``save`` takes its path."""
        if reading is not self._failed:
            with self._blaming(reading):
                (self._out / folder).mkdir(exist_ok=True)
                save(self._path(folder, reading, ".png"))

    def finish(self, reading: Reading) -> None:
        video, self._video = self._video, None
        if video is not None:
            with self._blaming(reading):
                video.__exit__(None, None, None)
        if self._figure and reading.is_video and reading.frames:
            timeline, self._timeline = self._timeline, Timeline()
            with self._blaming(reading):
                timeline.draw(self._path(FIGURES, reading, ".png"), Path(reading.name).name)

    def _draw(self, reading: Reading, frame: Frame, image: np.ndarray) -> None:
        if not reading.is_video:
            suffix = ".png" if reading.name.lower().endswith(".png") else ".jpg"
            write_image(self._path(ANNOTATED, reading, suffix), image)
            return
        if self._video is None:
            self._video = self._open_video(reading)
        self._video.write(image, frame.time)

    def _open_video(self, reading: Reading) -> VideoWriter:
        source = reading.source
        assert source is not None
        sound = source.name if isinstance(source, VideoFile) else None
        path = self._path(ANNOTATED, reading, ".mp4")
        return VideoWriter(path, source.fps, audio_from=sound).__enter__()

    @contextmanager
    def _blaming(self, reading: Reading) -> Iterator[None]:
        """A picture that cannot be made is its input's failure, unless the disk is full."""
        try:
            yield
        except MienError as error:
            if getattr(error.__cause__, "errno", None) in DISK_FULL:
                raise
            video, self._video = self._video, None
            if video is not None:
                with suppress(MienError):  # the one that is told already, again
                    video.__exit__(type(error), error, error.__traceback__)
            self._failed = reading
            reading.fail(str(error))

    def _path(self, folder: str, reading: Reading, suffix: str) -> Path:
        """A file named like the input, with a number if another input of this run has that name."""
        stem = os.fsdecode(os.fsencode(Path(reading.name).stem)[:LONGEST_STEM])
        first = path = self._out / folder / f"{stem}{suffix}"
        while path in self._taken:
            path = first.with_name(f"{stem}-{next(self._numbers[first])}{suffix}")
        self._taken.add(path)
        return path
