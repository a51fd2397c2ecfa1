"""Pictures with attributes of the person: CelebA and its masks, age, gender and group."""

import re
from array import array
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mien.data.adapters.dataset import Items, Labels, Picture
from mien.data.adapters.folders import IMAGES, Folder, Row, Table, below, mask, names
from mien.data.adapters.registry import adapter
from mien.data.labels import ATTRIBUTES, GENDERS, PARSING, RACES, UNKNOWN
from mien.errors import InputError
from mien.head.model import CELEBAMASK

KIND = "Attributes, age and masks"
CELEBA_SPLITS = ("train", "val", "test")
CELEBA_POINTS = ("lefteye", "righteye", "nose", "leftmouth", "rightmouth")

# In the publisher's order: later masks lie over earlier ones. Its l_ is the person's left.
MASKS = {
    "skin": "skin", "nose": "nose", "eye_g": "glasses", "l_eye": "left_eye",
    "r_eye": "right_eye", "l_brow": "left_brow", "r_brow": "right_brow", "l_ear": "left_ear",
    "r_ear": "right_ear", "mouth": "inner_mouth", "u_lip": "upper_lip", "l_lip": "lower_lip",
    "hair": "hair", "hat": "hat", "ear_r": "earring", "neck_l": "necklace", "neck": "neck",
    "cloth": "cloth",
}  # fmt: skip

UNSEEN = ("glasses", "hat", "earring", "necklace")
"""What lies over a face: LaPa's classes would say what is beneath, which nobody has labelled."""

UTKFACE_RACES = ("White", "Black", "Asian", "Indian", "Others")
FAIRFACE_RACES = {
    "white": "White", "black": "Black", "indian": "Indian", "east asian": "Asian",
    "southeast asian": "Asian", "middle eastern": "Others", "latino_hispanic": "Others",
}  # fmt: skip


@adapter(
    "celeba", "CelebA", KIND, CELEBA_SPLITS,
    "img_align_celeba/000001.jpg, list_attr_celeba.txt, list_eval_partition.txt, and "
    "identity_CelebA.txt and list_landmarks_align_celeba.txt if there (also in Img/, Anno/, "
    "Eval/, and as .csv)",
    "attributes gender landmarks_5 identity",
    "non-commercial research; mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
)  # fmt: skip
def celeba(folder: Folder, split: str) -> Items:
    """From memory and torchvision's reader. Without identity_CelebA.txt people are not told
    apart."""
    attributes = _listed(folder.need(*_lists("list_attr_celeba")))
    partition = _listed(folder.need(*_lists("list_eval_partition")), ("image_id", "partition"))
    path = folder.find(*_lists("list_landmarks_align_celeba"))
    points = _listed(path) if path else None
    path = folder.find(*_lists("identity_CelebA"))
    people = _listed(path, ("image_id", "identity")) if path else None
    images = folder.need(
        "img_align_celeba", "Img/img_align_celeba", "img_align_celeba/img_align_celeba"
    )
    inner = images / "img_align_celeba"  # as one archive in use unpacks
    images = inner if inner.is_dir() else images

    def make(index: int) -> Picture:
        row = attributes[index]
        known = _attributes(row)
        labels = Labels(
            attributes=known,
            gender=_gender(known),
            landmarks_5=lambda: _celeba_points(points, index, row),
        )
        return Picture(path=below(images, row.text("image_id")), labels=labels)

    chosen = array("L")
    wanted = CELEBA_SPLITS.index(split)
    for index, row in enumerate(partition):
        if row.index("partition", len(CELEBA_SPLITS)) == wanted:
            chosen.append(index)
    if chosen:
        _same(attributes, chosen[-1], partition[chosen[-1]])
    if people is None:
        return Items(chosen, make)
    owners = _owners(people, partition)
    return Items(chosen, make, lambda index: f"{owners[index]:05d}")


