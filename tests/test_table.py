"""Tables of faces: what is written is what is read, in every format."""

import csv
import json
import time

import numpy as np
import pyarrow.parquet as parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import mien
from mien.errors import InputError, MienError, UsageError
from mien.face import LANDMARKS, Face, Pose
from mien.media import table as tables
from mien.media.table import COLUMNS, open_table, read_table

FORMATS = ["parquet", "csv", "jsonl"]


def face(index: int = 0, **changes) -> Face:
    rng = np.random.default_rng(index)
    values = {
        "box": rng.uniform(0, 900, 4),
        "score": rng.uniform(),
        "landmarks": rng.uniform(-50, 900, (LANDMARKS, 3)),
        "pose": Pose(*rng.uniform(-90, 90, 3)),
        "track": index % 3,
        "frame": index,
        "time": index / 30,
        "source": "clip.mp4",
    }
    return Face(**{**values, **changes})


def write(path, faces, format=None) -> None:
    with open_table(path, format or path.suffix[1:]) as table:
        for each in faces:
            table.write(each)


def rows(path) -> list[dict]:
    return [each.row() for each in read_table(path)]


numbers = st.floats(-10_000, 10_000, width=32)
faces = st.builds(
    Face,
    box=arrays(np.float64, 4, elements=numbers),
    score=st.floats(0, 1),
    landmarks=st.none() | arrays(np.float32, (LANDMARKS, 3), elements=numbers, fill=numbers),
    pose=st.none() | st.builds(Pose, *[st.floats(-180, 180)] * 3),
    track=st.none() | st.integers(0, 10_000),
    frame=st.integers(0, 2**40),
    time=st.floats(0, 1e6),
    source=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
)


@pytest.mark.parametrize("format", FORMATS)
@given(st.lists(faces, max_size=3))
@settings(max_examples=10, deadline=None)
def test_every_format_gives_the_rows_back(tmp_path_factory, format, some):
    path = tmp_path_factory.getbasetemp() / f"round.{format}"
    write(path, some)
    expected = [each.row() for each in some]
    if format == "parquet":  # single precision: the third decimal of large numbers may differ
        for got, row in zip(rows(path), expected, strict=True):
            np.testing.assert_allclose(got.pop("box"), row.pop("box"), atol=0.0101)
            if row["landmarks"] is not None:
                np.testing.assert_allclose(got.pop("landmarks"), row.pop("landmarks"), atol=0.0101)
            assert got == row
    else:
        assert rows(path) == expected


@pytest.mark.parametrize("format", FORMATS)
def test_formats_agree_at_the_size_of_images(tmp_path, format):
    some = [face(i) for i in range(20)]
    some += [face(20, landmarks=None), face(21, pose=None), face(22, track=None)]
    write(tmp_path / f"faces.{format}", some)
    assert rows(tmp_path / f"faces.{format}") == [each.row() for each in some]


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_faces_are_the_same_bytes(tmp_path, format):
    for name in ("one", "two"):
        write(tmp_path / f"{name}.{format}", [face(i) for i in range(5)])
    one, two = (tmp_path / f"{name}.{format}" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize("format", FORMATS)
def test_no_faces_are_an_empty_table(tmp_path, format):
    write(tmp_path / f"none.{format}", [])
    assert rows(tmp_path / f"none.{format}") == []


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    "source",
    ['a,"b".jpg', "line\nbreak.jpg", "müde 😀.jpg", "C:\\x.jpg", '{"landmarks":null}', " "],
)
def test_odd_names_survive(tmp_path, format, source):
    write(tmp_path / f"odd.{format}", [face(source=source)] * 2)
    assert [row["source"] for row in rows(tmp_path / f"odd.{format}")] == [source] * 2


@pytest.mark.parametrize("format", FORMATS)
def test_a_name_that_is_not_utf8_does_not_stop_the_table(tmp_path, format):
    source = b"caf\xe9.jpg".decode(errors="surrogateescape")
    write(tmp_path / f"odd.{format}", [face(source=source)])
    (row,) = rows(tmp_path / f"odd.{format}")
    assert row["source"] in (source, "caf\ufffd.jpg")


