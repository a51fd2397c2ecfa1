"""Images against images, and sets of images against sets.

Images are (..., height, width, channels): bytes with a peak of 255, or floats from 0 to 1; leading
axes are single images, and the result has one value for each. Distances of sets take features,
(images, dimensions), of a network that the caller names with the number.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np

from mien.evaluate import checks

WINDOW, SIGMA = 11, 1.5
K1, K2 = 0.01, 0.03
SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the five scales (Wang, Simoncelli and Bovik 2003)."""

Features = Callable[[np.ndarray], Sequence[np.ndarray]]
"""From (n, height, width, channels) images to the maps of each layer, (n, channels, h, w)."""


def l1(predicted: Any, truth: Any, mask: Any = None) -> np.ndarray:
    """Mean absolute difference of each image, (...), a share of the peak: 0 to 1, lower is better.

    mask: (..., height, width) of what counts. Raises ValueError for different shapes, values out of
    range, NaN, or an empty mask.
    """
    predicted, truth = two(predicted, truth)
    return mean_inside(np.abs(predicted - truth), mask)


def psnr(predicted: Any, truth: Any, mask: Any = None) -> np.ndarray:
    """Peak signal-to-noise ratio of each image, (...), dB, higher is better; infinite if equal.

    10 log10(peak^2 / mean squared error); mask: (..., height, width) of what counts. A mean over
    images is the mean of the decibels.
    """
    predicted, truth = two(predicted, truth)
    with np.errstate(divide="ignore"):
        return -10 * np.log10(mean_inside((predicted - truth) ** 2, mask))


def ssim(predicted: Any, truth: Any) -> np.ndarray:
    """Structural similarity of each image, (...), up to 1, higher is better.

    Wang et al. 2004: Gaussian window of 11 pixels (sigma 1.5), K1 0.01, K2 0.03, mean over the
    places where the window fits, and over the channels. Raises ValueError for sides below 11.
    """
    return _similarity(*two(predicted, truth))[0].mean(axis=-1)


def ms_ssim(predicted: Any, truth: Any) -> np.ndarray:
    """Multi-scale structural similarity of each image, (...), 0 to 1, higher is better.

    Wang, Simoncelli and Bovik 2003: five scales, each the mean of 2 x 2 pixels of the one before,
    negative terms counting as 0. Raises ValueError for sides below 176 pixels.
    """
    predicted, truth = two(predicted, truth)
    if min(predicted.shape[-3:-1]) < WINDOW * 2 ** (len(SCALES) - 1):
        raise ValueError(f"images {predicted.shape}: below 176 pixels, five scales do not fit")
    product = np.ones(())
    for scale, exponent in enumerate(SCALES):
        whole, contrast = _similarity(predicted, truth)
        last = scale == len(SCALES) - 1
        product = product * np.maximum(whole if last else contrast, 0) ** exponent
        if not last:
            predicted, truth = _halved(predicted), _halved(truth)
    return product.mean(axis=-1)


