"""FaceXFormer: its parts, its ten tasks, and labels that are only partly known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mien.face import Pose
from mien.nn.losses import dice_loss, head_rotation, margin_logits, rotation_angle
from mien.nn.swin import WindowAttention
from mien.systems.golden import Golden
from mien.systems.perceive.facexformer import HEADS, RELEASED, FaceXFormer, FaceXFormerConfig

TINY = FaceXFormerConfig.tiny()
degrees = st.tuples(st.floats(-80, 80), st.floats(-80, 80), st.floats(-80, 80))


@pytest.fixture
def system() -> FaceXFormer:
    torch.manual_seed(0)
    return FaceXFormer(TINY).eval()


def test_the_ten_tasks_of_the_paper_can_be_built() -> None:
    with torch.device("meta"):
        released = FaceXFormer(FaceXFormerConfig.paper())
        whole = FaceXFormer(FaceXFormerConfig.ten_tasks())
    assert len(released.config.tasks) == 8
    assert set(whole.heads) == set(HEADS)
    assert sum(p.numel() for p in released.backbone.parameters()) == 86_743_224  # Swin-B
    assert sum(p.numel() for p in released.fusion.linear.parameters()) == 492_544
    decoder = [released.tokens, released.decoder, released.heads, released.parsing]
    assert sum(p.numel() for m in decoder if m is not None for p in m.parameters()) == 4_488_031


def test_parsing_has_the_size_of_the_crop(system: FaceXFormer) -> None:
    answers = dict(zip(TINY.tasks, system(torch.rand(2, 3, 64, 64)), strict=True))
    assert answers["parsing"].shape == (2, 11, 64, 64)
    assert {t: a.shape[1] for t, a in answers.items() if t != "parsing"} == HEADS


def test_any_tasks_alone_give_only_their_answers(system: FaceXFormer) -> None:
    image = torch.rand(2, 3, 64, 64)
    assert set(system.predict(image, ("pose", "age"))) == {"pose", "age"}
    answers = system.predict(image)
    assert answers["landmarks"].shape == (2, 68, 2)
    assert answers["parsing"].shape == (2, 64, 64)
    assert (answers["age"] > 0).all() and (answers["age"] < 80).all()


def test_landmarks_are_in_pixels_of_the_crop(system: FaceXFormer) -> None:
    corners = torch.tensor([-1.0, 1.0]).repeat(68)[None]
    points = system._readable("landmarks", corners)[0]
    assert points[0].tolist() == [0, 64]


def test_tokens_see_the_image_only_through_cross_attention() -> None:
    torch.manual_seed(0)
    images = torch.rand(2, 3, 64, 64)
    for cross, blind in (("none", True), ("one-way", False), ("two-way", False)):
        system = FaceXFormer(replace(TINY, cross=cross)).eval()
        pose = system.predict(images, ("pose",))["pose"]
        assert torch.allclose(pose[0], pose[1], atol=1e-6) is blind


def test_nothing_known_gives_no_loss_and_no_gradient(system: FaceXFormer) -> None:
    batch = system.example(2)
    for name, value in batch.items():
        if name != "image":
            batch[name] = torch.full_like(value, torch.nan if value.is_floating_point() else -1)
    terms = system.losses(batch)
    assert {name: float(term.detach()) for name, term in terms.items()} == dict.fromkeys(terms, 0.0)
    torch.stack(list(terms.values())).sum().backward()
    gradients = [p.grad for p in system.parameters() if p.grad is not None]
    assert all((g == 0).all() for g in gradients)


def test_unknown_labels_do_not_count(system: FaceXFormer) -> None:
    batch = system.example(4)
    batch |= {
        "gender": torch.tensor([0, 1, 0, 1]), "race": torch.tensor([1, 2, 3, 4]),
        "emotion": torch.tensor([5, 2, 3, 4]), "attributes": torch.ones(4, 40).long(),
        "visibility": torch.ones(4, 29).long(),
    }  # fmt: skip
    half = {key: value[:2] for key, value in batch.items()}
    for name, value in batch.items():
        if name != "image":
            value[2:] = torch.nan if value.is_floating_point() else -1
    whole, part = system.losses(batch), system.losses(half)
    for name in whole:
        torch.testing.assert_close(whole[name], part[name], rtol=1e-4, atol=1e-5, msg=name)


@given(degrees)
def test_rotations_are_those_of_the_vocabulary(angles: tuple[float, float, float]) -> None:
    ours = head_rotation(torch.deg2rad(torch.tensor([angles])))[0].numpy()
    np.testing.assert_allclose(ours, Pose(*angles).rotation(), atol=1e-5)


@given(degrees, st.floats(1, 170))
def test_the_angle_between_rotations_is_that_of_the_turn(
    angles: tuple[float, float, float], turn: float
) -> None:
    start = head_rotation(torch.deg2rad(torch.tensor([angles])))
    step = head_rotation(torch.deg2rad(torch.tensor([[0.0, 0.0, turn]])))
    assert rotation_angle(start, start @ step).item() == pytest.approx(np.radians(turn), abs=2e-3)


def test_the_gradient_of_a_right_pose_is_finite() -> None:
    angles = torch.zeros(2, 3, requires_grad=True)
    rotation_angle(head_rotation(angles), head_rotation(torch.zeros(2, 3))).sum().backward()
    assert angles.grad is not None and angles.grad.isfinite().all()


def test_a_right_mask_has_no_dice_loss() -> None:
    truth = torch.randint(0, 3, (2, 8, 8))
    right = 50.0 * torch.nn.functional.one_hot(truth, 3).movedim(-1, 1)
    assert dice_loss(right, truth).item() == pytest.approx(0, abs=1e-3)
    assert dice_loss(right.roll(1, 1), truth).item() > 0.8


def test_the_margin_lowers_only_the_right_class() -> None:
    embedding, centres = torch.randn(3, 8), torch.randn(5, 8)
    identity = torch.tensor([2, 0, -1])
    plain = margin_logits(embedding, centres, identity, margin=0.0)
    wide = margin_logits(embedding, centres, identity)
    changed = (wide < plain - 1e-3).nonzero().tolist()
    assert changed == [[0, 2], [1, 0]]


def test_a_shifted_window_hides_what_the_shift_brings_together() -> None:
    torch.manual_seed(0)
    attention = WindowAttention(8, 2, 4, shifted=True)
    picture = torch.randn(1, 8, 8, 8)

    def influence(row: int, column: int) -> bool:
        other = picture.clone()
        other[0, row, column] += 1
        return not torch.allclose(attention(other)[0, 0, 0], attention(picture)[0, 0, 0])

    assert influence(1, 1)
    assert not influence(7, 7)  # in one window with (0, 0) after the shift
    assert not influence(0, 7)
    assert not influence(2, 2)  # in the next window


@pytest.mark.parametrize("side", [(7, 9), (4, 4), (13, 5)])
def test_windows_take_pictures_of_any_size(side: tuple[int, int]) -> None:
    attention = WindowAttention(8, 2, 4, shifted=True)
    assert attention(torch.randn(2, *side, 8)).shape == (2, *side, 8)


def recorded(image: torch.Tensor, tasks: list[int]) -> Golden:
    """A golden file of these pictures and task ids."""
    return Golden(
        Path("made-up.npz"), "facexformer", "model", {}, {"tasks": tasks}, {}, {}, {}, {}, (),
        {"image": image}, {},
    )  # fmt: skip


def test_rows_of_a_replay_are_those_whose_task_was_asked_for() -> None:
    torch.manual_seed(0)
    system = FaceXFormer(replace(TINY, tasks=RELEASED)).eval()
    replay = system.replays()["model"].run
    images = torch.randn(3, 3, 64, 64)
    alone = [replay(system, recorded(image[None], [2])) for image in images]
    together = replay(system, recorded(images, [2, 0, 2]))
    poses = torch.cat([alone[0]["headpose"], alone[2]["headpose"]])
    torch.testing.assert_close(together["headpose"], poses, rtol=1e-4, atol=1e-5)
    assert together["parsing"].shape == (1, 11, 64, 64)
    assert together["age"].shape == (0, 8)
    repeated = replay(system, recorded(images[:1], [2, 2, 4]))
    torch.testing.assert_close(repeated["headpose"], alone[0]["headpose"].repeat(2, 1))
    assert repeated["age"].shape == (1, 8)


def test_people_beyond_the_classifier_are_not_known_to_it():
    system = FaceXFormer(FaceXFormerConfig.tiny())
    batch = system.example(4)
    batch["identity"] = torch.tensor([4, 99, 2999, -1])
    assert system.losses(batch)["identity"] == 0
