"""Measures of a face that speaks: what is right scores best, and each fault is told from others."""

from pathlib import Path

import numpy as np
import pytest

from mien.errors import InputError, UsageError
from mien.evaluate import motion as measures
from mien.evaluate.sync import SHORTEST, SyncScorer
from mien.face import BLENDSHAPES, Motion
from mien.media.audio import write_audio
from mien.world import visemes
from mien.world.visemes import PAUSE, Phoneme

FPS = 25.0
RATE = 16_000
JAW, BROW = BLENDSHAPES.index("jawOpen"), BLENDSHAPES.index("browInnerUp")
SAID = ["_", "m", "a", "b", "a", "p", "u", "s", "i", "m", "_"]
PHONEMES = [Phoneme(s, 0.2 * i, 0.2 * (i + 1)) for i, s in enumerate(SAID)]
CLOSURES = visemes.contacts(PHONEMES)


@pytest.fixture
def truth() -> Motion:
    assert PHONEMES[0].symbol == PAUSE
    return visemes.animate(PHONEMES, FPS)


def changed(motion: Motion, expression: np.ndarray) -> Motion:
    return Motion(motion.fps, expression.clip(0, 1), motion.pose)


def still(motion: Motion) -> Motion:
    return changed(motion, np.zeros_like(motion.expression))


# -- against the truth -----------------------------------------------------------------------------


def test_the_truth_itself_is_without_error(truth: Motion) -> None:
    found = measures.measure(truth, truth=truth, closures=CLOSURES)
    assert found["lip_vertex_error"] == found["lip_distance"] == 0
    assert found["upper_face_deviation"] == 0
    assert found["closure_accuracy"] == 1
    assert found["jitter"] == found["true_jitter"]


def test_lips_that_are_more_wrong_have_a_greater_error(truth: Motion) -> None:
    half = changed(truth, 0.5 * truth.expression)
    errors = [measures.lip_vertex_error(m, truth) for m in (truth, half, still(truth))]
    assert errors[0] < errors[1] < errors[2]
    assert errors[2] == pytest.approx(4 * errors[1], rel=1e-3)  # it is a square
    distances = [measures.lip_distance(m, truth) for m in (half, still(truth))]
    assert distances[1] == pytest.approx(2 * distances[0], rel=1e-3)


def test_brows_do_not_count_as_lips_nor_lips_as_brows(truth: Motion) -> None:
    raised = truth.expression.copy()
    raised[::2, BROW] = 1
    lively = changed(truth, raised)
    assert measures.lip_vertex_error(lively, truth) < 1e-3
    assert measures.upper_face_deviation(lively, truth) < -0.1  # livelier than the truth
    assert measures.upper_face_deviation(truth, lively) > 0.1
    assert abs(measures.upper_face_deviation(still(truth), truth)) < 0.05


def test_noise_is_jitter(truth: Motion) -> None:
    rng = np.random.default_rng(0)
    noisy = changed(truth, truth.expression + rng.normal(0, 0.1, truth.expression.shape))
    calm, shaken = measures.jitter(truth), measures.jitter(noisy)
    assert calm is not None and shaken is not None and shaken > calm
    assert measures.jitter(still(truth)) == 0
    assert measures.jitter(Motion(FPS, truth.expression[:2], truth.pose[:2])) is None


def test_motions_that_do_not_fit_are_refused(truth: Motion) -> None:
    shorter = Motion(FPS, truth.expression[:-1], truth.pose[:-1])
    faster = Motion(30, truth.expression, truth.pose)
    for other in (shorter, faster):
        with pytest.raises(InputError, match="cannot be compared"):
            measures.measure(truth, truth=other)
    unseen = truth.expression.copy()
    unseen[3] = np.nan
    with pytest.raises(InputError, match="frames without a face"):
        measures.measure(Motion(FPS, unseen, truth.pose))


# -- against what is said --------------------------------------------------------------------------


def test_lips_that_do_not_meet_miss_their_closures(truth: Motion) -> None:
    open_ = truth.expression.copy()
    open_[:, BLENDSHAPES.index("mouthClose")] = 0
    open_[:, JAW] = np.maximum(open_[:, JAW], 0.2)
    assert measures.closure_accuracy(changed(truth, open_), CLOSURES) == 0
    first = open_.copy()
    frame = round(CLOSURES[0].mean() * FPS)
    first[frame] = truth.expression[frame]
    share = measures.closure_accuracy(changed(truth, first), CLOSURES)
    assert share == pytest.approx(1 / len(CLOSURES))


