"""Endless training streams whose sample ``i`` is the same whatever process makes it."""

from abc import abstractmethod
from collections.abc import Iterator

import torch
from torch.utils.data import IterableDataset, get_worker_info

Sample = dict[str, torch.Tensor]


class SeededStream(IterableDataset):
    """Samples ``start``, ``start + 1``, ...; worker w of n makes every n-th, beginning with w."""

    def __init__(self, seed: int = 0, start: int = 0):
        self.seed, self.start = seed, start

    @abstractmethod
    def sample(self, index: int) -> Sample:
        """The sample with this number; all randomness comes from ``(seed, index)``."""

    def __iter__(self) -> Iterator[Sample]:
        worker = get_worker_info()
        first, step = (worker.id, worker.num_workers) if worker else (0, 1)
        index = self.start + first
        while True:
            yield self.sample(index)
            index += step
