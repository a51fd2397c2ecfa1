"""Make the pictures of the README and the docs: ``python docs/make_pictures.py [NAME ...]``.

They show the astronaut, who is in the public domain, and people of the bundled models, who do not
exist.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from mien.face import BLENDSHAPES, Face
from mien.find.finder import FaceFinder
from mien.head import lighting
from mien.head.capture import capture
from mien.head.fit import Fitter, HeadFit
from mien.head.look import GROUND, Skin, draw, portrait_camera, studio_light
from mien.head.model import REGIONS, HeadModel
from mien.head.portrait import Portrait
from mien.head.raster import render
from mien.head.shading import vertex_normals
from mien.jobs.animate import demo_motion
from mien.media.draw import annotate
from mien.media.image import read_image, write_image
from mien.world.recipe import Recipe
from mien.world.sheet import contact_sheet, panel
from mien.world.world import World

PICTURES = Path(__file__).parent / "pictures"
HEAD = (slice(0, 290), slice(80, 460))  # rows and columns of the astronaut's head and shoulders
ENLARGED = 2.4
TILE = (220, 220)
MODEL = HeadModel.bundled()
CALM = Recipe.of(
    {
        "name": "calm",
        "size": 512,
        "factors": {
            "emotion": "neutral", "speaking": False, "blink": False, "yaw": {"range": [-15, 15]},
            "pitch": {"range": [-5, 5]}, "roll": 0, "gaze_yaw": 0, "gaze_pitch": 0, "shift_x": 0,
            "shift_y": 0, "fill": 0.62, "focal": 2.5, "glasses": False, "mask": False,
            "occluder": False, "pattern": False, "degrade": 0,
            "hair": {"choices": ["short", "buzz"]},
        },
    }
)  # fmt: skip


def astronaut() -> np.ndarray:
    """The astronaut's head and shoulders."""
    image = np.ascontiguousarray(read_image(PICTURES / "astronaut.jpg")[HEAD])
    return cv2.resize(image, None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_CUBIC)


def found(image: np.ndarray) -> tuple[Face, HeadFit]:
    """The largest face of an image and the head in it."""
    face = FaceFinder.bundled().find([image], max_faces=1)[0][0]
    assert face.landmarks is not None
    return face, Fitter().fit(face.landmarks, (image.shape[1], image.shape[0]))


def astronaut_annotated() -> np.ndarray:
    return annotate(astronaut(), [found(astronaut())[0]])


def head_basis() -> np.ndarray:
    """The first components of identity, and some expressions."""
    rows = []
    for sign in (-2.5, 2.5):
        codes = np.eye(7, len(MODEL.identity)) * sign
        rows.append(np.hstack([_bare(MODEL.vertices(code)) for code in codes]))
    names = ("jawOpen", "mouthSmileLeft", "mouthPucker", "browInnerUp", "eyeBlinkRight",
             "cheekPuff", "tongueOut")  # fmt: skip
    looks = [{name: 1.0} | ({"jawOpen": 0.4} if name == "tongueOut" else {}) for name in names]
    rows.append(np.hstack([_bare(MODEL.vertices(expression=look)) for look in looks]))
    return np.vstack(rows)


def head_correspondence() -> np.ndarray:
    """MediaPipe's 478 points on the mean head, and the regions."""
    colours = np.random.default_rng(4).integers(60, 255, (len(REGIONS), 3))
    views = []
    for yaw in (0.0, 40.0, 80.0):
        camera = portrait_camera(yaw, 0.0, (420, 420))
        image = draw(MODEL.template, MODEL, Skin.of(MODEL, {}), camera, studio_light(), (420, 420))
        points = MODEL.landmarks(MODEL.template)
        normals = MODEL.landmarks(vertex_normals(MODEL.template, MODEL.triangles))
        facing = (normals @ np.asarray(camera.rotation).T)[:, 2] > 0.1
        for x, y, _ in camera.project(points)[facing]:
            cv2.circle(image, (round(x), round(y)), 1, (20, 120, 60), -1, cv2.LINE_AA)
        views.append(image)
    camera = portrait_camera(25.0, 0.0, (420, 420))
    vertex = np.zeros((len(MODEL.template), 3))
    vertex[MODEL.triangles] = colours[MODEL.region][:, None]
    views.append(_painted(vertex / 255, camera, (420, 420)))
    return np.hstack(views)


def head_fits() -> np.ndarray:
    """The head fitted to the astronaut and to five people who do not exist."""
    photos = [_square(astronaut())] + [sample["image"] for sample in _people(5)]
    tiles = []
    for photo in photos:
        _, fit = found(photo)
        vertices, size = fit.vertices(MODEL), photo.shape[1::-1]
        skin = Skin.of(MODEL, {})
        shape = draw(vertices, MODEL, skin, fit.camera, studio_light(), size, behind=photo)
        tiles.append(np.vstack([_small(photo), _small(shape)]))
    return np.hstack(tiles)


