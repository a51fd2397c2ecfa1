"""``mien animate`` with a voice: sound of all kinds, lips that meet, and what it refuses."""

import io
import sys
import time
import wave
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
import soundfile
from av.stream import Disposition

from mien.cli import main
from mien.errors import InputError, MienError, UsageError
from mien.face import BLENDSHAPES, Motion
from mien.find.finder import FaceFinder
from mien.head.fit import Fitter
from mien.head.portrait import Portrait
from mien.head.speaking import Speaker
from mien.jobs.animate import covered, prepare
from mien.jobs.animate_sound import RATE, Voice, coming_in, pieces, recorded
from mien.jobs.animate_voice import Driver, Manner, joined, listen, manner_of, motions, speak
from mien.jobs.animate_write import Encoder
from mien.media import provenance
from mien.media.audio import read_audio
from mien.media.image import read_image, write_image
from mien.media.video import Video, VideoWriter

ASTRONAUT = Path(__file__).parent.parent / "docs" / "pictures" / "astronaut.jpg"
CURVE = {name: i for i, name in enumerate(BLENDSHAPES)}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def portrait() -> Portrait:
    return prepare(ASTRONAUT, FaceFinder.bundled(), Fitter(), size=256)


def hum(rate: int = RATE, seconds: float = 0.5, silent: float = 0.0) -> np.ndarray:
    """A buzzing voice that begins after ``silent`` seconds."""
    time = np.arange(round(rate * seconds)) / rate
    return 0.3 * np.sign(np.sin(2 * np.pi * 130 * time)) * (time >= silent)


def error_line(captured: pytest.CaptureFixture[str]) -> str:
    lines = captured.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    return lines[0].removeprefix("mien: ")


def run(*args: object) -> int:
    return main(["animate", *map(str, args)])


def heard(path: str | Path) -> np.ndarray:
    return np.concatenate(list(pieces(path)))


def moved(path: str | Path, fps: float = 25, **manner) -> Motion:
    with recorded(path) as voice:
        return joined(list(motions(voice, listen(Driver(), voice.rate, fps, Manner(**manner)))))


# -- from end to end -------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_photo_speaks_in_time_with_its_voice(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    soundfile.write("voice.wav", hum(seconds=0.95, silent=0.4), RATE)
    args = ("--audio", "voice.wav", "--size", 128, "--fps", 20, "--seed", 3)
    assert run(ASTRONAUT, *args, "--out", "out.mp4", "--motion-out", "take.csv") == 0
    assert "19 frames" in capsys.readouterr().out
    video = Video("out.mp4")
    frames = [frame.image for frame in video.frames()]
    assert video.fps == 20
    assert len(frames) == 19
    assert frames[0].shape == (128, 128, 3)
    sound, _ = read_audio("out.mp4")
    assert np.flatnonzero(np.abs(sound) > 0.1)[0] / RATE == pytest.approx(0.4, abs=0.05)
    found = provenance.read("out.mp4")
    assert found is not None and found.intact
    assert found.source == provenance.SourceType.COMPOSITE
    motion = Motion.load("take.csv", fps=20)
    assert len(motion) == 19
    np.testing.assert_allclose(motion.expression, moved("voice.wav", 20, seed=3).expression,
                               atol=1e-6)  # fmt: skip

    assert run(ASTRONAUT, *args, "--out", "again.mp4", "--quiet") == 0
    again = [frame.image for frame in Video("again.mp4").frames()]
    np.testing.assert_array_equal(frames, again)


def test_a_voice_on_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = (hum(8000, 0.4) * 32767).astype("<i2").tobytes()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(sound + b"\1")))
    spoken = speak(ASTRONAUT, "out.mp4", audio="-", rate=8000, size=128, fps=10, mark=True)
    assert spoken.frames == 4
    assert spoken.latency is not None and 0 < spoken.latency[0] <= spoken.latency[1]
    assert len(list(Video("out.mp4").frames())) == 4
    assert len(read_audio("out.mp4")[0]) / RATE == pytest.approx(0.4, abs=0.15)
    found = provenance.read("out.mp4")
    assert found is not None and found.intact


