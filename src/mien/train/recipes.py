"""The data streams that stages name: ``Stage.data`` -> a stream of training samples."""

from collections.abc import Callable
from pathlib import Path

from torch.utils.data import IterableDataset

from mien.data.face_crops import FaceCrops
from mien.data.face_scenes import FaceScenes
from mien.data.face_source import FaceSource
from mien.errors import UsageError

STREAMS = {"face-crops": FaceCrops, "face-scenes": FaceScenes}
Stream = Callable[[int], IterableDataset]


def stream(name: str, folder: Path, config, seed: int, limit: int | None = None) -> Stream:
    """``stream(...)(start)`` yields samples from number ``start`` on."""
    if name not in STREAMS:
        raise UsageError(f"no data stream is called {name!r}")
    source = FaceSource.load(folder, limit)
    return lambda start: STREAMS[name](source, config.size, seed, start)
