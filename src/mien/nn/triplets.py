"""The triplet loss of FaceNet (Schroff et al. 2015), with its choice of negatives."""

import torch

MARGIN = 0.2  # α, on squared distances of unit vectors


def squared_distances(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Squared Euclidean distances (N, M), 0..4, between unit vectors (N, D) and (M, D)."""
    return (2 - 2 * first.float() @ second.float().T).clamp(min=0)


def triplet_loss(
    anchors: torch.Tensor, identity: torch.Tensor, others: torch.Tensor | None = None,
    margin: float = MARGIN,
) -> torch.Tensor:  # fmt: skip
    """Equation 3 over all anchor-positive pairs, each with one negative of the batch.

    The negative is semi-hard: the nearest that is farther than the positive, and where none is
    farther, the farthest. (Within the margin or not: beyond it its loss is 0.) Taking the nearest
    of all instead lets the embedding collapse.

    Args:
        anchors: unit vectors (N, D).
        identity: people (N,), -1 for unknown, who are nobody's positive and everybody's negative.
        others: what positives and negatives are taken from, row for row the same pictures: an
            older model's embeddings for the harmonic loss (the paper's appendix); else anchors.

    Returns:
        The mean over the pairs; 0, with a gradient of 0, where there is none.
    """
    distance = squared_distances(anchors, anchors if others is None else others)
    same = (identity[:, None] == identity) & (identity >= 0)
    positive = same if others is not None else same & ~torch.eye(
        len(same), dtype=torch.bool, device=same.device
    )  # fmt: skip
    anchor, match = positive.nonzero(as_tuple=True)
    negatives = ~same[anchor]
    usable = negatives.any(1)
    anchor, match, negatives = anchor[usable], match[usable], negatives[usable]
    if not len(anchor):
        return (distance * 0).sum()
    to_positive = distance[anchor, match]
    to_others = distance[anchor]
    with torch.no_grad():
        farther = negatives & (to_others > to_positive[:, None])
        nearest = torch.where(farther, to_others, torch.inf).argmin(1)
        farthest = torch.where(negatives, to_others, -1).argmax(1)
        chosen = torch.where(farther.any(1), nearest, farthest)
    to_negative = to_others.gather(1, chosen[:, None])[:, 0]
    return (to_positive - to_negative + margin).clamp(min=0).mean()
