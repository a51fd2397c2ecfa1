"""What a sample shows, in words: captions, attributes, and why a face looks as it feels.

    rng = np.random.default_rng(7)
    captions(sample, rng).medium
    attribute_caption(attributes(sample), rng)
    explanation(sample, rng).text

Captions of three lengths serve face-language models; attributes and the sentence grammar over them
are those of FaceCaption-15M (Dai et al. 2024, section 3); explanations name an emotion and its cues
as the coarse and fine annotations of Emotion-LLaMA do (Cheng et al. 2024, section 3.1). Nothing is
said that the sample does not know, and where a value lies between two words, neither is used.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from mien.world.action_units import INDEX, MAXIMUM, TABLE
from mien.world.emotions import EMOTIONS
from mien.world.words import (
    CUE,
    FRONTAL,
    GATHERED,
    LONG_HAIR,
    OPEN,
    SHORT_HAIR,
    SHUT,
    SIDE_LIGHT,
    SIDES,
    TRACE,
    TURNED,
    WORN_WORDS,
    Facts,
    adjectives,
    age_words,
    article,
    clause,
    emotion_noun,
    figure,
    gaze_words,
    grade,
    hair_words,
    light_words,
    listed,
    pick,
    picture_side,
    pose_words,
    sentence,
    shuffled,
    strength_word,
    tone_word,
    worn_words,
)

Sample = Mapping[str, Any]

MEDIUM, LONG = 23, 64  # words from which on a caption is long enough
LEAST_MEDIUM, LEAST_LONG = 14, 38  # words up to which figures are added
MOST_SHORT, MOST_MEDIUM, MOST_LONG = 11, 34, 90  # words that it does not exceed
CLOTHING = ("glasses", "mask", "hat", "earrings", "necklace", "scarf")
SMILE = 1.5  # intensity of action unit 12, on both sides, that is called a smile


@dataclass(frozen=True, slots=True)
class Captions:
    """One picture at three lengths: about 8, 25 and 70 words, fewer where less is known."""

    short: str
    medium: str
    long: str


@dataclass(frozen=True, slots=True)
class Attribute:
    """Something that is so of a person.

    words: ``long hair``. kind: how a sentence says it: they have it, wear it, or are it.
    key: of the sample, which it rests on.
    """

    words: str
    kind: Literal["have", "wear", "are"]
    key: str


@dataclass(frozen=True, slots=True)
class Cue:
    """One reason for an emotion.

    kind: ``action unit``, ``gaze`` or ``head``. words: a clause.
    unit: number of the action unit, 0 for others. name: of FACS. side: the person's own, ``left``,
    ``right`` or ``both``. intensity: 0..5, of the stronger side. grade: A to E.
    """

    kind: Literal["action unit", "gaze", "head"]
    words: str
    unit: int = 0
    name: str = ""
    side: str = "both"
    intensity: float = 0.0
    grade: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a face looks as it feels.

    emotion: of ``mien.world.emotions.NAMES``, "" unknown. intensity: 0..5. cues: of the emotion,
    strongest first. others: what else the face does. text: all of it in sentences.
    """

    emotion: str
    intensity: float
    cues: tuple[Cue, ...]
    others: tuple[Cue, ...]
    text: str


# -- captions --------------------------------------------------------------------------------------


def captions(sample: Sample, rng: np.random.Generator) -> Captions:
    """Captions of a sample; see :class:`Captions`."""
    facts = Facts.of(sample)
    return Captions(_short(facts, rng), _medium(facts, rng), _long(facts, rng))


def _short(facts: Facts, rng: np.random.Generator) -> str:
    feeling = "" if _faint(facts) else pick(adjectives(facts.emotion, facts.intensity), rng)
    before = bool(feeling) and rng.random() < 0.5 and " " not in feeling
    start = article(f"{feeling}-looking person" if before else "person")
    looks = f"looking {feeling}" if feeling and not before else ""
    tone, hair = tone_word(facts.tone), hair_words(facts, rng)
    known = [age_words(facts.age), hair and f"with {hair}", tone and f"with {tone} skin"]
    about = pick([text for text in known if text] or [""], rng)
    tags = [tag for tag in (looks, _pose_tag(facts)) if tag]
    text = " ".join(filter(None, (start, about)))
    for tag in tags:
        if len(f"{text} {tag}".split()) <= MOST_SHORT:
            text += f", {tag}"
    return sentence(text)


