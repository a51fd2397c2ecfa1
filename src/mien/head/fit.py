"""Fit the head to landmarks: identity, expression, gaze, pose and camera.

    fitter = Fitter()
    fit = fitter.fit(face.landmarks, (width, height))             # a photo
    fits = fitter.fit_clip(landmarks, (width, height), fps=25)    # a clip of one person
    vertices = fitter.model.vertices(fit.identity, fit.expression, fit.gaze)
    pixels = fit.camera.project(vertices)

What is minimised, over all frames at once, is the robust distance of the 478 points in the picture
(in millimetres on the head), plus what is known beforehand (:class:`Priors`): identities are
normally distributed; most expressions are 0 most of the time, and left and right move alike; both
eyes look the same way; a camera is some metre away. The prior of expressions is what keeps a wide
jaw from being explained by puffed cheeks: an expression has to earn its weight.

Gauss-Newton: each step linearises the head and the camera, leaves what is one frame's own to that
frame and solves for what all share (the Schur complement), with bounds throughout: expressions in
0..1, identities within 3 standard deviations. Robust weights are Cauchy's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numba import njit

from mien.face import BLENDSHAPES, LANDMARKS, LEFT_IRIS, RIGHT_IRIS, Pose
from mien.head.camera import Perspective
from mien.head.model import EYELOOK_DEGREES, HeadModel

ITERATIONS = 12
FRAME_ITERATIONS = 3  # of a frame in a clip, which starts at the frame before
KEYFRAMES = 16  # frames of a clip that the identity is fitted to
LARGEST_IDENTITY = 3.0  # standard deviations
LARGEST_GAZE = 40.0  # degrees
TRUST, TRUST_FALL = 8.0, 0.6  # first nothing is an outlier: a mouth may be wide open
STEP = 0.3  # of an expression: lips and lids that touch make it less linear
SWEEPS, ACTIVE_SETS = 10, 5  # of a bounded step
NEAREST = 150.0  # mm between camera and head
WIDEST = 0.9  # focal length of a wide lens, in parts of the longer side of its picture
DISTANCES = (0.33, 4.4)  # of the distance believed, where the focal length is to be found
FARTHEST = 1e10  # pixels of a landmark; beyond it numbers lose their meaning
OUTER_CORNERS = (33, 263)
GOOD = 0.03  # of the distance of the outer eye corners: a landmark that is met

POSE, GAZE, EXPRESSION = slice(0, 6), slice(6, 10), slice(10, 62)
TIMID = np.arange(10, 62)
FRAME = 62  # parameters of one frame: rotation (rad), translation (mm), gaze (degrees), expression
GAZE_CURVES = [BLENDSHAPES.index(f"eyeLook{way}{side}")
               for side in ("Left", "Right") for way in ("Up", "Down", "In", "Out")]  # fmt: skip
UNSEEN = [*GAZE_CURVES, BLENDSHAPES.index("tongueOut")]
"""Expressions that follow from gaze, or that landmarks do not show."""


@dataclass(frozen=True, slots=True)
class Priors:
    """How much is believed before a landmark is seen; standard deviations where not said otherwise.

    noise: mm on the head, of a landmark.
    outlier: mm, from where on a landmark counts less and less.
    identity: of each component.
    sparsity, slack: the price of an expression's weight w is log(1 + w slack / sparsity) / slack,
        which keeps small weights at 0 and leaves large ones nearly as they are.
    expression: of an expression's weight, beside its sparsity.
    asymmetry: between the left and the right half of an expression.
    gaze, squint: degrees; of where eyes look, and between them.
    distance: mm, and ``distance_spread``, of its logarithm, of the camera.
    change: of an expression's weight within a second of a clip.
    """

    noise: float = 1.2
    outlier: float = 3.0
    identity: float = 1.0
    sparsity: float = 0.1
    slack: float = 1.0
    expression: float = 1.0
    asymmetry: float = 0.3
    gaze: float = 15.0
    squint: float = 3.0
    distance: float = 900.0
    distance_spread: float = 0.35
    change: float = 0.4

    @classmethod
    def none(cls) -> "Priors":
        """No opinion on identity and expression: what fitting is like without the priors."""
        weak = 1e3
        return cls(identity=weak, sparsity=weak, slack=0.0, expression=weak, asymmetry=weak)


@dataclass(frozen=True, slots=True, eq=False)
class HeadFit:
    """A head in one picture.

    identity: (K,) float32 standard deviations. expression: (52,) float32 0..1, ``BLENDSHAPES``.
    gaze: (2, 2) float32 degrees as of ``HeadModel.animate``.
    camera: sees the head's own coordinates: its rotation and translation are the head's pose.
    error: root mean square distance of the landmarks in the picture, as a fraction of the distance
        of the outer eye corners on this head seen from the front.
    quality: 0..1, the share of landmarks that are met within 3 % of that distance.
    """

    identity: np.ndarray
    expression: np.ndarray
    gaze: np.ndarray
    camera: Perspective
    error: float
    quality: float

    @property
    def pose(self) -> Pose:
        """How the head is turned; see :class:`mien.face.Pose`."""
        flip = np.array([1.0, -1.0, -1.0])
        return Pose.from_rotation(flip[:, None] * np.asarray(self.camera.rotation) * flip)

    def vertices(self, model: HeadModel) -> np.ndarray:
        """The fitted head (V, 3) mm in its own coordinates."""
        return model.vertices(self.identity, self.expression, self.gaze)


@dataclass(slots=True)
class _Frame:
    """The parameters of one frame, and what it is fitted to: observed (478, 2) pixels."""

    observed: np.ndarray
    rotation: np.ndarray
    translation: np.ndarray
    gaze: np.ndarray
    expression: np.ndarray


@dataclass(slots=True)
class _Shared:
    """What all frames share. ``focal`` in pixels, known or to be found; centre (2,) pixels.

    distance: mm, which is believed of the camera.
    """

    identity: np.ndarray
    focal: float
    focal_known: bool
    centre: np.ndarray
    distance: float


@dataclass(slots=True)
class _Linear:
    """One frame linearised: residuals (956,) mm, their derivatives, and weights (956,)."""

    residual: np.ndarray
    by_frame: np.ndarray
    by_shared: np.ndarray
    weight: np.ndarray


class Fitter:
    """Fits a head model to landmarks; make one and use it for many pictures."""

    def __init__(self, model: HeadModel | None = None, priors: Priors | None = None) -> None:
        """By default the bundled head and the default priors."""
        self.model = model or HeadModel.bundled()
        self.priors = priors or Priors()
        self._small, _ = self.model.part(np.zeros(len(self.model.triangles), bool))
        mean, identity, expression = self._small.landmark_basis()
        self._mean = mean.astype(np.float64)
        self._identity = identity.astype(np.float64)
        self._expression = expression[: len(BLENDSHAPES)].astype(np.float64)
        self._frame_prior = _frame_prior(self.priors)

    def fit(
        self,
        landmarks: np.ndarray,
        size: tuple[int, int],
        *,
        focal: float | None = None,
        identity: np.ndarray | None = None,
    ) -> HeadFit:
        """Fit one picture.

        Args:
            landmarks: (478, 2 or 3) pixels; depths are not used.
            size: width and height of the picture, whose middle is where the camera points.
            focal: length in pixels, where it is known.
            identity: (k,), where it is known: then it is kept.

        Raises ValueError for arrays of another shape, and for numbers that are not finite or, of
        sizes and the focal length, not positive.
        """
        return self._joint([_checked(landmarks)], size, focal, identity)[0]

    def fit_clip(
        self,
        landmarks: Sequence[np.ndarray | None],
        size: tuple[int, int],
        *,
        fps: float,
        focal: float | None = None,
        identity: np.ndarray | None = None,
    ) -> list[HeadFit | None]:
        """Fit the frames of one person: one identity and one camera, smooth in time.

        landmarks: one (478, 2 or 3) array a frame, None where the face is not seen; then the fit
            is None, too. fps: frames per second. The rest as of :meth:`fit`.

        The identity is fitted to the frames that differ most, then each frame to it, near the frame
        before.
        """
        seen = [i for i, points in enumerate(landmarks) if points is not None]
        if not seen:
            return [None] * len(landmarks)
        observed = {i: _checked(points) for i, points in enumerate(landmarks) if points is not None}
        keys = _keyframes([observed[i] for i in seen])
        joint = self._joint([observed[seen[i]] for i in keys], size, focal, identity)
        stream = self.stream(joint[0])
        return [stream.fit(observed[i], i / fps) if i in observed else None
                for i in range(len(landmarks))]  # fmt: skip

    def stream(self, like: HeadFit) -> "Stream":
        """Fit frame after frame with the identity and the focal length of an earlier fit."""
        return Stream(self, like)

    # -- Gauss-Newton ----------------------------------------------------------------------------

    def _joint(
        self,
        observed: list[np.ndarray],
        size: tuple[int, int],
        focal: float | None,
        identity: np.ndarray | None,
    ) -> list[HeadFit]:
        if not all(0 < value < np.inf for value in (*size, 1.0 if focal is None else focal)):
            raise ValueError(f"size and focal length must be positive: {size}, {focal}")
        code = np.zeros(len(self._identity))
        if identity is not None:
            code[: len(identity)] = identity
            if not np.isfinite(code).all():
                raise ValueError("an identity must be finite")
        centre = np.array(size, np.float64) / 2
        shared = _Shared(code, focal or 0.0, focal is not None, centre, self.priors.distance)
        frames = [self._started(points, shared) for points in observed]
        kept = identity is not None and focal is not None
        for step in range(ITERATIONS):
            outlier = self._outlier(step)
            linear = [self._linearised(frame, shared, outlier) for frame in frames]
            steps = [
                self._frame_system(frame, part, shared)
                for frame, part in zip(frames, linear, strict=True)
            ]
            change = np.zeros(len(code) + 1)
            if not kept:
                change = self._shared_step(shared, frames, linear, steps, identity is not None)
                shared.identity = shared.identity + change[:-1]
                shared.focal *= np.exp(change[-1])
            for frame, part, (matrix, right) in zip(frames, linear, steps, strict=True):
                cross = part.by_frame.T @ (part.weight * (part.by_shared @ change))
                frame.translation = frame.translation * (1, 1, np.exp(change[-1]))
                self._step(frame, matrix, right - cross)
        return [self._result(frame, shared) for frame in frames]

    def _started(self, observed: np.ndarray, shared: _Shared) -> _Frame:
        """A frame at the pose in which the neutral head is nearest, seen without perspective."""
        points = self._mean + np.tensordot(shared.identity, self._identity, 1)
        rotation, scale, shift = _weak_perspective(points, observed)
        if not shared.focal_known and not shared.focal:
            # A face that is small in the picture is far away, not seen through a wider lens.
            shared.focal = max(scale * shared.distance, 2 * WIDEST * shared.centre.max())
            shared.distance = shared.focal / scale
        distance = max(shared.focal / scale, NEAREST)
        aside = (shift - shared.centre) * (1, -1) / scale
        return _Frame(
            observed, rotation, np.array([*aside, -distance]), np.zeros((2, 2)),
            np.zeros(len(BLENDSHAPES)),
        )  # fmt: skip

    def _outlier(self, step: int) -> float:
        return self.priors.outlier * max(1.0, TRUST * TRUST_FALL**step)

    def _points(self, frame: _Frame, shared: _Shared) -> np.ndarray:
        """The 478 points of the head (478, 3) in its own coordinates, mm."""
        x = self._small.vertices(shared.identity, frame.expression, frame.gaze)
        return self._small.landmarks(x).astype(np.float64)

    def _linearised(self, frame: _Frame, shared: _Shared, outlier: float) -> _Linear:
        points = self._points(frame, shared)
        turned = points @ frame.rotation.T
        seen = turned + frame.translation
        depth = np.maximum(-seen[:, 2], NEAREST / 2)
        per_mm = shared.focal / depth
        offset = seen[:, :2] * (1, -1) * per_mm[:, None]  # from the principal point, pixels
        mm = -frame.translation[2] / shared.focal  # a pixel on the head
        residual = (offset + shared.centre - frame.observed) * mm

        # Derivatives of the picture, in mm on the head, by places in the camera's axes.
        scale = per_mm * mm
        by_place = np.zeros((LANDMARKS, 2, 3))
        by_place[:, 0, 0], by_place[:, 1, 1] = scale, -scale
        by_place[:, :, 2] = offset * (mm / depth)[:, None]
        by_head = by_place @ frame.rotation

        by_frame = np.empty((LANDMARKS, 2, FRAME))
        by_frame[:, :, :3] = np.cross(turned[:, None, :], by_place)
        by_frame[:, :, 3:6] = by_place
        # A head that comes nearer keeps its place in the picture.
        by_frame[:, :, 5] += by_place[:, :, :2] @ (frame.translation[:2] / frame.translation[2])
        by_frame[:, :, GAZE] = by_head @ self._by_gaze(points, shared)
        by_frame[:, :, EXPRESSION] = by_head @ self._expression.transpose(1, 2, 0)
        # A longer focal length goes with a camera farther away, so that the head stays as large.
        dolly = offset[:, :, None] * mm + by_place[:, :, 2:] * frame.translation[2]
        by_shared = np.concatenate([by_head @ self._identity.transpose(1, 2, 0), dolly], 2)
        distance = (residual**2).sum(1)
        weight = 1 / (1 + distance / outlier**2) / self.priors.noise**2
        return _Linear(
            residual.ravel(),
            by_frame.reshape(2 * LANDMARKS, -1),
            by_shared.reshape(2 * LANDMARKS, -1),
            np.repeat(weight, 2),
        )

    def _by_gaze(self, points: np.ndarray, shared: _Shared) -> np.ndarray:
        """Derivatives (478, 3, 4) of points by yaw and pitch of both eyes, per degree."""
        out = np.zeros((LANDMARKS, 3, 4))
        neutral = self._small.neutral(shared.identity)
        for eye, iris in enumerate((LEFT_IRIS, RIGHT_IRIS)):
            centre = self.model.eyes.centre[eye] @ neutral[self._small.eyes.vertices[eye]]
            arm = np.radians(points[iris] - centre)
            out[iris, 0, 2 * eye], out[iris, 2, 2 * eye] = arm[:, 2], -arm[:, 0]
            out[iris, 1, 2 * eye + 1], out[iris, 2, 2 * eye + 1] = arm[:, 2], -arm[:, 1]
        return out

    def _frame_system(
        self, frame: _Frame, linear: _Linear, shared: _Shared
    ) -> tuple[np.ndarray, np.ndarray]:
        """Normal equations of a frame's change, (62, 62) and (62,), with the priors."""
        weighted = linear.by_frame * linear.weight[:, None]
        matrix = self._frame_prior
        here = np.zeros(FRAME)
        here[GAZE], here[EXPRESSION] = frame.gaze.ravel(), frame.expression
        right = -weighted.T @ linear.residual - matrix @ here
        right[EXPRESSION] -= 1 / (self.priors.sparsity + frame.expression * self.priors.slack)
        system = linear.by_frame.T @ weighted + matrix
        system[TIMID, TIMID] += STEP**-2
        depth = -frame.translation[2]
        width = depth * self.priors.distance_spread
        system[5, 5] += 1 / width**2
        right[5] += depth * np.log(depth / shared.distance) / width**2
        return system, right

    def _shared_step(
        self,
        shared: _Shared,
        frames: list[_Frame],
        linear: list[_Linear],
        steps: list[tuple[np.ndarray, np.ndarray]],
        identity_known: bool,
    ) -> np.ndarray:
        """The change (K + 1,) of identity and logarithm of the focal length."""
        count = len(shared.identity)
        matrix = np.diag(np.r_[np.full(count, self.priors.identity**-2), 1e-6])
        right = np.r_[-shared.identity * self.priors.identity**-2, 0.0]
        for frame, part, (system, pull) in zip(frames, linear, steps, strict=True):
            free = _free(frame, pull)
            weighted = part.by_shared * part.weight[:, None]
            cross = weighted.T @ part.by_frame[:, free]
            solved = np.linalg.solve(
                system[np.ix_(free, free)], np.column_stack([cross.T, pull[free]])
            )
            matrix += weighted.T @ part.by_shared - cross @ solved[:, :-1]
            right -= weighted.T @ part.residual + cross @ solved[:, -1]
        dolly = np.log(
            np.array(DISTANCES) * shared.distance / -np.mean([f.translation[2] for f in frames])
        )
        low = np.r_[-LARGEST_IDENTITY - shared.identity, min(max(dolly[0], -0.3), 0)]
        high = np.r_[LARGEST_IDENTITY - shared.identity, max(min(dolly[1], 0.3), 0)]
        if identity_known:
            low[:count], high[:count] = 0, 0
        if shared.focal_known:
            low[-1], high[-1] = 0, 0
        return _within(matrix, right, low, high)

    def _step(self, frame: _Frame, matrix: np.ndarray, right: np.ndarray) -> None:
        """Move one frame to the minimum of its quadratic, within the bounds, in place."""
        low, high = _bounds(frame)
        change = _within(matrix, right, low, high)
        turn = _rotation_vector(change[:3])
        frame.rotation = turn @ frame.rotation
        nearer = 1 + change[5] / frame.translation[2]
        frame.translation = frame.translation * nearer + (*change[3:5], 0)
        frame.gaze = frame.gaze + change[GAZE].reshape(2, 2)
        frame.expression = (frame.expression + change[EXPRESSION]).clip(0, 1)
        frame.expression[GAZE_CURVES] = gaze_curves(frame.gaze)

    def _result(self, frame: _Frame, shared: _Shared) -> HeadFit:
        points = self._points(frame, shared)
        camera = Perspective(
            focal=float(shared.focal), centre=tuple(shared.centre), rotation=frame.rotation,
            translation=frame.translation,
        )  # fmt: skip
        apart = np.linalg.norm(points[OUTER_CORNERS[0]] - points[OUTER_CORNERS[1]])
        width = apart * shared.focal / -frame.translation[2]
        away = np.linalg.norm(camera.project(points)[:, :2] - frame.observed, axis=1) / width
        return HeadFit(
            identity=shared.identity.astype(np.float32),
            expression=frame.expression.astype(np.float32),
            gaze=frame.gaze.astype(np.float32),
            camera=camera,
            error=float(np.sqrt((away**2).mean())),
            quality=float((away < GOOD).mean()),
        )


