"""The training engine: runs the stages of a system, logs, saves and resumes.

It stands on Lightning Fabric, which brings devices, processes and mixed precision and leaves the
loop to us, as turns, teachers and exact resumption need it. (accelerate would do as well; Fabric is
smaller, and what it wraps can be read on one page.) One process or many run the same code: a
stage's batch is that of all processes together, each takes its share of it, and gradients are
averaged by DistributedDataParallel; or the weights are shared as well, for what does not fit one
device (``mien.train.sharding``). Batch statistics and losses that compare samples see only a
process's own share. Checkpoints are whole in any case: one process goes on where many stopped.

A run is a folder:

=================== ==============================================================================
``config.json``     what was asked; for each session its commit, host, versions and options
``metrics.csv``     one row per report: stage, step, mean of each term, rate, samples per second
``model.safetensors``   the averaged weights: the result
``checkpoints/``    ``STAGE-STEP``: everything that going on needs; ``STAGE``: what a stage gave
``pictures/``       what the system makes of a batch (``System.pictures``)
=================== ==============================================================================

Random numbers need not be saved: those of Python, NumPy and PyTorch are seeded at each step from
the run's seed, the stage, the step and the process. So a run that was killed goes on to the same
bits, and reports or pictures do not change what is learned.
"""

import json
import logging
import os
import random
import zlib
from collections.abc import Callable, Iterable
from contextlib import closing, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.precision import MixedPrecision, Precision
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import nn
from torch.multiprocessing.spawn import ProcessException, ProcessRaisedException

from mien.data import labels
from mien.errors import InputError, MienError, UsageError
from mien.media.files import atomic
from mien.train import checkpoint, data, optimise, sharding
from mien.train.average import Average, Followers
from mien.train.log import Log, Say
from mien.train.system import Batch, Stage, System, Turn

# No notices of how processes start and end, here and in each of them: `launch` says what failed.
for _name in ("lightning_fabric", "torch.multiprocessing.spawn"):
    logging.getLogger(_name).setLevel(logging.ERROR)

Precisions = Literal["fp32", "bf16", "fp16"]
Sharding = Literal["ddp", "fsdp"]
T = TypeVar("T")


@dataclass(frozen=True)
class Options:
    """How to run: everything that does not belong to the recipe.

    processes: on this machine, each on a device of its own where they are GPUs. sharding: whether
    each of several processes has all weights ("ddp") or a share of them ("fsdp"). workers: that
    make the samples of each process; 0 makes them in it. precision: autocast type of the forward
    pass.
    passes: in which a process takes its share of a batch (gradient accumulation).
    log_every, save_every: steps. keep: checkpoints of a stage.
    """

    device: str = "cpu"
    processes: int = 1
    sharding: Sharding = "ddp"
    seed: int = 0
    workers: int = 1
    precision: Precisions = "bf16"
    passes: int = 1
    compile: bool = False
    log_every: int = 50
    save_every: int = 1000
    keep: int = 2


class _Autocast(MixedPrecision):
    """Mixed precision that leaves the batch alone: labels in 16 bits would be off by pixels."""

    def convert_input(self, data: Any) -> Any:
        return data


def fabric(options: Options) -> Fabric:
    """Devices, processes and precision; MienError for a device that is not there."""
    kind, _, number = options.device.partition(":")
    if kind not in ("cpu", "cuda"):
        raise UsageError(f"no device is called {options.device!r}; there are cpu, cuda, cuda:N")
    if kind == "cuda":
        _require_cuda(options.device, max(options.processes, int(number or 0) + 1))
    if number and options.processes > 1:
        raise UsageError(f"{options.processes} processes cannot share {options.device}: say cuda")
    return Fabric(
        accelerator=kind,
        devices=[int(number)] if number else options.processes,
        strategy=_strategy(options),
        plugins=[_precision(options.precision, kind)],
    )


def _require_cuda(device: str, count: int) -> None:
    if not torch.cuda.is_available():
        raise MienError(f"device {device!r} is not available: PyTorch sees no CUDA device")
    if torch.cuda.device_count() < count:
        raise MienError(
            f"{count} CUDA devices are asked for, there are {torch.cuda.device_count()}"
        )


