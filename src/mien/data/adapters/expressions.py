"""Pictures of facial expressions."""

import re
from pathlib import Path

import numpy as np

from mien.data.adapters.dataset import Items, Labels, Picture
from mien.data.adapters.folders import (
    IMAGES,
    Folder,
    Row,
    Table,
    below,
    finite,
    names,
    npy,
    numbers,
)
from mien.data.adapters.registry import adapter
from mien.data.labels import ACTION_UNITS, AFFECTS, EXPRESSIONS, GENDERS, RACES, UNKNOWN
from mien.errors import InputError

KIND = "Expressions in pictures"

AFFECTNET = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")
RAF_DB = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
RAF_DB_RACES = ("White", "Black", "Asian")
FER_PLUS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
JAFFE = {
    "AN": "anger", "DI": "disgust", "FE": "fear", "HA": "happiness", "NE": "neutral",
    "SA": "sadness", "SU": "surprise",
}  # fmt: skip
CK_PLUS = ("neutral", "anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise")


def feeling(name: str | None) -> dict[str, int]:
    """The words ``affect`` and ``emotion``: the latter is unknown for what is not basic."""
    if name is None:
        return {"affect": UNKNOWN, "emotion": UNKNOWN}
    emotion = EXPRESSIONS.index(name) if name in EXPRESSIONS else UNKNOWN
    return {"affect": AFFECTS.index(name), "emotion": emotion}


@adapter(
    "affectnet", "AffectNet", KIND, ("train", "val"),
    "train_set/images/N.jpg and train_set/annotations/N_exp.npy (_val, _aro, _lnd), likewise "
    "val_set; or Manually_Annotated_file_lists/training.csv with Manually_Annotated_Images/",
    "emotion affect valence arousal landmarks_68",
    "research only; ask at mohammadmahoor.com/affectnet",
)  # fmt: skip
def affectnet(folder: Folder, split: str) -> Items:
    """Both releases from code of several users; the order of the classes from memory. Of the CSV
    release, only the eight classes of faces are taken (not None, Uncertain and No-Face)."""
    base = folder.find(f"{split}_set")
    return _affectnet_arrays(folder, split) if base else _affectnet_csv(folder, split)


def _affectnet_arrays(folder: Folder, split: str) -> Items:
    images = folder.need(f"{split}_set/images")
    notes = folder.need(f"{split}_set/annotations")

    def make(name: str) -> Picture:
        stem = str(notes / name.rpartition(".")[0])
        expression = int(_scalar(f"{stem}_exp.npy"))
        if not 0 <= expression < len(AFFECTNET):
            raise InputError(f"{stem}_exp.npy: class {expression}, not 0 to 7")
        labels = Labels(
            **feeling(AFFECTNET[expression]),
            valence=lambda: _affect_value(_scalar(f"{stem}_val.npy")),
            arousal=lambda: _affect_value(_scalar(f"{stem}_aro.npy")),
            landmarks_68=lambda: _points(f"{stem}_lnd.npy", 68),
        )
        return Picture(path=images / name, labels=labels)

    return Items(names(images, IMAGES), make)


def _affectnet_csv(folder: Folder, split: str) -> Items:
    file = {"train": "training.csv", "val": "validation.csv"}[split]
    lists = "Manually_Annotated_file_lists/"
    need = ("subDirectory_filePath", "expression", "valence", "arousal", "facial_landmarks",
            "face_x", "face_y", "face_width", "face_height")  # fmt: skip
    table = Table(folder.need(lists + file, file), need=need)
    images = folder.need(
        "Manually_Annotated_Images", "Manually_Annotated/Manually_Annotated_Images"
    )

    def make(index: int) -> Picture:
        row = table[index]
        x, y, w, h = row.numbers(map(row.text, need[5:]))
        points = row.numbers(row.text("facial_landmarks").split(";"))
        if len(points) != 136:
            raise row.error(f"{len(points)} numbers for 68 landmarks")
        labels = Labels(
            **feeling(AFFECTNET[row.index("expression", len(AFFECTNET))]),
            valence=_affect_value(row.number("valence")),
            arousal=_affect_value(row.number("arousal")),
            landmarks_68=points.reshape(68, 2),
        )
        path = below(images, row.text("subDirectory_filePath"))
        return Picture(path=path, labels=labels, box=np.array([x, y, x + w, y + h]))

    faces = [i for i, row in enumerate(table) if row.number("expression") < len(AFFECTNET)]
    return Items(faces, make)


