"""The training engine: runs the stages of a system, logs, saves and resumes.

A run is a folder: ``config.json`` (what was asked, commit, versions), ``metrics.csv`` (one row per
logged step), ``model.safetensors`` (the averaged weights), ``state/`` (everything that resuming
needs: raw and averaged weights, optimiser moments, counters). All files are written to a temporary
name first, so a killed run leaves the last whole checkpoint.
"""

import csv
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader, IterableDataset

from mien.media.files import atomic
from mien.train.system import Stage, System

Say = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """How to run: everything that does not belong to the recipe."""

    device: str = "cpu"
    seed: int = 0
    workers: int = 1
    precision: str = "bf16"  # autocast type of the forward pass; "fp32" switches it off
    log_every: int = 50
    save_every: int = 1000


class Run:
    """One system being trained in one folder."""

    def __init__(self, system: System, folder: Path, options: Options, say: Say = print):
        self.system = system.to(options.device)
        self.folder, self.options, self.say = folder, options, say
        folder.mkdir(parents=True, exist_ok=True)

    def train(self, stage: Stage, dataset: Callable[[int], IterableDataset]) -> None:
        """Run a stage from its last checkpoint; ``dataset(start)`` streams from a sample number."""
        torch.manual_seed(self.options.seed)
        model = self.system.train()
        model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        learned = _select(model, stage.train)
        optimiser = torch.optim.AdamW(_groups(learned, stage), lr=stage.rate, fused=True)
        average = AveragedModel(
            model, multi_avg_fn=_moving_average(stage.ema), use_buffers=True
        )  # fmt: skip
        step = self._resume(stage, average, optimiser)
        batches = DataLoader(
            dataset(step * stage.batch), batch_size=stage.batch, num_workers=self.options.workers
        )
        log = _Log(self.folder / "metrics.csv", self.say, stage, self.options.log_every)
        for batch in batches:
            if step >= stage.steps:
                break
            for group in optimiser.param_groups:
                group["lr"] = stage.rate * rate_factor(stage, step)
            terms = self._step(model, optimiser, stage, batch, learned)
            average.update_parameters(model)
            step += 1
            log.add(step, terms)
            if step % self.options.save_every == 0 or step == stage.steps:
                self._save(stage, average, optimiser, step)

    def _step(
        self, model: System, optimiser: torch.optim.Optimizer, stage: Stage,
        batch: dict[str, torch.Tensor], learned: list[torch.nn.Parameter],
    ) -> dict[str, float]:  # fmt: skip
        device = self.options.device
        batch = {key: value.to(device, non_blocking=True) for key, value in batch.items()}
        half = self.options.precision == "bf16"
        with torch.autocast(device.split(":")[0], torch.bfloat16, enabled=half):
            terms = model.losses(batch)
        total = torch.stack([w * terms[name] for name, w in stage.losses.items()]).sum()
        optimiser.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(learned, stage.clip)
        optimiser.step()
        return {
            "total": float(total.detach()),
            **{name: float(term.detach()) for name, term in terms.items()},
        }

    def _resume(
        self, stage: Stage, average: torch.nn.Module, optimiser: torch.optim.Optimizer
    ) -> int:
        state = self.folder / "state"
        counters = state / f"{stage.name}.json"
        if not counters.exists():
            return 0
        tensors = load_file(state / f"{stage.name}.safetensors")
        self.system.load_state_dict(_part(tensors, "model."))
        average.load_state_dict(_part(tensors, "average."))
        optimiser.load_state_dict(_unflatten(optimiser, _part(tensors, "optimiser.")))
        return json.loads(counters.read_text())["step"]

    def _save(
        self, stage: Stage, average: AveragedModel, optimiser: torch.optim.Optimizer, step: int
    ) -> None:
        state = self.folder / "state"
        state.mkdir(exist_ok=True)
        tensors = {f"model.{k}": v for k, v in self.system.state_dict().items()}
        tensors |= {f"average.{k}": v for k, v in average.state_dict().items()}
        tensors |= {f"optimiser.{k}": v for k, v in _flatten(optimiser).items()}
        _save_tensors(tensors, state / f"{stage.name}.safetensors")
        _save_tensors(average.module.state_dict(), self.folder / "model.safetensors")
        with atomic(state / f"{stage.name}.json") as path:
            path.write_text(json.dumps({"step": step, "stage": stage.name}))


