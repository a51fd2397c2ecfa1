"""The world on disk: shards of samples, as tar files that WebDataset reads or as Parquet.

In a tar file a sample ``00000017`` is ``00000017.jpg`` (or ``.png``), ``00000017.json`` (labels)
and ``00000017.npz`` (arrays); in a Parquet file it is a row. A manifest beside the shards says what
they are. The same recipe, seed and numbers give the same bytes. ``mien.world.stored`` reads them.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import mien
from mien.errors import MienError, UsageError
from mien.media.files import atomic
from mien.world.recipe import Recipe
from mien.world.world import Sample, World

PER_SHARD = 512
IN_A_ROW = 64  # that many samples in a row or a part of them show one person; divides PER_SHARD
ROWS, ROWS_WITH_MAPS = 64, 8  # of a Parquet file that are read at once
QUALITY = 95
ARRAYS = ("landmarks", "landmarks68", "visible", "parsing", "expression", "action_units", "sides",
          "pose", "gaze", "light", "lamp", "identity", "skin")  # fmt: skip
"""The arrays of a sample; ``maps`` are added when asked for."""
MAPS = ("depth", "normals", "albedo", "uv", "alpha")
NOTE = "synthetic: people who do not exist, made with mien"
FORMATS = {"tar": ".tar", "parquet": ".parquet"}
"""Suffix of a shard by format."""


def make(
    recipe: Recipe,
    out: Path,
    *,
    count: int,
    split: str = "train",
    seed: int = 0,
    start: int = 0,
    in_a_row: int = 1,
    maps: bool = False,
    lossless: bool = False,
    format: str = "tar",
    processes: int = 1,
    commit: Mapping[str, Any] | None = None,
    on_shard: Callable[[Path], object] = lambda path: None,
) -> dict[str, Any]:
    """Write samples ``start`` to ``start + count - 1`` into a folder; its manifest is returned.

    in_a_row: how many samples in a row show the same person. maps: also depth, normals, albedo, uv
    and alpha of every pixel, as float16. lossless: PNG instead of JPEG. format: of ``FORMATS``.
    processes: the files are the same for any number. commit: of the code, for the manifest.

    Raises UsageError for an unknown format, or where people's rows would be cut; MienError when the
    folder cannot be written.
    """
    if format not in FORMATS:
        raise UsageError(f"no format {format!r}; there are {', '.join(FORMATS)}")
    if in_a_row < 1 or IN_A_ROW % in_a_row or start % in_a_row or count % in_a_row:
        raise UsageError(
            f"{in_a_row} in a row: must be a power of 2 up to {IN_A_ROW} that divides the count "
            f"and the first number"
        )
    open_world = partial(World, recipe, split, seed, in_a_row=in_a_row)
    open_world()  # is there such a split?
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MienError(f"{out}: {error.strerror}") from error
    write = partial(_shard, open_world, maps, lossless)
    jobs = [
        (range(first, min(first + PER_SHARD, start + count)),
         out / f"{split}-{number:05d}{FORMATS[format]}")
        for number, first in enumerate(range(start, start + count, PER_SHARD))
    ]  # fmt: skip
    shards = []
    for shard in _done(write, jobs, processes):
        shards.append(shard)
        on_shard(out / shard["file"])
    manifest = {
        "note": NOTE,
        "made_by": f"mien {mien.__version__}",
        "commit": commit,
        "format": format,
        "recipe": plain(recipe),
        "recipe_hash": recipe.fingerprint(),
        "split": split,
        "seed": seed,
        "start": start,
        "count": count,
        "in_a_row": in_a_row,
        "maps": maps,
        "shards": shards,
    }
    with atomic(out / f"{split}.json") as temporary:
        temporary.write_text(json.dumps(manifest, indent=2) + "\n", "utf-8")
    return manifest


def plain(recipe: Recipe) -> dict[str, Any]:
    """A recipe as ``Recipe.of`` takes it; of the folder of portraits its name."""
    out = asdict(recipe)
    out["portraits"] = Path(out["portraits"]).name
    out["factors"] = {
        name: {kind: value for kind, value in factor.items() if value is not None}
        for name, factor in out["factors"].items()
    }
    return out


Job = tuple[range, Path]


def _done(
    write: Callable[[Job], dict[str, Any]], jobs: list[Job], processes: int
) -> Iterator[dict[str, Any]]:
    if processes == 1 or len(jobs) == 1:
        yield from map(write, jobs)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(write, jobs)


def _shard(open_world: Callable[[], World], maps: bool, lossless: bool, job: Job) -> dict[str, Any]:
    """Write one shard; its entry in the manifest."""
    (numbers, path), world = job, open_world()
    write = _write_parquet if path.suffix == FORMATS["parquet"] else _write_tar
    with atomic(path) as temporary:
        write(temporary, world, numbers, maps, lossless)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"file": path.name, "first": numbers[0], "count": len(numbers), "sha256": digest}


def _write_tar(path: Path, world: World, numbers: range, maps: bool, lossless: bool) -> None:
    with tarfile.open(path, "w") as tar:
        for index in numbers:
            for suffix, content in packed(world.sample(index), maps, lossless).items():
                entry = tarfile.TarInfo(f"{index:08d}.{suffix}")
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))


def _write_parquet(path: Path, world: World, numbers: range, maps: bool, lossless: bool) -> None:
    import pyarrow.parquet as pq

    rows = ROWS_WITH_MAPS if maps else ROWS
    writer = None
    try:
        for first in range(numbers[0], numbers[-1] + 1, rows):
            some = range(first, min(first + rows, numbers[-1] + 1))
            table = _table(some, [world.sample(i) for i in some], maps, lossless)
            if writer is None:
                writer = pq.ParquetWriter(
                    path, table.schema, compression="zstd", use_dictionary=False
                )
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()


def _table(numbers: range, samples: list[Sample], maps: bool, lossless: bool) -> Any:
    """Samples as rows: index, image (an encoded file), labels, and arrays as flat lists.

    An array's shape is in its field's metadata. Labels that are lists or mappings are JSON.
    """
    import pyarrow as pa

    columns: dict[str, Any] = {
        "index": pa.array(numbers, pa.int64()),
        "image": pa.array([encoded(sample["image"], lossless) for sample in samples]),
    }
    facts: dict[str, dict[str, str]] = {}
    said = [labels(sample) for sample in samples]
    for name, first in said[0].items():
        values = [one[name] for one in said]
        if isinstance(first, list | dict):
            values = [json.dumps(value, sort_keys=True) for value in values]
            facts[name] = {"json": "1"}
        columns[name] = pa.array(values)
    kept = [arrays(sample, maps) for sample in samples]
    for name, first in kept[0].items():
        flat = pa.array(np.stack([one[name] for one in kept]).ravel())
        columns[name] = pa.FixedSizeListArray.from_arrays(flat, first.size)
        facts[name] = {"shape": json.dumps(first.shape)}
    fields = [
        pa.field(name, column.type, nullable=False, metadata=facts.get(name))
        for name, column in columns.items()
    ]
    return pa.table(list(columns.values()), pa.schema(fields, metadata={"note": NOTE}))


def packed(sample: Sample, maps: bool = False, lossless: bool = False) -> dict[str, bytes]:
    """The files of a sample: suffix -> content."""
    file = io.BytesIO()
    kept: dict[str, Any] = arrays(sample, maps)
    np.savez_compressed(file, allow_pickle=False, **kept)
    return {
        "png" if lossless else "jpg": encoded(sample["image"], lossless),
        "json": json.dumps(labels(sample), sort_keys=True).encode(),
        "npz": file.getvalue(),
    }


def encoded(image: np.ndarray, lossless: bool = False) -> bytes:
    """An image (h, w, 3) uint8 as JPEG or PNG, which says that it is synthetic."""
    file = io.BytesIO()
    if lossless:
        mark = PngInfo()
        mark.add_text("Comment", NOTE)
        Image.fromarray(image).save(file, "PNG", pnginfo=mark)
    else:
        Image.fromarray(image).save(
            file, "JPEG", quality=QUALITY, subsampling=0, comment=NOTE.encode()
        )
    return file.getvalue()


def arrays(sample: Sample, maps: bool = False) -> dict[str, np.ndarray]:
    """The arrays of a sample that are kept."""
    kept = {name: np.asarray(sample[name]) for name in ARRAYS}
    if maps:
        kept |= {name: sample[name].astype(np.float16) for name in MAPS}
    return kept


def labels(sample: Sample) -> dict[str, Any]:
    """The plain labels of a sample, as JSON takes them."""
    out: dict[str, Any] = {"synthetic": True}
    for name, value in sample.items():
        if isinstance(value, str | bool | int | float | dict | list):
            out[name] = value
        elif isinstance(value, np.generic):
            out[name] = value.item()
    return out
