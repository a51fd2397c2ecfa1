"""Published checkpoints: read without running anything, and put where they belong."""

import argparse
import os
import pickle
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from mien import hub
from mien.cli import main
from mien.errors import InputError, MienError, UsageError
from mien.hub import record, store
from mien.systems import golden, official, trained
from mien.systems.perceive.facexformer import FaceXFormer
from mien.systems.perceive.kd_landmarks import KdLandmarks, KdLandmarksConfig
from mien.systems.represent.facenet import FaceNet, FaceNetConfig
from mien.systems.represent.fmae_iat import DISFA, FmaeConfig, FmaeIat

GOLDEN = Path(os.environ.get("MIEN_SHARED") or "../shared") / "golden"
ARGUMENTS = argparse.Namespace(lr=1e-3, output_dir=PurePosixPath("out"), job_dir=Path("jobs"))


def said(error: pytest.ExceptionInfo[MienError]) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


def published(network: str) -> dict[str, torch.Tensor]:
    """All names and shapes of a published network; each tensor is one number, many times."""
    file = GOLDEN / f"{network}.npz"
    if not file.is_file():
        pytest.skip(f"{file} is not there")
    return like(golden.read(file).shapes)


def like(shapes) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(0.01).expand(tuple(shape)) for name, shape in shapes.items()}


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("MIEN_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MIEN_LICENCE", raising=False)
    return tmp_path


def small_fmae(**changes) -> FmaeIat:
    torch.manual_seed(0)
    return FmaeIat(FmaeConfig(**{**vars(FmaeConfig.tiny()), **changes}))


def mae_names(system: FmaeIat) -> dict[str, torch.Tensor]:
    """A whole masked autoencoder's tensors as they are published."""
    state = {}
    for name, value in system.state_dict().items():
        part, _, rest = name.partition(".")
        if part == "encoder":
            state[rest] = value
        elif part == "decoder":
            own = {"mask_token": rest, "positions": "decoder_pos_embed"}
            state[own.get(rest, f"decoder_{rest}")] = value
        elif part == "norm":
            state[name] = value
    return state


def fine_tuned_names(system: FmaeIat) -> dict[str, torch.Tensor]:
    state = {}
    for name, value in system.state_dict().items():
        part, _, rest = name.partition(".")
        if part in ("encoder", "fc_norm", "head", "identity_head"):
            state[{"encoder": rest, "identity_head": f"ID_head.{rest}"}.get(part, name)] = value
    return state


# Reading


@pytest.mark.parametrize("legacy", [False, True])
def test_arguments_and_paths_beside_the_weights_do_not_matter(tmp_path, legacy):
    file = tmp_path / "checkpoint.pth"
    weights = {"module.a": torch.arange(3.0), "b": torch.ones(2, dtype=torch.int64)}
    content = {"model": weights, "epoch": 7, "args": ARGUMENTS, "scaler": {"scale": 2.0}}
    torch.save(content, file, _use_new_zipfile_serialization=not legacy)
    found = official.read(file, "model")
    assert found.keys() == {"a", "b"}
    assert found["a"].tolist() == [0, 1, 2]


def test_a_plain_state_dict_and_safetensors_are_read(tmp_path):
    torch.save({"a": torch.ones(2)}, tmp_path / "a.pt")
    save_file({"a": torch.ones(2)}, tmp_path / "a.safetensors")
    for name in ("a.pt", "a.safetensors"):
        assert official.read(tmp_path / name, "model")["a"].tolist() == [1, 1]


class Evil:
    def __init__(self, target: Path):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("inside", [True, False])
def test_nothing_that_a_file_names_is_run(tmp_path, legacy, inside):
    evil = Evil(tmp_path / "made")
    arguments = argparse.Namespace(x=evil) if inside else evil
    content = {"model": {"a": torch.ones(1)}, "args": arguments}
    torch.save(content, tmp_path / "e.pt", _use_new_zipfile_serialization=not legacy)
    with pytest.raises(InputError, match=r"e\.pt: not a checkpoint of plain tensors.*not run") as e:
        official.read(tmp_path / "e.pt", "model")
    assert said(e)
    assert not (tmp_path / "made").exists()


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_bare_pickle_is_not_run(tmp_path):
    file = tmp_path / "e.pkl"  # as torch.save never writes it
    file.write_bytes(pickle.dumps(Evil(tmp_path / "made")))
    with pytest.raises(InputError, match=r"e\.pkl") as error:
        official.read(file)
    assert said(error)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04 not a zip", b"\x80\x02.", b"text", bytes(300)],
)
def test_what_is_no_checkpoint_is_one_line(tmp_path, content):
    (tmp_path / "w.pt").write_bytes(content)
    with pytest.raises(InputError, match=r"w\.pt") as error:
        official.read(tmp_path / "w.pt")
    assert said(error)


