"""Figures of a trained moderation model: curves per label, thresholds, false positives."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from extbuild.evaluate.metrics import (
    expected_calibration_error,
    mean_defined,
    roc_auc,
)
from extbuild.train.calibrate import sigmoid, thresholds_for
from extbuild.train.rows import LABELS, Row

Logits = NDArray[np.float64]

ORDINARY_SOURCES = (
    "benign_",
    "wiki_",
    "civil_safe",
    "sms_spam",
    "youtube_spam",
    "janitr_x",
    "jigsaw",
)
"""Prefixes of sources whose clean rows resemble ordinary pages (not collected around hate)."""

MAX_FALSE_POSITIVE_RATE = 0.01
RATE_STEPS = 20


def is_ordinary(row: Row) -> bool:
    """True for a text known to be clean from an everyday source."""
    toxic = LABELS.index("toxic")
    clean = row.weights[toxic] > 0 and max(row.targets) < 0.5
    return clean and row.source.startswith(ORDINARY_SOURCES)


def recommended_thresholds(rows: list[Row], logits: Logits) -> dict[str, float]:
    """The lowest thresholds at which at most 1 % of ordinary clean texts get any label.

    All labels are given the same rate of their own, the largest that keeps the sum within bounds.
    """
    ordinary = np.array([is_ordinary(row) for row in rows])
    probabilities = sigmoid(logits[ordinary])
    benign = {name: probabilities[:, at] for at, name in enumerate(LABELS)}
    thresholds: dict[str, float] = {}
    for share in range(RATE_STEPS, -1, -1):
        thresholds = thresholds_for(benign, MAX_FALSE_POSITIVE_RATE * share / RATE_STEPS)
        limits = np.array(list(thresholds.values()))
        if np.any(probabilities >= limits, axis=1).mean() <= MAX_FALSE_POSITIVE_RATE:
            break
    return thresholds


def moderation_figures(
    validation: tuple[list[Row], Logits], test: tuple[list[Row], Logits]
) -> dict[str, float]:
    """Flat figures: thresholds from validation; AUC, recall and false positives from test."""
    thresholds = recommended_thresholds(*validation)
    rows, logits = test
    targets = np.array([[target >= 0.5 for target in row.targets] for row in rows])
    weights = np.array([row.weights for row in rows])
    probabilities = sigmoid(logits)
    figures: dict[str, float | None] = {}
    for at, name in enumerate(LABELS):
        known = weights[:, at] > 0
        sure = weights[:, at] == 1.0
        positive = known & targets[:, at]
        figures[f"auc.{name}"] = roc_auc(logits[known, at], targets[known, at])
        figures[f"auc_sure.{name}"] = roc_auc(logits[sure, at], targets[sure, at])
        figures[f"calibration_error.{name}"] = expected_calibration_error(
            probabilities[known, at], targets[known, at]
        )
        figures[f"positives.{name}"] = float(positive.sum())
        figures[f"threshold.{name}"] = thresholds[name]
        flagged = probabilities[:, at] >= thresholds[name]
        figures[f"recall.{name}"] = float(flagged[positive].mean()) if positive.any() else None
    figures["auc.mean"] = mean_defined([figures[f"auc.{name}"] for name in LABELS])
    figures["auc_sure.mean"] = mean_defined([figures[f"auc_sure.{name}"] for name in LABELS])
    limits = np.array([thresholds[name] for name in LABELS])
    ordinary = np.array([is_ordinary(row) for row in rows])
    any_flag = np.any(probabilities >= limits, axis=1)
    figures["ordinary.rows"] = float(ordinary.sum())
    figures["ordinary.flagged"] = float(any_flag[ordinary].mean()) if ordinary.any() else None
    for source in sorted({row.source for row in rows}):
        clean = np.array([row.source == source and is_ordinary(row) for row in rows])
        if clean.sum() >= 20:
            figures[f"flagged.{source}"] = float(any_flag[clean].mean())
    return {name: value for name, value in figures.items() if value is not None}
