"""``mien evaluate heads``: its known heads, its measures, its tables."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.errors import InputError
from mien.evaluate import heads, known_heads, metrics, tables
from mien.face import BLENDSHAPES
from mien.head.camera import Perspective
from mien.head.fit import GAZE_CURVES, Fitter, HeadFit
from mien.head.model import HeadModel, rotations

angles = st.tuples(st.floats(-180, 180), st.floats(-80, 80), st.floats(-180, 180))


@pytest.fixture(scope="module")
def model() -> HeadModel:
    return HeadModel.bundled()


def fit_of(error: float = 0.01, jaw: float = 0.0, yaw: float = 0.0) -> HeadFit:
    """The mean head, a metre away, two pixels to the millimetre."""
    expression = np.zeros(52, np.float32)
    expression[BLENDSHAPES.index("jawOpen")] = jaw
    camera = Perspective(focal=2000.0, centre=(256, 256), rotation=rotations(yaw, 0, 0))
    return HeadFit(np.zeros(80, np.float32), expression, np.zeros((2, 2)), camera, error, 1.0)


# Known heads


def test_known_heads_are_what_they_say(model: HeadModel) -> None:
    for head in known_heads.known_heads(model, 20):
        assert np.abs(head.identity).max() <= known_heads.DEVIATIONS
        assert head.expression.min() >= 0
        assert head.expression.max() <= 1
        assert head.expression[BLENDSHAPES.index("tongueOut")] == 0
        points = model.landmarks(model.vertices(head.identity, head.expression, head.gaze))
        true = head.camera.project(points)[:, :2]
        size = np.ptp(true, axis=0).max()
        assert (head.landmarks - true).std() == pytest.approx(0.005 * size, rel=0.15)


def test_known_heads_look_every_way(model: HeadModel) -> None:
    many = known_heads.known_heads(model, 60)
    sideways = [head.camera.rotation[0, 2] for head in many]
    assert min(sideways) < -0.4
    assert max(sideways) > 0.4
    others = np.array([head.expression[known_heads.OTHERS] for head in many])
    assert (others > 0).mean() == pytest.approx(0.2, abs=0.04)
    curves = np.array([head.expression[GAZE_CURVES] for head in many])
    assert (curves > 0).any(0).all()


def test_known_heads_are_the_same_however_many_follow(model: HeadModel) -> None:
    first, second = known_heads.known_heads(model, 2), known_heads.known_heads(model, 4)
    for one, other in zip(first, second[:2], strict=True):
        assert np.array_equal(one.landmarks, other.landmarks)
    assert not np.array_equal(first[0].identity, first[1].identity)


# Measures


@settings(deadline=None, max_examples=20)
@given(angles, st.tuples(*[st.floats(-100, 100)] * 3))
def test_moving_a_head_is_no_error(
    turn: tuple[float, float, float], shift: tuple[float, float, float]
) -> None:
    points = np.random.default_rng(0).normal(0, 50, (40, 3))
    assert known_heads.surface_error(points @ rotations(*turn).T + shift, points) < 1e-6


def test_shape_is_an_error_and_so_is_a_mirror_image() -> None:
    points = np.random.default_rng(0).normal(0, 50, (40, 3))
    radius = np.median(np.linalg.norm(points - points.mean(0), axis=1))
    assert known_heads.surface_error(points * 1.1, points) == pytest.approx(radius / 10, rel=1e-6)
    assert known_heads.surface_error(points * [-1, 1, 1], points) > 10


@settings(deadline=None, max_examples=20)
@given(angles, st.floats(0, 179))
def test_pose_error_is_the_angle_between_the_poses(
    turn: tuple[float, float, float], angle: float
) -> None:
    truth = rotations(*turn)
    fit = replace(fit_of(), camera=Perspective(focal=1.0, centre=(0, 0), rotation=truth))
    assert known_heads.turned_by(fit, truth @ rotations(0, angle, 0)) == pytest.approx(
        angle, abs=1e-3
    )


def test_intervals_agree_with_those_of_the_mean() -> None:
    values = np.random.default_rng(0).normal(5, 2, 80)
    assert known_heads.interval(np.mean, values) == pytest.approx(metrics.bootstrap(values))
    low, high = known_heads.interval(np.median, values)
    assert low <= np.median(values) <= high


def test_the_face_is_the_face(model: HeadModel) -> None:
    face = model.template[known_heads.face_vertices(model)]
    assert 4000 < len(face) < 9000
    assert face[:, 2].min() > -20  # nothing of the back of the head
    nose = model.template[model.landmark_vertices[1]].mean(0)
    assert np.linalg.norm(face - nose, axis=1).min() < 3


def test_met_landmarks_are_summed_up() -> None:
    result = heads.summary([fit_of(0.01), fit_of(0.03)])
    assert result["faces"] == 2
    assert result["mean_percent"] == pytest.approx(2)
    assert result["worst_percent"] == pytest.approx(3)
    assert result["above_asked"] == 0.5
    assert heads.summary([]) == {"faces": 0}


@pytest.mark.parametrize("yaw", [0, 20])
def test_lips_are_measured_on_the_head_and_in_the_picture(model: HeadModel, yaw: float) -> None:
    fitter, fits = Fitter(model), [fit_of(yaw=yaw), fit_of(jaw=0.5, yaw=yaw)]
    seen = [
        fit.camera.project(model.landmarks(fit.vertices(model)))[:, :2].astype(np.float32)
        for fit in fits
    ]
    closed, opened = heads.lip_gaps(fitter, fits, seen)
    assert max(closed.space, closed.opening, 90 * closed.seen) < 1
    assert opened.opening > 5
    assert opened.space == pytest.approx(opened.opening, rel=0.2)
    assert opened.seen == pytest.approx(opened.space / 90, rel=0.3)  # lips are nearer than the head
    assert (closed.more, opened.more) == pytest.approx((0, 0), abs=1e-3)
    shut, gaping = heads.lip_gaps(fitter, fits, seen[::-1])
    assert shut.more == pytest.approx(-opened.space, rel=0.2)
    assert gaping.more == pytest.approx(opened.space, rel=0.2)


def test_lips_that_stay_open_are_told() -> None:
    closed, opened = 0.5 * heads.CLOSED, 5 * heads.CLOSED
    gaps = [
        heads.LipGap(space=0.5, opening=0, seen=closed, more=-0.5),
        heads.LipGap(space=4, opening=3, seen=closed, more=3),
        heads.LipGap(space=9, opening=9, seen=opened, more=1),
        heads.LipGap(space=2, opening=0, seen=closed, more=0),
    ]
    result = heads.lips_summary(gaps)
    assert result["closed_frames"] == 3
    assert result["closed_opening"]["open"] == pytest.approx(1 / 3)
    assert result["closed_space"]["open"] == pytest.approx(2 / 3)
    assert 2 < result["closed_opening"]["p95_mm"] < 3
    assert result["error_mm"] == pytest.approx((0.5 + 3 + 1 + 0) / 4)
    assert result["bias_mm"] == pytest.approx((-0.5 + 3 + 1 + 0) / 4)
    nothing = heads.lips_summary([])
    assert nothing["closed_frames"] == 0
    assert nothing["error_mm"] is None


def test_unrest_is_of_neighbouring_frames() -> None:
    fits = [fit_of(jaw=0.0), fit_of(jaw=0.52), None, fit_of(jaw=0.0), fit_of(jaw=0.0)]
    assert heads.unrest(fits) == pytest.approx(0.52 / 52 / 2)
    assert heads.unrest([fit_of(), None, fit_of()]) is None


def test_data_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="photos: not there"):
        heads.main(tmp_path)


# Tables


def results() -> dict[str, Any]:
    way = {
        "vertex_mm": {"median": 1.25, "ci95": [1.0, 1.5], "p95": 2.5},
        "expression": {"mean_abs": 0.0312, "others_mean_abs": 0.033},
        "pose_degrees": {"median": 0.5, "mean": 0.625, "p95": 1.5, "ci95": [0.5, 0.75]},
        "gaze_degrees": 1.75,
    }
    met = {"faces": 3, "mean_percent": 0.85, "ci95_percent": [0.5, 1.25], "worst_percent": 1.5}
    lips = {
        **{"closed_frames": 7, "closed_opening": {"p95_mm": 0.25, "open": 0.125}},
        **{"closed_space": {"p95_mm": 2.75, "open": 0.25}, "error_mm": 0.75},
    }
    clip = met | {"frames": 5, "lips": lips, "jitter": 0.0075, "jitter_without_prior": 0.0085}
    unseen = {"frames": 5, "faces": 0}
    reduction = {"all": 48.5, "ci95": [40.0, 50.0], "others": 51.0, "others_ci95": [45.0, 55.0]}
    timed = {"median_ms": 11.5, "p95_ms": 13.5}
    timed |= {"processor_median_ms": 10.5, "processor_p95_ms": 12.75}
    return {
        "speed": {"clip": "talk.mp4", "load_before": 0.5, "stream": timed, "photo": timed},
        "known": {
            **{"heads": 300, "noise_percent": 0.5, "asked": known_heads.ASKED},
            **{"zero_expression": 0.0975, "zero_expression_others": 0.1025},
            "ways": {"priors, focal known": way, "no_priors, focal known": way},
            "expression_reduction_percent": {"focal known": reduction},
        },
        "asked_error_percent": 2.0,
        "photos": met | {"above_asked": 0.0},
        "portraits": {"faces": 0},
        "video": clip
        | {"clips": 1, "frames": 3, "closed_percent": 1.5, "open_mm": 1.5}
        | {"files": {"talk.mp4": clip, "empty.mp4": unseen}},
    }


@pytest.mark.parametrize("way", ["plain", "markdown"])
def test_tables_show_the_results(way: str) -> None:
    made = tables.of({"protocol": heads.PROTOCOL, "results": results()})
    shown = "\n".join(getattr(table, way)() for table in made)
    for value in ("1.25", "1.00 to 1.50", "0.031", "0.098", "48.5", "0.85", "12.5", "0.0075",
                  "talk.mp4", "empty.mp4", "no priors, focal known", "11.5"):  # fmt: skip
        assert value in shown
    for table in made:
        assert {len(row) for row in table.rows} == {len(table.columns)}


def test_tables_do_without_speed_and_clips() -> None:
    nothing = results() | {"speed": None}
    nothing["video"] = {
        **{"clips": 0, "frames": 0, "closed_percent": 1.5, "open_mm": 1.5},
        "files": {"empty.mp4": {"frames": 5, "faces": 0}},
    }
    titles = [table.title for table in tables.of({"protocol": heads.PROTOCOL, "results": nothing})]
    assert "Speed of a fit" not in titles
    assert "Heads in clips" in titles


# The whole, on a few samples


@pytest.fixture
def some_data(shared: Path, tmp_path: Path) -> Path:
    """The labelled data with a few of its clips; one of them shows nobody."""
    folder = tmp_path / "data"
    (folder / "video").mkdir(parents=True)
    for name in ("photos", "portraits"):
        (folder / name).symlink_to(shared / "data" / name)
    for name in ("dpe_source.mp4", "feifeili_clip1.mp4", "pyfeat_no_face.mp4", "teaser_bimn.mp4"):
        (folder / "video" / name).symlink_to(shared / "data" / "video" / name)
    return folder


@pytest.mark.slow
def test_heads_are_the_same_again(some_data: Path, tmp_path: Path) -> None:
    written = []
    for run in range(2):
        out = tmp_path / f"{run}.json"
        heads.main(some_data, out, limit=2)
        written.append(json.loads(out.read_text())["results"])
    first, second = written
    assert first["known"]["heads"] == 2
    assert first["photos"]["pictures"] == 2
    for part in ("photos", "portraits", "video"):
        assert first[part] == second[part]
    assert first["video"]["worst_percent"] < 5
