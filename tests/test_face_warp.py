"""Warped portraits: nothing moves without a change, labels move as the picture does."""

import numpy as np
import pytest

from mien.data.face_warp import Change, FaceWarp, matte, random_change
from mien.face import Pose
from mien.find import geometry, mean_face

SIDE = 160
HERE = np.array([[1.0, 0, 0], [0, 1.0, 0]])


@pytest.fixture
def face() -> FaceWarp:
    """A smooth random texture on the mean face, which looks a little to the side."""
    rng = np.random.default_rng(3)
    coarse = rng.integers(0, 255, (12, 12, 4), dtype=np.uint8)
    rgba = np.kron(coarse, np.ones((14, 14, 1), np.uint8))[:SIDE, :SIDE]
    rgba[..., 3] = 255
    points = 0.75 * mean_face.points() @ Pose(8, -5, 3).rotation().T
    return FaceWarp(rgba, points + np.array([SIDE / 2, SIDE / 2, 0]))


def test_without_a_change_the_picture_stays(face):
    drawn = face.draw(Change(), HERE, (SIDE, SIDE), np.random.default_rng(0))
    difference = np.abs(drawn.image.astype(int) - face.rgba[..., :3].astype(int))
    assert np.median(difference) == 0
    assert (difference.max(2) > 40).mean() < 0.02


def test_without_a_change_the_labels_stay(face):
    again = face.fit.scale * face.frontal @ face.fit.rotation.T + face.fit.shift
    np.testing.assert_allclose(face.landmarks(Change()), again, atol=1e-9)


@pytest.mark.parametrize(("yaw", "pitch"), [(30, 0), (-40, 0), (0, 20), (15, -15)])
def test_a_turn_changes_the_pose_by_as_much(face, yaw, pitch):
    before = geometry.fit_rigid(face.landmarks(Change())).rotation
    after = geometry.fit_rigid(face.landmarks(Change(yaw=yaw, pitch=pitch))).rotation
    expected = Pose(yaw, pitch, 0).rotation() @ before
    np.testing.assert_allclose(after, expected, atol=1e-6)


def test_a_blink_closes_the_eyes_and_leaves_the_mouth(face):
    open_eyes, closed = face.landmarks(Change()), face.landmarks(Change(blink=(1, 1)))
    for upper, lower in ((159, 145), (386, 374)):
        assert np.linalg.norm(open_eyes[upper] - open_eyes[lower]) > 3
        assert np.linalg.norm(closed[upper] - closed[lower]) < 0.1
    np.testing.assert_allclose(closed[[13, 14, 61, 152]], open_eyes[[13, 14, 61, 152]], atol=0.5)


def test_a_jaw_opens_downwards(face):
    shut, opened = face.landmarks(Change()), face.landmarks(Change(jaw=15))
    assert opened[14, 1] - opened[13, 1] > shut[14, 1] - shut[13, 1] + 5
    assert opened[152, 1] > shut[152, 1] + 5
    np.testing.assert_allclose(opened[[33, 263, 10]], shut[[33, 263, 10]], atol=0.5)


def test_drawn_labels_follow_the_placement(face):
    placement = np.array([[0.5, 0.1, 3], [-0.1, 0.5, 20]])
    change = Change(yaw=20, jaw=8)
    drawn = face.draw(change, placement, (90, 90), np.random.default_rng(0))
    expected = geometry.transform(placement, face.landmarks(change))
    np.testing.assert_allclose(drawn.landmarks, expected, atol=1e-2)


def test_random_changes_are_repeatable_and_varied():
    draws = [random_change(np.random.default_rng(i)) for i in range(50)]
    assert draws == [random_change(np.random.default_rng(i)) for i in range(50)]
    assert len({change.yaw for change in draws}) > 20


def test_a_matte_separates_a_person_from_a_plain_background():
    image = np.full((120, 120, 3), (190, 195, 200), np.uint8)
    image[40:, 30:90] = (120, 80, 60)
    alpha = matte(image)
    assert alpha[60:110, 40:80].min() == 255
    assert alpha[:30].max() == 0
