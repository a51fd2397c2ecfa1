"""Moments of a clip that are worth a picture, and their pictures."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from mien.errors import InputError
from mien.face import EMOTIONS
from mien.jobs.report.read import Person
from mien.media.image import read_image
from mien.media.moments import frames_at
from mien.media.svg import data_uri

BLINKS = 4  # pictures of blinks; of more, evenly many are left out
SURPRISED = 0.5  # probability
MARGIN = 0.3  # of a face's size, around it
SIDE, QUALITY = 168, 78  # pixels and JPEG quality of a picture


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """A second of a clip. what: a few words. box: (4,) of the face."""

    seconds: float
    what: str
    box: np.ndarray


def moments(person: Person) -> list[Moment]:
    """The strongest smile and surprise, blinks, and the middle where there is nothing else."""
    found = [*_smile(person), *_surprise(person), *_blinks(person)]
    if not found:
        middle = len(person.series.times) // 2
        found = [(float(person.series.times[middle]), "in the middle")]
    return [Moment(seconds, what, _box(person, seconds)) for seconds, what in sorted(found)]


def thumbnails(path: Path, wanted: Sequence[Moment]) -> dict[Moment, str]:
    """Pictures of moments out of an annotated video, as ``data:`` addresses.

    What cannot be read has none: a report is worth having without its pictures.
    """
    by_time: dict[float, list[Moment]] = {}
    for moment in wanted:
        by_time.setdefault(moment.seconds, []).append(moment)
    found: dict[Moment, str] = {}
    try:
        for seconds, image in frames_at(path, by_time):
            for moment in by_time[seconds]:
                found[moment] = thumbnail(image, moment.box)
    except InputError:
        return found
    return found


def photo_thumbnail(path: Path, boxes: np.ndarray) -> str | None:
    """A picture of the faces (n, 4) in an annotated photo; None when it cannot be read."""
    try:
        image = read_image(path)
    except InputError:
        return None
    return thumbnail(image, np.concatenate([boxes[:, :2].min(0), boxes[:, 2:].max(0)]))


def thumbnail(image: np.ndarray, box: np.ndarray) -> str:
    """What is in a box and around it, small, as a JPEG in a ``data:`` address."""
    height, width = image.shape[:2]
    limits = [width, height, width, height]
    margin = MARGIN * float((box[2:] - box[:2]).mean())
    placed = np.nan_to_num(box + np.array([-margin, -margin, margin, margin]), posinf=1e9)
    x0, y0, x1, y1 = np.clip(placed, 0, limits).astype(int)
    part = image[y0:y1, x0:x1]
    picture = Image.fromarray(np.ascontiguousarray(part if part.size else image))
    picture.thumbnail((2 * SIDE, SIDE))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=QUALITY)
    return data_uri(file.getvalue(), "image/jpeg")


def _smile(person: Person) -> Iterator[tuple[float, str]]:
    smiles = person.smiles()
    if smiles:
        best = max(smiles, key=lambda smile: smile.peak)
        yield best.apex, f"strongest smile, {best.peak:.2f}"


def _surprise(person: Person) -> Iterator[tuple[float, str]]:
    values = person.series.values["emotion"][:, EMOTIONS.index("surprise")]
    if np.isfinite(values).any() and np.nanmax(values) >= SURPRISED:
        index = int(np.nanargmax(values))
        yield float(person.series.times[index]), f"looks most surprised, {values[index]:.2f}"


def _blinks(person: Person) -> Iterator[tuple[float, str]]:
    blinks = person.blinks()
    chosen = np.unique(np.linspace(0, len(blinks) - 1, BLINKS).round().astype(int))
    for index in chosen if blinks else []:
        yield blinks[index].apex, f"blink {index + 1} of {len(blinks)}"


def _box(person: Person, seconds: float) -> np.ndarray:
    nearest = int(np.abs(person.series.times - seconds).argmin())
    return person.boxes[nearest]
