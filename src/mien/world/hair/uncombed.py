"""Strands that no comb leads: small curls all around, and hair drawn back to a knot."""

import numpy as np

from mien.head.texture import smoothstep
from mien.world.hair.scalp import hairline
from mien.world.hair.shell import AXIS, above, cells, head_shell, placed_at
from mien.world.hair.style import KNOT, HairStyle, Spec, receded
from mien.world.hair.vectors import unit


def cloud(hair: HairStyle, spec: Spec, roots: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Small curls (n, segments + 1, 3) that fill the space above the scalp."""
    count = len(roots)
    low = smoothstep((roots[:, 1] - 10) / 90)
    reach = hair.length * (spec.side + (spec.top - spec.side) * low)
    edge = smoothstep((hairline(roots, receded(hair)) + 3) / 22)
    reach = reach * (0.25 + 0.75 * edge)
    outwards = unit(roots - AXIS * [1, 1.2, 1])
    middle = roots + outwards * (reach * rng.random(count) ** 0.55)[:, None]
    first, second = unit(rng.normal(size=(2, count, 3)) + 0.5 * outwards)
    turn = np.linspace(-1.6, 1.6, spec.segments + 1)[None, :, None]
    size = rng.uniform(5, 10, count)[:, None, None]
    lines = middle[:, None] + size * (
        np.sin(turn) * first[:, None] + (1 - np.cos(turn)) * 0.8 * second[:, None]
    )
    return above(lines, 1.0)


def tied(hair: HairStyle, spec: Spec, roots: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Strands drawn back to a knot, and what is beyond it: a tail, or a bun."""
    beyond = rng.random(len(roots)) < 0.28
    knot = KNOT[hair.style]
    lines = np.empty((len(roots), spec.segments + 1, 3))
    lines[~beyond] = _drawn(roots[~beyond], knot, spec, rng)
    wound = _bun if hair.style == "bun" else _tail
    lines[beyond] = wound(knot, int(beyond.sum()), spec.segments, hair.length, rng)
    return lines


def _drawn(roots: np.ndarray, knot: np.ndarray, spec: Spec, rng: np.random.Generator) -> np.ndarray:
    """Strands (n, segments + 1, 3) along the skull from their roots to the knot."""
    t = np.linspace(0, 1, spec.segments + 1)[None, :, None]
    goal = knot + rng.normal(0, 5, roots.shape) * [1, 1, 0.4]
    over = unit(roots - AXIS)[:, None] * (1 - t) + unit(goal - AXIS)[:, None] * t
    arm = np.linalg.norm(roots - AXIS, axis=1)[:, None, None] * (1 - t) + 105 * t
    lines = AXIS + unit(over) * arm
    height = spec.volume * rng.uniform(0.3, 1, len(roots))[:, None] * np.sqrt(t[..., 0])
    lines[:, 1:] = above(lines, height + 1.0)[:, 1:]
    rows, columns, _ = cells(lines)
    flat = placed_at(lines, head_shell().radius[rows, columns] + height + 1.0)
    return np.concatenate([roots[:, None], flat[:, 1:]], 1)


def _tail(
    knot: np.ndarray, count: int, segments: int, length: float, rng: np.random.Generator
) -> np.ndarray:
    t = np.linspace(0, 1, segments + 1)[None, :, None]
    spread = rng.normal(0, 1, (count, 1, 3)) * [13, 7, 9]
    reach = 190 * length * rng.uniform(0.75, 1.05, (count, 1, 1))
    path = knot + [0, 0, 10] + t * reach * [0, -1, 0]
    path = path + np.sin(np.minimum(t * 3, 1) * np.pi / 2) * [0, 24, -34]
    return above(path + spread * (0.3 + 0.95 * np.sin(np.pi * np.minimum(t, 0.75))), 3.0)


def _bun(
    knot: np.ndarray, count: int, segments: int, length: float, rng: np.random.Generator
) -> np.ndarray:
    """Strands around a ball, in three turns that cross."""
    middle, radius = knot + np.array([0, 3, -6]), 27 * length**0.5
    turn = rng.uniform(0, 2 * np.pi, (count, 1)) + np.linspace(0, 2.2, segments + 1)
    height = rng.uniform(-0.95, 0.95, (count, 1)) + 0.12 * np.sin(turn * 2)
    flat = np.sqrt(1 - height.clip(-0.98, 0.98) ** 2)
    ball = np.stack([flat * np.cos(turn), flat * np.sin(turn), height], -1)
    return middle + radius * ball * rng.uniform(0.82, 1.05, (count, 1, 1)) * [1.05, 1.0, 0.85]
