"""Pictures with landmarks, parsing masks or head pose."""

from pathlib import Path

import numpy as np

from mien.data.adapters.dataset import Items, Labels, Picture
from mien.data.adapters.folders import IMAGES, Folder, Table, below, mask, names, numbers
from mien.data.adapters.registry import adapter
from mien.data.labels import PARSING
from mien.errors import InputError
from mien.face import Pose

KIND = "Landmarks, parsing and head pose"

W300_TRAIN = ("afw", "helen/trainset", "lfpw/trainset")
W300_COMMON = ("helen/testset", "lfpw/testset")
W300_CHALLENGING = ("ibug",)
W300 = {
    "train": W300_TRAIN,
    "test": W300_COMMON + W300_CHALLENGING,
    "common": W300_COMMON,
    "challenging": W300_CHALLENGING,
}
WFLW_SUBSETS = ("largepose", "expression", "illumination", "makeup", "occlusion", "blur")


@adapter(
    "300w", "300W", KIND, tuple(W300),
    "afw/, helen/trainset/, helen/testset/, lfpw/trainset/, lfpw/testset/, ibug/, each with "
    "pictures and .pts files of the same names",
    "landmarks_68", "research only; ask at ibug.doc.ic.ac.uk/resources/300-W",
)  # fmt: skip
def w300(folder: Folder, split: str) -> Items:
    """Folders and parts from memory, as published work uses them (3148 pictures to train on, 554
    common and 135 challenging to test). A ``.pts`` file counts from 1 at the centre of the first
    pixel, which is 0.5 here."""
    places = [folder.need(name) for name in W300[split]]
    found = [
        (place, name)
        for place in places
        for name in names(place, IMAGES)
        if (place / name).with_suffix(".pts").exists()
    ]

    def make(item: tuple[Path, str]) -> Picture:
        path = item[0] / item[1]
        points = lambda: numbers(path.with_suffix(".pts"), 136).reshape(68, 2) - 0.5  # noqa: E731
        return Picture(path=path, labels=Labels(landmarks_68=points))

    return Items(found, make)


@adapter(
    "wflw", "WFLW", KIND, ("train", "test", *(f"test-{name}" for name in WFLW_SUBSETS)),
    "WFLW_images/ and WFLW_annotations/list_98pt_rect_attr_train_test/"
    "list_98pt_rect_attr_train.txt, for the parts of the test WFLW_annotations/list_98pt_test/"
    "list_98pt_test_blur.txt",
    "landmarks_98 conditions", "research only; wywu.github.io/projects/LAB/WFLW.html",
)  # fmt: skip
def wflw(folder: Folder, split: str) -> Items:
    """From code of several users: 98 points, and in the main lists the face's box and the six
    attributes, then the picture's name."""
    part = split.partition("-")[2]
    name = (
        f"list_98pt_test/list_98pt_test_{part}.txt"
        if part
        else f"list_98pt_rect_attr_train_test/list_98pt_rect_attr_{split}.txt"
    )
    images = folder.need("WFLW_images")
    table = Table(folder.need(f"WFLW_annotations/{name}", name), None, columns=("x0",))

    def make(index: int) -> Picture:
        row = table[index]
        if len(row.fields) not in (197, 207):
            raise row.error(f"{len(row.fields)} values, expected 207 (or 197)")
        values = row.numbers(row.fields[:-1])
        attributes = values[200:206] > 0 if len(values) > 196 else np.full(6, -1)
        labels = Labels(landmarks_98=values[:196].reshape(98, 2), conditions=attributes)
        box = values[196:200] if len(values) > 196 else None
        return Picture(path=below(images, row.fields[-1]), labels=labels, box=box)

    return Items(range(len(table)), make)


@adapter(
    "lapa", "LaPa", KIND, ("train", "val", "test"),
    "train/images/N.jpg, train/labels/N.png and train/landmarks/N.txt, likewise val and test",
    "parsing landmarks_106",
    "non-commercial; github.com/JDAI-CV/lapa-dataset (asks to agree to its terms)",
)  # fmt: skip
def lapa(folder: Folder, split: str) -> Items:
    """The classes and their order from the publisher's labelmap.txt, whose left and right are the
    viewer's; folders and the first line of the landmark files (their number) from memory."""
    images, masks = folder.need(f"{split}/images"), folder.need(f"{split}/labels")
    points = folder.need(f"{split}/landmarks")

    def make(name: str) -> Picture:
        stem = name.rpartition(".")[0]
        labels = Labels(
            parsing=lambda: _classes(masks / f"{stem}.png"),
            landmarks_106=lambda: numbers(points / f"{stem}.txt", 212, skip=1).reshape(106, 2),
        )
        return Picture(path=images / name, labels=labels)

    return Items(names(images, IMAGES), make)


def _classes(path: Path) -> np.ndarray:
    values = mask(path)
    if values.size and values.max() >= len(PARSING):
        raise InputError(f"{path}: class {values.max()}, but LaPa has {len(PARSING)}")
    return values


@adapter(
    "biwi-pose", "BIWI Kinect head pose", KIND, ("all",),
    "01/frame_00003_rgb.png and 01/frame_00003_pose.txt, and so on to 24, in the folder or in "
    "hpdb/ or faces_0/",
    "pose", "research only; formerly at icu.ee.ethz.ch/research/datsets.html",
)  # fmt: skip
def biwi_pose(folder: Folder, split: str) -> Items:
    """Layout from code and notebooks of several users. The rotation is read in the camera's axes
    (x right, y down, z away), as Hopenet does. Four of the 20 people were recorded twice, and
    who is not in the files, so people are not told apart."""
    base = folder.find("hpdb", "faces_0") or folder.path
    found = [
        (sequence, name)
        for sequence in names(base)
        for name in names(base / sequence, IMAGES)
        if "_rgb." in name
    ]

    def make(item: tuple[str, str]) -> Picture:
        path = base / item[0] / item[1]
        note = path.with_name(path.name.partition("_rgb.")[0] + "_pose.txt")
        return Picture(path=path, labels=Labels(pose=lambda: _pose(note)))

    return Items(found, make)


def _pose(path: Path) -> np.ndarray:
    """Yaw, pitch and roll out of a rotation of 9 numbers and a place of 3."""
    rotation = numbers(path, 12)[:9].reshape(3, 3)
    if not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-2):
        raise InputError(f"{path}: not a rotation")
    pose = Pose.from_rotation(rotation)
    return np.array([pose.yaw, pose.pitch, pose.roll])
