"""Bad and odd input through the command line: the right result or one clear line, and no more."""

import json
import os
import shutil
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image
from test_analyze import ASTRONAUT, RATE, files_in, portrait, rows, write_clip, write_talkie

from mien.cli import main
from mien.media.image import write_image
from mien.media.table import read_table
from mien.media.video import Video, VideoWriter


def mien(inputs, out, *options: str) -> int:
    """The exit code of mien analyze."""
    return main(["analyze", *map(str, inputs), "--out", str(out), *options])


def largest_face(out: Path, source: Path) -> np.ndarray:
    """(478, 3) landmarks of the first row of a source."""
    found = [row for row in rows(out / "faces.jsonl") if row["source"] == str(source)]
    return np.array(found[0]["landmarks"])


def distance(landmarks: np.ndarray, expected: np.ndarray) -> float:
    """Mean distance in the plane, in parts of the distance between the irises."""
    apart = np.linalg.norm(expected[468, :2] - expected[473, :2])
    return float(np.linalg.norm((landmarks - expected)[:, :2], axis=1).mean() / apart)


@pytest.fixture
def upright(tmp_path, astronaut) -> np.ndarray:
    """(478, 3) landmarks of the plain portrait."""
    write_image(tmp_path / "plain.png", portrait(astronaut))
    assert mien([tmp_path / "plain.png"], tmp_path / "plain", "--quiet") == 0
    return largest_face(tmp_path / "plain", tmp_path / "plain.png")


def cut(path: Path, part: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])


def truncated_jpeg(path: Path, image: np.ndarray) -> None:
    Image.fromarray(image).save(path)
    cut(path, 0.5)


def truncated_png(path: Path, image: np.ndarray) -> None:
    Image.fromarray(image).save(path)
    cut(path, 0.5)


def huge(path: Path, image: np.ndarray) -> None:
    Image.new("1", (20_000, 20_000)).save(path)


