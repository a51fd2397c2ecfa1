"""What a system says of the faces of a picture: its own crop of each, one answer for each.

Systems of one task have a ``predict`` of one signature, crops (N, 3, S, S) 0..1 to

============== =====================================================================================
analysis       dict of task -> tensor, as ``FaceXFormer.predict`` documents
landmarks      (N, K, 2 or 3) in crop pixels
action-units   dict of the unit's number -> probability (N,)
embedding      unit vectors (N, dimensions)
============== =====================================================================================
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mien.data import labels
from mien.errors import MienError, UsageError
from mien.face import Pose
from mien.find import geometry
from mien.systems import trained
from mien.train.system import System

Value = float | int | str
BATCH = 8  # crops of one call


@dataclass
class Answer:
    """What a system says of one face.

    values: by column; names say what they are. landmarks: (K, 2 or 3) in the picture's pixels.
    parsing: (S, S) uint8, class of ``labels.PARSING`` per pixel of the crop. matrix: (2, 3), from
    crop pixels to the picture.
    """

    matrix: np.ndarray
    values: dict[str, Value] = field(default_factory=dict)
    landmarks: np.ndarray | None = None
    pose: Pose | None = None
    parsing: np.ndarray | None = None


class Answerer:
    """A system with weights that answers about faces which have been found.

    run, weights: as of ``trained.find``. Raises UsageError for a system whose task has no answers,
    and MienError where there are no weights or no such device.
    """

    def __init__(
        self, slug: str, run: Path | None = None, weights: str | None = None, device: str = "cpu"
    ):
        if device.startswith("cuda") and not torch.cuda.is_available():
            raise MienError(f"device {device!r} is not available: PyTorch sees no CUDA device")
        self.system: Any = trained.find(slug, run, weights).to(device).eval()
        task = self.system.CARD.task
        if task not in TASKS:
            raise UsageError(f"{slug}: its task, {task}, is not one of {', '.join(TASKS)}")
        self.slug, self.fill, self.device = slug, TASKS[task], device

    def __call__(self, image: np.ndarray, landmarks: Sequence[np.ndarray]) -> list[Answer]:
        """One answer for each face of a picture (H, W, 3) uint8, by its landmarks (478, 3)."""
        answers = [Answer(self.system.crop(points)) for points in landmarks]
        for start in range(0, len(answers), BATCH):
            part = answers[start : start + BATCH]
            told = self.system.predict(self._crops(image, part))
            self.fill(self.system, told, part)
        return answers

    def _crops(self, image: np.ndarray, answers: Sequence[Answer]) -> torch.Tensor:
        size = self.system.config.size
        crops = [geometry.crop(image, answer.matrix, size) for answer in answers]
        pixels = torch.from_numpy(np.stack(crops).transpose(0, 3, 1, 2).copy())
        return pixels.to(self.device).float() / 255


def _analysis(system: System, told: dict[str, torch.Tensor], answers: Sequence[Answer]) -> None:
    whole = {task: value.cpu().numpy() for task, value in told.items()}
    for i, answer in enumerate(answers):
        for task, value in whole.items():
            _task(task, value[i], answer)


def _task(task: str, value: np.ndarray, answer: Answer) -> None:
    match task:
        case "parsing":
            answer.parsing = value.astype(np.uint8)
        case "landmarks":
            _place(value, answer)
        case "pose":
            answer.pose = Pose(*map(float, value))
            answer.values |= dict(zip(("yaw", "pitch", "roll"), map(float, value), strict=True))
        case "attributes":
            answer.values |= dict(zip(labels.ATTRIBUTES, map(float, value), strict=True))
        case "visibility":
            answer.values |= {f"visible_{k}": float(v) for k, v in enumerate(value)}
        case "age":
            answer.values["age"] = float(value)
        case "identity":
            answer.values |= {f"embedding_{k}": float(v) for k, v in enumerate(value)}
        case _:
            answer.values[task] = CLASSES[task][int(value)]


CLASSES = {"gender": labels.GENDERS, "race": labels.RACES, "expression": labels.EXPRESSIONS}


def _landmarks(system: System, told: torch.Tensor, answers: Sequence[Answer]) -> None:
    for points, answer in zip(told.cpu().numpy(), answers, strict=True):
        _place(points, answer)


def _place(points: np.ndarray, answer: Answer) -> None:
    """Points (K, 2 or 3) of a crop in the picture, and in columns."""
    placed = geometry.transform(answer.matrix, points)
    answer.landmarks = placed
    for k, point in enumerate(placed):
        answer.values |= {f"{axis}_{k}": float(v) for axis, v in zip("xyz", point, strict=False)}


def _action_units(system: System, told: dict[int, torch.Tensor], answers: Sequence[Answer]) -> None:
    for unit, values in told.items():
        for answer, value in zip(answers, values.tolist(), strict=True):
            answer.values[f"AU{unit:02d}"] = value


def _embedding(system: System, told: torch.Tensor, answers: Sequence[Answer]) -> None:
    for answer, vector in zip(answers, told.cpu().tolist(), strict=True):
        answer.values = {f"embedding_{k}": value for k, value in enumerate(vector)}


TASKS: dict[str, Callable[[Any, Any, Sequence[Answer]], None]] = {
    "analysis": _analysis,
    "landmarks": _landmarks,
    "action-units": _action_units,
    "embedding": _embedding,
}
