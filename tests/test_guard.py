"""Forged or not: pairs of pictures, CLIP's detector, and what mien guard says."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mien import cli
from mien.data.forgeries import Album, Pair
from mien.errors import InputError, UsageError
from mien.evaluate import guard as protocol
from mien.find.finder import FaceFinder
from mien.find.guard import Calibration, Guard, answer_of
from mien.jobs import guard as job
from mien.media.image import read_image, write_image
from mien.nn.clip import ClipVision, Sizes, from_openai
from mien.systems.guard.clip_deepfake import (
    ClipDeepfake,
    ClipDeepfakeConfig,
    alignment,
    mixed_in_classes,
    slerp,
    uniformity,
)
from mien.systems.official import load_official
from mien.train import forged
from mien.train.data import open_data
from mien.train.forged import Pairs, fitted
from mien.world.forged_photos import PHOTO_KINDS, photo_shot

PHOTO = Path(__file__).parent.parent / "docs" / "pictures" / "astronaut.jpg"


# -- pairs -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shot():
    image = read_image(PHOTO)
    face = FaceFinder.bundled().find([image], 1)[0][0]
    return photo_shot(image, np.asarray(face.landmarks, np.float64), 0)


@pytest.mark.parametrize("kind", PHOTO_KINDS)
def test_a_forged_photo_differs_where_its_mask_says_and_nowhere_else(kind, shot) -> None:
    rng = np.random.default_rng(3)
    # Some parameters change nothing, such as a patch of the same skin.
    tries = (PHOTO_KINDS[kind].sample(rng)(shot, rng, shot) for _ in range(20))
    made = next(made for made in tries if made.mask.any())
    assert ((made.mask > 0) == (made.image != made.original).any(-1)).all()


def pair(kind: str, person: int, side: int = 48) -> Pair:
    rng = np.random.default_rng(person)
    real = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
    fake, mask = real.copy(), np.zeros((side, side), np.float32)
    fake[16:32, 16:32], mask[16:32, 16:32] = 255 - real[16:32, 16:32], 1
    return Pair(np.stack([real, fake]), mask, kind, person)


@pytest.fixture
def album(tmp_path: Path) -> Path:
    kinds = ("swap-warped", "gan", "swap-rendered", "inpaint")
    pairs = [pair(kind, person) for person, kind in enumerate(kinds)]
    Album.write(tmp_path / "album", pairs, len(pairs), 48)
    return tmp_path / "album"


def test_an_album_gives_back_what_was_put_in(album: Path) -> None:
    found = Album(album)
    assert list(found.kinds) == ["swap-warped", "gan", "swap-rendered", "inpaint"]
    assert list(found.people) == [0, 1, 2, 3]
    assert (found.images[2] == pair("swap-rendered", 2).images).all()
    assert found.masks[0].max() == 255 and found.masks[0].mean() == pytest.approx(255 / 9, abs=0.1)


def test_what_is_no_album_is_one_line(album: Path) -> None:
    np.save(album / "masks.npy", np.zeros((3, 12, 12), np.uint8))
    with pytest.raises(InputError, match="do not belong together"):
        Album(album)
    (album / "about.json").write_text("{}")
    with pytest.raises(InputError, match="not an album"):
        Album(album)


def test_both_pictures_of_a_pair_are_cut_mirrored_and_lit_alike(album: Path) -> None:
    words = ("image", "forged", "forged_mask", "identity")
    stream = Pairs(Album(album), 40, words, seed=5)
    for number in range(8):
        real, fake = stream.sample(2 * number), stream.sample(2 * number + 1)
        assert (int(real["forged"]), int(fake["forged"])) == (0, 1)
        assert real["identity"] == fake["identity"]
        assert not real["forged_mask"].any() and fake["forged_mask"].max() == 1
        changed = (real["image"] != fake["image"]).any(0)
        assert changed.any() and not (changed & (fake["forged_mask"] == 0)).any()


def test_a_family_can_be_left_out(album: Path) -> None:
    system = ClipDeepfake.build("tiny")
    stream = open_data(f"forgeries:{album},without=swap")(system, system.stages()[0], 0)
    assert isinstance(stream, Pairs)
    assert set(stream.album.kinds[stream.places]) == {"gan", "inpaint"}
    sample = stream.sample(1)
    assert sample is not None and sample["image"].shape == (3, 32, 32)
    with pytest.raises(UsageError, match="without=KIND"):
        open_data(f"forgeries:{album},without=nonsense")


def test_an_epoch_has_every_pair_once(album: Path) -> None:
    stream = Pairs(Album(album), 48, ("identity",))
    people = [int(stream.sample(i)["identity"]) for i in range(16)]
    assert sorted(people[:8]) == sorted(people[8:]) == [0, 0, 1, 1, 2, 2, 3, 3]


def test_crops_keep_their_pixels_where_they_can() -> None:
    images, mask = pair("gan", 0).images, pair("gan", 0).mask
    cut, _ = fitted(images, mask, 40, np.random.default_rng(0))
    windows = np.lib.stride_tricks.sliding_window_view(images[0], (40, 40, 3)).reshape(
        -1, 40, 40, 3
    )
    assert (windows == cut[0]).all((1, 2, 3)).any()
    small, fewer = fitted(images, mask, 16, np.random.default_rng(0))
    assert small.shape == (2, 16, 16, 3) and fewer.mean() == pytest.approx(mask.mean(), abs=0.01)


def test_portraits_to_train_choose_and_test_on_are_different_people(shared: Path) -> None:
    parts = forged.parts(forged.Portraits.load(shared / "data" / "portraits"))
    every = np.concatenate(list(parts.values()))
    assert len(set(every.tolist())) == len(every) == 3600
    assert len(parts["train"]) > 8 * len(parts["test"])


# -- CLIP ------------------------------------------------------------------------------------------


def test_the_norms_and_the_head_are_all_that_is_trained() -> None:
    with torch.device("meta"):
        system = ClipDeepfake.build("paper")
    (stage,) = system.stages()
    counts = {name: p.numel() for name, p in system.named_parameters()}
    trained = sum(count for name, count in counts.items() if name.startswith(stage.train))
    assert trained == 102_400 + 2_050
    assert sum(counts.values()) + 102_400 == 303_284_226  # published: every norm is there twice


def published(system: ClipDeepfake, prefix: str, tuned: bool) -> dict[str, torch.Tensor]:
    """A system's weights under the authors' names; a tuned norm has its first values beside it."""
    found = {}
    norms = tuple(f"{name}." for name in system.tower.norms())
    for name, value in system.tower.state_dict().items():
        if tuned and name.startswith(norms):
            part, _, kind = name.rpartition(".")
            found[f"{prefix}{part}.base_layer.{kind}"] = torch.zeros_like(value)
            found[f"{prefix}{part}.ln_tuning_layers.default.{kind}"] = value
        else:
            found[prefix + name] = value
    return found | {f"model.linear.{k}": v for k, v in system.head.state_dict().items()}


@pytest.mark.parametrize(
    ("prefix", "tuned"),
    [("feature_extractor.base_model.model.vision_model.", True),
     ("feature_extractor.vision_model.", False)],
)  # fmt: skip
def test_published_names_find_their_places(prefix: str, tuned: bool) -> None:
    source, target = ClipDeepfake.build("tiny"), ClipDeepfake.build("tiny")
    state = published(source, prefix, tuned)
    state["feature_extractor.visual_projection.weight"] = torch.zeros(4, 64)
    load_official(target, state)
    image = torch.rand(2, 3, 32, 32)
    assert torch.equal(target.eval()(image)[0], source.eval()(image)[0])
    holds = ClipDeepfake.published(state)
    assert holds.predicts and (holds.config.size, holds.config.depth) == (32, 2)


def test_clip_itself_is_something_to_start_from() -> None:
    tower = ClipVision(32, 8, 64, 1, 1, 128)
    state = {f"visual.{name}": value for name, value in openai_names(tower).items()}
    state["visual.proj"] = torch.zeros(64, 8)
    state["token_embedding.weight"] = torch.zeros(9, 64)
    found = from_openai(state)
    assert {name: value.shape for name, value in found.items()} == {
        name: value.shape for name, value in tower.state_dict().items()
    }
    assert all(torch.equal(found[name], value) for name, value in tower.state_dict().items())
    holds = ClipDeepfake.published(state)
    assert not holds.predicts and holds.absent == ("head.",)
    assert Sizes.of({n: tuple(v.shape) for n, v in found.items()}) == (32, 8, 64, 1, 1, 128)


def openai_names(tower: ClipVision) -> dict[str, torch.Tensor]:
    """Straight from OpenAI's code, for a tower of one block."""
    ours = tower.state_dict()
    block = "encoder.layers.0."
    theirs = {
        "class_embedding": "embeddings.class_embedding",
        "positional_embedding": "embeddings.position_embedding.weight",
        "conv1.weight": "embeddings.patch_embedding.weight",
    }
    for kind in ("weight", "bias"):
        theirs |= {f"ln_pre.{kind}": f"pre_layrnorm.{kind}",
                   f"ln_post.{kind}": f"post_layernorm.{kind}"}  # fmt: skip
        for name, here in (("attn.out_proj", "self_attn.out_proj"), ("ln_1", "layer_norm1"),
                           ("mlp.c_fc", "mlp.fc1"), ("mlp.c_proj", "mlp.fc2"),
                           ("ln_2", "layer_norm2")):  # fmt: skip
            theirs[f"transformer.resblocks.0.{name}.{kind}"] = f"{block}{here}.{kind}"
    found = {name: ours[here] for name, here in theirs.items()}
    for kind in ("weight", "bias"):
        parts = [ours[f"{block}self_attn.{part}_proj.{kind}"] for part in "qkv"]
        found[f"transformer.resblocks.0.attn.in_proj_{kind}"] = torch.cat(parts)
    return found


