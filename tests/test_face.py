"""The vocabulary: landmark groups, rows of faces, motions in files."""

import csv
import json
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mien import face as vocabulary
from mien.errors import InputError, MienError
from mien.face import (
    BLENDSHAPES,
    CONTOURS,
    DLIB_68,
    LANDMARKS,
    LIVE_LINK_COLUMNS,
    Face,
    Motion,
    Pose,
)
from mien.find import mean_face

PAIRS = ["EYE", "EYE_UPPER", "EYE_LOWER", "IRIS", "BROW", "BROW_UPPER", "BROW_LOWER"]
GROUPS = [name for name, value in vars(vocabulary).items() if isinstance(value, np.ndarray)]


@pytest.fixture(scope="module")
def points() -> np.ndarray:
    """A frontal face: x to the image's right, y down."""
    return mean_face.points()


def group(name: str) -> np.ndarray:
    return getattr(vocabulary, name)


@pytest.mark.parametrize("name", GROUPS)
def test_groups_are_constant_and_name_landmarks_once(name):
    indices = group(name)
    assert indices.min() >= 0 and indices.max() < LANDMARKS
    assert len(set(indices.tolist())) == len(indices)
    with pytest.raises(ValueError, match="read-only"):
        indices[0] = 0


@pytest.mark.parametrize("part", PAIRS)
def test_left_is_the_persons_left_and_mirrors_the_right(points, part):
    left, right = points[group(f"LEFT_{part}")], points[group(f"RIGHT_{part}")]
    assert left[:, 0].min() > right[:, 0].max()
    assert len(left) == len(right)
    if part != "IRIS":  # the rims run round in the same direction
        size = np.ptp(points[:, 0])
        np.testing.assert_allclose(left[:, 1], right[:, 1], atol=0.03 * size)
        np.testing.assert_allclose(left[:, 0], -right[:, 0], atol=0.05 * size)


def test_upper_lines_are_above_lower_ones(points):
    for side in ("LEFT", "RIGHT"):
        for part in ("EYE", "BROW"):
            upper, lower = group(f"{side}_{part}_UPPER"), group(f"{side}_{part}_LOWER")
            assert (points[upper[1:-1], 1] < points[lower[1:-1], 1]).all()
    inner, outer = points[group("LIPS_INNER")], points[group("LIPS_OUTER")]
    assert outer[:, 1].min() < inner[:, 1].min() < inner[:, 1].max() < outer[:, 1].max()


def test_rings_run_round_without_crossing(points):
    for name in ("LEFT_EYE", "RIGHT_EYE", "LIPS_OUTER", "LIPS_INNER", "FACE_OVAL"):
        x, y = points[group(name), :2].T
        turns = np.unwrap(np.arctan2(y - y.mean(), x - x.mean()))
        assert abs(turns[-1] - turns[0]) > 1.5 * np.pi, name
        assert (np.diff(turns) > -0.2).all() or (np.diff(turns) < 0.2).all(), name


def test_the_iris_centre_comes_first(points):
    for name in ("LEFT_IRIS", "RIGHT_IRIS"):
        centre, *rim = points[group(name)]
        np.testing.assert_allclose(np.mean(rim, axis=0), centre, atol=0.02 * np.ptp(points[:, 0]))


def test_the_face_oval_is_around_everything_but_depth(points):
    oval = points[group("FACE_OVAL")]
    assert oval[:, 1].min() <= points[:, 1].min() + 1e-6
    assert oval[:, 1].max() >= points[:, 1].max() - 0.02 * np.ptp(points[:, 1])


def test_contours_name_neighbours(points):
    size = np.ptp(points[:, 0])
    for name, line in CONTOURS.items():
        steps = np.linalg.norm(np.diff(points[line], axis=0), axis=1)
        assert 0 < steps.max() < 0.25 * size, name


def test_the_68_points_have_dlibs_layout(points):
    p = points[DLIB_68]
    assert p.shape == (68, 3)
    assert p[:17, 1].argmax() == 8  # the chin is in the middle of the jaw
    assert (np.diff(p[:17, 0]) > 0).all()  # the jaw runs from the image's left to its right
    assert (np.diff(p[17:27, 0]) > 0).all()
    assert (np.diff(p[27:31, 1]) > 0).all()  # down the bridge of the nose
    assert (np.diff(p[31:36, 0]) > 0).all()
    assert p[30, 2] == p[27:36, 2].min()  # its tip is nearest to the camera
    eyes = p[36:48, 0]
    assert eyes.argmin() == 0 and eyes.argmax() == 9
    assert (p[[37, 38, 43, 44], 1] < p[[41, 40, 47, 46], 1]).all()
    assert p[48, 0] == p[48:68, 0].min() and p[54, 0] == p[48:68, 0].max()
    assert p[51, 1] < p[62, 1] <= p[66, 1] < p[57, 1]  # lips from top to bottom