def _strategy(options: Options) -> Any:
    if options.processes == 1:
        return "auto"
    if options.sharding == "fsdp":
        return sharding.ShardingStrategy(start_method="spawn")
    # Turns, frozen parts and terms without a weight leave parameters without a gradient.
    return DDPStrategy(start_method="spawn", find_unused_parameters=True)


def _precision(precision: Precisions, kind: str) -> Precision:
    if precision == "fp32":
        return Precision()
    return _Autocast("bf16-mixed" if precision == "bf16" else "16-mixed", kind)


def launch(options: Options, work: Callable[[Fabric], T]) -> T:
    """``work(fabric)`` in as many processes as asked for; the first one's answer.

    With several, work is sent to new processes, so it can be pickled.
    Raises MienError, in one line, for whatever a process raised.
    """
    machine = fabric(options)
    if options.processes == 1:
        return work(machine)
    # DistributedDataParallel warns, in C++, where no parameter happens to be without a gradient.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    try:
        return machine.launch(work)
    except ProcessRaisedException as error:
        last = str(error).strip().splitlines()[-1]
        kind, _, said = last.partition(": ")
        wrong_use = kind == f"{UsageError.__module__}.{UsageError.__name__}"
        raise (UsageError if wrong_use else MienError)(said or last) from error
    except ProcessException as error:
        raise MienError(f"a training process ended: {error}") from error


def _is_sharded(machine: Fabric) -> bool:
    return isinstance(machine.strategy, sharding.ShardingStrategy)


