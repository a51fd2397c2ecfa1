"""Weights that mien trained and bundles: they say whose they are, and at which size."""

import json

import pytest
import torch

from mien.errors import InputError, UsageError
from mien.systems import load, trained
from mien.systems.export import export
from mien.train import checkpoint, engine


@pytest.fixture
def run(tmp_path):
    """A run of a tiny facexformer as it was before its first step."""
    torch.manual_seed(0)
    system = load("facexformer").build("tiny")
    engine.write_config(tmp_path / "run", system, system.stages(), {"commit": {"id": "abc"}})
    checkpoint.save_tensors(system.state_dict(), tmp_path / "run" / "model.safetensors")
    return tmp_path / "run"


def test_a_bundle_of_a_published_system_is_read_at_its_size(run, tmp_path):
    for folder in ("bundled", "records"):
        (tmp_path / folder).mkdir()
    (file,) = export("facexformer", run, "facexformer-tiny", tmp_path)
    read = trained.from_file("facexformer", file)
    first = trained.from_run("facexformer", run)
    assert read.config == first.config
    for name, value in read.state_dict().items():
        torch.testing.assert_close(value, first.state_dict()[name], atol=1e-3, rtol=1e-3)
    record = json.loads((tmp_path / "records" / "facexformer-tiny.json").read_text())
    assert record["licence"] == "Apache-2.0" and "abc" in record["origin"]
    with pytest.raises(UsageError, match="weights of facexformer, not of facenet"):
        trained.from_file("facenet", file)


@pytest.mark.parametrize("config", ["[]", '{"sides": 1}', '{"size": "x"}', "{"])
def test_damaged_metadata_is_one_line(tmp_path, config):
    file = tmp_path / "bad.safetensors"
    about = {"system": "facexformer", "config": config}
    checkpoint.save_tensors({"a": torch.zeros(1)}, file, about)
    with pytest.raises(InputError) as raised:
        trained.from_file("facexformer", file)
    assert "\n" not in str(raised.value)
