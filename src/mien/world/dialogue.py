"""Talk that fits an emotion: conversations with an empathetic listener, and lines to be spoken.

    conversation("sadness", rng).turns
    line("anger", rng, "de")          # a sentence for mien.world.speech.speak

A conversation begins with a situation and how it feels, as those of EmpatheticDialogues (Rashkin et
al. 2019) do. The listener's strategies carry labels, a part of the intents of Welivita and Pu
(2020), and each reply comes with the chain of thought that Nano-EmoX asks for (Huang et al. 2026):
what happened, the feeling, its cause, and the goal of the reply. All is made by templates: it is
varied and consistent, and it is not how people really talk.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from mien.errors import InputError
from mien.world.emotions import EMOTIONS, NAMES
from mien.world.words import Facts, adjectives, emotion_noun, expand, expansions, pick, sentence

Strategy = Literal["acknowledge", "ask", "encourage", "console"]
Speaker = Literal["user", "listener"]

FELT = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")
"""The emotions that have words of their own; a compound one speaks as one of its components."""

INTENSE = 3.5  # intensity from which on feelings are put strongly


@dataclass(frozen=True, slots=True)
class Thought:
    """What a listener considers before a reply: what happened, how it feels, why, and the goal."""

    event: str
    feeling: str
    cause: str
    goal: str


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side says.

    emotion: of ``FELT``, the speaker's; "" for the listener. strategies: of the listener's
    sentences, in order. thought: the listener's, None for the user.
    """

    speaker: Speaker
    text: str
    emotion: str = ""
    strategies: tuple[Strategy, ...] = ()
    thought: Thought | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """Turns of user and listener about one situation.

    emotion: of ``FELT``. intensity: 0..5. situation: a sentence of the user's. about: the same, as
    the listener calls it.
    """

    emotion: str
    intensity: float
    situation: str
    about: str
    turns: tuple[Turn, ...]


# -- situations ------------------------------------------------------------------------------------

