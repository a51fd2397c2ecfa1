"""``mien evaluate detection``: faces found and missed, and what is not a face, the locked protocol.

- Photos: boxes drawn by eye (``photo_boxes.json``), from hairline to chin and from ear to ear.
- Backgrounds: pictures without faces; every eighth is for the test alone, every eighth more was
  used to choose thresholds. A few show real people far off (``background_people.json``, by eye).
- Scenes: small and tilted faces in backgrounds (see :mod:`mien.evaluate.scenes`).

All go through the finder as any photo does, so a face counts when it was detected and measured.
"""

import json
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from mien.data.face_source import Part, background_files
from mien.errors import InputError
from mien.evaluate import metrics, report
from mien.evaluate.scenes import ANGLES, PER_ANGLE, SIZES, scenes
from mien.face import Face
from mien.find import geometry
from mien.find.finder import FaceFinder
from mien.media.image import read_image

PROTOCOL = "detection/1"
PERSON = 0.3  # overlap with which a box is that of a real person in a background
OVERLAPS = (0.4, 0.5)  # intersection over union with which a box finds a face


def main(data: Path, out: Path | None = None, limit: int | None = None) -> None:
    """Measure, print, and write the result as JSON.

    data: folder with ``photos``, ``backgrounds`` and ``portraits``.
    limit: the first so many photos, backgrounds of each part, and scenes of each angle, only.

    Raises MienError when the data or the weights cannot be had.
    """
    finder = FaceFinder.bundled()
    results = {
        "photos": photos(data / "photos", finder, limit),
        "backgrounds": backgrounds(data / "backgrounds", finder, limit),
        "scenes": small_faces(data, finder, limit),
    }
    report.finish(PROTOCOL, _data(data, limit), results, out)


def _data(data: Path, limit: int | None) -> dict[str, Any]:
    files = {name: sorted((data / name).iterdir()) for name in ("photos", "backgrounds")}
    files["portraits"] = [data / "portraits" / name for name in ("index.csv", "labels.npz")]
    return {name: report.fingerprint(some) for name, some in files.items()} | {"limit": limit}


def photo_boxes() -> dict[str, dict[str, Any]]:
    """For each photo its ``boxes``, and whether it is ``art``: painted or drawn."""
    return json.loads((resources.files("mien.evaluate") / "photo_boxes.json").read_text("utf-8"))


def photos(folder: Path, finder: FaceFinder, limit: int | None = None) -> dict[str, Any]:
    """Recall on photographs and on art, precision, and the photos in which something is wrong.

    Raises InputError when a photo of the label file is missing.
    """
    labels = dict(list(photo_boxes().items())[:limit])
    rows = {}
    for name, label in labels.items():
        if not (folder / name).is_file():
            raise InputError(f"{folder / name}: not there, but it has labels")
        faces = best_first(finder.find([read_image(folder / name)])[0])
        rows[name] = score(faces, np.array(label["boxes"])) | {"art": label["art"]}
    return {
        "faces": sum(row["faces"] for row in rows.values()),
        "recall": {f"{least:g}": _recall(rows.values(), least) for least in OVERLAPS},
        "recall_photographs": _recall((r for r in rows.values() if not r["art"]), OVERLAPS[0]),
        "recall_art": _recall((r for r in rows.values() if r["art"]), OVERLAPS[0]),
        "average_precision": _average_precision(rows.values()),
        "false_faces": sum(row["false"] for row in rows.values()),
        "files": {
            name: {key: row[key] for key in ("art", "faces", "found", "false")}
            for name, row in rows.items()
        },
    }


def best_first(faces: list[Face]) -> list[Face]:
    """Faces by falling score, as matching takes them."""
    return sorted(faces, key=lambda face: -face.score)


def score(faces: list[Face], boxes: np.ndarray) -> dict[str, Any]:
    """Faces of one picture, best first, against its true (n, 4) boxes."""
    found_boxes = np.array([face.box for face in faces])
    matches = {f"{least:g}": metrics.match(found_boxes, boxes, least) for least in OVERLAPS}
    hits = {least: int((match >= 0).sum()) for least, match in matches.items()}
    first = matches[f"{OVERLAPS[0]:g}"]
    return {
        "faces": len(boxes),
        "found": hits,
        "false": int((first < 0).sum()),
        "scores": [face.score for face in faces],
        "correct": (first >= 0).tolist(),
        "which": first.tolist(),
    }


