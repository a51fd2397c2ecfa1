"""FMAE-IAT: a face encoder pre-trained by masking, then taught action units but not identity.

Ning, Salah and Onal Ertugrul (2025), "Representation Learning and Identity Adversarial Training
for Facial Behavior Understanding". Written from the method, the paper's body was not at hand.

Stage 1, FMAE: a masked autoencoder (He et al. 2022) sees a quarter of a face's patches and draws
the others. Stage 2, IAT: the encoder learns action units from the mean of its patch tokens, while a
linear head tries to tell the training subjects apart and its gradient reaches the encoder reversed
and scaled by λ, so that what the detector uses is not who the person is.

As in the code that made the published weights: positions are fixed in stage 1 and learned in stage
2; the identity loss is binary cross-entropy per subject, not a softmax; λ scales the gradient of
the encoder alone. Here, other than there, labels that are unknown are left out, not taken for
negative.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import torch
from torch import nn
from torch.nn import functional as F

from mien.data.labels import ACTION_UNITS
from mien.nn.drop_path import whole_paths
from mien.nn.frozen import learns
from mien.nn.gradient_reversal import reverse_gradient
from mien.nn.losses import imagenet_normalised, mean_known, presence_loss
from mien.nn.vit import EPSILON, Block, VisionTransformer, initialise, sincos_positions
from mien.systems.golden import Golden, Replay
from mien.systems.official import rename
from mien.train.system import Batch, Card, Published, Stage, System

BP4D = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)
DISFA = (1, 2, 4, 6, 9, 12, 25, 26)
HEADS = {384: 6, 768: 12, 1024: 16, 1280: 16}  # of the published widths


@dataclass(frozen=True)
class FmaeConfig:
    """``size``: side of the picture; ``patch``: of a patch; the rest names the parts' sizes.

    action_units: the units that are told, by number; outputs: how many logits there are, if the
    head is not for action units. subjects: people of the identity head, 0 for none; reversal: λ.
    """

    size: int = 224
    patch: int = 16
    width: int = 1024
    depth: int = 24
    heads: int = 16
    decoder_width: int = 512
    decoder_depth: int = 8
    decoder_heads: int = 16
    mask_ratio: float = 0.75
    normed_target: bool = True
    drop_path: float = 0.1
    action_units: tuple[int, ...] = BP4D
    outputs: int | None = None
    subjects: int = 41
    reversal: float = 2.0
    steps: tuple[int, int] = (878_900, 45_000)

    @classmethod
    def paper(cls) -> Self:
        """ViT-L with the heads of BP4D."""
        return cls()

    @classmethod
    def base(cls) -> Self:
        return cls(width=768, depth=12, heads=12)

    @classmethod
    def small(cls) -> Self:
        return cls(width=384, depth=12, heads=6)

    @classmethod
    def tiny(cls) -> Self:
        return cls(
            size=32, patch=8, width=48, depth=2, heads=3, decoder_width=32, decoder_depth=1,
            decoder_heads=2, drop_path=0.0, subjects=4, reversal=0.5, steps=(60, 60),
        )  # fmt: skip


class Reconstruction(NamedTuple):
    """What the masked autoencoder makes of pictures of P patches."""

    loss: torch.Tensor  # mean squared error of the hidden patches
    pixels: torch.Tensor  # (N, P, patch² * 3), normed as the target is
    mask: torch.Tensor  # (N, P), 1 where hidden
    latent: torch.Tensor  # (N, 1 + visible, width)
    order: torch.Tensor  # (N, P), place of each patch among the shuffled ones


class Decoder(nn.Module):
    """Draws all patches from the encoded visible ones, mask tokens standing for the others."""

    positions: torch.Tensor

    def __init__(self, config: FmaeConfig):
        super().__init__()
        width, side = config.decoder_width, config.size // config.patch
        self.embed = nn.Linear(config.width, width)
        self.mask_token = nn.Parameter(torch.empty(1, 1, width))
        self.register_buffer("positions", sincos_positions(width, side)[None])
        self.blocks = nn.ModuleList(
            Block(width, config.decoder_heads) for _ in range(config.decoder_depth)
        )
        self.norm = nn.LayerNorm(width, EPSILON)
        self.pred = nn.Linear(width, config.patch**2 * 3)
        nn.init.normal_(self.mask_token, std=0.02)
        initialise(self)

    def forward(self, latent: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
        tokens = self.embed(latent)
        n, visible, width = tokens.shape
        hidden = self.mask_token.expand(n, order.shape[1] + 1 - visible, width)
        patches = torch.cat([tokens[:, 1:], hidden], 1)
        patches = patches.gather(1, order[..., None].expand(-1, -1, width))
        tokens = torch.cat([tokens[:, :1], patches], 1) + self.positions
        for block in self.blocks:
            tokens = block(tokens)
        return self.pred(self.norm(tokens))[:, 1:]


class FmaeIat(System):
    """(N, 3, S, S) RGB 0..1 -> logits (N, A) of the action units in the config's order."""

    CARD = Card(
        slug="fmae-iat",
        title="FMAE-IAT: face masked autoencoder with identity adversarial training",
        task="action-units",
        venue="FG 2025",
        arxiv="2407.11243",
        repository="https://github.com/forever208/FMAE-IAT",
        code_licence="CC-BY-NC-4.0 (theirs); Apache-2.0 (this implementation)",
        weights_licence="CC-BY-NC-4.0",
    )
    Config = FmaeConfig
    CROP = "the picture of a head, not aligned, resized to a square"
    STATE_KEY = "model"
    config: FmaeConfig

    def __init__(self, config: FmaeConfig):
        super().__init__(config)
        self.encoder = VisionTransformer(
            config.size, config.patch, config.width, config.depth, config.heads, config.drop_path
        )
        self.norm = nn.LayerNorm(config.width, EPSILON)
        self.decoder = Decoder(config)
        self.fc_norm = nn.LayerNorm(config.width, EPSILON)
        self.head = nn.Linear(config.width, config.outputs or len(config.action_units))
        self.identity_head = nn.Linear(config.width, config.subjects) if config.subjects else None
        self.columns = [ACTION_UNITS.index(unit) for unit in config.action_units]
        for head in filter(None, (self.head, self.identity_head)):
            nn.init.trunc_normal_(head.weight, std=2e-5)
            nn.init.zeros_(head.bias)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (self.head(self.feature(imagenet_normalised(image))),)

    def feature(self, image: torch.Tensor) -> torch.Tensor:
        """The representation (N, width) of ImageNet-normalised pictures."""
        return self.pooled(self.encoder(image))

    def pooled(self, tokens: torch.Tensor) -> torch.Tensor:
        """The normed mean (N, width) of the patch tokens, without the class token."""
        return self.fc_norm(tokens[:, 1:].mean(1))

    def identity(self, feature: torch.Tensor) -> torch.Tensor:
        """Logits (N, subjects) of a head that pushes the encoder away from knowing them."""
        assert self.identity_head is not None
        return self.identity_head(reverse_gradient(feature, self.config.reversal))

    def reconstruct(self, image: torch.Tensor, noise: torch.Tensor) -> Reconstruction:
        """Hide the patches with the larger ``noise`` (N, P) and draw them from the others.

        ``image`` is ImageNet-normalised.
        """
        patches = self.encoder.embed(image)
        _, count, width = patches.shape
        visible = int(count * (1 - self.config.mask_ratio))
        shuffled = noise.argsort(1)
        order = shuffled.argsort(1)
        kept = patches.gather(1, shuffled[:, :visible, None].expand(-1, -1, width))
        mask = (order >= visible).to(image.dtype)
        with whole_paths(self.encoder):  # as published: only fine-tuning drops any
            latent = self.norm(self.encoder.mix(kept))
        drawn = self.decoder(latent, order)
        error = (drawn.float() - self._target(image)).square().mean(-1)
        return Reconstruction((error * mask).sum() / mask.sum(), drawn, mask, latent, order)

    def _target(self, image: torch.Tensor) -> torch.Tensor:
        """The pixels (N, P, patch² * 3) of all patches; each patch normed if the config says so."""
        patch = self.config.patch
        cells = image.unfold(2, patch, patch).unfold(3, patch, patch)  # (N, 3, rows, columns, p, p)
        pixels = cells.permute(0, 2, 3, 4, 5, 1).flatten(3).flatten(1, 2)
        if not self.config.normed_target:
            return pixels
        variance, mean = torch.var_mean(pixels, -1, keepdim=True)
        return (pixels - mean) / (variance + 1e-6).sqrt()

    def stages(self) -> list[Stage]:
        """Published: AdamW, cosine rates; stage 2 with RandAugment and erasing."""
        encoder = ("encoder.patch_embed", "encoder.cls_token", "encoder.blocks")
        pretrain, finetune = self.config.steps
        return [
            Stage(
                name="pretrain", data="faces", losses={"reconstruction": 1.0}, steps=pretrain,
                batch=512, rate=3e-4, weight_decay=0.05, betas=(0.9, 0.95), schedule="cosine",
                warmup=pretrain // 25,
                train=(*encoder, "norm", "decoder"),
            ),
            Stage(
                name="action-units", data="faces", steps=finetune, batch=64,
                losses={"action_units": 1.0, **({"identity": 1.0} if self.identity_head else {})},
                rate=1.25e-4, weight_decay=0.05, layer_decay=0.65, schedule="cosine",
                warmup=finetune // 10,
                train=("encoder", "fc_norm", "head", "identity_head"),
            ),
        ]  # fmt: skip

    def layer(self, name: str) -> int:
        """The embedding, the blocks one by one, and all that comes after them."""
        block = re.match(r"encoder\.blocks\.(\d+)\.", name)
        if block:
            return 1 + int(block[1])
        return 0 if name.startswith("encoder.") else 1 + self.config.depth

    def losses(self, batch: Batch) -> dict[str, torch.Tensor]:
        """The terms of whichever parts learn: the decoder's, the heads', or all."""
        image = imagenet_normalised(*self.inputs(batch))
        terms = {}
        if learns(self.decoder):
            terms["reconstruction"] = self.reconstruct(image, batch["mask_noise"]).loss
        if learns(self.head):
            feature = self.feature(image)
            truth = batch["action_units"][:, self.columns]
            terms["action_units"] = presence_loss(self.head(feature), truth)
            if self.identity_head is not None:
                terms["identity"] = self._identity_loss(feature, batch["identity"])
        return terms

    def _identity_loss(self, feature: torch.Tensor, identity: torch.Tensor) -> torch.Tensor:
        known = identity >= 0
        target = F.one_hot(identity.clamp(min=0), self.config.subjects).float()
        logits = self.identity(feature).float()
        loss = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
        return mean_known(loss.mean(1), known)

    def example(self, count: int) -> dict[str, torch.Tensor]:
        size, patches = self.config.size, (self.config.size // self.config.patch) ** 2
        return {
            "image": torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8),
            "mask_noise": torch.rand(count, patches),
            "action_units": torch.randint(-1, 2, (count, len(ACTION_UNITS))),
            "identity": torch.arange(count) % max(self.config.subjects, 1),
        }

    def inputs(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        return (batch["image"].float() / 255,)

    def dynamic_axes(self) -> dict[str, dict[int, str]]:
        return {name: {0: "batch"} for name in ("image", "output_0")}

    @torch.inference_mode()
    def predict(self, image: torch.Tensor) -> dict[int, torch.Tensor]:
        """Probability (N,) of each action unit, by its number, of pictures (N, 3, S, S) 0..1."""
        (logits,) = self.eval()(image)
        return dict(zip(self.config.action_units, logits.sigmoid().unbind(1), strict=True))

    @classmethod
    def published(cls, state: Mapping[str, torch.Tensor]) -> Published:
        """A masked autoencoder, its encoder alone, or a fine-tuned encoder with its heads."""
        shapes = {name: tuple(value.shape) for name, value in state.items()}
        told = shapes.get("head.weight", (len(BP4D),))[0]
        units = {len(BP4D): BP4D, len(DISFA): DISFA}
        config = FmaeConfig(
            **_encoder_sizes(shapes), **_decoder_sizes(shapes),
            subjects=shapes.get("ID_head.weight", (0,))[0],
            action_units=units.get(told, BP4D), outputs=None if told in units else told,
        )  # fmt: skip
        parts = {"decoder_": "decoder", "norm.": "norm", "fc_norm.": "fc_norm", "head.": "head",
                 "ID_head.": "identity_head"}  # fmt: skip
        absent = tuple(
            part for start, part in parts.items()
            if not any(name.startswith(start) for name in state)
        )  # fmt: skip
        return Published(config, absent, predicts=not {"fc_norm", "head"} & {*absent})

    @classmethod
    def from_official(cls, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """A published FMAE, or a fine-tuned encoder with its head and, in training, ID head."""
        return rename(
            state,
            (
                (r"(cls_token|pos_embed|patch_embed\..+|blocks\..+)", r"encoder.\1"),
                (r"mask_token", "decoder.mask_token"),
                (r"decoder_pos_embed", "decoder.positions"),
                (r"decoder_(embed|blocks|norm|pred)\.(.+)", r"decoder.\1.\2"),
                (r"(norm|fc_norm|head)\.(.+)", r"\1.\2"),
                (r"ID_head\.(.+)", r"identity_head.\1"),
            ),
        )

    @classmethod
    def replays(cls) -> dict[str, Replay]:
        return {
            "mae": Replay(_recorded_config, _replay_mae, absent=("fc_norm", "head", "identity")),
            "au": Replay(_recorded_config, _replay_au, absent=("norm", "decoder")),
        }


def _encoder_sizes(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """The sizes of a published encoder, from its tensors."""
    width, _, patch, _ = shapes["patch_embed.proj.weight"]
    blocks = {int(name.split(".")[1]) for name in shapes if name.startswith("blocks.")}
    return {
        "size": patch * round((shapes["pos_embed"][1] - 1) ** 0.5),
        "patch": patch,
        "width": width,
        "depth": len(blocks),
        "heads": HEADS.get(width, max(1, width // 64)),
    }


def _decoder_sizes(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """The sizes of a published decoder, from its tensors; nothing where there is none."""
    if "decoder_embed.weight" not in shapes:
        return {}
    names = (name.split(".") for name in shapes if name.startswith("decoder_blocks."))
    width = shapes["decoder_embed.weight"][0]
    return {
        "decoder_width": width,
        "decoder_depth": len({int(name[1]) for name in names}),
        "decoder_heads": max(1, width // 32),
    }


def _recorded_config(golden: Golden) -> FmaeConfig:
    """The sizes of a published network: from its tensors, heads from the recorded names."""
    shapes, options = golden.shapes, golden.options
    build = options.get("build", {})
    arch = str(golden.config.get("arch", ""))
    told = re.search(r"\((\d+)/(\d+)/(\d+), decoder (\d+)/(\d+)/(\d+)\)", arch)
    common = {**_encoder_sizes(shapes), "depth": 1 + golden.largest_index("blocks")}
    if told:
        common["heads"] = int(told[3])
    if golden.network == "mae":
        decoder = _decoder_sizes(shapes)
        if told:
            decoder["decoder_heads"] = int(told[6])
        return FmaeConfig(
            mask_ratio=float(options["mask_ratio"]),
            normed_target=bool(options["norm_pix_loss"]),
            subjects=0,
            **common,
            **decoder,
        )
    subjects = shapes["ID_head.weight"][0] if "ID_head.weight" in shapes else 0
    return FmaeConfig(
        outputs=shapes["head.weight"][0],
        subjects=subjects,
        reversal=float(build.get("grad_reverse", 0.0)),
        **common,
    )


def _replay_mae(system: FmaeIat, golden: Golden) -> dict[str, torch.Tensor]:
    with torch.no_grad():
        drawn = system.reconstruct(golden.inputs["image"], golden.inputs["noise"])
    return {
        "loss": drawn.loss, "pred": drawn.pixels, "mask": drawn.mask, "latent": drawn.latent,
        "ids_restore": drawn.order,
    }  # fmt: skip


def _replay_au(system: FmaeIat, golden: Golden) -> dict[str, torch.Tensor]:
    """With the gradient of all logits' sum at the bias of the last norm, which shows λ."""
    with torch.no_grad():
        tokens = system.encoder(golden.inputs["image"])
    feature = system.pooled(tokens)
    outputs = {"au": system.head(feature)}
    if system.identity_head is not None:
        outputs["id"] = system.identity(feature)
    total = torch.stack([logits.sum() for logits in outputs.values()]).sum()
    (gradient,) = torch.autograd.grad(total, system.fc_norm.bias)
    return {
        **outputs, "grad_fc_norm_bias": gradient, "tokens_last_block": tokens, "feature": feature,
    }  # fmt: skip