def _scalar(path: str) -> float:
    """The number of an array of one, which AffectNet stores as text."""
    array = npy(Path(path))
    if array.size != 1:
        raise InputError(f"{path}: {array.size} values, expected one")
    return finite([str(array.item())], path)[0].item()


def _points(path: str, count: int) -> np.ndarray:
    array = npy(Path(path)).astype(np.float32)
    if array.size != 2 * count:
        raise InputError(f"{path}: {array.size} numbers for {count} landmarks")
    return array.reshape(count, 2)


def _affect_value(value: float) -> float:
    """Valence or arousal; AffectNet's -2 says that there is none."""
    return value if -1 <= value <= 1 else np.nan


@adapter(
    "raf-db", "RAF-DB (basic)", KIND, ("train", "test"),
    "EmoLabel/list_patition_label.txt, Image/aligned/train_00001_aligned.jpg or "
    "Image/original/train_00001.jpg, and Annotation/manual/train_00001_manu_attri.txt if there",
    "emotion affect gender race landmarks_5", "research only; ask at whdeng.cn/RAF/model1.html",
)  # fmt: skip
def raf_db(folder: Folder, split: str) -> Items:
    """Layout, attribute codes and label order from code of several users (APViT among them). Boxes
    and points belong to the original pictures and come with them only; of the age there are only
    five groups, so it is left out."""
    path = folder.need("EmoLabel/list_patition_label.txt", "basic/EmoLabel/list_patition_label.txt")
    base = path.parent.parent
    table = Table(path, None, columns=("name", "label"))
    aligned = (base / "Image/aligned").is_dir()
    if not aligned and not (base / "Image/original").is_dir():
        raise folder.error("Image/aligned or Image/original is missing")

    def make(index: int) -> Picture:
        row = table[index]
        label = row.index("label", len(RAF_DB) + 1)
        if label == 0:
            raise row.error("class 0, but they count from 1")
        stem = row.text("name").rpartition(".")[0]
        notes = below(base / "Annotation/manual", f"{stem}_manu_attri.txt")
        person = _raf_person(notes) if notes.exists() else {"gender": UNKNOWN, "race": UNKNOWN}
        labels = Labels(**feeling(RAF_DB[label - 1])) | person
        if aligned:
            image = below(base / "Image/aligned", f"{stem}_aligned.jpg")
            return Picture(path=image, labels=labels | {"landmarks_5": np.full((5, 2), np.nan)})
        box = below(base / "Annotation/boundingbox", f"{stem}_boundingbox.txt")
        points = (
            numbers(notes, 13)[:10].reshape(5, 2) if notes.exists() else np.full((5, 2), np.nan)
        )
        return Picture(
            path=below(base / "Image/original", row.text("name")),
            labels=labels | {"landmarks_5": points},
            box=numbers(box, 4) if box.exists() else None,
        )

    return Items([i for i, r in enumerate(table) if r.text("name").startswith(split)], make)


def _raf_person(path: Path) -> dict[str, int]:
    """Gender and race of the manual notes: ten numbers of points, gender, race, group of age."""
    gender, race = (int(value) for value in numbers(path, 13)[10:12])
    return {
        "gender": gender if gender in range(len(GENDERS)) else UNKNOWN,
        "race": RACES.index(RAF_DB_RACES[race]) if race in range(3) else UNKNOWN,
    }


@adapter(
    "ferplus", "FERPlus", KIND, ("train", "val", "test"),
    "FER2013Train/label.csv and FER2013Train/fer0000000.png, likewise FER2013Valid, FER2013Test",
    "emotion affect affect_votes",
    "labels MIT (github.com/microsoft/FERPlus); pictures from the FER2013 challenge",
)  # fmt: skip
def ferplus(folder: Folder, split: str) -> Items:
    """Layout and the rule of the majority from the publisher's repository: single votes are left
    out, and the class needs more than half of the others; without one the picture is left out.
    Pictures are those that its generate_training_data.py writes."""
    name = {"train": "FER2013Train", "val": "FER2013Valid", "test": "FER2013Test"}[split]
    path = folder.need(f"{name}/label.csv", f"data/{name}/label.csv", f"images/{name}/label.csv")
    columns = ("name", "box", *FER_PLUS, "unknown", "nf")
    table = Table(path, columns=columns)

    def votes(row: Row) -> np.ndarray:
        counts = row.numbers(map(row.text, columns[2:]))
        return np.where(counts > 1, counts, 0)

    def make(index: int) -> Picture:
        row = table[index]
        counts = votes(row)
        shares = np.zeros(len(AFFECTS))
        shares[[AFFECTS.index(name) for name in FER_PLUS]] = counts[:8] / counts[:8].sum()
        labels = Labels(**feeling(FER_PLUS[int(counts.argmax())]), affect_votes=shares)
        return Picture(path=below(path.parent, row.text("name")), labels=labels)

    def clear(row: Row) -> bool:
        counts = votes(row)
        return bool(counts.max() > 0.5 * counts.sum() and counts.argmax() < len(FER_PLUS))

    return Items([i for i, row in enumerate(table) if clear(row)], make)


