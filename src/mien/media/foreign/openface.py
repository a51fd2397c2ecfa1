"""OpenFace 2: read its CSV, and write what mien knows under its names.

Header, units and axes are those of the project's wiki page "Output Format"
(github.com/TadasBaltrusaitis/OpenFace/wiki/Output-Format) and of its recorder of version 2.2
(``RecorderCSV.cpp``); the signs were checked on recorded tables, where the landmarks in 3-D say
which side of the face is nearer.

- ``frame``, from 1: ``frame``, from 0. ``timestamp``: ``time``. ``face_id``: ``track``.
- ``confidence``: ``score``. Where ``success`` is 0, all measures of the row are empty.
- ``pose_Rx, pose_Ry, pose_Rz``: ``yaw, pitch, roll``. There R = Rx Ry Rz in radians with x right, y
  down, z away: Rx > 0 looks down, Ry > 0 turns to the image's left, Rz > 0 tilts clockwise.
- ``gaze_angle_x, gaze_angle_y`` in radians: ``gaze_yaw, gaze_pitch``. x and yaw both grow to the
  image's right; y grows downwards, pitch upwards.
- ``x_0 .. y_67``: ``dlib_x_0 .. dlib_y_67``, and ``box`` around them. There (0, 0) is the middle of
  the first pixel, here it is its corner.
- ``AU*_r``, 0..5: ``AU*``. ``AU*_c``, 0 or 1: ``AU*_active``; where that is not told, whether
  ``AU*`` is at least 1, a trace.

Left out, since mien's tables have nothing like it: gaze rays, eye landmarks, ``pose_T``, landmarks
in millimetres and the shape's parameters.
"""

import csv
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from mien.errors import InputError, UsageError
from mien.face import DLIB_68
from mien.media.blocks import Block
from mien.media.files import atomic
from mien.media.measures import BOX, DLIB, GAZE, KEYS, POSE, au

INTENSITIES = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45)
PRESENCES = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 28, 45)
ROTATIONS = ("pose_Rx", "pose_Ry", "pose_Rz")
ANGLES = ("gaze_angle_x", "gaze_angle_y")
POINTS = tuple(f"{axis}_{index}" for axis in "xy" for index in range(68))
FIRST = ("frame", "face_id", "timestamp", "confidence", "success")
PIXEL_CENTRE = 0.5
TRACE = 1.0  # intensity A of FACS
EXACT = ("timestamp", *ROTATIONS, *ANGLES)  # 4 decimals of a radian are but 0.006 degrees

UNITS = {
    **{f"AU{number:02}_r": au(number) for number in INTENSITIES},
    **{f"AU{number:02}_c": au(number, "active") for number in PRESENCES},
}


def recognises(header: Sequence[str]) -> bool:
    """Whether these are the columns of FeatureExtraction, FaceLandmarkVidMulti or -Img."""
    own = {*ROTATIONS, *ANGLES, "gaze_0_x", "AU01_r", "AU01_c", "p_scale", "x_0"} & set(header)
    of_video = {"frame", "timestamp", "confidence", "success"} <= set(header)
    of_image = list(header[:2]) == ["face", "confidence"]
    return bool(own) and (of_video or of_image)


def used(header: Sequence[str]) -> list[str]:
    """The columns that are read, of those that there are."""
    known = {*FIRST, "face", *UNITS}
    for group in (ROTATIONS, ANGLES, POINTS):
        if set(group) <= set(header):
            known |= set(group)
    return [name for name in header if name in known]


