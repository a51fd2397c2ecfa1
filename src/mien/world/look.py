"""How a person looks: what is the same in every frame, made once.

Textures of skin and eyes with the brows, beard and roots painted on, and hair as it has grown.
"""

from dataclasses import dataclass, replace
from functools import cache, lru_cache

import cv2
import numpy as np

from mien.head.albedo import AlbedoModel
from mien.head.capture import IVORY, PINK, WHITE, iris_texture
from mien.head.look import Skin
from mien.head.model import CELEBAMASK, MATERIALS, REGIONS, HeadModel
from mien.head.texture import Chart
from mien.world import beard as beards
from mien.world import details
from mien.world import hair as strands
from mien.world.beard import Brows
from mien.world.makeup import Makeup, detail, sample_detail
from mien.world.makeup import apply as apply_makeup
from mien.world.scene import Person
from mien.world.shade import Surface

SIDE = 256  # texels of the face; the albedo model has fewer
HAIR = CELEBAMASK.index("hair")


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What of a person is the same in every frame, made once.

    skin: the textures, and by material, linear. hair, beard: on this head, or None. surface: the
    triangles of head, hair and beard. gloss: (V,) float32, a factor on how much vertices shine.
    """

    skin: Skin
    hair: strands.Hair | None
    beard: strands.Hair | None
    textures: dict[str, np.ndarray]
    surface: Surface
    gloss: np.ndarray

    @classmethod
    def of(cls, person: Person) -> "Look":
        """Textures and hair of a person."""
        textures = _textures(person)
        skin = Skin.of(HeadModel.bundled(), textures, SIDE)
        hair, beard = _grown(person.hair), beards.grow_beard(person.beard)
        tufts = [tuft for tuft in (hair, beard) if tuft is not None]
        surface = _surface(HeadModel.bundled(), skin, tufts)
        return cls(skin, hair, beard, textures, surface, np.ones(len(_places()), np.float32))

    def made_up(self, makeup: Makeup) -> "Look":
        """The same person with make-up."""
        made = apply_makeup(self.textures["face"], makeup)
        textures = {**self.textures, "face": made.albedo.astype(np.float32)}
        skin = Skin.of(HeadModel.bundled(), textures, SIDE)
        rows, columns = _places().T
        return replace(self, skin=skin, textures=textures, gloss=made.gloss[rows, columns])


def _textures(person: Person) -> dict[str, np.ndarray]:
    """Linear albedo by material."""
    face = person.texture
    face, back = _skin(
        np.asarray(person.albedo, np.float32).tobytes(),
        np.asarray(person.exposure, np.float32).tobytes(),
        None if face is None else _sized(face).tobytes(),
        person.number, person.age, person.brows,
    )  # fmt: skip
    front, rear = _charts()
    face = beards.painted(face, front, person.beard)
    if person.texture is None:  # a portrait's has lashes and shadows of its own
        face = details.painted(face, np.random.default_rng([person.number, 4]))
    roots = strands.scalp_colour(person.hair).astype(np.float32)
    return {
        "face": _mixed(face, roots, strands.scalp_mask(front, person.hair)),
        "back": _mixed(back, roots, strands.scalp_mask(rear, person.hair)),
        "iris": iris_texture(person.iris).astype(np.float32),
        "sclera": np.tile(WHITE, (8, 8, 1)).astype(np.float32),
        "teeth": np.tile(IVORY, (8, 8, 1)).astype(np.float32),
        "mouth": np.tile(PINK, (8, 8, 1)).astype(np.float32),
    }


@lru_cache(maxsize=2)  # pictures of a person differ in beard and hair
def _skin(
    albedo: bytes, exposure: bytes, texture: bytes | None, number: int, age: float, brows: Brows
) -> tuple[np.ndarray, np.ndarray]:
    """Face and back of the head (s, s, 3) of a person without hair and beard."""
    if texture is None:
        face = AlbedoModel.bundled().texture(np.frombuffer(albedo, np.float32))
        face = _sized(face * np.exp(np.frombuffer(exposure, np.float32)))
    else:
        face = np.frombuffer(texture, np.float32).reshape(SIDE, SIDE, 3)
    front, rear = _charts()
    face, back = strands.bare(face, front, rear)
    aged = sample_detail(np.random.default_rng([number, 3]), age)
    return beards.with_brows(detail(face, aged), front, brows), back


def _sized(face: np.ndarray) -> np.ndarray:
    face = np.asarray(face, np.float32)
    return cv2.resize(face, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)


_grown = lru_cache(maxsize=2)(strands.grow)


@cache
def _charts() -> tuple[Chart, Chart]:
    model = HeadModel.bundled()
    return Chart(model, "face", SIDE), Chart(model, "back", SIDE)


@cache
def _places() -> np.ndarray:
    """Row and column (V, 2) of vertices in the face's texture; its corner for those not on it."""
    model = HeadModel.bundled()
    on_face = model.material == MATERIALS.index("face")
    out = np.zeros((len(model.template), 2), np.int64)
    u, v = np.moveaxis(model.uv[model.uv_triangles[on_face]], -1, 0)
    out[model.triangles[on_face]] = np.stack([(1 - v) * SIDE, u * SIDE], -1).clip(0, SIDE - 1)
    return out


def _mixed(under: np.ndarray, colour: np.ndarray, share: np.ndarray) -> np.ndarray:
    return (under + share[..., None] * (colour - under)).astype(np.float32)


def _surface(model: HeadModel, skin: Skin, tufts: list[strands.Hair]) -> Surface:
    """Head and hair as one mesh; the head's vertices and triangles come first."""
    triangles, uv, corners = [model.triangles], [skin.uv], [skin.uv_triangles]
    vertices, places = len(model.template), len(skin.uv)
    for tuft in tufts:
        triangles.append(tuft.triangles + vertices)
        corners.append(tuft.triangles + places)
        uv.append(tuft.uv)
        vertices += len(tuft.vertices)
        places += len(tuft.uv)
    joined = np.concatenate(triangles, dtype=np.int32)
    classes = np.full(len(joined), HAIR, np.uint8)
    classes[: len(model.triangles)] = _classes()
    return Surface(
        joined, len(model.triangles), np.concatenate(uv, dtype=np.float32),
        np.concatenate(corners, dtype=np.int32), classes,
    )  # fmt: skip


@cache
def _classes() -> np.ndarray:
    """The classes (m,) uint8 of the head's triangles; the scalp's is hair."""
    model = HeadModel.bundled()
    classes = model.classes(CELEBAMASK).astype(np.uint8)
    classes[model.region == REGIONS.index("hair")] = HAIR
    return classes
