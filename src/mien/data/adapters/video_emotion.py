"""Videos of people who show an emotion."""

import re
from collections.abc import Container
from pathlib import Path

import numpy as np

from mien.data.adapters.dataset import Clip, Items, Labels
from mien.data.adapters.expressions import feeling
from mien.data.adapters.folders import VIDEOS, Folder, Row, Table, below, names
from mien.data.adapters.registry import adapter
from mien.data.labels import GENDERS, RACES, UNKNOWN

KIND = "Emotion in videos"
FIVE_FOLDS = tuple(f"{part}{fold}" for fold in range(1, 6) for part in ("train", "test"))

MEAD = {
    "angry": "anger", "contempt": "contempt", "disgusted": "disgust", "fear": "fear",
    "happy": "happiness", "neutral": "neutral", "sad": "sadness", "surprised": "surprise",
}  # fmt: skip
MEAD_VAL = "M032 M033 M034 M035 W033 W035 W036"
MEAD_TEST = "M037 M039 M040 M041 M042 W037 W038 W040"
MEAD_TRAIN = (
    "M003 M005 M007 M009 M011 M012 M013 M019 M022 M023 M024 M025 M026 M027 M028 M029 M030 M031 "
    "W009 W011 W014 W015 W016 W018 W019 W021 W023 W024 W025 W026 W028 W029"
)

CREMA_D = {
    "ANG": "anger", "DIS": "disgust", "FEA": "fear", "HAP": "happiness", "NEU": "neutral",
    "SAD": "sadness",
}  # fmt: skip
CREMA_D_RACES = {"caucasian": "White", "african american": "Black", "asian": "Asian"}
LEVELS = {"LO": 1, "MD": 2, "HI": 3}

RAVDESS = ("neutral", None, "happiness", "sadness", "anger", "fear", "disgust", "surprise")
DFEW = ("happiness", "sadness", "neutral", "anger", "surprise", "disgust", "fear")
MAFW = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise", "contempt",
        "anxiety", "helplessness", "disappointment")  # fmt: skip
FERV39K = {
    "angry": "anger", "disgust": "disgust", "fear": "fear", "happy": "happiness",
    "neutral": "neutral", "sad": "sadness", "surprise": "surprise",
}  # fmt: skip


@adapter(
    "mead", "MEAD", KIND, ("train", "val", "test", "all"),
    "M003/video/front/angry/level_1/001.mp4 and M003/audio/angry/level_1/001.m4a",
    "emotion affect emotion_level gender identity",
    "research only; wywu.github.io/projects/MEAD/MEAD.html",
)  # fmt: skip
def mead(folder: Folder, split: str) -> Items:
    """Layout from code of several users. MEAD has no official split: train, val and test are
    EMOTE's lists of people. The view from the front is taken, the sound comes as
    files["audio"]."""
    chosen = {"train": MEAD_TRAIN, "val": MEAD_VAL, "test": MEAD_TEST}.get(split)
    people = [name for name in names(folder.path) if re.fullmatch(r"[MW]\d{3}", name)]
    found = [
        (person, emotion, level, name)
        for person in people
        if chosen is None or person in chosen.split()
        for emotion in _subfolders(folder.path / person / "video/front", MEAD)
        for level in _subfolders(folder.path / person / "video/front" / emotion)
        if re.fullmatch(r"level_[123]", level)
        for name in names(folder.path / person / "video/front" / emotion / level, VIDEOS)
    ]

    def make(item: tuple[str, str, str, str]) -> Clip:
        person, emotion, level, name = item
        labels = Labels(
            **feeling(MEAD[emotion]),
            emotion_level=int(level[-1]),
            gender=GENDERS.index("male" if person.startswith("M") else "female"),
        )
        sound = folder.path / person / "audio" / emotion / level / f"{Path(name).stem}.m4a"
        return Clip(
            path=folder.path / person / "video/front" / emotion / level / name,
            labels=labels,
            files={"audio": sound} if sound.exists() else {},
        )

    return Items(found, make, lambda item: item[0])


