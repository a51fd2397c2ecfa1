"""The words of training batches: what a data stream may say of a face, in one shape and unit.

A stream yields samples whose keys are words of :data:`WORDS`; batches stack them. A system says in
``example`` which words it learns from. A stream gives every word that a system's stage asks for,
in every sample, so that data sets with different labels can share a batch: what is not known of a
sample is ``UNKNOWN`` (-1) where the word counts or classifies and NaN where it measures, and its
loss leaves that sample out.

Stages name their stream: "faces" is any faces, "people" gives batches of several pictures of each
of several people, as metric learning needs them.

S is the side of the crop in pixels; pixels, angles and sides are those of ``docs/conventions.md``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mien.errors import InputError

if TYPE_CHECKING:
    import torch

UNKNOWN = -1

PARSING = ("background", "skin", "right_brow", "left_brow", "right_eye", "left_eye", "nose",
           "upper_lip", "inner_mouth", "lower_lip", "hair")  # fmt: skip
"""Classes of a parsing mask: the order of LaPa, right and left being the person's."""

ACTION_UNITS = (1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15, 17, 20, 23, 24, 25, 26, 28, 43)
"""Numbers of the action units (Ekman and Friesen) in the order of the word ``action_units``."""

EXPRESSIONS = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger")
"""Classes of the word ``emotion``."""

GENDERS = ("male", "female")
RACES = ("White", "Black", "Indian", "Asian", "Others")
"""Labels of UTKFace, which published heads are trained on; see the systems' own limits."""

ATTRIBUTES = (
    "5_o_Clock_Shadow", "Arched_Eyebrows", "Attractive", "Bags_Under_Eyes", "Bald", "Bangs",
    "Big_Lips", "Big_Nose", "Black_Hair", "Blond_Hair", "Blurry", "Brown_Hair", "Bushy_Eyebrows",
    "Chubby", "Double_Chin", "Eyeglasses", "Goatee", "Gray_Hair", "Heavy_Makeup",
    "High_Cheekbones", "Male", "Mouth_Slightly_Open", "Mustache", "Narrow_Eyes", "No_Beard",
    "Oval_Face", "Pale_Skin", "Pointy_Nose", "Receding_Hairline", "Rosy_Cheeks", "Sideburns",
    "Smiling", "Straight_Hair", "Wavy_Hair", "Wearing_Earrings", "Wearing_Hat",
    "Wearing_Lipstick", "Wearing_Necklace", "Wearing_Necktie", "Young",
)  # fmt: skip
"""The 40 attributes of CelebA, in its order."""


AFFECTS = (*EXPRESSIONS, "contempt", "anxiety", "helplessness", "disappointment")
"""Classes of the word ``affect``: the first seven are ``EXPRESSIONS``, all eleven are MAFW's."""

MANIPULATIONS = ("none", "Deepfakes", "Face2Face", "FaceSwap", "FaceShifter", "NeuralTextures",
                 "Celeb-DF")  # fmt: skip
"""Classes of the word ``manipulation``."""

CURVES = 52
"""Of the word ``curves``, in the order of ``mien.face.BLENDSHAPES``."""

UNITS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 18, 20, 22, 23, 24, 25, 26, 27, 28, 43, 45)
"""Action units in the order of the word ``unit_intensities``: those that the world moves."""

GROUPS = ("asian", "black", "latino", "white")
"""Classes of the word ``group``: how a picture looks to those who sorted the portraits."""

TRAITS = ("glasses", "beard", "makeup", "smile", "eyes_closed", "mouth_open", "occluded")
"""What the word ``traits`` says of a picture; ``mien.data.traits`` has their definitions."""

CONDITIONS = ("pose", "expression", "illumination", "make-up", "occlusion", "blur")
"""What the word ``conditions`` says of a picture: WFLW's six attributes, in its order."""


@dataclass(frozen=True)
class Word:
    """One kind of label.

    shape: of one sample; a name stands for a size that the system chooses, S for the crop's side.
    dtype: its name in numpy and torch.
    """

    shape: tuple[int | str, ...]
    dtype: str
    meaning: str