def _owners(people: Table, partition: Table) -> array:
    """The number of the person in each picture, 8 bytes each."""
    owners = array("L")
    for row, other in zip(people, partition, strict=False):
        if row.text("image_id") != other.text("image_id"):
            raise row.error(f"of {row.text('image_id')!r}, expected {other.text('image_id')!r}")
        owners.append(row.index("identity", 1_000_000))
    if len(owners) != len(partition):
        raise InputError(f"{people.path}: ends after {len(owners)} pictures")
    return owners


def _lists(name: str) -> list[str]:
    """Where a list of CelebA may lie."""
    return [f"{base}{name}{end}" for base in ("", "Anno/", "Eval/") for end in (".txt", ".csv")]


def _listed(path: Path, columns: Sequence[str] | None = None) -> Table:
    """A list of CelebA: CSV with a header, else of ``columns``, else as :func:`_counted`."""
    if path.suffix == ".csv":
        return Table(path, need=("image_id", *(columns or ())))
    return Table(path, None, columns=columns) if columns else _counted(path)


def _counted(path: Path) -> Table:
    """A list that begins with how many pictures there are and the names of its columns, of which
    the picture's own has none."""
    try:
        with open(path, encoding="utf-8-sig", errors="replace") as file:
            count, header = file.readline(1 << 16).split(), file.readline(1 << 16).split()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    if len(count) != 1 or not count[0].isdecimal():
        raise InputError(f"{path}: its first line does not say how many pictures there are")
    return Table(path, None, columns=("image_id", *header), skip=2)


def _same(table: Table, index: int, row: Row) -> Row:
    """The line of another list about the same picture."""
    if index >= len(table):
        raise InputError(f"{table.path}: ends after {len(table)} pictures")
    other = table[index]
    if other.text("image_id") != row.text("image_id"):
        raise other.error(f"of {other.text('image_id')!r}, expected {row.text('image_id')!r}")
    return other


def _attributes(row: Row) -> np.ndarray:
    """(40,) int64 of columns with 1 and -1 (or 0)."""
    missing = next((name for name in ATTRIBUTES if name.lower() not in row.columns), None)
    if missing:
        raise row.error(f"the list has no attribute {missing!r}")
    return (row.numbers(map(row.text, ATTRIBUTES)) > 0).astype(np.int64)


def _gender(attributes: np.ndarray) -> int:
    male = attributes[ATTRIBUTES.index("Male")] == 1
    return GENDERS.index("male" if male else "female")


def _celeba_points(table: Table | None, index: int, row: Row) -> np.ndarray:
    if table is None:
        return np.full((5, 2), np.nan)
    line = _same(table, index, row)
    columns = [f"{name}_{axis}" for name in CELEBA_POINTS for axis in "xy"]
    if not set(columns) <= set(line.columns):
        raise line.error("not the columns of CelebA's five points")
    return line.numbers(map(line.text, columns)).reshape(5, 2)


@adapter(
    "celebamask-hq", "CelebAMask-HQ", KIND, CELEBA_SPLITS,
    "CelebA-HQ-img/0.jpg, CelebAMask-HQ-mask-anno/0/00000_skin.png, "
    "CelebAMask-HQ-attribute-anno.txt and CelebA-HQ-to-CelebA-mapping.txt",
    "parsing parsing_19 attributes gender",
    "non-commercial research; github.com/switchablenorms/CelebAMask-HQ",
)  # fmt: skip
def celebamask(folder: Folder, split: str) -> Items:
    """From the publisher's README and scripts: order of the masks and the split (its
    g_partition.py). That l_ is the person's left was measured on its sample pictures. Its pose
    file is left out, because its signs are not documented. Masks are 512 x 512."""
    images = folder.need("CelebA-HQ-img")
    masks = folder.need("CelebAMask-HQ-mask-anno", "CelebAMaskHQ-mask-anno")
    attributes = _counted(folder.need("CelebAMask-HQ-attribute-anno.txt"))
    need = ("idx", "orig_idx")
    mapping = Table(folder.need("CelebA-HQ-to-CelebA-mapping.txt"), None, need=need)

    def make(index: int) -> Picture:
        number = mapping[index].index("idx", 30_000)
        row = attributes[number] if number < len(attributes) else None
        if row is None or row.text("image_id") != f"{number}.jpg":
            raise InputError(f"{attributes.path}: no line of {number}.jpg where it should be")
        known = _attributes(row)
        labels = Labels(
            parsing_19=lambda: _layers(masks, number),
            parsing=lambda: _AS_LAPA[_layers(masks, number)],
            attributes=known,
            gender=_gender(known),
        )
        return Picture(path=images / f"{number}.jpg", labels=labels)

    def part(row: Row) -> str:
        number = row.index("orig_idx", 1_000_000)
        return "train" if number < 162_771 else "val" if number < 182_638 else "test"

    return Items([i for i, row in enumerate(mapping) if part(row) == split], make)


