"""Action units, emotions and performances of the synthetic face world."""

from itertools import pairwise

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mien.errors import InputError
from mien.face import BLENDSHAPES
from mien.head.fit import GAZE_CURVES, gaze_curves
from mien.head.model import EYELOOK_DEGREES, HeadModel, rotations
from mien.world.action_units import (
    ACTION_UNITS,
    AU_TO_CURVES,
    BILATERAL,
    INDEX,
    TABLE,
    action_units,
    as_markdown,
    curves,
    hide_behind_lids,
    intensities,
    sided,
)
from mien.world.emotions import BASIC, COMPOUND, EMOTIONS, NAMES, Programme, sample
from mien.world.performance import (
    Episode,
    Manner,
    Performance,
    eyes_in_head,
    perform,
    pink_noise,
    sample_episode,
)

HOUR = 3600.0
graded = st.floats(0, 5, width=32)
any_sides = arrays(np.float64, (23, 2), elements=graded)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def hour() -> Performance:
    """An hour of a face at rest."""
    return perform([], HOUR, 10, generator(1))


# -- action units --------------------------------------------------------------------------------


def test_the_table_has_the_units_asked_for() -> None:
    asked = "1 2 4 5 6 7 9 10 12 14 15 17 18 20 22 23 24 25 26 27 28 43 45"
    assert " ".join(map(str, ACTION_UNITS)) == asked


def test_units_are_independent_and_share_curves_without_overflow() -> None:
    assert np.linalg.matrix_rank(AU_TO_CURVES) == 23
    lids = [name.startswith("eyeBlink") for name in BLENDSHAPES]
    assert AU_TO_CURVES[:, ~np.array(lids)].sum(0).max() <= 1 + 1e-12


def test_gaze_tongue_and_other_speech_curves_belong_to_no_unit() -> None:
    unused = [BLENDSHAPES.index(name) for name in ("tongueOut", "mouthLeft", "jawLeft")]
    assert not AU_TO_CURVES[:, [*GAZE_CURVES, *unused]].any()


@given(any_sides)
def test_a_linear_probe_reads_any_action_units_back(given_sides: np.ndarray) -> None:
    sides = hide_behind_lids(intensities(given_sides))
    made = curves(sides)
    assert np.allclose(5 * made @ np.linalg.pinv(AU_TO_CURVES), sides.mean(-1), atol=1e-9)
    assert np.allclose(action_units(made, sides=True), sides, atol=1e-9)


def test_a_fresh_linear_probe_learns_the_units_from_curves() -> None:
    sides = hide_behind_lids(generator().uniform(0, 5, (400, 23, 1)).repeat(2, -1))
    made = curves(sides)
    learned, *_ = np.linalg.lstsq(made[:200], sides[:200].mean(-1), rcond=None)
    assert np.allclose(made[200:] @ learned, sides[200:].mean(-1), atol=1e-9)


@pytest.mark.parametrize("unit", TABLE, ids=lambda unit: f"AU{unit.number}")
def test_each_unit_is_read_as_itself_alone(unit) -> None:
    read = action_units(curves({unit.number: 4.0}))
    assert read[INDEX[unit.number]] == pytest.approx(4)
    assert np.delete(read, INDEX[unit.number]).max() < 1e-9


@given(arrays(np.float64, (2, 52), elements=st.floats(0, 1, width=32)))
@settings(max_examples=25, deadline=None)
def test_any_curves_are_read_within_bounds_and_no_worse_than_by_clipping(
    measured: np.ndarray,
) -> None:
    read = action_units(measured, sides=True)
    assert read.shape == (2, 23, 2) and read.min() >= 0 and read.max() <= 5
    weights = read.mean(-1) / 5
    clipped = (measured @ np.linalg.pinv(AU_TO_CURVES)).clip(0, 1)

    def left_over(units: np.ndarray) -> np.ndarray:
        both = (measured + mirrored(measured)) / 2
        return np.linalg.norm(units @ AU_TO_CURVES - both, axis=1)

    assert (left_over(weights) <= left_over(clipped) + 1e-3).all()


def mirrored(weights: np.ndarray) -> np.ndarray:
    """Curves with the sides exchanged."""
    other = {"Left": "Right", "Right": "Left"}
    names = []
    for name in BLENDSHAPES:
        side = next((side for side in other if name.endswith(side)), "")
        names.append(name.removesuffix(side) + other.get(side, ""))
    return weights[..., [BLENDSHAPES.index(name) for name in names]]


