"""Draw a scene, and say the truth about every pixel of it.

The head and the hair on it are one mesh in one depth buffer, drawn at twice the size and averaged.
Light is computed per vertex: spherical harmonics times ambient occlusion, a lamp with its shadow,
and a shine on skin, lips and eyes; albedo per pixel. What the picture shows and what is true come
from the same triangles, so they agree to the pixel.
"""

from dataclasses import dataclass, replace
from functools import cache

import cv2
import numpy as np

from mien.head import lighting
from mien.head.albedo import AlbedoModel
from mien.head.capture import IVORY, PINK, WHITE, iris_texture
from mien.head.colour import to_srgb
from mien.head.look import Skin
from mien.head.model import CELEBAMASK, MATERIALS, REGIONS, HeadModel
from mien.head.raster import Fragments, interpolate, paint, rasterize
from mien.head.shading import Light, box_filter, vertex_normals
from mien.head.texture import Chart
from mien.world import beard as beards
from mien.world import degrade, stylise
from mien.world import hair as strands
from mien.world.makeup import Makeup, detail, sample_detail
from mien.world.makeup import apply as apply_makeup
from mien.world.occluders import cast, overlay
from mien.world.occluders import make as make_prop
from mien.world.occlusion import ambient, lit
from mien.world.scene import Person, Scene
from mien.world.surroundings import background, dress

