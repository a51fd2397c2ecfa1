"""UniTalker: one network from speech to the face, in as many annotations as there are data sets.

Fan, Li, Lin, Xiao and Yang (ECCV 2024), "UniTalker: Scaling up Audio-Driven 3D Facial Animation
through A Unified Model".

Data sets of talking faces are small, and each says in its own way how a face moves: vertices of
some mesh, weights of blendshapes, parameters of FLAME. UniTalker shares everything but the last
layer: a pre-trained speech encoder, a small temporal network that is told who speaks, and one head
for each annotation. Heads of meshes give principal components, so that 70,110 numbers a frame learn
no slower than 52. The encoder stays fixed until the heads have begun to learn, and some steps are
taken in the name of nobody: that *pivot* row of the table of speakers then serves everybody.

As in the code that made the published weights: the encoder's features are stretched to the frames
of video after its transformer, and components are not divided by their deviation.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal, Self

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from mien.data.labels import WORDS
from mien.errors import InputError, UsageError
from mien.face import BLENDSHAPES
from mien.media.files import check_readable
from mien.nn import audio as sound
from mien.nn.wav2vec2 import FIELD, SpeechEncoder, SpeechSizes, renamed, sizes_of
from mien.systems.golden import BROKEN, Golden, Replay
from mien.systems.official import rename
from mien.train.spoken import annotation_map
from mien.train.system import Batch, Card, Published, Stage, System

MESH_WEIGHT, CURVE_WEIGHT = 1.0, 1e-4  # of what curves do, and of the curves themselves


def _sides(*names: str) -> tuple[str, ...]:
    return tuple(name + side for name in names for side in ("Left", "Right"))


EMOTALK_52 = tuple(sorted(BLENDSHAPES))
"""The curves of 3D-ETF by their alphabet, as its authors' renderer names them."""

ARKIT_51 = (
    *_sides("eyeBlink", "eyeSquint", "eyeLookDown", "eyeLookIn", "eyeWide", "eyeLookOut"),
    *_sides("eyeLookUp", "browDown"), "browInnerUp", *_sides("browOuterUp"),
    "jawOpen", "mouthClose", "jawLeft", "jawRight", "jawForward",
    *_sides("mouthUpperUp", "mouthLowerDown"), "mouthRollUpper", "mouthRollLower",
    *_sides("mouthSmile", "mouthDimple", "mouthStretch", "mouthFrown", "mouthPress"),
    "mouthPucker", "mouthFunnel", "mouthLeft", "mouthRight", "mouthShrugLower", "mouthShrugUpper",
    *_sides("noseSneer"), "cheekPuff", *_sides("cheekSquint"),
)  # fmt: skip
"""The curves of UniTalker's own recordings: the authors have named the first 26, to
``mouthUpperUpRight``; the others are in the order that FaceScape has."""


@dataclass(frozen=True)
class Annotation:
    """One way to say how a face moves.

    key: what the published code calls it. kind: vertices of a mesh, curves (weights of
    blendshapes) or parameters. fps: frames per second. scale: what the network learns is the motion
    times this. curves: their names, where they are known.
    """

    key: str
    kind: Literal["vertices", "curves", "parameters"] = "vertices"
    fps: float = 30.0
    scale: float = 1.0
    curves: tuple[str, ...] = ()


ANNOTATIONS: Mapping[str, Annotation] = {
    "biwi": Annotation("BIWI_23370_vertices", fps=25, scale=0.2),
    "vocaset": Annotation("FLAME_5023_vertices"),
    "multiface": Annotation("meshtalk_6172_vertices", scale=0.001),
    "emotalk": Annotation("3DETF_blendshape_weight", "curves", curves=EMOTALK_52),
    "flame": Annotation("flame_params_from_dadhead", "parameters"),
    "arkit": Annotation("inhouse_blendshape_weight", "curves", curves=ARKIT_51),
    "mien": Annotation("mien_curves", "curves", fps=25, curves=BLENDSHAPES),
    "mien_points": Annotation("mien_478_points", fps=25, scale=0.1),
    "mien_lips": Annotation("mien_lip_points", fps=25, scale=0.1),
}
"""By name; the word of ``mien.data.labels`` is ``motion_NAME``."""

