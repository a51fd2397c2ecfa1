"""Strands of hair that fall over the face."""

from dataclasses import dataclass

import numpy as np

from mien.head.model import CELEBAMASK
from mien.world.occluders.mesh import Colour, Prop
from mien.world.occluders.wearer import Wearer


@dataclass(frozen=True, slots=True)
class Strands:
    """Strands of hair that fall over the face.

    count: strands. reach: 0..1, how far down. side: -1..1, where they start. seed: of each.
    """

    colour: Colour = (0.03, 0.018, 0.012)
    count: int = 30
    reach: float = 0.5
    side: float = 0.4
    seed: int = 0

    @classmethod
    def sample(cls, rng: np.random.Generator, colour: Colour = (0.03, 0.018, 0.012)) -> "Strands":
        """Any strands, of the hair's colour."""
        return cls(colour, int(rng.integers(8, 70)), float(rng.uniform(0.2, 1.0)),
                   float(rng.uniform(-1, 1)), int(rng.integers(2**31)))  # fmt: skip

    def on(self, wearer: Wearer) -> Prop:
        """The mesh on an upright head."""
        rng = np.random.default_rng(self.seed)
        front, count, steps = wearer.front(), max(1, self.count), 18
        t = np.linspace(0, 1, steps)
        lock = rng.integers(4, size=count)
        start = (self.side * 34 + rng.normal(0, 15, 4))[lock] + rng.normal(0, 3, count)
        sweep = (np.sign(self.side) * rng.uniform(8, 34) + rng.normal(0, 9, 4))[lock]
        root = wearer.points[10, 1] + 26 + rng.normal(0, 3, count)
        length = (55 + 115 * self.reach) * rng.uniform(0.65, 1.1, count)
        bend, stray = rng.uniform(0, 6, 4)[lock], rng.normal(0, 5, count)
        x = start[:, None] + (sweep + stray)[:, None] * np.sin(t * np.pi * 0.55)
        x += rng.uniform(2, 7, 4)[lock][:, None] * np.sin(4.5 * t + bend[:, None]) * t
        y = root[:, None] - length[:, None] * t
        z = front(x, y)
        z = np.where(np.isfinite(z), z, 60.0)
        kernel = np.array([1, 2, 3, 2, 1]) / 9
        padded = np.pad(z, ((0, 0), (2, 2)), mode="edge")
        smooth = sum(kernel[k] * padded[:, k : k + steps] for k in range(5))
        z = np.maximum(smooth, z) + 2.5 + rng.uniform(0, 3, count)[:, None]
        width = rng.uniform(0.9, 2.0, count)[:, None] * np.linspace(1, 0.35, steps) ** 0.7
        left, right = (np.stack([x + sign * width / 2, y, z], -1) for sign in (-1, 1))
        net = np.stack([left, right], 2).reshape(count, -1, 3)
        a = np.arange(steps - 1) * 2
        one = np.concatenate([np.stack([a, a + 2, a + 1], 1), np.stack([a + 1, a + 2, a + 3], 1)])
        triangles = (one[None] + (np.arange(count) * steps * 2)[:, None, None]).reshape(-1, 3)
        shade = np.repeat(rng.normal(1, 0.2, count).clip(0.5, 1.6), steps * 2)[:, None]
        return Prop.of((net.reshape(-1, 3), triangles), np.array(self.colour) * shade,
                       CELEBAMASK.index("hair"), gloss=1.0)  # fmt: skip
