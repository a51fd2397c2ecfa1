"""``mien animate``: from a photo and a motion to a video, and what it refuses."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.cli import main
from mien.errors import InputError
from mien.face import BLENDSHAPES, Motion
from mien.find.finder import FaceFinder
from mien.head.fit import Fitter
from mien.jobs.animate import LARGEST_SIDE, animate, demo_motion, prepare, watch
from mien.media.audio import write_audio
from mien.media.image import read_image, write_image
from mien.media.video import Video, VideoWriter

ASTRONAUT = Path(__file__).parent.parent / "docs" / "pictures" / "astronaut.jpg"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def photo(folder: Path) -> Path:
    """The astronaut's head as a file of its own."""
    path = folder / "photo.png"
    write_image(path, np.ascontiguousarray(read_image(ASTRONAUT)[:240, 100:352]))
    return path


@pytest.fixture
def hello(folder: Path) -> Path:
    path = folder / "hello.npz"
    demo_motion(fps=10, seconds=1).save(path)
    return path


def error_line(captured: pytest.CaptureFixture[str]) -> str:
    lines = captured.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    return lines[0].removeprefix("mien: ")


def run(*args: object) -> int:
    return main(["animate", *map(str, args)])


def test_writes_a_video_of_the_motion(
    photo: Path, hello: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(photo, "--motion", hello, "--out", "out.mp4") == 0
    assert "10 frames" in capsys.readouterr().out
    video = Video("out.mp4")
    frames = [frame.image for frame in video.frames()]
    still = read_image(photo)
    assert video.fps == 10
    assert len(frames) == 10
    assert frames[0].shape == still.shape
    change = [np.abs(frame.astype(float) - still).mean() for frame in frames]
    assert change[0] < 3  # what coding loses
    assert max(change) > change[0] + 1


def test_reads_a_live_link_recording(photo: Path, folder: Path) -> None:
    demo_motion(fps=30, seconds=0.2).save(folder / "take.csv")
    assert run(photo, "--motion", "take.csv", "--fps", 30, "--out", "out.mp4", "--quiet") == 0
    assert len(list(Video("out.mp4").frames())) == 6


def test_strength_scales_the_motion(photo: Path, hello: Path) -> None:
    still = read_image(photo).astype(float)
    change = []
    for strength in (0, 1):
        animate(photo, hello, "out.mp4", strength=strength)
        frames = [frame.image for frame in Video("out.mp4").frames()]
        change.append(max(np.abs(frame - still).mean() for frame in frames))
    assert change[0] < change[1] - 1


def test_demo_motion_says_hello() -> None:
    motion = demo_motion(fps=25, seconds=4)
    assert len(motion) == 100
    assert np.isfinite(motion.expression).all()
    assert motion.expression.min() >= 0
    assert motion.expression.max() <= 1
    for name in ("eyeBlinkLeft", "mouthSmileRight", "jawOpen"):
        assert motion.expression[:, BLENDSHAPES.index(name)].max() > 0.3
    for ends in (0, -1):
        assert not motion.expression[ends].any()
        assert not motion.pose[ends].any()
    assert motion.pose[:, 1].min() < -5


# -- a video that drives -------------------------------------------------------------------------


@pytest.fixture
def driving(photo: Path, folder: Path) -> Path:
    """The astronaut, moved by mien, with sound: truth is known."""
    path, sound = folder / "driving.mp4", folder / "sound.mp4"
    motion = Motion(10, np.zeros((8, 52)), np.zeros((8, 3)))
    motion.expression[4:, BLENDSHAPES.index("jawOpen")] = 0.6
    motion.pose[6:, 0] = 12
    motion.save("driving.npz")
    large = cv2.resize(read_image(photo), None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    write_image("large.png", large)
    animate("large.png", "driving.npz", sound)
    write_audio("tone.wav", 0.2 * np.sin(np.arange(12_800) * 0.2), 16_000)
    _join(sound, Path("tone.wav"), path)
    return path


def _join(video: Path, tone: Path, out: Path) -> None:
    """Put sound under a video."""
    import av

    with av.open(str(tone)) as heard, av.open(str(video)) as seen, av.open(str(out), "w") as both:
        stream = both.add_stream_from_template(seen.streams.video[0])
        voice = both.add_stream("aac", rate=16_000)
        for packet in seen.demux(seen.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                both.mux(packet)
        for frame in heard.decode(audio=0):
            both.mux(voice.encode(frame))
        both.mux(voice.encode(None))


def test_a_video_drives_by_what_it_shows(photo: Path, driving: Path) -> None:
    read = watch(driving, FaceFinder.bundled(), Fitter())
    jaw = read.motion.expression[:, BLENDSHAPES.index("jawOpen")]
    assert len(read.motion) == 8
    assert jaw[5] > jaw[1] + 0.2
    assert read.motion.pose[7, 0] - read.motion.pose[1, 0] == pytest.approx(12, abs=5)
    assert animate(photo, driving, "out.mp4") == 8
    assert Video("out.mp4").has_audio
    assert len(list(Video("out.mp4").frames())) == 8


# -- what it refuses -----------------------------------------------------------------------------


def test_no_face(folder: Path, hello: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_image("wall.png", np.full((200, 200, 3), 128, np.uint8))
    assert run("wall.png", "--motion", hello, "--out", "out.mp4") == 1
    assert error_line(capsys) == "wall.png: no face in it"
    assert not list(folder.glob("*out*"))


def test_several_faces_need_a_choice(
    photo: Path, hello: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = read_image(photo)
    ground = np.full_like(one, 200)
    write_image("two.png", np.hstack([one, ground, one]))
    assert run("two.png", "--motion", hello, "--out", "out.mp4") == 2
    assert "2 faces; choose one by --face" in error_line(capsys)
    assert run("two.png", "--motion", hello, "--out", "out.mp4", "--face", 3) == 2
    assert "no face 3" in error_line(capsys)
    assert run("two.png", "--motion", hello, "--out", "out.mp4", "--face", "left") == 2
    assert "a number from 1 on, or largest" in error_line(capsys)
    assert not list(folder.glob("*out*"))
    assert run("two.png", "--motion", hello, "--out", "out.mp4", "--face", "2", "--quiet") == 0


def test_a_tiny_face_is_refused(
    photo: Path, hello: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = cv2.resize(read_image(photo), None, fx=0.33, fy=0.33, interpolation=cv2.INTER_AREA)
    write_image("small.png", small)
    assert run("small.png", "--motion", hello, "--out", "out.mp4") == 1
    assert "too small to be moved" in error_line(capsys)


def test_a_face_that_is_cut_off_is_refused(hello: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_image("half.png", np.ascontiguousarray(read_image(ASTRONAUT)[:240, 100:245]))
    assert run("half.png", "--motion", hello, "--out", "out.mp4") == 1
    assert "border cuts off" in error_line(capsys)


def _broken(name: str) -> None:
    path = Path(name)
    if name == "empty.npz":
        path.write_bytes(b"")
    elif name == "text.csv":
        path.write_text("a,b\n1,2\n")
    elif name == "noise.mp4":
        path.write_bytes(bytes(range(256)) * 20)
    elif name == "still.png":
        shutil.copy(ASTRONAUT, path)
    elif name == "none.npz":
        Motion(25, np.zeros((0, 52)), np.zeros((0, 3))).save(path)
    elif name == "unseen.npz":
        Motion(25, np.full((5, 52), np.nan), np.full((5, 3), np.nan)).save(path)
    elif name == "wall.mp4":
        with VideoWriter(path, 10) as video:
            for _ in range(3):
                video.write(np.full((64, 64, 3), 90, np.uint8))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("missing.npz", "No such file"),
        ("empty.npz", "empty file"),
        ("text.csv", "not a motion"),
        ("noise.mp4", "not an image or video"),
        ("still.png", "a picture; a motion is"),
        ("none.npz", "without frames"),
        ("unseen.npz", "shows no face"),
        ("wall.mp4", "no face in it"),
    ],
)
def test_what_is_no_motion(
    photo: Path, folder: Path, capsys: pytest.CaptureFixture[str], name: str, said: str
) -> None:
    _broken(name)
    assert run(photo, "--motion", name, "--out", "out.mp4") == 1
    line = error_line(capsys)
    assert line.startswith(name)
    assert said in line
    assert not list(folder.glob("*out*"))


@pytest.mark.parametrize(
    ("out", "code", "said"),
    [
        ("out.gif", 2, "video is written as"),
        ("nowhere/out.mp4", 1, "does not exist"),
        ("hello.mp4", 2, "is a folder"),
    ],
)
def test_outputs_that_cannot_be_are_refused_at_once(
    hello: Path, folder: Path, capsys: pytest.CaptureFixture[str], out: str, code: int, said: str
) -> None:
    (folder / "hello.mp4").mkdir()
    assert run("photo-that-is-not-there.png", "--motion", hello, "--out", out) == code
    assert said in error_line(capsys)


def test_the_input_is_not_overwritten(
    photo: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with VideoWriter("take.mp4", 10) as video:
        video.write(read_image(photo))
    before = (folder / "take.mp4").read_bytes()
    assert run(photo, "--motion", "take.mp4", "--out", "take.mp4") == 2
    assert "is an input" in error_line(capsys)
    assert (folder / "take.mp4").read_bytes() == before


def test_broken_portraits(hello: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "cut.png").write_bytes(ASTRONAUT.read_bytes()[:2000])
    for name in ("cut.png", "nothing.png"):
        assert run(name, "--motion", hello, "--out", "out.mp4") == 1
        assert error_line(capsys).startswith(name)


def test_a_strength_out_of_range(photo: Path, hello: Path) -> None:
    assert run(photo, "--motion", hello, "--out", "out.mp4", "--strength", 7) == 2


def test_large_photos_are_reduced() -> None:
    whole = read_image(ASTRONAUT)
    write_image("large.jpg", cv2.resize(whole, (2400, 2400)))
    portrait = prepare("large.jpg", FaceFinder.bundled(), Fitter())
    assert max(portrait.image.shape) == LARGEST_SIDE
    with pytest.raises(InputError, match="no face"):
        write_image("none.png", np.zeros((50, 50, 3), np.uint8))
        prepare("none.png", FaceFinder.bundled(), Fitter())
