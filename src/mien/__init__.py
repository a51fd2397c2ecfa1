"""mien: one open library for the human face.

The names below are imported when they are first used, so that ``import mien`` stays instant.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mien.errors import InputError, MienError, UsageError
    from mien.face import Face, Motion, Pose
    from mien.find.finder import FaceFinder
    from mien.find.tracker import Tracker
    from mien.jobs.analyze import analyze

__version__ = "0.1.0"

__all__ = [
    "Face",
    "FaceFinder",
    "InputError",
    "MienError",
    "Motion",
    "Pose",
    "Tracker",
    "UsageError",
    "analyze",
]

_HOMES = {
    "Face": "mien.face",
    "FaceFinder": "mien.find.finder",
    "InputError": "mien.errors",
    "MienError": "mien.errors",
    "Motion": "mien.face",
    "Pose": "mien.face",
    "Tracker": "mien.find.tracker",
    "UsageError": "mien.errors",
    "analyze": "mien.jobs.analyze",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mien' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
