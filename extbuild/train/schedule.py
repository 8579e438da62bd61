"""Learning rate and end of a run, both by wall clock.

A run is given minutes, not steps: on a shared machine the speed is unknown, and a run that is cut
off before its rate came down is wasted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class TimedSchedule:
    """Warm up over a share of the time, then fall to `floor` along a cosine.

    `factor` multiplies the peak learning rate. Cosine: Loshchilov & Hutter 2016.
    """

    budget_s: float
    warmup_share: float = 0.03
    floor: float = 0.02

    def __post_init__(self) -> None:
        if self.budget_s <= 0:
            raise ValueError(f"TimedSchedule: budget_s must be positive, got {self.budget_s}")

    def progress(self, elapsed_s: float) -> float:
        """Share of the budget that is spent, 0 to 1."""
        return min(1.0, max(0.0, elapsed_s / self.budget_s))

    def is_over(self, elapsed_s: float) -> bool:
        """True when the budget is spent."""
        return elapsed_s >= self.budget_s

    def factor(self, elapsed_s: float) -> float:
        """Multiplier of the peak learning rate after `elapsed_s` seconds of training."""
        progress = self.progress(elapsed_s)
        if progress < self.warmup_share:
            # Not 0: the first step, before any time is spent, should count too.
            return max(progress, 0.01 * self.warmup_share) / self.warmup_share
        fall = (progress - self.warmup_share) / (1.0 - self.warmup_share)
        return self.floor + (1.0 - self.floor) * 0.5 * (1.0 + math.cos(math.pi * fall))


class Every:
    """Says yes once per `interval_s` of training time, the first time after one interval."""

    def __init__(self, interval_s: float, start_s: float = 0.0) -> None:
        self._interval_s = interval_s
        self._next_s = start_s + interval_s

    def __call__(self, elapsed_s: float) -> bool:
        """True when the interval has passed since the last yes."""
        if elapsed_s < self._next_s:
            return False
        self._next_s = elapsed_s + self._interval_s
        return True