MOTIONS: Mapping[str, tuple[int, str]] = {
    "biwi": (70_110, "BIWI's vertices, registered"),
    "vocaset": (15_069, "VOCASET's FLAME vertices, m"),
    "multiface": (18_516, "Multiface's vertices as MeshTalk has them, mm"),
    "emotalk": (52, "3D-ETF's curves 0 to 1"),
    "flame": (413, "DAD-3DHeads' FLAME parameters"),
    "arkit": (51, "curves 0 to 1 in UniTalker's order"),
    "mien": (52, "mien.face.BLENDSHAPES, 0 to 1"),
    "mien_points": (478 * 3, "mien's 478 points, mm"),
    "mien_lips": (40 * 3, "those of them on the lips, mm"),
}
"""Annotations of faces that speak: width of a frame, and what it holds. The words ``motion_NAME``
are offsets from the person's neutral face, a clip long."""

_POINTS = "x, y in crop pixels; NaN where unknown"
_SMOOTH = "the same, as far as a shape model explains them (mien.data.shape_model)"

WORDS: Mapping[str, Word] = {
    "image": Word((3, "S", "S"), "uint8", "RGB of the crop"),
    "presence": Word((), "float32", "1 where the crop shows a face, else 0"),
    "landmarks": Word((478, 3), "float32", "x, y, z in crop pixels, MediaPipe's order"),
    "landmarks_29": Word((29, 2), "float32", f"COFW's points: {_POINTS}"),
    "landmarks_68": Word((68, 2), "float32", f"dlib's and 300W's points: {_POINTS}"),
    "landmarks_98": Word((98, 2), "float32", f"WFLW's points: {_POINTS}"),
    "landmarks_29_smooth": Word((29, 2), "float32", _SMOOTH),
    "landmarks_68_smooth": Word((68, 2), "float32", _SMOOTH),
    "landmarks_98_smooth": Word((98, 2), "float32", _SMOOTH),
    "visibility": Word((29,), "int64", "COFW's points: 1 seen, 0 occluded, -1 unknown"),
    "boxes": Word((12, 4), "float32", "x0, y0, x1, y1 of up to 12 faces of a scene, pixels"),
    "points": Word((12, 5, 2), "float32", "eyes, nose tip, mouth corners of these faces"),
    "count": Word((), "int64", "how many of these faces there are"),
    "pose": Word((3,), "float32", "yaw, pitch, roll in degrees; NaN where unknown"),
    "parsing": Word(("S", "S"), "int64", "index in PARSING per pixel; -1 where unknown"),
    "attributes": Word((40,), "int64", "ATTRIBUTES: 1 present, 0 absent, -1 unknown"),
    "age": Word((), "float32", "years; NaN where unknown"),
    "gender": Word((), "int64", "index in GENDERS, -1 unknown"),
    "race": Word((), "int64", "index in RACES, -1 unknown"),
    "emotion": Word((), "int64", "index in EXPRESSIONS, -1 unknown"),
    "action_units": Word((20,), "int64", "ACTION_UNITS: 1 active, 0 not, -1 unknown"),
    "identity": Word((), "int64", "number of the person within the training set, -1 unknown"),
    "embedding": Word(("dimensions",), "float32", "unit vector of an older or larger model"),
    "mask_noise": Word(("patches",), "float32", "uniform 0..1: small stays visible"),
    "affect": Word((), "int64", "index in AFFECTS, -1 unknown"),
    "affect_votes": Word(
        (len(AFFECTS),), "float32", "share of the raters' votes for each of AFFECTS"
    ),
    "emotion_level": Word(
        (), "int64", "how strong it is shown: 1 low, 2 medium, 3 high, -1 unknown"
    ),
    "valence": Word((), "float32", "-1 unpleasant to 1 pleasant; NaN where unknown"),
    "arousal": Word((), "float32", "-1 calm to 1 excited; NaN where unknown"),
    "action_unit_intensities": Word(
        (20,), "float32", "ACTION_UNITS: 0 absent to 5 (E); NaN unknown"
    ),
    "landmarks_5": Word((5, 2), "float32", "eyes, nose tip, mouth corners, the image's left first"),
    "landmarks_106": Word((106, 2), "float32", "LaPa's points"),
    "parsing_19": Word(("S", "S"), "int64", "index in mien.head.model.CELEBAMASK; -1 unknown"),
    "conditions": Word((len(CONDITIONS),), "int64", "CONDITIONS: 1 difficult, 0 not, -1 unknown"),
    "curves": Word((CURVES,), "float32", "mien.face.BLENDSHAPES: 0 to 1; NaN where unknown"),
    "unit_intensities": Word((len(UNITS),), "float32", "UNITS: 0 absent to 5 (E); NaN unknown"),
    "gaze": Word((2, 2), "float32", "left, right eye: yaw, pitch in degrees in the head; NaN"),
    "visible": Word((478,), "int64", "the 478 points: 1 seen, 0 hidden or outside, -1 unknown"),
    "group": Word((), "int64", "index in GROUPS, -1 unknown"),
    "traits": Word((len(TRAITS),), "int64", "TRAITS: 1 there, 0 not, -1 unknown"),
    "quality": Word((), "float32", "0 to 1: how much of the face's detail is left; NaN unknown"),
    "audio": Word(("samples",), "float32", "sound at 16 kHz, mono, -1 to 1"),
    "frames": Word(("frames", 3, "S", "S"), "uint8", "RGB of some frames of a clip"),
    "tokens": Word(("tokens",), "int64", "text as numbers, a question and its answer; -1 no more"),
    "answers": Word(("tokens",), "int64", "1 where such a token belongs to the answer, else 0"),
    "heard": Word(("rows", "features"), "float32", "rows of mien.voice.features"),
    "spoken": Word(("steps", "answers"), "float32", "answers of mien.voice.animator"),
    **{
        f"motion_{name}": Word(("frames", width), "float32", f"{meaning}; NaN where unknown")
        for name, (width, meaning) in MOTIONS.items()
    },
    "forged": Word((), "int64", "1 manipulated, 0 genuine, -1 unknown"),
    "manipulation": Word((), "int64", "index in MANIPULATIONS, -1 unknown"),
    "forged_mask": Word(("S", "S"), "float32", "0 to 1: how far a pixel is forged; NaN unknown"),
    "head_identity": Word((80,), "float32", "identity code of mien's own head; NaN where unknown"),
    "flame_shape": Word(("shapes",), "float32", "shape code of FLAME; NaN where unknown"),
}


def check(batch: "Mapping[str, torch.Tensor]") -> int:
    """The number of samples of a batch that keeps to the vocabulary; InputError if it does not."""
    count = side = None
    for name, value in batch.items():
        word = WORDS.get(name)
        if word is None:
            raise InputError(f"{name}: no word of training batches; there are: {', '.join(WORDS)}")
        if str(value.dtype).removeprefix("torch.") != word.dtype:
            raise InputError(f"{name}: {value.dtype}, but the vocabulary says {word.dtype}")
        count = len(value) if count is None and value.ndim else count
        if not _fits(value.shape, (count, *word.shape)):
            raise InputError(f"{name}: shape {tuple(value.shape)}, expected (N, *{word.shape})")
        if "S" in word.shape:
            side = value.shape[-1] if side is None else side
            if {value.shape[-1], value.shape[-2]} != {side}:
                raise InputError(f"{name}: {tuple(value.shape)} beside a crop of {side} pixels")
    if not count:
        raise InputError("an empty batch: no sample is left to train on")
    return count


def _fits(shape: "torch.Size", wanted: tuple[int | str | None, ...]) -> bool:
    same = (isinstance(w, str) or s == w for s, w in zip(shape, wanted, strict=False))
    return len(shape) == len(wanted) and all(same)
