"""Recipes: which factors of the world vary, how far, and what goes together with what.

    name: smiles-by-person
    people: 400
    factors:
      emotion: {choices: [neutral, happiness]}
      yaw: {range: [-30, 30]}
      glasses: {probability: 0.5}
    together:
      - {factor: emotion, follows: person, strength: 0.9}
    splits: {train: 0.8, val: 0.1, test: 0.1}

Each factor is drawn from one number between 0 and 1, so that a factor can follow another one: with
the probability ``strength`` that number is not drawn but is a fixed function of what it follows. A
split has people of its own: nobody is in two.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import yaml

from mien.errors import InputError
from mien.world.emotions import NAMES
from mien.world.hair import STYLES as HAIR_STYLES
from mien.world.portraits import Portraits

LARGEST_SIZE = 1024
PERSON, OWN = "person", "own"
OF_PORTRAITS = ("portraits", "from_portraits", "backdrop")
LEVELS = 8  # into how many classes a measured factor falls when another one follows it


@dataclass(frozen=True, slots=True)
class Factor:
    """How one factor is drawn: exactly one of these is given.

    range: (low, high), even. normal: (mean, standard deviation), cut at the factor's limits.
    choices: names, or names with weights. probability: that it is there. value: always the same.
    """

    range: tuple[float, float] | None = None
    normal: tuple[float, float] | None = None
    choices: Mapping[str, float] | None = None
    probability: float | None = None
    value: Any = None

    def draw(self, u: float, limits: "Limits") -> Any:
        """The value that stands for a number u, 0..1."""
        if self.range is not None:
            return self.range[0] + u * (self.range[1] - self.range[0])
        if self.normal is not None:
            drawn = NormalDist(*self.normal).inv_cdf(min(max(u, 1e-6), 1 - 1e-6))
            return min(max(drawn, limits.low), limits.high)
        if self.choices is not None:
            edges = np.cumsum(list(self.choices.values()))
            return list(self.choices)[int(np.searchsorted(edges / edges[-1], u, side="right"))]
        if self.probability is not None:
            return u < self.probability
        return self.value


@dataclass(frozen=True, slots=True)
class Limits:
    """What a factor may be: numbers from ``low`` to ``high``, names, or yes and no."""

    usual: Factor
    meaning: str
    low: float = -np.inf
    high: float = np.inf
    names: tuple[str, ...] = ()


def _even(names: tuple[str, ...]) -> Factor:
    return Factor(choices=dict.fromkeys(names, 1.0))


FACTORS: Mapping[str, Limits] = {
    "emotion": Limits(_even(NAMES[:7]), "of mien.world.emotions", names=NAMES),
    "intensity": Limits(Factor(range=(1.5, 5.0)), "of the emotion, 0..5", 0, 5),
    "yaw": Limits(Factor(normal=(0, 18)), "degrees", -90, 90),
    "pitch": Limits(Factor(normal=(0, 8)), "degrees", -45, 45),
    "roll": Limits(Factor(normal=(0, 7)), "degrees", -60, 60),
    "gaze_yaw": Limits(Factor(normal=(0, 8)), "degrees in the head", -35, 35),
    "gaze_pitch": Limits(Factor(normal=(0, 5)), "degrees in the head", -25, 25),
    "blink": Limits(Factor(probability=0.04), "closed eyes"),
    "speaking": Limits(Factor(probability=0.25), "the mouth is at some sound of speech"),
    "fill": Limits(Factor(range=(0.5, 0.85)), "height of the head / of the picture", 0.1, 2.0),
    "shift_x": Limits(Factor(normal=(0, 0.05)), "parts of the picture", -0.5, 0.5),
    "shift_y": Limits(Factor(normal=(0, 0.04)), "parts of the picture", -0.5, 0.5),
    "focal": Limits(Factor(range=(1.2, 4.0)), "sides of the picture", 0.6, 12.0),
    "contrast": Limits(Factor(range=(0.2, 1.3)), "of the light", 0, 3),
    "exposure": Limits(Factor(range=(0.7, 1.3)), "factor on the light", 0.05, 4),
    "glossy": Limits(Factor(range=(0.0, 0.6)), "shine of the skin", 0, 1),
    "hair": Limits(Factor(value=OWN), "style; own: as suits the person", names=(OWN, *HAIR_STYLES)),
    "makeup": Limits(Factor(probability=0.3), "lips, eyes, cheeks"),
    "beard": Limits(Factor(probability=0.25), "stubble to full, as suits the person"),
    "glasses": Limits(Factor(probability=0.12), "clear or dark"),
    "mask": Limits(Factor(probability=0.02), "over mouth and nose"),
    "occluder": Limits(Factor(probability=0.06), "hand or object before the face"),
    "pattern": Limits(Factor(probability=0.08), "shadows of leaves, blinds, brims"),
    "degrade": Limits(Factor(range=(0.0, 0.6)), "blur, noise, compression", 0, 1),
    "style": Limits(Factor(probability=0.0), "drawn, painted"),
    "hat": Limits(Factor(probability=0.05), "cap, beanie, brim, headband"),
    "earrings": Limits(Factor(probability=0.08), "in one ear or both"),
    "necklace": Limits(Factor(probability=0.06), "around the neck"),
    "scarf": Limits(Factor(probability=0.03), "around the neck"),
}
"""All factors, with what they usually are."""


@dataclass(frozen=True, slots=True)
class Together:
    """A factor that follows another one, or the person, in ``strength`` of all samples."""

    factor: str
    follows: str
    strength: float


@dataclass(frozen=True, slots=True)
class Recipe:
    """A data set of the world.

    people: how many there are. size: pixels a side. factors: those that are not as usual. splits:
    name -> share of the people. portraits: a folder that ``mien world people`` made, or "" for
    none. from_portraits: the share of the people of each split that are of portraits: first each
    portrait of the split, then mixtures of two or three of them. backdrop: the share of pictures
    of portraits (not of mixtures) that show the person in the portrait, moved and lit anew.

    Raises InputError for what is out of range or unknown, with the name of the field.
    """

    name: str = "usual"
    people: int = 3000
    size: int = 256
    factors: Mapping[str, Factor] = field(default_factory=dict)
    together: tuple[Together, ...] = ()
    splits: Mapping[str, float] = field(
        default_factory=lambda: {"train": 0.8, "val": 0.1, "test": 0.1}
    )
    portraits: str = ""
    from_portraits: float = 1.0
    backdrop: float = 0.0

    def __post_init__(self) -> None:
        _check(isinstance(self.name, str) and bool(self.name), "name", "a text")
        _check(_whole(self.people, 1, 10**7), "people", "1 to 10 million")
        _check(_whole(self.size, 32, LARGEST_SIZE), "size", f"32 to {LARGEST_SIZE} pixels")
        for name, factor in self.factors.items():
            _check_factor(name, factor)
        for link in self.together:
            _check(link.factor in FACTORS, "together.factor", f"a factor, not {link.factor!r}")
            known = link.follows in FACTORS or link.follows == PERSON
            _check(known, "together.follows", f"a factor or {PERSON}, not {link.follows!r}")
            _check(link.factor != link.follows, "together", "two different factors")
            _check(_share(link.strength), "together.strength", "0 to 1")
        shares = list(self.splits.values())
        good = bool(shares) and all(_share(share) for share in shares)
        _check(good and abs(sum(shares) - 1) < 1e-6, "splits", "shares whose sum is 1")
        _check(isinstance(self.portraits, str), "portraits", "a folder")
        _check(_share(self.from_portraits), "from_portraits", "0 to 1")
        _check(_share(self.backdrop), "backdrop", "0 to 1")
        _check(bool(self.portraits) or not self.backdrop, "backdrop", "0 without portraits")
        self.prepared()

    @classmethod
    def load(cls, path: str | Path) -> "Recipe":
        """Read a recipe from YAML; raises InputError with the file's name and the field's.

        A relative folder of portraits is beside the file.
        """
        try:
            text = Path(path).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
        try:
            return cls.of(_beside(Path(path), yaml.safe_load(text)))
        except yaml.YAMLError as error:
            raise InputError(f"{path}: not YAML: {str(error).splitlines()[0]}") from error
        except InputError as error:
            raise InputError(f"{path}: {error}") from error

    @classmethod
    def of(cls, values: Any) -> "Recipe":
        """A recipe from plain values, as YAML gives them."""
        _check(isinstance(values, Mapping), "recipe", "names with values")
        known = {entry.name for entry in fields(cls)}
        for name in values:
            _check(name in known, str(name), f"one of {', '.join(sorted(known))}")
        out = dict(values)
        factors = out.get("factors") or {}
        _check(isinstance(factors, Mapping), "factors", "names with values")
        out["factors"] = {name: _factor(name, spec) for name, spec in factors.items()}
        links = out.get("together") or []
        _check(isinstance(links, list), "together", "a list")
        out["together"] = tuple(_link(link) for link in links)
        if "splits" in out:
            _check(isinstance(out["splits"], Mapping), "splits", "names with shares")
        return cls(**out)

    def fingerprint(self) -> str:
        """A short hash of what the recipe says, and of what its portraits are, wherever."""
        said, prepared = asdict(self), self.prepared()
        said["portraits"] = prepared.hash if prepared else ""
        if prepared is None:  # hashes of recipes without portraits are older than these fields
            said = {name: said[name] for name in said if name not in OF_PORTRAITS}
        return hashlib.sha256(repr(sorted(said.items())).encode()).hexdigest()[:16]

    def prepared(self) -> Portraits | None:
        """The portraits, if any; raises InputError with the field's name when there are none."""
        try:
            return Portraits.open(self.portraits) if self.portraits else None
        except InputError as error:
            raise InputError(f"portraits: {error}") from error

    def parents(self, split: str) -> np.ndarray:
        """The portraits of a split, by place in the index: its people, and all that are mixed.

        No portrait is in two splits. Raises InputError where a split has fewer than one.
        """
        prepared, shares = self.prepared(), self.splits
        if prepared is None:
            return np.zeros(0, np.int64)
        shuffled = np.random.default_rng(len(prepared)).permutation(len(prepared))
        at, edges = list(shares).index(split), _edges(shares, len(prepared))
        own = shuffled[edges[at] : edges[at + 1]]
        if not len(own) and self.from_portraits and self.numbers(split):
            raise InputError(f"portraits: {len(prepared)} are too few for split {split!r}")
        return own

    def numbers(self, split: str) -> range:
        """The numbers of the people of a split; raises InputError for an unknown one."""
        if split not in self.splits:
            raise InputError(f"no split {split!r}; there are {', '.join(self.splits)}")
        edges = _edges(self.splits, self.people)
        at = list(self.splits).index(split)
        return range(int(edges[at]), int(edges[at + 1]))

    def draw(self, person: int, rng: np.random.Generator) -> dict[str, Any]:
        """All factors of one sample."""
        drawn = {name: float(u) for name, u in zip(FACTORS, rng.random(len(FACTORS)), strict=True)}
        chance = rng.random(len(self.together))
        for link, luck in zip(self.together, chance, strict=True):
            if luck < link.strength:
                leader = person if link.follows == PERSON else int(drawn[link.follows] * LEVELS)
                drawn[link.factor] = _fixed(link, leader)
        return {name: self.factor(name).draw(u, FACTORS[name]) for name, u in drawn.items()}

    def factor(self, name: str) -> Factor:
        """How a factor is drawn here."""
        return self.factors.get(name, FACTORS[name].usual)


