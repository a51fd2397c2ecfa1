"""Light on props, the shadows they throw, and where in a picture they are."""

from typing import TYPE_CHECKING

import numpy as np
from numba import float32, njit

from mien.head.camera import Camera
from mien.head.shading import HARMONICS, vertex_normals
from mien.world.occluders.mesh import Prop
from mien.world.occlusion import ABOVE, lit

if TYPE_CHECKING:  # a scene may hold occluders
    from mien.world.scene import Lighting


SKY, GROUND_LIGHT = 1.25, 0.22  # what mirrors show above and below the horizon, of the light


def lit_colours(
    prop: Prop, camera: Camera, light: "Lighting", exposure: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """The colours (n, 3) of a prop's vertices in a light, and what they mirror (n, 3)."""
    rotation = np.asarray(camera.rotation, np.float32)
    seen = prop.vertices @ rotation.T + np.asarray(camera.translation, np.float32)
    normals = vertex_normals(prop.vertices, prop.triangles) @ rotation.T
    out = np.empty((2, len(seen), 3), np.float32)
    _light(
        seen, normals, camera.perspective, prop.colours, prop.alpha, prop.gloss, prop.mirror,
        np.asarray(light.around * np.array(HARMONICS)[:, None], np.float32),
        np.asarray(light.lamp, np.float32), np.float32(light.strength),
        np.asarray(light.colour, np.float32), np.float32(light.around[0].mean() * 0.282), out,
    )  # fmt: skip
    out *= np.float32(exposure)
    return out[0], out[1]


@njit(cache=True, nogil=True)
def _light(
    seen, normals, perspective, colours, alpha, gloss, mirror, harmonics, lamp, strength, colour,
    bright, out,
):  # fmt: skip
    """Colour and what is mirrored, (2, n, 3), of vertices seen at places (n, 3)."""
    zero, one = float32(0), float32(1)
    for i in range(len(seen)):
        vx, vy, vz = _unit(-seen[i, 0], -seen[i, 1], -seen[i, 2])
        if not perspective:
            vx, vy, vz = zero, zero, one
        nx, ny, nz = normals[i, 0], normals[i, 1], normals[i, 2]
        facing = nx * vx + ny * vy + nz * vz
        if facing < 0:  # both sides are lit
            nx, ny, nz, facing = -nx, -ny, -nz, -facing
        direct = strength * max(nx * lamp[0] + ny * lamp[1] + nz * lamp[2], zero)
        hx, hy, hz = _unit(vx + lamp[0], vy + lamp[1], vz + lamp[2])
        halfway = max(nx * hx + ny * hy + nz * hz, zero)
        two = float32(2) * facing
        mx, my, mz = two * nx - vx, two * ny - vy, two * nz - vz
        t = min(max((my - float32(0.02)) / float32(0.3), zero), one)
        around = float32(GROUND_LIGHT) + float32(SKY - GROUND_LIGHT) * t * t * (3 * one - 2 * t)
        spot = max(mx * lamp[0] + my * lamp[1] + mz * lamp[2], zero) ** float32(60)
        around += float32(2.5) * strength * spot
        shine = float32(0.25) * gloss[i] * strength * halfway ** float32(40)
        mirrored = mirror[i] * around * bright + shine
        most = max(colours[i, 0], colours[i, 1], colours[i, 2], float32(1e-3))
        metal = mirror[i] > 0.2 and alpha[i] >= 1  # which colours what it mirrors
        for k in range(3):
            sky = (
                harmonics[0, k] + ny * harmonics[1, k] + nz * harmonics[2, k]
                + nx * harmonics[3, k] + nx * ny * harmonics[4, k] + ny * nz * harmonics[5, k]
                + (3 * nz * nz - one) * harmonics[6, k] + nx * nz * harmonics[7, k]
                + (nx * nx - ny * ny) * harmonics[8, k]
            )  # fmt: skip
            received = float32(0.85) * max(sky, float32(0.12)) + direct * colour[k]
            out[0, i, k] = colours[i, k] * received * (one - mirror[i])
            out[1, i, k] = mirrored * (colours[i, k] / most if metal else one)


@njit(cache=True, nogil=True)
def _unit(x, y, z):
    over = float32(1) / np.sqrt(max(x * x + y * y + z * z, float32(1e-18)))
    return x * over, y * over, z * over


SIDES = np.array([
    (0, 0.15, 1), (0, 0.9, 0.5), (0, -0.7, 0.7), (0.7, 0.5, 0.5), (-0.7, 0.5, 0.5),
    (0.8, -0.2, 0.5), (-0.8, -0.2, 0.5),
])  # fmt: skip
"""Directions from which light around a face comes."""
TEXELS = 112  # of the picture of what is in the way, from each side: coarse, so shadows are soft


def contact_shadow(prop: Prop, head: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """The part (V,) float32 0..1 of the light around that a prop leaves to a head's vertices.

    head: (V, 3) mm, posed. normals: (V, 3) of it.
    """
    vertices, triangles = np.concatenate([head, prop.vertices]), prop.triangles[prop.dark]
    triangles = triangles + np.int32(len(head))
    free, total = np.full(len(head), 1e-3, np.float32), np.full(len(head), 1e-3, np.float32)
    for side in SIDES / np.linalg.norm(SIDES, axis=1, keepdims=True):
        faces = np.maximum(normals @ side.astype(np.float32), 0)
        faces *= np.float32(0.3 + max(side @ ABOVE, 0.0))
        free += faces * lit(vertices, triangles, side, TEXELS, len(head))
        total += faces
    return free / total


def box_of(placed: np.ndarray, shape: tuple[int, ...]) -> tuple[slice, slice] | None:
    """The rows and columns of a picture that a mesh may cover."""
    low = np.floor(placed[:, :2].min(0)).astype(int).clip(0)
    high = np.minimum(np.ceil(placed[:, :2].max(0)).astype(int) + 1, shape[1::-1])
    if (high <= low).any():
        return None
    return slice(low[1], high[1]), slice(low[0], high[0])
