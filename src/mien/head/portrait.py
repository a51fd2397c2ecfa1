"""Move the face in its photo: expressions, gaze and small turns of the head.

    portrait = Portrait(image, fit, landmarks=face.landmarks)
    frame = portrait.render(expression, pose=(10, 0, 0))
    for frame in portrait.frames(motion): ...

Three layers lie on each other. The background is the photo with the person filled in; it stands
still. The person is a sheet with depth: it turns with the head and follows the skin, less and less
along the neck. The face is the fitted head, textured with the photo from where it was fitted; it
fades into the sheet at its border. Behind the lips are teeth, gums and tongue of the model, in the
light of the skin; behind the lids the eyes of the photo, completed where lids hide them.

All that moves, moves by differences between two states of the same model. What the fit does not
explain of a person stays as it is, and a face that is not moved is the photo.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache

import cv2
import numpy as np

from mien.face import BLENDSHAPES, LEFT_IRIS, RIGHT_IRIS, Motion
from mien.head import features
from mien.head.compose import compose, soften
from mien.head.features import INNER, LEFT_EYE, RIGHT_EYE, SKIN, TEETH, FacePart
from mien.head.fit import GAZE_CURVES, LARGEST_GAZE, HeadFit, gaze_curves
from mien.head.layers import split
from mien.head.model import EYELOOK_DEGREES, REGIONS, HeadModel, rotations
from mien.head.raster import Fragments, rasterize
from mien.head.shading import vertex_normals
from mien.head.sheet import Person, pins, turned
from mien.head.texture import smoothstep

LARGEST_TURN = (20.0, 20.0, 30.0)
"""Degrees of yaw, pitch and roll from the photo; beyond, there is nothing in the photo to show."""

HIDING = 25.0
"""Degrees: in a photo that is turned this far, one side begins to be hidden, and the head can be
turned less to show it; in one twice as far, not at all."""

AROUND = 0.8  # of the head's height, what of the photo around the head may move
FOLLOWING = 38.0  # mm beside the face over which what is around follows the skin
ANCHORS = 900
OPENING = 4.0  # mm of the lips, over which the photo's mouth gives way to the model's
LIP_LINE = 0.8  # mm of the lips around an open mouth that the photo mixes with what is behind
LIPS_MOVED = 0.7  # mm, from which on they are drawn without that
TURNED, OPENED = 3.0, 1.0  # degrees of the eyes and mm of the lids, over which eyes do so
BEHIND = {
    INNER: 2.0,
    TEETH: 2.0,
    LEFT_EYE: 0.7,
    RIGHT_EYE: 0.7,
}  # mm, so that lips and lids stay in front
REACH_OF_LIGHT = (42.0, 34.0, 34.0)  # mm into the mouth, red, green and blue
BANDS = 4
THREADS = 2


class Portrait:
    """One face of one photo, prepared to be moved.

    It takes about a second to make, and then some 30 ms for a frame of 512 x 512 pixels. ``alpha``
    (H, W) float32 is how much of each pixel of the photo is the person, ``opening`` the widest gap
    of its lips in mm.
    """

    def __init__(
        self,
        image: np.ndarray,
        fit: HeadFit,
        model: HeadModel | None = None,
        *,
        landmarks: np.ndarray | None = None,
        threads: int = THREADS,
    ) -> None:
        """
        Args:
            image: (H, W, 3) uint8 RGB.
            fit: of ``model``, by default the bundled head, to the face in it.
            landmarks: (478, 2 or 3) pixels that were fitted; with them lips, lids and irises are
                exactly where they are in the photo.
            threads: that draw side by side; the result is the same for any number.
        """
        model = model or HeadModel.bundled()
        self.image, self.fit, self.model = image, fit, model
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, "mien-portrait")
        self._part = _part(model)
        self._neutral = self._part.model.neutral(fit.identity)
        self._source = self._part.model.animate(self._neutral, fit.expression, fit.gaze)
        head = fit.vertices(model)
        self._window = _window(fit.camera.project(head), model, image.shape)
        x0, y0, x1, y1 = self._window
        self._photo = np.ascontiguousarray(image[y0:y1, x0:x1])
        centre = np.asarray(fit.camera.centre, np.float64) - (x0, y0)
        self._camera = replace(fit.camera, centre=centre)
        self._rotation = rotations(fit.pose.yaw, fit.pose.pitch, fit.pose.roll)
        self._pivot = model.neck_pivot.astype(np.float64)
        self._projected = self._camera.project(self._source)
        self._per_mm = float(self._camera.pixels_per_mm(np.median(self._projected[:, 2])))
        self._bend(None if landmarks is None else landmarks[:, :2] - (x0, y0))
        self._prepare_face()
        self._prepare_layers(head)
        self._prepare_mouth()
        self._prepare_eyes()

    # -- preparation -------------------------------------------------------------------------

    def _bend(self, landmarks: np.ndarray | None) -> None:
        """Set ``_placed``, and how far off that is where lids or lips are closed."""
        shift = np.zeros((len(self._source), 2))
        self._closing = np.zeros_like(shift)
        points = self._part.model.landmarks(self._source)
        modelled = self._camera.project(points)[:, :2]
        observed = modelled if landmarks is None else landmarks
        self._irises = []
        for ring in (LEFT_IRIS, RIGHT_IRIS):
            size = np.ptp(observed[ring], axis=0).mean() / 2
            self._irises.append((observed[ring].mean(0), float(size)))
        if landmarks is not None:
            misfit = landmarks - modelled
            skin = np.delete(np.arange(len(points)), [*LEFT_IRIS, *RIGHT_IRIS])
            fine, coarse = (
                features.bend(points[skin], misfit[skin], self._source, smooth)
                for smooth in (2.0, 60.0)
            )
            for kind, iris in ((LEFT_EYE, LEFT_IRIS), (RIGHT_EYE, RIGHT_IRIS)):
                own = self._part.vertex_kind == kind
                fine[own] = coarse[own] = misfit[iris].mean(0)
            shift, self._closing = fine, coarse - fine
        self._placed = self._projected[:, :2] + shift

    def _prepare_face(self) -> None:
        """Which skin the photo shows, what is drawn for the rest, where the face ends."""
        part = self._part
        height, width = self._photo.shape[:2]
        facing = self._facing(self._source)
        placed = np.column_stack([self._placed, self._projected[:, 2]])
        self._at_rest = self._rasterize(placed)
        self._outer = features.outer(part)
        shown = features.seen(facing, placed, self._at_rest.depth)
        self._uv = self._placed[features.extend(part, shown)].astype(np.float32)
        self._pins = pins(self._placed, width, height)
        self._alpha = features.fade(part, facing) * (self._pins[:, 0] ** 4)
        self._alpha = self._alpha.astype(np.float32)
        anchors = np.flatnonzero(
            (part.vertex_kind == SKIN) & ~part.lips & (part.lids < 0) & (self._alpha > 0.02) & shown
        )
        if not len(anchors):
            raise ValueError("the fitted face is not in the picture")
        self._anchors = anchors[:: -(-len(anchors) // ANCHORS)]

    def _prepare_layers(self, head: np.ndarray) -> None:
        """Background and person; head: (V, 3), all of the fitted model."""
        model, (height, width) = self.model, self._photo.shape[:2]
        placed = self._camera.project(head)
        index = rasterize(placed, model.triangles, width, height, perspective=True).index
        region = np.where(index >= 0, model.region[index], len(REGIONS))
        skull = region < REGIONS.index("neck")
        layers = split(self._photo, skull, (region < len(REGIONS)) & ~skull)
        self._background = layers.background
        x0, y0, x1, y1 = self._window
        self.alpha = np.zeros(self.image.shape[:2], np.float32)
        self.alpha[y0:y1, x0:x1] = layers.person[..., 3]
        self._person = Person(
            layers.person, head, model, self._camera, self._placed[self._anchors],
            FOLLOWING * self._per_mm,
        )  # fmt: skip

    def _prepare_mouth(self) -> None:
        kinds = self._kinds(self._at_rest.index)
        mouth = (kinds == TEETH) | (kinds == INNER)
        self._mouth = features.eroded(mouth, max(1.2 * self._per_mm, 0.7))
        light = features.light_of(self._photo, kinds == SKIN)
        tooth = features.tooth_colour(self._photo, mouth, light)
        self._colours = features.inner_colours(self._part, light, tooth)
        self.opening = self._lips_apart(self._source)
        self._skin = features.without_mouth(self._photo, mouth, max(LIP_LINE * self._per_mm, 1.0))

    def _prepare_eyes(self) -> None:
        """The photo with eyes without lids, and with lids without eyes."""
        kinds = self._kinds(self._at_rest.index)
        self._eyes = self._photo.astype(np.float32)
        self._lashes = features.lashes(self._part)
        for kind in (LEFT_EYE, RIGHT_EYE):
            self._complete_eye(kind, kinds == kind)

    def _complete_eye(self, kind: int, shown: np.ndarray) -> None:
        part = self._part
        own = part.vertex_kind == kind
        centre, radius = self._irises[kind - LEFT_EYE]
        height, width = shown.shape
        low = np.floor(self._placed[own].min(0) - radius).astype(int).clip(0, (width, height))
        high = np.ceil(self._placed[own].max(0) + radius).astype(int).clip(0, (width, height))
        if (high - low).min() < 4:
            return
        crop = np.s_[low[1] : high[1], low[0] : high[0]]
        mask = features.eroded(shown[crop], max(0.2 * radius, 0.7))
        self._skin[crop] = features.without_eye(self._skin[crop], shown[crop], radius)
        self._eyes[crop] = features.complete_eye(self._eyes[crop], mask, centre - low, radius)

    # -- frames --------------------------------------------------------------------------------

    def render(
        self,
        expression: np.ndarray | None = None,
        gaze: np.ndarray | None = None,
        pose: Sequence[float] | np.ndarray = (0, 0, 0),
    ) -> np.ndarray:
        """The photo with the face moved: (H, W, 3) uint8 RGB.

        Args:
            expression: (52,) weights, clipped to 0..1; None is that of the photo.
            gaze: (2, 2) degrees as of ``HeadModel.animate``; None: as far from the photo's as the
                ``eyeLook`` weights are from those of the photo.
            pose: yaw, pitch, roll in degrees from the photo, clipped to +-``LARGEST_TURN``.
        """
        weights = self.fit.expression if expression is None else np.clip(expression, 0, 1)
        weights = np.array(weights, np.float32)
        if gaze is None:
            looking = self.fit.gaze + _looking(weights) - _looking(self.fit.expression)
        else:
            looking = np.asarray(gaze, np.float32)
            weights[GAZE_CURVES] = gaze_curves(looking)
        looking = looking.clip(-LARGEST_GAZE, LARGEST_GAZE)
        x = self._part.model.animate(self._neutral, weights, looking)
        turn = self._turn(np.asarray(pose, np.float64))
        out = self.image.copy()
        x0, y0, x1, y1 = self._window
        out[y0:y1, x0:x1] = self._draw(x, turn, weights, looking)
        return out

    def frames(self, motion: Motion, strength: float = 1.0) -> Iterator[np.ndarray]:
        """The photo with the face moved as in ``motion``, frame by frame.

        What moves is how far the motion is from its own rest (:func:`rest`), times ``strength``,
        added to the photo's expression, gaze and pose. A frame of the motion in which the face is
        not seen (NaN) shows the last one before it, at first the photo.
        """
        expression, pose, gaze = rest(motion)
        frame = self.image
        for i in range(len(motion)):
            looking = None if motion.gaze is None else motion.gaze[i]
            if np.isfinite(motion.expression[i]).all() and np.isfinite(motion.pose[i]).all():
                weights = self.fit.expression + strength * (motion.expression[i] - expression)
                if looking is not None and gaze is not None and np.isfinite(looking).all():
                    looking = self.fit.gaze + strength * (looking - gaze)
                else:
                    looking = None
                frame = self.render(weights, looking, strength * (motion.pose[i] - pose))
            yield frame

    def _turn(self, pose: np.ndarray) -> np.ndarray:
        """The rotation (3, 3) of the head about the neck, in its own axes."""
        now, least, most = self.fit.pose, np.negative(LARGEST_TURN), np.array(LARGEST_TURN)
        hidden = max(abs(now.yaw) - HIDING, 0)
        (most if now.yaw < 0 else least)[0] *= max(1 - hidden / HIDING, 0)
        clipped = pose.clip(least, most)
        return self._rotation.T @ rotations(*(np.array([now.yaw, now.pitch, now.roll]) + clipped))

    def _draw(
        self, x: np.ndarray, turn: np.ndarray, weights: np.ndarray, gaze: np.ndarray
    ) -> np.ndarray:
        part, follows = self._part, self._part.model.neck_weights[:, None]
        posed = turned(x, follows, turn, self._pivot)
        place = self._camera.project(posed)
        moved = place[:, :2] - self._projected[:, :2] + self._closed(x, weights) * self._closing
        screen = self._placed + self._pins * moved
        for kind, behind in BEHIND.items():
            place[part.vertex_kind == kind, 2] += behind
        drawn = self._rasterize(np.column_stack([screen, place[:, 2]]))
        facing = self._facing(posed)
        outline = np.where(self._outer, ((facing - 0.05) / 0.25).clip(0, 1), 1)
        share = self._shares(x, gaze)
        person, maps = self._person.move((x - self._source)[self._anchors], turn, self._threads)
        arguments = (
            drawn.index, drawn.weights, part.model.triangles, part.kind, self._texture_places(x),
            self._alpha * outline.astype(np.float32), self._tint(x, facing),
            self._unfolded(x, weights), self._lashes, self._photo, self._eyes, self._skin,
            self._mouth, share, self._shadow(drawn.index, share), person, self._background,
        )  # fmt: skip
        out = np.empty(self._photo.shape, np.float32)
        self._bands(lambda first, last: compose(*arguments, first, last, out))
        picture = np.empty(self._photo.shape, np.uint8)
        soft = self._softness(screen)
        self._bands(
            lambda first, last: soften(
                out, drawn.index, part.kind, soft, maps, first, last, picture
            )
        )
        return picture

    def _texture_places(self, x: np.ndarray) -> np.ndarray:
        """Where in the photo the colours of vertices (V, 2) float32 are.

        What the photo shows behind the lips stays with the skull, whatever the jaw does.
        """
        uv, inner = self._uv.copy(), self._part.vertex_kind >= TEETH
        still = self._camera.project(x[inner])[:, :2]
        uv[inner] = still + (self._placed - self._projected[:, :2])[inner]
        return uv

    def _shadow(self, index: np.ndarray, share: np.ndarray) -> np.ndarray:
        """The light (h, w) float32, 0..1, that lids and lips let through to what is behind them."""
        if not share.any():
            return np.ones(index.shape, np.float32)
        open_to_light = np.append(self._part.kind != SKIN, False).astype(np.float32)[index]
        size = max(3, round(0.9 * max(radius for _, radius in self._irises)))
        # From a little above, where lids and lips reach farther forward.
        around = cv2.blur(
            open_to_light, (size, size), anchor=(size // 2, min(size * 2 // 3, size - 1))
        )
        return 0.5 + 0.5 * ((around - 0.35) / 0.5).clip(0, 1)

    def _lips_apart(self, x: np.ndarray) -> float:
        """The widest gap of the lips in mm, 0 when closed."""
        lips = self._part.model.lips
        return float(np.maximum(-(lips.gap @ x[lips.margin, 1]), 0).max())

    def _closed(self, x: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """How far (V, 1) lids and lips have closed since the photo, 0..1."""
        part, out = self._part, np.zeros((len(x), 1))
        for side, name in enumerate(("eyeBlinkLeft", "eyeBlinkRight")):
            at = BLENDSHAPES.index(name)
            before = self.fit.expression[at]
            out[part.lids == side] = ((weights[at] - before) / max(1 - before, 1e-3)).clip(0, 1)
        if self.opening > 0.5:
            out[part.lips] = np.clip(1 - self._lips_apart(x) / self.opening, 0, 1)
        return out

    def _shares(self, x: np.ndarray, gaze: np.ndarray) -> np.ndarray:
        """How much of each kind (5,) float32 is made, and not of the photo."""
        share = np.zeros(5, np.float32)
        lids = self._part.model.lids
        for eye, kind in enumerate((LEFT_EYE, RIGHT_EYE)):
            degrees = float(np.linalg.norm(gaze[eye] - self.fit.gaze[eye]))
            opened = lids.gap[eye] @ (self._source - x)[lids.margin[eye], 1]
            share[kind] = np.clip(max(degrees / TURNED, float(opened.max()) / OPENED), 0, 1)
        grown = self._lips_apart(x) - self.opening - 0.3
        share[TEETH] = share[INNER] = np.clip(grown / OPENING, 0, 1)
        return smoothstep(share)

    def _unfolded(self, x: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """How much of the skin (V,) float32 is not as the photo shows it: lids that were folded,
        lips that were beside teeth and have moved away from them."""
        out = np.zeros(len(self._source), np.float32)
        for side, name in enumerate(("eyeBlinkLeft", "eyeBlinkRight")):
            at = BLENDSHAPES.index(name)
            closed = np.clip((weights[at] - self.fit.expression[at]) * 2.5, 0, 1)
            out[self._part.lids == side] = closed
        lips = self._part.lips
        out[lips] = (np.abs(x - self._source)[lips].max(1) / LIPS_MOVED).clip(0, 1)
        return out

    def _facing(self, x: np.ndarray) -> np.ndarray:
        """The cosines (V,) of normals to the line of sight."""
        normals = vertex_normals(x, self._part.model.triangles)
        towards = -self._camera.rotation.T @ self._camera.translation - x
        return (normals * towards).sum(1) / np.linalg.norm(towards, axis=1)

    def _tint(self, x: np.ndarray, facing: np.ndarray) -> np.ndarray:
        """Colours (V, 3) float32 0..255 of what is behind the lips, darker farther in."""
        margin = x[self._part.model.lips.margin]
        front = np.percentile(margin[:, 2], 70)
        within = np.exp((x[:, 2:] - front + 8).clip(None, 0) / REACH_OF_LIGHT)
        within[self._part.vertex_kind == TEETH] **= 2.5  # cheeks shade them, and not the tongue
        wide = 0.65 + 0.35 * min(self._lips_apart(x) / 14, 1)
        shade = 0.55 + 0.45 * facing.clip(0, 1)[:, None]
        return (self._colours * within * (wide * shade)).astype(np.float32)

    def _softness(self, screen: np.ndarray) -> np.ndarray:
        """How much the edges of each kind (5,) float32 are smoothed: not where nothing moved."""
        part, soft = self._part, np.zeros(5, np.float32)
        away = np.abs(screen - self._placed).max(1)
        soft[LEFT_EYE] = away[part.lids == 0].max()
        soft[RIGHT_EYE] = away[part.lids == 1].max()
        soft[TEETH] = soft[INNER] = away[part.lips].max()
        return soft.clip(0, 1)

    def _rasterize(self, placed: np.ndarray) -> Fragments:
        height, width = self._photo.shape[:2]
        return rasterize(
            placed, self._part.model.triangles, width, height, perspective=True, cull=True,
            threads=self._threads,
        )  # fmt: skip

    def _kinds(self, index: np.ndarray) -> np.ndarray:
        return np.where(index >= 0, self._part.kind[index], 255)

    def _bands(self, work: Callable[[int, int], None]) -> None:
        height = self._photo.shape[0]
        edges = [height * i // BANDS for i in range(BANDS + 1)]
        list(self._pool.map(lambda rows: work(*rows), itertools.pairwise(edges)))


@lru_cache(maxsize=2)
def _part(model: HeadModel) -> FacePart:
    """The part that moves, which all portraits of a model share."""
    return FacePart.of(model)


def rest(motion: Motion) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Expression (52,), pose (3,) and gaze (2, 2) or None of a motion at rest.

    Weights are low at rest: each is what a tenth of the frames do not exceed. Pose and gaze are the
    medians. All are 0 where nothing is seen.
    """
    seen = np.isfinite(motion.expression).all(1) & np.isfinite(motion.pose).all(1)
    if not seen.any():
        return np.zeros(len(BLENDSHAPES)), np.zeros(3), None
    expression = np.quantile(motion.expression[seen], 0.1, axis=0)
    pose = np.median(motion.pose[seen], axis=0)
    if motion.gaze is None:
        return expression, pose, None
    gaze = motion.gaze[seen & np.isfinite(motion.gaze).all((1, 2))]
    return expression, pose, np.median(gaze, axis=0) if len(gaze) else None


def _window(
    placed: np.ndarray, model: HeadModel, shape: tuple[int, ...]
) -> tuple[int, int, int, int]:
    """The part of the picture x0, y0, x1, y1 that may move: the head and what is around it."""
    below = REGIONS.index("neck")
    head = placed[np.unique(model.triangles[model.region < below]), :2]
    low, high = head.min(0), head.max(0)
    around = AROUND * (high - low).max()
    height, width = shape[:2]
    x0, y0 = np.floor(low - around).clip(0).astype(int)
    x1, y1 = np.ceil(high + around).clip(0, (width, height)).astype(int)
    return int(x0), int(y0), int(x1), int(y1)


def _looking(weights: np.ndarray) -> np.ndarray:
    """The gaze (2, 2) in degrees that ``eyeLook`` weights stand for."""
    curves = weights[GAZE_CURVES].reshape(2, 4)
    up, down, inwards, out = (curves[:, i] * d for i, d in enumerate(EYELOOK_DEGREES.values()))
    return np.stack([(out - inwards) * (1, -1), up - down], 1).astype(np.float32)
