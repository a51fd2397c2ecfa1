"""Anything with pictures in it, read in one way: photo, animation, video, webcam."""

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import count
from typing import Any, Literal

from mien.errors import InputError
from mien.media.files import check_readable
from mien.media.image import count_frames, open_image, read_image, to_rgb
from mien.media.video import UNKNOWN_RATE, Frame, Video

UNTIMED_FRAME = 0.1
"""Seconds for which browsers show a frame of an animation that does not say how long."""


class Source(ABC):
    """Frames from one input.

    name: the input as the user named it.
    kind: "image" for a single picture, "video" for several.
    fps: frame rate; of an animation, that of its first frame; 0 for an image.
    duration: seconds; None when not known, for a file until its frames have been read.
    frame_count: estimate; None when not known.
    warning: what was wrong with the input, after its frames have been read; else None.
    """

    kind: Literal["image", "video"] = "video"
    fps: float = UNKNOWN_RATE
    duration: float | None = None
    frame_count: int | None = None
    warning: str | None = None

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def is_still(self) -> bool:
        return self.kind == "image"

    @abstractmethod
    def frames(self, every: int = 1) -> Iterator[Frame]:
        """Every ``every``-th frame, beginning with the first.

        Raises InputError when not even the first can be read.
        """


def open_source(spec: str) -> Source:
    """The source that ``spec`` names: a file, or the number of a webcam.

    What a file is, its content says, not its name.

    Raises InputError when there is no such file or it is neither an image nor a video.
    """
    if spec.isdecimal() and not os.path.exists(spec):
        return Camera(spec)
    check_readable(spec)
    images = count_frames(spec)
    if images > 1:
        return Animation(spec, images)
    return Photo(spec) if images else VideoFile(spec)


class Photo(Source):
    """A still image."""

    kind = "image"
    fps = 0.0
    duration = 0.0
    frame_count = 1

    def frames(self, every: int = 1) -> Iterator[Frame]:
        yield Frame(0, 0.0, read_image(self.name))


class Animation(Source):
    """A GIF, WebP, PNG or AVIF of several frames."""

    def __init__(self, name: str, frame_count: int) -> None:
        super().__init__(name)
        self.frame_count = frame_count
        with open_image(name) as image:
            image.load()
            self.fps = 1 / _shown(image.info)

    def frames(self, every: int = 1) -> Iterator[Frame]:
        self.warning = None
        start = 0.0
        with open_image(self.name) as image:
            for index in count():
                try:
                    image.seek(index)
                    rgb = to_rgb(image)
                except EOFError:
                    break
                except Exception:  # as in open_image, but what came before the damage is kept
                    if index == 0:
                        raise
                    self.warning = f"{self.name}: damaged after {index} frames"
                    break
                if index % every == 0:
                    yield Frame(index, start, rgb)
                start += _shown(image.info)
        self.duration = start


def _shown(info: dict[str | tuple[int, int], Any]) -> float:
    """Seconds that the current frame of an animation is shown."""
    return float(info.get("duration") or 0) / 1000 or UNTIMED_FRAME


class VideoFile(Source):
    """A video."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._video = Video(name)
        self.fps = self._video.fps
        self.duration = self._video.duration
        self.frame_count = self._video.frame_count

    def frames(self, every: int = 1) -> Iterator[Frame]:
        yield from self._video.frames(every)
        self.warning = self._video.warning
        self.duration = self._video.duration


class Camera(Source):
    """A webcam; its frames do not end by themselves, and times are those of their arrival."""

    def __init__(self, name: str) -> None:
        import cv2  # here, because its drivers take long to load

        super().__init__(name)
        quiet = cv2.utils.logging.LOG_LEVEL_SILENT  # else it adds lines of its own to the error
        cv2.utils.logging.setLogLevel(quiet)
        self._capture = cv2.VideoCapture(int(name))
        if not self._capture.isOpened():
            raise InputError(f"{name}: no webcam with this number can be opened")
        self.fps = self._capture.get(cv2.CAP_PROP_FPS) or UNKNOWN_RATE

    def frames(self, every: int = 1) -> Iterator[Frame]:
        start = time.monotonic()
        for index in count():
            if not self._capture.grab():
                self.warning = f"{self.name}: the webcam stopped after {index} frames"
                break
            now = time.monotonic()
            if index % every == 0:
                image = self._capture.retrieve()[1]
                yield Frame(index, now - start if index else 0.0, image[:, :, ::-1].copy())
        self.duration = time.monotonic() - start
