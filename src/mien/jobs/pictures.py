"""What ``mien analyze`` draws: pictures and videos with their faces, figures of videos."""

import errno
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from mien.errors import MienError
from mien.face import Face
from mien.find import mean_face
from mien.jobs.figures import Figures, write_svg
from mien.jobs.stream import Reading
from mien.media.draw import annotate
from mien.media.figure import Timeline
from mien.media.image import write_image
from mien.media.panel import Panel
from mien.media.source import VideoFile
from mien.media.video import Frame, VideoWriter

ANNOTATED, FIGURES, PARSING = "annotated", "figures", "parsing"
LONGEST_STEM = 200  # bytes of a file name that leave room for a number and a suffix
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)

Draw = Callable[[], np.ndarray]


def drawn(image: np.ndarray, faces: list[Face]) -> np.ndarray:
    """A copy of a picture with its faces drawn in, those that are read with their mesh."""
    if not is_read(faces):
        return annotate(image, faces)
    return annotate(image, numbered(faces), mean_face.triangles())


def is_read(faces: Sequence[Face]) -> bool:
    """Whether anything is read in any of them."""
    return any(face.readings is not None for face in faces)


def numbered(faces: Sequence[Face]) -> Sequence[Face]:
    """The faces of a photo with numbers, and so colours, of their own, if there are several."""
    if len(faces) < 2 or any(face.track is not None for face in faces):
        return faces
    return [replace(face, track=number) for number, face in enumerate(faces)]


class Pictures:
    """Annotated pictures and videos, and figures of videos, one input after the other."""

    def __init__(self, out: Path, annotate: bool, figure: bool) -> None:
        self._out, self._annotate, self._figure = out, annotate, figure
        self._timeline, self._figures = Timeline(), Figures()
        self._video: VideoWriter | None = None
        self._panel: Panel | None = None  # of the video
        self._failed: Reading | None = None  # whose picture could not be made
        self._names = Names(out)

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

    def add(
        self, reading: Reading, frame: Frame, faces: list[Face], draw: Draw, panel: bool = True
    ) -> None:
        """A frame; ``draw`` makes its picture, if one is wanted, ``panel`` what is read beside."""
        if self._figure and reading.is_video:
            self._timeline.add(frame.time, faces)
            self._figures.add(frame.time, faces)
        if self._annotate and reading is not self._failed:
            with self._blaming(reading):
                self._draw(reading, frame, faces, draw(), panel)

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
            figures, self._figures = self._figures, Figures()
            with self._blaming(reading):
                path = self._path(FIGURES, reading, ".png")
                timeline.draw(path, Path(reading.name).name)
                for track, svg in figures.charts(Path(reading.name).name):
                    write_svg(path.with_name(f"{path.stem}-face{track}.svg"), svg)

    def _draw(
        self, reading: Reading, frame: Frame, faces: list[Face], image: np.ndarray, panel: bool
    ) -> None:
        if not reading.is_video:
            if panel and is_read(faces):
                image = Panel(*image.shape[:2]).beside(image, numbered(faces))
            write_image(self._path(ANNOTATED, reading, picture_suffix(reading.name)), image)
            return
        if self._video is None:
            # A panel from the first frame on, or never: a video has one size. Where nobody is seen
            # yet, nobody knows whether anything will be read.
            wanted = panel and (not faces or is_read(faces))
            self._panel = Panel(*image.shape[:2]) if wanted else None
            self._video = self._open_video(reading)
        if self._panel is not None:
            image = self._panel.beside(image, faces, frame.time)
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
        return self._names.path(folder, reading.name, suffix)


def picture_suffix(name: str) -> str:
    """Of the annotated picture of a photo."""
    return ".png" if name.lower().endswith(".png") else ".jpg"


class Names:
    """The files of a run, named like its inputs."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._taken: set[Path] = set()
        self._numbers: defaultdict[Path, Iterator[int]] = defaultdict(lambda: count(2))

    def path(self, folder: str, name: str, suffix: str) -> Path:
        """A file named like the input, with a number if another input of this run has that name."""
        stem = os.fsdecode(os.fsencode(Path(name).stem)[:LONGEST_STEM])
        first = path = self._out / folder / f"{stem}{suffix}"
        while path in self._taken:
            path = first.with_name(f"{stem}-{next(self._numbers[first])}{suffix}")
        self._taken.add(path)
        return path
