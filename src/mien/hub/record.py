"""Weight records: one JSON file per weight in ``records/``, named after the weight."""

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mien.errors import MienError, UsageError

FOLDER = Path(__file__).parent / "records"


@dataclass(frozen=True)
class WeightRecord:
    """What mien knows of one weight file.

    A network takes RGB pixels as ``(pixels / 255 - mean) / std``, resized to ``input_size``.
    """

    name: str  # the name that users type: lower case, digits and "-"
    system: str  # slug of the system that it belongs to
    file: str  # plain file name, without a folder
    bytes: int | None  # size of the file; None only where the hash is unknown too
    sha256: str | None  # 64 hex digits; None: pinned when the file is first added
    licence: str  # SPDX identifier, or the licence's own name
    commercial: bool  # whether the licence allows commercial use
    url: str | None  # https address of the file
    bundled: bool  # whether the file is shipped inside the package
    input_size: tuple[int, int] | None  # height, width in pixels
    mean: tuple[float, float, float] | None  # per RGB channel, of pixels / 255
    std: tuple[float, float, float] | None  # per RGB channel, of pixels / 255
    crop: str  # how the face is cut out, in words
    paper: str | None  # arXiv identifier or DOI
    origin: str  # who made the file, and from what
    card: str | None  # address or path of the model card


def is_https(url: str) -> bool:
    """Whether ``url`` is an https address with a host."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "https" and bool(parts.hostname)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value.strip() != ""


def _is_count(value: Any) -> bool:
    return type(value) is int and value > 0


def _matches(pattern: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


def _is_list(length: int, fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and len(value) == length and all(map(fits, value))


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _or_null(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or fits(value)


_SLUG = _matches(r"[a-z0-9]+(-[a-z0-9]+)*"), "lower-case words and digits joined by '-'"
_TEXT = _is_text, "a text"
_TEXT_OR_NULL = _or_null(_is_text), "a text or null"
_SWITCH = (lambda value: isinstance(value, bool)), "true or false"
_CHANNELS = _or_null(_is_list(3, _is_number)), "three numbers or null"

_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "name": _SLUG,
    "system": _SLUG,
    "file": (_matches(r"[A-Za-z0-9_][A-Za-z0-9._-]*"), "a plain file name"),
    "bytes": (_or_null(_is_count), "a positive whole number or null"),
    "sha256": (_or_null(_matches(r"[0-9a-f]{64}")), "64 lower-case hex digits or null"),
    "licence": _TEXT,
    "commercial": _SWITCH,
    "url": (_or_null(lambda url: _is_text(url) and is_https(url)), "an https address or null"),
    "bundled": _SWITCH,
    "input_size": (_or_null(_is_list(2, _is_count)), "height and width in pixels, or null"),
    "mean": _CHANNELS,
    "std": _CHANNELS,
    "crop": _TEXT,
    "paper": _TEXT_OR_NULL,
    "origin": _TEXT,
    "card": _TEXT_OR_NULL,
}


def read_record(path: Path) -> WeightRecord:
    """The record in one JSON file; MienError names the file and the first thing wrong in it."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise MienError(f"{path.name}: not a readable weight record: {error}") from error
    fault = _fault(values, path.stem)
    if fault:
        raise MienError(f"{path.name}: not a weight record: {fault}")
    return WeightRecord(**{key: _frozen(value) for key, value in values.items()})


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _fault(values: Any, stem: str) -> str | None:
    """What is wrong with the values of a record whose file is called ``stem``, or None."""
    if not isinstance(values, dict):
        return "expected one JSON object"
    wanted = {field.name for field in fields(WeightRecord)}
    for key in sorted(wanted ^ values.keys()):
        return f"{key!r} is missing" if key in wanted else f"{key!r} is unknown"
    for key, (fits, wish) in _RULES.items():
        if not fits(values[key]):
            return f"{key!r} must be {wish}"
    if values["name"] != stem:
        return f"'name' must be {stem!r} like the file"
    if values["sha256"] and not values["bytes"]:
        return "'bytes' must be given where 'sha256' is"
    if values["bundled"] and not values["sha256"]:
        return "a bundled weight must have 'sha256'"
    return None


@cache
def _read_folder(folder: Path) -> dict[str, WeightRecord]:
    return {path.stem: read_record(path) for path in sorted(folder.glob("*.json"))}


def records() -> dict[str, WeightRecord]:
    """Every weight record by name, in the order of the names."""
    return dict(_read_folder(FOLDER))


def lookup(name: str) -> WeightRecord:
    """The record of one weight; UsageError where there is none of that name."""
    known = _read_folder(FOLDER)
    if name in known:
        return known[name]
    of_system = ", ".join(record.name for record in known.values() if record.system == name)
    hint = f"those of this system are {of_system}" if of_system else "`mien weights list` shows all"
    raise UsageError(f"no weight is named {name!r}; {hint}")