@adapter(
    "jaffe", "JAFFE", KIND, ("all",), "KA.AN1.39.tiff and so on, in the folder or in jaffe/",
    "emotion affect identity gender", "non-commercial research; ask at zenodo.org/record/3451524",
)  # fmt: skip
def jaffe(folder: Folder, split: str) -> Items:
    """From memory: names are person (two letters), expression and number; all are women."""
    base = folder.find("jaffe", "jaffedbase") or folder.path
    pattern = re.compile(rf"([A-Z]{{2}})\.({'|'.join(JAFFE)})\d+\.", re.I)
    found = [name for name in names(base, IMAGES) if pattern.match(name)]

    def part(name: str, number: int) -> str:
        match = pattern.match(name)
        return match[number].upper() if match else ""

    def make(name: str) -> Picture:
        labels = Labels(**feeling(JAFFE[part(name, 2)]), gender=GENDERS.index("female"))
        return Picture(path=base / name, labels=labels)

    return Items(found, make, lambda name: part(name, 1))


@adapter(
    "ck+", "CK+", KIND, ("all",),
    "cohn-kanade-images/S005/001/S005_001_00000011.png, and Emotion/, FACS/, Landmarks/ with the "
    "same folders",
    "emotion affect action_units action_unit_intensities landmarks_68 identity",
    "research only; ask at jeffcohn.net/Resources",
)  # fmt: skip
def ck_plus(folder: Folder, split: str) -> Items:
    """From memory. A sample is the last picture of a sequence, the apex; sequences without a label
    of emotion stay, as unknown. A FACS intensity of 0 says that none was given."""
    images = folder.need("cohn-kanade-images")
    found = [
        (person, take, frames[-1].rpartition(".")[0], frames[-1])
        for person in names(images)
        for take in names(images / person)
        if (frames := names(images / person / take, IMAGES))
    ]

    def note(kind: str, item: tuple[str, ...], ending: str) -> Path | None:
        person, take, stem, _ = item
        return folder.find(f"{kind}/{person}/{take}/{stem}_{ending}.txt")

    def make(item: tuple[str, ...]) -> Picture:
        emotion, points = note("Emotion", item, "emotion"), note("Landmarks", item, "landmarks")
        labels = Labels(
            **feeling(_ck_emotion(emotion) if emotion else None),
            **_facs(note("FACS", item, "facs")),
            landmarks_68=lambda: (
                numbers(points, 136).reshape(68, 2) if points else np.full((68, 2), np.nan)
            ),
        )
        return Picture(path=images / item[0] / item[1] / item[3], labels=labels)

    return Items(found, make, lambda item: item[0])


def _ck_emotion(path: Path) -> str:
    number = int(numbers(path, 1)[0])
    if number not in range(len(CK_PLUS)):
        raise InputError(f"{path}: class {number}, not 0 to 7")
    return CK_PLUS[number]


def _facs(path: Path | None) -> dict[str, np.ndarray]:
    """Action units out of lines of number and intensity; all unknown without a file."""
    active = np.full(len(ACTION_UNITS), UNKNOWN if path is None else 0)
    strength = np.full(len(ACTION_UNITS), np.nan if path is None else 0.0)
    if path is not None:
        values = numbers(path)
        for unit, intensity in values[: len(values) // 2 * 2].reshape(-1, 2):
            if unit in ACTION_UNITS:
                place = ACTION_UNITS.index(int(unit))
                active[place], strength[place] = 1, intensity or np.nan
    return {"action_units": active, "action_unit_intensities": strength}
