"""Refine a fitted head by what the photo shows between the landmarks: analysis by synthesis.

    refined = refine(image, fit, HeadModel.bundled(), landmarks=face.landmarks)

The head is drawn with the statistical albedo under spherical-harmonic light (Blanz and Vetter, "A
morphable model for the synthesis of 3D faces", SIGGRAPH 1999), and identity, expression, pose,
albedo and light are changed until the drawing is like the photo (Gauss-Newton on a pyramid, as
Thies et al., "Face2Face", CVPR 2016, section 4). What the landmarks say and what is known
beforehand stay in the cost as they are in :mod:`mien.head.fit`.

Pictures are compared by the logarithm of linear light, in which albedo and light add up, on the
skin alone: not on eyes, mouth and hair, nor beside silhouettes, and little where drawing and photo
differ much.

Measured on 40 drawn heads (:mod:`mien.evaluate.refinement`), medians before and after:

- Skin of portraits, landmarks with noise of 0.5 % of the face's size: vertices 1.45 to 1.31 mm,
  expression 0.0227 to 0.0211, pose 0.45 to 0.44 degrees. Not every head gains: vertices get worse
  on 17 of 40, expression on 16, pose on 26 (its mean does not change).
- With noise of 1.5 %: 2.60 to 2.11 mm (better on 36), 0.054 to 0.045, 1.07 to 0.81 degrees.
- Skin of the statistical model itself, which no photo grants: 1.45 to 0.93 and 2.60 to 1.59 mm.

On 10 portraits the drawing comes 3 % nearer to the photo (each of them), and the landmarks are met
worse by 0.02 % of the distance of the outer eye corners.
"""

import re
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch.nn import functional

from mien.errors import MienError, UsageError
from mien.head import fit as fitting
from mien.head import raster_torch
from mien.head.albedo import TINT, AlbedoModel
from mien.head.camera import Perspective
from mien.head.capture import separate
from mien.head.colour import luminance, to_linear
from mien.head.fit import EXPRESSION, FRAME, GAZE, Fitter, HeadFit, Priors
from mien.head.lighting import DARKEST
from mien.head.model import MATERIALS, HeadModel
from mien.head.texture import Chart, unwrap

SKIN = ("skin", "right_brow", "left_brow", "nose", "upper_lip", "lower_lip")
STEPS = 3
"""Of Gauss-Newton, at each of the pyramid's levels."""
LEVELS = (2, 1)  # the pyramid: pixels that are one
MARGIN = 0.08  # of the face's size, around it in the crop
STRENGTH = 60000.0  # of the photo: pixels that are independent, over the variance of the logarithm
OUTLIER = 0.12  # of the logarithm, from where on a pixel counts less and less
FLOOR = 0.01  # linear light that is added before logarithms, so that noise in the dark is small
DARK, CLIPPED = 0.004, 0.98  # linear light of pixels that say nothing
GRAZING = 0.2, 0.5  # cosines to the camera from which on skin counts, and counts fully
FEWEST = 150  # pixels of skin
LIGHT = 1.0  # standard deviation of a coefficient of light, from the one it starts with
SMALL = 0.02  # of a field, for the derivatives of normals
LARGEST_CODE = 3.0  # standard deviations of albedo
DAMPING, TRIES = 1e-3, 4  # Levenberg's, relative to the diagonal; how often it grows tenfold


