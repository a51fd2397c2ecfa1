"""The portrait renderer: what moves, what stays, and that it goes where it is told."""

from pathlib import Path

import numpy as np
import pytest

from mien.face import BLENDSHAPES, LEFT_IRIS, Face, Motion
from mien.find.finder import FaceFinder
from mien.head.fit import Fitter, HeadFit
from mien.head.layers import guided_filter, matte
from mien.head.portrait import LARGEST_TURN, Portrait, rest
from mien.head.sheet import Sheet
from mien.head.texture import pull_push
from mien.media.image import read_image

ASTRONAUT = Path(__file__).parent.parent / "docs" / "pictures" / "astronaut.jpg"
NOSE, CHIN, FOREHEAD = 4, 152, 10


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder.bundled()


@pytest.fixture(scope="module")
def fitter() -> Fitter:
    return Fitter()


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    """The astronaut's head, larger, so that there is something to measure."""
    return np.ascontiguousarray(read_image(ASTRONAUT)[:300, 76:376].repeat(2, 0).repeat(2, 1))


@pytest.fixture(scope="module")
def face(photo: np.ndarray, finder: FaceFinder) -> Face:
    return finder.find([photo])[0][0]


@pytest.fixture(scope="module")
def portrait(photo: np.ndarray, face: Face, fitter: Fitter) -> Portrait:
    assert face.landmarks is not None
    fit = fitter.fit(face.landmarks, (photo.shape[1], photo.shape[0]))
    return Portrait(photo, fit, landmarks=face.landmarks)


def refit(image: np.ndarray, finder: FaceFinder, fitter: Fitter) -> HeadFit:
    """What mien measures in a picture that it made."""
    found = finder.find([image])[0][0]
    assert found.landmarks is not None
    return fitter.fit(found.landmarks, (image.shape[1], image.shape[0]))


def weights(portrait: Portrait, **added: float) -> np.ndarray:
    """The photo's expression with these weights added; a name may be that of both sides."""
    out = portrait.fit.expression.copy()
    for name, value in added.items():
        for whole in (name, f"{name}Left", f"{name}Right"):
            if whole in BLENDSHAPES:
                out[BLENDSHAPES.index(whole)] += value
    return out.clip(0, 1)


def weight(fit: HeadFit, name: str) -> float:
    return float(fit.expression[BLENDSHAPES.index(name)])


def around(image: np.ndarray, point: np.ndarray, radius: int) -> np.ndarray:
    x, y = point[:2].astype(int)
    part = image[max(y - radius, 0) : y + radius, max(x - radius, 0) : x + radius]
    return part.astype(np.float64)


def darkest(part: np.ndarray) -> float:
    """The column in the middle of what is dark: the iris."""
    dark = (part.mean(2).max() - part.mean(2)) ** 3
    return float((dark.sum(0) * np.arange(dark.shape[1])).sum() / dark.sum())


def difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(np.float64) - b.astype(np.float64)).mean())


def test_unmoved_is_the_photo(portrait: Portrait, photo: np.ndarray) -> None:
    frame = portrait.render()
    assert frame.dtype == np.uint8
    assert difference(frame, photo) < 0.05
    same = portrait.render(portrait.fit.expression, portrait.fit.gaze, (0, 0, 0))
    assert difference(same, photo) < 0.05


def test_a_small_motion_is_a_small_change(portrait: Portrait, photo: np.ndarray) -> None:
    """No part of the frame switches to another picture as soon as something moves."""
    frame = portrait.render(
        weights(portrait, jawOpen=0.01, eyeBlink=0.01), portrait.fit.gaze + 0.1, (0.05, 0.05, 0.05)
    )
    assert difference(frame, photo) < 1.5


def test_what_is_away_from_the_head_never_changes(portrait: Portrait, photo: np.ndarray) -> None:
    frame = portrait.render(weights(portrait, jawOpen=0.7), pose=(20, -12, 15))
    for corner in (np.s_[:60, :60], np.s_[:60, -60:], np.s_[-30:]):
        np.testing.assert_array_equal(frame[corner], photo[corner])
    assert difference(frame, photo) > 3


def test_opening_the_mouth_changes_the_mouth_alone(
    portrait: Portrait, photo: np.ndarray, face: Face
) -> None:
    assert face.landmarks is not None
    frame = portrait.render(weights(portrait, jawOpen=0.6))
    forehead, mouth, chin = face.landmarks[[FOREHEAD, 14, CHIN]]
    assert difference(around(frame, forehead, 12), around(photo, forehead, 12)) < 1
    assert difference(around(frame, mouth, 12), around(photo, mouth, 12)) > 10
    assert difference(around(frame, chin, 12), around(photo, chin, 12)) > 3
    np.testing.assert_allclose(frame[:90].astype(int), photo[:90], atol=1)


