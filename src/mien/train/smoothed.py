"""Smooth landmarks beside the true ones, for systems whose teachers learn them.

A shape model (``mien.data.shape_model``) of the first ``COUNT`` samples of a stream says what is
smooth. It follows from the stream alone, so every process and every resumed run has the same.
"""

import numpy as np
import torch

from mien.data.shape_model import ShapeModel
from mien.errors import InputError
from mien.train.data import Sample, Stream
from mien.train.system import System

COUNT = 256
SUFFIX = "_smooth"


def with_smooth(stream: Stream, system: System) -> Stream:
    """The stream, with the smooth landmarks that a system asks for and the stream does not know.

    Raises InputError where too few shapes are known to make a model of them.
    """
    words = [word for word in system.example(1) if word.endswith(SUFFIX)]
    if not words:
        return stream
    samples = [sample for i in range(COUNT) if (sample := stream.sample(i)) is not None]
    models = {}
    for word in words:
        plain = word.removesuffix(SUFFIX)
        if any(word in sample and sample[word].isfinite().all() for sample in samples):
            continue
        shapes = [sample[plain].numpy() for sample in samples if plain in sample]
        shapes = [shape for shape in shapes if np.isfinite(shape).all()]
        if len(shapes) < 2:
            raise InputError(f"the data knows no {plain!r}, which {system.CARD.slug} learns from")
        models[word] = ShapeModel.fit(np.stack(shapes))
    return Smoothed(stream, models) if models else stream


class Smoothed:
    """A stream with the smooth form of landmarks; unknown where a point is not known."""

    def __init__(self, stream: Stream, models: dict[str, ShapeModel]):
        self.stream, self.models = stream, models

    def sample(self, index: int) -> Sample | None:
        sample = self.stream.sample(index)
        if sample is None:
            return None
        made = {}
        for word, model in self.models.items():
            shape = sample[word.removesuffix(SUFFIX)].numpy()
            made[word] = torch.from_numpy(model.smooth(shape[None])[0].astype(np.float32))
        return sample | made