def _recall(rows: Iterable[dict[str, Any]], least: float) -> float | None:
    rows = list(rows)
    faces = sum(row["faces"] for row in rows)
    return sum(row["found"][f"{least:g}"] for row in rows) / faces if faces else None


def _average_precision(rows: Iterable[dict[str, Any]]) -> float | None:
    rows = list(rows)
    scores = np.concatenate([row["scores"] for row in rows])
    correct = np.concatenate([row["correct"] for row in rows]).astype(bool)
    faces = sum(row["faces"] for row in rows)
    return metrics.average_precision(scores, correct, faces) if faces else None


def backgrounds(folder: Path, finder: FaceFinder, limit: int | None = None) -> dict[str, Any]:
    """False faces in pictures without faces: the test part, all that were not trained on, all."""
    parts: tuple[Part, ...] = ("test", "validation", "train")
    found = {part: _false_faces(background_files(folder, part)[:limit], finder) for part in parts}
    return {
        "test": _background_summary(found["test"]),
        "unseen": _background_summary(found["test"] | found["validation"]),
        "all": _background_summary(found["test"] | found["validation"] | found["train"]),
    }


def background_people() -> dict[str, list[list[float]]]:
    """Boxes, drawn by eye, of real people who stand far off in a few of the backgrounds."""
    return json.loads((resources.files("mien.evaluate") / "background_people.json").read_text())


def _false_faces(files: list[Path], finder: FaceFinder) -> dict[str, list[dict[str, Any]]]:
    """For each picture what was found in it; ``person`` where there really is somebody."""
    people = background_people()
    return {
        file.name: [
            _place(face, people.get(file.name, [])) for face in finder.find([read_image(file)])[0]
        ]
        for file in report.progress(files, "backgrounds")
    }


def _place(face: Face, people: list[list[float]]) -> dict[str, Any]:
    overlaps = geometry.iou(face.box[None], np.array(people).reshape(-1, 4))
    person = bool((overlaps > PERSON).any())
    return {"score": face.score, "box": face.box.round(1).tolist(), "person": person}


def _background_summary(found: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    everything = [face for faces in found.values() for face in faces]
    people = sum(face["person"] for face in everything)
    false = len(everything) - people
    return {
        "images": len(found),
        "real_people": people,
        "false_faces": false,
        "per_100_images": 100 * false / len(found) if found else None,
        "files": {name: faces for name, faces in sorted(found.items()) if faces},
    }


def small_faces(data: Path, finder: FaceFinder, limit: int | None = None) -> dict[str, Any]:
    """Recall by size and tilt, and false faces, on the scenes."""
    hits = {angle: np.zeros(len(SIZES)) for angle in ANGLES}
    shown = dict.fromkeys(ANGLES, 0)
    false = 0
    per_angle = PER_ANGLE if limit is None else min(limit, PER_ANGLE)
    for scene in report.progress(scenes(data, per_angle), "scenes", per_angle * len(ANGLES)):
        result = score(best_first(finder.find([scene.image])[0]), scene.boxes)
        hits[scene.angle][[which for which in result["which"] if which >= 0]] += 1
        shown[scene.angle] += 1
        false += result["false"]
    count = sum(shown.values())
    recall = {angle: hits[angle] / shown[angle] for angle in ANGLES}
    return {
        "scenes": count,
        "per_angle": per_angle,
        "overlap": OVERLAPS[0],
        "recall_by_size": _by_size(np.sum(list(hits.values()), axis=0) / count),
        "recall_by_angle": {angle: float(recall[angle].mean()) for angle in ANGLES},
        "recall": {angle: _by_size(recall[angle]) for angle in ANGLES},
        "false_faces_per_100_scenes": 100 * false / count,
    }


def _by_size(values: np.ndarray) -> dict[int, float]:
    return {size: float(value) for size, value in zip(SIZES, values, strict=True)}
