"""How well a person moves as another does, and stays who he is (``mien evaluate reenactment``).

    found = measure("made.mp4", "driving.mp4", "portrait.jpg")

One made video, by whatever method, against the video that drove it and the photo that it was made
from. Identity is that of mien-embedding, expression and pose those of mien's head fitter: a method
that was trained with either must be judged by others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mien.errors import InputError
from mien.evaluate import report
from mien.evaluate.metrics import images as metrics
from mien.evaluate.metrics.verification import cosine
from mien.face import Face
from mien.find.embedder import Embedder
from mien.find.finder import FaceFinder
from mien.find.tracker import Tracker
from mien.head.fit import Fitter, HeadFit
from mien.media.image import read_image
from mien.media.video import Video

PROTOCOL = "reenactment/1"
EVERY = 5  # frames from one identity to the next
FEWEST = 2  # frames in which a face must be seen
EQUAL = 100.0  # dB, of pictures that are the same or nearly so


@dataclass(frozen=True, eq=False)
class Seen:
    """What a clip of n frames shows of its largest face.

    curves: (n, 52) and angles: (n, 3) degrees, NaN where there is no face. identities: (k, 128) of
    some frames. flicker: mean absolute difference of neighbouring frames, 0..1.
    """

    curves: np.ndarray
    angles: np.ndarray
    identities: np.ndarray
    flicker: float


def measure(
    made: str | Path, driving: str | Path, portrait: str | Path, *, same: bool = False
) -> dict[str, float]:
    """All that can be said of a made video, frame against frame of the one that drove it.

    csim: mean cosine of its identity and the portrait's, -1..1, higher is better. aed: mean
    absolute difference of the 52 curves from the driver's, 0..1; apd: of yaw, pitch and roll,
    degrees. aed_change, apd_change: of their changes, each clip's mean taken out, which is what
    relative motion carries over. flicker and driving_flicker: :class:`Seen`. unseen: share of the
    frames with a driver in which the made video shows no face.

    same: the portrait is of the driving clip, so each frame has its truth: also psnr (dB), ssim.

    Raises InputError where a face is missing or the clips do not fit together.
    """
    finder, fitter, embedder = FaceFinder.bundled(), Fitter(), Embedder.bundled()
    image = read_image(portrait)
    faces = finder.find([image])[0]
    if not faces:
        raise InputError(f"{portrait}: no face in it")
    own = embedder([image], faces[:1])
    found, wanted = (watch(path, finder, fitter, embedder) for path in (made, driving))
    if len(found.curves) != len(wanted.curves):
        raise InputError(f"{made}: {len(found.curves)} frames; {driving} has {len(wanted.curves)}")
    shown = np.isfinite(wanted.angles).all(1)
    both = shown & np.isfinite(found.angles).all(1)
    if both.sum() < FEWEST:
        raise InputError(f"{made}: fewer than {FEWEST} frames show a face where the driver is seen")
    told = {
        "csim": float(cosine(found.identities, np.repeat(own, len(found.identities), 0)).mean()),
        "aed": _gap(found.curves[both], wanted.curves[both]),
        "apd": _gap(found.angles[both], wanted.angles[both]),
        "aed_change": _gap(_centred(found.curves[both]), _centred(wanted.curves[both])),
        "apd_change": _gap(_centred(found.angles[both]), _centred(wanted.angles[both])),
        "flicker": found.flicker,
        "driving_flicker": wanted.flicker,
        "unseen": float((shown & ~both).sum() / shown.sum()),
    }
    return told | (likeness(made, driving) if same else {})


def watch(path: str | Path, finder: FaceFinder, fitter: Fitter, embedder: Embedder) -> Seen:
    """What a video shows; InputError where no face is seen."""
    video, tracker = Video(path), Tracker(finder, max_faces=1)
    landmarks: list[np.ndarray | None] = []
    identities, changes, before = [], [], None
    for frame in video.frames():
        face = _largest(tracker.update(frame.image, frame.time))
        landmarks.append(None if face is None or face.landmarks is None else face.landmarks.copy())
        if face is not None and len(landmarks) % EVERY == 1:
            identities.append(embedder([frame.image], [face]))
        if before is not None:
            changes.append(metrics.flicker(np.stack([before, frame.image])))
        before = frame.image
    if before is None or not identities:
        raise InputError(f"{path}: no face in it")
    fits = fitter.fit_clip(landmarks, (before.shape[1], before.shape[0]), fps=video.fps)
    return Seen(
        np.stack([np.full(52, np.nan) if fit is None else fit.expression for fit in fits]),
        np.stack([np.full(3, np.nan) if fit is None else _angles(fit) for fit in fits]),
        np.concatenate(identities), float(np.mean(changes)) if changes else 0.0,
    )  # fmt: skip


def likeness(made: str | Path, truth: str | Path) -> dict[str, float]:
    """Mean PSNR (dB) and SSIM of the frames; InputError where they differ in size."""
    scores = []
    pairs = zip(Video(made).frames(), Video(truth).frames(), strict=False)
    for frame, true in pairs:
        if frame.image.shape != true.image.shape:
            sizes = (f"{image.shape[1]} x {image.shape[0]}" for image in (frame.image, true.image))
            raise InputError(f"{made}: pictures of {' against '.join(sizes)}")
        images = frame.image[None], true.image[None]
        psnr = min(float(metrics.psnr(*images)[0]), EQUAL)
        scores.append([psnr, float(metrics.ssim(*images)[0])])
    psnr, ssim = np.mean(scores, axis=0)
    return {"psnr": float(psnr), "ssim": float(ssim)}


def main(
    made: Path, driving: Path, portrait: Path, same: bool = False, out: Path | None = None
) -> dict[str, Any]:
    """Measure, print what was found, and write it to ``out``."""
    result = {
        "protocol": PROTOCOL,
        "commit": report.commit(),
        "versions": report.versions(),
        "results": report.rounded(measure(made, driving, portrait, same=same)),
    }
    for name, value in result["results"].items():
        print(f"{name:22}{value:g}")
    if out is not None:
        report.write(result, out)
    return result


def _largest(faces: Sequence[Face]) -> Face | None:
    return max(faces, key=lambda face: float(np.prod(face.box[2:] - face.box[:2])), default=None)


def _angles(fit: HeadFit) -> np.ndarray:
    return np.array([fit.pose.yaw, fit.pose.pitch, fit.pose.roll])


def _gap(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.abs(first - second).mean())


def _centred(values: np.ndarray) -> np.ndarray:
    return values - values.mean(0)
