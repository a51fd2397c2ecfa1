"""Training crops of the landmark network: faces as a detector or a tracker would cut them out."""

from dataclasses import dataclass

import numpy as np
import torch

from mien.data import photometric
from mien.data.face_source import FaceSource
from mien.data.face_warp import Change, random_change
from mien.data.stream import Sample, SeededStream
from mien.find import geometry

NO_FACE_SHARE = 0.2


@dataclass(frozen=True)
class Cut:
    """A crop before the camera spoils it.

    image: (S, S, 3). landmarks: (478, 3) crop pixels. hidden: (S, S) 0..1, how much of each pixel
    something in front hides. row, mirrored, change: which portrait it is, and how it was changed.
    """

    image: np.ndarray
    landmarks: np.ndarray
    hidden: np.ndarray
    row: int
    mirrored: bool
    change: Change


class FaceCrops(SeededStream):
    """Endless ``image`` (3, S, S) uint8, ``landmarks`` (478, 3) crop pixels, ``presence`` 0, 1."""

    def __init__(self, source: FaceSource, size: int, seed: int = 0, start: int = 0):
        super().__init__(seed, start)
        self.source, self.size = source, size

    def sample(self, index: int) -> Sample:
        """The sample with this number."""
        rng = np.random.default_rng((self.seed, index))
        absent = rng.random() < NO_FACE_SHARE
        if absent:
            image, landmarks = self.no_face(rng), np.zeros((478, 3))
        else:
            cut = self.face(rng)
            image, landmarks = cut.image, cut.landmarks
        image = photometric.degrade(image, rng)
        return {
            "image": torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))),
            "landmarks": torch.from_numpy(landmarks.astype(np.float32)),
            "presence": torch.tensor(0.0 if absent else 1.0),
        }

    def face(self, rng: np.random.Generator, loose: float = 0.5) -> Cut:
        """A portrait, changed, before some background, perhaps with something in front.

        loose: the share that is placed as a detector does, not as a tracker.
        """
        row, mirrored = int(rng.integers(len(self.source))), rng.random() < 0.5
        face = self.source.face(row, mirrored)
        change = random_change(rng)
        crop_from_portrait = placement(face.landmarks(change), self.size, rng, loose)
        drawn = face.draw(change, crop_from_portrait, (self.size, self.size), rng)
        image = self._over_background(drawn.image, drawn.alpha, rng)
        if rng.random() < 0.12:
            image = photometric.glasses(image, drawn.landmarks, rng)
        hidden = np.zeros(image.shape[:2], np.float32)
        while rng.random() < 0.22:
            image, alpha = photometric.before(image, self._background(rng), rng)
            hidden = np.maximum(hidden, alpha)
        return Cut(image, drawn.landmarks, hidden, row, mirrored, change)

    def no_face(self, rng: np.random.Generator) -> np.ndarray:
        """A background, or a part of a portrait that no one would call a face."""
        if rng.random() < 0.55:
            image = self._background(rng)
            if rng.random() < 0.5:
                image = photometric.graphics(image, rng)
        else:
            face = self.source.face(int(rng.integers(len(self.source))), rng.random() < 0.5)
            change = random_change(rng)
            jitter = _miss(rng)
            face_from_crop = geometry.compose(jitter, geometry.crop_to_face(self.size))
            to_image = geometry.face_to_image(face.landmarks(change))
            missed = geometry.invert(geometry.compose(to_image, face_from_crop))
            drawn = face.draw(change, missed, (self.size, self.size), rng)
            image = self._over_background(drawn.image, drawn.alpha, rng)
        return image

    def _over_background(
        self, image: np.ndarray, alpha: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """Half of the faces keep their studio, half stand somewhere else."""
        if rng.random() < 0.4:
            return image
        blend = alpha[..., None]
        return (image * blend + self._background(rng) * (1 - blend)).astype(np.uint8)

    def _background(self, rng: np.random.Generator) -> np.ndarray:
        size = (self.size, self.size)
        return photometric.background_crop(self.source.backgrounds, size, rng)


def placement(
    landmarks: np.ndarray, size: int, rng: np.random.Generator, share: float = 0.5
) -> np.ndarray:
    """(2, 3), crop from picture: as a tracker cuts, and a ``share`` as loosely as a detector."""
    loose = 1.0 if rng.random() < share else 0.35
    jitter = _similarity(
        angle=loose * rng.normal(0, 12),
        scale=np.exp(loose * rng.normal(0, 0.12)),
        shift=loose * rng.normal(0, 10, 2),
    )
    face_from_crop = geometry.compose(jitter, geometry.crop_to_face(size))
    return geometry.invert(geometry.compose(geometry.face_to_image(landmarks), face_from_crop))


def _miss(rng: np.random.Generator) -> np.ndarray:
    """A placement that misses the face: beside it, or far too near or too far away."""
    if rng.random() < 0.5:
        direction, distance = rng.uniform(0, 2 * np.pi), rng.uniform(90, 170)
        shift = distance * np.array([np.cos(direction), np.sin(direction)])
        return _similarity(rng.uniform(-180, 180), np.exp(rng.normal(0, 0.3)), shift)
    too_near = rng.random() < 0.5
    scale = np.exp(rng.uniform(0.75, 1.6) * (-1 if too_near else 1))
    return _similarity(rng.normal(0, 30), scale, rng.normal(0, 40 if too_near else 60, 2))


def _similarity(angle: float, scale: float, shift: np.ndarray) -> np.ndarray:
    """Rotation by degrees and scale about the origin, then a shift in millimetres."""
    c, s = scale * np.cos(np.radians(angle)), scale * np.sin(np.radians(angle))
    return np.array([[c, -s, shift[0]], [s, c, shift[1]]])
