"""From a voice to a face, while it is spoken: what is heard, what lives, what moves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.errors import InputError, UsageError
from mien.face import BLENDSHAPES, Motion
from mien.voice import affect, animator, features, life
from mien.voice.animator import ANSWERS, DRIVEN, EXTRAS, ROWS_BEFORE, STEPS, Animator
from mien.world import visemes

RATE = features.RATE
JAW = BLENDSHAPES.index("jawOpen")
EYES = [i for i, name in enumerate(BLENDSHAPES) if name.startswith("eye")]


def tone(seconds: float, hertz: float = 150.0, level: float = 0.2, rate: int = RATE) -> np.ndarray:
    """A buzz like a voice's: harmonics of one pitch."""
    time = np.arange(round(seconds * rate)) / rate
    sound = sum(np.sin(2 * np.pi * hertz * k * time) / k for k in range(1, 12))
    return (level * sound / np.abs(sound).max()).astype(np.float32)


def syllables(seconds: float, rate: int = RATE) -> np.ndarray:
    """A buzz that comes and goes four times a second."""
    time = np.arange(round(seconds * rate)) / rate
    return (tone(seconds, rate=rate) * np.sin(2 * np.pi * 2 * time) ** 2).astype(np.float32)


class Louder:
    """A network of which the jaw opens with the first bands, and the lips touch in silence."""

    def __call__(self, batch: np.ndarray) -> tuple[np.ndarray, ...]:
        at = ROWS_BEFORE + 2 * np.arange(STEPS)
        out = np.zeros((1, ANSWERS, STEPS), np.float32)
        out[0, DRIVEN.index("jawOpen")] = batch[0, 2:20, at].mean(1)
        out[0, len(DRIVEN)] = batch[0, 2:20, at].mean(1) < 0.05
        return (out,)


LOUDER = Animator(Louder())


def pieces(sound: np.ndarray, sizes: list[int]) -> list[np.ndarray]:
    ends = np.cumsum(sizes)
    return np.split(sound, ends[ends < len(sound)])


def whole(parts: list[Motion]) -> Motion:
    gaze = [part.gaze for part in parts]
    assert all(part is not None for part in gaze)
    return Motion(
        parts[0].fps,
        np.concatenate([part.expression for part in parts]),
        np.concatenate([part.pose for part in parts]),
        np.concatenate(gaze),  # type: ignore[arg-type]
    )


def same(a: Motion, b: Motion) -> bool:
    assert a.gaze is not None and b.gaze is not None
    return all(
        np.array_equal(x, y)
        for x, y in ((a.expression, b.expression), (a.pose, b.pose), (a.gaze, b.gaze))
    )


# -- what is heard ---------------------------------------------------------------------------------


@settings(max_examples=10, deadline=None)
@given(
    st.lists(st.integers(1, 9000), min_size=1, max_size=8), st.sampled_from([8000, 16000, 44100])
)
def test_rows_do_not_depend_on_how_the_sound_is_divided(sizes: list[int], rate: int) -> None:
    sound = syllables(0.8, rate)
    resampler, heard = features.Resampler(rate), features.Features()
    rows = [heard.push(resampler.push(part)) for part in pieces(sound, sizes)]
    rows += [heard.push(resampler.finish()), heard.finish()]
    np.testing.assert_array_equal(np.concatenate(rows), features.features(sound, rate))


@pytest.mark.parametrize("count", [1, 159, 160, 3199, 3200, 16001])
def test_a_row_for_every_hop(count: int) -> None:
    assert features.features(np.zeros(count, np.float32)).shape == (
        count // features.HOP + 1,
        features.COUNT,
    )


@pytest.mark.parametrize("hertz", [90.0, 150.0, 220.0, 400.0])
def test_the_pitch_of_a_tone_is_heard(hertz: float) -> None:
    rows = features.features(tone(0.5, hertz))[10:-10]
    assert (rows[:, features.VOICED] > 0.9).all()
    np.testing.assert_allclose(100 * 2 ** rows[:, features.PITCH], hertz, rtol=0.03)


