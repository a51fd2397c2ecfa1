"""Where MediaPipe's 478 points lie on the head: a fit of the rig to the mean face.

Lids, lips and irises are known: their points lie on lines of vertices, at the same fraction of the
line's length as on the mean face. With them as anchors the rig is fitted to the mean face by
identity and expression (the mean face smiles a little), every other point going to the nearest
place on the surface that faces the same way. What distance remains at the anchors is spread by a
thin-plate spline, and the points are dropped on the surface once more. Left and right are made
exact mirror images.
"""

from dataclasses import dataclass

import numpy as np

from mien.face import (
    LANDMARKS,
    LEFT_EYE_LOWER,
    LEFT_EYE_UPPER,
    LEFT_IRIS,
    LIPS_INNER,
    LIPS_OUTER,
    RIGHT_EYE_LOWER,
    RIGHT_EYE_UPPER,
    RIGHT_IRIS,
)
from mien.head.ict import PUPIL
from mien.head.model import MATERIALS
from mien.head.rig import Rig
from mien.head.surface import closest_points, normals

NOSE_TIP, NOSE_BASE, CHIN = 4, 2, 152  # beside the lines, points that guide the fit
GUIDES = {NOSE_TIP: 30, NOSE_BASE: 33, CHIN: 8}
IRIS_RADIUS = 5.85  # mm, of real eyes and of MediaPipe's rim points
ITERATIONS = 10


@dataclass(slots=True)
class MeanFace:
    """The mean face in the axes of the head, mm: y up, z towards the viewer.

    points: (478, 3). triangles: (m, 3) of the skin. mirror: (478,).
    """

    points: np.ndarray
    triangles: np.ndarray
    mirror: np.ndarray


@dataclass(slots=True)
class Places:
    """Points of the surface: vertices (n, 3) int64 and weights (n, 3) float64 with sum 1."""

    vertices: np.ndarray
    weights: np.ndarray

    def on(self, x: np.ndarray) -> np.ndarray:
        """The points (..., n, 3) on vertices (..., V, 3)."""
        return np.einsum("...nkc,nk->...nc", x[..., self.vertices, :], self.weights)


def find(rig: Rig, mean: MeanFace) -> tuple[Places, dict[str, float]]:
    """The places of the 478 points, and the residuals of the fit in mm.

    The residuals are root mean squares over the skin: ``plane``, along the surface's normal after
    fitting, and ``slide``, how far the last refinement moved points along the surface.
    """
    skin = rig.triangles[rig.material == MATERIALS.index("face")]
    places, fixed = _anchors(rig, mean.points, skin)
    facing = normals(mean.points, mean.triangles)
    free = np.flatnonzero(~fixed)
    shape = rig.template
    fields = _symmetric_fields(rig)
    target, turn = mean.points, np.eye(3)
    for _ in range(ITERATIONS):
        target, turn = _aligned(mean.points, places.on(shape), fixed)
        _drop(places, free, target, shape, skin, facing @ turn.T)
        shape = _fitted(rig.template, fields, places, target, fixed, normals(shape, skin))
    target, turn = _aligned(mean.points, places.on(shape), fixed)
    before = places.on(shape)
    plane = ((before - target) * normals_at(places, normals(shape, skin)))[free].sum(1)

    lines = np.flatnonzero(fixed)
    target = target + spread(target, lines, before[lines] - target[lines])
    _drop(places, free, target, shape, skin, facing @ turn.T)
    slide = np.linalg.norm(places.on(shape) - before, axis=1)[free]
    places = mirrored(rig, places, mean.mirror, np.arange(LANDMARKS), skin, shape)
    return places, {"plane": _rms(plane), "slide": _rms(slide)}


def normals_at(places: Places, vertex_normals: np.ndarray) -> np.ndarray:
    """Unit normals (n, 3) at places, from those of the vertices (V, 3)."""
    at = places.on(vertex_normals)
    return at / np.maximum(np.linalg.norm(at, axis=1, keepdims=True), 1e-12)


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.square(values).mean()))


# -- anchors -----------------------------------------------------------------------------------


def _anchors(rig: Rig, mean: np.ndarray, skin: np.ndarray) -> tuple[Places, np.ndarray]:
    """Places with the anchors set, and which of the 478 points they are, (478,) bool."""
    places = Places(np.zeros((LANDMARKS, 3), np.int64), np.zeros((LANDMARKS, 3)))
    fixed = np.zeros(LANDMARKS, bool)
    half = len(LIPS_OUTER) // 2
    lines = [
        (LEFT_EYE_UPPER[::-1], rig.margins["upper_lid"]),
        (LEFT_EYE_LOWER[::-1], rig.margins["lower_lid"]),
        (RIGHT_EYE_UPPER[::-1], rig.mirror[rig.margins["upper_lid"]]),
        (RIGHT_EYE_LOWER[::-1], rig.mirror[rig.margins["lower_lid"]]),
    ]
    for ring, name in ((LIPS_OUTER, "_outside"), (LIPS_INNER, "")):
        lines.append((ring[: half + 1], rig.margins[f"upper_lip{name}"]))
        lines.append((np.r_[ring[:1], ring[: half - 1 : -1]], rig.margins[f"lower_lip{name}"]))
    for points, line in lines:
        vertices, weights = _along(rig.template[line], mean[points])
        places.vertices[points], places.weights[points] = _on_edges(line, vertices, weights, skin)
        fixed[points] = True
    for iris, eye in ((LEFT_IRIS, 0), (RIGHT_IRIS, 1)):
        places.vertices[iris], places.weights[iris] = _iris(rig, mean[iris], eye)
        fixed[iris] = True
    return places, fixed


