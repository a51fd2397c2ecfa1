"""``mien reconstruct``: what it writes, that other programs read it, awkward faces, bad input."""

import csv
import json
import shutil
import tempfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import trimesh
from PIL import Image
from test_bad_input import as_ordinary_user
from test_head_export import Gltf

from mien.cli import main
from mien.errors import InputError, MienError, UsageError
from mien.face import BLENDSHAPES, LIVE_LINK_COLUMNS, Motion
from mien.find.finder import FaceFinder
from mien.head.camera import Perspective
from mien.head.look import Skin, draw, portrait_camera, studio_light
from mien.head.model import MATERIALS, HeadModel
from mien.jobs import reconstruct as job
from mien.jobs.reconstruct import Reconstruction, reconstruct, run_reconstruct, turn, write
from mien.media.image import read_image, write_image
from mien.media.video import Video, VideoWriter

ASTRONAUT = Path(__file__).parent.parent / "docs" / "pictures" / "astronaut.jpg"
FILES = {
    *("head.glb", "head.obj", "head.mtl", "head.npz", "head.json", "fit.png", "turntable.mp4"),
    *(f"head_{material}.png" for material in MATERIALS),
}
FACE = np.s_[20:212, 130:322]  # of the astronaut


def run(*args: object) -> int:
    return main(["reconstruct", *map(str, args)])


def error_line(captured: pytest.CaptureFixture[str]) -> str:
    lines = captured.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    return lines[0].removeprefix("mien: ")


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Reconstruction]:
    """The astronaut's head and the folder of its files; the turntable is a short one."""
    out = tmp_path_factory.mktemp("astronaut") / "new" / "head"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "TURN_SECONDS", 1.0)
        (one,) = run_reconstruct(ASTRONAUT, out)
    return out, one


@pytest.fixture(scope="module")
def written(made: tuple[Path, Reconstruction]) -> Path:
    return made[0]


@pytest.fixture(scope="module")
def head(made: tuple[Path, Reconstruction]) -> Reconstruction:
    return made[1]


@pytest.fixture(scope="module")
def model() -> HeadModel:
    return HeadModel.bundled()


# -- a photo ---------------------------------------------------------------------------------------


def test_all_files_are_there(written: Path) -> None:
    assert names(written) == FILES


def test_the_glb_is_a_rigged_head_in_metres(written: Path) -> None:
    gltf = Gltf(written / "head.glb")
    (mesh,) = gltf.document["meshes"]
    assert mesh["extras"]["targetNames"] == list(BLENDSHAPES)
    assert "animations" not in gltf.document
    images = {image["name"] for image in gltf.document["images"]}
    assert images == set(MATERIALS)
    scene = trimesh.load(written / "head.glb")
    height = scene.bounds[1][1] - scene.bounds[0][1]
    assert 0.25 < height < 0.5 and np.isfinite(scene.bounds).all()


def test_the_obj_is_the_same_head_in_millimetres(written: Path) -> None:
    obj = trimesh.load(written / "head.obj", process=False)
    glb = trimesh.load(written / "head.glb")
    np.testing.assert_allclose(obj.bounds, glb.bounds * 1000, atol=0.1)
    lines = (written / "head.obj").read_text().splitlines()
    corners = np.array([line.split()[1:] for line in lines if line.startswith("v ")], float)
    assert corners.shape == (13000, 3) and np.isfinite(corners).all()
    with Image.open(written / "head_face.png") as texture:
        assert texture.size == (1024, 1024)


def test_the_code_makes_the_head_again(
    written: Path, head: Reconstruction, model: HeadModel
) -> None:
    with np.load(written / "head.npz", allow_pickle=False) as arrays:
        code = dict(arrays)
    for name, values in code.items():
        assert values.dtype == np.float32 and np.isfinite(values).all(), name
    camera = Perspective(
        focal=code["focal"], centre=code["centre"],
        rotation=code["rotation"], translation=code["translation"],
    )  # fmt: skip
    vertices = model.vertices(code["identity"], code["expression"], code["gaze"])
    assert (vertices == head.fit.vertices(model)).all()
    assert (code["light"] == head.captured.light).all()
    (face,) = FaceFinder.bundled().find([read_image(ASTRONAUT)])[0]
    assert face.landmarks is not None
    away = camera.project(model.landmarks(vertices))[:, :2] - face.landmarks[:, :2]
    assert np.linalg.norm(away, axis=1).mean() < 2, "pixels"
    assert code["light"].shape == (9, 3)