def test_a_unit_of_one_side_moves_that_side() -> None:
    left = curves({12: (4.0, 0.0)})
    assert left[BLENDSHAPES.index("mouthSmileLeft")] == pytest.approx(0.8)
    assert left[BLENDSHAPES.index("mouthSmileRight")] == 0
    assert np.array_equal(curves({12: (0.0, 4.0)}), mirrored(left))


def test_asymmetry_weakens_the_other_side_and_leaves_bilateral_units() -> None:
    sides = sided(np.full(23, 4.0), 0.25)
    assert np.allclose(sides[INDEX[12]], (4, 3))
    assert np.allclose(sides[BILATERAL], 4)
    assert np.allclose(sided(np.full(23, 4.0), -1.0)[INDEX[12]], (0, 4))


@pytest.mark.parametrize(
    "units", [{3: 1.0}, {12: 5.1}, {12: -0.1}, {12: np.nan}, np.zeros(22), np.full(23, np.inf)]
)
def test_bad_intensities_are_refused(units) -> None:
    with pytest.raises(InputError):
        curves(units)


@pytest.mark.parametrize("measured", [np.zeros(51), np.full(52, np.nan)])
def test_bad_curves_are_refused(measured: np.ndarray) -> None:
    with pytest.raises(InputError):
        action_units(measured)


def test_the_documented_table_is_the_table() -> None:
    assert as_markdown() in (ROOT / "docs" / "world-performance.md").read_text()


def test_the_head_shows_the_units() -> None:
    head = HeadModel.bundled()
    points = head.landmarks(head.vertices(expression=curves(np.eye(23) * 5)))
    rest = head.landmarks(head.template)

    def rise(number: int, landmark: int) -> float:
        return float(points[INDEX[number], landmark, 1] - rest[landmark, 1])

    def gap(number: int, upper: int, lower: int) -> float:
        at = points[INDEX[number]]
        return float(at[upper, 1] - at[lower, 1])

    assert rise(1, 55) > 3 and rise(2, 46) > 3 and rise(4, 55) < -1.5  # brows
    assert rise(12, 61) > 5 and rise(15, 61) < -3  # corners of the mouth
    assert rise(10, 0) > 3 and rise(17, 17) > 2  # lips
    open_eye = rest[159, 1] - rest[145, 1]
    assert gap(5, 159, 145) > open_eye + 1 and gap(7, 159, 145) < open_eye - 1
    assert gap(43, 159, 145) < 1 and gap(45, 159, 145) < 1
    assert gap(27, 13, 14) > gap(26, 13, 14) > gap(25, 13, 14) > 2


# -- emotions ------------------------------------------------------------------------------------


def test_there_are_the_basic_emotions_in_the_order_of_the_labels() -> None:
    labels = pytest.importorskip("mien.data.labels", reason="needs torch")
    assert BASIC == labels.EXPRESSIONS and NAMES[:7] == BASIC
    assert "contempt" in NAMES and len(COMPOUND) == 15


@pytest.mark.parametrize("name", NAMES)
def test_a_programme_reads_back_its_units(name: str) -> None:
    emotion = EMOTIONS[name]
    for seed in range(20):
        programme = sample(name, generator(seed), 4.0)
        read = action_units(programme.curves, sides=True)
        assert np.allclose(read, programme.sides, atol=1e-9)
        shown = {ACTION_UNITS[i] for i in np.flatnonzero(read.max(-1) > 0.5)}
        assert set(emotion.prototype) <= shown <= {*emotion.prototype, *emotion.variants}


def test_variants_come_as_often_as_said() -> None:
    rng = generator()
    duchenne = [sample("happiness", rng, 4.0).action_units[INDEX[6]] > 0 for _ in range(1000)]
    assert np.mean(duchenne) == pytest.approx(0.51, abs=0.06)


def test_contempt_is_on_one_side_and_happiness_on_both() -> None:
    rng = generator()
    sneers = np.array([sample("contempt", rng, 4.0).sides[INDEX[14]] for _ in range(100)])
    smiles = np.array([sample("happiness", rng, 4.0).sides[INDEX[12]] for _ in range(100)])
    assert (sneers.min(1) < 0.3 * sneers.max(1)).all()
    assert 20 < (sneers[:, 0] > sneers[:, 1]).sum() < 80
    assert (smiles.min(1) > 0.7 * smiles.max(1)).all()


