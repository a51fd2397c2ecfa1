"""CAAE: the published sizes, TensorFlow's layouts, and what labels say."""

import numpy as np
import pytest
import torch

from mien.systems.edit.caae import GROUPS, Caae, Down, Up, age_labels
from mien.systems.official import load_official


def test_the_networks_have_the_published_sizes() -> None:
    with torch.device("meta"):
        system = Caae.build("paper")
    parts = (system.encoder, system.generator, system.code_critic, system.image_critic)
    counts = [sum(p.numel() for p in part.parameters()) for part in parts]
    assert counts == pytest.approx([18.23e6, 19.95e6, 6.0e3, 8.68e6], rel=5e-3)
    # Kernels and biases of the authors' variables, by hand.
    convs = sum(
        25 * i * o + o for i, o in ((3, 64), (64, 128), (128, 256), (256, 512), (512, 1024))
    )
    assert counts[0] == convs + 16384 * 50 + 50
    assert counts[2] == 50 * 64 + 64 * 32 + 32 * 16 + 16 + 2 * (64 + 32 + 16) + 1  # a shift each


def test_strided_convolutions_are_padded_as_tensorflow_does() -> None:
    conv = Down(1, 1)
    with torch.no_grad():
        conv.weight.zero_()
        conv.weight[..., 1, 1] = 1
        conv.bias.zero_()  # type: ignore[union-attr]
    image = torch.rand(1, 1, 8, 8)
    assert torch.equal(conv(image), image[..., ::2, ::2])


def test_growing_is_the_transpose_of_shrinking() -> None:
    down, up = Down(3, 4), Up(4, 3)
    with torch.no_grad():
        up.weight.copy_(down.weight)
        up.bias.zero_()  # type: ignore[union-attr]
        down.bias.zero_()  # type: ignore[union-attr]
    x, y = torch.randn(2, 3, 16, 16), torch.randn(2, 4, 8, 8)
    assert up(y).shape == x.shape
    assert float((down(x) * y).sum()) == pytest.approx(float((x * up(y)).sum()), rel=1e-3, abs=1e-3)


def tensorflow(system: Caae) -> dict[str, torch.Tensor]:
    """A system's weights as the authors' variables: channels last, also in flattened maps."""
    names = {"encoder.conv.": "E_conv", "encoder.fc": "E_fc", "generator.deconv.": "G_deconv",
             "generator.fc": "G_fc", "code_critic.fc.": "D_z_fc", "code_critic.bn.": "D_z_bn",
             "image_critic.conv.": "D_img_conv", "image_critic.bn.": "D_img_bn",
             "image_critic.fc": "D_img_fc"}  # fmt: skip
    kinds, found = {"weight": "w", "bias": "b"}, {}
    for name, value in system.state_dict().items():
        part, _, kind = name.rpartition(".")
        start = max((known for known in names if part.startswith(known)), key=len)
        theirs = f"{names[start]}{part.removeprefix(start)}/{kinds.get(kind, kind)}"
        if value.ndim == 4:
            value = value.permute(2, 3, 1, 0)
        elif part == "generator.fc":
            rows = value.view(16, 4, 4, -1).permute(1, 2, 0, 3).reshape(value.shape)
            value = rows.T if kind == "weight" else rows
        elif kind == "weight":
            if part in ("encoder.fc", "image_critic.fc1"):
                channels = 16 if part == "encoder.fc" else 8
                side = round((value.shape[1] / channels) ** 0.5)
                value = value.view(-1, channels, side, side).permute(0, 2, 3, 1).flatten(1)
            value = value.T
        found[theirs] = value
    return found


def test_tensorflow_variables_find_their_places() -> None:
    source, target = Caae.build("tiny"), Caae.build("tiny")
    state = tensorflow(source)
    assert {"E_conv0/w", "G_deconv4/b", "D_z_bn0/moving_mean", "D_img_fc1/w"} <= set(state)
    assert state["E_conv0/w"].shape == (5, 5, 3, 8) and state["G_deconv0/w"].shape == (5, 5, 16, 16)
    load_official(target, state)
    for name, value in source.state_dict().items():
        assert torch.equal(target.state_dict()[name], value), name


def test_an_age_is_in_its_group() -> None:
    ages = torch.tensor([0.0, 5.9, 6, 20, 21, 30.5, 70, 71, 100])
    labels = age_labels(ages)
    assert labels.argmax(1).tolist() == [0, 0, 1, 3, 4, 4, 8, 9, 9]
    assert (labels.sum(1) == 1 - (len(GROUPS) - 1)).all()


def test_faces_without_age_or_gender_are_left_out() -> None:
    system = Caae.build("tiny")
    batch = system.example(6)
    batch["age"][1], batch["gender"][4] = torch.nan, -1
    known = {name: value[[0, 2, 3, 5]] for name, value in batch.items()}
    whole, part = system.losses(batch), system.losses(known)
    assert float(whole["reconstruction"]) == pytest.approx(float(part["reconstruction"]))
    batch["age"][:] = torch.nan
    assert all(float(loss) == 0 for loss in system.losses(batch).values())


def test_a_code_is_in_the_cube_and_the_label_is_seen() -> None:
    system = Caae.build("tiny")
    with torch.no_grad():  # far from the first weights, which say nearly nothing
        for parameter in system.generator.parameters():
            parameter.mul_(10)
    image, gender = torch.rand(2, 3, 32, 32), torch.tensor([0, 1])
    assert float(system.encoder(image).abs().max()) <= 1
    young, old = (system.predict(image, age, gender) for age in (8, 75))
    assert young.shape == image.shape and float(young.min()) >= 0 and float(young.max()) <= 1
    assert np.abs((young - old).numpy()).max() > 1e-3


def test_critics_learn_in_their_turns_alone() -> None:
    _, stage = Caae.build("tiny").stages()
    assert [turn.train for turn in stage.in_turn()] == [
        ("encoder.", "generator."), ("code_critic.",), ("image_critic.",),
    ]  # fmt: skip
