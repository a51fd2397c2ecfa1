"""What is around a head: a background, and clothes on a body below it.

Backgrounds are pictures, linear and out of focus. Clothes are a :class:`Prop` that goes on where
the head's shoulders end, so that nobody ends at the neck; they follow the body of any head.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path

import cv2
import numpy as np

from mien.errors import InputError
from mien.head.colour import to_linear
from mien.head.model import CELEBAMASK, HeadModel
from mien.head.texture import smoothstep
from mien.media import image as images
from mien.world.occluders import CLOTH, Around, Colour, Prop, merged, sheet, tube

# -- backgrounds -----------------------------------------------------------------------------------

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
    return (out * (1 + 0.012 * grain)).clip(0, 1)


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
    return np.ones((CANVAS, CANVAS, 1), np.float32) * _tint(rng, 0.18)


def _gradient(rng: np.random.Generator) -> np.ndarray:
    x, y = _axes()
    angle = rng.uniform(0, 2 * np.pi)
    t = smoothstep(0.5 + (x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle))[..., None]
    return (1 - t) * _tint(rng, 0.22) + t * _tint(rng, 0.22) * rng.uniform(0.3, 1.2)


def _studio(rng: np.random.Generator) -> np.ndarray:
    """A painted cloth with a spot of light on it."""
    x, y = _axes()
    centre, reach = rng.uniform(0.3, 0.7, 2), rng.uniform(0.3, 0.7)
    spot = np.exp(-(((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / reach**2))
    cloth = 1 + 0.07 * _cloud(rng, 9) + 0.04 * _cloud(rng, 24)
    return ((0.25 + spot) * cloth)[..., None] * _tint(rng, 0.15)


def _bokeh(rng: np.random.Generator) -> np.ndarray:
    """Lights at night, each a disc."""
    out = np.ones((CANVAS, CANVAS, 3), np.float32) * 0.03 * _tint(rng, 0.2)
    radius = rng.uniform(3, 11)
    for _ in range(int(rng.integers(15, 60))):
        disc = np.zeros((CANVAS, CANVAS), np.uint8)
        place = (rng.uniform(0, CANVAS, 2) * 16).astype(int).tolist()
        cv2.circle(disc, place, int(16 * radius * rng.uniform(0.7, 1.2)), 255, -1, cv2.LINE_AA, 4)
        colour = np.array([1.0, 0.75, 0.4]) ** rng.uniform(-0.6, 1.6) * rng.uniform(0.1, 1.2)
        out += disc[..., None] * (colour.astype(np.float32) / 255)
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


# -- clothes ---------------------------------------------------------------------------------------

GARMENTS = ("tshirt", "vneck", "turtleneck", "shirt", "suit", "hoodie", "tank")
PRINTS = ("plain", "stripes", "pinstripes", "checks", "heather", "print")
TOP, BOTTOM = -60, -200  # mm, y where the body is looked at
SHOULDERS = np.array([
    (-80, 30, 20), (-120, 76, 46), (-135, 112, 52), (-150, 142, 58), (-165, 165, 66),
    (-185, 184, 76), (-215, 199, 90), (-300, 208, 104), (-520, 208, 108),
], float)  # fmt: skip
"""Height, half width and half depth in mm of a body under its clothes."""


@dataclass(frozen=True, slots=True)
class Clothes:
    """kind: of ``GARMENTS``. colour, second: linear. pattern: of ``PRINTS``. neckline: mm lower
    than usual. build: factor on the width of the shoulders. seed: of folds and prints."""

    kind: str = "tshirt"
    colour: Colour = CLOTH[2]
    second: Colour = CLOTH[1]
    pattern: str = "plain"
    neckline: float = 0.0
    build: float = 1.0
    seed: int = 0

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Clothes":
        """Any clothes."""
        first, second = rng.permutation(len(CLOTH))[:2]
        kind = str(rng.choice(GARMENTS, p=[0.3, 0.12, 0.1, 0.18, 0.14, 0.1, 0.06]))
        plain = kind in ("suit", "turtleneck") or rng.random() < 0.5
        return cls(
            kind=kind,
            colour=CLOTH[first],
            second=CLOTH[1] if kind == "suit" and rng.random() < 0.6 else CLOTH[second],
            pattern="plain" if plain else str(rng.choice(PRINTS[1:])),
            neckline=float(rng.uniform(-4, 14)),
            build=float(np.exp(rng.normal(0, 0.06))),
            seed=int(rng.integers(2**31)),
        )


def dress(worn: Clothes, head: np.ndarray) -> Prop:
    """Clothes on the body below a head.

    head: (V, 3) mm, the posed vertices of the bundled head: the body stays where it is.

    Raises ValueError for an unknown kind or pattern, and a head of another topology.
    """
    if worn.kind not in GARMENTS:
        raise ValueError(f"clothes: one of {', '.join(GARMENTS)}, not {worn.kind!r}")
    if worn.pattern not in PRINTS:
        raise ValueError(f"pattern: one of {', '.join(PRINTS)}, not {worn.pattern!r}")
    if head.shape != HeadModel.bundled().template.shape:
        raise ValueError(f"head: the vertices of the bundled head, not {head.shape}")
    body = _Body(head, worn.build)
    back, drop, power = _NECKLINES[worn.kind]
    drop += worn.neckline * (worn.kind != "turtleneck")
    parts = [_layer(body, worn, back, drop, power, 3.5)]
    if worn.kind == "shirt":
        parts.append(_collar(body, worn, worn.colour))
    if worn.kind == "suit":
        shirt = replace(worn, colour=worn.second)
        parts = [_layer(body, shirt, -94.0, 18.0, 1.5, 3.5), _collar(body, worn, worn.second),
                 _layer(body, worn, -98.0, 210.0, 9.0, 8.0)]  # fmt: skip
        if worn.seed % 3:
            parts.append(_tie(body, worn))
    if worn.kind == "hoodie":
        parts.append(_hood(body, worn))
    else:
        parts.append(_hem(body, worn, back, drop, power))
    return merged(*parts)


_NECKLINES = {
    "tshirt": (-96.0, 24.0, 1.5), "vneck": (-97.0, 62.0, 3.5), "turtleneck": (-74.0, 4.0, 1.0),
    "shirt": (-92.0, 20.0, 1.5), "suit": (-92.0, 20.0, 1.5), "hoodie": (-94.0, 26.0, 1.5),
    "tank": (-112.0, 40.0, 1.2),
}  # fmt: skip
"""Height in mm of the neckline at the back, how much lower it is in front, and how pointed."""


class _Body:
    """How far neck and shoulders reach from a vertical axis."""

    def __init__(self, head: np.ndarray, build: float) -> None:
        triangles = HeadModel.bundled().triangles[_body_triangles()]
        self.build = build
        self.skin = Around(head, triangles, 0.0, TOP, BOTTOM)
        # On top of the shoulders a little height is a long way: cloth must lie over both.
        self.skin.map = cv2.dilate(self.skin.map, np.ones((3, 1), np.uint8))

    def reach(self, angle: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Distance (...) mm from the axis at angles (...), 0 to the front, and heights (...)."""
        heights = -SHOULDERS[:, 0]
        wide = np.interp(-y, heights, SHOULDERS[:, 1]) * self.build
        deep = np.interp(-y, heights, SHOULDERS[:, 2])
        sin, cos = np.abs(np.sin(angle)) / wide, np.abs(np.cos(angle)) / deep
        under = (sin**2.4 + cos**2.4) ** (-1 / 2.4)
        return np.maximum(self.skin.reach(angle, y), under)

    def point(self, angle: np.ndarray, y: np.ndarray, off: np.ndarray | float) -> np.ndarray:
        """Places (..., 3) mm at angles and heights, ``off`` mm over the body."""
        away = self.reach(angle, y) + off
        return np.stack([away * np.sin(angle), y, away * np.cos(angle)], -1)


