"""Protocols, results, tables, peers and the bench."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mien.errors import InputError, MienError
from mien.evaluate import bench, clips, detection, jitter, landmarks, peers, report, scenes, tables
from mien.face import Face, Pose
from mien.find import geometry, mean_face
from mien.media.image import read_image
from mien.media.video import VideoWriter

SPEED = peers.SCRIPTS / "speed.py"


def face_at(x: float, y: float, error: float = 0.0) -> Face:
    """The mean face at a place; ``error``: every point off by so much, in eye distances."""
    points = mean_face.points() + np.array([x, y, 0])
    points[:, 0] += error * np.linalg.norm((points[33] - points[263])[:2])
    return Face(geometry.box_of(points), 0.9, points.astype(np.float32))


def truth_at(x: float, y: float) -> np.ndarray:
    return mean_face.points() + np.array([x, y, 0])


NO_FACE = np.full((478, 3), np.nan)


# Labels


def test_photo_labels_are_boxes_of_the_photos(shared: Path) -> None:
    labels = detection.photo_boxes()
    folder = shared / "data" / "photos"
    assert set(labels) == {file.name for file in folder.iterdir()}
    for name, label in labels.items():
        height, width = read_image(folder / name).shape[:2]
        assert isinstance(label["art"], bool)
        for x0, y0, x1, y1 in label["boxes"]:
            assert 0 <= x0 < x1 <= width, name
            assert 0 <= y0 < y1 <= height, name
            assert 0.6 < (x1 - x0) / (y1 - y0) < 1.1, name


def test_label_rotations_agree_with_the_pose_of_the_labelled_points(shared: Path) -> None:
    portraits = landmarks.Portraits.load(shared / "data" / "portraits")
    rotations = landmarks.label_rotations(portraits.folder)
    rows = range(0, len(portraits), 90)
    by_points = [geometry.pose_of(portraits.landmarks[row]) for row in rows]
    by_label = [Pose.from_rotation(rotations[row]) for row in rows]
    for angle in ("yaw", "pitch"):
        pair = [[getattr(pose, angle) for pose in poses] for poses in (by_points, by_label)]
        assert np.corrcoef(pair)[0, 1] > 0.97


def test_pose_difference_goes_the_short_way_round() -> None:
    found = face_at(0, 0)
    found.pose = Pose(yaw=5, pitch=-2, roll=179)
    gap = landmarks.pose_difference(found, Pose(yaw=2, pitch=1, roll=-179))
    assert gap == pytest.approx([3, -3, -2])


# Clips


def test_clip_scores_tell_errors_missed_and_extra_faces() -> None:
    pairs = [
        (truth_at(0, 0), [face_at(900, 0), face_at(0, 0, 0.02)]),
        (truth_at(0, 0), [face_at(900, 0)]),
        (NO_FACE, [face_at(0, 0)]),
        (NO_FACE, []),
    ]
    scores = clips.score(pairs)
    assert scores.nme == pytest.approx([0.02, np.inf], rel=1e-4)
    assert (scores.extra, scores.empty, scores.found) == (1, 2, 1)


def test_a_long_clip_weighs_more_among_frames_only() -> None:
    long, short = np.full(90, 0.01), np.full(10, 0.05)
    overall = clips.overall([clips.Scores(long, 0, 0), clips.Scores(short, 0, 3)])
    assert overall["mean_of_clips_percent"] == pytest.approx(3.0)
    assert overall["frames"]["mean_percent"] == pytest.approx(1.4)
    assert overall["frames_without_face"] == 3


def test_clips_without_any_face_have_no_mean() -> None:
    overall = clips.overall([clips.Scores(np.zeros(0), 2, 8)])
    assert overall["mean_of_clips_percent"] is None
    assert overall["faces_in_those"] == 2


# Detection


def test_a_photo_is_scored_by_overlap() -> None:
    boxes = np.array([[0, 0, 100, 100], [200, 0, 300, 100.0]])
    found = [
        Face(np.array([0, 0, 100, 95.0]), 0.9),  # overlap 0.95
        Face(np.array([200, 0, 300, 45.0]), 0.8),  # overlap 0.45
        Face(np.array([400, 0, 500, 100.0]), 0.7),
    ]
    result = detection.score(found, boxes)
    assert result["found"] == {"0.4": 2, "0.5": 1}
    assert result["false"] == 1
    assert result["which"] == [0, 1, -1]


def test_faces_in_a_photo_without_faces_are_false() -> None:
    result = detection.score([face_at(0, 0)], np.zeros((0, 4)))
    assert (result["faces"], result["false"]) == (0, 1)


def test_scenes_hold_what_they_say(shared: Path) -> None:
    for scene in scenes.scenes(shared / "data", per_angle=1):
        height, width = scene.image.shape[:2]
        assert (scene.boxes >= 0).all()
        assert (scene.boxes <= [width, height, width, height]).all()
        overlap = geometry.iou(scene.boxes, scene.boxes) - np.eye(len(scene.boxes))
        assert overlap.max() < 1e-9
        sizes = np.sqrt(np.prod(scene.boxes[:, 2:] - scene.boxes[:, :2], axis=1))
        # A tilted face needs a larger upright box.
        most = 1.01 if scene.angle == 0 else 1.35
        assert (sizes >= 0.99 * np.array(scenes.SIZES)).all()
        assert (sizes <= most * np.array(scenes.SIZES)).all()


def test_scenes_are_always_the_same(shared: Path) -> None:
    first, again = (next(scenes.scenes(shared / "data", per_angle=1)) for _ in range(2))
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.boxes, again.boxes)


def test_a_head_is_tilted_clockwise(shared: Path) -> None:
    portraits = landmarks.Portraits.load(shared / "data" / "portraits")
    upright, tilted = (scenes.head(portraits, 0, 100, angle) for angle in (0, 90))
    aspect = [float(np.divide(*(h.box[2:] - h.box[:2]))) for h in (upright, tilted)]
    assert aspect[0] == pytest.approx(1 / aspect[1], rel=1e-3)
    turned = np.rot90(upright.image, -1).astype(float)  # clockwise
    difference = np.abs(turned - tilted.image)[tilted.alpha > 0.9]
    assert difference.mean() < 4


# Jitter


def test_noise_is_seeded_and_of_its_size() -> None:
    grey = np.full((40, 40, 3), 128, np.uint8)
    frames = list(jitter.noisy_frames(grey, seed=1))
    assert len(frames) == jitter.FRAMES
    assert np.array(frames).std() == pytest.approx(jitter.NOISE, rel=0.02)
    assert not np.array_equal(frames[0], frames[1])
    assert np.array_equal(frames[0], next(iter(jitter.noisy_frames(grey, seed=1))))


# Results


def test_a_result_says_what_it_is_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "speed.json"
    report.finish("speed-analyze/1", {"clip": "sha256:0"}, speed_results(), out)
    written = json.loads(out.read_text())
    expected = {"protocol", "date", "commit", "host", "versions", "data", "results"}
    assert set(written) == expected
    assert written["results"]["help_seconds"] == 0.21235
    assert set(written["versions"]) >= {"python", "mien", "numpy", "onnxruntime"}
    assert written["host"]["cores"] >= 1
    assert "mediapipe" in capsys.readouterr().out
    assert [file.name for file in out.parent.iterdir()] == ["speed.json"]


def test_a_result_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MienError, match="file"):
        report.write({}, tmp_path / "file" / "speed.json")


def test_plain_values_have_five_digits_and_are_finite() -> None:
    values = {1: np.float32(1 / 3), "a": [np.inf, np.int64(3), True, None, "x"], "n": np.nan}
    plain = report.rounded(values)
    assert plain == {"1": 0.33333, "a": [None, 3, True, None, "x"], "n": None}
    json.dumps(plain, allow_nan=False)


def test_fingerprint_depends_on_names_and_contents_not_on_order(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("1")
    two.write_text("2")
    before = report.fingerprint([one, two])
    assert before == report.fingerprint([two, one])
    assert before != report.fingerprint([one])
    two.write_text("3")
    assert before != report.fingerprint([one, two])


# Tables


def error_summary(mean: float | None) -> dict[str, Any]:
    return {
        **{"faces": 10, "missed": 1, "mean_percent": mean, "median_percent": mean},
        **{"p95_percent": mean, "failure_rate": 0.1, "auc": 0.7},
    }


def landmark_results() -> dict[str, Any]:
    clip = error_summary(2.5) | {"frames_without_face": 0, "faces_in_those": 0}
    overall = {"clips": 1, "mean_of_clips_percent": 2.5, "ci95_percent": None}
    overall |= {"frames": error_summary(2.5), "frames_without_face": 0, "faces_in_those": 0}
    angle = {"mean_abs": 1.0, "bias": 0.5, "mean_abs_without_bias": 0.4}
    still = {"lost_frames": 0, "mean_px": 0.1, "worst_portrait_px": 0.2, "worst_landmark_px": 0.3}
    return {
        "portraits": {
            "outer_corners": error_summary(1.75) | {"ci95_percent": [1.5, 2.0]},
            "iris_centres": error_summary(2.4),
            "in_space_percent": 3.0,
            "regions_percent": {"eyes": 1.1},
            "pose_degrees": {"yaw": angle},
        },
        "video": {
            **{"labels": "a peer", "every": 5, "most": 100},
            "overall": {"video": overall, "photos": overall},
            "clips": {"talk.mp4": {"video": clip, "photos": clip}},
        },
        "jitter": {
            **{"face_pixels": 256.0, "noise": "3/255", "frames": 90, "portraits": 5},
            **{"filtered": still, "unfiltered": still},
        },
    }


def detection_results() -> dict[str, Any]:
    false = {
        **{"images": 50, "real_people": 0, "false_faces": 1, "per_100_images": 2.0},
        "files": {"tree.jpg": []},
    }
    photo = {"art": True, "faces": 2, "found": {"0.4": 2, "0.5": 1}, "false": 0}
    return {
        "photos": {
            **{"faces": 2, "recall": {"0.4": 1.0, "0.5": 0.5}, "recall_photographs": None},
            **{"recall_art": 1.0, "average_precision": 1.0, "false_faces": 0},
            "files": {"girl.jpg": photo},
        },
        "backgrounds": {"test": false, "unseen": false, "all": false},
        "scenes": {
            **{"scenes": 7, "per_angle": 1, "overlap": 0.4, "recall_by_size": {"64": 1.0}},
            **{"recall_by_angle": {"0": 1.0}, "recall": {"0": {"64": 1.0}}},
            "false_faces_per_100_scenes": 0.0,
        },
    }


def speed_results() -> dict[str, Any]:
    tool = {"fps": 40.0, "steady_fps": 50.0, "seconds": 2.0, "peak_mb": 150.0, "frames": 80}
    ratio = {"fps": 1.5, "steady_fps": 1.25}
    cores = {"count": 2, "tools": {"mien": tool, "mediapipe": tool}}
    return {
        "clip": {"name": "talk.mp4", "width": 480, "height": 480},
        **{"repeats": 3, "load_before": 0.1, "peers": {"mediapipe": "1"}, "photos": None},
        "gives": {"mien": "landmarks", "mediapipe": "landmarks"},
        "cores": {
            "all": {**cores, "unavailable": {"yunet": "no"}, "mien_to_peer": {"mediapipe": ratio}}
        },
        "help_seconds": 0.2123456,
    }


RESULTS = {
    "landmarks.json": ("landmarks/1", landmark_results),
    "detection.json": ("detection/1", detection_results),
    "speed-analyze.json": ("speed-analyze/1", speed_results),
}


@pytest.fixture
def benchmarks(tmp_path: Path) -> Path:
    """A folder with one result of each protocol."""
    circumstances = {
        "date": "2026-01-02T03:04:05Z",
        "commit": {"id": "0123456789abcdef", "dirty": False},
        "host": {"cpu": "a processor", "cores": 2, "ram_gb": 8.0, "system": "Linux"},
        "versions": {"python": "3.11"},
        "data": {},
    }
    for name, (protocol, results) in RESULTS.items():
        content = {"protocol": protocol, **circumstances, "results": results()}
        (tmp_path / name).write_text(json.dumps(content))
    return tmp_path


def test_tables_show_the_results(benchmarks: Path) -> None:
    tables.main(benchmarks)
    page = (benchmarks / "index.md").read_text()
    for shown in ("1.75", "1.50 to 2.00", "tree.jpg", "girl.jpg (art)", "1.25", "yunet (no)"):
        assert shown in page
    for circumstance in ("`0123456789`", "2026-01-02", "a processor, 2 cores"):
        assert page.count(circumstance) == len(RESULTS)


def test_tables_are_the_same_again_and_well_formed(benchmarks: Path) -> None:
    tables.main(benchmarks)
    page = (benchmarks / "index.md").read_text()
    tables.main(benchmarks)
    assert (benchmarks / "index.md").read_text() == page
    for table in page.split("\n\n"):
        lines = table.splitlines()
        if lines[0].startswith("|"):
            assert len({line.count("|") for line in lines}) == 1, table


def test_what_is_not_there_is_left_out(benchmarks: Path) -> None:
    (benchmarks / "detection.json").unlink()
    tables.main(benchmarks)
    assert "## Detection" not in (benchmarks / "index.md").read_text()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"protocol": "other/1", "results": {}}'])
def test_other_files_are_one_clear_line(benchmarks: Path, content: str) -> None:
    (benchmarks / "landmarks.json").write_text(content)
    with pytest.raises(InputError, match=r"landmarks\.json: not a result"):
        tables.main(benchmarks)
    assert not (benchmarks / "index.md").exists()


# Peers


def environment_with(folder: Path, script: str) -> Path:
    """A folder with a ``bin/python`` that is a shell script."""
    python = folder / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    return folder


def test_an_environment_with_mediapipe_is_used_as_it_is(tmp_path: Path) -> None:
    folder = environment_with(tmp_path / "ready", """echo '{"mediapipe": "1.0"}'""")
    found = peers.environment(folder)
    assert found == peers.Environment(folder / "bin" / "python", {"mediapipe": "1.0"})


def test_an_environment_that_cannot_be_made_is_one_line_with_a_way_out(tmp_path: Path) -> None:
    script = 'if [ "$1" = -c ]; then echo "{}"; else echo "no route to host" >&2; exit 1; fi'
    folder = environment_with(tmp_path / "offline", script)
    with pytest.raises(MienError, match="no route to host") as caught:
        peers.environment(folder)
    line = str(caught.value)
    assert line.startswith(str(folder))
    assert "--peers-env" in line
    assert "\n" not in line


def test_a_script_that_fails_says_why(tmp_path: Path) -> None:
    folder = environment_with(tmp_path / "broken", "echo first >&2; echo no model >&2; exit 3")
    broken = peers.Environment(folder / "bin" / "python", {})
    with pytest.raises(MienError, match=r"speed\.py: no model"):
        peers.run(broken, "speed.py", "haar")


def test_labels_are_made_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIEN_HOME", str(tmp_path / "home"))
    (tmp_path / "peers").mkdir()
    (tmp_path / "peers" / peers.TASK).write_bytes(b"a model")
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"a clip")
    runs = []

    def label(_: object, script: str, task: Path, clip: Path, out: Path, *rest: int) -> dict:
        runs.append(script)
        fractions = np.full((1, 478, 3), 0.5, np.float32)
        np.savez(out, frames=[0], landmarks=fractions, size=(200, 100))
        return {}

    monkeypatch.setattr(peers, "run", label)
    environment = peers.Environment(Path("python"), {"mediapipe": "1"})
    for _ in range(2):
        labels = clips.label(tmp_path, clip, environment)
        assert labels.landmarks[0, 0].tolist() == [100, 50, 100]  # z is on the scale of x
    assert len(runs) == 1
    clip.write_bytes(b"another clip")
    clips.label(tmp_path, clip, environment)
    assert len(runs) == 2


def test_without_the_model_no_labels_are_made(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=peers.TASK):
        clips.label(tmp_path, tmp_path / "clip.mp4", peers.Environment(Path("python"), {}))


# The bench


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "grey.mp4"
    with VideoWriter(path, fps=25) as writer:
        for brightness in range(15):
            writer.write(np.full((64, 64, 3), 10 * brightness, np.uint8))
    return path


def test_a_tool_that_is_not_there_says_so(clip: Path) -> None:
    # mien's own environment has none of the tools.
    command = [sys.executable, SPEED, "face_recognition", clip]
    said = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert said == {"unavailable": "face_recognition is not installed"}
    command = [sys.executable, SPEED, "yunet", clip, "yunet.onnx"]
    said = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert "yunet.onnx is not there" in said["unavailable"]


def test_every_frame_of_a_clip_is_counted(clip: Path) -> None:
    from mien.evaluate.peers import speed

    milliseconds = []
    result = speed.measure(lambda _, at: milliseconds.append(at) or 1, str(clip))
    assert (result["frames"], result["faces"]) == (15, 15)
    assert milliseconds == [40 * frame for frame in range(15)]
    assert result["steady_fps"] > 0


def test_a_run_is_timed_and_weighed() -> None:
    code = "import time; b = bytearray(100_000_000); time.sleep(0.2); print('a'); print('last')"
    small = bench.run([sys.executable, "-c", "pass"])
    large = bench.run([sys.executable, "-c", code])
    assert large.seconds >= 0.2
    assert large.said == "last"
    # Not those of the process that runs the test.
    assert small.peak_mb < 40
    assert 80 < large.peak_mb - small.peak_mb < 120


def test_a_run_that_fails_says_why() -> None:
    with pytest.raises(MienError, match="no such clip"):
        bench.run([sys.executable, "-c", "raise SystemExit('no such clip')"])


def test_processes_run_on_the_processors_asked_for() -> None:
    before = os.sched_getaffinity(0)
    one = {max(before)}
    with bench.on(one):
        said = bench.run([sys.executable, "-c", "import os; print(os.sched_getaffinity(0))"]).said
    assert said == str(one)
    assert os.sched_getaffinity(0) == before


def test_tools_alternate_and_medians_are_compared() -> None:
    order = []
    seconds = {"mien": iter([1.0, 9.0, 2.0]), "peer": iter([4.0, 4.0, 4.0])}

    def runner(name: str) -> dict[str, Any]:
        order.append(name)
        if name == "missing":
            return {"unavailable": "not installed"}
        taken = next(seconds[name])
        return {"frames": 8, "faces": 8, "seconds": taken, "peak_mb": 1.0, "steady_fps": 10.0}

    runners = {name: lambda name=name: runner(name) for name in ("mien", "peer", "missing")}
    result = bench.compare(runners, os.sched_getaffinity(0))
    assert order == ["mien", "peer", "missing", "peer", "mien", "mien", "peer"]
    assert result["tools"]["mien"]["fps"] == 4
    assert result["mien_to_peer"] == {"peer": {"fps": 2, "steady_fps": 1}}
    assert result["unavailable"] == {"missing": "not installed"}


def test_no_clip_is_wrong_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIEN_SHARED", str(tmp_path))
    with pytest.raises(MienError, match="--clip"):
        bench.analyze(peers=False)


# The whole, on a few samples


@pytest.mark.slow
def test_landmarks_without_peers(shared: Path, tmp_path: Path) -> None:
    out = tmp_path / "landmarks.json"
    landmarks.main(shared / "data", out, limit=1, with_peers=False)
    result = json.loads(out.read_text())["results"]
    assert result["video"] is None
    assert result["portraits"]["outer_corners"]["faces"] == 1
    assert set(result["portraits"]["regions_percent"]) == set(landmarks.REGIONS)
    assert result["jitter"]["filtered"]["mean_px"] > 0


@pytest.mark.slow
def test_detection_is_the_same_again(shared: Path, tmp_path: Path) -> None:
    results = []
    for run in range(2):
        out = tmp_path / f"{run}.json"
        detection.main(shared / "data", out, limit=1)
        results.append(json.loads(out.read_text())["results"])
    assert results[0] == results[1]
    assert results[0]["backgrounds"]["all"]["images"] == 3
    assert results[0]["scenes"]["scenes"] == len(scenes.ANGLES)


@pytest.mark.slow
def test_steady_speed_of_mien_on_a_clip(shared: Path) -> None:
    clip = shared / "data" / "video" / "pyfeat_single_face.mp4"
    start = time.perf_counter()
    said = bench.run([sys.executable, "-m", "mien.evaluate.timed", "video", str(clip)]).said
    # Never slower than with start-up.
    assert json.loads(said)["steady_fps"] > 50 / (time.perf_counter() - start)
