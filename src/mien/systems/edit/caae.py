"""CAAE: one photo without a label becomes the same person at ten ages.

Zhang, Song and Qi (2017), "Age Progression/Regression by Conditional Adversarial Autoencoder". An
encoder maps a face to a point z of a cube; a generator draws the face from z, an age group and a
gender (section 3.2). One critic sees z and a uniform prior, so that the cube has no holes; another
sees pictures with their labels, so that what is drawn looks like a photograph of that age.

Followed is the published code. The generator is never trained on an age other than the true one:
that z forgets the age is what makes the age a handle. Labels are -1 and 1 and are repeated until
they are as long as z. The shipped weights of the losses leave the prior out (``prior=0``); the
paper's text has it, and here it is on, with a weight of the size that the authors advise for
pictures. TensorFlow pads strided convolutions by one pixel before and two behind.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import torch
from torch import nn
from torch.nn import functional as F

from mien.nn.frozen import frozen, learns
from mien.systems.official import rename
from mien.train.system import Batch, Card, Stage, System, Turn

GROUPS = (0, 6, 11, 16, 21, 31, 41, 51, 61, 71)
"""The first year of each age group."""
GENDERS = 2
BEHIND = (1, 2, 1, 2)  # padding of TensorFlow's "SAME" for kernels of 5 and strides of 2


@dataclass(frozen=True)
class CaaeConfig:
    """``z``: length of the code; ``widths`` of the encoder, the generator has them backwards.

    tail: widths of the generator's last layers. critic: of the picture critic. image, prior,
    variation: weights of what fools the picture critic, of what fools the critic of codes, and of
    the drawn picture's total variation. deviation: standard deviation of all first weights.
    """

    size: int = 128
    z: int = 50
    widths: tuple[int, ...] = (64, 128, 256, 512, 1024)
    tail: tuple[int, ...] = (32, 16)
    codes: tuple[int, ...] = (64, 32, 16)
    critic: tuple[int, ...] = (16, 32, 64, 128)
    judge: int = 1024
    image: float = 1e-4
    prior: float = 1e-4
    variation: float = 0.0
    deviation: float = 0.02
    batch: int = 100
    steps: tuple[int, int] = (2_370, 11_850)

    @classmethod
    def paper(cls) -> Self:
        """10 and 50 epochs of UTKFace."""
        return cls()

    @classmethod
    def tiny(cls) -> Self:
        return cls(size=32, z=10, widths=(8, 16, 16), tail=(8, 8), codes=(8, 8, 8),
                   critic=(8, 8, 8), judge=16, deviation=0.1, batch=16, steps=(40, 40))  # fmt: skip


class Down(nn.Conv2d):
    """A 5 x 5 convolution that halves the size."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__(inputs, outputs, 5, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return super().forward(F.pad(x, BEHIND))