def test_valence_and_arousal_are_ordered_as_in_the_circumplex() -> None:
    rng = generator()
    drawn = {name: [sample(name, rng, 5.0) for _ in range(200)] for name in NAMES}
    affect = {
        name: np.mean([(p.valence, p.arousal) for p in programmes], 0)
        for name, programmes in drawn.items()
    }
    assert affect["happiness"][0] > 0.5 > 0 > affect["sadness"][0]
    assert affect["anger"][1] > 0.3 > 0 > affect["sadness"][1]
    assert affect["happily surprised"][0] > 0.3 > affect["fearfully surprised"][0]
    assert np.array_equal(affect["neutral"], (0, 0))


def test_more_intensity_is_more_of_the_same() -> None:
    weak, strong = (sample("fear", generator(4), grade) for grade in (1.0, 3.0))
    assert np.allclose(3 * weak.sides, strong.sides)
    assert 3 * weak.valence == pytest.approx(strong.valence)
    assert not sample("fear", generator(4), 0.0).sides.any()


@pytest.mark.parametrize(("name", "grade"), [("joy", 1.0), ("fear", 5.5), ("fear", np.nan)])
def test_bad_emotions_are_refused(name: str, grade: float) -> None:
    with pytest.raises(InputError):
        sample(name, generator(), grade)


# -- expressions in time -------------------------------------------------------------------------


def rise_time(episode: Episode) -> float:
    """Seconds from a tenth to nine tenths of the apex."""
    time = episode.start + np.linspace(0, episode.onset, 2000)
    part = episode.strength(time)
    return float(time[np.argmax(part >= 0.9)] - time[np.argmax(part >= 0.1)])


def test_phases_last_as_long_as_they_do_in_people() -> None:
    felt = [sample_episode("happiness", 0, generator(i)) for i in range(100)]
    posed = [sample_episode("happiness", 0, generator(i), style="posed") for i in range(100)]
    micro = [sample_episode("happiness", 0, generator(i), style="micro") for i in range(100)]
    assert all(0.2 <= e.onset <= 0.7 and 0.5 <= e.duration <= 5 for e in (*felt, *posed))
    assert all(0.04 <= e.duration <= 0.5 and e.programme.intensity <= 2.5 for e in micro)
    assert np.mean([rise_time(e) for e in felt]) > 1.3 * np.mean([rise_time(e) for e in posed])


def test_an_expression_starts_peaks_and_ends_on_time() -> None:
    programme = sample("surprise", generator(), 4.0)
    episode = Episode(programme, 1.0, 0.5, 1.0, 0.8)
    show = perform([episode], 5, 100, generator(), manner=Manner(idle=0))
    time = np.arange(500) / 100
    without_lids = np.array([number not in (5, 7, 45) for number in ACTION_UNITS])
    quiet = (time <= 1.0) | (time >= 3.3)
    assert not show.sides[quiet][:, without_lids].any()
    apex = (time >= 1.5) & (time <= 2.5)
    assert np.allclose(show.sides[apex][:, without_lids], programme.sides[without_lids], atol=1e-5)
    assert (
        np.allclose(show.valence[apex], programme.valence)
        and np.abs(show.valence[quiet]).max() < 1e-6
    )
    assert set(show.emotion[apex]) == {NAMES.index("surprise")}
    assert set(show.emotion[quiet]) == {NAMES.index("neutral")}
    assert (np.diff(show.strength[100:150]) >= 0).all()


def test_emotions_follow_each_other_in_order() -> None:
    names = ["happiness", "neutral", "sadly angry", "contempt"]
    show = perform(names, 16, 25, generator(3))
    said = [NAMES[i] for i in show.emotion]
    order = [said[0], *(after for before, after in pairwise(said) if after != before)]
    assert [name for name in order if name != "neutral"] == ["happiness", "sadly angry", "contempt"]
    assert "neutral" in said[100:200]


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="too short"):
        perform(["fear"] * 10, 2, 25, generator())
    assert len(perform(["fear"] * 10, 8, 25, generator(), style="micro").episodes) == 10


@pytest.mark.parametrize(
    ("names", "seconds", "fps"),
    [(["joy"], 5, 25), ([], 0, 25), ([], 5, 0), ([], np.nan, 25), ([], np.inf, 25), ([], 1e9, 1e9)],
)
def test_bad_performances_are_refused(names: list[str], seconds: float, fps: float) -> None:
    with pytest.raises(InputError):
        perform(names, seconds, fps, generator())


@pytest.mark.parametrize("field", ["blink_rate", "incomplete", "distance", "sway", "mutual"])
def test_bad_manners_are_refused_by_name(field: str) -> None:
    with pytest.raises(InputError, match=field):
        Manner(**{field: -1.0})


