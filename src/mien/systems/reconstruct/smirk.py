"""SMIRK: a head's expression from one picture, taught by a neural renderer.

Retsinas et al. (2024), "3D Facial Expressions through Analysis-by-Neural-Synthesis". Three small
encoders read pose, shape and expression. A U-Net then draws the face again from the grey mesh and
about 1 % of the pixels: what it gets wrong says where the geometry is wrong, and no model of skin
and light has to explain the picture. In a second path the expression is replaced by another one,
the face drawn anew with its pixels moved along the mesh, and the encoder has to read the new
expression from the drawing.

It works over mien's own head, or over FLAME, which the published weights need and mien may not
bring. Recipe and sizes are those of the code; it and the paper's supplement differ in steps.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, NamedTuple, Self

import numpy as np
import torch
from torch import nn

from mien.errors import MienError
from mien.find.geometry import box_of
from mien.head.flame import Flame
from mien.head.raster_torch import interpolate, rasterize, vertex_normals
from mien.nn.frozen import frozen, learns
from mien.nn.heads import Code, FlameHead, Head, MienHead, on_triangles, placed
from mien.nn.losses import mean_known
from mien.nn.mesh_mask import Places, grown, hull, masked, moved_pixels, pick
from mien.nn.mobilenet_v3 import MobileNetV3Minimal
from mien.nn.perceptual import Judge, ResNet50, Vgg16, feature_distance
from mien.nn.unet import UNet
from mien.systems import official
from mien.systems.golden import Golden, Replay
from mien.systems.judges import judge
from mien.train.system import Batch, Card, Published, Stage, System, Turn, from_box

SIZE = 224  # pixels of the published crop; what is given in pixels is of this size
GREY, LAMP = 180 / 255, 1.7  # of the drawn mesh and of each of its lights
LIGHTS = ((-1, 1, 1), (1, 1, 1), (-1, -1, 1), (1, -1, 1), (0, 0, 1))
SHOWN = 0.01  # pixels that the renderer sees, in shares of the picture
DILATION, ERASED = 10, 5  # pixels: of the hidden face; half a side of the squares taken out
TWIST = 0.2  # radians, the most that the jaw turns other than open
SCALE = 7.0  # first guess of the camera
NO_GEOMETRY = """this SMIRK is over FLAME, which mien may not bring: put the files that \
docs/systems/smirk.md lists into a folder and name it by $MIEN_FLAME"""


@dataclass(frozen=True)
class SmirkConfig:
    """``size``: side of the crop; ``shapes``, ``expressions``: numbers of the head's codes.

    head: "mien" or "flame"; flame: folder of the user's FLAME. encoder_width: 1 as published;
    width, residual: of the renderer. perceptual, emotion: files with weights of VGG-16 and of
    ResNet-50; without a file its loss is left out. steps: of the two stages.
    """

    size: int = SIZE
    head: Literal["mien", "flame"] = "mien"
    flame: str = ""
    shapes: int = MienHead.SHAPES
    expressions: int = MienHead.EXPRESSIONS
    encoder_width: float = 1.0
    width: int = 32
    residual: int = 5
    perceptual: str = ""
    emotion: str = ""
    steps: tuple[int, int] = (468_750, 78_100)

    @classmethod
    def paper(cls) -> Self:
        """Over FLAME if $MIEN_FLAME names its folder; $MIEN_VGG16, $MIEN_EMOTION: weights."""
        folder = os.environ.get("MIEN_FLAME", "")
        return replace(
            cls.over_flame(folder) if folder else cls(),
            perceptual=os.environ.get("MIEN_VGG16", ""),
            emotion=os.environ.get("MIEN_EMOTION", ""),
        )

    @classmethod
    def over_flame(cls, folder: str = "") -> Self:
        """The published sizes; without a folder it reads codes, but has no mesh."""
        return cls(head="flame", flame=folder, shapes=300, expressions=50)

    @classmethod
    def tiny(cls) -> Self:
        return cls(size=32, encoder_width=0.25, width=8, residual=1, steps=(60, 60))


class Encoder(nn.Module):
    """(N, 3, S, S) -> numbers (N, outputs), by the mean of the last map."""

    def __init__(self, size: Literal["small", "large"], width: float, outputs: int):
        super().__init__()
        self.encoder = MobileNetV3Minimal(size, width)
        self.head = nn.Linear(self.encoder.channels, outputs)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.head(nn.functional.adaptive_avg_pool2d(self.encoder(image), 1).flatten(1))


class Drawing(NamedTuple):
    """A posed head in the picture.

    vertices: (N, V, 3) metres. placed: (N, V, 3), see ``mien.nn.heads.placed``. normals: (N, V, 3).
    picture: (N, 3, S, S), the grey mesh. covered: (N, 1, S, S), where it is.
    """

    vertices: torch.Tensor
    placed: torch.Tensor
    normals: torch.Tensor
    picture: torch.Tensor
    covered: torch.Tensor


class Smirk(System):
    """(N, 3, S, S) RGB 0..1 -> the six parts of :class:`mien.nn.heads.Code`."""

    CARD = Card(
        slug="smirk",
        title="SMIRK: 3D facial expressions through analysis-by-neural-synthesis",
        task="reconstruction",
        venue="CVPR 2024",
        arxiv="2404.04104",
        repository="https://github.com/georgeretsi/smirk",
        code_licence="MIT (theirs); Apache-2.0 (this implementation)",
        weights_licence="MIT; FLAME, EMOCA and MICA behind them: Max Planck, non-commercial",
    )
    Config = SmirkConfig
    CROP = "the square about the landmarks, 1.4 times as large as the mean side of their box"
    config: SmirkConfig

    def __init__(self, config: SmirkConfig):
        super().__init__(config)
        width = config.encoder_width
        self.pose_encoder = Encoder("small", width, 6)
        self.shape_encoder = Encoder("large", width, config.shapes)
        self.expression_encoder = Encoder("large", width, config.expressions + 5)
        self.generator = UNet(6, 3, config.width, 4, config.residual)
        self.head = _head(config)
        self._initialise()

    @torch.no_grad()
    def _initialise(self) -> None:
        """As published: a face in the middle, of mean shape, nearly neutral."""
        pose, shape, expression = (
            encoder.head
            for encoder in (self.pose_encoder, self.shape_encoder, self.expression_encoder)
        )
        for layer, factor in ((pose, 0.001), (shape, 0.0), (expression, 0.1)):
            layer.weight.mul_(factor)
            layer.bias.mul_(factor)
        pose.weight[3], pose.bias[3] = 0.0, SCALE

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(self.encode(image))

    def encode(self, image: torch.Tensor) -> Code:
        """What the encoders read from pictures."""
        seen = self.pose_encoder(image)
        return self.express(image, seen[:, :3], seen[:, 3:], self.shape_encoder(image))

    def express(
        self, image: torch.Tensor, pose: torch.Tensor, camera: torch.Tensor, shape: torch.Tensor
    ) -> Code:
        """A code whose expression is read from pictures."""
        found = self.expression_encoder(image)
        expression, lids, jaw = found.split([self.config.expressions, 2, 3], 1)
        jaw = torch.cat([jaw[:, :1].relu(), jaw[:, 1:].clamp(-TWIST, TWIST)], 1)
        parts = (pose, camera, shape, expression, lids.clamp(0, 1), jaw)
        return Code(*(part.float() for part in parts))

    @property
    def face(self) -> Head:
        """The head's geometry; MienError where FLAME is needed and not there."""
        if self.head is None:
            raise MienError(NO_GEOMETRY)
        return self.head

    def draw(self, code: Code) -> Drawing:
        """The grey mesh that the renderer sees. Gradients reach the mesh where it is covered."""
        face, size = self.face, self.config.size
        with exact(code.pose):
            vertices = face.vertices(code)
            in_picture = placed(vertices, code.camera)
            pixels = torch.cat([(in_picture[..., :2] + 1) * (size / 2), in_picture[..., 2:]], -1)
            fragments = rasterize(pixels, face.triangles, size, size)
            # The area below which a triangle has no normal is in square millimetres.
            normals = vertex_normals(vertices * 1000, face.triangles)
            lit = shaded(interpolate(normals, face.triangles, fragments))
        picture = lit[:, None].expand(-1, 3, -1, -1)
        return Drawing(
            vertices, in_picture, normals, picture, fragments.covered[:, None].to(picture)
        )

    def places(self, drawing: Drawing) -> Places:
        """Where on the mesh the renderer is shown the picture's pixels."""
        count = int(SHOWN * self.config.size**2)
        with torch.no_grad():
            return pick(
                drawing.placed, self.face.triangles, drawing.normals[..., 2],
                self.face.importance, count,
            )  # fmt: skip

    def hidden(self, landmarks: torch.Tensor, drawing: Drawing) -> torch.Tensor:
        """What the renderer is not shown: the face, a little more, and the mesh (N, 1, S, S)."""
        size = self.config.size
        with exact(landmarks):
            face = hull(self._normed(landmarks[..., :2]), size, size)
        return torch.maximum(grown(face, self._pixels(DILATION)), drawing.covered)

    def render(
        self, image: torch.Tensor, hidden: torch.Tensor, shown: torch.Tensor, drawing: Drawing,
        erased: float,
    ) -> torch.Tensor:  # fmt: skip
        """The face as the U-Net draws it (N, 3, S, S), from the mesh and a few pixels."""
        seen = masked(image, hidden, shown, self._pixels(ERASED), erased)
        return self.generator(torch.cat([drawing.picture, seen], 1)).float().sigmoid()

    def stages(self) -> list[Stage]:
        """Published: Adam, cosine rates, which there begin again with each epoch.

        Raises InputError where the file of a loss's network does not hold it.
        """
        pretrain, core = self.config.steps
        encoders = "pose_encoder.", "shape_encoder.", "expression_encoder."
        # Weights that do not fit are refused here, not when the second stage begins.
        judged = {"perceptual": 10.0} if self._perceptual else {}
        judged |= {"emotion": 1.0} if self._emotion else {}
        common: dict[str, Any] = {"optimiser": "adam", "schedule": "cosine", "warmup": 0}
        cycle = {"cycle_expression": 1.0, "cycle_jaw": 10.0, "cycle_eyelids": 10.0}
        return [
            Stage(
                name="pretrain", data="faces", steps=pretrain, batch=32, rate=2e-4, clip=0.0,
                losses={"contour": 100.0, "landmarks": 100.0, "shape": 10.0, "small": 1e-2},
                train=encoders, **common,
            ),
            Stage(
                name="core", data="faces", steps=core, batch=32,
                turns=(
                    Turn(
                        name="reconstruct", train=("expression_encoder.", "generator."),
                        losses={"photometric": 10.0, "contour": 100.0, "landmarks": 100.0,
                                "small": 1e-3, "jaw": 1e-2, **judged},
                        rate=1e-3, layer_decay=0.25, clip=0.0, **common,
                    ),
                    Turn(
                        name="render", train=("generator.",), losses={**cycle, "cycle_shape": 1.0},
                        rate=1e-3, betas=(0.5, 0.999), every=2, clip=0.1, **common,
                    ),
                    Turn(
                        name="read", train=("expression_encoder.",),
                        losses={f"read_{name}": weight for name, weight in cycle.items()},
                        rate=2.5e-4, every=2, clip=0.0, **common,
                    ),
                ),
            ),
        ]  # fmt: skip

    def layer(self, name: str) -> int:
        """The encoders learn at a quarter of the renderer's rate."""
        return int(name.startswith("generator."))

    def losses(self, batch: Batch) -> dict[str, torch.Tensor]:
        """The terms of whichever parts learn, or of all paths if all do."""
        (image,) = self.inputs(batch)
        first = learns(self.pose_encoder)
        reads, renders = learns(self.expression_encoder), learns(self.generator)
        terms = {}
        if first or (reads and renders):
            code = self.encode(image) if first else self._expressed(image)
            terms |= self._read_losses(code, batch)
            if renders:
                terms |= self._drawn_losses(image, code, batch)
        if renders and (first or not reads):
            terms |= self._render_cycle(image, batch)
        if reads and first == renders:
            terms |= self._read_cycle(image, batch)
        return terms

    def _expressed(self, image: torch.Tensor) -> Code:
        """Pose and shape as they are, the expression to be learned."""
        with frozen(self.pose_encoder), frozen(self.shape_encoder):
            seen, shape = self.pose_encoder(image), self.shape_encoder(image)
        return self.express(image, seen[:, :3], seen[:, 3:], shape)

    def _read_losses(self, code: Code, batch: Batch) -> dict[str, torch.Tensor]:
        """Landmarks in the picture and what a code should be; unknown labels are left out."""
        with exact(code.pose):
            vertices = self.face.vertices(code)
        contour = placed(self.face.contour(vertices, code.pose), code.camera)
        points = placed(self.face.points(vertices), code.camera)
        wanted = batch["landmarks"][:, self.face.seen, :2]
        return {
            "contour": squared_error(contour[..., :2],
                                     self._normed(batch["landmarks_68"][:, :17])),
            "landmarks": squared_error(points[..., :2], self._normed(wanted)),
            "shape": squared_error(code.shape, batch[self._shape_word]),
            "small": code.expression.square().mean(),
            "jaw": code.jaw.square().mean(),
        }  # fmt: skip

    def _drawn_losses(
        self, image: torch.Tensor, code: Code, batch: Batch
    ) -> dict[str, torch.Tensor]:
        """Path 1: the picture again, from its mesh and 1 % of its face."""
        drawing = self.draw(code)
        points = self.places(drawing).on(drawing.placed.detach(), self.face.triangles)
        shown = moved_pixels(image, points, points)
        hidden = self.hidden(batch["landmarks"], drawing)
        again = self.render(image, hidden, shown, drawing, erased=0.01)
        terms = {"photometric": (again - image).abs().mean()}
        if self._perceptual is not None:
            # The published loss halves the contrast of pictures that are 0..1 already.
            terms["perceptual"] = feature_distance(
                self._perceptual, again / 2 + 0.5, image / 2 + 0.5
            )
        if self._emotion is not None:
            terms["emotion"] = self._emotion_loss(image, hidden, shown, drawing)
        return terms

    def _emotion_loss(
        self, image: torch.Tensor, hidden: torch.Tensor, shown: torch.Tensor, drawing: Drawing
    ) -> torch.Tensor:
        """How far the drawn emotion is off; the renderer is a fixed function in this."""
        assert self._emotion is not None
        seen = masked(image, hidden, shown, self._pixels(ERASED), erased=0.01)
        fixed = {name: value.detach() for name, value in self.generator.state_dict().items()}
        with evaluating(self.generator) as generator:
            inputs = torch.cat([drawing.picture, seen], 1)
            again = torch.func.functional_call(generator, fixed, (inputs,)).float().sigmoid()
        with torch.no_grad():
            (wanted,) = self._emotion(image)
        (found,) = self._emotion(again)
        return (found - wanted).square().mean()

    def _changed(self, image: torch.Tensor, batch: Batch) -> tuple[Code, torch.Tensor]:
        """Path 2: codes with other expressions, and their faces as the renderer draws them."""
        with torch.no_grad():
            with (
                evaluating(self.pose_encoder),
                evaluating(self.shape_encoder),
                evaluating(self.expression_encoder),
            ):
                code = self.encode(image)
            before = self.draw(code)
            other = other_expressions(code, self.face.templates, self.face.limits)
            after = self.draw(other)
            places = self.places(before)
            source, target = (
                places.on(drawing.placed, self.face.triangles) for drawing in (before, after)
            )
            shown = moved_pixels(image, source, target)
            hidden = torch.maximum(self.hidden(batch["landmarks"], after), before.covered)
        return other, self.render(image, hidden, shown, after, erased=0.005)

    def _render_cycle(self, image: torch.Tensor, batch: Batch) -> dict[str, torch.Tensor]:
        """The renderer's turn: what it draws has to be read as what was meant."""
        code, drawn = self._changed(image, batch)
        with evaluating(self.expression_encoder), evaluating(self.shape_encoder):
            shape = self.shape_encoder(drawn)
            found = self.express(drawn, code.pose, code.camera, shape)
        return {**_cycle(found, code), "cycle_shape": (shape - code.shape).square().mean()}

    def _read_cycle(self, image: torch.Tensor, batch: Batch) -> dict[str, torch.Tensor]:
        """The encoder's turn: it has to read what was meant from what is drawn."""
        with frozen(self.generator):
            code, drawn = self._changed(image, batch)
        found = self.express(drawn, code.pose, code.camera, code.shape)
        return {f"read_{name}": term for name, term in _cycle(found, code).items()}

    @cached_property
    def _perceptual(self) -> Judge | None:
        return judge(Vgg16, self.config.perceptual)

    @cached_property
    def _emotion(self) -> Judge | None:
        return judge(ResNet50, self.config.emotion)

    @property
    def _shape_word(self) -> str:
        return "flame_shape" if self.config.head == "flame" else "head_identity"

    def _normed(self, points: torch.Tensor) -> torch.Tensor:
        """Crop pixels -> -1..1."""
        return points * (2 / self.config.size) - 1

    def _pixels(self, published: int) -> int:
        """A length in pixels of the published crop, in pixels of this one."""
        return max(1, round(published * self.config.size / SIZE))

    def pictures(self, batch: Batch) -> dict[str, torch.Tensor]:
        """The picture, its mesh, and what the renderer makes of the mesh."""
        if self.head is None:
            return {}
        (image,) = self.inputs(batch)
        code = self.encode(image)
        return {"image": image, "mesh": self.draw(code).picture,
                "again": self.redraw(image, batch["landmarks"], code)}  # fmt: skip

    @torch.no_grad()
    def redraw(self, image: torch.Tensor, landmarks: torch.Tensor, code: Code) -> torch.Tensor:
        """Faces (N, 3, S, S) drawn again with a code, which may be changed, of crops 0..1.

        landmarks: (N, 478, 2 or 3) crop pixels.
        """
        before = self.draw(self.encode(image))
        after = self.draw(code)
        places = self.places(before)
        source, target = (places.on(d.placed, self.face.triangles) for d in (before, after))
        hidden = torch.maximum(self.hidden(landmarks, after), before.covered)
        shown = moved_pixels(image, source, target)
        return self.render(image, hidden, shown, after, erased=0.0)

    def example(self, count: int) -> dict[str, torch.Tensor]:
        """Grey faces on plain grounds; without a mesh, noise and no labels."""
        size, shapes = self.config.size, self.config.shapes
        pixels, points = torch.rand(count, 3, size, size), torch.full((count, 478, 3), torch.nan)
        contour, shape = torch.full((count, 68, 2), torch.nan), torch.randn(count, shapes) / 2
        if self.head is not None:
            camera = torch.tensor([[6.0, 0.0, 0.01]]).repeat(count, 1)
            expression = torch.randn(count, self.config.expressions) / 2
            code = Code(torch.randn(count, 3) / 10, camera, shape, expression,
                        torch.rand(count, 2), torch.rand(count, 3) / 5)  # fmt: skip
            with torch.no_grad():
                face = self.draw(code)
                pixels = face.picture + (1 - face.covered) * torch.rand(count, 3, 1, 1)
                found = placed(self.head.points(face.vertices), camera)
                jaw = placed(self.head.contour(face.vertices, code.pose), camera)
            points[:, self.head.seen] = (found + 1) * size / 2
            contour[:, :17] = (jaw[..., :2] + 1) * size / 2
        return {
            "image": (pixels * 255).byte(),
            "landmarks": points,
            "landmarks_68": contour,
            self._shape_word: shape,
        }

    def inputs(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        return (batch["image"].float() / 255,)

    def dynamic_axes(self) -> dict[str, dict[int, str]]:
        names = ("image", *(f"output_{k}" for k in range(len(Code._fields))))
        return {name: {0: "batch"} for name in names}

    def crop(self, landmarks: np.ndarray) -> np.ndarray:
        x0, y0, x1, y1 = box_of(landmarks)
        half = 0.7 * ((x1 - x0) + (y1 - y0)) / 2
        x, y = (x0 + x1) / 2, (y0 + y1) / 2
        return from_box(np.array([x - half, y - half, x + half, y + half]), self.config.size)

    @torch.inference_mode()
    def predict(self, image: torch.Tensor) -> Code:
        """The codes of crops (N, 3, S, S) 0..1."""
        return self.eval().encode(image)

    @classmethod
    def published(cls, state: Mapping[str, torch.Tensor]) -> Published:
        """Encoders and renderer over FLAME; the encoders alone do as well."""
        shapes = {name.removeprefix("smirk_encoder."): tuple(v.shape) for name, v in state.items()}
        config = SmirkConfig.over_flame(os.environ.get("MIEN_FLAME", ""))
        config = replace(config, **_code_sizes(shapes))
        drawn = any(name.endswith("bottleneck.bottleneckconv1.weight") for name in state)
        return Published(config, () if drawn else ("generator",))

    @classmethod
    def from_official(cls, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Encoders and generator of ``SMIRK_em1.pt``, or either of them without its prefix."""
        encoder, drawn = r"(?:smirk_encoder\.)?", r"(?:smirk_generator\.)?"
        parts = r"((?:pose|shape|expression)_encoder)"
        block = rf"{drawn}resnet_blocks\.(\d+)\.conv_block"
        return official.rename(
            state,
            (
                (rf"{encoder}{parts}\.(encoder\..+)", r"\1.\2"),
                (rf"{encoder}{parts}\.\w+_layers\.0\.(weight|bias)", r"\1.head.\2"),
                (rf"{drawn}(en|de)coder(\d)\.\w{{3}}\d(conv|norm)(\d)\.(.+)",
                 r"generator.\1coders.\2.\3\4.\5"),
                (rf"{drawn}bottleneck\.bottleneck(conv|norm)(\d)\.(.+)",
                 r"generator.bottleneck.\1\2.\3"),
                (rf"{block}\.1\.(.+)", r"generator.residual.\1.conv1.\2"),
                (rf"{block}\.2\.(.+)", r"generator.residual.\1.norm1.\2"),
                (rf"{block}\.5\.(.+)", r"generator.residual.\1.conv2.\2"),
                (rf"{block}\.6\.(.+)", r"generator.residual.\1.norm2.\2"),
                (rf"{drawn}upconv(\d)\.(.+)", r"generator.ups.\1.\2"),
                (rf"{drawn}conv\.(weight|bias)", r"generator.last.\1"),
                (rf"(?:flame\.)?(?:{'|'.join(FLAME_ARRAYS)})", None),  # come from the user's file
            ),
        )  # fmt: skip

    @classmethod
    def replays(cls) -> dict[str, Replay]:
        encoders = "pose_encoder", "shape_encoder", "expression_encoder"
        return {
            "encoder": Replay(_recorded_config, _replay_encoder, absent=("generator",)),
            "generator": Replay(_recorded_config, _replay_generator, absent=encoders),
            "flame": Replay(_recorded_config, _replay_flame, absent=(*encoders, "generator")),
        }


def _head(config: SmirkConfig) -> Head | None:
    if config.head == "mien":
        return MienHead()
    return FlameHead.load(config.flame, config.expressions) if config.flame else None


@contextmanager
def evaluating(module: nn.Module) -> Iterator[nn.Module]:
    """A part in evaluation mode, through which gradients go on."""
    was_training = module.training
    try:
        yield module.eval()
    finally:
        module.train(was_training)


def exact(like: torch.Tensor) -> torch.autocast:
    """Geometry is computed in the precision that it is given in, whatever the networks take."""
    return torch.autocast(like.device.type, enabled=False)


def shaded(normals: torch.Tensor) -> torch.Tensor:
    """How bright grey is under five lamps from the front, for unit normals (..., 3)."""
    towards = nn.functional.normalize(normals.new_tensor(LIGHTS), dim=-1)
    return GREY * LAMP * (normals @ towards.T).clamp(0, 1).mean(-1)


def squared_error(found: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """The mean squared error where the label is known."""
    return mean_known((found - wanted.nan_to_num()).square(), wanted.isfinite())


def _cycle(found: Code, meant: Code) -> dict[str, torch.Tensor]:
    return {
        "cycle_expression": (found.expression - meant.expression).square().mean(),
        "cycle_jaw": (found.jaw - meant.jaw).square().mean(),
        "cycle_eyelids": (found.eyelids - meant.eyelids).square().mean(),
    }


def other_expressions(
    code: Code, templates: torch.Tensor | None, limits: tuple[float, float]
) -> Code:
    """Codes with other expressions, for path 2: each of the batch in one of four ways.

    Changed at random, that of another face, a template, or none; without templates in three.
    """
    count, device = len(code.expression), code.expression.device

    def between(low: float, high: float, *sizes: int) -> torch.Tensor:
        return low + (high - low) * torch.rand(count, *sizes, device=device)

    own = code.expression
    some = (torch.rand_like(own) < 0.5).to(own)
    ways = [
        (own + torch.randn_like(own) * between(1, 3, 1) * some).clamp(*limits),
        own[torch.randperm(count, device=device)] * between(0.25, 1.5, 1),
        torch.zeros_like(own),
    ]
    if templates is not None:
        chosen = templates[torch.randint(len(templates), (count,), device=device)]
        ways.insert(2, chosen * between(0.25, 1.5, 1))
    way = torch.randperm(count, device=device) % len(ways)
    expression = torch.stack(ways)[way, torch.arange(count, device=device)]
    expression = expression + torch.randn_like(own) * between(0, 0.2, 1)
    neutral = (way == len(ways) - 1)[:, None]
    turned = torch.randn_like(code.jaw) * 0.2 * own.new_tensor((1, 0.1, 0.1))
    jaw = code.jaw + turned * (between(0, 1, 1) < 0.5)
    jaw = torch.cat([jaw[:, :1].clamp(0, 0.5), jaw[:, 1:]], 1)
    lids = (code.eyelids + between(-0.25, 0.25, 2)).clamp(0, 1)
    return code._replace(
        expression=expression,
        jaw=torch.where(neutral, 0, jaw),
        eyelids=torch.where(neutral, between(0, 1, 2), lids),
    )


FLAME_ARRAYS = (
    "eye_pose", "neck_pose", "faces_tensor", "v_template", "shapedirs", "posedirs", "J_regressor",
    "parents", "lbs_weights", "l_eyelid", "r_eyelid", "lmk_faces_idx", "lmk_bary_coords",
    "dynamic_lmk_faces_idx", "dynamic_lmk_bary_coords", "full_lmk_faces_idx",
    "full_lmk_bary_coords", "neck_kin_chain", "mp_lmk_faces_idx", "mp_lmk_bary_coords",
)  # fmt: skip


def _code_sizes(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    """How many numbers published encoders tell, from their last layers."""
    return {
        "shapes": shapes["shape_encoder.shape_layers.0.weight"][0],
        "expressions": shapes["expression_encoder.expression_layers.0.weight"][0] - 5,
    }


def _recorded_config(golden: Golden) -> SmirkConfig:
    config = SmirkConfig.over_flame()
    if golden.network == "encoder":
        return replace(config, **_code_sizes(golden.shapes))
    if golden.network == "flame":
        return config
    width = golden.shapes["conv.weight"][1]
    return replace(config, width=width, residual=1 + golden.largest_index("resnet_blocks"))


def _replay_encoder(system: Smirk, golden: Golden) -> dict[str, torch.Tensor]:
    """Also with 64 times the contrast, which the outputs depend on more."""
    names = ("pose_params", "cam", "shape_params", "expression_params", "eyelid_params",
             "jaw_params")  # fmt: skip
    image = golden.inputs["img"]
    pose, expression = system.pose_encoder.encoder, system.expression_encoder.encoder
    with torch.no_grad():
        plain = dict(zip(names, system(image), strict=True))
        strong = dict(zip(names, system((image - 0.5) * 64), strict=True))
        early = expression.blocks[:3](expression.stem(image))
        return {
            **plain, **{f"strong_{name}": value for name, value in strong.items()},
            "pose_stem": pose.bn1(pose.conv_stem(image)),
            "expr_blocks2": early, "expr_blocks5": expression.blocks[3:6](early),
        }  # fmt: skip


def _replay_generator(system: Smirk, golden: Golden) -> dict[str, torch.Tensor]:
    generator = system.generator
    with torch.no_grad():
        skips, narrow = generator.down(golden.inputs["x"])
        coarsest = generator.levels[-1]
        decoded = generator.up(coarsest, generator.residual(narrow), skips[coarsest])
        image = generator(golden.inputs["x"]).sigmoid()
    return {"image": image, "bottleneck": narrow, f"dec{coarsest}": decoded}


def _replay_flame(_: Smirk, golden: Golden) -> dict[str, torch.Tensor]:
    """The head with the recorded arrays, in metres as they are."""
    kept = {name: value.numpy() for name, value in golden.kept.items()}
    count = len(kept["v_template"])
    flame = Flame.from_arrays({
        "v_template": kept["v_template"], "f": kept["faces_tensor"],
        "shapedirs": kept["shapedirs"],
        "posedirs": kept["posedirs"].T.reshape(count, 3, 36),
        "J_regressor": kept["J_regressor"],
        "kintree_table": np.stack([kept["parents"], np.arange(5)]),
        "weights": kept["lbs_weights"],
        "eyelids": np.concatenate([kept["l_eyelid"], kept["r_eyelid"]]),
    })  # fmt: skip
    landmarks = {"landmark_indices": np.arange(len(kept["mp_lmk_faces_idx"]))}
    head = FlameHead(flame, kept | landmarks, expressions=len(flame.expression))
    given = golden.inputs
    pose, shape = given["pose_params"], given["shape_params"]
    n = len(pose)
    code = Code(pose, torch.zeros(n, 3), shape, given["expression_params"],
                given["eyelid_params"], given["jaw_params"])  # fmt: skip
    neck, eyes = (golden.kept[name].expand(n, -1) for name in ("neck_pose", "eye_pose"))
    vertices = head.vertices(code, neck, eyes)

    def points(name: str) -> torch.Tensor:
        index, weights = golden.kept[f"{name}_faces_idx"], golden.kept[f"{name}_bary_coords"]
        return on_triangles(vertices, head.whole, index.reshape(-1), weights.reshape(-1, 3))

    return {
        "vertices": vertices,
        "landmarks_fan": torch.cat([head.contour(vertices, pose), points("lmk")], 1),
        "landmarks_fan_3d": points("full_lmk"),
        "landmarks_mp": head.points(vertices),
    }
