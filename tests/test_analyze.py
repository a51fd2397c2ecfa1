"""mien analyze: what it writes, in which order, the same bytes always, and how it ends."""

import json
import os
import pty
import signal
import sys
import threading
from collections.abc import Iterator
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

import mien
from mien.errors import InputError, MienError, UsageError
from mien.jobs import stream as job
from mien.jobs.analyze import analyze, run_analyze
from mien.jobs.stream import SourceReport
from mien.media.audio import read_audio
from mien.media.image import read_image, write_image
from mien.media.source import Camera, Source
from mien.media.table import read_table
from mien.media.video import Frame, Video, VideoWriter

ASTRONAUT = str(ROOT / "docs" / "pictures" / "astronaut.jpg")
RATE = 25


@pytest.fixture(autouse=True)
def _nothing_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Readings have tests of their own (``test_analyze_outputs``), and take their time."""
    monkeypatch.setattr("mien.jobs.analyze.available", lambda: False)


def portrait(image: np.ndarray, shift: int = 0) -> np.ndarray:
    """The astronaut's head in 192 x 192 pixels, ``shift`` pixels to the left."""
    return image[20:212, 130 + shift : 322 + shift]


def write_clip(path, image: np.ndarray, frames: int = 8, times=None) -> None:
    """A video in which the astronaut moves to the left by a pixel per frame."""
    with VideoWriter(path, RATE) as writer:
        for index in range(frames):
            writer.write(portrait(image, index), None if times is None else times[index])