def _faint(facts: Facts) -> bool:
    """Whether an emotion can hardly be seen: it is weak, or was never known."""
    return not facts.emotion or (facts.emotion != "neutral" and facts.intensity < CUE)


def _pose_tag(facts: Facts) -> str:
    if facts.closed >= SHUT:
        return "eyes closed"
    if abs(facts.yaw) > TURNED:
        return f"facing the {picture_side(facts.yaw)} of the picture"
    if max(abs(facts.yaw), abs(facts.pitch)) <= FRONTAL:
        return "facing the camera"
    if abs(facts.pitch) > TURNED:
        return "head raised" if facts.pitch > 0 else "head lowered"
    return ""


def _medium(facts: Facts, rng: np.random.Generator) -> str:
    first = [_portrait(facts, rng), _expression(facts, rng)]
    rest = [_pose(facts, rng), _units(facts, rng, 2), _gaze(facts, rng), _light(facts, rng)]
    text = _packed(first, shuffled(rest, rng) + _at_rest(facts, rng), MEDIUM, MOST_MEDIUM)
    return _packed([text], _figures(facts, rng), LEAST_MEDIUM, MOST_MEDIUM)


def _long(facts: Facts, rng: np.random.Generator) -> str:
    first = [_portrait(facts, rng), *_wears(facts, rng), _expression(facts, rng)]
    middle = [_units(facts, rng, 4), _pose(facts, rng), _gaze(facts, rng), _eyes(facts, rng)]
    last = [_light(facts, rng), _frame(facts, rng), *_at_rest(facts, rng), _affect(facts, rng)]
    text = _packed([*first, *shuffled(middle, rng)], last, LONG, MOST_LONG)
    return _packed([text], _figures(facts, rng), LEAST_LONG, MOST_LONG)


def _packed(first: Sequence[str], rest: Sequence[str], enough: int, most: int) -> str:
    """Sentences of all ``first`` and as many of the rest as it takes; short of ``most`` words."""
    kept: list[str] = []
    for place, text in enumerate([*first, *rest]):
        words = len(" ".join([*kept, text]).split())
        done = place >= len(first) and len(" ".join(kept).split()) >= enough
        if text and not done and (words <= most or not kept):
            kept.append(sentence(text))
    return " ".join(kept)


def _portrait(facts: Facts, rng: np.random.Generator) -> str:
    tone, hair, age = tone_word(facts.tone), hair_words(facts, rng), age_words(facts.age)
    eyes = f"{facts.eye_colour} eyes" if facts.eye_colour and facts.closed < OPEN else ""
    has = listed([item for item in (tone and f"{tone} skin", hair, eyes) if item])
    who = " ".join(filter(None, ("a person", age, has and f"with {has}")))
    return pick(
        ("{}", "this is {}", "the picture shows {}", "here is {}", "we see {}"), rng
    ).format(who)


def _expression(facts: Facts, rng: np.random.Generator) -> str:
    if not facts.emotion:
        return ""
    noun = emotion_noun(facts.emotion)
    if facts.emotion == "neutral":
        return pick(
            ("they have a neutral expression", "the face is neutral", "no emotion shows",
             "the expression is neutral"), rng,
        )  # fmt: skip
    if _faint(facts):
        return pick((f"only a trace of {noun} shows", f"there is hardly any {noun} to see"), rng)
    word = pick(adjectives(facts.emotion, facts.intensity), rng)
    strong = strength_word(facts.intensity)
    shown = noun if noun.startswith("a ") else f"{strong} {noun}"
    return pick(
        (f"they look {word}", f"the person looks {word}", f"the face shows {shown}",
         f"{shown} can be seen in the face", f"they seem {word}"), rng,
    )  # fmt: skip


def _units(facts: Facts, rng: np.random.Generator, count: int) -> str:
    """The strongest action units, as clauses."""
    units = [n for n in facts.units() if n not in (43, 45)][:count]
    said = [clause(n, facts.unit(n), facts.side(n), rng) for n in units]
    return listed(said, pick(("and", "while"), rng) if len(said) == 2 else "and")