def _similarity(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean SSIM and mean contrast-structure term of each channel, (..., channels)."""
    if min(x.shape[-3:-1]) < WINDOW:
        raise ValueError(f"images {x.shape}: the window of {WINDOW} pixels does not fit")
    mean_x, mean_y = _blurred(x), _blurred(y)
    var_x, var_y = _blurred(x * x) - mean_x**2, _blurred(y * y) - mean_y**2
    covariance = _blurred(x * y) - mean_x * mean_y
    contrast = (2 * covariance + K2**2) / (var_x + var_y + K2**2)
    light = (2 * mean_x * mean_y + K1**2) / (mean_x**2 + mean_y**2 + K1**2)
    return (light * contrast).mean(axis=(-3, -2)), contrast.mean(axis=(-3, -2))


def _blurred(images: np.ndarray) -> np.ndarray:
    """Gaussian means at the places where the window fits."""
    kernel = np.exp(-((np.arange(WINDOW) - WINDOW // 2) ** 2) / (2 * SIGMA**2))
    for axis in (-3, -2):
        lines = np.moveaxis(images, axis, 0)
        length = len(lines) - WINDOW + 1
        total = np.zeros((length, *lines.shape[1:]))
        for start, weight in enumerate(kernel / kernel.sum()):
            total += weight * lines[start : start + length]
        images = np.moveaxis(total, 0, axis)
    return images


def _halved(images: np.ndarray) -> np.ndarray:
    height, width = (side // 2 * 2 for side in images.shape[-3:-1])
    even = images[..., :height, :width, :]
    rows = (even[..., 0::2, :, :] + even[..., 1::2, :, :]) / 2
    return (rows[..., 0::2, :] + rows[..., 1::2, :]) / 2


def lpips(
    predicted: Any, truth: Any, features: Features, weights: Sequence[np.ndarray] | None = None
) -> np.ndarray:
    """Learned perceptual distance of each of n images, (n,), from 0, lower is better.

    Zhang et al. 2018, equation 1: maps of each layer scaled to length 1 over the channels, squared
    differences weighted by channel, mean over places, sum over layers. predicted, truth: (n,
    height, width, channels); features gets them as floats from 0 to 1; weights: (channels,) of each
    layer (the published linear layers), without them all 1.
    """
    layers = [features(each) for each in two(predicted, truth)]
    if weights is not None and len(weights) != len(layers[0]):
        raise ValueError(f"weights of {len(weights)} layers for {len(layers[0])}")
    total = np.zeros(len(layers[0][0]))
    for index, (first, second) in enumerate(zip(*layers, strict=True)):
        gap = (_unit_channels(first) - _unit_channels(second)) ** 2
        weight = np.ones(gap.shape[1]) if weights is None else np.asarray(weights[index], float)
        total += np.einsum("nchw,c->n", gap, weight) / np.prod(gap.shape[2:])
    return total


def _unit_channels(maps: np.ndarray) -> np.ndarray:
    maps = np.asarray(maps, np.float64)
    return maps / (np.linalg.norm(maps, axis=1, keepdims=True) + 1e-10)


def flicker(frames: Any, mask: Any = None) -> float:
    """Mean absolute difference of neighbouring frames, a share of the peak: 0 to 1, lower.

    frames: (frames, height, width, channels); mask: (height, width) of still pixels, such as the
    background (DAE-Talker). Raises ValueError for one frame.
    """
    frames = floats(frames, "frames")
    if frames.ndim != 4 or len(frames) < 2:
        raise ValueError(f"frames {frames.shape}: not two pictures at least")
    if mask is not None:
        mask = np.broadcast_to(mask, frames[1:].shape[:-1])
    return float(mean_inside(np.abs(np.diff(frames, axis=0)), mask).mean())


def temporal_lpips(
    predicted: Any, truth: Any, features: Features, weights: Sequence[np.ndarray] | None = None
) -> float:
    """tLP: mean gap of the :func:`lpips` of neighbouring frames from the truth's; from 0, lower.

    predicted, truth: (frames, height, width, channels), two frames at least (DAE-Talker).
    """
    clips = two(predicted, truth)
    if len(clips[0]) < 2:
        raise ValueError("one frame: no neighbours")
    steps = [lpips(clip[1:], clip[:-1], features, weights) for clip in clips]
    return float(np.abs(steps[0] - steps[1]).mean())


def warping_error(frames: Any, flow: Any, visible: Any = None) -> float:
    """Mean absolute difference of frames and their predecessors moved along; 0 to 1, lower.

    frames: (frames, height, width, channels); flow: (frames - 1, height, width, 2) pixels, from
    each frame but the first to where its pixels were in the one before; visible: (frames - 1,
    height, width) of the pixels that were to be seen there. Pixels from outside do not count.
    """
    frames = floats(frames, "frames")
    flow = checks.real(flow, "flow").astype(np.float32)
    if frames.ndim != 4 or flow.shape != (len(frames) - 1, *frames.shape[1:3], 2):
        raise ValueError(f"flow {flow.shape} for frames {frames.shape}")
    height, width = frames.shape[1:3]
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).astype(np.float32)
    at = grid + flow
    inside = ((at >= 0) & (at <= (width - 1, height - 1))).all(axis=-1)
    if visible is not None:
        inside &= checks.binary(visible, "visible")
    moved = [
        cv2.remap(frame, x, y, cv2.INTER_LINEAR)
        for frame, (x, y) in zip(frames[:-1], np.moveaxis(at, -1, 1), strict=True)
    ]
    gaps = np.abs(np.reshape(moved, frames[1:].shape) - frames[1:]).mean(axis=-1)
    if not inside.any():
        raise ValueError("visible: empty")
    return float(gaps[inside].mean())


# Sets


class Moments(NamedTuple):
    """Mean (d,) and covariance (d, d, with n - 1) of n features."""

    mean: np.ndarray
    covariance: np.ndarray


def moments(batches: Iterable[Any]) -> Moments:
    """Mean and covariance of features that come in batches (n, d); memory does not grow with n.

    Raises ValueError for fewer than two features, NaN or infinity.
    """
    count, mean, scatter = 0, np.zeros(0), np.zeros((0, 0))
    for batch in batches:
        part = _features(batch, "features")
        own = part.mean(axis=0)
        if not count:
            mean, scatter = np.zeros_like(own), np.zeros((len(own), len(own)))
        both = count + len(part)
        gap = own - mean
        scatter += (part - own).T @ (part - own) + np.outer(gap, gap) * count * len(part) / both
        mean, count = mean + gap * len(part) / both, both
    if count < 2:
        raise ValueError("features: two at least are needed")
    return Moments(mean, scatter / (count - 1))


def frechet_distance(first: Moments, second: Moments) -> float:
    """Frechet distance of two Gaussians, from 0, lower: |means|^2 + tr(A + B - 2 (A B)^1/2)."""
    if first.mean.shape != second.mean.shape:
        raise ValueError(f"features of {len(first.mean)} and {len(second.mean)} dimensions")
    root = _root(first.covariance)
    shared = np.linalg.eigvalsh(root @ second.covariance @ root)
    traces = np.trace(first.covariance) + np.trace(second.covariance)
    gap = ((first.mean - second.mean) ** 2).sum()
    return float(max(0.0, gap + traces - 2 * np.sqrt(np.maximum(shared, 0)).sum()))


def _root(covariance: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def fid(generated: Any, real: Any) -> float:
    """Frechet distance of two sets of features (n, d), (m, d) (Heusel et al. 2017); lower, from 0.

    Features of the last pooling of Inception v3, 2048-d, make it the published FID; of I3D on
    videos, FVD. It falls with the number of images: compare equal numbers, thousands of them.
    """
    return frechet_distance(moments([generated]), moments([real]))


def kid(generated: Any, real: Any, subsets: int = 100, size: int = 1000, seed: int = 0) -> float:
    """Kernel distance of two sets of features (Binkowski et al. 2018), lower is better, about 0.

    Unbiased squared MMD with the kernel (x.y / d + 1)^3, mean over ``subsets`` draws of ``size``
    features of each (fewer where a set has fewer). Can be below 0; tables print it times 1000.
    """
    first, second = _features(generated, "generated"), _features(real, "real")
    size = min(size, len(first), len(second))
    if size < 2 or first.shape[1] != second.shape[1]:
        raise ValueError(f"features {first.shape} and {second.shape}: two of one length at least")
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(subsets):
        x, y = (f[rng.choice(len(f), size, replace=False)] for f in (first, second))
        values.append(_unbiased(x, y))
    return float(np.mean(values))


def _unbiased(x: np.ndarray, y: np.ndarray) -> float:
    n, d = x.shape
    xx, yy, xy = ((a @ b.T / d + 1) ** 3 for a, b in ((x, x), (y, y), (x, y)))
    within = (xx.sum() - np.trace(xx) + yy.sum() - np.trace(yy)) / (n * (n - 1))
    return float(within - 2 * xy.mean())


def cmmd(generated: Any, real: Any) -> float:
    """CLIP maximum mean discrepancy (Jayasumana et al. 2024), from 0, lower is better.

    1000 times the biased squared MMD with a Gaussian kernel of sigma 10 of (n, d) and (m, d)
    embeddings, which are scaled to length 1 here.
    """
    x, y = (_unit_rows(_features(f, n)) for f, n in ((generated, "generated"), (real, "real")))
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"features {x.shape} and {y.shape}: not as long")
    return 1000 * float(_gaussian(x, x) + _gaussian(y, y) - 2 * _gaussian(x, y))


def _gaussian(x: np.ndarray, y: np.ndarray, sigma: float = 10.0) -> float:
    total = 0.0
    for start in range(0, len(x), 1024):
        part = x[start : start + 1024]
        squares = (part**2).sum(1)[:, None] + (y**2).sum(1) - 2 * part @ y.T
        total += np.exp(-squares / (2 * sigma**2)).sum()
    return total / (len(x) * len(y))


def _unit_rows(features: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    if (lengths == 0).any():
        raise ValueError("features: one is zero")
    return features / lengths


def _features(values: Any, name: str) -> np.ndarray:
    array = checks.real(values, name)
    if array.ndim != 2:
        raise ValueError(f"{name} {array.shape}: not features x dimensions")
    return array


def two(predicted: Any, truth: Any) -> tuple[np.ndarray, np.ndarray]:
    """Two sets of images of one shape, as :func:`floats`."""
    first, second = floats(predicted, "predicted"), floats(truth, "truth")
    return checks.pair(first, second, ("predicted", "truth"))


def floats(images: Any, name: str) -> np.ndarray:
    """Images as floats from 0 to 1, (..., height, width, channels), from bytes or such floats.

    Raises ValueError for other shapes, values out of range, NaN, or no image.
    """
    given = np.asarray(images)
    array = checks.real(given, name)
    if array.ndim < 3 or array.shape[-1] not in (1, 3):
        raise ValueError(f"{name} {array.shape}: not (..., height, width, 1 or 3)")
    array = array / 255 if given.dtype.kind in "ui" else array
    if array.min() < 0 or array.max() > 1:
        raise ValueError(f"{name}: neither bytes nor floats from 0 to 1")
    return array


def mean_inside(values: np.ndarray, mask: Any) -> np.ndarray:
    """Mean of (..., height, width, channels) over channels and the pixels of the mask, (...)."""
    values = values.mean(axis=-1)
    if mask is None:
        return values.mean(axis=(-2, -1))
    inside = checks.binary(mask, "mask")
    if inside.shape != values.shape:
        raise ValueError(f"mask {inside.shape} for images {values.shape}")
    pixels = inside.sum(axis=(-2, -1))
    if not np.all(pixels):
        raise ValueError("mask: empty")
    return (values * inside).sum(axis=(-2, -1)) / pixels
