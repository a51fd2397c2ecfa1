"""Reading the pickles in which head models are given away, without running what is in them.

A pickle is a program: loading one can run any command. Here nothing that a pickle names is ever
imported or called. The few names that head models need (numpy arrays, scipy sparse matrices, chumpy
arrays) stand for small classes of this module that only remember what they are given; every other
name is refused.
"""

import io
import pickle
import pickletools
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

from mien.errors import InputError

LARGEST = 4 << 30  # bytes of a file, and of any one array that comes out of it


class Refused(Exception):
    """The pickle holds something that a head model does not need."""


class _Frozen(type):
    """Classes that a pickle cannot change."""

    def __setattr__(cls, name: str, value: Any) -> None:
        raise Refused("a change of a class")


class _Kept(metaclass=_Frozen):
    """What a pickle says of an object: the arguments it would be made with, and its state."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Array(_Kept):
    """numpy.ndarray; its state is (version, shape, dtype, Fortran order, data)."""


class _Buffer(_Kept):
    """An array as protocol 5 writes it: data, dtype, shape, order."""


class _Dtype(_Kept):
    """numpy.dtype; its first argument is the type, the second item of its state the byte order."""


class _Scalar(_Kept):
    """A numpy scalar: dtype and bytes."""


class _Rows(_Kept):
    """A scipy matrix in compressed rows."""


class _Columns(_Kept):
    """A scipy matrix in compressed columns."""


class _Coordinates(_Kept):
    """A scipy matrix by coordinates."""


class _Chumpy(_Kept):
    """A chumpy array; its state holds the data as ``x``."""


class _Selected(_Kept):
    """A selection from a chumpy array: ``a`` flat at the places ``idxs``."""


class _Named(metaclass=_Frozen):
    """Stands for a class that is only ever named, as an argument."""


class _NewArray(metaclass=_Frozen):
    """numpy's function that makes an array to be filled."""

    def __new__(cls, *_: Any) -> Any:
        return _Array()


class _NewObject(metaclass=_Frozen):
    """copyreg's function that makes an object to be filled."""

    def __new__(cls, kind: Any, *_: Any) -> Any:
        if not (isinstance(kind, type) and issubclass(kind, _Kept)):
            raise Refused("an object of an unknown class")
        return kind()


class _Bytes(metaclass=_Frozen):
    """_codecs.encode or, without arguments, bytes, by which Python 3 writes bytes for Python 2."""

    def __new__(cls, text: str = "", encoding: str = "latin1") -> Any:
        if encoding not in ("latin1", "latin-1", "iso-8859-1"):
            raise Refused(f"text in {encoding!r}")
        return text.encode("latin1")


SPARSE = (_Rows, _Columns, _Coordinates)


def _allowed(module: str, name: str) -> Any:
    """What a name in a pickle stands for; None where it is refused."""
    package = module.partition(".")[0]
    if package == "numpy":
        return {
            "_reconstruct": _NewArray,
            "_frombuffer": _Buffer,
            "scalar": _Scalar,
            "ndarray": _Named,
            "dtype": _Dtype,
        }.get(name)
    if package == "scipy" and module.startswith("scipy.sparse"):
        return {
            "csr_matrix": _Rows,
            "csr_array": _Rows,
            "csc_matrix": _Columns,
            "csc_array": _Columns,
            "coo_matrix": _Coordinates,
            "coo_array": _Coordinates,
        }.get(name)
    if package == "chumpy":
        return {"Ch": _Chumpy, "Select": _Selected}.get(name)
    return {
        ("copy_reg", "_reconstructor"): _NewObject,
        ("copyreg", "_reconstructor"): _NewObject,
        ("_codecs", "encode"): _Bytes,
        ("__builtin__", "bytes"): _Bytes,
        ("collections", "OrderedDict"): OrderedDict,
        ("__builtin__", "object"): _Named,
        ("builtins", "object"): _Named,
    }.get((module, name))


class _Reader(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str, /) -> Any:
        stand_in = _allowed(module_name, global_name)
        if stand_in is None:
            raise Refused(f"{module_name}.{global_name}")
        return stand_in


