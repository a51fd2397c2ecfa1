"""Build the statistical albedo model from labelled portraits.

    python -m mien.head.albedo_build portraits/ --out src/mien/head/albedo.npz

Each portrait of the training part (``index.csv``; ``labels.npz`` has its landmarks) is fitted and
unwrapped. Light and albedo are told apart by turns: light from the photo and the albedo so far,
albedo from the photo and the light. Principal components are found with what is hidden (by hair, or
turned away) filled in from the components so far.
"""

import argparse
import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien.head import lighting
from mien.head.albedo import AlbedoModel
from mien.head.colour import luminance, to_linear
from mien.head.fit import Fitter
from mien.head.model import REGIONS, HeadModel
from mien.head.texture import Chart, pull_push, unwrap
from mien.media.image import read_image

SIZE = 192
COMPONENTS = 60
EVERY = 2  # portraits of the set
ROUNDS, FILLINGS = 3, 2  # of separation, and in each, of filling in
LARGEST_ERROR = 0.015  # of a fit that is used
KNOWN = 0.2  # the share of portraits that have to show a texel
HAIR = 0.45  # of the skin's luminance: what is darker on forehead and cheeks is hair
OUTLIER = 0.5  # logarithm of albedo, from the model


@dataclass(slots=True)
class Sheets:
    """Unwrapped portraits on ``n`` texels: logarithm of colour (N, n, 3) float16, normals (N, n, 3)
    int8 / 127, weight (N, n) uint8 / 255."""

    colour: np.ndarray
    normals: np.ndarray
    weight: np.ndarray

    def portrait(self, i: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Logarithm of colour, normals and weight of one portrait, float32."""
        return (
            self.colour[i].astype(np.float32),
            self.normals[i].astype(np.float32) / 127,
            self.weight[i].astype(np.float32) / 255,
        )


def portraits(folder: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Every second image of the training part with labels, and its landmarks (478, 2) in pixels."""
    with np.load(folder / "labels.npz", allow_pickle=False) as labels:
        landmarks = labels["landmarks"].astype(np.float64)[..., :2] / 20000
    with (folder / "index.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row, points in list(zip(rows, landmarks, strict=True))[::EVERY]:
        if row["split"] == "train" and points.any():
            image = read_image(folder / row["file"])
            yield image, points * image.shape[1::-1]


def sheets(folder: Path, model: HeadModel, chart: Chart) -> Sheets:
    """Unwrap all portraits whose fit is good."""
    fitter, places = Fitter(model), chart.covered
    colour, normals, weight = [], [], []
    for image, points in portraits(folder):
        fit = fitter.fit(points, image.shape[1::-1])
        if fit.error > LARGEST_ERROR:
            continue
        seen = unwrap(to_linear(image), fit.vertices(model), fit.camera, chart)
        shown = _without_hair(seen.colour, seen.weight, chart)
        colour.append(np.log(np.maximum(seen.colour[places], 2e-3)).astype(np.float16))
        normals.append(np.round(seen.normals[places] * 127).astype(np.int8))
        weight.append(np.round(shown[places] * 255).astype(np.uint8))
    return Sheets(np.stack(colour), np.stack(normals), np.stack(weight))


def _without_hair(colour: np.ndarray, weight: np.ndarray, chart: Chart) -> np.ndarray:
    """The weight, 0 where skin is covered by dark hair or clothes."""
    skin = chart.of_triangles(np.isin(chart.region, [REGIONS.index(r) for r in ("skin", "neck")]))
    light = luminance(colour)
    shown = skin.astype(bool) & (weight > 0.5)
    if not shown.any():
        return weight
    down, across = (np.indices(weight.shape) + 0.5) / chart.size
    edges = (down < 0.17) | (down > 0.7)  # above the brows, and the neck
    edges |= (np.abs(across - 0.5) > 0.28) & (down < 0.45)  # temples
    typical = np.median(light[shown & ~edges]) if (shown & ~edges).any() else 0.3
    off = skin.astype(bool) & edges
    return np.where(off & ((light < HAIR * typical) | (light > typical / HAIR)), 0, weight)


def build(data: Sheets, chart: Chart) -> tuple[AlbedoModel, list[float]]:
    """The model, and what part of the variance its components leave after each round."""
    places = chart.covered
    known = (data.weight > 100).mean(0) > KNOWN
    weight = data.weight[:, known].astype(np.float32) / 255
    guess = np.zeros((*weight.shape, 3), np.float32)
    parts = _components(_without_light(data, known, guess), weight)
    left = [parts.rest]
    for _ in range(ROUNDS - 1):
        parts = _components(_without_light(data, known, parts.explained), weight)
        left.append(parts.rest)
    whole = np.zeros((1 + len(parts.basis), *places.shape, 3), np.float32)
    inside = np.flatnonzero(places.ravel())[known]
    mean_and_basis = np.concatenate([parts.mean[None], parts.basis])
    whole.reshape(len(whole), -1, 3)[:, inside] = mean_and_basis
    shown = np.zeros(places.size, np.float32)
    shown[inside] = 1
    shown = shown.reshape(places.shape)
    filled = np.stack([pull_push(each, shown) for each in whole])
    return AlbedoModel(filled[0], filled[1:], shown > 0), left


@dataclass(slots=True)
class _Components:
    """mean (n, 3), basis (K, n, 3), each portrait as explained (N, n, 3), rest: variance left."""

    mean: np.ndarray
    basis: np.ndarray
    explained: np.ndarray
    rest: float


def _without_light(data: Sheets, known: np.ndarray, guess: np.ndarray) -> np.ndarray:
    """Logarithms of albedo (N, n, 3) of known texels, with light as of the guess (N, n, 3)."""
    albedo = np.empty_like(guess)
    for i in range(len(guess)):
        colour, normals, shown = (each[known] for each in data.portrait(i))
        light = lighting.estimate(np.exp(colour), np.exp(guess[i]), normals, shown)
        albedo[i] = colour - np.log(lighting.received(normals, light))
    return albedo


def _components(albedo: np.ndarray, weight: np.ndarray) -> _Components:
    """Principal components, what is hidden filled in by turns."""
    weight = weight[..., None]
    own = (albedo * weight).sum(1, keepdims=True) / weight.sum(1, keepdims=True)
    mean = ((albedo - own) * weight).sum(0) / np.maximum(weight.sum(0), 1e-3) + own.mean(0)
    parts = _principal(albedo, weight, own + (mean - mean.mean(0))[None])
    for _ in range(FILLINGS - 1):
        parts = _principal(albedo, weight, parts.explained)
    return parts


def _principal(albedo: np.ndarray, weight: np.ndarray, explained: np.ndarray) -> _Components:
    """Components of albedo where it has weight (N, n, 1) and fits in, else of ``explained``."""
    count, shape = len(albedo), albedo.shape[1:]
    away = albedo - explained
    trust = weight / (1 + (away / OUTLIER) ** 2)
    filled = (explained + trust * away).reshape(count, -1)
    centre = filled.mean(0)
    filled -= centre
    values, vectors = np.linalg.eigh(filled @ filled.T / count)
    order = np.argsort(values)[::-1][:COMPONENTS]
    codes = vectors[:, order] * np.sqrt(count)
    basis = codes.T @ filled / count
    explained = (codes @ basis + centre).reshape(albedo.shape).astype(np.float32)
    rest = float(1 - values[order].sum() / values.sum())
    return _Components(centre.reshape(shape), basis.reshape(-1, *shape), explained, rest)


def main() -> None:
    parser = argparse.ArgumentParser(description="Build the statistical albedo model.")
    parser.add_argument("portraits", type=Path, help="folder with index.csv, labels.npz and images")
    parser.add_argument("--out", default="src/mien/head/albedo.npz")
    arguments = parser.parse_args()
    chart = Chart(HeadModel.bundled(), "face", SIZE)
    model, left = build(sheets(arguments.portraits, chart.model, chart), chart)
    model.save(arguments.out)
    size = Path(arguments.out).stat().st_size / 1e6
    print(f"{arguments.out}: {len(model.basis)} components, {size:.2f} MB")
    print("variance left:", ", ".join(f"{100 * part:.1f} %" for part in left))


if __name__ == "__main__":
    main()
