"""The head model: what it holds, how it moves, and that its file is read and refused rightly."""

import time

import numpy as np
import pytest

from mien.errors import InputError
from mien.face import (
    BLENDSHAPES,
    LEFT_EYE_LOWER,
    LEFT_EYE_UPPER,
    LEFT_IRIS,
    LIPS_INNER,
    LIPS_OUTER,
    RIGHT_EYE_LOWER,
    RIGHT_EYE_UPPER,
    RIGHT_IRIS,
)
from mien.find import mean_face
from mien.head.model import CELEBAMASK, LAPA, MATERIALS, REGIONS, HeadModel, rotations
from mien.head.raster import rasterize

MODEL = HeadModel.bundled()
NEUTRAL = MODEL.vertices()
POINTS = MODEL.landmarks(NEUTRAL)
FLIP = np.array([-1, 1, 1])


def person(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(len(MODEL.identity))


def moved(expression: dict[str, float], **rest) -> np.ndarray:
    """How far MediaPipe's points move, (478, 3) mm."""
    return MODEL.landmarks(MODEL.vertices(expression=expression, **rest)) - POINTS


def seen_from_front(vertices: np.ndarray, triangles: np.ndarray, y: float, side: float) -> float:
    """The area in mm^2 of some triangles (T,) bool that a picture around x = 0 and y shows."""
    scale = 800 / side
    picture = np.stack([vertices[:, 0] * scale + 400, (y - vertices[:, 1]) * scale + 400,
                        -vertices[:, 2]], 1)  # fmt: skip
    index, _ = rasterize(picture, MODEL.triangles, 800, 800)
    return float(triangles[index[index >= 0]].sum() / scale**2)


def gap(vertices: np.ndarray, contact, side: int | None = None) -> float:
    margin = contact.margin if side is None else contact.margin[side]
    ways = contact.gap if side is None else contact.gap[side]
    return float(np.linalg.norm(ways @ vertices[margin], axis=1).max())


# -- what it holds -----------------------------------------------------------------------------


def test_it_is_small_enough_to_ship() -> None:
    from importlib import resources

    with resources.as_file(resources.files("mien.head") / "ict_head.npz") as path:
        assert path.stat().st_size < 6_000_000


def test_its_arrays_fit_together() -> None:
    count = len(MODEL.template)
    assert MODEL.triangles.max() == count - 1 and MODEL.triangles.min() == 0
    assert len(np.unique(MODEL.triangles)) == count
    assert MODEL.identity.shape[1:] == MODEL.expression.shape[1:] == (count, 3)
    assert MODEL.uv_triangles.max() == len(MODEL.uv) - 1
    assert MODEL.uv.min() >= 0 and MODEL.uv.max() <= 1
    assert set(MODEL.material) == set(range(len(MATERIALS)))
    assert set(MODEL.region) == set(range(len(REGIONS)))
    assert len(MODEL.landmarks68) == 68
    for array in (MODEL.template, MODEL.identity, MODEL.expression, MODEL.landmark_weights):
        assert np.isfinite(array).all()


def test_the_first_52_expressions_are_those_of_arkit() -> None:
    assert MODEL.expression_names[:52] == BLENDSHAPES
    assert len(set(MODEL.expression_names)) == len(MODEL.expression) > 52
    assert (np.abs(MODEL.expression).max((1, 2)) > 1).all()


def test_halves_add_up_to_arkit_shapes() -> None:
    index = MODEL.expression_names.index
    for name in ("browInnerUp", "cheekPuff"):
        halves = MODEL.expression[index(f"{name}_L")] + MODEL.expression[index(f"{name}_R")]
        assert np.abs(MODEL.expression[index(name)] - halves).max() < 0.02


def test_units_and_axes_are_those_documented() -> None:
    iris = POINTS[LEFT_IRIS[0]] - POINTS[RIGHT_IRIS[0]]
    assert 60 < iris[0] < 68 and np.abs(iris[1:]).max() < 0.1  # the person's left is at +x
    assert POINTS[10, 1] > POINTS[152, 1] + 120  # forehead over chin
    assert POINTS[4, 2] > POINTS[[234, 454], 2].max() + 80  # nose in front of the ears


def test_triangles_face_outwards() -> None:
    a, b, c = (NEUTRAL[MODEL.triangles[:, i]] for i in range(3))
    normal = np.cross(b - a, c - a)
    scalp = MODEL.triangles_of("hair", "left_brow", "right_brow")
    assert ((normal * ((a + b + c) / 3 - (0, 0, 20)))[scalp].sum(1) > 0).all()


def test_every_edge_has_its_two_sides_wound_alike() -> None:
    ways = np.concatenate([MODEL.triangles[:, [i, (i + 1) % 3]] for i in range(3)])
    assert len(np.unique(ways, axis=0)) == len(ways)


def test_a_neutral_head_at_rest_is_the_template() -> None:
    assert np.abs(NEUTRAL - MODEL.template).max() < 0.02


def test_identity_is_in_standard_deviations() -> None:
    assert (np.diff(MODEL.identity_std) <= 1e-6).all() and MODEL.identity_std[0] > 2
    assert np.abs(MODEL.neutral(np.zeros(5)) - MODEL.template).max() == 0
    one = MODEL.neutral(np.eye(1)[0]) - MODEL.template
    assert np.allclose(one, MODEL.identity[0], atol=1e-4)


def test_left_and_right_are_mirror_images() -> None:
    assert (MODEL.mirror[MODEL.mirror] == np.arange(len(NEUTRAL))).all()
    assert np.abs(NEUTRAL[MODEL.mirror] * FLIP - NEUTRAL).max() < 0.3
    index = MODEL.expression_names.index
    for name in ("eyeBlink", "mouthSmile", "browOuterUp", "eyeLookDown", "cheekSquint"):
        left, right = (MODEL.expression[index(f"{name}{side}")] for side in ("Left", "Right"))
        assert np.percentile(np.abs(left[MODEL.mirror] * FLIP - right), 99) < 0.2


def test_parsers_classes_name_what_regions_are() -> None:
    nose = MODEL.triangles_of("nose")
    assert (MODEL.classes(LAPA)[nose] == LAPA.index("nose")).all()
    ear = MODEL.triangles_of("left_ear")
    assert (MODEL.classes(LAPA)[ear] == LAPA.index("skin")).all()
    assert (MODEL.classes(CELEBAMASK)[ear] == CELEBAMASK.index("left_ear")).all()
    neck = MODEL.triangles_of("neck")
    assert (MODEL.classes(LAPA)[neck] == 0).all()
    assert len(LAPA) == 11 and len(CELEBAMASK) == 19


# -- the 478 points ----------------------------------------------------------------------------


def test_landmarks_lie_on_their_triangles() -> None:
    corners = np.sort(MODEL.triangles[MODEL.landmark_triangles], 1)
    assert (corners == np.sort(MODEL.landmark_vertices, 1)).all()
    assert np.abs(MODEL.landmark_weights.sum(1) - 1).max() < 1e-5
    assert MODEL.landmark_weights.min() > -1e-6


def test_landmarks_are_symmetric() -> None:
    image = POINTS[mean_face.mirror()] * FLIP
    assert np.abs(image - POINTS).max() < 0.02


def test_landmarks_agree_with_the_mean_face() -> None:
    """The mean face smiles and is another person: some millimetres, but nowhere off."""
    mean = mean_face.points() * (1, -1, -1)
    a, b = POINTS - POINTS.mean(0), mean - mean.mean(0)
    u, singular, vt = np.linalg.svd(a.T @ b)
    turned = b @ (u @ vt).T * singular.sum() / (b**2).sum()
    off = np.linalg.norm(turned - a, axis=1)
    assert off.mean() < 3.5 and off.max() < 10


def regions_of(points) -> set[str]:
    return {REGIONS[region] for region in MODEL.region[MODEL.landmark_triangles[points]]}


def test_lips_and_irises_lie_where_they_belong() -> None:
    assert regions_of(LIPS_INNER[1:10]) == regions_of([11, 12, 302, 72]) == {"upper_lip"}
    assert regions_of(LIPS_INNER[11:]) == regions_of([15, 16, 315, 85]) == {"lower_lip"}
    assert regions_of(LEFT_IRIS) == {"left_eye"} and regions_of(RIGHT_IRIS) == {"right_eye"}
    assert regions_of([4, 1, 5]) == {"nose"}
    rim = np.linalg.norm(POINTS[LEFT_IRIS[1:]] - POINTS[LEFT_IRIS[0]], axis=1)
    assert ((rim > 5.3) & (rim < 6.5)).all()


def test_lids_and_lips_are_in_order() -> None:
    for upper, lower in ((LEFT_EYE_UPPER, LEFT_EYE_LOWER), (RIGHT_EYE_UPPER, RIGHT_EYE_LOWER)):
        assert (POINTS[upper[1:-1], 1] > POINTS[lower[1:-1], 1] + 1).all()
    assert (np.diff(POINTS[LIPS_OUTER[:11], 0]) > 0).all()  # from the right corner to the left
    assert (POINTS[LIPS_OUTER[1:10], 1] > POINTS[LIPS_INNER[1:10], 1]).all()
    assert (POINTS[LIPS_OUTER[11:], 1] < POINTS[LIPS_INNER[11:], 1]).all()


# -- expressions -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "point", "axis", "least"),
    [
        ("jawOpen", 152, 1, -20),
        ("jawLeft", 152, 0, 5),
        ("jawRight", 152, 0, -5),
        ("jawForward", 152, 2, 4),
        ("mouthLeft", 0, 0, 4),
        ("mouthSmileLeft", 291, 1, 4),
        ("mouthSmileRight", 61, 1, 4),
        ("mouthFrownLeft", 291, 1, -2),
        ("mouthPucker", 291, 0, -3),
        ("mouthStretchRight", 61, 0, -1),
        ("mouthUpperUpLeft", 269, 1, 2),
        ("mouthLowerDownRight", 181, 1, -2),
        ("browInnerUp", 107, 1, 3),
        ("browOuterUpLeft", 300, 1, 3),
        ("browDownRight", 66, 1, -3),
        ("noseSneerLeft", 278, 1, 2),
        ("cheekPuff", 425, 2, 2),
        ("eyeBlinkLeft", 386, 1, -6),
        ("eyeBlinkRight", 159, 1, -6),
        ("eyeWideLeft", 386, 1, 1),
        ("eyeSquintRight", 145, 1, 1),
        ("eyeLookDownLeft", 386, 1, -3),
    ],
)
def test_an_expression_does_what_its_name_says(name, point, axis, least) -> None:
    way = moved({name: 1.0})[point, axis]
    assert way * np.sign(least) > abs(least)


