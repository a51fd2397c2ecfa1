"""mien-base at run time: a face with landmarks -> all else that is measured of it.

The network sees the crop that the landmark network would see next: upright, and placed by the
landmarks. What it says of itself, how sure it is of each output, decides what is told at all.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from mien import hub
from mien.errors import MienError, UsageError
from mien.face import ATTRIBUTES, BLENDSHAPES, GENDERS, GROUPS, OUTPUTS, Face, Readings
from mien.find import geometry
from mien.find.embedder import Embedder
from mien.find.landmarks import Network
from mien.find.smoothing import OneEuro

WEIGHTS = "mien-base"
USUAL = tuple(
    name for name in OUTPUTS if name not in (*ATTRIBUTES, "visible", "parsing", "embedding")
)
"""What is read unless somebody picks: everything but attributes and what takes many columns."""

CONFIDENT = 0.25
"""Confidence below which nothing is told; see ``docs/models/mien-base.md``."""

SHUT = 0.7  # eyeBlink from which on nobody sees where an eye looks
BLINKS = [BLENDSHAPES.index("eyeBlinkLeft"), BLENDSHAPES.index("eyeBlinkRight")]

ANSWERS = ("landmarks", "presence", "visible", "curves", "units", "emotion", "affect", "gaze",
           "parsing", "age", "gender", "group", "traits", "quality", "spread")  # fmt: skip
"""The network's outputs, in order."""

EXPECTED = ("landmarks", "curves", "units", "affect", "gaze", "age", "quality")
"""Of which outputs ``spread`` is the log of the expected error, in tolerances."""

OTHER_NAMES = {"expression": "curves", "action_units": "units"}  # of mien -> of the network
CLASSES = ("emotion", "parsing", "gender", "group")
YES_NO = ("visible", "traits")

CUTOFF = 1.0  # Hz: of a value at rest in a video
SIZES = {"expression": 1.0, "action_units": 5.0, "emotion": 1.0, "affect": 1.0, "gaze": 60.0,
         "traits": 1.0, "quality": 1.0, "age": 50.0, "gender": 1.0, "group": 1.0}  # fmt: skip
"""What is filtered in videos, and the range that counts as one there, in each one's unit."""

GAIN = 3.0  # Hz per range and second: a blink, ten ranges a second, passes almost as it is
FORGET = 2.0  # seconds for which the filters of a face that is not seen are kept

Answer = dict[str, np.ndarray]


@dataclass(frozen=True, slots=True, eq=False)
class Said:
    """What is said of one face, before it is decided what is told.

    values: by output: probabilities of classes (of parsing the class of each pixel) and of yes and
    no; else the numbers themselves. confidence: 0..1 by output. crop_to_image: (2, 3).
    """

    values: Mapping[str, np.ndarray]
    confidence: Mapping[str, float]
    crop_to_image: np.ndarray | None = None


class Perception:
    """Runs the network on crops of ``size`` pixels, ``batch`` at a time."""

    def __init__(self, network: Network, size: int, batch: int = 8):
        self.network, self.size, self.batch = network, size, batch
        self._face_from_crop = geometry.crop_to_face(size)

    def __call__(
        self,
        images: Sequence[np.ndarray],
        landmarks: Sequence[np.ndarray],
        outputs: Sequence[str],
    ) -> list[Said]:
        """What is said of one face in each picture; it does not depend on the other faces.

        Args:
            images: (H, W, 3) uint8 RGB pictures.
            landmarks: (478, 3) pixels of the face.
            outputs: of ``OUTPUTS``, without ``embedding``.
        """
        said: list[Said] = []
        for start in range(0, len(images), self.batch):
            part = slice(start, start + self.batch)
            said += self._read(images[part], landmarks[part], outputs)
        return said

    def _read(
        self, images: Sequence[np.ndarray], landmarks: Sequence[np.ndarray], outputs: Sequence[str]
    ) -> list[Said]:
        maps = [
            geometry.compose(geometry.face_to_image(points), self._face_from_crop)
            for points in landmarks
        ]
        crops = [geometry.crop(i, m, self.size) for i, m in zip(images, maps, strict=True)]
        batch = np.stack(crops).transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)
        found = self.network(np.ascontiguousarray(batch))
        answers = dict(zip(ANSWERS, found, strict=True))
        each = ({name: values[i] for name, values in answers.items()} for i in range(len(maps)))
        return [said_of(answer, outputs, m) for answer, m in zip(each, maps, strict=True)]