class Up(nn.ConvTranspose2d):
    """The transpose of such a convolution: it doubles the size."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__(inputs, outputs, 5, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return super().forward(x)[..., 1:-2, 1:-2]


class Encoder(nn.Module):
    """(N, 3, S, S) in -1..1 -> codes (N, z) in -1..1."""

    def __init__(self, config: CaaeConfig):
        super().__init__()
        widths = (3, *config.widths)
        self.conv = nn.ModuleList(Down(i, o) for i, o in pairwise(widths))
        side = config.size >> len(config.widths)
        self.fc = nn.Linear(widths[-1] * side**2, config.z)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        for conv in self.conv:
            image = torch.relu(conv(image))
        return torch.tanh(self.fc(image.flatten(1)))


class Generator(nn.Module):
    """Codes (N, z) and labels (N, labels), as long as they are repeated -> (N, 3, S, S)."""

    def __init__(self, config: CaaeConfig):
        super().__init__()
        self.side = config.size >> len(config.widths)
        widths = (*config.widths[::-1], config.tail[0])
        self.fc = nn.Linear(config.z + labels_of(config.z), widths[0] * self.side**2)
        grown = [Up(i, o) for i, o in pairwise(widths)]
        same = [nn.ConvTranspose2d(i, o, 5, 1, 2) for i, o in pairwise((*config.tail, 3))]
        self.deconv = nn.ModuleList([*grown, *same])

    def forward(self, code: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.fc(torch.cat([code, label], 1)))
        x = x.unflatten(1, (-1, self.side, self.side))
        *inner, last = self.deconv
        for deconv in inner:
            x = torch.relu(deconv(x))
        return torch.tanh(last(x))


class Norm(nn.Module):
    """Batch norm that shifts and does not scale, of (N, C) or (N, C, H, W)."""

    moving_mean: torch.Tensor
    moving_variance: torch.Tensor

    def __init__(self, width: int):
        super().__init__()
        self.beta = nn.Parameter(torch.zeros(width))
        self.register_buffer("moving_mean", torch.zeros(width))
        self.register_buffer("moving_variance", torch.ones(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean, variance = self.moving_mean, self.moving_variance
        # As published: statistics are the batch's in training, and what moves is never kept.
        given = (None, None) if self.training else (mean, variance)
        return F.batch_norm(x, *given, None, self.beta, self.training, eps=1e-3)


class CodeCritic(nn.Module):
    """Codes (N, z) -> logits (N,): from the prior, not from the encoder."""

    def __init__(self, config: CaaeConfig):
        super().__init__()
        widths = (config.z, *config.codes)
        self.fc = nn.ModuleList(nn.Linear(i, o) for i, o in pairwise((*widths, 1)))
        self.bn = nn.ModuleList(Norm(width) for width in config.codes)

    def forward(self, code: torch.Tensor) -> torch.Tensor:
        for fc, norm in zip(self.fc, self.bn, strict=False):
            code = torch.relu(norm(fc(code)))
        return self.fc[-1](code)[:, 0]


class ImageCritic(nn.Module):
    """(N, 3, S, S) and labels -> logits (N,): a photograph with its labels, not drawn."""

    def __init__(self, config: CaaeConfig):
        super().__init__()
        first, *others = config.critic
        told = len(GROUPS) + repeats(len(GROUPS)) * GENDERS
        widths = (first + told, *others)
        self.conv = nn.ModuleList([Down(3, first), *(Down(i, o) for i, o in pairwise(widths))])
        self.bn = nn.ModuleList(Norm(width) for width in config.critic)
        side = config.size >> len(config.critic)
        self.fc1 = nn.Linear(config.critic[-1] * side**2, config.judge)
        self.fc2 = nn.Linear(config.judge, 1)

    def forward(self, image: torch.Tensor, age: torch.Tensor, gender: torch.Tensor) -> torch.Tensor:
        told = torch.cat([age, gender.repeat(1, repeats(len(GROUPS)))], 1)[..., None, None]
        for number, (conv, norm) in enumerate(zip(self.conv, self.bn, strict=True)):
            image = torch.relu(norm(conv(image)))
            if number == 0:
                image = torch.cat([image, told.expand(-1, -1, *image.shape[2:])], 1)
        return self.fc2(F.leaky_relu(self.fc1(image.flatten(1)), 0.2))[:, 0]


def repeats(length: int) -> int:
    """How often a gender is repeated to be as long as a code."""
    return length // GENDERS


def labels_of(z: int) -> int:
    """The length of the labels beside a code: both are repeated to be as long as it."""
    return len(GROUPS) * max(1, z // len(GROUPS)) + GENDERS * repeats(z)


class Caae(System):
    """(N, 15, S, S) -> (N, 3, S, S) RGB 0..1.

    Given are RGB 0..1 and planes of the labels, -1 or 1: 10 of the age group, 2 of the gender.
    """

    CARD = Card(
        slug="caae",
        title="Age progression/regression by conditional adversarial autoencoder",
        task="aging",
        venue="CVPR 2017",
        arxiv="1702.08423",
        repository="https://github.com/ZZUTK/Face-Aging-CAAE",
        code_licence="none stated (the authors'); Apache-2.0 (this implementation)",
        weights_licence="none stated; trained on UTKFace (non-commercial research)",
    )
    Config = CaaeConfig
    CROP = "the upright square about the landmarks, half as large again as they are"
    config: CaaeConfig

    def __init__(self, config: CaaeConfig):
        super().__init__(config)
        self.encoder, self.generator = Encoder(config), Generator(config)
        self.code_critic, self.image_critic = CodeCritic(config), ImageCritic(config)
        for part in self.modules():
            if isinstance(part, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
                std = config.deviation
                nn.init.trunc_normal_(part.weight, std=std, a=-2 * std, b=2 * std)
                nn.init.zeros_(part.bias)  # type: ignore[arg-type]

    def forward(self, given: torch.Tensor) -> tuple[torch.Tensor, ...]:
        image, age, gender = apart(given)
        return ((self.draw(self.encoder(image), age, gender).float() + 1) / 2,)

    def draw(self, code: torch.Tensor, age: torch.Tensor, gender: torch.Tensor) -> torch.Tensor:
        """Faces (N, 3, S, S) in -1..1 of codes (N, z)."""
        length = code.shape[1]
        ages = age.repeat(1, max(1, length // len(GROUPS)))
        return self.generator(code, torch.cat([ages, gender.repeat(1, repeats(length))], 1))

    def stages(self) -> list[Stage]:
        """An autoencoder first, as the authors advise, then the critics beside it."""
        common: dict[str, Any] = {"rate": 2e-4, "optimiser": "adam", "betas": (0.5, 0.999),
                                  "schedule": "constant", "warmup": 0}  # fmt: skip
        own, first = ("encoder.", "generator."), {"reconstruction": 1.0}
        weights = {"image_fooled": self.config.image, "prior_fooled": self.config.prior,
                   "variation": self.config.variation}  # fmt: skip
        losses = first | {name: weight for name, weight in weights.items() if weight}
        turns = (
            Turn(name="face", train=own, losses=losses, **common),
            Turn(name="codes", train=("code_critic.",), losses={"prior": 1.0}, **common),
            Turn(name="pictures", train=("image_critic.",), losses={"image": 1.0}, **common),
        )
        stage: dict[str, Any] = {"data": "faces", "batch": self.config.batch}
        pretrain, whole = self.config.steps
        return [
            Stage(name="autoencoder", steps=pretrain, train=own, losses=first, **stage, **common),
            Stage(name="adversarial", steps=whole, turns=turns, **stage),
        ]

    def losses(self, batch: Batch) -> dict[str, torch.Tensor]:
        """The terms of whichever parts learn; faces without age or gender are left out."""
        known = batch["age"].isfinite() & (batch["gender"] >= 0)
        if not known.any():
            nothing = torch.stack([p.sum() for p in self.parameters()]).sum() * 0
            return dict.fromkeys(TERMS, nothing)
        image, age, gender = apart(self.inputs(batch)[0][known])
        if not learns(self.encoder):
            with frozen(self.encoder), frozen(self.generator):
                code = self.encoder(image)
                return self._judged(image, self.draw(code, age, gender), code, age, gender)
        code = self.encoder(image)
        drawn = self.draw(code, age, gender)
        fooled = self.image_critic(drawn, age, gender), self.code_critic(code)
        terms = {
            "reconstruction": (drawn - image).abs().mean(),
            "image_fooled": _called(fooled[0], True),
            "prior_fooled": _called(fooled[1], True),
            "variation": total_variation(drawn),
        }
        return terms | self._judged(image, drawn.detach(), code.detach(), age, gender)

    def _judged(
        self, image: torch.Tensor, drawn: torch.Tensor, code: torch.Tensor, age: torch.Tensor,
        gender: torch.Tensor,
    ) -> dict[str, torch.Tensor]:  # fmt: skip
        """What the critics learn: from pictures that are given, and codes of the prior."""
        prior = torch.rand_like(code) * 2 - 1
        real, fake = (self.image_critic(picture, age, gender) for picture in (image, drawn))
        return {
            "prior": _called(self.code_critic(prior), True)
            + _called(self.code_critic(code), False),
            "image": _called(real, True) + _called(fake, False),
        }

    def example(self, count: int) -> dict[str, torch.Tensor]:
        size = self.config.size
        smooth = F.interpolate(torch.rand(count, 3, 2, 2), (size, size), mode="bilinear")
        return {
            "image": (255 * smooth).to(torch.uint8),
            "age": torch.linspace(1, 80, count),
            "gender": torch.arange(count) % GENDERS,
        }

    def inputs(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        return (together(batch["image"].float() / 255, batch["age"], batch["gender"]),)

    def dynamic_axes(self) -> dict[str, dict[int, str]]:
        return {name: {0: "batch"} for name in ("image", "output_0")}

    @torch.inference_mode()
    def predict(self, image: torch.Tensor, age: float, gender: torch.Tensor) -> torch.Tensor:
        """Crops (N, 3, S, S) 0..1 of these people at an age in years.

        gender: (N,) 0 male, 1 female, which the network wants to be told.
        """
        ages = torch.full((len(image),), float(age), device=image.device)
        return self.eval()(together(image, ages, gender.to(image.device)))[0]

    @classmethod
    def from_official(cls, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The authors' TensorFlow variables by name, saved as safetensors.

        Kernels become (out, in, h, w), and what is flattened has its channels first.
        """
        named = rename(
            state,
            (
                (r"E_conv(\d)/(w|b)", r"encoder.conv.\1.\2"),
                (r"E_fc/(w|b)", r"encoder.fc.\1"),
                (r"G_deconv(\d)/(w|b)", r"generator.deconv.\1.\2"),
                (r"G_fc/(w|b)", r"generator.fc.\1"),
                (r"D_z_(fc|bn)(\d)/(.+)", r"code_critic.\1.\2.\3"),
                (r"D_img_(conv|bn)(\d)/(.+)", r"image_critic.\1.\2.\3"),
                (r"D_img_(fc\d)/(w|b)", r"image_critic.\1.\2"),
            ),
        )
        return dict(_laid_out(name, value, named) for name, value in named.items())