# What the user says | what the listener calls it. A slot has one value in both.
_SITUATIONS: Mapping[str, tuple[str, ...]] = {
    "neutral": (
        "I have {errand} this afternoon|your {errand}",
        "I am on my way to {place}|your way to {place}",
        "I moved the {thing} to the other room|moving the {thing}",
        "I had {meal} for lunch|having {meal} for lunch",
        "I am reading a book about {topic}|your book about {topic}",
        "the bus was on time today|your bus being on time",
        "I have to pick up {kin} from {place}|picking up {kin2}",
        "I wrote a list for the weekend|your list",
        "I changed the batteries of the {thing}|changing the batteries",
        "I watched a film about {topic}|your film about {topic}",
    ),
    "happiness": (
        "I passed my {test} after all|passing your {test}",
        "I got the {job} that I applied for|getting the {job}",
        "{kin} is coming home after {years} abroad|the homecoming of {kin2}",
        "I finished my first {race}|finishing your first {race}",
        "my {pet} is well again after the operation|the recovery of your {pet}",
        "we are expecting a baby in {season}|the baby that you are expecting",
        "I was allowed to hold my newborn {small} today|holding your newborn {small}",
        "{friend} asked me to be a witness at the wedding|being asked to be a witness",
        "my first {work} was published|the publication of your {work}",
        "we finally have the keys to our own {home}|your own {home}",
        "I spent the whole day with {kin} at {place2}|your day with {kin2}",
        "I have been healthy again for {years} now|being healthy again",
    ),
    "sadness": (
        "my {pet} died last night|the death of your {pet}",
        "I did not pass my {test}|not passing your {test}",
        "{friend} moved to another country|the move of {friend2}",
        "{kin} has been in hospital for {weeks}|the illness of {kin2}",
        "my {partner} and I have separated|your separation",
        "I lost the {keepsake} that my {elder} left me|losing the {keepsake}",
        "I was turned down for the {job}|being turned down for the {job}",
        "nobody remembered my {day}|your {day} being forgotten",
        "we have to sell the {home} in which I grew up|having to sell the {home}",
        "I could not be there when my {elder} died|losing your {elder}",
        "I ate alone again on the {day2}|being alone on the {day2}",
        "I had to stop {hobby} because of my knee|having to stop {hobby}",
    ),
    "surprise": (
        "{kin} stood at my door without a word of warning|the visit of {kin2}",
        "I found {money} in an old coat|the {money} in your coat",
        "my boss gave me the whole {week} off|having the {week} off",
        "I met {friend} at {place3}, of all places|meeting {friend2} at {place3}",
        "my {pet} opened the fridge on its own|what your {pet} can do",
        "there is a {animal} in my garden|the {animal} in your garden",
        "it snowed here in {month}|snow in {month}",
        "I won a {prize} although I never win anything|winning a {prize}",
        "{friend} told me of a twin I had never heard of|the twin of {friend2}",
        "they threw a party for my {day}, and I had no idea|the party for your {day}",
        "a letter from {years} ago arrived today|the letter from {years} ago",
        "I was called on to speak before {crowd} people|speaking before {crowd} people",
    ),
    "fear": (
        "I have to {ordeal} tomorrow|having to {ordeal}",
        "somebody was following me on the way home from {place}|being followed",
        "I am waiting for the results of my {scan}|the results of your {scan}",
        "I heard steps {where} while I was alone|the steps {where}",
        "I might lose my {job2}|maybe losing your {job2}",
        "the plane dropped so hard that {kin} screamed|that flight",
        "a big {dog} ran at me in the park|the {dog} in the park",
        "{kin} has not answered the phone for {days}|not hearing from {kin2}",
        "the water in our street is rising by the {hour}|the rising water",
        "I was stuck in a lift for {hours}|being stuck in a lift",
        "there was an earthquake while I was {asleep}|the earthquake",
        "the brakes of my {car} failed on a hill|the brakes failing",
    ),
    "disgust": (
        "I found a {bug} in my {food}|the {bug} in your {food}",
        "the {room} at work smells of rotten {food2}|the smell in the {room}",
        "somebody spat on the {floor} right beside me|somebody spitting beside you",
        "I stepped into {filth} with bare feet|stepping into {filth}",
        "the milk in my {drink} had gone off|the milk in your {drink}",
        "there is mould all over the {food}|the mould on the {food}",
        "a stranger clipped {nails} on the {train}|what you saw on the {train}",
        "our {drain} is blocked and everything comes back up|your blocked {drain}",
        "I bit into an apple with half a maggot in it|biting into that apple",
        "the hotel bed was full of {dirt}|the {dirt} in your bed",
        "I had to clean up after {sick}|cleaning up after {sick2}",
    ),
    "anger": (
        "somebody scratched my {car} and drove off|the scratches on your {car}",
        "my {boss} took the credit for my work|your {boss} taking the credit",
        "the airline lost my {bag} and does not reply|the airline losing your {bag}",
        "{friend} told everybody my secret|{friend2} giving away your secret",
        "the neighbours have been drilling since {hour2}|the drilling of your neighbours",
        "I was charged {money2} for something I never ordered|being charged for nothing",
        "they cancelled my {appointment} for the third time|the cancelled {appointment}",
        "somebody stole the {bike} in front of my house|the theft of your {bike}",
        "I was blamed for a mistake of my {boss}|being blamed for that mistake",
        "{kin} lied to me about the money|the lie of {kin2}",
        "they interrupted me all through the {meeting}|being interrupted in the {meeting}",
    ),
    "contempt": (
        "a {boss} of mine boasted of {cheat}|your {boss} boasting of {cheat}",
        "the man on {media} sold {junk} as a cure|selling {junk} as a cure",
        "somebody jumped the queue at {place} and grinned|the queue at {place}",
        "a guest was rude to the {waiter} to look important|the rudeness to the {waiter}",
        "they promised {promise} and did nothing, as always|the promise of {promise}",
        "he copied my {work2} and called it his own|the copying of your {work2}",
        "she laughs at people who {honest}|her laughing at people who {honest}",
        "he blamed the {weak} for his own mistake|his blaming the {weak}",
        "the {chief} thanked only himself in the speech|the speech of the {chief}",
        "they filmed somebody who needed help instead of helping|their filming instead of helping",
        "he apologised only because {media} reported it|his late apology",
    ),
}

