"""``mien evaluate heads``: how well the head is fitted, the locked protocol.

- Known heads: against the truth (see :mod:`mien.evaluate.known_heads`).
- Photos, and the first ``PORTRAITS`` held-back portraits: how far the fitted head's landmarks are
  from those found. Errors are ``HeadFit.error``: root mean square, in parts of the distance of the
  outer eye corners.
- Clips: the same for the first ``FRAMES`` frames of one person, through tracker and filter as for
  any video; that a closed mouth is closed; how still the curves are, with the temporal prior and
  without.
- Speed: on one core, in a process of its own.

    python -m mien.evaluate.heads LANDMARKS.npz

measures the speed alone and prints JSON.
"""

import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from mien.data.portraits import Portraits
from mien.errors import InputError, MienError
from mien.evaluate import bench, clips, known_heads, metrics, report
from mien.face import LIPS_INNER
from mien.find.finder import FaceFinder
from mien.find.tracker import Tracker
from mien.head.fit import OUTER_CORNERS, Fitter, HeadFit, Priors
from mien.media.image import read_image
from mien.media.video import Video

PROTOCOL = "heads/1"
PORTRAITS = 100
FRAMES = 300  # of a clip
ASKED_ERROR = 0.02
CLOSED = 0.015  # of the distance of the outer eye corners: lips nearer than that are closed
OPEN_MM = 1.5  # and lips farther apart than that are open
MIDDLE = LIPS_INNER[[5, 15]]  # the middle of the upper and of the lower lip
ANY_CHANGE = 1e6  # a temporal prior that believes nothing
WARM_UP, TIMED = 10, 50  # fits


def main(data: Path, out: Path | None = None, limit: int | None = None) -> None:
    """Measure, print, and write the result as JSON.

    data: folder with ``photos``, ``portraits`` and ``video``.
    limit: the first so many known heads, photos, portraits, and frames of each clip, only.

    Raises MienError when the data or the weights cannot be had.
    """
    for part in ("photos", "portraits", "video"):
        if not (data / part).is_dir():
            raise InputError(f"{data / part}: not there")
    portraits = Portraits.load(data / "portraits")
    finder, fitter = FaceFinder.bundled(), Fitter()
    followed = {
        clip.name: follow(clip, finder, limit)
        for clip in report.progress(clips.clips(data), "clips")
    }
    results = {
        "speed": _speed(followed),
        "known": known_heads.measure(limit),
        "asked_error_percent": 100 * ASKED_ERROR,
        "photos": _photos(data / "photos", finder, fitter, limit),
        "portraits": _portraits(portraits, finder, fitter, limit),
        "video": _video(followed, fitter),
    }
    report.finish(PROTOCOL, _data(data, limit), results, out)


def _data(data: Path, limit: int | None) -> dict[str, Any]:
    return {
        "head": report.fingerprint([report.PACKAGE / "head" / "ict_head.npz"]),
        "photos": report.fingerprint((data / "photos").iterdir()),
        "portraits": report.fingerprint(
            data / "portraits" / name for name in ("index.csv", "labels.npz")
        ),
        "video": report.fingerprint(clips.clips(data)),
        "limit": limit,
    }


# Photos


def _photos(folder: Path, finder: FaceFinder, fitter: Fitter, limit: int | None) -> dict[str, Any]:
    files = sorted(folder.iterdir())[:limit]
    return fitted_pictures(
        {file.name: lambda file=file: read_image(file) for file in files}, finder, fitter
    )


def _portraits(
    portraits: Portraits, finder: FaceFinder, fitter: Fitter, limit: int | None
) -> dict[str, Any]:
    chosen = np.flatnonzero(portraits.test)[: min(PORTRAITS, limit or PORTRAITS)]
    pictures = {
        portraits.files[index]: lambda index=index: portraits.image(int(index)) for index in chosen
    }
    return fitted_pictures(pictures, finder, fitter)


def fitted_pictures(
    pictures: dict[str, Callable[[], np.ndarray]], finder: FaceFinder, fitter: Fitter
) -> dict[str, Any]:
    """Errors of all faces that are found in pictures, by name; each is read when its turn comes."""
    fits: dict[str, list[HeadFit]] = {}
    for name, picture in report.progress(pictures.items(), "pictures", len(pictures)):
        image = picture()
        height, width = image.shape[:2]
        faces = finder.find([image])[0]
        fits[name] = [fitter.fit(metrics.points(face), (width, height)) for face in faces]
    return {
        "pictures": len(pictures),
        **summary([fit for some in fits.values() for fit in some]),
        "files": {name: [100 * fit.error for fit in some] for name, some in fits.items()},
    }


