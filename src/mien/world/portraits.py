"""Portraits of people who do not exist as people of the world.

    manifest = prepare(Path("portraits"), Path("people"))
    portraits = Portraits.open("people")
    portraits.record(17).texture()

:func:`prepare` looks at every portrait once. A prepared folder has one ``.npz`` a portrait (codes,
texture and photo, or why it was left out), an index of all numbers (``people.npz``) and a manifest.
Portraits are anybody's own: mien ships none.
"""

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

import mien
from mien.errors import InputError, MienError
from mien.face import LANDMARKS
from mien.find.finder import FaceFinder
from mien.head.camera import Perspective
from mien.head.colour import to_linear, to_srgb
from mien.head.fit import Fitter, HeadFit
from mien.head.model import HeadModel
from mien.media.files import atomic
from mien.media.image import read_image
from mien.world.unlit import skin_tone, unlit

FORMAT = 1
ENDINGS = (".jpg", ".jpeg", ".png", ".webp")
LABELLED = 20_000  # what ``labels.npz`` multiplies landmarks, parts of the picture, with
LARGEST = 512  # pixels a side of a photo that is kept
QUALITY = 95
SMALLEST = 60.0  # pixels between chin and forehead
LARGEST_ERROR, LEAST_QUALITY = 0.015, 0.9  # of a fit that is used
LARGEST_TURN = 25.0  # degrees of yaw and pitch
LARGEST_COVER = 0.15  # share of the inner face that is not skin as the albedo model knows it
LARGEST_BRIDGE = (
    0.017  # of ``_bridge``: 6 of 8 pairs of glasses that were looked at, and few faces without
)
EYES = (33, 133), (362, 263)  # landmarks of their corners, the left one in the picture first
TERMS = (
    "Prepared from the portraits of the folder named as the source; their terms apply to what is "
    "in here. Nobody in it is meant to be anybody. Ship neither it nor the portraits."
)
NUMBERS = ("identity", "code", "exposure", "iris", "hair", "tone", "age", "quality")
WORDS = ("name", "gender", "group")
"""What the index has of every person."""


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """One person of a prepared folder.

    values: arrays by name, as of ``HeadFit`` and ``mien.world.unlit.Unlit``; and of the portrait
    its name, gender and group as labelled ("" if not), age (years by its looks, NaN if not said),
    tone (ITA in degrees).
    """

    values: Mapping[str, np.ndarray]

    def texture(self) -> np.ndarray:
        """Linear albedo (s, s, 3) float32 of the face."""
        return to_linear(_decoded(self.values["texture"]))

    def photo(self) -> np.ndarray:
        """The portrait (h, h, 3) uint8 sRGB, which landmarks and fit are of."""
        return _decoded(self.values["photo"])

    def landmarks(self) -> np.ndarray:
        """(478, 2) pixels."""
        return self.values["landmarks"].astype(np.float64)

    def fit(self) -> HeadFit:
        """The head in the photo."""
        values, camera = self.values, self.values["camera"]
        return HeadFit(
            identity=values["identity"], expression=values["expression"], gaze=values["gaze"],
            camera=Perspective(
                focal=float(camera[0]), centre=(float(camera[1]), float(camera[2])),
                rotation=camera[3:12].reshape(3, 3), translation=camera[12:],
            ),
            error=float(values["error"]), quality=float(values["quality"]),
        )  # fmt: skip


class Portraits:
    """A prepared folder.

    Every name of ``NUMBERS`` and ``WORDS`` is an array of all its people in ``index``. hash: of
    what it holds.
    """

    def __init__(self, folder: Path, index: Mapping[str, np.ndarray], digest: str) -> None:
        self.folder, self.index, self.hash = folder, index, digest

    def __len__(self) -> int:
        return len(self.index["name"])

    @classmethod
    def open(cls, folder: str | Path) -> "Portraits":
        """Raises InputError for a folder that :func:`prepare` did not finish."""
        return _opened(str(folder))

    def record(self, at: int) -> Record:
        """Person ``at`` of the index; raises InputError when its file is damaged."""
        path = self.folder / _name(str(self.index["name"][at]))
        return Record(_loaded(path))


