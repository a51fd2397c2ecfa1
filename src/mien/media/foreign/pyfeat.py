"""py-feat: read the CSV of a Fex.

Columns are those of ``feat/utils/__init__.py`` and ``feat/detector_v2.py`` of its repository
(github.com/cosanlab/py-feat, versions 0.1 to 2.0).

- ``frame``, from 0: ``frame``. ``time`` is ``frame`` by the frame rate, when that is told.
- ``input``: ``source``. ``FaceRectX, Y, Width, Height``: ``box``. ``FaceScore``: ``score``.
- ``AU01 ..``, 0..1: ``AU*_probability``.
- ``anger .. neutral``, 0..1, or from 2.0 on ``Neutral, Happy, Sad ..``: emotions.
- ``valence, arousal``, -1..1, and ``eyeBlinkLeft ..``, 0..1: the same.
- ``x_0 .. y_67``: ``dlib_x_0 .. dlib_y_67``. ``mesh_x_0 .. mesh_y_477``: ``x_0 .. y_477``.
- ``Pitch, Roll, Yaw`` in radians: ``pitch, roll, yaw``. There positive is up, a tilt to the
  person's right and a turn to the person's right, so the last two change their signs.

The pose is read from tables that also have gaze, which version 0.7 brought. Earlier versions had
roll and yaw mixed up and angles in degrees (py-feat issue 248 and commit 326356b1), so the pose of
their tables is left out. Also left out: gaze, whose sign differs within the project; identities;
``X, Y, Z``; ``mesh_z``, in parts of a crop; ``approx_time``, rounded to seconds; ``_neutral``.
"""

from collections.abc import Sequence

import numpy as np

from mien.face import BLENDSHAPES, LANDMARKS
from mien.media.blocks import Block
from mien.media.measures import ACTION_UNITS, AFFECT, BOX, DLIB, EMOTIONS, POSE, au

RECTANGLE = ("FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight")
TURNED = ("Yaw", "Pitch", "Roll")
SIGNS = (-1, 1, -1)
POINTS = tuple(f"{axis}_{index}" for axis in "xy" for index in range(68))
UNITS = {f"AU{number:02}": au(number, "probability") for number in ACTION_UNITS}
MESH = {f"mesh_{axis}_{i}": f"{axis}_{i}" for axis in "xy" for i in range(LANDMARKS)}
OTHER_WORDS = {"Happy": "happiness", "Sad": "sadness"}
FEELINGS = OTHER_WORDS | {name.capitalize(): name for name in EMOTIONS}
SAME = (*EMOTIONS, *AFFECT, *BLENDSHAPES)
RENAMED = UNITS | MESH | FEELINGS | {name: name for name in SAME}
GAZE = "gaze_pitch"


def recognises(header: Sequence[str]) -> bool:
    """Whether the face's box is named as in a Fex."""
    return set(RECTANGLE) <= set(header)


def used(header: Sequence[str]) -> list[str]:
    """The columns that are read, of those that there are."""
    known = {"frame", "input", "FaceScore", *RECTANGLE, *RENAMED}
    if set(POINTS) <= set(header):
        known |= {*POINTS}
    if {*TURNED, GAZE} <= set(header):
        known |= {*TURNED}
    return [name for name in header if name in known]


def from_pyfeat(table: Block) -> Block:
    """A block in mien's names and units."""
    left, top, width, height = (table[name] for name in RECTANGLE)
    count = len(left)
    block: Block = {"frame": table.get("frame", np.zeros(count)), "time": np.full(count, np.nan)}
    block |= dict(zip(BOX, (left, top, left + width, top + height), strict=True))
    if "input" in table:
        block["source"] = table["input"]
    if "FaceScore" in table:
        block["score"] = table["FaceScore"]
    if POINTS[0] in table:
        block |= {name: table[point] for name, point in zip(DLIB, POINTS, strict=True)}
    if TURNED[0] in table:
        turned = zip(POSE, TURNED, SIGNS, strict=True)
        block |= {name: sign * np.degrees(table[angle]) for name, angle, sign in turned}
    return block | {name: table[theirs] for theirs, name in RENAMED.items() if theirs in table}
