"""The vocabulary of mien: a face in a frame, its landmarks, its pose, and a face over time.

Image coordinates are pixels: the origin is the top left corner of the top left pixel, x grows to
the right, y grows downwards, and z is on the scale of x, smaller where nearer to the camera.
LEFT and RIGHT are the person's own; a person's left eye is usually on the image's right.
"""

import csv
import io
import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Self

import numpy as np

from mien.errors import InputError, MienError

LANDMARKS = 478
"""Landmarks of a face: MediaPipe's 468 surface points, then five for each iris."""


def _group(*lines: Iterable[int]) -> np.ndarray:
    """Landmark indices as a constant array, so that ``landmarks[LEFT_EYE]`` picks the points."""
    array = np.array(list(chain(*lines)), dtype=np.intp)
    array.setflags(write=False)
    return array


def _ring(there: np.ndarray, back: np.ndarray) -> np.ndarray:
    """The outline of two lines that run the same way between the same two corners."""
    return _group(there, back[-2:0:-1])


# Eyelids run from the outer corner to the inner one, brows from the temple to the nose.
RIGHT_EYE_UPPER = _group((33, 246, 161, 160, 159, 158, 157, 173, 133))
RIGHT_EYE_LOWER = _group((33, 7, 163, 144, 145, 153, 154, 155, 133))
LEFT_EYE_UPPER = _group((263, 466, 388, 387, 386, 385, 384, 398, 362))
LEFT_EYE_LOWER = _group((263, 249, 390, 373, 374, 380, 381, 382, 362))
RIGHT_EYE = _ring(RIGHT_EYE_UPPER, RIGHT_EYE_LOWER)
LEFT_EYE = _ring(LEFT_EYE_UPPER, LEFT_EYE_LOWER)

RIGHT_IRIS = _group(range(468, 473))  # the centre, then four points on the rim
LEFT_IRIS = _group(range(473, 478))

RIGHT_BROW_UPPER = _group((70, 63, 105, 66, 107))
RIGHT_BROW_LOWER = _group((46, 53, 52, 65, 55))
LEFT_BROW_UPPER = _group((300, 293, 334, 296, 336))
LEFT_BROW_LOWER = _group((276, 283, 282, 295, 285))
RIGHT_BROW = _group(RIGHT_BROW_UPPER, RIGHT_BROW_LOWER[::-1])
LEFT_BROW = _group(LEFT_BROW_UPPER, LEFT_BROW_LOWER[::-1])

# Rings start at the person's right corner of the mouth and run over the upper lip.
LIPS_OUTER = _group(
    (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)
)
LIPS_INNER = _group(
    (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95)
)

NOSE_BRIDGE = _group((168, 6, 197, 195, 5, 4, 1))  # from between the eyes to the tip
NOSE_BASE = _group((98, 97, 2, 326, 327))  # from wing to wing under the nostrils
NOSE_WINGS = _group((98, 64, 48, 115, 220, 45, 4, 275, 440, 344, 278, 294, 327))
NOSE = _group(dict.fromkeys([*NOSE_BRIDGE, *NOSE_BASE, *NOSE_WINGS]))

