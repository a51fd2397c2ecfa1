"""Fewer triangles: leave out what is never seen, then collapse edges where the shape allows it.

Vertices are only removed, never moved, so every field of the model stays what it was on those that
remain. Left and right stay mirror images.
"""

import heapq
from dataclasses import replace
from typing import Any

import numpy as np

from mien.head.model import REGIONS, Contact, Eyes, HeadModel, rotations
from mien.head.raster import rasterize
from mien.head.rig import affine_weights
from mien.head.surface import edges, triangles_with

LOOKS: tuple[dict[str, float], ...] = (
    {},
    {"jawOpen": 1.0},
    {"jawOpen": 0.6, "tongueOut": 1.0},
    {"jawOpen": 0.3, "mouthUpperUpLeft": 1.0, "mouthUpperUpRight": 1.0,
     "mouthLowerDownLeft": 1.0, "mouthLowerDownRight": 1.0},
    {"jawOpen": 0.4, "mouthFunnel": 1.0},
    {"mouthSmileLeft": 1.0, "mouthSmileRight": 1.0, "jawOpen": 0.3,
     "eyeLookUpLeft": 1.0, "eyeLookUpRight": 1.0, "eyeWideLeft": 1.0, "eyeWideRight": 1.0},
    {"eyeLookInLeft": 1.0, "eyeLookOutRight": 1.0, "eyeWideLeft": 1.0, "eyeWideRight": 1.0},
    {"eyeLookOutLeft": 1.0, "eyeLookInRight": 1.0, "eyeWideLeft": 1.0, "eyeWideRight": 1.0},
    {"eyeLookDownLeft": 1.0, "eyeLookDownRight": 1.0, "eyeWideLeft": 1.0, "eyeWideRight": 1.0},
    {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0, "browInnerUp": 1.0},
)  # fmt: skip
"""Expressions that show what is hidden at rest, and in which the reduced surface must hold."""

VIEWS = [(yaw, pitch) for pitch in (0, -35, 35) for yaw in (0, 30, -30, 60, -60)]
ROUND = [(yaw, pitch) for pitch in (0, 35) for yaw in (90, -90, 140, -140, 180)]
FRAMES = ((0.0, 0.0, 400.0, 900), (0.0, -40.0, 100.0, 700), (0.0, 36.0, 120.0, 840))
"""Square pictures of the head: centre x and y in mm, side in mm, side in pixels."""

IMPORTANCE = {"inner_mouth": 0.03, "hair": 0.05, "neck": 0.05, "cloth": 0.02, "left_ear": 0.2,
              "right_ear": 0.2, "left_eye": 0.5, "right_eye": 0.5}  # fmt: skip
"""How much the deviation of a region's surface counts; 1 where it is not named."""
FEATURES, NEAR = 3.0, 30.0  # and times 3 within 30 mm of lids and lips
QUALITY = 0.45  # a collapse must not make a triangle thinner than this (1 is equilateral)


def reduce(model: HeadModel, vertices: int) -> HeadModel:
    """The model without what is never seen, and with about ``vertices`` vertices."""
    seen = visible(model)
    triangles, uv_triangles, origin = _collapsed(model, seen, vertices)
    return _subset(model, triangles, uv_triangles, origin)


def visible(model: HeadModel) -> np.ndarray:
    """Which triangles (T,) bool are seen in some expression from some side, or lie next to one."""
    seen = np.zeros(len(model.triangles), bool)
    for look in LOOKS:
        x = model.vertices(expression=look)
        for yaw, pitch in VIEWS if look else VIEWS + ROUND:
            turned = x @ rotations(np.float64(yaw), np.float64(pitch)).T
            for cx, cy, side, pixels in FRAMES if abs(yaw) < 80 else FRAMES[:1]:
                scale = pixels / side
                picture = np.stack([(turned[:, 0] - cx) * scale + pixels / 2,
                                    (cy - turned[:, 1]) * scale + pixels / 2,
                                    -turned[:, 2]], 1)  # fmt: skip
                index, _ = rasterize(picture, model.triangles, pixels, pixels)
                seen[np.unique(index[index >= 0])] = True
    seen |= seen[_images(model)]
    for _ in range(2):
        near = np.zeros(len(model.template), bool)
        near[model.triangles[seen]] = True
        seen |= near[model.triangles].any(1)
    return seen