def _edges(shares: Mapping[str, float], count: int) -> np.ndarray:
    """From where to where in ``count`` each share goes."""
    return np.round(np.cumsum([0, *shares.values()]) * count).astype(int)


def _beside(path: Path, values: Any) -> Any:
    """The values of a recipe's file, with its folder of portraits as seen from here."""
    folder = values.get("portraits") if isinstance(values, dict) else None
    if not folder or not isinstance(folder, str):
        return values
    return values | {"portraits": str(path.parent / folder)}


def _fixed(link: Together, leader: int) -> float:
    """The number 0..1 that always goes with what is followed."""
    digest = hashlib.sha256(f"{link.factor} {link.follows} {leader}".encode()).digest()
    return int.from_bytes(digest[:7], "big") / 2**56


def _factor(name: Any, spec: Any) -> Factor:
    _check(name in FACTORS, f"factors.{name}", f"a factor: {', '.join(FACTORS)}")
    if not isinstance(spec, Mapping):
        return Factor(value=spec)
    known = {entry.name for entry in fields(Factor)}
    _check(len(spec) == 1 and set(spec) <= known, f"factors.{name}", f"one of {sorted(known)}")
    (kind, value), *_ = spec.items()
    if kind in ("range", "normal"):
        good = isinstance(value, list) and len(value) == 2 and all(map(_number, value))
        _check(good, f"factors.{name}.{kind}", "two numbers")
        value = (float(value[0]), float(value[1]))
    if kind == "choices":
        _check(isinstance(value, list | Mapping), f"factors.{name}.choices", "names")
        value = dict.fromkeys(value, 1.0) if isinstance(value, list) else value
    return replace(Factor(), **{kind: value})


