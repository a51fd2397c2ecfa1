"""What people wear and hold before their faces, as small meshes that fit the head.

    prop = make(Glasses(), head, scene.rotation())

A :class:`Prop` is drawn with the head in one depth buffer. Sizes are millimetres, colours linear,
axes those of ``mien.head``. Every kind, a module here, has its parameters and is made by
:func:`make` on any head; ``mesh`` has the shapes that they are made of, ``wearer`` the head below.
"""

import numpy as np

from mien.head.model import HeadModel
from mien.world.occluders.drawing import box_of, contact_shadow, lit_colours
from mien.world.occluders.glasses import Glasses
from mien.world.occluders.hand import Hand
from mien.world.occluders.hat import HATS, Hat, pressed
from mien.world.occluders.mask import MASKS, WAYS, Mask
from mien.world.occluders.mesh import CLOTH, OCCLUDER, Colour, Prop, ball, merged, sheet, tube
from mien.world.occluders.neck import JEWELS, Earrings, Necklace, Scarf
from mien.world.occluders.pattern import SHADES, Shade, cast
from mien.world.occluders.strands import Strands
from mien.world.occluders.thing import THINGS, Thing
from mien.world.occluders.wearer import PLACES, Around, Wearer

__all__ = [
    "CLOTH", "HATS", "JEWELS", "MASKS", "OCCLUDER", "PLACES", "SHADES", "THINGS", "WAYS",
    "Around", "Colour", "Earrings", "Glasses", "Hand", "Hat", "Mask", "Necklace", "Occluder",
    "Prop", "Scarf", "Shade", "Strands", "Thing", "Wearer", "ball", "box_of", "cast",
    "contact_shadow", "lit_colours", "make", "merged", "pressed", "sheet", "tube",
]  # fmt: skip

Occluder = Glasses | Mask | Hat | Earrings | Necklace | Scarf | Strands | Hand | Thing


def make(occluder: Occluder, head: np.ndarray, rotation: np.ndarray) -> Prop:
    """The mesh of an occluder on a head.

    Args:
        head: (V, 3) mm, the posed vertices of the bundled head. rotation: (3, 3), that of the
            skull, ``Scene.rotation()``.

    Raises ValueError for a head of another topology and an unknown kind of occluder.
    """
    if not isinstance(occluder, Occluder):
        raise ValueError(f"no occluder: {type(occluder).__name__}")
    if head.shape != HeadModel.bundled().template.shape:
        raise ValueError(f"head: the vertices of the bundled head, not {head.shape}")
    wearer = Wearer(head, rotation)
    prop = occluder.on(wearer)
    # The neck turns with the head only in part.
    return prop if isinstance(occluder, Necklace | Scarf) else wearer.back(prop)
