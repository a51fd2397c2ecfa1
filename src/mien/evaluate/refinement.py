"""What photometric refinement changes, on pictures of known heads and on portraits.

Known heads (:mod:`mien.evaluate.known_heads`) are drawn under random light, fitted to noisy
landmarks with the focal length known, and refined. The skin is

- ``model``: of the statistical albedo itself. Refinement knows all skins that there are.
- ``portrait``: unwrapped from held-back portraits, with pores, moles, beards and what light the
  separation left on it. That is what photos are like.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mien.data.portraits import Portraits
from mien.evaluate import report
from mien.evaluate.known_heads import (
    OTHERS,
    SIZE,
    KnownHead,
    face_vertices,
    interval,
    known_heads,
    surface_error,
    turned_by,
)
from mien.find.geometry import box_of
from mien.head.albedo import AlbedoModel
from mien.head.camera import Perspective
from mien.head.capture import BROWN, IVORY, PINK, SIDE, WHITE, capture
from mien.head.colour import to_linear, to_srgb
from mien.head.fit import Fitter, HeadFit
from mien.head.model import MATERIALS, HeadModel
from mien.head.raster import interpolate, paint, rasterize
from mien.head.refine import picture_error, refine
from mien.head.shading import AMBIENT, HARMONICS, Light, Texture, box_filter, shade, vertex_normals

HEADS, PORTRAITS = 40, 10
SEED = 3
NOISES = (0.005, 0.015)  # of the face's size
SAMPLES = 2  # along each side of a pixel
BAND1, BAND2 = 0.35, 0.12  # deviations of irradiance by the harmonics, the mean is 1
TINT = 0.08  # deviation of the logarithm of a channel's light
GRAIN = 0.01  # deviation of a pixel, sRGB 0..1

Refine = Callable[[np.ndarray, HeadFit, HeadModel, np.ndarray], HeadFit]


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """A known head's picture (s, s, 3) uint8, its landmarks (478, 2) without noise, its number."""

    head: KnownHead
    picture: np.ndarray
    landmarks: np.ndarray
    number: int

    def noisy(self, noise: float) -> np.ndarray:
        """The landmarks with noise, in parts of the face's size."""
        box = box_of(self.landmarks)
        rng = np.random.default_rng([SEED, 1, self.number])
        return self.landmarks + rng.normal(0, noise * (box[2:] - box[:2]).max(), (478, 2))


def measure(
    portraits: Portraits | None = None, limit: int | None = None, way: Refine | None = None
) -> dict[str, Any]:
    """Errors before and after, by skin and noise of landmarks; and on portraits, where given.

    portraits: the held-back ones give skins and pictures. limit: so many heads and portraits only.
    way: refines; :func:`mien.head.refine.refine` by default.
    """
    model, way = HeadModel.bundled(), way or _refine
    heads = known_heads(model, min(HEADS, limit or HEADS), SEED)
    skins = {"model": model_skins(len(heads))}
    if portraits is not None:
        chosen = np.flatnonzero(portraits.test)[: len(heads)]
        skins["portrait"] = portrait_skins(portraits, chosen, model)
    known = {
        f"{skin} skin": known_errors(list(drawings(model, heads, textures)), model, way)
        for skin, textures in skins.items()
    }
    result: dict[str, Any] = {"heads": len(heads), "seed": SEED, "known": known}
    if portraits is not None:
        chosen = np.flatnonzero(portraits.test)[: min(PORTRAITS, limit or PORTRAITS)]
        result["portraits"] = portrait_errors(portraits, chosen, model, way)
    return result


def main(data: Path, out: Path | None = None, limit: int | None = None) -> None:
    """Measure, print, and write the result as JSON.

    data: folder with ``portraits``. limit: so many heads and portraits only.
    """
    portraits = Portraits.load(data / "portraits")
    labels = report.fingerprint([data / "portraits" / "labels.npz"])
    report.finish(
        "refinement/1", {"portraits": labels, "limit": limit}, measure(portraits, limit), out
    )


def _refine(image: np.ndarray, fit: HeadFit, model: HeadModel, landmarks: np.ndarray) -> HeadFit:
    return refine(image, fit, model, landmarks=landmarks)


# -- pictures of known heads -----------------------------------------------------------------------


def model_skins(count: int) -> Iterator[np.ndarray]:
    """Random linear albedos of the statistical model."""
    statistics = AlbedoModel.bundled()
    for number in range(count):
        rng = np.random.default_rng([SEED, 2, number])
        yield statistics.texture(rng.normal(0, 1, len(statistics.basis)).clip(-2.5, 2.5))


