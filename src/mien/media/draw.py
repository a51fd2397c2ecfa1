"""Draws faces into pictures."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import cv2
import numpy as np

from mien.face import CONTOURS, LEFT_IRIS, RIGHT_IRIS, Face, Pose
from mien.media.lettering import Colour, width_of, write

TRACK_COLOURS: tuple[Colour, ...] = (
    *((0, 140, 255), (245, 105, 0), (0, 165, 85), (225, 35, 95), (140, 85, 250)),
    *((0, 165, 180), (190, 125, 0), (215, 70, 195), (90, 105, 130), (150, 80, 45)),
)
"""RGB, one after the other for tracks 0, 1, ...; they stand out in pictures and on white."""

LINE: Colour = (215, 240, 255)
LIPS: Colour = (255, 120, 130)
IRIS: Colour = (255, 220, 60)
CONTOUR_COLOURS: dict[str, Colour] = {"lips_outer": LIPS, "lips_inner": LIPS}
RIGHT_AXIS, UP_AXIS, FORWARD_AXIS = (235, 60, 60), (60, 200, 80), (70, 130, 255)

RAY: Colour = (255, 220, 60)
RAY_LENGTH = 1.1  # sizes of the face; of one that is seen from the side
AXIS_LENGTH = 0.35  # sizes of the face
NOSE_TIP = 4
SMALLEST_FACE = 12.0  # pixels; below it contours would only be a blot
SMALLEST_MESH = 90.0  # pixels; below it the mesh would be one
FULL_MESH = 300.0  # pixels; below it the mesh is fainter, since it is denser
MESH_STRENGTH = 0.28
SMALLEST_LETTERS = 10  # pixels of a label
SMALLEST_TEXT = 0.3  # of OpenCV's font; below it nothing can be read
WIDEST_LABEL = 3.0  # box widths; a wider one, on a small face, would hide its neighbours
SMALL_FACE = 50.0  # pixels; up to it the axes are as thin as the other lines
FONT = cv2.FONT_HERSHEY_SIMPLEX
SUBPIXEL_BITS = 4
FARTHEST = 1e5  # pixels; OpenCV's drawing overflows with far larger coordinates


def annotate(
    image: np.ndarray, faces: Iterable[Face], triangles: np.ndarray | None = None
) -> np.ndarray:
    """A copy of an (H, W, 3) uint8 RGB image with the faces drawn in.

    Of each face what it has: box, contours, irises, where each eye looks, pose axes from the nose
    tip (red to the right of the face as the viewer sees it, green up, blue where the nose points)
    and a label with track and angles in degrees; on small faces the track alone.

    triangles: (n, 3) between landmarks; those that face the viewer are drawn on large faces.
    """
    drawn = image.copy()
    for face in sorted(faces, key=_size):  # large ones are near: they come on top
        _draw_face(drawn, face, triangles)
    return drawn


def colour_of(track: int | None) -> Colour:
    """The RGB colour of a track; photos have that of the first."""
    return TRACK_COLOURS[(track or 0) % len(TRACK_COLOURS)]


def label_of(face: Face) -> str:
    """Track and pose in words, ``#3 yaw 12 pitch -5 roll 2``; of a face that is read, ``#3``.

    What is read, and the pose, then stand in the panel beside the picture.
    """
    parts = [] if face.track is None else [f"#{face.track}"]
    if face.pose is not None and face.readings is None:
        angles = ("yaw", "pitch", "roll")
        parts += [f"{name} {round(getattr(face.pose, name))}" for name in angles]
    return " ".join(parts)


def _draw_face(image: np.ndarray, face: Face, triangles: np.ndarray | None) -> None:
    size = min(_size(face), float(max(image.shape)))
    width = max(1, round(size / 260))
    if face.landmarks is not None and size >= SMALLEST_FACE:
        if triangles is not None and size >= SMALLEST_MESH:
            _draw_mesh(image, face.landmarks, triangles, size)
        _draw_landmarks(image, face.landmarks, size, width)
        _draw_gaze(image, face, size, width)
        if face.pose is not None:
            _draw_axes(image, face.landmarks[NOSE_TIP, :2], face.pose, size, width)
    colour = colour_of(face.track)
    corners = face.box[[0, 1, 2, 1, 2, 3, 0, 3]].reshape(4, 2)
    cv2.polylines(image, [_fixed(corners)], True, colour, width, cv2.LINE_AA, SUBPIXEL_BITS)
    _draw_label(image, face, size, colour)


@contextmanager
def _glazed(
    image: np.ndarray, points: np.ndarray, margin: int, strength: float
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """A layer over what is around some points (n, 2), and its corner; it is laid on in part."""
    low = np.floor(points.min(axis=0) - margin).clip(0, FARTHEST).astype(int)
    high = np.ceil(points.max(axis=0) + margin).clip(0, FARTHEST).astype(int)
    part = image[low[1] : high[1], low[0] : high[0]]
    layer = part.copy()
    yield layer, low
    if part.size:
        cv2.addWeighted(layer, strength, part, 1 - strength, 0, dst=part)


def _draw_mesh(
    image: np.ndarray, landmarks: np.ndarray, triangles: np.ndarray, size: float
) -> None:
    """The edges of the triangles that face the viewer, faint."""
    points = landmarks[:, :2]
    a, b, c = points[triangles].transpose(1, 0, 2)
    one, two = b - a, c - a
    seen = triangles[one[:, 0] * two[:, 1] < one[:, 1] * two[:, 0]]
    edges = np.sort(seen[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    ends = np.unique(edges[:, 0] * len(points) + edges[:, 1])
    lines = np.stack([ends // len(points), ends % len(points)], axis=1)
    width = max(1, round(size / 700))
    strength = MESH_STRENGTH * min(size / FULL_MESH, 1.0)
    with _glazed(image, points, 2 * width, strength) as (layer, low):
        if layer.size:
            drawn = list(_fixed((points - low)[lines]))
            cv2.polylines(layer, drawn, False, LINE, width, cv2.LINE_AA, SUBPIXEL_BITS)


def _draw_landmarks(image: np.ndarray, landmarks: np.ndarray, size: float, width: int) -> None:
    """Contours and irises, fainter on small faces, where one pixel is wide."""
    strength = float(np.clip(size / 250, 0.45, 0.9))
    with _glazed(image, landmarks[:, :2], 2 * width, strength) as (layer, low):
        if layer.size:
            _draw_contours(layer, landmarks[:, :2] - low, width)


def _draw_contours(layer: np.ndarray, points: np.ndarray, width: int) -> None:
    for name, line in CONTOURS.items():
        if not name.endswith("iris"):
            colour = CONTOUR_COLOURS.get(name, LINE)
            polyline = [_fixed(points[line])]
            cv2.polylines(layer, polyline, False, colour, width, cv2.LINE_AA, SUBPIXEL_BITS)
    for iris in (RIGHT_IRIS, LEFT_IRIS):
        _draw_iris(layer, points[iris], width)


def _draw_iris(image: np.ndarray, points: np.ndarray, width: int) -> None:
    """A circle around an iris: its centre, then four points of its rim."""
    radius = float(np.linalg.norm(points[1:] - points[0], axis=1).mean())
    centre = _fixed(points[0])
    fixed_radius = round(min(radius, FARTHEST) * 2**SUBPIXEL_BITS)
    cv2.circle(image, centre.tolist(), fixed_radius, IRIS, width, cv2.LINE_AA, SUBPIXEL_BITS)


def _draw_gaze(image: np.ndarray, face: Face, size: float, width: int) -> None:
    """A ray from each open eye, a beam that widens and fades, with a dot at its end."""
    readings, landmarks = face.readings, face.landmarks
    if landmarks is None or readings is None or readings.gaze is None or face.pose is None:
        return
    for eye, iris in zip(readings.gaze, (LEFT_IRIS, RIGHT_IRIS), strict=True):
        if np.isfinite(eye).all():
            start = landmarks[iris[0], :2].astype(np.float64)
            end = start + direction_of(eye, face.pose)[:2] * RAY_LENGTH * size
            _draw_ray(image, start, end, size, width)


def _draw_ray(
    image: np.ndarray, start: np.ndarray, end: np.ndarray, size: float, width: int
) -> None:
    along = end - start
    across = np.array([-along[1], along[0]]) / max(float(np.linalg.norm(along)), 1e-6)
    spread = across * size / 40
    beam = np.stack([start, end + spread, end - spread])
    with _glazed(image, beam, 2 * width, 0.3) as (layer, low):
        if layer.size:
            cv2.fillConvexPoly(layer, _fixed(beam - low), RAY, cv2.LINE_AA, SUBPIXEL_BITS)
    line = _fixed(np.stack([start, end]))
    cv2.polylines(image, [line], False, RAY, width, cv2.LINE_AA, SUBPIXEL_BITS)
    radius = round(max(size / 70, 1.5) * 2**SUBPIXEL_BITS)
    centre = line[1].tolist()
    cv2.circle(image, centre, radius, RAY, cv2.FILLED, cv2.LINE_AA, SUBPIXEL_BITS)


def direction_of(eye: np.ndarray, pose: Pose) -> np.ndarray:
    """(3,) unit vector in image axes (x right, y down, z away) in which an eye looks.

    eye: (2,) yaw and pitch in the head, degrees.
    """
    return -(pose.rotation() @ Pose(float(eye[0]), float(eye[1]), 0.0).rotation())[:, 2]


def _draw_axes(image: np.ndarray, nose: np.ndarray, pose: Pose, size: float, width: int) -> None:
    """Where the face's right (of the viewer), up and forward point; the nearest comes on top."""
    right, up, forward = axes_of(pose)
    coloured = ((right, RIGHT_AXIS), (up, UP_AXIS), (forward, FORWARD_AXIS))
    for axis, colour in sorted(coloured, key=lambda item: -item[0][2]):
        tip = nose + axis[:2] * size * AXIS_LENGTH
        _draw_arrow(image, nose, tip, colour, width + (size > SMALL_FACE))


