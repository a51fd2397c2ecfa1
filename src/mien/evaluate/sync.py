"""Do lips and sound fit together? Offset and confidence of faces that speak, by ``mien-sync``.

    scorer = SyncScorer.bundled()
    scorer.motion(motion, samples, rate)       # curves
    scorer.landmarks(points, fps, samples, rate)  # (T, 478, 3) of a video

As SyncNet (Chung and Zisserman, *Out of time*, 2016), it puts half a second of mouth and half a
second of sound on one sphere. SyncNet looks at pixels; this looks at the points of the lips, as
they are seen on a head that does not move, so pictures need not be drawn, and it says nothing of
how a mouth looks. Everything is at ``FPS``; offsets are frames of that, 40 ms each.
"""

from collections.abc import Iterator
from functools import cache
from typing import Protocol, Self

import numpy as np

from mien import hub
from mien.errors import InputError
from mien.evaluate.metrics.motion import Sync, sync
from mien.face import BLENDSHAPES, LIPS_INNER, LIPS_OUTER, Motion
from mien.find.geometry import fit_rigid
from mien.head.model import HeadModel
from mien.hub.onnx import OnnxNetwork
from mien.voice import features

FPS = 25.0
REACH = 15  # frames, of an offset
LIPS = np.unique(np.concatenate([LIPS_OUTER, LIPS_INNER]))
MOUTH = 2 * len(LIPS)
ROWS = round(features.RATE / features.HOP / FPS)  # of the spectrum, for a frame
SOUND = ROWS * features.BANDS
UNIT = 5.0  # mm that the network takes for 1
SHORTEST = 3 * REACH  # frames
IN_FRONT = np.array([1.0, -1.0])  # the head's y is up, a picture's is down


class Network(Protocol):
    """Mouth and sound (1, MOUTH + SOUND, T) -> unit vectors of both, (1, D, T - 14) each."""

    def __call__(self, batch: np.ndarray) -> tuple[np.ndarray, ...]: ...


class SyncScorer:
    """Scores with one network."""

    def __init__(self, network: Network) -> None:
        self.network = network

    @classmethod
    def bundled(cls, device: str = "cpu", threads: int | None = 1) -> Self:
        """The scorer that mien ships; MienError when the device is not there."""
        return cls(OnnxNetwork(hub.resolve("mien-sync"), device, threads))

    def motion(self, motion: Motion, samples: np.ndarray, rate: int) -> Sync:
        """How curves fit a sound (S,) at ``rate`` hertz that begins with their first frame.

        ``offset`` is in frames of ``FPS``, above 0 where the sound is early; within ``REACH``.

        Raises InputError for less than ``SHORTEST`` frames, frames without a face, and as
        ``mien.voice.features``.
        """
        return self._score(mouth_of_curves(motion.expression), motion.fps, samples, rate)

    def landmarks(self, landmarks: np.ndarray, fps: float, samples: np.ndarray, rate: int) -> Sync:
        """How landmarks (T, 478, 3) in pixels fit a sound; as :meth:`motion`."""
        return self._score(mouth_of_landmarks(landmarks), fps, samples, rate)

    def windows(
        self, motion: Motion, samples: np.ndarray, rate: int, seconds: float = 3.0
    ) -> Iterator[Sync]:
        """:meth:`motion` of each whole window of some seconds, one after the other."""
        frames, heard = round(seconds * motion.fps), round(seconds * rate)
        for i in range(min(len(motion) // frames, len(samples) // heard)):
            shown = motion.expression[i * frames : (i + 1) * frames]
            part = Motion(motion.fps, shown, np.zeros((frames, 3)))
            yield self.motion(part, samples[i * heard : (i + 1) * heard], rate)

    def _score(self, mouth: np.ndarray, fps: float, samples: np.ndarray, rate: int) -> Sync:
        batch = together(at_rate(mouth, fps), heard(samples, rate))
        if batch.shape[1] < SHORTEST:
            raise InputError(f"sync takes {SHORTEST / FPS:.1f} s of face and sound at least")
        seen, said = self.network(batch[None])
        return sync(seen[0].T, said[0].T, REACH, padded=False)


# -- what the network sees and hears ---------------------------------------------------------------


def mouth_of_curves(expression: np.ndarray) -> np.ndarray:
    """Where the lips are (T, MOUTH) in mm, of curves (T, 52), from where they rest.

    Raises InputError for frames without a face (NaN).
    """
    expression = np.asarray(expression, np.float32)
    if not np.isfinite(expression).all():
        raise InputError("sync: there are frames without a face")
    return expression @ lip_basis()


def mouth_of_landmarks(landmarks: np.ndarray) -> np.ndarray:
    """Where the lips are (T, MOUTH) in mm, of landmarks (T, 478, 3) in pixels, on a mean face.

    Raises InputError for frames without a face (NaN).
    """
    points = np.asarray(landmarks, np.float64)
    if not np.isfinite(points).all():
        raise InputError("sync: there are frames without a face")
    out = np.empty((len(points), len(LIPS), 2))
    for i, face in enumerate(points):
        fit = fit_rigid(face)
        level = (face[LIPS] - fit.shift) @ fit.rotation / fit.scale
        out[i] = level[:, :2] * IN_FRONT
    return out.reshape(len(out), MOUTH).astype(np.float32)


@cache
def lip_basis() -> np.ndarray:
    """What the curves do to the points of the lips, seen from the front: (52, MOUTH), mm."""
    moved = HeadModel.bundled().landmark_basis()[2][: len(BLENDSHAPES), LIPS, :2]
    return moved.reshape(len(moved), MOUTH).astype(np.float32)


def at_rate(mouth: np.ndarray, fps: float) -> np.ndarray:
    """A mouth (T, MOUTH) at ``FPS``, mixed linearly."""
    count = max(round(len(mouth) / fps * FPS), 1)
    place = (np.arange(count) / FPS * fps).clip(0, len(mouth) - 1)
    before = place.astype(int)
    after = np.minimum(before + 1, len(mouth) - 1)
    share = (place - before)[:, None].astype(np.float32)
    return (1 - share) * mouth[before] + share * mouth[after]


def heard(samples: np.ndarray, rate: int) -> np.ndarray:
    """The spectrum (T, SOUND) of a sound (S,) or (S, channels): 40 ms for each frame of ``FPS``.

    Raises InputError and UsageError as ``mien.voice.features.features``.
    """
    return by_frame(features.features(samples, rate))


def by_frame(rows: np.ndarray) -> np.ndarray:
    """Rows of ``mien.voice.features``, ``ROWS`` to a frame: (T, SOUND)."""
    count = len(rows) // ROWS
    return rows[: count * ROWS, : features.BANDS].reshape(count, SOUND)


def together(mouth: np.ndarray, spectrum: np.ndarray) -> np.ndarray:
    """The network's input (MOUTH + SOUND, T) of both, as long as the shorter; mouths about their
    own middle, so that whose they are does not matter."""
    count = min(len(mouth), len(spectrum))
    if not count:
        raise InputError("sync: no face or no sound")
    centred = (mouth[:count] - np.median(mouth[:count], 0)) / UNIT
    return np.concatenate([centred, spectrum[:count]], 1).T.astype(np.float32)
