"""``world:`` for stages of dialogue: somebody speaks, is asked about, and is answered.

What is asked and answered follows from what is true of the clip: names of emotions, action units
as reasons, a conversation that fits. Two things to know of it. The world has no intents of its own:
``INTENTS`` says what lines of each emotion are there for, so that this task says little more than
that of emotions. And replies are to the first turn of a conversation, which stands in the subtitle,
while what is heard is another sentence that fits the same emotion.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import cv2
import numpy as np

from mien.errors import UsageError
from mien.nn import audio as sound
from mien.nn.moments import frame_numbers, windows
from mien.train.data import Sample, filled, unknowns
from mien.train.system import Stage, System
from mien.world.captions import explanation
from mien.world.clips import Clip, Clips
from mien.world.dialogue import conversation
from mien.world.emotions import EMOTIONS, NAMES
from mien.world.recipe import LARGEST_SIZE, Recipe
from mien.world.words import adjectives, pick
from mien.world.world import drawn, truth

FPS, SECONDS = 25.0, 4.0
LANGUAGE = "en-us"
SMALLEST = 96  # pixels of a side, of what the world draws
ALL = ("fusion", "audio", "video", "face")


@dataclass(frozen=True)
class Lesson:
    """What a stage's data asks: shares of tasks, and which senses may be used."""

    shares: Mapping[str, float]
    senses: tuple[str, ...] = ALL


LESSONS: Mapping[str, Lesson] = {
    "dialogue-heard": Lesson({"emotion": 1}, ("audio",)),
    "dialogue-seen": Lesson({"emotion": 1}, ("video", "face")),
    "dialogue-intent": Lesson({"intent": 1}),
    "dialogue": Lesson({"emotion": 18, "open-emotion": 28, "intent": 5, "reason": 31, "reply": 18}),
}
"""By ``Stage.data``; the last one's shares are Nano-EmoX's (figure of its third phase)."""

INTENTS: Mapping[str, str] = {
    "neutral": "inform", "happiness": "praise", "sadness": "seek comfort", "surprise": "wonder",
    "fear": "seek help", "disgust": "refuse", "anger": "complain", "contempt": "taunt",
}  # fmt: skip

QUESTIONS: Mapping[str, tuple[str, ...]] = {
    "sentiment": ("Is the feeling positive, negative or neutral?",),
    "emotion": ("Which emotion is it?", "What does the person feel, in one word?"),
    "open-emotion": ("Which words say how the person feels?", "How does the person feel?"),
    "reason": ("How does the person feel, and why do you think so?",
               "Which emotion is it, and by which signs?"),
    "intent": (f"What is the person's intent: {', '.join(INTENTS.values())}?",),
    "reply": ("What would you say to this person?", "Answer with empathy."),
}  # fmt: skip


@runtime_checkable
class Phrasing(Protocol):
    """A system that says how questions and answers become the words of its batches."""

    def phrased(
        self, task: str, question: str, answer: str, subtitle: str, senses: Sequence[str]
    ) -> tuple[np.ndarray, np.ndarray]:
        """``tokens`` and ``answers`` of a sample."""
        ...


@dataclass(frozen=True)
class Told:
    """A question about a clip, its answer, and what the subtitle says."""

    task: str
    question: str
    answer: str
    subtitle: str