def test_the_open_mouth_is_dark_inside_and_no_skin(portrait: Portrait, face: Face) -> None:
    assert face.landmarks is not None
    frame = portrait.render(weights(portrait, jawOpen=0.7))
    upper, lower = face.landmarks[[13, 14], :2]
    inside = around(frame, lower + (lower - upper) * 0.5 + (0, 4), 4).mean()
    cheek = around(frame, face.landmarks[50], 6).mean()
    assert inside < 0.6 * cheek


def test_measured_expression_follows(
    portrait: Portrait, finder: FaceFinder, fitter: Fitter
) -> None:
    before = weight(portrait.fit, "jawOpen")
    some, more = (
        weight(refit(portrait.render(weights(portrait, jawOpen=x)), finder, fitter), "jawOpen")
        for x in (0.25, 0.6)
    )
    assert before + 0.05 < some < more - 0.1
    blink = refit(portrait.render(weights(portrait, eyeBlink=1)), finder, fitter)
    assert weight(blink, "eyeBlinkLeft") > weight(portrait.fit, "eyeBlinkLeft") + 0.3
    assert weight(blink, "eyeBlinkRight") > weight(portrait.fit, "eyeBlinkRight") + 0.3


def test_a_blink_covers_the_iris_with_skin(
    portrait: Portrait, photo: np.ndarray, face: Face
) -> None:
    assert face.landmarks is not None
    iris, cheek = face.landmarks[LEFT_IRIS[0]], face.landmarks[280]
    skin = around(photo, cheek, 6).mean((0, 1))
    before = around(photo, iris, 4).mean((0, 1))
    after = around(portrait.render(weights(portrait, eyeBlink=1)), iris, 4).mean((0, 1))
    assert np.linalg.norm(after - skin) < 0.65 * np.linalg.norm(before - skin)


@pytest.mark.parametrize("turn", [(15, 0, 0), (-15, 0, 0), (0, 10, 0), (0, -10, 0), (0, 0, 12)])
def test_measured_pose_follows(
    portrait: Portrait, finder: FaceFinder, fitter: Fitter, turn: tuple[float, float, float]
) -> None:
    now = portrait.fit.pose
    found = refit(portrait.render(pose=turn), finder, fitter).pose
    measured = np.array([found.yaw - now.yaw, found.pitch - now.pitch, found.roll - now.roll])
    np.testing.assert_allclose(measured, turn, atol=5)


def test_the_nose_goes_where_the_model_says(
    portrait: Portrait, face: Face, finder: FaceFinder
) -> None:
    assert face.landmarks is not None
    model, fit = portrait.model, portrait.fit
    head = fit.vertices(model)
    turned = model.vertices(fit.identity, fit.expression, fit.gaze, pose=np.array([15, 0, 0]))
    places = [fit.camera.project(model.landmarks(x))[NOSE, :2] for x in (head, turned)]
    frame = portrait.render(pose=(15, 0, 0))
    found = finder.find([frame])[0][0].landmarks
    assert found is not None
    moved = found[NOSE, :2] - face.landmarks[NOSE, :2]
    np.testing.assert_allclose(moved, places[1] - places[0], atol=6)
    assert moved[0] > 10


def test_gaze_turns_the_eyes_and_nothing_else(
    portrait: Portrait, photo: np.ndarray, face: Face
) -> None:
    assert face.landmarks is not None
    frames = [portrait.render(gaze=portrait.fit.gaze + np.array([x, 0])) for x in (-18, 18)]
    left, right = (darkest(around(frame, face.landmarks[LEFT_IRIS[0]], 9)) for frame in frames)
    assert right > left + 3
    frame = frames[1]
    chin = face.landmarks[CHIN]
    assert difference(around(frame, chin, 20), around(photo, chin, 20)) < 0.1


def test_turns_end_at_their_limit(portrait: Portrait) -> None:
    farthest = portrait.render(pose=LARGEST_TURN)
    np.testing.assert_array_equal(farthest, portrait.render(pose=(90, 90, 90)))


def test_the_same_for_any_number_of_threads(portrait: Portrait, photo: np.ndarray) -> None:
    alone = Portrait(photo, portrait.fit, threads=1)
    three = Portrait(photo, portrait.fit, threads=3)
    asked = weights(portrait, jawOpen=0.4, eyeBlink=0.5), portrait.fit.gaze + 8, (6, 4, 3)
    np.testing.assert_array_equal(alone.render(*asked), three.render(*asked))
    np.testing.assert_array_equal(alone.render(*asked), alone.render(*asked))


def motion(count: int) -> Motion:
    return Motion(25, np.zeros((count, 52)), np.zeros((count, 3)), np.zeros((count, 2, 2)))


def test_frames_move_from_rest_to_where_the_motion_goes(
    portrait: Portrait, photo: np.ndarray
) -> None:
    given = motion(12)
    given.expression[:, BLENDSHAPES.index("browInnerUp")] = 0.3  # how this person always looks
    given.pose[:] = (10, -5, 2)
    given.expression[11, BLENDSHAPES.index("jawOpen")] = 0.5
    frames = list(portrait.frames(given))
    assert len(frames) == 12
    assert difference(frames[0], photo) < 0.05
    np.testing.assert_array_equal(frames[11], portrait.render(weights(portrait, jawOpen=0.5)))
    half = list(portrait.frames(given, strength=0.5))[11]
    np.testing.assert_array_equal(half, portrait.render(weights(portrait, jawOpen=0.25)))


