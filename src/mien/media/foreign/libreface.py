"""LibreFace: read its CSV of a video or an image.

Columns are those that its repository writes (github.com/ihp-lab/LibreFace, ``__init__.py`` and
``utils.py`` of the package, versions 1 and 2).

- ``frame_idx``, from 0: ``frame``. ``frame_time_in_ms``: ``time``, in seconds.
- ``au_N_intensity``, 0..5: ``AU*``. ``au_N``, 0 or 1: ``AU*_active``.
- ``facial_expression``: ``emotion``, in lower case.

Left out: ``lm_mp``, fractions of a frame whose size the table does not tell; ``pitch, yaw, roll``,
360 times the angles between the image's points and themselves, which are no degrees of a head; and
``gaze_yaw, gaze_pitch``, whose signs are not defined and whose offsets are not removed.
"""

import re
from collections.abc import Sequence

import numpy as np

from mien.media.blocks import Block
from mien.media.measures import ACTION_UNITS, EMOTIONS, au

EMOTION = "facial_expression"
_AU = re.compile(r"au_(\d+)(_intensity)?")
_WORDS = {"happy": "happiness", "sad": "sadness", "angry": "anger"}


def recognises(header: Sequence[str]) -> bool:
    """Whether action units are named ``au_1`` or ``au_1_intensity``."""
    return any(_unit(name) for name in header)


def used(header: Sequence[str]) -> list[str]:
    """The columns that are read, of those that there are."""
    keys = ("frame_idx", "frame_time_in_ms", EMOTION)
    return [name for name in header if name in keys or _unit(name)]


def from_libreface(table: Block) -> Block:
    """A block in mien's names and units."""
    count = len(next(iter(table.values())))
    block: Block = {
        "frame": table.get("frame_idx", np.zeros(count)),
        "time": table.get("frame_time_in_ms", np.zeros(count)) / 1000,
    }
    block |= {column: table[name] for name in table if (column := _unit(name))}
    if EMOTION in table:
        block["emotion"] = np.array([_emotion(word) for word in table[EMOTION]], object)
    return block


def _unit(name: str) -> str | None:
    """The column of an action unit in mien's tables, if mien has it."""
    match = _AU.fullmatch(name)
    if not match or int(match[1]) not in ACTION_UNITS:
        return None
    return au(int(match[1]), "" if match[2] else "active")


def _emotion(word: str) -> str | None:
    name = word.strip().lower()
    name = _WORDS.get(name, name)
    return name if name in EMOTIONS else None
