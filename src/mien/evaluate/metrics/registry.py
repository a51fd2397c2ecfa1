"""All metrics by name: ``METRICS``, and the page of the documentation that lists them.

``python -m mien.evaluate.metrics.registry > docs/metrics.md`` writes that page.
"""

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from mien.evaluate import statistics
from mien.evaluate.metrics import (
    boxes,
    classification,
    clustering,
    colour,
    events,
    images,
    landmarks,
    motion,
    probes,
    regression,
    retrieval,
    segmentation,
    shape,
    sharpness,
    text,
    verification,
)

Direction = Literal["higher", "lower", "zero", "one"]
"""What is better: higher, lower, or nearer to zero or one."""


@dataclass(frozen=True)
class Metric:
    """A function, what is better of its value, its unit, and whether it has one value per item.

    each: the function gives an array with a value for each item (face, image), whose mean is what
    is reported; otherwise one number for the whole set.
    """

    function: Callable[..., Any]
    direction: Direction
    unit: str
    each: bool = False

    def value(self, *arguments: Any, **options: Any) -> float:
        """The number to report: the function's, or the mean over the items or the folds."""
        result = self.function(*arguments, **options)
        return result.mean if isinstance(result, verification.Folds) else float(np.mean(result))

    def better(self, first: float, second: float) -> bool:
        """Whether ``first`` is better than ``second``."""
        return self.rank(first) > self.rank(second)

    def rank(self, value: float) -> float:
        """A number that rises as the value gets better."""
        match self.direction:
            case "higher":
                return value
            case "lower":
                return -value
            case "zero":
                return -abs(value)
            case "one":
                return -abs(value - 1)


SHARE = "0 to 1"
UNIT = "of the values"

