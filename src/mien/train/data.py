"""From a data specification, ``PREFIX:REST``, to streams of training samples.

A *stream* has ``sample(index)``, which gives the sample of that number, the same whenever and in
whatever process it is asked for: all its randomness comes from its seed and the number. So any
number of workers and processes can share the work, and a run that goes on after a kill sees what it
would have seen. None stands for a sample that was filtered out.

A *source* makes the stream of a stage; :func:`open_data` finds it by the prefix:

========================== ==================================================================
``example``                the system's own made-up batch, again and again: to try things out
``portraits:FOLDER``       warped portraits and scenes, for mien's own two networks
``world:RECIPE``           people who do not exist, from ``mien.world``
``shards:FOLDER``          such people from disk, as ``mien world make`` wrote them
``identities:FOLDER``      portraits and mixtures of them, for mien's own embedding
``forgeries:FOLDER``       real and forged faces of the same people (``mien.train.forged``)
``voices:FOLDER``          voices and how mouths move to them, as ``mien.train.voiced`` wrote them
``adapter:NAME:FOLDER``    a public data set, from ``mien.data.adapters``
``mix:A SPEC + B SPEC``    several of these, in shares of A, B... (``mien.train.mixed``)
========================== ==================================================================
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from functools import cache
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import torch
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    default_collate,
    get_worker_info,
)

from mien.data import labels
from mien.data.face_crops import FaceCrops
from mien.data.face_scenes import FaceScenes
from mien.data.face_source import FaceSource
from mien.data.labelled_crops import LabelledCrops, PortraitLabels
from mien.errors import InputError, MienError, UsageError
from mien.train.system import Batch, Stage, System

Sample = dict[str, torch.Tensor]
CROP_WORDS = {"image", "landmarks", "presence"}
"""What the stream of crops alone gives."""


@runtime_checkable
class Stream(Protocol):
    """Samples by number, from 0 without end."""

    def sample(self, index: int) -> Sample | None:
        """The sample of this number; None if it was filtered out."""
        ...


class Source(Protocol):
    """Makes the stream of a stage. It is sent to other processes, so it can be pickled."""

    def __call__(self, system: System, stage: Stage, seed: int) -> Stream:
        """A stream of ``stage.data``, in the size of the system's config.

        Raises UsageError where the data has no such stream.
        """
        ...


OPENERS = {
    "example": "mien.train.data:Examples",
    "portraits": "mien.train.data:PortraitSource",
    "world": "mien.train.worldly:WorldSource",
    "shards": "mien.train.sharded:ShardSource",
    "identities": "mien.train.identities:IdentitySource",
    "voices": "mien.train.voiced:VoiceSource",
    "forgeries": "mien.train.forged:ForgedSource",
    "adapter": "mien.train.adapted:AdapterSource",
    "mix": "mien.train.mixed:MixSource",
}
"""Prefix -> function of the rest of a specification that gives a :class:`Source`."""


def open_data(spec: str) -> Source:
    """The source that a data specification names.

    Raises UsageError for an unknown prefix or one that this version of mien lacks, and whatever
    MienError the source has to say of the rest.
    """
    prefix, _, rest = spec.partition(":")
    if prefix not in OPENERS:
        known = ", ".join(OPENERS)
        raise UsageError(f"{spec!r}: data is named PREFIX:REST, with a prefix of: {known}")
    module, _, name = OPENERS[prefix].partition(":")
    try:
        opener: Callable[[str], Source] = getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("mien."):
            raise
        raise UsageError(f"{spec!r}: this version of mien has no {prefix!r} data") from error
    return opener(rest)


class Examples:
    """``example``: 64 made-up samples of the system, again and again."""

    COUNT = 64

    def __init__(self, rest: str = ""):
        if rest:
            raise UsageError(f"'example:{rest}': 'example' takes nothing more")

    def __call__(self, system: System, stage: Stage, seed: int) -> Stream:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return Repeated(system.example(self.COUNT))


class Repeated:
    """The samples of one batch, again and again."""

    def __init__(self, batch: Batch):
        self.batch, self.count = batch, len(next(iter(batch.values())))

    def sample(self, index: int) -> Sample:
        return {name: value[index % self.count] for name, value in self.batch.items()}


class PortraitSource:
    """``portraits:FOLDER``, a folder that holds ``portraits`` and ``backgrounds``."""

    STREAMS: ClassVar[dict[str, Any]] = {"face-crops": FaceCrops, "face-scenes": FaceScenes}

    def __init__(self, rest: str):
        self.folder = Path(rest)
        if not rest or not (self.folder / "portraits" / "labels.npz").is_file():
            raise InputError(f"{rest or 'portraits:'}: no portrait set (portraits/labels.npz)")

    def __call__(self, system: System, stage: Stage, seed: int) -> Stream:
        if stage.data not in self.STREAMS:
            known = ", ".join(self.STREAMS)
            raise UsageError(f"portraits have no {stage.data!r}, which stage {stage.name!r} of "
                             f"{system.CARD.slug} learns from; they have {known}")  # fmt: skip
        stream = self.STREAMS[stage.data](_material(self.folder), system.config.size, seed)
        asked = set(system.example(1))
        if isinstance(stream, FaceCrops) and not asked <= CROP_WORDS:
            return KnownCrops(
                LabelledCrops(stream, _said(self.folder)), unknowns(system.example(1))
            )
        return stream


class KnownCrops:
    """Crops of portraits with all that is known of them; ``blank`` is what stands for the rest."""

    def __init__(self, crops: LabelledCrops, blank: Sample):
        self.crops, self.blank = crops, blank

    def sample(self, index: int) -> Sample:
        """The sample of this number."""
        return filled(self.crops.words(index), self.blank)


def filled(known: Mapping[str, Any], blank: Mapping[str, torch.Tensor]) -> Sample:
    """The words of ``blank``: as known, or else as there."""
    return {
        name: torch.from_numpy(np.array(known[name])).to(value.dtype)
        if name in known
        else value.clone()
        for name, value in blank.items()
    }


def unknowns(example: Mapping[str, torch.Tensor]) -> Sample:
    """For each word of a batch the value of one sample that says that it is not known."""
    return {name: _unknown(value[0]) for name, value in example.items()}


def _unknown(example: torch.Tensor) -> torch.Tensor:
    return (
        torch.full_like(example, torch.nan if example.dtype.is_floating_point else labels.UNKNOWN)
        if example.dtype != torch.uint8
        else torch.zeros_like(example)
    )


@cache
def _material(folder: Path) -> FaceSource:
    return FaceSource.load(folder)


@cache
def _said(folder: Path) -> PortraitLabels:
    return PortraitLabels.load(folder / "portraits")


class InOrder:
    """A stream from data that can only be read in order: ``begin(start)`` iterates from there."""

    def __init__(self, begin: Callable[[int], Iterable[Sample]]):
        self.begin, self.items, self.next = begin, iter(()), -1

    def sample(self, index: int) -> Sample | None:
        if index != self.next:
            self.items = iter(self.begin(index))
        self.next = index + 1
        try:
            return next(self.items)
        except StopIteration:
            raise InputError(f"the data ends before its sample {index}") from None


class Passes(Dataset):
    """Batch n is what this process takes in pass n of the stage, counted over all steps.

    The samples of a step lie in a row, split among the processes and then among their passes.
    """

    def __init__(
        self, stream: Stream, stage: Stage, *, rank: int = 0, processes: int = 1, passes: int = 1
    ):
        """Raises UsageError where a batch cannot be split so."""
        parts = processes * passes
        if stage.batch % parts:
            raise UsageError(
                f"stage {stage.name!r}: a batch of {stage.batch} cannot be split into {processes} "
                f"processes times {passes} passes"
            )
        self.stream, self.steps, self.batch = stream, stage.steps, stage.batch
        self.rank, self.passes = rank, passes
        self.share = stage.batch // parts

    def __getitem__(self, number: int) -> Batch | MienError:
        """Errors are given, not raised: a worker would raise them with its traceback as text."""
        step, turn = divmod(number, self.passes)
        first = step * self.batch + (self.rank * self.passes + turn) * self.share
        try:
            return _batch(self.stream, range(first, first + self.share))
        except MienError as error:
            return type(error)(f"samples {first} to {first + self.share - 1}: {error}")


class Batches(IterableDataset):
    """A stream as PyTorch takes it, without end: for training loops other than mien's.

        faces = Faces(World(Recipe.load("smiles.yaml"), in_a_row=4), 128)
        data = Batches(faces, 32, rank=rank, ranks=ranks, start=steps_done)
        for step, batch in enumerate(DataLoader(data, batch_size=None, num_workers=4), steps_done):
            ...

    Step n has samples ``n * batch * ranks`` on; each rank takes its part of them, in a row. What a
    step holds depends on nothing but its number: any number of workers gives the same batches in
    the same order, no sample comes twice, and a run goes on exactly with ``start``, the steps done.
    Samples that a stream filters out are left out of their batch.

    batch: samples of one rank in a step. rank, ranks: which process, of how many.

    Raises UsageError where one of these makes no sense; iterating raises what the stream raises.
    """

    def __init__(
        self, stream: Stream, batch: int, *, rank: int = 0, ranks: int = 1, start: int = 0
    ):
        if batch < 1 or start < 0 or not 0 <= rank < ranks:
            raise UsageError(f"batches of {batch} from step {start} on for rank {rank} of {ranks}")
        self.stream, self.batch, self.start = stream, batch, start
        self.rank, self.ranks = rank, ranks

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        first, by = (worker.id, worker.num_workers) if worker else (0, 1)
        # Workers take turns, and the loader asks them in turns: so the steps stay in order.
        for step in count(self.start + first, by):
            at = (step * self.ranks + self.rank) * self.batch
            yield _batch(self.stream, range(at, at + self.batch))


def _batch(stream: Stream, numbers: range) -> Batch:
    samples = [stream.sample(number) for number in numbers]
    return _stacked([sample for sample in samples if sample is not None])


def _stacked(samples: list[Sample]) -> Batch:
    if not samples:
        raise InputError("an empty batch, none is left after filtering")
    try:
        return default_collate(samples)
    except (KeyError, RuntimeError) as error:
        raise InputError(f"they do not make a batch: {' '.join(str(error).split())}") from error


def batches(
    dataset: Passes, start: int, workers: int, pin: bool
) -> Generator[list[Batch], None, None]:
    """For each step from ``start`` to the end of a stage, the batches of its passes.

    Raises what the stream raises, and InputError for a batch without samples.
    """
    numbers = range(start * dataset.passes, dataset.steps * dataset.passes)
    loader: Iterable[Any] = DataLoader(
        dataset, batch_size=None, sampler=numbers, num_workers=workers, pin_memory=pin
    )
    made = iter(loader)
    step: list[Batch] = []
    try:
        for batch in made:
            if isinstance(batch, MienError):
                raise batch
            step.append(batch)
            if len(step) == dataset.passes:
                yield step
                step = []
    finally:
        del made  # ends the workers now, and not when an error's traceback is forgotten
