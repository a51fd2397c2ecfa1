"""Any system of the task "reconstruction" over mien's own head, with weights: pictures to heads."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mien.errors import MienError
from mien.face import BLENDSHAPES
from mien.find import geometry
from mien.head.camera import Perspective
from mien.head.fit import GOOD, OUTER_CORNERS, HeadFit
from mien.head.model import HeadModel
from mien.nn.heads import FREE, METRE, OPEN, SIDEWAYS, STEP, Code, rotations
from mien.systems import trained

TASK = "reconstruction"
FAR = 100_000.0  # mm: so far away a camera sees as the system's, which has no perspective
FREE_PLACES = np.array([BLENDSHAPES.index(name) for name in FREE])
GAZE_PLACES = np.array([i for i, name in enumerate(BLENDSHAPES) if name.startswith("eyeLook")])
FLAME = """{slug}: these weights are over FLAME, and `mien reconstruct` makes mien's own head; \
train it over that (`mien train {slug} --data world:`), or call the system from Python"""


class HeadReader:
    """Reads heads from pictures; run, weights: as of ``trained.find``.

    Raises UsageError for a system of another task, MienError where there are no weights, they are
    not over mien's own head, or there is no such device.
    """

    def __init__(
        self, slug: str, run: Path | None = None, weights: str | None = None, device: str = "cpu",
        model: HeadModel | None = None,
    ):  # fmt: skip
        self.system: Any = trained.of_task(TASK, slug, run, weights, device)
        if getattr(self.system.config, "head", "mien") != "mien":
            raise MienError(FLAME.format(slug=slug))
        self.device, self.model = device, model or HeadModel.bundled()

    def read(self, image: np.ndarray, landmarks: np.ndarray) -> HeadFit:
        """The head in a picture (H, W, 3) uint8, cropped by its landmarks (478, 3)."""
        place, size = self.system.crop(landmarks), self.system.config.size
        crop = geometry.crop(image, place, size)
        pixels = torch.from_numpy(crop.transpose(2, 0, 1).copy())[None]
        code = self.system.predict(pixels.to(self.device).float() / 255)
        centre = image.shape[1] / 2, image.shape[0] / 2
        return met(fit_of(code, place, size, centre), landmarks, self.model)

    def read_clip(
        self, images: Iterable[np.ndarray], landmarks: Iterable[np.ndarray | None]
    ) -> list[HeadFit | None]:
        """The head in each frame of a clip; who it is, is the mean over all frames."""
        fits = [None if points is None else self.read(image, points)
                for image, points in zip(images, landmarks, strict=False)]  # fmt: skip
        found = [fit.identity for fit in fits if fit is not None]
        mean = np.mean(found, axis=0, dtype=np.float32) if found else None
        return [None if fit is None else replace(fit, identity=mean) for fit in fits]


def fit_of(code: Code, place: np.ndarray, size: int, centre: tuple[float, float]) -> HeadFit:
    """A code of mien's own head, of one upright crop, in its picture.

    place: (2, 3), from crop pixels to the picture. centre: of the picture, pixels. Nothing is said
    of the eyes: they look ahead. ``error`` and ``quality`` are not known yet: NaN and 0.
    """
    shape, free, lids, jaw = (
        part[0].double().cpu().numpy()
        for part in (code.shape, code.expression, code.eyelids, code.jaw)
    )
    expression = np.zeros(len(BLENDSHAPES), np.float32)
    expression[FREE_PLACES] = free * STEP
    expression[GAZE_PLACES] = 0
    for name, value in (
        ("eyeBlinkLeft", lids[0]), ("eyeBlinkRight", lids[1]), ("jawOpen", jaw[0] / OPEN),
        ("jawLeft", jaw[1] / SIDEWAYS), ("jawRight", -jaw[1] / SIDEWAYS),
    ):  # fmt: skip
        expression[BLENDSHAPES.index(name)] = value
    scale, *shift = code.camera[0].double().tolist()
    per_mm = place[0, 0] * size / 2 * scale / METRE  # pixels of the picture
    middle = place @ (size / 2, size / 2, 1)
    x, y = (middle - centre) * (1, -1) / per_mm + np.array(shift) * METRE
    camera = Perspective(
        focal=per_mm * FAR, centre=centre, rotation=rotations(code.pose)[0].double().cpu().numpy(),
        translation=np.array([x, y, -FAR]),
    )  # fmt: skip
    return HeadFit(
        identity=shape.astype(np.float32), expression=expression.clip(0, 1),
        gaze=np.zeros((2, 2), np.float32), camera=camera, error=np.nan, quality=0.0,
    )  # fmt: skip


def met(fit: HeadFit, landmarks: np.ndarray, model: HeadModel) -> HeadFit:
    """The fit with its error and quality, by landmarks (478, 3) that were found in the picture."""
    points = model.landmarks(fit.vertices(model))
    apart = np.linalg.norm(points[OUTER_CORNERS[0]] - points[OUTER_CORNERS[1]])
    width = apart * fit.camera.focal / FAR
    away = np.linalg.norm(fit.camera.project(points)[:, :2] - landmarks[:, :2], axis=1) / width
    error, quality = float(np.sqrt(np.square(away).mean())), float((away < GOOD).mean())
    return replace(fit, error=error, quality=quality)
