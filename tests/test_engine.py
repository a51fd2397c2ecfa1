"""The training engine: what a kill, a second process or a bad input may and may not change."""

import csv
import json
import os
import random
import re
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import nn

from mien import systems
from mien.cli import main
from mien.cli.train import _usual
from mien.data import labels
from mien.errors import InputError, MienError, UsageError
from mien.media.image import write_image
from mien.nn.frozen import learns
from mien.train import checkpoint, data, engine, optimise, sharding
from mien.train import run as run_stages
from mien.train.adapted import Pictures
from mien.train.engine import Options, Run
from mien.train.smoothed import with_smooth
from mien.train.system import Batch, Card, Stage, System, Teacher, Turn


@dataclass(frozen=True)
class NetConfig:
    size: int = 4
    dropout: float = 0.0

    @classmethod
    def paper(cls) -> Self:
        return cls()

    @classmethod
    def tiny(cls) -> Self:
        return cls(dropout=0.3)


class Net(System):
    """An age from a picture, a critic and a teacher: small, with all that an engine must handle."""

    CARD = Card(
        slug="net", title="net", task="age", venue="", arxiv=None, repository=None,
        code_licence="Apache-2.0", weights_licence="Apache-2.0",
    )  # fmt: skip
    Config = NetConfig
    config: NetConfig

    def __init__(self, config: NetConfig):
        super().__init__(config)
        self.body = nn.Sequential(
            nn.Flatten(), nn.Linear(48, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(config.dropout)
        )
        self.head = nn.Linear(8, 1)
        self.critic = nn.Linear(8, 1)
        self.teacher = nn.Linear(8, 1)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (self.head(self.body(image))[:, 0],)

    def stages(self) -> list[Stage]:
        first = Stage(
            name="first", data="faces", losses={"age": 1.0}, steps=30, batch=8, rate=1e-2,
            warmup=2, train=("body", "head"),
        )  # fmt: skip
        return [first, replace(first, name="second", losses={"age": 0.5, "size": 0.1}, steps=20)]

    def losses(self, batch: Batch) -> dict[str, torch.Tensor]:
        (image,) = self.inputs(batch)
        feature = self.body(image)
        judged = self.critic(feature).square().mean()
        if learns(self.critic) and not learns(self.body):
            return {"judged": (self.critic(feature.detach()) - 1).square().mean()}
        error = (self.head(feature)[:, 0] - batch["age"]).square().mean()
        return {"age": error, "size": feature.square().mean(), "judged": judged}

    def example(self, count: int) -> dict[str, torch.Tensor]:
        size = self.config.size
        return {
            "image": torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8),
            "age": torch.rand(count),
        }

    def inputs(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        return (batch["image"].float() / 255,)

    def layer(self, name: str) -> int:
        return 0 if name.startswith("body") else 1

    def pictures(self, batch: Batch) -> dict[str, torch.Tensor]:
        return {"input": batch["image"] / 255 + torch.rand(()) * 0.1}


class NoNorm(Net):
    """Without batch statistics, so that it does not matter how a batch is split."""

    def __init__(self, config: NetConfig):
        super().__init__(config)
        self.body[2] = nn.Identity()


OPTIONS = Options(workers=0, precision="fp32", log_every=5, save_every=4)
SGD = Stage(
    name="only", data="faces", losses={"age": 1.0}, steps=6, batch=8, rate=0.05, optimiser="sgd",
    schedule="constant", warmup=0, clip=0.0, train=("body", "head"),
)  # fmt: skip


def silent(line: str) -> None:
    """Say nothing; unlike a lambda it can be sent to another process."""


def net(kind: type[Net] = Net, preset: str = "tiny") -> Net:
    torch.manual_seed(3)
    return kind.build(preset)


def stream(system: System) -> data.Stream:
    return data.Examples()(system, SGD, 0)


def train(system: System, folder: Path, stage: Stage = SGD, **options) -> dict[str, torch.Tensor]:
    """Train one stage; the weights it gives."""
    Run(system, folder, replace(OPTIONS, **options), silent).train(stage, stream(system))
    return load_file(folder / "model.safetensors")


def train_all(folder: Path, say=silent, steps: int | None = None, **options) -> Path:
    """Train both stages of the net, which has dropout."""
    settings = {"workers": 0, "precision": "fp32", "log_every": 5, "save_every": 4, **options}
    return run_stages(net(), "example", folder, steps=steps, say=say, **settings)


def assert_same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor], **tolerance) -> None:
    assert left.keys() == right.keys()
    for name, value in left.items():
        torch.testing.assert_close(
            value, right[name], msg=name, **tolerance or {"rtol": 0, "atol": 0}
        )


def rows(folder: Path) -> list[dict[str, str]]:
    with open(folder / "metrics.csv", newline="") as file:
        return list(csv.DictReader(file))


def said(error: pytest.ExceptionInfo[MienError]) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


# Kills


def kill_at(folder: Path, line: int, delay: float, steps: int) -> None:
    """Train in another process, and kill -9 it some seconds after its n-th report."""
    code = f"import test_engine, pathlib; test_engine.train_slowly({str(folder)!r}, {steps})"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    process = subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    for _ in range(line):
        process.stdout.readline()
    time.sleep(delay)
    process.kill()
    process.wait()


