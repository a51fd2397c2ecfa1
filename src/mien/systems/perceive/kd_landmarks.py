"""KD-Landmarks: a small landmark regressor between a tough and a tolerant teacher.

Fard and Mahoor (2022), "Facial Landmark Points Detection Using Knowledge Distillation-Based Neural
Networks". Two EfficientNet-B3 regress landmarks: the Tough teacher the true ones, the Tolerant
teacher smooth ones, the nearest that a shape model with few components can draw
(``mien.data.shape_model``). A MobileNetV2 student then learns the truth, and in each coordinate is
pulled to a teacher that does better and pushed off one that does worse (the assistive loss).

Written from the paper's formulas; where figure and code of the repository differ, this is the code
(inner border 0.15, no ramp). The repository cannot be run as published, and its licence allows no
derivatives; the importer follows the names of Keras layers and has not met the released files.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import nn

from mien.errors import InputError
from mien.face import DLIB_68
from mien.find.geometry import box_of
from mien.nn.frozen import frozen, learns
from mien.nn.losses import mean_known
from mien.nn.mobile import MOBILENET_V2, EfficientNet, MobileNetV2
from mien.train.system import Batch, Card, Published, Stage, System, from_box

INNER = 0.15  # share of a teacher's error within which the student is left alone
PULL = {"tough": 1.9, "tolerant": 1.8}  # α⁺, where the student is worse than the teacher
PUSH = {"tough": -0.45, "tolerant": -0.40}  # α⁻, where it is better


@dataclass(frozen=True)
class KdLandmarksConfig:
    """``size``: side of the crop; ``points``: 68 (300W), 98 (WFLW) or 29 (COFW)."""

    size: int = 224
    points: int = 68
    width: float = 1.0  # of the student
    teacher_width: float = 1.2
    teacher_depth: float = 1.4
    drop_path: float = 0.2
    dropout: float = 0.5
    steps: int = 26_700

    @classmethod
    def paper(cls) -> Self:
        """MobileNetV2 and two EfficientNet-B3."""
        return cls()

    @classmethod
    def tiny(cls) -> Self:
        return cls(size=32, width=0.25, teacher_width=0.25, teacher_depth=0.3, drop_path=0.0,
                   dropout=0.0, steps=60)  # fmt: skip


class Teacher(nn.Module):
    """(N, 3, S, S) -> normed landmarks (N, 2K)."""

    def __init__(self, config: KdLandmarksConfig):
        super().__init__()
        self.features = EfficientNet(config.teacher_width, config.teacher_depth, config.drop_path)
        self.dropout = nn.Dropout(config.dropout)
        self.points = nn.Linear(self.features.channels, 2 * config.points)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.points(self.dropout(self.features(image)))


class Student(nn.Module):
    """(N, 3, S, S) -> normed landmarks (N, 2K)."""

    def __init__(self, config: KdLandmarksConfig):
        super().__init__()
        self.features = MobileNetV2(config.width)
        self.points = nn.Linear(self.features.channels, 2 * config.points)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.points(self.features(image))


class KdLandmarks(System):
    """(N, 3, S, S) RGB 0..1 -> normed landmarks (N, 2K): x0, y0, x1, y1...

    Normed means (S / 2 - pixel) / S, about -0.5 to 0.5; the sign is as published.
    """

    CARD = Card(
        slug="kd-landmarks",
        title="KD-Landmarks: landmarks by knowledge distillation from two teachers",
        task="landmarks",
        venue="Computer Vision and Image Understanding 215, 2022",
        arxiv="2111.07047",
        repository="https://github.com/aliprf/KD-Loss",
        code_licence="CC-BY-NC-ND-4.0 (theirs); Apache-2.0 (this implementation)",
        weights_licence="CC-BY-NC-ND-4.0",
    )
    Config = KdLandmarksConfig
    CROP = "the box of the landmarks, 5 to 20 pixels wider on each side, stretched to a square"
    config: KdLandmarksConfig

    def __init__(self, config: KdLandmarksConfig):
        super().__init__(config)
        self.tough = Teacher(config)
        self.tolerant = Teacher(config)
        self.student = Student(config)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (self.student(image),)

    def stages(self) -> list[Stage]:
        """Published: Adam, rate 1e-3, decay 1e-4, 150 epochs, in this order."""
        losses = {
            "tough": {"tough": 1.0},
            "tolerant": {"tolerant": 1.0},
            "student": {"main": 2.0, "assist_tough": 1.0, "assist_tolerant": 1.0},
        }
        return [
            Stage(
                name=name, data="faces", losses=weights, steps=self.config.steps, batch=70,
                rate=1e-3, weight_decay=1e-4, train=(f"{name}.",),
            )
            for name, weights in losses.items()
        ]  # fmt: skip

    def losses(self, batch: Batch) -> dict[str, torch.Tensor]:
        """The terms of whichever networks learn; points that are unknown (NaN) do not count."""
        (image,) = self.inputs(batch)
        word = f"landmarks_{self.config.points}"
        truth, smooth = self.normed(batch[word]), self.normed(batch[f"{word}_smooth"])
        terms = {}
        if learns(self.tough):
            terms["tough"] = _squared_error(self.tough(image), truth)
        if learns(self.tolerant):
            terms["tolerant"] = _squared_error(self.tolerant(image), smooth)
        if learns(self.student):
            terms |= self._student_losses(image, truth)
        return terms

    def _student_losses(self, image: torch.Tensor, truth: torch.Tensor) -> dict[str, torch.Tensor]:
        with frozen(self.tough), frozen(self.tolerant):
            taught = {"tough": self.tough(image), "tolerant": self.tolerant(image)}
        points, known = self.student(image).float(), truth.isfinite()
        truth = truth.nan_to_num()
        errors = {name: (answer.float() - truth).abs() for name, answer in taught.items()}
        terms = {"main": mean_known(main_loss(points, truth, errors["tolerant"]), known)}
        for name, error in errors.items():
            loss = assistive_loss(points, truth, error, PULL[name], PUSH[name])
            terms[f"assist_{name}"] = mean_known(loss, known)
        return terms

    def normed(self, points: torch.Tensor) -> torch.Tensor:
        """Crop pixels (N, K, 2) -> (N, 2K) as the networks give them."""
        return (0.5 - points / self.config.size).flatten(1)

    def pixels(self, normed: torch.Tensor) -> torch.Tensor:
        """Undo :meth:`normed`."""
        return (0.5 - normed.unflatten(1, (-1, 2))) * self.config.size

    def example(self, count: int) -> dict[str, torch.Tensor]:
        size, word = self.config.size, f"landmarks_{self.config.points}"
        points = torch.rand(count, self.config.points, 2) * size
        return {
            "image": torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8),
            word: points,
            f"{word}_smooth": (points + points.mean(0)) / 2,
        }

    def inputs(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        return (batch["image"].float() / 255,)

    def crop(self, landmarks: np.ndarray) -> np.ndarray:
        """5 % wider than the 68 points on each side: 12 pixels of the network's 224."""
        return from_box(box_of(landmarks[DLIB_68]), self.config.size, margin=0.05)

    def dynamic_axes(self) -> dict[str, dict[int, str]]:
        return {name: {0: "batch"} for name in ("image", "output_0")}

    @torch.inference_mode()
    def predict(self, image: torch.Tensor) -> torch.Tensor:
        """Landmarks (N, K, 2) in crop pixels of crops (N, 3, S, S) 0..1."""
        return self.pixels(*self.eval()(image))

    @classmethod
    def published(cls, state: Mapping[str, torch.Tensor]) -> Published:
        """A student, whose last layer says how many points it knows."""
        points = next((len(v) // 2 for name, v in state.items() if "O_L/bias" in name), 68)
        return Published(KdLandmarksConfig(points=points), absent=("tough", "tolerant"))

    @classmethod
    def from_official(cls, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """A released student: arrays of the Keras layers, by names such as ``Conv1/kernel:0``.

        The teachers were never released. Kernels are turned from Keras's order of axes.
        """
        return dict(_from_keras(name, value) for name, value in state.items())


def main_loss(points: torch.Tensor, truth: torch.Tensor, border: torch.Tensor) -> torch.Tensor:
    """3|e| up to the tolerant teacher's error T, e² + 3T - T² beyond it; per coordinate."""
    error = (points - truth).abs()
    return torch.where(error <= border, 3 * error, error**2 + 3 * border - border**2)


def assistive_loss(
    points: torch.Tensor, truth: torch.Tensor, teacher_error: torch.Tensor, pull: float, push: float
) -> torch.Tensor:
    """The teacher, reflected to the student's side, attracts or repels it; per coordinate.

    Negative where the student is better than the teacher, zero very near to the truth.
    """
    error = points - truth
    reflected = truth + error.detach().sign() * teacher_error
    size = error.detach().abs()
    better = torch.where(size >= INNER * teacher_error, push, 0.0)
    weight = torch.where(size > teacher_error, pull, better)
    return weight * (reflected - points).abs()


def _squared_error(points: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    return mean_known((points.float() - truth.nan_to_num()).square(), truth.isfinite())


ARRAYS = {"gamma": "norm.weight", "beta": "norm.bias", "moving_mean": "norm.running_mean",
          "moving_variance": "norm.running_var"}  # fmt: skip


def _from_keras(name: str, value: torch.Tensor) -> tuple[str, torch.Tensor]:
    """``block_3_expand_BN/gamma:0`` -> ``student.features.blocks.3.expand.norm.weight``."""
    layer, _, array = name.removesuffix(":0").rpartition("/")
    layer = layer.split("/")[0]  # Keras files say it twice
    if layer == "O_L":
        if array not in ("kernel", "bias"):
            raise InputError(f"{name}: not a tensor of a dense layer")
        kind = "weight" if array == "kernel" else "bias"
        return f"student.points.{kind}", value.T if array == "kernel" else value
    place = _keras_place(layer)
    if place is None or array not in (*ARRAYS, "kernel", "depthwise_kernel"):
        raise InputError(f"{name}: not a tensor of this system's published checkpoints")
    if array in ARRAYS:
        return f"student.features.{place}.{ARRAYS[array]}", value
    axes = (2, 3, 0, 1) if array == "depthwise_kernel" else (3, 2, 0, 1)
    return f"student.features.{place}.conv.weight", value.permute(axes)


def _keras_place(layer: str) -> str | None:
    if layer in ("Conv1", "bn_Conv1"):
        return "stem"
    if layer in ("Conv_1", "Conv_1_bn"):
        return "last"
    match = re.fullmatch(r"(?:expanded_conv|block_(\d+))_(expand|depthwise|project)(_BN)?", layer)
    if match is None or int(match[1] or 0) >= sum(count for _, _, count, _ in MOBILENET_V2):
        return None
    return f"blocks.{int(match[1] or 0)}.{match[2]}"