@cache
def _opened(folder: str) -> Portraits:
    path = Path(folder)
    try:
        manifest = json.loads((path / "manifest.json").read_text("utf-8"))
        good = manifest["format"] == FORMAT and isinstance(manifest["hash"], str)
    except OSError as error:
        raise InputError(
            f"{folder}: no prepared portraits ({error.strerror}); make them with mien world people"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder}: damaged manifest") from error
    if not good:
        raise InputError(f"{folder}: prepared by another version; make it again")
    index = _loaded(path / "people.npz")
    if not {*NUMBERS, *WORDS} <= set(index) or not len(index["name"]):
        raise InputError(f"{folder}: nobody in it")
    return Portraits(path, index, manifest["hash"])


def prepare(
    folder: Path,
    out: Path,
    *,
    processes: int = 1,
    limit: int | None = None,
    source: str = "",
    commit: dict[str, Any] | None = None,
    on_done: Callable[[int, int], object] = lambda done, total: None,
) -> dict[str, Any]:
    """Look at the portraits of a folder, and write people to another; the manifest is returned.

    What is there already and still the same is kept, so a run that ended early goes on.

    Args:
        folder: pictures; with ``labels.npz`` (landmarks (N, 478, 3) int16 by ``LABELLED``) and
            ``index.csv`` (file, gender, group, age_faceapi) where there are any. Without them
            faces are found, and nothing is known of genders and ages.
        out: made where missing. limit: only so many portraits. source, commit: notes for the
            manifest. on_done: is told how many of how many portraits are done.

    Raises InputError for a folder without pictures, MienError when ``out`` cannot be written.
    """
    jobs = list(_jobs(folder, out))[:limit]
    if not jobs:
        raise InputError(f"{folder}: no portraits in it")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MienError(f"{out}: {error.strerror}") from error
    digests = []
    for done, digest in enumerate(_worked(jobs, processes), 1):
        digests.append(digest)
        on_done(done, len(jobs))
    index, skipped = _indexed([out / _name(job.path.name) for job in jobs])
    with atomic(out / "people.npz") as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **index)
    manifest = {
        "format": FORMAT,
        "made_by": f"mien {mien.__version__}",
        "commit": commit,
        "portraits": len(jobs),
        "people": len(index["name"]),
        "skipped": dict(sorted(skipped.items())),
        "hash": hashlib.sha256("".join(digests).encode()).hexdigest(),
        "source": source or folder.resolve().name,
        "terms": TERMS,
    }
    with atomic(out / "manifest.json") as temporary:
        temporary.write_text(json.dumps(manifest, indent=2) + "\n", "utf-8")
    _opened.cache_clear()
    return manifest


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """A portrait, where its record goes, what is labelled; landmarks as in ``labels.npz``."""

    path: Path
    out: Path
    landmarks: np.ndarray | None
    labels: Mapping[str, str]


def _jobs(folder: Path, out: Path) -> Iterator[_Job]:
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS)
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror}") from error
    rows = _rows(folder / "index.csv")
    points = _points(folder / "labels.npz", len(rows))
    at = {row["file"]: number for number, row in enumerate(rows)}
    for path in files:
        number = at.get(path.name)
        known = None if number is None or points is None else points[number]
        yield _Job(path, out / _name(path.name), known, {} if number is None else rows[number])


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: {error}") from error
    if any(not row.get("file") for row in rows):
        raise InputError(f"{path}: needs a column 'file'")
    return rows


def _points(path: Path, count: int) -> np.ndarray | None:
    if not path.exists() or not count:
        return None
    points = _loaded(path, ("landmarks",)).get("landmarks", np.empty(0))
    if points.shape[:2] != (count, LANDMARKS):
        raise InputError(f"{path}: landmarks of {count} portraits wanted, there is {points.shape}")
    return points


