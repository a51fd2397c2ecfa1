"""``mien evaluate landmarks``: the error of the 478 landmarks, the locked protocol.

- Portraits: the held-back tenth, at their own size, through the finder as for any photo.
- Clips: against MediaPipe's Face Landmarker (see :mod:`mien.evaluate.clips`).
- Jitter: a still portrait as a noisy video (see :mod:`mien.evaluate.jitter`).

Errors are distances in parts of the inter-ocular distance, here between the outer eye corners.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mien import face
from mien.data.portraits import Portraits
from mien.evaluate import clips, jitter, metrics, peers, report
from mien.face import Face, Pose
from mien.find.finder import FaceFinder

PROTOCOL = "landmarks/1"
REGIONS = {
    "eyes": np.concatenate([face.RIGHT_EYE, face.LEFT_EYE]),
    "irises": np.concatenate([face.RIGHT_IRIS, face.LEFT_IRIS]),
    "brows": np.concatenate([face.RIGHT_BROW, face.LEFT_BROW]),
    "nose": face.NOSE,
    "lips": np.concatenate([face.LIPS_OUTER, face.LIPS_INNER]),
    "oval": face.FACE_OVAL,
}
ANGLES = ("yaw", "pitch", "roll")


def main(
    data: Path,
    out: Path | None = None,
    limit: int | None = None,
    with_peers: bool = True,
    peers_env: Path | None = None,
) -> None:
    """Measure, print, and write the result as JSON.

    data: folder with ``portraits`` and, for the clips, ``video`` and ``peers``.
    limit: the first so many portraits, those of the jitter too, and labelled frames of each clip.
    with_peers: without, the clips are left out, since a peer labels them.

    Raises MienError when the data, the weights or the peers' environment cannot be had.
    """
    portraits = Portraits.load(data / "portraits")
    peer = peers.environment(peers_env) if with_peers else None
    finder = FaceFinder.bundled()
    results = {
        "portraits": measure(portraits, finder, limit),
        "video": clips.measure(data, finder, peer, limit) if peer else None,
        "jitter": jitter.measure(portraits, finder, limit),
    }
    report.finish(PROTOCOL, _data(data, peer is not None, limit), results, out)


def _data(data: Path, with_clips: bool, limit: int | None) -> dict[str, Any]:
    index = [data / "portraits" / name for name in ("index.csv", "labels.npz")]
    used = {"portraits": report.fingerprint(index), "limit": limit}
    return used | ({"video": report.fingerprint(clips.clips(data))} if with_clips else {})


@dataclass(frozen=True)
class Measured:
    """One portrait whose face was found: errors of its points, and its pose minus the true one."""

    outer: np.ndarray  # (478,) / distance of the outer eye corners
    iris: float  # mean / distance of the iris centres
    space: float  # mean, in space
    pose: np.ndarray  # (3,) degrees


def measure(portraits: Portraits, finder: FaceFinder, limit: int | None = None) -> dict[str, Any]:
    """Errors on the held-back portraits."""
    chosen = np.flatnonzero(portraits.test)[:limit]
    rotations = label_rotations(portraits.folder)
    tried = [
        _measure(portraits, int(index), rotations[index], finder)
        for index in report.progress(chosen, "portraits", len(chosen))
    ]
    found = [portrait for portrait in tried if portrait is not None]
    outer = np.array([np.inf if each is None else each.outer.mean() for each in tried])
    iris = np.array([np.inf if each is None else each.iris for each in tried])
    if not found:
        return {"outer_corners": metrics.summary(outer)}
    points = np.array([each.outer for each in found])
    return {
        "outer_corners": metrics.summary(outer)
        | {"ci95_percent": [100 * bound for bound in metrics.bootstrap(points.mean(1))]},
        "iris_centres": metrics.summary(iris),
        "in_space_percent": 100 * float(np.mean([each.space for each in found])),
        "regions_percent": {
            name: 100 * float(points[:, region].mean()) for name, region in REGIONS.items()
        },
        "pose_degrees": _pose_summary(np.array([each.pose for each in found])),
    }


def _measure(
    portraits: Portraits, index: int, rotation: np.ndarray, finder: FaceFinder
) -> Measured | None:
    image = portraits.image(index)
    height, width = image.shape[:2]
    truth = portraits.landmarks[index] * [width, height, width]
    found = metrics.nearest(truth, finder.find([image])[0])
    if found is None:
        return None
    predicted = metrics.points(found)
    return Measured(
        outer=metrics.errors(predicted, truth),
        iris=float(metrics.nme(predicted, truth, metrics.IRIS_CENTRES)),
        space=float(metrics.errors_3d(predicted, truth).mean()),
        pose=pose_difference(found, Pose.from_rotation(rotation)),
    )


def label_rotations(folder: Path) -> np.ndarray:
    """Head rotations (n, 3, 3) of the labels, in image axes (x right, y down, z away).

    The labels turn a canonical face into the camera's axes, both x right, y up, z to the viewer.
    """
    with np.load(folder / "labels.npz", allow_pickle=False) as labels:
        turned = labels["transform"][:, :3, :3].astype(np.float64)
    flip = np.diag([1.0, -1.0, -1.0])
    return flip @ turned @ flip


def pose_difference(found: Face, truth: Pose) -> np.ndarray:
    """Yaw, pitch and roll of a face minus the true ones, (3,) degrees, -180 to 180."""
    gap = [getattr(found.pose, angle) - getattr(truth, angle) for angle in ANGLES]
    return (np.array(gap) + 180) % 360 - 180


def _pose_summary(gaps: np.ndarray) -> dict[str, dict[str, float]]:
    """Of (n, 3) differences. The bias is that of the two mean faces, which face differently."""
    return {
        angle: {
            "mean_abs": float(np.abs(gap).mean()),
            "bias": float(gap.mean()),
            "mean_abs_without_bias": float(np.abs(gap - gap.mean()).mean()),
        }
        for angle, gap in zip(ANGLES, gaps.T, strict=True)
    }
