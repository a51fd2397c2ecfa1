"""Active shape model (Cootes et al. 1995): which shapes a set of landmarks may take."""

from dataclasses import dataclass
from typing import Self

import numpy as np

LIMIT = 3.0  # standard deviations that a component may reach


@dataclass(frozen=True)
class ShapeModel:
    """``mean`` (K, 2), ``components`` (2K, C) orthonormal, ``deviations`` (C,) of normed shapes."""

    mean: np.ndarray
    components: np.ndarray
    deviations: np.ndarray

    @classmethod
    def fit(cls, shapes: np.ndarray, share: float = 0.9) -> Self:
        """The fewest principal components that keep ``share`` of the variance of (N, K, 2).

        Shapes are to be in one frame, such as parts of the crop. Raises ValueError for fewer than
        two shapes.
        """
        if len(shapes) < 2:
            raise ValueError("a shape model needs two shapes or more")
        flat = shapes.reshape(len(shapes), -1).astype(np.float64)
        mean = flat.mean(0)
        _, singular, components = np.linalg.svd(flat - mean, full_matrices=False)
        variance = singular**2 / len(flat)
        kept = np.cumsum(variance) / max(variance.sum(), 1e-12)
        count = min(int(np.searchsorted(kept, share)) + 1, len(variance))
        return cls(mean.reshape(-1, 2), components[:count].T, np.sqrt(variance[:count]))

    def smooth(self, shapes: np.ndarray) -> np.ndarray:
        """The nearest shapes (N, K, 2) of the model, no component beyond ``LIMIT``."""
        flat = (shapes - self.mean).reshape(len(shapes), -1)
        limit = LIMIT * self.deviations
        weights = np.clip(flat @ self.components, -limit, limit)
        return self.mean + (weights @ self.components.T).reshape(shapes.shape)
