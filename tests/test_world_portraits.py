"""People of portraits: prepared folders, mixtures, splits, pictures in the portrait itself.

The portraits are drawn by the world, so that what was captured can be compared with the truth.
"""

import csv
import json
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.cli import main
from mien.errors import InputError
from mien.find.finder import FaceFinder
from mien.head.model import CELEBAMASK
from mien.media.image import read_image, write_image
from mien.world import backdrop, people, portraits
from mien.world import world as worlds
from mien.world.manipulate import KINDS, Forgeries, manipulate
from mien.world.portraits import Portraits, prepare
from mien.world.recipe import Recipe
from mien.world.shards import labels
from mien.world.world import World, drawn

COUNT = 6
PLAIN = {
    "yaw": {"range": [-8, 8]}, "pitch": 0, "roll": 0, "blink": False, "speaking": False,
    "fill": 0.75, "occluder": False, "mask": False, "glasses": False, "pattern": False,
    "degrade": 0, "makeup": False, "beard": False, "gaze_yaw": 0, "gaze_pitch": 0,
    "hair": {"choices": ["short", "crop"]}, "contrast": {"range": [0.2, 0.6]},
    "emotion": {"choices": ["neutral"]}, "shift_x": 0, "shift_y": 0,
    "exposure": 1.0, "glossy": 0.1,
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Portraits with labels, their true skin tones, one that shows nobody and one that is none."""
    folder = tmp_path_factory.mktemp("portraits")
    world = World(Recipe.of({"people": 99, "size": 240, "factors": PLAIN}), seed=5)
    points = np.zeros((COUNT + 1, 478, 3), np.int16)
    rows, tones = [], []
    for i in range(COUNT):
        sample = world.sample(i)
        write_image(folder / f"{i}.png", sample["image"])
        points[i] = np.round(sample["landmarks"] / 240 * 20000)
        gender = "female" if i < COUNT / 2 else "male"
        rows.append([f"{i}.png", gender, "any", f"{sample['age']:.1f}"])
        tones.append(sample["skin_tone"])
    write_image(folder / "nobody.png", np.full((200, 240, 3), 90, np.uint8))
    (folder / "torn.jpg").write_bytes(b"not a picture")
    with (folder / "index.csv").open("w", newline="") as file:
        rows.append(["nobody.png", "female", "any", ""])
        csv.writer(file).writerows([["file", "gender", "group", "age_faceapi"], *rows])
    np.savez(folder / "labels.npz", landmarks=points)
    np.save(folder / "tones.npy", tones)
    return folder


@pytest.fixture(scope="module")
def prepared(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("people")
    prepare(folder, out, source="drawn by the world")
    return out


def recipe(prepared: Path, **more: object) -> Recipe:
    usual = {"people": 40, "size": 128, "portraits": str(prepared),
             "splits": {"train": 0.5, "val": 0.5}}  # fmt: skip
    return Recipe.of(usual | more)


# -- preparing -------------------------------------------------------------------------------------


def test_what_cannot_be_used_is_counted(prepared: Path) -> None:
    manifest = json.loads((prepared / "manifest.json").read_text())
    assert manifest["portraits"] == COUNT + 2
    assert manifest["people"] == COUNT == len(Portraits.open(prepared))
    assert manifest["skipped"] == {"no face": 1, "unreadable": 1}
    assert manifest["source"] == "drawn by the world" and "terms" in manifest


def test_skin_is_captured_without_its_light(folder: Path, prepared: Path) -> None:
    index = Portraits.open(prepared).index
    true = np.load(folder / "tones.npy")
    assert np.abs(index["tone"] - true).max() < 20  # degrees of ITA; people are 70 apart
    assert np.corrcoef(index["tone"], true)[0, 1] > 0.9
    assert index["gender"].tolist() == ["female"] * 3 + ["male"] * 3


def test_hair_and_background_are_not_on_the_skin(prepared: Path) -> None:
    for at in range(COUNT):
        texture = np.log(Portraits.open(prepared).record(at).texture().mean(2))
        cheek = np.median(texture[120:150, 70:100])
        beside = [texture[200:250, 60:196], texture[20:40, 60:196]]  # neck, top of the forehead
        assert all(np.quantile(np.abs(place - cheek), 0.98) < 0.7 for place in beside), at


def test_a_second_run_keeps_what_is_there(folder: Path, prepared: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    shutil.copytree(prepared, again)
    (again / "1.png.npz").write_bytes(b"half written")
    (again / "manifest.json").unlink()
    before = (again / "0.png.npz").stat().st_mtime_ns
    manifest = prepare(folder, again)
    assert (again / "0.png.npz").stat().st_mtime_ns == before
    assert manifest["hash"] == Portraits.open(prepared).hash
    assert not list(again.glob(".*"))


def test_a_portrait_without_labels_is_found(astronaut: np.ndarray, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_image(tmp_path / "in" / "a.png", astronaut)
    assert main(["world", "people", str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 0
    index = Portraits.open(tmp_path / "out").index
    assert index["gender"].tolist() == [""] and np.isnan(index["age"]).all()
    record = Portraits.open(tmp_path / "out").record(0)
    assert record.photo().shape[0] == record.photo().shape[1]
    box = record.landmarks()
    assert (box >= 0).all() and (box < len(record.photo())).all()


def test_folders_of_no_use_are_refused(
    prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["world", "people", str(tmp_path / "none"), "--out", str(tmp_path / "o")]) != 0
    assert "none" in capsys.readouterr().err
    with pytest.raises(InputError, match="no portraits"):
        prepare(tmp_path, tmp_path / "o")
    with pytest.raises(InputError, match=r"^portraits: .*nowhere"):
        recipe(tmp_path / "nowhere")
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(InputError, match=r"^portraits: .*manifest"):
        recipe(tmp_path)
    with pytest.raises(InputError, match=r"^backdrop"):
        Recipe(backdrop=0.5)
    with pytest.raises(InputError, match=r"^from_portraits"):
        recipe(prepared, from_portraits=2)
    with pytest.raises(InputError, match=r"^portraits"):
        World(recipe(prepared, splits={"train": 0.99, "val": 0.01}, people=4000), "val")


# -- people ----------------------------------------------------------------------------------------


def test_no_portrait_is_in_two_splits_through_mixtures(prepared: Path) -> None:
    worlds = {split: World(recipe(prepared), split) for split in ("train", "val")}
    folk = {split: [world.scene(i).person for i in range(10)] for split, world in worlds.items()}
    parents = {split: {p for who in some for p in who.parents} for split, some in folk.items()}
    assert parents["train"] and parents["val"] and not parents["train"] & parents["val"]
    numbers = {split: {who.number for who in some} for split, some in folk.items()}
    assert not numbers["train"] & numbers["val"]
    assert {who.source for who in folk["train"]} == {"portrait", "mixture"}


def test_a_share_of_the_people_is_of_portraits(prepared: Path) -> None:
    world = World(recipe(prepared, from_portraits=0.5), "train")
    sources = [world._everybody.person(number).source for number in world.people]
    assert sources == ["portrait"] * 3 + ["mixture"] * 7 + ["model"] * 10
    assert World(Recipe(people=5)).scene(0).person.source == "model"


def test_mixtures_are_new_people_of_known_parents(prepared: Path) -> None:
    world = World(recipe(prepared, splits={"train": 1.0}), "train")
    index = Portraits.open(prepared).index
    mixed = [world._everybody.person(number) for number in world.people[COUNT:]]
    assert len({who.identity.tobytes() for who in mixed}) == len(mixed)
    for who in mixed:
        assert 2 <= len(set(who.parents)) <= 3
        genders = set(index["gender"][list(who.parents)])
        assert who.gender == (genders.pop() if len(genders) == 1 else "")
        tones = index["tone"][list(who.parents)]
        assert who.texture is not None
        assert tones.min() - 15 < people.skin_tone(who.texture) < tones.max() + 15


def test_samples_follow_from_the_recipe_alone(prepared: Path) -> None:
    made = recipe(prepared, backdrop=0.3, people=16)
    first = [World(made, "train", 1).sample(i) for i in range(4)]
    for kept in (people._kept, people._record, backdrop._staged, worlds._look, worlds._styled):
        kept.cache_clear()
    world = pickle.loads(pickle.dumps(World(made, "train", 1)))
    for i in reversed(range(4)):
        sample = world.sample(i)
        assert all(
            np.array_equal(sample[name], first[i][name], equal_nan=name == "uv")
            for name in ("image", "parsing", "landmarks", "identity", "uv")
        )
        assert labels(sample) == labels(first[i])


def test_a_moved_folder_is_the_same_recipe(prepared: Path, tmp_path: Path) -> None:
    shutil.copytree(prepared, tmp_path / "people")
    (tmp_path / "r.yaml").write_text("people: 40\nportraits: people\n")
    moved = Recipe.load(tmp_path / "r.yaml")
    assert moved.fingerprint() == Recipe(people=40, portraits=str(prepared)).fingerprint()
    assert moved.fingerprint() != Recipe(people=40).fingerprint()


# -- in the portrait itself ------------------------------------------------------------------------


def shown(prepared: Path, size: int = 240) -> tuple[World, int]:
    made = recipe(prepared, backdrop=1.0, people=COUNT, size=size, splits={"train": 1.0},
                  factors=PLAIN | {"yaw": 0, "emotion": {"choices": ["happiness"]}})  # fmt: skip
    return World(made, "train"), 1


def test_truth_of_a_backdrop_agrees_with_its_picture(prepared: Path) -> None:
    world, index = shown(prepared)
    sample = world.sample(index)
    assert sample["backdrop"] and sample["source"] == "portrait" and sample["hair"] == ""
    known = {*range(len(CELEBAMASK)), backdrop.UNKNOWN}
    assert set(np.unique(sample["parsing"])) <= known
    assert backdrop.UNKNOWN in sample["parsing"] and sample["parsing"][0, 0] == 0
    (faces,) = FaceFinder.bundled().find([sample["image"]])
    assert len(faces) == 1
    eyes = np.linalg.norm(np.subtract(*sample["landmarks"][[33, 263], :2]))
    assert faces[0].landmarks is not None
    away = np.linalg.norm(faces[0].landmarks[:, :2] - sample["landmarks"][:, :2], axis=1)
    assert np.median(away) < 0.05 * eyes
    lips = np.isin(sample["parsing"], [CELEBAMASK.index("upper_lip")])
    rows, columns = np.nonzero(lips)
    assert abs(columns.mean() - sample["landmarks"][0, 0]) < 0.1 * eyes
    assert abs(rows.mean() - sample["landmarks"][0, 1]) < 0.2 * eyes


def test_a_face_that_is_not_moved_is_the_portrait(prepared: Path) -> None:
    world, index = shown(prepared)
    scene = world.scene(index)
    assert scene.portrait is not None
    fit, old = scene.portrait.fit(), scene.portrait.values["light"]
    pose = np.array([fit.pose.yaw, fit.pose.pitch, fit.pose.roll])
    same = replace(scene.light, around=old, strength=0.0)
    still = replace(scene, expression=fit.expression, gaze=fit.gaze, pose=pose, light=same,
                    exposure=1.0, style=None, faults=None)  # fmt: skip
    away = np.abs(drawn(still).image.astype(int) - scene.portrait.photo())
    assert away.mean() < 1.5
    lit = replace(same, lamp=np.array([1.0, 0, 0], np.float32), strength=1.0)
    picture = drawn(replace(still, light=lit)).image.mean(2)
    before, nose = scene.portrait.photo().mean(2), int(scene.portrait.landmarks()[4, 0])
    gain = cv2.blur(picture - before, (9, 9))
    skin = drawn(still).parsing == CELEBAMASK.index("skin")
    assert gain[:, nose:][skin[:, nose:]].mean() > gain[:, :nose][skin[:, :nose]].mean() + 5


@pytest.mark.parametrize("kind", KINDS)
def test_manipulations_change_a_portrait_or_are_refused(prepared: Path, kind: str) -> None:
    world, index = shown(prepared, 128)
    rng = np.random.default_rng(3)
    if kind in ("swap-rendered", "hair-colour"):
        with pytest.raises(InputError, match=f"sample 1: {kind} cannot change .* in a portrait$"):
            manipulate(world, index, kind, rng)
        return
    made = manipulate(world, index, kind, rng)
    changed = (made.image != made.original).any(-1)
    assert changed.mean() >= 0.002 and (changed == (made.mask > 0)).all()
    assert made.label["kind"] == kind


def test_forged_portraits_take_turns_with_what_can_be_drawn(prepared: Path) -> None:
    mixed = World(recipe(prepared, backdrop=0.5, splits={"train": 1.0}), "train")
    shots = [Forgeries(mixed, ("swap-rendered",)).pair(n, "swap-rendered")[1] for n in range(3)]
    for example in shots:
        assert mixed.scene(example["label"]["index"]).portrait is None
    with pytest.raises(InputError, match=r"pair 0: .*swap-rendered cannot change"):
        Forgeries(shown(prepared, 64)[0], ("swap-rendered",)).sample(1)


def test_landmarks_of_a_backdrop_are_those_that_are_drawn(prepared: Path) -> None:
    scene = shown(prepared, 128)[0].scene(1)
    assert np.allclose(backdrop.landmarks(scene), drawn(scene).landmarks[:, :2], atol=1e-3)


# -- of the labelled set ---------------------------------------------------------------------------


@pytest.mark.slow
def test_portraits_of_the_labelled_set(shared: Path, tmp_path: Path) -> None:
    folder = shared / "data" / "portraits"
    manifest = prepare(folder, tmp_path / "people", limit=8)
    assert manifest["people"] >= 7
    record = Portraits.open(tmp_path / "people").record(0)
    assert record.values["quality"] > 0.9
    assert (record.photo() == read_image(folder / "0000.jpg")).mean() > 0.1
    assert np.ptp(record.landmarks()[:, 1]) > portraits.SMALLEST
