"""Shards of the world: what is written is read back, by number, and checked."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from mien.cli import main
from mien.errors import InputError, UsageError
from mien.systems.represent.facenet import FaceNet
from mien.train.data import open_data
from mien.train.sharded import Shuffled
from mien.train.worldly import Faces
from mien.world import shards
from mien.world.recipe import Recipe
from mien.world.shards import ARRAYS, labels, make, plain
from mien.world.stored import Shards
from mien.world.world import Sample, World

SMALL = Recipe.of({"size": 96, "people": 20, "factors": {"yaw": {"range": [-10, 10]}}})
COUNT = 6


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    world = World(SMALL, seed=2, in_a_row=2)
    return [world.sample(i) for i in range(COUNT)]


@pytest.fixture(scope="module", params=["tar", "parquet"])
def folder(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, samples: list[Sample]
) -> Path:
    """Three shards of two samples, losslessly."""
    out = tmp_path_factory.mktemp(request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "PER_SHARD", 2)
        patch.setattr(World, "sample", lambda self, i: samples[i])
        make(SMALL, out, count=COUNT, seed=2, in_a_row=2, format=request.param, lossless=True)
    return out


def test_what_is_written_is_read(folder: Path, samples: list[Sample]) -> None:
    stored = Shards(folder)
    assert len(stored) == COUNT
    for place in (4, 0, 5):
        read, made = stored[place], samples[place]
        for name in ("image", *ARRAYS):
            np.testing.assert_array_equal(read[name], made[name])
            assert read[name].dtype == made[name].dtype
        assert {name: read[name] for name in labels(made)} == labels(made)
    with pytest.raises(IndexError):
        stored[COUNT]


def test_the_manifest_says_what_was_made(folder: Path) -> None:
    manifest = Shards(folder).manifest
    assert Recipe.of(manifest["recipe"]).fingerprint() == SMALL.fingerprint()
    assert manifest["recipe_hash"] == SMALL.fingerprint()
    assert (manifest["seed"], manifest["count"], manifest["in_a_row"]) == (2, COUNT, 2)
    assert [shard["count"] for shard in manifest["shards"]] == [2, 2, 2]


def test_pictures_say_that_they_are_synthetic(folder: Path) -> None:
    assert all(b"synthetic" in file.read_bytes() for file in folder.glob("train-*"))


def test_words_are_those_of_the_world(folder: Path, samples: list[Sample]) -> None:
    stored, world = Faces(Shuffled(Shards(folder), 0), 48), World(SMALL, seed=2, in_a_row=2)
    stream = stored.pictures
    assert isinstance(stream, Shuffled)
    place = stream.place(3)
    drawn = Faces(world, 48).sample(place)
    for name, value in stored.sample(3).items():
        assert torch.equal(value, drawn[name]), name


def test_each_pass_has_every_sample_once_and_people_stay_together(folder: Path) -> None:
    stream = Shuffled(Shards(folder), 5)
    first, second = ([stream.place(e * COUNT + i) for i in range(COUNT)] for e in range(2))
    assert sorted(first) == sorted(second) == list(range(COUNT))
    assert all(place % 2 == 0 and first[i + 1] == place + 1
               for i, place in enumerate(first) if i % 2 == 0)  # fmt: skip
    passes = [[stream.place(e * COUNT + i) for i in range(COUNT)] for e in range(8)]
    assert len(set(map(tuple, passes))) > 1
    again = Shuffled(Shards(folder), 5)
    assert again.place(COUNT + 2) == second[2]


def test_damage_is_said_in_one_line(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    victim = next(tmp_path.glob("train-00001.*"))
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.write_bytes(content)
    stored = Shards(tmp_path)
    stored[0]
    with pytest.raises(InputError, match=f"{victim.name}: damaged"):
        stored[2]
    victim.unlink()
    with pytest.raises(InputError, match=f"{victim.name}: No such"):
        Shards(tmp_path)[2]
    # A wrong file whose hash is right is refused, too.
    victim.write_bytes(b"nonsense" * 200)
    manifest = json.loads((tmp_path / "train.json").read_text())
    manifest["shards"][1]["sha256"] = hashlib.sha256(victim.read_bytes()).hexdigest()
    (tmp_path / "train.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=f"{victim.name}: not a shard"):
        Shards(tmp_path)[2]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "not a manifest"),
        ("{", "not a manifest"),
        ('{"format": "tar", "shards": [{"file": "../x", "count": 1, "sha256": ""}], '
         '"in_a_row": 1, "recipe": {"size": 64}}', "not a manifest"),
    ],
)  # fmt: skip
def test_other_manifests_are_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError, match="no manifest"):
        Shards(tmp_path)
    (tmp_path / "train.json").write_text(text)
    with pytest.raises(InputError, match=said):
        Shards(tmp_path)
    (tmp_path / "val.json").write_text(text)
    with pytest.raises(InputError, match="several splits"):
        Shards(tmp_path)


def test_a_system_learns_from_shards(folder: Path) -> None:
    source = open_data(f"shards:{folder}")
    system = FaceNet(FaceNet.Config.tiny())
    stage = system.stages()[0]
    with pytest.raises(UsageError, match="--in-a-row 8"):
        source(system, stage, 0)


def test_commands_make_and_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                 samples: list[Sample]) -> None:  # fmt: skip
    monkeypatch.setattr(World, "sample", lambda self, i: samples[i % COUNT])
    recipe = tmp_path / "small.yaml"
    recipe.write_text(json.dumps(plain(SMALL)))
    made = tmp_path / "made"
    words = ["world", "make", str(recipe), "--count", "16", "--in-a-row", "8",
             "--format", "parquet", "--out", str(made)]  # fmt: skip
    assert main(words) == 0
    words = ["train", "kd-landmarks", "--preset", "tiny", "--data", f"shards:{made}",
             "--steps", "1", "--batch", "4", "--stage", "student", "--workers", "0",
             "--precision", "fp32", "--out", str(tmp_path / "run")]  # fmt: skip
    assert main(words) == 0
    assert (tmp_path / "run" / "model.safetensors").is_file()


def test_rows_that_would_be_cut_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="in a row"):
        make(SMALL, tmp_path, count=4, in_a_row=3)
    with pytest.raises(UsageError, match="no format"):
        make(SMALL, tmp_path, count=4, format="zip")
