"""The real half of ``mien evaluate base``: portraits, clips, posed emotions, mirrors, still faces.

There is no truth: labels are what other networks say, and what a picture's name says.
"""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mien.data import labels
from mien.data.labelled_crops import affect_of
from mien.data.portraits import Portraits
from mien.data.traits import mirrored_curves, mirrored_gaze, mirrored_landmarks
from mien.errors import InputError
from mien.evaluate import clips, jitter, metrics, peers, report
from mien.face import BLENDSHAPES
from mien.find import geometry
from mien.find.finder import FaceFinder
from mien.hub.store import home, sha256
from mien.media.files import atomic
from mien.media.image import read_image
from mien.media.video import Video

POSED = {
    "pyfeat_m7_disgust.jpg": "disgust", "sadtalker_happy.png": "happiness",
    "emoface_angry.mov": "anger", "furious_talk1_clip1.mp4": "anger",
    "happyenglish_clip2.mp4": "happiness", "sadfather_clip1.mp4": "sadness",
}  # fmt: skip
"""The emotion that the name of a photo or a clip says."""
MOST_ACTIVE = 20
STILL = 5  # portraits that are made videos of
BATCH = 16

Answers = Mapping[str, np.ndarray]
Predict = Callable[[np.ndarray], Answers]
"""Crops (N, 3, S, S) float32 0..1 -> answers by name, as ``MienBase.predict`` gives them."""


def measure(
    data: Path, predict: Predict, size: int, peer: peers.Environment | None, limit: int | None
) -> dict[str, Any]:
    """Results on the media below a folder; without ``peer`` no clip is compared."""
    for part in ("photos", "portraits", "video"):
        if not (data / part).is_dir():
            raise InputError(f"{data / part}: not there")
    finder, portraits = FaceFinder.bundled(), Portraits.load(data / "portraits")
    return {
        "portraits": _portraits(portraits, finder, predict, size, limit),
        "clips": _clips(data, finder, predict, size, peer, limit) if peer else None,
        "posed": _posed(data, finder, predict, size, limit),
        "still": _still(portraits, predict, size, limit),
    }


def fingerprints(data: Path, limit: int | None) -> dict[str, Any]:
    """What was measured on."""
    index = [data / "portraits" / name for name in ("index.csv", "labels.npz")]
    return {
        "portraits": report.fingerprint(index),
        "photos": report.fingerprint((data / "photos").iterdir()),
        "video": report.fingerprint(clips.clips(data)),
        "limit": limit,
    }


def crops(images: Sequence[np.ndarray], matrices: Sequence[np.ndarray], size: int) -> np.ndarray:
    """Crops (N, 3, S, S) float32 0..1 of pictures (H, W, 3) uint8, by (2, 3) crop to picture."""
    cut = [geometry.crop(image, m, size) for image, m in zip(images, matrices, strict=True)]
    return np.ascontiguousarray(np.stack(cut).transpose(0, 3, 1, 2)).astype(np.float32) / 255


def _matrix(landmarks: np.ndarray, size: int) -> np.ndarray:
    return geometry.compose(geometry.face_to_image(landmarks), geometry.crop_to_face(size))


