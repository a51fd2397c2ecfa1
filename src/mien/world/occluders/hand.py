"""A hand before or at the face."""

from dataclasses import dataclass

import numpy as np

from mien.head.model import rotations
from mien.head.texture import smoothstep
from mien.world.occluders.mesh import (
    CLOTH,
    OCCLUDER,
    Colour,
    Prop,
    merged,
    sheet,
    smooth_line,
    tube,
)
from mien.world.occluders.wearer import PLACES, Wearer


@dataclass(frozen=True, slots=True)
class Hand:
    """A hand before or at the face.

    place: of ``PLACES``. side: 1 from the image's right. colour: of its skin. curl: 0 straight to
    1 a fist. spread: degrees between fingers. turn: degrees of its fingers from upright. gap: mm to
    the face. sleeve: colour, or None for a bare arm. seed: of small differences.
    """

    place: str = "cheek"
    side: int = 1
    colour: Colour = (0.42, 0.23, 0.15)
    curl: float = 0.2
    spread: float = 6.0
    turn: float = 20.0
    gap: float = 0.0
    sleeve: Colour | None = None
    seed: int = 0

    @classmethod
    def sample(cls, rng: np.random.Generator, colour: Colour = (0.42, 0.23, 0.15)) -> "Hand":
        """Any hand; give it the colour of the person's skin."""
        place = str(rng.choice(PLACES))
        return cls(
            place=place, side=int(rng.choice([-1, 1])), colour=colour,
            curl=float(rng.beta(1.5, 3.0)) if place != "chin" else float(rng.uniform(0.6, 1.0)),
            spread=float(rng.uniform(1, 14)), turn=float(rng.normal(30, 18)),
            gap=float(rng.exponential(6.0) + 60 * (place == "front")),
            sleeve=CLOTH[rng.integers(len(CLOTH))] if rng.random() < 0.7 else None,
            seed=int(rng.integers(2**31)),
        )  # fmt: skip

    def on(self, wearer: Wearer) -> Prop:
        """The mesh on an upright head."""
        prop = _hand_shape(self)
        points = wearer.points
        target = {
            "mouth": points[13], "cheek": points[425 if self.side > 0 else 205] * [1.25, 1, 0.9],
            "chin": points[152] + [0, -30, -10], "eye": points[473 if self.side > 0 else 468],
            "forehead": points[9], "front": points[4],
        }[self.place]  # fmt: skip
        yaw = {"cheek": 38.0, "eye": 15.0}.get(self.place, 6.0) * self.side
        pitch = -40.0 if self.place == "chin" else 0.0
        turn = rotations(yaw, pitch, -self.side * self.turn)
        centre = np.array([0.0, 75.0 if self.place != "chin" else 60.0, 0.0])
        vertices = (prop.vertices - centre) @ turn.T + target
        if self.place == "chin":
            return prop.at(vertices)
        return wearer.before(prop.at(vertices), self.gap)


_KNUCKLES = ((-27.0, 86.0, 72.0, 8.2), (-9.0, 90.0, 80.0, 8.4), (9.5, 88.0, 75.0, 8.0),
             (27.0, 80.0, 59.0, 7.0))  # fmt: skip
"""Of index, middle, ring and little finger: x, y, length and radius, mm."""


