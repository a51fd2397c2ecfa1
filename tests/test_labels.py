"""The vocabulary of training batches, and that every system keeps to it."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mien import systems
from mien.data import labels
from mien.data.shape_model import ShapeModel
from mien.errors import InputError


@pytest.mark.parametrize("slug", systems.available())
def test_examples_of_systems_keep_to_the_vocabulary(slug: str) -> None:
    assert labels.check(systems.load(slug).build("tiny").example(3)) == 3


def picture(count: int = 2, side: int = 8) -> torch.Tensor:
    return torch.zeros(count, 3, side, side, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("batch", "said"),
    [
        ({}, "empty batch"),
        ({"image": picture(0)}, "empty batch"),
        ({"picture": picture()}, "no word"),
        ({"image": picture().float()}, "uint8"),
        ({"image": picture()[0]}, "shape"),
        ({"image": picture(), "age": torch.zeros(3)}, "age: shape"),
        ({"image": picture(), "pose": torch.zeros(2, 4)}, "pose: shape"),
        ({"image": picture(), "parsing": torch.zeros(2, 9, 9).long()}, "crop of 8 pixels"),
        ({"age": torch.tensor(3.0)}, "age: shape"),
    ],
)
def test_other_batches_are_refused_in_one_line(batch: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        labels.check(batch)


def faces(count: int = 200) -> np.ndarray:
    rng = np.random.default_rng(0)
    modes = rng.standard_normal((12, 20, 2)) * (0.5 ** np.arange(12))[:, None, None]
    return np.einsum("nc,ckd->nkd", rng.standard_normal((count, 12)), modes) + rng.random((20, 2))


def test_a_smaller_share_of_the_variance_gives_smoother_shapes() -> None:
    shapes = faces()
    errors = []
    for share in (0.85, 0.90, 0.97, 1.0):
        smooth = ShapeModel.fit(shapes, share).smooth(shapes)
        errors.append(np.sqrt(np.mean((smooth - shapes) ** 2)))
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 2 * errors[-1]


@given(st.floats(-100, 100))
def test_no_component_goes_beyond_three_deviations(factor: float) -> None:
    shapes = faces(50)
    model = ShapeModel.fit(shapes, 0.9)
    far = model.mean + factor * (shapes - model.mean)
    weights = (model.smooth(far) - model.mean).reshape(len(far), -1) @ model.components
    assert (np.abs(weights) <= 3 * model.deviations + 1e-9).all()


def test_one_shape_makes_no_model() -> None:
    with pytest.raises(ValueError, match="two shapes"):
        ShapeModel.fit(faces(1))
