"""The forgery detector at run time: faces with landmarks -> how much speaks for a forgery.

It generalises badly to manipulations that it has not seen: what it does not find may be forged all
the same. So there is no answer "real" here: "forged", "no sign of it", "unsure".
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

import numpy as np

from mien import hub
from mien.errors import MienError, UsageError
from mien.find import geometry
from mien.find.landmarks import Network

CROP_SIZE = 128
CALIBRATION = Path(__file__).with_name("guard.json")
SMALLEST_FACE = 60.0  # pixels; of smaller ones nothing is said
DOUBT = 0.1  # probability of being wrong, above which nothing is said
LIMITS = (
    "It finds the manipulations that it was trained on, and few others: no sign is no proof that a "
    "picture is real, and a sign no proof that it is forged."
)
"""What every verdict has to be read with."""

Answer = Literal["forged", "no sign", "unsure"]
Level = Literal["light", "medium", "strong"]


class Found(NamedTuple):
    """Of n faces: ``logit`` (n,), above 0 where forged is more likely, not yet calibrated; and
    ``where`` (n, h, w) 0..1, what each cell of the crop speaks for. Rows go down."""

    logit: np.ndarray
    where: np.ndarray


class Guard:
    """Runs the detector on upright crops of ``size`` pixels.

    Each answer is the middle between the crop's and its mirror image's.
    """

    def __init__(self, network: Network, size: int = CROP_SIZE, batch: int = 8):
        if batch < 1:
            raise UsageError(f"batch must be at least 1, not {batch}")
        self.network, self.size, self.batch = network, size, batch

    @classmethod
    def bundled(cls, device: str = "cpu", threads: int | None = None, batch: int = 8) -> Self:
        """The detector that mien ships; MienError when the device is not there."""
        return cls(hub.OnnxNetwork(hub.resolve("mien-guard"), device, threads), batch=batch)

    def __call__(self, image: np.ndarray, landmarks: Sequence[np.ndarray]) -> Found:
        """The faces of a picture (H, W, 3) uint8, by their landmarks (478, 3)."""
        places = [self.placement(points) for points in landmarks]
        crops = [geometry.crop(image, place, self.size) for place in places]
        return self.of_crops(np.stack(crops) if crops else np.zeros((0, 1, 1, 3), np.uint8))

    def placement(self, landmarks: np.ndarray) -> np.ndarray:
        """(2, 3), from the pixels of a face's crop to those of its picture."""
        to_face = geometry.crop_to_face(self.size)
        return geometry.compose(geometry.face_to_image(landmarks), to_face)

    def of_crops(self, crops: np.ndarray) -> Found:
        """Of (n, S, S, 3) uint8 crops."""
        if not len(crops):
            return Found(np.zeros(0, np.float32), np.zeros((0, 1, 1), np.float32))
        parts = [self._part(crops[i : i + self.batch]) for i in range(0, len(crops), self.batch)]
        return Found(*(np.concatenate(one) for one in zip(*parts, strict=True)))

    def _part(self, crops: np.ndarray) -> Found:
        both = np.concatenate([crops, crops[:, :, ::-1]])
        batch = both.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)
        logit, cells, *_ = self.network(np.ascontiguousarray(batch))
        count = len(crops)
        cells = (cells[:count] + cells[count:, :, ::-1]) / 2
        return Found((logit[:count] + logit[count:]) / 2, 1 / (1 + np.exp(-cells)))


@dataclass(frozen=True)
class Calibration:
    """What a logit means; chosen on validation, for one network.

    slope, bias: the probability of a forgery is ``1 / (1 + exp(-(slope * logit + bias)))`` if half
    of all pictures are forged. reliability: by level of compression, how often a forged face gets a
    higher logit than a real one (AUC, measured; 0.5 is chance). weights: SHA-256 of the network.
    """

    slope: float
    bias: float
    reliability: Mapping[str, float]
    weights: str

    @classmethod
    def bundled(cls) -> Self:
        """Of the network that mien ships; MienError where the file is of another one."""
        found = cls.read(CALIBRATION)
        if found.weights != hub.lookup("mien-guard").sha256:
            raise MienError(f"{CALIBRATION.name} is of another mien-guard: install mien again")
        return found

    @classmethod
    def read(cls, path: Path) -> Self:
        """From a JSON file."""
        return cls(**json.loads(path.read_text("utf-8"))["calibration"])

    def probability(self, logit: Any) -> np.ndarray:
        """Of a forgery, (...), if half of all pictures are."""
        value = self.slope * np.asarray(logit, np.float64) + self.bias
        return 1 / (1 + np.exp(-np.clip(value, -50, 50)))


def answer_of(probability: float, size: float = np.inf) -> Answer:
    """What is said at a probability, of a face of ``size`` pixels."""
    if size < SMALLEST_FACE or DOUBT < probability < 1 - DOUBT:
        return "unsure"
    return "forged" if probability >= 1 - DOUBT else "no sign"
