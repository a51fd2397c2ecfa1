"""The words of adapters: those of training batches, and what only public data sets tell.

A data set labels less than the vocabulary has, and some label more: those words are ``EXTRA``.
"""

from collections.abc import Mapping

import numpy as np

from mien.data import labels
from mien.data.labels import EXPRESSIONS, UNKNOWN, Word
from mien.errors import UsageError

AFFECTS = (*EXPRESSIONS, "contempt", "anxiety", "helplessness", "disappointment")
"""Classes of the word ``affect``: the first seven are ``EXPRESSIONS``, all eleven are MAFW's."""

MANIPULATIONS = ("none", "Deepfakes", "Face2Face", "FaceSwap", "FaceShifter", "NeuralTextures",
                 "Celeb-DF")  # fmt: skip
"""Classes of the word ``manipulation``."""

CONDITIONS = ("pose", "expression", "illumination", "make-up", "occlusion", "blur")
"""What the word ``conditions`` says of a picture: WFLW's six attributes, in its order."""

_REAL, _WHOLE = labels.WORDS["age"].dtype, labels.WORDS["gender"].dtype

EXTRA: Mapping[str, Word] = {
    "affect": Word((), _WHOLE, "index in AFFECTS, -1 unknown"),
    "affect_votes": Word((len(AFFECTS),), _REAL, "share of the raters' votes for each of AFFECTS"),
    "emotion_level": Word(
        (), _WHOLE, "how strong it is shown: 1 low, 2 medium, 3 high, -1 unknown"
    ),
    "valence": Word((), _REAL, "-1 unpleasant to 1 pleasant; NaN where unknown"),
    "arousal": Word((), _REAL, "-1 calm to 1 excited; NaN where unknown"),
    "action_unit_intensities": Word((20,), _REAL, "ACTION_UNITS: 0 absent to 5 (E); NaN unknown"),
    "landmarks_5": Word((5, 2), _REAL, "eyes, nose tip, mouth corners, the image's left first"),
    "landmarks_106": Word((106, 2), _REAL, "LaPa's points"),
    "parsing_19": Word(("S", "S"), _WHOLE, "index in mien.head.model.CELEBAMASK; -1 unknown"),
    "conditions": Word((len(CONDITIONS),), _WHOLE, "CONDITIONS: 1 difficult, 0 not, -1 unknown"),
    "forged": Word((), _WHOLE, "1 manipulated, 0 genuine, -1 unknown"),
    "manipulation": Word((), _WHOLE, "index in MANIPULATIONS, -1 unknown"),
}

NEVER_UNKNOWN = ("image", "presence", "boxes", "points", "count")
"""Words that tell of a scene, or of the picture itself."""

WORDS: Mapping[str, Word] = {**labels.WORDS, **EXTRA}


def dtype(name: str) -> np.dtype:
    """The numpy type of a word."""
    return np.dtype(str(WORDS[name].dtype).removeprefix("torch."))


def unknown(name: str, side: int) -> np.ndarray:
    """The value of a word of which nothing is known; ``side`` stands for S.

    Raises UsageError for a word that has no such value.
    """
    word = WORDS[name]
    shape = [side if size == "S" else size for size in word.shape]
    sizes = [size for size in shape if isinstance(size, int)]
    if len(sizes) < len(shape) or name in NEVER_UNKNOWN:
        raise UsageError(f"{name}: a public data set cannot fill in this word")
    return np.full(sizes, np.nan if dtype(name).kind == "f" else UNKNOWN, dtype(name))