def test_a_checkpoint_that_is_cut_off_is_one_line(tmp_path):
    file = tmp_path / "w.pt"
    torch.save({"a": torch.ones(1000)}, file)
    whole = file.read_bytes()
    for share in (0.3, 0.9, 0.99):
        file.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(InputError, match=r"w\.pt") as error:
            official.read(file)
        assert said(error)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([1, 2], "no state dict"),
        ({}, "no state dict"),
        ({"model": 3}, "no state dict"),
        ({"epoch": 3}, "'epoch' is not a tensor"),
        ({"model": {"a": torch.tensor([np.nan])}}, "not finite"),
    ],
)
def test_what_holds_no_weights_is_one_line(tmp_path, content, reason):
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(InputError, match=reason) as error:
        official.read(tmp_path / "w.pt", "model")
    assert said(error)


def test_a_zip_that_would_fill_the_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(official, "LARGEST", 1000)
    with zipfile.ZipFile(tmp_path / "w.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data.pkl", bytes(100_000))
    with pytest.raises(InputError, match="unpacks to more than"):
        official.read(tmp_path / "w.pt")


# Finding their places


@pytest.mark.parametrize(
    ("network", "slug_type", "size"),
    [
        ("facexformer.model", FaceXFormer, {"swin_width": 128}),
        ("fmae-iat.au", FmaeIat, {"width": 1024, "subjects": 41, "outputs": None}),
        ("fmae-iat.mae", FmaeIat, {"width": 768, "depth": 12, "heads": 12, "subjects": 0}),
    ],
)
def test_published_names_and_shapes_are_all_taken(tmp_path, network, slug_type, size):
    file = tmp_path / "published.pt"
    state = published(network)
    torch.save({slug_type.STATE_KEY: state, "args": ARGUMENTS, "optimizer": {"state": {}}}, file)
    official.check(slug_type, file)
    found = slug_type.published(state)
    assert {name: getattr(found.config, name) for name in size} == size
    assert found.predicts is (network != "fmae-iat.mae")


def test_a_fine_tuned_encoder_says_what_it_said(tmp_path, monkeypatch):
    system = small_fmae(size=64, patch=16, width=64, heads=1, action_units=DISFA, subjects=5)
    torch.nn.init.normal_(system.head.weight)
    torch.save({"model": fine_tuned_names(system), "args": ARGUMENTS}, tmp_path / "f.pth")
    loaded = official.built(FmaeIat, tmp_path / "f.pth", to_predict=True)
    assert isinstance(loaded, FmaeIat)
    assert loaded.config.action_units == DISFA and loaded.config.subjects == 5
    image = torch.rand(2, 3, 64, 64)
    told, wanted = loaded.predict(image), system.predict(image)
    assert told.keys() == wanted.keys()
    assert all(torch.equal(told[unit], wanted[unit]) for unit in told)


@pytest.mark.parametrize("part", ["whole", "encoder"])
def test_a_pre_trained_encoder_is_trained_on_but_predicts_nothing(tmp_path, part, capsys):
    whole = mae_names(small_fmae(subjects=0))
    kept = {n: v for n, v in whole.items() if part == "whole" or "decoder" not in n}
    kept = {n: v for n, v in kept.items() if n != "mask_token" or part == "whole"}
    file = tmp_path / "p.pth"
    torch.save({"model": kept, "args": ARGUMENTS}, file)
    begun = FmaeIat.build("tiny")
    official.start(begun, file)
    assert torch.equal(begun.encoder.cls_token, whole["cls_token"])
    call = ["train", "fmae-iat", "--preset", "tiny", "--data", "example", "--steps", "2"]
    call += ["--batch", "4", "--stage", "action-units", "--start", str(file)]
    assert main([*call, "--out", str(tmp_path / "run")]) == 0
    capsys.readouterr()
    with pytest.raises(InputError, match="pre-trained weights of fmae-iat") as error:
        official.built(FmaeIat, file, to_predict=True)
    assert said(error)


