"""A system with weights: from a run, from a recorded weight, from a file."""

from pathlib import Path

import torch

from mien import hub
from mien.errors import InputError, MienError, UsageError
from mien.systems import available, load, official
from mien.train import checkpoint
from mien.train.system import System


def find(slug: str, run: Path | None = None, weights: str | None = None) -> System:
    """The system ``slug``, ready to predict.

    run: a folder of ``mien train``. weights: the name of a recorded weight, or a file. With
    neither, the first recorded weight of the system that is on this machine.

    Raises UsageError where both are named or the weights are another system's, MienError, which
    says how to get weights, where there are none, InputError where they do not fit.
    """
    load(slug)
    if run is not None and weights is not None:
        raise UsageError("say which weights: --run RUN or --weights NAME|FILE, one of them")
    if run is not None:
        return from_run(slug, run)
    if weights is None:
        return from_weights(slug, _first(slug))
    if weights in hub.records():
        return from_weights(slug, weights)
    file = Path(weights)
    if not file.is_file():
        known = ", ".join(_names(slug)) or "none is recorded"
        raise UsageError(f"{weights}: neither a file nor a weight of {slug}; there are: {known}")
    return from_file(slug, file)


def of_task(
    task: str, slug: str, run: Path | None = None, weights: str | None = None, device: str = "cpu"
) -> System:
    """A system of that task on a device, ready to predict; the rest as of :func:`find`.

    Raises UsageError for a system of another task, MienError where there is no such device.
    """
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise MienError(f"device {device!r} is not available: PyTorch sees no CUDA device")
    entries = available()
    if slug in entries and entries[slug].task not in ("", task):  # other packages' have no entry
        able = ", ".join(name for name, entry in entries.items() if entry.task == task)
        raise UsageError(
            f"{slug}: its task, {entries[slug].task}, is not {task}; there are: {able}"
        )
    return find(slug, run, weights).to(device).eval()


def from_run(slug: str, run: Path) -> System:
    """The system that a run has trained, at its size, with its averaged weights.

    Raises InputError where ``run`` is no run of this system.
    """
    config = checkpoint.read_state(run / "config")
    if config.get("system") != slug:
        raise InputError(f"{run}: a run of {config.get('system')!r}, not of {slug!r}")
    return _filled(slug, config.get("config"), run / "model.safetensors", f"{run}: its config.json")


def from_weights(slug: str, name: str) -> System:
    """The system with a recorded weight, ours or as published.

    Raises UsageError for a weight of another system, InputError for one that does not fit.
    """
    record = hub.lookup(name)
    if record.system != slug:
        raise UsageError(f"{name} are weights of {record.system}, not of {slug}")
    if record.file.endswith(".onnx"):
        raise UsageError(f"{name}: an ONNX file; say {name}-torch")
    return from_file(slug, hub.resolve(name))


def from_file(slug: str, file: Path) -> System:
    """The system with the weights in a file: ours, or as published."""
    system_type = load(slug)
    if file.suffix == ".safetensors":
        if found := checkpoint.told(file):
            whose, config = found
            if whose != slug:
                raise UsageError(f"{file}: weights of {whose}, not of {slug}")
            return _filled(slug, config, file, f"{file}: its metadata")
        tensors, system = checkpoint.read_tensors(file), system_type.build()
        if tensors.keys() == system.state_dict().keys():
            checkpoint.fill(system, tensors, file)
            return system.eval()
    return official.built(system_type, file, to_predict=True)


def _filled(slug: str, config: object, file: Path, whence: str) -> System:
    """The system at the size that ``config`` says, with the tensors of a file."""
    system_type = load(slug)
    try:
        if not isinstance(config, dict):
            raise TypeError("names with values are missing")
        sizes = {name: _tuples(value) for name, value in config.items()}
        system = system_type(system_type.Config(**sizes))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{whence} does not fit {slug}: {error}") from error
    checkpoint.fill(system, checkpoint.read_tensors(file), file)
    return system.eval()


def _first(slug: str) -> str:
    """The first weight of a system that is here; MienError says how to get one."""
    names = _names(slug)
    for name in names:
        if hub.state(hub.lookup(name)) != "missing":
            return name
    add = f"`mien weights add {names[0]} FILE`, " if names else ""
    raise MienError(
        f"{slug} has no weights on this machine: {add}name a file with --weights FILE, or train it "
        "and name the run with --run RUN"
    )


def _names(slug: str) -> list[str]:
    """The weights of a system that PyTorch can read, the one of its own name first."""
    found = [r.name for r in hub.records().values() if r.system == slug]
    kept = [name for name in found if not hub.lookup(name).file.endswith(".onnx")]
    return sorted(kept, key=lambda name: name != slug)


def _tuples(value: object) -> object:
    """JSON knows no tuples, and configs no lists."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
