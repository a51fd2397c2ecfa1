"""mien's own perception: one crop -> all that mien measures of a face.

A residual trunk of plain convolutions, whose maps at strides 4 to 32 everything reads. Points and
numbers read the two last maps place by place, not their mean, so that places stay known; parsing
goes back up from the last map to the first (a light feature pyramid, Lin et al. 2017). Both eyes
are looked at once more, as they are: the crop is aligned, so they are always in the same windows.

It learns from people who do not exist, of whom everything is known, and from portraits, of which
some is: a sample counts for what is known of it. Tasks balance themselves by what is left of their
error (Kendall, Gal and Cipolla 2018, equation 7). Action units also learn from faces whose units
nobody knows, as the world's table says which curves they must give. Head pose is not learned: it is
the rigid fit to the landmarks, as everywhere in mien.

What it says of age, gender, group and emotion is how a face looks, not what somebody is or feels.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from mien.data import labels
from mien.data.traits import mirrored_curves
from mien.face import BLENDSHAPES, LANDMARKS
from mien.find import geometry, mean_face
from mien.head.model import CELEBAMASK
from mien.nn.frozen import frozen, learns
from mien.nn.losses import class_loss, dice_loss, mean_known, presence_loss
from mien.nn.residual import conv_norm, residual_stage
from mien.systems.perceive.face_landmarker import FINE, OPENINGS
from mien.train.system import Batch, Card, Stage, System
from mien.world.action_units import AU_TO_CURVES, MAXIMUM

EMOTIONS = labels.AFFECTS[:8]
"""Classes of the output ``emotion``: the seven basic ones, neutral among them, and contempt."""

TOLERANCES = {"landmarks": 1.5, "curves": 0.1, "units": 0.5, "affect": 0.2, "gaze": 5.0,
              "age": 5.0, "quality": 0.1}  # fmt: skip
"""The error that counts as one, in training and in confidence: pixels of a 128-pixel crop, curves
0..1, intensities 0..5, valence and arousal -1..1, degrees, years, quality 0..1."""

CONFIDENT = 0.25
"""Confidence below which an answer should not be shown. Of a measured output: 0.37 is where its
expected error is its tolerance. Of a class: 0 is where all classes are as likely."""

OUTPUTS = ("landmarks", "presence", "visible", "curves", "units", "emotion", "affect", "gaze",
           "parsing", "age", "gender", "group", "traits", "quality", "spread")  # fmt: skip
"""What ``forward`` gives, in this order; see :class:`MienBase`."""

NUMBERS = {"presence": 1, "visible": LANDMARKS, "curves": len(BLENDSHAPES),
           "units": len(labels.UNITS), "emotion": len(EMOTIONS), "affect": 2, "gaze": 4, "age": 1,
           "gender": len(labels.GENDERS), "group": len(labels.GROUPS),
           "traits": len(labels.TRAITS), "quality": 1, "spread": len(TOLERANCES)}  # fmt: skip
"""How many numbers each output has that one small perceptron gives."""

TASKS = ("landmarks", "presence", "visible", "curves", "units", "emotion", "affect", "gaze",
         "parsing", "age", "gender", "group", "traits", "quality")  # fmt: skip
IRISES = ((468, 33, 133), (473, 362, 263))  # each with the corners of its eye
EYE_CURVES = tuple(
    [i for i, name in enumerate(BLENDSHAPES) if name.startswith("eye") and name.endswith(side)]
    for side in ("Left", "Right")
)
EYE_PLACES = np.eye(len(BLENDSHAPES), dtype=np.float32)[[*EYE_CURVES[0], *EYE_CURVES[1]]]
WINDOW = 28 / 128, 44 / 128  # height and width of an eye's window, of the side of the crop
BOUND = 3.0  # of the log variances that balance the tasks: no weight beyond e^±3
CLASSES = ("emotion", "parsing", "gender", "group")
YES_NO = ("presence", "visible", "traits")
GAZE_UNIT, AGE_UNIT, AGE_MEAN = 20.0, 20.0, 35.0  # degrees, years: outputs of one
MOVED = np.flatnonzero(AU_TO_CURVES.any(0))  # curves that some unit moves
MIRROR = mirrored_curves(np.arange(len(BLENDSHAPES)))  # where each curve goes in a mirror

Answers = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Size:
    """``widths``, ``depths``: of stem and residual stages. ``squeeze``: channels in which numbers
    read the maps at strides 16 and 32. ``hidden``: of the perceptron. ``decoder``: of parsing.
    ``eye``: channels in which an eye is first seen."""

    widths: tuple[int, int, int, int, int] = (24, 32, 64, 128, 192)
    depths: tuple[int, int, int, int] = (1, 2, 2, 2)
    squeeze: tuple[int, int] = (16, 48)
    hidden: int = 256
    decoder: int = 32
    eye: int = 16


@dataclass(frozen=True)
class MienBaseConfig:
    """``size``: side of the crop in pixels, divisible by 32. The rest: as of :class:`Size`.

    teacher: a wider network that is trained first and teaches this one; None for none.
    """

    size: int = 128
    network: Size = Size()
    teacher: Size | None = None
    steps: int = 12_000

    def __post_init__(self) -> None:
        # From the JSON of a run, sizes come as plain mappings.
        for name in ("network", "teacher"):
            value = getattr(self, name)
            if isinstance(value, Mapping):
                sizes: dict[str, Any] = {k: _tupled(v) for k, v in value.items()}
                object.__setattr__(self, name, Size(**sizes))

    @classmethod
    def paper(cls) -> Self:
        """The size that is shipped."""
        return cls()

    @classmethod
    def distilled(cls) -> Self:
        """The same, taught by a network of twice its widths, which is trained first."""
        return replace(
            cls(), teacher=Size((48, 64, 128, 256, 384), (2, 3, 4, 3), (32, 96), 512, 64)
        )

    @classmethod
    def tiny(cls) -> Self:
        small = Size((8, 8, 16, 16, 32), (1, 1, 1, 1), (4, 8), 32, 8)
        return cls(size=64, network=small, teacher=replace(small, hidden=48), steps=60)


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


class Reader(nn.Module):
    """Numbers (N, outputs, 1, 1) from two whole maps: each place has weights of its own.

    Convolutions as large as the maps: unlike a matrix product of a batch, their arithmetic does
    not depend on how many faces are in the batch.
    """

    def __init__(self, widths: tuple[int, ...], sides: tuple[int, int], squeeze: tuple[int, int],
                 outputs: int):  # fmt: skip
        super().__init__()
        sizes = list(zip(widths, sides, squeeze, strict=True))
        self.squeeze = nn.ModuleList(conv_norm(width, few, 1) for width, _, few in sizes)
        self.read = nn.ModuleList(nn.Conv2d(few, outputs, side) for _, side, few in sizes)

    def forward(self, maps: list[torch.Tensor]) -> torch.Tensor:
        parts = [
            read(torch.relu(squeeze(x)))
            for squeeze, read, x in zip(self.squeeze, self.read, maps, strict=True)
        ]
        return parts[0] + parts[1]


class Decoder(nn.Module):
    """Logits (N, classes, S, S) from the maps at strides 4 to 32."""

    def __init__(self, widths: tuple[int, ...], width: int, classes: int):
        super().__init__()
        self.across = nn.ModuleList(conv_norm(inputs, width, 1) for inputs in widths)
        self.smooth = nn.ModuleList(conv_norm(width, width) for _ in widths[1:])
        self.classes = nn.Conv2d(width, 16 * classes, 1)

    def forward(self, maps: list[torch.Tensor]) -> torch.Tensor:
        levels = [across(x) for across, x in zip(self.across, maps, strict=True)]
        x = levels.pop()
        for smooth in self.smooth:
            x = F.interpolate(torch.relu(x), scale_factor=2.0, mode="nearest") + levels.pop()
            x = smooth(torch.relu(x))
        return F.pixel_shuffle(self.classes(torch.relu(x)), 4)


class Eyes(nn.Module):
    """What both eyes add, left and right: gaze (N, 2, 2), irises (N, 2, 2) and curves (N, 2, 7).

    One network sees the left eye as it is and the right one in a mirror, and knows what the trunk
    has understood of the face. Gaze is in units of 20 degrees, irises in sides of the crop.
    """

    def __init__(self, mean: np.ndarray, size: int, width: int, hidden: int):
        super().__init__()
        self.windows = [_window(mean[corners].mean(0), size) for _, *corners in IRISES[::-1]]
        height, length = (stop - start for start, stop in self.windows[0])
        self.look = nn.Sequential(
            conv_norm(3, width), nn.ReLU(),
            conv_norm(width, 2 * width, 3, 2), nn.ReLU(),
            *residual_stage(2 * width, 3 * width, 1),
            nn.Conv2d(3 * width, 4 * width, (_halved(height, 2), _halved(length, 2))), nn.ReLU(),
        )  # fmt: skip
        self.say = nn.Sequential(
            nn.Conv2d(4 * width + hidden, 4 * width, 1), nn.ReLU(),
            nn.Conv2d(4 * width, 4 + len(EYE_CURVES[0]), 1),
        )  # fmt: skip
        last = self.say[-1]
        assert isinstance(last, nn.Conv2d) and last.bias is not None
        nn.init.normal_(last.weight, std=1e-3)
        nn.init.zeros_(last.bias)

    def forward(self, image: torch.Tensor, hidden: torch.Tensor) -> tuple[torch.Tensor, ...]:
        said = []
        for mirrored, (rows, columns) in zip((False, True), self.windows, strict=True):
            eye = image[:, :, slice(*rows), slice(*columns)]
            seen = self.look(eye.flip(3) if mirrored else eye)
            said.append(self.say(torch.cat([seen, hidden], 1)).float().flatten(1))
        both = torch.stack(said, 1)
        sign = both.new_tensor([[[1.0, 1.0]], [[-1.0, 1.0]]]).view(1, 2, 2)
        return both[..., :2] * sign, both[..., 2:4] * sign, both[..., 4:]


def _window(centre: np.ndarray, size: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """First and last rows and columns about a point of a crop."""
    (x, y), (height, width) = centre[:2].tolist(), (round(part * size) for part in WINDOW)
    top, left = round(y - height / 2), round(x - width / 2)
    return (top, top + height), (left, left + width)


def _halved(side: int, times: int) -> int:
    """A side after so many convolutions of stride 2."""
    for _ in range(times):
        side = (side + 1) // 2
    return side


class Network(nn.Module):
    """Trunk and heads: (N, 3, S, S) 0..1 -> the answers by name, as ``MienBase`` documents."""

    mean: torch.Tensor

    def __init__(self, size: int, config: Size):
        super().__init__()
        widths = config.widths
        self.size = size
        self.stem = conv_norm(3, widths[0], 3, 2)
        stages = zip(widths[:-1], widths[1:], config.depths, strict=True)
        self.stages = nn.ModuleList(residual_stage(i, o, depth) for i, o, depth in stages)
        last, sides = widths[-2:], (size // 16, size // 32)
        self.points = Reader(last, sides, config.squeeze, LANDMARKS * 3)
        self.hidden = Reader(last, sides, config.squeeze, config.hidden)
        self.numbers = nn.Conv2d(config.hidden, sum(NUMBERS.values()), 1)
        self.parsing = Decoder(widths[1:], config.decoder, len(CELEBAMASK))
        self.balance = nn.Parameter(torch.zeros(len(TASKS)))
        mean = _mean_in_crop(size)
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32), persistent=False)
        self.eyes = Eyes(mean, size, config.eye, config.hidden)
        for read in self.points.read:
            assert isinstance(read, nn.Conv2d) and read.bias is not None
            nn.init.normal_(read.weight, std=1e-3)
            nn.init.zeros_(read.bias)

    def forward(self, image: torch.Tensor) -> Answers:
        x, maps = torch.relu(self.stem(image * 2 - 1)), []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        offsets = self.points(maps[-2:]).float().flatten(1).unflatten(1, (LANDMARKS, 3))
        hidden = torch.relu(self.hidden(maps[-2:]))
        gaze, irises, looks = self.eyes(image * 2 - 1, hidden)
        numbers = self.numbers(hidden).float().flatten(1)
        raw = dict(zip(NUMBERS, numbers.split(list(NUMBERS.values()), 1), strict=True))
        return {
            "landmarks": self.mean + (offsets + _of_irises(irises)) * self.size,
            "presence": raw["presence"][:, 0],
            "visible": raw["visible"],
            "curves": (raw["curves"] + _of_eyes(looks)).sigmoid(),
            "units": MAXIMUM * raw["units"].sigmoid(),
            "emotion": raw["emotion"],
            "affect": raw["affect"].tanh(),
            "gaze": GAZE_UNIT * (raw["gaze"].unflatten(1, (2, 2)) + gaze),
            "parsing": self.parsing(maps).float(),
            "age": AGE_MEAN + AGE_UNIT * raw["age"][:, 0],
            "gender": raw["gender"],
            "group": raw["group"],
            "traits": raw["traits"],
            "quality": raw["quality"][:, 0].sigmoid(),
            "spread": raw["spread"],
        }


def _of_irises(shifts: torch.Tensor) -> torch.Tensor:
    """Shifts (N, 2, 2) of the left and the right iris as shifts of all points (N, 478, 3)."""
    right, left = (F.pad(shifts[:, i, None], (0, 1)).expand(-1, 5, -1) for i in (1, 0))
    return F.pad(torch.cat([right, left], 1), (0, 0, LANDMARKS - 10, 0))


def _of_eyes(looks: torch.Tensor) -> torch.Tensor:
    """Numbers (N, 2, 7) of the left and the right eye at the places of their curves (N, 52)."""
    return looks.flatten(1) @ torch.from_numpy(EYE_PLACES).to(looks)


class MienBase(System):
    """(N, 3, S, S) RGB 0..1 -> ``OUTPUTS``:

    landmarks (N, 478, 3) crop pixels; presence (N,), visible (N, 478), traits (N, 7): logits of
    ``labels.TRAITS`` and the like; curves (N, 52) 0..1; units (N, 23) 0..5 of ``labels.UNITS``;
    emotion (N, 8) logits of ``EMOTIONS``; affect (N, 2) valence, arousal; gaze (N, 2, 2) degrees in
    the head, left and right eye, yaw and pitch; parsing (N, 19, S, S) logits of CelebAMask-HQ's
    classes; age (N,) years; gender (N, 2), group (N, 4) logits; quality (N,) 0..1; spread (N, 7):
    log of the expected error of what ``TOLERANCES`` names, in its tolerances.
    """

    CARD = Card(
        slug="mien-base",
        title="mien base: one small network that measures a face",
        task="perception",
        venue="mien",
        arxiv=None,
        repository=None,
        code_licence="Apache-2.0",
        weights_licence="Apache-2.0",
    )
    Config = MienBaseConfig
    CROP = "200 mm around the mean face, upright in the face frame (mien.find.geometry)"
    config: MienBaseConfig

    def __init__(self, config: MienBaseConfig):
        super().__init__(config)
        self.network = Network(config.size, config.network)
        self.teacher = Network(config.size, config.teacher) if config.teacher else None

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        answers = self.network(image)
        return tuple(answers[name] for name in OUTPUTS)

    def dynamic_axes(self) -> dict[str, dict[int, str]]:
        names = ["image", *(f"output_{i}" for i in range(len(OUTPUTS)))]
        return {name: {0: "batch"} for name in names}

    def stages(self) -> list[Stage]:
        weights = {"balanced": 1.0, "spread": 0.1, "table": 0.2, "irises": 3.0}
        student = Stage(
            name="student", data="face-crops", losses=weights, train=("network.",),
            steps=self.config.steps, batch=64, rate=1e-3, weight_decay=0.02,
        )  # fmt: skip
        if self.teacher is None:
            return [student]
        of_teacher = {f"teacher_{name}": weight for name, weight in weights.items()}
        teacher = replace(
            student, name="teacher", losses=of_teacher, train=("teacher.",), rate=1e-3
        )
        return [teacher, replace(student, losses={**weights, "distil": 3.0})]

    def losses(self, batch: Batch) -> dict[str, torch.Tensor]:
        """The terms of the networks that learn; each task's is 1 where its error is tolerable.

        ``balanced`` is the sum of the tasks by their learned weights; the tasks themselves are
        there to be watched.
        """
        (image,) = self.inputs(batch)
        terms, taught = {}, None
        if self.teacher is not None and learns(self.teacher):
            taught = self.teacher(image)
            found = _terms(taught, batch, self.teacher.balance, self.config.size)
            terms = {f"teacher_{name}": value for name, value in found.items()}
        if learns(self.network):
            answers = self.network(image)
            terms |= _terms(answers, batch, self.network.balance, self.config.size)
            if self.teacher is not None:
                if taught is None:
                    with frozen(self.teacher):
                        taught = self.teacher(image)
                terms["distil"] = distilled(answers, taught, batch["presence"] > 0.5)
        return terms

    def example(self, count: int) -> dict[str, torch.Tensor]:
        size, face = self.config.size, torch.arange(count) <= count // 2
        landmarks = self.network.mean.cpu() + torch.randn(count, 1, 3) * size / 16
        rows = torch.arange(size) * len(CELEBAMASK) // size
        return {
            "image": torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8),
            "presence": face.float(),
            "landmarks": torch.where(face[:, None, None], landmarks, torch.nan),
            "visible": torch.randint(-1, 2, (count, LANDMARKS)),
            "curves": torch.rand(count, len(BLENDSHAPES)) ** 4,
            "unit_intensities": 5 * torch.rand(count, len(labels.UNITS)) ** 4,
            "affect": torch.arange(count) % len(EMOTIONS),
            "valence": torch.rand(count) - 0.5,
            "arousal": torch.rand(count) - 0.5,
            "gaze": torch.randn(count, 2, 2) * 8,
            "parsing_19": rows[:, None].expand(count, size, size).clone(),
            "age": 20 + 40 * torch.rand(count),
            "gender": torch.arange(count) % len(labels.GENDERS),
            "group": torch.arange(count) % len(labels.GROUPS),
            "traits": torch.randint(-1, 2, (count, len(labels.TRAITS))),
            "quality": torch.rand(count),
        }

    def inputs(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        return (batch["image"].float() / 255,)

    def crop(self, landmarks: np.ndarray) -> np.ndarray:
        """As of the finder: upright in the frame of a face that was found before."""
        to_face = geometry.crop_to_face(self.config.size)
        return geometry.compose(geometry.face_to_image(landmarks), to_face)

    @torch.inference_mode()
    def predict(self, image: torch.Tensor) -> Answers:
        """The answers of crops (N, 3, S, S) 0..1 by name, and how sure they are.

        As of :class:`MienBase`, but probabilities for logits, for parsing the class (N, S, S)
        uint8, and ``confidence_NAME`` (N,) 0..1, below ``CONFIDENT`` not to be shown.
        """
        return read(dict(zip(OUTPUTS, self.eval()(image), strict=True)))

    @classmethod
    def from_official(cls, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The weights of a run that had a teacher, without it."""
        return {name: value for name, value in state.items() if not name.startswith("teacher.")}