def _hand_shape(held: Hand) -> Prop:
    """A hand with its wrist at the origin, fingers along y, its palm towards -z."""
    rng = np.random.default_rng(held.seed)
    parts = [_palm()]
    for number, (x, y, length, radius) in enumerate(_KNUCKLES):
        fan = (number - 1.4) * held.spread + rng.normal(0, 1.5)
        bend = np.cumsum(held.curl * np.array([70.0, 85.0, 55.0]) + rng.uniform(2, 9, 3))
        parts.append(_finger(np.array([x, y - 6, 0]), fan, bend, length, radius))
    thumb = np.array([[-18.0, 18, -4], [-34, 38, -9], [-44 - held.spread, 62, -12],
                      [-45 - 1.4 * held.spread, 86, -12]])  # fmt: skip
    thumb[2:, 0] += 26 * held.curl
    thumb[2:, 2] -= 14 * held.curl
    parts.append(_digit(smooth_line(thumb, 16), 10.5))
    vertices, triangles, ends = _joined(parts)
    blood = 0.35 * smoothstep((ends - 0.55) / 0.45)
    mottled = rng.normal(0, 0.02, len(vertices))
    colours = np.array(held.colour) * (1 + mottled)[:, None]
    colours = colours * (1 + blood[:, None] * np.array([0.10, -0.22, -0.18]))
    skin = Prop.of((vertices, triangles), colours, OCCLUDER, gloss=0.6)
    arm = np.array([[0, 12.0, 0], [0, -30, 2], [0, -90, 6], [0, -160, 10], [0, -330, 20]])
    wrist = tube(smooth_line(arm, 16), np.linspace(27, 36, 16), 18, flat=0.74)
    out = [skin, Prop.of(wrist, held.colour, OCCLUDER, gloss=0.6)]
    if held.sleeve is not None:
        path = smooth_line(arm[1:] - [0, 25, 0], 14)
        width = np.linspace(38, 50, 14) + rng.normal(0, 1.2, 14)
        cuff = tube(path, width, 20, flat=0.82)
        out.append(Prop.of(cuff, held.sleeve, OCCLUDER, gloss=0.05))
    whole = merged(*out)
    return whole.at(whole.vertices * np.array([held.side, 1, 1], np.float32))


def _palm() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    y = np.array([-4.0, 8, 22, 40, 58, 74, 86, 93, 95])
    wide = np.array([27.0, 28, 33, 38, 39.5, 39.5, 37, 31, 0])
    thick = np.array([19.0, 18, 17, 15.5, 13.5, 11.5, 10, 7, 0])
    angle = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    power = 2 / 2.7
    cos = np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** power
    sin = np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** power
    cup = -2.0 * (1 - (np.abs(cos) ** 2)) * (sin < 0)
    depth = -(0.9 * thick[:, None] * sin + cup * (thick[:, None] > 1))
    net = np.stack([wide[:, None] * cos, np.broadcast_to(y[:, None], depth.shape), depth], -1)
    vertices, triangles = sheet(net, closed=True)
    return vertices, triangles, np.zeros(len(vertices))


def _finger(
    base: np.ndarray, fan: float, bend: np.ndarray, length: float, radius: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    knots = [base - [0, 14, 0], base]
    aside = np.array([np.sin(np.radians(fan)), 0, 0])
    for part, angle in zip((0.45, 0.31, 0.24), np.radians(bend), strict=True):
        way = np.array([0, np.cos(angle), -np.sin(angle)]) + aside * np.cos(angle)
        knots.append(knots[-1] + part * length * way / np.linalg.norm(way))
    return _digit(smooth_line(np.array(knots), 26), radius)


def _digit(path: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A finger along a path: thicker at its joints, its tip round."""
    t = np.linspace(0, 1, len(path))
    joints = 1 + 0.07 * sum(np.exp(-(((t - j) / 0.05) ** 2)) for j in (0.28, 0.55, 0.78))
    taper = radius * (1.08 - 0.28 * t) * joints
    step = np.linalg.norm(path[-1] - path[-2])
    direction = (path[-1] - path[-2]) / max(float(step), 1e-6)
    cap = np.sin(np.linspace(0.25, 1, 5) * np.pi / 2)
    path = np.vstack([path, path[-1] + 0.9 * taper[-1] * cap[:, None] * direction])
    taper = np.concatenate([taper, taper[-1] * np.sqrt(1 - (cap * 0.999) ** 2)])
    vertices, triangles = tube(path, taper, 12, flat=0.92)
    ends = np.repeat(np.linspace(0, 1, len(path)), 12)
    return vertices, triangles, ends


def _joined(
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    starts = np.cumsum([0, *(len(part[0]) for part in parts[:-1])])
    triangles = [part[1] + start for part, start in zip(parts, starts, strict=True)]
    vertices, ends = (np.concatenate([part[i] for part in parts]) for i in (0, 2))
    return vertices, np.concatenate(triangles), ends
