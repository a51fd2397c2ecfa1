"""How a long job speaks with its user: progress, Ctrl-C, one line for each fault."""

import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any, Self

from mien.jobs.stream import Reading
from mien.media.source import Camera

PATIENCE = 1.0  # seconds before a progress bar appears


class CtrlC:
    """While it lasts, Ctrl-C ends the webcam that is being read; else it works as before."""

    def __init__(self) -> None:
        self.reading: Reading | None = None
        self._usual = signal.getsignal(signal.SIGINT)
        in_main_thread = threading.current_thread() is threading.main_thread()
        self._installed = in_main_thread and callable(self._usual)

    def __enter__(self) -> Self:
        if self._installed:
            signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, self._usual)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        reading = self.reading
        if reading and isinstance(reading.source, Camera) and not reading.stopped:
            reading.stopped = True
        elif callable(self._usual):
            self._usual(number, frame)


class Progress:
    """Bars on standard error for work that takes longer than ``PATIENCE``, where one sees them."""

    def __init__(self, inputs: int, wanted: bool) -> None:
        self._inputs, self._done = inputs, 0
        self._wanted = wanted and sys.stderr.isatty()
        self._start = time.monotonic()
        self._bars: Any = None
        self._video: Reading | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bars is not None:
            self._bars.stop()

    def show(self, reading: Reading, ended: bool) -> None:
        self._done += ended
        if not self._wanted or time.monotonic() - self._start < PATIENCE:
            return
        if self._bars is None:
            self._bars = self._begin()
        self._bars.update(self._input_bar, completed=self._done)
        if reading.is_video:
            self._show_video(reading, ended)

    def _begin(self) -> Any:
        from rich.console import Console  # here, because most work is done before
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            refresh_per_second=4,
        )
        self._input_bar = bars.add_task("inputs", total=self._inputs, visible=self._inputs > 1)
        bars.start()
        return bars

    def _show_video(self, reading: Reading, ended: bool) -> None:
        if reading is not self._video:
            total = reading.source.frame_count if reading.source else None
            name = one_line(Path(reading.name).name)
            self._video, self._video_bar = reading, self._bars.add_task(name, total=total)
        self._bars.update(self._video_bar, completed=reading.position)
        if ended:
            self._bars.remove_task(self._video_bar)


def one_line(text: str) -> str:
    """Text without the control characters that a file's name may have, spelled out instead."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )


def number_of(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
