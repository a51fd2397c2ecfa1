"""Captions, questions and dialogue: they say what is true, and say it in good English."""

import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.errors import InputError
from mien.evaluate.metrics.text import distinct_n
from mien.world.action_units import ACTION_UNITS, INDEX
from mien.world.captions import attribute_caption, attributes, captions, explanation
from mien.world.dialogue import (
    FELT,
    LANGUAGES,
    conversation,
    conversation_about,
    line,
    line_count,
    situation,
    situation_count,
)
from mien.world.emotions import COMPOUND, EMOTIONS, NAMES
from mien.world.emotions import sample as programme
from mien.world.hair import STYLES
from mien.world.occluders.hat import HATS
from mien.world.questions import (
    KINDS,
    UNKNOWABLE,
    Question,
    as_markdown,
    compare,
    question_answer,
)
from mien.world.words import (
    EMOTION_WORDS,
    GRADES,
    HAT_WORDS,
    Facts,
    adjectives,
    age_words,
    article,
    counted,
    emotion_noun,
    expand,
    expansions,
    grade,
    listed,
    related,
    sentence,
    tone_word,
)

Sample = dict[str, Any]
WORN = ("glasses", "makeup", "beard", "mask", "occluder", "pattern", "hat", "earrings", "necklace",
        "scarf")  # fmt: skip


