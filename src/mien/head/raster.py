"""Z-buffered triangles on the CPU (Numba): what each pixel sees, and pictures made of it.

    placed = camera.project(vertices)
    fragments = rasterize(placed, triangles, 512, 512, perspective=camera.perspective)
    normals = interpolate(vertex_normals(vertices, triangles), triangles, fragments, unit=True)
    colours = paint(Texture(image), uv, uv_triangles, fragments)

or all at once with :func:`render`. :mod:`mien.head.raster_torch` has the same functions for
tensors, differentiable.

Vertices are those of one mesh (n, 3) or of a batch with one topology (b, n, 3); results then have
the batch axis first too. A pixel belongs to the triangle that its centre is in. Vertices are
snapped to 1/1024 pixel and edges follow the top-left rule, so that triangles which share an edge
neither overlap nor leave a gap, up to 8192 pixels from the origin; beyond, within rounding.

A triangle is left out whole when a vertex of it is not finite or as far as 1e9 pixels or mm, when
it has no area, and, in a perspective picture, when a vertex of it is nearer than ``near`` or behind
the camera: there is no clipping.

Rows of the picture are drawn in bands, side by side on ``threads`` threads; no two threads write
the same pixel, and the picture is the same for any number of them.
"""

import itertools
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

import numpy as np
from numba import float32, njit, uint32

from mien.head.camera import Camera
from mien.head.shading import (
    Light,
    Texture,
    box_filter,
    mip_level,
    shade,
    trilinear,
    vertex_normals,
)

SUBPIXELS = 1024.0
LEAST_AREA = 1e-9  # twice that of a triangle, square pixels: slopes stay finite
FARTHEST = 1e9  # pixels from the picture's corner, and mm of depth: numbers stay finite
NEAR = 1.0  # mm
TILE = 8  # pixels a side of the squares whose farthest depth is known, to leave out what is hidden
ROUNDING = 1e-4  # of a key, more than it is off in a row of pixels
REFRESH = 8192  # triangles after which it is looked for again
BANDS_PER_THREAD = 4  # so that threads end together although rows differ in work


@dataclass(frozen=True, eq=False)
class Fragments:
    """What each pixel sees.

    index: (..., height, width) int32, the nearest triangle, -1 where none is.
    weights: (..., height, width, 3) float32, barycentric coordinates in it, perspective-correct,
        each in 0..1; 0 where no triangle is.
    depth: (..., height, width) float32, as of the vertices; infinite where no triangle is.
    slopes: (..., m, 3, 2) float32, per triangle the derivatives of its barycentric coordinates in
        the picture (in perspective, of those over depth) by x and y in pixels.
    """

    index: np.ndarray
    weights: np.ndarray
    depth: np.ndarray
    slopes: np.ndarray
    perspective: bool

    def __iter__(self) -> Iterator[np.ndarray]:
        """``index, weights = rasterize(...)``."""
        return iter((self.index, self.weights))

    @property
    def covered(self) -> np.ndarray:
        """(..., height, width) bool, whether there is a triangle."""
        return self.index >= 0


def rasterize(
    vertices: np.ndarray,
    triangles: np.ndarray,
    width: int,
    height: int,
    *,
    perspective: bool = False,
    cull: bool = False,
    near: float = NEAR,
    threads: int = 1,
) -> Fragments:
    """Find the triangle that each pixel sees.

    Args:
        vertices: (..., n, 3): x, y in pixels (origin: corner of the top left pixel), z growing away
            from the viewer, as ``Camera.project`` gives them.
        triangles: (m, 3) int vertex indices.
        width, height: size of the picture in pixels.
        perspective: whether the vertices come from a perspective camera, ``camera.perspective``.
            Else z is linear in the picture and may have any sign.
        cull: leave out triangles seen from behind; those whose corners go anticlockwise in the
            picture, as a viewer sees it, are seen from the front.
        near: in perspective, the least depth.

    Raises ValueError for arrays of other shapes and an index that is not one of a vertex.
    """
    vertices = np.ascontiguousarray(vertices, np.float64)
    if vertices.ndim < 2 or vertices.shape[-1] != 3:
        raise ValueError(f"vertices: an (n, 3) or (b, n, 3) array, not {vertices.shape}")
    triangles = checked(triangles, vertices.shape[-2])
    batch = vertices.shape[:-2]
    fragments = Fragments(
        np.empty((*batch, height, width), np.int32),
        np.empty((*batch, height, width, 3), np.float32),
        np.empty((*batch, height, width), np.float32),
        np.empty((*batch, len(triangles), 3, 2), np.float32),
        perspective,
    )

    boxes = np.empty((*batch, len(triangles), 4), np.int32)
    snapped = np.empty_like(vertices)
    for item in np.ndindex(batch):
        _snap(vertices[item], perspective, snapped[item])
        _set_up(
            vertices[item], snapped[item], triangles, width, height, perspective, cull,
            near if perspective else -np.inf, boxes[item], fragments.slopes[item],
        )  # fmt: skip

    def band(item: tuple[int, ...], first: int, last: int) -> None:
        reaches_in = (boxes[item][:, 1] < last) & (boxes[item][:, 3] > first)
        _draw(
            snapped[item], triangles, np.flatnonzero(reaches_in), boxes[item], first, last,
            fragments.index[item],
        )  # fmt: skip
        _resolve(
            vertices[item], triangles, fragments.slopes[item], perspective, first, last,
            fragments.index[item], fragments.weights[item], fragments.depth[item],
        )  # fmt: skip

    _in_bands(band, batch, height, threads)
    return fragments


