"""Whether faces in photos and videos were manipulated: probabilities, and where."""

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol, TextIO

import cv2
import numpy as np

from mien.errors import MienError, UsageError
from mien.face import Face
from mien.find.finder import FaceFinder
from mien.find.guard import (
    SMALLEST_FACE,
    Answer,
    Calibration,
    Found,
    Guard,
    Level,
    answer_of,
)
from mien.jobs.person import size_of
from mien.jobs.pictures import ANNOTATED, Pictures
from mien.jobs.stream import Measured, Reading, measured
from mien.jobs.terminal import CtrlC, Progress, one_line
from mien.media.draw import _text_size, _write
from mien.media.files import atomic
from mien.media.image import open_image
from mien.media.inputs import expand
from mien.media.rows import open_rows
from mien.media.video import Frame

BATCH = 8
JPEG: tuple[tuple[float, Level], ...] = ((85, "light"), (60, "medium"), (0, "strong"))
"""Level of compression from a quality on."""
BITS: tuple[tuple[float, Level], ...] = ((0.1, "light"), (0.03, "medium"), (0, "strong"))
"""The same for bits per pixel of a video."""
LUMINANCE = 57.625  # mean of JPEG's example table for luminance, which is quality 50
TINT = np.array([235, 40, 40], np.float32)
STRENGTH = 0.6  # of the tint where everything speaks for a forgery
COLOURS = {"forged": (215, 40, 40), "no sign": (60, 130, 90), "unsure": (120, 120, 120)}
RARE = 0.1  # of the frames of whoever is seen longest; who is seen in fewer is not judged
UNCALIBRATED = "not calibrated: the probability is the network's own"


