"""A question and what is seen in an input become an answer: sentences, evidence, confidence."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from mien.errors import MienError, UsageError
from mien.find.finder import FaceFinder
from mien.find.perception import USUAL, WEIGHTS, Reader, available
from mien.jobs.ask import topics as say
from mien.jobs.ask.evidence import Evidence, Person, Seen, look
from mien.jobs.ask.happenings import HAPPENINGS, happened
from mien.jobs.ask.intents import TOPICS, Asked, understand
from mien.jobs.ask.phrases import average, moment, span
from mien.world.words import counted, listed, sentence

TALKED_OF = 6  # people who are talked of in one answer
RARE = 0.1  # of the frames of whoever is seen longest; who is seen in fewer is only counted
WITHOUT_READINGS = ("people", "pose")
LOOKS = "This says how the face looks; what anybody feels is not measured."
NOBODY = "There is no face to answer about."


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered.

    source: the input as the user named it. topics: of ``mien.jobs.ask.intents.TOPICS``; empty
    where the question was not understood or is not answered. text: sentences. confidence: 0..1, of
    what it rests on the least sure; None where that has none. outputs: of ``mien.face.OUTPUTS`` and
    ``pose``. warning: what is wrong with an input of which a part could be read.
    """

    source: str
    question: str
    text: str
    topics: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    confidence: float | None = None
    outputs: tuple[str, ...] = ()
    warning: str | None = None

    def row(self) -> dict[str, Any]:
        """As JSON can hold it."""
        sure = self.confidence
        return {
            "file": self.source, "question": self.question, "answer": self.text,
            "topics": list(self.topics), "evidence": [one.row() for one in self.evidence],
            "confidence": None if sure is None else round(sure, 4),
            "outputs": list(self.outputs), "warning": self.warning,
        }  # fmt: skip


class Answerer(Protocol):
    """What answers questions about files: mien's own, or a system that says how."""

    def __call__(
        self, source: str, question: str, say: Callable[[str], object] | None = None
    ) -> Answer:
        """The answer; ``say`` is called with each piece of its text as soon as it is known.

        Raises MienError for an input that cannot be used.
        """
        ...


class Answering:
    """Answers from what mien-base reads. The input that was looked at last is remembered."""

    def __init__(self, device: str = "cpu", every: int = 1) -> None:
        self.device, self.every = device, every
        self._finder = FaceFinder.bundled(device)
        self._reader = Reader.bundled(USUAL, device) if available() else None
        self._last: Seen | None = None

    def __call__(
        self, source: str, question: str, say: Callable[[str], object] | None = None
    ) -> Answer:
        asked = understand(question)
        if self._reader is None and set(asked.topics) - set(WITHOUT_READINGS):
            raise MienError(
                f"this question is answered by what {WEIGHTS} reads, which this version of mien "
                "does not have"
            )
        if not asked.topics:
            told = Answer(source, question, declined(asked))
        else:
            told = answer(self._seen(source), question, asked)
        if say is not None:
            say(told.text)
        return told

    def _seen(self, source: str) -> Seen:
        if self._last is None or self._last.source != source:
            self._last = None  # the one before need not stay in memory meanwhile
            self._last = look(source, self._finder, self._reader, self.every)
        return self._last


def declined(asked: Asked) -> str:
    """Why a question is not answered, and what can be asked."""
    able = listed([name for name, _ in TOPICS.values()], "or")
    return " ".join([*_never(asked), f"I can answer about: {able}."])


def answer(seen: Seen, question: str, asked: Asked | None = None) -> Answer:
    """The answer to a question about what was seen; ``asked``: the question as understood."""
    asked = asked or understand(question)
    if not asked.topics:
        return Answer(seen.source, question, declined(asked))
    is_moment = seen.is_video and asked.moment is not None
    seen, notes = _cut(seen, asked)
    chosen, others = _chosen(seen, asked)
    notes += others
    said: list[str] = []
    evidence: list[Evidence] = []
    named = _namer(seen, chosen)
    if "people" in asked.topics:
        text, cited = say.people(seen, chosen, named)
        said, evidence = [*said, *text], [*evidence, *cited]
    elif not chosen:
        said.append(NOBODY)
    if "compare" in asked.topics and chosen:
        text, cited = say.compare(chosen, named, asked)
        said, evidence = [*said, *text], [*evidence, *cited]
    else:
        for person in chosen[:TALKED_OF]:
            text, cited = _of_person(person, named(person), asked, seen.is_video)
            said, evidence = [*said, *text], [*evidence, *cited]
    said += _closing(seen, chosen, asked)
    if is_moment:
        at = float(seen.times[0])
        evidence = [replace(one, start=at, end=at) for one in evidence]
    outputs = say.outputs_of(evidence)
    return Answer(
        source=seen.source, question=question, topics=asked.topics,
        text=" ".join(sentence(text) for text in [*_never(asked), *notes, *said]),
        evidence=tuple(evidence), confidence=_least(chosen, outputs), outputs=tuple(outputs),
        warning=seen.damage,
    )  # fmt: skip


