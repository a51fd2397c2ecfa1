"""Labels that follow from others: traits from curves and landmarks, mirrored labels, quality.

Between "there" and "not there" lies a band in which nobody would be sure: there a trait is unknown.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import cv2
import numpy as np

from mien.data import labels
from mien.face import BLENDSHAPES
from mien.find import geometry, mean_face

SMILE = 0.15, 0.35  # mean of both mouthSmile: up to the first none, from the second on one
CLOSED = 0.4, 0.7  # eyeBlink of both eyes
OPEN = 0.025, 0.06  # between the lips / between the outer eye corners
COVERED = 0.05  # share of the points behind something, from which on a face is occluded
EVEN = 2.0  # pixels of a 128-pixel crop: what is finer is detail
SHUT = 0.7  # eyeBlink from which on nobody sees where an eye looks
HIDES = 0.5  # opacity from which on something hides a point

_SMILES = [BLENDSHAPES.index(f"mouthSmile{side}") for side in ("Left", "Right")]
_BLINKS = [BLENDSHAPES.index(f"eyeBlink{side}") for side in ("Left", "Right")]


def traits(
    curves: np.ndarray, landmarks: np.ndarray, said: Mapping[str, bool | None] | None = None
) -> np.ndarray:
    """The word ``traits`` of a face, (7,) int64.

    curves: (52,), NaN where unknown. landmarks: (478, 3). said: what is known of the other traits,
    by name; None where it is not.
    """
    mouth = np.linalg.norm(landmarks[13] - landmarks[14]) / np.linalg.norm(
        landmarks[33, :2] - landmarks[263, :2]
    )
    blinks = curves[_BLINKS]
    closed = _between(float(blinks.min()), CLOSED)
    known: dict[str, Any] = {
        "smile": _between(float(curves[_SMILES].mean()), SMILE),
        "eyes_closed": closed if closed != 0 else _between(float(blinks.max()), CLOSED),
        "mouth_open": _between(float(mouth), OPEN),
        **(said or {}),
    }
    out = [known.get(name) for name in labels.TRAITS]
    return np.array([labels.UNKNOWN if value is None else int(value) for value in out], np.int64)


def of_world(sample: Mapping[str, Any]) -> np.ndarray:
    """The word ``traits`` of a sample of ``mien.world``, (7,) int64.

    Portraits may have glasses, beards and make-up of their own, of which nothing is known.
    """
    factors, own, beard = sample["factors"], sample["backdrop"], sample["beard"]
    return traits(np.asarray(sample["expression"]), sample["landmarks"], {
        "glasses": None if own else factors["glasses"],
        "beard": beard != "none" if beard else None,
        "makeup": factors["makeup"] if sample["source"] == "model" else None,
        "occluded": factors["mask"] or factors["occluder"],
    })  # fmt: skip


def shut(curves: np.ndarray) -> np.ndarray:
    """Whether the left and the right eye are so far closed that they look nowhere, (2,) bool."""
    return curves[_BLINKS] >= SHUT


def _between(value: float, band: tuple[float, float]) -> int:
    """1 above the band, 0 below it, unknown within and for NaN."""
    low, high = band
    return 1 if value >= high else 0 if value <= low else labels.UNKNOWN


def inside(landmarks: np.ndarray, side: int) -> np.ndarray:
    """Which of the points (478, 3) are in a crop of ``side`` pixels, (478,) bool."""
    plane = landmarks[:, :2]
    return np.asarray(((plane >= 0) & (plane < side)).all(axis=1))


def covered(landmarks: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """Which of the points (478, 3) lie behind something: hidden (S, S) 0..1 says where it is."""
    side = len(hidden)
    x, y = landmarks[:, :2].astype(int).clip(0, side - 1).T
    return inside(landmarks, side) & (hidden[y, x] >= HIDES)


def detail_left(clean: np.ndarray, seen: np.ndarray) -> float:
    """How much of the fine detail of a crop is left in what a camera made of it, 0..1.

    Both (S, S, 3) uint8. The common part of what is finer than ``EVEN`` pixels, over the larger of
    the two: blur takes it away, noise and compression add what was not there.
    """
    first, second = (_detail(image) for image in (clean, seen))
    most = max((first**2).sum(), (second**2).sum(), 1e-6)
    return float(np.clip((first * second).sum() / most, 0, 1))


def _detail(image: np.ndarray) -> np.ndarray:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return grey - cv2.GaussianBlur(grey, (0, 0), EVEN * len(image) / 128)


@cache
def _swap() -> np.ndarray:
    """Where each curve goes in a mirror."""

    def other(name: str) -> str:
        for one, two in (("Left", "Right"), ("Right", "Left")):
            if name.endswith(one):
                return name.removesuffix(one) + two
        return name

    return np.array([BLENDSHAPES.index(other(name)) for name in BLENDSHAPES])


def mirrored_curves(curves: np.ndarray) -> np.ndarray:
    """Curves (..., 52) of the face in a mirror."""
    return curves[..., _swap()]


def mirrored_gaze(gaze: np.ndarray) -> np.ndarray:
    """Gaze (..., 2, 2), left and right eye, yaw and pitch, of the face in a mirror."""
    return gaze[..., ::-1, :] * np.array([-1, 1], gaze.dtype)


def mirrored_landmarks(landmarks: np.ndarray, side: int) -> np.ndarray:
    """Points (478, 3) of a crop of ``side`` pixels in a mirror."""
    return landmarks[mean_face.mirror()] * [-1, 1, 1] + [side, 0, 0]


def near_frontal(landmarks: np.ndarray, degrees: float = 15.0) -> bool:
    """Whether the head of (478, 3) landmarks is turned so little that all points face us."""
    pose = geometry.pose_of(landmarks)
    return abs(pose.yaw) <= degrees and abs(pose.pitch) <= degrees
