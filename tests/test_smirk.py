"""SMIRK: what the mesh says, what the renderer may see, and who learns in whose turn."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_systems import Repeated

from mien.cli import main
from mien.errors import InputError, MienError
from mien.face import BLENDSHAPES
from mien.find.finder import FaceFinder
from mien.head.model import HeadModel
from mien.media.image import read_image
from mien.nn.heads import OPEN, STEP, TEMPLATES, Code, FlameHead, MienHead, placed, rotations
from mien.nn.mesh_mask import grown, hull, masked, moved_pixels
from mien.nn.perceptual import Judge, ResNet50, Vgg16, feature_distance
from mien.systems.official import load_official
from mien.systems.reconstruct.reader import HeadReader, fit_of, met
from mien.systems.reconstruct.smirk import Smirk, SmirkConfig, other_expressions, shaded
from mien.train import checkpoint, engine
from mien.train.engine import Options, Run

ASTRONAUT = Path(__file__).parent.parent / "docs" / "pictures" / "astronaut.jpg"


@pytest.fixture(scope="module")
def head() -> MienHead:
    return MienHead()


@pytest.fixture
def system() -> Smirk:
    torch.manual_seed(0)
    return Smirk.build("tiny")


def code(count: int = 1, **parts: torch.Tensor) -> Code:
    sizes = {"pose": 3, "camera": 3, "shape": 80, "expression": 47, "eyelids": 2, "jaw": 3}
    zero = {name: torch.zeros(count, size) for name, size in sizes.items()}
    return Code(**{**zero, "camera": torch.tensor([[7.0, 0, 0]]).repeat(count, 1), **parts})


def test_over_flame_it_has_the_published_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MIEN_FLAME", raising=False)
    with torch.device("meta"):
        system = Smirk(SmirkConfig.over_flame())
    named = {name: part for name, part in system.named_children() if name != "head"}
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in named.items()}
    assert sum(counts.values()) == 3_599_921 + 31_367_171
    assert counts["generator"] == 31_367_171


def test_blendshapes_move_the_head_as_the_model_does(head: MienHead) -> None:
    weights = {"mouthSmileLeft": 0.8, "browInnerUp": 0.5}
    expression = torch.from_numpy(head.code_of({"": weights})).float()
    found = (
        head.vertices(code(shape=torch.full((1, 80), 0.3), expression=expression))[0].numpy() * 1000
    )
    told = HeadModel.bundled().vertices(np.full(80, 0.3, np.float32), weights)[head.kept]
    # The model also keeps lids and lips from passing through each other.
    assert np.median(np.abs(found - told)) < 1e-3
    assert np.quantile(np.abs(found - told), 0.95) < 0.1


def test_lids_and_jaw_are_apart_from_the_expression(head: MienHead) -> None:
    model = HeadModel.bundled()
    opened = head.vertices(code(jaw=torch.tensor([[OPEN, 0, 0]])))[0] * 1000
    told = model.template + model.expression[BLENDSHAPES.index("jawOpen")]
    np.testing.assert_allclose(opened.numpy(), told[head.kept], atol=1e-3)
    still = head.vertices(code())[0]
    closed = head.vertices(code(eyelids=torch.tensor([[1.0, 0.0]])))[0] - still
    moved = closed.norm(dim=1) > 1e-3
    assert moved.any() and (still[moved, 0] > 0).all()  # the person's left is the image's right


def test_a_nod_and_a_shift_are_where_they_should_be(head: MienHead) -> None:
    pose = torch.tensor([[0.0, 0.5, 0.0]])  # about y: towards the image's right
    still, turned = (placed(head.points(head.vertices(c)), c.camera) for c in (
        code(), code(pose=pose)
    ))  # fmt: skip
    nose = 1
    assert turned[0, nose, 0] > still[0, nose, 0] + 0.1
    assert still[0, 152, 1] > still[0, 10, 1]  # the chin is below the forehead, y down
    assert still[0, nose, 2] < still[0, 152, 2]  # and the nose nearer than either
    shifted = placed(torch.zeros(1, 1, 3), torch.tensor([[7.0, 0.1, 0.1]]))
    torch.testing.assert_close(shifted[0, 0], torch.tensor([0.7, -0.7, 0.0]))


def test_rotations_are_those_of_the_matrix_exponential() -> None:
    vectors = torch.randn(5, 3, dtype=torch.float64)
    x, y, z = vectors.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).view(5, 3, 3)
    torch.testing.assert_close(
        rotations(vectors), torch.linalg.matrix_exp(cross), atol=1e-6, rtol=0
    )
    assert rotations(torch.zeros(1, 3)).isfinite().all()


def test_templates_are_blendshapes_of_the_head(head: MienHead) -> None:
    assert head.templates is not None
    assert {name for row in TEMPLATES.values() for name in row} <= set(BLENDSHAPES)
    assert (head.templates.amax(1) * STEP == 0.5).sum() <= 1  # each is telling
    assert len(head.templates.unique(dim=0)) == len(TEMPLATES)


def test_the_drawn_mesh_is_lit_from_the_front() -> None:
    front, side, back = shaded(torch.tensor([[0, 0, 1.0], [1, 0, 0], [0, 0, -1]]))
    assert front > side > 0
    assert back == 0 and front <= 1


def test_the_picture_of_the_mesh_has_a_gradient_to_the_expression(system: Smirk) -> None:
    expression = torch.zeros(1, 47, requires_grad=True)
    system.draw(code(expression=expression)).picture.sum().backward()
    assert expression.grad is not None and expression.grad.abs().max() > 0


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31))
def test_a_hull_is_that_of_its_points(seed: int) -> None:
    import cv2

    rng = np.random.default_rng(seed)
    points = rng.uniform(-0.9, 0.9, (1, 12, 2)).astype(np.float32)
    found = hull(torch.from_numpy(points), 64, 48)[0, 0].numpy() > 0
    pixels = (points[0] + 1) / 2 * (48, 64) - 0.5
    outline = cv2.convexHull(pixels.astype(np.float32))
    y, x = np.mgrid[:64, :48]
    inside = [
        cv2.pointPolygonTest(outline, (float(u), float(v)), True)
        for u, v in zip(x.ravel(), y.ravel(), strict=True)
    ]
    distance = np.array(inside).reshape(64, 48)
    assert found[distance > 0].all()
    assert not found[distance < -1].any()


def test_a_hull_of_unknown_points_is_empty() -> None:
    points = torch.full((1, 9, 2), torch.nan)
    assert hull(points, 8, 8).sum() == 0
    points[0, :3] = torch.tensor([[-1.0, -1], [1, -1], [0, 1]])
    assert 16 < hull(points, 8, 8).sum() < 48


def test_what_is_hidden_is_not_seen_but_for_the_shown_pixels() -> None:
    image = torch.rand(1, 3, 16, 16)
    hidden = torch.zeros(1, 1, 16, 16)
    hidden[..., 4:12, 4:12] = 1
    shown = torch.zeros_like(image)
    shown[..., 6, 7] = image[..., 6, 7]
    seen = masked(image, hidden, shown, 2, erased=0.0, noise=0.0)
    assert torch.equal(seen[..., 6, 7], image[..., 6, 7])
    assert seen[..., 4:12, 4:12].count_nonzero() == 3
    assert torch.equal(seen[..., :4, :], image[..., :4, :])
    assert masked(image, hidden, shown, 2, erased=1.0)[..., 4:12, 4:12].count_nonzero() == 0
    assert grown(hidden, 2)[0, 0].sum() == 12 * 12


def test_pixels_move_with_their_points() -> None:
    image = torch.rand(1, 3, 8, 8)
    source = torch.tensor([[[-0.875, -0.875], [0.1, 0.1], [3.0, 0.0]]])
    target = torch.tensor([[[0.875, 0.875], [5.0, 0.0], [-0.875, 0.875]]])
    moved = moved_pixels(image, source, target)
    assert torch.equal(moved[..., 7, 7], image[..., 0, 0])
    assert moved.count_nonzero() == 3  # what leaves the picture is not put on its border


def test_places_follow_the_surface(system: Smirk) -> None:
    smile = torch.from_numpy(MienHead.code_of({"": {"mouthSmileLeft": 1, "mouthSmileRight": 1}}))
    before, after = system.draw(code()), system.draw(code(expression=smile.float()))
    places = system.places(before)
    triangles = system.face.triangles
    assert (before.normals[0, triangles[places.triangle[0]], 2].mean(-1) > -0.05).all()
    corners = after.placed[0, triangles[places.triangle[0]], :2]
    found = places.on(after.placed, triangles)[0]
    assert (found >= corners.amin(1) - 1e-5).all() and (found <= corners.amax(1) + 1e-5).all()
    assert not torch.equal(found, places.on(before.placed, triangles)[0])


def test_other_expressions_stay_in_their_limits(head: MienHead) -> None:
    torch.manual_seed(0)
    given_code = code(64, jaw=torch.full((64, 3), 0.1), eyelids=torch.full((64, 2), 0.5))
    other = other_expressions(given_code, head.templates, head.limits)
    assert torch.equal(other.shape, given_code.shape) and torch.equal(other.pose, given_code.pose)
    assert other.expression.min() > -2 and other.expression.max() < 4 * 1.5 + 2
    assert other.jaw[:, 0].min() >= 0 and other.jaw[:, 0].max() <= 0.5
    assert other.eyelids.min() >= 0 and other.eyelids.max() <= 1
    still = (other.jaw == 0).all(1)
    assert still.sum() == 16  # a quarter has none
    assert other.expression[still].abs().mean() < 0.2
    assert (other.expression.abs().amax(1) > 1.0).sum() >= 16
    three = other_expressions(given_code, None, head.limits)
    assert (three.jaw == 0).all(1).sum() in (21, 22)


def test_each_turn_computes_its_own_terms(system: Smirk) -> None:
    batch = system.example(4)
    for stage in system.stages():
        for turn in stage.in_turn():
            for name, parameter in system.named_parameters():
                parameter.requires_grad_(name.startswith(turn.train))
                parameter.grad = None
            terms = system.losses(batch)
            assert set(turn.losses) <= set(terms)
            assert len(terms) <= len(turn.losses) + 1
            total = torch.stack([w * terms[n] for n, w in turn.losses.items()]).sum()
            total.backward()
            learned = [(n, p) for n, p in system.named_parameters() if p.requires_grad]
            assert [n for n, p in learned if p.grad is None] == []


def test_a_fixed_part_stays_as_it_was_in_the_other_turns(system: Smirk, tmp_path) -> None:
    start = {name: value.clone() for name, value in system.state_dict().items()}
    core = replace(system.stages()[1], steps=2, batch=4)
    batch = system.example(4)
    options = Options(workers=0, precision="bf16", log_every=1, save_every=10)
    Run(system, tmp_path, options, lambda line: None).train(core, lambda start: Repeated(batch))
    changed = {
        name.split(".")[0]
        for name, value in system.state_dict().items()
        if not torch.equal(value, start[name])
    }
    assert changed == {"expression_encoder", "generator"}


def test_unknown_labels_do_not_count(system: Smirk) -> None:
    system.eval()
    batch = system.example(4)
    half = {key: value[:2] for key, value in batch.items()}
    for word in ("landmarks", "landmarks_68", "head_identity"):
        batch[word][2:] = torch.nan
    (image,) = system.inputs(batch)
    whole = system._read_losses(system.encode(image), batch)
    part = system._read_losses(system.encode(image[:2]), half)
    for name in ("contour", "landmarks", "shape"):
        torch.testing.assert_close(whole[name], part[name])


def test_geometry_keeps_its_precision_beside_half_a_network(system: Smirk) -> None:
    given_code = code(shape=torch.randn(1, 80), expression=torch.rand(1, 47))
    with torch.autocast("cpu", torch.bfloat16):
        half = system.draw(given_code).vertices
    assert torch.equal(half, system.draw(given_code).vertices)


def test_predictions_are_codes_of_the_face(system: Smirk) -> None:
    found = system.predict(torch.rand(2, 3, 32, 32))
    assert [part.shape[1] for part in found] == [3, 3, 80, 47, 2, 3]
    assert torch.allclose(found.camera[:, 0], torch.tensor(7.0), atol=0.1)
    batch = system.example(2)
    (image,) = system.inputs(batch)
    again = system.redraw(image, batch["landmarks"], found)
    assert again.shape == image.shape and again.min() >= 0 and again.max() <= 1


def test_the_crop_is_the_square_about_the_landmarks() -> None:
    system = Smirk.build("tiny")
    points = np.full((478, 3), (100.0, 200.0, 0.0))
    points[1] = 180, 320, 0
    matrix = system.crop(points)
    centre = matrix @ (16, 16, 1)
    np.testing.assert_allclose(centre, (140, 260))
    assert matrix[0, 0] * 32 == pytest.approx(1.4 * (80 + 120) / 2)


def published_names(system: Smirk) -> dict[str, torch.Tensor]:
    """A state dict in the layout of SMIRK_em1.pt, filled with the system's own values."""
    state = {}
    layers = {
        "pose_encoder": "pose_cam",
        "shape_encoder": "shape",
        "expression_encoder": "expression",
    }
    for name, value in system.state_dict().items():
        part, *rest = name.split(".")
        if part in layers:
            tail = ".".join(rest)
            tail = tail.replace("head.", f"{layers[part]}_layers.0.") if rest[0] == "head" else tail
            state[f"smirk_encoder.{part}.{tail}"] = value
            continue
        match rest:
            case ["encoders" | "decoders" as kind, level, layer, *end]:
                short, unit = kind[:3], f"{layer[:-1]}{layer[-1]}"
                tail = f"{kind[:-1]}{level}.{short}{level}{unit}"
            case ["bottleneck", layer, *end]:
                tail = f"bottleneck.bottleneck{layer}"
            case ["residual", number, layer, *end]:
                place = {"conv1": 1, "norm1": 2, "conv2": 5, "norm2": 6}[layer]
                tail = f"resnet_blocks.{number}.conv_block.{place}"
            case ["ups", level, *end]:
                tail = f"upconv{level}"
            case ["last", *end]:
                tail = "conv"
            case _:
                raise AssertionError(name)
        state[".".join(["smirk_generator", tail, *end])] = value
    return state


