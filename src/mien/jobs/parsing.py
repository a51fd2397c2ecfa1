"""What ``mien analyze --outputs parsing`` writes of a photo: a picture of its classes."""

from pathlib import Path

import numpy as np
from PIL import Image

from mien.face import Face
from mien.media import overlay
from mien.media.files import atomic

PALETTE = np.array(
    [(0, 0, 0), (200, 150, 120), (240, 190, 160), (70, 90, 110), (210, 160, 90), (230, 180, 110),
     (120, 60, 30), (170, 95, 40), (40, 120, 255), (0, 200, 255), (250, 130, 60), (120, 0, 40),
     (255, 90, 140), (220, 40, 80), (90, 70, 160), (20, 20, 20), (60, 160, 90), (255, 220, 60),
     (255, 240, 150)],
    np.uint8,
)  # fmt: skip
"""RGB of the classes, in the order of ``mien.head.model.CELEBAMASK``."""


def parsed(image: np.ndarray, faces: list[Face]) -> np.ndarray | None:
    """Classes (H, W) uint8 of a picture, 0 outside of the faces; None where no face is parsed."""
    masks, matrices = [], []
    for face in faces:
        said = face.readings
        if said is not None and said.parsing is not None and said.parsing_to_image is not None:
            masks.append(said.parsing)
            matrices.append(said.parsing_to_image)
    return overlay.parsing_of(image.shape, masks, matrices) if masks else None


def write_parsing(path: Path, mask: np.ndarray) -> None:
    """A PNG whose pixels are numbers of classes, and which shows them in colour."""
    picture = Image.fromarray(mask, "P")
    picture.putpalette(PALETTE.tobytes())
    with atomic(path) as temporary:
        picture.save(temporary, format="PNG")
