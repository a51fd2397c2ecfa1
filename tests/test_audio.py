"""What networks hear: sound at one rate, its features, and where they lie in a video."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.errors import InputError, UsageError
from mien.nn import audio, wav2vec2
from mien.nn.audio import RATE
from mien.nn.wav2vec2 import SpeechEncoder, SpeechSizes


def tone(hertz: float, seconds: float = 1.0, rate: int = RATE, level: float = 0.5) -> np.ndarray:
    time = np.arange(round(seconds * rate)) / rate
    return (level * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def heard(*sounds: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.stack(sounds))


# -- sound -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000, 96_000])
def test_a_tone_stays_the_same_tone_at_another_rate(rate: int) -> None:
    made = audio.resample(tone(440, 1.0, rate), rate)
    assert len(made) == RATE
    np.testing.assert_allclose(made[800:-800], tone(440)[800:-800], atol=2e-3)


def test_what_the_new_rate_cannot_hold_is_gone() -> None:
    made = audio.resample(tone(11_000, 1.0, 48_000), 48_000)
    assert np.abs(made[800:-800]).max() < 0.01


@given(st.integers(0, 5000), st.sampled_from([8_000, 11_025, 16_000, 48_000]))
@settings(max_examples=20, deadline=None)
def test_the_length_follows_from_the_rates(count: int, rate: int) -> None:
    assert len(audio.resample(np.zeros(count, np.float32), rate)) == round(count * RATE / rate)


def test_impossible_rates_are_refused() -> None:
    with pytest.raises(UsageError, match="samples a second"):
        audio.resample(tone(440), 0)


def test_sound_is_made_mono_and_finite() -> None:
    sound = np.array([[0.5, -0.5], [np.nan, 1.0], [np.inf, 0.0], [3.0, 3.0]])
    np.testing.assert_allclose(audio.checked(sound), [0, 0.5, 0, 1])


@pytest.mark.parametrize(
    "wrong", [np.zeros(0, np.float32), np.zeros((2, 2, 2), np.float32), np.zeros(5, np.int16)]
)
def test_what_is_no_sound_is_refused(wrong: np.ndarray) -> None:
    with pytest.raises(InputError, match="sound is samples"):
        audio.checked(wrong)


def test_normalised_sound_has_mean_0_and_deviation_1_but_silence_stays() -> None:
    made = audio.normalised(heard(tone(100) + 0.2, np.zeros(RATE, np.float32)))
    assert made[0].mean().abs() < 1e-5 and abs(float(made[0].std()) - 1) < 1e-3
    assert (made[1] == 0).all()


# -- features --------------------------------------------------------------------------------------


@pytest.mark.parametrize("hertz", [300, 1000, 4000])
def test_the_loudest_mel_band_is_that_of_the_tone(hertz: float) -> None:
    mel = audio.log_mel(heard(tone(hertz)))[0]
    assert mel.shape == (101, 80)
    top = 2595 * np.log10(1 + 8000 / 700)
    band = 2595 * np.log10(1 + hertz / 700) / top * 81 - 1
    assert (mel[10:-10].argmax(1) - band).abs().max() <= 1


def test_loudness_is_in_decibels_of_full_scale() -> None:
    level = audio.loudness(heard(tone(440, level=1.0), tone(440, level=0.1)))
    torch.testing.assert_close(level[0, 10:-10], torch.full((81,), -3.01), atol=0.1, rtol=0)
    torch.testing.assert_close(level[1, 10:-10], torch.full((81,), -23.01), atol=0.1, rtol=0)


def test_activity_begins_and_ends_with_the_voice() -> None:
    quiet = np.zeros(RATE // 2, np.float32)
    active = audio.voice_activity(heard(np.concatenate([quiet, tone(200), quiet])), hangover=3)[0]
    where = active.nonzero()[:, 0]
    assert active[where[0] : where[-1] + 1].all()
    assert abs(int(where[0]) - 50) <= 5 and abs(int(where[-1]) - 150) <= 5
    assert not audio.voice_activity(heard(np.zeros(RATE, np.float32))).any()


@given(st.floats(80, 400), st.integers(1, 8))
@settings(max_examples=15, deadline=None)
def test_pitch_is_that_of_a_voice_with_harmonics(hertz: float, harmonics: int) -> None:
    voice = sum(tone(hertz * k, 0.5) / k for k in range(1, harmonics + 1)) / 3
    found = audio.pitch(heard(np.asarray(voice, np.float32)))[0, 5:-5]
    assert ((found / hertz).log2().abs() < 0.02).all()


def test_noise_and_silence_have_no_pitch() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
    found = audio.pitch(heard(noise, np.zeros(RATE, np.float32)))
    assert (found[0] > 0).float().mean() < 0.1
    assert (found[1] == 0).all()


# -- time ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fps", [24.0, 25.0, 29.97, 60.0])
def test_features_are_found_at_the_times_of_frames(fps: float) -> None:
    count = wav2vec2.features(10 * RATE)
    times = (wav2vec2.STEP * torch.arange(count) + 200.0) / RATE  # of the middle of each feature
    frames = audio.frame_count(10 * RATE, fps)
    found = audio.at_frames(times[None, :, None], frames, fps)[0, :, 0]
    wanted = torch.arange(frames) / fps
    inside = (wanted >= times[0]) & (wanted <= times[-1])
    torch.testing.assert_close(found[inside], wanted[inside], atol=1e-4, rtol=0)
    assert (audio.stretched(times[None, :, None], frames)[0, :, 0] - wanted).abs().max() < 0.05


@pytest.mark.parametrize("seconds", [0.5, 24.9, 25.0, 25.04, 61.3])
def test_windows_give_every_frame_once_and_fade(seconds: float) -> None:
    sound = np.arange(round(seconds * RATE), dtype=np.float64) / RATE
    sizes = []

    def times(part: np.ndarray) -> np.ndarray:
        sizes.append(len(part))
        frames = audio.frame_count(len(part), 25)
        return (part[0] + np.arange(frames) / 25)[:, None].astype(np.float32)

    made = audio.in_windows(times, sound, 25)
    assert len(made) == round(seconds * 25)
    np.testing.assert_allclose(made[:, 0], np.arange(len(made)) / 25, atol=1e-4)
    assert max(sizes) <= 25 * RATE


@given(
    st.lists(st.integers(0, 70), max_size=12), st.integers(1, 40), st.integers(0, 30),
    st.integers(0, 30),
)  # fmt: skip
@settings(max_examples=50, deadline=None)
def test_streamed_windows_are_those_of_the_whole_sound(
    lengths: list[int], step: int, past: int, ahead: int
) -> None:
    whole = np.arange(1, sum(lengths) + 1, dtype=np.float32)
    blocks = np.split(whole, np.cumsum(lengths)[:-1]) if lengths else []
    windows = list(audio.streamed(blocks, step, past, ahead))
    assert len(windows) == -(-len(whole) // step)
    padded = np.pad(whole, (past, step + ahead))
    for i, window in enumerate(windows):
        np.testing.assert_array_equal(window, padded[i * step : i * step + past + step + ahead])


def test_a_window_comes_as_soon_as_its_last_sample_is_there() -> None:
    asked = []

    def blocks():
        for start in range(0, 100, 10):
            asked.append(start)
            yield np.ones(10, np.float32)

    next(audio.streamed(blocks(), step=20, past=30, ahead=10))
    assert asked == [0, 10, 20]


# -- encoders --------------------------------------------------------------------------------------


def count(sizes: SpeechSizes) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in SpeechEncoder(sizes).parameters())


def test_encoders_have_the_published_parameter_counts() -> None:
    assert count(SpeechSizes.base()) == 94_371_712
    assert count(SpeechSizes.wavlm_base()) == 94_381_936
    assert count(SpeechSizes.xlsr()) == 315_438_720


@given(st.integers(0, 4000))
@settings(max_examples=20, deadline=None)
def test_the_count_of_features_is_known_beforehand(samples: int) -> None:
    expected = wav2vec2.features(samples)
    if expected == 0:
        assert samples < wav2vec2.FIELD
        return
    encoder = SpeechEncoder(SpeechSizes.tiny()).eval()
    assert encoder(torch.randn(1, samples)).shape == (1, expected, 32)


@pytest.mark.parametrize(
    "sizes",
    [
        SpeechSizes.tiny(),
        SpeechSizes(width=24, depth=2, heads=3, hidden=48, channels=8, norm_each=True,
                    norm_first=True, place_kernel=7, place_groups=4),
    ],
)  # fmt: skip
def test_sizes_follow_from_the_tensors_of_a_checkpoint(sizes: SpeechSizes) -> None:
    state = SpeechEncoder(sizes).state_dict()
    published = {
        name.replace("conv.weight_g", "conv.parametrizations.weight.original0").replace(
            "conv.weight_v", "conv.parametrizations.weight.original1"
        ): tuple(value.shape)
        for name, value in state.items()
    }
    assert {wav2vec2.renamed(name) for name in published} == set(state)
    found = SpeechEncoder(wav2vec2.sizes_of(published, sizes.heads))
    assert {n: v.shape for n, v in found.state_dict().items()} == {
        n: v.shape for n, v in state.items()
    }


def test_features_are_hidden_in_training_alone() -> None:
    torch.manual_seed(0)
    encoder = SpeechEncoder(SpeechSizes.tiny())
    sound = torch.randn(1, RATE)
    assert not torch.equal(encoder(sound), encoder(sound))
    encoder.eval()
    assert torch.equal(encoder(sound), encoder(sound))


def test_near_places_have_their_own_buckets_and_far_ones_share() -> None:
    sizes = SpeechSizes.wavlm_base()
    table = wav2vec2.buckets(1000, sizes)
    ahead, behind = table[0], table[:, 0]
    assert ahead[:81].tolist() == [0, *range(161, 240), 240]
    assert behind[:80].tolist() == list(range(80))
    assert (ahead[800:] == 319).all() and (behind[800:] == 159).all()
