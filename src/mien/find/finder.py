"""The face finder: detector and landmark network together, on photos."""

from collections.abc import Callable, Sequence
from typing import Self

import numpy as np

from mien import hub
from mien.errors import UsageError
from mien.face import Face
from mien.find import geometry, mean_face
from mien.find.aligned import WholePicture
from mien.find.detector import FIVE_POINTS, Detection, Detector
from mien.find.landmarks import Landmarker, Measured, Network

# Chosen on validation by mien.evaluate.thresholds: no false face there, with a margin.
DETECTION_THRESHOLD = 0.4
PRESENCE_THRESHOLD = 0.5
CROP_SIZE = 128
LANDMARK_WEIGHTS = "mien-landmarks"  # any whose first two outputs are landmarks and presence
SAME_FACE = 0.35  # two results that overlap more are one face


class FaceFinder:
    """Finds faces and measures their 478 landmarks."""

    def __init__(self, detector: Detector | WholePicture, landmarker: Landmarker):
        self.detector, self.landmarker = detector, landmarker
        self._five = mean_face.points()[list(FIVE_POINTS), :2]

    @classmethod
    def bundled(
        cls, device: str = "cpu", threads: int | None = None, batch: int = 8,
        open_network: Callable[[str], Network] | None = None, aligned: bool = False,
    ) -> Self:  # fmt: skip
        """The finder with the networks that mien ships.

        Args:
            device: "cpu" or "cuda"; MienError when it is not there, never another one instead.
            threads: CPU threads of a network; all cores when None.
            batch: crops that are measured at once; results do not depend on it.
            open_network: weight name -> network, instead of ONNX Runtime.
            aligned: pictures are crops of one face each, and are not searched.
        """

        def onnx_network(name: str) -> Network:
            return hub.OnnxNetwork(hub.resolve(name), device, threads)

        opened = open_network or onnx_network
        landmarker = Landmarker(opened(LANDMARK_WEIGHTS), CROP_SIZE, batch)
        if aligned:
            return cls(WholePicture(), landmarker)
        return cls(Detector(opened("mien-detector"), DETECTION_THRESHOLD), landmarker)

    def detect(self, image: np.ndarray) -> list[Face]:
        """Boxes only, best first: what the detector says of an (H, W, 3) uint8 RGB picture."""
        return [Face(box=d.box, score=d.score) for d in self.detector(image)]

    def find(self, images: Sequence[np.ndarray], max_faces: int | None = None) -> list[list[Face]]:
        """Faces of each (H, W, 3) uint8 RGB photo, largest first.

        What is found in a photo does not depend on the other photos.
        """
        detections = [self.detector(image) for image in images]
        owners = [i for i, found in enumerate(detections) for _ in found]
        placements = [self.placement(d) for found in detections for d in found]
        measured = self.measure([images[i] for i in owners], placements, passes=2)
        faces: list[list[Face]] = [[] for _ in images]
        for owner, result in zip(owners, measured, strict=True):
            if result.presence >= PRESENCE_THRESHOLD:
                faces[owner].append(to_face(result))
        return [largest(distinct(found), max_faces) for found in faces]

    def placement(self, detection: Detection) -> np.ndarray:
        """Face frame -> picture, from the detector's five points."""
        return geometry.fit_similarity(self._five, detection.points)

    def measure(
        self, images: Sequence[np.ndarray], placements: Sequence[np.ndarray], passes: int = 1
    ) -> list[Measured]:
        """Landmarks at these placements; each further pass looks again where the last one led."""
        measured = self.landmarker(images, placements)
        for _ in range(passes - 1):
            placements = [geometry.face_to_image(m.landmarks) for m in measured]
            measured = self.landmarker(images, placements)
        return measured


def to_face(measured: Measured) -> Face:
    """A face from its landmarks: box around them, pose by rigid fit."""
    return Face(
        box=geometry.box_of(measured.landmarks),
        score=measured.presence,
        landmarks=measured.landmarks,
        pose=geometry.pose_of(measured.landmarks),
    )


def distinct(faces: list[Face]) -> list[Face]:
    """Without the less certain one of every two results for the same face."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: -face.score):
        if (
            not kept
            or geometry.iou(face.box[None], np.array([k.box for k in kept])).max() < SAME_FACE
        ):
            kept.append(face)
    return kept


def largest(faces: list[Face], count: int | None) -> list[Face]:
    """The ``count`` largest, largest first; all when ``count`` is None."""
    if count is not None and count < 1:
        raise UsageError(f"at least one face must be asked for, not {count}")
    return sorted(faces, key=lambda face: -_area(face.box))[:count]


def _area(box: np.ndarray) -> float:
    return float(np.prod(box[2:] - box[:2]))
