"""People of portraits, shown in their portraits: the face moved and lit anew, the rest the photo's.

Hair, neck, clothes and background are real pixels of the portrait, drawn by
:class:`mien.head.portrait.Portrait`. Expression and gaze are the scene's; the pose is as near to
the scene's as the portrait can be turned; light changes by the ratio of the new to the old, which
was estimated. What is known of such a picture is known of the fitted head: landmarks, normals,
depth, albedo, and classes of the face; what is between the face and what is surely background is
``UNKNOWN``, as is the forehead's upper part, where hair may fall.
"""

from dataclasses import dataclass, replace
from functools import cache, lru_cache

import cv2
import numpy as np

from mien.head import lighting
from mien.head.camera import Perspective
from mien.head.colour import to_linear, to_srgb
from mien.head.look import Skin
from mien.head.model import CELEBAMASK, MATERIALS, REGIONS, HeadModel, rotations
from mien.head.portrait import Portrait
from mien.head.raster import Fragments, interpolate, paint, rasterize
from mien.head.shading import vertex_normals
from mien.head.sheet import pins, turned
from mien.head.texture import pull_push
from mien.world import degrade, stylise
from mien.world.portraits import Record
from mien.world.render import Drawn
from mien.world.scene import Lighting, Scene
from mien.world.unlit import SIDE

UNKNOWN = 254
"""Class of pixels of which nothing is known."""

TURN = np.array([15.0, 10.0, 20.0])  # degrees from the portrait's pose that look right
RATIO = (0.5, 1.8)  # new light / old light, at most
KEPT = 12  # prepared portraits, some 10 MB each, that a process keeps
HIDDEN = 4.0  # mm by which a landmark may lie behind what is seen, and still be visible
AWAY = 0.1  # of the picture's side, how far something of the person may have moved
FOREHEAD, CHEEK = 70.0, 35.0  # mm, y and z of the template: hair falls above and behind
ABSENT = ("beard", "makeup", "glasses", "mask", "occluder", "pattern", "hat", "earrings",
          "necklace", "scarf")  # fmt: skip
"""Factors that such a picture does not show."""


def shown_in(scene: Scene, record: Record) -> Scene:
    """The scene as a portrait can show it; its person is who is in the portrait."""
    pose = record.fit().pose
    there = np.array([pose.yaw, pose.pitch, pose.roll])
    turn = (scene.pose - there).clip(-TURN, TURN)
    labels = scene.labels | {"factors": scene.labels["factors"] | dict.fromkeys(ABSENT, False)}
    return replace(
        scene, pose=there + turn, portrait=record, labels=labels, makeup=None, clothes=None,
        props=(), shade=None,
        person=replace(scene.person, beard=replace(scene.person.beard, style="none")),
    )  # fmt: skip


def draw(scene: Scene) -> Drawn:
    """Draw a scene that has a portrait."""
    assert scene.portrait is not None
    stage, model = _staged(scene.portrait, scene.size), HeadModel.bundled()
    camera, there, head = stage.portrait.fit.camera, stage.pose, stage.head(scene)
    seen = rasterize(
        camera.project(head), model.triangles, scene.size, scene.size, perspective=True
    )
    rotation = np.asarray(camera.rotation, np.float32)
    normals = interpolate(
        vertex_normals(head, model.triangles) @ rotation.T, model.triangles, seen, unit=True
    )
    parsing, skin = _known()[seen.index], _skin()[seen.index]
    frame = stage.portrait.render(scene.expression, scene.gaze, scene.pose - there)
    ratio = _relit(normals, skin, stage.light, scene.light)
    colour = to_linear(frame) * (ratio * scene.exposure)
    known = (parsing != UNKNOWN)[..., None]
    points = model.landmarks(head)
    middle = float(camera.project(points.mean(0, keepdims=True))[0, 2])
    landmarks = _placed(points, camera, middle)
    visible = _visible(landmarks[:, :2], camera.project(points)[:, 2], seen.depth)
    landmarks[:, :2] = stage.observed(landmarks[:, :2])
    return Drawn(
        colour=colour,
        alpha=(seen.covered | (stage.near & (parsing != 0))).astype(np.float32),
        image=_picture(scene, colour),
        landmarks=landmarks,
        visible=visible,
        landmarks68=_placed(head[model.landmarks68], camera, middle),
        parsing=np.where(seen.covered | stage.near, parsing, 0).astype(np.uint8),
        occluded=np.zeros(parsing.shape, bool),
        depth=np.where(seen.covered, seen.depth, np.inf).astype(np.float32),
        normals=(normals * known).astype(np.float32),
        albedo=paint(stage.skin.texture, stage.skin.uv, stage.skin.uv_triangles, seen) * known,
        uv=_texture_places(model, seen),
    )


def landmarks(scene: Scene) -> np.ndarray:
    """The landmarks (478, 2) in pixels of a scene that has a portrait and is not drawn for them."""
    assert scene.portrait is not None
    stage = _staged(scene.portrait, scene.size)
    points = HeadModel.bundled().landmarks(stage.head(scene))
    return stage.observed(stage.portrait.fit.camera.project(points)[:, :2])


