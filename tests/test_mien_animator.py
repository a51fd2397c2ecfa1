"""mien-animator: what it learns from, what it hears, and what the bundled one does."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mien import hub
from mien.errors import InputError, UsageError
from mien.evaluate import animation
from mien.face import BLENDSHAPES
from mien.systems.animate.mien_animator import MienAnimator
from mien.train import voiced
from mien.train.data import open_data
from mien.train.voiced import Heard, Shards, Voiced
from mien.voice import animator, features
from mien.voice.animator import ANSWERS, ROWS_AFTER, ROWS_BEFORE, STEPS, Animator
from mien.world import speech, visemes
from mien.world.speech import LANGUAGES, Voice, synthesize

spoken_aloud = pytest.mark.skipif(speech.available() is not None, reason=str(speech.available()))


@pytest.fixture(scope="module")
def said() -> speech.Utterance:
    return synthesize("Bob may keep a lamp beside the open window.", Voice("en-us", "f3"))


@pytest.fixture
def tiny() -> MienAnimator:
    torch.manual_seed(0)
    return MienAnimator.build("tiny").eval()


def noise(steps: int, seed: int = 0) -> Heard:
    rng = np.random.default_rng(seed)
    return Heard(
        rng.random((2 * steps, features.COUNT), np.float32),
        rng.random((steps, len(visemes.MOUTH) + 2), np.float32),
    )


# -- what it learns from ---------------------------------------------------------------------------


@spoken_aloud
@pytest.mark.parametrize(
    ("mood", "intensity"), [("neutral", 0.0), ("happiness", 0.8), ("anger", 0.5)]
)
def test_answers_that_are_true_make_the_true_face(said, mood: str, intensity: float) -> None:
    answers = voiced.spoken(voiced.heard(said.samples, said.rate, said.phonemes).mouth)
    extras = np.ones((len(answers), animator.EXTRAS), np.float32)
    face = animator.curves(
        np.hstack([answers, extras]), answers[:, -2:], animator.Mood(mood, intensity)
    )
    times = animator.STEP * np.arange(len(face))
    true = visemes.curves(said.phonemes, times, mood, intensity)
    np.testing.assert_allclose(face, true, atol=1e-5)


@spoken_aloud
def test_a_clip_is_the_same_again_and_its_voice_is_not_held_back() -> None:
    first, again = (voiced.Clips(1).clip(5) for _ in range(2))
    np.testing.assert_array_equal(first.rows, again.rows)
    assert len(first.rows) == 2 * len(first.mouth)
    assert first.mouth.min() >= 0 and first.mouth.max() <= 1.001


@spoken_aloud
@pytest.mark.parametrize("language", LANGUAGES)
def test_words_that_do_not_exist_can_be_said(language: str) -> None:
    text = voiced.words(np.random.default_rng(3), language)
    heard = synthesize(text, Voice(language))
    assert sum(p.symbol != visemes.PAUSE for p in heard.phonemes) >= 4


def test_rows_about_a_step_are_cut_out_and_silence_is_beyond() -> None:
    rows = noise(50).rows
    part = voiced.cut(rows, 0, 10)
    assert len(part) == 20 + ROWS_BEFORE + ROWS_AFTER
    np.testing.assert_array_equal(part[ROWS_BEFORE:], rows[: 20 + ROWS_AFTER])
    np.testing.assert_array_equal(part[0], animator.silent_row())
    np.testing.assert_array_equal(voiced.cut(rows, 49, 1)[-1], animator.silent_row())


def test_samples_follow_from_seed_and_number(tiny: MienAnimator) -> None:
    class Fixed:
        def clip(self, index: int) -> Heard:
            return noise(80, index)

    stage = tiny.stages()[0]
    first, again, other = (Voiced(Fixed(), tiny, stage, seed).sample(3) for seed in (0, 0, 1))  # type: ignore[arg-type]
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["heard"], other["heard"])
    with pytest.raises(UsageError, match="faces"):
        Voiced(Fixed(), tiny, replace(stage, data="faces"), 0)  # type: ignore[arg-type]


def test_clips_on_disk_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voiced, "SHARD", 3)
    monkeypatch.setattr(voiced, "clip", lambda rng: noise(int(rng.integers(20, 40))))
    voiced.write(tmp_path, 4 * 20 * animator.STEP / 3600, seed=2)
    clips = Shards(tmp_path)
    assert len(clips) in (3, 6)
    lengths = sorted(len(clips.clip(i).mouth) for i in range(len(clips)))
    made = [len(voiced.Clips(2).clip(i).mouth) for i in range(len(clips))]
    assert lengths == sorted(made)


def test_what_are_no_clips_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no clips"):
        open_data(f"voices:{tmp_path}")
    (tmp_path / "0000.npz").write_bytes(b"no archive")
    with pytest.raises(InputError, match=r"0000\.npz"):
        open_data(f"voices:{tmp_path}")


# -- what it hears ---------------------------------------------------------------------------------


def test_a_block_of_rows_gives_a_block_of_answers(tiny: MienAnimator) -> None:
    rows = ROWS_BEFORE + features.BLOCK + ROWS_AFTER
    (said,) = tiny(torch.rand(2, features.COUNT, rows))
    assert said.shape == (2, ANSWERS, STEPS)


def test_it_hears_no_further_than_it_says_and_not_how_loud_it_is(tiny: MienAnimator) -> None:
    batch = torch.rand(1, features.COUNT, 2 * 40 + ROWS_BEFORE + ROWS_AFTER)
    changed = batch.clone()
    changed[:, :, ROWS_BEFORE + 60 :] = 0  # rows of step 30 and later
    changed[:, features.LEVEL] = -20
    with torch.inference_mode():
        (before,), (after,) = tiny(batch), tiny(changed)
    sees = ROWS_AFTER // 2
    torch.testing.assert_close(before[:, :, : 30 - sees], after[:, :, : 30 - sees])
    assert (before[:, :, 30:] - after[:, :, 30:]).abs().max() > 0


# -- the bundled one -------------------------------------------------------------------------------


def test_it_is_small() -> None:
    assert (hub.lookup("mien-animator").bytes or 0) < 5e6


@spoken_aloud
def test_it_is_nearer_to_the_truth_than_the_level_of_the_sound() -> None:
    clips = list(animation.takes(4))
    ways = {
        "mien": animation.by(Animator.bundled()),
        "energy": animation.energy_to_jaw(clips),
        "lookup": animation.lookup,
    }
    found = animation.errors(clips, ways)
    assert found["reduction_percent"]["clean"]["energy"]["mean"] > 30
    mien = found["places"]["clean"]["mien"]
    assert mien["closure"]["mean"] > 0.75 and mien["false_closure"]["mean"] < 0.1


@spoken_aloud
def test_the_truth_has_no_error_and_a_shut_mouth_no_open_lips() -> None:
    take = next(animation.takes(1))
    found = animation.error(take, take.truth)
    assert found["lip_error_mm2"] == 0 and found["met"] == found["closures"] > 0
    still = animation.error(take, np.zeros_like(take.truth))
    assert still["lip_error_mm2"] > 1 and still["shut"] == still["open"]


@spoken_aloud
def test_an_emotion_is_shown(said) -> None:
    calm, happy = (
        Animator.bundled().animate(said.samples, said.rate, emotion=name, intensity=1.0)
        for name in (None, "happy")
    )
    smile = BLENDSHAPES.index("mouthSmileLeft")
    assert happy.expression[:, smile].mean() > calm.expression[:, smile].mean() + 0.15


@spoken_aloud
def test_the_jaw_follows_the_voice_through_any_rate(said) -> None:
    jaw = BLENDSHAPES.index("jawOpen")
    eight = features.Resampler(said.rate, 8000)
    low = np.concatenate([eight.push(said.samples), eight.finish()])
    whole, telephone = (
        Animator.bundled().animate(sound, rate).expression[:, jaw]
        for sound, rate in ((said.samples, said.rate), (low, 8000))
    )
    count = min(len(whole), len(telephone))
    assert np.corrcoef(whole[:count], telephone[:count])[0, 1] > 0.7
