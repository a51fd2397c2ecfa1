"""The statistical model of the face's texture: mean and principal components of albedo.

It lives in the texture space of the material ``face`` and holds logarithms of linear albedo, in
which light and skin add up. Built by :mod:`mien.head.albedo_build` from portraits of people who do
not exist; like Basel's and FLAME's texture models, but free to ship.
"""

from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np

from mien.errors import InputError
from mien.media.files import atomic

FORMAT = 1
TINT = 0.3  # standard deviation of the logarithm of exposure, beside the components
NOISE = 0.25  # standard deviation of a texel's logarithm from the model
SAMPLES = 6000  # texels that a fit looks at


@dataclass(slots=True, eq=False)
class AlbedoModel:
    """Logarithms of linear albedo on a square texture.

    mean: (s, s, 3) float32. basis: (k, s, s, 3) float32, for one standard deviation each.
    known: (s, s) bool, texels that the portraits show; beyond them the mean goes on smoothly.
    """

    mean: np.ndarray
    basis: np.ndarray
    known: np.ndarray

    @classmethod
    def bundled(cls) -> "AlbedoModel":
        """The model that comes with mien; loaded once, so change nothing in it."""
        return _bundled()

    @classmethod
    def load(cls, path: str | Path) -> "AlbedoModel":
        """Read what :meth:`save` wrote; raises InputError when the file is something else."""
        try:
            with np.load(path, allow_pickle=False) as arrays:
                if int(arrays["format"]) != FORMAT:
                    raise ValueError(f"format {int(arrays['format'])}")
                known = np.unpackbits(arrays["known"]).astype(bool)
                size = int(np.sqrt(known.size))
                basis = arrays["basis"].astype(np.float32) * arrays["scale"][:, None, None, None]
                return cls(
                    mean=arrays["mean"].astype(np.float32),
                    basis=np.cumsum(basis.reshape(-1, size, size, 3), axis=2, dtype=np.float32),
                    known=known.reshape(size, size),
                )
        except OSError as error:
            raise InputError(f"{path}: {error.strerror or error}") from error
        except Exception as error:  # on damaged archives numpy raises nearly anything
            raise InputError(f"{path}: not an albedo model: {error}") from error

    def save(self, path: str | Path) -> None:
        """Write the model: components as differences along rows, in 8 bits."""
        flat = self.basis.reshape(len(self.basis), *self.mean.shape)
        scale = np.array([np.abs(np.diff(c, axis=1, prepend=0)).max() for c in flat]) / 125
        coded = np.stack([_coded(c, s) for c, s in zip(flat, scale, strict=True)])
        with atomic(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(
                file, format=np.int64(FORMAT), mean=self.mean.astype(np.float16), basis=coded,
                scale=scale.astype(np.float32), known=np.packbits(self.known),
            )  # fmt: skip

    @property
    def size(self) -> int:
        """Texels a side."""
        return self.mean.shape[0]

    def texture(self, code: np.ndarray) -> np.ndarray:
        """Linear albedo (s, s, 3) float32 of a code (j,), j <= k, standard deviations."""
        code = np.asarray(code, np.float32)
        return np.exp(self.mean + np.tensordot(code, self.basis[: len(code)], 1))

    def fit(self, albedo: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """The code (k,) and the exposure (3,) that explain an albedo where it has weight.

        Args:
            albedo: (s, s, 3) linear. weight: (s, s). Components have a standard normal prior;
            ``exp(exposure)`` multiplies the model's texture.

        Returns:
            (k + 3,) float32.
        """
        places = np.flatnonzero((weight * self.known).ravel() > 0.05)
        places = places[:: max(1, len(places) // SAMPLES)]
        count = len(self.basis)
        if not len(places):
            return np.zeros(count + 3, np.float32)
        goal = np.log(np.maximum(albedo.reshape(-1, 3)[places], 1e-3))
        goal = (goal - self.mean.reshape(-1, 3)[places]).ravel()
        columns = self.basis.reshape(count, -1, 3)[:, places].reshape(count, -1)
        columns = np.vstack([columns, np.tile(np.eye(3, dtype=np.float32), len(places))])
        # Texels beside each other say nearly the same: their noise is not independent.
        strength = np.repeat(weight.ravel()[places], 3) * (300 / len(places) / NOISE**2)
        prior = np.diag(np.r_[np.ones(count), np.full(3, TINT**-2)])
        code = np.zeros(count + 3)
        for _ in range(4):
            away = code @ columns - goal
            robust = columns * (strength / (1 + (away / (2 * NOISE)) ** 2))
            code = np.linalg.solve(robust @ columns.T + prior, robust @ goal)
        return code.astype(np.float32)

    def explain(self, solution: np.ndarray) -> np.ndarray:
        """Linear albedo (s, s, 3) of what :meth:`fit` returned."""
        return self.texture(solution[:-3]) * np.exp(solution[-3:])


def _coded(component: np.ndarray, scale: float) -> np.ndarray:
    """A component in steps of ``scale``, as differences along rows."""
    whole = np.round(component / scale).astype(np.int32)
    return np.diff(whole, axis=1, prepend=0).clip(-127, 127).astype(np.int8)


@cache
def _bundled() -> AlbedoModel:
    with resources.as_file(resources.files("mien.head") / "albedo.npz") as path:
        return AlbedoModel.load(path)
