"""Textures: colour, a photo brought onto the head's surface, light told apart from albedo."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mien.errors import InputError
from mien.head import lighting
from mien.head.albedo import AlbedoModel
from mien.head.albedo_build import Sheets, build
from mien.head.camera import Perspective
from mien.head.capture import Captured, capture
from mien.head.colour import luminance, to_linear, to_srgb
from mien.head.export import FLAT
from mien.head.fit import HeadFit
from mien.head.look import GROUND, Skin, draw, portrait_camera, studio_light
from mien.head.model import MATERIALS, HeadModel
from mien.head.raster import rasterize
from mien.head.shading import HARMONICS, Light, shade, vertex_normals
from mien.head.texture import Chart, pull_push, unwrap

SIZE = (384, 384)
SIDE = 192  # texels of the charts here
EVEN = (np.eye(9)[0] / HARMONICS[0])[:, None].repeat(3, 1).astype(np.float32)
"""Light (9, 3) that is 1 from everywhere: what is drawn is the albedo."""


@pytest.fixture(scope="module")
def model() -> HeadModel:
    return HeadModel.bundled()


@pytest.fixture(scope="module")
def vertices(model: HeadModel) -> np.ndarray:
    return model.vertices()


@pytest.fixture(scope="module")
def chart(model: HeadModel) -> Chart:
    return Chart(model, "face", SIDE)


@pytest.fixture(scope="module")
def statistics() -> AlbedoModel:
    return AlbedoModel.bundled()


def lit_from(x: float, y: float, z: float) -> np.ndarray:
    """Light (9, 3) that is 1 on average over all directions, and grows towards one side."""
    light = EVEN.copy()
    light[1:4] = np.array([y, z, x])[:, None] / HARMONICS[1]
    return light


def pattern(size: int = 1024) -> np.ndarray:
    """A smooth grey texture (size, size, 3) uint8."""
    row, column = np.indices((size, size)) / size
    grey = 150 + 50 * np.sin(14 * column) * np.cos(11 * row) + 40 * (row - 0.5)
    return np.repeat(grey.astype(np.uint8)[..., None], 3, 2)


# -- colour ----------------------------------------------------------------------------------------


def test_srgb_survives_the_way_to_linear_light_and_back() -> None:
    values = np.arange(256, dtype=np.uint8)
    linear = to_linear(values)
    assert linear.dtype == np.float32 and (np.diff(linear) > 0).all()
    assert linear[0] == 0 and linear[255] == 1
    assert (to_srgb(linear) == values).all()
    np.testing.assert_allclose(to_linear(values / 255), linear, atol=1e-6)
    assert to_linear(np.array([188], np.uint8))[0] == pytest.approx(0.5, abs=0.005), (
        "half the light"
    )


def test_srgb_cuts_what_is_no_colour() -> None:
    odd = np.array([-1, 2, np.nan, np.inf, -np.inf])
    assert to_srgb(odd).tolist() == [0, 255, 0, 255, 0]
    assert luminance(np.ones((2, 3), np.float32)) == pytest.approx([1, 1])


# -- filling ---------------------------------------------------------------------------------------

sides = st.integers(1, 40)


@given(height=sides, width=sides, value=st.floats(-2, 2), seed=st.integers(0, 99))
def test_a_constant_stays_and_fills_all(height: int, width: int, value: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    weight = (rng.random((height, width)) < 0.3).astype(np.float32)
    weight[rng.integers(height), rng.integers(width)] = 1
    hidden = rng.normal(size=(height, width, 3)).astype(np.float32)
    values = np.where(weight[..., None] > 0, np.float32(value), hidden)
    np.testing.assert_allclose(pull_push(values, weight), value, atol=1e-4)


@given(
    values=arrays(np.float32, (7, 5, 1), elements=st.floats(0, 1, width=32)),
    weight=arrays(np.float32, (7, 5), elements=st.floats(0, 1, width=32)),
)
def test_what_is_known_stays_and_what_is_filled_lies_between(
    values: np.ndarray, weight: np.ndarray
) -> None:
    weight = np.where(weight > 0.5, 1, 0).astype(np.float32)
    filled = pull_push(values, weight)
    known = weight > 0
    assert filled.shape == values.shape
    assert (filled[known] == values[known]).all()
    if known.any():
        low, high = values[known].min(), values[known].max()
        assert filled.min() >= low - 1e-5 and filled.max() <= high + 1e-5


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (8, 8), (33, 17)])
def test_where_nothing_is_known_there_is_nothing(shape: tuple[int, int]) -> None:
    assert not pull_push(np.ones((*shape, 3), np.float32), np.zeros(shape, np.float32)).any()


def test_a_hole_is_filled_from_its_surroundings() -> None:
    row, column = np.indices((65, 65), np.float32) / 64
    ramp = np.stack([row, column], -1)
    weight = np.ones((65, 65), np.float32)
    weight[20:40, 25:50] = 0
    filled = pull_push(ramp * weight[..., None], weight)
    assert np.abs(filled - ramp).max() < 0.2 < np.abs(ramp[20:40, 25:50]).min()


# -- charts and unwrapping -------------------------------------------------------------------------


@pytest.mark.parametrize("material", MATERIALS)
def test_a_chart_covers_the_material_once(model: HeadModel, material: str) -> None:
    left_eye = np.isin(model.triangles[:, 0], model.eyes.vertices[0])
    both = material in ("sclera", "iris", "pupil")  # whose texture is that of both eyes
    chart = Chart(model, material, 256, among=left_eye if both else None)
    a, b, c = np.moveaxis(model.uv[chart.uv_triangles].astype(np.float64), 1, 0)
    (ux, uy), (vx, vy) = (b - a).T, (c - a).T
    area = np.abs(ux * vy - uy * vx).sum() / 2
    assert chart.covered.mean() == pytest.approx(area, rel=0.02)
    regions = chart.of_triangles(chart.region, beside=255)
    assert (regions[~chart.covered] == 255).all()
    assert set(np.unique(regions[chart.covered])) == set(np.unique(chart.region))


def test_a_texel_knows_its_place_on_the_head(model: HeadModel, chart: Chart) -> None:
    places = chart.of_vertices(model.template)
    assert not places[~chart.covered].any()
    skin = model.material[model.landmark_triangles] == MATERIALS.index("face")
    corners = model.uv[model.uv_triangles[model.landmark_triangles[skin]]]
    u, v = np.einsum("pk,pkc->cp", model.landmark_weights[skin], corners)
    row, column = ((1 - v) * SIDE).astype(int), (u * SIDE).astype(int)
    away = np.linalg.norm(places[row, column] - model.landmarks(model.template)[skin], axis=1)
    inside = chart.covered[row, column]
    assert inside.mean() > 0.9 and np.median(away[inside]) < 1.5
    assert np.quantile(away[inside], 0.95) < 4


def drawn(
    model: HeadModel, vertices: np.ndarray, camera: Perspective, texture: np.ndarray,
    ground: tuple[int, int, int] = GROUND, light: np.ndarray = EVEN,
) -> np.ndarray:  # fmt: skip
    """A picture (h, w, 3) uint8 of a head with one texture on face and back."""
    skin = Skin.of(model, {"face": texture, "back": texture})
    behind = np.full((*SIZE, 3), ground, np.uint8)
    return draw(vertices, model, skin, camera, light, SIZE, behind=behind)


@pytest.mark.parametrize("yaw", [0.0, 35.0, -60.0])
def test_unwrapping_a_drawn_head_gives_its_texture_back(
    model: HeadModel, vertices: np.ndarray, chart: Chart, yaw: float
) -> None:
    camera = portrait_camera(yaw, 5.0, SIZE)
    image = drawn(model, vertices, camera, pattern(), ground=(255, 0, 255))
    seen = unwrap(to_linear(image), vertices, camera, chart)
    shown = seen.weight > 0
    assert 0.2 < shown[chart.covered].mean() < 0.9
    truth = to_linear(cv2.resize(pattern(), (SIDE, SIDE), interpolation=cv2.INTER_AREA))
    away = np.abs(seen.colour - truth)[shown]
    assert away.mean() < 0.005 and np.quantile(away, 0.99) < 0.01 and away.max() < 0.15
    red, green, blue = np.moveaxis(seen.colour[shown], -1, 0)
    assert np.abs(red - green).max() < 0.01, "the ground or an eye leaks in"
    assert np.abs(blue - green).max() < 0.01
    np.testing.assert_allclose(np.linalg.norm(seen.normals[shown], axis=1), 1, atol=1e-4)


@pytest.mark.parametrize("shift", [(2.0, 0.0), (-2.0, 1.0), (0.0, -2.0)])
def test_ground_and_eyes_do_not_leak_in_where_the_fit_is_off(
    model: HeadModel, vertices: np.ndarray, chart: Chart, shift: tuple[float, float]
) -> None:
    camera = portrait_camera(20.0, 0.0, SIZE)
    image = drawn(model, vertices, camera, pattern(), ground=(255, 0, 255))
    wrong = replace(camera, centre=tuple(np.add(camera.centre, shift)))
    seen = unwrap(to_linear(image), vertices, wrong, chart)
    red, green, _ = np.moveaxis(seen.colour[seen.weight > 0], -1, 0)
    assert np.quantile(np.abs(red - green), 0.998) < 0.01 and np.abs(red - green).max() < 0.06


def test_what_is_turned_away_has_no_weight(
    model: HeadModel, vertices: np.ndarray, chart: Chart
) -> None:
    camera = portrait_camera(55.0, 0.0, SIZE)
    seen = unwrap(np.ones((*SIZE, 3), np.float32), vertices, camera, chart)
    places = chart.of_vertices(vertices)
    side = np.abs(places[..., 0]) > 40
    left, right = side & (places[..., 0] > 0), side & (places[..., 0] < 0)
    assert not seen.weight[left].any(), "turned to the image's right, the left cheek is hidden"
    assert seen.weight[right].mean() > 0.2
    assert ((seen.weight >= 0) & (seen.weight <= 1)).all()
    assert not seen.weight[~chart.covered].any()


def test_what_is_covered_by_other_parts_has_no_weight(
    model: HeadModel, vertices: np.ndarray
) -> None:
    camera = portrait_camera(0.0, 0.0, SIZE)
    mouth = Chart(model, "mouth", SIDE)
    seen = unwrap(np.ones((*SIZE, 3), np.float32), vertices, camera, mouth)
    assert not seen.weight.any(), "lips are closed"


def test_what_is_outside_the_picture_has_no_weight(
    model: HeadModel, vertices: np.ndarray, chart: Chart
) -> None:
    camera = portrait_camera(0.0, 0.0, SIZE)
    left = replace(camera, centre=(0.0, camera.centre[1]))  # half of the head is cut off
    seen = unwrap(np.ones((*SIZE, 3), np.float32), vertices, left, chart)
    x = camera.project(vertices)[:, 0][..., None] - camera.centre[0]
    x = chart.of_vertices(np.asarray(x))[..., 0]
    assert not seen.weight[x < 1].any() and seen.weight[x > 3].any()
    nowhere = replace(camera, centre=(-5000.0, 0.0))
    assert not unwrap(np.ones((*SIZE, 3), np.float32), vertices, nowhere, chart).weight.any()


# -- light -----------------------------------------------------------------------------------------


def test_light_is_what_shading_makes_of_it() -> None:
    rng = np.random.default_rng(0)
    normals = rng.normal(size=(50, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    light = EVEN + rng.normal(0, 0.05, (9, 3)).astype(np.float32)
    received = lighting.received(normals, light)
    np.testing.assert_allclose(received, shade(normals, Light(light)), atol=1e-5)
    assert (lighting.received(normals, -light) == np.float32(lighting.DARKEST)).all()


@pytest.mark.parametrize("direction", [(0.5, 0.1, 0.2), (-0.4, 0.3, 0.0), (0.0, -0.3, 0.3)])
def test_the_light_on_a_drawn_face_is_found(
    model: HeadModel, vertices: np.ndarray, chart: Chart, direction: tuple[float, float, float]
) -> None:
    camera = portrait_camera(10.0, 0.0, SIZE)
    light = lit_from(*direction)
    image = drawn(model, vertices, camera, pattern(), light=0.7 * light)
    seen = unwrap(to_linear(image), vertices, camera, chart)
    truth = to_linear(cv2.resize(pattern(), (SIDE, SIDE), interpolation=cv2.INTER_AREA))
    shown = seen.weight > 0.05
    samples = seen.colour[shown], truth[shown], seen.normals[shown], seen.weight[shown]
    found = lighting.estimate(*samples)
    assert found.shape == (9, 3) and found.dtype == np.float32

    def over_face(light: np.ndarray) -> np.ndarray:
        return lighting.harmonics(seen.normals[shown]) @ light

    mean = np.average(over_face(found), axis=0, weights=seen.weight[shown])
    np.testing.assert_allclose(mean, 1, atol=0.03)
    expected = over_face(light) / np.average(over_face(light), axis=0, weights=seen.weight[shown])
    assert np.abs(over_face(found) - expected).mean() < 0.03

    tinted = lighting.estimate(samples[0] * [2.0, 0.5, 1.2], *samples[1:])
    np.testing.assert_allclose(tinted, found, atol=1e-4, err_msg="exposure and tint are not light")


def test_hair_and_highlights_do_not_change_the_light() -> None:
    rng = np.random.default_rng(1)
    normals = rng.normal(size=(4000, 3)) * [1, 1, 0.5] + [0, 0, 1]
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    albedo, light = rng.uniform(0.3, 0.5, (4000, 3)), lit_from(0.4, 0.1, 0.1)
    colour, weight = albedo * lighting.received(normals, light), np.ones(4000)
    clean = lighting.estimate(colour, albedo, normals, weight)
    colour[:400], colour[400:500] = 0.01, 1.0
    spoilt = lighting.estimate(colour, albedo, normals, weight)
    shape = lighting.harmonics(normals)
    assert np.abs(shape @ spoilt / (shape @ spoilt).mean(0) - shape @ clean).mean() < 0.04


def test_without_a_face_the_light_is_even() -> None:
    nothing = np.zeros((0, 3))
    unseen = np.ones((500, 3))
    for place, weight in ((nothing, np.zeros(0)), (unseen, np.zeros(500))):
        found = lighting.estimate(place, place, place, weight)
        np.testing.assert_allclose(found, EVEN, rtol=1e-5)


# -- the statistical model -------------------------------------------------------------------------


def test_the_bundled_model_is_a_plausible_face(statistics: AlbedoModel) -> None:
    assert AlbedoModel.bundled() is statistics
    size = statistics.size
    assert statistics.mean.shape == (size, size, 3) == statistics.basis.shape[1:]
    assert np.isfinite(statistics.mean).all() and np.isfinite(statistics.basis).all()
    face = statistics.texture(np.zeros(len(statistics.basis)))
    red, green, blue = np.median(face[statistics.known], 0)
    assert 0.9 > red > green > blue > 0.02, "skin"
    assert 0.2 < statistics.known.mean() < 0.95
    spread = np.sqrt((statistics.basis**2).mean((1, 2, 3)))
    assert spread[0] > 2 * spread[-1] and spread.max() < 1


def test_saving_and_loading_keeps_the_model(tmp_path: Path, statistics: AlbedoModel) -> None:
    some = AlbedoModel(statistics.mean, statistics.basis[:4], statistics.known)
    some.save(tmp_path / "albedo.npz")
    back = AlbedoModel.load(tmp_path / "albedo.npz")
    np.testing.assert_allclose(back.mean, some.mean, atol=2e-3)
    for ours, theirs in zip(some.basis, back.basis, strict=True):
        step = np.abs(np.diff(ours, axis=1, prepend=0)).max() / 125
        assert np.abs(ours - theirs).max() <= 2 * step
    assert (back.known == some.known).all()
    assert [path.name for path in tmp_path.iterdir()] == ["albedo.npz"]


@pytest.mark.parametrize("seed", range(3))
def test_a_code_is_found_again(statistics: AlbedoModel, seed: int) -> None:
    rng = np.random.default_rng(seed)
    code = rng.normal(size=len(statistics.basis))
    exposure = rng.normal(0, 0.2, 3)
    albedo = statistics.texture(code) * np.exp(exposure).astype(np.float32)
    weight = statistics.known.astype(np.float32)
    weight[:, : statistics.size // 2] = 0  # half of the face is hidden
    found = statistics.fit(albedo, weight)
    assert found.shape == (len(code) + 3,)
    away, mean = np.log(statistics.explain(found)), statistics.mean
    right = statistics.known & (weight > 0)
    ours, theirs = (away - mean)[right].ravel(), (np.log(albedo) - mean)[right].ravel()
    assert np.corrcoef(ours, theirs)[0, 1] > 0.95
    left = statistics.known & (weight == 0)
    ours, theirs = (away - mean)[left].ravel(), (np.log(albedo) - mean)[left].ravel()
    assert np.corrcoef(ours, theirs)[0, 1] > 0.7, "what is hidden follows from what is seen"


def test_what_is_not_seen_is_the_mean(statistics: AlbedoModel) -> None:
    size = statistics.size
    found = statistics.fit(np.ones((size, size, 3), np.float32), np.zeros((size, size)))
    assert not found.any()


@pytest.mark.parametrize(
    "content",
    [b"", b"no model", b"PK\x03\x04" + bytes(200), None, "format", "missing", "pickle"],
)
def test_a_file_that_is_no_model_is_one_line(tmp_path: Path, content: bytes | str | None) -> None:
    path = tmp_path / "model.npz"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content == "format":
        np.savez(path, format=99)
    elif content == "missing":
        np.savez(path, format=1)
    elif content == "pickle":
        np.savez(path, format=1, known=np.array([{"a": 1}], object))
    with pytest.raises(InputError) as caught:
        AlbedoModel.load(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


def test_a_model_is_built_from_unwrapped_portraits(model: HeadModel) -> None:
    """Faces that differ in one thing, each under a light of its own: it becomes a component."""
    chart = Chart(model, "face", 48)
    normals = chart.of_vertices(vertex_normals(model.template, model.triangles))[chart.covered]
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-6)
    rng = np.random.default_rng(0)
    place = chart.of_vertices(model.template)[chart.covered]
    beard = np.where((place[:, 1] < -40) & (place[:, 2] > 40), -1.0, 0.0)[:, None]
    amount = rng.random(40)
    weight = (normals[:, 2] > 0.2).astype(np.float32)
    colour = []
    for part in amount:
        light = lit_from(*rng.normal(0, 0.25, 3))
        shaded = lighting.received(normals, light)
        colour.append(np.log([0.4, 0.3, 0.2]) + part * beard + np.log(shaded))
    data = Sheets(
        np.array(colour, np.float16),
        np.repeat(np.round(normals * 127).astype(np.int8)[None], 40, 0),
        np.repeat((weight * 255).astype(np.uint8)[None], 40, 0),
    )
    built, left = build(data, chart)
    spread = (built.basis**2).mean((1, 2, 3))
    assert spread[0] > 2 * spread[1] and len(left) == 3
    first = built.basis[0][chart.covered][weight > 0].mean(1)
    truth = beard[weight > 0, 0]
    assert abs(np.corrcoef(first, truth)[0, 1]) > 0.75
    assert built.known[chart.covered].mean() == pytest.approx(weight.mean(), abs=0.05)
    assert np.isfinite(built.basis).all() and np.isfinite(built.mean).all()


# -- capture ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def person(model: HeadModel, statistics: AlbedoModel) -> dict[str, np.ndarray]:
    """Textures of somebody who does not exist."""
    code = np.random.default_rng(3).normal(0, 0.8, len(statistics.basis))
    face = cv2.resize(statistics.texture(code), (1024, 1024), interpolation=cv2.INTER_CUBIC)
    return {"face": to_srgb(face), "back": to_srgb(np.full((8, 8, 3), 0.2))}


@pytest.fixture(scope="module")
def under_side_light(
    model: HeadModel, person: dict[str, np.ndarray]
) -> tuple[np.ndarray, HeadFit, Captured]:
    """A drawn photo of that person, the true fit, and what is captured from the two."""
    camera = portrait_camera(0.0, 0.0, SIZE)
    rng = np.random.default_rng(4)
    identity = rng.normal(0, 0.7, len(model.identity)).astype(np.float32)
    fit = HeadFit(identity, np.zeros(52, np.float32), np.zeros((2, 2), np.float32), camera, 0, 1)
    skin = Skin.of(model, person)
    image = draw(fit.vertices(model), model, skin, camera, lit_from(0.55, 0.1, 0.2), SIZE)
    return image, fit, capture(image, fit, model)


def test_light_and_albedo_are_told_apart(
    model: HeadModel,
    person: dict[str, np.ndarray],
    under_side_light: tuple[np.ndarray, HeadFit, Captured],
) -> None:
    image, fit, captured = under_side_light
    chart = Chart(model, "face", 1024)
    seen = unwrap(to_linear(image), fit.vertices(model), fit.camera, chart)
    shown = seen.weight > 0.3
    truth, found = to_linear(person["face"]), to_linear(captured.textures["face"])

    def error(colour: np.ndarray) -> float:
        """Mean of the logarithms' distance, after exposure and tint."""
        away = np.log(np.maximum(colour[shown], 1e-3)) - np.log(np.maximum(truth[shown], 1e-3))
        return float(np.abs(away - np.median(away, 0)).mean())

    def left_over_right(colour: np.ndarray) -> float:
        both = shown & shown[:, ::-1]
        both[:, 512:] = False
        sides = np.log(luminance(colour)[both] / luminance(colour)[:, ::-1][both])
        true = np.log(luminance(truth)[both] / luminance(truth)[:, ::-1][both])
        return float(np.abs(np.mean(sides - true)))

    assert error(found) < 0.5 * error(seen.colour)
    assert left_over_right(seen.colour) > 0.4, "the photo is lit from the side"
    assert left_over_right(found) < 0.35 * left_over_right(seen.colour)