def read(answers: Answers) -> Answers:
    """The outputs of the network by name as :meth:`MienBase.predict` gives them."""
    told = {**answers, "parsing": answers["parsing"].argmax(1).to(torch.uint8)}
    del told["spread"]
    for name in YES_NO:
        told[name] = answers[name].sigmoid()
    for name in ("emotion", "gender", "group"):
        told[name] = answers[name].softmax(1)
    sure = confidence(answers)
    return told | {f"confidence_{name}": value for name, value in sure.items()}


def confidence(answers: Answers) -> Answers:
    """How sure the outputs are, (N,) 0..1 by name.

    Of what is measured: exp(-error), the expected error in tolerances. Of classes: how far the
    entropy is below that of no idea; of several answers (pixels, points) the mean.
    """
    errors = answers["spread"].exp()
    sure = {name: (-errors[:, i]).exp() for i, name in enumerate(TOLERANCES)}
    for name in CLASSES:
        logs = answers[name].log_softmax(1)
        entropy = -(logs.exp() * logs).sum(1) / np.log(logs.shape[1])
        sure[name] = 1 - entropy.flatten(1).mean(1) if entropy.ndim > 1 else 1 - entropy
    for name in YES_NO:
        p = answers[name].sigmoid()
        entropy = -(torch.xlogy(p, p) + torch.xlogy(1 - p, 1 - p)) / np.log(2)
        sure[name] = 1 - entropy.reshape(len(p), -1).mean(1)
    return sure


