"""Photometric refinement: right derivatives, a lower cost, bounds, clear refusals."""

from dataclasses import replace

import numpy as np
import pytest

from mien.errors import MienError, UsageError
from mien.evaluate.known_heads import face_vertices, surface_error
from mien.head.albedo import AlbedoModel
from mien.head.camera import Perspective
from mien.head.colour import to_srgb
from mien.head.fit import EXPRESSION, FRAME, GAZE_CURVES, Fitter, HeadFit, gaze_curves
from mien.head.model import HeadModel, rotations

torch = pytest.importorskip("torch")
refine = pytest.importorskip("mien.head.refine")
refinement = pytest.importorskip("mien.evaluate.refinement")

SIDE = 64
IDENTITIES = 80


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def model() -> HeadModel:
    return HeadModel.bundled()


@pytest.fixture(scope="module")
def truth(model: HeadModel) -> HeadFit:
    """A head that smiles a little, turned by 15 degrees."""
    rng = np.random.default_rng(5)
    expression = np.zeros(52)
    for name in ("mouthSmileLeft", "mouthSmileRight", "jawOpen", "browInnerUp"):
        expression[model.expression_names.index(name)] = 0.4
    gaze = np.tile([8.0, -4.0], (2, 1))
    expression[GAZE_CURVES] = gaze_curves(gaze)
    camera = Perspective(
        focal=900.0, centre=(128.0, 128.0), rotation=rotations(15.0, -5.0, 4.0),
        translation=np.array([5.0, -8.0, -1100.0]),
    )  # fmt: skip
    return HeadFit(rng.normal(0, 0.8, IDENTITIES), expression, gaze, camera, 0.0, 1.0)


@pytest.fixture(scope="module")
def picture(model: HeadModel, truth: HeadFit) -> np.ndarray:
    rng = np.random.default_rng(6)
    statistics = AlbedoModel.bundled()
    texture = statistics.texture(rng.normal(0, 0.8, len(statistics.basis)))
    drawn = refinement.draw(model, truth.camera, truth.vertices(model), texture, 256, rng)
    return drawn


def landmarks_of(fit: HeadFit, model: HeadModel) -> np.ndarray:
    return fit.camera.project(model.landmarks(fit.vertices(model)))[:, :2]


@pytest.fixture(scope="module")
def start(model: HeadModel, truth: HeadFit) -> tuple[HeadFit, np.ndarray]:
    """A fit to landmarks with noise of a hundredth of the face's size, and these."""
    points = landmarks_of(truth, model)
    noise = 0.01 * np.ptp(points, axis=0).max()
    points = points + np.random.default_rng(7).normal(0, noise, points.shape)
    return Fitter(model).fit(points, (256, 256), focal=900.0), points


def problem_of(picture: np.ndarray, fit: HeadFit, model: HeadModel):
    problem = refine._Problem(
        refine._cropped(picture, fit, model, SIDE), fit, landmarks_of(fit, model), Fitter(model),
        AlbedoModel.bundled(), refine.STRENGTH, torch.device("cpu"),
    )  # fmt: skip
    problem.use_fields()
    problem.at_level(1)
    return problem


def vertex_error(fit: HeadFit, truth: HeadFit, model: HeadModel) -> float:
    face = face_vertices(model)
    return surface_error(fit.vertices(model)[face], truth.vertices(model)[face])


def finite(fit: HeadFit) -> bool:
    camera = fit.camera
    numbers = (fit.identity, fit.expression, fit.gaze, camera.rotation, camera.translation)
    return all(np.isfinite(part).all() for part in numbers)


@pytest.fixture(scope="module")
def problem(picture: np.ndarray, truth: HeadFit, model: HeadModel):
    return problem_of(picture, truth, model)


CODE = FRAME + IDENTITIES
STEPS = {
    "turn": (1, 2e-3),
    "aside": (3, 0.2),
    "nearer": (5, 3.0),
    "jaw": (EXPRESSION.start + 17, 0.02),
    "identity": (FRAME, 0.05),
    "third identity": (FRAME + 2, 0.05),
    "albedo": (CODE, 0.05),
    "exposure": (CODE + 60, 0.05),
    "light": (CODE + 63 + 3 * 3, 0.05),
}