def _layers(folder: Path, number: int) -> np.ndarray:
    """(512, 512) uint8, indices in CELEBAMASK, out of one picture per part that is seen."""
    classes = None
    for name, part in MASKS.items():
        path = folder / str(number // 2000) / f"{number:05d}_{name}.png"
        if path.exists():
            seen = mask(path) > 0
            classes = np.zeros(seen.shape, np.uint8) if classes is None else classes
            if seen.shape != classes.shape:
                raise InputError(f"{path}: {seen.shape}, but other masks are {classes.shape}")
            classes[seen] = CELEBAMASK.index(part)
    if classes is None:
        raise InputError(f"{folder}: no mask of picture {number}")
    return classes


def _as_lapa() -> np.ndarray:
    """Index in PARSING of each class of CELEBAMASK; ears, neck and clothes are background."""
    table = [PARSING.index(name) if name in PARSING else 0 for name in CELEBAMASK]
    for name in UNSEEN:
        table[CELEBAMASK.index(name)] = UNKNOWN
    return np.array(table, np.int16)


_AS_LAPA = _as_lapa()


@adapter(
    "utkface", "UTKFace", KIND, ("all",),
    "25_0_2_20170116174525125.jpg.chip.jpg (age, gender, race, date) in the folder or in folders "
    "in it",
    "age gender race", "non-commercial research; susanqq.github.io/UTKFace",
)  # fmt: skip
def utkface(folder: Folder, split: str) -> Items:
    """File names and the order of races from the publisher's description. There is no official
    split. A few names lack the gender or the race: then both are unknown."""
    places = ["", *(f"{name}/" for name in names(folder.path))]
    found = [
        f"{place}{name}"
        for place in places
        for name in names(folder.path / place, IMAGES)
        if re.match(r"\d{1,3}_(\d_){0,2}\d{8,}", name)
    ]

    def make(name: str) -> Picture:
        age, *codes = name.rpartition("/")[2].split("_")
        codes = [int(code) for code in codes if len(code) == 1]
        gender, race = codes if len(codes) == 2 else (UNKNOWN, UNKNOWN)
        labels = Labels(
            age=float(age),
            gender=gender if gender in range(2) else UNKNOWN,
            race=RACES.index(UTKFACE_RACES[race]) if race in range(5) else UNKNOWN,
        )
        return Picture(path=folder.path / name, labels=labels)

    return Items(found, make)


@adapter(
    "fairface", "FairFace", KIND, ("train", "val"),
    "fairface_label_train.csv, fairface_label_val.csv, train/1.jpg, val/1.jpg",
    "gender race", "CC BY 4.0; github.com/joojs/fairface",
)  # fmt: skip
def fairface(folder: Folder, split: str) -> Items:
    """Layout from memory. Its seven groups become five, as UTKFace counts them. Ages are groups of
    ten years, so they are left out."""
    path = folder.need(f"fairface_label_{split}.csv")
    table = Table(path, need=("file", "gender", "race"))

    def make(index: int) -> Picture:
        row = table[index]
        gender, race = row.text("gender").lower(), row.text("race").lower()
        if gender not in GENDERS or race not in FAIRFACE_RACES:
            raise row.error(f"{gender[:40]!r}, {race[:40]!r}: no known gender and race")
        labels = Labels(
            gender=GENDERS.index(gender),
            race=RACES.index(FAIRFACE_RACES[race]),
        )
        return Picture(path=below(folder.path, row.text("file")), labels=labels)

    return Items(range(len(table)), make)
