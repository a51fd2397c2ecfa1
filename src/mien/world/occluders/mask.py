"""Masks over mouth and nose, draped over the face."""

from dataclasses import dataclass

import cv2
import numpy as np

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
from mien.world.occluders.wearer import Wearer

MASKS = ("surgical", "cloth", "respirator")
WAYS = ("proper", "nose")
AXIS = 30.0  # mm, z of the axis about which a mask bends
EDGE = 76.0  # degrees from the middle to where the loops begin


@dataclass(frozen=True, slots=True)
class Mask:
    """A mask over mouth and nose.

    kind: of ``MASKS``. way: ``proper``, or ``nose``: the nose looks out. pattern: of a cloth one,
    plain, stripes or checks, in a second colour.
    """

    kind: str = "surgical"
    way: str = "proper"
    colour: Colour = (0.36, 0.62, 0.75)
    second: Colour = (0.6, 0.6, 0.6)
    pattern: str = "plain"

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Mask":
        """Any mask; one in six is worn under the nose."""
        kind = str(rng.choice(MASKS, p=[0.5, 0.3, 0.2]))
        surgical = ((0.36, 0.62, 0.75), (0.72, 0.73, 0.73), (0.015, 0.015, 0.017),
                    (0.42, 0.66, 0.55), (0.75, 0.50, 0.55))  # fmt: skip
        colours = CLOTH if kind == "cloth" else surgical
        return cls(
            kind=kind,
            way="nose" if rng.random() < 1 / 6 else "proper",
            colour=colours[rng.integers(len(colours))] if kind != "respirator" else surgical[1],
            second=CLOTH[rng.integers(len(CLOTH))],
            pattern=str(rng.choice(["plain", "stripes", "checks"])) if kind == "cloth" else "plain",
        )

    def on(self, wearer: Wearer) -> Prop:
        """The mesh on an upright head."""
        rows, columns = 36, 61
        points = wearer.points
        angle = np.linspace(-EDGE, EDGE, columns)
        top, bottom = _mask_edges(self, points, angle)
        t = np.linspace(0, 1, rows)[:, None]
        y = top + t * (bottom - top)
        chin = points[152, 1]
        reach = _draped(wearer, chin)
        row = (150.5 - np.maximum(y, chin + 5)).astype(np.float32)
        column = np.broadcast_to(angle + 90.5, y.shape).astype(np.float32)
        away = cv2.remap(reach, column - 0.5, row - 0.5, cv2.INTER_LINEAR)
        away = away - 0.45 * (chin + 5 - y).clip(0)  # under the chin
        away += 1.5
        if self.kind == "surgical":
            away += 1.1 * ((5.5 * t) % 1.0) * smoothstep(t * 8) * smoothstep((1 - t) * 8)
        if self.kind == "respirator":
            cone = np.exp(-((angle / 34) ** 2)) * np.exp(-(((t - 0.52) / 0.3) ** 2))
            away += 13 * cone
        turn = np.radians(angle)
        net = np.stack([away * np.sin(turn), y, AXIS + away * np.cos(turn)], -1)
        cloth = Prop.of(sheet(net), _mask_colours(self, angle, t), OCCLUDER, gloss=0.15)
        return merged(cloth, *(_loop(wearer, net, side) for side in (-1, 1)))


def _mask_edges(worn: Mask, points: np.ndarray, angle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The heights (columns,) of the upper and the lower edge."""
    turned = np.abs(angle)
    chin, ear = points[152, 1], (points[234, 1] + points[454, 1]) / 2
    if worn.way == "proper":
        nose = points[197, 1] * 0.4 + points[6, 1] * 0.6
        top = np.interp(turned, [0, 12, 22, 45, EDGE], [nose, nose - 2, nose - 9, ear + 2, ear - 6])
    else:
        lip = 0.5 * (points[2, 1] + points[164, 1])
        top = np.interp(turned, [0, 25, 50, EDGE], [lip, lip, lip + 3, ear - 14])
    bottom = np.interp(turned, [0, 22, 50, EDGE], [chin - 9, chin - 6, chin + 18, ear - 44])
    kernel = np.hanning(9) / np.hanning(9).sum()
    wide = [np.convolve(np.pad(edge, 4, mode="edge"), kernel, "valid") for edge in (top, bottom)]
    return wide[0], np.minimum(wide[1], wide[0] - 18)


def _draped(wearer: Wearer, chin: float) -> np.ndarray:
    """How far cloth that hangs over the face reaches from the axis, (256, 181) mm."""
    skin = wearer.around(AXIS, "skin", "nose", "upper_lip", "lower_lip", "neck")
    skin = np.where(np.isfinite(skin), skin, 0).astype(np.float32)
    hung = cv2.dilate(skin, np.ones((21, 11), np.uint8))
    hung = cv2.GaussianBlur(hung, (0, 0), 7, sigmaY=9)
    near = cv2.dilate(skin, np.ones((7, 7), np.uint8))  # between the vertices of the cloth
    turned = np.abs(np.arange(181, dtype=np.float32) - 90)
    share = 0.6 * np.exp(-((turned / 55) ** 4))  # at the sides it lies on the cheeks
    return np.maximum(share * hung + (1 - share) * cv2.GaussianBlur(skin, (0, 0), 4), near)


def _mask_colours(worn: Mask, angle: np.ndarray, t: np.ndarray) -> np.ndarray:
    across = np.broadcast_to(angle / 7, (len(t), len(angle)))
    down = np.broadcast_to(t * 14, across.shape)
    second = np.zeros(across.shape)
    if worn.pattern == "stripes":
        second = 1.0 * (down % 2 < 1)
    elif worn.pattern == "checks":
        second = 1.0 * ((across % 2 < 1) ^ (down % 2 < 1))
    hem = np.where((t < 0.05) | (t > 0.95), 0.88, 1.0) * np.ones(across.shape)
    mixed = np.array(worn.colour) + second[..., None] * (np.array(worn.second) - worn.colour)
    return (mixed * hem[..., None]).reshape(-1, 3)


def _loop(wearer: Wearer, net: np.ndarray, side: int) -> Prop:
    """The elastic that goes around an ear."""
    column = net[:, -1 if side > 0 else 0]
    ear = wearer.ear(side)
    high, back, low = (
        ear[ear[:, 1].argmax()], ear[ear[:, 2].argmin()], ear[ear[:, 1].argmin()],
    )  # fmt: skip
    inwards = np.array([-6.0 * side, 0, 0])
    knots = [column[1], high + inwards + [0, -3, 9], high + 1.5 * inwards + [0, -6, -6],
             back + 1.8 * inwards, low + inwards + [0, -1, -4], column[-2]]  # fmt: skip
    return Prop.of(tube(smooth_line(np.array(knots), 30), 0.9, 5), (0.7, 0.7, 0.7), OCCLUDER)
