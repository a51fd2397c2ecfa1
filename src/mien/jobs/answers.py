"""What a chosen system says of the faces that ``mien analyze`` finds: a table and pictures."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PIL import Image

from mien.errors import UsageError
from mien.face import Face
from mien.jobs.pictures import PARSING, Pictures, drawn
from mien.jobs.stream import Reading
from mien.media import overlay
from mien.media.files import atomic
from mien.media.rows import open_rows
from mien.media.video import Frame

if TYPE_CHECKING:
    from mien.systems.answer import Answer, Answerer

NOSE_TIP = 4
OWN = ("mien-detector", "mien-landmarks")  # what every analysis begins with
DIGITS = 5  # of numbers in the table


class Answers:
    """The answers of a system, as they come; without a system it does nothing."""

    def __init__(self, system: "Answerer | None" = None, rows: Any = None):
        self.system, self.rows = system, rows

    def see(self, reading: Reading, frame: Frame, faces: list[Face], pictures: Pictures) -> None:
        """Ask about the faces of a frame, write what is said, and pass the frame on to be drawn."""
        if self.system is None:
            pictures.add(reading, frame, faces, lambda: drawn(frame.image, faces))
            return
        whole = [face for face in faces if face.landmarks is not None]
        found = self.system(frame.image, [np.asarray(face.landmarks) for face in whole])
        for number, (face, answer) in enumerate(zip(whole, found, strict=True)):
            self.rows.write(_row(number, face, answer))
        mask = _mask(frame.image, found)
        if mask is not None and not reading.is_video:
            pictures.write(PARSING, reading, lambda path: _write_mask(path, mask))
        # No panel: what mien reads would be taken for what the system says.
        picture = partial(_drawn, frame.image, whole, found, mask)
        pictures.add(reading, frame, faces, picture, panel=False)


def find_answerer(
    slug: str | None, run: Path | None, weights: str | None, device: str
) -> "Answerer | None":
    """The system that is to be asked, with its weights; None if no slug is named.

    Raises UsageError for what cannot be asked, MienError where there are no weights for it.
    """
    if slug is None:
        if run is not None or weights is not None:
            raise UsageError("weights are of a system: say which, with --system SLUG")
        return None
    if slug in OWN:
        raise UsageError(f"{slug} is what every analysis begins with: leave --system out")
    from mien.systems.answer import Answerer  # here: nothing else needs torch

    return Answerer(slug, run, weights, device)


@contextmanager
def open_answers(
    out: Path, system: "Answerer | None", format: Literal["parquet", "csv", "jsonl"]
) -> Iterator[Answers]:
    """What a system says, written to ``out``/SLUG.FORMAT, which appears when the block ends."""
    if system is None:
        yield Answers()
        return
    with open_rows(out / f"{system.slug}.{format}", format) as rows:
        yield Answers(system, rows)


def _row(number: int, face: Face, answer: "Answer") -> dict[str, Any]:
    values = {
        name: float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
        for name, value in answer.values.items()
    }
    place = {"source": face.source, "frame": face.frame, "time": face.time, "track": face.track}
    return {**place, "face": number, **values}


def _mask(image: np.ndarray, answers: "list[Answer]") -> np.ndarray | None:
    """Classes (H, W) of the picture, None where the system does not parse."""
    parsed = [answer for answer in answers if answer.parsing is not None]
    if not parsed:
        return None
    masks = [answer.parsing for answer in parsed if answer.parsing is not None]
    return overlay.parsing_of(image.shape, masks, [answer.matrix for answer in parsed])


def _drawn(
    image: np.ndarray, faces: list[Face], answers: "list[Answer]", mask: np.ndarray | None
) -> np.ndarray:
    """The picture as papers show it: classes in colour, points, axes; else the faces themselves."""
    if all(a.landmarks is None and a.pose is None and a.parsing is None for a in answers):
        return drawn(image, faces)
    picture = image.copy() if mask is None else overlay.tinted(image, mask)
    for face, answer in zip(faces, answers, strict=True):
        if answer.landmarks is not None:
            overlay.draw_points(picture, answer.landmarks)
        if answer.pose is not None and face.landmarks is not None:
            size = float((face.box[2:] - face.box[:2]).mean())
            overlay.draw_pose(picture, face.landmarks[NOSE_TIP, :2], answer.pose, size)
    return picture


def _write_mask(path: Path, mask: np.ndarray) -> None:
    """A PNG whose pixels are numbers of classes, and which shows them in colour."""
    picture = Image.fromarray(mask, "P")
    picture.putpalette(overlay.PALETTE.tobytes())
    with atomic(path) as temporary:
        picture.save(temporary, format="PNG")
