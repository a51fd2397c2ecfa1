"""What software leaves in a picture: codecs, resampling, generators; and what shows it.

Images are (h, w, 3) uint8 RGB in and out, and keep their size. Everything but :class:`Processing`
and :data:`CORRUPTIONS` belongs to making a forgery; these two belong to what happens to every
picture afterwards, real or not. To give them to forgeries alone would teach a detector compression
instead of forgery.
"""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import av
import cv2
import numpy as np

from mien.errors import UsageError

# -- codecs ----------------------------------------------------------------------------------------

BLOCK = 8  # pixels a side of what JPEG codes on its own
WORST_RATE_FACTOR = 51


def jpeg(image: np.ndarray, quality: int, shift: tuple[int, int] = (0, 0)) -> np.ndarray:
    """Coded as JPEG, quality 1..100, with its grid of blocks moved by ``shift`` pixels (x, y)."""
    _check(1 <= quality <= 100, f"JPEG quality must be 1 to 100, not {quality}")
    x, y = (amount % (2 * BLOCK) for amount in shift)
    padded = cv2.copyMakeBorder(image, y, 0, x, 0, cv2.BORDER_REFLECT_101)
    return _coded(padded, ".jpg", [cv2.IMWRITE_JPEG_QUALITY, int(quality)])[y:, x:]


def double_jpeg(
    image: np.ndarray, qualities: tuple[int, int], shift: tuple[int, int]
) -> np.ndarray:
    """Coded as JPEG twice, the first time on a grid moved by ``shift``: a crop, coded anew."""
    return jpeg(jpeg(image, qualities[0], shift), qualities[1])


def webp(image: np.ndarray, quality: int) -> np.ndarray:
    """Coded as lossy WebP, quality 1..100."""
    _check(1 <= quality <= 100, f"WebP quality must be 1 to 100, not {quality}")
    return _coded(image, ".webp", [cv2.IMWRITE_WEBP_QUALITY, int(quality)])


def h264(image: np.ndarray, rate_factor: int) -> np.ndarray:
    """Coded as a key frame of H.264 video, constant rate factor 0 (best) to 51; 23 is usual."""
    good = 0 <= rate_factor <= WORST_RATE_FACTOR
    _check(good, f"the rate factor must be 0 to {WORST_RATE_FACTOR}, not {rate_factor}")
    height, width = image.shape[:2]
    even = cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    file = io.BytesIO()
    with av.open(file, "w", format="h264") as container:
        options = {"crf": str(int(rate_factor)), "threads": "1"}
        stream = container.add_stream("libx264", rate=25, options=options)
        stream.height, stream.width = even.shape[:2]
        stream.pix_fmt = "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(even, np.uint8), format="rgb24")
        container.mux([*stream.encode(frame), *stream.encode(None)])
    file.seek(0)
    with av.open(file, "r", format="h264") as container:
        decoded = next(container.decode(video=0)).to_ndarray(format="rgb24")
    return np.ascontiguousarray(decoded[:height, :width])


CODECS: Mapping[str, tuple[Callable[[np.ndarray, int], np.ndarray], tuple[int, int]]] = (
    MappingProxyType({"jpeg": (jpeg, (40, 98)), "webp": (webp, (40, 95)), "h264": (h264, (18, 36))})
)
"""By name: the codec and the range of qualities (rate factors of H.264) met in practice."""


def _coded(image: np.ndarray, suffix: str, options: list[int]) -> np.ndarray:
    _, code = cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    return np.ascontiguousarray(np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR))[..., ::-1])


# -- editing ---------------------------------------------------------------------------------------


def resample(image: np.ndarray, scale: float, way: int = cv2.INTER_LINEAR) -> np.ndarray:
    """Resized by ``scale`` and back to its size, by an interpolation of OpenCV."""
    _check(scale > 0, f"the scale must be above 0, not {scale}")
    height, width = image.shape[:2]
    there = max(round(width * scale), 1), max(round(height * scale), 1)
    first = cv2.INTER_AREA if scale < 1 and way != cv2.INTER_NEAREST else way
    return cv2.resize(
        cv2.resize(image, there, interpolation=first), (width, height), None, 0, 0, way
    )


def sharpen(image: np.ndarray, amount: float, radius: float = 1.0) -> np.ndarray:
    """Unsharp masking: ``amount`` of what a blur of ``radius`` pixels takes away is added."""
    value = image.astype(np.float32)
    return _bytes(value + amount * (value - cv2.GaussianBlur(value, (0, 0), radius)))


def blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Out of focus by ``sigma`` pixels; 0 leaves it."""
    return cv2.GaussianBlur(image, (0, 0), sigma) if sigma > 0 else image


def grain(image: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    """Sensor noise of standard deviation ``level`` grey values, a little alike in neighbours."""
    if level <= 0:
        return image
    noise = rng.standard_normal(image.shape, dtype=np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), 0.6)  # as demosaicing does
    return _bytes(image + level / noise.std() * noise)


# -- generators ------------------------------------------------------------------------------------

UPSAMPLERS = ("nearest", "bilinear", "transposed", "zeros")
"""How a decoder doubles its size: repeated pixels, bilinear, a transposed convolution whose taps
are not quite even (the checkerboard of Odena et al., Distill 2016), or with zeros in between that
the filter after them does not remove (replicas of the spectrum: Zhang et al., WIFS 2019)."""

UNEVEN = 0.05  # standard deviation of a transposed convolution's taps from bilinear ones
LEAK = 0.012  # of the inserted zeros that can still be seen
LATENT = 8  # pixels a side of one cell of a latent
_BILINEAR = np.outer([0.25, 0.75, 0.75, 0.25], [0.25, 0.75, 0.75, 0.25]).astype(np.float32)
_NEAREST = np.outer([0, 1, 1, 0], [0, 1, 1, 0]).astype(np.float32)


def upsampled(
    image: np.ndarray,
    way: str,
    rng: np.random.Generator,
    stages: int = 1,
    strength: float = 1.0,
    detail: float = 1.0,
) -> np.ndarray:
    """A picture as if a generator had made it by doubling a small one ``stages`` times.

    The picture is taken apart into a pyramid of details and put together again by ``way`` instead
    of a clean doubling (bicubic). ``strength`` scales what that makes different, which counts half
    as much for each stage that comes after; ``detail`` is the share of the finest details kept.

    Raises UsageError for an unknown way or fewer than one stage.
    """
    _check(way in UPSAMPLERS, f"no way {way!r} to enlarge; there are {', '.join(UPSAMPLERS)}")
    _check(stages >= 1, f"at least 1 stage is needed, not {stages}")
    height, width = image.shape[:2]
    factor = 2**stages
    padded = np.pad(image, ((0, -height % factor), (0, -width % factor), (0, 0)), "edge")
    levels = [padded.astype(np.float32)]
    for _ in range(stages):
        levels.append(_halved(levels[-1]))
    grown = levels[-1]
    for stage in reversed(range(stages)):
        details = levels[stage] - _clean(levels[stage + 1])
        kept = 1.0 if stage else detail
        trace = _doubled(grown, _kernel(way, rng)) - _clean(grown)
        grown = _clean(grown) + kept * details + 0.5**stage * strength * trace
    return _bytes(grown[:height, :width])


def _halved(value: np.ndarray) -> np.ndarray:
    size = value.shape[1] // 2, value.shape[0] // 2
    return cv2.resize(value, size, interpolation=cv2.INTER_AREA)


def _clean(value: np.ndarray) -> np.ndarray:
    size = 2 * value.shape[1], 2 * value.shape[0]
    return cv2.resize(value, size, interpolation=cv2.INTER_CUBIC)


def _kernel(way: str, rng: np.random.Generator) -> np.ndarray:
    """Taps (4, 4) whose sum is 4: one for each pixel that a pixel becomes."""
    if way == "nearest":
        return _NEAREST
    if way == "bilinear":
        return _BILINEAR
    if way == "transposed":
        taps = _BILINEAR * (1 + UNEVEN * rng.standard_normal((4, 4), dtype=np.float32))
        return 4 * taps / taps.sum()
    spike = np.zeros((4, 4), np.float32)
    spike[tuple(rng.integers(1, 3, 2))] = 4
    return (1 - LEAK) * _BILINEAR + LEAK * spike


def _doubled(small: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    padded = cv2.copyMakeBorder(small, 2, 2, 2, 2, cv2.BORDER_REPLICATE)
    spread = np.zeros((2 * padded.shape[0], 2 * padded.shape[1], 3), np.float32)
    spread[::2, ::2] = padded
    return cv2.filter2D(spread, -1, kernel, anchor=(2, 2))[4:-4, 4:-4]


def denoised(
    image: np.ndarray, rng: np.random.Generator, strength: float = 1.0, detail: float = 0.5
) -> np.ndarray:
    """A picture as if a latent diffusion model had made it.

    Denoising smooths what is weak and leaves the edges, with ``detail`` of it kept; the decoder
    puts its own pattern on each cell of 8 x 8 pixels and misses the cell's colour a little; and
    the noise that remains is smoother than a sensor's (Corvi et al., ICASSP 2023: peaks of
    latent models at multiples of 1/8). ``strength`` scales all.
    """
    value = image.astype(np.float32)
    height, width = image.shape[:2]
    rows, columns = -(-height // LATENT), -(-width // LATENT)
    smooth = cv2.bilateralFilter(value, 7, 18.0, 2.0)
    missed = rng.normal(0, 0.8, (rows, columns, 3)).astype(np.float32)
    missed = cv2.resize(missed, (columns * LATENT, rows * LATENT))[:height, :width]
    tile = rng.normal(0, 1.2, (LATENT, LATENT, 1)).astype(np.float32)
    pattern = np.tile(tile - tile.mean(), (rows, columns, 1))[:height, :width]
    light = 0.4 + 0.6 * cv2.blur(value, (LATENT, LATENT)).mean(2, keepdims=True) / 255
    rest = cv2.GaussianBlur(rng.standard_normal(image.shape, dtype=np.float32), (0, 0), 1.5)
    change = (1 - detail) * (smooth - value) + missed + pattern * light + 2.0 * rest
    return _bytes(value + strength * change)


# -- what shows them -------------------------------------------------------------------------------


def spectral_peak(image: np.ndarray, period: int) -> float:
    """How far, in dB, what repeats every ``period`` pixels rises out of a picture's spectrum.

    The mean over the frequencies of that lattice but zero, each against the median around it.
    """
    residual = _residual(image)
    height, width = (size - size % period for size in residual.shape)
    _check(min(height, width) >= 4 * period, f"too small to see a period of {period} pixels")
    power = np.abs(np.fft.fft2(residual[:height, :width])) ** 2
    step = height // period, width // period
    at = [(i * step[0], j * step[1]) for i in range(period) for j in range(period) if i or j]
    near = np.arange(-3, 4)
    rises = []
    for row, column in at:
        around = power[np.ix_((row + near) % height, (column + near) % width)]
        rises.append(power[row, column] / max(float(np.median(around)), 1e-9))
    return float(np.mean(10 * np.log10(np.maximum(rises, 1e-9))))


def interpolation_peak(image: np.ndarray, period: int) -> float:
    """How far, in dB, edges repeat every ``period`` pixels (Gallagher, CRV 2005).

    Interpolated pixels have smaller second differences than those they come from, and pixels at
    the edges of blocks larger ones: the spectrum of the mean second difference per column, and per
    row, has a peak at ``1 / period``.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    peaks = []
    for view in (grey, grey.T):
        width = view.shape[1] - view.shape[1] % period
        _check(width >= 4 * period, f"too small to see a period of {period} pixels")
        second = np.abs(2 * view - np.roll(view, 1, 1) - np.roll(view, -1, 1))[:, 1 : width + 1]
        second = np.pad(second, ((0, 0), (0, width - second.shape[1])), "edge")
        power = np.abs(np.fft.rfft(second.mean(0))) ** 2
        at = width // period
        around = np.delete(power[max(at - 6, 2) : at + 7], min(6, at - 2))
        peaks.append(10 * np.log10((power[at] + 1e-9) / (np.median(around) + 1e-9)))
    return float(np.mean(peaks))


