"""Every effect keeps the size and type of a picture, however small it is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.data import photometric
from mien.find import mean_face

pictures = st.builds(
    lambda h, w, seed: np.random.default_rng(seed).integers(0, 256, (h, w, 3), dtype=np.uint8),
    st.integers(12, 80), st.integers(12, 80), st.integers(0, 9),
)  # fmt: skip
EFFECTS = ("degrade", "light", "colour", "blur", "shrink", "noise", "jpeg", "graphics")


@pytest.mark.parametrize("effect", EFFECTS)
@given(image=pictures, seed=st.integers(0, 1000))
def test_an_effect_keeps_size_and_type(effect, image, seed):
    before = image.copy()
    out = getattr(photometric, effect)(image, np.random.default_rng(seed))
    assert out.shape == image.shape and out.dtype == np.uint8
    again = getattr(photometric, effect)(image, np.random.default_rng(seed))
    assert (out == again).all() and (image == before).all()


@given(image=pictures, seed=st.integers(0, 1000))
def test_something_in_front_keeps_size_and_type(image, seed):
    rng = np.random.default_rng(seed)
    landmarks = mean_face.points() * image.shape[1] / 140 + np.array([20, 20, 0])
    for out in (
        photometric.occlude(image, image[::-1], rng),
        photometric.glasses(image, landmarks, rng),
    ):
        assert out.shape == image.shape and out.dtype == np.uint8


@given(st.integers(1, 300), st.integers(1, 300), st.integers(0, 1000))
def test_a_background_has_the_wanted_size(width, height, seed):
    backgrounds = [np.zeros((200, 150, 3), np.uint8)]
    rng = np.random.default_rng(seed)
    part = photometric.background_crop(backgrounds, (width, height), rng)
    assert part.shape == (height, width, 3)
