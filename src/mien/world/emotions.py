"""Emotions as action-unit programmes, with the valence and arousal they stand for.

Prototypes and variants are those of Du, Tao and Martinez, "Compound facial expressions of emotion"
(PNAS 2014, table 1): units that more than 70 % of 230 people used, and those that some did, with
the share of people. AU11, which the world does not have, is left out. Contempt, which they did not
study, is the unilateral 14, often with 12, of Ekman and Friesen (1986).

Valence and arousal, -1..1, are the places of the words in the plane that Russell and Mehrabian
(1977) measured, mean and standard deviation between raters; Russell (1980) calls it a circumplex.
Those of contempt are ours, near disgust and less intense; so is it that a compound emotion lies at
the mean of its two components. How strong each unit is within an expression (``SHARES``) is ours as
well: set so that the bundled head shows the emotion.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from mien.errors import InputError
from mien.world.action_units import COUNT, INDEX, MAXIMUM, curves, sided

INTENSITY = (1.5, 5.0)
"""Range of intensities that :func:`sample` draws from when none is given."""

UNIT_SPREAD = 0.15  # relative standard deviation of one unit's intensity
LEAN_SPREAD = 0.06  # of asymmetry; felt expressions are nearly symmetric (Ekman et al. 1981)


@dataclass(frozen=True, slots=True)
class Emotion:
    """What a face does for an emotion.

    prototype: units that are always there.
    variants: units that are there with a probability.
    valence, arousal: mean at full intensity, -1..1.
    valence_spread, arousal_spread: their standard deviations between people.
    components: the two basic emotions of a compound one.
    unilateral: one side only.
    """

    prototype: tuple[int, ...]
    variants: Mapping[int, float] = field(default_factory=dict)
    valence: float = 0.0
    arousal: float = 0.0
    valence_spread: float = 0.0
    arousal_spread: float = 0.0
    components: tuple[str, ...] = ()
    unilateral: bool = False


SHARES: Mapping[int, tuple[float, float]] = {
    5: (0.4, 0.9),
    9: (0.5, 0.9),
    10: (0.3, 0.8),
    17: (0.4, 0.9),
    25: (0.3, 0.9),
    26: (0.3, 0.9),
}
"""Lowest and highest share of the expression's intensity of a unit; (0.75, 1) where not said."""

_BASIC: dict[str, Emotion] = {
    "neutral": Emotion(()),
    "happiness": Emotion((12, 25), {6: 0.51}, 0.81, 0.51, 0.21, 0.26),
    "sadness": Emotion((4, 15), {1: 0.60, 6: 0.50, 17: 0.67}, -0.63, -0.27, 0.23, 0.34),
    "surprise": Emotion((1, 2, 25, 26), {5: 0.66}, 0.40, 0.67, 0.30, 0.27),
    "fear": Emotion((1, 4, 20, 25), {2: 0.57, 5: 0.63, 26: 0.33}, -0.64, 0.60, 0.20, 0.32),
    "disgust": Emotion((9, 10, 17), {4: 0.31, 24: 0.26}, -0.60, 0.35, 0.20, 0.41),
    "anger": Emotion((4, 7, 24), {10: 0.26, 17: 0.52, 23: 0.29}, -0.51, 0.59, 0.20, 0.33),
    "contempt": Emotion((14,), {12: 0.45}, -0.50, 0.25, 0.22, 0.35, unilateral=True),
}


def _compound(
    prototype: tuple[int, ...], variants: dict[int, float], first: str, second: str
) -> Emotion:
    both = [_BASIC[first], _BASIC[second]]
    affect = [(e.valence, e.arousal, e.valence_spread, e.arousal_spread) for e in both]
    return Emotion(prototype, variants, *np.mean(affect, 0).tolist(), components=(first, second))


