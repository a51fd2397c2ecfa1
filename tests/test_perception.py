"""What is read in faces: as the network says it, null where it is not sure, steady in videos."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from base_network import SIZE, untrained
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mien import face as vocabulary
from mien.errors import UsageError
from mien.face import EMOTIONS, OUTPUTS, Face, Pose, Readings, gaze_of
from mien.find import geometry, perception
from mien.find.finder import FaceFinder
from mien.find.identity import CUT, VIEWS, Identities
from mien.find.perception import Perception, Reader, Said, Steady, Watch, told
from mien.find.tracker import Tracker
from mien.hub import OnnxNetwork
from mien.media.image import read_image

ALL = [name for name in OUTPUTS if name != "embedding"]


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return read_image(ROOT / "docs" / "pictures" / "astronaut.jpg")


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder.bundled()


@pytest.fixture(scope="module")
def landmarks(finder, picture) -> np.ndarray:
    return finder.find([picture])[0][0].landmarks


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> tuple[Path, object]:
    path = tmp_path_factory.mktemp("network") / "mien-base.onnx"
    return path, untrained(path)


@pytest.fixture(scope="module")
def perceive(network) -> Perception:
    return Perception(OnnxNetwork(network[0], threads=1), SIZE)


def said(confidence: float = 0.9, **values) -> Said:
    arrays = {name: np.asarray(value, np.float64) for name, value in values.items()}
    return Said(arrays, dict.fromkeys(values, confidence), np.eye(2, 3))


def test_the_core_knows_the_networks_words():
    pytest.importorskip("torch")
    from mien.data import labels, traits
    from mien.systems.perceive import mien_base

    assert perception.ANSWERS == mien_base.OUTPUTS
    assert tuple(mien_base.TOLERANCES) == perception.EXPECTED
    assert perception.CONFIDENT == mien_base.CONFIDENT
    assert perception.SHUT == traits.SHUT
    assert vocabulary.ACTION_UNITS == labels.UNITS
    assert vocabulary.EMOTIONS == mien_base.EMOTIONS
    assert (vocabulary.TRAITS, vocabulary.GENDERS, vocabulary.GROUPS) == (
        labels.TRAITS,
        labels.GENDERS,
        labels.GROUPS,
    )


def test_it_says_what_the_system_says(network, perceive, picture, landmarks):
    torch = pytest.importorskip("torch")
    system = network[1]
    (got,) = perceive([picture], [landmarks], ALL)
    crop = geometry.crop(picture, system.crop(landmarks), SIZE)
    wanted = system.predict(torch.from_numpy(crop.transpose(2, 0, 1)[None].copy()).float() / 255)
    for output, value in got.values.items():
        name = perception.OTHER_NAMES.get(output, output)
        expected = wanted[name][0].numpy()
        if output == "gaze":
            expected = np.where(np.isnan(value), np.nan, expected)
        if output == "parsing":
            assert (value == expected).mean() > 0.999
        else:
            np.testing.assert_allclose(value, expected, atol=2e-3 * max(1, np.ptp(expected)))
        assert got.confidence[output] == pytest.approx(
            float(wanted[f"confidence_{name}"][0]), abs=2e-3
        )
    np.testing.assert_allclose(got.crop_to_image, system.crop(landmarks))


def test_what_is_read_does_not_depend_on_the_other_faces(perceive, picture, landmarks):
    moved = [landmarks + np.array([shift, shift / 2, 0]) for shift in (0, 9, -14, 5, 2)]
    together = perceive([picture] * 5, moved, ALL)
    few = Perception(perceive.network, SIZE, batch=2)([picture] * 5, moved, ALL)
    alone = [perceive([picture], [points], ALL)[0] for points in moved]
    for one, two, three in zip(together, few, alone, strict=True):
        for output in ALL:
            np.testing.assert_array_equal(one.values[output], two.values[output])
            np.testing.assert_array_equal(one.values[output], three.values[output])
            assert one.confidence[output] == two.confidence[output] == three.confidence[output]


def test_what_is_not_sure_is_not_told():
    level = perception.CONFIDENT
    sure, unsure = (
        told(said(level + d, expression=np.full(52, 0.5), affect=[0.1, 0.2], age=30.0))
        for d in (0.001, -0.001)
    )
    assert sure.expression is not None and sure.arousal == 0.2 and sure.age == 30.0
    assert unsure.expression is unsure.valence is unsure.age is None
    assert unsure.confidence["affect"] == pytest.approx(level - 0.001)
    row = unsure.row()
    assert row["jawOpen"] is row["valence"] is row["apparent_age"] is None
    assert row["confidence_expression"] == pytest.approx(level - 0.001)
    assert "AU12" not in row, "it was not asked for"


def test_a_closed_eye_looks_nowhere(perceive, picture, landmarks):
    class Blinking:
        """The network, with the curves that it is told."""

        def __init__(self, left: float, right: float):
            self.blinks = left, right

        def __call__(self, batch):
            answers = list(perceive.network(batch))
            curves = answers[perception.ANSWERS.index("curves")]
            curves[:, perception.BLINKS] = self.blinks
            return tuple(answers)

    def gaze(left: float, right: float) -> Any:
        found = Perception(Blinking(left, right), SIZE)([picture], [landmarks], ["gaze"])
        return told(found[0])

    assert not np.isnan(gaze(0.1, 0.2).gaze).any()
    winking = gaze(0.9, 0.2)
    assert np.isnan(winking.gaze[0]).all() and not np.isnan(winking.gaze[1]).any()
    row = winking.row(Pose(0, 0, 0))
    assert row["left_eye_yaw"] is None and row["gaze_yaw"] == row["right_eye_yaw"] is not None
    assert gaze(0.9, 0.8).gaze is None


def test_both_eyes_look_where_head_and_eyes_point():
    eyes = np.array([[12.0, -4.0], [8.0, -6.0]])
    assert gaze_of(eyes, Pose(0, 0, 0)) == pytest.approx([10, -5], abs=0.05)
    assert gaze_of(np.zeros((2, 2)), Pose(30, -20, 40)) == pytest.approx([30, -20])
    assert gaze_of(np.array([[10, 0], [10, 0]]), Pose(30, 0, 0)) == pytest.approx([40, 0])
    assert gaze_of(np.array([[20, 0], [20, 0]]), Pose(0, 0, 90)) == pytest.approx([0, -20])
    assert np.isnan(gaze_of(eyes, None)).all()


def test_a_still_face_gets_still_and_a_blink_stays_a_blink():
    times = np.arange(60) / 25
    noise = np.random.default_rng(0).normal(0, 0.03, (60, 52))
    blink = np.zeros(60)
    blink[40:45] = 0.45, 0.95, 1.0, 0.6, 0.2
    steady, out = Steady(), []
    for time, rest, extra in zip(times, 0.3 + noise, blink, strict=True):
        curves = np.clip(rest, 0, 1)
        curves[0] = max(curves[0], extra)
        out.append(steady(said(expression=curves), time).values["expression"])
    out = np.array(out)
    assert np.abs(np.diff(out[:, 1:], axis=0)).mean() < 0.5 * np.abs(np.diff(noise, axis=0)).mean()
    assert out[40:45, 0].max() > 0.8
    assert out[:, 1:].mean() == pytest.approx(0.3, abs=0.02)


def test_filtered_shares_stay_shares():
    steady, rng = Steady(), np.random.default_rng(1)
    for index in range(10):
        shares = rng.dirichlet(np.ones(8))
        out = steady(said(emotion=shares), index / 25).values["emotion"]
        assert out.sum() == pytest.approx(1) and (out >= 0).all()


def test_what_was_not_told_does_not_move_the_filter():
    steady = Steady()
    steady(said(quality=0.8), 0.0)
    steady(said(0.1, quality=0.0), 0.04)
    assert steady(said(quality=0.8), 0.08).values["quality"] == pytest.approx(0.8)
    closed = np.array([[np.nan, np.nan], [5.0, 5.0]])
    steady(said(gaze=np.array([[1.0, 1.0], [5.0, 5.0]])), 0.0)
    assert np.isnan(steady(said(gaze=closed), 0.04).values["gaze"][0]).all()
    assert not np.isnan(steady(said(gaze=np.ones((2, 2))), 0.08).values["gaze"]).any()


def test_a_watch_keeps_people_apart(perceive, picture, landmarks):
    watch = Watch(Reader(["expression"], perceive))
    points = {0: landmarks, 1: landmarks + np.array([40, 10, 0])}
    alone = Watch(Reader(["expression"], perceive))
    for index in range(4):
        faces: list[Any] = [face_of(points[track], track) for track in (0, 1)]
        only: Any = face_of(points[1], 1)
        watch(picture, faces, index / 25)
        alone(picture, [only], index / 25)
        np.testing.assert_array_equal(faces[1].readings.expression, only.readings.expression)


def face_of(points: np.ndarray, track: int | None = None) -> Face:
    return Face(box=geometry.box_of(points), score=1, landmarks=points, track=track)


def test_only_what_is_asked_for_is_read(perceive, picture, landmarks):
    face: Any = face_of(landmarks)
    Reader(["quality", "parsing", "gender"], perceive).read([picture], [face])
    readings: Any = face.readings
    assert readings.outputs() == ["quality", "gender", "parsing"]
    assert readings.expression is None and readings.gender in vocabulary.GENDERS
    assert readings.parsing.shape == (SIZE, SIZE) and readings.parsing.dtype == np.uint8
    middle = geometry.transform(readings.parsing_to_image, np.array([SIZE / 2, SIZE / 2]))
    assert np.linalg.norm(middle - face.landmarks[:, :2].mean(0)) < 0.1 * np.ptp(face.box)


@pytest.mark.parametrize("names", [["smile"], ["expression", ""], ["Expression"]])
def test_an_unknown_output_is_refused(names):
    with pytest.raises(UsageError, match="no output; there are: expression, action_units"):
        perception.check(names)


def some(shape, low: float, high: float) -> st.SearchStrategy:
    values = st.floats(low, high, width=32)
    return st.none() | arrays(np.float32, shape, elements=values, fill=values)


@given(
    expression=some(52, 0, 1),
    units=some(23, 0, 5),
    emotion=some(8, 0, 1),
    gaze=some((2, 2), -60, 60),
    valence=st.none() | st.floats(-1, 1),
    confidence=st.dictionaries(st.sampled_from(ALL), st.floats(0, 1)),
)
@settings(max_examples=15)
def test_a_row_keeps_the_readings(expression, units, emotion, gaze, valence, confidence):
    given = Readings(
        expression=expression, action_units=units, emotion=emotion, gaze=gaze, valence=valence,
        arousal=valence, confidence=confidence,
    )  # fmt: skip
    row = json.loads(json.dumps(given.row(Pose(10, 5, 0))))
    again: Any = Readings.from_row(row)
    if not row:
        assert again is None
        return
    assert again.row(Pose(10, 5, 0)).keys() == row.keys()
    for name, wanted in (("expression", expression), ("action_units", units), ("gaze", gaze)):
        value = getattr(again, name)
        assert (value is None) == (wanted is None)
        if wanted is not None:
            np.testing.assert_allclose(value, wanted, atol=0.006)
    assert again.valence == pytest.approx(valence, abs=1e-4)
    assert again.confidence == pytest.approx(confidence, abs=1e-4)
    if emotion is not None:
        assert row["emotion"] == EMOTIONS[int(np.argmax(emotion))]


def test_readings_of_a_wrong_shape_are_refused():
    with pytest.raises(ValueError, match="action_units"):
        Readings(action_units=np.zeros(24))


# Ready-made crops


@pytest.mark.parametrize("side", [90, 130, 190])
def test_a_crop_needs_no_search(finder, picture, landmarks, side):
    middle = landmarks[:, :2].mean(0).round().astype(int)
    left, top = middle - side // 2
    crop = picture[top : top + side, left : left + side]
    (found,) = FaceFinder.bundled(aligned=True).find([crop])[0]
    assert found.landmarks is not None
    off = np.linalg.norm(found.landmarks[:, :2] + [left, top] - landmarks[:, :2], axis=1)
    assert off.mean() < 0.04 * np.linalg.norm(landmarks[33, :2] - landmarks[263, :2])


def test_a_crop_without_a_face_gives_none():
    grey = np.full((112, 112, 3), 127, np.uint8)
    assert FaceFinder.bundled(aligned=True).find([grey]) == [[]]


def test_a_clip_of_crops_has_one_person(picture):
    tracker = Tracker(FaceFinder.bundled(aligned=True))
    frames = [picture[60:190, 160 + shift : 290 + shift] for shift in range(4)]
    found = [tracker.update(image, index / 25) for index, image in enumerate(frames)]
    assert [[face.track for face in faces] for faces in found] == [[0]] * 4


# People and cuts


class ByColour:
    """In place of the embedder: people differ in the colour of their picture."""

    def __call__(self, images, faces):
        means = np.array([image.reshape(-1, 3).mean(0) for image in images])
        vectors = means - means.mean(1, keepdims=True)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def scenes(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two people at the same place, whose pictures differ much."""
    head = picture[20:212, 130:322].astype(np.float64)
    red, blue = head * [1, 0.75, 0.6], 255 - (255 - head * [0.5, 0.6, 0.9]) * 0.7
    return red.astype(np.uint8), blue.astype(np.uint8)