def _link(spec: Any) -> Together:
    good = isinstance(spec, Mapping) and set(spec) == {"factor", "follows", "strength"}
    _check(good, "together", "entries with factor, follows and strength")
    return Together(spec["factor"], spec["follows"], spec["strength"])


def _check_factor(name: str, factor: Factor) -> None:
    _check(name in FACTORS, f"factors.{name}", f"a factor: {', '.join(FACTORS)}")
    limits, where = FACTORS[name], f"factors.{name}"
    yes_or_no = limits.usual.probability is not None
    if factor.range is not None:
        low, high = factor.range
        _check(not (yes_or_no or limits.names), where, "no range")
        inside = limits.low <= low <= high <= limits.high
        _check(inside, f"{where}.range", f"low to high within {limits.low:g} to {limits.high:g}")
    elif factor.normal is not None:
        _check(not (yes_or_no or limits.names), where, "no normal distribution")
        good = limits.low <= factor.normal[0] <= limits.high and factor.normal[1] > 0
        _check(good, f"{where}.normal", "a mean within the limits and a positive deviation")
    elif factor.choices is not None:
        unknown = [choice for choice in factor.choices if choice not in limits.names]
        _check(not unknown, f"{where}.choices", f"of {', '.join(limits.names)}, not {unknown}")
        weights = list(factor.choices.values())
        good = bool(weights) and all(_number(w) and w >= 0 for w in weights) and sum(weights) > 0
        _check(good, f"{where}.choices", "weights from 0 on, not all 0")
    elif factor.probability is not None:
        _check(yes_or_no, where, "no probability")
        _check(_share(factor.probability), f"{where}.probability", "0 to 1")
    elif limits.names:
        _check(factor.value in limits.names, where, f"of {', '.join(limits.names)}")
    elif yes_or_no:
        _check(isinstance(factor.value, bool), where, "true or false")
    else:
        good = _number(factor.value) and limits.low <= factor.value <= limits.high
        _check(good, where, f"{limits.low:g} to {limits.high:g}")


def _check(good: bool, name: str, wanted: str) -> None:
    if not good:
        raise InputError(f"{name}: must be {wanted}")


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and np.isfinite(value)


def _share(value: Any) -> bool:
    return _number(value) and 0 <= value <= 1


def _whole(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