EMOTIONS: Mapping[str, Emotion] = _BASIC | {
    "happily surprised": _compound((1, 2, 12, 25), {5: 0.64, 26: 0.67}, "happiness", "surprise"),
    "happily disgusted": _compound(
        (10, 12, 25), {4: 0.32, 6: 0.61, 9: 0.59}, "happiness", "disgust"
    ),
    "sadly fearful": _compound(
        (1, 4, 20, 25), {2: 0.46, 5: 0.24, 6: 0.34, 15: 0.30}, "sadness", "fear"
    ),
    "sadly angry": _compound((4, 15), {6: 0.26, 7: 0.48, 17: 0.50}, "sadness", "anger"),
    "sadly surprised": _compound((1, 4, 25, 26), {2: 0.27, 6: 0.31}, "sadness", "surprise"),
    "sadly disgusted": _compound(
        (4, 10), {1: 0.49, 6: 0.61, 9: 0.20, 15: 0.54, 17: 0.47, 25: 0.43}, "sadness", "disgust"
    ),
    "fearfully angry": _compound((4, 20, 25), {5: 0.40, 7: 0.39, 10: 0.30}, "fear", "anger"),
    "fearfully surprised": _compound(
        (1, 2, 5, 20, 25), {4: 0.47, 10: 0.35, 26: 0.51}, "fear", "surprise"
    ),
    "fearfully disgusted": _compound(
        (1, 4, 10, 20, 25), {2: 0.64, 5: 0.50, 6: 0.26, 9: 0.28, 15: 0.33}, "fear", "disgust"
    ),
    "angrily surprised": _compound((4, 25, 26), {5: 0.35, 7: 0.50, 10: 0.34}, "anger", "surprise"),
    "angrily disgusted": _compound((4, 10, 17), {7: 0.60, 9: 0.57, 24: 0.36}, "anger", "disgust"),
    "disgustedly surprised": _compound(
        (1, 2, 5, 10), {4: 0.45, 9: 0.37, 17: 0.66, 24: 0.33}, "disgust", "surprise"
    ),
    "appalled": _compound((4, 10), {6: 0.25, 9: 0.56, 17: 0.67, 24: 0.36}, "anger", "disgust"),
    "hatred": _compound((4, 10), {7: 0.57, 9: 0.27, 17: 0.63, 24: 0.37}, "anger", "disgust"),
    "awed": _compound((1, 2, 5, 25), {4: 0.21, 20: 0.62, 26: 0.56}, "fear", "surprise"),
}
"""All emotions by name. The first seven are the classes of ``mien.data.labels.EXPRESSIONS``, in
that order; then contempt, then the 15 compound emotions."""

BASIC = tuple(_BASIC)[:7]
"""The seven basic emotions, neutral among them."""

COMPOUND = tuple(name for name, emotion in EMOTIONS.items() if emotion.components)
NAMES = tuple(EMOTIONS)
"""Names in the order of all arrays of emotion labels."""


@dataclass(frozen=True, slots=True, eq=False)
class Programme:
    """One expression of an emotion, at its apex.

    emotion: of ``EMOTIONS``.
    intensity: 0..5, of the expression as a whole.
    sides: (23, 2) float64, 0..5, action units of the left and the right side.
    valence, arousal: -1..1.
    """

    emotion: str
    intensity: float
    sides: np.ndarray
    valence: float
    arousal: float

    @property
    def action_units(self) -> np.ndarray:
        """(23,): the mean of both sides."""
        return self.sides.mean(-1)

    @property
    def curves(self) -> np.ndarray:
        """(52,)."""
        return curves(self.sides)


def emotion_named(name: str) -> Emotion:
    """Raises InputError for an unknown name."""
    if name not in EMOTIONS:
        raise InputError(f"{name}: no such emotion; there are: {', '.join(NAMES)}")
    return EMOTIONS[name]


def sample(name: str, rng: np.random.Generator, intensity: float | None = None) -> Programme:
    """One person's way to show an emotion.

    Variants come by their probabilities, each unit has an intensity of its own around its share of
    the whole, and the sides differ a little; contempt is on one side alone. Valence and arousal are
    drawn around the emotion's and grow with intensity, up to the full value at 5.

    Args:
        intensity: 0..5; None draws one.

    Raises InputError for an unknown emotion or an intensity outside 0..5.
    """
    emotion = emotion_named(name)
    whole = rng.uniform(*INTENSITY) if intensity is None else float(intensity)
    if not 0 <= whole <= MAXIMUM:
        raise InputError(f"intensity: {intensity} is not within 0..5")
    # A number is drawn for every unit, so that one seed gives one manner at all intensities.
    luck, share, spread = rng.random(COUNT), rng.random(COUNT), rng.standard_normal(COUNT)
    strength = np.zeros(COUNT)
    for number in (*emotion.prototype, *emotion.variants):
        at = INDEX[number]
        if luck[at] < emotion.variants.get(number, 1.0):
            low, high = SHARES.get(number, (0.75, 1.0))
            part = low + (high - low) * share[at]
            strength[at] = whole * part * max(1 + UNIT_SPREAD * spread[at], 0.5)
    affect = rng.normal(
        [emotion.valence, emotion.arousal], [emotion.valence_spread, emotion.arousal_spread]
    )
    valence, arousal = (affect.clip(-1, 1) * whole / MAXIMUM).tolist()
    sides = sided(strength.clip(0, MAXIMUM), _asymmetry(emotion, rng))
    return Programme(name, whole, sides, valence, arousal)


def _asymmetry(emotion: Emotion, rng: np.random.Generator) -> np.ndarray:
    """(23,) of one expression, for ``sided``."""
    side = rng.choice((-1.0, 1.0))
    lean = rng.normal(0, LEAN_SPREAD, COUNT)
    if emotion.unilateral:
        return side * (1 - np.abs(lean))
    return lean.clip(-1, 1)
