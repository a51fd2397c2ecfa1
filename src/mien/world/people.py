"""The people of the world: who they are follows from their number, and from the portraits.

Without portraits everybody is of the statistical models. With portraits, the first people of a
split are its portraits, each with its own skin and shape; those after them are mixtures of two or
three portraits of the same split, as many as are asked for.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import cv2
import numpy as np

from mien.head.albedo import AlbedoModel
from mien.head.model import HeadModel
from mien.world import hair
from mien.world.beard import STYLES as BEARDS
from mien.world.beard import Beard, Brows
from mien.world.portraits import Portraits, Record
from mien.world.scene import Person
from mien.world.unlit import skin_tone

SPREAD = 0.85  # of identities and skins, in standard deviations of the models
LARGEST = 2.5
IRISES = {
    "brown": (0.075, 0.040, 0.022), "dark": (0.035, 0.020, 0.013), "hazel": (0.13, 0.085, 0.035),
    "green": (0.12, 0.13, 0.065), "blue": (0.14, 0.19, 0.25), "grey": (0.16, 0.175, 0.18),
}  # fmt: skip
"""Linear albedo by name."""

KEPT = 48  # people of portraits, with their textures, that a process keeps
TWO, ALIKE = 0.6, 0.75  # shares: of mixtures of two, not three; of those of one gender and group
PLAIN = 0.4  # share of mixtures that are the same everywhere on the face, not by regions
FIELD, SHARP = 5, 2.5  # cells of the regions across a face, and how clearly one parent has each
BROAD = 12  # parts of a texture: what is broader is tone, and blends evenly
VARIED = 0.35  # standard deviations of the albedo model by which mixtures also differ
FEMININE = {"female": 0.97, "male": 0.04}  # how often somebody has hair of women; others: 0.5

DARK_SKIN, FAIR_SKIN = 20.0, 45.0  # degrees of ITA, between which hair and eyes become lighter


@lru_cache(maxsize=512)
def person(number: int) -> Person:
    """Person ``number`` of the statistical models, 0 on."""
    rng = np.random.default_rng([7_001, number])
    identity = (SPREAD * rng.normal(size=len(HeadModel.bundled().identity))).clip(-LARGEST, LARGEST)
    albedo = (SPREAD * rng.normal(size=len(AlbedoModel.bundled().basis))).clip(-LARGEST, LARGEST)
    age = float(np.clip(rng.gamma(6.0, 6.0), 16, 85))
    tone = skin_tone(AlbedoModel.bundled().texture(albedo))
    feminine = float(rng.random())
    light = float(np.clip((tone - DARK_SKIN) / (FAIR_SKIN - DARK_SKIN), 0, 1))
    return Person(
        number=number,
        identity=identity.astype(np.float32),
        albedo=albedo.astype(np.float32),
        exposure=np.zeros(3, np.float32),
        iris=_iris(light, rng),
        hair=(style := hair.sample(rng, age, feminine, light)),
        beard=_beard(style, rng),
        brows=_brows(style, feminine, rng),
        age=age,
    )


def _iris(light: float, rng: np.random.Generator) -> np.ndarray:
    """Linear albedo (3,) of an iris; light ones go with fair skin."""
    names = list(IRISES)
    weights = np.array([0.4, 0.9 - 0.8 * light, 0.2 * light, 0.15 * light, 0.35 * light,
                        0.12 * light])  # fmt: skip
    colour = np.array(IRISES[names[rng.choice(len(names), p=weights / weights.sum())]])
    return (colour * np.exp(rng.normal(0, 0.12, 3))).astype(np.float32)


def _beard(style: hair.HairStyle, rng: np.random.Generator) -> Beard:
    """The beard that this person would wear; whether it is worn is a factor of the recipe."""
    weights = np.array([0.34, 0.1, 0.14, 0.05, 0.22, 0.15])
    return Beard(
        style=str(rng.choice(BEARDS[1:], p=weights)), colour=style.colour, grey=style.grey,
        density=float(rng.uniform(0.5, 1.0)), length=float(rng.uniform(0.6, 1.3)),
        seed=int(rng.integers(2**31)),
    )  # fmt: skip


def _brows(style: hair.HairStyle, feminine: float, rng: np.random.Generator) -> Brows:
    dark = 0.5 * np.array(style.colour) + 0.5 * np.array(hair.COLOURS["dark brown"])
    red, green, blue = dark.tolist()
    return Brows(
        thickness=float(rng.uniform(0.66, 1.3) - 0.25 * feminine), colour=(red, green, blue),
        density=float(rng.uniform(0.3, 0.75)), arch=float(rng.uniform(-0.6, 0.8)),
        own=float(rng.uniform(0.5, 1.0)), seed=int(rng.integers(2**31)),
    )  # fmt: skip


# -- of portraits ----------------------------------------------------------------------------------


class People:
    """Everybody in a split of a recipe.

    numbers: theirs. own: the portraits of the split, by place in the index. share: of the numbers,
    the first ones, that are of portraits.
    """

    def __init__(
        self,
        numbers: range,
        portraits: Portraits | None = None,
        own: Sequence[int] | np.ndarray = (),
        share: float = 0.0,
    ) -> None:
        self.numbers, self._portraits, self._own = numbers, portraits, np.asarray(own, int)
        self._count = round(share * len(numbers)) if portraits else 0

    def person(self, number: int) -> Person:
        """The person of a number; raises InputError when a portrait's file is damaged."""
        if self._portraits is None or number - self.numbers.start >= self._count:
            return person(number)
        return _kept(self, number)

    def portrait(self, who: Person) -> Record | None:
        """The portrait of somebody who is of one."""
        if self._portraits is None or who.source != "portrait":
            return None
        return _record(self._portraits, who.parents[0])

    def made(self, number: int) -> Person:
        """A person of portraits, made anew."""
        assert self._portraits is not None
        at = number - self.numbers.start
        if at < len(self._own):
            return _alone(number, self._portraits, int(self._own[at]))
        return _mixture(number, self._portraits, self._own)


