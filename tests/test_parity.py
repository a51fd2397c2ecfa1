"""Golden files: real ones of the published code, made-up ones for what can be wrong with a file."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import ROOT

from mien.cli import main
from mien.errors import InputError
from mien.systems import available, golden, parity
from mien.systems.official import load_official, rename
from mien.systems.represent.fmae_iat import FmaeConfig, FmaeIat

FOLDER = Path(os.environ.get("MIEN_SHARED") or ROOT.parent / "shared") / "golden"
REAL = [path for slug in available() for path in sorted(FOLDER.glob(f"{slug}.*.npz"))]
SIZES = FmaeConfig(
    size=32, patch=8, width=64, depth=2, heads=1, decoder_width=32, decoder_depth=1,
    decoder_heads=2, mask_ratio=0.5, normed_target=False, subjects=0,
)  # fmt: skip
ARCH = "a small one (64/2/1, decoder 32/1/2)"


@pytest.mark.skipif(
    not REAL, reason="needs golden files, which are not public: $MIEN_SHARED/golden"
)
@pytest.mark.parametrize(
    "path",
    [
        pytest.param(p, id=p.stem, marks=() if "mae.mae" in p.stem else pytest.mark.slow)
        for p in REAL
    ],
)
def test_systems_agree_with_the_published_code(path: Path) -> None:
    differences = parity.compare(golden.read(path))
    assert {d.name for d in differences if d.name.startswith("out__")}
    # 1e-5 of its range, or where the range itself is tiny, what float32 cannot tell apart from it.
    off = {d.name: d.relative for d in differences if d.relative > 1e-5 and d.error > 1e-6}
    assert off == {}


def published(name: str) -> str:
    """The name in an MAE checkpoint of a tensor of the system."""
    rules = (
        (r"encoder\.(.+)", r"\1"),
        (r"decoder\.mask_token", "mask_token"),
        (r"decoder\.positions", "decoder_pos_embed"),
        (r"decoder\.(.+)", r"decoder_\1"),
        (r"(norm\..+)", r"\1"),
    )
    (new,) = rename({name: torch.empty(0)}, rules)
    return new


def arrays() -> dict[str, Any]:
    """A golden file of a small masked autoencoder, as made by the system itself."""
    system = FmaeIat(SIZES).eval()
    own = [n for n in system.state_dict() if n.startswith(("encoder", "decoder", "norm"))]
    shapes = {published(n): list(system.state_dict()[n].shape) for n in own}
    kept = {"decoder_pos_embed": system.decoder.positions.numpy()}
    state = {
        n: torch.from_numpy(kept[n] if n in kept else golden.filled(n, tuple(s)))
        for n, s in shapes.items()
    }
    load_official(system, state, absent=("fc_norm", "head"))
    image, noise = torch.rand(2, 3, 32, 32), torch.rand(2, 16)
    with torch.no_grad():
        drawn = system.reconstruct(image, noise)
    meta = {
        "slug": "fmae-iat", "network": "mae", "config": {"arch": ARCH}, "shapes": shapes,
        "options": {"mask_ratio": 0.5, "norm_pix_loss": False}, "kept": list(kept),
    }  # fmt: skip
    return {
        "meta": meta, "kept__decoder_pos_embed": kept["decoder_pos_embed"],
        "in__image": image.numpy(), "in__noise": noise.numpy(), "out__loss": drawn.loss.numpy(),
        "out__pred": drawn.pixels[:, ::3].numpy(), "mid__ids_restore": drawn.order.numpy(),
    }  # fmt: skip


def write(path: Path, content: dict[str, Any]) -> Path:
    meta = content.get("meta")
    packed = {n: v for n, v in content.items() if n != "meta"}
    if meta is not None:
        packed["meta"] = meta if isinstance(meta, np.ndarray) else np.array(json.dumps(meta))
    np.savez(path, allow_pickle=True, **packed)
    return path


@pytest.fixture
def content() -> dict[str, Any]:
    torch.manual_seed(0)
    return arrays()


def test_any_size_and_mode_of_a_network_is_replayed(content, tmp_path, capsys) -> None:
    path = write(tmp_path / "small.npz", content)
    assert main(["parity", str(path)]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in ("small.npz", "out__loss", "out__pred", "mid__ids"))


def test_an_error_above_the_tolerance_is_exit_code_1(content, tmp_path, capsys) -> None:
    pixels = content["out__pred"]
    pixels[0, 0, 0] += 1e-3 * np.ptp(pixels)
    path = write(tmp_path / "small.npz", content)
    assert main(["parity", str(path)]) == 1
    captured = capsys.readouterr()
    assert "out__pred is off by 1.0e-03 of its range" in captured.err
    assert captured.out.count("TOO FAR") == 1
    assert main(["parity", str(path), "--tolerance", "2e-3"]) == 0


def test_a_noted_slice_is_what_is_compared(content, tmp_path) -> None:
    whole = content["out__pred"]
    content["out__pred"] = whole[:, 1:3, ::2]
    content["meta"]["slices"] = {"out__pred": {"slice": "[:, 3:9:3, ::2]"}}
    found = parity.compare(golden.read(write(tmp_path / "small.npz", content)))
    assert max(d.relative for d in found) < 1e-5


def test_a_good_file_is_reported_beside_a_bad_one(content, tmp_path, capsys) -> None:
    good = write(tmp_path / "good.npz", content)
    bad = tmp_path / "bad.npz"
    bad.write_bytes(good.read_bytes()[:1000])
    assert main(["parity", str(bad), str(good)]) == 1
    captured = capsys.readouterr()
    assert "out__pred" in captured.out
    assert len(captured.err.splitlines()) == 1 and "bad.npz: not a golden file" in captured.err


def without(key: str):
    return lambda content: content.pop(key)


def in_meta(**values: Any):
    return lambda content: content["meta"].update(values)


def in_shapes(name: str, shape: Any):
    return lambda content: content["meta"]["shapes"].update({name: shape})


def array(name: str, value: Any):
    return lambda content: content.update({name: np.asarray(value)})


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (without("meta"), "no 'meta'"),
        (array("meta", "{"), "not a golden file"),
        (array("meta", "[" * 100_000), "not a golden file"),
        (array("meta", "[]"), "not a golden file"),
        (in_meta(shapes=None), "not a golden file"),
        (in_meta(slug="nobody"), "'nobody', is not in mien"),
        (in_meta(slug="mien-detector"), "no network 'mae' to replay"),
        (in_meta(network="gan"), "no network 'gan' to replay; it has mae, au"),
        (in_meta(options={}), "KeyError"),
        (in_shapes("cls_token", [1, 1, -64]), "negative"),
        (in_shapes("cls_token", [1, 1, float("inf")]), "not a golden file"),
        (in_shapes("cls_token", [10**6, 10**6, 10**6]), "numbers"),
        (in_shapes("cls_token", [1, 1, 65]), "cls_token: shape (1, 1, 65), expected (1, 1, 64)"),
        (in_shapes("colour", [3]), "colour: not a tensor of this system's published"),
        (in_shapes("blocks.2000000000.norm1.weight", [64]), "blocks.2000000000 is named"),
        (lambda content: content["meta"]["shapes"].pop("cls_token"), "cls_token: missing"),
        (without("in__noise"), "KeyError"),
        (array("in__image", np.zeros((1, 3, 33, 33), np.float32)), "cannot be replayed"),
        (array("in__image", np.array([{}], object)), "not a golden file"),
        (array("out__colour", np.zeros(3, np.float32)), "does not compute out__colour"),
        (array("out__loss", np.zeros(3, np.float32)), "out__loss: shape (), but (3,)"),
    ],
)  # fmt: skip
def test_a_bad_file_is_one_line_that_names_it(spoil, said, content, tmp_path, capsys) -> None:
    spoil(content)
    path = write(tmp_path / "spoilt.npz", content)
    assert main(["parity", str(path)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "spoilt.npz" in lines[0]
    assert said in lines[0]
    assert "unexpected" not in lines[0]


def test_what_is_no_file_is_one_line(tmp_path, capsys) -> None:
    (tmp_path / "empty.npz").touch()
    for name in ("empty.npz", "nowhere.npz", "."):
        with pytest.raises(InputError, match=str(tmp_path)):
            golden.read(tmp_path / name)


def test_a_nan_that_was_not_recorded_is_infinitely_far() -> None:
    recorded = np.array([0.0, 1.0, np.nan])
    assert parity.difference("x", recorded, recorded).relative == 0
    assert parity.difference("x", np.array([0.0, np.nan, np.nan]), recorded).relative == np.inf
    assert parity.difference("x", np.zeros(3), recorded).relative == np.inf


def test_a_constant_counts_by_its_size() -> None:
    assert parity.difference("x", np.array(2.0002), np.array(2.0)).relative == pytest.approx(1e-4)


def test_fill_follows_the_written_rule() -> None:
    kernel = golden.filled("conv.weight", (64, 3, 7, 7))
    assert kernel.dtype == np.float32
    assert kernel.std() == pytest.approx((3 * 49) ** -0.5, rel=0.05)
    assert golden.filled("norm.weight", (1000,)).mean() == pytest.approx(1, abs=0.02)
    variance = golden.filled("norm.running_var", (1000,))
    assert variance.min() >= 0.5 and variance.max() < 1.5
    np.testing.assert_array_equal(kernel, golden.filled("conv.weight", (64, 3, 7, 7)))


@pytest.mark.skipif(not (FOLDER / "fill.py").exists(), reason="needs $MIEN_SHARED/golden/fill.py")
def test_fill_is_that_of_the_golden_files() -> None:
    space: dict[str, Any] = {"__name__": "fill"}
    exec((FOLDER / "fill.py").read_text(), space)
    for name, shape in (
        ("a.weight", (4, 3)),
        ("b.weight", (5,)),
        ("b.running_var", (5,)),
        ("c", ()),
    ):
        np.testing.assert_array_equal(golden.filled(name, shape), space["value"](name, shape))
