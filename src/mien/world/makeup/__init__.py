"""Make-up, age and the small things of skin, painted into the texture of the face.

Everything is a layer in the texture space of the material ``face``: a mask (s, s) 0..1, a colour
and an opacity. Places come from the landmarks' places in the texture, so a layer lies where it
should on everybody. Albedos are linear (s, s, 3) float32; no function changes what it is given.
"""

from mien.world.makeup.coats import MadeUp, apply
from mien.world.makeup.facemap import MM, places
from mien.world.makeup.layers import dark_lines, masks
from mien.world.makeup.skin import SkinDetail, detail, sample_detail
from mien.world.makeup.wear import PAINTS, PATTERNS, Colour, Makeup, sample

__all__ = [
    "MM", "PAINTS", "PATTERNS", "Colour", "MadeUp", "Makeup", "SkinDetail", "apply",
    "dark_lines", "detail", "masks", "places", "sample", "sample_detail",
]  # fmt: skip
