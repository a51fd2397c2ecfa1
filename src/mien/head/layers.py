"""A portrait as layers: the person cut out, the background filled in.

The photo is the sum of its layers, exactly: what the matte does not explain stays in the person's
layer as a difference from the background. So a person who does not move looks like the photo, and
hair too fine for the matte moves with the head.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from mien.head.texture import pull_push

MATTE_SIDE = 256  # pixels, the longer side at which the person is cut out
MATTE_ROUNDS = 5
SIDEWAYS = 16  # how much nearer what is beside is taken for than what is above
WISPS = 0.03  # of the picture's size, how far hair too fine for the matte may reach


@dataclass(frozen=True, eq=False)
class Layers:
    """person: (h, w, 4) float32, colours 0..255 over the background and alpha 0..1.

    background: (h, w, 3) float32 0..255, with the person filled in.
    """

    person: np.ndarray
    background: np.ndarray


def split(image: np.ndarray, head: np.ndarray, body: np.ndarray) -> Layers:
    """Cut the person out of an (h, w, 3) uint8 RGB photo.

    head: (h, w) bool, where skin and scalp of the fitted head are: surely the person.
    body: (h, w) bool, where neck and shoulders may be.
    """
    alpha = matte(image, head, body)
    photo = image.astype(np.float32)
    rows = np.flatnonzero(head.any(1))
    chin = rows[-1] + 1 if len(rows) else len(head)
    width = max(2, round(WISPS * max(image.shape[:2])))
    grown = cv2.dilate(alpha, np.ones((2 * width + 1, 2 * width + 1), np.uint8))
    grown[chin:] = alpha[chin:]  # below it are clothes, which do not move
    known = 1 - cv2.blur(np.minimum(grown * 4, 1), (width, width))
    sources = (known > 0.98).astype(np.float32)
    filled = _filled_sideways(photo, sources)
    background = filled + known[..., None] * (photo - filled)
    # Where nothing of the person is, nothing is left, not even rounding.
    background[known >= 1] = photo[known >= 1]
    over = photo - (1 - alpha[..., None]) * background
    return Layers(np.dstack([over, alpha]).astype(np.float32), background)


def _filled_sideways(photo: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Unknown pixels filled from the left and the right rather than from above and below: clothes
    beside a neck go on behind it, and do not rise to the ears."""
    height, width = known.shape
    size = max(width // SIDEWAYS, 2), height
    weight = cv2.resize(known, size, interpolation=cv2.INTER_AREA)
    narrow = cv2.resize(photo * known[..., None], size, interpolation=cv2.INTER_AREA)
    narrow = narrow / np.maximum(weight, 1e-6)[..., None]
    filled = pull_push(narrow, np.minimum(weight * 2, 1))
    filled = cv2.resize(filled, (width, height), interpolation=cv2.INTER_LINEAR)
    return cv2.blur(filled, (1, max(3, height // 40)))


def matte(image: np.ndarray, head: np.ndarray, body: np.ndarray) -> np.ndarray:
    """How much of each pixel is the person, (h, w) float32 0..1; the same for the same photo."""
    height, width = image.shape[:2]
    scale = min(1.0, MATTE_SIDE / max(height, width))
    size = max(8, round(width * scale)), max(8, round(height * scale))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    inside = cv2.resize(head.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    below = cv2.resize(body.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    labels = _seeds(inside, below)
    cv2.setRNGSeed(0)
    models = np.zeros((2, 1, 65))
    cv2.grabCut(
        small[..., ::-1].copy(), labels, (0, 0, 0, 0), models[0], models[1], MATTE_ROUNDS,
        cv2.GC_INIT_WITH_MASK,
    )  # fmt: skip
    person = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)) | (inside > 0)
    person = _one_piece(person.astype(np.uint8), inside > 0)
    rough = cv2.resize(person.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    radius = max(2, round(0.012 * max(height, width)))
    soft = guided_filter(image.astype(np.float32).mean(2) / 255, rough, radius, 1e-3)
    return ((soft - 0.08) / 0.84).clip(0, 1).astype(np.float32)


def _seeds(head: np.ndarray, body: np.ndarray) -> np.ndarray:
    """GrabCut's labels: the head is the person, what is far from it is not."""
    rows, columns = np.nonzero(head)
    reach = max(np.ptp(columns), 4) if len(columns) else 4
    away = cv2.distanceTransform(1 - head, cv2.DIST_L2, 5)
    labels = np.full(head.shape, cv2.GC_PR_BGD, np.uint8)
    labels[(away < 0.22 * reach) | (body > 0)] = cv2.GC_PR_FGD
    above = np.arange(len(head))[:, None] < (rows.max() if len(rows) else 0)
    labels[(away > 0.75 * reach) & above] = cv2.GC_BGD
    core = cv2.distanceTransform(head, cv2.DIST_L2, 5) > 0.02 * reach
    labels[core] = cv2.GC_FGD
    return labels


def _one_piece(person: np.ndarray, head: np.ndarray) -> np.ndarray:
    """The piece with the head in it, without holes."""
    _, pieces = cv2.connectedComponents(person)
    own = np.bincount(pieces[head], minlength=1)
    own[0] = 0
    piece = (pieces == own.argmax()).astype(np.uint8)
    edges = np.pad(1 - piece, 1, constant_values=1)
    _, gaps = cv2.connectedComponents(edges)
    return ((gaps != gaps[0, 0])[1:-1, 1:-1] | (piece > 0)).astype(np.uint8)


def guided_filter(guide: np.ndarray, image: np.ndarray, radius: int, smooth: float) -> np.ndarray:
    """The edge-preserving filter of He, Sun and Tang (ECCV 2010), equations 5, 6 and 8.

    guide, image: (h, w) float32, about 0..1. smooth: the variance of the guide below which an edge
    is none.
    """
    size = (2 * radius + 1, 2 * radius + 1)

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.blur(values, size)

    guide_mean, image_mean = mean(guide), mean(image)
    slope = mean(guide * image) - guide_mean * image_mean
    slope /= mean(guide * guide) - guide_mean**2 + smooth
    offset = image_mean - slope * guide_mean
    return mean(slope) * guide + mean(offset)