def _worked(jobs: list[_Job], processes: int) -> Iterator[str]:
    if processes == 1 or len(jobs) == 1:
        yield from map(_work, jobs)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_work, jobs, chunksize=8)


def _work(job: _Job) -> str:
    """Write the record of one portrait, and return a hash of it."""
    try:
        stamp = hashlib.sha256(job.path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"{job.path}: {error.strerror}") from error
    stamp = hashlib.sha256(
        f"{FORMAT} {stamp} {sorted(job.labels.items())} "
        f"{None if job.landmarks is None else job.landmarks.tobytes().hex()}".encode()
    ).hexdigest()
    if not _is_done(job.out, stamp):
        try:
            values = _looked_at(job)
        except _Skipped as reason:
            values = {"skipped": np.array(str(reason))}
        values["name"], values["stamp"] = np.array(job.path.name), np.array(stamp)
        with atomic(job.out) as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **values)
    return hashlib.sha256(job.out.read_bytes()).hexdigest()


def _is_done(path: Path, stamp: str) -> bool:
    try:
        return path.exists() and str(_loaded(path, ("stamp",)).get("stamp")) == stamp
    except InputError:
        return False


class _Skipped(Exception):
    """Why a portrait is not used."""


def _looked_at(job: _Job) -> dict[str, np.ndarray]:
    image, landmarks = _square(*_found(job))
    if np.ptp(landmarks[:, 1]) < SMALLEST:
        raise _Skipped("small face")
    if _bridge(image, landmarks) > LARGEST_BRIDGE:
        raise _Skipped("glasses")
    fit = _fitter().fit(landmarks, image.shape[1::-1])
    if fit.error > LARGEST_ERROR or fit.quality < LEAST_QUALITY:
        raise _Skipped("poor fit")
    if max(abs(fit.pose.yaw), abs(fit.pose.pitch)) > LARGEST_TURN:
        raise _Skipped("turned away")
    skin = unlit(image, landmarks, fit)
    if skin.covered > LARGEST_COVER:
        raise _Skipped("covered face")
    camera = fit.camera
    placed = [camera.focal, *camera.centre, *np.ravel(camera.rotation), *camera.translation]
    texture = to_srgb(skin.texture)
    values = {
        "identity": fit.identity.astype(np.float32),
        "expression": fit.expression.astype(np.float32),
        "gaze": np.asarray(fit.gaze, np.float32),
        "camera": np.array(placed, np.float64),
        "error": np.float64(fit.error),
        "quality": np.float32(fit.quality),
        "landmarks": landmarks.astype(np.float32),
        "light": skin.light.astype(np.float32),
        "code": skin.code.astype(np.float32),
        "exposure": skin.exposure.astype(np.float32),
        "iris": skin.iris,
        "hair": skin.hair,
        "tone": np.float32(skin_tone(to_linear(texture))),
        "age": np.float32(_age(job)),
        "gender": np.array(job.labels.get("gender") or ""),
        "group": np.array(job.labels.get("group") or ""),
        "texture": _encoded(texture),
        "photo": _encoded(image),
    }
    return {name: np.asarray(value) for name, value in values.items()}


def _age(job: _Job) -> float:
    """Years by looks as labelled, NaN where they are not; raises InputError for no number."""
    said = job.labels.get("age_faceapi") or "nan"
    try:
        return float(said)
    except ValueError as error:
        raise InputError(f"{job.path}: age_faceapi is {said!r}") from error


