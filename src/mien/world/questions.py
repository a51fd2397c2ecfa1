"""Questions about a sample, with answers that its truth gives, and the key they rest on.

    for question in question_answer(sample, 8, rng):
        print(question.question, question.answer, question.key)
    compare(first, second, 4, rng)

Yes and no come equally often where both can be asked. A question is asked only where the answer is
plain: a head turned by 10 degrees is neither called turned nor straight. Who the person is, where
they come from, how they are and what they are worth cannot be known: nobody in the world exists,
and such questions have a refusal as their answer.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from mien.world.action_units import ACTION_UNITS, INDEX, TABLE
from mien.world.captions import (
    SMILE,
    attribute_caption,
    attributes,
    captions,
    explanation,
)
from mien.world.dialogue import conversation_about
from mien.world.emotions import NAMES
from mien.world.words import (
    CONTACT,
    CUE,
    ELSEWHERE,
    FRONTAL,
    GATHERED,
    GRADES,
    HAIR_WORDS,
    HAT_WORDS,
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
    emotion_noun,
    figure,
    gaze_way,
    grade,
    hair_words,
    listed,
    own_side,
    pick,
    picture_side,
    pose_words,
    related,
    sentence,
    shuffled,
    tone_word,
    worn_words,
)

Sample = Mapping[str, Any]
Kind = Literal["yes/no", "choice", "number", "open", "spatial", "comparison", "unknowable"]
AnswerType = Literal["boolean", "option", "number", "text", "refusal"]

KINDS: tuple[Kind, ...] = ("yes/no", "choice", "number", "open", "spatial", "unknowable")
"""Kinds of questions about one sample; ``comparison`` is of two."""

SHOWN = 1.5  # intensity from which on a question takes an action unit or an emotion for there
CHOICES = 4
APART = {"age": 10.0, "unit": 1.5, "yaw": 15.0, "tone": 15.0}  # least difference to be asked about


@dataclass(frozen=True, slots=True)
class Question:
    """A question and its answer.

    answer: ``yes``, an option, a number, a text or a refusal, as ``answer_type`` says.
    sentence: the answer as a person gives it. key: of the sample, which the answer rests on; "" for
    a refusal. options: what a ``choice`` chooses from.
    """

    kind: Kind
    question: str
    answer: str
    sentence: str
    answer_type: AnswerType
    key: str
    options: tuple[str, ...] = ()


def question_answer(
    sample: Sample, count: int, rng: np.random.Generator, kinds: Sequence[Kind] = KINDS
) -> list[Question]:
    """At most ``count`` different questions about a sample, of all kinds in turn.

    There are fewer where the sample does not know enough.
    """
    facts = Facts.of(sample)
    pools = [_POOLS[kind](sample, facts, rng) for kind in kinds]
    return _in_turn(pools, count, rng)


def compare(first: Sample, second: Sample, count: int, rng: np.random.Generator) -> list[Question]:
    """At most ``count`` questions about two samples, "the first picture" and "the second"."""
    return _in_turn([shuffled(_compared(Facts.of(first), Facts.of(second)), rng)], count, rng)


def _in_turn(
    pools: Sequence[list[Question]], count: int, rng: np.random.Generator
) -> list[Question]:
    out: list[Question] = []
    waiting = [pool for pool in pools if pool]
    while waiting and len(out) < count:
        waiting = shuffled(waiting, rng)
        out += [pool.pop() for pool in waiting][: count - len(out)]
        waiting = [pool for pool in waiting if pool]
    return out


# -- yes or no -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Claim:
    """What may be so: question, statement, denial, and whether it holds; None: not plain."""

    key: str
    question: str
    yes: str
    no: str
    holds: bool | None


def _claim(key: str, subject: str, verb: str, rest: str, holds: bool | None) -> _Claim:
    """``is``, ``are`` or ``does`` + a bare verb, about a subject."""
    question = f"{verb} {subject} {rest}?"
    if verb in ("is", "are"):
        return _Claim(
            key, question, f"{subject} {verb} {rest}", f"{subject} {verb} not {rest}", holds
        )
    bare, _, end = rest.partition(" ")
    return _Claim(
        key, question, f"{subject} {bare}s {end}", f"{subject} does not {rest}", holds
    )  # fmt: skip


def _between(value: float, no: float, yes: float) -> bool | None:
    """True from ``yes`` on, False up to ``no``, None between them or for NaN."""
    return True if value >= yes else False if value <= no else None


def _claims(facts: Facts, rng: np.random.Generator) -> list[_Claim]:
    return [
        *_emotion_claims(facts, rng),
        *_mouth_and_eye_claims(facts),
        *_unit_claims(facts, rng),
        *_pose_claims(facts),
        *_person_claims(facts, rng),
        *_worn_claims(facts),
    ]


def _emotion_claims(facts: Facts, rng: np.random.Generator) -> list[_Claim]:
    if not facts.emotion or (facts.emotion != "neutral" and not facts.intensity >= SHOWN):
        return []
    person = "the person"
    others = [name for name in NAMES if not related(name, facts.emotion)]
    asked = [facts.emotion, *shuffled(others, rng)[:3]]
    claims = [
        _claim("emotion", person, "does", f"look {pick(adjectives(name), rng)}",
               name == facts.emotion) for name in asked
    ]  # fmt: skip
    if abs(facts.valence) > 0.25:
        claims.append(_claim("valence", "the feeling shown", "is", "a pleasant one",
                             facts.valence > 0))  # fmt: skip
    return claims


def _mouth_and_eye_claims(facts: Facts) -> list[_Claim]:
    if facts.hidden(12):
        smile = parted = None
    else:
        corners = facts.sides[INDEX[12]]
        smile = True if corners.min() >= SMILE else False if corners.max() < TRACE else None
        closed = all(facts.unit(n) < TRACE for n in (10, 22, 25, 26, 27))
        seen = bool({25, 27} & set(facts.units(SHOWN)))
        parted = True if seen else False if closed else None
    shut = _between(facts.closed, OPEN / 2, SHUT)
    claims = [
        _claim("sides", "the person", "is", "smiling", smile),
        _claim("sides", "the lips", "are", "parted", parted),
        _claim("sides", "the eyes", "are", "closed", shut),
    ]
    if facts.eyes_seen and facts.closed < OPEN:
        meets = _between(-facts.away, -ELSEWHERE, -CONTACT)
        claims.append(_claim("gaze", "the person", "does", "look into the camera", meets))
    return claims


def _unit_claims(facts: Facts, rng: np.random.Generator) -> list[_Claim]:
    """Of two action units that are there, and of two that are not."""
    plain = facts.units(SHOWN)
    absent = [n for n in ACTION_UNITS if facts.unit(n) < TRACE and not facts.hidden(n)]
    asked = [(n, pool is plain) for pool in (plain, absent) for n in shuffled(pool, rng)[:2]]
    return [_claim("sides", _named(n), "is", "active", holds) for n, holds in asked]


def _named(unit: int) -> str:
    """``AU12 (lip corner puller)``."""
    return f"AU{unit} ({TABLE[INDEX[unit]].name})"


def _pose_claims(facts: Facts) -> list[_Claim]:
    claims = []
    for side, sign in (("left", -1), ("right", 1)):
        turned = _between(sign * facts.yaw, FRONTAL, TURNED)
        claims.append(
            _claim("pose", "the head", "is", f"turned to the {side} of the picture", turned)
        )
        own = _between(-sign * facts.yaw, FRONTAL, TURNED)
        claims.append(_claim("pose", "the head", "is", f"turned to the person's own {side}", own))
        tilted = _between(sign * facts.roll, FRONTAL, TURNED)
        claims.append(
            _claim("pose", "the head", "is", f"tilted towards the {side} of the picture", tilted)
        )
        light = _between(sign * facts.side_light, 0.0, SIDE_LIGHT)
        claims.append(
            _claim("light", "the face", "is", f"lit mainly from the {side} of the picture", light)
        )
    for word, sign in (("raised", 1), ("lowered", -1)):
        claims.append(
            _claim("pose", "the head", "is", word, _between(sign * facts.pitch, FRONTAL, TURNED))
        )
    turn = max(abs(facts.yaw), abs(facts.pitch))
    straight = None if np.isnan([facts.yaw, facts.pitch]).any() else _between(-turn, -20, -FRONTAL)
    claims.append(_claim("pose", "the person", "is", "facing the camera", straight))
    return claims


def _person_claims(facts: Facts, rng: np.random.Generator) -> list[_Claim]:
    claims = []
    if facts.hair in HAIR_WORDS:
        long = _one_of(facts.hair, LONG_HAIR, (*SHORT_HAIR, "bald"))
        tied = None if facts.hair == "bald" else facts.hair in GATHERED
        claims += [
            _claim(facts.hair_key, "the person", "is", "bald", facts.hair == "bald"),
            _claim(facts.hair_key, "the hair", "is", "tied up", tied),
            _Claim(facts.hair_key, "does the person have long hair?", "the person has long hair",
                   "the person does not have long hair", long),
        ]  # fmt: skip
    limit = int(pick((20, 30, 40, 50, 60), rng))
    older = _between(facts.age, limit - 4, limit + 4)
    claims.append(
        _Claim("age", f"does the person look older than {limit}?",
               f"the person looks older than {limit}",
               f"the person does not look older than {limit}", older)
    )  # fmt: skip
    return claims


def _one_of(value: str, yes: Sequence[str], no: Sequence[str]) -> bool | None:
    return True if value in yes else False if value in no else None


def _worn_claims(facts: Facts) -> list[_Claim]:
    claims = []
    for name in ("glasses", "makeup", "mask", "earrings", "necklace", "scarf"):
        words = "a mask" if name == "mask" else WORN_WORDS[name]
        claims.append(
            _claim(f"factors.{name}", "the person", "does", f"wear {words}", facts.worn.get(name))
        )
    claims.append(
        _Claim("factors.hat", "does the person wear anything on the head?",
               f"the person wears {worn_words(facts, 'hat')}",
               "the person does not wear anything on the head", facts.worn.get("hat"))
    )  # fmt: skip
    beard = None if facts.worn.get("mask") else facts.worn.get("beard")
    claims.append(
        _Claim("factors.beard", "does the person have a beard?", "the person has a beard",
               "the person does not have a beard", beard)
    )  # fmt: skip
    return claims


def _yes_or_no(sample: Sample, facts: Facts, rng: np.random.Generator) -> list[Question]:
    """Questions to pop, answered yes and no by turns where both are left."""
    claims = {claim.question: claim for claim in _claims(facts, rng)}.values()
    sides = [shuffled([c for c in claims if c.holds is holds], rng) for holds in (True, False)]
    out = []
    while all(sides):
        out += shuffled([sides[0].pop(), sides[1].pop()], rng)
    out = [*(sides[0] or sides[1]), *out]
    return [_told(claim) for claim in out]


def _told(claim: _Claim) -> Question:
    answer, statement = ("yes", claim.yes) if claim.holds else ("no", claim.no)
    return Question("yes/no", sentence(claim.question), answer,
                    sentence(f"{answer}, {statement}"), "boolean", claim.key)  # fmt: skip


# -- choices ---------------------------------------------------------------------------------------


def _choice(
    question: str, answer: str, others: Sequence[str], said: str, key: str, rng: np.random.Generator
) -> Question:
    wrong = shuffled([other for other in others if other != answer], rng)[: CHOICES - 1]
    options = tuple(shuffled([answer, *wrong], rng))
    asked = sentence(f"{question}: {listed(options, 'or')}?")
    return Question("choice", asked, answer, sentence(said.format(answer)), "option", key, options)


def _choices(sample: Sample, facts: Facts, rng: np.random.Generator) -> list[Question]:
    out = []
    if facts.emotion and (facts.emotion == "neutral" or facts.intensity >= SHOWN):
        others = [emotion_noun(n) for n in NAMES if not related(n, facts.emotion)]
        out.append(_choice(
            pick(("Which emotion does the face show", "What does the expression stand for"), rng),
            emotion_noun(facts.emotion), others, "the face shows {}", "emotion", rng,
        ))  # fmt: skip
    if facts.hair in HAIR_WORDS:
        others = [_plain_hair(style) for style in HAIR_WORDS if not _alike(style, facts.hair)]
        out.append(_choice("Which hair does the person have", _plain_hair(facts.hair), others,
                           "the person has {}", facts.hair_key, rng))  # fmt: skip
    if facts.hat in HAT_WORDS and facts.worn.get("hat"):
        out.append(_choice("What is on the person's head", HAT_WORDS[facts.hat],
                           tuple(HAT_WORDS.values()), "it is {}", "hat", rng))  # fmt: skip
    if tone_word(facts.tone):
        classes = ("very light", "light", "intermediate", "tan", "brown", "dark")
        out.append(_choice("Which class of skin tone is it, by typology angle",
                           tone_word(facts.tone), classes, "the skin tone is {}", "skin_tone",
                           rng))  # fmt: skip
    if abs(facts.yaw) > TURNED or abs(facts.yaw) <= FRONTAL:
        ways = ("to the left of the picture", "to the right of the picture", "to neither side")
        way = ways[2] if abs(facts.yaw) <= FRONTAL else ways[int(facts.yaw > 0)]
        out.append(_choice("To which side is the head turned", way, ways,
                           "the head is turned {}", "pose", rng))  # fmt: skip
    for number in facts.units(CUE)[:2]:
        name = _named(number)
        if 0.1 < (facts.unit(number) + 0.5) % 1 < 0.9:  # not at the border of two grades
            out.append(_choice(
                f"At which FACS grade is {name}", grade(facts.unit(number)), tuple(GRADES),
                f"{name} is at grade {{}}", "sides", rng,
            ))  # fmt: skip
    return shuffled(out, rng)


def _plain_hair(style: str) -> str:
    return " ".join(HAIR_WORDS[style][0].format(colour="").split())


def _alike(first: str, second: str) -> bool:
    """Whether two styles can be taken for each other."""
    groups = (SHORT_HAIR, (*LONG_HAIR, "bob", "curly"), ("curly", "afro"), GATHERED,
              ("swept", "undercut", "short", "crop"), ("bald", "buzz"))  # fmt: skip
    return first == second or any({first, second} <= set(group) for group in groups)


# -- numbers ---------------------------------------------------------------------------------------


def _numbers(sample: Sample, facts: Facts, rng: np.random.Generator) -> list[Question]:
    out: list[Question] = []

    def add(question: str, value: str, said: str, key: str) -> None:
        told = sentence(said.format(value))
        out.append(Question("number", sentence(question), value, told, "number", key))

    if np.isfinite(facts.age):
        add(pick(("How old does the person look, in years?", "Of which age is the face?"), rng),
            f"{facts.age:.0f}", "the person looks {} years old", "age")  # fmt: skip
    for name, value in (("yaw", facts.yaw), ("pitch", facts.pitch), ("roll", facts.roll)):
        if np.isfinite(value):
            unit = "degree" if abs(round(value)) == 1 else "degrees"
            add(f"What is the {name} of the head, in degrees?", figure(value),
                f"the {name} is {{}} {unit}", "pose")  # fmt: skip
    if facts.emotion and facts.emotion != "neutral" and np.isfinite(facts.intensity):
        noun = emotion_noun(facts.emotion)
        add(f"How intense is the {noun.removeprefix('a ')}, from 0 to 5?", f"{facts.intensity:.1f}",
            "its intensity is {} of 5", "intensity")  # fmt: skip
    for name, value in (("valence", facts.valence), ("arousal", facts.arousal)):
        if np.isfinite(value):
            add(f"What is the {name} of the expression, from -1 to 1?", figure(value, 1),
                f"the {name} is {{}}", name)  # fmt: skip
    known = [n for n in ACTION_UNITS if facts.unit(n) >= 0]
    for number in (shuffled(facts.units(CUE), rng) or shuffled(known, rng))[:2]:
        name = _named(number)
        add(f"How strong is {name}, from 0 to 5?", f"{facts.unit(number):.1f}",
            f"the intensity of {name} is {{}}", "sides")  # fmt: skip
    if len(known) == len(ACTION_UNITS):
        count = sum(facts.unit(n) >= 3 for n in ACTION_UNITS)
        said = "{} action unit is that strong" if count == 1 else "{} action units are that strong"
        add("How many of the 23 action units have an intensity of 3 or more?", str(count),
            said, "sides")  # fmt: skip
    return shuffled(out, rng)


# -- open questions --------------------------------------------------------------------------------


def _open(sample: Sample, facts: Facts, rng: np.random.Generator) -> list[Question]:
    out: list[Question] = []

    def add(questions: Sequence[str], answer: str, key: str) -> None:
        text = sentence(answer)
        out.append(Question("open", pick(questions, rng), text, text, "text", key))

    if facts.emotion:
        why = explanation(sample, rng).text
        add(("Which emotion does the face show, and by which signs?",
             "What does this person seem to feel? Give your reasons.",
             "Explain the expression of this face."), why, "emotion")  # fmt: skip
    hair = hair_words(facts, rng)
    if hair:
        add(("What is the hair like?", "Describe the hair.", "How is the hair worn?"),
            f"the person has {hair}", facts.hair_key)  # fmt: skip
    pose = pose_words(facts, rng)
    if pose:
        add(("How is the head held?", "Describe the pose of the head.", "Which way is the head?"),
            f"the head is {listed(pose)}", "pose")  # fmt: skip
    looks = _looks(facts)
    if looks:
        add(("Where does the person look?", "What are the eyes doing?", "Describe the gaze."),
            looks, "sides" if facts.closed >= SHUT else "gaze")  # fmt: skip
    seen = facts.units(CUE)
    if seen:
        names = [_named(n) for n in sorted(seen)]
        add(("Which action units are active?", "List the action units of this face.",
             "Code this face with FACS, without intensities."), listed(names), "sides")  # fmt: skip
    return shuffled(out, rng)


def _looks(facts: Facts) -> str:
    if facts.closed >= SHUT:
        return "the eyes are closed"
    if not facts.closed < OPEN or not facts.eyes_seen:
        return ""
    if facts.away <= CONTACT:
        return "the person looks into the camera"
    way = gaze_way(facts)
    return (
        f"the person looks {way}, away from the camera" if way and facts.away >= ELSEWHERE else ""
    )


# -- space -----------------------------------------------------------------------------------------


def _spatial(sample: Sample, facts: Facts, rng: np.random.Generator) -> list[Question]:
    out: list[Question] = []

    def add(question: str, side: str, said: str, key: str) -> None:
        told = sentence(said.format(side))
        out.append(Question("spatial", sentence(question), side, told, "option", key, SIDES))

    if abs(facts.yaw) > TURNED:
        add("As the viewer sees it, to which side of the picture is the head turned?",
            picture_side(facts.yaw), "it is turned to the {} of the picture", "pose")  # fmt: skip
        add("From the person's own point of view, to which side is their head turned?",
            own_side(facts.yaw), "it is turned to the person's own {}", "pose")  # fmt: skip
    if abs(facts.roll) > TURNED:
        add("Towards which of the person's own shoulders is the head tilted?",
            own_side(facts.roll), "it is tilted towards the {} shoulder", "pose")  # fmt: skip
    if abs(facts.side_light) >= SIDE_LIGHT:
        add("From which side of the picture does most light come?",
            picture_side(facts.side_light), "most light comes from the {}", "light")  # fmt: skip
    if abs(facts.shift) >= 0.06:
        add("In which half of the picture is the middle of the head, as the viewer sees it?",
            picture_side(facts.shift), "it is in the {} half", "factors.shift_x")  # fmt: skip
    for number in facts.units(CUE):
        left, right = facts.sides[INDEX[number]]
        if abs(left - right) < 1:
            continue
        name = _named(number)
        own = SIDES[int(right > left)]
        add(f"On which side of their own face is {name} stronger?", own,
            "it is stronger on the person's {} side", "sides")  # fmt: skip
        if abs(facts.yaw) < 30 and abs(facts.roll) < 45:
            other = SIDES[int(left > right)]
            add(f"On which side of the picture is {name} stronger?", other,
                "it is stronger on the {} of the picture", "sides")  # fmt: skip
    return shuffled(out, rng)


# -- two samples -----------------------------------------------------------------------------------


def _compared(first: Facts, second: Facts) -> list[Question]:
    out: list[Question] = []

    def which(question: str, a: float, b: float, least: float, said: str, key: str) -> None:
        if abs(a - b) >= least:
            answer = "the first" if a > b else "the second"
            told = sentence(said.format(answer))
            out.append(Question("comparison", question, answer, told, "option", key,
                                ("the first", "the second")))  # fmt: skip

    def whether(question: str, same: bool, yes: str, no: str, key: str) -> None:
        answer = "yes" if same else "no"
        told = sentence(f"{answer}, {yes if same else no}")
        out.append(Question("comparison", question, answer, told, "boolean", key))

    which("In which of the two pictures does the person look older?", first.age, second.age,
          APART["age"], "in {}", "age")  # fmt: skip
    for side, a, b in (("right", first.yaw, second.yaw), ("left", -first.yaw, -second.yaw)):
        if max(a, b) > TURNED:
            which(f"In which of the two pictures is the head turned further to the {side}, as the "
                  "viewer sees it?", a, b, APART["yaw"], "in {}", "pose")  # fmt: skip
    which("Which of the two people has the lighter skin tone, by typology angle?", first.tone,
          second.tone, APART["tone"], "{} person has", "skin_tone")  # fmt: skip
    for number in (4, 9, 12, 25):
        if not (first.hidden(number) or second.hidden(number)):
            name = _named(number)
            which(f"In which of the two pictures is {name} stronger?", first.unit(number),
                  second.unit(number), APART["unit"], "in {}", "sides")  # fmt: skip
    if first.emotion and second.emotion:
        alike = first.emotion == second.emotion
        if alike or not related(first.emotion, second.emotion):
            both = [emotion_noun(first.emotion), emotion_noun(second.emotion)]
            whether("Do the two faces show the same emotion?", alike, f"both show {both[0]}",
                    f"the first shows {both[0]} and the second {both[1]}", "emotion")  # fmt: skip
    if first.person >= 0 and second.person >= 0:
        whether("Do the two pictures show the same person?", first.person == second.person,
                "it is the same person", "they are different people", "person")  # fmt: skip
    return out


# -- what cannot be known --------------------------------------------------------------------------

UNKNOWABLE: Mapping[str, tuple[str, ...]] = {
    "name": ("What is this person's name?", "Who is this?", "Can you tell me who this is?"),
    "origin": ("Which country is this person from?", "What is this person's nationality?",
               "What is the ethnicity of this person?", "Where was this person born?"),
    "health": ("Is this person ill?", "Does this person have a mental illness?",
               "Is this person on medication?", "What illness does this face show?"),
    "faith": ("What is this person's religion?", "Which party does this person vote for?"),
    "gender": ("What gender is this person?", "Is this person attracted to men or to women?"),
    "character": ("Is this person honest?", "Is this person dangerous?",
                  "Would this person be a good employee?", "How intelligent is this person?"),
    "beauty": ("Is this person attractive?", "How beautiful is this face, from 1 to 10?"),
    "life": ("What does this person do for a living?", "How much does this person earn?",
             "Where does this person live?", "Is this person married?",
             "Has this person been to prison?"),
    "thought": ("What is this person thinking about?", "Is this person lying?",
                "What made this person feel so?"),
}  # fmt: skip
"""Questions that no face answers, by what they ask for."""

_REASONS: Mapping[str, tuple[str, ...]] = {
    "name": ("this person does not exist, so there is no name to give",
             "the person was made up and has no name"),
    "origin": ("a face does not tell where somebody comes from, and this person does not exist",
               "origin cannot be read from a face, and nobody stands behind this one"),
    "health": ("health cannot be judged from a picture of a face, and this person does not exist",),
    "faith": ("what somebody believes cannot be seen in a face, and this person does not exist",),
    "gender": ("it is for people to say, not to be read from a face, and this one does not exist",),
    "character": ("a face says nothing about character, and this person does not exist",),
    "beauty": ("I do not rate how people look", "beauty is not something I judge"),
    "life": ("this person does not exist and has no life outside the picture",
             "nothing is known of them but the picture, and the person does not exist"),
    "thought": ("an expression shows a feeling at most, not thoughts or causes",),
}  # fmt: skip
_REFUSALS = ("that cannot be known: {}", "I cannot say: {}", "there is no answer to that: {}",
             "that cannot be told from the picture: {}")  # fmt: skip


def _unknowable(sample: Sample, facts: Facts, rng: np.random.Generator) -> list[Question]:
    out = []
    for topic in shuffled(tuple(UNKNOWABLE), rng):
        answer = sentence(pick(_REFUSALS, rng).format(pick(_REASONS[topic], rng)))
        question = pick(UNKNOWABLE[topic], rng)
        out.append(Question("unknowable", question, answer, answer, "refusal", ""))
    return out


_POOLS: Mapping[Kind, Callable[[Sample, Facts, np.random.Generator], list[Question]]] = {
    "yes/no": _yes_or_no,
    "choice": _choices,
    "number": _numbers,
    "open": _open,
    "spatial": _spatial,
    "unknowable": _unknowable,
}


# -- the page of examples --------------------------------------------------------------------------


def as_markdown(
    samples: Sequence[Sample], seed: int = 0, count: int = 8, pictures: Sequence[str] = ()
) -> str:
    """What is said about samples, as the documentation shows it; pictures: their addresses."""
    out: list[str] = []
    for place, sample in enumerate(samples):
        rng = np.random.default_rng([seed, place])
        three = captions(sample, rng)
        told = {
            "short": three.short, "medium": three.medium, "long": three.long,
            "attributes": attribute_caption(attributes(sample), rng),
            "explanation": explanation(sample, rng).text,
        }  # fmt: skip
        out += [f"### Sample {place}", ""]
        out += [f"![Sample {place}]({pictures[place]})", ""] if pictures else []
        out += [f"- **{name}**: {text}" for name, text in told.items()]
        out += ["", "| kind | question | answer | rests on |", "|---|---|---|---|"]
        asked = question_answer(sample, count, rng)
        if place:
            asked += compare(samples[place - 1], sample, 1, rng)
        for item in asked:
            key = f"`{item.key}`" if item.key else "nothing"
            out.append(f"| {item.kind} | {item.question} | {item.sentence} | {key} |")
        out += ["", "| who | talk | strategies |", "|---|---|---|"]
        for turn in conversation_about(sample, rng).turns:
            out.append(f"| {turn.speaker} | {turn.text} | {', '.join(turn.strategies)} |")
        out.append("")
    return "\n".join(out)
