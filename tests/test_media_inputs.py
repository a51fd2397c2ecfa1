"""What a user names and what is meant; files that are whole or not there."""

import contextlib
import errno
import io
import os
import resource
import stat
from pathlib import Path

import numpy as np
import pytest

from mien.errors import InputError, MienError
from mien.face import BLENDSHAPES, Face, Motion
from mien.media.audio import write_audio
from mien.media.files import atomic, check_readable
from mien.media.image import write_image
from mien.media.inputs import expand
from mien.media.table import open_table
from mien.media.video import VideoWriter

FILES = [
    "album/1.jpg",
    "album/10.JPG",
    "album/2.png",
    "album/notes.txt",
    "album/.hidden.jpg",
    "album/.cache/thumb.jpg",
    "album/deep/er/clip.mp4",
    "album/deep/moving.gif",
    "empty/notes.txt",
    "one.webp",
    "odd[1].jpg",
    "odd1.jpg",
]


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """A working folder with ``FILES``."""
    for name in FILES:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(*inputs: str, **options) -> list[str]:
    return list(expand(inputs, **options))


@pytest.mark.usefixtures("here")
def test_files_and_unknown_things_are_themselves():
    assert names("one.webp", "gone.jpg", "0", "album/notes.txt", "http://x/y.mp4") == [
        "one.webp",
        "gone.jpg",
        "0",
        "album/notes.txt",
        "http://x/y.mp4",
    ]


@pytest.mark.usefixtures("here")
def test_a_folder_is_its_media_below_by_name():
    assert names("album") == [
        "album/1.jpg",
        "album/10.JPG",
        "album/2.png",
        "album/deep/er/clip.mp4",
        "album/deep/moving.gif",
    ]
    assert names("album/") == names("album")


@pytest.mark.usefixtures("here")
def test_a_folder_without_media_is_itself_and_fails_clearly():
    assert names("empty") == ["empty"]
    with pytest.raises(InputError, match=r"^empty: a folder without images or videos$"):
        check_readable("empty")


@pytest.mark.usefixtures("here")
def test_patterns():
    assert names("album/*.jpg") == ["album/1.jpg"]
    assert names("album/[12].*") == ["album/1.jpg", "album/2.png"]
    assert names("alb?m/deep") == ["album/deep/er/clip.mp4", "album/deep/moving.gif"]
    assert names("**/*.mp4") == ["album/deep/er/clip.mp4"]
    assert names("gone/*.jpg") == ["gone/*.jpg"]


@pytest.mark.usefixtures("here")
def test_a_pattern_names_each_file_once():
    assert sorted(names("album/**")) == sorted([*names("album"), "album/notes.txt"])


@pytest.mark.usefixtures("here")
def test_a_name_that_looks_like_a_pattern_is_a_name_first():
    assert names("odd[1].jpg") == ["odd[1].jpg"]
    assert names("odd[12].jpg") == ["odd1.jpg"]


@pytest.mark.usefixtures("here")
def test_a_dash_is_a_list_on_standard_input(monkeypatch):
    lines = "one.webp\n\nalbum/deep\r\n name with spaces.jpg \nlast.jpg"
    expected = [
        "first.jpg",
        "one.webp",
        "album/deep/er/clip.mp4",
        "album/deep/moving.gif",
        " name with spaces.jpg ",
        "last.jpg",
    ]
    assert names("first.jpg", "-", stdin=io.StringIO(lines)) == expected
    monkeypatch.setattr("sys.stdin", io.StringIO(lines))
    assert names("first.jpg", "-") == expected


def test_a_list_is_read_as_it_comes():
    def endless():
        while True:
            yield "a.jpg\n"

    stream = expand(["-"], stdin=endless())  # type: ignore[arg-type]
    assert [next(stream), next(stream)] == ["a.jpg", "a.jpg"]


def test_links_to_folders_do_not_loop(here):
    (here / "album" / "again").symlink_to(here / "album")
    assert len(names("album")) == 5


