"""Stochastic depth: which branches are left out, and that nothing is computed for them."""

import pytest
import torch

from mien.nn.drop_path import DropPath, whole_paths
from mien.nn.swin import SwinBlock
from mien.nn.vit import Block


def test_branches_that_are_dropped_are_not_computed():
    torch.manual_seed(0)
    path, seen = DropPath(0.25), []

    def branch(x: torch.Tensor) -> torch.Tensor:
        seen.append(len(x))
        return torch.ones_like(x)

    total = sum(path.around(torch.zeros(8, 3), branch).mean() for _ in range(500))
    assert float(total) / 500 == pytest.approx(1, abs=0.05), "the expected branch is whole"
    assert sum(seen) / 4000 == pytest.approx(0.75, abs=0.03)


def test_each_sample_has_its_own_branch_or_none():
    torch.manual_seed(1)
    path, x = DropPath(0.5), torch.arange(6.0)[:, None].expand(6, 4).clone()
    found = path.around(x, lambda part: 10 * part + 1)
    for before, after in zip(x[:, 0].tolist(), found[:, 0].tolist(), strict=True):
        assert after in (before, before + 2 * (10 * before + 1))


def test_where_all_are_dropped_parameters_still_get_a_gradient_of_zero():
    path, layer = DropPath(1 - 1e-9), torch.nn.Linear(3, 3)
    x = torch.randn(2, 3)
    found = path.around(x, layer)
    assert torch.equal(found, x)
    found.sum().backward()
    assert layer.weight.grad is not None and not layer.weight.grad.any()


@pytest.mark.parametrize("rate", [0.0, 0.4])
def test_nothing_is_dropped_in_use_or_where_it_is_forbidden(rate):
    torch.manual_seed(0)
    block = Block(8, 2, drop_path=rate).train()
    x = torch.randn(5, 3, 8)
    with whole_paths(block):
        whole = block(x)
    assert block.drop_path.training
    torch.testing.assert_close(whole, block.eval()(x))


def test_gradients_are_those_of_a_mask():
    block = SwinBlock(8, 2, 4, shifted=True, drop_path=0.5).train()
    x = torch.randn(4, 8, 8, 8)

    def gradients(masked: bool) -> list[torch.Tensor]:
        torch.manual_seed(3)
        if masked:
            kept = [torch.rand(4) >= 0.5 for _ in range(2)]
            y = x + block.attn(block.norm1(x)) * 2 * kept[0].float()[:, None, None, None]
            y = y + block.mlp(block.norm2(y)) * 2 * kept[1].float()[:, None, None, None]
        else:
            y = block(x)
        return list(torch.autograd.grad(y.square().sum(), list(block.parameters())))

    for ours, expected in zip(gradients(False), gradients(True), strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-4)