_SLOTS: Mapping[str, tuple[str, ...]] = {
    "errand": ("a dentist's appointment", "a parcel to collect", "some ironing to do",
               "a meeting about the schedule"),
    "place": ("the station", "the library", "the supermarket", "the post office"),
    "place2": ("the lake", "the zoo", "the seaside"),
    "place3": ("the airport", "a petrol station", "the swimming pool"),
    "thing": ("clock", "lamp", "radio"),
    "meal": ("soup", "a sandwich", "rice with vegetables"),
    "topic": ("bridges", "the history of paper", "birds"),
    "test": ("driving test", "final exam", "language exam"),
    "job": ("job", "place at university", "apprenticeship"),
    "job2": ("job", "flat", "residence permit"),
    "years": ("two years", "three years", "five years"),
    "weeks": ("two weeks", "a month", "six weeks"),
    "days": ("two days", "three days", "a whole day"),
    "hours": ("an hour", "two hours", "three hours"),
    "hour": ("hour", "minute"),
    "hour2": ("six in the morning", "five in the morning", "midnight"),
    "race": ("marathon", "triathlon", "long-distance hike"),
    "pet": ("dog", "cat", "rabbit"),
    "season": ("spring", "summer", "autumn"),
    "small": ("grandchild", "niece", "nephew"),
    "work": ("novel", "song", "article"),
    "work2": ("essay", "design", "recipe"),
    "home": ("flat", "house"),
    "partner": ("partner", "husband", "wife"),
    "keepsake": ("ring", "watch", "letters"),
    "elder": ("grandmother", "grandfather", "aunt"),
    "day": ("birthday", "anniversary", "last day at work"),
    "day2": ("holiday", "weekend", "first day of the year"),
    "hobby": ("dancing", "running", "climbing"),
    "money": ("a hundred euros", "fifty pounds", "two hundred dollars"),
    "money2": ("ninety euros", "two hundred pounds", "three hundred dollars"),
    "week": ("week", "month", "summer"),
    "animal": ("deer", "peacock", "badger"),
    "month": ("May", "June", "September"),
    "prize": ("bicycle", "trip to the coast", "year of free coffee"),
    "crowd": ("a hundred", "three hundred", "two thousand"),
    "ordeal": ("have an operation", "testify in court", "speak in front of the whole school"),
    "scan": ("blood test", "scan", "biopsy"),
    "where": ("in the attic", "behind the house", "on the stairs"),
    "dog": ("dog", "boar", "bull"),
    "asleep": ("asleep", "in the shower", "on the tenth floor"),
    "car": ("car", "van", "motorbike"),
    "bug": ("maggot", "cockroach", "hair"),
    "food": ("salad", "soup", "bread"),
    "food2": ("fish", "eggs", "meat"),
    "room": ("kitchen", "fridge", "lift"),
    "floor": ("floor", "pavement", "stairs"),
    "filth": ("dog dirt", "slime", "vomit"),
    "drink": ("coffee", "tea", "cocoa"),
    "nails": ("their toenails", "their fingernails"),
    "train": ("train", "bus", "tram"),
    "drain": ("toilet", "sink", "shower"),
    "dirt": ("hair", "crumbs", "stains"),
    "boss": ("boss", "colleague", "teammate"),
    "bag": ("suitcase", "pram", "guitar"),
    "appointment": ("appointment", "flight", "delivery"),
    "bike": ("bicycle", "scooter", "trailer"),
    "meeting": ("meeting", "interview", "presentation"),
    "cheat": ("cheating on taxes", "never reading a contract", "bribing the inspector"),
    "media": ("television", "the radio", "the internet"),
    "junk": ("sugar water", "magnets", "salt"),
    "waiter": ("waiter", "cleaner", "driver"),
    "promise": ("better pay", "a new playground", "clean water"),
    "honest": ("tell the truth", "take the bus", "ask for help"),
    "weak": ("trainee", "cleaner", "new colleague"),
    "chief": ("director", "mayor", "chairman"),
}  # fmt: skip


def _own(*people: str) -> tuple[tuple[str, str], ...]:
    return tuple((f"my {who}", f"your {who}") for who in people)


# Slots that differ between the user's mouth and the listener's.
_PAIRS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "kin": _own("sister", "brother", "mother", "father", "daughter", "son", "cousin"),
    "friend": _own("best friend", "neighbour", "old teacher", "flatmate"),
    "sick": (
        ("my flatmate, who had been sick", "your flatmate"),
        ("a guest, who had been sick", "a guest"),
        ("the dog, which had been sick", "the dog"),
    ),
}


