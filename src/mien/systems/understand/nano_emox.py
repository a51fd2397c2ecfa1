"""Nano-EmoX: what somebody feels, why, and what to say to it, from a short clip and its subtitle.

Huang, Lin, Yang, Feng, Zhu, Yang and Chen (CVPR 2026), "Nano-EmoX: Unifying Multimodal Emotional
Intelligence from Perception to Empathy".

Three encoders that stay as they are look at eight moments of a clip: CLIP sees them, HuBERT hears
them, FaceXFormer's backbone looks at the face. Small adapters of different kinds turn what they
say into 69 tokens among the words that a language model of 1.5 billion parameters reads: query
transformers for sight and sound, learned queries for the face, and experts at three depths of the
encoders for both together. A curriculum leads from perception to empathy (P2E): first adapters to
name emotions, then the fusion by intents, then low-rank changes of the language model by all tasks.

The paper's text could not be had: this follows the description of the published code. Its prompts
are known in their parts only, and their words are ours. Kept as there: the "face" encoder gets
whole frames, with values 0 to 255 (``raw_faces``). Different: the norm behind the face's queries,
which nothing depends on there, is left out; and rates of the first phase fall to zero, there to
1e-4.

At the published size there are 2.32 billion parameters; the paper says 2.2. As the parts' sizes are
those of their own publications, and fusion (6.57 M) and face head (1.64 M) agree with the code, the
paper may not count one of the encoders.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, Self

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from mien.errors import InputError, UsageError
from mien.nn.audio import RATE, checked
from mien.nn.bytes import Bytes, Tokeniser, until
from mien.nn.clip import ClipVision, Sizes, normalised
from mien.nn.decoder import Decoder, DecoderSizes, greedy, nucleus
from mien.nn.lora import Lora, adapted
from mien.nn.losses import imagenet_normalised
from mien.nn.moments import frame_numbers, windows
from mien.nn.qformer import QFormer
from mien.nn.swin import Swin
from mien.nn.wav2vec2 import FIELD, SpeechEncoder, SpeechSizes, renamed
from mien.systems import official
from mien.systems.official import rename
from mien.systems.perceive.facexformer import FaceXFormer, Fusion
from mien.train.system import Batch, Card, Published, Stage, System

Schedule = Literal["cosine", "constant"]

SENSES = ("fusion", "audio", "video", "face")
"""What of a clip can stand in a prompt, in its order there."""

BRACKETS = {
    "fusion": ("Seen and heard together: <Multi>", "</Multi> "),
    "audio": ("Heard: <Audio>", "</Audio> "),
    "video": ("Seen: <Video>", "</Video> "),
    "face": ("The face: <Video>", "</Video> "),
}
USER, ANSWER, STOP = "###Human: ", "###Assistant: ", "###"


class Task(NamedTuple):
    """tag: before the question. metrics: names of ``mien.evaluate.metrics.registry``."""

    tag: str
    metrics: tuple[str, ...]


TASKS: Mapping[str, Task] = {
    "sentiment": Task("[Recognition]", ("weighted_f1",)),
    "emotion": Task("[Recognition]", ("hit_rate",)),
    "open-emotion": Task("[Recogn_OV]", ("label_set_f1",)),
    "reason": Task("[Inference]", ("bleu", "rouge_l", "meteor", "cider_d")),
    "intent": Task("[Intent]", ("accuracy", "weighted_f1")),
    "reply": Task("[Interaction]", ("hit_rate", "distinct_n_per_text", "distinct_n")),
}
"""The six tasks. There, reasons are rated by a commercial model, labels are read off free text by
another one and compared on five wheels of emotions; metrics here need neither."""

CLIP_LARGE = Sizes(224, 14, 1024, 24, 16, 4096)
"""ViT-L/14."""


@dataclass(frozen=True)
class NanoEmoxConfig:
    """The sizes of encoders, adapters and language model.

    sights, sounds: after which blocks of CLIP and HuBERT the experts of the fusion look (from 1).
    raw_faces: the face encoder gets 0 to 255, as published, instead of ImageNet's normalisation.
    video, audio, face: numbers of tokens. queries: width, depth and heads of query transformers;
    places: of frames that they can tell apart. fused: width of the fusion, fused_heads: its heads.
    moments: frames, and windows of ``seconds`` of sound. length: tokens of a sample in training.
    steps, rates, warmup: of the stages.
    """

    clip: Sizes = CLIP_LARGE
    sights: tuple[int, ...] = (12, 16, 22)
    hubert: SpeechSizes = field(default_factory=SpeechSizes.xlsr)
    sounds: tuple[int, ...] = (16, 18, 22)
    swin_width: int = 128
    swin_depths: tuple[int, ...] = (2, 2, 18, 2)
    swin_heads: tuple[int, ...] = (4, 8, 16, 32)
    window: int = 7
    face_width: int = 256
    raw_faces: bool = True
    video: int = 32
    audio: int = 32
    face: int = 4
    queries: tuple[int, int, int] = (768, 2, 12)
    places: int = 32
    fused: int = 512
    fused_heads: int = 8
    language: DecoderSizes = field(default_factory=DecoderSizes.qwen_1_5b)
    lora: Lora = field(default_factory=Lora)
    moments: int = 8
    seconds: float = 2.0
    length: int = 1024
    dropout: float = 0.1
    steps: tuple[int, int, int, int] = (15_000, 25_000, 5_000, 300_000)
    rates: tuple[float, float, float, float] = (3e-4, 3e-4, 1e-5, 8e-6)
    warmup: int = 5000

    def __post_init__(self) -> None:
        kinds = {"hubert": SpeechSizes, "language": DecoderSizes, "lora": Lora}
        for name, kind in kinds.items():
            if isinstance(value := getattr(self, name), dict):  # as a run's config.json has it
                object.__setattr__(self, name, kind(**value))
        object.__setattr__(self, "clip", Sizes(*self.clip))

    @property
    def size(self) -> int:
        """Side of the frames, pixels."""
        return self.clip.size

    @property
    def samples(self) -> int:
        """Of a window of sound."""
        return round(self.seconds * RATE)

    @classmethod
    def paper(cls) -> Self:
        """CLIP ViT-L/14, HuBERT large, Swin-B, Qwen2.5-1.5B."""
        return cls()

    @classmethod
    def tiny(cls) -> Self:
        """Everything small; text goes by bytes."""
        return cls(
            clip=Sizes(32, 8, 32, 3, 2, 64), sights=(1, 1, 2), hubert=SpeechSizes.tiny(),
            sounds=(1, 1, 1), swin_width=8, swin_depths=(1, 1, 1, 1), swin_heads=(1, 1, 2, 4),
            window=4, face_width=16, raw_faces=False, video=4, audio=4, face=2,
            queries=(32, 2, 4), fused=32, fused_heads=4, language=DecoderSizes.tiny(258),
            lora=Lora(4, 8.0, 0.0), moments=2, seconds=0.1, length=768, dropout=0.0,
            steps=(60, 60, 60, 60), rates=(2e-3, 2e-3, 1e-3, 1e-3), warmup=5,
        )  # fmt: skip


# -- parts -----------------------------------------------------------------------------------------


class FaceEncoder(nn.Module):
    """FaceXFormer's backbone and its fusion of scales: (N, 3, S, S) -> (N, face_width)."""

    def __init__(self, config: NanoEmoxConfig):
        super().__init__()
        self.backbone = Swin(
            config.swin_width, config.swin_depths, config.swin_heads, config.window
        )
        widths = [config.swin_width * 2**i for i in range(len(config.swin_depths))]
        self.fusion = Fusion(widths, config.face_width)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.fusion(self.backbone(image)).mean((2, 3))


