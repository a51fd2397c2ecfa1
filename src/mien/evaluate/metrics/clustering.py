"""Clusters of faces against the people they show: pairs, B-cubed, information.

Both sides are (n,) labels of the same items; their names do not matter. All raise ValueError for no
items or different lengths.
"""

from typing import Any, NamedTuple

import numpy as np

from mien.evaluate import checks


class Agreement(NamedTuple):
    """Precision, recall and their harmonic mean, 0 to 1, higher is better."""

    precision: float
    recall: float
    f1: float


class _Table(NamedTuple):
    """Sizes of the non-empty intersections, and of the cluster and the person of each."""

    both: np.ndarray
    cluster: np.ndarray
    person: np.ndarray
    clusters: np.ndarray
    people: np.ndarray


def pairwise(predicted: Any, truth: Any) -> Agreement:
    """Of the pairs of items in one cluster the share of one person, and the other way round.

    No pair to judge counts as no error (precision 1 where all clusters are single items).
    """
    table = _table(predicted, truth)
    both, clusters, people = (_pairs(n) for n in (table.both, table.clusters, table.people))
    return _agreement(_ratio(both, clusters), _ratio(both, people))


def pairwise_f1(predicted: Any, truth: Any) -> float:
    """F1 of :func:`pairwise`; 0 to 1, higher is better."""
    return pairwise(predicted, truth).f1


def bcubed(predicted: Any, truth: Any) -> Agreement:
    """B-cubed (Bagga and Baldwin 1998): mean over items of the purity of its cluster and person."""
    table = _table(predicted, truth)
    items = table.both.sum()
    precision = (table.both**2 / table.cluster).sum() / items
    return _agreement(float(precision), float((table.both**2 / table.person).sum() / items))


def bcubed_f1(predicted: Any, truth: Any) -> float:
    """F1 of :func:`bcubed`; 0 to 1, higher is better."""
    return bcubed(predicted, truth).f1


def normalised_mutual_information(predicted: Any, truth: Any) -> float:
    """Mutual information / mean of the two entropies (NMI); 0 to 1, higher is better.

    1 where both sides are one cluster. It favours many clusters: prefer the adjusted Rand index.
    """
    table = _table(predicted, truth)
    items = table.both.sum()
    entropies = _entropy(table.clusters / items) + _entropy(table.people / items)
    if entropies == 0:
        return 1.0
    shared = table.both / items * np.log(table.both * items / (table.cluster * table.person))
    return float(np.clip(2 * shared.sum() / entropies, 0, 1))


def adjusted_rand_index(predicted: Any, truth: Any) -> float:
    """Agreement over pairs, corrected for chance (ARI, Hubert and Arabie 1985); to 1, higher.

    0 is what random clusters of these sizes reach; it can be below.
    """
    table = _table(predicted, truth)
    both, clusters, people = (_pairs(n) for n in (table.both, table.clusters, table.people))
    every = _pairs(table.both.sum())
    expected = clusters * people / every if every else 0.0
    most = (clusters + people) / 2
    return 1.0 if most == expected else float((both - expected) / (most - expected))


def _table(predicted: Any, truth: Any) -> _Table:
    predicted = checks.items(predicted, "predicted")
    truth = checks.items(truth, "truth", len(predicted))
    _, cluster, clusters = np.unique(predicted, return_inverse=True, return_counts=True)
    _, person, people = np.unique(truth, return_inverse=True, return_counts=True)
    cells, both = np.unique(cluster * len(people) + person, return_counts=True)
    of_cluster, of_person = clusters[cells // len(people)], people[cells % len(people)]
    return _Table(*(n.astype(np.float64) for n in (both, of_cluster, of_person, clusters, people)))


def _pairs(sizes: np.ndarray) -> float:
    return float((sizes * (sizes - 1) / 2).sum())


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 1.0


def _agreement(precision: float, recall: float) -> Agreement:
    both = precision + recall
    return Agreement(precision, recall, 2 * precision * recall / both if both else 0.0)


def _entropy(shares: np.ndarray) -> float:
    return float(-(shares * np.log(shares)).sum())