def situation(emotion: str, rng: np.random.Generator) -> tuple[str, str]:
    """What happened: as the user says it (a clause), and as the listener calls it.

    Raises InputError for an emotion that is not in ``FELT``.
    """
    frame = pick(_SITUATIONS[_felt(emotion)], rng)
    values: dict[str, str] = {}
    for name in re.findall(r"\{(\w+?)2?\}", frame):
        if name in _PAIRS and name not in values:
            values[name], values[f"{name}2"] = pick(_PAIRS[name], rng)
    for name in re.findall(r"\{(\w+)\}", frame):
        if name not in values:
            values[name] = pick(_SLOTS[name], rng)
    said, _, about = frame.format_map(values).partition("|")
    return said, about


def situation_count(emotion: str) -> int:
    """How many different situations there are for an emotion."""
    count = 0
    for frame in _SITUATIONS[_felt(emotion)]:
        names = set(re.findall(r"\{(\w+)\}", frame.partition("|")[0]))
        count += int(np.prod([len(_PAIRS.get(n) or _SLOTS[n]) for n in names], dtype=int))
    return count


# -- turns -----------------------------------------------------------------------------------------

# Openings go before the situation, feelings after it: mild, strong.
_OPENINGS: Mapping[str, tuple[str, ...]] = {
    "neutral": ("", "So,", "By the way,", "Just so you know,"),
    "happiness": ("Guess what:", "I have great news:", "You will like this:", ""),
    "sadness": ("It has been a hard day:", "I do not know how to say this:", "", "Well,"),
    "surprise": ("You will not believe this:", "Imagine:", "Wait until you hear this:", ""),
    "fear": ("I need to tell somebody:", "Please listen:", "", "I keep thinking of it:"),
    "disgust": ("Ugh:", "Do not eat while I tell you this:", "This is so nasty:", ""),
    "anger": ("I have had enough:", "Can you believe it?", "", "Listen to this:"),
    "contempt": ("Typical:", "Of course,", "What else did I expect?", ""),
}
_FEELINGS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "neutral": (
        ("It is nothing special.", "That is all for today.", "It is a normal day."),
        ("It is really nothing special.", "That is all there was.", "It is a day like any other."),
    ),
    "happiness": (
        ("That was nice.", "I feel good about it.", "It made my day."),
        ("I could dance with joy!", "I am so happy that I cannot stop smiling!",
         "I have not been this happy for years!"),
    ),
    "sadness": (
        ("I feel a bit low.", "It makes me sad.", "I am rather down today."),
        ("I cannot stop crying.", "It breaks my heart.", "I feel so empty."),
    ),
    "surprise": (
        ("I did not expect that.", "That was new to me.", "I had to look twice."),
        ("I was speechless!", "I still cannot believe it!", "My jaw dropped!"),
    ),
    "fear": (
        ("It worries me a little.", "I feel uneasy about it.", "I am nervous."),
        ("I am so scared.", "My hands will not stop shaking.", "I was frightened to death."),
    ),
    "disgust": (
        ("It was not nice.", "It put me off a bit.", "I would rather not think of it."),
        ("I nearly threw up.", "It was revolting!", "I still feel sick."),
    ),
    "anger": (
        ("It annoys me.", "That is not fair.", "I am a bit cross about it."),
        ("I am furious!", "I could scream!", "It makes my blood boil!"),
    ),
    "contempt": (
        ("I expected nothing else.", "I can only shrug.", "How petty."),
        ("I have no respect left.", "It is beneath contempt.", "How low can one sink?"),
    ),
}  # fmt: skip

_ACKNOWLEDGE: Mapping[str, tuple[str, ...]] = {
    "neutral": ("Thanks for telling me about {about}.", "I see, {about}.", "Good to know."),
    "happiness": ("How wonderful: {about}!", "I am so glad for you about {about}.",
                  "No wonder that {about} makes you {feel}!"),
    "sadness": ("I am so sorry about {about}.", "It is easy to understand that {about} makes you "
                "{feel}.", "{about}: that is hard to bear."),
    "surprise": ("What a surprise: {about}!", "Who would have expected {about}!",
                 "No wonder that {about} left you {feel}."),
    "fear": ("It is easy to understand that you are {feel} because of {about}.",
             "{about}: anybody would be afraid of that.", "That sounds frightening."),
    "disgust": ("Ugh, {about} would turn my stomach too.", "How unpleasant for you.",
                "It is easy to understand that {about} left you {feel}."),
    "anger": ("You have every reason to be {feel} about {about}.", "{about}: that is not right.",
              "I would not put up with that either."),
    "contempt": ("I can see why you think little of that.", "{about}: that is hard to respect.",
                 "It sounds as if this went against your values."),
}  # fmt: skip

