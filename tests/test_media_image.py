"""Still images and animations: every kind comes in as upright RGB or as one clear line."""

import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image, ImageOps

from mien.errors import InputError, MienError, UsageError
from mien.media.image import read_image, write_image
from mien.media.source import open_source


@pytest.fixture
def picture() -> np.ndarray:
    """Four plain quarters, none alike, so that every turn and flip shows."""
    image = np.empty((40, 64, 3), np.uint8)
    image[:20, :32], image[:20, 32:] = (200, 60, 30), (40, 160, 70)
    image[20:, :32], image[20:, 32:] = (30, 60, 190), (230, 230, 210)
    return image


def refused(path) -> str:
    """The error of reading a file, which names it in one line."""
    errors = []
    for read in (read_image, lambda name: list(open_source(str(name)).frames())):
        with pytest.raises(InputError) as caught:
            read(path)
        errors.append(str(caught.value))
    assert all(error.startswith(f"{path}: ") and "\n" not in error for error in errors)
    return errors[1]


@given(
    arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=20).map(lambda s: (*s, 3))),
    st.sampled_from([".png", ".bmp", ".tif", ".ppm"]),
)
@settings(max_examples=30, deadline=None)
def test_lossless_formats_round_trip(tmp_path_factory, image, suffix):
    path = tmp_path_factory.mktemp("round") / f"image{suffix}"
    write_image(path, image)
    np.testing.assert_array_equal(read_image(path), image)


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".avif"])
def test_lossy_formats_come_near(tmp_path, picture, suffix):
    write_image(tmp_path / f"image{suffix}", picture)
    read = read_image(tmp_path / f"image{suffix}")
    assert read.shape == picture.shape and read.dtype == np.uint8
    assert np.abs(read.astype(int) - picture).mean() < 3


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".avif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, picture, orientation, suffix):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"turned{suffix}"
    Image.fromarray(picture).save(path, exif=exif, quality=95)
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    read = read_image(path)
    np.testing.assert_array_equal(read, expected)
    # What is upright is told by the standard, not by Pillow: "6: row 0 is the right side".
    if orientation == 6:
        assert np.abs(read[5, 5].astype(int) - picture[-5, 5]).max() < 25


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_does_not_spoil_the_pixels(tmp_path, picture):
    path = tmp_path / "photo.jpg"
    Image.fromarray(picture).save(path, exif=b"Exif\0\0II*\0\xff\xff\xff\x7fgarbage", quality=95)
    assert np.abs(read_image(path).astype(int) - picture).mean() < 3


def test_cmyk(tmp_path, picture):
    Image.fromarray(picture).convert("CMYK").save(tmp_path / "print.jpg", quality=95)
    assert np.abs(read_image(tmp_path / "print.jpg").astype(int) - picture).mean() < 3


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bit_grey_keeps_its_range(tmp_path, suffix):
    grey = np.linspace(0, 65535, 600).reshape(20, 30).astype(np.uint16)
    Image.fromarray(grey).save(tmp_path / f"deep{suffix}")
    read = read_image(tmp_path / f"deep{suffix}")
    np.testing.assert_allclose(read, np.repeat(grey[:, :, None] / 257, 3, axis=2), atol=0.51)


def test_dark_16_bit_grey_stays_dark(tmp_path):
    Image.fromarray(np.full((4, 4), 200, np.uint16)).save(tmp_path / "dark.png")
    assert read_image(tmp_path / "dark.png").max() == 1


def test_16_bit_colour(tmp_path, picture):
    cv2.imwrite(str(tmp_path / "deep.png"), picture[:, :, ::-1].astype(np.uint16) * 257)
    np.testing.assert_array_equal(read_image(tmp_path / "deep.png"), picture)


@pytest.mark.parametrize("top", [1.0, 255.0])
def test_float_pixels(tmp_path, top):
    grey = np.linspace(0, top, 600, dtype=np.float32).reshape(20, 30)
    grey[0, 0] = np.nan
    Image.fromarray(grey).save(tmp_path / "float.tif")
    read = read_image(tmp_path / "float.tif")
    assert read[0, 0, 0] == 0 and read[-1, -1, 0] == 255
    np.testing.assert_allclose(read[1:, :, 0], 255 / top * grey[1:], atol=0.51)


def test_greyscale_and_palette(tmp_path):
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(grey).convert("P").save(tmp_path / "palette.png")
    for name in ("grey.png", "palette.png"):
        np.testing.assert_array_equal(read_image(tmp_path / name), grey[:, :, None].repeat(3, 2))


def test_transparency_is_on_white(tmp_path):
    rgba = np.zeros((2, 3, 4), np.uint8)
    rgba[:, :, 0] = 200
    rgba[:, :, 3] = 0, 51, 255
    Image.fromarray(rgba).save(tmp_path / "alpha.png")
    read = read_image(tmp_path / "alpha.png")[0]
    np.testing.assert_allclose(read, [[255, 255, 255], [244, 204, 204], [200, 0, 0]], atol=1)
    palette = Image.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    palette.save(tmp_path / "palette.png", transparency=0)
    assert read_image(tmp_path / "palette.png")[0, 0].tolist() == [255, 255, 255]


def test_one_pixel(tmp_path):
    Image.new("RGB", (1, 1), (1, 2, 3)).save(tmp_path / "tiny.png")
    assert read_image(tmp_path / "tiny.png").tolist() == [[[1, 2, 3]]]


