"""Faces that move and speak: known tracks, what must not matter, the published code of SyncNet."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.evaluate.metrics import motion

lightly = settings(deadline=None, max_examples=30)
seeds = st.integers(0, 2**32 - 1)


def track(seed: int, frames: int = 20, points: int = 10) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1, (frames, points, 3))


# Vertices


def test_only_the_worst_lip_vertex_counts_squared() -> None:
    truth = np.zeros((2, 4, 3))
    taken = truth.copy()
    taken[0, 1] = [3, 0, 4]  # a lip vertex, 5 away
    taken[0, 2] = [1, 0, 0]  # another
    taken[1, 3] = [9, 9, 9]  # no lip vertex
    assert motion.lip_vertex_error(taken, truth, [1, 2]) == 12.5
    assert motion.lip_vertex_distance(taken, truth, [1, 2]) == 2.5
    assert motion.mean_vertex_error(taken, truth) == pytest.approx((5 + 1 + 9 * 3**0.5) / 8)


@lightly
@given(seeds, st.floats(0.1, 10))
def test_errors_scale_with_the_unit(seed: int, scale: float) -> None:
    taken, truth, lips = track(seed), track(seed + 1), [0, 3, 5]
    lve = motion.lip_vertex_error(taken, truth, lips)
    assert motion.lip_vertex_error(scale * taken, scale * truth, lips) == pytest.approx(
        scale**2 * lve
    )
    lvd = motion.lip_vertex_distance(taken, truth, lips)
    assert lvd**2 <= lve * (1 + 1e-12)
    assert motion.mean_vertex_error(taken + 7, truth + 7) == pytest.approx(
        motion.mean_vertex_error(truth, taken)
    )


def test_a_still_prediction_has_too_little_dynamics() -> None:
    neutral = np.zeros((10, 3))
    truth = track(0)
    lengths = np.linalg.norm(truth[:, :4], axis=-1)
    still = np.zeros_like(truth)
    assert motion.upper_face_dynamics(still, truth, neutral, range(4)) == pytest.approx(
        lengths.std(0).mean()
    )
    assert motion.upper_face_dynamics(truth, still, neutral, range(4)) == pytest.approx(
        -lengths.std(0).mean()
    )
    assert motion.upper_face_dynamics(truth[::-1], truth, neutral, range(4)) == pytest.approx(0)
    with pytest.raises(ValueError, match="neutral"):
        motion.upper_face_dynamics(truth, truth, neutral[:3], range(3))


def test_landmarks_of_mouth_and_face() -> None:
    truth = track(0)
    taken = truth.copy()
    taken[:, 2] += [3, 4, 100]  # depth does not count
    assert motion.landmark_distance(taken, truth) == pytest.approx(0.5)
    assert motion.landmark_distance(taken, truth, [2]) == pytest.approx(5)


def test_motion_between_frames() -> None:
    truth = track(0)
    assert motion.velocity_error(truth + 5, truth) == pytest.approx(0)
    line = np.arange(6.0)[:, None, None] * np.ones((1, 4, 3))
    assert motion.acceleration(line) == pytest.approx(0)
    assert motion.acceleration(line**2) == pytest.approx(2 * np.sqrt(3))
    with pytest.raises(ValueError, match="three frames"):
        motion.acceleration(truth[:2])
    with pytest.raises(ValueError, match="no motion"):
        motion.velocity_error(truth[:1], truth[:1])


def test_windows_that_do_not_join() -> None:
    curve = np.arange(9.0)
    curve[5:] += 3
    assert motion.boundary_jump(curve[:, None], [5]) == 4
    assert motion.boundary_jump(curve[:, None], [3]) < 1
    with pytest.raises(ValueError, match="no motion between"):
        motion.boundary_jump(np.ones((5, 1)), [2])


def test_lips_must_close() -> None:
    assert motion.closure_recall([0.1, 3, 0.2, 5], [1, 1, 1, 0], limit=0.5) == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="no such frame"):
        motion.closure_recall([1.0], [0], limit=0.5)


def test_diversity_of_samples() -> None:
    samples = np.stack([np.zeros((5, 2)), np.ones((5, 2)), np.full((5, 2), 2.0)])
    assert motion.diversity(samples) == pytest.approx((1 + 2 + 1) / 3)
    assert motion.diversity(samples[[1, 1]]) == 0
    with pytest.raises(ValueError, match="two at least"):
        motion.diversity(samples[:1])


@pytest.mark.parametrize(
    ("taken", "line"),
    [
        (np.zeros((0, 4, 3)), "empty"),
        (np.zeros((3, 4, 3)), "different shapes"),
        (np.full((2, 4, 3), np.nan), "NaN"),
    ],
)
def test_tracks_without_an_answer(taken: np.ndarray, line: str) -> None:
    truth = np.zeros((2, 4, 3))
    for metric in (motion.mean_vertex_error, motion.landmark_distance):
        with pytest.raises(ValueError, match=line):
            metric(taken, truth)
    with pytest.raises(ValueError, match=line):
        motion.lip_vertex_error(taken, truth, [0])


def test_a_vertex_that_is_not_there() -> None:
    truth = np.zeros((2, 4, 3))
    for lips in ([4], [-1], []):
        with pytest.raises(ValueError, match="indices"):
            motion.lip_vertex_error(truth, truth, lips)


# Lip-sync


@pytest.mark.parametrize("offset", [-7, 0, 4])
def test_offset_of_sound_and_lips(offset: int) -> None:
    rng = np.random.default_rng(0)
    video = rng.normal(0, 1, (200, 16))
    audio = np.roll(video, -offset, axis=0)  # early by ``offset``
    result = motion.sync(video, audio)
    assert result.offset == offset
    assert result.distance < 1
    assert result.confidence > 3
    assert motion.sync_offset(video, audio) == offset


def test_other_sound_is_out_of_sync() -> None:
    rng = np.random.default_rng(0)
    video, audio = rng.normal(0, 1, (2, 200, 16))
    assert motion.sync_confidence(video, audio) < 0.5
    assert motion.sync_distance(video, audio) > 4


@lightly
@given(seeds, st.integers(2, 12))
def test_sync_is_that_of_the_published_code(seed: int, frames: int) -> None:
    torch = pytest.importorskip("torch")
    video, audio = np.random.default_rng(seed).normal(0, 1, (2, frames, 6))
    reach = 5
    # Its distances: each frame against the padded sound, mean over frames, median over shifts.
    sound = torch.nn.functional.pad(torch.tensor(audio), (0, 0, reach, reach))
    distance = torch.nn.functional.pairwise_distance
    rows = [
        distance(torch.tensor(video[[i]]).repeat(2 * reach + 1, 1), sound[i : i + 2 * reach + 1])
        for i in range(frames)
    ]
    means = torch.stack(rows, 1).mean(1)
    result = motion.sync(video, audio, reach)
    assert result.offset == reach - int(means.argmin())
    assert result.distance == pytest.approx(float(means.min()), abs=1e-4)
    assert result.confidence == pytest.approx(float(means.median() - means.min()), abs=1e-4)


# Beats


def test_beats_are_the_peaks() -> None:
    signal = np.sin(2 * np.pi * 2 * np.arange(100) / 50)  # 2 a second, at 50 frames a second
    assert motion.beats(signal, 50) == pytest.approx([0.12, 0.62, 1.12, 1.62], abs=0.02)
    assert motion.beats(signal, 50, peaks=False) == pytest.approx(
        [0.38, 0.88, 1.38, 1.88], abs=0.02
    )
    assert motion.beats([0, 1, 1, 1, 0], 1).tolist() == [1]
    assert motion.beats([3.0, 3, 3], 1).tolist() == []


def test_motion_on_the_beat() -> None:
    beats = np.arange(10.0)
    assert motion.beat_consistency(beats, beats) == 1
    assert motion.beat_consistency(beats + 0.05, beats) == pytest.approx(np.exp(-0.5))
    assert motion.beat_consistency(beats + 0.5, beats) < 1e-9
    with pytest.raises(ValueError, match="empty"):
        motion.beat_consistency([], beats)


# Reenactment


def colours(images: np.ndarray) -> np.ndarray:
    return images.mean(axis=(1, 2))


def test_distances_by_a_given_predictor() -> None:
    rng = np.random.default_rng(0)
    generated, driving = rng.random((2, 3, 8, 8, 3))
    expected = np.abs(colours(generated) - colours(driving)).mean(1)
    assert motion.expression_distance(generated, driving, colours) == pytest.approx(expected)
    assert motion.pose_distance(generated, generated, colours) == pytest.approx([0, 0, 0])
    assert motion.identity_similarity(generated, generated / 2, colours) == pytest.approx([1] * 3)
    with pytest.raises(ValueError, match="3 and 2 images"):
        motion.pose_distance(generated, driving[:2], colours)


def test_identity_over_a_clip() -> None:
    codes = np.array([[1.0, 0, 0], [2, 0, 0], [0, 1, 0]])
    images = np.broadcast_to(codes[:, None, None], (3, 4, 4, 3))
    # Pairs: 1, 0, 0.
    assert motion.identity_consistency(images, colours) == pytest.approx(1 / 3)
    with pytest.raises(ValueError, match="two at least"):
        motion.identity_consistency(images[:1], colours)
