"""Forged pictures: masks that are exact, traces that can be measured, streams without shortcuts."""

from functools import cache
from itertools import islice

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.errors import InputError, UsageError
from mien.face import BLENDSHAPES
from mien.world import blending, traces
from mien.world.manipulate import (
    KINDS,
    Age,
    Forgeries,
    Generated,
    HairColour,
    LipSync,
    Manipulated,
    ReenactRendered,
    SelfBlend,
    Shot,
    Spliced,
    SwapRendered,
    manipulate,
)
from mien.world.recipe import Factor, Recipe
from mien.world.world import World

SIZE = 128


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@cache
def world(split: str = "train") -> World:
    frontal = {name: Factor(normal=(0, 6)) for name in ("yaw", "pitch", "roll")}
    return World(Recipe(size=SIZE, people=40, factors=frontal), split)


@cache
def shot() -> Shot:
    return Shot.of(world(), 3, grain=1.5)


@cache
def forged(kind: str) -> Manipulated:
    return manipulate(world(), 5, kind, generator(1), 1.5)


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """Smooth shapes with edges and a sensor's noise, without anything periodic."""
    rng = generator(4)
    noise = cv2.GaussianBlur(rng.standard_normal((256, 256, 3)).astype(np.float32), (0, 0), 6)
    smooth = 128 + 500 * noise
    cv2.circle(smooth, (120, 131), 61, (60.0, 90.0, 120.0), -1, cv2.LINE_AA)
    return traces.grain(smooth.clip(0, 255).astype(np.uint8), 1.5, rng)


# -- every kind ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_the_mask_is_where_pixels_differ_and_nowhere_else(kind: str) -> None:
    made = forged(kind)
    changed = (made.image != made.original).any(-1)
    assert changed.any()
    assert np.array_equal(made.mask > 0, changed)
    assert (made.weight[changed] > 0).all()
    assert np.array_equal(made.image[made.weight == 0], made.original[made.weight == 0])


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_and_masks_are_whole(kind: str) -> None:
    made = forged(kind)
    assert made.image.shape == made.original.shape == (SIZE, SIZE, 3)
    assert made.image.dtype == made.original.dtype == np.uint8
    for mask in (made.mask, made.weight):
        assert mask.shape == (SIZE, SIZE) and mask.dtype == np.float32
        assert np.isfinite(mask).all() and mask.min() >= 0 and mask.max() <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_makes_the_same_forgery(kind: str) -> None:
    first, again = forged(kind), manipulate(world(), 5, kind, generator(1), 1.5)
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.mask, again.mask)
    assert first.label == again.label


@pytest.mark.parametrize("kind", KINDS)
def test_labels_say_what_was_done_to_whom(kind: str) -> None:
    label = forged(kind).label
    assert label["kind"] == kind and label["family"] and label["index"] == 5
    assert label["person"] == world().scene(5).person.number
    assert label["params"]["strength"] == label["strength"]
    assert ("donor_person" in label) == KINDS[kind].needs_donor
    if "donor_person" in label:
        assert label["donor_person"] != label["person"]
        assert label["donor_person"] in world().people


def test_only_self_blending_changes_what_it_is_compared_with() -> None:
    own = Shot.of(world(), 5, grain=1.5).image
    for kind in KINDS:
        if kind != "self-blend":
            assert np.array_equal(forged(kind).original, own)


# -- what single kinds do --------------------------------------------------------------------------


def test_a_picture_blended_with_itself_stays_itself() -> None:
    made = SelfBlend()(shot(), generator())
    assert np.array_equal(made.image, made.original) and not made.mask.any()


def test_self_blending_augments_either_copy() -> None:
    source, target = (
        SelfBlend(brightness=20, on_target=on)(shot(), generator()) for on in (False, True)
    )
    assert np.array_equal(source.original, shot().image)
    assert not np.array_equal(target.original, shot().image)
    assert np.array_equal(source.mask > 0, target.mask > 0)


def test_a_re_enacted_face_has_the_expression_of_its_label() -> None:
    made = ReenactRendered(strength=1.0, number=11)(shot(), generator())
    assert len(made.label["expression"]) == len(BLENDSHAPES)
    assert np.abs(made.label["expression"] - shot().scene.expression).max() > 0.1
    same = ReenactRendered(strength=0.0, number=11)(shot(), generator())
    assert np.allclose(same.label["expression"], shot().scene.expression)