def test_the_published_checkpoint_finds_its_places() -> None:
    with torch.device("meta"):
        paper = Smirk(SmirkConfig.over_flame())
    names = published_names(paper)
    assert sum(name.startswith("smirk_encoder.") for name in names) == 762
    assert sum(name.startswith("smirk_generator.") for name in names) == 178
    holds = Smirk.published(names)
    assert holds.config.shapes == 300 and holds.config.expressions == 50 and not holds.absent
    alone = {
        name: value for name, value in names.items() if "encoder.p" in name or "_encoder." in name
    }
    assert Smirk.published(alone).absent == ("generator",)
    small = Smirk(SmirkConfig(size=32, encoder_width=0.25, width=8, residual=1))
    copy = Smirk(small.config)
    load_official(copy, published_names(small))
    found = copy.state_dict()
    assert [n for n, value in small.state_dict().items() if not torch.equal(found[n], value)] == []
    with pytest.raises(InputError, match="not a tensor of this system"):
        load_official(copy, {"smirk_generator.conv9.weight": torch.zeros(1)})


def test_without_flame_it_reads_codes_but_has_no_mesh() -> None:
    config = replace(SmirkConfig.tiny(), head="flame", shapes=300, expressions=50)
    system = Smirk(config)
    found = system.predict(torch.rand(1, 3, 32, 32))
    assert found.shape.shape == (1, 300) and found.expression.shape == (1, 50)
    with pytest.raises(MienError, match=r"MIEN_FLAME"):
        system.draw(found)
    with pytest.raises(MienError, match=r"MIEN_FLAME"):
        system.losses(system.example(2))


