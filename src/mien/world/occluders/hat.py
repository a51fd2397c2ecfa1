"""Hats, and hair under them."""

from dataclasses import dataclass

import numpy as np

from mien.head.model import CELEBAMASK, rotations
from mien.world.occluders.mesh import CLOTH, Colour, Prop, merged, sheet
from mien.world.occluders.wearer import Around, Wearer, vertices_of

HATS = ("beanie", "cap", "brim", "headband")


@dataclass(frozen=True, slots=True)
class Hat:
    """kind: of ``HATS``. low: mm by which it is pulled into the forehead. brim: mm.
    tilt: degrees to a side. slack: mm beside the head, for hair that is under it."""

    kind: str = "beanie"
    colour: Colour = CLOTH[0]
    second: Colour = CLOTH[1]
    low: float = 0.0
    brim: float = 70.0
    tilt: float = 0.0
    slack: float = 5.0

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Hat":
        """Any hat."""
        first, second = rng.permutation(len(CLOTH))[:2]
        kind = str(rng.choice(HATS, p=[0.3, 0.35, 0.2, 0.15]))
        return cls(
            kind=kind, colour=CLOTH[first], second=CLOTH[second], low=float(rng.uniform(-6, 14)),
            brim=float(rng.uniform(55, 80) if kind == "cap" else rng.uniform(45, 100)),
            tilt=float(rng.normal(0, 4)), slack=float(rng.uniform(4, 10)),
        )  # fmt: skip

    def on(self, wearer: Wearer) -> Prop:
        """The mesh on an upright head."""
        angle = np.linspace(0, 2 * np.pi, 72, endpoint=False)
        crown = _Crown(wearer, self.slack)
        rim = _hat_rim(self, wearer, angle)
        parts = [_crown(self, crown, rim, angle)]
        if self.kind in ("cap", "brim"):
            parts.append(_brim(self, crown, rim, angle))
        middle = np.array([0.0, crown.MIDDLE, crown.AXIS])
        return merged(*parts).turned(rotations(0, 0, self.tilt), middle)


