"""Rankings: identification, retrieval of texts and images.

A ranking is a similarity matrix (queries, gallery) with the labels of both; entries with the
query's label are right. A wrong entry that is as similar as a right one stands before it, so that
constant similarities find nothing.
"""

from typing import Any

import numpy as np

from mien.evaluate import checks


def recall_at_k(similarity: Any, queries: Any, gallery: Any, k: int = 1) -> float:
    """Share of queries with a right entry among the first k (rank-k, CMC); 0 to 1, higher.

    similarity: (queries, gallery); queries, gallery: their labels. Raises ValueError where a query
    has no right entry. Text and image retrieval (FLIP), top-1 identification (WSC-Swap).
    """
    if k < 1:
        raise ValueError(f"k {k}: below 1")
    similarity, right = _ranking(similarity, queries, gallery)
    best = np.where(right, similarity, -np.inf).max(axis=1, keepdims=True)
    before = ((similarity >= best) & ~right).sum(axis=1)
    return float(np.mean(before < k))


def mean_recall(similarity: Any, queries: Any, gallery: Any) -> float:
    """Mean of recall at 1, 5 and 10 in both directions; 0 to 1, higher is better (FLIP)."""
    ways = ((similarity, queries, gallery), (np.transpose(similarity), gallery, queries))
    return float(np.mean([recall_at_k(*way, k=k) for way in ways for k in (1, 5, 10)]))


def mean_average_precision(similarity: Any, queries: Any, gallery: Any) -> float:
    """Mean over the queries of the mean precision at each right entry; 0 to 1, higher is better.

    similarity: (queries, gallery); queries, gallery: their labels. Raises ValueError where a query
    has no right entry.
    """
    similarity, right = _ranking(similarity, queries, gallery)
    order = np.lexsort((right, -similarity), axis=1)  # of equal ones the wrong ones first
    hits = np.take_along_axis(right, order, axis=1)
    precision = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)
    return float(((precision * hits).sum(axis=1) / hits.sum(axis=1)).mean())


def _ranking(similarity: Any, queries: Any, gallery: Any) -> tuple[np.ndarray, np.ndarray]:
    similarity = checks.real(similarity, "similarity")
    if similarity.ndim != 2:
        raise ValueError(f"similarity {similarity.shape}: not queries x gallery")
    queries = checks.items(queries, "queries", similarity.shape[0])
    gallery = checks.items(gallery, "gallery", similarity.shape[1])
    right = queries[:, None] == gallery
    if not right.any(axis=1).all():
        raise ValueError("queries: one has no entry in the gallery")
    return similarity, right