def axes_of(pose: Pose) -> np.ndarray:
    """(3, 3) unit vectors in image axes (x right, y down, z away): right, up and forward."""
    return pose.rotation().T * [[1], [-1], [-1]]


def _draw_arrow(
    image: np.ndarray, start: np.ndarray, end: np.ndarray, colour: Colour, width: int
) -> None:
    """A line with a filled head; one that points at the viewer is a dot."""
    along = end - start
    length = float(np.linalg.norm(along))
    if length < 2 * width:
        radius = round(1.5 * width * 2**SUBPIXEL_BITS)
        centre = _fixed(start).tolist()
        cv2.circle(image, centre, radius, colour, cv2.FILLED, cv2.LINE_AA, SUBPIXEL_BITS)
        return
    along = along / length
    across = np.array([-along[1], along[0]])
    head = min(4.0 * width, length)
    base = end - head * along
    line = _fixed(np.stack([start, base]))
    cv2.polylines(image, [line], False, colour, width, cv2.LINE_AA, SUBPIXEL_BITS)
    triangle = np.stack([end, base + 0.4 * head * across, base - 0.4 * head * across])
    cv2.fillConvexPoly(image, _fixed(triangle), colour, cv2.LINE_AA, SUBPIXEL_BITS)


def marked(image: np.ndarray, text: str) -> np.ndarray:
    """A copy of a picture with a text in its lower right corner, on a bar, readable on anything."""
    out = image.copy()
    scale = max(min(out.shape[:2]) / 900, SMALLEST_TEXT)
    width, height = _text_size(text, scale)
    left, top = max(out.shape[1] - width, 0), max(out.shape[0] - height, 0)
    cv2.rectangle(out, (left, top), (left + width, top + height), (0, 0, 0), cv2.FILLED)
    _write(out, text, (left, top), height, scale)
    return out