def test_a_folder_without_flame_says_what_is_missing(tmp_path) -> None:
    with pytest.raises(InputError, match=r"no generic_model\.pkl.*registration"):
        FlameHead.load(tmp_path)


def test_saved_weights_hold_nothing_of_the_head(system: Smirk) -> None:
    assert not any(name.startswith("head") for name in system.state_dict())


def test_a_loss_without_weights_is_left_out_and_not_faked(tmp_path) -> None:
    plain = Smirk.build("tiny")
    weighed = {name for stage in plain.stages() for t in stage.in_turn() for name in t.losses}
    assert not {"perceptual", "emotion"} & weighed
    torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / "vgg.pth")
    asked = Smirk(replace(SmirkConfig.tiny(), perceptual=str(tmp_path / "vgg.pth")))
    with pytest.raises(InputError, match=r"Vgg16: features\.0\.weight has another shape"):
        asked.stages()  # before anything is trained


def test_the_perceptual_loss_compares_what_is_drawn_with_the_picture(system: Smirk) -> None:
    vars(system)["_perceptual"] = lambda image: [image]
    terms = system.losses(system.example(2))
    assert system.stages()[1].turns[0].losses["perceptual"] == 10
    torch.testing.assert_close(terms["perceptual"], terms["photometric"] / 2)


