"""Spectacles and sunglasses, which rest on the nose and the ears."""

from dataclasses import dataclass

import numpy as np

from mien import face
from mien.head.model import CELEBAMASK
from mien.head.texture import smoothstep
from mien.world.occluders.mesh import BLACK, METALS, Colour, Prop, merged, sheet, smooth_line, tube
from mien.world.occluders.wearer import Wearer, vertices_of

SHAPES = ("round", "rectangle", "square", "aviator", "cat")
FRAMES: tuple[Colour, ...] = (
    BLACK, (0.06, 0.025, 0.012), (0.02, 0.03, 0.08), (0.20, 0.02, 0.02), (0.45, 0.40, 0.34),
    (0.22, 0.22, 0.23), *METALS,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Glasses:
    """Spectacles and sunglasses.

    shape: of ``SHAPES``. width: mm of a lens; height: as a part of the width. rim: mm, half the
    thickness. tint, opacity: of the lenses; gradient: lighter below. mirror: 0..1. slip: mm down
    the nose.
    """

    shape: str = "rectangle"
    width: float = 50.0
    height: float = 0.7
    rim: float = 1.4
    colour: Colour = BLACK
    tint: Colour = (0.02, 0.02, 0.02)
    opacity: float = 0.04
    gradient: bool = False
    mirror: float = 0.12
    slip: float = 0.0

    @classmethod
    def sample(cls, rng: np.random.Generator, sun: bool | None = None) -> "Glasses":
        """Any glasses; ``sun``: sunglasses or clear ones."""
        dark = bool(rng.random() < 0.35) if sun is None else sun
        shape = str(rng.choice(SHAPES))
        height = {"round": 0.95, "rectangle": 0.6, "square": 0.8, "aviator": 0.88, "cat": 0.72}
        tints = ((0.02, 0.02, 0.02), (0.06, 0.03, 0.01), (0.02, 0.05, 0.03), (0.03, 0.04, 0.10))
        return cls(
            shape=shape,
            width=float(rng.uniform(43, 57) + 3 * dark),
            height=height[shape] * float(rng.uniform(0.92, 1.08)),
            rim=float(rng.choice([0.6, 1.2, 2.0]) * rng.uniform(0.8, 1.3)),
            colour=FRAMES[rng.integers(len(FRAMES))],
            tint=tints[rng.integers(len(tints))],
            opacity=float(rng.uniform(0.7, 0.97) if dark else rng.uniform(0.0, 0.12)),
            gradient=bool(dark and rng.random() < 0.3),
            mirror=float(rng.uniform(0.08, 0.42) if dark else rng.uniform(0.01, 0.1)),
            slip=float(rng.exponential(2.0)),
        )

    def on(self, wearer: Wearer) -> Prop:
        """The mesh on an upright head."""
        label = CELEBAMASK.index("glasses")
        points = wearer.points
        slip = min(self.slip, 12.0)
        bridge = _on_bridge(points, 4.0 + slip)
        # The bridge's wire rests on the nose; rims stand a little behind its middle.
        rest = bridge + np.array([0.0, 0.0, self.rim + 0.4])
        metal = 0.5 if max(self.colour) > 0.5 else 0.04
        rims = {side: _rim(self, wearer, side, rest, slip) for side in (-1, 1)}
        parts = [_lens(self, ring, label) for ring in rims.values()]
        inner, hinges = [], []
        for side, ring in rims.items():
            frame = tube(ring, self.rim, 8, closed=True)
            parts.append(Prop.of(frame, self.colour, label, gloss=2.5, mirror=metal))
            inner.append(ring[(side * ring[:, 0] - 0.4 * ring[:, 1]).argmin()])
            hinges.append(ring[(side * ring[:, 0] + 0.35 * ring[:, 1]).argmax()])
        arch = smooth_line(np.array([inner[0], rest, inner[1]]), 11)
        parts.append(Prop.of(tube(arch, self.rim, 8), self.colour, label, gloss=2.5, mirror=metal))
        for side, hinge in zip((-1, 1), hinges, strict=True):
            arm = _arm(wearer, side, hinge)
            shape = tube(arm, max(self.rim * 0.9, 1.0), 6)
            parts.append(Prop.of(shape, self.colour, label, gloss=2.5, mirror=metal))
        return merged(*parts)


def _on_bridge(points: np.ndarray, below: float) -> np.ndarray:
    """The place on the ridge of the nose so many mm below its root."""
    ridge = points[face.NOSE_BRIDGE]
    y = ridge[0, 1] - below
    order = np.argsort(ridge[:, 1])
    x, z = (np.interp(y, ridge[order, 1], ridge[order, i]) for i in (0, 2))
    return np.array([x, y, z])


def _rim(worn: Glasses, wearer: Wearer, side: int, rest: np.ndarray, slip: float) -> np.ndarray:
    """The rim (48, 3) before one eye; it keeps off brows and cheeks."""
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    power = {"round": 2.0, "rectangle": 4.5, "square": 4.0, "aviator": 2.4, "cat": 3.0}[worn.shape]
    cos, sin = np.cos(angle), np.sin(angle)
    x = worn.width / 2 * np.sign(cos) * np.abs(cos) ** (2 / power)
    y = worn.width * worn.height / 2 * np.sign(sin) * np.abs(sin) ** (2 / power)
    if worn.shape == "aviator":
        x, y = x * (1 + 0.10 * sin), y * (1 - 0.12 * sin) - 0.04 * worn.width * cos
    if worn.shape == "cat":
        y = y + 0.09 * worn.width * cos.clip(0) ** 2 * (1 + sin)
    gap = 17.0 + 2 * worn.rim  # mm between the lenses
    eye = wearer.points[473 if side > 0 else 468]
    middle = max(abs(eye[0]), (gap + worn.width) / 2)
    across, up = side * (middle + x), eye[1] - 3.0 - slip + y
    depth = rest[2] - 1.5 - 0.0016 * across**2 + 0.10 * (up - rest[1])
    skin = wearer.upright[vertices_of("skin", "left_brow", "right_brow", "nose")]
    skin = skin[(skin[:, 0] * side > 4) & (skin[:, 2] > 60) & (np.abs(skin[:, 1] - eye[1]) < 45)]
    near = (skin[:, :1] - across) ** 2 + (skin[:, 1:2] - up) ** 2 < 5.0**2
    clear = np.where(near, skin[:, 2:], -np.inf).max(0, initial=-np.inf) + worn.rim + 0.5
    push = np.maximum(clear - depth, 0)
    kernel = np.hanning(9) / np.hanning(9).sum()
    smooth = np.convolve(np.concatenate([push[-4:], push, push[:4]]), kernel, "valid")
    return np.column_stack([across, up, depth + np.maximum(push, smooth)])


def _lens(worn: Glasses, ring: np.ndarray, label: int) -> Prop:
    centre = ring.mean(0)
    x, y = (ring - centre)[:, :2].T
    form = np.column_stack([np.ones_like(x), x, y, x * x])
    bend, *_ = np.linalg.lstsq(form, ring[:, 2], rcond=None)  # the lens is as smooth as a mirror
    share = np.linspace(0, 1, 7)[:, None]
    u, v = share * x, share * y
    z = bend[0] + bend[1] * u + bend[2] * v + bend[3] * u * u
    z += share**6 * (ring[:, 2] - form @ bend) - 0.003 * (u * u + v * v) + 1.2
    net = np.stack([centre[0] + u, centre[1] + v, z], -1)
    height = ((net[..., 1] - ring[:, 1].min()) / np.ptp(ring[:, 1])).reshape(-1)
    alpha = worn.opacity * (0.25 + 0.75 * smoothstep(height * 1.3) if worn.gradient else 1.0)
    alpha = np.minimum(np.asarray(alpha), 0.985)
    return Prop.of(sheet(net, closed=True), worn.tint, label, alpha=alpha, gloss=3.0,
                   mirror=worn.mirror)  # fmt: skip


def _arm(wearer: Wearer, side: int, hinge: np.ndarray) -> np.ndarray:
    """From the hinge along the temple over the ear, and down behind it."""
    ear = wearer.ear(side)
    top = ear[ear[:, 1].argmax()]
    over = np.array([0, top[1] - 5.0, top[2] + 9.0])
    z = np.linspace(hinge[2] - 4, over[2], 9)
    y = np.interp(z, [over[2], hinge[2]], [over[1], hinge[1]])
    skin = np.maximum.accumulate(wearer.temple(side, over[1], np.minimum(z, 90.0)))
    x = np.maximum(np.interp(z, [20, hinge[2]], [0, abs(hinge[0]) + 1.5]), skin[: len(z)] + 1.6)
    x[z > hinge[2] - 10] = np.maximum(x[z > hinge[2] - 10], abs(hinge[0]))
    straight = np.column_stack([side * x, y, z])
    root = np.array([side * (x[-1] - 1), over[1] - 6, over[2] - 14])
    end = np.array([side * (x[-1] - 4), over[1] - 30, over[2] - 22])
    return np.vstack([hinge, smooth_line(np.vstack([straight, root, end]), 20)])
