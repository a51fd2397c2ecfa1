"""Put a claim to the test: draw the pictures, train every arm with every seed, judge.

What is done is kept in a folder and is not done again: pictures and trained weights. A
training is known by all that it follows from (its config, stages, seed, pictures, and what it
begins with), so a claim that was killed goes on, and one that was changed starts anew where it was.
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from mien.errors import InputError, UsageError
from mien.evaluate import claims, report
from mien.evaluate.claims import Answers
from mien.media.files import atomic
from mien.systems.claims.album import Album, Shuffled
from mien.systems.claims.claim import Arm, Claim
from mien.train import checkpoint
from mien.train.engine import Options, Run
from mien.train.system import Stage

Say = Callable[[str], None]
LEAST = 0.01  # of the usual size
TRIAL = 4  # steps or pictures that are timed


def run(
    claim: Claim, out: Path, folder: Path, *, seeds: int = 3, budget: float | None = None,
    device: str = "cpu", say: Say = print,
) -> dict[str, Any]:  # fmt: skip
    """Test a claim; its report is also in ``out``: SYSTEM.json, SYSTEM.svg, and index.md anew.

    folder: for pictures and trainings. seeds: 0 to seeds - 1. budget: minutes that all of it may
    take; where the usual size would take longer, all arms get as many fewer steps and pictures.

    Raises UsageError for fewer than two seeds, and whatever MienError drawing or training raises.
    """
    if seeds < 2:
        raise UsageError("one seed says nothing of the luck of training: two are needed, better 3")
    work = Work(claim, folder, device, say)
    work.fit(seeds, budget)
    albums = work.albums()
    numbers = range(seeds)
    answers = {name: [work.answers(name, seed, albums) for seed in numbers] for name in claim.arms}
    made = work.report(answers, albums, list(numbers))
    report.write(made, out / f"{claim.system}.json")
    claims.figure(made, out / f"{claim.system}.svg")
    claims.write_page(out)
    return made


class Work:
    """The doing of a claim at some scale."""

    def __init__(self, claim: Claim, folder: Path, device: str, say: Say):
        self.claim, self.folder, self.device, self.say = claim, folder, device, say
        self.drawn = folder / "pictures"
        self.trained = folder / claim.system
        self.scale = 1.0

    def fit(self, seeds: int, budget: float | None) -> None:
        """Choose the scale by timing; the same budget keeps its scale when the claim goes on."""
        if budget is None:
            return
        file = self.trained / f"budget-{budget:g}-{seeds}.json"
        if file.exists():
            self.scale = float(checkpoint.read_state(file.with_suffix(""))["scale"])
            return
        whole = self._minutes(seeds)
        self.scale = max(LEAST, min(1.0, budget / whole))
        self.say(f"all of it takes about {whole:.0f} minutes; {100 * self.scale:.0f} % fits")
        file.parent.mkdir(parents=True, exist_ok=True)
        with atomic(file) as temporary:
            temporary.write_text(json.dumps({"scale": self.scale}) + "\n", "utf-8")

    def _minutes(self, seeds: int) -> float:
        """An estimate, from a few pictures and steps."""
        trial, start = self.folder / "trial", time.perf_counter()
        some = {name: replace(p, count=8 * TRIAL) for name, p in self.claim.pictures.items()}
        albums = {name: p.album(self.claim.side, trial) for name, p in some.items()}
        self.claim.prepare(albums)
        pace = (time.perf_counter() - start) / sum(map(len, albums.values()))
        seconds = pace * sum(p.count for p in self.claim.pictures.values())
        for arm in self._arms().values():
            for stage in arm.stages:
                seconds += seeds * stage.steps * _pace(arm, stage, albums[arm.data])
        return seconds / 60

    def _arms(self) -> dict[str, Arm]:
        every = {**self.claim.before, **self.claim.arms}
        return {name: arm.scaled(self.scale) for name, arm in every.items()}

    def albums(self) -> dict[str, Album]:
        """The pictures, drawn where they are missing; raises InputError where people are shared."""
        made = {}
        for name, pictures in self.claim.pictures.items():
            pictures = pictures.scaled(self.scale)
            self.say(f"{name}: {pictures.count} pictures of {pictures.recipe}, {pictures.split}")
            made[name] = pictures.album(self.claim.side, self.drawn)
        require_apart(self.claim, made)
        self.claim.prepare(made)
        return made

    def answers(self, name: str, seed: int, albums: Mapping[str, Album], on: str = "test"
                ) -> Answers:  # fmt: skip
        """What an arm says of the test pictures, after it has been trained."""
        weights = self.train(name, seed, albums)
        system = self._arms()[name].system()
        checkpoint.fill(system, checkpoint.read_tensors(weights), weights)
        return self.claim.answers(system, albums, on)

    def train(self, name: str, seed: int, albums: Mapping[str, Album]) -> Path:
        """The weights of an arm; trained, or gone on with, where they are not there."""
        arm, start = self._arms()[name], None
        if arm.after is not None:
            start = self.train(arm.after, seed, albums)
        torch.manual_seed(seed)  # arms that are built alike begin alike
        system = arm.system()
        if start is not None:
            checkpoint.fill(system, checkpoint.read_tensors(start), start)
        recipe = {
            "config": asdict(system.config), "stages": [asdict(stage) for stage in arm.stages],
            "system": type(system).__name__, "data": albums[arm.data].fingerprint,
            "start": None if start is None else start.parent.name,
        }  # fmt: skip
        folder = self.trained / f"seed-{seed}" / f"{name}-{_short(json.dumps(recipe))}"
        weights = folder / "model.safetensors"
        done = folder / "seconds.json"
        if done.exists() and weights.exists():
            return weights
        self.say(f"{name}, seed {seed}: {sum(stage.steps for stage in arm.stages)} steps")
        options = Options(device=self.device, seed=seed, workers=0, precision="fp32",
                          save_every=200)  # fmt: skip
        begun = time.process_time()
        training = Run(system, folder, options, lambda line: None)
        for stage in arm.stages:
            training.train(stage, Shuffled(albums[arm.data], system, stage, seed))
        with atomic(done) as temporary:
            temporary.write_text(json.dumps({"seconds": time.process_time() - begun}), "utf-8")
        return weights

    def report(
        self, answers: Mapping[str, Sequence[Answers]], albums: Mapping[str, Album],
        seeds: list[int],
    ) -> dict[str, Any]:  # fmt: skip
        """All that is known of the experiment, as JSON takes it."""
        claim, arms = self.claim, self._arms()
        seconds = [
            checkpoint.read_state(file.with_suffix(""))["seconds"]
            for seed in seeds
            for name in arms
            for file in [self.train(name, seed, albums).with_name("seconds.json")]
        ]
        results = {
            "system": claim.system,
            "statement": claim.statement,
            "reading": claim.reading,
            "seeds": seeds,
            "scale": self.scale,
            "side": claim.side,
            "steps": {name: sum(s.steps for s in arm.stages) for name, arm in arms.items()},
            "arms": {
                name: {
                    "title": arm.title,
                    "parameters": arm.system().parameter_count(),
                    "stages": [asdict(stage) for stage in arm.stages],
                }
                for name, arm in arms.items()
                if name in claim.arms
            },
            "minutes": sum(seconds) / 60,
            **claims.judge(claim.measures, claim.comparisons, answers),
        }
        return {
            "protocol": claims.PROTOCOL,
            "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "commit": report.commit(),
            "host": report.host(),
            "versions": {**report.versions(), "torch": torch.__version__},
            "data": {
                name: {
                    **asdict(pictures.scaled(self.scale)),
                    "pictures": len(albums[name]),
                    "people": len(albums[name].people()),
                    "fingerprint": albums[name].fingerprint,
                }
                for name, pictures in claim.pictures.items()
            },
            "results": report.rounded(results),
        }


def require_apart(claim: Claim, albums: Mapping[str, Album]) -> None:
    """Raise InputError where somebody is in two splits."""
    splits: dict[str, set[int]] = {}
    for name, made in albums.items():
        splits.setdefault(claim.pictures[name].split, set()).update(made.people())
    for name, people in splits.items():
        for other, others in splits.items():
            if name < other and people & others:
                raise InputError(f"{len(people & others)} people are in both {name} and {other}")


def _pace(arm: Arm, stage: Stage, made: Album) -> float:
    """Seconds of a step."""
    from mien.train import optimise
    from mien.train.data import Passes

    system = arm.system()
    learned = optimise.select(system, stage)
    optimise.set_modes(system, set(learned.values()))
    batch = Passes(Shuffled(made, system, stage, 0), stage)[0]
    if not isinstance(batch, Mapping):
        raise batch
    begun = 0.0
    for step in range(1 + TRIAL):
        if step == 1:  # the first one warms up
            begun = time.perf_counter()
        terms = system.losses(batch)
        torch.stack([w * terms[term] for term, w in stage.losses.items()]).sum().backward()
    return (time.perf_counter() - begun) / TRIAL


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
