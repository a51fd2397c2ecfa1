"""Hair grown from a style."""

import numpy as np

from mien.world.hair.combing import combed
from mien.world.hair.ribbons import Hair, on_shell, ribbons, strand_albedo
from mien.world.hair.scalp import roots_of
from mien.world.hair.style import SPECS, HairStyle
from mien.world.hair.uncombed import cloud, tied


def grow(hair: HairStyle) -> Hair | None:
    """The ribbons of a style; None for a bald head."""
    if hair.style == "bald":
        return None
    spec = SPECS[hair.style]
    rng = np.random.default_rng(hair.seed)
    roots, facing = roots_of(hair, spec.count, rng)
    if spec.flow == "tie":
        lines = tied(hair, spec, roots, rng)
    elif spec.flow == "up":
        lines = cloud(hair, spec, roots, rng)
    else:
        lines = combed(hair, spec, roots, facing, rng)
    lines = lines.astype(np.float32)
    albedo = strand_albedo(lines.shape[0], lines.shape[1], hair.colour, hair.grey, rng)
    lines, outwards, openness, anchors = on_shell(lines)
    return ribbons(lines, outwards, openness, anchors, spec.width, albedo, rng)
