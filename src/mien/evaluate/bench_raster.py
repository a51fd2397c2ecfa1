"""``mien bench raster``: speed of the rasteriser, side by side with other renderers.

mien and the peers draw the same meshes with the same camera into 512 x 512 pixels, in the same run,
each in a process of its own, ``REPEATS`` times in alternating order; medians count. Once with all
cores, once with a single one.

- mien projects, finds index and depth, and draws normals and a texture with mip-map, all anew in
  every frame, as for a face that moves.
- The peers keep the mesh where they prepared it: uploaded (pyrender) or in its search tree (trimesh
  on Embree); only drawing counts.

    python -m mien.evaluate.bench_raster SCENE.npz THREADS

measures mien alone and prints JSON.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from mien.errors import MienError
from mien.evaluate import bench, report
from mien.evaluate import peers as side
from mien.head.camera import Perspective
from mien.head.raster import Picture, render
from mien.head.shading import Texture
from mien.hub.store import home

PROTOCOL = "speed-raster/1"
SIZE = 512  # pixels
RINGS = 100  # of the sphere: 20 000 triangles
VIEW = 16.0  # degrees from top to bottom
DISTANCE = 1000.0  # mm
HEAD_VERTICES = 11248  # of ICT FaceKit: face, head and neck
REPEATS = 3
WARM_UP, FRAMES = 3, 30
GIVES = {
    "mien": "depth, index, weights, normals, texture",
    "pyrender": "depth, texture",
    "trimesh": "index, place",
}
# Each by itself: what cannot be installed is left out, with the reason. pyrender asks for a
# PyOpenGL that lacks OSMesa contexts, and for numpy 1 without saying so.
REQUIREMENTS = {
    "trimesh": [["numpy<2", "trimesh", "embreex"]],
    "pyrender": [
        [
            "numpy<2",
            "trimesh",
            "PyOpenGL>=3.1.7",
            "pyglet<2",
            "freetype-py",
            "imageio",
            "networkx",
            "six",
        ],
        ["--no-deps", "pyrender==0.1.45"],
    ],
}


def raster(
    peers: bool = True,
    out: Path | None = None,
    peers_env: Path | None = None,
) -> None:
    """Measure, print, and write the result as JSON.

    peers: without, mien runs alone.

    Raises MienError when mien or the peers' environment fails.
    """
    python, missing = (
        _environment(peers_env or home() / "peers-raster-env") if peers else (None, {})
    )
    busy = os.getloadavg()[0]
    cores = {"all": os.sched_getaffinity(0), "one": {max(os.sched_getaffinity(0))}}
    with tempfile.TemporaryDirectory() as folder:
        files = {name: _write(Path(folder) / f"{name}.npz", *mesh) for name, mesh in meshes()}
        results = {
            "size": SIZE,
            "repeats": REPEATS,
            "load_before": busy,
            "gives": GIVES,
            "numba": metadata.version("numba"),
            "peers": _versions(python) if python else None,
            "scenes": {
                name: {
                    "triangles": len(np.load(file)["triangles"]),
                    "cores": {
                        which: _compare(file, python, missing, cpus)
                        for which, cpus in cores.items()
                    },
                }
                for name, file in files.items()
            },
        }
        data = {name: report.fingerprint([file]) for name, file in files.items()}
    report.finish(PROTOCOL, data, results, out)


Mesh = tuple[np.ndarray, np.ndarray, np.ndarray]


def meshes() -> list[tuple[str, Mesh]]:
    """Names, and vertices (n, 3) in mm, triangles (m, 3) and uv (n, 2) of what is drawn.

    A sphere, and where the labelled data is there the head of ICT FaceKit.
    """
    data = Path(os.environ.get("MIEN_SHARED") or "../shared") / "data" / "ict_facekit.npz"
    made = [("sphere", sphere(RINGS))]
    if data.is_file():
        made.append(("head", _head(data)))
    return made


def sphere(rings: int, radius: float = 100.0) -> Mesh:
    """A sphere of ``2 * rings**2`` triangles, those at the poles without area."""
    polar, turn = np.meshgrid(
        *(np.linspace(0, end, rings + 1) for end in (np.pi, 2 * np.pi)), indexing="ij"
    )
    points = [np.sin(polar) * np.sin(turn), np.cos(polar), np.sin(polar) * np.cos(turn)]
    uv = np.stack([turn / (2 * np.pi), 1 - polar / np.pi], -1).reshape(-1, 2)
    corner = np.arange(rings)[:, None] * (rings + 1) + np.arange(rings)
    a, b, c, d = (corner + step for step in (0, rings + 1, rings + 2, 1))
    triangles = np.concatenate([np.stack(t, -1).reshape(-1, 3) for t in ((a, b, c), (a, c, d))])
    return radius * np.stack(points, -1).reshape(-1, 3), triangles, uv


def _head(file: Path) -> Mesh:
    """Face, head and neck; uv by vertex, a seam does not matter here."""
    with np.load(file) as parts:
        vertices, uv = parts["vertices"] * 10.0, parts["uv"]
        quads, quads_uv = parts["faces"], parts["faces_uv"]
    kept = (quads < HEAD_VERTICES).all(1)
    quads, quads_uv = quads[kept], quads_uv[kept]
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    triangles = triangles[(triangles >= 0).all(1)]
    by_vertex = np.zeros((HEAD_VERTICES, 2))
    real = (quads >= 0) & (quads_uv >= 0)
    by_vertex[quads[real]] = uv[quads_uv[real]]
    return vertices[:HEAD_VERTICES] - vertices[:HEAD_VERTICES].mean(0), triangles, by_vertex


def _write(file: Path, vertices: np.ndarray, triangles: np.ndarray, uv: np.ndarray) -> Path:
    """A scene for mien and the peers: mesh, camera and a texture of 1024 x 1024 squares."""
    row, column = np.indices((1024, 1024))
    squares = ((row // 16 + column // 16) % 2) * 200 + 30
    image = np.stack([squares, column // 4, row // 4], -1).astype(np.uint8)
    np.savez(
        file, vertices=vertices, triangles=triangles.astype(np.int32), uv=uv, image=image,
        size=SIZE, view=VIEW, distance=DISTANCE,
    )  # fmt: skip
    return file


def _environment(folder: Path) -> tuple[Path, dict[str, str]]:
    """The peers' Python, made where it is not there, and why peers are not in it."""
    python = folder / "bin" / "python"
    if not python.exists():
        print(f"Making {folder} with {', '.join(REQUIREMENTS)}.", file=sys.stderr)
        if reason := _failure([sys.executable, "-m", "venv", str(folder)]):
            raise MienError(f"{folder}: cannot be made: {reason}; leave it out with --no-peers")
    missing, present = {}, _versions(python)
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for name, steps in REQUIREMENTS.items():
        if name not in present or (name == "trimesh" and "embreex" not in present):
            reasons = (_failure([*install, "--only-binary", ":all:", *step]) for step in steps)
            if reason := next(filter(None, reasons), ""):
                missing[name] = f"cannot be installed: {reason}"
    return python, missing


