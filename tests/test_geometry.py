"""Plane and space geometry: round trips, equivariance, angles."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.face import Pose
from mien.find import geometry, mean_face

angles = st.floats(-180, 180)
scales = st.floats(0.05, 20)
shifts = st.tuples(st.floats(-2000, 2000), st.floats(-2000, 2000))


def similarity(angle: float, scale: float, shift: tuple[float, float]) -> np.ndarray:
    c, s = scale * np.cos(np.radians(angle)), scale * np.sin(np.radians(angle))
    return np.array([[c, -s, shift[0]], [s, c, shift[1]]])


similarities = st.builds(similarity, angles, scales, shifts)


def placed_mean_face(yaw=0.0, pitch=0.0, roll=0.0, scale=1.0, shift=(0.0, 0.0, 0.0)) -> np.ndarray:
    rotation = Pose(yaw, pitch, roll).rotation()
    return scale * mean_face.points() @ rotation.T + shift


@given(similarities)
def test_fit_similarity_recovers_what_moved_the_points(matrix):
    points = mean_face.points()[:, :2]
    fitted = geometry.fit_similarity(points, geometry.transform(matrix, points))
    np.testing.assert_allclose(fitted, matrix, atol=1e-6)


@given(similarities)
def test_invert_undoes(matrix):
    points = mean_face.points()
    back = geometry.transform(geometry.invert(matrix), geometry.transform(matrix, points))
    np.testing.assert_allclose(back, points, atol=1e-6)


@given(similarities, similarities)
def test_compose_applies_inner_first(outer, inner):
    points = mean_face.points()[:, :2]
    expected = geometry.transform(outer, geometry.transform(inner, points))
    got = geometry.transform(geometry.compose(outer, inner), points)
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-6)


def test_similarity_of_one_repeated_point_is_a_shift():
    matrix = geometry.fit_similarity(np.full((5, 2), 3.0), np.full((5, 2), 7.0))
    np.testing.assert_allclose(geometry.transform(matrix, np.zeros((1, 2))), [[4.0, 4.0]])


@given(st.floats(-80, 80), st.floats(-70, 70), st.floats(-170, 170))
def test_angles_round_trip(yaw, pitch, roll):
    pose = Pose.from_rotation(Pose(yaw, pitch, roll).rotation())
    np.testing.assert_allclose([pose.yaw, pose.pitch, pose.roll], [yaw, pitch, roll], atol=1e-5)


@given(
    st.floats(-70, 70), st.floats(-50, 50), st.floats(-45, 45), st.floats(0.1, 10),
    st.floats(-1000, 1000),
)  # fmt: skip
def test_pose_of_a_placed_mean_face(yaw, pitch, roll, scale, shift):
    pose = geometry.pose_of(placed_mean_face(yaw, pitch, roll, scale, (shift, -shift, shift)))
    np.testing.assert_allclose([pose.yaw, pose.pitch, pose.roll], [yaw, pitch, roll], atol=1e-4)


def test_pose_signs_are_those_of_the_viewer():
    nose, forehead, chin = 1, 10, 152
    right = placed_mean_face(yaw=30)
    assert right[nose, 0] > right[[234, 454], 0].mean(), "yaw > 0 turns the nose to the right edge"
    up = placed_mean_face(pitch=30)
    assert up[nose, 1] < placed_mean_face()[nose, 1], "pitch > 0 lifts the nose"
    tilted = placed_mean_face(roll=30)
    assert tilted[forehead, 0] > tilted[chin, 0], "roll > 0 tilts the head to the right"


@given(st.floats(-60, 60))
def test_rolling_the_picture_adds_to_roll_only(angle):
    face = placed_mean_face(yaw=20, pitch=-10)
    turned = face @ Pose(0, 0, angle).rotation().T
    before, after = geometry.pose_of(face), geometry.pose_of(turned)
    rotation = Pose(0, 0, angle).rotation() @ geometry.fit_rigid(face).rotation
    expected = Pose.from_rotation(rotation)
    np.testing.assert_allclose(
        [after.yaw, after.pitch, after.roll], [expected.yaw, expected.pitch, expected.roll],
        atol=1e-6,
    )  # fmt: skip
    if angle == 0:
        assert before.roll == pytest.approx(after.roll)


def test_rigid_fit_hardly_minds_a_few_wrong_points():
    face = placed_mean_face(yaw=25, pitch=5, roll=-8, scale=2)
    face[[10, 109, 338]] += 60
    pose = geometry.pose_of(face)
    np.testing.assert_allclose([pose.yaw, pose.pitch, pose.roll], [25, 5, -8], atol=2.0)


@given(angles, st.floats(0.3, 1.9), st.floats(60, 140), st.floats(60, 140))
def test_crop_puts_a_marked_place_where_the_matrix_says(angle, scale, x, y):
    image = np.zeros((200, 200, 3), np.uint8)
    rows, columns = np.mgrid[:200, :200]
    spot = np.hypot(columns + 0.5 - x, rows + 0.5 - y)
    image[:] = (255 * np.exp(-((spot / 6) ** 2)))[..., None]
    image_from_crop = similarity(angle, scale, (0, 0))
    image_from_crop[:, 2] = np.array([x, y]) - image_from_crop[:, :2] @ [40, 50]
    crop = geometry.crop(image, image_from_crop, 96)[..., 0].astype(float)
    rows, columns = np.mgrid[:96, :96] + 0.5
    centre = [(columns * crop).sum() / crop.sum(), (rows * crop).sum() / crop.sum()]
    np.testing.assert_allclose(centre, [40, 50], atol=0.25)


@given(st.floats(2.1, 9.0), st.floats(-40, 40))
def test_a_reduced_crop_shows_the_same_place(scale, angle):
    image = np.zeros((900, 900, 3), np.uint8)
    rows, columns = np.mgrid[:900, :900]
    image[np.hypot(columns + 0.5 - 450, rows + 0.5 - 430) < 40] = 255
    image_from_crop = similarity(angle, scale, (0, 0))
    image_from_crop[:, 2] = np.array([450, 430]) - image_from_crop[:, :2] @ [48, 48]
    crop = geometry.crop(image, image_from_crop, 96)[..., 0].astype(float)
    rows, columns = np.mgrid[:96, :96] + 0.5
    centre = [(columns * crop).sum() / crop.sum(), (rows * crop).sum() / crop.sum()]
    np.testing.assert_allclose(centre, [48, 48], atol=0.25)


def test_crop_outside_of_the_image_is_black():
    image = np.full((50, 50, 3), 200, np.uint8)
    far = similarity(0, 1, (1000, 1000))
    assert geometry.crop(image, far, 32).max() == 0
    assert geometry.crop(image, similarity(0, 5, (1000, 1000)), 32).max() == 0


boxes = st.lists(
    st.tuples(st.floats(0, 100), st.floats(0, 100), st.floats(0, 50), st.floats(0, 50)),
    min_size=1, max_size=5,
).map(lambda rows: np.array([[x, y, x + w, y + h] for x, y, w, h in rows]))  # fmt: skip


@given(boxes, boxes)
def test_iou_is_symmetric_and_within_0_and_1(a, b):
    overlap = geometry.iou(a, b)
    np.testing.assert_allclose(overlap, geometry.iou(b, a).T)
    assert (overlap >= 0).all() and (overlap <= 1 + 1e-9).all()


@given(boxes, st.floats(-50, 50))
def test_iou_of_a_box_with_itself_is_1_wherever_it_is(a, shift):
    a = a + shift
    solid = ((a[:, 2:] - a[:, :2]) > 1e-3).all(1)
    np.testing.assert_allclose(np.diag(geometry.iou(a, a))[solid], 1.0)


def test_mean_face_is_symmetric_and_its_mirror_is_an_involution():
    points, mirror = mean_face.points(), mean_face.mirror()
    assert (mirror[mirror] == np.arange(478)).all()
    np.testing.assert_allclose(points[mirror] * [-1, 1, 1], points, atol=1e-3)
    assert np.linalg.norm(points[468] - points[473]) == pytest.approx(63, abs=0.01)


def test_crop_to_face_shows_the_whole_mean_face():
    to_crop = geometry.invert(geometry.crop_to_face(128))
    placed = geometry.transform(to_crop, mean_face.points())
    assert placed[:, :2].min() > 0 and placed[:, :2].max() < 128
