"""The weights of mien-landmarks as the beginning of mien-base, whose trunk is the same but wider.

    python -m mien.systems.perceive.widen start.safetensors
    mien train mien-base --start start.safetensors --out runs/base

The first channels of each layer do what they did, undisturbed by the new ones, so that the wider
network places points from its first step as the narrow one does (as Net2WiderNet, Chen et al. 2016,
but new channels begin at random, not as copies).
"""

import sys
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from mien import hub
from mien.systems.perceive.mien_base import MienBase, MienBaseConfig

State = dict[str, torch.Tensor]
PLACES = {"stem.": "network.stem.", "body.": "network.stages.",
          "squeeze.": "network.points.squeeze.1.", "points.": "network.points.read.1."}  # fmt: skip
"""Beginnings of names in mien-landmarks, and what they are called in mien-base."""


def main() -> None:
    """Write the file that the first argument names."""
    out = Path(sys.argv[1])
    torch.manual_seed(0)
    small = load_file(hub.resolve("mien-landmarks-torch"))
    save_file(begun(MienBase(MienBaseConfig()), small), out)


def begun(system: MienBase, small: Mapping[str, torch.Tensor]) -> State:
    """The state of a new ``system``, with that of mien-landmarks in it; ``presence`` is new."""
    state = {name: value.clone() for name, value in system.state_dict().items()}
    for name, value in small.items():
        for old, new in PLACES.items():
            if name.startswith(old):
                put(state[new + name.removeprefix(old)], value.float())
    # The narrow one reads points from the last map only, and does not look at eyes again.
    for name in ("network.points.read.0.weight", "network.eyes.say.2.weight"):
        state[name].zero_()
    return state


def put(large: torch.Tensor, small: torch.Tensor) -> None:
    """Write a tensor into the first channels of a larger one, in place.

    Of weights, what old outputs would take from new inputs becomes zero.
    """
    if large.ndim == 4:
        large[: len(small), small.shape[1] :] = 0
    large[tuple(slice(0, size) for size in small.shape)] = small


if __name__ == "__main__":
    main()
