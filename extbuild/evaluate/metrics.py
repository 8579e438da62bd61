"""Figures that judge a model: plain numpy, no model runtime, no files.

Every function is pure. A figure that the data cannot define (an area under the curve
without both classes, a rate over no cases) is `None`, never 0 or NaN, so that a report
has to say "not measurable" instead of printing a number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Interval:
    """A confidence interval for a proportion; both ends within [0, 1]."""

    low: float
    high: float


def mid_ranks(values: ArrayLike) -> NDArray[np.float64]:
    """1-based ranks of `values` (n,), ties sharing the mean of the ranks they cover."""
    flat = np.asarray(values, dtype=np.float64).ravel()
    order = np.argsort(flat, kind="stable")
    ordered = flat[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    ends = np.r_[starts[1:], flat.size]
    ranks = np.empty(flat.size, dtype=np.float64)
    ranks[order] = np.repeat((starts + 1 + ends) / 2.0, ends - starts)
    return ranks


def roc_auc(scores: ArrayLike, labels: ArrayLike) -> float | None:
    """Area under the ROC curve: P(score of a positive > score of a negative), ties count half.

    `scores` (n,) any real numbers, `labels` (n,) of 0 and 1. `None` when one class is absent.
    The rank-sum form with mid-ranks: Mann & Whitney 1947; Hanley & McNeil 1982.
    """
    score = np.asarray(scores, dtype=np.float64).ravel()
    positive = np.asarray(labels).ravel().astype(bool)
    if score.size != positive.size:
        raise ValueError(f"roc_auc: {score.size} scores for {positive.size} labels")
    if not np.isfinite(score).all():
        raise ValueError("roc_auc: scores hold NaN or infinity")
    positives = int(positive.sum())
    negatives = int(positive.size) - positives
    if positives == 0 or negatives == 0:
        return None
    rank_sum = float(mid_ranks(score)[positive].sum())
    return (rank_sum - positives * (positives + 1) / 2.0) / (positives * negatives)


def wilson_interval(successes: int, n: int, z: float = 1.96) -> Interval | None:
    """Wilson score interval of a proportion (Wilson 1927); `z` = 1.96 is 95 %.

    `None` for n = 0. Unlike the normal approximation it stays inside [0, 1] and keeps its
    width at 0 or n successes.
    """
    if n < 0 or not 0 <= successes <= n:
        raise ValueError(f"wilson_interval: {successes} successes of {n} cases")
    if n == 0:
        return None
    p = successes / n
    denominator = 1.0 + z * z / n
    centre = (p + z * z / (2.0 * n)) / denominator
    half = z * math.sqrt(p * (1.0 - p) / n + z * z / (4.0 * n * n)) / denominator
    return Interval(max(0.0, centre - half), min(1.0, centre + half))


def bits_per_byte(nll_nats_sum: float, byte_count: int) -> float | None:
    """Bits a language model spends per UTF-8 byte: nats / (ln 2 * bytes).

    Independent of the tokenizer, unlike perplexity per token (Gao et al. 2020, The Pile,
    section 3.1). `None` for no bytes.
    """
    if byte_count < 0:
        raise ValueError(f"bits_per_byte: {byte_count} bytes")
    if byte_count == 0:
        return None
    return nll_nats_sum / (math.log(2.0) * byte_count)


def rate(successes: int, n: int) -> float | None:
    """successes / n, or `None` for n = 0."""
    return successes / n if n else None


def false_positive_rate(scores: ArrayLike, threshold: float) -> float | None:
    """Share of `scores` (n,), all of negative cases, that reach `threshold`; `None` for none."""
    score = np.asarray(scores, dtype=np.float64).ravel()
    return rate(int((score >= threshold).sum()), int(score.size))


def threshold_at_rate(scores: ArrayLike, max_rate: float) -> float:
    """Smallest threshold that at most `max_rate` of the negative `scores` (n,) reach.

    A score counts as flagged when it is >= the threshold, so the answer lies just above the
    first score that may no longer be flagged. Raises ValueError for no scores.
    """
    score = np.sort(np.asarray(scores, dtype=np.float64).ravel())[::-1]
    if score.size == 0:
        raise ValueError("threshold_at_rate: no scores")
    if not 0.0 <= max_rate <= 1.0:
        raise ValueError(f"threshold_at_rate: max_rate must lie in [0, 1], got {max_rate}")
    allowed = math.floor(max_rate * score.size + 1e-9)
    if allowed >= score.size:
        return float(score[-1])
    return float(np.nextafter(score[allowed], np.inf))


def expected_calibration_error(
    probabilities: ArrayLike, labels: ArrayLike, bins: int = 15
) -> float | None:
    """Mean gap between probability and observed share over equal-width bins, weighted by size.

    Naeini et al. 2015; Guo et al. 2017 (section 2, 15 bins). `None` for no cases.
    """
    p = np.asarray(probabilities, dtype=np.float64).ravel()
    y = np.asarray(labels, dtype=np.float64).ravel()
    if p.size != y.size:
        raise ValueError(f"expected_calibration_error: {p.size} probabilities, {y.size} labels")
    if p.size == 0:
        return None
    bin_of = np.minimum((p * bins).astype(np.int64), bins - 1)
    gaps = np.abs(np.bincount(bin_of, p - y, minlength=bins))
    return float(gaps.sum() / p.size)


def mean_defined(values: Sequence[float | None]) -> float | None:
    """Mean of the values that are defined; `None` when none is."""
    defined = [value for value in values if value is not None]
    return sum(defined) / len(defined) if defined else None
