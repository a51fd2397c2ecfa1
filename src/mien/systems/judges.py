"""Networks that judge pictures in a loss, from files of the user's."""

from pathlib import Path

from torch import nn

from mien.nn.perceptual import Judge
from mien.systems import official


def judge(network: type[nn.Module], file: str) -> Judge | None:
    """The network with the weights of a file; None without a file, InputError where they miss."""
    if not file:
        return None
    state = official.read(Path(file), "state_dict")
    return Judge(network(), {name.removeprefix("backbone."): v for name, v in state.items()})
