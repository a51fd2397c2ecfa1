"""The embedding network at run time: a face with landmarks -> a vector that says who it is.

Faces are aligned by five points, the corners of the eyes and the base of the nose, as dlib does it
(King 2009), so that vectors depend little on where the face was found.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from mien import hub
from mien.errors import MienError, UsageError
from mien.face import Face
from mien.find import geometry
from mien.find.landmarks import Network

DIMENSIONS = 128
CROP_SIZE = 96

CORNERS = (263, 362, 33, 133, 2)
"""Landmarks that a crop is aligned by: the left eye's outer and inner corner, the right eye's, and
the base of the nose."""

PLACES = np.array(
    [
        [0.8595674595992, 0.2134981538014],
        [0.6460604764104, 0.2289674387677],
        [0.1205750620789, 0.2137274526848],
        [0.3340850613712, 0.2290642403242],
        [0.4901123135679, 0.6277975316475],
    ]
)
"""Where dlib's mean face has them, in a square about the face; the crop is ``PADDING`` wider."""

PADDING = 0.25

JUDGE = Path(__file__).with_name("judge.json")


class Embedder:
    """Runs the embedding network on aligned crops of ``size`` pixels."""

    def __init__(self, network: Network, size: int = CROP_SIZE, batch: int = 8):
        if batch < 1:
            raise UsageError(f"batch must be at least 1, not {batch}")
        self.network, self.size, self.batch = network, size, batch

    @classmethod
    def bundled(cls, device: str = "cpu", threads: int | None = None, batch: int = 8) -> Self:
        """The embedder that mien ships; MienError when the device is not there."""
        network = hub.OnnxNetwork(hub.resolve("mien-embedding"), device, threads)
        return cls(network, CROP_SIZE, batch)

    def __call__(self, images: Sequence[np.ndarray], faces: Sequence[Face]) -> np.ndarray:
        """Unit vectors (n, 128) float32 of one face in each picture.

        Args:
            images: (H, W, 3) uint8 RGB pictures.
            faces: with landmarks; face ``i`` is in picture ``i``.
        """
        parts = [np.zeros((0, DIMENSIONS), np.float32)]
        for start in range(0, len(images), self.batch):
            part = slice(start, start + self.batch)
            pairs = zip(images[part], faces[part], strict=True)
            parts.append(self.of_crops(np.stack([self.crop(*pair) for pair in pairs])))
        return np.concatenate(parts)

    def crop(self, image: np.ndarray, face: Face) -> np.ndarray:
        """The (S, S, 3) uint8 that the network sees of a face with landmarks."""
        if face.landmarks is None:
            raise UsageError("a face is embedded by its landmarks, and this one has none")
        return aligned(image, face.landmarks, self.size)

    def of_crops(self, crops: np.ndarray) -> np.ndarray:
        """Unit vectors (n, 128) float32 of (n, S, S, 3) uint8 crops.

        Each is the middle between the crop's and its mirror image's.
        """
        both = np.concatenate([crops, crops[:, :, ::-1]])
        batch = both.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)
        found = self.network(np.ascontiguousarray(batch))[0]
        return unit(found[: len(crops)] + found[len(crops) :])


@dataclass(frozen=True)
class Judge:
    """What a distance of two vectors means; chosen on validation, for one network.

    threshold: squared distance below which it is one person, where both errors are equal.
    grouping: a smaller one, below which one pair of different people in a hundred is. slope,
    centre: the probability of one person is ``1 / (1 + exp(slope * (distance - centre)))``.
    weights: SHA-256 of the network's file.
    """

    threshold: float
    grouping: float
    slope: float
    centre: float
    weights: str

    @classmethod
    def bundled(cls) -> Self:
        """Of the network that mien ships."""
        return cls.read(JUDGE)

    @classmethod
    def read(cls, path: Path) -> Self:
        """From a JSON file; MienError where it is not of the network that mien ships."""
        judge = cls(**json.loads(path.read_text("utf-8"))["judge"])
        if judge.weights != hub.lookup("mien-embedding").sha256:
            raise MienError(f"{path.name} is of another mien-embedding: install mien again")
        return judge

    def probability(self, distance: float) -> float:
        """That two faces at this squared distance are of one person, if half of all pairs are."""
        return float(1 / (1 + np.exp(np.clip(self.slope * (distance - self.centre), -50, 50))))


def aligned(image: np.ndarray, landmarks: np.ndarray, size: int, margin: float = 1.0) -> np.ndarray:
    """A face's crop (size, size, 3); outside of the picture it is black.

    Args:
        image: (H, W, 3) uint8 RGB.
        landmarks: (478, 2 or 3) pixels.
        size: of the crop, in pixels.
        margin: side of what is shown / side of what the network sees, about the same centre.
    """
    return geometry.crop(image, placement(landmarks, size, margin), size)


def placement(landmarks: np.ndarray, size: int, margin: float = 1.0) -> np.ndarray:
    """The similarity (2, 3) from the pixels of a face's crop to those of its picture."""
    places = (PLACES + PADDING) / (1 + 2 * PADDING)
    places = ((places - 0.5) / margin + 0.5) * size
    return geometry.fit_similarity(places, np.asarray(landmarks)[list(CORNERS), :2])


def unit(vectors: np.ndarray) -> np.ndarray:
    """(n, d) vectors at length 1, float32; zero stays zero."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)
