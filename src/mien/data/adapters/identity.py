"""Pictures of many people, one folder each, for recognition and verification."""

from dataclasses import dataclass
from pathlib import Path

from mien.data.adapters.dataset import Items, Labels, Picture
from mien.data.adapters.folders import Folder, PeopleFolders, Table, below, names
from mien.data.adapters.registry import adapter
from mien.errors import InputError

KIND = "Identity"


def _people(found: PeopleFolders) -> Items:
    def make(item: tuple[str, str]) -> Picture:
        return Picture(path=found.folder / item[0] / item[1], labels=Labels())

    return Items(found, make, lambda item: item[0], found.people)


@adapter(
    "lfw", "LFW", KIND, ("all", "train", "test"),
    "lfw/George_W_Bush/George_W_Bush_0001.jpg, for train and test peopleDevTrain.txt and "
    "peopleDevTest.txt, and pairs.txt for verification",
    "identity", "research only; vis-www.cs.umass.edu/lfw",
)  # fmt: skip
def lfw(folder: Folder, split: str) -> Items:
    """From memory of the publisher's README. train and test are View 1 (for development); results
    are reported on the ten folds of View 2, which lfw_pairs reads."""
    images = _lfw_images(folder.path)
    if split == "all":
        return _people(PeopleFolders(images, names(images)))
    path = folder.need(f"peopleDev{split.capitalize()}.txt")
    listed = [row.text("name") for row in Table(path, "\t", columns=("name", "count"), skip=1)]
    for name in listed:
        if not below(images, name).is_dir():
            raise InputError(f"{path}: {name[:80]!r} has no folder in {images}")
    return _people(PeopleFolders(images, sorted(listed)))


def _lfw_images(root: Path) -> Path:
    named = ("lfw", "lfw_funneled", "lfw-deepfunneled")
    return next((root / name for name in named if (root / name).is_dir()), root)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two pictures, whether they show one person, and the fold (from 0) that they belong to."""

    first: Path
    second: Path
    same: bool
    fold: int


def lfw_pairs(root: str | Path) -> list[Pair]:
    """The 6000 pairs of LFW's View 2, out of ``pairs.txt``: folds of same, then different pairs.

    Raises InputError when the list is missing or not as long as it says.
    """
    root = Path(root)
    path, images = root / "pairs.txt", _lfw_images(root)
    rows = list(Table(path, "\t", columns=("a", "b", "c", "d")))
    if not rows or len(rows[0].fields) != 2:
        raise InputError(f"{path}: its first line does not say how many folds and pairs there are")
    folds, half = (rows[0].index(column, 1_000_000) for column in "ab")
    if not folds or not half or len(rows) - 1 != folds * half * 2:
        raise InputError(f"{path}: {len(rows) - 1} pairs, but it announces {folds * half * 2}")
    pairs = []
    for index, row in enumerate(rows[1:]):
        same = len(row.fields) == 3
        people = (row.text("a"), row.text("a" if same else "c"))
        numbers = (row.index("b", 10_000), row.index("c" if same else "d", 10_000))
        first, second = (
            below(images, f"{name}/{name}_{number:04d}.jpg")
            for name, number in zip(people, numbers, strict=True)
        )
        pairs.append(Pair(first, second, same, index // (2 * half)))
    return pairs


@adapter(
    "vggface2", "VGGFace2", KIND, ("train", "test"),
    "train/n000002/0001_01.jpg and test/n000001/0001_01.jpg", "identity",
    "research only; no longer given away by its publisher",
)  # fmt: skip
def vggface2(folder: Folder, split: str) -> Items:
    """From memory; nobody is in both splits."""
    images = folder.need(split, f"data/{split}", f"vggface2_{split}/{split}")
    return _people(PeopleFolders(images, names(images)))


@adapter(
    "casia-webface", "CASIA-WebFace", KIND, ("train",),
    "0000045/001.jpg and so on, in the folder or in CASIA-WebFace/", "identity",
    "research only; formerly from CASIA",
)  # fmt: skip
def casia_webface(folder: Folder, split: str) -> Items:
    """From memory. Copies in MXNet's record files are not read."""
    images = folder.find("CASIA-WebFace") or folder.path
    return _people(PeopleFolders(images, names(images)))
