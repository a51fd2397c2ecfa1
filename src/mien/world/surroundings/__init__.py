"""What is around a head: a background, and clothes on a body below it.

Backgrounds are pictures, linear and out of focus. Clothes are a ``Prop`` that goes on where the
head's shoulders end; they follow the body of any head.
"""

from mien.world.surroundings.backgrounds import KINDS, Background, background, sample
from mien.world.surroundings.clothes import GARMENTS, Clothes, dress

__all__ = ["GARMENTS", "KINDS", "Background", "Clothes", "background", "dress", "sample"]