def train_slowly(folder: str, steps: int) -> None:
    """With time for being killed, whatever else the machine does."""

    def report(line: str) -> None:
        print(line, flush=True)
        time.sleep(0.03)

    train_all(Path(folder), report, steps=steps, log_every=1)


@pytest.mark.parametrize("kills", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_killed_and_resumed_is_bit_identical_to_uninterrupted(tmp_path, kills):
    for _ in range(kills):  # of 60 reports
        kill_at(tmp_path / "killed", random.randrange(1, 16), random.uniform(0, 0.1), steps=30)
    assert not (tmp_path / "killed/checkpoints/second.json").exists(), "killed too late"
    resumed = load_file(train_all(tmp_path / "killed", steps=30, log_every=1))
    assert_same(resumed, load_file(train_all(tmp_path / "whole", steps=30, log_every=1)))
    assert untimed(tmp_path / "killed") == untimed(tmp_path / "whole")


def untimed(folder: Path) -> list[dict[str, str]]:
    return [{k: v for k, v in row.items() if k != "samples_per_second"} for row in rows(folder)]


def test_a_run_survives_a_stop_at_any_of_its_writes(tmp_path, monkeypatch):
    whole = load_file(train_all(tmp_path / "whole", steps=6))
    real, left = os.replace, [0]

    def replace_or_stop(source, target):
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt
        real(source, target)

    monkeypatch.setattr(os, "replace", replace_or_stop)
    stopped = 0
    for number in range(1, 40):
        left[0], folder = number, tmp_path / str(number)
        try:
            train_all(folder, steps=6)
        except KeyboardInterrupt:
            stopped += 1
            left[0] = 0
            assert_same(load_file(train_all(folder, steps=6)), whole)
            assert untimed(folder) == untimed(tmp_path / "whole")
        else:
            break
    assert 10 < stopped < 39, stopped


def test_what_a_kill_left_half_written_is_removed(tmp_path):
    train(net(), tmp_path, replace(SGD, steps=10))
    half = tmp_path / "checkpoints" / ".only-00000004-0a1b2c3d.safetensors"
    alone = tmp_path / "checkpoints" / "only-00000008.safetensors"
    half.write_bytes(b"half")
    alone.write_bytes(b"half")
    train(net(), tmp_path, replace(SGD, steps=10))
    assert not half.exists() and not alone.exists()


def test_only_the_last_checkpoints_are_kept(tmp_path):
    def stop(line: str) -> None:
        if "20/" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Run(net(), tmp_path, OPTIONS, stop).train(replace(SGD, steps=40), stream(net()))
    kept = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert kept == [
        f"only-{step:08d}.{kind}" for step in (12, 16) for kind in ("json", "safetensors")
    ]


def test_names_of_stages_may_have_dots(tmp_path):
    stages = [replace(SGD, name=name, steps=10) for name in ("v1.2", "v1.3")]
    for stage in stages:
        train(net(), tmp_path, stage)
    kept = {path.name for path in (tmp_path / "checkpoints").iterdir()}
    assert kept == {f"v1.{n}.{kind}" for n in (2, 3) for kind in ("json", "safetensors")}


def test_workers_change_nothing(tmp_path):
    assert_same(train(net(), tmp_path / "a"), train(net(), tmp_path / "b", workers=2))


def test_reports_and_pictures_change_nothing(tmp_path):
    stage = replace(SGD, steps=9)
    often = train(net(), tmp_path / "a", stage, log_every=1, save_every=1)
    assert_same(often, train(net(), tmp_path / "b", stage, log_every=99, save_every=99))
    assert len(list((tmp_path / "a/pictures").glob("only-*-input.png"))) == 8


# Processes and passes


class Recorded:
    """Says in a file of each process which samples it was asked for."""

    def __init__(self, folder: Path):
        self.folder = folder

    def __call__(self, system: System, stage: Stage, seed: int) -> Self:
        self.samples = data.Examples()(system, stage, seed)
        return self

    def sample(self, index: int) -> data.Sample | None:
        with open(self.folder / f"{os.getpid()}.samples", "a") as file:
            print(index, file=file)
        return self.samples.sample(index)


def train_recorded(folder: Path, sharding: engine.Sharding, machine) -> None:
    system = net(NoNorm, "paper")
    options = replace(OPTIONS, processes=2, sharding=sharding, log_every=2)
    work = Run(system, folder, options, silent, machine)
    work.train(SGD, Recorded(folder)(system, SGD, 0))


@pytest.mark.parametrize("sharding", ["ddp", pytest.param("fsdp", marks=pytest.mark.slow)])
def test_two_processes_are_one_with_a_batch_twice_as_large(tmp_path, sharding):
    """To 1e-5 of each weight, or 1e-6: sums over the batch are in another order."""
    options = replace(OPTIONS, processes=2, sharding=sharding)
    engine.launch(options, partial(train_recorded, tmp_path, sharding))
    seen = [set(map(int, file.read_text().split())) for file in tmp_path.glob("*.samples")]
    assert len(seen) == 2
    assert seen[0].isdisjoint(seen[1])
    assert seen[0] | seen[1] == set(range(SGD.steps * SGD.batch))
    alone = train(net(NoNorm, "paper"), tmp_path / "alone")
    assert_same(load_file(tmp_path / "model.safetensors"), alone, rtol=1e-5, atol=1e-6)
    assert [row["step"] for row in rows(tmp_path)] == ["2", "4", "6"], "one process reports"


def train_sharded(folder: Path, until: int, machine) -> None:
    """With a teacher and Adam's moments, stopped after a step."""

    def stop(line: str) -> None:
        if line.startswith(f"only {until}/"):
            raise KeyboardInterrupt

    options = replace(OPTIONS, processes=2, sharding="fsdp", log_every=1)
    Run(net(NoNorm, "paper"), folder, options, stop, machine).train(SHARDED, stream(net()))


SHARDED = replace(
    SGD, optimiser="adamw", weight_decay=0.1, clip=1.0, train=("body", "head"),
    teachers=(Teacher("teacher", "head", 0.9),),
)  # fmt: skip


@pytest.mark.slow
def test_what_many_began_with_shares_one_goes_on_with(tmp_path):
    options = replace(OPTIONS, processes=2, sharding="fsdp")
    with pytest.raises((MienError, KeyboardInterrupt)):
        engine.launch(options, partial(train_sharded, tmp_path / "shared", 5))
    assert (tmp_path / "shared/checkpoints/only-00000004.json").exists()
    resumed = train(net(NoNorm, "paper"), tmp_path / "shared", SHARDED)
    alone = train(net(NoNorm, "paper"), tmp_path / "alone", SHARDED)
    assert_same(resumed, alone, rtol=1e-4, atol=1e-5)
    assert not torch.equal(alone["teacher.weight"], net(NoNorm, "paper").teacher.weight)


def test_turns_cannot_be_sharded(tmp_path):
    turns = (Turn(name="a", losses={"age": 1.0}), Turn(name="b", losses={"judged": 1.0}))
    with pytest.raises(UsageError, match="--sharding ddp") as error:
        sharding.sharded(net(), replace(SGD, turns=turns), torch.device("cpu"), 2)
    assert said(error)


@pytest.mark.parametrize("passes", [2, 8])
def test_a_batch_in_parts_is_the_batch(tmp_path, passes):
    whole = train(net(NoNorm, "paper"), tmp_path / "whole")
    parts = train(net(NoNorm, "paper"), tmp_path / "parts", passes=passes)
    assert_same(parts, whole, rtol=1e-5, atol=1e-6)
    assert not torch.equal(whole["head.weight"], net(NoNorm, "paper").head.weight)


@given(
    processes=st.sampled_from([1, 2, 3]), passes=st.sampled_from([1, 2, 4]), start=st.integers(0, 3)
)
def test_every_sample_is_seen_once(processes, passes, start):
    stage = replace(SGD, batch=24, steps=4)

    class Numbers:
        def sample(self, index: int) -> data.Sample:
            return {"age": torch.tensor(float(index))}

    seen = [
        int(age)
        for rank in range(processes)
        for step in data.batches(
            data.Passes(Numbers(), stage, rank=rank, processes=processes, passes=passes),
            start,
            workers=0,
            pin=False,
        )
        for batch in step
        for age in batch["age"]
    ]  # fmt: skip
    assert sorted(seen) == list(range(start * 24, 4 * 24))


@pytest.mark.slow
def test_a_failing_process_ends_in_one_line(tmp_path, capfd):
    with pytest.raises(MienError, match="after filtering") as error:
        engine.launch(replace(OPTIONS, processes=2), partial(train_filtered, tmp_path))
    assert said(error)
    assert "Traceback" not in capfd.readouterr().err


class Filtered:
    """Only every n-th sample is left; none for 0."""

    def __init__(self, samples: data.Stream, every: int):
        self.samples, self.every = samples, every

    def sample(self, index: int) -> data.Sample | None:
        left = self.every and index % self.every == 0
        return self.samples.sample(index) if left else None


def train_filtered(folder: Path, machine=None, every: int = 0) -> None:
    system = net()
    processes = machine.world_size if machine else 1
    work = Run(system, folder, replace(OPTIONS, processes=processes), silent, machine)
    work.train(SGD, Filtered(stream(system), every))


# What learns


def test_what_is_frozen_stays(tmp_path):
    system = net()
    before = {name: value.clone() for name, value in system.state_dict().items()}
    after = train(system, tmp_path, replace(SGD, train=("head",), ema=0.0))
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert changed == {"head.weight", "head.bias"}  # no running statistics either
    assert system.head.training and not system.body.training


def test_turns_step_the_right_parameters(tmp_path):
    judge = Turn(
        name="judge", losses={"judged": 1.0}, train=("critic",), rate=0.1, optimiser="sgd",
        schedule="constant", warmup=0, clip=0.0, every=2,
    )  # fmt: skip
    draw = replace(SGD, losses={"age": 1.0, "judged": 0.2})
    draw = Turn(**{name: getattr(draw, name) for name in Turn.__dataclass_fields__})
    stage = replace(SGD, turns=(judge, replace(draw, name="draw")), ema=0.0)
    engine_gives = train(net(NoNorm, "paper"), tmp_path, stage)

    system, samples = net(NoNorm, "paper"), stream(net())
    parts = {"judge": list(system.critic.parameters())}
    parts["draw"] = [*system.body.parameters(), *system.head.parameters()]
    optimisers = {
        "judge": torch.optim.SGD(parts["judge"], 0.1, 0.9),
        "draw": torch.optim.SGD(parts["draw"], 0.05, 0.9),
    }
    for step in range(stage.steps):
        batch = torch.utils.data.default_collate(
            [samples.sample(i) for i in range(step * 8, step * 8 + 8)]
        )
        for name in ("judge", "draw") if step % 2 == 0 else ("draw",):
            for parameter in system.parameters():
                parameter.requires_grad_(any(parameter is p for p in parts[name]))
            terms = system.losses(batch)
            total = terms["judged"] if name == "judge" else terms["age"] + 0.2 * terms["judged"]
            optimisers[name].zero_grad()
            total.backward()
            optimisers[name].step()
    assert_same(engine_gives, dict(system.state_dict()), rtol=1e-5, atol=1e-6)
    (last,) = rows(tmp_path)
    assert {"judge.total", "draw.total", "draw.age"} <= last.keys()


def test_the_result_is_the_moving_average(tmp_path):
    weights = []
    for steps in range(1, 4):
        folder = tmp_path / str(steps)
        weights.append(train(net(), folder, replace(SGD, steps=steps, ema=0.0))["head.weight"])
    mean = net().head.weight.detach().clone()
    for count, value in enumerate(weights):
        decay = min(0.15, (1 + count) / (10 + count))
        mean = decay * mean + (1 - decay) * value
    averaged = train(net(), tmp_path / "average", replace(SGD, steps=3, ema=0.15))
    torch.testing.assert_close(averaged["head.weight"], mean)


def test_a_teacher_follows(tmp_path):
    follow = Teacher("teacher", "head", decay=0.75)
    start = net().head.weight.detach().clone()
    after = train(net(), tmp_path, replace(SGD, steps=1, teachers=(follow,), ema=0.0))
    torch.testing.assert_close(after["teacher.weight"], 0.75 * start + 0.25 * after["head.weight"])
    assert not torch.equal(after["head.weight"], start)


def test_a_stage_begins_with_what_the_one_before_gave(tmp_path):
    train_all(tmp_path)
    first = load_file(tmp_path / "checkpoints/first.safetensors")
    second = load_file(tmp_path / "checkpoints/second.safetensors")
    assert_same(second, load_file(tmp_path / "model.safetensors"))
    system = net()
    system.load_state_dict(first)
    stage = system.stages()[1]
    assert_same(train(system, tmp_path / "alone", stage), second)


@pytest.mark.parametrize("optimiser", ["adamw", "adam", "adagrad", "sgd"])
def test_every_optimiser_resumes_exactly(tmp_path, optimiser):
    stage = replace(SGD, optimiser=optimiser, steps=12, schedule="cosine", rate=0.01)

    def stop(line: str) -> None:
        if "10/" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Run(net(), tmp_path / "stopped", OPTIONS, stop).train(stage, stream(net()))
    resumed = train(net(), tmp_path / "stopped", stage)
    assert_same(resumed, train(net(), tmp_path / "whole", stage))
    assert not torch.equal(resumed["head.weight"], net().head.weight)


def test_loss_scaling_resumes_exactly(tmp_path):
    stage = replace(SGD, steps=12, clip=1.0)

    def stop(line: str) -> None:
        if "10/" in line:
            raise KeyboardInterrupt

    half = replace(OPTIONS, precision="fp16")
    with pytest.raises(KeyboardInterrupt):
        Run(net(), tmp_path / "stopped", half, stop).train(stage, stream(net()))
    resumed = train(net(), tmp_path / "stopped", stage, precision="fp16")
    assert_same(resumed, train(net(), tmp_path / "whole", stage, precision="fp16"))
    assert not torch.equal(resumed["head.weight"], net().head.weight)


def test_mixed_precision_leaves_labels_alone(tmp_path):
    class Exact(Net):
        def losses(self, batch: Batch) -> dict[str, torch.Tensor]:
            assert batch["age"].dtype == torch.float32
            assert (batch["age"] != batch["age"].bfloat16().float()).any()
            return super().losses(batch)

    train(net(Exact), tmp_path, precision="bf16")


@pytest.mark.slow
def test_a_compiled_system_learns_the_same(tmp_path):
    plain = train(net(NoNorm, "paper"), tmp_path / "plain")
    compiled = train(net(NoNorm, "paper"), tmp_path / "compiled", compile=True)
    assert_same(compiled, plain, rtol=1e-4, atol=1e-5)


# Schedules


@given(
    schedule=st.sampled_from(["wsd", "cosine", "step", "constant"]),
    steps=st.integers(1, 500),
    warmup=st.integers(0, 300),
)
def test_rates_warm_up_and_never_leave_their_range(schedule, steps, warmup):
    turn = Turn(name="t", schedule=schedule, warmup=warmup, decay=0.4, drops=(0.5, 0.8))
    factors = [optimise.rate_factor(turn, steps, step) for step in range(steps)]
    assert all(0 <= factor <= 1 for factor in factors)
    if warmup < steps / 2:
        rising = factors[: max(warmup, 1)]
        assert rising == sorted(rising)
        assert factors[max(warmup, 1) :] == sorted(factors[max(warmup, 1) :], reverse=True)


def test_schedules_have_the_shapes_they_are_named_for():
    def at(share: float, **turn) -> float:
        return optimise.rate_factor(Turn(name="t", warmup=0, **turn), 1000, int(share * 1000))

    assert at(0.5, schedule="wsd", decay=0.4) == 1
    assert at(0.8, schedule="wsd", decay=0.4) == pytest.approx(0.5)
    assert at(0.5, schedule="cosine") == pytest.approx(0.5)
    assert at(0.85, schedule="cosine") == pytest.approx(0.0545, abs=1e-3)
    steps = [at(share, schedule="step", drops=(0.5, 0.8)) for share in (0.4, 0.6, 0.9)]
    assert steps == pytest.approx([1, 0.1, 0.01])
    assert at(0.99, schedule="constant") == 1


def test_rates_fall_from_layer_to_layer_towards_the_input():
    system = net()
    turn = replace(SGD, layer_decay=0.5, weight_decay=0.1)
    chosen = optimise.optimiser(system, turn, optimise.select(system, turn), fused=False)
    optimise.set_rate(chosen, turn, SGD, 0)
    rates = {id(p): group["lr"] for group in chosen.param_groups for p in group["params"]}
    decays = {
        id(p): group["weight_decay"] for group in chosen.param_groups for p in group["params"]
    }
    assert rates[id(system.head.weight)] == 0.05
    assert rates[id(system.body[1].weight)] == 0.025
    assert decays[id(system.head.weight)] == 0.1
    assert decays[id(system.head.bias)] == 0


# What a run tells


def test_metrics_are_one_table_of_all_stages(tmp_path):
    train_all(tmp_path)
    table = rows(tmp_path)
    places = [(row["stage"], int(row["step"])) for row in table]
    assert places == [("first", n) for n in range(5, 31, 5)] + [
        ("second", n) for n in range(5, 21, 5)
    ]
    assert float(table[0]["total"]) == pytest.approx(float(table[0]["age"]), rel=1e-4)
    last = table[-1]
    assert float(last["total"]) == pytest.approx(
        0.5 * float(last["age"]) + 0.1 * float(last["size"]), rel=1e-3
    )
    assert float(table[5]["age"]) < float(table[0]["age"])
    assert all(float(row["samples_per_second"]) > 0 for row in table)


def test_a_row_that_a_kill_cut_off_is_dropped(tmp_path):
    file = tmp_path / "metrics.csv"
    file.write_text("stage,step,total\nonly,5,1\nonly,10,0.5\nonly,1")
    train(net(), tmp_path, replace(SGD, steps=5))
    assert [row["step"] for row in rows(tmp_path)] == ["5"]


def test_config_says_what_was_asked_and_when_it_went_on(tmp_path):
    run_stages(net(), "example", tmp_path, steps=4, say=silent, about={"commit": {"id": "abc"}})
    run_stages(net(), "example", tmp_path, steps=4, say=silent, about={"commit": {"id": "def"}})
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["system"] == "net" and config["data"] == "example"
    assert config["config"] == {"size": 4, "dropout": 0.3}
    assert [stage["steps"] for stage in config["stages"]] == [4, 4]
    assert config["commit"] == {"id": "abc"}
    assert [session["commit"]["id"] for session in config["sessions"]] == ["def"]


def test_a_run_can_begin_with_the_weights_of_another(tmp_path):
    train_all(tmp_path / "one")
    options = {"say": silent, "workers": 0, "precision": "fp32"}
    run_stages(
        Net.build("tiny"), "example", tmp_path / "two", only=["second"], start=tmp_path / "one",
        **options,
    )  # fmt: skip
    system = net()
    system.load_state_dict(load_file(tmp_path / "one/model.safetensors"))
    wanted = train(system, tmp_path / "three", system.stages()[1])
    assert_same(load_file(tmp_path / "two/model.safetensors"), wanted)


# Bad input: one clear line


def stopped(folder: Path) -> Path:
    """A run with one checkpoint, of step 4; its path without suffix."""

    def stop(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Run(net(), folder, OPTIONS, stop).train(SGD, stream(net()))
    return folder / "checkpoints" / "only-00000004"


def truncate(path: Path) -> None:
    file = checkpoint.file_of(path, "safetensors")
    file.write_bytes(file.read_bytes()[:-100])


def flip_a_bit(path: Path) -> None:
    file = checkpoint.file_of(path, "safetensors")
    content = bytearray(file.read_bytes())
    content[-7] ^= 4
    file.write_bytes(content)


def empty(path: Path) -> None:
    checkpoint.file_of(path, "safetensors").write_bytes(b"")


def cut_json(path: Path) -> None:
    file = checkpoint.file_of(path, "json")
    file.write_text(file.read_text()[:50])


def not_finite(path: Path) -> None:
    """With a hash that fits: as if it had been saved so."""
    tensors = load_file(checkpoint.file_of(path, "safetensors"))
    tensors["model.head.bias"][0] = float("nan")
    checkpoint.save(path, tensors, checkpoint.read_state(path))


def lacking(path: Path) -> None:
    tensors = load_file(checkpoint.file_of(path, "safetensors"))
    del tensors["model.head.bias"]
    checkpoint.save(path, tensors, checkpoint.read_state(path))


def without_counters(path: Path) -> None:
    state = checkpoint.read_state(path)
    del state["averaged"]
    checkpoint.file_of(path, "json").write_text(json.dumps(state))


@pytest.mark.parametrize(
    "damage",
    [truncate, flip_a_bit, empty, cut_json, not_finite, lacking, without_counters],
)
def test_a_damaged_checkpoint_is_one_line_that_names_it(tmp_path, damage):
    damage(stopped(tmp_path))
    with pytest.raises(InputError, match="only-00000004") as error:
        train(net(), tmp_path)
    assert said(error)


def test_without_a_damaged_checkpoint_the_run_goes_on(tmp_path):
    checkpoint.remove(stopped(tmp_path))
    assert_same(train(net(), tmp_path), train(net(), tmp_path / "whole"))


@pytest.mark.parametrize(
    ("stage", "reason"),
    [
        (replace(SGD, rate=0.1), "stage rate 0.05, not 0.1"),
        (replace(SGD, steps=9), "stage steps 6, not 9"),
    ],
)
def test_a_checkpoint_of_another_recipe_is_refused(tmp_path, stage, reason):
    stopped(tmp_path)
    with pytest.raises(UsageError, match=reason):
        train(net(), tmp_path, stage)


def test_a_checkpoint_of_another_system_is_refused(tmp_path):
    stopped(tmp_path)
    system = systems.load("fmae-iat").build("tiny")
    with pytest.raises(UsageError, match="'net', not 'fmae-iat'") as error:
        Run(system, tmp_path, OPTIONS, silent).train(replace(SGD, train=("head",)), stream(net()))
    assert said(error)


@pytest.mark.parametrize("content", [b"", b"not safetensors", b"\xff" * 64])
def test_weights_that_are_none_are_refused(tmp_path, content):
    file = tmp_path / "w.safetensors"
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"w\.safetensors") as error:
        run_stages(net(), "example", tmp_path / "run", start=file, say=silent)
    assert said(error)
    assert not (tmp_path / "run").exists()


def test_weights_of_another_system_are_refused(tmp_path):
    file = tmp_path / "w.safetensors"
    save_file({"head.weight": torch.zeros(2, 2)}, file)
    with pytest.raises(InputError, match="not weights of Net"):
        run_stages(net(), "example", tmp_path / "run", start=file, say=silent)


def test_an_empty_batch_after_filtering_is_one_line(tmp_path):
    with pytest.raises(InputError, match="none is left after filtering") as error:
        train_filtered(tmp_path)
    assert said(error)


def test_a_batch_with_some_samples_filtered_out_is_learned_from(tmp_path):
    train_filtered(tmp_path, every=2)
    assert (tmp_path / "model.safetensors").exists()


def test_a_batch_of_one_is_learned_from_or_refused_in_one_line(tmp_path):
    train(net(NoNorm), tmp_path / "without", replace(SGD, batch=1))
    with pytest.raises(InputError, match="two samples or more") as error:
        train(net(), tmp_path / "with", replace(SGD, batch=1))
    assert said(error)


class Without:
    """Samples that lack one word and have another in a wrong type."""

    def __init__(self, samples: data.Stream, lacks: str = "", doubles: str = ""):
        self.samples, self.lacks, self.doubles = samples, lacks, doubles

    def sample(self, index: int) -> data.Sample:
        given = self.samples.sample(index)
        assert given is not None
        kept = {name: value for name, value in given.items() if name != self.lacks}
        return {n: v.double() if n == self.doubles else v for n, v in kept.items()}


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize(
    ("change", "reason"),
    [({"lacks": "age"}, "the data gives no 'age'"), ({"doubles": "age"}, "vocabulary says")],
)
def test_samples_that_do_not_fit_are_one_line(tmp_path, change, reason, workers):
    options = replace(OPTIONS, workers=workers)
    with pytest.raises(InputError, match=reason) as error:
        Run(net(), tmp_path, options, silent).train(SGD, Without(stream(net()), **change))
    assert said(error)


def test_an_error_in_a_worker_is_one_line(tmp_path):
    with pytest.raises(InputError, match="none is left after filtering") as error:
        options = replace(OPTIONS, workers=1)
        Run(net(), tmp_path, options, silent).train(SGD, Filtered(stream(net()), 0))
    assert said(error)


def test_a_diverging_run_stops_and_keeps_what_was_good(tmp_path):
    stage = replace(SGD, rate=1e30, steps=40)
    with pytest.raises(MienError, match="diverged") as error:
        train(net(), tmp_path, stage)
    assert said(error)
    for file in tmp_path.rglob("*.safetensors"):
        checkpoint.read_tensors(file)


@pytest.mark.parametrize(
    ("stage", "options", "reason"),
    [
        (SGD, {"passes": 3}, "a batch of 8 cannot be split"),
        (replace(SGD, train=("tail",)), {}, "no parameters 'tail'"),
        (replace(SGD, losses={"beauty": 1.0}), {}, "no loss 'beauty'"),
        (replace(SGD, optimiser="magic"), {}, "no optimiser is called 'magic'"),
        (replace(SGD, schedule="magic"), {}, "no schedule is called 'magic'"),
        (replace(SGD, teachers=(Teacher("dean", "head"),)), {}, "no part 'dean'"),
    ],
)
def test_an_impossible_recipe_is_one_line(tmp_path, stage, options, reason):
    with pytest.raises(UsageError, match=reason) as error:
        train(net(), tmp_path, stage, **options)
    assert said(error)


def test_a_run_that_did_not_begin_can_be_asked_for_again(tmp_path, capsys):
    assert main([*FMAE, "--out", str(tmp_path), "--passes", "3"]) == 2
    assert "cannot be split" in capsys.readouterr().err
    assert main([*FMAE, "--out", str(tmp_path), "--seed", "7"]) == 0
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["options"]["seed"] == 7 and "sessions" not in config


@pytest.mark.parametrize("device", ["cuda", "cuda:3"])
def test_a_device_that_is_missing_is_an_error(device):
    if torch.cuda.device_count() > 3:
        pytest.skip("the device is there")
    with pytest.raises(MienError, match="CUDA device"):
        engine.fabric(Options(device="cuda:3" if torch.cuda.is_available() else device))
    with pytest.raises(UsageError, match="tpu"):
        engine.fabric(Options(device="tpu"))


# Data


@pytest.fixture
def people(tmp_path) -> str:
    """LFW with three people, of whom one has a single picture."""
    for name, count in (("Ada", 3), ("Bo", 2), ("Cy", 1)):
        for number in range(1, count + 1):
            file = tmp_path / "data" / "lfw" / name / f"{name}_{number:04d}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            write_image(file, np.full((16, 12, 3), 40 * number, np.uint8))
    return f"adapter:lfw:{tmp_path / 'data'}"


def opened(spec: str, system: System, stage: Stage) -> Pictures:
    pictures = data.open_data(spec)(system, stage, 0)
    assert isinstance(pictures, Pictures)
    return pictures


def test_an_adapter_gives_every_picture_once_in_an_epoch(people):
    system = systems.load("fmae-iat").build("tiny")
    pictures = opened(people, system, system.stages()[0])
    epochs = [[pictures.place(6 * epoch + i) for i in range(6)] for epoch in range(4)]
    assert all(sorted(epoch) == list(range(6)) for epoch in epochs)
    assert len(set(map(tuple, epochs))) > 1
    sample = pictures.sample(7)
    assert sample.keys() == system.example(1).keys()
    assert sample["image"].shape == (3, 32, 32)
    assert all(torch.equal(value, pictures.sample(7)[name]) for name, value in sample.items())


def test_a_stage_of_people_gets_several_pictures_of_each(people):
    system = systems.load("fmae-iat").build("tiny")
    pictures = opened(people, system, replace(SGD, data="people"))
    identities = [int(pictures.sample(i)["identity"]) for i in range(24)]
    groups = [identities[i : i + 8] for i in range(0, 24, 8)]
    assert sorted(group[0] for group in groups) == [0, 1, 2]
    assert all(len(set(group)) == 1 for group in groups)
    ada = next(i for i in range(0, 24, 8) if identities[i] == 0)
    assert {pictures.place(i) for i in range(ada, ada + 8)} == {0, 1, 2}


def test_what_an_adapter_cannot_give_is_one_line(people):
    facenet = systems.load("facenet").build("tiny")
    with pytest.raises(UsageError, match="embedding") as error:
        data.open_data(people)(facenet, facenet.stages()[0], 0)
    assert said(error)
    with pytest.raises(UsageError, match="has no 'scenes'"):
        data.open_data(people)(facenet, replace(SGD, data="scenes"), 0)
    with pytest.raises(UsageError, match="adapter:NAME:FOLDER"):
        data.open_data("adapter:lfw")
    with pytest.raises(UsageError, match="no data set is called 'mnist'"):
        data.open_data("adapter:mnist:folder")


def test_a_system_trains_on_a_public_data_set(people, tmp_path):
    args = ["train", "fmae-iat", "--preset", "tiny", "--data", people, "--stage", "pretrain"]
    assert main([*args, "--steps", "3", "--batch", "4", "--out", str(tmp_path / "run")]) == 0
    assert load_file(tmp_path / "run" / "model.safetensors")


class Shapes:
    """Crops that know their 68 points, some of them not."""

    def sample(self, index: int) -> data.Sample | None:
        generator = torch.Generator().manual_seed(index)
        points = 16 + 4 * torch.randn(68, 2, generator=generator)
        if index % 5 == 1:
            points[3] = torch.nan
        image = torch.zeros(3, 32, 32, dtype=torch.uint8)
        unknown = torch.full((68, 2), torch.nan)
        known = {"image": image, "landmarks_68": points, "landmarks_68_smooth": unknown}
        return None if index % 7 == 3 else known


def test_smooth_landmarks_are_made_where_a_system_learns_them():
    system = systems.load("kd-landmarks").build("tiny")
    shapes = with_smooth(Shapes(), system)
    whole, torn = shapes.sample(0), shapes.sample(1)
    assert whole is not None and torn is not None and shapes.sample(3) is None
    smooth, points = whole["landmarks_68_smooth"], whole["landmarks_68"]
    assert labels.check({name: value[None] for name, value in whole.items()}) == 1
    assert 0 < (smooth - points).square().mean() < (points - points.mean(0)).square().mean()
    assert torn["landmarks_68_smooth"].isnan().any()
    again = with_smooth(Shapes(), system).sample(0)
    assert again is not None and torch.equal(again["landmarks_68_smooth"], smooth)
    fmae = systems.load("fmae-iat").build("tiny")
    assert isinstance(with_smooth(Shapes(), fmae), Shapes), "nobody asked for them"


def test_data_without_any_shape_is_one_line(people):
    system = systems.load("kd-landmarks").build("tiny")
    with pytest.raises(InputError, match="knows no 'landmarks_68'") as error:
        with_smooth(opened(people, system, system.stages()[0]), system)
    assert said(error)


# The command line


FMAE = (
    "train",
    "fmae-iat",
    "--preset",
    "tiny",
    "--data",
    "example",
    "--steps",
    "2",
    "--batch",
    "4",
)


@pytest.mark.parametrize(
    ("args", "code", "reason"),
    [
        (("train", "nobody", "--data", "example"), 2, "no system is called 'nobody'"),
        ((*FMAE, "--stage", "third"), 2, "no stage 'third'; it has pretrain, action-units"),
        ((*FMAE, "--preset", "huge"), 2, "--preset"),
        ((*FMAE, "--data", "moon:full"), 2, "'moon:full': data is named PREFIX:REST"),
        ((*FMAE, "--data", "example:7"), 2, "takes nothing more"),
        ((*FMAE, "--data", "portraits:nowhere"), 1, "nowhere: no portrait set"),
        ((*FMAE, "--data", "adapter:bp4d:docs"), 1, "not BP4D"),
        ((*FMAE, "--data", "adapter:lfw:nowhere"), 1, "nowhere: no such folder"),
        ((*FMAE, "--data", "world:nowhere.yaml"), 1, "nowhere.yaml"),
        ((*FMAE, "--start", "README.md"), 1, "README.md: not a checkpoint"),
        ((*FMAE, "--start", "nowhere"), 2, "nowhere"),
        ((*FMAE, "--precision", "int1"), 2, "--precision"),
    ],
)
def test_wrong_calls_are_one_line(args, code, reason, tmp_path, capsys):
    assert main([*args, "--out", str(tmp_path / "run")]) == code
    error = capsys.readouterr().err
    assert reason in error and error.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_systems_learn_from_the_world_unless_told_otherwise():
    assert _usual(systems.load("fmae-iat").build("tiny")) == "world:"
    assert _usual(systems.load("facenet").build("tiny")) == "world:"
    assert _usual(systems.load("mien-landmarks").build("tiny")).startswith("portraits:")


def test_data_that_this_version_lacks_is_one_line(monkeypatch):
    monkeypatch.setitem(data.OPENERS, "world", "mien.no_such_world:open_data")
    with pytest.raises(UsageError, match="no 'world' data") as error:
        data.open_data("world:faces")
    assert said(error)


def test_a_missing_gpu_is_one_line(tmp_path, capsys):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert main([*FMAE, "--device", "cuda", "--out", str(tmp_path / "run")]) == 1
    assert "PyTorch sees no CUDA device" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_run_is_trained_resumed_and_exported(tmp_path, capsys):
    out = str(tmp_path / "run")
    assert main([*FMAE, "--out", out]) == 0
    assert capsys.readouterr().out.strip().endswith("model.safetensors")
    assert main([*FMAE, "--out", out]) == 2
    assert "--resume" in capsys.readouterr().err
    assert main([*FMAE, "--out", out, "--resume"]) == 0
    other = ["train", "kd-landmarks", "--preset", "tiny", "--data", "example", "--out", out]
    assert main([*other, "--resume"]) == 2
    assert "a run of fmae-iat, not kd-landmarks" in capsys.readouterr().err

    for to, file in (("onnx", tmp_path / "n.onnx"), ("torch", tmp_path / "n.pt2")):
        code = main(["export", "fmae-iat", "--to", to, "--run", out, "--out", str(file)])
        printed = capsys.readouterr().out
        assert code == 0 and file.stat().st_size > 1000
        assert "largest error" in printed and "output_0" in printed


def test_the_system_of_the_training_page_trains(tmp_path, monkeypatch, capsys):
    page = (Path(__file__).parent.parent / "docs" / "training.md").read_text("utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "age_net.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    entry = systems.Entry("age_net", "AgeNet", "age", "")
    monkeypatch.setitem(systems.available(), "age-net", entry)
    out = str(tmp_path / "run")
    args = ["train", "age-net", "--preset", "tiny", "--data", "example", "--precision", "fp32"]
    assert main([*args, "--log-every", "20", "--out", out]) == 0
    errors = [float(row["years"]) for row in rows(tmp_path / "run")]
    assert errors[-1] < errors[0]
    assert main(["export", "age-net", "--run", out, "--out", str(tmp_path / "n.onnx")]) == 0


def test_a_wrong_export_is_one_line(tmp_path, capsys):
    train_all(tmp_path / "net", steps=2)
    out = ("--out", str(tmp_path / "n.onnx"))
    run = ("--run", str(tmp_path / "net"))
    for args, reason in (
        (("export", "fmae-iat", *out), "say which weights"),
        (("export", "fmae-iat", *run, "--weights", "x", *out), "say which weights"),
        (("export", "fmae-iat", *run, *out), "a run of 'net', not of 'fmae-iat'"),
        (("export", "nobody", *run, *out), "no system is called 'nobody'"),
        (("export", "facenet", "--weights", "mien-landmarks", *out), "of mien-landmarks"),
        (("export", "fmae-iat", "--to", "torch", *run, *out), ".pt2"),
        (("export", "fmae-iat", "--run", str(tmp_path), *out), "config.json"),
    ):
        assert main(args) in (1, 2)
        error = capsys.readouterr().err
        assert reason in error and error.count("\n") == 1
    assert not (tmp_path / "n.onnx").exists()


def test_an_export_that_differs_is_not_written(tmp_path):
    from mien.systems import export

    class Fickle(Net):
        def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
            (age,) = super().forward(image)
            return (age if len(image) == 2 else age + 1,)

    with pytest.raises(MienError, match="is off by"):
        export.write(net(Fickle).eval(), "onnx", tmp_path / "n.onnx")
    assert list(tmp_path.iterdir()) == []
