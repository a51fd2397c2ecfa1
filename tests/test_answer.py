"""mien analyze --system: a system's own crop of each face, its words in a table and a picture."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT
from PIL import Image

from mien.cli import main
from mien.data import labels
from mien.errors import UsageError
from mien.face import DLIB_68, Pose
from mien.find import geometry
from mien.find.finder import FaceFinder
from mien.media import overlay
from mien.media.image import read_image
from mien.media.rows import open_rows
from mien.systems import load
from mien.systems.answer import Answerer
from mien.systems.perceive.facexformer import FaceXFormer
from mien.train import checkpoint, engine
from mien.train.system import System

ASTRONAUT = ROOT / "docs" / "pictures" / "astronaut.jpg"
NAMES = {"facexformer", "kd-landmarks", "fmae-iat", "facenet"}


@pytest.fixture
def run(tmp_path) -> Callable[[str], Path]:
    """A run of a tiny system as it was before its first step."""

    def make(slug: str) -> Path:
        torch.manual_seed(0)
        system = load(slug).build("tiny")
        folder = tmp_path / f"run-{slug}"
        engine.write_config(folder, system, system.stages(), {})
        checkpoint.save_tensors(system.state_dict(), folder / "model.safetensors")
        return folder

    return make


@pytest.fixture(scope="module")
def face() -> tuple[np.ndarray, np.ndarray]:
    """A photo and the landmarks (478, 3) of its face."""
    image = read_image(ASTRONAUT)
    ((found,),) = FaceFinder.bundled().find([image])
    assert found.landmarks is not None
    return image, found.landmarks


def analyzed(tmp_path: Path, run: Path, slug: str, *more: str) -> Path:
    out = tmp_path / "out"
    call = ["analyze", str(ASTRONAUT), "--out", str(out), "--system", slug, "--run", str(run)]
    assert main([*call, "--quiet", *more]) == 0
    return out


def rows(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.read_text().splitlines()]


# Crops


@pytest.mark.parametrize("slug", sorted(NAMES | {"mien-landmarks"}))
def test_the_face_is_in_the_crop_of_every_system(slug, face):
    _, landmarks = face
    system = load(slug).build("tiny")
    inside = geometry.transform(geometry.invert(system.crop(landmarks)), landmarks)[:, :2]
    share = ((inside > 0) & (inside < system.config.size)).all(1).mean()
    assert share > (0.8 if slug == "kd-landmarks" else 0.99)
    assert np.ptp(inside[:, 1]) > 0.3 * system.config.size


def test_facexformer_sees_a_quarter_more_on_each_side_stretched(face):
    _, landmarks = face
    matrix = FaceXFormer.build("tiny").crop(landmarks)
    low, high = geometry.transform(matrix, np.array([[0, 0], [64, 64]]))
    box = geometry.box_of(landmarks)
    sides = box[2:] - box[:2]
    np.testing.assert_allclose([*low, *high], [*(box[:2] - sides / 4), *(box[2:] + sides / 4)])


# Answers


class Truth(System):
    """Says where the points are that it was told of, to see that they find back."""

    def __init__(self, system: System, landmarks: np.ndarray):
        super().__init__(system.config)
        self.system, self.landmarks = system, landmarks

    def crop(self, landmarks: np.ndarray) -> np.ndarray:
        return self.system.crop(landmarks)

    def predict(self, image: torch.Tensor) -> torch.Tensor:
        matrix = geometry.invert(self.crop(self.landmarks))
        points = geometry.transform(matrix, self.landmarks)[list(DLIB_68), :2]
        return torch.from_numpy(points).repeat(len(image), 1, 1)

    stages = losses = example = inputs = forward = None  # type: ignore[assignment]


def test_points_of_a_crop_find_back_into_the_picture(face, run, monkeypatch):
    image, landmarks = face
    answerer = Answerer("kd-landmarks", run("kd-landmarks"))
    answerer.system = Truth(answerer.system, landmarks)
    (answer,) = answerer(image, [landmarks])
    assert answer.landmarks is not None
    np.testing.assert_allclose(answer.landmarks, landmarks[DLIB_68][:, :2], atol=1e-6)
    assert answer.values["x_30"] == pytest.approx(landmarks[DLIB_68][30, 0])


def test_answers_do_not_depend_on_how_many_faces_there_are(face, run):
    image, landmarks = face
    answerer = Answerer("facexformer", run("facexformer"))
    other = landmarks + np.array([20, 10, 0], np.float32)
    together = answerer(image, [landmarks, other] * 5)
    (alone,) = answerer(image, [other])
    assert len(together) == 10
    for name, value in alone.values.items():
        near = value if isinstance(value, str) else pytest.approx(value, rel=1e-4, abs=1e-3)
        assert together[9].values[name] == near, name
    assert answerer(image, []) == []


@pytest.mark.parametrize(
    ("slug", "columns"),
    [
        ("facexformer", {"x_0", "y_67", "yaw", "age", "gender", "Eyeglasses", "visible_28"}),
        ("kd-landmarks", {"x_0", "y_67"}),
        ("fmae-iat", {"AU01", "AU12"}),
        ("facenet", {"embedding_0", "embedding_15"}),
    ],
)
def test_each_system_writes_its_columns(tmp_path, run, slug, columns):
    out = analyzed(tmp_path, run(slug), slug)
    (row,) = rows(out / f"{slug}.jsonl")
    assert row["source"] == str(ASTRONAUT) and row["face"] == 0
    assert columns <= row.keys()
    assert len(rows(out / "faces.jsonl")) == 1


def test_facexformer_draws_what_it_says(tmp_path, run):
    out = analyzed(tmp_path, run("facexformer"), "facexformer", "--annotate")
    image = read_image(ASTRONAUT)
    drawn = read_image(out / "annotated" / "astronaut.jpg")
    assert drawn.shape == image.shape and not np.array_equal(drawn, image)
    with Image.open(out / "parsing" / "astronaut.png") as mask:
        assert mask.mode == "P" and mask.size == image.shape[1::-1]
        assert 1 <= np.asarray(mask).max() < len(labels.PARSING)


def test_a_photo_without_a_face_has_no_answers(tmp_path, run):
    Image.new("RGB", (64, 64)).save(tmp_path / "grey.png")
    call = ["analyze", str(tmp_path / "grey.png"), "--system", "fmae-iat", "--quiet"]
    out = tmp_path / "out"
    for format in ("jsonl", "csv", "parquet"):
        more = ["--out", str(out), "--run", str(run("fmae-iat")), "--format", format]
        assert main([*call, *more]) == 0
        assert (out / f"fmae-iat.{format}").is_file()


@pytest.mark.parametrize(
    ("more", "code", "reason"),
    [
        (("--system", "facenet"), 1, "facenet has no weights on this machine"),
        (("--system", "mien-landmarks"), 2, "leave --system out"),
        (("--system", "nobody"), 2, "no system is called 'nobody'"),
        (("--weights", "model.pt"), 2, "say which, with --system"),
        (("--system", "facenet", "--run", "nowhere"), 1, "nowhere"),
        (("--system", "facexformer", "--weights", "facenet-casia"), 2, "weights of facenet"),
        (("--system", "facexformer", "--weights", str(ASTRONAUT)), 1, "astronaut.jpg: not a check"),
    ],
)
def test_a_wrong_call_is_one_line(tmp_path, monkeypatch, capsys, more, code, reason):
    monkeypatch.setenv("MIEN_HOME", str(tmp_path / "home"))
    assert main(["analyze", str(ASTRONAUT), "--out", str(tmp_path / "out"), *more]) == code
    error = capsys.readouterr().err
    assert reason in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_device_that_is_missing_is_an_error(run):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(Exception, match="PyTorch sees no CUDA device"):
        Answerer("facenet", run("facenet"), device="cuda")


def test_a_system_that_answers_nothing_is_refused():
    with pytest.raises(UsageError, match="its task, detection, is not"):
        Answerer("mien-detector")


# Pictures and tables


def test_a_mask_lies_where_its_crop_was():
    mask = np.zeros((10, 10), np.uint8)
    mask[2:4, 6:9] = 5
    matrix = np.array([[2.0, 0, 30], [0, 3.0, 40]])  # to x 42..48, y 46..52
    whole = overlay.parsing_of((80, 70, 3), [mask], [matrix])
    expected = np.zeros((80, 70), np.uint8)
    expected[46:52, 42:48] = 5
    assert np.array_equal(whole, expected)
    image = np.full((80, 70, 3), 100, np.uint8)
    tinted = overlay.tinted(image, whole)
    assert np.array_equal((tinted != image).any(-1), whole > 0)
    assert len(overlay.PALETTE) == len(labels.PARSING)


def test_points_and_axes_are_drawn_where_they_are():
    image = np.zeros((100, 100, 3), np.uint8)
    overlay.draw_points(image, np.array([[20.5, 30.5], [70.5, 80.5]]))
    assert image[30, 20].tolist() == [255, 255, 0] and not image[50, 50].any()
    overlay.draw_pose(image, np.array([50.0, 50.0]), Pose(30, 10, 0), 60)
    assert image[50, 50].any()


@pytest.mark.parametrize("format", ["jsonl", "csv", "parquet"])
def test_rows_come_back_as_they_were_written(tmp_path, format, monkeypatch):
    monkeypatch.setattr("mien.media.rows.ROW_GROUP", 2)
    written = [
        {"source": f"ä,{n}.jpg", "track": None, "age": n / 2, "gender": "male"} for n in range(5)
    ]
    file = tmp_path / f"t.{format}"
    with open_rows(file, format) as table:
        for row in written:
            table.write(row)
    if format == "jsonl":
        assert rows(file) == written
    elif format == "csv":
        with open(file, newline="", encoding="utf-8") as stream:
            read = list(csv.DictReader(stream))
        assert [row["source"] for row in read] == [row["source"] for row in written]
        assert [float(row["age"]) for row in read] == [row["age"] for row in written]
        assert read[0]["track"] == ""
    else:
        import pyarrow.parquet as parquet

        assert parquet.read_table(file).to_pylist() == written


def test_an_unknown_table_is_one_line(tmp_path):
    with (
        pytest.raises(UsageError, match="xls: a table is one of"),
        open_rows(tmp_path / "t.xls", "xls"),
    ):
        pass
    assert not list(tmp_path.iterdir())
