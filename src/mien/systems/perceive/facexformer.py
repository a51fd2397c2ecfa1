"""FaceXFormer: one network, one forward, many questions about a face.

Narayan et al. (2025), "FaceXFormer: A Unified Transformer for Facial Analysis". Swin gives maps at
four scales, linear layers bring them to one width and size, and a light decoder lets one token for
each task (one for each class of parsing) and the image read each other in both directions (FaceX,
section 3.2). Small heads turn tokens into answers; parsing is the product of its tokens with the
upsampled image.

Paper and released code differ; ``paper()`` is the network of the released weights: eight tasks,
68 landmarks from one token by an MLP, head pose as three angles, one hyper-network for all parsing
tokens. The paper's own has 68 landmark tokens before an hourglass, pose as a rotation matrix from
nine tokens, and two tasks more, expression and identity, which are here as :meth:`ten_tasks`.
Training was never released. The losses are the paper's, but for landmarks: its STAR loss needs heat
maps, which the released head does not have, so these learn by smooth L1. All weights are 1 (the
paper does not name them). Data sets share batches: a sample counts for what is known of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from mien.data import labels
from mien.find.geometry import box_of
from mien.nn.losses import (
    class_loss,
    dice_loss,
    head_rotation,
    imagenet_normalised,
    margin_logits,
    mean_known,
    presence_loss,
    rotation_angle,
)
from mien.nn.swin import Swin
from mien.nn.two_way import CrossAttention, FourierPositions, TwoWayTransformer
from mien.systems.golden import Golden, Replay
from mien.systems.official import rename
from mien.train.system import Batch, Card, Stage, System, from_box

POINTS = 68
AGES = 8  # decades, the last one open
HEADS = {
    "landmarks": 2 * POINTS, "pose": 3, "attributes": len(labels.ATTRIBUTES), "visibility": 29,
    "age": AGES, "gender": len(labels.GENDERS), "race": len(labels.RACES),
    "expression": len(labels.EXPRESSIONS), "identity": 512,
}  # fmt: skip
"""Numbers that each task's head gives, in the order of the tokens; parsing comes last."""
RELEASED = (*list(HEADS)[:7], "parsing")
OFFICIAL_IDS = {"parsing": 0, "landmarks": 1, "pose": 2, "attributes": 3, "age": 4, "gender": 4,
                "race": 4, "visibility": 5}  # fmt: skip


@dataclass(frozen=True)
class FaceXFormerConfig:
    """``size``: side of the crop; ``swin_*``: the backbone; ``width``, ``hidden``...: the decoder.

    tasks: which are built, in the order of the outputs. cross: how tokens and image attend to each
    other (the paper's ablation). people: of the identity task's classifier, in training only;
    those with larger numbers are nobody that it knows. rate: small for a backbone that was trained
    before.
    """

    size: int = 224
    swin_width: int = 128
    swin_depths: tuple[int, ...] = (2, 2, 18, 2)
    swin_heads: tuple[int, ...] = (4, 8, 16, 32)
    window: int = 7
    drop_path: float = 0.5
    width: int = 256
    depth: int = 2
    heads: int = 8
    hidden: int = 2048
    tasks: tuple[str, ...] = RELEASED
    cross: CrossAttention = "two-way"
    people: int = 93_431
    steps: int = 180_000
    rate: float = 1e-4

    @classmethod
    def paper(cls) -> Self:
        """The released network: Swin-B and eight tasks."""
        return cls()

    @classmethod
    def ten_tasks(cls) -> Self:
        return cls(tasks=(*HEADS, "parsing"))

    @classmethod
    def tiny(cls) -> Self:
        return cls(
            size=64, swin_width=16, swin_depths=(1, 2, 1, 1), swin_heads=(1, 2, 4, 8), window=4,
            drop_path=0.0, width=32, heads=4, hidden=64, tasks=(*HEADS, "parsing"), people=4,
            steps=60, rate=2e-3,
        )  # fmt: skip


