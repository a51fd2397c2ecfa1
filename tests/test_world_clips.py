"""Clips of people who speak: what is heard, seen and said to be true agree."""

import json
import sys
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from mien.cli import main
from mien.errors import UsageError
from mien.media.audio import read_audio, write_audio
from mien.media.provenance import SYNTHETIC
from mien.media.video import Video
from mien.world import reel, speech
from mien.world.clips import Clip, Clips, arrays
from mien.world.emotions import NAMES
from mien.world.recipe import Recipe
from mien.world.visemes import CURVES, lip_gap

pytest.importorskip("espeakng_loader")

SMALL = Recipe.of(
    {"size": 64, "people": 20, "factors": {"emotion": "happiness", "degrade": 0, "intensity": 4}}
)
FPS = 25.0


@pytest.fixture(scope="module")
def clip() -> Clip:
    return Clips(SMALL, seed=4, seconds=2.0, fps=FPS, language="en-us").sample(0)


def loudness(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples)))) if len(samples) else 0.0


# -- sound and face --------------------------------------------------------------------------------


def test_sound_and_frames_are_equally_long(clip: Clip) -> None:
    count = len(clip)
    assert count >= 2 * FPS
    assert len(clip.speech.samples) == round(count / FPS * clip.speech.rate)
    for values in (clip.sides, clip.emotion, clip.valence, clip.arousal, clip.motion.pose):
        assert len(values) == count
    phonemes = clip.speech.phonemes
    assert phonemes[0].start == 0 and phonemes[-1].end == pytest.approx(clip.speech.seconds)
    assert all(a.end == pytest.approx(b.start, abs=1e-4)
               for a, b in pairwise(phonemes))  # fmt: skip


def test_a_clip_follows_from_recipe_seed_and_number(clip: Clip) -> None:
    again = Clips(SMALL, seed=4, seconds=2.0, fps=FPS, language="en-us").sample(0)
    other = Clips(SMALL, seed=4, seconds=2.0, fps=FPS, language="en-us").sample(1)
    first, second = arrays(clip), arrays(again)
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert other.speech.text != clip.speech.text or other.person != clip.person


def test_lips_meet_where_the_sound_is_stopped() -> None:
    """At the closures of p and b the sound is faint, and at those of p, b and m the lips touch."""
    clips = Clips(SMALL, seed=1, seconds=5.0, fps=FPS, language="en-us")
    stopped, gaps = [], []
    for number in range(4):
        clip = clips.sample(number)
        sound, rate = clip.speech.samples, clip.speech.rate
        usual = loudness(sound[np.abs(sound) > 0.01])
        parted = lip_gap(clip.motion.expression)
        for start, end in clip.closures:
            # The frame that was looked up within the closure is the one nearest to its middle.
            gaps.append(parted[min(round((start + end) / 2 * FPS), len(parted) - 1)])
        for phoneme in clip.speech.phonemes:
            if phoneme.symbol[0] == "p" and phoneme.release:
                part = sound[round(phoneme.start * rate) : round(phoneme.release * rate)]
                stopped.append(loudness(part) / usual)
    assert len(gaps) >= 8 and max(gaps) < 0.3
    assert len(stopped) >= 2 and np.median(stopped) < 0.1


def test_the_jaw_moves_with_the_sound() -> None:
    """The loudness of the sound goes along with the jaw best where neither is moved in time."""
    clip = Clips(SMALL, seed=2, seconds=8.0, fps=FPS, language="en-us").sample(3)
    edges = np.linspace(0, len(clip.speech.samples), len(clip) + 1).astype(int)
    level = np.array([loudness(clip.speech.samples[a:b])
                      for a, b in pairwise(edges)])  # fmt: skip
    jaw = clip.motion.expression[:, CURVES["jawOpen"]]
    shifts = range(-8, 9)
    agreement = [np.corrcoef(level[10:-10], np.roll(jaw, -by)[10:-10])[0, 1] for by in shifts]
    assert max(agreement) > 0.4
    assert abs(shifts[int(np.argmax(agreement))]) <= 2


def test_the_emotion_comes_and_goes(clip: Clip) -> None:
    happy = clip.emotion == NAMES.index("happiness")
    assert happy.mean() > 0.5 and not happy[0]
    smile = clip.motion.expression[:, CURVES["mouthSmileLeft"]]
    assert smile[happy].mean() > smile[0] + 0.15
    assert clip.valence.max() == pytest.approx(clip.valence[happy].max())
    probe = clip.sides[:, :, 0].max(0)
    assert probe.max() <= 5 and clip.sides.min() >= 0


# -- what is drawn ---------------------------------------------------------------------------------


