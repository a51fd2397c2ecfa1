"""Fitting the head to landmarks: known heads, odd landmarks, symmetry, clips, and a photo."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mien.evaluate.known_heads import (
    SIZE,
    KnownHead,
    face_vertices,
    known_heads,
    surface_error,
    turned_by,
)
from mien.face import BLENDSHAPES, LANDMARKS
from mien.find import mean_face
from mien.find.finder import FaceFinder
from mien.head.camera import Perspective
from mien.head.fit import LARGEST_GAZE, LARGEST_IDENTITY, Fitter, HeadFit, Priors
from mien.head.model import HeadModel, rotations

PICTURE = (SIZE, SIZE)
FOCAL = 1000.0
HEADS = range(3)

few = settings(deadline=None, max_examples=8)  # a fit takes 50 ms


@pytest.fixture(scope="module")
def fitter() -> Fitter:
    return Fitter()


@pytest.fixture(scope="module")
def model(fitter: Fitter) -> HeadModel:
    return fitter.model


@pytest.fixture(scope="module")
def heads(model: HeadModel) -> list[KnownHead]:
    """Known heads, with noise in their landmarks."""
    return known_heads(model, 5, seed=5)


def exact(model: HeadModel, head: KnownHead) -> np.ndarray:
    """The landmarks (478, 2) of a known head without noise."""
    return seen(model, head.camera, head.identity, head.expression, head.gaze)


def seen(model: HeadModel, camera: Perspective, *shape: np.ndarray | None) -> np.ndarray:
    return camera.project(model.landmarks(model.vertices(*shape)))[:, :2]


def camera(
    yaw: float = 0, pitch: float = 0, roll: float = 0, place: tuple[float, float] = (0, 0)
) -> Perspective:
    """A head 900 mm away, ``place`` mm aside."""
    return Perspective(
        focal=FOCAL,
        centre=(SIZE / 2, SIZE / 2),
        rotation=rotations(yaw, pitch, roll),
        translation=np.array([*place, -900.0]),
    )


def by_name(expression: np.ndarray, *names: str) -> float:
    return float(np.mean([expression[BLENDSHAPES.index(name)] for name in names]))


def expression_of(**weights: float) -> np.ndarray:
    out = np.zeros(len(BLENDSHAPES))
    for name, weight in weights.items():
        out[BLENDSHAPES.index(name)] = weight
    return out


def assert_sound(fit: HeadFit) -> None:
    """Finite, within bounds, and a rotation that is one."""
    look = fit.camera
    for value in (fit.identity, fit.expression, fit.gaze, look.rotation, look.translation,
                  look.focal, fit.error, fit.quality):  # fmt: skip
        assert np.isfinite(value).all()
    assert (np.abs(fit.identity) <= LARGEST_IDENTITY + 1e-5).all()
    assert (fit.expression >= 0).all()
    assert (fit.expression <= 1).all()
    assert (np.abs(fit.gaze) <= LARGEST_GAZE + 1e-4).all()
    assert 0 <= fit.quality <= 1
    assert fit.error >= 0
    assert look.focal > 0
    assert look.translation[2] < 0
    assert np.asarray(look.rotation) @ np.asarray(look.rotation).T == pytest.approx(np.eye(3))
    assert np.linalg.det(look.rotation) == pytest.approx(1)


# Known heads


def test_known_heads_are_found_again(model: HeadModel, heads: list[KnownHead]) -> None:
    # So small a noise that the priors hardly count.
    trusting = Fitter(model, Priors(noise=0.2))
    face = face_vertices(model)
    surface, turned, error = [], [], []
    for head in heads:
        fit = trusting.fit(exact(model, head), PICTURE, focal=head.camera.focal)
        truth = model.vertices(head.identity, head.expression, head.gaze)
        surface.append(surface_error(fit.vertices(model)[face], truth[face]))
        turned.append(turned_by(fit, head.camera.rotation))
        error.append(fit.error)
        assert fit.quality == 1
    assert np.median(surface) < 1
    assert np.median(turned) < 0.5
    assert np.median(error) < 0.003


@pytest.mark.parametrize("index", HEADS)
def test_with_noise_the_head_is_near(
    fitter: Fitter, model: HeadModel, heads: list[KnownHead], index: int
) -> None:
    head = heads[index]
    fit = fitter.fit(head.landmarks, PICTURE)
    face = face_vertices(model)
    truth = model.vertices(head.identity, head.expression, head.gaze)
    assert surface_error(fit.vertices(model)[face], truth[face]) < 3
    assert turned_by(fit, head.camera.rotation) < 2.5
    assert np.abs(fit.expression - head.expression).mean() < 0.1
    assert np.abs(fit.gaze - head.gaze).mean() < 5


@pytest.mark.parametrize("roll", [90, 180, -90])
@pytest.mark.parametrize("yaw", [0, 30])
def test_a_head_on_its_side_is_found(
    fitter: Fitter, model: HeadModel, yaw: float, roll: float
) -> None:
    look = camera(yaw, 5, roll)
    fit = fitter.fit(seen(model, look), PICTURE, focal=FOCAL)
    assert turned_by(fit, look.rotation) < 1
    assert fit.error < 0.01
    assert (fit.pose.roll - roll + 180) % 360 - 180 == pytest.approx(0, abs=1)


def test_gaze_is_seen(fitter: Fitter, model: HeadModel) -> None:
    gaze = np.array([[12.0, -6.0], [12.0, -6.0]])
    fit = fitter.fit(seen(model, camera(), None, None, gaze), PICTURE, focal=FOCAL)
    assert fit.gaze == pytest.approx(gaze, abs=2.5)
    assert by_name(fit.expression, "eyeLookOutLeft", "eyeLookInRight") == pytest.approx(
        12 / 35, abs=0.07
    )
    assert by_name(fit.expression, "eyeLookUpLeft", "eyeLookUpRight") == 0


@pytest.mark.parametrize("name", ["jawOpen", "mouthPucker", "browInnerUp", "cheekPuff"])
def test_one_expression_is_seen_as_that(fitter: Fitter, model: HeadModel, name: str) -> None:
    points = seen(model, camera(), None, expression_of(**{name: 0.7}))
    expression = fitter.fit(points, PICTURE, focal=FOCAL).expression
    assert BLENDSHAPES[int(expression.argmax())] == name
    assert by_name(expression, name) == pytest.approx(0.7, abs=0.15)


# Priors


def test_a_neutral_face_has_no_expression(fitter: Fitter, model: HeadModel) -> None:
    wide = np.random.default_rng(3).normal(size=len(model.identity)).clip(-2, 2)
    points = seen(model, camera(10, 5), wide)
    noisy = points + np.random.default_rng(4).normal(0, 1.0, points.shape)
    with_priors = fitter.fit(noisy, PICTURE).expression.sum()
    without = Fitter(model, Priors.none()).fit(noisy, PICTURE).expression.sum()
    assert with_priors < 0.5
    assert without > 2 * with_priors


def test_what_is_known_is_kept(fitter: Fitter, model: HeadModel, heads: list[KnownHead]) -> None:
    head = heads[0]
    identity = np.zeros(len(model.identity), np.float32)
    identity[:5] = [0.5, -1, 2.5, 0.25, -0.75]
    fit = fitter.fit(head.landmarks, PICTURE, focal=777.0, identity=identity[:5])
    assert fit.camera.focal == 777.0
    assert np.array_equal(fit.identity, identity)
    assert fit.camera.centre == (SIZE / 2, SIZE / 2)
    both = fitter.fit_clip([head.landmarks] * 2, PICTURE, fps=25, focal=777.0, identity=identity)
    for each in both:
        assert each is not None
        assert each.camera.focal == 777.0
        assert np.array_equal(each.identity, identity)


# Symmetry


@pytest.mark.parametrize(("scale", "index"), [(2.0, 0), (0.25, 1), (7.5, 2)])
def test_a_larger_picture_gives_the_same_head(
    fitter: Fitter, heads: list[KnownHead], scale: float, index: int
) -> None:
    points = heads[index].landmarks
    small = fitter.fit(points, PICTURE)
    large = fitter.fit(points * scale, (int(SIZE * scale), int(SIZE * scale)))
    assert large.expression == pytest.approx(small.expression, abs=0.01)
    assert large.identity == pytest.approx(small.identity, abs=0.05)
    assert large.camera.focal == pytest.approx(scale * small.camera.focal, rel=0.01)
    assert large.error == pytest.approx(small.error, rel=0.02)


@pytest.mark.parametrize(("x", "y"), [(300, -200), (-100, 40)])
def test_the_middle_of_the_picture_is_what_counts(
    fitter: Fitter, heads: list[KnownHead], x: int, y: int
) -> None:
    points = heads[0].landmarks
    here = fitter.fit(points, PICTURE, focal=FOCAL)
    size = (SIZE + 2 * x, SIZE + 2 * y)
    there = fitter.fit(points + np.array([x, y]), size, focal=FOCAL)
    assert there.expression == pytest.approx(here.expression, abs=0.01)
    assert there.camera.translation == pytest.approx(here.camera.translation, rel=0.01, abs=1)


@pytest.mark.parametrize("index", HEADS)
def test_a_mirrored_face_is_a_mirrored_head(
    fitter: Fitter, heads: list[KnownHead], index: int
) -> None:
    points = heads[index].landmarks
    mirrored = points[mean_face.mirror()] * [-1, 1] + [SIZE, 0]
    straight, turned = (fitter.fit(each, PICTURE) for each in (points, mirrored))
    assert turned.expression == pytest.approx(straight.expression[mirror_names()], abs=0.1)
    assert turned.pose.yaw == pytest.approx(-straight.pose.yaw, abs=0.5)
    assert turned.pose.pitch == pytest.approx(straight.pose.pitch, abs=0.5)
    assert turned.pose.roll == pytest.approx(-straight.pose.roll, abs=0.5)
    assert turned.gaze == pytest.approx(straight.gaze[::-1] * [-1, 1], abs=1)


def mirror_names() -> list[int]:
    """For each expression the index of its mirror image."""
    swap = {"Left": "Right", "Right": "Left"}

    def other(name: str) -> str:
        side = next((side for side in swap if name.endswith(side)), None)
        return name if side is None else name.removesuffix(side) + swap[side]

    return [BLENDSHAPES.index(other(name)) for name in BLENDSHAPES]


# Odd landmarks

coordinates = st.floats(-1e4, 1e4)


@few
@given(arrays(np.float64, (LANDMARKS, 2), elements=coordinates, fill=coordinates))
def test_any_landmarks_give_a_sound_head(fitter: Fitter, points: np.ndarray) -> None:
    assert_sound(fitter.fit(points, PICTURE))


@few
@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_outliers_leave_the_head_sound(
    fitter: Fitter, heads: list[KnownHead], seed: int, share: float
) -> None:
    rng = np.random.default_rng(seed)
    astray = rng.random((LANDMARKS, 1)) < share
    points = np.where(astray, rng.uniform(0, SIZE, (LANDMARKS, 2)), heads[1].landmarks)
    fit = fitter.fit(points, PICTURE)
    assert_sound(fit)
    assert fit.quality <= 1 - astray.mean() + 0.1


LINE = np.linspace(0, SIZE, LANDMARKS)
ODD = {
    "one point": np.full((LANDMARKS, 2), 100.0),
    "the origin": np.zeros((LANDMARKS, 2)),
    "a line": np.stack([LINE, np.full(LANDMARKS, 50.0)], -1),
    "a diagonal": np.stack([LINE, LINE], -1),
    "two points": np.where(np.arange(LANDMARKS)[:, None] < 200, 0.0, 300.0) * np.ones(2),
}


@pytest.mark.parametrize("focal", [None, 1e-3, 500.0, 1e9])
@pytest.mark.parametrize("name", ODD)
def test_points_that_are_no_face_give_a_bad_but_sound_head(
    fitter: Fitter, name: str, focal: float | None
) -> None:
    fit = fitter.fit(ODD[name], PICTURE, focal=focal)
    assert_sound(fit)
    assert fit.quality < 0.2


@pytest.mark.parametrize(
    ("scale", "shift"), [(1e6, 0), (1e-6, 0), (1, 1e7), (0.02, 250), (-1, 512), (0, 1e5)]
)
def test_faces_of_any_size_and_place_give_a_sound_head(
    fitter: Fitter, heads: list[KnownHead], scale: float, shift: float
) -> None:
    assert_sound(fitter.fit(heads[0].landmarks * scale + shift, PICTURE))


def test_a_mirrored_face_without_its_names_is_sound(fitter: Fitter, heads: list[KnownHead]) -> None:
    assert_sound(fitter.fit(heads[0].landmarks * [-1, 1] + [SIZE, 0], PICTURE))


def test_a_face_of_ten_pixels_is_found(fitter: Fitter, model: HeadModel) -> None:
    look = camera(20)
    points = SIZE / 2 + (seen(model, look) - SIZE / 2) * 10 / 200
    fit = fitter.fit(points, PICTURE)
    assert fit.quality == 1
    assert turned_by(fit, look.rotation) < 3


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_refused(fitter: Fitter, heads: list[KnownHead], bad: float) -> None:
    points = heads[0].landmarks.copy()
    points[7, 1] = bad
    with pytest.raises(ValueError, match="finite"):
        fitter.fit(points, PICTURE)
    with pytest.raises(ValueError, match="finite"):
        fitter.fit_clip([None, points], PICTURE, fps=25)


@pytest.mark.parametrize("shape", [(468, 2), (478,), (478, 4), (1, 478, 2), (0, 2)])
def test_other_shapes_are_refused(fitter: Fitter, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="478"):
        fitter.fit(np.ones(shape), PICTURE)


def test_depth_is_not_used(fitter: Fitter, heads: list[KnownHead]) -> None:
    points = heads[0].landmarks
    depth = np.full((LANDMARKS, 1), np.nan)
    flat, deep = (fitter.fit(x, PICTURE) for x in (points, np.hstack([points, depth])))
    assert np.array_equal(flat.expression, deep.expression)
    assert flat.error == deep.error


# Clips


@pytest.fixture(scope="module")
def talk(model: HeadModel) -> list[np.ndarray]:
    """A person who turns and opens the mouth: landmarks (478, 2) of 8 frames, with noise."""
    identity = np.random.default_rng(8).normal(size=len(model.identity)).clip(-2, 2)
    noise = np.random.default_rng(9)
    frames = [
        seen(model, camera(3 * i - 10), identity, expression_of(jawOpen=0.08 * i)) for i in range(8)
    ]
    return [points + noise.normal(0, 0.5, points.shape) for points in frames]


def test_a_clip_is_one_person(fitter: Fitter, talk: list[np.ndarray]) -> None:
    landmarks = [None, *talk[:3], None, None, *talk[3:]]
    fits = fitter.fit_clip(landmarks, PICTURE, fps=25)
    assert [fit is None for fit in fits] == [points is None for points in landmarks]
    found = [fit for fit in fits if fit is not None]
    assert all(np.array_equal(fit.identity, found[0].identity) for fit in found)
    assert {fit.camera.focal for fit in found} == {found[0].camera.focal}
    for i, fit in enumerate(found):
        assert_sound(fit)
        assert fit.error < 0.02
        assert fit.pose.yaw == pytest.approx(3 * i - 10, abs=2)
        assert by_name(fit.expression, "jawOpen") == pytest.approx(0.08 * i, abs=0.1)


def test_a_clip_without_a_face_has_no_heads(fitter: Fitter) -> None:
    assert fitter.fit_clip([None, None], PICTURE, fps=25) == [None, None]
    assert fitter.fit_clip([], PICTURE, fps=25) == []


def test_a_still_face_has_still_curves(fitter: Fitter, heads: list[KnownHead]) -> None:
    fits = fitter.fit_clip([heads[0].landmarks] * 5, PICTURE, fps=25)
    curves = np.array([fit.expression for fit in fits if fit is not None])
    turns = np.array([fit.camera.rotation for fit in fits if fit is not None])
    assert len(curves) == 5
    assert np.abs(np.diff(curves, axis=0)).max() < 0.01
    assert np.abs(np.diff(turns, axis=0)).max() < 1e-3


def test_a_clip_of_one_frame_is_a_photo(fitter: Fitter, heads: list[KnownHead]) -> None:
    points = heads[2].landmarks
    photo, (frame,) = fitter.fit(points, PICTURE), fitter.fit_clip([points], PICTURE, fps=25)
    assert frame is not None
    assert frame.identity == pytest.approx(photo.identity)
    assert frame.expression == pytest.approx(photo.expression, abs=0.05)
    assert frame.error == pytest.approx(photo.error, abs=0.002)
    assert turned_by(frame, np.asarray(photo.camera.rotation)) < 0.5


def test_what_is_believed_of_time_makes_curves_smoother(
    fitter: Fitter, model: HeadModel, talk: list[np.ndarray]
) -> None:
    noise = np.random.default_rng(0)
    still = [talk[4] + noise.normal(0, 1.5, talk[4].shape) for _ in range(8)]
    unrest = []
    for each in (fitter, Fitter(model, replace(fitter.priors, change=1e6))):
        fits = each.fit_clip(still, PICTURE, fps=25)
        curves = np.array([fit.expression for fit in fits if fit is not None])
        unrest.append(np.abs(np.diff(curves, axis=0)).mean())
    assert unrest[0] < unrest[1]


def test_a_face_that_jumps_is_found_again(fitter: Fitter, model: HeadModel) -> None:
    first = seen(model, camera(-35, place=(-150, 0)))
    second = seen(model, camera(35, roll=170, place=(150, 0)))
    fits = fitter.fit_clip([first, second, first], PICTURE, fps=25, focal=FOCAL)
    for fit in fits:
        assert fit is not None
        assert fit.error < 0.02


def test_a_bad_frame_does_not_spoil_a_clip(fitter: Fitter, talk: list[np.ndarray]) -> None:
    noise = np.random.default_rng(2).normal(0, 60, (LANDMARKS, 2))
    fits = fitter.fit_clip([*talk[:4], talk[3].mean(0) + noise, *talk[4:]], PICTURE, fps=25)
    errors = np.array([fit.error for fit in fits if fit is not None])
    qualities = [fit.quality for fit in fits if fit is not None]
    assert errors[4] > 0.3
    assert qualities[4] < 0.3
    assert np.delete(errors, 4).max() < 0.03


# A photo


def test_a_photo_is_met(fitter: Fitter, astronaut: np.ndarray) -> None:
    height, width = astronaut.shape[:2]
    (face,) = FaceFinder.bundled().find([astronaut])[0]
    assert face.landmarks is not None
    assert face.pose is not None
    fit = fitter.fit(face.landmarks, (width, height))
    assert_sound(fit)
    assert fit.error < 0.02
    assert fit.quality > 0.95
    assert by_name(fit.expression, "mouthSmileLeft", "mouthSmileRight") > 0.2
    assert by_name(fit.expression, "eyeBlinkLeft", "eyeBlinkRight") < 0.3
    assert fit.pose.yaw == pytest.approx(face.pose.yaw, abs=8)
    assert fit.pose.roll == pytest.approx(face.pose.roll, abs=8)