def test_expressions_of_one_side_leave_the_other() -> None:
    way = np.linalg.norm(moved({"eyeBlinkLeft": 1.0, "browOuterUpLeft": 1.0}), axis=1)
    assert way[386] > 6 and way[POINTS[:, 0] < -20].max() < 0.3


def test_weights_come_by_name_or_in_order() -> None:
    weights = np.zeros(52)
    weights[BLENDSHAPES.index("jawOpen")] = 0.4
    named = MODEL.vertices(expression={"jawOpen": 0.4})
    assert np.array_equal(MODEL.vertices(expression=weights), named)
    padded = np.pad(weights, (0, len(MODEL.expression) - 52))
    assert np.array_equal(MODEL.vertices(expression=padded), named)


@pytest.mark.parametrize(
    "arguments",
    [
        {"expression": {"smile": 1.0}},
        {"expression": np.zeros(51)},
        {"identity": np.zeros(1000)},
        {"gaze": np.zeros(2)},
        {"pose": np.zeros(2)},
    ],
)
def test_wrong_use_is_an_error(arguments) -> None:
    with pytest.raises(ValueError, match=r"expression|identity|gaze|pose"):
        MODEL.vertices(**arguments)


def test_a_batch_gives_what_single_frames_give() -> None:
    rng = np.random.default_rng(3)
    identity = rng.standard_normal((4, 30))
    expression = rng.uniform(0, 1, (4, 52)) * (rng.uniform(size=(4, 52)) < 0.3)
    gaze, pose = rng.uniform(-15, 15, (4, 2, 2)), rng.uniform(-20, 20, (4, 3))
    together = MODEL.vertices(identity, expression, gaze, pose)
    for i in range(4):
        alone = MODEL.vertices(identity[i], expression[i], gaze[i], pose[i])
        assert np.abs(together[i] - alone).max() < 1e-3
    one_person = MODEL.vertices(identity[0], expression)
    assert one_person.shape == together.shape
    assert np.abs(one_person[2] - MODEL.vertices(identity[0], expression[2])).max() < 1e-3