# The ring starts at the top of the forehead and runs down the person's left side.
FACE_OVAL = _group(
    (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    (152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)

DLIB_68 = _group(
    (127, 234, 132, 58, 172, 136, 149, 176, 152, 400, 378, 365, 397, 288, 361, 454, 356),  # jaw
    (70, 63, 105, 66, 107, 336, 296, 334, 293, 300),  # brows
    (168, 197, 5, 1, 98, 97, 2, 326, 327),  # nose
    (33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),  # eyes
    (61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181),  # outer lips
    (78, 81, 13, 311, 308, 402, 14, 178),  # inner lips
)
"""The 68 points of dlib, Multi-PIE and 300-W, each as its nearest of the 478: ``points[DLIB_68]``.

The jaw line runs along the silhouette of the 478 points, which is 3-D, so it differs from dlib's
visible outline on a turned head.
"""


def _closed(ring: np.ndarray) -> np.ndarray:
    return _group(ring, ring[:1])


CONTOURS: dict[str, np.ndarray] = {
    "face_oval": _closed(FACE_OVAL),
    "right_brow": _closed(RIGHT_BROW),
    "left_brow": _closed(LEFT_BROW),
    "right_eye": _closed(RIGHT_EYE),
    "left_eye": _closed(LEFT_EYE),
    "right_iris": _closed(RIGHT_IRIS[1:]),
    "left_iris": _closed(LEFT_IRIS[1:]),
    "nose_bridge": NOSE_BRIDGE,
    "nose_base": NOSE_BASE,
    "lips_outer": _closed(LIPS_OUTER),
    "lips_inner": _closed(LIPS_INNER),
}
"""Polylines to draw a face with; a closed one ends with its first index."""

BLENDSHAPES: tuple[str, ...] = (
    *("eyeBlinkLeft", "eyeLookDownLeft", "eyeLookInLeft", "eyeLookOutLeft", "eyeLookUpLeft"),
    *("eyeSquintLeft", "eyeWideLeft"),
    *("eyeBlinkRight", "eyeLookDownRight", "eyeLookInRight", "eyeLookOutRight", "eyeLookUpRight"),
    *("eyeSquintRight", "eyeWideRight"),
    *("jawForward", "jawRight", "jawLeft", "jawOpen"),
    *("mouthClose", "mouthFunnel", "mouthPucker", "mouthRight", "mouthLeft"),
    *("mouthSmileLeft", "mouthSmileRight", "mouthFrownLeft", "mouthFrownRight"),
    *("mouthDimpleLeft", "mouthDimpleRight", "mouthStretchLeft", "mouthStretchRight"),
    *("mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper"),
    *("mouthPressLeft", "mouthPressRight", "mouthLowerDownLeft", "mouthLowerDownRight"),
    *("mouthUpperUpLeft", "mouthUpperUpRight"),
    *("browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight"),
    *("cheekPuff", "cheekSquintLeft", "cheekSquintRight", "noseSneerLeft", "noseSneerRight"),
    "tongueOut",
)
"""The 52 ARKit blendshapes, in the order of a Live Link Face recording; each weight is 0..1."""

ACTION_UNITS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 18, 20, 22, 23, 24, 25, 26, 27, 28, 43, 45)
"""Numbers (Ekman and Friesen) of the action units that mien measures."""

EMOTIONS = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")
"""Expressions of posed emotions: how a face looks, not what somebody feels."""

TRAITS = ("glasses", "beard", "makeup", "smile", "eyes_closed", "mouth_open", "occluded")
"""What can be seen of a face and is there or not."""

GENDERS = ("male", "female")
GROUPS = ("asian", "black", "latino", "white")
"""How a person looks to others; no fact about anybody."""

DIMENSIONS = 128
"""Of an embedding."""


@dataclass(slots=True)
class Pose:
    """How a head is turned, in degrees, as the viewer of the image sees it.

    yaw > 0: the face turns towards the right edge of the image.
    pitch > 0: the face looks up.
    roll > 0: the head tilts clockwise in the image, towards its right edge.
    """

    yaw: float
    pitch: float
    roll: float

    def rotation(self) -> np.ndarray:
        """The rotation (3, 3) of such a head, in image axes: x right, y down, z away.

        The head rolls in its own plane, then pitches, then yaws: R = Ry Rx Rz.
        """
        y, p, r = np.radians([self.yaw, self.pitch, self.roll])
        about_y = np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]])
        about_x = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
        about_z = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
        return about_y @ about_x @ about_z

    @classmethod
    def from_rotation(cls, rotation: np.ndarray) -> Self:
        """The angles of a rotation (3, 3): yaw and roll in -180..180, pitch in -90..90."""
        facing = -rotation[:, 2]  # where the nose points: -z of the face
        yaw = np.degrees(np.arctan2(facing[0], -facing[2]))
        pitch = np.degrees(np.arcsin(np.clip(-facing[1], -1, 1)))
        upright = cls(yaw, pitch, 0.0).rotation().T @ rotation
        roll = np.degrees(np.arctan2(upright[1, 0], upright[0, 0]))
        return cls(float(yaw), float(pitch), float(roll))


