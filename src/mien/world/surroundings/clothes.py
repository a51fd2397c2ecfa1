"""Clothes on a body below the head, so that nobody ends at the neck."""

from dataclasses import dataclass, replace
from functools import cache

import cv2
import numpy as np

from mien.head.model import CELEBAMASK, HeadModel
from mien.head.texture import smoothstep
from mien.world.occluders import CLOTH, Around, Colour, Prop, merged, sheet, tube

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
        vertices, triangles = _body_mesh()
        self.build = build
        self.skin = Around(head[vertices], triangles, 0.0, TOP, BOTTOM)
        # On top of the shoulders a little height is a long way: cloth must lie over both.
        self.skin.map = cv2.dilate(self.skin.map, np.ones((3, 1), np.uint8))

    def reach(self, angle: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Distance (...) mm from the axis at angles (...), 0 to the front, and heights (...)."""
        heights = -SHOULDERS[:, 0]
        wide = np.interp(-y, heights, SHOULDERS[:, 1]) * self.build
        deep = np.interp(-y, heights, SHOULDERS[:, 2])
        sin = (np.abs(np.sin(angle)) / wide).astype(np.float32)  # powers of float32 are fast
        cos = (np.abs(np.cos(angle)) / deep).astype(np.float32)
        under = (sin ** np.float32(2.4) + cos ** np.float32(2.4)) ** np.float32(-1 / 2.4)
        return np.maximum(self.skin.reach(angle, y), under)

    def point(self, angle: np.ndarray, y: np.ndarray, off: np.ndarray | float) -> np.ndarray:
        """Places (..., 3) mm at angles and heights, ``off`` mm over the body."""
        away = self.reach(angle, y) + off
        return np.stack([away * np.sin(angle), y, away * np.cos(angle)], -1)


@cache
def _body_mesh() -> tuple[np.ndarray, np.ndarray]:
    """The vertices (n,) of the head's mesh below the chin, and triangles (m, 3) among them."""
    model = HeadModel.bundled()
    low = model.template[model.triangles][:, :, 1].max(1) < TOP + 20
    corners = model.triangles[model.triangles_of("neck", "cloth", "skin") & low]
    vertices, triangles = np.unique(corners, return_inverse=True)
    return vertices, triangles.reshape(-1, 3).astype(np.int32)


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
    net = body.point(angle, y, loose)
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
