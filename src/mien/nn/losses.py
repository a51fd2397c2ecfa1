"""Losses that two or more systems use; samples whose label is unknown are left out of them."""

import torch
from torch.nn import functional as F

NORM = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's RGB 0..1: mean and deviation


def imagenet_normalised(image: torch.Tensor) -> torch.Tensor:
    """RGB 0..1 (N, 3, H, W) with the mean and deviation of ImageNet taken out."""
    mean, deviation = (image.new_tensor(values)[:, None, None] for values in NORM)
    return (image - mean) / deviation


def mean_known(values: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Mean of the values whose label is known; 0, with a gradient of 0, where none is."""
    return torch.where(known, values, 0).sum() / known.sum().clamp(min=1)


def class_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of logits (N, C, ...) against classes (N, ...), of which -1 is unknown."""
    loss = F.cross_entropy(logits.float(), labels, ignore_index=-1, reduction="sum")
    return loss / (labels >= 0).sum().clamp(min=1)


def presence_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy of logits against 1, 0, or -1 for unknown; same shapes."""
    target = labels.clamp(min=0).to(torch.float32)
    loss = F.binary_cross_entropy_with_logits(logits.float(), target, reduction="none")
    return mean_known(loss, labels >= 0)


def dice_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """1 - Dice overlap (Milletari et al. 2016), mean over the classes that are there.

    Logits (N, C, H, W), classes (N, H, W), of which -1 is unknown.
    """
    known = (labels >= 0)[:, None]
    probability = logits.float().softmax(1) * known
    target = F.one_hot(labels.clamp(min=0), logits.shape[1]).movedim(-1, 1) * known
    overlap = (probability * target).sum((0, 2, 3))
    size, wanted = probability.sum((0, 2, 3)), target.sum((0, 2, 3))
    return mean_known(1 - (2 * overlap + 1) / (size + wanted + 1), wanted > 0)


def rotation_angle(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Angle (N,) in radians between rotations (N, 3, 3): the geodesic distance of SO(3)."""
    chord = ((first - second).square().sum((1, 2)) + 1e-12).sqrt()  # 2 √2 sin(angle / 2)
    return 2 * torch.asin((chord / 8**0.5).clamp(max=1 - 1e-6))


def head_rotation(angles: torch.Tensor) -> torch.Tensor:
    """Rotations (N, 3, 3) of yaw, pitch, roll (N, 3) in radians: Ry Rx Rz of mien.face.Pose."""
    (y, p, r), zero = angles.float().unbind(1), torch.zeros_like(angles[:, 0]).float()
    one = zero + 1
    about_y = [y.cos(), zero, -y.sin(), zero, one, zero, y.sin(), zero, y.cos()]
    about_x = [one, zero, zero, zero, p.cos(), p.sin(), zero, -p.sin(), p.cos()]
    about_z = [r.cos(), -r.sin(), zero, r.sin(), r.cos(), zero, zero, zero, one]
    ry, rx, rz = (torch.stack(m, 1).view(-1, 3, 3) for m in (about_y, about_x, about_z))
    return ry @ rx @ rz


def margin_logits(
    embedding: torch.Tensor, centres: torch.Tensor, identity: torch.Tensor,
    margin: float = 0.5, scale: float = 64.0,
) -> torch.Tensor:  # fmt: skip
    """ArcFace (Deng et al. 2019): cosines (N, classes), the right one with its angle widened.

    Embeddings (N, D) and class centres (classes, D) need not be unit vectors; -1 is unknown.
    """
    cosine = F.normalize(embedding.float()) @ F.normalize(centres.float()).T
    angle = cosine.clamp(-1 + 1e-6, 1 - 1e-6).acos()
    # Past π - margin the cosine would rise again: there a constant is taken off instead.
    wide = torch.where(
        angle < torch.pi - margin,
        (angle + margin).cos(),
        cosine - margin * torch.tensor(margin).sin(),
    )
    own = F.one_hot(identity.clamp(min=0), len(centres)).bool() & (identity >= 0)[:, None]
    return scale * torch.where(own, wide, cosine)


def variance_loss(vectors: torch.Tensor, over_batch: bool) -> torch.Tensor:
    """How far numbers vary less than by 1: those of each vector, as published, or of the batch."""
    deviation = (vectors.var(0 if over_batch else 1, correction=0) + 1e-4).sqrt()
    return (1 - deviation).relu().mean()


def covariance_loss(vectors: torch.Tensor, diagonal: bool) -> torch.Tensor:
    """Squares of the covariances of a batch (n, d), over d; as published with the variances."""
    centred = vectors - vectors.mean(0)
    covariance = centred.T @ centred / max(len(vectors) - 1, 1)
    squares = covariance.square()
    kept = squares.sum() if diagonal else squares.sum() - squares.diagonal().sum()
    return kept / vectors.shape[1]