# -- sound -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "channels", "subtype"),
    [(8000, 1, "PCM_16"), (96_000, 1, "PCM_24"), (44_100, 2, "PCM_16"), (48_000, 6, "PCM_16"),
     (16_000, 1, "FLOAT")],
)  # fmt: skip
def test_sound_of_all_kinds_is_heard(rate: int, channels: int, subtype: str) -> None:
    sound = np.repeat(hum(rate, silent=0.2)[:, None], channels, 1)
    soundfile.write("voice.wav", sound, rate, subtype)
    got = heard("voice.wav")
    assert len(got) / RATE == pytest.approx(0.5, abs=0.01)
    assert np.flatnonzero(np.abs(got) > 0.05)[0] / RATE == pytest.approx(0.2, abs=0.005)
    motion = moved("voice.wav")
    assert len(motion) == 13
    jaw = motion.expression[:, CURVE["jawOpen"]]
    assert jaw[8:].max() > jaw[:3].max() + 0.02


def test_what_is_no_number_is_silent() -> None:
    sound = hum().astype(np.float32)
    sound[1000:2000], sound[3000], sound[4000] = np.nan, np.inf, 1e9
    soundfile.write("voice.wav", sound, RATE, "FLOAT")
    assert np.isfinite(heard("voice.wav")).all()
    assert np.isfinite(moved("voice.wav").expression).all()
    with recorded("voice.wav") as voice:
        assert voice.track is not None
        kept, _ = soundfile.read(voice.track)
    assert np.isfinite(kept).all()
    assert not kept[1000:2000].any()
    assert len(kept) == len(sound)


def test_silence_leaves_the_mouth_closed() -> None:
    soundfile.write("voice.wav", np.zeros(RATE), RATE)
    motion = moved("voice.wav")
    assert len(motion) == 25
    assert motion.expression[:, CURVE["jawOpen"]].max() < 0.01


def test_a_truncated_recording_is_heard_to_its_end() -> None:
    soundfile.write("voice.wav", hum(), RATE)
    whole = Path("voice.wav").read_bytes()
    Path("cut.wav").write_bytes(whole[: len(whole) // 2])
    assert len(heard("cut.wav")) == pytest.approx(len(hum()) / 2, abs=RATE / 50)


def _video(path: str, sound: str | None) -> None:
    with VideoWriter(path, 10, sound) as video:
        for _ in range(6):
            video.write(np.zeros((64, 64, 3), np.uint8))


def test_the_sound_of_a_video_is_a_voice() -> None:
    soundfile.write("voice.wav", hum(seconds=0.6, silent=0.3), RATE)
    _video("talk.mkv", "voice.wav")
    got = heard("talk.mkv")
    assert np.flatnonzero(np.abs(got) > 0.1)[0] / RATE == pytest.approx(0.3, abs=0.03)


def test_a_recording_with_a_cover_picture_is_heard() -> None:
    soundfile.write("voice.wav", hum(), RATE)
    with av.open("voice.wav") as heard_, av.open("song.m4a", "w", format="mp4") as song:
        cover = song.add_stream("mjpeg")
        cover.width = cover.height = 32
        cover.pix_fmt = "yuvj420p"
        cover.disposition = Disposition.attached_pic
        voice = song.add_stream("aac", rate=RATE)
        picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8)).reformat(
            format="yuvj420p"
        )
        song.mux(cover.encode(picture))
        song.mux(cover.encode(None))
        for frame in heard_.decode(audio=0):
            song.mux(voice.encode(frame))
        song.mux(voice.encode(None))
    with recorded("song.m4a") as song_voice:
        assert sum(map(len, song_voice.pieces)) / RATE == pytest.approx(0.5, abs=0.1)
        with VideoWriter("out.mp4", 10, song_voice.track) as video:
            for _ in range(5):
                video.write(np.zeros((64, 64, 3), np.uint8))
    assert np.abs(read_audio("out.mp4")[0]).max() > 0.1


def _not_sound(name: str) -> None:
    if name == "zero.wav":
        Path(name).touch()
    elif name == "empty.wav":
        soundfile.write(name, np.zeros(0), RATE)
    elif name == "text.wav":
        Path(name).write_text("RIFF, as it were")
    elif name == "mute.mp4":
        _video(name, None)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("missing.wav", "No such file"),
        ("zero.wav", "empty file"),
        ("empty.wav", "no sound can be decoded"),
        ("text.wav", "not a sound"),
        ("mute.mp4", "no sound in it"),
    ],
)
def test_what_is_no_sound(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str, said: str
) -> None:
    _not_sound(name)
    assert run(ASTRONAUT, "--audio", name, "--size", 128, "--out", "out.mp4") == 1
    line = error_line(capsys)
    assert line.startswith(name)
    assert said in line
    assert not list(folder.glob("*out*"))


