"""Content credentials: signed, read back, and broken by any change."""

import numpy as np
import pytest
from PIL import Image

from mien.errors import InputError, MienError, UsageError
from mien.media import provenance
from mien.media.provenance import SourceType
from mien.media.video import Video, VideoWriter


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("MIEN_HOME", str(tmp_path / "home"))


def picture(path, side=64):
    image = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    Image.fromarray(image).save(path)
    return path


def video(path):
    with VideoWriter(path, 25) as out:
        for shade in range(5):
            out.write(np.full((32, 32, 3), 40 * shade, np.uint8))
    return path


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.mp4"])
def test_a_signed_file_says_how_it_was_made_and_keeps_its_content(name, tmp_path) -> None:
    path = video(tmp_path / name) if name.endswith("mp4") else picture(tmp_path / name)
    before = None if name.endswith("mp4") else np.asarray(Image.open(path))
    provenance.sign(path, SourceType.COMPOSITE, "a test")
    found = provenance.read(path)
    assert found is not None and found.intact and found.by_us
    assert (found.source, found.what) == ("compositeSynthetic", "a test")
    assert found.made_by.startswith("mien ")
    if before is not None:
        np.testing.assert_array_equal(np.asarray(Image.open(path)), before)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.mp4"])
def test_a_changed_file_is_found_out(name, tmp_path) -> None:
    path = video(tmp_path / name) if name.endswith("mp4") else picture(tmp_path / name)
    provenance.sign(path, SourceType.RENDERED, "a test")
    content = bytearray(path.read_bytes())
    content[-40] ^= 0xFF
    path.write_bytes(content)
    found = provenance.read(path)
    assert found is not None and not found.intact and found.problems


def test_the_key_is_made_once_and_only_its_owner_may_read_it(tmp_path) -> None:
    for name in ("a.png", "b.png"):
        provenance.sign(picture(tmp_path / name), SourceType.RENDERED, "a test")
    key = provenance.folder() / "signer.pem"
    assert key.stat().st_mode & 0o077 == 0
    first = key.read_bytes()
    provenance.sign(picture(tmp_path / "c.png"), SourceType.RENDERED, "a test")
    assert key.read_bytes() == first


def test_another_computers_signature_is_valid_but_not_ours(tmp_path, monkeypatch) -> None:
    path = picture(tmp_path / "a.png")
    provenance.sign(path, SourceType.RENDERED, "a test")
    monkeypatch.setenv("MIEN_HOME", str(tmp_path / "elsewhere"))
    found = provenance.read(path)
    assert found is not None and found.intact and not found.by_us


def test_a_file_without_credentials_has_none(tmp_path) -> None:
    assert provenance.read(picture(tmp_path / "a.png")) is None


@pytest.mark.parametrize("content", [b"", b"hello", b"\xff\xd8\xff\xe0" + b"\0" * 50])
def test_what_is_no_picture_is_an_input_error(content, tmp_path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.jpg"):
        provenance.read(path)


def test_a_file_that_cannot_be_signed_is_left_as_it_was(tmp_path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"no picture")
    with pytest.raises(MienError, match=r"a\.jpg"):
        provenance.sign(path, SourceType.RENDERED, "a test")
    assert path.read_bytes() == b"no picture"
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["a.jpg"]


def test_a_damaged_key_is_named(tmp_path) -> None:
    path = picture(tmp_path / "a.png")
    provenance.sign(path, SourceType.RENDERED, "a test")
    (provenance.folder() / "signer.pem").write_bytes(b"rubbish")
    with pytest.raises(MienError, match=r"signer\.pem"):
        provenance.sign(path, SourceType.RENDERED, "again")


def test_generated_videos_are_signed_unless_told_not_to(tmp_path) -> None:
    for signed in (True, False):
        path = tmp_path / f"{signed}.mp4"
        made = provenance.Generated(SourceType.COMPOSITE, "a test", signed)
        with VideoWriter(path, 25, generated=made) as out:
            for _ in range(3):
                out.write(np.zeros((32, 32, 3), np.uint8))
        found = provenance.read(path)
        assert (found is not None and found.intact) == signed
        assert len(list(Video(path).frames())) == 3


def test_a_mark_is_seen_in_the_corner_and_nowhere_else() -> None:
    image = np.full((256, 256, 3), 200, np.uint8)
    seen = provenance.Generated(SourceType.COMPOSITE, "a test", marked=True).seen(image)
    assert (seen[-8:, -30:] != 200).any()
    np.testing.assert_array_equal(seen[:200], image[:200])
    assert (image == 200).all()


def test_what_cannot_carry_credentials_is_refused_before_the_work(tmp_path) -> None:
    made = provenance.Generated(SourceType.COMPOSITE, "a test")
    with pytest.raises(UsageError, match="no-credentials"):
        VideoWriter(tmp_path / "a.mkv", 25, generated=made)
    VideoWriter(tmp_path / "a.mkv", 25, generated=provenance.Generated(made.source, "", False))