def test_closures_between_two_frames_and_beyond_the_end(truth: Motion) -> None:
    short = np.array([[0.21, 0.22]])  # no frame in it
    assert measures.closure_accuracy(truth, short) == 1
    assert measures.closure_accuracy(still(truth), np.array([[99.0, 99.1]])) == 0
    assert measures.measure(truth, closures=np.empty((0, 2)))["closure_accuracy"] is None


# -- against the sound -----------------------------------------------------------------------------


def syllables(times: np.ndarray, seconds: float) -> np.ndarray:
    """A tone that swells at some times."""
    clock = np.arange(round(seconds * RATE)) / RATE
    loud = np.exp(-(((clock[:, None] - times) / 0.05) ** 2)).sum(1)
    return (0.5 * loud * np.sin(2 * np.pi * 220 * clock)).astype(np.float32)


def nodding(halts: np.ndarray, seconds: float) -> Motion:
    """A head that turns all the time but for these moments."""
    clock = np.arange(round(seconds * FPS)) / FPS
    speed = 1 - np.exp(-(((clock[:, None] - halts) / 0.1) ** 2)).sum(1)
    pose = np.zeros((len(clock), 3))
    pose[:, 1] = np.cumsum(speed)
    return Motion(FPS, np.zeros((len(clock), 52)), pose)


def test_beats_are_found_where_they_are() -> None:
    times = np.array([0.5, 1.1, 1.6, 2.4])
    np.testing.assert_allclose(measures.sound_beats(syllables(times, 3), RATE), times, atol=0.015)
    np.testing.assert_allclose(measures.head_beats(nodding(times, 3)), times, atol=0.025)


def test_a_head_that_halts_with_the_voice_is_aligned() -> None:
    times = np.array([0.5, 1.1, 1.6, 2.4])
    sound = syllables(times, 3)
    with_it = measures.beat_alignment(nodding(times, 3), sound, RATE)
    beside = measures.beat_alignment(nodding(times + 0.25, 3), sound, RATE)
    assert with_it is not None and beside is not None
    assert with_it > 0.9 > 0.3 > beside


def test_silence_and_stillness_have_no_beats() -> None:
    times = np.array([0.5, 1.5])
    head = nodding(times, 3)
    assert measures.beat_alignment(head, np.zeros(3 * RATE, np.float32), RATE) is None
    rest = Motion(FPS, head.expression, np.zeros_like(head.pose))
    assert measures.beat_alignment(rest, syllables(times, 3), RATE) is None


class Deaf:
    """A network that puts mouth and sound wherever frame numbers say: always in sync."""

    def __call__(self, batch: np.ndarray) -> tuple[np.ndarray, ...]:
        angle = np.arange(batch.shape[2]) * 0.5
        return (np.stack([np.cos(angle), np.sin(angle)])[None],) * 2


def test_offset_needs_some_seconds(truth: Motion) -> None:
    scorer = SyncScorer(Deaf())
    sound = syllables(np.array([0.5]), 4)
    short = Motion(FPS, truth.expression[: SHORTEST - 1], truth.pose[: SHORTEST - 1])
    found = measures.measure(short, sound=sound, rate=RATE, scorer=scorer)
    assert found["offset"] is found["confidence"] is None
    found = measures.measure(truth, sound=sound, rate=RATE, scorer=scorer)
    assert found["offset"] == 0


def test_files_are_measured(
    truth: Motion, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth.save(tmp_path / "made.npz")
    write_audio(tmp_path / "voice.wav", syllables(np.array([0.5]), 0.9), RATE)
    made = measures.main(
        tmp_path / "made.npz", tmp_path / "made.npz", tmp_path / "voice.wav",
        out=tmp_path / "found.json",
    )  # fmt: skip
    assert made["results"]["lip_vertex_error"] == 0
    assert (tmp_path / "found.json").is_file()
    assert "lip_vertex_error" in capsys.readouterr().out
    with pytest.raises(UsageError, match="name that, too"):
        measures.main(tmp_path / "made.npz", transcript="Big blue boats.")
