"""Traces of generators, and of another history, put into pictures."""

from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np

from mien.world import traces
from mien.world.blending import feathered, mixed
from mien.world.forging import Edit, Manipulation, Shot, around, some_strength


@dataclass(frozen=True, slots=True)
class Generated(Manipulation):
    """The face, or the whole picture, with the traces of a generator that doubles sizes (GAN).

    way, stages, detail: see :func:`mien.world.traces.upsampled`. feather: in parts of the face.
    """

    kind = "gan"
    family = "generated"
    region: str = "hull"
    way: str = "transposed"
    stages: int = 2
    detail: float = 0.6
    feather: float = 0.1

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        return cls(
            strength=some_strength(rng),
            region=str(rng.choice(["picture", "hull", "face"])),
            way=str(rng.choice(traces.UPSAMPLERS)),
            stages=int(rng.integers(1, 4)),
            detail=float(rng.uniform(0.4, 0.9)),
            feather=float(rng.uniform(0.03, 0.15)),
        )

    def edit(self, shot: Shot, donor: Shot, rng: np.random.Generator) -> Edit:
        image = traces.upsampled(shot.image, self.way, rng, self.stages, self.strength, self.detail)
        weight = around(shot, self.region, self.feather)
        return Edit(mixed(image, shot.image, weight), weight)


@dataclass(frozen=True, slots=True)
class Diffused(Manipulation):
    """The face, or the whole picture, with the traces of a latent diffusion model."""

    kind = "diffusion"
    family = "generated"
    region: str = "hull"
    detail: float = 0.5
    feather: float = 0.1

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        region = str(rng.choice(["picture", "hull", "face"]))
        detail, feather = rng.uniform(0.2, 0.8), rng.uniform(0.03, 0.15)
        return cls(some_strength(rng), region, float(detail), float(feather))

    def edit(self, shot: Shot, donor: Shot, rng: np.random.Generator) -> Edit:
        image = traces.denoised(shot.image, rng, self.strength, self.detail)
        weight = around(shot, self.region, self.feather)
        return Edit(mixed(image, shot.image, weight), weight)


HISTORIES = ("jpeg", "double-jpeg", "webp", "h264", "resampled", "sharpened")


@dataclass(frozen=True, slots=True)
class Spliced(Manipulation):
    """A face of another history than its picture: coded, resampled or sharpened, and put back.

    history: of ``HISTORIES``. quality: of the codec, 0..1. shift: of JPEG's grid against the
    picture's, pixels.
    """

    kind = "recompressed"
    family = "history"
    history: str = "jpeg"
    quality: float = 0.5
    shift: tuple[int, int] = (3, 5)
    region: str = "hull"

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        quality = float(rng.uniform(0.1, 0.9))
        x, y = (int(value) for value in rng.integers(0, 8, 2))
        history = str(rng.choice(HISTORIES))
        return cls(
            1 - quality, history, quality, (x, y), str(rng.choice(["hull", "inner", "face"]))
        )

    def edit(self, shot: Shot, donor: Shot, rng: np.random.Generator) -> Edit:
        weight = feathered(shot.region(self.region), 2)
        return Edit(mixed(self._old(shot.image), shot.image, weight), weight)

    def _old(self, image: np.ndarray) -> np.ndarray:
        if self.history == "resampled":
            return traces.resample(image, 0.4 + 0.5 * self.quality, cv2.INTER_CUBIC)
        if self.history == "sharpened":
            return traces.sharpen(image, 1.2 - self.quality)
        if self.history == "h264":
            return traces.h264(image, round(40 - 20 * self.quality))
        level = round(30 + 65 * self.quality)
        if self.history == "webp":
            return traces.webp(image, level)
        if self.history == "jpeg":
            return traces.jpeg(image, level, self.shift)
        return traces.double_jpeg(image, (level, min(level + 10, 98)), self.shift)