def test_captured_light_is_that_of_the_photo(
    model: HeadModel, under_side_light: tuple[np.ndarray, HeadFit, Captured]
) -> None:
    _, fit, captured = under_side_light
    normals = vertex_normals(fit.vertices(model), model.triangles)
    front = normals[normals[:, 2] > 0.4]
    found = lighting.received(front, captured.light)
    true = lighting.received(front, lit_from(0.55, 0.1, 0.2))
    assert np.corrcoef(found[:, 1], true[:, 1])[0, 1] > 0.95
    assert found.mean() == pytest.approx(1, abs=0.1)


def test_captured_textures_are_whole(
    model: HeadModel, under_side_light: tuple[np.ndarray, HeadFit, Captured]
) -> None:
    _, _, captured = under_side_light
    assert set(captured.textures) == set(MATERIALS)
    for material, texture in captured.textures.items():
        assert texture.dtype == np.uint8 and texture.ndim == 3 and texture.shape[2] == 3, material
    for material in ("face", "back"):
        covered = Chart(model, material, 1024).covered
        assert (captured.textures[material][covered].max(1) > 10).mean() > 0.98, "no holes"
    assert np.isfinite(captured.light).all() and np.isfinite(captured.code).all()
    assert 0.2 < captured.seen < 0.9 and captured.shown > 0.7


