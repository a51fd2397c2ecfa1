"""Pictures drawn, painted or printed instead of photographed; nothing in them moves.

Strength 0 is the picture itself, 1 the whole style; between, the style is both finer and mixed with
the picture. Lengths go with the size of the picture.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

STYLES = ("sketch", "cartoon", "paint", "palette", "pixels", "engraving", "halftone", "watercolour")

INKS = np.array([
    [[20, 24, 46], [196, 60, 66], [238, 186, 120], [250, 240, 214]],
    [[24, 20, 37], [62, 39, 80], [203, 93, 85], [255, 204, 170]],
    [[8, 42, 54], [38, 139, 130], [220, 180, 90], [253, 246, 227]],
    [[15, 56, 15], [48, 98, 48], [139, 172, 15], [200, 220, 80]],
    [[10, 10, 12], [90, 90, 96], [170, 170, 176], [245, 245, 240]],
], np.uint8)  # fmt: skip
"""Palettes (p, 4, 3) sRGB, from dark to light."""


@dataclass(frozen=True, slots=True)
class Style:
    """name: of ``STYLES``. strength: 0..1. seed: of paper, strokes and inks."""

    name: str = "sketch"
    strength: float = 0.0
    seed: int = 0


def sample(rng: np.random.Generator, name: str | None = None) -> Style:
    """A style, any by default, at a strength of 0.2 to 1."""
    kind = STYLES[rng.integers(len(STYLES))] if name is None else name
    return Style(kind, float(rng.uniform(0.2, 1.0)), int(rng.integers(2**31)))


def apply(image: np.ndarray, style: Style) -> np.ndarray:
    """A picture (h, w, 3) uint8 sRGB in a style.

    Raises ValueError for an unknown style, a strength beyond 0..1, another shape or type.
    """
    if style.name not in STYLES:
        raise ValueError(f"style: one of {', '.join(STYLES)}, not {style.name!r}")
    if not 0 <= style.strength <= 1:
        raise ValueError(f"strength: 0 to 1, not {style.strength}")
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"image: an (h, w, 3) uint8 array, not {image.shape} {image.dtype}")
    if not style.strength:
        return image.copy()
    rng = np.random.default_rng(style.seed)
    drawn = _STYLES[style.name](image, style.strength, rng)
    share = min(1.0, 1.6 * style.strength)
    return cv2.addWeighted(drawn, share, image, 1 - share, 0)


def _unit(image: np.ndarray) -> float:
    """A pixel of a picture 256 high, in pixels."""
    return image.shape[0] / 256


def _grey(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255


def _coloured(grey: np.ndarray) -> np.ndarray:
    return np.repeat((grey.clip(0, 1) * 255 + 0.5).astype(np.uint8)[..., None], 3, 2)


def _edges(grey: np.ndarray, sigma: float) -> np.ndarray:
    """How dark a pixel is among its neighbours, (h, w) 0..1: 1 on plain ground, 0 in a line."""
    fine, coarse = (cv2.GaussianBlur(grey, (0, 0), s) for s in (sigma, 1.6 * sigma))
    return (1 + 28 * (fine - coarse) + 0.25).clip(0, 1)


def _sketch(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """A pencil: colour dodge, hatching in the shadows, the grain of paper."""
    unit, grey = _unit(image), _grey(image)
    wide = cv2.GaussianBlur(grey, (0, 0), (3 + 7 * strength) * unit)
    dodge = (grey / np.maximum(wide, 0.02)).clip(0, 1) ** (1 + 1.6 * strength)
    height, width = grey.shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    hatch = 0.5 + 0.5 * np.sin((x + y + rng.uniform(0, 9)) * (2.1 / unit))
    shadow = ((0.42 - wide) / 0.42).clip(0, 1)
    paper = rng.standard_normal(grey.shape, dtype=np.float32)
    drawn = dodge - 0.45 * shadow * hatch * strength + 0.03 * paper
    drawn *= 0.35 + 0.65 * _edges(grey, 0.9 * unit)
    return _coloured(drawn)


def _cartoon(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Flat colours in few steps of light, black lines."""
    unit = _unit(image)
    smooth = image
    for _ in range(1 + round(strength)):
        smooth = cv2.bilateralFilter(smooth, 5, 40 + 30 * strength, 4 * unit)
    lab = cv2.cvtColor(smooth, cv2.COLOR_RGB2LAB).astype(np.float32)
    step = 14 + 26 * strength
    below = np.floor(lab[..., 0] / step)
    part = lab[..., 0] / step - below
    lab[..., 0] = step * (below + 0.5 + 0.5 * np.tanh(7 * (part - 0.5)))
    lab[..., 1:] = (lab[..., 1:] - 128) * (1 + 0.5 * strength) + 128
    flat = cv2.cvtColor(lab.clip(0, 255).astype(np.uint8), cv2.COLOR_LAB2RGB)
    ink = _edges(_grey(smooth), (0.7 + 0.6 * strength) * unit)
    return (flat * ink[..., None]).astype(np.uint8)