def only_sound(path: Path, image: np.ndarray) -> None:
    with av.open(str(path), "w") as container:
        sound: Any = container.add_stream("aac", rate=16_000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts = 16_000, 0
        for each in (frame, None):
            container.mux(sound.encode(each))


def no_frames(path: Path, image: np.ndarray) -> None:
    write_clip(path, image, 2)
    cut(path, 0.02)


def without_index(path: Path, image: np.ndarray) -> None:
    write_clip(path, image)
    cut(path, 0.6)


BROKEN = {
    "truncated.jpg": truncated_jpeg,
    "truncated.png": truncated_png,
    "text.jpg": lambda path, image: path.write_text("this is no picture\n" * 50),
    "empty.jpg": lambda path, image: path.touch(),
    "noise.mp4": lambda path, image: path.write_bytes(np.random.default_rng(0).bytes(5000)),
    "huge.png": huge,
    "sound.mp4": only_sound,
    "no frames.mp4": no_frames,
    "without index.mp4": without_index,
    "list.m3u8": lambda path, image: path.write_text(f"#EXTM3U\n#EXTINF:1,\n{ASTRONAUT}\n"),
    "pipe.jpg": lambda path, image: os.mkfifo(path),
    "folder.jpg": lambda path, image: path.mkdir(),
    "missing.jpg": lambda path, image: None,
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_input_is_one_line_and_the_others_are_processed(tmp_path, capfd, astronaut, name):
    broken = tmp_path / name
    BROKEN[name](broken, astronaut)
    good = tmp_path / "good.png"
    write_image(good, portrait(astronaut))
    out = tmp_path / "out"
    assert mien([good, broken, ASTRONAUT], out, "--annotate") == 1
    first, second = capfd.readouterr().err.splitlines()
    assert first.startswith(f"mien: {broken}: ") and len(first) > len(f"mien: {broken}: ") + 5
    assert second == f"mien: 1 input could not be used; see {out / 'sources.jsonl'}"
    sources = rows(out / "sources.jsonl")
    assert [row["source"] for row in sources] == [str(good), str(broken), ASTRONAUT]
    assert sources[1] == {
        **{"source": str(broken), "frames": 0, "duration": None, "faces": 0},
        **{"error": first.removeprefix("mien: ")},
    }
    assert {row["source"] for row in rows(out / "faces.jsonl")} == {str(good), ASTRONAUT}
    assert files_in(out / "annotated") == ["astronaut.jpg", "good.png"]
    assert files_in(out / "figures") == []


def test_all_broken_inputs_in_one_folder(tmp_path, capfd, astronaut):
    folder = tmp_path / "folder"
    folder.mkdir()
    names = [name for name in BROKEN if name not in ("missing.jpg", "folder.jpg", "list.m3u8")]
    for name in names:
        BROKEN[name](folder / name, astronaut)
    write_image(folder / "good.png", portrait(astronaut))
    assert mien([folder], tmp_path / "out", "--quiet") == 1
    errors = capfd.readouterr().err.splitlines()
    assert len(errors) == len(names) + 1
    assert {
        row["source"]: row["error"] is None for row in rows(tmp_path / "out/sources.jsonl")
    } == {str(folder / name): name == "good.png" for name in [*names, "good.png"]}


def cmyk(path: Path, image: Image.Image) -> None:
    image.convert("CMYK").save(path.with_suffix(".jpg"), quality=95)


def sixteen_bit(path: Path, image: Image.Image) -> None:
    grey = np.asarray(image.convert("L")).astype(np.uint16) * 257
    Image.fromarray(grey).save(path.with_suffix(".png"))


def grey(path: Path, image: Image.Image) -> None:
    image.convert("L").save(path.with_suffix(".png"))


def alpha(path: Path, image: Image.Image) -> None:
    image.putalpha(Image.new("L", image.size, 255))
    image.save(path.with_suffix(".png"))


def palette(path: Path, image: Image.Image) -> None:
    image.quantize(256).save(path.with_suffix(".png"))


def wrong_suffix(path: Path, image: Image.Image) -> None:
    image.save(path.with_suffix(".mp4"), format="png")


def exif(orientation: int, undo: Image.Transpose):
    def save(path: Path, image: Image.Image) -> None:
        tags = Image.Exif()
        tags[0x0112] = orientation
        image.transpose(undo).save(path.with_suffix(".jpg"), quality=97, exif=tags)

    return save


ODD = {
    "cmyk": cmyk,
    "sixteen bit": sixteen_bit,
    "grey": grey,
    "alpha": alpha,
    "palette": palette,
    "wrong suffix": wrong_suffix,
    "exif 2": exif(2, Image.Transpose.FLIP_LEFT_RIGHT),
    "exif 3": exif(3, Image.Transpose.ROTATE_180),
    "exif 6": exif(6, Image.Transpose.ROTATE_90),
    "exif 8": exif(8, Image.Transpose.ROTATE_270),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_photo_gives_the_landmarks_of_the_plain_one(
    tmp_path, capfd, astronaut, upright, name
):
    folder = tmp_path / "odd"
    folder.mkdir()
    ODD[name](folder / name, Image.fromarray(portrait(astronaut)))
    (photo,) = folder.iterdir()
    capfd.readouterr()
    assert mien([folder], tmp_path / "out", "--annotate", "--quiet") == 0
    assert capfd.readouterr() == ("", "")
    assert distance(largest_face(tmp_path / "out", photo), upright) < 0.05
    (source,) = rows(tmp_path / "out" / "sources.jsonl")
    assert (source["frames"], source["duration"], source["error"]) == (1, 0.0, None)


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (3, 2)])
def test_a_tiny_photo_has_no_face_and_is_no_error(tmp_path, size):
    write_image(tmp_path / "tiny.png", np.full((*size, 3), 200, np.uint8))
    assert mien([tmp_path / "tiny.png"], tmp_path / "out", "--annotate") == 0
    assert (tmp_path / "out" / "faces.jsonl").read_text() == ""
    assert rows(tmp_path / "out" / "sources.jsonl")[0]["faces"] == 0
    with Image.open(tmp_path / "out" / "annotated" / "tiny.png") as drawn:
        assert drawn.size == size[::-1]


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_an_animation_is_a_video_with_its_own_times(tmp_path, astronaut, upright, suffix):
    path = tmp_path / f"moving.{suffix}"
    first, *others = [Image.fromarray(portrait(astronaut, shift)) for shift in (0, 2, 4)]
    first.save(path, save_all=True, append_images=others, duration=[100, 300, 200], lossless=True)
    assert mien([path], tmp_path / "out", "--annotate", "--max-faces", "1") == 0
    faces = rows(tmp_path / "out" / "faces.jsonl")
    assert [face["time"] for face in faces] == pytest.approx([0, 0.1, 0.4])
    assert [face["frame"] for face in faces] == [0, 1, 2]
    assert {face["track"] for face in faces} == {0}
    assert distance(np.array(faces[0]["landmarks"]), upright) < 0.05
    (source,) = rows(tmp_path / "out" / "sources.jsonl")
    assert (source["frames"], source["duration"]) == (3, pytest.approx(0.6))
    assert (tmp_path / "out" / "figures" / "moving.png").is_file()
    assert len(list(Video(tmp_path / "out" / "annotated" / "moving.mp4").frames())) == 3


def test_a_video_with_a_rotation_flag_is_analysed_upright(tmp_path, astronaut, upright):
    path = tmp_path / "phone.mp4"
    with VideoWriter(path, RATE) as writer:
        for _ in range(3):
            writer.write(np.rot90(portrait(astronaut)))  # lies on its side, to the left
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 44
    turned = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 192 << 16, 0, 1 << 30)
    content[matrix : matrix + 36] = turned
    path.write_bytes(content)
    assert mien([path], tmp_path / "out", "--annotate", "--max-faces", "1") == 0
    assert distance(largest_face(tmp_path / "out", path), upright) < 0.05
    drawn = next(iter(Video(tmp_path / "out" / "annotated" / "phone.mp4").frames())).image
    upright_part = drawn[:, :192].astype(int)  # what is read stands in a panel at its right
    assert np.abs(upright_part - portrait(astronaut)).mean() < 20, "annotated upright"