# A question of the listener, and what the user may answer.
_ASK: Mapping[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "neutral": (
        ("What else is planned for today?", ("Not much, just dinner.", "A walk, maybe.")),
        ("And what comes after that?", ("Home, and then some rest.", "I have not decided yet.")),
    ),
    "happiness": (
        ("How will you celebrate?", ("With cake and all my friends!", "A quiet evening, I think.")),
        ("Who did you tell first?", ("My mother, of course!", "You are the first to know!")),
        ("What was the best moment?", ("The very beginning!", "When it became real to me.")),
    ),
    "sadness": (
        ("Is there somebody with you now?", ("No, but it helps to write to you.",
                                             "Yes, a friend is coming over.")),
        ("Do you want to tell me more about it?", ("Not yet. It is still too close.",
                                                   "It all happened so fast.")),
        ("How have you slept since?", ("Hardly at all.", "Badly, to be honest.")),
    ),
    "surprise": (
        ("What did you do then?", ("I just stood there.", "I laughed out loud.")),
        ("Did you have any idea beforehand?", ("None at all!", "Not the slightest!")),
    ),
    "fear": (
        ("What worries you most?", ("That I cannot do anything.", "Not knowing what comes next.")),
        ("How long have you felt like this?", ("Since this morning.", "All day long.")),
        ("Would it help to talk it through?", ("I think so.", "Yes, please.")),
    ),
    "disgust": (
        ("Are you feeling better now?", ("A little, after some fresh air.", "Not really.")),
        ("Did you tell anybody about it?", ("Yes, and they only shrugged.", "Not yet.")),
    ),
    "anger": (
        ("What would make it right?", ("An apology, for a start.", "I want them to admit it.")),
        ("Have you been able to say that to them?", ("No, I was too upset.",
                                                     "I tried, but they would not listen.")),
    ),
    "contempt": (
        ("What would you have done instead?", ("The decent thing.", "At least said sorry.")),
        ("Does it still concern you?", ("Less than it used to.", "I try to keep my distance.")),
    ),
}  # fmt: skip
_ENCOURAGE: Mapping[str, tuple[str, ...]] = {
    "neutral": ("Have a good day then.", "I hope that it all goes smoothly.", "Enjoy the day."),
    "happiness": ("I am truly happy for you.", "Enjoy it to the full!",
                  "I hope that many more days like this come."),
    "surprise": ("I would love to hear how it goes on.", "Keep that story, it is a good one.",
                 "Take your time to let it sink in."),
    "fear": ("You are not alone with this.", "One step at a time, you have come through hard days "
             "before.", "It takes courage to speak about it."),
    "sadness": ("Be kind to yourself today.", "Take all the time that you need.",
                "You do not have to go through it alone."),
    "disgust": ("It will pass, take a deep breath.", "You handled it well.",
                "Something fresh to drink may help."),
    "anger": ("You can stand up for yourself calmly and firmly.", "Write down what happened, that "
              "may help you later.", "You are right to take it seriously."),
    "contempt": ("It speaks for you that you hold on to what is right.",
                 "You can keep your own standards, whatever they do.",
                 "Maybe it is best to put your energy elsewhere."),
}  # fmt: skip
_CONSOLE = ("I am here and I am listening.", "Thank you for trusting me with this.",
            "What you feel makes sense.")  # fmt: skip
UNPLEASANT = ("sadness", "fear", "disgust", "anger", "contempt")
_GOALS: Mapping[Strategy, str] = {
    "acknowledge": "to show that the feeling is understood",
    "ask": "to learn more",
    "encourage": "to give strength for what comes",
    "console": "to be there",
}


