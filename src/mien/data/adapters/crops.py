"""Square crops of pictures with their labels: a data set in the words of training batches."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from mien.data.adapters.dataset import Dataset, Picture
from mien.data.adapters.words import dtype, unknown
from mien.data.labels import UNKNOWN, WORDS
from mien.errors import UsageError

MARGIN = 1.3
"""How much larger the crop is than the face's box."""


class Crops:
    """A map-style data set: ``crops[i]`` is a dictionary of numpy arrays, one per word asked for.

    The crop is the square about the face's box, enlarged by ``MARGIN``, or without a box the
    smallest square around the whole picture; beyond the picture it is black. Points and masks move
    with it; words that the data set does not have are filled in as unknown. Every sample has the
    same words and shapes, so batches of several data sets can be mixed.

    Raises UsageError for a word that there is not, or that no picture can fill.
    """

    def __init__(self, dataset: Dataset, side: int, words: Sequence[str]):
        self.dataset, self.side, self.words = dataset, side, tuple(words)
        for word in self.words:
            if word not in WORDS:
                raise UsageError(f"no word is called {word!r}; there are: {', '.join(WORDS)}")
            if word != "image":
                unknown(word, side)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        sample = self.dataset[index]
        if not isinstance(sample, Picture):
            raise UsageError(f"{self.dataset.name}: its samples are no pictures to be cropped")
        image = sample.image()
        place = _place(image.shape[:2], sample.box, self.side)
        crop = _warp(_shrunk(image, place.scale), image.shape, place, cv2.INTER_LINEAR, 0)
        labels = sample.labels
        known = {word: labels[word] for word in self.words if word in labels}
        moved = {word: self._move(word, v, place, image.shape) for word, v in known.items()}
        rest = {w: unknown(w, self.side) for w in self.words if w not in known and w != "image"}
        if "image" in self.words:
            moved["image"] = np.ascontiguousarray(crop.transpose(2, 0, 1))
        return {word: {**rest, **moved}[word] for word in self.words}

    def _move(
        self, word: str, value: np.ndarray, place: "_Place", size: Sequence[int]
    ) -> np.ndarray:
        if word.startswith("landmarks"):
            xy = value[..., :2] * place.scale + place.shift
            return np.concatenate([xy, value[..., 2:] * place.scale], -1).astype(dtype(word))
        if "S" not in WORDS[word].shape:
            return value
        mask = value.astype(np.int16)
        return _warp(mask, size, place, cv2.INTER_NEAREST, UNKNOWN).astype(dtype(word))


@dataclass(frozen=True)
class _Place:
    """Crop pixels are picture pixels times ``scale`` plus ``shift`` (2,)."""

    side: int
    scale: float
    shift: np.ndarray


def _place(size: Sequence[int], box: np.ndarray | None, side: int) -> _Place:
    height, width = size
    x0, y0, x1, y1 = (0, 0, width, height) if box is None else box
    extent = max(x1 - x0, y1 - y0) * (1 if box is None else MARGIN)
    scale = side / max(extent, 1)
    return _Place(side, scale, side / 2 - scale * np.array([(x0 + x1) / 2, (y0 + y1) / 2]))


def _shrunk(image: np.ndarray, scale: float) -> np.ndarray:
    """The image made smaller by the mean over areas, so that the crop does not alias."""
    if scale >= 1:
        return image
    height, width = (max(round(size * scale), 1) for size in image.shape[:2])
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def _warp(
    image: np.ndarray, size: Sequence[int], place: _Place, sampling: int, outside: int
) -> np.ndarray:
    """The crop of an image or mask that stands for a picture of ``size`` (H, W)."""
    x, y = place.scale * size[1] / image.shape[1], place.scale * size[0] / image.shape[0]
    # OpenCV counts from the centre of the first pixel, mien from its corner.
    matrix = np.array(
        [
            [x, 0, place.shift[0] + 0.5 * (x - 1)],
            [0, y, place.shift[1] + 0.5 * (y - 1)],
        ]
    )
    side = (place.side, place.side)
    border = (outside,) * (image.shape[2] if image.ndim == 3 else 1)
    return cv2.warpAffine(image, matrix, side, flags=sampling, borderValue=border)
