"""Clips on disk: a video with its sound, and the truth beside it or below the picture."""

import json
from functools import cache
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mien.errors import UsageError
from mien.media.audio import write_audio
from mien.media.files import atomic
from mien.media.provenance import Generated, SourceType
from mien.media.video import VideoWriter
from mien.world.clips import Clip, arrays, labels
from mien.world.visemes import CURVES, PAUSE

TRUTH_SUFFIXES = (".npz", ".json")
SIDE = 512  # pixels that a picture with curves below it has at least
WINDOW = 2.0  # seconds that the curves show, now in their middle
NAMES_WIDTH, ROW, WAVE = 96, 20, 56  # pixels
SHOWN = {
    "jaw open": ("jawOpen",),
    "lips together": ("mouthClose",),
    "lips round": ("mouthPucker", "mouthFunnel"),
    "smile": ("mouthSmileLeft", "mouthSmileRight"),
    "brows up": ("browInnerUp", "browOuterUpLeft", "browOuterUpRight"),
    "brows down": ("browDownLeft", "browDownRight"),
    "lids closed": ("eyeBlinkLeft", "eyeBlinkRight"),
}
"""Rows of curves; the largest of each is drawn."""

PAPER, INK, FAINT, NOW = (250, 250, 248), (40, 44, 52), (205, 208, 214), (214, 69, 65)
SOUND, CLOSED = (90, 140, 190), (255, 226, 190)
COLOURS = ((46, 125, 106), (181, 101, 29), (120, 81, 169), (200, 60, 110), (30, 110, 180),
           (90, 90, 90), (20, 140, 140))  # fmt: skip


def write_clip(clip: Clip, out: Path, *, curves: bool = False, credentials: bool = True) -> None:
    """Write a clip as H.264 and AAC, which says that it is synthetic.

    curves: draw the waveform, the phonemes and some curves below the picture; where the lips meet
    for p, b and m is shaded. credentials: sign it (:mod:`mien.media.provenance`).

    Raises UsageError for a suffix that is not a video's, MienError when it cannot be written.
    """
    strip = Strip(clip) if curves else None
    made = Generated(SourceType.RENDERED, "a person who does not exist, speaking", credentials)
    with TemporaryDirectory() as folder:
        sound = Path(folder) / "sound.wav"
        write_audio(sound, clip.speech.samples, clip.speech.rate)
        with VideoWriter(out, clip.fps, sound, generated=made) as video:
            for i, image in enumerate(clip.frames()):
                video.write(image if strip is None else strip.below(image, i))


def write_truth(clip: Clip, out: Path) -> None:
    """Write all that is known of a clip, as ``.npz`` (arrays, and ``labels`` as JSON) or ``.json``.

    Raises UsageError for another suffix, MienError when it cannot be written.
    """
    check_truth(out)
    values, said = arrays(clip), labels(clip)
    with atomic(out) as temporary:
        if out.suffix == ".npz":
            text = np.array(json.dumps(said))
            np.savez_compressed(temporary, allow_pickle=False, labels=text, **values)
            return
        plain = {name: np.round(value.astype(np.float64), 4).tolist()
                 for name, value in values.items() if name != "audio"}  # fmt: skip
        temporary.write_text(json.dumps(said | plain) + "\n", "utf-8")


def check_truth(out: Path) -> None:
    """Raises UsageError unless the truth of a clip can be written there."""
    if out.suffix not in TRUTH_SUFFIXES:
        raise UsageError(f"{out}: the truth is written as {' or '.join(TRUTH_SUFFIXES)}")


