"""The clips of a claim about speech: people of the world who talk, as sound and curves.

As with data sets of real people, each training person is recorded in one annotation alone, and some
annotations have far more people than others.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from mien.media.files import atomic
from mien.nn import audio
from mien.systems.claims.album import RECIPES, Album, Sample
from mien.train.spoken import FPS, NOISE, SPOILT, annotation_map
from mien.world import voice
from mien.world.clips import Clip, Clips
from mien.world.recipe import Recipe

SECONDS = 1.6  # of a clip of the album; a clip of the world gives as many as it has
SAMPLES = round(SECONDS * audio.RATE)
FRAMES = audio.frame_count(SAMPLES, FPS)
LOUDEST = 32767
SHARES = {"mien_lips": 1, "mien_points": 3, "mien": 12}
"""Of the training people, who is recorded how: as 5, 20 and 60 minutes would be."""


@dataclass(frozen=True)
class Talks:
    """``count`` clips of one split of a recipe, a file of ``RECIPES``."""

    recipe: str
    split: str
    count: int
    seed: int = 0

    def scaled(self, scale: float) -> "Talks":
        """Fewer of them, 8 at least."""
        return replace(self, count=min(self.count, max(8, round(scale * self.count))))

    def album(self, side: int, folder: Path) -> "TalkAlbum":
        """Pieces of ``SECONDS``; clips that are not in ``folder`` are made. side: of no meaning."""
        recipe = Recipe.load(RECIPES / f"{self.recipe}.yaml")
        name = f"{recipe.name}-{recipe.fingerprint()}-{self.seed}-{self.split}-{self.count}.npz"
        file = folder / name
        if not file.exists():
            clips = Clips(recipe, self.split, self.seed, 2 * SECONDS, FPS)
            made = _pieces([_heard(clips.sample(i), i) for i in range(self.count)])
            folder.mkdir(parents=True, exist_ok=True)
            with atomic(file) as temporary, temporary.open("wb") as stream:
                np.savez(stream, allow_pickle=False, **made)
        digest = hashlib.sha256()
        with np.load(file, allow_pickle=False) as arrays:
            words = {name: arrays[name] for name in ("sound", "curves", "identity")}
        for value in words.values():
            digest.update(value.tobytes())
        return TalkAlbum(words, f"sha256:{digest.hexdigest()[:16]}")


class TalkAlbum(Album):
    """Pieces of speech: ``sound`` (n, SAMPLES) int16, ``curves`` (n, FRAMES, 52), ``identity``."""

    def __init__(self, words: Mapping[str, np.ndarray], fingerprint: str):
        super().__init__(words, fingerprint)
        turns = [name for name, share in SHARES.items() for _ in range(share)]
        ranks = enumerate(sorted(self.people()))
        self.recorded = {person: turns[rank % len(turns)] for rank, person in ranks}

    def __len__(self) -> int:
        return len(self.words["sound"])

    def batch(self, rows: slice | np.ndarray, names: Mapping[str, torch.Tensor]) -> Sample:
        """The rows in the words of ``names``, each in its person's annotation, NaN in others."""
        places = np.arange(len(self))[rows]
        person = self.words["identity"][places]
        sample = {
            "audio": torch.from_numpy(self.words["sound"][places].astype(np.float32) / LOUDEST),
            "identity": torch.from_numpy(person),
        }
        for name, value in names.items():
            if name.startswith("motion_"):
                motion = torch.full((len(person), *value.shape), torch.nan)
                for i, one in enumerate(person.tolist()):
                    if f"motion_{self.recorded[one]}" == name:
                        motion[i] = torch.from_numpy(self.motion(int(places[i])))
                sample[name] = motion
        return sample

    def motion(self, row: int) -> np.ndarray:
        """The motion (FRAMES, D) of a piece, in its person's annotation, measured with noise."""
        name = self.recorded[int(self.words["identity"][row])]
        moved = self.words["curves"][row] @ annotation_map(name)
        noise = np.random.default_rng(row).normal(0, NOISE[name], moved.shape)
        return (moved + noise).astype(np.float32)


def _heard(clip: Clip, index: int) -> dict[str, np.ndarray]:
    """Sound and curves of the pieces of a clip, as it came through a room and a microphone."""
    rng = np.random.default_rng([index, 7])
    chain = replace(voice.random_chain(rng, SPOILT), speed=1.0)
    speech = clip.speech
    whole = audio.resample(voice.record(speech.samples, speech.rate, chain, rng), speech.rate)
    count = len(clip) // FRAMES
    sound = np.pad(whole, (0, SAMPLES))[: count * SAMPLES].reshape(count, SAMPLES)
    curves = clip.motion.expression[: count * FRAMES].reshape(count, FRAMES, -1)
    return {
        "sound": np.round(sound.clip(-1, 1) * LOUDEST).astype(np.int16),
        "curves": curves.astype(np.float32),
        "identity": np.full(count, clip.person),
    }


def _pieces(clips: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([clip[name] for clip in clips]) for name in clips[0]}