PUBLISHED = ("biwi", "vocaset", "multiface", "emotalk", "flame", "arkit")
OWN = ("mien", "mien_points", "mien_lips")


def word(name: str) -> str:
    """The word of training batches for an annotation."""
    return f"motion_{name}"


def width(name: str) -> int:
    """How many numbers an annotation has in each frame."""
    return int(WORDS[word(name)].shape[1])


@cache
def basis(curves: tuple[str, ...]) -> torch.Tensor:
    """How curves move mien's 478 points: (curves, 1434), cm."""
    moved = annotation_map("mien_points")
    return torch.from_numpy(0.1 * moved[[BLENDSHAPES.index(name) for name in curves]])


@dataclass(frozen=True)
class UniTalkerConfig:
    """``encoder``: of the speech; ``annotations``: names of the heads.

    components: of the heads of meshes, at most. speakers: who can be told apart. width: of the
    temporal network; style: of what it is told of the speaker. pivot: share of the clips that are
    learned as nobody's. seconds: of made-up clips and of those of the world.
    """

    encoder: SpeechSizes = field(default_factory=SpeechSizes.xlsr)
    annotations: tuple[str, ...] = PUBLISHED
    components: int = 512
    speakers: int = 934
    width: int = 256
    style: int = 64
    pivot: float = 0.1
    seconds: float = 4.0
    steps: tuple[int, int] = (10_000, 1_000_000)

    def __post_init__(self) -> None:
        if isinstance(self.encoder, dict):  # as a run's config.json has it
            object.__setattr__(self, "encoder", SpeechSizes(**self.encoder))
        unknown = [name for name in self.annotations if name not in ANNOTATIONS]
        if unknown:
            raise UsageError(f"no annotation {unknown[0]!r}; there are: {', '.join(ANNOTATIONS)}")

    @classmethod
    def paper(cls) -> Self:
        """UniTalker-L: wav2vec 2.0 XLSR-53, all eight data sets."""
        return cls()

    @classmethod
    def base(cls) -> Self:
        """UniTalker-B: WavLM base+."""
        return cls(encoder=SpeechSizes.wavlm_base())

    @classmethod
    def tiny(cls) -> Self:
        """mien's own annotations, as the world gives them."""
        return cls(
            encoder=SpeechSizes.tiny(), annotations=OWN, components=16, speakers=4, width=32,
            style=8, seconds=0.64, steps=(60, 60),
        )  # fmt: skip


