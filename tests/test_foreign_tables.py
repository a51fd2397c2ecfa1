"""Tables of other programs: read into mien's names, signs and units, and written for OpenFace's."""

import csv
import io
import math
import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.cli import main
from mien.errors import InputError, UsageError
from mien.face import BLENDSHAPES, DLIB_68, LANDMARKS, LIVE_LINK_COLUMNS, Face, Motion, Pose
from mien.media import blocks, measures
from mien.media.foreign import convert, detect, open_table, openface, read_columns
from mien.media.table import open_table as new_table

AU_R = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45)
AU_C = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 28, 45)


def numbered(stems: str, count: int) -> list[str]:
    return [f"{stem}_{index}" for stem in stems.split() for index in range(count)]


# The header of FeatureExtraction 2.2 with all its outputs, as the wiki's "Output Format" lists it.
OPENFACE = [
    *("frame", "face_id", "timestamp", "confidence", "success"),
    *[
        "gaze_0_x",
        "gaze_0_y",
        "gaze_0_z",
        "gaze_1_x",
        "gaze_1_y",
        "gaze_1_z",
        "gaze_angle_x",
        "gaze_angle_y",
    ],
    *numbered("eye_lmk_x eye_lmk_y eye_lmk_X eye_lmk_Y eye_lmk_Z", 56),
    *("pose_Tx", "pose_Ty", "pose_Tz", "pose_Rx", "pose_Ry", "pose_Rz"),
    *numbered("x y X Y Z", 68),
    *("p_scale", "p_rx", "p_ry", "p_rz", "p_tx", "p_ty"),
    *numbered("p", 34),
    *(f"AU{number:02}_r" for number in AU_R),
    *(f"AU{number:02}_c" for number in AU_C),
]

LIBREFACE = [
    *("frame_idx", "frame_time_in_ms", "pitch", "yaw", "roll"),
    *(f"lm_mp_{index}_{axis}" for index in range(478) for axis in "xyz"),
    *(f"au_{number}" for number in (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)),
    *(f"au_{number}_intensity" for number in (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)),
    *("facial_expression", "gaze_yaw", "gaze_pitch"),
]

EMOTIONS = ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]
FEX = [
    *("FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight", "FaceScore"),
    *numbered("x y", 68),
    *("Pitch", "Roll", "Yaw", "X", "Y", "Z"),
    *(f"AU{number:02}" for number in (1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15, 17, 20, 23, 24, 25)),
    *EMOTIONS,
    *("gaze_pitch", "gaze_yaw", "gaze_angle"),
    *numbered("Identity", 3)[1:],
    *("input", "frame", "approx_time", "Identity"),
]


