"""Classes, label sets, rankings, clusters, parsing: known cases and what other libraries give."""

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mien.evaluate.metrics import classification, clustering, retrieval, segmentation

lightly = settings(deadline=None, max_examples=40)

TRUTH, TAKEN = [0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 1, 0]

answers = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40)
labelled = st.tuples(st.integers(1, 20), st.integers(1, 4)).flatmap(
    lambda shape: st.tuples(arrays(bool, shape), arrays(bool, shape))
)


def columns(pairs: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs])


# Classes


def test_known_answers() -> None:
    counts = classification.confusion(TAKEN, TRUTH, 3)
    assert counts.tolist() == [[2, 1, 0], [0, 2, 0], [1, 0, 0]]
    assert classification.accuracy(TAKEN, TRUTH) == pytest.approx(4 / 6)
    assert classification.balanced_accuracy(TAKEN, TRUTH) == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert classification.f1_per_class(TAKEN, TRUTH, 3) == pytest.approx([4 / 6, 4 / 5, 0])
    assert classification.macro_f1(TAKEN, TRUTH) == pytest.approx((4 / 6 + 4 / 5) / 3)
    weighted = (3 * 4 / 6 + 2 * 4 / 5) / 6
    assert classification.weighted_f1(TAKEN, TRUTH) == pytest.approx(weighted)


@lightly
@given(answers)
@pytest.mark.filterwarnings("ignore")
def test_scores_agree_with_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    predicted, truth = columns(pairs)
    for ours, theirs in (
        (classification.accuracy, sklearn.accuracy_score),
        (classification.balanced_accuracy, sklearn.balanced_accuracy_score),
        (classification.macro_f1, lambda t, p: sklearn.f1_score(t, p, average="macro")),
        (classification.weighted_f1, lambda t, p: sklearn.f1_score(t, p, average="weighted")),
    ):
        assert ours(predicted, truth) == pytest.approx(theirs(truth, predicted))


@lightly
@given(answers, st.permutations(range(4)))
def test_names_of_classes_do_not_matter(pairs: list[tuple[int, int]], names: list[int]) -> None:
    predicted, truth = columns(pairs)
    for metric in (
        classification.accuracy,
        classification.balanced_accuracy,
        classification.macro_f1,
        classification.weighted_f1,
    ):
        renamed = metric(np.array(names)[predicted], np.array(names)[truth])
        assert renamed == pytest.approx(metric(predicted, truth))
        assert metric(truth, truth) == 1


def test_a_class_that_is_nowhere_has_no_f1() -> None:
    assert np.isnan(classification.f1_per_class([0, 1], [0, 1], 3)[2])


def test_the_true_class_loses_ties() -> None:
    scores = np.array([[0.2, 0.5, 0.3], [0.3, 0.3, 0.3]])
    assert classification.top_k_accuracy(scores, [2, 0], 1) == 0
    assert classification.top_k_accuracy(scores, [2, 0], 2) == 0.5
    assert classification.top_k_accuracy(scores, [2, 0], 3) == 1
    with pytest.raises(ValueError, match="k 4 of 3"):
        classification.top_k_accuracy(scores, [2, 0], 4)


@pytest.mark.parametrize(
    ("predicted", "truth", "line"),
    [
        ([], [], "empty"),
        ([0, 1], [0], "different shapes"),
        ([0.5], [1], "not whole numbers"),
        ([-1], [1], "not whole numbers"),
        ([np.nan], [1], "NaN"),
    ],
)
def test_what_is_no_class_is_refused(predicted: Any, truth: Any, line: str) -> None:
    for metric in (classification.accuracy, classification.macro_f1):
        with pytest.raises(ValueError, match=line):
            metric(predicted, truth)


def test_a_class_beyond_the_count_is_refused() -> None:
    with pytest.raises(ValueError, match="class 3 of 3"):
        classification.confusion([0], [3], 3)


# Labels


