"""A small mien-base that nobody trained, in an ONNX file, as tests need it."""

import dataclasses
import hashlib
import json
from pathlib import Path

import pytest

from mien.hub import record, store

SIZE = 64


def untrained(path: Path):
    """Write the network to ``path``, sure of what it says; returns the system (needs torch)."""
    torch = pytest.importorskip("torch")
    from mien.systems.export import rounded, to_onnx
    from mien.systems.perceive.mien_base import NUMBERS, MienBase, MienBaseConfig

    torch.manual_seed(0)
    config = dataclasses.replace(MienBaseConfig.tiny(), teacher=None)
    system = MienBase(config).eval()
    with torch.no_grad():
        start, bias = 0, system.network.numbers.bias
        assert bias is not None
        for name, count in NUMBERS.items():
            strength = {"spread": 0, "curves": 1, "units": 1, "gaze": 0.3, "quality": 1}
            waves = torch.cos(1.7 * torch.arange(count) + 0.4)
            bias[start : start + count] = strength.get(name, 8) * waves
            start += count
        bias[-NUMBERS["spread"] :] = -3.0  # small errors, as the network expects
        classes = system.network.parsing.classes.bias
        assert classes is not None
        classes[32:48] += 9.0  # skin everywhere
    system.load_state_dict(rounded(system.state_dict()))
    to_onnx(system, path)
    return system


def bundle(network: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make ``network`` the mien-base that is shipped, beside all that is shipped else."""
    records, bundled = folder / "records", folder / "bundled"
    for made, real in ((records, record.FOLDER), (bundled, store.BUNDLED)):
        made.mkdir(parents=True)
        for file in real.iterdir():
            if file.stem not in ("mien-base", "mien-base-torch"):
                (made / file.name).symlink_to(file)
    content = network.read_bytes()
    (bundled / "mien-base.onnx").write_bytes(content)
    values = json.loads((record.FOLDER / "mien-landmarks.json").read_text()) | {
        **{"name": "mien-base", "system": "mien-base", "file": "mien-base.onnx"},
        **{"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()},
        "input_size": [SIZE, SIZE],
    }
    (records / "mien-base.json").write_text(json.dumps(values))
    monkeypatch.setattr(record, "FOLDER", records)
    monkeypatch.setattr(store, "BUNDLED", bundled)


def unbundle(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mien without mien-base."""
    folder.mkdir()
    for file in record.FOLDER.iterdir():
        if file.stem not in ("mien-base", "mien-base-torch"):
            (folder / file.name).symlink_to(file)
    monkeypatch.setattr(record, "FOLDER", folder)
