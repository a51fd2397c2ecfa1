"""The world as training data: crops in the vocabulary of batches, and streams of them."""

from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from mien.data import labels
from mien.errors import InputError, UsageError
from mien.train.data import Batches, open_data
from mien.train.worldly import OF_ONE, Faces, square, words
from mien.world.recipe import Recipe
from mien.world.world import Sample, World

FRONTAL = Recipe.of({"size": 128, "factors": {"yaw": 0, "pitch": 0, "roll": 0, "occluder": False,
                                              "mask": False, "degrade": 0}})  # fmt: skip


def cropped(sample: Sample, side: int) -> dict[str, Any]:
    return words(sample, square(sample["landmarks"], side), side)


def test_crops_keep_to_the_vocabulary() -> None:
    made = [cropped(World(FRONTAL).sample(index), 64) for index in range(3)]
    batch = {name: torch.from_numpy(np.stack([m[name] for m in made])) for name in made[0]}
    assert labels.check(batch) == 3


def test_points_and_masks_move_with_the_picture() -> None:
    for index in range(4):
        crop = cropped(World(FRONTAL, seed=2).sample(index), 96)
        x, y = crop["landmarks"][4, :2].astype(int)
        assert crop["parsing"][y, x] == labels.PARSING.index("nose")
        inside = (crop["landmarks"][:, :2] > 0) & (crop["landmarks"][:, :2] < 96)
        assert inside.all()
        assert crop["image"].shape == (3, 96, 96) and crop["image"].dtype == np.uint8


def test_a_system_sees_the_world_as_it_is_asked() -> None:
    from mien.systems.perceive.facexformer import FaceXFormer

    system = FaceXFormer(FaceXFormer.Config.tiny())
    side = system.config.size
    sample = World(FRONTAL).sample(0)
    stream = Faces(World(FRONTAL), side, crop=system.crop)
    points = stream.sample(0)["landmarks"][:, :2].numpy()
    crop_to_picture = system.crop(sample["landmarks"])
    back = points @ crop_to_picture[:, :2].T + crop_to_picture[:, 2]
    np.testing.assert_allclose(back, sample["landmarks"][:, :2], atol=1e-2)
    # A quarter wider than the points on each side: they fill two thirds of both sides.
    np.testing.assert_allclose(np.ptp(points, axis=0), side / 1.5, rtol=1e-3)


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


# -- streams for other training loops --------------------------------------------------------------


class Numbers:
    """A stream whose samples are their numbers; every fifth is filtered out."""

    def sample(self, index: int) -> dict[str, torch.Tensor] | None:
        return {"n": torch.tensor(index)} if index % 5 else None


def steps(workers: int, count: int, **where: int) -> list[list[int]]:
    """The numbers in the first batches of 4."""
    loader = DataLoader(Batches(Numbers(), 4, **where), batch_size=None, num_workers=workers)
    made = iter(loader)
    try:
        return [batch["n"].tolist() for batch in islice(made, count)]
    finally:
        del made


@pytest.mark.parametrize("ranks", [1, 3])
@pytest.mark.parametrize("workers", [0, 2])
def test_ranks_and_workers_share_all_samples(ranks: int, workers: int) -> None:
    count = 5
    parts = [steps(workers, count, rank=rank, ranks=ranks) for rank in range(ranks)]
    seen = [number for part in parts for batch in part for number in batch]
    wanted = [number for number in range(count * ranks * 4) if number % 5]
    assert sorted(seen) == wanted  # each once, and none left out
    # A step holds the same samples whatever the workers.
    assert parts == [steps(1 - min(workers, 1), count, rank=r, ranks=ranks) for r in range(ranks)]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_stream_goes_on_where_it_was(workers: int) -> None:
    whole = steps(workers, 8, rank=1, ranks=2)
    for done in (0, 1, 5):
        assert steps(workers, 8 - done, rank=1, ranks=2, start=done) == whole[done:]


def test_the_world_streams_into_a_loader() -> None:
    faces = Faces(World(FRONTAL, seed=1), 48)
    (batch,) = islice(DataLoader(Batches(faces, 2, rank=1, ranks=2), batch_size=None), 1)
    assert labels.check(batch) == 2
    for name, value in faces.sample(3).items():
        assert torch.equal(batch[name][1], value), name


def test_batches_of_nothing_are_refused() -> None:
    for where in ({"rank": 2, "ranks": 2}, {"start": -1}):
        with pytest.raises(UsageError):
            Batches(Numbers(), 4, **where)
