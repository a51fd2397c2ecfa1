"""Albums of real and forged faces: pairs of crops of one picture, as it was and as it was forged.

============== ==================================================================================
``images.npy`` (n, 2, S, S, 3) uint8: the real picture, then the forged one
``masks.npy``  (n, S / 4, S / 4) uint8: how much of the forged one is new, 0..255
``about.json`` kinds by name, and of every pair its kind and its person
============== ==================================================================================
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mien.errors import InputError
from mien.media.files import atomic, check_readable

CELL = 4  # pixels of a crop that share one number of its mask
FILES = ("images.npy", "masks.npy", "about.json")


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """One picture, real and forged.

    images: (2, S, S, 3) uint8. mask: (S, S) float32 0..1, how much of the second is new. kind: of
    the forgery. person: number.
    """

    images: np.ndarray
    mask: np.ndarray
    kind: str
    person: int


class Album:
    """A folder of pairs.

    images: (n, 2, S, S, 3). masks: (n, S / 4, S / 4). kinds: (n,) names. people: (n,).

    Raises InputError where the folder is no album.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.images, self.masks = (_array(folder / name) for name in FILES[:2])
        try:
            about = json.loads((folder / "about.json").read_text("utf-8"))
            self.kinds = np.array([about["kinds"][i] for i in about["kind"]])
            self.people = np.array(about["person"], np.int64)
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise InputError(f"{folder}: not an album of forgeries: {error}") from error
        count, two, side = self.images.shape[:3] if self.images.ndim == 5 else (0, 0, 0)
        fits = (
            count and two == 2 and self.images.dtype == np.uint8
            and self.masks.shape == (count, side // CELL, side // CELL)
            and len(self.kinds) == len(self.people) == count
        )  # fmt: skip
        if not fits:
            raise InputError(f"{folder}: its files do not belong together; make the album again")

    def __len__(self) -> int:
        return len(self.images)

    @staticmethod
    def write(folder: Path, pairs: Iterable[Pair], count: int, side: int) -> None:
        """Make an album of ``count`` pairs with crops of ``side`` pixels, a multiple of 4."""
        folder.mkdir(parents=True, exist_ok=True)
        cells, kind, person = side // CELL, [], []
        with atomic(folder / FILES[0]) as first, atomic(folder / FILES[1]) as second:
            images = np.lib.format.open_memmap(first, "w+", np.uint8, (count, 2, side, side, 3))
            masks = np.lib.format.open_memmap(second, "w+", np.uint8, (count, cells, cells))
            for at, pair in enumerate(pairs):
                images[at], masks[at] = pair.images, np.rint(255 * _reduced(pair.mask, cells))
                kind.append(pair.kind)
                person.append(pair.person)
            images.flush()
            masks.flush()
        kinds = sorted(set(kind))
        about = {"kinds": kinds, "kind": [kinds.index(one) for one in kind], "person": person}
        with atomic(folder / FILES[2]) as path:
            path.write_text(json.dumps(about), "utf-8")


def _reduced(mask: np.ndarray, side: int) -> np.ndarray:
    """A mask (h, w) of ``side`` cells a side, each the mean of its part."""
    return cv2.resize(mask, (side, side), interpolation=cv2.INTER_AREA)


def _array(file: Path) -> np.ndarray:
    check_readable(file)
    try:
        return np.load(file, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise InputError(f"{file}: not an array: {error}") from error
