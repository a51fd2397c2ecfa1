"""Numbers, agreement of raters, poses and shapes: known cases, invariances, other libraries."""

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mien.evaluate.metrics import landmarks, probes, regression, shape

lightly = settings(deadline=None, max_examples=40)
seeds = st.integers(0, 2**32 - 1)
pairs = arrays(np.float64, st.tuples(st.just(2), st.integers(2, 30)), elements=st.integers(-9, 9))

LISTS = (
    regression.mean_absolute_error,
    regression.root_mean_square_error,
    regression.pearson,
    regression.spearman,
    regression.concordance,
    regression.sign_agreement,
    regression.r_squared,
)


def test_known_errors() -> None:
    assert regression.mean_absolute_error([1, 2, 6], [1, 4, 2]) == 2
    assert regression.root_mean_square_error([1, 2, 6], [1, 4, 2]) == pytest.approx(np.sqrt(20 / 3))
    assert regression.cumulative_score([20, 30, 40], [20, 34, 46]) == pytest.approx(2 / 3)
    assert regression.sign_agreement([0.1, -2, 0], [3, 4, 0]) == pytest.approx(2 / 3)
    # 1 - exp(-1/2) at one standard deviation.
    assert regression.apparent_age_error([33], [30], [3]) == pytest.approx(0.393469, abs=1e-6)


def test_concordance_falls_with_scale_and_shift() -> None:
    truth = np.array([1.0, 2, 3, 4])
    assert regression.concordance(truth, truth) == pytest.approx(1)
    # Variance 1.25, shift 1: 2.5 / (2.5 + 1).
    assert regression.concordance(truth + 1, truth) == pytest.approx(2.5 / 3.5)
    # Twice about the mean: 2 * 2.5 / (5 + 1.25).
    assert regression.concordance(2 * (truth - 2.5) + 2.5, truth) == pytest.approx(5 / 6.25)
    assert regression.concordance([2, 2, 2, 2], truth) == 0
    with pytest.raises(ValueError, match="both constant"):
        regression.concordance([1, 1], [1, 1])


@lightly
@given(pairs)
def test_concordance_is_correlation_times_a_bias(both: np.ndarray) -> None:
    x, y = both
    assume(x.std() > 0 and y.std() > 0)
    ratio = x.std() / y.std()
    bias = 2 / (ratio + 1 / ratio + (x.mean() - y.mean()) ** 2 / (x.std() * y.std()))
    assert regression.concordance(x, y) == pytest.approx(bias * regression.pearson(x, y))
    assert abs(regression.concordance(x, y)) <= abs(regression.pearson(x, y)) + 1e-12


@lightly
@given(pairs)
def test_correlations_agree_with_scipy(both: np.ndarray) -> None:
    stats = pytest.importorskip("scipy.stats")
    x, y = both
    assume(x.std() > 0 and y.std() > 0)
    assert regression.pearson(x, y) == pytest.approx(stats.pearsonr(x, y)[0], abs=1e-9)
    assert regression.spearman(x, y) == pytest.approx(stats.spearmanr(x, y)[0], abs=1e-9)
    assert regression.kolmogorov_smirnov(x, y) == pytest.approx(
        stats.ks_2samp(x, y, method="asymp").statistic
    )


@lightly
@given(pairs)
def test_fits_agree_with_scikit_learn(both: np.ndarray) -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    x, y = both
    assume(y.std() > 0)
    assert regression.r_squared(x, y) == pytest.approx(sklearn.r2_score(y, x))
    assert regression.mean_absolute_error(x, y) == pytest.approx(sklearn.mean_absolute_error(y, x))


@lightly
@given(pairs)
def test_concordance_agrees_with_torchmetrics(both: np.ndarray) -> None:
    torch = pytest.importorskip("torch")
    torchmetrics = pytest.importorskip("torchmetrics.functional.regression")
    x, y = both
    assume(x.std() > 0 and y.std() > 0)
    theirs = torchmetrics.concordance_corrcoef(torch.tensor(x), torch.tensor(y))
    n = len(x)  # theirs has the unbiased variances
    gap = (x.mean() - y.mean()) ** 2
    spread = x.var() + y.var()
    mended = float(theirs) * (spread * n / (n - 1) + gap) / (spread + gap) * (n - 1) / n
    assert regression.concordance(x, y) == pytest.approx(mended, abs=1e-6)


def test_tiny_numbers_have_a_correlation() -> None:
    assert regression.pearson(np.array([1, 2, 3]) * 1e-200, [1, 2, 3]) == pytest.approx(1)


@pytest.mark.parametrize("metric", LISTS)
@pytest.mark.parametrize(
    ("predicted", "truth", "line"),
    [
        ([], [], "empty"),
        ([1, np.nan], [1, 2], "NaN"),
        ([1, 2], [1, np.inf], "infinity"),
        ([1, 2, 3], [1, 2], "different shapes"),
        ("one", [1], "not an array"),
    ],
)
def test_numbers_without_an_answer(metric: Any, predicted: Any, truth: Any, line: str) -> None:
    with pytest.raises(ValueError, match=line):
        metric(predicted, truth)


