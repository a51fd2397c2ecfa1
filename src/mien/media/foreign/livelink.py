"""Live Link Face: read the CSV of a take.

A take has ``Timecode`` (hours:minutes:seconds:frames), ``BlendShapeCount`` (0 where no face was
seen), the 52 ARKit curves in 0..1 and nine angles as fractions of 180 degrees, as Unreal Engine has
them (``AppleARKitConversion.h``: "Map the -180..180 range to -1..1"). ``mien.face.Motion`` reads
it; here it becomes rows: curves under their names, ``yaw, pitch, roll`` of the head, and
``left_eye`` and ``right_eye`` against the head, all in degrees. The eyes' rolls are left out.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from mien.errors import InputError
from mien.face import BLENDSHAPES, LIVE_LINK_COLUMNS, Motion
from mien.media.blocks import ROWS, Block, read_header
from mien.media.files import check_readable
from mien.media.measures import EYES, POSE

COLUMNS = ("frame", "time", *POSE, *EYES, *BLENDSHAPES)
KEYS = ("timecode", "blendshapecount")
NOT_KEPT = ("LeftEyeRoll", "RightEyeRoll")


def recognises(header: Sequence[str]) -> bool:
    """Whether it begins as a take does."""
    return tuple(name.lower() for name in header[:2]) == KEYS


def left_out(header: Sequence[str]) -> list[str]:
    """The columns that are not read."""
    kept = {*KEYS, *(name.lower() for name in LIVE_LINK_COLUMNS if name not in NOT_KEPT)}
    return [name for name in header if name.lower() not in kept]


def read(path: str | Path, fps: float | None = None) -> Iterator[Block]:
    """The rows of a take; frames without a face are NaN.

    fps: its frame rate, which the file does not say; by default it is counted from the timecodes.

    Raises InputError when it is not a take, or too short to count its frame rate.
    """
    check_readable(path)
    have = {name.lower() for name in read_header(path)}
    missing = [name for name in LIVE_LINK_COLUMNS if name.lower() not in have]
    if missing:
        raise InputError(f"{path}: no column {', '.join(missing[:5])}")
    motion = Motion.load(path, fps)
    for start in range(0, len(motion), ROWS):
        yield _block(motion, start, min(start + ROWS, len(motion)))


def _block(motion: Motion, start: int, end: int) -> Block:
    part = slice(start, end)
    frames = np.arange(start, end, dtype=np.float64)
    nowhere = np.full((end - start, 4), np.nan)
    eyes = nowhere if motion.gaze is None else motion.gaze[part].reshape(-1, 4)
    values = np.hstack([motion.pose[part], eyes, motion.expression[part]]).astype(np.float64)
    columns = zip(COLUMNS[2:], values.T, strict=True)
    return {"frame": frames, "time": frames / motion.fps} | dict(columns)