@lru_cache(maxsize=KEPT)
def _kept(people: People, number: int) -> Person:
    return people.made(number)


@lru_cache(maxsize=KEPT)
def _record(portraits: Portraits, at: int) -> Record:
    return portraits.record(at)


def _alone(number: int, portraits: Portraits, at: int) -> Person:
    """The person of one portrait."""
    record, index = portraits.record(at), portraits.index
    return _dressed(
        np.random.default_rng([7_002, at]),
        Person(
            number=number,
            identity=record.values["identity"],
            albedo=record.values["code"],
            exposure=record.values["exposure"],
            iris=record.values["iris"],
            hair=hair.HairStyle(),
            beard=Beard(),
            brows=Brows(),
            texture=record.texture(),
            age=float(index["age"][at]),
            gender=str(index["gender"][at]),
            group=str(index["group"][at]),
            source="portrait",
            parents=(at,),
        ),
        index["hair"][at],
    )


def _mixture(number: int, portraits: Portraits, own: np.ndarray) -> Person:
    """A person of two or three portraits among ``own``."""
    rng, index = np.random.default_rng([7_003, number]), portraits.index
    parents = _parents(rng, index["gender"], index["group"], own)
    shares = rng.dirichlet(np.full(len(parents), 3.0))
    identity = shares @ index["identity"][parents]
    code = shares @ index["code"][parents]
    # Means of independent codes vary less than people do; noise makes up for some of that.
    missing = np.sqrt(max(1 - (shares**2).sum(), 0))
    identity = identity + missing * index["identity"].std(0) * rng.normal(size=len(identity))
    variation = (VARIED * rng.normal(size=len(code))).astype(np.float32)
    same = {
        name: str(index[name][parents[0]]) if len(set(index[name][parents])) == 1 else ""
        for name in ("gender", "group")
    }
    colours = index["hair"][parents]
    return _dressed(
        rng,
        Person(
            number=number,
            identity=identity.clip(-LARGEST, LARGEST).astype(np.float32),
            albedo=(code + variation).astype(np.float32),
            exposure=(shares @ index["exposure"][parents]).astype(np.float32),
            iris=np.exp(shares @ np.log(index["iris"][parents])).astype(np.float32),
            hair=hair.HairStyle(),
            beard=Beard(),
            brows=Brows(),
            texture=_blended([portraits.record(int(p)) for p in parents], shares, variation, rng),
            age=float(shares @ index["age"][parents]),
            source="mixture",
            parents=tuple(int(parent) for parent in parents),
            **same,
        ),
        colours[int(rng.integers(len(colours)))],
    )


