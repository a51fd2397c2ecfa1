"""CLIP deepfake detection: layer norms and one linear layer learn what a frozen CLIP can tell.

Yermakov, Cech and Matas (2025), "Unlocking the Hidden Potential of CLIP in Generalizable Deepfake
Detection", and its successor GenD (WACV 2026). Of CLIP ViT-L/14's image tower only the layer norms
are trained (LN-tuning, 0.03 % of the parameters), and a linear layer on features that are kept on
the unit sphere. Features of one class are mixed along the sphere's great circles (slerp); the
losses of Wang and Isola (2020), alignment of a class and uniformity of all, may be added.

Followed is the code that made the released weights: the feature is the normed class token, not
CLIP's projection of it; logits are those of a unit feature, without a temperature; and alignment
and uniformity are written down but weigh nothing (GenD: 0.1 and 0.5). Released files hold every
norm twice, as it was and as it was tuned (PEFT); here there is the tuned one alone.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from mien.face import DLIB_68
from mien.find import geometry
from mien.nn.clip import ClipVision, Sizes, from_openai, normalised
from mien.systems.golden import Golden, Replay
from mien.systems.guard.mien_guard import Forgery
from mien.systems.official import rename
from mien.train.system import Batch, Card, Published, Stage, System

REAL, FAKE = 0, 1  # the classes of the published head
POINTS = DLIB_68[[37, 44, 30, 49, 55]]
"""The landmarks that DeepfakeBench aligns by: eyes, nose tip, corners of the mouth."""
PLACES = np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655],
                   [70.7299, 92.2041]]) / 112  # fmt: skip
"""Where they come to lie, in parts of a crop that is then enlarged by ``SCALE``."""
SCALE = 1.3
TOWER = r"(?:feature_extractor\.)?(?:base_model\.model\.)?vision_model\."


@dataclass(frozen=True)
class ClipDeepfakeConfig:
    """The sizes of the tower; and what is learned.

    normalised: whether the head sees unit features. slerp: mix features of one class in training.
    alignment, uniformity: weights of the losses on the sphere.
    """

    size: int = 224
    patch: int = 14
    width: int = 1024
    depth: int = 24
    heads: int = 16
    hidden: int = 4096
    normalised: bool = True
    slerp: bool = True
    alignment: float = 0.0
    uniformity: float = 0.0
    steps: int = 9000

    @classmethod
    def paper(cls) -> Self:
        """CLIP ViT-L/14."""
        return cls()

    @classmethod
    def gend(cls) -> Self:
        """The successor's recipe for the same tower: both losses on the sphere, no slerp."""
        return cls(slerp=False, alignment=0.1, uniformity=0.5)

    @classmethod
    def tiny(cls) -> Self:
        return cls(size=32, patch=8, width=64, depth=2, heads=2, hidden=128, normalised=False,
                   slerp=False, alignment=0.1, steps=60)  # fmt: skip