def _bridge(image: np.ndarray, landmarks: np.ndarray) -> float:
    """How strong horizontal edges are on the nose between the eyes, where glasses have their
    bridge: the mean change of the logarithm of brightness, with the eyes 60 pixels apart."""
    left, right = (landmarks[list(corners)].mean(0) for corners in EYES)
    x, y = (right - left) * 60 / max(((right - left) ** 2).sum(), 1e-6)
    turn = np.array([[x, y], [-y, x]])
    matrix = np.column_stack([turn, (20, 16) - turn @ (left + right) / 2])
    nose = cv2.warpAffine(image, matrix, (40, 48), flags=cv2.INTER_LINEAR).mean(2)
    tone = cv2.GaussianBlur(np.log(nose + 8), (0, 0), 0.8)
    fine = tone - cv2.GaussianBlur(tone, (0, 0), 5)
    return float(np.abs(np.diff(fine[4:25, 12:28], axis=0)).mean())


def _found(job: _Job) -> tuple[np.ndarray, np.ndarray]:
    """The picture and the landmarks (478, 2) in it, pixels."""
    try:
        image = read_image(job.path)
    except InputError as error:
        raise _Skipped("unreadable") from error
    if job.landmarks is not None and job.landmarks.any():
        return image, job.landmarks[:, :2] / LABELLED * image.shape[1::-1]
    (faces,) = _finder().find([image])
    found = [face.landmarks[:, :2] for face in faces if face.landmarks is not None]
    if not found:
        raise _Skipped("no face")
    return image, max(found, key=lambda points: np.ptp(points[:, 1])).astype(np.float64)


def _square(image: np.ndarray, landmarks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The largest square of a picture about the face, not too large."""
    side = min(image.shape[:2])
    middle = (landmarks.min(0) + landmarks.max(0)) / 2
    limit = np.array(image.shape[1::-1]) - side
    left, top = np.round(middle - side / 2).clip(0, limit).astype(int)
    image, landmarks = image[top : top + side, left : left + side], landmarks - (left, top)
    if side > LARGEST:
        image = cv2.resize(image, (LARGEST, LARGEST), interpolation=cv2.INTER_AREA)
        landmarks = landmarks * (LARGEST / side)
    return np.ascontiguousarray(image), landmarks


@cache
def _fitter() -> Fitter:
    return Fitter(HeadModel.bundled())


@cache
def _finder() -> FaceFinder:
    return FaceFinder.bundled()


def _indexed(paths: list[Path]) -> tuple[dict[str, np.ndarray], Counter[str]]:
    """The numbers of all people, and how many portraits were left out, by reason."""
    columns: dict[str, list[np.ndarray]] = {name: [] for name in (*NUMBERS, *WORDS)}
    skipped: Counter[str] = Counter()
    for path in paths:
        values = _loaded(path, (*columns, "skipped"))
        if "skipped" in values:
            skipped[str(values["skipped"])] += 1
            continue
        for name, column in columns.items():
            column.append(values[name])
    if not columns["name"]:
        raise InputError(f"no portrait can be used: {dict(skipped)}")
    return {name: np.stack(column) for name, column in columns.items()}, skipped


def _name(file: str) -> str:
    """The name of the record of a portrait."""
    return f"{file}.npz"


def _loaded(path: Path, names: tuple[str, ...] | None = None) -> dict[str, np.ndarray]:
    """Some or all arrays of an archive, of those that it has."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            wanted = arrays.files if names is None else [n for n in names if n in arrays.files]
            return {name: arrays[name] for name in wanted}
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    except Exception as error:  # on damaged archives numpy raises nearly anything
        raise InputError(f"{path}: damaged: {error}") from error


def _encoded(image: np.ndarray) -> np.ndarray:
    """An (h, w, 3) uint8 picture as the bytes of a JPEG."""
    out = io.BytesIO()
    Image.fromarray(image).save(out, "JPEG", quality=QUALITY, subsampling=0)
    return np.frombuffer(out.getvalue(), np.uint8)


def _decoded(coded: np.ndarray) -> np.ndarray:
    with Image.open(io.BytesIO(coded.tobytes())) as image:
        return np.asarray(image.convert("RGB"))