def _pose(facts: Facts, rng: np.random.Generator) -> str:
    words = pose_words(facts, rng)
    head = pick(("the head is", "their head is"), rng)
    return f"{head} {listed(words)}" if words else ""


def _gaze(facts: Facts, rng: np.random.Generator) -> str:
    words = gaze_words(facts, rng)
    return f"{pick(('the eyes', 'their eyes'), rng)} {words}" if words else ""


def _eyes(facts: Facts, rng: np.random.Generator) -> str:
    if OPEN <= facts.closed < SHUT:
        return pick(("the eyes are half closed", "the lids are half down"), rng)
    return ""


def _wears(facts: Facts, rng: np.random.Generator) -> list[str]:
    worn = [worn_words(facts, name) for name in CLOTHING if facts.worn.get(name)]
    if facts.worn.get("makeup"):
        worn.append(listed(facts.makeup) or WORN_WORDS["makeup"])
    out = [f"{pick(('they wear', 'the person wears'), rng)} {listed(worn)}"] if worn else []
    if facts.worn.get("beard") and not facts.worn.get("mask"):
        out.append("they have a beard")
    others = [WORN_WORDS[name] for name in ("occluder", "pattern") if facts.worn.get(name)]
    if others:
        out.append(f"there is {listed(others)}")
    return out


def _light(facts: Facts, rng: np.random.Generator) -> str:
    return light_words(facts, rng)


def _frame(facts: Facts, rng: np.random.Generator) -> str:
    size = ""
    if facts.fill >= 0.75:
        size = pick(("the head fills most of the picture", "this is a close view of the head"), rng)
    elif facts.fill <= 0.4:
        size = "the head is small in the picture"
    elif facts.fill < 0.65:
        size = "there is some room around the head"
    return size


def _at_rest(facts: Facts, rng: np.random.Generator) -> list[str]:
    """What the face does not do."""
    out = []
    if _absent(facts, 1, 2, 4):
        out.append(pick(("the brows are at rest", "the brows do not move"), rng))
    if _absent(facts, 10, 12, 14, 15, 18, 20, 22, 23, 24, 25, 26, 27, 28):
        out.append(
            pick(("the mouth is closed and at rest", "the lips are closed and relaxed"), rng)
        )
    if _absent(facts, 9, 10):
        out.append("the nose is not wrinkled")
    if _absent(facts, 6, 7, 43, 45) and facts.eyes_seen:
        if facts.unit(5) >= CUE:
            out.append("the eyes are wide open")
        else:
            out.append(pick(("the eyes are open", "both eyes are open"), rng))
    if abs(facts.roll) <= 5:
        out.append("the head is upright, not tilted to a shoulder")
    return shuffled(out, rng)


def _absent(facts: Facts, *units: int) -> bool:
    return not any(facts.hidden(n) or not facts.unit(n) < TRACE for n in units)


def _figures(facts: Facts, rng: np.random.Generator) -> list[str]:
    """What can be said of nearly every picture, for those of which words say little."""
    plain = facts.units()
    traces = [n for n in facts.units(TRACE) if n not in (*plain, 43, 45)]
    out = [listed([clause(n, facts.unit(n), facts.side(n), rng) for n in traces[:3]])]
    if np.isfinite(facts.fill):
        out.append(f"the head takes up {facts.fill:.0%} of the height of the picture")
    if np.isfinite([facts.yaw, facts.pitch, facts.roll]).all():
        yaw, pitch, roll = (figure(x) for x in (facts.yaw, facts.pitch, facts.roll))
        out.append(f"in degrees, the yaw of the head is {yaw}, its pitch {pitch}, its roll {roll}")
    if np.isfinite([facts.valence, facts.arousal]).all():
        affect = f"valence is {figure(facts.valence, 1)} and arousal {figure(facts.arousal, 1)}"
        out.append(f"on scales from -1 to 1, {affect}")
    return out


def _affect(facts: Facts, rng: np.random.Generator) -> str:
    valence, arousal = facts.valence, facts.arousal
    mood = "pleasant" if valence > 0.3 else "unpleasant" if valence < -0.3 else ""
    energy = "excited" if arousal > 0.3 else "calm" if arousal < 0.1 else ""
    if not (mood and energy):
        return ""
    return pick(("on the whole the impression is {} and {}", "the overall mood is {} and {}"),
                rng).format(mood, energy)  # fmt: skip


