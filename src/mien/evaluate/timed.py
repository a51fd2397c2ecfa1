"""How fast mien goes on, once it is warm; run as a process of its own.

    python -m mien.evaluate.timed video CLIP
    python -m mien.evaluate.timed photos FOLDER BATCH

Prints JSON.
"""

import json
import sys
import time
from collections.abc import Iterable

import mien

WARM_UP = 10  # frames, as in peers/speed.py
ROUNDS = 3  # over the folder of photos


def video(clip: str) -> dict[str, float]:
    """Frames per second after the first ``WARM_UP``, of a clip with a face in every frame."""
    start = end = time.perf_counter()
    first = last = 0
    for face in mien.analyze(clip):
        if face.frame > last:
            end, last = time.perf_counter(), face.frame
        if last <= WARM_UP:
            start, first = end, last
    return {"steady_fps": (last - first) / (end - start) if end > start else 0.0}


def photos(folder: str, batch: str) -> dict[str, float]:
    """Photos and faces per second, decoding included, of a folder that was read before."""
    _count(mien.analyze(folder, batch=int(batch)))
    names: list[str] = []
    start = time.perf_counter()
    faces = _count(
        mien.analyze(
            [folder] * ROUNDS,
            batch=int(batch),
            on_source=lambda report: names.append(report.source),
        )
    )
    seconds = time.perf_counter() - start
    return {
        "photos": len(names),
        "faces": faces,
        "photos_per_s": len(names) / seconds,
        "faces_per_s": faces / seconds,
    }


def _count(faces: Iterable[object]) -> int:
    return sum(1 for _ in faces)


if __name__ == "__main__":
    print(json.dumps({"video": video, "photos": photos}[sys.argv[1]](*sys.argv[2:])))
