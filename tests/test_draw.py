"""Drawing: faces where they are, axes with the signs of Pose, figures of any length."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.errors import MienError
from mien.face import LEFT_IRIS, RIGHT_IRIS, Face, Pose
from mien.find import geometry, mean_face
from mien.media import figure
from mien.media.draw import TRACK_COLOURS, annotate, axes_of, colour_of, label_of
from mien.media.figure import Timeline
from mien.media.image import read_image

GREY = np.full((240, 320, 3), 128, np.uint8)
DEGREES = st.floats(-80, 80)
PIXELS = st.floats(-1e9, 1e9)


def made_face(size: float = 100, centre=(160, 130), pose=(0, 0, 0), track: int | None = 0) -> Face:
    """The mean face, turned, ``size`` pixels high."""
    points = mean_face.points() @ Pose(*pose).rotation().T
    points *= size / np.ptp(points[:, 1])
    points[:, :2] += centre
    return Face(geometry.box_of(points), 1.0, points, Pose(*pose), track)


def points_of(face: Face) -> np.ndarray:
    assert face.landmarks is not None
    return face.landmarks[:, :2]


def changed(drawn: np.ndarray, image: np.ndarray) -> np.ndarray:
    """(H, W) where a picture was drawn on."""
    return (drawn != image).any(axis=2)


def close_to(drawn: np.ndarray, colour) -> np.ndarray:
    return np.abs(drawn.astype(int) - colour).max(axis=2) < 60


def test_the_picture_itself_is_not_drawn_on(astronaut):
    before = astronaut.copy()
    drawn = annotate(astronaut, [made_face()])
    assert (astronaut == before).all()
    assert drawn.shape == astronaut.shape and drawn.dtype == np.uint8
    assert changed(drawn, astronaut).any()
    assert (annotate(astronaut, []) == astronaut).all()


@pytest.mark.parametrize("size", [30, 64, 100, 160])
def test_contours_and_irises_are_drawn_where_they_are(size):
    face = made_face(size, centre=(160, 120))
    ink = changed(annotate(GREY, [face]), GREY)
    x, y = points_of(face)[[61, 291, 105, 334, 152]].T.astype(int)
    assert ink[y, x].all(), "mouth corners, brows and chin"
    for iris in (RIGHT_IRIS, LEFT_IRIS):
        x, y = points_of(face)[iris[1:]].T.astype(int)
        assert ink[y, x].all()
    x0, y0, x1, y1 = face.box
    outside = ink.copy()
    outside[max(int(y0) - 40, 0) : int(y1) + 5, int(x0) - 5 : int(x1) + 150] = False
    assert not outside.any(), "nothing far from the face"


def test_the_box_has_the_colour_of_its_track():
    for track in (0, 1, 2):
        face = made_face(track=track)
        drawn = annotate(GREY, [face])
        x0, y0, x1, y1 = np.rint(face.box).astype(int)
        middle = (y0 + y1) // 2
        assert close_to(drawn, colour_of(track))[middle, [x0 - 1, x0, x1 - 1]].any()
    assert len(set(TRACK_COLOURS)) == len(TRACK_COLOURS)
    assert colour_of(len(TRACK_COLOURS)) == colour_of(0)


@given(DEGREES, DEGREES, DEGREES)
def test_axes_are_those_of_the_pose(yaw, pitch, roll):
    rotation = Pose(yaw, pitch, roll).rotation()
    right, up, forward = axes_of(Pose(yaw, pitch, roll))
    assert np.allclose(right, rotation[:, 0])
    assert np.allclose(up, -rotation[:, 1])
    assert np.allclose(forward, -rotation[:, 2])


@pytest.mark.parametrize(
    ("pose", "axis", "towards"),
    [
        ((40, 0, 0), (70, 130, 255), (1, 0)),  # yaw > 0: the nose points right
        ((-40, 0, 0), (70, 130, 255), (-1, 0)),
        ((0, 40, 0), (70, 130, 255), (0, -1)),  # pitch > 0: up
        ((0, -40, 0), (70, 130, 255), (0, 1)),
        ((0, 0, 30), (60, 200, 80), (0.5, -0.87)),  # roll > 0: the head's top goes to the right
        ((0, 0, -30), (60, 200, 80), (-0.5, -0.87)),
    ],
)
def test_axes_point_where_the_face_turns(pose, axis, towards):
    face = made_face(200, centre=(160, 120), pose=pose, track=1)
    y, x = np.nonzero(close_to(annotate(GREY, [face]), axis))
    reach = np.stack([x, y], axis=1) - points_of(face)[4]
    tip = reach[np.argmax(np.linalg.norm(reach, axis=1))]
    assert tip / np.linalg.norm(tip) @ towards > 0.95


def test_the_label_says_track_and_angles():
    pose = Pose(12.4, -4.6, 1.9)
    assert label_of(Face(np.zeros(4), 1, pose=pose, track=3)) == "#3 yaw 12 pitch -5 roll 2"
    assert label_of(Face(np.zeros(4), 1, pose=pose)) == "yaw 12 pitch -5 roll 2"
    assert label_of(Face(np.zeros(4), 1, track=3)) == "#3"
    assert label_of(Face(np.zeros(4), 1)) == ""


@pytest.mark.parametrize("centre", [(160, 130), (40, 60), (300, 60), (40, 230), (310, 200)])
def test_the_label_is_inside_the_picture(centre):
    face = made_face(100, centre)
    bar = close_to(annotate(GREY, [face]), colour_of(0))
    plain = close_to(annotate(GREY, [Face(face.box, 1)]), colour_of(0))
    assert (bar & ~plain).sum() > 600, "a bar of more than 100 x 10 pixels, less its letters"


def test_a_face_is_drawn_with_what_it_has():
    box = made_face().box
    only_box = changed(annotate(GREY, [Face(box, 0.5)]), GREY)
    assert only_box.any()
    x0, y0, x1, y1 = np.rint(box).astype(int)
    assert not only_box[y0 + 3 : y1 - 3, x0 + 3 : x1 - 3].any()
    without_pose = made_face()
    without_pose.pose = None
    assert not close_to(annotate(GREY, [without_pose]), (60, 200, 80)).any()


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 300, 3), (300, 2, 3), (64, 64, 3)])
@pytest.mark.parametrize("size", [0.01, 3, 40, 5000])
def test_no_picture_is_too_small_and_no_face_too_large(shape, size):
    image = np.zeros(shape, np.uint8)
    assert annotate(image, [made_face(size, (5, 5), track=7)]).shape == shape


@settings(deadline=None, max_examples=50)
@given(st.tuples(PIXELS, PIXELS, PIXELS, PIXELS), PIXELS, st.floats(1e-3, 1e7))
def test_faces_anywhere_are_drawn_without_an_error(box, centre, size):
    face = made_face(size, (centre, -centre))
    annotate(GREY, [Face(np.array(box), 1.0, face.landmarks, face.pose, 2), face])


def test_a_480p_frame_takes_a_few_milliseconds():
    image, face = np.zeros((480, 854, 3), np.uint8), made_face(240, (400, 240))

    def seconds() -> float:
        start = time.thread_time()
        annotate(image, [face])
        return time.thread_time() - start

    assert min(seconds() for _ in range(20)) < 0.006


def turned(yaw: float, track: int) -> Face:
    return Face(np.zeros(4), 1.0, pose=Pose(yaw, 0, 0), track=track)


def test_a_figure_is_the_same_each_time_and_has_no_date(tmp_path):
    for name in ("a.png", "b.png"):
        line = Timeline()
        for index in range(50):
            line.add(index / 25, [turned(index, 0), turned(-index, 1)][: 1 + index % 2])
        line.draw(tmp_path / name, "talk.mp4")
    content = (tmp_path / "a.png").read_bytes()
    assert content == (tmp_path / "b.png").read_bytes()
    assert b"tEXt" not in content and b"tIME" not in content
    picture = read_image(tmp_path / "a.png")
    assert picture.shape == (700, 1000, 3)
    for track in (0, 1):
        assert close_to(picture, colour_of(track)).sum() > 300, "a curve for each track"


def test_a_curve_shows_the_angle(tmp_path):
    heights = []
    for yaw in (-30, 30):
        line = Timeline()
        line.add(0, [turned(-40, 1)])
        line.add(1, [turned(40, 1)])
        for index in range(200):
            line.add(2 + index / 25, [turned(yaw, 0)])
        line.draw(tmp_path / "yaw.png", "")
        picture = read_image(tmp_path / "yaw.png")[:230]
        heights.append(np.nonzero(close_to(picture, colour_of(0)))[0].mean())
    assert heights[1] < heights[0] - 50, "positive is up"


def test_a_figure_of_a_long_video_holds_few_moments_and_all_of_its_time(tmp_path, monkeypatch):
    monkeypatch.setattr(figure, "MOMENTS", 100)
    line = Timeline()
    for index in range(5000):
        line.add(index / 25, [turned(index % 7, index // 1000)])
        assert len(line._moments) + len(line._waiting) < 200
    moments = line._all()
    assert len(moments) >= 50
    assert moments[0].time < 5 and moments[-1].time > 195
    assert {track for moment in moments for track in moment.poses} == set(range(5))
    assert np.mean([m.count for m in moments]) == pytest.approx(1)
    line.draw(tmp_path / "long.png", "long.mp4")


@pytest.mark.parametrize(
    "title", ["$x$ [b].mp4", "人.mp4", "\x1b[2J\n.mp4", "\udcff.mp4", "a" * 300]
)
def test_any_name_can_be_a_title(tmp_path, title, recwarn):
    line = Timeline()
    line.add(0, [])
    line.draw(tmp_path / "figure.png", title)
    assert (tmp_path / "figure.png").stat().st_size > 1000
    assert not recwarn.list


def test_a_figure_that_cannot_be_written_is_one_clear_error(tmp_path):
    line = Timeline()
    line.add(0, [turned(1, 0)])
    with pytest.raises(MienError, match="nowhere"):
        line.draw(tmp_path / "nowhere" / "figure.png", "talk.mp4")
