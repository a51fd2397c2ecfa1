"""Faces that move and speak: vertices and landmarks over time, lip-sync, beats, reenactment.

Tracks have frames first: vertices (frames, n, 3), landmarks (frames, n, 2 or 3), embeddings
(frames, d). Predicted and true tracks are as long as each other.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from mien.evaluate import checks
from mien.evaluate.metrics import verification

NAMES = ("predicted", "truth")
Predictor = Callable[[np.ndarray], np.ndarray]
"""From (n, height, width, channels) images to (n, d) coefficients or embeddings."""


# Vertices and landmarks


def lip_vertex_error(predicted: Any, truth: Any, lips: Sequence[int]) -> float:
    """LVE: mean over frames of the largest *squared* distance of a lip vertex, unit^2, lower.

    predicted, truth: (frames, n, 3); lips: indices of the lip vertices. From 0. As in FaceFormer,
    CodeTalker and UniTalker; on VOCASET and BIWI in m^2.
    """
    return float((_gaps(predicted, truth, lips) ** 2).max(axis=1).mean())


def lip_vertex_distance(predicted: Any, truth: Any, lips: Sequence[int]) -> float:
    """LVD: mean over frames of the largest distance of a lip vertex, in their unit, lower, from 0.

    As :func:`lip_vertex_error` without the square (UniTalker).
    """
    return float(_gaps(predicted, truth, lips).max(axis=1).mean())


def mean_vertex_error(predicted: Any, truth: Any) -> float:
    """MVE: mean distance over all vertices and frames, in their unit, from 0, lower is better."""
    return float(_gaps(predicted, truth, None).mean())


def upper_face_dynamics(predicted: Any, truth: Any, neutral: Any, upper: Sequence[int]) -> float:
    """FDD: mean over upper-face vertices of dyn(truth) - dyn(predicted), unit, nearest 0 is best.

    dyn is the standard deviation over time of the vertex's distance from ``neutral`` (n, 3).
    Above 0: the prediction is too still. CodeTalker, section 4.2.
    """
    predicted, truth = _tracks(predicted, truth)
    neutral = checks.real(neutral, "neutral")
    if neutral.shape != truth.shape[1:]:
        raise ValueError(f"neutral {neutral.shape} for vertices {truth.shape[1:]}")
    at = _indices(upper, truth.shape[1])
    still, moving = (
        np.linalg.norm((t - neutral)[:, at], axis=-1).std(0) for t in (predicted, truth)
    )
    return float((moving - still).mean())


def landmark_distance(predicted: Any, truth: Any, points: Sequence[int] | None = None) -> float:
    """LMD: mean distance over frames and landmarks, pixels, from 0, lower is better.

    predicted, truth: (frames, n, 2 or 3), in the image plane; points: those of the mouth for M-LMD,
    of the whole face (None) for F-LMD. Chen et al. 2018; give the size of the frames beside it.
    """
    predicted, truth = _tracks(predicted, truth)
    return float(_gaps(predicted[..., :2], truth[..., :2], points).mean())


def velocity_error(predicted: Any, truth: Any) -> float:
    """Mean distance of the steps between frames of vertices (frames, n, d), unit, lower, from 0."""
    predicted, truth = _tracks(predicted, truth)
    if len(truth) < 2:
        raise ValueError("one frame: no motion")
    return mean_vertex_error(np.diff(predicted, axis=0), np.diff(truth, axis=0))


def acceleration(track: Any) -> float:
    """Mean length of the second differences of (frames, n, d) points, unit per frame^2, lower.

    A measure of jitter for moving faces (EMOTE); give the truth's own beside it.
    """
    track = checks.real(track, "track")
    if track.ndim != 3 or len(track) < 3:
        raise ValueError(f"track {track.shape}: not three frames at least of points")
    return float(np.linalg.norm(np.diff(track, 2, axis=0), axis=-1).mean())


def boundary_jump(track: Any, boundaries: Sequence[int]) -> float:
    """Mean step into the frames ``boundaries`` / mean step elsewhere, best is 1.

    track: (frames, d) curves. Above 1 the windows of a generator do not join (JoyVASA). Raises
    ValueError for a track that is still between the boundaries.
    """
    track = checks.real(track, "track")
    if track.ndim != 2 or len(track) < 3:
        raise ValueError(f"track {track.shape}: not three frames at least of curves")
    steps = np.linalg.norm(np.diff(track, axis=0), axis=-1)
    joins = np.zeros(len(steps), bool)
    joins[_indices(np.asarray(boundaries) - 1, len(steps))] = True
    if joins.all() or not steps[~joins].any():
        raise ValueError("track: no motion between the boundaries")
    return float(steps[joins].mean() / steps[~joins].mean())


def closure_recall(openings: Any, closed: Any, limit: float) -> float:
    """Share of the frames of /p b m/ in which the lips are closed; 0 to 1, higher is better.

    openings: (frames,) lip distance; closed: (frames,) 1 where they must be; limit: the largest
    distance that counts as closed, chosen on true motion. Raises ValueError without such frames.
    """
    openings = checks.real(openings, "openings")
    must = checks.binary(closed, "closed")
    if openings.shape != must.shape or not must.any():
        raise ValueError("closed: no such frame, or not as long as the openings")
    return float(np.mean(openings[must] <= limit))


def diversity(samples: Any) -> float:
    """Mean distance of the pairs of samples (samples, ...) for one input, from 0, higher.

    Root mean square over the numbers of each sample, in their unit. ValueError for one sample.
    """
    samples = checks.real(samples, "samples")
    if samples.ndim < 2 or len(samples) < 2:
        raise ValueError(f"samples {samples.shape}: two at least are needed")
    flat = samples.reshape(len(samples), -1)
    gaps = [np.sqrt(((flat[i + 1 :] - flat[i]) ** 2).mean(axis=1)) for i in range(len(flat) - 1)]
    return float(np.concatenate(gaps).mean())


# Lip-sync


class Sync(NamedTuple):
    """offset: frames by which the sound is early; distance: LSE-D; confidence: LSE-C."""

    offset: int
    distance: float
    confidence: float


def sync(video: Any, audio: Any, reach: int = 15, padded: bool = True) -> Sync:
    """Offset, distance and confidence of lips and sound from embeddings (frames, d) of each.

    Mean distance of the embeddings for each shift of up to ``reach`` frames, sound beyond its ends
    being zero; the least is the distance, the median minus the least the confidence. SyncNet (Chung
    and Zisserman 2016) as in its published code and in LSE-D and LSE-C of Wav2Lip; 25 frames a
    second. Not ``padded``: what has no counterpart is left out, which favours no shift in clips
    that are not much longer than ``reach``. Raises ValueError where nothing would be left.
    """
    video, audio = checks.pair(video, audio, ("video", "audio"))
    if video.ndim != 2:
        raise ValueError(f"video {video.shape}: not frames x dimensions")
    if not padded and len(video) <= reach:
        raise ValueError(f"video {video.shape}: not more than {reach} frames")
    sound = np.pad(audio, ((reach, reach), (0, 0)))
    there = np.pad(np.ones(len(audio), bool), reach)
    means = np.empty(2 * reach + 1)
    for shift in range(len(means)):
        at = slice(shift, shift + len(video))
        gaps = np.linalg.norm(video - sound[at], axis=1)
        means[shift] = (gaps if padded else gaps[there[at]]).mean()
    best = int(means.argmin())
    return Sync(reach - best, float(means[best]), float(np.median(means) - means[best]))


def sync_confidence(video: Any, audio: Any, reach: int = 15) -> float:
    """LSE-C of :func:`sync`: from 0, higher is better, in the unit of the embeddings."""
    return sync(video, audio, reach).confidence


def sync_distance(video: Any, audio: Any, reach: int = 15) -> float:
    """LSE-D of :func:`sync`: from 0, lower is better, in the unit of the embeddings."""
    return sync(video, audio, reach).distance


def sync_offset(video: Any, audio: Any, reach: int = 15) -> float:
    """Offset of :func:`sync` in frames, above 0 where the sound is early; nearest 0 is best."""
    return float(sync(video, audio, reach).offset)


# Beats


def beats(signal: Any, rate: float, peaks: bool = True) -> np.ndarray:
    """Times in seconds of the local maxima of a (frames,) signal (minima unless ``peaks``).

    Audio beats are maxima of its energy, motion beats minima of the head's speed. A plateau has its
    beat at its first frame; the ends are none.
    """
    signal = checks.items(checks.real(signal, "signal"), "signal")
    steps = np.sign(np.diff(signal if peaks else -signal))
    moving = np.flatnonzero(steps)
    turns = (steps[moving[:-1]] > 0) & (steps[moving[1:]] < 0)
    return (moving[:-1][turns] + 1) / rate


def beat_consistency(motion: Any, audio: Any, sigma: float = 0.05) -> float:
    """Mean over motion beats of exp(-(time to the nearest audio beat)^2 / 2 sigma^2); to 1, higher.

    motion, audio: times in seconds. Beat alignment of AIST++ (Li et al. 2021): sigma is 3 frames of
    60 a second. Raises ValueError where there is no beat.
    """
    motion, audio = checks.real(motion, "motion"), checks.real(audio, "audio")
    nearest = np.abs(motion[:, None] - audio).min(axis=1)
    return float(np.exp(-((nearest / sigma) ** 2) / 2).mean())


# Reenactment, by given predictors


def expression_distance(generated: Any, driving: Any, expression: Predictor) -> np.ndarray:
    """AED: mean absolute difference of the expression coefficients of each image, (n,), lower.

    generated, driving: (n, height, width, channels); from 0, in the unit of the coefficients.
    PIRenderer (Ren et al. 2021), DPE.
    """
    return _predicted_gap(generated, driving, expression)


def pose_distance(generated: Any, driving: Any, pose: Predictor) -> np.ndarray:
    """APD: mean absolute difference of the pose of each image, (n,), from 0, lower is better.

    As :func:`expression_distance`; when only the expression is driven, ``driving`` is the source.
    """
    return _predicted_gap(generated, driving, pose)


def identity_similarity(generated: Any, source: Any, identity: Predictor) -> np.ndarray:
    """CSIM: cosine of the identity embeddings of each image and its source, (n,); to 1, higher.

    Never judge with the recogniser of the training loss.
    """
    return verification.cosine(*_predictions(generated, source, identity))


def identity_consistency(images: Any, identity: Predictor) -> float:
    """Mean cosine of the pairs of n images that should show one person; -1 to 1, higher is better.

    images: (n, height, width, channels), n at least 2. Frames of one clip, or swaps of one source.
    """
    faces = verification.unit(checks.real(identity(np.asarray(images)), "embeddings"))
    count = len(faces)
    if count < 2:
        raise ValueError("images: two at least are needed")
    return float(((faces.sum(axis=0) ** 2).sum() - count) / (count * (count - 1)))


def _predicted_gap(generated: Any, driving: Any, predictor: Predictor) -> np.ndarray:
    first, second = _predictions(generated, driving, predictor)
    return np.abs(first - second).mean(axis=-1)


def _predictions(first: Any, second: Any, predictor: Predictor) -> tuple[np.ndarray, np.ndarray]:
    images = np.asarray(first), np.asarray(second)
    if len(images[0]) != len(images[1]) or not len(images[0]):
        raise ValueError(f"{len(images[0])} and {len(images[1])} images")
    return checks.pair(predictor(images[0]), predictor(images[1]), ("first", "second"))


def _tracks(predicted: Any, truth: Any) -> tuple[np.ndarray, np.ndarray]:
    predicted, truth = checks.pair(predicted, truth, NAMES)
    if predicted.ndim != 3:
        raise ValueError(f"predicted {predicted.shape}: not frames x points x coordinates")
    return predicted, truth


def _gaps(predicted: Any, truth: Any, at: Sequence[int] | None) -> np.ndarray:
    """Distances (frames, points) of the points ``at``, of all without them."""
    predicted, truth = _tracks(predicted, truth)
    gaps = np.linalg.norm(predicted - truth, axis=-1)
    return gaps if at is None else gaps[:, _indices(at, gaps.shape[1])]


def _indices(at: Any, count: int) -> np.ndarray:
    return checks.classes(at, "indices", count)