def test_action_units() -> None:
    truth = [[1, 0, 0], [1, 0, 0], [0, 1, 0]]
    taken = [[1, 1, 0], [0, 0, 0], [0, 1, 0]]
    assert classification.f1_per_label(taken, truth)[:2] == pytest.approx([2 / 3, 2 / 3])
    assert np.isnan(classification.f1_per_label(taken, truth)[2])
    assert classification.mean_f1(taken, truth) == pytest.approx(2 / 3)
    assert classification.label_accuracy(taken, truth) == pytest.approx(7 / 9)
    with pytest.raises(ValueError, match="no label occurs"):
        classification.mean_f1([[0]], [[0]])
    with pytest.raises(ValueError, match="samples x labels"):
        classification.mean_f1([0, 1], [0, 1])


@lightly
@given(labelled)
def test_labels_agree_with_scikit_learn(both: tuple[np.ndarray, np.ndarray]) -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    taken, truth = both
    expected = [
        sklearn.f1_score(t, p, zero_division=np.nan) for t, p in zip(truth.T, taken.T, strict=True)
    ]
    assert classification.f1_per_label(taken, truth) == pytest.approx(expected, nan_ok=True)


def test_mean_average_precision_leaves_out_labels_that_do_not_vary() -> None:
    scores = [[0.9, 1], [0.8, 2], [0.1, 3]]
    assert classification.mean_average_precision(scores, [[1, 1], [0, 1], [1, 1]]) == (
        pytest.approx((1 + 2 / 3) / 2)
    )
    with pytest.raises(ValueError, match="no label is true for some"):
        classification.mean_average_precision(scores, [[1, 0]] * 3)


def test_label_sets() -> None:
    predicted, truth = [{"joy", "calm"}, set(), {"fear"}], ["joy", "joy", "anger"]
    assert classification.hit_rate(predicted, truth) == pytest.approx(1 / 3)
    # Precision (1/2 + 0 + 0) / 3, recall (1 + 0 + 0) / 3.
    sets = [{one} for one in truth]
    assert classification.set_f1(predicted, sets) == pytest.approx(2 / 9)
    assert classification.set_f1(sets, sets) == 1
    assert classification.set_f1([{"x"}], [{"y"}]) == 0
    with pytest.raises(ValueError, match="without a label"):
        classification.set_f1([{"x"}], [set()])


def test_calibration() -> None:
    rng = np.random.default_rng(0)
    sure = rng.random(100_000)
    assert classification.calibration_error(sure, rng.random(100_000) < sure) < 0.01
    assert classification.calibration_error([0.9, 0.9], [0, 1]) == pytest.approx(0.4)
    assert classification.calibration_error([1.0, 0.0], [1, 0]) == 0
    with pytest.raises(ValueError, match="not 0 to 1"):
        classification.calibration_error([1.5], [1])


@lightly
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=30))
def test_calibration_agrees_with_torchmetrics(pairs: list[tuple[float, bool]]) -> None:
    torch = pytest.importorskip("torch")
    torchmetrics = pytest.importorskip("torchmetrics.functional.classification")
    sure = np.array([p[0] for p in pairs], np.float32)
    assume((np.abs(sure * 15 - np.round(sure * 15)) > 1e-3).all())  # between the bins' edges
    right = np.array([p[1] for p in pairs])
    expected = torchmetrics.binary_calibration_error(
        torch.tensor(sure), torch.tensor(right), n_bins=15
    )
    assert classification.calibration_error(sure, right) == pytest.approx(float(expected), abs=1e-5)


# Rankings


def test_known_ranking() -> None:
    similarity = np.array([[0.9, 0.8, 0.1], [0.2, 0.3, 0.4]])
    gallery = ["a", "b", "a"]
    assert retrieval.recall_at_k(similarity, ["a", "b"], gallery, 1) == 0.5
    assert retrieval.recall_at_k(similarity, ["a", "b"], gallery, 2) == 1
    expected = ((1 + 2 / 3) / 2 + 1 / 2) / 2
    assert retrieval.mean_average_precision(similarity, ["a", "b"], gallery) == pytest.approx(
        expected
    )
    with pytest.raises(ValueError, match="no entry"):
        retrieval.recall_at_k(similarity, ["a", "c"], gallery)