def conversation(
    emotion: str, rng: np.random.Generator, intensity: float = 3.0, exchanges: int = 2
) -> Conversation:
    """A conversation of ``exchanges`` (1 or 2) turns of the user, with a reply to each.

    Args:
        emotion: any of ``mien.world.emotions.NAMES``; a compound one gives one of its components.
        intensity: 0..5, how strongly the user puts it.

    Raises InputError for an unknown emotion, an intensity outside 0..5 or other exchanges.
    """
    if not 0 <= intensity <= 5:
        raise InputError(f"intensity: {intensity} is not within 0..5")
    if exchanges not in (1, 2):
        raise InputError(f"exchanges: 1 or 2, not {exchanges}")
    felt = _component(emotion, rng)
    said, about = situation(felt, rng)
    feeling = pick(_FEELINGS[felt][int(intensity >= INTENSE)], rng)
    opening = pick(_OPENINGS[felt], rng)
    text = f"{opening} {said if not opening.endswith('?') else sentence(said)}"
    turns = [Turn("user", f"{sentence(text)} {feeling}", felt)]
    acknowledged = _acknowledged(felt, intensity, about, rng)
    thought = _thoughts(felt, intensity, said, about)
    question, answers = pick(_ASK[felt], rng)
    if exchanges == 1 and rng.random() < 0.5:
        encouraged = pick(_ENCOURAGE[felt], rng)
        turns.append(_reply([("acknowledge", acknowledged), ("encourage", encouraged)], thought))
        return Conversation(felt, intensity, sentence(said), about, tuple(turns))
    turns.append(_reply([("acknowledge", acknowledged), ("ask", question)], thought))
    if exchanges == 1:
        return Conversation(felt, intensity, sentence(said), about, tuple(turns))
    turns.append(Turn("user", pick(answers, rng), felt))
    closing: list[tuple[Strategy, str]] = [("encourage", pick(_ENCOURAGE[felt], rng))]
    if felt in UNPLEASANT:
        closing.insert(0, ("console", pick(_CONSOLE, rng)))
    turns.append(_reply(closing, thought))
    return Conversation(felt, intensity, sentence(said), about, tuple(turns))


def conversation_about(
    sample: Mapping[str, Any], rng: np.random.Generator, exchanges: int = 2
) -> Conversation:
    """A conversation in which the user feels as the face of a sample shows.

    Raises InputError for a sample without an emotion.
    """
    facts = Facts.of(sample)
    if not facts.emotion:
        raise InputError("emotion: the sample has none")
    strength = 3.0 if np.isnan(facts.intensity) else facts.intensity
    return conversation(facts.emotion, rng, strength, exchanges)


def _acknowledged(felt: str, intensity: float, about: str, rng: np.random.Generator) -> str:
    feel = pick(adjectives(felt, intensity), rng)
    return sentence(pick(_ACKNOWLEDGE[felt], rng).format(about=about, feel=feel))


def _thoughts(felt: str, intensity: float, said: str, about: str) -> Thought:
    """The chain of empathy, without its goal."""
    strong = "strong " if intensity >= INTENSE and felt != "neutral" else ""
    event = f'The user says: "{sentence(said)}"'
    noun = "no particular feeling" if felt == "neutral" else emotion_noun(felt)
    return Thought(event, f"{strong}{noun}", about, "")


def _reply(parts: Sequence[tuple[Strategy, str]], thought: Thought) -> Turn:
    strategies: tuple[Strategy, ...] = tuple(strategy for strategy, _ in parts)
    goal = " and ".join(_GOALS[strategy] for strategy in strategies)
    whole = Thought(thought.event, thought.feeling, thought.cause, goal)
    return Turn("listener", " ".join(text for _, text in parts), "", strategies, whole)


def _component(emotion: str, rng: np.random.Generator) -> str:
    if emotion not in NAMES:
        raise InputError(f"{emotion}: no such emotion; there are: {', '.join(NAMES)}")
    return emotion if emotion in FELT else pick(EMOTIONS[emotion].components, rng)


def _felt(emotion: str) -> str:
    if emotion not in FELT:
        raise InputError(f"{emotion}: no such emotion; there are: {', '.join(FELT)}")
    return emotion


# -- lines -----------------------------------------------------------------------------------------