@cache
def _body_triangles() -> np.ndarray:
    model = HeadModel.bundled()
    low = model.template[model.triangles][:, :, 1].max(1) < TOP + 20
    return model.triangles_of("neck", "cloth", "skin") & low


def _neckline(angle: np.ndarray, back: float, drop: float, power: float) -> np.ndarray:
    return back - drop * (0.5 + 0.5 * np.cos(angle)) ** power


def _layer(
    body: _Body, worn: Clothes, back: float, drop: float, power: float, off: float
) -> Prop:  # fmt: skip
    """Cloth from a neckline downwards."""
    rng = np.random.default_rng(worn.seed)
    angle = np.linspace(-np.pi, np.pi, 128, endpoint=False)
    t = np.concatenate([np.linspace(0, 0.5, 40), np.linspace(0.5, 1, 10)[1:]])[:, None]
    top = _neckline(angle, back, drop, power)
    y = top + t**1.15 * (-480 - top)
    coarse = rng.standard_normal((9, 13)).astype(np.float32)
    folds = cv2.resize(coarse, (128, 420), interpolation=cv2.INTER_CUBIC)
    rows, columns = (TOP - y).astype(int).clip(0, 419), np.arange(128)
    below = smoothstep((-100 - y) / 60)
    loose = off + (5 + 2.5 * folds[rows, columns]) * below
    net = body.point(np.broadcast_to(angle, y.shape), y, loose)
    colours = _printed(worn, net, rng)
    return Prop.of(sheet(net, closed=True), colours.reshape(-1, 3), CELEBAMASK.index("cloth"),
                   gloss=0.05)  # fmt: skip