def test_noise_has_no_pitch_and_silence_no_voice() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
    assert features.features(noise)[10:-10, features.VOICED].mean() < 0.1
    assert not features.features(np.zeros(RATE, np.float32))[:, features.ACTIVE].any()


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 96000])
def test_another_rate_is_heard_alike(rate: int) -> None:
    given, wanted = (features.features(syllables(1.0, r), r) for r in (rate, RATE))
    assert len(given) == len(wanted)
    low = slice(0, 25)  # bands that 8 kHz has as well
    assert np.abs(given[:, low] - wanted[:, low]).mean() < 0.03


def test_a_click_is_heard_when_it_happens() -> None:
    sound = np.zeros(RATE, np.float32)
    sound[8000] = 1.0
    assert features.features(sound)[:, features.LEVEL].argmax() in range(49, 52)


def test_a_quiet_voice_sounds_like_a_loud_one() -> None:
    loud, quiet = (features.features(syllables(2.0) * gain) for gain in (2.0, 0.4))
    bands = slice(0, features.BANDS)
    assert np.abs(loud[100:, bands] - quiet[100:, bands]).mean() < 0.02


def test_channels_are_averaged_and_what_is_not_finite_is_silent() -> None:
    sound = syllables(0.3)
    stereo = np.stack([2 * sound, np.zeros_like(sound)], 1)
    np.testing.assert_allclose(features.checked(stereo), sound, atol=1e-6)
    assert not features.checked(np.full(10, np.nan, np.float32)).any()
    for wrong in (np.zeros((2, 2, 2), np.float32), np.zeros(5, np.int16)):
        with pytest.raises(InputError, match="sound is samples"):
            features.checked(wrong)


# -- what lives ------------------------------------------------------------------------------------


def test_life_is_the_same_in_parts_and_goes_on() -> None:
    times = np.arange(3000) / 25
    at_once = life.Life(4).at(times)
    alive = life.Life(4)
    in_parts = [alive.at(part) for part in np.array_split(times, 61)]
    for one, parts in zip(at_once, zip(*in_parts, strict=True), strict=True):
        np.testing.assert_allclose(one, np.concatenate(parts), atol=1e-9)


@pytest.mark.parametrize("style", life.MANNERS)
def test_blinks_and_heads_are_like_people(style: str) -> None:
    lids, pose, gaze = life.Life(1, style).at(np.arange(25 * 600) / 25)
    blinks = (np.diff((lids > 0.3).astype(int)) > 0).sum() / 10
    assert 0.6 < blinks / life.MANNERS[style].blink_rate < 1.3  # a minute
    assert np.abs(pose).max() < 30 and 0.3 < pose[:, 0].std() < 8
    assert np.abs(pose[-1500:].mean(0) - pose[:1500].mean(0)).max() < 3  # it does not drift
    assert np.abs(np.diff(pose, axis=0)).max() < 5  # a frame
    assert np.isfinite(gaze).all()


def test_an_unknown_style_is_refused() -> None:
    with pytest.raises(UsageError, match="lively"):
        life.Life(0, "wild")


# -- what moves ------------------------------------------------------------------------------------


@settings(max_examples=8, deadline=None)
@given(
    st.lists(st.integers(1, 12000), min_size=1, max_size=6),
    st.sampled_from([25.0, 29.97, 30.0, 60.0]),
    st.sampled_from([16000, 22050]),
)
def test_a_stream_is_what_the_whole_is(sizes: list[int], fps: float, rate: int) -> None:
    sound = syllables(1.3, rate)
    stream = LOUDER.stream(rate, fps=fps, seed=2)
    parts = [stream.push(part) for part in pieces(sound, sizes)] + [stream.finish()]
    assert same(whole(parts), LOUDER.animate(sound, rate, fps=fps, seed=2))


@pytest.mark.parametrize("fps", [25.0, 30.0, 60.0])
@pytest.mark.parametrize(("count", "rate"), [(0, 16000), (1, 16000), (8001, 8000), (96000, 96000)])
def test_as_many_frames_as_the_sound_lasts(count: int, rate: int, fps: float) -> None:
    motion = LOUDER.animate(np.zeros(count, np.float32), rate, fps=fps)
    assert len(motion) == int(np.ceil(count / rate * fps - 1e-9))


