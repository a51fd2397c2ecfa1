"""Weights: what is known of each (record), where its file is (store), how it gets here (download),
and how it is run (onnx).
"""

from mien.hub.download import get, terms
from mien.hub.onnx import OnnxNetwork
from mien.hub.record import WeightRecord, lookup, records
from mien.hub.store import add, path_of, resolve, state

__all__ = [
    "OnnxNetwork",
    "WeightRecord",
    "add",
    "get",
    "lookup",
    "path_of",
    "records",
    "resolve",
    "state",
    "terms",
]