OUTPUTS: Mapping[str, tuple[str, ...]] = {
    "expression": BLENDSHAPES,
    "action_units": tuple(f"AU{number:02}" for number in ACTION_UNITS),
    "emotion": ("emotion", *EMOTIONS),
    "affect": ("valence", "arousal"),
    "gaze": (
        *("left_eye_yaw", "left_eye_pitch", "right_eye_yaw", "right_eye_pitch"),
        *("gaze_yaw", "gaze_pitch"),
    ),
    "traits": TRAITS,
    "quality": ("quality",),
    "age": ("apparent_age",),
    "gender": ("apparent_gender",),
    "group": ("apparent_group",),
    "visible": tuple(f"visible_{index}" for index in range(LANDMARKS)),
    "parsing": (),
    "embedding": tuple(f"embedding_{index}" for index in range(DIMENSIONS)),
}
"""What can be read in a face beside landmarks and pose, and the columns of a table for each."""

ATTRIBUTES = ("age", "gender", "group")
"""Outputs that are read only where somebody asks for them: apparent, learned from guesses."""

TEXTS = ("emotion", "apparent_gender", "apparent_group")
"""Columns of ``OUTPUTS`` that hold words; the others hold numbers."""

_SHAPES = {
    **{"expression": (len(BLENDSHAPES),), "action_units": (len(ACTION_UNITS),)},
    **{"emotion": (len(EMOTIONS),), "gaze": (2, 2), "traits": (len(TRAITS),)},
    **{"visible": (LANDMARKS,), "parsing_to_image": (2, 3), "embedding": (DIMENSIONS,)},
}


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """What is read in one face; None is what was not asked for, or is not known well enough.

    expression: (52,) curves 0..1 of ``BLENDSHAPES``.
    action_units: (23,) intensities 0..5 of ``ACTION_UNITS``.
    emotion: (8,) probabilities of ``EMOTIONS``, of how the face looks.
    valence, arousal: -1..1, of how the face looks.
    gaze: (2, 2) left and right eye: yaw and pitch in the head, degrees, signs as in ``Pose``; NaN
        for an eye that is closed.
    traits: (7,) probabilities of ``TRAITS``.
    quality: 0..1, how much of the face's detail is left.
    age: apparent, in years. gender, group: apparent, of ``GENDERS`` and ``GROUPS``.
    visible: (478,) probabilities that each landmark is seen.
    parsing: (S, S) uint8, of each pixel of a crop its class, an index in
        ``mien.head.model.CELEBAMASK``. parsing_to_image: (2, 3), from crop to picture pixels.
    embedding: (128,) unit vector; near for two faces of one person.
    confidence: 0..1 of each output that was asked for but the embedding, by its name in
        ``OUTPUTS``; also of those that are None because it is too low.

    Raises ValueError when an array has the wrong shape.
    """

    expression: np.ndarray | None = None
    action_units: np.ndarray | None = None
    emotion: np.ndarray | None = None
    valence: float | None = None
    arousal: float | None = None
    gaze: np.ndarray | None = None
    traits: np.ndarray | None = None
    quality: float | None = None
    age: float | None = None
    gender: str | None = None
    group: str | None = None
    visible: np.ndarray | None = None
    parsing: np.ndarray | None = None
    parsing_to_image: np.ndarray | None = None
    embedding: np.ndarray | None = None
    confidence: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, shape in _SHAPES.items():
            value = getattr(self, name)
            if value is not None and np.shape(value) != shape:
                raise ValueError(f"{name} has shape {shape}, not {np.shape(value)}")

    def outputs(self) -> list[str]:
        """The names in ``OUTPUTS`` of what was asked for."""
        fields = {name: name for name in OUTPUTS} | {"affect": "valence"}
        return [
            name
            for name in OUTPUTS
            if name in self.confidence or getattr(self, fields[name]) is not None
        ]

    def row(self, pose: Pose | None = None) -> dict[str, Any]:
        """As plain values by column, None where there is none; of ``parsing`` its confidence alone.

        pose: of the head, for where both eyes look in the camera's axes.
        """
        row: dict[str, Any] = {}
        for output in self.outputs():
            columns = OUTPUTS[output]
            values = self._values(output, pose)
            row |= zip(columns, values or [None] * len(columns), strict=True)
            if output in self.confidence:
                row[f"confidence_{output}"] = round(float(self.confidence[output]), 4)
        return row

    def _values(self, output: str, pose: Pose | None) -> list[Any] | None:
        """Values of an output's columns; None where there are none."""
        if output == "affect":
            if self.valence is None or self.arousal is None:
                return None
            return [round(float(self.valence), 4), round(float(self.arousal), 4)]
        value = getattr(self, output)
        if value is None or output == "parsing":
            return None
        if output == "emotion":
            return [EMOTIONS[int(np.argmax(value))], *_rounded(value, 4)]
        if output == "gaze":
            both = gaze_of(value, pose)
            return [None if np.isnan(v) else v for v in _rounded(np.append(value, both), 2)]
        if output in ("gender", "group"):
            return [value]
        digits = {"action_units": 3, "embedding": 6, "age": 1}.get(output, 4)
        return _rounded(np.atleast_1d(value), digits)

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Readings | None":
        """What ``row`` was made from, up to rounding and without parsing; None if it has none."""
        said: dict[str, Any] = {}
        sure: dict[str, float] = {}
        for output, columns in OUTPUTS.items():
            said |= _from_columns(output, [row.get(name) for name in columns])
            if (value := row.get(f"confidence_{output}")) is not None:
                sure[output] = value
        return cls(**said, confidence=sure) if said or sure else None