def test_blendshapes_are_arkits(shared):
    labels = np.load(shared / "data" / "portraits" / "labels.npz")
    teacher = set(labels["blendshape_names"].tolist()) - {"_neutral"}
    assert set(BLENDSHAPES) == teacher | {"tongueOut"}
    assert len(BLENDSHAPES) == 52


pixels = st.floats(-5_000, 5_000, width=32)
faces = st.builds(
    Face,
    box=arrays(np.float64, 4, elements=pixels),
    score=st.floats(0, 1),
    landmarks=st.none() | arrays(np.float32, (LANDMARKS, 3), elements=pixels),
    pose=st.none() | st.builds(Pose, *[st.floats(-180, 180)] * 3),
    track=st.none() | st.integers(0, 2**31),
    frame=st.integers(0, 2**31),
    time=st.floats(0, 1e6),
    source=st.text(),
)


@given(faces)
@settings(max_examples=20, deadline=None)
def test_a_row_keeps_the_face_to_a_hundredth(face):
    row = json.loads(json.dumps(face.row()))
    assert list(row) == ["source", "frame", "time", "track", "score", "box", "landmarks", "pose"]
    again = Face.from_row(row)
    assert (again.source, again.frame, again.track) == (face.source, face.frame, face.track)
    np.testing.assert_allclose(again.box, face.box, atol=0.00501)
    if face.landmarks is None or again.landmarks is None:
        assert face.landmarks is again.landmarks
    else:
        np.testing.assert_allclose(again.landmarks, face.landmarks, atol=0.0055)
    if face.pose is None or again.pose is None:
        assert face.pose is again.pose
    else:
        assert again.pose.pitch == pytest.approx(face.pose.pitch, abs=0.00501)
    assert again.row() == row


def test_arrays_of_a_wrong_shape_are_refused():
    with pytest.raises(ValueError):
        Face(box=np.zeros(5), score=1)
    with pytest.raises(ValueError):
        Face(box=np.zeros(4), score=1, landmarks=np.zeros((68, 3)))
    with pytest.raises(ValueError):
        Motion(30, np.zeros((4, 51)), np.zeros((4, 3)))
    with pytest.raises(ValueError):
        Motion(30, np.zeros((4, 52)), np.zeros((3, 3)))
    with pytest.raises(ValueError, match="fps"):
        Motion(0, np.zeros((4, 52)), np.zeros((4, 3)))


def motion(frames: int, fps: float = 30, gaze: bool = True) -> Motion:
    rng = np.random.default_rng(frames)
    return Motion(
        fps,
        rng.uniform(0, 1, (frames, 52)),
        rng.uniform(-90, 90, (frames, 3)),
        rng.uniform(-40, 40, (frames, 2, 2)) if gaze else None,
    )


def assert_same(one: Motion, other: Motion, atol: float) -> None:
    assert other.fps == pytest.approx(one.fps)
    np.testing.assert_allclose(other.expression, one.expression, atol=atol)
    np.testing.assert_allclose(other.pose, one.pose, atol=180 * atol)
    if one.gaze is None or other.gaze is None:
        assert one.gaze is other.gaze
    else:
        np.testing.assert_allclose(other.gaze, one.gaze, atol=180 * atol)


@pytest.mark.parametrize("gaze", [True, False])
@pytest.mark.parametrize("fps", [1, 24, 25, 30, 60, 120])
def test_motion_round_trips(tmp_path, fps, gaze):
    written = motion(3 * fps + 2, fps, gaze)
    for suffix, atol in ((".npz", 0), (".csv", 1e-7)):
        path = tmp_path / f"motion{suffix}"
        written.save(path)
        assert_same(written, Motion.load(path), atol)