def _residual(image: np.ndarray) -> np.ndarray:
    """What is finer than three pixels (h, w) float32, edges cut so that they do not ring."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return (grey - cv2.GaussianBlur(grey, (0, 0), 1.0)).clip(-8, 8)


# -- afterwards ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Processing:
    """What a picture, real or not, goes through before anybody sees it; in this order.

    scale: it is made smaller and enlarged again. blur: pixels. gamma: 1 leaves it. noise: grey
    values. codec: of ``CODECS``, or "" for none, with its quality. seed: of the noise.
    """

    scale: float = 1.0
    blur: float = 0.0
    gamma: float = 1.0
    noise: float = 0.0
    codec: str = ""
    quality: int = 0
    seed: int = 0

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Processing":
        """As pictures on the net are: nearly always coded, half of them also worked on."""
        codec = str(rng.choice(["", *CODECS], p=[0.1, 0.5, 0.15, 0.25]))
        low, high = CODECS[codec][1] if codec else (0, 0)
        some = rng.random(4) < 0.3
        return cls(
            scale=float(rng.uniform(0.5, 1.0)) if some[0] else 1.0,
            blur=float(rng.uniform(0.3, 1.2)) if some[1] else 0.0,
            gamma=float(np.exp(rng.normal(0, 0.15))) if some[2] else 1.0,
            noise=float(rng.uniform(0.5, 5.0)) if some[3] else 0.0,
            codec=codec,
            quality=int(rng.integers(low, high + 1)),
            seed=int(rng.integers(2**31)),
        )

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """The picture afterwards; the same for the same picture."""
        if self.scale < 1:
            image = resample(image, self.scale)
        image = blur(image, self.blur)
        if self.gamma != 1:
            levels = 255 * (np.arange(256, dtype=np.float32) / 255) ** self.gamma
            image = cv2.LUT(image, _bytes(levels))
        image = grain(image, self.noise, np.random.default_rng(self.seed))
        return CODECS[self.codec][0](image, self.quality) if self.codec else image


def _saturation(image: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None].astype(np.float32)
    return _bytes(grey + share * (image - grey))


def _contrast(image: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    return _bytes(image * np.float32(share))


def _blocks(image: np.ndarray, count: float, rng: np.random.Generator) -> np.ndarray:
    out = image.copy()
    height, width = image.shape[:2]
    for _ in range(round(count * min(height, width) / 256)):
        x, y = rng.integers(0, max(width - BLOCK, 1)), rng.integers(0, max(height - BLOCK, 1))
        out[y : y + BLOCK, x : x + BLOCK] = 128
    return out


def _noise(image: np.ndarray, variance: float, rng: np.random.Generator) -> np.ndarray:
    noise = rng.standard_normal(image.shape, dtype=np.float32)
    return _bytes(image + 255 * np.float32(variance**0.5) * noise)


def _gaussian(image: np.ndarray, size: float, rng: np.random.Generator) -> np.ndarray:
    return cv2.GaussianBlur(image, (int(size), int(size)), size / 6)


def _pixels(image: np.ndarray, factor: float, rng: np.random.Generator) -> np.ndarray:
    return resample(image, 1 / factor)


def _jpeg(image: np.ndarray, quality: float, rng: np.random.Generator) -> np.ndarray:
    return jpeg(image, int(quality))


def _video(image: np.ndarray, rate_factor: float, rng: np.random.Generator) -> np.ndarray:
    return h264(image, int(rate_factor))


_Corruption = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]
CORRUPTIONS: Mapping[str, tuple[_Corruption, tuple[float, ...]]] = MappingProxyType({
    "saturation": (_saturation, (0.4, 0.3, 0.2, 0.1, 0.0)),
    "contrast": (_contrast, (0.85, 0.725, 0.6, 0.475, 0.35)),
    "blocks": (_blocks, (16, 32, 48, 64, 80)),
    "noise": (_noise, (0.001, 0.002, 0.005, 0.01, 0.05)),
    "blur": (_gaussian, (7, 9, 13, 17, 21)),
    "pixels": (_pixels, (2, 3, 4, 5, 6)),
    "jpeg": (_jpeg, (80, 60, 40, 25, 10)),
    "video": (_video, (30, 32, 35, 38, 40)),
})  # fmt: skip
"""Tests of robustness by name, with what each does at severity 1 to 5: the seven of
DeeperForensics-1.0 (Jiang et al., CVPR 2020), whose "JPEG" is in its code a loss of resolution and
is named ``pixels`` here, and JPEG. ``blocks`` counts for 256 pixels a side."""


def corrupt(image: np.ndarray, name: str, severity: int, rng: np.random.Generator) -> np.ndarray:
    """A picture with one of ``CORRUPTIONS`` at severity 0 (none) to 5.

    Raises UsageError for an unknown name or severity.
    """
    _check(name in CORRUPTIONS, f"no corruption {name!r}; there are {', '.join(CORRUPTIONS)}")
    _check(severity in range(6), f"the severity must be 0 to 5, not {severity}")
    function, levels = CORRUPTIONS[name]
    return function(image, levels[severity - 1], rng) if severity else image


def _bytes(value: np.ndarray) -> np.ndarray:
    return (value + 0.5).clip(0, 255).astype(np.uint8)


def _check(good: bool, message: str) -> None:
    if not good:
        raise UsageError(message)