def test_nothing_on_standard_input() -> None:
    with coming_in(RATE, io.BytesIO()) as voice, pytest.raises(InputError, match="no sound came"):
        list(voice.pieces)
    with pytest.raises(UsageError, match="samples a second"), coming_in(3):
        pass


def test_hours_of_sound_are_read_as_they_are_needed(folder: Path) -> None:
    """Three hours, of which a minute is heard, at once and piece by piece."""
    with wave.open("long.wav", "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.setnframes(3 * 3600 * 8000)
        file.writeframesraw(b"")
    header = Path("long.wav").stat().st_size
    data = bytearray(Path("long.wav").read_bytes())
    size = 3 * 3600 * 8000 * 2
    data[4:8] = (size + 36).to_bytes(4, "little")
    data[40:44] = size.to_bytes(4, "little")
    Path("long.wav").write_bytes(data)
    with open("long.wav", "r+b") as file:
        file.truncate(header + size)  # zeros that take no room
    begun, count, most = time.process_time(), 0, 0
    with recorded("long.wav") as voice:
        assert voice.seconds == pytest.approx(3 * 3600, abs=1)
        for piece in voice.pieces:
            count, most = count + len(piece), max(most, len(piece))
            if count > 60 * RATE:
                break
    assert most < 10 * RATE
    assert time.process_time() - begun < 2


def test_a_stream_is_heard_no_faster_than_one_listens() -> None:
    voice = Voice(iter([hum().astype(np.float32)]))
    begun = time.monotonic()
    motion = joined(list(motions(voice, listen(Driver(), RATE, 25, Manner()), stream=True)))
    assert time.monotonic() - begun >= 0.5
    soundfile.write("voice.wav", hum(), RATE, "FLOAT")
    np.testing.assert_allclose(motion.expression, moved("voice.wav").expression, atol=0.02)


# -- the face --------------------------------------------------------------------------------------


def test_a_seed_changes_the_head_and_not_the_lips() -> None:
    soundfile.write("voice.wav", hum(seconds=3), RATE)
    first, same, other = (moved("voice.wav", seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.expression, same.expression)
    np.testing.assert_array_equal(first.pose, same.pose)
    mouth = [i for name, i in CURVE.items() if name.startswith(("jaw", "mouth"))]
    np.testing.assert_array_equal(first.expression[:, mouth], other.expression[:, mouth])
    assert np.abs(first.pose - other.pose).max() > 0.1


def parted(speaker: Speaker, expression: np.ndarray) -> float:
    """How far the lips that are drawn are apart, mm."""
    fit, model = speaker.portrait.fit, speaker.portrait.model
    x = model.vertices(fit.identity, speaker.weights(expression), fit.gaze)
    return float(-(model.lips.gap @ x[model.lips.margin, 1]).min())


def test_lips_of_a_smile_meet_where_those_of_the_voice_do(portrait: Portrait) -> None:
    assert portrait.opening > 4  # teeth show in the photo
    speaker = Speaker(portrait)
    assert parted(speaker, np.zeros(52)) < 0.2
    open_ = np.zeros(52)
    open_[CURVE["jawOpen"]] = 0.4
    model = portrait.model
    alone = model.vertices(portrait.fit.identity, open_)
    wide = float(-(model.lips.gap @ alone[model.lips.margin, 1]).min())
    assert parted(speaker, open_) == pytest.approx(wide, abs=2.5)
    smile = speaker.weights(np.zeros(52))[CURVE["mouthSmileLeft"]]
    assert 0.2 < smile < portrait.fit.expression[CURVE["mouthSmileLeft"]]
    round_ = np.zeros(52)
    round_[CURVE["mouthPucker"]] = 0.8
    assert speaker.weights(round_)[CURVE["mouthSmileLeft"]] < 0.05


def test_closed_lips_show_no_teeth(portrait: Portrait) -> None:
    """Where the photo shows teeth between the lips, a mouth that is closed shows lips."""
    still = Motion(25, np.zeros((1, 52)), np.zeros((1, 3)), np.zeros((1, 2, 2)))
    frame = Speaker(portrait).draw(still, 0)
    points = portrait.model.landmarks(portrait.fit.vertices(portrait.model))
    x, y = portrait.fit.camera.project(points)[[13, 14], :2].mean(0).astype(int)
    part = np.s_[y - 8 : y + 8, x - 10 : x + 10]

    def white(image: np.ndarray) -> int:
        red, green = image[part][..., 0].astype(int), image[part][..., 1].astype(int)
        return int((red - green < 25).sum())

    assert white(portrait.image) > 40
    assert white(frame) < white(portrait.image) / 3


def test_a_covered_mouth_is_seen() -> None:
    image = read_image(ASTRONAUT).copy()
    landmarks = FaceFinder.bundled().find([image])[0][0].landmarks
    assert landmarks is not None
    assert not covered(image, landmarks)
    assert not covered(image.mean(2, keepdims=True).repeat(3, 2).astype(np.uint8), landmarks)
    top, bottom = landmarks[[195, 152], 1].astype(int)
    left, right = landmarks[[234, 454], 0].astype(int)
    image[top : bottom + 4, left:right] = (120, 160, 190)
    assert covered(image, landmarks)


def test_a_wall_does_not_speak(capsys: pytest.CaptureFixture[str]) -> None:
    soundfile.write("voice.wav", hum(seconds=0.1), RATE)
    write_image("wall.png", np.full((200, 200, 3), 128, np.uint8))
    assert run("wall.png", "--audio", "voice.wav", "--out", "out.mp4") == 1
    assert error_line(capsys) == "wall.png: no face in it"


# -- options ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "what moves the face?"),
        (("--audio", "voice.wav", "--say", "Hi"), "what moves the face?"),
        (("--audio", "voice.wav"), "nothing to write"),
        (("--audio", "voice.wav", "--out", "out.gif"), "video is written as"),
        (("--audio", "voice.wav", "--motion-out", "out.txt"), "this is written as .csv, .npz"),
        (("--audio", "voice.wav", "--out", "o.mp4", "--strength", 2), "means nothing with a voice"),
        (("--audio", "voice.wav", "--out", "o.mp4", "--voice", "de"), "means nothing with --audio"),
        (("--motion", "a.csv", "--out", "o.mp4", "--seed", 2), "means nothing with --motion"),
        (("--audio", "voice.wav", "--out", "o.mp4", "--emotion", "happy:2"), "0 to 1"),
        (("--audio", "voice.wav", "--out", "o.mp4", "--emotion", "hungry"), "no emotion"),
        (("--audio", "voice.wav", "--out", "o.mp4", "--style", "gothic"), "no style"),
        (("--audio", "voice.wav", "--out", "o.mp4", "--driver", "facenet"), "no driver"),
        (("--audio", "voice.wav", "--out", "o.mp4", "--fps", 0), "--fps is"),
        (("--audio", "voice.wav", "--out", "o.mp4", "--size", 13), "a size is an even number"),
    ],
)
def test_options_that_do_not_fit(
    folder: Path, capsys: pytest.CaptureFixture[str], args: tuple, said: str
) -> None:
    soundfile.write("voice.wav", hum(seconds=0.1), RATE)
    assert run(ASTRONAUT, *args) == 2
    assert said in error_line(capsys)
    assert not list(folder.glob("*o*.mp4"))