def test_npz_keeps_an_uneven_rate_and_csv_comes_near(tmp_path):
    written = motion(150, fps=30000 / 1001)
    written.save(tmp_path / "m.npz")
    assert Motion.load(tmp_path / "m.npz").fps == written.fps
    written.save(tmp_path / "m.csv")
    assert Motion.load(tmp_path / "m.csv").fps == pytest.approx(written.fps, rel=0.01)
    assert Motion.load(tmp_path / "m.csv", fps=written.fps).fps == written.fps


def test_csv_has_the_layout_of_live_link_face(tmp_path):
    written = motion(70, fps=60)
    written.pose[0] = 90, -45, 18
    written.save(tmp_path / "m.csv")
    header, first, *rows = csv.reader((tmp_path / "m.csv").open())
    assert header == ["Timecode", "BlendshapeCount", *LIVE_LINK_COLUMNS]
    assert len(LIVE_LINK_COLUMNS) == 61
    assert header[2:5] == ["EyeBlinkLeft", "EyeLookDownLeft", "EyeLookInLeft"]
    assert header[53:57] == ["TongueOut", "HeadYaw", "HeadPitch", "HeadRoll"]
    assert first[:2] == ["00:00:00:00.000", "61"]
    assert rows[-1][0] == "00:00:01:09.000"
    # Angles are fractions of 180 degrees, as in Unreal Engine.
    assert [float(value) for value in first[54:57]] == pytest.approx([0.5, -0.25, 0.1])


def test_frames_without_a_face_stay_without(tmp_path):
    written = motion(90)
    written.expression[7], written.pose[7] = np.nan, np.nan
    written.save(tmp_path / "m.csv")
    assert (tmp_path / "m.csv").read_text().splitlines()[8].endswith(",0")
    read = Motion.load(tmp_path / "m.csv")
    assert np.isnan(read.expression[7]).all() and np.isnan(read.pose[7]).all()
    assert not np.isnan(np.delete(read.expression, 7, axis=0)).any()


def test_csv_columns_are_found_by_name(tmp_path):
    written = motion(70)
    written.save(tmp_path / "m.csv")
    rows = [row[:2] + row[:1:-1] for row in csv.reader((tmp_path / "m.csv").open())]
    rows[0] = [name.upper() for name in rows[0]]
    with (tmp_path / "other.csv").open("w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file).writerows(rows)
    assert_same(written, Motion.load(tmp_path / "other.csv"), 1e-7)


def test_a_short_csv_needs_its_rate(tmp_path):
    motion(20).save(tmp_path / "m.csv")
    with pytest.raises(InputError, match=r"m\.csv: .*fps"):
        Motion.load(tmp_path / "m.csv")
    assert len(Motion.load(tmp_path / "m.csv", fps=30)) == 20


class _Trap:
    """Unpickling this would leave a mark."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_files_are_never_unpickled(tmp_path):
    mark = tmp_path / "mark"
    np.savez(tmp_path / "object.npz", fps=np.array(_Trap(mark), object), allow_pickle=True)
    (tmp_path / "pickle.npz").write_bytes(pickle.dumps(_Trap(mark)))
    for name in ("object.npz", "pickle.npz"):
        with pytest.raises(InputError, match=name):
            Motion.load(tmp_path / name)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.csv", b""),
        ("text.csv", b"hello\nworld\n"),
        ("short.csv", b"Timecode,BlendshapeCount," + ",".join(LIVE_LINK_COLUMNS).encode() + b"\n0"),
        ("cut.csv", b"Timecode,BlendshapeCount," + ",".join(LIVE_LINK_COLUMNS).encode() + b"\n0,"),
        ("binary.csv", bytes(range(256))),
        ("empty.npz", b""),
        ("text.npz", b"hello"),
        ("array.npz", b"\x93NUMPY\x01\x00"),
        ("cut.npz", b"PK\x03\x04" + bytes(100)),
    ],
)
def test_other_files_give_one_clear_line(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        Motion.load(tmp_path / name)
    assert str(caught.value).startswith(str(tmp_path / name)) and "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    for suffix in ("csv", "npz"):
        with pytest.raises(InputError, match=rf"gone\.{suffix}: No such file"):
            Motion.load(tmp_path / f"gone.{suffix}")


def test_saving_that_fails_keeps_the_old_file(tmp_path):
    path = tmp_path / "m.npz"
    path.write_text("old")
    with pytest.raises(MienError, match="nowhere"):
        motion(5).save(tmp_path / "nowhere" / "m.npz")
    with pytest.raises(ValueError, match="npz or"):
        motion(5).save(tmp_path / "m.txt")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
