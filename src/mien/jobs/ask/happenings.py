"""What begins and ends in a face: smiles, blinks, a look at the camera, an emotion."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mien.face import EMOTIONS
from mien.jobs.ask.evidence import OUTPUT_OF, Evidence, Person, unit_column
from mien.jobs.ask.intents import Asked, Aspect
from mien.jobs.ask.phrases import missing, moment, often, partly, percent, span, told_evidence
from mien.measure.events import BLINK, SMILE, Event, Rule, find_events, rate
from mien.world.action_units import INDEX, TABLE
from mien.world.words import CONTACT, CUE, ELSEWHERE, TRACE, TURNED, adjectives, listed

LISTED = 5  # events whose times are told; of more, their number


@dataclass(frozen=True, slots=True)
class Happening:
    """A column that is an event while it is high.

    noun: of one event. does, does_not: what the face does meanwhile, and if there is none. rule: on
    ``sign`` times the column. unit: of the column.
    """

    column: str
    noun: str
    does: str
    does_not: str
    rule: Rule
    unit: str = "of 1"
    sign: int = 1

    def curve(self, person: Person) -> np.ndarray:
        """(n,) what the rule is on."""
        return self.sign * person.column(self.column)

    def value(self, height: float) -> str:
        """A value of the curve in words."""
        digits = 0 if self.unit == "degrees" else 2
        return f"{self.sign * height:.{digits}f} {self.unit}"


HAPPENINGS: dict[str, Happening] = {
    "smile": Happening("smile", "smile", "smiles", "does not smile", SMILE),
    "blink": Happening("closed", "blink", "blinks", "does not blink", BLINK),
    "closed": Happening(
        "closed", "time with closed eyes", "has closed eyes", "has open eyes",
        Rule(BLINK.rise, BLINK.fall, shortest=BLINK.longest),
    ),
    "mouth": Happening(
        "jaw", "open mouth", "drops the jaw", "does not drop the jaw",
        Rule(rise=0.2, fall=0.1, shortest=0.1, gap=0.1),
    ),
    "gaze": Happening(
        "away", "look towards the camera", "looks towards the camera",
        "does not look towards the camera",
        Rule(rise=-CONTACT, fall=-ELSEWHERE, shortest=0.2, gap=0.2), "degrees", -1,
    ),
    "pose": Happening(
        "turned", "turn of the head", "has a turned head", "does not turn the head",
        Rule(rise=20, fall=TURNED, shortest=0.2, gap=0.2), "degrees",
    ),
}  # fmt: skip
"""By topic."""


def of_emotion(name: str) -> Happening:
    """While a face looks like an emotion."""
    word = adjectives(name)[0]
    rule = Rule(rise=0.5, fall=0.35, shortest=0.3, gap=0.3)
    noun = "neutral expression" if name == "neutral" else f"look of {name}"
    return Happening(name, noun, f"looks {word}", f"does not look {word}", rule)


def of_unit(number: int) -> Happening | None:
    """While an action unit is more than a trace; None for one that is not measured."""
    column = unit_column(number)
    if column is None:
        return None
    name = f"AU{number} {TABLE[INDEX[number]].name}"
    return Happening(column, name, f"shows {name}", f"shows no {name}",
                     Rule(rise=CUE, fall=TRACE, gap=0.1), "of 5")  # fmt: skip


def happened(
    person: Person, who: str, what: Happening, aspect: Aspect, is_video: bool
) -> tuple[str, list[Evidence]]:
    """What is to be said of it, with its evidence."""
    output = OUTPUT_OF[what.column]
    if (absent := missing(person, output, what.noun)) is not None:
        return f"{who}: {absent}", []
    if not is_video:
        return _in_a_photo(person, who, what)
    curve = what.curve(person)
    events = find_events(person.times, curve, what.rule)
    if not events:
        best = int(np.nanargmax(curve))
        at = float(person.times[best])
        text = (
            f"{who} {what.does_not} in what could be told: it is nearest to it at {moment(at)} "
            f"({what.value(curve[best])})"
        )
        return text + partly(person, output), [
            told_evidence(person, what.column, what.noun, what.sign * float(curve[best]),
                          what.unit, at, at)
        ]  # fmt: skip
    said = _events(person, who, what, events, aspect)
    return said + partly(person, output), [_cited(person, what, event) for event in events]


def _in_a_photo(person: Person, who: str, what: Happening) -> tuple[str, list[Evidence]]:
    height = float(what.curve(person)[0])
    if what.noun == "blink":
        eyes = "closed" if height >= what.rule.rise else "open"
        text = f"{who}: a photo shows no blinking; the eyes are {eyes} ({what.value(height)} shut)"
    elif height >= what.rule.rise:
        text = f"{who} {what.does} ({what.value(height)})"
    elif height >= what.rule.fall:
        text = f"{who}: only a trace of it can be seen ({what.value(height)})"
    else:
        text = f"{who} {what.does_not} ({what.value(height)})"
    value = what.sign * height
    return text, [told_evidence(person, what.column, what.noun, value, what.unit)]


def _events(
    person: Person, who: str, what: Happening, events: Sequence[Event], aspect: Aspect
) -> str:
    longest = max(events, key=lambda event: event.duration)
    highest = max(events, key=lambda event: event.peak)
    longest_text = f"the longest is from {span(longest.onset, longest.offset)}"
    highest_text = f"the strongest is at {moment(highest.apex)} ({what.value(highest.peak)})"
    if aspect == "longest":
        return f"{who} {what.does} {often(len(events))}: {longest_text}"
    if aspect == "peak":
        return f"{who} {what.does} {often(len(events))}: {highest_text}"
    curve = what.curve(person)
    parts = [f"{who} {what.does} {often(len(events))}"]
    per_minute = rate(list(events), person.times, curve)
    if aspect == "count" and per_minute is not None:
        parts[0] += f", {per_minute:.1f} per minute"
    each = [span(event.onset, event.offset) for event in events[:LISTED]]
    more = [f"{len(events) - LISTED} more"] if len(events) > LISTED else []
    parts[0] += f": from {listed([*each, *more])}"
    if len(events) > 1:
        parts += [longest_text, highest_text]
    elif aspect != "when":
        parts.append(f"strongest at {moment(highest.apex)} ({what.value(highest.peak)})")
    inside = sum(event.duration for event in events)
    known = float(np.diff(person.times)[np.isfinite(curve[1:]) & np.isfinite(curve[:-1])].sum())
    if known > 0 and aspect != "when":
        parts.append(f"in all {percent(min(inside / known, 1.0))} of the time")
    return "; ".join(parts)


def _cited(person: Person, what: Happening, event: Event) -> Evidence:
    peak = what.sign * event.peak
    return told_evidence(person, what.column, what.noun, peak, what.unit, event.onset, event.offset)


def asked_for(topics: Sequence[str], asked: Asked) -> list[Happening]:
    """The happenings that a question names."""
    found = [HAPPENINGS[topic] for topic in topics if topic in HAPPENINGS]
    found += [of_emotion(name) for name in asked.emotions if name in EMOTIONS]
    units = [of_unit(number) for number in asked.units]
    return found + [unit for unit in units if unit is not None]