def test_lip_sync_moves_the_mouth_alone() -> None:
    made = LipSync(sound="u")(shot(), generator())
    moved = np.flatnonzero(np.abs(made.label["expression"] - shot().scene.expression) > 1e-6)
    assert len(moved)
    assert all(BLENDSHAPES[i].startswith(("mouth", "jaw", "tongue")) for i in moved)
    eyes = shot().points[[33, 133, 362, 263]].astype(int)
    assert not made.mask[eyes[:, 1], eyes[:, 0]].any()


def test_dye_stays_in_the_hair() -> None:
    made = HairColour(colour=(60, 90, 170))(Shot.of(world(), 5), generator())
    assert not made.mask[~Shot.of(world(), 5).classes("hair")].any()


def test_a_weak_change_is_smaller_than_a_strong_one() -> None:
    for older in (True, False):
        weak, strong = (
            np.abs(Age(strength, older)(shot(), generator()).image.astype(int) - shot().image).sum()
            for strength in (0.2, 1.0)
        )
        assert 0 < weak < strong


def test_what_cannot_be_changed_is_said() -> None:
    bald = World(Recipe(size=SIZE, people=4, factors={"fill": Factor(value=0.11)}), "train")
    with pytest.raises(InputError, match="sample 0: nothing that inpaint"):
        manipulate(bald, 0, "inpaint", generator())


def test_a_swap_needs_somebody_else() -> None:
    with pytest.raises(UsageError, match="second face"):
        SwapRendered()(shot(), generator())
    alone = World(Recipe(size=64, people=1, splits={"all": 1.0}), "all")
    with pytest.raises(UsageError, match="two people"):
        manipulate(alone, 0, "swap-warped", generator())
    with pytest.raises(UsageError, match="no manipulation 'magic'"):
        manipulate(world(), 0, "magic", generator())


# -- blending --------------------------------------------------------------------------------------


def test_a_feathered_mask_ends_at_its_edge() -> None:
    mask = np.zeros((60, 60), bool)
    mask[10:50, 10:50] = True
    soft = blending.feathered(mask, 8)
    assert not soft[~mask].any() and soft[30, 30] == 1
    assert (np.diff(soft[30, 9:20]) >= 0).all() and 0 < soft[30, 12] < 1
    assert np.array_equal(blending.feathered(mask, 0), mask.astype(np.float32))


@pytest.mark.parametrize("way", blending.TRANSFERS[1:])
def test_transferred_colours_have_the_targets_statistics(way: str) -> None:
    rng = generator(2)
    source = rng.normal((90, 120, 150), (10, 12, 9), (80, 80, 3)).astype(np.uint8)
    target = rng.normal((140, 100, 90), (14, 9, 11), (80, 80, 3)).astype(np.uint8)
    out = blending.transferred(source, target, np.ones((80, 80), bool), way)
    ours, theirs = (_lab(image) if way == "deviation" else image for image in (out, target))
    assert np.abs(ours.mean((0, 1)) - theirs.mean((0, 1))).max() < 1
    assert np.abs(ours.std((0, 1)) / theirs.std((0, 1)) - 1).max() < 0.1


def test_cloning_keeps_what_is_outside_and_survives_the_border() -> None:
    rng = generator(3)
    source, target = rng.integers(0, 256, (2, 40, 50, 3), dtype=np.uint8)
    everywhere = np.ones((40, 50), bool)
    assert blending.cloned(source, target, everywhere).shape == target.shape
    assert np.array_equal(blending.cloned(source, target, ~everywhere), target)


def test_a_face_warped_to_its_own_landmarks_stays() -> None:
    image, covered = blending.warped(shot().image, shot().points, shot().sample["landmarks"])
    away = np.abs(image.astype(int) - shot().image)[covered]
    assert covered.any() and away.max() <= 1


# -- traces ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("way", "period"), [("transposed", 2), ("zeros", 2)])
def test_uneven_upsampling_leaves_a_peak(picture: np.ndarray, way: str, period: int) -> None:
    made = traces.upsampled(picture, way, generator(1))
    assert traces.spectral_peak(made, period) > traces.spectral_peak(picture, period) + 12