@pytest.mark.parametrize("name", STEPS)
def test_derivatives_are_those_of_the_drawing(name: str, problem) -> None:
    parameter, size = STEPS[name]
    drawn = problem.drawn(problem.start)
    derivative = problem.jacobian(problem.start, drawn)[..., parameter].numpy()
    step = np.zeros(CODE + 63 + 27)
    pictures = []
    for way in (size, -size):
        step[parameter] = way
        state = problem._moved(problem.start, step)
        seen = problem.drawn(state)
        image = np.full((SIDE * SIDE, 3), np.nan)
        image[seen.at.numpy()] = problem.logarithm(state, seen.uv, seen.normal)[0].numpy()
        pictures.append(image[drawn.at.numpy()])
    change = (pictures[0] - pictures[1]) / (2 * size)
    both = np.isfinite(change).all(1)
    assert both.mean() > 0.9
    # Between texels and triangles the slope jumps, so a few pixels differ.
    away = np.linalg.norm(derivative[both] - change[both], axis=1)
    assert np.median(away) < 0.1 * np.sqrt((change[both] ** 2).sum(1).mean())
    assert np.corrcoef(derivative[both].ravel(), change[both].ravel())[0, 1] > 0.9


def test_cost_falls_with_each_step(picture, start, model: HeadModel) -> None:
    problem = problem_of(picture, start[0], model)
    state, cost = problem.start, problem.cost(problem.start)
    for _ in range(2):
        better = problem.improved(state, cost)
        assert better is not None
        state, lower = better
        assert lower < cost
        assert lower == pytest.approx(problem.cost(state))
        cost = lower


def test_drawing_comes_nearer_to_the_picture_and_head_to_the_truth(
    picture, start, truth: HeadFit, model: HeadModel
) -> None:
    fit, points = start
    refined = refine.refine(picture, fit, model, landmarks=points, steps=3, side=96)
    before, after = (refine.picture_error(picture, each, model) for each in (fit, refined))
    assert after < 0.98 * before
    assert vertex_error(refined, truth, model) < vertex_error(fit, truth, model)


def test_perfect_start_stays(picture, truth: HeadFit, model: HeadModel) -> None:
    refined = refine.refine(picture, truth, model, steps=2, side=SIDE)
    assert vertex_error(refined, truth, model) < 1.0
    assert np.abs(refined.expression - truth.expression).mean() < 0.02


def test_same_input_same_result_and_arguments_are_left_alone(
    picture, start, model: HeadModel
) -> None:
    fit, points = start
    before = picture.copy(), fit.identity.copy(), fit.camera.rotation.copy(), points.copy()
    first, second = (
        refine.refine(picture, fit, model, landmarks=points, steps=1, side=SIDE) for _ in range(2)
    )
    for name in ("identity", "expression", "gaze"):
        assert np.array_equal(getattr(first, name), getattr(second, name))
    assert np.array_equal(first.camera.rotation, second.camera.rotation)
    assert first.camera.focal == fit.camera.focal
    after = picture, fit.identity, fit.camera.rotation, points
    assert all(np.array_equal(*pair) for pair in zip(before, after, strict=True))


@pytest.mark.parametrize("scale", [1.0, 1.6, 5.3])
@pytest.mark.parametrize("corner", [(20.0, 31.5), (-12.25, -8.0), (470.0, 380.0)])
def test_crop_is_where_its_camera_thinks(corner: tuple[float, float], scale: float) -> None:
    rows, columns = np.indices((400, 500)) * 0.001 + 0.1
    picture = to_srgb(np.dstack([columns, rows, np.full_like(rows, 0.5)]))
    side = 32
    crop = refine._resampled(picture, np.array(corner), scale, side)
    places = np.array(corner) + scale * (np.indices((side, side))[::-1].transpose(1, 2, 0) + 0.5)
    far = 2 * scale + 1
    inside = ((places > far) & (places < np.array([500, 400]) - far)).all(-1)
    outside = ((places < -far) | (places > np.array([500, 400]) + far)).any(-1)
    assert inside.any()
    expected = (places - 0.5) * 0.001 + 0.1
    assert crop[inside][:, :2] == pytest.approx(expected[inside], abs=0.006)
    assert np.abs((crop[..., :2] - expected)[inside].mean(0)).max() < 4e-4
    assert not crop[outside].any()


