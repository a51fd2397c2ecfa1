"""The world as training data: crops in the vocabulary of batches."""

import numpy as np
import pytest
import torch

from mien.data import labels
from mien.errors import InputError, UsageError
from mien.train.data import open_data
from mien.train.worldly import OF_ONE, words
from mien.world.recipe import Recipe
from mien.world.world import World

FRONTAL = Recipe.of({"size": 128, "factors": {"yaw": 0, "pitch": 0, "roll": 0, "occluder": False,
                                              "mask": False, "degrade": 0}})  # fmt: skip


def test_crops_keep_to_the_vocabulary() -> None:
    made = [words(World(FRONTAL).sample(index), 64) for index in range(3)]
    batch = {name: torch.from_numpy(np.stack([m[name] for m in made])) for name in made[0]}
    assert labels.check(batch) == 3


def test_points_and_masks_move_with_the_picture() -> None:
    for index in range(4):
        crop = words(World(FRONTAL, seed=2).sample(index), 96)
        x, y = crop["landmarks"][4, :2].astype(int)
        assert crop["parsing"][y, x] == labels.PARSING.index("nose")
        inside = (crop["landmarks"][:, :2] > 0) & (crop["landmarks"][:, :2] < 96)
        assert inside.all()
        assert crop["image"].shape == (3, 96, 96) and crop["image"].dtype == np.uint8


def test_stages_of_people_see_several_pictures_of_one() -> None:
    from mien.systems.represent.facenet import FaceNet

    system = FaceNet(FaceNet.Config.tiny())
    stream = open_data("world:")(system, system.stages()[0], 3)

    def sample(index: int) -> dict[str, torch.Tensor]:
        made = stream.sample(index)
        assert made is not None
        return made

    count = OF_ONE[system.stages()[0].data]
    numbers = [int(sample(index)["identity"]) for index in range(2 * count)]
    assert len(set(numbers[:count])) == 1 and len(set(numbers)) == 2
    again = open_data("world:")(system, system.stages()[0], 3).sample(5)
    assert again is not None
    for name, value in sample(5).items():
        assert torch.equal(value.nan_to_num(), again[name].nan_to_num()), name


def test_what_the_world_cannot_give_is_said(tmp_path) -> None:
    from mien.systems.perceive.face_detector import FaceDetector

    with pytest.raises(InputError, match="nowhere"):
        open_data(f"world:{tmp_path}/nowhere.yaml")
    detector = FaceDetector(FaceDetector.Config.tiny())
    with pytest.raises(UsageError, match="faces, people"):
        open_data("world:")(detector, detector.stages()[0], 0)