def test_constant_similarities_find_nothing() -> None:
    same, names = np.ones((4, 4)), [0, 1, 2, 3]
    assert retrieval.recall_at_k(same, names, names) == 0
    assert retrieval.mean_average_precision(same, names, names) == 0.25


def test_perfect_retrieval_in_both_directions() -> None:
    names = list(range(20))
    assert retrieval.mean_recall(np.eye(20), names, names) == 1


@lightly
@given(st.integers(0, 10**6))
def test_ranking_agrees_with_scikit_learn(seed: int) -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(seed)
    gallery, queries = rng.integers(3, size=12), np.arange(3)
    assume(set(gallery) == {0, 1, 2})
    similarity = rng.random((3, 12))
    expected = [
        sklearn.average_precision_score(gallery == q, row)
        for q, row in zip(queries, similarity, strict=True)
    ]
    assert retrieval.mean_average_precision(similarity, queries, gallery) == pytest.approx(
        np.mean(expected)
    )


# Clusters


def test_known_clusters() -> None:
    # The example of Manning, Raghavan and Schuetze (2008), figure 16.4: 17 points, 3 clusters.
    clusters = [0] * 6 + [1] * 6 + [2] * 5
    people = list("xxxxxo") + list("xoooov") + list("xxvvv")
    pairs = clustering.pairwise(clusters, people)
    assert pairs.precision == pytest.approx(20 / 40)
    assert pairs.recall == pytest.approx(20 / 44)
    assert clustering.normalised_mutual_information(clusters, people) == pytest.approx(
        0.36, abs=5e-3
    )
    # B-cubed by hand: cluster 0 gives (25 + 1) / 6, cluster 1 (1 + 16 + 1) / 6, cluster 2 13 / 5.
    assert clustering.bcubed(clusters, people).precision == pytest.approx(
        (26 / 6 + 18 / 6 + 13 / 5) / 17
    )


@lightly
@given(answers)
def test_clusters_agree_with_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    predicted, truth = columns(pairs)
    for ours, theirs in (
        (clustering.normalised_mutual_information, sklearn.normalized_mutual_info_score),
        (clustering.adjusted_rand_index, sklearn.adjusted_rand_score),
    ):
        assert ours(predicted, truth) == pytest.approx(theirs(truth, predicted), abs=1e-9)


@lightly
@given(answers)
def test_agreement_of_clusters_has_no_side_and_no_names(pairs: list[tuple[int, int]]) -> None:
    predicted, truth = columns(pairs)
    for metric in (
        clustering.pairwise_f1,
        clustering.bcubed_f1,
        clustering.normalised_mutual_information,
        clustering.adjusted_rand_index,
    ):
        value = metric(predicted, truth)
        assert metric(truth, predicted) == pytest.approx(value)
        assert metric([f"cluster {p}" for p in predicted], truth) == pytest.approx(value)
        assert metric(truth, truth) == pytest.approx(1)
        assert value <= 1 + 1e-12


def test_random_clusters_have_no_adjusted_agreement() -> None:
    rng = np.random.default_rng(0)
    predicted, truth = rng.integers(20, size=(2, 20_000))
    assert clustering.adjusted_rand_index(predicted, truth) == pytest.approx(0, abs=0.01)
    with pytest.raises(ValueError, match="empty"):
        clustering.adjusted_rand_index([], [])


# Parsing and masks

pictures = arrays(np.int64, (2, 5, 6), elements=st.integers(0, 3))


def test_known_parsing() -> None:
    truth, taken = [[0, 1], [1, 2]], [[0, 1], [2, 2]]
    assert segmentation.f1_per_class(taken, truth, 4)[:3] == pytest.approx([1, 2 / 3, 2 / 3])
    assert segmentation.mean_f1(taken, truth, 4) == pytest.approx(2 / 3)
    assert segmentation.iou_per_class(taken, truth, 3) == pytest.approx([1, 0.5, 0.5])
    assert segmentation.mean_iou(taken, truth, 3) == pytest.approx(2 / 3)
    assert segmentation.mean_iou(taken, truth, 3, background=0) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="no class but the background"):
        segmentation.mean_f1([[0]], [[0]], 3)


