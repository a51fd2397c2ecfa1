"""Speed of a training step, side by side with the official code.

    python -m mien.systems.bench_train --python PYTHON --out speed-train.json \
        --facexformer FOLDER --fmae-pretrain FOLDER --fmae-action-units FOLDER

PYTHON: of an environment with torch, torchvision and timm 0.3.2, the official pin. FOLDER: a
checkout of the official repository, for FMAE-IAT at the branch of that network; what is not given
is not measured. Official code is fetched by whoever measures: some of it forbids commercial use.

Both sides do forward, loss and backward at the published size, on the same number of pictures, in
single precision on one core, in a process each that is started once. ``ROUNDS`` steps follow a
first one that does not count, by turns; the median ratio of a round counts, by processor time,
which does not depend on what else the machine does; wall time is given beside it. FaceXFormer's
losses were never released: on both sides the sum of the squares of the same outputs stands for
them.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch

from mien.errors import MienError
from mien.evaluate import peers, report
from mien.systems import load
from mien.systems.perceive.facexformer import OFFICIAL_IDS
from mien.train import optimise

PROTOCOL = "speed-train/1"
ROUNDS = 5
BATCH = 2
NETWORKS = {
    "facexformer": ("facexformer", "all-tasks"),
    "fmae-pretrain": ("fmae-iat", "pretrain"),
    "fmae-action-units": ("fmae-iat", "action-units"),
}
"""System and stage by network."""


def bench(python: Path, folders: dict[str, Path], out: Path | None, rounds: int = ROUNDS) -> None:
    """Measure, print, and write the result as JSON; MienError when one of the sides fails."""
    busy = os.getloadavg()[0]
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    networks, versions = {}, {}
    for name in report.progress(folders, "bench train", len(folders)):
        networks[name], versions = _compare(name, python, folders[name], rounds)
    results = {
        "rounds": rounds, "batch": BATCH, "load_before": busy,
        "peers": {f"peer {package}": version for package, version in versions.items()},
        "torch": torch.__version__, "networks": networks,
    }  # fmt: skip
    report.finish(PROTOCOL, {}, results, out)


def _compare(
    name: str, python: Path, folder: Path, rounds: int
) -> tuple[dict[str, Any], dict[str, str]]:
    """Seconds of the steps of both sides, and how much faster mien is."""
    size = load(NETWORKS[name][0]).Config.paper().size
    ours = _Stepper([sys.executable, "-m", "mien.systems.bench_train", "--step", name])
    script = peers.SCRIPTS / "train_step.py"
    theirs = _Stepper([str(python), str(script), name, str(folder), str(BATCH), str(size)])
    with ours, theirs:
        taken = [(ours.step(), theirs.step()) for _ in range(1 + rounds)][1:]
    return {
        "size": size,
        "parameters": ours.said["parameters"],
        "official_commit": _commit(folder),
        **{
            f"{side}_{clock}": median(turn[i][clock] for turn in taken)
            for i, side in enumerate(("mien", "official"))
            for clock in ("wall", "processor")
        },
        "mien_to_official": median(_ratios(taken, "processor")),
        "mien_to_official_wall": median(_ratios(taken, "wall")),
        "ratios": _ratios(taken, "processor"),
    }, theirs.said


def _ratios(taken: list[tuple[dict[str, float], dict[str, float]]], clock: str) -> list[float]:
    """How many times as long the official code took, by rounds."""
    return [theirs[clock] / ours[clock] for ours, theirs in taken]


def _commit(folder: Path) -> str | None:
    """What the checkout says of itself in a file or to git, if anything."""
    note = folder / "COMMIT"
    if note.is_file():
        return note.read_text("utf-8").strip()
    done = subprocess.run(
        ["git", "-C", str(folder), "rev-parse", "HEAD"], capture_output=True, text=True
    )
    return done.stdout.strip() or None


class _Stepper:
    """A process that does a training step for each line that it gets."""

    def __init__(self, command: list[str]):
        self.command = command
        environment = peers.quiet_environment() | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, env=environment,
        )  # fmt: skip
        self.said = self._answer()

    def __enter__(self) -> "_Stepper":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def step(self) -> dict[str, float]:
        """Wall and processor seconds of one step."""
        assert self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            _, words = self.process.communicate()
            last = (words.strip().splitlines() or ["no message"])[-1]
            raise MienError(f"{' '.join(self.command[1:4])}: {last}")
        return json.loads(line)


def stepper(name: str) -> tuple[Callable[[], None], int]:
    """A training step of a network, and how many numbers it learns."""
    slug, stage_name = NETWORKS[name]
    torch.manual_seed(0)
    system = load(slug).build().train()
    system.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    (stage,) = (stage for stage in system.stages() if stage.name == stage_name)
    learned = optimise.select(system, stage)
    optimise.set_modes(system, set(learned.values()))
    batch = system.example(BATCH)
    tasks = torch.arange(BATCH) % 6

    def squares() -> torch.Tensor:
        answers = zip(system.config.tasks, system(*system.inputs(batch)), strict=True)
        asked = (answer[tasks == OFFICIAL_IDS[task]] for task, answer in answers)
        return torch.stack([answer.square().sum() for answer in asked]).sum()

    def losses() -> torch.Tensor:
        terms = system.losses(batch)
        return torch.stack([terms[term] for term in stage.losses]).sum()

    total = squares if slug == "facexformer" else losses

    def step() -> None:
        loss = total()
        system.zero_grad(set_to_none=True)
        loss.backward()

    return step, sum(parameter.numel() for parameter in learned.values())


def _serve(name: str) -> None:
    step, parameters = stepper(name)
    print(json.dumps({"parameters": parameters}), flush=True)
    for _ in sys.stdin:
        start = time.perf_counter(), time.process_time()
        step()
        wall, processor = time.perf_counter() - start[0], time.process_time() - start[1]
        print(json.dumps({"wall": wall, "processor": processor}), flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--step", choices=NETWORKS, help=argparse.SUPPRESS)
    parser.add_argument("--python", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    for name in NETWORKS:
        parser.add_argument(f"--{name}", type=Path)
    chosen = vars(parser.parse_args(arguments))
    if chosen["step"]:
        _serve(chosen["step"])
        return
    folders = {name: chosen[name.replace("-", "_")] for name in NETWORKS}
    given = {name: folder for name, folder in folders.items() if folder}
    if not given or chosen["python"] is None:
        parser.error("say --python and at least one checkout")
    bench(chosen["python"], given, chosen["out"], chosen["rounds"])


if __name__ == "__main__":
    main()
