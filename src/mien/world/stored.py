"""Reading shards of the world back: any sample by its place, checked before it is believed.

shards = Shards("smiles")           # or "smiles/val.json", where a folder holds several splits
sample = shards[17]                 # the image, labels and arrays that World.sample(17) had
"""

import hashlib
import io
import json
import tarfile
import zipfile
import zlib
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from mien.errors import InputError
from mien.world.recipe import LARGEST_SIZE
from mien.world.shards import ARRAYS, FORMATS, IN_A_ROW
from mien.world.world import Sample

LARGEST_FILE = 2**28  # bytes of one sample's arrays when unpacked
KEPT = 4  # decoded parts of Parquet files that a process keeps


class Shards:
    """Samples that ``mien world make`` wrote.

    path: the folder, if it holds one split, or the manifest in it. names: the arrays that samples
    have; reading fewer is faster. A shard is checked when it is first read.

    Raises InputError for a manifest that is missing or makes no sense.
    """

    def __init__(self, path: str | Path, names: Sequence[str] = ARRAYS) -> None:
        self.path = manifest_path(Path(path))
        self.names = tuple(names)
        self.manifest = _manifest(self.path)
        self.lengths = [shard["count"] for shard in self.manifest["shards"]]
        self.ends = np.cumsum(self.lengths).tolist()
        self._open: dict[int, _Shard] = {}

    def __len__(self) -> int:
        return self.ends[-1]

    def __getitem__(self, place: int) -> Sample:
        """The sample at a place, 0 on; its number in the world is ``start`` more.

        Raises IndexError beyond the end, and InputError for a shard that is missing or damaged.
        """
        if not 0 <= place < len(self):
            raise IndexError(f"sample {place} of {len(self)}")
        number = bisect_right(self.ends, place)
        shard = self._shard(number)
        try:
            return shard.sample(place - self.ends[number] + self.lengths[number])
        except _BROKEN as error:
            reason = " ".join(str(error).split())
            raise InputError(f"{shard.path}: sample {place} cannot be read: {reason}") from error

    def _shard(self, number: int) -> "_Shard":
        if number not in self._open:
            entry = self.manifest["shards"][number]
            path = self.path.parent / entry["file"]
            _check_hash(path, entry["sha256"])
            kind = _Parquet if self.manifest["format"] == "parquet" else _Tar
            try:
                shard = kind(path, self.names)
            except _BROKEN as error:
                reason = " ".join(str(error).split())
                raise InputError(f"{path}: not a shard of the world: {reason}") from error
            if len(shard) != entry["count"]:
                raise InputError(f"{path}: {len(shard)} samples, the manifest says "
                                 f"{entry['count']}")  # fmt: skip
            self._open[number] = shard
        return self._open[number]

    def __getstate__(self) -> dict[str, Any]:
        """Other processes open the shards themselves."""
        return {**self.__dict__, "_open": {}}


_BROKEN = (LookupError, ValueError, TypeError, OSError, EOFError, tarfile.TarError,
           zipfile.BadZipFile, zlib.error, Image.DecompressionBombError)  # fmt: skip
"""What damaged files raise; errors of Parquet, JSON and images are among these."""


class _Shard(Protocol):
    path: Path

    def __len__(self) -> int: ...

    def sample(self, row: int) -> Sample: ...


class _Tar:
    """A tar shard; only where its files lie is kept."""

    SUFFIXES = ("jpg", "json", "npz")

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        self.path, self.names = path, names
        with tarfile.open(path, "r:") as tar:
            entries = [entry for entry in tar if entry.isreg()]
        places: dict[str, dict[str, tuple[int, int]]] = {}
        for entry in entries:
            stem, _, suffix = entry.name.partition(".")
            suffix = "jpg" if suffix == "png" else suffix
            places.setdefault(stem, {})[suffix] = (entry.offset_data, entry.size)
        self.places = np.array(
            [[files[suffix] for suffix in self.SUFFIXES] for files in places.values()], np.int64
        )

    def __len__(self) -> int:
        return len(self.places)

    def sample(self, row: int) -> Sample:
        places = self.places[row]
        with self.path.open("rb") as file:
            file.seek(places[:, 0].min())
            low = file.tell()
            block = file.read(int(places.sum(1).max()) - low)
        picture, text, packed = (block[at - low : at - low + size] for at, size in places)
        with np.load(io.BytesIO(packed), allow_pickle=False) as file:
            if sum(info.file_size for info in file.zip.infolist()) > LARGEST_FILE:
                raise ValueError("its arrays are too large")
            arrays = {name: file[name] for name in self.names}
        return {"image": _picture(picture), **json.loads(text), **arrays}


