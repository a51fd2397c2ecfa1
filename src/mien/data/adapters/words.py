"""Values of words (``mien.data.labels``) as data sets give them, and as they are when unknown."""

import numpy as np

from mien.data.labels import UNKNOWN, WORDS
from mien.errors import UsageError

NEVER_UNKNOWN = ("image", "presence", "boxes", "points", "count")
"""Words that tell of a scene, or of the picture itself."""


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
