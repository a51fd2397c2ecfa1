"""How still the landmarks of a still face are: one photo as a video, with the noise of a sensor."""

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np

from mien.data.portraits import Portraits
from mien.evaluate import metrics, report
from mien.face import LANDMARKS
from mien.find.finder import FaceFinder
from mien.find.geometry import box_of
from mien.find.tracker import Tracker

FACE = 256.0  # pixels: root of the area of the face's box
NOISE = 3.0  # standard deviation, of 255
FRAMES, RATE = 90, 30.0
PORTRAITS = 5


def measure(portraits: Portraits, finder: FaceFinder, limit: int | None = None) -> dict[str, Any]:
    """Standard deviation of the landmarks in pixels, with and without the filter.

    For each portrait the mean over the landmarks and the largest, from the first frame on.
    """
    # The first of the portraits are the large ones.
    chosen = np.flatnonzero(portraits.test)[: min(PORTRAITS, limit or PORTRAITS)]
    tried = [
        _portrait(portraits, int(index), finder)
        for index in report.progress(chosen, "jitter", len(chosen))
    ]
    return {
        "face_pixels": FACE,
        "noise": f"{NOISE:g}/255",
        "frames": FRAMES,
        "portraits": len(tried),
        **{way: _summary([each[way] for each in tried]) for way in tried[0]},
    }


def _summary(tracks: list[np.ndarray]) -> dict[str, Any]:
    """Of (frames, 478, 3) landmarks per portrait; frames in which the face is lost are left out."""
    still = [metrics.jitter(track) for track in tracks if len(track)]
    means = [float(deviation.mean()) for deviation in still]
    return {
        "lost_frames": sum(FRAMES - len(track) for track in tracks),
        "mean_px": float(np.mean(means)) if still else None,
        "worst_portrait_px": max(means) if still else None,
        "worst_landmark_px": max(float(each.max()) for each in still) if still else None,
    }


def _portrait(portraits: Portraits, index: int, finder: FaceFinder) -> dict[str, np.ndarray]:
    """The landmarks over the frames, (frames, 478, 3), in which the face is found."""
    image = _scaled(portraits.image(index), portraits.landmarks[index])
    truth = portraits.landmarks[index, :, :2] * image.shape[1::-1]
    tracks = {"filtered": Tracker(finder, smooth=True), "unfiltered": Tracker(finder, smooth=False)}
    points: dict[str, list[np.ndarray]] = {way: [] for way in tracks}
    for number, noisy in enumerate(noisy_frames(image, seed=index)):
        for way, tracker in tracks.items():
            face = metrics.nearest(truth, tracker.update(noisy, number / RATE))
            if face is not None:
                points[way].append(metrics.points(face))
    return {way: np.reshape(track, (-1, LANDMARKS, 3)) for way, track in points.items()}


def _scaled(image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """The portrait at a size at which its face measures ``FACE``; landmarks are fractions."""
    box = box_of(landmarks) * image.shape[0]
    scale = FACE / np.sqrt(np.prod(box[2:] - box[:2]))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=way)


def noisy_frames(image: np.ndarray, seed: int) -> Iterator[np.ndarray]:
    """``FRAMES`` times the (H, W, 3) uint8 image, each with other Gaussian noise."""
    rng = np.random.default_rng(seed)
    for _ in range(FRAMES):
        noisy = image + rng.normal(0, NOISE, image.shape)
        yield np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