METRICS: dict[str, Metric] = {
    # landmarks
    "nme": Metric(landmarks.nme, "lower", "of the eye distance", each=True),
    "nme_box": Metric(landmarks.nme_box, "lower", "of the box diagonal", each=True),
    "akd": Metric(landmarks.mean_distance, "lower", "px", each=True),
    "failure_rate": Metric(landmarks.failure_rate, "lower", SHARE),
    "landmark_auc": Metric(landmarks.auc, "higher", SHARE),
    "jitter": Metric(landmarks.jitter, "lower", "px", each=True),
    # boxes
    "detection_ap": Metric(boxes.average_precision, "higher", SHARE),
    # classification
    "accuracy": Metric(classification.accuracy, "higher", SHARE),
    "war": Metric(classification.accuracy, "higher", SHARE),
    "uar": Metric(classification.balanced_accuracy, "higher", SHARE),
    "top_k_accuracy": Metric(classification.top_k_accuracy, "higher", SHARE),
    "macro_f1": Metric(classification.macro_f1, "higher", SHARE),
    "weighted_f1": Metric(classification.weighted_f1, "higher", SHARE),
    "au_f1": Metric(classification.mean_f1, "higher", SHARE),
    "attribute_accuracy": Metric(classification.label_accuracy, "higher", SHARE),
    "label_map": Metric(classification.mean_average_precision, "higher", SHARE),
    "hit_rate": Metric(classification.hit_rate, "higher", SHARE),
    "label_set_f1": Metric(classification.set_f1, "higher", SHARE),
    "calibration_error": Metric(classification.calibration_error, "lower", SHARE),
    # regression
    "mae": Metric(regression.mean_absolute_error, "lower", UNIT),
    "rmse": Metric(regression.root_mean_square_error, "lower", UNIT),
    "pcc": Metric(regression.pearson, "higher", "-1 to 1"),
    "spearman": Metric(regression.spearman, "higher", "-1 to 1"),
    "ccc": Metric(regression.concordance, "higher", "-1 to 1"),
    "icc": Metric(regression.intraclass_correlation, "higher", "-1 to 1"),
    "sagr": Metric(regression.sign_agreement, "higher", SHARE),
    "r2": Metric(regression.r_squared, "higher", "to 1"),
    "cumulative_score": Metric(regression.cumulative_score, "higher", SHARE),
    "apparent_age_error": Metric(regression.apparent_age_error, "lower", SHARE),
    "ks_distance": Metric(regression.kolmogorov_smirnov, "lower", SHARE),
    "jensen_shannon": Metric(regression.jensen_shannon, "lower", SHARE),
    "variance_ratio": Metric(regression.variance_ratio, "one", "from 0", each=True),
    # verification
    "auc": Metric(verification.roc_auc, "higher", SHARE),
    "mean_auc": Metric(verification.mean_auc, "higher", SHARE),
    "ap": Metric(verification.average_precision, "higher", SHARE),
    "eer": Metric(verification.equal_error_rate, "lower", SHARE),
    "tar_at_far": Metric(verification.tar_at_far, "higher", SHARE),
    "recall_at_precision": Metric(verification.recall_at_precision, "higher", SHARE),
    "fold_accuracy": Metric(verification.fold_accuracy, "higher", SHARE),
    "fold_val": Metric(verification.fold_val, "higher", SHARE),
    "accuracy_at": Metric(verification.accuracy_at, "higher", SHARE),
    "balanced_accuracy_at": Metric(verification.balanced_accuracy_at, "higher", SHARE),
    "hter": Metric(verification.half_total_error, "lower", SHARE),
    "acer": Metric(verification.acer, "lower", SHARE),
    "protection_success": Metric(verification.protection_success, "higher", SHARE),
    "identity_cosine": Metric(verification.cosine, "higher", "-1 to 1", each=True),
    "separated_share": Metric(verification.separated_share, "higher", SHARE),
    # retrieval
    "rank_k": Metric(retrieval.recall_at_k, "higher", SHARE),
    "mean_recall": Metric(retrieval.mean_recall, "higher", SHARE),
    "retrieval_map": Metric(retrieval.mean_average_precision, "higher", SHARE),
    # clustering
    "pairwise_f1": Metric(clustering.pairwise_f1, "higher", SHARE),
    "bcubed_f1": Metric(clustering.bcubed_f1, "higher", SHARE),
    "nmi": Metric(clustering.normalised_mutual_information, "higher", SHARE),
    "ari": Metric(clustering.adjusted_rand_index, "higher", "to 1"),
    # segmentation
    "parsing_f1": Metric(segmentation.mean_f1, "higher", SHARE),
    "miou": Metric(segmentation.mean_iou, "higher", SHARE),
    "mask_f1": Metric(segmentation.mask_f1, "higher", SHARE, each=True),
    "mask_iou": Metric(segmentation.mask_iou, "higher", SHARE, each=True),
    "heat_iou": Metric(segmentation.heat_iou, "higher", SHARE),
    "map_cosine": Metric(segmentation.map_cosine, "higher", "-1 to 1", each=True),
    "map_correlation": Metric(segmentation.map_correlation, "higher", "-1 to 1", each=True),
    "map_overlap": Metric(segmentation.map_overlap, "lower", SHARE),
    "deletion": Metric(segmentation.perturbation_area, "lower", SHARE),
    "insertion": Metric(segmentation.perturbation_area, "higher", SHARE),
    # images
    "l1": Metric(images.l1, "lower", SHARE, each=True),
    "psnr": Metric(images.psnr, "higher", "dB", each=True),
    "ssim": Metric(images.ssim, "higher", "-1 to 1", each=True),
    "ms_ssim": Metric(images.ms_ssim, "higher", SHARE, each=True),
    "lpips": Metric(images.lpips, "lower", "from 0", each=True),
    "flicker": Metric(images.flicker, "lower", SHARE),
    "fid": Metric(images.fid, "lower", "from 0"),
    "fvd": Metric(images.fid, "lower", "from 0"),
    "kid": Metric(images.kid, "lower", "about 0"),
    "cmmd": Metric(images.cmmd, "lower", "from 0"),
    "temporal_lpips": Metric(images.temporal_lpips, "lower", "from 0"),
    "warping_error": Metric(images.warping_error, "lower", SHARE),
    # sharpness
    "laplacian_variance": Metric(
        sharpness.laplacian_variance, "higher", "grey levels^2", each=True
    ),
    "cpbd": Metric(sharpness.cpbd, "higher", SHARE, each=True),
    # colour
    "delta_e": Metric(colour.colour_difference, "lower", "CIE76", each=True),
    "ita_error": Metric(colour.skin_tone_error, "lower", "degrees", each=True),
    "ita_bias": Metric(colour.skin_tone_bias, "lower", "degrees"),
    # shape
    "mpvpe": Metric(shape.vertex_error, "lower", "mm", each=True),
    "pa_mpvpe": Metric(shape.aligned_error, "lower", "mm", each=True),
    "scan_distance": Metric(shape.scan_distance, "lower", "mm", each=True),
    "normal_error": Metric(shape.normal_error, "lower", "degrees"),
    "pose_mae": Metric(shape.angle_error, "lower", "degrees"),
    "rotation_error": Metric(shape.rotation_error, "lower", "degrees", each=True),
    "gaze_error": Metric(shape.gaze_error, "lower", "degrees", each=True),
    # motion
    "lve": Metric(motion.lip_vertex_error, "lower", "unit^2"),
    "lvd": Metric(motion.lip_vertex_distance, "lower", "unit"),
    "mve": Metric(motion.mean_vertex_error, "lower", "unit"),
    "fdd": Metric(motion.upper_face_dynamics, "zero", "unit"),
    "lmd": Metric(motion.landmark_distance, "lower", "px"),
    "velocity_error": Metric(motion.velocity_error, "lower", "unit / frame"),
    "acceleration": Metric(motion.acceleration, "lower", "unit / frame^2"),
    "boundary_jump": Metric(motion.boundary_jump, "one", "from 0"),
    "closure_recall": Metric(motion.closure_recall, "higher", SHARE),
    "diversity": Metric(motion.diversity, "higher", UNIT),
    "sync_confidence": Metric(motion.sync_confidence, "higher", "of the embedding"),
    "sync_distance": Metric(motion.sync_distance, "lower", "of the embedding"),
    "sync_offset": Metric(motion.sync_offset, "zero", "frames"),
    "beat_consistency": Metric(motion.beat_consistency, "higher", SHARE),
    "aed": Metric(motion.expression_distance, "lower", "of the coefficients", each=True),
    "apd": Metric(motion.pose_distance, "lower", "of the coefficients", each=True),
    "csim": Metric(motion.identity_similarity, "higher", "-1 to 1", each=True),
    "identity_consistency": Metric(motion.identity_consistency, "higher", "-1 to 1"),
    # text
    "bleu": Metric(text.bleu, "higher", SHARE),
    "rouge_l": Metric(text.rouge_l, "higher", SHARE),
    "cider": Metric(text.cider, "higher", "0 to 10"),
    "cider_d": Metric(text.cider_d, "higher", "0 to 10"),
    "meteor": Metric(text.meteor, "higher", SHARE),
    "distinct_n": Metric(text.distinct_n, "higher", SHARE),
    "distinct_n_per_text": Metric(text.distinct_n_per_text, "higher", SHARE),
    "wer": Metric(text.word_error_rate, "lower", "from 0"),
    "cer": Metric(text.character_error_rate, "lower", "from 0"),
    # probes
    "probe_accuracy": Metric(probes.probe_accuracy, "lower", SHARE),
    "probe_r2": Metric(probes.probe_r_squared, "higher", "to 1"),
    # events
    "auto_dq": Metric(events.auto_dq, "higher", SHARE),
    "tem": Metric(events.temporal_event_matching, "higher", SHARE),
}

