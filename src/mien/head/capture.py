"""From a photo and a fitted head to textures: skin without light, eyes, mouth, scalp.

    fit = Fitter().fit(face.landmarks, (width, height))
    captured = capture(image, fit, HeadModel.bundled())
    write_glb("head.glb", model, fit.identity, captured.textures)

What the photo does not show comes from the mirrored side, from the statistical albedo model and
from around, in this order. Eyes and mouth are made, in the colours that the photo shows.
"""

from dataclasses import dataclass, replace
from functools import cache

import cv2
import numpy as np

from mien.head import lighting
from mien.head.albedo import AlbedoModel
from mien.head.camera import Perspective
from mien.head.colour import luminance, to_linear, to_srgb
from mien.head.fit import HeadFit
from mien.head.model import MATERIALS, REGIONS, HeadModel
from mien.head.texture import Chart, Unwrapped, pull_push, smoothstep, unwrap

SIDE = 1024  # texels of the face and of the back of the head
SMALL = 256  # texels of eyes and mouth
LARGEST_FACE = 1400.0  # pixels between chin and scalp that a texture can hold
AROUND = 16  # pixels of the photo around the head
ROUNDS = 4  # of telling light and albedo apart
MOST_DETAIL = 3.0  # logarithm of albedo, from the model
LEANING = 5e-4  # weight of a region's usual colour, which shows far from all that is seen
HAIRLINE = 45.0  # mm, z of the template: hair begins before it, above the ears
MIRRORED = 0.6  # how much the other side says where a side is not seen
SHOWN = 0.05  # mean weight around a landmark that the photo shows
FOREIGN = 0.7  # logarithm of albedo, from the model: what differs more covers the face

PINK, IVORY = np.array([0.50, 0.19, 0.17]), np.array([0.80, 0.75, 0.62])
WHITE = np.array([0.55, 0.50, 0.46])  # of the eye
BROWN = np.array([0.10, 0.055, 0.03])  # the commonest iris, where the photo shows none
"""Linear albedo of gums and tongue, teeth, sclera and iris."""


@dataclass(frozen=True, slots=True, eq=False)
class Captured:
    """What a photo says about the surface of a head.

    textures: by material, (s, s, 3) uint8 sRGB albedo, as :mod:`mien.head.export` takes them.
    light: (9, 3) spherical harmonics in the camera's axes, mean 1 over the face.
    code: (k,) of the statistical albedo model.
    seen: 0..1, the share of the face's texture that the photo shows.
    shown: 0..1, the share of the skin's landmarks that the photo shows: in the picture, turned to
        the camera, and of a colour that the statistical model knows there; 0.8 and more of a
        whole face from the front, 0.5 of one behind sunglasses, 0.4 of a profile.
    """

    textures: dict[str, np.ndarray]
    light: np.ndarray
    code: np.ndarray
    seen: float
    shown: float


def capture(
    image: np.ndarray, fit: HeadFit, model: HeadModel, statistics: AlbedoModel | None = None
) -> Captured:
    """The textures of the head in an (h, w, 3) uint8 sRGB photo."""
    statistics = statistics or AlbedoModel.bundled()
    vertices = fit.vertices(model)
    photo, camera = _not_too_large(*_around_head(image, fit.camera, vertices))
    chart = Chart(model, "face", SIDE)
    face = unwrap(photo, vertices, camera, chart)
    solution, light = separate(face, statistics)
    back = Chart(model, "back", SIDE)
    rear = unwrap(photo, vertices, camera, back)
    hair = _usual(rear, light, back.of_triangles(back.region, 255) == REGIONS.index("hair"))
    usual = _enlarged(statistics.explain(solution), SIDE)
    albedo = _completed(face, light, usual, chart, hair)
    rest = _back(rear, back, chart, albedo, light)
    iris, sclera = _eye_colours(photo, vertices, camera, model, light)
    textures = {
        "face": to_srgb(albedo),
        "back": to_srgb(rest),
        "iris": to_srgb(iris_texture(iris)),
        "pupil": to_srgb(np.full((8, 8, 3), 0.004)),
        "sclera": to_srgb(_sclera(model, sclera)),
        "teeth": to_srgb(_teeth(model)),
        "mouth": to_srgb(_mouth(model)),
    }
    seen = float((face.weight * chart.covered).sum() / chart.covered.sum())
    shown = _shown_landmarks(face, light, usual, model)
    return Captured(textures, light, solution[:-3], seen, shown)


