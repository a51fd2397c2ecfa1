"""Make the pictures of the README and the docs: ``python docs/make_pictures.py [NAME ...]``.

They show the astronaut, who is in the public domain, and people of the bundled models, who do not
exist; files of the world's people say so in their metadata. ``world_captions`` writes a page, too.
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
from mien.world.clips import Clips
from mien.world.manipulate import KINDS, manipulate
from mien.world.questions import as_markdown
from mien.world.recipe import Recipe
from mien.world.reel import Strip, write_clip
from mien.world.sheet import card, contact_sheet, manipulated, panel, write_picture
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

MANIPULATED = Recipe.of(
    {
        "name": "manipulated",
        "factors": {
            "yaw": {"range": [-20, 20]}, "pitch": {"range": [-8, 8]}, "roll": 0, "mask": False,
            "occluder": False, "pattern": False, "degrade": 0.1, "blink": False,
            "hair": {"choices": ["short", "wavy", "bob", "buzz"]},
        },
    }
)  # fmt: skip
SPEAKING = Recipe.of(
    {
        "name": "speaking",
        "size": 512,
        "factors": {
            "yaw": {"range": [-12, 12]}, "pitch": {"range": [-4, 4]}, "roll": 0, "mask": False,
            "occluder": False, "pattern": False, "degrade": 0, "emotion": "happiness",
            "intensity": 3.5, "fill": 0.68, "shift_x": 0, "shift_y": 0, "glasses": False,
        },
    }
)  # fmt: skip
SPEAKER = 0  # number of the clip
CAPTIONS = """# The world: captions

What is said about eight samples of the usual recipe, what is asked, and what is talked about: made
by `python docs/make_pictures.py world_captions`. How, and what is never said: see
[Words](world-text.md).

"""


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
    """Sixty-four samples with their truth beside them."""
    world = World(seed=0)
    return contact_sheet([card(world.sample(i), 128) for i in range(64)], 8)


def world_truth() -> np.ndarray:
    world = World(seed=2)
    return np.vstack([panel(world.sample(i)) for i in range(4)])


def world_manipulations() -> np.ndarray:
    """Each kind of manipulation: original, forged, mask."""
    world = World(MANIPULATED, seed=6)
    tiles = []
    for place, kind in enumerate(KINDS):
        rng = np.random.default_rng([6, place])
        tiles.append(manipulated(manipulate(world, place, kind, rng), 160))
    return contact_sheet(tiles, 2)


def world_clip() -> np.ndarray:
    """A clip with its sound and curves, and a strip of its frames."""
    clip = Clips(SPEAKING, seed=5, seconds=3.0, fps=25, language="en-us").sample(SPEAKER)
    write_clip(clip, PICTURES / "world_clip.mp4", curves=True, credentials=False)
    strip, frames = Strip(clip), list(clip.frames())
    chosen = np.linspace(0.12, 0.85, 6) * len(frames)
    tiles = [strip.below(frames[i], i) for i in chosen.astype(int)]
    return np.hstack([cv2.resize(tile, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
                      for tile in tiles])  # fmt: skip


def world_captions() -> None:
    """What is said of eight people: their pictures, and the page ``world-captions.md``."""
    world = World(seed=3)
    samples = [world.sample(i) for i in range(8)]
    names = [f"world_caption_{i}.jpg" for i in range(8)]
    for name, sample in zip(names, samples, strict=True):
        write_picture(PICTURES / name, _thumbnail(sample["image"]), 85, credentials=False)
    text = as_markdown(samples, 3, 6, [f"pictures/{name}" for name in names])
    (PICTURES.parent / "world-captions.md").write_text(CAPTIONS + text, "utf-8")


def _thumbnail(image: np.ndarray) -> np.ndarray:
    return cv2.resize(image, (128, 128), interpolation=cv2.INTER_AREA)


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


MADE: dict[str, Callable[[], np.ndarray | None]] = {
    made.__name__: made
    for made in (
        astronaut_annotated, head_basis, head_correspondence, head_fits, head_light,
        reconstruction, portrait_mouth, portrait_driven, world_sheet, world_truth,
        world_manipulations, world_clip, world_captions,
    )
}  # fmt: skip
QUALITY = {"world_sheet": 80, "world_clip": 85, "world_manipulations": 88}


def main() -> None:
    for name in sys.argv[1:] or MADE:
        out, image = PICTURES / f"{name}.jpg", MADE[name]()
        if image is None:  # it has written its own files
            continue
        if name.startswith("world"):
            write_picture(out, image, QUALITY.get(name, 95), credentials=False)
        else:
            write_image(out, image)


if __name__ == "__main__":
    main()
