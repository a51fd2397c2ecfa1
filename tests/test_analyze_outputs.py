"""mien analyze reads in the faces: tables, events, parsing, OpenFace's names, ready-made crops."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as parquet
import pytest
from base_network import bundle, unbundle, untrained
from conftest import ROOT
from PIL import Image

import mien
from mien.cli import main
from mien.errors import MienError, UsageError
from mien.face import BLENDSHAPES, EMOTIONS, GENDERS, OUTPUTS, Face, Pose, Readings
from mien.find import perception
from mien.head.model import CELEBAMASK
from mien.jobs.analyze import run_analyze
from mien.jobs.events import ENOUGH, open_events
from mien.media.foreign import open_table as open_foreign
from mien.media.foreign import read_columns
from mien.media.image import write_image
from mien.media.table import COLUMNS, columns_of, open_table, read_table
from mien.media.video import VideoWriter

ASTRONAUT = str(ROOT / "docs" / "pictures" / "astronaut.jpg")


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("network") / "mien-base.onnx"
    untrained(path)
    return path


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch) -> None:
    """Threads of networks as small as these mostly wait for each other."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})


@pytest.fixture
def bundled(network, tmp_path, monkeypatch) -> None:
    bundle(network, tmp_path / "hub", monkeypatch)


@pytest.fixture
def clip(tmp_path, astronaut) -> str:
    path = tmp_path / "clip.mp4"
    with VideoWriter(path, 25) as writer:
        for shift in range(4):
            writer.write(astronaut[20:212, 130 + shift : 322 + shift])
    return str(path)


def run(inputs, out: Path, **options) -> list[dict]:
    settings: dict[str, Any] = {"quiet": True, "figure": False} | options
    assert run_analyze(inputs, out, **settings) == 0
    table = out / "faces.jsonl"
    return [json.loads(line) for line in table.read_text().splitlines()] if table.exists() else []


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_everything_but_attributes_and_long_ones_is_read(tmp_path, bundled):
    (row,) = run([ASTRONAUT], tmp_path / "out")
    own = ["source", "frame", "time", "track", "score", "box", "landmarks", "pose"]
    assert list(row) == own + list(columns_of(perception.USUAL))
    assert row["emotion"] in EMOTIONS and 0 <= row["jawOpen"] <= 1 and 0 <= row["AU12"] <= 5
    assert not {"apparent_age", "visible_0", "embedding_0", "confidence_parsing"} & set(row)
    (face,) = mien.analyze(ASTRONAUT)
    assert json.loads(json.dumps(face.row())) == row


def test_attributes_are_apparent_and_asked_for(tmp_path, bundled):
    (row,) = run([ASTRONAUT], tmp_path / "out", outputs=["quality"], attributes=True)
    read = [name for name in row if name not in ("box", "pose", "landmarks", *COLUMNS)]
    assert read == list(columns_of(["quality", "age", "gender", "group"]))
    assert row["apparent_gender"] in GENDERS and row["apparent_age"] is not None


def test_all_formats_hold_the_same_readings(tmp_path, bundled, clip):
    outputs = [*perception.USUAL, "age", "embedding", "visible"]
    wanted: list[Any] = list(mien.analyze([ASTRONAUT, clip], outputs=outputs))
    assert len(wanted) == 5
    for format in ("csv", "parquet", "jsonl"):
        with open_table(tmp_path / f"faces.{format}", format, outputs) as table:
            for face in wanted:
                table.write(face)
        read: list[Any] = list(read_table(tmp_path / f"faces.{format}"))
        for one, two in zip(read, wanted, strict=True):
            assert one.readings.outputs() == two.readings.outputs() != []
            for name in ("expression", "action_units", "emotion", "traits", "visible", "embedding"):
                np.testing.assert_allclose(
                    getattr(one.readings, name), getattr(two.readings, name), atol=6e-4
                )
            assert one.readings.confidence == pytest.approx(two.readings.confidence, abs=1e-4)


@pytest.mark.parametrize("format", ["csv", "parquet", "jsonl"])
def test_what_is_not_known_is_null_in_every_format(tmp_path, format):
    unsure = Face(box=np.zeros(4), score=1, readings=Readings(confidence={"gaze": 0.1}))
    eyes = np.array([[np.nan, np.nan], [3.0, 4.0]])
    known = Readings(gaze=eyes, confidence={"gaze": 0.9})
    faces = [unsure, Face(box=np.zeros(4), score=1, pose=Pose(0, 0, 0), readings=known)]
    faces += [Face(box=np.zeros(4), score=1)]
    path = tmp_path / f"faces.{format}"
    with open_table(path, format, ["gaze"]) as table:
        for face in faces:
            table.write(face)
    read: list[Any] = list(read_table(path))
    first, second, third = read
    assert first.readings.gaze is None and first.readings.confidence == {"gaze": pytest.approx(0.1)}
    np.testing.assert_array_equal(second.readings.gaze, eyes)
    assert third.readings is None
    if format == "parquet":
        column = parquet.read_table(path)["left_eye_yaw"]
        assert column.null_count == 3, "null, not NaN"
    if format == "csv":
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert rows[0]["gaze_yaw"] == rows[1]["left_eye_yaw"] == "" and rows[1]["gaze_yaw"] == "3.0"


