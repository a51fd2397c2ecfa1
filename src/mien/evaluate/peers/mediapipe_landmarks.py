"""Landmarks of a clip by MediaPipe's Face Landmarker: the labels of the video protocol.

    python mediapipe_landmarks.py TASK CLIP OUT.npz EVERY MOST

Every EVERY-th frame, MOST of them at most, each as an image by itself (no tracking), one face.
OUT.npz: ``frames`` (n,) indices; ``landmarks`` (n, 478, 3) float32, x and y in fractions of width
and height, z on the scale of x, NaN where no face was found; ``size`` (2,) width and height.
"""

import json
import sys
from collections.abc import Iterator
from importlib import import_module

import cv2
import numpy as np


def main(task: str, clip: str, out: str, every: str, most: str) -> None:
    """Label a clip, and print how many frames there are and in how many a face was found."""
    mediapipe = import_module("mediapipe")
    vision = import_module("mediapipe.tasks.python.vision")
    options = vision.FaceLandmarkerOptions(
        base_options=import_module("mediapipe.tasks.python").BaseOptions(model_asset_path=task),
        running_mode=vision.RunningMode.IMAGE,
        num_faces=1,
    )
    frames, landmarks, size = [], [], (0, 0)
    with vision.FaceLandmarker.create_from_options(options) as landmarker:
        for index, rgb in chosen_frames(clip, int(every), int(most)):
            image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=rgb)
            faces = landmarker.detect(image).face_landmarks
            points = [[p.x, p.y, p.z] for p in faces[0]] if faces else np.full((478, 3), np.nan)
            frames.append(index)
            landmarks.append(np.array(points, np.float32))
            size = rgb.shape[1::-1]
    np.savez(out, frames=frames, landmarks=np.reshape(landmarks, (-1, 478, 3)), size=size)
    found = int(np.isfinite(landmarks).all(axis=(1, 2)).sum())
    print(json.dumps({"frames": len(frames), "faces": found}))


def chosen_frames(clip: str, every: int, most: int) -> Iterator[tuple[int, np.ndarray]]:
    """Index and (H, W, 3) uint8 RGB of the frames to label."""
    capture = cv2.VideoCapture(clip)
    for index in range(every * most):
        if not capture.grab():
            break
        if index % every == 0:
            yield index, cv2.cvtColor(capture.retrieve()[1], cv2.COLOR_BGR2RGB)
    capture.release()


if __name__ == "__main__":
    main(*sys.argv[1:])
