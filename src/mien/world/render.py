"""Draw a scene, and say the truth about every pixel of it.

Head, hair, clothes and what is worn are one mesh in one depth buffer, drawn at twice the size and
averaged. Light is computed per vertex: spherical harmonics times ambient occlusion, a lamp with its
shadow, and a shine on skin, lips and eyes; albedo per sample. What the picture shows and what is
true come from the same triangles, so they agree to the pixel.
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np

from mien.head.camera import Perspective
from mien.head.colour import to_srgb
from mien.head.model import CELEBAMASK, MATERIALS, HeadModel
from mien.head.raster import rasterize
from mien.head.shading import Light, vertex_normals
from mien.head.shading import shade as received
from mien.world import degrade, details, stylise
from mien.world import hair as strands
from mien.world.look import Look
from mien.world.occluders import (
    Hat,
    Prop,
    box_of,
    cast,
    contact_shadow,
    lit_colours,
    merged,
    pressed,
)
from mien.world.occluders import make as make_prop
from mien.world.occlusion import lit
from mien.world.scene import Scene
from mien.world.shade import Glass, develop, light_skin, normals_of, placed, places_of, put_before
from mien.world.surroundings import background, dress

SAMPLES = 2  # along each side of a pixel
CLOTH = CELEBAMASK.index("cloth")
HIDDEN = 4.0  # mm by which a landmark may lie behind what is seen, and still be visible
GLOSS = {"face": 1.0, "back": 0.6, "mouth": 2.0, "teeth": 2.0, "sclera": 3.0, "iris": 4.0,
         "pupil": 4.0}  # fmt: skip
MAPS = ("normals", "albedo", "uv")
"""Fields of :class:`Drawn` that cost time of their own."""


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
    normals, albedo and uv are None where they were not asked for.
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
    normals: np.ndarray | None
    albedo: np.ndarray | None
    uv: np.ndarray | None


def draw(scene: Scene, look: Look, threads: int = 1, maps: Collection[str] = MAPS) -> Drawn:
    """Draw a scene of a person who looks like ``look``; maps: which of ``MAPS`` to draw."""
    model, camera, size = HeadModel.bundled(), scene.camera(), scene.size
    if scene.makeup is not None:
        look = look.made_up(scene.makeup)
    neutral = _neutral(scene.person.identity.astype(np.float32).tobytes())
    head = model.animate(neutral, scene.expression, scene.gaze, scene.pose)
    landmarks = model.landmarks(head)
    mesh = _Mesh.of(model, look, neutral, head, landmarks, scene)
    at = placed(mesh.vertices, camera, SAMPLES)
    seen = rasterize(
        at, mesh.triangles, size * SAMPLES, size * SAMPLES, perspective=True, threads=threads
    )
    pixels = develop(
        seen, mesh.triangles, mesh.classes, look.surface, mesh.light, look.skin.texture,
        strands.strands(), _glass(mesh.glass, camera, scene, size), samples=SAMPLES,
        exposure=scene.exposure, tint=_tint(look, len(head)) if "albedo" in maps else None,
    )  # fmt: skip
    points = camera.project(landmarks)
    shown = _not_worn(seen.index, pixels.worn) if mesh.glass else seen.index
    details.glints(pixels.colour, shown, points, scene.light, scene.exposure)
    middle = float(camera.project(landmarks.mean(0, keepdims=True))[0, 2])
    middle_of = np.s_[SAMPLES // 2 :: SAMPLES, SAMPLES // 2 :: SAMPLES]
    if "albedo" in maps:
        pixels.albedo[pixels.worn] = 0
    return Drawn(
        colour=pixels.colour,
        alpha=pixels.alpha,
        image=_picture(scene, *details.softened(pixels)),
        landmarks=_in_pixels(points, camera, middle),
        visible=_visible(points, seen.depth),
        landmarks68=_in_pixels(camera.project(head[model.landmarks68]), camera, middle),
        parsing=pixels.label,
        occluded=pixels.worn & (pixels.label != CLOTH),
        depth=seen.depth[middle_of].copy(),
        normals=normals_of(seen, mesh.triangles, mesh.normals, pixels.worn, SAMPLES)
        if "normals" in maps
        else None,
        albedo=pixels.albedo if "albedo" in maps else None,
        uv=places_of(seen, model.uv, model.uv_triangles, _face(), pixels.worn, SAMPLES)
        if "uv" in maps
        else None,
    )


@lru_cache(maxsize=8)
def _neutral(identity: bytes) -> np.ndarray:
    """The face at rest, (V, 3), of an identity: the same in all pictures of a person in a row."""
    return HeadModel.bundled().neutral(np.frombuffer(identity, np.float32))


def _picture(scene: Scene, colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The person before the background, (h, w, 3) uint8 sRGB, as the camera takes it."""
    behind = background(scene.background, scene.size)
    put_before(colour, alpha, behind)
    image = to_srgb(behind)
    if scene.faults is not None:
        image = degrade.apply(image, scene.faults, np.random.default_rng(scene.seed))
    if scene.style is not None:
        image = stylise.apply(image, scene.style)
    return image