def test_convert_reads_what_analyze_wrote(tmp_path, bundled):
    for format in ("csv", "jsonl"):
        run_analyze([ASTRONAUT], tmp_path, format=format, figure=False, quiet=True)
        opened = open_foreign(tmp_path / f"faces.{format}")
        assert set(opened.columns) == {*COLUMNS, *columns_of(perception.USUAL)}
        assert opened.left_out == []
    one, two = (
        read_columns(tmp_path / f"faces.{format}", ["emotion", "AU12", "gaze_yaw", "smile"])
        for format in ("csv", "jsonl")
    )
    assert one["emotion"][0] == two["emotion"][0]
    assert one["AU12"] == pytest.approx(two["AU12"], nan_ok=True)


def test_openface_has_a_table_for_each_input(tmp_path, bundled, clip, astronaut):
    (tmp_path / "other").mkdir()
    write_image(tmp_path / "other" / "clip.png", np.zeros((60, 60, 3), np.uint8))
    out = tmp_path / "out"
    run([ASTRONAUT, clip, str(tmp_path / "other" / "clip.png")], out, columns="openface")
    assert [name for name in files_in(out) if name.endswith(".csv")] == [
        "openface/astronaut.csv",
        "openface/clip-2.csv",
        "openface/clip.csv",
    ]
    assert not (out / "faces.jsonl").exists()
    with (out / "openface" / "clip.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["frame"] for row in rows] == [str(i + 1) for i in range(4)]
    assert list(rows[0])[:5] == ["frame", "face_id", "timestamp", "confidence", "success"]
    assert {"gaze_angle_x", "pose_Rx", "x_0", "y_67", "AU12_r", "AU12_c", "AU28_c"} <= set(rows[0])
    faces: list[Any] = list(mien.analyze(clip))
    for row, face in zip(rows, faces, strict=True):
        units = dict(zip(OUTPUTS["action_units"], face.readings.action_units, strict=True))
        assert float(row["AU12_r"]) == pytest.approx(units["AU12"], abs=1e-3)
        assert row["AU12_c"] == str(int(round(float(units["AU12"]), 3) >= 1))
        if row["gaze_angle_x"]:
            yaw = face.readings.row(face.pose)["gaze_yaw"]
            assert float(row["gaze_angle_x"]) == pytest.approx(np.radians(yaw), abs=1e-3)
    assert len((out / "openface" / "clip-2.csv").read_text().splitlines()) == 1


def test_parsing_of_photos_is_a_picture(tmp_path, bundled, clip):
    out = tmp_path / "out"
    (row, *_) = run([ASTRONAUT, clip], out, outputs=["parsing"])
    assert list(row)[-1] == "confidence_parsing"
    assert files_in(out / "parsing") == ["astronaut.png"]
    with Image.open(out / "parsing" / "astronaut.png") as picture:
        classes = np.asarray(picture)
    assert classes.shape == (512, 512) and 0 < classes.max() < len(CELEBAMASK)
    x0, y0, x1, y1 = (round(edge) for edge in row["box"])
    inside = classes[y0:y1, x0:x1] > 0
    assert inside.mean() > 2 * (classes > 0).mean()


def test_the_batch_changes_no_reading(tmp_path, bundled, astronaut):
    head = astronaut[20:212, 130:322]
    write_image(tmp_path / "two.png", np.hstack([head, head[:, ::-1]]))
    inputs = [ASTRONAUT, str(tmp_path / "two.png")]
    options: dict[str, Any] = {"outputs": [*perception.USUAL, "embedding"]}
    usual = run(inputs, tmp_path / "usual", **options)
    assert len(usual) == 3
    assert run(inputs, tmp_path / "other", batch=1, **options) == usual


def test_python_smooths_readings_as_it_does_landmarks(bundled, clip):
    def jitter(smooth: bool) -> float:
        faces: Any = mien.analyze(clip, smooth=smooth, outputs=["expression"], max_faces=1)
        return float(np.abs(np.diff([f.readings.expression for f in faces], axis=0)).mean())

    assert jitter(True) < 0.8 * jitter(False)


def test_ready_made_crops_are_not_searched(tmp_path, bundled, astronaut):
    crop = astronaut[70:180, 170:280]
    write_image(tmp_path / "crop.png", crop)
    (row,) = run([str(tmp_path / "crop.png")], tmp_path / "out", aligned=True)
    middle = np.mean(row["landmarks"], axis=0)[:2]
    assert np.abs(middle - 55).max() < 15 and row["emotion"] is not None


def test_without_the_network_it_is_as_before(tmp_path, monkeypatch, capsys):
    unbundle(tmp_path / "hub", monkeypatch)
    (row,) = run([ASTRONAUT], tmp_path / "out")
    assert list(row)[-1] == "pose"
    assert files_in(tmp_path / "out") == ["faces.jsonl", "sources.jsonl"]
    with pytest.raises(MienError, match="gaze, age: read by mien-base, which this version"):
        run([ASTRONAUT], tmp_path / "none", outputs=["gaze", "embedding", "age"])
    assert not (tmp_path / "none").exists()
    assert main(["analyze", ASTRONAUT, "--out", str(tmp_path / "none"), "--attributes"]) != 0
    said = capsys.readouterr().err.strip()
    assert "\n" not in said and "age, gender, group: read by mien-base" in said
    (row,) = run([ASTRONAUT], tmp_path / "who", outputs=["embedding"])
    assert np.linalg.norm([row[f"embedding_{i}"] for i in range(128)]) == pytest.approx(1, abs=1e-4)


def test_the_command_takes_names_with_commas(tmp_path, bundled, capsys):
    out = str(tmp_path / "out")
    assert main(["analyze", ASTRONAUT, "--out", out, "--outputs", "quality, gaze"]) == 0
    face: Any = next(read_table(tmp_path / "out" / "faces.jsonl"))
    assert face.readings.outputs() == ["gaze", "quality"]
    assert main(["analyze", ASTRONAUT, "--out", out, "--outputs", "none"]) == 0
    (face,) = read_table(tmp_path / "out" / "faces.jsonl")
    assert face.readings is None
    capsys.readouterr()
    assert main(["analyze", ASTRONAUT, "--out", out, "--outputs", "smiles"]) == 2
    assert "'smiles' is no output" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [{"outputs": ["smiles"]}, {"columns": "fex"}])