def separate(face: Unwrapped, statistics: AlbedoModel) -> tuple[np.ndarray, np.ndarray]:
    """Albedo as of ``AlbedoModel.fit`` and light (9, 3) that together explain a face."""
    size = (statistics.size, statistics.size)
    weight = cv2.resize(face.weight, size, interpolation=cv2.INTER_AREA)
    colour = cv2.resize(face.colour * face.weight[..., None], size, interpolation=cv2.INTER_AREA)
    colour /= np.maximum(weight, 1e-6)[..., None]
    normals = cv2.resize(face.normals, size, interpolation=cv2.INTER_AREA)
    normals /= np.maximum(np.linalg.norm(normals, axis=2, keepdims=True), 1e-6)
    weight = weight * statistics.known
    solution = np.zeros(len(statistics.basis) + 3, np.float32)
    light = np.zeros((9, 3), np.float32)
    shown = weight > 0.05
    for _ in range(ROUNDS):
        guess = statistics.explain(solution)
        off = np.log(np.maximum(colour, 1e-3)) - np.log(guess)
        typical = np.median(off[shown], 0) if shown.any() else np.zeros(3)
        trust = weight / (1 + (np.abs(off - typical).max(2) / 0.5) ** 4)
        light = lighting.estimate(colour[shown], guess[shown], normals[shown], trust[shown])
        solution = statistics.fit(colour / lighting.received(normals, light), weight)
    return solution, light


def _around_head(
    image: np.ndarray, camera: Perspective, vertices: np.ndarray
) -> tuple[np.ndarray, Perspective]:
    """The part of a photo that the head is in, linear, and its camera."""
    placed = camera.project(vertices)[:, :2]
    limit = np.array(image.shape[1::-1])
    first = (placed.min(0) - AROUND).clip(0, limit - 1).astype(int)
    last = (placed.max(0) + AROUND).clip(first + 1, limit).astype(int)
    part = to_linear(image[first[1] : last[1], first[0] : last[0]])
    return part, replace(camera, centre=tuple(np.subtract(camera.centre, first)))


def _not_too_large(photo: np.ndarray, camera: Perspective) -> tuple[np.ndarray, Perspective]:
    """A photo and its camera, scaled down where a face is larger than its texture."""
    scale = LARGEST_FACE / (250.0 * camera.focal / -np.asarray(camera.translation)[2])
    if scale >= 1:
        return photo, camera
    small = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    across, down = small.shape[1] / photo.shape[1], small.shape[0] / photo.shape[0]
    centre = (camera.centre[0] * across, camera.centre[1] * down)
    return small, replace(camera, focal=camera.focal * across, centre=centre)


def _enlarged(image: np.ndarray, size: int) -> np.ndarray:
    return cv2.resize(image, (size, size), interpolation=cv2.INTER_CUBIC).clip(1e-3, None)


def _usual(seen: Unwrapped, light: np.ndarray, mine: np.ndarray) -> np.ndarray | None:
    """Median linear albedo (3,) of some texels that a photo shows; None when it shows too few."""
    shown = mine & (seen.weight > 0.3)
    if shown.sum() < 200:
        return None
    return np.median(seen.colour[shown] / lighting.received(seen.normals[shown], light), 0)