def test_two_stages_leave_a_peak_at_a_quarter(picture: np.ndarray) -> None:
    one, two = (traces.upsampled(picture, "transposed", generator(1), n) for n in (1, 2))
    assert traces.spectral_peak(two, 4) > traces.spectral_peak(one, 4) + 6


def test_even_upsampling_leaves_no_peak_but_little_detail_or_pairs(picture: np.ndarray) -> None:
    nearest, bilinear = (
        traces.upsampled(picture, way, generator(1), detail=0) for way in ("nearest", "bilinear")
    )
    assert max(traces.spectral_peak(made, 2) for made in (nearest, bilinear)) < 6
    assert _fine(bilinear) < 0.8 * _fine(picture)
    steps = np.abs(np.diff(nearest.astype(int), axis=1)).mean((0, 2))
    assert steps[0::2].mean() < 0.1 * steps[1::2].mean()


def test_repeated_pixels_leave_their_edges(picture: np.ndarray) -> None:
    made = traces.upsampled(picture, "nearest", generator(1), 2)
    before, after = (traces.interpolation_peak(image, 4) for image in (picture, made))
    assert after > before + 8


def test_latents_leave_a_peak_at_an_eighth(picture: np.ndarray) -> None:
    made = traces.denoised(picture, generator(1))
    assert traces.spectral_peak(made, 8) > traces.spectral_peak(picture, 8) + 8
    assert np.abs(made.astype(int) - picture).mean() < 3


def test_jpeg_leaves_its_grid_where_it_was_put(picture: np.ndarray) -> None:
    assert traces.interpolation_peak(traces.jpeg(picture, 40), 8) > 6
    assert traces.interpolation_peak(picture, 8) < 6
    aligned = _on_grid(traces.jpeg(picture, 30))
    moved = _on_grid(traces.jpeg(picture, 30, shift=(3, 3)))
    assert aligned > 1.3 > 1.1 > moved


def test_no_strength_is_no_trace(picture: np.ndarray) -> None:
    same = traces.upsampled(picture, "zeros", generator(), 2, strength=0, detail=1)
    assert np.abs(same.astype(int) - picture).max() <= 1
    assert np.array_equal(traces.denoised(picture, generator(), strength=0), picture)


def test_the_trace_is_found_inside_the_forged_face() -> None:
    made = Generated(region="picture", way="zeros", stages=1)(shot(), generator())
    peaks = [traces.spectral_peak(image, 2) for image in (made.original, made.image)]
    assert peaks[1] > peaks[0] + 10


