"""Forged pictures of the world's people, with the truth about every pixel that was changed.

    world = World(split="train")
    forged = manipulate(world, 17, "swap-rendered", np.random.default_rng(0))
    forged.image, forged.mask, forged.label, forged.original

    for example in Forgeries(world).stream():       # real, forged, real, forged, ...
        example["image"], example["fake"], example["mask"]

A manipulation is a dataclass of its parameters. ``sample`` draws them; called with a :class:`Shot`
(and, for swaps, a second one of another person) it gives a :class:`Manipulated`. The mask is exact:
it is above 0 where the forged picture differs from the original, and nowhere else. It speaks of the
pixels before anything that happens to whole pictures later (:class:`mien.world.traces.Processing`),
which :class:`Forgeries` does to real and forged ones alike, so that compression tells nothing.

Shots and masks are in ``mien.world.forging``; the kinds in ``mien.world.forged_faces``,
``forged_looks`` and ``forged_traces``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType

import numpy as np

from mien.errors import InputError, UsageError
from mien.world import traces
from mien.world.forged_faces import (
    LipSync,
    ReenactRendered,
    ReenactWarped,
    SelfBlend,
    SwapRendered,
    SwapWarped,
)
from mien.world.forged_looks import Age, HairColour, Inpaint, Paint, SkinTone
from mien.world.forged_traces import Diffused, Generated, Spliced
from mien.world.forging import Manipulated, Manipulation, Shot
from mien.world.world import Sample, World

TRIES = 8  # of parameters, then of samples, before it is said that nothing can be changed
CANDIDATES = 8  # among which the other face of a swap is the one that looks the same way
FAR = 2**40  # between the numbers of samples that stand in for one another
FEWEST = 0.002  # of a picture's pixels that have to change for it to be called forged

KINDS: Mapping[str, type[Manipulation]] = MappingProxyType({
    cls.kind: cls
    for cls in (SwapRendered, SwapWarped, SelfBlend, ReenactRendered, ReenactWarped, LipSync, Paint,
                HairColour, SkinTone, Age, Inpaint, Generated, Diffused, Spliced)
})  # fmt: skip
"""All manipulations by name."""


def manipulate(
    world: World, index: int, kind: str, rng: np.random.Generator, grain: float = 0.0
) -> Manipulated:
    """Sample ``index`` of a world, manipulated with parameters at random.

    The other face of a swap is of the same world and so of the same split. grain: noise of the
    camera on all pictures, grey values.

    Raises UsageError for an unknown kind, and for a swap in a world of one person; InputError where
    the kind can change nothing, such as the hair of somebody without any, and for the kinds that
    cannot change people shown in their portrait (``Manipulation.needs_drawing``).
    """
    if kind not in KINDS:
        raise UsageError(f"no manipulation {kind!r}; there are {', '.join(KINDS)}")
    cls = KINDS[kind]
    if cls.needs_drawing and world.scene(index).portrait is not None:
        raise InputError(f"sample {index}: {kind} cannot change a person shown in a portrait")
    shot = Shot.of(world, index, grain)
    donor = Shot.of(world, _donor(world, shot, rng), grain) if cls.needs_donor else None
    for _ in range(TRIES):
        made = cls.sample(rng)(shot, rng, donor)
        if (made.mask > 0).mean() >= FEWEST:
            return made
    raise InputError(f"sample {index}: nothing that {kind} can change")


def _donor(world: World, shot: Shot, rng: np.random.Generator) -> int:
    """The number of a sample of another person, turned, as large and as light about the same."""
    if len(world.people) < 2:
        raise UsageError(f"a swap needs two people; split {world.split!r} has one")
    found: list[tuple[float, int]] = []
    while len(found) < CANDIDATES:
        index = int(rng.integers(2**31))
        scene = world.scene(index)
        if scene.person.number != shot.scene.person.number:
            turned = np.abs(scene.pose - shot.scene.pose)[:2].sum()
            smaller = max(float(np.log(shot.scene.fill / scene.fill)), 0)
            paler = np.abs(scene.person.albedo - shot.scene.person.albedo)[0]
            found.append((float(turned) + 30 * smaller + 10 * float(paler), index))
    return min(found)[1]


@dataclass(frozen=True, slots=True, eq=False)
class Forgeries:
    """An endless, seeded, balanced sequence of real and forged pictures of a world.

    Number 2 n is real and 2 n + 1 forged; the kinds take turns. paired: both are of the same shot,
    which makes detectors generalise (Yermakov et al. 2025); else of two. processed: real and forged
    pictures go through processing of the same distribution, of pairs through the very same. noisy:
    the cameras have noise, which drawn faces lack unless a forger put it on them.

    Splits: worlds of different splits share nobody, neither as target nor as donor.
    """

    world: World
    kinds: tuple[str, ...] = tuple(KINDS)
    seed: int = 0
    paired: bool = True
    processed: bool = True
    noisy: bool = True

    def __post_init__(self) -> None:
        unknown = [kind for kind in self.kinds if kind not in KINDS]
        if unknown or not self.kinds:
            raise UsageError(f"kinds: some of {', '.join(KINDS)}, not {unknown}")

    def pair(self, number: int, kind: str) -> tuple[Sample, Sample]:
        """A real and a forged picture of the same shot; see :meth:`sample`."""
        rng = np.random.default_rng([self.seed, number, 2])
        grain = float(rng.uniform(0.5, 3.0)) if self.noisy else 0.0
        made = self._made(number, kind, rng, grain)
        processing = traces.Processing.sample(rng) if self.processed else traces.Processing()
        shared = {"index": made.label["index"], "person": made.label["person"]}
        shared["processing"] = asdict(processing)
        nothing = np.zeros_like(made.mask)
        real = {"image": processing(made.original), "mask": nothing, "weight": nothing,
                "fake": False, "kind": "real", "label": shared}  # fmt: skip
        fake = {"image": processing(made.image), "mask": made.mask, "weight": made.weight,
                "fake": True, "kind": kind, "label": {**made.label, **shared}}  # fmt: skip
        return real, fake

    def sample(self, number: int) -> Sample:
        """Picture ``number``: image, mask and weight (before processing), fake, kind and label."""
        kind = self.kinds[number // 2 % len(self.kinds)]
        return self.pair(number // 2 if self.paired else number, kind)[number % 2]

    def stream(self, start: int = 0) -> Iterator[Sample]:
        """Pictures from ``start`` on; each pair is made once."""
        if start % 2 or not self.paired:
            yield self.sample(start)
            start += 1
        while True:
            if self.paired:
                yield from self.pair(start // 2, self.kinds[start // 2 % len(self.kinds)])
                start += 2
            else:
                yield self.sample(start)
                start += 1

    def _made(self, number: int, kind: str, rng: np.random.Generator, grain: float) -> Manipulated:
        why: list[str] = []
        for attempt in range(TRIES):
            try:
                return manipulate(self.world, number + attempt * FAR, kind, rng, grain)
            except InputError as error:
                why.append(str(error))
        raise InputError(f"pair {number}: {len(why)} samples tried; {why[-1]}")
