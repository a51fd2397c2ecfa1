"""Who the tracks of one video are: a face that comes back after a cut gets its number again.

Of each track the first good views are embedded, and their mean is kept. A new track whose first
view is near to that of a track that has ended is taken for the same person.
"""

from collections.abc import Callable, Collection, Sequence

import cv2
import numpy as np

from mien.face import Face
from mien.find.embedder import Judge

Embed = Callable[[Sequence[np.ndarray], Sequence[Face]], np.ndarray]

VIEWS = 5  # of a track that are kept
GOOD_SIZE = 40.0  # pixels; of smaller faces the embedding says little
GOOD_TURN = 35.0  # degrees of yaw and pitch
THUMBNAIL = 24  # pixels
CUT = 18.0  # of 255: mean difference of two frames' thumbnails from which on it is a cut


class Identities:
    """The people of one video.

    embedder: an :class:`mien.find.embedder.Embedder`, or what gives vectors as it does.
    judge: which distances of embeddings are those of one person. Somebody is recognised where, on
        validation, one in a hundred pairs of different people was taken for one; and is somebody
        else than the face that was there before from the threshold of equal errors on.
    """

    def __init__(self, embedder: Embed, judge: Judge | None = None):
        self.embedder, self.judge = embedder, judge or Judge.bundled()
        self._views: dict[int, list[np.ndarray]] = {}
        self._last: np.ndarray | None = None

    def is_cut(self, image: np.ndarray) -> bool:
        """Whether the next frame, (H, W, 3) uint8, shows another scene than the one before it."""
        grey = cv2.cvtColor(image[::4, ::4], cv2.COLOR_RGB2GRAY)
        small = cv2.resize(grey, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
        last, self._last = self._last, small.astype(np.float32)
        return last is not None and float(np.abs(self._last - last).mean()) > CUT

    def who(self, image: np.ndarray, face: Face, numbers: Collection[int]) -> int | None:
        """The number, of these, of the person whom a face with landmarks looks like most."""
        known = [number for number in numbers if number in self._views]
        if not known or not is_good(face):
            return None
        vector = self.embedder([image], [face])[0]
        distances = [self._distance(number, vector) for number in known]
        nearest = int(np.argmin(distances))
        return known[nearest] if distances[nearest] < self.judge.grouping else None

    def is_other(self, image: np.ndarray, face: Face, number: int) -> bool:
        """Whether a face with landmarks is clearly not the person of this number."""
        if number not in self._views or not is_good(face):
            return False
        vector = self.embedder([image], [face])[0]
        return self._distance(number, vector) > self.judge.threshold

    def everybody(self) -> list[int]:
        """The numbers of the people of whom a view is kept."""
        return list(self._views)

    def learn(self, image: np.ndarray, faces: Sequence[Face]) -> None:
        """Keep the first good views of tracked faces."""
        new = [face for face in faces if is_good(face) and self._wants(face)]
        if not new:
            return
        for face, vector in zip(new, self.embedder([image] * len(new), new), strict=True):
            assert face.track is not None
            self._views.setdefault(face.track, []).append(vector)

    def _wants(self, face: Face) -> bool:
        return face.track is not None and len(self._views.get(face.track, ())) < VIEWS

    def _distance(self, number: int, vector: np.ndarray) -> float:
        mean = np.mean(self._views[number], axis=0)
        return float(2 - 2 * mean @ vector / max(float(np.linalg.norm(mean)), 1e-12))


def is_good(face: Face) -> bool:
    """Whether a face is so large and so frontal that its embedding says who it is."""
    size = float(np.sqrt(np.prod(face.box[2:] - face.box[:2])))
    pose = face.pose
    return (
        size >= GOOD_SIZE
        and pose is not None
        and abs(pose.yaw) <= GOOD_TURN
        and abs(pose.pitch) <= GOOD_TURN
    )