def interpolate(
    attributes: np.ndarray,
    triangles: np.ndarray,
    fragments: Fragments,
    *,
    unit: bool = False,
    threads: int = 1,
) -> np.ndarray:
    """Attributes (..., n, k) of vertices at every pixel: (..., height, width, k) float32.

    0 where no triangle is. ``triangles`` may have indices of its own, as those of uv often do, if
    its rows are those of the triangles that were drawn. With ``unit`` results are scaled to unit
    length, as normals should be.
    """
    attributes, triangles = _attributes(attributes, triangles, fragments)
    batch, (height, width) = fragments.index.shape[:-2], fragments.index.shape[-2:]
    out = np.empty((*batch, height, width, attributes.shape[-1]), np.float32)

    def band(item: tuple[int, ...], first: int, last: int) -> None:
        _interpolate(
            attributes[item], triangles, fragments.index[item], fragments.weights[item], unit,
            first, last, out[item],
        )  # fmt: skip

    _in_bands(band, batch, height, threads)
    return out


def derivatives(
    attributes: np.ndarray, triangles: np.ndarray, fragments: Fragments, *, threads: int = 1
) -> np.ndarray:
    """How attributes change per pixel: (..., height, width, k, 2) float32, by x and by y."""
    attributes, triangles = _attributes(attributes, triangles, fragments)
    batch, (height, width) = fragments.index.shape[:-2], fragments.index.shape[-2:]
    out = np.empty((*batch, height, width, attributes.shape[-1], 2), np.float32)

    def band(item: tuple[int, ...], first: int, last: int) -> None:
        _derivatives(
            attributes[item], triangles, fragments.index[item], fragments.weights[item],
            fragments.depth[item], fragments.slopes[item], fragments.perspective,
            first, last, out[item],
        )  # fmt: skip

    _in_bands(band, batch, height, threads)
    return out


def paint(
    texture: Texture,
    uv: np.ndarray,
    triangles: np.ndarray,
    fragments: Fragments,
    *,
    threads: int = 1,
) -> np.ndarray:
    """The texture on the mesh: (..., height, width, channels) float32, 0 where no triangle is.

    The same as ``sample(texture, interpolate(uv, ...), derivatives(uv, ...))``, in one pass.

    uv: (..., n, 2); see :class:`mien.head.shading.Texture` for their axes.
    """
    uv, triangles = _attributes(uv, triangles, fragments)
    batch, (height, width) = fragments.index.shape[:-2], fragments.index.shape[-2:]
    out = np.empty((*batch, height, width, texture.channels), np.float32)

    def band(item: tuple[int, ...], first: int, last: int) -> None:
        _paint(
            texture.texels, texture.levels, uv[item], triangles, fragments.index[item],
            fragments.weights[item], fragments.depth[item], fragments.slopes[item],
            fragments.perspective, first, last, out[item],
        )  # fmt: skip

    _in_bands(band, batch, height, threads)
    return out