class TemporalBlock(nn.Module):
    """A convolution over three frames, normed over its channels, beside a shortcut."""

    def __init__(self, incoming: int, channels: int):
        super().__init__()
        self.conv = nn.Conv1d(incoming, channels, 3, padding=1)
        self.norm = nn.LayerNorm(channels)
        same = incoming == channels
        self.shortcut = nn.Identity() if same else nn.Conv1d(incoming, channels, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        normed = self.norm(self.conv(x).transpose(1, 2)).transpose(1, 2)
        return F.relu(normed + self.shortcut(x))


class Decoder(nn.Module):
    """Speech features (N, T, C) and who speaks (N,) -> what all heads read (N, T, width)."""

    def __init__(self, config: UniTalkerConfig):
        super().__init__()
        self.style = nn.Embedding(config.speakers + 1, config.style)
        self.project = nn.Linear(config.encoder.width, config.width)
        self.drop = nn.Dropout(0.1)
        incoming = (config.width + config.style, config.width, config.width)
        self.blocks = nn.Sequential(*(TemporalBlock(c, config.width) for c in incoming))

    def forward(self, features: torch.Tensor, speaker: torch.Tensor) -> torch.Tensor:
        heard = self.drop(self.project(features))
        style = self.style(speaker)[:, None].expand(-1, features.shape[1], -1)
        return self.blocks(torch.cat([heard, style], 2).transpose(1, 2)).transpose(1, 2)


class Components(nn.Module):
    """Principal components of an annotation's motion: (..., D) <-> (..., K)."""

    components: torch.Tensor
    mean: torch.Tensor

    def __init__(self, count: int, width: int):
        super().__init__()
        self.register_buffer("components", torch.zeros(count, width))
        self.register_buffer("mean", torch.zeros(width))

    def encode(self, motion: torch.Tensor) -> torch.Tensor:
        return (motion - self.mean) @ self.components.T

    def decode(self, code: torch.Tensor) -> torch.Tensor:
        return code @ self.components + self.mean

    def set(self, components: np.ndarray, mean: np.ndarray) -> None:
        """Take orthonormal components (K' >= K, D) and the mean motion (D,)."""
        kept = torch.from_numpy(np.asarray(components[: len(self.components)], np.float32))
        self.components.copy_(kept)
        self.mean.copy_(torch.from_numpy(np.asarray(mean, np.float32)))


class UniTalker(System):
    """(N, S) sound at 16 kHz, of mean 0 and deviation 1 -> motion (N, T, D) of each annotation.

    Motion is the offset from the neutral face, times the annotation's scale.
    """

    CARD = Card(
        slug="unitalker",
        title="UniTalker: one network from speech to faces of any annotation",
        task="speech-animation",
        venue="ECCV 2024",
        arxiv="2408.00762",
        repository="https://github.com/X-niper/UniTalker",
        code_licence="Apache-2.0",
        weights_licence="not stated; the code's is Apache-2.0",
    )
    Config = UniTalkerConfig
    CROP = "no picture: sound at 16 kHz, mono"
    config: UniTalkerConfig

    def __init__(self, config: UniTalkerConfig):
        super().__init__(config)
        self.audio_encoder = SpeechEncoder(config.encoder)
        self.decoder = Decoder(config)
        meshes = [n for n in config.annotations if ANNOTATIONS[n].kind == "vertices"]
        self.pca = nn.ModuleDict(
            {name: Components(self._components(name), width(name)) for name in meshes}
        )
        outputs = {n: self._components(n) if n in meshes else width(n) for n in config.annotations}
        heads = {name: nn.Linear(config.width, count) for name, count in outputs.items()}
        for head in heads.values():
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)
        self.heads = nn.ModuleDict(heads)
        for name in {*meshes} & {*OWN}:
            self._set_own(name)

    def _components(self, name: str) -> int:
        return min(
            self.config.components, width(name), len(BLENDSHAPES) if name in OWN else 1 << 30
        )

    def _set_own(self, name: str) -> None:
        """The components of what the curves can do, each as likely as the others."""
        directions = np.linalg.svd(annotation_map(name).astype(np.float64), full_matrices=False)[2]
        self._pca(name).set(directions, np.zeros(width(name)))

    def _pca(self, name: str) -> Components:
        part = self.pca[name]
        assert isinstance(part, Components)
        return part

    def has_components(self, name: str) -> bool:
        """Whether the principal components of an annotation of vertices are set."""
        return bool(self._pca(name).components[0].any())

    def use_components(self, name: str, path: Path) -> None:
        """Take the principal components of an annotation from a published ``pca.npz``.

        Published weights lack them, and mean nothing without them.

        Raises UsageError where the annotation has none, InputError where the file does not fit.
        """
        if name not in self.pca:
            known = ", ".join(self.pca) or "none"
            raise UsageError(f"{name!r} has no principal components; there are: {known}")
        check_readable(path)
        try:
            with np.load(path, allow_pickle=False) as arrays:
                found, mean = arrays["components_to_data"], arrays["original_data_mean"]
        except (KeyError, *BROKEN) as error:
            raise InputError(f"{path}: no components of {name!r}: {error}") from error
        count, numbers = self._pca(name).components.shape
        if len(found) < count or found.shape[1:] != (numbers,) or mean.shape != (numbers,):
            raise InputError(
                f"{path}: no components of {name!r}: {found.shape}, expected ({count}, {numbers})"
            )
        self._pca(name).set(found, mean)

    # -- the network -------------------------------------------------------------------------------

    def forward(self, audio: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The motion of each annotation in turn, at its own frame rate, as the pivot moves."""
        features = self.audio_encoder(audio)
        return tuple(self._motion(features, name, audio.shape[1]) for name in self.heads)

    def _motion(self, features: torch.Tensor, name: str, samples: int) -> torch.Tensor:
        frames = sound.frame_count(samples, ANNOTATIONS[name].fps)
        return self.offset(name, self.code(name, self.shared(features, frames)))

    def shared(
        self, features: torch.Tensor, frames: int, speaker: torch.Tensor | None = None
    ) -> torch.Tensor:
        """What all heads read (N, frames, width) of the encoder's features.

        speaker: rows (N,) of the table, the last one being the pivot; None is the pivot.
        """
        if speaker is None:
            speaker = features.new_full(features.shape[:1], self.config.speakers).long()
        return self.decoder(sound.stretched(features, frames), speaker)

    def code(self, name: str, hidden: torch.Tensor) -> torch.Tensor:
        """What the head of an annotation says: components, or the motion itself."""
        return self.heads[name](hidden)

    def offset(self, name: str, code: torch.Tensor) -> torch.Tensor:
        """The scaled motion (..., D) of what a head says."""
        return self._pca(name).decode(code) if name in self.pca else code

    # -- training ----------------------------------------------------------------------------------

    def stages(self) -> list[Stage]:
        """Published: a first epoch without the encoder, 99 with it, its convolutions fixed."""
        body = ("audio_encoder.masked_spec_embed", "audio_encoder.feature_projection",
                "audio_encoder.encoder")  # fmt: skip
        first, second = self.config.steps
        return [
            Stage(
                name=name, data="speech", steps=steps, batch=1, train=train, rate=1e-4,
                losses={"reconstruction": 1.0, "components": 0.01}, optimiser="adam", clip=0.0,
                schedule="constant", warmup=0,
            )
            for name, steps, train in (
                ("heads", first, ("decoder", "heads")),
                ("everything", second, ("decoder", "heads", *body)),
            )
        ]  # fmt: skip

    def losses(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Means over all that is known: each clip in each annotation that it has.

        A batch may lack words of annotations; a clip of which nothing is known counts nothing.
        """
        features = self.audio_encoder(*self.inputs(batch))
        speaker = self._speakers(batch["identity"])
        errors, codes = [features.new_zeros(0)], [features.new_zeros(0)]
        for name in self.heads:
            if word(name) not in batch:
                continue
            motion = batch[word(name)]
            known = motion.isfinite().flatten(1).all(1)
            if known.any():
                target = motion[known] * ANNOTATIONS[name].scale
                hidden = self.shared(features[known], target.shape[1], speaker[known])
                error, code = self._errors(name, hidden, target)
                errors.append(error)
                codes.append(code)
        return {"reconstruction": _mean(errors, features), "components": _mean(codes, features)}

    def _errors(
        self, name: str, hidden: torch.Tensor, target: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Of each clip the error of the motion, and of the components where there are any."""
        code = self.code(name, hidden).float()
        if name not in self.pca:
            return self._motion_error(name, code, target), code.new_zeros(0)
        pca = self._pca(name)
        if not self.has_components(name):
            raise UsageError(f"the principal components of {name!r} are not set (use_components)")
        error = self._motion_error(name, pca.decode(code), target)
        return error, (code - pca.encode(target)).square().mean((1, 2))

    def _motion_error(self, name: str, moved: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """(N,). Curves count by what they do to a face, where it is known which they are."""
        gap = moved - target
        curves = ANNOTATIONS[name].curves
        if not curves:
            return gap.square().mean((1, 2))
        mesh = gap @ basis(curves).to(gap)
        return MESH_WEIGHT * mesh.square().mean((1, 2)) + CURVE_WEIGHT * gap.square().mean((1, 2))

    def _speakers(self, identity: torch.Tensor) -> torch.Tensor:
        """Rows of the table; the pivot for the unknown, and in training now and then for all."""
        pivot = self.config.speakers
        if int(identity.max()) >= pivot:
            raise InputError(f"speaker {int(identity.max())}, but the network has {pivot}")
        nobody = identity < 0
        if self.training:
            nobody = nobody | (torch.rand(identity.shape) < self.config.pivot).to(nobody.device)
        return torch.where(nobody, pivot, identity)

    def example(self, count: int) -> dict[str, torch.Tensor]:
        """Noise; of each clip one annotation is known, as in the data sets."""
        samples = round(self.config.seconds * sound.RATE)
        batch = {
            "audio": 0.1 * torch.randn(count, samples),
            "identity": torch.arange(count) % self.config.speakers,
        }
        turn = torch.arange(count) % len(self.config.annotations)
        for i, name in enumerate(self.config.annotations):
            frames = sound.frame_count(samples, ANNOTATIONS[name].fps)
            motion = (1 + torch.rand(count, frames, 1)).expand(-1, -1, width(name))
            batch[word(name)] = torch.where((turn == i)[:, None, None], motion, torch.nan)
        return batch

    def inputs(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        return (sound.normalised(batch["audio"].float()),)

    def dynamic_axes(self) -> dict[str, dict[int, str]]:
        outputs = [f"output_{i}" for i in range(len(self.heads))]
        return {name: {0: "batch"} for name in ("image", *outputs)}

    # -- use ---------------------------------------------------------------------------------------

    @torch.inference_mode()
    def predict(
        self, audio: np.ndarray, annotation: str | None = None, speaker: int | None = None,
        fps: float | None = None, neutral: np.ndarray | None = None,
    ) -> np.ndarray:  # fmt: skip
        """How a face moves to a sound (S,) at 16 kHz: (T, D) float32, T = round(S / 16000 * fps).

        annotation: of the config's, the first if not said. speaker: of the training data, None for
        nobody. fps: that of the annotation, if not said. neutral: (D,), to which motion is added.
        Long sound goes through in windows of 25 s that overlap by 5 s.

        Raises UsageError for an annotation or speaker that the network does not have, InputError
        for what is no sound.
        """
        name = annotation or self.config.annotations[0]
        if name not in self.heads:
            raise UsageError(f"no head {name!r}; there are: {', '.join(self.heads)}")
        if name in self.pca and not self.has_components(name):
            raise UsageError(f"the principal components of {name!r} are not set (use_components)")
        pivot = self.config.speakers
        row = pivot if speaker is None else speaker
        if not 0 <= row <= pivot:
            raise UsageError(f"no speaker {row}; there are {pivot}")
        kind = ANNOTATIONS[name]
        rate = fps or kind.fps
        self.eval()

        def move(part: np.ndarray) -> np.ndarray:
            return self._moved(name, part, row, rate) / kind.scale

        motion = sound.in_windows(move, sound.checked(audio), rate)
        return motion if neutral is None else motion + neutral.astype(np.float32)

    def _moved(self, name: str, part: np.ndarray, speaker: int, fps: float) -> np.ndarray:
        device = self.decoder.style.weight.device
        heard = torch.from_numpy(part)[None].to(device)
        heard = F.pad(sound.normalised(heard), (0, max(FIELD - len(part), 0)))
        row = torch.full((1,), speaker, device=device)
        frames = sound.frame_count(len(part), fps)
        if not frames:
            return np.zeros((0, width(name)), np.float32)
        hidden = self.shared(self.audio_encoder(heard), frames, row)
        return self.offset(name, self.code(name, hidden))[0].cpu().numpy()

    # -- published weights -------------------------------------------------------------------------

    @classmethod
    def published(cls, state: Mapping[str, torch.Tensor]) -> Published:
        """One of the two; both lack the principal components of the meshes."""
        shapes = {name: tuple(value.shape) for name, value in state.items()}
        stored = any(name.startswith("pca_layer_dict.") for name in shapes)
        return Published(_config(shapes), () if stored else ("pca",))

    @classmethod
    def from_official(cls, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        own = {a.key: name for name, a in ANNOTATIONS.items()}
        keys = "|".join(map(re.escape, own))
        tcn = r"decoder\.tcn\.first_net\.conv_layers\.(\d+)"
        found = rename(
            {renamed(name): value for name, value in state.items()},
            (
                (r"(audio_encoder\..+)", r"\1"),
                (r"decoder\.learnable_style_emb\.weight", "decoder.style.weight"),
                (r"decoder\.audio_feature_map\.(.+)", r"decoder.project.\1"),
                (rf"{tcn}\.(conv|norm)\.(.+)", r"decoder.blocks.\1.\2.\3"),
                (rf"{tcn}\.residual_layer\.0\.(.+)", r"decoder.blocks.\1.shortcut.\2"),
                (rf"out_head_dict\.({keys})\.(weight|bias)", r"heads.\1.\2"),
                # Both directions share their memory there, and this one is loaded last.
                (rf"pca_layer_dict\.({keys})\.data_to_feat", r"pca.\1.components"),
                (rf"pca_layer_dict\.({keys})\.feat_to_data", None),
                (rf"pca_layer_dict\.({keys})\.data_bias", r"pca.\1.mean"),
                (rf"pca_layer_dict\.({keys})\.feat_(mean|std)", None),  # stored, never used
            ),
        )
        return {
            _in_own_words(name, own): value.t() if name.endswith(".components") else value
            for name, value in found.items()
        }

    @classmethod
    def replays(cls) -> dict[str, Replay]:
        return dict.fromkeys(("base", "large"), Replay(_recorded_config, _replay))


def _in_own_words(name: str, own: Mapping[str, str]) -> str:
    """A tensor's name with mien's name of the annotation in the place of the published one."""
    part, _, rest = name.partition(".")
    key, _, last = rest.rpartition(".")
    return f"{part}.{own[key]}.{last}" if part in ("heads", "pca") else name


def _mean(parts: list[torch.Tensor], features: torch.Tensor) -> torch.Tensor:
    """The mean of all clips' errors; 0, with a gradient of 0, where there are none."""
    errors = torch.cat(parts)
    return errors.mean() if len(errors) else 0 * features.float().sum()


def _config(shapes: Mapping[str, tuple[int, ...]], heads: int | None = None) -> UniTalkerConfig:
    """The sizes of a published network, from its tensors. heads: of the encoder's attention."""
    speech = {n.removeprefix("audio_encoder."): s for n, s in shapes.items() if n[:5] == "audio"}
    outputs = {n.split(".")[1]: s[0] for n, s in shapes.items()
               if re.fullmatch(r"out_head_dict\.[^.]+\.weight", n)}  # fmt: skip
    names = {a.key: name for name, a in ANNOTATIONS.items()}
    meshes = [o for key, o in outputs.items() if ANNOTATIONS[names[key]].kind == "vertices"]
    rows, style = shapes["decoder.learnable_style_emb.weight"]
    return UniTalkerConfig(
        encoder=sizes_of(speech, heads),
        annotations=tuple(names[key] for key in outputs),
        components=max(meshes, default=512),
        speakers=rows - 1,
        width=shapes["decoder.audio_feature_map.weight"][0],
        style=style,
    )


def _recorded_config(golden: Golden) -> UniTalkerConfig:
    build = golden.config
    for name, wanted in (("decoder_type", "conv"), ("interpolate_pos", 1), ("headlayer", 1)):
        if build.get(name, wanted) != wanted:
            raise InputError(f"{name} is {build[name]!r}; the published networks have {wanted!r}")
    heads = build.get("encoder_config", {}).get("num_attention_heads")
    return _config(golden.shapes, heads)


@torch.no_grad()
def _replay(system: UniTalker, golden: Golden) -> dict[str, torch.Tensor]:
    given = golden.inputs
    encoder = system.audio_encoder
    convolved = encoder.feature_extractor(given["audio"])
    states = encoder.encoder.states(encoder.embed(convolved))
    found = {"feature_extractor": convolved, "layer0": states[0]}
    found["hidden"] = states[-1]
    for name in system.heads:
        key = ANNOTATIONS[name].key
        if f"template_{key}" not in given:
            continue
        frames = _recorded_frames(golden, name)
        hidden = system.shared(states[-1], frames, given.get("style_idx"))
        code = system.code(name, hidden)
        found[f"motion_{key}"] = system.offset(name, code) + given[f"template_{key}"][:, None]
        if name in system.pca:
            found[f"pca_{key}"] = code
        found["decoder"] = hidden
    return found


def _recorded_frames(golden: Golden, name: str) -> int:
    """How many frames were recorded: whole outputs say it, else it follows from the sound."""
    for output in (f"out__pca_{ANNOTATIONS[name].key}", "mid__decoder"):
        if output in golden.results and output not in golden.slices:
            return golden.results[output].shape[1]
    return sound.frame_count(golden.inputs["audio"].shape[1], ANNOTATIONS[name].fps)
