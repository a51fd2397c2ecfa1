"""Letters in pictures, in a typeface that stays readable when it is small."""

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]

FINER = 4  # letters are drawn this much larger first: small ones keep their spaces
KEPT = 4096  # rendered texts; numbers and names repeat from frame to frame


def write(
    image: np.ndarray, text: str, place: tuple[int, int], size: int, colour: Colour, right=False
) -> int:
    """Write into an (H, W, 3) uint8 picture, in place; returns the text's width in pixels.

    place: left (``right``: right) end and top of the line, which is ``size`` pixels high; what
    lies outside of the picture is left out.
    """
    mask = _mask(text, size)
    height, width = mask.shape
    left, top = place[0] - width * right, place[1]
    x0, y0 = max(left, 0), max(top, 0)
    part = image[y0 : max(top + height, 0), x0 : max(left + width, 0)]
    if part.size:
        ink = mask[y0 - top :, x0 - left :][: part.shape[0], : part.shape[1], None]
        part[:] = part + (np.array(colour, np.int16) - part) * (ink / np.float32(255))
    return width


def width_of(text: str, size: int) -> int:
    """The width in pixels that :func:`write` takes."""
    return _mask(text, size).shape[1]


@lru_cache(KEPT)
def _mask(text: str, size: int) -> np.ndarray:
    """(size, width) uint8: how much ink is where."""
    font = _font(FINER * size)
    width = max(round(font.getlength(text) / FINER), 1)
    picture = Image.new("L", (FINER * width, FINER * size))
    ImageDraw.Draw(picture).text((0, FINER * size // 2), text, 255, font, anchor="lm")
    return np.asarray(picture.reduce(FINER))


@lru_cache(32)
def _font(size: int) -> ImageFont.FreeTypeFont:
    """Of such a height that capitals and descenders fit a line of ``size`` pixels."""
    font = ImageFont.load_default(size * 0.85)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font
