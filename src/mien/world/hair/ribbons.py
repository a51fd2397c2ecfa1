"""Ribbons of strands: the mesh of hair, with its colours."""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from mien.head.shading import Texture
from mien.head.texture import smoothstep
from mien.world.hair.shell import AXIS, cells, head_shell, placed_at
from mien.world.hair.style import COLOURS
from mien.world.hair.vectors import cross, differences, unit

CLEAR = 2.0  # mm that strands keep off the skin
STRAND_SHEET = 60.0  # mm of hair side by side that ``strands()`` shows


@dataclass(frozen=True, slots=True, eq=False)
class Hair:
    """Ribbons on the mean head.

    vertices: (n, 3) float32 mm. triangles: (m, 3) int32, seen from both sides.
    tangents, normals: (n, 3) float32, unit: from root to tip, and away from the head.
    uv: (n, 2) float32 in ``strands()``. albedo: (n, 3) float32, linear.
    openness: (n,) float32, 0..1, how much of the light from outside gets there.
    corners: (n, 3) int32 and weights: (n, 3) float32, the place of the skin that moves a vertex.
    points: vertices of a ribbon along one side; the two sides follow each other.
    """

    vertices: np.ndarray
    triangles: np.ndarray
    tangents: np.ndarray
    normals: np.ndarray
    uv: np.ndarray
    albedo: np.ndarray
    openness: np.ndarray
    corners: np.ndarray
    weights: np.ndarray
    points: int


def ribbons(
    lines: np.ndarray,
    outwards: np.ndarray,
    openness: np.ndarray,
    anchors: tuple[np.ndarray, np.ndarray],
    width: float,
    albedo: np.ndarray,
    rng: np.random.Generator,
) -> Hair:
    """Ribbons along strands (n, p, 3) mm.

    Args:
        outwards: (n, p, 3), away from the head. openness: (n, p). albedo: (n, p, 3).
        anchors: corners and weights (n, p, 3) of the skin that moves each point.
        width: mm at the root, usually; narrower at the tip.
    """
    count, points = lines.shape[:2]
    tangent = unit(differences(lines))
    across = unit(cross(tangent, outwards))
    normal = cross(across, tangent)
    twist = rng.normal(0, 0.45, (count, 1, 1)).clip(-0.8, 0.8)
    twist = twist * np.minimum(np.arange(points) / 1.5, 1)[:, None]  # roots lie on the skin
    wide = width * rng.uniform(0.55, 1.4, (count, 1, 1)) / 2
    taper = np.interp(np.linspace(0, 1, points), (0, 0.65, 1), (1, 0.9, 0.25))[:, None]
    arm = (across * np.cos(twist) + normal * np.sin(twist)) * (wide * taper)
    first = np.arange(count)[:, None] * points * 2 + np.arange(points - 1) * 2
    a, b, c, d = first, first + 1, first + 2, first + 3
    triangles = np.stack([a, b, c, b, d, c], -1)

    def both(values: np.ndarray) -> np.ndarray:
        return np.repeat(values.reshape(count * points, -1), 2, 0)

    return Hair(
        np.stack([lines - arm, lines + arm], 2).reshape(-1, 3).astype(np.float32),
        triangles.reshape(-1, 3).astype(np.int32),
        both(tangent.astype(np.float32)),
        both(normal.astype(np.float32)),
        _strand_uv(wide[:, 0], points, rng),
        both(albedo.astype(np.float32)),
        both(openness.astype(np.float32))[:, 0],
        both(anchors[0]),
        both(anchors[1].astype(np.float32)),
        points,
    )


def on_shell(
    lines: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Strands on the scalp, lifted where they are below the skin, and what else ribbons need."""
    rows, columns, over = cells(lines)
    least = np.minimum(CLEAR * np.arange(lines.shape[1], dtype=np.float32), CLEAR)
    low = np.nonzero((over < least) & (least > 0))
    shell = head_shell()
    lines[low] = placed_at(lines[low], shell.radius[rows[low], columns[low]] + CLEAR)
    outwards = lines - AXIS.astype(np.float32)
    outwards[..., 1] *= outwards[..., 1] > 0
    anchors = shell.corners[rows, columns], shell.weights[rows, columns]
    return lines, unit(outwards), _openness(rows, columns, over), anchors


def _strand_uv(wide: np.ndarray, points: int, rng: np.random.Generator) -> np.ndarray:
    count = len(wide)
    left = rng.random((count, 1)) * (1 - 2 * wide.max() / STRAND_SHEET)
    along = rng.random((count, 1)) * 0.5 + 0.5 * np.linspace(0, 1, points)
    right = left + 2 * wide.max(1, keepdims=True) / STRAND_SHEET
    u = np.stack([np.repeat(left, points, 1), np.repeat(right, points, 1)], 2)
    return np.stack([u, np.repeat(along[..., None], 2, 2)], -1).reshape(-1, 2).astype(np.float32)


def strand_albedo(
    count: int,
    points: int,
    colour: tuple[float, float, float],
    grey: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Linear albedo (n, p, 3): strands differ, tips are bleached, grey ones have no colour."""
    strand = np.exp(rng.normal(0, 0.2, (count, 1, 1)))
    warm = np.exp(rng.normal(0, 0.05, (count, 1, 1)) * [1, 0, -1.2])
    bleached = np.linspace(0.9, 1.15, points)[None, :, None]
    own = np.array(colour) * strand * warm * bleached
    white = np.array(COLOURS["white"]) * 0.75 * strand**0.5
    # A ribbon is many strands: with age all of them fade, some sooner.
    share = np.clip(grey + 0.35 * np.sin(np.pi * grey) * rng.normal(size=(count, 1, 1)), 0, 1)
    return (own + share * (white - own)).clip(0.002, 0.9)


def _openness(rows: np.ndarray, columns: np.ndarray, over: np.ndarray) -> np.ndarray:
    """0..1 (n, p): how high points are among the hair around them; roots see little light."""
    grid = np.zeros((23, 30), np.float32)
    at = rows // 6, columns // 6
    np.maximum.at(grid, at, over.astype(np.float32))
    thick = cv2.blur(grid, (3, 3), borderType=cv2.BORDER_REPLICATE)[at] * 0.8 + 1.5
    return smoothstep((over / thick + 0.35) / 1.2)


@cache
def strands() -> Texture:
    """Single strands side by side, (256, 256, 1), to multiply colours of hair with; mean 1."""
    rng = np.random.default_rng(0)
    sheet = np.zeros((256, 256))
    for across, share in ((0.7, 0.5), (1.6, 0.8), (4.0, 0.8)):
        noise = cv2.GaussianBlur(rng.normal(size=(256, 256)), (0, 0), across, sigmaY=24)
        sheet += share * noise / noise.std()
    sheet = np.exp(0.27 * sheet / sheet.std())
    return Texture((sheet / sheet.mean()).astype(np.float32)[..., None])
