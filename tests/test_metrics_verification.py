"""Two-class scores: known lists, what must not matter, other libraries, and thresholds."""

import json
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mien.evaluate.metrics import verification
from mien.evaluate.statistics import Threshold, choose_threshold

lightly = settings(deadline=None, max_examples=40)

# Scores from a few values, so that there are ties.
lists = st.lists(st.tuples(st.integers(-4, 4), st.booleans()), min_size=2, max_size=40)

SCORES = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4]
LABELS = [1, 1, 0, 1, 0, 0]


def both(pairs: list[tuple[int, bool]]) -> tuple[np.ndarray, np.ndarray]:
    scores, labels = np.array([p[0] for p in pairs], float), np.array([p[1] for p in pairs])
    assume(labels.any() and not labels.all())
    return scores, labels


def test_known_list() -> None:
    assert verification.roc_auc(SCORES, LABELS) == pytest.approx(8 / 9)
    assert verification.average_precision(SCORES, LABELS) == pytest.approx((1 + 1 + 3 / 4) / 3)
    assert verification.equal_error_rate(SCORES, LABELS) == pytest.approx(1 / 3)
    assert verification.tar_at_far(SCORES, LABELS, 1 / 3) == 1
    assert verification.recall_at_precision(SCORES, LABELS, 1.0) == pytest.approx(2 / 3)
    assert verification.recall_at_precision(SCORES, LABELS, 0.75) == 1


@lightly
@given(lists)
def test_area_is_how_often_a_positive_is_above_a_negative(pairs: list[tuple[int, bool]]) -> None:
    scores, labels = both(pairs)
    gaps = scores[labels][:, None] - scores[~labels]
    expected = ((gaps > 0) + 0.5 * (gaps == 0)).mean()
    assert verification.roc_auc(scores, labels) == pytest.approx(expected)


@lightly
@given(lists, st.randoms())
def test_only_the_order_of_the_scores_counts(pairs: list[tuple[int, bool]], random: Any) -> None:
    scores, labels = both(pairs)
    order = list(range(len(scores)))
    random.shuffle(order)
    for metric in (
        verification.roc_auc,
        verification.average_precision,
        verification.equal_error_rate,
    ):
        value = metric(scores, labels)
        assert metric(np.exp(scores)[order], labels[order]) == pytest.approx(value)
        assert 0 <= value <= 1


@lightly
@given(lists)
def test_reversed_scores_give_the_complement(pairs: list[tuple[int, bool]]) -> None:
    scores, labels = both(pairs)
    for metric in (verification.roc_auc, verification.equal_error_rate):
        assert metric(-scores, labels) == pytest.approx(1 - metric(scores, labels))


@lightly
@given(lists)
def test_areas_agree_with_scikit_learn(pairs: list[tuple[int, bool]]) -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    scores, labels = both(pairs)
    assert verification.roc_auc(scores, labels) == pytest.approx(
        sklearn.roc_auc_score(labels, scores)
    )
    assert verification.average_precision(scores, labels) == pytest.approx(
        sklearn.average_precision_score(labels, scores)
    )


def test_constant_scores_are_chance() -> None:
    labels = np.arange(10) < 3
    assert verification.roc_auc(np.ones(10), labels) == 0.5
    assert verification.equal_error_rate(np.ones(10), labels) == 0.5
    assert verification.average_precision(np.ones(10), labels) == pytest.approx(0.3)
    assert verification.tar_at_far(np.ones(10), labels, 0.5) == 0


@pytest.mark.parametrize(
    ("scores", "labels", "line"),
    [
        ([], [], "empty"),
        ([1, 2], [1, 1], "both classes"),
        ([1, np.nan], [0, 1], "NaN"),
        ([1, np.inf], [0, 1], "infinity"),
        ([1, 2, 3], [0, 1], "not two lists as long"),
        ([1, 2], [0, 2], "not only 0 and 1"),
        (["a", "b"], [0, 1], "not an array of numbers"),
    ],
)
def test_input_without_an_answer_is_refused(scores: Any, labels: Any, line: str) -> None:
    for metric in (
        verification.roc_auc,
        verification.average_precision,
        verification.equal_error_rate,
        choose_threshold,
    ):
        with pytest.raises(ValueError, match=line):
            metric(scores, labels)


def test_a_rate_that_so_few_negatives_cannot_show_is_refused() -> None:
    with pytest.raises(ValueError, match="needs 1000 negatives, there are 3"):
        verification.tar_at_far(SCORES, LABELS, 1e-3)
    with pytest.raises(ValueError, match="not above 0"):
        verification.tar_at_far(SCORES, LABELS, 0)


