"""How the numbers of a sample become words: one vocabulary for captions, questions and dialogue.

    facts = Facts.of(sample)          # a sample of mien.world.world, or a part of one
    clause(12, 3.2)                   # 'the lip corners are clearly pulled up'
    expand("{opening} I {did}.", RULES, rng)

Left and right are the person's own unless a text says "of the picture". People are "they": the
world knows no gender of anybody, no origin and no beauty, and the words say nothing of the kind.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass
from typing import Any, TypeVar

import numpy as np

from mien.errors import InputError
from mien.head.colour import luminance
from mien.head.lighting import received
from mien.head.model import rotations
from mien.world.action_units import ACTION_UNITS, COUNT, INDEX, MAXIMUM
from mien.world.emotions import EMOTIONS, NAMES
from mien.world.hair import COLOURS as HAIR_COLOURS
from mien.world.people import IRISES

T = TypeVar("T")
Rules = Mapping[str, Sequence[str]]

TRACE, CUE = 0.5, 1.0
"""Intensities below which an action unit is absent, and from which on it is spoken of."""

IRIS_POINTS = (468, 473)  # of the 478 landmarks: the centres of the right and the left iris
SIDES = ("left", "right")
WORN = ("glasses", "makeup", "beard", "mask", "occluder", "pattern", "hat", "earrings", "necklace",
        "scarf")  # fmt: skip
"""Factors that are there or not."""

# -- sentences -------------------------------------------------------------------------------------


def pick(options: Sequence[T], rng: np.random.Generator) -> T:
    """One of the options."""
    return options[int(rng.integers(len(options)))]


def shuffled(options: Sequence[T], rng: np.random.Generator) -> list[T]:
    """All options in another order."""
    return [options[i] for i in rng.permutation(len(options))]


def article(noun: str) -> str:
    """The noun with "a" or "an"."""
    vowel = re.match(r"(?i)(?:[aeio]|u(?!n[ai]|s[aeiu])|hones|honou?r|hour|heir)", noun)
    return f"{'an' if vowel and not re.match(r'(?i)one|eu', noun) else 'a'} {noun}"


def listed(items: Sequence[str], last: str = "and") -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {last} {items[-1]}"


def sentence(text: str, end: str = ".") -> str:
    """The text with a capital, single spaces and a mark at its end."""
    text = " ".join(text.split())
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?", "…")) else text + end


_DIGITS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
           "eleven", "twelve")  # fmt: skip


def figure(value: float, digits: int = 0) -> str:
    """``-3``, ``0.4``; zero has no sign."""
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text


def counted(number: int, noun: str) -> str:
    """``no hats``, ``one hat``, ``two hats``, ``13 hats``."""
    word = _DIGITS[number] if number < len(_DIGITS) else str(number)
    return f"{word} {noun}{'' if number == 1 else 's'}"


def expand(text: str, rules: Rules, rng: np.random.Generator) -> str:
    """The text with every ``{name}`` replaced by one of ``rules[name]``, again and again.

    Raises KeyError for a name without a rule.
    """
    return re.sub(r"\{(\w+)\}", lambda m: expand(pick(rules[m[1]], rng), rules, rng), text)


def expansions(text: str, rules: Rules) -> int:
    """How many ways there are to expand a text."""
    return int(
        np.prod(
            [
                sum(expansions(way, rules) for way in rules[name])
                for name in re.findall(r"\{(\w+)\}", text)
            ],
            dtype=np.int64,
        )
    )


# -- what is known of a sample ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """What a sample says that words can say. What it does not say is NaN, "" or not there.

    emotion: of ``mien.world.emotions.NAMES``. intensity: 0..5. valence, arousal: -1..1.
    sides: (23, 2) intensities of the left and the right side.
    yaw, pitch, roll: degrees of the head; gaze_yaw, gaze_pitch: mean of the eyes, in the head.
    away: degrees between the gaze and the way to the camera. closed: 0..1, the eyes.
    hair: of ``mien.world.hair.STYLES``; hair_key: where it stands in the sample.
    hair_colour, eye_colour: names. age: years. tone: ITA in degrees.
    worn: what of ``WORN`` is there or is not; makeup: its parts. hat: of ``HAT_WORDS``.
    side_light: -1..1, from the left to the right of the picture. fill: of the picture's height by
    the head. shift: parts of the picture, to the right. person: number, -1 unknown.
    eyes_seen: whether a pupil is not turned away or hidden.
    """

    emotion: str = ""
    intensity: float = np.nan
    valence: float = np.nan
    arousal: float = np.nan
    sides: np.ndarray = field(default_factory=lambda: np.full((COUNT, 2), np.nan))
    yaw: float = np.nan
    pitch: float = np.nan
    roll: float = np.nan
    gaze_yaw: float = np.nan
    gaze_pitch: float = np.nan
    away: float = np.nan
    closed: float = np.nan
    hair: str = ""
    hair_key: str = "factors.hair"
    hair_colour: str = ""
    eye_colour: str = ""
    age: float = np.nan
    tone: float = np.nan
    worn: Mapping[str, bool] = field(default_factory=dict)
    makeup: tuple[str, ...] = ()
    hat: str = ""
    side_light: float = np.nan
    fill: float = np.nan
    shift: float = np.nan
    person: int = -1
    eyes_seen: bool = True

    @classmethod
    def of(cls, sample: Mapping[str, Any]) -> "Facts":
        """The facts of a sample, of which any key may be missing.

        Beside the keys of ``mien.world.world.truth`` these are read where they are there:
        ``hair``, the style, where the factor ``hair`` does not name it; ``hat``, its kind;
        ``hair_colour`` and ``eye_colour``, a name or (3,) linear albedo; and ``drawn``, names of
        factors that the picture shows. A factor of ``WORN`` that is only true, neither drawn nor
        with parameters, is not known to be in the picture and is not spoken of.

        Raises InputError for an array of the wrong shape.
        """
        factors = sample.get("factors") or {}
        pose, gaze = _array(sample, "pose", (3,)), _array(sample, "gaze", (4,))
        sides, seen = _sides(sample), sample.get("visible")
        looking = gaze.reshape(2, 2).mean(0)
        lids = sides[[INDEX[43], INDEX[45]]].sum(0).mean() / MAXIMUM
        return cls(
            emotion=_emotion(sample.get("emotion", "")),
            intensity=_number(sample, "intensity"),
            valence=_number(sample, "valence"),
            arousal=_number(sample, "arousal"),
            sides=sides,
            yaw=float(pose[0]), pitch=float(pose[1]), roll=float(pose[2]),
            gaze_yaw=float(looking[0]), gaze_pitch=float(looking[1]),
            away=_away(pose, looking),
            closed=float(lids),
            hair=str(sample.get("hair", factors.get("hair", ""))),
            hair_key="hair" if "hair" in sample else "factors.hair",
            hair_colour=_colour(sample.get("hair_colour", ""), HAIR_COLOURS),
            eye_colour=_colour(sample.get("eye_colour", ""), IRISES),
            age=_number(sample, "age"),
            tone=_number(sample, "skin_tone"),
            worn=_worn(factors, sample.get("drawn", ())),
            makeup=_makeup(factors.get("makeup")),
            hat=str(sample.get("hat", "")),
            side_light=_side_light(sample),
            fill=_number(factors, "fill"),
            shift=_number(factors, "shift_x"),
            person=int(sample.get("person", -1)),
            eyes_seen=True if seen is None else bool(np.asarray(seen)[list(IRIS_POINTS)].any()),
        )  # fmt: skip

    def unit(self, number: int) -> float:
        """Intensity of an action unit, as FACS scores it: that of the stronger side."""
        return float(self.sides[INDEX[number]].max())

    def units(self, least: float = CUE) -> list[int]:
        """Numbers of the visible action units from an intensity on, strongest first.

        Where two cannot be seen together (pressed lips, and parted ones) the stronger is seen;
        below a mask none is.
        """
        known = [n for n in ACTION_UNITS if self.unit(n) >= least and not self.hidden(n)]
        for pair in CONTRARY:
            if set(pair) <= set(known):
                known.remove(min(pair, key=self.unit))
        return sorted(known, key=lambda number: -self.unit(number))

    def hidden(self, number: int) -> bool:
        """Whether what an action unit moves is behind a mask."""
        return number in BELOW_MASK and self.worn.get("mask", False)

    def side(self, number: int) -> str:
        """``left`` or ``right`` where an action unit is on one side alone, else ""."""
        both = self.sides[INDEX[number]]
        if np.isnan(both).any() or both.min() >= min(CUE, both.max() / 2):
            return ""
        return SIDES[int(both.argmax())]


BELOW_MASK = (9, 10, 12, 14, 15, 17, 18, 20, 22, 23, 24, 25, 26, 27, 28)
CONTRARY = (
    *((shut, open_) for shut in (23, 24, 28) for open_ in (25, 26, 27)),
    (5, 43), (5, 45), (7, 43), (7, 45), (43, 45), (26, 27), (12, 15), (18, 20),
)  # fmt: skip
"""Action units that a text does not claim of one face together."""


def _number(values: Mapping[str, Any], key: str) -> float:
    value = values.get(key)
    if value is None:
        return np.nan
    if np.size(value) != 1:
        raise InputError(f"{key}: shape {np.shape(value)}, expected a number")
    return float(np.asarray(value, np.float64).reshape(()))


def _array(sample: Mapping[str, Any], key: str, shape: tuple[int, ...]) -> np.ndarray:
    value = sample.get(key)
    if value is None:
        return np.full(shape, np.nan)
    if np.size(value) != np.prod(shape):
        raise InputError(f"{key}: shape {np.shape(value)}, expected {shape}")
    return np.asarray(value, np.float64).reshape(shape)


def _sides(sample: Mapping[str, Any]) -> np.ndarray:
    if sample.get("sides") is None and sample.get("action_units") is not None:
        return np.repeat(_array(sample, "action_units", (COUNT, 1)), 2, 1)
    return _array(sample, "sides", (COUNT, 2))


def _emotion(value: Any) -> str:
    if not isinstance(value, str):
        value = NAMES[int(value)] if 0 <= int(value) < len(NAMES) else ""
    return value if value in NAMES else ""


def _away(pose: np.ndarray, gaze: np.ndarray) -> float:
    """Degrees between the gaze and the way to the camera, which is straight ahead."""
    if not (np.isfinite(pose).all() and np.isfinite(gaze).all()):
        return np.nan
    ahead = (rotations(*pose) @ direction(*np.radians(gaze)))[2]
    return float(np.degrees(np.arccos(np.clip(ahead, -1, 1))))


def direction(yaw: float, pitch: float) -> np.ndarray:
    """The unit vector (3,) of angles in radians; x to the image's right, y up, z to the viewer."""
    return np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])