def _parents(
    rng: np.random.Generator, gender: np.ndarray, group: np.ndarray, own: np.ndarray
) -> np.ndarray:
    """Places of one to three portraits, often of one gender and group."""
    first = int(rng.choice(own))
    others = own[own != first]
    alike = others[(gender[others] == gender[first]) & (group[others] == group[first])]
    others = alike if rng.random() < ALIKE and len(alike) else others
    count = min(1 if rng.random() < TWO else 2, len(others))
    return np.array([first, *rng.choice(others, count, replace=False)], int)


def _blended(
    records: Sequence[Record], shares: np.ndarray, variation: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Linear albedo (s, s, 3) float32 mixed in logarithms: tone evenly, detail also by regions.

    Bands are blended as in Burt and Adelson, "A multiresolution spline" (1983), with two of them:
    of averaged detail little is left, and of tones side by side patches.
    """
    logs = np.stack([np.log(record.texture().clip(2e-3)) for record in records])
    size = logs.shape[1]
    broad = np.stack([cv2.GaussianBlur(one, (0, 0), size / BROAD) for one in logs])
    weights = _regions(rng, shares, size)
    varied = np.tensordot(variation, AlbedoModel.bundled().basis[: len(variation)], 1)
    mixed = np.tensordot(shares.astype(np.float32), broad, 1)
    mixed += (weights[..., None] * (logs - broad)).sum(0)
    return np.exp(mixed + cv2.resize(varied, (size, size))).clip(2e-3, 1).astype(np.float32)


def _regions(rng: np.random.Generator, shares: np.ndarray, size: int) -> np.ndarray:
    """How much each parent says where (n, size, size) float32, alike left and right; sum 1."""
    height = np.log(shares.clip(1e-3))[:, None, None] + np.zeros((1, FIELD, FIELD))
    if rng.random() >= PLAIN:
        height = height + SHARP * rng.normal(size=height.shape)
    height = (height + height[..., ::-1]) / 2
    soft = [cv2.resize(one, (size, size), interpolation=cv2.INTER_CUBIC) for one in height]
    weights = np.exp(np.stack(soft))
    return (weights / weights.sum(0)).astype(np.float32)


def _dressed(rng: np.random.Generator, who: Person, colour: np.ndarray) -> Person:
    """Somebody of portraits with hair, beard and brows that suit, in the colour (3,) of theirs."""
    assert who.texture is not None
    tone = skin_tone(who.texture)
    light = float(np.clip((tone - DARK_SKIN) / (FAIR_SKIN - DARK_SKIN), 0, 1))
    feminine = FEMININE.get(who.gender, 0.5)
    age = 35.0 if np.isnan(who.age) else who.age
    style = hair.sample(rng, age, feminine, light)
    if np.isfinite(colour).all():
        red, green, blue = colour.tolist()
        style = replace(style, colour=(red, green, blue), grey=0.0)  # grey is in what was seen
    beard = _beard(style, rng)
    brows = _brows(style, feminine, rng)
    return replace(
        who,
        hair=style,
        beard=replace(beard, style="none") if who.gender == "female" else beard,
        brows=replace(brows, own=1.0, density=0.0),  # the texture has its own
    )
