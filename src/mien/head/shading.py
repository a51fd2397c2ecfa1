"""Normals, textures and light of surfaces, and the filter of anti-aliasing.

Colours are linear numbers of any scale, usually 0..1: nothing here knows of gamma.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import float32, int32, njit, uint32

# Real spherical harmonics of bands 0, 1 and 2, each times the share of it that a matte surface
# keeps (1, 2/3, 1/4): Ramamoorthi and Hanrahan, "An efficient representation for irradiance
# environment maps", SIGGRAPH 2001, equations 3, 8 and 9, over pi.
HARMONICS = (
    0.28209479,
    0.48860251 * 2 / 3,
    0.48860251 * 2 / 3,
    0.48860251 * 2 / 3,
    1.09254843 / 4,
    1.09254843 / 4,
    0.31539157 / 4,
    1.09254843 / 4,
    0.54627422 / 4,
)
AMBIENT = 1 / HARMONICS[0]  # the first coefficient of light that is 1 from everywhere
LEAST_AREA = 1e-9  # square mm; what is left of less is rounding


@dataclass(frozen=True, eq=False)
class Light:
    """Distant light on a matte surface; a colour under it is albedo times :func:`shade`.

    harmonics: (9, channels), the radiance from all around, projected onto the real spherical
        harmonics of order 2 in the world's axes (1; y, z, x; xy, yz, 3 z^2 - 1, xz, x^2 - y^2).
    direction: (3,), towards a lamp, of any length; none by default.
    colour: (channels,), what the lamp adds to a surface that faces it.
    """

    harmonics: np.ndarray
    direction: np.ndarray | None = None
    colour: np.ndarray | None = None

    @classmethod
    def lamp(cls, direction: np.ndarray, ambient: float = 0.3, channels: int = 3) -> "Light":
        """White light from everywhere (``ambient``) and from one side (1 - ``ambient``)."""
        harmonics = np.zeros((9, channels))
        harmonics[0] = ambient * AMBIENT
        return cls(harmonics, np.asarray(direction), np.full(channels, 1 - ambient))


def shade(normals: np.ndarray, light: Light) -> np.ndarray:
    """Light that unit normals (..., 3) receive, (..., channels) float32; a lamp behind adds 0."""
    harmonics = np.array(light.harmonics, np.float32) * np.array(HARMONICS, np.float32)[:, None]
    towards, colour = np.zeros(3, np.float32), np.zeros(harmonics.shape[1], np.float32)
    if light.direction is not None and light.colour is not None:
        direction = np.asarray(light.direction, np.float64)
        towards = (direction / np.linalg.norm(direction)).astype(np.float32)
        colour = np.array(light.colour, np.float32)
    flat = np.ascontiguousarray(normals, np.float32).reshape(-1, 3)
    lit = np.empty((len(flat), len(colour)), np.float32)
    _shade(flat, harmonics, towards, colour, lit)
    return lit.reshape(*normals.shape[:-1], len(colour))


@njit(cache=True, nogil=True, fastmath=True)
def _shade(normals, harmonics, towards, colour, out):
    one, three = np.float32(1), np.float32(3)
    for i in range(len(normals)):
        x, y, z = normals[i, 0], normals[i, 1], normals[i, 2]
        facing = max(x * towards[0] + y * towards[1] + z * towards[2], np.float32(0))
        for k in range(len(colour)):
            out[i, k] = (
                facing * colour[k]
                + harmonics[0, k]
                + y * harmonics[1, k]
                + z * harmonics[2, k]
                + x * harmonics[3, k]
                + x * y * harmonics[4, k]
                + y * z * harmonics[5, k]
                + (three * z * z - one) * harmonics[6, k]
                + x * z * harmonics[7, k]
                + (x * x - y * y) * harmonics[8, k]
            )


def vertex_normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Unit normals (..., n, 3) float32 of world vertices (..., n, 3), weighted by area.

    They point to the side from which a triangle's corners go anticlockwise. A vertex without area
    around it has normal 0.
    """
    vertices = np.ascontiguousarray(vertices, np.float64)
    triangles = np.ascontiguousarray(triangles, np.int32)
    sums = np.zeros(vertices.shape)
    for item in np.ndindex(vertices.shape[:-2]):
        _add_normals(vertices[item], triangles, sums[item])
    lengths = np.linalg.norm(sums, axis=-1, keepdims=True)
    return (sums / np.where(lengths > LEAST_AREA, lengths, np.inf)).astype(np.float32)


