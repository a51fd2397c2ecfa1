"""The skin of a portrait without its light, clean enough to be lit and turned.

Light and albedo are told apart by the statistical albedo model. Where the portrait does not show
skin (hair, clothes, what is turned away) the texture goes over into that model's reconstruction of
the person, so that neither hair nor background is printed onto the rim of the face.
"""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from mien.face import LEFT_IRIS, RIGHT_IRIS
from mien.head import lighting
from mien.head.albedo import AlbedoModel
from mien.head.capture import BROWN, separate
from mien.head.colour import luminance, to_linear
from mien.head.fit import HeadFit
from mien.head.model import REGIONS, HeadModel
from mien.head.shading import vertex_normals
from mien.head.texture import Chart, pull_push, smoothstep, unwrap

SIDE = 256  # texels of a texture
COARSE = 40  # texels at which light and albedo are told apart
FOREIGN = 0.7  # logarithm of albedo, from the model: what differs more is not skin
MIRRORED = 0.6  # how much the other side says where a side is not seen
LEANING = 0.02  # weight of the model where the photo says little
MOST_DETAIL = 2.5  # logarithm of albedo, from the model
SHINE, SHINE_LEFT = 0.2, 0.4  # logarithm from which on brightness is shine, and what stays of it
BROAD = SIDE / 10  # texels: differences of left and right that are as broad as that are light
STAIN = 0.13  # logarithm by which hair and collars begin to differ from skin


@dataclass(frozen=True, slots=True, eq=False)
class Unlit:
    """What a portrait says about somebody's surface; colours are linear albedo.

    texture: (SIDE, SIDE, 3) float32 of the head's material ``face``. code: (k,) and exposure: (3,),
    as of ``AlbedoModel.fit``. light: (9, 3) in the camera's axes. iris: (3,). hair: (3,), NaN where
    none is seen. covered: 0..1, the share of the inner face that is not skin as the model knows it.
    """

    texture: np.ndarray
    code: np.ndarray
    exposure: np.ndarray
    light: np.ndarray
    iris: np.ndarray
    hair: np.ndarray
    covered: float


def unlit(image: np.ndarray, landmarks: np.ndarray, fit: HeadFit) -> Unlit:
    """The surface of the bundled head fitted to an (h, w, 3) uint8 sRGB photo.

    landmarks: (478, 2 or 3) pixels.
    """
    model, statistics = HeadModel.bundled(), AlbedoModel.bundled()
    vertices, photo = fit.vertices(model), to_linear(image)
    seen = unwrap(photo, vertices, fit.camera, _chart())
    solution, light = separate(seen, _coarse())
    usual = np.log(cv2.resize(statistics.explain(solution), (SIDE, SIDE)).clip(1e-3))
    albedo = seen.colour / lighting.received(seen.normals, light)
    detail = (np.log(np.maximum(albedo, 1e-3)) - usual).clip(-MOST_DETAIL, MOST_DETAIL)
    foreign = smoothstep((np.abs(detail).max(2) - 0.6 * FOREIGN) / FOREIGN)
    inner, rim = _zones()
    weight = seen.weight * (1 - rim) * (1 - (1 - inner) * foreign)
    shown = inner * seen.weight
    texture = _without_stains(np.exp(usual + _whole(detail.astype(np.float32), weight)))
    return Unlit(
        texture=texture.clip(2e-3, 1).astype(np.float32),
        code=solution[:-3],
        exposure=solution[-3:],
        light=light,
        iris=_iris(photo, landmarks, light),
        hair=_hair(photo, vertices, fit, model, light),
        covered=float((shown * foreign).sum() / max(shown.sum(), 1)),
    )