def from_openface(table: Block) -> Block:
    """A block in mien's names and units."""
    count = len(table["confidence"])
    seen = table.get("success", np.ones(count)) > 0
    block: Block = {
        "frame": table["frame"] - 1 if "frame" in table else np.zeros(count),
        "time": table.get("timestamp", np.zeros(count)),
        "track": table.get("face_id", table.get("face", np.full(count, np.nan))),
        "score": table["confidence"],
    }
    measured: Block = {}
    if ROTATIONS[0] in table:
        radians = np.stack([table[name] for name in ROTATIONS], axis=1)
        measured |= dict(zip(POSE, angles(rotations(radians)).T, strict=True))
    if ANGLES[0] in table:
        sideways, down = (np.degrees(table[name]) for name in ANGLES)
        measured |= {"gaze_yaw": sideways, "gaze_pitch": -down}
    if POINTS[0] in table:
        points = np.stack([table[name] for name in POINTS]) + PIXEL_CENTRE
        edges = (points[:68].min(0), points[68:].min(0), points[:68].max(0), points[68:].max(0))
        measured |= dict(zip((*BOX, *DLIB), (*edges, *points), strict=True))
    measured |= {UNITS[name]: table[name] for name in UNITS if name in table}
    return block | {name: np.where(seen, values, np.nan) for name, values in measured.items()}


def rotations(radians: np.ndarray) -> np.ndarray:
    """(n, 3) Rx, Ry, Rz to (n, 3, 3) rotations R = Rx Ry Rz; x right, y down, z away."""
    (sx, sy, sz), (cx, cy, cz) = np.sin(radians).T, np.cos(radians).T
    return np.stack(
        [
            np.stack([cy * cz, -cy * sz, sy], axis=-1),
            np.stack([cx * sz + sx * sy * cz, cx * cz - sx * sy * sz, -sx * cy], axis=-1),
            np.stack([sx * sz - cx * sy * cz, sx * cz + cx * sy * sz, cx * cy], axis=-1),
        ],
        axis=1,
    )


def angles(rotation: np.ndarray) -> np.ndarray:
    """(n, 3, 3) rotations to (n, 3) degrees yaw, pitch, roll, as ``Pose.from_rotation``."""
    facing = -rotation[:, :, 2]
    yaw = np.arctan2(facing[:, 0], -facing[:, 2])
    pitch = np.arcsin(np.clip(-facing[:, 1], -1, 1))
    across = np.stack([np.cos(yaw), np.zeros_like(yaw), np.sin(yaw)], axis=1)  # x before the roll
    down = np.stack(
        [np.sin(yaw) * np.sin(pitch), np.cos(pitch), -np.cos(yaw) * np.sin(pitch)], axis=1
    )
    x = rotation[:, :, 0]
    roll = np.arctan2((down * x).sum(1), (across * x).sum(1))
    return np.degrees(np.stack([yaw, pitch, roll], axis=1))


def radians(degrees: np.ndarray) -> np.ndarray:
    """(n, 3) degrees yaw, pitch, roll to (n, 3) Rx, Ry, Rz: the way back from ``angles``."""
    (sy, sp, sr), (cy, cp, cr) = np.sin(np.radians(degrees)).T, np.cos(np.radians(degrees)).T
    across, down, away = -sy * cp, sp, cy * cp  # the third column of the rotation
    first = cy * cr + sy * sp * sr, -cy * sr + sy * sp * cr  # its first row
    return np.stack(
        [
            np.arctan2(-down, away),
            np.arcsin(np.clip(across, -1, 1)),
            np.arctan2(-first[1], first[0]),
        ],
        axis=1,
    )