@njit(cache=True, nogil=True)
def _add_normals(vertices, triangles, sums):
    for t in range(len(triangles)):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ux, uy, uz = (
            vertices[b, 0] - vertices[a, 0],
            vertices[b, 1] - vertices[a, 1],
            vertices[b, 2] - vertices[a, 2],
        )
        vx, vy, vz = (
            vertices[c, 0] - vertices[a, 0],
            vertices[c, 1] - vertices[a, 1],
            vertices[c, 2] - vertices[a, 2],
        )
        x, y, z = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        if not np.isfinite(x + y + z):
            continue
        for corner in (a, b, c):
            sums[corner, 0] += x
            sums[corner, 1] += y
            sums[corner, 2] += z


class Texture:
    """A picture to put on a surface, with its mip-map: itself at half, quarter, ... size.

    uv (0, 0) is the bottom left corner of the picture and (1, 1) the top right one, as in OBJ files
    and ICT FaceKit. Beyond them the border's colour goes on.
    """

    def __init__(self, image: np.ndarray):
        """``image`` (h, w, channels) of floats, or uint8, which becomes 0..1.

        Raises ValueError for arrays of other shapes, or empty ones.
        """
        if image.ndim != 3 or 0 in image.shape:
            raise ValueError(f"texture: a (height, width, channels) array, not {image.shape}")
        scale = np.float32(1 / 255 if image.dtype == np.uint8 else 1)
        self.channels = image.shape[2]
        padded = -(-self.channels // 4) * 4  # texels of whole vectors are read faster
        level = np.zeros((*image.shape[:2], padded), np.float32)
        level[..., : self.channels] = image * scale
        pyramid = [level]
        while max(pyramid[-1].shape[:2]) > 1:
            pyramid.append(halved(pyramid[-1]))
        sizes = np.array([level.shape[:2] for level in pyramid])
        starts = np.cumsum(sizes.prod(1)) - sizes.prod(1)
        self.levels = np.column_stack([starts, sizes]).astype(np.int32)  # start, height, width
        self.texels = np.concatenate([level.reshape(-1, padded) for level in pyramid])


def halved(level: np.ndarray) -> np.ndarray:
    """The next level of a mip-map: means of 2 x 2 texels, the border repeated where one is odd."""
    height, width, channels = level.shape
    out = np.empty((-(-height // 2), -(-width // 2), channels), level.dtype)
    _halve(level, out)
    return out


@njit(cache=True, nogil=True)
def _halve(level, out):
    bottom, right = level.shape[0] - 1, level.shape[1] - 1
    for y in range(out.shape[0]):
        upper, lower = 2 * y, min(2 * y + 1, bottom)
        for x in range(out.shape[1]):
            left, beside = 2 * x, min(2 * x + 1, right)
            for k in range(out.shape[2]):
                total = level[upper, left, k] + level[lower, left, k]
                total += level[upper, beside, k] + level[lower, beside, k]
                out[y, x, k] = total * float32(0.25)


def sample(texture: Texture, uv: np.ndarray, slopes: np.ndarray | None = None) -> np.ndarray:
    """Colours (..., channels) float32 of a texture at uv (..., 2), trilinear.

    slopes: (..., 2, 2), the derivatives of uv by x and y in pixels; the longer of the two steps in
    the texture decides the level of the mip-map. Between whole levels the logarithm is taken as
    linear, as graphics hardware does. Without slopes the texture is read at full size.
    """
    points = np.nan_to_num(np.asarray(uv, np.float32)).reshape(-1, 2)
    steps = np.zeros((*uv.shape, 2)) if slopes is None else slopes
    steps = np.nan_to_num(np.asarray(steps, np.float32)).reshape(-1, 2, 2)
    out = np.empty((len(points), texture.channels), np.float32)
    _sample(texture.texels, texture.levels, points, steps, out)
    return out.reshape(*uv.shape[:-1], texture.channels)


@njit(cache=True, nogil=True)
def _sample(texels, levels, uv, slopes, out):
    channels = out.shape[1]
    for i in range(len(uv)):
        level, share = mip_level(
            levels, slopes[i, 0, 0], slopes[i, 0, 1], slopes[i, 1, 0], slopes[i, 1, 1]
        )
        for group in range(0, channels, 4):
            colour = trilinear(texels, levels, uv[i, 0], uv[i, 1], level, share, group)
            out[i, group] = colour[0]
            if group + 1 < channels:
                out[i, group + 1] = colour[1]
            if group + 2 < channels:
                out[i, group + 2] = colour[2]
            if group + 3 < channels:
                out[i, group + 3] = colour[3]


@njit(cache=True, nogil=True, fastmath=True)
def mip_level(levels, u_by_x, u_by_y, v_by_x, v_by_y):
    """The finer of the two levels to read, and the share 0..1 of the next; for other kernels."""
    height, width = float32(levels[0, 1]), float32(levels[0, 2])
    along_x = (u_by_x * width) ** 2 + (v_by_x * height) ** 2
    along_y = (u_by_y * width) ** 2 + (v_by_y * height) ** 2
    step = np.sqrt(max(along_x, along_y))
    level, last = int32(0), int32(len(levels) - 1)
    while step >= float32(2) and level < last:
        step *= float32(0.5)
        level += int32(1)
    if step <= float32(1) or level == last:
        return level, float32(0)
    return level, step - float32(1)


@njit(cache=True, nogil=True, fastmath=True)
def trilinear(texels, levels, u, v, level, share, group):
    """Channels ``group`` to ``group`` + 3 at u, v; for other kernels."""
    scale = float32(1) / float32(int32(1) << level)
    x = u * float32(levels[0, 2]) * scale
    y = (float32(1) - v) * float32(levels[0, 1]) * scale
    near = _bilinear(texels, levels, level, x, y, group)
    if share == float32(0):
        return near
    half = float32(0.5)
    far = _bilinear(texels, levels, level + int32(1), x * half, y * half, group)
    return _mixed(near, far, share)


@njit(cache=True, nogil=True, fastmath=True)
def _bilinear(texels, levels, level, x, y, group):
    """Four channels at x, y in texels of a level."""
    start, height, width = levels[level, 0], levels[level, 1], levels[level, 2]
    right, bottom = width - int32(1), height - int32(1)
    x = min(max(x - float32(0.5), float32(0)), float32(right))
    y = min(max(y - float32(0.5), float32(0)), float32(bottom))
    x0, y0 = int32(x), int32(y)
    across, down = x - float32(x0), y - float32(y0)
    x1, upper = min(x0 + int32(1), right), start + y0 * width
    lower = start + min(y0 + int32(1), bottom) * width
    return _mixed(
        _mixed(_four(texels, upper + x0, group), _four(texels, upper + x1, group), across),
        _mixed(_four(texels, lower + x0, group), _four(texels, lower + x1, group), across),
        down,
    )


@njit(cache=True, nogil=True)
def _four(texels, texel, group):
    # Unsigned, because signed indices are first looked at for counting from the end.
    row, first = uint32(texel), uint32(group)
    return (
        texels[row, first],
        texels[row, first + uint32(1)],
        texels[row, first + uint32(2)],
        texels[row, first + uint32(3)],
    )


@njit(cache=True, nogil=True, fastmath=True)
def _mixed(a, b, share):
    return (
        a[0] + share * (b[0] - a[0]),
        a[1] + share * (b[1] - a[1]),
        a[2] + share * (b[2] - a[2]),
        a[3] + share * (b[3] - a[3]),
    )


def box_filter(image: Any, factor: int) -> Any:
    """Means of ``factor`` x ``factor`` pixels of (..., height, width, channels); tensors too."""
    if factor == 1:
        return image
    total = sum(
        image[..., row::factor, column::factor, :]
        for row in range(factor)
        for column in range(factor)
    )
    return total / factor**2