def test_an_unreadable_folder_is_named_and_the_others_are_read(here, monkeypatch):
    locked = "album/deep"

    def refuse(folder):
        if os.fspath(folder) == locked:
            raise PermissionError(errno.EACCES, "Permission denied", locked)
        return scandir(folder)

    scandir = os.scandir  # chmod would not stop a superuser
    monkeypatch.setattr(os, "scandir", refuse)
    assert names("album") == ["album/1.jpg", "album/10.JPG", "album/2.png", locked]
    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(InputError, match=r"^album/deep: Permission denied$"):
        check_readable(locked)


def test_what_cannot_be_read_is_named(here):
    os.mkfifo(here / "pipe.mp4")
    (here / "empty.jpg").touch()
    for name, reason in {
        "gone.jpg": "No such file or directory",
        "one.webp/x.jpg": "Not a directory",
        "pipe.mp4": "not a file",
        "empty.jpg": "empty file",
        "x" * 300: "File name too long",
    }.items():
        with pytest.raises(InputError) as caught:
            check_readable(name)
        assert str(caught.value) == f"{name}: {reason}"
    with pytest.raises(InputError, match="null byte"):
        check_readable("a\0b.jpg")


def test_atomic_files_appear_whole(tmp_path):
    path = tmp_path / "table.csv"
    with atomic(path) as temporary:
        assert temporary.parent == tmp_path and temporary.suffix == ".csv"
        temporary.write_text("new")
        assert not path.exists()
        inode = temporary.stat().st_ino
    assert path.stat().st_ino == inode  # moved, not copied
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path]
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask  # as any other file


def test_an_error_keeps_the_old_file(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_the_file_that_failed_is_named(tmp_path):
    gone, other, folder = (tmp_path / name for name in ("gone/a.csv", "other.txt", "folder.csv"))
    with pytest.raises(MienError, match=f"^{gone}: No such file"), atomic(gone) as temporary:
        temporary.write_text("new")
    with pytest.raises(MienError, match=f"^{other}: No such file"), atomic(tmp_path / "a.csv"):
        other.read_text()
    folder.mkdir()
    with pytest.raises(MienError, match=f"^{folder}: Is a dir"), atomic(folder) as temporary:
        temporary.write_text("new")


@contextlib.contextmanager
def full_disk(free: int):
    """The kernel writes no file beyond ``free`` bytes, as on a disk that fills up."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (free, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


NOISE = np.random.default_rng(0).integers(0, 255, (10, 240, 320, 3), np.uint8)


def _video(path: Path) -> None:
    with VideoWriter(path, 25) as writer:
        for image in NOISE:
            writer.write(image)


def _table(path: Path) -> None:
    with open_table(path, path.suffix[1:]) as table:
        for index in range(100):
            points = np.random.default_rng(index).uniform(0, 500, (478, 3))
            table.write(Face(np.zeros(4), 1, points))


def _motion(path: Path) -> None:
    Motion(30, np.zeros((500, len(BLENDSHAPES))), np.zeros((500, 3))).save(path)


WRITERS = {
    "image.png": lambda path: write_image(path, NOISE[0]),
    "image.jpg": lambda path: write_image(path, NOISE[0]),
    "video.mp4": _video,
    "video.mkv": _video,
    "sound.wav": lambda path: write_audio(path, np.zeros(100_000), 16_000),
    "table.jsonl": _table,
    "table.csv": _table,
    "table.parquet": _table,
    "motion.npz": _motion,
    "motion.csv": _motion,
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_leaves_nothing_half_written(tmp_path, name):
    path = tmp_path / name
    with full_disk(free=30_000), pytest.raises(MienError) as caught:
        WRITERS[name](path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and message.endswith(os.strerror(errno.EFBIG))
    assert list(tmp_path.iterdir()) == []
    WRITERS[name](path)  # with space again
    assert path.stat().st_size > 30_000
