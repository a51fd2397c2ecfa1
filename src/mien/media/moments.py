"""Single frames out of the middle of videos, without reading all that comes before."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from av.error import FFmpegError

from mien.errors import InputError
from mien.media.files import open_container
from mien.media.image import MAX_PIXELS

NEAR = 10.0  # seconds: frames this much ahead are reached by reading on
EARLY = 1e-3  # seconds: rounding of time stamps


def frames_at(path: str | Path, times: Iterable[float]) -> Iterator[tuple[float, np.ndarray]]:
    """The frames that are shown at some seconds, as (H, W, 3) uint8 RGB, in order of time.

    It is for videos that mien wrote: upright ones, whose clock begins at 0. Times after the end
    have no frame.

    Raises InputError when the file is no video or is damaged.
    """
    with open_container(path, "a video") as container:
        stream = next((stream for stream in container.streams.video), None)
        if stream is None or stream.width * stream.height > MAX_PIXELS:
            raise InputError(f"{path}: no video that can be read")
        stream.thread_type = "AUTO"
        try:
            frames, now = container.decode(stream), 0.0
            for time in sorted(set(times)):
                if time > now + NEAR:
                    container.seek(int((time - EARLY) * 1e6), backward=True)
                    frames = container.decode(stream)
                for frame in frames:
                    now = float(frame.time or 0.0)
                    if now >= time - EARLY:
                        yield time, frame.to_ndarray(format="rgb24")
                        break
        except (FFmpegError, IndexError) as error:
            raise InputError(f"{path}: damaged") from error
