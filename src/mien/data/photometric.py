"""What cameras, light and things in front do to a picture; every function takes a generator.

Images are (h, w, 3) uint8 RGB in and out. Each effect happens with its own probability, so most
pictures get two or three of them.
"""

import cv2
import numpy as np


def degrade(image: np.ndarray, rng: np.random.Generator, share: float = 0.75) -> np.ndarray:
    """Light and colour, then optics, then the sensor, then compression: the order of a camera.

    share: of the pictures that are changed; good photographs are not to be forgotten.
    """
    if rng.random() >= share:
        return image
    image = light(image, rng)
    image = colour(image, rng)
    if rng.random() < 0.3:
        image = blur(image, rng)
    if rng.random() < 0.3:
        image = shrink(image, rng)
    if rng.random() < 0.35:
        image = noise(image, rng)
    if rng.random() < 0.35:
        image = jpeg(image, rng)
    return image


def light(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Gamma, contrast and exposure; sometimes a gradient or the edge of a shadow."""
    levels = np.linspace(0, 1, 256, dtype=np.float32) ** np.exp(rng.normal(0, 0.3))
    levels = (levels - 0.5) * np.exp(rng.normal(0, 0.25)) + 0.5 + rng.normal(0, 0.08)
    table = np.clip(levels * 255, 0, 255).astype(np.uint8)
    image = cv2.LUT(image, table)
    if rng.random() < 0.3:
        gain = _ramp(image.shape[:2], rng, soft=rng.random() < 0.6)
        low = rng.uniform(0.25, 0.85)
        gain = low + (1.25 - low) * gain
        image = np.clip(image * gain[..., None], 0, 255).astype(np.uint8)
    return image


def _ramp(shape: tuple[int, int], rng: np.random.Generator, soft: bool) -> np.ndarray:
    """A 0..1 step across the picture at a random place and angle, soft or sharp."""
    angle = rng.uniform(0, 2 * np.pi)
    y = np.linspace(-1, 1, shape[0], dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, shape[1], dtype=np.float32)[None]
    across = np.cos(angle) * x + np.sin(angle) * y + rng.uniform(-0.5, 0.5)
    return np.clip(across / (1.5 if soft else 0.1) + 0.5, 0, 1)


def colour(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """White balance and saturation; one picture in eight is grey."""
    if rng.random() < 0.12:
        return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    gain = np.exp(rng.normal(0, 0.12, 3)).astype(np.float32)
    saturation = np.float32(np.exp(rng.normal(0, 0.3)))
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    mix = gain[:, None] * (saturation * np.eye(3, dtype=np.float32) + (1 - saturation) * weights)
    return cv2.transform(image, mix)


def blur(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Out of focus or shaken, relative to the size of the picture."""
    unit = image.shape[0] / 128
    if rng.random() < 0.6:
        return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 2.2) * unit)
    length = int(rng.integers(3, 10) * unit) | 1
    kernel = np.zeros((length, length), np.float32)
    angle = rng.uniform(0, np.pi)
    reach = (length // 2) * np.array([np.cos(angle), np.sin(angle)])
    middle = length // 2
    start, end = (middle - reach).round().astype(int), (middle + reach).round().astype(int)
    cv2.line(kernel, start.tolist(), end.tolist(), 1.0)
    return cv2.filter2D(image, -1, kernel / kernel.sum())


def shrink(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Low resolution, enlarged again."""
    height, width = image.shape[:2]
    factor = rng.uniform(0.15, 0.8)
    small = (max(int(width * factor), 8), max(int(height * factor), 8))
    image = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    way = int(rng.choice([cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_NEAREST], p=[0.6, 0.3, 0.1]))
    return cv2.resize(image, (width, height), interpolation=way)


def noise(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Gaussian sensor noise, grey or coloured."""
    channels = 3 if rng.random() < 0.6 else 1
    grain = rng.standard_normal((*image.shape[:2], channels), dtype=np.float32)
    return np.clip(image + grain * rng.uniform(2, 18), 0, 255).astype(np.uint8)


def jpeg(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """JPEG at quality 12 to 80."""
    quality = int(rng.integers(12, 80))
    _, code = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR))


def occlude(image: np.ndarray, texture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Put one thing in front: an ellipse, a bar or a polygon, plain or from another picture."""
    return before(image, texture, rng)[0]


def before(
    image: np.ndarray, texture: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """:func:`occlude`, and where the thing is, (h, w) 0..1: how much of the picture it hides."""
    height, width = image.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    centre = rng.uniform(0, 1, 2) * (width, height)
    kind = rng.integers(3)
    if kind == 0:
        axes = rng.uniform(0.06, 0.3, 2) * width
        cv2.ellipse(mask, (centre.tolist(), (2 * axes).tolist(), rng.uniform(0, 180)), 255, -1)
    elif kind == 1:
        angle, thickness = rng.uniform(0, np.pi), max(int(rng.uniform(0.04, 0.2) * width), 1)
        reach = 2 * width * np.array([np.cos(angle), np.sin(angle)])
        ends = (centre - reach).astype(int).tolist(), (centre + reach).astype(int).tolist()
        cv2.line(mask, *ends, 255, thickness)
    else:
        corners = centre + rng.normal(0, 0.16 * width, (int(rng.integers(3, 7)), 2))
        cv2.fillPoly(mask, [cv2.convexHull(corners.astype(np.int32))], 255)
    if rng.random() < 0.5:
        texture = np.broadcast_to(rng.integers(0, 256, 3, dtype=np.uint8), image.shape)
    opacity = 1.0 if rng.random() < 0.85 else rng.uniform(0.4, 0.9)
    alpha = mask.astype(np.float32) * (opacity / 255)
    veil = alpha[..., None]
    return (image * (1 - veil) + texture * veil).astype(np.uint8), alpha


def glasses(image: np.ndarray, landmarks: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Frames, clear or dark, over the eyes of (478, 3) landmarks."""
    out = image.copy()
    right, left = landmarks[468, :2], landmarks[473, :2]
    span = float(np.linalg.norm(landmarks[33, :2] - landmarks[263, :2]))
    tint = rng.integers(0, 90, 3).tolist()
    frame = rng.integers(0, 160, 3).tolist()
    thick = max(int(span * rng.uniform(0.015, 0.06)), 1)
    angle = float(np.degrees(np.arctan2(*(left - right)[::-1])))
    lens = (span * rng.uniform(0.36, 0.5), span * rng.uniform(0.26, 0.42))
    shaded = out.copy()
    for eye in (right, left):
        cv2.ellipse(shaded, (eye.tolist(), lens, angle), tint, -1)
    strength = rng.uniform(0.6, 1.0) if rng.random() < 0.5 else 0.0
    out = cv2.addWeighted(shaded, strength, out, 1 - strength, 0)
    for eye in (right, left):
        cv2.ellipse(out, (eye.tolist(), lens, angle), frame, thick)
    start, end = ((right + (left - right) * t).astype(int).tolist() for t in (0.4, 0.6))
    cv2.line(out, start, end, frame, thick)
    return out


LETTERS = "ABCDEFGHIJKLMNOPRSTUVXYZabcdeghkmnopqsuxyz0234568&@%#?!"


def graphics(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add lettering and plain bodies, often in the colours of skin: what photographs lack."""
    out = image.copy()
    for _ in range(int(rng.integers(1, 7))):
        draw = _lettering if rng.random() < 0.55 else _body
        out = draw(out, rng)
    return out


def _paint(rng: np.random.Generator) -> np.ndarray:
    """A colour, (3,) 0..255; that of some skin more often than not."""
    if rng.random() < 0.4:
        return rng.uniform(0, 255, 3)
    red = rng.uniform(90, 255)
    green = red * rng.uniform(0.5, 0.85)
    return np.array([red, green, green * rng.uniform(0.3, 0.95)])


def _lettering(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Thick letters with an outline and perhaps a highlight, as in titles and on signs."""
    height, width = image.shape[:2]
    text = "".join(rng.choice(list(LETTERS), int(rng.integers(1, 9))))
    size = height * float(np.exp(rng.uniform(np.log(0.06), np.log(0.6))))
    stroke = max(size * rng.uniform(0.06, 0.3), 1.0)
    place = (int(rng.uniform(-0.2, 0.8) * width), int(rng.uniform(0.1, 1.1) * height))
    fill = _paint(rng)
    outline = fill * rng.uniform(0, 0.5) if rng.random() < 0.7 else _paint(rng)
    strokes = [(outline, 1.5 * stroke), (fill, stroke)]
    if rng.random() < 0.5:
        strokes.append((fill + 0.6 * (255 - fill), 0.35 * stroke))
    font = int(rng.integers(0, 8))
    for colour, thick in strokes:
        cv2.putText(
            image, text, place, font, size / 22, colour.tolist(), max(int(thick), 1), cv2.LINE_AA
        )
    return image


def _body(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A smooth shaded ellipse or limb: fruit, balls, arms, knees."""
    height, width = image.shape[:2]
    axes = width * np.exp(rng.uniform(np.log(0.04), np.log(0.4), 2))
    mask = np.zeros((height, width), np.uint8)
    box = ((rng.uniform(0, 1, 2) * (width, height)).tolist(), axes.tolist(), rng.uniform(0, 180))
    cv2.ellipse(mask, box, 255, -1, cv2.LINE_AA)
    shade = 0.55 + 0.6 * _ramp((height, width), rng, soft=True)
    surface = np.clip(_paint(rng) * shade[..., None], 0, 255)
    alpha = (mask.astype(np.float32) / 255)[..., None]
    return (image * (1 - alpha) + surface * alpha).astype(np.uint8)


def background_crop(
    backgrounds: list[np.ndarray], size: tuple[int, int], rng: np.random.Generator
) -> np.ndarray:
    """A random part of a random background, scaled to ``size`` (width, height)."""
    picture = backgrounds[rng.integers(len(backgrounds))]
    height, width = picture.shape[:2]
    most = min(width / size[0], height / size[1])
    scale = most * float(np.exp(rng.uniform(np.log(0.25), 0)))
    w, h = max(int(size[0] * scale), 1), max(int(size[1] * scale), 1)
    x, y = int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1))
    part = picture[y : y + h, x : x + w]
    if rng.random() < 0.5:
        part = part[:, ::-1]
    way = cv2.INTER_AREA if scale > 1 else cv2.INTER_LINEAR
    return cv2.resize(part, size, interpolation=way)