# -- what is drawn ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Mesh:
    """Head, hair, beard, clothes and props in this order.

    vertices: (n, 3) float32. triangles: (m, 3) int32. classes: (m,) uint8. light: (n, 4) float32,
    as of ``develop``. normals: (s, 3) float32 of all but clothes and props. glass: props of which a
    part is see-through.
    """

    vertices: np.ndarray
    triangles: np.ndarray
    classes: np.ndarray
    light: np.ndarray
    normals: np.ndarray
    glass: tuple[Prop, ...]

    @classmethod
    def of(
        cls, model: HeadModel, look: Look, neutral: np.ndarray, head: np.ndarray,
        landmarks: np.ndarray, scene: Scene,
    ) -> "_Mesh":  # fmt: skip
        vertices, light = [head], [np.empty((len(head), 4), np.float32)]
        normals = [vertex_normals(head, model.triangles)]
        for hair, moves in ((look.hair, False), (look.beard, True)):
            if hair is None:
                continue
            on = model.animate(neutral, scene.expression, scene.gaze) if moves else neutral
            at, tangents, away = strands.follow(hair, on, scene.pose)
            if not moves:
                at = _under_hats(at, head, scene)
            vertices.append(at)
            normals.append(away)
            light.append(_light_on_hair(hair, tangents, away, scene))
        person = np.concatenate(vertices)
        clothes, worn = _props(head, scene)
        caster = merged(*worn) if worn else None
        _light_on_skin(person, look, normals[0], caster, scene, light[0])
        details.shade_eyes(light[0], head, landmarks, scene.rotation())
        props = [*clothes, *worn]
        triangles, classes, count = [look.surface.triangles], [look.surface.classes], len(person)
        for prop in props:
            opaque = prop.opaque
            triangles.append(prop.triangles[opaque] + count)
            classes.append(prop.label[opaque])
            light.append(_light_on_prop(prop, scene))
            count += len(prop.vertices)
        return cls(
            np.concatenate([person, *(prop.vertices for prop in props)]),
            np.concatenate(triangles), np.concatenate(classes), np.concatenate(light),
            np.concatenate(normals), tuple(prop for prop in props if not prop.opaque.all()),
        )  # fmt: skip


def _props(head: np.ndarray, scene: Scene) -> tuple[list[Prop], list[Prop]]:
    """Clothes, and what is worn and held."""
    worn = [make_prop(prop, head, scene.rotation()) for prop in scene.props]
    return [] if scene.clothes is None else [dress(scene.clothes, head)], worn


def _under_hats(hair: np.ndarray, head: np.ndarray, scene: Scene) -> np.ndarray:
    """Vertices of hair (n, 3), pressed by what is worn on it."""
    for prop in scene.props:
        if isinstance(prop, Hat):
            hair = pressed(hair, prop, head, scene.rotation())
    return hair


def _glass(props: tuple[Prop, ...], camera: Perspective, scene: Scene, size: int) -> list[Glass]:
    """The see-through parts of props, each drawn in as much of the picture as it covers."""
    out = []
    for prop in props:
        at = placed(prop.vertices, camera, SAMPLES)
        box = box_of(at, (size * SAMPLES, size * SAMPLES))
        if box is None:
            continue
        rows, columns = box
        clear = ~prop.opaque
        width, height = columns.stop - columns.start, rows.stop - rows.start
        local = at - [columns.start, rows.start, 0]
        seen = rasterize(local, prop.triangles[clear], width, height, perspective=True)
        body, mirror = lit_colours(prop, camera, scene.light, scene.exposure)
        values = np.hstack([body, mirror, prop.alpha[:, None]]).astype(np.float32)
        out.append(Glass(seen, prop.triangles[clear], rows.start, columns.start, values,
                         prop.label[clear]))  # fmt: skip
    return out