BETTER = {"higher": "higher", "lower": "lower", "zero": "nearest 0", "one": "nearest 1"}

INTRODUCTION = """\
# Metrics

Written by `python -m mien.evaluate.metrics.registry`. Each metric is a function of numpy arrays or
texts; its docstring gives the definition in full, the protocol it comes from, and its limits. Input
without an answer (empty, NaN, one class only) is refused with one line.

Thresholds are chosen on validation with `mien.evaluate.statistics.choose_threshold`. The metrics
that need one take only what it gives, and refuse the scores it was chosen on. Intervals, paired
tests and means over seeds are in the same module; they draw whole people or videos, not frames.
"""


def page() -> str:
    """The documentation's page of all metrics, in Markdown."""
    modules = dict.fromkeys(metric.function.__module__ for metric in METRICS.values())
    sections = [_section(module) for module in modules]
    return "\n".join([INTRODUCTION, *sections, _statistics()])


def _section(module: str) -> str:
    """Heading, introduction and table of the metrics of one module."""
    title = module.rpartition(".")[2].capitalize()
    rows = [
        f"| `{name}` | {_first(metric.function)} | {BETTER[metric.direction]} | {metric.unit} "
        f"| `{metric.function.__name__}` |"
        for name, metric in METRICS.items()
        if metric.function.__module__ == module
    ]
    head = "| name | what | better | unit | function |\n|---|---|---|---|---|"
    lead = f"`{module}`: {_first(sys.modules[module])}\n"
    return "\n".join([f"## {title}\n", lead, head, *rows, ""])


def _statistics() -> str:
    """Table of what :mod:`mien.evaluate.statistics` offers."""
    tools = [
        statistics.bootstrap,
        statistics.bootstrap_clusters,
        statistics.bootstrap_statistic,
        statistics.compare,
        statistics.mean_over_seeds,
        statistics.folds_by_cluster,
        statistics.best_epoch,
        statistics.choose_threshold,
    ]
    rows = [f"| `{tool.__name__}` | {_first(tool)} |" for tool in tools]
    lines = ["## Statistics\n", f"`{statistics.__name__}`: {_first(statistics)}\n"]
    return "\n".join([*lines, "| function | what |\n|---|---|", *rows, ""])


def _first(thing: object) -> str:
    """The first paragraph of a docstring, on one line, as Markdown in a table."""
    paragraph = (inspect.getdoc(thing) or "").partition("\n\n")[0]
    line = " ".join(paragraph.split()).replace("|", "\\|").replace(":func:", "").replace("``", "`")
    return line if line.endswith((".", "?")) else line + "."


if __name__ == "__main__":
    sys.stdout.write(page())