class Stream:
    """Fits one frame after the other, each near the one before."""

    def __init__(self, fitter: Fitter, like: HeadFit) -> None:
        self._fitter = fitter
        camera = like.camera
        self._shared = _Shared(
            like.identity.astype(np.float64), float(camera.focal), True, np.array(camera.centre),
            -float(camera.translation[2]),
        )  # fmt: skip
        self._frame: _Frame | None = None
        self._time = -np.inf

    def fit(self, landmarks: np.ndarray, time: float) -> HeadFit:
        """The head at ``time`` seconds; times must grow. Landmarks as of :meth:`Fitter.fit`."""
        observed, fitter, shared = _checked(landmarks), self._fitter, self._shared
        elapsed = time - self._time
        before, count = self._frame, FRAME_ITERATIONS
        if before is None or elapsed > 0.5 or _jumped(before.observed, observed):
            before, count = None, ITERATIONS
            frame = fitter._started(observed, shared)
        else:
            frame = replace(before, observed=observed)
        for step in range(count):
            linear = fitter._linearised(frame, shared, fitter._outlier(step + ITERATIONS - count))
            matrix, right = fitter._frame_system(frame, linear, shared)
            if before is not None:
                self._stay_near(before, frame, elapsed, matrix, right)
            fitter._step(frame, matrix, right)
        self._frame, self._time = frame, time
        return fitter._result(frame, shared)

    def _stay_near(
        self,
        before: _Frame,
        frame: _Frame,
        elapsed: float,
        matrix: np.ndarray,
        right: np.ndarray,
    ) -> None:
        """Add the belief that little changes within a frame, in place."""
        priors = self._fitter.priors
        # A random walk: variance grows with time.
        strength = 1 / (priors.change**2 * max(elapsed, 1e-3))
        at = np.arange(FRAME)[EXPRESSION]
        matrix[at, at] += strength
        right[EXPRESSION] += strength * (before.expression - frame.expression)