def _of_person(
    person: Person, who: str, asked: Asked, is_video: bool
) -> tuple[list[str], list[Evidence]]:
    said: list[str] = []
    evidence: list[Evidence] = []
    for topic in asked.topics:
        if topic in say.PER_PERSON:
            text, cited = say.PER_PERSON[topic](person, who, asked, is_video)
        elif topic in HAPPENINGS:
            one, cited = happened(person, who, HAPPENINGS[topic], asked.aspect, is_video)
            text = [one]
        else:
            continue
        said, evidence = [*said, *text], [*evidence, *cited]
    return said, evidence


def _cut(seen: Seen, asked: Asked) -> tuple[Seen, list[str]]:
    """The part of a video that the question is about, and what is to be said of that."""
    if asked.window is None and asked.moment is None:
        return seen, []
    if not seen.is_video:
        return seen, ["a photo has no seconds: all of it is meant"]
    if asked.window is not None:
        start, end = asked.window
        cut = seen.within(start, end)
        if cut.frames:
            return cut, [f"from {span(start, end)}"]
    elif asked.moment is not None and seen.times[0] <= asked.moment <= seen.times[-1]:
        cut = seen.at(asked.moment)
        return cut, [f"at {moment(float(cut.times[0]))}"]
    whole = span(seen.times[0], seen.times[-1])
    raise UsageError(f"{seen.source}: goes from {whole}; the question is about another time")


def _chosen(seen: Seen, asked: Asked) -> tuple[list[Person], list[str]]:
    """Whom the question is about, and what is to be said of the choice."""
    notes: list[str] = []
    people = list(seen.people)
    if asked.person in ("left", "right") and people:
        side = min if asked.person == "left" else max
        people = [side(people, key=lambda one: average(one.column("x")))]
    elif asked.person is not None:
        people = [one for one in people if one.number == asked.person]
        if not people:
            notes.append(f"there is no person {asked.person}: {counted(len(seen.people), 'face')}"
                         " can be seen")  # fmt: skip
    if "people" not in asked.topics and people:
        longest = max(one.frames for one in people)
        kept = [one for one in people if one.frames >= RARE * longest]
        if len(kept) < len(people):
            notes.append(f"{counted(len(people) - len(kept), 'face')} seen briefly left out")
        people = kept
    return people, notes


def _namer(seen: Seen, chosen: Sequence[Person]) -> Callable[[Person], str]:
    """What people are called: "the person" where nobody else could be meant."""
    alone = len(seen.people) == 1 and len(chosen) <= 1

    def named(person: Person) -> str:
        return "the person" if alone else f"person {person.number}"

    return named


def _closing(seen: Seen, chosen: Sequence[Person], asked: Asked) -> list[str]:
    """What has to be said once, whatever was found."""
    said = []
    if len(chosen) > TALKED_OF and "compare" not in asked.topics:
        said.append(f"{counted(len(chosen) - TALKED_OF, 'more face')} can be asked for by number")
    if "mouth" in asked.topics:
        said.append(say.UNHEARD)
    if "emotion" in asked.topics and chosen:
        said.append(LOOKS)
    if seen.damage:
        said.append("only a part of the file could be read")
    return said


def _never(asked: Asked) -> list[str]:
    return [f"No answer is given about {what}." for what in asked.never]


def _least(chosen: Sequence[Person], outputs: Sequence[str]) -> float | None:
    """The lowest mean confidence of what an answer rests on."""
    known = [person.confidence(output) for person in chosen for output in outputs]
    return min((value for value in known if value is not None), default=None)