def test_wrong_use_is_told_before_any_work(tmp_path, bundled, wrong):
    with pytest.raises(UsageError):
        run_analyze([ASTRONAUT], tmp_path / "out", **wrong)
    assert not (tmp_path / "out").exists()


# Events


class Video:
    """A reading of a video, as far as events want to know."""

    name, is_video = "talk.mp4", True


def blinking(time: float, at: list[float]) -> Readings:
    """Eyes that close for a fifth of a second from these times on."""
    curves = np.zeros(len(BLENDSHAPES))
    closed = any(start <= time < start + 0.2 for start in at)
    curves[[BLENDSHAPES.index("eyeBlinkLeft"), BLENDSHAPES.index("eyeBlinkRight")]] = closed
    return Readings(expression=curves, confidence={"expression": 0.9})


def events(tmp_path: Path, frames: int, at: list[float], missing: range = range(0)) -> list[dict]:
    video: Any = Video()
    with open_events(tmp_path, "jsonl", True) as table:
        for index in range(frames):
            time = index / 25
            face = Face(box=np.zeros(4), score=1, track=3, readings=blinking(time, at))
            table.see(video, time, [] if index in missing else [face])
        table.finish(video)
    return [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]


def test_blinks_are_told_wherever_the_table_is_written(tmp_path):
    chunk = ENOUGH / 25
    at = [1.0, 5.0, chunk - 0.1, chunk + 3, 2 * chunk + 0.1, 3 * chunk]
    rows = events(tmp_path, 4 * ENOUGH, at)
    assert [row["event"] for row in rows] == ["blink"] * len(at)
    assert [row["apex"] for row in rows] == pytest.approx(at, abs=0.041)
    assert all(row["whole"] and row["track"] == 3 for row in rows)
    assert all(row["duration"] == pytest.approx(0.2, abs=0.05) for row in rows)
    assert list(rows[0])[:3] == ["source", "track", "event"]


def test_a_face_that_is_away_does_not_blink(tmp_path):
    rows = events(tmp_path, 100, [0.9, 3.0], missing=range(25, 60))
    assert [row["whole"] for row in rows] == [False, True]


def test_photos_have_no_events(tmp_path, bundled, clip):
    run([ASTRONAUT], tmp_path / "photo")
    run([clip], tmp_path / "video")
    run([clip], tmp_path / "few", outputs=["gaze"])
    assert (
        files_in(tmp_path / "photo")
        == files_in(tmp_path / "few")
        == [
            "faces.jsonl",
            "sources.jsonl",
        ]
    )
    assert files_in(tmp_path / "video") == ["events.jsonl", "faces.jsonl", "sources.jsonl"]
