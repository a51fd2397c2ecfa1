"""Which data sets there are, by name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mien.data.adapters.dataset import Dataset, Items
from mien.data.adapters.folders import Folder
from mien.errors import InputError, UsageError

Find = Callable[[Folder, str], Items]


@dataclass(frozen=True)
class Adapter:
    """What is known of a data set before it is there.

    splits: the first is opened unless another is asked for. layout: files and folders expected.
    words: what its samples tell. terms: its licence, and where to ask for it.
    source: where the layout is known from.
    """

    name: str
    title: str
    kind: str
    splits: tuple[str, ...]
    layout: str
    words: tuple[str, ...]
    terms: str
    source: str
    find: Find


REGISTRY: dict[str, Adapter] = {}


def adapter(
    name: str, title: str, kind: str, splits: Sequence[str], layout: str, words: str, terms: str
) -> Callable[[Find], Find]:
    """Register the function that finds the samples of a data set; its docstring is the source."""

    def register(find: Find) -> Find:
        source = " ".join((find.__doc__ or "").split())
        REGISTRY[name] = Adapter(
            name, title, kind, tuple(splits), layout, tuple(words.split()), terms, source, find
        )
        return find

    return register


def available() -> list[str]:
    """Names for :func:`open_dataset`."""
    return sorted(REGISTRY)


def open_dataset(name: str, path: str | Path, split: str | None = None) -> Dataset:
    """A public data set that lies in the folder ``path``.

    Args:
        name: one of :func:`available`.
        path: the folder, in the layout of its publisher (docs/data-sets.md).
        split: as the official protocol calls it; the first of the adapter's splits if not said.

    Raises UsageError for an unknown name or split, InputError if the folder is not that data set.
    """
    if name not in REGISTRY:
        raise UsageError(f"no data set is called {name!r}; there are: {', '.join(available())}")
    found = REGISTRY[name]
    split = found.splits[0] if split is None else split
    if split not in found.splits:
        raise UsageError(f"{name} has no split {split!r}; there are: {', '.join(found.splits)}")
    root = Path(path)
    folder = Folder(root, found.title, found.layout)
    if not root.is_dir():
        raise InputError(f"{root}: no such folder")
    items = found.find(folder, split)
    if not len(items.items):
        raise folder.error(f"no sample of the split {split!r}")
    return Dataset(name, root, split, items)


def reopen(name: str, path: Path, split: str, chosen: Sequence[int] | None) -> Dataset:
    """The same samples in another process."""
    dataset = open_dataset(name, path, split)
    return dataset if chosen is None else Dataset(name, path, split, dataset._found, chosen)


def table() -> str:
    """The page docs/data-sets.md."""
    lines = [PAGE]
    for kind in dict.fromkeys(found.kind for found in REGISTRY.values()):
        lines += [f"## {kind}", "", HEADER]
        lines += [_line(found) for found in REGISTRY.values() if found.kind == kind] + [""]
    return "\n".join(lines)


PAGE = """# Data sets

mien ships no data of real people. Whoever has one of these data sets opens it where it lies:

    from mien.data.adapters import Crops, open_dataset

    people = open_dataset("celeba", "CelebA", split="train")
    people[0].image(), people[0].labels["attributes"]
    DataLoader(Crops(people, 224, ["image", "attributes", "identity"]), batch_size=32)

Samples are made when they are asked for; pictures and videos stay on the disk. Labels are numpy
arrays in one vocabulary (`mien.data.labels.WORDS`), so sets
can share a batch: what a set does not say is -1 where a word counts or classifies and NaN where it
measures. Splits are the published ones, or those of later work where a set has none, as its
line says; `split_people` divides any set with known people so that nobody is in both parts.
A folder in another layout is refused in one line that says what is missing.
Nothing is unpickled except through `mien.head.unpickle`, which runs nothing.

Rights: every set below has its own terms, most allow research only; mien gives no right
to any of them.
This page is printed by `python -m mien.data.adapters`.
"""
HEADER = "| name | layout | splits | words | terms | layout known from |\n|---|---|---|---|---|---|"


def _line(found: Adapter) -> str:
    words = ", ".join(f"`{word}`" for word in found.words)
    cells = (
        f"**{found.title}** `{found.name}`", f"`{found.layout}`", ", ".join(found.splits), words,
        found.terms, found.source,
    )  # fmt: skip
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
