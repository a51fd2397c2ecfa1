"""Draws faces into pictures."""

from collections.abc import Iterable, Sequence

import cv2
import numpy as np

from mien.face import CONTOURS, LEFT_IRIS, RIGHT_IRIS, Face, Pose

Colour = tuple[int, int, int]

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

NOSE_TIP = 4
SMALLEST_FACE = 12.0  # pixels; below it contours would only be a blot
SMALLEST_TEXT = 0.3  # of OpenCV's font; below it nothing can be read
WIDEST_LABEL = 3.0  # box widths; a wider one, on a small face, would hide its neighbours
SMALL_FACE = 50.0  # pixels; up to it the axes are as thin as the other lines
FONT = cv2.FONT_HERSHEY_SIMPLEX
SUBPIXEL_BITS = 4
FARTHEST = 1e5  # pixels; OpenCV's drawing overflows with far larger coordinates


def annotate(image: np.ndarray, faces: Iterable[Face]) -> np.ndarray:
    """A copy of an (H, W, 3) uint8 RGB image with the faces drawn in.

    Of each face what it has: box, contours, irises, pose axes from the nose tip (red to the right
    of the face as the viewer sees it, green up, blue where the nose points) and a label with track
    and angles in degrees; on small faces the track alone.
    """
    drawn = image.copy()
    for face in sorted(faces, key=_size):  # large ones are near: they come on top
        _draw_face(drawn, face)
    return drawn


def colour_of(track: int | None) -> Colour:
    """The RGB colour of a track; photos have that of the first."""
    return TRACK_COLOURS[(track or 0) % len(TRACK_COLOURS)]


def label_of(face: Face) -> str:
    """Track and pose in words: ``#3 yaw 12 pitch -5 roll 2``."""
    parts = [] if face.track is None else [f"#{face.track}"]
    if face.pose is not None:
        angles = ("yaw", "pitch", "roll")
        parts += [f"{name} {round(getattr(face.pose, name))}" for name in angles]
    return " ".join(parts)


def _draw_face(image: np.ndarray, face: Face) -> None:
    size = min(_size(face), float(max(image.shape)))
    width = max(1, round(size / 260))
    if face.landmarks is not None and size >= SMALLEST_FACE:
        _draw_landmarks(image, face.landmarks, size, width)
        if face.pose is not None:
            _draw_axes(image, face.landmarks[NOSE_TIP, :2], face.pose, size, width)
    colour = colour_of(face.track)
    corners = face.box[[0, 1, 2, 1, 2, 3, 0, 3]].reshape(4, 2)
    cv2.polylines(image, [_fixed(corners)], True, colour, width, cv2.LINE_AA, SUBPIXEL_BITS)
    _draw_label(image, face, size, colour)


def _draw_landmarks(image: np.ndarray, landmarks: np.ndarray, size: float, width: int) -> None:
    """Contours and irises, fainter on small faces, where one pixel is wide."""
    low = np.floor(landmarks[:, :2].min(axis=0) - 2 * width).clip(0, FARTHEST).astype(int)
    high = np.ceil(landmarks[:, :2].max(axis=0) + 2 * width).clip(0, FARTHEST).astype(int)
    part = image[low[1] : high[1], low[0] : high[0]]
    if part.size == 0:
        return
    layer = part.copy()
    points = landmarks[:, :2] - low
    for name, line in CONTOURS.items():
        if not name.endswith("iris"):
            colour = CONTOUR_COLOURS.get(name, LINE)
            polyline = [_fixed(points[line])]
            cv2.polylines(layer, polyline, False, colour, width, cv2.LINE_AA, SUBPIXEL_BITS)
    for iris in (RIGHT_IRIS, LEFT_IRIS):
        _draw_iris(layer, points[iris], width)
    strength = float(np.clip(size / 250, 0.45, 0.9))
    cv2.addWeighted(layer, strength, part, 1 - strength, 0, dst=part)


def _draw_iris(image: np.ndarray, points: np.ndarray, width: int) -> None:
    """A circle around an iris: its centre, then four points of its rim."""
    radius = float(np.linalg.norm(points[1:] - points[0], axis=1).mean())
    centre = _fixed(points[0])
    fixed_radius = round(min(radius, FARTHEST) * 2**SUBPIXEL_BITS)
    cv2.circle(image, centre.tolist(), fixed_radius, IRIS, width, cv2.LINE_AA, SUBPIXEL_BITS)


def _draw_axes(image: np.ndarray, nose: np.ndarray, pose: Pose, size: float, width: int) -> None:
    """Where the face's right (of the viewer), up and forward point; the nearest comes on top."""
    right, up, forward = axes_of(pose)
    coloured = ((right, RIGHT_AXIS), (up, UP_AXIS), (forward, FORWARD_AXIS))
    for axis, colour in sorted(coloured, key=lambda item: -item[0][2]):
        tip = nose + axis[:2] * size * 0.45
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
    scale = float(np.clip(size / 400, 0.38, 2.0))
    if _text_size(text, scale)[0] > WIDEST_LABEL * (box[2] - box[0]):
        text = "" if face.track is None else f"#{face.track}"
    scale = min(scale, scale * image.shape[1] / max(_text_size(text, scale)[0], 1))
    if not text or scale < SMALLEST_TEXT:
        return
    width, height = _text_size(text, scale)
    left = int(np.clip(box[0], 0, max(image.shape[1] - width, 0)))
    above, below = box[1] - height, box[3]
    top = int(np.clip(above if above >= 0 else below, 0, max(image.shape[0] - height, 0)))
    cv2.rectangle(image, (left, top), (left + width, top + height), colour, cv2.FILLED)
    _write(image, text, (left, top), height, scale)


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
