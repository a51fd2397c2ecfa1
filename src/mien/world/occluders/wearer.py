"""The head below what is worn: where ears, temples and the front of the face are."""

from collections.abc import Callable
from functools import cache

import cv2
import numpy as np

from mien.head.camera import Orthographic, moved
from mien.head.model import HeadModel
from mien.world.occluders.mesh import Prop
from mien.world.occlusion import nearest

LONGEST = 16384  # side of what OpenCV remaps
PLACES = ("mouth", "cheek", "chin", "eye", "forehead", "front")
"""Where a hand is, or a thing."""


class Wearer:
    """A head as it is worn on: with the pose of the skull taken away.

    posed, upright: (V, 3) mm, as given and without the pose. points: (478, 3), of the latter.
    """

    def __init__(self, head: np.ndarray, rotation: np.ndarray) -> None:
        self.model = HeadModel.bundled()
        self.posed = head
        self.pivot = self.model.neck_pivot
        self.rotation = np.asarray(rotation)
        self.upright = (head - self.pivot) @ self.rotation + self.pivot
        self.points = self.model.landmarks(self.upright)

    def back(self, prop: Prop) -> Prop:
        """A prop on the upright head, as the head is."""
        return prop.turned(self.rotation, self.pivot)

    def ear(self, side: int) -> np.ndarray:
        """The vertices (n, 3) of an ear; side: 1 the image's right, the person's left."""
        return self.upright[vertices_of("left_ear" if side > 0 else "right_ear")]

    def temple(self, side: int, y: float, z: np.ndarray) -> np.ndarray:
        """How far the head reaches to a side, mm, at a height and depths (n,)."""
        skin = self.upright[vertices_of("skin", "hair")]
        skin = skin[(np.abs(skin[:, 1] - y) < 8) & (skin[:, 0] * side > 30)]
        near = np.abs(skin[:, 2, None] - z) < 9
        return np.where(near, side * skin[:, :1], 0).max(0, initial=0)

    def front(self) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
        """A function of x and y: how far forwards the head reaches there, -inf beside it."""
        pixels, extent = 112, 320.0
        camera = moved(
            Orthographic.of_height(extent, pixels, pixels), np.eye(3), np.array([0.0, 10.0, 0.0])
        )
        placed = camera.project(self.upright)
        depth = nearest(placed, self.model.triangles, pixels, pixels)
        grown = cv2.erode(depth, np.ones((3, 3), np.uint8))
        offset = float((placed[:, 2] + self.upright[:, 2]).mean())
        place = camera.project(np.array([[0.0, 0.0, 0.0], [1.0, 1.0, 0.0]]))
        scale = place[1, :2] - place[0, :2]

        def reach(x: np.ndarray, y: np.ndarray) -> np.ndarray:
            column = np.floor(place[0, 0] + scale[0] * x).astype(int)
            row = np.floor(place[0, 1] + scale[1] * y).astype(int)
            inside = (column >= 0) & (row >= 0) & (column < pixels) & (row < pixels)
            seen = grown[row.clip(0, pixels - 1), column.clip(0, pixels - 1)]
            return np.where(inside & np.isfinite(seen), offset - seen, -np.inf)

        return reach

    def before(self, prop: Prop, gap: float) -> Prop:
        """A prop moved along z until it is ``gap`` mm before the face."""
        x, y, z = prop.vertices.T
        inside = self.front()(x, y) - z
        shift = np.max(inside[np.isfinite(inside)], initial=-60.0) + gap
        return prop.at(prop.vertices + np.array([0, 0, shift], np.float32))

    def around(self, axis: float, *regions: str) -> np.ndarray:
        """How far the head reaches from a vertical axis at z: (256, 181) mm.

        Rows: y from 150 to -105 mm, one each; columns: degrees from -90 to 90, 0 to the front.
        """
        triangles = self.model.triangles[self.model.triangles_of(*regions)]
        dx, dz = self.upright[:, 0], self.upright[:, 2] - axis
        away, angle = np.hypot(dx, dz), np.degrees(np.arctan2(dx, dz))
        placed = np.column_stack([angle + 90.5, 150.5 - self.upright[:, 1], -away])
        triangles = triangles[np.ptp(angle[triangles], axis=1) < 180]  # not over the seam behind
        return -nearest(placed, triangles, 181, 256)


class Around:
    """How far a surface reaches from a vertical axis, all around."""

    COLUMNS, BESIDE = 180, 8

    def __init__(
        self, vertices: np.ndarray, triangles: np.ndarray, axis: float, top: int, bottom: int
    ) -> None:
        """``axis``: z of the axis. top, bottom: mm, the heights between which to look."""
        dx, dz = vertices[:, 0], vertices[:, 2] - axis
        column = (np.degrees(np.arctan2(dx, dz)) + 180) * self.COLUMNS / 360
        across = np.ptp(column[triangles], axis=1) > self.COLUMNS / 2  # over the seam behind
        placed = np.column_stack([column, (top - vertices[:, 1]) / 2, -np.hypot(dx, dz)])
        rows = (top - bottom) // 2
        depth = nearest(placed, triangles[~across], self.COLUMNS, rows)
        skin = np.where(np.isfinite(depth), -depth, 0)
        wide = np.hstack([skin[:, -self.BESIDE :], skin, skin[:, : self.BESIDE]])
        filled = np.where(wide > 0, wide, cv2.dilate(wide, np.ones((7, 9), np.uint8)))
        self.top, self.map = top, cv2.GaussianBlur(filled, (0, 0), 1.0)

    def reach(self, angle: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Distance (...) mm from the axis at angles (...), 0 to the front, and heights (...)."""
        turned = (np.degrees(angle) + 180) % 360
        column = turned * self.COLUMNS / 360 + self.BESIDE - 0.5 + 0 * y
        row = (self.top - y) / 2 - 0.5 + 0 * column
        shape = len(range(0, column.size, LONGEST)), min(column.size, LONGEST)
        found = cv2.remap(
            self.map, np.resize(column, shape).astype(np.float32),
            np.resize(row, shape).astype(np.float32), cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT, borderValue=0,
        )  # fmt: skip
        return found.ravel()[: column.size].reshape(column.shape)


@cache
def vertices_of(*regions: str) -> np.ndarray:
    """The vertices (n,) of regions of the bundled head."""
    model = HeadModel.bundled()
    return np.unique(model.triangles[model.triangles_of(*regions)])