def test_the_linear_part_for_fitting_is_that_of_the_vertices() -> None:
    mean, identity, expression = MODEL.landmark_basis()
    code = person(4) / 2
    smile = BLENDSHAPES.index("mouthSmileLeft")
    linear = mean + np.tensordot(code, identity, 1) + 0.5 * expression[smile]
    exact = MODEL.landmarks(MODEL.vertices(code, {"mouthSmileLeft": 0.5}))
    assert np.linalg.norm(linear - exact, axis=1).max() < 0.3


# -- eyes and lids -----------------------------------------------------------------------------


def test_eyes_turn_about_their_centres() -> None:
    gaze = np.array([[20.0, 0.0], [0.0, 15.0]])  # the left to its left, the right one up
    turned = MODEL.vertices(gaze=gaze)
    for side in (0, 1):
        ball = MODEL.eyes.vertices[side]
        centre = MODEL.eyes.centre[side] @ NEUTRAL[ball]
        expected = (NEUTRAL[ball] - centre) @ rotations(*gaze[side]).T + centre
        assert np.abs(turned[ball] - expected).max() < 1e-3
    points = MODEL.landmarks(turned)
    assert points[LEFT_IRIS[0], 0] > POINTS[LEFT_IRIS[0], 0] + 4
    assert points[RIGHT_IRIS[0], 1] > POINTS[RIGHT_IRIS[0], 1] + 3