def _not_worn(index: np.ndarray, worn: np.ndarray) -> np.ndarray:
    """The triangle (H, W) in every sample, -1 where dark glass is before it."""
    return np.where(worn.repeat(SAMPLES, 0).repeat(SAMPLES, 1), -1, index)


def _tint(look: Look, head: int) -> np.ndarray:
    """The albedo (n, 3) of vertices of hair; 0 on the head, which has a texture."""
    tufts = [tuft.albedo for tuft in (look.hair, look.beard) if tuft is not None]
    return np.concatenate([np.zeros((head, 3), np.float32), *tufts])


# -- light -----------------------------------------------------------------------------------------


def _light_on_skin(
    vertices: np.ndarray,
    look: Look,
    normals: np.ndarray,
    caster: Prop | None,
    scene: Scene,
    out: np.ndarray,
) -> None:
    """Light and shine (V, 4) on the head's vertices, into ``out``.

    vertices: (n, 3) of head and hair. caster: what is worn and held. All of them throw shadows.
    """
    light, head, triangles = scene.light, vertices[: len(normals)], look.surface.triangles
    lamp, free = np.full(len(head), light.strength, np.float32), details.free(scene.expression)
    if caster is not None:
        free = free * contact_shadow(caster, head, normals)
        triangles = np.concatenate([triangles, caster.triangles[caster.dark] + len(vertices)])
        vertices = np.concatenate([vertices, caster.vertices])
    if light.shadow and light.strength > 0.05:
        lamp *= lit(vertices, triangles, light.lamp, count=len(head))
    if scene.shade is not None:
        lamp *= cast(scene.shade, head, light.lamp)
    halfway = light.lamp + np.array([0.0, 0.0, 1.0])
    halfway /= np.linalg.norm(halfway)
    light_skin(
        normals, received(normals, Light(light.around)), free.astype(np.float32), lamp,
        np.asarray(light.lamp, np.float32), halfway.astype(np.float32),
        np.asarray(light.colour, np.float32), _gloss() * look.gloss * np.float32(scene.glossy), out,
    )  # fmt: skip


@cache
def _gloss() -> np.ndarray:
    """How much vertices (V,) shine, by material; lips more than skin."""
    model = HeadModel.bundled()
    gloss = np.zeros(len(model.template), np.float32)
    for number, material in enumerate(MATERIALS):
        gloss[model.triangles[model.material == number]] = GLOSS[material]
    gloss[model.triangles[model.triangles_of("upper_lip", "lower_lip")]] = 1.8
    return gloss


def _light_on_hair(
    hair: strands.Hair, tangents: np.ndarray, normals: np.ndarray, scene: Scene
) -> np.ndarray:
    """Colour (n, 4) of the hair's vertices; it shines without more."""
    light = scene.light
    lamp = Light(light.around, light.lamp, light.strength * light.colour)
    turn = np.asarray(scene.camera().rotation)
    colour = strands.shade(hair, tangents, normals, light.around, turn, lamp)
    return _with_zeros(colour)


def _light_on_prop(prop: Prop, scene: Scene) -> np.ndarray:
    """Colour (n, 4) of a prop's vertices, with what they mirror."""
    body, mirror = lit_colours(prop, scene.camera(), scene.light)
    return _with_zeros(body + mirror)


def _with_zeros(colour: np.ndarray) -> np.ndarray:
    out = np.zeros((len(colour), 4), np.float32)
    out[:, :3] = colour
    return out


# -- truth -----------------------------------------------------------------------------------------


def _in_pixels(points: np.ndarray, camera: Perspective, middle: float) -> np.ndarray:
    """Projected points (n, 3) with z in pixels from the depth ``middle``, (n, 3) float32."""
    away = (points[:, 2] - middle) * (camera.focal / middle)
    return np.column_stack([points[:, :2], away]).astype(np.float32)


def _visible(points: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Which points (n, 3), pixels and depth, nothing in a depth buffer (H, W) hides."""
    height, width = depth.shape
    x, y = (points[:, i] * SAMPLES for i in (0, 1))
    inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
    beside = np.arange(-1, 2)
    columns = (x.astype(int)[:, None] + beside).clip(0, width - 1)
    rows = (y.astype(int)[:, None] + beside).clip(0, height - 1)
    farthest = depth[rows[:, :, None], columns[:, None, :]].max((1, 2))
    return inside & (points[:, 2] < farthest + HIDDEN)


@cache
def _face() -> np.ndarray:
    """Which of the head's triangles (m,) bool have the face's texture."""
    return HeadModel.bundled().material == MATERIALS.index("face")
