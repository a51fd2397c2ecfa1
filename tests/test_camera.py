"""Cameras: where points go, and back again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mien.face import Pose
from mien.head.camera import Camera, Orthographic, Perspective, WeakPerspective, moved

CENTRE = (320.0, 240.0)
CAMERAS = [
    Perspective(focal=800.0, centre=CENTRE),
    WeakPerspective(focal=800.0, centre=CENTRE),
    Orthographic(scale=1.5, centre=CENTRE),
]


def coordinates(*shape: int) -> st.SearchStrategy[np.ndarray]:
    return arrays(np.float64, shape, elements=st.floats(-300, 300))


@st.composite
def placed(draw: st.DrawFn) -> Camera:
    """A camera somewhere, half a metre or more away from points within 300 mm."""
    turn = Pose(*draw(arrays(np.float64, 3, elements=st.floats(-180, 180)))).rotation()
    shift = np.array([draw(st.floats(-200, 200)), draw(st.floats(-200, 200)), -1100.0])
    return moved(draw(st.sampled_from(CAMERAS)), turn, shift - CAMERAS[0].translation)


@given(placed(), coordinates(5, 3))
def test_unproject_undoes_project(camera, points):
    np.testing.assert_allclose(camera.unproject(camera.project(points)), points, atol=1e-6)


@given(placed(), coordinates(5, 2), st.floats(100, 2000))
def test_project_undoes_unproject(camera, pixels, depth):
    pixels = np.column_stack([pixels, np.full(5, depth)])
    np.testing.assert_allclose(camera.project(camera.unproject(pixels)), pixels, atol=1e-6)


@pytest.mark.parametrize("camera", CAMERAS)
def test_axes(camera):
    origin, right, up, nearer = camera.project(
        np.array([[0.0, 0, 0], [10, 0, 0], [0, 10, 0], [0, 0, 10]])
    )
    np.testing.assert_allclose(origin, [*CENTRE, 1000])
    assert right[0] > origin[0] and right[1] == origin[1]
    assert up[1] < origin[1] and up[0] == origin[0]
    assert nearer[2] == origin[2] - 10


def test_perspective_makes_far_things_smaller_and_the_others_do_not():
    points = np.array([[10.0, 0, 0], [10.0, 0, -1000]])
    widths = [camera.project(points)[:, 0] - CENTRE[0] for camera in CAMERAS]
    np.testing.assert_allclose(widths, [[8, 4], [8, 8], [15, 15]])


def test_weak_perspective_agrees_with_perspective_at_the_origins_depth():
    camera = Perspective(focal=500.0, centre=CENTRE, translation=np.array([30.0, 0, -700]))
    points = np.array([[0.0, 0, 0], [50, -20, 0], [-100, 100, 0]])
    np.testing.assert_allclose(camera.weak().project(points), camera.project(points))


def test_field_of_view_and_height():
    edge = Perspective.of_view(90, 200, 100).project(np.array([[0, 1000.0, 0]]))
    np.testing.assert_allclose(edge, [[100, 0, 1000]], atol=1e-9)
    edge = Orthographic.of_height(300, 200, 100).project(np.array([[0, -150.0, 0]]))
    np.testing.assert_allclose(edge, [[100, 100, 1000]])


def test_a_moved_camera_sees_the_posed_points():
    rng = np.random.default_rng(0)
    points, shift = rng.normal(0, 50, (7, 3)), np.array([5.0, -3, 20])
    turn = Pose(20, -10, 5).rotation()
    for camera in CAMERAS:
        posed = camera.project(points @ turn.T + shift)
        seen = moved(camera, turn, shift).project(points)
        np.testing.assert_allclose(seen, posed)


def test_a_batch_of_cameras_is_each_camera():
    rng = np.random.default_rng(1)
    turns = np.stack([Pose(*rng.uniform(-180, 180, 3)).rotation() for _ in range(4)])
    shifts = rng.normal(0, 20, (4, 3)) - [0, 0, 900]
    focal, points = rng.uniform(500, 900, 4), rng.normal(0, 50, (4, 6, 3))
    together = Perspective(focal=focal, centre=CENTRE, rotation=turns, translation=shifts)
    for i in range(4):
        alone = Perspective(focal=focal[i], centre=CENTRE, rotation=turns[i], translation=shifts[i])
        np.testing.assert_allclose(together.project(points)[i], alone.project(points[i]))
        np.testing.assert_allclose(together.project(points[0])[i], alone.project(points[0]))
        np.testing.assert_allclose(
            together.unproject(together.project(points))[i], points[i], atol=1e-9
        )


def test_points_behind_a_perspective_camera_have_no_positive_depth():
    points = np.array([[0.0, 0, 1000], [5, 5, 1500]])
    seen = CAMERAS[0].project(points)
    assert (seen[:, 2] <= 0).all() and np.isfinite(seen).all()
