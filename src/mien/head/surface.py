"""Plain geometry of triangle meshes: edges, distances along them, closest points, mirror images."""

import heapq
import itertools
from collections.abc import Sequence

import numpy as np
from numba import njit


def edges(triangles: np.ndarray) -> np.ndarray:
    """The undirected edges of (T, 3) triangles, (E, 2), each once, smaller index first."""
    pairs = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    return np.unique(np.sort(pairs, 1), axis=0)


def normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Unit vertex normals (V, 3), weighted by area; zero at vertices without a triangle."""
    a, b, c = (vertices[triangles[:, i]] for i in range(3))
    face = np.cross(b - a, c - a)
    out = np.zeros_like(vertices)
    for corner in range(3):
        for axis in range(3):
            out[:, axis] += np.bincount(triangles[:, corner], face[:, axis], len(vertices))
    return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)


def triangle_normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Unit normals (T, 3) of triangles; zero for those without an area."""
    a, b, c = (vertices[triangles[:, i]] for i in range(3))
    normal = np.cross(b - a, c - a)
    return normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)


def charts(uv_triangles: np.ndarray) -> np.ndarray:
    """The connected part, (T,) int, that each (T, 3) triangle lies in."""
    label = np.arange(uv_triangles.max() + 1)
    while True:
        smallest = label[uv_triangles].min(1)
        merged = label.copy()
        np.minimum.at(merged, uv_triangles, smallest[:, None])
        merged = merged[merged]
        if (merged == label).all():
            return label[uv_triangles[:, 0]]
        label = merged


