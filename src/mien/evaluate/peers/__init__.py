"""Other tools to compare with, in a Python environment of their own: mien never imports them.

The scripts beside this file run there. They import nothing of mien, and import their tool by name
at run time, because mien does not depend on it.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mien.errors import MienError
from mien.hub.store import home

# OpenCV 5 no longer ships its Haar cascades.
REQUIREMENTS = ("mediapipe==1.2.2", "opencv-contrib-python==4.14.0.94")
SCRIPTS = Path(__file__).parent
TASK = "face_landmarker.task"

VERSIONS = """
import importlib.metadata as metadata, json
names = "mediapipe", "opencv-contrib-python", "opencv-python", "face_recognition", "dlib", "numpy"
found = {}
for name in names:
    try:
        found[name] = metadata.version(name)
    except metadata.PackageNotFoundError:
        pass
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Environment:
    """A virtual environment with the peers; ``versions`` by package name."""

    python: Path
    versions: dict[str, str]


def default_folder() -> Path:
    """Where the environment is made unless the user names a place."""
    return home() / "peers-env"


def environment(folder: Path | None = None) -> Environment:
    """The environment in ``folder``; made, with what is missing, where it is not there.

    One that has MediaPipe already is used as it is. Raises MienError when it cannot be made.
    """
    folder = folder or default_folder()
    python = folder / "bin" / "python"
    if not python.exists():
        print(f"Making {folder} with {', '.join(REQUIREMENTS)}.", file=sys.stderr)
        _make([sys.executable, "-m", "venv", str(folder)], folder)
    if "mediapipe" not in _versions(python):
        quiet = ["--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]
        _make([str(python), "-m", "pip", "install", *quiet, *REQUIREMENTS], folder)
    return Environment(python, _versions(python))


def _versions(python: Path) -> dict[str, str]:
    try:
        done = subprocess.run([python, "-c", VERSIONS], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise MienError(f"{python}: cannot be run: {error}") from error
    return json.loads(done.stdout)


def _make(command: Sequence[str], folder: Path) -> None:
    try:
        subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        output = getattr(error, "stderr", None) or getattr(error, "stdout", None) or str(error)
        raise MienError(
            f"{folder}: cannot be made: {output.strip().splitlines()[-1]}; make a virtual"
            f" environment with {' and '.join(REQUIREMENTS)} yourself and name it with --peers-env,"
            " or leave the peers out with --no-peers"
        ) from error


def command(peers: Environment, script: str, *arguments: object) -> list[str]:
    """The command that runs a script of this folder in the environment."""
    return [str(peers.python), str(SCRIPTS / script), *map(str, arguments)]


def run(peers: Environment, script: str, *arguments: object) -> dict[str, Any]:
    """What a script prints as JSON on its last line.

    Raises MienError with the script's last words when it fails.
    """
    done = subprocess.run(
        command(peers, script, *arguments), capture_output=True, text=True, env=quiet_environment()
    )
    if done.returncode:
        words = done.stderr.strip().splitlines() or ["no message"]
        raise MienError(f"{script}: {words[-1]}")
    return json.loads(done.stdout.splitlines()[-1])


def quiet_environment() -> dict[str, str]:
    """Environment variables under which the peers say little."""
    return os.environ | {"GLOG_minloglevel": "2", "TF_CPP_MIN_LOG_LEVEL": "2"}
