"""People of the world who speak: video, sound, and what is true of every moment of both.

clips = Clips(Recipe(), seed=0, seconds=4, fps=25)
clip = clips.sample(7)              # the same on any machine, in any process
clip.audio, clip.phonemes, clip.motion, clip.emotion, ...
for image in clip.frames():         # drawn one by one: memory does not grow with the length
    ...

Who it is, clothes, light, camera and what is worn are those of sample 7 of the recipe's world; what
the person says fits the emotion of that sample (``mien.world.dialogue``), and voice and face have
its style. Blinks, glances and the head's motion are those of ``mien.world.performance``. Around the
closures of p, b and m the lips meet, as in ``mien.world.visemes``.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from mien.errors import UsageError
from mien.face import BLENDSHAPES, Motion
from mien.head.fit import GAZE_CURVES
from mien.head.model import HeadModel
from mien.world import dialogue, recording, visemes
from mien.world.action_units import action_units
from mien.world.emotions import EMOTIONS, NAMES
from mien.world.performance import Blinks, Episode, Performance, perform
from mien.world.performance import sample as programme
from mien.world.recipe import Recipe
from mien.world.render import Look, draw
from mien.world.scene import Scene
from mien.world.speech import HUMAN, Voice, Word, random_voice, synthesize
from mien.world.visemes import PAUSE, Phoneme
from mien.world.voice import resample
from mien.world.world import Sample, World, drawn, truth

LANGUAGES = ("en-us", "en-gb", "de", "fr-fr", "es")
"""Languages in which ``dialogue.line`` has something to say."""

LEAD, BETWEEN, TAIL = 0.3, 0.35, 0.4  # seconds of silence before, between and after sentences
LONGEST = 600.0  # seconds of a clip
RISE = 0.35  # seconds in which an expression comes and goes
FEMALE = ("f1", "f2", "f3", "f4", "f5", "Andrea", "Annie", "belinda", "linda", "steph")
SPOKEN = np.array([
    i for i, name in enumerate(BLENDSHAPES) if name.startswith(("mouth", "jaw", "tongue"))
])  # fmt: skip
"""Curves that speech decides; the others are those of the performance."""


@dataclass(frozen=True, slots=True, eq=False)
class Speech:
    """What is heard: samples (n,) float32 -1..1 at ``rate`` hertz, and what is known of them.

    phonemes, words: with their times, in order; empty where nobody wrote down what is said. text:
    the transcript. language: a code, "" where it is unknown. voice: None for a recording.
    """

    samples: np.ndarray
    rate: int
    phonemes: tuple[Phoneme, ...] = ()
    words: tuple[Word, ...] = ()
    text: str = ""
    language: str = ""
    voice: Voice | None = None

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate


@dataclass(frozen=True, eq=False)
class Clip:
    """Somebody who speaks, for T frames.

    person: number of who it is. speech: what is heard, exactly as long as the frames.
    motion: the 52 curves (T, 52), head pose (T, 3) and gaze in the head (T, 2, 2).
    sides: (T, 23, 2) action units 0..5 of both sides, as ``action_units`` reads them off the
    curves. emotion: (T,) index in ``emotions.NAMES``; intensity: 0..5 at its apex. valence,
    arousal: (T,) -1..1. blinks: when the eyes close. scene: of the first frame.
    """

    scene: Scene
    speech: Speech
    motion: Motion
    sides: np.ndarray
    emotion: np.ndarray
    intensity: float
    valence: np.ndarray
    arousal: np.ndarray
    blinks: Blinks

    def __len__(self) -> int:
        return len(self.motion)

    @property
    def person(self) -> int:
        return self.scene.person.number

    @property
    def fps(self) -> float:
        return self.motion.fps

    @property
    def visemes(self) -> list[tuple[str, float, float]]:
        """Name, start and end in seconds of each viseme, in order."""
        parts = visemes.segments(self.speech.phonemes)
        return [(part.viseme.name, part.start, part.end) for part in parts]

    @property
    def closures(self) -> np.ndarray:
        """When the lips meet for p, b and m: (k, 2) seconds."""
        return visemes.contacts(self.speech.phonemes)

    def frame(self, i: int) -> Scene:
        """The scene of frame ``i``; only what moves is not as in the others."""
        gaze = self.motion.gaze
        assert gaze is not None
        labels = {
            "sides": self.sides[i],
            "gaze": gaze[i],
            "emotion": int(self.emotion[i]),
            "intensity": self.intensity,
            "valence": float(self.valence[i]),
            "arousal": float(self.arousal[i]),
        }
        return replace(
            self.scene, expression=self.motion.expression[i], gaze=gaze[i],
            pose=self.motion.pose[i].astype(np.float64), seed=self.scene.seed + i,
            labels=self.scene.labels | labels,
        )  # fmt: skip

    def frames(self) -> Iterator[np.ndarray]:
        """The images (h, w, 3) uint8, one by one."""
        for i in range(len(self)):
            yield draw(replace(self.frame(i), makeup=None), self._look, maps=()).image

    def samples(self) -> Iterator[Sample]:
        """All that is true of each frame, as of ``mien.world.world.truth``, one by one."""
        for i in range(len(self)):
            scene = self.frame(i)
            yield truth(scene, drawn(scene))

    def landmarks(self) -> np.ndarray:
        """(T, 478, 3) float32 pixels, z smaller where nearer; nothing is drawn for them."""
        model, camera = HeadModel.bundled(), self.scene.camera()
        out = np.empty((len(self), 478, 3), np.float32)
        for i in range(len(self)):
            points = model.landmarks(self.frame(i).vertices(model))
            out[i] = camera.project(points)
            middle = camera.project(points.mean(0, keepdims=True))[0, 2]
            out[i, :, 2] = (out[i, :, 2] - middle) * (camera.focal / middle)
        return out

    @cached_property
    def _look(self) -> Look:
        """The look with the make-up on, which is the same in all frames."""
        look, makeup = Look.of(self.scene.person), self.scene.makeup
        return look if makeup is None else look.made_up(makeup)


class Clips:
    """Clips of a recipe.

    recipe, split, seed: as of ``World``; the pictures are drawn ones, without backdrops.
    seconds: what a clip lasts at least; sentences are said as long as they fit in, and one in any
    case. fps: frames per second. language: of ``LANGUAGES``; None draws one for each clip.

    Raises UsageError for a wrong length, frame rate or language, and as ``World``.
    """

    def __init__(
        self,
        recipe: Recipe | None = None,
        split: str = "train",
        seed: int = 0,
        seconds: float = 4.0,
        fps: float = 25.0,
        language: str | None = None,
    ) -> None:
        if not (0 < seconds <= LONGEST and 1 <= fps <= 240):
            raise UsageError(f"a clip lasts up to {LONGEST:.0f} s at 1 to 240 frames a second, "
                             f"not {seconds:g} s at {fps:g}")  # fmt: skip
        if language is not None and language not in LANGUAGES:
            raise UsageError(f"no sentences in {language!r}; there are {', '.join(LANGUAGES)}")
        self.world = World(replace(recipe or Recipe(), backdrop=0.0), split, seed)
        self.seconds, self.fps, self.language = seconds, fps, language

    def sample(self, index: int) -> Clip:
        """Clip ``index``: its person says sentences that fit the emotion.

        Raises MienError where speech cannot be made (the extra ``speech``).
        """
        scene, say, move = self._begin(index)
        spoken = self._spoken(scene, say)
        mood = _style(scene)
        still = visemes.curves(spoken.phonemes, self._times(spoken), "neutral")
        moved = visemes.curves(spoken.phonemes, self._times(spoken), *mood)
        return self._clip(scene, spoken, still, moved, move)

    def of_recording(
        self,
        index: int,
        samples: np.ndarray,
        rate: int,
        transcript: str | None = None,
        language: str = "en-us",
    ) -> Clip:
        """Clip ``index``, whose person says a recording.

        samples: (n,) float -1..1 at ``rate`` hertz. transcript: what is said, if it is known;
        phonemes are then aligned with it. The emotion is that of the sample of the world: it is not
        heard in the recording.

        Raises InputError and MienError as ``recording.from_recording``.
        """
        scene, _, move = self._begin(index)
        motion = recording.from_recording(samples, rate, self.fps, transcript, language)
        sound = np.asarray(samples, np.float32)
        spoken = Speech(sound, rate, text=transcript or "", language=language if transcript else "")
        if transcript is not None:
            heard = recording.align(resample(sound, rate, recording.RATE), transcript, language)
            spoken = replace(spoken, phonemes=tuple(heard))
        spoken = _fitted(spoken, len(motion), self.fps)
        return self._clip(scene, spoken, motion.expression, motion.expression, move)

    def _begin(self, index: int) -> tuple[Scene, np.random.Generator, np.random.Generator]:
        scene = self.world.scene(index)
        factors = scene.labels["factors"] | {"speaking": True, "blink": False}
        scene = replace(scene, labels=scene.labels | {"factors": factors})
        rng = np.random.default_rng([self.world.seed, index, 2])
        say, move = rng.spawn(2)
        return scene, say, move

    def _spoken(self, scene: Scene, rng: np.random.Generator) -> Speech:
        """Sentences in the voice of the person, with silence around them."""
        language = self.language or str(rng.choice(LANGUAGES))
        voice = _voice(scene, language)
        emotion = NAMES[scene.labels["emotion"]]
        style, intensity = _style(scene)
        parts: list[Speech] = []
        left = self.seconds - LEAD - TAIL
        while True:
            text = dialogue.line(emotion, rng, language)
            said = synthesize(text, voice, style, intensity)
            part = _trimmed(said.samples, said.rate, said.phonemes, said.words, said.text)
            if parts and part.seconds > left:
                break
            parts.append(part)
            left -= part.seconds + BETWEEN
            if left <= 0:
                break
        whole = _joined(parts)
        count = int(np.ceil(max(whole.seconds, self.seconds) * self.fps - 1e-9))
        return _fitted(replace(whole, language=language, voice=voice), count, self.fps)

    def _times(self, spoken: Speech) -> np.ndarray:
        """When the frames are looked up, so that every closure has one within it."""
        contacts = [visemes.contacts(spoken.phonemes, kind) for kind in ("teeth", "lips")]
        return visemes.frame_times(spoken.seconds, self.fps, np.concatenate(contacts))

    def _clip(
        self,
        scene: Scene,
        spoken: Speech,
        still: np.ndarray,
        moved: np.ndarray,
        rng: np.random.Generator,
    ) -> Clip:
        """A clip from curves of speech (T, 52), without and with the mood at its apex."""
        show = _performance(scene, spoken.seconds, self.fps, rng)
        strength = show.strength[: len(still), None]
        expression = show.motion.expression[: len(still)].copy()
        mouth = still + strength * (moved - still)
        expression[:, SPOKEN] = mouth[:, SPOKEN]
        gaze = show.motion.gaze
        assert gaze is not None
        pose = scene.pose + show.motion.pose[: len(still)]
        sides = action_units(np.where(_is_gaze(), 0, expression), sides=True)
        return Clip(
            scene, spoken, Motion(self.fps, expression, pose, gaze[: len(still)]),
            sides.astype(np.float32), show.emotion[: len(still)], scene.labels["intensity"],
            show.valence[: len(still)], show.arousal[: len(still)], show.blinks,
        )  # fmt: skip


def _is_gaze() -> np.ndarray:
    out = np.zeros(len(BLENDSHAPES), bool)
    out[GAZE_CURVES] = True
    return out


def _performance(scene: Scene, seconds: float, fps: float, rng: np.random.Generator) -> Performance:
    """One expression, the scene's, that lasts while there is speech; blinks, glances, nods."""
    emotion = NAMES[scene.labels["emotion"]]
    apex = max(seconds - 2 * RISE - TAIL / 2, 0.0)
    shown = programme(emotion, rng.spawn(1)[0], scene.labels["intensity"])
    episodes = [] if emotion == "neutral" else [Episode(shown, 0.0, RISE, apex, RISE)]
    return perform(episodes, seconds, fps, rng)