class Detector(Protocol):
    """What says of faces whether they are forged."""

    size: int

    def placement(self, landmarks: np.ndarray) -> np.ndarray: ...

    def __call__(self, image: np.ndarray, landmarks: Sequence[np.ndarray]) -> Found: ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one input.

    answer: "forged"; "no sign" of it, which is not "real"; "unsure", also where no face is there or
    none is large enough. probability: of a forgery, if half of all pictures are forged, the mean
    over the frames of the person who looks most forged; None without a face. track: that person's
    number, in a video. faces: looked at, in ``frames``. compression: of the file, None where it
    does not say. reliability: how often the detector put a forged face above a real one when
    compressed so (AUC; manipulations of the kinds that it knows). note: what to keep in mind.
    """

    source: str
    answer: Answer
    probability: float | None
    track: int | None
    faces: int
    frames: int
    compression: Level | None
    reliability: float | None
    note: str | None = None

    def row(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return asdict(self)


def guard(
    inputs: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    every: int = 1,
    device: str = "cpu",
) -> Iterator[Verdict]:
    """Verdicts on photos and videos, in the order of the inputs, by the detector that mien ships.

    every: look at every n-th frame of a video.

    Raises UsageError where there is nothing to look at; MienError for an input that cannot be used,
    when its turn comes, and for a device that is not there.
    """
    listed = [inputs] if isinstance(inputs, str | os.PathLike) else inputs
    looked = _Looked(Guard.bundled(device), Calibration.bundled())
    names = _names([os.fspath(item) for item in listed])
    with closing(_seen(names, every, device, looked)) as steps:
        for reading, frame, _ in steps:
            if frame is None:
                if reading.error:
                    raise MienError(reading.error)
                yield looked.verdict(reading)


def run_guard(
    inputs: Sequence[str],
    out: Path | None = None,
    *,
    format: Literal["parquet", "csv", "jsonl"] = "jsonl",
    annotate: bool = False,
    every: int = 1,
    device: str = "cpu",
    system: str | None = None,
    run: Path | None = None,
    weights: str | None = None,
    quiet: bool = False,
    on_verdict: Callable[[Verdict], object] = print,
) -> int:
    """``mien guard``: calls ``on_verdict`` for each input, and writes into the folder ``out``.

    guard.<format>: a row per face per frame. verdicts.jsonl: one per input. annotated/
    (``annotate``): each input with what speaks for a forgery in red.

    system: slug of another detector, with the weights of a ``run`` or ``weights``.

    Returns the number of inputs that failed; each costs a line on standard error.
    """
    if annotate and out is None:
        raise UsageError("--annotate writes pictures: name a folder with --out")
    names = _names(inputs)
    looked = _looked(system, run, weights, device)
    failed = 0
    with ExitStack() as stack:
        rows = _rows(stack, out, format, annotate)
        sayings = None if out is None else stack.enter_context(_lines(out / "verdicts.jsonl"))
        pictures = stack.enter_context(Pictures(out or Path(), annotate, figure=False))
        progress = stack.enter_context(Progress(len(names), wanted=not quiet))
        ctrl_c = stack.enter_context(CtrlC())
        for reading, frame, faces in stack.enter_context(
            closing(_seen(names, every, device, looked))
        ):
            ctrl_c.reading = reading
            if frame is not None:
                for row in looked.rows(reading, frame) if rows else ():
                    rows.write(row)
                if annotate:
                    pictures.add(reading, frame, faces, partial(looked.drawn, frame.image))
            else:
                pictures.finish(reading)
                if reading.error:
                    failed += 1
                    print(f"mien: {one_line(reading.error)}", file=sys.stderr)
                if reading.frames:
                    verdict = looked.verdict(reading)
                    on_verdict(verdict)
                    if sayings is not None:
                        sayings.write(json.dumps(verdict.row(), separators=(",", ":")) + "\n")
            progress.show(reading, ended=frame is None)
    return failed


class _Person:
    """One face of a photo, or one track of a video: what was said of it so far."""

    def __init__(self) -> None:
        self.count, self.total, self.size = 0, 0.0, 0.0

    def add(self, probability: float, size: float) -> None:
        self.count += 1
        self.total += probability
        self.size = max(self.size, size)

    @property
    def probability(self) -> float:
        return self.total / self.count


class _Looked:
    """The detector, and what it said of the input that is being read."""

    def __init__(self, detector: Detector, calibration: Calibration | None) -> None:
        self.detector, self.calibration = detector, calibration
        self.people: dict[int, _Person] = {}
        self.faces: list[Face] = []
        self.found = Found(np.zeros(0), np.zeros((0, 1, 1)))
        self.probabilities = np.zeros(0)
        self.pixels = 0

    def see(self, frame: Frame, faces: Sequence[Face], is_video: bool) -> None:
        """Look at a frame."""
        self.faces = [face for face in faces if face.landmarks is not None]
        self.pixels = frame.image.size // 3
        self.found = self.detector(frame.image, [np.asarray(f.landmarks) for f in self.faces])
        self.probabilities = self._probability(self.found.logit)
        for number, (face, value) in enumerate(zip(self.faces, self.probabilities, strict=True)):
            key = number if face.track is None or not is_video else face.track
            self.people.setdefault(key, _Person()).add(float(value), size_of(face))

    def _probability(self, logit: np.ndarray) -> np.ndarray:
        if self.calibration is not None:
            return self.calibration.probability(logit)
        return 1 / (1 + np.exp(-np.clip(np.asarray(logit, np.float64), -50, 50)))

    def rows(self, reading: Reading, frame: Frame) -> Iterator[dict[str, Any]]:
        """Of the frame that was seen last, one for each face."""
        for number, (face, value) in enumerate(zip(self.faces, self.probabilities, strict=True)):
            box = dict(zip(("x0", "y0", "x1", "y1"), np.round(face.box, 2).tolist(), strict=True))
            yield {
                "source": reading.name, "frame": frame.index, "time": round(frame.time, 6),
                "track": face.track, "face": number, **box,
                "probability": round(float(value), 4),
                "answer": answer_of(float(value), size_of(face)),
            }  # fmt: skip

    def drawn(self, image: np.ndarray) -> np.ndarray:
        """The last frame, red where more speaks for a forgery than against, and the answers."""
        veil = np.zeros(image.shape[:2], np.float32)
        for face, where in zip(self.faces, self.found.where, strict=True):
            veil = np.maximum(veil, self._spread(where, np.asarray(face.landmarks), image.shape))
        veil = STRENGTH * veil[..., None]
        drawn = (image * (1 - veil) + TINT * veil).astype(np.uint8)
        for face, value in zip(self.faces, self.probabilities, strict=True):
            _label(drawn, face, float(value))
        return drawn

    def _spread(self, where: np.ndarray, landmarks: np.ndarray, shape: Sequence[int]) -> np.ndarray:
        """By how much the cells (h, w) of a face's crop are above a half, on the picture (H, W)."""
        size, place = self.detector.size, self.detector.placement(landmarks).copy()
        place[:, 2] += place[:, :2] @ (0.5, 0.5) - 0.5  # OpenCV counts from pixel centres
        cells = cv2.resize(where.astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC)
        return cv2.warpAffine((2 * cells - 1).clip(0, 1), place, (shape[1], shape[0]))

    def verdict(self, reading: Reading) -> Verdict:
        """On the input that has ended; the next one begins."""
        people, self.people = self.people, {}
        level = compression_of(reading, self.pixels)
        told = self.calibration.reliability if self.calibration else {}
        answer, probability, track, note = _most_forged(people)
        return Verdict(
            source=reading.name,
            answer=answer,
            probability=probability,
            track=track if reading.is_video else None,
            faces=reading.faces,
            frames=reading.frames,
            compression=level,
            reliability=told.get(level) if level else None,
            note=note if self.calibration or note else UNCALIBRATED,
        )


