"""UniTalker: heads that share one network, speakers and the pivot, components, long sound."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.utils.data import default_collate

from mien.data import labels
from mien.errors import InputError, UsageError
from mien.face import BLENDSHAPES
from mien.nn.audio import RATE
from mien.systems import official, trained
from mien.systems.animate.unitalker import (
    ANNOTATIONS,
    ARKIT_51,
    OWN,
    PUBLISHED,
    UniTalker,
    UniTalkerConfig,
    width,
    word,
)
from mien.systems.official import load_official
from mien.train.data import open_data
from mien.train.spoken import annotation_map
from mien.train.system import Batch


@pytest.fixture
def system() -> UniTalker:
    torch.manual_seed(0)
    system = UniTalker(UniTalkerConfig.tiny())
    for head in system.heads.parameters():
        torch.nn.init.normal_(head, std=0.1)
    return system.eval()


def voice(seconds: float = 1.0) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, round(seconds * RATE)).astype(np.float32)


def only(batch: Batch, name: str) -> dict[str, torch.Tensor]:
    """The batch with what is known in one annotation, for all its clips."""
    frames = batch[word(name)].shape[1]
    torch.manual_seed(1)
    motion = torch.randn(len(batch["audio"]), frames, width(name))
    return {k: batch[k] for k in ("audio", "identity")} | {word(name): motion}


def published() -> dict[str, torch.Tensor]:
    """A small network in two published annotations, under the published names."""
    config = replace(UniTalkerConfig.tiny(), annotations=("vocaset", "arkit"), components=8)
    names = {f".{name}.": f".{ANNOTATIONS[name].key}." for name in config.annotations}
    out = {}
    for name, value in UniTalker(config).state_dict().items():
        for own, theirs in names.items():
            name = name.replace(own, theirs)
        for own, theirs in (
            ("decoder.style", "decoder.learnable_style_emb"),
            ("decoder.project", "decoder.audio_feature_map"),
            ("decoder.blocks", "decoder.tcn.first_net.conv_layers"),
            ("shortcut", "residual_layer.0"),
            ("heads", "out_head_dict"),
            ("conv.weight_g", "conv.parametrizations.weight.original0"),
            ("conv.weight_v", "conv.parametrizations.weight.original1"),
        ):
            name = name.replace(own, theirs)
        if not name.startswith("pca."):
            out[name] = torch.randn_like(value)
    return out


# -- annotations -----------------------------------------------------------------------------------


def test_annotations_have_the_published_widths() -> None:
    assert [width(name) for name in PUBLISHED] == [70_110, 15_069, 18_516, 52, 413, 51]
    assert set(labels.MOTIONS) == set(ANNOTATIONS) == {*PUBLISHED, *OWN}
    assert set(ARKIT_51) == {*BLENDSHAPES} - {"tongueOut"} and len(ARKIT_51) == 51


def test_both_published_networks_have_their_parameter_counts() -> None:
    with torch.device("meta"):
        base, large = (UniTalker(c) for c in (UniTalkerConfig.base(), UniTalkerConfig.paper()))
    # As recorded with six of the data sets, and two more heads of 512 components.
    assert base.parameter_count() == 95_790_132 + 2 * (256 * 512 + 512)
    assert large.parameter_count() == 317_175_620


def test_own_components_hold_all_that_curves_can_do() -> None:
    system = UniTalker(replace(UniTalkerConfig.tiny(), components=52))
    for name in ("mien_points", "mien_lips"):
        motion = torch.rand(5, 52) @ torch.from_numpy(annotation_map(name))
        pca = system._pca(name)
        torch.testing.assert_close(pca.decode(pca.encode(motion)), motion, atol=1e-3, rtol=0)


def test_unknown_annotations_are_refused() -> None:
    with pytest.raises(UsageError, match="mien_lips"):
        UniTalkerConfig(annotations=("ears",))


# -- losses ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OWN)
def test_heads_learn_from_their_own_annotation_only(system: UniTalker, name: str) -> None:
    terms = system.losses(only(system.example(3), name))
    (terms["reconstruction"] + terms["components"]).backward()
    learned = {n for n, head in system.heads.items() if head.weight.grad is not None}
    assert learned == {name}
    assert system.decoder.project.weight.grad is not None
    assert (float(terms["components"].detach()) > 0) is (name != "mien")


def test_a_batch_of_several_annotations_is_the_mean_of_its_clips(system: UniTalker) -> None:
    batch = system.example(6)
    whole = system.losses(batch)
    alone = [system.losses({k: v[i : i + 1] for k, v in batch.items()}) for i in range(6)]
    mean = torch.stack([terms["reconstruction"] for terms in alone]).mean()
    torch.testing.assert_close(whole["reconstruction"], mean)


def test_a_batch_of_which_nothing_is_known_teaches_nothing(system: UniTalker) -> None:
    batch = {k: v.fill_(torch.nan) if k.startswith("motion") else v
             for k, v in system.example(2).items()}  # fmt: skip
    terms = system.losses(batch)
    total = terms["reconstruction"] + terms["components"]
    total.backward()
    assert total == 0


def test_curves_count_by_what_they_move(system: UniTalker) -> None:
    """A jaw that is wrong is worse than a brow that is as wrong."""
    zero = torch.zeros(1, 4, 52)
    errors = {}
    for name in ("jawOpen", "browInnerUp", "tongueOut"):
        target = zero.clone()
        target[..., BLENDSHAPES.index(name)] = 0.5
        errors[name] = float(system._motion_error("mien", zero, target))
    assert errors["jawOpen"] > 10 * errors["browInnerUp"] > errors["tongueOut"] > 0


def test_now_and_then_everybody_is_the_pivot(system: UniTalker) -> None:
    people = torch.arange(4).repeat(500)
    assert torch.equal(system._speakers(people), people)
    assert (system._speakers(torch.tensor([-1, 2])) == torch.tensor([4, 2])).all()
    torch.manual_seed(0)
    share = (system.train()._speakers(people) == 4).float().mean()
    assert 0.07 < share < 0.13
    with pytest.raises(InputError, match="speaker 7, but the network has 4"):
        system._speakers(torch.tensor([7]))


def test_stages_leave_the_convolutions_as_they_are(system: UniTalker) -> None:
    heads, everything = system.stages()
    for stage, learned in ((heads, False), (everything, True)):
        names = [n for n, _ in system.named_parameters() if n.startswith(stage.train)]
        assert not any("feature_extractor" in name for name in names)
        assert any(name.startswith("audio_encoder.encoder") for name in names) is learned


# -- the world's speech ----------------------------------------------------------------------------


def test_the_world_teaches_several_annotations() -> None:
    pytest.importorskip("espeakng_loader")
    torch.manual_seed(0)
    system = UniTalker(UniTalkerConfig.tiny())
    stream = open_data("world:")(system, system.stages()[0], 0)
    samples = [stream.sample(index) for index in range(12)]
    batch = default_collate(samples)
    assert labels.check(batch) == 12
    known = {n: batch[word(n)].isfinite().flatten(1).all(1) for n in OWN}
    assert torch.stack(list(known.values())).sum(0).eq(1).all()  # each clip in one of them
    assert sum(bool(clips.any()) for clips in known.values()) > 1
    again = open_data("world:")(system, system.stages()[0], 0).sample(5)
    assert again is not None and torch.equal(again["audio"], batch["audio"][5])

    still = float(system.losses(batch)["reconstruction"].detach())
    optimiser = torch.optim.Adam(system.parameters(), 3e-3)
    for _ in range(40):
        terms = system.losses(batch)
        optimiser.zero_grad()
        (terms["reconstruction"] + 0.01 * terms["components"]).backward()
        optimiser.step()
    with torch.no_grad():
        assert float(system.eval().losses(batch)["reconstruction"]) < 0.6 * still


def test_the_world_has_no_licensed_annotations() -> None:
    config = replace(UniTalkerConfig.tiny(), annotations=("arkit",))
    system = UniTalker(config)
    with pytest.raises(UsageError, match="mien_lips, none of which stage 'heads'"):
        open_data("world:")(system, system.stages()[0], 0)


# -- use -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0.001, 0.3, 2.0])
@pytest.mark.parametrize("fps", [25.0, 30.0, 60.0])
def test_motion_is_as_long_as_the_sound(system: UniTalker, seconds: float, fps: float) -> None:
    for name in OWN:
        motion = system.predict(voice(seconds), name, fps=fps)
        assert motion.shape == (round(seconds * fps), width(name))
        assert np.isfinite(motion).all()


def test_motion_is_in_the_annotations_own_unit(system: UniTalker) -> None:
    sound = torch.from_numpy(voice())[None]
    scaled = system(*system.inputs({"audio": sound}))
    for name, motion in zip(system.heads, scaled, strict=True):
        neutral = np.full(width(name), 3.0)
        made = system.predict(voice(), name, neutral=neutral)
        wanted = motion[0].detach().numpy() / ANNOTATIONS[name].scale + 3
        np.testing.assert_allclose(made, wanted, atol=1e-4)


def test_speakers_have_styles_and_nobody_is_the_pivot(system: UniTalker) -> None:
    nobody = system.predict(voice())
    np.testing.assert_array_equal(nobody, system.predict(voice(), speaker=4))
    assert np.abs(nobody - system.predict(voice(), speaker=1)).max() > 1e-3


def test_level_does_not_matter_and_silence_and_nan_are_borne(system: UniTalker) -> None:
    np.testing.assert_allclose(system.predict(voice()), system.predict(0.5 * voice()), atol=1e-3)
    broken = np.where(np.arange(RATE) % 7 == 0, np.nan, voice())
    for sound in (np.zeros(RATE, np.float32), broken):
        assert np.isfinite(system.predict(sound)).all()


def test_long_sound_goes_through_in_windows(system: UniTalker) -> None:
    long = system.predict(voice(27.0))
    assert len(long) == 675
    part = system.predict(voice(27.0)[: 25 * RATE])
    np.testing.assert_allclose(long[:500], part[:500], atol=1e-5)


def test_what_is_not_there_is_refused(system: UniTalker) -> None:
    with pytest.raises(UsageError, match="no head 'biwi'"):
        system.predict(voice(), "biwi")
    with pytest.raises(UsageError, match="no speaker 5"):
        system.predict(voice(), speaker=5)
    with pytest.raises(InputError, match="sound is samples"):
        system.predict(np.zeros(0, np.float32))


# -- published weights -----------------------------------------------------------------------------


def test_published_weights_load_without_their_components(tmp_path: Path) -> None:
    state = published()
    holds = UniTalker.published(state)
    assert holds.absent == ("pca",) and holds.config.annotations == ("vocaset", "arkit")
    file = tmp_path / "UniTalker.pt"
    torch.save(state, file)
    system = official.built(UniTalker, file, to_predict=True)
    assert isinstance(system, UniTalker)
    assert system.predict(voice(), "arkit").shape == (30, 51)
    with pytest.raises(UsageError, match="components of 'vocaset' are not set"):
        system.predict(voice(), "vocaset")
    with pytest.raises(UsageError, match="components of 'vocaset' are not set"):
        system.losses(only(system.example(2), "vocaset"))


def test_components_come_from_the_published_file(tmp_path: Path) -> None:
    system = UniTalker(UniTalker.published(published()).config)
    load_official(system, published(), ("pca",))
    directions = np.linalg.qr(np.random.default_rng(0).normal(size=(15_069, 9)))[0].T
    np.savez(
        tmp_path / "pca.npz", components_to_data=directions, original_data_mean=np.ones(15_069)
    )
    system.use_components("vocaset", tmp_path / "pca.npz")
    motion = system.predict(voice(), "vocaset")
    coefficients = (motion - 1) @ directions.T
    assert np.abs(coefficients[:, 8]).max() < 1e-3  # the head has the first eight
    np.testing.assert_allclose(coefficients @ directions + 1, motion, atol=1e-3)


def test_other_files_are_no_components(tmp_path: Path) -> None:
    system = UniTalker(UniTalker.published(published()).config)
    small = {"components_to_data": np.eye(8), "original_data_mean": np.ones(8)}
    few = {"components_to_data": np.ones((1, 15_069)), "original_data_mean": np.ones(15_069)}
    for name, arrays in (("a", small), ("b", {"other": np.ones(3)}), ("c", few)):
        np.savez(tmp_path / name, allow_pickle=False, **arrays)
        with pytest.raises(InputError, match="no components of 'vocaset'"):
            system.use_components("vocaset", tmp_path / f"{name}.npz")
    (tmp_path / "d.npz").write_bytes(b"PK\3\4 broken")
    with pytest.raises(InputError, match="no components of 'vocaset'"):
        system.use_components("vocaset", tmp_path / "d.npz")
    with pytest.raises(UsageError, match="'arkit' has no principal components"):
        system.use_components("arkit", tmp_path / "a.npz")


def test_a_run_is_opened_again_at_its_size(tmp_path: Path, system: UniTalker) -> None:
    config = {"system": "unitalker", "config": asdict(system.config)}
    (tmp_path / "config.json").write_text(json.dumps(config))
    save_file(system.state_dict(), tmp_path / "model.safetensors")
    again = trained.from_run("unitalker", tmp_path)
    assert again.config == system.config
    assert isinstance(again, UniTalker)
    np.testing.assert_array_equal(again.predict(voice()), system.predict(voice()))