@given(
    st.integers(16, 61), st.integers(16, 61), st.sampled_from(traces.UPSAMPLERS), st.integers(1, 3)
)
@settings(max_examples=30, deadline=None)
def test_any_size_is_kept(height: int, width: int, way: str, stages: int) -> None:
    image = generator(height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    outs = [
        traces.upsampled(image, way, generator(), stages), traces.denoised(image, generator()),
        traces.jpeg(image, 50, (5, 2)), traces.webp(image, 50), traces.h264(image, 30),
        traces.resample(image, 0.3), traces.sharpen(image, 0.5),
        traces.Processing.sample(generator(width))(image),
    ]  # fmt: skip
    assert all(out.shape == image.shape and out.dtype == np.uint8 for out in outs)


def test_codecs_keep_colours_and_get_worse(picture: np.ndarray) -> None:
    for name, (good, bad) in {"jpeg": (95, 20), "webp": (95, 20), "h264": (12, 45)}.items():
        codec = traces.CODECS[name][0]
        errors = [np.abs(codec(picture, q).astype(int) - picture).mean() for q in (good, bad)]
        assert errors[0] < errors[1] < 12
        assert np.abs(codec(picture, good).mean((0, 1)) - picture.mean((0, 1))).max() < 2.5


@pytest.mark.parametrize("name", traces.CORRUPTIONS)
def test_corruptions_get_worse_with_severity(picture: np.ndarray, name: str) -> None:
    away = [
        np.abs(traces.corrupt(picture, name, severity, generator()).astype(int) - picture).mean()
        for severity in (0, 1, 3, 5)
    ]
    assert away[0] == 0 and away[1] < away[2] < away[3]


def test_wrong_parameters_are_refused(picture: np.ndarray) -> None:
    wrong = (
        lambda: traces.jpeg(picture, 0), lambda: traces.webp(picture, 101),
        lambda: traces.h264(picture, 60), lambda: traces.resample(picture, 0),
        lambda: traces.upsampled(picture, "magic", generator()),
        lambda: traces.upsampled(picture, "zeros", generator(), 0),
        lambda: traces.spectral_peak(picture[:20], 8),
        lambda: traces.corrupt(picture, "blur", 6, generator()),
        lambda: traces.corrupt(picture, "rain", 1, generator()),
        lambda: Forgeries(world(), kinds=("magic",)), lambda: Forgeries(world(), kinds=()),
    )  # fmt: skip
    for call in wrong:
        with pytest.raises(UsageError):
            call()


def test_a_splice_has_another_history_than_its_picture() -> None:
    for history in ("jpeg", "double-jpeg", "webp", "h264", "resampled", "sharpened"):
        made = Spliced(history=history, quality=0.2)(shot(), generator())
        assert made.mask.any() and not made.mask[0].any()


# -- streams ---------------------------------------------------------------------------------------

CHEAP = ("recompressed", "skin-tone", "gan")


def test_a_stream_is_balanced_and_its_kinds_take_turns() -> None:
    examples = list(islice(Forgeries(world(), CHEAP).stream(), 8))
    assert [example["fake"] for example in examples] == [False, True] * 4
    assert [example["kind"] for example in examples[1::2]] == [*CHEAP, CHEAP[0]]
    assert not any(example["mask"].any() for example in examples[::2])
    assert all(example["mask"].any() for example in examples[1::2])


def test_a_stream_can_be_resumed_anywhere() -> None:
    for paired in (True, False):
        forgeries = Forgeries(world(), CHEAP, seed=2, paired=paired)
        first = list(islice(forgeries.stream(), 5))
        for start in (1, 2):
            for ours, theirs in zip(forgeries.stream(start), first[start:4], strict=False):
                assert np.array_equal(ours["image"], theirs["image"])
                assert ours["label"] == theirs["label"]


def test_pairs_share_person_and_processing_so_that_compression_tells_nothing() -> None:
    forgeries = Forgeries(world(), ("skin-tone",))
    seen = set()
    for number in range(6):
        real, fake = (forgeries.sample(2 * number + i) for i in (0, 1))
        assert real["label"]["processing"] == fake["label"]["processing"]
        assert real["label"]["person"] == fake["label"]["person"]
        seen.add(real["label"]["processing"]["codec"])
    assert len(seen) > 1


def test_without_processing_a_pair_differs_in_the_mask_alone() -> None:
    real, fake = Forgeries(world(), ("recompressed",), processed=False).pair(0, "recompressed")
    changed = (real["image"] != fake["image"]).any(-1)
    assert np.array_equal(changed, fake["mask"] > 0)


def test_without_pairs_real_and_forged_are_of_two_shots() -> None:
    forgeries = Forgeries(world(), CHEAP, paired=False)
    examples = [forgeries.sample(i) for i in range(6)]
    assert len({example["label"]["index"] for example in examples}) == 6
    assert [example["kind"] for example in examples[1::2]] == list(CHEAP)


def test_splits_share_nobody() -> None:
    people: dict[str, set[int]] = {}
    for split in ("train", "val"):
        labels = [manipulate(world(split), i, "swap-warped", generator(i)).label for i in range(2)]
        people[split] = {label[who] for label in labels for who in ("person", "donor_person")}
    assert people["train"] and not people["train"] & people["val"]


def _lab(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)


def _fine(image: np.ndarray) -> float:
    return float(cv2.Laplacian(image, cv2.CV_32F).std())


def _on_grid(image: np.ndarray) -> float:
    """How much larger steps are across the edges of 8 x 8 blocks than elsewhere."""
    steps = np.abs(np.diff(image.astype(np.float32), axis=1)).mean((0, 2))
    edge = np.arange(len(steps)) % 8 == 7
    return float(steps[edge].mean() / steps[~edge].mean())
