"""Face paint: patterns that hide where a face is."""

import numpy as np

from mien import face
from mien.head.texture import smoothstep
from mien.world.makeup.facemap import FaceMap, between, stroke
from mien.world.makeup.wear import Makeup


def pattern(makeup: Makeup, size: int) -> np.ndarray:
    """Coats (k, size, size) 0..1, one per colour, later ones over earlier ones."""
    here = FaceMap.of(size)
    rng = np.random.default_rng(makeup.seed)
    oval = here.filled(here.points[face.FACE_OVAL], 1.5) * (here.skin + here.lips).clip(0, 1)
    middle, eyes = here.points[4], here.points[[33, 263]]
    x, y = here.x - middle[0] + 0 * here.y, here.y - middle[1] + 0 * here.x
    wave = 3 * np.sin(x / 9 + rng.uniform(0, 6))
    count = len(makeup.paint_colours)
    if makeup.pattern == "stripes":  # of warriors and sportsmen, on the cheeks
        coats = [between(np.abs(x), 22, 58, 2) * between(y + wave / 3, -14 + 9 * i, -9 + 9 * i, 1)
                 for i in range(count)]  # fmt: skip
    elif makeup.pattern == "bands":  # a flag's
        step = 150 / count
        coats = [between(x, -75 + step * i, -75 + step * (i + 1), 1) for i in range(count)]
    elif makeup.pattern == "halves":
        coats = [between(x, 0, 200, 1), between(x, -200, 0, 1)]
    elif makeup.pattern == "dots":
        coats = [_dots(here, rng, 26) for _ in range(count)]
    elif makeup.pattern == "tiger":
        ground = np.ones_like(x) * smoothstep((np.abs(x) + np.abs(y) * 0.4 - 12) / 20)
        bent = np.sin((y + 0.35 * np.abs(x) + 2 * wave) / 4.2)
        coats = [0.9 * ground, smoothstep((bent - 0.45) / 0.2) * smoothstep((np.abs(x) - 26) / 8)]
    elif makeup.pattern == "mask":  # a bar over the eyes
        coats = [between(y, eyes[0, 1] - middle[1] - 20, eyes[0, 1] - middle[1] + 13, 1.5)]
    elif makeup.pattern == "hearts":
        coats = [_heart(x - 38 * side, y + 4, 9.0) for side in (-1, 1)][:count]
    elif makeup.pattern == "dazzle":
        coats = [_bars(x, y, rng) for _ in range(count)]
    else:
        coats = [np.zeros_like(x)]
    return (np.stack(coats) * oval).astype(np.float32)


def _dots(here: FaceMap, rng: np.random.Generator, count: int) -> np.ndarray:
    centre = here.points[4]
    out = np.zeros((here.size, here.size), np.float32)
    for place in centre + rng.normal(0, 1, (count, 2)) * (38, 40):
        width = rng.uniform(3, 8)
        box = here.around(place, width / 2 + 0.5)
        away = np.hypot(here.x[:, box[1]] - place[0], here.y[box[0]] - place[1])
        out[box] = np.maximum(out[box], stroke(away, width))
    return out


def _bars(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    angle, width, phase = rng.uniform(0, np.pi), rng.uniform(5, 11), rng.uniform(0, 6)
    across = x * np.cos(angle) + y * np.sin(angle)
    return smoothstep((np.sin(across / width + phase) - 0.3) / 0.1)


def _heart(x: np.ndarray, y: np.ndarray, reach: float) -> np.ndarray:
    x, y = x / reach, -y / reach
    return smoothstep(0.5 - ((x * x + y * y - 0.6) ** 3 - x * x * y**3) / 0.05)