def _colour(value: Any, names: Mapping[str, tuple[float, ...]]) -> str:
    """The name of a colour; of linear albedo the name of the nearest, as lightness is seen."""
    if isinstance(value, str):
        return value if value in names else ""
    colour = np.cbrt(np.asarray(value, np.float64).reshape(3))
    return min(names, key=lambda name: float(np.abs(np.cbrt(names[name]) - colour).sum()))


def _worn(factors: Mapping[str, Any], drawn: Any) -> dict[str, bool]:
    known = {}
    for name in WORN:
        value = factors.get(name)
        if name not in factors:
            continue
        if not _there(value):
            known[name] = False
        elif name in drawn or not isinstance(value, bool | np.bool_):
            known[name] = True
    return known


def _there(value: Any) -> bool:
    if is_dataclass(value):
        return bool(_makeup(value)) if hasattr(value, "lipstick") else True
    return value not in ("", "none") and bool(value)


MAKEUP = {
    "lipstick": "lipstick", "eye_shadow": "eye shadow", "eyeliner": "eyeliner",
    "mascara": "mascara", "blush": "blush", "paint": "face paint",
}  # fmt: skip
PLAIN = 0.3  # opacity from which on a part of the make-up is plain to see


def _makeup(value: Any) -> tuple[str, ...]:
    """The parts of make-up that are plain to see."""
    amounts = value if isinstance(value, Mapping) else {
        name: getattr(value, name, 0.0) for name in MAKEUP
    }  # fmt: skip
    return tuple(word for name, word in MAKEUP.items() if float(amounts.get(name) or 0.0) >= PLAIN)


