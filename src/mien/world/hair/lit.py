"""Light on hair: the model of Kajiya and Kay with the two highlights of Marschner et al."""

import numpy as np
from numba import float32, njit

from mien.head.lighting import DARKEST
from mien.head.shading import Light
from mien.head.shading import shade as surface_light
from mien.world.hair.ribbons import Hair
from mien.world.hair.vectors import unit


def shade(
    hair: Hair,
    tangents: np.ndarray,
    normals: np.ndarray,
    light: np.ndarray,
    rotation: np.ndarray,
    lamp: Light | None = None,
) -> np.ndarray:
    """Linear colours (n, 3) float32 of hair's vertices.

    Args:
        tangents, normals: (n, 3) as of :func:`follow`.
        light: (9, 3) in the camera's axes, as of :mod:`mien.head.lighting`.
        rotation: (3, 3), the camera's. lamp: its direction and colour are added; camera's axes.
    """
    light = np.asarray(light, np.float32)
    sun, strength = _main_direction(light)
    towards, colour = np.zeros(3, np.float32), np.zeros(3, np.float32)
    if lamp is not None and lamp.direction is not None and lamp.colour is not None:
        towards = unit(np.asarray(lamp.direction, np.float32))
        colour = np.asarray(lamp.colour, np.float32)
    # The two sides of a ribbon share all but their place.
    turn = np.asarray(rotation, np.float32).T
    along, facing = tangents[::2] @ turn, normals[::2] @ turn
    out = np.empty_like(hair.albedo)
    _shade(
        along, facing, surface_light(facing, Light(light)), hair.albedo, hair.openness,
        np.stack([sun, towards]), np.stack([strength, colour]).astype(np.float32), out,
    )  # fmt: skip
    return out


GLOSS, TINTED = 0.05, 0.7  # of the white highlight; of the coloured one, times the albedo


@njit(cache=True, nogil=True)
def _shade(along, facing, around, albedo, openness, lamps, colours, out):
    """Colours (2 n, 3) of ribbons at n points; lamps (2, 3): where most of the sky's light comes
    from, which only shines, and a lamp, which also lights."""
    zero, one = float32(0), float32(1)
    half = np.empty((2, 3), np.float32)
    for number in range(2):
        half[number] = lamps[number]
        half[number, 2] += one
        half[number] /= np.sqrt((half[number] * half[number]).sum())
    for i in range(len(along)):
        tx, ty, tz = along[i, 0], along[i, 1], along[i, 2]
        nx, ny, nz = facing[i, 0], facing[i, 1], facing[i, 2]
        free = openness[2 * i]
        across = tx * lamps[1, 0] + ty * lamps[1, 1] + tz * lamps[1, 2]
        towards = nx * lamps[1, 0] + ny * lamps[1, 1] + nz * lamps[1, 2]
        direct = min(max(float32(0.35) + float32(0.65) * towards, zero), one)
        direct *= np.sqrt(max(one - across * across, zero)) * (float32(0.1) + float32(0.9) * free)
        shining = free * np.sqrt(free)
        first = _lobes(tx, ty, tz, nx, ny, nz, lamps[0], half[0])
        second = _lobes(tx, ty, tz, nx, ny, nz, lamps[1], half[1])
        for k in range(3):
            own = albedo[2 * i, k]
            sky = max(around[i, k], float32(DARKEST)) * (float32(0.12) + float32(0.78) * shining)
            white = first[0] * colours[0, k] + second[0] * colours[1, k]
            tinted = first[1] * colours[0, k] + second[1] * colours[1, k]
            gloss = float32(GLOSS) * white + float32(TINTED) * own * tinted
            value = own * (sky + direct * colours[1, k]) + shining * gloss
            out[2 * i, k], out[2 * i + 1, k] = value, value


def _main_direction(light: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where most light (9, 3) comes from, unit (3,), and how much more (3,) than from around."""
    towards = light[[3, 1, 2]] @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    towards = towards + np.array([0, 0.02, 0.05], np.float32)
    towards = unit(towards)
    return towards, np.maximum(towards @ light[[3, 1, 2]], 0) * 0.4886


@njit(cache=True, nogil=True)
def _lobes(tx, ty, tz, nx, ny, nz, lamp, half):
    """Highlights: a white one shifted to the root, a wider coloured one to the tip."""
    seen = nx * lamp[0] + ny * lamp[1] + nz * lamp[2] + float32(0.15)
    seen = min(max(seen, float32(0)), float32(1))
    to_root = _sine_squared(tx, ty, tz, nx, ny, nz, half, float32(-0.12))
    to_tip = _sine_squared(tx, ty, tz, nx, ny, nz, half, float32(0.18))
    narrow = to_root * to_root  # to the 35th: the sine to the 70th
    narrow = narrow * narrow * narrow * narrow
    narrow = narrow * narrow * narrow * narrow * to_root * to_root * to_root
    wide = to_tip * to_tip  # to the 9th
    wide = wide * wide * wide * wide * to_tip
    return seen * narrow, seen * wide


@njit(cache=True, nogil=True)
def _sine_squared(tx, ty, tz, nx, ny, nz, half, shift):
    """Of the angle between a strand, tilted by a shift, and the direction halfway to the viewer."""
    x, y, z = tx + shift * nx, ty + shift * ny, tz + shift * nz
    cosine = x * half[0] + y * half[1] + z * half[2]
    return max(float32(1) - cosine * cosine / (x * x + y * y + z * z), float32(0))
