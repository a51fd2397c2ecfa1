"""A figure of a video: head pose and number of faces over time."""

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mien.face import Face
from mien.media.draw import colour_of
from mien.media.files import atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOMENTS = 2000  # at most; more than the figure has pixels
LEGEND_TRACKS = 12  # more names than this would cover the curves
MARGINS = {"left": 0.085, "right": 0.98, "top": 0.94, "bottom": 0.075, "hspace": 0.12}
LEAST = 10  # degrees that are shown in any case, so that a still head looks still
ANGLES = ("yaw", "pitch", "roll")
POSITIVE = ("right", "up", "clockwise")


class Timeline:
    """Head pose and number of faces over a video, in bounded memory.

    It holds at most ``MOMENTS`` means over equally many frames each: of a short video every frame,
    of a longer one the means over 2, 4, 8, ... frames.
    """

    def __init__(self) -> None:
        self._moments: list[_Moment] = []
        self._waiting: list[_Moment] = []
        self._frames_each = 1

    def add(self, time: float, faces: Sequence[Face]) -> None:
        """Add a frame at ``time`` seconds."""
        self._waiting.append(_Moment(time, faces))
        if len(self._waiting) < self._frames_each:
            return
        self._moments.append(_mean(self._waiting))
        self._waiting = []
        if len(self._moments) == MOMENTS:
            pairs = zip(self._moments[::2], self._moments[1::2], strict=True)
            self._moments = [_mean(pair) for pair in pairs]
            self._frames_each *= 2

    def draw(self, path: str | Path, title: str) -> None:
        """Write the figure as a PNG; the same data gives the same bytes.

        Raises MienError when the file cannot be written.
        """
        # Building its list of fonts, the first time, is no news to the user.
        logging.getLogger("matplotlib").setLevel(logging.ERROR)
        from matplotlib.figure import Figure  # here, because it takes long to load

        figure = Figure(figsize=(10, 7), dpi=100)
        figure.suptitle(_printable(title), parse_math=False)
        *angles, count = figure.subplots(
            4, 1, sharex=True, height_ratios=(3, 3, 3, 1.5), gridspec_kw=MARGINS
        )
        self._draw_angles(angles)
        self._draw_count(count)
        for plot in (*angles, count):
            plot.yaxis.set_label_coords(-0.05, 0.5)  # below each other
        with atomic(path) as temporary, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of letters in the title that the font lacks
            figure.savefig(temporary, format="png", metadata={"Software": None})

    def _draw_angles(self, plots: "Sequence[Axes]") -> None:
        moments = self._all()
        times = [moment.time for moment in moments]
        tracks = sorted({track for moment in moments for track in moment.poses})
        for track in tracks:
            absent = np.full(3, np.nan)
            poses = np.array([moment.poses.get(track, absent) for moment in moments])
            colour = np.array(colour_of(track)) / 255
            for plot, values in zip(plots, poses.T, strict=True):
                plot.plot(times, values, color=colour, linewidth=1, marker=".", markersize=2,
                          label=f"#{track}")  # fmt: skip
        for plot, angle, positive in zip(plots, ANGLES, POSITIVE, strict=True):
            plot.axhline(0, color="0.8", linewidth=0.8, zorder=0)
            low, high = plot.get_ylim()
            plot.set_ylim(min(low, -LEAST), max(high, LEAST))
            plot.set_ylabel(f"{angle} (°)\n+ {positive}")
        if 1 < len(tracks) <= LEGEND_TRACKS:
            plots[0].legend(loc="upper right", ncols=6, fontsize="small")

    def _draw_count(self, plot: "Axes") -> None:
        from matplotlib.ticker import MaxNLocator

        moments = self._all()
        counts = [moment.count for moment in moments]
        times = [moment.time for moment in moments]
        plot.step(times, counts, where="post", color="0.3", linewidth=1)
        plot.set_ylim(-0.2, max([1.0, *counts]) + 0.2)
        plot.yaxis.set_major_locator(MaxNLocator("auto", integer=True))
        plot.set_ylabel("faces")
        plot.set_xlabel("time (s)")

    def _all(self) -> "list[_Moment]":
        return [*self._moments, _mean(self._waiting)] if self._waiting else self._moments


class _Moment:
    """One frame, or the mean of several: seconds, number of faces, (yaw, pitch, roll) by track."""

    def __init__(self, time: float, faces: Sequence[Face]) -> None:
        self.time = time
        self.count = float(len(faces))
        self.poses: dict[int, np.ndarray] = {
            face.track or 0: np.array([face.pose.yaw, face.pose.pitch, face.pose.roll], np.float32)
            for face in faces
            if face.pose is not None
        }


def _mean(moments: Sequence[_Moment]) -> _Moment:
    """The mean of some moments; a track's angles are those of the moments that have it."""
    if len(moments) == 1:
        return moments[0]
    mean = _Moment(float(np.mean([m.time for m in moments])), ())
    mean.count = float(np.mean([m.count for m in moments]))
    for track in sorted({track for m in moments for track in m.poses}):
        mean.poses[track] = np.mean([m.poses[track] for m in moments if track in m.poses], axis=0)
    return mean


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text)
