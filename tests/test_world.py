"""The world: recipes, people, samples whose truth is true, shards."""

import json
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.cli import main
from mien.errors import InputError
from mien.face import LEFT_EYE, RIGHT_EYE
from mien.find.finder import FaceFinder
from mien.head.fit import GAZE_CURVES
from mien.head.model import CELEBAMASK
from mien.world.action_units import action_units
from mien.world.emotions import NAMES
from mien.world.occluders import OCCLUDER
from mien.world.people import person, skin_tone
from mien.world.recipe import FACTORS, Recipe
from mien.world.shards import labels, make
from mien.world.world import World

PLAIN = Recipe.of(
    {
        "name": "plain",
        "people": 60,
        "factors": {
            "yaw": {"range": [-8, 8]}, "pitch": {"range": [-5, 5]}, "roll": 0, "blink": False,
            "fill": {"range": [0.6, 0.8]}, "occluder": False, "mask": False, "glasses": False,
            "pattern": False, "degrade": 0, "hair": {"choices": ["buzz", "short", "bald"]},
            "contrast": {"range": [0.2, 0.6]},
        },
    }
)  # fmt: skip


def same(a: dict, b: dict) -> bool:
    arrays = [name for name, value in a.items() if isinstance(value, np.ndarray | np.generic)]
    plain = a.keys() - arrays
    return a.keys() == b.keys() and all(
        [np.asarray(a[name]).tobytes() == np.asarray(b[name]).tobytes() for name in arrays]
        + [a[name] == b[name] for name in plain]
    )


# -- samples ---------------------------------------------------------------------------------------


def test_a_sample_follows_from_recipe_seed_and_number() -> None:
    first = [World(seed=3).sample(i) for i in range(6)]
    world = World(seed=3)
    again = [world.sample(i) for i in reversed(range(6))][::-1]
    assert all(map(same, first, again))
    assert not np.array_equal(first[0]["image"], World(seed=4).sample(0)["image"])
    assert not np.array_equal(first[0]["image"], World(split="val", seed=3).sample(0)["image"])


def test_only_what_is_named_is_drawn_and_is_the_same() -> None:
    world = World(PLAIN, seed=3)
    whole, names = world.sample(1), ("image", "parsing", "normals")
    part = world.sample(1, names)
    assert set(part) == set(names)
    assert same(part, {name: whole[name] for name in names})
    assert world.sample(1, ()) == {}
    with pytest.raises(InputError, match="no 'nose'"):
        world.sample(1, ("image", "nose"))


