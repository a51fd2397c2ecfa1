"""How sure a number is: intervals by person, paired tests, seeds, folds, epochs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.evaluate import statistics

lightly = settings(deadline=None, max_examples=30)
seeds = st.integers(0, 2**32 - 1)


def people(seed: int, count: int = 30, frames: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Frames of people who differ, with less noise within each; and whose they are."""
    rng = np.random.default_rng(seed)
    means = np.repeat(rng.normal(5, 1, count), frames)
    return means + rng.normal(0, 0.3, len(means)), np.repeat(np.arange(count), frames)


def test_interval_by_person_is_wider_than_by_frame_and_holds_the_mean() -> None:
    hits = 0
    for seed in range(100):
        values, of = people(seed)
        interval = statistics.bootstrap_clusters(values, of, seed=seed, rounds=300)
        low, high = statistics.bootstrap(values, seed, 100)
        assert interval.high - interval.low > 2 * (high - low)
        hits += interval.low <= 5 <= interval.high
    assert 86 <= hits <= 99


@lightly
@given(seeds)
def test_interval_is_repeatable_and_around_the_mean(seed: int) -> None:
    values, of = people(seed, 8, 3)
    interval = statistics.bootstrap_clusters(values, of, seed=1, rounds=200)
    assert interval == statistics.bootstrap_clusters(values, of, seed=1, rounds=200)
    assert interval.estimate == pytest.approx(values.mean())
    assert values.min() <= interval.low <= interval.high <= values.max()


def test_any_statistic_has_an_interval() -> None:
    values, of = people(0)
    mean = statistics.bootstrap_statistic(np.mean, values, clusters=of, rounds=400)
    exact = statistics.bootstrap_clusters(values, of, rounds=2000)
    assert mean == pytest.approx(exact, abs=0.1)
    gap = statistics.bootstrap_statistic(lambda a, b: (a - b).mean(), values, values + 1, rounds=50)
    assert gap == pytest.approx((-1, -1, -1))


def test_draws_that_have_no_answer_are_drawn_again() -> None:
    def both(labels: np.ndarray) -> float:
        if labels.all() or not labels.any():
            raise ValueError("one class")
        return float(labels.mean())

    interval = statistics.bootstrap_statistic(both, np.array([0, 1, 1]), rounds=200)
    assert interval.low >= 1 / 3
    assert interval.high <= 2 / 3
    with pytest.raises(ValueError, match="one class"):
        statistics.bootstrap_statistic(both, np.ones(3), rounds=20)


@pytest.mark.parametrize(
    ("values", "clusters", "line"),
    [
        ([], [], "empty"),
        ([1, np.nan], [0, 1], "NaN"),
        ([1, 2], [0, 0], "at least two"),
        ([1, 2], [0], "1 instead of 2"),
    ],
)
def test_values_without_an_interval(values: list[float], clusters: list[int], line: str) -> None:
    with pytest.raises(ValueError, match=line):
        statistics.bootstrap_clusters(values, clusters)


# Two systems


def test_all_signs_are_tried_where_they_are_few() -> None:
    # Of the 8 signs only + + + and - - - reach the mean: p = 2/8.
    result = statistics.compare([3, 4, 5], [2, 2, 2])
    assert result.difference == 2
    assert result.p == 0.25
    assert result.low >= 1
    assert result.high <= 3


def test_a_clear_difference_is_found_and_none_is_not() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1, 200)
    assert statistics.compare(noise + 0.5, np.zeros(200), rounds=2000).p < 0.01
    clear = statistics.compare(noise + 0.5, np.zeros(200), rounds=2000)
    assert 0 < clear.low < clear.difference < clear.high
    assert statistics.compare(noise, noise).p == 1


def test_p_values_of_equal_systems_are_spread_evenly() -> None:
    rng = np.random.default_rng(1)
    ps = [statistics.compare(*rng.normal(0, 1, (2, 15)), rounds=300).p for _ in range(200)]
    assert 0.02 <= np.mean(np.array(ps) <= 0.1) <= 0.18


def test_frames_of_few_people_prove_less() -> None:
    values, of = people(3, count=6, frames=50)
    frames = statistics.compare(values, np.full(len(values), 4.6), rounds=1000)
    persons = statistics.compare(values, np.full(len(values), 4.6), of, rounds=1000)
    assert persons.difference == frames.difference
    assert persons.p > 5 * frames.p
    assert persons.high - persons.low > 2 * (frames.high - frames.low)


def test_swapped_systems_have_the_opposite_difference() -> None:
    rng = np.random.default_rng(2)
    first, second = rng.normal(0, 1, (2, 9))
    one, other = statistics.compare(first, second), statistics.compare(second, first)
    assert one.difference == -other.difference
    assert one.p == other.p


# Seeds


def test_known_quantiles_of_student() -> None:
    table = {(0.95, 1): 12.706, (0.95, 2): 4.303, (0.95, 4): 2.776, (0.99, 9): 3.250}
    for (confidence, degrees), value in table.items():
        assert statistics.student_t(confidence, degrees) == pytest.approx(value, abs=6e-4)
    assert statistics.student_t(0.95, 10_000) == pytest.approx(1.960, abs=1e-3)


@lightly
@given(st.floats(0.01, 0.999), st.integers(1, 60))
def test_quantiles_agree_with_scipy(confidence: float, degrees: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    expected = stats.t.ppf((1 + confidence) / 2, degrees)
    assert statistics.student_t(confidence, degrees) == pytest.approx(expected, rel=1e-6)


def test_mean_over_seeds() -> None:
    interval = statistics.mean_over_seeds([1, 2, 3])
    assert interval.estimate == 2
    assert interval.high - 2 == pytest.approx(4.302653 / np.sqrt(3), abs=1e-5)
    assert interval.low == pytest.approx(4 - interval.high)
    with pytest.raises(ValueError, match="at least two seeds"):
        statistics.mean_over_seeds([1.0])


# Folds and epochs


@lightly
@given(st.lists(st.integers(0, 9), min_size=1, max_size=60), st.integers(2, 4), seeds)
def test_no_person_is_in_two_folds(of: list[int], count: int, seed: int) -> None:
    if len(set(of)) < count:
        with pytest.raises(ValueError, match="folds of"):
            statistics.folds_by_cluster(of, count, seed)
        return
    folds = statistics.folds_by_cluster(of, count, seed)
    assert set(folds) == set(range(count))
    assert all(len(set(folds[np.array(of) == person])) == 1 for person in set(of))


def test_folds_are_about_as_large() -> None:
    of = np.repeat(np.arange(41), 100)
    assert np.ptp(np.bincount(statistics.folds_by_cluster(of, 3, 0))) <= 100


def test_the_best_epoch_on_validation() -> None:
    assert statistics.best_epoch([0.1, 0.5, 0.5, 0.2], "higher") == 1
    assert statistics.best_epoch([3.0, 1.0, 2.0], "lower") == 1
    with pytest.raises(ValueError, match="higher or lower"):
        statistics.best_epoch([1.0], "up")
    with pytest.raises(ValueError, match="NaN"):
        statistics.best_epoch([1.0, np.nan], "lower")
