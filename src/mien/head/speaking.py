"""A portrait that speaks: its mouth does what a voice says, the rest goes on from the photo."""

import numpy as np

from mien.face import BLENDSHAPES, Motion
from mien.head.model import HeadModel
from mien.head.portrait import Portrait

LIDS = [BLENDSHAPES.index(name) for name in ("eyeBlinkLeft", "eyeBlinkRight")]
CLOSE = BLENDSHAPES.index("mouthClose")
OF_THE_VOICE = ("jawOpen", "mouthClose", "mouthFunnel", "mouthPucker", "mouthUpperUp",
                "mouthLowerDown", "mouthPress", "tongueOut", "cheekPuff")  # fmt: skip
"""What a mouth in a photo does and a speaking one does not go on from."""
SMILE = ("mouthSmile", "mouthStretch", "mouthDimple", "mouthShrug")
"""What it goes on from by half, and not where lips are round."""
ROUND = [BLENDSHAPES.index(name) for name in ("mouthPucker", "mouthFunnel")]
MET = 0.5  # mm between the lips of a voice, below which they are about to meet
PRESSED = 1.2  # mm that lips are then pressed together, of a mouth that is open in the photo


class Speaker:
    """Draws a portrait as it speaks.

    A motion of a voice counts from a face at rest, while the photo may smile or laugh: so the
    photo's mouth is calmed first, and lips that meet in the motion meet in the picture.
    """

    def __init__(self, portrait: Portrait) -> None:
        self.portrait = portrait
        self.rest = calmed(portrait.fit.expression)
        self._smile = np.array([name.startswith(SMILE) for name in BLENDSHAPES])
        self._parting = parting(portrait.model)
        closing = -self._parting[CLOSE]
        self._press = PRESSED * min(portrait.opening / (2 * PRESSED), 1)
        self._middle = closing > 0.3 * closing.max()  # at the corners it closes nothing

    def weights(self, expression: np.ndarray) -> np.ndarray:
        """The weights (52,) of the face for those (52,) of a voice."""
        gives_way = self._smile * min(1.5 * float(expression[ROUND].max()), 1)
        out = (self.rest * (1 - gives_way) + expression).clip(0, 1)
        out[LIDS] = 1 - (1 - self.rest[LIDS]) * (1 - expression[LIDS])
        wanted = (expression @ self._parting)[self._middle].clip(0, None)
        wanted -= self._press * (1 - wanted.max() / MET).clip(0, 1)
        beyond = (out @ self._parting)[self._middle] - wanted
        missing = float((beyond / -self._parting[CLOSE, self._middle]).max())
        out[CLOSE] = np.clip(out[CLOSE] + max(missing, 0), 0, 1)
        return out

    def draw(self, motion: Motion, frame: int) -> np.ndarray:
        """A frame of a motion: (H, W, 3) uint8 RGB; gaze and pose count from the photo's."""
        gaze = None if motion.gaze is None else self.portrait.fit.gaze + motion.gaze[frame]
        weights = self.weights(motion.expression[frame].astype(np.float64))
        return self.portrait.render(weights, gaze, motion.pose[frame])


def calmed(expression: np.ndarray) -> np.ndarray:
    """The weights (52,) of a face in a photo (52,) when it begins to speak."""
    out = np.array(expression, np.float64)
    for i, name in enumerate(BLENDSHAPES):
        out[i] *= 0 if name.startswith(OF_THE_VOICE) else 0.5 if name.startswith(SMILE) else 1
    return out


def parting(model: HeadModel) -> np.ndarray:
    """How far (52, P) mm each curve at weight 1 parts the lips, at places between the corners."""
    fields = model.expression[: len(BLENDSHAPES), model.lips.margin, 1]
    return -np.einsum("em,pm->ep", fields, model.lips.gap)