def test_only_what_moves_differs_between_frames(clip: Clip) -> None:
    a, b = clip.frame(0), clip.frame(len(clip) - 1)
    assert a.person is b.person and a.clothes is b.clothes and a.light is b.light
    assert a.background is b.background and a.makeup is b.makeup and a.props == b.props
    assert not np.array_equal(a.pose, b.pose)


def test_landmarks_are_those_of_the_drawn_frames(clip: Clip) -> None:
    sample = next(clip.samples())
    np.testing.assert_allclose(clip.landmarks()[0], sample["landmarks"], atol=0.01)
    image = next(clip.frames())
    assert image.shape == (64, 64, 3) and image.dtype == np.uint8
    np.testing.assert_allclose(image.astype(int), sample["image"], atol=1)


def test_videos_keep_picture_and_sound_together(tmp_path: Path) -> None:
    clip = Clips(SMALL, seed=4, seconds=0.5, fps=10, language="de").sample(2)
    out = tmp_path / "clip.mp4"
    reel.write_clip(clip, out, curves=True)
    video = Video(out)
    frames = [frame.time for frame in video.frames()]
    np.testing.assert_allclose(frames, np.arange(len(clip)) / 10, atol=1e-3)
    sound, rate = read_audio(out, clip.speech.rate)
    count = len(clip.speech.samples)
    agreement = np.correlate(np.pad(sound, (0, 4096))[: count + 4096], clip.speech.samples, "valid")
    assert np.argmax(agreement) < 0.02 * rate
    assert abs(len(sound) - count) < 0.1 * rate
    with av.open(str(out)) as container:
        assert container.metadata["comment"] == SYNTHETIC
        assert {stream.type for stream in container.streams} == {"video", "audio"}


# -- truth on disk, recordings, the command line ---------------------------------------------------


@pytest.mark.parametrize("suffix", [".npz", ".json"])
def test_the_truth_is_written(clip: Clip, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"clip{suffix}"
    reel.write_truth(clip, out)
    if suffix == ".npz":
        with np.load(out, allow_pickle=False) as file:
            said = json.loads(str(file["labels"]))
            shape = file["expression"].shape
            assert np.array_equal(file["audio"], clip.speech.samples)
    else:
        said = json.loads(out.read_text())
        shape = np.shape(said["expression"])
    assert shape == (len(clip), 52)
    assert said["synthetic"] is True and said["transcript"] == clip.speech.text
    assert [entry[0] for entry in said["phonemes"]] == [p.symbol for p in clip.speech.phonemes]


@pytest.mark.parametrize("transcript", [None, "Papa makes bread."])
def test_recordings_are_said(transcript: str | None) -> None:
    said = speech.synthesize("Papa makes bread.")
    clips = Clips(SMALL, seed=4, fps=FPS)
    clip = clips.of_recording(0, said.samples, said.rate, transcript)
    assert len(clip) == int(np.ceil(said.duration * FPS - 1e-9))
    assert len(clip.speech.samples) == round(len(clip) / FPS * said.rate)
    assert clip.motion.expression[:, CURVES["jawOpen"]].max() > 0.1
    assert bool(clip.speech.phonemes) == bool(clip.speech.text) == (transcript is not None)


def test_the_command_writes_video_and_truth(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe, sound = tmp_path / "small.yaml", tmp_path / "tone.wav"
    recipe.write_text("size: 64\npeople: 10\n")
    write_audio(sound, 0.2 * np.sin(np.arange(8000) * 0.2), 16_000)
    video, truth = tmp_path / "3.mp4", tmp_path / "3.npz"
    words = ["world", "clip", "3", "--recipe", str(recipe), "--recording", str(sound), "--fps",
             "10", "--out", str(video), "--truth", str(truth)]  # fmt: skip
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["frames"] == 5
    assert video.is_file() and truth.is_file()
    assert main([*words[:-1], str(tmp_path / "3.txt")]) == 2
    assert ".npz or .json" in capsys.readouterr().err


def test_what_cannot_be_made_is_said() -> None:
    with pytest.raises(UsageError, match="600 s"):
        Clips(SMALL, seconds=1e5)
    with pytest.raises(UsageError, match="no sentences in 'tlh'"):
        Clips(SMALL, language="tlh")


def test_without_a_voice_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    monkeypatch.setattr(speech, "_speaker", speech._Speaker())
    speech._paths.cache_clear()
    speech._catalogue.cache_clear()
    try:
        assert main(["world", "clip", "0", "--out", str(tmp_path / "clip.mp4")]) == 1
    finally:
        speech._paths.cache_clear()
        speech._catalogue.cache_clear()
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and "mien[speech]" in lines[0]
    assert not list(tmp_path.iterdir())