def refine(
    image: np.ndarray,
    fit: HeadFit,
    model: HeadModel,
    statistics: AlbedoModel | None = None,
    landmarks: np.ndarray | None = None,
    steps: int = STEPS,
    side: int = 224,
    device: str = "cpu",
    *,
    priors: Priors | None = None,
    strength: float = STRENGTH,
) -> HeadFit:
    """The head of a fit, nearer to what the photo shows: about 2 seconds on one core.

    Worth most where landmarks are poor; with good ones some heads get worse, see above. On the CPU
    the same input gives the same result.

    Args:
        image: (h, w, 3) uint8 sRGB, of which ``fit`` is.
        statistics: of the albedo; the bundled ones by default.
        landmarks: (478, 2 or 3) pixels that ``fit`` was fitted to; by default where its own are.
        steps: of Gauss-Newton, at each level of the pyramid.
        side: pixels of the crop around the face, which is never enlarged.
        device: where to compute, as of torch.
        strength: how much is believed of the photo.

    Returns:
        The fit: identity, expression, gaze, rotation and translation changed, focal length kept;
        ``error`` and ``quality`` are those of ``landmarks``, or as they were without.

    Raises ValueError where the crop shows less than 150 pixels of skin that are not black or
    clipped, and for arrays of another shape; MienError for a device that is not there.
    """
    problem = _Problem(
        _cropped(image, fit, model, side), fit,
        fitting._checked(_landmarks(fit, model) if landmarks is None else landmarks),
        Fitter(model, priors), statistics or AlbedoModel.bundled(), strength, _device(device),
    )  # fmt: skip
    problem.use_fields()
    state = problem.start
    for smaller in LEVELS:
        problem.at_level(smaller)
        cost = problem.cost(state)
        if not np.isfinite(cost):
            raise ValueError("too little of the face is to be seen")
        for _ in range(steps):
            better = problem.improved(state, cost)
            if better is None:
                break
            state, cost = better
    refined = problem.fitter._result(state.frame, state.shared)
    if landmarks is None:
        refined = replace(refined, error=fit.error, quality=fit.quality)
    return refined


def _device(name: str) -> torch.device:
    if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
        raise UsageError(f"the device must be cpu, cuda or cuda:N, not {name!r}")
    if name != "cpu" and not torch.cuda.is_available():
        raise MienError(f"device {name!r} is not available: PyTorch sees no CUDA device")
    return torch.device(name)


def _landmarks(fit: HeadFit, model: HeadModel) -> np.ndarray:
    return fit.camera.project(model.landmarks(fit.vertices(model)))[:, :2]


# -- the picture -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Crop:
    """The photo around a face: colour (s, s, 3) float32 linear, black beyond the photo; its pixel x
    is the photo's at ``origin`` + ``scale`` x."""

    colour: np.ndarray
    origin: np.ndarray
    scale: float

    def camera(self, camera: Perspective, smaller: int = 1) -> Perspective:
        """The camera of the photo as one of this crop, made ``smaller``."""
        pixel = self.scale * smaller
        centre = tuple((np.asarray(camera.centre) - self.origin) / pixel)
        return replace(camera, focal=camera.focal / pixel, centre=centre)


