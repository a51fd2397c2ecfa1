"""Fixtures that several test files use."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent

# How long an example takes says more of the machine than of the code.
settings.register_profile("mien", deadline=None)
settings.load_profile("mien")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of labelled data, $MIEN_SHARED or ``shared`` beside the checkout.

    It is not part of mien; tests that need it are skipped where it is absent.
    """
    folder = Path(os.environ.get("MIEN_SHARED") or ROOT.parent / "shared")
    if not (folder / "data").is_dir():
        pytest.skip("needs the labelled data, which is not public: no data/ in $MIEN_SHARED")
    return folder


@pytest.fixture
def astronaut() -> np.ndarray:
    """NASA's portrait of Eileen Collins, one frontal face, as (H, W, 3) uint8 RGB."""
    from mien.media.image import read_image  # here, so that tests without it start fast

    return read_image(ROOT / "docs" / "pictures" / "astronaut.jpg")