def write_talkie(path, image: np.ndarray, frames: int = 30, rate: int = 44_100) -> None:
    """A video of the astronaut with a beep from 0.6 seconds on."""
    with av.open(str(path), "w") as container:
        pictures: Any = container.add_stream("libx264", rate=RATE)
        pictures.width, pictures.height, pictures.pix_fmt = 192, 192, "yuv420p"
        sound: Any = container.add_stream("aac", rate=rate)
        sound.layout = "mono"
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(portrait(image)))
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            container.mux(pictures.encode(frame))
            at = np.arange(index * rate // RATE, (index + 1) * rate // RATE)
            wave = 0.8 * np.sin(2 * np.pi * 880 * at / rate) * (at >= 0.6 * rate)
            heard = av.AudioFrame.from_ndarray(wave[None].astype(np.float32), "fltp", "mono")
            heard.sample_rate, heard.pts, heard.time_base = rate, int(at[0]), Fraction(1, rate)
            container.mux(sound.encode(heard))
        container.mux(pictures.encode(None))
        container.mux(sound.encode(None))


def run(inputs, out, **options) -> tuple[list[dict], list[dict]]:
    """The rows of faces.jsonl and of sources.jsonl."""
    settings: dict[str, Any] = {"quiet": True, "figure": False} | options
    run_analyze([str(item) for item in inputs], out, **settings)
    return rows(out / "faces.jsonl"), rows(out / "sources.jsonl")


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def clip(tmp_path, astronaut) -> Path:
    path = tmp_path / "clip.mp4"
    write_clip(path, astronaut)
    return path


def test_a_photo_gives_a_row_for_its_face_and_one_for_itself(tmp_path):
    (face,), sources = run([ASTRONAUT], tmp_path / "out")
    assert list(face) == [
        *("source", "frame", "time", "track", "score", "box", "landmarks", "pose"),
    ]
    assert (face["source"], face["frame"], face["time"], face["track"]) == (ASTRONAUT, 0, 0.0, None)
    assert np.shape(face["landmarks"]) == (478, 3)
    x0, y0, x1, y1 = face["box"]
    assert 150 < x0 < 200 < 240 < x1 < 300 and 30 < y0 < 100 < 150 < y1 < 220
    assert face["score"] > 0.5 and list(face["pose"]) == ["yaw", "pitch", "roll"]
    assert sources == [
        {"source": ASTRONAUT, "frames": 1, "duration": 0.0, "faces": 1, "error": None}
    ]
    assert list(sources[0]) == ["source", "frames", "duration", "faces", "error"]
    assert files_in(tmp_path / "out") == ["faces.jsonl", "sources.jsonl"]


def test_python_yields_the_rows_as_objects(tmp_path, clip):
    written, _ = run([ASTRONAUT, clip], tmp_path / "out")
    assert [face.row() for face in mien.analyze([ASTRONAUT, clip])] == written
    assert [face.row() for face in mien.analyze(clip)] == written[1:]


def test_a_video_is_tracked_frame_by_frame(tmp_path, clip):
    faces, (source,) = run([clip], tmp_path / "out", max_faces=1)
    assert [face["frame"] for face in faces] == list(range(8))
    assert [face["time"] for face in faces] == pytest.approx([i / RATE for i in range(8)])
    assert {face["track"] for face in faces} == {0}
    centres = [np.mean(face["landmarks"], axis=0)[0] for face in faces]
    assert np.polyfit(range(8), centres, 1)[0] == pytest.approx(-1, abs=0.3), "pixels per frame"
    assert source == {
        **{"source": str(clip), "frames": 8, "duration": pytest.approx(0.32)},
        **{"faces": 8, "error": None},
    }


def test_every_third_frame_keeps_its_number_and_time(tmp_path, clip):
    faces, (source,) = run([clip], tmp_path / "out", every=3, max_faces=1)
    assert [face["frame"] for face in faces] == [0, 3, 6]
    assert [face["time"] for face in faces] == pytest.approx([0, 3 / RATE, 6 / RATE])
    assert (source["frames"], source["faces"]) == (3, 3)


def test_variable_times_are_those_of_the_file(tmp_path, astronaut):
    times = [0.0, 0.04, 0.3, 0.34, 1.0]
    write_clip(tmp_path / "slow.mp4", astronaut, 5, times)
    faces, _ = run([tmp_path / "slow.mp4"], tmp_path / "out", max_faces=1, annotate=True)
    assert [face["time"] for face in faces] == pytest.approx(times, abs=1e-3)
    drawn = Video(tmp_path / "out" / "annotated" / "slow.mp4")
    assert [frame.time for frame in drawn.frames()] == pytest.approx(times, abs=1e-3)


def test_only_videos_are_smoothed(tmp_path, astronaut):
    noise = np.random.default_rng(0).normal(0, 12, (6, 192, 192, 3))
    with VideoWriter(tmp_path / "still.mp4", RATE) as writer:
        for layer in noise:
            writer.write(np.clip(portrait(astronaut) + layer, 0, 255).astype(np.uint8))

    def jitter(smooth: bool) -> float:
        faces = analyze(tmp_path / "still.mp4", smooth=smooth, max_faces=1)
        landmarks = np.array([face.landmarks for face in faces])
        return float(np.abs(np.diff(landmarks, axis=0)).mean())

    assert jitter(smooth=True) < 0.7 * jitter(smooth=False)
    write_image(tmp_path / "photo.png", portrait(astronaut))
    calm, raw = (list(analyze(tmp_path / "photo.png", smooth=smooth)) for smooth in (True, False))
    assert [face.row() for face in calm] == [face.row() for face in raw]


@pytest.fixture
def album(tmp_path, astronaut) -> list[Path]:
    """Photos of several sizes, with one, two or no faces."""
    photos = tmp_path / "album"
    photos.mkdir()
    head = portrait(astronaut)
    pictures = {
        "a.png": astronaut,
        "b.jpg": np.hstack([head, head[:, ::-1]]),
        "c.png": np.full((90, 120, 3), 120, np.uint8),
        "d.png": head,
        "e.jpg": np.vstack([head[:, ::-1], head]),
        "f.png": astronaut[::2, ::2],
    }
    for name, picture in pictures.items():
        write_image(photos / name, picture)
    return sorted(photos.iterdir())


def test_the_same_input_gives_the_same_bytes(tmp_path, album, clip):
    inputs = [str(path) for path in (*album, clip)]
    first, second = tmp_path / "first", tmp_path / "second"
    for out in (first, second):
        run_analyze(inputs, out, annotate=True, quiet=True)
    assert len(files_in(first)) == 2 + 7 + 1
    for name in files_in(first):
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


@pytest.mark.parametrize("batch", [1, 2, 5, 64])
def test_the_batch_changes_nothing(tmp_path, album, clip, batch):
    inputs = [str(path) for path in (*album, clip)]
    for out, size in ((tmp_path / "usual", 8), (tmp_path / "other", batch)):
        run_analyze(inputs, out, batch=size, figure=False, quiet=True)
    for name in ("faces.jsonl", "sources.jsonl"):
        assert (tmp_path / "usual" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


def test_an_image_alone_gives_what_it_gives_among_many(tmp_path, album):
    together, _ = run(album, tmp_path / "all")
    alone = [row for photo in album for row in run([photo], tmp_path / photo.stem)[0]]
    assert alone == together and len(together) >= 6


def test_large_photos_do_not_wait_for_each_other(tmp_path, album, monkeypatch):
    expected, _ = run(album, tmp_path / "usual")
    monkeypatch.setattr(job, "PIXELS_AT_ONCE", 1)
    assert run(album, tmp_path / "one by one")[0] == expected


def test_results_are_in_the_order_of_the_inputs(tmp_path, album, clip):
    broken = tmp_path / "broken.jpg"
    broken.write_text("no picture")
    order = [album[0], clip, broken, album[3], album[2], broken, clip, album[1], tmp_path / "none"]
    faces, sources = run(order, tmp_path / "out", batch=2, max_faces=1)
    assert [row["source"] for row in sources] == [str(path) for path in order]
    assert [bool(row["error"]) for row in sources] == [
        path in (broken, order[-1]) for path in order
    ]
    expected = [str(path) for path, n in zip(order, (1, 8, 0, 1, 0, 0, 8, 1, 0), strict=True)
                for _ in range(n)]  # fmt: skip
    assert [row["source"] for row in faces] == expected


def test_the_source_is_the_path_as_it_was_given(tmp_path, monkeypatch, astronaut):
    monkeypatch.chdir(tmp_path)
    write_image(tmp_path / "me.png", portrait(astronaut))
    for name in ("me.png", "./me.png", f"../{tmp_path.name}/me.png"):
        (face,), (source,) = run([name], tmp_path / "out", max_faces=1)
        assert face["source"] == source["source"] == name
    (face,), _ = run(["."], tmp_path / "out", max_faces=1)
    assert face["source"] == "./me.png"


@pytest.mark.parametrize("format", ["jsonl", "csv", "parquet"])
def test_all_formats_hold_the_same_faces(tmp_path, clip, format):
    run_analyze([ASTRONAUT, str(clip)], tmp_path, format=format, figure=False, quiet=True)
    read = [face.row() for face in read_table(tmp_path / f"faces.{format}")]
    expected = [face.row() for face in analyze([ASTRONAUT, clip])]
    assert len(read) == len(expected)
    for row, wanted in zip(read, expected, strict=True):
        assert [row[k] for k in ("source", "frame", "track")] == [
            wanted[k] for k in ("source", "frame", "track")
        ]
        assert np.allclose(row["landmarks"], wanted["landmarks"], atol=1e-3)


def test_annotated_media_are_named_like_the_inputs(tmp_path, astronaut):
    for folder in ("one", "two", "three"):
        (tmp_path / folder).mkdir()
        write_image(tmp_path / folder / "me.jpg", portrait(astronaut))
    write_image(tmp_path / "me-2.jpg", portrait(astronaut))
    write_image(tmp_path / "other.PNG", portrait(astronaut))
    write_image(tmp_path / "other.webp", portrait(astronaut))
    write_clip(tmp_path / "me.mp4", astronaut, 2)
    frames = [Image.fromarray(portrait(astronaut, shift)) for shift in (0, 3)]
    frames[0].save(tmp_path / "me.gif", save_all=True, append_images=frames[1:], duration=200)
    names = ("one/me.jpg", "me-2.jpg", "two/me.jpg", "three/me.jpg", "other.PNG", "other.webp",
             "me.mp4", "me.gif")  # fmt: skip
    out = tmp_path / "out"
    run([tmp_path / name for name in names], out, annotate=True, figure=True)
    assert files_in(out / "annotated") == sorted(
        ("me.jpg", "me-2.jpg", "me-3.jpg", "me-4.jpg", "other.png", "other.jpg",
         "me.mp4", "me-2.mp4")
    )  # fmt: skip
    figures = files_in(out / "figures")  # and, where something is read, a chart of each face
    assert [name for name in figures if name.endswith(".png")] == ["me-2.png", "me.png"]
    times = [frame.time for frame in Video(out / "annotated" / "me-2.mp4").frames()]
    assert times == pytest.approx([0, 0.2], abs=1e-3)
    drawn = read_image(out / "annotated" / "other.png")[:, :192].astype(int)
    assert drawn.shape == (192, 192, 3)
    assert 0.01 < (np.abs(drawn - portrait(astronaut)).max(axis=2) > 40).mean() < 0.5


def test_an_annotated_video_keeps_its_sound_in_time(tmp_path, astronaut):
    write_talkie(tmp_path / "talk.mp4", astronaut)
    run([tmp_path / "talk.mp4"], tmp_path / "out", annotate=True)
    samples, rate = read_audio(tmp_path / "out" / "annotated" / "talk.mp4")
    assert np.argmax(np.abs(samples) > 0.3) / rate == pytest.approx(0.6, abs=0.03)
    assert len(samples) / rate == pytest.approx(1.2, abs=0.1)
    assert len(list(Video(tmp_path / "out" / "annotated" / "talk.mp4").frames())) == 30


def test_a_long_name_is_cut(tmp_path, astronaut):
    photo = tmp_path / f"{'ä' * 125}.png"
    write_image(tmp_path / "short.png", portrait(astronaut))
    (tmp_path / "short.png").rename(photo)
    _, (source,) = run([photo], tmp_path / "out", annotate=True)
    assert source["error"] is None
    assert len(files_in(tmp_path / "out" / "annotated")) == 1


def test_what_earlier_runs_left_is_not_taken_as_input(tmp_path, monkeypatch, clip, astronaut):
    write_image(tmp_path / "Me.png", portrait(astronaut))
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        _, sources = run(["."], Path("."), annotate=True, figure=True)
        assert [row["source"] for row in sources] == ["./Me.png", "./clip.mp4"]
    for named in ("annotated/Me.png", "./annotated", "figures/*.png"):
        with pytest.raises(UsageError, match="another folder"):
            run([named], Path("."))


def test_files_of_other_names_stay(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    (out / "faces.jsonl").write_text("old")
    (out / "faces.csv").write_text("old")
    faces, _ = run([ASTRONAUT], out)
    assert len(faces) == 1
    assert (out / "notes.txt").read_text() == "mine" and (out / "faces.csv").read_text() == "old"


def test_the_summary_is_one_line_and_quiet_is_silent(tmp_path, capsys):
    run_analyze([ASTRONAUT, "nowhere.jpg"], tmp_path)
    printed = capsys.readouterr()
    assert printed.out.count("\n") == 1
    assert "1 face in 2 inputs (1 failed)" in printed.out and str(tmp_path) in printed.out
    assert printed.err == "mien: nowhere.jpg: No such file or directory\n"
    assert run_analyze([ASTRONAUT], tmp_path, quiet=True) == 0
    assert capsys.readouterr() == ("", "")


def test_a_name_cannot_write_control_characters_to_the_terminal(tmp_path, capsys):
    name = str(tmp_path / "a\x1b[2Jb\n.jpg")
    assert run_analyze([name], tmp_path / "out", quiet=True) == 1
    assert "a\\x1b[2Jb\\n.jpg" in capsys.readouterr().err
    assert rows(tmp_path / "out" / "sources.jsonl")[0]["source"] == name


def test_long_work_shows_its_progress_on_a_terminal(tmp_path, clip, monkeypatch):
    def shown(patience: float, **options) -> str:
        seen, terminal = pty.openpty()
        os.set_blocking(seen, False)
        with open(terminal, "w") as stderr, monkeypatch.context() as patch:
            patch.setenv("TERM", "xterm")
            patch.setattr(sys, "stderr", stderr)
            patch.setattr("mien.jobs.terminal.PATIENCE", patience)
            run_analyze([str(clip), ASTRONAUT], tmp_path / "out", figure=False, **options)
            stderr.flush()
            try:
                return os.read(seen, 100_000).decode()
            except BlockingIOError:
                return ""
            finally:
                os.close(seen)

    assert "clip.mp4" in shown(patience=0)
    assert shown(patience=1e9) == "", "no bar for short work"
    assert shown(patience=0, quiet=True) == ""


class Endless(Source):
    """The astronaut for ever; counts the frames that were read."""

    fps = RATE

    def __init__(self, image: np.ndarray, at_frame=lambda index: None) -> None:
        Source.__init__(self, "endless")  # not Camera's, which would look for a device
        self.image, self.at_frame, self.read = image, at_frame, 0

    def frames(self, every: int = 1) -> Iterator[Frame]:
        for index in count(0, every):
            self.read += 1
            self.at_frame(index)
            yield Frame(index, index / RATE, self.image)


class Webcam(Endless, Camera):
    """An endless camera."""


def replace_source(monkeypatch, name: str, source: Source) -> None:
    """Make ``name`` open as ``source``."""
    usual = job.open_source
    monkeypatch.setattr(job, "open_source", lambda n: source if n == name else usual(n))


def readers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("mien-reader")]


def test_reading_ends_when_the_consumer_stops(monkeypatch, astronaut):
    source = Endless(portrait(astronaut))
    replace_source(monkeypatch, "endless", source)
    faces = analyze("endless", max_faces=1)
    for _ in range(5):
        next(faces)
    assert readers()
    assert source.read <= 5 + job.AHEAD + 1, "frames are read only a little ahead"
    del faces
    assert not readers()


def test_ctrl_c_ends_a_webcam_and_the_files_are_complete(tmp_path, monkeypatch, astronaut):
    def interrupt(index: int) -> None:
        if index == 6:
            os.kill(os.getpid(), signal.SIGINT)

    replace_source(monkeypatch, "0", Webcam(portrait(astronaut), interrupt))
    before = signal.getsignal(signal.SIGINT)
    faces, sources = run(["0", ASTRONAUT], tmp_path, annotate=True, figure=True, max_faces=1)
    assert signal.getsignal(signal.SIGINT) is before
    assert [row["source"] for row in sources] == ["0", ASTRONAUT]
    assert sources[0]["error"] is None and 4 <= sources[0]["frames"] <= 10
    assert len(faces) == sources[0]["frames"] + 1
    drawn = list(Video(tmp_path / "annotated" / "0.mp4").frames())
    assert len(drawn) == sources[0]["frames"]
    assert (tmp_path / "figures" / "0.png").is_file()


def test_ctrl_c_elsewhere_leaves_nothing_half_written(tmp_path, monkeypatch, astronaut):
    def interrupt(index: int) -> None:
        if index == 4:
            os.kill(os.getpid(), signal.SIGINT)

    replace_source(monkeypatch, "endless", Endless(portrait(astronaut), interrupt))
    with pytest.raises(KeyboardInterrupt):
        run(["endless"], tmp_path, annotate=True, figure=True)
    assert files_in(tmp_path) == [] and not readers()


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (InputError("endless: worn out"), "endless: worn out"),
        (ValueError("odd"), "ValueError: odd"),
    ],
)
def test_a_failure_on_the_way_keeps_what_came_before(
    tmp_path, monkeypatch, astronaut, failure, told
):
    def fail(index: int) -> None:
        if index == 4:
            raise failure

    replace_source(monkeypatch, "endless", Endless(portrait(astronaut), fail))
    faces, sources = run(["endless", ASTRONAUT], tmp_path, annotate=True, max_faces=1)
    assert [row["frames"] for row in sources] == [4, 1] and len(faces) == 5
    assert told in sources[0]["error"] and sources[1]["error"] is None
    assert len(list(Video(tmp_path / "annotated" / "endless.mp4").frames())) == 4