SAMPLES = 2  # along each side of a pixel
SIDE = 256  # texels of the face; the albedo model has fewer
HAIR, CLOTH = CELEBAMASK.index("hair"), CELEBAMASK.index("cloth")
HIDDEN = 4.0  # mm by which a landmark may lie behind what is seen, and still be visible
GLOSS = {"face": 1.0, "back": 0.6, "mouth": 2.0, "teeth": 2.0, "sclera": 3.0, "iris": 4.0,
         "pupil": 4.0}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """A drawn scene; h = w = the scene's size.

    colour: (h, w, 3) float32 linear, over nothing. alpha: (h, w) float32, what of it is the person.
    image: (h, w, 3) uint8 sRGB over the background.
    landmarks: (478, 3) float32 pixels, z on the scale of x and y, smaller is nearer.
    visible: (478,) bool. landmarks68: (68, 3) float32 of the Multi-PIE points.
    parsing: (h, w) uint8, ``CELEBAMASK``, or ``OCCLUDER``. occluded: (h, w) bool, where something
    worn or held hides the head; there, and on clothes, normals and albedo are 0.
    depth: (h, w) float32 mm, infinite beside the person.
    normals: (h, w, 3) float32 in the camera's axes. albedo: (h, w, 3) float32 linear.
    uv: (h, w, 2) float32 of the face's texture, NaN elsewhere.
    """

    colour: np.ndarray
    alpha: np.ndarray
    image: np.ndarray
    landmarks: np.ndarray
    visible: np.ndarray
    landmarks68: np.ndarray
    parsing: np.ndarray
    occluded: np.ndarray
    depth: np.ndarray
    normals: np.ndarray
    albedo: np.ndarray
    uv: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What of a person is the same in every frame, made once.

    skin: the textures, and by material, linear. hair, beard: on this head, or None.
    """

    skin: Skin
    hair: strands.Hair | None
    beard: strands.Hair | None
    textures: dict[str, np.ndarray]

    @classmethod
    def of(cls, person: Person) -> "Look":
        """Textures and hair of a person."""
        model, statistics = HeadModel.bundled(), AlbedoModel.bundled()
        face = person.texture
        if face is None:
            face = statistics.texture(person.albedo) * np.exp(person.exposure)
        face = cv2.resize(face.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
        front, rear = _charts()
        face, back = strands.bare(face, front, rear)
        aged = sample_detail(np.random.default_rng([person.number, 3]), person.age)
        face = detail(face, aged).albedo
        face = beards.with_brows(face, front, person.brows)
        face = beards.painted(face, front, person.beard)
        roots = strands.scalp_colour(person.hair).astype(np.float32)
        textures = {
            "face": _mixed(face, roots, strands.scalp_mask(front, person.hair)),
            "back": _mixed(back, roots, strands.scalp_mask(rear, person.hair)),
            "iris": iris_texture(person.iris).astype(np.float32),
            "sclera": np.tile(WHITE, (8, 8, 1)).astype(np.float32),
            "teeth": np.tile(IVORY, (8, 8, 1)).astype(np.float32),
            "mouth": np.tile(PINK, (8, 8, 1)).astype(np.float32),
        }
        return cls(
            Skin.of(model, textures, SIDE),
            strands.grow(person.hair),
            beards.grow_beard(person.beard),
            textures,
        )

    def made_up(self, makeup: Makeup) -> "Look":
        """The same person with make-up."""
        face = apply_makeup(self.textures["face"], makeup).albedo
        textures = {**self.textures, "face": face.astype(np.float32)}
        return replace(self, skin=Skin.of(HeadModel.bundled(), textures, SIDE))


@cache
def _charts() -> tuple[Chart, Chart]:
    model = HeadModel.bundled()
    return Chart(model, "face", SIDE), Chart(model, "back", SIDE)


def _mixed(under: np.ndarray, colour: np.ndarray, share: np.ndarray) -> np.ndarray:
    return (under + share[..., None] * (colour - under)).astype(np.float32)


def draw(scene: Scene, look: Look, threads: int = 1) -> Drawn:
    """Draw a scene of a person who looks like ``look``."""
    model, camera, size = HeadModel.bundled(), scene.camera(), scene.size
    if scene.makeup is not None:
        look = look.made_up(scene.makeup)
    head = scene.vertices(model)
    mesh = _Mesh.of(model, look, head, scene)
    placed = camera.project(mesh.vertices)
    fragments = rasterize(
        placed * (SAMPLES, SAMPLES, 1), mesh.triangles, size * SAMPLES, size * SAMPLES,
        perspective=True, cull=False, threads=threads,
    )  # fmt: skip
    colour, albedo = _coloured(model, look, head, mesh, scene, fragments, threads)
    colour, depth, label = _dressed(colour, fragments.depth, head, scene, threads)
    there = fragments.covered | (label >= 0)
    alpha = box_filter(there[..., None].astype(np.float32), SAMPLES)[..., 0]
    colour = box_filter(colour, SAMPLES)
    centre = np.s_[SAMPLES // 2 :: SAMPLES, SAMPLES // 2 :: SAMPLES]
    one = replace(fragments, index=fragments.index[centre], weights=fragments.weights[centre],
                  depth=fragments.depth[centre])  # fmt: skip
    landmarks = model.landmarks(head)
    at = camera.project(landmarks)
    middle = camera.project(landmarks.mean(0, keepdims=True))[0, 2]
    per_mm = camera.focal / middle
    points = np.column_stack([at[:, :2], (at[:, 2] - middle) * per_mm]).astype(np.float32)
    others = camera.project(head[model.landmarks68])
    behind = background(scene.background, size)
    image = to_srgb(colour + (1 - alpha[..., None]) * behind)
    if scene.faults is not None:
        image = degrade.apply(image, scene.faults, np.random.default_rng(scene.seed))
    if scene.style is not None:
        image = stylise.apply(image, scene.style)
    worn = label[centre] >= 0
    known = ~worn[..., None]
    return Drawn(
        colour=colour,
        alpha=alpha,
        image=image,
        landmarks=points,
        visible=_visible(at, depth),
        landmarks68=np.column_stack([others[:, :2], (others[:, 2] - middle) * per_mm]).astype(
            np.float32
        ),
        parsing=np.where(worn, label[centre], _parsed(model, one)).astype(np.uint8),
        occluded=worn & (label[centre] != CLOTH),
        depth=depth[centre],
        normals=interpolate(mesh.normals, mesh.triangles, one, unit=True) * known,
        albedo=box_filter(albedo, SAMPLES) * known,
        uv=np.where(known, _texture_places(model, mesh, one), np.nan),
    )


def _dressed(
    colour: np.ndarray, depth: np.ndarray, head: np.ndarray, scene: Scene, threads: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Colour and depth with clothes and props drawn over, and their class, -1 elsewhere.

    Glass counts as seen through unless it hides half of what is behind it.
    """
    label = np.full(depth.shape, -1, np.int16)
    things = [make_prop(prop, head, scene.rotation()) for prop in scene.props]
    if scene.clothes is not None:
        things.insert(0, dress(scene.clothes, head))
    for thing in things:
        over = overlay(
            colour, depth, thing, scene.camera(), scene.light, samples=SAMPLES,
            exposure=scene.exposure, threads=threads,
        )  # fmt: skip
        hides = over.alpha > 0.5
        colour = over.colour
        depth = np.where(hides, over.depth, depth)
        label = np.where(hides, over.label, label)
    return colour, depth, label