class _Objective(nn.Module):
    """The weighted sum of a turn's losses as a module, so that it can be compiled and shared."""

    def __init__(self, system: System, turn: Turn):
        super().__init__()
        self.system, self.turn = system, turn

    def forward(self, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        self.system.wanted = frozenset(self.turn.losses)
        terms = self.system.losses(batch)
        missing = [name for name in self.turn.losses if name not in terms]
        if missing:
            raise UsageError(
                f"{self.turn.name}: {self.system.CARD.slug} gives no loss {missing[0]!r}"
            )
        total = torch.stack([w * terms[name] for name, w in self.turn.losses.items()]).sum()
        return total, {name: term.detach() for name, term in terms.items()}


class _Player:
    """A turn at work: its parameters, its optimiser, its objective."""

    def __init__(self, system: System, stage: Stage, turn: Turn, machine: Fabric, options: Options):
        self.system, self.stage, self.turn, self.machine = system, stage, turn, machine
        self.learned = optimise.select(system, turn)
        # With loss scaling, gradients must be scaled back before they are clipped; not every fused
        # kernel takes sharded tensors.
        fused = options.precision != "fp16" and not _is_sharded(machine)
        plain = optimise.optimiser(system, turn, self.learned, fused)
        names = {parameter: name for name, parameter in self.learned.items()}
        self.names = [names[p] for group in plain.param_groups for p in group["params"]]
        self.plain = plain
        objective: Any = _Objective(system, turn)
        if options.compile:
            objective = torch.compile(objective)
        self.objective = machine.setup_module(objective, move_to_device=False)
        self.optimiser: Any = machine.setup_optimizers(plain)
        self.rate = turn.rate
        self.several = machine.world_size > 1 and not _is_sharded(machine)

    def step(self, step: int, passes: list[Batch], log: Log) -> None:
        """One step of the optimiser; the mean gradient of all passes counts."""
        self.rate = optimise.set_rate(self.plain, self.turn, self.stage, step)
        self.plain.zero_grad(set_to_none=True)
        for i, batch in enumerate(passes, 1):
            alone = self.several and i < len(passes)
            with self.machine.no_backward_sync(self.objective) if alone else nullcontext():
                total, terms = self.objective(batch)
                self.machine.backward(total / len(passes) if len(passes) > 1 else total)
            self._log(total.detach(), terms, log)
        if self.turn.clip:
            self.machine.clip_gradients(
                self.objective, self.optimiser, max_norm=self.turn.clip, error_if_nonfinite=False
            )
        self.optimiser.step()

    def _log(self, total: torch.Tensor, terms: dict[str, torch.Tensor], log: Log) -> None:
        names = ["total", *terms]
        if self.stage.turns:
            names = [f"{self.turn.name}.{name}" for name in names]
        log.add(self.turn.name, names, torch.stack([total, *terms.values()]))


class Run:
    """One system being trained in one folder."""

    def __init__(
        self, system: System, folder: Path, options: Options, say: Say = print,
        machine: Fabric | None = None,
    ):  # fmt: skip
        """machine: what :func:`launch` gives to each process; None for one process."""
        self.machine = machine or fabric(options)
        self.first = self.machine.global_rank == 0
        self.folder, self.options, self.say = folder, options, say
        (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
        if self.first:
            _sweep(folder)
        self.system = system
        if not _is_sharded(self.machine):  # shares are cut from tensors in their usual order
            system.to(self.machine.device)
            system.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def train(self, stage: Stage, dataset: data.Stream | Callable[[int], Any]) -> None:
        """Run a stage from its last checkpoint on; a stage that is done gives what it gave.

        dataset: a stream, or what gives one, or an iterable from a sample number on.

        Raises UsageError where the folder holds another system or recipe, InputError for a
        damaged checkpoint or a batch that cannot be learned from, MienError if training diverges.
        """
        done = self.folder / "checkpoints" / stage.name
        if checkpoint.file_of(done, "json").exists():
            state = checkpoint.read_state(done)
            self.require_same(state, stage, done)
            weights = checkpoint.load(done, state)
            checkpoint.fill(self.system, weights, done)
        else:
            _Work(self, stage).to_the_end(_stream(dataset))

    def recipe(self, stage: Stage) -> dict[str, Any]:
        """What a checkpoint must share with the run that goes on from it, as JSON has it."""
        recipe = {
            "system": self.system.CARD.slug,
            "config": asdict(self.system.config),
            "stage": asdict(stage),
            "seed": self.options.seed,
        }
        return json.loads(json.dumps(recipe))

    def require_same(self, state: dict[str, Any], stage: Stage, file: Path) -> None:
        """Raise UsageError where a checkpoint is of another system or recipe."""
        for key, value in self.recipe(stage).items():
            if state.get(key) != value:
                raise UsageError(f"{file}: {_difference(key, state.get(key), value)}")


class _Work:
    """A stage at work: turns, averages, log, checkpoints."""

    def __init__(self, run: Run, stage: Stage):
        self.run, self.stage, self.system = run, stage, run.system
        self.machine, self.options = run.machine, run.options
        if _is_sharded(self.machine):
            device, processes = self.machine.device, self.machine.world_size
            self.system = sharding.sharded(self.system, stage, device, processes)
        self.followers = Followers(self.system, stage.teachers)
        self.followers.start()
        self.players = [
            _Player(self.system, stage, turn, self.machine, self.options)
            for turn in stage.in_turn()
        ]
        learned = {name: p for player in self.players for name, p in player.learned.items()}
        self.learned = set(learned.values())
        self.average = Average(self.system, set(learned), stage.ema)
        self.log = Log(run.folder, stage, run.say, first=run.first)

    def to_the_end(self, stream: data.Stream) -> None:
        """Train until the last step; the system then has the averaged weights."""
        dataset = data.Passes(
            stream,
            self.stage,
            rank=self.machine.global_rank,
            processes=self.machine.world_size,
            passes=self.options.passes,
        )
        start = self._resume()
        self._set_learning(self.players[0])
        optimise.set_modes(self.system, self.learned)
        pin = self.machine.device.type == "cuda"
        steps = data.batches(dataset, start, self.options.workers, pin)
        with closing(steps):
            for step, passes in enumerate(steps, start):
                if step == start:
                    self._check(passes[0])
                self._seed(step)
                self._step(step, [self.machine.to_device(batch) for batch in passes])
                self._after(step + 1, passes[0])
        self._finish()

    def _step(self, step: int, passes: list[Batch]) -> None:
        try:
            for player in self.players:
                if step % player.turn.every == 0:
                    self._set_learning(player)
                    player.step(step, passes, self.log)
        except (KeyError, ValueError) as error:
            reason = _reason(error, passes[0])
            if reason is None:
                raise
            of = f"stage {self.stage.name!r} of {self.system.CARD.slug}"
            raise InputError(f"{of}: {reason}") from error
        self.average.update()
        self.followers.update()

    def _set_learning(self, player: _Player) -> None:
        """Only the parameters of this turn need a gradient, which is how losses know it."""
        if len(self.players) > 1:
            mine = set(player.learned.values())
            for parameter in self.learned:
                parameter.requires_grad_(parameter in mine)

    def _check(self, batch: Batch) -> None:
        try:
            labels.check(batch)
        except InputError as error:
            raise InputError(f"the data of stage {self.stage.name!r}: {error}") from error

    def _seed(self, step: int) -> None:
        number = zlib.crc32(
            f"{self.options.seed} {self.stage.name} {step} {self.machine.global_rank}".encode()
        )
        random.seed(number)
        np.random.seed(number)  # noqa: NPY002 - for libraries that draw from the global generator
        torch.default_generator.manual_seed(number)
        if self.machine.device.type == "cuda":
            torch.cuda.manual_seed(number)

    def _after(self, step: int, batch: Batch) -> None:
        if step % self.options.log_every == 0:
            self._report(step)
        if step % self.options.save_every == 0 and step < self.stage.steps:
            self._save(step)
            self._draw(step, batch)

    def _report(self, step: int) -> None:
        names, means = self.log.means()
        if self.machine.world_size > 1:
            means = torch.as_tensor(self.machine.all_reduce(means))
        rate = max(player.rate for player in self.players)
        self.log.report(step, dict(zip(names, means.tolist(), strict=True)), rate)

    def _draw(self, step: int, batch: Batch) -> None:
        if not self.run.first and not _is_sharded(self.machine):
            return
        self.system.eval()
        with torch.no_grad():  # a sharded system works in all processes or in none
            pictures = self.system.pictures(self.machine.to_device(batch))
        if self.run.first:
            self.log.pictures(step, pictures)
        optimise.set_modes(self.system, self.learned)

    def _path(self, step: int) -> Path:
        return self.run.folder / "checkpoints" / f"{self.stage.name}-{step:08d}"

    def _saved(self) -> list[int]:
        """The steps of the checkpoints of this stage that are whole."""
        prefix = f"{self.stage.name}-"
        found = self._path(0).parent.glob("*.json")
        numbers = [f.stem.removeprefix(prefix) for f in found if f.stem.startswith(prefix)]
        return sorted(int(number) for number in numbers if number.isdigit())

    def _save(self, step: int) -> None:
        tensors = self._tensors()
        result = self.average.state_dict()
        if self.run.first:
            _require_finite(tensors, step, self.stage)
            state = {
                **self.run.recipe(self.stage),
                "step": step,
                "averaged": self.average.count,
                "log": self.log.state(),
                "scaler": self.machine.strategy.precision.state_dict(),
            }
            checkpoint.save(self._path(step), tensors, state)
            checkpoint.save_tensors(result, self.run.folder / "model.safetensors")
            for old in self._saved()[: -self.options.keep]:
                checkpoint.remove(self._path(old))
        self.machine.barrier()

    def _tensors(self) -> checkpoint.Tensors:
        """All that going on needs; what is sharded is gathered, so all processes take part."""
        state = self.system.state_dict()
        tensors = {f"model.{k}": checkpoint.whole(v) for k, v in state.items()}
        tensors |= {f"average.{k}": v for k, v in self.average.whole().items()}
        for player in self.players:
            moments = checkpoint.flatten(player.plain, player.names)
            tensors |= {f"optimiser.{player.turn.name}.{k}": v for k, v in moments.items()}
        return tensors

    def _resume(self) -> int:
        """The step to go on from; raises UsageError or InputError if the checkpoint is not ours."""
        saved = self._saved()
        if not saved:
            self.log.start(0, {})
            return 0
        path = self._path(saved[-1])
        state = checkpoint.read_state(path)
        self.run.require_same(state, self.stage, path)
        tensors = checkpoint.load(path, state)
        try:
            self._load(tensors, state, path)
            self.log.start(saved[-1], state["log"])
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise InputError(f"{path}.json: a damaged checkpoint: {error!r}") from error
        return saved[-1]

    def _load(self, tensors: checkpoint.Tensors, state: dict[str, Any], path: Path) -> None:
        sharding.fill(self.system, checkpoint.part(tensors, "model."), path)
        self.average.load(checkpoint.part(tensors, "average."), state["averaged"])
        for player in self.players:
            moments = checkpoint.part(tensors, f"optimiser.{player.turn.name}.")
            checkpoint.unflatten(player.plain, player.names, moments)
        if state["scaler"]:
            self.machine.strategy.precision.load_state_dict(state["scaler"])

    def _finish(self) -> None:
        """What the stage gives, instead of its checkpoints."""
        self.log.close()
        weights = self.average.state_dict()
        if self.run.first:
            _require_finite(weights, self.stage.steps, self.stage)
            checkpoint.save_tensors(weights, self.run.folder / "model.safetensors")
            done = self.run.folder / "checkpoints" / self.stage.name
            checkpoint.save(done, weights, self.run.recipe(self.stage))
            for step in self._saved():
                checkpoint.remove(self._path(step))
        self.run.system.load_state_dict(weights)
        self.machine.barrier()


def _sweep(folder: Path) -> None:
    """Remove what a kill left half-written or half-removed."""
    for file in (*folder.glob(".*-????????.*"), *folder.glob("checkpoints/.*-????????.*")):
        file.unlink()
    for file in folder.glob("checkpoints/*.safetensors"):
        if not file.with_suffix(".json").exists():
            file.unlink()


def _stream(dataset: Any) -> data.Stream:
    if isinstance(dataset, data.Stream):
        return dataset
    stream = dataset(0)
    return stream if isinstance(stream, data.Stream) else data.InOrder(dataset)


def _require_finite(tensors: checkpoint.Tensors, step: int, stage: Stage) -> None:
    """Raise MienError rather than save what no run could go on from."""
    for name, value in tensors.items():
        if value.is_floating_point() and not value.isfinite().all():
            raise MienError(f"stage {stage.name!r}, step {step}: {name} is not finite; training "
                            "has diverged, the last checkpoint is from before")  # fmt: skip


def _reason(error: Exception, batch: Batch) -> str | None:
    """What a batch lacks, if that is why its losses cannot be computed."""
    if isinstance(error, KeyError):
        word = error.args[0]
        return f"the data gives no {word!r}" if word in labels.WORDS and word not in batch else None
    if "more than 1 value per channel" in str(error):
        return "it norms over the batch, and needs two samples or more in each pass"
    return None


def _difference(key: str, before: Any, now: Any) -> str:
    """In what a run that is to go on differs from the one that was stopped."""
    if isinstance(before, dict) and isinstance(now, dict):
        for name in {**before, **now}:
            if before.get(name) != now.get(name):
                return f"this run has {key} {name} {before.get(name)!r}, not {now.get(name)!r}"
    return f"this run has {key} {before!r}, not {now!r}"


def write_config(folder: Path, system: System, stages: Iterable[Stage], about: dict) -> None:
    """Say in ``config.json`` what is trained and how; later sessions add what is ``about`` them.

    Raises UsageError where the folder holds a run of another system.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "config.json"
    if file.exists() and (folder / "metrics.csv").exists():
        config = checkpoint.read_state(folder / "config")
        if config.get("system") != system.CARD.slug:
            raise UsageError(f"{folder}: a run of {config.get('system')}, not {system.CARD.slug}")
        config["sessions"] = [*config.get("sessions", []), about]
    else:
        recipe = [asdict(stage) for stage in stages]
        config = {"system": system.CARD.slug, "config": asdict(system.config), "stages": recipe}
        config |= about
    with atomic(file) as path:
        path.write_text(json.dumps(config, indent=2) + "\n", "utf-8")