@st.composite
def samples(draw: st.DrawFn) -> Sample:
    """Truth as the world says it, of any values."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shown = programme(draw(st.sampled_from(NAMES)), rng, draw(st.floats(0, 5)))
    sides = shown.sides + rng.choice([0, 0.2, 3], (23, 1), p=[0.6, 0.3, 0.1])
    sides[INDEX[43]] = 0
    sides[INDEX[45]] = rng.choice([0.0, rng.uniform(0, 5)])
    worn = {name: bool(rng.random() < 0.4) for name in WORN}
    eyes = np.tile([rng.normal(0, 12), rng.normal(0, 8)], 2)
    return {
        "emotion": NAMES.index(shown.emotion),
        "intensity": shown.intensity, "valence": shown.valence, "arousal": shown.arousal,
        "sides": sides.clip(0, 5).astype(np.float32),
        "pose": (rng.normal(0, 1, 3) * draw(st.sampled_from((4.0, 25.0)))).clip(-80, 80),
        "gaze": eyes.astype(np.float32),
        "light": rng.normal(0, 0.5, (9, 3)) + np.eye(9, 1) * 3,
        "lamp": np.array([0.6, 0.0, 0.8]), "lamp_strength": np.float32(rng.random()),
        "person": int(rng.integers(3)), "age": rng.uniform(16, 85),
        "skin_tone": rng.uniform(-60, 70),
        "hair_colour": "brown", "eye_colour": (0.14, 0.19, 0.25),
        "hat": str(rng.choice(HATS)) if worn["hat"] else "",
        "factors": {"hair": str(rng.choice(STYLES)), "fill": rng.uniform(0.3, 1),
                    "shift_x": rng.normal(0, 0.1), **worn},
        "drawn": WORN if rng.random() < 0.7 else (),
    }  # fmt: skip


seeds = st.integers(0, 2**32 - 1).map(np.random.default_rng)


@pytest.fixture(scope="module")
def worldly() -> list[Sample]:
    """Twenty samples of the world, without their pictures, which no text reads."""
    from mien.world.recipe import Recipe
    from mien.world.render import Drawn
    from mien.world.world import World, truth

    world = World(Recipe.of({"factors": {"emotion": {"choices": list(NAMES)}}}))
    nothing: Any = SimpleNamespace(**dict.fromkeys(Drawn.__dataclass_fields__))
    nothing.parsing = np.arange(19).repeat(100)  # everything is in the picture
    scenes = [world.scene(index) for index in range(20)]
    return [{**truth(scene, nothing), "hair": scene.person.hair.style} for scene in scenes]


def said_of(sample: Sample, rng: np.random.Generator) -> list[str]:
    """All that is said about a sample in sentences."""
    three = captions(sample, rng)
    told = [three.short, three.medium, three.long, explanation(sample, rng).text]
    told.append(attribute_caption(attributes(sample), rng))
    return [text for text in told if text]


# -- good English ----------------------------------------------------------------------------------

VOWEL = re.compile(r"\b[Aa] (?=[aeio](?!r ))|\b[Aa]n (?=[^aeiouh])")


def check_grammar(text: str) -> None:
    assert text == text.strip() and "  " not in text, text
    assert re.search(r"[.!?]$", text), text
    assert not re.search(r"[{}]|\bnan\b|\bNone\b(?! at all)|\.\.|,,| [,.;:!?]|,\.|\(\)", text), text
    assert not VOWEL.search(text), text
    assert not re.search(r"\b(\w+) \1\b", text), text
    for part in re.split(r"(?<=[a-z)][.!?]) ", text):
        assert part[0].isupper() or part[0].isdigit(), text
    for they in re.findall(r"\b[Tt]hey (\w+)", text):
        assert they not in ("is", "has", "wears", "looks", "seems"), text


@given(samples(), seeds)
def test_captions_are_good_english_of_three_lengths(sample: Sample, rng: np.random.Generator):
    for text in said_of(sample, rng):
        check_grammar(text)
    three = captions(sample, rng)
    short, medium, long = (len(t.split()) for t in (three.short, three.medium, three.long))
    assert 2 <= short <= 12 and 14 <= medium <= 34 and 38 <= long <= 90
    assert short < medium < long


@given(samples(), seeds)
def test_questions_are_good_english(sample: Sample, rng: np.random.Generator):
    for item in question_answer(sample, 60, rng):
        check_grammar(item.question)
        check_grammar(item.sentence)


@given(st.sampled_from(NAMES), seeds, st.floats(0, 5), st.sampled_from((1, 2)))
def test_conversations_are_good_english(
    emotion: str, rng: np.random.Generator, level: float, n: int
):
    talk = conversation(emotion, rng, level, n)
    for turn in talk.turns:
        check_grammar(turn.text)
    check_grammar(line(emotion, rng))


def test_small_words() -> None:
    assert article("honest person") == "an honest person"
    assert article("uneasy-looking person") == "an uneasy-looking person"
    assert [article(word) for word in ("unicorn", "one", "undercut")] == [
        "a unicorn", "a one", "an undercut",
    ]  # fmt: skip
    assert listed(["a"]) == "a" and listed(["a", "b", "c"], "or") == "a, b or c"
    assert [counted(n, "hat") for n in (0, 1, 2, 13)] == [
        "no hats", "one hat", "two hats", "13 hats",
    ]  # fmt: skip
    assert sentence(" no  end ") == "No end." and sentence("why?") == "Why?"
    rules = {"a": ("x", "y {b}"), "b": ("1", "2", "3")}
    every = {expand("{a} {b}", rules, np.random.default_rng(seed)) for seed in range(200)}
    assert len(every) == expansions("{a} {b}", rules) == 12
    with pytest.raises(KeyError):
        expand("{c}", rules, np.random.default_rng(0))


def test_values_become_the_words_for_them() -> None:
    assert [grade(x) for x in (0.4, 1, 2, 3.4, 3.6, 5)] == ["", "A", "B", "C", "D", "E"]
    assert [age_words(x) for x in (16, 31, 35, 88)] == [
        "in their teens", "in their early thirties", "in their mid-thirties",
        "in their late eighties",
    ]  # fmt: skip
    assert [tone_word(x) for x in (60, 50, 30, 11, -10, -40)] == [
        "very light", "light", "intermediate", "tan", "brown", "dark",
    ]  # fmt: skip
    assert not age_words(np.nan) and not tone_word(np.nan)


def test_no_adjective_is_of_two_emotions() -> None:
    words = [{w for ways in EMOTION_WORDS[name][1:] for w in ways} for name in EMOTION_WORDS]
    assert sum(map(len, words)) == len(set.union(*words))


# -- true ------------------------------------------------------------------------------------------


def style(sample: Sample) -> str:
    return sample.get("hair", sample["factors"]["hair"])


def unit(sample: Sample, number: int) -> np.ndarray:
    return sample["sides"][INDEX[number]]


def check_truth(text: str, sample: Sample) -> None:
    """What a text says of a sample, read back word by word, is so."""
    yaw, _, roll = sample["pose"]
    for side, sign in (("left", -1), ("right", 1)):
        if re.search(rf"(turned (far )?(to|towards)|facing) the {side} (edge )?of the", text):
            assert sign * yaw > 8, text
        if re.search(rf"turned (far )?to the person's own {side}", text):
            assert sign * yaw < -8, text
        if re.search(rf"tilted towards the person's {side} shoulder", text):
            assert sign * roll < 0, text
    if re.search(r"smiling|lip corners are[\w ]*pulled up", text) and " not smiling" not in text:
        assert unit(sample, 12).max() >= 1, text
    if "eyes are closed" in text or "losed eyes" in text or "eyes closed" in text:
        assert unit(sample, 45).mean() >= 0.75 * 5 - 1e-3, text
    if "facing the camera" in text:
        assert abs(yaw) <= 8, text
    name = NAMES[sample["emotion"]]
    for other in NAMES:
        for word in adjectives(other, 1) + adjectives(other, 3) + adjectives(other, 5):
            if re.search(rf"\b(looks?|looking|seem) {word}\b(?! \w+ed)", text):
                assert other == name, (text, name)
    worn = sample["factors"]
    for thing, key in (("glasses", "glasses"), ("a beard", "beard"), ("a mask", "mask"),
                       ("ear jewellery", "earrings"), ("a necklace", "necklace"),
                       ("a scarf", "scarf"), ("on the head(?<!hair on the head)", "hat"),
                       *((words, "hat") for words in HAT_WORDS.values())):  # fmt: skip
        if re.search(rf"\b{thing}\b", text):
            assert worn[key] and key in sample["drawn"], text
    for kind, words in HAT_WORDS.items():
        assert kind == sample["hat"] or words not in text, text
    for figure, value in re.findall(r"(yaw|pitch|roll)(?: of the head is)? (-?\d+)", text):
        at = ("yaw", "pitch", "roll").index(figure)
        assert float(value) == pytest.approx(sample["pose"][at], abs=0.51), text
    for figure, value in re.findall(r"(valence|arousal)(?: is)? (-?[\d.]+\d)", text, re.I):
        assert float(value) == pytest.approx(sample[figure.lower()], abs=0.051), text
    if "bald" in text or "no hair" in text:
        assert style(sample) == "bald", text
    if re.search(r"\blong\b[\w, ]* hair", text):
        assert style(sample) in ("long", "wavy"), text


@given(samples(), seeds)
@settings(max_examples=150)
def test_captions_say_nothing_that_is_not_so(sample: Sample, rng: np.random.Generator):
    for text in said_of(sample, rng):
        check_truth(text, sample)


@given(samples(), seeds)
def test_cues_are_the_action_units_that_are_there(sample: Sample, rng: np.random.Generator):
    told = explanation(sample, rng)
    assert told.emotion == NAMES[sample["emotion"]]
    expected = EMOTIONS[told.emotion]
    for cue in told.cues:
        assert cue.unit in (*expected.prototype, *expected.variants)
    for cue in (*told.cues, *(other for other in told.others if other.unit)):
        both = unit(sample, cue.unit)
        assert cue.intensity == both.max() >= 1 and cue.grade == grade(both.max())
        assert f"AU{cue.unit} " in told.text
        if cue.side != "both":
            own, other = both if cue.side == "left" else both[::-1]
            assert own > other and other < 0.5 * own + 1e-6
    strengths = [cue.intensity for cue in told.cues]
    assert strengths == sorted(strengths, reverse=True)


def read_back(item: Question, sample: Sample) -> str | None:
    """The answer that a question and the sample alone give; None: not parsed here."""
    asked, factors = item.question, sample["factors"]
    yaw, pitch, roll = sample["pose"]
    if found := re.match(r"Is AU(\d+) .* active", asked):
        return "yes" if unit(sample, int(found[1])).max() >= 1 else "no"
    if found := re.match(r"Does the person look ([\w ]+)\?$", asked):
        if found[1].startswith("older than"):
            return "yes" if sample["age"] > int(found[1].split()[-1]) else "no"
        if "camera" not in found[1]:
            right = adjectives(NAMES[sample["emotion"]])
            return "yes" if found[1] in right else "no"
        return None
    if found := re.match(r"Is the head turned to the (left|right) of the picture", asked):
        return "yes" if (yaw > 0) == (found[1] == "right") and abs(yaw) > 8 else "no"
    if found := re.match(r"Is the head turned to the person's own (left|right)", asked):
        return "yes" if (yaw < 0) == (found[1] == "right") and abs(yaw) > 8 else "no"
    if found := re.match(r"Is the head tilted towards the (left|right)", asked):
        return "yes" if (roll > 0) == (found[1] == "right") and abs(roll) > 8 else "no"
    if found := re.match(r"Is the head (raised|lowered)", asked):
        return "yes" if (pitch > 0) == (found[1] == "raised") and abs(pitch) > 8 else "no"
    if found := re.match(r"Does the person (?:wear|have) (?:an? )?([\w -]+)\?", asked):
        keys = {"make-up": "makeup", "ear jewellery": "earrings", "anything on the head": "hat"}
        if (key := keys.get(found[1], found[1])) in WORN:
            return "yes" if factors[key] else "no"
    simple = {
        "Is the person smiling?": unit(sample, 12).min() >= 1,
        "Are the lips parted?": unit(sample, 25).max() >= 1 or unit(sample, 27).max() >= 1,
        "Are the eyes closed?": unit(sample, 45).mean() > 2.5,
        "Is the person bald?": style(sample) == "bald",
        "Is the hair tied up?": style(sample) in ("tied", "bun"),
        "Does the person have long hair?": style(sample) in ("long", "wavy"),
        "Is the feeling shown a pleasant one?": sample["valence"] > 0,
        "Is the person facing the camera?": max(abs(yaw), abs(pitch)) < 14,
    }
    return None if asked not in simple else "yes" if simple[asked] else "no"


@given(samples(), seeds)
@settings(max_examples=150)
def test_every_yes_and_no_is_so(sample: Sample, rng: np.random.Generator):
    parsed = 0
    for item in question_answer(sample, 60, rng, ["yes/no"]):
        truth = read_back(item, sample)
        if truth is None:
            assert re.search("camera|lit mainly", item.question), item.question
            continue
        parsed += 1
        assert item.answer == truth, (item, sample)
        assert item.sentence.startswith(item.answer.capitalize())
        assert (" not " in item.sentence) == (item.answer == "no"), item.sentence
    assert parsed


@given(samples(), seeds)
def test_other_answers_are_so(sample: Sample, rng: np.random.Generator):
    yaw, _, roll = sample["pose"]
    for item in question_answer(sample, 60, rng):
        if item.kind == "choice":
            assert item.answer in item.options and len(set(item.options)) == len(item.options) > 1
            assert all(option in item.question for option in item.options)
            if item.key == "emotion":
                assert item.answer == emotion_noun(NAMES[sample["emotion"]])
            if found := re.search(r"grade is AU(\d+)", item.question):
                assert item.answer == grade(unit(sample, int(found[1])).max())
                assert set(item.options) <= set(GRADES)
        if item.kind == "number":
            assert item.answer in item.sentence
            if found := re.match(r"How strong is AU(\d+)", item.question):
                strength = unit(sample, int(found[1])).max()
                assert float(item.answer) == pytest.approx(strength, abs=0.051)
            if found := re.match(r"What is the (yaw|pitch|roll)", item.question):
                at = ("yaw", "pitch", "roll").index(found[1])
                assert float(item.answer) == pytest.approx(sample["pose"][at], abs=0.51)
            if found := re.match(r"How many of the", item.question):
                assert int(item.answer) == (sample["sides"].max(1) >= 3).sum()
        if item.kind == "spatial" and item.key == "pose":
            viewer, turned = "viewer" in item.question, "turned" in item.question
            right = (yaw if turned else roll) > 0
            assert item.answer == ("right" if right == viewer else "left")
        if item.kind == "spatial" and item.key == "sides":
            number = int(re.findall(r"AU(\d+)", item.question)[0])
            left, right = unit(sample, number)
            assert (item.answer == "left") == ((left > right) == ("own face" in item.question))
        if item.kind == "open":
            check_truth(item.answer, sample)
        assert item.key in ("", *sample) or item.key.split(".")[1] in sample["factors"]
        assert bool(item.key) == (item.answer_type != "refusal")


@given(samples(), samples(), seeds)
def test_comparisons_are_so(first: Sample, second: Sample, rng: np.random.Generator):
    items = compare(first, second, 20, rng)
    keys = {"age": "age", "skin_tone": "skin_tone"}
    for item in items:
        check_grammar(item.question)
        check_grammar(item.sentence)
        if item.key in keys:
            assert (item.answer == "the first") == (first[item.key] > second[item.key])
        elif item.key == "pose":
            more = first["pose"][0] > second["pose"][0]
            assert (item.answer == "the first") == (more == ("right" in item.question))
        elif item.key == "sides":
            number = int(re.findall(r"AU(\d+)", item.question)[0])
            more = unit(first, number).max() > unit(second, number).max()
            assert (item.answer == "the first") == more
        else:
            assert item.answer == ("yes" if first[item.key] == second[item.key] else "no")
    swapped = {i.question: i.answer for i in compare(second, first, 20, rng)}
    for item in items:
        same = item.answer_type == "boolean"
        assert (swapped[item.question] == item.answer) == same


def test_yes_and_no_are_in_balance(worldly: list[Sample]) -> None:
    rng = np.random.default_rng(0)
    told = [q.answer for s in worldly for q in question_answer(s, 6, rng, ["yes/no"])]
    assert 0.4 <= told.count("yes") / len(told) <= 0.6


def test_what_cannot_be_known_is_refused() -> None:
    rng = np.random.default_rng(0)
    items = [q for _ in range(30) for q in question_answer({}, 20, rng)]
    assert {q.kind for q in items} == {"unknowable"}
    assert {q.question for q in items} == {q for ways in UNKNOWABLE.values() for q in ways}
    for item in items:
        assert item.answer_type == "refusal" and not item.key
        assert re.match("That cannot|I cannot|There is no answer", item.answer)


FORBIDDEN = re.compile(
    r"\b(he|she|him|his|her|man|woman|boy|girl|male|female|attractive|pretty|beautiful|handsome|"
    r"ugly|white|black person|asian|african|european|latin\w*|caucasian|exotic|old person)\b", re.I
)  # fmt: skip


@given(samples(), seeds)
def test_nobody_is_judged(sample: Sample, rng: np.random.Generator):
    known = [q for q in question_answer(sample, 60, rng) if q.kind != "unknowable"]
    for text in [*said_of(sample, rng), *(f"{q.question} {q.sentence}" for q in known)]:
        assert not FORBIDDEN.search(text), text


# -- robust ----------------------------------------------------------------------------------------


@given(samples(), st.sets(st.integers(0, 30)), seeds)
def test_a_part_of_the_truth_is_enough(sample: Sample, gone: set[int], rng: np.random.Generator):
    part = {key: value for i, (key, value) in enumerate(sample.items()) if i not in gone}
    for text in said_of(part, rng):
        check_grammar(text)
    for item in question_answer(part, 60, rng):
        check_grammar(item.sentence)
        assert not item.key or item.key.split(".")[0] in part


def test_nothing_known_is_nothing_said() -> None:
    rng = np.random.default_rng(0)
    assert captions({}, rng).short == "A person."
    assert attributes({}) == [] and attribute_caption([], rng) == ""
    assert explanation({}, rng).cues == ()
    unknown = {"age": np.nan, "pose": np.full(3, np.nan), "emotion": -1, "sides": None}
    assert attributes(unknown) == []
    with pytest.raises(InputError, match="emotion"):
        conversation_about({}, rng)


def test_what_is_not_drawn_is_not_spoken_of() -> None:
    sample: Sample = {"factors": {"glasses": True, "beard": False}}
    assert attributes(sample) == [] and Facts.of(sample).worn == {"beard": False}
    assert [a.words for a in attributes({**sample, "drawn": ("glasses",)})] == ["glasses"]
    assert [a.words for a in attributes({"factors": {"glasses": {"tint": 0.5}}})] == ["glasses"]


def test_what_is_worn_out_of_the_picture_is_not_spoken_of() -> None:
    from mien.world.recipe import Recipe
    from mien.world.render import Drawn
    from mien.world.world import World, truth

    worn = dict.fromkeys(("hat", "earrings", "necklace", "scarf"), True)
    scene = World(Recipe.of({"factors": worn})).scene(0)
    shown: Any = SimpleNamespace(**dict.fromkeys(Drawn.__dataclass_fields__))
    for classes, there in ((19, set(worn)), (5, {"scarf"})):
        shown.parsing = np.arange(classes).repeat(100)
        sample = truth(scene, shown)
        assert sample["hat"] in HATS and set(sample["drawn"]) & set(worn) == there
        said = {a.key for a in attributes(sample)}
        assert {name for name in worn if f"factors.{name}" in said} == there


def test_hats_are_called_by_their_kind() -> None:
    sample: Sample = {"factors": {"hat": True}, "drawn": ("hat",)}
    assert [a.words for a in attributes(sample)] == ["something on the head"]
    for kind in HATS:
        told = attributes({**sample, "hat": kind})
        assert [a.words for a in told] == [HAT_WORDS[kind]]
        rng = np.random.default_rng(0)
        asked = question_answer({**sample, "hat": kind}, 9, rng, ["yes/no", "choice"])
        assert {(q.key, q.answer) for q in asked} == {
            ("factors.hat", "yes"), ("hat", HAT_WORDS[kind]),
        }  # fmt: skip


def test_the_style_of_a_person_goes_before_the_factor() -> None:
    sample = {"hair": "bald", "factors": {"hair": "own"}}
    assert [(a.words, a.key) for a in attributes(sample)] == [("bald", "hair")]
    assert attributes({"factors": {"hair": "own"}}) == []


def test_a_mask_hides_the_mouth() -> None:
    sides = np.zeros((23, 2))
    sides[INDEX[12]] = sides[INDEX[6]] = 5
    sample = {"sides": sides, "factors": {"mask": True}, "drawn": ("mask",)}
    assert Facts.of(sample).units() == [6]
    asked = [q.question for q in question_answer(sample, 60, np.random.default_rng(0), ["yes/no"])]
    assert "Is the person smiling?" not in asked and not any("AU12 " in q for q in asked)


@pytest.mark.parametrize("key, value", [("pose", [1, 2]), ("sides", np.zeros(5)), ("age", [1, 2])])
def test_a_wrong_shape_is_named(key: str, value: Any) -> None:
    with pytest.raises(InputError, match=key):
        captions({key: value}, np.random.default_rng(0))


@given(samples(), samples(), st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_one_seed_is_one_text(sample: Sample, other: Sample, seed: int):
    def everything() -> list[Any]:
        rng = np.random.default_rng(seed)
        return [said_of(sample, rng), question_answer(sample, 12, rng), line("fear", rng),
                compare(sample, other, 3, rng), conversation_about(sample, rng)]  # fmt: skip

    assert everything() == everything()


# -- the world's own samples, and variety ----------------------------------------------------------


def test_samples_of_the_world(worldly: list[Sample]) -> None:
    rng = np.random.default_rng(5)
    for sample in worldly:
        for text in said_of(sample, rng):
            check_grammar(text)
            check_truth(text, sample)
        items = question_answer(sample, 12, rng)
        assert len(items) == 12 and {q.kind for q in items} >= set(KINDS) - {"spatial", "open"}
        for item in items:
            if item.kind == "yes/no":
                assert read_back(item, sample) in (item.answer, None)


def test_texts_vary(worldly: list[Sample]) -> None:
    """Over 200 texts each; the least is what was measured, less a tenth."""
    rng = np.random.default_rng(6)
    many = [(captions(s, rng), conversation_about(s, rng)) for s in worldly for _ in range(10)]
    short = [three.short for three, _ in many]
    assert len({three.long for three, _ in many}) == len(many)
    assert len(set(short)) > 0.4 * len(short)
    talk = [turn.text for _, talk in many for turn in talk.turns]
    assert distinct_n([three.long for three, _ in many], 2) > LEAST["long"]
    assert distinct_n(short, 2) > LEAST["short"]
    assert distinct_n(talk, 2) > LEAST["talk"]
    assert distinct_n([line(e, rng) for e in FELT for _ in range(25)], 2) > LEAST["lines"]


LEAST = {"long": 0.037, "short": 0.078, "talk": 0.155, "lines": 0.26}

# -- dialogue --------------------------------------------------------------------------------------


@pytest.mark.parametrize("emotion", FELT)
def test_there_is_much_to_say(emotion: str) -> None:
    rng = np.random.default_rng(0)
    assert situation_count(emotion) >= 30 and line_count(emotion) >= 40
    assert len({situation(emotion, rng) for _ in range(400)}) >= 30
    assert len({line(emotion, rng) for _ in range(400)}) >= 38
    for language in LANGUAGES[1:]:
        assert len({line(emotion, rng, language) for _ in range(60)}) == 3


@given(st.sampled_from(FELT), seeds)
def test_a_listener_speaks_of_what_the_user_said(emotion: str, rng: np.random.Generator):
    said, about = situation(emotion, rng)
    assert not re.search(r"[{}|]", said + about)
    assert said and not re.search(r"\b(I|my|we|our)\b", about), about


@given(st.sampled_from(NAMES), seeds, st.floats(0, 5))
def test_conversations_have_labels(emotion: str, rng: np.random.Generator, intensity: float):
    talk = conversation(emotion, rng, intensity)
    assert talk.emotion in ({emotion} | set(EMOTIONS[emotion].components))
    assert [turn.speaker for turn in talk.turns] == ["user", "listener"] * 2
    assert talk.situation[1:].rstrip(".") in talk.turns[0].text
    for turn in talk.turns:
        assert (turn.thought is None) == (turn.speaker == "user") == (not turn.strategies)
        assert turn.emotion == (talk.emotion if turn.speaker == "user" else "")
    first, last = talk.turns[1], talk.turns[3]
    assert first.strategies == ("acknowledge", "ask") and first.text.endswith("?")
    assert last.strategies[-1] == "encourage" and not last.text.endswith("?")
    assert first.thought and talk.about == first.thought.cause


def test_dialogue_refuses_what_it_does_not_know() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="joy"):
        conversation("joy", rng)
    with pytest.raises(InputError, match="intensity"):
        conversation("fear", rng, 6)
    with pytest.raises(InputError, match="exchanges"):
        conversation("fear", rng, exchanges=3)
    with pytest.raises(InputError, match="xx"):
        line("fear", rng, "xx")
    with pytest.raises(InputError, match="awed"):
        situation("awed", rng)


def test_emotions_do_not_deny_their_relatives() -> None:
    assert related("happiness", "happily surprised") and not related("happiness", "fear")
    assert all(related(name, part) for name in COMPOUND for part in EMOTIONS[name].components)
    assert len(ACTION_UNITS) == 23


@settings(max_examples=5)
@given(st.lists(samples(), min_size=2, max_size=2))
def test_the_page_of_examples_has_every_kind_of_text(pair: list[Sample]) -> None:
    page = as_markdown(pair, 0, 6, ["one.jpg", "two.jpg"])
    first, second = page.split("### Sample 1")
    for part, picture in ((first, "(one.jpg)"), (second, "(two.jpg)")):
        assert picture in part and "**explanation**" in part
        assert "| user |" in part and "| listener |" in part
    assert "| comparison |" in second and "| comparison |" not in first
