"""Adapters of public data sets that users bring: ``open_dataset("celeba", folder, split="train")``.

One short module per family of data sets; ``docs/data-sets.md`` lists them all. Samples hold numpy
arrays, so that a ``torch.utils.data.DataLoader`` makes tensors of them at the edge.
"""

from mien.data.adapters import (  # noqa: F401  (importing them fills the registry)
    action_units,
    attributes,
    expressions,
    forgery,
    identity,
    landmarks,
    speech_motion,
    video_emotion,
)
from mien.data.adapters.crops import Crops
from mien.data.adapters.dataset import Clip, Dataset, MeshClip, Picture, Sample
from mien.data.adapters.registry import REGISTRY, Adapter, available, open_dataset, table

__all__ = [
    "REGISTRY",
    "Adapter",
    "Clip",
    "Crops",
    "Dataset",
    "MeshClip",
    "Picture",
    "Sample",
    "available",
    "open_dataset",
    "table",
]