def _printed(worn: Clothes, net: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    x, y = net[..., 0], net[..., 1]
    width = rng.uniform(26, 60)

    def bars(at: np.ndarray, share: float) -> np.ndarray:
        return smoothstep((np.cos(2 * np.pi * at / width) - 1 + 2 * share) * width / 18 + 0.5)

    second = np.zeros(x.shape)
    if worn.pattern == "stripes":
        second = bars(y, 0.45)
    elif worn.pattern == "pinstripes":
        second = 0.5 * bars(x, 0.2)
    elif worn.pattern == "checks":
        second = 0.5 * bars(x, 0.5) + 0.5 * bars(y, 0.5)
    elif worn.pattern == "print":
        away = np.hypot(x, 1.2 * (y + 205))
        second = smoothstep((42 - away) / 10) * (net[..., 2] > 0)
    mixed = np.array(worn.colour) + second[..., None] * (np.array(worn.second) - worn.colour)
    grain = 0.16 if worn.pattern == "heather" else 0.03
    return mixed * (1 + grain * rng.standard_normal(x.shape))[..., None].clip(0.4)


def _hem(body: _Body, worn: Clothes, back: float, drop: float, power: float) -> Prop:
    """The seam along the neckline."""
    angle = np.linspace(-np.pi, np.pi, 80, endpoint=False)
    line = body.point(angle, _neckline(angle, back, drop, power) - 1, 2.2)
    colour = np.array(worn.second if worn.kind == "suit" else worn.colour) * 0.85
    shape = tube(line, 1.6, 6, closed=True)
    return Prop.of(shape, colour, CELEBAMASK.index("cloth"), gloss=0.05)


def _collar(body: _Body, worn: Clothes, colour: Colour) -> Prop:
    """A shirt's collar: up along the neck, then folded down, open in front."""
    angle = np.linspace(0.1, 2 * np.pi - 0.1, 72)
    point = np.exp(-((np.minimum(angle, 2 * np.pi - angle) / 0.5) ** 2))
    foot = _neckline(angle, -92.0, 20.0, 1.5)
    crest = foot + 18 - 6 * point
    tips = foot - 3 - 34 * point
    heights = np.stack([foot, 0.5 * (foot + crest), crest, 0.5 * (crest + tips), tips])
    off = np.array([2.0, 4.0, 6.0, 10.0, 11.0])[:, None]
    neck = body.reach(angle, foot)
    parted = 1 - np.array([0.0, 0.0, 0.0, 0.05, 0.13])[:, None]  # in front, below the fold
    turn = np.pi + (angle - np.pi) * parted
    own = np.maximum(body.reach(turn, heights), 0.97 * neck)
    away = own + off + 3 * point * (off > 8)
    net = np.stack([away * np.sin(turn), heights, away * np.cos(turn)], -1)
    return Prop.of(sheet(net), np.array(colour) * 0.96, CELEBAMASK.index("cloth"), gloss=0.05)


def _tie(body: _Body, worn: Clothes) -> Prop:
    rng = np.random.default_rng(worn.seed + 1)
    y = np.linspace(-113, -330, 30)
    half = np.interp(-y, [113, 122, 130, 330], [9, 10, 7, 34])
    x = np.linspace(-1, 1, 7)[None] * half[:, None]
    front = body.reach(np.zeros(30), y) + np.interp(
        -y, [113, 122, 130, 200, 330], [10, 13, 11, 13, 14]
    )
    net = np.stack([x, np.broadcast_to(y[:, None], x.shape),
                    front[:, None] - 0.02 * x**2], -1)  # fmt: skip
    stripe = ((net[..., 0] + net[..., 1]) / 12 % 2 < 1) & (rng.random() < 0.5)
    first, second = (np.array(CLOTH[i]) for i in rng.permutation(len(CLOTH))[:2])
    colours = np.where(stripe[..., None], second, first)
    return Prop.of(sheet(net), colours.reshape(-1, 3), CELEBAMASK.index("cloth"), gloss=0.4)


def _hood(body: _Body, worn: Clothes) -> Prop:
    """A hood that lies on the shoulders."""
    angle = np.linspace(-np.pi, np.pi, 72, endpoint=False)
    thick = 9 + 9 * (0.5 - 0.5 * np.cos(angle))
    line = body.point(angle, _neckline(angle, -90.0, 34.0, 1.6), thick * 0.7)
    folds = 1 + 0.06 * np.cos(7 * angle + worn.seed % 6)
    shape = tube(line, thick * folds, 12, closed=True)
    return Prop.of(shape, np.array(worn.colour) * 0.93, CELEBAMASK.index("cloth"), gloss=0.05)
