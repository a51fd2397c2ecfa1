"""Vector drawings without a library: lines, areas, texts and pixel maps, as SVG text."""

import base64
import html
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif"
INK, FAINT, GRID = "#2b303b", "#7b8494", "#e3e6ec"


class Drawing:
    """A drawing that grows element by element; coordinates are pixels, y down."""

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self._parts: list[str] = []

    def line(self, x0: float, y0: float, x1: float, y1: float, colour: str = GRID) -> None:
        self._parts.append(f'<path d="M{_n(x0)} {_n(y0)}L{_n(x1)} {_n(y1)}" stroke="{colour}"/>')

    def curve(self, x: np.ndarray, y: np.ndarray, colour: str) -> None:
        """A line through points; it is broken where ``y`` is NaN."""
        known = np.isfinite(y)
        steps = [
            f"{'L' if index and known[index - 1] else 'M'}{_n(x[index])} {_n(y[index])}"
            for index in np.flatnonzero(known)
        ]
        if steps:
            path = "".join(steps) + ("h.01" if len(steps) == 1 else "")
            self._parts.append(
                f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.4" '
                'stroke-linejoin="round" stroke-linecap="round"/>'
            )

    def area(self, x: np.ndarray, low: np.ndarray, high: np.ndarray, colour: str) -> None:
        """What lies between two lines."""
        there = [f"{_n(a)} {_n(b)}" for a, b in zip(x, high, strict=True)]
        back = [f"{_n(a)} {_n(b)}" for a, b in zip(x[::-1], low[::-1], strict=True)]
        self._parts.append(f'<path d="M{"L".join(there + back)}Z" fill="{colour}"/>')

    def box(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        self._parts.append(
            f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" '
            f'fill="{colour}"/>'
        )

    def text(
        self, x: float, y: float, text: str, *, anchor: str = "start", size: float = 11,
        colour: str = FAINT,
    ) -> None:  # fmt: skip
        """A line of text on its baseline; any text may be given."""
        self._parts.append(
            f'<text x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}" font-size="{size}" '
            f'fill="{colour}">{html.escape(printable(text))}</text>'
        )

    def pixels(self, x: float, y: float, width: float, height: float, image: np.ndarray) -> None:
        """An (H, W, 3) uint8 picture, stretched over a box without smoothing."""
        self._parts.append(
            f'<image x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" '
            f'preserveAspectRatio="none" style="image-rendering:pixelated" '
            f'href="{data_uri(_png(image), "image/png")}"/>'
        )

    def markup(self) -> str:
        """The ``<svg>`` element; as a file of its own it can be shown, too."""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_n(self.width)} '
            f'{_n(self.height)}" width="{_n(self.width)}" height="{_n(self.height)}" '
            f'font-family="{FONT}">' + "".join(self._parts) + "</svg>"
        )


def printable(text: str) -> str:
    """The text with a question mark for what does not print: control, direction, half letters."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def data_uri(content: bytes, kind: str) -> str:
    """A file as an address that holds it."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def hexadecimal(colour: Sequence[int]) -> str:
    """An RGB colour as ``#rrggbb``."""
    return "#" + bytes(colour).hex()


def _png(image: np.ndarray) -> bytes:
    file = io.BytesIO()
    picture = Image.fromarray(image).quantize(256) if image.shape[1] > 1 else Image.fromarray(image)
    picture.save(file, "PNG", optimize=True)
    return file.getvalue()


def _n(number: float) -> str:
    """A coordinate to a tenth of a pixel, as short as it can be."""
    return f"{number:.1f}".removesuffix(".0")