def tracks(finder, frames, identities=None) -> list[int | None]:
    tracker = Tracker(finder, max_faces=1, identities=identities)
    found = [tracker.update(image, index / 25) for index, image in enumerate(frames)]
    return [faces[0].track if faces else None for faces in found]


def test_who_comes_back_after_a_cut_has_the_old_number(finder, picture):
    one, two = scenes(picture)
    frames = [one] * 3 + [two] * 3 + [one] * 3 + [two] * 2
    identities = Identities(ByColour())
    assert tracks(finder, frames, identities) == [0] * 3 + [1] * 3 + [0] * 3 + [1] * 2


def test_a_face_that_is_not_good_is_not_recognised(picture, landmarks):
    identities = Identities(ByColour())
    face = face_of(landmarks, track=0)
    face.pose = Pose(0, 0, 0)
    identities.learn(picture, [face])
    assert identities.who(picture, face, [0]) == 0
    assert identities.who(picture, face, [1]) is None
    face.pose = Pose(60, 0, 0)
    assert identities.who(picture, face, [0]) is None
    assert not identities.is_other(255 - picture, face, 0), "nobody can tell"


def test_only_the_first_views_are_embedded(picture, landmarks):
    seen = []

    class Counting(ByColour):
        def __call__(self, images, faces):
            seen.append(len(images))
            return super().__call__(images, faces)

    identities = Identities(Counting())
    for _ in range(3 * VIEWS):
        face = face_of(landmarks, track=0)
        face.pose = Pose(0, 0, 0)
        identities.learn(picture, [face])
    assert sum(seen) == VIEWS


def test_motion_is_no_cut(picture):
    identities = Identities(ByColour())
    frames = [picture[20:212, 100 + 4 * i : 292 + 4 * i] for i in range(8)]
    assert not any(identities.is_cut(frame) for frame in frames)
    assert identities.is_cut((255 - frames[-1]) // 2)
    assert CUT > 0