def _style(scene: Scene) -> tuple[str, float]:
    """The style of voice and mouth of a scene's emotion, and its intensity 0..1."""
    emotion = NAMES[scene.labels["emotion"]]
    parts = EMOTIONS[emotion].components or (emotion,)
    return "+".join(parts), float(np.clip(scene.labels["intensity"] / 5, 0, 1))


def _voice(scene: Scene, language: str) -> Voice:
    """The voice of a person: always the same, low with a beard."""
    who = scene.person
    rng = np.random.default_rng([who.number, 11])
    voice = random_voice(rng, language)
    male = [name for name in HUMAN if name not in FEMALE]
    if who.gender == "female":
        return replace(voice, variant=str(rng.choice(FEMALE)))
    if who.gender == "male" or who.beard.style != "none":
        return replace(voice, variant=str(rng.choice(male)))
    return voice


# -- sound -----------------------------------------------------------------------------------------


def _trimmed(
    samples: np.ndarray, rate: int, phonemes: list[Phoneme], words: list[Word], text: str
) -> Speech:
    """Speech without the pauses around it."""
    said = [phoneme for phoneme in phonemes if phoneme.symbol != PAUSE]
    first, last = said[0].start, said[-1].end
    inside = [p for p in phonemes if p.start >= first and p.end <= last + 1e-9]
    start = round(first * rate)
    part = Speech(samples[start : round(last * rate)], rate, tuple(inside), tuple(words), text)
    return _later(part, -start / rate)


