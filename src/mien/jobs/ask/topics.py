"""What is said of each topic: sentences, and the evidence that they rest on.

A sentence says how a face looks, never what anybody feels.
"""

from collections.abc import Callable, Sequence

import numpy as np

from mien.face import ACTION_UNITS, EMOTIONS, TRAITS
from mien.jobs.ask.evidence import OUTPUT_OF, UNITS, Evidence, Person, Seen
from mien.jobs.ask.happenings import HAPPENINGS, Happening, asked_for, happened, of_emotion
from mien.jobs.ask.intents import Asked
from mien.jobs.ask.phrases import (
    average,
    missing,
    moment,
    partly,
    percent,
    span,
    sure,
    told_evidence,
)
from mien.world.action_units import INDEX, TABLE
from mien.world.captions import typical_units
from mien.world.words import (
    CONTACT,
    CONTRARY,
    CUE,
    ELSEWHERE,
    FRONTAL,
    Facts,
    adjectives,
    clause,
    counted,
    emotion_noun,
    listed,
    picture_side,
    pose_words,
)

Saying = tuple[list[str], list[Evidence]]

SHOWN = 5  # action units that are named
CLEAR = 0.5  # probability from which on an emotion, or something worn, is said to be there
MOSTLY = 0.5  # of the frames: told in fewer, nothing is said to be so mostly
BESIDE = 0.1  # share of the frames from which on another emotion is named
EYES = (43, 45)  # closure and blink, which have their own topics
GOOD, FAIR = 0.7, 0.4  # of quality
PLAIN = 0.15  # of valence
MOVED = 0.2  # of valence from beginning to end: less is no change
PARTS = ("beginning", "middle", "end")
WORN = {
    "glasses": "glasses", "beard": "a beard", "makeup": "make-up",
    "occluded": "something in front of a part of the face",
}  # fmt: skip
UNHEARD = "Whether anybody speaks is not known: what is heard is not listened to."


def people(seen: Seen, chosen: Sequence[Person], named: Callable[[Person], str]) -> Saying:
    """How many there are, where and when."""
    said = [f"{counted(len(chosen), 'face')} can be seen" if chosen else "no face can be seen"]
    evidence = []
    for person in chosen:
        x, size = average(person.column("x")), average(person.column("size"))
        where = f"about {size:.0f} pixels large, around x = {x:.0f}"
        when = ""
        start = end = share = None
        if seen.is_video:
            start, end = float(person.times[0]), float(person.times[-1])
            share = person.frames / max(seen.frames, 1)
            when = f", from {span(start, end)}, in {percent(share)} of the frames"
        said.append(f"{named(person)}: {where}{when}")
        evidence.append(
            Evidence("face", "a face", person.number, size, "pixels", start, end, share)
        )
    return said, evidence


def emotion(person: Person, who: str, asked: Asked, is_video: bool) -> Saying:
    """Which emotion a face looks like, how surely, and by which action units."""
    if asked.aspect != "state" and asked.emotions and is_video:
        said, evidence = [], []
        for name in asked.emotions:
            text, cited = happened(person, who, of_emotion(name), asked.aspect, is_video)
            said, evidence = [*said, text], [*evidence, *cited]
        return said, evidence
    if (absent := missing(person, "emotion", "the emotion that the face shows")) is not None:
        said, evidence = [f"{who}: {absent}"], []
        leading, where = "", np.ones(len(person.times), bool)
    else:
        shares = person.columns("emotion")
        known = np.isfinite(shares[:, 0])
        leaders = np.where(known, np.nan_to_num(shares).argmax(1), -1)
        index = int(np.bincount(leaders[known], minlength=len(EMOTIONS)).argmax())
        leading, where = EMOTIONS[index], leaders == index
        said, evidence = _leading(person, who, leaders, index, is_video)
        for name in asked.emotions:
            if name != leading:
                text, cited = _named(person, who, name, is_video)
                said, evidence = [*said, text], [*evidence, cited]
    text, cited = _signs(person, who, where, leading, is_video)
    said, evidence = [*said, *text], [*evidence, *cited]
    text, cited = _affect(person, who)
    return [*said, *text], [*evidence, *cited]