def _draw_label(image: np.ndarray, face: Face, size: float, colour: Colour) -> None:
    """White text on a bar above the box, or below it where there is no room."""
    text, box = label_of(face), face.box
    letters = round(float(np.clip(size / 13, SMALLEST_LETTERS, 60)))
    if width_of(text, letters) + letters > WIDEST_LABEL * (box[2] - box[0]):
        text = "" if face.track is None else f"#{face.track}"
    width, height = width_of(text, letters) + letters, round(1.3 * letters)
    if not text or width > image.shape[1]:
        return
    left = int(np.clip(box[0], 0, max(image.shape[1] - width, 0)))
    above, below = box[1] - height, box[3]
    top = int(np.clip(above if above >= 0 else below, 0, max(image.shape[0] - height, 0)))
    cv2.rectangle(image, (left, top), (left + width - 1, top + height - 1), colour, cv2.FILLED)
    place = left + letters // 2, top + (height - letters) // 2
    write(image, text, place, letters, (255, 255, 255))


def _write(
    image: np.ndarray, text: str, corner: tuple[int, int], height: int, scale: float
) -> None:
    """White text into a bar of this height, of which the upper left corner is given."""
    pad = height // 4
    place = corner[0] + pad, corner[1] + height - pad - pad // 2
    cv2.putText(image, text, place, FONT, scale, (255, 255, 255), _pen(scale), cv2.LINE_AA)


def _text_size(text: str, scale: float) -> tuple[int, int]:
    """Width and height in pixels of a label with its margin."""
    (width, height), base = cv2.getTextSize(text, FONT, scale, _pen(scale))
    margin = round(height * 0.4)
    return width + 2 * margin, height + base + margin


def _pen(scale: float) -> int:
    return max(1, round(scale * 1.4))


def _size(face: Face) -> float:
    """The mean side of a face's box in pixels."""
    return float((face.box[2:] - face.box[:2]).mean())


def _fixed(points: np.ndarray | Sequence[float]) -> np.ndarray:
    """Pixels as OpenCV draws them: fixed point, counted from the centre of the first pixel."""
    pixels = np.clip(np.asarray(points, np.float64) - 0.5, -FARTHEST, FARTHEST)
    return np.rint(pixels * 2**SUBPIXEL_BITS).astype(np.int32)