class _Parquet:
    """A Parquet shard; a few of its row groups are kept decoded, as samples come in order."""

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        import pyarrow.parquet as pq

        self.path, self.names = path, names
        with pq.ParquetFile(path) as file:
            about, schema = file.metadata, file.schema_arrow
            counts = [about.row_group(i).num_rows for i in range(about.num_row_groups)]
            sizes = [about.row_group(i).total_byte_size for i in range(about.num_row_groups)]
        if max(sizes, default=0) > 64 * LARGEST_FILE:
            raise ValueError("its row groups are too large")
        self.ends = np.cumsum(counts).tolist()
        facts = {field.name: field.metadata or {} for field in schema}
        self.labels = [name for name, said in facts.items()
                       if name not in ("index", "image") and b"shape" not in said]  # fmt: skip
        self.nested = [name for name in self.labels if b"json" in facts[name]]
        self.shapes = {name: json.loads(facts[name][b"shape"]) for name in names}
        self.group = lru_cache(maxsize=KEPT)(self._group)

    def __len__(self) -> int:
        return self.ends[-1] if self.ends else 0

    def sample(self, row: int) -> Sample:
        number = bisect_right(self.ends, row)
        images, labels, arrays = self.group(number)
        at = row - self.ends[number] + len(images)
        return {
            "image": _picture(images[at].as_buffer()),
            **labels[at],
            **{name: values[at].copy() for name, values in arrays.items()},
        }

    def _group(self, number: int) -> tuple[Any, list[dict[str, Any]], dict[str, np.ndarray]]:
        import pyarrow.parquet as pq

        with pq.ParquetFile(self.path) as file:
            columns = ["image", *self.labels, *self.names]
            table = file.read_row_group(number, columns, use_threads=False).combine_chunks()
        labels = table.select(self.labels).to_pylist()
        for one in labels:
            one.update({name: json.loads(one[name]) for name in self.nested})
        arrays = {
            name: table[name].chunk(0).values.to_numpy(zero_copy_only=False)
            .reshape(len(table), *self.shapes[name])
            for name in self.names
        }  # fmt: skip
        return table["image"].chunk(0), labels, arrays


def _picture(content: Any) -> np.ndarray:
    """An encoded image as (h, w, 3) uint8."""
    with Image.open(io.BytesIO(content), formats=("JPEG", "PNG")) as image:
        if max(image.size) > LARGEST_SIZE:
            raise ValueError(f"an image of {image.size[0]} x {image.size[1]}")
        return np.array(image.convert("RGB"))


def manifest_path(path: Path) -> Path:
    """The manifest of a folder of one split; a file stands for itself."""
    if not path.is_dir():
        return path
    found = sorted(path.glob("*.json"))
    if not found:
        raise InputError(f"{path}: no manifest (SPLIT.json) as mien world make writes it")
    if len(found) > 1:
        names = ", ".join(file.name for file in found)
        raise InputError(f"{path}: several splits ({names}); name one of these files")
    return found[0]


def _manifest(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"{path}: not a manifest: {error}") from error
    if not _sensible(found):
        raise InputError(f"{path}: not a manifest of mien world make")
    return found


def _sensible(found: Any) -> bool:
    try:
        return (
            found["format"] in FORMATS
            and bool(found["shards"])
            and IN_A_ROW % found["in_a_row"] == 0
            and 1 <= found["recipe"]["size"] <= LARGEST_SIZE
            and all(
                Path(shard["file"]).name == shard["file"]
                and 1 <= shard["count"] <= 10**9
                and isinstance(shard["count"], int)
                and shard["count"] % found["in_a_row"] == 0
                and isinstance(shard["sha256"], str)
                for shard in found["shards"]
            )
        )
    except (KeyError, TypeError, ArithmeticError):
        return False


def _check_hash(path: Path, wanted: str) -> None:
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    if digest != wanted:
        raise InputError(f"{path}: damaged or changed: its SHA-256 is not the manifest's")
