"""Backgrounds: pictures, linear and out of focus."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import cv2
import numpy as np

from mien.errors import InputError
from mien.head.colour import to_linear
from mien.head.texture import smoothstep
from mien.media import image as images

KINDS = ("plain", "gradient", "studio", "bokeh", "room", "outdoor", "foliage", "street", "photo")
CANVAS = 128  # texels in which a background is drawn; it is out of focus
ENDINGS = (".jpg", ".jpeg", ".png", ".webp")


@dataclass(frozen=True, slots=True)
class Background:
    """kind: of ``KINDS``. bright: mean linear light. blur: in parts of the picture's side.
    folder: of photographs, for ``photo``. seed: of everything else."""

    kind: str = "plain"
    bright: float = 0.4
    blur: float = 0.02
    folder: str = ""
    seed: int = 0


def sample(rng: np.random.Generator, folder: str = "") -> Background:
    """Any background; with a folder of photographs, half are of it."""
    kind = str(rng.choice(KINDS[:-1])) if not folder or rng.random() < 0.5 else "photo"
    return Background(
        kind=kind,
        bright=float(np.exp(rng.uniform(np.log(0.04), np.log(0.75)))),
        blur=float(rng.choice([0.004, 0.015, 0.035]) * rng.uniform(0.6, 1.6)),
        folder=folder if kind == "photo" else "",
        seed=int(rng.integers(2**31)),
    )


def background(behind: Background, size: int) -> np.ndarray:
    """A background (size, size, 3) float32, linear 0..1.

    Raises ValueError for an unknown kind, InputError for a folder without photographs.
    """
    if behind.kind not in KINDS:
        raise ValueError(f"background: one of {', '.join(KINDS)}, not {behind.kind!r}")
    rng = np.random.default_rng(behind.seed)
    if behind.kind == "photo":
        drawn = _photo(behind.folder, rng)
    else:
        drawn = _KINDS[behind.kind](rng).astype(np.float32)
        drawn *= behind.bright / max(float(drawn.mean()), 1e-3)
    drawn = cv2.GaussianBlur(drawn, (0, 0), max(0.4, behind.blur * len(drawn)))
    way = cv2.INTER_AREA if size < len(drawn) else cv2.INTER_LINEAR
    out = cv2.resize(drawn, (size, size), interpolation=way)
    grain = rng.standard_normal((size, size), dtype=np.float32)[..., None]
    grain *= 0.012
    grain += 1
    out *= grain
    return out.clip(0, 1, out=out)


def _tint(rng: np.random.Generator, vivid: float) -> np.ndarray:
    return np.exp(rng.normal(0, vivid, 3)).astype(np.float32)


def _axes() -> tuple[np.ndarray, np.ndarray]:
    at = (np.arange(CANVAS, dtype=np.float32) + 0.5) / CANVAS
    return at[None, :], at[:, None]


def _cloud(rng: np.random.Generator, cells: int) -> np.ndarray:
    """Smooth noise (CANVAS, CANVAS) of mean 0 and deviation about 1."""
    small = rng.standard_normal((cells, cells), dtype=np.float32)
    return cv2.resize(small, (CANVAS, CANVAS), interpolation=cv2.INTER_CUBIC)


def _plain(rng: np.random.Generator) -> np.ndarray:
    return np.ones((CANVAS, CANVAS, 1), np.float32) * _tint(rng, 0.08)


def _gradient(rng: np.random.Generator) -> np.ndarray:
    x, y = _axes()
    angle = rng.uniform(0, 2 * np.pi)
    t = smoothstep(0.5 + (x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle))[..., None]
    return (1 - t) * _tint(rng, 0.09) + t * _tint(rng, 0.09) * rng.uniform(0.3, 1.2)


def _studio(rng: np.random.Generator) -> np.ndarray:
    """A painted cloth with a spot of light on it."""
    x, y = _axes()
    centre, reach = rng.uniform(0.3, 0.7, 2), rng.uniform(0.3, 0.7)
    spot = np.exp(-(((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / reach**2))
    cloth = 1 + 0.07 * _cloud(rng, 9) + 0.04 * _cloud(rng, 24)
    return ((0.25 + spot) * cloth)[..., None] * _tint(rng, 0.07)


def _bokeh(rng: np.random.Generator) -> np.ndarray:
    """Lights at night, each a disc."""
    out = np.ones((CANVAS, CANVAS, 3), np.float32) * 0.03 * _tint(rng, 0.2)
    radius = rng.uniform(3, 11)
    for _ in range(int(rng.integers(15, 60))):
        disc = np.zeros((CANVAS, CANVAS), np.uint8)
        place = (rng.uniform(0, CANVAS, 2) * 16).astype(int)
        reach = int(16 * radius * rng.uniform(0.7, 1.2))
        cv2.circle(disc, place.tolist(), reach, 255, -1, cv2.LINE_AA, 4)
        colour = np.array([1.0, 0.75, 0.4]) ** rng.uniform(-0.6, 1.6) * rng.uniform(0.1, 1.2)
        low, high = ((place - reach) // 16 - 2).clip(0), (place + reach) // 16 + 3
        box = np.s_[low[1] : high[1], low[0] : high[0]]
        out[box] += disc[box][..., None] * (colour.astype(np.float32) / 255)
    return out


def _room(rng: np.random.Generator) -> np.ndarray:
    """A wall, a window or lamp, shelves, pictures, a door."""
    x, _ = _axes()
    wall = (0.8 + 0.35 * (x if rng.random() < 0.5 else 1 - x))[..., None] * _tint(rng, 0.12)
    out = np.ascontiguousarray(np.broadcast_to(wall * 0.5, (CANVAS, CANVAS, 3)), np.float32)
    for _ in range(int(rng.integers(2, 7))):  # furniture and pictures
        _block(out, rng, _tint(rng, 0.25) * rng.uniform(0.05, 0.6), (0.08, 0.4), (0.08, 0.5))
    if rng.random() < 0.6:
        _window(out, rng)
    if rng.random() < 0.5:
        _shelf(out, rng)
    return out * (1 + 0.03 * _cloud(rng, 8))[..., None]


def _block(
    out: np.ndarray, rng: np.random.Generator, colour: np.ndarray,
    wide: tuple[float, float], high: tuple[float, float],
) -> tuple[int, int, int, int]:  # fmt: skip
    width, height = (int(CANVAS * rng.uniform(*span)) for span in (wide, high))
    left, top = int(rng.uniform(-0.1, 0.95) * CANVAS), int(rng.uniform(-0.1, 0.9) * CANVAS)
    box = max(left, 0), max(top, 0), left + width, top + height
    out[box[1] : box[3], box[0] : box[2]] = colour
    return box


def _window(out: np.ndarray, rng: np.random.Generator) -> None:
    light = np.array([0.85, 0.95, 1.1], np.float32) * rng.uniform(1.0, 2.0)
    left, top, right, bottom = _block(out, rng, light, (0.25, 0.5), (0.35, 0.7))
    for k in (1, 2):
        bar = left + (right - left) * k // 3
        out[top:bottom, bar : bar + 2] = 0.3


def _shelf(out: np.ndarray, rng: np.random.Generator) -> None:
    """Rows of books."""
    left, width = int(rng.uniform(0, 0.7) * CANVAS), int(rng.uniform(0.25, 0.5) * CANVAS)
    for top in range(int(rng.uniform(0, 20)), CANVAS - 24, 24):
        at = left
        while at < left + width:
            thick, tall = int(rng.integers(2, 6)), int(rng.integers(13, 20))
            out[top + 20 - tall : top + 20, at : at + thick] = _tint(rng, 0.4) * rng.uniform(
                0.08, 0.4
            )
            at += thick
        out[top + 20 : top + 23, left : left + width] = (0.22, 0.14, 0.08)


def _outdoor(rng: np.random.Generator) -> np.ndarray:
    """Sky, something on the horizon, ground."""
    x, y = _axes()
    horizon = rng.uniform(0.35, 0.8)
    line = horizon + 0.05 * _cloud(rng, 7)[:1] + 0.02 * _cloud(rng, 24)[:1]
    sky = np.array([0.35, 0.55, 0.95]) * (0.7 + 0.5 * y[..., None] / horizon)
    clouds = smoothstep(0.5 * _cloud(rng, 6) + 0.3 * _cloud(rng, 14) - 0.1)[..., None]
    sky = sky + clouds * (0.95 - sky) * rng.uniform(0, 1)
    far = np.array([0.10, 0.15, 0.08]) * (1 + 0.25 * _cloud(rng, 30))[..., None] * _tint(rng, 0.3)
    ground = np.array([0.28, 0.26, 0.16]) * (1 + 0.12 * _cloud(rng, 12))[..., None]
    ground = ground * _tint(rng, 0.3)
    trees = smoothstep((y - line) / 0.02 + 0.5 + 0 * x)[..., None]
    below = smoothstep((y - horizon - 0.12) / 0.03 + 0.5 + 0 * x)[..., None]
    return (sky + trees * (far - sky)) * (1 - below) + below * ground


def _foliage(rng: np.random.Generator) -> np.ndarray:
    """Leaves with light between them."""
    dark = 0.6 * _cloud(rng, 10) + 0.5 * _cloud(rng, 26) + 0.4 * _cloud(rng, 52)
    green = np.array([0.11, 0.16, 0.05]) * np.exp(0.6 * dark)[..., None] * _tint(rng, 0.2)
    gaps = smoothstep((_cloud(rng, 20) + 0.5 * _cloud(rng, 40) - 1.3) / 0.6)[..., None]
    return green + gaps * np.array([0.9, 0.95, 0.8])


def _street(rng: np.random.Generator) -> np.ndarray:
    """Fronts of houses with windows, a road."""
    _, y = _axes()
    out = np.ones((CANVAS, CANVAS, 3), np.float32) * np.array([0.7, 0.8, 0.95], np.float32)
    left = 0
    while left < CANVAS:
        width, top = int(rng.integers(16, 50)), int(rng.uniform(-0.1, 0.45) * CANVAS)
        front = np.array([0.4, 0.34, 0.28]) * _tint(rng, 0.15) * rng.uniform(0.3, 1.2)
        out[max(top, 0) :, left : left + width] = front
        pane = np.array([0.08, 0.1, 0.13]) if rng.random() < 0.6 else np.array([0.9, 0.7, 0.4])
        for row in range(max(top, 0) + 4, int(0.75 * CANVAS), 14):
            for column in range(left + 3, left + width - 5, 10):
                out[row : row + 8, column : column + 5] = pane * rng.uniform(0.6, 1.2)
        left += width
    road = smoothstep((y - 0.8) / 0.03)[..., None]
    return out * (1 - road) + road * np.array([0.18, 0.18, 0.19])


_KINDS: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "plain": _plain, "gradient": _gradient, "studio": _studio, "bokeh": _bokeh, "room": _room,
    "outdoor": _outdoor, "foliage": _foliage, "street": _street,
}  # fmt: skip


def _photo(folder: str, rng: np.random.Generator) -> np.ndarray:
    """A square part of a photograph."""
    names = _photographs(folder)
    picture = _small(names[rng.integers(len(names))])
    height, width = picture.shape[:2]
    side = max(8, int(min(height, width) * rng.uniform(0.5, 1.0)))
    top, left = (int(rng.integers(whole - side + 1)) for whole in (height, width))
    part = picture[top : top + side, left : left + side]
    return to_linear(part[:, ::-1] if rng.random() < 0.5 else part)


@cache
def _photographs(folder: str) -> tuple[Path, ...]:
    names = tuple(
        sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in ENDINGS)
    )
    if not names:
        raise InputError(f"{folder}: no photographs")
    return names


@lru_cache(maxsize=64)
def _small(path: Path) -> np.ndarray:
    """A photograph (h, w, 3) uint8 sRGB, its shorter side ``2 * CANVAS`` texels."""
    picture = images.read_image(path)
    scale = 2 * CANVAS / min(picture.shape[:2])
    size = (max(8, round(picture.shape[1] * scale)), max(8, round(picture.shape[0] * scale)))
    return cv2.resize(
        picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    )
