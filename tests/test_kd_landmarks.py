"""KD-Landmarks: the published sizes, the regions of the losses, and Keras's names."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mien.errors import InputError
from mien.systems.official import load_official
from mien.systems.perceive.kd_landmarks import (
    KdLandmarks,
    KdLandmarksConfig,
    assistive_loss,
    main_loss,
)

ZERO = torch.zeros(())
with torch.device("meta"):
    PAPER = KdLandmarks.build("paper")


def count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_networks_have_the_published_parameter_counts() -> None:
    assert count(PAPER.student.features) == 2_223_872  # MobileNetV2
    assert count(PAPER.student.points) == 1281 * 136
    assert count(PAPER.tough.features) == 10_696_232  # EfficientNet-B3
    assert PAPER.tough.features.channels == 1536
    assert count(PAPER.tough) == count(PAPER.tolerant)


@given(st.lists(st.floats(-50, 300), min_size=2, max_size=2))
def test_normed_landmarks_are_as_published(place: list[float]) -> None:
    points = torch.tensor(place).expand(1, 68, 2)
    normed = PAPER.normed(points)
    assert normed[0, 0].item() == pytest.approx((112 - place[0]) / 224, abs=1e-5)
    torch.testing.assert_close(PAPER.pixels(normed), points, atol=1e-3, rtol=1e-5)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (0.5, 1.9 * 0.3),  # worse than the teacher (0.2): pulled to it
        (-0.5, 1.9 * 0.3),  # on either side of the truth
        (0.1, -0.45 * 0.1),  # better: pushed off it
        (0.04, -0.45 * 0.16),
        (0.02, 0.0),  # nearly right: left alone
    ],
)
def test_regions_of_the_assistive_loss(error: float, expected: float) -> None:
    loss = assistive_loss(torch.tensor(error), ZERO, torch.tensor(0.2), 1.9, -0.45)
    assert loss.item() == pytest.approx(expected, abs=1e-6)


@given(st.floats(0.031, 2), st.booleans())
def test_the_assistive_loss_always_pulls_towards_the_truth(size: float, left: bool) -> None:
    error = torch.tensor(-size if left else size, requires_grad=True)
    assistive_loss(error, ZERO, torch.tensor(0.2), 1.9, -0.45).backward()
    assert error.grad is not None
    if abs(size - 0.2) > 1e-3:
        assert (error.grad > 0).item() is not left


@given(st.floats(0.01, 1))
def test_the_main_loss_has_no_step_at_the_teachers_error(border: float) -> None:
    around = torch.tensor([border - 1e-5, border + 1e-5])
    below, above = main_loss(around, torch.zeros(2), torch.tensor(border)).tolist()
    assert above == pytest.approx(below, abs=1e-4)


def test_teachers_stay_as_they_are_while_the_student_learns() -> None:
    torch.manual_seed(0)
    system = KdLandmarks.build("tiny").train()
    stage = system.stages()[2]
    for name, parameter in system.named_parameters():
        parameter.requires_grad_(name.startswith(stage.train))
    before = {n: v.clone() for n, v in system.tough.state_dict().items()}
    terms = system.losses(system.example(4))
    assert set(terms) == set(stage.losses)
    torch.stack(list(terms.values())).sum().backward()
    assert system.tough.training
    assert all(p.grad is None for p in system.tough.parameters())
    assert all(torch.equal(v, before[n]) for n, v in system.tough.state_dict().items())


def test_unknown_points_do_not_count() -> None:
    system = KdLandmarks.build("tiny").eval()
    batch = system.example(4)
    half = {key: value[:2] for key, value in batch.items()}
    for word in ("landmarks_68", "landmarks_68_smooth"):
        batch[word][2:] = torch.nan
    whole, part = system.losses(batch), system.losses(half)
    for name in whole:
        torch.testing.assert_close(whole[name], part[name], rtol=1e-4, atol=1e-6)


def keras_names(system: KdLandmarks) -> dict[str, torch.Tensor]:
    """The student's tensors as a Keras file has them."""
    arrays = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean",
              "running_var": "moving_variance"}  # fmt: skip
    state = {}
    for name, value in system.student.state_dict().items():
        parts = name.split(".")
        if name.startswith("points"):
            kernel = parts[1] == "weight"
            state[f"O_L/O_L/{'kernel' if kernel else 'bias'}:0"] = value.T if kernel else value
            continue
        if parts[-1] == "num_batches_tracked":
            continue
        *place, kind, array = parts[1:]
        if place == ["stem"]:
            layer, norm = "Conv1", "bn_Conv1"
        elif place == ["last"]:
            layer, norm = "Conv_1", "Conv_1_bn"
        else:
            block = f"block_{place[1]}" if place[1] != "0" else "expanded_conv"
            layer, norm = f"{block}_{place[2]}", f"{block}_{place[2]}_BN"
        if kind == "norm":
            state[f"{norm}/{norm}/{arrays[array]}:0"] = value
        elif place[-1] == "depthwise":
            state[f"{layer}/{layer}/depthwise_kernel:0"] = value.permute(2, 3, 0, 1)
        else:
            state[f"{layer}/{layer}/kernel:0"] = value.permute(2, 3, 1, 0)
    return state


def test_weights_of_keras_find_their_places() -> None:
    torch.manual_seed(0)
    config = KdLandmarksConfig(**{**vars(KdLandmarksConfig.tiny()), "width": 1.0})
    source, target = KdLandmarks(config).eval(), KdLandmarks(config).eval()
    state = keras_names(source)
    assert state["block_16_project/block_16_project/kernel:0"].shape == (1, 1, 960, 320)
    assert state["expanded_conv_depthwise/expanded_conv_depthwise/depthwise_kernel:0"].shape == (
        3, 3, 32, 1,
    )  # fmt: skip
    load_official(target, state, absent=("tough", "tolerant"))
    image = torch.rand(1, 3, 32, 32)
    assert torch.equal(source.predict(image), target.predict(image))


@pytest.mark.parametrize("name", ["block_17_expand/kernel:0", "fc/kernel:0", "Conv1/colour:0", "x"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="not a tensor of this system"):
        KdLandmarks.from_official({name: torch.zeros(1)})