class Dialogues:
    """Clips of a recipe's training people, with a question and its answer for each.

    Raises UsageError for a stage or a system that does not learn from dialogue.
    """

    def __init__(self, recipe: Recipe, system: System, stage: Stage, seed: int):
        self.blank = unknowns(system.example(1))
        if stage.data not in LESSONS or not isinstance(system, Phrasing):
            known = ", ".join(LESSONS)
            raise UsageError(f"the world has no {stage.data!r} to tell {system.CARD.slug} in stage "
                             f"{stage.name!r}; it tells {known}")  # fmt: skip
        self.seed, self.phrased = seed, system.phrased
        self.lesson = LESSONS[stage.data]
        self.moments, _, self.side, _ = self.blank["frames"].shape
        self.window = self.blank["audio"].shape[0] // self.moments
        size = max(SMALLEST, self.side)
        self.clips = Clips(_sized(recipe, size), "train", seed, SECONDS, FPS, LANGUAGE)

    def sample(self, index: int) -> Sample:
        """The sample of this number: ``frames``, ``audio``, ``tokens`` and ``answers``."""
        clip = self.clips.sample(index)
        rng = np.random.default_rng([self.seed, index, 7])
        said = told(clip, _task(self.lesson.shares, rng), rng)
        tokens, answers = self.phrased(
            said.task, said.question, said.answer, said.subtitle, self.lesson.senses
        )
        heard = sound.resample(clip.speech.samples, clip.speech.rate)
        known = {
            "frames": self._frames(clip),
            "audio": windows(heard, self.moments, self.window).reshape(-1),
            "tokens": tokens,
            "answers": answers,
        }
        return filled(known, self.blank)

    def _frames(self, clip: Clip) -> np.ndarray:
        """(moments, 3, side, side) uint8."""
        numbers = frame_numbers(len(clip), self.moments)
        shown = [drawn(clip.frame(int(i)), only=()).image for i in numbers]
        small = [cv2.resize(image, (self.side, self.side)) for image in shown]
        return np.stack(small).transpose(0, 3, 1, 2)


def told(clip: Clip, task: str, rng: np.random.Generator) -> Told:
    """A question of a task about a clip, with the answer that its truth gives.

    Raises UsageError for an unknown task.
    """
    if task not in ANSWERS:
        raise UsageError(f"no task is called {task!r}; there are: {', '.join(ANSWERS)}")
    subtitle = clip.speech.text
    if task == "reply":
        subtitle, answer = _reply(clip, rng)
    else:
        answer = ANSWERS[task](clip, rng)
    return Told(task, pick(QUESTIONS[task], rng), answer, subtitle)


def sentiment(emotion: str) -> str:
    """Whether an emotion of ``mien.world.emotions`` is pleasant, by its valence."""
    valence = EMOTIONS[emotion].valence
    return "positive" if valence > 0 else "negative" if valence < 0 else "neutral"


def _emotion(clip: Clip) -> str:
    """That of the scene; frames at the clip's ends are neutral."""
    return NAMES[clip.scene.labels["emotion"]]


def _component(emotion: str, rng: np.random.Generator) -> str:
    return pick(EMOTIONS[emotion].components or (emotion,), rng)


def _reason(clip: Clip, rng: np.random.Generator) -> str:
    """By the frame in the middle, where the emotion is at its apex."""
    scene = clip.frame(len(clip) // 2)
    return explanation(truth(scene, drawn(scene)), rng).text


def _reply(clip: Clip, rng: np.random.Generator) -> tuple[str, str]:
    """What the person says, and the answer behind its chain of empathy."""
    talk = conversation(_emotion(clip), rng, clip.intensity, exchanges=1)
    said, answered = talk.turns
    thought = answered.thought
    assert thought is not None
    chain = (f"Event: {thought.event} Emotion: {thought.feeling}. Cause: {thought.cause}. "
             f"Goal: {thought.goal}.")  # fmt: skip
    return said.text, f"<think>{chain}</think>{answered.text}"


ANSWERS: Mapping[str, Callable[[Clip, np.random.Generator], str]] = {
    "sentiment": lambda clip, _: sentiment(_emotion(clip)),
    "emotion": lambda clip, _: _emotion(clip),
    "open-emotion": lambda clip, _: ", ".join(adjectives(_emotion(clip), clip.intensity)),
    "reason": _reason,
    "intent": lambda clip, rng: INTENTS[_component(_emotion(clip), rng)],
    "reply": lambda clip, rng: _reply(clip, rng)[1],
}
"""By task, what is true of a clip."""


def _task(shares: Mapping[str, float], rng: np.random.Generator) -> str:
    weights = np.array([*shares.values()], np.float64)
    return str(rng.choice([*shares], p=weights / weights.sum()))


def _sized(recipe: Recipe, size: int) -> Recipe:
    return replace(recipe, size=min(size, LARGEST_SIZE))
