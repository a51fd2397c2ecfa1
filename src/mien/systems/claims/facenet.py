"""FaceNet: which negatives should a triplet have?"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch

from mien.evaluate.claims import Comparison, Items, Measure
from mien.evaluate.metrics.verification import roc_auc, tar_at_far
from mien.nn.triplets import MARGIN, squared_distances
from mien.systems.claims.album import Album, Pictures
from mien.systems.claims.claim import Arm, Claim, each_batch
from mien.systems.represent.facenet import FaceNet, FaceNetConfig
from mien.train.system import Batch, Stage, System

OTHERS = 40  # pictures of other people that each test picture is compared with
CONFIG = FaceNetConfig(size=48, width=0.125, dimensions=64, steps=300)


class Mined(FaceNet):
    """Triplets with a negative of the batch by chance."""

    def losses(self, batch: Batch) -> dict[str, torch.Tensor]:
        (unit,) = self(*self.inputs(batch))
        distance = squared_distances(unit, unit)
        same = batch["identity"][:, None] == batch["identity"]
        anchor, match = (same & ~torch.eye(len(same), dtype=torch.bool)).nonzero(as_tuple=True)
        rank = self.rank(distance.detach()[anchor]).masked_fill(same[anchor], torch.inf)
        gap = distance[anchor, match] - distance[anchor, rank.argmin(1)]
        return {"triplets": (gap + MARGIN).clamp(min=0).mean()}

    def rank(self, distance: torch.Tensor) -> torch.Tensor:
        """The lowest is taken, of the distances (pairs, N) from the pairs' anchors."""
        return torch.rand_like(distance)


class Hardest(Mined):
    """Triplets with the nearest negative of the batch."""

    def rank(self, distance: torch.Tensor) -> torch.Tensor:
        return distance


def _stages() -> tuple[Stage]:
    (stage,) = FaceNet(CONFIG).stages()
    return (replace(stage, batch=64, optimiser="adamw", rate=1e-3, warmup=20, ema=0.99),)


def answers(system: System, albums: Mapping[str, Album], on: str) -> dict[str, Items]:
    assert isinstance(system, FaceNet)
    album = albums[on]
    vectors = np.concatenate(
        [system.predict(image).numpy() for _, image in each_batch(system, album)]
    )
    first, second = pairs(album["identity"])
    score = (vectors[first] * vectors[second]).sum(1)
    person = album["identity"]
    same = person[first] == person[second]
    return {"test": Items(person[first], {"score": score, "same": same})}


def pairs(person: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of one person's pictures, and ``OTHERS`` of other people for each picture."""
    same = person[:, None] == person
    first, second = np.triu(same, 1).nonzero()
    rng = np.random.default_rng(0)
    others = [rng.choice(np.flatnonzero(~row), min(OTHERS, int((~row).sum())), replace=False)
              for row in same]  # fmt: skip
    anchors = np.repeat(np.arange(len(person)), [len(row) for row in others])
    return np.concatenate([first, anchors]), np.concatenate([second, *others])


def _val(items: Items, far: float) -> float:
    return tar_at_far(items["score"], items["same"], far)


def _spread(items: Items) -> float:
    return float(np.mean(1 - items["score"][~items["same"]]))


CLAIM = Claim(
    system="facenet",
    statement=(
        "Triplets with semi-hard negatives, chosen online, teach verification; with negatives by "
        "chance it is learned more slowly, and with the hardest ones from the start the embedding "
        "collapses."
    ),
    reading=(
        "The paper says of the hardest negatives that they can lead to bad local minima early in "
        "training, to a collapsed model, without numbers; it trains with 100 to 200 million "
        "pictures. The spread is half the mean squared distance of different people: 1 where they "
        "are all around the sphere, 0 where all are one point. A few people and steps leave VAL at "
        "strict rates near its floor, so AUC and FAR 1 % are compared."
    ),
    side=CONFIG.size,
    pictures={
        "train": Pictures("people", "train", 1536),
        "val": Pictures("people", "val", 256),
        "test": Pictures("people", "test", 512),
    },
    arms={
        "semi-hard": Arm("the nearest negative that is farther than the positive",
                         lambda: FaceNet(CONFIG), _stages()),
        "random": Arm("a negative by chance", lambda: Mined(CONFIG), _stages()),
        "hardest": Arm("the nearest negative", lambda: Hardest(CONFIG),
                       _stages()),
    },
    measures=(
        Measure("val", "VAL at FAR 0.1 %", lambda items: 100 * _val(items, 1e-3), "higher"),
        Measure("val2", "VAL at FAR 1 %", lambda items: 100 * _val(items, 1e-2), "higher"),
        Measure("auc", "AUC", lambda items: 100 * roc_auc(items["score"], items["same"]), "higher"),
        Measure("spread", "Spread", lambda items: _spread(items), "higher", unit=""),
    ),
    comparisons=(
        Comparison("val2", "semi-hard", "random", expected="better, no number"),
        Comparison("auc", "semi-hard", "random", expected="better, no number"),
        Comparison("auc", "semi-hard", "hardest", expected="better, no number"),
        Comparison("spread", "hardest", "semi-hard", better=False, expected="0: collapse"),
    ),
    answers=answers,
)  # fmt: skip