@pytest.mark.slow
def test_200_samples_are_the_same_in_another_process() -> None:
    code = (
        "import hashlib; from mien.world.recipe import Recipe\n"
        "from mien.world.world import World; w = World(Recipe(size=96), seed=1)\n"
        "h = hashlib.sha256()\n"
        "for i in range({0}, 200, {1}): h.update(w.sample(i)['image'].tobytes())\n"
        "print(h.hexdigest())"
    )

    def run(first: int, step: int) -> str:
        command = [sys.executable, "-c", code.format(first, step)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    world = World(Recipe(size=96), seed=1)
    images = [world.sample(i)["image"].tobytes() for i in range(200)]
    import hashlib

    for first in range(2):
        here = hashlib.sha256(b"".join(images[first::2])).hexdigest()
        assert run(first, 2).strip() == here


def test_nobody_is_in_two_splits() -> None:
    recipe = Recipe(people=50)
    numbers = [set(recipe.numbers(split)) for split in recipe.splits]
    assert sum(map(len, numbers)) == 50 and not set.intersection(*numbers)
    seen = {World(recipe, "val", seed=s).scene(i).person.number for s in range(3) for i in range(9)}
    assert seen <= numbers[1]


def test_a_person_is_the_same_in_every_picture() -> None:
    world = World(Recipe(people=3), split="train")
    scenes = [world.scene(i) for i in range(30)]
    for number in {scene.person.number for scene in scenes}:
        codes = [s.person.identity for s in scenes if s.person.number == number]
        assert all(np.array_equal(code, codes[0]) for code in codes)
    assert not np.array_equal(person(0).identity, person(1).identity)


def test_whoever_is_asked_for_can_be_made() -> None:
    for number in range(0, 3000, 7):
        assert person(number).number == number


def test_arrays_are_as_documented() -> None:
    sample = World(seed=2).sample(0)
    size = 256
    shapes = {
        "image": ((size, size, 3), np.uint8), "parsing": ((size, size), np.uint8),
        "depth": ((size, size), np.float32), "normals": ((size, size, 3), np.float32),
        "albedo": ((size, size, 3), np.float32), "uv": ((size, size, 2), np.float32),
        "landmarks": ((478, 3), np.float32), "landmarks68": ((68, 3), np.float32),
        "expression": ((52,), np.float32), "action_units": ((23,), np.float32),
    }  # fmt: skip
    for name, (shape, kind) in shapes.items():
        assert (sample[name].shape, sample[name].dtype) == (shape, kind), name
    assert set(np.unique(sample["parsing"])) <= {*range(len(CELEBAMASK)), OCCLUDER}
    assert ((sample["expression"] >= 0) & (sample["expression"] <= 1)).all()
    json.dumps(labels(sample))


# -- truth -----------------------------------------------------------------------------------------


def test_landmarks_agree_with_the_network_that_finds_them() -> None:
    world, finder = World(PLAIN, seed=5), FaceFinder.bundled()
    errors = []
    for index in range(24):
        sample = world.sample(index)
        faces = finder.find([sample["image"]], max_faces=1)[0]
        assert faces, index
        assert faces[0].landmarks is not None
        found, true = faces[0].landmarks[:, :2], sample["landmarks"][:, :2]
        width = np.linalg.norm(true[33] - true[263])
        errors.append(np.linalg.norm(found - true, axis=1).mean() / width)
    assert np.median(errors) < 0.035


def test_parsing_is_where_the_geometry_is() -> None:
    world = World(PLAIN, seed=6)
    for index in range(6):
        sample = world.sample(index)
        for ring, name in ((LEFT_EYE, "left_eye"), (RIGHT_EYE, "right_eye")):
            points = sample["landmarks"][ring, :2]
            rows, columns = np.nonzero(sample["parsing"] == CELEBAMASK.index(name))
            assert len(rows) > 10
            low, high = points.min(0) - 2, points.max(0) + 2
            assert (columns >= low[0]).all() and (columns <= high[0]).all()
            assert (rows >= low[1]).all() and (rows <= high[1]).all()
        covered = sample["parsing"] > 0
        assert np.array_equal(covered, np.isfinite(sample["depth"]))
        head = covered & (sample["parsing"] != CELEBAMASK.index("cloth"))
        assert (np.abs(np.linalg.norm(sample["normals"][head], axis=1) - 1) < 1e-3).all()


def test_depth_and_landmarks_agree() -> None:
    sample = World(PLAIN, seed=7).sample(1)
    nose = sample["landmarks"][4]
    column, row = nose[:2].astype(int)
    seen = sample["depth"][row, column]
    assert abs(seen - sample["depth"][np.isfinite(sample["depth"])].min()) < 12  # the nearest part


def test_action_units_are_a_linear_reading_of_the_curves() -> None:
    world = World(seed=8)
    for index in range(10):
        sample = world.sample(index)
        curves = sample["expression"].astype(np.float64)
        read = action_units(curves)
        np.testing.assert_allclose(read, sample["action_units"], atol=1e-3)


def test_the_left_of_a_person_is_on_the_right_of_the_picture() -> None:
    sample = World(PLAIN, seed=9).sample(0)
    x = [np.nonzero(sample["parsing"] == CELEBAMASK.index(name))[1].mean()
         for name in ("right_eye", "left_eye")]  # fmt: skip
    assert x[0] < x[1]


def test_fair_and_dark_skins_have_their_angle() -> None:
    def tone(colour: tuple[float, float, float]) -> float:
        return skin_tone(np.tile(np.array(colour, np.float32), (64, 64, 1)))

    assert tone((0.75, 0.55, 0.45)) > 40 > tone((0.35, 0.2, 0.13)) > tone((0.08, 0.045, 0.03))


# -- recipes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("factors: {smile: 1}", "factors.smile"),
        ("factors: {yaw: {range: [30, -30]}}", "factors.yaw.range"),
        ("factors: {yaw: {range: [-300, 30]}}", "factors.yaw.range"),
        ("factors: {yaw: {range: [a, b]}}", "factors.yaw.range"),
        ("factors: {yaw: .nan}", "factors.yaw"),
        ("factors: {glasses: {probability: 1.5}}", "factors.glasses.probability"),
        ("factors: {emotion: {choices: [hunger]}}", "factors.emotion.choices"),
        ("factors: {emotion: {choices: {anger: -1}}}", "factors.emotion.choices"),
        ("factors: {emotion: {range: [0, 1]}}", "factors.emotion"),
        ("factors: {yaw: {range: [0, 1], value: 3}}", "factors.yaw"),
        ("together: [{factor: yaw, follows: mood, strength: 1}]", "together.follows"),
        ("together: [{factor: yaw, follows: person, strength: 2}]", "together.strength"),
        ("together: [{factor: yaw, follows: yaw, strength: 1}]", "together"),
        ("people: 0", "people"),
        ("size: 100000", "size"),
        ("splits: {train: 0.5}", "splits"),
        ("source: internet", "source"),
        ("colour: red", "colour"),
        ("[1, 2]", "recipe"),
        ("a: [", "not YAML"),
    ],
)
def test_a_bad_recipe_is_refused_by_the_name_of_its_field(
    tmp_path: Path, text: str, named: str
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"bad\.yaml") as caught:
        Recipe.load(path)
    assert named in str(caught.value) and "\n" not in str(caught.value)


