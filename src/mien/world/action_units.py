"""Action units and the 52 curves: one linear table, and its exact inverse.

An action unit is what one muscle, or a few that work as one, does to the face (Ekman, Friesen and
Hager, Facial Action Coding System, 2002). Its intensity is 0 (absent) to 5, the grades A (trace) to
E (maximum) of FACS: A is 1, B 2, C 3, D 4, E 5. A curve is the sum over action units of
``intensity / 5 * weight``; ``TABLE`` has the weights.

The table is made so that nothing is lost:

- Weights of a curve sum to at most 1, so whatever combination is asked for, no curve is cut off at
  1. The one exception is ``eyeBlink``: :func:`hide_behind_lids` keeps it in bounds.
- The rows are linearly independent, so the curves give the action units back by a linear map.

ARKit describes shapes, not muscles, so some units have no curve of their own and differ by how they
combine curves:

- AU25, 26, 27: 25 parts the lips by moving lips, 26 only drops the jaw. 27 drops it further and
  forward, as the lateral pterygoids do (``jawForward``), and pulls the lips into a tall oval.
- AU18, 23, 24, 28: 18 is all pucker and 28 all roll, mainly of the lower lip; 24 presses; 23
  presses half as much, rolls mainly the upper lip and narrows the mouth.
- AU6, 7, 43, 45: four units, and three curves around the eye. 43 is the lid alone. 45 also draws up
  the skin below, as the orbicularis oculi does in a blink and not when the levator merely relaxes
  (Evinger, Manning and Sibony 1991); FACS tells them apart by duration, which one frame has not. 7
  narrows the eye and lowers its lid. 6 lifts the cheek, which bulges a little (``cheekPuff``).
  What parts 45 from 43 is small: on measured, noisy curves add them up.

Left and right are the person's own. ARKit has one curve for both sides of what lies on the midline,
the inner brows among it, and FACS calls a blink of one eye not 45 but 46: such units
(``BILATERAL``) have one intensity for both sides.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mien.errors import InputError
from mien.face import BLENDSHAPES

MAXIMUM = 5.0
"""Intensity E of FACS."""


@dataclass(frozen=True, slots=True)
class ActionUnit:
    """One row of the table.

    number, name, muscles: of FACS.
    curves: weight at intensity 5 of each curve; a name that ARKit has for left and right stands
        for both.
    """

    number: int
    name: str
    muscles: str
    curves: Mapping[str, float]


# The correspondence of single shapes is Apple's own description of each blend shape read with the
# FACS manual, and agrees with published lists (Ozel, "ARKit to FACS cheat sheet"); how units share
# curves, and their weights, were set by looking at ``HeadModel.bundled()``.
TABLE = (
    ActionUnit(1, "inner brow raiser", "frontalis, medial part", {"browInnerUp": 1.0}),
    ActionUnit(2, "outer brow raiser", "frontalis, lateral part", {"browOuterUp": 1.0}),
    ActionUnit(
        4,
        "brow lowerer",
        "corrugator supercilii, depressor supercilii, procerus",
        {"browDown": 0.95},
    ),
    ActionUnit(5, "upper lid raiser", "levator palpebrae superioris", {"eyeWide": 1.0}),
    ActionUnit(
        6,
        "cheek raiser",
        "orbicularis oculi, orbital part",
        {"cheekSquint": 0.8, "cheekPuff": 0.12, "eyeSquint": 0.4},
    ),
    ActionUnit(
        7,
        "lid tightener",
        "orbicularis oculi, palpebral part",
        {"eyeSquint": 0.6, "eyeBlink": 0.25},
    ),
    ActionUnit(
        9,
        "nose wrinkler",
        "levator labii superioris alaeque nasi",
        {"noseSneer": 0.85, "browDown": 0.05},
    ),
    ActionUnit(
        10,
        "upper lip raiser",
        "levator labii superioris",
        {"mouthUpperUp": 0.85, "noseSneer": 0.15},
    ),
    ActionUnit(12, "lip corner puller", "zygomaticus major", {"mouthSmile": 1.0}),
    ActionUnit(14, "dimpler", "buccinator", {"mouthDimple": 1.0}),
    ActionUnit(15, "lip corner depressor", "depressor anguli oris", {"mouthFrown": 1.0}),
    ActionUnit(17, "chin raiser", "mentalis", {"mouthShrugLower": 1.0, "mouthShrugUpper": 0.25}),
    ActionUnit(18, "lip pucker", "incisivii labii", {"mouthPucker": 0.85}),
    ActionUnit(20, "lip stretcher", "risorius, platysma", {"mouthStretch": 1.0}),
    ActionUnit(22, "lip funneler", "orbicularis oris", {"mouthFunnel": 0.85}),
    ActionUnit(
        23,
        "lip tightener",
        "orbicularis oris",
        {"mouthPress": 0.35, "mouthRollUpper": 0.35, "mouthRollLower": 0.1, "mouthPucker": 0.15},
    ),
    ActionUnit(24, "lip presser", "orbicularis oris", {"mouthPress": 0.65, "mouthRollLower": 0.15}),
    ActionUnit(
        25,
        "lips part",
        "depressor labii inferioris, or relaxed mentalis or orbicularis oris",
        {"mouthLowerDown": 0.6, "mouthUpperUp": 0.15},
    ),
    ActionUnit(26, "jaw drop", "relaxed masseter, temporalis", {"jawOpen": 0.35}),
    ActionUnit(
        27,
        "mouth stretch",
        "pterygoids, digastric",
        {"jawOpen": 0.65, "jawForward": 0.25, "mouthFunnel": 0.15, "mouthLowerDown": 0.25},
    ),
    ActionUnit(28, "lip suck", "orbicularis oris", {"mouthRollLower": 0.75, "mouthRollUpper": 0.6}),
    ActionUnit(43, "eye closure", "relaxed levator palpebrae superioris", {"eyeBlink": 1.0}),
    ActionUnit(
        45,
        "blink",
        "orbicularis oculi, palpebral part; relaxed levator",
        {"eyeBlink": 1.0, "cheekSquint": 0.2},
    ),
)

ACTION_UNITS = tuple(unit.number for unit in TABLE)
"""The 23 numbers, in the order of all arrays of intensities."""

INDEX: Mapping[int, int] = {number: i for i, number in enumerate(ACTION_UNITS)}
"""Where an action unit stands in such arrays."""

COUNT = len(TABLE)


def _weights() -> np.ndarray:
    """(2, 23, 52): what the left and the right half of each unit do; they add up to the unit."""
    halves = np.zeros((2, COUNT, len(BLENDSHAPES)))
    for row, unit in enumerate(TABLE):
        for name, weight in unit.curves.items():
            if name in BLENDSHAPES:
                halves[:, row, BLENDSHAPES.index(name)] = weight / 2
                continue
            for side, suffix in enumerate(("Left", "Right")):
                halves[side, row, BLENDSHAPES.index(name + suffix)] = weight
    halves.setflags(write=False)
    return halves


_HALVES = _weights()

AU_TO_CURVES = _HALVES.sum(0)
"""(23, 52): the curves of each action unit at intensity 5, both sides alike."""
AU_TO_CURVES.setflags(write=False)

BILATERAL = np.isin(ACTION_UNITS, (1, 17, 18, 22, 23, 24, 25, 26, 27, 28, 45))
"""(23,) bool: the units that have one intensity for both sides."""
BILATERAL.setflags(write=False)

# Unknowns of the inverse: bilateral units and left halves, then right halves.
_MIXING = np.concatenate(
    [np.where(BILATERAL[:, None], AU_TO_CURVES, _HALVES[0]), _HALVES[1][~BILATERAL]]
)
_PROBE = np.linalg.pinv(_MIXING)
_GRAM = _MIXING @ _MIXING.T


SWEEPS, TOLERANCE = 2000, 1e-7  # of the bounded inverse; where it starts is mostly where it ends


def as_markdown() -> str:
    """``TABLE`` as it stands in the documentation."""
    lines = ["| AU | name | muscles | curves at intensity 5 |", "|---|---|---|---|"]
    for unit in TABLE:
        weights = ", ".join(f"{name} {weight:g}" for name, weight in unit.curves.items())
        lines.append(f"| {unit.number} | {unit.name} | {unit.muscles} | {weights} |")
    return "\n".join(lines) + "\n"


def intensities(units: Mapping[int, float | tuple[float, float]] | np.ndarray) -> np.ndarray:
    """Intensities (..., 23, 2), left and right, of what a caller gives.

    Args:
        units: intensity by number, or (left, right) by number; or an array (..., 23) for both sides
            alike or (..., 23, 2). Sides of a ``BILATERAL`` unit are averaged.

    Raises InputError for an unknown number, a wrong shape, or an intensity outside 0..5.
    """
    if isinstance(units, Mapping):
        unknown = [number for number in units if number not in INDEX]
        if unknown:
            raise InputError(f"AU{unknown[0]}: not one of the action units {ACTION_UNITS}")
        sides = np.zeros((COUNT, 2))
        for number, value in units.items():
            sides[INDEX[number]] = value
    else:
        given = np.asarray(units, np.float64)
        if given.shape[-1:] == (COUNT,):
            given = np.repeat(given[..., None], 2, -1)
        if given.shape[-2:] != (COUNT, 2):
            raise InputError(
                f"action units: shape {given.shape}, expected (..., 23) or (..., 23, 2)"
            )
        sides = given.copy()
    if not ((sides >= 0) & (sides <= MAXIMUM)).all():
        raise InputError("action units: an intensity is not within 0..5")
    sides[..., BILATERAL, :] = sides[..., BILATERAL, :].mean(-1, keepdims=True)
    return sides


def sided(intensity: np.ndarray, asymmetry: float | np.ndarray) -> np.ndarray:
    """Intensities (..., 23, 2) of both sides from those (..., 23) of the stronger side.

    asymmetry: -1..1, (), or (..., 23): at 0.3 the right side has 0.7 of the left, at 1 none; below
        0 the right side is the stronger one. ``BILATERAL`` units have none.
    """
    lean = np.where(BILATERAL, 0.0, asymmetry)
    share = np.stack([1 + lean, 1 - lean], -1).clip(0, 1)
    return np.asarray(intensity)[..., None] * share


def hide_behind_lids(sides: np.ndarray) -> np.ndarray:
    """The intensities (..., 23, 2) that lids allow.

    A closed eye is neither wide (AU5) nor tight (AU7), and closing (43) and blinking (45) together
    are not more than closed.
    """
    out = np.array(sides, np.float64)
    blink, closed = out[..., INDEX[45], :], out[..., INDEX[43], :]
    np.minimum(blink, MAXIMUM - closed.max(-1, keepdims=True), out=blink)
    out[..., [INDEX[5], INDEX[7]], :] *= (1 - (closed + blink)[..., None, :] / MAXIMUM).clip(0)
    return out


def curves(units: Mapping[int, float | tuple[float, float]] | np.ndarray) -> np.ndarray:
    """The curves (..., 52), 0..1, of action units given as for :func:`intensities`.

    Only ``eyeBlink`` can reach its bound, where an eye is asked to be both tight and closed; after
    :func:`hide_behind_lids` it never does.

    Raises InputError as :func:`intensities` does.
    """
    sides = intensities(units) / MAXIMUM
    return (sides[..., 0] @ _HALVES[0] + sides[..., 1] @ _HALVES[1]).clip(0, 1)


def action_units(curves: np.ndarray, *, sides: bool = False) -> np.ndarray:
    """Intensities 0..5 that explain curves best: the inverse of :func:`curves`.

    Exact, and linear, for curves that :func:`curves` made; for others the least squares solution
    within 0..5. Curves that no unit uses (gaze, tongue, sideways jaw, puffed cheeks) do not matter.

    Args:
        curves: (..., 52), finite.
        sides: give (..., 23, 2), left and right, not (..., 23), the mean of both sides. FACS scores
            the stronger side, which is ``.max(-1)`` of the former.

    Raises InputError for a wrong shape or values that are not finite.
    """
    given = np.asarray(curves, np.float64)
    if given.shape[-1:] != (len(BLENDSHAPES),) or not np.isfinite(given).all():
        raise InputError(f"curves: a finite (..., 52) array, not {given.shape}")
    shape = given.shape[:-1]
    solved = MAXIMUM * _bounded(given.reshape(-1, len(BLENDSHAPES)))
    out = np.empty((len(solved), COUNT, 2))
    out[..., 0] = solved[:, :COUNT]
    out[:, BILATERAL, 1] = solved[:, :COUNT][:, BILATERAL]
    out[:, ~BILATERAL, 1] = solved[:, COUNT:]
    out = out.reshape(*shape, COUNT, 2)
    return out if sides else out.mean(-1)


def _bounded(curves: np.ndarray) -> np.ndarray:
    """Least squares within 0..1 (n, 35), by coordinate descent from the unbounded solution."""
    x = (curves @ _PROBE).clip(0, 1)
    right = curves @ _MIXING.T
    moving = np.arange(len(x))
    for _ in range(SWEEPS):
        part, target = x[moving], right[moving]
        for j, row in enumerate(_GRAM):
            part[:, j] = (part[:, j] + (target[:, j] - part @ row) / row[j]).clip(0, 1)
        moved = np.abs(part - x[moving]).max(1, initial=0)
        x[moving] = part
        moving = moving[moved > TOLERANCE]
        if not len(moving):
            break
    return x