def test_without_a_gaze_the_look_expressions_turn_the_eyes() -> None:
    way = moved({"eyeLookOutLeft": 1.0, "eyeLookInRight": 1.0})
    assert way[LEFT_IRIS[0], 0] > 6 and way[RIGHT_IRIS[0], 0] > 6
    assert moved({"eyeLookUpLeft": 1.0})[LEFT_IRIS[0], 1] > 4
    straight = moved({"eyeLookUpLeft": 1.0}, gaze=np.zeros((2, 2)))
    assert np.abs(straight[LEFT_IRIS[0]]).max() < 1e-3


BLINK = {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0}
EYEBALLS = MODEL.triangles_of("left_eye", "right_eye")


def test_a_blink_closes_the_lids_of_the_mean_head() -> None:
    closed = MODEL.vertices(expression=BLINK)
    assert max(gap(closed, MODEL.lids, side) for side in (0, 1)) < 0.3
    assert seen_from_front(closed, EYEBALLS, 36, 120) == 0
    assert seen_from_front(NEUTRAL, EYEBALLS, 36, 120) > 200


@pytest.mark.parametrize("seed", range(5))
def test_a_blink_closes_the_lids_of_anybody_looking_anywhere(seed: int) -> None:
    rng = np.random.default_rng(seed)
    others = {
        "eyeSquintLeft": 0.5,
        "eyeLookDownRight": 0.7,
        "browInnerUp": 1.0,
        "eyeWideRight": 0.3,
    }
    closed = MODEL.vertices(person(seed), {**BLINK, **others}, rng.uniform(-25, 25, (2, 2)))
    assert max(gap(closed, MODEL.lids, side) for side in (0, 1)) < 0.3
    assert seen_from_front(closed, EYEBALLS, 36, 120) < 1  # of some 300 mm^2 when they are open


