"""A photo or a video of a face into a head that other programs can move."""

import json
import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import cv2
import numpy as np

import mien
from mien.errors import InputError, MienError, UsageError
from mien.face import BLENDSHAPES, Motion
from mien.find.finder import FaceFinder
from mien.find.tracker import Tracker
from mien.head.capture import Captured, capture
from mien.head.export import write_glb, write_obj
from mien.head.fit import Fitter, HeadFit
from mien.head.look import Skin, draw, portrait_camera, studio_light
from mien.head.model import HeadModel
from mien.jobs.person import choose, motion_of, watch
from mien.media.files import atomic
from mien.media.image import read_image, write_image
from mien.media.provenance import Generated, SourceType
from mien.media.source import Camera, open_source
from mien.media.video import VideoWriter

if TYPE_CHECKING:
    from mien.systems.reconstruct.reader import HeadReader

SMALLEST_FACE = 24.0  # pixels; below it nothing of a face is left
LEAST_QUALITY = 0.4
BLURRED_FACE = 120.0  # pixels; a texture of less is soft
WHOLE_FACE = 0.8  # of the landmarks shown, when nothing is hidden that need not be
LARGEST_PICTURE = 1280  # pixels, of the fit drawn over the photo
TURNTABLE, TURN_SECONDS, TURN_RATE = (512, 512), 4.0, 24.0
THREADS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1

Choice = int | Literal["largest", "all"] | None


@dataclass(frozen=True, slots=True, eq=False)
class Reconstruction:
    """A head from a photo or a video.

    image: (h, w, 3) uint8 RGB, the photo, or the frame that textures are from. fit: in it.
    size: pixels, of the face. motion: of a video; None of a photo. number: of the face in the
    photo, 1 is the largest.
    """

    image: np.ndarray
    fit: HeadFit
    captured: Captured
    size: float
    motion: Motion | None = None
    number: int = 1

    @property
    def quality(self) -> float:
        """0..1: how well the landmarks are met, less for a face of few pixels, and less for what is
        cut off, turned away or covered: there landmarks are guesses that any head may meet."""
        sharp = min(1.0, self.size / BLURRED_FACE)
        return self.fit.quality * sharp * min(1.0, self.captured.shown / WHOLE_FACE)


def reconstruct(
    source: str | os.PathLike[str],
    *,
    face: Choice = None,
    refine: bool = False,
    system: str | None = None,
    run: Path | None = None,
    weights: str | None = None,
    device: str = "cpu",
    on_warning: Callable[[str], object] = warnings.warn,
) -> list[Reconstruction]:
    """The heads in a photo, or of the person seen largest and longest in a video.

    face: of a photo, which: 1 is the largest. None: the only one; faces less than half the size of
        the largest do not count. Of a video this is always one person.
    refine: improve the fit by comparing pixels (:mod:`mien.head.refine`); needs torch.
    system: slug of a system of the task "reconstruction" that reads the head from pixels, with the
        weights of a ``run`` or as named by ``weights``; needs torch. None: the fit to landmarks.
        What it says is taken as it is, however well it meets the landmarks.
    on_warning: told of a video that is damaged on the way, and with ``face="all"`` of faces that
        cannot be fitted while others can.

    Raises InputError when there is no face or none that can be fitted, UsageError for a webcam and
    when ``face`` does not say which one, MienError where a system has no weights.
    """
    reader = _reader(system, run, weights, device)
    opened = open_source(os.fspath(source))
    if isinstance(opened, Camera):
        raise UsageError(f"{source}: a webcam does not end; record a video of it first")
    finder, fitter = FaceFinder.bundled(device), Fitter()
    if opened.is_still:
        path = os.fspath(source)
        return _of_photo(path, face, finder, fitter, reader, refine, on_warning)
    if face not in (None, "largest"):
        raise UsageError(
            f"{source}: of a video the person is taken who is seen largest and longest"
        )
    person = watch(opened, Tracker(finder))
    if opened.warning:
        on_warning(opened.warning)
    if reader is None:
        fits = fitter.fit_clip(person.landmarks, person.size, fps=opened.fps)
    else:
        images = (frame.image for frame in open_source(os.fspath(source)).frames())
        fits = reader.read_clip(images, person.landmarks)
    frames = open_source(os.fspath(source)).frames()
    image = next(frame.image for number, frame in enumerate(frames) if number == person.best)
    points, fit = person.landmarks[person.best], fits[person.best]
    assert points is not None and fit is not None
    one = _reconstruction(image, points, fit, fitter.model, str(source), reader is not None)
    return [Reconstruction(image, fit, one.captured, one.size, motion_of(fits, opened.fps))]


