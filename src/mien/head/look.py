"""Draw a textured head: all materials at once, lit, with soft edges."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from mien.head import lighting
from mien.head.camera import Camera, Perspective, moved
from mien.head.colour import to_linear, to_srgb
from mien.head.export import FLAT
from mien.head.model import MATERIALS, HeadModel, rotations
from mien.head.raster import interpolate, paint, rasterize
from mien.head.shading import HARMONICS, Texture, box_filter, vertex_normals

SIDE = 1024  # texels of the face and of the back of the head; other materials have a quarter
GUTTERS = 32  # how often the space around each goes into it; so the mip-map mixes no two of them
GROUND = (236, 236, 240)  # sRGB behind a head that is shown alone
VIEW = 21.0  # degrees that a camera of :func:`portrait_camera` sees from top to bottom


@dataclass(frozen=True, slots=True, eq=False)
class Skin:
    """All textures of a head in one picture.

    texture: linear albedo. uv (U, 2) and uv_triangles (T, 3): where the head's triangles are in it.
    """

    texture: Texture
    uv: np.ndarray
    uv_triangles: np.ndarray

    @classmethod
    def of(cls, model: HeadModel, textures: Mapping[str, np.ndarray], side: int = SIDE) -> "Skin":
        """Put textures (h, w, 3) together, uint8 sRGB or float32 linear.

        Materials without one get a flat colour. ``side``: texels of the large ones.
        """
        layout = _layout(model, side)
        atlas = np.zeros((*layout.shape, 3), np.float32)
        for material, (top, left, size, gutter) in layout.places.items():
            image = textures.get(material, np.full((1, 1, 3), FLAT[material], np.uint8))
            linear = to_linear(image) if image.dtype == np.uint8 else image
            if linear.shape[:2] != (size, size):
                way = cv2.INTER_AREA if image.shape[0] > size else cv2.INTER_LINEAR
                linear = cv2.resize(linear, (size, size), interpolation=way)
            whole = size + 2 * gutter
            atlas[top : top + whole, left : left + whole] = cv2.copyMakeBorder(
                linear, gutter, gutter, gutter, gutter, cv2.BORDER_REPLICATE
            )
        return cls(Texture(atlas), layout.uv, layout.uv_triangles)


@dataclass(frozen=True, slots=True, eq=False)
class _Layout:
    """Where an atlas has what. shape: rows and columns. places: top, left, size, gutter."""

    shape: tuple[int, int]
    places: dict[str, tuple[int, int, int, int]]
    uv: np.ndarray
    uv_triangles: np.ndarray


@lru_cache(maxsize=4)
def _layout(model: HeadModel, side: int) -> _Layout:
    small, gutter = side // 4, max(1, side // GUTTERS)
    height, width = side + small + 4 * gutter, 2 * side + 4 * gutter
    places, uv, corners = {}, [], np.empty_like(model.uv_triangles)
    for number, material in enumerate(MATERIALS):
        large = material in ("face", "back")
        size, top = (side, 0) if large else (small, side + 2 * gutter)
        whole = size + 2 * gutter
        left = whole * (number if large else number - 2)
        places[material] = (top, left, size, gutter)
        uv.append((model.uv * size + [left + gutter, height - top - whole + gutter])
                  / [width, height])  # fmt: skip
        mine = model.material == number
        corners[mine] = model.uv_triangles[mine] + number * len(model.uv)
    return _Layout((height, width), places, np.concatenate(uv).astype(np.float32), corners)


def draw(
    vertices: np.ndarray,
    model: HeadModel,
    skin: Skin,
    camera: Camera,
    light: np.ndarray,
    size: tuple[int, int],
    *,
    behind: np.ndarray | None = None,
    samples: int = 2,
    threads: int = 1,
) -> np.ndarray:
    """A head as a picture (h, w, 3) uint8 sRGB.

    Args:
        vertices: (V, 3) mm. light: (9, 3) in the camera's axes, as of :mod:`mien.head.lighting`.
        size: width and height in pixels. behind: (h, w, 3) uint8 sRGB; a plain ground by default.
        samples: along each side of a pixel. threads: the picture is the same for any number.
    """
    width, height = size
    placed = camera.project(vertices) * (samples, samples, 1)
    fragments = rasterize(
        placed, model.triangles, width * samples, height * samples,
        perspective=camera.perspective, threads=threads,
    )  # fmt: skip
    colour = paint(skin.texture, skin.uv, skin.uv_triangles, fragments, threads=threads)
    normals = vertex_normals(vertices, model.triangles) @ np.asarray(camera.rotation, np.float32).T
    lit = np.maximum(lighting.harmonics(normals) @ light, lighting.DARKEST)
    colour *= interpolate(lit, model.triangles, fragments, threads=threads)
    alpha = box_filter(fragments.covered[..., None].astype(np.float32), samples)
    ground = to_linear(np.array(GROUND, np.uint8) if behind is None else behind)
    return to_srgb(box_filter(colour, samples) + (1 - alpha) * ground)


def portrait_camera(yaw: float, pitch: float, size: tuple[int, int]) -> Perspective:
    """A camera that sees the whole head at these angles, degrees as in ``mien.face.Pose``."""
    camera = Perspective.of_view(VIEW, *size)
    turned = moved(camera, rotations(yaw, pitch), np.array([0.0, 2.0, 0.0]))
    assert isinstance(turned, Perspective)
    return turned


def studio_light() -> np.ndarray:
    """Light (9, 3) as of a bright sky in front and above."""
    light = np.zeros((9, 3), np.float32)
    light[:3] = np.array([0.85, 0.35, 0.45])[:, None] / HARMONICS[0]
    light[1:3] *= HARMONICS[0] / HARMONICS[1] * 0.6
    return light
