"""Weight files on this machine: bundled with mien, or in the user's cache, hash-checked."""

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Literal

from mien.errors import InputError, MienError, UsageError
from mien.hub.record import WeightRecord, lookup

BUNDLED = Path(__file__).parent / "bundled"

Licence = Literal["any", "commercial"]


def home() -> Path:
    """The user's cache folder: $MIEN_HOME, else ``mien`` in $XDG_CACHE_HOME or ~/.cache."""
    chosen = os.environ.get("MIEN_HOME")
    if chosen:
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mien"


def path_of(record: WeightRecord) -> Path:
    """Where the file of ``record`` is, or would be once added."""
    if record.bundled:
        return BUNDLED / record.file
    return home() / "weights" / record.name / record.file


def state(record: WeightRecord) -> Literal["bundled", "cached", "missing"]:
    """Whether the file of ``record`` is on this machine (its hash is checked by ``resolve``)."""
    if not path_of(record).is_file():
        return "missing"
    return "bundled" if record.bundled else "cached"


def resolve(name: str, licence: Licence | None = None) -> Path:
    """The checked file of the weight ``name``.

    ``licence="commercial"`` refuses a weight whose licence forbids commercial use; None asks
    $MIEN_LICENCE. Raises UsageError for an unknown name, and MienError for a refused, missing or
    altered file. A file is hashed once per process, and again when its size or time changes.
    """
    record = lookup(name)
    require_licence(record, licence)
    path = path_of(record)
    if not path.is_file():
        raise MienError(_how_to_get(record))
    if expected_hash(record) is None:
        raise MienError(f"{path}: its pinned hash is gone; {_how_to_add(record)}")
    check_size(record, path)
    check_hash(record, path)
    return path


def require_licence(record: WeightRecord, licence: Licence | None = None) -> None:
    """MienError where ``licence`` (None: $MIEN_LICENCE, else "any") forbids this weight."""
    wanted = licence or os.environ.get("MIEN_LICENCE") or "any"
    if wanted not in ("any", "commercial"):
        raise UsageError(f"the licence filter must be 'any' or 'commercial', not {wanted!r}")
    if wanted == "commercial" and not record.commercial:
        raise MienError(
            f"weight {record.name} is refused: its licence ({record.licence}) forbids commercial"
            " use, and the licence filter is 'commercial'"
        )


def add(name: str, file: str | Path) -> Path:
    """Copies a local file into the cache, whole or not at all, and returns its place there.

    The size and SHA-256 must be those of the record; where the record has no hash, the hash of
    the first file added is pinned beside it and holds from then on. Raises InputError when the
    file cannot be used, MienError when the cache cannot be written, UsageError when the weight is
    bundled.
    """
    record = lookup(name)
    require_licence(record)
    if record.bundled:
        raise UsageError(f"weight {name} is bundled with mien: there is nothing to add")
    source = Path(file)
    if not source.is_file():
        raise InputError(f"{source}: not a file")
    check_size(record, source)
    with cache_errors(record):
        fresh = fresh_path(record)
        try:
            shutil.copyfile(source, fresh)
            return install(record, fresh, shown=source)
        finally:
            fresh.unlink(missing_ok=True)


def fresh_path(record: WeightRecord) -> Path:
    """A new temporary name beside the final place of the weight, in a folder that exists."""
    target = path_of(record)
    target.parent.mkdir(parents=True, exist_ok=True)
    return target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")


def install(record: WeightRecord, fresh: Path, shown: Path) -> Path:
    """Checks ``fresh``, a file beside the final place, renames it to that, and pins its hash.

    ``shown`` is the name that an error speaks of.
    """
    check_size(record, fresh, shown)
    check_hash(record, fresh, shown)
    target = path_of(record)
    found = sha256(fresh)
    os.replace(fresh, target)
    if expected_hash(record) is None:
        _write_pin(record, found)
    return target


def check_size(record: WeightRecord, path: Path, shown: Path | None = None) -> None:
    """InputError where ``path`` has not the size in the record."""
    size = path.stat().st_size
    if record.bytes is not None and size != record.bytes:
        raise InputError(
            f"{shown or path}: {size} bytes, but {record.name} has {record.bytes}:"
            " another or a broken file"
        )


def check_hash(record: WeightRecord, path: Path, shown: Path | None = None) -> None:
    """InputError, with both hashes, where ``path`` has not the hash in the record or the pin."""
    expected = expected_hash(record)
    if expected is None:
        return
    found = sha256(path)
    if found != expected:
        source = "the record says" if record.sha256 else f"{_pin(record)} says"
        raise InputError(
            f"{shown or path}: not the file of {record.name}: its SHA-256 is {found},"
            f" but {source} {expected}"
        )


def expected_hash(record: WeightRecord) -> str | None:
    """The hash in the record, else the one pinned on this machine, else None."""
    if record.sha256:
        return record.sha256
    try:
        return _pin(record).read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None


def sha256(path: Path) -> str:
    """SHA-256 of a file in hex; read once per process for one path, size and time of change."""
    status = path.stat()
    return _sha256(path.absolute(), status.st_size, status.st_mtime_ns)


@cache
def _sha256(path: Path, size: int, changed: int) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _pin(record: WeightRecord) -> Path:
    place = path_of(record)
    return place.with_name(f"{place.name}.sha256")


def _write_pin(record: WeightRecord, found: str) -> None:
    pin = _pin(record)
    fresh = fresh_path(record)
    fresh.write_text(f"{found}\n", encoding="ascii")
    os.replace(fresh, pin)


@contextmanager
def cache_errors(record: WeightRecord) -> Iterator[None]:
    """Turns an OSError (a full disk, no permission) into one clear line."""
    try:
        yield
    except OSError as error:
        place = error.filename2 or error.filename or path_of(record)
        raise MienError(f"{place}: {error.strerror or error}") from error


def _how_to_add(record: WeightRecord) -> str:
    return f"add your copy with `mien weights add {record.name} FILE`"


def _how_to_get(record: WeightRecord) -> str:
    if record.bundled:
        return f"{record.file}: bundled with mien, but missing in {BUNDLED}: install mien again"
    missing = f"weight {record.name} ({record.licence}) is not on this machine"
    if record.url:
        download = f"get it with `mien weights get {record.name} --accept-licence`"
        return f"{missing}; {download} or {_how_to_add(record)}"
    return f"{missing}; {_how_to_add(record)} (origin: {record.origin})"
