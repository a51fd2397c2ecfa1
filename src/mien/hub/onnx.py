"""Networks in ONNX files, run by ONNX Runtime."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from mien.errors import InputError, MienError, UsageError

if TYPE_CHECKING:
    import numpy as np
    import onnxruntime

ERRORS_ONLY = 3  # ONNX Runtime's log severity


class OnnxNetwork:
    """A network that takes one float32 batch (N, C, H, W) and gives its outputs in their order.

    ``device`` is "cpu", "cuda" or "cuda:N"; ``threads`` is the number of CPU threads of one call
    (None: one per core). A device that cannot be had is an error: nothing falls back to the CPU.

    Raises UsageError for an unknown device, InputError for a missing file or one with several
    inputs, and MienError where ONNX Runtime cannot open the file or lacks the device (then it
    says what to install).
    """

    def __init__(self, path: str | Path, device: str = "cpu", threads: int | None = None) -> None:
        self.path = Path(path)
        self.device = device
        self._session = _open(self.path, device, threads)
        entries = self._session.get_inputs()
        if len(entries) != 1:
            raise InputError(f"{self.path}: {len(entries)} inputs, but one batch was expected")
        self._input: str = entries[0].name
        self.input_shape: tuple[int | str | None, ...] = tuple(entries[0].shape)
        self.output_names: tuple[str, ...] = tuple(
            output.name for output in self._session.get_outputs()
        )

    def __call__(self, batch: np.ndarray) -> tuple[np.ndarray, ...]:
        """The outputs for ``batch``, float32 of ``input_shape`` (a text there is any number).

        Raises UsageError for another shape or type.
        """
        if batch.dtype != "float32" or not self._takes(batch.shape):
            raise UsageError(
                f"{self.path.name} takes float32 of shape {self.input_shape},"
                f" not {batch.dtype} of shape {batch.shape}"
            )
        outputs = self._session.run(None, {self._input: batch})
        return tuple(cast("list[np.ndarray]", outputs))

    def _takes(self, shape: tuple[int, ...]) -> bool:
        return len(shape) == len(self.input_shape) and all(
            not isinstance(wanted, int) or size == wanted
            for size, wanted in zip(shape, self.input_shape, strict=True)
        )


def _open(path: Path, device: str, threads: int | None) -> onnxruntime.InferenceSession:
    import onnxruntime

    provider, options = _provider(device)
    if provider not in onnxruntime.get_available_providers():
        raise _unavailable(device)
    if not path.is_file():
        raise InputError(f"{path}: not a file")
    if device != "cpu" and hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()  # finds the CUDA libraries that pip installed
    try:
        session = onnxruntime.InferenceSession(
            path,
            sess_options=_session_options(threads),
            providers=[(provider, options)],
            enable_fallback=0,
        )
    except Exception as error:  # ONNX Runtime's own errors share no narrower base
        reason = str(error).partition("\n")[0]
        raise MienError(f"{path}: ONNX Runtime cannot open it on {device}: {reason}") from error
    if session.get_providers()[0] != provider:
        raise _unavailable(device)
    return session


def _provider(device: str) -> tuple[str, dict[str, Any]]:
    """ONNX Runtime's name and options for a device."""
    if device == "cpu":
        return "CPUExecutionProvider", {}
    match = re.fullmatch(r"cuda(?::(\d+))?", device)
    if match is None:
        raise UsageError(f"the device must be cpu, cuda or cuda:N, not {device!r}")
    # The algorithm is fixed and TF32 is off, so that runs agree with each other and with the CPU.
    options = {"device_id": match[1] or "0", "use_tf32": "0", "cudnn_conv_algo_search": "DEFAULT"}
    return "CUDAExecutionProvider", options


def _session_options(threads: int | None) -> onnxruntime.SessionOptions:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    # More threads than the cores that this process may use would wait for each other.
    options.intra_op_num_threads = threads or len(os.sched_getaffinity(0))
    options.use_deterministic_compute = True
    options.log_severity_level = ERRORS_ONLY
    return options


def _unavailable(device: str) -> MienError:
    return MienError(
        f"device {device} is not available to ONNX Runtime here: install an NVIDIA driver and"
        " `pip install 'onnxruntime-gpu[cuda,cudnn]'` in place of onnxruntime, or use --device cpu"
    )
