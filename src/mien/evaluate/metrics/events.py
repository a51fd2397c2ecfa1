"""FEC-Bench: are a caption's events right (AutoDQ), and in the right order (TEM)?

FaceTrack-MM asks a language model for the ordered events of both texts, and for each pair whether
one entails the other. Both are arguments here; the defaults are rules that need no model, so their
numbers compare only with each other. The paper does not print TEM's formula: precision and recall
of the longest common subsequence are inferred.
"""

import re
from collections.abc import Callable, Sequence

import numpy as np

from mien.evaluate.metrics.stem import porter
from mien.evaluate.metrics.text import words

Entails = Callable[[str, str], bool]

STOP_WORDS = frozenset(
    words(
        "a an the and or but of to in on at by for from with as is are was were be been being has"
        " have had his her their its he she it they this that these those there then while who"
    )
)
ALIKE = 0.5
"""Share of content words (F1) from which two events count as the same."""


def split(text: str) -> list[str]:
    """The events of a text in order, by rule: its sentences, and what "then" divides."""
    parts = re.split(r"[.;!?]+|,?\s*\b(?:and\s+)?then\b", text, flags=re.IGNORECASE)
    return [part.strip() for part in parts if content(part)]


def content(text: str) -> frozenset[str]:
    """Stems of the words that say something."""
    return frozenset(porter(word) for word in words(text) if word not in STOP_WORDS)


def alike(candidate: str, reference: str) -> bool:
    """Whether two events share enough content words, by rule."""
    own, other = content(candidate), content(reference)
    return bool(own & other) and 2 * len(own & other) >= ALIKE * (len(own) + len(other))


def auto_dq(candidate: Sequence[str], reference: Sequence[str], entails: Entails = alike) -> float:
    """AutoDQ: F1 of events in any order, 0 to 1, higher is better.

    candidate, reference: events, as from :func:`split`. Precision is the share of the candidate's
    events that some event of the reference matches, recall the other way round. An empty candidate
    scores 0. Raises ValueError for a reference without events.
    """
    matches = _matches(candidate, reference, entails)
    return _f1(matches.any(axis=1).sum(), matches.any(axis=0).sum(), matches.shape)


def temporal_event_matching(
    candidate: Sequence[str], reference: Sequence[str], entails: Entails = alike
) -> float:
    """TEM: F1 of the longest run of matching events in one order, 0 to 1, higher is better.

    As :func:`auto_dq`, with the longest common subsequence on both sides; never above it.
    """
    matches = _matches(candidate, reference, entails)
    common = _common(matches)
    return _f1(common, common, matches.shape)


def _matches(candidate: Sequence[str], reference: Sequence[str], entails: Entails) -> np.ndarray:
    if isinstance(candidate, str) or isinstance(reference, str):
        raise ValueError("events: a text instead of a list of events (split makes one)")
    if not len(reference):
        raise ValueError("reference: no events")
    pairs = [[entails(own, other) for other in reference] for own in candidate]
    return np.array(pairs, bool).reshape(len(candidate), len(reference))


def _common(matches: np.ndarray) -> int:
    """Length of the longest rising path of matches."""
    best = np.zeros(matches.shape[1] + 1, int)
    for row in matches:
        longer = np.maximum(best[1:], best[:-1] + row)
        best[1:] = np.maximum.accumulate(longer)
    return int(best[-1])


def _f1(of_candidate: int, of_reference: int, shape: tuple[int, ...]) -> float:
    precision, recall = of_candidate / max(1, shape[0]), of_reference / shape[1]
    return float(2 * precision * recall / (precision + recall)) if precision else 0.0