def rate_factor(stage: Stage, step: int) -> float:
    """Warm up, stay at 1, fall linearly to 0 over the last ``stage.decay`` share of the steps."""
    left = (stage.steps - step) / max(stage.decay * stage.steps, 1)
    return min((step + 1) / max(stage.warmup, 1), 1.0, left)


def write_config(folder: Path, system: System, stages: Iterable[Stage], about: dict) -> None:
    """Say in ``config.json`` what is trained, how, and with which versions."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "system": system.CARD.slug,
        "config": asdict(system.config),
        "stages": [asdict(stage) for stage in stages],
        **about,
    }
    with atomic(folder / "config.json") as path:
        path.write_text(json.dumps(config, indent=2))


def _moving_average(decay: float) -> Callable:
    """An exponential moving average that follows quickly at first, while weights still change."""

    def update(
        averages: list[torch.Tensor], values: list[torch.Tensor], count: torch.Tensor
    ) -> None:
        rate = 1 - min(decay, (1 + int(count)) / (10 + int(count)))
        for average, value in zip(averages, values, strict=True):
            if average.is_floating_point():
                average.lerp_(value, rate)
            else:
                average.copy_(value)

    return update


def _select(model: torch.nn.Module, prefixes: tuple[str, ...]) -> list[torch.nn.Parameter]:
    """Freeze all parameters but those that start with one of the prefixes; return these."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith(prefixes))
    return [p for p in model.parameters() if p.requires_grad]


def _groups(learned: list[torch.nn.Parameter], stage: Stage) -> list[dict]:
    """Weight decay on matrices and kernels only, not on norms and biases."""
    decayed = [p for p in learned if p.ndim > 1]
    plain = [p for p in learned if p.ndim <= 1]
    return [
        {"params": decayed, "weight_decay": stage.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]


def _flatten(optimiser: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    state = optimiser.state_dict()["state"]
    return {f"{i}.{key}": value for i, slots in state.items() for key, value in slots.items()}


def _unflatten(optimiser: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]) -> dict:
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in tensors.items():
        index, key = name.split(".", 1)
        if value.ndim:  # fused kernels take moments to be laid out in memory as the parameter is
            value = torch.empty_like(parameters[int(index)]).copy_(value)
        state.setdefault(int(index), {})[key] = value
    return {"state": state, "param_groups": optimiser.state_dict()["param_groups"]}


def _part(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _save_tensors(tensors: dict[str, torch.Tensor], target: Path) -> None:
    with atomic(target) as path:
        save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, path)


class _Log:
    """Means of the loss terms over ``every`` steps, to a CSV file and to the caller."""

    def __init__(self, path: Path, say: Say, stage: Stage, every: int):
        self.path, self.say, self.stage, self.every = path, say, stage, every
        self.sums: dict[str, float] = {}
        self.started = time.monotonic()

    def add(self, step: int, terms: dict[str, float]) -> None:
        for name, value in terms.items():
            self.sums[name] = self.sums.get(name, 0.0) + value / self.every
        if step % self.every == 0:
            self._write(step)

    def _write(self, step: int) -> None:
        speed = self.every * self.stage.batch / (time.monotonic() - self.started)
        row = {"stage": self.stage.name, "step": step, **self.sums, "samples_per_second": speed}
        new = not self.path.exists()
        with self.path.open("a", newline="") as stream:
            writer = csv.DictWriter(stream, list(row))
            if new:
                writer.writeheader()
            writer.writerow(row)
        told = "  ".join(f"{name} {value:.4f}" for name, value in self.sums.items())
        self.say(f"{self.stage.name} {step}/{self.stage.steps}  {told}  {speed:.0f}/s")
        self.sums, self.started = {}, time.monotonic()