@given(st.integers(0, 2**31), st.sampled_from(sorted(FACTORS)))
@settings(max_examples=60, deadline=None)
def test_factors_stay_within_their_limits(seed: int, name: str) -> None:
    limits = FACTORS[name]
    value = Recipe().draw(3, np.random.default_rng(seed))[name]
    if limits.names:
        assert value in limits.names
    elif limits.usual.probability is None:
        assert limits.low <= value <= limits.high


def test_a_factor_follows_the_person_as_often_as_it_says() -> None:
    spec = {"factors": {"emotion": {"choices": list(NAMES[:7])}},
            "together": [{"factor": "emotion", "follows": "person", "strength": 0.9}]}  # fmt: skip
    recipe = Recipe.of(yaml.safe_load(yaml.safe_dump(spec)))
    rng = np.random.default_rng(0)
    drawn = [recipe.draw(5, rng)["emotion"] for _ in range(600)]
    commonest = max(set(drawn), key=drawn.count)
    assert 0.86 < drawn.count(commonest) / 600 < 0.97  # 0.9 and a seventh of the rest
    free = [Recipe().draw(5, rng)["emotion"] for _ in range(600)]
    assert max(map(free.count, set(free))) / 600 < 0.3


def test_eyes_look_where_the_recipe_says() -> None:
    recipe = Recipe.of({"factors": {"gaze_yaw": 20, "gaze_pitch": 0}})
    sample = World(recipe).sample(0)
    np.testing.assert_allclose(sample["gaze"], [20, 0, 20, 0])
    assert sample["expression"][GAZE_CURVES].max() > 0.4


# -- shards and the command line -------------------------------------------------------------------


def test_shards_are_the_same_for_any_number_of_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mien.world.shards.PER_SHARD", 2)
    small = Recipe(size=64, people=20)
    one = make(small, tmp_path / "one", count=4, split="val")
    two = make(small, tmp_path / "two", count=4, split="val", processes=2)
    hashes = [shard["sha256"] for shard in one["shards"]]
    assert len(hashes) >= 2 and hashes == [shard["sha256"] for shard in two["shards"]]
    with tarfile.open(tmp_path / "one" / one["shards"][0]["file"]) as tar:
        names = tar.getnames()
        assert names[:3] == ["00000000.jpg", "00000000.json", "00000000.npz"]
        content = tar.extractfile("00000000.json")
        assert content is not None and json.load(content)["synthetic"] is True
    manifest = json.loads((tmp_path / "one" / "val.json").read_text())
    assert manifest["count"] == 4 and manifest["recipe_hash"] == small.fingerprint()


def test_commands_draw_and_say(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = tmp_path / "small.yaml"
    recipe.write_text("size: 64\npeople: 10\n")
    out = tmp_path / "one.png"
    assert main(["world", "sample", "3", "--recipe", str(recipe), "--out", str(out)]) == 0
    assert json.loads(capsys.readouterr().out)["synthetic"] is True and out.stat().st_size > 1000
    sheet = tmp_path / "sheet.jpg"
    assert (
        main(["world", "show", "--recipe", str(recipe), "--count", "4", "--out", str(sheet)]) == 0
    )
    made = tmp_path / "made"
    assert main(["world", "make", str(recipe), "--count", "2", "--out", str(made)]) == 0
    assert (made / "train.json").is_file()
    assert main(["world", "sample", "0", "--split", "nowhere", "--out", str(out)]) == 1
    assert "nowhere" in capsys.readouterr().err
