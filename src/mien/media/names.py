"""What measures are called, and coloured, where people look at them."""

import re
from functools import cache

import numpy as np

from mien.face import BLENDSHAPES

Colour = tuple[int, int, int]

EMOTION_COLOURS: dict[str, Colour] = {  # in the order of ``mien.face.EMOTIONS``
    "neutral": (150, 158, 172),
    "happiness": (246, 190, 50),
    "sadness": (84, 132, 224),
    "surprise": (50, 196, 190),
    "fear": (160, 108, 220),
    "disgust": (124, 178, 66),
    "anger": (226, 74, 66),
    "contempt": (214, 118, 168),
}
"""RGB, for light and for dark grounds."""

UNIT_NAMES = {
    **{1: "inner brow raiser", 2: "outer brow raiser", 4: "brow lowerer", 5: "upper lid raiser"},
    **{6: "cheek raiser", 7: "lid tightener", 9: "nose wrinkler", 10: "upper lip raiser"},
    **{11: "nasolabial deepener", 12: "lip corner puller", 14: "dimpler"},
    **{15: "lip corner depressor", 17: "chin raiser", 18: "lip pucker", 20: "lip stretcher"},
    **{22: "lip funneler", 23: "lip tightener", 24: "lip presser", 25: "lips part"},
    **{26: "jaw drop", 27: "mouth stretch", 28: "lip suck", 43: "eye closure", 45: "blink"},
}
"""As in FACS (Ekman, Friesen and Hager 2002)."""

SIDEWAYS = ("jaw", "mouth")  # whose Left and Right are directions, not sides


@cache
def paired_curves() -> tuple[tuple[str, int, int], ...]:
    """The 52 curves as pairs: name in words, index of the person's right and of the left one.

    What has no sides is its own partner.
    """
    pairs: dict[str, tuple[int, int]] = {}
    for index, curve in enumerate(BLENDSHAPES):
        stem = re.sub("(Left|Right)$", "", curve)
        right, left = pairs.get(stem, (index, index))
        pairs[stem] = (index, left) if curve.endswith("Right") else (right, index)
    return tuple((in_words(stem), *sides) for stem, sides in pairs.items())


def in_words(curve: str) -> str:
    """``mouthSmile`` as ``mouth smile``."""
    if curve in SIDEWAYS:
        return f"{curve} sideways"
    return re.sub("(?<!^)([A-Z])", lambda match: f" {match[1].lower()}", curve)


def sides(curves: np.ndarray) -> np.ndarray:
    """(pairs, 2): right and left value of each of :func:`paired_curves`, from (52,) curves."""
    return curves[[pair[1:] for pair in paired_curves()]]