@lightly
@given(pictures, pictures)
def test_pictures_may_be_counted_one_by_one(taken: np.ndarray, truth: np.ndarray) -> None:
    together = segmentation.counts(taken, truth, 4)
    one_by_one = sum(segmentation.counts(a, b, 4) for a, b in zip(taken, truth, strict=True))
    assert np.array_equal(together, one_by_one)
    assert segmentation.iou_of_counts(together) == pytest.approx(
        segmentation.iou_per_class(taken, truth, 4), nan_ok=True
    )


@lightly
@given(pictures, pictures)
def test_parsing_agrees_with_scikit_learn(taken: np.ndarray, truth: np.ndarray) -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    args = truth.ravel(), taken.ravel()
    labels = np.unique(args)
    assert segmentation.mean_iou(taken, truth, 4) == pytest.approx(
        sklearn.jaccard_score(*args, average="macro", labels=labels)
    )
    assert segmentation.mean_f1(taken, truth, 4, background=None) == pytest.approx(
        sklearn.f1_score(*args, average="macro", labels=labels)
    )


def test_unlabelled_pixels_do_not_count() -> None:
    counts = segmentation.counts([[0, 1]], [[0, 255]], 2, ignore=255)
    assert counts.tolist() == [[1, 0], [0, 0]]
    with pytest.raises(ValueError, match="empty"):
        segmentation.counts([[0]], [[255]], 2, ignore=255)
    with pytest.raises(ValueError, match="class 255 of 2"):
        segmentation.counts([[0]], [[255]], 2)


def test_single_masks() -> None:
    half, all_, none = [[1, 0], [1, 0]], [[1, 1], [1, 1]], [[0, 0], [0, 0]]
    taken, truth = [half, none, none], [all_, none, all_]
    assert segmentation.mask_iou(taken, truth) == pytest.approx([0.5, 1, 0])
    assert segmentation.mask_f1(taken, truth) == pytest.approx([2 / 3, 1, 0])


def test_otsu_divides_two_levels() -> None:
    rng = np.random.default_rng(0)
    heat = np.concatenate([rng.normal(1, 0.1, 500), rng.normal(4, 0.1, 300)]).reshape(20, 40)
    assert 1.2 < segmentation.otsu(heat) < 3.8
    assert segmentation.heat_iou(heat, heat > 2.5) > 0.99
    with pytest.raises(ValueError, match="constant"):
        segmentation.otsu(np.ones((3, 3)))


def test_otsu_agrees_with_scikit_image() -> None:
    filters = pytest.importorskip("skimage.filters")
    for seed in range(5):
        heat = np.random.default_rng(seed).gamma(2, 1, (30, 30))
        assert segmentation.otsu(heat) == pytest.approx(filters.threshold_otsu(heat))


def test_likeness_of_maps() -> None:
    rng = np.random.default_rng(0)
    maps = rng.random((2, 8, 8))
    assert segmentation.map_cosine(maps, 3 * maps) == pytest.approx([1, 1])
    assert segmentation.map_correlation(maps, 5 - 2 * maps) == pytest.approx([-1, -1])
    assert segmentation.map_overlap([maps[0], maps[0] ** 3]) == 1
    assert segmentation.map_overlap([maps[0], -maps[0]]) == 0
    with pytest.raises(ValueError, match="no direction"):
        segmentation.map_correlation(maps, np.ones((2, 8, 8)))


def test_area_under_removed_pixels() -> None:
    assert segmentation.perturbation_area([1, 0.5, 0]) == 0.5
    assert segmentation.perturbation_area([1, 1]) == 1
    with pytest.raises(ValueError, match="two steps"):
        segmentation.perturbation_area([1])