def test_the_people_of_a_classifier_are_counted():
    with torch.device("meta"):
        network = FaceNet(FaceNetConfig.inception_resnet(people=10575))
    names = {f"backbone.{name}" for name, _ in network.backbone.named_parameters()}
    state = {name.removeprefix("backbone."): value for name, value in network.state_dict().items()}
    state = {n.replace("classifier", "logits"): v for n, v in state.items()}
    assert FaceNet.published(state).config == network.config
    assert names <= official.matched(network, state).keys()


def test_weights_of_another_system_are_refused_by_name(tmp_path):
    file = tmp_path / "other.pt"
    torch.save({"model": fine_tuned_names(small_fmae())}, file)
    for system_type in (FaceXFormer, FaceNet, KdLandmarks):
        with pytest.raises(InputError, match=r"other\.pt: ") as error:
            official.check(system_type, file)
        assert said(error)


def test_a_students_points_are_those_of_its_last_layer():
    state = {"O_L/O_L/bias:0": torch.zeros(2 * 98)}
    assert KdLandmarks.published(state).config == KdLandmarksConfig(points=98)


# The hub


def test_every_recorded_weight_of_a_system_names_one_that_there_is():
    from mien import systems

    for entry in hub.records().values():
        assert entry.system in systems.available(), entry.name


def test_published_weights_are_added_shown_and_used(cache, capsys):
    file = cache / "fold1.pth"
    torch.save({"model": published("fmae-iat.au"), "args": ARGUMENTS}, file)
    assert main(["weights", "add", "fmae-iat", str(file)]) == 0
    output = capsys.readouterr()
    assert "CC-BY-NC-4.0 (no commercial use)" in output.err
    assert Path(output.out.strip()).is_file()
    assert main(["weights", "path", "fmae-iat", "--licence", "commercial"]) == 1
    assert "forbids commercial use" in capsys.readouterr().err


@pytest.mark.slow
def test_added_weights_are_found_by_the_system(cache):
    file = cache / "model.pt"
    torch.save({"state_dict_backbone": published("facexformer.model")}, file)
    system: Any = trained.find("facexformer", weights=str(file))
    answers = system.predict(torch.rand(1, 3, 224, 224))
    assert answers["parsing"].shape == (1, 224, 224)


def test_a_file_that_does_not_fit_is_not_pinned(cache, capsys):
    file = cache / "wrong.pth"
    torch.save({"model": {"fc.weight": torch.ones(2)}}, file)
    assert main(["weights", "add", "fmae-iat", str(file)]) == 1
    error = capsys.readouterr().err
    assert "wrong.pth: not published weights of fmae-iat" in error and error.count("\n") == 1
    assert hub.state(hub.lookup("fmae-iat")) == "missing"
    assert store.expected_hash(hub.lookup("fmae-iat")) is None


def test_a_file_of_another_size_is_not_the_recorded_one(cache, capsys):
    file = cache / "model.pt"
    torch.save({"state_dict_backbone": {"a": torch.ones(2)}}, file)
    assert main(["weights", "add", "facexformer", str(file)]) == 1
    assert "1104869851" in capsys.readouterr().err


def test_a_systems_name_leads_to_its_weights():
    with pytest.raises(UsageError, match="facenet-vggface2"):
        record.lookup("facenet")


def test_without_weights_one_line_says_how_to_get_them(cache):
    for slug, add in (("facenet", "`mien weights add facenet"), ("kd-landmarks", "name a")):
        with pytest.raises(MienError, match=f"{slug} has no weights on this machine: {add}") as e:
            trained.find(slug)
        assert "--run RUN" in said(e)
    with pytest.raises(UsageError, match="one of them"):
        trained.find("facexformer", Path("run"), "facexformer")
    with pytest.raises(UsageError, match="neither a file nor a weight of facexformer"):
        trained.find("facexformer", weights="nowhere.pt")
    with pytest.raises(UsageError, match="no system is called"):
        trained.find("nobody")


def test_out_of_the_box_a_system_has_its_bundled_weights(cache):
    assert trained.find("facexformer").parameter_count() < 1e6