def test_judges_take_the_usual_names_and_stay_fixed() -> None:
    vgg = Vgg16()
    names = [f"features.{k}.weight" for k in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21)]
    assert [name for name in vgg.state_dict() if name.endswith("weight")] == names
    judge = Judge(vgg, vgg.state_dict())
    image = torch.rand(1, 3, 32, 32, requires_grad=True)
    assert [f.shape[1] for f in judge(image)] == [64, 128, 256, 512]
    distance = feature_distance(judge, image, torch.rand(1, 3, 32, 32))
    distance.backward()
    assert image.grad is not None and image.grad.abs().max() > 0
    assert feature_distance(judge, image, image).item() == 0
    assert all(p.grad is None for p in vgg.parameters())
    with torch.device("meta"):
        resnet = ResNet50()
    assert sum(p.numel() for p in resnet.parameters()) == 25_557_032 - 2_049_000
    assert "layer4.2.conv3.weight" in resnet.state_dict()
    assert "layer1.0.downsample.1.running_var" in resnet.state_dict()


def test_the_emotion_loss_teaches_the_mesh_and_not_the_renderer(system: Smirk) -> None:
    vars(system)["_emotion"] = lambda image: [image.mean((2, 3))]
    for name, parameter in system.named_parameters():
        parameter.requires_grad_(name.startswith(system.stages()[1].turns[0].train))
    before = {name: value.clone() for name, value in system.generator.named_buffers()}
    batch = system.example(2)
    (image,) = system.inputs(batch)
    drawn = system.draw(system._expressed(image))
    hidden = system.hidden(batch["landmarks"], drawn)
    system._emotion_loss(image, hidden, torch.zeros_like(image), drawn).backward()
    assert all(p.grad is None for p in system.generator.parameters())
    learned = system.expression_encoder.head.weight.grad
    assert learned is not None and learned.abs().max() > 0
    for name, value in system.generator.named_buffers():
        assert torch.equal(value, before[name])
    assert system.generator.training


