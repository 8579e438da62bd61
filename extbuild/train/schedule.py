"""Learning rate and end of a run, by wall clock or by steps.

A run is usually given minutes: on a shared machine the speed is unknown, and a run that is cut off
before its rate came down is wasted. Given steps, it can be repeated exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class RunState:
    """Where a run stands: optimiser steps, place in the data stream, seconds of training spent."""

    step: int = 0
    position: int = 0
    elapsed_s: float = 0.0


@dataclass(frozen=True)
class Schedule:
    """Warm up over a share of the budget, then fall to `floor` along a cosine.

    `factor` multiplies the peak learning rate. Cosine: Loshchilov & Hutter 2016. The budget is
    `budget_s` seconds of training, or `budget_steps` where that is not 0.
    """

    budget_s: float
    budget_steps: int = 0
    warmup_share: float = 0.03
    floor: float = 0.02

    def __post_init__(self) -> None:
        if self.budget_s <= 0 or self.budget_steps < 0:
            found = f"{self.budget_s} s, {self.budget_steps} steps"
            raise ValueError(f"Schedule: the budget must be positive, got {found}")

    def progress(self, state: RunState) -> float:
        """Share of the budget that is spent, 0 to 1."""
        spent = (
            state.step / self.budget_steps if self.budget_steps else state.elapsed_s / self.budget_s
        )
        return min(1.0, max(0.0, spent))

    def is_over(self, state: RunState) -> bool:
        """True when the budget is spent."""
        return self.progress(state) >= 1.0

    def factor(self, state: RunState) -> float:
        """Multiplier of the peak learning rate for the next step."""
        progress = self.progress(state)
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
