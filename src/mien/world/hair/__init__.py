"""Hair for people who were never photographed: ribbons of strands, grown from the scalp.

A style is grown once per person on the mean head and then follows anybody's head:

    hair = grow(HairStyle("bob", colour=COLOURS["brown"]))
    vertices, tangents, normals = follow(hair, model.neutral(identity), pose)
    colours = shade(hair, tangents, normals, light, camera.rotation)
    tint = scalp_mask(chart, style)  # the skin between the ribbons, on the charts face and back

Each strand is a walk on the ``shell``, the outermost surface of the head around its axis: it
leaves the skin, is combed, falls, and never gets below its height over that surface. As all points
know the place of the skin that they are above, they move with it to heads of other shapes. Ribbons
are plain triangles; their colour is that of Kajiya and Kay, "Rendering fur with three dimensional
textures", SIGGRAPH 1989, with the two highlights of Marschner et al., "Light scattering from human
hair fibers", SIGGRAPH 2003. ``strands()`` is a texture of single strands to multiply that with.
"""

from mien.world.hair.carried import follow
from mien.world.hair.growth import grow
from mien.world.hair.lit import shade
from mien.world.hair.ribbons import Hair, ribbons, strand_albedo, strands
from mien.world.hair.scalp import azimuths, bare, hairline, scalp_colour, scalp_mask, scatter
from mien.world.hair.shell import lifted
from mien.world.hair.style import (
    COLOURS,
    MOST_TRIANGLES,
    STYLES,
    HairStyle,
    require,
    sample,
    sample_colour,
    sample_grey,
)
from mien.world.hair.vectors import unit

__all__ = [
    "COLOURS", "MOST_TRIANGLES", "STYLES", "Hair", "HairStyle", "azimuths", "bare", "follow",
    "grow", "hairline", "lifted", "require", "ribbons", "sample", "sample_colour", "sample_grey",
    "scalp_colour", "scalp_mask", "scatter", "shade", "strand_albedo", "strands", "unit",
]  # fmt: skip
