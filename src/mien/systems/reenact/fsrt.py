"""FSRT: a face drawn anew, pixel by pixel, as another face moves.

Rochow, Schwarz and Behnke (2024), "FSRT: Facial Scene Representation Transformer for Face
Reenactment from Factorized Appearance, Head-pose, and Facial Expression Features". A transformer
turns one or more pictures of a person into a set of tokens; a second one reads this set for every
pixel of the new picture, which it asks for by its place, by ten keypoints of the driving face and
by a vector of its expression. Nothing is warped: no flow, no pixel is copied.

That the expression says nothing of who shows it, nothing forces but how it is learned: by other
colours, crops and frames for the vector than for the picture, and by statistics of the vectors.

Written from a description of the published code; the numbers are the code's. Where this differs:

- Keypoints there come from a First Order Motion Model that others trained. Here the detector may
  first learn points of the face (stage "keypoints"); with ``--start kp_detector.pt`` leave it out.
- The rate stays after its warm-up, where there it falls to 0.63 of itself within a million steps.
- Jitter comes in one order of brightness, contrast, saturation and hue, and hues turn in YIQ.
- Crops that would throw keypoints too far out are not drawn again: the picture stays whole.
"""

import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

import cv2
import numpy as np
import torch
from torch.nn import functional as F

from mien.errors import InputError
from mien.nn.augment import boxes_of, colour_jitter, cropped, grown, random_boxes, within
from mien.nn.fomm import KeypointDetector, Keypoints, PatchCritic
from mien.nn.frozen import frozen, learns
from mien.nn.losses import covariance_loss, mean_known, variance_loss
from mien.nn.perceptual import Judge, Vgg19, feature_distance
from mien.nn.scene import ExpressionEncoder, PixelDecoder, SetEncoder, pixel_grid, query_width
from mien.systems import official
from mien.systems.golden import Golden, Replay
from mien.systems.judges import judge
from mien.train.system import Batch, Card, Published, Stage, System, Turn

CHUNK = 8192  # pixels that are decoded together
POINTS = (0, 8, 16, 27, 30, 33, 36, 39, 42, 45)  # of the 68: what a detector made here finds
DRIVER_MARGIN = (0.0, 0.25, 0.0, 0.05)  # left, top, right, bottom, in sides of the face's box
PAIR_MARGIN = (0.2, 0.5, 0.2, 0.15)
FARTHEST = 2.0  # how far out of the picture, at 1, keypoints may lie
PARTS = ("kp_detector", "expression_encoder", "encoder", "decoder", "discriminator")
GENERATOR = ("expression_encoder.", "encoder.", "decoder.")
REGULAR = {"invariance": 1.0, "variance": 0.2, "covariance": 1.0}


@dataclass(frozen=True)
class FsrtConfig:
    """``size``: side of pictures; ``sources``: pictures of the person while it learns.

    expression: numbers of the vector. detector: width, levels, widest and shrinking of the
    keypoint detector; maps: of each keypoint, in the expression encoder. width, blocks: first
    channels and halvings of the encoder's convolutions; depth, heads: of its transformer.
    reads, read_heads, read_hidden: layers, heads and perceptron of the decoder's; render: widths of
    its last perceptron. head_width: of all attention. pixels: learned from in the first stage.
    critic: its widths. perceptual: file with weights of VGG-19; without one its stage is left out.
    regulariser: "vicreg" is the textbook's, over the batch and without the diagonal.
    """

    size: int = 256
    sources: int = 1
    keypoints: int = 10
    expression: int = 256
    detector: tuple[int, int, int, int] = (32, 5, 1024, 4)
    maps: int = 32
    width: int = 96
    blocks: int = 3
    depth: int = 5
    heads: int = 12
    head_width: int = 64
    reads: int = 2
    read_heads: int = 12
    read_hidden: int = 1536
    render: tuple[int, ...] = (1536, 1536, 1536, 1536)
    pixels: int = 4096
    critic: tuple[int, ...] = (128, 256, 512, 512)
    perceptual: str = ""
    regulariser: Literal["published", "vicreg"] = "published"
    batch: int = 24
    steps: tuple[int, int, int, int, int] = (100_000, 200_000, 300_000, 500, 500_000)

    @classmethod
    def paper(cls) -> Self:
        """$MIEN_VGG19: file with the weights of the perceptual loss."""
        return cls(perceptual=os.environ.get("MIEN_VGG19", ""))

    @classmethod
    def small_decoder(cls) -> Self:
        """Published as well, and faster."""
        return replace(cls.paper(), read_heads=6, read_hidden=768, render=(1536, 768))

    @classmethod
    def tiny(cls) -> Self:
        return cls(
            size=32, keypoints=4, expression=8, detector=(4, 2, 16, 2), maps=2, width=4, depth=1,
            heads=2, head_width=16, reads=1, read_heads=2, read_hidden=32, render=(32, 32),
            pixels=256, critic=(4, 8), steps=(60, 60, 60, 10, 60),
        )  # fmt: skip


