"""mien-sync: shifted sound is found, whatever the frame rate, voice and head."""

import numpy as np
import pytest
import torch

from mien.errors import InputError
from mien.evaluate import sync
from mien.evaluate.metrics import motion as metrics
from mien.evaluate.sync import FPS, LIPS, MOUTH, SHORTEST, SOUND, SyncScorer
from mien.face import Motion, Pose
from mien.head.model import HeadModel
from mien.systems import load
from mien.systems.animate.mien_sync import MienSync, by_shift, shown, spoilt
from mien.voice import animator
from mien.world import visemes
from mien.world.speech import Voice, speak

SHIFTS = (-8, -3, 0, 2, 7)  # frames by which the sound is made early
TEXT = "Peter bought a big blue boat, and my mother made more room for it by moving the map."


@pytest.fixture(scope="module")
def scorer() -> SyncScorer:
    """The bundled one."""
    return SyncScorer.bundled()


@pytest.fixture(scope="module")
def speech() -> tuple[np.ndarray, int, Motion]:
    """Somebody that no network has heard: sound, its rate, and the face's motion at 25."""
    pytest.importorskip("espeakng_loader")
    said, motion = speak(TEXT, Voice("en-gb", variant="f2"), FPS)
    return said.samples, said.rate, motion


def early(samples: np.ndarray, rate: int, frames: int) -> np.ndarray:
    """The sound so many frames of 40 ms earlier."""
    by = round(abs(frames) * rate / FPS)
    silent = np.zeros(by, np.float32)
    return np.append(samples[by:], silent) if frames > 0 else np.append(silent, samples)


# -- what is bundled -------------------------------------------------------------------------------


@pytest.mark.parametrize("frames", SHIFTS)
def test_a_shifted_sound_is_found(
    scorer: SyncScorer, speech: tuple[np.ndarray, int, Motion], frames: int
) -> None:
    samples, rate, motion = speech
    found = scorer.motion(motion, early(samples, rate, frames), rate)
    assert abs(found.offset - frames) <= 1
    assert found.confidence > 0.1


def test_other_frame_rates_are_as_good(scorer: SyncScorer) -> None:
    pytest.importorskip("espeakng_loader")
    for fps in (30.0, 60.0):
        said, motion = speak(TEXT, Voice("en-us", variant="m3"), fps)
        assert (
            abs(scorer.motion(motion, early(said.samples, said.rate, 4), said.rate).offset - 4) <= 1
        )


def test_a_turned_head_is_looked_at_from_the_front(
    scorer: SyncScorer, speech: tuple[np.ndarray, int, Motion]
) -> None:
    samples, rate, motion = speech
    landmarks = turned(motion, yaw=25.0)
    found = scorer.landmarks(landmarks, FPS, early(samples, rate, 5), rate)
    assert abs(found.offset - 5) <= 1


def test_what_does_not_belong_together_has_less_confidence(
    scorer: SyncScorer, speech: tuple[np.ndarray, int, Motion]
) -> None:
    samples, rate, motion = speech
    own = scorer.motion(motion, samples, rate)
    noise = np.random.default_rng(0).normal(0, 0.1, len(samples)).astype(np.float32)
    still = Motion(FPS, np.zeros_like(motion.expression), motion.pose)
    backwards = Motion(FPS, motion.expression[::-1], motion.pose)
    for face, sound in ((motion, noise), (still, samples), (backwards, samples)):
        assert scorer.motion(face, sound, rate).confidence < 0.6 * own.confidence


def test_the_ends_of_a_clip_are_no_cue(scorer: SyncScorer) -> None:
    """Noise that begins and ends with the face is not in sync with it because of that."""
    found = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        curves = np.abs(rng.normal(0, 0.3, (75, 52))).clip(0, 1)
        noise = rng.normal(0, 0.1, 48_000).astype(np.float32)
        found.append(scorer.motion(Motion(FPS, curves, np.zeros((75, 3))), noise, 16_000).offset)
    assert sum(offset == 0 for offset in found) <= 3


def test_windows_are_scored_one_by_one(
    scorer: SyncScorer, speech: tuple[np.ndarray, int, Motion]
) -> None:
    samples, rate, motion = speech
    found = list(scorer.windows(motion, samples, rate, seconds=2.0))
    assert len(found) == int(len(samples) / rate / 2)
    assert np.mean([abs(each.offset) <= 1 for each in found]) >= 0.5


def test_bad_input_is_refused(scorer: SyncScorer) -> None:
    sound = np.zeros(32_000, np.float32)
    face = Motion(FPS, np.zeros((50, 52)), np.zeros((50, 3)))
    with pytest.raises(InputError, match="at least"):
        short = Motion(FPS, np.zeros((SHORTEST - 1, 52)), np.zeros((SHORTEST - 1, 3)))
        scorer.motion(short, sound, 16_000)
    with pytest.raises(InputError):
        scorer.motion(face, np.zeros(0, np.float32), 16_000)
    with pytest.raises(InputError, match="frames without a face"):
        scorer.motion(Motion(FPS, np.full((50, 52), np.nan), np.zeros((50, 3))), sound, 16_000)
    assert np.isfinite(scorer.motion(face, np.full(32_000, np.nan, np.float32), 16_000).distance)