def _most_forged(
    people: dict[int, _Person],
) -> tuple[Answer, float | None, int | None, str | None]:
    """What is said of the one who looks most forged, of those who are large enough."""
    if not people:
        return "unsure", None, None, "no face in it"
    longest = max(person.count for person in people.values())
    seen = [one for one in people if people[one].count >= RARE * longest]
    large = [one for one in seen if people[one].size >= SMALLEST_FACE]
    chosen = max(large or seen, key=lambda one: people[one].probability)
    person = people[chosen]
    note = None if large else f"a face of {person.size:.0f} pixels is too small to be sure of"
    value = round(person.probability, 4)
    return answer_of(person.probability, person.size), value, chosen, note


def compression_of(reading: Reading, pixels: int) -> Level | None:
    """How strongly a file is compressed, as far as it says: JPEG by its tables, video by its bits.

    pixels: of a frame. What a picture went through before it became this file cannot be known.
    """
    source = reading.source
    if source is None or not os.path.isfile(reading.name):
        return None
    if source.is_still:
        quality = _jpeg_quality(reading.name)
        return None if quality is None else _level(quality, JPEG)
    if not source.duration or not source.fps or not pixels:
        return None
    bits = 8 * os.path.getsize(reading.name) / (source.duration * source.fps * pixels)
    return _level(bits, BITS)


def _level(value: float, steps: Sequence[tuple[float, Level]]) -> Level:
    return next(level for least, level in steps if value >= least)


def _jpeg_quality(path: str) -> float | None:
    """About the quality, 1 to 100, that a JPEG was written with; None for other files."""
    with open_image(path) as image:
        tables = getattr(image, "quantization", None)
    if not tables:
        return None
    scale = 100 * float(np.mean(tables[min(tables)])) / LUMINANCE
    return 100 - scale / 2 if scale <= 100 else 5000 / scale


def _label(image: np.ndarray, face: Face, probability: float) -> None:
    """Box and verdict of a face, drawn in place."""
    answer = answer_of(probability, size_of(face))
    colour = COLOURS[answer]
    x0, y0, x1, y1 = (int(v) for v in np.clip(face.box, -1e5, 1e5))
    cv2.rectangle(image, (x0, y0), (x1, y1), colour, max(1, round(size_of(face) / 200)))
    scale = float(np.clip(size_of(face) / 350, 0.4, 2.0))
    text = f"{answer} {100 * probability:.0f} %"
    width, height = _text_size(text, scale)
    left = int(np.clip(x0, 0, max(image.shape[1] - width, 0)))
    top = int(np.clip(y0 - height, 0, max(image.shape[0] - height, 0)))
    cv2.rectangle(image, (left, top), (left + width, top + height), colour, cv2.FILLED)
    _write(image, text, (left, top), height, scale)


def _seen(names: Sequence[str], every: int, device: str, looked: _Looked) -> Measured:
    """The inputs frame by frame, each looked at."""
    if every < 1:
        raise UsageError(f"every must be at least 1, not {every}")
    finder = FaceFinder.bundled(device, batch=BATCH)
    with closing(measured(names, finder, None, every, False, BATCH, None)) as steps:
        for reading, frame, faces in steps:
            if frame is not None:
                looked.see(frame, faces, reading.is_video)
            yield reading, frame, faces


def _looked(slug: str | None, run: Path | None, weights: str | None, device: str) -> _Looked:
    if slug is None:
        if run is not None or weights is not None:
            raise UsageError("weights are of a system: say which, with --system SLUG")
        return _Looked(Guard.bundled(device), Calibration.bundled())
    from mien.systems.guard.detector import SystemDetector  # here: nothing else needs torch

    return _Looked(SystemDetector(slug, run, weights, device), None)


def _names(inputs: Sequence[str]) -> list[str]:
    names = list(expand(inputs))
    if not names:
        raise UsageError("no inputs: name a photo, a video, a folder or a webcam's number")
    return names


def _rows(stack: ExitStack, out: Path | None, format: str, annotate: bool) -> Any:
    """The table of faces, in the folder, which is made."""
    if out is None:
        return None
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out}: is a file; the results need a folder")
    try:
        (out / ANNOTATED if annotate else out).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MienError(f"{out}: {error.strerror}") from error
    return stack.enter_context(open_rows(out / f"guard.{format}", format))


@contextmanager
def _lines(path: Path) -> Iterator[TextIO]:
    with atomic(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        yield file
