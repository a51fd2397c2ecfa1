"""Choose the finder's thresholds on validation: ``python -m mien.evaluate.thresholds DATA``.

Validation is the eighth of the backgrounds set apart for it, each also mirrored and on its sides,
and new scenes of training portraits before them. For pairs of thresholds it prints how many of the
scenes' faces are found, and how many false faces 100 backgrounds give; the pair goes into
``mien/find/finder.py`` by hand.
"""

import argparse
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from mien.data.face_scenes import FaceScenes
from mien.data.face_source import FaceSource, background_files
from mien.find import geometry
from mien.find.finder import FaceFinder
from mien.media.image import read_image

LEAST = 0.15
SCENES, SCENE_SIDE, SEED = 300, 256, 987_654
OVERLAP = 0.4
DETECTION = (0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6)
PRESENCE = (0.3, 0.5, 0.7, 0.9)

Candidates = tuple[np.ndarray, np.ndarray, np.ndarray]


def candidates(image: np.ndarray, finder: FaceFinder) -> Candidates:
    """Detection scores (n,), presences (n,) and landmark boxes (n, 4) above ``LEAST``."""
    found = finder.detector(image, threshold=LEAST)
    placements = [finder.placement(detection) for detection in found]
    measured = finder.measure([image] * len(found), placements, passes=2)
    boxes = np.array([geometry.box_of(m.landmarks) for m in measured]).reshape(-1, 4)
    return np.array([d.score for d in found]), np.array([m.presence for m in measured]), boxes


def scenes(data: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pictures and the boxes of their faces that are at least 16 pixels large."""
    source = FaceSource.load(data, limit=300)
    files = background_files(data / "backgrounds", "validation")
    source.backgrounds = [read_image(file) for file in files]
    for sample in islice(FaceScenes(source, SCENE_SIDE, SEED), SCENES):
        boxes = sample["boxes"][: int(sample["count"])].numpy()
        large = np.sqrt((boxes[:, 2:] - boxes[:, :2]).prod(1)) >= 16
        yield np.ascontiguousarray(sample["image"].numpy().transpose(1, 2, 0)), boxes[large]


def empty(data: Path) -> Iterator[np.ndarray]:
    """Validation backgrounds as they are, mirrored, and turned to both sides."""
    for file in background_files(data / "backgrounds", "validation"):
        image = read_image(file)
        for view in (image, image[:, ::-1], np.rot90(image), np.rot90(image, -1)):
            yield np.ascontiguousarray(view)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    data = parser.parse_args().data
    finder = FaceFinder.bundled()
    wrong = [candidates(image, finder)[:2] for image in empty(data)]
    right = [(candidates(image, finder), boxes) for image, boxes in scenes(data)]
    faces = sum(len(boxes) for _, boxes in right)
    print("detection  presence  recall  false faces per 100 backgrounds")
    for detection in DETECTION:
        for presence in PRESENCE:
            false = sum(int(((s >= detection) & (p >= presence)).sum()) for s, p in wrong)
            found = sum(_found(c, boxes, detection, presence) for c, boxes in right)
            rate, per_100 = found / faces, 100 * false / len(wrong)
            print(f"{detection:9.2f}  {presence:8.2f}  {rate:6.3f}  {per_100:6.2f}")


def _found(found: Candidates, boxes: np.ndarray, detection: float, presence: float) -> int:
    scores, presences, places = found
    kept = places[(scores >= detection) & (presences >= presence)]
    if not len(kept) or not len(boxes):
        return 0
    return int((geometry.iou(boxes, kept).max(1) >= OVERLAP).sum())


if __name__ == "__main__":
    main()
