"""Samples of public data sets, and the sequence that makes them when they are asked for."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mien.data.adapters.folders import IMAGES, names, npy
from mien.data.adapters.words import dtype
from mien.errors import InputError
from mien.media.image import read_image
from mien.media.video import Frame, Video


class Labels(Mapping[str, np.ndarray]):
    """Words of a sample; one that is given as a function is read when it is asked for."""

    def __init__(self, **words: Any):
        self._words = words

    def __getitem__(self, word: str) -> np.ndarray:
        value = self._words[word]
        return np.asarray(value() if callable(value) else value, dtype(word))

    def __iter__(self) -> Iterator[str]:
        return iter(self._words)

    def __len__(self) -> int:
        return len(self._words)

    def __or__(self, other: Mapping[str, Any]) -> "Labels":
        more = other._words if isinstance(other, Labels) else other
        return Labels(**{**self._words, **more})


@dataclass(frozen=True, eq=False, kw_only=True)
class Sample:
    """One recording and what is known of it.

    path: the file, or the folder of its frames.
    labels: by word, numpy arrays in the shapes and types of ``mien.data.labels.WORDS``;
        places are pixels of the picture, and S is the size of the picture or of its mask.
    box: (4,) x0, y0, x1, y1 of the face in pixels, where the data set gives it.
    files: what lies beside it: ``audio``, ``mask``, ``template``.
    """

    path: Path
    labels: Labels
    box: np.ndarray | None = None
    files: Mapping[str, Path] = field(default_factory=dict)


class Picture(Sample):
    """A still image."""

    def image(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB; InputError when it cannot be read."""
        return read_image(self.path)


@dataclass(frozen=True, eq=False, kw_only=True)
class Clip(Sample):
    """A video, as one file or as a folder of images.

    fps: of a folder of images.
    series: words with a value per frame, arrays (frames, *shape).
    """

    fps: float = 25.0
    series: Labels = field(default_factory=Labels)

    def frames(self, every: int = 1) -> Iterator[Frame]:
        """Every ``every``-th frame, one at a time; InputError when it cannot be read."""
        if not self.path.is_dir():
            yield from Video(self.path).frames(every)
            return
        images = names(self.path, IMAGES)
        if not images:
            raise InputError(f"{self.path}: no images in it")
        for index in range(0, len(images), every):
            yield Frame(index, index / self.fps, read_image(self.path / images[index]))


@dataclass(frozen=True, eq=False, kw_only=True)
class MeshClip(Sample):
    """A face in motion as a mesh; ``files["audio"]`` is what is said.

    fps: meshes per second. rest: reads the person's neutral mesh (V, 3).
    """

    fps: float
    rest: Callable[[], np.ndarray]

    def vertices(self) -> np.ndarray:
        """(frames, V, 3) in the data set's units; left on the disk until it is used."""
        array = npy(self.path, mapped=True)
        if array.ndim not in (2, 3) or array.shape[-1] % 3 or array.dtype.kind != "f":
            raise InputError(f"{self.path}: {array.shape} {array.dtype}, not meshes over time")
        return array.reshape(len(array), -1, 3)

    def template(self) -> np.ndarray:
        """(V, 3) float64, the person's neutral mesh."""
        return self.rest()


class Indexed(Protocol):
    """What has a length and gives an item for each number below it."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


@dataclass(frozen=True)
class Items:
    """What an adapter finds: what it must remember of each sample, and how to make that sample.

    person: the name of the person in an item, where the data set tells it.
    people: the names in all items, where they are known beforehand.
    """

    items: Indexed
    make: Callable[[Any], Sample]
    person: Callable[[Any], str] | None = None
    people: Sequence[str] | None = None


class Dataset:
    """The samples of one split; each is read from the disk when it is asked for.

    name, split: of the adapter. root: its folder. Words with the same name mean the same in every
    data set; ``identity`` counts the people of this split in the order of their names.
    """

    def __init__(
        self, name: str, root: Path, split: str, found: Items, chosen: Sequence[int] | None = None
    ):
        self.name, self.root, self.split = name, root, split
        self._found, self._chosen = found, chosen

    def __len__(self) -> int:
        return len(self._found.items if self._chosen is None else self._chosen)

    def __getitem__(self, index: int) -> Sample:
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        item = self._item(range(len(self))[index])
        sample = self._found.make(item)
        if self._found.person is not None:
            number = self._numbers[self._found.person(item)]
            return replace(sample, labels=sample.labels | {"identity": number})
        return sample

    def __iter__(self) -> Iterator[Sample]:
        return (self[index] for index in range(len(self)))

    def __reduce__(self):
        from mien.data.adapters.registry import reopen

        return reopen, (self.name, self.root, self.split, self._chosen)

    @property
    def people(self) -> tuple[str, ...]:
        """Names of the people, at their ``identity``; empty where the data set does not tell."""
        return tuple(self._numbers)

    def split_people(self, share: float = 0.2) -> "tuple[Dataset, Dataset]":
        """Two parts in which nobody is in both; about ``share`` of the people are in the second.

        Who is where follows from the person's name alone, so it stays when samples are added.
        Raises InputError if the data set does not tell people apart.
        """
        person = self._found.person
        if person is None:
            raise InputError(f"{self.root}: {self.name} does not tell people apart")
        held = [_fraction(person(self._item(i))) < share for i in range(len(self))]
        parts = ([i for i, out in enumerate(held) if out == side] for side in (False, True))
        first, second = (self._choose(part) for part in parts)
        return first, second

    def _item(self, index: int) -> Any:
        return self._found.items[index if self._chosen is None else self._chosen[index]]

    def _choose(self, indices: Sequence[int]) -> "Dataset":
        chosen = indices if self._chosen is None else [self._chosen[i] for i in indices]
        return Dataset(self.name, self.root, self.split, self._found, chosen)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        person = self._found.person
        if person is None:
            return {}
        if self._chosen is None and self._found.people is not None:
            found = set(self._found.people)
        else:
            found = {person(self._item(index)) for index in range(len(self))}
        return {name: number for number, name in enumerate(sorted(found))}


def _fraction(name: str) -> float:
    """A number from 0 to 1 that only the name decides."""
    return int.from_bytes(sha256(name.encode("utf-8", "surrogateescape")).digest()[:8]) / 2**64
