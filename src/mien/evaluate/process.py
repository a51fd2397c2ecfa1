"""Runs a command and prints as JSON what it cost: wall seconds, peak memory, what it said last.

    python process.py COMMAND...

It is small on purpose and imports nothing: Linux counts the memory of the process that starts a
command as that command's own.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from typing import IO


def main(command: list[str]) -> None:
    """Run the command to its end and print a line about it."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as complaints:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=complaints)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        cost = {
            "seconds": seconds,
            "peak_mb": usage.ru_maxrss / 1024,
            "code": process.returncode,
            "said": _last_line(output),
            "complaint": _last_line(complaints),
        }
    print(json.dumps(cost))


def _last_line(file: IO[bytes]) -> str:
    file.seek(0)
    lines = file.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


if __name__ == "__main__":
    main(sys.argv[1:])
