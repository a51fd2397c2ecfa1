"""Something held before the face."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mien.head.model import rotations
from mien.world.occluders.mesh import (
    BLACK,
    CLOTH,
    OCCLUDER,
    Colour,
    Prop,
    ball,
    box,
    lathe,
    merged,
    tube,
)
from mien.world.occluders.wearer import PLACES, Wearer

THINGS = ("phone", "cup", "microphone", "bottle", "book", "ball")


@dataclass(frozen=True, slots=True)
class Thing:
    """Something before the face.

    kind: of ``THINGS``. place: of ``PLACES``. turn: (3,) degrees. gap: mm. shift: (2,) mm beside
    the place.
    """

    kind: str = "cup"
    place: str = "mouth"
    colour: Colour = CLOTH[1]
    second: Colour = CLOTH[0]
    turn: tuple[float, float, float] = (0.0, 0.0, 0.0)
    gap: float = 5.0
    shift: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Thing":
        """Anything, anywhere; cups and microphones mostly at the mouth."""
        kind = str(rng.choice(THINGS))
        mouth = kind in ("cup", "microphone", "bottle") and rng.random() < 0.8
        first, second = rng.permutation(len(CLOTH))[:2]
        yaw, pitch, roll = rng.normal(0, 15, 3)
        return cls(
            kind, "mouth" if mouth else str(rng.choice(PLACES)), CLOTH[first], CLOTH[second],
            (float(yaw), float(pitch), float(roll)), float(rng.exponential(15.0)),
            (float(rng.normal(0, 14)), float(rng.normal(0, 10))),
        )  # fmt: skip

    def on(self, wearer: Wearer) -> Prop:
        """The mesh on an upright head."""
        points = wearer.points
        target = {
            "mouth": points[14], "cheek": points[425], "chin": points[152], "eye": points[473],
            "forehead": points[9], "front": points[4],
        }[self.place]  # fmt: skip
        prop = _THINGS[self.kind](self)
        turn = rotations(*self.turn)
        there = prop.at(prop.vertices @ turn.T + target + [*self.shift, 0.0])
        return wearer.before(there, self.gap)


def _phone(held: Thing) -> Prop:
    body = Prop.of(box((74, 152, 8)), held.colour, OCCLUDER, gloss=2.0, mirror=0.06)
    bump = lathe(np.array([[0, 1.5], [7.0, 1.5], [8.0, 0.5], [8, -4]]), 16)
    parts = [body]
    for x, y in ((-22, 60), (-22, 38)):
        eye = bump[0][:, [0, 2, 1]] + [x, y, 4]
        parts.append(Prop.of((eye, bump[1]), BLACK, OCCLUDER, gloss=3.0, mirror=0.15))
    return merged(*parts)


def _cup(held: Thing) -> Prop:
    profile = np.array([[0, -48], [26, -48], [30, -46], [33, -10], [37, 40], [38, 42], [36, 42],
                        [32, 0], [0, -5]], float)  # fmt: skip
    vertices, triangles = lathe(profile, 28)
    band = (vertices[:, 1] > -46) & (vertices[:, 1] < 0)
    colours = np.where(band[:, None], held.second, held.colour)
    turn = np.linspace(-0.4 * np.pi, 0.4 * np.pi, 14)
    handle = np.column_stack([30 + 26 * np.cos(turn), 28 * np.sin(turn) - 2, 0 * turn])
    return merged(
        Prop.of((vertices, triangles), colours, OCCLUDER, gloss=1.5, mirror=0.04),
        Prop.of(tube(handle, 4.5, 8), held.colour, OCCLUDER, gloss=1.5),
    )


def _microphone(held: Thing) -> Prop:
    profile = np.array([[0, 0], [14, -3], [22, -12], [24, -24], [22, -36], [19, -42], [15, -48],
                        [12, -120], [10, -200], [0, -202]], float)  # fmt: skip
    vertices, triangles = lathe(profile, 24)
    mesh = np.where(vertices[:, 1:2] > -40, (0.2, 0.2, 0.21), BLACK)
    tilt = rotations(0, 35, 0)
    return Prop.of((vertices @ tilt.T + [0, -10, 0], triangles), mesh, OCCLUDER, gloss=1.5,
                   mirror=0.05)  # fmt: skip


def _bottle(held: Thing) -> Prop:
    profile = np.array([[0, 12], [14, 12], [14, -6], [13, -8], [14, -30], [22, -50], [33, -70],
                        [34, -80], [34, -210], [0, -212]], float)  # fmt: skip
    vertices, triangles = lathe(profile, 24)
    cap = np.where(vertices[:, 1:2] > -7, held.second, held.colour)
    return Prop.of((vertices, triangles), cap, OCCLUDER, gloss=2.5, mirror=0.1)


def _book(held: Thing) -> Prop:
    cover = Prop.of(box((140, 200, 22)), held.colour, OCCLUDER, gloss=0.5)
    title = box((90, 22, 1))
    return merged(cover, Prop.of((title[0] + [0, 50, 11.2], title[1]), held.second, OCCLUDER))


def _ball_thing(held: Thing) -> Prop:
    vertices, triangles = ball(np.zeros(3), 38.0, 24)
    half = np.where(np.abs(vertices[:, 1:2]) < 16, held.second, held.colour)
    return Prop.of((vertices, triangles), half, OCCLUDER, gloss=1.0)


_THINGS: dict[str, Callable[[Thing], Prop]] = {
    "phone": _phone, "cup": _cup, "microphone": _microphone, "bottle": _bottle, "book": _book,
    "ball": _ball_thing,
}  # fmt: skip
