"""Patterns of shadow that something outside of the picture throws on a face."""

from dataclasses import dataclass

import numpy as np

from mien.head.texture import smoothstep

SHADES = ("blinds", "leaves", "window", "edge", "net")


@dataclass(frozen=True, slots=True)
class Shade:
    """A pattern that something between the lamp and the face throws on it.

    kind: of ``SHADES``. period: mm. angle: degrees. shift: (2,) mm. soft: mm. depth: 0..1, how much
    of the lamp's light is taken. seed: of leaves.
    """

    kind: str = "blinds"
    period: float = 34.0
    angle: float = 10.0
    shift: tuple[float, float] = (0.0, 0.0)
    soft: float = 4.0
    depth: float = 0.9
    seed: int = 0

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Shade":
        """Any pattern."""
        return cls(
            str(rng.choice(SHADES)), float(rng.uniform(18, 60)), float(rng.normal(0, 25)),
            (float(rng.uniform(-60, 60)), float(rng.uniform(-60, 60))),
            float(rng.uniform(1, 9)), float(rng.uniform(0.6, 1.0)), int(rng.integers(2**31)),
        )  # fmt: skip


def cast(shade: Shade, points: np.ndarray, lamp: np.ndarray) -> np.ndarray:
    """The part (...) float32 of a lamp's light that gets through to points (..., 3) mm.

    lamp: (3,) towards the lamp. Multiply only the lamp's light by it.

    Raises ValueError for an unknown kind.
    """
    if shade.kind not in SHADES:
        raise ValueError(f"shade: one of {', '.join(SHADES)}, not {shade.kind!r}")
    towards = np.asarray(lamp, float) / np.linalg.norm(lamp)
    aside = np.cross([0.0, 1.0, 0.0] if abs(towards[1]) < 0.9 else [0.0, 0.0, 1.0], towards)
    aside /= np.linalg.norm(aside)
    up = np.cross(towards, aside)
    turn = np.radians(shade.angle)
    x, y = points @ aside + shade.shift[0], points @ up + shade.shift[1]
    x, y = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    period, soft = shade.period, shade.soft
    if shade.kind == "blinds":
        dark = _bar(y, period, 0.5, soft)
    elif shade.kind == "net":
        dark = np.maximum(_bar(y, period, 0.2, soft), _bar(x, period, 0.2, soft))
    elif shade.kind == "window":  # light through the panes of a window
        pane = np.maximum(_bar(y, 2 * period, 0.12, soft), _bar(x, 2 * period, 0.12, soft))
        outside = np.maximum(np.abs(x), np.abs(y)) - 2.4 * period
        dark = np.maximum(pane, smoothstep(outside / soft + 0.5))
    elif shade.kind == "edge":
        dark = smoothstep(y / soft + 0.5)
    else:
        dark = _leaves(shade, x, y)
    return (1 - shade.depth * dark).astype(np.float32)


def _bar(t: np.ndarray, period: float, share: float, soft: float) -> np.ndarray:
    """Bars 0..1 that take a share of every period."""
    away = np.abs((t / period) % 1.0 - 0.5) * period
    return smoothstep((share * period / 2 - away) / soft + 0.5)


def _leaves(shade: Shade, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(shade.seed)
    dark = np.zeros(x.shape)
    for _ in range(28):
        place, turn = rng.uniform(-150, 150, 2), rng.uniform(0, np.pi)
        reach = shade.period * rng.uniform(0.4, 0.9)
        dx, dy = x - place[0], y - place[1]
        along = dx * np.cos(turn) + dy * np.sin(turn)
        across = dy * np.cos(turn) - dx * np.sin(turn)
        away = (np.hypot(along, 2.2 * across) - reach) / 2.2
        dark = np.maximum(dark, smoothstep(0.5 - away / shade.soft))
    return dark
