"""Images and sets of images: known cases, invariances, scikit-image and torchmetrics."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.evaluate.metrics import colour, images, sharpness

lightly = settings(deadline=None, max_examples=15)
seeds = st.integers(0, 2**32 - 1)


def picture(seed: int, side: int = 32) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side + 8, 3), np.uint8)


def smooth(seed: int, side: int = 192) -> np.ndarray:
    """A picture with structure at all scales, floats from 0 to 1."""
    rng = np.random.default_rng(seed)
    waves = [
        rng.normal(0, 1, (3, 2)) @ np.indices((side, side)).reshape(2, -1) / s for s in (4, 9, 30)
    ]
    return (0.5 + np.sin(sum(waves)).reshape(3, side, side).transpose(1, 2, 0) / 2.1).clip(0, 1)


# Pairs


def test_known_pairs() -> None:
    black, grey = np.zeros((2, 16, 16, 3), np.uint8), np.full((2, 16, 16, 3), 51, np.uint8)
    assert images.l1(black, grey) == pytest.approx([0.2, 0.2])
    assert images.psnr(black, grey) == pytest.approx([-10 * np.log10(0.04)] * 2)
    assert np.isinf(images.psnr(grey, grey)).all()
    # Flat images: only the light term, (C1) / (0.04 + C1).
    assert images.ssim(black, grey) == pytest.approx([1e-4 / (0.04 + 1e-4)] * 2)


@lightly
@given(seeds)
def test_an_image_is_like_itself_and_the_order_does_not_matter(seed: int) -> None:
    first, second = picture(seed), picture(seed + 1)
    assert images.ssim(first, first) == pytest.approx(1)
    for metric in (images.ssim, images.psnr, images.l1):
        value = metric(first, second)
        assert metric(second, first) == pytest.approx(value)
        assert metric(first / 255, second / 255) == pytest.approx(value)
        assert metric(first[:, ::-1], second[:, ::-1]) == pytest.approx(value)
        assert metric(np.stack([first, second]), np.stack([second, first])) == pytest.approx(value)


def test_a_mask_says_what_counts() -> None:
    first, second = picture(0), picture(0)
    second[:, :5] = 255 - second[:, :5]
    inside = np.zeros(first.shape[:2])
    inside[:, 5:] = 1
    assert np.isinf(images.psnr(first, second, inside))
    left = images.l1(first, second, 1 - inside)
    assert left == pytest.approx(images.l1(first[:, :5], second[:, :5]))
    with pytest.raises(ValueError, match="mask: empty"):
        images.psnr(first, second, np.zeros(first.shape[:2]))
    with pytest.raises(ValueError, match="for images"):
        images.psnr(first, second, inside[1:])


def test_likeness_agrees_with_scikit_image() -> None:
    skimage = pytest.importorskip("skimage.metrics")
    for seed in range(4):
        first = picture(seed)
        noise = np.random.default_rng(seed).normal(0, 20, first.shape)
        second = (first + noise).clip(0, 255).astype(np.uint8)
        expected = skimage.structural_similarity(
            first, second, channel_axis=-1, gaussian_weights=True, sigma=1.5,
            use_sample_covariance=False, data_range=255,
        )  # fmt: skip
        assert images.ssim(first, second) == pytest.approx(expected)
        expected = skimage.peak_signal_noise_ratio(first, second)
        assert images.psnr(first, second) == pytest.approx(expected)


def test_all_scales_agree_with_torchmetrics() -> None:
    torch = pytest.importorskip("torch")
    torchmetrics = pytest.importorskip("torchmetrics.functional.image")
    first = smooth(0)
    second = (first + np.random.default_rng(1).normal(0, 0.1, first.shape)).clip(0, 1)
    tensors = [torch.tensor(each.transpose(2, 0, 1)[None]) for each in (first, second)]
    # Theirs counts the mirrored border as well.
    theirs = torchmetrics.structural_similarity_index_measure(*tensors, data_range=1.0)
    assert images.ssim(first, second) == pytest.approx(float(theirs), abs=5e-3)
    theirs = torchmetrics.multiscale_structural_similarity_index_measure(*tensors, data_range=1.0)
    assert images.ms_ssim(first, second) == pytest.approx(float(theirs), abs=5e-3)


def test_more_noise_is_less_alike_at_all_scales() -> None:
    first = smooth(2)
    noise = np.random.default_rng(0).normal(0, 1, first.shape)
    values = [images.ms_ssim(first, (first + s * noise).clip(0, 1)) for s in (0, 0.05, 0.2, 0.5)]
    assert values[0] == pytest.approx(1)
    assert values == sorted(values, reverse=True)
    assert values[3] < 0.9 * values[0]
    with pytest.raises(ValueError, match="below 176"):
        images.ms_ssim(first[:100], first[:100])


@pytest.mark.parametrize(
    ("image", "line"),
    [
        (np.zeros((16, 16)), "height, width"),
        (np.zeros((0, 16, 16, 3)), "empty"),
        (np.full((16, 16, 3), np.nan), "NaN"),
        (np.full((16, 16, 3), 200.0), "neither bytes nor floats"),
        (np.full((16, 16, 3), -0.1), "neither bytes nor floats"),
        (np.zeros((16, 16, 4)), "1 or 3"),
    ],
)
def test_what_is_no_image_is_refused(image: np.ndarray, line: str) -> None:
    for metric in (images.psnr, images.ssim, images.l1, colour.colour_difference):
        with pytest.raises(ValueError, match=line):
            metric(image, image)


def test_images_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="different shapes"):
        images.psnr(picture(0), picture(0)[1:])
    with pytest.raises(ValueError, match="window of 11"):
        images.ssim(picture(0)[:10], picture(0)[:10])


def pyramid(pictures: np.ndarray) -> Sequence[np.ndarray]:
    """Two layers: colours, and their means over 4 x 4 pixels."""
    n, height, width, c = pictures.shape
    blocks = pictures.reshape(n, height // 4, 4, width // 4, 4, c).mean((2, 4))
    return [np.moveaxis(pictures, -1, 1), np.moveaxis(blocks, -1, 1)]


def test_perceptual_distance() -> None:
    first, second = np.stack([picture(0), picture(1)]), np.stack([picture(0), picture(2)])
    distance = images.lpips(first, second, pyramid)
    assert distance[0] == 0
    assert distance[1] > 0
    assert images.lpips(second, first, pyramid) == pytest.approx(distance)
    halves = [np.full(3, 0.5), np.full(3, 0.5)]
    assert images.lpips(first, second, pyramid, halves) == pytest.approx(distance / 2)
    # One place, two orthogonal colours: |(1, 0, 0) - (0, 1, 0)|^2 in each layer.
    red, green = np.zeros((2, 1, 4, 4, 3))
    red[..., 0] = green[..., 1] = 1
    assert images.lpips(red, green, pyramid) == pytest.approx([4])
    with pytest.raises(ValueError, match="weights of 1 layers for 2"):
        images.lpips(first, second, pyramid, halves[:1])


def test_flicker() -> None:
    frames = np.zeros((3, 8, 8, 3))
    frames[1, :, :4] = 0.5
    assert images.flicker(frames) == pytest.approx(0.25)
    mask = np.zeros((8, 8))
    mask[:, 4:] = 1
    assert images.flicker(frames, mask) == 0
    with pytest.raises(ValueError, match="not two pictures"):
        images.flicker(frames[:1])


def test_frames_that_follow_their_flow() -> None:
    rng = np.random.default_rng(0)
    wide = rng.random((20, 30, 3))
    frames = np.stack([wide[:, 4:24], wide[:, 2:22]])  # everything moves 2 pixels to the right
    flow = np.zeros((1, 20, 20, 2))
    flow[..., 0] = -2
    assert images.warping_error(frames, flow) == pytest.approx(0, abs=1e-9)
    assert images.warping_error(frames, 0 * flow) > 0.2
    with pytest.raises(ValueError, match="flow"):
        images.warping_error(frames, flow[:, 1:])


def test_a_clip_that_changes_as_the_truth_does() -> None:
    clip = np.stack([picture(0), picture(1), picture(1)])
    assert images.temporal_lpips(clip[:, ::-1], clip, pyramid) == pytest.approx(0, abs=1e-9)
    assert images.temporal_lpips(clip[[0, 1, 2]], clip[[1, 1, 1]], pyramid) > 0.1
    with pytest.raises(ValueError, match="no neighbours"):
        images.temporal_lpips(clip[:1], clip[:1], pyramid)


# Sharpness


def test_blur_is_less_sharp() -> None:
    cv2 = pytest.importorskip("cv2")
    rng = np.random.default_rng(0)
    sharp = np.zeros((256, 256, 3), np.uint8)
    for _ in range(60):
        x, y, w, h = rng.integers(8, 100, 4)
        sharp[2 * y : 2 * y + h, 2 * x : 2 * x + w] = rng.integers(0, 256, 3)
    blurred = [sharp, *(cv2.GaussianBlur(sharp, (0, 0), sigma) for sigma in (1.5, 3.0))]
    values = sharpness.laplacian_variance(np.stack(blurred))
    assert values[0] > values[1] > values[2]
    # Rises of 1, 3, about 5 and about 7 pixels; up to 3 are not noticed at this contrast.
    seen = [sharpness.cpbd(cv2.GaussianBlur(sharp, (0, 0), sigma)) for sigma in (0.5, 0.7, 1.0)]
    assert sharpness.cpbd(sharp) == 1
    assert 1 > seen[0] > 0.9
    assert 0.2 > seen[1] > seen[2] == 0
    assert sharpness.cpbd(np.full((64, 64, 3), 9, np.uint8)) == 0
    with pytest.raises(ValueError, match="below 64"):
        sharpness.cpbd(sharp[:40])


# Colour


def test_known_colours() -> None:
    whole = [[[1.0, 1, 1], [0, 0, 0], [1, 0, 0]]]
    expected = [[100, 0, 0], [0, 0, 0], [53.24, 80.09, 67.20]]
    assert colour.lab(whole)[0] == pytest.approx(np.array(expected), abs=0.02)
    assert colour.colour_difference([[[1.0, 1, 1]]], [[[0.0, 0, 0]]]) == pytest.approx(
        100, abs=0.01
    )


def test_colours_agree_with_scikit_image() -> None:
    skimage = pytest.importorskip("skimage.color")
    assert colour.lab(picture(0)) == pytest.approx(skimage.rgb2lab(picture(0)), abs=2e-2)


def test_skin_tone() -> None:
    light, dark = np.array([[[232, 190, 172]]], np.uint8), np.array([[[80, 50, 40]]], np.uint8)
    assert 41 < colour.skin_tone(light) <= 90
    assert -90 <= colour.skin_tone(dark) < -30
    gap = colour.skin_tone(light) - colour.skin_tone(dark)
    assert colour.skin_tone_error(dark, light) == pytest.approx(gap)
    assert colour.skin_tone_bias([1, 3, 10, 12], [0, 0, 1, 1]) == pytest.approx(4.5)
    with pytest.raises(ValueError, match="one only"):
        colour.skin_tone_bias([1, 2], [0, 0])


# Sets


@lightly
@given(seeds)
def test_batches_make_the_moments_of_the_whole(seed: int) -> None:
    features = np.random.default_rng(seed).normal(3, 2, (50, 4))
    together = images.moments(np.split(features, [1, 7, 30]))
    assert together.mean == pytest.approx(features.mean(0))
    assert together.covariance == pytest.approx(np.cov(features.T))


def test_frechet_distance_of_known_gaussians() -> None:
    # Diagonal covariances: |shift|^2 + sum of (deviation - deviation)^2.
    first = images.Moments(np.zeros(3), np.diag([1.0, 4, 9]))
    second = images.Moments(np.array([1.0, 2, 2]), np.diag([4.0, 4, 1]))
    assert images.frechet_distance(first, second) == pytest.approx(9 + 1 + 0 + 4)
    assert images.frechet_distance(first, first) == pytest.approx(0, abs=1e-9)


@lightly
@given(seeds)
def test_frechet_distance_agrees_with_scipy(seed: int) -> None:
    linalg = pytest.importorskip("scipy.linalg")
    rng = np.random.default_rng(seed)
    first, second = rng.normal(0, 1, (60, 5)), rng.normal(1, 2, (40, 5)) @ rng.normal(0, 1, (5, 5))
    covariances = np.cov(first.T), np.cov(second.T)
    root = np.real(linalg.sqrtm(covariances[0] @ covariances[1]))
    expected = ((first.mean(0) - second.mean(0)) ** 2).sum()
    expected += np.trace(covariances[0] + covariances[1] - 2 * root)
    assert images.fid(first, second) == pytest.approx(expected, rel=1e-6)
    assert images.fid(second, first) == pytest.approx(expected, rel=1e-6)


def test_sets_of_one_kind_are_near_and_others_far() -> None:
    rng = np.random.default_rng(0)
    sets = [rng.normal(0, 1, (800, 8)) for _ in range(2)]
    other = rng.normal(0.7, 1, (800, 8))
    for metric in (images.fid, images.cmmd, lambda a, b: images.kid(a, b, subsets=10, size=400)):
        assert abs(metric(*sets)) < 0.1 * metric(sets[0], other)


def test_kernel_distance_is_unbiased() -> None:
    rng = np.random.default_rng(0)
    values = [images.kid(*rng.normal(0, 1, (2, 20, 3)), subsets=1) for _ in range(300)]
    spread = np.std(values) / np.sqrt(len(values))
    assert abs(np.mean(values)) < 3 * spread


def test_kernel_distance_agrees_with_torchmetrics() -> None:
    torch = pytest.importorskip("torch")
    kid = pytest.importorskip("torchmetrics.image.kid")
    rng = np.random.default_rng(0)
    first, second = rng.normal(0, 1, (50, 6)), rng.normal(0.4, 1, (50, 6))
    theirs = kid.poly_mmd(torch.tensor(first), torch.tensor(second))
    assert images.kid(first, second, subsets=1, size=50) == pytest.approx(float(theirs))


def test_sets_without_an_answer() -> None:
    for metric in (images.fid, images.kid):
        with pytest.raises(ValueError, match="two"):
            metric(np.ones((1, 3)), np.ones((1, 3)))
        with pytest.raises(ValueError, match="NaN"):
            metric(np.full((4, 3), np.nan), np.ones((4, 3)))
    with pytest.raises(ValueError, match="3 and 2 dimensions"):
        images.fid(np.eye(3), np.eye(2))


def test_each_image_has_one_value() -> None:
    grey = picture(0)[..., :1]
    assert images.ssim(grey, grey).shape == ()
    assert images.psnr(grey[None, None], 255 - grey[None, None]).shape == (1, 1)
