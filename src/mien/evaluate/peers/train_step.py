"""Training steps of official code, each when a line arrives; run in the peers' environment.

    python train_step.py NETWORK FOLDER BATCH SIZE

FOLDER: a checkout of the repository, at the branch of that network. Prints a line of JSON when it
is ready, and wall and processor seconds of a step (forward, loss, backward) for each line read.
"""

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import numpy as np

Step = Callable[[], None]


def facexformer(torch, batch: int, size: int) -> Step:
    """The first task is asked of the first sample, and so on: their heads give no other rows."""
    models: Any = import_module("torchvision.models")
    backbone = models.swin_b
    models.swin_b = lambda weights: backbone()  # nothing is downloaded
    model = import_module("network.models.facexformer").FaceXFormer().train()
    image, tasks = torch.randn(batch, 3, size, size), torch.arange(batch) % 6

    def step() -> None:
        outputs = model(image, {}, tasks)
        model.zero_grad(set_to_none=True)
        torch.stack([output.square().sum() for output in outputs]).sum().backward()

    return step


def fmae_pretrain(torch, batch: int, size: int) -> Step:
    """The masked autoencoder of ViT-L, three quarters hidden."""
    model = import_module("models_mae").mae_vit_large_patch16(norm_pix_loss=True, img_size=size)
    image = torch.randn(batch, 3, size, size)

    def step() -> None:
        loss, _, _ = model(image, mask_ratio=0.75)
        model.zero_grad(set_to_none=True)
        loss.backward()

    model.train()
    return step


def fmae_action_units(torch, batch: int, size: int) -> Step:
    """ViT-L with the heads of BP4D, drop path and identity reversal as published."""
    make = import_module("models_vit").vit_large_patch16
    model = make(
        num_classes=12, num_subjects=41, grad_reverse=2.0, global_pool=True, drop_path_rate=0.1,
        img_size=size,
    ).train()  # fmt: skip
    image, loss = torch.randn(batch, 3, size, size), torch.nn.BCEWithLogitsLoss()
    units = torch.randint(0, 2, (batch, 12)).float()
    people = torch.nn.functional.one_hot(torch.arange(batch), 41).float()

    def step() -> None:
        told, known = model(image)
        model.zero_grad(set_to_none=True)
        (loss(told, units) + loss(known, people)).backward()

    return step


NETWORKS = {
    "facexformer": facexformer, "fmae-pretrain": fmae_pretrain,
    "fmae-action-units": fmae_action_units,
}  # fmt: skip


def main(network: str, folder: str, batch: str, size: str) -> None:
    sys.path.insert(0, folder)
    torch = import_module("torch")
    # The pinned timm 0.3.2 and the code itself expect names that torch and numpy no longer have.
    container = import_module("collections.abc")
    sys.modules["torch._six"] = SimpleNamespace(container_abcs=container)  # type: ignore[assignment]
    setattr(np, "float", float)  # noqa: B010
    torch.manual_seed(0)
    say, sys.stdout = partial(print, flush=True, file=sys.stdout), sys.stderr
    step = NETWORKS[network](torch, int(batch), int(size))
    versions = {name: import_module(name).__version__ for name in ("torch",)}
    for name in ("timm", "torchvision"):
        if name in sys.modules:
            versions[name] = sys.modules[name].__version__
    say(json.dumps(versions))
    for _ in sys.stdin:
        start = time.perf_counter(), time.process_time()
        step()
        wall, processor = time.perf_counter() - start[0], time.process_time() - start[1]
        say(json.dumps({"wall": wall, "processor": processor}))


if __name__ == "__main__":
    main(*sys.argv[1:])