def triangles_with(triangles: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """The index (n,) int32 of the triangle with each row of corners (n, 3), in any order.

    Raises KeyError when there is none.
    """
    place = {tuple(row): i for i, row in enumerate(np.sort(triangles, 1).tolist())}
    return np.array([place[tuple(row)] for row in np.sort(corners, 1).tolist()], np.int32)


class Paths:
    """Shortest paths along the edges of a mesh (Dijkstra)."""

    def __init__(self, vertices: np.ndarray, triangles: np.ndarray) -> None:
        """vertices (V, 3), triangles (T, 3)."""
        self._neighbours: list[list[tuple[int, float]]] = [[] for _ in vertices]
        pairs = edges(triangles)
        lengths = np.linalg.norm(vertices[pairs[:, 0]] - vertices[pairs[:, 1]], axis=1)
        for (a, b), length in zip(pairs.tolist(), lengths.tolist(), strict=True):
            self._neighbours[a].append((b, length))
            self._neighbours[b].append((a, length))

    def distances(
        self, sources: Sequence[int] | np.ndarray, limit: float = np.inf, until: int = -1
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """From the nearest source to each vertex, all (V,), or as far as the vertex ``until``.

        Returns the distance (inf beyond ``limit``), the vertex before on the way, and the source.
        """
        distance = np.full(len(self._neighbours), np.inf)
        before = np.full(len(distance), -1)
        source = np.full(len(distance), -1)
        queue = [(0.0, int(s), -1, int(s)) for s in sources]
        heapq.heapify(queue)
        while queue:
            reached, vertex, previous, origin = heapq.heappop(queue)
            if distance[vertex] <= reached:
                continue
            distance[vertex], before[vertex], source[vertex] = reached, previous, origin
            if vertex == until:
                break
            for neighbour, length in self._neighbours[vertex]:
                if reached + length < min(distance[neighbour], limit):
                    heapq.heappush(queue, (reached + length, neighbour, vertex, origin))
        return distance, before, source

    def through(self, stops: Sequence[int] | np.ndarray) -> np.ndarray:
        """The vertices of the shortest line that visits ``stops`` in turn."""
        line = [int(stops[0])]
        for start, stop in itertools.pairwise(stops):
            _, before, _ = self.distances([int(start)], until=int(stop))
            part = [int(stop)]
            while part[-1] != start:
                part.append(int(before[part[-1]]))
            line += part[-2::-1]
        return np.array(line)


def mirror(vertices: np.ndarray) -> np.ndarray:
    """For each vertex the one at its mirror image in x, (V,); an involution.

    Vertices whose images do not pair up are paired greedily among themselves.
    """
    order = np.argsort(vertices[:, 1])
    index = order[_nearest_image(vertices[order])][np.argsort(order)]
    lonely = np.flatnonzero(index[index] != np.arange(len(index)))
    while len(lonely):
        images = vertices[lonely] * (-1, 1, 1)
        apart = np.linalg.norm(images[:, None] - vertices[lonely], axis=2)
        a, b = (lonely[i] for i in np.unravel_index(apart.argmin(), apart.shape))
        index[a], index[b] = b, a
        lonely = lonely[(lonely != a) & (lonely != b)]
    return index


@njit(cache=True, nogil=True)
def _nearest_image(vertices: np.ndarray) -> np.ndarray:
    """For each of (V, 3) vertices sorted by y, the nearest to its image in x, within 1 mm of y."""
    index = np.empty(len(vertices), np.int64)
    first = 0
    for i in range(len(vertices)):
        x, y, z = vertices[i]
        while vertices[first, 1] < y - 1:
            first += 1
        best = np.inf
        j = first
        while j < len(vertices) and vertices[j, 1] <= y + 1:
            apart = (
                (vertices[j, 0] + x) ** 2 + (vertices[j, 1] - y) ** 2 + (vertices[j, 2] - z) ** 2
            )
            if apart < best:
                index[i], best = j, apart
            j += 1
    return index


def closest_on_triangles(
    points: np.ndarray, vertices: np.ndarray, triangles: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The point of each triangle nearest to each of its own query points.

    Args:
        points: (n, 3). vertices: (V, 3). triangles: (n, 3), one for each point.

    Returns:
        weights (n, 3): barycentric, not negative, sum 1; and the distances (n,).
    """
    a, b, c = (vertices[triangles[:, i]] for i in range(3))
    weights = _inside(points, a, b, c)
    outside = (weights < 0).any(1)
    best = np.where(outside, np.inf, 0.0)
    for i, j in ((0, 1), (1, 2), (2, 0)):
        start, stop = (a, b, c)[i], (a, b, c)[j]
        along = stop - start
        t = ((points - start) * along).sum(1) / np.maximum((along**2).sum(1), 1e-12)
        t = t.clip(0, 1)
        distance = np.linalg.norm(points - start - t[:, None] * along, axis=1)
        nearer = outside & (distance < best)
        best[nearer] = distance[nearer]
        weights[nearer] = 0
        weights[nearer, i], weights[nearer, j] = 1 - t[nearer], t[nearer]
    corners = vertices[triangles]
    found = (weights[..., None] * corners).sum(1)
    return weights, np.linalg.norm(points - found, axis=1)


def _inside(points: np.ndarray, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Barycentric coordinates (n, 3) of the feet of ``points`` on the planes of a, b, c."""
    u, v, w = b - a, c - a, points - a
    uu, uv, vv = (u * u).sum(1), (u * v).sum(1), (v * v).sum(1)
    wu, wv = (w * u).sum(1), (w * v).sum(1)
    area = np.maximum(uu * vv - uv * uv, 1e-12)
    second, third = (vv * wu - uv * wv) / area, (uu * wv - uv * wu) / area
    return np.stack([1 - second - third, second, third], 1)


def closest_points(
    points: np.ndarray,
    vertices: np.ndarray,
    triangles: np.ndarray,
    facing: np.ndarray | None = None,
    candidates: int = 24,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The point of a mesh nearest to each of (n, 3) points.

    Args:
        facing: (n, 3) unit normals; with them only triangles whose normal is within 75 degrees of
            the point's own are considered.
        candidates: how many triangles with the nearest centroids are looked at.

    Returns:
        triangle indices (n,), barycentric weights (n, 3), distances (n,).
    """
    centres = vertices[triangles].mean(1)
    if facing is None:
        some = _nearest(points, centres, np.zeros_like(points), np.zeros_like(centres), candidates)
    else:
        some = _nearest(points, centres, facing, triangle_normals(vertices, triangles), candidates)
    weights, distances = closest_on_triangles(
        np.repeat(points, candidates, 0), vertices, triangles[some.ravel()]
    )
    distances = distances.reshape(some.shape)
    rows, best = np.arange(len(points)), distances.argmin(1)
    return some[rows, best], weights.reshape(*some.shape, 3)[rows, best], distances[rows, best]


@njit(cache=True, nogil=True)
def _nearest(
    points: np.ndarray,
    centres: np.ndarray,
    facing: np.ndarray,
    normals: np.ndarray,
    count: int,
) -> np.ndarray:
    """The (n, count) indices of the centres nearest to points whose normals agree.

    Where fewer agree, the last one that does is repeated.
    """
    index = np.zeros((len(points), count), np.int64)
    for i in range(len(points)):
        far = np.full(count, np.inf)
        checked = (facing[i] ** 2).sum() > 0
        for j in range(len(centres)):
            apart = 0.0
            for axis in range(3):
                apart += (points[i, axis] - centres[j, axis]) ** 2
            if apart >= far[-1] or (checked and (facing[i] * normals[j]).sum() < 0.26):
                continue
            place = count - 1
            while place > 0 and far[place - 1] > apart:
                far[place] = far[place - 1]
                index[i, place] = index[i, place - 1]
                place -= 1
            far[place] = apart
            index[i, place] = j
        for place in range(1, count):
            if far[place] == np.inf:
                index[i, place] = index[i, place - 1]
    return index