def said_of(answer: Answer, outputs: Sequence[str], crop_to_image: np.ndarray) -> Said:
    """What the network's outputs for one crop, by name, say."""
    values, sure = {}, {}
    for output in outputs:
        name = OTHER_NAMES.get(output, output)
        value = np.asarray(answer[name], np.float64)
        if output in YES_NO:
            value = 1 / (1 + np.exp(-np.clip(value, -50, 50)))
            sure[output] = 1 - float(_entropy(np.stack([value, 1 - value])).mean())
        elif output in CLASSES:
            shares = _softmax(value)
            sure[output] = 1 - float(_entropy(shares).mean())
            value = value.argmax(0).astype(np.uint8) if output == "parsing" else shares
        else:
            error = np.exp(min(float(answer["spread"][EXPECTED.index(name)]), 50.0))
            sure[output] = float(np.exp(-error))
        values[output] = value
    if "gaze" in values:
        closed = np.asarray(answer["curves"])[BLINKS] >= SHUT
        values["gaze"] = np.where(closed[:, None], np.nan, values["gaze"])
    return Said(values, sure, crop_to_image)


def told(said: Said, embedding: np.ndarray | None = None) -> Readings:
    """What is said and known well enough."""
    kept: dict[str, Any] = {}
    for output, value in said.values.items():
        if said.confidence[output] >= CONFIDENT and not (
            output == "gaze" and np.isnan(value).all()
        ):
            kept |= _fields(output, value)
    if "parsing" in kept:
        kept["parsing_to_image"] = said.crop_to_image
    return Readings(**kept, embedding=embedding, confidence=dict(said.confidence))


def _fields(output: str, value: np.ndarray) -> dict[str, Any]:
    """An output as fields of ``Readings``."""
    if output == "affect":
        return {"valence": float(value[0]), "arousal": float(value[1])}
    if output in ("age", "quality"):
        return {output: float(value)}
    if output == "gender":
        return {"gender": GENDERS[int(value.argmax())]}
    if output == "group":
        return {"group": GROUPS[int(value.argmax())]}
    return {output: value if output == "parsing" else value.astype(np.float32)}


class Steady:
    """Takes the jitter out of what is said of one face over a video.

    Only what is told moves the filters; what is not said for a while begins anew where it returns.
    """

    def __init__(self) -> None:
        self._filters: dict[tuple[str, int], OneEuro] = {}

    def __call__(self, said: Said, time: float) -> Said:
        """The same at ``time`` seconds, filtered."""
        values = dict(said.values)
        for output, size in SIZES.items():
            if output in values and said.confidence[output] >= CONFIDENT:
                values[output] = self._filtered(output, values[output], time, size)
        return replace(said, values=values)

    def _filtered(self, output: str, value: np.ndarray, time: float, size: float) -> np.ndarray:
        if output == "gaze":  # a closed eye looks nowhere, and the other goes on
            eyes = enumerate(value)
            return np.stack([self._moved((output, i), eye, time, size) for i, eye in eyes])
        found = self._moved((output, 0), value, time, size)
        return found / found.sum() if output in CLASSES else found

    def _moved(
        self, key: tuple[str, int], value: np.ndarray, time: float, size: float
    ) -> np.ndarray:
        if np.isnan(value).any():
            return value
        euro = self._filters.setdefault(key, OneEuro(CUTOFF, GAIN))
        return euro(value.reshape(-1, 1), time, size).astype(np.float64).reshape(value.shape)


