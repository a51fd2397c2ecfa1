"""``mien report``: one page, whatever the results; nothing in it runs, loads or breaks."""

import json
import re
from dataclasses import asdict
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from test_pictures import GREY, made_face, readings, talk

from mien.cli import main
from mien.face import OUTPUTS, Face
from mien.jobs.report import page as page_module
from mien.jobs.report import run_report
from mien.jobs.stream import SourceReport
from mien.media import charts
from mien.media.image import write_image
from mien.media.moments import frames_at
from mien.media.table import open_table
from mien.media.video import VideoWriter

HOSTILE = [
    "<script>alert(1)</script>.mp4",
    '"><img src=x onerror=alert(1)>.mp4',
    "</style></svg><b>&amp;.mp4",
    "talk\x1b[2J\n\u202e4pm.mp4",
    "\udcff.mp4",
    "javascript:alert(1)",
    "人 ☺.mp4",
]
READ = ("expression", "action_units", "emotion", "affect", "gaze", "quality")
VOID = {"meta", "img", "br"}


class Parsed(HTMLParser):
    """A page's tags, attributes and texts; a page whose tags do not match is refused."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(markup)
        assert not self._open

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data) -> None:
        self.texts.append(data)

    @property
    def said(self) -> str:
        return " ".join(self.texts)


def write_results(
    folder: Path, sources: dict[str, list[Face]], format: str = "jsonl", outputs=READ
) -> Path:
    """Results as ``mien analyze`` leaves them."""
    folder.mkdir(exist_ok=True)
    lines = []
    with open_table(folder / f"faces.{format}", format, outputs) as table:
        for name, faces in sources.items():
            for face in faces:
                face.source = name
                table.write(face)
            frames = max((face.frame for face in faces), default=0) + 1
            duration = 0.0 if frames == 1 else frames / 25
            lines.append(asdict(SourceReport(name, frames, duration, len(faces), None)))
    (folder / "sources.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def clip_of(frames: int) -> list[Face]:
    times, faces = talk(frames)
    for index, face in enumerate(faces):
        face.frame, face.time = index, float(times[index])
    return faces


def photo_of(**values) -> list[Face]:
    return [made_face(track=None, read=readings(**values))]


def report_on(folder: Path) -> Parsed:
    return Parsed(run_report(folder).read_text(encoding="utf-8"))


def annotate(folder: Path, name: str, frames: int, size=(480, 640)) -> None:
    (folder / "annotated").mkdir(exist_ok=True)
    with VideoWriter(folder / "annotated" / name, 25.0) as video:
        for index in range(frames):
            video.write(np.full((*size, 3), index % 256, np.uint8))


def safe(page: Parsed) -> None:
    """Nothing runs and nothing is asked for from anywhere."""
    assert not {"script", "iframe", "object", "link", "form", "a"} & set(page.tags)
    for name, value in page.attributes:
        assert not name.startswith("on"), "event handlers"
        if name in ("src", "href", "srcset", "data", "action", "xlink:href"):
            assert value.startswith("data:image/")
        assert name == "xmlns" or "url(" not in value
    assert "default-src 'none'" in dict(page.attributes)["content"] or any(
        "default-src 'none'" in value for _, value in page.attributes
    )


@pytest.mark.parametrize("format", ["jsonl", "csv", "parquet"])
def test_a_clip_is_told_in_numbers_charts_and_events(tmp_path, format):
    folder = write_results(tmp_path / "out", {"talk.mp4": clip_of(300)}, format)
    page = report_on(folder)
    safe(page)
    said = page.said
    assert "talk.mp4" in said and "looks happiness 72 %" in said
    assert "6 blinks, 30 per minute" in said and "1 smile" in said
    assert "7 events" in said and "2.44" in said  # smile: from frame 61 on
    assert "eyeBlinkLeft" in said and "action units, intensity 0 to 5" in said
    assert "how a face" in said and "No decision about a person" in said
    assert "svg" in page.tags and "image" in page.tags


def test_the_page_is_the_same_each_time(tmp_path):
    folder = write_results(tmp_path / "out", {"a.mp4": clip_of(60), "b.jpg": photo_of()})
    assert run_report(folder).read_bytes() == run_report(folder).read_bytes()


def test_moments_are_pictures_of_these_moments(tmp_path):
    folder = write_results(tmp_path / "out", {"talk.mp4": clip_of(120)})
    annotate(folder, "talk.mp4", 120)
    page = report_on(folder)
    safe(page)
    assert "strongest smile" in page.said and "blink 2 of 3" in page.said
    assert "--annotate" not in page.said
    pictures = [value for name, value in page.attributes if value.startswith("data:image/jpeg")]
    assert len(pictures) == 4 and max(map(len, pictures)) < 40_000
    without = report_on(write_results(tmp_path / "none", {"talk.mp4": clip_of(120)}))
    assert "img" not in without.tags and "--annotate" in without.said


def test_frames_are_found_anywhere_in_a_video(tmp_path):
    annotate(tmp_path, "long.mp4", 400, (32, 32))
    wanted = [0.0, 0.04, 3.96, 15.8, 99.0]
    found = dict(frames_at(tmp_path / "annotated" / "long.mp4", wanted))
    assert list(found) == wanted[:4], "nothing after the end"
    for second, image in found.items():
        assert abs(float(image.mean()) - round(second * 25) % 256) < 4


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("format", ["jsonl", "parquet"])
def test_any_name_is_only_a_name(tmp_path, name, format):
    folder = write_results(tmp_path / "out", {name: clip_of(3), name + ".jpg": photo_of()}, format)
    with (folder / "sources.jsonl").open("a") as file:
        file.write(json.dumps(asdict(SourceReport("x", 0, None, 0, f"{name}: damaged"))) + "\n")
    page = report_on(folder)
    safe(page)
    assert "\x1b" not in page.said and "\u202e" not in page.said
    if name.isprintable():
        assert name in page.said and f"{name}: damaged" in page.said


def test_a_name_that_is_no_text_is_only_a_name(tmp_path):
    folder = write_results(tmp_path / "out", {"x": photo_of()})
    for name in ("faces.jsonl", "sources.jsonl"):
        lines = (folder / name).read_text().replace('"x"', r'"\ud800\u0000"')
        (folder / name).write_text(lines)
    page = report_on(folder)
    safe(page)
    assert "1 input ·" in page.said


def test_a_hostile_folder_name_is_only_a_name(tmp_path):
    folder = write_results(tmp_path / "<script>alert(1)<", {"a.jpg": photo_of()})
    page = report_on(folder)
    safe(page)
    assert "<script>alert(1)<" in page.said


def test_photos_are_cards_with_their_faces(tmp_path):
    units = np.zeros(23)
    units[4] = 3.3
    folder = write_results(tmp_path / "out", {"me.jpg": photo_of(action_units=units)})
    (folder / "annotated").mkdir()
    write_image(folder / "annotated" / "me.jpg", GREY)
    page = report_on(folder)
    assert "looks happiness, 72 %" in page.said and "6 cheek raiser 3.3" in page.said
    assert page.tags.count("img") == 1


def test_inputs_of_one_name_have_their_own_pictures(tmp_path):
    sources = {"a/me.jpg": photo_of(), "b/me.jpg": photo_of()}
    folder = write_results(tmp_path / "out", sources)
    (folder / "annotated").mkdir()
    for name, grey in (("me.jpg", 40), ("me-2.jpg", 200)):
        write_image(folder / "annotated" / name, np.full((480, 640, 3), grey, np.uint8))
    pictures = [v for n, v in report_on(folder).attributes if n == "src"]
    assert len(set(pictures)) == 2


def test_big_folders_make_small_pages(tmp_path, monkeypatch):
    monkeypatch.setattr(page_module, "ROWS", 30)
    monkeypatch.setattr(page_module, "PHOTOS", 10)
    monkeypatch.setattr(page_module, "CLIPS", 2)
    monkeypatch.setattr(page_module, "THUMBNAILS", 5)
    sources = {f"{index}.jpg": photo_of() for index in range(60)}
    sources |= {f"{index}.mp4": clip_of(4) for index in range(5)}
    folder = write_results(tmp_path / "out", sources)
    (folder / "annotated").mkdir()
    for index in range(60):
        write_image(folder / "annotated" / f"{index}.jpg", GREY)
    page = report_on(folder)
    said = page.said
    assert "65 inputs" in said
    assert "50 further photos" in said and "3 further videos" in said and "35 further" in said
    assert page.tags.count("img") == 5 and page.tags.count("svg") == 2


def test_old_tables_and_inputs_without_a_face(tmp_path):
    faces = clip_of(30)
    for face in faces:
        face.readings = None
    folder = write_results(tmp_path / "out", {"old.mp4": faces, "empty.jpg": []}, outputs=())
    said = report_on(folder).said
    assert "landmarks and pose only" in said and "head, degrees" in said and "empty.jpg" in said
    assert "looks" not in re.sub("looks mostly|how a face looks", "", said.split("What this")[0])


def test_no_face_at_all_is_said(tmp_path):
    folder = write_results(tmp_path / "out", {"wall.jpg": []})
    said = report_on(folder).said
    assert "No face was found." in said and "wall.jpg" in said
    (folder / "sources.jsonl").unlink()
    assert "No face was found." in report_on(folder).said


def test_a_table_alone_is_enough(tmp_path):
    folder = write_results(tmp_path / "out", {"talk.mp4": clip_of(100)}, "csv")
    (folder / "sources.jsonl").unlink()
    assert "2 blinks" in report_on(folder).said


def test_without_a_table_inputs_are_told(tmp_path):
    folder = write_results(tmp_path / "out", {"talk.mp4": clip_of(3)})
    (folder / "faces.jsonl").unlink()
    said = report_on(folder).said
    assert "no table of faces" in said and "talk.mp4" in said and "--annotate" not in said


def test_an_event_ends_where_a_face_is_missed(tmp_path):
    faces = clip_of(200)
    for face in faces:
        assert face.readings is not None and face.readings.expression is not None
        face.readings.expression[list(charts.SMILE)] = 0.8
    folder = write_results(tmp_path / "out", {"talk.mp4": faces[10:80] + faces[120:]})
    said = report_on(folder).said
    assert "2 smiles" in said and said.count("cut off") == 2


def test_unsure_readings_are_gaps(tmp_path):
    faces = clip_of(60)
    nothing = dict.fromkeys(("expression", "action_units", "emotion", "valence", "gaze"))
    for face in faces[20:40]:
        face.readings = readings(**nothing, arousal=None)
    folder = write_results(tmp_path / "out", {"talk.mp4": faces})
    said = report_on(folder).said
    assert "seen in 60 frames" in said
    assert re.search(r"happiness\s+40\s+0.72", said), "40 frames have an emotion"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'{"source": ', "faces.jsonl"),
        (b"[[1]]\n", "faces.jsonl"),
        (b"source,frame\nx,1\n", "faces.jsonl"),
        (b"\x00\xff\xfe", "faces.jsonl"),
        (b"PAR1 but no more", "faces.jsonl"),
        (b'{"source":' + b"[" * 20_000, "faces.jsonl"),
    ],
)
def test_a_broken_table_is_one_clear_line(tmp_path, capsys, content, why):
    folder = write_results(tmp_path / "out", {"talk.mp4": clip_of(3)})
    (folder / "faces.jsonl").write_bytes(content)
    assert main(["report", str(folder)]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and why in error and "unexpected" not in error
    assert not (folder / "report.html").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"track": "x"},
        {"source": 7},
        {"time": 1e300},
        {"time": -1},
        {"box": [1, 2]},
        {"eyeBlinkLeft": "much"},
        {"valence": [1]},
        {"landmarks": [[0]]},
        {"pose": 3},
    ],
)
def test_rows_that_make_no_sense_are_one_clear_line(tmp_path, capsys, change):
    folder = write_results(tmp_path / "out", {"talk.mp4": clip_of(2)})
    lines = (folder / "faces.jsonl").read_text().splitlines()
    lines[1] = json.dumps({**json.loads(lines[1]), **change})
    (folder / "faces.jsonl").write_text("\n".join(lines))
    assert main(["report", str(folder)]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "faces.jsonl" in error and "unexpected" not in error


def test_numbers_without_measure_do_no_harm(tmp_path, recwarn):
    folder = write_results(tmp_path / "out", {"talk.mp4": clip_of(20)})
    lines = (folder / "faces.jsonl").read_text().splitlines()
    odd = {"yaw": 0, "AU12": 1e30, "happiness": -5.0, "jawOpen": 1e30, "valence": 1e20}
    row = {**json.loads(lines[5]), **odd, "pose": {"yaw": 1e308, "pitch": 0, "roll": 0}}
    row["box"] = [1e308, -1e308, 1e308, 3]
    lines[5] = json.dumps(row)
    lines[7] = lines[6]  # twice the same time
    lines.insert(0, lines.pop())  # and not in order
    (folder / "faces.jsonl").write_text("\n".join(lines))
    annotate(folder, "talk.mp4", 20)
    markup = run_report(folder).read_text()
    assert "NaN" not in markup and ">nan<" not in markup and "inf " not in markup
    assert not [str(warning.message) for warning in recwarn]


@pytest.mark.parametrize("line", ["{", "[]", '{"source": 1}', '{"a": 1}', "null"])
def test_a_broken_list_of_inputs_is_one_clear_line(tmp_path, capsys, line):
    folder = write_results(tmp_path / "out", {"talk.mp4": clip_of(2)})
    (folder / "sources.jsonl").write_text(line + "\n")
    assert main(["report", str(folder)]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "sources.jsonl" in error


def test_damaged_pictures_cost_only_themselves(tmp_path):
    folder = write_results(tmp_path / "out", {"talk.mp4": clip_of(60), "me.jpg": photo_of()})
    (folder / "annotated").mkdir()
    (folder / "annotated" / "talk.mp4").write_bytes(b"not a video" * 100)
    (folder / "annotated" / "me.jpg").write_bytes(b"not a photo")
    page = report_on(folder)
    assert "img" not in page.tags and "blink" in page.said


def test_wrong_use_says_what_is_wrong(tmp_path, capsys):
    folder = write_results(tmp_path / "out", {"talk.mp4": clip_of(2)})
    write_results(folder, {"talk.mp4": clip_of(2)}, "csv")
    cases = [
        ([str(folder)], 2, "faces.csv and faces.jsonl"),
        ([str(folder / "faces.csv"), "--out", str(tmp_path / "page.txt")], 2, ".html"),
        ([str(tmp_path / "nothing")], 1, "no such folder"),
        ([str(tmp_path)], 1, "no results"),
        ([str(folder / "faces.csv"), "--out", str(tmp_path / "no" / "p.html")], 1, "No such"),
    ]
    for arguments, code, why in cases:
        assert main(["report", *arguments]) == code
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and why in error
    assert main(["report", str(folder / "faces.csv"), "--out", str(tmp_path / "p.html")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "p.html")
    assert (tmp_path / "p.html").is_file()


def test_the_names_of_columns_are_those_of_the_table():
    from mien.jobs.report.read import COLUMNS

    assert {name: len(columns) for name, columns in COLUMNS.items()} == charts.WIDTHS
    for part, output in (("curves", "expression"), ("units", "action_units"), ("affect", "affect")):
        assert COLUMNS[part] == OUTPUTS[output]