class FaceHead(nn.Module):
    """Learned queries read the faces of all frames: (N, M, face_width) -> (N, face, language)."""

    def __init__(self, config: NanoEmoxConfig):
        super().__init__()
        width, hidden = config.face_width, config.queries[0]
        self.query = nn.Parameter(0.02 * torch.randn(config.face, width))
        self.attention = nn.MultiheadAttention(width, 4, batch_first=True)
        self.project = nn.Sequential(
            nn.Linear(width, hidden), nn.GELU(), nn.Dropout(config.dropout),
            nn.Linear(hidden, config.language.width),
        )  # fmt: skip

    def forward(self, faces: torch.Tensor) -> torch.Tensor:
        query = self.query.expand(faces.shape[0], -1, -1)
        return self.project(self.attention(query, faces, faces, need_weights=False)[0])


class ScaleFusion(nn.Module):
    """Sounds and sights (N, M, width) at three depths each -> (N, M, fused).

    An expert for each depth: sounds ask, sights answer. How much each expert says is decided by
    what is heard.
    """

    def __init__(self, config: NanoEmoxConfig):
        super().__init__()
        width, count = config.fused, len(config.sounds)
        self.audio = nn.Linear(config.hubert.width, width)
        self.visual = nn.Linear(config.clip.width, width)
        self.attentions = nn.ModuleList(
            nn.MultiheadAttention(width, config.fused_heads, config.dropout, batch_first=True)
            for _ in range(count)
        )
        self.mlps = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(),
                nn.Dropout(config.dropout), nn.Linear(width, width),
            )
            for _ in range(count)
        )  # fmt: skip
        self.gate = nn.Sequential(
            nn.Linear(count * width, width), nn.GELU(), nn.Dropout(config.dropout),
            nn.Linear(width, count),
        )  # fmt: skip

    def forward(
        self, sounds: Sequence[torch.Tensor], sights: Sequence[torch.Tensor]
    ) -> torch.Tensor:
        heard, seen = [self.audio(x) for x in sounds], [self.visual(x) for x in sights]
        said = []
        parts = zip(heard, seen, self.attentions, self.mlps, strict=True)
        for sound, sight, attention, mlp in parts:
            x = sound + attention(sound, sight, sight, need_weights=False)[0]
            said.append(x + mlp(x))
        weights = self.gate(torch.cat([x.mean(1) for x in heard], 1)).softmax(1)
        return (torch.stack(said, 1) * weights[:, :, None, None]).sum(1)


