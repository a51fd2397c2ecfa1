"""The world on disk: tar shards that WebDataset reads, with a manifest.

A sample ``00000017`` is the files ``00000017.jpg`` (or ``.png``), ``00000017.json`` (labels) and
``00000017.npz`` (arrays). The same recipe, seed and numbers give the same bytes.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import mien
from mien.errors import MienError
from mien.media.files import atomic
from mien.world.recipe import Recipe
from mien.world.world import Sample, World

PER_SHARD = 500
QUALITY = 95
ARRAYS = ("landmarks", "landmarks68", "visible", "parsing", "expression", "action_units", "sides",
          "pose", "gaze", "light", "lamp", "identity", "skin")  # fmt: skip
"""What goes into the ``.npz`` of a sample; ``maps`` are added when asked for."""
MAPS = ("depth", "normals", "albedo", "uv", "alpha")
NOTE = "synthetic: people who do not exist, made with mien"


def make(
    recipe: Recipe,
    out: Path,
    *,
    count: int,
    split: str = "train",
    seed: int = 0,
    start: int = 0,
    maps: bool = False,
    lossless: bool = False,
    processes: int = 1,
    on_shard: Callable[[Path], object] = lambda path: None,
) -> dict[str, Any]:
    """Write samples ``start`` to ``start + count - 1`` into a folder; its manifest is returned.

    maps: also depth, normals, albedo, uv and alpha of every pixel, as float16. lossless: PNG
    instead of JPEG. processes: the files are the same for any number.

    Raises MienError when the folder cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MienError(f"{out}: {error.strerror}") from error
    firsts = range(start, start + count, PER_SHARD)
    jobs = [
        (recipe, split, seed, first, min(PER_SHARD, start + count - first), maps, lossless,
         out / f"{split}-{number:05d}.tar")
        for number, first in enumerate(firsts)
    ]  # fmt: skip
    shards = []
    for shard in _done(jobs, processes):
        shards.append(shard)
        on_shard(out / shard["file"])
    manifest = {
        "note": NOTE,
        "made_by": f"mien {mien.__version__}",
        "recipe": recipe.name,
        "recipe_hash": recipe.fingerprint(),
        "split": split,
        "seed": seed,
        "start": start,
        "count": count,
        "shards": shards,
    }
    with atomic(out / f"{split}.json") as temporary:
        temporary.write_text(json.dumps(manifest, indent=2) + "\n", "utf-8")
    return manifest


def _done(jobs: list[tuple], processes: int) -> Iterator[dict[str, Any]]:
    if processes == 1 or len(jobs) == 1:
        yield from map(_shard, jobs)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_shard, jobs)


def _shard(job: tuple) -> dict[str, Any]:
    recipe, split, seed, first, count, maps, lossless, path = job
    world = World(recipe, split, seed)
    with atomic(path) as temporary, tarfile.open(temporary, "w") as tar:
        for index in range(first, first + count):
            for suffix, content in packed(world.sample(index), maps, lossless).items():
                entry = tarfile.TarInfo(f"{index:08d}.{suffix}")
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"file": path.name, "first": first, "count": count, "sha256": digest}


def packed(sample: Sample, maps: bool = False, lossless: bool = False) -> dict[str, bytes]:
    """The files of a sample: suffix -> content."""
    picture, arrays = io.BytesIO(), io.BytesIO()
    image = Image.fromarray(sample["image"])
    if lossless:
        image.save(picture, "PNG")
    else:
        image.save(picture, "JPEG", quality=QUALITY, subsampling=0, comment=NOTE.encode())
    kept: dict[str, Any] = {name: np.asarray(sample[name]) for name in ARRAYS}
    if maps:
        kept |= {name: sample[name].astype(np.float16) for name in MAPS}
    np.savez_compressed(arrays, allow_pickle=False, **kept)
    text = json.dumps(labels(sample), sort_keys=True)
    return {
        "png" if lossless else "jpg": picture.getvalue(),
        "json": text.encode(),
        "npz": arrays.getvalue(),
    }


def labels(sample: Sample) -> dict[str, Any]:
    """The plain labels of a sample, as JSON takes them."""
    out: dict[str, Any] = {"synthetic": True}
    for name, value in sample.items():
        if isinstance(value, str | bool | int | float | dict | list):
            out[name] = value
        elif isinstance(value, np.generic):
            out[name] = value.item()
    return out
