"""What make-up somebody wears."""

from dataclasses import dataclass

import numpy as np

PATTERNS = ("none", "stripes", "bands", "halves", "dots", "tiger", "mask", "hearts", "dazzle")
FINISHES = ("matte", "satin", "gloss")
LIPSTICKS = ((0.42, 0.02, 0.03), (0.30, 0.02, 0.06), (0.55, 0.10, 0.12), (0.14, 0.01, 0.02),
             (0.50, 0.18, 0.14), (0.62, 0.09, 0.24), (0.24, 0.05, 0.12), (0.03, 0.015, 0.02),
             (0.60, 0.13, 0.05))  # fmt: skip
SHADOWS = ((0.10, 0.05, 0.03), (0.03, 0.03, 0.035), (0.25, 0.13, 0.07), (0.16, 0.04, 0.12),
           (0.04, 0.07, 0.20), (0.03, 0.14, 0.09), (0.45, 0.25, 0.10), (0.50, 0.22, 0.24),
           (0.55, 0.48, 0.38), (0.05, 0.22, 0.25))  # fmt: skip
PAINTS = (
    (0.75, 0.03, 0.03),
    (0.02, 0.08, 0.55),
    (0.02, 0.35, 0.08),
    (0.85, 0.70, 0.03),
    (0.85, 0.85, 0.85),
    (0.015, 0.015, 0.015),
    (0.75, 0.25, 0.02),
    (0.35, 0.03, 0.45),
)
Colour = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Makeup:
    """What somebody wears; every amount is an opacity 0..1, 0 is without it.

    Colours are linear. finish: of ``FINISHES``. shadows: one to three colours: on the lid, in the
    outer corner, under the brow. liner_width, wing: mm, the latter how far the eyeliner goes on
    beyond the eye. tone: factor that foundation puts on the skin. pattern: face paint, of
    ``PATTERNS``, with its colours. seed: of strokes and patterns.
    """

    lipstick: float = 0.0
    lip_colour: Colour = LIPSTICKS[0]
    finish: str = "satin"
    lip_liner: float = 0.0
    eye_shadow: float = 0.0
    shadows: tuple[Colour, ...] = SHADOWS[:1]
    eyeliner: float = 0.0
    liner_colour: Colour = (0.01, 0.008, 0.008)
    liner_width: float = 1.2
    wing: float = 3.0
    lower_liner: float = 0.0
    mascara: float = 0.0
    blush: float = 0.0
    blush_colour: Colour = (0.55, 0.12, 0.12)
    foundation: float = 0.0
    tone: float = 1.0
    contour: float = 0.0
    highlight: float = 0.0
    brow: float = 0.0
    brow_colour: Colour = (0.03, 0.018, 0.012)
    pattern: str = "none"
    paint: float = 0.0
    paint_colours: tuple[Colour, ...] = PAINTS[:2]
    seed: int = 0


def sample(rng: np.random.Generator) -> Makeup:
    """Somebody's make-up: often a little, sometimes a lot, rarely paint."""
    boldness = rng.beta(1.6, 2.2)

    def amount(chance: float, low: float, high: float) -> float:
        worn = rng.random() < chance
        return float(worn * (low + (high - low) * boldness * rng.uniform(0.6, 1.0)))

    colours = rng.permutation(len(SHADOWS))[: rng.integers(1, 4)]
    skin_paint = rng.random() < 0.08
    return Makeup(
        lipstick=amount(0.7, 0.25, 1.0),
        lip_colour=_varied(LIPSTICKS[rng.integers(len(LIPSTICKS))], rng),
        finish=FINISHES[rng.integers(len(FINISHES))],
        lip_liner=amount(0.25, 0.2, 0.7),
        eye_shadow=amount(0.55, 0.2, 0.9),
        shadows=tuple(_varied(SHADOWS[i], rng) for i in colours),
        eyeliner=amount(0.5, 0.4, 1.0),
        liner_colour=(0.01, 0.008, 0.008) if rng.random() < 0.8 else SHADOWS[rng.integers(3, 6)],
        liner_width=float(rng.uniform(0.7, 1.0 + 1.8 * boldness)),
        wing=float(rng.choice([0.0, 1.0]) * rng.uniform(2, 8)),
        lower_liner=amount(0.25, 0.2, 0.8),
        mascara=amount(0.6, 0.4, 0.9),
        blush=amount(0.5, 0.1, 0.4),
        blush_colour=_varied((0.55, 0.13, 0.13), rng),
        foundation=amount(0.6, 0.3, 0.9),
        tone=float(np.exp(rng.normal(0, 0.06))),
        contour=amount(0.3, 0.15, 0.5),
        highlight=amount(0.3, 0.15, 0.5),
        brow=amount(0.4, 0.2, 0.8),
        pattern=str(rng.choice(PATTERNS[1:])) if skin_paint else "none",
        paint=float(skin_paint * rng.uniform(0.6, 0.97)),
        paint_colours=tuple(PAINTS[i] for i in rng.permutation(len(PAINTS))[:3]),
        seed=int(rng.integers(2**31)),
    )


def _varied(colour: Colour, rng: np.random.Generator) -> Colour:
    red, green, blue = np.clip(np.array(colour) * np.exp(rng.normal(0, 0.18, 3)), 0.004, 0.9)
    return float(red), float(green), float(blue)
