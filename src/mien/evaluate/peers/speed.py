"""How fast another tool goes through a clip, read by OpenCV.

    python speed.py TOOL CLIP [MODEL]

TOOL is mediapipe (MODEL: face_landmarker.task), haar, yunet (MODEL: its ONNX file) or
face_recognition. Prints JSON: frames, faces, and frames per second after the first ``WARM_UP``; or
``unavailable`` with the reason, and nothing is measured.
"""

import json
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import cv2
import numpy as np

WARM_UP = 10

Counter = Callable[[np.ndarray, int], int]
"""Takes a frame, (H, W, 3) uint8 BGR, and its milliseconds; gives the number of faces in it."""


class UnavailableError(Exception):
    """The tool is not in this environment."""


def mediapipe(task: str) -> Counter:
    """Face Landmarker in video mode: 478 landmarks and 52 curves of one face."""
    package = _imported("mediapipe")
    vision = import_module("mediapipe.tasks.python.vision")
    options = vision.FaceLandmarkerOptions(
        base_options=import_module("mediapipe.tasks.python").BaseOptions(model_asset_path=task),
        running_mode=vision.RunningMode.VIDEO,
        num_faces=1,
        output_face_blendshapes=True,
    )
    landmarker = vision.FaceLandmarker.create_from_options(options)

    def count(frame: np.ndarray, milliseconds: int) -> int:
        rgb = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
        image = package.Image(image_format=package.ImageFormat.SRGB, data=rgb)
        return len(landmarker.detect_for_video(image, milliseconds).face_landmarks)

    return count


def haar(_: str) -> Counter:
    """The frontal face cascade of Viola and Jones at OpenCV's own settings: boxes only."""
    folder = Path(cv2.__file__).parent / "data"
    file = folder / "haarcascade_frontalface_default.xml"
    if not file.is_file():
        raise UnavailableError(f"OpenCV {cv2.__version__} comes without Haar cascades")
    cascade = cv2.CascadeClassifier(str(file))  # pyright: ignore[reportAttributeAccessIssue]
    return lambda frame, _: len(cascade.detectMultiScale(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)))


def yunet(model: str) -> Counter:
    """YuNet at its own settings: boxes and five points."""
    if not Path(model).is_file():
        raise UnavailableError(f"{Path(model).name} is not there: OpenCV comes without the model")
    network = cv2.FaceDetectorYN.create(model, "", (0, 0))

    def count(frame: np.ndarray, _: int) -> int:
        network.setInputSize(frame.shape[1::-1])
        faces = network.detect(frame)[1]
        return 0 if faces is None else len(faces)

    return count


def face_recognition(_: str) -> Counter:
    """dlib's detector and its 68 landmarks."""
    package = _imported("face_recognition")
    return lambda frame, _: len(package.face_landmarks(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)))


TOOLS = {tool.__name__: tool for tool in (mediapipe, haar, yunet, face_recognition)}


def _imported(name: str):
    """A package by its name: mien's own environment does not have it."""
    try:
        return import_module(name)
    except ImportError as error:
        raise UnavailableError(f"{name} is not installed") from error


def measure(count: Counter, clip: str) -> dict[str, float]:
    """Frames, faces and steady frames per second of one tool on one clip."""
    capture = cv2.VideoCapture(clip)
    rate = capture.get(cv2.CAP_PROP_FPS) or 25.0
    frames = faces = 0
    start = time.perf_counter()
    while True:
        read, frame = capture.read()
        if not read:
            break
        faces += count(frame, int(1000 * frames / rate))
        frames += 1
        if frames == WARM_UP:
            start = time.perf_counter()
    seconds = time.perf_counter() - start
    return {"frames": frames, "faces": faces, "steady_fps": (frames - WARM_UP) / seconds}


def main(tool: str, clip: str, model: str = "") -> None:
    """Measure a tool and print what came out."""
    try:
        print(json.dumps(measure(TOOLS[tool](model), clip)))
    except UnavailableError as error:
        print(json.dumps({"unavailable": str(error)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