def _leading(person: Person, who: str, leaders: np.ndarray, index: int, is_video: bool) -> Saying:
    """The emotion that most often has the highest probability, and others."""
    name, shares = EMOTIONS[index], person.columns("emotion")
    mean = average(shares[leaders == index, index])
    word, noun = adjectives(name)[0], emotion_noun(name)
    if mean < CLEAR:
        look = f"{who} shows no emotion clearly; nearest is {noun}"
    else:
        mostly = "mostly " * (is_video and person.told("emotion") >= MOSTLY)
        look = f"{who} {mostly}looks {word}"
    if not is_video:
        text = f"{look} ({name} {percent(mean)}{sure(person, 'emotion')})"
        return [text], [told_evidence(person, name, noun, mean, "of 1")]
    known = leaders >= 0
    share = float((leaders[known] == index).mean())
    apex = int(np.nanargmax(shares[:, index]))
    at = float(person.times[apex])
    text = (
        f"{look}: {name} leads in {percent(share)} of the frames in which an emotion could be "
        f"told, at {percent(mean)} there on average, most at {moment(at)} "
        f"({percent(shares[apex, index])}{sure(person, 'emotion')})"
    )
    said = [text + partly(person, "emotion")]
    if person.told("emotion") < MOSTLY:
        said.append("in most frames it is not sure enough which emotion the face shows")
    evidence = [told_evidence(person, name, noun, shares[apex, index], "of 1", at, at)]
    for other in np.argsort(-np.bincount(leaders[known], minlength=len(EMOTIONS))):
        part = float((leaders[known] == other).mean())
        if other != index and part >= BESIDE:
            times = person.times[leaders == other]
            start, end = float(times[0]), float(times[-1])
            rest = emotion_noun(EMOTIONS[other])
            said.append(f"at other times, first {moment(start)}, last {moment(end)}, {rest} leads "
                        f"({percent(part)} of the frames)")  # fmt: skip
            mean = average(shares[leaders == other, other])
            evidence.append(told_evidence(person, EMOTIONS[other], rest, mean, "of 1", start, end))
    return said, evidence


def _named(person: Person, who: str, name: str, is_video: bool) -> tuple[str, Evidence]:
    """An emotion that was asked for and does not lead."""
    values, noun = person.column(name), emotion_noun(name)
    apex = int(np.nanargmax(values))
    mean, peak = average(values), float(values[apex])
    verdict = "shows some" if peak >= CLEAR else "shows little" if peak >= BESIDE else "shows no"
    kind = "neutral look" if name == "neutral" else name
    if not is_video:
        return f"{who} {verdict} {kind} ({percent(mean)})", told_evidence(
            person, name, noun, mean, "of 1"
        )
    at = float(person.times[apex])
    text = f"{who} {verdict} {kind} ({percent(mean)} on average, {percent(peak)} at {moment(at)})"
    return text, told_evidence(person, name, noun, peak, "of 1", at, at)


