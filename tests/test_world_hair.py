"""Hair, beards and brows of the synthetic face world."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.head.look import portrait_camera, studio_light
from mien.head.model import MATERIALS, REGIONS, HeadModel
from mien.head.raster import rasterize
from mien.head.shading import Light, vertex_normals
from mien.head.texture import Chart
from mien.world import beard as beards
from mien.world.beard import Beard, Brows, beard_mask, brow_mask, grow_beard, painted, with_brows
from mien.world.hair import (
    COLOURS,
    MOST_TRIANGLES,
    STYLES,
    Hair,
    HairStyle,
    bare,
    follow,
    grow,
    hairline,
    sample,
    sample_colour,
    sample_grey,
    scalp_colour,
    scalp_mask,
    shade,
    strands,
)

GROWN = [style for style in STYLES if style != "bald"]
LONGER = [style for style in beards.STYLES if style not in ("none", "stubble")]
INSIDE = 2.0  # mm that hair may be under the skin


@cache
def head() -> HeadModel:
    return HeadModel.bundled()


@cache
def grown(style: str, fringe: float = 0.0) -> Hair:
    hair = grow(HairStyle(style, fringe=fringe, seed=4))
    assert hair is not None
    return hair


@cache
def chart(material: str = "face", size: int = 160) -> Chart:
    return Chart(head(), material, size)


def regions(chart: Chart, *names: str) -> np.ndarray:
    return np.isin(chart.of_triangles(chart.region, 255), [REGIONS.index(n) for n in names])


def depth_under_skin(points: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    """Millimetres (n,) under the nearest skin; 0 or less outside."""
    model = head()
    skin = np.unique(model.triangles[np.isin(model.material, [0, 1])])
    normals = vertex_normals(vertices, model.triangles)[skin]
    skin = vertices[skin]
    nearest = ((skin**2).sum(1) - 2 * points @ skin.T).argmin(1)
    away = skin[nearest] - points
    depth = (away * normals[nearest]).sum(1)
    beside = depth < 0.8 * np.linalg.norm(away, axis=1)  # as next to the rim of an ear
    below = points[:, 1] < -135  # where the shoulders are cut off
    return np.where(beside | below, 0, depth)


def visible_share(hair: Hair, *materials: str) -> float:
    """How much of the head's materials is still seen from the front."""
    model, camera = head(), portrait_camera(0, 0, (200, 200))
    triangles = np.concatenate([model.triangles, hair.triangles + len(model.template)])
    vertices = np.concatenate([model.template, hair.vertices])
    wanted = np.isin(model.material, [MATERIALS.index(name) for name in materials])
    alone = rasterize(camera.project(vertices), model.triangles, 200, 200, perspective=True).index
    both = rasterize(camera.project(vertices), triangles, 200, 200, perspective=True).index
    eyes = (alone >= 0) & wanted[alone]
    return float((eyes & (both == alone)).sum() / eyes.sum())


# -- growth ----------------------------------------------------------------------------------------


def test_bald_heads_have_no_hair() -> None:
    assert grow(HairStyle("bald")) is None
    assert not scalp_mask(chart("back"), HairStyle("bald")).any()


@pytest.mark.parametrize("style", GROWN)
def test_the_same_seed_grows_the_same_hair(style: str) -> None:
    first, again = (grow(HairStyle(style, seed=4, fringe=0.5)) for _ in range(2))
    other = grow(HairStyle(style, seed=5, fringe=0.5))
    assert first is not None and again is not None and other is not None
    for name in ("vertices", "triangles", "tangents", "normals", "uv", "albedo", "openness"):
        assert np.array_equal(getattr(first, name), getattr(again, name))
    assert first.vertices.shape != other.vertices.shape or (first.vertices != other.vertices).any()


@pytest.mark.parametrize("style", GROWN)
def test_hair_is_a_sound_mesh_of_few_triangles(style: str) -> None:
    hair = grown(style)
    assert 10_000 < len(hair.triangles) <= MOST_TRIANGLES
    assert hair.triangles.min() == 0 and hair.triangles.max() == len(hair.vertices) - 1
    for values in (hair.vertices, hair.tangents, hair.normals, hair.uv, hair.albedo, hair.weights):
        assert len(values) == len(hair.vertices) and np.isfinite(values).all()
        assert values.dtype == np.float32
    assert np.allclose(np.linalg.norm(hair.tangents, axis=1), 1, atol=1e-3)
    assert np.abs((hair.tangents * hair.normals).sum(1)).max() < 1e-3
    assert hair.uv.min() >= 0 and hair.uv.max() <= 1
    assert hair.openness.min() >= 0 and hair.openness.max() <= 1
    assert hair.albedo.min() > 0 and hair.albedo.max() < 1