def summary(fits: list[HeadFit]) -> dict[str, Any]:
    """How well the landmarks of faces are met."""
    if not fits:
        return {"faces": 0}
    errors = np.array([fit.error for fit in fits])
    return {
        "faces": len(fits),
        "mean_percent": 100 * float(errors.mean()),
        "ci95_percent": [100 * bound for bound in metrics.bootstrap(errors)],
        "worst_percent": 100 * float(errors.max()),
        "above_asked": float((errors > ASKED_ERROR).mean()),
        "quality": float(np.mean([fit.quality for fit in fits])),
    }


# Clips


@dataclass(frozen=True, slots=True, eq=False)
class Followed:
    """The person who is longest in a clip: landmarks (478, 3) of each frame, None where unseen."""

    size: tuple[int, int]
    fps: float
    landmarks: list[np.ndarray | None]

    @property
    def seen(self) -> list[np.ndarray]:
        return [points for points in self.landmarks if points is not None]


@dataclass(frozen=True, slots=True)
class LipGap:
    """How far the middles of the lips are apart in one frame.

    space: on the fitted head, mm. opening: of that, what is upwards on the head, not forwards or
        sideways: a lip that lies before the other does not open the mouth.
    seen: in the landmarks, in parts of the distance of the outer eye corners as of
        ``HeadFit.error``.
    more: what the fit has more than the landmarks, in the picture, mm.
    """

    space: float
    opening: float
    seen: float
    more: float


def follow(clip: Path, finder: FaceFinder, limit: int | None = None) -> Followed:
    """The largest face of the first frames of a clip, as ``mien analyze`` follows it."""
    video, tracker = Video(clip), Tracker(finder, max_faces=1)
    frames = islice(video.frames(), min(FRAMES, limit or FRAMES))
    faces = [tracker.update(frame.image, frame.time) for frame in frames]
    tracks = Counter(face.track for found in faces for face in found)
    person = tracks.most_common(1)[0][0] if tracks else None
    landmarks = [
        next((metrics.points(face) for face in found if face.track == person), None)
        for found in faces
    ]
    return Followed((video.width, video.height), video.fps, landmarks)


def _video(followed: dict[str, Followed], fitter: Fitter) -> dict[str, Any]:
    unsteady = Fitter(fitter.model, Priors(change=ANY_CHANGE))
    rows = {}
    gaps: list[LipGap] = []
    for name, clip in report.progress(followed.items(), "fits", len(followed)):
        rows[name] = {"frames": len(clip.landmarks), "faces": len(clip.seen)}
        if clip.seen:
            row, gap = _clip(name, clip, fitter, unsteady)
            rows[name] |= row
            gaps += gap
    seen = [row for row in rows.values() if row["faces"]]
    return {
        "frames": sum(row["faces"] for row in seen),
        "clips": len(seen),
        **_overall(seen),
        "closed_percent": 100 * CLOSED,
        "open_mm": OPEN_MM,
        "lips": lips_summary(gaps),
        "files": rows,
    }