_ENGLISH: Mapping[str, tuple[str, ...]] = {
    "neutral": (
        "The {transport} leaves at {time}.",
        "There {amount} on the table.",
        "The office opens at {time} and closes at noon.",
        "Please turn {turn} at the {spot}.",
        "We meet at the {spot} at {time}.",
    ),
    "happiness": (
        "{joy} we {won}!",
        "{joy} {who} is coming to {visit}!",
        "I love this {nice}!",
        "This is the best {nice} of my life!",
    ),
    "sadness": (
        "I miss {who} so much.",
        "{who} is gone, and the {empty} is so quiet.",
        "Nothing is the way it was {once}.",
        "I wish that I could {undo} {once}.",
        "I cried all night because {who} is gone.",
        "Why did {who} have to leave {so}?",
    ),
    "surprise": (
        "{oh} where did that {thing} come from?",
        "{oh} is that really {who}?",
        "{oh} I never thought that the {thing} would still work!",
        "You bought a {thing} without telling me?",
    ),
    "fear": (
        "{hush} there is somebody {where}!",
        "Please do not leave me alone {where}.",
        "What if {who} does not come back?",
        "I am so afraid of what is {where}.",
        "Do not open the door, there may be somebody {where}!",
        "{hush} did you hear that noise {where}?",
    ),
    "disgust": (
        "{ugh} this {food} tastes {foul}.",
        "{ugh} the {empty} smells {foul}.",
        "Take that {foul} {food} away from me.",
        "I will not touch that {foul} thing.",
    ),
    "anger": (
        "{stop} that is my {thing}!",
        "How often must I tell you {often}?",
        "Who told you to touch my {thing}?",
        "{stop} I have told you {often}!",
        "{stop} you broke the {thing} again!",
        "I will not {bear} this any longer!",
    ),
    "contempt": (
        "{sure} you call that a good {nice}?",
        "{sure} as if {who} had ever {done}.",
        "I did not expect anything better from {who2}.",
        "You really think you {done2}?",
    ),
}
_LINE_SLOTS: Mapping[str, tuple[str, ...]] = {
    "transport": ("train", "bus", "ferry", "tram"),
    "time": ("eight o'clock", "half past nine", "a quarter to ten", "seven"),
    "amount": ("is one cup", "are two books", "are four chairs and a vase"),
    "turn": ("left", "right"),
    "spot": ("station", "bridge", "corner", "market"),
    "joy": ("Hooray,", "I am so happy,", "Wonderful,", "Yes,"),
    "won": ("won the match", "made it to the top", "passed the exam", "got the house"),
    "who": ("my sister", "grandfather", "Maria", "my best friend"),
    "who2": ("that firm", "him", "those people"),
    "visit": ("stay for a week", "the party", "see us tonight"),
    "nice": ("song", "day", "present", "idea"),
    "empty": ("house", "kitchen", "room"),
    "so": ("so soon", "without a goodbye", "us"),
    "once": ("last summer", "before", "a year ago"),
    "undo": ("undo what I did", "take back what I said", "change what happened"),
    "oh": ("Oh,", "What,", "Wow,", "Good heavens,"),
    "thing": ("bicycle", "piano", "ladder", "clock"),
    "hush": ("Listen,", "Quiet,", "Oh no,"),
    "where": ("behind the door", "in the cellar", "in the dark", "on the roof"),
    "ugh": ("Ugh,", "Yuck,", "How awful,"),
    "food": ("soup", "milk", "fish", "cheese"),
    "foul": ("rotten", "disgusting", "foul"),
    "stop": ("Stop it,", "Give it back,", "Enough,"),
    "often": ("to knock", "not to shout at me", "to keep your hands off my things"),
    "bear": ("put up with", "listen to", "stand for"),
    "sure": ("Oh please,", "Right,", "Well, well,"),
    "done": ("worked a day", "kept a promise", "read a book"),
    "done2": ("are better than us", "can fool me", "deserve a medal"),
}  # fmt: skip