def _from_columns(output: str, values: list[Any]) -> dict[str, Any]:
    """Fields of ``Readings`` from the values of an output's columns."""
    if all(value is None for value in values):
        return {}
    if output == "affect":
        return {"valence": values[0], "arousal": values[1]}
    if output == "gaze":
        eyes = [np.nan if value is None else value for value in values[:4]]
        return {"gaze": np.array(eyes, np.float32).reshape(2, 2)}
    if output == "emotion":
        values = values[1:]
    if len(values) == 1:
        return {output: values[0]}
    return {output: np.array(values, np.float32)}


def _rounded(values: np.ndarray, digits: int) -> list[float]:
    return (np.round(np.asarray(values, np.float64).ravel(), digits) + 0.0).tolist()


def gaze_of(eyes: np.ndarray, pose: Pose | None) -> np.ndarray:
    """Where both eyes look, (2,) yaw and pitch in degrees against the camera's axes.

    eyes: (2, 2) yaw and pitch of the left and the right eye in the head, NaN for a closed one.
    pose: of the head. NaN where the pose is not known or both eyes are closed.
    """
    open_ones = np.asarray(eyes, np.float64)[~np.isnan(eyes).any(axis=1)]
    if pose is None or not len(open_ones):
        return np.full(2, np.nan)
    yaw, pitch = np.radians(open_ones).T
    rays = [np.sin(yaw) * np.cos(pitch), -np.sin(pitch), -np.cos(yaw) * np.cos(pitch)]
    x, y, z = pose.rotation() @ np.mean(rays, axis=1)
    return np.degrees([np.arctan2(x, -z), np.arctan2(-y, np.hypot(x, z))])


@dataclass(slots=True, eq=False)
class Face:
    """One face in one frame.

    box: (4,) float64, x0, y0, x1, y1 in pixels of the upright image.
    score: confidence that this is a face, 0..1.
    landmarks: (478, 3) float32, x, y, z in pixels, in the MediaPipe order; None before they are
        found.
    track: the person's number within its video; None on photos.
    frame: index in its video, 0 for a photo; time: seconds from the first frame.
    source: the file or device that the frame comes from, as the user named it.
    readings: what else is read in it; None where nothing was asked for.

    Raises ValueError when an array has the wrong shape.
    """

    box: np.ndarray
    score: float
    landmarks: np.ndarray | None = None
    pose: Pose | None = None
    track: int | None = None
    frame: int = 0
    time: float = 0.0
    source: str = ""
    readings: Readings | None = None

    def __post_init__(self) -> None:
        self.box = np.asarray(self.box, np.float64).reshape(4)
        if self.landmarks is not None:
            self.landmarks = np.asarray(self.landmarks, np.float32).reshape(LANDMARKS, 3)

    def row(self) -> dict[str, Any]:
        """This face as plain values for a table: pixels and degrees to 0.01, score to 0.0001."""
        pose, readings = self.pose, self.readings
        row = {
            "source": self.source,
            "frame": int(self.frame),
            "time": round(float(self.time), 6),
            "track": None if self.track is None else int(self.track),
            "score": round(float(self.score), 4),
            "box": _hundredths(self.box),
            "landmarks": None if self.landmarks is None else _hundredths(self.landmarks),
            "pose": pose
            and {
                "yaw": round(float(pose.yaw), 2),
                "pitch": round(float(pose.pitch), 2),
                "roll": round(float(pose.roll), 2),
            },
        }
        return row if readings is None else row | readings.row(pose)

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Self:
        """The face that ``row`` was made from, up to rounding and without its parsing."""
        own = {name: row[name] for name in _KEYS}
        pose = own["pose"] and Pose(**own["pose"])
        return cls(**{**own, "pose": pose}, readings=Readings.from_row(row))


