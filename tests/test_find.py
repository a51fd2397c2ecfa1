"""The face finder with its bundled networks, on the astronaut and on videos made of her."""

import itertools
from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.errors import UsageError
from mien.face import Face
from mien.find import geometry
from mien.find.detector import Detection, pyramid, suppress
from mien.find.finder import FaceFinder
from mien.find.smoothing import OneEuro
from mien.find.tracker import REMEMBER, Tracker


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder.bundled()


@pytest.fixture
def face(finder, astronaut):
    (face,) = finder.find([astronaut])[0]
    return face


def moved(image: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The picture after a similarity, on grey."""
    shifted = matrix.copy()
    shifted[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5
    reduced = geometry.scale_of(matrix) < 1
    image = cv2.GaussianBlur(image, (0, 0), 0.5 / geometry.scale_of(matrix)) if reduced else image
    return cv2.warpAffine(image, shifted, size, borderValue=(127, 127, 127))


def turn(angle: float, scale: float, about: np.ndarray, to: tuple[float, float]) -> np.ndarray:
    c, s = scale * np.cos(np.radians(angle)), scale * np.sin(np.radians(angle))
    linear = np.array([[c, -s], [s, c]])
    return np.column_stack([linear, np.array(to) - linear @ about])


def points(face: Face) -> np.ndarray:
    """The landmarks of a face that has them."""
    assert face.landmarks is not None
    return face.landmarks


def error(found: np.ndarray, expected: np.ndarray) -> float:
    """Mean distance in parts of the distance between the outer eye corners."""
    span = np.linalg.norm(expected[33, :2] - expected[263, :2])
    return float(np.linalg.norm(found[:, :2] - expected[:, :2], axis=1).mean() / span)


def test_the_astronaut_is_found_once_where_she_is(face):
    assert geometry.iou(face.box[None], np.array([[173.0, 60, 273, 195]]))[0, 0] > 0.6
    assert face.score > 0.9
    assert face.landmarks.shape == (478, 3)
    assert abs(face.pose.yaw) < 25 and abs(face.pose.pitch) < 25 and abs(face.pose.roll) < 15
    right_eye, left_eye, nose, mouth = face.landmarks[[468, 473, 1, 13], :2]
    assert right_eye[0] < nose[0] < left_eye[0], "her right eye is on the image's left"
    assert right_eye[1] < nose[1] < mouth[1]


@pytest.mark.parametrize("angle", [-45, -30, 15, 45])
def test_landmarks_turn_with_the_picture(finder, astronaut, face, angle):
    centre = face.landmarks[:, :2].mean(0)
    matrix = turn(angle, 1.0, centre, (200, 200))
    (turned,) = finder.find([moved(astronaut, matrix, (400, 400))], max_faces=1)[0]
    assert error(turned.landmarks, geometry.transform(matrix, face.landmarks)) < 0.04
    assert turned.pose.roll == pytest.approx(face.pose.roll + angle, abs=6)


@pytest.mark.parametrize("size", [16, 24, 48, 300, 800])
def test_faces_of_any_size_are_found(finder, astronaut, face, size):
    scale = size / np.sqrt(np.prod(face.box[2:] - face.box[:2]))
    side = max(256, 2 * size)
    matrix = turn(0, scale, face.landmarks[:, :2].mean(0), (side * 0.5, side * 0.45))
    found = finder.find([moved(astronaut, matrix, (side, side))], max_faces=1)[0]
    assert len(found) == 1
    assert error(found[0].landmarks, geometry.transform(matrix, face.landmarks)) < 0.1


def test_a_photo_gives_the_same_bytes_alone_or_among_others_at_any_batch(finder, astronaut):
    photos = [astronaut, astronaut[:, ::-1].copy(), astronaut[20:400, 60:420].copy()]
    alone = [finder.find([photo])[0] for photo in photos]
    for batch in (1, 2, 8):
        together = FaceFinder.bundled(batch=batch).find(photos)
        for one, other in zip(alone, together, strict=True):
            assert [points(f).tobytes() for f in one] == [points(f).tobytes() for f in other]
            assert [f.score for f in one] == [f.score for f in other]


def test_the_thread_count_does_not_change_the_bytes(astronaut):
    results = [FaceFinder.bundled(threads=n).find([astronaut])[0][0] for n in (1, 2)]
    assert points(results[0]).tobytes() == points(results[1]).tobytes()


def test_torch_gives_the_same_landmarks(finder, astronaut, face):
    from mien.systems.runtime import TorchNetwork

    other = FaceFinder.bundled(open_network=TorchNetwork)
    (found,) = other.find([astronaut])[0]
    np.testing.assert_allclose(points(found), points(face), atol=0.02)


@pytest.mark.parametrize("shape", [(1, 1), (3, 500), (500, 3), (40, 40)])
def test_odd_pictures_without_a_face_give_none(finder, shape):
    assert finder.find([np.full((*shape, 3), 90, np.uint8)]) == [[]]


def test_noise_has_no_face(finder):
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    assert finder.find([noise]) == [[]]


def test_max_faces_keeps_the_largest(finder, astronaut):
    small = cv2.resize(astronaut, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
    scene = np.zeros((512, 900, 3), np.uint8)
    scene[:, :512] = astronaut
    scene[: small.shape[0], 540 : 540 + small.shape[1]] = small
    both, one = finder.find([scene])[0], finder.find([scene], max_faces=1)[0]
    assert len(both) == 2 and len(one) == 1
    assert one[0].box[0] < 512
    with pytest.raises(UsageError):
        finder.find([scene], max_faces=0)


@given(st.integers(1, 100_000))
def test_a_pyramid_covers_every_face_size(longest):
    sides = pyramid(longest)
    assert sides == sorted(sides, reverse=True)
    assert sides[0] <= max(longest, 1) and sides[-1] <= 256
    assert all(a < 4 * (b + 1) for a, b in itertools.pairwise(sides))


def test_suppression_keeps_the_best_of_those_that_overlap():
    boxes = [(0, 0, 10, 10), (1, 1, 11, 11), (40, 40, 50, 50)]
    found = [
        Detection(np.array(box, float), score, np.zeros((5, 2)))
        for box, score in zip(boxes, (0.5, 0.9, 0.4), strict=True)
    ]
    assert [d.score for d in suppress(found)] == [0.9, 0.4]


# Videos


def video(astronaut: np.ndarray, places: Sequence[tuple[float, float] | None], side: int = 320):
    """Frames with the portrait centred at each place; None: nobody is there."""
    centre = np.array([223.0, 130.0])
    for place in places:
        frame = np.full((side, side, 3), 127, np.uint8)
        if place is not None:
            frame = moved(astronaut, turn(0, 0.8, centre, place), (side, side))
        yield frame


def track(finder, frames, fps=30.0, **options):
    tracker = Tracker(finder, **options)
    return [tracker.update(frame, i / fps) for i, frame in enumerate(frames)]


def test_a_moving_face_keeps_its_number(finder, astronaut):
    places = [(100 + 4 * i, 120 + 2 * i) for i in range(30)]
    tracks = [{f.track for f in faces} for faces in track(finder, video(astronaut, places))]
    assert tracks == [{0}] * 30


def test_a_face_keeps_its_number_through_a_short_occlusion(finder, astronaut):
    places = [(160, 150)] * 8 + [None] * 20 + [(175, 150)] * 12
    results = track(finder, video(astronaut, places))
    assert [len(faces) for faces in results[8:28]] == [0] * 20
    assert {f.track for faces in results for f in faces} == {0}
    assert len(results[-1]) == 1


def test_a_face_that_was_away_for_long_gets_a_new_number(finder, astronaut):
    away = int((REMEMBER + 0.5) * 10)
    places = [(160, 150)] * 4 + [None] * away + [(160, 150)] * 4
    results = track(finder, video(astronaut, places), fps=10)
    assert {f.track for faces in results for f in faces} == {0, 1}


def test_a_newcomer_is_found_while_another_is_followed(finder, astronaut):
    first = list(video(astronaut, [(90, 150)] * 40))
    second = list(video(astronaut, [None] * 10 + [(90, 150)] * 30))
    frames = [np.hstack([a, b]) for a, b in zip(first, second, strict=True)]
    results = track(finder, frames)
    assert [f.track for f in sorted(results[-1], key=lambda f: f.box[0])] == [0, 1]
    assert len(track(finder, frames, max_faces=1)[-1]) == 1


def test_a_still_face_hardly_jitters_with_the_filter(finder, astronaut):
    rng = np.random.default_rng(0)
    centre = np.array([223.0, 130.0])
    still = moved(astronaut, turn(0, 2.5, centre, (260, 260)), (520, 520))
    frames = [
        np.clip(still + rng.normal(0, 3, still.shape), 0, 255).astype(np.uint8) for _ in range(60)
    ]
    places = np.array([points(faces[0])[:, :2] for faces in track(finder, frames)])[20:]
    size = np.ptp(places[0], axis=0).mean()
    assert 220 < size < 300
    assert places.std(0).mean() * 256 / size <= 0.15


@given(st.floats(-100, 100), st.integers(1, 240))
def test_the_filter_leaves_what_does_not_move(value, fps):
    one_euro = OneEuro()
    still = np.full((4, 3), value)
    for i in range(5):
        np.testing.assert_allclose(one_euro(still, i / fps, 100.0), still, atol=1e-4)


def test_the_filter_follows_a_fast_face_and_calms_noise():
    rng = np.random.default_rng(0)
    one_euro, calm = OneEuro(), OneEuro()
    fast = [one_euro(np.full((1, 3), 10.0 * i), i / 30, 100.0)[0, 0] for i in range(30)]
    assert abs(fast[-1] - 290) < 5, "behind by less than half a frame"
    noise = rng.normal(0, 0.3, (300, 1, 3))
    out = np.array([calm(sample, i / 30, 100.0) for i, sample in enumerate(noise)])
    assert out[50:].std() < 0.5 * noise.std()


def test_the_filter_takes_a_time_that_does_not_grow():
    one_euro = OneEuro()
    one_euro(np.zeros((2, 3)), 1.0, 10.0)
    np.testing.assert_allclose(one_euro(np.ones((2, 3)), 1.0, 10.0), 1.0)
