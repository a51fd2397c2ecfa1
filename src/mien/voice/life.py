"""What a face does beside its speech: blinks, glances, and a head that is never still.

The figures are those of ``mien.world.performance``. Life is made in parts of ``PART`` seconds, each
from the seed and its own number, so it can go on for ever: after hours it is as lively as at first,
and nothing of it has to be remembered but the part that is being played.
"""

from dataclasses import dataclass, replace

import numpy as np

from mien.errors import UsageError
from mien.face import BLENDSHAPES
from mien.head.fit import GAZE_CURVES, gaze_curves
from mien.world import performance
from mien.world.performance import Blinks, Glances, Manner, Nods

PART = 30.0  # seconds
BOW = 2.0  # degrees, with full stress
SETTLE = 0.7  # seconds at both ends of a part in which the head is back at rest

MANNERS = {
    "neutral": Manner(),
    "calm": Manner(blink_rate=13, averted=1.2, head_share=0.3, sway=0.7, nods=2),
    "lively": Manner(blink_rate=21, averted=1.9, head_share=0.5, sway=1.5, nods=8),
}
"""By style."""

BLINK = [BLENDSHAPES.index("eyeBlinkLeft"), BLENDSHAPES.index("eyeBlinkRight")]


@dataclass(frozen=True)
class _Part:
    """What happens in one part; times in seconds from its beginning."""

    blinks: Blinks
    glances: Glances
    nods: Nods
    head: int  # seed of how the head follows the eyes


class Life:
    """The life of one face; ``at`` is asked for times in order.

    seed: of everything. style: of ``MANNERS``; raises UsageError for another.
    """

    def __init__(self, seed: int, style: str = "neutral") -> None:
        if style not in MANNERS:
            raise UsageError(f"no style {style!r}; there are {', '.join(MANNERS)}")
        self._seed, self._manner = abs(int(seed)), MANNERS[style]
        self._number = -1
        self._target = np.zeros(2)  # where the eyes were at the end of the part before
        self._part: _Part | None = None

    def at(
        self, times: np.ndarray, stress: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Closure of the lids (n,) 0..1, pose of the head (n, 3), gaze (n, 2, 2), in degrees.

        times: (n,) seconds, increasing, none before those asked for last. stress: (n,) 0..1, with
        which the voice stresses what it says; the head bows a little. None: without stress.
        """
        stress = np.zeros(len(times)) if stress is None else stress
        numbers = (times // PART).astype(int)
        parts = [
            self._within(number, times[numbers == number], stress[numbers == number])
            for number in np.unique(numbers)
        ]
        empty = np.zeros(0), np.zeros((0, 3)), np.zeros((0, 2, 2))
        lids, pose, gaze = (np.concatenate(rows) for rows in zip(empty, *parts, strict=True))
        return lids, pose, gaze

    def _within(
        self, number: int, times: np.ndarray, stress: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        part, time = self._play(number), times - number * PART
        rng = np.random.default_rng([self._seed, number, part.head])
        still = replace(self._manner, sway=0.0)
        moved = performance.head_motion(time, part.glances, part.nods, rng, still)
        pose = moved * _at_rest(time)[:, None] + self._sway(times)
        pose[:, 1] -= BOW * self._manner.sway * stress
        gaze = part.glances.gaze(time) + 0.1 * self._noise(times, 2, 1)
        return (
            part.blinks.closure(time), pose,
            performance.eyes_in_head(gaze, pose, self._manner.distance),
        )  # fmt: skip

    def _play(self, number: int) -> _Part:
        """Part ``number``, which follows the one that was played."""
        while self._number < number or self._part is None:
            if self._part is not None:
                self._target = self._part.glances.target[-1]
            self._number += 1
            self._part = self._made(self._number)
        return self._part

    def _made(self, number: int) -> _Part:
        lids, look, head = np.random.default_rng([self._seed, number]).spawn(3)
        glances = performance.sample_glances(PART, look, self._manner)
        glances = Glances(  # they go on from where the eyes are
            np.concatenate([[-1.0], glances.start]),
            np.concatenate([[0.05], glances.duration]),
            np.concatenate([self._target[None], glances.target]),
            np.concatenate([[False], glances.averted]),
        )
        # None is cut off by the end of the part.
        blinks = performance.sample_blinks(PART - 1, lids, self._manner, glances)
        nods = performance.sample_nods(PART - 2, head, self._manner)
        return _Part(blinks, glances, nods, int(head.integers(1 << 31)))

    def _sway(self, times: np.ndarray) -> np.ndarray:
        return self._manner.sway * self._noise(times, 3, 0) * (1.0, 0.8, 0.6)

    def _noise(self, times: np.ndarray, channels: int, which: int) -> np.ndarray:
        """The same endless 1/f noise (n, channels), whenever it is asked for."""
        rng = np.random.default_rng([self._seed, 1 << 20, which])
        return performance.pink_noise(times, channels, rng)


def _at_rest(time: np.ndarray) -> np.ndarray:
    """0 at both ends of a part, 1 from ``SETTLE`` seconds on."""
    near = (np.minimum(time, PART - time) / SETTLE).clip(0, 1)
    return near**2 * (3 - 2 * near)


def show(expression: np.ndarray, lids: np.ndarray, gaze: np.ndarray) -> np.ndarray:
    """Curves (n, 52) whose eyes blink by ``lids`` (n,) and look where ``gaze`` (n, 2, 2) says."""
    out = expression.copy()
    out[:, BLINK] = 1 - (1 - out[:, BLINK]) * (1 - lids[:, None])
    out[:, GAZE_CURVES] = gaze_curves(gaze)
    return out