_KEYS = ("source", "frame", "time", "track", "score", "box", "landmarks", "pose")


def _hundredths(pixels: np.ndarray) -> list:
    # Adding zero turns -0.0 into 0.0.
    return (np.round(pixels.astype(np.float64), 2) + 0.0).tolist()


ROTATIONS = (
    *("HeadYaw", "HeadPitch", "HeadRoll"),
    *("LeftEyeYaw", "LeftEyePitch", "LeftEyeRoll"),
    *("RightEyeYaw", "RightEyePitch", "RightEyeRoll"),
)
LIVE_LINK_COLUMNS = (*(name[0].upper() + name[1:] for name in BLENDSHAPES), *ROTATIONS)
"""The 61 value columns of a Live Link Face recording."""


@dataclass(slots=True, eq=False)
class Motion:
    """A face over time; frames in which it is not seen are NaN.

    fps: frames per second.
    expression: (n, 52) float32, weights 0..1 in the order of ``BLENDSHAPES``.
    pose: (n, 3) float32, yaw, pitch, roll of the head in degrees, signs as in ``Pose``.
    gaze: (n, 2, 2) float32, yaw and pitch of the left, then the right eye, in degrees relative to
        the head, signs as in ``Pose``; None when it was not measured.

    Raises ValueError when an array has the wrong shape or fps is not positive.
    """

    fps: float
    expression: np.ndarray
    pose: np.ndarray
    gaze: np.ndarray | None = None

    def __post_init__(self) -> None:
        if not self.fps > 0:
            raise ValueError(f"fps must be positive, not {self.fps}")
        self.fps = float(self.fps)
        self.expression = np.asarray(self.expression, np.float32).reshape(-1, len(BLENDSHAPES))
        n = len(self.expression)
        self.pose = np.asarray(self.pose, np.float32).reshape(n, 3)
        if self.gaze is not None:
            self.gaze = np.asarray(self.gaze, np.float32).reshape(n, 2, 2)

    def __len__(self) -> int:
        return len(self.expression)

    def save(self, path: str | Path) -> None:
        """Write a ``.npz`` (exact) or a Live Link Face ``.csv``.

        The CSV holds angles as Unreal Engine does, as fractions of 180 degrees, with the signs of
        ``Pose``; frames without a face have a BlendshapeCount of 0. Raises ValueError for another
        suffix, MienError when the file cannot be written.
        """
        path = Path(path)
        if path.suffix == ".npz":
            _write_whole(path, self._npz())
        elif path.suffix == ".csv":
            _write_whole(path, self._csv().encode())
        else:
            raise ValueError(f"{path}: a motion is saved as .npz or .csv")

    @classmethod
    def load(cls, path: str | Path, fps: float | None = None) -> Self:
        """Read a motion from a ``.npz`` or a Live Link Face ``.csv``.

        fps: the frame rate of a CSV, which does not say it; by default it is counted from the
            timecodes, which takes a recording over at least two full seconds.

        Raises InputError when the file is not a motion.
        """
        path = Path(path)
        try:
            return cls._from_npz(path) if path.suffix == ".npz" else cls._from_csv(path, fps)
        except OSError as error:
            raise InputError(f"{path}: {error.strerror or error}") from error
        except Exception as error:  # on damaged archives numpy raises nearly anything
            raise InputError(f"{path}: not a motion: {error}") from error

    def _npz(self) -> bytes:
        arrays = {"fps": np.float64(self.fps), "expression": self.expression, "pose": self.pose}
        if self.gaze is not None:
            arrays["gaze"] = self.gaze
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        return buffer.getvalue()

    @classmethod
    def _from_npz(cls, path: Path) -> Self:
        with np.load(path, allow_pickle=False) as arrays:
            fps, gaze = float(arrays["fps"]), arrays.get("gaze")
            return cls(fps, arrays["expression"], arrays["pose"], gaze)

    def _csv(self) -> str:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("Timecode", "BlendshapeCount", *LIVE_LINK_COLUMNS))
        for index, values in enumerate(self._live_link_values()):
            timecode = _timecode(index / self.fps, self.fps)
            if np.isnan(values).any():
                writer.writerow((timecode, 0))
            else:
                writer.writerow((timecode, len(values), *(f"{value:.8f}" for value in values)))
        return text.getvalue()

    def _live_link_values(self) -> np.ndarray:
        """(n, 61) float64 values of ``LIVE_LINK_COLUMNS``."""
        angles = np.zeros((len(self), 3, 3))  # head, left eye, right eye x yaw, pitch, roll
        angles[:, 0] = self.pose
        if self.gaze is not None:
            angles[:, 1:, :2] = self.gaze
        return np.hstack([self.expression, angles.reshape(-1, 9) / 180])

    @classmethod
    def _from_csv(cls, path: Path, fps: float | None) -> Self:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.reader(file)
            header = [name.strip().lower() for name in next(rows, [])]
            columns = [header.index(name.lower()) for name in LIVE_LINK_COLUMNS]
            timecode, count = header.index("timecode"), header.index("blendshapecount")
            timecodes, values = [], []
            for row in filter(None, rows):
                timecodes.append(row[timecode])
                seen = int(row[count]) > 0
                values.append([float(row[i]) if seen else np.nan for i in columns])
        table = np.array(values, np.float64).reshape(-1, len(LIVE_LINK_COLUMNS))
        angles = table[:, len(BLENDSHAPES) :].reshape(-1, 3, 3) * 180
        gaze = angles[:, 1:, :2]
        return cls(
            fps=fps or _frame_rate(timecodes),
            expression=table[:, : len(BLENDSHAPES)],
            pose=angles[:, 0],
            gaze=gaze if np.nan_to_num(gaze).any() else None,
        )


