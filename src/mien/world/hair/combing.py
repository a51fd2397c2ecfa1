"""Strands that are combed and fall: walks over the shell, cut, clumped and curled."""

import numpy as np
from numba import njit

from mien.head.texture import smoothstep
from mien.world.hair.scalp import azimuths, hairline
from mien.world.hair.shell import AXIS, BOTTOM, COLUMNS, HIGH, LEVEL, LOW, ROW, head_shell
from mien.world.hair.style import FRINGELESS, WHORL, HairStyle, Spec, receded
from mien.world.hair.vectors import cross, differences, unit

OPEN_FACE = 56.0  # degrees to the sides of the face that hair keeps off it, below the forehead


def combed(
    hair: HairStyle, spec: Spec, roots: np.ndarray, facing: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Strands (n, segments + 1, 3) of roots (k, 3) with normals (k, 3), without stray ones."""
    fringe = _fringe(hair, spec, roots, rng)
    lines = _fallen(hair, spec, roots, facing, fringe, rng)
    lines = _clumped(_cut(lines, spec.hem, hair.length, rng), spec.clump, fringe, rng)
    return _off_the_face(_curled(lines, spec, fringe, rng), fringe, 82 - 54 * hair.fringe)


def _fallen(
    hair: HairStyle,
    spec: Spec,
    roots: np.ndarray,
    facing: np.ndarray,
    fringe: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Strands (n, segments + 1, 3) that are combed and fall."""
    count = len(roots)
    azimuth = azimuths(roots)
    high = smoothstep((roots[:, 1] - 45) / 55)
    lengths = (spec.side + (spec.top - spec.side) * high) * hair.length
    lengths *= rng.uniform(0.82, 1.08, count)
    if spec.top < 120:
        lengths *= 0.45 + 0.55 * smoothstep((hairline(roots, receded(hair)) + 2) / 12)
    layer = rng.uniform(0.15, 1.0, count) ** 0.7
    height = spec.volume * layer * (0.3 + 0.7 * np.minimum(1, lengths / max(spec.top * 0.6, 1)))
    limit = np.full(count, np.radians(OPEN_FACE)) + np.radians(rng.uniform(0, 9, count))
    tip = 94 - 54 * hair.fringe  # mm, y
    reach = np.hypot(roots[:, 1] - tip, (roots[:, 2] - 104).clip(-60, 0)) * 1.12
    lengths = np.where(fringe, np.minimum(lengths, reach.clip(12) * rng.uniform(0.8, 1, count)),
                       lengths)  # fmt: skip
    limit[fringe] = 0
    height[fringe] *= 0.6
    front = azimuth + rng.normal(0, 10, count) < 68
    behind = np.clip(azimuth + rng.normal(0, 8, count), 125, 180)
    lane = np.radians(np.where(front, rng.uniform(30, 50, count), behind))
    mode = ("whorl", "part", "back").index(spec.flow)
    modes = np.where(fringe, 3, mode).astype(np.int64)
    heading = unit(spec.lift * facing + rng.normal(0, 0.16, (count, 3)))
    lines = np.empty((count, spec.segments + 1, 3), np.float32)
    _walk(
        head_shell().radius, roots - AXIS, heading, lengths / spec.segments, height, limit, lane,
        modes, hair.part * 38, spec.gravity, spec.hug, WHORL - AXIS, lines,
    )  # fmt: skip
    return lines + AXIS.astype(np.float32)


def _fringe(hair: HairStyle, spec: Spec, roots: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Which strands (n,) bool fall into the forehead."""
    if hair.style in FRINGELESS or hair.fringe < 0.05:
        return np.zeros(len(roots), bool)
    deep = 45 if spec.flow == "part" else 30  # mm, z: how far behind the hairline a fringe begins
    return (roots[:, 2] > deep) & (azimuths(roots) < 50 + rng.normal(0, 4, len(roots)))


@njit(cache=True, nogil=True)
def _walk(
    shell, roots, headings, steps, heights, limits, lanes, modes, part, gravity, hug, whorl, lines
):
    """Walks over the shell, in mm relative to its axis; what the arguments are, see _fallen."""
    last = lines.shape[1] - 1
    for i in range(len(roots)):
        x, y, z = roots[i, 0], roots[i, 1], roots[i, 2]
        hx, hy, hz = headings[i, 0], headings[i, 1], headings[i, 2]
        lines[i, 0, 0], lines[i, 0, 1], lines[i, 0, 2] = x, y, z
        away = x - part
        side = away / (np.abs(away) + 6.0)
        for s in range(1, last + 1):
            t = s / last
            cx, cy, cz = _comb(modes[i], x, y, z, side, whorl)
            fall = gravity * (0.35 + 0.65 * t)
            hx, hy, hz = hx + cx, hy + cy - fall, hz + cz
            long = np.sqrt(hx * hx + hy * hy + hz * hz) + 1e-9
            px, py, pz = x, y, z
            step = steps[i] / long * (0.5 + 1.0 * (s - 0.5) / last)  # finer where strands bend
            x, y, z = x + hx * step, y + hy * step, z + hz * step
            x, z = _aside(x, y, z, side, limits[i], lanes[i])
            level = y if y > 0 else 0.0
            arm = np.sqrt(x * x + level * level + z * z) + 1e-9
            radius = _radius(shell, x, y, z)
            least = radius + min(heights[i], 1.5 + 1.6 * heights[i] * t)
            goal = arm
            if arm < least:
                goal = least
            elif y > -20.0:
                goal = min(least + (arm - least) * (1 - hug), least + 3.0 + 0.6 * heights[i])
            x, z = x * goal / arm, z * goal / arm
            if y > 0:
                y *= goal / arm
            lines[i, s, 0], lines[i, s, 1], lines[i, s, 2] = x, y, z
            hx, hy, hz = x - px, y - py, z - pz
            long = np.sqrt(hx * hx + hy * hy + hz * hz) + 1e-9
            hx, hy, hz = hx / long, hy / long, hz / long


@njit(cache=True, nogil=True)
def _radius(shell, x, y, z):
    """The shell's radius at a place relative to the axis; bilinear."""
    flat = np.hypot(x, z)
    column = (np.arctan2(x, z) / (2 * np.pi) + 0.5) * COLUMNS - 0.5
    row = LOW + np.arctan2(y, flat) / (np.pi / 2) * HIGH if y > 0 else (y + LEVEL - BOTTOM) / ROW
    row = min(max(row - 0.5, 0.0), LOW + HIGH - 1.001)
    r0, c0 = int(row), int(np.floor(column))
    down, across = row - r0, column - c0
    a, b = c0 % COLUMNS, (c0 + 1) % COLUMNS
    upper = shell[r0, a] * (1 - across) + shell[r0, b] * across
    lower = shell[r0 + 1, a] * (1 - across) + shell[r0 + 1, b] * across
    return upper * (1 - down) + lower * down


@njit(cache=True, nogil=True)
def _comb(mode, x, y, z, side, whorl):
    """Where a strand at a place is combed to."""
    if mode == 0:  # from the crown, as short hair grows
        cx, cy, cz = x - whorl[0], y - whorl[1], z - whorl[2]
        long = np.sqrt(cx * cx + cy * cy + cz * cz) + 1e-9
        return 0.9 * cx / long, 0.9 * cy / long - 0.1, 0.9 * cz / long
    top = min(max((y - 10.0) / 60.0, 0.0), 1.0)
    if mode == 1:  # to both sides and a little back, more so beside the face
        beside = min(max((z - 30.0) / 40.0, 0.0), 1.0)
        return 1.1 * side * top, -0.35, -0.12 - 0.5 * beside * top
    if mode == 2:  # away from the face
        return 0.12 * side, 0.1 - 0.5 * (1 - top), -0.9
    return 0.15 * side, -0.25, 1.0 * top  # a fringe


@njit(cache=True, nogil=True)
def _aside(x, y, z, side, limit, lane):
    """x and z, turned about the axis off the face, and in front of or behind the shoulders."""
    around = np.arctan2(x, z)
    sign = 1.0 if x > 0 or (x == 0 and side > 0) else -1.0
    angle = np.abs(around)
    least = limit * min(max((66.0 - y) / 26.0, 0.0), 1.0)
    if y < -85:
        least *= 0.75
    if angle < least:
        angle = least
    low = min(max((-55.0 - y) / 90.0, 0.0), 1.0)
    angle += 0.55 * low * (lane - angle)
    arm = np.hypot(x, z)
    return sign * arm * np.sin(angle), arm * np.cos(angle)


def _cut(lines: np.ndarray, hem: float, length: float, rng: np.random.Generator) -> np.ndarray:
    """Strands that end at the hem; as many points, closer together."""
    hem = AXIS[1] - (AXIS[1] - hem) * length
    level = hem + 0.05 * hem * rng.normal(size=(len(lines), 1))
    under = lines[..., 1] < level
    some = np.flatnonzero(under[:, -1])
    last = lines.shape[1] - 1
    first = np.maximum(under[some].argmax(1), 1)
    above, below = lines[some, first - 1, 1], lines[some, first, 1]
    share = (above - level[some, 0]) / np.maximum(above - below, 1e-3)
    at = np.linspace(0, 1, last + 1) * (first - 1 + share)[:, None]
    low = at.astype(int).clip(0, last - 1)
    rest = (at - low)[..., None].astype(np.float32)
    part = some[:, None]
    lines[some] = lines[part, low] * (1 - rest) + lines[part, low + 1] * rest
    return lines


def _clumped(
    lines: np.ndarray, clump: float, fringe: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Strands drawn towards one in every twelve, the nearest, the more the nearer to the tip."""
    if clump == 0:
        return lines
    places = np.column_stack([lines[:, min(2, lines.shape[1] - 1)], 1e3 * fringe])
    places = places.astype(np.float32)
    guides, goals = lines[::12], places[::12]
    nearest = ((goals**2).sum(1) - 2 * places @ goals.T).argmin(1)
    along = np.linspace(0, 1, lines.shape[1]) ** 1.3
    near = np.linalg.norm(guides[nearest, -1] - lines[:, -1], axis=1) < 45
    share = clump * (near * rng.uniform(0.3, 1, len(lines)))[:, None] * along
    share = share[..., None].astype(np.float32)
    return lines + share * (guides[nearest] - lines)


def _off_the_face(lines: np.ndarray, fringe: np.ndarray, tip: float) -> np.ndarray:
    """Strands without the stray ones that cross the face; those of a fringe may, down to a tip."""
    x, y, z = np.moveaxis(lines, -1, 0)
    front = (z > 30) & (np.abs(x) < 0.75 * z) & (y > -85)
    low = np.where(fringe, tip, 72)[:, None]
    return lines[~(front & (y < low)).any(1)]


def _curled(
    lines: np.ndarray, spec: Spec, fringe: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Strands wound about themselves; neighbours alike, so that waves are seen."""
    if spec.curl == 0:
        noise = 0.35 * rng.standard_normal(lines.shape, np.float32)
        return lines + noise * np.linspace(0, 1, lines.shape[1], dtype=np.float32)[:, None]
    tangent = unit(differences(lines))
    outwards = unit(lines - np.array([0, 24, 0], np.float32))
    across = unit(cross(tangent, outwards))
    step = np.linalg.norm(lines - np.roll(lines, 1, 1), axis=2)
    step[:, 0] = 0
    alike = 3 * np.sin(lines[:, 0] @ rng.normal(0, 0.035, (3, 2))).sum(1)
    phase = np.cumsum(step, 1) * (2 * np.pi / spec.period) * rng.normal(1, 0.03, (len(lines), 1))
    phase += (alike + rng.normal(0, 0.35, len(lines)))[:, None]
    size = spec.curl * rng.uniform(0.7, 1.2, len(lines)) * np.where(fringe, 0.35, 1)
    size = (size[:, None] * np.linspace(0, 1, lines.shape[1]) ** 0.6).astype(np.float32)
    phase = phase.astype(np.float32)
    wound = np.sin(phase)[..., None] * across + 0.6 * (1 + np.cos(phase))[..., None] * outwards
    return lines + size[..., None] * wound
