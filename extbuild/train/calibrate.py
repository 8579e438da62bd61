"""Platt scaling per label and thresholds by false-positive rate; numpy only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from extbuild.evaluate.metrics import threshold_at_rate

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Platt:
    """Calibrated logit = scale * logit + bias."""

    scale: float
    bias: float


def sigmoid(logits: Floats) -> Floats:
    """1 / (1 + exp(-x)) without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * np.asarray(logits, dtype=np.float64)))


def fit_platt(
    logits: Floats, targets: Floats, weights: Floats, ridge: float = 1.0, steps: int = 50
) -> Platt:
    """Scale and bias that minimise the weighted log loss (Platt 1999), by Newton's method.

    `ridge` pulls towards the identity, so that a label with few cases moves little. All inputs
    (n,); rows of weight 0 are left out. Identity when a class is absent.
    """
    known = weights > 0
    x, y, w = logits[known], targets[known], weights[known]
    if y.size == 0 or y.min() == y.max():
        return Platt(1.0, 0.0)
    design = np.stack([x, np.ones_like(x)], axis=1)
    start = np.array([1.0, 0.0])
    found = start.copy()
    for _ in range(steps):
        p = sigmoid(design @ found)
        gradient = design.T @ (w * (p - y)) + ridge * (found - start)
        curvature = (design * (w * p * (1 - p))[:, None]).T @ design + ridge * np.eye(2)
        move = np.linalg.solve(curvature, gradient)
        found = found - np.clip(move, -1.0, 1.0)
        if np.abs(move).max() < 1e-8:
            break
    return Platt(scale=float(max(found[0], 0.05)), bias=float(found[1]))


def thresholds_for(
    benign: Mapping[str, Floats], max_rate: float, lowest: float = 0.5, highest: float = 0.98
) -> dict[str, float]:
    """Per label the probability that at most `max_rate` of benign texts reach.

    Never below `lowest` (a calibrated model that says less than even odds must not flag) and
    never above `highest`, rounded up to two digits for a recipe.
    """
    thresholds = {}
    for label, probabilities in benign.items():
        exact = threshold_at_rate(probabilities, max_rate)
        rounded = float(np.ceil(exact * 100 - 1e-9) / 100)
        thresholds[label] = min(highest, max(lowest, rounded))
    return thresholds