def _along(line: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where ``points`` (n, 3) of one line fall on another (m, 3), by fractions of the length.

    Returns the segments' first indices (n,) and how far along them (n,).
    """
    lengths = [
        np.r_[0, np.linalg.norm(np.diff(x, axis=0), axis=1).cumsum()] for x in (line, points)
    ]
    at = np.interp(lengths[1] / lengths[1][-1], lengths[0] / lengths[0][-1], np.arange(len(line)))
    first = np.minimum(at.astype(int), len(line) - 2)
    return first, at - first


def _on_edges(
    line: np.ndarray, first: np.ndarray, along: np.ndarray, skin: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Corners (n, 3) and weights (n, 3) of places on the edges of a line of vertices."""
    corners, weights = np.zeros((len(first), 3), np.int64), np.zeros((len(first), 3))
    for i, (segment, t) in enumerate(zip(first, along, strict=True)):
        a, b = line[segment], line[segment + 1]
        triangle = skin[((skin == a) | (skin == b)).sum(1) == 2][0]
        corners[i] = triangle
        weights[i] = np.where(triangle == a, 1 - t, np.where(triangle == b, t, 0))
    return corners, weights


def _iris(rig: Rig, mean: np.ndarray, eye: int) -> tuple[np.ndarray, np.ndarray]:
    """The centre of the pupil, and the rim of the iris on the visible eyeball."""
    template, eyes = rig.template, rig.eyes
    ball = np.isin(rig.material, [MATERIALS.index(name) for name in ("sclera", "iris", "pupil")])
    triangles = rig.triangles[ball & (np.sign(template[rig.triangles[:, 0], 0]) == 1 - 2 * eye)]
    centre = eyes.centre[eye] @ template[eyes.vertices[eye]]
    axis = eyes.axis[eye].astype(np.float64)
    rim = np.array(PUPIL) if eye == 0 else rig.mirror[list(PUPIL)]
    pupil = template[rim].mean(0)
    ways = mean[1:] - mean[0]
    ways -= (ways @ axis)[:, None] * axis
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    points = np.vstack([pupil, pupil + IRIS_RADIUS * ways])
    # The rim lies on the eyeball, a little behind the pupil: onto it along the eye's axis.
    depth = np.interp(IRIS_RADIUS, *_depths(template, triangles, centre, axis))
    points[1:] += (depth - (points[1:] - centre) @ axis)[:, None] * axis
    found, weights, _ = closest_points(points, template, triangles, np.tile(axis, (5, 1)))
    return triangles[found], weights


def _depths(
    template: np.ndarray, triangles: np.ndarray, centre: np.ndarray, axis: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The foremost depth along the axis at each whole distance from it: distances, depths."""
    offsets = template[np.unique(triangles)] - centre
    depth = offsets @ axis
    away = np.linalg.norm(offsets - depth[:, None] * axis, axis=1)
    steps = np.arange(2, 10)
    return steps, np.array([depth[np.abs(away - step) < 0.7].max() for step in steps])


# -- fitting -----------------------------------------------------------------------------------


def _symmetric_fields(rig: Rig) -> tuple[np.ndarray, np.ndarray]:
    """The symmetric parts of identity (100, V, 3) and expression (E, V, 3)."""
    flip = np.array([-1, 1, 1], np.float32)
    identity = (rig.identity + rig.identity[:, rig.mirror] * flip) / 2
    names = [
        n for n in rig.expression if n.endswith("Left") or not n.endswith(("Right", "_L", "_R"))
    ]
    fields = np.stack([rig.expression[name] for name in names])
    return identity, fields + fields[:, rig.mirror] * flip


def _aligned(
    mean: np.ndarray, onto: np.ndarray, fixed: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The mean face after the similarity that brings it onto the points, and its rotation.

    Depth, of which MediaPipe is least sure, follows from the whole face; the head is symmetric, so
    only pitch, scale and shift are free.
    """
    weights = np.where(fixed, 1.0, 0.3) if onto.any(1).all() else fixed.astype(float)
    weights[list(GUIDES)] = weights.max() * 0.5
    use = weights > 0
    w = weights[use, None] / weights[use].sum()
    a, b = mean[use], onto[use]
    a_mean, b_mean = (w * a).sum(0), (w * b).sum(0)
    p, q = a - a_mean, b - b_mean
    sine, cosine = (
        (w[:, 0] * (p[:, 1] * q[:, 2] - p[:, 2] * q[:, 1])).sum(),
        (w[:, 0] * (p[:, 1] * q[:, 1] + p[:, 2] * q[:, 2])).sum(),
    )
    angle = np.arctan2(sine, cosine)
    turn = np.array(
        [[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]]
    )
    scale = (w * q * (p @ turn.T)).sum() / (w * p * p).sum()
    return scale * (mean - a_mean) @ turn.T + b_mean, turn


def _drop(
    places: Places,
    points: np.ndarray,
    target: np.ndarray,
    shape: np.ndarray,
    skin: np.ndarray,
    facing: np.ndarray,
) -> None:
    """Put some of the points where the surface is nearest to their targets, in place."""
    found, weights, _ = closest_points(target[points], shape, skin, facing[points])
    places.vertices[points], places.weights[points] = skin[found], weights


def _fitted(
    template: np.ndarray,
    fields: tuple[np.ndarray, np.ndarray],
    places: Places,
    target: np.ndarray,
    fixed: np.ndarray,
    vertex_normals: np.ndarray,
) -> np.ndarray:
    """Vertices of the identity and expression whose places are nearest to the targets.

    Anchors pull as they are, all other points along the surface's normal and a little sideways.
    Identity is within its standard deviations; an expression is not negative.
    """
    identity, expression = fields
    along = normals_at(places, vertex_normals)
    basis = np.concatenate([places.on(identity), places.on(expression)])
    residual = target - places.on(template)
    sideways = np.where(fixed, 0.7, 0.15)[:, None]
    rows = np.concatenate([basis * sideways, (basis * along).sum(2, keepdims=True)], 2)
    goal = np.concatenate([residual * sideways, (residual * along).sum(1, keepdims=True)], 1)
    matrix, goal = rows.reshape(len(rows), -1).T, goal.ravel()
    ridge = np.r_[np.full(len(identity), 1.0), np.full(len(expression), 4.0)]
    code = _ridge_positive(matrix, goal, ridge, len(identity))
    moved = np.tensordot(code[: len(identity)], identity, 1)
    return template + moved + np.tensordot(code[len(identity) :], expression, 1)


def _ridge_positive(
    matrix: np.ndarray, goal: np.ndarray, ridge: np.ndarray, free: int
) -> np.ndarray:
    """Ridge regression whose values from index ``free`` on are not negative."""
    normal, right = matrix.T @ matrix + np.diag(ridge), matrix.T @ goal
    active = np.ones(len(ridge), bool)
    while True:
        code = np.zeros(len(ridge))
        code[active] = np.linalg.solve(normal[np.ix_(active, active)], right[active])
        negative = (code < 0) & (np.arange(len(ridge)) >= free)
        if not negative.any():
            return code
        active &= ~negative


def spread(points: np.ndarray, anchors: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """Displacements (n, 3) of all points: a thin-plate spline through those of the anchors."""

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.linalg.norm(a[:, None] - b, axis=2)

    centres = points[anchors]
    count = len(anchors)
    affine = np.column_stack([np.ones(count), centres])
    system = np.block([[kernel(centres, centres) - 20.0 * np.eye(count), affine],
                       [affine.T, np.zeros((4, 4))]])  # fmt: skip
    solved = np.linalg.solve(system, np.vstack([moved, np.zeros((4, 3))]))
    everywhere = np.column_stack([np.ones(len(points)), points])
    return kernel(points, centres) @ solved[:count] + everywhere @ solved[count:]


def mirrored(
    rig: Rig,
    places: Places,
    image: np.ndarray,
    points: np.ndarray,
    skin: np.ndarray,
    shape: np.ndarray,
) -> Places:
    """Places of which pairs are mirror images, the left leading, and the rest on the midline.

    image: (478,), each point's mirror image. points: those to be moved. shape: (V, 3), on which
    the midline is sought.
    """
    out = Places(places.vertices.copy(), places.weights.copy())
    x = places.on(rig.template)[:, 0]
    for point, other in zip(points, image[points], strict=True):
        if point == other:
            _to_midline(out, point, skin, shape)
        elif x[point] > 0:
            out.vertices[other] = rig.mirror[places.vertices[point]]
            out.weights[other] = places.weights[point]
    return out


def _to_midline(places: Places, point: int, skin: np.ndarray, shape: np.ndarray) -> None:
    """Put one point on the nearest place of an edge of the midline."""
    middle = np.abs(shape[:, 0]) < 1e-3
    on = middle[skin].sum(1) == 2
    at = (shape[places.vertices[point]] * places.weights[point][:, None]).sum(0)
    at[0] = 0
    found, weights, _ = closest_points(at[None], shape, skin[on])
    corners = skin[on][found[0]]
    weights = np.where(middle[corners], weights[0], 0)
    places.vertices[point], places.weights[point] = corners, weights / weights.sum()
