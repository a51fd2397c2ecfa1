"""``world:`` and ``voices:FOLDER`` for stages of "voices": what is heard, and how the mouth moves.

    python -m mien.train.voiced FOLDER --hours 4     # clips on disk, which train much faster

Voices of eSpeak NG (``mien.world.speech``) say lines of ``mien.world.dialogue`` and words that do
not exist, in fourteen languages, through rooms, noise and microphones. Words that do not exist keep
a network from learning sentences by heart. The voices of ``visemes_train.HELD_BACK`` say nothing
here, nor are its sentences said.

The truth of a clip is the blend of visemes without mood, and when lips and teeth touch. Voices have
all moods; on faces moods are put by rule.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mien.errors import InputError, UsageError
from mien.media.files import atomic
from mien.train.data import Sample, filled, unknowns
from mien.train.system import Stage, System
from mien.voice import animator, features
from mien.voice.animator import ROWS_AFTER, ROWS_BEFORE
from mien.world import dialogue, visemes
from mien.world import voice as recorder
from mien.world.clips import LANGUAGES as TALKED
from mien.world.speech import LANGUAGES, STYLES, random_voice, synthesize
from mien.world.visemes import Phoneme
from mien.world.visemes_train import HELD_BACK

SHARD = 200  # clips of one file
SILENCE = (0.05, 0.6)  # seconds before and after what is said
REAL_WORDS = 0.35  # how often a line of dialogue is said, where there are some in the language
TILT, SHIFT = 0.06, 1.5
"""What a sample's spectrum is changed by, at most: in the unit of its rows, and in mel bands."""
NOISY, NOISE = 0.5, (0.2, 0.9)
"""How often noise is put to a sample's rows, and how loud it is there, in the unit of rows."""

LATIN = (
    "b b c ch d f g h j k l m m n p p r s sh t th v w z br bl pr tr st mp nd nt rm",
    "a e i o u a e i o ai ou ee oo ie au",
)
OTHERS = {
    "ru": ("б б в г д ж з к л м м н п п р с т ф х ц ч ш щ", "а е и о у ы э ю я ё"),
    "ja": (
        "",
        "あ い う え お か き く け こ さ し す せ そ た ち つ て と な に ぬ ね の は ひ ふ へ ほ "
        "ま み む め も ま み む め も や ゆ よ ら り る れ ろ わ ん が ぎ ぐ げ ご ざ じ ず ぜ ぞ "
        "ば び ぶ べ ぼ ぱ ぴ ぷ ぺ ぽ",
    ),
    "cmn": (
        "",
        "我 你 他 们 的 是 不 了 在 有 人 这 中 大 来 上 国 个 到 说 时 要 就 出 会 可 也 下 生 过 "
        "子 着 那 得 里 后 自 之 年 发 作 如 面 把 爸 妈 明 白 北 部 怕 朋 友 平 片 拼 普 风 飞 方 "
        "佛 父 木 门 米 满 毛 美 吃 书 少 水 四 三 茶 早 走 再 字",
    ),
    "hi": (
        "क ख ग च ज ट ड त द न प प फ ब ब भ म म म य र ल व श स ह",
        "ा ि ी ु ू े ै ो ौ",
    ),
    "ar": ("ب ب ب ت ث ج ح خ د ذ ر ز س ش ص ط ع غ ف ق ك ل م م م ن ه و ي", "ا و ي"),
}
"""Consonants and vowels to make words of, by language; syllables where there are no consonants."""


class Heard(NamedTuple):
    """What is heard and true of a clip.

    rows: (2 T, COUNT) of ``mien.voice.features``. mouth: (T, M + 2), weights of ``visemes.MOUTH``
    every ``animator.STEP`` seconds, then contact of the lips, and of teeth and lip, 0..1.
    """

    rows: np.ndarray
    mouth: np.ndarray


def words(rng: np.random.Generator, language: str) -> str:
    """A sentence of words that do not exist."""
    consonants, vowels = (letters.split() for letters in OTHERS.get(language, LATIN))

    def syllable() -> str:
        begin = str(rng.choice(consonants)) if consonants else ""
        end = str(rng.choice(consonants)) if consonants and rng.random() < 0.3 else ""
        return begin + str(rng.choice(vowels)) + end

    count = int(rng.integers(3, 10))
    said = ["".join(syllable() for _ in range(rng.integers(1, 4))) for _ in range(count)]
    pauses = np.where(rng.random(count) < 0.12, ",", "")
    return " ".join(word + pause for word, pause in zip(said, pauses, strict=True)) + "."


