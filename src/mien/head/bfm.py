"""The Basel Face Models 2009 and 2017, from the user's own files.

mien ships nothing of them. Millimetres; axes as in mien.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from mien.errors import InputError, MienError

MISSING = """{path}: no such file. The Basel Face Models come from https://faces.dmi.unibas.ch \
(2009: 01_MorphableModel.mat; 2017: model2017-1_bfm_nomouth.h5) after registration, for academic, \
non-commercial use only."""


@dataclass(slots=True, eq=False)
class Bfm:
    """A Basel Face Model.

    template: (V, 3) mm. triangles: (T, 3), counter-clockwise from outside.
    shape: (199, V, 3) mm, expression: (E, V, 3) mm, albedo: (199, V, 3), for one standard deviation
        each; the model of 2009 has no expression (E is 0).
    mean_albedo: (V, 3), 0..1.
    """

    template: np.ndarray
    triangles: np.ndarray
    shape: np.ndarray
    expression: np.ndarray
    mean_albedo: np.ndarray
    albedo: np.ndarray

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read the ``.mat`` of 2009 or an ``.h5`` of 2017.

        Raises MienError when the file is missing (it says where to get it) or its reader is not
        installed, InputError when it is not a Basel Face Model.
        """
        path = Path(path)
        if not path.exists():
            raise MienError(MISSING.format(path=path))
        try:
            if path.suffix == ".mat":
                return cls.from_2009(_reader("scipy.io", path).loadmat(path))
            with _reader("h5py", path).File(path, "r") as file:
                return cls.from_2017(file)
        except MienError:
            raise
        except Exception as error:  # on damaged files the readers raise nearly anything
            raise InputError(f"{path}: not a Basel Face Model: {error!r}") from error

    @classmethod
    def from_2009(cls, arrays: Mapping[str, Any]) -> Self:
        """From the arrays of ``01_MorphableModel.mat``: micrometres, colours 0..255.

        Raises KeyError or ValueError when one is missing or has a wrong shape.
        """
        template = _points(arrays["shapeMU"], 1e-3)
        return cls(
            template=template,
            triangles=_outwards(template, np.asarray(arrays["tl"], np.int64) - 1),
            shape=_fields(arrays["shapePC"], arrays["shapeEV"], 1e-3),
            expression=np.zeros((0, np.size(arrays["shapeMU"]) // 3, 3)),
            mean_albedo=_points(arrays["texMU"], 1 / 255),
            albedo=_fields(arrays["texPC"], arrays["texEV"], 1 / 255),
        )

    @classmethod
    def from_2017(cls, file: Mapping[str, Any]) -> Self:
        """From an opened HDF5 file of 2017: millimetres, colours 0..1, variances.

        Raises KeyError or ValueError when an array is missing or has a wrong shape.
        """

        def model(name: str) -> tuple[np.ndarray, np.ndarray]:
            part = file[f"{name}/model"]
            deviations = np.sqrt(np.asarray(part["pcaVariance"], np.float64))
            return _points(part["mean"], 1.0), _fields(part["pcaBasis"], deviations, 1.0)

        shape, expression, colour = (model(name) for name in ("shape", "expression", "color"))
        cells = np.asarray(file["shape/representer/cells"], np.int64)
        template = shape[0] + expression[0]
        return cls(
            template=template,
            triangles=_outwards(template, cells.T if cells.shape[0] == 3 else cells),
            shape=shape[1],
            expression=expression[1],
            mean_albedo=colour[0],
            albedo=colour[1],
        )

    def vertices(
        self, shape: ArrayLike | None = None, expression: ArrayLike | None = None
    ) -> np.ndarray:
        """Vertices (V, 3), or (B, V, 3) for codes (B, k) of standard deviations; mm, float64."""
        out = self.template
        for code, fields in ((shape, self.shape), (expression, self.expression)):
            if code is not None:
                code = np.asarray(code, np.float64)
                if code.shape[-1] > len(fields):
                    raise ValueError(f"{code.shape[-1]} values for {len(fields)} fields")
                out = out + np.tensordot(code, fields[: code.shape[-1]], 1)
        return out


def _reader(module: str, path: Path) -> Any:
    """A package that reads the file, which mien's core does without."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise MienError(f"{path}: needs {package}: pip install {package}") from error


def _outwards(template: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """The triangles (T, 3), all turned over if most of the face looks away from the viewer."""
    a, b, c = (template[triangles[:, i]] for i in range(3))
    return triangles if np.cross(b - a, c - a)[:, 2].sum() >= 0 else triangles[:, ::-1]


def _points(values: Any, unit: float) -> np.ndarray:
    return np.asarray(values, np.float64).reshape(-1, 3) * unit


def _fields(basis: Any, deviations: Any, unit: float) -> np.ndarray:
    """Fields (K, V, 3) of a basis (3 V, K) whose columns are for one unit."""
    scaled = np.asarray(basis, np.float64) * np.ravel(deviations) * unit
    return scaled.T.reshape(scaled.shape[1], -1, 3)