def test_the_summary_is_strict_json_and_says_what_it_is(
    written: Path, head: Reconstruction
) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    told = json.loads((written / "head.json").read_text(), parse_constant=refuse)
    assert told["synthetic"] is True and told["source"] == "astronaut.jpg"
    assert told["quality"] == round(head.quality, 3) > 0.75
    assert list(told["expression"]) == list(BLENDSHAPES)
    assert told["expression"]["mouthSmileLeft"] > 0.2 < told["expression"]["mouthSmileRight"]
    assert all(0 <= value <= 1 for value in told["expression"].values())
    assert abs(told["pose_degrees"]["yaw"]) < 10 and 300 < told["distance_mm"] < 4000
    assert told["landmark_error_percent"] < 2 and 90 < told["face_pixels"] < 110


def test_the_fit_is_drawn_beside_the_photo(written: Path) -> None:
    photo, shape, textured = np.split(read_image(written / "fit.png"), 3, axis=1)
    image = read_image(ASTRONAUT)
    assert photo.shape == image.shape and (photo == image).all()
    face = np.s_[70:170, 185:265]
    assert np.abs(shape[face].astype(int) - image[face]).mean() > 20
    assert np.abs(textured[face].astype(int) - image[face]).mean() < 12, "looks like the photo"
    assert (textured[300:] == image[300:]).all()


