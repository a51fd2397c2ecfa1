"""FSRT: a set of pictures, pixels that are asked for, vectors that forget who they are."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from test_systems import Repeated
from torch.nn import functional as F

from mien.errors import InputError
from mien.nn.augment import boxes_of, colour_jitter, cropped, grown, random_boxes, within
from mien.nn.fomm import PatchCritic, corner_grid, gaussian
from mien.nn.losses import covariance_loss, variance_loss
from mien.nn.perceptual import Judge, Vgg19
from mien.nn.scene import pixel_grid, waves
from mien.systems import golden, official
from mien.systems.reenact.fsrt import CHUNK, Fsrt, FsrtConfig, hull_area, joined, partners
from mien.train.engine import Options, Run

GOLDEN = Path(os.environ.get("MIEN_SHARED") or ROOT.parent / "shared") / "golden"


@pytest.fixture
def system() -> Fsrt:
    torch.manual_seed(0)
    return Fsrt.build("tiny").eval()


def pictures(*shape: int) -> torch.Tensor:
    torch.manual_seed(1)
    return torch.rand(*shape, 3, 32, 32)


# -- the networks ----------------------------------------------------------------------------------


def test_parts_have_the_published_sizes() -> None:
    with torch.device("meta"):
        whole, small = Fsrt(FsrtConfig.paper()), Fsrt(FsrtConfig.small_decoder())
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in
              whole.named_children()}  # fmt: skip
    assert counts == {
        "kp_detector": 14_146_728, "expression_encoder": 2_558_976, "encoder": 29_774_112,
        "decoder": 15_310_131, "discriminator": 6_846_849,
    }  # fmt: skip
    assert sum(p.numel() for p in small.decoder.parameters()) == 6_012_723


def test_waves_have_all_sines_before_all_cosines() -> None:
    found = waves(torch.tensor([0.25, -0.5]), 3)
    phase = torch.tensor([0.5, 1, 2, 0.5, 1, 2]) * torch.pi * torch.tensor([0.25] * 3 + [-0.5] * 3)
    torch.testing.assert_close(found, torch.cat([phase.sin(), phase.cos()]))


def test_waves_tell_places_out_of_the_picture_apart() -> None:
    codes = waves(torch.linspace(-1.99, 1.99, 200)[:, None], 4)
    assert torch.pdist(codes).min() > 1e-3


def test_pixels_are_at_centres_and_heatmaps_at_corners() -> None:
    assert pixel_grid(4)[0, :, 0].tolist() == [-0.75, -0.25, 0.25, 0.75]
    assert pixel_grid(4)[:, 0, 1].tolist() == [-0.75, -0.25, 0.25, 0.75]
    assert corner_grid(3, 5, torch.zeros(1))[2, :, 0].tolist() == [-1, -0.5, 0, 0.5, 1]


def test_the_low_pass_is_as_wide_as_published() -> None:
    kernel = gaussian(1.5)
    assert kernel.shape == (1, 1, 13, 13)
    torch.testing.assert_close(kernel.sum(), torch.tensor(1.0))


def test_the_order_of_sources_does_not_matter(system: Fsrt) -> None:
    views = pictures(2, 4)
    (found,) = system(views)
    (turned,) = system(views[:, [2, 0, 1, 3]])
    torch.testing.assert_close(found, turned, atol=1e-5, rtol=0)
    (fewer,) = system(views[:, [0, 3]])
    assert (found - fewer).abs().max() > 1e-5  # every source counts


def test_pixels_do_not_depend_on_what_else_is_asked(
    system: Fsrt, monkeypatch: pytest.MonkeyPatch
) -> None:
    (whole,) = system(pictures(1, 2))
    assert system.config.size**2 <= CHUNK
    monkeypatch.setattr("mien.systems.reenact.fsrt.CHUNK", 100)
    (parts,) = system(pictures(1, 2))
    torch.testing.assert_close(parts, whole, atol=1e-5, rtol=0)
    drive = system.drive(pictures(1))
    tokens = system.encode(pictures(1, 1))
    assert system.paint(tokens, drive, 12).shape == (1, 3, 12, 12)


def test_expression_and_keypoints_are_apart(system: Fsrt) -> None:
    tokens, drive = system.encode(pictures(1, 1)), system.drive(pictures(1))
    still = system.paint(tokens, drive, 32)
    for changed in (
        drive._replace(expression=drive.expression + 1),
        drive._replace(keypoints=drive.keypoints + 0.1),
    ):
        assert (system.paint(tokens, changed, 32) - still).abs().max() > 1e-3


# -- motion ----------------------------------------------------------------------------------------


def test_relative_motion_begins_with_the_persons_own_keypoints(
    system: Fsrt, monkeypatch: pytest.MonkeyPatch
) -> None:
    drives = []
    paint = system.paint
    monkeypatch.setattr(system, "paint", lambda *a: drives.append(a[1]) or paint(*a))
    frames = pictures(3)
    person = system.person(pictures(2))
    start = system.drive(frames[:1]).keypoints[0]
    out = system.reenact(person, frames, start)
    assert out.shape == (3, 3, 32, 32)
    assert out.min() >= 0 and out.max() <= 1
    (relative,) = drives
    absolute = system.drive(frames)
    torch.testing.assert_close(relative.keypoints[0], person.keypoints)
    scale = (hull_area(person.keypoints) / hull_area(start)) ** 0.5
    torch.testing.assert_close(
        relative.keypoints[1] - relative.keypoints[0],
        scale * (absolute.keypoints[1] - absolute.keypoints[0]),
    )
    torch.testing.assert_close(relative.expression, absolute.expression)  # never relative


def test_predict_is_the_forward_pass_within_0_and_1(system: Fsrt) -> None:
    sources, driving = pictures(2), pictures(3)
    views = torch.cat([sources.expand(3, -1, -1, -1, -1), driving[:, None]], 1)
    (whole,) = system(views)
    torch.testing.assert_close(
        system.predict(sources, driving), whole.detach().clamp(0, 1), atol=1e-5, rtol=0
    )


def test_the_area_of_a_hull() -> None:
    square = torch.tensor([[0.0, 0], [2, 0], [2, 2], [0, 2], [1, 1]])
    assert hull_area(square) == 4


# -- what it learns from ---------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(-1, 3), min_size=1, max_size=9), st.integers(1, 3))
def test_partners_are_others_of_the_same_person(people: list[int], count: int) -> None:
    rows = partners(torch.tensor(people), count).tolist()
    for i, row in enumerate(rows):
        assert row[-1] == i
        others = {j for j, one in enumerate(people) if one == people[i] >= 0 and j != i}
        if others:
            assert set(row[:-1]) <= others
            assert len(set(row[:-1])) == min(count, len(others))
        else:
            assert set(row) == {i}


def test_boxes_hold_the_face() -> None:
    kept = torch.tensor([[-0.4, -0.2, 0.5, 0.6]]).repeat(64, 1)
    found = random_boxes(kept)
    assert (found[:, :2] <= kept[:, :2]).all() and (found[:, 2:] >= kept[:, 2:]).all()
    assert (found.abs() <= 1).all() and found.std(0).min() > 0.05
    points = torch.tensor([[[8.0, 8], [24, 16]], [[torch.nan] * 2] * 2])
    assert boxes_of(points, 32).tolist() == [[-0.5, -0.5, 0.5, 0.0], [-1.0, -1, 1, 1]]
    torch.testing.assert_close(
        grown(torch.tensor([[0.0, 0, 0.5, 1]]), (0.2, 0.5, 0.2, 0.1)),
        torch.tensor([[-0.1, -0.5, 0.6, 1.1]]),
    )


def test_a_crop_shows_what_its_keypoints_say() -> None:
    image = torch.zeros(1, 3, 64, 64)
    image[..., 40, 20] = 1
    place = (torch.tensor([20.5, 40.5]) / 32 - 1).view(1, 1, 2)
    box = torch.tensor([[-0.8, -0.4, 0.4, 0.9]])
    x, y = ((within(place, box[:, None])[0, 0] + 1) * 32).tolist()
    row, column = divmod(int(cropped(image, box)[0, 0].argmax()), 64)
    assert abs(row + 0.5 - y) <= 1.5 and abs(column + 0.5 - x) <= 1.5
    torch.testing.assert_close(cropped(image, torch.tensor([[-1.0, -1, 1, 1]])), image)


def test_colours_of_one_sample_change_together() -> None:
    image = pictures(8, 1).expand(-1, 2, -1, -1, -1)
    found = colour_jitter(image)
    torch.testing.assert_close(found[:, 0], found[:, 1])
    change = (found - image).abs().mean((1, 2, 3, 4))
    assert (change > 0.005).all() and (change < 0.2).all()
    torch.testing.assert_close(colour_jitter(image, 0.0), image, atol=1e-4, rtol=0)


def test_the_encoder_never_sees_the_colours_that_keypoints_come_from(
    system: Fsrt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mien.systems.reenact.fsrt.colour_jitter", iter_of(0.2, 0.5, 0.8))
    faces = torch.tensor([-0.5, -0.5, 0.5, 0.5]).expand(4, 2, 4)
    views = system.augmented(pictures(4, 2), faces)
    torch.testing.assert_close(views.sources, torch.full_like(views.sources, 0.2))
    torch.testing.assert_close(views.target, torch.full_like(views.target, 0.2))
    expected = system.drive(torch.full((1, 3, 32, 32), 0.5)).expression
    torch.testing.assert_close(views.expressions[0], expected)
    cut = system.drive(torch.full((1, 3, 32, 32), 0.8)).expression
    torch.testing.assert_close(views.second[0, -1:], cut)


def iter_of(*levels: float):
    """A jitter that makes pictures plain, each time in another grey."""
    left = list(levels)
    return lambda image: torch.full_like(image, left.pop(0))


def test_keypoints_may_lie_out_of_the_picture_but_not_far(system: Fsrt) -> None:
    faces = torch.tensor([-0.2, -0.1, 0.2, 0.2]).expand(64, 2, 4)
    torch.manual_seed(2)
    frames = system._frames(faces[:, 0])
    whole = torch.tensor([-1.0, -1, 1, 1])
    cut = (frames != whole).any(1)
    assert 5 < cut.sum() < 59
    corners = within(whole.view(2, 2).expand(64, -1, -1), frames[:, None])
    assert corners.abs().max() <= 2


# -- losses ----------------------------------------------------------------------------------------


def test_published_regularisers_are_not_the_textbooks() -> None:
    torch.manual_seed(0)
    one = torch.randn(1, 256).repeat(8, 1)  # each vector varies, the batch does not
    assert variance_loss(one, over_batch=False) < 0.1 < 0.9 < variance_loss(one, over_batch=True)
    apart = torch.randn(4096, 8)  # numbers that have nothing to do with each other
    assert covariance_loss(apart, diagonal=False) < 0.02
    assert covariance_loss(apart, diagonal=True) == pytest.approx(1, abs=0.1)


def test_both_regularisers_are_there(system: Fsrt) -> None:
    batch = system.example(4)
    torch.manual_seed(0)
    published = system.losses(batch)
    other = Fsrt(replace(system.config, regulariser="vicreg"))
    other.load_state_dict(system.state_dict())
    torch.manual_seed(0)
    textbook = other.eval().losses(batch)
    torch.testing.assert_close(published["invariance"], textbook["invariance"])
    assert published["covariance"] > textbook["covariance"]
    assert published["variance"] != textbook["variance"]


def test_phases_compute_what_they_learn_from(system: Fsrt) -> None:
    batch, stages = system.example(4), {stage.name: stage for stage in system.stages()}
    assert list(stages) == ["keypoints", "pixels", "critic", "adversarial"]
    assert [turn.name for turn in stages["adversarial"].in_turn()] == ["generator", "critic"]
    for stage in stages.values():
        for turn in stage.in_turn():
            for name, parameter in system.named_parameters():
                parameter.requires_grad_(name.startswith(turn.train))
            system.wanted = frozenset(turn.losses)
            assert set(system.losses(batch)) == set(turn.losses)


def test_the_detector_learns_where_the_face_is(system: Fsrt) -> None:
    batch = system.example(2)
    known = system.losses(batch)["keypoints"]
    batch["landmarks_68"][:] = torch.nan
    system.wanted = frozenset(["keypoints"])
    assert known > 0 and system.losses(batch)["keypoints"] == 0


def test_only_the_generators_pixels_have_a_gradient(system: Fsrt) -> None:
    (pairs,) = system.inputs(system.example(2))
    views = system.augmented(pairs, torch.tensor([-1.0, -1, 1, 1]).expand(2, 2, 4))
    tokens = system.encode(views.sources)
    picture, error = system._stitched(views, tokens)
    assert picture.requires_grad and error > 0
    torch.testing.assert_close(picture, system.paint(tokens, views.drive, 32), atol=1e-5, rtol=0)


def test_the_critic_and_the_generator_want_opposite_things(system: Fsrt) -> None:
    class Says(torch.nn.Module):
        def forward(self, image, keypoints):
            return (image.mean((1, 2, 3)) > 0.5).float(), []  # bright pictures are real

    terms = {}
    for name, level in (("dull", 0.0), ("bright", 1.0)):
        system.add_module("discriminator", Says())
        views = system.augmented(torch.ones(2, 2, 3, 32, 32), torch.ones(2, 2, 4))
        views = views._replace(target=torch.ones(2, 3, 32, 32))
        fake = torch.full((2, 3, 32, 32), level)
        score, _ = system.discriminator(fake, views.drive.keypoints)
        terms[name] = float((1 - score).square().mean()), float(system._critic_loss(views, fake))
    assert terms["dull"] == (1, 0)
    assert terms["bright"] == (0, 1)


def test_the_critic_sees_where_keypoints_are() -> None:
    critic = PatchCritic(2, (4, 8))
    image = torch.rand(1, 3, 32, 32)
    score, maps = critic(image, torch.zeros(1, 2, 2))
    other, _ = critic(image, torch.full((1, 2, 2), 0.5))
    assert [m.shape[1] for m in maps] == [4, 8]
    assert (score - other).abs().max() > 0


def test_the_perceptual_loss_has_the_published_layers(tmp_path: Path) -> None:
    vgg = Vgg19()
    maps = Judge(vgg, vgg.state_dict())(torch.rand(1, 3, 32, 32))
    assert [m.shape[1:] for m in maps] == [
        (64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4), (512, 2, 2)
    ]  # fmt: skip
    assert all((m >= 0).all() for m in maps)
    broken = tmp_path / "vgg.safetensors"
    save_file({"features.0.weight": torch.zeros(64, 3, 3, 3)}, broken)
    with pytest.raises(InputError, match="Vgg19"):
        Fsrt(replace(FsrtConfig.tiny(), perceptual=str(broken))).stages()


def test_it_learns_to_draw_one_pair(system: Fsrt, tmp_path: Path) -> None:
    """Through the engine: a plain face on a plain ground comes out after some steps."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, 32), torch.linspace(-1, 1, 32), indexing="ij")
    face = (((x**2 + y**2) < 0.3) * 150 + 50).byte().expand(4, 3, 32, 32)
    batch = system.example(4) | {"image": face}
    batch["landmarks_68"][:] = torch.nan  # so that nothing is cut off
    stage = replace(system.stages()[1], steps=40, batch=4, warmup=1, rate=5e-3, ema=0.5)
    options = Options(workers=0, precision="fp32", log_every=40)
    Run(system, tmp_path, options, lambda line: None).train(stage, lambda start: Repeated(batch))
    assert "adversarial" not in (tmp_path / "metrics.csv").read_text()  # is not asked for here
    made = system.predict(face[:1] / 255, face[:1] / 255)
    assert F.mse_loss(made[0], face[0] / 255) < 0.03