@pytest.mark.parametrize("metric", [regression.pearson, regression.spearman, regression.r_squared])
def test_a_constant_truth_has_no_correlation(metric: Any) -> None:
    with pytest.raises(ValueError, match="constant"):
        metric([1, 2, 3], [4, 4, 4])


def test_raters_of_shrout_and_fleiss() -> None:
    # Table 2 of Shrout and Fleiss (1979): six targets, four judges; their table 4 has the ICCs.
    ratings = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    for kind, value in {"1,1": 0.17, "2,1": 0.29, "3,1": 0.71}.items():
        assert regression.intraclass_correlation(ratings, kind) == pytest.approx(value, abs=5e-3)


@lightly
@given(seeds)
def test_consistency_forgives_a_shift_and_agreement_does_not(seed: int) -> None:
    truth = np.random.default_rng(seed).normal(0, 1, 20)
    shifted = np.stack([truth, truth + 2], axis=1)
    assert regression.intraclass_correlation(shifted, "3,1") == pytest.approx(1)
    assert regression.intraclass_correlation(shifted, "2,1") < 0.8
    assert regression.intraclass_correlation(np.stack([truth, truth], 1), "2,1") == pytest.approx(1)


def test_ratings_that_say_nothing() -> None:
    with pytest.raises(ValueError, match="all equal"):
        regression.intraclass_correlation(np.ones((3, 2)))
    with pytest.raises(ValueError, match="targets x raters"):
        regression.intraclass_correlation([1, 2, 3])
    with pytest.raises(ValueError, match="kind 4"):
        regression.intraclass_correlation(np.eye(3), "4")


@lightly
@given(pairs)
def test_distance_of_distributions_agrees_with_scipy(both: np.ndarray) -> None:
    spatial = pytest.importorskip("scipy.spatial.distance")
    p, q = np.abs(both)
    assume(p.any() and q.any())
    expected = spatial.jensenshannon(p, q, base=2)
    assert regression.jensen_shannon(p, q) == pytest.approx(np.nan_to_num(expected), abs=1e-7)


def test_distributions_apart() -> None:
    assert regression.jensen_shannon([1, 0], [0, 3]) == 1
    with pytest.raises(ValueError, match="weights from 0"):
        regression.jensen_shannon([1, -1], [0, 3])


def test_a_probe_finds_what_is_there_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    people, values = rng.integers(5, size=600), rng.normal(0, 1, (600, 2))
    knows = np.eye(5)[people] @ rng.normal(0, 1, (5, 8)) + 0.1 * rng.normal(0, 1, (600, 8))
    half = slice(0, 300), slice(300, 600)
    names = np.array(list("abcde"))[people]
    assert (
        probes.probe_accuracy(knows[half[0]], names[half[0]], knows[half[1]], names[half[1]]) > 0.99
    )
    blind = rng.normal(0, 1, (600, 8))
    chance = probes.probe_accuracy(blind[half[0]], names[half[0]], blind[half[1]], names[half[1]])
    assert 0.1 < chance < 0.3
    codes = values @ rng.normal(0, 1, (2, 8)) + 5
    assert (
        probes.probe_r_squared(codes[half[0]], values[half[0]], codes[half[1]], values[half[1]])
        > 0.99
    )
    assert (
        probes.probe_r_squared(blind[half[0]], values[half[0]], blind[half[1]], values[half[1]])
        < 0.1
    )
    with pytest.raises(ValueError, match="training lacks"):
        probes.probe_accuracy(blind[:2], ["a", "b"], blind[:1], ["c"])


def test_regression_to_the_mean_shrinks_the_variance() -> None:
    truth = np.random.default_rng(0).normal(0, 1, (50, 3))
    assert regression.variance_ratio(truth / 2, truth) == pytest.approx([0.25] * 3)
    with pytest.raises(ValueError, match="curve is constant"):
        regression.variance_ratio(truth, np.ones((50, 3)))


# Landmarks of other layouts


def test_landmarks_by_the_box_and_in_pixels() -> None:
    truth = np.random.default_rng(0).uniform(0, 100, (2, 19, 2))
    moved = truth + np.array([3, 4])
    boxes = [[0, 0, 30, 40], [0, 0, 60, 80]]
    assert landmarks.mean_distance(moved, truth) == pytest.approx([5, 5])
    assert landmarks.nme_box(moved, truth, np.array(boxes)) == pytest.approx([0.1, 0.05])
    with pytest.raises(ValueError, match="no extent"):
        landmarks.nme_box(moved, truth, np.zeros((2, 4)))


def test_landmarks_of_68_and_98_points() -> None:
    for count, pair in ((68, landmarks.OUTER_CORNERS_68), (98, landmarks.OUTER_CORNERS_98)):
        truth = np.random.default_rng(0).uniform(0, 100, (count, 2))
        eyes = np.linalg.norm(truth[pair[0]] - truth[pair[1]])
        assert landmarks.nme(truth + np.array([0, 2]), truth, pair) == pytest.approx(2 / eyes)


