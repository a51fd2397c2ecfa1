"""What cameras, bad light and file formats do to a picture; its geometry never changes.

Every fault has a strength 0..1, 0 is without it, 1 about the worst that still shows a face. They
are applied in the order of a camera: light, optics, sensor, processing, file. Lengths go with the
size of the picture, so a strength means the same at any size.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields

import cv2
import numpy as np

from mien.head.colour import to_linear, to_srgb

Step = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]


@dataclass(frozen=True, slots=True)
class Degrade:
    """The strength 0..1 of every fault.

    dark: light that is not enough, made up by gain, so with noise. bright: over-exposure that
    burns out. vignette: darker corners. balance: colour of the light taken wrong. blur: Gaussian;
    defocus: discs, as of a lens; motion: shaken. noise: of photons and of reading, grey; chroma:
    blotches of colour. exposure, contrast: processing. grey: saturation that is lost. small:
    resolution that is lost. jpeg, webp: compression.
    """

    dark: float = 0.0
    bright: float = 0.0
    vignette: float = 0.0
    balance: float = 0.0
    blur: float = 0.0
    defocus: float = 0.0
    motion: float = 0.0
    noise: float = 0.0
    chroma: float = 0.0
    exposure: float = 0.0
    contrast: float = 0.0
    grey: float = 0.0
    small: float = 0.0
    jpeg: float = 0.0
    webp: float = 0.0


def sample(rng: np.random.Generator, strength: float = 1.0) -> Degrade:
    """A camera's faults: a quarter of the pictures has none, most have two or three.

    strength: 0..1, a factor on every one; 0 is without any.
    """
    if rng.random() < 0.25:
        return Degrade()

    def amount(chance: float) -> float:
        return float((rng.random() < chance) * rng.beta(1.2, 2.0) * strength)

    optics = ("blur", "defocus", "motion")[rng.integers(3)]
    file = ("jpeg", "webp")[int(rng.random() < 0.25)]
    light = ("dark", "bright")[int(rng.random() < 0.4)]
    return Degrade(
        **{
            light: amount(0.25), optics: amount(0.3), file: amount(0.5),
            "vignette": amount(0.25), "balance": amount(0.35), "noise": amount(0.3),
            "chroma": amount(0.15), "exposure": amount(0.3), "contrast": amount(0.3),
            "grey": amount(0.15), "small": amount(0.25),
        }
    )  # fmt: skip


def apply(image: np.ndarray, faults: Degrade, rng: np.random.Generator) -> np.ndarray:
    """A picture with faults; the same for the same state of ``rng``.

    image: (h, w, 3), uint8 sRGB, or float linear 0..1, which is what comes out, too: float32.
    Raises ValueError for another shape or a strength beyond 0..1.
    """
    if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ValueError(f"image: an (h, w, 3) array, not {image.shape}")
    strengths = {entry.name: float(getattr(faults, entry.name)) for entry in fields(faults)}
    for name, strength in strengths.items():
        if not 0 <= strength <= 1:
            raise ValueError(f"{name}: 0 to 1, not {strength}")
    linear = image.dtype != np.uint8
    if not any(strengths.values()):
        return image.astype(np.float32) if linear else image.copy()
    if any(strengths[name] for name in _LIGHT):
        light = to_linear(image) if not linear else image.astype(np.float32)
        coded = to_srgb(_each(light, strengths, _LIGHT, rng))
    else:
        coded = to_srgb(image) if linear else image
    coded = _each(coded, strengths, _CODED, rng)
    return to_linear(coded) if linear else coded


def _each(
    image: np.ndarray, strengths: dict[str, float], steps: dict[str, Step],
    rng: np.random.Generator,
) -> np.ndarray:  # fmt: skip
    for name, step in steps.items():
        if strengths[name]:
            image = step(image, strengths[name], rng)
    return image


# -- light and sensor: (h, w, 3) float32 linear ----------------------------------------------------


def _dark(light: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    stops = 4.5 * strength
    seen = _sensed(light * 2**-stops, 0.0012 + 0.006 * strength, 1400.0, rng)
    return seen * 2 ** (stops * rng.uniform(0.35, 0.75))


def _bright(light: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """The brightest parts burn out and shine over what is beside them."""
    light = light * 2 ** (2.2 * strength)
    glow = cv2.GaussianBlur((light - 1).clip(0, 4), (0, 0), light.shape[0] / 40)
    return light + 0.35 * strength * glow


def _vignette(light: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    height, width = light.shape[:2]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None] - rng.uniform(-0.15, 0.15)
    x = np.linspace(-1, 1, width, dtype=np.float32)[None] - rng.uniform(-0.15, 0.15)
    fall = 1 / (1 + 0.9 * strength * (x * x + y * y)) ** 2  # cos^4 of a wide lens
    return light * fall[..., None].astype(np.float32)


def _balance(light: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Mostly between the yellow of lamps and the blue of shade, a little between green and pink."""
    warm, green = rng.choice([-1, 1]) * rng.uniform(0.5, 1), 0.3 * rng.uniform(-1, 1)
    gain = np.exp(strength * 0.55 * np.array([warm, green, -warm]))
    return light * (gain / gain.mean()).astype(np.float32)