def columns(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """Which columns of OpenFace mien's can give, in OpenFace's order, and which mien's are lost.

    A column is there when mien measured it: none is filled with zeros.
    """
    have = set(names)
    wanted = [*FIRST]
    taken = {*KEYS, "score"}
    mesh = {f"{axis}_{index}" for axis in "xy" for index in DLIB_68}
    for sources, given in ((GAZE, ANGLES), (POSE, ROTATIONS), (DLIB, POINTS), (mesh, POINTS)):
        if set(sources) <= have and given[0] not in wanted:
            wanted += given
            taken |= {*sources}
    if POINTS[0] in wanted:
        taken |= {*BOX}
    wanted += [name for name in UNITS if _source(name, have)]
    taken |= {*UNITS.values()}
    return wanted, [name for name in names if name not in taken]


def _source(name: str, have: Collection[str]) -> str | None:
    """The column of mien's that an action unit's comes from; None if there is none."""
    intensity = au(int(name[2:4]))
    return UNITS[name] if UNITS[name] in have else intensity if intensity in have else None


def write(path: str | Path, names: Sequence[str], blocks: Iterable[Block]) -> int:
    """Write a CSV with OpenFace's names, order and units; returns its number of rows.

    Raises UsageError for another suffix, InputError when the table has several sources, which
    OpenFace puts into a file each, MienError when it cannot be written.
    """
    path = Path(path)
    if path.suffix != ".csv":
        raise UsageError(f"{path}: OpenFace's tables are .csv")
    count = 0
    with open_table(path, names) as add:
        for block in _of_one_source(blocks):
            add(block)
            count += len(block["frame"])
    return count


@contextmanager
def open_table(path: str | Path, names: Sequence[str]) -> Iterator[Callable[[Block], None]]:
    """A new table that takes blocks with the columns ``names``, of one source.

    ``path`` appears when the block of code ends without an error. Raises MienError when it cannot
    be written.
    """
    wanted, _ = columns(names)
    with atomic(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\r\n")
        writer.writerow(wanted)

        def add(block: Block) -> None:
            table = to_openface(block, wanted)
            spelled = [[_spelled(name, v) for v in table[name].tolist()] for name in wanted]
            writer.writerows(zip(*spelled, strict=True))

        yield add


def to_openface(block: Block, wanted: Sequence[str]) -> Block:
    """A block under OpenFace's names; ``wanted`` as of :func:`columns`."""
    count = len(block["frame"])
    nothing = np.full(count, np.nan)
    table: Block = {
        "frame": block["frame"] + 1,
        "face_id": np.nan_to_num(block.get("track", nothing)),
        "timestamp": block["time"],
        "confidence": block.get("score", nothing),
    }
    if ROTATIONS[0] in wanted:
        turned = radians(np.stack([block[name] for name in POSE], axis=1))
        table |= dict(zip(ROTATIONS, turned.T, strict=True))
    if ANGLES[0] in wanted:
        table |= {"gaze_angle_x": np.radians(block["gaze_yaw"])}
        table |= {"gaze_angle_y": np.radians(-block["gaze_pitch"])}
    if POINTS[0] in wanted:
        sources = DLIB if DLIB[0] in block else [f"{a}_{i}" for a in "xy" for i in DLIB_68]
        pairs = zip(POINTS, sources, strict=True)
        table |= {name: block[source] - PIXEL_CENTRE for name, source in pairs}
    table |= {name: _unit(block, name) for name in UNITS if name in wanted}
    success = np.zeros(count, bool)
    for name in wanted[len(FIRST) :]:
        success |= np.isfinite(table[name])
    table["success"] = success.astype(np.float64)
    return table


def _unit(block: Block, name: str) -> np.ndarray:
    """An action unit's column of OpenFace."""
    source = _source(name, block)
    assert source is not None
    values = block[source]
    if source == UNITS[name]:
        return values
    return np.where(np.isnan(values), np.nan, values >= TRACE)


def _of_one_source(blocks: Iterable[Block]) -> Iterator[Block]:
    names: set[Any] = set()
    for block in blocks:
        names |= set(block.get("source", ()))
        if len(names) > 1:
            raise InputError(
                f"the table has several sources ({', '.join(sorted(map(str, names))[:2])}, ...), "
                "OpenFace has a table for each: choose one with --source"
            )
        yield block


def _spelled(name: str, value: float) -> Any:
    if np.isnan(value):
        return ""
    if name in ("frame", "face_id", "success") or name.endswith("_c"):
        return int(value)
    return f"{value:.{6 if name in EXACT else 4}f}"