class ClipDeepfake(System):
    """(N, 3, S, S) RGB 0..1 -> logits (N, 2): real, forged."""

    CARD = Card(
        slug="clip-deepfake",
        title="Unlocking the hidden potential of CLIP in generalizable deepfake detection",
        task="forgery",
        venue="arXiv 2025; GenD: WACV 2026",
        arxiv="2503.19683",
        repository="https://github.com/yermandy/deepfake-detection",
        code_licence="MIT",
        weights_licence="MIT; trained on FaceForensics++ (research only)",
        weights=("clip-deepfake", "gend-clip"),
    )
    Config = ClipDeepfakeConfig
    CROP = "aligned by eyes, nose and mouth as DeepfakeBench does, enlarged by 1.3"
    STATE_KEY = "state_dict"
    config: ClipDeepfakeConfig

    def __init__(self, config: ClipDeepfakeConfig):
        super().__init__(config)
        self.tower = ClipVision(
            config.size, config.patch, config.width, config.depth, config.heads, config.hidden
        )
        self.head = nn.Linear(config.width, 2)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (self.classified(self.feature(normalised(image))),)

    def feature(self, image: torch.Tensor) -> torch.Tensor:
        """The feature (N, width), not yet of unit length, of pictures as CLIP takes them."""
        return self.tower.pooled(self.tower(image)).float()

    def classified(self, feature: torch.Tensor) -> torch.Tensor:
        """Logits (N, 2) of features (N, width)."""
        return self.head(F.normalize(feature) if self.config.normalised else feature).float()

    def stages(self) -> list[Stage]:
        """Norms and head; AdamW from 8e-5, 10 epochs of FaceForensics++ in batches of 128."""
        weights = {"classes": 1.0, "alignment": self.config.alignment,
                   "uniformity": self.config.uniformity}  # fmt: skip
        return [
            Stage(
                name="norms", data="forgeries", steps=self.config.steps, batch=128,
                losses={name: weight for name, weight in weights.items() if weight},
                train=(*(f"tower.{name}." for name in self.tower.norms()), "head."),
                rate=8e-5, schedule="cosine", warmup=0,
            )
        ]  # fmt: skip

    def losses(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Terms of what is known to be real or forged."""
        known = batch["forged"] >= 0
        truth = batch["forged"][known]
        feature = self.feature(normalised(*self.inputs(batch))[known])
        if self.config.slerp and self.training:
            feature = mixed_in_classes(feature, truth)
        unit = F.normalize(feature)
        classes = F.cross_entropy(self.classified(feature), truth, reduction="sum")
        return {
            "classes": classes / known.sum().clamp(min=1),
            "alignment": alignment(unit, truth),
            "uniformity": uniformity(unit),
        }

    def example(self, count: int) -> dict[str, torch.Tensor]:
        size = self.config.size
        return {
            "image": torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8),
            "forged": torch.arange(count) % 2,
        }

    def inputs(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        return (batch["image"].float() / 255,)

    def dynamic_axes(self) -> dict[str, dict[int, str]]:
        return {name: {0: "batch"} for name in ("image", "output_0")}

    def crop(self, landmarks: np.ndarray) -> np.ndarray:
        places = ((PLACES - 0.5) / SCALE + 0.5) * self.config.size
        return geometry.fit_similarity(places, np.asarray(landmarks)[POINTS, :2])

    @torch.inference_mode()
    def predict(self, image: torch.Tensor) -> Forgery:
        """Of crops (N, 3, S, S) 0..1.

        ``where`` is what the head says of each patch's token, which it was not trained for: a hint.
        """
        self.eval()
        tokens = self.tower(normalised(image))
        logits = self.classified(self.tower.pooled(tokens))
        patches = self.classified(self.tower.post_layernorm(tokens[:, 1:]).flatten(0, 1))
        side = self.config.size // self.config.patch
        where = patches.softmax(-1)[:, FAKE].view(-1, side, side)
        return Forgery(logits[:, FAKE] - logits[:, REAL], where)

    @classmethod
    def published(cls, state: Mapping[str, torch.Tensor]) -> Published:
        """A trained detector, or a CLIP without a head to start from."""
        found = cls.from_official(state)
        shapes = {n.removeprefix("tower."): tuple(v.shape) for n, v in found.items()}
        whole = "head.weight" in found
        return Published(_config(shapes), () if whole else ("head.",), predicts=whole)

    @classmethod
    def from_official(cls, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The authors' checkpoints, GenD's, and CLIP itself by transformers, OpenAI or OpenCLIP.

        Where a norm is there twice, the tuned one counts. Text towers and projections are left out.
        """
        if any(name.startswith("visual.transformer.") for name in state):
            return {f"tower.{name}": value for name, value in from_openai(state).items()}
        return rename(
            state,
            (
                (rf"{TOWER}.+\.base_layer\.(?:weight|bias)", None),
                (rf"{TOWER}(.+)\.ln_tuning_layers\.default\.(weight|bias)", r"tower.\1.\2"),
                (rf"{TOWER}embeddings\.position_ids", None),
                (rf"{TOWER}(.+)", r"tower.\1"),
                (r"model\.linear\.(weight|bias)", r"head.\1"),
                (r"(?:.+\.)?(?:visual_projection|text_projection|text_model)\..+", None),
                (r"(?:.+\.)?logit_scale", None),
            ),
        )

    @classmethod
    def replays(cls) -> dict[str, Replay]:
        return {
            "model": Replay(_recorded_config, _replay_model),
            "ops": Replay(lambda _: ClipDeepfakeConfig.tiny(), _replay_ops, ("tower.", "head.")),
        }


# -- on the sphere ---------------------------------------------------------------------------------


def slerp(first: torch.Tensor, second: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Points (N, d) of the unit sphere, ``share`` (N, 1) of the way from one vector to another."""
    first, second = F.normalize(first), F.normalize(second)
    cosine = (first * second).sum(1, keepdim=True).clamp(-1 + 1e-6, 1 - 1e-6)
    angle = torch.acos(cosine)
    weights = ((1 - share) * angle).sin(), (share * angle).sin()
    return (weights[0] * first + weights[1] * second) / angle.sin()


def mixed_in_classes(feature: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Each feature (N, d) moved by chance towards another one of its class."""
    partner = torch.arange(len(truth), device=truth.device)
    for one in truth.unique():
        own = (truth == one).nonzero()[:, 0]
        partner[own] = own[torch.randperm(len(own), device=own.device)]
    share = torch.rand(len(truth), 1, device=feature.device, dtype=feature.dtype)
    return slerp(feature, feature[partner], share)


def alignment(unit: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Mean squared distance of unit vectors (N, d) of one class; 0 where no class has two."""
    pairs = (truth[:, None] == truth).triu(1)
    gaps = (unit[:, None] - unit).square().sum(-1)
    return (gaps * pairs).sum() / pairs.sum().clamp(min=1)


def uniformity(unit: torch.Tensor) -> torch.Tensor:
    """Log of the mean of exp(-2 d²) over all pairs of unit vectors (N, d); 0 for fewer than two."""
    if len(unit) < 2:
        return unit.sum() * 0
    first, second = torch.triu_indices(len(unit), len(unit), 1, device=unit.device)
    gaps = (unit[first] - unit[second]).square().sum(1)
    return (-2 * gaps).exp().mean().clamp(min=1e-6).log()


# -- golden files ----------------------------------------------------------------------------------


def _config(shapes: Mapping[str, tuple[int, ...]], unit: bool = True) -> ClipDeepfakeConfig:
    return ClipDeepfakeConfig(**Sizes.of(shapes)._asdict(), normalised=unit)


def _recorded_config(golden: Golden) -> ClipDeepfakeConfig:
    shapes = {re.sub(rf"^{TOWER}", "", name): shape for name, shape in golden.shapes.items()}
    head = golden.options.get("build", {}).get("head", "LinearNorm")
    return _config(shapes, unit=head == "LinearNorm")


@torch.no_grad()
def _replay_model(system: ClipDeepfake, golden: Golden) -> dict[str, torch.Tensor]:
    tower = system.tower
    tokens = list(tower.encoder.each(tower.embed(golden.inputs["image"])))
    feature = tower.pooled(tokens[-1])
    logits = system.classified(feature)
    return {
        "logits": logits, "probs": logits.softmax(-1), "features": F.normalize(feature),
        "pooler_output": feature,
        **{f"layer{i}_tokens": value for i, value in enumerate(tokens)},
    }  # fmt: skip


def _replay_ops(system: ClipDeepfake, golden: Golden) -> dict[str, torch.Tensor]:
    given = golden.inputs
    unit = F.normalize(given["embeddings"])
    return {
        "slerp": slerp(given["A"], given["B"], given["t"]),
        "alignment": alignment(unit, given["labels"]),
        "uniformity": uniformity(unit),
    }