def _later(speech: Speech, by: float) -> Speech:
    """The same sound, whose times are ``by`` seconds later."""
    return replace(
        speech,
        phonemes=tuple(
            replace(p, start=p.start + by, end=p.end + by,
                    release=None if p.release is None else p.release + by)
            for p in speech.phonemes
        ),
        words=tuple(replace(w, start=w.start + by, end=w.end + by) for w in speech.words),
    )  # fmt: skip


def _joined(parts: list[Speech]) -> Speech:
    """Sentences with silence before, between and after them."""
    rate = parts[0].rate
    sound: list[np.ndarray] = []
    phonemes: list[Phoneme] = []
    words: list[Word] = []
    count = 0
    for number, part in enumerate(parts):
        quiet = round((BETWEEN if number else LEAD) * rate)
        phonemes.append(Phoneme(PAUSE, count / rate, (count + quiet) / rate))
        moved = _later(part, (count + quiet) / rate)
        sound += [np.zeros(quiet, np.float32), part.samples]
        phonemes += moved.phonemes
        words += moved.words
        count += quiet + len(part.samples)
    tail = round(TAIL * rate)
    phonemes.append(Phoneme(PAUSE, count / rate, (count + tail) / rate))
    sound.append(np.zeros(tail, np.float32))
    text = " ".join(part.text for part in parts)
    return Speech(np.concatenate(sound), rate, tuple(phonemes), tuple(words), text)