class Strip:
    """The waveform, phonemes and curves around each moment of a clip, to be put below a picture."""

    def __init__(self, clip: Clip) -> None:
        self.clip = clip
        self.times = np.arange(len(clip)) / clip.fps
        expression = clip.motion.expression
        self.rows = {
            name: expression[:, [CURVES[curve] for curve in curves]].max(1)
            for name, curves in SHOWN.items()
        }

    def below(self, image: np.ndarray, frame: int) -> np.ndarray:
        """The picture (h, w, 3) uint8, enlarged where it is small, over the strip of a frame."""
        scale = max(1.0, SIDE / image.shape[1])
        large = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        return np.vstack([large, self.draw(large.shape[1], frame / self.clip.fps)])

    def draw(self, width: int, now: float, seconds: float = WINDOW) -> np.ndarray:
        """The strip (k, width, 3) uint8 of ``seconds`` around a moment."""
        height = WAVE + ROW + ROW * len(self.rows) + 8
        out = np.full((height, width, 3), PAPER, np.uint8)
        scale = (width - NAMES_WIDTH) / seconds
        begin = now - seconds / 2

        def column(time: float) -> int:
            return round(NAMES_WIDTH + (time - begin) * scale)

        for start, end in self.clip.closures:
            if end > begin and start < begin + seconds:
                left = max(column(start), NAMES_WIDTH)
                out[:, left : max(column(end), left + 1)] = CLOSED
        self._wave(out, begin, seconds)
        self._phonemes(out, begin, seconds, column)
        for number, curve in enumerate(self.rows.values()):
            base = WAVE + ROW * (number + 2)
            cv2.line(out, (NAMES_WIDTH, base), (width, base), FAINT, 1)
            shown = (self.times >= begin - 0.1) & (self.times <= begin + seconds + 0.1)
            near = np.flatnonzero(shown)
            high = base - 1 - (ROW - 4) * curve
            points = [(column(self.times[i]), round(float(high[i]))) for i in near]
            colour = COLOURS[number % len(COLOURS)]
            cv2.polylines(out, [np.array(points, np.int32)], False, colour, 1, cv2.LINE_AA)
        cv2.line(out, (column(now), 0), (column(now), height), NOW, 1)
        out[:, :NAMES_WIDTH] = PAPER
        out[: WAVE + ROW, :NAMES_WIDTH] = PAPER
        for number, name in enumerate(("sound", "phonemes", *self.rows)):
            top = (WAVE // 2 - 9, WAVE)[number] if number < 2 else WAVE + ROW * (number - 1) + 2
            _stamp(out, name, 6, top)
        return out

    def _wave(self, out: np.ndarray, begin: float, seconds: float) -> None:
        """Least and largest sample of each column."""
        speech = self.clip.speech
        edges = begin + np.arange(out.shape[1] - NAMES_WIDTH + 1) * seconds / (
            out.shape[1] - NAMES_WIDTH
        )
        at = np.round(edges * speech.rate).astype(int)
        loudest = max(float(np.abs(speech.samples).max()), 1e-6)
        middle = WAVE // 2
        for x, (first, last) in enumerate(pairwise(at.tolist())):
            if first < 0 or last > len(speech.samples):
                continue
            part = speech.samples[first : max(last, first + 1)] / loudest * (middle - 3)
            if len(part):
                top, bottom = round(middle - float(part.max())), round(middle - float(part.min()))
                out[top : bottom + 1, NAMES_WIDTH + x] = SOUND

    def _phonemes(self, out: np.ndarray, begin: float, seconds: float, column) -> None:
        for phoneme in self.clip.speech.phonemes:
            if phoneme.end < begin or phoneme.start > begin + seconds or phoneme.symbol == PAUSE:
                continue
            left = column(phoneme.start)
            cv2.line(out, (left, WAVE), (left, WAVE + ROW - 3), FAINT, 1)
            middle = (left + column(phoneme.end)) // 2
            _stamp(out, phoneme.symbol, middle - len(phoneme.symbol) * 4, WAVE)


def _stamp(out: np.ndarray, text: str, left: int, top: int) -> None:
    """Put dark text onto an image, cut at its edges."""
    ink = _lettered(text)
    rows = slice(max(top, 0), min(top + ink.shape[0], out.shape[0]))
    columns = slice(max(left, 0), min(left + ink.shape[1], out.shape[1]))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    part = ink[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    cover = part[..., None] / 255
    out[rows, columns] = (out[rows, columns] * (1 - cover) + np.array(INK) * cover).astype(np.uint8)


@cache
def _lettered(text: str) -> np.ndarray:
    """Text as coverage (h, w) uint8; the font has the letters of the IPA."""
    box = _font().getbbox(text)
    image = Image.new("L", (max(int(box[2]) + 1, 1), 18))
    ImageDraw.Draw(image).text((0, 1), text, fill=255, font=_font())
    return np.asarray(image)


@cache
def _font() -> ImageFont.FreeTypeFont:
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return ImageFont.truetype(str(folder / "DejaVuSans.ttf"), 12)