def head_light() -> np.ndarray:
    """Light told apart from albedo: photo, albedo, light, the head in another light."""
    rows = []
    for photo in [_square(astronaut()), *(s["image"] for s in _people(2, seed=5))]:
        _, fit = found(photo)
        got = capture(photo, fit, MODEL)
        vertices, skin, size = fit.vertices(MODEL), Skin.of(MODEL, got.textures), photo.shape[1::-1]
        even = lighting.even()
        other = even.copy()
        other[3] += 3.0
        tiles = [
            photo,
            draw(vertices, MODEL, skin, fit.camera, got.light, size, behind=photo),
            draw(vertices, MODEL, skin, fit.camera, even, size),
            draw(vertices, MODEL, Skin.of(MODEL, _white()), fit.camera, 0.6 * got.light, size),
            draw(vertices, MODEL, skin, fit.camera, other, size),
        ]
        rows.append(np.hstack([_small(tile) for tile in tiles]))
    return np.vstack(rows)


def reconstruction() -> np.ndarray:
    """The astronaut's head from all sides, and with expressions."""
    photo = _square(astronaut())
    _, fit = found(photo)
    skin = Skin.of(MODEL, capture(photo, fit, MODEL).textures)
    vertices = MODEL.vertices(fit.identity)
    views = [_textured(vertices, skin, yaw) for yaw in (0, 30, 60, 90, 180, -60)]
    looks = [{"jawOpen": 0.6}, {"mouthSmileLeft": 0.9, "mouthSmileRight": 0.9}, {"mouthPucker": 1},
             {"browInnerUp": 0.9, "eyeWideLeft": 0.8, "eyeWideRight": 0.8},
             {"eyeBlinkLeft": 1, "eyeBlinkRight": 1}, {"mouthFrownLeft": 0.9,
             "mouthFrownRight": 0.9, "browDownLeft": 1, "browDownRight": 1}]  # fmt: skip
    moved = [_textured(MODEL.vertices(fit.identity, look), skin, 8) for look in looks]
    return np.vstack([np.hstack(views), np.hstack(moved)])


def portrait_mouth() -> np.ndarray:
    """A closed mouth opens."""
    photo = _people(3)[1]["image"]
    face, fit = found(photo)
    portrait = Portrait(photo, fit, MODEL, landmarks=face.landmarks)
    tiles = [photo]
    for opened in (0.15, 0.35, 0.6, 0.9):
        expression = fit.expression.copy()
        expression[BLENDSHAPES.index("jawOpen")] = opened
        tiles.append(portrait.render(expression))
    return np.hstack([tile[110:430, 110:430] for tile in tiles])


def portrait_driven() -> np.ndarray:
    """A strip of the astronaut saying hello."""
    photo = _square(astronaut())
    face, fit = found(photo)
    frames = list(Portrait(photo, fit, MODEL, landmarks=face.landmarks).frames(demo_motion()))
    chosen = np.linspace(4, len(frames) - 8, 12).astype(int)
    tiles = [_small(frames[i]) for i in chosen]
    return np.vstack([np.hstack(tiles[:6]), np.hstack(tiles[6:])])


def world_sheet() -> np.ndarray:
    world = World(seed=0)
    sheet = contact_sheet([world.sample(i) for i in range(32)], 8)
    return cv2.resize(sheet, None, fx=0.75, fy=0.75, interpolation=cv2.INTER_AREA)


def world_truth() -> np.ndarray:
    world = World(seed=2)
    return np.vstack([panel(world.sample(i)) for i in range(4)])


def _people(count: int, seed: int = 0) -> list[dict]:
    world = World(CALM, seed=seed)
    return [world.sample(index) for index in range(count)]


def _square(image: np.ndarray) -> np.ndarray:
    side = min(image.shape[:2])
    left = (image.shape[1] - side) // 2
    return cv2.resize(image[:side, left : left + side], (640, 640), interpolation=cv2.INTER_AREA)


def _small(image: np.ndarray) -> np.ndarray:
    return cv2.resize(image, TILE, interpolation=cv2.INTER_AREA)


def _bare(vertices: np.ndarray) -> np.ndarray:
    camera = portrait_camera(15.0, 0.0, TILE)
    return draw(vertices, MODEL, Skin.of(MODEL, {}, 256), camera, studio_light(), TILE)


def _textured(vertices: np.ndarray, skin: Skin, yaw: float) -> np.ndarray:
    camera = portrait_camera(float(yaw), 0.0, TILE)
    return draw(vertices, MODEL, skin, camera, studio_light(), TILE)


def _white() -> dict[str, np.ndarray]:
    names = ("face", "back", "mouth", "teeth", "sclera", "iris", "pupil")
    return {name: np.full((1, 1, 3), 235, np.uint8) for name in names}


def _painted(colours: np.ndarray, camera, size: tuple[int, int]) -> np.ndarray:
    picture = render(
        MODEL.template, MODEL.triangles, camera, *size, colours=colours.astype(np.float32),
        samples=2,
    )  # fmt: skip
    ground = (1 - picture.alpha[..., None]) * np.array(GROUND) / 255
    return ((picture.colour + ground) * 255).clip(0, 255).astype(np.uint8)


MADE: dict[str, Callable[[], np.ndarray]] = {
    made.__name__: made
    for made in (
        astronaut_annotated, head_basis, head_correspondence, head_fits, head_light,
        reconstruction, portrait_mouth, portrait_driven, world_sheet, world_truth,
    )
}  # fmt: skip


def main() -> None:
    for name in sys.argv[1:] or MADE:
        write_image(PICTURES / f"{name}.jpg", MADE[name]())


if __name__ == "__main__":
    main()