def test_a_frame_without_a_face_holds_the_last(portrait: Portrait, photo: np.ndarray) -> None:
    given = motion(14)
    given.expression[13, BLENDSHAPES.index("jawOpen")] = 0.5
    given = Motion(25, given.expression[[0, 13, 0, *range(12)]], given.pose[[0] * 15], None)
    given.expression[[0, 2]] = np.nan
    frames = list(portrait.frames(given))
    np.testing.assert_array_equal(frames[0], photo)
    np.testing.assert_array_equal(frames[2], frames[1])
    assert difference(frames[3], frames[2]) > 0.5


def test_rest_ignores_frames_without_a_face() -> None:
    given = motion(10)
    given.pose[:] = 4
    given.pose[5:] = np.nan
    expression, pose, gaze = rest(given)
    np.testing.assert_array_equal(expression, 0)
    np.testing.assert_array_equal(pose, 4)
    np.testing.assert_array_equal(gaze, np.zeros((2, 2)))
    given.pose[:] = np.nan
    assert rest(given)[2] is None


def test_a_grey_face_at_the_border_is_drawn(fitter: Fitter, portrait: Portrait) -> None:
    """A crop through chin and hair, without colour: nothing fails, and the border stays."""
    x0, y0, x1, y1 = (int(v) for v in (190, 130, 430, 350))
    crop = portrait.image[y0:y1, x0:x1].mean(2, keepdims=True).repeat(3, 2).astype(np.uint8)
    landmarks = portrait.model.landmarks(portrait.fit.vertices(portrait.model))
    placed = portrait.fit.camera.project(landmarks)[:, :2] - (x0, y0)
    close = Portrait(crop, fitter.fit(placed, (x1 - x0, y1 - y0)))
    frame = close.render(weights(close, jawOpen=0.5), pose=(12, 0, 0))
    assert frame.shape == crop.shape
    assert difference(frame[0], crop[0]) < 4  # it is the photo's border still


# -- layers --------------------------------------------------------------------------------------


def test_pull_push_keeps_what_is_known_and_fills_between() -> None:
    image = np.zeros((37, 51, 1), np.float32)
    image[:, 40:] = 100
    known = np.zeros((37, 51), np.float32)
    known[:, :5] = known[:, 46:] = 1
    filled = pull_push(image, known)
    np.testing.assert_array_equal(filled[known > 0], image[known > 0])
    assert filled.min() >= 0
    assert filled.max() <= 100.01
    assert 20 < filled[18, 25, 0] < 80


def test_guided_filter_keeps_the_edges_of_its_guide() -> None:
    guide = np.zeros((40, 40), np.float32)
    guide[:, 20:] = 1
    rough = np.zeros((40, 40), np.float32)
    rough[:, 17:] = 1  # three pixels off
    soft = guided_filter(guide, rough, 5, 1e-4)
    assert soft[20, 21] - soft[20, 18] > 1.5 * abs(soft[20, 18] - soft[20, 15])


def test_matte_finds_a_person_on_a_plain_ground() -> None:
    rows, columns = np.indices((120, 120))
    disc = np.hypot(rows - 60, columns - 60) < 35
    image = np.where(disc[..., None], (150, 90, 60), (60, 90, 160)).astype(np.uint8)
    head = np.hypot(rows - 60, columns - 60) < 28
    alpha = matte(image, head, np.zeros_like(head))
    assert alpha[head].min() > 0.95
    assert alpha[np.hypot(rows - 60, columns - 60) > 42].max() < 0.1
    np.testing.assert_array_equal(alpha, matte(image, head, np.zeros_like(head)))


def test_sheet_comes_back_from_where_it_was_moved() -> None:
    sheet = Sheet(200, 150)
    nodes = sheet.nodes.reshape(-1, 2)
    back = sheet.back(np.pad(nodes, ((0, 0), (0, 1))) + np.array([3, -2, 0]))
    x, y = np.meshgrid(np.arange(200), np.arange(150))
    np.testing.assert_allclose(back[20:-20, 20:-20, 0], (x - 3)[20:-20, 20:-20], atol=0.01)
    np.testing.assert_allclose(back[20:-20, 20:-20, 1], (y + 2)[20:-20, 20:-20], atol=0.01)


def test_of_a_fold_in_the_sheet_the_near_part_is_seen() -> None:
    sheet = Sheet(200, 200)
    nodes = sheet.nodes.reshape(-1, 2).astype(np.float64)
    near = nodes[:, 0] < 100
    placed = np.column_stack([nodes[:, 0] + np.where(near, 30, 0), nodes[:, 1], 10.0 - near])
    assert sheet.back(placed)[100, 115, 0] == pytest.approx(85, abs=1)
    placed[:, 2] = 10.0 + near
    assert sheet.back(placed)[100, 115, 0] == pytest.approx(115, abs=1)