@pytest.mark.parametrize("suffix", ["mkv", "avi"])
def test_a_truncated_video_keeps_what_is_there_and_is_told(tmp_path, capfd, astronaut, suffix):
    path = tmp_path / f"cut.{suffix}"
    write_talkie(path, astronaut, frames=50)
    cut(path, 0.6)
    assert mien([path, ASTRONAUT], tmp_path / "out", "--annotate", "--max-faces", "1") == 1
    first, _ = capfd.readouterr().err.splitlines()
    assert first.startswith(f"mien: {path}: truncated")
    source, other = rows(tmp_path / "out" / "sources.jsonl")
    assert 5 < source["frames"] < 50 and source["faces"] == source["frames"]
    assert source["error"] == first.removeprefix("mien: ") and other["error"] is None
    drawn = Video(tmp_path / "out" / "annotated" / "cut.mp4")
    assert len(list(drawn.frames())) == source["frames"]


@contextmanager
def as_ordinary_user() -> Iterator[None]:
    """Without root's right to read everything, if that is who we are."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_an_unreadable_folder_is_one_line_and_the_others_are_processed(capfd, astronaut):
    folder = Path(tempfile.mkdtemp())  # pytest's own are hidden from other users
    try:
        folder.chmod(0o777)
        for name in ("a", "locked", "z"):
            (folder / "photos" / name).mkdir(parents=True)
            write_image(folder / "photos" / name / "me.png", portrait(astronaut))
        photos = [str(folder / "photos" / name / "me.png") for name in ("a", "z")]
        assert mien(photos, folder / "before", "--quiet") == 0  # everything is loaded
        (folder / "photos" / "locked").chmod(0)
        locked = folder / "photos" / "locked"
        with as_ordinary_user():
            assert mien([folder / "photos", locked], folder / "out", "--quiet") == 1
        lines = capfd.readouterr().err.splitlines()
        assert lines[:2] == [f"mien: {locked}: Permission denied"] * 2 and len(lines) == 3
        sources = rows(folder / "out" / "sources.jsonl")
        assert [row["source"] for row in sources] == [
            photos[0],
            str(locked),
            photos[1],
            str(locked),
        ]
        assert (folder / "out" / "faces.jsonl").read_bytes() == (
            folder / "before" / "faces.jsonl"
        ).read_bytes()
    finally:
        (folder / "photos" / "locked").chmod(0o755)
        shutil.rmtree(folder)


def test_a_folder_of_results_that_exists_is_used_again(tmp_path, astronaut):
    out = tmp_path / "out"
    (out / "annotated").mkdir(parents=True)
    (out / "annotated" / "astronaut.jpg").write_text("old")
    (out / "sources.jsonl").write_text("old")
    assert mien([ASTRONAUT], out, "--annotate") == 0
    assert rows(out / "sources.jsonl")[0]["faces"] == 1
    with Image.open(out / "annotated" / "astronaut.jpg") as drawn:
        assert drawn.height == 512 and drawn.width > 512  # beside the picture stands a panel


def test_an_out_that_is_a_file_or_below_one_is_refused(tmp_path, capfd):
    taken = tmp_path / "taken"
    taken.write_text("mine")
    assert mien([ASTRONAUT], taken) == 2
    assert mien([ASTRONAUT], taken / "below") == 1
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 2 and all(str(taken) in line for line in lines)
    assert taken.read_text() == "mine"


def test_an_empty_list_of_inputs_is_wrong_use(tmp_path, capfd, monkeypatch):
    with open(os.devnull) as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        assert mien(["-"], tmp_path / "out") == 2
    assert "no inputs" in capfd.readouterr().err
    assert not (tmp_path / "out").exists()


def test_when_all_inputs_fail_the_tables_are_there_and_empty(tmp_path, capfd):
    for format in ("jsonl", "csv", "parquet"):
        assert mien([tmp_path / "none.jpg"], tmp_path / "out", "--format", format) == 1
        assert list(read_table(tmp_path / "out" / f"faces.{format}")) == []


FULL = {
    "faces.jsonl": "--format=jsonl",
    "faces.csv": "--format=csv",
    "faces.parquet": "--format=parquet",
    "sources.jsonl": "--quiet",
    "annotated/astronaut.jpg": "--annotate",
    "annotated/clip.mp4": "--annotate",
    "figures/clip.png": "--figure",
}


@pytest.mark.parametrize("name", FULL)
def test_a_full_disk_is_one_line_and_nothing_looks_whole(
    tmp_path, capfd, monkeypatch, astronaut, name
):
    clip, out = tmp_path / "clip.mp4", tmp_path / "out"
    write_clip(clip, astronaut, 2)
    full = out / name
    full.parent.mkdir(parents=True)
    full.write_text("of an earlier run")
    # The temporary file of the one result is a device that is always full.
    monkeypatch.setattr("mien.media.files.secrets.token_hex", lambda _: "full")
    full.with_name(f".{full.stem}-full{full.suffix}").symlink_to("/dev/full")
    assert mien([ASTRONAUT, clip], out, FULL[name]) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"mien: {full}: ") and "No space left on device" in line
    assert full.read_text() == "of an earlier run"
    assert name == "sources.jsonl" or not (out / "sources.jsonl").exists(), "it comes last"
    assert not [path for path in files_in(out) if "full" in path], "nothing temporary is left"


def test_a_small_disk_that_fills_up(tmp_path, capfd, astronaut):
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.system(f"mount -t tmpfs -o size=128k tmpfs {disk} 2>/dev/null") != 0:
        pytest.skip("mounting a small disk is not allowed here")
    try:
        write_clip(tmp_path / "clip.mp4", astronaut, 30)
        assert mien([tmp_path / "clip.mp4"], disk / "out", "--no-figure") == 1
        (line,) = capfd.readouterr().err.splitlines()
        assert line.startswith(f"mien: {disk / 'out'}") and ": No space left" in line
        assert files_in(disk) == []
    finally:
        os.system(f"umount {disk}")


def test_rows_are_strict_json(tmp_path):
    assert mien([ASTRONAUT], tmp_path) == 0

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    for name in ("faces.jsonl", "sources.jsonl"):
        for line in (tmp_path / name).read_text().splitlines():
            json.loads(line, parse_constant=refuse)
