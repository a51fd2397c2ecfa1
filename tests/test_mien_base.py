"""mien-base: what it learns from, that unknown labels do not count, and how it is judged."""

import json
from dataclasses import replace
from itertools import count, islice
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mien.data import labels, photometric, traits
from mien.data.face_crops import FaceCrops
from mien.data.face_source import FaceSource
from mien.data.face_warp import Change
from mien.data.labelled_crops import LabelledCrops, PortraitLabels, curves_after
from mien.errors import UsageError
from mien.evaluate import base, base_media, tables
from mien.face import BLENDSHAPES
from mien.find import mean_face
from mien.head.model import CELEBAMASK
from mien.systems.perceive import mien_base
from mien.systems.perceive.mien_base import MienBase, MienBaseConfig
from mien.train.data import PortraitSource, open_data, unknowns
from mien.train.mixed import PERIOD, Mixed, MixSource
from mien.train.worldly import Crops, face_crop, square, words
from mien.world.action_units import ACTION_UNITS, AU_TO_CURVES, curves, sided
from mien.world.recipe import Recipe
from mien.world.world import World

CLEAR = Recipe.of({"size": 160, "factors": {"yaw": 0, "pitch": 0, "roll": 20, "occluder": False,
                                            "mask": False, "degrade": 0}})  # fmt: skip
SIZE = 64


@pytest.fixture(scope="module")
def samples() -> list[dict[str, Any]]:
    world = World(CLEAR, "test", 3)
    return [world.sample(i) for i in range(6)]


@pytest.fixture(scope="module")
def system() -> MienBase:
    torch.manual_seed(0)
    return MienBase(MienBaseConfig.tiny())


# -- words -----------------------------------------------------------------------------------------


def test_the_vocabulary_has_the_units_and_classes_of_the_world() -> None:
    assert labels.UNITS == ACTION_UNITS
    assert len(BLENDSHAPES) == labels.CURVES
    assert mien_base.EMOTIONS[:7] == labels.EXPRESSIONS


def test_words_of_the_world_are_its_truth(samples: list[dict[str, Any]]) -> None:
    for sample in samples:
        said = words(sample, square(sample["landmarks"], SIZE), SIZE)
        np.testing.assert_allclose(said["curves"], sample["expression"])
        np.testing.assert_allclose(said["unit_intensities"], sample["action_units"])
        np.testing.assert_allclose(said["gaze"].ravel(), sample["gaze"])
        assert (said["visible"] == sample["visible"]).all()
        assert labels.AFFECTS[said["affect"]] == labels.EXPRESSIONS[said["emotion"]]
        assert (said["valence"], said["arousal"]) == pytest.approx(
            (sample["valence"], sample["arousal"])
        )
        x, y = said["landmarks"][4, :2].astype(int)
        assert said["parsing_19"][y, x] == CELEBAMASK.index("nose")


def test_crops_are_as_the_finder_cuts_them(samples: list[dict[str, Any]]) -> None:
    for number, sample in enumerate(samples):
        crop = face_crop(sample, 128, np.random.default_rng(number))
        points = crop["landmarks"]
        middle = points[:, :2].mean(0)
        assert np.abs(middle - 64).max() < 45
        eyes = points[473, :2] - points[468, :2]  # the picture's roll is taken out
        assert abs(np.degrees(np.arctan2(eyes[1], eyes[0]))) < 45
        nose = points[4, :2].astype(int)
        seen = crop["visible"][4] == 1 and ((nose >= 0) & (nose < 128)).all()
        if seen:
            assert crop["parsing_19"][nose[1], nose[0]] == CELEBAMASK.index("nose")
        assert 0 <= crop["quality"] <= 1