def test_bounds_hold_whatever_the_photo_is(start, model: HeadModel) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
    fit, points = start
    refined = refine.refine(noise, fit, model, landmarks=points, steps=2, side=SIDE, strength=1e7)
    assert finite(refined)
    assert 0 <= refined.expression.min() <= refined.expression.max() <= 1
    assert np.abs(refined.identity).max() <= 3 + 1e-5
    assert np.abs(refined.gaze).max() <= 40 + 1e-5
    rotation = refined.camera.rotation
    assert rotation @ rotation.T == pytest.approx(np.eye(3), abs=1e-6)


def test_no_steps_change_nothing(picture, start, model: HeadModel) -> None:
    fit, points = start
    same = refine.refine(picture, fit, model, landmarks=points, steps=0, side=SIDE)
    assert np.allclose(same.identity, fit.identity)
    assert same.error == pytest.approx(fit.error, rel=1e-3)


@pytest.mark.parametrize("value", [0, 255])
def test_black_and_white_pictures_are_refused(value: int, start, model: HeadModel) -> None:
    with pytest.raises(ValueError, match="too little of the face"):
        refine.refine(np.full((256, 256, 3), value, np.uint8), start[0], model, side=SIDE)


def shifted(fit: HeadFit, x: float) -> HeadFit:
    """A fit whose picture goes on by x pixels to the left."""
    centre = (fit.camera.centre[0] + x, fit.camera.centre[1])
    return replace(fit, camera=replace(fit.camera, centre=centre))


def test_face_outside_the_picture_is_refused(picture, start, model: HeadModel) -> None:
    with pytest.raises(ValueError, match="not in the picture"):
        refine.refine(picture, shifted(start[0], 1000), model, side=SIDE)


def test_face_partly_outside_the_picture_is_refined(picture, start, model: HeadModel) -> None:
    fit, points = start
    cut = 110
    refined = refine.refine(
        picture[:, cut:], shifted(fit, -cut), model, landmarks=points - (cut, 0), steps=1, side=96
    )
    assert finite(refined)
    assert np.linalg.norm(refined.identity - fit.identity) > 1e-3


def test_face_of_few_pixels_is_refined_or_refused(picture, start, model: HeadModel) -> None:
    for scale in (0.25, 0.02):
        camera = start[0].camera
        small = replace(camera, focal=camera.focal * scale, centre=(128.0 * scale, 128.0 * scale))
        side = max(1, round(256 * scale))
        image = np.ascontiguousarray(picture[:: 256 // side, :: 256 // side])
        fit = replace(start[0], camera=small)
        if scale > 0.1:
            assert finite(refine.refine(image, fit, model, steps=1))
        else:
            with pytest.raises(ValueError, match="too little of the face"):
                refine.refine(image, fit, model, steps=1)


@pytest.mark.parametrize("shape", [(0, 10, 3), (10, 10), (10, 10, 4)])
def test_pictures_of_other_shapes_are_refused(shape, start, model: HeadModel) -> None:
    with pytest.raises(ValueError, match="image"):
        refine.refine(np.zeros(shape, np.uint8), start[0], model)


def test_landmarks_of_another_shape_are_refused(picture, start, model: HeadModel) -> None:
    with pytest.raises(ValueError, match="landmarks"):
        refine.refine(picture, start[0], model, landmarks=np.zeros((68, 2)))


def test_device_that_is_not_there_is_refused(picture, start, model, monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(MienError, match="cuda"):
        refine.refine(picture, start[0], model, device="cuda")
    with pytest.raises(UsageError, match="device"):
        refine.refine(picture, start[0], model, device="abacus")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_both_devices_agree(picture, start, model: HeadModel) -> None:
    fit, points = start
    first, second = (
        refine.refine(picture, fit, model, landmarks=points, side=SIDE, steps=2, device=device)
        for device in ("cpu", "cuda")
    )
    assert first.identity == pytest.approx(second.identity, abs=0.02)
    assert first.expression == pytest.approx(second.expression, abs=0.01)


def test_the_measurement_counts_heads_and_both_noises(monkeypatch) -> None:
    result = refinement.measure(limit=1, way=lambda image, fit, model, landmarks: fit)
    assert result["heads"] == 1
    (rows,) = result["known"].values()
    assert list(rows) == ["noise 0.5 %", "noise 1.5 %"]
    for row in rows.values():
        assert row["vertex_mm"]["change"] == 0
        assert row["vertex_mm"]["before"] > 0