def _side_light(sample: Mapping[str, Any]) -> float:
    """How much more light comes from the right of the picture than from the left, -1..1."""
    if sample.get("light") is None:
        return np.nan
    cheeks = np.array([[-0.8, 0.0, 0.6], [0.8, 0.0, 0.6]], np.float32)
    light = luminance(received(cheeks, _array(sample, "light", (9, 3))))
    if sample.get("lamp") is not None:
        strength = float(np.nan_to_num(_number(sample, "lamp_strength")))
        light = light + strength * np.maximum(cheeks @ _array(sample, "lamp", (3,)), 0)
    return float((light[1] - light[0]) / light.sum())


# -- action units ----------------------------------------------------------------------------------

# What moves, on both sides and on one; the verb; and what happens to it.
_CLAUSES: Mapping[int, tuple[str, str, str]] = {
    1: ("the inner brows are", "the inner {side} brow is", "raised"),
    2: ("the outer brows are", "the outer {side} brow is", "raised"),
    4: ("the brows are", "the {side} brow is", "lowered"),
    5: ("the upper lids are", "the {side} upper lid is", "raised"),
    6: ("the cheeks are", "the {side} cheek is", "raised"),
    7: ("the lids are", "the lids of the {side} eye are", "tightened"),
    9: ("the nose is", "the {side} side of the nose is", "wrinkled"),
    10: ("the upper lip is", "the {side} side of the upper lip is", "raised"),
    12: ("the lip corners are", "the {side} lip corner is", "pulled up"),
    14: ("the lip corners are", "the {side} lip corner is", "drawn in"),
    15: ("the lip corners are", "the {side} lip corner is", "pulled down"),
    17: ("the skin of the chin is", "the skin of the chin is", "pushed up"),
    18: ("the lips are", "the lips are", "puckered"),
    20: ("the lips are", "the {side} side of the lips is", "stretched sideways"),
    22: ("the lips are", "the lips are", "funnelled"),
    23: ("the lips are", "the lips are", "tightened"),
    24: ("the lips are", "the lips are", "pressed together"),
    25: ("the lips are", "the lips are", "parted"),
    26: ("the jaw is", "the jaw is", "dropped"),
    27: ("the mouth is", "the mouth is", "stretched open"),
    28: ("the lips are", "the lips are", "sucked in"),
    43: ("the eyes are", "the {side} eye is", "closed"),
    45: ("the eyes are", "the eyes are", "closed"),
}
GRADES = "ABCDE"
ADVERBS: Mapping[str, tuple[str, ...]] = {
    "A": ("barely", "just visibly"),
    "B": ("slightly", "a little"),
    "C": ("clearly", "markedly"),
    "D": ("strongly",),
    "E": ("extremely", "as far as possible"),
}