def clip(rng: np.random.Generator, strength: float = 0.8) -> Heard:
    """Somebody says something, and a microphone hears it.

    strength: 0..1, of what rooms, noise and microphones do to the voice at most.
    Raises MienError where speech cannot be made (the extra ``speech``).
    """
    language = str(rng.choice(LANGUAGES))
    text = words(rng, language)
    if language in TALKED and rng.random() < REAL_WORDS:
        text = dialogue.line(str(rng.choice(dialogue.FELT)), rng, language)
    speaker = random_voice(rng, language)
    while speaker.variant in HELD_BACK:
        speaker = random_voice(rng, language)
    said = synthesize(text, speaker, str(rng.choice(list(STYLES))), float(rng.random()))
    chain = recorder.random_chain(rng, strength * float(rng.random()))
    before, after = rng.uniform(*SILENCE, 2)
    rate = said.rate
    begin = round(before * rate)
    count = begin + len(said.samples) + round(after * rate)
    # As long as Fourier transforms like it, once it is played at its speed.
    count = round(-(-count / chain.speed // 2048) * 2048 * chain.speed)
    sound = np.pad(said.samples, (begin, count - begin - len(said.samples)))
    sound = recorder.record(sound, rate, chain, rng)
    return heard(sound, rate, [_moved(p, before, chain.speed) for p in said.phonemes])


def heard(sound: np.ndarray, rate: int, phonemes: Sequence[Phoneme]) -> Heard:
    """A clip of a sound (S,) whose phonemes are known."""
    rows = features.features(sound, rate)
    count = len(rows) // 2
    times = animator.STEP * np.arange(count)
    touch = [visemes.contact_weight(visemes.contacts(phonemes, kind), times)
             for kind in ("lips", "teeth")]  # fmt: skip
    mouth = visemes.blend(visemes.segments(phonemes), times)
    return Heard(rows[: 2 * count], np.column_stack([mouth, *touch]).astype(np.float32))


def _moved(phoneme: Phoneme, by: float, speed: float) -> Phoneme:
    release = phoneme.release
    return replace(
        phoneme, start=(phoneme.start + by) / speed, end=(phoneme.end + by) / speed,
        release=None if release is None else (release + by) / speed,
    )  # fmt: skip


# -- streams ---------------------------------------------------------------------------------------


class Voiced:
    """Samples of clips: as many steps as a system's example has, a little spoiled.

    Raises UsageError where the system does not learn from voices.
    """

    def __init__(self, clips: "Clips | Shards", system: System, stage: Stage, seed: int):
        self.clips, self.seed, self.blank = clips, seed, unknowns(system.example(1))
        if stage.data != "voices" or "spoken" not in self.blank:
            raise UsageError(
                f"voices have no {stage.data!r}, which stage {stage.name!r} of "
                f"{system.CARD.slug} learns from"
            )
        self.steps = len(self.blank["spoken"])

    def sample(self, index: int) -> Sample:
        """The sample of this number: ``heard`` and ``spoken``."""
        rng = np.random.default_rng([self.seed, index, 5])
        rows, mouth = self.clips.clip(index)
        first = int(rng.integers(max(len(mouth) - self.steps, 0) + 1))
        known = {
            "heard": spoilt(cut(rows, first, self.steps), rng),
            "spoken": spoken(_part(mouth, first, self.steps)),
        }
        return filled(known, self.blank)


def cut(rows: np.ndarray, first: int, steps: int) -> np.ndarray:
    """The rows (2 * steps + 76, COUNT) that steps from ``first`` on depend on; silence beyond."""
    start, stop = 2 * first - ROWS_BEFORE, 2 * (first + steps) + ROWS_AFTER
    out = np.repeat(animator.silent_row()[None], stop - start, 0)
    inside = rows[max(start, 0) : stop]
    out[max(-start, 0) : max(-start, 0) + len(inside)] = inside
    return out


def _part(mouth: np.ndarray, first: int, steps: int) -> np.ndarray:
    part = mouth[first : first + steps]
    rest = visemes.blend([visemes.Segment(visemes.VISEMES["rest"], 0, 1)], np.array([0.5]))
    out = np.zeros((steps, mouth.shape[1]), np.float32)
    out[:, : rest.shape[1]] = rest
    out[: len(part)] = part
    return out


def spoken(mouth: np.ndarray) -> np.ndarray:
    """What the network is to answer (T, ANSWERS) to a mouth (T, M + 2)."""
    return mouth[:, [*_LEFT, -2, -1]].astype(np.float32)


_LEFT = [visemes.MOUTH.index(name) for name in animator.DRIVEN]


def spoilt(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rows of another throat and microphone: formants shifted, the spectrum bent."""
    out = rows.astype(np.float32)
    bands = np.arange(features.BANDS)
    place = bands * (1 + rng.normal(0, 0.02)) + rng.uniform(-SHIFT, SHIFT)
    place = place.clip(0, features.BANDS - 1)
    low = np.floor(place).astype(int)
    high, share = np.minimum(low + 1, features.BANDS - 1), (place - low).astype(np.float32)
    mel = out[:, low] * (1 - share) + out[:, high] * share
    bend = sum(
        rng.normal(0, TILT / 2) * np.cos(np.pi * k * (bands + 0.5) / features.BANDS)
        for k in range(4)
    )
    out[:, : features.BANDS] = (mel + bend * (mel > 0)).clip(0, 1.2)
    if rng.random() < 0.1:
        out[:, [features.VOICED, features.PITCH]] = 0
    return noisy(out, rng) if rng.random() < NOISY else out


def noisy(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rows with a noise that swells and ebbs; where there is no sound at all, there is none."""
    count, bands = len(rows), features.BANDS
    loud = rng.uniform(*NOISE)
    knots = np.arange(0, count + 12, 12)
    swell = np.interp(np.arange(count), knots, rng.normal(0, rng.uniform(0, 0.08), len(knots)))
    colour = (
        sum(
            rng.normal(0, 0.08) * np.cos(np.pi * k * (np.arange(bands) + 0.5) / bands)
            for k in range(1, 5)
        )
        - rng.uniform(0, 0.4) * np.arange(bands) / bands
    )
    grain = 0.04 * rng.standard_normal((count, bands), np.float32)
    sound = (loud + swell)[:, None] + colour + grain
    power = features.DEPTH / 10 * np.log(10)  # of which a row is the logarithm
    out = rows.copy()
    mixed = np.logaddexp(power * rows[:, :bands], power * sound) / power
    there = rows[:, features.LEVEL] > animator.silent_row()[features.LEVEL] + 1
    out[there, :bands] = mixed[there].clip(0, 1.2)
    least = (features.DEPTH * (loud - 1) + features.QUIET) / features.SOFTNESS + 1
    out[there, features.ACTIVE] = np.maximum(out[there, features.ACTIVE], np.clip(least, 0, 1))
    if rng.random() < loud - 0.2:
        out[:, [features.VOICED, features.PITCH]] *= rng.random() < 0.3
    return out


class Clips:
    """Clips that are made when they are asked for."""

    def __init__(self, seed: int):
        self.seed = seed

    def clip(self, index: int) -> Heard:
        """The clip of this number."""
        return clip(np.random.default_rng([self.seed, index, 4]))


class Shards:
    """Clips on disk, which are asked for again and again.

    Raises InputError where there are none.
    """

    def __init__(self, folder: Path):
        files = sorted(folder.glob("*.npz"))
        if not files:
            raise InputError(f"{folder}: no clips of voices (python -m mien.train.voiced)")
        self._clips = [heard for file in files for heard in _read(file)]

    def __len__(self) -> int:
        return len(self._clips)

    def clip(self, index: int) -> Heard:
        """The clip of this number; they come in another order each time."""
        turn, place = divmod(index, len(self._clips))
        order = np.random.default_rng([turn, 6]).permutation(len(self._clips))
        return self._clips[order[place]]


def _read(file: Path) -> Iterator[Heard]:
    try:
        with np.load(file, allow_pickle=False) as arrays:
            rows, mouth, ends = arrays["rows"], arrays["mouth"], arrays["ends"]
    except Exception as error:  # on damaged archives numpy raises nearly anything
        raise InputError(f"{file}: not clips of voices: {error}") from error
    for start, end in zip([0, *ends[:-1]], ends, strict=True):
        yield Heard(rows[2 * start : 2 * end], mouth[start:end])


class VoiceSource:
    """``voices:FOLDER``: clips that this module has written."""

    def __init__(self, rest: str):
        self.shards = Shards(Path(rest))

    def __call__(self, system: System, stage: Stage, seed: int) -> Voiced:
        return Voiced(self.shards, system, stage, seed)


# -- clips on disk ---------------------------------------------------------------------------------


def write(folder: Path, hours: float, seed: int) -> None:
    """Write clips of so many hours in all; what is there already is kept and counted."""
    folder.mkdir(parents=True, exist_ok=True)
    number, steps = 0, 0
    while steps * animator.STEP < hours * 3600:
        file = folder / f"{number:04d}.npz"
        if not file.is_file():
            clips = Clips(seed)
            made = [clips.clip(number * SHARD + i) for i in range(SHARD)]
            with atomic(file) as temporary, temporary.open("wb") as stream:
                np.savez(
                    stream,
                    rows=np.concatenate([c.rows for c in made]).astype(np.float16),
                    mouth=np.concatenate([c.mouth for c in made]).astype(np.float16),
                    ends=np.cumsum([len(c.mouth) for c in made]),
                )
        with np.load(file, allow_pickle=False) as arrays:
            steps += int(arrays["ends"][-1])
        number += 1
        print(f"{file.name}: {steps * animator.STEP / 3600:.2f} hours in all", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Write clips of voices to learn from.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--hours", type=float, default=4.0)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(arguments)
    write(chosen.folder, chosen.hours, chosen.seed)


if __name__ == "__main__":
    main()
