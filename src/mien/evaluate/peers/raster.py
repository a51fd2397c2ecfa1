"""Draw a scene with one renderer and measure its speed; run in the peers' environment.

    python raster.py TOOL SCENE.npz FRAMES

Prints JSON: ``fps`` of drawing alone, and ``covered``, the part of the picture with something in
it; or ``unavailable`` with the reason, and nothing is measured.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from importlib import import_module
from statistics import median

import numpy as np

WARM_UP = 3

Draw = Callable[[], np.ndarray]
"""Draws once; gives (size, size) bool, whether something is there."""


def pyrender(scene: dict[str, np.ndarray]) -> Draw:
    """OpenGL in software (OSMesa): colour of the texture, and depth."""
    os.environ["PYOPENGL_PLATFORM"] = "osmesa"
    package, trimesh = import_module("pyrender"), import_module("trimesh")
    picture = import_module("PIL.Image").fromarray(scene["image"])
    mesh = trimesh.Trimesh(scene["vertices"], scene["triangles"], process=False)
    mesh.visual = trimesh.visual.TextureVisuals(uv=scene["uv"], image=picture)
    pose = np.eye(4)
    pose[2, 3] = scene["distance"]
    size = int(scene["size"])
    stage = package.Scene(bg_color=[0, 0, 0, 0], ambient_light=[1.0, 1.0, 1.0])
    stage.add(package.Mesh.from_trimesh(mesh))
    stage.add(package.PerspectiveCamera(np.radians(float(scene["view"])), znear=10.0), pose=pose)
    renderer = package.OffscreenRenderer(size, size)
    flags = package.RenderFlags.FLAT | package.RenderFlags.SKIP_CULL_FACES
    return lambda: renderer.render(stage, flags)[1] > 0


def trimesh(scene: dict[str, np.ndarray]) -> Draw:
    """A ray per pixel through Embree's tree: the triangle, and the place where it was hit."""
    import_module("embreex")
    package = import_module("trimesh")
    mesh = package.Trimesh(scene["vertices"], scene["triangles"], process=False)
    size = int(scene["size"])
    focal = size / 2 / np.tan(np.radians(float(scene["view"])) / 2)
    row, column = np.indices((size, size)) + 0.5
    rays = np.stack([column - size / 2, size / 2 - row, np.full_like(row, -focal)], -1)
    rays = rays.reshape(-1, 3)
    origins = np.zeros_like(rays)
    origins[:, 2] = scene["distance"]
    caster = import_module("trimesh.ray.ray_pyembree").RayMeshIntersector(mesh)

    def draw() -> np.ndarray:
        _, hit, _ = caster.intersects_id(origins, rays, multiple_hits=False, return_locations=True)
        covered = np.zeros(size * size, bool)
        covered[hit] = True
        return covered

    return draw


TOOLS = {tool.__name__: tool for tool in (pyrender, trimesh)}


def measure(draw: Draw, frames: int) -> dict[str, float]:
    """Frames per second, by the median, and what is covered."""
    covered = float(draw().mean())
    seconds = []
    for _ in range(WARM_UP + frames):
        start = time.perf_counter()
        draw()
        seconds.append(time.perf_counter() - start)
    return {"fps": 1 / median(seconds[WARM_UP:]), "covered": covered}


def main(tool: str, file: str, frames: str) -> None:
    """Measure a tool and print what came out."""
    with np.load(file) as scene:
        parts = {name: scene[name] for name in scene.files}
    try:
        draw = TOOLS[tool](parts)
    except (ImportError, AttributeError, OSError) as error:  # no package, or no OSMesa under it
        print(json.dumps({"unavailable": f"{type(error).__name__}: {error}"}))
    else:
        print(json.dumps(measure(draw, int(frames))))


if __name__ == "__main__":
    main(*sys.argv[1:])