def _signs(person: Person, who: str, where: np.ndarray, name: str, is_video: bool) -> Saying:
    """The strongest action units of some frames: those of an emotion, then the others."""
    if (absent := missing(person, "action_units", "which action units move it")) is not None:
        return [f"{who}: {absent}"], []
    table = person.columns("action_units")[where]
    times = person.times[where]
    if not np.isfinite(table[:, 0]).any():
        return [f"{who}: action units were not told in those frames"], []
    means = np.array([average(column) for column in table.T])
    units = _strongest(means)
    expected = typical_units(name)
    evidence = []
    clauses: dict[bool, list[str]] = {True: [], False: []}
    for unit in units:
        column = ACTION_UNITS.index(unit)
        apex = int(np.nanargmax(table[:, column]))
        mean, peak, at = float(means[column]), float(table[apex, column]), float(times[apex])
        title = TABLE[INDEX[unit]].name
        most = f", most {peak:.1f} at {moment(at)}" if is_video else ""
        words = f"{clause(unit, mean)} (AU{unit} {title}, {mean:.1f} of 5{most})"
        clauses[unit in expected].append(words)
        moments = (at, at) if is_video else (None, None)
        evidence.append(
            told_evidence(person, UNITS[column], title, peak if is_video else mean, "of 5",
                          *moments)
        )  # fmt: skip
    said = []
    note = sure(person, "action_units") + partly(person, "action_units")
    if clauses[True]:
        said.append(f"signs of it{note}: {listed(clauses[True])}")
    elif name and name != "neutral":
        said.append(f"no action unit of {name} is plain to see{note}")
    elif not units:
        said.append(f"no action unit is more than a trace{note}")
    if clauses[False]:
        said.append(f"{'besides' if said else f'what moves{note}'}: {listed(clauses[False])}")
    return said, evidence


def _strongest(intensities: np.ndarray) -> list[int]:
    """Numbers of units from a cue on, strongest first; of two contrary ones the stronger."""
    order = np.argsort(-np.nan_to_num(intensities))
    units = [ACTION_UNITS[i] for i in order if intensities[i] >= CUE]
    units = [unit for unit in units if unit not in EYES]
    for pair in CONTRARY:
        if set(pair) <= set(units):
            units.remove(max(pair, key=units.index))
    return units[:SHOWN]


def _affect(person: Person, who: str) -> Saying:
    valence, arousal = average(person.column("valence")), average(person.column("arousal"))
    if not np.isfinite(valence + arousal):
        return [], []
    mood = "pleasant" if valence > PLAIN else "unpleasant" if valence < -PLAIN else "neutral"
    text = (
        f"on scales from -1 to 1 the look of the face is {mood} (valence {valence:.2f}, arousal "
        f"{arousal:.2f}{sure(person, 'affect')})"
    )
    return [text], [
        told_evidence(person, "valence", "valence", valence, "of -1 to 1"),
        told_evidence(person, "arousal", "arousal", arousal, "of -1 to 1"),
    ]


def units(person: Person, who: str, asked: Asked, is_video: bool) -> Saying:
    """Action units: those that are asked for, otherwise the strongest."""
    if not asked.units:
        return _signs(person, who, np.ones(len(person.times), bool), "", is_video)
    said, evidence = [], []
    for number in asked.units:
        if number not in ACTION_UNITS:
            said.append(f"AU{number} is not among the action units that are measured")
    for what in asked_for((), Asked((), units=asked.units)):
        text, cited = happened(person, who, what, asked.aspect, is_video)
        said, evidence = [*said, text], [*evidence, *cited]
    return said, evidence


def gaze(person: Person, who: str, asked: Asked, is_video: bool) -> Saying:
    """Where the eyes look; in a video when they look towards the camera, too."""
    if (absent := missing(person, "gaze", "where the eyes look")) is not None:
        return [f"{who}: {absent}"], []
    yaw, pitch = average(person.column("gaze_yaw")), average(person.column("gaze_pitch"))
    away = person.column("away")
    if not np.isfinite(yaw):
        return [f"{who}: where the eyes look is not known, for the head's pose is not"], []
    figures = f"yaw {yaw:.0f}, pitch {pitch:.0f} degrees from the camera's axis"
    on_average = "on average " * is_video
    text = f"{who} {on_average}looks {_way(yaw, pitch)} ({figures}{sure(person, 'gaze')})"
    evidence = [
        told_evidence(person, "gaze_yaw", "gaze, to the right of the picture", yaw, "degrees"),
        told_evidence(person, "gaze_pitch", "gaze, upwards", pitch, "degrees"),
    ]
    if not is_video:
        return [text], evidence
    share = float((away[np.isfinite(away)] <= CONTACT).mean())
    text += f"; towards the camera in {percent(share)} of the frames" + partly(person, "gaze")
    more, cited = happened(person, who, HAPPENINGS["gaze"], asked.aspect, is_video)
    return [text, more], [*evidence, *cited]