def _reader(
    system: str | None, run: Path | None, weights: str | None, device: str
) -> "HeadReader | None":
    if system is None:
        if run is not None or weights is not None:
            raise UsageError("weights are of a system: say which, with --system SLUG")
        return None
    from mien.systems.reconstruct.reader import HeadReader  # needs torch

    return HeadReader(system, run, weights, device)


def _of_photo(
    path: str,
    face: Choice,
    finder: FaceFinder,
    fitter: Fitter,
    reader: "HeadReader | None",
    refine: bool,
    on_warning: Callable[[str], object],
) -> list[Reconstruction]:
    image = read_image(path)
    faces = finder.find([image])[0]
    if face != "all" or not faces:
        chosen = [choose(faces, None if face == "all" else face, path)]
    else:
        chosen = faces
    made, failed = [], []
    for number, one in enumerate(chosen, 1):
        assert one.landmarks is not None
        if reader is None:
            fit = fitter.fit(one.landmarks, (image.shape[1], image.shape[0]))
        else:
            fit = reader.read(image, one.landmarks)
        if refine:
            from mien.head.refine import refine as improve  # needs torch

            fit = improve(image, fit, fitter.model, landmarks=one.landmarks)
        name = f"{path}: face {number}" if len(chosen) > 1 else path
        try:
            told = reader is not None
            head = _reconstruction(image, one.landmarks, fit, fitter.model, name, told)
            made.append(replace(head, number=number))
        except InputError as error:
            failed.append(error)
    if not made:
        if len(failed) == 1:
            raise failed[0]
        raise InputError(f"{path}: none of {len(failed)} faces can be fitted")
    for error in failed:
        on_warning(str(error))
    return made


def _reconstruction(
    image: np.ndarray, landmarks: np.ndarray, fit: HeadFit, model: HeadModel, name: str,
    told: bool = False,
) -> Reconstruction:  # fmt: skip
    """The head of a fit; told: by a system, which stands however well it meets the landmarks."""
    size = float(np.sqrt(np.prod(np.ptp(landmarks[:, :2], axis=0))))
    if size < SMALLEST_FACE:
        raise InputError(f"{name}: the face is too small: {size:.0f} pixels of the "
                         f"{SMALLEST_FACE:.0f} that it takes")  # fmt: skip
    if fit.quality < LEAST_QUALITY and not told:
        raise InputError(f"{name}: the head model does not fit this face (quality "
                         f"{fit.quality:.2f} of 1)")  # fmt: skip
    return Reconstruction(image, fit, capture(image, fit, model), size)


# -- files -----------------------------------------------------------------------------------------


def run_reconstruct(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    face: Choice = None,
    refine: bool = False,
    turntable: bool = True,
    credentials: bool = True,
    system: str | None = None,
    run: Path | None = None,
    weights: str | None = None,
    device: str = "cpu",
    on_file: Callable[[Path], object] = lambda path: None,
    on_warning: Callable[[str], object] = warnings.warn,
) -> list[Reconstruction]:
    """``mien reconstruct``: write the head of :func:`reconstruct` into the folder ``out``.

    head.glb (52 morph targets, eye bones; of a video with its animation), head.obj with its
    textures, head.npz (identity, expression, gaze, camera, light), head.json (quality, pose,
    curves, and that it is synthetic), fit.png (the fit over the photo), turntable.mp4; of a video
    motion.csv in Live Link Face's columns. With ``face="all"`` each face has a folder of its own:
    face-1, face-2, ..., by the numbers that ``face`` takes.

    credentials: sign fit.png and turntable.mp4 as synthetic (:mod:`mien.media.provenance`).
    on_file: called with each file that is complete. The rest: see :func:`reconstruct`.
    """
    out = Path(out)
    if os.path.exists(out) and not os.path.isdir(out):  # False, not an error, where none may look
        raise UsageError(f"{out}: is not a folder")
    heads = reconstruct(
        source, face=face, refine=refine, system=system, run=run, weights=weights, device=device,
        on_warning=on_warning,
    )  # fmt: skip
    for head in heads:
        folder = out / f"face-{head.number}" if face == "all" else out
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MienError(f"{folder}: {error.strerror}") from error
        for path in write(head, folder, os.fspath(source), turntable, credentials):
            on_file(path)
    return heads