def _cropped(image: np.ndarray, fit: HeadFit, model: HeadModel, side: int) -> _Crop:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise ValueError(f"image: (h, w, 3) uint8, not {image.shape} {image.dtype}")
    placed = fit.camera.project(fit.vertices(model)[skin_vertices(model)])[:, :2]
    low, high = placed.min(0), placed.max(0)
    inside = np.isfinite(placed).all() and (high > 0).all() and (low < image.shape[1::-1]).all()
    if not inside:
        raise ValueError("the face is not in the picture")
    width = (high - low).max() * (1 + 2 * MARGIN)
    # A side that the pyramid divides, of pixels that are not smaller than the photo's.
    target = int(max(min(side, width) // LEVELS[0], 1)) * LEVELS[0]
    origin, scale = (low + high - width) / 2, float(width / target)
    return _Crop(_resampled(image, origin, scale, target), origin, scale)


def _resampled(image: np.ndarray, origin: np.ndarray, scale: float, side: int) -> np.ndarray:
    """A square of a picture, (side, side, 3) float32 linear, black beyond the picture."""
    size = np.array(image.shape[1::-1])
    beside = 2 * scale + 1  # what bilinear pixels at the border need
    first = (origin - beside).clip(0, size - 1).astype(int)
    last = (origin + scale * side + beside).clip(first + 1, size).astype(int)
    linear = to_linear(image[first[1] : last[1], first[0] : last[0]])
    factor = int(max(1, min(scale, *(last - first))))  # means first, since what follows has none
    across, down = (last - first) // factor
    linear = cv2.resize(linear[: down * factor, : across * factor], (int(across), int(down)),
                        interpolation=cv2.INTER_AREA)  # fmt: skip
    shift = (origin + scale / 2 - first) / factor - 0.5
    matrix = np.array([[scale / factor, 0, shift[0]], [0, scale / factor, shift[1]]])
    return cv2.warpAffine(
        linear, matrix, (side, side), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    )


def _skin(model: HeadModel) -> np.ndarray:
    """The triangles (T,) bool that are compared."""
    return model.triangles_of(*SKIN) & (model.material == MATERIALS.index("face"))


def skin_vertices(model: HeadModel) -> np.ndarray:
    """The indices of the vertices of the skin that is compared."""
    return np.unique(model.triangles[_skin(model)])


def _usable(colour: np.ndarray) -> np.ndarray:
    """Where (...) bool colours (..., 3) are neither black, as beyond the photo, nor clipped."""
    return (luminance(colour) > DARK) & (colour.max(-1) < CLIPPED)


# -- the cost --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _State:
    """All that is sought. frame, shared: as in :mod:`mien.head.fit`. code: (k + 3,) of albedo and
    exposure, as of ``AlbedoModel.fit``. light: (9, 3)."""

    frame: fitting._Frame
    shared: fitting._Shared
    code: np.ndarray
    light: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class _Drawn:
    """What is drawn at the ``p`` pixels of skin; tensors.

    at: (p,) pixels, by rows. corners, weights: (p, 3), vertices of the skin and their shares.
    uv: (p, 2). normal: (p, 3) in the camera's axes, of any length. by_pixel: (p, 5, 2), derivatives
    of uv and normal by x and y.
    place: (p, 3) mm before the camera. goal: (p, 3), the photo's logarithm. trust: (p,) 0..1.
    """

    at: torch.Tensor
    corners: torch.Tensor
    weights: torch.Tensor
    uv: torch.Tensor
    normal: torch.Tensor
    by_pixel: torch.Tensor
    place: torch.Tensor
    goal: torch.Tensor
    trust: torch.Tensor


class _Problem:
    """The cost of a state, and steps that lower it."""

    def __init__(
        self,
        crop: _Crop,
        fit: HeadFit,
        observed: np.ndarray,
        fitter: Fitter,
        statistics: AlbedoModel,
        strength: float,
        device: torch.device,
    ) -> None:
        self.crop, self.camera, self.fitter, self.model = crop, fit.camera, fitter, fitter.model
        self.statistics, self.strength, self.device = statistics, strength, device
        model = self.model
        self._triangles = self._tensor(model.triangles).long()
        self._uv_triangles = self._tensor(model.uv_triangles).long()
        self._uv = self._tensor(model.uv)
        self._skin = self._tensor(_skin(model))
        own = self._tensor(skin_vertices(model)).long()
        self._own = torch.full((len(model.template),), -1, device=self.device)
        self._own[own] = torch.arange(len(own), device=self.device)
        chart = Chart(model, "face", statistics.size)
        face = unwrap(crop.colour, fit.vertices(model), crop.camera(fit.camera), chart)
        face = replace(face, weight=face.weight * _usable(face.colour))
        code, light = separate(face, statistics)
        frame = fitting._Frame(
            observed, np.asarray(fit.camera.rotation, np.float64),
            np.asarray(fit.camera.translation, np.float64), fit.gaze.astype(np.float64),
            fit.expression.astype(np.float64).clip(0, 1),
        )  # fmt: skip
        identity = np.zeros(len(model.identity))
        identity[: len(fit.identity)] = fit.identity
        shared = fitting._Shared(
            identity,
            float(fit.camera.focal),
            True,
            np.asarray(fit.camera.centre, np.float64),
            -float(fit.camera.translation[2]),
        )
        self.start = _State(frame, shared, code.astype(np.float64), light.astype(np.float64))

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(array)).to(self.device)
        return tensor.float() if tensor.is_floating_point() else tensor

    def use_fields(self) -> None:
        """How vertices of the skin and their normals move, (n, 3, fields): expression, identity.

        That of normals is of the head as it is at the start.
        """
        model, start, own = self.model, self.start, skin_vertices(self.model)
        fields = np.concatenate([model.expression[: len(start.frame.expression)], model.identity])
        self._moves = self._tensor(fields[:, own].transpose(1, 2, 0))

        near = np.isin(model.triangles, own).any(1)
        kept, triangles = np.unique(model.triangles[near], return_inverse=True)
        corners = self._tensor(triangles.reshape(-1, 3))
        vertices = self._tensor(self._vertices(start)[kept])
        moved = vertices + SMALL * self._tensor(fields[:, kept])
        resting, turned = (raster_torch.vertex_normals(x, corners) for x in (vertices, moved))
        by_field = (turned - resting) / SMALL
        turned = by_field[:, self._tensor(np.searchsorted(kept, own))]
        self._turns = turned.permute(1, 2, 0).contiguous()

    def at_level(self, smaller: int) -> None:
        """Compare pictures at a level of the pyramid from now on."""
        self.smaller = smaller
        side = len(self.crop.colour) // smaller
        colour = cv2.resize(self.crop.colour, (side, side), interpolation=cv2.INTER_AREA)
        usable = _usable(colour).astype(np.uint8)
        self._goal = self._tensor(np.log(colour + FLOOR))
        self._good = self._tensor(cv2.erode(usable, np.ones((3, 3), np.uint8)) > 0)
        texels = self.statistics.size // smaller
        known = cv2.resize(self.statistics.known.astype(np.float32), (texels, texels),
                           interpolation=cv2.INTER_AREA)  # fmt: skip
        layers = np.concatenate([self.statistics.mean[None], self.statistics.basis])
        small = np.stack([cv2.resize(layer, (texels, texels), interpolation=cv2.INTER_AREA)
                          for layer in layers])  # fmt: skip
        self._known = self._tensor(known)[None, None]
        self._layers = self._tensor(small.transpose(0, 3, 1, 2))

    # -- drawing -----------------------------------------------------------------------------------

    def _vertices(self, state: _State) -> np.ndarray:
        frame = state.frame
        return self.model.vertices(state.shared.identity, frame.expression, frame.gaze)

    def _camera(self, state: _State) -> Perspective:
        posed = replace(
            self.camera, rotation=state.frame.rotation, translation=state.frame.translation
        )
        return self.crop.camera(posed, self.smaller)

    def drawn(self, state: _State) -> _Drawn:
        """The skin that is to be seen, and that the photo shows."""
        camera, side = self._camera(state), len(self._goal)
        vertices = self._tensor(self._vertices(state))
        placed = raster_torch.project(camera, vertices)
        fragments = raster_torch.rasterize(placed, self._triangles, side, side, perspective=True)
        rotation = self._tensor(state.frame.rotation)
        normals = raster_torch.vertex_normals(vertices, self._triangles) @ rotation.T
        seen = vertices @ rotation.T + self._tensor(state.frame.translation)

        skin = fragments.covered & self._skin[fragments.index]
        inner = -functional.max_pool2d(1 - skin[None].float(), 3, 1, 1)[0] + 1 > 0.5
        rows, columns = torch.nonzero(inner & self._good, as_tuple=True)
        index, weights = fragments.index[rows, columns], fragments.weights[rows, columns]
        slopes = fragments.slopes[rows, columns]
        corners, uv_corners = self._triangles[index], self._uv_triangles[index]
        uv, normal, place = (
            (weights[..., None] * values).sum(1)
            for values in (self._uv[uv_corners], normals[corners], seen[corners])
        )
        both = torch.cat([self._uv[uv_corners], normals[corners]], -1)
        by_pixel = (both[..., None] * slopes[:, :, None]).sum(1)
        facing = -functional.cosine_similarity(normal, place, dim=-1)
        trust = ((facing - GRAZING[0]) / (GRAZING[1] - GRAZING[0])).clamp(0, 1)
        trust = trust * (_sampled(self._known, uv)[:, 0] > 0.99)
        some = trust > 0
        return _Drawn(
            (rows * side + columns)[some], self._own[corners[some]], weights[some], uv[some],
            normal[some], by_pixel[some], place[some], self._goal[rows[some], columns[some]],
            trust[some],
        )  # fmt: skip

    def logarithm(
        self, state: _State, uv: torch.Tensor, normal: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Of the colour of skin, and the light it receives, (p, 3) each."""
        code = self._tensor(state.code)
        texture = self._layers[:1] + torch.tensordot(code[:-3], self._layers[1:], 1)[None]
        light = raster_torch.Light(self._tensor(state.light))
        received = raster_torch.shade(functional.normalize(normal, dim=-1), light)
        received = received.clamp(min=DARKEST)
        albedo = (_sampled(texture, uv) + code[-3:]).exp()
        return (albedo * received + FLOOR).log(), received

    def photometric(self, state: _State) -> tuple[_Drawn, torch.Tensor, torch.Tensor]:
        """What is drawn, how far (p, 3) it is from the photo, how much (p,) each pixel counts."""
        drawn = self.drawn(state)
        away = self.logarithm(state, drawn.uv, drawn.normal)[0] - drawn.goal
        weight = drawn.trust * (self.strength / drawn.trust.sum())
        return drawn, away, weight

    def cost(self, state: _State) -> float:
        """Of the photo, of the landmarks, and of what is known beforehand.

        Infinite where too little of the face is to be seen.
        """
        drawn, away, weight = self.photometric(state)
        if len(drawn.uv) < FEWEST / self.smaller**2:
            return np.inf
        photo = (weight * torch.log1p((away**2).sum(1) / OUTLIER**2)).sum() * OUTLIER**2 / 2
        return float(photo) + self._landmark_cost(state) + self._prior_cost(state)

    def _landmark_cost(self, state: _State) -> float:
        outlier, noise = self.fitter.priors.outlier, self.fitter.priors.noise
        linear = self.fitter._linearised(state.frame, state.shared, outlier)
        distance = (linear.residual.reshape(-1, 2) ** 2).sum(1)
        return float(np.log1p(distance / outlier**2).sum()) * (outlier / noise) ** 2 / 2

    def _prior_cost(self, state: _State) -> float:
        priors, frame = self.fitter.priors, state.frame
        here = np.zeros(FRAME)
        here[GAZE], here[EXPRESSION] = frame.gaze.ravel(), frame.expression
        slack = max(priors.slack, 1e-9)
        sparse = np.log1p(frame.expression * slack / priors.sparsity).sum() / slack
        far = np.log(-frame.translation[2] / state.shared.distance) / priors.distance_spread
        identity, appearance = state.shared.identity / priors.identity, self._surprise(state)
        squares = here @ self.fitter._frame_prior @ here + identity @ identity + far**2
        return float(sparse + (squares + appearance @ appearance) / 2)

    def _surprise(self, state: _State) -> np.ndarray:
        """Code and light, how many standard deviations they are off."""
        away = np.concatenate([state.code, (state.light - self.start.light).ravel()])
        return away * self._appearance_strength()

    def _appearance_strength(self) -> np.ndarray:
        """One over the standard deviations of code, exposure and light.

        The mean light is the exposure's matter, and stays.
        """
        light = np.full(self.start.light.shape, 1 / LIGHT)
        light[0] = 1e3
        code = np.ones(len(self.start.code))
        code[-3:] = 1 / TINT
        return np.concatenate([code, light.ravel()])

    # -- steps -------------------------------------------------------------------------------------

    def improved(self, state: _State, cost: float) -> tuple[_State, float] | None:
        """A state of lower cost, and that; None where a step leads to none."""
        matrix, right = self.system(state)
        low, high = self._bounds(state)
        damping = DAMPING
        for _ in range(TRIES):
            damped = matrix + np.diag(damping * np.diag(matrix))
            step = fitting._within(damped, right, low, high)
            moved = self._moved(state, step)
            lower = self.cost(moved)
            if lower < cost:
                return moved, lower
            damping *= 10
        return None

    def system(self, state: _State) -> tuple[np.ndarray, np.ndarray]:
        """Normal equations of a change of frame, identity, code and light."""
        linear = self.fitter._linearised(state.frame, state.shared, self.fitter.priors.outlier)
        frame, pull = self.fitter._frame_system(state.frame, linear, state.shared)
        by_identity = linear.by_shared[:, :-1]
        weighted = by_identity * linear.weight[:, None]
        cross = linear.by_frame.T @ weighted
        strength = self.fitter.priors.identity**-2
        own = by_identity.T @ weighted + np.diag(np.full(len(cross.T), strength))
        identity = -weighted.T @ linear.residual - strength * state.shared.identity

        drawn, away, weight = self.photometric(state)
        jacobian = self.jacobian(state, drawn)
        robust = weight / (1 + (away**2).sum(1) / OUTLIER**2)
        heavy = (jacobian * robust[:, None, None]).flatten(0, 1)
        matrix = (heavy.T @ jacobian.flatten(0, 1)).double().cpu().numpy()
        right = -(heavy.T @ away.flatten()).double().cpu().numpy()

        shape = FRAME + len(identity)
        matrix[:FRAME, :FRAME] += frame
        matrix[FRAME:shape, FRAME:shape] += own
        matrix[:FRAME, FRAME:shape] += cross
        matrix[FRAME:shape, :FRAME] += cross.T
        right[:FRAME] += pull
        right[FRAME:shape] += identity
        appearance = self._appearance_strength()
        at = np.arange(shape, len(matrix))
        matrix[at, at] += appearance**2
        right[at] -= appearance * self._surprise(state)
        return matrix, right

    def jacobian(self, state: _State, drawn: _Drawn) -> torch.Tensor:
        """Derivatives (p, 3, parameters) of the logarithm at pixels.

        A pixel stays where it is: where the head moves by dx in the picture, the pixel sees what
        was dx beside it. So a place's own change counts, less the picture's slope times dx.
        """
        uv, normal = (x.detach().requires_grad_() for x in (drawn.uv, drawn.normal))
        value, received = self.logarithm(state, uv, normal)
        parts = [torch.autograd.grad(value[:, c].sum(), (uv, normal), retain_graph=c < 2)
                 for c in range(3)]  # fmt: skip
        by_uv, by_normal = (torch.stack(part, 1) for part in zip(*parts, strict=True))
        value, received = value.detach(), received.detach()
        slope = torch.cat([by_uv, by_normal], -1) @ drawn.by_pixel
        by_place = -slope @ self._picture_by_place(state, drawn.place)

        rotation = self._tensor(state.frame.rotation)
        moves, turns = (_at_pixels(field, drawn) for field in (self._moves, self._turns))
        shape = (by_place @ rotation) @ moves + (by_normal @ rotation) @ turns
        arm = drawn.place - self._tensor(state.frame.translation)
        turn = torch.linalg.cross(arm[:, None].expand_as(by_place), by_place)
        turn = turn + torch.linalg.cross(normal.detach()[:, None].expand_as(by_normal), by_normal)
        gaze = turn.new_zeros(*turn.shape[:2], 4)

        lit = 1 - FLOOR * (-value).exp()  # what of a logarithm's change is left over the floor
        basis = _sampled(self._layers[1:].flatten(0, 1)[None], drawn.uv).unflatten(1, (-1, 3))
        code = basis.transpose(1, 2) * lit[..., None]
        exposure = torch.diag_embed(lit)
        functions = _harmonics(functional.normalize(normal.detach(), dim=-1))
        clear = lit * (received > DARKEST) / received
        light = functions[:, None, :, None] * torch.diag_embed(clear)[:, :, None]
        # A head that comes nearer keeps its place in the picture, as in `Fitter`.
        aside = self._tensor(state.frame.translation[:2] / state.frame.translation[2])
        by_place[..., 2] += by_place[..., :2] @ aside
        return torch.cat([turn, by_place, gaze, shape, code, exposure, light.flatten(2)], 2)

    def _picture_by_place(self, state: _State, place: torch.Tensor) -> torch.Tensor:
        """Derivatives (p, 2, 3) of pixels by places before the camera."""
        depth = -place[:, 2]
        scale = float(self._camera(state).focal) / depth
        out = place.new_zeros(len(place), 2, 3)
        out[:, 0, 0], out[:, 1, 1] = scale, -scale
        out[:, 0, 2], out[:, 1, 2] = place[:, 0] * scale / depth, -place[:, 1] * scale / depth
        return out

    def _bounds(self, state: _State) -> tuple[np.ndarray, np.ndarray]:
        low, high = fitting._bounds(state.frame)
        most = fitting.LARGEST_IDENTITY
        code, free = state.code[:-3], np.full(3 + state.light.size, np.inf)
        lows = [low, -most - state.shared.identity, -LARGEST_CODE - code, -free]
        highs = [high, most - state.shared.identity, LARGEST_CODE - code, free]
        return np.minimum(np.concatenate(lows), 0), np.maximum(np.concatenate(highs), 0)

    def _moved(self, state: _State, step: np.ndarray) -> _State:
        counts = np.cumsum([FRAME, len(state.shared.identity), len(state.code)])
        by_frame, identity, code, light = np.split(step, counts)
        frame = state.frame
        nearer = 1 + by_frame[5] / frame.translation[2]
        gaze = frame.gaze + by_frame[GAZE].reshape(2, 2)
        expression = (frame.expression + by_frame[EXPRESSION]).clip(0, 1)
        expression[fitting.GAZE_CURVES] = fitting.gaze_curves(gaze)
        frame = replace(
            frame, rotation=fitting._rotation_vector(by_frame[:3]) @ frame.rotation,
            translation=frame.translation * nearer + (*by_frame[3:5], 0), gaze=gaze,
            expression=expression,
        )  # fmt: skip
        return _State(
            frame, replace(state.shared, identity=state.shared.identity + identity),
            state.code + code, state.light + light.reshape(9, 3),
        )  # fmt: skip


def _sampled(layers: torch.Tensor, uv: torch.Tensor) -> torch.Tensor:
    """Textures (1, k, s, s) at uv (p, 2), bilinear: (p, k)."""
    grid = torch.stack([2 * uv[:, 0] - 1, 1 - 2 * uv[:, 1]], -1)
    sampled = functional.grid_sample(
        layers, grid[None, None], padding_mode="border", align_corners=False
    )
    return sampled[0, :, 0].T


def _at_pixels(field: torch.Tensor, drawn: _Drawn) -> torch.Tensor:
    """What vertices have, (n, 3, k), at the pixels: (p, 3, k)."""
    out = drawn.weights[:, 0, None, None] * field[drawn.corners[:, 0]]
    for corner in (1, 2):
        out += drawn.weights[:, corner, None, None] * field[drawn.corners[:, corner]]
    return out


def _harmonics(normals: torch.Tensor) -> torch.Tensor:
    """The nine functions (p, 9) of unit normals whose sum is the light received."""
    return raster_torch.shade(normals, raster_torch.Light(torch.eye(9).to(normals)))


def picture_error(
    image: np.ndarray,
    fit: HeadFit,
    model: HeadModel,
    statistics: AlbedoModel | None = None,
    side: int = 224,
) -> float:
    """How far the drawing of a fit is from the photo, at its best albedo and light.

    Root mean square of the logarithm over the skin, robust: a pixel adds at most twice ``OUTLIER``.
    Arguments and errors as of :func:`refine`.
    """
    problem = _Problem(
        _cropped(image, fit, model, side), fit, _landmarks(fit, model), Fitter(model),
        statistics or AlbedoModel.bundled(), STRENGTH, torch.device("cpu"),
    )  # fmt: skip
    problem.at_level(1)
    drawn, away, _ = problem.photometric(problem.start)
    if len(drawn.uv) < FEWEST:
        raise ValueError("too little of the face is to be seen")
    squares = (away**2).mean(1).clamp(max=4 * OUTLIER**2)
    return float(((drawn.trust * squares).sum() / drawn.trust.sum()).sqrt())
