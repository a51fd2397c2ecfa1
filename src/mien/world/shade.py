"""The compiled loops of drawing a scene: light on vertices, and all that a pixel shows in one pass.

Pictures are drawn at ``samples`` times their size and averaged. Passes of whole arrays over all
samples would spend most of their time on moving memory; here each pixel is finished at once.
"""

from dataclasses import dataclass

import numpy as np
from numba import float32, njit, uint32

from mien.head.camera import Perspective
from mien.head.raster import Fragments, weight_slopes
from mien.head.shading import Texture, mip_level, trilinear

SHINY = 24  # exponent of the shine on skin


def placed(vertices: np.ndarray, camera: Perspective, samples: int) -> np.ndarray:
    """``camera.project`` of vertices (n, 3) in one pass, in samples: (n, 3) float64."""
    out = np.empty((len(vertices), 3))
    _place(
        np.ascontiguousarray(vertices, np.float32), np.asarray(camera.rotation, np.float64),
        np.asarray(camera.translation, np.float64), float(camera.focal) * samples,
        np.array(camera.centre, np.float64) * samples, out,
    )  # fmt: skip
    return out


@njit(cache=True, nogil=True)
def _place(vertices, rotation, translation, focal, centre, out):
    for i in range(len(vertices)):
        x, y, z = vertices[i, 0], vertices[i, 1], vertices[i, 2]
        across = rotation[0, 0] * x + rotation[0, 1] * y + rotation[0, 2] * z + translation[0]
        up = rotation[1, 0] * x + rotation[1, 1] * y + rotation[1, 2] * z + translation[1]
        depth = -(rotation[2, 0] * x + rotation[2, 1] * y + rotation[2, 2] * z + translation[2])
        scale = focal / (depth if depth > 0 else 1.0)
        out[i, 0] = centre[0] + scale * across
        out[i, 1] = centre[1] - scale * up
        out[i, 2] = depth


@njit(cache=True, nogil=True)
def light_skin(normals, received, free, lamp, towards, halfway, colour, gloss, out):
    """Light and shine (V, 4) on a head, into ``out``.

    received: (V, 3), of the light around. free: (V,), the part of the sky that is. lamp: (V,), its
    strength where nothing is in its way; towards, halfway: (3,) to it, and between it and the
    viewer. colour: (3,) of the lamp. gloss: (V,).
    """
    zero, one = float32(0), float32(1)
    for i in range(len(normals)):
        x, y, z = normals[i, 0], normals[i, 1], normals[i, 2]
        open_ = float32(0.15) + float32(0.95) * free[i] * np.sqrt(free[i])
        direct = lamp[i] * max(x * towards[0] + y * towards[1] + z * towards[2], zero)
        for k in range(3):
            around = max(received[i, k], float32(0.12))
            out[i, k] = around * open_ + direct * colour[k]
        seen = max(x * halfway[0] + y * halfway[1] + z * halfway[2], zero)
        rim = max(one - abs(z), zero)
        mirrored = float32(0.5) * direct * _power(seen, SHINY)
        out[i, 3] = gloss[i] * (mirrored + float32(0.06) * free[i] * rim * rim * rim)


@njit(cache=True, nogil=True)
def _power(base, exponent):
    """base ** exponent for a whole exponent, 0 or more."""
    out = float32(1)
    while exponent > 0:
        if exponent % 2:
            out *= base
        base *= base
        exponent //= 2
    return out


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """What of the triangles of head and hair is the same in every frame.

    triangles: (m, 3) int32, the head's first. skin: how many are the head's. uv: (u, 2) float32 and
    uv_triangles: (m, 3) int32, in the atlas of the skin, or in ``hair.strands()``. classes: (m,)
    uint8 of ``CELEBAMASK``.
    """

    triangles: np.ndarray
    skin: int
    uv: np.ndarray
    uv_triangles: np.ndarray
    classes: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Glass:
    """Something to see through, drawn in a part of the picture.

    top, left: of the part, in samples. values: (n, 7) float32 of vertices: the colour of what is in
    the glass, what it mirrors, how much it hides. classes: (m,) uint8.
    """

    fragments: Fragments
    triangles: np.ndarray
    top: int
    left: int
    values: np.ndarray
    classes: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Pixels:
    """What pixels show; colour, alpha and albedo are means over samples, the rest is of the middle.

    colour: (h, w, 3) float32 linear. alpha: (h, w) float32. albedo: (h, w, 3) float32, empty where
    it was not asked for. label: (h, w) uint8. worn: (h, w) bool, whether it is a prop's.
    """

    colour: np.ndarray
    alpha: np.ndarray
    albedo: np.ndarray
    label: np.ndarray
    worn: np.ndarray


