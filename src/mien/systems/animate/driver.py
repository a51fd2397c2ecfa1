"""What moves a face to a voice: any system that can, in one call.

driver = open_driver("unitalker", run=Path("runs/voice"))
motion = driver.animate(samples, rate, fps=25, seed=1)
"""

from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from mien.errors import InputError, MienError, UsageError
from mien.face import Motion

if TYPE_CHECKING:
    from mien.systems.animate.unitalker import UniTalker

DRIVERS = ("mien-animator", "unitalker")
SPEAKER = "speaker-"
FPS = (1.0, 240.0)


class Driver(Protocol):
    """Animates voices."""

    def animate(
        self, sound: np.ndarray, rate: int, *, fps: float = 25.0, emotion: str | None = None,
        intensity: float = 0.7, style: str = "neutral", seed: int = 0,
    ) -> Motion:  # fmt: skip
        """The motion of a face that says a sound, as of ``mien.voice.animator.Animator.animate``.

        Raises UsageError for what the driver does not do, InputError for what is no sound.
        """
        ...


def open_driver(
    slug: str, run: Path | None = None, weights: str | None = None, device: str = "cpu"
) -> Driver:
    """The driver of a name in ``DRIVERS``.

    run, weights: as of ``mien.systems.trained.find``; without them ``mien-animator`` is the bundled
    one, which needs no torch.

    Raises UsageError for another name, MienError where there are no weights or no such device.
    """
    if slug not in DRIVERS:
        raise UsageError(f"no driver {slug!r}; there are: {', '.join(DRIVERS)}")
    if slug == "mien-animator" and run is None and weights is None:
        from mien.voice.animator import Animator

        return Animator.bundled(device)
    system = _system(slug, run, weights, device)
    return UniTalkerDriver(system) if slug == "unitalker" else _animator(system, device)


def _system(slug: str, run: Path | None, weights: str | None, device: str) -> Any:
    import torch

    from mien.systems import trained

    if device.startswith("cuda") and not torch.cuda.is_available():
        raise MienError(f"device {device!r} is not available: PyTorch sees no CUDA device")
    return trained.find(slug, run, weights).to(device).eval()


def _animator(system: Any, device: str) -> Driver:
    """mien's own animator with weights of the user's."""
    import torch

    from mien.voice.animator import Animator

    @torch.inference_mode()
    def network(batch: np.ndarray) -> tuple[np.ndarray, ...]:
        said = system(torch.from_numpy(batch).to(device))
        return tuple(output.cpu().numpy() for output in said)

    return Animator(network)


class UniTalkerDriver:
    """UniTalker by the first of its annotations that can become curves.

    The mouth is UniTalker's; blinks, gaze and the head's motion, of which its data sets say little
    or nothing, are those of ``mien.voice.life``.

    Raises UsageError, which says what is missing, where no annotation can become curves.
    """

    def __init__(self, system: "UniTalker") -> None:
        from mien.systems.animate.curves import needs

        self.system = system
        missing = {name: self._missing(name) or needs(name) for name in self._by_merit()}
        usable = [name for name, what in missing.items() if what is None]
        if not usable:
            first = next(iter(missing))
            raise UsageError(f"unitalker: the motion of {first!r} needs {missing[first]}")
        self.annotation = usable[0]

    def _by_merit(self) -> list[str]:
        """The system's annotations, those that are curves already first."""
        from mien.systems.animate.unitalker import ANNOTATIONS

        kinds = {"curves": 0, "vertices": 1, "parameters": 2}
        return sorted(self.system.config.annotations, key=lambda n: kinds[ANNOTATIONS[n].kind])

    def _missing(self, name: str) -> str | None:
        known = name not in self.system.pca or self.system.has_components(name)
        return None if known else "its principal components (UniTalker.use_components)"

    def animate(
        self, sound: np.ndarray, rate: int, *, fps: float = 25.0, emotion: str | None = None,
        intensity: float = 0.7, style: str = "neutral", seed: int = 0,
    ) -> Motion:  # fmt: skip
        """``ceil(seconds * fps)`` frames. style: of ``mien.voice.life.MANNERS``, while the pivot
        speaks; or ``speaker-N``, as speaker N of the training data moves. It takes no emotion.

        Raises UsageError for another style or an emotion, InputError for what is no sound.
        """
        from mien.nn import audio
        from mien.systems.animate.curves import to_curves
        from mien.voice import life

        if emotion not in (None, "neutral"):
            raise UsageError("unitalker takes no emotion: it moves as the voice sounds")
        if not FPS[0] <= fps <= FPS[1]:
            raise UsageError(f"fps must be {FPS[0]:g} to {FPS[1]:g}, not {fps}")
        speaker, manner = _style(style)
        heard = audio.resample(audio.checked(sound), rate)
        if not len(heard):
            raise InputError("the sound is too short to be heard")
        moved = self.system.predict(heard, self.annotation, speaker=speaker, fps=fps)
        count = max(ceil(len(sound) * fps / rate - 1e-9), 1)
        expression = _lasting(to_curves(self.annotation, moved), count)
        unstressed = np.zeros(count)  # what the voice stresses is mien's own animator's to hear
        lids, pose, gaze = life.Life(seed, manner).at(np.arange(count) / fps, unstressed)
        return Motion(fps, life.show(expression, lids, gaze), pose, gaze)


def _style(style: str) -> tuple[int | None, str]:
    """Which speaker, None for nobody, and in which manner the rest of the face lives."""
    number = style.removeprefix(SPEAKER)
    if number == style:
        return None, style
    if not number.isdecimal():
        raise UsageError(f"no style {style!r}: say {SPEAKER}N, as in {SPEAKER}3")
    return int(number), "neutral"


def _lasting(curves: np.ndarray, count: int) -> np.ndarray:
    """As many frames; the last one stays where some are missing."""
    if not len(curves):
        return np.zeros((count, curves.shape[1]), np.float32)
    return np.pad(curves[:count], ((0, max(count - len(curves), 0)), (0, 0)), mode="edge")
