"""The registry: every metric says what it is, and the page of the documentation lists it."""

import inspect

import numpy as np
import pytest
from conftest import ROOT

from mien.evaluate.metrics import registry
from mien.evaluate.metrics.registry import METRICS, Metric


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_is_described(name: str) -> None:
    metric = METRICS[name]
    description = inspect.getdoc(metric.function)
    assert description
    assert metric.unit
    assert "higher" in description or "lower" in description or "best" in description
    assert f"| `{name}` |" in registry.page()


def test_the_page_is_that_of_the_registry() -> None:
    assert (ROOT / "docs" / "metrics.md").read_text() == registry.page()


def test_better_by_direction() -> None:
    higher, lower = METRICS["accuracy"], METRICS["eer"]
    zero, one = METRICS["fdd"], METRICS["variance_ratio"]
    assert higher.better(0.9, 0.8)
    assert lower.better(0.1, 0.2)
    assert zero.better(-0.1, 0.2)
    assert one.better(1.1, 0.8)
    assert not any(metric.better(0.3, 0.3) for metric in (higher, lower, zero, one))


def test_one_number_to_report() -> None:
    truth = np.random.default_rng(0).uniform(0, 9, (4, 30, 3))
    assert METRICS["mpvpe"].value(truth + np.array([0, 0, 2]), truth) == pytest.approx(2)
    scores, labels = [4, 1, 3, 2], [1, 0, 1, 0]
    assert METRICS["fold_accuracy"].value(scores, labels, [0, 0, 1, 1]) == 1
    assert isinstance(METRICS["auc"].value(scores, labels), float)


def test_metrics_of_all_protocols_are_there() -> None:
    wanted = """nme failure_rate landmark_auc au_f1 mae ccc icc accuracy uar war fold_accuracy
    tar_at_far eer auc ap miou parsing_f1 lve fdd lmd psnr ssim ms_ssim lpips fid kid csim aed apd
    sync_confidence bleu rouge_l cider meteor tem hter acer rank_k nmi ari jitter wer"""
    assert set(wanted.split()) <= set(METRICS)
    assert all(isinstance(metric, Metric) for metric in METRICS.values())