@dataclass(frozen=True, eq=False)
class Picture:
    """What :func:`render` draws.

    colour: (..., height, width, channels) float32, premultiplied by alpha: 0 beside the mesh.
    alpha: (..., height, width) float32 0..1, the part of the pixel that the mesh covers.
    normals: (..., height, width, 3) float32, in the world; unit length inside, shorter at edges
        that anti-aliasing mixes with nothing, 0 beside the mesh.
    fragments: at ``samples`` times the size: the index and depth of each sample.
    """

    colour: np.ndarray
    alpha: np.ndarray
    normals: np.ndarray
    fragments: Fragments


def render(
    vertices: np.ndarray,
    triangles: np.ndarray,
    camera: Camera,
    width: int,
    height: int,
    *,
    texture: Texture | None = None,
    uv: np.ndarray | None = None,
    uv_triangles: np.ndarray | None = None,
    colours: np.ndarray | None = None,
    light: Light | None = None,
    samples: int = 1,
    cull: bool = False,
    threads: int = 1,
) -> Picture:
    """Draw a mesh or a batch of them, (..., n, 3) in world millimetres.

    Args:
        texture, uv, uv_triangles: the surface's albedo by texture; ``uv_triangles`` where uv has
            indices of its own.
        colours: the surface's albedo by vertex, (..., n, channels). White without either.
        light: how the surface is lit; without, the picture shows the albedo itself.
        samples: anti-aliasing: 1 (none) to 4 samples along each side of a pixel, box-filtered.
        cull: leave out triangles seen from behind.
    """
    if not 1 <= samples <= 4:
        raise ValueError(f"samples: 1 to 4, not {samples}")
    placed = camera.project(vertices) * (samples, samples, 1)
    fragments = rasterize(
        placed, triangles, width * samples, height * samples,
        perspective=camera.perspective, cull=cull, threads=threads,
    )  # fmt: skip
    normals = vertex_normals(vertices, triangles)
    normals = interpolate(normals, triangles, fragments, unit=True, threads=threads)
    if texture is not None and uv is not None:
        corners = triangles if uv_triangles is None else uv_triangles
        colour = paint(texture, uv, corners, fragments, threads=threads)
    elif colours is not None:
        colour = interpolate(colours, triangles, fragments, threads=threads)
    else:
        colour = np.repeat(fragments.covered[..., None], 3, -1).astype(np.float32)
    if light is not None:
        colour = colour * shade(normals, light)
    alpha = fragments.covered[..., None].astype(np.float32)
    colour, alpha, normals = (box_filter(part, samples) for part in (colour, alpha, normals))
    return Picture(colour, alpha[..., 0], normals, fragments)


def checked(triangles: np.ndarray, vertices: int) -> np.ndarray:
    """Triangles (m, 3) as int32; raises ValueError unless all indices are in 0..vertices - 1."""
    triangles = np.asarray(triangles)
    if triangles.ndim != 2 or triangles.shape[1] != 3:
        raise ValueError(f"triangles: an (m, 3) array, not {triangles.shape}")
    if len(triangles) and not 0 <= triangles.min() <= triangles.max() < vertices:
        raise ValueError(f"triangles: an index that is none of {vertices} vertices")
    return np.ascontiguousarray(triangles, np.int32)


def _attributes(
    attributes: np.ndarray, triangles: np.ndarray, fragments: Fragments
) -> tuple[np.ndarray, np.ndarray]:
    """Attributes (*batch, n, k) float32 and checked triangles, as many as were drawn."""
    triangles = checked(triangles, attributes.shape[-2])
    if len(triangles) != fragments.slopes.shape[-3]:
        raise ValueError(f"{len(triangles)} triangles, but {fragments.slopes.shape[-3]} were drawn")
    shape = (*fragments.index.shape[:-2], *attributes.shape[-2:])
    attributes = np.broadcast_to(np.nan_to_num(np.asarray(attributes, np.float32)), shape)
    return np.ascontiguousarray(attributes), triangles


def _in_bands(
    band: Callable[[tuple[int, ...], int, int], None],
    batch: tuple[int, ...],
    height: int,
    threads: int,
) -> None:
    """Call ``band(item, first row, last row + 1)`` for every mesh of a batch and band of rows.

    The kernels let go of the interpreter's lock, so that threads run side by side.
    """
    count = 1 if threads == 1 else threads * BANDS_PER_THREAD
    edges = [height * number // count for number in range(count + 1)]
    jobs = [(item, *rows) for item in np.ndindex(batch) for rows in itertools.pairwise(edges)]
    if threads == 1:
        for job in jobs:
            band(*job)
    else:
        for done in [_pool(threads).submit(band, *job) for job in jobs]:
            done.result()


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, "mien-raster")