def test_tar_follows_normal_scores() -> None:
    rng = np.random.default_rng(0)
    scores = np.concatenate([rng.normal(2, 1, 50_000), rng.normal(0, 1, 50_000)])
    labels = np.arange(100_000) < 50_000
    # 2.326 is the normal's 99 % point; P(z > 0.326) = 0.372.
    assert verification.tar_at_far(scores, labels, 0.01) == pytest.approx(0.372, abs=0.02)
    # The two normals are equally wrong at 1: P(z > 1) = 0.1587.
    assert verification.equal_error_rate(scores, labels) == pytest.approx(0.1587, abs=0.005)
    assert verification.roc_auc(scores, labels) == pytest.approx(0.9214, abs=0.005)


def test_per_person_and_per_video() -> None:
    scores, labels = [3, 1, 0, 2], [1, 0, 1, 0]
    assert verification.mean_auc(scores, labels, ["a", "a", "b", "b"]) == 0.5
    with pytest.raises(ValueError, match="both classes"):
        verification.mean_auc(scores, labels, ["a", "b", "b", "b"])
    means, of = verification.by_video([1, 3, 10, 5], [1, 1, 0, 0], ["x", "x", "y", "y"])
    assert (means.tolist(), of.tolist()) == ([2, 7.5], [True, False])
    with pytest.raises(ValueError, match="a video has both"):
        verification.by_video(scores, labels, ["x", "x", "y", "y"])


# Folds


def test_each_fold_is_judged_by_the_threshold_of_the_others() -> None:
    scores = np.array([0.9, 0.1, 0.9, 0.1, 0.4, 0.3])
    labels = np.array([1, 0, 1, 0, 1, 0])
    folds = np.array([0, 0, 1, 1, 2, 2])
    result = verification.fold_accuracy(scores, labels, folds)
    # The others of folds 0 and 1 are cut at 0.35, those of fold 2 at 0.5, which misses 0.4.
    assert result.values.tolist() == [1, 1, 0.5]
    assert result.mean == pytest.approx(5 / 6)
    assert result.deviation == pytest.approx(np.std([1, 1, 0.5]))


def test_validation_rate_over_folds() -> None:
    rng = np.random.default_rng(0)
    labels, folds = np.arange(20_000) % 2 == 0, np.arange(20_000) % 10
    folds = folds // 2  # each with both classes
    scores = rng.normal(0, 1, 20_000) + 3 * labels
    value = verification.fold_val(scores, labels, folds, far=0.01)
    assert value.mean == pytest.approx(verification.tar_at_far(scores, labels, 0.01), abs=0.02)
    assert len(value.values) == 5


def test_folds_that_cannot_be_judged_are_refused() -> None:
    with pytest.raises(ValueError, match="one only"):
        verification.fold_accuracy(SCORES, LABELS, [0] * 6)
    with pytest.raises(ValueError, match="one class only"):
        verification.fold_accuracy([1, 2, 3], [1, 0, 0], [0, 1, 1])
    with pytest.raises(ValueError, match="5 instead of 6"):
        verification.fold_accuracy(SCORES, LABELS, [0, 1, 0, 1, 0])


def test_a_million_pairs_take_less_than_two_seconds_each() -> None:
    rng = np.random.default_rng(0)
    labels = rng.random(1_000_000) < 0.5
    scores = rng.normal(0, 1, 1_000_000) + labels
    folds = rng.integers(10, size=1_000_000)
    for run in (
        lambda: verification.roc_auc(scores, labels),
        lambda: verification.equal_error_rate(scores, labels),
        lambda: verification.tar_at_far(scores, labels, 1e-4),
        lambda: verification.fold_accuracy(scores, labels, folds),
    ):
        start = time.process_time()
        run()
        assert time.process_time() - start < 2


# Thresholds


def test_threshold_lies_between_the_scores_it_divides() -> None:
    threshold = choose_threshold([0, 1, 3, 4], [0, 0, 1, 1], "accuracy")
    assert threshold.value == 2
    assert (threshold.criterion, threshold.samples) == ("accuracy", 4)


