"""Videos coded for action units, frame by frame."""

import re
from pathlib import Path

import numpy as np

from mien.data.adapters.dataset import Clip, Items, Labels, Picture
from mien.data.adapters.folders import IMAGES, VIDEOS, Folder, Row, Table, names
from mien.data.adapters.registry import adapter
from mien.data.labels import ACTION_UNITS, UNKNOWN
from mien.errors import InputError

KIND = "Action units"
FOLDS = ("all", "train1", "test1", "train2", "test2", "train3", "test3")
NOT_CODED = 9  # BP4D's mark of a unit that could not be seen
LONGEST = 1_000_000  # frames of a coded video; DISFA's have 4845

DISFA_UNITS = (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)
DISFA_ACTIVE = 2
"""The intensity from which published work takes a unit of DISFA for active."""

DISFA_FOLDS = (
    (1, 2, 9, 10, 16, 26, 27, 30, 32),
    (6, 11, 12, 13, 18, 21, 24, 28, 31),
    (3, 4, 5, 7, 8, 17, 23, 25, 29),
)
BP4D_FOLDS = (
    "F001 F002 F008 F009 F010 F018 F016 F023 M001 M004 M007 M008 M012 M014",
    "F003 F005 F011 F013 F020 F022 M002 M005 M010 M011 M013 M016 M017 M018",
    "F004 F006 F007 F012 F014 F015 F017 F019 F021 M003 M006 M009 M015",
)


def _in_fold(split: str, fold: int) -> bool:
    """Whether people of a fold (0 to 2) are in a split."""
    return split == "all" or (split.startswith("test")) == (int(split[-1]) - 1 == fold)


@adapter(
    "disfa", "DISFA", KIND, FOLDS,
    "Videos_RightCamera/RightVideoSN001_Comp.avi (or the left camera's) and "
    "ActionUnit_Labels/SN001/SN001_au1.txt",
    "action_units action_unit_intensities identity",
    "research only; ask at mohammadmahoor.com/disfa",
)  # fmt: skip
def disfa(folder: Folder, split: str) -> Items:
    """Layout from code of several users; the folds are those of FMAE-IAT. A sample is a video of
    the right camera, or of the left if only that is there; labels are a series, one value per
    frame; a unit is active from intensity 2, as published work counts."""
    videos = folder.need(
        "Videos_RightCamera", "Video_RightCamera", "Videos_LeftCamera", "Video_LeftCamera"
    )
    notes = folder.need("ActionUnit_Labels")
    fold = {f"SN{n:03d}": k for k, numbers in enumerate(DISFA_FOLDS) for n in numbers}
    found = [
        (match[1].upper(), name)
        for name in names(videos, VIDEOS)
        if (match := re.search(r"video(SN\d{3})", name, re.I))
    ]
    chosen = [item for item in found if _in_fold(split, fold.get(item[0], UNKNOWN))]

    def make(item: tuple[str, str]) -> Clip:
        person, name = item

        def strength() -> np.ndarray:
            return _disfa(notes / person, person)

        series = Labels(
            action_units=lambda: _active(strength(), DISFA_ACTIVE),
            action_unit_intensities=strength,
        )
        return Clip(path=videos / name, labels=Labels(), series=series)

    return Items(chosen, make, lambda item: item[0])


def _disfa(folder: Path, person: str) -> np.ndarray:
    """Intensities (frames, 20) float32 of a video out of one file per unit."""
    columns = []
    for unit in DISFA_UNITS:
        rows = list(Table(folder / f"{person}_au{unit}.txt", columns=("frame", "intensity")))
        values = np.full(len(rows), np.nan, np.float32)
        for row in rows:
            frame = row.index("frame", LONGEST)
            if not 1 <= frame <= len(rows):
                raise row.error(f"frame {frame} of {len(rows)}")
            values[frame - 1] = row.index("intensity", 6)
        columns.append(values)
    if len({len(values) for values in columns}) != 1:
        raise InputError(f"{folder}: its units are coded for different numbers of frames")
    strength = np.full((len(columns[0]), len(ACTION_UNITS)), np.nan, np.float32)
    strength[:, [ACTION_UNITS.index(unit) for unit in DISFA_UNITS]] = np.stack(columns, 1)
    return strength


