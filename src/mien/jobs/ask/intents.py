"""What a question asks for, by a small set of patterns that anybody can read."""

import re
from dataclasses import dataclass
from typing import Literal

Aspect = Literal["state", "when", "count", "longest", "peak"]

EMOTION_STEMS = {
    "neutral": r"neutral\w*",
    "happiness": r"happ(?:y|i)\w*|joy\w*|cheerful\w*|pleased|delighted",
    "sadness": r"sad\w*|unhappy|unhappi\w*|gloomy|downcast",
    "surprise": r"surpris\w*|astonish\w*|amaze\w*",
    "fear": r"fear\w*|afraid|scared|anxious|frighten\w*|terrif\w*",
    "disgust": r"disgust\w*|repelled",
    "anger": r"ang(?:er|ry|ri)\w*|furious|annoy\w*",
    "contempt": r"contempt\w*|scorn\w*|disdain\w*",
}
"""Words of a question that mean one of ``mien.face.EMOTIONS``."""

PARTS = {
    r"(?:eye)?brows?|frown\w*": (1, 2, 4),
    r"nose": (9,),
    r"cheeks?": (6,),
    r"chin": (17,),
    r"lip corners?": (12, 14, 15),
    r"(?:eye)?lids?": (5, 7),
}
"""Words for parts of a face, and the action units that move them."""

_WHO = r"(?:people|persons?|faces?|men|women|somebody|someone|anybody|anyone)"
_LOOK = r"(?:look|gaz|star|glanc)(?:s|es|e|ing|ed)?"

TOPICS: dict[str, tuple[str, str]] = {
    "compare": (
        "how people differ",
        r"compar\w+|differ\w*|who\b(?=.*\b(?:most|more|less|least|longest|\w+i?est|\w+ier)\b)"
        r"|which (?:person|one|of them|face)\b|more than (?:the|person)|both of them",
    ),
    "people": (
        "how many people there are",
        rf"how many {_WHO}|who (?:is|are|was|were|appears?|can)\b"
        rf"|(?:is|are) there (?:an?y?|some) ?{_WHO}"
        rf"|(?:is|are) (?:anybody|anyone|somebody|someone)\b|how many are (?:there|in)",
    ),
    "change": (
        "what changes over time",
        r"chang\w+|over (?:the )?time|develop\w*|evolv\w*|in the course|from (?:the )?beginning"
        r"|trend|throughout",
    ),
    "gaze": (
        "where they look",
        rf"where\b[^,;]*\b{_LOOK}\b|{_LOOK} (?:straight |directly )?(?:at|to|towards?|into|up|down"
        r"|left|right|away|past|aside|here)\b|gaze|eye contact",
    ),
    "smile": ("smiles", r"smil\w+|grin\w*"),
    "blink": ("blinks", r"blink\w*"),
    "closed": (
        "closed eyes",
        r"eyes?\b.{0,20}?\b(?:closed?|closing|shut|open)|clos\w+ (?:her|his|their|the|both) eyes?"
        r"|(?:closed|shut|open) eyes?",
    ),
    "mouth": ("the mouth", r"speak\w*|spoke|talk\w*|say(?:s|ing)?|mouth\w*|yawn\w*|jaws?"),
    "pose": (
        "how the head is turned",
        r"heads?\b|turn(?:s|ed|ing)?\b|tilt\w*|nod\w*"
        r"|fac(?:ing|es) (?:the|away|towards?|left|right)|poses?\b|in profile|frontal",
    ),
    "quality": (
        "how well a face is seen",
        r"quality|sharp\w*|blur\w*|resolution|(?:clearly|well) (?:seen|visible)",
    ),
    "worn": (
        "glasses, beard, make-up and what covers a face",
        r"glasses|beards?|bearded|make-?up|wear\w*|cover\w*|hidden|occlu\w*",
    ),
    "units": (
        "action units",
        rf"action units?|\bau ?\d+|facs|muscles?|{'|'.join(PARTS)}",
    ),
    "emotion": (
        "which emotion they look like, and why",
        rf"feel\w*|felt|emotion\w*|moods?|expression\w*|looks?\b|seems?|appears?"
        rf"|{'|'.join(EMOTION_STEMS.values())}",
    ),
}  # fmt: skip
"""What a topic is called, and the words that mean it; a topic's words are gone for those below."""

NEVER: dict[str, str] = {
    r"l(?:y|ie|ies|ied)(?:ing)?\b|lies\b|honest\w*|deceiv\w*|decept\w*|truth\w*|sincer\w*|guilt\w*":
        "whether somebody tells the truth",
    r"think\w*|thought\w*|intend\w*|intention\w*|want(?:s|ed|ing)?\b|believ\w*|remember\w*":
        "what somebody thinks or wants",
    r"attractive\w*|beaut\w*|pretty|ugly|handsome": "how beautiful somebody is",
    r"intelligen\w*|smart|stupid|personality|trustworth\w*|character": "what somebody is like",
    r"\bill\b|\bsick|health\w*|depress\w*|pain(?!t)\w*|drunk|tired\w*|autis\w*|diagnos\w*":
        "how somebody's health is",
    r"name\b|called|identity|famous|celebrity": "who somebody is: nobody is identified",
    r"how old|\bage\b|male|female|gender|\bsex\b|race\b|ethnic\w*|nationalit\w*|religio\w*|gay":
        "age, gender or origin: these are guesses, and `mien analyze --attributes` says so",
    r"words?\b|transcri\w*|laugh\w*|voices?\b": "what is heard: only pictures are looked at",
}  # fmt: skip
"""What is not answered, whatever else a question asks, and in which words it is declined."""

