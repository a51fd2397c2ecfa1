"""Faces over a video: followed from frame to frame, detected only when lost or new."""

from dataclasses import dataclass, field

import numpy as np

from mien.face import Face
from mien.find import geometry
from mien.find.detector import SMALL_SIDE, Detection
from mien.find.finder import PRESENCE_THRESHOLD, FaceFinder, largest, to_face
from mien.find.identity import Identities
from mien.find.landmarks import Measured
from mien.find.smoothing import OneEuro

FAST_SIDE = 640  # the longer side at which a video frame is searched
LOOK_AROUND = 0.5  # seconds between searches while faces are followed
RETRY = 0.1  # seconds between searches for a face that was lost
REMEMBER = 2.0  # seconds for which a lost face keeps its number
DOUBTS = 4  # searches in a row that may miss a followed face before it is given up
CONFIRMING = 0.5  # of the detector's threshold: enough for a face that is followed already
CONFIRMED_SIZE = 40  # pixels at which a followed face is looked for
SAME_PLACE = 0.3  # overlap with a followed face above which a detection is that face
NEAR = 1.0  # face sizes that a lost face may have moved


@dataclass
class Track:
    """One person: its number, where it was last, and its filter."""

    number: int
    landmarks: np.ndarray
    seen: float
    filter: OneEuro = field(default_factory=OneEuro)
    lost: bool = False
    doubts: int = 0


class Tracker:
    """Gives every face of a video a number that it keeps, also through short occlusions.

    identities: who they are, so that people keep their numbers through cuts, too.
    """

    def __init__(
        self,
        finder: FaceFinder,
        smooth: bool = True,
        max_faces: int | None = None,
        identities: Identities | None = None,
    ):
        self.finder, self.smooth, self.max_faces = finder, smooth, max_faces
        self.identities = identities
        self._tracks: list[Track] = []
        self._next, self._searched = 0, -np.inf

    def update(self, image: np.ndarray, time: float) -> list[Face]:
        """Faces of the next frame, (H, W, 3) uint8 RGB at ``time`` seconds, largest first."""
        if self.identities and self.identities.is_cut(image):
            self._tracks, self._searched = [], -np.inf
        measured = self._follow(image)
        self._forget(time)
        if self._should_search(measured, time):
            self._searched = time
            measured |= self._search(image, measured)
        faces = []
        for track in self._tracks:
            if track.number in measured:
                result = measured[track.number]
                track.landmarks, track.seen, track.lost = result.landmarks, time, False
                faces.append(self._face(track, result, time))
            else:
                track.lost = True
        faces = largest(faces, self.max_faces)
        if self.identities:
            self.identities.learn(image, faces)
        return faces

    def _follow(self, image: np.ndarray) -> dict[int, Measured]:
        """Measure every face where it was in the last frame."""
        active = [track for track in self._tracks if not track.lost]
        placements = [geometry.face_to_image(track.landmarks) for track in active]
        results = self.finder.measure([image] * len(active), placements)
        kept: dict[int, Measured] = {}
        for track, result in zip(active, results, strict=True):
            if result.presence >= PRESENCE_THRESHOLD and not _taken(result, kept):
                kept[track.number] = result
        return kept

    def _forget(self, time: float) -> None:
        self._tracks = [track for track in self._tracks if time - track.seen <= REMEMBER]

    def _should_search(self, followed: dict[int, Measured], time: float) -> bool:
        """At once when a face is lost, then often, else now and then."""
        just_lost = any(not t.lost and t.number not in followed for t in self._tracks)
        missing = len(followed) < len(self._tracks) and not self._full(len(followed))
        pause = RETRY if missing or not followed else LOOK_AROUND
        return just_lost or time - self._searched >= pause

    def _full(self, count: int) -> bool:
        return self.max_faces is not None and count >= self.max_faces

    def _search(self, image: np.ndarray, followed: dict[int, Measured]) -> dict[int, Measured]:
        """Detect; faces that are not followed yet take up a lost number or a new one."""
        sides = self._sides(max(image.shape[:2]), followed)
        threshold = self.finder.detector.threshold
        found = self.finder.detector(image, sides, CONFIRMING * threshold)
        self._doubt(followed, found)
        placements = [self.finder.placement(d) for d in found if d.score >= threshold]
        results = self.finder.measure([image] * len(placements), placements, passes=2)
        new: dict[int, Measured] = {}
        for result in results:
            known = followed | new
            present = result.presence >= PRESENCE_THRESHOLD
            if present and not _taken(result, known) and not self._full(len(known)):
                new[self._number(image, result, known)] = result
        return new

    def _sides(self, longest: int, followed: dict[int, Measured]) -> list[int]:
        """Sides at which to look: for all faces, or only for those that are followed."""
        wide = min(longest, FAST_SIDE)
        if self._full(len(followed)):
            smallest = min(_place(result.landmarks)[1] for result in followed.values())
            enough = round(longest * CONFIRMED_SIZE / max(smallest, 1.0))
            return [min(max(enough, SMALL_SIDE), wide)]
        return [wide, SMALL_SIDE] if wide > SMALL_SIDE else [wide]

    def _doubt(self, followed: dict[int, Measured], found: list[Detection]) -> None:
        """Give up what the landmark network takes for a face and the detector never does."""
        boxes = np.array([detection.box for detection in found]).reshape(-1, 4)
        for track in [track for track in self._tracks if track.number in followed]:
            box = geometry.box_of(followed[track.number].landmarks)
            seen = (geometry.iou(box[None], boxes) > SAME_PLACE).any()
            track.doubts = 0 if seen else track.doubts + 1
            if track.doubts >= DOUBTS:
                self._tracks.remove(track)
                del followed[track.number]

    def _number(self, image: np.ndarray, result: Measured, known: dict[int, Measured]) -> int:
        """The number of the nearest lost face, of somebody seen before, or a new one."""
        near, who = self._nearest(result, known), self.identities
        face = to_face(result)
        if near is not None and not (who and who.is_other(image, face, near)):
            return near
        others = [number for number in who.everybody() if number not in known] if who else []
        number = who.who(image, face, others) if who else None
        if number is None:
            number, self._next = self._next, self._next + 1
        if all(track.number != number for track in self._tracks):
            self._tracks.append(Track(number, result.landmarks, -np.inf))
        return number

    def _nearest(self, result: Measured, known: dict[int, Measured]) -> int | None:
        """The number of the lost face that was nearest; None if none was near."""
        place, size = _place(result.landmarks)
        lost = [track for track in self._tracks if track.number not in known]
        distances = [np.linalg.norm(_place(track.landmarks)[0] - place) / size for track in lost]
        if not lost or min(distances) > NEAR:
            return None
        return lost[int(np.argmin(distances))].number

    def _face(self, track: Track, result: Measured, time: float) -> Face:
        if self.smooth:
            size = _place(result.landmarks)[1]
            points = track.filter(result.landmarks, time, size)
            result = Measured(points, result.presence)
        face = to_face(result)
        face.track = track.number
        return face


def _taken(result: Measured, known: dict[int, Measured]) -> bool:
    """Is this a face that another track already follows?"""
    if not known:
        return False
    boxes = np.array([geometry.box_of(other.landmarks) for other in known.values()])
    return bool(geometry.iou(geometry.box_of(result.landmarks)[None], boxes).max() > SAME_PLACE)


def _place(landmarks: np.ndarray) -> tuple[np.ndarray, float]:
    """Centre and size (root of the box's area) of a face."""
    box = geometry.box_of(landmarks)
    return (box[:2] + box[2:]) / 2, float(np.sqrt(np.prod(box[2:] - box[:2])))
