"""Make-up, occluders, faults of cameras, styles, backgrounds and clothes of the face world."""

from dataclasses import fields, replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien import face
from mien.errors import InputError
from mien.head.camera import Perspective
from mien.head.colour import to_linear, to_srgb
from mien.head.model import CELEBAMASK, REGIONS, HeadModel, rotations
from mien.head.raster import rasterize
from mien.head.shading import vertex_normals
from mien.head.texture import Chart
from mien.media.image import write_image
from mien.world import degrade, makeup, occluders, stylise, surroundings
from mien.world.look import Look
from mien.world.occlusion import nearest
from mien.world.people import person
from mien.world.recipe import Recipe
from mien.world.render import Drawn
from mien.world.world import World, drawn

SIZE = 160
MODEL = HeadModel.bundled()


@pytest.fixture(scope="module")
def skin() -> np.ndarray:
    rng = np.random.default_rng(0)
    tone = np.array([0.42, 0.25, 0.17], np.float32)
    return (tone * (1 + 0.05 * rng.standard_normal((SIZE, SIZE, 1)))).astype(np.float32)


@pytest.fixture(scope="module")
def region() -> np.ndarray:
    """The name's number of each texel's region of the face, -1 off the chart."""
    chart = Chart(MODEL, "face", SIZE)
    return np.where(chart.covered, chart.of_triangles(chart.region.astype(int)), -1)


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """A soft face-like picture, (96, 128, 3) uint8."""
    rng = np.random.default_rng(3)
    small = rng.uniform(30, 225, (12, 16, 3)).astype(np.float32)
    return cv2.resize(small, (128, 96), interpolation=cv2.INTER_CUBIC).clip(0, 255).astype(np.uint8)


