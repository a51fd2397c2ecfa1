"""Crops of portraits with all that is known of them: more words than landmarks.

What other networks said of a portrait (its curves, age, expression) and how its folder is named
(gender, group) are labels by looks. What a change of the face has made untrue is unknown.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mien.data import labels, photometric
from mien.data.face_crops import NO_FACE_SHARE, Cut, FaceCrops
from mien.data.face_warp import Change
from mien.data.traits import (
    COVERED,
    covered,
    detail_left,
    inside,
    mirrored_curves,
    near_frontal,
    traits,
)
from mien.face import BLENDSHAPES

SILENT = 1e-3  # deviation over all portraits below which their teacher does not know a curve
SURE = 0.8  # probability from which on a named expression is believed
SAID = {"neutral": "neutral", "happy": "happiness", "sad": "sadness", "surprised": "surprise",
        "fearful": "fear", "disgusted": "disgust", "angry": "anger"}  # fmt: skip
TOUCHED = {"jaw": ("jaw", "mouth"), "blink": ("eye",), "brows": ("brow", "eyeWide"),
           "mouth": ("mouth", "cheek", "noseSneer")}  # fmt: skip
"""How the names of the curves begin that a change of the face makes untrue."""

LOOSE, SPOILT = 0.1, 0.5
"""Shares of crops that are placed as a detector does, and that a camera spoils.

Readings are of faces whose landmarks are found; where all is loose and half of it is blurred, a
network does not begin to see where small things as irises are."""


@dataclass(frozen=True)
class PortraitLabels:
    """Of the training portraits in order: ``curves`` (n, 52), ``age`` (n,), NaN where unknown;
    ``affect``, ``gender``, ``group`` (n,) int64, -1 where unknown."""

    curves: np.ndarray
    age: np.ndarray
    affect: np.ndarray
    gender: np.ndarray
    group: np.ndarray

    @classmethod
    def load(cls, folder: Path) -> "PortraitLabels":
        """Of a portrait set; raises FileNotFoundError if the folder is none."""
        with open(folder / "index.csv", newline="") as stream:
            rows = list(csv.DictReader(stream))
        with np.load(folder / "labels.npz", allow_pickle=False) as stored:
            names, values = list(stored["blendshape_names"]), stored["blendshapes"]
        curves = np.full((len(rows), len(BLENDSHAPES)), np.nan, np.float32)
        for at, name in enumerate(BLENDSHAPES):
            if name in names:
                curves[:, at] = values[:, names.index(name)]
        curves[:, curves.std(0) < SILENT] = np.nan
        whole = cls(
            curves,
            np.array([float(row["age_faceapi"] or "nan") for row in rows], np.float32),
            np.array([affect_of(row) for row in rows]),
            np.array([_index(labels.GENDERS, row["gender"]) for row in rows]),
            np.array([_index(labels.GROUPS, row["group"]) for row in rows]),
        )
        learned = np.array([row["split"] != "val" for row in rows])
        return cls(**{name: values[learned] for name, values in vars(whole).items()})


def _index(classes: tuple[str, ...], name: str) -> int:
    return classes.index(name) if name in classes else labels.UNKNOWN


def affect_of(row: Mapping[str, str]) -> int:
    """Index in ``AFFECTS`` of the expression of a portrait's row, -1 where none is sure."""
    for said, name in SAID.items():
        if float(row[f"expression_{said}_faceapi"] or 0) >= SURE:
            return labels.AFFECTS.index(name)
    return labels.UNKNOWN


def curves_after(curves: np.ndarray, change: Change, mirrored: bool) -> np.ndarray:
    """Curves (52,) of a portrait that was changed, NaN where that made them untrue."""
    out = mirrored_curves(curves).copy() if mirrored else curves.copy()
    for name, beginnings in TOUCHED.items():
        if np.any(getattr(change, name)):
            out[[curve.startswith(beginnings) for curve in BLENDSHAPES]] = np.nan
    return out


class LabelledCrops:
    """The crops of :class:`FaceCrops`, by number, with every word that is known of them."""

    def __init__(self, crops: FaceCrops, said: PortraitLabels):
        self.crops, self.said = crops, said

    def words(self, index: int) -> dict[str, Any]:
        """What is known of the sample with this number; where no face is, little."""
        rng = np.random.default_rng((self.crops.seed, index))
        if rng.random() < NO_FACE_SHARE:
            image = photometric.degrade(self.crops.no_face(rng), rng)
            return {"image": image.transpose(2, 0, 1), "presence": np.float32(0)}
        cut = self.crops.face(rng, LOOSE)
        image = photometric.degrade(cut.image, rng, SPOILT)
        return {
            "image": image.transpose(2, 0, 1),
            "presence": np.float32(1),
            "landmarks": cut.landmarks.astype(np.float32),
            **self._told(cut, image),
        }

    def _told(self, cut: Cut, image: np.ndarray) -> dict[str, Any]:
        said, row = self.said, cut.row
        curves = curves_after(said.curves[row], cut.change, cut.mirrored)
        behind = covered(cut.landmarks, cut.hidden)
        gone = behind | ~inside(cut.landmarks, self.crops.size)
        # The labels do not say what the head itself hides; from the front it hides nothing.
        seen = int(near_frontal(cut.landmarks)) or labels.UNKNOWN
        as_it_was = np.isfinite(curves).sum() == np.isfinite(said.curves[row]).sum()
        return {
            "curves": curves,
            "visible": np.where(gone, 0, seen),
            "affect": said.affect[row] if as_it_was else np.int64(labels.UNKNOWN),
            "age": said.age[row],
            "gender": said.gender[row],
            "group": said.group[row],
            "traits": traits(curves, cut.landmarks, {"occluded": bool(behind.mean() >= COVERED)}),
            "quality": np.float32(detail_left(cut.image, image) * (1 - gone.mean())),
        }