@dataclass(frozen=True, slots=True, eq=False)
class _Tuft:
    """Hair or beard as it lies in the mesh: from which vertex and triangle on."""

    hair: strands.Hair
    vertex: int
    triangle: int
    tangents: np.ndarray
    normals: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class _Mesh:
    """Head, hair and beard together; the head's vertices and triangles come first."""

    vertices: np.ndarray
    triangles: np.ndarray
    normals: np.ndarray
    tufts: tuple[_Tuft, ...]

    @classmethod
    def of(cls, model: HeadModel, look: Look, head: np.ndarray, scene: Scene) -> "_Mesh":
        vertices, triangles = [head], [model.triangles]
        normals, tufts = [vertex_normals(head, model.triangles)], []
        neutral = model.neutral(scene.person.identity)
        for hair, moves in ((look.hair, False), (look.beard, True)):
            if hair is None:
                continue
            on = model.animate(neutral, scene.expression, scene.gaze) if moves else neutral
            placed, tangents, away = strands.follow(hair, on, scene.pose)
            first, count = sum(map(len, vertices)), sum(map(len, triangles))
            tufts.append(_Tuft(hair, first, count, tangents, away))
            vertices.append(placed.astype(np.float32))
            triangles.append(hair.triangles + first)
            normals.append(away.astype(np.float32))
        return cls(
            np.concatenate(vertices), np.concatenate(triangles), np.concatenate(normals),
            tuple(tufts),
        )  # fmt: skip


