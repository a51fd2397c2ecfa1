"""How far pictures of the world are from photographs: ``mien evaluate realism``.

The photographs are held-back portraits, in two halves: what is changed in the drawing is judged on
one, with ``step``, and results are those of the other, which no change was chosen on, nor on the
people drawn for it. Both kinds are cut out alike: the square of the landmark
network (200 mm of the face frame) at 128 pixels. Four measures, from blunt to sharp:

- *traits*: lightness, colour and detail of parts of the face, in deviations of the portraits. They
  say what to change.
- *FID and KID* over means of maps of mien's own landmark network, which is at hand offline. Each
  feature is scaled to mean 0 and deviation 1 over portraits. Values are not comparable with those
  over Inception. Training portraits against the held-back ones give the floor.
- *the judge* (:mod:`mien.evaluate.judge`): a network that learns to tell the two kinds apart, and
  how well it does when it sees a part only. 50 % is where nothing can be told.

Cases: ``usual`` is the usual recipe, as delivered; ``matched`` takes pose, expression, light,
background, resolution and file format from the portraits, so what is left is in the drawing;
:func:`cases_of` has those of people who are made of portraits.
"""

import io
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from mien import hub
from mien.data.portraits import Portraits
from mien.errors import InputError
from mien.evaluate import report
from mien.evaluate.metrics.images import fid, kid
from mien.evaluate.statistics import Interval
from mien.face import FACE_OVAL, LEFT_BROW, LEFT_EYE, LIPS_OUTER, RIGHT_BROW, RIGHT_EYE
from mien.find import geometry, mean_face
from mien.world.recipe import Recipe
from mien.world.scene import Scene
from mien.world.surroundings import Background
from mien.world.world import World, drawn

SIDE = 128  # pixels of a crop
PHOTO_SIDE, PHOTO_QUALITY = 240, 80  # pixels and JPEG quality of nearly all portraits
TRAIN, CHOOSE = 500, 100  # crops of each kind that a judge learns from, and its threshold
SEED = 0
PROTOCOL = "realism/2"
HALVES = ("final", "tuning")
"""Of the held-back portraits: for results, and to change the drawing by."""

ROUNDS = 1000
ENOUGH = 1.5
LAYERS = {
    "parts": "/body/body.2/body.2.1/Relu_1_output_0",
    "face": "/body/body.3/body.3.1/Relu_1_output_0",
}
"""Maps of the landmark network: 96 x 8 x 8 and 160 x 4 x 4."""


@dataclass(frozen=True, slots=True)
class Case:
    """Pictures of the world to compare.

    oldest: years; older people are left out. staged: changes a scene, given a generator of random
    numbers. filed: whether the picture goes through a file like that of a portrait.
    """

    recipe: Recipe
    oldest: float = np.inf
    staged: Callable[[Scene, np.random.Generator], Scene] | None = None
    filed: bool = False

    def crops(self, split: str, count: int, seed: int = SEED) -> Iterator[np.ndarray]:
        """The first so many crops (128, 128, 3) of a split."""
        world = World(self.recipe, split, seed)
        scenes = map(world.scene, itertools.count())
        young = (scene for scene in scenes if not scene.person.age > self.oldest)
        for scene in itertools.islice(young, count):
            if self.staged is not None:
                scene = self.staged(scene, np.random.default_rng([scene.seed, 9]))
            shown = drawn(scene)
            image = filed(shown.image) if self.filed else shown.image
            yield crop(image, shown.landmarks)