@pytest.mark.parametrize("blink", [0.0, 0.3, 0.6, 0.9])
def test_eyeballs_do_not_come_through_lids(blink: float) -> None:
    half = MODEL.vertices(person(1), {"eyeBlinkLeft": blink, "eyeBlinkRight": blink})
    for side in (0, 1):
        ball = MODEL.eyes.vertices[side]
        centre = MODEL.eyes.centre[side] @ half[ball]
        margin = half[MODEL.lids.margin[side]]
        reach = np.linalg.norm(half[ball] - centre, axis=1)
        forwards = (half[ball] - centre) @ MODEL.eyes.axis[side] > 0.5 * reach
        least = np.linalg.norm(margin - centre, axis=1).min()
        assert least > np.median(reach[forwards]) - 1.0


def test_opening_eyes_shuts_less_with_less_blink() -> None:
    heights = [
        np.subtract(*MODEL.landmarks(MODEL.vertices(expression={"eyeBlinkLeft": b}))[[386, 374], 1])
        for b in (0, 0.25, 0.5, 0.75, 1)
    ]
    assert (np.diff(heights) < -1).all()


# -- mouth -------------------------------------------------------------------------------------

INSIDE = MODEL.triangles_of("inner_mouth")


@pytest.mark.parametrize("seed", range(6))
def test_a_neutral_mouth_is_closed(seed: int) -> None:
    closed = MODEL.vertices(person(seed) * (seed > 0), {"browInnerUp": 1.0, "cheekSquintLeft": 1.0})
    assert gap(closed, MODEL.lips) < 0.15
    assert seen_from_front(closed, INSIDE, -30, 80) < 1


def test_mouth_close_closes_what_jaw_open_opens() -> None:
    for weight in (0.3, 1.0):
        opened = MODEL.vertices(expression={"jawOpen": weight})
        closed = MODEL.vertices(expression={"jawOpen": weight, "mouthClose": weight})
        assert gap(opened, MODEL.lips) > 20 * weight
        assert gap(closed, MODEL.lips) < 0.3


@pytest.mark.parametrize("name", ["mouthShrugLower", "mouthRollLower", "mouthPucker", "mouthClose"])
def test_lips_do_not_pass_through_each_other(name: str) -> None:
    x = MODEL.vertices(expression={name: 1.0})
    assert (MODEL.lips.gap @ x[MODEL.lips.margin])[:, 1].max() < 0.05


def test_an_open_mouth_shows_its_inside() -> None:
    opened = MODEL.vertices(expression={"jawOpen": 0.7})
    assert seen_from_front(opened, INSIDE, -40, 120) > 300


def test_the_tongue_comes_out_between_the_lips() -> None:
    opened = MODEL.vertices(expression={"jawOpen": 0.5})
    out = MODEL.vertices(expression={"jawOpen": 0.5, "tongueOut": 1.0})
    way = np.linalg.norm(out - opened, axis=1)
    tip = way.argmax()
    assert way[tip] > 30 and out[tip, 2] > out[MODEL.lips.margin, 2].max() + 8
    assert way[MODEL.lips.margin].max() == 0
    mouth = np.unique(MODEL.triangles[MODEL.material == MATERIALS.index("mouth")])
    assert set(np.flatnonzero(way > 0.01)) <= set(mouth)


# -- pose --------------------------------------------------------------------------------------


def test_the_head_turns_about_the_neck() -> None:
    def facing(pose) -> np.ndarray:
        x = MODEL.landmarks(MODEL.vertices(pose=np.array(pose, float)))
        way = x[4] - (x[234] + x[454]) / 2
        return way / np.linalg.norm(way)

    start = facing((0, 0, 0))
    assert facing((30, 0, 0))[0] > 0.4  # to the image's right
    assert facing((0, 20, 0))[1] > start[1] + 0.25  # up
    rolled = MODEL.landmarks(MODEL.vertices(pose=np.array([0, 0, 20.0])))
    assert (rolled[10] - rolled[152])[0] > 30  # clockwise: the forehead to the right
    turned = MODEL.vertices(pose=np.array([40.0, 10, 5]))
    lowest = NEUTRAL[:, 1] < -170
    assert np.abs(turned - NEUTRAL)[lowest].max() < 0.5
    assert np.abs(MODEL.vertices(pose=np.zeros(3)) - NEUTRAL).max() < 1e-4