# -- pieces --------------------------------------------------------------------------------------


def gaze_curves(gaze: np.ndarray) -> np.ndarray:
    """The ``eyeLook`` weights (..., 8) of ``GAZE_CURVES`` for a gaze (..., 2, 2) in degrees."""
    gaze = np.asarray(gaze, np.float64)
    outwards, up = gaze[..., 0] * (1, -1), gaze[..., 1]
    ways = np.stack([up, -up, -outwards, outwards], -1)
    full = [EYELOOK_DEGREES[way] for way in ("Up", "Down", "In", "Out")]
    return (ways / full).clip(0, 1).reshape(*gaze.shape[:-2], 8)


def _checked(landmarks: np.ndarray) -> np.ndarray:
    points = np.asarray(landmarks, np.float64)
    if points.shape not in ((LANDMARKS, 2), (LANDMARKS, 3)):
        raise ValueError(f"landmarks: a ({LANDMARKS}, 2 or 3) array, not {points.shape}")
    if not (np.abs(points[:, :2]) < FARTHEST).all():
        raise ValueError("landmarks must be finite")
    return points[:, :2]


def _frame_prior(priors: Priors) -> np.ndarray:
    """The quadratic part (62, 62) of what is believed of a frame."""
    matrix = np.zeros((FRAME, FRAME))
    matrix[GAZE, GAZE] = np.eye(4) * priors.gaze**-2
    for left, right in ((6, 8), (7, 9)):
        _pull_together(matrix, left, right, priors.squint)
    at = np.arange(FRAME)[EXPRESSION]
    matrix[at, at] += priors.expression**-2
    for i, name in enumerate(BLENDSHAPES):
        if name.endswith("Left") and i not in GAZE_CURVES and name not in ("jawLeft", "mouthLeft"):
            other = BLENDSHAPES.index(name.removesuffix("Left") + "Right")
            _pull_together(matrix, at[i], at[other], priors.asymmetry)
    return matrix


