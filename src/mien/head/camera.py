"""Cameras: from the world in millimetres to pixels and depth, and back.

World and camera axes are right-handed: x to the image's right, y up, z towards the viewer. A camera
sits at its own origin and looks along -z. In the picture the origin is the corner of the top left
pixel, x grows to the right, y downwards; depth is the distance in front of the camera along its
axis, in millimetres, positive, growing away from the viewer.

``rotation`` and ``translation`` bring the world before the camera: ``rotation @ p + translation``.
By default the camera looks at the world's origin from a metre away.

Every field may have leading batch axes, which broadcast with those of the points: ``focal`` (...),
``centre`` (..., 2), ``rotation`` (..., 3, 3), ``translation`` (..., 3). To optimise a camera, give
it tensors and use :func:`mien.head.raster_torch.project`.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

DISTANCE = 1000.0  # mm


def _upright() -> np.ndarray:
    return np.eye(3)


def _metre_away() -> np.ndarray:
    return np.array([0.0, 0.0, -DISTANCE])


@dataclass(frozen=True, eq=False, kw_only=True)
class Camera(ABC):
    """What all cameras share: principal point ``centre`` (x, y) in pixels, and the view."""

    centre: Any
    rotation: Any = field(default_factory=_upright)
    translation: Any = field(default_factory=_metre_away)

    perspective = False
    """Whether far things look smaller; interpolation in the picture depends on it."""

    @abstractmethod
    def pixels_per_mm(self, depth: Any) -> Any:
        """Size in the picture of a millimetre at these depths (..., n) in mm."""

    def project(self, points: np.ndarray) -> np.ndarray:
        """World points (..., n, 3) in mm to (..., n, 3): x, y in pixels, depth in mm.

        Points at or behind a perspective camera have no place in the picture: what comes out has a
        depth <= 0, and x and y mean nothing.
        """
        points = np.asarray(points, np.float64)
        rotation, translation = np.asarray(self.rotation), np.asarray(self.translation)
        seen = _turned(points, rotation) + translation[..., None, :]
        depth = -seen[..., 2]
        scale, centre = self._at(depth)
        x = centre[..., 0] + scale * seen[..., 0]
        y = centre[..., 1] - scale * seen[..., 1]
        return np.stack(np.broadcast_arrays(x, y, depth), -1)

    def unproject(self, pixels: np.ndarray) -> np.ndarray:
        """The world points (..., n, 3) in mm of pixels with depth, the inverse of ``project``."""
        pixels = np.asarray(pixels, np.float64)
        rotation, translation = np.asarray(self.rotation), np.asarray(self.translation)
        depth = pixels[..., 2]
        scale, centre = self._at(depth)
        x = (pixels[..., 0] - centre[..., 0]) / scale
        y = (centre[..., 1] - pixels[..., 1]) / scale
        seen = np.stack(np.broadcast_arrays(x, y, -depth), -1)
        return _turned(seen - translation[..., None, :], np.swapaxes(rotation, -1, -2))

    def _at(self, depth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels per millimetre at these depths, and the principal point, ready to broadcast."""
        scale = self.pixels_per_mm(np.where(depth > 0, depth, 1.0))
        return scale, np.asarray(self.centre)[..., None, :]


@dataclass(frozen=True, eq=False, kw_only=True)
class Perspective(Camera):
    """The pinhole camera; ``focal`` length in pixels."""

    focal: Any
    perspective = True

    def pixels_per_mm(self, depth: Any) -> Any:
        """focal / depth."""
        return _over_points(self.focal) / depth

    @classmethod
    def of_view(cls, degrees: float, width: int, height: int, **view: Any) -> Self:
        """The camera that sees ``degrees`` from the top to the bottom of a picture."""
        focal = height / 2 / np.tan(np.radians(degrees) / 2)
        return cls(focal=focal, centre=(width / 2, height / 2), **view)

    def weak(self) -> "WeakPerspective":
        """The weak perspective camera that agrees with this one at the world origin's depth."""
        return WeakPerspective(distance=-self.translation[..., 2], **vars(self))


@dataclass(frozen=True, eq=False, kw_only=True)
class WeakPerspective(Camera):
    """Parallel rays: at every depth all is as large as a pinhole camera sees it at ``distance``.

    ``focal`` length in pixels, ``distance`` in millimetres (the mean depth of what is looked at).
    """

    focal: Any
    distance: Any = DISTANCE

    def pixels_per_mm(self, depth: Any) -> Any:
        """focal / distance, the same at every depth."""
        return _over_points(self.focal / self.distance)


@dataclass(frozen=True, eq=False, kw_only=True)
class Orthographic(Camera):
    """Parallel rays; ``scale`` in pixels per millimetre, whatever the distance."""

    scale: Any

    def pixels_per_mm(self, depth: Any) -> Any:
        """scale, the same at every depth."""
        return _over_points(self.scale)

    @classmethod
    def of_height(cls, millimetres: float, width: int, height: int, **view: Any) -> Self:
        """The camera whose picture is ``millimetres`` high."""
        return cls(scale=height / millimetres, centre=(width / 2, height / 2), **view)


def moved(camera: Camera, rotation: np.ndarray, translation: np.ndarray) -> Camera:
    """The camera that sees points p as ``camera`` sees ``rotation @ p + translation``.

    With the pose of a head it draws the head's own coordinates.
    """
    outer = np.asarray(camera.rotation)
    shift = (outer @ np.asarray(translation)[..., None])[..., 0] + np.asarray(camera.translation)
    return replace(camera, rotation=outer @ np.asarray(rotation), translation=shift)


def _turned(points: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    # Not matmul: the threads of its library idle in a loop, and take cores from those that draw.
    return np.einsum("...ij,...nj->...ni", rotation, points)


def _over_points(value: Any) -> Any:
    """A number as it is; one per batch item (...) as (..., 1), to meet (..., n) points."""
    return value[..., None] if getattr(value, "ndim", 0) else value