def _active(strength: np.ndarray, least: float) -> np.ndarray:
    return np.where(np.isnan(strength), UNKNOWN, strength >= least).astype(np.int64)


@adapter(
    "bp4d", "BP4D", KIND, FOLDS,
    "Sequences/F001/T1/0001.jpg (or 2D+3D/F001/T1), AUCoding/AU_OCC/F001_T1.csv and "
    "AUCoding/AU_INT/AU06/F001_T1_AU06.csv",
    "action_units action_unit_intensities identity gender",
    "research only; ask at cs.binghamton.edu/~lijun/Research/3DFE",
)  # fmt: skip
def bp4d(folder: Folder, split: str) -> Items:
    """File names, codes and the header of unit numbers from code of several users, the folder of
    pictures from memory; the folds are those of FMAE-IAT. A sample is a coded frame whose picture
    is there; 9 means that a unit could not be seen. Intensities are given for five units."""
    images = folder.need("Sequences", "2D+3D")
    codes = folder.need("AUCoding/AU_OCC", "AU_OCC")
    fold = {person: k for k, people in enumerate(BP4D_FOLDS) for person in people.split()}
    tables: dict[tuple[str, str], Table] = {}
    found = []
    for name in names(codes, (".csv",)):
        person, _, task = name.removesuffix(".csv").partition("_")
        if not _in_fold(split, fold.get(person, UNKNOWN)) or not (images / person / task).is_dir():
            continue
        tables[person, task] = table = Table(codes / name)
        pictures = {_number(file): file for file in names(images / person / task, IMAGES)}
        frame = next(iter(table.columns), "")
        for index, row in enumerate(table):
            picture = pictures.get(row.index(frame, LONGEST))
            if picture is not None:
                found.append((person, task, index, picture))

    def make(item: tuple[str, str, int, str]) -> Picture:
        person, task, index, picture = item
        row = tables[person, task][index]
        labels = Labels(
            action_units=_occurrence(row),
            action_unit_intensities=lambda: _intensities(
                codes.parent / "AU_INT", f"{person}_{task}", _number(picture)
            ),
            gender=1 if person.startswith("F") else 0,
        )
        return Picture(path=images / person / task / picture, labels=labels)

    return Items(found, make, lambda item: item[0])


def _number(name: str) -> int:
    digits = re.search(r"(\d+)\.\w+$", name)
    return int(digits[1]) if digits else UNKNOWN


def _occurrence(row: Row) -> np.ndarray:
    """(20,) int64 of a line whose columns are numbers of units."""
    active = np.full(len(ACTION_UNITS), UNKNOWN)
    for place, unit in enumerate(ACTION_UNITS):
        column = next(
            (c for c in (str(unit), f"au{unit}", f"au{unit:02d}") if c in row.columns), ""
        )
        if column:
            code = row.index(column, 10)
            active[place] = code if code in (0, 1) else UNKNOWN
    return active


def _intensities(folder: Path, take: str, frame: int) -> np.ndarray:
    """(20,) float32 of one frame, out of one file per unit."""
    strength = np.full(len(ACTION_UNITS), np.nan, np.float32)
    for place, unit in enumerate(ACTION_UNITS):
        path = folder / f"AU{unit:02d}" / f"{take}_AU{unit:02d}.csv"
        if path.exists():
            for row in Table(path, columns=("frame", "intensity")):
                if row.index("frame", LONGEST) == frame:
                    code = row.index("intensity", 10)
                    strength[place] = np.nan if code == NOT_CODED else code
                    break
    return strength