def _timecode(seconds: float, fps: float) -> str:
    """``HH:MM:SS:FF.fff``; FF.fff counts frames within the second."""
    # A hair forward, so that a whole second is not written as the end of the one before it.
    whole, part = divmod(seconds + 1e-9, 1)
    minutes, second = divmod(int(whole), 60)
    hours, minute = divmod(minutes, 60)
    frame = min(int(part * fps * 1000), int(fps * 1000) - 1) / 1000
    return f"{hours:02}:{minute:02}:{second:02}:{frame:06.3f}"


def _frame_rate(timecodes: list[str]) -> float:
    """Frames per second, from how many frames lie between the first and the last full second."""
    seconds = [timecode.rsplit(":", 1)[0] for timecode in timecodes]
    starts = [i for i in range(1, len(seconds)) if seconds[i] != seconds[i - 1]]
    if len(starts) < 2:
        raise ValueError("too short to count its frame rate; say its fps")
    clock = [_clock(seconds[i]) for i in (starts[0], starts[-1])]
    return (starts[-1] - starts[0]) / (clock[1] - clock[0])


def _clock(text: str) -> int:
    hours, minutes, seconds = (int(part) for part in text.split(":"))
    return (hours * 60 + minutes) * 60 + seconds


def _write_whole(path: Path, data: bytes) -> None:
    """Write a file that is never seen half-written; raises MienError when it cannot be written."""
    temporary = path.with_name(f".{path.stem}-{secrets.token_hex(4)}{path.suffix}")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise MienError(f"{path}: {error.strerror or error}") from error
