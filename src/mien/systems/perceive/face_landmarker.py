"""mien's own dense landmark network: one crop -> 478 points in space and "is this a face".

A small residual network. The last feature map is flattened, not averaged, so that places stay
known; every point is regressed as an offset from the mean face. Labels come from a published
teacher (MediaPipe Face Landmarker), so this is a distilled student.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from mien.face import LANDMARKS
from mien.find import geometry, mean_face
from mien.nn.residual import conv_norm, residual_stage
from mien.train.system import Batch, Card, Stage, System

FINE = (*range(468, 478), 33, 133, 263, 362, 61, 291, 0, 17, 13, 14, 78, 308, 159, 145, 386, 374,
        160, 144, 158, 153, 385, 380, 387, 373, 82, 87, 312, 317, 81, 178, 311, 402)  # fmt: skip
# Upper and lower points whose distance says how far an eye or the mouth is open.
OPENINGS = ((159, 145), (160, 144), (158, 153), (386, 374), (385, 380), (387, 373),
            (13, 14), (82, 87), (312, 317))  # fmt: skip


@dataclass(frozen=True)
class LandmarkerConfig:
    """``size``: side of the crop in pixels; ``widths``, ``depths``: the residual stages."""

    size: int = 128
    widths: tuple[int, ...] = (16, 24, 48, 96, 160)
    depths: tuple[int, ...] = (1, 2, 2, 2)
    squeeze: int = 32
    steps: int = 12_000

    @classmethod
    def paper(cls) -> Self:
        return cls()

    @classmethod
    def tiny(cls) -> Self:
        return cls(size=64, widths=(8, 8, 16, 16, 32), depths=(1, 1, 1, 1), squeeze=8, steps=60)


class FaceLandmarker(System):
    """(N, 3, S, S) RGB 0..1 -> landmarks (N, 478, 3) in crop pixels, presence logit (N,)."""

    CARD = Card(
        slug="mien-landmarks",
        title="mien face landmarks: a 478-point student",
        task="landmarks",
        venue="mien",
        arxiv=None,
        repository=None,
        code_licence="Apache-2.0",
        weights_licence="Apache-2.0",
        weights=("mien-landmarks",),
    )
    Config = LandmarkerConfig
    CROP = "200 mm around the mean face, upright in the face frame (mien.find.geometry)"

    def __init__(self, config: LandmarkerConfig):
        super().__init__(config)
        widths = config.widths
        stages = zip(widths[:-1], widths[1:], config.depths, strict=True)
        self.stem = conv_norm(3, widths[0], 3, 2)
        self.body = nn.Sequential(*(residual_stage(i, o, depth) for i, o, depth in stages))
        side = config.size // 2 ** len(widths)
        self.squeeze = conv_norm(widths[-1], config.squeeze, 1)
        # A convolution over the whole map: unlike a matrix product of a batch, its arithmetic
        # does not depend on how many faces are in the batch.
        self.points = nn.Conv2d(config.squeeze, LANDMARKS * 3, side)
        self.presence = nn.Conv2d(config.squeeze, 1, side)
        self.register_buffer("mean", self._mean_in_crop(), persistent=False)
        nn.init.normal_(self.points.weight, std=1e-3)
        self.points.bias = nn.Parameter(torch.zeros(LANDMARKS * 3))

    def _mean_in_crop(self) -> torch.Tensor:
        to_crop = geometry.invert(geometry.crop_to_face(self.config.size))
        return torch.tensor(geometry.transform(to_crop, mean_face.points()), dtype=torch.float32)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = torch.relu(self.stem(image * 2 - 1))
        x = torch.relu(self.squeeze(self.body(x)))
        offsets = self.points(x).float().view(-1, LANDMARKS, 3)
        landmarks = self.mean + offsets * self.config.size
        return landmarks, self.presence(x).float().view(-1)

    def dynamic_axes(self) -> dict[str, dict[int, str]]:
        return {name: {0: "batch"} for name in ("image", "output_0", "output_1")}

    def stages(self) -> list[Stage]:
        weights = {"plane": 1.0, "fine": 0.5, "depth": 0.3, "openings": 0.5, "presence": 0.5}
        return [
            Stage(
                name="distil", data="face-crops", losses=weights, steps=self.config.steps,
                batch=64, rate=2e-3, weight_decay=0.02,
            )
        ]  # fmt: skip

    def losses(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Terms in pixels of a 128-pixel crop; points count only where a face is."""
        points, presence = self(*self.inputs(batch))
        face = batch["presence"] > 0.5
        unit = self.config.size / 128
        truth, points = batch["landmarks"][face] / unit, points[face] / unit
        fine = list(FINE)
        return {
            "plane": F.smooth_l1_loss(points[..., :2], truth[..., :2], beta=0.5),
            "fine": F.smooth_l1_loss(points[:, fine, :2], truth[:, fine, :2], beta=0.5),
            "depth": F.smooth_l1_loss(points[..., 2], truth[..., 2], beta=0.5),
            "openings": F.smooth_l1_loss(_openings(points), _openings(truth), beta=0.5),
            "presence": F.binary_cross_entropy_with_logits(presence, batch["presence"]),
        }

    def example(self, count: int) -> dict[str, torch.Tensor]:
        size = self.config.size
        presence = torch.ones(count)
        presence[count // 2 + 1 :] = 0
        return {
            "image": torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8),
            "landmarks": self.mean.cpu() + torch.randn(count, 1, 3) * size / 16,
            "presence": presence,
        }

    def inputs(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        return (batch["image"].float() / 255,)

    def crop(self, landmarks: np.ndarray) -> np.ndarray:
        """As of the finder: upright in the frame of a face that was found before."""
        to_face = geometry.crop_to_face(self.config.size)
        return geometry.compose(geometry.face_to_image(landmarks), to_face)

    @torch.inference_mode()
    def predict(self, image: torch.Tensor) -> torch.Tensor:
        """Landmarks (N, 478, 3) in crop pixels of crops (N, 3, S, S) 0..1."""
        return self.eval()(image)[0]


def _openings(points: torch.Tensor) -> torch.Tensor:
    """Upper-to-lower vectors of the eye and mouth openings, (N, k, 2)."""
    upper, lower = zip(*OPENINGS, strict=True)
    return points[:, list(lower), :2] - points[:, list(upper), :2]
