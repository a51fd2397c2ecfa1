"""mien-base begins as mien-landmarks: the same points from the same crop."""

import torch
from safetensors.torch import load_file

from mien import hub
from mien.systems.perceive.face_landmarker import FaceLandmarker, LandmarkerConfig
from mien.systems.perceive.mien_base import MienBase, MienBaseConfig
from mien.systems.perceive.widen import begun


def test_the_wider_network_places_points_as_the_narrow_one():
    small = load_file(hub.resolve("mien-landmarks-torch"))
    narrow = FaceLandmarker(LandmarkerConfig())
    narrow.load_state_dict({name: value.float() for name, value in small.items()})
    wide = MienBase(MienBaseConfig())
    wide.load_state_dict(begun(wide, small))
    crop = torch.rand(2, 3, 128, 128)
    narrow_points, wide_points = narrow.predict(crop), wide.predict(crop)["landmarks"]
    torch.testing.assert_close(wide_points, narrow_points, atol=1e-3, rtol=0)