def _failure(command: list[str]) -> str:
    """Last words of a command that fails, else nothing."""
    done = subprocess.run(command, capture_output=True, text=True)
    words = (done.stderr or done.stdout).strip().splitlines()
    return (words[-1] if words else "no message") if done.returncode else ""


def _versions(python: Path) -> dict[str, str]:
    script = (
        "import importlib.metadata as m, json;"
        "print(json.dumps({d.metadata['Name']: d.version for d in m.distributions()}))"
    )
    try:
        done = subprocess.run([python, "-c", script], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise MienError(f"{python}: cannot be run: {error}") from error
    return json.loads(done.stdout)


def _compare(
    file: Path, python: Path | None, missing: dict[str, str], cpus: set[int]
) -> dict[str, Any]:
    """Medians of each tool on these processors, and mien's speed / that of each peer."""
    commands = {"mien": [sys.executable, "-m", "mien.evaluate.bench_raster", file, len(cpus)]}
    if python:
        script = side.SCRIPTS / "raster.py"
        for name in REQUIREMENTS:
            if name not in missing:
                commands[name] = [python, script, name, file, FRAMES]
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in commands}
    unavailable = dict(missing)
    with bench.on(cpus):
        for repeat in range(REPEATS):
            for name in list(commands)[:: -1 if repeat % 2 else 1]:
                if name not in unavailable:
                    done = json.loads(bench.run([str(part) for part in commands[name]]).said)
                    if "unavailable" in done:
                        unavailable[name] = done["unavailable"]
                    else:
                        runs[name].append(done)
    tools = {
        name: {key: median(run[key] for run in some) for key in some[0]}
        for name, some in runs.items()
        if some
    }
    return {
        "count": len(cpus),
        "tools": tools,
        "unavailable": unavailable,
        "mien_to_peer": {
            name: tools["mien"]["fps"] / tool["fps"]
            for name, tool in tools.items()
            if name != "mien"
        },
    }


def measure(file: str, threads: str) -> dict[str, float]:
    """Frames per second of :func:`mien.head.raster.render`, and the part of the picture covered."""
    with np.load(file) as scene:
        parts = {name: scene[name] for name in scene.files}
    texture, size = Texture(parts["image"]), int(parts["size"])
    camera = Perspective.of_view(
        float(parts["view"]), size, size, translation=np.array([0, 0, -float(parts["distance"])])
    )

    def draw() -> Picture:
        return render(
            parts["vertices"], parts["triangles"], camera, size, size, texture=texture,
            uv=parts["uv"], threads=int(threads),
        )  # fmt: skip

    covered = float(draw().alpha.mean())
    seconds = []
    for _ in range(WARM_UP + FRAMES):
        start = time.perf_counter()
        draw()
        seconds.append(time.perf_counter() - start)
    return {"fps": 1 / median(seconds[WARM_UP:]), "covered": covered}


if __name__ == "__main__":
    print(json.dumps(measure(*sys.argv[1:])))
