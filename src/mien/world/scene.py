"""What the world decides before it draws: a person, what the face does, camera and light.

Everything in a :class:`Scene` is a number or an array of numbers: the same scene is drawn the same
on any machine, and what a frame shows is known before it is drawn.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from mien.head.camera import Perspective, moved
from mien.head.lighting import harmonics
from mien.head.model import HeadModel, rotations
from mien.world.beard import Beard, Brows
from mien.world.degrade import Degrade
from mien.world.hair import HairStyle
from mien.world.makeup import Makeup
from mien.world.occluders import Occluder, Shade
from mien.world.portraits import Record
from mien.world.stylise import Style
from mien.world.surroundings import Background, Clothes

NOSE = np.array([0.0, 5.0, 60.0])  # mm, the middle of the visible head, which cameras look at


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """Somebody who does not exist.

    number: who, the same in all pictures of this person. identity: (80,) of the head model.
    albedo: (60,) of the albedo model; exposure: (3,), logarithm, beside it. iris: (3,) linear.
    hair, beard, brows: as grown. texture: (s, s, 3) float32 linear albedo from a portrait; None: of
    the albedo model.
    age: years as it looks. gender, group: as the portrait's labels say; "" where there is none.
    source: "model", "portrait" or "mixture"; parents: the portraits that the person is of.
    """

    number: int
    identity: np.ndarray
    albedo: np.ndarray
    exposure: np.ndarray
    iris: np.ndarray
    hair: HairStyle
    beard: Beard
    brows: Brows
    texture: np.ndarray | None = None
    age: float = np.nan
    gender: str = ""
    group: str = ""
    source: str = "model"
    parents: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Lighting:
    """Light in the camera's axes.

    around: (9, 3) spherical harmonics, mean 1 over a face. lamp: (3,) unit, towards a lamp, and its
    strength beside the light around, 0..2. shadow: whether the lamp casts one.
    """

    around: np.ndarray
    lamp: np.ndarray
    strength: float = 0.0
    colour: np.ndarray = field(default_factory=lambda: np.ones(3, np.float32))
    shadow: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """One frame.

    expression: (52,). gaze: (2, 2) degrees in the head. pose: (3,) degrees, yaw, pitch, roll.
    size: pixels a side. focal: length in sides of the picture. fill: the head's height in parts of
    the picture's. shift: (2,) parts of the picture from its middle. exposure: factor on the light.
    glossy: 0..1, how much the skin shines. makeup, clothes, shade (a pattern of shadow) and style:
    None for none. props: what is worn and what is before the face. background: what is behind.
    faults: of the camera; seed: of their noise. labels: what else is known of the frame, by name.
    portrait: which the person is shown in, of ``mien.world.backdrop``; None for a drawn scene.
    """

    person: Person
    expression: np.ndarray
    gaze: np.ndarray
    pose: np.ndarray
    light: Lighting
    size: int = 256
    focal: float = 2.5
    fill: float = 0.7
    shift: tuple[float, float] = (0.0, 0.0)
    exposure: float = 1.0
    glossy: float = 0.3
    makeup: Makeup | None = None
    clothes: Clothes | None = None
    props: tuple[Occluder, ...] = ()
    shade: Shade | None = None
    background: Background = field(default_factory=Background)
    faults: Degrade | None = None
    style: Style | None = None
    seed: int = 0
    labels: dict[str, Any] = field(default_factory=dict)
    portrait: Record | None = None

    def camera(self) -> Perspective:
        """The camera, which sees the head of the model upright at ``fill`` of the picture."""
        focal = self.focal * self.size
        distance = focal * 250.0 / (self.fill * self.size)
        centre = self.size * (0.5 + self.shift[0]), self.size * (0.5 + self.shift[1])
        camera = Perspective(
            focal=focal, centre=centre, translation=np.array([0.0, 0.0, -distance])
        )
        view = moved(camera, np.eye(3), -NOSE)
        assert isinstance(view, Perspective)
        return view

    def vertices(self, model: HeadModel) -> np.ndarray:
        """The head's vertices (V, 3) mm: turned about the neck, which takes a part of the turn."""
        return model.vertices(self.person.identity, self.expression, self.gaze, self.pose)

    def rotation(self) -> np.ndarray:
        """The rotation (3, 3) of the skull, in the head's axes."""
        return _rotation(*(float(angle) for angle in self.pose))


@lru_cache(maxsize=8)
def _rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """The same for all parts of a scene that ask for it."""
    out = rotations(yaw, pitch, roll)
    out.flags.writeable = False
    return out


def sky(rng: np.random.Generator, contrast: float = 1.0) -> Lighting:
    """Light at random: brighter from above than from below, often with a lamp at one side."""
    light = np.zeros((9, 3), np.float32)
    light[0] = 3.0
    light[1] = rng.normal(0.5, 0.5) * contrast
    light[2] = abs(rng.normal(0.5, 0.5)) * contrast
    light[3] = rng.normal(0, 0.8) * contrast
    light[4:] = rng.normal(0, 0.35, (5, 1)) * contrast
    tint = np.exp(rng.normal(0, 0.05, (9, 3)))
    light = (light * tint).astype(np.float32)
    frontal = harmonics(np.array([[0.0, 0.1, 0.99], [0.6, 0.1, 0.79], [-0.6, 0.1, 0.79]]))
    light /= np.maximum((frontal @ light).mean(0), 0.3)
    angle, height = rng.uniform(-1.4, 1.4), rng.uniform(-0.2, 1.1)
    lamp = np.array([np.sin(angle), height, np.cos(angle)])
    strength = float(rng.choice([0.0, 1.0], p=[0.4, 0.6]) * rng.gamma(2.0, 0.3) * contrast)
    warm = np.exp(rng.normal(0, 0.08)) ** np.array([1, 0, -1])
    return Lighting(
        light, (lamp / np.linalg.norm(lamp)).astype(np.float32), min(strength, 1.5),
        warm.astype(np.float32), bool(rng.random() < 0.7),
    )  # fmt: skip
