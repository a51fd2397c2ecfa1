"""Which parameters learn in a turn, by which optimiser, and how fast at each step."""

from math import cos, pi

import torch
from torch import nn

from mien.errors import UsageError
from mien.train.system import Stage, System, Turn

Named = dict[str, nn.Parameter]


def select(system: System, turn: Turn) -> Named:
    """Freeze all parameters but those that learn in a turn; return these by name.

    Raises UsageError for a prefix that no parameter has.
    """
    for prefix in turn.train:
        if not any(name.startswith(prefix) for name, _ in system.named_parameters()):
            raise UsageError(f"{turn.name}: {system.CARD.slug} has no parameters {prefix!r}")
    for name, parameter in system.named_parameters():
        parameter.requires_grad_(name.startswith(turn.train))
    return {name: p for name, p in system.named_parameters() if p.requires_grad}


def set_modes(module: nn.Module, learned: set[nn.Parameter]) -> None:
    """Parts that hold learned parameters, or none at all, in training mode; fixed parts not."""
    module.train()
    held = list(module.parameters())
    if held and learned.isdisjoint(held):
        module.eval()
        return
    for child in module.children():
        set_modes(child, learned)


def optimiser(system: System, turn: Turn, learned: Named, fused: bool) -> torch.optim.Optimizer:
    """The optimiser of a turn. fused: with one kernel for all parameters, where there is one."""
    groups = _groups(system, turn, learned)
    match turn.optimiser:
        case "adamw":
            return torch.optim.AdamW(groups, turn.rate, turn.betas, fused=fused)
        case "adam":
            return torch.optim.Adam(groups, turn.rate, turn.betas, fused=fused)
        case "sgd":
            return torch.optim.SGD(groups, turn.rate, turn.momentum, fused=fused)
        case "adagrad":
            return torch.optim.Adagrad(groups, turn.rate)
    raise UsageError(f"{turn.name}: no optimiser is called {turn.optimiser!r}")


def _groups(system: System, turn: Turn, learned: Named) -> list[dict]:
    """One group for each rate and weight decay that occurs; ``scale`` is the rate's share."""
    layers = dict.fromkeys(learned, 0)
    if turn.layer_decay != 1:
        layers = {name: system.layer(name) for name in learned}
    top = max(layers.values())
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in learned.items():
        scale = turn.layer_decay ** (top - layers[name])
        decay = turn.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((scale, decay), []).append(parameter)
    return [{"params": p, "scale": s, "weight_decay": d} for (s, d), p in groups.items()]


def set_rate(optimiser: torch.optim.Optimizer, turn: Turn, stage: Stage, step: int) -> float:
    """Give each group of an optimiser its rate at a step; returns the highest."""
    rate = turn.rate * rate_factor(turn, stage.steps, step)
    for group in optimiser.param_groups:
        group["lr"] = rate * group["scale"]
    return rate


def rate_factor(turn: Turn, steps: int, step: int) -> float:
    """The share, 0..1, of its highest rate that a turn has at a step of ``steps``."""
    return min((step + 1) / max(turn.warmup, 1), 1.0, _after_warmup(turn, steps, step))


def _after_warmup(turn: Turn, steps: int, step: int) -> float:
    match turn.schedule:
        case "wsd":
            return (steps - step) / max(turn.decay * steps, 1)
        case "cosine":
            done = (step - turn.warmup) / max(steps - turn.warmup, 1)
            return (1 + cos(pi * min(max(done, 0.0), 1.0))) / 2
        case "step":
            return 0.1 ** sum(step >= drop * steps for drop in turn.drops)
        case "constant":
            return 1.0
    raise UsageError(f"{turn.name}: no schedule is called {turn.schedule!r}")