# A forked process has none of its parent's threads.
os.register_at_fork(after_in_child=_pool.cache_clear)


@njit(cache=True, nogil=True, error_model="numpy")
def _snap(vertices, perspective, out):
    """x, y on the subpixel grid, and a key linear in the picture, larger where nearer.

    The key is not finite where a vertex has no place in the picture.
    """
    for i in range(len(vertices)):
        x, y, z = vertices[i, 0], vertices[i, 1], vertices[i, 2]
        inside = abs(x) < FARTHEST and abs(y) < FARTHEST and abs(z) < FARTHEST
        out[i, 0] = np.rint(x * SUBPIXELS) / SUBPIXELS
        out[i, 1] = np.rint(y * SUBPIXELS) / SUBPIXELS
        out[i, 2] = (1 / z if perspective else -z) if inside else np.nan


@njit(cache=True, nogil=True)
def _set_up(vertices, snapped, triangles, width, height, perspective, cull, near, boxes, slopes):
    """Pixels x0, y0, x1, y1 that each triangle may cover (none: left out), and its slopes."""
    for t in range(len(triangles)):
        boxes[t] = 0
        slopes[t] = 0
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax, ay, az = vertices[a, 0], vertices[a, 1], vertices[a, 2]
        bx, by, bz = vertices[b, 0] - ax, vertices[b, 1] - ay, vertices[b, 2]
        cx, cy, cz = vertices[c, 0] - ax, vertices[c, 1] - ay, vertices[c, 2]
        area = bx * cy - by * cx
        key = snapped[a, 2] + snapped[b, 2] + snapped[c, 2]
        if not np.isfinite(key) or abs(area) <= LEAST_AREA:
            continue
        if min(az, bz, cz) < near or (cull and area > 0):
            continue
        u0, u1, u2 = snapped[a, 0], snapped[b, 0], snapped[c, 0]
        v0, v1, v2 = snapped[a, 1], snapped[b, 1], snapped[c, 1]
        boxes[t, 0] = min(max(np.ceil(min(u0, u1, u2) - 0.5), 0.0), width)
        boxes[t, 1] = min(max(np.ceil(min(v0, v1, v2) - 0.5), 0.0), height)
        boxes[t, 2] = min(max(np.floor(max(u0, u1, u2) + 0.5), 0.0), width)
        boxes[t, 3] = min(max(np.floor(max(v0, v1, v2) + 0.5), 0.0), height)
        over = 1.0 / area
        wa, wb, wc = over, over, over
        if perspective:
            wa, wb, wc = over / az, over / bz, over / cz
        slopes[t, 0, 0] = (by - cy) * wa
        slopes[t, 0, 1] = (cx - bx) * wa
        slopes[t, 1, 0] = cy * wb
        slopes[t, 1, 1] = -cx * wb
        slopes[t, 2, 0] = -by * wc
        slopes[t, 2, 1] = bx * wc


