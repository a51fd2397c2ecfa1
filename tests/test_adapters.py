"""Adapters of public data sets, each on a small made-up folder in its published layout."""

import json
import os
import pickle
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch.utils.data import DataLoader

from mien.data import labels
from mien.data.adapters import (
    REGISTRY,
    Clip,
    Crops,
    Dataset,
    MeshClip,
    Picture,
    Sample,
    open_dataset,
    table,
)
from mien.data.adapters.folders import Table, below
from mien.data.adapters.identity import lfw_pairs
from mien.data.adapters.words import NEVER_UNKNOWN, dtype
from mien.data.labels import (
    ACTION_UNITS,
    AFFECTS,
    ATTRIBUTES,
    EXPRESSIONS,
    GENDERS,
    MANIPULATIONS,
    PARSING,
    RACES,
    WORDS,
)
from mien.errors import InputError, MienError, UsageError
from mien.head.model import CELEBAMASK
from mien.media.video import VideoWriter

WIDTH, HEIGHT, FRAMES = 16, 12, 3


# -- made-up folders -------------------------------------------------------------------------------


def write(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def picture(path: Path, size: tuple[int, int] = (WIDTH, HEIGHT)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    pixels = np.stack([x * 255 // size[0], y * 255 // size[1], 0 * x + 90], -1)
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def grey(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values.astype(np.uint8)).save(path)


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A tiny video."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    with VideoWriter(path, 25) as video:
        for index in range(FRAMES):
            video.write(np.full((HEIGHT, WIDTH, 3), 60 * index, np.uint8))
    return path.read_bytes()


POINTS_68 = np.arange(136).reshape(68, 2) / 10


def affectnet(root: Path, film: bytes) -> None:
    for part, classes in (("train", "07"), ("val", "3")):
        for number, expression in enumerate(classes):
            picture(root / f"{part}_set/images/{number}.jpg")
            stem = f"{root}/{part}_set/annotations/{number}_"
            os.makedirs(os.path.dirname(stem), exist_ok=True)
            np.save(f"{stem}exp.npy", np.array(expression))
            np.save(f"{stem}val.npy", np.array("-0.25" if number == 0 else "-2"))
            np.save(f"{stem}aro.npy", np.array("0.5"))
            np.save(f"{stem}lnd.npy", POINTS_68.reshape(-1))


def affectnet_csv(root: Path) -> None:
    points = ";".join(map(str, POINTS_68.reshape(-1)))
    head = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,"
    lines = [f"{head}expression,valence,arousal"]
    for number, expression in enumerate((1, 10, 6)):
        picture(root / f"Manually_Annotated_Images/7/{number}.jpg")
        lines.append(f"7/{number}.jpg,1,2,8,9,{points},{expression},0.5,-0.5")
    write(root / "Manually_Annotated_file_lists/training.csv", "\n".join(lines))


def raf_db(root: Path, film: bytes) -> None:
    write(
        root / "EmoLabel/list_patition_label.txt",
        "train_00001.jpg 1\ntrain_00002.jpg 7\ntest_0001.jpg 4\n",
    )
    for stem in ("train_00001", "train_00002", "test_0001"):
        picture(root / f"Image/original/{stem}.jpg")
        write(root / f"Annotation/boundingbox/{stem}_boundingbox.txt", "1.5 2 9 10 ")
        points = "\n".join(f"{i}.5\t{i + 1}" for i in range(5))
        write(root / f"Annotation/manual/{stem}_manu_attri.txt", f"{points}\n1\n2\n3\n")


def ferplus(root: Path, film: bytes) -> None:
    votes = (
        "8,1,0,0,0,0,0,0,1,0",
        "0,0,0,0,0,0,0,9,1,0",
        "3,3,0,0,0,0,0,0,4,0",
        "0,5,0,2,0,0,0,0,3,0",
    )
    for folder in ("FER2013Train", "FER2013Valid", "FER2013Test"):
        lines = []
        for number, line in enumerate(votes):
            lines.append(f'fer{number:07d}.png,"(0, 0, 48, 48)",{line}')
            picture(root / folder / f"fer{number:07d}.png")
        write(root / folder / "label.csv", "\n".join(lines) + "\n")


def jaffe(root: Path, film: bytes) -> None:
    for name in ("KA.AN1.39.tiff", "KA.NE2.27.tiff", "YM.SU3.60.tiff"):
        picture(root / name)
    write(root / "README.txt", "who")


def ck_plus(root: Path, film: bytes) -> None:
    for person, take in (("S005", "001"), ("S010", "002")):
        for frame in (1, 9, 11):
            picture(root / f"cohn-kanade-images/{person}/{take}/{person}_{take}_{frame:08d}.png")
        stem = f"{person}/{take}/{person}_{take}_00000011"
        rows = "\n".join(f"  {x:e} {y:e}" for x, y in POINTS_68)
        write(root / f"Landmarks/{stem}_landmarks.txt", rows)
    stem = "S005/001/S005_001_00000011"
    write(root / f"Emotion/{stem}_emotion.txt", "   3.0000000e+00\n")
    write(root / f"FACS/{stem}_facs.txt", "  9.0e+00   4.0e+00\n  1.7e+01  0.0e+00\n 39 2\n")


def disfa(root: Path, film: bytes) -> None:
    for person in ("SN001", "SN003"):
        write(root / f"Videos_RightCamera/RightVideo{person}_Comp.avi", film)
        for unit in (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26):
            rows = [f"{frame},{(unit + frame) % 6}" for frame in range(1, FRAMES + 1)]
            write(root / f"ActionUnit_Labels/{person}/{person}_au{unit}.txt", "\n".join(rows))


def bp4d(root: Path, film: bytes) -> None:
    for person in ("F001", "M003"):
        units = "0,1,2,4,6,7,10,12,14,15,17,23,24,32"
        codes = "5,1,0,9,1,0,1,1,0,0,1,0,0,1\n6,0,0,0,0,0,0,0,0,0,0,0,0,0\n7" + ",0" * 13
        write(root / f"AUCoding/AU_OCC/{person}_T1.csv", f"{units}\n{codes}\n")
        write(root / f"AUCoding/AU_INT/AU06/{person}_T1_AU06.csv", "5,3\n6,9\n")
        for frame in (4, 5, 6):
            picture(root / f"Sequences/{person}/T1/{frame:04d}.jpg")


def w300(root: Path, film: bytes) -> None:
    rows = "\n".join(f"{x} {y}" for x, y in POINTS_68 + 1)
    parts = "afw", "helen/trainset", "lfpw/trainset", "helen/testset", "lfpw/testset", "ibug"
    for part in parts:
        picture(root / part / "image_1.png")
        write(root / part / "image_1.pts", f"version: 1\nn_points:  68\n{{\n{rows}\n}}\n")
        picture(root / part / "without_points.png")


def wflw(root: Path, film: bytes) -> None:
    points = " ".join(f"{i / 10}" for i in range(196))
    lists = root / "WFLW_annotations"
    for part, name in (("train", "0--Parade/a.jpg"), ("test", "1--Test/b.jpg")):
        picture(root / "WFLW_images" / name)
        write(
            lists / f"list_98pt_rect_attr_train_test/list_98pt_rect_attr_{part}.txt",
            f"{points} 1 2 9 10 1 0 0 0 1 0 {name}\n",
        )
    for part in ("largepose", "expression", "illumination", "makeup", "occlusion", "blur"):
        write(lists / f"list_98pt_test/list_98pt_test_{part}.txt", f"{points} 1--Test/b.jpg\n")


def lapa(root: Path, film: bytes) -> None:
    for part in ("train", "val", "test"):
        picture(root / part / "images/3_0.jpg")
        classes = np.zeros((HEIGHT, WIDTH))
        classes[2:, 3:] = 1
        classes[4:6, 4:6], classes[4:6, 10:12], classes[8, 5:9] = 4, 5, 10
        grey(root / part / "labels/3_0.png", classes)
        rows = "\n".join(f"{i / 10} {i / 20}" for i in range(106))
        write(root / part / "landmarks/3_0.txt", f"106\n{rows}\n")


def biwi_pose(root: Path, film: bytes) -> None:
    c, s = np.cos(np.radians(30)), np.sin(np.radians(30))
    turns = {
        3: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        4: [[c, 0, -s], [0, 1, 0], [s, 0, c]],  # the nose, -z, goes to the image's right
    }
    for frame, rotation in turns.items():
        picture(root / f"01/frame_{frame:05d}_rgb.png")
        rows = "\n".join(" ".join(map(str, row)) for row in rotation)
        write(root / f"01/frame_{frame:05d}_pose.txt", f"{rows} \n\n10 20 900 \n")
    write(root / "01/depth.cal", "0")


def attribute_line(name: str, present: tuple[str, ...]) -> str:
    return f"{name}  " + " ".join("1" if word in present else "-1" for word in ATTRIBUTES)


def celeba(root: Path, film: bytes) -> None:
    names = [f"{number:06d}.jpg" for number in range(1, 5)]
    for name in names:
        picture(root / "img_align_celeba" / name)
    present = [("Smiling", "Male"), ("Eyeglasses",), (), ("Young",)]
    lines = [attribute_line(*pair) for pair in zip(names, present, strict=True)]
    head = f"4\n{' '.join(ATTRIBUTES)} \n"
    write(root / "list_attr_celeba.txt", head + "\n".join(lines) + "\n")
    parts = zip(names, (0, 0, 1, 2), strict=True)
    write(root / "list_eval_partition.txt", "\n".join(f"{name} {part}" for name, part in parts))
    people = zip(names, (2880, 17, 17, 9), strict=True)
    write(root / "identity_CelebA.txt", "\n".join(f"{name} {who}" for name, who in people))
    axes = "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y"
    head = f"4\n{axes} leftmouth_x leftmouth_y rightmouth_x rightmouth_y\n"
    rows = "\n".join(f"{name} 4 5 10 5 7 7 5 9 9 9" for name in names)
    write(root / "list_landmarks_align_celeba.txt", head + rows)


def celebamask(root: Path, film: bytes) -> None:
    mapping = ["idx       orig_idx      orig_file"]
    for index, original in enumerate((119613, 170000, 199999)):
        picture(root / f"CelebA-HQ-img/{index}.jpg", (2 * WIDTH, 2 * WIDTH))
        mapping.append(f"{index:5d}  {original:8d}  {original + 1:06d}.jpg")
        layers = {
            "skin": (0, 16),
            "l_eye": (10, 12),
            "r_eye": (4, 6),
            "eye_g": (11, 13),
            "l_ear": (15, 16),
        }
        for name, (first, last) in layers.items():
            mask = np.zeros((WIDTH, WIDTH))
            mask[:8, first:last] = 255
            grey(root / f"CelebAMask-HQ-mask-anno/0/{index:05d}_{name}.png", mask)
    write(root / "CelebA-HQ-to-CelebA-mapping.txt", "\n".join(mapping))
    rows = [attribute_line(f"{index}.jpg", ("Bald", "Male")) for index in range(3)]
    text = f"3\n{' '.join(ATTRIBUTES)}\n" + "\n".join(rows)
    write(root / "CelebAMask-HQ-attribute-anno.txt", text)


def utkface(root: Path, film: bytes) -> None:
    for name in ("25_0_2_20170116174525125", "100_1_3_20170112213500903", "39_1_20170116174525125"):
        picture(root / f"{name}.jpg.chip.jpg")
    picture(root / "part1/9_1_4_20170109194120301.jpg")
    picture(root / "cover.jpg")


def fairface(root: Path, film: bytes) -> None:
    for part in ("train", "val"):
        head = "file,age,gender,race,service_test"
        rows = (
            f"{part}/1.jpg,50-59,Male,East Asian,True\n{part}/2.jpg,3-9,Female,Latino_Hispanic,No"
        )
        write(root / f"fairface_label_{part}.csv", f"{head}\n{rows}\n")
        picture(root / part / "1.jpg")
        picture(root / part / "2.jpg")


def lfw(root: Path, film: bytes) -> None:
    for name, count in (("Ann_Lee", 2), ("Bo_Ek", 1), ("Cy_Dee", 1)):
        for number in range(1, count + 1):
            picture(root / f"lfw/{name}/{name}_{number:04d}.jpg")
    write(root / "peopleDevTrain.txt", "2\nAnn_Lee\t2\nBo_Ek\t1\n")
    write(root / "peopleDevTest.txt", "1\nCy_Dee\t1\n")
    write(root / "pairs.txt", "1\t1\nAnn_Lee\t1\t2\nBo_Ek\t1\tCy_Dee\t1\n")


def vggface2(root: Path, film: bytes) -> None:
    for path in (
        "train/n000002/0001_01.jpg",
        "train/n000003/0002_01.jpg",
        "test/n000001/0001_01.jpg",
    ):
        picture(root / path)


def casia(root: Path, film: bytes) -> None:
    for path in ("0000045/001.jpg", "0000045/002.jpg", "0000099/001.jpg"):
        picture(root / path)


def faceforensics(root: Path, film: bytes) -> None:
    for part, pair in (("train", "000 003"), ("val", "010 011"), ("test", "020 021")):
        first, second = pair.split()
        write(root / f"splits/{part}.json", json.dumps([[first, second], ["998", "999"]]))
        for quality in ("c23", "raw", "c40"):
            base = f"{quality}/videos"
            write(root / f"original_sequences/youtube/{base}/{first}.mp4", film)
            for method in ("Deepfakes", "NeuralTextures"):
                name = f"{second}_{first}.mp4"
                write(root / f"manipulated_sequences/{method}/{base}/{name}", film)
        write(root / f"manipulated_sequences/Deepfakes/masks/videos/{second}_{first}.mp4", film)


def celeb_df(root: Path, film: bytes) -> None:
    videos = ("Celeb-real/id0_0000.mp4", "Celeb-real/id1_0000.mp4", "YouTube-real/00000.mp4",
              "Celeb-synthesis/id0_id1_0000.mp4", "Celeb-synthesis/id1_id0_0000.mp4")  # fmt: skip
    for video in videos:
        write(root / video, film)
    listed = "1 Celeb-real/id1_0000.mp4\n0 Celeb-synthesis/id1_id0_0000.mp4\n"
    write(root / "List_of_testing_videos.txt", listed)


def speech(root: Path, people: tuple[str, ...], name: str, sentences: tuple[int, ...]) -> None:
    (root / "vertices_npy").mkdir(parents=True)
    for person in people:
        for sentence in sentences:
            stem = name.format(person, sentence)
            meshes = np.arange(FRAMES * 12, dtype=np.float32).reshape(FRAMES, 12)
            np.save(root / f"vertices_npy/{stem}.npy", meshes)
            write(root / f"wav/{stem}.wav", b"RIFF")
    meshes = {person: np.full((4, 3), number / 8) for number, person in enumerate(people)}
    write(root / "templates.pkl", pickle.dumps(meshes, protocol=2))


def vocaset(root: Path, film: bytes) -> None:
    people = "FaceTalk_170728_03272_TA", "FaceTalk_170811_03275_TA", "FaceTalk_170809_00138_TA"
    speech(root, people, "{}_sentence{:02d}", (1, 21))


def biwi(root: Path, film: bytes) -> None:
    speech(root, ("F2", "F1"), "{}_e{:02d}", (1, 33, 37))


def mead(root: Path, film: bytes) -> None:
    for person in ("M003", "W035", "M041", "M008"):
        for take in ("angry/level_3/001", "neutral/level_1/002"):
            write(root / f"{person}/video/front/{take}.mp4", film)
            write(root / f"{person}/audio/{take}.m4a", film)
        write(root / f"{person}/video/left_30/angry/level_3/001.mp4", film)


def crema_d(root: Path, film: bytes) -> None:
    head = '"ActorID","Age","Sex","Race","Ethnicity"'
    rows = '1001,51,"Male","Caucasian","Not Hispanic"\n1002,21,"Female","Unknown","Hispanic"'
    write(root / "VideoDemographics.csv", f"{head}\n{rows}\n")
    for name in ("1001_DFA_ANG_XX", "1001_IEO_HAP_HI", "1002_IEO_SAD_LO"):
        write(root / f"VideoFlash/{name}.flv", film)
        write(root / f"AudioWAV/{name}.wav", b"RIFF")


def ravdess(root: Path, film: bytes) -> None:
    for name in ("01-01-06-01-02-01-01", "01-02-02-02-01-01-01", "02-01-06-01-02-01-01"):
        write(root / f"Actor_01/{name}.mp4", film)
    write(root / "Actor_02/01-01-08-02-02-01-02.mp4", film)


def folds(root: Path, path: str, train: str, test: str) -> None:
    for fold in range(1, 6):
        write(root / path.format("train", fold), train)
        write(root / path.format("test", fold), test)


def dfew(root: Path, film: bytes) -> None:
    for number in range(1, 5):
        picture(root / f"Clip/clip_224x224/{number:05d}/1.jpg")
        picture(root / f"Clip/clip_224x224/{number:05d}/10.jpg")
    path = "EmoLabel_DataSplit/{}(single-labeled)/set_{}.csv"
    folds(root, path, "video_name,label\n1,1\n2,7\n3,0\n", "video_name,label\n00004,4\n")


def mafw(root: Path, film: bytes) -> None:
    for number in range(1, 4):
        write(root / f"data/clips/{number:05d}.mp4", film)
    path = "Train & Test Set/single/no_caption/set_{1}/{0}.txt"
    folds(root, path, "00001.mp4 contempt\n00002.mp4 10\n", "00003 sadness\n")


def ferv39k(root: Path, film: bytes) -> None:
    for clip in ("Action/Happy/0267", "War/Fear/0001"):
        picture(root / f"2_ClipsforFaceCrop/{clip}/0.jpg")
    write(root / "4_setups/All_scenes/train_All.csv", "Action/Happy/0267 Happy\n")
    write(root / "4_setups/All_scenes/test_All.csv", "clip emotion\nWar/Fear/0001 Fear\n")


Build = Callable[[Path, bytes], None]
SETS: dict[str, tuple[Build, dict[str, int]]] = {
    "affectnet": (affectnet, {"train": 2, "val": 1}),
    "raf-db": (raf_db, {"train": 2, "test": 1}),
    "ferplus": (ferplus, {"train": 2, "val": 2, "test": 2}),
    "jaffe": (jaffe, {"all": 3}),
    "ck+": (ck_plus, {"all": 2}),
    "disfa": (disfa, {"all": 2, "train1": 1, "test1": 1, "train2": 2, "train3": 1, "test3": 1}),
    "bp4d": (bp4d, {"all": 4, "train1": 2, "test1": 2, "train2": 4, "train3": 2, "test3": 2}),
    "300w": (w300, {"train": 3, "test": 3, "common": 2, "challenging": 1}),
    "wflw": (wflw, {"train": 1, "test": 1, "test-largepose": 1, "test-blur": 1}),
    "lapa": (lapa, {"train": 1, "val": 1, "test": 1}),
    "biwi-pose": (biwi_pose, {"all": 2}),
    "celeba": (celeba, {"train": 2, "val": 1, "test": 1}),
    "celebamask-hq": (celebamask, {"train": 1, "val": 1, "test": 1}),
    "utkface": (utkface, {"all": 4}),
    "fairface": (fairface, {"train": 2, "val": 2}),
    "lfw": (lfw, {"all": 4, "train": 3, "test": 1}),
    "vggface2": (vggface2, {"train": 2, "test": 1}),
    "casia-webface": (casia, {"train": 3}),
    "faceforensics++": (faceforensics, {"train": 3, "val": 3, "test": 3, "test-c40": 3}),
    "celeb-df": (celeb_df, {"train": 3, "test": 2}),
    "vocaset": (vocaset, {"train": 2, "val": 1, "test": 1}),
    "biwi": (biwi, {"train": 1, "val": 1, "test": 1, "test-unseen": 1}),
    "mead": (mead, {"all": 8, "train": 2, "val": 2, "test": 2}),
    "crema-d": (crema_d, {"all": 3}),
    "ravdess": (ravdess, {"all": 3}),
    "dfew": (dfew, {"train1": 2, "test1": 1, "train5": 2}),
    "mafw": (mafw, {"train1": 2, "test1": 1, "test5": 1}),
    "ferv39k": (ferv39k, {"train": 1, "test": 1}),
}
CASES = [(name, split) for name, (_, splits) in SETS.items() for split in splits]
PICTURES = [name for name in SETS if REGISTRY[name].kind not in (
    "Forgeries", "Speech and 3D motion", "Emotion in videos") and name != "disfa"]  # fmt: skip


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory, film: bytes) -> Path:
    """All data sets, each in a folder of its name; nothing writes here."""
    base = tmp_path_factory.mktemp("sets")
    for name, (build, _) in SETS.items():
        (base / name).mkdir()
        build(base / name, film)
    return base


@pytest.fixture
def copied(whole: Path, tmp_path: Path) -> Callable[[str], Path]:
    """A copy of a data set, to be broken."""

    def copy(name: str) -> Path:
        return Path(shutil.copytree(whole / name, tmp_path / name))

    return copy


def everything(dataset: Dataset) -> Iterator[dict[str, np.ndarray]]:
    """All that each sample tells, read."""
    for sample in dataset:
        told = {word: sample.labels[word] for word in sample.labels}
        if isinstance(sample, Clip):
            told |= {f"series {word}": sample.series[word] for word in sample.series}
        if isinstance(sample, MeshClip):
            told |= {"template": sample.template(), "vertices": np.array(sample.vertices())}
        yield told | {"path": np.array(str(sample.path))}


def read(name: str, root: Path) -> list[dict[str, np.ndarray]]:
    """What all samples of the first split tell."""
    return list(everything(open_dataset(name, root, next(iter(SETS[name][1])))))


def first(whole: Path, name: str, split: str | None = None, index: int = 0) -> Sample:
    return open_dataset(name, whole / name, split)[index]


# -- every adapter ---------------------------------------------------------------------------------


def test_every_adapter_is_tested_and_every_named_data_set_is_there() -> None:
    assert set(SETS) == set(REGISTRY)
    assert all(set(splits) <= set(REGISTRY[name].splits) for name, (_, splits) in SETS.items())


@pytest.mark.parametrize(("name", "split"), CASES)
def test_splits_have_their_samples(whole: Path, name: str, split: str) -> None:
    dataset = open_dataset(name, whole / name, split)
    assert len(dataset) == len(list(dataset)) == SETS[name][1][split]
    with pytest.raises(IndexError):
        dataset[len(dataset)]


@pytest.mark.parametrize("name", SETS)
def test_the_first_split_is_the_default(whole: Path, name: str) -> None:
    assert open_dataset(name, whole / name).split == REGISTRY[name].splits[0]


@pytest.mark.parametrize(("name", "split"), CASES)
def test_labels_keep_to_the_vocabulary(whole: Path, name: str, split: str) -> None:
    for sample in open_dataset(name, whole / name, split):
        series = set(sample.series) if isinstance(sample, Clip) else set()
        assert set(sample.labels) | series == set(REGISTRY[name].words)
        for word in sample.labels:
            fits(word, sample.labels[word], WORDS[word].shape)
        for word in series:
            assert isinstance(sample, Clip)
            fits(word, sample.series[word], (FRAMES, *WORDS[word].shape))


def fits(word: str, value: np.ndarray, shape: tuple[int | str, ...]) -> None:
    assert value.dtype == dtype(word)
    assert value.ndim == len(shape)
    assert all(isinstance(w, str) or s == w for s, w in zip(value.shape, shape, strict=True))


@pytest.mark.parametrize(("name", "split"), CASES)
def test_recordings_are_where_samples_say(whole: Path, name: str, split: str) -> None:
    for sample in open_dataset(name, whole / name, split):
        assert all(path.exists() for path in sample.files.values())
        if isinstance(sample, Picture):
            assert sample.image().shape[2] == 3
        elif isinstance(sample, Clip):
            frames = list(sample.frames())
            assert frames and all(f.image.shape == (HEIGHT, WIDTH, 3) for f in frames)
        else:
            assert isinstance(sample, MeshClip)
            assert sample.vertices().shape == (FRAMES, 4, 3)
            assert sample.template().shape == (4, 3)


@pytest.mark.parametrize("name", SETS)
def test_an_empty_folder_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError) as caught:
        open_dataset(name, tmp_path)
    said = str(caught.value)
    assert str(tmp_path) in said and REGISTRY[name].layout in said and "\n" not in said


@pytest.mark.parametrize("name", SETS)
def test_folders_without_what_is_needed_are_refused(copied, name: str) -> None:
    root = copied(name)
    for entry in sorted(root.iterdir()):
        shutil.move(entry, root.parent / "away")
        try:
            open_dataset(name, root)
        except InputError as error:
            assert "\n" not in str(error)
        shutil.move(root.parent / "away", entry)
    assert read(name, root)


@pytest.mark.parametrize("name", SETS)
def test_byte_order_marks_line_ends_and_empty_lines_change_nothing(copied, name: str) -> None:
    root = copied(name)
    before = read(name, root)
    for path in label_files(root):
        text = path.read_text().replace("\n", "\r\n")
        path.write_bytes(b"\xef\xbb\xbf" + text.encode() + b"\r\n\r\n")
    for old, new in zip(before, read(name, root), strict=True):
        assert old.keys() == new.keys()
        for word in old:
            np.testing.assert_array_equal(old[word], new[word])


def label_files(root: Path) -> list[Path]:
    return sorted(p for p in root.rglob("*") if p.suffix in (".csv", ".txt", ".pts", ".json"))


NOISE = (b"", b"\0\0\0", b"\xff\xfe junk", b"a,b,c\n1,2\n", b"1e999 nan inf\n" * 3, b"[[1,2],{}]",
         b'"open,1\n2', b"4\n" + b"9" * 5000 + b"\n", b"../../x ../../x\n" * 4)  # fmt: skip


@pytest.mark.parametrize("name", SETS)
def test_whatever_a_label_file_holds_is_read_or_refused_in_one_line(copied, name: str) -> None:
    root = copied(name)
    files = [*label_files(root), *root.rglob("*.npy"), *root.rglob("*.pkl")]
    for path in files[:8]:
        good = path.read_bytes()
        for bad in (*NOISE, good[: len(good) // 2], good.replace(b"1", b"77")):
            path.write_bytes(bad)
            try:
                read(name, root)
            except MienError as error:
                assert "\n" not in str(error)
        path.write_bytes(good)
    assert read(name, root)


@pytest.mark.parametrize("name", SETS)
def test_the_same_samples_come_in_another_process(whole: Path, name: str) -> None:
    dataset = open_dataset(name, whole / name)
    again = pickle.loads(pickle.dumps(dataset))
    for one, other in zip(everything(dataset), everything(again), strict=True):
        for word in one:
            np.testing.assert_array_equal(one[word], other[word])


@pytest.mark.parametrize("name", [n for n in SETS if "identity" in REGISTRY[n].words])
def test_people_are_counted_and_can_be_kept_apart(whole: Path, name: str) -> None:
    dataset = open_dataset(name, whole / name)
    numbers = {int(sample.labels["identity"]) for sample in dataset}
    assert numbers == set(range(len(dataset.people))) and dataset.people
    parts = dataset.split_people(0.5)
    assert not set(parts[0].people) & set(parts[1].people)
    assert len(parts[0]) + len(parts[1]) == len(dataset)
    assert set(parts[0].people) | set(parts[1].people) == set(dataset.people)


def test_people_that_nobody_named_cannot_be_kept_apart(whole: Path) -> None:
    with pytest.raises(InputError, match="apart"):
        open_dataset("lapa", whole / "lapa").split_people()


# -- in batches ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PICTURES)
def test_batches_keep_to_the_vocabulary_of_training(whole: Path, name: str) -> None:
    words = ["image", "landmarks_68", "parsing", "emotion", "age", "attributes", "identity"]
    crops = Crops(open_dataset(name, whole / name), 8, words)
    batch = next(iter(DataLoader(crops, batch_size=2)))  # type: ignore[arg-type]
    assert list(batch) == words
    assert labels.check(batch) == min(2, len(crops))


def test_words_that_a_set_lacks_are_unknown(whole: Path) -> None:
    crops = Crops(
        open_dataset("utkface", whole / "utkface"), 8, ["age", "parsing", "pose", "affect"]
    )
    sample = crops[0]
    assert sample["age"] == 25 and sample["affect"] == -1
    assert (sample["parsing"] == -1).all() and np.isnan(sample["pose"]).all()


def test_every_word_of_a_face_has_an_unknown_value(whole: Path) -> None:
    sizes = {name: [size for size in word.shape if size != "S"] for name, word in WORDS.items()}
    words = [name for name in WORDS if name not in NEVER_UNKNOWN]
    words = [name for name in words if all(isinstance(size, int) for size in sizes[name])]
    assert len(words) > 25
    sample = Crops(open_dataset("utkface", whole / "utkface"), 8, words)[0]
    for word, value in sample.items():
        fits(word, value, WORDS[word].shape)


@pytest.mark.parametrize(
    ("words", "said"), [(["imago"], "no word"), (["boxes"], "boxes"), (["embedding"], "embedding")]
)
def test_words_that_pictures_cannot_fill_are_refused(whole: Path, words: list, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Crops(open_dataset("utkface", whole / "utkface"), 8, words)


def test_videos_are_not_cropped(whole: Path) -> None:
    with pytest.raises(UsageError, match="no pictures"):
        Crops(open_dataset("celeb-df", whole / "celeb-df"), 8, ["image"])[0]


@given(st.integers(4, 40), st.floats(0, 4), st.floats(0, 3), st.floats(4, 11))
def test_crops_move_points_and_masks_with_the_picture(
    side: int, x: float, y: float, extent: float
) -> None:
    """A ramp tells where each of its pixels was; points and masks must say the same."""
    sample = Ramp(np.array([x, y, x + extent, y + extent]))
    crop = Crops(sample, side, ["image", "landmarks_5", "parsing"])[0]  # type: ignore[arg-type]
    points = crop["landmarks_5"]
    inside = np.flatnonzero(((points > 1) & (points < side - 1)).all(1))
    scale = side / (1.3 * extent)
    for index in inside:
        u, v = points[index]
        seen = crop["image"][:, int(v), int(u)].astype(float) / 10 + 0.5
        wanted = Ramp.POINTS[index] + (np.floor([u, v]) + 0.5 - [u, v]) / scale
        if (wanted > 1).all() and (wanted < [WIDTH - 1, HEIGHT - 1]).all():
            np.testing.assert_allclose(seen[:2], wanted, atol=0.35 if scale > 1 else 0.9)
            assert crop["parsing"][int(v), int(u)] == (wanted[0] > WIDTH / 2) or (
                abs(wanted[0] - WIDTH / 2) < 1
            )


class Ramp(Picture):
    """A data set of one picture whose colours are its coordinates (x, y) times 10."""

    POINTS = np.array([[3, 3], [8, 3], [13, 4], [4, 9], [11, 9.5]])

    def __init__(self, box: np.ndarray):
        from mien.data.adapters.dataset import Labels

        mask = np.repeat([[0, 1]], WIDTH // 2, axis=1).repeat(HEIGHT, axis=0)
        told = Labels(landmarks_5=self.POINTS, parsing=mask)
        super().__init__(path=Path(), labels=told, box=box)

    def __getitem__(self, index: int) -> Picture:
        return self

    def __len__(self) -> int:
        return 1

    def image(self) -> np.ndarray:
        x, y = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
        return np.stack([10 * x, 10 * y, 0 * x], -1).astype(np.uint8)


# -- what labels mean ------------------------------------------------------------------------------


def feeling(sample: Sample) -> tuple[str | None, str]:
    emotion, affect = int(sample.labels["emotion"]), int(sample.labels["affect"])
    return (None if emotion < 0 else EXPRESSIONS[emotion]), AFFECTS[affect]


@pytest.mark.parametrize(
    ("name", "split", "index", "emotion"),
    [
        ("affectnet", "train", 0, "neutral"),
        ("affectnet", "train", 1, "contempt"),
        ("affectnet", "val", 0, "surprise"),
        ("raf-db", "train", 0, "surprise"),
        ("raf-db", "train", 1, "neutral"),
        ("raf-db", "test", 0, "happiness"),
        ("ferplus", "train", 0, "neutral"),
        ("ferplus", "train", 1, "contempt"),
        ("jaffe", "all", 0, "anger"),
        ("jaffe", "all", 2, "surprise"),
        ("ck+", "all", 0, "disgust"),
        ("mead", "train", 0, "anger"),
        ("crema-d", "all", 1, "happiness"),
        ("ravdess", "all", 0, "fear"),
        ("ravdess", "all", 2, "surprise"),
        ("dfew", "train1", 1, "fear"),
        ("dfew", "test1", 0, "anger"),
        ("mafw", "train1", 0, "contempt"),
        ("mafw", "train1", 1, "disappointment"),
        ("mafw", "test1", 0, "sadness"),
        ("ferv39k", "train", 0, "happiness"),
        ("ferv39k", "test", 0, "fear"),
    ],
)
def test_each_set_names_its_classes(
    whole: Path, name: str, split: str, index: int, emotion: str
) -> None:
    basic = emotion if emotion in EXPRESSIONS else None
    assert feeling(first(whole, name, split, index)) == (basic, emotion)


def test_the_affects_begin_with_the_expressions() -> None:
    assert AFFECTS[: len(EXPRESSIONS)] == EXPRESSIONS


def test_affectnet_tells_valence_and_arousal(whole: Path, tmp_path: Path) -> None:
    sample, other = (first(whole, "affectnet", index=i).labels for i in (0, 1))
    assert (sample["valence"], sample["arousal"]) == (-0.25, 0.5)
    assert np.isnan(other["valence"])
    np.testing.assert_allclose(sample["landmarks_68"], POINTS_68, atol=1e-5)
    affectnet_csv(tmp_path)
    older = open_dataset("affectnet", tmp_path, "train")
    assert [feeling(s)[1] for s in older] == ["happiness", "anger"]  # not the one without a face
    np.testing.assert_array_equal(older[0].box, [1, 2, 9, 11])
    np.testing.assert_allclose(older[0].labels["landmarks_68"], POINTS_68, atol=1e-5)


def test_raf_db_tells_who_it_shows(whole: Path) -> None:
    sample = first(whole, "raf-db")
    assert GENDERS[int(sample.labels["gender"])] == "female"
    assert RACES[int(sample.labels["race"])] == "Asian"
    np.testing.assert_array_equal(sample.labels["landmarks_5"][1], [1.5, 2])
    np.testing.assert_array_equal(sample.box, [1.5, 2, 9, 10])


def test_ferplus_shares_leave_single_votes_out(whole: Path) -> None:
    shares = first(whole, "ferplus").labels["affect_votes"]
    assert shares[AFFECTS.index("neutral")] == 1 and shares.sum() == 1


def test_action_units_are_at_their_numbers(whole: Path) -> None:
    def at(array: np.ndarray, unit: int):
        return array[..., ACTION_UNITS.index(unit)].tolist()

    clip = first(whole, "disfa")
    assert isinstance(clip, Clip)
    assert at(clip.series["action_unit_intensities"], 12) == [1, 2, 3]
    assert at(clip.series["action_units"], 12) == [0, 1, 1]
    assert at(clip.series["action_units"], 24) == [-1, -1, -1]

    frames = open_dataset("bp4d", whole / "bp4d", "test1")
    one, two = frames[0].labels, frames[1].labels
    assert [at(one["action_units"], unit) for unit in (1, 2, 4, 6, 12, 26)] == [1, 0, -1, 1, 1, -1]
    assert at(one["action_unit_intensities"], 6) == 3
    assert np.isnan(at(two["action_unit_intensities"], 6))
    assert frames.people == ("F001",) and GENDERS[int(one["gender"])] == "female"

    posed = first(whole, "ck+").labels
    assert [at(posed["action_units"], unit) for unit in (9, 17, 1)] == [1, 1, 0]
    assert at(posed["action_unit_intensities"], 9) == 4
    assert np.isnan(at(posed["action_unit_intensities"], 17))
    assert first(whole, "ck+", index=1).labels["action_units"].tolist() == [-1] * 20


def test_landmarks_are_in_pixels_from_the_corner(whole: Path) -> None:
    points = first(whole, "300w").labels["landmarks_68"]
    np.testing.assert_allclose(points, POINTS_68 + 0.5, atol=1e-5)  # 1 is the first centre there
    sample = first(whole, "wflw")
    np.testing.assert_allclose(sample.labels["landmarks_98"][1], [0.2, 0.3], atol=1e-6)
    assert sample.labels["conditions"].tolist() == [1, 0, 0, 0, 1, 0]
    np.testing.assert_array_equal(sample.box, [1, 2, 9, 10])
    assert first(whole, "wflw", "test-blur").labels["conditions"].tolist() == [-1] * 6
    np.testing.assert_allclose(first(whole, "lapa").labels["landmarks_106"][2], [0.2, 0.1])
    points = first(whole, "celeba").labels["landmarks_5"]
    assert points.tolist() == [[4, 5], [10, 5], [7, 7], [5, 9], [9, 9]]


def test_parsing_takes_the_persons_sides(whole: Path) -> None:
    classes = first(whole, "lapa").labels["parsing"]
    assert PARSING[classes[4, 4]] == "right_eye" and PARSING[classes[4, 10]] == "left_eye"
    assert PARSING[classes[8, 6]] == "hair"

    sample = first(whole, "celebamask-hq").labels
    fine, coarse = sample["parsing_19"], sample["parsing"]
    row = [CELEBAMASK[k] for k in fine[0]]
    assert (row[0], row[4], row[10], row[11], row[15]) == (
        "skin", "right_eye", "left_eye", "left_eye", "left_ear",
    )  # fmt: skip
    assert PARSING[coarse[0, 10]] == "left_eye" and PARSING[coarse[0, 15]] == "background"
    assert row[12] == "glasses" and coarse[0, 12] == -1


def test_head_pose_has_the_signs_of_mien(whole: Path) -> None:
    frontal, turned = (s.labels["pose"] for s in open_dataset("biwi-pose", whole / "biwi-pose"))
    np.testing.assert_allclose(frontal, 0, atol=1e-4)
    np.testing.assert_allclose(turned, [30, 0, 0], atol=1e-4)


def test_celeba_attributes_by_name(whole: Path) -> None:
    dataset = open_dataset("celeba", whole / "celeba", "train")
    attributes = dataset[0].labels["attributes"]
    assert {ATTRIBUTES[i] for i in np.flatnonzero(attributes)} == {"Smiling", "Male"}
    assert [GENDERS[int(s.labels["gender"])] for s in dataset] == ["male", "female"]
    assert dataset.people == ("00017", "02880") and dataset[0].labels["identity"] == 1


def test_celeba_as_csv_and_without_names(whole: Path, copied) -> None:
    root = copied("celeba")
    for stem, head in (("list_attr_celeba", ATTRIBUTES), ("list_eval_partition", ("partition",))):
        lines = (root / f"{stem}.txt").read_text().splitlines()[2 if stem[5] == "a" else 0 :]
        rows = [",".join(reversed(line.split())) for line in lines]  # in another order, too
        text = "\n".join([",".join((*reversed(head), "image_id")), *rows])
        (root / f"{stem}.txt").unlink()
        write(root / f"{stem}.csv", text)
    (root / "identity_CelebA.txt").unlink()
    old, new = (open_dataset("celeba", path) for path in (whole / "celeba", root))
    assert not new.people and "identity" not in new[0].labels
    for one, other in zip(old, new, strict=True):
        np.testing.assert_array_equal(one.labels["attributes"], other.labels["attributes"])


def test_ages_and_groups_by_name(whole: Path) -> None:
    people = {float(s.labels["age"]): s.labels for s in open_dataset("utkface", whole / "utkface")}
    assert {age: (int(s["gender"]), int(s["race"])) for age, s in people.items()} == {
        25: (0, RACES.index("Asian")),
        100: (1, RACES.index("Indian")),
        9: (1, RACES.index("Others")),
        39: (-1, -1),
    }
    races = [RACES[int(s.labels["race"])] for s in open_dataset("fairface", whole / "fairface")]
    assert races == ["Asian", "Others"]
    actor = first(whole, "crema-d").labels
    assert (actor["age"], GENDERS[int(actor["gender"])]) == (51, "male")
    assert RACES[int(actor["race"])] == "White" and actor["emotion_level"] == -1
    assert first(whole, "crema-d", index=2).labels["race"] == -1


def test_lfw_pairs(whole: Path, copied) -> None:
    same, other = lfw_pairs(whole / "lfw")
    assert (same.same, other.same, same.fold) == (True, False, 0)
    assert all(p.exists() for pair in (same, other) for p in (pair.first, pair.second))
    root = copied("lfw")
    for text in ("1\t9\nAnn_Lee\t1\t2\n", "1\t1\n../../x\t1\t2\nBo_Ek\t1\tCy_Dee\t1\n", "", "x\n"):
        write(root / "pairs.txt", text)
        with pytest.raises(InputError):
            lfw_pairs(root)


def test_forgeries_are_told_apart(whole: Path) -> None:
    dataset = open_dataset("faceforensics++", whole / "faceforensics++", "train")
    kinds = [
        (int(s.labels["forged"]), MANIPULATIONS[int(s.labels["manipulation"])]) for s in dataset
    ]
    assert kinds == [(0, "none"), (1, "Deepfakes"), (1, "NeuralTextures")]
    assert [set(s.files) for s in dataset] == [set(), {"mask"}, set()]
    tested = open_dataset("celeb-df", whole / "celeb-df", "test")
    assert {(s.path.name, int(s.labels["forged"])) for s in tested} == {
        ("id1_0000.mp4", 0),
        ("id1_id0_0000.mp4", 1),
    }


def test_speech_is_split_by_person_and_sentence(whole: Path) -> None:
    dataset = open_dataset("vocaset", whole / "vocaset", "val")
    assert [s.path.stem for s in dataset] == ["FaceTalk_170811_03275_TA_sentence21"]
    sample = dataset[0]
    assert isinstance(sample, MeshClip) and sample.fps == 60
    np.testing.assert_array_equal(sample.template(), np.full((4, 3), 1 / 8))
    assert sample.vertices()[1, 0].tolist() == [12, 13, 14]
    unseen = open_dataset("biwi", whole / "biwi", "test-unseen")
    assert [s.path.stem for s in unseen] == ["F1_e37"]


def test_frames_of_a_folder_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number in (2, 10, 1):
        grey(tmp_path / f"{number}.png", np.full((4, 4), number))
    (tmp_path / "._1.png").write_bytes(b"what an archive leaves behind")
    clip = Clip(path=tmp_path, labels=first_labels(), fps=10)
    frames = list(clip.frames(every=2))
    assert [int(f.image[0, 0, 0]) for f in frames] == [1, 10]
    assert [f.time for f in frames] == [0, 0.2]


def first_labels():
    from mien.data.adapters.dataset import Labels

    return Labels()


# -- hostile and broken folders --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "file", "old"),
    [
        ("raf-db", "EmoLabel/list_patition_label.txt", "train_00001.jpg"),
        ("ferplus", "FER2013Train/label.csv", "fer0000000.png"),
        ("celeba", "list_attr_celeba.txt", "000001.jpg"),
        ("wflw", "WFLW_annotations/list_98pt_rect_attr_train_test/list_98pt_rect_attr_train.txt",
         "0--Parade/a.jpg"),
        ("fairface", "fairface_label_train.csv", "train/1.jpg"),
        ("lfw", "peopleDevTrain.txt", "Ann_Lee"),
        ("faceforensics++", "splits/train.json", "000"),
        ("celeb-df", "List_of_testing_videos.txt", "Celeb-real/id1_0000.mp4"),
        ("mafw", "Train & Test Set/single/no_caption/set_1/train.txt", "00001.mp4"),
        ("ferv39k", "4_setups/All_scenes/train_All.csv", "Action/Happy/0267"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("escape", ["../../secret.jpg", "/etc/secret.jpg", "..\\..\\secret.jpg"])
def test_names_in_label_files_do_not_lead_out(copied, name, file, old, escape) -> None:
    root = copied(name)
    picture(root.parent / "secret.jpg")
    hostile = escape.replace("\\", "\\\\") if file.endswith("json") else escape
    if name == "raf-db":  # it must say that it is to train on
        hostile = f"train/../../..{hostile}" if hostile[0] == "/" else f"train/{hostile}"
    for path in {root / file, *root.glob("*.txt")}:
        write(path, path.read_text().replace(old, hostile))
    with pytest.raises(InputError, match=r"leads out of the data set|not a list of pairs"):
        split = "train1" if name == "mafw" else "train"
        list(everything(open_dataset(name, root, split)))


@given(st.text(max_size=30))
def test_no_name_leads_out_of_its_folder(name: str) -> None:
    folder = Path("/data/set")
    try:
        path = below(folder, name)
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert Path(os.path.normpath(path)).is_relative_to(folder)


def test_templates_are_read_without_running_them(copied) -> None:
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(root / "trapped"),)

    root = copied("vocaset")
    write(root / "templates.pkl", pickle.dumps({"FaceTalk_170728_03272_TA": Trap()}))
    sample = open_dataset("vocaset", root)[0]
    assert isinstance(sample, MeshClip)
    with pytest.raises(InputError, match="was not run"):
        sample.template()
    assert not (root / "trapped").exists()


def test_arrays_are_never_unpickled(copied) -> None:
    root = copied("affectnet")
    np.save(root / "train_set/annotations/0_exp.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(InputError, match="not an array"):
        open_dataset("affectnet", root)[0]


@pytest.mark.parametrize(
    ("name", "file", "text", "said"),
    [
        ("dfew", "EmoLabel_DataSplit/train(single-labeled)/set_1.csv", "clip,label\n1,1\n",
         "no column 'video_name'"),
        ("dfew", "EmoLabel_DataSplit/train(single-labeled)/set_1.csv", "video_name,label\n1\n",
         "line 2: no value for 'label'"),
        ("raf-db", "EmoLabel/list_patition_label.txt", "train_00001.jpg 8\n",
         "line 1: 'label' is '8'"),
        ("lapa", "train/landmarks/3_0.txt", "106\n1 2\n", "2 numbers, expected 212"),
        ("biwi-pose", "01/frame_00003_pose.txt", "2 0 0 0 1 0 0 0 1 0 0 0", "not a rotation"),
        ("celeba", "identity_CelebA.txt", "000002.jpg 1\n", "expected '000001.jpg'"),
        ("disfa", "ActionUnit_Labels/SN001/SN001_au1.txt", "1,0\n2,9\n3,0", "line 2"),
        ("crema-d", "VideoDemographics.csv", "ActorID,Age\n", "no column 'Sex'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_file_and_line(copied, name, file, text, said) -> None:
    root = copied(name)
    write(root / file, text)
    with pytest.raises(InputError) as caught:
        read(name, root)
    assert said in str(caught.value) and Path(file).name in str(caught.value)


def test_a_class_that_a_mask_cannot_have_is_refused(copied) -> None:
    root = copied("lapa")
    grey(root / "train/labels/3_0.png", np.full((HEIGHT, WIDTH), 200))
    with pytest.raises(InputError, match="class 200"):
        open_dataset("lapa", root)[0].labels["parsing"]


def test_unknown_names_splits_and_folders_are_refused(whole: Path) -> None:
    with pytest.raises(UsageError, match="celeba"):
        open_dataset("celebb", whole)
    with pytest.raises(UsageError, match="train, val, test"):
        open_dataset("celeba", whole / "celeba", "dev")
    with pytest.raises(InputError, match="no such folder"):
        open_dataset("celeba", whole / "nowhere")


def test_a_table_keeps_its_rows_on_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_text("name,Number,more\n" + "".join(f'"a, {i}",{i},x,y\n' for i in range(50_000)))
    rows = Table(path, need=("number",))
    assert len(rows) == 50_000
    assert (rows[40_000].text("name"), rows[40_000].number("number")) == ("a, 40000", 40_000)
    assert rows._starts.itemsize * len(rows) <= 400_000
    assert sum(row.index("number", 1_000_000) for row in rows) == sum(range(50_000))


def test_an_endless_line_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_bytes(b"x" * (1 << 21))
    with pytest.raises(InputError, match="a line of more"):
        Table(path)


# -- the page --------------------------------------------------------------------------------------


def test_the_page_says_what_there_is() -> None:
    """If this fails: python -m mien.data.adapters > docs/data-sets.md"""
    assert (ROOT / "docs" / "data-sets.md").read_text() == table()
