"""Visemes: what the face does while it speaks.

Phonemes become curves in three steps.

1. Every sound has a target: weights of the curves, from its place in the IPA chart
   (:func:`target`). Diphthongs and affricates are sequences of sounds.
2. Targets blend by dominance (Cohen and Massaro, *Modeling coarticulation in synthetic visual
   speech*, 1993): each sound pulls each group of curves with a magnitude that falls
   off exponentially before and after it. Rounding, say, begins early and lasts long on [u], and
   consonants such as [t] hardly disturb it.
3. Contacts are met. A blend comes near to its targets, but lips that must touch have to touch:
   around the closures of [p b m] the lips are closed on top of the blend by as much as it leaves
   them open, and around [f v] the lower lip is brought to the upper teeth.

Frames are sampled such that each closure has a frame within it, also where its middle falls between
two frames.
"""

import logging
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from mien.errors import UsageError
from mien.face import BLENDSHAPES, Motion
from mien.head.model import HeadModel

log = logging.getLogger(__name__)

PAUSE = "_"


@dataclass(frozen=True, slots=True)
class Phoneme:
    """A sound of speech.

    symbol: IPA without stress marks, or ``PAUSE``. start, end: seconds.
    stress: 2 primary, 1 secondary, 0 none.
    release: when the closure of a stop ends, where it was heard; seconds.
    """

    symbol: str
    start: float
    end: float
    stress: int = 0
    release: float | None = None


CURVES = {name: i for i, name in enumerate(BLENDSHAPES)}

GROUPS: dict[str, tuple[str, ...]] = {
    "jaw": ("jawOpen",),
    "round": ("mouthFunnel", "mouthPucker"),
    "spread": ("mouthSmileLeft", "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight"),
    "lower": ("mouthLowerDownLeft", "mouthLowerDownRight", "mouthShrugLower", "mouthRollLower"),
    "upper": ("mouthUpperUpLeft", "mouthUpperUpRight", "mouthRollUpper"),
    "press": ("mouthPressLeft", "mouthPressRight"),
    "tongue": ("tongueOut",),
}
"""Curves that one articulator moves; a sound has one dominance for each group."""

MOUTH = tuple(name for names in GROUPS.values() for name in names)
COLUMNS = np.array([CURVES[name] for name in MOUTH])
_GROUP_OF = np.array([i for i, names in enumerate(GROUPS.values()) for _ in names])


def _both(name: str, weight: float) -> dict[str, float]:
    return {f"{name}Left": weight, f"{name}Right": weight}


