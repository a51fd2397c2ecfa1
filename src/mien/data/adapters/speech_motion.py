"""Speech with the face's motion as a mesh.

Both sets come in the layout that FaceFormer and CodeTalker made of them and that later work uses:
one array per sentence. The neutral meshes lie in ``templates.pkl``, which is read with
``mien.head.unpickle`` (nothing in it is run), or in ``templates.npz``, which is preferred.
VOCASET's own ``raw_audio_fixed.pkl`` and ``data_verts.npy`` are not read.
"""

import re
from functools import lru_cache
from pathlib import Path

import numpy as np

from mien.data.adapters.dataset import Items, Labels, MeshClip
from mien.data.adapters.folders import Folder, names
from mien.data.adapters.registry import adapter
from mien.errors import InputError
from mien.head import unpickle

KIND = "Speech and 3D motion"
LAYOUT = "vertices_npy/{}.npy, wav/{}.wav and templates.pkl or templates.npz"

VOCASET = {
    "train": (
        "FaceTalk_170728_03272_TA FaceTalk_170904_00128_TA FaceTalk_170725_00137_TA "
        "FaceTalk_170915_00223_TA FaceTalk_170811_03274_TA FaceTalk_170913_03279_TA "
        "FaceTalk_170904_03276_TA FaceTalk_170912_03278_TA"
    ),
    "val": "FaceTalk_170811_03275_TA FaceTalk_170908_03277_TA",
    "test": "FaceTalk_170809_00138_TA FaceTalk_170731_00024_TA",
}
VOCASET_SENTENCES = {"train": range(1, 41), "val": range(21, 41), "test": range(21, 41)}

_BIWI_SEEN = "F2 F3 F4 M3 M4 M5"
BIWI = {
    "train": (_BIWI_SEEN, range(1, 33)),
    "val": (_BIWI_SEEN, range(33, 37)),
    "test": (_BIWI_SEEN, range(37, 41)),
    "test-unseen": ("F1 F5 F6 F7 F8 M1 M2 M6", range(37, 41)),
}


@adapter(
    "vocaset", "VOCASET", KIND, ("train", "val", "test"),
    LAYOUT.format(*["FaceTalk_170725_00137_TA_sentence01"] * 2),
    "identity", "non-commercial research; ask at voca.is.tue.mpg.de",
)  # fmt: skip
def vocaset(folder: Folder, split: str) -> Items:
    """Layout and people from FaceFormer's README; which sentences are to validate and test on,
    and 60 meshes per second, from memory of its reader. 5023 vertices in FLAME's order, metres."""
    people, sentences = VOCASET[split], VOCASET_SENTENCES[split]
    return _sentences(folder, r"(.+)_sentence(\d+)\.npy", people, sentences, fps=60)


@adapter(
    "biwi", "BIWI 3D audiovisual corpus (B3D(AC)2)", KIND, tuple(BIWI),
    LAYOUT.format("F1_e01", "F1_e01"),
    "identity", "research only; formerly from ETH Zurich, no longer given away",
)  # fmt: skip
def biwi(folder: Folder, split: str) -> Items:
    """Layout and people from FaceFormer's and CodeTalker's README; sentences of each split from
    memory of their reader. Emotional sentences (_e01 to _e40) only, 23370 vertices, 25 per
    second. ``test`` is CodeTalker's test A (seen people), ``test-unseen`` its test B."""
    people, sentences = BIWI[split]
    return _sentences(folder, r"([FM]\d)_e(\d+)\.npy", people, sentences, fps=25)


def _sentences(folder: Folder, pattern: str, people: str, sentences: range, fps: float) -> Items:
    meshes, audio = folder.need("vertices_npy"), folder.need("wav")
    templates = folder.need("templates.npz", "templates.pkl")
    found = [
        (match[1], name)
        for name in names(meshes, (".npy",))
        if (match := re.fullmatch(pattern, name))
        and match[1] in people.split()
        and int(match[2]) in sentences
    ]

    def make(item: tuple[str, str]) -> MeshClip:
        person, name = item
        return MeshClip(
            path=meshes / name,
            labels=Labels(),
            files={"audio": audio / name.replace(".npy", ".wav"), "template": templates},
            fps=fps,
            rest=lambda: _template(templates, person),
        )

    return Items(found, make, lambda item: item[0])


def _template(path: Path, person: str) -> np.ndarray:
    try:
        meshes = _templates(path, path.stat().st_mtime_ns)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    if person not in meshes:
        raise InputError(f"{path}: no mesh of {person}")
    mesh = np.asarray(meshes[person])
    if mesh.dtype.kind != "f" or not mesh.size or mesh.size % 3:
        raise InputError(f"{path}: what it holds of {person} is no mesh")
    return mesh.reshape(-1, 3).astype(np.float64)


@lru_cache(maxsize=2)
def _templates(path: Path, changed: int) -> dict[str, np.ndarray]:
    if path.suffix == ".pkl":
        return unpickle.load(path)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    except Exception as error:  # on damaged archives numpy raises nearly anything
        raise InputError(f"{path}: not arrays: {error}") from error