def test_the_same_head_looks_the_same_again(
    model: HeadModel, under_side_light: tuple[np.ndarray, HeadFit, Captured]
) -> None:
    image, fit, captured = under_side_light
    skin = Skin.of(model, captured.textures)
    again = draw(fit.vertices(model), model, skin, fit.camera, captured.light, SIZE)
    head = (image != GROUND).any(2)
    middle = cv2.erode(head.astype(np.uint8), np.ones((15, 15))) > 0
    away = np.abs(again.astype(int) - image)[middle]
    assert np.median(away) <= 3 and away.mean() < 8


def test_a_large_photo_with_the_head_aside_is_captured_alike(
    model: HeadModel, under_side_light: tuple[np.ndarray, HeadFit, Captured]
) -> None:
    image, fit, captured = under_side_light
    wide = np.full((420, 620, 3), 90, np.uint8)
    wide[20 : 20 + SIZE[1], 230 : 230 + SIZE[0]] = image
    large = cv2.resize(wide, None, fx=6, fy=6, interpolation=cv2.INTER_LINEAR)
    centre = tuple(6 * np.add(fit.camera.centre, (230, 20)))
    camera = replace(fit.camera, focal=6 * fit.camera.focal, centre=centre)
    same = capture(large, replace(fit, camera=camera), model)
    covered = Chart(model, "face", 1024).covered
    away = np.abs(same.textures["face"].astype(int) - captured.textures["face"])[covered]
    assert np.median(away) <= 6 and np.quantile(away, 0.9) < 25
    assert same.shown == pytest.approx(captured.shown, abs=0.1)


