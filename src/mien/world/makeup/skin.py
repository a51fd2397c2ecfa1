"""Age and the small things of skin: wrinkles, spots, freckles, moles, pores and blotches."""

from dataclasses import dataclass, fields

import cv2
import numpy as np

from mien.world.makeup.facemap import MM, FaceMap, curve_through, side_of, softened

WIDTHS = (0.7, 1.1, 2.0)  # mm of wrinkles
FROM_ABOVE = 0.45  # how much of the light comes from above, for relief that is painted
MELANIN = np.array([0.45, 0.75, 1.0], np.float32)  # relative absorption of red, green and blue
BLOOD = np.array([0.12, 1.0, 0.8], np.float32)


@dataclass(frozen=True, slots=True)
class SkinDetail:
    """What skin shows from near.

    wrinkles, spots (of age), freckles, pores, blotches: 0..1. moles: how many.
    seed: of their places.
    """

    wrinkles: float = 0.0
    spots: float = 0.0
    freckles: float = 0.0
    pores: float = 0.5
    blotches: float = 0.3
    moles: int = 0
    seed: int = 0


def sample_detail(rng: np.random.Generator, age: float = np.nan) -> SkinDetail:
    """Detail that goes with an age in years; NaN: any age from 18 to 80."""
    years = rng.uniform(18, 80) if np.isnan(age) else age
    old = float(np.clip((years - 25) / 50, 0, 1))
    return SkinDetail(
        wrinkles=float(np.clip(old * rng.uniform(0.7, 1.3), 0, 1)),
        spots=float(np.clip((old - 0.35) * rng.uniform(0.4, 1.4), 0, 1)),
        freckles=float((rng.random() < 0.18) * rng.uniform(0.2, 1.0)),
        pores=float(rng.uniform(0.25, 0.9)),
        blotches=float(rng.uniform(0.1, 0.6)),
        moles=int(rng.poisson(1.5)),
        seed=int(rng.integers(2**31)),
    )


def detail(albedo: np.ndarray, skin: SkinDetail) -> np.ndarray:
    """A face (s, s, 3) float32 with wrinkles, spots, freckles, moles, pores and blotches.

    Pigment acts on the logarithm of albedo: melanin takes blue most, blood takes green. Creases are
    also darker, because less light gets in and out, and shaded as by light from above.
    Everything 0 changes nothing.

    Raises ValueError for values beyond 0..1.
    """
    size = side_of(albedo)
    for entry in fields(skin):
        value = getattr(skin, entry.name)
        if entry.name not in ("moles", "seed") and not 0 <= value <= 1:
            raise ValueError(f"{entry.name}: 0 to 1, not {value}")
    rng = np.random.default_rng(skin.seed)
    creases = _creases(skin, size, rng)
    melanin, blood = _pigments(skin, size, rng)
    pores = _pores(size, rng) * skin.pores
    depth = np.array([0.55, 0.62, 0.68], np.float32)  # blood shines through a crease
    absorbed = (
        melanin[..., None] * MELANIN + blood[..., None] * BLOOD
        + 0.85 * creases[..., None] * depth + 0.085 * pores[..., None] * depth
    )  # fmt: skip
    height = -0.9 * creases - 0.06 * pores
    lean = _lean(height)[..., None].clip(-0.6, 0.6)  # light comes from above more than from below
    return (albedo * np.exp(-absorbed - FROM_ABOVE * lean)).astype(np.float32)


def _lean(height: np.ndarray) -> np.ndarray:
    """How a height map (s, s) mm rises upwards, (s, s) float32, mm per mm."""
    padded = np.pad(height, 1, mode="edge")
    return ((padded[:-2, 1:-1] - padded[2:, 1:-1]) * (len(height) / (2 * MM))).astype(np.float32)


def _creases(skin: SkinDetail, size: int, rng: np.random.Generator) -> np.ndarray:
    """Depth 0..1 of the wrinkles, (size, size): narrow furrows with soft shoulders."""
    here = FaceMap.of(size)
    lines = _wrinkle_lines(here.points, rng)
    if not skin.wrinkles:
        return np.zeros((size, size), np.float32)
    out = np.zeros((size, size), np.float32)
    for width in WIDTHS:
        canvas = np.zeros((size, size), np.uint8)
        for line, strength, its_width in lines:
            if its_width == width:
                _furrow(canvas, line, strength, width)
        drawn = canvas / np.float32(255)
        furrow = 0.5 * softened(drawn, size, 0.4 * width) + 1.1 * softened(drawn, size, 1.9 * width)
        out = np.maximum(out, furrow)
    return skin.wrinkles * out.clip(0, 1) * (here.skin + 0.5 * here.lips).clip(0, 1)


