"""The people of the world: who they are follows from their number alone."""

from functools import lru_cache

import numpy as np

from mien.head.albedo import AlbedoModel
from mien.head.model import HeadModel
from mien.world import hair
from mien.world.beard import STYLES as BEARDS
from mien.world.beard import Beard, Brows
from mien.world.scene import Person

SPREAD = 0.85  # of identities and skins, in standard deviations of the models
LARGEST = 2.5
IRISES = {
    "brown": (0.075, 0.040, 0.022), "dark": (0.035, 0.020, 0.013), "hazel": (0.13, 0.085, 0.035),
    "green": (0.12, 0.13, 0.065), "blue": (0.14, 0.19, 0.25), "grey": (0.16, 0.175, 0.18),
}  # fmt: skip
"""Linear albedo by name."""

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
        thickness=float(rng.uniform(0.65, 1.5) - 0.25 * feminine), colour=(red, green, blue),
        density=float(rng.uniform(0.2, 0.7)), arch=float(rng.uniform(-0.6, 0.8)),
        own=float(rng.uniform(0.5, 1.0)), seed=int(rng.integers(2**31)),
    )  # fmt: skip


def skin_tone(texture: np.ndarray) -> float:
    """Individual typology angle of a face's texture (s, s, 3) linear, degrees.

    Above 55 very light, below -30 dark: Chardin, Cires-Kerchove and others (1991). From CIELAB
    under D65 of the median skin of the cheeks.
    """
    size = len(texture)
    rows, columns = slice(int(0.45 * size), int(0.6 * size)), slice(int(0.25 * size),
                                                                    int(0.4 * size))  # fmt: skip
    patch = np.median(texture[rows, columns].reshape(-1, 3), 0)
    y, z = np.array([[0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ patch
    fy, fz = (np.cbrt(value) for value in (y, z / 1.089))
    lightness, b = 116 * fy - 16, 200 * (fy - fz)
    return float(np.degrees(np.arctan2(lightness - 50, b)))
