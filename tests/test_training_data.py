"""The training streams: repeatable, whatever the number of processes; held-back data held back."""

import itertools

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from mien.data.face_crops import FaceCrops
from mien.data.face_scenes import FaceScenes
from mien.data.face_source import FaceSource, background_files
from mien.data.portraits import Portraits
from mien.find import geometry


@pytest.fixture(scope="module")
def source(shared) -> FaceSource:
    return FaceSource.load(shared / "data", limit=12)


@pytest.mark.parametrize(("stream", "size"), [(FaceCrops, 64), (FaceScenes, 96)])
def test_samples_are_the_same_for_any_number_of_workers(source, stream, size):
    def samples(workers: int) -> torch.Tensor:
        loader = DataLoader(stream(source, size, seed=5), batch_size=None, num_workers=workers)
        return torch.stack([s["image"] for s in itertools.islice(loader, 24)])

    assert torch.equal(samples(0), samples(2))


def test_a_stream_goes_on_where_it_stopped(source):
    whole = list(itertools.islice(FaceCrops(source, 64, seed=1), 10))
    rest = list(itertools.islice(FaceCrops(source, 64, seed=1, start=6), 4))
    assert all(torch.equal(a["image"], b["image"]) for a, b in zip(whole[6:], rest, strict=True))


def test_crops_hold_the_face_that_their_labels_say(source):
    samples = list(itertools.islice(FaceCrops(source, 128), 60))
    faces = [s["landmarks"].numpy() for s in samples if s["presence"] == 1]
    assert 40 <= len(faces) < 60
    centres = np.array([face[:, :2].mean(0) for face in faces])
    assert np.abs(centres - 64).max() < 40
    sizes = np.array([np.ptp(geometry.box_of(face).reshape(2, 2), axis=0) for face in faces])
    assert (sizes > 40).all() and (sizes < 200).all()


def test_scenes_label_boxes_around_their_points(source):
    for scene in itertools.islice(FaceScenes(source, 128), 30):
        count = int(scene["count"])
        boxes, points = scene["boxes"][:count], scene["points"][:count]
        assert (boxes[:, 2:] > boxes[:, :2]).all()
        assert (points >= boxes[:, None, :2] - 1).all() and (points <= boxes[:, None, 2:] + 1).all()
        assert (scene["boxes"][count:] == 0).all()


def test_training_material_leaves_out_what_is_held_back(shared):
    portraits = Portraits.load(shared / "data" / "portraits")
    assert portraits.test.sum() == 336
    folder = shared / "data" / "backgrounds"
    train, validation, test = (
        background_files(folder, part) for part in ("train", "validation", "test")
    )
    assert sorted([*train, *validation, *test]) == sorted(folder.glob("*.jpg"))
    assert len(validation) == len(test) == 47