def _terms(
    answers: Answers, batch: Batch, balance: torch.Tensor, size: int
) -> dict[str, torch.Tensor]:
    """All terms of one network; what nobody knows of a sample does not count."""
    face = batch["presence"] > 0.5
    gaps = measured_gaps(answers, batch)
    points = (batch["landmarks"] - answers["landmarks"]) * (128 / size)
    known = face[:, None, None] & points.isfinite()
    terms = {name: _smooth(gap, known) for name, (gap, known) in gaps.items()}
    terms |= {
        "landmarks": landmark_loss(torch.where(known, points, 0), known.all(2)),
        "presence": presence_loss(answers["presence"], batch["presence"].long()),
        "visible": presence_loss(answers["visible"], batch["visible"]),
        "traits": presence_loss(answers["traits"], batch["traits"]),
        "emotion": class_loss(answers["emotion"], _emotions(batch)),
        "gender": class_loss(answers["gender"], batch["gender"]),
        "group": class_loss(answers["group"], batch["group"]),
        "parsing": parsing_loss(answers["parsing"], batch["parsing_19"]),
    }
    off = points.nan_to_num()[..., :2].norm(dim=2) / TOLERANCES["landmarks"]
    gaps["landmarks"] = off, known.all(2)
    return {
        **terms,
        "balanced": balanced(terms, _anything_known(batch, gaps), balance),
        "spread": spread_loss(answers["spread"], gaps),
        "irises": iris_loss(torch.where(known, points, 0), known.all(2)),
        "table": table_loss(answers["curves"], answers["units"], face),
    }


