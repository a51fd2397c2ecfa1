"""Whether two photos or videos show the same person."""

import os
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from mien.errors import InputError, UsageError
from mien.find.embedder import Embedder, Judge, unit
from mien.find.finder import FaceFinder
from mien.find.tracker import Tracker
from mien.jobs.person import Choice, choose, size_of
from mien.media.source import Camera, Source, open_source

PICTURES = 8  # of a video's person, whose vectors are averaged
SMALLEST_FACE = 40.0  # pixels; of a smaller one little can be said

DOUBT = 0.1  # probability of being wrong, above which nothing is said

Answer = Literal["same", "different", "unsure"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of comparing two faces.

    distance: squared, of unit vectors, 0..4. threshold: below it, "same" is more likely.
    probability: that it is one person, if half of all pairs that are asked about are.
    answer: "unsure" where the probability is near a half, or a face is too small; ``note`` says so.
    """

    answer: Answer
    distance: float
    threshold: float
    probability: float
    note: str | None = None

    def row(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Known:
    """One face's unit vector (128,), and its size in pixels."""

    vector: np.ndarray
    size: float


def verify(
    first: str | os.PathLike[str],
    second: str | os.PathLike[str],
    *,
    faces: tuple[Choice, Choice] = ("largest", "largest"),
    device: str = "cpu",
) -> Verdict:
    """Compare the people in two photos or videos.

    faces: of each photo, which face: 1 is the largest. Of a video it is always the person who is
    seen largest and longest.

    Raises InputError where there is no face or a file cannot be read, UsageError for a face that
    is not there and for a webcam.
    """
    finder, embedder = FaceFinder.bundled(device), Embedder.bundled(device)
    one, other = (
        known(path, face, finder, embedder)
        for path, face in zip((first, second), faces, strict=True)
    )
    return compare(one, other)


def compare(one: Known, other: Known, judge: Judge | None = None) -> Verdict:
    """The verdict on two faces."""
    judge = judge or Judge.bundled()
    distance = float(np.square(one.vector - other.vector).sum())
    probability = judge.probability(distance)
    answer: Answer = "same" if distance < judge.threshold else "different"
    note = None
    if DOUBT < probability < 1 - DOUBT:
        answer = "unsure"
    if min(one.size, other.size) < SMALLEST_FACE:
        answer = "unsure"
        note = f"a face of {min(one.size, other.size):.0f} pixels is too small to be sure of"
    return Verdict(answer, distance, judge.threshold, probability, note)


def known(
    path: str | os.PathLike[str], face: Choice, finder: FaceFinder, embedder: Embedder
) -> Known:
    """The face of a photo, or of the person of a video, as a vector."""
    source = open_source(os.fspath(path))
    if isinstance(source, Camera):
        raise UsageError(f"{path}: a webcam does not end; take a photo first")
    if source.is_still:
        image = next(iter(source.frames())).image
        chosen = choose(finder.find([image])[0], face, path)
        return Known(embedder([image], [chosen])[0], size_of(chosen))
    if face not in (None, 1, "largest"):
        raise UsageError(f"{path}: of a video it is the person who is seen largest and longest")
    return _of_video(source, finder, embedder)


class Album:
    """The best pictures of one track: the largest face of each stretch of its time.

    Stretches double in length when there are twice ``PICTURES`` of them, so memory stays flat.
    """

    def __init__(self) -> None:
        self.seen = 0.0  # sizes of all faces in sum
        self._stretch, self._count = 1, 0
        self._kept: list[tuple[float, np.ndarray]] = []

    def add(self, size: float, crop: np.ndarray) -> None:
        """A further picture of this person, of a face of ``size`` pixels."""
        place = self._count // self._stretch
        self._count += 1
        self.seen += size
        if place == len(self._kept):
            self._kept.append((size, crop))
        elif size > self._kept[place][0]:
            self._kept[place] = size, crop
        if len(self._kept) == 2 * PICTURES:
            pairs = zip(self._kept[::2], self._kept[1::2], strict=True)
            self._kept = [max(pair, key=lambda kept: kept[0]) for pair in pairs]
            self._stretch *= 2

    @property
    def size(self) -> float:
        """Of the largest face, in pixels."""
        return max(size for size, _ in self._kept)

    def largest(self) -> np.ndarray:
        """The crop (S, S, 3) of the largest face."""
        return max(self._kept, key=lambda kept: kept[0])[1]

    def crops(self) -> np.ndarray:
        """(n, S, S, 3) uint8, in the order of time."""
        return np.stack([crop for _, crop in self._kept])


def albums(source: Source, finder: FaceFinder, embedder: Embedder) -> dict[int, Album]:
    """The pictures of each person of a video, by track."""
    tracker, found = Tracker(finder, smooth=False), dict[int, Album]()
    for frame in source.frames():
        for face in tracker.update(frame.image, frame.time):
            assert face.track is not None
            album = found.setdefault(face.track, Album())
            album.add(size_of(face), embedder.crop(frame.image, face))
    return found


def _of_video(source: Source, finder: FaceFinder, embedder: Embedder) -> Known:
    found = albums(source, finder, embedder)
    if not found:
        raise InputError(f"{source.name}: no face in it")
    album = max(found.values(), key=lambda album: album.seen)
    return Known(unit(embedder.of_crops(album.crops()).mean(0)), album.size)