def _fitted(speech: Speech, frames: int, fps: float) -> Speech:
    """Speech that is exactly as long as frames: silence is added, or what is over is cut off."""
    count = round(frames / fps * speech.rate)
    missing = count - len(speech.samples)
    sound = np.pad(speech.samples[:count], (0, max(missing, 0)))
    phonemes = list(speech.phonemes)
    if phonemes and phonemes[-1].symbol == PAUSE:
        phonemes[-1] = replace(phonemes[-1], end=count / speech.rate)
    return replace(speech, samples=sound, phonemes=tuple(phonemes))


# -- truth on disk ---------------------------------------------------------------------------------


def arrays(clip: Clip) -> dict[str, np.ndarray]:
    """The arrays of a clip, by name."""
    blinks, gaze = clip.blinks, clip.motion.gaze
    assert gaze is not None
    return {
        "audio": clip.speech.samples,
        "expression": clip.motion.expression,
        "pose": clip.motion.pose,
        "gaze": gaze,
        "sides": clip.sides,
        "action_units": clip.sides.mean(-1),
        "emotion": clip.emotion,
        "valence": clip.valence,
        "arousal": clip.arousal,
        "blinks": np.stack([blinks.start, blinks.start + blinks.duration, blinks.depth], 1),
        "closures": clip.closures,
        "landmarks": clip.landmarks(),
        "identity": clip.scene.person.identity,
        "skin": clip.scene.person.albedo,
        "light": clip.scene.light.around,
    }


def labels(clip: Clip) -> dict[str, Any]:
    """The plain labels of a clip, as JSON takes them."""
    speech, voice = clip.speech, clip.speech.voice
    return {
        "synthetic": True,
        "person": clip.person,
        "fps": clip.fps,
        "frames": len(clip),
        "rate": speech.rate,
        "transcript": speech.text,
        "language": speech.language,
        "voice": None if voice is None else {n: getattr(voice, n) for n in Voice.__slots__},
        "emotion": NAMES[clip.scene.labels["emotion"]],
        "intensity": float(clip.intensity),
        "phonemes": [[p.symbol, round(p.start, 4), round(p.end, 4)] for p in speech.phonemes],
        "words": [[w.text, round(w.start, 4), round(w.end, 4)] for w in speech.words],
        "visemes": [[name, round(a, 4), round(b, 4)] for name, a, b in clip.visemes],
        "factors": clip.scene.labels["factors"],
    }
