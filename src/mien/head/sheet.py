"""The sheet of a portrait: a grid with depth that carries the person as the head moves it."""

import cv2
import numpy as np

from mien.head.camera import Perspective
from mien.head.model import REGIONS, HeadModel
from mien.head.raster import interpolate, rasterize
from mien.head.texture import pull_push, smoothstep

CELLS = 80  # along the longer side
FINE = 640  # pixels of the longer side up to which the sheet is drawn at full size
NEIGHBOURS = 12  # anchors that move a node
PINNED = 0.06  # of the picture's size, the margin at its border in which movements end
NEAR, FAR = 0.3, 0.8  # head widths from the head: to the one all follows it, beyond the other none
NOWHERE = 1e6  # mm


class Sheet:
    """A grid with depth over the picture that anchors on it pull along, and the way back from it.

    nodes: (rows, columns, 2) float32 pixels, from border to border.
    """

    def __init__(self, width: int, height: int) -> None:
        self.size = width, height
        self.step = max(width, height) / CELLS
        columns, rows = (max(round(side / self.step), 1) + 1 for side in self.size)
        self.shape = rows, columns
        x, y = np.linspace(0, width, columns), np.linspace(0, height, rows)
        self.nodes = np.dstack(np.meshgrid(x, y)).astype(np.float32)
        corner = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
        upper = np.column_stack([corner, corner + columns, corner + 1])
        lower = np.column_stack([corner + 1, corner + columns, corner + columns + 1])
        self._triangles = np.concatenate([upper, lower]).astype(np.int32)
        self._coarse = max(1, round(max(self.size) / FINE))
        grid = np.meshgrid(np.arange(width), np.arange(height))
        self._pixels = np.dstack(grid).astype(np.float32)

    def at_nodes(self, image: np.ndarray) -> np.ndarray:
        """The values of an (h, w) float32 image at the nodes, averaged around them."""
        size = max(1, round(self.step))
        smooth = cv2.blur(image, (size, size))
        return resample(smooth, self.nodes - 0.5)

    def attach(self, anchors: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray]:
        """Which of the anchors (n, 2) move a node, and how far: (nodes, k) int32 and float32.

        A node among anchors follows them; one beyond follows less and less over ``reach`` pixels.
        """
        flat = self.nodes.reshape(-1, 2)
        squared = (flat**2).sum(1)[:, None] - 2 * flat @ anchors.T + (anchors**2).sum(1)
        count = min(NEIGHBOURS, len(anchors))
        index = np.argpartition(squared, count - 1, axis=1)[:, :count].astype(np.int32)
        squared = np.take_along_axis(squared, index, 1).clip(0)
        nearest = squared.min(1, keepdims=True)
        weights = np.exp(-(squared - nearest) / (2 * (self.step**2 + nearest)))
        weights /= weights.sum(1, keepdims=True)
        beyond = (np.sqrt(nearest) - self.step).clip(0) / reach
        return index, (weights * np.exp(-(beyond**2) * 2)).astype(np.float32)

    def back(self, placed: np.ndarray, threads: int = 1) -> np.ndarray:
        """Where each pixel comes from when the nodes are at (nodes, 3) pixels and depth.

        Of folds the nearest part is seen. Returns maps (h, w, 2) float32 as of ``cv2.remap``.
        """
        width, height = self.size
        columns, rows = -(-width // self._coarse), -(-height // self._coarse)
        small = placed / (self._coarse, self._coarse, 1)
        drawn = rasterize(small, self._triangles, columns, rows, threads=threads)
        shift = (self.nodes.reshape(-1, 2) - placed[:, :2]).astype(np.float32)
        way = interpolate(shift, self._triangles, drawn, threads=threads)
        size = columns * self._coarse, rows * self._coarse
        out = cv2.resize(way, size, interpolation=cv2.INTER_LINEAR)[:height, :width]
        return out + self._pixels


class Person:
    """The person of a photo on a sheet: it turns with the head, less and less along the neck."""

    def __init__(
        self,
        layer: np.ndarray,
        head: np.ndarray,
        model: HeadModel,
        camera: Perspective,
        anchors: np.ndarray,
        reach: float,
    ) -> None:
        """
        Args:
            layer: (h, w, 4) float32, the person.
            head: (V, 3) mm, the model where it was fitted, in its own coordinates.
            camera: that sees it in the picture.
            anchors: (n, 2) pixels, the skin that pulls the sheet along.
            reach: pixels beyond the anchors within which it does.
        """
        height, width = layer.shape[:2]
        self._layer, self._camera, self._pivot = layer, camera, model.neck_pivot
        self._sheet = Sheet(width, height)
        placed = camera.project(head)
        drawn = rasterize(placed, model.triangles, width, height, perspective=True)
        region = np.where(drawn.covered, model.region[drawn.index], len(REGIONS))
        depth = self._depth(np.where(region <= REGIONS.index("neck"), drawn.depth, np.inf), region)
        places = np.dstack([self._sheet.nodes, depth]).reshape(-1, 3)
        self._nodes = camera.unproject(places)
        corners = model.triangles[np.maximum(drawn.index, 0)]
        follows = (model.neck_weights[corners] * drawn.weights).sum(-1)
        self._follows = self._following(follows, drawn.covered, region < REGIONS.index("neck"))
        self._links = self._sheet.attach(anchors.astype(np.float32), reach)
        self._pins = pins(self._sheet.nodes.reshape(-1, 2), width, height)

    def move(
        self, change: np.ndarray, turn: np.ndarray, threads: int = 1
    ) -> tuple[np.ndarray, np.ndarray]:
        """The layer (h, w, 4) float32, and where its pixels come from (h, w, 2).

        change: (n, 3) mm, how far the anchors move on the head. turn: (3, 3), of the head.
        """
        index, links = self._links
        nodes = self._nodes + np.einsum("nk,nkc->nc", links, change[index])
        placed = self._camera.project(turned(nodes, self._follows, turn, self._pivot))
        rest = self._sheet.nodes.reshape(-1, 2)
        placed[:, :2] = rest + self._pins * (placed[:, :2] - rest)
        maps = self._sheet.back(placed, threads)
        return resample(self._layer, maps), maps

    def _depth(self, depth: np.ndarray, region: np.ndarray) -> np.ndarray:
        """The depth of the nodes: that of the head, smoothly continued.

        Outlines move with what they are the outline of, so what is nearer reaches a little over
        what is farther. Ears are flat, since what is behind them is not in the photo.
        """
        for ear in ("left_ear", "right_ear"):
            own = region == REGIONS.index(ear)
            depth[own] = np.percentile(depth[own], 30) if own.any() else 0
        near = cv2.erode(np.minimum(depth, NOWHERE).astype(np.float32), self._spread())
        known = near < NOWHERE
        filled = pull_push(np.where(known, near, 0)[..., None], known.astype(np.float32))
        nodes = self._sheet.at_nodes(filled[..., 0])
        inside = self._sheet.at_nodes(known.astype(np.float32))
        sharp, soft = (cv2.GaussianBlur(nodes, (0, 0), sigma) for sigma in (1.0, 3.0))
        return soft + (cv2.GaussianBlur(inside, (0, 0), 2) ** 2) * (sharp - soft)

    def _following(self, follows: np.ndarray, known: np.ndarray, skull: np.ndarray) -> np.ndarray:
        """How far the nodes (n, 1) follow the head: hair near it does, farther away less."""
        grown = cv2.dilate(np.where(known, follows, 0).astype(np.float32), self._spread())
        filled = pull_push(grown[..., None], cv2.dilate(known.astype(np.float32), self._spread()))
        away = cv2.distanceTransform(1 - skull.astype(np.uint8), cv2.DIST_L2, 5)
        width = np.ptp(np.flatnonzero(skull.any(0))) if skull.any() else 1
        near = smoothstep((FAR - away / width) / (FAR - NEAR))
        nodes = self._sheet.at_nodes((filled[..., 0] * near).astype(np.float32))
        return cv2.GaussianBlur(nodes, (0, 0), 1).reshape(-1, 1)

    def _spread(self) -> np.ndarray:
        """The kernel that lets outlines of the head move with it."""
        size = 2 * round(1.2 * self._sheet.step) + 1
        return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))


def turned(x: np.ndarray, follows: np.ndarray, turn: np.ndarray, pivot: np.ndarray) -> np.ndarray:
    """Points x (n, 3) of the head turned about its neck as far as each follows it (n, 1)."""
    arm = x - pivot
    return x + follows * (np.einsum("ij,nj->ni", turn, arm) - arm)


def pins(points: np.ndarray, width: int, height: int) -> np.ndarray:
    """How free (n, 1) points (n, 2) are to move: not at the border of the picture."""
    away = np.minimum(points, (width, height) - points).min(1)
    return smoothstep(away / (PINNED * max(width, height)))[:, None]


def resample(image: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """The image at places (..., 2), counted from the centre of its first pixel."""
    x, y = np.ascontiguousarray(maps[..., 0]), np.ascontiguousarray(maps[..., 1])
    return cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
