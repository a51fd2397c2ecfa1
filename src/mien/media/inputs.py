"""From what a user types to the files and devices that are meant."""

import glob
import os
import sys
from collections.abc import Iterable, Iterator
from typing import TextIO

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jfif", ".png", ".apng", ".webp", ".gif", ".bmp", ".tif", ".tiff"}
    | {".avif", ".heic", ".heif", ".jp2", ".ppm", ".pgm", ".pbm"}
)
VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".mts", ".m2ts", ".ts"}
    | {".wmv", ".flv", ".ogv", ".3gp", ".mxf", ".dv"}
)
MEDIA_SUFFIXES = IMAGE_SUFFIXES | VIDEO_SUFFIXES


def expand(inputs: Iterable[str], stdin: TextIO | None = None) -> Iterator[str]:
    """The media that ``inputs`` mean, one by one and in a fixed order.

    A file is itself; a folder is the media files in it and below, by name, without hidden ones; a
    pattern (``*``, ``?``, ``[]``, ``**``) is what it matches; ``-`` is one input per line of
    ``stdin`` (default: the standard input). Anything else, such as a webcam's number or a file
    that is missing, is itself, so that opening it gives the error. So is a folder that cannot be
    read or has no media.
    """
    for item in inputs:
        if item == "-":
            for line in stdin or sys.stdin:
                if name := line.rstrip("\r\n"):
                    yield from _expand(name)
        else:
            yield from _expand(item)


def _expand(item: str) -> Iterator[str]:
    if os.path.isdir(item):
        yield from _media_or_itself(item)
    elif glob.has_magic(item) and not os.path.lexists(item):
        yield from dict.fromkeys(_matches(item)) or [item]  # ** finds folders and their files
    else:
        yield item


def _matches(pattern: str) -> Iterator[str]:
    for match in sorted(glob.glob(pattern, recursive=True)):
        if os.path.isdir(match):
            yield from _media_or_itself(match)
        else:
            yield match


def _media_or_itself(folder: str) -> Iterator[str]:
    empty = True
    for path in _media_below(folder):
        empty = False
        yield path
    if empty:
        yield folder


def _media_below(folder: str) -> Iterator[str]:
    """Media files below a folder, depth first by name; an unreadable folder yields its name."""
    try:
        with os.scandir(folder) as entries:
            visible = sorted((e for e in entries if e.name[0] != "."), key=lambda e: e.name)
    except OSError:
        yield folder
        return
    for entry in visible:
        # Links to folders are left out, they may form a loop.
        if entry.is_dir(follow_symlinks=False):
            yield from _media_below(entry.path)
        elif os.path.splitext(entry.name)[1].lower() in MEDIA_SUFFIXES:
            yield entry.path