@pytest.mark.parametrize("method", ["__enter__", "write", "__exit__"])
def test_a_picture_that_cannot_be_made_costs_its_input_alone(
    tmp_path, monkeypatch, clip, capsys, method
):
    def refuse(writer: VideoWriter, *_) -> None:
        raise MienError(f"{writer.path}: Invalid argument")

    monkeypatch.setattr(VideoWriter, method, refuse)
    faces, sources = run([clip, ASTRONAUT], tmp_path / "out", annotate=True, max_faces=1)
    assert len(faces) == 9
    assert "clip.mp4: Invalid argument" in sources[0]["error"] and sources[1]["error"] is None
    assert capsys.readouterr().err.count("\n") == 1
    if method != "__exit__":  # which is what would clean up
        assert files_in(tmp_path / "out" / "annotated") == ["astronaut.jpg"]


def test_without_a_callback_a_broken_input_raises_when_its_turn_comes(tmp_path):
    (tmp_path / "broken.jpg").write_text("no picture")
    faces = analyze([ASTRONAUT, tmp_path / "broken.jpg", ASTRONAUT])
    assert next(faces).source == ASTRONAUT
    with pytest.raises(InputError, match=r"broken\.jpg: not an image"):
        next(faces)
    assert not readers()


def test_a_callback_hears_of_every_input(tmp_path):
    reports: list[SourceReport] = []
    inputs = [ASTRONAUT, str(tmp_path / "nowhere.jpg"), ASTRONAUT]
    faces = list(analyze(inputs, on_source=reports.append))
    assert [face.source for face in faces] == [ASTRONAUT, ASTRONAUT]
    assert [report.source for report in reports] == inputs
    assert [report.faces for report in reports] == [1, 0, 1]
    assert [report.error is None for report in reports] == [True, False, True]


@pytest.mark.parametrize(
    "wrong",
    [{"every": 0}, {"batch": 0}, {"max_faces": 0}, {"device": "tpu"}, {"backend": "tensor"},
     {"licence": "free"}],
)  # fmt: skip
def test_wrong_use_is_told_before_any_work(tmp_path, wrong):
    with pytest.raises(UsageError):
        analyze(ASTRONAUT, **wrong)
    with pytest.raises(UsageError):
        run_analyze([ASTRONAUT], tmp_path / "out", **wrong)
    assert not (tmp_path / "out").exists()


def test_a_commercial_licence_is_enough_for_the_bundled_networks(tmp_path):
    assert len(list(analyze(ASTRONAUT, licence="commercial"))) == 1


@pytest.mark.slow
def test_torch_gives_what_onnx_gives(clip):
    pytest.importorskip("torch")
    for usual, other in zip(
        analyze([ASTRONAUT, clip]), analyze([ASTRONAUT, clip], backend="torch"), strict=True
    ):
        assert usual.landmarks is not None and other.landmarks is not None
        assert np.abs(usual.landmarks - other.landmarks).max() < 0.1