def _way(yaw: float, pitch: float) -> str:
    if np.hypot(yaw, pitch) <= CONTACT:
        return "towards the camera"
    if np.hypot(yaw, pitch) < ELSEWHERE:
        return "close to the camera"
    ways = [f"to the {picture_side(yaw)} of the picture"] if abs(yaw) >= FRONTAL else []
    if abs(pitch) >= FRONTAL:
        ways.append("up" if pitch > 0 else "down")
    return listed(ways) or "past the camera"


def pose(person: Person, who: str, asked: Asked, is_video: bool) -> Saying:
    """How the head is turned; in a video how far it turns, and when."""
    yaw, pitch, roll = (average(person.column(name)) for name in ("yaw", "pitch", "roll"))
    if not np.isfinite(yaw):
        return [f"{who}: how the head is turned is not known"], []
    facts = Facts(yaw=yaw, pitch=pitch, roll=roll)
    words = listed(pose_words(facts, np.random.default_rng(0))) or "nearly straight"
    figures = f"yaw {yaw:.0f}, pitch {pitch:.0f}, roll {roll:.0f} degrees"
    text = f"{who}: the head is {'on average ' * is_video}{words} ({figures})"
    evidence = [
        told_evidence(person, name, f"{name} of the head", value, "degrees")
        for name, value in (("yaw", yaw), ("pitch", pitch), ("roll", roll))
    ]
    if not is_video:
        return [text], evidence
    low, high = np.nanmin(person.column("yaw")), np.nanmax(person.column("yaw"))
    text += f"; its yaw goes from {low:.0f} to {high:.0f}"
    more, cited = happened(person, who, HAPPENINGS["pose"], asked.aspect, is_video)
    return [text, more], [*evidence, *cited]


def mouth(person: Person, who: str, asked: Asked, is_video: bool) -> Saying:
    """Whether the mouth is open."""
    text, evidence = happened(person, who, HAPPENINGS["mouth"], asked.aspect, is_video)
    return [text], evidence


def quality(person: Person, who: str, asked: Asked, is_video: bool) -> Saying:
    """How much of a face's detail is left."""
    if (absent := missing(person, "quality", "how well the face is seen")) is not None:
        return [f"{who}: {absent}"], []
    values = person.column("quality")
    mean, size = average(values), average(person.column("size"))
    word = "well" if mean >= GOOD else "fairly well" if mean >= FAIR else "badly"
    text = (
        f"{who} is seen {word} (quality {mean:.2f} of 1{sure(person, 'quality')}; the face is about"
        f" {size:.0f} pixels large)"
    )
    evidence = [told_evidence(person, "quality", "quality", mean, "of 1")]
    if is_video:
        worst = int(np.nanargmin(values))
        at = float(person.times[worst])
        text += f", worst at {moment(at)} ({values[worst]:.2f})"
        evidence.append(
            told_evidence(person, "quality", "lowest quality", values[worst], "of 1", at, at)
        )
    return [text], evidence


def worn(person: Person, who: str, asked: Asked, is_video: bool) -> Saying:
    """Glasses, beard, make-up, and what covers a face."""
    if (absent := missing(person, "traits", "what the face wears")) is not None:
        return [f"{who}: {absent}"], []
    there, absent_ones, evidence = [], [], []
    for trait, words in WORN.items():
        assert trait in TRAITS
        value = average(person.column(f"has_{trait}"))
        (there if value >= CLEAR else absent_ones).append(f"{words} ({percent(value)})")
        evidence.append(told_evidence(person, f"has_{trait}", words, value, "of 1"))
    parts = [f"{listed(there)} can be seen"] if there else []
    parts += [f"nothing is seen of {listed(absent_ones, 'or')}"] if absent_ones else []
    said = f"{who}: {'; '.join(parts)}"
    return [said + sure(person, "traits") + partly(person, "traits")], evidence