@pytest.mark.parametrize(("value", "place"), [(0, 192.0), (255, -9000.0)])
def test_a_photo_of_nothing_gives_whole_textures(
    model: HeadModel, value: int, place: float
) -> None:
    camera = replace(portrait_camera(0.0, 0.0, SIZE), centre=(place, 192.0))
    zeros = np.zeros(len(model.identity), np.float32)
    fit = HeadFit(zeros, np.zeros(52, np.float32), np.zeros((2, 2), np.float32), camera, 0, 1)
    with np.errstate(invalid="raise", divide="raise"):
        captured = capture(np.full((*SIZE, 3), value, np.uint8), fit, model)
    assert np.isfinite(captured.light).all() and np.isfinite(captured.code).all()
    assert 0 <= captured.shown <= 1 and 0 <= captured.seen < 0.5
    if place < 0:
        assert captured.seen == captured.shown == 0
        face = captured.textures["face"][Chart(model, "face", 1024).covered]
        assert 100 < face.mean() < 200, "the mean face"


# -- drawing ---------------------------------------------------------------------------------------


def test_a_head_is_drawn_the_same_on_any_number_of_threads(
    model: HeadModel, vertices: np.ndarray, person: dict[str, np.ndarray]
) -> None:
    skin, camera = Skin.of(model, person), portrait_camera(25.0, 10.0, (160, 120))
    one, two, five = (
        draw(vertices, model, skin, camera, studio_light(), (160, 120), threads=threads)
        for threads in (1, 2, 5)
    )
    assert one.shape == (120, 160, 3) and one.std() > 10
    assert (one == two).all() and (one == five).all()