def _coloured(
    model: HeadModel,
    look: Look,
    head: np.ndarray,
    mesh: _Mesh,
    scene: Scene,
    fragments: Fragments,
    threads: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Colour and albedo (H, W, 3) float32 linear of every sample."""
    count = len(model.triangles)
    skin = _only(fragments, slice(None, count), fragments.index < count)
    albedo = paint(look.skin.texture, look.skin.uv, look.skin.uv_triangles, skin, threads=threads)
    received, shine = _light_on_skin(model, head, mesh, scene)
    both = interpolate(np.hstack([received, shine]), model.triangles, skin, threads=threads)
    colour = albedo * both[..., :3] + both[..., 3:]
    for tuft in mesh.tufts:
        hair, last = tuft.hair, tuft.triangle + len(tuft.hair.triangles)
        shown = (fragments.index >= tuft.triangle) & (fragments.index < last)
        strand = _only(fragments, slice(tuft.triangle, last), shown)
        lit = _light_on_hair(tuft, scene)
        both = interpolate(np.hstack([lit, hair.albedo]), hair.triangles, strand, threads=threads)
        both *= paint(strands.strands(), hair.uv, hair.triangles, strand, threads=threads)
        colour, albedo = colour + both[..., :3], albedo + both[..., 3:]
    return scene.exposure * colour, albedo


def _only(fragments: Fragments, triangles: slice, shown: np.ndarray) -> Fragments:
    """The fragments of some triangles, counted from the first of these."""
    index = np.where(shown, fragments.index - (triangles.start or 0), -1)
    return replace(fragments, index=index, slopes=fragments.slopes[triangles])


def _light_on_skin(
    model: HeadModel, head: np.ndarray, mesh: _Mesh, scene: Scene
) -> tuple[np.ndarray, np.ndarray]:
    """Light (V, 3) on the head's vertices, and shine (V, 1)."""
    light, normals = scene.light, mesh.normals[: len(head)]
    free = ambient(scene.expression)[:, None]
    received = np.maximum(lighting.harmonics(normals) @ light.around, 0.12)
    received *= 0.25 + 0.75 * free
    facing = np.maximum(normals @ light.lamp, 0)
    lamp = facing * light.strength
    if light.shadow and light.strength > 0.05:
        lamp *= lit(mesh.vertices, mesh.triangles, light.lamp)[: len(head)]
    if scene.shade is not None:
        lamp *= cast(scene.shade, head, light.lamp)
    received += lamp[:, None] * light.colour
    halfway = light.lamp + np.array([0.0, 0.0, 1.0])
    halfway /= np.linalg.norm(halfway)
    gloss = _gloss() * scene.glossy
    shine = gloss * (
        0.5 * lamp * np.maximum(normals @ halfway, 0) ** 24
        + 0.06 * free[:, 0] * (1 - np.abs(normals[:, 2])) ** 3
    )
    return received.astype(np.float32), shine[:, None].astype(np.float32)


@cache
def _gloss() -> np.ndarray:
    """How much vertices (V,) shine, by material; lips more than skin."""
    model = HeadModel.bundled()
    gloss = np.zeros(len(model.template), np.float32)
    for number, material in enumerate(MATERIALS):
        gloss[model.triangles[model.material == number]] = GLOSS[material]
    gloss[model.triangles[model.triangles_of("upper_lip", "lower_lip")]] = 1.8
    return gloss


def _light_on_hair(tuft: _Tuft, scene: Scene) -> np.ndarray:
    """Colour (n, 3) of the hair's vertices."""
    light = scene.light
    lamp = Light(light.around, light.lamp, light.strength * light.colour)
    turn = np.asarray(scene.camera().rotation)
    return strands.shade(tuft.hair, tuft.tangents, tuft.normals, light.around, turn, lamp)


# -- truth -----------------------------------------------------------------------------------------


def _visible(placed: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Which points (n, 3), pixels and depth, nothing in a depth buffer (H, W) hides."""
    height, width = depth.shape
    x, y = (placed[:, i] * SAMPLES for i in (0, 1))
    inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
    columns, rows = x.astype(int).clip(0, width - 1), y.astype(int).clip(0, height - 1)
    near = cv2.dilate(np.nan_to_num(depth, posinf=1e6), np.ones((3, 3), np.uint8))
    return inside & (placed[:, 2] < near[rows, columns] + HIDDEN)


def _parsed(model: HeadModel, fragments: Fragments) -> np.ndarray:
    """The class (h, w) uint8 of every pixel."""
    classes = model.classes(CELEBAMASK).copy()
    scalp = model.region == REGIONS.index("hair")
    classes[scalp] = CELEBAMASK.index("hair")
    table = np.append(classes, 0)  # the last is the background's
    index = fragments.index
    return np.where(index >= len(classes), HAIR, table[np.minimum(index, len(classes))]).astype(
        np.uint8
    )


def _texture_places(model: HeadModel, mesh: _Mesh, fragments: Fragments) -> np.ndarray:
    """uv (h, w, 2) of the face's texture, NaN where something else is seen."""
    hairs = len(mesh.triangles) - len(model.triangles)
    corners = np.concatenate([model.uv_triangles, np.zeros((hairs, 3), np.int32)])
    uv = interpolate(model.uv, corners, fragments)
    face = np.append(model.material == MATERIALS.index("face"), False)
    shown = face[fragments.index.clip(-1, len(model.triangles))]
    return np.where(shown[..., None], uv, np.nan)