ASPECTS: dict[Aspect, str] = {
    "longest": r"longest|how long",
    "count": r"how (?:many times|often)|how many (?:smiles|blinks|times)|frequen\w+|number of",
    "peak": r"most\b|peak\w*|strongest|maximum|highest|\w+iest\b",
    "when": r"when\b|what time|(?:which|what) (?:time|moment|second)|how (?:early|late)",
}
"""What is asked of something that happens, in this order; otherwise its state."""

_SECONDS = r"(\d+(?:\.\d+)?) ?s(?:ec\w*)?\b"
_NUMBER = r"(\d+(?:\.\d+)?)(?: ?s(?:ec\w*)?)?"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as it was understood.

    topics: of ``TOPICS``, in that order; empty where it was not. emotions: of
    ``mien.face.EMOTIONS``, that are named. units: action units that are named, or of named parts.
    aspect: what of it. why: whether reasons are asked for. person: its number, "left" or "right";
    None for everybody. window: from and to, moment: at, in seconds. never: what is not answered.
    """

    topics: tuple[str, ...]
    emotions: tuple[str, ...] = ()
    units: tuple[int, ...] = ()
    aspect: Aspect = "state"
    why: bool = False
    person: int | Literal["left", "right"] | None = None
    window: tuple[float, float] | None = None
    moment: float | None = None
    never: tuple[str, ...] = ()


def understand(question: str) -> Asked:
    """What a question in English asks for."""
    text = " ".join(question.lower().split())
    whose, text = _person(text)
    window, text = _window(text)
    moment, text = _moment(text)
    topics, rest = [], text
    for topic, (_, pattern) in TOPICS.items():
        found = re.compile(rf"\b(?:{pattern})")
        if found.search(rest):
            topics.append(topic)
            rest = found.sub(" ", rest)
    return Asked(
        topics=tuple(topics),
        emotions=tuple(e for e, stem in EMOTION_STEMS.items() if _has(stem, text)),
        units=_units(text),
        aspect=_aspect(text),
        why=_has(r"why|reasons?|evidence|signs?|cues?|how (?:can|do) you (?:know|tell)", text),
        person=whose,
        window=window,
        moment=moment,
        never=tuple(what for words, what in NEVER.items() if _has(words, text)),
    )


def _aspect(text: str) -> Aspect:
    for aspect, words in ASPECTS.items():
        if _has(words, text):
            return aspect
    return "state"


def _has(pattern: str, text: str) -> bool:
    return re.search(rf"\b(?:{pattern})", text) is not None


def _person(text: str) -> tuple[int | Literal["left", "right"] | None, str]:
    """Whom a question is about, and the rest of it."""
    if found := re.search(r"\b(?:person|face|track|number) ?#?(\d{1,6})\b", text):
        return int(found[1]), text.replace(found[0], " ", 1)
    one = r"(?:person|face|one|man|woman|guy|girl|boy|lady|kid|child)"
    for side in ("left", "right"):
        pattern = rf"\b{side}(?:most|-hand)? {one}\b|\b{one} (?:on|at|to) the {side}\b"
        if found := re.search(pattern, text):
            return side, text.replace(found[0], " ", 1)
    return None, text


def _window(text: str) -> tuple[tuple[float, float] | None, str]:
    """The seconds that a question is about, and the rest of it."""
    if found := re.search(rf"\b(?:between|from) {_NUMBER} (?:and|to|until) {_SECONDS}", text):
        start, end = sorted((float(found[1]), float(found[2])))
        return (start, end), text.replace(found[0], " ", 1)
    if found := re.search(rf"\bfirst {_SECONDS}", text):
        return (0.0, float(found[1])), text.replace(found[0], " ", 1)
    return None, text


def _moment(text: str) -> tuple[float | None, str]:
    """The second that a question is about, and the rest of it."""
    if found := re.search(rf"\b(?:at|around) {_SECONDS}|\bat second (\d+(?:\.\d+)?)\b", text):
        return float(found[1] or found[2]), text.replace(found[0], " ", 1)
    return None, text


def _units(text: str) -> tuple[int, ...]:
    named = [int(number) for number in re.findall(r"\bau ?(\d{1,2})\b", text)]
    of_parts = [n for words, units in PARTS.items() if _has(words, text) for n in units]
    return tuple(dict.fromkeys([*named, *of_parts]))
