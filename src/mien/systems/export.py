"""A trained system as a file that runs without it (``mien export``), and as a bundled weight.

``mien export`` writes ONNX, or a program of ``torch.export`` (``.pt2``), and compares what the file
computes with what the system does before it lets the file be.

``python -m mien.systems.export SLUG RUN`` makes the bundled weights in ``mien/hub``: ONNX for the
run time, safetensors for torch, records. Both files hold the same half-precision numbers; networks
are run in single precision. ``--name NAME`` makes those of a published system, which need torch to
run: safetensors only.
"""

import argparse
import hashlib
import json
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

from mien import hub
from mien.errors import MienError
from mien.media.files import atomic
from mien.systems import trained
from mien.systems.parity import Difference, difference
from mien.train import checkpoint
from mien.train.system import System

HUB = Path(hub.__file__).parent
SMALL = 64  # values; smaller tensors stay in single precision
TOLERANCE = 1e-3  # of an output's range; half of it is rounding where a network is deep
COUNTS = (1, 3)  # samples that an exported network is tried on; it is traced with two
Format = Literal["onnx", "torch"]
Network = Callable[[torch.Tensor], Sequence[np.ndarray]]


def write(system: System, to: Format, path: Path) -> list[Difference]:
    """Export a system to a file; how far each of its outputs is from the system's, at most.

    Raises MienError, and writes nothing, where the system cannot be exported or an output is
    off by more than ``TOLERANCE`` of its range.
    """
    slug = system.CARD.slug
    save, opened = (_save_onnx, _open_onnx) if to == "onnx" else (_save_program, _open_program)
    with atomic(path) as temporary:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of the exporters, about themselves
                save(system, temporary)
            found = _agreement(system, opened(temporary))
        except MienError:
            raise
        except Exception as error:
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise MienError(f"{slug} cannot be exported to {to}: {reason[0]}") from error
        worst = max(found, key=lambda d: d.relative)
        if worst.relative > TOLERANCE:
            raise MienError(
                f"{path}: not written, {worst.name} is off by {worst.relative:.1e} of its range"
            )
    return found


@torch.inference_mode()
def _agreement(system: System, network: Network) -> list[Difference]:
    """For each output the largest error over batches of several sizes."""
    worst: dict[str, Difference] = {}
    for count in COUNTS:
        (image,) = system.inputs(system.example(count))
        for i, (given, wanted) in enumerate(zip(network(image), system(image), strict=True)):
            found = difference(f"output_{i}", given, wanted.numpy())
            before = worst.setdefault(found.name, found)
            worst[found.name] = max(before, found, key=lambda d: d.relative)
    return list(worst.values())


def _save_onnx(system: System, path: Path) -> None:
    _trace(system, path)
    onnx.checker.check_model(path)


def _open_onnx(path: Path) -> Network:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def run(image: torch.Tensor) -> Sequence[np.ndarray]:
        return [np.asarray(output) for output in session.run(None, {"image": image.numpy()})]

    return run


def _save_program(system: System, path: Path) -> None:
    axes = system.dynamic_axes()["image"]
    free = (dict.fromkeys(axes, torch.export.Dim.DYNAMIC),)
    images = system.inputs(system.example(2))
    torch.export.save(torch.export.export(system, images, dynamic_shapes=free), path)


def _open_program(path: Path) -> Network:
    program = torch.export.load(path).module()
    return lambda image: [output.numpy() for output in program(image)]


def rounded(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Floating-point tensors in half precision."""
    return {k: v.half() if v.is_floating_point() else v for k, v in state.items()}


def to_onnx(system: System, path: Path) -> None:
    """Write a network with free batch (and, where it allows, picture) size, in half precision."""
    with atomic(path) as temporary:
        _trace(system, temporary)
        onnx.save(halve(onnx.load(temporary)), temporary)


def _trace(system: System, path: Path) -> None:
    images = system.inputs(system.example(2))
    names = [f"output_{i}" for i in range(len(system(*images)))]
    torch.onnx.export(
        system, images, path, input_names=["image"], output_names=names,
        dynamic_axes=system.dynamic_axes(), opset_version=17, dynamo=False,
    )  # fmt: skip


def halve(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store large weights in half precision, each followed by a cast that folds at load time."""
    casts = []
    for weight in list(model.graph.initializer):
        if weight.data_type != TensorProto.FLOAT or np.prod(weight.dims) < SMALL:
            continue
        stored = numpy_helper.from_array(
            numpy_helper.to_array(weight).astype(np.float16), f"{weight.name}.half"
        )
        casts.append(helper.make_node("Cast", [stored.name], [weight.name], to=TensorProto.FLOAT))
        model.graph.initializer.remove(weight)
        model.graph.initializer.append(stored)
    for cast in reversed(casts):
        model.graph.node.insert(0, cast)
    onnx.checker.check_model(model)
    return model


def record(system: System, name: str, file: Path, origin: str) -> dict:
    """The hub's record of a bundled file, whose numbers were trained by mien."""
    content = file.read_bytes()
    size = getattr(system.config, "size", None)
    return {
        "name": name,
        "system": system.CARD.slug,
        "file": file.name,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "licence": "Apache-2.0",
        "commercial": True,
        "url": None,
        "bundled": True,
        "input_size": [size, size] if size else None,
        "mean": [0.0, 0.0, 0.0],
        "std": [1.0, 1.0, 1.0],
        "crop": system.CROP,
        "paper": None,
        "origin": origin,
        "card": f"docs/models/{file.stem}.md",
    }


def export(slug: str, run: Path, name: str | None = None, folder: Path = HUB) -> list[Path]:
    """Write the files of a run and their records; returns the files.

    name: of the weights of a published system; by default those of mien's own system ``slug``,
    which run without torch, too.
    """
    system = trained.from_run(slug, run)
    state = rounded(system.state_dict())
    system.load_state_dict(state)
    config = json.loads((run / "config.json").read_text())
    commit = (config.get("commit") or {}).get("id", "an unknown commit")
    origin = f"{system.CARD.title}, trained by mien at {commit}"
    weights = folder / "bundled" / f"{name or slug}.safetensors"
    checkpoint.save_tensors(state, weights, checkpoint.about(system))
    files = {name or f"{slug}-torch": weights}
    if name is None:
        files[slug] = weights.with_suffix(".onnx")
        to_onnx(system, files[slug])
    for entry, file in files.items():
        with atomic(folder / "records" / f"{entry}.json") as path:
            path.write_text(json.dumps(record(system, entry, file, origin), indent=2) + "\n")
    return list(files.values())


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("slug")
    parser.add_argument("run", type=Path)
    parser.add_argument("--name", help="of the weights of a published system")
    chosen = parser.parse_args(arguments)
    for file in export(chosen.slug, chosen.run, chosen.name):
        print(f"{file}: {file.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
