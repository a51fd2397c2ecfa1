"""Face vectors by dlib: the teacher of mien's embedding, and what it is measured beside.

    python dlib_faces.py CROPS.npy SIZE OUT.npy EVERY

CROPS.npy: (n, S, S, 3) uint8, aligned by the five points that dlib aligns by, of which the middle
``SIZE`` pixels are what its network is to see. Every EVERY-th crop is looked at. OUT.npy:
(n / EVERY, 128) float32, each the mean of the vectors of the crop and of its mirror image, not
normed.
"""

import json
import sys
from importlib import import_module

import cv2
import numpy as np

SEEN = 150  # pixels of a side that the network takes
AT_ONCE = 32


def main(crops: str, size: str, out: str, every: str) -> None:
    """Write the vectors, and print how many there are."""
    dlib = import_module("dlib")
    weights = import_module("face_recognition_models").face_recognition_model_location()
    network = dlib.face_recognition_model_v1(weights)
    images = np.load(crops, mmap_mode="r")[:: int(every)]
    edge = (images.shape[1] - float(size)) / 2
    scale = SEEN / float(size)
    # Pixels have their centres at halves.
    shift = -edge * scale + 0.5 * scale - 0.5
    matrix = np.array([[scale, 0, shift], [0, scale, shift]])
    vectors = np.empty((len(images), 128), np.float32)
    for start in range(0, len(images), AT_ONCE):
        some = images[start : start + AT_ONCE]
        part = [cv2.warpAffine(image, matrix, (SEEN, SEEN)) for image in some]
        both = part + [np.ascontiguousarray(image[:, ::-1]) for image in part]
        found = np.array(network.compute_face_descriptor(both))
        vectors[start : start + len(part)] = (found[: len(part)] + found[len(part) :]) / 2
    np.save(out, vectors)
    print(json.dumps({"vectors": len(vectors), "dlib": dlib.__version__}))


if __name__ == "__main__":
    main(*sys.argv[1:])
