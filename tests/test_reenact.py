"""``mien reenact``: the face of a video in another person's photo, and what it refuses."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mien.cli import main
from mien.errors import InputError, MienError
from mien.evaluate import reenactment as evaluation
from mien.face import BLENDSHAPES, DLIB_68, Motion
from mien.find.finder import FaceFinder
from mien.head.fit import Fitter
from mien.jobs.animate import animate, prepare
from mien.jobs.person import Watched
from mien.jobs.reenact import held, likest, reenact
from mien.media.audio import write_audio
from mien.media.image import read_image, write_image
from mien.media.provenance import SourceType, read
from mien.media.video import Video, VideoWriter
from mien.systems import load
from mien.systems.reenact.reenactor import Reenactor
from mien.train import checkpoint, engine

ASTRONAUT = Path(__file__).parent.parent / "docs" / "pictures" / "astronaut.jpg"
FRAMES = 6


def run(*args: object) -> int:
    return main(["reenact", *map(str, args)])


def error_line(captured: pytest.CaptureFixture[str]) -> str:
    lines = captured.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    return lines[0].removeprefix("mien: ")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo, and a video with sound in which that face opens its mouth and then turns."""
    folder = tmp_path_factory.mktemp("reenact")
    image = np.ascontiguousarray(read_image(ASTRONAUT)[:240, 100:352])
    write_image(folder / "photo.png", image)
    motion = Motion(10, np.zeros((FRAMES, 52)), np.zeros((FRAMES, 3)))
    motion.expression[2:, BLENDSHAPES.index("jawOpen")] = 0.6
    motion.pose[4:, 0] = 12
    motion.save(folder / "motion.npz")
    write_image(folder / "large.png", cv2.resize(image, None, fx=1.5, fy=1.5))
    animate(folder / "large.png", folder / "motion.npz", folder / "silent.mp4")
    write_audio(folder / "tone.wav", 0.2 * np.sin(np.arange(9600) * 0.2), 16_000)
    join(folder / "silent.mp4", folder / "tone.wav", folder / "driving.mp4")
    return folder


def join(video: Path, tone: Path, out: Path) -> None:
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


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """A run of a tiny FSRT as it was before its first step."""
    torch.manual_seed(0)
    system = load("fsrt").build("tiny")
    engine.write_config(tmp_path / "run", system, system.stages(), {})
    checkpoint.save_tensors(system.state_dict(), tmp_path / "run" / "model.safetensors")
    return tmp_path / "run"