_OTHERS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "de": {
        "neutral": ("Der Zug fährt um acht Uhr ab.", "Auf dem Tisch liegen zwei Bücher.",
                    "Bitte biegen Sie an der Brücke links ab."),
        "happiness": ("Hurra, wir haben gewonnen!", "Das ist der schönste Tag meines Lebens!",
                      "Ich freue mich so, dass du da bist!"),
        "sadness": ("Ich vermisse sie so sehr.", "Das Haus ist so still geworden.",
                    "Nichts ist mehr so, wie es war."),
        "surprise": ("Was, du bist schon hier?", "Damit habe ich nie gerechnet!",
                     "Nein, ist das wirklich für mich?"),
        "fear": ("Hörst du das Geräusch im Keller?", "Bitte lass mich nicht allein.",
                 "Da ist jemand hinter der Tür!"),
        "disgust": ("Pfui, die Milch ist sauer.", "Igitt, das fasse ich nicht an.",
                    "Dieser Geruch ist ja widerlich."),
        "anger": ("Hör sofort auf damit!", "Das ist mein Fahrrad!",
                  "Wie oft muss ich dir das noch sagen?"),
        "contempt": ("Ach bitte, das nennst du Arbeit?",
                     "Von denen habe ich nichts Besseres erwartet.",
                     "Na, da ist aber jemand stolz auf nichts."),
    },
    "fr": {
        "neutral": ("Le train part à huit heures.", "Il y a deux livres sur la table.",
                    "Tournez à gauche après le pont."),
        "happiness": ("Hourra, nous avons gagné !", "C'est le plus beau jour de ma vie !",
                      "Je suis si content de te voir !"),
        "sadness": ("Elle me manque tellement.", "La maison est si vide sans lui.",
                    "Plus rien n'est comme avant."),
        "surprise": ("Quoi, tu es déjà là ?", "Je ne m'y attendais pas du tout !",
                     "C'est vraiment pour moi ?"),
        "fear": ("Tu as entendu ce bruit ?", "Ne me laisse pas seul, je t'en prie.",
                 "Il y a quelqu'un derrière la porte !"),
        "disgust": ("Beurk, ce lait est tourné.", "Je ne toucherai jamais à ça.",
                    "Quelle odeur répugnante."),
        "anger": ("Arrête tout de suite !", "C'est mon vélo !",
                  "Combien de fois faut-il te le dire ?"),
        "contempt": ("Et tu appelles ça du travail ?", "Je n'attendais rien de mieux de leur part.",
                     "Quelle belle excuse, vraiment."),
    },
    "es": {
        "neutral": ("El tren sale a las ocho.", "Hay dos libros sobre la mesa.",
                    "Gire a la izquierda después del puente."),
        "happiness": ("¡Hurra, hemos ganado!", "¡Es el mejor día de mi vida!",
                      "¡Qué alegría verte aquí!"),
        "sadness": ("La echo mucho de menos.", "La casa está tan vacía sin él.",
                    "Ya nada es como antes."),
        "surprise": ("¿Qué, ya estás aquí?", "¡No me lo esperaba en absoluto!",
                     "¿De verdad es para mí?"),
        "fear": ("¿Has oído ese ruido?", "Por favor, no me dejes a solas.",
                 "¡Hay alguien detrás de la puerta!"),
        "disgust": ("Puaj, esta leche está agria.", "No pienso tocar eso.",
                    "Qué olor tan repugnante."),
        "anger": ("¡Basta ya!", "¡Esa es mi bicicleta!", "¿Cuántas veces tengo que decírtelo?"),
        "contempt": ("¿Y a eso lo llamas trabajo?", "No esperaba nada mejor de ellos.",
                     "Vaya, qué gran excusa."),
    },
}  # fmt: skip
LANGUAGES = ("en", *_OTHERS)
"""Languages of :func:`line`."""


def line(emotion: str, rng: np.random.Generator, language: str = "en") -> str:
    """A sentence that fits an emotion, to be spoken with ``mien.world.speech.speak``.

    Args:
        emotion: any of ``mien.world.emotions.NAMES``; a compound one gives one of its components.
        language: of ``LANGUAGES``; what follows a hyphen does not matter (``en-gb``).

    Raises InputError for an unknown emotion or language.
    """
    felt, code = _component(emotion, rng), language.split("-")[0]
    if code == "en":
        return sentence(expand(pick(_ENGLISH[felt], rng), _LINE_SLOTS, rng))
    if code not in _OTHERS:
        raise InputError(f"{language}: no lines in that language; there are {', '.join(LANGUAGES)}")
    return pick(_OTHERS[code][felt], rng)


def line_count(emotion: str, language: str = "en") -> int:
    """How many different lines there are for an emotion of ``FELT``."""
    felt = _felt(emotion)
    if language == "en":
        return sum(expansions(text, _LINE_SLOTS) for text in _ENGLISH[felt])
    return len(_OTHERS[language][felt])


def as_markdown(seed: int = 0) -> str:
    """A conversation and some lines of each emotion, as the documentation shows them."""
    rng = np.random.default_rng(seed)
    out = ["| emotion | who | text | strategies |", "|---|---|---|---|"]
    for emotion in FELT:
        for turn in conversation(emotion, rng, float(rng.uniform(1, 5))).turns:
            labels = ", ".join(turn.strategies)
            out.append(f"| {emotion} | {turn.speaker} | {turn.text} | {labels} |")
    out += ["", "| emotion | situations | English lines | for example |", "|---|---|---|---|"]
    for emotion in FELT:
        said = " ".join(line(emotion, rng, code) for code in LANGUAGES)
        out.append(f"| {emotion} | {situation_count(emotion)} | {line_count(emotion)} | {said} |")
    return "\n".join(out) + "\n"