def change(person: Person, who: str, asked: Asked, is_video: bool) -> Saying:
    """Beginning, middle and end of a video, side by side."""
    if not is_video or len(person.times) < len(PARTS):
        return [f"{who}: one moment is seen, so nothing can be said of changes"], []
    absent = [missing(person, name, f"the {name}") for name in ("emotion", "affect")]
    if None not in absent:
        return [f"{who}: {text}" for text in absent if text], []
    edges = np.linspace(person.times[0], person.times[-1], len(PARTS) + 1)
    said, evidence, valences = [], [], []
    for name, start, end in zip(PARTS, edges[:-1], edges[1:], strict=True):
        part = person.within(float(start), float(end))
        text, cited = _part(part, float(start), float(end))
        said.append(f"{who}, {name} ({span(start, end)}): {text}")
        evidence += cited
        valences.append(average(part.column("valence")))
    moved = valences[-1] - valences[0]
    if np.isfinite(moved):
        way = "more pleasant" if moved > 0 else "less pleasant"
        kept = "hardly changes" if abs(moved) < MOVED else f"becomes {way}"
        said.append(
            f"from beginning to end the look of the face {kept} (valence {valences[0]:.2f} to "
            f"{valences[-1]:.2f})"
        )
    return said, evidence


def _part(part: Person, start: float, end: float) -> tuple[str, list[Evidence]]:
    shares, valence = part.columns("emotion"), average(part.column("valence"))
    words, evidence = [], []
    if np.isfinite(shares).any():
        means = np.nanmean(shares, axis=0)
        name = EMOTIONS[int(means.argmax())]
        words.append(f"{emotion_noun(name)} leads ({percent(means.max())})")
        evidence.append(told_evidence(part, name, emotion_noun(name), means.max(), "of 1",
                                      start, end))  # fmt: skip
    if np.isfinite(valence):
        words.append(f"valence {valence:.2f}")
        evidence.append(told_evidence(part, "valence", "valence", valence, "of -1 to 1",
                                      start, end))  # fmt: skip
    return listed(words) or "neither emotion nor valence could be told", evidence


def compare(chosen: Sequence[Person], named: Callable[[Person], str], asked: Asked) -> Saying:
    """Who has most of what is asked for; of all emotions where nothing is."""
    if len(chosen) < 2:
        return ["one face alone is looked at, so there is nobody to compare with"], []
    wanted = asked_for(
        [t for t in asked.topics if t in ("smile", "closed", "mouth", "pose")], asked
    )
    wanted = wanted or [of_emotion(name) for name in EMOTIONS if name != "neutral"]
    said, evidence = [], []
    for what in wanted:
        text, cited = _ranked(chosen, named, what)
        said, evidence = [*said, text], [*evidence, *cited]
    return said, evidence


def _ranked(
    chosen: Sequence[Person], named: Callable[[Person], str], what: Happening
) -> tuple[str, list[Evidence]]:
    told = [(average(what.curve(person)), person) for person in chosen]
    ranked = sorted(
        ((value, person) for value, person in told if np.isfinite(value)), key=lambda one: -one[0]
    )
    silent = [named(person) for value, person in told if not np.isfinite(value)]
    each = [f"{named(person)} {what.value(value)}" for value, person in ranked]
    text = f"{what.column}, average, most first: {', '.join(each) if each else 'nothing is told'}"
    if silent:
        text += f"; not told of {listed(silent)}"
    return text, [
        told_evidence(
            person, what.column, f"average of {what.column}", what.sign * value, what.unit
        )
        for value, person in ranked
    ]


def outputs_of(evidence: Sequence[Evidence]) -> list[str]:
    """Which outputs of mien-base evidence is from."""
    found = [OUTPUT_OF[one.what] for one in evidence if one.what in OUTPUT_OF]
    return list(dict.fromkeys(found))


PER_PERSON: dict[str, Callable[[Person, str, Asked, bool], Saying]] = {
    "change": change, "gaze": gaze, "mouth": mouth, "pose": pose, "quality": quality,
    "worn": worn, "units": units, "emotion": emotion,
}  # fmt: skip