def test_a_mirror_turns_all_words(samples: list[dict[str, Any]]) -> None:
    for number, sample in enumerate(samples[:3]):
        plain = face_crop(sample, SIZE, np.random.default_rng(number), mirror=0)
        turned = face_crop(sample, SIZE, np.random.default_rng(number), mirror=1)
        points, other = plain["landmarks"], turned["landmarks"]
        np.testing.assert_allclose(other[mean_face.mirror(), 0], SIZE - points[:, 0])
        smile = BLENDSHAPES.index("mouthSmileLeft"), BLENDSHAPES.index("mouthSmileRight")
        assert plain["curves"][smile[0]] == turned["curves"][smile[1]]
        np.testing.assert_allclose(plain["gaze"][0] * [-1, 1], turned["gaze"][1])
        brows = [CELEBAMASK.index(f"{side}_brow") for side in ("left", "right")]
        one, two = (crop["parsing_19"] for crop in (plain, turned))
        assert ((one[:, ::-1] == brows[0]) == (two == brows[1])).all()
        assert (one == brows[0]).any()
        assert (plain["image"][:, :, ::-1] == turned["image"]).all()


def test_what_is_put_in_front_hides_points() -> None:
    image = np.full((64, 64, 3), 90, np.uint8)
    points = np.zeros((478, 3))
    points[:, :2] = np.random.default_rng(0).uniform(0, 64, (478, 2))
    for seed in range(20):
        rngs = [np.random.default_rng(seed) for _ in range(2)]
        spoiled, alpha = photometric.before(image, image[::-1] + 60, rngs[0])
        assert (spoiled == photometric.occlude(image, image[::-1] + 60, rngs[1])).all()
        assert ((spoiled != image).any(2) <= (alpha > 0)).all()
        hidden = traits.covered(points, alpha)
        x, y = points[:, :2].astype(int).T
        assert (hidden == (alpha[y, x] >= 0.5)).all()


