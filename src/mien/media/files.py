"""Files: checked before they are read, whole or not there after they are written."""

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mien.errors import InputError, MienError

if TYPE_CHECKING:
    from av.container import InputContainer

# FFmpeg's readers of local media. Left out are those that follow links to other files or hosts
# (HLS, DASH, concat, SDP, ...) and those that take nearly any file for a video (text, raw data).
DEMUXERS = (
    "mov,matroska,avi,mpegts,mpeg,flv,asf,ogg,ivf,mxf,dv,nut,h264,hevc,"
    "wav,w64,flac,mp3,aac,ac3,aiff,caf,au,amr"
)


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """A temporary path to write, which becomes ``path`` when the block ends without an error.

    It lies in the same folder and has the same suffix; on an error it is removed, and an older
    file at ``path`` is kept.

    Raises MienError when writing fails (full disk, missing folder, no permission).
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}-{secrets.token_hex(4)}{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        # The block may also have failed to read some other file: that one is then to be named.
        name = path if error.filename in (None, str(temporary)) else error.filename
        raise MienError(f"{name}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def check_readable(path: str | Path) -> None:
    """Raise InputError unless ``path`` is a regular file that may be read and is not empty.

    Pipes and devices are refused: they may never end.
    """
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            os.listdir(path)  # fails with the reason when the folder cannot be read
            raise InputError(f"{path}: a folder without images or videos")
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{path}: not a file")
        with open(path, "rb") as file:
            if not file.read(1):
                raise InputError(f"{path}: empty file")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    except ValueError as error:  # a zero byte in the name
        raise InputError(f"{path!r}: {error}") from error


def open_container(path: str | Path, wanted: str) -> "InputContainer":
    """A video or sound file, opened with PyAV, to be used in a ``with`` block.

    Only local files are read: the name is never taken for an address, and playlists are refused.
    wanted: what the caller takes, for the error's text.

    Raises InputError when the file cannot be read or is not of ``DEMUXERS``.
    """
    import av  # here, because tables and images do without FFmpeg
    from av.error import FFmpegError

    check_readable(path)
    limits = {"format_whitelist": DEMUXERS, "protocol_whitelist": "file"}
    try:
        return av.open(f"file:{path}", container_options=limits, metadata_errors="replace")
    except (FFmpegError, AttributeError) as error:  # the latter for unusual streams
        reason = f"not {wanted}"
        if isinstance(error, EOFError):
            reason = "ends before its first frame"
        elif _is_mp4(path):
            reason = "damaged or truncated"
        raise InputError(f"{path}: {reason}") from error


def _is_mp4(path: str | Path) -> bool:
    with open(path, "rb") as file:
        return file.read(8)[4:] == b"ftyp"