# -- attributes ------------------------------------------------------------------------------------


def attributes(sample: Sample) -> list[Attribute]:
    """What is so of the person and the picture, always in the same words and order."""
    facts = Facts.of(sample)
    out: list[Attribute] = []

    def add(there: bool, words: str, kind: Literal["have", "wear", "are"], key: str) -> None:
        if there:
            out.append(Attribute(words, kind, key))

    age, tone = age_words(facts.age), tone_word(facts.tone)
    add(bool(age), age, "are", "age")
    add(bool(tone), f"{tone} skin", "have", "skin_tone")
    add(facts.hair == "bald", "bald", "are", facts.hair_key)
    add(facts.hair in LONG_HAIR, "long hair", "have", facts.hair_key)
    add(facts.hair in SHORT_HAIR, "short hair", "have", facts.hair_key)
    add(facts.hair == "receding", "a receding hairline", "have", facts.hair_key)
    add(facts.hair in GATHERED, "tied-up hair", "have", facts.hair_key)
    add(facts.hair == "curly", "curly hair", "have", facts.hair_key)
    coloured = bool(facts.hair_colour) and facts.hair != "bald"
    add(coloured, f"{facts.hair_colour} hair", "have", "hair_colour")
    add(bool(facts.eye_colour) and facts.closed < OPEN, f"{facts.eye_colour} eyes", "have",
        "eye_colour")  # fmt: skip
    for name in ("makeup", *CLOTHING):
        add(facts.worn.get(name, False), worn_words(facts, name), "wear", f"factors.{name}")
    bearded = facts.worn.get("beard", False) and not facts.worn.get("mask", False)
    add(bearded, "a beard", "have", "factors.beard")
    seen = facts.units(SMILE)
    both = facts.sides[INDEX[12]].min()
    add(12 in seen and both >= SMILE, "smiling", "are", "sides")
    add(25 in seen, "parted lips", "have", "sides")
    add(4 in seen, "lowered brows", "have", "sides")
    add({1, 2} <= set(seen) and 4 not in seen, "raised brows", "have", "sides")
    add(facts.closed >= SHUT, "closed eyes", "have", "sides")
    add(abs(facts.yaw) > TURNED, f"turned to the {picture_side(facts.yaw)} of the picture", "are",
        "pose")  # fmt: skip
    add(max(abs(facts.yaw), abs(facts.pitch)) <= FRONTAL, "facing the camera", "are", "pose")
    lit = f"lit from the {picture_side(facts.side_light)} of the picture"
    add(abs(facts.side_light) >= SIDE_LIGHT, lit, "are", "light")
    return out


_SAYING: Mapping[str, tuple[str, ...]] = {
    "have": ("{subject} {have} {items}", "{items} can be seen"),
    "wear": ("{subject} {wear} {items}",),
    "are": ("{subject} {are} {items}",),
}


def attribute_caption(listing: Sequence[Attribute], rng: np.random.Generator) -> str:
    """Attributes as sentences, by a small grammar; "" for none.

    Each kind of attribute is one sentence or two, in any order, about "the person" or "they".
    """
    groups = [_one_hair([a.words for a in listing if a.kind == kind]) for kind in _SAYING]
    parts: list[tuple[str, list[str]]] = []
    for kind, items in zip(_SAYING, groups, strict=True):
        mixed = shuffled(items, rng)
        cut = int(rng.integers(1, len(mixed))) if len(mixed) > 3 else len(mixed)
        parts += [(kind, piece) for piece in (mixed[:cut], mixed[cut:]) if piece]
    said = []
    for place, (kind, items) in enumerate(shuffled(parts, rng)):
        named = place == 0 or rng.random() < 0.3
        verbs = {"have": "has", "wear": "wears", "are": "is"} if named else {}
        words = {verb: verbs.get(verb, verb) for verb in ("have", "wear", "are")}
        way = pick(_SAYING[kind], rng) if place else _SAYING[kind][0]
        subject = pick(("the person", "this person"), rng) if named else "they"
        said.append(sentence(way.format(subject=subject, items=listed(items), **words)))
    return " ".join(said)