def test_landmarks_without_a_size_or_with_nan_are_refused() -> None:
    truth = np.zeros((478, 2))
    with pytest.raises(ValueError, match="coincide"):
        landmarks.nme(truth, truth)
    with pytest.raises(ValueError, match="NaN"):
        landmarks.nme(np.full((478, 2), np.nan), truth)
    for metric in (landmarks.auc, landmarks.failure_rate):
        with pytest.raises(ValueError, match="NaN"):
            metric(np.array([0.1, np.nan]))
        with pytest.raises(ValueError, match="empty"):
            metric(np.array([]))


# Shapes and poses


def rotation(seed: int) -> np.ndarray:
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(0, 1, (3, 3)))
    return q * np.sign(np.linalg.det(q))


@lightly
@given(seeds, st.floats(0.1, 10))
def test_alignment_takes_out_a_similarity(seed: int, scale: float) -> None:
    truth = np.random.default_rng(seed).normal(0, 50, (3, 40, 3))
    moved = scale * truth @ rotation(seed).T + [10, -20, 30]
    assert shape.aligned_error(moved, truth) == pytest.approx(0, abs=1e-9)
    size = np.linalg.norm(truth - truth.mean(1, keepdims=True), axis=-1).mean(1)
    unscaled = shape.aligned_error(moved, truth, scale=False)
    assert unscaled == pytest.approx(abs(scale - 1) * size)


def test_alignment_is_never_a_mirror_and_never_worse() -> None:
    truth = np.random.default_rng(0).normal(0, 50, (40, 3))
    mirrored = truth * [-1, 1, 1]
    assert shape.aligned_error(mirrored, truth) > 10
    noisy = truth + np.random.default_rng(1).normal(0, 3, truth.shape) + 5
    squares = ((noisy - truth) ** 2).sum(), ((shape.aligned(noisy, truth) - truth) ** 2).sum()
    assert squares[1] < squares[0]
    with pytest.raises(ValueError, match="coincide"):
        shape.aligned(np.ones((5, 3)), truth[:5])


def test_alignment_agrees_with_scipy() -> None:
    spatial = pytest.importorskip("scipy.spatial")
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 1, (30, 3))
    other = 3 * truth @ rotation(0).T + rng.normal(0, 0.3, truth.shape)  # far from a mirror image
    _, theirs, _ = spatial.procrustes(truth, other)  # of mean 0 and size 1
    centred = truth - truth.mean(0)
    expected = theirs * np.linalg.norm(centred) + truth.mean(0)
    assert shape.aligned(other, truth) == pytest.approx(expected)


def test_a_scan_lies_on_its_mesh_or_above() -> None:
    # A square of two triangles in the plane z = 0.
    square = np.array([[0, 0, 0], [10.0, 0, 0], [10, 10, 0], [0, 10, 0]])
    triangles = [[0, 1, 2], [0, 2, 3]]
    scan = np.array([[2, 3, 0], [5, 5, -4], [13, 5, 4], [10, 10, 1.0]])
    assert shape.scan_distance(scan, square, triangles) == pytest.approx([0, 4, 5, 1], abs=1e-6)
    size, turn, shift = shape.similarity(square, 2 * square @ rotation(3).T + [1, 2, 3])
    there = size * scan @ turn.T + shift
    moved = size * square @ turn.T + shift
    assert shape.scan_distance(there, moved, triangles) == pytest.approx([0, 8, 10, 2], abs=1e-6)
    with pytest.raises(ValueError, match="class 4 of 4"):
        shape.scan_distance(scan, square, [[0, 1, 4]])


def test_vertices_at_an_anchor() -> None:
    truth = np.random.default_rng(0).normal(0, 50, (7, 3))
    moved = truth + np.array([0, 3, 4])
    assert shape.vertex_error(moved, truth) == pytest.approx(5)
    assert shape.vertex_error(moved, truth, anchor=2) == pytest.approx(0, abs=1e-12)
    with pytest.raises(ValueError, match="points, 3"):
        shape.vertex_error(truth[:, :2], truth[:, :2])


def test_angles_go_the_short_way_round() -> None:
    assert shape.angle_error([179, 0], [-179, 10]) == 6
    assert shape.angle_error([0.0], [180]) == 180


@lightly
@given(seeds, st.floats(0, 179.9))
def test_angle_of_a_rotation(seed: int, degrees: float) -> None:
    turn = np.radians(degrees)
    about_z = np.array(
        [[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]]
    )
    basis = rotation(seed)
    assert shape.rotation_error(basis @ about_z, basis) == pytest.approx(degrees, abs=1e-5)
    with pytest.raises(ValueError, match="not rotations"):
        shape.rotation_error(2 * basis, basis)


def test_directions() -> None:
    right, up = [[1.0, 0, 0]], [[0, 2.0, 0]]
    assert shape.gaze_error(right, up) == pytest.approx([90])
    assert shape.gaze_error(right, right) == pytest.approx([0])
    assert shape.normal_error([*right, *up], [*right, *right]) == pytest.approx(45)
    assert shape.normal_error([*right, *up], [*right, *right], [0, 1]) == pytest.approx(90)
    with pytest.raises(ValueError, match="zero"):
        shape.gaze_error([[0, 0, 0]], right)
