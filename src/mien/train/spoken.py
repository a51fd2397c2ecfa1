"""``world:`` for stages of "speech": people who speak, and how their faces move, in annotations.

What is true of a clip is the 52 curves; annotations are fixed linear maps of them, measured with
some noise. As data sets of real people each have their own speakers and their own annotation, each
person of the world is recorded in one annotation only: those that a system asks for, in turn.
"""

from dataclasses import replace
from functools import cache

import numpy as np

from mien.data import labels
from mien.errors import UsageError
from mien.face import BLENDSHAPES, LIPS_INNER, LIPS_OUTER
from mien.head.model import HeadModel
from mien.nn import audio as sound
from mien.train.data import Sample, filled, unknowns
from mien.train.system import Stage, System
from mien.world import voice
from mien.world.clips import Clip, Clips
from mien.world.recipe import Recipe

FPS = 25.0
NOISE = {"mien": 0.01, "mien_points": 0.1, "mien_lips": 0.1}
"""Deviation of what is measured, by annotation of ``labels.MOTIONS``: of a weight, mm, mm."""

LIPS = np.unique(np.concatenate([LIPS_OUTER, LIPS_INNER]))
SPOILT = 0.5  # how far rooms, noise and microphones reach, 0..1


@cache
def annotation_map(name: str) -> np.ndarray:
    """The linear map (52, D) from the curves to an annotation of ``NOISE``; mm for points."""
    if name == "mien":
        return np.eye(len(BLENDSHAPES), dtype=np.float32)
    moved = HeadModel.bundled().landmark_basis()[2][: len(BLENDSHAPES)]
    shown = moved[:, LIPS] if name == "mien_lips" else moved
    return shown.reshape(len(shown), -1).astype(np.float32)


class Spoken:
    """Clips of a recipe's training people, as long as a system's examples.

    Raises UsageError where the world has none of the annotations that the system learns from.
    """

    def __init__(self, recipe: Recipe, system: System, stage: Stage, seed: int):
        self.blank = unknowns(system.example(1))
        self.seed = seed
        self.names = [name for name in NOISE if f"motion_{name}" in self.blank]
        if "audio" not in self.blank or not self.names:
            raise UsageError(
                f"the world's speech has the annotations {', '.join(NOISE)}, none of which stage "
                f"{stage.name!r} of {system.CARD.slug} learns from"
            )
        self.length = len(self.blank["audio"])
        self.clips = Clips(recipe, "train", seed, self.length / sound.RATE, FPS)
        people = self.clips.world.people
        self.places = {number: place for place, number in enumerate(people)}
        self.speakers = getattr(system.config, "speakers", len(people))

    def sample(self, index: int) -> Sample:
        """The clip of this number: ``audio``, ``identity`` and one annotation's ``motion``.

        Who is beyond the speakers that the system can tell apart is nobody (-1).
        """
        clip = self.clips.sample(index)
        rng = np.random.default_rng([self.seed, index, 3])
        frames = sound.frame_count(self.length, FPS)
        first = int(rng.integers(max(len(clip) - frames, 0) + 1))
        place = self.places[clip.person]
        name = self.names[place % len(self.names)]
        curves = clip.motion.expression[first : first + frames]
        motion = curves @ annotation_map(name)
        motion = motion + rng.normal(0, NOISE[name], motion.shape)
        known = {
            "audio": self._heard(clip, first, rng),
            "identity": place if place < self.speakers else labels.UNKNOWN,
            f"motion_{name}": motion.astype(np.float32),
        }
        return filled(known, self.blank)

    def _heard(self, clip: Clip, first: int, rng: np.random.Generator) -> np.ndarray:
        """The sound (S,) from a frame on, as it came through a room and a microphone."""
        chain = replace(voice.random_chain(rng, SPOILT), speed=1.0)
        speech = clip.speech
        whole = voice.record(speech.samples, speech.rate, chain, rng)
        whole = sound.resample(whole, speech.rate)
        start = round(first * sound.RATE / FPS)
        part = whole[start : start + self.length]
        return np.pad(part, (0, self.length - len(part)))