def test_a_stream_gives_what_it_can_as_soon_as_it_can() -> None:
    sound = syllables(2.0)
    stream = LOUDER.stream(RATE)
    assert stream.latency <= 0.2
    given = 0
    for number in range(20):
        given += len(stream.push(sound[number * 1600 : (number + 1) * 1600]))
        heard = (number + 1) / 10
        assert given / 25 >= heard - stream.latency - STEPS * animator.STEP - 0.05


def test_one_seed_gives_one_motion_and_another_the_same_lips() -> None:
    sound = syllables(4.0)
    first, again, other = (LOUDER.animate(sound, RATE, seed=seed) for seed in (5, 5, 6))
    assert same(first, again)
    lips = [i for i in range(len(BLENDSHAPES)) if i not in EYES]
    np.testing.assert_array_equal(first.expression[:, lips], other.expression[:, lips])
    assert np.abs(first.pose - other.pose).max() > 0.5


def test_silence_closes_the_mouth() -> None:
    sound = np.concatenate([syllables(1.0), np.zeros(RATE, np.float32)])
    jaw = LOUDER.animate(sound, RATE).expression[:, JAW]
    assert jaw[:25].max() > 0.3
    assert jaw[32:].max() < 0.02


def test_a_mouth_opens_further_for_a_louder_voice_but_not_without_end() -> None:
    usual = LOUDER.animate(0.5 * syllables(6.0), RATE).expression[-100:, JAW].max()
    shout = np.concatenate([0.05 * syllables(4.0), 2 * syllables(2.0)])
    louder = LOUDER.animate(shout, RATE).expression[-40:, JAW].max()
    assert 1.02 * usual < louder < 1.3 * usual


def test_a_stressed_syllable_raises_the_brows_and_bows_the_head() -> None:
    sound = 0.1 * syllables(4.0)
    stressed = sound.copy()
    stressed[2 * RATE : int(2.6 * RATE)] *= 6
    plain, other = (LOUDER.animate(each, RATE) for each in (sound, stressed))
    brow = BLENDSHAPES.index("browInnerUp")
    assert other.expression[50:70, brow].max() > plain.expression[50:70, brow].max() + 0.05
    assert (other.pose - plain.pose)[50:70, 1].min() < -0.5


def test_lips_that_touch_are_closed() -> None:
    said = np.zeros((3, ANSWERS + EXTRAS), np.float32)
    said[:, DRIVEN.index("jawOpen")] = 0.5
    said[:, ANSWERS:] = 1
    gap = visemes.lip_gap(animator.curves(said, np.eye(3, 2, -1), animator.Mood()))
    assert gap[0] > 5 and gap[1] <= 0


@pytest.mark.parametrize(
    ("options", "named"),
    [({"fps": 0.5}, "fps"), ({"fps": float("nan")}, "fps"), ({"emotion": "bored"}, "happiness"),
     ({"intensity": 1.5}, "intensity"), ({"style": "wild"}, "lively")],
)  # fmt: skip
def test_wrong_options_are_refused_in_one_line(options: dict, named: str) -> None:
    with pytest.raises(UsageError, match=named):
        LOUDER.animate(np.zeros(100, np.float32), RATE, **options)


def test_a_rate_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="samples a second"):
        LOUDER.animate(np.zeros(100, np.float32), 5)


@pytest.mark.parametrize(
    "sound",
    [np.full(4000, np.nan, np.float32), np.full(4000, 1e9, np.float32),
     np.sign(tone(0.25)), np.zeros((4000, 6), np.float32)],
    ids=["nan", "beyond", "clipped", "5.1"],
)  # fmt: skip
def test_bad_sounds_give_a_face_all_the_same(sound: np.ndarray) -> None:
    motion = LOUDER.animate(sound, RATE)
    assert len(motion) == 7 and np.isfinite(motion.expression).all()
    assert motion.expression.min() >= 0 and motion.expression.max() <= 1


def test_what_a_stream_holds_does_not_grow() -> None:
    stream = LOUDER.stream(RATE)
    for _ in range(40):
        stream.push(syllables(0.5))
    held = len(stream._rows) + len(stream._features._held) + len(stream._answers._values)
    assert held < 6000


def test_emotions_have_their_everyday_names() -> None:
    assert affect.emotion(None) == "neutral" and affect.emotion("Happy") == "happiness"
    assert set(affect.OTHER_NAMES.values()) <= set(affect.EMOTIONS)
