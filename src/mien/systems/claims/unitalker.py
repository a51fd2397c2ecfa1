"""UniTalker: is one network for all annotations better than one network for each?"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from mien.evaluate.claims import Comparison, Items, Measure
from mien.evaluate.metrics.motion import lip_vertex_error
from mien.face import LANDMARKS
from mien.nn.wav2vec2 import SpeechSizes
from mien.systems.animate.unitalker import (
    ANNOTATIONS,
    OWN,
    UniTalker,
    UniTalkerConfig,
    width,
    word,
)
from mien.systems.claims.album import Album
from mien.systems.claims.claim import BATCH, Arm, Claim
from mien.systems.claims.talks import FRAMES, LOUDEST, SECONDS, Talks
from mien.train.spoken import LIPS, annotation_map
from mien.train.system import Batch, Stage, System

CONFIG = UniTalkerConfig(
    encoder=SpeechSizes.tiny(), annotations=OWN, components=16, speakers=160, width=64, style=8,
    seconds=SECONDS,
)  # fmt: skip
STEPS = 200
NAMES = {"mien_lips": "small", "mien_points": "middle", "mien": "large"}
"""Items of each annotation, by how many people are recorded in it."""


class Apart(System):
    """A network for each annotation; together they see the batches that one for all would see."""

    CARD = UniTalker.CARD
    Config = UniTalkerConfig
    config: UniTalkerConfig

    def __init__(self, config: UniTalkerConfig):
        super().__init__(config)
        self.each = nn.ModuleDict(
            {name: UniTalker(replace(config, annotations=(name,))) for name in config.annotations}
        )

    def of(self, name: str) -> UniTalker:
        """The network of an annotation."""
        part = self.each[name]
        assert isinstance(part, UniTalker)
        return part

    def forward(self, audio: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(self.of(name)(audio)[0] for name in self.each)

    def stages(self) -> list[Stage]:
        return list(_stages())

    def losses(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Means over all clips, as of the network for all; who has no clip learns nothing."""
        total = {name: next(self.parameters()).new_zeros(()) for name in _stages()[0].losses}
        for name in self.each:
            known = batch[word(name)].isfinite().flatten(1).all(1)
            if known.any():
                part = {k: batch[k][known] for k in ("audio", "identity", word(name))}
                for term, value in self.of(name).losses(part).items():
                    total[term] = total[term] + known.float().mean() * value
        return total

    def example(self, count: int) -> dict[str, torch.Tensor]:
        return UniTalker(self.config).example(count)

    def inputs(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        return self.of(next(iter(self.each))).inputs(batch)


def _stages() -> tuple[Stage]:
    """The published second stage, of which the first would warm up an encoder that knows speech."""
    stage = UniTalker(CONFIG).stages()[1]
    return (
        replace(stage, steps=STEPS, batch=8, train=("",), rate=1e-3, schedule="wsd", warmup=20,
                ema=0.98),
    )  # fmt: skip


def lips(name: str, motion: np.ndarray) -> np.ndarray:
    """Where the lips are, mm from where they rest: (T, D) in an annotation -> (T, 40, 3)."""
    if name == "mien":
        motion = motion @ annotation_map("mien_lips")
    elif name == "mien_points":
        motion = motion.reshape(-1, LANDMARKS, 3)[:, LIPS]
    return motion.reshape(-1, len(LIPS), 3)


def answers(system: System, albums: Mapping[str, Album], on: str) -> dict[str, Items]:
    """Squared errors of the lips for voices that are nobody's, from each head."""
    album = albums[on]
    system.eval()
    truth = [lips("mien", curves) for curves in album["curves"]]
    still = [lip_vertex_error(np.zeros_like(true), true, range(len(LIPS))) for true in truth]
    values = {"still": np.array(still)}
    for name, item in NAMES.items():
        part = system.of(name) if isinstance(system, Apart) else system
        assert isinstance(part, UniTalker)
        moved = [lips(name, motion) for motion in _moved(part, name, album["sound"])]
        errors = [lip_vertex_error(m, t, range(len(LIPS))) for m, t in zip(moved, truth,
                                                                          strict=True)]  # fmt: skip
        values[item] = np.array(errors)
    return {"test": Items(album["identity"], values)}


@torch.inference_mode()
def _moved(system: UniTalker, name: str, sound: np.ndarray) -> np.ndarray:
    """The motion (n, FRAMES, D) of an annotation, as the pivot moves."""
    parts = []
    for first in range(0, len(sound), BATCH):
        heard = torch.from_numpy(sound[first : first + BATCH].astype(np.float32) / LOUDEST)
        features = system.audio_encoder(*system.inputs({"audio": heard}))
        code = system.code(name, system.shared(features, FRAMES))
        parts.append(system.offset(name, code).numpy() / ANNOTATIONS[name].scale)
    return np.concatenate(parts).reshape(len(sound), FRAMES, width(name))


def _measure(name: str, title: str) -> Measure:
    return Measure(name, title, lambda items: float(items[name].mean()), "lower", unit="mm²")


CLAIM = Claim(
    system="unitalker",
    statement=(
        "One network with a head for each annotation, trained on all of them, moves lips better "
        "than one network for each annotation, most of all where there is little data."
    ),
    reading=(
        "The paper, lip vertex error of the unified model against one for each data set: -9.8 % "
        "(BIWI, 0.3 h), -9.3 % (VOCASET, 0.6 h), -2.6 % (Multiface, 0.7 h), +6.5 % (HDTF, 5.5 h), "
        "+9.8 % (Chinese speech, 1.2 h). Here 4 people are recorded as points of the lips (small), "
        "12 as points of the whole face (middle) and 48 as curves (large). Both arms see the same "
        "clips in the same order as often: the networks of one arm share the batches of the other. "
        "Speech encoders are small and begin from nothing, while the paper's have heard thousands "
        "of hours; so all of the encoder learns, and there is no stage to warm up its heads. What "
        "is shared here is therefore above all the hearing. After so few steps all are far from "
        "the best they could reach. The rate was tried on validation clips with a larger encoder. "
        "Test voices are new, and moved by the pivot. *Still* is a face that never moves."
    ),
    side=0,
    pictures={
        "train": Talks("talkers", "train", 480),
        "val": Talks("talkers", "val", 48),
        "test": Talks("talkers", "test", 200),
    },
    arms={
        "unified": Arm("one network, three heads", lambda: UniTalker(CONFIG), _stages()),
        "apart": Arm("a network for each annotation", lambda: Apart(CONFIG), _stages()),
    },
    measures=(
        _measure("small", "Lip vertex error, 4 people"),
        _measure("middle", "Lip vertex error, 12 people"),
        _measure("large", "Lip vertex error, 48 people"),
        _measure("still", "Lip vertex error, still"),
    ),
    comparisons=(
        Comparison("small", "unified", "apart", expected="-9.8 % (BIWI)"),
        Comparison("middle", "unified", "apart", expected="-9.3 % (VOCASET)"),
        Comparison("large", "unified", "apart", expected="+6.5 % (HDTF)"),
    ),
    answers=answers,
)  # fmt: skip