def _wrinkle_lines(
    p: np.ndarray, rng: np.random.Generator
) -> list[tuple[np.ndarray, float, float]]:
    """Lines (n, 2) mm, strength 0..1, width mm: where faces of many smiles and frowns fold."""
    lines = []
    top, bottom = p[10, 1] + 6, p[9, 1] - 4
    for level in np.linspace(bottom, top, int(rng.integers(3, 6))):  # forehead
        reach = rng.uniform(24, 40)
        x = np.linspace(-reach, reach, 12)
        dip = 2.5 * np.cos(x / 11) + rng.normal(0, 0.5, 12).cumsum() * 0.5
        lines.append((np.column_stack([p[9, 0] + x, level + dip]), rng.uniform(0.4, 0.9), 1.1))
    for sign, outer, wing, corner, chin, under in (
        (-1, 33, 129, 61, 204, (111, 117, 118, 101, 121)),
        (1, 263, 358, 291, 424, (340, 346, 347, 330, 350)),
    ):
        for fan in np.linspace(-0.75, 0.65, int(rng.integers(3, 6))):  # beside the eyes
            t = np.linspace(0, 1, 6)[:, None]
            way = np.array([[sign * np.cos(fan), np.sin(fan)]]) * rng.uniform(9, 20)
            start = p[outer] + [sign * 4, 1 + 3 * fan]
            bend = np.array([[0.0, 2.0 * fan]]) * t * t
            lines.append((start + t * way + bend, rng.uniform(0.35, 0.8), 0.7))
        fold = curve_through([p[wing] + [sign * 2, -5], p[wing] + [sign * 6, 6],
                       p[corner] + [sign * 7, -6], p[corner] + [sign * 9, 4]])  # fmt: skip
        lines.append((fold, rng.uniform(0.7, 0.95), 2.0))
        marionette = curve_through([p[corner] + [sign * 2, 2], p[corner] + [sign * 5, 9], p[chin]])
        lines.append((marionette, rng.uniform(0.2, 0.6), 2.0))
        bag = curve_through([p[i] + [0, rng.uniform(-3, -1)] for i in under])
        lines.append((bag, rng.uniform(0.2, 0.5), 2.0))
        frown = p[9] + np.array([[sign * 4, -8.0], [sign * 3.5, 0], [sign * 5, 8]])
        lines.append((curve_through(list(frown)), rng.uniform(0.1, 0.7), 1.1))
    return lines


def _furrow(canvas: np.ndarray, line: np.ndarray, strength: float, width: float) -> None:
    """Draw a line (n, 2) mm, its ends fading, into a canvas (s, s) uint8."""
    unit = len(canvas) / MM
    texels = np.rint((line * unit - 0.5) * 16).astype(int)
    fade = 255 * strength * np.sin(np.linspace(0.1, np.pi - 0.1, len(line) - 1)) ** 0.7
    for start, end, value in zip(texels[:-1], texels[1:], fade, strict=True):
        thick = max(1, round(width * unit))
        cv2.line(canvas, start.tolist(), end.tolist(), float(value), thick, cv2.LINE_AA, 4)


def _pigments(
    skin: SkinDetail, size: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """What melanin and blood add to the logarithm of absorption, (size, size) each."""
    here = FaceMap.of(size)
    blood = skin.blotches * (0.05 * _noise(size, 9, rng) + 0.04 * _noise(size, 2.5, rng))
    melanin = skin.blotches * (0.03 * _noise(size, 14, rng) + 0.02 * _noise(size, 4, rng))
    if skin.freckles:
        x, y = here.x - here.points[4, 0], here.y - here.points[4, 1]
        where = np.exp(-(((np.abs(x) - 22) / 26) ** 2) - ((y + 14) / 26) ** 2)
        seeds = _scattered(here, rng, int(420 * skin.freckles), where, (0.5, 1.2))
        melanin = melanin + 0.6 * seeds
    if skin.spots:
        where = np.ones((size, size), np.float32)
        melanin = melanin + 0.35 * _scattered(here, rng, int(45 * skin.spots), where, (1.0, 3.5))
    for _ in range(skin.moles):
        melanin = melanin + 1.3 * _scattered(here, rng, 1, np.ones((size, size)), (0.9, 1.8))
    return melanin, blood


def _scattered(
    here: FaceMap,
    rng: np.random.Generator,
    count: int,
    where: np.ndarray,
    radii: tuple[float, float],
) -> np.ndarray:
    """Soft round spots (s, s) 0..1 at random places of the face, more where ``where`` is 1."""
    canvas, unit = np.zeros((here.size, here.size), np.uint8), here.size / MM
    low, high = np.nanmin(here.points, 0), np.nanmax(here.points, 0)
    for _ in range(count):
        place, radius = rng.uniform(low, high), rng.uniform(*radii)
        strength, keep = rng.uniform(0.35, 1.0), rng.random()
        column, row = (place * unit).astype(int).clip(0, here.size - 1)
        if keep < where[row, column]:
            centre = np.rint(place * unit * 16).astype(int).tolist()
            cv2.circle(canvas, centre, max(8, int(radius * unit * 16)), float(255 * strength), -1,
                       cv2.LINE_AA, 4)  # fmt: skip
    return softened(canvas / 255, here.size, 0.3)


def _noise(size: int, mm: float, rng: np.random.Generator) -> np.ndarray:
    """Smooth noise (size, size) float32 of mean 0 and deviation 1, its bumps ``mm`` wide."""
    cells = max(4, min(size, round(MM / mm)))
    small = rng.standard_normal((cells, cells), dtype=np.float32)
    return cv2.resize(small, (size, size), interpolation=cv2.INTER_CUBIC) / np.float32(0.75)


def _pores(size: int, rng: np.random.Generator) -> np.ndarray:
    """Pores and the net of fine lines: (size, size), mean 0, more on nose and cheeks."""
    here = FaceMap.of(size)
    fine = _noise(size, 0.7, rng) + 0.7 * _noise(size, 1.3, rng)
    x, y = here.x - here.points[4, 0], here.y - here.points[4, 1]
    more = 0.6 + 0.9 * np.exp(-((x / 40) ** 2) - ((y + 5) / 30) ** 2)
    return (fine * more).astype(np.float32)