def _weights(
    jaw: float = 0.0,
    funnel: float = 0.0,
    pucker: float = 0.0,
    smile: float = 0.0,
    stretch: float = 0.0,
    lower: float = 0.0,
    upper: float = 0.0,
    press: float = 0.0,
    roll: float = 0.0,
    shrug: float = 0.0,
    tongue: float = 0.0,
) -> np.ndarray:
    """Weights (M,) in the order of ``MOUTH``; both sides of the face alike."""
    named = {
        **{"jawOpen": jaw, "mouthFunnel": funnel, "mouthPucker": pucker, "tongueOut": tongue},
        **{"mouthRollLower": roll, "mouthShrugLower": shrug},
        **_both("mouthSmile", smile),
        **_both("mouthStretch", stretch),
        **_both("mouthLowerDown", lower),
        **_both("mouthUpperUp", upper),
        **_both("mouthPress", press),
    }
    return np.array([named.get(name, 0.0) for name in MOUTH], np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Viseme:
    """The target of a class of sounds.

    weights: (M,) in the order of ``MOUTH``.
    dominance: (G,) 0..1 for each of ``GROUPS``: how far the sound insists on its target.
    contact: "lips", "teeth" (the lower lip against the upper teeth) or "".
    """

    name: str
    weights: np.ndarray
    dominance: np.ndarray
    contact: str = ""
    vowel: bool = False


def _viseme(name: str, dominance: dict[str, float], contact: str = "", vowel: bool = False,
            **weights: float) -> Viseme:  # fmt: skip
    strength = np.array([dominance.get(group, DEFAULT[group]) for group in GROUPS], np.float32)
    return Viseme(name, _weights(**weights), strength, contact, vowel)


DEFAULT = {"jaw": 0.5, "round": 0.12, "spread": 0.2, "lower": 0.4, "upper": 0.4, "press": 0.6,
           "tongue": 0.6}  # fmt: skip
VOWEL = {"jaw": 0.9, "round": 0.9, "spread": 0.8, "lower": 0.6, "upper": 0.6, "tongue": 0.8}

VISEMES: dict[str, Viseme] = {
    viseme.name: viseme
    for viseme in (
        _viseme("rest", {"jaw": 0.45, "round": 0.25, "spread": 0.25, "lower": 0.5, "upper": 0.5}),
        _viseme("lips", {"jaw": 0.75, "press": 0.9}, "lips", jaw=0.08, press=0.12),
        _viseme("lips_round", {"jaw": 0.75, "round": 1.0}, jaw=0.07, funnel=0.15, pucker=0.6),
        _viseme(
            "teeth_lip",
            {"jaw": 0.7, "lower": 0.9, "upper": 0.8},
            "teeth",
            jaw=0.1,
            roll=0.4,
            upper=0.35,
            shrug=0.12,
        ),
        _viseme(
            "dental",
            {"jaw": 0.6, "tongue": 1.0},
            jaw=0.16,
            tongue=0.3,
            lower=0.2,
            upper=0.15,
        ),
        _viseme("alveolar", {"jaw": 0.5}, jaw=0.1, lower=0.16, upper=0.08),
        _viseme(
            "sibilant",
            {"jaw": 1.0, "spread": 0.35, "lower": 0.6, "upper": 0.6},
            jaw=0.045,
            stretch=0.15,
            smile=0.06,
            lower=0.32,
            upper=0.2,
        ),
        _viseme(
            "hush",
            {"jaw": 1.0, "round": 0.8, "lower": 0.7, "upper": 0.7},
            jaw=0.06,
            funnel=0.42,
            pucker=0.22,
            lower=0.2,
            upper=0.1,
        ),
        _viseme(
            "palatal",
            {"jaw": 0.7, "spread": 0.5},
            jaw=0.07,
            smile=0.12,
            stretch=0.15,
            lower=0.22,
            upper=0.12,
        ),
        _viseme("lateral", {"jaw": 0.45}, jaw=0.16, lower=0.12, upper=0.05),
        _viseme("rhotic", {"jaw": 0.5, "round": 0.45}, jaw=0.1, funnel=0.25, pucker=0.2, lower=0.1),
        _viseme("trill", {"jaw": 0.45}, jaw=0.13, lower=0.12, upper=0.05),
        _viseme("velar", {"jaw": 0.3}, jaw=0.15, lower=0.08, upper=0.04),
        _viseme("guttural", {"jaw": 0.15, "lower": 0.1, "upper": 0.1}, jaw=0.15),
    )
}
"""What consonants look like, and rest."""

CONSONANTS: dict[str, str] = {
    **dict.fromkeys("pbmɓʙ", "lips"),
    **dict.fromkeys("wʍɥɸβ", "lips_round"),
    **dict.fromkeys("fvɱʋⱱ", "teeth_lip"),
    **dict.fromkeys("θð", "dental"),
    **dict.fromkeys("tdnɗʈɖɳɾɽȶȡ", "alveolar"),
    **dict.fromkeys("szʦʣ", "sibilant"),
    **dict.fromkeys("ʃʒʂʐɻʧʤ", "hush"),
    **dict.fromkeys("ɕʑçʝjɲʎcɟʨʥ", "palatal"),
    **dict.fromkeys("lɫɭɬɮʟɺ", "lateral"),
    "ɹ": "rhotic",
    **dict.fromkeys("rʀ", "trill"),
    **dict.fromkeys("kɡgŋxɣɰʁχqɢɴɠɧ", "velar"),
    **dict.fromkeys("hɦħʕʔʜʢʡ", "guttural"),
}

STOPS = frozenset("pbtdʈɖcɟkɡgqɢʔɓɗɠʦʣʧʤʨʥ")

# The vowels of the IPA chart: openness 0..1 from close to open, and frontness -1..1 from back to
# front; of each pair the second is rounded.
_CHART: tuple[tuple[float, float, str, str], ...] = (
    (0.00, 1.0, "i", "y"), (0.00, 0.0, "ɨ", "ʉ"), (0.00, -1.0, "ɯ", "u"),
    (0.16, 0.8, "ɪ", "ʏ"), (0.16, -0.8, "", "ʊ"),
    (0.33, 1.0, "e", "ø"), (0.33, 0.0, "ɘ", "ɵ"), (0.33, -1.0, "ɤ", "o"),
    (0.42, 0.0, "ə", ""), (0.42, 0.0, "ɚ", ""),
    (0.64, 1.0, "ɛ", "œ"), (0.55, 0.0, "ɜ", "ɞ"), (0.55, 0.0, "ɝ", ""), (0.68, -1.0, "ʌ", "ɔ"),
    (0.84, 1.0, "æ", ""), (0.80, 0.0, "ɐ", ""),
    (1.00, 1.0, "a", "ɶ"), (1.00, 0.0, "ᴀ", ""), (1.00, -1.0, "ɑ", "ɒ"),
)  # fmt: skip


def _vowel(symbol: str, openness: float, front: float, rounded: bool) -> Viseme:
    """The look of a vowel: open ones drop the jaw, rounded ones protrude the lips the more the
    closer they are, front ones spread them."""
    closed = 1 - openness
    spread = 0.0 if rounded else max(front, 0) * (0.25 + 0.45 * closed)
    return _viseme(
        symbol,
        {**VOWEL, "jaw": 0.55 if symbol in "əɚɨ" else VOWEL["jaw"]},
        vowel=True,
        jaw=(0.09 + 0.5 * openness) - (0.02 if rounded else 0.0),
        pucker=(0.25 + 0.65 * closed) if rounded else 0.0,
        funnel=(0.35 - 0.15 * closed) if rounded else 0.0,
        smile=0.35 * spread,
        stretch=0.3 * spread,
        lower=0.04 + 0.26 * openness,
        upper=0.06 + 0.1 * max(front, 0),
    )


VOWELS: dict[str, Viseme] = {
    symbol: _vowel(symbol, openness, front, rounded)
    for openness, front, plain, round_ in _CHART
    for symbol, rounded in ((plain, False), (round_, True))
    if symbol
}

RATES: dict[str, tuple[float, float]] = {
    "jaw": (20.0, 20.0), "round": (8.0, 11.0), "spread": (11.0, 12.0), "lower": (20.0, 20.0),
    "upper": (20.0, 20.0), "press": (25.0, 25.0), "tongue": (25.0, 25.0),
}  # fmt: skip
"""How fast dominance falls off before and after a sound, 1/s: their theta. Rounding is
anticipated the most."""

REACH = 0.45
"""Seconds over which a sound can be felt."""

CORE = 0.4
"""The middle part of a sound in which its dominance is full."""

APPROACH = 0.06
"""Seconds in which lips close before a contact, and part after it."""

OVERCLOSE_MM = 1.0
"""Lips in contact are pressed together by this much, so that small errors do not part them."""


# -- the mood of the face ----------------------------------------------------------------------

STYLES: dict[str, tuple[float, dict[str, float]]] = {
    "neutral": (1.0, {}),
    "happiness": (1.1, {**_both("mouthSmile", 0.42), **_both("cheekSquint", 0.35),
                        **_both("eyeSquint", 0.2), **_both("mouthUpperUp", 0.06)}),
    "sadness": (0.75, {**_both("mouthFrown", 0.4), "browInnerUp": 0.6, **_both("eyeBlink", 0.12),
                       "mouthShrugLower": 0.08}),
    "anger": (1.15, {**_both("browDown", 0.7), **_both("eyeSquint", 0.25),
                     **_both("noseSneer", 0.25), **_both("mouthLowerDown", 0.12),
                     **_both("mouthStretch", 0.1)}),
    "fear": (1.0, {**_both("mouthStretch", 0.3), "browInnerUp": 0.6, **_both("browOuterUp", 0.3),
                   **_both("eyeWide", 0.6)}),
    "disgust": (0.9, {**_both("noseSneer", 0.55), **_both("mouthUpperUp", 0.2),
                      **_both("browDown", 0.35), **_both("mouthFrown", 0.15)}),
    "surprise": (1.3, {"browInnerUp": 0.6, **_both("browOuterUp", 0.6), **_both("eyeWide", 0.5)}),
    "contempt": (0.85, {"mouthSmileLeft": 0.25, "mouthDimpleLeft": 0.4, **_both("eyeBlink", 0.1)}),
}  # fmt: skip
"""For each emotion a factor on the jaw and offsets of curves, at full intensity."""


def target(symbol: str) -> list[Viseme]:
    """The visemes of an IPA symbol, one after the other: two for most diphthongs and affricates.

    Length marks, tones and ties are passed over; a labialised sound ends in lip rounding. A letter
    that is not in the table is taken for its base letter, else for a velar consonant, and logged.
    """
    out: list[Viseme] = []
    for c in unicodedata.normalize("NFD", symbol):
        viseme = _of_letter(c)
        if viseme is not None and (not out or out[-1].name != viseme.name):
            out.append(viseme)
    return out or [VISEMES["rest"]]


_OTHER_WAYS = {"ᵻ": "ɨ", "ᵿ": "ʉ", "ε": "ɛ", "S": "ʃ", "Z": "ʒ", "X": "χ", "A": "ɑ"}
"""Letters that are no IPA, as eSpeak NG writes some sounds."""

_SECOND = {"ʷ": "lips_round", "ᶹ": "teeth_lip", "ʲ": "palatal"}
_unknown: dict[str, int] = {}


def unknown_symbols() -> dict[str, int]:
    """Letters that were met and are not in the table, and how often."""
    return dict(_unknown)


def _of_letter(c: str) -> Viseme | None:
    c = _OTHER_WAYS.get(c, c)
    if c in VOWELS:
        return VOWELS[c]
    if c in CONSONANTS:
        return VISEMES[CONSONANTS[c]]
    if c in _SECOND:
        return VISEMES[_SECOND[c]]
    if not unicodedata.category(c).startswith("L") or unicodedata.category(c) == "Lm":
        return None
    if c not in _unknown:
        log.warning("no viseme for %r (%s)", c, unicodedata.name(c, "?"))
    _unknown[c] = _unknown.get(c, 0) + 1
    plain = _base_letter(c)
    if plain in VOWELS:
        return VOWELS[plain]
    return VISEMES[CONSONANTS.get(plain, "velar")]


def _base_letter(c: str) -> str:
    """The Latin letter that a letter is a form of, by its Unicode name; "" if of none."""
    words = unicodedata.name(c, "").split()
    letters = [w.lower() for w in words[1:] if len(w) == 1 and w.isascii()]
    return letters[0] if words[:1] == ["LATIN"] and letters else ""


def is_stop(symbol: str) -> bool:
    """Whether a sound begins with a closure of the mouth behind which air is held."""
    return unicodedata.normalize("NFD", symbol)[:1] in STOPS


# -- segments and contacts ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Segment:
    """A viseme in time, seconds; loud is how large its movement is, 1 for a stressed vowel."""

    viseme: Viseme
    start: float
    end: float
    loud: float = 1.0


def segments(phonemes: Sequence[Phoneme]) -> list[Segment]:
    """The visemes of phonemes; the parts of a diphthong or affricate share its time evenly."""
    out = []
    for phoneme in phonemes:
        parts = [VISEMES["rest"]] if phoneme.symbol == PAUSE else target(phoneme.symbol)
        step = (phoneme.end - phoneme.start) / len(parts)
        loud = (0.85, 0.93, 1.0)[phoneme.stress]
        for i, viseme in enumerate(parts):
            start = phoneme.start + i * step
            out.append(Segment(viseme, start, start + step, loud if viseme.vowel else 1.0))
    return out


def contacts(phonemes: Sequence[Phoneme], kind: str = "lips") -> np.ndarray:
    """When lips touch: (n, 2) seconds, start and end.

    kind: "lips" for [p b m], "teeth" for the lower lip against the upper teeth in [f v].
    Of a stop it is the time before its release, of other sounds the inner 60 %.
    """
    spans = []
    for phoneme in phonemes:
        if phoneme.symbol == PAUSE:
            continue
        parts = target(phoneme.symbol)
        step = (phoneme.end - phoneme.start) / len(parts)
        for i, viseme in enumerate(parts):
            if viseme.contact == kind:
                start, end = phoneme.start + i * step, phoneme.start + (i + 1) * step
                spans.append(_closure(start, end, phoneme.release if i == 0 else None))
    return np.array(spans, np.float64).reshape(-1, 2)


def _closure(start: float, end: float, release: float | None) -> tuple[float, float]:
    if release is not None and start < release < end:
        return start, release
    margin = 0.2 * (end - start)
    return start + margin, end - margin


def contact_weight(spans: np.ndarray, times: np.ndarray) -> np.ndarray:
    """How far contacts (n, 2) are made at times (T,): 1 within, eased to 0 over ``APPROACH``."""
    weight = np.zeros(len(times))
    for start, end in spans:
        near = slice(*np.searchsorted(times, (start - APPROACH, end + APPROACH)))
        away = np.maximum(np.maximum(start - times[near], times[near] - end), 0) / APPROACH
        ease = 0.5 + 0.5 * np.cos(np.pi * np.minimum(away, 1))
        weight[near] = np.maximum(weight[near], ease)
    return weight


def frame_times(duration: float, fps: float, spans: np.ndarray) -> np.ndarray:
    """The times (T,) at which to look for the frames of a clip, seconds.

    They are ``i / fps``, but the frame nearest to a contact that has no frame within it is moved
    into it, by at most half a frame.
    """
    times = np.arange(max(int(np.ceil(duration * fps - 1e-9)), 1)) / fps
    for start, end in spans:
        frame = min(round((start + end) / 2 * fps), len(times) - 1)
        inside = min(max(frame / fps, start), end)
        times[frame] = inside
    return times


# -- curves ------------------------------------------------------------------------------------


def blend(parts: Sequence[Segment], times: np.ndarray) -> np.ndarray:
    """Targets blended by dominance (Cohen and Massaro 1993).

    Returns (T, M) float32 weights in the order of ``MOUTH`` at increasing times (T,).
    """
    above = np.zeros((len(times), len(MOUTH)))
    below = np.full((len(times), len(GROUPS)), 1e-6)
    before = np.array([RATES[group][0] for group in GROUPS])
    after = np.array([RATES[group][1] for group in GROUPS])
    for part in parts:
        near = slice(*np.searchsorted(times, (part.start - REACH, part.end + REACH)))
        middle, half = (part.start + part.end) / 2, CORE * (part.end - part.start) / 2
        way = times[near] - middle
        away = np.maximum(np.abs(way) - half, 0)[:, None]
        pull = part.viseme.dominance * np.exp(-np.where(way[:, None] < 0, before, after) * away)
        above[near] += pull[:, _GROUP_OF] * (part.loud * part.viseme.weights)
        below[near] += pull
    return (above / below[:, _GROUP_OF]).astype(np.float32)


@cache
def _parting() -> np.ndarray:
    """(52, P) mm that each curve at weight 1 parts the inner lips, at places between the corners.

    Measured on ``HeadModel.bundled()``, whose lips part linearly.
    """
    head = HeadModel.bundled()
    fields = head.expression[: len(BLENDSHAPES), head.lips.margin, 1]
    return -(fields @ head.lips.gap.T).astype(np.float32)


def lip_gap(expression: np.ndarray) -> np.ndarray:
    """How far (...) mm curves (..., 52) part the inner lips, where they part the most.

    Below 0 they are pressed together everywhere.
    """
    return (expression @ _parting()).max(-1)


def _missing_closure(expression: np.ndarray) -> np.ndarray:
    """The weight (T,) of mouthClose that is missing for the lips to touch."""
    closing = -_parting()[CURVES["mouthClose"]]
    places = closing > 0.3 * closing.max()  # at the corners it closes nothing
    parted = expression @ _parting()[:, places] + OVERCLOSE_MM
    return np.maximum((parted / closing[places]).max(-1), 0)


def close_lips(expression: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Curves (T, 52) with the lips closed by ``weight`` (T,) 0..1; at 1 they touch.

    Use it once more after adding anything to a speaking face.
    """
    out = expression.copy()
    calm = (1 - weight)[:, None]
    for name in ("mouthFunnel", "mouthShrugUpper", "mouthUpperUp", "mouthLowerDown"):
        columns = [i for curve, i in CURVES.items() if curve.startswith(name)]
        out[:, columns] *= 0.25 + 0.75 * calm
    out[:, CURVES["tongueOut"]] *= calm[:, 0]
    out[:, CURVES["mouthClose"]] += weight * _missing_closure(out)
    return out.clip(0, 1)


def bite_lip(expression: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Curves (T, 52) with the lower lip at the upper teeth by ``weight`` (T,) 0..1."""
    out = expression.copy()
    goal = VISEMES["teeth_lip"].weights
    upper = [CURVES["mouthUpperUpLeft"], CURVES["mouthUpperUpRight"]]
    w = weight[:, None]
    for name in ("mouthRollLower", "mouthShrugLower"):
        i = CURVES[name]
        out[:, i] += weight * (goal[MOUTH.index(name)] - out[:, i])
    out[:, upper] += w * np.maximum(goal[MOUTH.index("mouthUpperUpLeft")] - out[:, upper], 0)
    for name in ("mouthLowerDownLeft", "mouthLowerDownRight", "mouthFunnel"):
        out[:, CURVES[name]] *= 1 - 0.9 * weight
    out[:, CURVES["mouthPucker"]] *= 1 - 0.6 * weight  # protruded lips do not reach the teeth
    drop = out[:, CURVES["jawOpen"]] - out[:, CURVES["mouthClose"]]
    lift = np.maximum(drop - goal[MOUTH.index("jawOpen")], 0)
    out[:, CURVES["mouthClose"]] += weight * lift
    return out.clip(0, 1)


def emotions(style: str) -> list[str]:
    """The emotions of a style: one name of ``STYLES``, or several joined by ``+``, in equal parts.

    Raises UsageError for an unknown one.
    """
    names = [name.strip() for name in style.split("+")]
    for name in names:
        if name not in STYLES:
            raise UsageError(f"no style {name!r}; there are {', '.join(STYLES)}")
    return names


def moody(expression: np.ndarray, style: str, intensity: float = 1.0) -> np.ndarray:
    """Curves (T, 52) of speech with the mood of ``style``, as of :func:`emotions`.

    A smile or a stretch gives way to lips that are rounded.

    Raises UsageError for an unknown style.
    """
    out = expression.copy()
    rounded = out[:, [CURVES["mouthPucker"], CURVES["mouthFunnel"]]].max(1)
    names = emotions(style)
    for jaw, offsets in (STYLES[name] for name in names):
        part = intensity / len(names)
        out[:, CURVES["jawOpen"]] *= jaw**part
        for name, offset in offsets.items():
            gives_way = name.startswith(("mouthSmile", "mouthStretch", "mouthDimple"))
            out[:, CURVES[name]] += part * offset * (1 - rounded if gives_way else 1.0)
    return out.clip(0, 1)


def curves(
    phonemes: Sequence[Phoneme], times: np.ndarray, style: str = "neutral", intensity: float = 1.0
) -> np.ndarray:
    """The 52 curves (T, 52) float32 at increasing times (T,), seconds."""
    expression = np.zeros((len(times), len(BLENDSHAPES)), np.float32)
    expression[:, COLUMNS] = blend(segments(phonemes), times)
    expression = moody(expression, style, intensity)
    expression = bite_lip(expression, contact_weight(contacts(phonemes, "teeth"), times))
    expression = close_lips(expression, contact_weight(contacts(phonemes), times))
    return expression.astype(np.float32)


def animate(
    phonemes: Sequence[Phoneme], fps: float, style: str = "neutral", intensity: float = 1.0
) -> Motion:
    """The motion of a face that speaks; head and eyes are still.

    phonemes: in order, seconds from the first frame.

    Raises UsageError for an unknown style, ValueError where fps is not positive.
    """
    if not fps > 0:
        raise ValueError(f"fps must be positive, not {fps}")
    duration = phonemes[-1].end if phonemes else 0.0
    both = np.concatenate([contacts(phonemes, "teeth"), contacts(phonemes)])  # lips decide
    times = frame_times(duration, fps, both)
    expression = curves(phonemes, times, style, intensity)
    return Motion(fps, expression, np.zeros((len(times), 3), np.float32))