def test_a_huge_image_is_refused_before_it_is_decoded(tmp_path):
    Image.new("1", (1, 1)).save(tmp_path / "huge.png")
    content = bytearray((tmp_path / "huge.png").read_bytes())
    struct.pack_into(">2I", content, 16, 20_000, 20_000)  # its header, then the checksum of it
    struct.pack_into(">I", content, 29, zlib.crc32(content[12:29]))
    (tmp_path / "huge.png").write_bytes(content)
    assert "200 million pixels" in refused(tmp_path / "huge.png")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_the_limit_is_200_million_pixels(tmp_path):
    for height, allowed in ((20_000, True), (20_001, False)):
        header = f"P4\n10000 {height}\n".encode()
        (tmp_path / "limit.pbm").write_bytes(header)  # the pixels are missing: told before them?
        assert ("truncated" in refused(tmp_path / "limit.pbm")) == allowed


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".bmp"])
def test_truncated(tmp_path, astronaut, suffix):
    write_image(tmp_path / f"photo{suffix}", astronaut)
    whole = (tmp_path / f"photo{suffix}").read_bytes()
    (tmp_path / f"cut{suffix}").write_bytes(whole[: len(whole) * 2 // 3])
    assert refused(tmp_path / f"cut{suffix}").endswith(": truncated")


def test_not_an_image(tmp_path):
    (tmp_path / "text.jpg").write_text("hello world\n" * 100)
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "folder.jpg").mkdir()
    assert refused(tmp_path / "text.jpg").endswith("text.jpg: not an image or video")
    assert refused(tmp_path / "empty.jpg").endswith("empty.jpg: empty file")
    assert "folder" in refused(tmp_path / "folder.jpg")
    assert "No such file" in refused(tmp_path / "gone.jpg")


def test_the_content_tells_the_kind_not_the_name(tmp_path, picture):
    write_image(tmp_path / "photo.png", picture)
    (tmp_path / "photo.png").rename(tmp_path / "photo.mp4")
    source = open_source(str(tmp_path / "photo.mp4"))
    assert source.kind == "image" and source.is_still and source.frame_count == 1
    (frame,) = source.frames()
    assert (frame.index, frame.time) == (0, 0.0)
    np.testing.assert_array_equal(frame.image, picture)


def animation(path, shown=(100, 50, 200, 70)) -> list[np.ndarray]:
    """Write frames of plain colours, each shown for some milliseconds."""
    colours = [(40 * i, 250 - 60 * i, 90) for i in range(len(shown))]
    frames = [Image.new("RGB", (16, 12), colour) for colour in colours]
    frames[0].save(
        path, save_all=True, append_images=frames[1:], duration=list(shown), loop=0, lossless=True
    )
    return [np.asarray(frame) for frame in frames]


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png", ".avif"])
def test_animations_are_videos_with_their_own_times(tmp_path, suffix):
    expected = animation(tmp_path / f"moving{suffix}")
    source = open_source(str(tmp_path / f"moving{suffix}"))
    assert source.kind == "video" and not source.is_still
    assert source.frame_count == 4 and source.fps == pytest.approx(10)
    frames = list(source.frames())
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    assert [frame.time for frame in frames] == pytest.approx([0, 0.1, 0.15, 0.35])
    for frame, image in zip(frames, expected, strict=True):
        assert np.abs(frame.image.astype(int) - image).max() <= (6 if suffix == ".avif" else 0)
    assert source.duration == pytest.approx(0.42) and source.warning is None
    assert [frame.index for frame in source.frames(every=3)] == [0, 3]


def test_the_first_frame_of_an_animation_is_its_image(tmp_path):
    expected = animation(tmp_path / "moving.gif")
    np.testing.assert_array_equal(read_image(tmp_path / "moving.gif"), expected[0])


def test_one_frame_is_not_an_animation(tmp_path):
    animation(tmp_path / "still.gif", shown=(100,))
    assert open_source(str(tmp_path / "still.gif")).kind == "image"


@pytest.mark.parametrize("suffix", [".gif", ".png"])
def test_a_truncated_animation_gives_what_it_has(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 255, (5, 30, 30, 3), np.uint8)
    first, *rest = (Image.fromarray(frame) for frame in noise)
    first.save(tmp_path / f"moving{suffix}", save_all=True, append_images=rest, duration=100)
    whole = (tmp_path / f"moving{suffix}").read_bytes()
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(whole[: len(whole) * 7 // 10])
    source = open_source(str(path))
    frames = list(source.frames())
    assert 2 <= len(frames) < 5
    assert source.warning == f"{path}: damaged after {len(frames)} frames"


def test_writing_is_whole_or_not_at_all(tmp_path, picture):
    with pytest.raises(UsageError, match=r"image\.xyz"):
        write_image(tmp_path / "image.xyz", picture)
    with pytest.raises(MienError, match=r"gone/image\.png: No such file"):
        write_image(tmp_path / "gone" / "image.png", picture)
    write_image(tmp_path / "image.png", picture)
    assert [path.name for path in tmp_path.iterdir()] == ["image.png"]


@given(st.binary(max_size=200), st.integers(0, 400))
@settings(max_examples=60, deadline=None)
def test_hostile_bytes_give_an_image_or_one_line(tmp_path_factory, noise, start):
    folder = tmp_path_factory.getbasetemp()
    seed = folder / "seed.png"
    if not seed.exists():
        write_image(seed, np.random.default_rng(0).integers(0, 255, (8, 8, 3), np.uint8))
    content = bytearray(seed.read_bytes())
    content[start : start + len(noise)] = noise
    path = folder / "hostile.png"
    path.write_bytes(content)
    try:
        assert read_image(path).shape[2] == 3
    except InputError as error:
        assert str(error).startswith(f"{path}: ") and "\n" not in str(error)
