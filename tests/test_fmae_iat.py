"""FMAE-IAT: what is hidden stays hidden, and the adversary pushes the right way."""

import pytest
import torch

from mien.errors import InputError
from mien.systems.official import load_official
from mien.systems.represent.fmae_iat import DISFA, FmaeConfig, FmaeIat


@pytest.fixture
def system() -> FmaeIat:
    torch.manual_seed(0)
    system = FmaeIat.build("tiny")
    torch.nn.init.normal_(system.head.weight, std=0.1)
    assert system.identity_head is not None
    torch.nn.init.normal_(system.identity_head.weight, std=0.1)
    return system


def count(system: FmaeIat, *parts: str, but: str = "no such") -> int:
    named = system.named_parameters()
    return sum(p.numel() for n, p in named if n.startswith(parts) and not n.startswith(but))


def test_parts_have_the_published_parameter_counts() -> None:
    with torch.device("meta"):
        large, base, small = (
            FmaeIat(config) for config in (FmaeConfig(), FmaeConfig.base(), FmaeConfig.small())
        )
    assert count(large, "encoder", "fc_norm", "head", "identity_head") == 303_355_957
    # Positions are fixed in pre-training.
    assert count(base, "encoder", "norm", "decoder", but="encoder.pos_embed") == 111_655_680
    assert count(base, "encoder") // 10**6 == 85
    assert count(small, "encoder") // 10**6 == 21


def test_hidden_patches_are_not_seen(system: FmaeIat) -> None:
    image, noise = torch.rand(1, 3, 32, 32), torch.rand(1, 16)
    first = system.reconstruct(image, noise)
    assert first.mask.sum() == 12
    hidden, seen = int(noise.argmax()), int(noise.argmin())
    for patch, same in ((hidden, True), (seen, False)):
        row, column = divmod(patch, 4)
        other = image.clone()
        other[:, :, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8] = torch.rand(3, 8, 8)
        assert torch.equal(system.reconstruct(other, noise).latent, first.latent) is same


def test_only_hidden_patches_count(system: FmaeIat) -> None:
    image, noise = torch.rand(2, 3, 32, 32), torch.rand(2, 16)
    drawn = system.reconstruct(image, noise)
    target = system._target(image)
    error = (drawn.pixels - target).square().mean(-1)
    assert drawn.loss.item() == pytest.approx(error[drawn.mask > 0].mean().item(), rel=1e-5)
    cell = image[1, :, 8:16, 24:32].permute(1, 2, 0).flatten()
    torch.testing.assert_close(target[1, 7], (cell - cell.mean()) / (cell.var() + 1e-6).sqrt())


def test_the_identity_gradient_reaches_the_encoder_reversed_and_scaled(system: FmaeIat) -> None:
    feature = torch.randn(3, system.config.width, requires_grad=True)
    assert system.identity_head is not None
    plain = torch.autograd.grad(system.identity_head(feature).sum(), feature)[0]
    total = system.identity(feature).sum()
    weight = system.identity_head.weight
    reversed_, own = torch.autograd.grad(total, [feature, weight])
    torch.testing.assert_close(reversed_, -system.config.reversal * plain)
    torch.testing.assert_close(own[0], feature.detach().sum(0))  # the head itself learns as ever


def test_a_stage_computes_the_terms_of_what_learns(system: FmaeIat) -> None:
    batch = system.example(2)
    for stage in system.stages():
        for name, parameter in system.named_parameters():
            parameter.requires_grad_(name.startswith(stage.train))
        assert set(system.losses(batch)) == set(stage.losses)
        sum(system.losses(batch).values()).backward()  # pyright: ignore[reportAttributeAccessIssue]
        learned = [(n, p) for n, p in system.named_parameters() if p.requires_grad]
        assert [name for name, p in learned if p.grad is None] == []
        assert not system.encoder.pos_embed.requires_grad or stage.name != "pretrain"


def test_unknown_labels_do_not_count(system: FmaeIat) -> None:
    batch = system.example(4)
    batch["action_units"] = torch.randint(0, 2, (4, 20))
    half = {key: value[:2] for key, value in batch.items()}
    batch["action_units"][2:] = -1
    batch["identity"][2:] = -1
    whole, part = system.losses(batch), system.losses(half)
    for name in ("action_units", "identity"):
        torch.testing.assert_close(whole[name], part[name])


def test_answers_go_by_the_numbers_of_the_action_units() -> None:
    config = FmaeConfig.tiny()
    system = FmaeIat(type(config)(**{**vars(config), "action_units": DISFA, "subjects": 0}))
    answers = system.predict(torch.rand(2, 3, 32, 32))
    assert tuple(answers) == DISFA
    assert all(0 < float(p) < 1 for row in answers.values() for p in row)
    assert "identity" not in system.losses(system.example(2))


def test_a_checkpoint_of_another_size_or_kind_is_refused(system: FmaeIat) -> None:
    with pytest.raises(InputError, match="not a tensor of this system"):
        load_official(system, {"conv1.weight": torch.zeros(3)})
    with pytest.raises(InputError, match=r"cls_token: shape \(1, 1, 384\), expected"):
        load_official(system, {"cls_token": torch.zeros(1, 1, 384)})
    with pytest.raises(InputError, match="missing in the checkpoint"):
        load_official(system, {"cls_token": torch.zeros(1, 1, 48)})
    with pytest.raises(InputError, match="not a part of fmae-iat at this size"):
        load_official(system, {"blocks.7.norm1.weight": torch.zeros(48)})
