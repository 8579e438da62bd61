"""The training loop that all models share: steps, rates, checkpoints, snapshots, progress."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from extbuild.train.average import WeightAverage
from extbuild.train.checkpoint import Keeper, load_checkpoint, save_checkpoint
from extbuild.train.device import half_precision
from extbuild.train.grid import REFRESH_STEPS, BlockGrid
from extbuild.train.run_log import RunLog
from extbuild.train.schedule import Every, RunState, Schedule

Batch = TypeVar("Batch")

SMOOTHING = 0.98


@dataclass(frozen=True)
class Pace:
    """How long a run goes on, and how often it saves and shows itself, in seconds."""

    schedule: Schedule
    checkpoint_s: float = 300.0
    snapshot_s: float = 900.0
    clip: float = 1.0


@dataclass(frozen=True)
class Trainee:
    """What is trained. ``grid`` rounds its weights in every step, where it is given."""

    network: nn.Module
    optimizers: Sequence[torch.optim.Optimizer]
    average: WeightAverage
    grid: BlockGrid | None
    device: torch.device

    @property
    def keepers(self) -> tuple[Keeper, ...]:
        """The parts whose state a checkpoint holds beside weights and optimisers."""
        return (self.average,) if self.grid is None else (self.average, self.grid)

    def as_shipped(self) -> AbstractContextManager[object]:
        """Inside, the network has the averaged weights, rounded as they will ship."""
        stack = ExitStack()
        stack.enter_context(self.average.applied())
        stack.enter_context(self.rounded())
        return stack

    def rounded(self) -> AbstractContextManager[object]:
        """Inside, the network has its own weights, rounded as they will ship."""
        return nullcontext() if self.grid is None else self.grid.rounded()


def fit(
    trainee: Trainee,
    loss_of: Callable[[Batch], Tensor],
    batches_from: Callable[[int], Iterable[tuple[int, Batch]]],
    tokens_of: Callable[[Batch], int],
    pace: Pace,
    checkpoint: Path,
    log: RunLog,
    snapshot: Callable[[], None],
) -> RunState:
    """Train until the budget is spent; gives where the run stands.

    Goes on from ``checkpoint`` when there is one, exactly: ``batches_from(position)`` yields
    batches with the position after each. ``loss_of`` is called under bfloat16 autocast.
    """
    schedule = pace.schedule
    peaks = [[group["lr"] for group in optimizer.param_groups] for optimizer in trainee.optimizers]
    state = load_checkpoint(checkpoint, trainee.network, trainee.optimizers, trainee.keepers)
    save_due = Every(pace.checkpoint_s, state.elapsed_s)
    snapshot_due = Every(pace.snapshot_s, state.elapsed_s)
    trainee.network.train()
    smooth, seen = 0.0, 0
    base_s, started = state.elapsed_s, time.monotonic()
    if not schedule.is_over(state):
        for position, batch in batches_from(state.position):
            _set_rates(trainee.optimizers, peaks, schedule.factor(state))
            if trainee.grid is not None and state.step % REFRESH_STEPS == 0:
                trainee.grid.refresh()
            loss = _step(trainee, loss_of, batch, pace.clip)
            elapsed = base_s + time.monotonic() - started
            state = RunState(state.step + 1, position, elapsed)
            seen += tokens_of(batch)
            smooth = loss if smooth == 0.0 else SMOOTHING * smooth + (1 - SMOOTHING) * loss
            speed = seen / (elapsed - base_s)
            log.step(schedule.progress(state), loss=smooth, tokens_s=speed, step=state.step)
            if save_due(elapsed):
                save_checkpoint(
                    checkpoint, trainee.network, trainee.optimizers, state, trainee.keepers
                )
            if snapshot_due(elapsed):
                with trainee.as_shipped():
                    snapshot()
                trainee.network.train()
            if schedule.is_over(state):
                break
    save_checkpoint(checkpoint, trainee.network, trainee.optimizers, state, trainee.keepers)
    return state


def _set_rates(
    optimizers: Sequence[torch.optim.Optimizer], peaks: list[list[float]], factor: float
) -> None:
    for optimizer, own in zip(optimizers, peaks, strict=True):
        for group, peak in zip(optimizer.param_groups, own, strict=True):
            group["lr"] = peak * factor


def _step(trainee: Trainee, loss_of: Callable[[Batch], Tensor], batch: Batch, clip: float) -> float:
    with trainee.rounded():
        with half_precision(trainee.device):
            loss = loss_of(batch)
        torch.autograd.backward(loss)
    nn.utils.clip_grad_norm_(trainee.network.parameters(), clip)
    for optimizer in trainee.optimizers:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    trainee.average.update()
    return loss.item()