def _pull_together(matrix: np.ndarray, i: int, j: int, deviation: float) -> None:
    strength = deviation**-2
    matrix[i, i] += strength
    matrix[j, j] += strength
    matrix[i, j] -= strength
    matrix[j, i] -= strength


def _bounds(frame: _Frame) -> tuple[np.ndarray, np.ndarray]:
    """How far the parameters of a frame may change, two (62,) arrays."""
    low, high = np.full(FRAME, -np.inf), np.full(FRAME, np.inf)
    low[:3], high[:3] = -0.5, 0.5  # rad; beyond it the linear step means nothing
    depth = frame.translation[2]
    low[5], high[5] = 0.4 * depth, min(0.4 * -depth, -NEAREST - depth)
    low[GAZE] = -LARGEST_GAZE - frame.gaze.ravel()
    high[GAZE] = LARGEST_GAZE - frame.gaze.ravel()
    low[EXPRESSION], high[EXPRESSION] = -frame.expression, 1 - frame.expression
    for i in UNSEEN:
        low[EXPRESSION.start + i] = high[EXPRESSION.start + i] = 0
    return low, high


def _free(frame: _Frame, pull: np.ndarray) -> np.ndarray:
    """The parameters of a frame, indices, that are not held at a bound by their pull."""
    low, high = _bounds(frame)
    held = ((low >= 0) & (pull < 0)) | ((high <= 0) & (pull > 0)) | (low == high)
    return np.flatnonzero(~held)