# -- the system ------------------------------------------------------------------------------------


class NanoEmox(System):
    """(N, M, 3 S S + samples): pixels 0..1 and sound of each moment -> (N, 69, width) tokens.

    These are what the language model reads of a clip; :meth:`stream` asks it.
    """

    CARD = Card(
        slug="nano-emox",
        title="Nano-EmoX: unifying multimodal emotional intelligence from perception to empathy",
        task="conversation",
        venue="CVPR 2026",
        arxiv="2603.02123",
        repository="https://github.com/waHAHJIAHAO/Nano-EmoX",
        code_licence="MIT (theirs); Apache-2.0 (this implementation)",
        weights_licence="not released; of the parts: MIT (CLIP, FaceXFormer), Apache-2.0 (Qwen2.5)",
    )
    Config = NanoEmoxConfig
    CROP = "the whole frames, without keeping their aspect; and their sound"
    STATE_KEY = "model"
    config: NanoEmoxConfig

    def __init__(self, config: NanoEmoxConfig):
        super().__init__(config)
        width, (queries, depth, heads) = config.language.width, config.queries
        self.clip = ClipVision(*config.clip)
        self.hubert = SpeechEncoder(config.hubert)
        self.face = FaceEncoder(config)
        self.video = QFormer(
            config.video, queries, depth, heads, config.clip.width, config.places, config.dropout
        )
        self.video_project = nn.Linear(queries, width)
        self.audio = QFormer(
            config.audio, queries, depth, heads, config.hubert.width, config.moments,
            config.dropout,
        )  # fmt: skip
        self.audio_project = nn.Linear(queries, width)
        self.face_head = FaceHead(config)
        self.fusion = ScaleFusion(config)
        self.fusion_project = nn.Linear(config.fused, width)
        self.language = Decoder(config.language, config.lora)
        self.text: Tokeniser = Bytes()
        """How text becomes tokens; a larger language model needs the one it was trained with."""

    # -- perception --------------------------------------------------------------------------------

    def forward(self, moments: torch.Tensor) -> tuple[torch.Tensor, ...]:
        size, samples = self.config.size, self.config.samples
        wanted = (self.config.moments, 3 * size * size + samples)
        if moments.ndim != 3 or moments.shape[1:] != wanted:
            raise ValueError(f"expected (N, {wanted[0]}, {wanted[1]}), not {tuple(moments.shape)}")
        frames = moments[..., :-samples].reshape(-1, wanted[0], 3, size, size)
        return (torch.cat([*self.tokens(frames, moments[..., -samples:]).values()], 1),)

    def tokens(self, frames: torch.Tensor, sound: torch.Tensor) -> dict[str, torch.Tensor]:
        """The tokens of each of ``SENSES``, of frames (N, M, 3, S, S) 0..1 and sound (N, M, S')."""
        seen, sights = self._seen(frames)
        heard, sounds = self._heard(sound)
        fused = self.fusion(sounds, sights).mean(1, keepdim=True)
        return {
            "fusion": self.fusion_project(fused),
            "audio": self.audio_project(self.audio(heard)),
            "video": self.video_project(self.video(seen)),
            "face": self.face_head(self._faces(frames)),
        }

    def _seen(self, frames: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """CLIP's class token before the last block, and at the depths of the fusion (N, M, C)."""
        tower = self.clip
        states = [
            self._in_clips(state[:, 0])
            for state in tower.encoder.each(tower.embed(normalised(self._apart(frames))))
        ]
        return states[-2], [states[depth - 1] for depth in self.config.sights]

    def _heard(self, sound: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """HuBERT's mean over its last four blocks, and at the depths of the fusion (N, M, C)."""
        mean, power = sound.mean((1, 2), True), sound.var((1, 2), correction=0, keepdim=True)
        whole = self._apart((sound - mean) / (power + 1e-7).sqrt())  # all windows alike
        hubert = self.hubert
        states = [
            self._in_clips(state.mean(1))
            for state in hubert.encoder.states(hubert.embed(hubert.feature_extractor(whole)))
        ]
        return torch.stack(states[-4:]).mean(0), [states[d - 1] for d in self.config.sounds]

    def _faces(self, frames: torch.Tensor) -> torch.Tensor:
        image = self._apart(frames)
        image = 255 * image if self.config.raw_faces else imagenet_normalised(image)
        return self._in_clips(self.face(image))

    def _apart(self, moments: torch.Tensor) -> torch.Tensor:
        """(N, M, ...) -> (N M, ...)."""
        return moments.reshape(-1, *moments.shape[2:])

    def _in_clips(self, moments: torch.Tensor) -> torch.Tensor:
        """(N M, C) -> (N, M, C)."""
        return moments.reshape(-1, self.config.moments, moments.shape[-1])

    # -- words -------------------------------------------------------------------------------------

    def slots(self, sense: str) -> range:
        """The tokens that stand for a clip in a prompt: they come after those of the words."""
        counts = {"fusion": 1, **{name: getattr(self.config, name) for name in SENSES[1:]}}
        first = self.config.language.vocabulary
        first += sum(counts[name] for name in SENSES[: SENSES.index(sense)])
        return range(first, first + counts[sense])

    def prompt(
        self, task: str, question: str, subtitle: str = "", senses: Sequence[str] = SENSES
    ) -> list[int]:
        """The tokens of a question about a clip, up to where the answer begins.

        Raises UsageError for an unknown task.
        """
        if task not in TASKS:
            raise UsageError(f"no task is called {task!r}; there are: {', '.join(TASKS)}")
        out = [self.text.begin, *self.text.encode(USER)]
        for sense in (name for name in SENSES if name in senses):
            before, after = BRACKETS[sense]
            out += [*self.text.encode(before), *self.slots(sense), *self.text.encode(after)]
        said = subtitle.replace(STOP, "").replace("<", "(")  # a subtitle does not take the floor
        asked = question.replace(STOP, "")
        words = f"<Subtitle>{said}</Subtitle> {TASKS[task].tag} {asked}{ANSWER}"
        return [*out, *self.text.encode(words)]

    def phrased(
        self, task: str, question: str, answer: str, subtitle: str, senses: Sequence[str]
    ) -> tuple[np.ndarray, np.ndarray]:
        """A sample's words ``tokens`` and ``answers``, (length,); what does not fit is cut off."""
        asked = self.prompt(task, question, subtitle, senses)
        told = [*self.text.encode(answer + STOP), self.text.end]
        length = self.config.length
        tokens, answers = np.full(length, -1), np.zeros(length, np.int64)
        both = [*asked, *told][:length]
        tokens[: len(both)] = both
        answers[len(asked) : len(both)] = 1
        return tokens, answers

    def embedded(self, tokens: torch.Tensor, clip: torch.Tensor) -> torch.Tensor:
        """What the language model reads: words, and among them tokens (N, K, width) of a clip."""
        count = self.config.language.vocabulary
        words = self.language.embed_tokens(tokens.clamp(0, count - 1))
        place = (tokens - count).clamp(min=0)[..., None].expand_as(words)
        return torch.where(tokens[..., None] >= count, clip.gather(1, place).to(words), words)

    # -- training ----------------------------------------------------------------------------------

    def stages(self) -> list[Stage]:
        """From perception to empathy (P2E). Published: batches of 3 on each GPU, half precision.

        Encoders stay as they are in all stages, and the language model but for its changes.
        """
        audio = ("audio.", "audio_project.")
        sight = ("video.", "video_project.", "face_head.")
        adapters = (*audio, *sight, "fusion.", "fusion_project.")
        lora = tuple(f"language.{name}.lora_" for name, _ in adapted(self.language))
        phases: tuple[tuple[str, str, tuple[str, ...], Schedule], ...] = (
            ("hear", "dialogue-heard", audio, "cosine"),
            ("see", "dialogue-seen", sight, "cosine"),
            ("fuse", "dialogue-intent", adapters, "constant"),
            ("empathise", "dialogue", (*adapters, *lora), "constant"),
        )
        return [
            Stage(
                name=name, data=data, steps=steps, batch=3, losses={"answer": 1.0}, train=train,
                rate=rate, weight_decay=0.05, schedule=schedule, warmup=self.config.warmup,
            )
            for (name, data, train, schedule), steps, rate in zip(
                phases, self.config.steps, self.config.rates, strict=True
            )
        ]  # fmt: skip

    def losses(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Cross-entropy of the answers' tokens, of all of them alike."""
        (clip,) = self(*self.inputs(batch))
        tokens = batch["tokens"]
        hidden = self.language(self.embedded(tokens, clip))[:, :-1]
        told = batch["answers"][:, 1:] > 0
        logits = self.language.logits(hidden[told]).float()
        errors = F.cross_entropy(logits, tokens[:, 1:][told], reduction="sum")
        return {"answer": errors / told.sum().clamp(min=1)}

    def example(self, count: int) -> dict[str, torch.Tensor]:
        """Noise, and an answer that is easy to learn."""
        config = self.config
        slots = [token for sense in SENSES for token in self.slots(sense)]
        text = torch.tensor([self.text.begin, *slots, *b"?", *b"aaaaaaa", self.text.end])
        answers = torch.zeros_like(text)
        answers[-8:] = 1
        size = config.size
        frames = (count, config.moments, 3, size, size)
        return {
            "frames": torch.randint(0, 256, frames, dtype=torch.uint8),
            "audio": 0.1 * torch.randn(count, config.moments * config.samples),
            "tokens": text.repeat(count, 1),
            "answers": answers.repeat(count, 1),
        }

    def inputs(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        frames = batch["frames"].float().flatten(2) / 255
        sound = batch["audio"].float().unflatten(1, (self.config.moments, -1))
        return (torch.cat([frames, sound], 2),)

    def dynamic_axes(self) -> dict[str, dict[int, str]]:
        return {name: {0: "batch"} for name in ("image", "output_0")}

    # -- use ---------------------------------------------------------------------------------------

    @torch.inference_mode()
    def watch(self, frames: Sequence[np.ndarray], sound: np.ndarray) -> torch.Tensor:
        """The tokens (1, K, width) of a clip, for any number of questions.

        frames: RGB (H, W, 3) uint8, at least one. sound: (S,) at 16 kHz, -1..1, may be empty.

        Raises InputError where there are no frames, or for what is no sound.
        """
        if not len(frames):
            raise InputError("a clip without frames")
        self.eval()
        side, count = self.config.size, self.config.moments
        shown = [cv2.resize(frames[i], (side, side)) for i in frame_numbers(len(frames), count)]
        sound = checked(sound) if len(sound) else np.zeros(FIELD, np.float32)
        batch = {
            "frames": torch.from_numpy(np.stack(shown).transpose(0, 3, 1, 2).copy())[None],
            "audio": torch.from_numpy(windows(sound, count, self.config.samples).reshape(1, -1)),
        }
        device = self.language.embed_tokens.weight.device
        return self(*(part.to(device) for part in self.inputs(batch)))[0]

    def stream(
        self, clip: torch.Tensor, question: str, task: str = "emotion", subtitle: str = "",
        limit: int = 1200, temperature: float = 0.0, top_p: float = 0.9, seed: int = 0,
    ) -> Iterator[str]:  # fmt: skip
        """The answer to a question about a clip that was watched, in pieces as they are known.

        limit: tokens. temperature: 0 takes the likeliest token always; published: 1.

        Raises UsageError for an unknown task, a text that the language model cannot read, a
        temperature below 0 or a share outside 0..1.
        """
        if temperature < 0 or not 0 < top_p <= 1:
            raise UsageError(f"temperature {temperature}, top_p {top_p}: from 0; above 0 up to 1")
        if self.config.language.vocabulary != Bytes.vocabulary and isinstance(self.text, Bytes):
            raise UsageError("this language model's own tokeniser is needed (NanoEmox.text)")
        tokens = torch.tensor([self.prompt(task, question, subtitle)], device=clip.device)
        generator = torch.Generator().manual_seed(seed)
        choose = nucleus(temperature, top_p, generator) if temperature else greedy
        with torch.no_grad():
            prompt = self.embedded(tokens, clip)
        answer = self.language.generate(prompt, self.text.end, limit, choose)
        return until(self.text.pieces(answer), STOP)

    def predict(
        self, frames: Sequence[np.ndarray], sound: np.ndarray, question: str, **how: object
    ) -> str:
        """The whole answer; frames and sound as of :meth:`watch`, the rest of :meth:`stream`."""
        return "".join(self.stream(self.watch(frames, sound), question, **how)).strip()  # type: ignore[arg-type]

    # -- published weights -------------------------------------------------------------------------

    @classmethod
    def published(cls, state: Mapping[str, torch.Tensor]) -> Published:
        """Of what a file holds, each part is whole; others may be absent."""
        config = cls.Config.paper()
        held = {_part(name) for name in cls.from_official(state)}
        with torch.device("meta"):
            names = cls(config).state_dict()
        absent = tuple(name for name in names if _part(name) not in held)
        return Published(config, absent, predicts=not absent)

    @classmethod
    def from_official(cls, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Checkpoints of Nano-EmoX, CLIP, HuBERT, FaceXFormer and Qwen2.5, or several together.

        Nano-EmoX's hold what was trained. Text towers and parts of its other modes are left out.
        """
        faces = {name: value for name, value in state.items() if name.startswith(FACEXFORMER)}
        rest = {renamed(name): value for name, value in state.items() if name not in faces}
        found = rename(rest, RULES)
        for name, value in FaceXFormer.from_official(faces).items():
            if name.startswith(("backbone.", "fusion.")):
                found[f"face.{name}"] = value
        return found


def joined(*files: Path) -> dict[str, torch.Tensor]:
    """One state dict of published files, in any order; of tensors that several have, the last.

    Raises InputError for a file that is none of theirs.
    """
    state: dict[str, torch.Tensor] = {}
    for file in files:
        keys = [None, NanoEmox.STATE_KEY, FaceXFormer.STATE_KEY]
        state |= _first(file, keys)
    NanoEmox.from_official(state)
    return state


def _first(file: Path, keys: Sequence[str | None]) -> dict[str, torch.Tensor]:
    """What a file holds under the first key that it has a state dict under."""
    for key in keys[:-1]:
        try:
            return official.read(file, key)
        except InputError:
            continue
    return official.read(file, keys[-1])


def _part(name: str) -> str:
    """What a tensor belongs to: parts are published whole or not at all."""
    return "lora" if ".lora_" in name else name.partition(".")[0]


FACEXFORMER = ("backbone.", "linear_c.", "linear_fuse.", "face_decoder.", "pe_layer.")
_QUERIES = r"(audio|video)_Qformer\.bert\."
_LAYER = _QUERIES + r"encoder\.layer\.(\d+)\."
_LANGUAGE = r"llama_model\.(?:base_model\.model\.)?model\."
_FUSION = r"multi_multiscale_fusion\."
RULES: tuple[official.Rule, ...] = (
    (r"(?:hubert\.)?((?:feature_extractor|feature_projection|encoder)\..+|masked_spec_embed)",
     r"hubert.\1"),
    (r"vision_model\.embeddings\.position_ids", None),
    (r"vision_model\.(.+)", r"clip.\1"),
    (r"(?:text_model|visual_projection|text_projection)\..+|logit_scale", None),
    (r"(?:.+\.)?lm_head\.weight", None),
    (r"model\.(.+)", r"language.\1"),
    (_LANGUAGE + r"(.+)\.lora_A(?:\.default)?\.weight", r"language.\1.lora_a.weight"),
    (_LANGUAGE + r"(.+)\.lora_B(?:\.default)?\.weight", r"language.\1.lora_b.weight"),
    (_LANGUAGE + r"(.+?)(?:\.base_layer)?\.(weight|bias)", r"language.\1.\2"),
    (r"(audio|video)_query_tokens", r"\1.queries"),
    (r"audio_position_embedding\.weight", r"audio.places.weight"),
    (r"video_frame_position_embedding\.weight", r"video.places.weight"),
    (_QUERIES + r"embeddings\.position_ids", None),
    (_QUERIES + r"embeddings\.LayerNorm\.(.+)", r"\1.norm.\2"),
    (_LAYER + r"attention\.self\.(query|key|value)\.(.+)", r"\1.layers.\2.among.\3.\4"),
    (_LAYER + r"attention\.output\.dense\.(.+)", r"\1.layers.\2.among.out.\3"),
    (_LAYER + r"attention\.output\.LayerNorm\.(.+)", r"\1.layers.\2.among.norm.\3"),
    (_LAYER + r"crossattention\.self\.(query|key|value)\.(.+)", r"\1.layers.\2.reading.\3.\4"),
    (_LAYER + r"crossattention\.output\.dense\.(.+)", r"\1.layers.\2.reading.out.\3"),
    (_LAYER + r"crossattention\.output\.LayerNorm\.(.+)", r"\1.layers.\2.reading.norm.\3"),
    (_LAYER + r"intermediate_query\.dense\.(.+)", r"\1.layers.\2.up.\3"),
    (_LAYER + r"output_query\.dense\.(.+)", r"\1.layers.\2.down.\3"),
    (_LAYER + r"output_query\.LayerNorm\.(.+)", r"\1.layers.\2.norm.\3"),
    (r"video_proj\.(.+)", r"video_project.\1"),
    (r"audio_llama_proj\.(.+)", r"audio_project.\1"),
    (_FUSION + r"audio_proj\.(.+)", r"fusion.audio.\1"),
    (_FUSION + r"visual_proj\.(.+)", r"fusion.visual.\1"),
    (_FUSION + r"cross_attns\.(.+)", r"fusion.attentions.\1"),
    (_FUSION + r"ffns\.(.+)", r"fusion.mlps.\1"),
    (_FUSION + r"gate_mlp\.(.+)", r"fusion.gate.\1"),
    (r"multi_llama_proj\.(.+)", r"fusion_project.\1"),
    (r"facial_encoder\.query", r"face_head.query"),
    (r"facial_encoder\.attn\.(.+)", r"face_head.attention.\1"),
    (r"facial_encoder\.lynorm\.(.+)", None),
    (r"facial_encoder\.face_proj\.(.+)", r"face_head.project.\1"),
    (r"image_llama_proj\..+|multi_(?!multiscale_fusion|llama_proj).+", None),
)  # fmt: skip
"""Published names and what they are called here; names within sequences are by the card's sizes."""
