"""What a code still knows: linear probes, trained on some people and judged on others.

A probe is a ridge regression from codes (n, d), scaled by the training codes' mean and deviation.
Whether it succeeds is the question, so the direction of "better" is that of the claim: for a code
that should be free of identity, chance is the aim.
"""

from typing import Any

import numpy as np

from mien.evaluate import checks
from mien.evaluate.metrics import regression

RIDGE = 1e-3
"""Weight of the squared coefficients, per sample."""


def probe_accuracy(train: Any, train_classes: Any, test: Any, test_classes: Any) -> float:
    """Share of test codes whose class a linear probe finds; 0 to 1, lower where it must not know.

    train, test: (n, d), (m, d); classes: (n,), (m,), by any names. Identity probe of FMAE-IAT: the
    same people in both, other frames. Raises ValueError for a test class that training lacks.
    """
    known = np.unique(checks.items(train_classes, "train_classes", len(np.atleast_1d(train))))
    wanted = checks.items(test_classes, "test_classes", len(np.atleast_1d(test)))
    if not np.isin(wanted, known).all():
        raise ValueError("test_classes: one that training lacks")
    goals = (np.asarray(train_classes)[:, None] == known).astype(float)
    return float(np.mean(known[_probe(train, goals, test).argmax(axis=1)] == wanted))


def probe_r_squared(train: Any, train_values: Any, test: Any, test_values: Any) -> float:
    """Mean R^2 of values (n, k) that a linear probe reads from codes (n, d); to 1, higher: more.

    Below 0 for a probe that is worse than the mean. Raises ValueError for a constant value in test.
    """
    goals, wanted = (
        checks.real(train_values, "train_values"),
        checks.real(test_values, "test_values"),
    )
    if goals.ndim != 2 or wanted.ndim != 2:
        raise ValueError(f"values {goals.shape} and {wanted.shape}: not samples x values")
    found = _probe(train, goals, test)
    every = [regression.r_squared(f, w) for f, w in zip(found.T, wanted.T, strict=True)]
    return float(np.mean(every))


def _probe(train: Any, goals: np.ndarray, test: Any) -> np.ndarray:
    """The goals (n, k) of the training codes, read from the test codes, (m, k)."""
    train, test = checks.real(train, "train"), checks.real(test, "test")
    if train.ndim != 2 or test.ndim != 2 or train.shape[1] != test.shape[1]:
        raise ValueError(f"codes {train.shape} and {test.shape}: not samples x dimensions")
    if len(train) != len(goals):
        raise ValueError(f"{len(train)} codes for {len(goals)} goals")
    mean, spread = train.mean(axis=0), train.std(axis=0)
    spread[spread == 0] = 1
    x, new = (train - mean) / spread, (test - mean) / spread
    offset = goals.mean(axis=0)
    ridge = RIDGE * len(x) * np.eye(x.shape[1])
    return new @ np.linalg.solve(x.T @ x + ridge, x.T @ (goals - offset)) + offset