def test_jsonl_is_one_compact_row_per_line(tmp_path):
    some = [face(0), face(1, landmarks=None, pose=None, track=None)]
    write(tmp_path / "faces.jsonl", some)
    lines = (tmp_path / "faces.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [each.row() for each in some]
    assert list(json.loads(lines[0])) == list(some[0].row())
    assert " " not in lines[0]


def test_a_number_that_json_has_not_is_refused(tmp_path):
    with pytest.raises(ValueError):
        write(tmp_path / "faces.jsonl", [face(score=float("nan"))])
    assert list(tmp_path.iterdir()) == []


def test_csv_columns_are_named(tmp_path):
    write(tmp_path / "faces.csv", [face(3), face(4, landmarks=None, pose=None, track=None)])
    with (tmp_path / "faces.csv").open(newline="") as file:
        first, second = csv.DictReader(file)
    assert list(first) == list(COLUMNS)
    assert len(COLUMNS) == 12 + 3 * LANDMARKS
    row = face(3).row()
    assert [float(first[f"{axis}_477"]) for axis in "xyz"] == row["landmarks"][477]
    assert [float(first[f"box_{end}"]) for end in ("x0", "y0", "x1", "y1")] == row["box"]
    assert float(first["pitch"]) == row["pose"]["pitch"] and first["frame"] == "3"
    assert second["x_0"] == second["yaw"] == second["track"] == ""


def test_parquet_says_what_its_columns_are(tmp_path):
    write(tmp_path / "faces.parquet", [face(), face(landmarks=None)])
    schema = parquet.read_schema(tmp_path / "faces.parquet")
    assert tuple(schema.names) == COLUMNS
    assert str(schema.field("x_0").type) == "float" and str(schema.field("time").type) == "double"
    metadata = {key.decode(): value.decode() for key, value in schema.metadata.items()}
    assert metadata["mien_version"] == mien.__version__
    assert "degrees" in metadata["units"] and "pixels" in metadata["units"]
    assert "y down" in metadata["axes"] and "yaw > 0" in metadata["axes"]
    column = parquet.read_table(tmp_path / "faces.parquet", columns=["x_0"])["x_0"]
    assert column.null_count == 1  # not NaN


def test_a_long_parquet_table_is_written_in_groups(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "ROW_GROUP", 4)
    some = [face(i) for i in range(10)]
    write(tmp_path / "faces.parquet", some)
    assert parquet.ParquetFile(tmp_path / "faces.parquet").num_row_groups == 3
    assert rows(tmp_path / "faces.parquet") == [each.row() for each in some]


@pytest.mark.parametrize("format", FORMATS)
def test_an_error_leaves_nothing(tmp_path, format):
    path = tmp_path / f"faces.{format}"
    path.write_text("old")
    with pytest.raises(RuntimeError), open_table(path, format) as table:
        table.write(face())
        raise RuntimeError
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
    with pytest.raises(MienError, match="gone"):
        write(tmp_path / "gone" / f"faces.{format}", [face()])


def test_the_content_tells_the_format(tmp_path):
    write(tmp_path / "faces.txt", [face()], format="parquet")
    assert rows(tmp_path / "faces.txt") == [face().row()]


def test_other_formats_are_refused(tmp_path):
    with pytest.raises(UsageError, match="xlsx"), open_table(tmp_path / "t.xlsx", "xlsx"):
        pass


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("text.csv", b"hello\nworld\n"),
        ("cut.csv", ",".join(COLUMNS).encode() + b"\na.jpg,0,0.0,,1\n"),
        ("other.jsonl", b'{"a": 1}\n'),
        ("cut.jsonl", b'{"source":"a.jpg","fra'),
        ("list.jsonl", b"[1, 2]\n"),
        ("cut.parquet", b"PAR1" + bytes(50)),
        ("binary.csv", bytes(range(256))),
    ],
)
def test_files_that_are_no_tables_give_one_clear_line(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        rows(tmp_path / name)
    assert str(caught.value).startswith(f"{tmp_path / name}: not a table of faces")
    assert "\n" not in str(caught.value)


def test_another_parquet_file_is_refused(tmp_path):
    import pyarrow

    parquet.write_table(pyarrow.table({"a": [1]}), tmp_path / "other.parquet")
    with pytest.raises(InputError, match=r"other\.parquet: not a table"):
        rows(tmp_path / "other.parquet")


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(InputError, match=r"gone\.csv: No such file"):
        rows(tmp_path / "gone.csv")


@pytest.mark.parametrize("format", FORMATS)
def test_a_row_costs_little_of_a_frames_time(tmp_path, format):
    """0.5 ms on an idle machine; the bound is for a slow and busy one."""
    some = [face(i) for i in range(50)]
    with open_table(tmp_path / "faces", format) as table:
        table.write(some[0])
        start = time.process_time()
        for each in some:
            table.write(each)
        spent = time.process_time() - start
    assert spent / len(some) < 0.005