def _within(matrix: np.ndarray, right: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The x within bounds that minimises x' matrix x / 2 - right x.

    Coordinate descent finds which bounds hold, a linear system the rest.
    """
    x = np.zeros(len(right))
    for _ in range(ACTIVE_SETS):
        _descend(matrix, right - matrix @ x, low, high, x)
        held = (x <= low) | (x >= high)
        free = np.flatnonzero(~held)
        rest = right[free] - matrix[np.ix_(free, np.flatnonzero(held))] @ x[held]
        solved = np.linalg.solve(matrix[np.ix_(free, free)], rest)
        inside = solved.clip(low[free], high[free])
        x[free] = inside
        if (inside == solved).all():
            break
    return x


@njit(cache=True, nogil=True)
def _descend(matrix, left, low, high, x):
    """Sweeps of coordinate descent from x, in place; left: the right side less ``matrix @ x``."""
    for _ in range(SWEEPS):
        for i in range(len(x)):
            moved = min(max(x[i] + left[i] / matrix[i, i], low[i]), high[i]) - x[i]
            if moved != 0:
                x[i] += moved
                left -= matrix[i] * moved


def _weak_perspective(
    points: np.ndarray, observed: np.ndarray
) -> tuple[np.ndarray, float, np.ndarray]:
    """Rotation (3, 3), pixels per mm and place of the origin (2,) that bring points onto pixels."""
    middle, centre = points.mean(0), observed.mean(0)
    flat = (observed - centre) * (1, -1)
    affine = np.linalg.lstsq(points - middle, flat, rcond=None)[0].T
    u, s, vt = np.linalg.svd(affine, full_matrices=False)
    rows = u @ vt
    rotation = np.vstack([rows, np.cross(rows[0], rows[1])])
    scale = max(float(s.mean()), 1e-6)
    return rotation, scale, centre - scale * (rows @ middle) * (1, -1)


def _rotation_vector(vector: np.ndarray) -> np.ndarray:
    """The rotation (3, 3) about an axis by its length in radians (Rodrigues)."""
    angle = np.linalg.norm(vector)
    x, y, z = vector / max(angle, 1e-12)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def _keyframes(observed: list[np.ndarray]) -> list[int]:
    """Frames that differ as much as possible: the farthest from those before, by turns."""
    shapes = np.stack([_normalised(points) for points in observed])
    chosen = [int(np.linalg.norm(shapes - shapes.mean(0), axis=(1, 2)).argmin())]
    away = np.full(len(shapes), np.inf)
    while len(chosen) < min(KEYFRAMES, len(shapes)):
        away = np.minimum(away, np.linalg.norm(shapes - shapes[chosen[-1]], axis=(1, 2)))
        chosen.append(int(away.argmax()))
    return chosen


def _normalised(points: np.ndarray) -> np.ndarray:
    centred = points - points.mean(0)
    return centred / max(np.sqrt((centred**2).mean()), 1e-9)


def _jumped(before: np.ndarray, now: np.ndarray) -> bool:
    """Whether a face moved by more than half its size since the frame before."""
    size = np.ptp(before, axis=0).max()
    return bool(np.linalg.norm(now.mean(0) - before.mean(0)) > size / 2)
