"""Turn and move the face of a labelled portrait: more poses and expressions than were photographed.

The 478 labels are a surface in space. It is brought to the frontal face frame by the rigid fit,
moved there (jaw, lids, brows, mouth corners), turned, and drawn back with a depth buffer, the
portrait as its texture. Three rings around the face carry hair, ears and neck along and fade into
the unmoved picture. Labels move with the surface, so they stay exact where the picture is.
"""

import itertools
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from mien import face
from mien.face import Pose
from mien.find import geometry, mean_face
from mien.head.raster import interpolate, rasterize

RIGHT_UPPER_LID = (246, 161, 160, 159, 158, 157, 173)
RIGHT_LOWER_LID = (7, 163, 144, 145, 153, 154, 155)
LEFT_UPPER_LID = (466, 388, 387, 386, 385, 384, 398)
LEFT_LOWER_LID = (249, 390, 373, 374, 380, 381, 382)
RIGHT_CORNERS, LEFT_CORNERS = (33, 133), (263, 362)
BROWS = (70, 63, 105, 66, 107, 46, 53, 52, 65, 55, 300, 293, 334, 296, 336, 276, 283, 282, 295, 285)
MOUTH_CORNERS = (61, 78, 291, 308)
UPPER_LIP = (0, 37, 267, 39, 269, 13, 82, 312, 81, 311)
LOWER_LIP = (14, 87, 317, 178, 402, 17, 84, 314, 181, 405)
CHIN = (152, 148, 377, 176, 400, 175, 199, 200, 171, 396, 18, 83, 313)
NOSE = (1, 2, 4, 5, 195, 197, 6, 98, 327, 64, 294, 48, 278, 94)
INNER_LIPS, OVAL = tuple(face.LIPS_INNER), tuple(face.FACE_OVAL)
RIGHT_EYE, LEFT_EYE = tuple(face.RIGHT_EYE), tuple(face.LEFT_EYE)
EYES = RIGHT_EYE + LEFT_EYE
EYEBALLS = (*EYES, 468, 473)  # both lid lines, then the iris centres
RIGHT_IRIS, LEFT_IRIS = tuple(face.RIGHT_IRIS), tuple(face.LEFT_IRIS)

RINGS = ((1.25, 25.0, 1.0), (1.9, 35.0, 0.55), (5.0, 35.0, 0.0))  # size, mm behind, turns with head
PIVOT = np.array([0.0, 20.0, 75.0])  # about where the neck meets the head, mm in the face frame
JAW_HINGE = np.array([0.0, -10.0, 62.0])
EYEBALL_DEPTH = 4.0  # mm behind the lids, so that a closing lid hides it


@dataclass(frozen=True)
class Change:
    """What to change: degrees of turn, then expression in 0..1 or millimetres."""

    yaw: float = 0.0
    pitch: float = 0.0
    jaw: float = 0.0  # degrees that the jaw opens
    blink: tuple[float, float] = (0.0, 0.0)  # right, left; 1 = closed
    brows: float = 0.0  # mm upwards
    mouth: tuple[float, float] = (0.0, 0.0)  # mm that each corner moves outwards, upwards


def random_change(rng: np.random.Generator) -> Change:
    """A draw that fills what portraits lack: turned heads, closed eyes, open mouths."""
    turned = rng.random() < 0.7
    blink = float(rng.choice([0.0, 1.0])) if rng.random() < 0.75 else rng.uniform(0.2, 1.0)
    blinks = rng.random() < 0.3
    both = rng.random() < 0.85
    return Change(
        yaw=float(np.clip(rng.normal(0, 24), -55, 55)) if turned else 0.0,
        pitch=float(np.clip(rng.normal(0, 13), -32, 32)) if turned else 0.0,
        jaw=float(rng.uniform(2, 22)) if rng.random() < 0.3 else 0.0,
        blink=(blink, blink if both else 0.0) if blinks else (0.0, 0.0),
        brows=float(rng.normal(0, 4)) if rng.random() < 0.3 else 0.0,
        mouth=(float(rng.normal(-2, 4)), float(rng.normal(0, 3)))
        if rng.random() < 0.3
        else (0.0, 0.0),
    )


@dataclass(frozen=True)
class Warped:
    """A drawn face: ``image`` (h, w, 3) uint8, ``alpha`` (h, w) 0..1, ``landmarks`` (478, 3) px."""

    image: np.ndarray
    alpha: np.ndarray
    landmarks: np.ndarray