def _shown_landmarks(
    face: Unwrapped, light: np.ndarray, usual: np.ndarray, model: HeadModel
) -> float:
    """``Captured.shown``, by means over the surroundings of each landmark."""
    albedo = face.colour / lighting.received(face.normals, light)
    away = np.abs(np.log(np.maximum(albedo, 1e-3)) - np.log(usual)).max(2)
    patch = (SIDE // 25, SIDE // 25)
    weight = cv2.blur(face.weight, patch)
    away = cv2.blur(face.weight * away, patch) / np.maximum(weight, 1e-6)
    skin = model.material[model.landmark_triangles] == MATERIALS.index("face")
    corners = model.uv[model.uv_triangles[model.landmark_triangles[skin]]]
    u, v = np.einsum("pk,pkc->cp", model.landmark_weights[skin], corners)
    rows, columns = ((np.array([1 - v, u]) * SIDE).astype(int)).clip(0, SIDE - 1)
    return float(((weight > SHOWN) & (away < FOREIGN))[rows, columns].mean())


def _completed(
    face: Unwrapped, light: np.ndarray, model: np.ndarray, chart: Chart, hair: np.ndarray | None
) -> np.ndarray:
    """Linear albedo of the whole face: the photo's where it is seen, else the next best."""
    albedo = face.colour / lighting.received(face.normals, light)
    detail = np.log(np.maximum(albedo, 1e-3)) - np.log(model)
    detail = detail.clip(-MOST_DETAIL, MOST_DETAIL).astype(np.float32)
    weight = face.weight
    other, other_weight = detail[:, ::-1], MIRRORED * weight[:, ::-1]
    both = weight + (1 - weight) * other_weight
    share = (weight / np.maximum(both, 1e-6))[..., None]
    detail = share * detail + (1 - share) * other
    usual = np.zeros_like(model)
    if hair is not None:
        place = chart.of_vertices(chart.model.template)
        side = smoothstep((HAIRLINE - place[..., 2:]) / 25) * smoothstep((place[..., 1:2] + 5) / 25)
        usual = side * (np.log(np.maximum(hair, 1e-3)) - np.log(model))
    return (model * np.exp(pull_push(*_leaning(detail, both, usual)))).astype(np.float32)


def _back(
    seen: Unwrapped, back: Chart, chart: Chart, albedo: np.ndarray, light: np.ndarray
) -> np.ndarray:
    """Linear albedo of scalp, nape, shoulders: what is seen of them, what borders on the face."""
    colour = seen.colour / lighting.received(seen.normals, light)
    weight = seen.weight.copy()
    border, places = _shared_places(chart, back)
    known = albedo[_texels(chart, border)]
    for (row, column), value in zip(np.transpose(_texels(back, places)), known, strict=True):
        around = np.s_[max(row - 6, 0) : row + 7, max(column - 6, 0) : column + 7]
        colour[around], weight[around] = value, 1
    out = np.zeros_like(colour)
    for region in np.unique(back.region):  # hair does not flow into shoulders
        mine = back.of_triangles(back.region, 255) == region
        part = weight * cv2.dilate(mine.astype(np.uint8), np.ones((9, 9), np.uint8))
        usual = _usual(seen, light, mine)
        if usual is None:
            usual = np.median(colour[part > 0], 0) if part.any() else IVORY
        out = np.where(mine[..., None], pull_push(*_leaning(colour, part, usual)), out)
    out = pull_push(out, back.covered.astype(np.float32))
    soft = cv2.GaussianBlur(out, (0, 0), SIDE / 100)
    return (soft + weight[..., None] * (out - soft)).clip(2e-3, 1)


def _leaning(
    colour: np.ndarray, weight: np.ndarray, usual: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Colours and weights with a little weight of the usual colour everywhere."""
    total = weight + LEANING
    return (colour * weight[..., None] + LEANING * usual) / total[..., None], total


def _shared_places(chart: Chart, back: Chart) -> tuple[np.ndarray, np.ndarray]:
    """UV indices (n,) of vertices that are in both charts: in the first, in the second."""
    first = dict(zip(chart.triangles.ravel(), chart.uv_triangles.ravel(), strict=True))
    second = dict(zip(back.triangles.ravel(), back.uv_triangles.ravel(), strict=True))
    shared = sorted(first.keys() & second.keys())
    return np.array([first[v] for v in shared]), np.array([second[v] for v in shared])


def _texels(chart: Chart, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of UV indices."""
    uv = chart.model.uv[places]
    columns, rows = uv[:, 0] * chart.size, (1 - uv[:, 1]) * chart.size
    limit = chart.size - 1
    return rows.astype(int).clip(0, limit), columns.astype(int).clip(0, limit)


# -- eyes and mouth ------------------------------------------------------------------------------


def _eye_colours(
    photo: np.ndarray,
    vertices: np.ndarray,
    camera: Perspective,
    model: HeadModel,
    light: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Linear albedo (3,) of iris and sclera: medians of what the photo shows of both eyes."""
    colours = []
    for material, usual in (("iris", BROWN), ("sclera", WHITE)):
        pixels = np.concatenate(
            [_eye_pixels(photo, vertices, camera, model, light, material, eye) for eye in (0, 1)]
        )
        if len(pixels) < 50:
            colours.append(usual)
            continue
        bright = luminance(pixels)  # lashes and the lid's shadow are darker, reflections brighter
        low, high = np.quantile(bright, (0.3, 0.8))
        middle = pixels[(bright >= low) & (bright <= high)]
        colours.append(np.median(middle, 0))
    iris, sclera = colours
    # In a small picture the white of an eye is mixed with its lashes.
    pale = sclera * (luminance(WHITE) / max(luminance(sclera), 1e-3))
    return iris.clip(0.01, 0.6), (0.6 * WHITE + 0.4 * pale).clip(0.2, 0.9)


def _eye_pixels(
    photo: np.ndarray,
    vertices: np.ndarray,
    camera: Perspective,
    model: HeadModel,
    light: np.ndarray,
    material: str,
    eye: int,
) -> np.ndarray:
    """Linear albedo (n, 3) of what a photo shows of one eye's iris or sclera."""
    ball = np.isin(model.triangles[:, 0], model.eyes.vertices[eye])
    seen = unwrap(photo, vertices, camera, Chart(model, material, SMALL, among=ball))
    shown = seen.weight > 0.7
    return seen.colour[shown] / lighting.received(seen.normals[shown], light)


def _disc(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Distance from the middle, 1 at the border, and angle, of every texel."""
    rows, columns = (np.indices((size, size)) + 0.5) / size - 0.5
    return 2 * np.hypot(rows, columns), np.arctan2(rows, columns)


def iris_texture(colour: np.ndarray) -> np.ndarray:
    """An iris (s, s, 3) linear of a colour: fibres, a lighter collar, a dark rim."""
    return _iris_pattern()[..., None] * np.asarray(colour)


@cache
def _iris_pattern() -> np.ndarray:
    away, angle = _disc(SMALL)
    rng = np.random.default_rng(0)
    fibres = np.zeros_like(away)
    for frequency in range(20, 90, 3):
        phase = rng.uniform(0, 2 * np.pi)
        fibres += np.sin(frequency * angle + phase + 2 * away * rng.normal()) / frequency**0.5
    fibres *= 0.22 / fibres.std()
    collar = np.exp(-(((away - 0.42) / 0.16) ** 2))
    rim = smoothstep((away - 0.78) / 0.2)
    return ((1 + fibres) * (0.9 + 0.5 * collar) * (1 - 0.8 * rim)).astype(np.float32)


def _sclera(model: HeadModel, colour: np.ndarray) -> np.ndarray:
    """The white of the eyes: redder towards the corners, dark where the iris begins."""
    chart = Chart(model, "sclera", SMALL)
    away, _ = _disc(SMALL)
    red = smoothstep((away - 0.45) / 0.5)[..., None] * np.array([0.0, 0.3, 0.3])
    rim = 1 - 0.75 * np.exp(-(((away - 0.17) / 0.03) ** 2))
    white = colour * (1 - red) * rim[..., None]
    return pull_push(white.astype(np.float32), chart.covered.astype(np.float32))


def _shade_inside(model: HeadModel, chart: Chart) -> np.ndarray:
    """How much light (s, s, 1) reaches places in the mouth: less the farther back they are."""
    depth = chart.of_vertices(model.template[:, 2:])
    front = model.template[model.lips.margin, 2].max()
    return 1 - 0.75 * smoothstep((front - depth - 6) / 42)


def _teeth(model: HeadModel) -> np.ndarray:
    chart = Chart(model, "teeth", SMALL)
    made = IVORY * _shade_inside(model, chart)
    return pull_push(made.astype(np.float32), chart.covered.astype(np.float32))


def _mouth(model: HeadModel) -> np.ndarray:
    chart = Chart(model, "mouth", SMALL)
    grain = cv2.GaussianBlur(np.random.default_rng(0).normal(size=(SMALL, SMALL, 1)), (0, 0), 2.0)[
        ..., None
    ]
    made = PINK * _shade_inside(model, chart) * (1 + 0.6 * grain)
    return pull_push(made.astype(np.float32), chart.covered.astype(np.float32)).clip(0, 1)
