"""Numbers, times and gaps in what is known, as words of an answer."""

import numpy as np

from mien.find.perception import CONFIDENT
from mien.jobs.ask.evidence import OUTPUT_OF, Evidence, Person

NEARLY_ALWAYS = 0.95  # of the frames: less is said


def moment(seconds: float) -> str:
    """``3.2 s``."""
    return f"{seconds:.1f} s"


def span(start: float, end: float) -> str:
    """``3.2 to 4.5 s``."""
    return f"{start:.1f} to {end:.1f} s"


def percent(share: float) -> str:
    """``41 %``."""
    return f"{100 * share:.0f} %"


def often(number: int) -> str:
    """``once``, ``twice``, ``3 times``."""
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def missing(person: Person, output: str, what: str) -> str | None:
    """Why nothing can be said of what an output tells; None where something can."""
    if person.told(output) > 0:
        return None
    confidence = person.confidence(output)
    if confidence is None:
        return f"{what} was not measured"
    if output == "gaze" and confidence >= CONFIDENT:
        return "where the eyes look is not known, for they are closed"
    return (
        f"{what} is not told: the measurement is not sure enough (confidence {confidence:.2f}, "
        f"{CONFIDENT} is needed)"
    )


def partly(person: Person, output: str) -> str:
    """What is to be added where an output was told in a part of the frames alone."""
    told = person.told(output)
    return f" (told in {percent(told)} of the frames)" if told < NEARLY_ALWAYS else ""


def sure(person: Person, output: str) -> str:
    """``, confidence 0.81``; nothing where there is none."""
    confidence = person.confidence(output)
    return "" if confidence is None else f", confidence {confidence:.2f}"


def told_evidence(
    person: Person, column: str, name: str, value: float, unit: str = "",
    start: float | None = None, end: float | None = None,
) -> Evidence:  # fmt: skip
    """Evidence from a column, with how often and how surely it was told."""
    output = OUTPUT_OF[column]
    return Evidence(
        what=column, name=name, person=person.number, value=float(value), unit=unit, start=start,
        end=end, share=person.told(output), confidence=person.confidence(output),
    )  # fmt: skip


def average(values: np.ndarray) -> float:
    """Mean of what is known; NaN where nothing is."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")