def test_bad_episodes_are_refused() -> None:
    programme = sample("fear", generator())
    with pytest.raises(InputError):
        Episode(programme, 0, 0, 1, 1)
    with pytest.raises(InputError):
        Episode(programme, 0, 0.5, 1, 1, lags=np.full(23, 0.5))
    with pytest.raises(InputError):
        sample_episode("fear", 0, generator(), style="slow")  # pyright: ignore[reportArgumentType]


# -- performances --------------------------------------------------------------------------------


def test_one_seed_gives_one_performance_at_any_frame_rate() -> None:
    one, same, fine, other = (
        perform(["fear", "hatred"], 9, fps, generator(seed))
        for fps, seed in ((25, 5), (25, 5), (50, 5), (25, 6))
    )
    for name in ("expression", "pose", "gaze"):
        a, b, c, d = (getattr(show.motion, name) for show in (one, same, fine, other))
        assert np.array_equal(a, b) and np.allclose(a, c[::2], atol=1e-6)
        assert not np.allclose(a, d)


@given(
    names=st.lists(st.sampled_from(NAMES), max_size=3),
    seconds=st.floats(0.01, 30),
    fps=st.floats(1, 240),
    seed=st.integers(0, 2**32 - 1),
    manner=st.builds(
        Manner,
        blink_rate=st.floats(0, 60),
        idle=st.floats(0, 1),
        sway=st.floats(0, 5),
        head_share=st.floats(0, 1),
        distance=st.floats(150, 3000),
        mutual=st.floats(0.3, 20),
    ),
)
@settings(max_examples=40, deadline=None)
def test_every_performance_is_within_bounds_and_reads_back(
    names: list[str], seconds: float, fps: float, seed: int, manner: Manner
) -> None:
    episodes = [
        sample_episode(name, i * seconds / 4, generator(seed), style="micro", intensity=5.0)
        for i, name in enumerate(names)
    ]
    show = perform(episodes, seconds, fps, generator(seed), manner=manner)
    motion = show.motion
    assert motion.gaze is not None and len(show) == max(round(seconds * fps), 1)
    assert np.isfinite(motion.pose).all() and np.abs(motion.pose[:, :2]).max() < 60
    assert motion.expression.min() >= 0 and motion.expression.max() <= 1
    assert np.allclose(action_units(motion.expression, sides=True), show.sides, atol=1e-4)
    assert max(np.abs(show.valence).max(), np.abs(show.arousal).max()) <= 1
    expected = np.array([gaze_curves(gaze) for gaze in motion.gaze[:50]])
    assert np.allclose(motion.expression[:50, GAZE_CURVES], expected, atol=1e-6)


def test_gaze_curves_of_many_are_those_of_each() -> None:
    gaze = generator().uniform(-40, 40, (200, 2, 2))
    assert np.allclose(gaze_curves(gaze), [gaze_curves(one) for one in gaze])


def test_people_blink_as_people_do(hour: Performance) -> None:
    blinks = hour.blinks
    gaps = np.diff(blinks.start)
    assert 15 <= len(gaps) / (HOUR / 60) <= 20
    assert (blinks.duration >= 0.1).all() and (blinks.duration <= 0.4).all()
    assert (blinks.closing < blinks.opening).all()
    assert (gaps > blinks.duration[:-1]).all()
    assert np.std(gaps) / np.mean(gaps) == pytest.approx(0.75, abs=0.2)
    assert (blinks.depth < 1).mean() == pytest.approx(0.15, abs=0.04)
    assert 0.02 < (gaps < 0.6).mean() < 0.15


def test_a_blink_closes_the_eye_and_opens_it_again() -> None:
    show = perform([], 60, 200, generator(2), manner=Manner(incomplete=0))
    blink = show.sides[:, INDEX[45], 0]
    start = show.blinks.start[3]
    closed = round((start + show.blinks.closing[3]) * 200)
    assert blink[round(start * 200) - 2] == 0
    assert blink[closed] == pytest.approx(5, abs=0.1)
    assert blink[round((start + show.blinks.duration[3]) * 200) + 2] == 0


def test_nobody_has_to_blink() -> None:
    show = perform([], 60, 25, generator(), manner=Manner(blink_rate=0))
    assert not show.sides[:, INDEX[45]].any()