def write(path: Path, header: list[str], lines: list[dict], separator: str = ",") -> Path:
    """A table by hand; what a line does not say is 0."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator.strip(), lineterminator="\n")
    writer.writerow(header)
    writer.writerows([line.get(name, 0) for name in header] for line in lines)
    path.write_text(
        text.getvalue().replace(",", separator) if separator == ", " else text.getvalue()
    )
    return path


def whole(path: Path, **options) -> dict[str, np.ndarray]:
    opened = open_table(path, **options)
    parts = list(opened.blocks)
    return {name: np.concatenate([part[name] for part in parts]) for name in opened.columns}


def openface_line(**changes) -> dict:
    points = {f"x_{i}": 100 + i for i in range(68)} | {f"y_{i}": 200 - i for i in range(68)}
    line = {"frame": 1, "confidence": 0.98, "success": 1, "AU12_r": 2.5, "AU12_c": 1}
    return line | points | changes


def test_openface_is_told_by_its_header(tmp_path):
    table = write(tmp_path / "a.csv", OPENFACE, [openface_line()])
    assert detect(table) == "openface"
    assert len(OPENFACE) == 714  # as every user of 2.2 knows it


@pytest.mark.parametrize("separator", [",", ", "], ids=["2.2", "2.0 with spaces"])
def test_openface_in_miens_units(tmp_path, separator):
    line = openface_line(
        frame=26, face_id=2, timestamp=1.0, gaze_angle_x=0.2, gaze_angle_y=0.1, AU45_r=0.7
    )
    table = whole(write(tmp_path / "a.csv", OPENFACE, [line], separator))
    expected = {
        **{"frame": 25, "time": 1.0, "track": 2, "score": 0.98, "AU12": 2.5, "AU12_active": 1},
        **{"AU45": 0.7, "AU28_active": 0, "dlib_x_0": 100.5, "dlib_y_67": 133.5},
        **{"box_x0": 100.5, "box_y0": 133.5, "box_x1": 167.5, "box_y1": 200.5},
        **{"gaze_yaw": math.degrees(0.2), "gaze_pitch": -math.degrees(0.1)},
    }
    for name, value in expected.items():
        assert table[name] == pytest.approx(value), name
    assert "AU28" not in table  # OpenFace tells its presence alone


@pytest.mark.parametrize(
    ("turned", "angle", "sign"),
    [("pose_Rx", "pitch", -1), ("pose_Ry", "yaw", -1), ("pose_Rz", "roll", 1)],
)
def test_openface_turns_one_axis_at_a_time(tmp_path, turned, angle, sign):
    table = whole(write(tmp_path / "a.csv", OPENFACE, [openface_line(**{turned: 0.3})]))
    for name in measures.POSE:
        assert table[name] == pytest.approx(sign * math.degrees(0.3) * (name == angle), abs=1e-9)


def test_openface_agrees_with_a_recorded_face(tmp_path):
    # A face that looks down and to the image's right: in OpenFace's own millimetres its chin was
    # farther away than its brows, and its right side in the image farther than its left.
    turned = {"pose_Rx": 0.29759, "pose_Ry": -0.063753, "pose_Rz": -0.0192347}
    table = whole(write(tmp_path / "a.csv", OPENFACE, [openface_line(**turned)]))
    assert -18 < table["pitch"][0] < -16
    assert 3 < table["yaw"][0] < 5
    assert -3 < table["roll"][0] < 0


@given(st.tuples(st.floats(-179, 179), st.floats(-80, 80), st.floats(-179, 179)))
def test_openface_rotations_are_poses(degrees):
    turned = openface.radians(np.array([degrees]))
    pose = Pose(*degrees)
    np.testing.assert_allclose(openface.rotations(turned)[0], pose.rotation(), atol=1e-9)
    np.testing.assert_allclose(openface.angles(pose.rotation()[None])[0], degrees, atol=1e-5)


def test_openface_rows_without_success_are_empty(tmp_path):
    table = write(
        tmp_path / "a.csv", OPENFACE, [openface_line(), openface_line(frame=2, success=0)]
    )
    read = whole(table)
    assert read["frame"].tolist() == [0, 1]
    for name in ("yaw", "AU12", "dlib_x_3", "box_x0", "gaze_yaw"):
        assert np.isnan(read[name]).tolist() == [False, True], name


def test_openface_of_an_image_has_a_row_per_face(tmp_path):
    header = ["face", "confidence", *OPENFACE[5:]]
    lines = [{"face": face, "confidence": 0.9, "pose_Ry": 0.1 * face} for face in range(2)]
    table = whole(write(tmp_path / "a.csv", header, lines))
    assert table["track"].tolist() == [0, 1]
    assert table["frame"].tolist() == [0, 0]
    assert table["yaw"] == pytest.approx([0, -math.degrees(0.1)])


def test_openface_without_some_outputs(tmp_path):
    header = [name for name in OPENFACE if name.startswith("AU") or name in OPENFACE[:5]]
    opened = open_table(write(tmp_path / "a.csv", header, [openface_line()]))
    assert opened.left_out == []
    assert not {"yaw", "box_x0", "gaze_yaw"} & set(opened.columns)


def test_what_mien_has_no_like_of_is_named(tmp_path):
    opened = open_table(write(tmp_path / "a.csv", OPENFACE, [openface_line()]))
    assert {"gaze_0_x", "eye_lmk_X_0", "pose_Tx", "Z_67", "p_33"} <= set(opened.left_out)
    assert not {"pose_Rx", "AU01_r", "x_0"} & set(opened.left_out)


def test_libreface_in_miens_units(tmp_path):
    line = {
        **{"frame_idx": 3, "frame_time_in_ms": 120.0, "au_12": 1, "au_12_intensity": 3.25},
        **{"facial_expression": "Happiness", "pitch": 4.0, "gaze_yaw": 3.0},
    }
    path = write(tmp_path / "a.csv", LIBREFACE, [line, line | {"facial_expression": "Bored"}])
    assert detect(path) == "libreface"
    table = whole(path)
    assert table["time"].tolist() == [0.12, 0.12]
    assert table["AU12"].tolist() == [3.25, 3.25]
    assert table["AU12_active"].tolist() == [1, 1]
    assert table["emotion"].tolist() == ["happiness", None]
    assert {"pitch", "gaze_yaw", "lm_mp_0_x"} <= set(open_table(path).left_out)


def test_pyfeat_in_miens_units(tmp_path):
    line = {
        **{"FaceRectX": 10, "FaceRectY": 20, "FaceRectWidth": 100, "FaceRectHeight": 120},
        **{"FaceScore": 0.99, "AU12": 0.75, "happiness": 0.9, "input": "clip.mp4", "frame": 5},
        **{"Pitch": 0.1, "Roll": 0.2, "Yaw": 0.3, "x_0": 33.0, "approx_time": "00:00"},
    }
    path = write(tmp_path / "a.csv", FEX, [line])
    assert detect(path) == "pyfeat"
    table = whole(path, fps=25)
    assert [table[name][0] for name in measures.BOX] == [10, 20, 110, 140]
    assert table["AU12_probability"] == 0.75
    assert "AU12" not in table  # it is no intensity
    assert table["time"] == 0.2
    assert table["source"][0] == "clip.mp4"
    # Up is up; a turn or tilt to the person's right is one to the image's left.
    angles = [table[name][0] for name in ("pitch", "yaw", "roll")]
    assert angles == pytest.approx(np.degrees([0.1, -0.3, -0.2]))
    assert np.isnan(whole(path)["time"]).all()


def test_pyfeat_2_has_other_words_and_a_mesh(tmp_path):
    feelings = ["Neutral", "Happy", "Sad", "Surprise", "Fear", "Disgust", "Anger"]
    mesh = numbered("mesh_x mesh_y mesh_z", 478)
    header = [name for name in FEX if name not in EMOTIONS]
    header += [*feelings, "valence", "arousal", *mesh, "_neutral", *BLENDSHAPES[:-1]]
    line = {"Happy": 0.7, "Sad": 0.1, "valence": -0.5, "mesh_y_477": 321.0, "jawOpen": 0.25}
    path = write(tmp_path / "a.csv", header, [line])
    table = whole(path)
    for name, value in {"happiness": 0.7, "sadness": 0.1, "y_477": 321, "jawOpen": 0.25}.items():
        assert table[name] == [value]
    assert {"fear", "arousal", "x_0"} <= set(table)
    assert {"mesh_z_0", "_neutral"} <= set(open_table(path).left_out)


def test_pyfeat_before_gaze_mixed_up_its_angles(tmp_path):
    header = [name for name in FEX if not name.startswith("gaze")]
    opened = open_table(write(tmp_path / "a.csv", header, [{}]))
    assert "yaw" not in opened.columns
    assert "Yaw" in opened.left_out


def test_pyfeat_frames_without_a_face(tmp_path):
    empty = dict.fromkeys(FEX, "") | {"frame": "4.0", "input": "C:\\clip.mp4"}
    table = whole(write(tmp_path / "a.csv", FEX, [dict.fromkeys(FEX, "nan"), empty]))
    assert np.isnan(table["box_x0"]).all()
    assert table["frame"].tolist()[1] == 4


def test_live_link_in_miens_units(tmp_path):
    expression = np.zeros((60, 52))
    expression[:, BLENDSHAPES.index("jawOpen")] = np.linspace(0, 1, 60)
    pose = np.tile([10.0, -5, 3], (60, 1))
    pose[7] = np.nan
    gaze = np.tile([[4.0, 2], [3, 1]], (60, 1, 1))
    Motion(20, expression, pose, gaze).save(tmp_path / "take.csv")
    assert detect(tmp_path / "take.csv") == "livelink"
    table = whole(tmp_path / "take.csv")
    assert np.diff(table["time"]) == pytest.approx(1 / 20)
    assert table["jawOpen"][-1] == pytest.approx(1)
    assert np.isnan(table["jawOpen"]).nonzero()[0].tolist() == [7]
    assert [table[name][0] for name in (*measures.POSE, *measures.EYES)] == pytest.approx(
        [10, -5, 3, 4, 2, 3, 1], abs=1e-4
    )


def test_a_short_take_needs_its_frame_rate(tmp_path):
    header = ["Timecode", "BlendShapeCount", *LIVE_LINK_COLUMNS]
    line = {"Timecode": "14:03:52:28.207", "BlendShapeCount": 61, "HeadYaw": 0.1}
    path = write(tmp_path / "take.csv", header, [line])
    assert whole(path, fps=60)["yaw"] == pytest.approx([18])
    with pytest.raises(InputError, match="say its fps"):
        list(open_table(path).blocks)


# Out


def faces(count: int = 3, source: str = "clip.mp4") -> list[Face]:
    rng = np.random.default_rng(0)
    return [
        Face(
            box=np.array([10, 20, 110, 140]),
            score=0.9,
            landmarks=rng.uniform(0, 300, (LANDMARKS, 3)).round(2),
            pose=Pose(12.5, -7.25, 3.5),
            track=1,
            frame=index,
            time=index / 25,
            source=source,
        )
        for index in range(count)
    ]


def mien_table(path: Path, some: list[Face]) -> Path:
    with new_table(path, path.suffix[1:]) as table:
        for face in some:
            table.write(face)
    return path


@pytest.mark.parametrize("format", ["jsonl", "csv", "parquet"])
def test_what_mien_analyzed_is_what_openface_writes(tmp_path, format):
    some = faces()
    done = convert(
        mien_table(tmp_path / f"faces.{format}", some), tmp_path / "out.csv", names="openface"
    )
    assert (done.format, done.rows) == ("mien", 3)
    with open(tmp_path / "out.csv", newline="") as file:
        header, *lines = csv.reader(file)
    places = [OPENFACE.index(name) for name in header]  # nothing that OpenFace does not have
    assert places == sorted(places)
    assert not {"AU12_r", "gaze_angle_x"} & set(header)  # nothing that mien did not measure
    row = dict(zip(header, lines[1], strict=True))
    assert (row["frame"], row["face_id"], row["success"]) == ("2", "1", "1")
    assert float(row["timestamp"]) == pytest.approx(0.04)
    assert some[1].landmarks is not None
    assert float(row["x_30"]) == pytest.approx(some[1].landmarks[DLIB_68[30], 0] - 0.5, abs=0.01)
    turned = [[float(row[name]) for name in openface.ROTATIONS]]
    assert openface.angles(openface.rotations(np.array(turned)))[0] == pytest.approx(
        [12.5, -7.25, 3.5], abs=0.01
    )


def test_openface_comes_back_as_it_was(tmp_path):
    rng = np.random.default_rng(1)
    lines = [
        openface_line(
            **{"frame": index + 1, "timestamp": index / 30},
            **{name: rng.uniform(-0.9, 0.9).__round__(4) for name in openface.ROTATIONS},
            **{name: rng.uniform(-0.9, 0.9).__round__(4) for name in openface.ANGLES},
        )
        for index in range(5)
    ]
    first = write(tmp_path / "a.csv", OPENFACE, lines)
    convert(first, tmp_path / "b.parquet")
    convert(tmp_path / "b.parquet", tmp_path / "c.csv", names="openface")
    with open(tmp_path / "c.csv", newline="") as file:
        back = list(csv.DictReader(file))
    for line, row in zip(lines, back, strict=True):
        for name, value in row.items():
            assert float(value) == pytest.approx(line.get(name, 0), abs=2e-4), name


def test_a_face_without_measures_had_no_success(tmp_path):
    some = faces(2)
    some[1].landmarks = some[1].pose = None
    table = mien_table(tmp_path / "faces.csv", some)
    convert(table, tmp_path / "out.csv", names="openface")
    with open(tmp_path / "out.csv", newline="") as file:
        back = list(csv.DictReader(file))
    assert [row["success"] for row in back] == ["1", "0"]
    assert back[1]["pose_Rx"] == ""


def test_openface_has_a_table_for_each_source(tmp_path):
    table = mien_table(tmp_path / "faces.csv", [*faces(2), *faces(3, "other.mp4")])
    with pytest.raises(InputError, match="--source"):
        convert(table, tmp_path / "out.csv", names="openface")
    with pytest.raises(UsageError, match=r"no source none\.mp4"):
        convert(table, tmp_path / "out.csv", names="openface", source="none.mp4")
    assert not (tmp_path / "out.csv").exists()
    assert convert(table, tmp_path / "out.csv", names="openface", source="other.mp4").rows == 3


def test_a_parquet_table_says_its_units(tmp_path):
    path = write(tmp_path / "a.csv", OPENFACE, [openface_line()] * 2)
    convert(path, tmp_path / "out.parquet")
    schema = parquet.read_schema(tmp_path / "out.parquet")
    assert b"degrees" in schema.metadata[b"units"]
    assert schema.names == [name for name in measures.COLUMNS if name in set(schema.names)]


@settings(max_examples=25)
@given(st.data())
def test_miens_own_names_come_back(tmp_path_factory, data):
    names = data.draw(
        st.lists(st.sampled_from(measures.COLUMNS[4:200]), min_size=1, unique=True), "names"
    )
    names = [n for n in measures.COLUMNS if n in {"frame", "time", *names}]
    values = st.none() | st.floats(-1000, 1000).map(lambda value: round(value, 4))
    count = data.draw(st.integers(1, 4), "rows")
    block: blocks.Block = {}
    for name in names:
        drawn = data.draw(st.lists(values, min_size=count, max_size=count), name)
        numbers = np.array([np.nan if value is None else value for value in drawn])
        block[name] = np.round(numbers) if name in measures.WHOLE else numbers
        if name in measures.TEXTS:
            block[name] = np.array(["fear" if value else "anger" for value in drawn], object)
    for suffix in measures.FORMATS:
        path = tmp_path_factory.getbasetemp() / f"measures.{suffix}"
        assert measures.write(path, names, [block]) == count
        back = whole(path)
        assert list(back) == names
        for name in names:
            if name in measures.TEXTS:
                assert back[name].tolist() == block[name].tolist()
            else:
                np.testing.assert_allclose(back[name], block[name], rtol=1e-6, atol=1e-6)


def test_long_tables_are_read_in_blocks(tmp_path):
    header = [name for name in OPENFACE if name.startswith("AU") or name in OPENFACE[:5]]
    path = write(tmp_path / "a.csv", header, [{"frame": i + 1} for i in range(blocks.ROWS + 5)])
    opened = open_table(path)
    assert [len(block["frame"]) for block in opened.blocks] == [blocks.ROWS, 5]
    assert read_columns(path, ["frame"])["frame"][-1] == blocks.ROWS + 4


# Broken input


def broken(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "broken.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


HEADER = "frame,timestamp,confidence,success,pose_Rx,pose_Ry,pose_Rz,AU12_r"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty file"),
        ("\n\n", "not a table with a header"),
        (HEADER.replace(",", ";") + "\n1;0;1;1;0;0;0;0\n", "separated by semicolons"),
        (HEADER.replace(",", "\t") + "\n", "separated by tabs"),
        (HEADER + "\n1,0,1,1,0,0\n", "row 2 has 6 fields, the header has 8"),
        (HEADER + "\n1,0,1,1,0,0,0,much\n", "row 2: AU12_r is 'much', not a number"),
        (HEADER + ",AU12_r\n", "two columns are named AU12_r"),
        ("a,b\n1,2\n", "its columns are none that mien, OpenFace"),
        (HEADER.encode("utf-16"), "its text is not UTF-8"),
        (HEADER.encode() + b"\n\xff\xfe", "its text is not UTF-8"),
        (b"PAR1rubbish", "damaged or truncated"),
        ('{"frame": 1}\n', "not a table of faces"),
    ],
)
def test_broken_tables_are_told_in_one_line(tmp_path, capsys, text, reason):
    path = broken(tmp_path, text)
    assert main(["convert", str(path), str(tmp_path / "out.csv")]) == 1
    said = capsys.readouterr().err
    assert reason in said
    assert "broken.csv" in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out.csv").exists()


def test_a_missing_column_is_named(tmp_path):
    path = broken(tmp_path, HEADER.replace("confidence,", "") + "\n")
    with pytest.raises(InputError, match="none that mien"):
        open_table(path)
    with pytest.raises(InputError, match="not those of openface"):
        open_table(path, "openface")
    with pytest.raises(InputError, match="no column AU99"):
        read_columns(broken(tmp_path, HEADER + "\n"), ["AU99"])


def test_marks_blank_lines_and_odd_numbers_are_read(tmp_path):
    lines = "\r\n1,0,1,1,0.1,0.2,0.3,-nan(ind)\r\n\r\n2, 0.04 ,1,1,nan,,inf,5e-1\r\n"
    table = whole(broken(tmp_path, b"\xef\xbb\xbf" + (HEADER + lines).encode()))
    assert table["frame"].tolist() == [0, 1]
    assert table["time"].tolist() == [0, 0.04]
    assert np.isnan(table["AU12"][0]) and table["AU12"][1] == 0.5
    assert np.isnan(table["yaw"][1])


def test_a_header_alone_is_an_empty_table(tmp_path):
    done = convert(broken(tmp_path, HEADER + "\n"), tmp_path / "out.csv")
    assert done.rows == 0
    assert (tmp_path / "out.csv").read_text().startswith("frame,time")
    assert list(open_table(tmp_path / "out.csv").blocks) == []


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["out.txt"], r"\.csv or \.parquet"),
        (["out.parquet", "--columns", "openface"], r"OpenFace's tables are \.csv"),
        (["out.csv", "--source", "x.mp4"], "no column source"),
        (["out.csv", "--fps", "0"], "fps"),
    ],
)
def test_wrong_use_is_told(tmp_path, monkeypatch, capsys, arguments, reason):
    monkeypatch.chdir(tmp_path)
    broken(tmp_path, HEADER + "\n1,0,1,1,0,0,0,0\n")
    assert main(["convert", "broken.csv", *arguments]) == 2
    assert re.search(reason, capsys.readouterr().err)
    assert not list(tmp_path.glob("out.*"))


def test_the_command_says_what_is_lost(tmp_path, capsys):
    path = write(tmp_path / "a.csv", OPENFACE, [openface_line()])
    assert main(["convert", str(path), str(tmp_path / "out.csv")]) == 0
    said = capsys.readouterr().err
    assert "1 row from openface" in said
    assert "eye_lmk_x_*" in said
    assert len(said) < 1000