class Reader:
    """Reads in faces that are found what was asked for, and adds it to them as ``readings``."""

    def __init__(
        self,
        outputs: Sequence[str],
        perception: Perception | None = None,
        embedder: Embedder | None = None,
    ):
        self.outputs = [name for name in OUTPUTS if name in outputs]
        self.perception, self.embedder = perception, embedder

    @classmethod
    def bundled(
        cls, outputs: Sequence[str], device: str = "cpu", threads: int | None = None,
        batch: int = 8, open_network: Callable[[str], Network] | None = None,
    ) -> Self:  # fmt: skip
        """With the networks that mien ships, those that the outputs need.

        Args:
            outputs: of ``OUTPUTS``.
            device, threads, batch, open_network: as of ``FaceFinder.bundled``.

        Raises UsageError for another output, MienError where one needs a network that this
        installation lacks.
        """

        def onnx_network(name: str) -> Network:
            return hub.OnnxNetwork(hub.resolve(name), device, threads)

        check(outputs)
        opened = open_network or onnx_network
        perception = embedder = None
        if set(outputs) - {"embedding"}:
            size = hub.lookup(WEIGHTS).input_size
            assert size is not None
            perception = Perception(opened(WEIGHTS), size[0], batch)
        if "embedding" in outputs:
            embedder = Embedder(opened("mien-embedding"), batch=batch)
        return cls(outputs, perception, embedder)

    def read(
        self, images: Sequence[np.ndarray], faces: Sequence[Face],
        steady: Callable[[Face, Said], Said] | None = None,
    ) -> None:  # fmt: skip
        """Give each face its readings; face ``i`` is in picture ``i`` and has landmarks.

        steady: what is said of a face is filtered by it.
        """
        if not self.outputs or not faces:
            return
        vectors = self.embedder(images, faces) if self.embedder else [None] * len(faces)
        for face, said, vector in zip(faces, self._said(images, faces), vectors, strict=True):
            face.readings = told(steady(face, said) if steady else said, vector)

    def _said(self, images: Sequence[np.ndarray], faces: Sequence[Face]) -> list[Said]:
        if self.perception is None:
            return [Said({}, {})] * len(faces)
        outputs = [name for name in self.outputs if name != "embedding"]
        points = [np.asarray(face.landmarks) for face in faces]
        return self.perception(images, points, outputs)


class Watch:
    """Reads the faces of one video, frame by frame."""

    def __init__(self, reader: Reader, smooth: bool = True):
        self.reader, self.smooth = reader, smooth
        self._steady: dict[int, tuple[Steady, float]] = {}  # of each track, and when it was seen

    def __call__(self, image: np.ndarray, faces: Sequence[Face], time: float) -> None:
        """Give the tracked faces of a frame at ``time`` seconds their readings."""

        def steady(face: Face, said: Said) -> Said:
            track = face.track or 0
            own = self._steady.get(track, (Steady(), time))[0]
            self._steady[track] = own, time
            return own(said, time)

        self.reader.read([image] * len(faces), faces, steady if self.smooth else None)
        kept = self._steady.items()
        self._steady = {k: (own, seen) for k, (own, seen) in kept if time - seen <= FORGET}


def available() -> bool:
    """Whether mien-base is part of this installation."""
    return WEIGHTS in hub.records()


def check(outputs: Sequence[str]) -> None:
    """UsageError for a name that is not of ``OUTPUTS``; MienError for what cannot be read here."""
    for name in outputs:
        if name not in OUTPUTS:
            raise UsageError(f"{name!r} is no output; there are: {', '.join(OUTPUTS)}")
    needing = [name for name in outputs if name != "embedding"]
    if needing and not available():
        raise MienError(
            f"{', '.join(needing)}: read by {WEIGHTS}, which this version of mien does not have"
        )


def _softmax(logits: np.ndarray) -> np.ndarray:
    """Along the first axis."""
    powers = np.exp(logits - logits.max(0))
    return powers / powers.sum(0)


def _entropy(shares: np.ndarray) -> np.ndarray:
    """Along the first axis, 0..1: 1 where all are alike."""
    logs = np.log(np.maximum(shares, 1e-300))
    return -(shares * logs).sum(0) / np.log(len(shares))
