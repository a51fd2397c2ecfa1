"""The people in a heap of photos and videos: which faces are of one person."""

import base64
import html
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from mien.errors import MienError, UsageError
from mien.face import Face
from mien.find.embedder import Embedder, Judge, unit
from mien.find.finder import FaceFinder
from mien.jobs.person import size_of
from mien.jobs.stream import Measured, Reading, measured
from mien.jobs.terminal import Progress, number_of, one_line
from mien.jobs.verify import SMALLEST_FACE, Album
from mien.media.files import atomic
from mien.media.inputs import expand
from mien.media.rows import open_rows

NEIGHBOURS = 50  # nearest ones of each face that it can be grouped with at first
AT_ONCE = 512  # faces whose distances to all others are in memory together
SHOWN = 40  # faces of one person on the sheet
THUMBNAIL = 96  # pixels

Format = Literal["csv", "parquet", "jsonl"]

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>People</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2em; }}
h2 {{ font-size: 1em; margin: 1.5em 0 .3em; }}
img {{ width: 96px; height: 96px; margin: 2px; border-radius: 4px; }}
</style>
<h1>{summary}</h1>
{people}
</html>
"""


@dataclass(eq=False)
class Sighting:
    """One face of a photo, or one track of a video.

    vector: (128,) unit vector. thumbnail: JPEG. person: number from 1, the most often seen first.
    distance: squared, to the mean of the person's vectors. of: the face where it is largest.
    """

    of: Face
    size: float
    vector: np.ndarray
    thumbnail: bytes = field(repr=False)
    person: int = 0
    distance: float = 0.0

    def row(self) -> dict[str, Any]:
        """As a row of the table."""
        face = self.of
        x0, y0, x1, y1 = (round(float(edge), 2) for edge in face.box)
        return {
            "person": self.person, "source": face.source, "frame": face.frame, "time": face.time,
            "track": face.track, "box_x0": x0, "box_y0": y0, "box_x1": x1, "box_y1": y1,
            "size": round(self.size, 2), "distance": round(self.distance, 4),
        }  # fmt: skip


def run_cluster(
    inputs: Sequence[str],
    out: str | os.PathLike[str],
    *,
    format: Format = "csv",
    threshold: float | None = None,
    smallest: float = SMALLEST_FACE,
    every: int = 1,
    device: str = "cpu",
    quiet: bool = False,
) -> int:
    """``mien cluster``: groups the faces of photos and videos by person, into the folder ``out``.

    people.<format>: a row per face of a photo and per track of a video. people.html: their faces,
    person by person.

    threshold: mean squared distance, 0..4, up to which groups are one person; None is the one that
        was chosen on validation. smallest: pixels; smaller faces are left out. every: look at every
        n-th frame of a video.

    Returns the number of inputs that failed; each costs a line on standard error. Raises UsageError
    for wrong numbers, no inputs, or where ``out`` is a file; MienError where the results cannot be
    written or the device is not there.
    """
    if every < 1 or smallest < 1 or not 0 <= (threshold or 0) <= 4:
        raise UsageError("every and smallest are at least 1, a threshold is between 0 and 4")
    out, names = Path(out), list(expand(inputs))
    if not names:
        raise UsageError("no inputs: name photos, videos or a folder of them")
    _make_folder(out)
    finder, embedder = FaceFinder.bundled(device), Embedder.bundled(device)
    failed = 0
    found: list[Sighting] = []
    steps = measured(names, finder, None, every, False, 8)
    with closing(steps), Progress(len(names), wanted=not quiet) as progress:
        for reading, sightings in _sightings(steps, embedder, smallest, progress):
            found += sightings
            if reading.error is not None:
                failed += 1
                print(f"mien: {one_line(reading.error)}", file=sys.stderr)
    people = assign(found, Judge.bundled().grouping if threshold is None else threshold)
    write(found, out, format)
    if not quiet:
        sight = f"{number_of(len(found), 'face')} in {number_of(len(names), 'input')}"
        print(f"{number_of(people, 'group')} of {sight}: {out / 'people.html'}")
    return failed


def group(vectors: np.ndarray, threshold: float) -> np.ndarray:
    """Which of (n, d) unit vectors belong together: (n,) group numbers from 0.

    Average linkage (Sokal and Michener 1958); FaceNet clusters agglomeratively, too. The two groups
    with the least mean squared distance between their members become one, up to ``threshold``.
    That mean is 2 - 2 a·b of the groups' mean vectors, so no table of distances is needed. Only
    groups are compared of which a member is among the ``NEIGHBOURS`` nearest of one of the other.
    Memory grows with n, time with n² of one matrix product.
    """
    count = len(vectors)
    means = np.zeros((max(2 * count - 1, 0), vectors.shape[1]), np.float32)
    means[:count] = vectors
    sizes = np.ones(len(means))
    links: list[set[int]] = [set() for _ in range(count)]
    heap = []
    for one, other, gap in _near(vectors, threshold):
        links[one].add(other)
        links[other].add(one)
        heap.append((gap, one, other))
    heapify(heap)
    parent = np.arange(len(means))
    alive = np.ones(len(means), bool)
    while heap:
        _, one, other = heappop(heap)
        if not (alive[one] and alive[other]):
            continue
        new = len(links)
        sizes[new] = sizes[one] + sizes[other]
        means[new] = (sizes[one] * means[one] + sizes[other] * means[other]) / sizes[new]
        alive[[one, other]] = False
        parent[[one, other]] = new
        around = sorted((links[one] | links[other]) - {one, other})
        links[one], links[other] = set(), set()
        links.append(set(around))
        gaps = 2 - 2 * means[around] @ means[new]
        for third, gap in zip(around, gaps.tolist(), strict=True):
            links[third] -= {one, other}
            links[third].add(new)
            if gap < threshold:
                heappush(heap, (gap, third, new))
    for node in range(len(means) - 1, -1, -1):  # a parent's number is higher than its children's
        parent[node] = parent[parent[node]]
    return np.unique(parent[:count], return_inverse=True)[1]


def assign(found: Sequence[Sighting], threshold: float) -> int:
    """Set each sighting's person, the most often seen first; returns how many there are."""
    if not found:
        return 0
    vectors = np.stack([sighting.vector for sighting in found])
    groups = group(vectors, threshold)
    counts = np.bincount(groups)
    first = np.unique(groups, return_index=True)[1]
    rank = np.empty(len(counts), int)
    rank[np.lexsort((first, -counts))] = np.arange(1, len(counts) + 1)
    for number in range(len(counts)):
        own = np.flatnonzero(groups == number)
        gaps = 2 - 2 * vectors[own] @ unit(vectors[own].mean(0))
        for index, gap in zip(own.tolist(), gaps, strict=True):
            found[index].person, found[index].distance = int(rank[number]), float(max(gap, 0))
    return len(counts)