def load(path: str | Path) -> dict[str, Any]:
    """The arrays, numbers and texts of a pickled dictionary.

    Arrays come as numpy arrays, sparse matrices dense, chumpy arrays as their data; what else the
    dictionary may hold (other dictionaries, lists) comes along.

    Raises InputError when the file cannot be read, is not such a pickle, or names anything that is
    not plain data; nothing of it has then been run.
    """
    try:
        if Path(path).stat().st_size > LARGEST:
            raise Refused("a file of more than 4 GB")
        data = Path(path).read_bytes()
        _check_memory(data)
        content = _plain(_Reader(io.BytesIO(data), encoding="latin1").load())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    except Refused as error:
        raise InputError(
            f"{path}: not a head model: its pickle holds {error}, which was not run"
        ) from error
    except Exception as error:  # on damaged data pickle raises nearly anything
        raise InputError(f"{path}: not a head model: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: not a head model: its pickle is not a dictionary")
    return content


def _check_memory(data: bytes) -> None:
    """Refuse memo numbers that no honest pickle of this size has: they would fill the memory."""
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(argument) > len(data):  # type: ignore[arg-type]
            raise Refused("a memo number out of range")


def _plain(value: Any) -> Any:
    """What stand-ins stand for; containers hold what they held."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_plain(item) for item in value)
    if isinstance(value, _Array):
        return _array(value)
    if isinstance(value, _Buffer):
        raw, dtype, shape, order = value.arguments[:4]
        return np.frombuffer(_bytes(raw), _dtype(dtype)).reshape(shape, order=order).copy()
    if isinstance(value, _Scalar):
        dtype, raw = value.arguments
        return np.frombuffer(_bytes(raw), _dtype(dtype), 1)[0]
    if isinstance(value, SPARSE):
        return _dense(value)
    if isinstance(value, _Chumpy):
        return _plain(_state(value)["x"])
    if isinstance(value, _Selected):
        state = _state(value)
        return np.ravel(_plain(state["a"]))[_plain(state["idxs"])]
    if isinstance(value, _Kept):
        raise Refused("an incomplete object")
    return value


def _state(value: _Kept) -> dict[str, Any]:
    if not isinstance(value.state, dict):
        raise Refused("an incomplete object")
    return value.state


def _bytes(raw: Any) -> bytes:
    return raw.encode("latin1") if isinstance(raw, str) else bytes(raw)


def _dtype(value: Any) -> np.dtype:
    """Numbers, booleans and texts; structures and objects are refused."""
    if not isinstance(value, _Dtype):
        raise Refused("an array of unknown type")
    text = value.arguments[0]
    order = value.state[1] if value.state else "|"
    dtype = np.dtype(_bytes(text).decode("ascii"))
    if dtype.kind not in "biufcSU":
        raise Refused(f"an array of type {dtype}")
    return dtype.newbyteorder(order) if order in ("<", ">") else dtype


def _array(value: _Array) -> np.ndarray:
    if not value.state:
        raise Refused("an array without data")
    _, shape, dtype, fortran, raw = value.state
    flat = np.frombuffer(_bytes(raw), _dtype(dtype))
    return flat.reshape(shape, order="F" if fortran else "C").copy()


def _dense(value: _Kept) -> np.ndarray:
    """A sparse matrix as a dense one; repeated entries add up."""
    state = {key.lstrip("_"): item for key, item in _state(value).items()}
    rows, columns = (int(n) for n in _plain(state["shape"]))
    data = _plain(state["data"])
    if rows * columns * data.itemsize > LARGEST:
        raise Refused("a matrix of more than 4 GB")
    out = np.zeros((rows, columns), data.dtype)
    if isinstance(value, _Coordinates):
        coordinates = _plain(state["coords"]) if "coords" in state else None
        i, j = coordinates or (_plain(state["row"]), _plain(state["col"]))
    else:
        minor, starts = _plain(state["indices"]), _plain(state["indptr"])
        major = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        i, j = (major, minor) if isinstance(value, _Rows) else (minor, major)
    np.add.at(out, (i, j), data)
    return out