def develop(
    fragments: Fragments,
    triangles: np.ndarray,
    classes: np.ndarray,
    surface: Surface,
    light: np.ndarray,
    skin: Texture,
    strands: Texture,
    glass: list[Glass],
    *,
    samples: int,
    exposure: float,
    tint: np.ndarray | None = None,
) -> Pixels:
    """Colour the samples of a picture, and average them.

    Args:
        triangles: (m, 3), those of the surface, then those of props. classes: (m,) uint8.
        light: (n, 4) float32 of vertices: light and shine on skin; the colour of all else.
        glass: drawn over the rest in this order. Where it hides more than half, ``fragments.depth``
            becomes that of the glass.
        tint: (n, 3) float32, the albedo of hair's vertices; gives the albedo.
    """
    index, depth = fragments.index, fragments.depth
    # Glass is over single samples, not over their means.
    drawn = _blank(index.shape, 1 if glass else samples, tint is not None)
    _develop(
        index, fragments.weights, depth, fragments.slopes, triangles, classes,
        (surface.skin, len(surface.triangles)), light, surface.uv, surface.uv_triangles,
        skin.texels, skin.levels, strands.texels, strands.levels, 1 if glass else samples,
        np.float32(exposure), np.zeros((0, 3), np.float32) if tint is None else tint,
        drawn.colour, drawn.alpha, drawn.albedo, drawn.label, drawn.worn,
    )  # fmt: skip
    if not glass:
        return drawn
    for pane in glass:
        seen = pane.fragments
        _look_through(
            seen.index, seen.weights, seen.depth, pane.triangles, pane.values, pane.classes,
            pane.top, pane.left, drawn.colour, drawn.alpha, drawn.albedo, depth, drawn.label,
            drawn.worn,
        )  # fmt: skip
    out = _blank(index.shape, samples, tint is not None)
    _average(drawn.colour, drawn.alpha, drawn.albedo, samples, out.colour, out.alpha, out.albedo)
    middle = np.s_[samples // 2 :: samples, samples // 2 :: samples]
    out.label[:], out.worn[:] = drawn.label[middle], drawn.worn[middle]
    return out


def _blank(shape: tuple[int, ...], samples: int, with_albedo: bool) -> Pixels:
    height, width = (side // samples for side in shape)
    return Pixels(
        np.zeros((height, width, 3), np.float32),
        np.zeros((height, width), np.float32),
        np.zeros((height, width, 3) if with_albedo else (0, 0, 3), np.float32),
        np.zeros((height, width), np.uint8),
        np.zeros((height, width), np.bool_),
    )


@njit(cache=True, nogil=True)
def _develop(
    index, weights, depth, slopes, triangles, classes, counts, light, uv, uv_triangles,
    skin_texels, skin_levels, strand_texels, strand_levels, samples, exposure, tint,
    colour, alpha, albedo, label, worn,
):  # fmt: skip
    skins, surfaces = uint32(counts[0]), uint32(counts[1])
    share, middle, zero = float32(1.0 / (samples * samples)), samples // 2, float32(0)
    with_albedo = len(tint) > 0
    for row in range(uint32(colour.shape[0])):
        for column in range(uint32(colour.shape[1])):
            red, green, blue, there = zero, zero, zero, zero
            skin_red, skin_green, skin_blue = zero, zero, zero
            for down in range(samples):
                for across in range(samples):
                    y, x = uint32(row * samples + down), uint32(column * samples + across)
                    if index[y, x] < 0:
                        continue
                    t = uint32(index[y, x])
                    if down == middle and across == middle:
                        label[row, column], worn[row, column] = classes[t], t >= surfaces
                    there += share
                    a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
                    wa, wb, wc = weights[y, x, 0], weights[y, x, 1], weights[y, x, 2]
                    lr = wa * light[a, 0] + wb * light[b, 0] + wc * light[c, 0]
                    lg = wa * light[a, 1] + wb * light[b, 1] + wc * light[c, 1]
                    lb = wa * light[a, 2] + wb * light[b, 2] + wc * light[c, 2]
                    if t >= surfaces:
                        red, green, blue = red + lr, green + lg, blue + lb
                        continue
                    ua, ub, uc = uv_triangles[t, 0], uv_triangles[t, 1], uv_triangles[t, 2]
                    xa, xb, xc, ya, yb, yc = weight_slopes(slopes, t, weights, x, y, depth, True)
                    u = wa * uv[ua, 0] + wb * uv[ub, 0] + wc * uv[uc, 0]
                    v = wa * uv[ua, 1] + wb * uv[ub, 1] + wc * uv[uc, 1]
                    ux = xa * uv[ua, 0] + xb * uv[ub, 0] + xc * uv[uc, 0]
                    uy = ya * uv[ua, 0] + yb * uv[ub, 0] + yc * uv[uc, 0]
                    vx = xa * uv[ua, 1] + xb * uv[ub, 1] + xc * uv[uc, 1]
                    vy = ya * uv[ua, 1] + yb * uv[ub, 1] + yc * uv[uc, 1]
                    if t < skins:
                        level, finer = mip_level(skin_levels, ux, uy, vx, vy)
                        texel = trilinear(skin_texels, skin_levels, u, v, level, finer, 0)
                        shine = wa * light[a, 3] + wb * light[b, 3] + wc * light[c, 3]
                        red += texel[0] * lr + shine
                        green += texel[1] * lg + shine
                        blue += texel[2] * lb + shine
                        if with_albedo:
                            skin_red += texel[0]
                            skin_green += texel[1]
                            skin_blue += texel[2]
                    else:
                        level, finer = mip_level(strand_levels, ux, uy, vx, vy)
                        grey = trilinear(strand_texels, strand_levels, u, v, level, finer, 0)[0]
                        red, green, blue = red + grey * lr, green + grey * lg, blue + grey * lb
                        if with_albedo:
                            skin_red += grey * (wa * tint[a, 0] + wb * tint[b, 0] + wc * tint[c, 0])
                            skin_green += grey * (
                                wa * tint[a, 1] + wb * tint[b, 1] + wc * tint[c, 1]
                            )
                            skin_blue += grey * (
                                wa * tint[a, 2] + wb * tint[b, 2] + wc * tint[c, 2]
                            )
            if there == zero:
                continue
            bright = share * exposure
            colour[row, column, 0] = red * bright
            colour[row, column, 1] = green * bright
            colour[row, column, 2] = blue * bright
            alpha[row, column] = there
            if with_albedo:
                albedo[row, column, 0] = skin_red * share
                albedo[row, column, 1] = skin_green * share
                albedo[row, column, 2] = skin_blue * share


@njit(cache=True, nogil=True)
def _look_through(
    index, weights, near, triangles, values, classes, top, left,
    colour, alpha, albedo, depth, label, worn,
):  # fmt: skip
    one = float32(1)
    for row in range(index.shape[0]):
        for column in range(index.shape[1]):
            y, x, t = row + top, column + left, index[row, column]
            if t < 0 or near[row, column] >= depth[y, x]:
                continue
            a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            wa, wb, wc = weights[row, column, 0], weights[row, column, 1], weights[row, column, 2]
            hides = wa * values[a, 6] + wb * values[b, 6] + wc * values[c, 6]
            for k in range(3):
                body = wa * values[a, k] + wb * values[b, k] + wc * values[c, k]
                mirror = wa * values[a, k + 3] + wb * values[b, k + 3] + wc * values[c, k + 3]
                colour[y, x, k] = colour[y, x, k] * (one - hides) + hides * body + mirror
            if hides > float32(0.5):
                depth[y, x], label[y, x], worn[y, x] = near[row, column], classes[t], True
                alpha[y, x] = one
                if albedo.shape[0] > 0:
                    albedo[y, x] = 0


@njit(cache=True, nogil=True)
def _average(colour, alpha, albedo, samples, mean_colour, mean_alpha, mean_albedo):
    share = float32(1.0 / (samples * samples))
    for y in range(uint32(colour.shape[0])):
        for x in range(uint32(colour.shape[1])):
            row, column = uint32(y // samples), uint32(x // samples)
            mean_alpha[row, column] += alpha[y, x] * share
            for k in range(3):
                mean_colour[row, column, k] += colour[y, x, k] * share
                if albedo.shape[0] > 0:
                    mean_albedo[row, column, k] += albedo[y, x, k] * share


@njit(cache=True, nogil=True)
def put_before(colour, alpha, behind):
    """Put a picture (h, w, 3), over nothing, with alpha (h, w), before ``behind``, in place."""
    for row in range(uint32(alpha.shape[0])):
        for column in range(uint32(alpha.shape[1])):
            seen = float32(1) - alpha[row, column]
            for k in range(3):
                behind[row, column, k] = colour[row, column, k] + seen * behind[row, column, k]


def normals_of(
    fragments: Fragments, triangles: np.ndarray, normals: np.ndarray, worn: np.ndarray, samples: int
) -> np.ndarray:
    """Unit normals (h, w, 3) float32 in the middle of every pixel; 0 beside the person, on props.

    normals: (n, 3) float32 of vertices; props need none.
    """
    out = np.zeros((*worn.shape, 3), np.float32)
    _normals(fragments.index, fragments.weights, triangles, normals, worn, samples, out)
    return out


@njit(cache=True, nogil=True)
def _normals(index, weights, triangles, normals, worn, samples, out):
    for row in range(uint32(out.shape[0])):
        for column in range(uint32(out.shape[1])):
            y = uint32(row * samples + samples // 2)
            x = uint32(column * samples + samples // 2)
            if index[y, x] < 0 or worn[row, column]:
                continue
            t, squared = uint32(index[y, x]), float32(0)
            for k in range(3):
                value = float32(0)
                for corner in range(3):
                    value += weights[y, x, corner] * normals[triangles[t, corner], k]
                out[row, column, k] = value
                squared += value * value
            if squared > float32(0):
                out[row, column] *= float32(1) / np.sqrt(squared)


def places_of(
    fragments: Fragments, uv: np.ndarray, uv_triangles: np.ndarray, shown: np.ndarray,
    worn: np.ndarray, samples: int,
) -> np.ndarray:  # fmt: skip
    """uv (h, w, 2) float32 in the middle of every pixel that shows certain triangles, else NaN.

    shown: (m,) bool, which of the first m triangles are.
    """
    out = np.full((*worn.shape, 2), np.nan, np.float32)
    _places(fragments.index, fragments.weights, uv, uv_triangles, shown, worn, samples, out)
    return out


@njit(cache=True, nogil=True)
def _places(index, weights, uv, uv_triangles, shown, worn, samples, out):
    for row in range(out.shape[0]):
        for column in range(out.shape[1]):
            y, x = row * samples + samples // 2, column * samples + samples // 2
            t = index[y, x]
            if t < 0 or t >= len(shown) or not shown[t] or worn[row, column]:
                continue
            for k in range(2):
                value = float32(0)
                for corner in range(3):
                    value += weights[y, x, corner] * uv[uv_triangles[t, corner], k]
                out[row, column, k] = value