# -- `mien reconstruct --system smirk` ----------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run as it was before its first step: faces of mean shape in the middle of the crop."""
    folder = tmp_path_factory.mktemp("run")
    torch.manual_seed(0)
    system = Smirk.build("tiny")
    engine.write_config(folder, system, system.stages(), {})
    checkpoint.save_tensors(system.state_dict(), folder / "model.safetensors")
    return folder


def test_a_code_is_the_same_head_in_the_picture(head: MienHead) -> None:
    """What the fit projects is what the system has placed in its crop."""
    torch.manual_seed(3)
    expression = torch.from_numpy(head.code_of({"": {"mouthSmileLeft": 0.8, "browInnerUp": 0.5}}))
    one = code(
        pose=torch.tensor([[0.2, -0.3, 0.1]]), shape=torch.randn(1, 80) / 2,
        expression=expression.float(), eyelids=torch.tensor([[0.5, 0.0]]),
        jaw=torch.tensor([[0.2, -0.1, 0.0]]), camera=torch.tensor([[6.5, 0.02, -0.01]]),
    )  # fmt: skip
    size, place = 224, np.array([[1.5, 0, 80.0], [0, 1.5, -20.0]])
    fit = fit_of(one, place, size, (320.0, 240.0))
    model = HeadModel.bundled()
    seen = placed(head.points(head.vertices(one)), one.camera)[0, :, :2].numpy()
    truth = (seen + 1) * size / 2 * 1.5 + (80, -20)
    found = fit.camera.project(model.landmarks(fit.vertices(model)))[:468, :2]
    away = np.linalg.norm(found - truth, axis=1) / np.ptp(truth[:, 0])
    assert np.median(away) < 0.003 and away.max() < 0.03
    assert fit.expression[BLENDSHAPES.index("jawRight")] == pytest.approx(0.5)
    assert fit.expression[BLENDSHAPES.index("eyeBlinkLeft")] == 0.5
    again = met(fit, np.column_stack([fit.camera.project(model.landmarks(fit.vertices(model)))]),
                model)  # fmt: skip
    assert again.error == pytest.approx(0, abs=1e-6) and again.quality == 1


