"""Build the head that mien ships from the original ICT model.

    python -m mien.head.build ict_facekit.npz src/mien/find/mean_face.npz portraits/labels.npz

Steps: ``ict`` reads the original, ``rig`` corrects and completes it, ``correspond`` finds
MediaPipe's 478 points on it, ``calibrate`` shifts both to what neutral portraits have in common,
``reduce`` leaves out what is never seen and thins the rest. The result does not depend on the
machine beyond rounding.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from mien.head import calibrate, correspond, ict, rig
from mien.head.model import HeadModel
from mien.head.reduce import reduce

COMPONENTS = 80
VERTICES = 13000
CALIBRATIONS = 3


def mean_face(path: str | Path) -> correspond.MeanFace:
    """Read ``mean_face.npz`` of ``mien.find`` (y down, z away) into the axes of the head."""
    with np.load(path, allow_pickle=False) as arrays:
        return correspond.MeanFace(
            points=arrays["points"].astype(np.float64) * (1, -1, -1),
            triangles=arrays["triangles"].astype(np.int64),
            mirror=arrays["mirror"].astype(np.int64),
        )


def build(
    original: str | Path, mean: str | Path, labels: str | Path
) -> tuple[HeadModel, dict[str, float]]:
    """The bundled head, and what was measured on the way in mm."""
    model = ict.read(original)
    code = np.zeros(len(model.identity))
    rigged = rig.build(model, code)
    average = mean_face(mean)
    places, measured = correspond.find(rigged, average)
    portraits = calibrate.neutral_landmarks(labels)
    for step in range(CALIBRATIONS):
        full = rig.finish(rigged, (places.vertices, places.weights))
        common = calibrate.measure(_cut(full), portraits)
        code += calibrate.in_original(common.identity, full.identity[:COMPONENTS], rigged)
        rigged = rig.build(model, code.astype(np.float32))
        places = calibrate.move_places(rigged, places, common.missed, average.mirror)
        measured[f"missed in common {step}"] = float(np.sqrt((common.missed**2).sum(1).mean()))
    full = rig.finish(rigged, (places.vertices, places.weights))
    measured["identity left out"] = float(np.sqrt((full.identity_std[COMPONENTS:] ** 2).sum()))
    return reduce(_cut(full), VERTICES), measured


def _cut(full: HeadModel) -> HeadModel:
    return replace(
        full, identity=full.identity[:COMPONENTS], identity_std=full.identity_std[:COMPONENTS]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Build the head that mien ships.")
    parser.add_argument("original", help="the original ICT model as .npz")
    parser.add_argument("mean_face", help="mean_face.npz of mien.find")
    parser.add_argument("labels", help="labels.npz of the portraits")
    parser.add_argument("--out", default="src/mien/head/ict_head.npz")
    arguments = parser.parse_args()
    model, measured = build(arguments.original, arguments.mean_face, arguments.labels)
    model.save(arguments.out)
    size = Path(arguments.out).stat().st_size / 1e6
    print(
        f"{arguments.out}: {len(model.template)} vertices, {len(model.triangles)} triangles, "
        f"{len(model.identity)} identities, {size:.2f} MB"
    )
    for name, value in measured.items():
        print(f"{name}: {value:.3f} mm")


if __name__ == "__main__":
    main()
