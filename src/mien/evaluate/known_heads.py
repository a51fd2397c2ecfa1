"""Heads whose truth is known, and how near the fit comes to it.

Random heads before random cameras give landmarks, these get noise, and each head is fitted to them
four times: with the focal length known and to be found, with the priors of identity and expression
and without.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mien.evaluate import report
from mien.face import BLENDSHAPES
from mien.find.geometry import box_of
from mien.head.camera import Perspective
from mien.head.fit import GAZE_CURVES, Fitter, HeadFit, Priors, gaze_curves
from mien.head.model import MATERIALS, HeadModel, rotations

HEADS = 300
SEED = 1
SIZE = 512  # pixels
NOISE = 0.005  # of the face's size, the larger side of the landmarks' box, per coordinate
DEVIATIONS = 2.5  # largest identity
ACTIVE, SYMMETRIC = 0.2, 0.6  # shares of expressions that are active, of heads with like halves
TURN = (40.0, 20.0, 20.0)  # largest yaw, pitch and roll, degrees
GAZE = (12.0, 7.0)  # deviations of yaw and pitch, degrees
DISTANCE, DISTANCE_SPREAD = 900.0, 0.3  # mm; of its logarithm
ASIDE = 20.0  # deviation of the head's place, mm
FOCAL = (1.0, 3.0)  # of the picture's size
FACE = ("skin", "right_brow", "left_brow", "nose", "upper_lip", "lower_lip")
ASKED = {
    "vertex_mm": 1.6,
    "expression": 0.10,
    "expression_reduction_percent": 40.0,
    "pose_degrees": 2.0,
}
WAYS = {"priors": Priors(), "no_priors": Priors.none()}

OTHERS = np.setdiff1d(np.arange(len(BLENDSHAPES)), GAZE_CURVES)
"""Expressions that do not follow from gaze."""


@dataclass(frozen=True, slots=True, eq=False)
class KnownHead:
    """A head in a picture of ``SIZE``: what a fit should find, and its landmarks (478, 2) pixels.

    identity (K,), expression (52,), gaze (2, 2) and camera are as of ``HeadFit``.
    """

    identity: np.ndarray
    expression: np.ndarray
    gaze: np.ndarray
    camera: Perspective
    landmarks: np.ndarray


def known_heads(model: HeadModel, count: int = HEADS, seed: int = SEED) -> list[KnownHead]:
    """``count`` random heads; the first of them do not depend on how many follow."""
    return [_known_head(model, np.random.default_rng([seed, index])) for index in range(count)]


def _known_head(model: HeadModel, rng: np.random.Generator) -> KnownHead:
    identity = _normal_within(rng, len(model.identity))
    gaze = np.tile(rng.normal(0, GAZE), (2, 1))
    expression = random_expression(rng)
    expression[GAZE_CURVES] = gaze_curves(gaze)
    camera = _camera(rng)
    points = model.landmarks(model.vertices(identity, expression, gaze))
    seen = camera.project(points)[:, :2]
    box = box_of(seen)
    noise = rng.normal(0, NOISE * (box[2:] - box[:2]).max(), seen.shape)
    return KnownHead(identity, expression, gaze, camera, seen + noise)


def _normal_within(rng: np.random.Generator, count: int) -> np.ndarray:
    """Normal values (count,) within ``DEVIATIONS``."""
    values = rng.normal(size=count)
    while (far := np.abs(values) > DEVIATIONS).any():
        values[far] = rng.normal(size=far.sum())
    return values


def random_expression(rng: np.random.Generator) -> np.ndarray:
    """Weights (52,), those of gaze 0: they are not active by themselves. No tongue."""
    weights = np.where(rng.random(len(BLENDSHAPES)) < ACTIVE, rng.random(len(BLENDSHAPES)), 0.0)
    if rng.random() < SYMMETRIC:
        for i, name in enumerate(BLENDSHAPES):
            if name.endswith("Left") and name not in ("jawLeft", "mouthLeft"):
                weights[BLENDSHAPES.index(name.removesuffix("Left") + "Right")] = weights[i]
    weights[[*GAZE_CURVES, BLENDSHAPES.index("tongueOut")]] = 0
    return weights


def _camera(rng: np.random.Generator) -> Perspective:
    distance = DISTANCE * np.exp(rng.normal(0, DISTANCE_SPREAD))
    return Perspective(
        focal=SIZE * rng.uniform(*FOCAL),
        centre=(SIZE / 2, SIZE / 2),
        rotation=rotations(*rng.uniform(-1, 1, 3) * TURN),
        translation=np.array([*rng.normal(0, ASIDE, 2), -distance]),
    )


# Errors


@dataclass(frozen=True, slots=True)
class Errors:
    """One fit against the truth.

    vertex, neutral: mm, median distance of the face's vertices after rigid alignment, as it is and
        without its expression.
    expression, expression_others: mean absolute error of the 52 weights; without those of gaze.
    pose: degrees between the rotations. gaze: degrees, mean absolute error.
    reprojection: ``HeadFit.error``. seconds: taken.
    """

    vertex: float
    neutral: float
    expression: float
    expression_others: float
    pose: float
    gaze: float
    reprojection: float
    seconds: float


def measure(limit: int | None = None) -> dict[str, Any]:
    """Errors of the bundled head's fits, the same heads in every way."""
    model = HeadModel.bundled()
    heads = known_heads(model, min(HEADS, limit or HEADS))
    face = face_vertices(model)
    fits = {
        f"{way}, focal {'known' if known else 'unknown'}": [
            _errors(model, face, fitter, head, known)
            for head in report.progress(heads, "known heads", len(heads))
        ]
        for way, fitter in ((way, Fitter(model, priors)) for way, priors in WAYS.items())
        for known in (True, False)
    }
    still = [np.abs(head.expression).mean() for head in heads]
    still_others = [np.abs(head.expression[OTHERS]).mean() for head in heads]
    return {
        "heads": len(heads),
        "seed": SEED,
        "noise_percent": 100 * NOISE,
        "asked": ASKED,
        "zero_expression": float(np.mean(still)),
        "zero_expression_others": float(np.mean(still_others)),
        "ways": {way: _summary(errors) for way, errors in fits.items()},
        "expression_reduction_percent": {
            focal: _reduction(fits[f"priors, {focal}"], fits[f"no_priors, {focal}"])
            for focal in ("focal known", "focal unknown")
        },
    }


