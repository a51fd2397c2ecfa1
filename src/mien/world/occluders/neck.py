"""What is worn around the neck and in the ears: jewels and scarves."""

from dataclasses import dataclass

import numpy as np

from mien.head.model import CELEBAMASK
from mien.world.occluders.mesh import CLOTH, METALS, Colour, Prop, ball, merged, tube
from mien.world.occluders.wearer import Wearer, vertices_of

JEWELS = ("stud", "hoop", "drop", "pearl")


@dataclass(frozen=True, slots=True)
class Earrings:
    """kind: of ``JEWELS``. size: mm. sides: -1 the image's left, 1 its right."""

    kind: str = "stud"
    size: float = 6.0
    colour: Colour = METALS[0]
    sides: tuple[int, ...] = (-1, 1)

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Earrings":
        """Any earrings; one in eight alone."""
        kind = str(rng.choice(JEWELS))
        size = {"stud": (4, 8), "hoop": (14, 48), "drop": (16, 45), "pearl": (6, 11)}[kind]
        sides = (-1, 1) if rng.random() < 0.88 else (int(rng.choice([-1, 1])),)
        metal = METALS[rng.integers(len(METALS))]
        return cls(kind, float(rng.uniform(*size)), (0.8, 0.76, 0.7) if kind == "pearl" else metal,
                   sides)  # fmt: skip

    def on(self, wearer: Wearer) -> Prop:
        """The mesh on an upright head."""
        label = CELEBAMASK.index("earring")
        parts = []
        for side in self.sides:
            ear = wearer.ear(side)
            lobe = ear[ear[:, 1].argmin()] + [1.5 * side, 3.0, 1.0]
            if self.kind in ("stud", "pearl"):
                parts.append(Prop.of(ball(lobe, self.size / 2, 12), self.colour, label, gloss=4,
                                     mirror=0.25))  # fmt: skip
                continue
            if self.kind == "hoop":
                turn = np.linspace(0, 2 * np.pi, 32, endpoint=False)
                radius = self.size / 2
                ring = radius * np.column_stack(
                    [0.35 * side * np.sin(turn), np.cos(turn) - 1, np.sin(turn)]
                )
                shape = tube(lobe + ring + [side, 0, 0], max(0.8, self.size / 30), 6, closed=True)
            else:
                height = self.size * np.array([0, 0.02, 0.5, 0.55, 0.75, 0.95, 1.0])
                radius = np.array([0.6, 0.5, 0.5, 1.6, 3.2, 2.2, 0.1])
                path = lobe - np.column_stack([0 * height - 0.5 * side, height, 0 * height])
                shape = tube(path, radius, 8)
            parts.append(Prop.of(shape, self.colour, label, gloss=4, mirror=0.4))
        return merged(*parts)


@dataclass(frozen=True, slots=True)
class Necklace:
    """width: mm of the chain. drop: mm that its front hangs lower than its back."""

    width: float = 2.0
    drop: float = 45.0
    colour: Colour = METALS[0]

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Necklace":
        """Any necklace."""
        colours = (*METALS, (0.8, 0.76, 0.7))
        return cls(float(rng.uniform(1, 6)), float(rng.uniform(25, 60)),
                   colours[rng.integers(len(colours))])  # fmt: skip

    def on(self, wearer: Wearer) -> Prop:
        """The mesh on an upright head."""
        line = _around_neck(wearer, np.linspace(0, 2 * np.pi, 96, endpoint=False), -92.0, self.drop)
        beads = self.width / 2 * (0.85 + 0.25 * np.cos(np.arange(96) * np.pi))
        shape = tube(line[1] * (1.0 + self.width / 2) + line[0], beads, 6, closed=True)
        return Prop.of(shape, self.colour, CELEBAMASK.index("necklace"), gloss=4, mirror=0.3)


def _around_neck(
    wearer: Wearer, angle: np.ndarray, back: float, drop: float
) -> tuple[np.ndarray, np.ndarray]:
    """A line (n, 3) on the skin about the neck, 0 to the front, and which way is out, (n, 3)."""
    neck = wearer.posed[vertices_of("neck", "cloth")]
    centre = neck[np.abs(neck[:, 1] - back) < 12].mean(0)
    y = back - drop * (0.5 + 0.5 * np.cos(angle)) ** 1.5
    bearing = np.arctan2(neck[:, 0] - centre[0], neck[:, 2] - centre[2])
    off = np.abs(np.angle(np.exp(1j * (bearing[:, None] - angle)))) / 0.14
    near = np.exp(-(off**2) - ((neck[:, 1:2] - y) / 7) ** 2) + 1e-12
    reach = np.hypot(neck[:, 0] - centre[0], neck[:, 2] - centre[2])
    away = (near * reach[:, None]).sum(0) / near.sum(0)
    kernel = np.hanning(11) / np.hanning(11).sum()
    away = np.convolve(np.concatenate([away[-5:], away, away[:5]]), kernel, "valid")
    out = np.column_stack([np.sin(angle), 0.25 + 0 * angle, np.cos(angle)])
    line = np.column_stack([centre[0] + away * np.sin(angle), y, centre[2] + away * np.cos(angle)])
    return line, out


@dataclass(frozen=True, slots=True)
class Scarf:
    """A scarf around the neck. thick: mm. seed: of its folds."""

    colour: Colour = CLOTH[3]
    second: Colour = CLOTH[1]
    thick: float = 20.0
    high: float = 0.0
    seed: int = 0

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Scarf":
        """Any scarf; a high one hides the chin."""
        first, second = rng.permutation(len(CLOTH))[:2]
        return cls(CLOTH[first], CLOTH[second], float(rng.uniform(14, 24)),
                   float((rng.random() < 0.3) * rng.uniform(5, 22)),
                   int(rng.integers(2**31)))  # fmt: skip

    def on(self, wearer: Wearer) -> Prop:
        """The mesh on an upright head."""
        rng = np.random.default_rng(self.seed)
        angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
        parts = []
        for turn in range(3):
            line, out = _around_neck(wearer, angle, -84.0 - 13 * turn + self.high, 18.0 + 8 * turn)
            folds = sum(
                rng.normal(0, 0.045) * np.cos(k * angle + rng.uniform(0, 6)) for k in range(2, 9)
            )
            radius = self.thick * (0.85 + folds)
            shape = tube(
                line + out * (0.75 * self.thick + 4 * turn), radius, 14, closed=True, flat=0.9
            )
            ribs = np.arange(len(shape[0])) % 14
            stripe = 1.0 * (ribs % 7 < 2) * (self.seed % 2)
            mixed = np.array(self.colour) + stripe[:, None] * (np.array(self.second) - self.colour)
            mixed *= (1 + 0.12 * np.sin(ribs * 1.8 + turn))[:, None]
            parts.append(Prop.of(shape, mixed, CELEBAMASK.index("cloth"), gloss=0.05))
        return merged(*parts)