def test_eyes_jump_and_rest_as_eyes_do(hour: Performance) -> None:
    glances = hour.glances
    resting = np.diff(glances.start) - glances.duration[:-1]
    assert 0.2 < np.median(resting) < 0.5 and resting.min() >= 0 and resting.max() < 5
    assert 0.2 < glances.averted.mean() < 0.5
    far, near = (glances.amplitude[glances.averted == away] for away in (True, False))
    assert np.median(np.linalg.norm(glances.target[glances.averted], axis=1)) > 5
    assert np.percentile(far, 90) > np.percentile(near, 50)


def test_saccades_keep_to_the_main_sequence() -> None:
    glances = perform([], 120, 25, generator(3)).glances
    for i in np.flatnonzero(glances.amplitude > 1)[:40]:
        amplitude = glances.amplitude[i]
        time = glances.start[i] + np.linspace(0, glances.duration[i], 400)
        speed = np.linalg.norm(np.diff(glances.gaze(time), axis=0), axis=1).max() / (
            time[1] - time[0]
        )
        # The saturating curve of Bahill, Clark and Stark (1975), within a factor of 2.
        expected = 550 * (1 - np.exp(-amplitude / 9))
        assert expected / 2 < speed < expected * 2


def test_the_eyes_make_up_for_the_head() -> None:
    gaze = np.repeat([[4.0, -3.0]], 3, 0)
    pose = np.array([[0.0, 0, 0], [15, 5, 8], [-10, -8, -4]])
    eyes = eyes_in_head(gaze, pose, 1e6)
    for turn, eye in zip(pose, eyes[:, 0], strict=True):
        ahead = rotations(*turn) @ rotations(*eye) @ [0, 0, 1]
        assert np.allclose(ahead, rotations(4.0, -3.0) @ [0, 0, 1], atol=1e-3)


def test_eyes_converge_and_stay_in_their_sockets() -> None:
    near = eyes_in_head(np.zeros((1, 2)), np.zeros((1, 3)), 400)[0]
    assert near[0, 0] == pytest.approx(-4.5, abs=0.1) and near[1, 0] == -near[0, 0]
    aside = eyes_in_head(np.array([[60.0, 50.0]]), np.zeros((1, 3)), 700)[0]
    assert np.allclose(aside, (EYELOOK_DEGREES["Out"], EYELOOK_DEGREES["Up"]))


def test_the_head_follows_large_glances_later(hour: Performance) -> None:
    show = perform([], 300, 50, generator(4), manner=Manner(sway=0, nods=0))
    glances, yaw = show.glances, show.motion.pose[:, 0]
    aside = np.abs(glances.target[:, 0] - np.roll(glances.target[:, 0], 1)) > 15
    assert aside[1:-2].sum() > 10
    for i in np.flatnonzero(aside[1:-2]) + 1:
        at = round(glances.start[i] * 50)
        assert abs(yaw[at + 1] - yaw[at]) < 1.0
    away = glances.target[glances.averted, 0]
    looked = np.round((glances.start[glances.averted] + 0.1) * 50).astype(int).clip(0, len(yaw) - 1)
    assert np.corrcoef(away, yaw[looked])[0, 1] > 0.4
    assert hour.motion.pose.std(0).max() < 6


def test_noise_has_as_much_power_in_each_octave() -> None:
    time = np.arange(2**14) / 16
    power = np.mean(
        [np.abs(np.fft.rfft(pink_noise(time, 64, generator(i)), axis=0)) ** 2 for i in range(4)],
        (0, 2),
    )
    frequency = np.fft.rfftfreq(len(time), 1 / 16)
    octaves = [power[(frequency >= f) & (frequency < 2 * f)].sum() for f in (0.125, 0.25, 0.5, 1)]
    assert max(octaves) < 2 * min(octaves)


def test_motion_of_a_performance_is_saved_and_read(tmp_path) -> None:
    motion = perform(["awed"], 4, 30, generator()).motion
    motion.save(tmp_path / "awed.npz")
    assert np.array_equal(type(motion).load(tmp_path / "awed.npz").expression, motion.expression)


def test_a_programme_made_by_hand_can_be_played() -> None:
    wink = Programme("neutral", 5.0, intensities({43: (5.0, 0.0)}), 0.1, 0.2)
    show = perform([Episode(wink, 0.5, 0.1, 0.5, 0.2)], 1.5, 60, generator())
    left, right = (BLENDSHAPES.index(f"eyeBlink{side}") for side in ("Left", "Right"))
    assert show.motion.expression[50, left] > 0.95 and show.motion.expression[50, right] < 0.3
