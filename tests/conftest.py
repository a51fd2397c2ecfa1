"""Fixtures that several test files use, and how tests are shared out to several processes."""

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    import numpy as np

ROOT = Path(__file__).resolve().parent.parent

# Before numpy and the like are loaded. Threads of small products mostly wait for each other: where
# processes share the cores, a fit takes three times as much of them.
os.environ.setdefault("OMP_NUM_THREADS", "1")

if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    # What workers compile at once must not share a cache: numba names code in its index before that
    # code is there, so that another process may load what older sources left under that name.
    os.environ.setdefault("NUMBA_CACHE_DIR", str(ROOT / ".pytest_cache" / f"numba-{worker}"))

# How long an example takes says more of the machine than of the code. The same examples each time,
# so that a change is not blamed for what was there before; MIEN_EXPLORE=1 looks for new ones.
settings.register_profile("mien", deadline=None, derandomize=not os.environ.get("MIEN_EXPLORE"))
settings.load_profile("mien")

# What a shell starts in the background ignores Ctrl-C; tests of Ctrl-C would then never end.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Long tests first, each for itself; the others file by file, whose fixtures are made once."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
    if config.pluginmanager.hasplugin("xdist"):
        for item in items:
            if item.get_closest_marker("slow") is None:
                item.add_marker(pytest.mark.xdist_group(item.path.name))


@pytest.fixture(scope="session", autouse=True)
def _own_key(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What tests generate is not signed with the key of whoever runs them."""
    os.environ["XDG_CONFIG_HOME"] = str(tmp_path_factory.mktemp("config"))


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
def astronaut() -> "np.ndarray":
    """NASA's portrait of Eileen Collins, one frontal face, as (H, W, 3) uint8 RGB."""
    from mien.media.image import read_image  # here, so that tests without it start fast

    return read_image(ROOT / "docs" / "pictures" / "astronaut.jpg")