def _overall(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over clips, each weighing the same."""
    if not rows:
        return {}
    errors = np.array([row["mean_percent"] for row in rows])
    return {
        "mean_percent": float(errors.mean()),
        "ci95_percent": metrics.bootstrap(errors),
        "worst_clip_percent": float(errors.max()),
        "worst_percent": max(row["worst_percent"] for row in rows),
        "jitter": float(np.mean([row["jitter"] for row in rows])),
        "jitter_without_prior": float(np.mean([row["jitter_without_prior"] for row in rows])),
    }


def _clip(
    name: str, clip: Followed, fitter: Fitter, unsteady: Fitter
) -> tuple[dict[str, Any], list[LipGap]]:
    """Results of a clip, and its ``lip_gaps``."""
    fits = fitter.fit_clip(clip.landmarks, clip.size, fps=clip.fps)
    found = [fit for fit in fits if fit is not None]
    first = found[0]
    if not all(np.array_equal(fit.identity, first.identity) for fit in found):
        raise MienError(f"{name}: the identity changes from frame to frame")
    free = unsteady.fit_clip(
        clip.landmarks, clip.size, fps=clip.fps, identity=first.identity, focal=first.camera.focal
    )
    gaps = lip_gaps(fitter, found, clip.seen)
    return {
        **{key: value for key, value in summary(found).items() if key != "faces"},
        "lips": lips_summary(gaps),
        "jitter": unrest(fits),
        "jitter_without_prior": unrest(free),
    }, gaps


def lip_gaps(fitter: Fitter, fits: list[HeadFit], observed: list[np.ndarray]) -> list[LipGap]:
    """The gaps of fits to the landmarks observed, frame by frame."""
    return [_lip_gap(fitter, *pair) for pair in zip(fits, observed, strict=True)]


def _lip_gap(fitter: Fitter, fit: HeadFit, points: np.ndarray) -> LipGap:
    head = fitter.model.landmarks(fit.vertices(fitter.model))
    drawn = fit.camera.project(head)
    upper, lower = MIDDLE
    corners = _apart(head, OUTER_CORNERS) * fit.camera.focal / -fit.camera.translation[2]
    seen = _apart(points[:, :2], MIDDLE)
    pixel = drawn[MIDDLE, 2].mean() / fit.camera.focal  # mm on the lips
    return LipGap(
        space=_apart(head, MIDDLE),
        opening=float(head[upper, 1] - head[lower, 1]),
        seen=seen / corners,
        more=(_apart(drawn[:, :2], MIDDLE) - seen) * pixel,
    )


def _apart(points: np.ndarray, pair: Iterable[int]) -> float:
    first, second = pair
    return float(np.linalg.norm(points[first] - points[second]))


def lips_summary(gaps: list[LipGap]) -> dict[str, Any]:
    """What the gaps are where there should be none, and how far off they are in all frames."""
    closed = [gap for gap in gaps if gap.seen < CLOSED]
    return {
        "closed_frames": len(closed),
        "closed_opening": _above([gap.opening for gap in closed]),
        "closed_space": _above([gap.space for gap in closed]),
        "error_mm": float(np.mean([abs(gap.more) for gap in gaps])) if gaps else None,
        "bias_mm": float(np.mean([gap.more for gap in gaps])) if gaps else None,
    }


def _above(gaps: list[float]) -> dict[str, float] | None:
    """The 95th percentile in mm, and the share of gaps that are open."""
    if not gaps:
        return None
    return {
        "p95_mm": float(np.quantile(gaps, 0.95)),
        "open": float(np.mean(np.array(gaps) > OPEN_MM)),
    }


def unrest(fits: list[HeadFit | None]) -> float | None:
    """Mean absolute change of the 52 curves from one frame to the next in which both are seen."""
    changes = [
        np.abs(now.expression - before.expression).mean()
        for before, now in pairwise(fits)
        if before is not None and now is not None
    ]
    return float(np.mean(changes)) if changes else None


# Speed


def _speed(followed: dict[str, Followed]) -> dict[str, Any] | None:
    """On one core, with the landmarks of the first clip that has enough; None without one."""
    long = ((name, clip) for name, clip in followed.items() if len(clip.seen) > 2 * WARM_UP)
    name, clip = next(long, (None, None))
    if clip is None:
        return None
    busy = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "landmarks.npz"
        np.savez(file, landmarks=clip.seen, size=clip.size, fps=clip.fps)
        with bench.on({max(os.sched_getaffinity(0))}):
            done = bench.run([sys.executable, "-m", "mien.evaluate.heads", str(file)])
    return {"clip": name, "cores": 1, "load_before": busy, **json.loads(done.said)}


def speed(file: str) -> dict[str, Any]:
    """Milliseconds per frame of ``Stream.fit`` and of ``Fitter.fit``, after warming up."""
    with np.load(file, allow_pickle=False) as arrays:
        landmarks, fps = arrays["landmarks"], float(arrays["fps"])
        width, height = (int(side) for side in arrays["size"])
    fitter = Fitter()
    photos = [_timed(lambda x=x: fitter.fit(x, (width, height))) for x in landmarks[:TIMED]]
    stream = fitter.stream(fitter.fit(landmarks[0], (width, height)))
    frames = [_timed(lambda i=i, x=x: stream.fit(x, i / fps)) for i, x in enumerate(landmarks)]
    return {"stream": _milliseconds(frames), "photo": _milliseconds(photos)}


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds on the clock, and of the processor: those that other processes do not lengthen."""
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - processor


def _milliseconds(seconds: list[tuple[float, float]]) -> dict[str, Any]:
    clock, processor = 1000 * np.array(seconds[WARM_UP:]).T
    return {
        "fits": len(clock),
        "median_ms": float(np.median(clock)),
        "p95_ms": float(np.quantile(clock, 0.95)),
        "processor_median_ms": float(np.median(processor)),
        "processor_p95_ms": float(np.quantile(processor, 0.95)),
    }


if __name__ == "__main__":
    print(json.dumps(speed(*sys.argv[1:])))
