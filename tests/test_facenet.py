"""FaceNet: the published sizes, and which triplets are chosen."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mien.find import geometry
from mien.nn.inception import InceptionNN2
from mien.nn.triplets import squared_distances, triplet_loss
from mien.systems.official import load_official
from mien.systems.represent.facenet import FaceNet, FaceNetConfig


def at(*angles: float) -> torch.Tensor:
    """Unit vectors of the plane at angles in degrees."""
    radians = torch.deg2rad(torch.tensor(angles))
    return torch.stack([radians.cos(), radians.sin()], 1)


def gap(angle: float) -> float:
    """Squared distance of unit vectors at this angle in degrees."""
    return float(squared_distances(at(0), at(angle)))


def test_nn2_has_the_parameters_of_table_2() -> None:
    with torch.device("meta"):
        network = InceptionNN2(128)
    parts = [network.conv1, network.conv2, *network.blocks, network.last_linear]
    counts = [sum(p.numel() for p in part.parameters()) for part in parts]
    table = [
        9e3,
        115e3,
        164e3,
        228e3,
        398e3,
        545e3,
        595e3,
        654e3,
        722e3,
        717e3,
        1.6e6,
        1.6e6,
        131e3,
    ]
    assert counts == pytest.approx(table, rel=0.06)
    assert sum(counts) == pytest.approx(7.5e6, rel=0.01)


@pytest.mark.parametrize(
    ("people", "count"), [(0, 23_482_624), (8631, 27_910_327), (10_575, 28_907_599)]
)
def test_inception_resnet_has_the_published_parameter_count(people: int, count: int) -> None:
    with torch.device("meta"):
        system = FaceNet(FaceNetConfig.inception_resnet(people))
    assert system.parameter_count() == count


def test_weights_of_facenet_pytorch_find_their_places() -> None:
    config = FaceNetConfig.inception_resnet(people=3)
    torch.manual_seed(0)
    source, target = FaceNet(config).eval(), FaceNet(config).eval()
    published = {
        name.removeprefix("backbone.").replace("classifier.", "logits."): value
        for name, value in source.state_dict().items()
    }
    assert published["repeat_2.9.branch1.2.conv.weight"].shape == (128, 128, 7, 1)
    assert published["mixed_7a.branch0.1.bn.running_mean"].shape == (384,)
    assert published["last_linear.weight"].shape == (512, 1792)
    load_official(target, published)
    image = torch.rand(1, 3, 96, 96)
    assert torch.equal(target.predict(image), source.predict(image))


def test_its_crop_is_the_box_stretched_to_a_square() -> None:
    landmarks = np.array([[10.0, 20, 0], [40, 20, 5], [10, 100, 0]])
    matrix = FaceNet.build("tiny").crop(landmarks)
    corners = geometry.transform(matrix, np.array([[0, 0], [64, 64]]))
    assert corners == pytest.approx(np.array([[10, 20], [40, 100]]))


def test_embeddings_are_unit_vectors() -> None:
    system = FaceNet.build("tiny")
    vectors = system.predict(torch.rand(3, 3, 64, 64))
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(3))


def test_the_nearest_negative_that_is_farther_than_the_positive_is_chosen() -> None:
    # From the anchor at 0: the positive at 30, negatives at 20 (too near), 40 and 90.
    vectors, identity = at(0, 30, 20, 40, 90), torch.tensor([0, 0, 1, 2, 3])
    first = gap(30) - gap(40) + 0.2
    # From the anchor at 30: the positive at 30, negatives at 10, 10 and 60 degrees from it.
    second = max(gap(30) - gap(60) + 0.2, 0)
    assert triplet_loss(vectors, identity).item() == pytest.approx((first + second) / 2, abs=1e-5)


def test_where_all_negatives_are_nearer_the_farthest_is_chosen() -> None:
    # Unknown people are negatives, but have no positives of their own.
    loss = triplet_loss(at(0, 90, 20, 50), torch.tensor([0, 0, -1, -1]))
    expected = (gap(90) - gap(50) + 0.2 + gap(90) - gap(70) + 0.2) / 2
    assert loss.item() == pytest.approx(expected, abs=1e-5)


def test_well_parted_people_have_no_loss() -> None:
    assert triplet_loss(at(0, 5, 120, 125), torch.tensor([0, 0, 1, 1])).item() == 0


@pytest.mark.parametrize("identity", [[0], [0, 0, 0], [0, 1, 2], [-1, -1, -1]])
def test_a_batch_without_triplets_gives_zero_and_a_gradient(identity: list[int]) -> None:
    vectors = at(0, 50, 100)[: len(identity)].requires_grad_()
    loss = triplet_loss(vectors, torch.tensor(identity))
    loss.backward()
    assert loss.item() == 0
    assert vectors.grad is not None and (vectors.grad == 0).all()


@given(st.permutations(range(6)))
def test_the_order_of_the_batch_does_not_matter(order: list[int]) -> None:
    vectors, identity = at(0, 33, 70, 100, 140, 222), torch.tensor([0, 0, 1, 1, 2, 0])
    shuffled = triplet_loss(vectors[order], identity[order])
    assert shuffled.item() == pytest.approx(triplet_loss(vectors, identity).item(), abs=1e-5)


def test_harmonic_triplets_compare_with_the_older_vectors() -> None:
    older, identity = at(0, 10, 90, 100), torch.tensor([0, 0, 1, 1])
    aligned, turned = older, at(90, 100, 0, 10)
    assert triplet_loss(aligned, identity, older).item() == 0
    assert triplet_loss(turned, identity, older).item() > 1
    assert triplet_loss(turned, identity).item() == 0  # among themselves they are well parted


def test_a_flat_picture_has_a_finite_gradient() -> None:
    system = FaceNet.build("tiny")
    batch = system.example(4)
    batch["image"] = torch.zeros_like(batch["image"])
    torch.stack(list(system.losses(batch).values())).sum().backward()
    assert all(p.grad.isfinite().all() for p in system.parameters() if p.grad is not None)
