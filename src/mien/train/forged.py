"""``forgeries:``: real and forged faces of the same people as training streams.

Every pair is one picture of one person, as it was and as a forger left it; both went through the
same processing afterwards (codec, resizing, noise), and both are cut out by the same crop. The
pictures are portraits with landmarks, forged in the picture (``mien.world.forged_photos``), or
drawn people of the world, whose faces can be drawn anew with another identity, expression or sound.

    python -m mien.train.forged DATA ALBUM --people PEOPLE

makes an *album* once (``mien.data.forgeries``), because drawing costs more than learning. Data is
``forgeries:`` for pairs of the world that are drawn as they are asked for, or ``forgeries:ALBUM``;
``forgeries:ALBUM,without=swap`` leaves a kind or a family of them out.
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Protocol

import cv2
import numpy as np
import torch

from mien.data.face_crops import placement
from mien.data.forgeries import Album, Pair
from mien.data.portraits import Portraits
from mien.errors import InputError, UsageError
from mien.find import geometry
from mien.train.system import Stage, System
from mien.world import traces
from mien.world.forged_photos import PHOTO_KINDS, photo_shot
from mien.world.forging import Shot, landmarks_of
from mien.world.manipulate import KINDS, Forgeries
from mien.world.portraits import Portraits as Prepared
from mien.world.recipe import Factor, Recipe
from mien.world.world import World

Sample = dict[str, torch.Tensor]
Part = Literal["train", "validation", "test"]

SIDE = 144  # of an album's crops, pixels
EVERY = 12  # of the training portraits one is for validation
FEWEST = 0.004  # of a picture's pixels that have to change
TRIES = 1000  # pictures in a row that may allow no forgery of a kind

LEARNED_KINDS = ("swap-warped", "self-blend", "inpaint", "gan", "diffusion", "recompressed",
                 "reenact-warped")  # fmt: skip
"""What an album does to portraits, unless other kinds are named. Edited looks are left out."""
DRAWN_KINDS = ("reenact-rendered", "lip-sync", "reenact-warped", "swap-rendered")
"""Kinds that need a face to be drawn anew; an album takes these of the world."""
FAMILIES = {name: kind.family for name, kind in KINDS.items()}
"""The family of each kind; ``without`` takes either name."""


class Forger(Protocol):
    """Pairs by number and kind, from portraits or from the world."""

    def pair(self, number: int, kind: str, side: int) -> Pair | None:
        """None where this picture allows no such forgery."""
        ...


def parts(portraits: Portraits) -> dict[Part, np.ndarray]:
    """Places of the portraits to train, to choose and to test on; nobody is in two parts."""
    others = np.flatnonzero(~portraits.test)
    chosen = np.arange(len(others)) % EVERY == 0
    return {"train": others[~chosen], "validation": others[chosen],
            "test": np.flatnonzero(portraits.test)}  # fmt: skip


class PhotoForger:
    """Forgeries of a part of the portraits; the face of a swap is of the same part."""

    def __init__(self, portraits: Portraits, part: Part, seed: int = 0):
        self.portraits, self.places, self.seed = portraits, parts(portraits)[part], seed

    def pair(self, number: int, kind: str, side: int) -> Pair | None:
        """Pair ``number``: of the portrait whose turn it is."""
        rng = np.random.default_rng([self.seed, number, 3])
        place = int(self.places[number % len(self.places)])
        shot, cls = self._shot(place), PHOTO_KINDS[kind]
        other = int(rng.choice(self.places))
        donor = self._shot(other, len(shot.image)) if cls.needs_donor else None
        made = cls.sample(rng)(shot, rng, donor)
        if (made.mask > 0).mean() < FEWEST:
            return None
        processing = traces.Processing.sample(rng)
        pictures = processing(made.original), processing(made.image)
        return cut(pictures, made.mask, shot.points, side, rng, kind, place)

    def _shot(self, place: int, side: int | None = None) -> Shot:
        image = self.portraits.image(place, side)
        return photo_shot(image, self.portraits.landmarks[place] * len(image), place)


class WorldForger:
    """Forgeries of people of the world.

    hidden: portraits, by place in the prepared folder, that nobody who is seen may be made of.
    """

    def __init__(self, world: World, kinds: Sequence[str] = tuple(KINDS), seed: int = 0,
                 hidden: frozenset[int] = frozenset()):  # fmt: skip
        self.world, self.hidden = world, hidden
        self.forgeries = Forgeries(world, tuple(kinds), seed)

    def pair(self, number: int, kind: str, side: int) -> Pair | None:
        """Pair ``number`` of the world."""
        if self._is_hidden(number):
            return None
        try:
            real, fake = self.forgeries.pair(number, kind)
        except InputError:  # such as the hair of somebody without any
            return None
        label = fake["label"]
        if self._is_hidden(label["index"]) or self._is_hidden(label.get("donor_index", number)):
            return None
        rng = np.random.default_rng([self.forgeries.seed, number, 3])
        points = landmarks_of(self.world.scene(label["index"]))
        pictures = real["image"], fake["image"]
        return cut(pictures, fake["mask"], points, side, rng, kind, int(label["person"]))

    def _is_hidden(self, index: int) -> bool:
        return bool(self.hidden) and not self.hidden.isdisjoint(
            self.world.scene(index).person.parents
        )


def cut(
    pictures: tuple[np.ndarray, np.ndarray], mask: np.ndarray, points: np.ndarray, side: int,
    rng: np.random.Generator, kind: str, person: int,
) -> Pair:  # fmt: skip
    """Both pictures (h, w, 3) by one crop, as a finder would place it about landmarks (478, 2)."""
    place = geometry.invert(placement(points, side, rng))
    images = np.stack([geometry.crop(picture, place, side) for picture in pictures])
    return Pair(images, geometry.crop(mask, place, side), kind, person)


def made(
    forger: Forger, kinds: Sequence[str], count: int, side: int, start: int = 0
) -> Iterator[Pair]:
    """``count`` pairs, of whose kinds each has its turn; InputError where one is not possible."""
    number = start
    for turn in range(count):
        kind = kinds[turn % len(kinds)]
        for _ in range(TRIES):
            found = forger.pair(number, kind, side)
            number += 1
            if found is not None:
                yield found
                break
        else:
            raise InputError(f"pair {number}: nothing that {kind} can change")


# -- streams ---------------------------------------------------------------------------------------


class ForgedSource:
    """rest: nothing, or an album's folder; then perhaps ``,without=KIND`` or a family's name."""

    def __init__(self, rest: str):
        folder, *options = rest.split(",")
        self.left_out = tuple(option.removeprefix("without=") for option in options)
        known = {*FAMILIES, *FAMILIES.values()}
        if any("without=" not in one for one in options) or not known.issuperset(self.left_out):
            raise UsageError(f"'forgeries:{rest}': say forgeries:ALBUM,without=KIND, with a kind "
                             f"or family of: {', '.join(sorted(known))}")  # fmt: skip
        self.album = Album(Path(folder)) if folder else None

    def __call__(self, system: System, stage: Stage, seed: int) -> "Pairs | Drawn":
        """Raises UsageError where the stage learns from something else."""
        wanted = tuple(system.example(1))
        if stage.data != "forgeries" or not {*wanted} <= WORDS:
            raise UsageError(f"forgeries have no {stage.data!r} as stage {stage.name!r} of "
                             f"{system.CARD.slug} learns from")  # fmt: skip
        side = int(system.config.size)
        if self.album is not None:
            return Pairs(self.album, side, wanted, self.left_out, seed)
        kinds = [kind for kind in KINDS if not _is_left_out(kind, self.left_out)]
        recipe = Recipe(size=max(96, 2 * side))
        return Drawn(WorldForger(World(recipe, "train", seed), kinds, seed), kinds, side, wanted)


WORDS = {"image", "forged", "forged_mask", "identity"}
"""What the streams know of a sample."""


def _is_left_out(kind: str, left_out: Sequence[str]) -> bool:
    return kind in left_out or FAMILIES[kind] in left_out


class Drawn:
    """Pairs that are drawn as they are asked for: number 2 n is real, 2 n + 1 is forged."""

    def __init__(self, forger: Forger, kinds: Sequence[str], side: int, words: Sequence[str]):
        self.forger, self.kinds, self.side, self.words = forger, kinds, side, words

    def sample(self, index: int) -> Sample | None:
        """The sample of this number; None where the picture allowed no such forgery."""
        number, forged = divmod(index, 2)
        pair = _pair(self.forger, number, self.kinds[number % len(self.kinds)], self.side)
        return None if pair is None else _words(pair, forged, self.words)


@lru_cache(maxsize=4)
def _pair(forger: Forger, number: int, kind: str, side: int) -> Pair | None:
    return forger.pair(number, kind, side)


class Pairs:
    """An album's pairs in a new order in each pass, as cameras and mirrors vary them.

    What happens to a pair, where it is cut, mirrored and lit, happens to both of its pictures.
    """

    def __init__(self, album: Album, side: int, words: Sequence[str],
                 left_out: Sequence[str] = (), seed: int = 0):  # fmt: skip
        self.album, self.side, self.words, self.seed = album, side, words, seed
        kept = [not _is_left_out(str(kind), left_out) for kind in album.kinds]
        self.places = np.flatnonzero(kept)
        if not len(self.places):
            raise UsageError("forgeries: no kind is left")

    def sample(self, index: int) -> Sample:
        """The sample of this number: even ones are real, odd ones forged."""
        number, forged = divmod(index, 2)
        epoch, turn = divmod(number, len(self.places))
        place = int(_order(len(self.places), self.seed, epoch)[turn])
        pair = self.pair(int(self.places[place]), np.random.default_rng([self.seed, number]))
        return _words(pair, forged, self.words)

    def pair(self, place: int, rng: np.random.Generator) -> Pair:
        """A stored pair, cut to the side and varied."""
        images = self.album.images[place]
        mask = cv2.resize(self.album.masks[place].astype(np.float32) / 255, images.shape[1:3])
        images, mask = fitted(images, mask, self.side, rng)
        if rng.random() < 0.5:
            images, mask = images[:, :, ::-1], mask[:, ::-1]
        levels = np.arange(256) * np.exp(rng.normal(0, 0.1)) + rng.normal(0, 8)
        images = levels.clip(0, 255).astype(np.uint8)[images]
        return Pair(images, mask, str(self.album.kinds[place]), int(self.album.people[place]))


def fitted(
    images: np.ndarray, mask: np.ndarray, side: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (2, S, S, 3) and mask (S, S) at another side, cut rather than resized if possible.

    Whole pixels keep the traces as they are.
    """
    whole = len(mask)
    if side <= whole < 1.5 * side:
        x, y = rng.integers(0, whole - side + 1, 2)
        return images[:, y : y + side, x : x + side], mask[y : y + side, x : x + side]
    way = cv2.INTER_AREA if whole > side else cv2.INTER_CUBIC
    resized = [cv2.resize(one, (side, side), interpolation=way) for one in images]
    return np.stack(resized), cv2.resize(mask, (side, side), interpolation=cv2.INTER_AREA)