def _noise(light: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    return _sensed(light, 0.025 * strength**1.5, 1500 * (1 - 0.97 * strength) + 5, rng)


def _sensed(light: np.ndarray, reading: float, full: float, rng: np.random.Generator) -> np.ndarray:
    """What a sensor counts: photons, of which ``full`` saturate it, and noise of reading."""
    deviation = np.sqrt(reading**2 + light.clip(0) / full)
    grain = rng.standard_normal(light.shape, dtype=np.float32)
    grain = 0.65 * grain + 0.35 * grain.mean(2, keepdims=True) * np.float32(np.sqrt(3))
    return light + grain * deviation.astype(np.float32)


def _defocus(light: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    radius = max(0.6, strength * 0.022 * light.shape[0])
    reach = int(np.ceil(radius))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = (radius + 0.5 - np.hypot(x, y)).clip(0, 1).astype(np.float32)
    return cv2.filter2D(light, -1, disc / disc.sum(), borderType=cv2.BORDER_REFLECT)


def _motion(light: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    length = max(1.5, strength * 0.08 * light.shape[0])
    side = 2 * int(np.ceil(length / 2)) + 3
    kernel = np.zeros((side, side), np.uint8)
    t = np.linspace(-0.5, 0.5, 9)
    angle, bend = rng.uniform(0, np.pi), rng.uniform(-0.5, 0.5)
    path = length * np.column_stack([t, bend * (t * t - 0.08)])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = np.rint((path @ turn.T + side // 2) * 16).astype(np.int32)
    cv2.polylines(kernel, [points], False, 255, 1, cv2.LINE_AA, 4)
    weights = kernel / np.float32(kernel.sum())
    return cv2.filter2D(light, -1, weights, borderType=cv2.BORDER_REFLECT)


def _blur(light: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    return cv2.GaussianBlur(light, (0, 0), max(0.3, strength * 0.017 * light.shape[0]))


# -- processing and file: (h, w, 3) uint8 sRGB -----------------------------------------------------


def _chroma(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    height, width = image.shape[:2]
    cells = (max(2, width // 4), max(2, height // 4))
    coarse = rng.standard_normal((cells[1], cells[0], 2), dtype=np.float32)
    blotches = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    coded = cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb).astype(np.float32)
    coded[..., 1:] += 14 * strength * blotches
    return cv2.cvtColor(coded.clip(0, 255).astype(np.uint8), cv2.COLOR_YCrCb2RGB)


def _exposure(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    gain = np.exp(rng.choice([-1, 1]) * strength * 0.8)
    return cv2.LUT(image, (255 * np.linspace(0, 1, 256) ** gain).round().astype(np.uint8))


def _contrast(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    slope = np.exp(rng.choice([-1.0, 0.7]) * strength)
    levels = (np.arange(256) - 127.5) * slope + 127.5 + 30 * strength * rng.uniform(-1, 1)
    return cv2.LUT(image, levels.clip(0, 255).round().astype(np.uint8))


def _grey(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    plain = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return cv2.addWeighted(plain, strength, image, 1 - strength, 0)


def _small(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    height, width = image.shape[:2]
    factor = 0.09 ** (strength)
    fewer = (max(4, round(width * factor)), max(4, round(height * factor)))
    fewer = (min(width, fewer[0]), min(height, fewer[1]))
    image = cv2.resize(image, fewer, interpolation=cv2.INTER_AREA)
    way = int(rng.choice([cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_NEAREST], p=[0.6, 0.3, 0.1]))
    return cv2.resize(image, (width, height), interpolation=way)


def _jpeg(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    return _coded(image, ".jpg", cv2.IMWRITE_JPEG_QUALITY, round(92 - 86 * strength**0.7))


def _webp(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    return _coded(image, ".webp", cv2.IMWRITE_WEBP_QUALITY, round(90 - 88 * strength**0.7))


def _coded(image: np.ndarray, kind: str, option: int, quality: int) -> np.ndarray:
    _, code = cv2.imencode(kind, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [option, quality])
    return cv2.cvtColor(np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR)), cv2.COLOR_BGR2RGB)


_LIGHT: dict[str, Step] = {
    "bright": _bright, "vignette": _vignette, "balance": _balance, "blur": _blur,
    "defocus": _defocus, "motion": _motion, "noise": _noise, "dark": _dark,
}  # fmt: skip
_CODED: dict[str, Step] = {
    "chroma": _chroma, "exposure": _exposure, "contrast": _contrast, "grey": _grey,
    "small": _small, "jpeg": _jpeg, "webp": _webp,
}  # fmt: skip