def _subfolders(folder: Path, known: Container[str] | None = None) -> list[str]:
    found = names(folder) if folder.is_dir() else []
    return [name for name in found if known is None or name in known]


@adapter(
    "crema-d", "CREMA-D", KIND, ("all",),
    "VideoFlash/1001_DFA_ANG_XX.flv, AudioWAV/1001_DFA_ANG_XX.wav and VideoDemographics.csv",
    "emotion affect emotion_level age gender race identity",
    "ODbL 1.0; github.com/CheyneyComputerScience/CREMA-D",
)  # fmt: skip
def crema_d(folder: Folder, split: str) -> Items:
    """From the publisher's repository. The emotion is the one that the actor was asked for; there
    is no official split."""
    videos = folder.need("VideoFlash")
    need = ("ActorID", "Age", "Sex", "Race")
    actors = {
        row.text("ActorID"): row for row in Table(folder.need("VideoDemographics.csv"), need=need)
    }
    pattern = re.compile(rf"(\d{{4}})_[A-Z]{{3}}_({'|'.join(CREMA_D)})_([A-Z]{{1,2}})\.")
    found = [
        (*m.groups(), m.string) for name in names(videos, VIDEOS) if (m := pattern.match(name))
    ]

    def make(item: tuple[str, ...]) -> Clip:
        actor, emotion, level, name = item
        labels = Labels(
            **feeling(CREMA_D[emotion]), emotion_level=LEVELS.get(level, UNKNOWN)
        ) | _actor(actors.get(actor))
        sound = folder.path / "AudioWAV" / f"{Path(name).stem}.wav"
        files = {"audio": sound} if sound.exists() else {}
        return Clip(path=videos / name, labels=labels, files=files)

    return Items(found, make, lambda item: item[0])


def _actor(row: Row | None) -> dict[str, float]:
    if row is None:
        return {"age": np.nan, "gender": UNKNOWN, "race": UNKNOWN}
    sex, race = row.text("Sex").lower(), CREMA_D_RACES.get(row.text("Race").lower())
    return {
        "age": row.number("Age"),
        "gender": GENDERS.index(sex) if sex in GENDERS else UNKNOWN,
        "race": RACES.index(race) if race else UNKNOWN,
    }


@adapter(
    "ravdess", "RAVDESS", KIND, ("all",), "Actor_01/01-01-06-01-02-01-12.mp4",
    "emotion affect emotion_level gender identity", "CC BY-NC-SA 4.0; zenodo.org/record/1188976",
)  # fmt: skip
def ravdess(folder: Folder, split: str) -> Items:
    """The code of file names from its publisher's description. Videos with sound only (01-), speech
    and song. Calm is no class here, so it is unknown; "normal" is level 2, "strong" 3."""
    pattern = re.compile(r"01-0[12]-0([1-8])-0([12])-0[12]-0[12]-(\d\d)\.")
    found = [
        (match[1], match[2], match[3], f"{place}/{name}")
        for place in names(folder.path)
        if place.startswith("Actor")
        for name in names(folder.path / place, VIDEOS)
        if (match := pattern.match(name))
    ]

    def make(item: tuple[str, ...]) -> Clip:
        emotion, level, actor, name = item
        labels = Labels(
            **feeling(RAVDESS[int(emotion) - 1]),
            emotion_level=int(level) + 1,
            gender=GENDERS.index("male" if int(actor) % 2 else "female"),
        )
        return Clip(path=folder.path / name, labels=labels)

    return Items(found, make, lambda item: item[2])


