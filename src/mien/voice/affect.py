"""What is felt: the emotions that a voice can be animated with, and what they are called.

The emotion is not read from the voice: it is what the caller says, and neutral if nobody says
anything.
"""

from mien.errors import UsageError
from mien.world.visemes import STYLES

EMOTIONS = tuple(STYLES)
"""The eight emotions, in the order of the network's input."""

OTHER_NAMES = {
    "happy": "happiness", "joy": "happiness", "sad": "sadness", "angry": "anger",
    "afraid": "fear", "fearful": "fear", "disgusted": "disgust", "surprised": "surprise",
    "contemptuous": "contempt", "calm": "neutral",
}  # fmt: skip


def emotion(name: str | None) -> str:
    """The emotion of ``EMOTIONS`` that a name, or none, stands for.

    Raises UsageError for an unknown name.
    """
    plain = (name or "neutral").strip().lower()
    plain = OTHER_NAMES.get(plain, plain)
    if plain not in EMOTIONS:
        raise UsageError(f"no emotion {name!r}; there are {', '.join(EMOTIONS)}")
    return plain
