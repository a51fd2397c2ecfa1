"""Bundled networks run by PyTorch, in the shape that the torch-free code expects."""

import numpy as np
import torch
from safetensors.torch import load_file

from mien import hub
from mien.errors import MienError
from mien.systems import load


class TorchNetwork:
    """A bundled system as a function of one float32 batch; the outputs come as arrays.

    Raises MienError when the device is not there: it never falls back to the CPU.
    """

    def __init__(self, name: str, device: str = "cpu"):
        if device.startswith("cuda") and not torch.cuda.is_available():
            raise MienError(f"device {device!r} is not available: PyTorch sees no CUDA device")
        weights = hub.resolve(f"{name}-torch")
        self.device = device
        self.system = load(name).build().eval().to(device)
        self.system.load_state_dict(load_file(weights))

    def __call__(self, batch: np.ndarray) -> tuple[np.ndarray, ...]:
        with torch.inference_mode():
            outputs = self.system(torch.from_numpy(batch).to(self.device))
        return tuple(output.float().cpu().numpy() for output in outputs)