def write(found: Sequence[Sighting], out: Path, format: Format) -> None:
    """The table and the sheet, person by person."""
    ordered = sorted(found, key=lambda sighting: (sighting.person, sighting.distance))
    with open_rows(out / f"people.{format}", format) as rows:
        for sighting in ordered:
            rows.write(sighting.row())
    with atomic(out / "people.html") as temporary:
        temporary.write_text(_page(ordered), "utf-8", errors="replace")


def _near(vectors: np.ndarray, threshold: float) -> Iterator[tuple[int, int, float]]:
    """Pairs of near neighbours whose squared distance is below the threshold, each once."""
    for start in range(0, len(vectors), AT_ONCE):
        part = vectors[start : start + AT_ONCE]
        gaps = 2 - 2 * part @ vectors.T
        gaps[np.arange(len(part)), np.arange(start, start + len(part))] = np.inf
        nearest = np.argpartition(gaps, min(NEIGHBOURS, len(vectors)) - 1, axis=1)[:, :NEIGHBOURS]
        for row, others in enumerate(nearest):
            for other in others[gaps[row, others] < threshold].tolist():
                # The pair comes again where each is among the other's nearest; that does no harm.
                yield start + row, other, float(gaps[row, other])


def _sightings(
    steps: Measured, embedder: Embedder, smallest: float, progress: Progress
) -> Iterator[tuple[Reading, list[Sighting]]]:
    """What is seen in each input, once it has ended."""
    found: list[Sighting] = []
    tracks: dict[int, tuple[Album, Face]] = {}
    for reading, frame, faces in steps:
        if frame is None:
            found += [_of_track(album, face, embedder) for album, face in tracks.values()]
            yield reading, found
            found, tracks = [], {}
        else:
            large = [face for face in faces if size_of(face) >= smallest]
            if reading.is_video:
                _follow(tracks, frame.image, large, embedder)
            elif large:
                found += _of_photo(frame.image, large, embedder)
        progress.show(reading, ended=frame is None)


def _follow(
    tracks: dict[int, tuple[Album, Face]], image: np.ndarray, faces: Iterable[Face],
    embedder: Embedder,
) -> None:  # fmt: skip
    for face in faces:
        assert face.track is not None
        album, best = tracks.get(face.track, (Album(), face))
        album.add(size_of(face), embedder.crop(image, face))
        tracks[face.track] = album, max(best, face, key=size_of)


def _of_track(album: Album, best: Face, embedder: Embedder) -> Sighting:
    vector = unit(embedder.of_crops(album.crops()).mean(0))
    return Sighting(_light(best), album.size, vector, _thumbnail(album.largest()))


def _of_photo(image: np.ndarray, faces: list[Face], embedder: Embedder) -> list[Sighting]:
    crops = np.stack([embedder.crop(image, face) for face in faces])
    made = zip(faces, embedder.of_crops(crops), crops, strict=True)
    return [Sighting(_light(f), size_of(f), v, _thumbnail(crop)) for f, v, crop in made]


def _light(face: Face) -> Face:
    """The face without its landmarks, of which thousands would fill the memory."""
    return Face(box=face.box, score=face.score, source=face.source, frame=face.frame,
                time=face.time, track=face.track)  # fmt: skip


def _thumbnail(crop: np.ndarray) -> bytes:
    small = cv2.resize(crop, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()


def _page(ordered: Sequence[Sighting]) -> str:
    people: dict[int, list[Sighting]] = {}
    for sighting in ordered:
        people.setdefault(sighting.person, []).append(sighting)
    summary = f"{number_of(len(people), 'group')} of {number_of(len(ordered), 'face')}"
    return PAGE.format(summary=summary, people="\n".join(map(_section, people.values())))


def _section(seen: Sequence[Sighting]) -> str:
    more = f", {SHOWN} of them shown" if len(seen) > SHOWN else ""
    title = f"Person {seen[0].person}: {number_of(len(seen), 'face')}{more}"
    return f"<h2>{title}</h2>\n" + "\n".join(map(_picture, seen[:SHOWN]))


def _picture(sighting: Sighting) -> str:
    where = html.escape(one_line(f"{sighting.of.source}, {sighting.of.time or 0:.1f} s"))
    data = base64.b64encode(sighting.thumbnail).decode("ascii")
    return f'<img src="data:image/jpeg;base64,{data}" title="{where}" alt="{where}">'


def _make_folder(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out}: is a file; the results need a folder")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MienError(f"{out}: {error.strerror}") from error
