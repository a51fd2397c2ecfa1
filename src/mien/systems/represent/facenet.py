"""FaceNet: a face as a point on a sphere, where distance says whether two are the same person.

Schroff, Kalenichenko and Philbin (2015), "FaceNet: A Unified Embedding for Face Recognition and
Clustering". A deep network ends in a unit vector; triplets of anchor, positive and negative are
chosen inside each large batch, by the network as it is, and pull it into shape (section 3.2). A
later model can be made to understand stored vectors of an older one (harmonic embedding, appendix):
its anchors are compared with the older vectors.

``paper()`` is NN2; there are no official weights. The weights in circulation (facenet-pytorch) are
an Inception-ResNet-v1 of 512 dimensions, trained as a classifier and not by triplets:
:meth:`FaceNetConfig.inception_resnet` is that network, and its names are what ``from_official``
knows. The paper trains with AdaGrad, batches of 1,800 faces, 40 of each person.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from mien.find.geometry import box_of
from mien.nn.inception import InceptionNN2, InceptionResNetV1
from mien.nn.losses import class_loss
from mien.nn.triplets import triplet_loss
from mien.systems.official import rename
from mien.train.system import Batch, Card, Published, Stage, System, from_box


@dataclass(frozen=True)
class FaceNetConfig:
    """``dimensions`` of the embedding; ``width``: NN2's channels, 1 as published.

    people: classes of the softmax head, 0 for none. harmonic: learn to be compared with the
    embeddings that batches bring of an older model of as many dimensions.
    """

    size: int = 224
    backbone: Literal["nn2", "inception-resnet"] = "nn2"
    width: float = 1.0
    dimensions: int = 128
    dropout: float = 0.0
    people: int = 0
    harmonic: bool = False
    steps: int = 500_000

    @classmethod
    def paper(cls) -> Self:
        """NN2: 224 x 224, 128 dimensions."""
        return cls()

    @classmethod
    def inception_resnet(cls, people: int = 0) -> Self:
        """facenet-pytorch's network; its weights have 8631 (VGGFace2) or 10575 (CASIA) people."""
        return cls(
            size=160, backbone="inception-resnet", dimensions=512, dropout=0.6, people=people
        )

    @classmethod
    def tiny(cls) -> Self:
        return cls(size=64, width=0.125, dimensions=16, harmonic=True, steps=60)


class FaceNet(System):
    """(N, 3, S, S) RGB 0..1 -> unit vectors (N, dimensions).

    Two faces are of one person where the squared distance (0..4) is below a threshold, 1.242 on
    LFW in the paper; it belongs to the weights.
    """

    CARD = Card(
        slug="facenet",
        title="FaceNet: a unified embedding for face recognition and clustering",
        task="embedding",
        venue="CVPR 2015",
        arxiv="1503.03832",
        repository=None,
        code_licence="none published; Apache-2.0 (this implementation)",
        weights_licence="none published; third-party weights follow their data sets (research)",
    )
    Config = FaceNetConfig
    CROP = "the face's box, stretched to a square, not aligned"
    config: FaceNetConfig

    def __init__(self, config: FaceNetConfig):
        super().__init__(config)
        self.backbone = (
            InceptionNN2(config.dimensions, config.width)
            if config.backbone == "nn2"
            else InceptionResNetV1(config.dimensions, config.dropout)
        )
        self.classifier = nn.Linear(config.dimensions, config.people) if config.people else None

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (F.normalize(self.embed(image)),)

    def embed(self, image: torch.Tensor) -> torch.Tensor:
        """The embedding (N, dimensions) before it is normed."""
        return self.backbone((image * 255 - 127.5) / 128).float()

    def stages(self) -> list[Stage]:
        """Softmax where there are classes, then triplets, then harmony: last layer first."""
        common: dict[str, Any] = {
            "data": "people", "steps": self.config.steps, "batch": 1800, "rate": 0.05,
            "optimiser": "adagrad",
        }  # fmt: skip
        stages = [Stage(name="triplets", losses={"triplets": 1.0}, **common)]
        if self.classifier is not None:
            stages.insert(0, Stage(name="classes", losses={"classes": 1.0}, **common))
        if self.config.harmonic:
            losses, last = {"triplets": 1.0, "harmony": 1.0}, ("backbone.last_",)
            stages.append(Stage(name="harmony-last-layer", losses=losses, train=last, **common))
            stages.append(Stage(name="harmony", losses=losses, **common))
        return stages

    def losses(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Terms of a batch with several pictures of each person; -1 is an unknown person."""
        raw = self.embed(*self.inputs(batch))
        unit, identity = F.normalize(raw), batch["identity"]
        terms = {"triplets": triplet_loss(unit, identity)}
        if self.classifier is not None:
            terms["classes"] = class_loss(self.classifier(raw), identity)
        if self.config.harmonic:
            terms["harmony"] = triplet_loss(unit, identity, batch["embedding"])
        return terms

    def example(self, count: int) -> dict[str, torch.Tensor]:
        size, people = self.config.size, max(2, (count + 1) // 2)
        identity = torch.arange(count) % min(people, self.config.people or people)
        older = torch.randn(count, self.config.dimensions)
        return {
            "image": torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8),
            "identity": identity,
            **({"embedding": F.normalize(older)} if self.config.harmonic else {}),
        }

    def inputs(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        return (batch["image"].float() / 255,)

    def dynamic_axes(self) -> dict[str, dict[int, str]]:
        return {name: {0: "batch"} for name in ("image", "output_0")}

    def crop(self, landmarks: np.ndarray) -> np.ndarray:
        return from_box(box_of(landmarks), self.config.size)

    @torch.inference_mode()
    def predict(self, image: torch.Tensor) -> torch.Tensor:
        """Unit vectors (N, dimensions) of crops (N, 3, S, S) 0..1."""
        (embedding,) = self.eval()(image)
        return embedding

    @classmethod
    def published(cls, state: Mapping[str, torch.Tensor]) -> Published:
        """An Inception-ResNet-v1 with as many people as its class layer has."""
        people = state["logits.weight"].shape[0] if "logits.weight" in state else 0
        return Published(FaceNetConfig.inception_resnet(people))

    @classmethod
    def from_official(cls, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """A facenet-pytorch Inception-ResNet-v1, with or without its class layer."""
        parts = r"(?:conv2d_\w+|repeat_\d|mixed_\w+|block8|last_linear|last_bn)"
        return rename(
            state, ((r"logits\.(.+)", r"classifier.\1"), (rf"({parts}\..+)", r"backbone.\1"))
        )
