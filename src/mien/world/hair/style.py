"""What hair looks like, and who has which."""

from dataclasses import dataclass

import numpy as np

COLOURS = {
    "black": (0.013, 0.011, 0.010), "dark brown": (0.030, 0.019, 0.013),
    "brown": (0.065, 0.039, 0.023), "light brown": (0.125, 0.080, 0.046),
    "dark blond": (0.200, 0.138, 0.078), "blond": (0.330, 0.238, 0.135),
    "red": (0.170, 0.060, 0.022), "grey": (0.240, 0.235, 0.230), "white": (0.550, 0.540, 0.520),
}  # fmt: skip
"""Linear albedo by name."""


@dataclass(frozen=True, slots=True)
class Spec:
    """What makes a style; lengths in mm. Strands lie in layers up to ``volume`` over the skin."""

    flow: str  # whorl: from the crown; part: to both sides; back: from the face; tie: to a knot
    top: float
    side: float  # length of strands above ears and nape
    volume: float
    lift: float = 0.5  # how steeply strands leave the skin
    gravity: float = 0.3
    hug: float = 0.5  # how far strands above their layer come back to it, per step
    curl: float = 0.0  # mm
    period: float = 45.0  # mm of strand in which a curl goes round
    clump: float = 0.45  # how far strands join their neighbours at the tips
    segments: int = 6
    count: int = 3350
    width: float = 3.4
    hem: float = -1e9  # mm, y, where hair of the usual length is cut


SPECS = {
    "receding": Spec("whorl", 26, 14, 7, segments=4, count=4200, width=3.0),
    "buzz": Spec("whorl", 6, 5, 3, 0.9, 0.1, 0.2, segments=2, count=7000, width=1.9, clump=0.0),
    "short": Spec("whorl", 42, 16, 12, segments=5, count=3800, width=3.2),
    "crop": Spec("whorl", 52, 26, 14, gravity=0.5, segments=5, count=3800, width=3.4),
    "swept": Spec("back", 82, 22, 20, 0.75, 0.12, 0.55),
    "undercut": Spec("back", 95, 4, 22, 0.7, 0.12, 0.55),
    "bob": Spec("part", 205, 140, 15, 0.5, 0.9, 0.5, segments=9, count=2450, width=4.2, hem=-84.0),
    "long": Spec(
        "part", 345, 290, 16, 0.5, 0.9, 0.5, segments=11, count=2000, width=5.0, hem=-205.0
    ),
    "wavy": Spec("part", 300, 240, 22, 0.6, 0.8, 0.4, 9.0, 95.0, 0.6, 12, 1850, 4.8, -180.0),
    "curly": Spec("part", 170, 130, 30, 0.8, 0.55, 0.25, 9.0, 48.0, 0.75, 13, 1700, 4.6),
    "afro": Spec("up", 60, 44, 55, segments=4, count=5500, width=5.6, clump=0.0),
    "tied": Spec("tie", 0, 0, 7, clump=0.3, segments=8, count=2750, width=3.6),
    "bun": Spec("tie", 0, 0, 7, clump=0.3, segments=8, count=2750, width=3.6),
}
STYLES = ("bald", *SPECS)
MOST_TRIANGLES = 45_000
FRINGELESS = ("receding", "buzz", "swept", "undercut", "afro", "tied", "bun")
KNOT = {"tied": np.array([0.0, 88.0, -108.0]), "bun": np.array([0.0, 126.0, -92.0])}
WHORL = np.array([6.0, 150.0, -38.0])  # mm, the crown


@dataclass(frozen=True, slots=True)
class HairStyle:
    """What hair looks like.

    style: of ``STYLES``. colour: (3,) linear albedo of strands that are not grey. length: 0.6..1.4
    of the style's. part: -1..1, where hair is parted, 0 the middle. fringe: 0..1, how far hair
    falls into the forehead: 0.5 is to the brows, 1 to the lashes. recession: 0..1, how far the
    hairline has gone back. grey: 0..1, the share of strands without colour. seed: of the strands.

    Raises ValueError for values beyond these.
    """

    style: str = "short"
    colour: tuple[float, float, float] = COLOURS["brown"]
    length: float = 1.0
    part: float = 0.3
    fringe: float = 0.0
    recession: float = 0.0
    grey: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.style not in STYLES:
            raise ValueError(f"hair: style is one of {', '.join(STYLES)}, not {self.style!r}")
        limits = {"length": (0.6, 1.4), "part": (-1, 1), "fringe": (0, 1), "recession": (0, 1),
                  "grey": (0, 1), "colour": (0, 1)}  # fmt: skip
        require("hair", self, limits)