@lightly
@given(lists)
def test_no_threshold_is_better_than_the_chosen_one(pairs: list[tuple[int, bool]]) -> None:
    scores, labels = both(pairs)

    def rates(cut: float) -> tuple[float, float]:
        return float((scores[~labels] >= cut).mean()), float((scores[labels] < cut).mean())

    def f1(cut: float) -> float:
        taken = scores >= cut
        return 2 * (taken & labels).sum() / (taken.sum() + labels.sum())

    merits = {
        "accuracy": lambda cut: ((scores >= cut) == labels).mean(),
        "balanced": lambda cut: -sum(rates(cut)),
        "eer": lambda cut: -abs(rates(cut)[0] - rates(cut)[1]),
        "f1": f1,
    }
    for criterion, merit in merits.items():
        chosen = choose_threshold(scores, labels, criterion).value
        best = max(merit(cut) for cut in np.arange(-5, 6) + 0.5)
        assert merit(chosen) == pytest.approx(best), criterion


def test_threshold_at_a_false_accept_rate() -> None:
    scores = np.arange(1000) / 1000
    labels = np.arange(1000) % 2 == 0
    threshold = choose_threshold(scores, labels, "far", far=0.01)
    assert (scores[~labels] >= threshold.value).sum() == 5
    assert threshold.criterion == "far=0.01"


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"criterion": "best"}, "one of eer"),
        ({"criterion": "far"}, "far goes with"),
        ({"criterion": "eer", "far": 0.1}, "far goes with"),
    ],
)
def test_unclear_criteria_are_refused(options: dict[str, Any], line: str) -> None:
    with pytest.raises(ValueError, match=line):
        choose_threshold(SCORES, LABELS, **options)


def test_neighbouring_floats_are_divided() -> None:
    low = 0.1
    high = float(np.nextafter(low, 1))
    threshold = choose_threshold([low, high], [0, 1], "accuracy")
    assert low < threshold.value <= high


AT = (
    verification.accuracy_at,
    verification.balanced_accuracy_at,
    verification.half_total_error,
    verification.rates_at,
    verification.acer,
)


@pytest.mark.parametrize("metric", AT)
def test_what_needs_a_threshold_takes_only_one_of_other_data(metric: Any) -> None:
    threshold = choose_threshold(SCORES, LABELS)
    with pytest.raises(TypeError, match="chosen on validation"):
        metric([0.3, 0.6], [0, 1], 0.5)
    shuffled = [1, 0, 2, 5, 4, 3]
    with pytest.raises(ValueError, match="these very scores"):
        metric(np.array(SCORES)[shuffled], np.array(LABELS)[shuffled], threshold)
    assert np.all(np.isfinite(metric([0.3, 0.6], [0, 1], threshold)))


def test_a_threshold_cannot_be_moved() -> None:
    threshold = choose_threshold(SCORES, LABELS)
    with pytest.raises(AttributeError):
        threshold.value = 0.1  # type: ignore[misc]
    assert json.loads(json.dumps(vars(threshold)))["value"] == threshold.value


def test_rates_at_a_published_threshold() -> None:
    threshold = Threshold.published(0.65, "a model card")
    assert verification.accuracy_at(SCORES, LABELS, threshold) == pytest.approx(4 / 6)
    rates = verification.rates_at(SCORES, LABELS, threshold)
    assert rates == pytest.approx((1 / 3, 1 / 3))
    assert verification.half_total_error(SCORES, LABELS, threshold) == pytest.approx(1 / 3)
    assert verification.protection_success([0.7, 0.6], threshold) == 0.5
    with pytest.raises(ValueError, match="a source"):
        Threshold.published(0.5, "")


def test_the_worst_attack_counts() -> None:
    threshold = Threshold.published(0.5, "test")
    scores, labels = [0.9, 0.2, 0.9, 0.1, 0.2, 0.1], [1, 1, 0, 0, 0, 0]
    attacks = ["live", "live", "print", "print", "replay", "replay"]
    every = verification.spoofing_at(scores, labels, threshold, attacks)
    assert every == pytest.approx((0.5, 0.5, 0.5))
    together = verification.spoofing_at(scores, labels, threshold)
    assert together == pytest.approx((0.25, 0.5, 0.375))


# Embeddings


def test_cosine_of_embeddings() -> None:
    first = np.array([[1.0, 0], [1, 1]])
    assert verification.cosine(first, [[0, 3], [2, 2]]) == pytest.approx([0, 1])
    with pytest.raises(ValueError, match="no direction"):
        verification.cosine(first, [[0, 0], [1, 1]])


def test_identities_apart() -> None:
    near, apart = [[1.0, 0, 0], [1, 0.1, 0]], [[0, 0, 1.0], [0, 1, 0]]
    assert verification.separated_share(near + apart) == 0.5
    assert verification.separated_share(np.eye(1500)) == 1
    with pytest.raises(ValueError, match="two at least"):
        verification.separated_share([[1.0, 2]])