@njit(cache=True, nogil=True)
def _draw(snapped, triangles, order, boxes, first, last, index):
    """Fill rows ``first`` to ``last`` of ``index`` with the nearest of the triangles ``order``.

    Edge functions are sums and products of multiples of 1/1024 and so without rounding.
    """
    nearest = np.full((last - first, index.shape[1]), -np.inf, np.float32)
    tiles = np.full((-(-(last - first) // TILE), -(-index.shape[1] // TILE)), -np.inf, np.float32)
    index[first:last] = -1
    top = uint32(first)  # unsigned: signed indices are first looked at for counting from the end
    for number, t in enumerate(order):
        if number % REFRESH == 0 and number > 0:
            _farthest(nearest, tiles)
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax, ay, ak = snapped[a, 0], snapped[a, 1], snapped[a, 2]
        bx, by, bk = snapped[b, 0], snapped[b, 1], snapped[b, 2]
        cx, cy, ck = snapped[c, 0], snapped[c, 1], snapped[c, 2]
        y0, y1 = max(boxes[t, 1], first), min(boxes[t, 3], last)
        most = max(ak, bk, ck)
        most += abs(most) * ROUNDING
        if _hidden(tiles, most, boxes[t, 0], y0 - first, boxes[t, 2], y1 - first):
            continue
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area == 0:
            continue
        if area < 0:
            bx, by, bk, cx, cy, ck = cx, cy, ck, bx, by, bk
            area = -area
        x0, columns = boxes[t, 0], uint32(boxes[t, 2] - boxes[t, 0])
        px, py = x0 + 0.5, y0 + 0.5
        # Edge functions of the edges before a, b and c: positive inside; per pixel and per row.
        ea = (cx - bx) * (py - by) - (cy - by) * (px - bx)
        eb = (ax - cx) * (py - cy) - (ay - cy) * (px - cx)
        ec = (bx - ax) * (py - ay) - (by - ay) * (px - ax)
        ea_x, eb_x, ec_x = by - cy, cy - ay, ay - by
        ea_y, eb_y, ec_y = cx - bx, ax - cx, bx - ax
        over = 1.0 / area
        key = (ea * ak + eb * bk + ec * ck) * over
        key_x = float32((ea_x * ak + eb_x * bk + ec_x * ck) * over)
        key_y = (ea_y * ak + eb_y * bk + ec_y * ck) * over
        ea -= _not_top_left(ea_x, ea_y)
        eb -= _not_top_left(eb_x, eb_y)
        ec -= _not_top_left(ec_x, ec_y)
        for y in range(y0, y1):
            row, start = uint32(y), float32(key)
            for i in range(columns):
                if min(ea + ea_x * i, eb + eb_x * i, ec + ec_x * i) >= 0:
                    x, here = uint32(x0 + i), start + key_x * float32(i)
                    if here > nearest[row - top, x]:
                        nearest[row - top, x] = here
                        index[row, x] = t
            ea += ea_y
            eb += eb_y
            ec += ec_y
            key += key_y


@njit(cache=True, nogil=True)
def _farthest(nearest, tiles):
    """The farthest key of every tile of a depth buffer."""
    height, width = nearest.shape
    least = np.empty(width, np.float32)
    for row in range(tiles.shape[0]):
        least[:] = np.inf
        for y in range(row * TILE, min((row + 1) * TILE, height)):
            for x in range(width):  # in vectors
                here = nearest[y, x]
                least[x] = here if here < least[x] else least[x]
        tiles[row] = np.inf
        for x in range(width):
            tiles[row, x // TILE] = min(tiles[row, x // TILE], least[x])


@njit(cache=True, nogil=True)
def _hidden(tiles, key, x0, y0, x1, y1):
    """Whether all that is drawn in a box of pixels is nearer than a key."""
    for row in range(y0 // TILE, (y1 - 1) // TILE + 1):
        for column in range(x0 // TILE, (x1 - 1) // TILE + 1):
            if not key < tiles[row, column]:
                return False
    return True


@njit(cache=True, nogil=True)
def _not_top_left(by_x, by_y):
    """What to subtract from an edge function so that a pixel centre on the edge is outside.

    Nothing for a left edge, or a horizontal one at the top: those own the pixels on them.
    """
    if by_x > 0 or (by_x == 0 and by_y > 0):
        return 0.0
    return 0.5 / SUBPIXELS**2


@njit(cache=True, nogil=True, error_model="numpy")
def _resolve(vertices, triangles, slopes, perspective, first, last, index, weights, depth):
    """Weights and depth of the triangles that are seen in rows ``first`` to ``last``."""
    zero, one = float32(0), float32(1)
    for y in range(uint32(first), uint32(last)):
        for x in range(index.shape[1]):
            if index[y, x] < 0:
                weights[y, x, 0] = weights[y, x, 1] = weights[y, x, 2] = 0
                depth[y, x] = np.inf
                continue
            t = uint32(index[y, x])
            a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            za, zb, zc = vertices[a, 2], vertices[b, 2], vertices[c, 2]
            dx = float32(x + 0.5 - vertices[a, 0])
            dy = float32(y + 0.5 - vertices[a, 1])
            at_a = float32(1.0 / za) if perspective else one
            wa = max(at_a + slopes[t, 0, 0] * dx + slopes[t, 0, 1] * dy, zero)
            wb = max(slopes[t, 1, 0] * dx + slopes[t, 1, 1] * dy, zero)
            wc = max(slopes[t, 2, 0] * dx + slopes[t, 2, 1] * dy, zero)
            over = one / (wa + wb + wc)
            wa, wb, wc = wa * over, wb * over, wc * over
            weights[y, x, 0], weights[y, x, 1], weights[y, x, 2] = wa, wb, wc
            depth[y, x] = wa * za + wb * zb + wc * zc


@njit(cache=True, nogil=True)
def _interpolate(attributes, triangles, index, weights, unit, first, last, out):
    zero, one = float32(0), float32(1)
    for y in range(uint32(first), uint32(last)):
        for x in range(index.shape[1]):
            if index[y, x] < 0:
                out[y, x] = 0
                continue
            t = uint32(index[y, x])
            a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            wa, wb, wc = weights[y, x, 0], weights[y, x, 1], weights[y, x, 2]
            squared = zero
            for k in range(attributes.shape[1]):
                value = wa * attributes[a, k] + wb * attributes[b, k] + wc * attributes[c, k]
                out[y, x, k] = value
                squared += value * value
            if unit and squared > zero:
                factor = one / np.sqrt(squared)
                for k in range(attributes.shape[1]):
                    out[y, x, k] *= factor


@njit(cache=True, nogil=True)
def weight_slopes(slopes, t, weights, x, y, depth, perspective):
    """Derivatives of a pixel's three weights by x, then by y; for other kernels.

    In perspective a weight is p / (pa + pb + pc) with p linear in the picture, the sum 1 / depth.
    """
    xa, xb, xc = slopes[t, 0, 0], slopes[t, 1, 0], slopes[t, 2, 0]
    ya, yb, yc = slopes[t, 0, 1], slopes[t, 1, 1], slopes[t, 2, 1]
    if not perspective:
        return xa, xb, xc, ya, yb, yc
    wa, wb, wc = weights[y, x, 0], weights[y, x, 1], weights[y, x, 2]
    over, xs, ys = depth[y, x], xa + xb + xc, ya + yb + yc
    return (
        (xa - wa * xs) * over,
        (xb - wb * xs) * over,
        (xc - wc * xs) * over,
        (ya - wa * ys) * over,
        (yb - wb * ys) * over,
        (yc - wc * ys) * over,
    )


@njit(cache=True, nogil=True)
def _derivatives(
    attributes, triangles, index, weights, depth, slopes, perspective, first, last, out
):
    for y in range(uint32(first), uint32(last)):
        for x in range(index.shape[1]):
            if index[y, x] < 0:
                out[y, x] = 0
                continue
            t = uint32(index[y, x])
            a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            xa, xb, xc, ya, yb, yc = weight_slopes(slopes, t, weights, x, y, depth, perspective)
            for k in range(attributes.shape[1]):
                fa, fb, fc = attributes[a, k], attributes[b, k], attributes[c, k]
                out[y, x, k, 0] = xa * fa + xb * fb + xc * fc
                out[y, x, k, 1] = ya * fa + yb * fb + yc * fc


@njit(cache=True, nogil=True, fastmath=True)
def _paint(
    texels, levels, uv, triangles, index, weights, depth, slopes, perspective, first, last, out
):
    channels = out.shape[2]
    for y in range(uint32(first), uint32(last)):
        for x in range(index.shape[1]):
            if index[y, x] < 0:
                for channel in range(channels):
                    out[y, x, channel] = 0
                continue
            t = uint32(index[y, x])
            a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            wa, wb, wc = weights[y, x, 0], weights[y, x, 1], weights[y, x, 2]
            xa, xb, xc, ya, yb, yc = weight_slopes(slopes, t, weights, x, y, depth, perspective)
            ua, ub, uc = uv[a, 0], uv[b, 0], uv[c, 0]
            va, vb, vc = uv[a, 1], uv[b, 1], uv[c, 1]
            level, share = mip_level(
                levels,
                xa * ua + xb * ub + xc * uc,
                ya * ua + yb * ub + yc * uc,
                xa * va + xb * vb + xc * vc,
                ya * va + yb * vb + yc * vc,
            )
            u, v = wa * ua + wb * ub + wc * uc, wa * va + wb * vb + wc * vc
            for group in range(0, channels, 4):
                colour = trilinear(texels, levels, u, v, level, share, group)
                out[y, x, group] = colour[0]
                if group + 1 < channels:
                    out[y, x, group + 1] = colour[1]
                if group + 2 < channels:
                    out[y, x, group + 2] = colour[2]
                if group + 3 < channels:
                    out[y, x, group + 3] = colour[3]