class Mlp(nn.Module):
    """Linear layers with ReLUs between them."""

    def __init__(self, *widths: int):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(widths))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers[:-1]:
            x = torch.relu(layer(x))
        return self.layers[-1](x)


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of (N, C, H, W)."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return super().forward(input.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Fusion(nn.Module):
    """Maps of all scales -> one (N, width, H, W) of the finest one's size."""

    def __init__(self, widths: list[int], width: int):
        super().__init__()
        self.linear = nn.ModuleList(nn.Linear(w, width) for w in widths)
        self.fuse = nn.Conv2d(len(widths) * width, width, 1, bias=False)

    def forward(self, maps: list[torch.Tensor]) -> torch.Tensor:
        size = maps[0].shape[2:]
        projected = [
            F.interpolate(linear(m.permute(0, 2, 3, 1)).permute(0, 3, 1, 2), size, mode="bilinear")
            for linear, m in zip(self.linear, maps, strict=True)
        ]
        return self.fuse(torch.cat(projected[::-1], 1))  # the coarsest first


class ParsingHead(nn.Module):
    """Image (N, C, H, W) and class tokens (N, K, C) -> logits (N, K, 4 H, 4 W)."""

    def __init__(self, width: int):
        super().__init__()
        self.upscale = nn.Sequential(
            nn.ConvTranspose2d(width, width // 4, 2, 2),
            ChannelNorm(width // 4, 1e-6),
            nn.GELU(),
            nn.ConvTranspose2d(width // 4, width // 8, 2, 2),
            nn.GELU(),
        )
        self.hyper = Mlp(width, width, width, width // 8)

    def forward(self, image: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        pixels = self.upscale(image)
        return (self.hyper(tokens) @ pixels.flatten(2)).unflatten(2, pixels.shape[2:])


class FaceXFormer(System):
    """(N, 3, S, S) RGB 0..1 -> the raw outputs of the config's tasks, in their order.

    landmarks (N, 136): x, y of 68 points from -1 to 1 across the crop; pose (N, 3): pitch, yaw,
    roll in radians; parsing (N, 11, S, S), attributes (N, 40), visibility (N, 29), age (N, 8),
    gender (N, 2), race (N, 5), expression (N, 7): logits; identity (N, 512): an embedding.
    """

    CARD = Card(
        slug="facexformer",
        title="FaceXFormer: a unified transformer for facial analysis",
        task="analysis",
        venue="ICCV 2025",
        arxiv="2403.12960",
        repository="https://github.com/Kartik-3004/facexformer",
        code_licence="MIT (theirs); Apache-2.0 (this implementation)",
        weights_licence="MIT",
    )
    Config = FaceXFormerConfig
    CROP = "the face's box, half as large again along each axis, stretched to a square"
    STATE_KEY = "state_dict_backbone"
    config: FaceXFormerConfig

    def __init__(self, config: FaceXFormerConfig):
        super().__init__(config)
        width = config.width
        # Its last norm is among the published parameters, but nothing depends on it.
        self.backbone = Swin(
            config.swin_width, config.swin_depths, config.swin_heads, config.window,
            config.drop_path,
        )  # fmt: skip
        widths = [config.swin_width * 2**i for i in range(len(config.swin_depths))]
        self.fusion = Fusion(widths, width)
        self.positions = FourierPositions(width)
        self.tokens = nn.ParameterDict(
            {t: torch.randn(_token_count(t), width) for t in config.tasks}
        )  # fmt: skip
        self.decoder = TwoWayTransformer(
            config.depth, width, config.heads, config.hidden, config.cross
        )
        self.heads = nn.ModuleDict(
            {t: Mlp(width, width, width, HEADS[t]) for t in config.tasks if t in HEADS}
        )
        self.parsing = ParsingHead(width) if "parsing" in config.tasks else None
        if "identity" in config.tasks:
            self.people = nn.Parameter(torch.randn(config.people, HEADS["identity"]))

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        answers = self.answer(self.fused(imagenet_normalised(image)))
        return tuple(answers[task] for task in self.config.tasks)

    def fused(self, image: torch.Tensor) -> torch.Tensor:
        """F (N, width, S / 4, S / 4) of ImageNet-normalised pictures (section 3.2)."""
        return self.fusion(self.backbone(image))

    def decode(
        self, features: torch.Tensor, tasks: tuple[str, ...]
    ) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        """The tokens (N, 1 or classes, width) of each task, and the image, after they have met."""
        start = torch.cat([self.tokens[task] for task in tasks])[None]
        places = self.positions(*features.shape[2:])
        tokens, image = self.decoder(start.expand(features.shape[0], -1, -1), features, places)
        parts = tokens.split([_token_count(task) for task in tasks], 1)
        return dict(zip(tasks, parts, strict=True)), image

    def answer(
        self, features: torch.Tensor, tasks: tuple[str, ...] | None = None
    ) -> dict[str, torch.Tensor]:
        """Raw outputs of some tasks (default: all that were built).

        Tokens see each other: with fewer of them answers differ a little from those of all.
        """
        tokens, image = self.decode(features, tasks or self.config.tasks)
        answers = {task: self.heads[task](t[:, 0]) for task, t in tokens.items() if task in HEADS}
        if "parsing" in tokens and self.parsing is not None:
            answers["parsing"] = self.parsing(image, tokens["parsing"])
        return answers

    def stages(self) -> list[Stage]:
        """Published: 12 epochs, AdamW, rate 1e-4 divided by 10 after epochs 6 and 10."""
        return [
            Stage(
                name="all-tasks", data="faces", losses=dict.fromkeys(self.config.tasks, 1.0),
                steps=self.config.steps, batch=384, rate=self.config.rate, weight_decay=1e-5,
                schedule="step", drops=(6 / 12, 10 / 12),
            )
        ]  # fmt: skip

    def losses(self, batch: Batch) -> dict[str, torch.Tensor]:
        """A term for each task; a sample counts where its label is known."""
        (image,) = self.inputs(batch)
        answers = dict(zip(self.config.tasks, self(image), strict=True))
        return {task: self._loss(task, answer.float(), batch) for task, answer in answers.items()}

    def _loss(self, task: str, answer: torch.Tensor, batch: Batch) -> torch.Tensor:
        match task:
            case "parsing":
                truth = batch["parsing"]
                return (class_loss(answer, truth) + dice_loss(answer, truth)) / 2
            case "landmarks":
                truth = 2 * batch["landmarks_68"] / self.config.size - 1
                known = truth.isfinite()
                error = F.smooth_l1_loss(
                    answer.view_as(truth), truth.nan_to_num(), reduction="none", beta=0.01
                )
                return mean_known(error, known)
            case "pose":
                known = batch["pose"].isfinite().all(1)
                truth = torch.deg2rad(batch["pose"].nan_to_num())
                turned = head_rotation(answer[:, [1, 0, 2]])
                return mean_known(rotation_angle(turned, head_rotation(truth)), known)
            case "attributes" | "visibility":
                return presence_loss(answer, batch[task])
            case "age":
                return _age_loss(answer, batch["age"])
            case "identity":
                who = batch["identity"]
                who = torch.where(who < len(self.people), who, labels.UNKNOWN)
                return class_loss(margin_logits(answer, self.people, who), who)
            case "expression":
                return class_loss(answer, batch["emotion"])
            case _:
                return class_loss(answer, batch[task])

    def example(self, count: int) -> dict[str, torch.Tensor]:
        size = self.config.size
        return {
            "image": torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8),
            "landmarks_68": torch.rand(count, POINTS, 2) * size,
            "pose": torch.randn(count, 3) * 20,
            "parsing": torch.randint(0, len(labels.PARSING), (count, 1, 1)).repeat(1, size, size),
            "attributes": torch.randint(-1, 2, (count, len(labels.ATTRIBUTES))),
            "visibility": torch.randint(-1, 2, (count, 29)),
            "age": torch.rand(count) * 80,
            "gender": torch.randint(-1, len(labels.GENDERS), (count,)),
            "race": torch.randint(-1, len(labels.RACES), (count,)),
            "emotion": torch.randint(-1, len(labels.EXPRESSIONS), (count,)),
            "identity": torch.arange(count) % self.config.people,
        }

    def inputs(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        return (batch["image"].float() / 255,)

    def crop(self, landmarks: np.ndarray) -> np.ndarray:
        """A quarter of its width and height wider on each side; the shape is not kept."""
        return from_box(box_of(landmarks), self.config.size, margin=0.25)

    def dynamic_axes(self) -> dict[str, dict[int, str]]:
        outputs = [f"output_{i}" for i in range(len(self.config.tasks))]
        return {name: {0: "batch"} for name in ("image", *outputs)}

    @torch.inference_mode()
    def predict(
        self, image: torch.Tensor, tasks: tuple[str, ...] | None = None
    ) -> dict[str, torch.Tensor]:
        """Answers for crops (N, 3, S, S) 0..1, in the units of ``mien.data.labels``.

        landmarks (N, 68, 2) in crop pixels; pose (N, 3) yaw, pitch, roll in degrees; age (N,) in
        years; parsing (N, S, S), gender, race and expression (N,) as classes; attributes and
        visibility as probabilities; identity as a unit vector. The signs of a pose are those that
        the weights were trained with.
        """
        features = self.eval().fused(imagenet_normalised(image))
        answers = self.answer(features, tasks)
        return {task: self._readable(task, answer) for task, answer in answers.items()}

    def _readable(self, task: str, answer: torch.Tensor) -> torch.Tensor:
        match task:
            case "landmarks":
                return (answer.view(-1, POINTS, 2) + 1) * self.config.size / 2
            case "pose":
                return torch.rad2deg(answer[:, [1, 0, 2]])
            case "attributes" | "visibility":
                return answer.sigmoid()
            case "age":
                return _expected_age(answer)
            case "identity":
                return F.normalize(answer)
            case _:
                return answer.argmax(1)

    @classmethod
    def from_official(cls, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The tensors of ``state_dict_backbone`` in the released file."""
        token = r"face_decoder\.(landmarks|pose|visibility|age|gender|race)"
        return rename(_numbered(state), (
            (r".*\.relative_position_index", None),
            (r"backbone\.0\.0\.0\.(.+)", r"backbone.patches.\1"),
            (r"backbone\.0\.0\.2\.(.+)", r"backbone.patch_norm.\1"),
            (r"backbone\.1\.(.+)", r"backbone.norm.\1"),
            (r"backbone\.((?:stages|merges)\..+)\.mlp\.0\.(.+)", r"backbone.\1.mlp.fc1.\2"),
            (r"backbone\.((?:stages|merges)\..+)\.mlp\.3\.(.+)", r"backbone.\1.mlp.fc2.\2"),
            (r"backbone\.((?:stages|merges)\..+)", r"backbone.\1"),
            (r"pe_layer\.(.+)", r"positions.\1"),
            (r"linear_c\.(\d)\.proj\.(.+)", r"fusion.linear.\1.\2"),
            (r"linear_fuse\.(.+)", r"fusion.fuse.\1"),
            (r"face_decoder\.transformer\.(.+)", r"decoder.\1"),
            (r"face_decoder\.attribute_token\.weight", r"tokens.attributes"),
            (token + r"_token\.weight", r"tokens.\1"),
            (r"face_decoder\.mask_tokens\.weight", r"tokens.parsing"),
            (r"face_decoder\.attribute_prediction_head\.(.+)", r"heads.attributes.\1"),
            (token + r"_prediction_head\.(.+)", r"heads.\1.\2"),
            (r"face_decoder\.output_upscaling\.(.+)", r"parsing.upscale.\1"),
            (r"face_decoder\.output_hypernetwork_mlps\.(.+)", r"parsing.hyper.\1"),
        ))  # fmt: skip

    @classmethod
    def replays(cls) -> dict[str, Replay]:
        return {"model": Replay(_recorded_config, _replay)}


def _token_count(task: str) -> int:
    return len(labels.PARSING) if task == "parsing" else 1


def _expected_age(logits: torch.Tensor) -> torch.Tensor:
    """The mean (N,) of the decades' middles, in years, by their probabilities."""
    middles = torch.arange(AGES, device=logits.device) * 10.0 + 5
    return (logits.softmax(1) * middles).sum(1)


def _age_loss(logits: torch.Tensor, years: torch.Tensor) -> torch.Tensor:
    """Mean of the expected age's error, in decades, and the cross-entropy of the decade."""
    known = years.isfinite()
    decade = torch.where(known, (years.nan_to_num() / 10).clamp(0, AGES - 1), -1).long()
    error = (_expected_age(logits) - years.nan_to_num()).abs() / 10
    return (mean_known(error, known) + class_loss(logits, decade)) / 2


def _numbered(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """``backbone.0.1`` ... ``backbone.0.7`` -> stages and merges by turns, each counted from 0."""
    named = {}
    for name, value in state.items():
        parts = name.split(".")
        if name.startswith("backbone.0.") and parts[2] != "0":
            half, odd = divmod(int(parts[2]), 2)
            kind = f"stages.{half}" if odd else f"merges.{half - 1}"
            name = ".".join(["backbone", kind, *parts[3:]])
        named[name] = value
    return named


def _recorded_config(golden: Golden) -> FaceXFormerConfig:
    """The sizes of a published network, from its tensors."""
    shapes = golden.shapes
    layers = range(1, 2 + golden.largest_index("backbone.0"), 2)
    tables = [shapes[f"backbone.0.{i}.0.attn.relative_position_bias_table"] for i in layers]
    width, hidden = shapes["face_decoder.transformer.layers.0.mlp.lin2.weight"]
    return FaceXFormerConfig(
        size=golden.inputs["image"].shape[-1],
        swin_width=shapes["backbone.0.0.0.weight"][0],
        swin_depths=tuple(1 + golden.largest_index(f"backbone.0.{i}") for i in layers),
        swin_heads=tuple(heads for _, heads in tables),
        window=(int(tables[0][0] ** 0.5) + 1) // 2,
        width=width,
        hidden=hidden,
        depth=1 + golden.largest_index("face_decoder.transformer.layers"),
        heads=golden.config.get("decoder", {}).get("num_heads", FaceXFormerConfig.heads),
    )


@torch.no_grad()
def _replay(system: FaceXFormer, golden: Golden) -> dict[str, torch.Tensor]:
    """Each output holds the rows whose task was asked for; one picture serves all rows."""
    image = golden.inputs["image"]
    maps = system.backbone(image)
    features = system.fusion(maps)
    tokens, _ = system.decode(features, system.config.tasks)
    asked = torch.as_tensor(golden.options["tasks"])
    row = torch.arange(len(asked)) if len(image) > 1 else torch.zeros(len(asked), dtype=torch.long)
    published = {"landmarks": "landmark", "pose": "headpose", "attributes": "attribute"}
    outputs = {
        published.get(task, task): answer[row[asked == OFFICIAL_IDS[task]]]
        for task, answer in system.answer(features).items()
    }
    stages = {f"swin_stage{i}": m for i, m in enumerate(maps, 1)}
    return {**outputs, **stages, "fused": features, "tokens": torch.cat(list(tokens.values()), 1)}