def measured_gaps(answers: Answers, batch: Batch) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Of each measured output but landmarks its errors in tolerances, and which are known."""
    truths = {
        "curves": batch["curves"],
        "units": batch["unit_intensities"],
        "affect": torch.stack([batch["valence"], batch["arousal"]], 1),
        "gaze": batch["gaze"],
        "age": batch["age"],
        "quality": batch["quality"],
    }
    return {
        name: ((answers[name] - truth.nan_to_num()) / TOLERANCES[name], truth.isfinite())
        for name, truth in truths.items()
    }


def _smooth(gap: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    return mean_known(F.smooth_l1_loss(gap, torch.zeros_like(gap), reduction="none"), known)


def landmark_loss(gap: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """The terms of ``mien-landmarks`` in its weights, of gaps (N, 478, 3) in pixels of 128.

    In the plane; of the points that matter most; in depth; how far lids and lips are apart.
    """
    loss = F.smooth_l1_loss(gap, torch.zeros_like(gap), reduction="none", beta=0.5)
    plane, fine = loss[..., :2].mean(2), list(FINE)
    upper, lower = (list(points) for points in zip(*OPENINGS, strict=True))
    apart = gap[:, lower, :2] - gap[:, upper, :2]
    openings = F.smooth_l1_loss(apart, torch.zeros_like(apart), reduction="none", beta=0.5)
    return (
        mean_known(plane, known)
        + 0.5 * mean_known(plane[:, fine], known[:, fine])
        + 0.3 * mean_known(loss[..., 2], known)
        + 0.5 * mean_known(openings.mean(2), known[:, lower] & known[:, upper])
    )


def iris_loss(gap: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """How far irises are from where they are between the corners of their eyes, pixels of 128.

    An iris moves by two pixels where a gaze is far: placed as other points are, as much off as the
    whole face may be, it would not be seen to move at all.
    """
    parts = []
    for iris, *corners in IRISES:
        off = gap[:, iris, :2] - gap[:, corners, :2].mean(1)
        loss = F.smooth_l1_loss(off, torch.zeros_like(off), reduction="none", beta=0.5).mean(1)
        parts.append(mean_known(loss, known[:, [iris, *corners]].all(1)))
    return torch.stack(parts).mean()


def parsing_loss(logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Cross-entropy and Dice loss of one pixel in four.

    Each second row and column, of another phase from sample to sample: neighbours tell much the
    same, and at full size this is nearly half the work of a step.
    """
    logits, truth = _one_in_four(logits), _one_in_four(truth[:, None])[:, 0]
    return class_loss(logits, truth) + dice_loss(logits, truth)