def test_the_feature_is_on_the_sphere_unless_the_head_is_plain() -> None:
    feature = torch.randn(3, 64)
    unit = ClipDeepfake(
        ClipDeepfakeConfig(**{**vars(ClipDeepfakeConfig.tiny()), "normalised": True})
    )
    plain = ClipDeepfake.build("tiny")
    torch.testing.assert_close(unit.classified(feature), unit.classified(7 * feature))
    assert not torch.allclose(plain.classified(feature), plain.classified(7 * feature))


@given(st.integers(0, 2**31), st.floats(0, 1))
def test_slerp_stays_on_the_sphere_between_its_ends(seed: int, share: float) -> None:
    torch.manual_seed(seed)
    first, second = torch.randn(1, 5), torch.randn(1, 5)
    point = slerp(first, second, torch.tensor([[share]]))
    angle = [between(point, end) for end in (first, second)]
    whole = between(first, second)
    assert float(point.norm()) == pytest.approx(1, abs=1e-3)
    assert angle[0] == pytest.approx(share * whole, abs=5e-3)
    assert angle[0] + angle[1] == pytest.approx(whole, abs=5e-3)


def between(first: torch.Tensor, second: torch.Tensor) -> float:
    """The angle of two vectors (1, d)."""
    return float(torch.acos(torch.cosine_similarity(first, second).clamp(-1, 1)))