def heads(count: int, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [MODEL.vertices(rng.normal(size=80).astype(np.float32)) for _ in range(count)]


def camera(size: int = 128) -> Perspective:
    return Perspective(
        focal=2.5 * size, centre=(size / 2, size / 2), translation=np.array([0.0, -5.0, -900.0])
    )


# -- make-up ---------------------------------------------------------------------------------------


def test_places_are_those_of_the_landmarks() -> None:
    uv = makeup.places(MODEL)
    assert uv.shape == (478, 2)
    assert np.isnan(uv[468:]).all()
    chart = Chart(MODEL, "face", 512)
    at = chart.of_vertices(MODEL.template)
    column, row = (uv[:468, 0] * 512).astype(int), ((1 - uv[:468, 1]) * 512).astype(int)
    covered = chart.covered[row, column]
    away = np.linalg.norm(at[row, column] - MODEL.landmarks(MODEL.template)[:468], axis=1)
    assert covered.mean() > 0.9
    assert np.median(away[covered]) < 0.6
    assert away[covered].max() < 4


def test_no_makeup_is_no_change(skin: np.ndarray) -> None:
    made = makeup.apply(skin, makeup.Makeup())
    assert made.layers == {}
    assert np.array_equal(made.albedo, skin)
    assert np.array_equal(made.gloss, np.ones_like(made.gloss))
    assert made.albedo is not skin


def test_lipstick_is_on_the_lips(skin: np.ndarray, region: np.ndarray) -> None:
    red = (0.6, 0.02, 0.03)
    made = makeup.apply(skin, makeup.Makeup(lipstick=1.0, lip_colour=red, finish="gloss"))
    mask = made.layers["lipstick"]
    lips = np.isin(region, [REGIONS.index("upper_lip"), REGIONS.index("lower_lip")])
    inside = cv2.dilate(lips.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    inside |= region < 0  # the mouth's opening
    assert mask[~inside].max() < 0.12
    assert mask[cv2.erode(lips.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0].min() > 0.9
    assert np.allclose(made.albedo[mask > 0.99].mean(0), red, atol=0.08)
    assert np.array_equal(made.albedo[mask == 0], skin[mask == 0])
    assert made.gloss[mask > 0.9].min() > 2 > made.gloss[mask == 0].max()


@pytest.mark.parametrize(
    ("layer", "points"),
    [
        ("eye_shadow", (*face.LEFT_EYE_UPPER, *face.RIGHT_EYE_UPPER)),
        ("eyeliner", (*face.LEFT_EYE_UPPER, *face.RIGHT_EYE_UPPER)),
        ("mascara", (*face.LEFT_EYE, *face.RIGHT_EYE)),
        ("lower_liner", (*face.LEFT_EYE_LOWER, *face.RIGHT_EYE_LOWER)),
        ("brow", (*face.LEFT_BROW, *face.RIGHT_BROW)),
        ("blush", (205, 425, 117, 346, 50, 280)),
        ("lip_liner", tuple(face.LIPS_OUTER)),
    ],
)
def test_layers_lie_at_their_landmarks(layer: str, points: tuple[int, ...]) -> None:
    worn = replace(makeup.Makeup(), **{layer: 1.0})
    total = np.maximum.reduce(list(makeup.masks(worn, SIZE).values()))
    assert total.shape == (SIZE, SIZE)
    assert 0 <= total.min() < 0.01 < 0.5 < total.max() <= 1
    rows, columns = np.nonzero(total > 0.5)
    places = makeup.places(MODEL)[list(points)]
    there = np.column_stack([columns + 0.5, SIZE - rows - 0.5]) / SIZE
    away = np.linalg.norm(there[:, None] - places, axis=2).min(1) * makeup.MM
    assert np.percentile(away, 95) < 24
    left = total[:, : SIZE // 2].sum() / total.sum()
    assert 0.4 < left < 0.6, "as much on the left as on the right"


@pytest.mark.parametrize("pattern", makeup.PATTERNS[1:])
def test_face_paint_stays_on_the_face(skin: np.ndarray, pattern: str) -> None:
    worn = makeup.Makeup(pattern=pattern, paint=0.9, paint_colours=makeup.PAINTS[:2])
    made = makeup.apply(skin, worn)
    mask = made.layers["paint"]
    assert 0.003 < (mask > 0.5).mean() < 0.6
    assert mask[-SIZE // 6 :].max() == 0, "not on the neck"
    assert np.isfinite(made.albedo).all()
    assert made.albedo.min() >= 0


def test_makeup_at_random_is_right_and_the_same_again(skin: np.ndarray) -> None:
    for seed in range(12):
        worn = makeup.sample(np.random.default_rng(seed))
        assert worn == makeup.sample(np.random.default_rng(seed))
        made, again = makeup.apply(skin, worn), makeup.apply(skin, worn)
        assert np.array_equal(made.albedo, again.albedo)
        assert made.albedo.dtype == np.float32
        assert np.isfinite(made.albedo).all()
        assert made.gloss.min() >= 0
        for mask in made.layers.values():
            assert mask.dtype == np.float32
            assert 0 <= mask.min() <= mask.max() <= 1


def test_foundation_evens_the_skin(skin: np.ndarray) -> None:
    blotched = skin.copy()
    places = (makeup.places(MODEL)[[50, 280, 151]] * SIZE).astype(int)
    for x, y in places:
        blotched[SIZE - y - 3 : SIZE - y + 3, x - 3 : x + 3] *= 0.5
    made = makeup.apply(blotched, makeup.Makeup(foundation=1.0))
    cheek = made.layers["foundation"] > 0.9
    assert made.albedo[cheek].std(0).mean() < 0.7 * blotched[cheek].std(0).mean()


@pytest.mark.parametrize(
    ("worn", "message"),
    [
        (makeup.Makeup(lipstick=1.5), "lipstick"),
        (makeup.Makeup(blush=float("nan")), "blush"),
        (makeup.Makeup(finish="wet"), "finish"),
        (makeup.Makeup(pattern="zebra"), "pattern"),
    ],
)
def test_wrong_makeup_is_refused(skin: np.ndarray, worn: makeup.Makeup, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        makeup.apply(skin, worn)


def test_wrong_textures_are_refused(skin: np.ndarray) -> None:
    for wrong in (skin[:, :-1], skin[..., 0]):
        with pytest.raises(ValueError, match="albedo"):
            makeup.apply(wrong, makeup.Makeup())


def test_age_shows(skin: np.ndarray) -> None:
    young = makeup.detail(skin, makeup.SkinDetail(wrinkles=0, pores=0, blotches=0))
    assert np.array_equal(young, skin)
    old = makeup.detail(skin, makeup.SkinDetail(wrinkles=1, spots=0.5, pores=0.5, seed=4))
    again = makeup.detail(skin, makeup.SkinDetail(wrinkles=1, spots=0.5, pores=0.5, seed=4))
    assert np.array_equal(old, again)
    pored = makeup.detail(skin, makeup.SkinDetail(pores=0.5, seed=4))
    places = (makeup.places(MODEL)[[9, 205, 425]] * SIZE).astype(int)  # frown and nasolabial folds
    for column, row in places:
        around = np.s_[SIZE - row - 12 : SIZE - row + 12, column - 12 : column + 12]
        assert (old / skin)[around].min() < 0.75 < (pored / skin)[around].min()
    lines = [
        makeup.sample_detail(np.random.default_rng(seed), age).wrinkles
        for age in (20, 70)
        for seed in range(10)
    ]
    assert max(lines[:10]) < min(lines[10:])


# -- occluders -------------------------------------------------------------------------------------

WORN = (
    occluders.Glasses, occluders.Mask, occluders.Hat, occluders.Earrings, occluders.Necklace,
    occluders.Scarf, occluders.Strands, occluders.Hand, occluders.Thing,
)  # fmt: skip


@pytest.mark.parametrize("kind", WORN)
def test_props_are_sound_meshes_and_the_same_again(kind: type) -> None:
    head, rotation = MODEL.vertices(pose=np.array([20.0, 5.0, -8.0])), rotations(20, 5, -8)
    for seed in range(6):
        worn = kind.sample(np.random.default_rng(seed))
        assert worn == kind.sample(np.random.default_rng(seed))
        prop, again = (occluders.make(worn, head, rotation) for _ in range(2))
        assert np.array_equal(prop.vertices, again.vertices)
        count = len(prop.vertices)
        assert prop.vertices.dtype == prop.colours.dtype == np.float32
        assert prop.colours.shape == (count, 3)
        assert np.isfinite(prop.vertices).all()
        assert 0 <= prop.triangles.min() <= prop.triangles.max() < count
        assert prop.alpha.shape == prop.gloss.shape == prop.mirror.shape == (count,)
        assert 0 <= prop.alpha.min() <= prop.alpha.max() <= 1
        assert 0 <= prop.colours.min() <= prop.colours.max() <= 1.2
        assert prop.label.shape == (len(prop.triangles),)
        known = {CELEBAMASK.index(name) for name in ("glasses", "hat", "earring", "necklace",
                                                     "cloth", "hair")}  # fmt: skip
        assert set(np.unique(prop.label).tolist()) <= known | {occluders.OCCLUDER}


def test_props_move_with_the_skull() -> None:
    pose = np.array([35.0, -10.0, 12.0])
    rotation = rotations(*pose)
    for worn in (occluders.Glasses(), occluders.Hat(), occluders.Earrings()):
        upright = occluders.make(worn, MODEL.vertices(), np.eye(3))
        turned = occluders.make(worn, MODEL.vertices(pose=pose), rotation)
        expected = (upright.vertices - MODEL.neck_pivot) @ rotation.T + MODEL.neck_pivot
        away = np.linalg.norm(turned.vertices - expected, axis=1)
        assert np.percentile(away, 95) < 1.0
        assert np.median(away) < 0.01


def test_glasses_rest_on_the_nose() -> None:
    """Over 20 identities: the bridge touches the nose, and rims keep off the eyes."""
    for number, head in enumerate(heads(20)):
        worn = occluders.Glasses.sample(np.random.default_rng(number))
        prop = occluders.make(worn, head, np.eye(3))
        nose = head[np.unique(MODEL.triangles[MODEL.triangles_of("nose", "skin")])]
        middle = prop.vertices[(np.abs(prop.vertices[:, 0]) < 3) & (prop.vertices[:, 2] > 60)]
        gap = np.linalg.norm(middle[:, None] - nose, axis=2).min()
        assert gap < 3.0, f"floats {gap:.1f} mm over the nose"
        eyes = head[np.unique(MODEL.triangles[MODEL.triangles_of("left_eye", "right_eye")])]
        lens = prop.vertices[prop.alpha < 1]
        if len(lens):
            behind = lens[np.abs(lens[:, None, :2] - eyes[:, :2]).max(2).min(1) < 2]
            assert behind[:, 2].min() > eyes[:, 2].max() + 1


def test_arms_of_glasses_reach_the_ears_outside_the_head() -> None:
    for head in heads(5, seed=3):
        prop = occluders.make(occluders.Glasses(), head, np.eye(3))
        for side, name in ((1, "left_ear"), (-1, "right_ear")):
            ear = head[np.unique(MODEL.triangles[MODEL.triangles_of(name)])]
            arm = prop.vertices[prop.vertices[:, 0] * side > 40]
            top = ear[ear[:, 1].argmax()]
            assert np.linalg.norm(arm - top, axis=1).min() < 14


def hidden(prop: occluders.Prop, head: np.ndarray, points: list[int]) -> np.ndarray:
    """Which landmarks (n,) an opaque prop hides from the front."""
    view, size = camera(256), 256
    seen = rasterize(
        view.project(prop.vertices), prop.triangles[prop.opaque], size, size, perspective=True
    )
    placed = view.project(MODEL.landmarks(head)[points])
    x, y = placed[:, 0].astype(int), placed[:, 1].astype(int)
    return seen.depth[y, x] < placed[:, 2]


@pytest.mark.parametrize("kind", occluders.MASKS)
@pytest.mark.parametrize("way", occluders.WAYS)
def test_masks_cover_the_mouth(kind: str, way: str) -> None:
    mouth = [*face.LIPS_OUTER, *face.LIPS_INNER]
    tip, eyes = [1, 4], [*face.LEFT_EYE, *face.RIGHT_EYE]
    rng = np.random.default_rng(5)
    for number in range(6):
        code = rng.normal(size=80).astype(np.float32)
        opened = {"jawOpen": 0.5 * (number % 2), "mouthSmileLeft": 0.4}
        head = MODEL.vertices(code, opened)
        prop = occluders.make(occluders.Mask(kind=kind, way=way), head, np.eye(3))
        assert hidden(prop, head, mouth).all()
        assert not hidden(prop, head, eyes).any()
        assert hidden(prop, head, tip).all() == (way == "proper")


def test_hats_enclose_the_skull_and_leave_the_face() -> None:
    for number, head in enumerate(heads(4, seed=9)):
        worn = occluders.Hat(kind=occluders.HATS[number % 3])
        prop = occluders.make(worn, head, np.eye(3))
        assert prop.vertices[:, 1].max() > head[:, 1].max() + 1
        assert not hidden(prop, head, [*face.LEFT_EYE, *face.RIGHT_EYE, *face.LIPS_OUTER]).any()
        assert hidden(prop, head, [10]).all() or worn.low <= 0


def test_hair_under_a_hat_is_inside_it() -> None:
    head, rng = MODEL.vertices(), np.random.default_rng(0)
    directions = rng.normal(size=(400, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    hair = (np.array([0, 50.0, 8]) + 150 * directions).astype(np.float32)
    worn = occluders.Hat(kind="beanie")
    inside = occluders.pressed(hair, worn, head, np.eye(3))
    prop = occluders.make(worn, head, np.eye(3))
    low, high = prop.vertices.min(0), prop.vertices.max(0)
    above = hair[:, 1] > 100
    assert (inside[above] < high + 0.5).all()
    assert (inside[above][:, [0, 2]] > low[[0, 2]] - 0.5).all()
    below = hair[:, 1] < 0
    assert np.allclose(inside[below], hair[below], atol=1e-3), "what hangs out stays"


def test_earrings_hang_at_the_lobes() -> None:
    for head in heads(4, seed=2):
        for kind in occluders.JEWELS:
            prop = occluders.make(occluders.Earrings(kind=kind), head, np.eye(3))
            for side, name in ((1, "left_ear"), (-1, "right_ear")):
                ear = head[np.unique(MODEL.triangles[MODEL.triangles_of(name)])]
                mine = prop.vertices[prop.vertices[:, 0] * side > 0]
                assert np.linalg.norm(mine[:, None] - ear, axis=2).min() < 3


@pytest.mark.parametrize("place", [place for place in occluders.PLACES if place != "chin"])
def test_hands_are_before_the_face(place: str) -> None:
    head = MODEL.vertices()
    prop = occluders.make(occluders.Hand(place=place, gap=2.0), head, np.eye(3))
    hides = hidden(prop, head, list(range(468)))
    assert 5 < hides.sum() < 460
    # Where a hand is in front of the face, none of its nearer side is inside the head.
    reach = occluders.Wearer(head, np.eye(3)).front()
    x, y, z = prop.vertices.T
    over = reach(x, y)
    assert (z[np.isfinite(over)] >= over[np.isfinite(over)] - 0.1).all()


@pytest.mark.parametrize("kind", occluders.THINGS)
def test_things_hide_some_of_the_face(kind: str) -> None:
    head = MODEL.vertices()
    prop = occluders.make(occluders.Thing(kind=kind, place="mouth"), head, np.eye(3))
    assert hidden(prop, head, list(range(468))).sum() > 5
    assert (prop.label == occluders.OCCLUDER).all()


def ball(middle: np.ndarray, alpha: float = 1.0) -> occluders.Prop:
    """A ball of 25 mm about a place (3,)."""
    return occluders.Prop.of(
        occluders.ball(middle, 25.0, 24), (0.5, 0.1, 0.1), occluders.OCCLUDER, alpha=alpha
    )


def test_props_keep_light_from_what_is_behind_them() -> None:
    head = MODEL.vertices()
    normals = vertex_normals(head, MODEL.triangles)
    cheek, other = (np.linalg.norm(head - head[v], axis=1) < 8 for v in cheeks(head))
    middle = head[cheek].mean(0)

    def left(away: float, alpha: float = 1.0) -> np.ndarray:
        place = middle + away * normals[cheek].mean(0)
        return occluders.contact_shadow(ball(place, alpha), head, normals)

    near, far, clear = left(35), left(150), left(35, alpha=0.2)
    assert near.min() >= 0 and near.max() <= 1
    assert near[cheek].mean() < 0.6 < 0.9 < far[cheek].mean(), "soft, and only near the skin"
    assert near[other].mean() > 0.95
    assert np.allclose(clear, 1), "clear glass throws none"


def cheeks(head: np.ndarray) -> list[int]:
    """The vertices nearest to the middle of both cheeks."""
    return [int(np.linalg.norm(head - at, axis=1).argmin())
            for at in MODEL.landmarks(head)[[425, 205]]]  # fmt: skip


def drawn_with(*props: occluders.Occluder, lamp: float = 0.0) -> Drawn:
    """The same person each time, with something on."""
    factors = {"yaw": 0, "pitch": 0, "roll": 0, "fill": 0.7, "makeup": False, "hair": "short",
               "glasses": False, "mask": False, "occluder": False, "degrade": 0.0}  # fmt: skip
    scene = World(Recipe.of({"size": 96, "people": 10, "factors": factors})).scene(0)
    light = replace(scene.light, strength=lamp, lamp=np.array([0.0, 0.6, 0.8], np.float32))
    return drawn(replace(scene, props=props, light=light), ["image"])


def test_glass_lets_through_and_sunglasses_less() -> None:
    bare = drawn_with()
    columns, rows = bare.landmarks[[468, 473], :2].astype(int).T
    for opacity, low, high in ((0.0, 0.9, 1.1), (0.95, 0.0, 0.25)):
        worn = drawn_with(occluders.Glasses(opacity=opacity, mirror=0.0, tint=(0, 0, 0)))
        share = worn.colour[rows, columns].mean() / bare.colour[rows, columns].mean()
        assert low < share < high
        dark = worn.parsing[rows, columns] == CELEBAMASK.index("glasses")
        assert dark.all() == (opacity > 0.5), "what is seen is the eye, or the lens"


def test_brims_shade_the_brow_from_a_lamp() -> None:
    bare, worn = (drawn_with(*props, lamp=1.2) for props in ((), (occluders.Hat("brim"),)))
    points = bare.landmarks[:, :2].astype(int)
    brow, chin = points[face.LEFT_BROW].T, points[[199]].T
    for (columns, rows), low, high in ((brow, 0.0, 0.8), (chin, 0.9, 1.01)):
        share = worn.colour[rows, columns].mean() / bare.colour[rows, columns].mean()
        assert low < share < high


@pytest.mark.parametrize("kind", ["beanie", "cap", "brim"])
def test_no_hair_is_above_a_hat(kind: str) -> None:
    worn = drawn_with(occluders.Hat(kind))
    hat, hair = (worn.parsing == CELEBAMASK.index(name) for name in ("hat", "hair"))
    assert hat.sum() > 300
    first = hat.argmax(0)  # the row at which each column's hat begins
    above = np.arange(96)[:, None] < first
    assert not (hair & above)[:, hat.any(0)].any()


def test_gloss_is_on_the_lips_that_wear_it() -> None:
    look = Look.of(person(0))
    made = {finish: look.made_up(makeup.Makeup(lipstick=1.0, finish=finish)).gloss
            for finish in ("matte", "gloss")}  # fmt: skip
    lips = np.unique(MODEL.triangles[MODEL.triangles_of("lower_lip")])
    assert np.median(made["matte"][lips]) < 0.3 < 3 < np.median(made["gloss"][lips])
    cheek = cheeks(MODEL.template)
    assert (made["gloss"][cheek] == 1).all() and (look.gloss == 1).all()


def test_wrong_occluders_are_refused() -> None:
    with pytest.raises(ValueError, match="head"):
        occluders.make(occluders.Mask(), np.zeros((10, 3)), np.eye(3))
    with pytest.raises(ValueError, match="occluder"):
        occluders.make("hat", MODEL.template, np.eye(3))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", occluders.SHADES)
def test_shadows_take_a_part_of_the_lamp(kind: str) -> None:
    lamp = np.array([0.4, 0.5, 0.8])
    shade = occluders.Shade(kind=kind, depth=0.8)
    light = occluders.cast(shade, MODEL.template, lamp)
    assert light.shape == (len(MODEL.template),)
    assert 0.2 - 1e-5 <= light.min() < 0.4 < 0.9 < light.max() <= 1
    along = occluders.cast(shade, MODEL.template + 100 * lamp, lamp)
    assert np.abs(light - along).max() < 1e-3, "a shadow is the same all along the light"
    none = occluders.cast(replace(shade, depth=0.0), MODEL.template, lamp)
    assert (none == 1).all()
    with pytest.raises(ValueError, match="shade"):
        occluders.cast(replace(shade, kind="cloud"), MODEL.template, lamp)


# -- faults and styles -----------------------------------------------------------------------------

FAULTS = [entry.name for entry in fields(degrade.Degrade)]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("linear", [False, True])
def test_faults_change_pictures_and_are_the_same_again(
    picture: np.ndarray, fault: str, linear: bool
) -> None:
    image = picture if not linear else (picture / np.float32(255)).astype(np.float32)
    spoilt = []
    for strength in (0.0, 0.3, 0.3, 1.0):
        rng = np.random.default_rng(6)
        out = degrade.apply(image, degrade.Degrade(**{fault: strength}), rng)
        assert out.shape == image.shape
        assert out.dtype == image.dtype
        assert np.isfinite(out).all()
        spoilt.append(out)
    assert np.array_equal(spoilt[0], image)
    assert np.array_equal(spoilt[1], spoilt[2])
    away = [np.abs(out.astype(float) - image).mean() for out in spoilt]
    assert 0 < away[1] < away[3]


def test_faults_move_nothing(picture: np.ndarray) -> None:
    """A bright spot's centre stays within a pixel under any blur and resolution."""
    spot = np.full((97, 97, 3), 20, np.uint8)
    cv2.circle(spot, (48, 48), 14, (235, 235, 235), -1)
    for fault in ("blur", "defocus", "motion", "small", "jpeg", "webp", "noise"):
        for seed in range(4):
            out = degrade.apply(
                spot, degrade.Degrade(**{fault: 0.7}), np.random.default_rng(seed)
            ).astype(float)
            mass = (out.mean(2) - 20).clip(0) ** 2
            rows, columns = np.mgrid[:97, :97]
            centre = [(axis * mass).sum() / mass.sum() for axis in (rows, columns)]
            assert np.abs(np.array(centre) - 48).max() < 1.5, fault


def test_faults_at_random(picture: np.ndarray) -> None:
    clean = 0
    for seed in range(60):
        faults = degrade.sample(np.random.default_rng(seed))
        assert faults == degrade.sample(np.random.default_rng(seed))
        clean += faults == degrade.Degrade()
        out = degrade.apply(picture, faults, np.random.default_rng(seed))
        assert out.shape == picture.shape
    assert 5 < clean < 40
    assert degrade.sample(np.random.default_rng(3), strength=0) == degrade.Degrade()


def test_wrong_faults_are_refused(picture: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="jpeg"):
        degrade.apply(picture, degrade.Degrade(jpeg=1.2), rng)
    with pytest.raises(ValueError, match="image"):
        degrade.apply(picture[..., 0], degrade.Degrade(blur=1), rng)
    assert degrade.apply(picture[:1, :1], degrade.Degrade(small=1, motion=1), rng).shape == (
        1,
        1,
        3,
    )


@pytest.mark.parametrize("name", stylise.STYLES)
def test_styles(picture: np.ndarray, name: str) -> None:
    same = stylise.apply(picture, stylise.Style(name, 0.0))
    assert np.array_equal(same, picture)
    away = []
    for strength in (0.1, 0.5, 1.0):
        style = stylise.Style(name, strength, seed=2)
        drawn = stylise.apply(picture, style)
        assert drawn.shape == picture.shape
        assert drawn.dtype == np.uint8
        assert np.array_equal(drawn, stylise.apply(picture, style))
        away.append(np.abs(drawn.astype(float) - picture).mean())
    assert 0 < away[0] < away[1]
    assert away[0] < away[2]


def test_styles_keep_where_things_are() -> None:
    """A dark disc on a light ground stays where it is, and darker than the ground."""
    disc = np.full((128, 128, 3), 215, np.uint8)
    cv2.circle(disc, (64, 64), 30, (50, 40, 45), -1)
    inside = np.hypot(*(np.mgrid[:128, :128] - 63.5)) < 25
    outside = np.hypot(*(np.mgrid[:128, :128] - 63.5)) > 38
    for name in stylise.STYLES:
        drawn = stylise.apply(disc, stylise.Style(name, 1.0, seed=1)).mean(2)
        assert drawn[inside].mean() < drawn[outside].mean() - 8, name


def test_wrong_styles_are_refused(picture: np.ndarray) -> None:
    for style in (stylise.Style("fresco", 0.5), stylise.Style("paint", 2.0)):
        with pytest.raises(ValueError, match=r"style|strength"):
            stylise.apply(picture, style)
    with pytest.raises(ValueError, match="image"):
        stylise.apply(picture.astype(np.float32), stylise.Style("paint", 0.5))
    assert stylise.sample(np.random.default_rng(1)) == stylise.sample(np.random.default_rng(1))


# -- surroundings ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", surroundings.KINDS[:-1])
def test_backgrounds(kind: str) -> None:
    behind = surroundings.Background(kind=kind, bright=0.3, seed=4)
    for size in (64, 300):
        drawn = surroundings.background(behind, size)
        assert drawn.shape == (size, size, 3)
        assert drawn.dtype == np.float32
        assert 0 <= drawn.min() <= drawn.max() <= 1
        assert 0.1 < drawn.mean() < 0.4
        assert np.array_equal(drawn, surroundings.background(behind, size))
    other = surroundings.background(replace(behind, seed=5), 64)
    assert not np.array_equal(other, surroundings.background(behind, 64))


def test_backgrounds_of_photographs(tmp_path: Path, picture: np.ndarray) -> None:
    with pytest.raises(InputError, match="no photographs"):
        surroundings.background(surroundings.Background("photo", folder=str(tmp_path)), 64)
    with_photo = tmp_path / "some"
    with_photo.mkdir()
    write_image(with_photo / "one.png", picture)
    behind = surroundings.Background("photo", folder=str(with_photo), blur=0.0, seed=3)
    drawn = surroundings.background(behind, 64)
    assert drawn.shape == (64, 64, 3)
    assert drawn.std() > 0.02
    assert np.array_equal(drawn, surroundings.background(behind, 64))
    kinds = {surroundings.sample(np.random.default_rng(s), str(with_photo)).kind for s in range(20)}
    assert "photo" in kinds
    assert "photo" not in {surroundings.sample(np.random.default_rng(s)).kind for s in range(20)}


def test_unknown_surroundings_are_refused() -> None:
    with pytest.raises(ValueError, match="background"):
        surroundings.background(surroundings.Background("moon"), 32)
    with pytest.raises(ValueError, match="clothes"):
        surroundings.dress(surroundings.Clothes("toga"), MODEL.template)
    with pytest.raises(ValueError, match="pattern"):
        surroundings.dress(surroundings.Clothes(pattern="camouflage"), MODEL.template)
    with pytest.raises(ValueError, match="head"):
        surroundings.dress(surroundings.Clothes(), np.zeros((4, 3)))


@pytest.mark.parametrize("kind", surroundings.GARMENTS)
def test_clothes_cover_the_shoulders_and_leave_the_face(kind: str) -> None:
    for number, head in enumerate(heads(3, seed=7)):
        sampled = surroundings.Clothes.sample(np.random.default_rng(number))
        worn = replace(sampled, kind=kind)
        prop, again = (surroundings.dress(worn, head) for _ in range(2))
        assert np.array_equal(prop.vertices, again.vertices)
        assert np.isfinite(prop.vertices).all()
        assert set(prop.label.tolist()) == {CELEBAMASK.index("cloth")}
        assert np.ptp(prop.vertices[:, 0]) > 350, "shoulders as wide as a body's"
        assert not hidden(prop, head, [*face.LIPS_OUTER, *face.LEFT_EYE, *face.NOSE]).any()
        view = replace(camera(256), translation=np.array([0.0, 60.0, -1500.0]))
        seen = rasterize(view.project(prop.vertices), prop.triangles, 256, 256, perspective=True)
        low = np.unique(MODEL.triangles[MODEL.triangles_of("cloth")])
        low = low[(head[low, 1] < -176) & (head[low, 2] > 20)]
        placed = view.project(head[low])
        x, y = (placed[:, i].astype(int) for i in (0, 1))
        assert (seen.depth[y, x] < placed[:, 2]).mean() > 0.98, "no skin comes through"


def test_the_body_does_not_turn_with_the_head() -> None:
    turned = MODEL.vertices(pose=np.array([50.0, 0, 0]))
    worn = surroundings.Clothes("tshirt")
    still, then = surroundings.dress(worn, MODEL.vertices()), surroundings.dress(worn, turned)
    low = (still.vertices[:, 1] < -180) & (then.vertices[:, 1] < -180)
    assert np.abs(still.vertices[low] - then.vertices[low]).max() < 6


# -- what draws them -------------------------------------------------------------------------------


def test_codes_of_light_are_those_of_the_formula() -> None:
    assert np.array_equal(to_srgb(to_linear(np.arange(256, dtype=np.uint8))), np.arange(256))
    light = np.random.default_rng(0).random((64, 300, 3), np.float32) ** 3
    coded = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    assert np.array_equal(to_srgb(light), (coded * 255 + 0.5).astype(np.uint8))
    assert np.array_equal(to_srgb(light[:, ::2]), to_srgb(light)[:, ::2])
    beyond = [np.nan, -np.inf, -1.0, 0.0, 1.0, 7.0, np.inf]
    assert to_srgb(np.array(beyond)).tolist() == [0, 0, 0, 0, 255, 255, 255]


def test_shadows_see_the_depth_that_the_rasteriser_sees() -> None:
    for yaw in (0, 35, 120):
        turned = heads(1)[0] @ rotations(yaw, 10).T
        placed = np.column_stack([56 + 0.3 * turned[:, 0], 56 - 0.3 * turned[:, 1], -turned[:, 2]])
        fast = nearest(placed, MODEL.triangles, 112, 100)
        seen = rasterize(placed, MODEL.triangles, 112, 100)
        assert fast.shape == (100, 112) and seen.covered.mean() > 0.2
        assert (np.isfinite(fast) != seen.covered).sum() <= 2  # centres that lie on an edge
        both = np.isfinite(fast) & seen.covered
        assert np.abs(fast[both] - seen.depth[both]).max() < 0.02