def grade(intensity: float) -> str:
    """The FACS grade A to E of an intensity; "" below a trace."""
    return "" if not intensity >= TRACE else GRADES[min(int(np.floor(intensity + 0.5)), 5) - 1]


def clause(
    unit: int, intensity: float, side: str = "", rng: np.random.Generator | None = None
) -> str:
    """What an action unit does, ``the left brow is slightly lowered``.

    side: ``left`` or ``right``, the person's own; "" for both. rng: chooses among adverbs.
    """
    both, one, done = _CLAUSES[unit]
    if unit in (43, 45):
        down = "closed" if intensity >= SHUT * MAXIMUM else "half closed"
        down = down if intensity >= OPEN * MAXIMUM else "a little narrowed"
        return f"{one.format(side=side) if side else both} {down}"
    ways = ADVERBS[grade(max(intensity, TRACE))]
    adverb = ways[0] if rng is None else pick(ways, rng)
    if adverb == "as far as possible":
        done, adverb = f"{done} as far as possible", ""
    return " ".join(f"{one.format(side=side) if side else both} {adverb} {done}".split())


# -- emotions --------------------------------------------------------------------------------------

# The noun, and adjectives for weak, middling and strong ones. No adjective is of two emotions.
EMOTION_WORDS: Mapping[str, tuple[str, tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "neutral": ("a neutral expression", ("neutral",), ("neutral",), ("neutral",)),
    "happiness": ("happiness", ("pleased", "content"), ("happy", "cheerful"),
                  ("overjoyed", "delighted")),
    "sadness": ("sadness", ("downcast", "gloomy"), ("sad", "unhappy"), ("heartbroken",)),
    "surprise": ("surprise", ("mildly surprised",), ("surprised",), ("astonished", "amazed")),
    "fear": ("fear", ("uneasy", "anxious"), ("afraid", "frightened"), ("terrified",)),
    "disgust": ("disgust", ("put off",), ("disgusted",), ("revolted", "repelled")),
    "anger": ("anger", ("annoyed", "irritated"), ("angry", "cross"), ("furious", "enraged")),
    "contempt": ("contempt", ("dismissive",), ("contemptuous",), ("scornful", "disdainful")),
    "appalled": ("appalled disgust", ("appalled",), ("appalled",), ("appalled",)),
    "hatred": ("hatred", ("full of hatred",), ("full of hatred",), ("full of hatred",)),
    "awed": ("awe", ("awed",), ("awed", "awestruck"), ("awestruck",)),
}  # fmt: skip
LEVELS = (2.0, 3.75)  # intensities between weak, middling and strong


def emotion_noun(name: str) -> str:
    """``happiness``; ``a mix of sadness and fear`` for a compound emotion without a word."""
    if name in EMOTION_WORDS:
        return EMOTION_WORDS[name][0]
    return f"a mix of {listed(EMOTIONS[name].components)}"


def adjectives(name: str, intensity: float = 3.0) -> tuple[str, ...]:
    """Words for how a face of an emotion looks."""
    if name not in EMOTION_WORDS:
        return (name,)
    _, weak, middling, strong = EMOTION_WORDS[name]
    return strong if intensity >= LEVELS[1] else weak if intensity < LEVELS[0] else middling


def related(first: str, second: str) -> bool:
    """Whether two emotions are one, or have a component in common: neither denies the other."""
    parts = [{name, *EMOTIONS[name].components} for name in (first, second)]
    return bool(parts[0] & parts[1])


def strength_word(intensity: float) -> str:
    """``faint``, ``slight``, ``clear``, ``strong`` or ``very strong``."""
    return ("faint", "slight", "clear", "strong", "very strong")[
        int(np.searchsorted((1.0, 2.0, 3.25, 4.5), intensity, side="right"))
    ]


# -- people ----------------------------------------------------------------------------------------

HAIR_WORDS: Mapping[str, tuple[str, ...]] = {
    "bald": ("a bald head", "no hair on the head"),
    "receding": ("short {colour} hair with a receding hairline",
                 "a receding hairline and short {colour} hair"),
    "buzz": ("a {colour} buzz cut", "{colour} hair cut very short"),
    "short": ("short {colour} hair",),
    "crop": ("cropped {colour} hair", "a {colour} crop"),
    "swept": ("{colour} hair swept back", "swept-back {colour} hair"),
    "undercut": ("{colour} hair in an undercut", "{colour} hair shaved at the sides"),
    "bob": ("a {colour} bob", "{colour} hair in a bob"),
    "long": ("long {colour} hair", "long, straight {colour} hair"),
    "wavy": ("wavy {colour} hair", "long, wavy {colour} hair"),
    "curly": ("curly {colour} hair", "{colour} curls"),
    "afro": ("{colour} hair in an afro", "a {colour} afro"),
    "tied": ("{colour} hair tied back", "tied-back {colour} hair"),
    "bun": ("{colour} hair in a bun", "{colour} hair tied up in a bun"),
}  # fmt: skip
"""By style; a style that is not here is not spoken of."""

LONG_HAIR, SHORT_HAIR = ("long", "wavy"), ("receding", "buzz", "short", "crop")
GATHERED = ("tied", "bun")

TONES = ((55, "very light"), (41, "light"), (28, "intermediate"), (10, "tan"), (-30, "brown"))
"""Lowest ITA of each class: Chardin and others (1991), Del Bino and Bernerd (2013)."""


def hair_words(facts: Facts, rng: np.random.Generator) -> str:
    """``short brown hair``; "" where the hair is not known."""
    if facts.hair not in HAIR_WORDS:
        return ""
    words = pick(HAIR_WORDS[facts.hair], rng).format(colour=facts.hair_colour)
    words = re.sub(r"(?<=long), (?=hair)", "", " ".join(words.split()))
    return re.sub(r"^an? (\w.*)", lambda m: article(m[1]), words)


def tone_word(tone: float) -> str:
    """The class of a skin tone (ITA in degrees); "" where it is not known."""
    if np.isnan(tone):
        return ""
    return next((word for least, word in TONES if tone > least), "dark")


_DECADES = ("twenties", "thirties", "forties", "fifties", "sixties", "seventies", "eighties",
            "nineties")  # fmt: skip


def age_words(age: float) -> str:
    """``in their early thirties``; "" where the age is not known."""
    if not 0 <= age < 100:
        return ""
    if age < 20:
        return "in their teens" if age >= 13 else "in childhood"
    part = ("early", "mid", "late")[int(np.searchsorted((4, 7), age % 10, side="right"))]
    return f"in their {part}{'-' if part == 'mid' else ' '}{_DECADES[int(age // 10) - 2]}"


# -- head, eyes, light -----------------------------------------------------------------------------

FRONTAL, TURNED = 8.0, 12.0
"""Degrees: up to the first a head is straight, from the second on it is said to be turned."""

CONTACT, ELSEWHERE = 5.0, 12.0  # degrees: looks into the camera, looks away
SHUT, OPEN = 0.75, 0.3  # closure of eyes that are closed, and of open ones
SIDE_LIGHT, EVEN_LIGHT = 0.3, 0.12


def picture_side(x: float) -> str:
    """``left`` or ``right`` of the picture."""
    return "right" if x > 0 else "left"


def own_side(x: float) -> str:
    """The person's own side of what is there in the picture."""
    return "left" if x > 0 else "right"


def turn_words(degrees: float) -> str:
    """How far a head is turned."""
    return ("slightly turned", "clearly turned", "turned far")[
        int(np.searchsorted((20, 45), abs(degrees), side="right"))
    ]


def pose_words(facts: Facts, rng: np.random.Generator) -> list[str]:
    """What the head is, as participles: ``slightly turned to the left of the picture``."""
    out = []
    if abs(facts.yaw) > 70:
        out.append(f"seen from the side, facing the {picture_side(facts.yaw)} of the picture")
    elif abs(facts.yaw) > TURNED:
        way = pick(
            (
                f"to the {picture_side(facts.yaw)} of the picture",
                f"towards the {picture_side(facts.yaw)} edge of the picture",
                f"to the person's own {own_side(facts.yaw)}",
            ),
            rng,
        )
        out.append(f"{turn_words(facts.yaw)} {way}")
    if abs(facts.pitch) > TURNED:
        out.append(f"{_degree(facts.pitch, rng)} {'raised' if facts.pitch > 0 else 'lowered'}")
    if abs(facts.roll) > TURNED:
        way = (f"towards the person's {own_side(facts.roll)} shoulder",
               f"towards the {picture_side(facts.roll)} of the picture")  # fmt: skip
        out.append(f"tilted {pick(way, rng)}")
    if not out and max(abs(facts.yaw), abs(facts.pitch)) <= FRONTAL:
        out.append(pick(("straight towards the camera", "frontal"), rng))
    return out


def _degree(degrees: float, rng: np.random.Generator) -> str:
    return pick(("a little", "slightly") if abs(degrees) < 20 else ("clearly", "markedly"), rng)


def gaze_words(facts: Facts, rng: np.random.Generator) -> str:
    """Where the eyes look, as what "they" do: ``look into the camera``; "" where not known."""
    if facts.closed >= SHUT:
        return "are closed"
    if not facts.closed < OPEN or not facts.eyes_seen:
        return ""
    if facts.away <= CONTACT:
        return pick(("look into the camera", "meet the camera", "look straight at the viewer"), rng)
    if not facts.away >= ELSEWHERE:
        return ""
    way = gaze_way(facts)
    if way:
        return f"look {way}"
    return pick(("look past the camera", "look away from the camera"), rng)


def gaze_way(facts: Facts) -> str:
    """Where eyes are turned that are turned plainly, in the head and in the picture alike."""
    across, up = facts.gaze_yaw, facts.gaze_pitch
    if abs(across) >= TURNED and abs(facts.roll) < 30 and across * (facts.yaw + across) > 0:
        return f"to the {picture_side(across)} of the picture"
    if abs(up) >= FRONTAL and abs(facts.roll) < 30 and up * (facts.pitch + up) > 0:
        return "up" if up > 0 else "down"
    return ""


def light_words(facts: Facts, rng: np.random.Generator) -> str:
    """Where the light comes from, as a sentence without its mark; "" where it is not plain."""
    side = picture_side(facts.side_light)
    if abs(facts.side_light) >= SIDE_LIGHT:
        return pick(
            (
                f"most light falls from the {side} of the picture",
                f"the light comes mainly from the {side} of the picture",
                f"the face is lit more brightly on the {side} of the picture",
            ),
            rng,
        )
    if abs(facts.side_light) <= EVEN_LIGHT:
        return pick(
            ("both sides of the face are lit alike", "the light is even from left to right"), rng
        )
    return ""


WORN_WORDS: Mapping[str, str] = {
    "glasses": "glasses", "makeup": "make-up", "beard": "a beard",
    "mask": "a mask over nose and mouth",
    "occluder": "something in front of a part of the face",
    "pattern": "a pattern of shadows on the face",
    "hat": "something on the head", "earrings": "ear jewellery", "necklace": "a necklace",
    "scarf": "a scarf",
}  # fmt: skip
"""What ``WORN`` is called; of jewels at the ears there may be one."""

HAT_WORDS: Mapping[str, str] = {
    "beanie": "a beanie", "cap": "a cap", "brim": "a hat with a brim all around",
    "headband": "a headband",
}  # fmt: skip
"""By kind of ``mien.world.occluders.HATS``."""


def worn_words(facts: Facts, name: str) -> str:
    """What something of ``WORN`` is called here; a hat by its kind, where that is known."""
    return HAT_WORDS.get(facts.hat, WORN_WORDS[name]) if name == "hat" else WORN_WORDS[name]
