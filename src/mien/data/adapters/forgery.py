"""Genuine and manipulated videos."""

import json
import re
from pathlib import Path

from mien.data.adapters.dataset import Clip, Items, Labels
from mien.data.adapters.folders import VIDEOS, Folder, Table, below, names
from mien.data.adapters.registry import adapter
from mien.data.labels import MANIPULATIONS
from mien.errors import InputError

KIND = "Forgeries"
QUALITIES = ("c23", "raw", "c40")
METHODS = ("Deepfakes", "Face2Face", "FaceSwap", "FaceShifter", "NeuralTextures")
PARTS = ("train", "val", "test")
CELEB_DF = ("Celeb-real", "YouTube-real", "Celeb-synthesis")


def _labels(manipulation: str) -> Labels:
    return Labels(
        forged=int(manipulation != "none"), manipulation=MANIPULATIONS.index(manipulation)
    )


@adapter(
    "faceforensics++", "FaceForensics++", KIND,
    tuple(part if quality == "c23" else f"{part}-{quality}" for quality in QUALITIES
          for part in PARTS),
    "original_sequences/youtube/c23/videos/000.mp4, "
    "manipulated_sequences/Deepfakes/c23/videos/000_003.mp4 (and other methods, and raw or c40), "
    "and train.json, val.json, test.json here or in splits/",
    "forged manipulation",
    "research only; ask at github.com/ondyari/FaceForensics",
)  # fmt: skip
def faceforensics(folder: Folder, split: str) -> Items:
    """Layout and split files from the publisher's repository. Listed videos that were not
    downloaded are left out. Where they are there, masks come as files["mask"]."""
    part, _, quality = split.partition("-")
    quality = quality or "c23"
    pairs = _pairs(
        folder.need(f"{part}.json", f"splits/{part}.json", f"dataset/splits/{part}.json")
    )
    originals = folder.need(f"original_sequences/youtube/{quality}/videos")
    listed = [("none", originals, name) for pair in pairs for name in pair]
    for method in METHODS:
        place = folder.path / f"manipulated_sequences/{method}/{quality}/videos"
        listed += [(method, place, f"{a}_{b}") for x, y in pairs for a, b in ((x, y), (y, x))]
    found = [(kind, place / f"{name}.mp4") for kind, place, name in listed]

    def make(item: tuple[str, Path]) -> Clip:
        kind, path = item
        mask = folder.path / f"manipulated_sequences/{kind}/masks/videos" / path.name
        return Clip(path=path, labels=_labels(kind), files={"mask": mask} if mask.exists() else {})

    return Items([item for item in found if item[1].exists()], make)


def _pairs(path: Path) -> list[tuple[str, str]]:
    """Pairs of numbers of videos, of which each was put into the other."""
    try:
        pairs = json.loads(path.read_text(encoding="utf-8-sig"))
        good = all(len(p) == 2 and all(re.fullmatch(r"\d{3}", name) for name in p) for p in pairs)
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{path}: not a list of pairs: {error}") from error
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    if not good:
        raise InputError(f'{path}: not a list of pairs such as ["000", "003"]')
    return [(first, second) for first, second in pairs]


@adapter(
    "celeb-df", "Celeb-DF (v1, v2)", KIND, ("train", "test"),
    "Celeb-real/id0_0000.mp4, Celeb-synthesis/id0_id1_0000.mp4, YouTube-real/00000.mp4 and "
    "List_of_testing_videos.txt",
    "forged manipulation", "research only; ask at github.com/yuezunli/celeb-deepfakeforensics",
)  # fmt: skip
def celeb_df(folder: Folder, split: str) -> Items:
    """From code of several users. What a video is, its folder says: the list counts genuine ones
    as 1. What is not in the list is to train on."""
    places = [folder.need(name) for name in CELEB_DF]
    table = Table(folder.need("List_of_testing_videos.txt"), None, columns=("genuine", "video"))
    tested = {below(folder.path, row.text("video")) for row in table}
    videos = [place / name for place in places for name in names(place, VIDEOS)]

    def make(path: Path) -> Clip:
        forged = path.parent.name == "Celeb-synthesis"
        return Clip(path=path, labels=_labels("Celeb-DF" if forged else "none"))

    return Items([path for path in videos if (path in tested) == (split == "test")], make)
