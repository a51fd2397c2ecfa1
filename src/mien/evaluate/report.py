"""Results as JSON: what was measured, with which code and data, on which machine."""

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from rich.console import Console
from rich.progress import track

import mien
from mien import hub
from mien.errors import MienError
from mien.evaluate import tables
from mien.media.files import atomic

LIBRARIES = ("numpy", "onnxruntime", "opencv-python-headless", "av")
PACKAGE = Path(mien.__file__).parent

T = TypeVar("T")


def finish(protocol: str, data: dict[str, Any], results: dict[str, Any], out: Path | None) -> None:
    """Print the tables of a result, and write it to ``out``, whole or not at all, if given.

    protocol: name and version, "landmarks/1"; results of one version may be compared.
    data: name -> :func:`fingerprint` of what was measured on.
    """
    report = {
        "protocol": protocol,
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "commit": commit(),
        "host": host(),
        "versions": versions(),
        "data": data,
        "results": rounded(results),
    }
    print(tables.plain(report))
    if out is not None:
        write(report, out)
        print(out)


def write(report: dict[str, Any], out: Path) -> None:
    """Write a report as JSON, in a new folder if need be; MienError when it cannot be written."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MienError(f"{out.parent}: {error.strerror}") from error
    with atomic(out) as temporary:
        temporary.write_text(json.dumps(report, indent=2, allow_nan=False) + "\n", "utf-8")


def progress(items: Iterable[T], what: str, total: int | None = None) -> Iterable[T]:
    """The items, with a progress bar on standard error while they are worked on."""
    bar = {"console": Console(stderr=True), "transient": True, "total": total}
    return track(items, what, **bar)


def commit() -> dict[str, Any] | None:
    """The commit of the code, and whether the code differs from it; None outside a checkout."""
    root = PACKAGE.parents[1]
    git = ["git", "-C", str(root)]
    try:
        top = _output([*git, "rev-parse", "--show-toplevel"])
        if Path(top) != root:  # some other repository that mien happens to be installed in
            return None
        changed = _output([*git, "status", "--porcelain", "--", "src", "pyproject.toml"])
        return {"id": _output([*git, "rev-parse", "HEAD"]), "dirty": bool(changed)}
    except (OSError, subprocess.CalledProcessError):
        return None


def _output(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def host() -> dict[str, Any]:
    """Processor, cores that this process may use, memory in GB, system."""
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "ram_gb": round(pages * size / 1e9, 1),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def versions() -> dict[str, str]:
    """Python, mien, the libraries that numbers depend on, and the hashes of bundled weights."""
    bundled = {
        name: f"sha256:{record.sha256[:16]}"
        for name, record in hub.records().items()
        if record.bundled and record.sha256
    }
    libraries = {name: metadata.version(name) for name in LIBRARIES}
    return {"python": platform.python_version(), "mien": mien.__version__, **libraries, **bundled}


def fingerprint(files: Iterable[Path]) -> str:
    """One hash for the names and contents of files, whatever their order."""
    whole = hashlib.sha256()
    for file in sorted(files, key=lambda file: file.name):
        with file.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        whole.update(f"{file.name}\0{content}\n".encode())
    return f"sha256:{whole.hexdigest()[:16]}"


def rounded(value: Any) -> Any:
    """Plain JSON values, numbers to five digits; what is not finite becomes None."""
    if isinstance(value, dict):
        return {str(key): rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [rounded(item) for item in value]
    if isinstance(value, float | np.floating):
        return float(f"{value:.5g}") if np.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value