# -- what the network sees -------------------------------------------------------------------------


def turned(motion: Motion, yaw: float) -> np.ndarray:
    """Landmarks (T, 478, 3) in pixels of a head that speaks, turned and far away."""
    mean, _, moves = HeadModel.bundled().landmark_basis()
    points = mean + np.tensordot(motion.expression, moves[:52], 1)
    seen = (points * [1, -1, -1]) @ Pose(yaw, 5.0, 3.0).rotation().T
    return 1.3 * seen + [300, 200, 0]


def test_a_mouth_looks_alike_as_curves_and_as_landmarks() -> None:
    expression = np.zeros((3, 52), np.float32)
    expression[1, visemes.CURVES["jawOpen"]] = 0.5
    expression[2, visemes.CURVES["mouthPucker"]] = 0.8
    motion = Motion(FPS, expression, np.zeros((3, 3)))
    curves = sync.mouth_of_curves(expression)
    for yaw in (0.0, 25.0, 45.0):
        seen = sync.mouth_of_landmarks(turned(motion, yaw))
        moved = (seen - seen[:1]).reshape(3, len(LIPS), 2)
        wanted = curves.reshape(3, len(LIPS), 2)
        assert np.linalg.norm(moved - wanted, axis=-1).max() < 1.0  # mm, of 17


def test_whose_mouth_it_is_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    mouth, sound = rng.normal(size=(40, MOUTH)), rng.normal(size=(40, SOUND))
    one = sync.together(mouth, sound)
    np.testing.assert_allclose(sync.together(mouth + rng.normal(size=MOUTH), sound), one, atol=1e-5)


def test_rates_are_matched_in_time() -> None:
    clock = np.arange(60) / 60
    mouth = np.repeat(clock[:, None], MOUTH, 1).astype(np.float32)
    np.testing.assert_allclose(sync.at_rate(mouth, 60)[:, 0], np.arange(25) / 25, atol=1e-6)


# -- the system ------------------------------------------------------------------------------------


def test_answers_of_the_animator_become_its_mouth() -> None:
    said = np.zeros((8, animator.ANSWERS), np.float32)
    said[:, animator.DRIVEN.index("jawOpen")] = 0.5
    said[5, -2] = 1  # the lips touch, between two frames of the video
    gaps = visemes.lip_gap(shown(said))
    assert len(gaps) == 4 and (gaps[[0, 1]] > 5).all() and gaps[2:].min() < 0.5


def test_by_shift_is_the_mean_of_diagonals() -> None:
    seen, said = torch.randn(2, 4, 20), torch.randn(2, 4, 20)
    near = torch.einsum("ndt,nds->nts", seen, said)
    moved = by_shift(near)
    assert moved.shape == (2, 21)
    wanted = (seen[0, :, :17] * said[0, :, 3:]).sum(0).mean()
    torch.testing.assert_close(moved[0, 10 + 3], wanted)


def test_spoilt_mouths_move_at_the_same_time() -> None:
    torch.manual_seed(0)
    mouth = torch.zeros(4, MOUTH, 40)
    mouth[:, :, 20:] = 2
    step = spoilt(mouth)[:, :, 19:21].mean(1).diff().abs()
    others = spoilt(mouth)[:, :, 25:].mean(1).diff(dim=1).abs()
    assert step.min() > 2 * others.max()


def test_it_is_exported_for_any_length() -> None:
    system = load("mien-sync").build("tiny").eval()
    assert isinstance(system, MienSync)
    for frames in (40, 75):
        seen, said = system(torch.randn(2, MOUTH + SOUND, frames))
        assert seen.shape == said.shape == (2, system.config.dimensions, frames - 14)
        torch.testing.assert_close(seen.norm(dim=1), torch.ones(2, frames - 14))


# -- offsets without padding -----------------------------------------------------------------------


@pytest.mark.parametrize("early_by", [-9, -2, 0, 5, 12])
def test_short_clips_are_not_drawn_to_a_shift(early_by: int) -> None:
    rng = np.random.default_rng(early_by + 20)
    whole = rng.normal(size=(200, 8))
    whole /= np.linalg.norm(whole, axis=1, keepdims=True)
    video = whole[50:90] + 0.3 * rng.normal(size=(40, 8))
    audio = whole[50 + early_by : 90 + early_by]
    assert metrics.sync(video, audio, padded=False).offset == early_by
    with pytest.raises(ValueError, match="not more than"):
        metrics.sync(video[:15], audio[:15], padded=False)