@adapter(
    "dfew", "DFEW", KIND, FIVE_FOLDS,
    "EmoLabel_DataSplit/train(single-labeled)/set_1.csv, likewise test, and "
    "Clip/clip_224x224_16f/00001/ with pictures (or Clip/clip_224x224, Clip/original/1.mp4)",
    "emotion affect", "research only; ask at dfew-dataset.github.io",
)  # fmt: skip
def dfew(folder: Folder, split: str) -> Items:
    """From code of several users (S4D, MAE-DFER), classes count from 1; the folder of original
    videos from memory. Clips without a single label (class 0) are left out."""
    part, fold = split[:-1], split[-1]
    lists = f"EmoLabel_DataSplit/{part}(single-labeled)/"
    path = folder.need(f"{lists}set_{fold}.csv", f"{lists}{part}_set_{fold}.csv")
    table = Table(path, need=("video_name", "label"))
    clips = _clips(
        folder, "clip_224x224", "jpg_256", "clip_224x224_16f", "original", inside=("Clip/", "")
    )

    def make(index: int) -> Clip:
        row = table[index]
        label = row.index("label", len(DFEW) + 1)
        number = row.index("video_name", 100_000)
        path = clips / f"{number:05d}"
        path = path if path.exists() else clips / f"{number}.mp4"
        return Clip(path=path, labels=Labels(**feeling(DFEW[label - 1])))

    return Items([i for i, row in enumerate(table) if row.index("label", 8)], make)


def _clips(folder: Folder, *places: str, inside: tuple[str, ...]) -> Path:
    return folder.need(*(f"{base}{name}" for name in places for base in inside))


@adapter(
    "mafw", "MAFW", KIND, FIVE_FOLDS,
    "Train & Test Set/single/no_caption/set_1/train.txt, likewise test.txt (or .csv), and "
    "data/clips/00001.mp4 or data/frames/00001/ with pictures",
    "emotion affect", "research only; ask at mafw-database.github.io/MAFW",
)  # fmt: skip
def mafw(folder: Folder, split: str) -> Items:
    """From code of several users (S4D, MAE-DFER): lines of a clip and its emotion, which is a name
    in the publisher's lists and a number in later ones. Clips with a single label."""
    part, fold = split[:-1], split[-1]
    bases = ("Train & Test Set/", "Train_Test_Set/", "anno/", "split/", "")
    tail = f"single/no_caption/set_{fold}/{part}"
    path = folder.need(*(f"{base}{tail}{end}" for base in bases for end in (".txt", ".csv")))
    clips = _clips(
        folder, "clips", "frames_crop_align_224", "frames", inside=("data/", "data/frames/", "")
    )
    delimiter = "," if path.suffix == ".csv" else None
    table = Table(path, delimiter, columns=("clip", "emotion"))

    def make(index: int) -> Clip:
        row = table[index]
        emotion = row.text("emotion").lower()
        if emotion not in MAFW:
            emotion = MAFW[row.index("emotion", len(MAFW))]
        place = below(clips, row.text("clip"))
        options = (place, place.with_name(f"{place.name}.mp4"), place.with_suffix(""))
        found = next((option for option in options if option.exists()), place)
        return Clip(path=found, labels=Labels(**feeling(emotion)))

    return Items([i for i, row in enumerate(table) if row.text("clip") != "video_name"], make)


@adapter(
    "ferv39k", "FERV39k", KIND, ("train", "test"),
    "4_setups/All_scenes/train_All.csv, likewise test_All.csv, and "
    "2_ClipsforFaceCrop/Action/Happy/0267/ with pictures",
    "emotion affect", "research only; ask at wangyanckxx.github.io/Proj_CVPR2022_FERV39k.html",
)  # fmt: skip
def ferv39k(folder: Folder, split: str) -> Items:
    """From code of several users: lines such as "Action/Happy/0267 Happy"; a first line without an
    emotion is a header."""
    name = f"All_scenes/{split}_All.csv"
    table = Table(folder.need(f"4_setups/{name}", name), None, columns=("clip", "emotion"))
    clips = folder.need("2_ClipsforFaceCrop/2_ClipsforFaceCrop", "2_ClipsforFaceCrop")

    def make(index: int) -> Clip:
        row = table[index]
        emotion = row.text("emotion").lower()
        if emotion not in FERV39K:
            raise row.error(f"{emotion[:40]!r}: no known emotion")
        labels = Labels(**feeling(FERV39K[emotion]))
        return Clip(path=below(clips, row.text("clip")), labels=labels)

    first = 0
    if len(table) and table[0].fields[-1].lower() not in FERV39K:
        first = 1
    return Items(range(first, len(table)), make)