# -- published files -------------------------------------------------------------------------------


def like(shapes) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(0.01).expand(tuple(shape)) for name, shape in shapes.items()}


@pytest.mark.parametrize("network", ["model", "model_small"])
def test_published_names_and_shapes_are_all_taken(network: str) -> None:
    file = GOLDEN / f"fsrt.{network}.npz"
    if not file.is_file():
        pytest.skip(f"{file} is not there")
    state = like(golden.read(file).shapes)
    holds = Fsrt.published(state)
    assert holds.predicts and holds.absent == ("discriminator.",)
    with torch.device("meta"):
        system = Fsrt(holds.config)
    found = official.matched(system, state, holds.absent)
    assert (
        len(found) == len([name for name in state if not name.endswith("down.weight")]) + 5
    )  # queries
    with_critic = state | like(CRITIC)
    critic = {name for name in system.state_dict() if name.startswith("discriminator.")}
    assert official.matched(system, with_critic, ()).keys() >= critic
    alone = {name: v for name, v in state.items() if not name.startswith("kp_detector")}
    assert not Fsrt.published(alone).predicts


CRITIC = {
    "discriminator.discs.1.down_blocks.0.conv.weight": (128, 13, 4, 4),
    "discriminator.discs.1.down_blocks.0.conv.bias": (128,),
    **{
        f"discriminator.discs.1.down_blocks.{i}.{name}": shape
        for i, (inputs, outputs) in enumerate(((128, 256), (256, 512), (512, 512)), 1)
        for name, shape in (
            ("conv.weight", (outputs, inputs, 4, 4)), ("conv.bias", (outputs,)),
            ("norm.weight", (outputs,)), ("norm.bias", (outputs,)),
        )
    },
    "discriminator.discs.1.conv.weight": (1, 512, 1, 1),
    "discriminator.discs.1.conv.bias": (1,),
}  # fmt: skip


def test_the_detector_alone_can_be_trained_on() -> None:
    names = {
        "predictor.encoder.down_blocks.0.conv.bias": (64,),
        "kp.weight": (10, 35, 7, 7),
        "down.weight": (3, 1, 13, 13),
    }
    holds = Fsrt.published(like(names))
    assert not holds.predicts and "kp_detector." not in holds.absent
    assert holds.config == FsrtConfig.paper()


def test_published_files_are_joined(tmp_path: Path) -> None:
    parts = {"encoder": {"a": torch.ones(2)}, "decoder": {"b": torch.ones(1)},
             "expression_encoder": {"c": torch.ones(3)}, "it": 7, "run_id": "x"}  # fmt: skip
    torch.save(parts, tmp_path / "vox256.pt")
    torch.save({"kp.bias": torch.zeros(10)}, tmp_path / "kp_detector.pt")
    state = joined(tmp_path / "vox256.pt", tmp_path / "kp_detector.pt")
    assert set(state) == {"encoder.a", "decoder.b", "expression_encoder.c", "kp_detector.kp.bias"}
    del parts["decoder"]
    torch.save(parts, tmp_path / "vox256.pt")
    with pytest.raises(InputError, match="decoder"):
        joined(tmp_path / "vox256.pt")