def face_vertices(model: HeadModel) -> np.ndarray:
    """The indices of the vertices of the face's skin: without ears, neck and scalp."""
    skin = model.material == MATERIALS.index("face")
    return np.unique(model.triangles[skin & model.triangles_of(*FACE)])


def _errors(
    model: HeadModel, face: np.ndarray, fitter: Fitter, head: KnownHead, focal_known: bool
) -> Errors:
    start = time.perf_counter()
    focal = float(head.camera.focal) if focal_known else None
    fit = fitter.fit(head.landmarks, (SIZE, SIZE), focal=focal)
    seconds = time.perf_counter() - start
    truth = model.vertices(head.identity, head.expression, head.gaze)
    away = np.abs(fit.expression - head.expression)
    return Errors(
        vertex=surface_error(fit.vertices(model)[face], truth[face]),
        neutral=surface_error(
            model.neutral(fit.identity)[face], model.neutral(head.identity)[face]
        ),
        expression=float(away.mean()),
        expression_others=float(away[OTHERS].mean()),
        pose=turned_by(fit, head.camera.rotation),
        gaze=float(np.abs(fit.gaze - head.gaze).mean()),
        reprojection=fit.error,
        seconds=seconds,
    )


def surface_error(points: np.ndarray, truth: np.ndarray) -> float:
    """Median distance of (n, 3) points from the truth when they are moved onto it (Kabsch 1976)."""
    points, truth = (x.astype(np.float64) - x.mean(0, dtype=np.float64) for x in (points, truth))
    u, _, vt = np.linalg.svd(points.T @ truth)
    turn = u @ np.diag([1, 1, np.sign(np.linalg.det(u @ vt))]) @ vt
    return float(np.median(np.linalg.norm(points @ turn - truth, axis=1)))


def turned_by(fit: HeadFit, rotation: np.ndarray) -> float:
    """The angle in degrees between a fit's head pose and a rotation (3, 3)."""
    cosine = (np.trace(fit.camera.rotation @ rotation.T) - 1) / 2
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def _summary(errors: list[Errors]) -> dict[str, Any]:
    vertex, neutral, expression, others, pose, gaze, reprojection, seconds = (
        np.array([getattr(each, name) for each in errors]) for name in Errors.__slots__
    )
    return {
        "vertex_mm": {
            "median": float(np.median(vertex)),
            "ci95": interval(np.median, vertex),
            "p95": float(np.quantile(vertex, 0.95)),
            "worst": float(vertex.max()),
            "worst_head": int(vertex.argmax()),
        },
        "neutral_vertex_mm": float(np.median(neutral)),
        "expression": {
            "mean_abs": float(expression.mean()),
            "ci95": interval(np.mean, expression),
            "others_mean_abs": float(others.mean()),
        },
        "pose_degrees": {
            "median": float(np.median(pose)),
            "mean": float(pose.mean()),
            "ci95": interval(np.mean, pose),
            "p95": float(np.quantile(pose, 0.95)),
            "worst": float(pose.max()),
            "worst_head": int(pose.argmax()),
        },
        "gaze_degrees": float(gaze.mean()),
        "reprojection_percent": 100 * float(reprojection.mean()),
        "ms_per_fit": 1000 * float(np.median(seconds)),
    }


def _reduction(fits: list[Errors], without: list[Errors]) -> dict[str, Any]:
    """How much lower the error of expression is than without priors, in per cent."""

    def reduction(ours: np.ndarray, theirs: np.ndarray, *, axis: int | None = None) -> np.ndarray:
        return 100 * (1 - ours.mean(axis) / theirs.mean(axis))

    pair = [np.array([each.expression for each in some]) for some in (fits, without)]
    others = [np.array([each.expression_others for each in some]) for some in (fits, without)]
    return {
        "all": float(reduction(*pair)),
        "ci95": interval(reduction, *pair),
        "others": float(reduction(*others)),
        "others_ci95": interval(reduction, *others),
    }


def interval(
    statistic: Callable[..., np.ndarray], *values: np.ndarray, seed: int = 0, rounds: int = 2000
) -> list[float]:
    """95 % interval of a statistic of (n,) values, or of pairs of them: percentile bootstrap.

    As ``metrics.bootstrap``, which is for the mean; ``statistic`` takes ``axis``.
    """
    count = len(values[0])
    drawn = np.random.default_rng(seed).integers(count, size=(rounds, count))
    found = statistic(*(each[drawn] for each in values), axis=1)
    return [float(bound) for bound in np.quantile(found, [0.025, 0.975])]
