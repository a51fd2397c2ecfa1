"""Memory does not grow with the length of a video."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from test_analyze import portrait

from mien.media.video import VideoWriter

ALLOWED = 50_000  # kB
PROGRAM = """
import sys
from mien.cli import main
assert main(sys.argv[1:]) == 0
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def write_loop(path: Path, image: np.ndarray, turns: int) -> None:
    """A clip of 40 frames, there and back, ``turns`` times.

    The frames are large, so that a few hundred that are kept by mistake are more than ``ALLOWED``.
    """
    small = [portrait(image, min(index, 40 - index)) for index in range(40)]
    once = [frame.repeat(3, axis=0).repeat(3, axis=1) for frame in small]
    with VideoWriter(path, 25) as writer:
        for frame in once * turns:
            writer.write(frame)


def peak(*arguments: str) -> int:
    """The most memory, in kB, that a mien of its own takes."""
    command = [sys.executable, "-c", PROGRAM, *arguments, "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc, as Linux has it")
@pytest.mark.parametrize(
    "options", [["--format=jsonl"], ["--format=csv", "--annotate"]], ids=["table", "annotated"]
)
def test_a_long_video_takes_no_more_memory_than_a_short_one(tmp_path, astronaut, options):
    peaks = []
    for turns in (2, 8):
        clip = tmp_path / f"{turns}.mp4"
        write_loop(clip, astronaut, turns)
        peaks.append(peak("analyze", str(clip), "--out", str(tmp_path / "out"), *options))
    assert peaks[1] < peaks[0] + ALLOWED


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc, as Linux has it")
def test_many_photos_take_no_more_memory_than_a_few(tmp_path, astronaut):
    from mien.media.image import write_image

    large = astronaut.repeat(2, axis=0).repeat(2, axis=1)
    photos = []
    for index in range(60):
        photos.append(str(tmp_path / f"{index}.jpg"))
        write_image(photos[-1], large)
    few, many = (
        peak("analyze", *photos[:count], "--out", str(tmp_path / "out")) for count in (12, 60)
    )
    assert many < few + ALLOWED