def test_the_photo_moves_as_the_driver_and_sounds_like_him(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.mp4"
    assert run(folder / "photo.png", "--driving", folder / "driving.mp4", "--out", out) == 0
    assert f"{FRAMES} frames" in capsys.readouterr().out
    video = Video(out)
    frames = [frame.image.astype(float) for frame in video.frames()]
    still = read_image(folder / "photo.png")
    assert video.has_audio and len(frames) == FRAMES
    assert frames[0].shape == still.shape
    assert np.abs(frames[5] - still).mean() > np.abs(frames[0] - still).mean() + 0.5
    signed = read(out)
    assert signed is not None and signed.intact
    assert signed.source == SourceType.COMPOSITE


def test_absolute_motion_takes_pose_and_face_as_they_are(folder: Path) -> None:
    finder, fitter = FaceFinder.bundled(), Fitter()
    portrait = prepare(folder / "photo.png", finder, fitter)
    own = portrait.fit.pose
    expression = np.tile(portrait.fit.expression, (3, 1)).astype(float)
    pose = np.tile([own.yaw, own.pitch, own.roll], (3, 1))
    pose[1, 0] += 10
    expression[2] = np.nan
    gaze = np.tile(portrait.fit.gaze, (3, 1, 1)).astype(float)
    frames = list(held(portrait, Motion(10, expression, pose, gaze)))
    found, still = (faces[0].pose for faces in finder.find([frames[1], portrait.image]))
    assert found is not None and still is not None and found.yaw - still.yaw > 5
    assert np.abs(frames[0].astype(int) - portrait.image).mean() < 1  # held as it is in the photo
    assert frames[2] is frames[1]  # where nobody is seen the last picture stays


def test_the_best_of_several_photos_is_moved(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    turned = prepare(folder / "large.png", FaceFinder.bundled(), Fitter()).render(pose=(20, 0, 0))
    write_image(tmp_path / "turned.png", turned)
    args = tmp_path / "turned.png", folder / "photo.png"
    out = tmp_path / "out.mp4"
    assert run(*args, "--driving", folder / "silent.mp4", "--out", out, "--no-credentials") == 0
    assert "photo.png" in capsys.readouterr().out
    assert read(out) is None


@pytest.mark.parametrize("absolute", [False, True])
def test_a_system_draws_the_person(
    absolute: bool, folder: Path, tmp_path: Path, trained: Path
) -> None:
    photos = [folder / "photo.png", folder / "large.png"]
    out = tmp_path / "out.mp4"
    made = reenact(photos, folder / "driving.mp4", out, system="fsrt", run=trained,
                   absolute=absolute)  # fmt: skip
    video = Video(out)
    frames = [frame.image for frame in video.frames()]
    assert made.frames == len(frames) == FRAMES
    assert frames[0].shape == (32, 32, 3) and video.has_audio
    signed = read(out)
    assert signed is not None and signed.source == SourceType.LEARNED


def test_what_a_system_draws_is_what_it_predicts(folder: Path, trained: Path) -> None:
    image = read_image(folder / "photo.png")
    landmarks = FaceFinder.bundled().find([image])[0][0].landmarks
    assert landmarks is not None
    reenactor = Reenactor("fsrt", trained)
    reenactor.meet([image], [landmarks])
    reenactor.begin(None, reenactor.system.crop(landmarks))
    crop = torch.from_numpy(reenactor.portrait.transpose(2, 0, 1).copy())[None].float() / 255
    expected = reenactor.system.predict(crop, crop)[0].permute(1, 2, 0).numpy() * 255
    assert np.abs(reenactor.draw(image) - expected).max() <= 0.51


def test_motion_begins_where_both_faces_are_alike() -> None:
    rng = np.random.default_rng(0)
    face = rng.normal(size=(478, 3))
    grown, other = 3 * face + 50, face.copy()
    other[DLIB_68, 1] *= 1.3
    person = Watched([None, other, grown, other], [0.0, 1, 2, 3], (64, 64), 1)
    assert likest(person, face) == 2


# -- what it refuses -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        (("--system", "fsrt"), 1, "fsrt has no weights on this machine"),
        (("--system", "facenet"), 2, "its task, embedding, is not reenactment; there are: fsrt"),
        (("--system", "none"), 2, "no system is called 'none'"),
        (("--run", "somewhere"), 2, "say which, with --system SLUG"),
        (("--face", "7"), 2, "no face 7"),
        (("--driving", "photo.png"), 1, "photo.png: a picture; what drives is a video"),
        (("--driving", "nowhere.mp4"), 1, "nowhere.mp4"),
        (("--out", "out.gif"), 2, "video is written as"),
        (("--out", "driving.mp4"), 2, "is an input"),
    ],
)
def test_a_request_that_cannot_be_served_is_one_line(
    more: tuple[str, ...], code: int, said: str, folder: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(folder)
    usual = ("photo.png", "--driving", "driving.mp4", "--out", "refused.mp4")
    assert run(*usual, *more) == code
    assert said in error_line(capsys)
    assert not list(folder.glob("*refused*")) and not list(folder.glob("*.gif"))


def test_a_video_without_a_face_drives_nothing(folder: Path, tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "grey.mp4", 10) as video:
        for _ in range(3):
            video.write(np.full((96, 96, 3), 120, np.uint8))
    with pytest.raises(InputError, match="no face in it"):
        reenact([folder / "photo.png"], tmp_path / "grey.mp4", tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()


def test_a_missing_device_is_an_error(trained: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one here")
    with pytest.raises(MienError, match="cuda"):
        Reenactor("fsrt", trained, device="cuda")


# -- how well ------------------------------------------------------------------------------------


def test_a_clip_is_its_own_best_reenactment(folder: Path) -> None:
    driving = folder / "silent.mp4"
    found = evaluation.measure(driving, driving, folder / "large.png", same=True)
    assert found["csim"] > 0.9
    assert found["aed"] == found["apd"] == found["unseen"] == 0
    assert found["flicker"] == found["driving_flicker"] > 0
    assert found["psnr"] == evaluation.EQUAL and found["ssim"] == pytest.approx(1)


def test_what_stands_still_does_not_move_as_the_driver(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with VideoWriter(tmp_path / "still.mp4", 10) as video:
        for _ in range(FRAMES):
            video.write(read_image(folder / "photo.png"))
    args = ["evaluate", "reenactment", str(tmp_path / "still.mp4"), "--driving",
            str(folder / "silent.mp4"), "--portrait", str(folder / "photo.png")]  # fmt: skip
    assert main([*args, "--out", str(tmp_path / "found.json")]) == 0
    found = json.loads((tmp_path / "found.json").read_text())["results"]
    assert f"csim{'':18}" in capsys.readouterr().out
    assert found["csim"] > 0.8 and found["flicker"] < found["driving_flicker"]
    assert found["apd_change"] > 1 and found["aed_change"] > 0.005
    assert main([*args, "--same"]) == 1
    assert "against" in error_line(capsys)