def write(
    head: Reconstruction, folder: Path, source: str, turntable: bool = True,
    credentials: bool = True,
) -> Iterator[Path]:  # fmt: skip
    """Write a head's files into a folder that is there, one after the other."""
    model, fit, textures = HeadModel.bundled(), head.fit, head.captured.textures
    made = Generated(SourceType.COMPOSITE, "a head rebuilt from a photo", credentials)
    skin = Skin.of(model, textures)
    write_glb(folder / "head.glb", model, fit.identity, textures, motion=head.motion)
    yield folder / "head.glb"
    write_obj(folder / "head.obj", model, model.vertices(fit.identity), textures)
    yield folder / "head.obj"
    _write_code(head, folder / "head.npz")
    yield folder / "head.npz"
    with atomic(folder / "head.json") as temporary:
        text = json.dumps(summary(head, source), indent=2, allow_nan=False)
        temporary.write_text(text + "\n", "utf-8")
    yield folder / "head.json"
    write_image(folder / "fit.png", picture(head, model, skin), made)
    yield folder / "fit.png"
    if head.motion is not None:
        head.motion.save(folder / "motion.csv")
        yield folder / "motion.csv"
    if turntable:
        with VideoWriter(folder / "turntable.mp4", TURN_RATE, generated=made) as video:
            for frame in turn(fit, model, skin):
                video.write(frame)
        yield folder / "turntable.mp4"


def summary(head: Reconstruction, source: str) -> dict:
    """What ``head.json`` says."""
    fit, pose = head.fit, head.fit.pose
    return {
        "made_by": f"mien {mien.__version__}",
        "synthetic": True,
        "source": Path(source).name,
        "face_pixels": round(head.size, 1),
        "quality": round(head.quality, 3),
        "landmark_error_percent": round(100 * fit.error, 2),
        "texture_seen": round(head.captured.seen, 3),
        "landmarks_shown": round(head.captured.shown, 3),
        "pose_degrees": {"yaw": round(pose.yaw, 2), "pitch": round(pose.pitch, 2),
                         "roll": round(pose.roll, 2)},
        "distance_mm": round(-float(fit.camera.translation[2])),
        "expression": {
            name: round(float(value), 3)
            for name, value in zip(BLENDSHAPES, fit.expression, strict=True)
        },
    }  # fmt: skip


def _write_code(head: Reconstruction, path: Path) -> None:
    fit = head.fit
    arrays = {
        "identity": fit.identity, "expression": fit.expression, "gaze": fit.gaze,
        "focal": fit.camera.focal, "centre": fit.camera.centre,
        "rotation": fit.camera.rotation, "translation": fit.camera.translation,
        "light": head.captured.light, "albedo": head.captured.code,
    }  # fmt: skip
    small: dict[str, Any] = {name: np.asarray(v, np.float32) for name, v in arrays.items()}
    with atomic(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **small)


def picture(head: Reconstruction, model: HeadModel, skin: Skin) -> np.ndarray:
    """The photo, the head's shape over it and the textured head over it, side by side."""
    image, camera = head.image, head.fit.camera
    scale = min(1.0, LARGEST_PICTURE / max(image.shape[:2]))
    width, height = (max(1, round(side * scale)) for side in image.shape[1::-1])
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    camera = type(camera)(
        focal=camera.focal * scale, centre=(camera.centre[0] * scale, camera.centre[1] * scale),
        rotation=camera.rotation, translation=camera.translation,
    )  # fmt: skip
    vertices = head.fit.vertices(model)
    options = {"size": (width, height), "behind": small, "threads": THREADS}
    shape = draw(vertices, model, Skin.of(model, {}), camera, studio_light(), **options)
    whole = draw(vertices, model, skin, camera, head.captured.light, **options)
    return np.hstack([small, shape, whole])


def turn(fit: HeadFit, model: HeadModel, skin: Skin) -> Iterator[np.ndarray]:
    """The neutral head turning once around, frames (512, 512, 3) uint8."""
    vertices, light = model.vertices(fit.identity), studio_light()
    for yaw in np.linspace(0, 360, round(TURN_SECONDS * TURN_RATE), endpoint=False):
        camera = portrait_camera(float(yaw), 0.0, TURNTABLE)
        yield draw(vertices, model, skin, camera, light, TURNTABLE, threads=THREADS)
