"""The gate: how much worse a model may become, and the errors that stop a build."""

import math
from collections.abc import Mapping

from extbuild.artifacts import QualityMetric
from extbuild.config.recipe import Budget, Gate
from extbuild.config.suggest import did_you_mean
from extbuild.errors import ConfigError, QualityError

TOLERANCE = 1e-12
"""A figure that equals its gate passes, whatever the last bit of a sum says."""

LEAST_BITS_PER_WEIGHT = 4
"""The smallest weights that a pass can make, without their scales."""


def judge(
    before: Mapping[str, float],
    after: Mapping[str, float],
    gates: Mapping[str, Gate],
    place: str = "recipe.toml",
) -> dict[str, QualityMetric]:
    """Every metric against its gate, in the order of ``before``.

    A figure that is not finite fails, with or without a gate. ConfigError for a gate on a metric
    that was not measured.
    """
    for name in gates:
        if name not in before or name not in after:
            raise ConfigError(
                f"{place}: gates.{name}",
                "names a metric that the fixtures do not give",
                do=did_you_mean(name, before),
            )
    return {
        name: _judged(before[name], after[name], gates.get(name))
        for name in before
        if name in after
    }


def require_quality(place: str, metrics: Mapping[str, QualityMetric]) -> None:
    """QualityError that names every failed metric with before, after and gate."""
    failed = [
        f"{name} {metric.after:.4f} after {metric.before:.4f} "
        f"({'no gate' if metric.gate is None else f'gate {metric.gate:.4f}'})"
        for name, metric in metrics.items()
        if not metric.passed
    ]
    if failed:
        raise QualityError(
            place,
            "compression must keep the quality that the recipe's gates ask for",
            found="; ".join(failed),
            do="skip the weights that matter most, choose a milder pass, or move the gate",
        )


def require_possible(place: str, params: int, budget: Budget) -> None:
    """QualityError at once if the weights alone cannot fit, before any time goes into passes."""
    least = params * LEAST_BITS_PER_WEIGHT // 8
    if least > budget.max_packed_bytes:
        raise QualityError(
            f"{place}.max_packed_bytes",
            f"must hold {params:,} weights, {least:,} bytes even at 4 bits each",
            found=f"{budget.max_packed_bytes:,}",
            do="train a smaller model or raise the budget",
        )


def _judged(before: float, after: float, gate: Gate | None) -> QualityMetric:
    limit: float | None = None
    passed = True
    if gate is not None and gate.max_drop is not None:
        limit = before - gate.max_drop
        passed = after >= limit - TOLERANCE
    elif gate is not None and gate.max_rise is not None:
        limit = before + gate.max_rise
        passed = after <= limit + TOLERANCE
    if not (math.isfinite(before) and math.isfinite(after)):
        passed = False
    return QualityMetric(before, after, limit, passed)