@pytest.mark.parametrize(("side", "most"), [(512, 0.0006), (96, 0.014)])
def test_materials_do_not_bleed_into_each_other(model: HeadModel, side: int, most: float) -> None:
    """The face is green, all else magenta; only along silhouettes are some pixels mixed."""
    others = {name: np.full((4, 4, 3), (255, 0, 255), np.uint8) for name in MATERIALS}
    skin = Skin.of(model, {**others, "face": np.full((4, 4, 3), (0, 255, 0), np.uint8)})
    vertices = model.vertices(expression={"jawOpen": 0.7})
    wrong = faces = 0
    for yaw in (0.0, 90.0, 180.0):
        camera = portrait_camera(yaw, 0.0, (side, side))
        image = draw(vertices, model, skin, camera, EVEN, (side, side), samples=1)
        seen = rasterize(camera.project(vertices), model.triangles, side, side, perspective=True)
        face = seen.covered & (model.material[seen.index] == MATERIALS.index("face"))
        wrong += int((image[face] != (0, 255, 0)).any(1).sum())
        faces += int(face.sum())
        rest = seen.covered & ~face
        assert (image[rest] != (255, 0, 255)).any(1).mean() < most
    assert wrong < most * faces


def test_a_material_without_a_texture_has_its_flat_colour(
    model: HeadModel, vertices: np.ndarray
) -> None:
    camera = portrait_camera(0.0, 0.0, SIZE)
    image = draw(vertices, model, Skin.of(model, {}), camera, EVEN, SIZE)
    nose = camera.project(model.landmarks(vertices))[4, :2].astype(int)
    assert np.abs(image[nose[1], nose[0]].astype(int) - FLAT["face"]).max() <= 1
    assert (image[0, 0] == GROUND).all()
    behind = np.random.default_rng(0).integers(0, 255, (*SIZE, 3)).astype(np.uint8)
    before = draw(vertices, model, Skin.of(model, {}), camera, EVEN, SIZE, behind=behind)
    assert (before[:15] == behind[:15]).all() and (before != behind).any()