def _one_in_four(maps: torch.Tensor) -> torch.Tensor:
    """Of maps (N, C, S, S) those (N, C, S/2, S/2) of the phase that is the sample's turn."""
    parts = maps.unflatten(3, (-1, 2)).unflatten(2, (-1, 2))
    number = torch.arange(len(maps), device=maps.device)
    return parts[number, :, :, number % 2, :, number // 2 % 2]


def balanced(
    terms: Mapping[str, torch.Tensor], known: Mapping[str, torch.Tensor], balance: torch.Tensor
) -> torch.Tensor:
    """The sum of the tasks, each as e^-s L + s with a learned s (Kendall et al. 2018, eq. 7).

    A task of which a batch knows nothing does not count, nor does its s.
    """
    s = BOUND * torch.tanh(balance / BOUND)
    losses = torch.stack([terms[name] for name in TASKS])
    there = torch.stack([known[name] for name in TASKS])
    return torch.where(there, torch.exp(-s) * losses + s, 0).sum()


def spread_loss(
    spread: torch.Tensor, gaps: Mapping[str, tuple[torch.Tensor, torch.Tensor]]
) -> torch.Tensor:
    """How badly the expected errors fit those made: the likelihood of a Laplace distribution.

    The answers themselves are not moved by it.
    """
    parts = []
    for i, name in enumerate(TOLERANCES):
        gap, known = (part.reshape(len(part), -1) for part in gaps[name])
        count = known.sum(1)
        error = (gap.detach().abs() * known).sum(1) / count.clamp(min=1) + 0.02
        log = spread[:, i].clamp(-6, 6)
        parts.append(mean_known(error * torch.exp(-log) + log, count > 0))
    return torch.stack(parts).sum()


def table_loss(curves: torch.Tensor, units: torch.Tensor, face: torch.Tensor) -> torch.Tensor:
    """How far the curves are from those that the units should give, both sides' mean.

    It needs no labels, so that units follow from curves where only these are known.
    """
    table = torch.from_numpy(AU_TO_CURVES[:, MOVED]).to(units)
    both = (curves + curves[:, MIRROR.tolist()]) / 2
    gap = (both[:, MOVED.tolist()] - units / MAXIMUM @ table) / TOLERANCES["curves"]
    return _smooth(gap, face[:, None].expand_as(gap))


def distilled(answers: Answers, taught: Answers, face: torch.Tensor) -> torch.Tensor:
    """How far a network is from its teacher, in tolerances and cross-entropies, mean of outputs."""
    taught = {name: value.detach() for name, value in taught.items()}
    parts = []
    for name in TOLERANCES:
        gap = (answers[name] - taught[name]) / TOLERANCES[name]
        parts.append(_smooth(gap, _over(face, gap)))
    for name in CLASSES:
        wanted = taught[name].softmax(1)
        loss = F.cross_entropy(answers[name], wanted, reduction="none")
        parts.append(mean_known(loss, _over(face, loss)))
    for name in YES_NO:
        wanted = taught[name].sigmoid()
        loss = F.binary_cross_entropy_with_logits(answers[name], wanted, reduction="none")
        parts.append(loss.mean() if name == "presence" else mean_known(loss, _over(face, loss)))
    return torch.stack(parts).mean()


def _over(face: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    return face.reshape(-1, *[1] * (values.ndim - 1)).expand_as(values)


def _emotions(batch: Batch) -> torch.Tensor:
    """Classes of ``EMOTIONS``; those of ``AFFECTS`` that are not among them are unknown."""
    affect = batch["affect"]
    return torch.where(affect < len(EMOTIONS), affect, labels.UNKNOWN)


def _anything_known(
    batch: Batch, gaps: Mapping[str, tuple[torch.Tensor, torch.Tensor]]
) -> dict[str, torch.Tensor]:
    """Whether a batch knows anything of each task."""
    classes = {
        "presence": batch["presence"].long(), "visible": batch["visible"],
        "traits": batch["traits"], "emotion": _emotions(batch), "gender": batch["gender"],
        "group": batch["group"], "parsing": batch["parsing_19"],
    }  # fmt: skip
    measured = {name: known.any() for name, (_, known) in gaps.items()}
    return measured | {name: (value >= 0).any() for name, value in classes.items()}


def _mean_in_crop(size: int) -> np.ndarray:
    return geometry.transform(geometry.invert(geometry.crop_to_face(size)), mean_face.points())