@pytest.mark.parametrize("style", GROWN)
def test_hair_stays_outside_of_other_peoples_heads(style: str) -> None:
    rng = np.random.default_rng(0)
    hair = grown(style)
    deep = []
    for _ in range(20):
        vertices = head().neutral(rng.normal(size=80))
        points = follow(hair, vertices)[0][rng.integers(len(hair.vertices), size=250)]
        deep.append(depth_under_skin(points, vertices) > INSIDE)
    assert np.mean(deep) < 0.001


@pytest.mark.parametrize("style", GROWN)
def test_hair_keeps_off_the_eyes(style: str) -> None:
    assert visible_share(grown(style), "sclera", "iris", "pupil") >= 0.9


def test_a_fringe_hangs_as_low_as_asked() -> None:
    brows = head().triangles[head().triangles_of("right_brow", "left_brow")]
    height = head().template[brows, 1].mean()
    lowest = []
    for fringe in (0.2, 0.5, 1.0):
        x, y, z = grown("bob", fringe).vertices.T
        lowest.append(y[(np.abs(x) < 30) & (z > 90)].min())
    assert lowest[0] > height > lowest[2]
    assert lowest[0] > lowest[1] > lowest[2]
    assert visible_share(grown("bob", 0.5), "iris", "pupil") > 0.9


def test_long_hair_is_longer_than_short_hair() -> None:
    lowest = {style: grown(style).vertices[:, 1].min() for style in ("buzz", "bob", "long")}
    assert lowest["long"] < -150 < lowest["bob"] < -60 < lowest["buzz"]