def _joined(parts: Sequence[Answers]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


# Portraits


def _portraits(
    portraits: Portraits, finder: FaceFinder, predict: Predict, size: int, limit: int | None
) -> dict[str, Any]:
    """Agreement with the labels of held-back portraits, and with themselves in a mirror."""
    chosen = np.flatnonzero(portraits.test)[:limit]
    found, cut, truths = [], [], []
    for index in report.progress(chosen, "portraits", len(chosen)):
        image = portraits.image(int(index))
        true = portraits.landmarks[index] * [image.shape[1], image.shape[0], image.shape[1]]
        face = metrics.nearest(true, finder.find([image])[0])
        if face is not None:
            matrix = _matrix(metrics.points(face), size)
            found.append(index)
            cut.append(crops([image], [matrix], size)[0])
            truths.append(geometry.transform(geometry.invert(matrix), true))
    if not found:
        return {"portraits": len(chosen), "found": 0}
    images = np.stack(cut)
    told = _joined([predict(images[i : i + BATCH]) for i in range(0, len(images), BATCH)])
    rows = _index(portraits.folder, found)
    return {
        "portraits": len(chosen),
        "found": len(found),
        "landmarks_percent": _percent(told["landmarks"], np.stack(truths)),
        "curves": curve_agreement(told["curves"], _curves(portraits.folder, found)),
        "emotion_agreement": _agreement(told["emotion"], [affect_of(row) for row in rows]),
        "gender_agreement": _agreement(told["gender"], _of(labels.GENDERS, rows, "gender")),
        "group_agreement": _agreement(told["group"], _of(labels.GROUPS, rows, "group")),
        "age_gap_years": _ages(told["age"], rows),
        "mirror": mirror(images, told, predict, size),
    }


def _percent(said: np.ndarray, true: np.ndarray) -> list[float]:
    values = 100 * np.array([float(metrics.nme(a, b)) for a, b in zip(said, true, strict=True)])
    return [float(values.mean()), *metrics.bootstrap(values)]


def _index(folder: Path, chosen: Sequence[int]) -> list[dict[str, str]]:
    with open(folder / "index.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return [rows[index] for index in chosen]


def _curves(folder: Path, chosen: Sequence[int]) -> np.ndarray:
    """Curves (n, 52) as MediaPipe labelled them; 0 for one it has not."""
    with np.load(folder / "labels.npz", allow_pickle=False) as stored:
        names, values = list(stored["blendshape_names"]), stored["blendshapes"]
    out = np.zeros((len(chosen), len(BLENDSHAPES)))
    for at, name in enumerate(BLENDSHAPES):
        if name in names:
            out[:, at] = values[list(chosen), names.index(name)]
    return out


def correlations(said: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Pearson correlation of each column of (n, k); 0 where one of the two does not move."""
    first, second = said - said.mean(0), true - true.mean(0)
    scale = np.sqrt((first**2).sum(0) * (second**2).sum(0))
    return np.divide((first * second).sum(0), scale, out=np.zeros(len(scale)), where=scale > 1e-12)


def curve_agreement(said: np.ndarray, other: np.ndarray) -> dict[str, Any]:
    """Correlation of curves (n, 52) with another tool's, of those that move most there."""
    found = correlations(said, other)
    active = np.argsort(-other.std(0), kind="stable")[:MOST_ACTIVE]
    blinks = [BLENDSHAPES.index(f"eyeBlink{side}") for side in ("Left", "Right")]
    return {
        "samples": len(said),
        "median": float(np.median(found[active])),
        "jaw_open": float(found[BLENDSHAPES.index("jawOpen")]),
        "blink": float(found[blinks].mean()),
        "by_curve": {BLENDSHAPES[at]: float(found[at]) for at in active},
    }


def _of(classes: tuple[str, ...], rows: list[dict[str, str]], column: str) -> list[int]:
    return [
        classes.index(row[column]) if row[column] in classes else labels.UNKNOWN for row in rows
    ]


def _agreement(said: np.ndarray, classes: Sequence[int]) -> list[float] | None:
    true = np.asarray(classes)
    known = true >= 0
    if not known.any():
        return None
    right = (said.argmax(1) == true)[known].astype(np.float64)
    return [float(right.mean()), *metrics.bootstrap(right)]


def _ages(said: np.ndarray, rows: list[dict[str, str]]) -> list[float] | None:
    other = np.array([float(row["age_faceapi"] or "nan") for row in rows])
    gaps = np.abs(said - other)[np.isfinite(other)]
    return [float(gaps.mean()), *metrics.bootstrap(gaps)] if len(gaps) else None


def mirror(images: np.ndarray, told: Answers, predict: Predict, size: int) -> dict[str, float]:
    """How far the answers of crops (N, 3, S, S) are from those of the same crops in a mirror."""
    turned = np.ascontiguousarray(images[..., ::-1])
    other = _joined([predict(turned[i : i + BATCH]) for i in range(0, len(turned), BATCH)])
    back = np.stack([mirrored_landmarks(points, size) for points in other["landmarks"]])
    return {
        "landmarks_percent": _percent(back, np.asarray(told["landmarks"], np.float64))[0],
        "curves": float(np.abs(mirrored_curves(other["curves"]) - told["curves"]).mean()),
        "units": float(np.abs(other["units"] - told["units"]).mean()),
        "gaze_degrees": float(np.abs(mirrored_gaze(other["gaze"]) - told["gaze"]).mean()),
        "emotion_same": float((other["emotion"].argmax(1) == told["emotion"].argmax(1)).mean()),
    }


# Clips


def _clips(
    data: Path, finder: FaceFinder, predict: Predict, size: int, peer: peers.Environment,
    limit: int | None,
) -> dict[str, Any]:  # fmt: skip
    """Curves and landmarks beside MediaPipe's, over the frames in which both see the face."""
    said, other, errors = [], [], []
    for clip in report.progress(clips.clips(data), "clips"):
        frames, points, curves = _labels(data, clip, peer)
        wanted = dict(zip(frames[:limit].tolist(), range(len(frames)), strict=False))
        for number, image in _frames(clip, set(wanted)):
            row = wanted[number]
            if not np.isfinite(points[row]).all():
                continue
            face = metrics.nearest(points[row], finder.find([image])[0])
            if face is None:
                continue
            matrix = _matrix(metrics.points(face), size)
            told = predict(crops([image], [matrix], size))
            said.append(told["curves"][0])
            other.append(curves[row])
            placed = geometry.transform(matrix, told["landmarks"][0])
            errors.append(100 * float(metrics.nme(placed, points[row])))
    if not said:
        return {"frames": 0}
    return {
        "frames": len(said),
        "labels": f"MediaPipe Face Landmarker {peer.versions['mediapipe']}",
        "landmarks_percent": [float(np.mean(errors)), *metrics.bootstrap(np.array(errors))],
        "curves": curve_agreement(np.array(said), np.array(other)),
    }


def _labels(
    data: Path, clip: Path, peer: peers.Environment
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """MediaPipe's frames, landmarks (n, 478, 3) in pixels, curves (n, 52); kept in the cache."""
    task = data / "peers" / peers.TASK
    if not task.is_file():
        raise InputError(f"{task}: not there: the curves of the clips are made with it")
    version, every, most = peer.versions["mediapipe"], clips.EVERY, clips.MOST
    name = f"{sha256(clip)[:16]}-{sha256(task)[:8]}-{version}-{every}-{most}-curves.npz"
    cached = home() / "peers" / name
    if not cached.is_file():
        cached.parent.mkdir(parents=True, exist_ok=True)
        with atomic(cached) as temporary:
            script, names = "mediapipe_curves.py", ",".join(BLENDSHAPES)
            peers.run(peer, script, task, clip, temporary, every, most, names)
    with np.load(cached, allow_pickle=False) as arrays:
        width, height = arrays["size"]
        return arrays["frames"], arrays["landmarks"] * [width, height, width], arrays["curves"]


def _frames(clip: Path, wanted: set[int]) -> Iterator[tuple[int, np.ndarray]]:
    """The pictures (H, W, 3) of these frames of a clip, with their numbers."""
    for frame in Video(clip).frames():
        if frame.index in wanted:
            yield frame.index, frame.image
        if frame.index >= max(wanted, default=-1):
            return


# Posed emotions


def _posed(
    data: Path, finder: FaceFinder, predict: Predict, size: int, limit: int | None
) -> dict[str, Any]:
    """Which emotion is said of pictures whose names say one; of clips the mean of some frames."""
    files = {}
    numbers = set(range(0, clips.EVERY * min(clips.MOST, limit or clips.MOST), clips.EVERY))
    for name, posed in report.progress(POSED.items(), "posed", len(POSED)):
        photo, clip = data / "photos" / name, data / "video" / name
        if photo.is_file():
            images: Iterator[np.ndarray] = iter([read_image(photo)])
        elif clip.is_file():
            images = (image for _, image in _frames(clip, numbers))
        else:
            continue
        said = _said(images, finder, predict, size)
        files[name] = {"posed": posed, "said": said, "right": said == posed}
    right = [each["right"] for each in files.values()]
    return {"right": sum(right), "of": len(right), "files": files}


def _said(
    images: Iterator[np.ndarray], finder: FaceFinder, predict: Predict, size: int
) -> str | None:
    """The likeliest emotion of the largest face, over all pictures; None where there is none."""
    sums = []
    for image in images:
        faces = finder.find([image], max_faces=1)[0]
        if faces:
            matrix = _matrix(metrics.points(faces[0]), size)
            sums.append(predict(crops([image], [matrix], size))["emotion"][0])
    return labels.AFFECTS[int(np.mean(sums, 0).argmax())] if sums else None


# A still face


def _still(
    portraits: Portraits, predict: Predict, size: int, limit: int | None
) -> dict[str, float | int]:
    """Deviation of the answers over noisy frames of one picture, cropped where its label says."""
    chosen = np.flatnonzero(portraits.test)[: min(STILL, limit or STILL)]
    parts = []
    for index in report.progress(chosen, "still", len(chosen)):
        image = portraits.image(int(index))
        true = portraits.landmarks[index] * [image.shape[1], image.shape[0], image.shape[1]]
        frames = list(jitter.noisy_frames(image, seed=int(index)))
        cut = crops(frames, [_matrix(true, size)] * len(frames), size)
        parts.append(still(cut, predict))
    return {
        "portraits": len(parts),
        **{name: float(np.mean([part[name] for part in parts])) for name in parts[0]},
    }


def still(frames: np.ndarray, predict: Predict) -> dict[str, float]:
    """Mean standard deviation of the answers over crops (N, 3, S, S) of one face."""
    told = _joined([predict(frames[i : i + BATCH]) for i in range(0, len(frames), BATCH)])
    return {
        "landmarks_px": float(told["landmarks"][..., :2].std(0).mean()),
        "curves": float(told["curves"].std(0).mean()),
        "units": float(told["units"].std(0).mean()),
        "gaze_degrees": float(told["gaze"].std(0).mean()),
    }