def portrait_skins(
    portraits: Portraits, chosen: np.ndarray, model: HeadModel
) -> Iterator[np.ndarray]:
    """The linear albedos of portraits."""
    fitter = Fitter(model)
    for index in chosen:
        image = portraits.image(int(index))
        fit = fitter.fit(portraits.landmarks[index] * len(image), image.shape[1::-1])
        texture = to_linear(capture(image, fit, model).textures["face"])
        yield cv2.resize(texture, (SIDE // 2, SIDE // 2), interpolation=cv2.INTER_AREA)


def drawings(
    model: HeadModel, heads: list[KnownHead], textures: Iterator[np.ndarray]
) -> Iterator[Drawn]:
    """The heads' pictures, each in its skin, before a plain background."""
    for number, (head, texture) in enumerate(zip(heads, textures, strict=True)):
        vertices = model.vertices(head.identity, head.expression, head.gaze)
        rng = np.random.default_rng([SEED, 3, number])
        picture = draw(model, head.camera, vertices, texture, SIZE, rng)
        landmarks = head.camera.project(model.landmarks(vertices))[:, :2]
        yield Drawn(head, picture, landmarks, number)


def draw(
    model: HeadModel,
    camera: Perspective,
    vertices: np.ndarray,
    texture: np.ndarray,
    size: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """A picture (size, size, 3) uint8 sRGB of a head in albedo (t, t, 3), linear, random light."""
    side = size * SAMPLES
    placed = camera.project(vertices) * (SAMPLES, SAMPLES, 1)
    fragments = rasterize(placed, model.triangles, side, side, perspective=True)
    skin = np.median(texture, (0, 1))
    plain = {"mouth": PINK, "teeth": IVORY, "sclera": WHITE, "iris": BROWN, "pupil": BROWN / 8}
    table = np.array([plain.get(material, skin) for material in MATERIALS], np.float32)
    material = model.material[fragments.index]
    face = paint(Texture(texture), model.uv, model.uv_triangles, fragments)
    on_face = (material == MATERIALS.index("face"))[..., None]
    albedo = np.where(on_face, face, table[material])
    normals = vertex_normals(vertices, model.triangles) @ np.asarray(camera.rotation).T.astype(
        np.float32
    )
    normals = interpolate(normals, model.triangles, fragments, unit=True)
    lit = albedo * shade(normals, random_light(rng)).clip(0)
    picture = np.where(fragments.covered[..., None], lit, rng.random(3))
    picture = to_srgb(box_filter(picture, SAMPLES)) + rng.normal(0, 255 * GRAIN, (size, size, 3))
    return picture.round().clip(0, 255).astype(np.uint8)


def random_light(rng: np.random.Generator) -> Light:
    """Light whose mean is 1, mostly from above and before."""
    spread = np.array([0, *[BAND1] * 3, *[BAND2] * 5]) / HARMONICS
    harmonics = rng.normal(0, 1, 9) * spread
    harmonics[0] = AMBIENT
    harmonics[1:3] += 0.15 / np.array(HARMONICS[1:3])
    return Light(harmonics[:, None] * np.exp(rng.normal(0, TINT, 3)))


# -- errors ----------------------------------------------------------------------------------------


def known_errors(drawn: list[Drawn], model: HeadModel, way: Refine) -> dict[str, Any]:
    """By noise of the landmarks: each error before and after."""
    fitter, face = Fitter(model), face_vertices(model)
    out = {}
    for noise in NOISES:
        rows = []
        for each in report.progress(drawn, "known heads", len(drawn)):
            points = each.noisy(noise)
            fit = fitter.fit(points, (SIZE, SIZE), focal=float(each.head.camera.focal))
            start = time.process_time()
            refined = way(each.picture, fit, model, points)
            seconds = time.process_time() - start
            both = [_errors(each.head, part, model, face) for part in (fit, refined)]
            rows.append([*both, [seconds]])
        out[f"noise {100 * noise:g} %"] = _summary(rows)
    return out


NAMES = ("vertex_mm", "neutral_vertex_mm", "expression", "pose_degrees")


def _errors(head: KnownHead, fit: HeadFit, model: HeadModel, face: np.ndarray) -> list[float]:
    truth = model.vertices(head.identity, head.expression, head.gaze)
    neutral = model.neutral(fit.identity)[face], model.neutral(head.identity)[face]
    return [
        surface_error(fit.vertices(model)[face], truth[face]),
        surface_error(*neutral),
        float(np.abs(fit.expression - head.expression)[OTHERS].mean()),
        turned_by(fit, head.camera.rotation),
    ]


def _summary(rows: list[list[list[float]]]) -> dict[str, Any]:
    before, after = (np.array([row[i] for row in rows]) for i in (0, 1))
    out: dict[str, Any] = {
        name: _compared(before[:, i], after[:, i]) for i, name in enumerate(NAMES)
    }
    out["processor_seconds"] = float(np.median([row[2] for row in rows]))
    return out


def _compared(before: np.ndarray, after: np.ndarray) -> dict[str, Any]:
    """Medians before and after, the mean change with its 95 % interval, how many got better."""
    change = after - before
    return {
        "before": float(np.median(before)),
        "after": float(np.median(after)),
        "change": float(change.mean()),
        "change_ci95": interval(np.mean, change),
        "better": float((change < 0).mean()),
    }


def portrait_errors(
    portraits: Portraits, chosen: np.ndarray, model: HeadModel, way: Refine
) -> dict[str, Any]:
    """How far drawings are from portraits, before and after (``picture_error``); landmarks' too."""
    fitter = Fitter(model)
    pictures, landmarks = [], []
    for index in report.progress(chosen, "portraits", len(chosen)):
        image = portraits.image(int(index))
        points = portraits.landmarks[index] * len(image)
        fit = fitter.fit(points, image.shape[1::-1])
        refined = way(image, fit, model, points)
        pictures.append([picture_error(image, each, model) for each in (fit, refined)])
        landmarks.append([100 * fit.error, 100 * refined.error])
    return {
        "portraits": len(chosen),
        "picture": _compared(*np.array(pictures).T),
        "landmark_percent": _compared(*np.array(landmarks).T),
    }
