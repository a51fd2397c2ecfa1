"""Still images, in and out."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from mien.errors import InputError, UsageError
from mien.media.files import atomic, check_readable
from mien.media.provenance import Generated

MAX_PIXELS = 200_000_000
"""Larger images are refused before they are decoded; this many are 600 MB of RGB."""

# Only these are tried on a file: Pillow's other readers are rare, and some run other programs.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM", "MPO", "HEIF")
ANIMATED_FORMATS = frozenset({"GIF", "WEBP", "PNG", "AVIF"})

# Pillow checks the size in the header too: it warns above its limit and refuses above twice that.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
# It also warns of metadata that it cannot read, which says nothing of the pixels.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


def read_image(path: str | Path) -> np.ndarray:
    """(H, W, 3) uint8 RGB of an image, upright, transparency on white.

    Reads greyscale, palette, CMYK, 16-bit and float images too; of an animation or a document
    with pages, the first.

    Raises InputError when the file is not an image, is damaged or has more than ``MAX_PIXELS``.
    """
    check_readable(path)
    with open_image(path) as image:
        return to_rgb(image)


def write_image(path: str | Path, image: np.ndarray, generated: Generated | None = None) -> None:
    """Write an (H, W, 3) uint8 RGB image; the suffix says the format (jpg, png, webp, ...).

    generated: how it came to be, of what shows what never was; the file then says so.

    Raises UsageError for an unknown suffix, and for one that cannot be signed as ``generated``
    asks, MienError when the file cannot be written.
    """
    if Path(path).suffix.lower() not in Image.registered_extensions():
        raise UsageError(f"{path}: no image format has this suffix")
    if generated is not None:
        generated.check(path)
        image = generated.seen(image)
    with atomic(path) as temporary:
        Image.fromarray(image).save(temporary, quality=95)
        if generated is not None:
            generated.sign(temporary)


@contextmanager
def open_image(path: str | Path) -> Iterator[Image.Image]:
    """A Pillow image; whatever fails in the block or before it is an InputError naming the file."""
    try:
        with Image.open(path, formats=_formats()) as image:
            yield image
    except InputError:
        raise
    except UnidentifiedImageError as error:
        raise InputError(f"{path}: not an image") from error
    except Image.DecompressionBombError as error:
        raise InputError(f"{path}: more than {MAX_PIXELS // 1_000_000} million pixels") from error
    except Exception as error:  # on damaged files Pillow's readers raise nearly anything
        damage = "truncated" if "truncated" in str(error).lower() else f"damaged: {error}"
        raise InputError(f"{path}: {damage}") from error


def count_frames(path: str | Path) -> int:
    """Frames of an image file, as its content says: 1 for a photo, 0 when it is not an image.

    Raises InputError when it is an image but cannot be read.
    """
    try:
        with open_image(path) as image:
            animated = image.format in ANIMATED_FORMATS and getattr(image, "is_animated", False)
            return getattr(image, "n_frames", 1) if animated else 1
    except InputError as error:
        if isinstance(error.__cause__, UnidentifiedImageError):
            return 0
        raise


def to_rgb(image: Image.Image) -> np.ndarray:
    """(H, W, 3) uint8 RGB of the current frame of a Pillow image, upright, on white."""
    image.load()
    if image.mode.startswith(("I", "F")):
        rgb = np.repeat(_to_8_bits(np.asarray(image))[:, :, None], 3, axis=2)
    elif image.has_transparency_data:
        rgba = image.convert("RGBA")
        rgb = np.asarray(Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba))[
            ..., :3
        ]
    else:
        rgb = np.asarray(image.convert("RGB"))
    return np.ascontiguousarray(_upright(rgb, _orientation(image)))


def _formats() -> list[str]:
    """Those of ``FORMATS`` that this Pillow has; HEIF needs a plug-in."""
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]


def _orientation(image: Image.Image) -> int:
    try:
        return image.getexif().get(0x0112, 1)
    except Exception:  # damaged EXIF says nothing of the pixels
        return 1


def _to_8_bits(grey: np.ndarray) -> np.ndarray:
    """Grey values of 16 bits, 32 bits or floats as 8 bits.

    The format does not say the range of the latter two: it is the smallest usual one that fits.
    """
    grey = np.nan_to_num(grey)
    usual = (1.0, 255.0, 65535.0) if grey.dtype.kind == "f" else (65535.0,)
    top = float(grey.max())
    scale = next((value for value in usual if top <= value), top)
    return np.clip(np.rint(grey * (255.0 / scale)), 0, 255).astype(np.uint8)


def _upright(image: np.ndarray, orientation: int) -> np.ndarray:
    """Undo an EXIF orientation (1-8: CIPA DC-008, section 4.6.5, Orientation)."""
    turns, mirrored = {
        2: (0, True),
        3: (2, False),
        4: (2, True),
        5: (1, True),
        6: (3, False),
        7: (3, True),
        8: (1, False),
    }.get(orientation, (0, False))
    return np.rot90(np.fliplr(image) if mirrored else image, turns)
