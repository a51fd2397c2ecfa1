"""Sound in and out."""

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mien.errors import InputError, MienError, UsageError
from mien.media.audio import read_audio, write_audio
from mien.media.video import VideoWriter


def tone(hertz: float, rate: int, seconds: float = 1.0, level: float = 0.5) -> np.ndarray:
    return level * np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)


def pitch(samples: np.ndarray, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return spectrum.argmax() * rate / len(samples)


@given(arrays(np.float32, st.integers(100, 3000), elements=st.floats(-1, 1, width=32)))
@settings(max_examples=30, deadline=None)
def test_wav_round_trips(tmp_path_factory, samples):
    path = tmp_path_factory.getbasetemp() / "round.wav"
    write_audio(path, samples, 16_000)
    read, rate = read_audio(path)
    assert rate == 16_000 and read.dtype == np.float32
    np.testing.assert_allclose(read, samples, atol=1.01 / 32768)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_any_rate_is_read_at_the_one_asked_for(tmp_path, suffix, rate):
    write_audio(tmp_path / f"tone{suffix}", tone(440, rate), rate)
    read, got = read_audio(tmp_path / f"tone{suffix}", rate=16_000)
    assert got == 16_000
    padding = {".ogg": 600, ".mp3": 2_500}  # these end with a whole block
    assert len(read) == pytest.approx(16_000, abs=padding.get(suffix, 1))
    assert pitch(read, 16_000) == pytest.approx(440, abs=2)
    assert np.abs(read[4_000:12_000]).max() == pytest.approx(0.5, abs=0.05)


def test_channels_are_averaged(tmp_path):
    left, right = tone(440, 16_000), tone(1000, 16_000)
    write_audio(tmp_path / "stereo.wav", np.stack([left, right], axis=1), 16_000)
    read, _ = read_audio(tmp_path / "stereo.wav")
    np.testing.assert_allclose(read, (left + right) / 2, atol=2 / 32768)
    write_audio(tmp_path / "opposite.wav", np.stack([left, -left], axis=1), 16_000)
    assert np.abs(read_audio(tmp_path / "opposite.wav")[0]).max() < 2 / 32768


def test_real_speech_is_read(shared):
    for path in sorted((shared / "data" / "speech").glob("*.ogg"))[:5]:
        samples, rate = read_audio(path)
        assert len(samples) > rate / 2 and 0.02 < np.abs(samples).max() <= 1


def test_without_sound(tmp_path):
    with VideoWriter(tmp_path / "silent.mp4", 25) as writer:
        writer.write(np.zeros((48, 64, 3), np.uint8))
    with pytest.raises(InputError, match=r"silent\.mp4: no sound in it"):
        read_audio(tmp_path / "silent.mp4")


def test_other_files_give_one_clear_line(tmp_path):
    (tmp_path / "text.wav").write_text("hello world\n" * 100)
    (tmp_path / "empty.wav").touch()
    (tmp_path / "list.wav").write_text("#EXTM3U\n#EXTINF:1,\nother.wav\n#EXT-X-ENDLIST\n")
    for name, reason in {
        "text.wav": "not a sound or video",
        "list.wav": "not a sound or video",
        "empty.wav": "empty file",
        "gone.wav": "No such file or directory",
    }.items():
        with pytest.raises(InputError) as caught:
            read_audio(tmp_path / name)
        assert str(caught.value) == f"{tmp_path / name}: {reason}"


def test_a_truncated_recording_gives_what_it_has(tmp_path):
    write_audio(tmp_path / "whole.flac", tone(440, 16_000, seconds=2), 16_000)
    content = (tmp_path / "whole.flac").read_bytes()
    (tmp_path / "cut.flac").write_bytes(content[: len(content) // 2])
    samples, rate = read_audio(tmp_path / "cut.flac")
    assert 0.4 < len(samples) / rate < 1.6
    assert pitch(samples, rate) == pytest.approx(440, abs=3)


def test_a_header_without_sound_is_one_line(tmp_path):
    with av.open(str(tmp_path / "none.wav"), "w") as container:
        container.add_stream("pcm_s16le", rate=16_000)
        container.start_encoding()
    with pytest.raises(InputError, match=r"none\.wav: "):
        read_audio(tmp_path / "none.wav")


def test_writing_is_whole_or_not_at_all(tmp_path):
    with pytest.raises(UsageError, match=r"sound\.xyz"):
        write_audio(tmp_path / "sound.xyz", np.zeros(10), 16_000)
    with pytest.raises(MienError, match=r"gone/sound\.wav: No such file"):
        write_audio(tmp_path / "gone" / "sound.wav", np.zeros(10), 16_000)
    assert list(tmp_path.iterdir()) == []