def crop(image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """The face (128, 128, 3) uint8 of an image with landmarks (478, 2 or 3), pixels."""
    placed = geometry.compose(geometry.face_to_image(landmarks), geometry.crop_to_face(SIDE))
    return geometry.crop(image, placed, SIDE)


def filed(image: np.ndarray) -> np.ndarray:
    """An image (h, w, 3) uint8 as it comes out of a JPEG file like the portraits'."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=PHOTO_QUALITY)
    return np.asarray(Image.open(file))


def portrait_crops(portraits: Portraits, chosen: np.ndarray) -> np.ndarray:
    """Crops (n, 128, 128, 3) uint8 of portraits, all first reduced to the size of most."""
    return np.stack([
        crop(portraits.image(int(i), PHOTO_SIDE), portraits.landmarks[i] * PHOTO_SIDE)
        for i in chosen
    ])  # fmt: skip


def studio(scene: Scene, rng: np.random.Generator) -> Scene:
    """A scene before a pale ground and without face paint, as most portraits are."""
    kind = str(rng.choice(["plain", "gradient", "studio"]))
    ground = Background(kind, float(rng.uniform(0.35, 0.75)), 0.03, seed=int(rng.integers(2**31)))
    makeup = scene.makeup and replace(scene.makeup, pattern="none", paint=0.0)
    return replace(scene, background=ground, makeup=makeup)


OLDEST = 45.0  # years; nearly nobody in the portraits looks older
# Means and deviations of pose, scale and place are those of training portraits.
MATCHED = Recipe.of({
    "name": "matched", "factors": {
        "emotion": {"choices": {"neutral": 0.25, "happiness": 0.75}},
        "intensity": {"range": [0.5, 4.0]},
        "yaw": {"normal": [-4, 8]}, "pitch": {"normal": [-7, 4.3]}, "roll": {"normal": [0, 0.5]},
        "gaze_yaw": {"normal": [0, 3]}, "gaze_pitch": {"normal": [0, 2]},
        "blink": False, "speaking": False, "fill": {"range": [0.83, 0.88]},
        "shift_x": 0, "shift_y": 0.03, "focal": {"range": [2.5, 4]},
        "contrast": {"range": [0.1, 0.5]}, "exposure": {"range": [0.9, 1.2]},
        "glossy": {"range": [0.0, 0.3]}, "beard": {"probability": 0.15},
        "glasses": {"probability": 0.08}, "mask": False, "occluder": False, "pattern": False,
        "degrade": 0,
    },
})  # fmt: skip
CASES = {"usual": Case(Recipe()), "matched": Case(MATCHED, OLDEST, studio, filed=True)}


def cases_of(people: Path) -> dict[str, Case]:
    """Cases with people made of portraits, from a folder that ``mien world people`` made.

    ``portraits``: their skin and shape on the drawn head, otherwise as ``matched``. ``backdrop``:
    the drawn face put back into its portrait.
    """
    recipe = replace(MATCHED, portraits=str(people))
    backdrop = Case(replace(recipe, backdrop=1.0), filed=True)
    return {"portraits": Case(recipe, np.inf, studio, filed=True), "backdrop": backdrop}


# -- parts and traits ------------------------------------------------------------------------------


@cache
def parts() -> dict[str, np.ndarray]:
    """Parts of a crop, (128, 128) bool each, the same for every picture.

    Masks that followed a face's own landmarks would show its shape to a judge.
    """
    inside = geometry.invert(geometry.crop_to_face(SIDE))
    points = geometry.transform(inside, mean_face.points()[:, :2])
    oval = _hull(points[FACE_OVAL])
    eyes = _hull(points[[*RIGHT_EYE, *RIGHT_BROW]]) | _hull(points[[*LEFT_EYE, *LEFT_BROW]])
    eyes, mouth = _grown(eyes, 5), _grown(_hull(points[LIPS_OUTER]), 5)
    outside = ~_grown(oval, 3)
    rows = np.arange(SIDE)[:, None]
    return {
        "skin": ~_grown(~oval, 5) & ~eyes & ~mouth,
        "eyes": eyes,
        "mouth": mouth,
        "hair": outside & (rows < points[RIGHT_EYE, 1].mean()),
        "neck": outside & (rows > points[LIPS_OUTER, 1].mean()),
    }


def _hull(points: np.ndarray) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(np.rint(points).astype(np.int32)), (1,))
    return mask > 0


def _grown(mask: np.ndarray, by: int) -> np.ndarray:
    return cv2.dilate(mask.astype(np.uint8), np.ones((2 * by + 1, 2 * by + 1), np.uint8)) > 0


TRAITS = ("lightness", "red", "yellow", "contrast", "coarse", "medium", "fine")


def traits(crops: np.ndarray) -> np.ndarray:
    """Simple numbers (n, parts, ``TRAITS``) of crops (n, 128, 128, 3).

    Means of L*, a*, b* (CIELAB); deviation of L*; deviation of L* between Gaussians of 4, 2, 1 and
    0 pixels.
    """
    rows = []
    for image in crops:
        lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
        smooth = [cv2.GaussianBlur(lab[..., 0], (0, 0), s) for s in (4, 2, 1)] + [lab[..., 0]]
        bands = np.stack([fine - soft for soft, fine in itertools.pairwise(smooth)])
        rows.append([
            [*lab[mask].mean(0), lab[mask, 0].std(), *bands[:, mask].std(1)]
            for mask in parts().values()
        ])  # fmt: skip
    return np.array(rows)


def trait_gaps(generated: np.ndarray, real: np.ndarray) -> dict[str, dict[str, float]]:
    """By part and trait: how far the means are apart, in deviations of the real ones."""
    ours, theirs = traits(generated), traits(real)
    gaps = (ours.mean(0) - theirs.mean(0)) / np.maximum(theirs.std(0), 1e-6)
    return {
        part: dict(zip(TRAITS, row.tolist(), strict=True))
        for part, row in zip(parts(), gaps, strict=True)
    }


# -- distances of sets -----------------------------------------------------------------------------


class Features:
    """Pooled maps of the landmark network, scaled over a set of reference crops."""

    def __init__(self, reference: np.ndarray) -> None:
        self.session = _network()
        self.scale: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self.scale = {
            name: (raw.mean(0), np.maximum(raw.std(0), 1e-6))
            for name, raw in self._raw(reference).items()
        }

    def __call__(self, crops: np.ndarray) -> dict[str, np.ndarray]:
        """Features (n, d) by layer of crops (n, 128, 128, 3) uint8."""
        return {
            name: (raw - self.scale[name][0]) / self.scale[name][1]
            for name, raw in self._raw(crops).items()
        }

    def _raw(self, crops: np.ndarray) -> dict[str, np.ndarray]:
        pooled: list[list[np.ndarray]] = []
        for start in range(0, len(crops), 32):
            batch = crops[start : start + 32].transpose(0, 3, 1, 2).astype(np.float32) / 255
            maps = self.session.run(list(LAYERS.values()), {"image": batch})
            pooled.append([np.asarray(each).mean((2, 3)) for each in maps])
        return {
            name: np.concatenate(layer).astype(np.float64)
            for name, layer in zip(LAYERS, zip(*pooled, strict=True), strict=True)
        }


def _network() -> Any:
    """The landmark network with its inner maps as outputs."""
    import onnx
    import onnxruntime

    model = onnx.load(str(hub.resolve("mien-landmarks")))
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in LAYERS.values())
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def distances(generated: dict[str, np.ndarray], real: dict[str, np.ndarray]) -> dict[str, Any]:
    """FID, and KID x 1000 with its 95 % interval, by layer; of as many features of both.

    FID is None of fewer than ``ENOUGH`` pictures for each number of a feature: covariances are
    near singular then.
    """
    out: dict[str, Any] = {}
    for name in real:
        count = min(len(generated[name]), len(real[name]))
        x, y = generated[name][:count], real[name][:count]
        found = kid_interval(x, y)
        out[name] = {
            "fid": fid(x, y) if count >= ENOUGH * x.shape[1] else None,
            "kid": 1000 * found.estimate,
            "kid_ci95": [1000 * found.low, 1000 * found.high],
        }
    return out


def kid_interval(x: np.ndarray, y: np.ndarray, rounds: int = ROUNDS) -> Interval:
    """KID of all features (n, d), (n, d), and its 95 % interval when images are drawn anew.

    An image that is drawn twice is not compared with itself, which would bias the draws upwards.
    """
    n, d = x.shape
    kernels = [(a @ b.T / d + 1) ** 3 for a, b in ((x, x), (y, y), (x, y))]
    rng = np.random.default_rng(SEED)
    draws = [rng.multinomial(n, np.full(n, 1 / n), rounds).astype(np.float64) for _ in range(2)]
    values = (
        _within(kernels[0], draws[0])
        + _within(kernels[1], draws[1])
        - 2 * ((draws[0] @ kernels[2]) * draws[1]).sum(1) / n**2
    )
    low, high = np.quantile(values, [0.025, 0.975])
    return Interval(kid(x, y, subsets=1, size=n), float(low), float(high))


def _within(kernel: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean kernel (rounds,) of pairs of different images, drawn ``weights`` (rounds, n) times."""
    same = weights**2
    pairs = ((weights @ kernel) * weights).sum(1) - same @ np.diag(kernel)
    return pairs / (weights.sum(1) ** 2 - same.sum(1))


# -- the protocol ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Photos:
    """Crops of portraits: to learn from, to choose on, and held back."""

    train: np.ndarray
    choose: np.ndarray
    test: np.ndarray

    @classmethod
    def of(cls, portraits: Portraits, half: str, limit: int | None = None) -> "Photos":
        """The same ones each time. half: of ``HALVES``. limit: so many of each at most."""
        rng = np.random.default_rng(SEED)
        order = rng.permutation(np.flatnonzero(~portraits.test))
        train, choose = order[:TRAIN][:limit], order[TRAIN : TRAIN + CHOOSE][:limit]
        held = rng.permutation(np.flatnonzero(portraits.test))[HALVES.index(half) :: len(HALVES)]
        return cls(*(portrait_crops(portraits, part) for part in (train, choose, held[:limit])))


def drawings(case: Case, name: str, half: str, held: int, limit: int | None = None) -> Photos:
    """As many drawn crops, of people of the three splits of the case's recipe; each half of the
    ``held`` has pictures of its own."""
    counts = {"train": TRAIN, "val": CHOOSE, "test": held}
    made = []
    for split, count in counts.items():
        count = min(count, limit or count)
        seed = SEED + 1 + HALVES.index(half) if split == "test" else SEED
        crops = report.progress(case.crops(split, count, seed), f"{name}, {split}", count)
        made.append(np.stack(list(crops)))
    return Photos(*made)


def measure(
    photos: Photos, world: Photos, features: Features, pictures: Path | None = None
) -> dict[str, Any]:
    """All measures of one case. pictures: folder for what the judge looks at."""
    from mien.evaluate import judge

    return {
        "held_back": len(photos.test),
        "commit": report.commit(),
        "distances": distances(features(world.test), features(photos.test)),
        "traits": trait_gaps(world.test, photos.test),
        "judge": judge.measure(photos, world, parts(), pictures),
    }


def main(
    data: Path,
    out: Path | None = None,
    limit: int | None = None,
    cases: tuple[str, ...] = (),
    step: str | None = None,
    pictures: Path | None = None,
    people: Path | None = None,
) -> None:
    """Measure, print, and write the result as JSON.

    data: folder with ``portraits``. limit: so many crops of each kind only. cases: of ``CASES``,
    or of :func:`cases_of` with a folder of ``people``; all by default. Cases that ``out`` has
    already and that are not measured now are kept. step: what was changed in the drawing; its
    numbers, on the tuning half, are added to the steps that ``out`` has, and cases are left alone.

    Raises InputError for an unknown case, or a folder without portraits.
    """
    known = CASES | (cases_of(people) if people is not None else {})
    cases = cases or tuple(known)
    for name in cases:
        if name not in known:
            raise InputError(f"no case {name!r}; there are {', '.join(known)}")
    try:
        portraits = Portraits.load(data / "portraits")
    except FileNotFoundError as error:
        raise InputError(f"{data / 'portraits'}: no portraits: {error.filename}") from error
    final = Photos.of(portraits, "final", limit)
    half = "final" if step is None else "tuning"
    photos = final if step is None else Photos.of(portraits, half, limit)
    _earlier(out)  # a file that is none of ours is refused before the work
    features, found = Features(photos.train), {}
    for name in cases:
        world = drawings(known[name], name, half, len(photos.test), limit)
        folder = None if pictures is None else pictures / name
        found[name] = measure(photos, world, features, folder)
    earlier = _earlier(out)  # cases may have been measured meanwhile
    new = [{"step": step, **summary(name, found[name])} for name in cases]
    result = {
        "network": "mien-landmarks, mean of its maps",
        "floor": distances(features(final.train), features(final.test)),
        "cases": earlier["cases"] | (found if step is None else {}),
        "steps": earlier["steps"] + ([] if step is None else new),
    }
    labels = report.fingerprint([data / "portraits" / "labels.npz"])
    report.finish(PROTOCOL, {"portraits": labels, "limit": limit}, result, out)


def summary(case: str, found: dict[str, Any]) -> dict[str, Any]:
    """The numbers of a case in one row."""
    distance, told = found["distances"], found["judge"]
    return {
        "case": case,
        "held_back": found["held_back"],
        **{f"{kind}_{name}": distance[name][kind] for kind in ("fid", "kid") for name in distance},
        "auc": told["whole"]["auc"][0],
        **{name: view["auc"][0] for name, view in told["views"].items()},
    }


def _earlier(out: Path | None) -> dict[str, Any]:
    """Cases and steps of the result that is already in a file.

    Of the first protocol there are left the steps, which were chosen on all held-back portraits.
    """
    if out is None or not out.is_file():
        return {"cases": {}, "steps": []}
    try:
        said = json.loads(out.read_text("utf-8"))
        cases, steps = dict(said["results"]["cases"]), list(said["results"]["steps"])
        if said["protocol"] == PROTOCOL:
            return {"cases": cases, "steps": steps}
        held = max((found["held_back"] for found in cases.values()), default=0)
        return {"cases": {}, "steps": [{"held_back": held, **step} for step in steps]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{out}: not a result of mien evaluate realism") from error
