"""Make the pictures of the README and the docs: ``python docs/make_pictures.py``."""

from pathlib import Path

import cv2
import numpy as np

from mien.find.finder import FaceFinder
from mien.media.draw import annotate
from mien.media.image import read_image, write_image

PICTURES = Path(__file__).parent / "pictures"
HEAD = (slice(0, 290), slice(80, 460))  # rows and columns of the astronaut's head and shoulders
ENLARGED = 2.4


def main() -> None:
    astronaut = read_image(PICTURES / "astronaut.jpg")
    head = np.ascontiguousarray(astronaut[HEAD])
    head = cv2.resize(head, None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_CUBIC)
    faces = FaceFinder.bundled().find([head], max_faces=1)[0]
    write_image(PICTURES / "astronaut_annotated.jpg", annotate(head, faces))


if __name__ == "__main__":
    main()