class _Crown:
    """The outside of the upper head, and a hat's outside ``slack`` mm above it."""

    AXIS, MIDDLE = 8.0, 45.0  # mm, z of the vertical axis; y where the head is widest

    def __init__(self, wearer: Wearer, slack: float) -> None:
        triangles = wearer.model.triangles[wearer.model.triangles_of("hair", "skin")]
        self.skin = Around(wearer.upright, triangles, self.AXIS, 190, -60)
        self.top = float(wearer.upright[vertices_of("hair"), 1].max())
        self.slack = slack

    def reach(self, angle: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Distance (...) mm of a close hat from the axis; it closes ``slack`` mm above the head."""
        height = self.top - self.MIDDLE
        above = (y - self.MIDDLE).clip(0) * height / (height + self.slack)
        level = self.MIDDLE + above + (y - self.MIDDLE).clip(max=0)
        share = (1 - (above / height) ** 2).clip(0) ** 0.5  # none at the very top
        closing = (1 - ((above / height - 0.8) / 0.2).clip(0) ** 2).clip(0) ** 0.5
        return self.skin.reach(angle, level) * closing + self.slack * share


def _hat_rim(worn: Hat, wearer: Wearer, angle: np.ndarray) -> np.ndarray:
    """The height (n,) of the hat's lower edge at angles (n,), 0 to the front."""
    front = wearer.points[10, 1] - 6 - worn.low
    back = 12.0 if worn.kind in ("beanie", "cap") else front - 45
    level = front + (back - front) * (0.5 - 0.5 * np.cos(angle))
    over_ear = wearer.ear(1)[:, 1].max() + 1 - 12 * (worn.kind == "beanie")
    return np.maximum(level, over_ear * np.sin(angle) ** 2 + level * np.cos(angle) ** 2)


def _crown(worn: Hat, crown: _Crown, rim: np.ndarray, angle: np.ndarray) -> Prop:
    t = np.linspace(0, 1, 18)[:, None]
    top = crown.top + worn.slack
    y = rim + (26 * t if worn.kind == "headband" else (top - rim) * np.sin(t * np.pi / 2))
    away = crown.reach(np.broadcast_to(angle, y.shape), y)
    if worn.kind == "brim":  # stiff: straight up from the widest place, and higher than the head
        wide = np.maximum.accumulate(away[::-1])[::-1].max(0)
        away = wide * (1 - 0.10 * t) * (1 - t**7).clip(0) ** 0.5
        y = rim + (top + 14 - rim) * t
    away[-1] *= worn.kind == "headband"
    away = away + 3.5 * ((worn.kind == "beanie") & (t < 0.3)) + 0.8 * (worn.kind == "headband")
    net = np.stack([away * np.sin(angle), y, crown.AXIS + away * np.cos(angle)], -1)
    colours = np.broadcast_to(np.array(worn.colour), net.shape).copy()
    if worn.kind == "beanie":
        colours *= (0.88 + 0.12 * np.sign(np.sin(angle * 36)))[None, :, None]
        colours[:5] *= 0.93
    if worn.kind == "brim":
        colours[:4] = worn.second
    if worn.kind == "cap":
        colours *= (1 - 0.12 * (np.abs(np.sin(3 * angle)) < 0.07))[None, :, None]
    shape = sheet(net, closed=True)
    return Prop.of(shape, colours.reshape(-1, 3), CELEBAMASK.index("hat"), gloss=0.1)


def _brim(worn: Hat, crown: _Crown, rim: np.ndarray, angle: np.ndarray) -> Prop:
    out = np.linspace(0, 1, 8)[:, None]
    turned = np.angle(np.exp(1j * angle))
    if worn.kind == "cap":
        shown = np.flatnonzero(np.abs(turned) < 1.15)
        shown = shown[np.argsort(turned[shown])]
        turn, level = turned[shown], rim[shown]
        reach = worn.brim * np.cos(turn * np.pi / 2.3) ** 0.7
        drop = -0.18 * out * reach - 9 * out * np.sin(turn) ** 2
        start = crown.reach(turn, level)
    else:
        turn, level = angle, rim
        reach = worn.brim * np.ones_like(turn)
        drop = -0.10 * out * reach * (0.4 + 0.9 * np.cos(turn) ** 2) + 6 * out**2
        heights = np.linspace(0, 40, 9)[:, None] + level
        start = crown.reach(np.broadcast_to(turn, heights.shape), heights).max(0)
    away = start - 1.0 + out * reach
    net = np.stack([away * np.sin(turn), level + 1 + drop,
                    crown.AXIS + away * np.cos(turn)], -1)  # fmt: skip
    shape = sheet(net, closed=worn.kind != "cap")
    return Prop.of(shape, np.array(worn.colour) * 0.9, CELEBAMASK.index("hat"), gloss=0.1)


def pressed(hair: np.ndarray, worn: Hat, head: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """Vertices of hair (n, 3) mm, on the posed head, with what is above the rim under the hat."""
    wearer = Wearer(head, rotation)
    crown = _Crown(wearer, worn.slack)
    middle = np.array([0.0, crown.MIDDLE, crown.AXIS])
    tilt = rotations(0, 0, worn.tilt)
    x = (hair - wearer.pivot) @ wearer.rotation + wearer.pivot
    x = (x - middle) @ tilt + middle
    angle = np.arctan2(x[:, 0], x[:, 2] - crown.AXIS)
    rim = _hat_rim(worn, wearer, angle)
    covered = x[:, 1] > rim - 2
    if worn.kind == "headband":
        covered &= x[:, 1] < rim + 28
    else:
        x[:, 1] = np.where(covered, x[:, 1].clip(max=crown.top + worn.slack - 3), x[:, 1])
    away = np.hypot(x[:, 0], x[:, 2] - crown.AXIS)
    allowed = crown.reach(angle, x[:, 1]) - 2.0
    scale = np.where(covered, (allowed / np.maximum(away, 1e-6)).clip(0, 1), 1)
    x = middle + (x - middle) * np.column_stack([scale, np.ones_like(scale), scale])
    x = (x - middle) @ tilt.T + middle
    return ((x - wearer.pivot) @ wearer.rotation.T + wearer.pivot).astype(np.float32)