def test_the_skull_stays_rigid_in_a_pose() -> None:
    turned = MODEL.vertices(pose=np.array([25.0, -10, 15]))
    skull = np.flatnonzero(MODEL.neck_weights == 1)
    assert len(skull) > 5000
    some = skull[:: len(skull) // 50]
    before, after = (np.linalg.norm(x[some][:, None] - x[some], axis=2) for x in (NEUTRAL, turned))
    assert np.abs(before - after).max() < 0.01


# -- files -------------------------------------------------------------------------------------


def test_it_comes_back_from_a_file(tmp_path) -> None:
    path = tmp_path / "head.npz"
    MODEL.save(path, step=0.01)
    again = HeadModel.load(path)
    assert again.expression_names == MODEL.expression_names
    assert np.abs(again.identity - MODEL.identity).max() <= 0.0051
    assert np.array_equal(again.triangles, MODEL.triangles)
    assert np.abs(again.vertices(person(2), BLINK) - MODEL.vertices(person(2), BLINK)).max() < 0.3
    assert [p.name for p in tmp_path.iterdir()] == ["head.npz"]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", b"\x80\x04K\x01."])
def test_what_is_no_model_is_refused_by_name(tmp_path, content: bytes) -> None:
    path = tmp_path / "no_head.npz"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"no_head\.npz"):
        HeadModel.load(path)


def test_other_arrays_and_cut_files_are_refused(tmp_path) -> None:
    np.savez(tmp_path / "other.npz", vertices=np.zeros((3, 3)))
    with pytest.raises(InputError, match=r"other\.npz: not the ICT face model"):
        HeadModel.load(tmp_path / "other.npz")
    MODEL.save(tmp_path / "whole.npz")
    data = (tmp_path / "whole.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"cut\.npz"):
        HeadModel.load(tmp_path / "cut.npz")
    with pytest.raises(InputError, match=r"none\.npz: No such file"):
        HeadModel.load(tmp_path / "none.npz")


def test_one_frame_is_fast() -> None:
    """Processor time of a person's head with 15 expressions, gaze and pose, the best of many."""
    rng = np.random.default_rng(0)
    expression = np.zeros(52)
    expression[rng.choice(52, 15, replace=False)] = 0.5
    identity, gaze, pose = person(0), np.full((2, 2), 5.0), np.array([10.0, 5, 0])
    times = []
    for _ in range(40):
        start = time.process_time()
        MODEL.vertices(identity, expression, gaze, pose)
        times.append(time.process_time() - start)
    assert min(times) < 0.005


@pytest.mark.slow
def test_the_original_loads_at_full_resolution(shared) -> None:
    full = HeadModel.load(shared / "data" / "ict_facekit.npz")
    assert len(full.template) > 24000 and len(full.identity) == 100
    assert np.abs(full.landmarks(full.template) - POINTS).max() < 0.01
    assert np.abs(full.template[MODEL.source] - MODEL.template).max() < 0.01
    closed = full.vertices(expression={**BLINK, "jawOpen": 0.2})
    assert (
        np.abs(closed[MODEL.source] - MODEL.vertices(expression={**BLINK, "jawOpen": 0.2})).max()
        < 0.3
    )


@pytest.mark.slow
def test_the_bundled_file_is_what_the_script_builds(shared) -> None:
    from importlib import resources

    from mien.head.build import build

    mean = resources.files("mien.find") / "mean_face.npz"
    with resources.as_file(mean) as path:
        data = shared / "data"
        built, _ = build(data / "ict_facekit.npz", path, data / "portraits" / "labels.npz")
    assert np.abs(built.landmarks(built.template) - POINTS).max() < 0.05
    assert abs(len(built.template) - len(MODEL.template)) < 50
