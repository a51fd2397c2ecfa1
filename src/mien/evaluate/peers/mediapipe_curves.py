"""Landmarks and curves of a clip by MediaPipe's Face Landmarker, with its blendshapes.

    python mediapipe_curves.py TASK CLIP OUT.npz EVERY MOST NAME,NAME...

As ``mediapipe_landmarks.py``; OUT.npz has ``curves`` (n, names) too, 0 for a name it has not.
"""

import json
import sys
from importlib import import_module

import numpy as np


def main(task: str, clip: str, out: str, every: str, most: str, names: str) -> None:
    """Label a clip, and print how many frames there are and in how many a face was found."""
    mediapipe = import_module("mediapipe")
    vision = import_module("mediapipe.tasks.python.vision")
    chosen_frames = import_module("mediapipe_landmarks").chosen_frames
    options = vision.FaceLandmarkerOptions(
        base_options=import_module("mediapipe.tasks.python").BaseOptions(model_asset_path=task),
        running_mode=vision.RunningMode.IMAGE,
        num_faces=1,
        output_face_blendshapes=True,
    )
    wanted, frames, landmarks, curves, size = names.split(","), [], [], [], (0, 0)
    with vision.FaceLandmarker.create_from_options(options) as landmarker:
        for index, rgb in chosen_frames(clip, int(every), int(most)):
            image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=rgb)
            found = landmarker.detect(image)
            points, said = np.full((478, 3), np.nan), {}
            if found.face_landmarks:
                points = np.array([[p.x, p.y, p.z] for p in found.face_landmarks[0]])
                said = {c.category_name: c.score for c in found.face_blendshapes[0]}
            frames.append(index)
            landmarks.append(points.astype(np.float32))
            curves.append([said.get(name, 0.0) for name in wanted])
            size = rgb.shape[1::-1]
    np.savez(
        out,
        frames=frames,
        landmarks=np.reshape(landmarks, (-1, 478, 3)),
        curves=np.reshape(np.array(curves, np.float32), (-1, len(wanted))),
        size=size,
    )
    faces = int(np.isfinite(landmarks).all(axis=(1, 2)).sum())
    print(json.dumps({"frames": len(frames), "faces": faces}))


if __name__ == "__main__":
    main(*sys.argv[1:])