def test_recession_takes_hair_from_the_temples_and_the_crown() -> None:
    temple, crown, nape = np.array([[[36.0, 114, 84]], [[0, 152, -35]], [[0, -20, -66]]])
    assert hairline(temple, 0.0)[0] > -3 > hairline(temple, 0.6)[0]
    assert hairline(crown, 0.0)[0] > 0 > hairline(crown, 0.9)[0]
    assert hairline(nape, 0.9)[0] > 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"style": "mullet"},
        {"length": 9},
        {"part": -2},
        {"fringe": 1.5},
        {"grey": np.nan},
        {"colour": (0.1, 2.0, 0.1)},
    ],
)
def test_styles_beyond_their_ranges_are_refused_by_name(wrong: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        HairStyle(**wrong)


# -- on a head, in light ---------------------------------------------------------------------------


def test_hair_on_the_mean_head_stays_where_it_grew() -> None:
    hair = grown("short")
    assert np.allclose(follow(hair, head().template)[0], hair.vertices, atol=1e-4)


def test_hair_turns_with_the_head() -> None:
    hair, pose = grown("crop"), np.array([30.0, 10, 5])
    still, tangents, _normals = follow(hair, head().template)
    turned, turned_tangents, turned_normals = follow(hair, head().template, pose)
    skin = head().vertices(pose=pose)
    corners, weights = hair.corners[:: 2 * hair.points], hair.weights[:: 2 * hair.points]
    roots = np.einsum("nkc,nk->nc", skin[corners], weights)
    was = np.einsum("nkc,nk->nc", head().template[corners], weights)
    before = np.linalg.norm(still[:: 2 * hair.points] - was, axis=1)
    after = np.linalg.norm(turned[:: 2 * hair.points] - roots, axis=1)
    assert np.abs(before - after).max() < 0.5
    assert np.abs((turned_tangents * turned_normals).sum(1)).max() < 0.05
    assert np.degrees(np.arccos((tangents * turned_tangents).sum(1).clip(-1, 1))).mean() > 10
    assert depth_under_skin(turned[::40], skin).max() < INSIDE


def test_long_hair_lies_still_on_the_shoulders_while_the_head_turns() -> None:
    hair = grown("long")
    moved = np.linalg.norm(follow(hair, head().template, np.array([20.0, 0, 0]))[0] - hair.vertices,
                           axis=1)  # fmt: skip
    low, high = hair.vertices[:, 1] < -150, hair.vertices[:, 1] > 60
    assert moved[low].mean() < 0.3 * moved[high].mean()


def test_hair_is_brighter_on_the_side_of_the_light() -> None:
    hair, light = grown("short"), studio_light()
    light[3] += 0.8
    colours = shade(hair, hair.tangents, hair.normals, light, np.eye(3))
    assert colours.shape == hair.vertices.shape and colours.dtype == np.float32
    assert np.isfinite(colours).all() and colours.min() >= 0 and colours.max() < 1.5
    x = hair.vertices[:, 0]
    assert colours[x > 50].mean() > 1.2 * colours[x < -50].mean()


def test_a_lamp_adds_light() -> None:
    hair = grown("short")
    plain = shade(hair, hair.tangents, hair.normals, studio_light(), np.eye(3))
    lamp = Light(np.zeros((9, 3)), np.array([0.0, 1, 1]), np.array([1.0, 0.5, 0]))
    lit = shade(hair, hair.tangents, hair.normals, studio_light(), np.eye(3), lamp) - plain
    assert lit.min() >= 0
    assert lit[:, 0].mean() > 1e-3 and lit[:, 0].mean() > lit[:, 1].mean() > lit[:, 2].mean()


def test_roots_are_darker_than_tips() -> None:
    hair = grown("bob")
    openness = hair.openness.reshape(-1, hair.points, 2).mean((0, 2))
    assert openness[0] < 0.6 * openness[3:].mean()


def test_the_sheet_of_strands_keeps_brightness() -> None:
    texels = strands().texels[: 256 * 256, 0]
    assert abs(texels.mean() - 1) < 1e-3 and 0.1 < texels.std() < 0.5 and texels.min() > 0


# -- on the skin -----------------------------------------------------------------------------------


@pytest.mark.parametrize("material", ["face", "back"])
@pytest.mark.parametrize("style", ["buzz", "receding", "long"])
def test_the_scalp_is_tinted_where_hair_grows_and_nowhere_else(style: str, material: str) -> None:
    on = chart(material)
    mask = scalp_mask(on, HairStyle(style, seed=1))
    assert mask.shape == (160, 160) and mask.dtype == np.float32
    assert mask.min() >= 0 and mask.max() <= 1 and mask.max() > 0.7
    places = on.of_vertices(head().template)
    face = on.covered & (places[..., 1] < 62) & (places[..., 2] > 60)
    assert not mask[face].any()
    neck = on.covered & (places[..., 1] < -60)
    assert neck.any() and not mask[neck].any()


def test_ears_have_no_hair() -> None:
    mask = scalp_mask(chart(), HairStyle("short"))
    ears = regions(chart(), "left_ear", "right_ear")
    assert mask[ears].mean() < 0.02


def test_the_tint_is_as_the_hair() -> None:
    grey = scalp_colour(HairStyle(colour=COLOURS["black"], grey=1.0))
    black = scalp_colour(HairStyle(colour=COLOURS["black"]))
    assert (grey > 10 * black).all() and (black > 0).all() and (grey < 1).all()


def test_a_bare_head_has_skin_on_its_temples_and_scalp() -> None:
    skin, hair = np.array([0.4, 0.25, 0.2]), np.array([0.02, 0.01, 0.01])
    places = chart().of_vertices(head().template)
    dark = (hairline(places) > -6)[..., None]
    face, back = bare(np.where(dark, hair, skin), chart(), chart("back"))
    assert np.abs(face[chart().covered] - skin).max() < 0.05
    assert np.abs(back[chart("back").covered] - skin).max() < 0.05


@pytest.mark.parametrize("style", [s for s in beards.STYLES if s != "none"])
def test_beards_grow_around_the_mouth_and_not_on_lips_or_eyes(style: str) -> None:
    mask = beard_mask(chart(size=256), Beard(style, density=1.0))
    on = chart(size=256)
    assert mask.dtype == np.float32 and mask.min() >= 0 and mask.max() <= 1 and mask.max() > 0.3
    assert mask[regions(on, "upper_lip", "lower_lip") & _red(on)].max() < 0.05
    places = on.of_vertices(head().template)
    assert not mask[on.covered & (places[..., 1] > 16)].any()
    assert not mask[regions(on, "left_brow", "right_brow")].any()


def _red(on: Chart) -> np.ndarray:
    """Away from the edge of the lips by a texel."""
    lips = regions(on, "upper_lip", "lower_lip")
    for shift in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        lips = lips & np.roll(lips, shift, (0, 1))
    return lips


def test_no_beard_is_no_layer() -> None:
    albedo = np.full((160, 160, 3), 0.4, np.float32)
    assert np.array_equal(painted(albedo, chart(), Beard("none")), albedo)
    assert grow_beard(Beard("none")) is None and grow_beard(Beard("stubble")) is None


def test_density_and_colour_of_a_beard_count() -> None:
    thin, thick = (beard_mask(chart(), Beard("full", density=d)) for d in (0.2, 1.0))
    assert thick.sum() > 3 * thin.sum() > 0
    albedo = np.full((160, 160, 3), 0.4, np.float32)
    red = painted(albedo, chart(), Beard("full", COLOURS["red"]))
    changed = beard_mask(chart(), Beard("full")) > 0.5
    assert red[changed][:, 0].mean() > 1.4 * red[changed][:, 2].mean()
    assert np.array_equal(red[beard_mask(chart(), Beard("full")) == 0],
                          albedo[beard_mask(chart(), Beard("full")) == 0])  # fmt: skip


@pytest.mark.parametrize("style", LONGER)
def test_beards_are_small_meshes_outside_of_the_skin(style: str) -> None:
    rng = np.random.default_rng(1)
    first, again = grow_beard(Beard(style, seed=2)), grow_beard(Beard(style, seed=2))
    assert first is not None and again is not None
    assert np.array_equal(first.vertices, again.vertices)
    assert 1000 < len(first.triangles) <= 20_000
    deep = []
    for _ in range(20):
        vertices = head().vertices(rng.normal(size=80))
        points = follow(first, vertices)[0][rng.integers(len(first.vertices), size=250)]
        deep.append(depth_under_skin(points, vertices) > INSIDE)
    assert np.mean(deep) < 0.005


def test_a_beard_opens_with_the_jaw() -> None:
    hair = grow_beard(Beard("full"))
    assert hair is not None
    opened = head().vertices(expression={"jawOpen": 1.0})
    moved = follow(hair, opened)[0] - hair.vertices
    chin = (hair.vertices[:, 1] < -70) & (hair.vertices[:, 2] > 90)
    lip = (hair.vertices[:, 1] > -22) & (np.abs(hair.vertices[:, 0]) < 20)
    assert moved[chin, 1].mean() < 5 * moved[lip, 1].mean() < 0
    assert moved[chin, 1].mean() < -8


def test_brows_are_where_brows_are() -> None:
    mask = brow_mask(chart(size=256), Brows(density=1.0))
    on = chart(size=256)
    own = regions(on, "left_brow", "right_brow")
    assert mask.min() >= 0 and mask.max() <= 1
    assert mask[own].mean() > 0.4 and mask[~own].mean() < 0.02
    assert not mask[regions(on, "nose", "upper_lip", "lower_lip")].any()


def test_brows_get_thicker_and_arched() -> None:
    on = chart(size=256)
    thin, thick = (brow_mask(on, Brows(thickness=t)) for t in (0.5, 1.6))
    assert thick.sum() > 2 * thin.sum() > 0
    height = on.of_vertices(head().template[:, 1:2])[..., 0]
    flat, high = (np.average(height, weights=brow_mask(on, Brows(arch=a))) for a in (-1, 1))
    assert high > flat + 1.5


def test_brows_of_the_texture_can_be_taken_away() -> None:
    on = chart(size=256)
    own = regions(on, "left_brow", "right_brow")
    albedo = np.where(own[..., None], 0.05, 0.4).astype(np.float32).repeat(3, 2)
    gone = with_brows(albedo, on, Brows(density=0.0, own=0.0))
    kept = with_brows(albedo, on, Brows(density=0.0, own=1.0))
    assert gone[own].mean() > 0.35 and np.allclose(kept, albedo)


# -- who has which hair ----------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.floats(18, 90), st.floats(0, 1), st.floats(0, 1))
def test_everybody_has_hair_of_a_natural_colour(
    seed: int, age: float, feminine: float, fair: float
) -> None:
    hair = sample(np.random.default_rng(seed), age, feminine, fair)
    assert hair == sample(np.random.default_rng(seed), age, feminine, fair)
    red, green, blue = hair.colour
    assert 0.7 > red > blue > 0.003 and red > 0.9 * green


def test_the_old_are_greyer_and_the_fair_are_fairer() -> None:
    rng = np.random.default_rng(0)
    young, old = (np.mean([sample_grey(rng, age) for _ in range(200)]) for age in (25, 75))
    assert young < 0.05 and old > 0.6
    dark, light = (np.median([sample_colour(rng, f)[0] for _ in range(200)]) for f in (0.0, 1.0))
    assert light > 2 * dark


def test_styles_go_with_gender_and_age() -> None:
    rng = np.random.default_rng(0)

    def share(styles: tuple[str, ...], age: float, feminine: float) -> float:
        return float(np.mean([sample(rng, age, feminine).style in styles for _ in range(300)]))

    long = ("long", "wavy", "bob", "tied", "bun")
    assert share(long, 30, 1.0) > 0.5 > 0.2 > share(long, 30, 0.0)
    assert share(("bald", "receding"), 70, 0.0) > 1.5 * share(("bald", "receding"), 25, 0.0)


@pytest.mark.parametrize("wrong", [{"style": "braid"}, {"density": 2}, {"length": 0.1}])
def test_beards_beyond_their_ranges_are_refused_by_name(wrong: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Beard(**wrong)


def test_brows_beyond_their_ranges_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="arch"):
        Brows(arch=3)