TERMS = ("reconstruction", "image_fooled", "prior_fooled", "variation", "prior", "image")


def together(image: torch.Tensor, age: torch.Tensor, gender: torch.Tensor) -> torch.Tensor:
    """Pictures (N, 3, S, S) with planes of what their ages (N,) and genders (N,) are."""
    genders = F.one_hot(gender.clamp(min=0), GENDERS).float() * 2 - 1
    labels = torch.cat([age_labels(age), genders], 1)[..., None, None]
    return torch.cat([image, labels.expand(-1, -1, *image.shape[2:])], 1)


def apart(given: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Pictures (N, 3, S, S) -1..1 and labels (N, 10), (N, 2) of what :func:`together` gives."""
    image, age, gender = given.split((3, len(GROUPS), GENDERS), 1)
    return image * 2 - 1, age[..., 0, 0], gender[..., 0, 0]


def age_labels(age: torch.Tensor) -> torch.Tensor:
    """(N, 10) of ages (N,) in years: 1 in the place of the group, -1 elsewhere."""
    bounds = torch.tensor(GROUPS[1:], device=age.device, dtype=torch.float32)
    group = torch.bucketize(age.nan_to_num().floor(), bounds, right=True)
    return F.one_hot(group, len(GROUPS)).float() * 2 - 1


def total_variation(image: torch.Tensor) -> torch.Tensor:
    """As published, of (N, 3, H, W): half the sums of squared steps, by height and width."""
    down, right = image.diff(dim=2), image.diff(dim=3)
    total = down.square().sum() / image.shape[2] + right.square().sum() / image.shape[3]
    return total / (2 * len(image))


def _called(logits: torch.Tensor, real: bool) -> torch.Tensor:
    """Cross-entropy of logits (N,) with what they should say."""
    wanted = torch.full_like(logits, float(real))
    return F.binary_cross_entropy_with_logits(logits.float(), wanted.float())


def _laid_out(
    name: str, value: torch.Tensor, whole: Mapping[str, torch.Tensor]
) -> tuple[str, torch.Tensor]:
    """A TensorFlow variable under its name and in its layout here."""
    part, _, kind = name.rpartition(".")
    if kind not in ("w", "b"):
        return name, value
    if value.ndim == 4:  # (h, w, in, out), of transposed convolutions (h, w, out, in): as ours
        value = value.permute(3, 2, 0, 1)
    elif part == "generator.fc":
        value = _channels_first(value.T if kind == "w" else value, _width(whole, "G"))
    elif kind == "w":
        flattened = {"encoder.fc": "E", "image_critic.fc1": "D"}.get(part)
        value = value if flattened is None else _channels_first(value, _width(whole, flattened))
        value = value.T
    return f"{part}.{'weight' if kind == 'w' else 'bias'}", value.contiguous()


def _width(whole: Mapping[str, torch.Tensor], network: str) -> int:
    """The channels of the map that a network flattens, or begins to draw from."""
    if network == "G":
        return int(whole["generator.deconv.0.w"].shape[3])
    start = "encoder.conv." if network == "E" else "image_critic.conv."
    last = max(name for name in whole if name.startswith(start) and name.endswith(".w"))
    return int(whole[last].shape[3])


def _channels_first(value: torch.Tensor, width: int) -> torch.Tensor:
    """Rows of (h, w, c) as rows of (c, h, w); for a vector as well."""
    side = round((value.shape[0] / width) ** 0.5)
    rows = value.view(side, side, width, -1).permute(2, 0, 1, 3).flatten(0, 2)
    return rows.view_as(value)
