"""Z-buffered triangles on the CPU (Numba): which triangle a pixel sees, and where in it."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def rasterize(
    vertices: np.ndarray, triangles: np.ndarray, width: int, height: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a mesh into an index map.

    Args:
        vertices: (n, 3) float; x, y in pixels (origin: corner of the top left pixel), z growing
            away from the viewer.
        triangles: (m, 3) int vertex indices; both windings are drawn.
        width, height: size of the picture in pixels.

    Returns:
        index: (height, width) int32, the nearest triangle at each pixel centre, -1 where none is.
        weights: (height, width, 3) float32, barycentric coordinates in that triangle.
    """
    index = np.full((height, width), -1, np.int32)
    weights = np.zeros((height, width, 3), np.float32)
    depth = np.full((height, width), np.inf, np.float32)
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax, ay, az = vertices[a, 0], vertices[a, 1], vertices[a, 2]
        bx, by, bz = vertices[b, 0], vertices[b, 1], vertices[b, 2]
        cx, cy, cz = vertices[c, 0], vertices[c, 1], vertices[c, 2]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area == 0 or not np.isfinite(area):
            continue
        x0 = max(int(np.floor(min(ax, bx, cx) - 0.5)), 0)
        x1 = min(int(np.ceil(max(ax, bx, cx) + 0.5)), width)
        y0 = max(int(np.floor(min(ay, by, cy) - 0.5)), 0)
        y1 = min(int(np.ceil(max(ay, by, cy) + 0.5)), height)
        for y in range(y0, y1):
            py = y + 0.5
            for x in range(x0, x1):
                px = x + 0.5
                u = ((bx - px) * (cy - py) - (by - py) * (cx - px)) / area
                v = ((cx - px) * (ay - py) - (cy - py) * (ax - px)) / area
                w = 1.0 - u - v
                if u < 0 or v < 0 or w < 0:
                    continue
                z = u * az + v * bz + w * cz
                if z < depth[y, x]:
                    depth[y, x] = z
                    index[y, x] = t
                    weights[y, x, 0] = u
                    weights[y, x, 1] = v
                    weights[y, x, 2] = w
    return index, weights


@njit(cache=True, nogil=True)
def interpolate(
    attributes: np.ndarray, triangles: np.ndarray, index: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Attributes (n, k) at the pixels of :func:`rasterize`, (height, width, k); 0 where no mesh."""
    height, width = index.shape
    channels = attributes.shape[1]
    out = np.zeros((height, width, channels), np.float32)
    for y in range(height):
        for x in range(width):
            t = index[y, x]
            if t < 0:
                continue
            for k in range(channels):
                value = 0.0
                for corner in range(3):
                    value += weights[y, x, corner] * attributes[triangles[t, corner], k]
                out[y, x, k] = value
    return out