def test_a_photo_is_reconstructed_by_the_system(trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "head"
    args = ["reconstruct", str(ASTRONAUT), "--out", str(out), "--no-turntable", "--quiet",
            "--system", "smirk", "--run", str(trained)]  # fmt: skip
    assert main(args) == 0
    said = json.loads((out / "head.json").read_text())
    assert (out / "head.glb").stat().st_size > 0 and (out / "fit.png").exists()
    assert 0 <= said["quality"] <= 1 and abs(said["pose_degrees"]["yaw"]) < 20
    with np.load(out / "head.npz") as arrays:
        assert arrays["identity"].shape == (80,) and arrays["expression"].shape == (52,)


def test_a_person_is_the_same_in_all_frames(trained: Path) -> None:
    image = read_image(ASTRONAUT)
    landmarks = FaceFinder.bundled().find([image])[0][0].landmarks
    assert landmarks is not None
    reader = HeadReader("smirk", trained)
    fits = reader.read_clip([image, image, image[:, ::-1]], [landmarks, None, landmarks])
    assert fits[1] is None and fits[0] is not None and fits[2] is not None
    np.testing.assert_array_equal(fits[0].identity, fits[2].identity)


def test_weights_over_flame_are_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MIEN_FLAME", raising=False)
    small = SmirkConfig(size=32, head="flame", shapes=300, expressions=50, encoder_width=0.25,
                        width=8, residual=1)  # fmt: skip
    system = Smirk(small)
    engine.write_config(tmp_path, system, system.stages(), {})
    checkpoint.save_tensors(system.state_dict(), tmp_path / "model.safetensors")
    args = ["reconstruct", str(ASTRONAUT), "--out", str(tmp_path / "head"), "--system", "smirk"]
    assert main([*args, "--run", str(tmp_path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "over FLAME" in line and "mien train smirk" in line
    assert not (tmp_path / "head").exists()
    assert main(args) == 1
    assert "smirk has no weights on this machine" in capsys.readouterr().err
    assert main([*args[:-1], "fsrt"]) == 2
    assert "is not reconstruction" in capsys.readouterr().err