def test_quality_falls_with_blur_and_with_noise(astronaut: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    clean = astronaut[60:188, 160:288]
    noisy = np.clip(clean + rng.normal(0, 20, clean.shape), 0, 255).astype(np.uint8)
    blurred = clean[::4, ::4].repeat(4, 0).repeat(4, 1)
    assert traits.detail_left(clean, clean) == 1
    assert traits.detail_left(clean, noisy) < 0.8
    assert traits.detail_left(clean, blurred) < 0.5


@given(st.integers(0, 2**31))
def test_mirrors_undo_themselves(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape, gaze, points = rng.random(52), rng.normal(size=(2, 2)), rng.normal(size=(478, 3))
    twice = traits.mirrored_curves(traits.mirrored_curves(shape))
    np.testing.assert_allclose(twice, shape)
    np.testing.assert_allclose(traits.mirrored_gaze(traits.mirrored_gaze(gaze)), gaze)
    there = traits.mirrored_landmarks(traits.mirrored_landmarks(points, 64), 64)
    np.testing.assert_allclose(there, points)


# -- portraits -------------------------------------------------------------------------------------


def test_a_changed_face_loses_the_curves_that_are_no_longer_true() -> None:
    plain = np.linspace(0, 1, 52)
    assert (curves_after(plain, Change(yaw=20), False) == plain).all()
    assert (curves_after(plain, Change(), True) == traits.mirrored_curves(plain)).all()
    blinked = curves_after(plain, Change(blink=(0.0, 1.0)), False)
    lost = {name for name, value in zip(BLENDSHAPES, blinked, strict=True) if np.isnan(value)}
    assert lost == {name for name in BLENDSHAPES if name.startswith("eye")}


def test_portraits_say_what_they_know(shared, system: MienBase) -> None:
    said = PortraitLabels.load(shared / "data" / "portraits")
    source = FaceSource.load(shared / "data", limit=6)
    assert len(said.curves) == 3264
    assert np.isnan(said.curves[:, BLENDSHAPES.index("tongueOut")]).all()
    crops = LabelledCrops(FaceCrops(source, SIZE), said)
    for index in range(12):
        known = crops.words(index)
        assert set(known) <= set(system.example(1))
        assert (known["image"] == crops.words(index)["image"]).all()
        if known["presence"]:
            assert known["gender"] in (0, 1) and "gaze" not in known


# -- mixed streams ---------------------------------------------------------------------------------


class Numbers:
    def __init__(self, name: int):
        self.name = name

    def sample(self, index: int) -> dict[str, torch.Tensor]:
        return {"from": torch.tensor(self.name), "n": torch.tensor(index)}


@given(st.lists(st.floats(0.5, 10), min_size=1, max_size=5))
def test_a_mix_keeps_its_shares_and_the_order_of_its_streams(shares: list[float]) -> None:
    mixed = Mixed([Numbers(i) for i in range(len(shares))], shares)
    seen = [mixed.sample(i) for i in range(3 * PERIOD)]
    for which, share in enumerate(shares):
        own = [int(s["n"]) for s in seen if s is not None and int(s["from"]) == which]
        assert own == list(range(len(own)))  # none left out, none twice
        assert len(own) == pytest.approx(3 * PERIOD * share / sum(shares), abs=3 * len(shares))


def test_a_mixed_stream_repeats_and_goes_on_anywhere(system: MienBase) -> None:
    spec = "mix:2 world: + 1 example"
    stage = system.stages()[-1]
    streams = [open_data(spec)(system, stage, 7) for _ in range(2)]
    assert labels.check(
        torch.utils.data.default_collate([streams[0].sample(i) for i in range(3)])
    ) == 3  # fmt: skip
    for index in (5, 2):
        one, two = (stream.sample(index) for stream in streams)
        assert one is not None and two is not None
        for name in one:
            assert torch.equal(one[name].nan_to_num(), two[name].nan_to_num()), name


@pytest.mark.parametrize("rest", ["", "world:", "0 world: + 1 example", "x example", "nan world:"])
def test_a_mix_that_makes_no_sense_is_refused(rest: str) -> None:
    with pytest.raises(UsageError, match="SHARE SPEC"):
        MixSource(rest)


def test_a_share_of_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="below 1 in"):
        Mixed([Numbers(0), Numbers(1)], [1, 1e-6])


def test_the_world_has_no_portrait_words(system: MienBase) -> None:
    stream = Crops(World(CLEAR, seed=1), SIZE, unknowns(system.example(1)), seed=1)
    sample = stream.sample(0)
    assert set(sample) == set(system.example(1))
    assert sample["age"].isnan() and sample["gender"] == sample["group"] == -1
    assert sample["curves"].isfinite().all() and sample["presence"] == 1


def test_portrait_streams_give_what_is_asked_for(shared, monkeypatch, system: MienBase) -> None:
    from mien.systems.perceive.face_landmarker import FaceLandmarker
    from mien.train import data

    material = FaceSource.load(shared / "data", limit=4)
    monkeypatch.setattr(data, "_material", lambda folder: material)
    source = PortraitSource(str(shared / "data"))
    small = FaceLandmarker.build("tiny")
    assert set(source(small, small.stages()[0], 0).sample(0) or {}) == data.CROP_WORDS
    stage = system.stages()[-1]
    assert set(source(system, stage, 0).sample(0) or {}) == set(system.example(1))


# -- losses ----------------------------------------------------------------------------------------

TERMS = {"curves": "curves", "unit_intensities": "units", "valence": "affect", "arousal": "affect",
         "gaze": "gaze", "age": "age", "quality": "quality", "landmarks": "landmarks",
         "visible": "visible", "traits": "traits", "affect": "emotion", "gender": "gender",
         "group": "group", "parsing_19": "parsing"}  # fmt: skip


@pytest.mark.parametrize("word", TERMS)
def test_what_is_unknown_does_not_count(system: MienBase, word: str) -> None:
    torch.manual_seed(1)
    batch = system.example(4)
    batch["presence"] = torch.ones(4)
    batch["landmarks"] = batch["landmarks"].nan_to_num(20.0)
    term = TERMS[word]
    words_of_term = [name for name, of in TERMS.items() if of == term]
    nothing = {name: unknowns(batch)[name].expand_as(batch[name]) for name in words_of_term}
    alike = {name: value[:1].repeat(4, *[1] * (value.ndim - 1)) for name, value in batch.items()}
    half = {name: torch.cat([alike[name][:2], value[:2]]) for name, value in nothing.items()}
    system.eval()
    with torch.no_grad():
        known = system.losses(alike)[term]
        partly = system.losses({**alike, **half})[term]
        unknown = system.losses({**alike, **nothing})
    # The Dice loss is a little smoothed, by how much there is.
    torch.testing.assert_close(partly, known, rtol=2e-3, atol=1e-5)
    assert unknown[term] == 0 and known > 0
    assert all(torch.isfinite(value) for value in unknown.values())


def test_a_batch_without_faces_teaches_presence_alone(system: MienBase) -> None:
    batch = system.example(3)
    blank = {name: value.expand_as(batch[name]) for name, value in unknowns(batch).items()}
    batch = blank | {"image": batch["image"], "presence": torch.zeros(3)}
    terms = system.losses(batch)
    assert all(torch.isfinite(value) for value in terms.values())
    assert {name for name in mien_base.TASKS if terms[name] > 0} == {"presence"}


def test_right_units_and_curves_keep_to_the_table() -> None:
    rng = np.random.default_rng(0)
    sides = sided(rng.uniform(0, 2.4, (5, len(ACTION_UNITS))), rng.uniform(-0.5, 0.5, (5, 23)))
    made = torch.tensor(curves(sides), dtype=torch.float32)
    units = torch.tensor(sides.mean(-1), dtype=torch.float32)
    face = torch.ones(5, dtype=torch.bool)
    assert mien_base.table_loss(made, units, face) < 1e-6
    assert mien_base.table_loss(made, units + 1, face) > 0.1
    assert mien_base.table_loss(made, units + 1, ~face) == 0
    assert len(mien_base.MOVED) < AU_TO_CURVES.shape[1]


def test_balance_counts_what_is_known_only() -> None:
    terms = {name: torch.tensor(2.0) for name in mien_base.TASKS}
    balance = torch.zeros(len(mien_base.TASKS), requires_grad=True)
    known = {name: torch.tensor(name == "gaze") for name in mien_base.TASKS}
    total = mien_base.balanced(terms, known, balance)
    total.backward()
    assert float(total.detach()) == 2
    assert balance.grad is not None
    assert (balance.grad != 0).tolist() == [name == "gaze" for name in mien_base.TASKS]


def test_expected_errors_learn_to_be_the_errors_made() -> None:
    spread = torch.zeros(64, len(mien_base.TOLERANCES), requires_grad=True)
    made = {name: torch.rand(64, 3) * (i + 1) for i, name in enumerate(mien_base.TOLERANCES)}
    gaps = {name: (gap, torch.ones_like(gap, dtype=torch.bool)) for name, gap in made.items()}
    optimiser = torch.optim.Adam([spread], 0.05)
    for _ in range(300):
        optimiser.zero_grad()
        mien_base.spread_loss(spread, gaps).backward()
        optimiser.step()
    for i, gap in enumerate(made.values()):
        torch.testing.assert_close(spread[:, i].exp(), gap.mean(1) + 0.02, rtol=0.1, atol=0.05)


def test_a_network_like_its_teacher_has_nothing_to_learn_from_it(system: MienBase) -> None:
    assert system.teacher is not None
    answers = system.teacher.eval()(torch.rand(2, 3, SIZE, SIZE))
    face = torch.ones(2, dtype=torch.bool)
    same = mien_base.distilled(answers, answers, face)
    other = {name: value.roll(1, 0) + 1.0 for name, value in answers.items()}
    assert same < mien_base.distilled(other, answers, face)


# -- answers ---------------------------------------------------------------------------------------


def test_answers_say_how_sure_they_are(system: MienBase) -> None:
    told = system.predict(torch.rand(3, 3, SIZE, SIZE))
    sure = {name: value for name, value in told.items() if name.startswith("confidence_")}
    named = {*mien_base.TOLERANCES, *mien_base.CLASSES, *mien_base.YES_NO}
    assert set(sure) == {f"confidence_{name}" for name in named}
    for value in sure.values():
        assert value.shape == (3,) and (value >= 0).all() and (value <= 1).all()
    assert told["parsing"].shape == (3, SIZE, SIZE) and told["parsing"].dtype == torch.uint8
    assert mien_base.CONFIDENT == base.CONFIDENT


def test_the_size_that_is_shipped_fits() -> None:
    with torch.device("meta"):
        shipped, taught = MienBase(MienBaseConfig.paper()), MienBase(MienBaseConfig.distilled())
    assert 2 * shipped.parameter_count() <= 12e6  # bytes in half precision
    state = MienBase.from_official(taught.state_dict())
    assert state.keys() == shipped.state_dict().keys()
    assert [stage.name for stage in taught.stages()] == ["teacher", "student"]


def test_a_config_comes_back_from_json() -> None:
    from dataclasses import asdict

    for config in (MienBaseConfig.paper(), MienBaseConfig.tiny()):
        assert MienBaseConfig(**json.loads(json.dumps(asdict(config)))) == config


# -- evaluation ------------------------------------------------------------------------------------


def oracle(samples: list[dict[str, Any]], size: int) -> base.Predict:
    """Knows the truth of the samples, which are asked for in order."""
    numbers = count()

    def predict(crops: np.ndarray) -> dict[str, np.ndarray]:
        each = []
        for number in islice(numbers, len(crops)):
            true = base.truth(samples[number], base.cut(samples[number], size), size)
            emotion = np.eye(8)[true["emotion"]]
            parsing = np.where(true["parsing"] == base.OUTSIDE, 0, true["parsing"])
            yes = (true["traits"] == 1).astype(float)
            each.append({**true, "emotion": emotion, "parsing": parsing, "traits": yes})
        return {name: np.stack([one[name] for one in each]) for name in each[0]}

    return predict


def constant(size: int) -> base.Predict:
    def predict(crops: np.ndarray) -> dict[str, np.ndarray]:
        each = {
            "landmarks": np.tile(mean_face.points() / 200 * size + size / 2, (1, 1)),
            "visible": np.ones(478), "curves": np.zeros(52), "units": np.zeros(23),
            "emotion": np.eye(8)[7], "affect": np.zeros(2), "gaze": np.zeros((2, 2)),
            "parsing": np.zeros((size, size)), "traits": np.zeros(7),
        }  # fmt: skip
        return {name: np.stack([value] * len(crops)) for name, value in each.items()}

    return predict


def test_an_oracle_makes_no_errors(samples: list[dict[str, Any]]) -> None:
    found = base.measure(samples, oracle(samples, SIZE), SIZE, rounds=20)["outputs"]
    for name in ("landmarks_percent", "curves_mae", "units_mae", "gaze_degrees"):
        assert found[name][0] == pytest.approx(0, abs=1e-4), name
    for name in ("visible_accuracy", "curves_correlation", "units_f1", "emotion_accuracy",
                 "parsing_f1", "valence_concordance", "glasses_accuracy"):  # fmt: skip
        assert found[name][0] == pytest.approx(1), name
    assert found["pose_degrees"] == pytest.approx(found["pose_by_true_landmarks_degrees"])


def test_always_the_same_answer_is_wrong(samples: list[dict[str, Any]]) -> None:
    result = base.measure(samples, constant(SIZE), SIZE, rounds=20)
    found = result["outputs"]
    assert found["landmarks_percent"][0] > 2
    assert found["curves_mae"][0] > 0.01 and found["gaze_degrees"][0] > 2
    assert found["units_f1"][0] == 0 and found["emotion_accuracy"][0] == 0
    assert found["parsing_f1"][0] == 0
    low, high = found["curves_mae"][1:]
    assert low < found["curves_mae"][0] < high
    assert result["samples"] == 6 and result["bins"]["pose"]["0 to 15 degrees"]["samples"] == 6
    assert result["bins"]["group"]["drawn"]["samples"] == 6


def test_a_network_that_does_not_mind_mirrors_is_seen_as_such() -> None:
    images = np.random.default_rng(0).random((3, 3, SIZE, SIZE), np.float32)

    def even(crops: np.ndarray) -> dict[str, np.ndarray]:
        told = dict(constant(SIZE)(crops))
        points = told["landmarks"]
        other = np.stack([traits.mirrored_landmarks(p, SIZE) for p in points])
        return told | {"landmarks": (points + other) / 2}

    same = base_media.mirror(images, even(images), even, SIZE)
    assert same["landmarks_percent"] == pytest.approx(0, abs=1e-6)
    assert same["curves"] == same["units"] == same["gaze_degrees"] == 0
    assert same["emotion_same"] == 1
    assert base_media.still(images, even)["curves"] == 0

    def one_sided(crops: np.ndarray) -> dict[str, np.ndarray]:
        return even(crops) | {"curves": np.eye(52)[[BLENDSHAPES.index("eyeBlinkLeft")] * 3]}

    assert base_media.mirror(images, one_sided(images), one_sided, SIZE)["curves"] > 0


def test_agreement_is_of_the_curves_that_move() -> None:
    rng = np.random.default_rng(0)
    other = np.zeros((50, 52))
    moving = rng.permutation(52)[:20]
    other[:, moving] = rng.random((50, 20))
    found = base_media.curve_agreement(0.5 * other + 0.1, other)
    assert found["median"] == pytest.approx(1)
    assert set(found["by_curve"]) == {BLENDSHAPES[i] for i in moving}
    assert base_media.curve_agreement(-other, other)["median"] == pytest.approx(-1)


def test_results_become_tables(samples: list[dict[str, Any]]) -> None:
    curves = {
        "samples": 1,
        "median": 0.5,
        "jaw_open": 0.5,
        "blink": 0.5,
        "by_curve": {"jawOpen": 1},
    }
    results = {
        "world": base.measure(samples, constant(SIZE), SIZE, rounds=20),
        "portraits": {"portraits": 2, "found": 0},
        "clips": {"frames": 3, "labels": "x", "landmarks_percent": [1.0, 0, 2], "curves": curves},
        "posed": {"right": 0, "of": 1,
                  "files": {"a.jpg": {"posed": "anger", "said": None, "right": False}}},
        "still": {"portraits": 1, "curves": 0.01},
    }  # fmt: skip
    text = tables.plain({"protocol": "base/1", "results": json.loads(json.dumps(results))})
    for said in ("Outputs, world", "By skin tone, world", "Curves on clips", "anger"):
        assert said in text


def test_posed_files_are_there(shared) -> None:
    for name, posed in base_media.POSED.items():
        assert any((shared / "data" / kind / name).is_file() for kind in ("photos", "video")), name
        assert posed in labels.EXPRESSIONS
    assert replace(CLEAR, name="x").fingerprint() != CLEAR.fingerprint()


def test_eyes_are_looked_at_where_they_are() -> None:
    base = MienBase(MienBaseConfig.tiny())
    mean = base.network.mean
    for iris, (rows, columns) in zip((473, 468), base.network.eyes.windows, strict=True):
        x, y = mean[iris, :2].tolist()
        assert rows[0] < y < rows[1] and columns[0] < x < columns[1]


def test_what_eyes_say_is_mirrored_with_the_face() -> None:
    """The branch of the eyes alone: what it sees of one eye it says of the other in a mirror."""
    base = MienBase(MienBaseConfig.tiny()).eval()
    size, eyes = base.config.size, base.network.eyes
    for weights in eyes.say[-1].parameters():
        torch.nn.init.normal_(weights)
    rows, (first, last) = eyes.windows[0]
    eyes.windows[1] = rows, (size - last, size - first)
    image, hidden = torch.randn(2, 3, size, size), torch.randn(2, base.config.network.hidden, 1, 1)
    for seen, mirrored in zip(eyes(image, hidden), eyes(image.flip(3), hidden), strict=True):
        back = mirrored.flip(1)
        if seen.shape[-1] == 2:
            back = back * torch.tensor([-1.0, 1.0])
        torch.testing.assert_close(back, seen, atol=1e-5, rtol=1e-5)