@dataclass(frozen=True, slots=True, eq=False)
class _Stage:
    """A portrait ready to be shown at one size.

    light: (9, 3), the portrait's. neutral: (V, 3) mm, without expression. misfit: (478, 2) pixels
    from the fit's landmarks to the observed ones. near: (h, w) bool, where something of the person
    may come.
    """

    portrait: Portrait
    light: np.ndarray
    skin: Skin
    neutral: np.ndarray
    misfit: np.ndarray
    near: np.ndarray

    @property
    def pose(self) -> np.ndarray:
        """Yaw, pitch and roll (3,) in the portrait."""
        pose = self.portrait.fit.pose
        return np.array([pose.yaw, pose.pitch, pose.roll])

    def head(self, scene: Scene) -> np.ndarray:
        """The vertices (V, 3) float32 mm of who is in the portrait, as in the scene."""
        model = HeadModel.bundled()
        turn = rotations(*self.pose).T @ rotations(*scene.pose)
        head = model.animate(self.neutral, scene.expression, scene.gaze)
        head = turned(head, model.neck_weights[:, None], turn, model.neck_pivot)
        return head.astype(np.float32)

    def observed(self, places: np.ndarray) -> np.ndarray:
        """Landmarks (478, 2) of the fit, moved to where they are in the picture."""
        size = len(self.near)
        return places + pins(places, size, size) * self.misfit


@lru_cache(maxsize=KEPT)
def _staged(record: Record, size: int) -> _Stage:
    model, photo = HeadModel.bundled(), record.photo()
    scale, fit = size / len(photo), record.fit()
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    photo = cv2.resize(photo, (size, size), interpolation=way)
    centre = (fit.camera.centre[0] * scale, fit.camera.centre[1] * scale)
    fit = replace(fit, camera=replace(fit.camera, focal=fit.camera.focal * scale, centre=centre))
    landmarks = record.landmarks() * scale
    portrait = Portrait(photo, fit, landmarks=landmarks, threads=1)
    reach = 2 * round(AWAY * size) + 1
    return _Stage(
        portrait=portrait,
        light=record.values["light"],
        skin=Skin.of(model, {"face": record.texture()}, SIDE),
        neutral=model.neutral(fit.identity),
        misfit=landmarks - fit.camera.project(model.landmarks(fit.vertices(model)))[:, :2],
        near=cv2.dilate(portrait.alpha, np.ones((reach, reach), np.uint8)) > 0.02,
    )


def _relit(normals: np.ndarray, skin: np.ndarray, old: np.ndarray, new: Lighting) -> np.ndarray:
    """New light / old light (h, w, 3) float32; beyond the skin (h, w) bool, as at its border."""
    lamp = np.maximum(normals @ new.lamp, 0)[..., None] * (new.strength * new.colour)
    ratio = (lighting.received(normals, new.around) + lamp) / lighting.received(normals, old)
    usual = np.median(ratio[skin], 0) if skin.any() else np.ones(3)
    ratio = np.where(skin[..., None], (ratio / usual.mean()).clip(*RATIO), 0).astype(np.float32)
    weight = cv2.erode(skin.astype(np.float32), np.ones((3, 3)))
    whole = pull_push(ratio, weight)
    soft = max(1.0, len(skin) / 80)
    return cv2.GaussianBlur(whole, (0, 0), soft)


def _picture(scene: Scene, colour: np.ndarray) -> np.ndarray:
    image = to_srgb(colour)
    if scene.faults is not None:
        image = degrade.apply(image, scene.faults, np.random.default_rng(scene.seed))
    if scene.style is not None:
        image = stylise.apply(image, scene.style)
    return image


# -- truth -----------------------------------------------------------------------------------------


def _placed(points: np.ndarray, camera: Perspective, middle: float) -> np.ndarray:
    """Points (n, 3) mm in the picture, z on the scale of x and y from a depth in mm."""
    at = camera.project(points)
    depth = (at[:, 2] - middle) * camera.focal / middle
    return np.column_stack([at[:, :2], depth]).astype(np.float32)


def _visible(at: np.ndarray, depth: np.ndarray, buffer: np.ndarray) -> np.ndarray:
    """Which points at (n, 2) pixels and depths (n,) nothing in a depth buffer (h, w) hides."""
    limit = np.array(buffer.shape[::-1])
    column, row = np.floor(at).astype(int).clip(0, limit - 1).T
    near = cv2.dilate(np.nan_to_num(buffer, posinf=1e6).astype(np.float32), np.ones((3, 3)))
    return ((at >= 0) & (at < limit)).all(1) & (depth < near[row, column] + HIDDEN)


@cache
def _skin() -> np.ndarray:
    """Triangles (T + 1,) bool that are skin of the face; the last, of nothing, is not."""
    model = HeadModel.bundled()
    return np.append(model.material == MATERIALS.index("face"), False)


@cache
def _known() -> np.ndarray:
    """Class (T + 1,) uint8 of triangles, ``UNKNOWN`` where hair or clothes may be before them."""
    model = HeadModel.bundled()
    classes = model.classes(CELEBAMASK).copy()
    middle = model.template[model.triangles].mean(1)
    face = model.region < REGIONS.index("hair")
    sure = face & (middle[:, 1] < FOREHEAD) & (middle[:, 2] > CHEEK)
    inside = face & (model.material != MATERIALS.index("face"))
    return np.append(np.where(sure | inside, classes, UNKNOWN), UNKNOWN).astype(np.uint8)


def _texture_places(model: HeadModel, seen: Fragments) -> np.ndarray:
    """uv (h, w, 2) of the face's texture, NaN where something else is seen."""
    uv = interpolate(model.uv, model.uv_triangles, seen)
    return np.where(_skin()[seen.index][..., None], uv, np.nan).astype(np.float32)