@lru_cache(maxsize=2)
def _order(count: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(count)


def _words(pair: Pair, forged: int, words: Sequence[str]) -> Sample:
    known: dict[str, Any] = {
        "image": np.ascontiguousarray(pair.images[forged].transpose(2, 0, 1)),
        "forged": np.int64(forged),
        "forged_mask": np.ascontiguousarray(pair.mask * np.float32(forged)),
        "identity": np.int64(pair.person),
    }
    return {name: torch.from_numpy(np.array(known[name])) for name in words}


# -- albums ----------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Make an album of real and forged faces.")
    parser.add_argument("data", type=Path, help="folder with portraits")
    parser.add_argument("out", type=Path)
    parser.add_argument("--part", choices=("train", "validation", "test"), default="train")
    parser.add_argument("--photos", type=int, default=5600, help="pairs of portraits")
    parser.add_argument("--kinds", nargs="+", choices=PHOTO_KINDS, default=LEARNED_KINDS)
    parser.add_argument("--people", type=Path, help="of mien world people: pairs of the world, too")
    parser.add_argument("--drawn", type=int, default=1200, help="pairs of the world")
    parser.add_argument("--side", type=int, default=SIDE)
    parser.add_argument("--start", type=int, default=0, help="number of the first pair")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(arguments)
    portraits = Portraits.load(chosen.data / "portraits")
    photos = PhotoForger(portraits, chosen.part, chosen.seed)
    count = chosen.photos
    pairs: list[Iterable[Pair]] = [made(photos, chosen.kinds, count, chosen.side, chosen.start)]
    if chosen.people is not None:
        pairs.append(_of_world(portraits, chosen))
        count += chosen.drawn
    Album.write(chosen.out, (pair for part in pairs for pair in part), count, chosen.side)


def _of_world(portraits: Portraits, chosen: argparse.Namespace) -> Iterator[Pair]:
    """Pairs of people who are made of portraits of the part alone."""
    shown = {portraits.files[place] for place in parts(portraits)[chosen.part]}
    names = Prepared.open(chosen.people).index["name"]
    hidden = frozenset(i for i, name in enumerate(names) if str(name) not in shown)
    recipe = Recipe(size=240, portraits=str(chosen.people), backdrop=0.6, people=len(names),
                    splits={"train": 1.0}, factors={"degrade": Factor(value=0)})  # fmt: skip
    world = World(recipe, "train", chosen.seed, in_a_row=8)
    forger = WorldForger(world, DRAWN_KINDS, chosen.seed, hidden)
    return made(forger, DRAWN_KINDS, chosen.drawn, chosen.side, chosen.start)


if __name__ == "__main__":
    main()
