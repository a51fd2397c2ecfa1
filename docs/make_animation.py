"""Make the pictures of docs/animate.md, and the demo's voice: ``python docs/make_animation.py``.

The person does not exist; the voice is eSpeak NG's, which the extra ``speech`` brings.
"""

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

from mien.face import BLENDSHAPES, Motion
from mien.find.finder import FaceFinder
from mien.head.fit import Fitter
from mien.head.speaking import Speaker
from mien.jobs.animate import prepare
from mien.media.audio import write_audio
from mien.media.image import write_image
from mien.voice.animator import Animator
from mien.world.recipe import Recipe
from mien.world.sheet import write_picture
from mien.world.speech import Utterance, Voice, synthesize
from mien.world.visemes import PAUSE
from mien.world.world import World

PICTURES = Path(__file__).parent / "pictures"
GREETING = "Hello! I am a picture, and I have learned to speak."
SENTENCE = "We have a very big blue boat, and my mother paints it white."
VOICE = Voice("en-gb", "f2")
FPS = 50.0  # finer than video, to meet the middle of short sounds
SIZE, TILE = 512, (150, 130)
SHOWN = {
    "jaw open": ("jawOpen",),
    "lips together": ("mouthClose",),
    "lips round": ("mouthPucker", "mouthFunnel"),
    "lids closed": ("eyeBlinkLeft", "eyeBlinkRight"),
}
SPEAKER = Recipe.of(
    {
        "name": "speaker",
        "size": 640,
        "factors": {
            "emotion": "neutral", "speaking": False, "blink": False, "yaw": {"range": [-8, 8]},
            "pitch": {"range": [-3, 3]}, "roll": 0, "gaze_yaw": 0, "gaze_pitch": 0, "shift_x": 0,
            "shift_y": 0, "fill": 0.6, "focal": 2.5, "glasses": False, "mask": False,
            "occluder": False, "pattern": False, "degrade": 0, "beard": False,
            "hair": {"choices": ["short", "wavy", "buzz"]},
        },
    }
)  # fmt: skip
PERSON = 8  # number of the sample


@cache
def speaker() -> Speaker:
    """Somebody of the world, from a photo as anybody would give it."""
    with TemporaryDirectory() as folder:
        photo = Path(folder) / "photo.png"
        write_image(photo, World(SPEAKER, seed=8).sample(PERSON)["image"])
        return Speaker(prepare(photo, FaceFinder.bundled(), Fitter(), size=SIZE))


def hello() -> None:
    """The voice of ``make demo``."""
    said = synthesize(GREETING, VOICE)
    write_audio(PICTURES / "hello.ogg", said.samples, said.rate)


def animate_phonemes() -> np.ndarray:
    """The mouth in the middle of sounds, with their symbols."""
    said, motion = _spoken(SENTENCE)
    sounds = [sound for sound in said.phonemes if sound.symbol != PAUSE]
    chosen = [sounds[i] for i in np.linspace(0, len(sounds) - 1, 24).astype(int)]
    tiles = []
    for sound in chosen:
        frame = min(round((sound.start + sound.end) / 2 * FPS), len(motion) - 1)
        tiles.append(_labelled(_lower_face(speaker().draw(motion, frame)), sound.symbol))
    return np.vstack([np.hstack(tiles[i : i + 8]) for i in range(0, 24, 8)])


def animate_curves() -> np.ndarray:
    """Curves under the waveform, sounds between them."""
    said, motion = _spoken(SENTENCE)
    figure = Figure((11, 4.6), dpi=90, layout="constrained")
    axes = figure.subplots(len(SHOWN) + 1, 1, sharex=True)
    axes[0].plot(np.arange(len(said.samples)) / said.rate, said.samples, lw=0.4, color="#5a8cbe")
    axes[0].set_ylabel("sound", rotation=0, ha="right", va="center")
    for sound in said.phonemes:
        if sound.symbol == PAUSE:
            continue
        middle = (sound.start + sound.end) / 2
        axes[0].text(middle, 1.08 * said.samples.max(), sound.symbol, ha="center", fontsize=8)
        for axis in axes if sound.symbol in "pbm" else ():
            axis.axvspan(sound.start, sound.end, color="#ffe2be", lw=0)
    times = np.arange(len(motion)) / FPS
    for axis, (name, curves) in zip(axes[1:], SHOWN.items(), strict=True):
        columns = [BLENDSHAPES.index(curve) for curve in curves]
        axis.plot(times, motion.expression[:, columns].max(1), lw=1.2, color="#2e7d6a")
        axis.set_ylim(-0.03, 1.03)
        axis.set_ylabel(name, rotation=0, ha="right", va="center")
    for axis in axes:
        axis.set_yticks([])
        axis.spines[["top", "right"]].set_visible(False)
    axes[-1].set_xlabel("seconds; p, b and m are shaded")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])


def animate_emotions() -> np.ndarray:
    """One sentence, felt in three ways."""
    rows = []
    for emotion in ("happiness", "sadness", "anger"):
        _, motion = _spoken(SENTENCE, emotion)
        frames = (np.linspace(0.12, 0.9, 6) * len(motion)).astype(int)
        tiles = [cv2.resize(speaker().draw(motion, i)[40:440, 56:456], (190, 190),
                            interpolation=cv2.INTER_AREA) for i in frames]  # fmt: skip
        rows.append(np.hstack([_labelled(tiles[0], emotion), *tiles[1:]]))
    return np.vstack(rows)


@cache
def _spoken(text: str, emotion: str = "neutral") -> tuple[Utterance, Motion]:
    said = synthesize(text, VOICE)
    return said, Animator.bundled().animate(
        said.samples, said.rate, fps=FPS, emotion=emotion, intensity=0.9, seed=2
    )


def _lower_face(image: np.ndarray) -> np.ndarray:
    portrait = speaker().portrait
    points = portrait.model.landmarks(portrait.fit.vertices(portrait.model))
    x, y = portrait.fit.camera.project(points)[[13, 14], :2].mean(0).astype(int)
    reach = portrait.image.shape[0] // 8
    wide = reach * TILE[0] // TILE[1]
    part = image[y - reach : y + reach, x - wide : x + wide]
    return cv2.resize(part, TILE, interpolation=cv2.INTER_AREA)


def _labelled(tile: np.ndarray, text: str) -> np.ndarray:
    file = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    image = Image.fromarray(np.ascontiguousarray(tile))
    draw = ImageDraw.Draw(image)
    font = ImageFont.truetype(str(file), 17)
    for offset, colour in (((7, 5), (0, 0, 0)), ((6, 4), (255, 255, 255))):
        draw.text(offset, text, fill=colour, font=font)
    return np.asarray(image)


MADE: dict[str, Callable[[], np.ndarray | None]] = {
    made.__name__: made for made in (hello, animate_phonemes, animate_curves, animate_emotions)
}


def main() -> None:
    for name in sys.argv[1:] or MADE:
        image = MADE[name]()
        if image is not None:
            write_picture(PICTURES / f"{name}.jpg", image, 85, credentials=False)


if __name__ == "__main__":
    main()
