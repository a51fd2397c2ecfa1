"""Summaries, events and synchrony of series whose answers are known."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.errors import UsageError
from mien.measure.events import BLINK, SMILE, Rule, blinks, find_events, rate, smiles
from mien.measure.summary import summarise, threshold_of
from mien.measure.synchrony import synchrony

FPS = 30.0


def bump(times: np.ndarray, middle: float, width: float, height: float = 1.0) -> np.ndarray:
    """A triangle of ``width`` seconds at its foot."""
    return height * np.clip(1 - np.abs(times - middle) / (width / 2), 0, None)


# Summaries


def test_a_summary_of_few_known_numbers():
    (curve, angle) = summarise(
        {"jawOpen": np.array([0, 0.5, np.nan, 1.0]), "yaw": np.array([-3.0, 3, 0, np.nan])}
    )
    assert (curve.frames, curve.mean, curve.min, curve.max) == (3, 0.5, 0, 1)
    assert curve.sd == 0.5
    assert curve.active == pytest.approx(2 / 3)
    assert angle.active is None and angle.threshold is None
    assert angle.row()["sd"] == 3


def test_what_is_not_known_is_not_invented():
    nothing, one = summarise({"AU12": np.full(5, np.nan), "AU06": np.array([np.nan, 2.0])})
    assert nothing.frames == 0
    assert nothing.mean is nothing.sd is nothing.active is None
    assert one.mean == 2 and one.sd is None and one.active == 1


def test_thresholds_are_the_users_to_set():
    columns = {"AU12": np.array([0, 1, 2, 3.0]), "score": np.ones(4)}
    assert [s.active for s in summarise(columns)] == [0.75, None]
    assert [s.active for s in summarise(columns, {"AU12": 3, "score": 0.5})] == [0.25, 1]
    assert threshold_of("AU12_probability") == 0.5
    with pytest.raises(UsageError, match="AU99"):
        summarise(columns, {"AU99": 1})
    with pytest.raises(UsageError, match="emotion"):
        summarise({"emotion": np.array(["fear"], object)})


# Events


def test_blinks_are_found_with_their_times():
    times = np.arange(0, 10, 1 / 120)
    curve = bump(times, 2, 0.3) + bump(times, 5, 0.2, 0.9) + bump(times, 8, 3)
    first, second = blinks(times, curve, curve)  # the third is a closure: too long
    assert first.apex == pytest.approx(2, abs=1 / 120)
    assert first.onset == pytest.approx(2 - 0.15 * 0.8, abs=1e-3)
    assert first.offset == pytest.approx(2 + 0.15 * 0.8, abs=1e-3)
    assert first.whole and first.duration == pytest.approx(0.24, abs=1e-3)
    assert second.peak == pytest.approx(0.9, abs=0.05)
    assert rate([first, second], times, curve) == pytest.approx(12, rel=0.01)


def test_one_eye_is_no_blink():
    times = np.arange(0, 2, 1 / 60)
    assert blinks(times, bump(times, 1, 0.3, 0.9), np.zeros_like(times)) == []


def test_noise_at_one_level_is_not_many_events():
    times = np.arange(0, 6, 1 / FPS)
    noise = 0.1 * np.random.default_rng(0).standard_normal(len(times))
    curve = 0.5 * ((times > 1) & (times < 4)) + noise
    assert len(smiles(times, curve, curve)) == 1
    without = Rule(rise=0.5, fall=0.5)
    assert len(find_events(times, curve, without)) > 5


def test_events_that_are_close_are_one():
    times = np.arange(0, 6, 1 / FPS)
    curve = bump(times, 2, 1) + bump(times, 2.9, 1)
    assert len(find_events(times, curve, Rule(0.5, 0.3))) == 2
    (event,) = find_events(times, curve, Rule(0.5, 0.3, gap=0.5))
    assert event.onset < 2 < 2.9 < event.offset


def test_a_gap_ends_an_event_whose_end_is_not_known():
    times = np.arange(0, 4, 1 / FPS)
    curve = bump(times, 2, 2)
    curve[(times > 2.2) & (times < 3)] = np.nan
    (event,) = find_events(times, curve, Rule(0.5, 0.3, gap=5))
    assert not event.whole
    assert event.offset == pytest.approx(2.2, abs=1 / FPS)
    (event,) = find_events(times[times > 1.9], curve[times > 1.9], Rule(0.5, 0.3))
    assert not event.whole


@given(
    st.lists(st.floats(0, 1) | st.just(np.nan), max_size=60),
    st.floats(0.05, 0.9),
    st.floats(0, 1),
    st.floats(0, 0.5),
)
def test_events_are_in_order_and_as_their_rule(values, rise, part, gap):
    curve = np.array(values, np.float64)
    times = np.arange(len(curve)) / FPS
    rule = Rule(rise, rise * part, gap=gap)
    events = find_events(times, curve, rule)
    for event in events:
        assert event.onset <= event.apex <= event.offset
        assert event.peak >= rise
    for one, other in itertools.pairwise(events):
        assert one.offset <= other.onset
    reached = np.flatnonzero(curve >= max(rise, 1e-12))
    for index in reached:  # nothing that reaches it is missed
        assert any(e.onset <= times[index] <= e.offset for e in events)


def test_an_empty_curve_has_no_events():
    assert find_events(np.zeros(0), np.zeros(0), SMILE) == []
    assert find_events(np.arange(3), np.full(3, np.nan), BLINK) == []
    assert rate([], np.arange(3), np.full(3, np.nan)) is None


@pytest.mark.parametrize(
    ("times", "curve"), [([0, 1], [0.0]), ([0, 0], [0.0, 1]), ([1, 0], [0.0, 1])]
)
def test_curves_need_their_times(times, curve):
    with pytest.raises(UsageError, match="times"):
        find_events(np.array(times), np.array(curve), BLINK)


@pytest.mark.parametrize("wrong", [{"fall": 0.6}, {"shortest": 2.0, "longest": 1.0}, {"gap": -1.0}])
def test_wrong_rules_are_told(wrong):
    with pytest.raises(UsageError):
        Rule(**({"rise": 0.5, "fall": 0.2} | wrong))


# Synchrony


def wander(seed: int, count: int = 1800, smooth: int = 15) -> np.ndarray:
    """Smooth noise, as an expression over a minute."""
    noise = np.random.default_rng(seed).standard_normal(count + smooth)
    return np.convolve(noise, np.ones(smooth) / smooth, "same")[:count]


@pytest.mark.parametrize("frames", [-20, 0, 15])
def test_one_who_follows_is_found_at_their_lag(frames):
    first = wander(0)
    second = np.roll(first, frames) + 0.3 * wander(1)
    found = synchrony(first, second, FPS, surrogates=99)
    assert found.lag == pytest.approx(frames / FPS, abs=0.15)
    assert np.median(found.peak_lag) == pytest.approx(frames / FPS)
    assert found.p == 0.01  # the least that 99 surrogates can say
    assert found.strength is not None and found.strength > 1


def test_strangers_are_not_in_synchrony():
    found = [synchrony(wander(s), wander(s + 100), FPS, surrogates=99) for s in range(20)]
    p = [each.p for each in found if each.p is not None]
    assert len(p) == 20
    assert sum(value <= 0.05 for value in p) <= 3
    assert 0.35 < np.mean(p) < 0.65


def test_correlations_are_those_of_numpy():
    first, second = wander(2), wander(3)
    found = synchrony(first, second, FPS, window=2, step=3, max_lag=0.5, surrogates=0)
    assert found.p is None
    window, lag = 4, 3
    start = round((found.times[window] - 59 / 2 / FPS) * FPS)
    shift = round(found.lags[lag] * FPS)
    expected = np.corrcoef(first[start : start + 60], second[start + shift : start + shift + 60])
    assert found.r[window, lag] == pytest.approx(expected[0, 1])
    assert (np.abs(found.r) <= 1 + 1e-9).all()


def test_the_same_seed_gives_the_same_p():
    first, second = wander(4), wander(5)
    assert synchrony(first, second, FPS, seed=7).p == synchrony(first, second, FPS, seed=7).p


def test_windows_without_values_or_variation_are_unknown():
    first, second = wander(6), wander(7)
    first[:300] = np.nan
    second[-600:] = 0.25
    found = synchrony(first, second, FPS, surrogates=19)
    assert np.isnan(found.r[0]).all() and np.isnan(found.r[-1]).all()
    assert np.isfinite(found.r[20]).all()
    assert found.p is not None
    silent = synchrony(first, np.zeros_like(first), FPS)
    assert silent.strength is silent.lag is silent.p is None


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"window": 40.0}, "too short for windows of 40 s .* and surrogates"),
        ({"window": 60.0, "surrogates": 0}, "too short"),
        ({"window": 0.05}, "at least 3"),
        ({"step": 0}, "above 0"),
        ({"max_lag": -1}, "above 0"),
    ],
)
def test_windows_that_cannot_be_are_told(options, reason):
    with pytest.raises(UsageError, match=reason):
        synchrony(wander(0), wander(1), FPS, **options)


def test_series_go_together():
    with pytest.raises(UsageError, match="do not go together"):
        synchrony(np.zeros(100), np.zeros(99), FPS)