def _whole(detail: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """What differs from the model (s, s, 3), without broad light and shine, filled where unseen."""
    other, other_weight = detail[:, ::-1], MIRRORED * weight[:, ::-1]
    both = weight + (1 - weight) * other_weight
    share = (weight / np.maximum(both, 1e-6))[..., None]
    detail = other + share * (detail - other)
    broad = cv2.GaussianBlur(detail * both[..., None], (0, 0), BROAD)
    broad /= np.maximum(cv2.GaussianBlur(both, (0, 0), BROAD), 1e-3)[..., None]
    detail = detail - 0.5 * (broad - broad[:, ::-1])
    shine = np.maximum(detail.min(2, keepdims=True) - SHINE, 0)
    detail = detail - (1 - SHINE_LEFT) * shine
    total = both + LEANING
    return pull_push(detail * (both / total)[..., None], np.minimum(total, 1))


def _without_stains(texture: np.ndarray) -> np.ndarray:
    """Linear albedo (s, s, 3) with skin for what is darker beside brows and forehead, or on the
    neck not like skin: hair and collars, which the statistical model also knows."""
    inner, hairy, neck = _places()
    tone = np.log(luminance(texture).clip(1e-3))
    off = np.median(tone[inner > 0.9]) - cv2.GaussianBlur(tone, (0, 0), SIDE / 200)
    stain = np.maximum(hairy * smoothstep((off - STAIN) / STAIN),
                       neck * smoothstep((np.abs(off) - 2 * STAIN) / STAIN))  # fmt: skip
    wide = SIDE // 40
    stain = cv2.dilate(stain.astype(np.float32), np.ones((wide, wide), np.uint8))
    stain = cv2.GaussianBlur(stain, (0, 0), SIDE / 80) * np.maximum(hairy, neck)
    keep = ((1 - stain) ** 2 * _chart().covered).astype(np.float32)
    return texture + stain[..., None] * (pull_push(texture.astype(np.float32), keep) - texture)


@cache
def _places() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where (s, s) float32 0..1 the inner face is, where hair falls beside it, and the neck."""
    chart = _chart()
    x, y, _ = np.moveaxis(chart.of_vertices(HeadModel.bundled().template), -1, 0)
    brows = [REGIONS.index(name) for name in ("right_brow", "left_brow")]
    wide = SIDE // 32
    brow = np.isin(chart.of_triangles(chart.region, 255), brows).astype(np.float32)
    brow = cv2.GaussianBlur(cv2.dilate(brow, np.ones((wide, wide))), (0, 0), SIDE / 100)
    above = smoothstep((y - 58) / 10)
    beside = smoothstep((np.abs(x) - 52) / 10) * smoothstep((y + 10) / 20)
    inner, _ = _zones()
    hairy = np.maximum(above, beside) * (1 - brow)
    neck = cv2.GaussianBlur(_neck(), (0, 0), SIDE / 60)
    return inner, hairy.astype(np.float32), neck


def _neck() -> np.ndarray:
    chart = _chart()
    number = REGIONS.index("neck")
    return (chart.of_triangles(chart.region, number) == number).astype(np.float32)


@cache
def _chart() -> Chart:
    return Chart(HeadModel.bundled(), "face", SIDE)


@cache
def _coarse() -> AlbedoModel:
    """The statistical model on fewer texels."""
    fine, size = AlbedoModel.bundled(), (COARSE, COARSE)
    basis = np.stack([cv2.resize(one, size, interpolation=cv2.INTER_AREA) for one in fine.basis])
    known = cv2.resize(fine.known.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.5
    return AlbedoModel(cv2.resize(fine.mean, size, interpolation=cv2.INTER_AREA), basis, known)


@cache
def _zones() -> tuple[np.ndarray, np.ndarray]:
    """Where (s, s) float32 0..1 all that is seen is the face's, brows, beard and paint too, and
    where, near the hair, the ears and the neck, nothing is believed."""
    chart, template = _chart(), HeadModel.bundled().template
    x, y, z = np.moveaxis(chart.of_vertices(template), -1, 0)
    across, up = np.abs(x) / 58, np.where(y > 0, y / 62, y / 80)
    inner = smoothstep((1 - np.hypot(across, up)) / 0.2)
    neck = cv2.GaussianBlur(_neck(), (0, 0), SIDE / 60)
    beside = smoothstep((40 - z) / 25)
    above = smoothstep((y - 82) / 15)
    rim = np.max([neck, beside, above], axis=0) * (1 - inner)
    return inner.astype(np.float32), rim.astype(np.float32)


def _iris(photo: np.ndarray, landmarks: np.ndarray, light: np.ndarray) -> np.ndarray:
    """Linear albedo (3,) of the irises: the middle of what is seen between pupil and rim."""
    rows, columns = np.indices(photo.shape[:2], np.float32) + 0.5
    pixels = []
    for ring in (LEFT_IRIS, RIGHT_IRIS):
        centre = landmarks[ring].mean(0)
        radius = float(np.ptp(landmarks[ring][:, :2], axis=0).mean() / 2)
        right, down = columns - centre[0], rows - centre[1]
        away = np.hypot(right, down) / max(radius, 1e-3)
        own = (away > 0.35) & (away < 0.85) & (down > -0.35 * radius)
        pixels.append(photo[own])
    found = np.concatenate(pixels)
    if len(found) < 8:
        return BROWN.astype(np.float32)
    bright = luminance(found)  # reflections are brighter, lashes and the pupil darker
    low, high = np.quantile(bright, (0.25, 0.7))
    middle = np.median(found[(bright >= low) & (bright <= high)], 0)
    ahead = lighting.received(np.array([0.0, 0.0, 1.0]), light)
    return (middle / ahead).clip(0.012, 0.35).astype(np.float32)


def _hair(
    photo: np.ndarray, vertices: np.ndarray, fit: HeadFit, model: HeadModel, light: np.ndarray
) -> np.ndarray:
    """Linear albedo (3,) of the hair above the forehead."""
    normals = vertex_normals(vertices, model.triangles)
    x, y, z = model.template.T
    crown = (y > 100) & (z > -10) & (np.abs(x) < 60)
    own = np.flatnonzero(crown)[::3]
    turned = normals[own] @ np.asarray(fit.camera.rotation, np.float32).T
    places = fit.camera.project(vertices[own] + 4 * normals[own])[:, :2].astype(int)
    height, width = photo.shape[:2]
    inside = ((places >= 0) & (places < (width, height))).all(1) & (turned[:, 2] > 0.2)
    if inside.sum() < 20:
        return np.full(3, np.nan, np.float32)
    column, row = places[inside].T
    albedo = photo[row, column] / lighting.received(turned[inside], light)
    return np.median(albedo, 0).clip(0.004, 0.6).astype(np.float32)


def skin_tone(texture: np.ndarray) -> float:
    """Individual typology angle of a face's texture (s, s, 3) linear, degrees.

    Above 55 very light, below -30 dark: Chardin, Cires-Kerchove and others (1991). From CIELAB
    under D65 of the median skin of the cheeks.
    """
    size = len(texture)
    rows, columns = slice(int(0.45 * size), int(0.6 * size)), slice(int(0.25 * size),
                                                                    int(0.4 * size))  # fmt: skip
    patch = np.median(texture[rows, columns].reshape(-1, 3), 0)
    y, z = np.array([[0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ patch
    fy, fz = (np.cbrt(value) for value in (y, z / 1.089))
    lightness, b = 116 * fy - 16, 200 * (fy - fz)
    return float(np.degrees(np.arctan2(lightness - 50, b)))
