"""People without number, from portraits of a few thousand: what an embedding learns from.

The first people are the portraits themselves. Each further one has parents: the shape lies
between theirs, or a little beyond; the skin is one parent's in some places and the other's
elsewhere, so that it stays as sharp as a photograph. Everybody is seen in several *views*: the
first as the portrait was taken, the others turned and with other expressions
(``mien.data.face_warp``).

``python -m mien.data.identities DATA OUT`` draws them once, into a folder:

=============== =====================================================================
``views.npy``   (n, S, S, 3) uint8: crops as ``mien.find.embedder`` aligns them, ``MARGIN`` wider
``people.npy``  (n,) int32: who is seen; a person's first view comes first
``vectors.npy`` (people, 128) float32: the teacher's vectors of the first views, added by
                ``mien.evaluate.peers``' ``dlib_faces.py``
=============== =====================================================================
"""

import argparse
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from mien.data import photometric
from mien.data.face_source import PORTRAIT_SIDE, FaceSource
from mien.data.face_warp import Change, FaceWarp
from mien.data.portraits import Portraits
from mien.errors import InputError
from mien.face import LANDMARKS, LEFT_IRIS, RIGHT_IRIS
from mien.find import embedder, geometry
from mien.media.files import atomic, check_readable

FILES = ("views", "people", "vectors")
SIDE = 144  # of a stored view, in pixels
MARGIN = 1.3  # of a stored view, beyond what the network sees
BEYOND = 0.3  # how far the shape of a child may lie beyond one of its parents'
PATCHES = 4  # cells, a side, of the map that says which parent's skin is where
EDGE = 3.0  # how sharply one parent's skin gives way to the other's


def load_source(data: Path) -> FaceSource:
    """The training portraits below ``data``, without mattes: they keep their backgrounds."""
    portraits = Portraits.load(data / "portraits")
    chosen = np.flatnonzero(~portraits.test)
    rgba = np.full((len(chosen), PORTRAIT_SIDE, PORTRAIT_SIDE, 4), 255, np.uint8)
    for row, index in enumerate(chosen):
        rgba[row, ..., :3] = portraits.image(int(index), PORTRAIT_SIDE)
    return FaceSource(rgba, portraits.landmarks[chosen] * PORTRAIT_SIDE, [])


@dataclass(frozen=True)
class Person:
    """Somebody who can be drawn: one portrait, or two in the same shape and a map of their skins.

    map: (S, S) 0..1 in the view's pixels, the share of the second.
    """

    first: FaceWarp
    second: FaceWarp | None = None
    map: np.ndarray | None = None

    def draw(self, change: Change, rng: np.random.Generator) -> np.ndarray:
        """A view (S, S, 3) uint8."""
        landmarks = self.first.landmarks(change)
        place = geometry.invert(embedder.placement(landmarks, SIDE, MARGIN))
        image = self.first.draw(change, place, (SIDE, SIDE), rng).image
        if self.second is None or self.map is None:
            return image
        other = self.second.draw(change, place, (SIDE, SIDE), rng).image
        share = self.map[..., None]
        return np.rint(image * (1 - share) + other * share).astype(np.uint8)


def person(source: FaceSource, number: int, seed: int = 0) -> Person:
    """Person ``number``: of the portraits, then of their children without end."""
    if number < len(source):
        return Person(source.face(number, mirrored=False))
    rng = np.random.default_rng([seed, number])
    parents = rng.choice(len(source), 2, replace=False)
    first, second = (source.face(int(i), bool(rng.random() < 0.5)) for i in parents)
    share = rng.uniform(-BEYOND, 1 + BEYOND)
    shape = (1 - share) * first.frontal + share * second.frontal
    first, second = _reshaped(first, shape, first), _reshaped(second, shape, first)
    return Person(first, second, _map(rng))


def view(number: int, rng: np.random.Generator) -> Change:
    """What changes in a person's view of this number, nothing in the first."""
    if number == 0:
        return Change()
    smiles = rng.random() < 0.4
    lids = 1.0 if rng.random() < 0.06 else float(rng.uniform(-0.1, 0.3))
    return Change(
        yaw=float(np.clip(rng.normal(0, 16), -40, 40)),
        pitch=float(np.clip(rng.normal(0, 9), -22, 22)),
        jaw=float(rng.uniform(1, 12)) if rng.random() < 0.25 else 0.0,
        blink=(lids, lids),
        brows=float(rng.normal(0, 2)),
        mouth=(float(rng.normal(0, 2.5)), float(rng.normal(0, 2))) if smiles else (0.0, 0.0),
    )