def _paint(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Oil: each pixel takes the mean of the most even quarter around it (Kuwahara 1976)."""
    reach = max(1, round((1.5 + 3 * strength) * _unit(image)))
    grey = _grey(image)
    window = (reach + 1, reach + 1)
    mean = cv2.blur(image, window)
    light = cv2.blur(grey, window)
    spread = cv2.blur(grey * grey, window) - light * light
    best, least = mean.copy(), np.full_like(grey, np.inf)
    half = reach / 2
    for dx, dy in ((-half, -half), (half, -half), (-half, half), (half, half)):
        shift = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
        moved = cv2.warpAffine(spread, shift, grey.shape[::-1], flags=cv2.INTER_NEAREST,
                               borderMode=cv2.BORDER_REPLICATE)  # fmt: skip
        there = cv2.warpAffine(mean, shift, grey.shape[::-1], flags=cv2.INTER_NEAREST,
                               borderMode=cv2.BORDER_REPLICATE)  # fmt: skip
        better = moved < least
        cv2.copyTo(there, better.astype(np.uint8), best)
        least = np.minimum(moved, least)
    canvas = cv2.GaussianBlur(rng.standard_normal(grey.shape, dtype=np.float32), (0, 0), 1.0)
    vivid = cv2.transform(best.astype(np.float32), _saturation(1 + 0.25 * strength))
    return (vivid * (1 + 0.12 * strength * canvas[..., None])).clip(0, 255).astype(np.uint8)


def _saturation(factor: float) -> np.ndarray:
    return factor * np.eye(3) + (1 - factor) / 3


def _palette(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """A poster: the picture's light in four inks."""
    inks = INKS[rng.integers(len(INKS))].astype(np.float32)
    grey = cv2.GaussianBlur(_grey(image), (0, 0), (0.5 + strength) * _unit(image))
    low, high = np.percentile(grey[::4, ::4], (3, 97))
    level = ((grey - low) / max(float(high - low), 1e-3)).clip(0, 1) * 3
    below = np.floor(level)
    level = below + 0.5 + 0.5 * np.tanh((2 + 12 * strength) * (level - below - 0.5))
    stops = np.linspace(0, 3, 256)
    table = np.stack([np.interp(stops, np.arange(4), inks[:, c]) for c in range(3)], 1)
    return table.astype(np.uint8)[(level * 85).astype(np.uint8)]


def _pixels(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Large pixels in few colours, ordered dither between them."""
    height, width = image.shape[:2]
    rows = max(8, round(height / ((1 + 4.5 * strength) * _unit(image))))
    columns = max(8, round(rows * width / height))
    small = cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA).astype(np.float32)
    bayer = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]]) / 16 - 0.47
    step = 255 / (9 - 5 * strength)
    dither = np.tile(bayer, (rows // 4 + 1, columns // 4 + 1))[:rows, :columns, None] * step
    few = (np.rint((small + 0.8 * dither) / step) * step).clip(0, 255).astype(np.uint8)
    return cv2.resize(few, (width, height), interpolation=cv2.INTER_NEAREST)


def _engraving(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Lines that swell where it is dark and bend with the light, as on bank notes."""
    unit, grey = _unit(image), _grey(image)
    smooth = cv2.GaussianBlur(grey, (0, 0), 1.2 * unit)
    relief = cv2.GaussianBlur(grey, (0, 0), 6 * unit)
    height, width = grey.shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    period = (2.6 + 2.0 * strength) * unit
    wave = 0.5 + 0.5 * np.sin(2 * np.pi * (y + 0.25 * x + 26 * unit * relief) / period)
    drawn = (0.5 + 2.2 * (smooth * 1.15 - 0.08 - 0.75 * wave)).clip(0, 1)
    crossed = 0.5 + 0.5 * np.sin(2 * np.pi * (x - 0.35 * y + 20 * unit * relief) / period)
    drawn = np.minimum(drawn, (0.5 + 2.2 * (smooth + 0.35 - 0.75 * crossed)).clip(0, 1))
    drawn *= 0.4 + 0.6 * _edges(grey, 0.8 * unit)
    paper, ink = np.array([244, 236, 214], np.float32), np.array([32, 34, 44], np.float32)
    return (ink + drawn[..., None] * (paper - ink)).astype(np.uint8)


def _halftone(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Dots of cyan, magenta, yellow and black, each turned by an angle of its own."""
    unit = _unit(image)
    period = (2.4 + 2.6 * strength) * unit
    inks = 1 - cv2.GaussianBlur(image, (0, 0), 0.25 * period).astype(np.float32) / 255
    black = 0.7 * inks.min(2)
    height, width = black.shape
    out = np.ones((height, width, 3), np.float32)
    for channel, angle in enumerate((0.26, 1.31, 0.0, 0.785)):
        across = _wave(height, width, angle, period) + _wave(
            height, width, angle + np.pi / 2, period
        )
        dots = 0.5 + 0.25 * across
        amount = black if channel == 3 else inks[..., channel] - black
        printed = (0.5 + 3.5 * (amount * 1.25 - 0.15 - (1 - dots) * 0.95)).clip(0, 1)
        if channel == 3:
            out *= 1 - 0.92 * printed[..., None]
        else:
            out[..., channel] *= 1 - 0.88 * printed
    return (out * 255).astype(np.uint8)


def _wave(height: int, width: int, angle: float, period: float) -> np.ndarray:
    """A cosine (h, w) along a direction, as a sum of two products of a row and a column."""
    x = np.arange(width, dtype=np.float32) * np.float32(2 * np.pi / period * np.cos(angle))
    y = np.arange(height, dtype=np.float32) * np.float32(2 * np.pi / period * np.sin(angle))
    return np.outer(np.cos(y), np.cos(x)) - np.outer(np.sin(y), np.sin(x))


def _watercolour(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Thin colour on white paper, darker at the borders of a wash."""
    unit = _unit(image)
    washed = cv2.bilateralFilter(image, 5, 40 + 40 * strength, 4 * unit)
    washed = cv2.bilateralFilter(washed, 5, 40 + 40 * strength, 4 * unit)
    grey = _grey(washed)
    rims = np.abs(cv2.Laplacian(cv2.GaussianBlur(grey, (0, 0), 1.5 * unit), cv2.CV_32F)) / unit**-2
    cells = rng.standard_normal((24, 24), dtype=np.float32)
    flow = cv2.resize(cells, grey.shape[::-1], interpolation=cv2.INTER_CUBIC)
    colour = (washed.astype(np.float32) / 255) ** (0.75 - 0.15 * strength)
    density = 1 + 0.12 * strength * flow + (3 * strength * rims).clip(0, 0.6)
    paper = 0.02 * strength * rng.standard_normal(grey.shape, dtype=np.float32)
    thin = colour.clip(1e-3, 1) ** density[..., None] + paper[..., None]
    return (thin.clip(0, 1) * 255).astype(np.uint8)


_STYLES: dict[str, Callable[[np.ndarray, float, np.random.Generator], np.ndarray]] = {
    "sketch": _sketch, "cartoon": _cartoon, "paint": _paint, "palette": _palette,
    "pixels": _pixels, "engraving": _engraving, "halftone": _halftone,
    "watercolour": _watercolour,
}  # fmt: skip
