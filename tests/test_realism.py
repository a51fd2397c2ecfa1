"""Realism: distances, traits and the judge on sets whose difference is known; the command."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from mien.cli import app
from mien.data.portraits import Portraits
from mien.errors import InputError
from mien.evaluate import realism
from mien.evaluate.metrics.images import kid
from mien.evaluate.tables import realism as tables
from mien.head.model import MATERIALS, HeadModel, rotations
from mien.world import details, makeup
from mien.world.scene import Lighting
from mien.world.shade import Pixels

torch = pytest.importorskip("torch")
judge = pytest.importorskip("mien.evaluate.judge")


def noise(count: int, seed: int, level: float = 120.0) -> np.ndarray:
    """Crops of smooth noise about a level."""
    rng = np.random.default_rng(seed)
    coarse = rng.normal(level, 30, (count, 16, 16, 3))
    return coarse.repeat(8, 1).repeat(8, 2).clip(0, 255).astype(np.uint8)


def photos(seed: int, level: float = 120.0) -> realism.Photos:
    return realism.Photos(*(noise(count, seed + count, level) for count in (32, 12, 16)))


# Distances


def test_sets_of_one_kind_have_no_kid_and_shifted_sets_have_the_more_the_further() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 200, 12))
    same = realism.kid_interval(x, y, 300)
    near, far = (realism.kid_interval(x + shift, y, 300) for shift in (0.5, 1.0))
    assert same.low < 0 < same.high
    assert 0 < near.low < near.estimate < far.estimate
    assert near.high < far.low


def test_the_estimate_is_the_kid_of_all_features() -> None:
    x, y = np.random.default_rng(1).normal(size=(2, 50, 8))
    assert realism.kid_interval(x, y, 10).estimate == pytest.approx(
        kid(x, y, subsets=1, size=50), abs=1e-9
    )


def test_the_interval_covers_the_kid_of_new_draws() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(2, 150, 6))
    found = realism.kid_interval(x + 0.4, y)
    others = [
        kid(rng.normal(size=(150, 6)) + 0.4, rng.normal(size=(150, 6)), subsets=1, size=150)
        for _ in range(40)
    ]
    width = found.high - found.low
    assert found.low < found.estimate < found.high
    assert np.std(others) == pytest.approx(width / 3.92, rel=0.5)


def test_distances_by_layer_grow_with_the_difference_of_pictures() -> None:
    reference = noise(48, 0)
    features = realism.Features(reference)
    real = features(noise(48, 1))
    same = realism.distances(features(noise(48, 2)), real)
    other = realism.distances(features(noise(48, 2, 200.0)), real)
    assert set(same) == set(realism.LAYERS)
    for name in same:
        assert other[name]["kid"] > 2 * same[name]["kid"]
        assert other[name]["fid"] is same[name]["fid"] is None  # of so few pictures


def test_the_fid_grows_with_the_difference_where_pictures_are_enough() -> None:
    x, y = np.random.default_rng(3).normal(size=(2, 60, 12))
    same, other = (realism.distances({"parts": x + shift}, {"parts": y}) for shift in (0, 1))
    assert other["parts"]["fid"] > same["parts"]["fid"] + 5


def test_features_are_scaled_over_the_reference() -> None:
    reference = noise(24, 3)
    for values in realism.Features(reference)(reference).values():
        assert values.mean(0) == pytest.approx(0, abs=1e-6)
        assert values.std(0).max() == pytest.approx(1)


# Parts and traits


def test_parts_of_a_crop_do_not_overlap_and_lie_where_they_should() -> None:
    parts = realism.parts()
    assert np.sum(list(parts.values()), 0).max() == 1
    height = {name: np.flatnonzero(mask.any(1)).mean() for name, mask in parts.items()}
    assert height["hair"] < height["eyes"] < height["mouth"] < height["neck"]
    for mask in parts.values():
        assert mask.sum() > 300


def test_traits_name_what_was_changed() -> None:
    real = noise(20, 4)
    brighter = (real.astype(int) + 40).clip(0, 255).astype(np.uint8)
    assert np.abs([*realism.trait_gaps(real, real)["skin"].values()]).max() < 1e-6
    for part, row in realism.trait_gaps(brighter, real).items():
        assert row["lightness"] > 2, part
    grain = np.random.default_rng(0).normal(0, 12, real.shape)
    grainy = (real + grain).clip(0, 255).astype(np.uint8)
    row = realism.trait_gaps(grainy, real)["skin"]
    assert row["fine"] > 5
    assert abs(row["lightness"]) < 0.5


# The judge


def test_the_judge_tells_bright_from_dark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"SEEDS": 1, "SHOWN": 2, "BATCH": 16, "ROUNDS": 10}.items():
        monkeypatch.setattr(judge, name, value)
    skin = {"skin": realism.parts()["skin"]}
    found = judge.measure(photos(0), photos(100, 190.0), skin, tmp_path / "looks")
    assert found["whole"]["auc"][0] > 0.95
    assert found["whole"]["accuracy"][0] > 0.9
    assert found["views"]["skin"]["auc"][0] > 0.8
    assert np.shape(found["map"]) == (8, 8)
    assert {path.name for path in (tmp_path / "looks").iterdir()} == {"map.png", "faces.png"}


def test_two_sets_of_one_kind_are_not_told_apart() -> None:
    first, second = photos(0), photos(50)
    judges = [judge.teach(first, second, judge.whole, seed, 1) for seed in range(2)]
    row = judge.told(judges, first, second, judge.whole)
    assert row["auc"][1] < 0.5 < row["auc"][2]
    assert len(row["auc_by_seed"]) == 2


def test_a_view_hides_the_rest() -> None:
    mask = realism.parts()["mouth"]
    view = judge.views(realism.parts())["mouth"]
    x = judge._tensor(noise(2, 5)).float() / 255
    changed = x.clone()
    changed[:, :, ~mask] = 0
    assert (view(x) == view(changed)).all()
    changed[:, :, mask] = 0
    assert not (view(x) == view(changed)).all()


def test_hiding_what_gives_away_shows_in_the_map() -> None:
    class Looks(judge.Judge):
        """Goes by how white one place is."""

        def forward(self, x: Any) -> Any:
            return x[:, :, 16:32, 64:80].mean((1, 2, 3))

    crops = noise(4, 7, 60.0)
    crops[:, 16:32, 64:80] = 255
    falls = judge.occlusion([Looks()], crops)
    assert np.unravel_index(falls.argmax(), falls.shape) == (1, 4)
    assert falls[1, 4] > 0.2
    assert np.abs(np.delete(falls.ravel(), 12)).max() < 0.02


# The protocol


def test_crops_of_the_world_are_the_same_each_time_and_of_faces() -> None:
    case = realism.CASES["matched"]
    first, second = ([*case.crops("test", 2)] for _ in range(2))
    assert (np.stack(first) == np.stack(second)).all()
    assert first[0].shape == (128, 128, 3)
    centre = first[0][48:80, 48:80].mean((0, 1))
    assert centre[0] > centre[2]  # skin is redder than blue


def test_files_change_little() -> None:
    image = noise(1, 6)[0]
    assert 0 < np.abs(realism.filed(image).astype(int) - image).mean() < 6


def result() -> dict:
    distance = {name: {"fid": 9.0, "kid": 80.0, "kid_ci95": [70, 90]} for name in realism.LAYERS}
    row = {"auc": [0.9, 0.8, 1.0], "auc_by_seed": [0.9], "accuracy": [0.8, 0.7, 0.9]}
    found = {
        "held_back": 336,
        "distances": distance,
        "traits": {"skin": dict.fromkeys(realism.TRAITS, 0.5)},
        "judge": {"whole": row, "views": {"eyes": row}, "map": []},
    }
    steps = [{"step": "before", **realism.summary("matched", found)}]
    return {"network": "n", "floor": distance, "cases": {"matched": found}, "steps": steps}


def test_tables_show_distances_judge_traits_and_steps() -> None:
    text = "\n".join(table.markdown() for table in tables.tables(result()))
    for wanted in ("floor", "matched, eyes", "0.900", "before (matched)", "+0.5"):
        assert wanted in text
    assert len(tables.tables(result() | {"steps": []})) == 3


def test_earlier_steps_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "realism.json"
    assert realism._earlier(file) == {"cases": {}, "steps": []}
    file.write_text(json.dumps({"protocol": realism.PROTOCOL, "results": result()}))
    assert realism._earlier(file) == {name: result()[name] for name in ("cases", "steps")}
    file.write_text("[]")
    with pytest.raises(InputError, match="not a result"):
        realism._earlier(file)


def test_cases_measured_on_what_the_drawing_was_tuned_on_are_not_kept(tmp_path: Path) -> None:
    file, old = tmp_path / "realism.json", result()
    del old["steps"][0]["held_back"]
    file.write_text(json.dumps({"protocol": "realism/1", "results": old}))
    assert realism._earlier(file) == {"cases": {}, "steps": result()["steps"]}


def test_halves_have_no_portrait_and_no_drawing_in_common(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = np.arange(40) % 4 == 0
    portraits = Portraits(tmp_path, [""] * 40, np.zeros((40, 478, 3), np.float32), test)
    monkeypatch.setattr(realism, "portrait_crops", lambda _, chosen: chosen)
    final, tuning = (realism.Photos.of(portraits, half) for half in realism.HALVES)
    assert sorted([*final.test, *tuning.test]) == np.flatnonzero(test).tolist()
    assert (final.train == tuning.train).all() and not set(final.train) & set(final.test)
    asked = []

    class Counted(realism.Case):
        def crops(self, split: str, count: int, seed: int = 0):
            asked.append((split, seed))
            return iter(np.zeros((count, 1), np.uint8))

    for half in realism.HALVES:
        realism.drawings(Counted(realism.MATCHED), "", half, 5, 4)
    first, second = set(asked[:3]), set(asked[3:])
    assert {split for split, _ in first & second} == {"train", "val"}
    assert {split for split, _ in first ^ second} == {"test"}


def test_without_portraits_the_command_answers_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MIEN_SHARED", raising=False)
    monkeypatch.chdir(tmp_path)
    told = CliRunner().invoke(app, ["evaluate", "realism"])
    assert told.exit_code != 0
    assert "does not exist" in told.output
    with pytest.raises(InputError, match="no portraits"):
        realism.main(tmp_path)


def test_unknown_cases_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="matched"):
        realism.main(tmp_path, cases=("perfect",))


# What was fixed in the drawing


@pytest.fixture(scope="module")
def model() -> HeadModel:
    return HeadModel.bundled()


def test_lids_shade_the_eyes_more_the_nearer_and_nothing_else(model: HeadModel) -> None:
    light = np.ones((len(model.template), 4), np.float32)
    details.shade_eyes(light, model.template, model.landmarks(model.template), np.eye(3))
    sclera = np.unique(model.triangles[model.material == MATERIALS.index("sclera")])
    face = np.unique(model.triangles[model.material == MATERIALS.index("face")])
    assert (light[face] == 1).all()
    seen = sclera[model.template[sclera, 2] > np.median(model.template[sclera, 2])]
    height = model.template[seen, 1]
    top = light[seen[height > np.quantile(height, 0.9)], 0]
    middle = light[seen[np.abs(height - np.median(height)) < 2], 0]
    assert 0 < top.max() <= middle.max() <= 1
    assert top.mean() < middle.mean() - 0.1


def test_a_turned_head_has_the_same_shade_on_its_eyes(model: HeadModel) -> None:
    turn = rotations(30, 10)
    upright, turned = (np.ones((len(model.template), 4), np.float32) for _ in range(2))
    points = model.landmarks(model.template)
    details.shade_eyes(upright, model.template, points, np.eye(3))
    details.shade_eyes(turned, model.template @ turn.T, points @ turn.T, turn)
    assert turned == pytest.approx(upright, abs=1e-3)


def test_front_teeth_get_light_and_back_teeth_hardly_any(model: HeadModel) -> None:
    free = details.free(np.zeros(52, np.float32))
    teeth = np.unique(model.triangles[model.material == MATERIALS.index("teeth")])
    depth = model.template[teeth, 2]
    assert free[teeth[depth > np.quantile(depth, 0.9)]].min() > 0.3
    assert free[teeth[depth < np.quantile(depth, 0.1)]].max() < 0.1


def test_lashes_and_seams_darken_only_where_they_are() -> None:
    plain = np.full((256, 256, 3), 0.4, np.float32)
    made = details.painted(plain, np.random.default_rng(0))
    changed = made.min(2) < 0.39
    assert 0.003 < changed.mean() < 0.08
    assert made.max() <= 0.4 + 1e-6
    places = makeup.places(HeadModel.bundled())[[13, 33, 263, 10]]
    rows, columns = ((256 * (1 - places[:, 1])).astype(int), (256 * places[:, 0]).astype(int))
    near = [changed[r - 6 : r + 7, c - 6 : c + 7].any() for r, c in zip(rows, columns, strict=True)]
    assert near == [True, True, True, False]  # lips, corners of the eyes, not the forehead


def light(strength: float = 0.0, side: float = 1.0) -> Lighting:
    return Lighting(np.zeros((9, 3)), np.array([0.5 * side, 0.3, 0.8]), strength)


def points_of_irises() -> np.ndarray:
    points = np.zeros((478, 3))
    points[[468, 469, 473, 474]] = [[20, 32, 0], [25, 32, 0], [44, 32, 0], [49, 32, 0]]
    return points


def test_glints_lie_on_the_irises_on_the_side_of_the_lamp(model: HeadModel) -> None:
    eye = int(np.flatnonzero(model.material == MATERIALS.index("iris"))[0])
    index = np.full((128, 128), eye)
    for side in (1.0, -1.0):
        colour = np.zeros((64, 64, 3), np.float32)
        details.glints(colour, index, points_of_irises(), light(1.0, side), 1.0)
        lit = np.argwhere(colour[..., 0] > 0.1)
        assert len(lit) > 2
        for x in (20, 44):
            mine = lit[np.abs(lit[:, 1] - x) < 8]
            assert np.sign(mine[:, 1].mean() + 0.5 - x) == side
            assert mine[:, 0].mean() < 32  # above the middle


def test_what_hides_an_eye_hides_its_glint(model: HeadModel) -> None:
    for hidden in (-1, len(model.triangles) + 5):
        colour = np.zeros((64, 64, 3), np.float32)
        details.glints(colour, np.full((128, 128), hidden), points_of_irises(), light(), 1.0)
        assert not colour.any()


def test_glints_outside_of_the_picture_are_left_out(model: HeadModel) -> None:
    colour = np.zeros((64, 64, 3), np.float32)
    outside = points_of_irises() + 200
    details.glints(colour, np.zeros((128, 128), int), outside, light(), 1.0)
    assert not colour.any()


def pixels(hair: bool) -> Pixels:
    label = np.zeros((64, 64), np.uint8)
    label[:32] = details.HAIR if hair else 1
    colour = np.full((64, 64, 3), 0.5, np.float32)
    colour[:32:2] = 0.1
    alpha = np.ones((64, 64), np.float32)
    none = np.zeros((0, 0, 3), np.float32)
    return Pixels(colour, alpha, none, label, np.zeros((64, 64), bool))


def test_hair_is_soft_and_shades_what_is_below_it() -> None:
    sharp = pixels(hair=True)
    colour, alpha = details.softened(sharp)
    assert (
        np.abs(np.diff(colour[4:28, 30, 0])).max()
        < np.abs(np.diff(sharp.colour[4:28, 30, 0])).max()
    )
    assert colour[33, 30, 0] < 0.45
    assert colour[60, 30, 0] == pytest.approx(0.5, abs=1e-3)
    assert alpha == pytest.approx(1, abs=1e-3)


def test_pictures_without_hair_stay_as_they_are() -> None:
    given = pixels(hair=False)
    colour, alpha = details.softened(given)
    assert (colour == given.colour).all()
    assert (alpha == given.alpha).all()
