"""From a training run to a bundled weight: ONNX for the run time, safetensors for torch, records.

``python -m mien.systems.export SLUG RUN`` writes into ``mien/hub``. Both files hold the same
half-precision numbers; networks are run in single precision.
"""

import argparse
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import load_file, save_file

from mien import hub
from mien.media.files import atomic
from mien.systems import load
from mien.train.system import System

HUB = Path(hub.__file__).parent
SMALL = 64  # values; smaller tensors stay in single precision


def rounded(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Floating-point tensors in half precision."""
    return {k: v.half() if v.is_floating_point() else v for k, v in state.items()}


def to_onnx(system: System, path: Path) -> None:
    """Write the network of a system with free batch (and, where it allows, picture) size."""
    images = system.inputs(system.example(2))
    names = [f"output_{i}" for i in range(len(system(*images)))]
    with atomic(path) as temporary:
        torch.onnx.export(
            system, images, temporary, input_names=["image"], output_names=names,
            dynamic_axes=system.dynamic_axes(), opset_version=17, dynamo=False,
        )  # fmt: skip
        onnx.save(halve(onnx.load(temporary)), temporary)


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
    """The hub's record of a bundled file."""
    content = file.read_bytes()
    size = getattr(system.config, "size", None)
    return {
        "name": name,
        "system": system.CARD.slug,
        "file": file.name,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "licence": system.CARD.weights_licence,
        "commercial": True,
        "url": None,
        "bundled": True,
        "input_size": [size, size] if size else None,
        "mean": [0.0, 0.0, 0.0],
        "std": [1.0, 1.0, 1.0],
        "crop": system.CROP,
        "paper": None,
        "origin": origin,
        "card": f"docs/models/{system.CARD.slug}.md",
    }


def export(slug: str, run: Path, folder: Path = HUB) -> list[Path]:
    """Write both files and both records; returns the files."""
    system = load(slug).build().eval()
    state = rounded(load_file(run / "model.safetensors"))
    system.load_state_dict(state)
    config = json.loads((run / "config.json").read_text())
    commit = (config.get("commit") or {}).get("id", "an unknown commit")
    origin = f"{system.CARD.title}, trained by mien at {commit}"
    bundled = folder / "bundled"
    files = [bundled / f"{slug}.onnx", bundled / f"{slug}.safetensors"]
    to_onnx(system, files[0])
    with atomic(files[1]) as path:
        save_file(state, path)
    for name, file in zip((slug, f"{slug}-torch"), files, strict=True):
        with atomic(folder / "records" / f"{name}.json") as path:
            path.write_text(json.dumps(record(system, name, file, origin), indent=2) + "\n")
    return files


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("slug")
    parser.add_argument("run", type=Path)
    chosen = parser.parse_args(arguments)
    for file in export(chosen.slug, chosen.run):
        print(f"{file}: {file.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