def _one_hair(items: Sequence[str]) -> list[str]:
    """``long hair``, ``brown hair`` as ``long brown hair``."""
    hair = [item.removesuffix(" hair") for item in items if item.endswith(" hair")]
    others = [item for item in items if not item.endswith(" hair")]
    return [*others, *([f"{' '.join(hair)} hair"] if hair else [])]


# -- explanations ----------------------------------------------------------------------------------


def explanation(sample: Sample, rng: np.random.Generator) -> Explanation:
    """Which emotion a face shows, how strongly, and by which cues; see :class:`Explanation`."""
    facts = Facts.of(sample)
    units = [_unit_cue(facts, n, rng) for n in facts.units()]
    expected = typical_units(facts.emotion)
    cues = tuple(cue for cue in units if cue.unit in expected)
    others = tuple(cue for cue in units if cue.unit not in expected) + _where(facts, rng)
    text = _explained(facts, cues, others, rng)
    return Explanation(facts.emotion, facts.intensity, cues, others, text)


def typical_units(emotion: str) -> set[int]:
    """The action units by which ``mien.world.emotions`` shows an emotion; none for ""."""
    if not emotion:
        return set()
    return {*EMOTIONS[emotion].prototype, *EMOTIONS[emotion].variants}


def _unit_cue(facts: Facts, unit: int, rng: np.random.Generator) -> Cue:
    side, strength = facts.side(unit), facts.unit(unit)
    name = TABLE[INDEX[unit]].name
    seen = facts.closed * MAXIMUM if unit in (43, 45) and not side else strength
    words = clause(unit, seen, side, rng)
    return Cue("action unit", words, unit, name, side or "both", strength, grade(strength))


def _where(facts: Facts, rng: np.random.Generator) -> tuple[Cue, ...]:
    """Gaze and head, as cues of attention: the world does not tie them to an emotion."""
    out = []
    gaze, pose = gaze_words(facts, rng), pose_words(facts, rng)
    if gaze and facts.closed < OPEN:
        out.append(Cue("gaze", f"the eyes {gaze}"))
    if pose:
        out.append(Cue("head", f"the head is {listed(pose)}"))
    return tuple(out)


def _explained(
    facts: Facts, cues: Sequence[Cue], others: Sequence[Cue], rng: np.random.Generator
) -> str:
    said = [_verdict(facts, rng)]
    if cues:
        opening = pick(("the signs are these", "evidence for it", "the cues"), rng)
        said.append(f"{opening}: {listed([_cited(cue) for cue in cues])}")
    elif facts.emotion == "neutral":
        said.append("no action unit is more than a trace" if _still(facts) else "")
    elif facts.emotion:
        said.append("no action unit of this emotion is plain to see" if _known(facts) else "")
    side = [_cited(cue) for cue in others]
    if side:
        prefix = pick(("besides,", "apart from that,", "in addition,"), rng)
        said.append(f"{prefix} {listed(side)}" if cues else listed(side))
    return " ".join(sentence(text) for text in said if text)


def _verdict(facts: Facts, rng: np.random.Generator) -> str:
    if not facts.emotion:
        return "which emotion the face shows is not known"
    noun = emotion_noun(facts.emotion)
    if facts.emotion == "neutral":
        return pick(("the face is neutral", "the expression is neutral"), rng)
    if np.isnan(facts.intensity):
        return f"the face shows {noun}"
    degree = f"intensity {facts.intensity:.1f} of 5"
    return pick(
        (f"the face shows {noun} ({degree})", f"the expression is {noun}, at {degree}",
         f"the emotion is {noun}; its {degree.replace('intensity', 'intensity is')}"), rng,
    )  # fmt: skip


def _cited(cue: Cue) -> str:
    if not cue.unit:
        return cue.words
    own = f", the person's {cue.side}" if cue.side in SIDES else ""
    return f"{cue.words} (AU{cue.unit} {cue.name}, grade {cue.grade}{own})"


def _known(facts: Facts) -> bool:
    return bool(np.isfinite(facts.sides).all())


def _still(facts: Facts) -> bool:
    return _known(facts) and bool(facts.sides.max() < CUE)