def require(what: str, options: object, limits: dict[str, tuple[float, float]]) -> None:
    """Raise ValueError naming the first option that is not within its limits."""
    for name, (least, most) in limits.items():
        value = getattr(options, name)
        if not np.all((np.asarray(value) >= least) & (np.asarray(value) <= most)):
            raise ValueError(f"{what}: {name} is {least}..{most}, not {value}")


def receded(hair: HairStyle) -> float:
    """How far the hairline has gone back, 0..1; a receding style always has."""
    return max(hair.recession, 0.45) if hair.style == "receding" else hair.recession


_FEMININE = {"long": 3, "wavy": 2.5, "bob": 2, "curly": 1.5, "tied": 2, "bun": 1, "crop": 0.6,
             "short": 0.5, "afro": 0.5, "swept": 0.2, "buzz": 0.1, "bald": 0.05}  # fmt: skip
_MASCULINE = {"short": 4, "crop": 2, "swept": 2, "undercut": 1.2, "buzz": 1.5, "receding": 0.5,
              "bald": 0.5, "curly": 0.6, "afro": 0.5, "long": 0.3, "wavy": 0.3, "bob": 0.2,
              "bun": 0.1, "tied": 0.1}  # fmt: skip


def sample_colour(rng: np.random.Generator, fair: float = 0.4) -> tuple[float, float, float]:
    """A natural colour, linear albedo; fair: 0..1, how light the person's skin is."""
    names = ("black", "dark brown", "brown", "light brown", "dark blond", "blond", "red")
    dark = np.array([0.80, 0.17, 0.03, 0, 0, 0, 0])
    light = np.array([0.06, 0.24, 0.27, 0.16, 0.13, 0.09, 0.05])
    share = dark + min(max(fair, 0), 1) * (light - dark)
    pair = rng.choice(len(names), p=share / share.sum())
    base = np.log(COLOURS[names[pair]])
    return tuple(np.exp(base + rng.normal(0, 0.15) + rng.normal(0, 0.04, 3)).tolist())


def sample_grey(rng: np.random.Generator, age: float) -> float:
    """The share of grey strands, 0..1: half of the people have half of it by 60 or so."""
    onset = rng.normal(60, 11)
    return float(np.clip(1 / (1 + np.exp((onset - age) / 6)) - 0.03, 0, 1))


def sample(
    rng: np.random.Generator, age: float = 35, feminine: float = 0.5, fair: float = 0.4
) -> HairStyle:
    """Hair of somebody of this age in years; feminine: 0..1, how often styles of women are."""
    weights = dict.fromkeys(STYLES, 0.0)
    for table, share in ((_FEMININE, feminine), (_MASCULINE, 1 - feminine)):
        total = sum(table.values())
        for style, often in table.items():
            weights[style] += share * often / total
    loss = np.clip((age - 25) / 50, 0, 1) * (1 - feminine)
    weights["receding"] += 0.35 * loss
    weights["bald"] += 0.15 * loss
    total = sum(weights.values())
    style = str(rng.choice(STYLES, p=[weights[name] / total for name in STYLES]))
    recession = rng.beta(1.5, 3) * loss + (rng.uniform(0.45, 0.9) if style == "receding" else 0)
    return HairStyle(
        style,
        sample_colour(rng, fair),
        length=float(rng.uniform(0.75, 1.25)),
        part=float(rng.uniform(-0.8, 0.8)),
        fringe=float(rng.uniform(0.2, 0.75)) if rng.random() < 0.35 else 0.0,
        recession=float(min(recession, 1)),
        grey=sample_grey(rng, age),
        seed=int(rng.integers(2**31)),
    )
