"""The metrics: what they must be for any faces, and what they are where it is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mien.evaluate import metrics
from mien.face import LANDMARKS, Face
from mien.find import geometry, mean_face

SHAPE = mean_face.points()

lightly = settings(deadline=None, max_examples=40)  # the machine may be busy

seeds = st.integers(0, 2**32 - 1)
errors = arrays(np.float64, st.integers(1, 40), elements=st.floats(0, 0.5))
scales = st.floats(0.1, 50)
angles = st.floats(-180, 180)
shifts = st.tuples(st.floats(-500, 500), st.floats(-500, 500))


def face(seed: int) -> np.ndarray:
    """Some (478, 3) landmarks: the mean face, dented."""
    return SHAPE + np.random.default_rng(seed).normal(0, 1.5, SHAPE.shape)


def similarity(scale: float, angle: float, shift: tuple[float, float]) -> np.ndarray:
    turn = np.radians(angle)
    cosine, sine = scale * np.cos(turn), scale * np.sin(turn)
    return np.array([[cosine, -sine, shift[0]], [sine, cosine, shift[1]]])


# Landmark errors


@lightly
@given(seeds, st.sampled_from([metrics.OUTER_CORNERS, metrics.IRIS_CENTRES]))
def test_a_shift_is_measured_in_parts_of_the_eye_distance(seed: int, pair: tuple[int, int]) -> None:
    truth = face(seed)
    eyes = np.hypot(*(truth[pair[0]] - truth[pair[1]])[:2])
    assert metrics.nme(truth + np.array([3.0, 4.0, 0.0]), truth, pair) == pytest.approx(5.0 / eyes)
    assert metrics.nme(truth, truth, pair) == 0


@lightly
@given(seeds, seeds, scales, angles, shifts)
def test_errors_do_not_depend_on_size_tilt_and_place(
    seed: int, other: int, scale: float, angle: float, shift: tuple[float, float]
) -> None:
    truth, predicted = face(seed), face(other)
    moved = similarity(scale, angle, shift)
    there = geometry.transform(moved, predicted), geometry.transform(moved, truth)
    assert metrics.errors(*there) == pytest.approx(metrics.errors(predicted, truth), abs=1e-6)
    assert metrics.errors_3d(*there) == pytest.approx(metrics.errors_3d(predicted, truth), abs=1e-6)


@lightly
@given(seeds, seeds, st.floats(-100, 100))
def test_only_differences_of_depth_count_in_space(seed: int, other: int, depth: float) -> None:
    truth, predicted = face(seed), face(other)
    errors = metrics.errors_3d(predicted, truth)
    assert metrics.errors_3d(predicted + np.array([0, 0, depth]), truth) == pytest.approx(errors)
    assert metrics.errors_3d(truth + np.array([0, 0, depth]), truth) == pytest.approx(0, abs=1e-9)


def test_errors_of_many_faces_are_those_of_each() -> None:
    truth, predicted = np.array([face(1), face(2)]), np.array([face(3), face(4)])
    together = metrics.errors(predicted, truth)
    assert together.shape == (2, LANDMARKS)
    assert together[1] == pytest.approx(metrics.errors(predicted[1], truth[1]))


def test_the_outer_corners_are_farther_apart_than_the_irises() -> None:
    outer = metrics.distance(SHAPE, metrics.OUTER_CORNERS)
    iris = metrics.distance(SHAPE, metrics.IRIS_CENTRES)
    assert 0.6 < iris / outer < 0.8


# Over many faces


@lightly
@given(errors)
def test_area_under_the_curve_is_the_integral_of_the_share_below(values: np.ndarray) -> None:
    limits = np.linspace(0, metrics.FAILURE, 20_001)
    shares = (values[:, None] <= limits).mean(axis=0)
    assert metrics.auc(values) == pytest.approx(shares.mean(), abs=1e-3)


@lightly
@given(errors)
def test_a_missed_face_is_a_failure_without_area(values: np.ndarray) -> None:
    n = len(values)
    missed = np.append(values, np.inf)
    assert metrics.failure_rate(missed) == pytest.approx(
        (n * metrics.failure_rate(values) + 1) / (n + 1)
    )
    assert metrics.auc(missed) == pytest.approx(n * metrics.auc(values) / (n + 1))


def test_failure_is_above_eight_per_cent() -> None:
    assert metrics.failure_rate(np.array([0.0, 0.0799, 0.0801, 1.0])) == 0.5


@lightly
@given(errors, st.integers(0, 5))
def test_summary_means_the_faces_found_and_counts_the_others(
    values: np.ndarray, missed: int
) -> None:
    summary = metrics.summary(np.concatenate([values, np.full(missed, np.inf)]))
    assert summary["faces"] == len(values) + missed
    assert summary["missed"] == missed
    assert summary["mean_percent"] == pytest.approx(100 * values.mean())
    assert summary["median_percent"] <= summary["p95_percent"] + 1e-12


@pytest.mark.parametrize("values", [[], [np.inf, np.inf]])
def test_summary_without_a_face_has_no_mean(values: list[float]) -> None:
    summary = metrics.summary(np.array(values))
    assert summary["mean_percent"] is None
    assert summary["missed"] == len(values)


@lightly
@given(errors, seeds)
def test_interval_is_repeatable_and_within_the_values(values: np.ndarray, seed: int) -> None:
    low, high = metrics.bootstrap(values, seed, rounds=200)
    assert (low, high) == metrics.bootstrap(values, seed, rounds=200)
    assert values.min() - 1e-12 <= low <= high <= values.max() + 1e-12


def test_interval_holds_the_true_mean_about_19_times_of_20() -> None:
    rng = np.random.default_rng(0)
    intervals = [metrics.bootstrap(rng.normal(7, 2, 60), seed, 400) for seed in range(200)]
    share = np.mean([low <= 7 <= high for low, high in intervals])
    assert 0.89 <= share <= 0.99


def test_no_values_have_no_interval() -> None:
    with pytest.raises(ValueError, match="no values"):
        metrics.bootstrap(np.zeros(0))


# Jitter


@lightly
@given(seeds, shifts, st.floats(0.1, 5))
def test_jitter_is_the_deviation_per_coordinate(
    seed: int, shift: tuple[float, float], sigma: float
) -> None:
    noise = np.random.default_rng(seed).normal(0, 1, (400, 20, 2))
    jitter = metrics.jitter(sigma * noise + shift)
    assert jitter.shape == (20,)
    assert jitter.mean() == pytest.approx(sigma, rel=0.05)


def test_a_still_face_has_no_jitter_and_depth_does_not_count() -> None:
    track = np.repeat(face(0)[None], 5, axis=0)
    assert metrics.jitter(track).max() < 1e-9
    track[:, :, 2] += np.arange(5)[:, None]
    assert metrics.jitter(track).max() < 1e-9


# Boxes

coordinates = arrays(np.float64, st.tuples(st.integers(0, 6), st.just(4)), elements=st.floats(0, 9))


def boxes(corners: np.ndarray) -> np.ndarray:
    """(n, 4) boxes with sides of at least 1."""
    return np.concatenate([corners[:, :2], corners[:, :2] + corners[:, 2:] + 1], axis=1)


@lightly
@given(coordinates, coordinates, st.floats(0.05, 0.9))
def test_a_match_overlaps_enough_and_is_taken_once(
    found: np.ndarray, truth: np.ndarray, least: float
) -> None:
    found, truth = boxes(found), boxes(truth)
    matches = metrics.match(found, truth, least)
    assert matches.shape == (len(found),)
    taken = matches[matches >= 0]
    assert len(set(taken)) == len(taken)
    for box, which in zip(found, matches, strict=True):
        if which >= 0:
            assert geometry.iou(box[None], truth[which][None])[0, 0] >= least
        else:  # all that it overlaps enough are taken
            assert set(np.flatnonzero(geometry.iou(box[None], truth)[0] >= least)) <= set(taken)


@lightly
@given(coordinates, st.randoms())
def test_boxes_find_themselves_in_any_order(corners: np.ndarray, random) -> None:
    truth = np.unique(boxes(corners).round(), axis=0)
    order = list(range(len(truth)))
    random.shuffle(order)
    assert metrics.match(truth[order], truth, 0.5).tolist() == order


def test_the_better_of_two_boxes_on_one_face_wins() -> None:
    truth = np.array([[0, 0, 10, 10.0]])
    twice = np.array([[0, 0, 10, 9.0], [0, 0, 10, 10.0]])
    assert metrics.match(twice, truth, 0.5).tolist() == [0, -1]


@lightly
@given(arrays(bool, st.integers(0, 20)), st.integers(0, 5), seeds)
def test_average_precision_follows_the_order_alone(
    correct: np.ndarray, missed: int, seed: int
) -> None:
    positives = int(correct.sum()) + missed
    if not positives:
        return
    scores = np.random.default_rng(seed).random(len(correct))
    value = metrics.average_precision(scores, correct, positives)
    assert 0 <= value <= correct.sum() / positives + 1e-12
    assert metrics.average_precision(scores**3, correct, positives) == pytest.approx(value)


def test_average_precision_of_known_lists() -> None:
    falling = np.array([0.9, 0.8, 0.7, 0.6])
    assert metrics.average_precision(falling, np.array([1, 1, 0, 0]), 2) == 1
    assert metrics.average_precision(falling, np.array([0, 0, 0, 0]), 2) == 0
    # Precision is 1 at the first hit and 2/3 at the second, of two.
    assert metrics.average_precision(falling, np.array([1, 0, 1, 0]), 2) == pytest.approx(5 / 6)
    with pytest.raises(ValueError, match="no true boxes"):
        metrics.average_precision(falling, np.zeros(4), 0)


# Which face is meant


def placed(shift: tuple[float, float], scale: float = 1.0) -> Face:
    points = geometry.transform(similarity(scale, 0, shift), SHAPE)
    return Face(box=geometry.box_of(points), score=1.0, landmarks=points.astype(np.float32))


def test_the_nearest_face_is_meant() -> None:
    here, beside = placed((3, 2)), placed((40, 0))
    assert metrics.nearest(SHAPE, [beside, here]) is here
    assert metrics.nearest(SHAPE, [beside]) is beside


def test_a_face_elsewhere_is_not_meant() -> None:
    assert metrics.nearest(SHAPE, [placed((300, 0))]) is None
    assert metrics.nearest(SHAPE, []) is None
    assert metrics.error_of(SHAPE, [placed((300, 0))]) == np.inf


def test_the_error_is_that_of_the_face_that_is_meant() -> None:
    faces = [placed((300, 0)), placed((0, 0))]
    assert metrics.error_of(SHAPE, faces) == pytest.approx(0, abs=1e-6)