class FaceWarp:
    """One labelled portrait, ready to be drawn with changes."""

    def __init__(self, rgba: np.ndarray, landmarks: np.ndarray):
        """``rgba`` (S, S, 4) uint8 with the matte as alpha; ``landmarks`` (478, 3) pixels."""
        self.rgba = rgba
        self.fit = geometry.fit_rigid(landmarks)
        self.frontal = (landmarks - self.fit.shift) @ self.fit.rotation / self.fit.scale
        self.texture = np.concatenate([landmarks[:, :2], self._ring_texture()])

    def landmarks(self, change: Change) -> np.ndarray:
        """The labels after a change, (478, 3) portrait pixels."""
        return self._to_picture(_move(self.frontal, change), change, np.ones(len(self.frontal)))

    def draw(
        self, change: Change, picture_from_portrait: np.ndarray, size: tuple[int, int],
        rng: np.random.Generator,
    ) -> Warped:  # fmt: skip
        """Draw into a (width, height) picture, placed by a 2 x 3 similarity."""
        moved = _move(self.frontal, change)
        rings, turns = self._rings(moved)
        eyeballs = self.frontal[list(EYEBALLS)] + np.array([0, 0, EYEBALL_DEPTH])
        space = np.concatenate([moved, rings, eyeballs])
        turn = np.concatenate([np.ones(len(moved)), turns, np.ones(len(eyeballs))])
        vertices = self._to_picture(space, change, turn)
        centre = vertices[list(INNER_LIPS)].mean(0) + np.array([0, 0, self.fit.scale])
        vertices = np.vstack([vertices, centre])
        vertices = geometry.transform(picture_from_portrait, vertices).astype(np.float32)
        fragments = rasterize(vertices, _mesh(), *size)
        index = fragments.index
        source = interpolate(self._attributes(), _mesh(), fragments)
        rgba = cv2.remap(
            self.rgba, source[..., 0] - 0.5, source[..., 1] - 0.5, cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip
        image, alpha = rgba[..., :3], rgba[..., 3].astype(np.float32) / 255
        if change.jaw:
            _paint_mouth(image, index, source[..., 2], rng)
        alpha[index < 0] = 0
        return Warped(np.ascontiguousarray(image), alpha, vertices[:478])

    def _to_picture(self, space: np.ndarray, change: Change, turn: np.ndarray) -> np.ndarray:
        """Turn face-frame points by their share of the change, then undo the rigid fit."""
        delta = Pose(change.yaw, change.pitch, 0.0).rotation()
        still = space @ self.fit.rotation.T
        pivot = PIVOT @ self.fit.rotation.T
        turned = (still - pivot) @ delta.T + pivot
        mixed = still + turn[:, None] * (turned - still)
        return self.fit.scale * mixed + self.fit.shift

    def _rings(self, moved: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        oval = moved[list(OVAL)]
        centre = oval.mean(0)
        rings = [
            centre + (oval - centre) * [size, size, 1] + [0, 0, back] for size, back, _ in RINGS
        ]
        return np.concatenate(rings), np.repeat([turn for *_, turn in RINGS], len(OVAL))

    def _ring_texture(self) -> np.ndarray:
        rings, _ = self._rings(self.frontal)
        return (self.fit.scale * rings @ self.fit.rotation.T + self.fit.shift)[:, :2]

    def _attributes(self) -> np.ndarray:
        """Per vertex: texture x, y, and 0 (upper) .. 1 (lower) inside the mouth."""
        eyes = self.texture[list(EYEBALLS)]
        mouth = self.texture[list(INNER_LIPS)].mean(0, keepdims=True)
        attributes = np.zeros((len(self.texture) + len(eyes) + 1, 3), np.float32)
        attributes[:, :2] = np.concatenate([self.texture, eyes, mouth])
        attributes[list(INNER_LIPS[11:]), 2] = 1.0
        attributes[-1, 2] = 0.5
        return attributes


@cache
def _mesh() -> np.ndarray:
    """Skin, then the mouth fan, rings and eyeballs (indices as :meth:`FaceWarp.draw` stacks)."""
    ring_start, eye_start = 478, 478 + 3 * len(OVAL)
    mouth_centre = eye_start + 34
    fan = [
        (INNER_LIPS[i], INNER_LIPS[(i + 1) % len(INNER_LIPS)], mouth_centre)
        for i in range(len(INNER_LIPS))
    ]
    strips = []
    loops = [list(OVAL)] + [[ring_start + r * 36 + i for i in range(36)] for r in range(3)]
    for inner, outer in itertools.pairwise(loops):
        for i in range(36):
            j = (i + 1) % 36
            strips += [(inner[i], inner[j], outer[i]), (inner[j], outer[j], outer[i])]
    eyes = []
    for eye in range(2):
        first, iris = eye_start + 16 * eye, eye_start + 32 + eye
        eyes += [(first + i, first + (i + 1) % 16, iris) for i in range(16)]
    return np.concatenate([mean_face.triangles(), fan, strips, eyes]).astype(np.int64)


def _paint_mouth(
    image: np.ndarray, index: np.ndarray, down: np.ndarray, rng: np.random.Generator
) -> None:
    """Fill the opened mouth: dark, with teeth above and below and a tongue, or without."""
    first = len(mean_face.triangles())
    inside = (index >= first) & (index < first + len(INNER_LIPS))
    light = rng.uniform(0.4, 1.1)
    colour = np.zeros((*index.shape, 3), np.float32) + rng.uniform(8, 60) * np.array(
        [1.0, 0.5, 0.5]
    )
    if rng.random() < 0.7:
        colour[down > rng.uniform(0.55, 0.9)] = np.array([170, 85, 85]) * light
    if rng.random() < 0.7:
        colour[down < rng.uniform(0.1, 0.4)] = np.array([225, 215, 200]) * light
    if rng.random() < 0.25:
        colour[down > rng.uniform(0.8, 0.95)] = np.array([215, 200, 185]) * light
    image[inside] = np.clip(colour[inside], 0, 255).astype(np.uint8)


def _move(frontal: np.ndarray, change: Change) -> np.ndarray:
    """Expression in the face frame: every mover spreads a few known shifts over the skin."""
    moved = frontal.copy()
    if change.brows:
        moved += _spread("brows") @ np.tile([0.0, -change.brows, 0.0], (len(BROWS), 1))
    if any(change.mouth):
        out, up = change.mouth
        shifts = np.array([[-out, -up, 0.4 * abs(out)]] * 2 + [[out, -up, 0.4 * abs(out)]] * 2)
        moved += _spread("mouth") @ shifts
    if change.jaw:
        share = _spread("jaw").sum(1)
        opened = (moved - JAW_HINGE) @ Pose(0, -change.jaw, 0).rotation().T
        moved += share[:, None] * (opened + JAW_HINGE - moved)
    lids = (
        ("right_lid", RIGHT_UPPER_LID, RIGHT_LOWER_LID, RIGHT_IRIS),
        ("left_lid", LEFT_UPPER_LID, LEFT_LOWER_LID, LEFT_IRIS),
    )
    for amount, (name, upper, lower, iris) in zip(change.blink, lids, strict=True):
        if amount:
            close = moved[list(lower)] - moved[list(upper)]
            middle = (moved[list(lower)] - amount * close / 2).mean(0)
            moved += _spread(name) @ (amount * close)
            iris = list(iris)
            moved[iris, 1] += amount * (middle[1] - moved[iris, 1].mean())
    return moved


@cache
def _spread(mover: str) -> np.ndarray:
    """(478, k): harmonic spread over the skin of the shifts of a mover's k points."""
    fixed_by_mover = {
        "brows": (BROWS, EYES + NOSE + OVAL),
        "mouth": (MOUTH_CORNERS, EYES + NOSE + OVAL),
        "jaw": (LOWER_LIP + CHIN, UPPER_LIP + NOSE + EYES + (10, 127, 356)),
        "right_lid": (RIGHT_UPPER_LID, RIGHT_LOWER_LID + RIGHT_CORNERS + LEFT_EYE + BROWS + NOSE),
        "left_lid": (LEFT_UPPER_LID, LEFT_LOWER_LID + LEFT_CORNERS + RIGHT_EYE + BROWS + NOSE),
    }
    handles, still = fixed_by_mover[mover]
    laplacian = _laplacian()
    known = list(handles) + [i for i in still if i not in handles]
    free = [i for i in range(468) if i not in set(known)]
    spread = np.zeros((478, len(handles)))
    spread[list(handles), range(len(handles))] = 1
    between = laplacian[np.ix_(free, list(handles))]
    spread[free] = -np.linalg.solve(laplacian[np.ix_(free, free)], between)
    return spread


@cache
def _laplacian() -> np.ndarray:
    """Graph Laplacian of the skin, edges weighted by inverse length."""
    points, matrix = mean_face.points(), np.zeros((468, 468))
    for a, b, c in mean_face.triangles():
        for i, j in ((a, b), (b, c), (c, a)):
            weight = 1 / np.linalg.norm(points[i] - points[j])
            matrix[i, j] = matrix[j, i] = -weight
    matrix[np.diag_indices(468)] = -matrix.sum(1)
    return matrix


def matte(image: np.ndarray) -> np.ndarray:
    """Alpha (S, S) uint8 of a studio portrait: 0 where its plain background shows.

    A quadratic surface in Lab is fitted robustly to the upper border; what is near to it and
    connected to the border is background.
    """
    side = image.shape[0]
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB).astype(np.float32)
    y, x = np.mgrid[:side, :side] / side - 0.5
    basis = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], -1)
    border = np.zeros((side, side), bool)
    border[:6] = border[: side // 2, :6] = border[: side // 2, -6:] = True
    rows, colours = basis[border], lab[border]
    weights, surface = np.ones(len(rows)), np.zeros((6, 3))
    for _ in range(8):
        surface = np.linalg.lstsq(rows * weights[:, None], colours * weights[:, None], rcond=None)[
            0
        ]
        weights = 1 / (1 + (np.linalg.norm(colours - rows @ surface, axis=1) / 4) ** 2)
    plain = (np.linalg.norm(lab - basis @ surface, axis=2) < 9).astype(np.uint8)
    count, parts = cv2.connectedComponents(plain, connectivity=4)
    background = np.zeros(count, bool)
    background[np.unique(parts[border & (plain > 0)])] = True
    background[0] = False
    alpha = np.where(background[parts], 0, 255).astype(np.uint8)
    return cv2.GaussianBlur(alpha, (0, 0), 1.0)