def test_manners() -> None:
    assert manner_of(None, "calm", 4) == Manner(style="calm", seed=4)
    assert manner_of("happy:0.25") == Manner("happiness", 0.25)
    with pytest.raises(UsageError, match="how much of it"):
        manner_of("happy:very")


def test_without_espeak_there_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    assert run(ASTRONAUT, "--say", "Hello", "--out", "out.mp4") == 1
    assert "pip install 'mien[speech]'" in error_line(capsys)


def test_a_text_is_said() -> None:
    pytest.importorskip("espeakng_loader")
    speak(ASTRONAUT, motion_out="take.npz", text="Mama.", voice="en-gb+f2", size=128)
    motion = Motion.load("take.npz")
    assert 10 < len(motion) < 40
    assert motion.expression[:, CURVE["jawOpen"]].max() > 0.05


# -- writing ---------------------------------------------------------------------------------------


def test_an_error_in_the_encoder_leaves_nothing(folder: Path) -> None:
    with pytest.raises(ValueError, match="a frame of"), Encoder(VideoWriter("o.mp4", 10)) as video:
        video.write(np.zeros((64, 64, 3), np.uint8))
        for _ in range(8):
            video.write(np.zeros((32, 64, 3), np.uint8))
    assert not list(folder.iterdir())
    with pytest.raises(MienError, match="no frames"), Encoder(VideoWriter("o.mp4", 10)):
        pass
    assert not list(folder.iterdir())
