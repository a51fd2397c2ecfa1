"""Put one face into the picture of another: regions, soft edges, colours, gradients, warps.

Images are (h, w, 3) uint8 RGB. Everything here is exact about where it changes a picture: where a
weight is 0, the target stays as it was.
"""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from mien import face
from mien.find import mean_face
from mien.head.raster import interpolate, rasterize
from mien.head.texture import smoothstep

TRANSFERS = ("none", "deviation", "covariance")


@dataclass(frozen=True, slots=True)
class Blend:
    """How a face is put into a picture.

    region: of ``mien.world.forging.REGIONS``. method: "feather", or "poisson" (Perez et al.,
    SIGGRAPH 2003). transfer: of ``TRANSFERS``, what of the colours is made alike: nothing, mean and
    deviation in CIELAB (Reinhard et al. 2001), or mean and covariance in RGB (Pitie and Kokaram
    2007). feather, bent: width of the soft edge, and how far the edge is deformed, in parts of the
    face. ratio: 1 covers.
    """

    region: str = "hull"
    method: str = "feather"
    transfer: str = "none"
    feather: float = 0.08
    bent: float = 0.0
    ratio: float = 1.0

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Blend":
        """As forgers blend."""
        return cls(
            region=str(rng.choice(["hull", "inner", "face"])),
            method=str(rng.choice(["feather", "poisson"], p=[0.7, 0.3])),
            transfer=str(rng.choice(TRANSFERS, p=[0.1, 0.5, 0.4])),
            feather=float(rng.uniform(0.02, 0.15)),
            bent=float(rng.choice([0.0, 1.0]) * rng.uniform(0.01, 0.05)),
        )

    def weight(self, region: np.ndarray, extent: float, rng: np.random.Generator) -> np.ndarray:
        """How much (h, w) float32, 0..1, of the source shows; 0 outside the (bent) region."""
        mask = bent(region, self.bent * extent, rng) if self.bent else region
        return self.ratio * feathered(
            mask, 0 if self.method == "poisson" else self.feather * extent
        )

    def __call__(self, source: np.ndarray, target: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Both pictures (h, w, 3) uint8 as one."""
        source = transferred(source, target, weight > 0, self.transfer)
        if self.method == "poisson":
            source = cloned(source, target, weight > 0)
        return mixed(source, target, weight)


def feathered(mask: np.ndarray, width: float) -> np.ndarray:
    """A mask (h, w) bool as float32 that rises from 0 at its edge to 1 ``width`` pixels inside."""
    if width < 1:
        return mask.astype(np.float32)
    inside = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return smoothstep((inside / width).clip(0, 1)).astype(np.float32)


def bent(mask: np.ndarray, reach: float, rng: np.random.Generator) -> np.ndarray:
    """A mask (h, w) bool with its edge pushed to and fro by about ``reach`` pixels."""
    height, width = mask.shape
    grid = rng.normal(0, reach, (6, 6, 2)).astype(np.float32)
    away = cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    moved = cv2.remap(mask.astype(np.uint8), x + away[..., 0], y + away[..., 1], cv2.INTER_NEAREST)
    return moved > 0


def mixed(source: np.ndarray, target: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """``weight`` (h, w) of the source, the rest of the target, (h, w, 3) uint8."""
    value = target + weight[..., None] * (source.astype(np.float32) - target)
    return (value + 0.5).clip(0, 255).astype(np.uint8)


def transferred(source: np.ndarray, target: np.ndarray, where: np.ndarray, way: str) -> np.ndarray:
    """The source (h, w, 3) uint8 with the colours that the target has ``where`` (h, w) bool."""
    if way == "none" or where.sum() < 16:
        return source
    if way == "deviation":
        values = _lab(source)
        ours, theirs = values[where], _lab(target)[where]
        scale = (theirs.std(0) / np.maximum(ours.std(0), 1e-3)).clip(0.5, 2)
        matched = (values - ours.mean(0)) * scale + theirs.mean(0)
        rgb = cv2.cvtColor(matched.astype(np.float32), cv2.COLOR_LAB2RGB)
        return (255 * rgb + 0.5).clip(0, 255).astype(np.uint8)
    ours, theirs = source[where].astype(np.float64), target[where].astype(np.float64)
    change = _monge(np.cov(ours.T) + np.eye(3), np.cov(theirs.T) + np.eye(3))
    matched = (source - ours.mean(0)) @ change.T + theirs.mean(0)
    return (matched + 0.5).clip(0, 255).astype(np.uint8)


def _lab(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)


def _monge(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """The linear map (3, 3) of least effort between two covariances."""
    root = _root(ours)
    back = np.linalg.inv(root)
    return back @ _root(root @ theirs @ root) @ back


def _root(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def cloned(source: np.ndarray, target: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The target with the gradients of the source in a mask (h, w) bool, not beside the border."""
    inner = np.zeros(mask.shape, np.uint8)
    inner[2:-2, 2:-2] = mask[2:-2, 2:-2]
    if not inner.any():
        return target.copy()
    x, y, width, height = cv2.boundingRect(inner)
    middle = x + width // 2, y + height // 2
    return cv2.seamlessClone(source, target, 255 * inner, middle, cv2.NORMAL_CLONE)


def warped(
    image: np.ndarray, places: np.ndarray, landmarks: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The face of an image (h, w, 3) uint8, whose landmarks are at ``places`` (478, 2), moved to
    other landmarks (478, 3); and where (h, w) bool it is."""
    height, width = image.shape[:2]
    rings = (face.RIGHT_EYE, face.LEFT_EYE, face.LIPS_INNER)
    here, there = (
        np.concatenate([points, [points[ring].mean(0) for ring in rings]])
        for points in (places, landmarks)
    )
    fragments = rasterize(there, _mesh(), width, height)
    source = interpolate(here.astype(np.float32), _mesh(), fragments) - 0.5
    out = cv2.remap(
        image, source[..., 0].astype(np.float32), source[..., 1].astype(np.float32),
        cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    return out, fragments.covered


@cache
def _mesh() -> np.ndarray:
    """Skin, then fans over the eyes and the mouth, whose middles are points 478 to 480."""
    fans = [
        np.column_stack([ring, np.roll(ring, -1), np.full(len(ring), 478 + i)])
        for i, ring in enumerate((face.RIGHT_EYE, face.LEFT_EYE, face.LIPS_INNER))
    ]
    return np.concatenate([mean_face.triangles(), *fans]).astype(np.int64)