class Drive(NamedTuple):
    """How a face is held: keypoints (N, P, 2) and expression (N, e)."""

    keypoints: torch.Tensor
    expression: torch.Tensor


class Views(NamedTuple):
    """N pairs after augmentation.

    sources: (N, K, 3, S, S), what the encoder sees, with keypoints (N, K, P, 2) and expressions
    (N, K, e). target: (N, 3, S, S). drive: of the target. first, second: expressions
    (N, K + 1, e) of the same faces in other pictures, the target's last.
    """

    sources: torch.Tensor
    keypoints: torch.Tensor
    expressions: torch.Tensor
    target: torch.Tensor
    drive: Drive
    first: torch.Tensor
    second: torch.Tensor


class Person(NamedTuple):
    """A person to be drawn: tokens (1, T, C), and keypoints (P, 2) of the first picture."""

    tokens: torch.Tensor
    keypoints: torch.Tensor


class Fsrt(System):
    """(N, K + 1, 3, S, S) RGB 0..1, K pictures of a person and a driving one -> (N, 3, S, S).

    The output is not clamped.
    """

    CARD = Card(
        slug="fsrt",
        title="FSRT: facial scene representation transformer for face reenactment",
        task="reenactment",
        venue="CVPR 2024",
        arxiv="2404.09736",
        repository="https://github.com/andrerochow/fsrt",
        code_licence="none published (all rights reserved); Apache-2.0 (this implementation)",
        weights_licence="none published (all rights reserved)",
    )
    Config = FsrtConfig
    CROP = "the upright square about the landmarks, half as large again"
    config: FsrtConfig

    def __init__(self, config: FsrtConfig):
        super().__init__(config)
        width, levels, widest, shrink = config.detector
        self.kp_detector = KeypointDetector(config.keypoints, width, levels, widest, shrink)
        self.expression_encoder = ExpressionEncoder(
            self.kp_detector.hourglass.channels, config.keypoints, config.maps, config.expression
        )
        query = query_width(config.keypoints, config.expression)
        self.encoder = SetEncoder(
            3 + query, config.width, config.blocks, config.depth, config.heads, config.head_width
        )
        self.decoder = PixelDecoder(
            query, self.encoder.width, config.reads, config.read_heads, config.head_width,
            config.read_hidden, config.render,
        )  # fmt: skip
        self.discriminator = PatchCritic(config.keypoints, config.critic)

    def forward(self, views: torch.Tensor) -> tuple[torch.Tensor, ...]:
        if views.ndim != 5 or views.shape[1] < 2:
            raise ValueError(f"expected (N, K + 1, 3, S, S), not {tuple(views.shape)}")
        drive = self.drive(views[:, -1])
        return (self.paint(self.encode(views[:, :-1]), drive, self.config.size),)

    def detect(self, image: torch.Tensor) -> Keypoints:
        """What the detector sees in pictures; to all else it is a fixed function."""
        with frozen(self.kp_detector):
            return self.kp_detector(image)

    def drive(self, image: torch.Tensor) -> Drive:
        """How faces in pictures (N, 3, S, S) are held."""
        seen = self.detect(image)
        return Drive(seen.points, self.expression_encoder(seen))

    def encode(self, sources: torch.Tensor) -> torch.Tensor:
        """The tokens (N, T, C) of persons, of each from K pictures (N, K, 3, S, S)."""
        held = self.drive(sources.flatten(0, 1))
        keypoints, expressions = (x.unflatten(0, (-1, sources.shape[1])) for x in held)
        return self.encoder(sources, keypoints, expressions)

    def paint(self, tokens: torch.Tensor, drive: Drive, size: int) -> torch.Tensor:
        """Whole pictures (N, 3, size, size), some pixels at a time."""
        count = drive.keypoints.shape[0]
        places = pixel_grid(size, tokens.device).flatten(0, 1).expand(count, -1, -1)
        chunks = (places[:, first : first + CHUNK] for first in range(0, size**2, CHUNK))
        parts = [self.decoder(chunk, *drive, tokens) for chunk in chunks]
        return torch.cat(parts, 1).transpose(1, 2).unflatten(2, (size, size))

    def stages(self) -> list[Stage]:
        """Published: Adam at 1e-4 after a warm-up, in three phases; here "keypoints" before them.

        The critic learns for a while before the generator hears of it.

        Raises InputError where the file of the perceptual loss does not hold its network.
        """
        keypoints, pixels, whole, early, adversarial = self.config.steps
        common: dict[str, Any] = {"optimiser": "adam", "rate": 1e-4, "schedule": "constant",
                                  "warmup": 2500, "clip": 0.0}  # fmt: skip
        stage: dict[str, Any] = {"data": "people", "batch": self.config.batch}
        losses = {"mse": 1.0, **REGULAR}
        judged = {**losses, **({"perceptual": 0.01} if self._perceptual else {})}
        critic = Turn(name="critic", train=("discriminator.",), losses={"critic": 0.001}, **common)
        fooled = {**judged, "adversarial": 0.001, "matching": 0.01}
        learn, fool = (
            Turn(name="generator", train=GENERATOR, losses=terms, **common)
            for terms in (judged, fooled)
        )
        stages = [
            Stage(name="keypoints", steps=keypoints, train=("kp_detector.",),
                  losses={"keypoints": 1.0}, **stage, **common),
            Stage(name="pixels", steps=pixels, train=GENERATOR, losses=losses, **stage, **common),
            Stage(name="perceptual", steps=whole, train=GENERATOR, losses=judged, **stage,
                  **common),
            Stage(name="critic", steps=early, turns=(learn, critic), **stage),
            Stage(name="adversarial", steps=adversarial, turns=(fool, critic), **stage),
        ]  # fmt: skip
        return [s for s in stages if s.name != "perceptual" or self._perceptual]

    def losses(self, batch: Batch) -> dict[str, torch.Tensor]:
        """The terms that the turn asks for; of a batch with several pictures of each person."""
        terms = {}
        if learns(self.kp_detector) and self.wants("keypoints"):
            terms["keypoints"] = self._keypoint_loss(batch)
        if self.wants("mse", *REGULAR, "critic"):
            terms |= self._drawn_losses(batch)
        return terms

    def _keypoint_loss(self, batch: Batch) -> torch.Tensor:
        """The detector finds ``POINTS``; faces whose points are unknown do not count."""
        image = batch["image"].float() / 255
        points = batch["landmarks_68"][:, POINTS[: self.config.keypoints]]
        wanted = points * (2 / self.config.size) - 1
        gap = self.kp_detector(image).points - wanted.nan_to_num()
        return mean_known(gap.square(), wanted.isfinite())

    def _drawn_losses(self, batch: Batch) -> dict[str, torch.Tensor]:
        whole = self.wants("perceptual", "adversarial", "matching", "critic")
        (pairs,) = self.inputs(batch)
        views = self.augmented(pairs, boxes_of(batch["landmarks_68"], self.config.size))
        if not any(map(learns, (self.expression_encoder, self.encoder, self.decoder))):
            with torch.no_grad():
                fake = self.paint(self._tokens(views), views.drive, self.config.size)
            return {"critic": self._critic_loss(views, fake)}
        tokens = self._tokens(views)
        terms = self._regularity(views)
        if whole:
            picture, error = self._stitched(views, tokens)
            return {**terms, "mse": error, **self._whole_losses(views, picture)}
        picks = torch.randint(self.config.size**2, (len(pairs), self.config.pixels))
        found, wanted = self._some(views, tokens, picks.to(pairs.device))
        return {**terms, "mse": (found - wanted).square().mean()}

    def _tokens(self, views: Views) -> torch.Tensor:
        return self.encoder(views.sources, views.keypoints, views.expressions)

    def _some(
        self, views: Views, tokens: torch.Tensor, picks: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Drawn and true colours (N, Q, 3) of the pixels of these numbers (N, Q)."""
        places = pixel_grid(self.config.size, tokens.device).flatten(0, 1)[picks]
        true = views.target.flatten(2).transpose(1, 2)
        return self.decoder(places, *views.drive, tokens), true.gather(
            1, picks[..., None].expand(-1, -1, 3)
        )

    def _stitched(self, views: Views, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Whole pictures with a gradient at every second pixel of every second row; their error."""
        size = self.config.size
        with torch.no_grad():
            picture = self.paint(tokens, views.drive, size).clone()
        row, column = torch.randint(2, (2,)).tolist()
        every = (slice(None), slice(None), slice(row, None, 2), slice(column, None, 2))
        numbers = torch.arange(size**2, device=tokens.device).view(1, 1, size, size)[every]
        found, wanted = self._some(views, tokens, numbers.reshape(1, -1).expand(len(tokens), -1))
        picture[every] = found.transpose(1, 2).unflatten(2, numbers.shape[2:])
        return picture, (found - wanted).square().mean()

    def _whole_losses(self, views: Views, picture: torch.Tensor) -> dict[str, torch.Tensor]:
        terms = {}
        if self._perceptual and self.wants("perceptual"):
            terms["perceptual"] = feature_distance(self._perceptual, picture, views.target)
        if self.wants("adversarial", "matching"):
            score, maps = self.discriminator(picture, views.drive.keypoints)
            with torch.no_grad():
                _, true = self.discriminator(views.target, views.drive.keypoints)
            gaps = [(m - t).abs().mean() for m, t in zip(maps, true, strict=True)]
            terms["adversarial"] = (1 - score).square().mean()
            terms["matching"] = torch.stack(gaps).sum()
        if learns(self.discriminator) and self.wants("critic"):
            terms["critic"] = self._critic_loss(views, picture.detach())
        return terms

    def _critic_loss(self, views: Views, fake: torch.Tensor) -> torch.Tensor:
        """Least squares (Mao et al. 2017)."""
        real, _ = self.discriminator(views.target, views.drive.keypoints)
        made, _ = self.discriminator(fake, views.drive.keypoints)
        return (1 - real).square().mean() + made.square().mean()

    def _regularity(self, views: Views) -> dict[str, torch.Tensor]:
        """Both pictures of a face give one vector; vectors vary, and their numbers tell apart."""
        both = views.first, views.second
        source, driver = (
            F.mse_loss(both[0][:, part], both[1][:, part]) for part in (slice(-1), slice(-1, None))
        )
        textbook = self.config.regulariser == "vicreg"
        vectors = [view.flatten(0, 1) for view in both]
        return {
            "invariance": (source + driver) / 2,
            "variance": sum_of(variance_loss(v, over_batch=textbook) for v in vectors),
            "covariance": sum_of(covariance_loss(v, diagonal=not textbook) for v in vectors),
        }

    def augmented(self, pairs: torch.Tensor, faces: torch.Tensor) -> Views:
        """Pairs as they are learned from.

        pairs: (N, K + 1, 3, S, S). faces: (N, K + 1, 4), boxes in -1..1; a first source's box that
        is the whole picture keeps it whole.
        """
        flip = torch.rand(len(pairs), device=pairs.device) < 0.5
        pairs = torch.where(flip[:, None, None, None, None], pairs.flip(-1), pairs)
        mirrored = faces[..., [2, 1, 0, 3]] * faces.new_tensor((-1, 1, -1, 1))
        faces = torch.where(flip[:, None, None], mirrored, faces)
        seen, other, third = (colour_jitter(pairs) for _ in range(3))
        first, second = self._held(seen), self._held(other)
        part = cropped(third[:, -1], random_boxes(grown(faces[:, -1], DRIVER_MARGIN)))
        parted = self.drive(part).expression
        full = (first if torch.rand(()) < 0.5 else second).expression[:, -1]
        chosen = torch.where(torch.rand(len(pairs), 1, device=pairs.device) < 0.75, parted, full)
        frame = self._frames(grown(faces[:, 0], PAIR_MARGIN))
        cut = cropped(seen.flatten(0, 1), frame.repeat_interleave(pairs.shape[1], 0))
        cut = cut.unflatten(0, pairs.shape[:2])
        points = within(second.keypoints, frame[:, None, None])
        return Views(
            sources=cut[:, :-1],
            keypoints=points[:, :-1],
            expressions=second.expression[:, :-1],
            target=cut[:, -1],
            drive=Drive(points[:, -1], chosen),
            first=torch.cat([first.expression[:, :-1], full[:, None]], 1),
            second=torch.cat([second.expression[:, :-1], parted[:, None]], 1),
        )

    def _held(self, views: torch.Tensor) -> Drive:
        """Keypoints (N, K, P, 2) and expressions (N, K, e) of (N, K, 3, S, S)."""
        return Drive(*(x.unflatten(0, views.shape[:2]) for x in self.drive(views.flatten(0, 1))))

    @staticmethod
    def _frames(kept: torch.Tensor) -> torch.Tensor:
        """What of each pair is shown (N, 4): of half of them a part, which holds the source."""
        frame = random_boxes(kept)
        whole = frame.new_tensor((-1.0, -1.0, 1.0, 1.0))
        far = within(whole.view(2, 2).expand(len(frame), -1, -1), frame[:, None])
        used = (torch.rand(len(frame), device=frame.device) < 0.5) & (
            far.abs().amax((1, 2)) <= FARTHEST
        )
        return torch.where(used[:, None], frame, whole)

    @cached_property
    def _perceptual(self) -> Judge | None:
        return judge(Vgg19, self.config.perceptual)

    def pictures(self, batch: Batch) -> dict[str, torch.Tensor]:
        """A source, the driving picture, and what is made of both."""
        (pairs,) = self.inputs(batch)
        (made,) = self(pairs)
        return {"source": pairs[:, 0], "driving": pairs[:, -1], "made": made.clamp(0, 1)}

    def example(self, count: int) -> dict[str, torch.Tensor]:
        size = self.config.size
        face = torch.rand(count, 68, 2) * size / 2 + size / 4
        return {
            "image": torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8),
            "landmarks_68": face,
            "identity": torch.arange(count) // 2,
        }

    def inputs(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        """Each picture (N, K + 1, 3, S, S) behind others of the same person in the batch."""
        image = batch["image"].float() / 255
        return (image[partners(batch["identity"], self.config.sources)],)

    def dynamic_axes(self) -> dict[str, dict[int, str]]:
        return {name: {0: "batch"} for name in ("image", "output_0")}

    @torch.inference_mode()
    def person(self, sources: torch.Tensor) -> Person:
        """A person from K pictures (K, 3, S, S) 0..1, to be drawn in any number of frames."""
        self.eval()
        keypoints = self.drive(sources[:1]).keypoints[0]
        return Person(self.encode(sources[None]), keypoints)

    @torch.inference_mode()
    def reenact(
        self, person: Person, driving: torch.Tensor, start: torch.Tensor | None = None,
        size: int | None = None,
    ) -> torch.Tensor:  # fmt: skip
        """The person (N, 3, size, size) 0..1 as faces in driving frames (N, 3, S, S) are held.

        start: keypoints (P, 2) of the driving face where it is held as the person is: only what
        changes since counts, as large as the person's face is. Expressions are never relative.
        """
        drive = self.eval().drive(driving)
        if start is not None:
            scale = math.sqrt(hull_area(person.keypoints) / max(hull_area(start), 1e-9))
            moved = person.keypoints + scale * (drive.keypoints - start)
            drive = drive._replace(keypoints=moved)
        tokens = person.tokens.expand(len(driving), -1, -1)
        return self.paint(tokens, drive, size or self.config.size).clamp(0, 1)

    def predict(self, sources: torch.Tensor, driving: torch.Tensor) -> torch.Tensor:
        """One person (K, 3, S, S) as in each driving picture (N, 3, S, S): (N, 3, S, S), 0..1."""
        return self.reenact(self.person(sources), driving)

    @classmethod
    def published(cls, state: Mapping[str, torch.Tensor]) -> Published:
        """Either decoder, by its tensors; without keypoints it can only be trained on."""
        shapes = {name: tuple(value.shape) for name, value in state.items()}
        names = {name.split(".")[0] for name in shapes}
        if "predictor" in names:
            return Published(FsrtConfig.paper(), tuple(f"{part}." for part in PARTS[1:]), False)
        absent = tuple(f"{part}." for part in PARTS if part not in names)
        return Published(_config(shapes), absent, predicts="kp_detector" in names)

    @classmethod
    def from_official(cls, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """A state dict as of :func:`joined`, or ``kp_detector.pt`` alone."""
        detector = r"(?:kp_detector\.)?"
        layers = r"((?:en|de)coder)\.(?:allocation_transformer\.)?transformer\.layers\.(\d+)"
        critic = r"(discriminator)\.discs\.1"
        return official.rename(
            dict(_apart(state)),
            (
                (rf"{detector}predictor\.encoder\.down_blocks\.(.+)",
                 r"kp_detector.hourglass.downs.\1"),
                (rf"{detector}predictor\.decoder\.up_blocks\.(.+)",
                 r"kp_detector.hourglass.ups.\1"),
                (rf"{detector}kp\.(.+)", r"kp_detector.maps.\1"),
                (rf"{detector}down\.weight", None),  # a Gaussian
                (r"expression_encoder\.expression\.(.+)", r"expression_encoder.maps.\1"),
                (r"expression_encoder\.expression_mlp\.(.+)", r"expression_encoder.mlp.\1"),
                (r"encoder\.conv_blocks\.(\d)\.layers\.(.+)", r"encoder.blocks.\1.\2"),
                (r"encoder\.per_patch_linear\.(.+)", r"encoder.tokens.\1"),
                (rf"{layers}\.0\.norm\.(.+)", r"\1.layers.\2.norm1.\3"),
                (rf"{layers}\.1\.norm\.(.+)", r"\1.layers.\2.norm2.\3"),
                (rf"{layers}\.0\.fn\.to_q\.(.+)", r"\1.layers.\2.attention.query.\3"),
                (rf"{layers}\.0\.fn\.to_kv\.(.+)", r"\1.layers.\2.attention.key_value.\3"),
                (rf"{layers}\.0\.fn\.to_out\.0\.(.+)", r"\1.layers.\2.attention.out.\3"),
                (rf"{layers}\.1\.fn\.net\.0\.(.+)", r"\1.layers.\2.mlp.fc1.\3"),
                (rf"{layers}\.1\.fn\.net\.3\.(.+)", r"\1.layers.\2.mlp.fc2.\3"),
                (r"decoder\.allocation_transformer\.input_mlp\.(.+)", r"decoder.start.\1"),
                (r"decoder\.render_mlp\.(.+)", r"decoder.render.\1"),
                (rf"{critic}\.down_blocks\.(.+)", r"\1.blocks.\2"),
                (rf"{critic}\.conv\.(.+)", r"\1.last.\2"),
            ),
        )  # fmt: skip

    @classmethod
    def replays(cls) -> dict[str, Replay]:
        replay = Replay(lambda golden: _config(golden.shapes), _replay, ("discriminator.",))
        return dict.fromkeys(("model", "model_small"), replay)


def joined(checkpoint: Path, detector: Path | None = None) -> dict[str, torch.Tensor]:
    """One state dict of the published files ``vox256.pt`` and ``kp_detector.pt``.

    Raises InputError where they are not what they should be.
    """
    names = PARTS[1:4]
    state = {f"{part}.{name}": value for part in names
             for name, value in official.read(checkpoint, part).items()}  # fmt: skip
    if detector is not None:
        found = official.read(detector)
        state |= {f"kp_detector.{name}": value for name, value in found.items()}
    return state


def partners(identity: torch.Tensor, count: int) -> torch.Tensor:
    """For each of N pictures the numbers (N, count + 1) of others of the same person, and its own.

    They are the next in the batch, again and again if they are few; one without others, or of an
    unknown person (-1), is its own.
    """
    n = len(identity)
    place = torch.arange(n, device=identity.device)
    ahead = (place - place[:, None]) % n
    same = (identity == identity[:, None]) & (identity >= 0) & (ahead > 0)
    order = torch.where(same, ahead, n).argsort(1)
    others = same.sum(1, keepdim=True)
    turn = torch.arange(count, device=identity.device) % others.clamp(min=1)
    chosen = torch.where(others > 0, order.gather(1, turn), place[:, None])
    return torch.cat([chosen, place[:, None]], 1)


def sum_of(terms: Iterator[torch.Tensor]) -> torch.Tensor:
    return torch.stack(list(terms)).sum()


def hull_area(points: torch.Tensor) -> float:
    """The area of the convex hull of points (n, 2)."""
    hull = cv2.convexHull(points.detach().cpu().numpy().astype(np.float32))
    return float(cv2.contourArea(hull))


def _apart(state: Mapping[str, torch.Tensor]) -> Iterator[tuple[str, torch.Tensor]]:
    """A published state dict with queries apart from keys and values everywhere."""
    for name, value in state.items():
        stem, found, rest = name.partition(".to_qkv.")
        if not found:
            yield name, value
            continue
        if len(value) % 3:
            raise InputError(f"{name}: {len(value)} rows are no queries, keys and values")
        inner = len(value) // 3
        yield f"{stem}.to_q.{rest}", value[:inner]
        yield f"{stem}.to_kv.{rest}", value[inner:]


def _config(shapes: Mapping[str, tuple[int, ...]]) -> FsrtConfig:
    """The sizes of a published network, from its tensors; heads are 64 wide."""
    read = "decoder.allocation_transformer.transformer.layers"
    drawn = (re.fullmatch(r"decoder\.render_mlp\.(\d+)\.weight", name) for name in shapes)
    render = sorted(int(match[1]) for match in drawn if match)
    depths = {
        part: 1 + max(int(name.removeprefix(f"{part}.").split(".")[0]) for name in shapes
                      if name.startswith(f"{part}."))
        for part in (read, "encoder.transformer.layers")
    }  # fmt: skip
    whole = FsrtConfig.paper()
    return replace(
        whole,
        depth=depths["encoder.transformer.layers"],
        heads=shapes["encoder.transformer.layers.0.0.fn.to_qkv.weight"][0] // 3 // whole.head_width,
        expression=shapes["expression_encoder.expression_mlp.6.weight"][0],
        reads=depths[read],
        read_heads=shapes[f"{read}.0.0.fn.to_q.weight"][0] // whole.head_width,
        read_hidden=shapes[f"{read}.0.1.fn.net.0.weight"][0],
        render=tuple(shapes[f"decoder.render_mlp.{i}.weight"][0] for i in render[:-1]),
    )


@torch.no_grad()
def _replay(system: Fsrt, golden: Golden) -> dict[str, torch.Tensor]:
    """Absolute motion; of the pixels those on the recorded grid."""
    source, driving = golden.inputs["source"], golden.inputs["driving"]
    views = source.flatten(0, 1)
    seen, moved = system.detect(views), system.drive(driving)
    held = Drive(seen.points, system.expression_encoder(seen))
    tokens = system.encode(source)
    described = system.encoder.described(views, *held)
    step = math.ceil(system.config.size / golden.results["out__image"].shape[1])
    places = pixel_grid(system.config.size)[::step, ::step]
    asked = places.reshape(1, -1, 2).expand(len(driving), -1, -1)
    read = system.decoder.read(asked, *moved, tokens)
    image = system.decoder.render(read).unflatten(1, places.shape[:2])
    found = {
        "kp_source": seen.points, "kp_driving": moved.keypoints,
        "expression_source": held.expression, "expression_driving": moved.expression,
        "heatmap": seen.heatmaps, "feature_map": seen.features, "z": tokens, "image": image,
        "conv1": system.encoder.blocks[0](described),
        "patch": system.encoder.patches(views, *held), "query": read,
    }  # fmt: skip
    return {name: _as_recorded(value, golden, name) for name, value in found.items()}


def _as_recorded(value: torch.Tensor, golden: Golden, name: str) -> torch.Tensor:
    """Several sources are recorded behind each other, or on an axis of their own."""
    shapes = [a.shape for n, a in golden.results.items() if n.partition("__")[2] == name]
    same = [shape for shape in shapes if math.prod(shape) == value.numel()]
    return value.reshape(same[0]) if same else value