def _images(model: HeadModel) -> np.ndarray:
    """The mirror image (T,) of each triangle; itself where it has none."""
    ordered = np.sort(model.triangles, 1)
    place = {tuple(row): i for i, row in enumerate(ordered.tolist())}
    mirrored = np.sort(model.mirror[model.triangles], 1).tolist()
    return np.array([place.get(tuple(row), i) for i, row in enumerate(mirrored)])


# -- edge collapse -----------------------------------------------------------------------------


def _collapsed(
    model: HeadModel, seen: np.ndarray, vertices: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Triangles and UV triangles of the reduced surface, and the triangles they come from."""
    collapse = _Collapse(model, seen)
    collapse.run(vertices)
    alive = np.flatnonzero(collapse.alive)
    return collapse.triangles[alive], collapse.uv_triangles[alive], np.flatnonzero(seen)[alive]


class _Collapse:
    """Half-edge collapses by quadric error (Garland and Heckbert 1997), summed over expressions.

    A vertex is merged into a neighbour, together with its mirror image. Kept are vertices on seams
    and borders of materials and regions, those of landmarks, and the skin around eyes and lips.
    """

    def __init__(self, model: HeadModel, seen: np.ndarray) -> None:
        self.mirror = model.mirror
        self.shapes = np.stack([model.vertices(expression=look) for look in LOOKS], 1)
        self.shapes = self.shapes.astype(np.float64)  # (V, S, 3)
        self.triangles = model.triangles[seen].astype(np.int64)
        self.uv_triangles = model.uv_triangles[seen].astype(np.int64)
        self.uv = model.uv.astype(np.float64)
        self.alive = np.ones(len(self.triangles), bool)
        self.around: list[set[int]] = [set() for _ in model.template]
        for triangle, corners in enumerate(self.triangles.tolist()):
            for corner in corners:
                self.around[corner].add(triangle)
        self.locked = self._locked(model, seen)
        self.quadrics = self._quadrics(_importance(model)[seen])

    def _locked(self, model: HeadModel, seen: np.ndarray) -> np.ndarray:
        """Vertices (V,) bool that stay."""
        locked = np.zeros(len(model.template), bool)
        locked[model.landmarks68] = True
        locked[model.landmark_vertices] = True
        for contact in (model.lids, model.lips):
            locked[contact.vertices] |= np.abs(contact.moved).max(-1) > 0.2
            locked[contact.margin] = True
        pairs = np.column_stack([self.triangles.ravel(), self.uv_triangles.ravel()])
        corners, counts = np.unique(np.unique(pairs, axis=0)[:, 0], return_counts=True)
        locked[corners[counts > 1]] = True
        kind = model.material[seen].astype(np.int64) * len(REGIONS) + model.region[seen]
        pairs = np.column_stack([self.triangles.ravel(), np.repeat(kind, 3)])
        corners, counts = np.unique(np.unique(pairs, axis=0)[:, 0], return_counts=True)
        locked[corners[counts > 1]] = True
        sides = np.concatenate([self.triangles[:, [i, (i + 1) % 3]] for i in range(3)])
        sides, counts = np.unique(np.sort(sides, 1), axis=0, return_counts=True)
        locked[sides[counts != 2]] = True
        return locked | locked[self.mirror]

    def _quadrics(self, weights: np.ndarray) -> np.ndarray:
        """(V, S, 10) upper triangles of the vertices' error quadrics."""
        corners = self.shapes[self.triangles]  # (T, 3, S, 3)
        normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        area = np.linalg.norm(normal, axis=-1, keepdims=True)
        normal /= np.maximum(area, 1e-12)
        plane = np.concatenate([normal, -(normal * corners[:, 0]).sum(-1, keepdims=True)], -1)
        rows, columns = np.triu_indices(4)
        products = plane[..., rows] * plane[..., columns] * area * weights[:, None, None]
        out = np.zeros((len(self.shapes), *products.shape[1:]))
        for corner in range(3):
            np.add.at(out, self.triangles[:, corner], products)
        return out

    def _cost(self, vertex: int, onto: int) -> float:
        """The error of ``vertex`` merged into ``onto``, mean over the expressions."""
        point = np.concatenate([self.shapes[onto], np.ones((self.shapes.shape[1], 1))], 1)
        rows, columns = np.triu_indices(4)
        double = np.where(rows == columns, 1.0, 2.0)
        quadric = self.quadrics[vertex] + self.quadrics[onto]
        return float((quadric * point[:, rows] * point[:, columns] * double).sum(1).mean())

    def run(self, vertices: int) -> None:
        """Collapse the cheapest edges until about ``vertices`` vertices are left."""
        left = sum(1 for triangles in self.around if triangles)
        queue: list[tuple[float, int, int]] = []
        for a, b in edges(self.triangles).tolist():
            self._offer(queue, a, b)
            self._offer(queue, b, a)
        while left > vertices and queue:
            cost, vertex, onto = heapq.heappop(queue)
            if not self.around[vertex] or not self.around[onto]:
                continue
            if onto not in self._neighbours(vertex) or cost < 0.999 * self._cost(vertex, onto):
                continue  # an outdated offer; a newer one is in the queue
            image, image_onto = int(self.mirror[vertex]), int(self.mirror[onto])
            pairs = {(vertex, onto), (image, image_onto)}
            if not all(self._allowed(*pair) for pair in pairs) or self._meet(vertex, onto, image):
                continue
            for pair in pairs:
                self._merge(*pair)
            left -= len(pairs)
            for neighbour in self._neighbours(onto) | self._neighbours(image_onto):
                for at in (onto, image_onto):
                    self._offer(queue, neighbour, at)
                    self._offer(queue, at, neighbour)

    def _meet(self, vertex: int, onto: int, image: int) -> bool:
        """Whether merging a vertex could change what is allowed for its mirror image."""
        if image == vertex:
            return False
        return bool(self._neighbours(vertex) & (self._neighbours(image) | {image}) - {onto})

    def _offer(self, queue: list[tuple[float, int, int]], vertex: int, onto: int) -> None:
        if vertex == onto or self.locked[vertex] or onto not in self._neighbours(vertex):
            return
        if self.mirror[vertex] == vertex and self.mirror[onto] != onto:
            return
        heapq.heappush(queue, (self._cost(vertex, onto), vertex, onto))

    def _neighbours(self, vertex: int) -> set[int]:
        corners = {int(c) for t in self.around[vertex] for c in self.triangles[t]}
        return corners - {vertex}

    def _allowed(self, vertex: int, onto: int) -> bool:
        """Whether the surface stays one, and no triangle turns over, in space or in the UV."""
        shared = self.around[vertex] & self.around[onto]
        if len(shared) != 2 or len(self._neighbours(vertex) & self._neighbours(onto)) != 2:
            return False
        uvs = {int(self.uv_triangles[t][self.triangles[t] == onto][0]) for t in shared}
        if len(uvs) != 1:
            return False
        uv = uvs.pop()
        rest = np.array(sorted(self.around[vertex] - shared))
        corner = self.triangles[rest] == vertex
        before = self.shapes[self.triangles[rest]]
        after = np.where(corner[..., None, None], self.shapes[onto], before)
        (old, _), (new, quality) = (_normals_and_quality(x) for x in (before, after))
        lengths = np.linalg.norm(old, axis=-1) * np.linalg.norm(new, axis=-1)
        if ((old * new).sum(-1) < 0.5 * lengths).any():
            return False
        if quality[:, 0].min() < min(QUALITY, _normals_and_quality(before)[1][:, 0].min()):
            return False
        flat = self.uv[self.uv_triangles[rest]]
        moved = np.where(corner[..., None], self.uv[uv], flat)
        return bool((_areas(flat) * _areas(moved) > 0).all())

    def _merge(self, vertex: int, onto: int) -> None:
        shared = self.around[vertex] & self.around[onto]
        some = next(iter(shared))
        uv = self.uv_triangles[some][self.triangles[some] == onto][0]
        for triangle in shared:
            self.alive[triangle] = False
            for corner in self.triangles[triangle]:
                self.around[corner].discard(triangle)
        for triangle in self.around[vertex]:
            corner = self.triangles[triangle] == vertex
            self.triangles[triangle][corner] = onto
            self.uv_triangles[triangle][corner] = uv
            self.around[onto].add(triangle)
        self.around[vertex] = set()
        self.quadrics[onto] += self.quadrics[vertex]


def _importance(model: HeadModel) -> np.ndarray:
    """How much each triangle (T,) counts."""
    weights = np.array([IMPORTANCE.get(name, 1.0) for name in REGIONS])[model.region]
    margins = np.concatenate([model.lids.margin.ravel(), model.lips.margin])
    centres = model.template[model.triangles].mean(1)
    apart = np.min([np.linalg.norm(centres - model.template[v], axis=1) for v in margins], 0)
    return np.where((apart < NEAR) & (weights == 1), FEATURES, weights)


def _normals_and_quality(corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of triangles (T, 3, S, 3): normals (T, S, 3) and how equilateral they are, 0..1 (T, S)."""
    sides = [corners[:, (i + 1) % 3] - corners[:, i] for i in range(3)]
    normal = np.cross(sides[0], -sides[2])
    squares = sum((side**2).sum(-1) for side in sides)
    return normal, 2 * np.sqrt(3) * np.linalg.norm(normal, axis=-1) / np.maximum(squares, 1e-12)


def _areas(flat: np.ndarray) -> np.ndarray:
    """Twice the signed areas (T,) of triangles (T, 3, 2)."""
    a, b = flat[:, 1] - flat[:, 0], flat[:, 2] - flat[:, 0]
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


# -- the smaller model -------------------------------------------------------------------------


def _subset(
    model: HeadModel, triangles: np.ndarray, uv_triangles: np.ndarray, origin: np.ndarray
) -> HeadModel:
    """The model on some of its vertices, in an order in which neighbours follow each other."""
    kept = _walk(triangles, len(model.template))
    index = np.full(len(model.template), -1)
    index[kept] = np.arange(len(kept))
    kept_uv, uv_triangles = np.unique(uv_triangles, return_inverse=True)
    triangles = index[triangles]
    order = np.argsort(triangles.min(1), kind="stable")
    triangles, origin = triangles[order], origin[order]
    parts = _subset_parts(model, index)
    corners = index[model.landmark_vertices]
    return replace(
        model,
        template=model.template[kept],
        triangles=triangles.astype(np.int32),
        uv=model.uv[kept_uv],
        uv_triangles=uv_triangles.reshape(-1, 3)[order].astype(np.int32),
        material=model.material[origin],
        region=model.region[origin],
        identity=model.identity[:, kept],
        expression=model.expression[:, kept],
        landmark_vertices=corners.astype(np.int32),
        landmark_triangles=triangles_with(triangles, corners),
        landmarks68=index[model.landmarks68].astype(np.int32),
        mirror=index[model.mirror[kept]].astype(np.int32),
        source=model.source[kept],
        neck_weights=model.neck_weights[kept],
        **parts,
    )


def _walk(triangles: np.ndarray, count: int) -> np.ndarray:
    """The used vertices in the order of a walk along the edges, as deep as it goes."""
    neighbours: list[list[int]] = [[] for _ in range(count)]
    for a, b in edges(triangles).tolist():
        neighbours[a].append(b)
        neighbours[b].append(a)
    order: list[int] = []
    visited = np.zeros(count, bool)
    for start in np.unique(triangles).tolist():
        stack = [start]
        while stack:
            vertex = stack.pop()
            if not visited[vertex]:
                visited[vertex] = True
                order.append(vertex)
                stack += neighbours[vertex]
    return np.array(order)


def _subset_parts(model: HeadModel, index: np.ndarray) -> dict[str, Any]:
    """The eyes, lids and lips on the vertices that are left; ``index`` (V,) is -1 for others."""
    on_lids, on_lips, on_eyes = (
        (index[part.vertices] >= 0) for part in (model.lids, model.lips, model.eyes)
    )
    lids, lips, eyes = model.lids, model.lips, model.eyes
    balls = model.template[eyes.vertices[0][on_eyes[0]]].astype(np.float64)
    centre = eyes.centre[0].astype(np.float64) @ model.template[eyes.vertices[0]]
    radius = np.sqrt(((balls - centre) ** 2).sum(1).mean())
    return {
        "lids": Contact(
            index[np.stack([lids.vertices[i][on_lids[i]] for i in (0, 1)])].astype(np.int32),
            index[lids.margin].astype(np.int32),
            lids.gap,
            np.stack([lids.moved[i][on_lids[i]] for i in (0, 1)]),
        ),
        "lips": Contact(
            index[lips.vertices[on_lips]].astype(np.int32),
            index[lips.margin].astype(np.int32),
            lips.gap,
            lips.moved[on_lips],
        ),
        "eyes": Eyes(
            index[np.stack([eyes.vertices[i][on_eyes[i]] for i in (0, 1)])].astype(np.int32),
            np.tile(affine_weights(balls, centre), (2, 1)).astype(np.float32),
            eyes.axis,
            np.full(2, radius, np.float32),
            eyes.profile,
            np.stack([eyes.clearance[i][on_lids[i]] for i in (0, 1)]),
        ),
    }