def _reshaped(face: FaceWarp, shape: np.ndarray, frame: FaceWarp) -> FaceWarp:
    """The skin of one portrait on another shape, placed as the portrait ``frame`` is."""
    child = copy(face)
    child.frontal, child.fit = shape, frame.fit
    return child


def _map(rng: np.random.Generator) -> np.ndarray:
    cells = rng.normal(0, 1, (PATCHES, PATCHES)) + rng.normal(0, 0.7)
    smooth = cv2.resize(cells, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    return (1 / (1 + np.exp(-EDGE * smooth))).astype(np.float32)


def picture(view: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """A stored view as a camera and a face finder might bring it: (size, size, 3) uint8.

    Aligned a little wrong, perhaps in a mirror, with something in front of it, badly lit and kept.
    """
    if rng.random() < 0.1:
        view = photometric.glasses(view, _eyes(), rng)
    turn, scale = np.radians(rng.normal(0, 4)), np.exp(rng.normal(0, 0.05)) / MARGIN
    step = SIDE / size * scale * np.array([np.cos(turn), np.sin(turn)])
    linear = np.array([[step[0], -step[1]], [step[1], step[0]]])
    if rng.random() < 0.5:
        linear[:, 0] *= -1
    centre = SIDE / 2 + rng.normal(0, 0.015 * SIDE, 2)
    shift = centre - linear @ (size / 2, size / 2)
    image = geometry.crop(view, np.column_stack([linear, shift]), size)
    if rng.random() < 0.12:
        image = photometric.occlude(image, image[::-1], rng)
    return photometric.degrade(image, rng) if rng.random() < 0.6 else image


@cache
def _eyes() -> np.ndarray:
    """(478, 3) pixels of any view, as all are aligned; only those of the eyes mean something."""
    places = (embedder.PLACES + embedder.PADDING) / (1 + 2 * embedder.PADDING)
    places = ((places - 0.5) / MARGIN + 0.5) * SIDE
    points = np.zeros((LANDMARKS, 3))
    points[list(embedder.CORNERS), :2] = places
    points[RIGHT_IRIS, :2], points[LEFT_IRIS, :2] = places[2:4].mean(0), places[:2].mean(0)
    return points


@dataclass(frozen=True)
class Views:
    """A folder of drawn people.

    images: (n, S, S, 3) uint8. people: (n,), rising. vectors: (people, 128) unit vectors, or NaN.
    """

    images: np.ndarray
    people: np.ndarray
    vectors: np.ndarray

    @classmethod
    def load(cls, folder: Path) -> "Views":
        """Raises InputError where the folder is not whole, or has no teacher's vectors yet."""
        images, people, vectors = (_array(folder / f"{name}.npy") for name in FILES)
        fits = (
            images.ndim == 4 and images.shape[1:] == (SIDE, SIDE, 3) and images.dtype == np.uint8
            and people.shape == images.shape[:1] and len(people) > 0
            and vectors.shape == (int(people[-1]) + 1, embedder.DIMENSIONS)
        )  # fmt: skip
        if not fits:
            raise InputError(f"{folder}: its files do not belong together; draw the people again")
        return cls(images, people, centred(vectors))


def centred(vectors: np.ndarray) -> np.ndarray:
    """Unit vectors from the mean of (n, 128) vectors; rows of NaN stay.

    A teacher puts people who are all photographed in one way into one corner of its space.
    """
    away = vectors - np.nanmean(vectors, axis=0)
    return (away / np.linalg.norm(away, axis=1, keepdims=True)).astype(np.float32)


def _array(file: Path) -> np.ndarray:
    check_readable(file)
    try:
        return np.load(file, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise InputError(f"{file}: not an array: {error}") from error


def draw(source: FaceSource, out: Path, people: int, views: int, seed: int = 0) -> None:
    """Write ``people`` people, ``views`` views of each, into the folder ``out``."""
    out.mkdir(parents=True, exist_ok=True)
    with atomic(out / "views.npy") as temporary:
        shape = (people * views, SIDE, SIDE, 3)
        images = np.lib.format.open_memmap(temporary, "w+", np.uint8, shape)
        for number in range(people):
            one = person(source, number, seed)
            for turn in range(views):
                rng = np.random.default_rng([seed, number, turn])
                images[number * views + turn] = one.draw(view(turn, rng), rng)
        images.flush()
    with atomic(out / "people.npy") as temporary, temporary.open("wb") as file:
        np.save(file, np.repeat(np.arange(people, dtype=np.int32), views))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with portraits and backgrounds")
    parser.add_argument("out", type=Path)
    parser.add_argument("--people", type=int, default=7600)
    parser.add_argument("--views", type=int, default=4)
    chosen = parser.parse_args(arguments)
    draw(load_source(chosen.data), chosen.out, chosen.people, chosen.views)


if __name__ == "__main__":
    main()