def test_features_are_mixed_with_their_own_class_only() -> None:
    feature = torch.zeros(40, 4)
    feature[:20, :2], feature[20:, 2:] = torch.rand(20, 2), torch.rand(20, 2)
    mixed = mixed_in_classes(feature, torch.arange(40) // 20)
    assert not mixed[:20, 2:].any() and not mixed[20:, :2].any()
    assert not torch.allclose(mixed, torch.nn.functional.normalize(feature))


def test_losses_on_the_sphere_are_those_of_wang_and_isola() -> None:
    unit = torch.nn.functional.normalize(torch.randn(6, 3))
    truth = torch.tensor([0, 1, 0, 1, 1, 0])
    pairs = [(i, j) for i in range(6) for j in range(i)]
    gaps = {ij: float((unit[ij[0]] - unit[ij[1]]).square().sum()) for ij in pairs}
    same = [gap for (i, j), gap in gaps.items() if truth[i] == truth[j]]
    assert float(alignment(unit, truth)) == pytest.approx(np.mean(same), rel=1e-5)
    spread = np.log(np.mean([np.exp(-2 * gap) for gap in gaps.values()]))
    assert float(uniformity(unit)) == pytest.approx(spread, rel=1e-5)
    assert float(alignment(unit[:1], truth[:1])) == float(uniformity(unit[:1])) == 0


@pytest.mark.slow
def test_published_code_and_ours_agree(shared: Path) -> None:
    from mien.systems.golden import read
    from mien.systems.parity import compare

    for network in ("model", "ops"):
        golden = read(shared / "golden" / f"clip-deepfake.{network}.npz")
        assert max(found.relative for found in compare(golden)) < 1e-4


# -- the bundled detector --------------------------------------------------------------------------


def test_what_is_seen_in_a_mirror_is_as_forged() -> None:
    guard = Guard.bundled()
    crops = np.random.default_rng(0).integers(0, 256, (3, 128, 128, 3), dtype=np.uint8)
    there, back = guard.of_crops(crops), guard.of_crops(crops[:, :, ::-1])
    assert there.logit == pytest.approx(back.logit, abs=1e-4)
    assert there.where == pytest.approx(back.where[:, :, ::-1], abs=1e-4)
    alone = guard.of_crops(crops[1:2])
    assert alone.logit[0] == pytest.approx(there.logit[1], abs=1e-4)


def test_the_calibration_belongs_to_the_network() -> None:
    calibration = Calibration.bundled()
    low, high = calibration.probability([-20.0, 20.0])
    assert 0 <= low < 0.5 < high <= 1
    assert set(calibration.reliability) == {"light", "medium", "strong"}


def test_small_faces_and_doubts_are_unsure() -> None:
    assert [answer_of(p) for p in (0.01, 0.5, 0.89, 0.95)] == [
        "no sign", "unsure", "unsure", "forged",
    ]  # fmt: skip
    assert answer_of(0.99, size=30) == "unsure"


# -- mien guard ------------------------------------------------------------------------------------


def test_a_file_is_as_forged_as_the_person_who_looks_most_so() -> None:
    people = {}
    for track, (values, size) in enumerate((((0.2, 0.4), 90), ((0.95, 0.97), 90), ((1.0,), 20))):
        people[track] = job._Person()
        for value in values:
            people[track].add(value, size)
    answer, probability, track, note = job._most_forged(people)
    assert (answer, probability, track, note) == ("forged", 0.96, 1, None)
    for _ in range(40):  # seen so long that the others were there for a moment only
        people[0].add(0.3, 90)
    assert job._most_forged(people)[2] == 0
    assert job._most_forged({})[3] == "no face in it"
    small = job._most_forged({2: people[2]})
    assert small[0] == "unsure" and "too small" in str(small[3])


def test_a_photo_gets_a_verdict_a_table_and_a_picture(tmp_path: Path, capsys) -> None:
    code = cli.main(["guard", str(PHOTO), "--out", str(tmp_path), "--annotate", "--json"])
    said = json.loads(capsys.readouterr().out.splitlines()[0])
    assert code == {"no sign": 0, "forged": 3, "unsure": 4}[said["answer"]]
    row = json.loads((tmp_path / "guard.jsonl").read_text().splitlines()[0])
    assert 0 <= row["probability"] <= 1 and row["x0"] < row["x1"]
    assert said == json.loads((tmp_path / "verdicts.jsonl").read_text())
    drawn = read_image(tmp_path / "annotated" / PHOTO.name)
    assert drawn.shape == read_image(PHOTO).shape


def test_limits_are_said_with_every_verdict(capsys) -> None:
    cli.main(["guard", str(PHOTO)])
    assert "no sign is no proof" in capsys.readouterr().out


def test_no_face_is_unsure_and_no_file_is_an_error(tmp_path: Path, capsys) -> None:
    write_image(tmp_path / "grey.png", np.full((90, 90, 3), 128, np.uint8))
    assert cli.main(["guard", str(tmp_path / "grey.png")]) == 4
    assert "no face in it" in capsys.readouterr().out
    assert cli.main(["guard", str(tmp_path / "none.jpg")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    "options", [["--annotate"], ["--run", "runs/x"], ["--system", "mien-landmarks"]]
)
def test_wrong_use_is_one_line(options: list[str], capsys) -> None:
    assert cli.main(["guard", str(PHOTO), *options]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("quality", [30, 50, 75, 90, 98])
def test_a_jpeg_says_how_strongly_it_is_compressed(quality: int, tmp_path: Path) -> None:
    from PIL import Image

    path = tmp_path / "photo.jpg"
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(path, quality=quality)
    assert job._jpeg_quality(str(path)) == pytest.approx(quality, abs=3)
    write_image(tmp_path / "photo.png", np.zeros((16, 16, 3), np.uint8))
    assert job._jpeg_quality(str(tmp_path / "photo.png")) is None


# -- the protocol ----------------------------------------------------------------------------------


def scores(logits, forged, kinds=None) -> protocol.Scores:
    forged = np.array(forged, bool)
    names = np.where(forged, "gan", "real") if kinds is None else np.array(kinds)
    return protocol.Scores(
        np.array(logits, float), forged, names, np.arange(len(logits)).astype(str)
    )


def test_each_kind_is_compared_with_real_pictures() -> None:
    kinds = ["real", "real", "gan", "gan", "inpaint", "inpaint"]
    found = protocol.by_kind(scores([0, 1, 5, 6, 0.5, 0.4], [0, 0, 1, 1, 1, 1], kinds))
    assert found["gan"]["auc"] == 1 and found["inpaint"]["auc"] == 0.5
    assert found["all"]["forged"] == 4


def test_a_clip_is_the_mean_of_its_frames() -> None:
    one = protocol.Scores(np.array([0.0, 2.0, 9.0]), np.array([False, False, True]),
                          np.array(["real", "real", "gan"]), np.array(["a", "a", "a"]))  # fmt: skip
    calibration = Calibration(1.0, 0.0, {}, "")
    found = protocol._by_video(one, calibration)
    assert list(found.forged) == [False, True]
    assert found.logits[0] == pytest.approx(calibration.probability([0.0, 2.0]).mean())


def test_answers_add_up_and_a_perfect_calibration_has_no_error() -> None:
    found = protocol.decisions(scores([-9, -9, 9, 9], [0, 0, 1, 1]), Calibration(5.0, 0.0, {}, ""))
    assert found["real"] == {"forged": 0, "unsure": 0, "no sign": 100}
    assert found["forged"]["forged"] == 100
    assert found["calibration_error"] == pytest.approx(0, abs=1e-6)