def test_the_turntable_turns_once(written: Path, head: Reconstruction, model: HeadModel) -> None:
    frames = [frame.image for frame in Video(written / "turntable.mp4").frames()]
    assert len(frames) == job.TURN_RATE == Video(written / "turntable.mp4").fps
    assert frames[0].shape == (512, 512, 3)
    first = next(turn(head.fit, model, Skin.of(model, head.captured.textures)))
    assert np.abs(frames[0].astype(int) - first).mean() < 4
    half, last = frames[len(frames) // 2].astype(int), frames[-1].astype(int)
    assert np.abs(half - first).mean() > 1.2 * np.abs(last - first).mean(), "it is seen from behind"


# -- several faces ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def couple(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture with a large face on the right and a smaller one, mirrored, on the left."""
    face = read_image(ASTRONAUT)[FACE]
    small = cv2.resize(face[:, ::-1], (144, 144), interpolation=cv2.INTER_AREA)
    picture = np.full((192, 336, 3), 128, np.uint8)
    picture[:, 144:] = face
    picture[:144, :144] = small
    path = tmp_path_factory.mktemp("couple") / "couple.png"
    write_image(path, picture)
    return path


def test_of_several_faces_one_has_to_be_chosen(
    couple: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(couple, "--out", tmp_path / "out") == 2
    line = error_line(capsys)
    assert str(couple) in line and "--face" in line and "2" in line
    assert run(couple, "--out", tmp_path / "out", "--face", 3) == 2
    assert "no face 3" in error_line(capsys)
    for wrong in ("0", "nose", "1.5"):
        assert run(couple, "--out", tmp_path / "out", "--face", wrong) == 2
        error_line(capsys)
    assert not (tmp_path / "out").exists()


def test_each_face_has_a_folder_under_its_number(
    couple: Path,
    head: Reconstruction,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(job, "capture", lambda *args: head.captured)  # slow
    out = tmp_path / "out"
    assert run(couple, "--out", out, "--face", "all", "--no-turntable") == 0
    each = FILES - {"turntable.mp4"}
    assert names(out) == {f"face-{n}/{name}" for n in (1, 2) for name in each}
    first, second = (json.loads((out / f"face-{n}" / "head.json").read_text()) for n in (1, 2))
    assert second["face_pixels"] == pytest.approx(first["face_pixels"] * 0.75, rel=0.1)
    assert second["quality"] < first["quality"]
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines[:2]] == ["face 1", "face 2"]
    for number, half in ((1, slice(144, None)), (2, slice(0, 144))):
        before, _, after = np.split(read_image(out / f"face-{number}" / "fit.png"), 3, axis=1)
        changed = (before != after).any((0, 2))
        assert changed[half].sum() > 40 and changed.sum() - changed[half].sum() < 20


def test_the_number_says_which_face(
    couple: Path, head: Reconstruction, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "capture", lambda *args: head.captured)  # only where it is, counts
    chosen: list[tuple[job.Choice, int]] = [(1, 240), (2, 72), ("largest", 240)]
    for face, place in chosen:
        (one,) = reconstruct(couple, face=face)
        assert one.fit.camera.project(np.zeros((1, 3)))[0, 0] == pytest.approx(place, abs=30)


def test_a_face_that_cannot_be_fitted_costs_itself_alone(
    couple: Path,
    head: Reconstruction,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(job, "capture", lambda *args: head.captured)  # slow
    monkeypatch.setattr(job, "SMALLEST_FACE", 85.0)
    out = tmp_path / "out"
    assert run(couple, "--out", out, "--face", "all", "--no-turntable", "--quiet") == 1
    assert error_line(capsys).startswith(f"{couple}: face 2: the face is too small")
    assert (out / "face-1" / "head.glb").is_file() and not (out / "face-2").exists()
    monkeypatch.setattr(job, "SMALLEST_FACE", 500.0)
    with pytest.raises(InputError, match="none of 2 faces"):
        reconstruct(couple, face="all")


# -- a video ---------------------------------------------------------------------------------------


def write_clip(path: Path, frames: int = 10, hidden: tuple[int, ...] = ()) -> None:
    """A video in which the astronaut comes nearer and moves to the left."""
    image = read_image(ASTRONAUT)
    with VideoWriter(path, 5) as video:
        for index in range(frames):
            side = 230 - 4 * index
            left = 105 + 4 * index
            frame = cv2.resize(image[15 : 15 + side, left : left + side], (256, 256))
            video.write(np.full_like(frame, 90) if index in hidden else frame)


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clip")
    write_clip(folder / "clip.mp4", frames=12, hidden=(3,))
    assert run(folder / "clip.mp4", "--out", folder / "out", "--no-turntable", "--quiet") == 0
    return folder / "out"


def test_a_video_gives_its_motion(filmed: Path) -> None:
    assert names(filmed) == (FILES - {"turntable.mp4"}) | {"motion.csv"}
    motion = Motion.load(filmed / "motion.csv")
    assert len(motion) == 12 and motion.fps == pytest.approx(5)
    smile = motion.expression[:, BLENDSHAPES.index("mouthSmileLeft")]
    assert np.nanmin(smile) > 0.1, "she smiles all the time"
    assert np.nanmax(np.abs(motion.pose[:, 0])) < 12
    text = (filmed / "motion.csv").read_text()
    assert "nan" not in text.lower().replace("tongueout", "")
    header, *lines = list(csv.reader(text.splitlines()))
    assert header[2:] == list(LIVE_LINK_COLUMNS) and len(lines) == 12
    assert [row[1] for row in lines].count("0") == 1 == int(np.isnan(smile).sum())


def test_a_video_gives_a_head_that_moves(filmed: Path) -> None:
    gltf = Gltf(filmed / "head.glb")
    (animation,) = gltf.document["animations"]
    assert animation["extras"]["fps"] == pytest.approx(5)
    assert animation["extras"]["frames"] == 12
    weights = gltf.array(animation["samplers"][0]["output"])
    assert np.isfinite(weights).all() and weights.min() >= 0 and weights.max() <= 1
    assert trimesh.load(filmed / "head.glb").bounds is not None
    told = json.loads((filmed / "head.json").read_text())
    assert told["quality"] > 0.7 and told["source"] == "clip.mp4"


def test_a_video_has_one_person(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_clip(tmp_path / "clip.mp4", 2)
    assert run(tmp_path / "clip.mp4", "--out", tmp_path / "out", "--face", "all") == 2
    assert "largest" in error_line(capsys)


def test_a_damaged_video_is_told(
    tmp_path: Path, head: Reconstruction, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "capture", lambda *args: head.captured)  # slow
    path = tmp_path / "clip.mkv"
    write_clip(path, 12)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    told: list[str] = []
    (one,) = reconstruct(path, on_warning=told.append)
    assert one.motion is not None and 2 < len(one.motion) < 12
    (line,) = told
    assert line.startswith(f"{path}: truncated")


# -- awkward faces ---------------------------------------------------------------------------------


def made_of(image: np.ndarray, tmp_path: Path) -> Reconstruction:
    """The head in a picture."""
    path = tmp_path / "photo.png"
    write_image(path, np.ascontiguousarray(image))
    (one,) = reconstruct(path)
    assert all(np.isfinite(values).all() for values in (one.fit.identity, one.captured.light))
    return one


def test_a_cropped_chin_is_less_sure(head: Reconstruction, tmp_path: Path) -> None:
    lips = 145  # their upper edge
    one = made_of(read_image(ASTRONAUT)[:lips], tmp_path)
    assert 0.2 < one.quality < 0.9 * head.quality


def test_sunglasses_are_less_sure(head: Reconstruction, model: HeadModel, tmp_path: Path) -> None:
    image = read_image(ASTRONAUT).copy()
    points = head.fit.camera.project(model.landmarks(head.fit.vertices(model)))[:, :2]
    for corners in ((33, 133), (362, 263)):
        (x0, y0), (x1, y1) = points[corners, :].min(0) - 8, points[corners, :].max(0) + 8
        image[int(y0) : int(y1), int(x0) : int(x1)] = 5
    one = made_of(image, tmp_path)
    assert 0.2 < one.quality < 0.8 * head.quality


def test_a_profile_is_less_sure_and_every_number_is_one(
    head: Reconstruction, model: HeadModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    size = (320, 320)
    out = tmp_path / "out"
    skin, camera = Skin.of(model, head.captured.textures), portrait_camera(80.0, 0.0, size)
    vertices = model.vertices(head.fit.identity)
    write_image(tmp_path / "p.png", draw(vertices, model, skin, camera, studio_light(), size))
    assert run(tmp_path / "p.png", "--out", out, "--no-turntable") == 0
    told = json.loads((out / "head.json").read_text())
    assert 60 < told["pose_degrees"]["yaw"] < 100
    assert 0.1 < told["quality"] < 0.65
    assert f"quality {told['quality']:.2f}"[:11] in capsys.readouterr().out
    with np.load(out / "head.npz") as code:
        assert all(np.isfinite(values).all() for values in code.values())
    for name, attributes, *_ in Gltf(out / "head.glb").primitives():
        assert all(np.isfinite(values).all() for values in attributes.values()), name
    assert "nan" not in (out / "head.obj").read_text()


def test_a_small_face_is_less_sure(head: Reconstruction, tmp_path: Path) -> None:
    image = cv2.resize(read_image(ASTRONAUT), None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA)
    one = made_of(image, tmp_path)
    assert one.size == pytest.approx(40, abs=3)
    assert 0.1 < one.quality < 0.5 * head.quality
    np.testing.assert_allclose(one.fit.pose.yaw, head.fit.pose.yaw, atol=5)


def test_a_face_of_few_pixels_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = cv2.resize(read_image(ASTRONAUT), None, fx=0.2, fy=0.2, interpolation=cv2.INTER_AREA)
    write_image(tmp_path / "tiny.png", image)
    assert run(tmp_path / "tiny.png", "--out", tmp_path / "out") == 1
    assert error_line(capsys).startswith(f"{tmp_path / 'tiny.png'}: ")
    assert not (tmp_path / "out").exists()


# -- bad input -------------------------------------------------------------------------------------


def noise(path: Path) -> None:
    write_image(path, np.random.default_rng(0).integers(0, 255, (200, 200, 3)).astype(np.uint8))


def without_a_face(path: Path) -> None:
    with VideoWriter(path, 10) as video:
        for _ in range(3):
            video.write(np.full((96, 96, 3), 120, np.uint8))


BAD = {
    "noise.png": noise,
    "missing.jpg": lambda path: None,
    "empty.jpg": lambda path: path.touch(),
    "text.jpg": lambda path: path.write_text("no picture\n" * 20),
    "cut.jpg": lambda path: path.write_bytes(ASTRONAUT.read_bytes()[:3000]),
    "cut.mp4": lambda path: path.write_bytes(b"\0\0\0\x20ftypisom" + bytes(300)),
    "folder": lambda path: path.mkdir(),
    "dark.mp4": without_a_face,
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_nothing_is_written(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    BAD[name](tmp_path / name)
    assert run(tmp_path / name, "--out", tmp_path / "out", "--face", "all") in (1, 2)
    line = error_line(capfd)
    assert line.startswith(f"{tmp_path / name}: ") and "unexpected" not in line
    assert not (tmp_path / "out").exists()


def test_a_webcam_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Webcam(job.Camera):
        def __init__(self) -> None:
            self.name = "0"

    monkeypatch.setattr(job, "open_source", lambda spec: Webcam())
    with pytest.raises(UsageError, match="webcam"):
        reconstruct("0")


def test_an_out_that_cannot_be_had_is_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    head: Reconstruction,
) -> None:
    monkeypatch.setattr(job, "reconstruct", lambda *args, **options: [head])
    taken = tmp_path / "taken"
    taken.write_text("mine")
    assert run(ASTRONAUT, "--out", taken) == 2
    assert "taken" in error_line(capsys)
    with pytest.raises(UsageError, match="not a folder"):
        run_reconstruct(ASTRONAUT, taken)
    assert run(ASTRONAUT, "--out", taken / "below") == 1
    assert str(taken) in error_line(capsys)
    assert taken.read_text() == "mine"


def test_an_out_that_may_not_be_written_is_one_line(
    monkeypatch: pytest.MonkeyPatch, head: Reconstruction
) -> None:
    monkeypatch.setattr(job, "reconstruct", lambda *args, **options: [head])
    locked = Path(tempfile.mkdtemp())  # pytest's own are hidden from other users
    try:
        locked.chmod(0o555)
        for out in (locked, locked / "below"):
            with as_ordinary_user(), pytest.raises(MienError, match="Permission denied") as caught:
                run_reconstruct(ASTRONAUT, out)
            assert str(caught.value).startswith(str(out))
        assert names(locked) == set()
    finally:
        shutil.rmtree(locked)


def test_a_failure_on_the_way_leaves_whole_files_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: Reconstruction
) -> None:
    def fail(*args: object) -> None:
        raise MienError("head.obj: No space left on device")

    monkeypatch.setattr(job, "write_obj", fail)
    done = []
    with pytest.raises(MienError, match="No space left"):
        done.extend(write(head, tmp_path, "astronaut.jpg"))
    assert names(tmp_path) == {"head.glb"}
    Gltf(tmp_path / "head.glb")

    monkeypatch.undo()
    monkeypatch.setattr(job, "turn", lambda *args: fail())
    done.clear()
    with pytest.raises(MienError):
        for path in write(head, tmp_path, "astronaut.jpg"):
            assert path.stat().st_size > 0, "told when it is complete"
            done.append(path.name)
    assert done == ["head.glb", "head.obj", "head.npz", "head.json", "fit.png"]
    assert names(tmp_path) == FILES - {"turntable.mp4"}


def test_a_large_photo_is_drawn_smaller(
    head: Reconstruction, model: HeadModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "LARGEST_PICTURE", 128)
    drawn = job.picture(head, model, Skin.of(model, head.captured.textures))
    assert drawn.shape == (128, 3 * 128, 3)
    photo, _, textured = np.split(drawn.astype(int), 3, axis=1)
    face = np.s_[18:42, 47:66]
    assert np.abs(photo - textured)[face].mean() < 15, "the head is drawn in its place"
